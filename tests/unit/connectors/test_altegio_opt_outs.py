"""Altegio's ``sms_not``: how it is read and written, and that it goes from one location to another, quietly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.altegio import plugin, wire
from connectors.altegio.simulator import APART, LOCATION, AltegioSimulator, build
from tests.rig import Rig
from vetbridge.connector.accounted import Accounted
from vetbridge.connector.interface import Connector, Native, Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import Refused
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync.engine import Engine
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.receiving import Receiver
from vetbridge.testing.clock import FakeClock

ZONE = "Europe/London"
ANN = {"given_name": "Ann", "family_name": "Weiss", "phones": ["+447912000001"]}


# -- one card -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"sms_not": 1}, True),
        ({"sms_not": "1"}, True),
        ({"sms_not": True}, True),
        ({"sms_not": 0}, False),
        ({"sms_not": "0"}, False),
        ({"sms_not": False}, False),
        ({"sms_bot": 1}, True),
        ({"sms_bot": 0}, False),
        ({"sms_not": 0, "sms_bot": 1}, True),
        ({"sms_not": "ask her"}, None),
        ({"sms_not": None}, None),
        ({"sms_not": []}, None),
        ({"sms_check": 1}, None),
        ({}, None),
    ],
)
def test_a_card_says_that_it_is_excluded_from_mailings(card: Native, said: bool | None) -> None:
    assert wire.client({"id": 1, "name": "Ann", **card})["opted_out"] is said
    assert mapper(LOCATION).read(Kind.CLIENT, wire.client({"id": 1, "name": "Ann", **card})).opted_out is said


def test_the_client_of_a_record_says_nothing_of_it() -> None:
    row = {
        "id": 5,
        "client": {"id": 7, "name": "Ann", "phone": "+447912000001", "sms_not": 1},
        "services": [],
        "staff_id": 501,
        "date": "2026-07-01 10:00:00",
        "seance_length": 900,
        "attendance": 0,
        "deleted": False,
        "comment": "",
        "custom_fields": [],
    }
    booker = mapper(LOCATION).read(Kind.APPOINTMENT, wire.record(row, {})).booker
    assert booker is not None
    assert booker.opted_out is None


@pytest.mark.parametrize(
    ("card", "native", "sent"),
    [
        ({}, {"opted_out": True}, 1),
        ({"sms_not": 0}, {"opted_out": True}, 1),
        ({"sms_not": 1}, {"emails": []}, 1),
        ({"sms_bot": 1}, {"emails": []}, 1),
        ({"sms_not": 0}, {"emails": []}, None),
        ({}, {"emails": []}, None),
    ],
)
def test_an_update_takes_no_opt_out_back(card: Native, native: Native, sent: int | None) -> None:
    """A no is not sent back: people may have ticked it since the card was read."""
    body = wire.client_body(native, {"id": 1, "name": "Ann", "phone": "+447912000001", **card})
    assert body.get("sms_not") == sent


# -- over HTTP ------------------------------------------------------------------------------------------------------


def mapper(location: int) -> Mapper:
    apart = (location - LOCATION) * APART
    codes = {
        "appointment_type": {"checkup": str(701 + apart), "vaccination": str(702 + apart)},
        "resource": {f"vet_{number}": str(500 + number + apart) for number in (1, 2, 3, 4)},
    }
    return Mapper(load_table("altegio"), zone=ZONE, country="GB", codes=codes)


@pytest.fixture
def simulator() -> Iterator[AltegioSimulator]:
    made = build(locations=2, clients=3, zone=ZONE, webhook_delay=0.0).start()
    yield made
    made.stop()


@pytest.fixture
def side(simulator: AltegioSimulator) -> Iterator[Callable[[int], Connector]]:
    """The connector of one location."""
    made: list[Connector] = []

    def connect(location: int) -> Connector:
        tokens = {name: Secret.of(simulator.credentials[name]) for name in ("partner_token", "user_token")}
        options = plugin.options(base_url=simulator.base_url, location_id=str(location), **tokens)
        environment = Environment(
            account=f"altegio-{location}", zone=ZONE, country="GB", clock=FakeClock(), timeout=5.0, limit_scale=1000.0
        )
        made.append(plugin.build(options, environment))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def write(kind: Kind, native: Native, id_: str | None = None) -> Write:
    operation = Operation.CREATE if id_ is None else Operation.UPDATE
    return Write(operation=operation, kind=kind, id=id_, native=native, stamp="vb-" + "a" * 26 if id_ is None else "")


def test_an_opt_out_is_written_read_and_kept_by_every_other_write(side: Callable[[int], Connector]) -> None:
    altegio = side(LOCATION)
    card = altegio.apply(write(Kind.CLIENT, {**ANN, "opted_out": True})).id
    plain = altegio.apply(write(Kind.CLIENT, {**ANN, "phones": ["+447912000002"]})).id
    assert [(altegio.get(Kind.CLIENT, id_) or {})["opted_out"] for id_ in (card, plain)] == [True, False]
    altegio.apply(write(Kind.CLIENT, {"opted_out": True}, plain))
    for id_ in (card, plain):
        altegio.apply(write(Kind.CLIENT, {"emails": ["ann@example.org"]}, id_))
        altegio.apply(write(Kind.PET, {"client_id": id_, "name": "Tom", "species": "dog"}))
        native = altegio.get(Kind.CLIENT, id_) or {}
        assert (native["opted_out"], native["emails"], native["given_name"]) == (True, ["ann@example.org"], "Ann")


def test_an_opt_out_that_altegio_does_not_keep_is_no_success(
    side: Callable[[int], Connector], simulator: AltegioSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    altegio = side(LOCATION)
    card = altegio.apply(write(Kind.CLIENT, dict(ANN))).id
    monkeypatch.setattr(type(simulator), "_take_more", lambda *_, **__: None)
    with pytest.raises(Refused) as refused:
        altegio.apply(write(Kind.CLIENT, {"opted_out": True}, card))
    assert refused.value.code == "field-not-kept"
    assert "Weiss" not in str(refused.value)


# -- two locations --------------------------------------------------------------------------------------------------


class Branches:
    """Two locations of Altegio on one PIMS."""

    def __init__(self, folder: Path, side: Callable[[int], Connector], simulator: AltegioSimulator) -> None:
        self.rig = Rig(folder)
        self.simulator = simulator
        self.sides = {location: side(location) for location in (LOCATION, LOCATION + 1)}
        self.pairs = [self._pair(location) for location in self.sides]
        self.rig.engine = Engine(self.pairs, self.rig.ledger, self.rig.clock, self.rig.timings)
        self.owner = self.rig.owner("Ann", "Weiss", "+447912000001", "Tom")
        self.hours = 0

    def _pair(self, location: int) -> Pair:
        account = f"altegio-{location}"
        with self.rig.ledger.write() as tx:
            accounts.enrol(tx, account, "altegio", country="GB")
        connector = Accounted(self.sides[location], account, self.rig.clock)
        booking = End(account=account, connector=connector, mapper=mapper(location), timeout=10.0)
        return replace(self.rig.pair, site=f"site-{location}", booking=booking)

    def book(self, location: int, card: str) -> str:
        self.hours += 1
        start = (self.rig.clock.now() + timedelta(hours=48 + self.hours)).replace(tzinfo=None)
        apart = (location - LOCATION) * APART
        native = {
            "client_id": card,
            "pet": {"name": "Tom", "species": "dog"},
            "date": f"{start:%Y-%m-%d %H:%M:%S}",
            "seance_length": 900,
            "service_id": str(702 + apart),
            "staff_id": str(501 + apart),
            "comment": "",
        }
        return self.sides[location].apply(write(Kind.APPOINTMENT, native)).id

    def run(self) -> None:
        self.rig.refresher.pass_()
        for pair in self.pairs:
            receiver = Receiver(pair, self.rig.ledger)
            receiver.poll_desk()
            receiver.poll()
        self.rig.settle()

    def opted_out(self, location: int, card: str) -> Any:
        return (self.sides[location].get(Kind.CLIENT, card) or {})["opted_out"]

    def tick(self, location: int, card: str, *, out: bool) -> None:
        """A person ticks it on the card, or takes the tick away."""
        self.sides[location].apply(write(Kind.CLIENT, {"opted_out": out}, card))


def test_who_opts_out_at_one_location_is_opted_out_at_the_other_and_hears_of_nothing(
    tmp_path: Path, side: Callable[[int], Connector], simulator: AltegioSimulator
) -> None:
    branches = Branches(tmp_path, side, simulator)
    here, there = LOCATION, LOCATION + 1
    cards = {at: branches.sides[at].apply(write(Kind.CLIENT, dict(ANN))).id for at in (here, there)}
    booked = {at: branches.book(at, card) for at, card in cards.items()}
    branches.run()
    branches.tick(here, cards[here], out=True)
    branches.run()
    assert [branches.opted_out(at, card) for at, card in cards.items()] == [True, True]

    written = simulator.counts()["writes"]
    branches.run()
    assert simulator.counts()["writes"] == written, "once is enough"

    branches.tick(there, cards[there], out=False)
    branches.run()
    assert [branches.opted_out(at, card) for at, card in cards.items()] == [True, False], "people win"

    # Whatever else is written for her, at either location, no message goes out, and so none goes out twice.
    for visit in branches.rig.visits():
        moved = (branches.rig.clock.now() + timedelta(hours=90)).isoformat()
        branches.rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"start": moved, "state": "confirmed"})
    branches.rig.pims.edit(Kind.CLIENT, branches.owner, {"emails": ["ann@example.org"]})
    branches.run()
    states = [(branches.sides[at].get(Kind.APPOINTMENT, id_) or {})["state"] for at, id_ in booked.items()]
    assert states == ["2", "2"]
    for visit in branches.rig.visits():
        branches.rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"state": "cancelled", "cancelled": {"by": "clinic"}})
    branches.run()
    for at, id_ in booked.items():
        assert (branches.sides[at].get(Kind.APPOINTMENT, id_) or {})["state"] == wire.DELETED
        assert (branches.sides[at].get(Kind.CLIENT, cards[at]) or {})["emails"] == ["ann@example.org"]
    assert simulator.counts()["notices"] == 0
