"""`vetbridge import`: files for an upload, made whole or not at all; and clients from a file, made once."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from python_calamine import CalamineWorkbook
from typer.testing import CliRunner, Result

from connectors.ezyvet import simulator as ezyvet
from tests.unit.desk.practice import Desk, desk, ledger
from vetbridge.cli.main import app
from vetbridge.core.records import Client, Pet
from vetbridge.daemon.rounds import Rounds
from vetbridge.ledger import going_live, mirror
from vetbridge.ledger.database import Ledger
from vetbridge.testing.simkit import Simulator

__all__ = ["desk", "ledger"]


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """The commands set up the log of the process."""
    yield
    structlog.reset_defaults()


OWNERS = """owner_id,first_name,last_name,email,phone_mobile,active,opt_out
1,Ann,Miller,ann@example.com,07911 123456,true,
2,Zoe,Jones,zoe@example.com,07911 123457,false,
3,Anne,Miller,,+44 7911 123456,true,true
4,Secret,Nophone,,,true,
"""
PETS = "patient_id,owner_id,name,species,deceased\nP1,1,Rex,dog,\nP2,1,Old,dog,true\n"


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the clinic's files and no config."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owners.csv").write_text(OWNERS, encoding="utf-8")
    (tmp_path / "patients.csv").write_text(PETS, encoding="utf-8")
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["import", *words], env={"COLUMNS": "100"}, catch_exceptions=False)


def make(*words: str) -> Result:
    return run("altegio-files", "--out", "out", "--owners", "owners.csv", "--pets", "patients.csv", *words)


def sheet(path: Path) -> list[list[Any]]:
    with CalamineWorkbook.from_path(path) as book:
        return book.get_sheet_by_index(0).to_python()


def report(folder: Path) -> dict[str, str]:
    """The codes of a report by id."""
    with (folder / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["Id"]: row["Code"] for row in csv.DictReader(file)}


def test_the_list_and_the_report(clinic: Path) -> None:
    done = make()
    assert done.exit_code == 0
    assert "out: 1 of 4 clients" in done.stdout
    assert sheet(clinic / "out" / "clients-1.xlsx") == [
        ["Name", "Surname", "Phone", "Email", "Pets", "Do not send"],
        ["Ann", "Miller", "+447911123456", "ann@example.com", "Rex (dog)", "yes"],
    ]
    assert report(clinic / "out") == {"2": "inactive", "3": "same-person", "4": "phone-missing"}
    assert "Secret" not in done.output + (clinic / "out" / "report.csv").read_text(encoding="utf-8-sig")


def test_json_says_what_was_made(clinic: Path) -> None:
    done = make("--json")
    answer = json.loads(done.stdout)
    assert answer["schema"] == 1
    assert answer["data"]["left_out"] == {"inactive": 1, "phone-missing": 1, "same-person": 1}
    assert [part["name"] for part in answer["data"]["files"]] == ["clients-1.xlsx", "report.csv"]
    assert answer["data"]["opt_outs"] == 1


def test_a_plan_makes_no_folder(clinic: Path) -> None:
    done = make("--plan")
    assert done.exit_code == 0
    assert "Nothing was written; it would be 1 of 4 clients" in done.stdout
    assert sorted(each.name for each in clinic.iterdir()) == ["owners.csv", "patients.csv"]


def test_a_folder_with_files_is_left_alone(clinic: Path) -> None:
    assert make().exit_code == 0
    before = (clinic / "out" / "report.csv").stat().st_mtime_ns
    assert make().exit_code == 2
    assert (clinic / "out" / "report.csv").stat().st_mtime_ns == before
    assert make("--replace", "--format", "csv").exit_code == 0
    assert sorted(each.name for each in (clinic / "out").iterdir()) == ["clients-1.csv", "report.csv"]


def test_what_somebody_else_put_there_is_never_replaced(clinic: Path) -> None:
    (clinic / "out").mkdir()
    (clinic / "out" / "holiday.jpg").write_text("x")
    done = make("--replace")
    assert done.exit_code == 2
    assert "holiday.jpg" in done.stderr
    assert (clinic / "out" / "holiday.jpg").read_text() == "x"


def test_nothing_half_made_stays(clinic: Path) -> None:
    (clinic / "visits.csv").write_text("name,phone\nx,y\n")
    done = make("--visits", "visits.csv")
    assert done.exit_code == 2
    assert "none of its first 20 rows is a header" in done.stderr
    assert sorted(each.name for each in clinic.iterdir()) == ["owners.csv", "patients.csv", "visits.csv"]


@pytest.mark.parametrize("option", ["--owners", "--pets", "--visits", "--memberships", "--columns"])
@pytest.mark.parametrize("path", ["missing.csv", "."])
def test_a_file_that_cannot_be_read_is_named(clinic: Path, option: str, path: str) -> None:
    done = run("altegio-files", "--out", "out", "--owners", "owners.csv", option, path)
    assert done.exit_code == 2
    assert path in done.stderr
    assert not (clinic / "out").exists()


def test_wrong_membership_numbers_end_with_leftovers(clinic: Path) -> None:
    (clinic / "cards.csv").write_text("Card number;Owner\nA1;1\na 1;2\n;3\nB2;4\n")
    done = make("--memberships", "cards.csv")
    assert done.exit_code == 4
    assert "2 are wrong" in done.stdout
    with (clinic / "out" / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Kind"] == "membership"]
    assert [(row["Code"], row["File row"]) for row in rows] == [("number-missing", "4"), ("number-twice", "2 3")]


def test_titles_come_from_a_file(clinic: Path) -> None:
    (clinic / "columns.yaml").write_text("phone: Mobile number\npets: null\nopt_out: No SMS\n")
    assert make("--columns", "columns.yaml").exit_code == 0
    head = sheet(clinic / "out" / "clients-1.xlsx")[0]
    assert head == ["Name", "Surname", "Mobile number", "Email", "No SMS"]


@pytest.mark.parametrize(
    "text",
    ["name: null", "telephone: Tel", "- a", "phone: [1]", "phone: Name", "phone: !!python/object:os.system x", "{"],
)
def test_a_file_of_titles_that_says_nonsense_is_refused(clinic: Path, text: str) -> None:
    (clinic / "columns.yaml").write_text(text)
    done = make("--columns", "columns.yaml")
    assert done.exit_code == 2
    assert "columns.yaml" in done.stderr
    assert not (clinic / "out").exists()


# -- from the ledger


def test_the_mirror_is_the_source(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        mirror.put(
            tx,
            "ezyvet-city",
            [
                Client(id="7", given_name="Ann", family_name="Weiss", phones=("020 7946 0018", "07911 123456")),
                Client(id="900", family_name="Placeholder", phones=("07911 123499",)),
                Pet(id="P", client_id="7", name="Bella", species="dog"),
            ],
        )
        mirror.completed(tx, "ezyvet-city", first=True)
    done = desk.run("import", "altegio-files", "--out", str(desk.folder / "out"), "--paste")
    assert done.exit_code == 0, done.output
    assert "who wants no messages is not known here" in done.stderr
    assert sheet(desk.folder / "out" / "clients-1.xlsx") == [
        ["Name", "Surname", "Phone", "Email", "Pets"],
        ["Ann", "Weiss", "+447911123456", "", "Bella (dog)"],
    ]
    pasted = (desk.folder / "out" / "paste-001.tsv").read_bytes()
    assert pasted == b"Ann\tWeiss\t+447911123456\t\tBella (dog)\r\n"


def test_a_mirror_that_is_not_whole_makes_no_list(desk: Desk, ledger: Ledger) -> None:
    done = desk.run("import", "altegio-files", "--out", str(desk.folder / "out"))
    assert done.exit_code == 4
    assert "have not all been read yet" in done.stderr
    assert not (desk.folder / "out").exists()


def test_an_unknown_site_is_named(desk: Desk) -> None:
    done = desk.run("import", "altegio-files", "--out", "out", "--site", "ctiy")
    assert done.exit_code == 2
    assert "did you mean 'city'?" in done.stderr


# -- clients from a file

LIST = """Client list;;;
First name;Surname;Mobile;E-mail
Nora;Newcomer;07911 123456;nora@example.com
Karl;Quirrell;07911 123456;
Lost;Digits;4,47911E+12;
"""


@pytest.fixture
def pims() -> Iterator[Simulator]:
    with ezyvet.build(clients=3, seed=7) as simulator:
        yield simulator


@pytest.fixture
def town(desk: Desk, pims: Simulator) -> Desk:
    """A site whose practice system answers, and a list."""
    (desk.folder / "client").write_text(pims.credentials["client_secret"])
    names = ("partner_id", "client_id", "site_uid")
    desk.write_config(pims={"base_url": pims.base_url, **{name: pims.credentials[name] for name in names}})
    config = desk.config()
    config["sites"]["city"]["start"] = "live"
    desk.save(config)
    with closing(desk.open()) as ledger, ledger.write() as tx:
        going_live.meet(tx, "city", start_live=True)
        going_live.paired(tx, "city")
    (desk.folder / "list.csv").write_text(LIST)
    return desk


def bring(town: Desk, *words: str) -> Result:
    rejects = town.folder / "rejects.csv"
    return town.run("import", "clients", str(town.folder / "list.csv"), "--rejects", str(rejects), *words)


def test_a_plan_of_clients_writes_nothing(town: Desk, pims: Simulator) -> None:
    (town.folder / "list.csv").write_text(LIST.replace("Karl;Quirrell", ";"))
    done = bring(town, "--plan", "--json")
    assert done.exit_code == 4, done.output
    assert json.loads(done.stdout)["data"]["results"] == {"created": 1, "unusable": 2}
    assert pims.counts()["writes"] == 0
    assert not (town.folder / "rejects.csv").exists()


def test_clients_are_made_once_and_the_rest_is_rejected(town: Desk, pims: Simulator) -> None:
    done = bring(town)
    assert done.exit_code == 4, done.output
    assert "1 made" in done.stdout
    writes = pims.counts()["writes"]
    assert writes > 0
    assert "Quirrell" not in done.output
    with (town.folder / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["Row"], row["Code"], row["Surname"]) for row in rows][1:] == [("5", "phone-digits-lost", "Digits")]
    assert (rows[0]["Row"], rows[0]["Surname"], bool(rows[0]["May be"])) == ("4", "Quirrell", True)
    again = json.loads(bring(town, "--json").stdout)
    assert again["data"]["results"] == {"linked": 1, "review": 1, "unusable": 1}
    assert pims.counts()["writes"] == writes


def test_a_site_in_the_shadow_is_not_written_to(town: Desk, pims: Simulator) -> None:
    with closing(town.open()) as ledger, ledger.write() as tx:
        going_live.end(tx, "city", "ann")
    done = bring(town)
    assert done.exit_code == 4
    assert "nothing is written for site city" in done.stderr
    assert pims.counts()["writes"] == 0


def test_a_site_that_makes_no_clients_refuses(town: Desk, pims: Simulator) -> None:
    config = town.config()
    config["sites"]["city"]["create"] = {"clients": False}
    town.save(config)
    done = bring(town)
    assert done.exit_code == 2
    assert "`create.clients` is false" in done.stderr
    assert pims.counts()["requests"] == {}


def test_a_practice_system_that_does_not_answer_ends_with_5(town: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rounds, "mirror", lambda *_: False)
    done = bring(town)
    assert done.exit_code == 5
    assert "could not be read" in done.stderr
    assert not (town.folder / "rejects.csv").exists()


def test_the_rejects_never_take_the_place_of_the_list(town: Desk) -> None:
    path = str(town.folder / "list.csv")
    done = town.run("import", "clients", path, "--rejects", path)
    assert done.exit_code == 2
    assert (town.folder / "list.csv").read_text() == LIST
