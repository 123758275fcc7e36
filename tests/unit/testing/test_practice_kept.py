"""A practice without an API: what staff write stands in its database, and other programs read it there."""

from __future__ import annotations

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.animana.simulator import AnimanaPractice
from connectors.impromed.simulator import CODE_LISTS, SECRETS, ImproMedPractice, ImproMedSimulator, build
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.practice import DATABASE_FILE, NoSuchRecord, Practice
from vetbridge.testing.twins import make_twins

NINE = datetime(2026, 3, 2, 9)  # noqa: DTZ001 - the clinic's wall clock


@pytest.fixture(params=[ImproMedPractice, AnimanaPractice])
def practice(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Practice]:
    with request.param(tmp_path / DATABASE_FILE, now=FakeClock().now) as made:
        made.fill(make_clinic(1, 12))
        yield made


@pytest.fixture
def impromed(tmp_path: Path) -> Iterator[ImproMedPractice]:
    with ImproMedPractice(tmp_path / DATABASE_FILE, now=FakeClock().now) as made:
        made.fill(make_clinic(1, 12))
        yield made


@pytest.fixture
def animana(tmp_path: Path) -> Iterator[AnimanaPractice]:
    with AnimanaPractice(tmp_path / DATABASE_FILE, now=FakeClock().now) as made:
        made.fill(make_clinic(1, 12))
        yield made


def test_the_clinic_stands_on_cards(practice: Practice) -> None:
    clinic = make_clinic(1, 12)
    cards = practice.clients()
    assert [card.seed for card in cards] == [owner.number for owner in clinic.owners]
    assert [card.family_name for card in cards] == [owner.family_name for owner in clinic.owners]
    assert [card.id for card in cards] == [practice.client_id(owner.number) for owner in clinic.owners]
    pets = [pet for owner in clinic.owners for pet in owner.pets]
    assert [(pet.name, pet.species, pet.sex, pet.birth_date, pet.deceased) for pet in practice.pets()] == [
        (pet.name, pet.species, pet.sex, pet.birth_date, pet.deceased) for pet in pets
    ]


def test_the_second_person_on_a_card_stands_in_the_spouse_columns(tmp_path: Path) -> None:
    with ImproMedPractice(tmp_path / DATABASE_FILE) as practice:
        practice.fill(make_clinic(1, 200))
        couple = next(card for card in practice.clients() if card.partner_given_name)
        row = practice.rows("SELECT * FROM CLIENTS WHERE CLIENT_GUID = ?", (couple.id,))[0]
    assert (row["SPOUSE_FIRST_NAME"], row["SPOUSE_LAST_NAME"]) == (couple.partner_given_name, couple.family_name)
    assert "&" not in row["FIRST_NAME"]
    assert not [name for name in row.keys() if "MOBILE" in name or "CELL" in name]  # noqa: SIM118 - a row


def test_a_visit_has_all_that_must_not_be_null(impromed: ImproMedPractice) -> None:
    visit = impromed.book(pet_id="5001", start=NINE, minutes=20, resource="vet_2", appointment_type="dental")
    row = impromed.rows("SELECT * FROM APPT_M WHERE APPT_GUID = ?", (visit.id,))[0]
    assert {name for name in row.keys() if row[name] is None} == {"SESSION_GUID"}  # noqa: SIM118 - a row
    assert (row["START_TIME"], row["END_TIME"]) == ("2026-03-02 09:00:00", "2026-03-02 09:20:00")
    assert row["RESOURCE_GUID"] == CODE_LISTS["resource"]["vet_2"]
    assert visit.client_id == impromed.client("1001").id
    kept = impromed.visit(visit.id.lower())
    assert (kept.start, kept.minutes, kept.resource, kept.appointment_type) == (NINE, 20, "vet_2", "dental")


def test_a_cancelled_visit_stays_as_deleted_and_an_erased_one_does_not(practice: Practice) -> None:
    first, second = (practice.book(pet_id="5001", start=NINE) for _ in range(2))
    practice.cancel(first.id)
    practice.erase(Kind.APPOINTMENT, second.id)
    assert practice.visits() == ()
    assert [(visit.id, visit.deleted) for visit in practice.visits(deleted=True)] == [(first.id, True)]
    with pytest.raises(NoSuchRecord):
        practice.visit(second.id)
    third = practice.book(pet_id="5001", start=NINE)
    assert third.id not in {first.id, second.id}


