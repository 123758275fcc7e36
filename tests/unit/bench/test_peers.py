"""The peers of the matching benchmark: each links what its rule says; cut-offs keep their bound."""

from __future__ import annotations

import csv
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from bench.matching.peers import Decision, Peer
from bench.matching.peers.clinic import Booking, Clinic, read_bookings, read_clinic
from bench.matching.peers.contact import Contact
from bench.matching.peers.cutoffs import Cutoffs, Truth, tune
from bench.matching.peers.decisions import read, write
from bench.matching.peers.exact import Exact
from bench.matching.peers.strict import Strict
from bench.matching.peers.weighted import Weighted

OWNER_COLUMNS = ["owner_id", "first_name", "last_name", "email", "phone_mobile", "phone_home"]
OWNER_COLUMNS += ["street", "postcode", "city", "created_on", "active"]
PET_COLUMNS = ["patient_id", "owner_id", "name", "species", "breed", "sex", "birth_date", "deceased"]

OWNERS = [
    {"owner_id": "o1", "first_name": "Mary", "last_name": "Smith", "email": "mary@smith.example",
     "phone_mobile": "07700 900123", "active": "true"},
    {"owner_id": "o2", "first_name": "John", "last_name": "Smith", "phone_mobile": "+44 7700 900124", "active": "1"},
    {"owner_id": "o3", "first_name": "Aoife", "last_name": "Byrne", "email": "aoife@byrne.example",
     "phone_home": "07700 900125 / 07700 900126", "active": "yes"},
    {"owner_id": "o4", "first_name": "Gone", "last_name": "Away", "email": "gone@away.example",
     "phone_mobile": "07700 900127", "active": "false"},
]  # fmt: skip
PETS = [
    {"patient_id": "p1", "owner_id": "o1", "name": "Luna", "species": "dog", "deceased": "false"},
    {"patient_id": "p2", "owner_id": "o2", "name": "Rex", "species": "dog", "deceased": "false"},
    {"patient_id": "p3", "owner_id": "o3", "name": "Mia", "species": "cat", "deceased": "false"},
    {"patient_id": "p4", "owner_id": "nobody", "name": "Stray", "species": "cat", "deceased": "false"},
]  # fmt: skip

FULL = {"booking_id": "b", "first_name": "Mary", "last_name": "SMITH", "phone": "(07700) 900123",
        "email": "Mary@Smith.example", "pet_name": "luna", "species": "dog"}  # fmt: skip


def clinic_in(folder: Path, owners: list[dict[str, str]], pets: list[dict[str, str]]) -> Clinic:
    for name, columns, rows in (("owners.csv", OWNER_COLUMNS, owners), ("patients.csv", PET_COLUMNS, pets)):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, columns, restval="")
            table.writeheader()
            table.writerows(rows)
    return read_clinic(folder, "GB")


