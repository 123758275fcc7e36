"""A practice of which no table is known: who owns what share, change stamps, and what becomes of keys."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors.animana.simulator import CODE_LISTS
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.practice import DATABASE_FILE, NoSuchRecord, PlainPractice
from vetbridge.testing.practice.plain import ENTERED
from vetbridge.testing.practice.simulator import PlainSimulator, practice_options

NINE = datetime(2026, 3, 2, 9)  # noqa: DTZ001 - the clinic's wall clock


class House(PlainPractice):
    system = "house"
    codes: ClassVar[Any] = CODE_LISTS
    reports: ClassVar[Any] = {}


class Strict(House):
    codes: ClassVar[Any] = {**CODE_LISTS, "status": {**CODE_LISTS["status"], "cancelled": "Called off"}}
    needs_pet = True


class HouseSimulator(PlainSimulator):
    vendor = "house"
    practice_class = House


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def practice(tmp_path: Path, clock: FakeClock) -> Iterator[House]:
    with House(tmp_path / DATABASE_FILE, now=clock.now) as made:
        made.fill(make_clinic(1, 12))
        yield made


def row(practice: PlainPractice, table: str, key: str) -> dict[str, Any]:
    column = {"sim_client": "client_id", "sim_patient": "patient_id", "sim_appointment": "appointment_id"}[table]
    (found,) = practice.rows(f"SELECT * FROM {table} WHERE {column} = ?", (key,))  # noqa: S608
    return dict(found)


def owners(practice: PlainPractice, pet: str) -> dict[str, tuple[int, int]]:
    """Who owns a pet: percentage, and whether it is the primary owner."""
    rows = practice.rows("SELECT * FROM sim_owner WHERE patient_id = ? AND ends IS NULL", (pet,))
    return {one["client_id"]: (one["percent"], one["is_primary"]) for one in rows}


def test_the_clinic_was_entered_some_time_ago(practice: House) -> None:
    clinic = make_clinic(1, 12)
    assert [card.seed for card in practice.clients()] == [owner.number for owner in clinic.owners]
    pets = [pet for owner in clinic.owners for pet in owner.pets]
    assert [(pet.name, pet.species, pet.sex, pet.birth_date, pet.deceased) for pet in practice.pets()] == [
        (pet.name, pet.species, pet.sex, pet.birth_date, pet.deceased) for pet in pets
    ]
    assert {card["created_at"] for card in practice.rows("SELECT * FROM sim_client")} == {ENTERED}
    assert owners(practice, "5001") == {"1001": (100, 1)}


def test_stamps_say_what_was_made_changed_and_removed(practice: House, clock: FakeClock) -> None:
    visit = practice.book(pet_id="5001", start=NINE)
    made = row(practice, "sim_appointment", visit.id)
    assert (made["changed_at"], made["removed_at"]) == (None, None)
    clock.advance(60)
    practice.change_visit(visit.id, resource="vet_2")
    changed = row(practice, "sim_appointment", visit.id)
    assert changed["created_at"] == made["created_at"] < changed["changed_at"]
    clock.advance(60)
    practice.cancel(visit.id)
    removed = row(practice, "sim_appointment", visit.id)
    assert removed["removed_at"] > removed["changed_at"] == changed["changed_at"]
    assert practice.visits() == ()
    assert practice.visit(visit.id).deleted


def test_where_the_site_has_a_status_for_it_a_cancelled_visit_stands(tmp_path: Path) -> None:
    with Strict(tmp_path / "strict.sqlite3", now=FakeClock().now) as practice:
        practice.fill(make_clinic(1, 12))
        visit = practice.book(pet_id="5001", start=NINE)
        practice.cancel(visit.id)
        kept = row(practice, "sim_appointment", visit.id)
        assert (kept["status"], kept["removed_at"]) == ("Called off", None)
        assert practice.visit(visit.id).deleted
        assert not practice.change_visit(visit.id, deleted=False, status="booked").deleted
        with pytest.raises(ValueError, match="cannot be scheduled"):
            practice.book(client_id="1001", start=NINE)


def test_shares_make_a_hundred_and_are_no_change_of_the_pet(practice: House) -> None:
    assert practice.share("5001", "1005", 40).co_owners == (("1005", 40),)
    practice.share("5001", "1006", 50)
    assert owners(practice, "5001") == {"1001": (10, 1), "1005": (40, 0), "1006": (50, 0)}
    assert row(practice, "sim_patient", "5001")["changed_at"] is None
    assert "5001" in {pet.id for pet in practice.pets_of("1005")}
    with pytest.raises(ValueError, match="leave something"):
        practice.share("5001", "1007", 10)
    assert practice.share("5001", "1006", 0).co_owners == (("1005", 40),)
    ended = practice.rows("SELECT ends FROM sim_owner WHERE client_id = '1006' AND patient_id = '5001'")
    assert [one["ends"] for one in ended] == ["2026-03-02"]


def test_a_visit_stands_on_who_booked_where_that_one_owns_a_share(practice: House) -> None:
    practice.share("5001", "1005", 40)
    assert practice.book(pet_id="5001", client_id="1005", start=NINE).client_id == "1005"
    assert practice.book(pet_id="5001", client_id="1006", start=NINE).client_id == "1001"
    assert practice.book(pet_id="5001", start=NINE).client_id == "1001"


def test_another_may_become_the_primary_owner(practice: House) -> None:
    practice.share("5001", "1005", 40)
    practice.change_pet("5001", client_id="1005", co_owners=(("1001", 30),))
    assert owners(practice, "5001") == {"1005": (70, 1), "1001": (30, 0)}


def test_a_merged_client_leaves_all_to_the_other(practice: House) -> None:
    mine = practice.pets_of("1002")[0].id
    practice.share("5001", "1002", 40)
    visit = practice.book(pet_id=mine, start=NINE)
    paper = practice.attach(b"%PDF", client_id="1002", name="a.pdf")
    practice.merge("1002", "1001")
    assert owners(practice, "5001") == {"1001": (100, 1)}
    assert practice.pet(mine).client_id == practice.visit(visit.id).client_id == "1001"
    assert practice.document(paper.id).client_id == "1001"
    gone = row(practice, "sim_client", "1002")
    assert gone["removed_at"] is not None
    assert "1002" not in {card.id for card in practice.clients()}


def test_merged_pets_leave_what_is_due_to_one(practice: House) -> None:
    due = practice.remind(pet_id="5001", code="RAB", description="Rabies", due_on=date(2026, 5, 1))
    visit = practice.book(pet_id="5001", start=NINE)
    kept = practice.pet("5003")
    practice.merge_pets("5001", "5003")
    assert practice.reminder(due.id).pet_id == "5003"
    assert (practice.visit(visit.id).pet_id, practice.visit(visit.id).client_id) == ("5003", kept.client_id)
    assert owners(practice, "5001") == {}
    assert practice.pet("5001").deleted


def test_a_renumbered_client_is_the_same_one_under_another_id(practice: House) -> None:
    before = practice.client("1001")
    visit = practice.book(pet_id="5001", start=NINE)
    practice.share(practice.pets_of("1005")[0].id, "1001", 20)
    after = practice.renumber("1001", "9017")
    assert (after.id, after.seed, after.phones) == ("9017", before.seed, before.phones)
    assert practice.pet("5001").client_id == practice.visit(visit.id).client_id == "9017"
    assert practice.pets_of("1005")[0].co_owners == (("9017", 20),)
    assert [card.id for card in practice.clients(deleted=True) if card.seed == before.seed and card.deleted] == [
        "1001"
    ]
    with pytest.raises(ValueError, match="taken"):
        practice.renumber("1002", "9017")


@pytest.mark.parametrize("removed", [False, True])
def test_a_purge_takes_who_did_not_come_and_leaves_what_others_own(practice: House, removed: bool) -> None:
    practice.book(pet_id="5001", start=NINE)
    shared = practice.pets_of("1005")[0].id
    practice.share(shared, "1001", 40)
    count = len(practice.clients())
    assert practice.purge(NINE.date() - timedelta(days=1), removed=removed) == count - 1
    assert [card.id for card in practice.clients()] == ["1001"]
    assert owners(practice, shared) == {"1001": (100, 1)}
    assert len(practice.clients(deleted=True)) == (count if removed else 1)
    assert {pet.client_id for pet in practice.pets()} == {"1001"}


def test_the_log_and_vaccinations(practice: House) -> None:
    given = practice.vaccinate(pet_id="5001", code="RAB", description="Rabies vaccination")
    assert (given.client_id, given.given_on) == ("1001", NINE.date())
    assert practice.change_vaccination(given.id, deleted=True).deleted
    assert practice.vaccinations() == ()
    practice.log(client_id="1001", pet_id="5001", text="told")
    assert [(told.client_id, told.text) for told in practice.messages()] == [("1001", "told")]
    with pytest.raises(ValueError, match="not written anew"):
        practice.change_vaccination(given.id, due_on=NINE.date())
    with pytest.raises(NoSuchRecord):
        practice.remind(pet_id="nobody")


def call(url: str, body: object | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=10) as answer:
        return json.load(answer)


def test_the_control_door_knows_shares_ids_and_purges(tmp_path: Path) -> None:
    simulator = HouseSimulator(**practice_options({"data": tmp_path, "clients": 12, "seed": 1}))
    simulator.start()
    try:
        door = simulator.ready()["control_url"]
        pet = call(f"{door}/share", {"pet": "5001", "client": "1005", "percent": 40})["record"]
        assert pet["co_owners"] == [["1005", 40]]
        changed = {"kind": "pet", "id": "5001", "set": {"co_owners": [["1005", 30]]}}
        assert call(f"{door}/change", changed)["record"]["co_owners"] == [["1005", 30]]
        assert call(f"{door}/renumber", {"id": "1001", "new": "9017"})["record"]["id"] == "9017"
        due = call(f"{door}/remind", {"pet_id": "5001", "code": "RAB", "due_on": "2026-05-01"})["record"]
        done = {"kind": "reminder", "id": due["id"], "set": {"completed": True}}
        assert call(f"{door}/change", done)["record"]["completed"]
        content = base64.b64encode(b"%PDF-1.4").decode()
        assert call(f"{door}/attach", {"pet_id": "5001", "name": "a.pdf", "content": content})["record"]["size"] == 8
        assert [one["due_on"] for one in call(f"{door}/reminders")["records"]] == ["2026-05-01"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            call(f"{door}/share", {"pet": "5001", "client": "9017", "percent": 40})
        assert refused.value.code == 400
        assert call(f"{door}/purge", {"before": "2030-01-01"}) == {"purged": 12}
    finally:
        simulator.stop()