def test_parts_that_were_booked_together_have_one_header(impromed: ImproMedPractice) -> None:
    first = impromed.visit(impromed.book(pet_id="5001", start=NINE).id)
    impromed.book(pet_id="5001", start=NINE, resource="vet_3", cluster=first.cluster)
    rows = impromed.rows("SELECT IS_HEADER FROM APPT_M WHERE CLUSTER_GUID = ? ORDER BY rowid", (first.cluster,))
    assert [row["IS_HEADER"] for row in rows] == [1, 0]


def test_merged_clients_leave_their_pets_and_visits_to_one(practice: Practice) -> None:
    left, kept = practice.client("1002"), practice.client("1001")
    visit = practice.book(pet_id=practice.pets_of(left.id)[0].id, start=NINE)
    practice.merge("1002", "1001")
    assert practice.visit(visit.id).client_id == kept.id
    assert practice.pets_of(left.id) == ()
    assert left.id not in {card.id for card in practice.clients()}
    cards = {card.id for card in practice.clients(deleted=True)}
    assert (left.id in cards) is not practice.merged_vanish


def test_merged_pets_leave_their_visits_to_one(practice: Practice) -> None:
    visit = practice.book(pet_id="5001", start=NINE)
    left, kept = practice.pet("5001"), practice.pet("5002")
    practice.merge_pets("5001", "5002")
    assert (practice.visit(visit.id).pet_id, practice.visit(visit.id).client_id) == (kept.id, kept.client_id)
    assert left.id not in {pet.id for pet in practice.pets()}
    pets = {pet.id for pet in practice.pets(deleted=True)}
    assert (left.id in pets) is not practice.merged_vanish


def test_a_diary_may_hold_a_visit_of_nobody(animana: AnimanaPractice) -> None:
    visit = animana.book(start=NINE, resource="vet_2", status="held", notes="picked")
    assert (visit.client_id, visit.pet_id) == ("", "")
    assert animana.visit(visit.id) == visit
    linked = animana.change_visit(visit.id, pet_id="5001")
    assert linked.client_id == animana.pet("5001").client_id


def test_a_carer_beside_the_owner_may_book(animana: AnimanaPractice) -> None:
    animana.change_pet("5001", carer_id="1005")
    by_carer = animana.book(pet_id="5001", client_id="1005", start=NINE)
    by_stranger = animana.book(pet_id="5001", client_id="1006", start=NINE)
    assert (by_carer.client_id, by_stranger.client_id) == ("1005", "1001")


def test_a_patient_needs_no_more_than_name_and_species(animana: AnimanaPractice) -> None:
    pet = animana.register_pet(client_id="1001", name="Bella", species="dog")
    assert animana.pet(pet.id) == pet
    with pytest.raises(ValueError, match="a name and a species"):
        animana.register_pet(client_id="1001", name="Bella")


def test_another_program_reads_what_is_committed_while_staff_write(practice: Practice) -> None:
    reader = sqlite3.connect(f"{practice.file.as_uri()}?mode=ro", uri=True)
    count = f"SELECT count(*) FROM {practice.tables[Kind.APPOINTMENT].name}"  # noqa: S608
    try:
        with practice.writing():
            practice.book(pet_id="5001", start=NINE)
            assert reader.execute(count).fetchone() == (0,)
        assert reader.execute(count).fetchone() == (1,)
    finally:
        reader.close()


def test_what_fails_half_way_is_not_kept(practice: Practice) -> None:
    def register() -> None:
        with practice.writing():
            practice.register_client(family_name="Half")
            practice.register_pet(client_id="nobody", name="Way")

    with pytest.raises(NoSuchRecord):
        register()
    assert "Half" not in {card.family_name for card in practice.clients()}


def test_a_purge_leaves_an_empty_table(practice: Practice) -> None:
    assert practice.empty(Kind.PET) == len([pet for owner in make_clinic(1, 12).owners for pet in owner.pets])
    assert practice.pets(deleted=True) == ()
    assert len(practice.clients()) == 12


def test_an_audit_reads_the_file_and_cannot_write(practice: Practice) -> None:
    with type(practice)(practice.file, writable=False) as seen:
        assert seen.clients() == practice.clients()
        with pytest.raises(sqlite3.OperationalError):
            seen.register_client(family_name="Weiss")


