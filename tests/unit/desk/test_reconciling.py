"""Every difference between two sides is told: who would change what, what stays, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from vetbridge.core.errors import MappingError
from vetbridge.core.records import Appointment, Client, Kind
from vetbridge.desk.reconciling import Group, Line, Reconciliation, Shown, client_differences, reconciled
from vetbridge.ledger import rehearsals
from vetbridge.sync.pair import End


class Town:
    """Two sides that people kept by hand, with whatever a test plants in them; visits are 15 minutes with v1."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.rig.meet()
        self.smith, self.bella = self.known("John", "Smith", "+447912000001", "Bella")
        self.sites = self.rig.sites()

    def known(self, given: str, family: str, phone: str, pet: str, **more: Any) -> tuple[str, str]:
        """A client of the PIMS and its pet."""
        client = self.rig.owner(given, family, phone, pet, **more)
        return client, str(next(row["id"] for row in self.rig.pims.rows(Kind.PET) if row["owner"] == client))

    def visit(self, client: str, pet: str, hours: float, **more: Any) -> str:
        """A visit that the desk has typed."""
        start = self.rig.clock.now() + timedelta(hours=hours)
        row = {"owner": client, "pet": pet, "start": start.isoformat(), "seconds": 900, "type": "2", "who": "v1"}
        return self.rig.pims.add(Kind.APPOINTMENT, {**row, "state": "booked", **more})

    def both(self, hours: float = 30, **in_pims: Any) -> tuple[str, str]:
        """John Smith's visit on both sides."""
        booking = self.rig.book("John", "Smith", "+447912000001", "Bella", hours=hours)
        return booking, self.visit(self.smith, self.bella, hours, **in_pims)

    def look(self, *, every_client: bool = False) -> Reconciliation:
        """What a rehearsal would do to both sides: here it is done, on sides that are thrown away."""
        rig = self.rig
        rig.pair_up()
        here, there = self._shown(rig.pair.booking, rig.booking), self._shown(rig.pair.pims, rig.pims)
        with rig.ledger.write() as tx:
            mark = rehearsals.mark(tx)
        rig.engine.unapproved = True
        rig.run()
        with rig.ledger.read() as tx:
            planned = rehearsals.planned(tx, replace(mark, change_id=0)).values()
            return reconciled(tx, self.sites, rig.pair, here, there, planned, every_client=every_client)

    @staticmethod
    def _shown(end: End, side: Any) -> Shown:
        records, unreadable = {}, {}
        for row in side.rows(Kind.APPOINTMENT):
            try:
                record = end.mapper.read(Kind.APPOINTMENT, row)
                assert isinstance(record, Appointment)
                records[str(row["id"])] = record
            except MappingError as error:
                unreadable[str(row["id"])] = error.message
        return Shown(records=records, unreadable=unreadable)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def only(found: Reconciliation, group: Group, kind: Kind = Kind.APPOINTMENT) -> Line:
    lines = [line for line in found.in_group(group) if line.kind == kind]
    assert len(lines) == 1, lines
    return lines[0]


def values(line: Line) -> dict[str, tuple[Any, Any]]:
    return {each.field: (each.booking, each.pims) for each in line.fields}


def test_sides_that_agree_have_no_line(town: Town) -> None:
    town.both()
    found = town.look()
    assert found.lines == ()
    assert found.agrees
    assert found.counts() == {}


def test_a_booking_on_its_own_would_be_made_in_the_pims(town: Town) -> None:
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    found = town.look()
    line = only(found, Group.TO_PIMS)
    assert (line.booking_id, line.pims_id, line.side, line.operation) == (booking, None, "pims", "create")
    assert line.who == "John Smith, Bella"
    assert line.words == "it stands at the booking side alone"
    assert line.visit_at == (town.rig.clock.now() + timedelta(hours=30)).replace(microsecond=0)
    assert values(line)["resource"] == ("vet_1", None)
    assert not found.agrees
    assert found.counts() == {"to-pims": {"appointment create": 1}}


def test_a_visit_on_its_own_would_be_made_at_the_booking_side_with_its_owner(town: Town) -> None:
    visit = town.visit(town.smith, town.bella, 30)
    found = town.look()
    made = {line.kind: line for line in found.in_group(Group.TO_BOOKING)}
    assert made[Kind.APPOINTMENT].pims_id == visit
    assert made[Kind.APPOINTMENT].words == "it stands in the PIMS alone"
    assert made[Kind.APPOINTMENT].who == "John Smith, Bella"
    assert made[Kind.CLIENT].pims_id == town.smith
    assert values(made[Kind.CLIENT])["family_name"] == (None, "Smith")


def test_what_was_moved_since_would_be_moved(town: Town) -> None:
    booking, visit = town.both()
    town.rig.pair_up()
    later = (town.rig.clock.now() + timedelta(hours=33)).isoformat()
    town.rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later})
    line = only(town.look(), Group.TO_PIMS)
    assert (line.booking_id, line.pims_id, line.operation) == (booking, visit, "move")
    mine, theirs = values(line)["start"]
    assert mine.utc - theirs.utc == timedelta(hours=3)
    assert line.words == "changed at the booking side, or asked for there: time"