def bookings_in(folder: Path, rows: list[dict[str, Any]]) -> list[Booking]:
    (folder / "bookings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(read_bookings(folder, "GB"))


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return clinic_in(tmp_path, OWNERS, PETS)


def decided(peer: Peer, clinic: Clinic, folder: Path, **changes: Any) -> tuple[str, str | None]:
    """What the peer does with the full booking after ``changes`` (None takes a field away)."""
    row = {name: value for name, value in (FULL | changes).items() if value is not None}
    [decision] = peer.decide(clinic, bookings_in(folder, [row]))
    return decision.action, decision.owner_id if decision.action == "link" else None


def test_pets_of_unknown_owners_are_left_out(clinic: Clinic) -> None:
    assert [pet.id for owner in clinic.owners.values() for pet in owner.pets] == ["p1", "p2", "p3"]


@pytest.mark.parametrize("peer", [Exact(), Contact(), Weighted(), Strict()], ids=lambda peer: type(peer).__name__)
def test_a_full_booking_is_linked_and_a_stranger_is_created(peer: Peer, clinic: Clinic, tmp_path: Path) -> None:
    assert decided(peer, clinic, tmp_path) == ("link", "o1")
    stranger = {"first_name": "Zoltan", "last_name": "Quirke", "phone": "07700 900999", "email": "z@q.example"}
    assert decided(peer, clinic, tmp_path, pet_name="Umber", **stranger) == ("create", None)


@pytest.mark.parametrize("peer", [Exact(), Contact(), Weighted(), Strict()], ids=lambda peer: type(peer).__name__)
def test_hostile_text_decides_without_a_crash(peer: Peer, clinic: Clinic, tmp_path: Path) -> None:
    hostile = "\x1b[31m=1+1\u202e" + "A" * 20_000 + "\ud83d"
    changes = dict.fromkeys(
        ("first_name", "last_name", "phone", "email", "pet_name", "species", "birth_date"), hostile
    )
    action, _ = decided(peer, clinic, tmp_path, **changes)
    assert action in {"create", "review"}


def test_exact_asks_when_only_part_agrees(clinic: Clinic, tmp_path: Path) -> None:
    assert decided(Exact(), clinic, tmp_path, pet_name="Bella") == ("review", None)
    assert decided(Exact(), clinic, tmp_path, email="other@smith.example") == ("review", None)


def test_exact_asks_about_an_unknown_booker_who_claims_to_be_a_client(clinic: Clinic, tmp_path: Path) -> None:
    changes = {"first_name": "Al", "last_name": "Eke", "phone": None, "email": None, "pet_name": "Pip"}
    assert decided(Exact(), clinic, tmp_path, **changes, claims_existing=True) == ("review", None)


def test_contact_hangs_whoever_has_the_phone_on_its_holder(clinic: Clinic, tmp_path: Path) -> None:
    changes = {"first_name": "Zoltan", "last_name": "Quirke", "email": None, "pet_name": "Umber"}
    assert decided(Contact(), clinic, tmp_path, **changes, phone="07700900126") == ("link", "o3")
    assert decided(Contact(), clinic, tmp_path, **changes, phone="07700 900127") == ("create", None)  # inactive


def test_contact_asks_where_phone_and_email_are_two_owners(clinic: Clinic, tmp_path: Path) -> None:
    assert decided(Contact(), clinic, tmp_path, phone="07700 900124") == ("review", None)


def test_weighted_forgives_typos_and_transposed_names(clinic: Clinic, tmp_path: Path) -> None:
    assert decided(Weighted(), clinic, tmp_path, last_name="Smiht", pet_name="Lunna") == ("link", "o1")
    assert decided(Weighted(), clinic, tmp_path, first_name="Smith", last_name="Mary") == ("link", "o1")


def test_a_whole_name_in_one_field_is_taken_apart(clinic: Clinic, tmp_path: Path) -> None:
    changes = {"first_name": None, "last_name": None, "owner_name": "Mary Smith"}
    assert decided(Exact(), clinic, tmp_path, **changes) == ("link", "o1")


def scored(number: int, score: float, runner_up: float | None = None) -> Decision:
    return Decision(f"b{number}", "review", "right", None, 0.5, 1, 0.1, score=score, runner_up=runner_up)


def test_tuning_links_as_much_as_the_bound_on_strangers_allows() -> None:
    decisions = [scored(number, float(number)) for number in range(100)]
    mine, strangers = Truth(frozenset({"right"}), frozenset(), False), Truth(frozenset(), frozenset(), False)
    truth = {f"b{number}": strangers if number < 50 else mine for number in range(100)}
    assert tune(decisions, truth, 0.0).link == 50.0
    assert tune(decisions, truth, 0.05).link == 50.0  # lower would add strangers and nothing right
    truth["b70"] = strangers
    assert tune(decisions, truth, 0.0).link == 71.0
    assert tune(decisions, truth, 0.01).link == 50.0


def test_tuning_creates_where_a_question_would_cost_more_than_a_duplicate() -> None:
    decisions = [scored(number, float(number)) for number in range(100)]
    mine, stranger = Truth(frozenset({"right"}), frozenset(), False), Truth(frozenset(), frozenset(), False)
    truth = {f"b{number}": stranger if number < 40 else mine for number in range(100)}
    cutoffs = tune(decisions, truth, 0.0)
    assert 39.0 < cutoffs.create <= 40.0


def test_two_equal_owners_are_no_link_where_a_margin_is_asked() -> None:
    cutoffs = Cutoffs(link=1.0, margin=0.5, create=0.0)
    assert [cutoffs.action(2.0, 2.0), cutoffs.action(2.0, None), cutoffs.action(None, None)] == [
        "review",
        "link",
        "create",
    ]


def test_decisions_come_back_as_they_were_written(tmp_path: Path) -> None:
    decisions = [scored(1, 3.0, 1.0), scored(2, -4.0)]
    assert write(tmp_path / "decisions.jsonl", decisions) == 2
    assert list(read(tmp_path / "decisions.jsonl")) == decisions


def test_splink_learns_without_labels(tmp_path: Path) -> None:
    splink = pytest.importorskip("bench.matching.peers.splink", reason="the extra `bench` is not installed")
    owners, pets, rows = town(random.Random(5), 400)
    known = clinic_in(tmp_path, owners, pets)
    decisions = list(splink.Splink().decide(known, bookings_in(tmp_path, rows)))
    linked = [one for one in decisions if one.action == "link"]
    right = sum(one.owner_id == one.booking_id.removeprefix("b") for one in linked)
    assert len(decisions) == len(rows)
    assert right >= 0.7 * len(rows) / 2
    assert len(linked) - right <= 0.02 * len(rows)
    assert all(math.isfinite(one.score or 0.0) and 0.0 <= one.probability <= 1.0 for one in decisions)


def town(rng: random.Random, count: int) -> tuple[list[dict[str, str]], list[dict[str, str]], list[dict[str, Any]]]:
    """Owners with a pet each; every second one books, some without e-mail or phone, and as many strangers."""

    def word(syllables: int) -> str:
        return "".join(rng.choice("bdfgklmnprstv") + rng.choice("aeiou") for _ in range(syllables)).title()

    given, family, names = ([word(size) for _ in range(many)] for size, many in ((2, 40), (3, 120), (2, 60)))

    def person(key: str) -> dict[str, str]:
        one = {"first_name": rng.choice(given), "last_name": rng.choice(family), "city": rng.choice(["Ayr", "Bath"])}
        phone = f"07700 9{rng.randrange(10**5):05d}"
        return one | {
            "phone": phone,
            "email": f"{one['first_name']}{key}@mail.example",
            "postcode": word(2),
            "street": word(4),
        }

    def pet() -> dict[str, str]:
        birth = f"20{rng.randrange(10, 25)}-0{rng.randrange(1, 10)}-1{rng.randrange(10)}"
        return {"species": rng.choice(["dog", "cat"]), "breed": rng.choice(["mixed", "boxer"]), "birth_date": birth}

    owners, pets, rows = [], [], []
    for number in range(count):
        here, animal, name = person(str(number)), pet(), rng.choice(names)
        owner = {column: value for column, value in here.items() if column != "phone"}
        owners.append(owner | {"owner_id": str(number), "phone_mobile": here["phone"], "active": "true"})
        pets.append(animal | {"patient_id": f"p{number}", "owner_id": str(number), "name": name, "deceased": "false"})
        booked: dict[str, Any] = here | animal | {"pet_name": name}
        if number % 2:
            booked = person(f"s{number}") | pet() | {"pet_name": rng.choice(names)}
        elif number % 3 == 0:
            booked.pop(rng.choice(["phone", "email"]))
        else:
            field = rng.choice(
                ["first_name", "last_name", "email", "phone", "pet_name", "birth_date", "street", "breed"]
            )
            booked[field] = booked[field][:-1] + rng.choice("23")
        rows.append(booked | {"booking_id": f"b{number}"})
    return owners, pets, rows
