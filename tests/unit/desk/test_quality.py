"""`vetbridge quality`: what is amiss is counted, listed by ids, exported with names, and never changed."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledgers import dump, ledger_place, scratch
from tests.unit.desk.practice import Desk, Settled
from vetbridge.cli.config import load_config
from vetbridge.config.models import Config
from vetbridge.core.instants import Instant
from vetbridge.core.quality import Flaw
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.desk.quality import Wanted, findings, survey
from vetbridge.ledger import access, accounts, links, mirror
from vetbridge.ledger.content import plain
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.tables import ChangeState
from vetbridge.testing.clock import FakeClock

PHONE = "07912 345678"
PRACTICE: Sequence[Client | Pet] = (
    Client(id="900", given_name="", family_name="Placeholder"),
    Client(id="1", given_name="Ann", family_name="Lee", phones=(PHONE,), emails=("ann@lee.co.uk",)),
    Client(id="2", given_name="Anne", family_name="Lee", phones=(PHONE,), emails=("=1+1@cmd",)),
    Client(id="3", given_name="Tom", family_name="Roe", phones=("123",), emails=("tom@roe.co.uk",)),
    Client(id="4", given_name="Una", family_name="Ash", emails=("una@ash.co.uk",), active=False),
    *(
        Client(id=f"v{number}", given_name=given, family_name=family, phones=("020 7946 0123",))
        for number, (given, family) in enumerate(
            [("Ida", "Moss"), ("Otto", "Kern"), ("Eva", "Pohl"), ("Max", "Veit"), ("Lou", "Zorn"), ("Ben", "Huth")]
        )
    ),
    Pet(id="11", client_id="1", name="Rex", species="dog"),
    Pet(id="12", client_id="2", name="Rex", species="dog"),
    Pet(id="13", client_id="3", name="Mia", species="cat", deceased=True),
    Pet(id="14", client_id="77", name="Waif", species="cat"),
    Pet(id="15", client_id=None, name="Stray", species="cat"),
)


def fill(ledger: Ledger, records: Sequence[Client | Pet] = PRACTICE) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", records)


def coming(ledger: Ledger, visit: str, client: str, pet: str) -> None:
    """A visit that is still ahead, on whom it stands."""
    with ledger.write() as tx:
        link = links.put(
            tx,
            site="city",
            kind=Kind.APPOINTMENT,
            booking_account="altegio-city",
            booking_id=f"b{visit}",
            pims_account="ezyvet-city",
            pims_id=visit,
            origin="matched",
        )
        link.visit_at = tx.now + timedelta(days=3)
        link.pims_base_sealed = tx.sealer.seal({"client_id": client, "pet_id": pet})


def test_everything_is_counted_in_the_first_line_and_by_code(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    fill(ledger)
    coming(ledger, "70", "3", "13")
    coming(ledger, "71", "4", "11")
    for number in range(2):
        settled(ChangeState.FAILED, "mapping", remote_id=str(number), message="mapping altegio: no word for code 9")
    data = desk.data("quality", "list")
    assert data["counts"] == {
        "phone-missing": 0,
        "phone-bad": 1,
        "phone-doubtful": 0,
        "phone-shared": 6,
        "email-missing": 6,
        "email-bad": 1,
        "email-placeholder": 0,
        "email-shared": 0,
        "client-twice": 1,
        "client-without-pets": 6,
        "client-inactive-visit": 1,
        "pet-without-owner": 2,
        "pet-deceased-visit": 1,
        "vet-two-branches": 0,
        "code-unmapped": 2,
    }
    assert data["total"] == sum(data["counts"].values())
    text = desk.run("quality", "list").stdout
    assert text.splitlines()[0] == f"{data['total']} things are amiss."
    assert max(map(len, text.splitlines())) <= 80


def test_records_are_named_by_ids_alone(desk: Desk, ledger: Ledger) -> None:
    fill(ledger)
    (found,) = desk.data("quality", "list", "--code", "client-twice")["findings"]
    assert (found["id"], found["other_id"], found["account"]) == ("1", "2", "ezyvet-city")
    assert "one phone" in found["words"]
    everything = json.dumps(desk.data("quality", "list", "--limit", "1000")) + desk.run("quality", "list").stdout
    everything += desk.run("quality", "list", "--code", "client-twice").stdout
    for name in ("Ann", "Lee", "Moss", "Waif", "12345", "co.uk"):
        assert name not in everything


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (["--kind", "pet"], {"pet-without-owner"}),
        (["--account", "altegio-city"], set()),
        (["--site", "city", "--code", "phone-bad", "--code", "email-bad"], {"phone-bad", "email-bad"}),
        (["--site", "city", "--account", "ezyvet-city", "--code", "phone-bad"], {"phone-bad"}),
    ],
)
def test_what_is_asked_for_is_narrowed(desk: Desk, ledger: Ledger, arguments: list[str], codes: set[str]) -> None:
    fill(ledger)
    found = desk.data("quality", "list", *arguments)
    assert {each["code"] for each in found["findings"]} == codes
    assert {code for code, count in found["counts"].items() if count} == codes


@pytest.mark.parametrize("arguments", [["--code", "phone-bda"], ["--site", "citi"], ["--account", "nobody"]])
def test_a_slip_of_the_pen_is_no_empty_list(desk: Desk, ledger: Ledger, arguments: list[str]) -> None:
    result = desk.run("quality", "list", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean" in result.stderr or "known are" in result.stderr


def table(desk: Desk, form: str) -> list[tuple[Any, ...]]:
    """What an export holds, as a spreadsheet shows it."""
    path = desk.folder / f"found.{form}"
    if form == "csv":
        return [tuple(row) for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines())]
    book = openpyxl.load_workbook(path)
    assert {cell.data_type for row in book.active.iter_rows() for cell in row} <= {"s", "n"}, "no formulas"
    return [tuple(cell or "" for cell in row) for row in book.active.iter_rows(values_only=True)]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_an_export_has_the_names_and_carries_nothing_out(desk: Desk, ledger: Ledger, form: str) -> None:
    fill(ledger)
    before = dump(desk.place)
    data = desk.data("quality", "export", "--to", str(desk.folder / f"found.{form}"), "--by", "Eva")
    head, *rows = table(desk, form)
    assert head[:3] == ("Account", "Code", "Kind")
    assert data["rows"] == len(rows) > 10
    bad = next(row for row in rows if row[1] == "email-bad")
    assert bad[5] == "Anne Lee"
    assert bad[6] == ("'=1+1@cmd" if form == "csv" else "=1+1@cmd")
    assert stat.S_IMODE((desk.folder / f"found.{form}").stat().st_mode) == 0o600
    with ledger.read() as tx:
        (noted,) = access.entries(tx)
    assert (noted.by, noted.what, noted.subject_id) == ("Eva", "export", "ezyvet-city")
    after = dump(desk.place)
    assert {name for name in after if after[name] != before[name]} == {"access"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "found.pdf"], "neither with .csv nor with .xlsx"),
        (["--to", "nowhere/found.csv"], "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_is_a_usage_error(desk: Desk, ledger: Ledger, arguments: list[str], words: str) -> None:
    result = desk.run("quality", "export", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_the_plan_writes_no_file_and_notes_nobody(desk: Desk, ledger: Ledger) -> None:
    fill(ledger)
    target = desk.folder / "found.csv"
    assert desk.data("quality", "export", "--plan", "--to", str(target))["rows"] > 10
    assert not target.exists()
    with ledger.read() as tx:
        assert access.entries(tx) == ()


def test_nothing_amiss_and_nothing_known(desk: Desk, ledger: Ledger) -> None:
    result = desk.run("quality", "list")
    assert result.stdout == "Nothing is amiss.\n"
    assert "no copy of either side yet" in result.stderr
    assert desk.data("quality", "export", "--to", str(desk.folder / "found.xlsx"))["rows"] == 0
    assert table(desk, "xlsx")[0][0] == "Account"


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 20))
def test_what_is_found_does_not_depend_on_the_order_of_records(seed: int, batch: int) -> None:
    records = list(PRACTICE)
    Random(seed).shuffle(records)
    assert _found(records, batch) == _expected()


def _found(records: Sequence[Client | Pet], batch: int) -> list[Any]:
    class Nobody:
        sites: dict[str, Any] = {}  # noqa: RUF012 - it stays empty

    with scratch() as folder:
        ledger = open_ledger(ledger_place(folder, migrated=True), "k" * 32, FakeClock())
        with ledger.write() as tx:
            accounts.enrol(tx, "pims", "memory", country="GB")
            for start in range(0, len(records), batch):
                mirror.put(tx, "pims", records[start : start + batch])
        with ledger.read() as tx:
            found = list(findings(tx, Nobody, Wanted()))  # type: ignore[arg-type]
        ledger.close()
    return found


@cache
def _expected() -> list[Any]:
    return _found(PRACTICE, len(PRACTICE))


def test_the_flaws_that_a_practice_has_are_all_told() -> None:
    assert {each.finding.flaw for each in _expected()} >= {
        Flaw.CLIENT_TWICE,
        Flaw.PHONE_SHARED,
        Flaw.PET_WITHOUT_OWNER,
    }


def in_chain(desk: Desk, *, words: Mapping[str, str]) -> Config:
    """The clinic's config with a second branch at a PIMS of its own, and both branches' words for their vets."""
    config = load_config(desk.config_path).config
    (name,) = config.sites
    city = config.sites[name].model_copy(update={"organisation": "happy-vets"})
    pims = city.pims.model_copy(update={"account": "ezyvet-north", "codes": {"resource": words}})
    north = city.model_copy(update={"name": "North Vets", "pims": pims, "booking": city.booking.model_copy()})
    north = north.model_copy(update={"booking": north.booking.model_copy(update={"codes": {}})})
    return config.model_copy(update={"sites": {name: city, "north": north}})


def at_work(ledger: Ledger, site: str, account: str, visit: str, *, minutes: int = 0, **base: object) -> None:
    with ledger.write() as tx:
        link = links.put(
            tx,
            site=site,
            kind=Kind.APPOINTMENT,
            booking_account=f"altegio-{site}",
            booking_id=f"b{visit}",
            pims_account=account,
            pims_id=visit,
            origin="matched",
        )
        start = tx.now + timedelta(days=1, minutes=minutes)
        link.visit_at = start
        content = {"start": Instant(start, "Europe/London"), "duration": 1800, "status": "booked", **base}
        link.pims_base_sealed = tx.sealer.seal(plain({"resource": "vet_1", **content}))


@pytest.mark.parametrize(
    ("more", "words", "count"),
    [
        ({}, {"vet_1": "9"}, 1),
        ({"minutes": 29}, {"vet_1": "9"}, 1),
        ({"minutes": 30}, {"vet_1": "9"}, 0),
        ({"status": "cancelled"}, {"vet_1": "9"}, 0),
        ({"status": "no_show"}, {"vet_1": "9"}, 0),
        ({"resource": "vet_2"}, {"vet_1": "9", "vet_2": "8"}, 0),
        ({}, {"vet_3": "9"}, 0),
    ],
)
def test_one_vet_in_two_branches_by_the_words_of_both(
    desk: Desk, ledger: Ledger, more: dict[str, Any], words: dict[str, str], count: int
) -> None:
    fill(ledger)
    at_work(ledger, "city", "ezyvet-city", "70")
    at_work(ledger, "north", "ezyvet-north", "80", **more)
    config = in_chain(desk, words=words)
    with ledger.read() as tx:
        found = survey(tx, config, Wanted(flaws=[Flaw.VET_TWO_BRANCHES]), limit=5)
        elsewhere = survey(tx, config, Wanted(accounts=["ezyvet-north"]), limit=0)
    assert found.counts == {Flaw.VET_TWO_BRANCHES: count}
    assert [(each.account, each.finding.id, each.finding.other) for each in found.first] == [
        ("ezyvet-city", "70", "80")
    ] * count
    assert elsewhere.counts[Flaw.VET_TWO_BRANCHES] == count, "it is the other branch's, too"
