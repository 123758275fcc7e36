"""Writes a benchmark's clinic and its bookings: ``python -m bench.matching.world --owners N --bookings M --out DIR``.

Into the folder go owners.csv, patients.csv, bookings.jsonl and truth.jsonl, a row at a time, so that a million owners
need little memory. The same options write the same bytes on every machine that has the same ``faker`` and the same
pet names.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.matching.locales import LOCALES, PARTS, words_for
from vetbridge.testing.population import Booking, OwnerCard, PetCard, Population, Shares

OWNER_COLUMNS = (
    "owner_id", "first_name", "last_name", "email", "phone_mobile", "phone_home", "street", "postcode", "city",
    "created_on", "active",
)  # fmt: skip
PATIENT_COLUMNS = ("patient_id", "owner_id", "name", "species", "breed", "sex", "birth_date", "deceased")


def write_world(
    folder: Path,
    *,
    owners: int,
    bookings: int,
    seed: int,
    locale: str,
    part: str = "all",
    shares: Shares | None = None,
) -> tuple[int, int]:
    """Writes the four files; the number of owner and pet records.

    Raises ``ValueError`` for an unknown locale or part, and for fewer than one owner.
    """
    population = Population(seed, owners, words_for(locale, part), shares)
    folder.mkdir(parents=True, exist_ok=True)
    counts = _write_clinic(folder, population)
    with (
        (folder / "bookings.jsonl").open("w", encoding="utf-8", newline="\n") as messages,
        (folder / "truth.jsonl").open("w", encoding="utf-8", newline="\n") as truths,
    ):
        for booking in population.bookings(bookings):
            messages.write(json.dumps(booking.fields) + "\n")
            truths.write(json.dumps(_truth(booking)) + "\n")
    return counts


def _write_clinic(folder: Path, population: Population) -> tuple[int, int]:
    owners = pets = 0
    with (
        (folder / "owners.csv").open("w", encoding="utf-8", newline="") as owner_file,
        (folder / "patients.csv").open("w", encoding="utf-8", newline="") as pet_file,
    ):
        owner_rows, pet_rows = csv.writer(owner_file), csv.writer(pet_file)
        owner_rows.writerow(OWNER_COLUMNS)
        pet_rows.writerow(PATIENT_COLUMNS)
        for circle in population.circles():
            for card in circle.cards:
                owner_rows.writerow(_owner_row(card))
                pet_rows.writerows(_pet_row(card, pet) for pet in card.pets)
                owners += 1
                pets += len(card.pets)
    return owners, pets


def _owner_row(card: OwnerCard) -> tuple[str, ...]:
    return (
        card.owner_id, card.first_name, card.last_name, card.email, card.phone_mobile, card.phone_home, card.street,
        card.postcode, card.city, card.created_on.isoformat(), "true" if card.active else "false",
    )  # fmt: skip


def _pet_row(card: OwnerCard, pet: PetCard) -> tuple[str, ...]:
    return (
        pet.patient_id, card.owner_id, pet.name, pet.species, pet.breed, pet.sex, pet.birth_date,
        "true" if pet.deceased else "false",
    )  # fmt: skip


def _truth(booking: Booking) -> dict[str, Any]:
    truth = asdict(booking)
    return {"booking_id": truth.pop("fields")["booking_id"], **truth}


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.matching.world", description=__doc__)
    parser.add_argument("--owners", type=int, default=10_000)
    parser.add_argument("--bookings", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--locale", choices=LOCALES, default="en")
    parser.add_argument("--part", choices=PARTS, default="all", help="which half of the less common names")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Writes a world; says on standard error what it wrote and how long it took."""
    options = _options(arguments)
    began = time.perf_counter()
    owners, pets = write_world(
        options.out,
        owners=options.owners,
        bookings=options.bookings,
        seed=options.seed,
        locale=options.locale,
        part=options.part,
    )
    took = time.perf_counter() - began
    print(
        f"{options.out}: {owners} owners, {pets} pets, {options.bookings} bookings in {took:.1f} s", file=sys.stderr
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
