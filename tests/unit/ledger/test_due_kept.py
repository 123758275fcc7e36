"""What the mirror keeps of pets for due services, and what is kept of cards and notices."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import select

from vetbridge.core.due import PetVisit
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet, Reminder, Vaccination
from vetbridge.ledger import accounts, due, links, mirror, suppression
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.suppression import Key
from vetbridge.ledger.tables import Mirror, Notice
from vetbridge.testing.clock import FakeClock

ANN = Client(id="c1", given_name="Ann", family_name="Weiss")
BOB = Client(id="c2", given_name="Bob", family_name="Weiss")
TOM = Pet(id="p1", client_id="c1", name="Tom")
REX = Pet(id="p2", client_id="c2", name="Rex")
SHOT = Vaccination(id="1", pet_id="p1", service="rab", name="Rabies", given_on=date(2025, 12, 1))
DENTAL = Reminder(id="1", pet_id="p2", service="den", name="Dental", due_on=date(2026, 1, 10))
TODAY = date(2026, 1, 5)


@pytest.fixture
def pims(ledger: Ledger) -> Ledger:
    with ledger.write() as tx:
        for name in ("pims", "booking"):
            accounts.enrol(tx, name, "memory", country="GB")
        mirror.put(tx, "pims", [ANN, BOB, TOM, REX])
    return ledger


def visit(clock: FakeClock, days: float, **more: object) -> Appointment:
    start = Instant(clock.now() + timedelta(days=days), "Europe/London")
    wanted: dict[str, object] = {"pet_id": "p1", "appointment_type": "dental", "notes": "limps", **more}
    return Appointment(id="v1", start=start, duration=900, **wanted)  # type: ignore[arg-type]


def put(ledger: Ledger, *records: due.OfPet) -> set[str]:
    with ledger.write() as tx:
        return due.put(tx, "pims", records)


def test_an_owner_is_what_was_read_of_its_pets(pims: Ledger, clock: FakeClock) -> None:
    assert put(pims, SHOT, DENTAL, visit(clock, 3)) == {"p1", "p2"}
    with pims.read() as tx:
        both = due.owner(tx, "pims", ["c1", "c2"], "Europe/London")
        anns = due.owner(tx, "pims", ["c1"], "Europe/London")
        assert due.clients_of_pets(tx, "pims", ["p1", "p2", "p9"]) == {"c1", "c2"}
    day = (clock.now() + timedelta(days=3)).date()
    assert both.pets == (TOM, REX)
    assert (both.vaccinations, both.reminders) == ((SHOT,), (DENTAL,))
    assert both.visits == (PetVisit(pet_id="p1", day=day, appointment_type="dental"),)
    assert (anns.pets, anns.reminders) == ((TOM,), ())


def test_only_what_is_new_counts_as_changed(pims: Ledger, clock: FakeClock) -> None:
    put(pims, SHOT, visit(clock, 3))
    assert put(pims, replace(SHOT, version="7"), visit(clock, 3, notes="sneezes", resource="vet_1")) == set()
    assert put(pims, replace(SHOT, pet_id="p2")) == {"p1", "p2"}
    assert put(pims, visit(clock, 4)) == {"p1"}


def test_of_a_visit_nothing_is_kept_that_no_service_needs(pims: Ledger, clock: FakeClock) -> None:
    put(pims, visit(clock, 3, client_id="c1", booker=ANN, cancel_reason="moved"))
    with pims.read() as tx:
        row = tx.session.exec(select(Mirror).where(Mirror.kind == Kind.APPOINTMENT)).one()
        assert row.content_sealed is not None
        kept = tx.sealer.open(row.content_sealed)["$appointment"]
    assert {name for name, value in kept.items() if value} == {"id", "pet_id", "start", "status", "appointment_type"}


@pytest.mark.parametrize(
    "gone", [{"status": AppointmentStatus.CANCELLED}, {"status": AppointmentStatus.NO_SHOW}, {"pet_id": None}]
)
def test_a_visit_that_is_off_holds_nothing_back(pims: Ledger, clock: FakeClock, gone: dict[str, object]) -> None:
    put(pims, visit(clock, 3))
    assert put(pims, visit(clock, 3, **gone)) == {"p1"}
    with pims.read() as tx:
        assert due.owner(tx, "pims", ["c1"], "Europe/London").visits == ()


def test_a_visit_of_long_ago_is_not_kept(pims: Ledger, clock: FakeClock) -> None:
    put(pims, visit(clock, -401))
    with pims.read() as tx:
        assert mirror.count(tx, "pims", Kind.APPOINTMENT) == 0


def test_the_mirror_of_clients_and_pets_is_as_it_was(pims: Ledger, clock: FakeClock) -> None:
    put(pims, SHOT, DENTAL, visit(clock, 3))
    with pims.read() as tx:
        assert mirror.clients(tx, "pims", ["c1"])[0].pets == (TOM,)
        assert (mirror.count(tx, "pims", Kind.CLIENT), mirror.count(tx, "pims", Kind.PET)) == (2, 2)


def test_who_was_forgotten_is_left_out_with_what_was_there(pims: Ledger, clock: FakeClock) -> None:
    put(pims, SHOT, DENTAL, visit(clock, 3))
    with pims.write() as tx:
        suppression.forget(tx, [Key("pims", Kind.CLIENT, "c1"), Key("pims", Kind.PET, "p1")], "h")
        mirror.remove(tx, "pims", {"c1"}, {"p1"})
    put(pims, SHOT, replace(SHOT, id="2"), visit(clock, 5))
    with pims.read() as tx:
        assert set(tx.session.exec(select(Mirror.parent_id)).all()) == {None, "c2", "p2"}


def test_who_shares_a_card_shares_its_silence(pims: Ledger) -> None:
    with pims.write() as tx:
        mirror.put(tx, "pims", [replace(BOB, opted_out=True)])
        assert due.owner(tx, "pims", ["c1", "c2"], "Europe/London").opted_out
        assert not due.owner(tx, "pims", ["c1"], "Europe/London").opted_out


def test_the_pets_of_a_partner_who_left_say_nothing_more(pims: Ledger) -> None:
    with pims.write() as tx:
        mirror.put(tx, "pims", [replace(BOB, active=False)])
        both = due.owner(tx, "pims", ["c1", "c2"], "Europe/London")
        bobs = due.owner(tx, "pims", ["c2"], "Europe/London")
    assert both.active
    assert both.pets == (TOM, replace(REX, active=False))
    assert not bobs.active


def test_what_stands_on_a_card_is_kept_and_a_day_is_looked_at_once(pims: Ledger) -> None:
    shown = Reminder(id="k1", name="RABIES", due_on=date(2026, 12, 1))
    stands = due.Standing(wanted=replace(shown, name="Rabies"), shown=shown, stamp="")
    with pims.write() as tx:
        for number, pims_id in ((1, "c1"), (2, "c2")):
            links.put(
                tx,
                site="town",
                kind=Kind.CLIENT,
                booking_account="booking",
                booking_id=f"k{number}",
                pims_account="pims",
                pims_id=pims_id,
                origin="matched",
            )
        due.stands(tx, "booking", "k1", "town", stands)
        due.stands(tx, "booking", "k9", "town", stands)
        before = due.not_looked_at(tx, "booking", TODAY, most=5)
        assert list(before) == ["k9", "k1", "k2"]
        due.looked_all(tx, "booking", "town", TODAY, before)
        assert due.not_looked_at(tx, "booking", TODAY, most=5) == {}
        due.look_again(tx, "pims", ["c2"])
        assert list(due.not_looked_at(tx, "booking", TODAY, most=5)) == ["k2"]
        assert list(due.not_looked_at(tx, "booking", TODAY + timedelta(days=1), most=2)) == ["k9", "k1"]
        before = due.not_looked_at(tx, "booking", TODAY + timedelta(days=1), most=5)
        due.look_again(tx, "pims", ["c1"])  # something was read while it was worked out
        due.looked_all(tx, "booking", "town", TODAY + timedelta(days=1), before)
        assert list(due.not_looked_at(tx, "booking", TODAY + timedelta(days=1), most=5)) == ["k1"]
        found = due.card(tx, "booking", "k1")
        assert found is not None
        assert (found.pims_ids, found.shown, found.opted_out) == (("c1",), shown, False)
        assert due.standing(tx, "booking", "k1") == stands
        assert [one.client_id for one in due.cards(tx, "booking")] == ["k1", "k2"]


def test_a_notice_is_known_by_each_of_its_keys_unless_it_was_refused(pims: Ledger) -> None:
    with pims.write() as tx:
        due.intend(tx, "booking", "k1", ["a", "b"], "2026-01-05 vb-1")
        assert due.in_doubt(tx, "booking", "k1") == ("2026-01-05 vb-1",)
        told = due.Told(tx, [("booking", "k1")])
        assert ("a" in told, "b" in told, "c" in told) == (True, True, False)
        assert "a" not in due.Told(tx, [("booking", "k2")])
        due.ended(tx, "booking", "k1", "2026-01-05 vb-1", due.NOT_DONE)
        assert "a" not in due.Told(tx, [("booking", "k1")])
        assert due.noticed_since(tx, [("booking", "k1")], tx.now)
        assert due.sent_since(tx, "booking", tx.now) == 0
        due.intend(tx, "booking", "k1", ["a", "b"], "2026-01-06 vb-1")
        assert due.sent_since(tx, "booking", tx.now) == 1
        due.not_sent(tx, "booking", "k1", "2026-01-06 vb-1")
        assert tx.session.exec(select(Notice)).all() == []


@pytest.mark.parametrize(("stamp", "day"), [("2026-01-05 vb-0a1b2c3d", TODAY), ("call her", None), ("x vb-1", None)])
def test_a_stamp_tells_its_day(stamp: str, day: date | None) -> None:
    assert due.stamped_on(stamp) == day


def test_notices_begin_when_they_are_switched_on(pims: Ledger) -> None:
    with pims.write() as tx:
        assert due.notices_since(tx, "town", TODAY) == TODAY
        assert due.notices_since(tx, "town", TODAY + timedelta(days=3)) == TODAY
        due.no_notices(tx, "town")
        assert due.notices_since(tx, "town", TODAY + timedelta(days=3)) == TODAY + timedelta(days=3)
