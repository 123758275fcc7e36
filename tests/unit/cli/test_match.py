"""`vetbridge match`: a summary for people and one for programs; what cannot be used is named and never shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from vetbridge.cli.main import app

OWNERS = """owner_id,first_name,last_name,email,phone_mobile,phone_home,street,postcode,city,created_on,active
1,Ann,Miller,ann@example.com,07700 900123,,1 High Street,AB1 2CD,Aberdeen,2020-03-04,true
1,Secret,Person,,,,,,,,
2,Zoe,Jones,zoe@example.com,07700 900456,,,,,2020-03-04,false
"""
PETS = """patient_id,owner_id,name,species,breed,sex,birth_date,deceased
P1,1,Rex,dog,,,2019-13-02,
P2,2,Kit,cat,,,,
"""
BOOKINGS = (
    {"booking_id": "B1", "owner_name": "Ann Miller", "phone": "+44 7700 900123", "pet_name": "Rex"},
    {"booking_id": "B2", "owner_name": "Zo\x1b[2Je Jones", "phone": "07700 900456", "pet_name": "[red]Kit"},
)


@pytest.fixture(autouse=True)
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the three files and no config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VETBRIDGE_CONFIG", raising=False)
    (tmp_path / "owners.csv").write_text(OWNERS, encoding="utf-8")
    (tmp_path / "patients.csv").write_text(PETS, encoding="utf-8")
    (tmp_path / "bookings.jsonl").write_text("\n".join(map(json.dumps, BOOKINGS)), encoding="utf-8")
    return tmp_path


def run(command: str, *words: str) -> Result:
    given = ["--owners", "owners.csv", "--pets", "patients.csv", "--bookings", "bookings.jsonl", *words]
    return CliRunner().invoke(app, ["match", command, *given], env={"COLUMNS": "80"}, catch_exceptions=False)


def data(done: Result) -> dict[str, Any]:
    answer = json.loads(done.stdout)
    assert answer["schema"] == 1
    return dict(answer)


def test_eval_sums_up_for_people(clinic: Path) -> None:
    done = run("eval", "--out", "decisions.jsonl")
    assert done.exit_code == 0
    assert "2 bookings decided: decisions.jsonl" in done.stdout
    assert "1 id-twice" in done.stdout
    assert "1 not-a-date" in done.stdout
    assert "owners.csv:3:1: row left out: an earlier row has this owner_id" in done.stderr
    assert "patients.csv:2:16: birth_date is no date (YYYY-MM-DD); the value is ignored" in done.stderr
    assert "Secret" not in done.output
    found = [json.loads(line) for line in (clinic / "decisions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(each["booking_id"], each["action"], each["owner_id"]) for each in found] == [
        ("B1", "link", "1"),
        ("B2", "review", None),
    ]


def test_eval_tells_the_same_as_json() -> None:
    answer = data(run("eval", "--out", "decisions.jsonl", "--json"))
    found = answer["data"]
    assert answer["command"] == "match eval"
    assert found["actions"] == {"link": 1, "create": 0, "review": 1}
    assert 0 < found["ms"]["p50"] <= found["ms"]["p99"]
    assert found["files"]["owners"] == {"path": "owners.csv", "used": 2, "refused": {"id-twice": 1}, "ignored": {}}
    assert found["files"]["pets"]["ignored"] == {"not-a-date": 1}
    assert [(each["file"], each["line"], each["column"], each["code"]) for each in answer["problems"]] == [
        ("owners.csv", 3, 1, "id-twice"),
        ("patients.csv", 2, 16, "not-a-date"),
    ]


def test_no_more_than_ten_places_are_named(clinic: Path) -> None:
    (clinic / "bookings.jsonl").write_text("{broken\n" * 300, encoding="utf-8")
    done = run("eval", "--out", "decisions.jsonl")
    assert done.exit_code == 0
    assert sum(f"bookings.jsonl:{line}:" in done.stderr for line in range(1, 301)) == 8
    assert "and 292 more places" in done.stderr
    assert "0 bookings decided" in done.stdout


@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_that_cannot_be_used_ends_with_2_and_says_what_to_do(clinic: Path, as_json: bool) -> None:
    (clinic / "owners.csv").write_text(OWNERS.replace("owner_id", "owner id no"), encoding="utf-8")
    done = run("eval", "--out", "decisions.jsonl", *(["--json"] if as_json else []))
    assert done.exit_code == 2
    assert not (clinic / "decisions.jsonl").exists()
    if as_json:
        (problem,) = data(done)["problems"]
        assert problem["code"] == "column-missing"
        said = f"{problem['text']} {problem['advice']}"
    else:
        said = done.stderr
    assert "owners.csv:1:1: missing in the header: owner_id (is it owner id no?)" in said
    assert "Needed are: owner_id, first_name" in said


def test_a_country_that_is_none_is_refused() -> None:
    done = run("eval", "--out", "decisions.jsonl", "--country", "Great Britain")
    assert done.exit_code == 2
    assert "--country" in done.stderr


def test_explain_shows_each_candidate_field_by_field() -> None:
    done = run("explain", "--booking", "B1")
    assert done.exit_code == 0
    assert "Booking B1: link to owner 1, pet P1" in done.stdout
    assert "same phone" in done.stdout
    assert "+447700900123" in done.stdout


def test_explain_names_vetoes_and_obeys_nothing_that_was_typed() -> None:
    done = run("explain", "--booking", "B2")
    assert done.exit_code == 0
    assert "Booking B2: review" in done.stdout
    assert "veto: the client is inactive" in done.stdout
    assert "\x1b" not in done.stdout
    assert "[red]Kit" in done.stdout


def test_explain_as_json_has_the_evidence() -> None:
    found = data(run("explain", "--booking", "B1", "--json"))["data"]
    assert (found["action"], found["owner_id"], found["pet_id"]) == ("link", "1", "P1")
    (candidate,) = found["candidates"]
    assert candidate["client_id"] == "1"
    assert {"field", "here", "there", "level", "weight", "words"} <= set(candidate["evidence"][0])


def test_explain_of_a_booking_that_is_not_there_ends_with_2() -> None:
    done = run("explain", "--booking", "B\x1b[2J9")
    assert done.exit_code == 2
    assert "bookings.jsonl has no usable booking with the id 'B9'" in done.stderr


def train(*words: str) -> Result:
    return CliRunner().invoke(app, ["match", "train", *words], env={"COLUMNS": "80"}, catch_exceptions=False)


FILES = ("--owners", "owners.csv", "--pets", "patients.csv", "--bookings", "bookings.jsonl")


def many_bookings(clinic: Path, number: int) -> None:
    booking = {"owner_name": "Ann Miller", "phone": "+44 7700 900123", "pet_name": "Rex", "species": "dog"}
    lines = [json.dumps({"booking_id": f"B{place}", **booking}) for place in range(number)]
    truths = [json.dumps({"booking_id": f"B{place}", "owner_ids": ["1"]}) for place in range(number)]
    (clinic / "bookings.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (clinic / "truth.jsonl").write_text("\n".join(truths), encoding="utf-8")


def test_train_on_files_writes_weights_that_eval_takes(clinic: Path) -> None:
    many_bookings(clinic, 140)
    done = train(*FILES, "--truth", "truth.jsonl", "--out", "weights.toml")
    assert done.exit_code == 0, done.output
    assert "140 decisions observed, 140 of them with a known truth" in done.stdout
    assert "written: weights.toml" in done.stdout
    assert run("eval", "--out", "decisions.jsonl", "--weights", "weights.toml").exit_code == 0
    found = data(train(*FILES, "--truth", "truth.jsonl", "--out", "weights.toml", "--json"))["data"]
    assert (found["result"], found["observations"], found["labelled"]) == ("written", 140, 140)
    assert [each["name"] for each in found["replayed"]] == ["shipped", "own"]


def test_train_on_too_few_bookings_writes_nothing(clinic: Path) -> None:
    done = train(*FILES, "--out", "weights.toml")
    assert done.exit_code == 4
    assert "too few to learn from" in done.stdout
    assert not (clinic / "weights.toml").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--owners", "owners.csv"),
        (*FILES,),
        (*FILES, "--out", "weights.toml", "--plan"),
        ("--truth", "truth.jsonl"),
        ("--plan", "--forget"),
    ],
)
def test_train_takes_files_or_a_ledger_and_never_both(words: tuple[str, ...]) -> None:
    assert train(*words).exit_code == 2


@pytest.mark.parametrize(
    "line",
    ["no JSON", '{"booking_id": "B1"}', '{"booking_id": 1, "owner_ids": []}', "[" * 100_000, '"' + "x" * 200_000],
)
def test_a_truth_file_that_cannot_be_used_is_named_by_its_line(clinic: Path, line: str) -> None:
    (clinic / "truth.jsonl").write_text('{"booking_id": "B0", "owner_ids": []}\n' + line, encoding="utf-8")
    done = train(*FILES, "--truth", "truth.jsonl", "--out", "weights.toml")
    assert done.exit_code == 2
    assert "truth.jsonl:2:1" in done.stderr


@pytest.mark.parametrize(
    ("text", "code"), [("[", 2), ("schema = 1", 3), ("\x00", 2), ("schema = 1\n[shares]\nknown = nan", 3)]
)
def test_weights_that_cannot_be_used_are_refused(clinic: Path, text: str, code: int) -> None:
    (clinic / "weights.toml").write_text(text, encoding="utf-8")
    done = run("eval", "--out", "decisions.jsonl", "--weights", "weights.toml")
    assert done.exit_code == code
    assert "weights.toml" in done.stderr
    assert run("eval", "--out", "decisions.jsonl", "--weights", "missing.toml").exit_code == 2