def test_a_file_that_is_no_practice_is_named(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"no database at all" * 100)
    with pytest.raises(ValueError, match="no practice's database"):
        ImproMedPractice(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        ImproMedPractice(tmp_path / "missing", writable=False)
    AnimanaPractice(tmp_path / "theirs").close()
    with pytest.raises(ValueError, match="of animana, not of impromed"):
        ImproMedPractice(tmp_path / "theirs")


# -- the simulator


def _ask(url: str, body: Any = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_staff_work_through_the_control_door(tmp_path: Path) -> None:
    with ImproMedSimulator(clients=5, data=tmp_path) as simulator:
        door = simulator.control_url
        _, made = _ask(f"{door}/register_client", {"given_name": "Ann", "family_name": "Weiss", "phones": ["0151 1"]})
        client = made["record"]["id"]
        _, made = _ask(f"{door}/register_pet", {"client_id": client, "name": "Bella", "species": "dog"})
        pet = made["record"]["id"]
        _, made = _ask(f"{door}/book", {"pet_id": pet, "start": "2026-03-02T09:00:00", "minutes": 30})
        visit = made["record"]["id"]
        move = {"kind": "appointment", "id": visit, "set": {"start": "2026-03-02T10:00:00", "status": "arrived"}}
        assert _ask(f"{door}/change", move)[0] == 200
        assert _ask(f"{door}/change", {"kind": "pet", "id": pet, "set": {"deceased": True}})[0] == 200
        _, listed = _ask(f"{door}/appointments")
        (record,) = listed["records"]
        assert (record["client_id"], record["start"], record["status"]) == (client, "2026-03-02T10:00:00", "arrived")
        assert _ask(f"{door}/cancel", {"id": visit})[0] == 200
        assert _ask(f"{door}/appointments")[1] == {"records": []}
        assert len(_ask(f"{door}/appointments?deleted=1")[1]["records"]) == 1
        assert _ask(f"{door}/empty", {"kind": "appointment"})[1] == {"emptied": {"kind": "appointment", "rows": 1}}
    with ImproMedSimulator(data=tmp_path) as again:
        assert again.practice.pet(pet).deceased


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("book", {"pet_id": "5001", "start": "soon"}, 400, "start must be"),
        ("book", {"pet_id": "5001", "begin": "2026-03-02T09:00:00"}, 400, "no field is called 'begin'"),
        ("book", {"start": "2026-03-02T09:00:00"}, 400, "needs a patient"),
        ("book", {"pet_id": "9", "start": "2026-03-02T09:00:00"}, 404, "no pet"),
        ("change", {"kind": "invoice", "id": 1, "set": {}}, 400, "kind must be"),
        ("change", {"kind": "client", "id": True, "set": {}}, 400, "id must be"),
        ("merge", {"kind": "client", "from": 1001, "into": 1001}, 400, "into itself"),
        ("merge", {"kind": "appointment", "from": 1, "into": 2}, 400, "only clients and pets"),
        ("erase", {"kind": "client", "id": "x"}, 404, "no client"),
    ],
)
def test_what_staff_cannot_do_is_said(path: str, body: Any, status: int, words: str) -> None:
    with ImproMedSimulator(clients=3) as simulator:
        told, answer = _ask(f"{simulator.control_url}/{path}", body)
    assert told == status
    assert words in answer["error"]


def test_a_clinic_that_kept_its_diary_by_hand(tmp_path: Path) -> None:
    twins = make_twins(1, today=date(2026, 3, 4), clients=60, visits=20)
    with build(twins=twins, data=tmp_path) as simulator:
        kept = {visit.id: visit for visit in simulator.practice.visits()}
    assert len(kept) == len(twins.visits)
    for visit in twins.visits:
        found = kept[simulator.practice.visit_id(visit.number)]
        assert found.client_id == simulator.practice.client_id(visit.owner)
        assert (found.minutes, found.status, found.notes) == (visit.minutes, visit.status, visit.note)


def test_a_new_card_bears_what_nobody_may_see(impromed: ImproMedPractice) -> None:
    card = impromed.register_client(family_name="Weiss")
    row = impromed.rows("SELECT * FROM CLIENTS WHERE CLIENT_GUID = ?", (card.id,))[0]
    assert set(SECRETS) <= set(row)
