"""Files, due services and messages between an Altegio location, over HTTP, and a PIMS, by the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.altegio import plugin
from connectors.altegio.connector import AltegioConnector
from connectors.altegio.simulator import AltegioSimulator, build
from tests.at_work import RULES, ZONE, AtWork, end, environment
from tests.file_rig import pdf
from tests.rig import Rig
from vetbridge.connector.interface import Native, Operation, Write
from vetbridge.connector.secret import Secret
from vetbridge.core.due import DuePolicy
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync.pair import FilePolicy, NoticePolicy
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities

ACCOUNT = "altegio-city"
FIELDS = {"service": "due_service", "pet": "due_pet", "date": "due_on", "notified": "due_notified"}
CODES = {
    "appointment_type": {"checkup": "701", "vaccination": "702"},
    "resource": {f"vet_{number}": str(500 + number) for number in (1, 2, 3, 4)},
}
NOTICES = NoticePolicy(
    text="{clinic}: {pets} is due for {services} by {date}.",
    clinic="Town Vets",
    opens=time(0),
    closes=time(0),
    weekdays=frozenset(range(7)),
    per_day=50,
)


class Town(AtWork):
    """One owner, Ann, with the dog Tom and a visit to come; known at both sides. It is Monday, 2 March 2026."""

    def __init__(self, folder: Path) -> None:
        clock = FakeClock()
        rig = Rig(folder, clock=clock, pims=MemorySide(memory_capabilities(), clock=clock))
        self.simulator: AltegioSimulator = build(clients=2, zone=ZONE, webhook_delay=0.0, clock=clock).start()
        for code in FIELDS.values():
            self.simulator.store.insert("field", {"category": "client", "code": code, "title": code})
        for title in ("Due soon", "Overdue"):
            self.simulator.store.insert("label", {"title": title, "entity": 1})
        tokens = {name: Secret.of(self.simulator.credentials[name]) for name in ("partner_token", "user_token")}
        options = plugin.options.model_validate(
            {
                "base_url": self.simulator.base_url,
                "location_id": self.simulator.credentials["location_id"],
                **tokens,
                "due_fields": FIELDS,
                "due_labels": {"soon": 1, "overdue": 2},
                "mailing": {"clients": "client_ids", "text": "text"},
            }
        )
        self.altegio = AltegioConnector(options, environment(ACCOUNT, clock))
        mapper = Mapper(load_table("altegio"), zone=ZONE, country="GB", codes=CODES)
        pair = replace(
            rig.pair,
            booking=end(ACCOUNT, self.altegio, mapper, clock),
            files=FilePolicy(to_pims=RULES, to_booking=RULES),
            due=DuePolicy(notice_days=(-15, 7)),
            notices=NOTICES,
        )
        super().__init__(rig, pair, self.simulator, self.altegio, account=ACCOUNT)
        self.owner = rig.owner("Ann", "Weiss", "+447912000001", "Tom")
        self.pet = next(row["id"] for row in rig.pims.rows(Kind.PET) if row["name"] == "Tom")
        self.card = self.book("Ann", "Weiss", "+447912000001", "Tom", hours=48)
        self.begin()

    def book(self, given: str, family: str, phone: str, pet: str, *, hours: int) -> str:
        """An owner whom the PIMS knows makes a card and a visit; returns the card."""
        card = self._make(Kind.CLIENT, {"given_name": given, "family_name": family, "phones": [phone]})
        start = (self.clock.now() + timedelta(hours=hours)).replace(tzinfo=None)
        visit: Native = {
            "client_id": card,
            "pet": {"name": pet, "species": "dog"},
            "date": f"{start:%Y-%m-%d %H:%M:%S}",
            "seance_length": 900,
            "service_id": "701",
            "staff_id": "501",
            "comment": "",
        }
        self._make(Kind.APPOINTMENT, visit)
        self.go_on()
        return card

    def _make(self, kind: Kind, native: Native) -> str:
        write = Write(operation=Operation.CREATE, kind=kind, id=None, native=native, stamp="VB-7F3K9Q2MXX")
        return self.altegio.apply(write).id

    def files(self) -> dict[str, bytes]:
        """What is on the card, by name."""
        rows = self.simulator.store.find("file", client_id=int(self.card))
        return {row["name"]: self.simulator.file_content(row["id"]) for row in rows}

    def due(self, days: int, name: str = "Rabies") -> None:
        """A service is due for Tom so many days from now."""
        day = (self.clock.now().date() + timedelta(days=days)).isoformat()
        self.rig.pims.add(Kind.REMINDER, {"pet_id": self.pet, "service": name[:3], "name": name, "due_on": day})

    def call_off(self) -> None:
        """The visit, which holds back what is due."""
        self.rig.pims.edit(Kind.APPOINTMENT, self.rig.visits()[0]["id"], {"state": "cancelled"})

    def says(self) -> dict[str, Any]:
        """What the card says about due services, and its labels."""
        card = self.simulator.store.get("client", int(self.card)) or {}
        return {
            **{code: card["custom_fields"].get(code, "") for code in FIELDS.values()},
            "labels": card.get("categories", []),
        }


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.close()


def test_files_go_both_ways_once(town: Town) -> None:
    town.simulator.turn("file_names", "stem")
    town.simulator.add_file(int(town.card), "Referral.pdf", pdf("from the old vet"))
    town.rig.pims.add(Kind.ATTACHMENT, {"name": "Discharge.pdf", "pet_id": town.pet}, content=pdf("home again"))
    town.look()
    there = {row["name"]: b"".join(town.rig.pims.content(row["id"])) for row in town.rig.pims.rows(Kind.ATTACHMENT)}
    both = {"Referral.pdf": pdf("from the old vet"), "Discharge.pdf": pdf("home again")}
    assert there == both
    assert town.files() == both
    for _ in range(2):
        town.look()
    assert len(town.rig.pims.rows(Kind.ATTACHMENT)) == len(town.simulator.store.all("file")) == 2, "no echo"
    assert town.simulator.counts()["notices"] == 0


@pytest.mark.parametrize("fault", ["drop_after_commit", "cut_upload"])
def test_a_file_whose_answer_was_lost_stands_there_once(town: Town, fault: str) -> None:
    town.rig.pims.add(Kind.ATTACHMENT, {"name": "Discharge.pdf", "pet_id": town.pet}, content=pdf("home again"))
    town.looker.pass_()
    town.simulator.faults.arm(fault)
    town.rig.settle()
    assert town.files() == {"Discharge.pdf": pdf("home again")}
    assert len(town.simulator.store.all("file")) == 1


def test_a_page_to_sign_in_at_is_no_referral(town: Town) -> None:
    town.simulator.turn("downloads", "page")
    town.simulator.add_file(int(town.card), "Referral.pdf", pdf("from the old vet"))
    town.look()
    assert town.rig.pims.rows(Kind.ATTACHMENT) == []
    assert "no-file" in [code for _, code in town.rig.endings()]


def test_a_list_of_files_that_cannot_be_read_keeps_no_other_back(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.rig.owner("Bo", "Jones", "+447912000002", "Rex")
    later = town.book("Bo", "Jones", "+447912000002", "Rex", hours=72)
    for card in (town.card, later):
        town.simulator.add_file(int(card), "Referral.pdf", pdf(card))
    shown = town.simulator._file
    spoilt = {int(town.card): {"client_id": 5}}
    monkeypatch.setattr(town.simulator, "_file", lambda row: {**shown(row), **spoilt.get(row["client_id"], {})})
    town.look()
    (there,) = town.rig.pims.rows(Kind.ATTACHMENT)
    assert b"".join(town.rig.pims.content(there["id"])) == pdf(later)


def test_a_user_who_may_see_no_files_keeps_nothing_else_back(town: Town) -> None:
    town.simulator.turn("denied_rights", ["client_files_list_access"])
    town.call_off()
    town.due(20)
    town.go_on()
    assert town.says()["due_service"] == "Rabies"


def test_what_is_due_stands_on_the_card_and_goes_when_the_pet_dies(town: Town) -> None:
    card = town.simulator.store.get("client", int(town.card)) or {}
    town.simulator.store.put("client", card["id"], {**card, "categories": [77]})
    town.call_off()
    town.due(20)
    town.go_on()
    said = town.says()
    assert (said["due_service"], said["due_pet"], said["due_on"]) == ("Rabies", "Tom", "2026-03-22")
    assert sorted(said["labels"]) == [1, 77]
    writes = town.simulator.counts()["writes"]
    town.go_on()
    assert town.simulator.counts()["writes"] == writes, "twice is once"
    town.rig.pims.edit(Kind.PET, town.pet, {"dead": "1"})
    town.go_on()
    said = town.says()
    assert [said[code] for code in ("due_service", "due_pet", "due_on")] == ["", "", ""]
    assert said["labels"] == [77]
    assert town.simulator.counts()["notices"] == 0


def test_an_owner_is_told_once_and_not_where_she_wants_nothing(town: Town) -> None:
    town.call_off()
    town.due(15)
    town.go_on()
    (notice,) = town.simulator.store.find("notice", cause="write")
    assert notice["text"] == "Town Vets: Tom is due for Rabies by 2026-03-17."
    assert town.says()["due_notified"]
    town.clock.advance(86_400)
    town.go_on()
    assert town.simulator.counts()["notices"] == 1
    town.due(14, "Dental")
    card = town.simulator.store.get("client", int(town.card)) or {}
    town.simulator.store.put("client", card["id"], {**card, "sms_not": 1, "_changed": card["_changed"] + 5})
    for _ in range(3):
        town.clock.advance(86_400)
        town.go_on()
    assert town.simulator.counts()["notices"] == 1
