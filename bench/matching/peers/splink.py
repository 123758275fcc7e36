"""Splink 5 on DuckDB: trained by expectation maximisation, without labels, on the clinic and its bookings.

A row is an owner with one of its pets; an owner scores as its best row does. All bookings are linked in one batch,
which is how Splink is fastest.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import duckdb
import pyarrow as pa
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink import comparison_level_library as levels
from splink import comparison_library as comparisons
from splink.blocking_rule_library import CustomRule
from splink.internals.blocking_rule_creator import BlockingRuleCreator

from bench.matching.peers import MAX_CANDIDATE_IDS, Decision
from bench.matching.peers.clinic import Booking, Clinic, Person, Pet
from bench.matching.peers.cutoffs import Cutoffs
from vetbridge.core import normalise

UNTUNED = Cutoffs(link=6.63, margin=3.0, create=-6.63)
"""In bits: link from a probability of .99 on and eight times likelier than the next owner, create below .01."""

_SEED = 7
_MAX_PAIRS = 3e6
_MAX_TRAINING_PAIRS = 2e6
_NEEDED_SESSIONS = 2
_PET_ALIKE = 0.8
"""From this Jaro-Winkler similarity of the names on, the row's pet is the one that is booked."""
_MEMORY = "1GB"

_TEXT = pa.string()
_TEXTS = pa.list_(pa.string())
_COLUMNS = pa.schema(
    [
        ("unique_id", _TEXT),
        ("owner_id", _TEXT),
        ("patient_id", _TEXT),
        ("given", _TEXT),
        ("family", _TEXT),
        ("whole_name", _TEXT),
        ("family_sound", _TEXT),
        ("phones", _TEXTS),
        ("phone", _TEXT),
        ("email", _TEXT),
        ("street", _TEXT),
        ("postcode", _TEXT),
        ("city", _TEXT),
        ("pet_name", _TEXT),
        ("species", _TEXT),
        ("breed", _TEXT),
        ("birth_date", _TEXT),
    ]
)

_BLOCKS: list[BlockingRuleCreator | dict[str, Any]] = [
    block_on("phones", arrays_to_explode=["phones"]),
    block_on("email"),
    block_on("family_sound", "substr(pet_name, 1, 2)"),
    block_on("given", "pet_name"),
    block_on("family", "given"),
    block_on("postcode", "pet_name"),
    block_on("family", "postcode"),
    block_on("street", "postcode"),
    block_on("pet_name", "birth_date"),
    CustomRule("l.given = r.family AND l.family = r.given"),
]


class Splink:
    """Links by the match weight in bits; ``cutoffs`` are in bits, too."""

    name = "Splink 5, EM, p >= .99"

    def __init__(self, cutoffs: Cutoffs = UNTUNED) -> None:
        self._cutoffs = cutoffs

    def decide(self, clinic: Clinic, bookings: Sequence[Booking]) -> Iterator[Decision]:
        """One decision a booking, in their order; ``ms`` is the booking's share of the batch, training included."""
        start = perf_counter()
        database = _database()
        linker = _trained(database, clinic, bookings)
        ranked = _ranked(linker, database)
        share = 1000 * (perf_counter() - start) / max(len(bookings), 1)
        for booking in bookings:
            yield self._decision(booking.id, ranked.get(booking.id, _NOBODY), share)

    def decide_alone(self, clinic: Clinic, bookings: Sequence[Booking], sample: int) -> Iterator[float]:
        """Milliseconds for each of ``sample`` bookings that comes alone: a new linker with the trained model each."""
        model = _trained(_database(), clinic, bookings).misc.save_model_to_json()
        database = _database()
        records = database.register(_table(_owner_rows(clinic)), dataset_display_name="clinic")
        for number, booking in enumerate(bookings[:sample]):
            start = perf_counter()
            table = _table(_booking_rows([booking]))
            row = database.register(table, dataset_display_name="bookings", table_name=f"booking_{number}")
            _ranked(Linker([row, records], model, log_level=logging.ERROR), database)
            yield 1000 * (perf_counter() - start)

    def _decision(self, booking_id: str, ranked: _Ranked, ms: float) -> Decision:
        score, runner_up, *_ = (*ranked.weights, None, None)
        return Decision(
            booking_id=booking_id,
            action=self._cutoffs.action(score, runner_up),
            owner_id=next(iter(ranked.owners), None),
            patient_id=ranked.patient_id,
            probability=0.0 if score is None else 1.0 / (1.0 + 2.0 ** -min(max(score, -60.0), 60.0)),
            candidates=ranked.count,
            ms=ms,
            candidate_ids=ranked.owners,
            score=score,
            runner_up=runner_up,
        )


def _database() -> DuckDBAPI:
    return DuckDBAPI(duckdb.connect(config={"memory_limit": _MEMORY, "threads": 2}))


def _trained(database: DuckDBAPI, clinic: Clinic, bookings: Sequence[Booking]) -> Linker:
    tables = [
        database.register(_table(_booking_rows(bookings)), dataset_display_name="bookings"),
        database.register(_table(_owner_rows(clinic)), dataset_display_name="clinic"),
    ]
    linker = Linker(tables, _settings(), log_level=logging.ERROR)
    _train(linker)
    return linker


