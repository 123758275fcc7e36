"""Practices of other systems in the demo: how they are reached, and what their people write down."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.pulse.simulator import PRACTICE
from tests.unit.demo.worlds import TODAY
from vetbridge.connector.plugin import systems
from vetbridge.core.records import Kind
from vetbridge.demo.by_hand.accounts import account_of, carries, is_typed, uses_files
from vetbridge.demo.by_hand.records import RecordsDesk, kept_files
from vetbridge.demo.by_hand.show import _way
from vetbridge.demo.practice import NotThere
from vetbridge.demo.script import plan_morning
from vetbridge.demo.stage import Secrets
from vetbridge.demo.story import Case, Paper
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.practice.plain import PlainPractice

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CLINIC = make_clinic(3, 500)
MORNING = plan_morning(CLINIC, 3, 20, today=TODAY)


@pytest.mark.parametrize(
    ("system", "way", "typed", "files", "carried"),
    [
        ("impromed", "files", True, True, set()),
        ("animana", "rest", False, False, set()),
        ("pulse", "vetdata", True, True, {Kind.VACCINATION}),
        ("avimark", "vetdata", True, True, {Kind.VACCINATION, Kind.REMINDER}),
        ("avimark", "idexx_data_services", True, False, {Kind.REMINDER}),
        ("cornerstone", "idexx_data_services", False, False, {Kind.REMINDER, Kind.ATTACHMENT}),
    ],
)
def test_what_a_morning_shows_of_each_way(
    system: str, way: str, typed: bool, files: bool, carried: set[Kind]
) -> None:
    found = systems()[system].way(way)
    assert found is not None
    assert (is_typed(found), uses_files(found), carries(found)) == (typed, files, carried)


def test_an_account_has_its_parts_and_no_secret(tmp_path: Path) -> None:
    pulse = systems()["pulse"]
    ready = {
        "base_url": "http://127.0.0.1:1",
        "credentials": {"installation": "GUID", "username": "us", "password": "hush-hush", "client_id": "id"},
        "options": {"auth_url": "http://127.0.0.1:1"},
    }
    account = account_of(pulse, pulse.ways[0], ready, Secrets(tmp_path))
    assert account["connector"] == "vetdata"
    assert account["options"]["installation"] == "GUID"
    assert "hush-hush" not in str(account)
    diary = account["parts"]["diary"]
    assert (diary["connector"], diary["serves"]) == ("files", ["appointment"])
    assert diary["options"]["profile"] == "pulse"


def test_what_no_simulator_plays_is_refused_with_what_is_played() -> None:
    with pytest.raises(ValueError, match="cannot be played by idexx_data_services, but by vetdata, files"):
        _way(systems()["avimark"], "idexx_data_services")


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[PlainPractice]:
    with PRACTICE(tmp_path / "practice.sqlite3", now=lambda: NOW) as made:
        made.fill(CLINIC)
        yield made


def test_files_hang_on_the_owner_once_the_visit_does(practice: PlainPractice) -> None:
    booking = next(one for one in MORNING.bookings if one.part.case is Case.KNOWN and one.part.pets)
    nobody = practice.register_client(given_name="Online", family_name="Booking")
    pet = practice.register_pet(client_id=nobody.id, name="Online booking", species="other")
    desk = RecordsDesk(practice, placeholder=(nobody.id, pet.id))
    paper = Paper(
        number=1, booking=booking.number, name="Letter.pdf", content=b"%PDF-1.4", at_pims=True, carried=True
    )
    visit = practice.book(pet_id=pet.id, start=NOW.replace(tzinfo=None), notes=booking.reference)
    assert desk.parked(booking) == visit.id
    assert not desk.holds(booking)
    with pytest.raises(NotThere):
        desk.put_file(booking, paper)
    owned = practice.pet_id(min(booking.part.pets))
    practice.change_visit(visit.id, pet_id=owned, client_id=practice.pet(owned).client_id)
    desk.put_file(booking, paper)
    assert desk.files_of(booking) == {"Letter.pdf"}
    kept = kept_files(practice, desk.reference)
    [filed] = kept.files[hashlib.sha256(b"%PDF-1.4").hexdigest()]
    assert filed.on in kept.places[booking.reference]


def test_a_vaccination_is_written_down_with_the_day_when_the_next_is_due(practice: PlainPractice) -> None:
    number = CLINIC.owners[0].pets[0].number
    RecordsDesk(practice).vaccinate(number, date(2026, 3, 20))
    [given], [reminder] = practice.vaccinations(), practice.reminders()
    assert given.given_on == date(2025, 3, 20)
    assert (reminder.due_on, reminder.pet_id) == (date(2026, 3, 20), practice.pet_id(number))
