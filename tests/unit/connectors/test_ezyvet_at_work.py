"""Files and due services between an ezyVet site, over HTTP, and a booking side, by the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.ezyvet import plugin
from connectors.ezyvet.connector import EzyVet
from connectors.ezyvet.options import FILES, SCOPES, VACCINATIONS
from connectors.ezyvet.simulator import CODE_LISTS, FIRST_ANIMAL, FIRST_CONTACT, EzyVetSimulator, build
from tests.at_work import RULES, ZONE, AtWork, end, environment
from tests.file_rig import content, pdf
from tests.rig import Rig
from vetbridge.connector.secret import Secret
from vetbridge.core.due import DuePolicy
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync.pair import FilePolicy, Placeholder
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities

ACCOUNT = "ezyvet-city"
CLIENTS, SEED = 12, 7
OWNER = next(
    each for each in make_clinic(SEED, CLIENTS).owners if each.active and each.phones and len(each.pets) == 1
)


class Town(AtWork):
    """One owner with one pet and a visit to come; known at both sides. It is Monday, 2 March 2026."""

    def __init__(self, folder: Path) -> None:
        clock = FakeClock()
        booking = MemorySide(memory_capabilities("booking"), clock=clock)
        rig = Rig(folder, clock=clock, booking=booking)
        self.simulator: EzyVetSimulator = build(clients=CLIENTS, seed=SEED, zone=ZONE, clock=clock).start()
        credentials: dict[str, Any] = dict(self.simulator.credentials)
        options = plugin.options.model_validate(
            {
                **credentials,
                "client_secret": Secret.of(credentials["client_secret"]),
                "base_url": self.simulator.base_url,
                "cancellation_reason": 2,
                "scope": (*SCOPES, *FILES, *VACCINATIONS),
                "due_services": {"wellness_plans": True},
            }
        )
        ezyvet = EzyVet(options, environment(ACCOUNT, clock))
        mapper = Mapper(load_table("ezyvet"), zone=ZONE, country="GB", codes=CODE_LISTS)
        pair = replace(
            rig.pair,
            pims=end(ACCOUNT, ezyvet, mapper, clock),
            placeholder=Placeholder(client_id="900", pet_id="901"),
            files=FilePolicy(to_pims=RULES, to_booking=RULES),
            due=DuePolicy(),
        )
        super().__init__(rig, pair, self.simulator, ezyvet, account=ACCOUNT)
        self.contact, self.animal = FIRST_CONTACT + OWNER.number, FIRST_ANIMAL + OWNER.pets[0].number
        rig.book(OWNER.given_name, OWNER.family_name, OWNER.phones[0], OWNER.pets[0].name)
        self.card = booking.rows(Kind.CLIENT)[0]["id"]
        self.go_on()
        self.begin()

    def on_card(self) -> dict[str, bytes]:
        """The files on the owner's card, by name."""
        return {row["name"]: content(self.rig.booking, row["id"]) for row in self.rig.booking.rows(Kind.ATTACHMENT)}

    def at_site(self) -> list[tuple[str, int, str, bytes]]:
        """The attachments of the site: what each hangs on, its name and its content."""
        rows = self.simulator.store.all("attachment")
        files = {row["id"]: self.simulator.files.read(row["_content"]) for row in self.simulator.store.all("file")}
        return [(row["record_type"], row["record_id"], row["name"], files[row["file_id"]]) for row in rows]

    def says(self) -> dict[str, Any]:
        """What the owner's card says about what is due."""
        return self.rig.booking.get(Kind.REMINDER, self.card) or {}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.close()


def bring(town: Town, name: str, data: bytes) -> None:
    town.rig.booking.add(Kind.ATTACHMENT, {"client_id": town.card, "name": name}, content=data)


def test_files_go_both_ways_once(town: Town) -> None:
    bring(town, "Referral.pdf", pdf("from the old vet"))
    consult = town.simulator.store.insert("consult", {"animal_id": town.animal, "active": True})
    for record_type, number in (("Consult", consult), ("Animal", town.animal)):
        town.simulator.attach(record_type, number, "Discharge.pdf", pdf("home again"))
    town.look()
    brought = ("Animal", town.animal, "Referral.pdf", pdf("from the old vet"))
    assert brought in town.at_site()
    assert town.on_card() == {"Referral.pdf": pdf("from the old vet"), "Discharge.pdf": pdf("home again")}
    for _ in range(2):
        town.look()
    assert len(town.at_site()) == 3, "no echo"
    assert len(town.rig.booking.rows(Kind.ATTACHMENT)) == 2, "one content is one file, filed twice as it is"


@pytest.mark.parametrize("fault", ["drop_after_commit", "cut_upload", "late_landing"])
def test_a_file_whose_answer_was_lost_stands_there_once(town: Town, fault: str) -> None:
    bring(town, "Referral.pdf", pdf("from the old vet"))
    town.clock.advance(town.looker.again.total_seconds())
    town.looker.pass_()
    town.simulator.faults.arm(fault)
    town.rig.settle()
    assert town.simulator.faults.happened[fault] == 1
    assert town.at_site() == [("Animal", town.animal, "Referral.pdf", pdf("from the old vet"))]


@pytest.mark.parametrize("fault", ["cut_download", "html_for_json"])
def test_a_file_whose_download_fails_comes_whole_in_the_end(town: Town, fault: str) -> None:
    town.simulator.attach("Contact", town.contact, "Discharge.pdf", pdf("home again"))
    town.clock.advance(town.looker.again.total_seconds())
    town.looker.pass_()
    town.simulator.faults.arm(fault)
    town.rig.settle()
    assert town.simulator.faults.happened[fault] == 1
    assert town.on_card() == {"Discharge.pdf": pdf("home again")}


def test_what_is_due_stands_on_the_card_and_goes_when_the_pet_dies(town: Town) -> None:
    today = town.clock.now().date()
    booked = town.rig.booking.rows(Kind.APPOINTMENT)[0]
    town.rig.booking.edit(Kind.APPOINTMENT, booked["id"], {"state": "cancelled"})
    town.go_on()
    town.simulator.vaccinate(town.animal, 31, "Rabies", today - timedelta(days=345), today + timedelta(days=20))
    town.simulator.enrol(town.animal, 2, today - timedelta(days=300), today + timedelta(days=60))
    town.go_on()
    card = town.says()
    assert (card["name"], card["pet_name"]) == ("Rabies", OWNER.pets[0].name)
    assert card["due_on"] == (today + timedelta(days=20)).isoformat()
    assert card["due_soon"]
    animal = town.simulator.store.get("animal", town.animal) or {}
    changed = {**animal, "is_dead": True, "modified_at": town.simulator.now()}
    town.simulator.store.put("animal", town.animal, changed)
    town.go_on()
    card = town.says()
    assert (card["name"], card["due_on"], card["due_soon"]) == ("", None, False)