def _table(rows: Iterator[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=_COLUMNS)


def _owner_rows(clinic: Clinic) -> Iterator[dict[str, Any]]:
    for key, owner in clinic.owners.items():
        for place, pet in enumerate(owner.pets or [None]):
            yield _row(f"{key} {place}", owner.person, pet)


def _booking_rows(bookings: Sequence[Booking]) -> Iterator[dict[str, Any]]:
    for booking in bookings:
        yield _row(booking.id, booking.person, booking.pet)


def _row(key: str, person: Person, pet: Pet | None) -> dict[str, Any]:
    given, family = person.given or None, person.family or None
    return {
        "unique_id": key,
        "owner_id": person.id,
        # A dead pet still tells who the owner is, but it is not the patient.
        "patient_id": pet.id if pet and not pet.deceased else None,
        "given": given,
        "family": family,
        "whole_name": f"{given} {family}" if given and family else None,
        "family_sound": normalise.sound(person.family) or None,
        "phones": list(person.phones) or None,
        "phone": person.phones[0] if person.phones else None,
        "email": person.emails[0] if person.emails else None,
        "street": person.street or None,
        "postcode": person.postcode or None,
        "city": person.city or None,
        "pet_name": (pet.name or None) if pet else None,
        "species": (pet.species or None) if pet else None,
        "breed": (pet.breed or None) if pet else None,
        "birth_date": (pet.birth_date or None) if pet else None,
    }


def _settings() -> SettingsCreator:
    return SettingsCreator(
        link_type="link_only",
        blocking_rules_to_generate_predictions=_BLOCKS,
        retain_matching_columns=False,
        additional_columns_to_retain=["owner_id", "patient_id", "pet_name"],
        comparisons=[
            comparisons.ForenameSurnameComparison("given", "family", forename_surname_concat_col_name="whole_name"),
            comparisons.ArrayIntersectAtSizes("phones", [1]),
            comparisons.EmailComparison("email"),
            comparisons.CustomComparison(
                output_column_name="address",
                comparison_levels=[
                    levels.And(levels.NullLevel("postcode"), levels.NullLevel("city")),
                    levels.And(levels.ExactMatchLevel("postcode"), levels.JaroWinklerLevel("street", 0.9)).configure(
                        label_for_charts="street and postcode"
                    ),
                    levels.ExactMatchLevel("postcode", term_frequency_adjustments=True),
                    levels.ExactMatchLevel("city", term_frequency_adjustments=True),
                    levels.ElseLevel(),
                ],
            ),
            comparisons.NameComparison("pet_name", jaro_winkler_thresholds=[0.92, 0.8]),
            comparisons.ExactMatch("species"),
            comparisons.JaroWinklerAtThresholds("breed", [0.85]).configure(term_frequency_adjustments=True),
            comparisons.DateOfBirthComparison(
                "birth_date",
                input_is_string=True,
                datetime_format="%Y-%m-%d",
                datetime_thresholds=[1],
                datetime_metrics=["year"],
            ),
        ],
    )


def _train(linker: Linker) -> None:
    training = linker.training
    certain: list[str | BlockingRuleCreator] = [
        block_on("phone", "pet_name"),
        block_on("email", "pet_name"),
        block_on("family", "given", "pet_name"),
    ]
    training.estimate_probability_two_random_records_match(certain, recall=0.8)
    training.estimate_u_using_random_sampling(max_pairs=_MAX_PAIRS, seed=_SEED)
    learnt = 0
    for block in (block_on("email"), CustomRule("l.phones[1] = r.phones[1]"), block_on("family", "pet_name")):
        try:
            training.estimate_parameters_using_expectation_maximisation(block, max_pairs=_MAX_TRAINING_PAIRS)
            learnt += 1
        except ValueError as error:
            # Where true and false pairs are told apart without any doubt, a parameter becomes zero, which Splink
            # refuses. Any two of the three sessions train every comparison.
            sys.stderr.write(f"splink: one training session left out: {str(error)[:60]}\n")
    if learnt < _NEEDED_SESSIONS:
        raise RuntimeError("Splink could not be trained on this clinic")


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The owners that a booking was compared with, best first: ``weights`` in bits of the first two."""

    count: int
    owners: tuple[str, ...]
    weights: tuple[float, ...]
    patient_id: str | None


_NOBODY = _Ranked(0, (), (), None)


def _ranked(linker: Linker, database: DuckDBAPI) -> dict[str, _Ranked]:
    scored = linker.inference.predict(warning_mode="never")
    # Of the two tables the one whose name comes first in the alphabet stands on the left.
    rows = database.duckdb_con.execute(f"""
        WITH best AS (
            SELECT unique_id_l AS booking, owner_id_r AS owner, max(match_weight) AS weight,
                arg_max(patient_id_r, match_weight) FILTER (
                    jaro_winkler_similarity(pet_name_l, pet_name_r) >= {_PET_ALIKE}
                ) AS pet
            FROM {scored.physical_name} GROUP BY ALL
        )
        SELECT booking, count(*),
            list(owner ORDER BY weight DESC, owner)[1:{MAX_CANDIDATE_IDS}],
            list(weight ORDER BY weight DESC, owner)[1:2],
            list(pet ORDER BY weight DESC, owner)[1]
        FROM best GROUP BY booking
    """)  # noqa: S608 - the table's name is Splink's own
    ranked: dict[str, _Ranked] = {}
    while batch := rows.fetchmany(10_000):
        for booking, count, owners, weights, pet in batch:
            ranked[booking] = _Ranked(count, tuple(owners), tuple(weights), pet or None)
    return ranked