def test_what_was_cancelled_in_the_pims_would_be_cancelled_at_the_booking_side(town: Town) -> None:
    booking, visit = town.both()
    town.rig.pair_up()
    town.rig.pims.edit(Kind.APPOINTMENT, visit, {"state": "cancelled"})
    line = only(town.look(), Group.TO_BOOKING)
    assert (line.booking_id, line.operation) == (booking, "cancel")
    assert values(line) == {"status": ("booked", "cancelled")}


def test_a_length_that_differed_when_they_were_paired_stays(town: Town) -> None:
    booking, visit = town.both(seconds=1800)
    found = town.look()
    line = only(found, Group.STAYS)
    assert (line.booking_id, line.pims_id, line.side, line.operation) == (booking, visit, "", "")
    assert values(line) == {"duration": (900, 1800)}
    assert line.why == "as-paired"
    assert found.agrees, "nobody has to do anything about it"


def test_a_pair_that_nobody_is_sure_of_is_a_question(town: Town) -> None:
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    visit = town.visit(town.smith, town.bella, 50)
    line = only(town.look(), Group.QUESTION)
    assert (line.booking_id, line.pims_id, line.why) == (booking, visit, "maybe-one-visit")
    assert set(values(line)) == {"start"}


def test_a_client_who_may_be_another_is_a_question_with_those_who_may_be(town: Town) -> None:
    card = town.rig.booking.add(
        Kind.CLIENT, {"name": {"given": "Peter", "family": "Jones"}, "phones": ["+447912000001"]}
    )
    line = only(town.look(), Group.QUESTION, Kind.CLIENT)
    assert (line.booking_id, line.why, line.who) == (card, "maybe-one-client", "Peter Jones")
    assert line.others == (town.smith,)


def test_contact_data_that_differs_stays(town: Town) -> None:
    town.both()
    card = town.rig.booking.rows(Kind.CLIENT)[0]["id"]
    town.rig.booking.edit(Kind.CLIENT, card, {"emails": ["new@example.org"]})
    line = only(town.look(), Group.STAYS, Kind.CLIENT)
    assert (line.booking_id, line.pims_id) == (card, town.smith)
    assert values(line) == {"emails": (("new@example.org",), ())}


def test_clients_on_one_side_are_counted_and_listed_on_demand(town: Town) -> None:
    card = town.rig.booking.add(
        Kind.CLIENT, {"name": {"given": "New", "family": "Person"}, "phones": ["+447912000555"]}
    )
    found = town.look()
    assert (found.clients_only_at_booking, found.clients_only_in_pims) == (1, 1)
    assert found.lines == ()
    assert found.agrees
    assert found.counts() == {"one-side": {"at-booking": 1, "in-pims": 1}}
    with town.rig.ledger.read() as tx:
        every = reconciled(tx, town.sites, town.rig.pair, Shown(), Shown(), (), every_client=True)
    lines = {(line.booking_id, line.pims_id, line.who) for line in every.in_group(Group.ONE_SIDE)}
    assert lines == {(card, None, "New Person"), (None, town.smith, "John Smith")}, "the placeholder is nobody"


def test_a_person_who_is_registered_twice_is_told_and_left_alone(town: Town) -> None:
    again, _ = town.known("Jon", "Smith", "07912 000001", "Bella")
    town.known("Mary", "Smith", "+447912000777", "Kit")
    town.known("Eve", "Gone", "+447912000001", "Bella", active=False)
    before = town.rig.pims.rows(Kind.CLIENT)
    line = only(town.look(), Group.REGISTERED_TWICE, Kind.CLIENT)
    assert {line.pims_id, *line.others} == {town.smith, again}
    assert town.rig.pims.rows(Kind.CLIENT) == before


def test_what_cannot_be_read_is_told_once(town: Town) -> None:
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30, type="99")
    found = town.look()
    line = only(found, Group.UNREADABLE)
    assert (line.booking_id, line.why) == (booking, "mapping")
    assert "99" in line.words
    assert found.in_group(Group.HELD_UP) == ()
    assert not found.agrees


def test_a_visit_that_is_left_alone_on_one_side_is_told_with_the_reason(town: Town) -> None:
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella", hours=-0.5)
    line = only(town.look(), Group.STAYS)
    assert (line.booking_id, line.pims_id, line.why) == (booking, None, "visit-has-begun")
    assert line.words.startswith("stands at the booking side alone: ")


@pytest.mark.parametrize(
    ("card", "fields"),
    [
        ({"phones": ("07912 000002",)}, []),
        ({"emails": ("JOHN@example.org",)}, []),
        ({"phones": ("07912 000003",)}, ["phones"]),
        ({"phones": ()}, ["phones"]),
        ({"family_name": "Smyth"}, ["name"]),
        ({"given_name": "", "family_name": "John  Smith"}, []),
    ],
)
def test_contacts_are_compared_as_people_mean_them(card: dict[str, Any], fields: list[str]) -> None:
    there = Client(
        given_name="John",
        family_name="Smith",
        phones=("+447912000001", "+447912000002"),
        emails=("john@example.org",),
    )
    assert [each.field for each in client_differences(replace(there, **card), there, "GB")] == fields
