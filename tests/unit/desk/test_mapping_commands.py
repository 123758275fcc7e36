"""`vetbridge mapping`: code lists drafted from both sides, finished in a table, taken back, checked; and tried."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.unit.desk.practice import ZONE, Desk, Settled
from vetbridge.connector.interface import Capabilities, Found, KindCapabilities, Page
from vetbridge.core.errors import MappingError, Unavailable, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.ledger.tables import ChangeState
from vetbridge.mapping import Mapper, load_table

BOOKING = {
    "appointment_type": {"701": "Check-up", "702": "Vaccination puppy", "703": "Dental", "704": '=HYPERLINK("x")'},
    "resource": {"501": "Dr Ash", "502": "Birch"},
}
PIMS = {
    "appointment_type": {"31": "Check-up", "32": "Vaccination", "033": "Dental", "34": "Grooming"},
    "resource": {"21": "Dr Ash", "22": "Dr Birch"},
    "species": {"1": "Canine (Hund)", "2": "Feline", "3": "Rabbit", "9": "Unicorn"},
    "sex": {"1": "Male", "2": "Female", "5": "Unknown"},
    "status": {"1": "Booked", "2": "Did not attend", "inactive": "inactive"},
    "breed": {"b1": "Labrador"},
}
PIMS_LISTS = ("resource", "species", "sex", "status")
PET = {
    "id": "4711",
    "contact_id": "77",
    "name": "Bella",
    "species_id": "1",
    "sex_id": "5",
    "is_dead": "0",
    "active": "1",
}


@dataclass
class Told:
    """A side that tells its lists and records."""

    lists: dict[str, dict[str, str]]
    records: dict[Kind, dict[str, dict[str, Any]]] = field(default_factory=dict)
    fails: VetBridgeError | None = None
    silent: set[str] = field(default_factory=set)
    """Lists that it declares and does not tell."""

    @property
    def capabilities(self) -> Capabilities:
        kinds = {kind: KindCapabilities(read=True) for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)}
        return Capabilities(side="pims", kinds=kinds, code_lists=frozenset(self.lists))

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        if self.fails is not None:
            raise self.fails
        return {name: titles for name, titles in self.lists.items() if name not in self.silent}

    def get(self, kind: Kind, id_: str) -> dict[str, Any] | None:
        return self.records.get(kind, {}).get(id_)

    def changes(self, kind: Kind, since: str | None) -> Iterator[Page]:
        assert since is None
        found = tuple(Found(id=id_, native=native) for id_, native in self.records.get(kind, {}).items())
        yield Page(records=found, cursor="1", last=True)

    def close(self) -> None:
        """Nothing to give back."""


Sides = dict[str, Told]


@pytest.fixture
def sides(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Sides:
    made = {
        "altegio-city": Told({name: dict(titles) for name, titles in BOOKING.items()}),
        "ezyvet-city": Told({name: dict(titles) for name, titles in PIMS.items()}, {Kind.PET: {"4711": PET}}),
    }
    monkeypatch.setattr("vetbridge.daemon.assembly.build_connectors", lambda *_args, **_more: made)
    begin(desk, booking={"appointment_type": {"checkup": "701"}, "resource": {}})
    return made


def begin(desk: Desk, booking: dict[str, Any], pims: dict[str, Any] | None = None) -> None:
    """A config that is finished in part."""
    config = desk.config()
    config["sites"]["city"]["booking"]["codes"] = booking
    nothing: dict[str, Any] = {name: {} for name in PIMS_LISTS}
    config["sites"]["city"]["pims"]["codes"] = {"appointment_type": {"checkup": "31"}, **nothing, **(pims or {})}
    desk.save(config)


def drafted(desk: Desk) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = desk.data("mapping", "fill", "city")["rows"]
    return rows


def by_code(rows: Sequence[Mapping[str, Any]], name: str, side: str = "booking") -> dict[str, Mapping[str, Any]]:
    return {row[f"{side}_code"]: row for row in rows if row["list"] == name and row[f"{side}_code"]}


def answer(path: Path, answers: Mapping[tuple[str, str], str]) -> None:
    """A person finishes the workbook: the answer by list and the row's first code."""
    book = openpyxl.load_workbook(path)
    sheet = book["Code lists"]
    for row in sheet.iter_rows(min_row=2):
        key = (row[0].value, row[1].value or row[3].value)
        if key in answers:
            row[9].value = answers[key]
    book.save(path)


def codes(desk: Desk, side: str) -> dict[str, Any]:
    found: dict[str, Any] = desk.config()["sites"]["city"][side]["codes"]
    return found


def test_the_draft_says_what_is_set_sure_likely_and_unknown(desk: Desk, sides: Sides) -> None:
    rows = drafted(desk)
    visits = by_code(rows, "appointment_type")
    assert (visits["701"]["sure"], visits["701"]["pims_code"], visits["701"]["answer"]) == ("set", "31", "yes")
    assert (visits["703"]["sure"], visits["703"]["pims_code"], visits["703"]["answer"]) == ("sure", "033", "yes")
    assert (visits["702"]["sure"], visits["702"]["pims_code"], visits["702"]["answer"]) == ("likely", "32", "")
    assert (visits["704"]["sure"], visits["704"]["answer"]) == ("none", "")
    assert by_code(rows, "appointment_type", "pims")["34"]["sure"] == "none"
    species = by_code(rows, "species", "pims")
    assert [species[code]["word"] for code in ("2", "3", "9")] == ["cat", "rabbit", ""]
    status = by_code(rows, "status", "pims")
    assert [status[code]["word"] for code in ("1", "2")] == ["booked", "no_show"]
    assert "inactive" not in status, "the shipped mapping fixes it"
    assert "breed" not in {row["list"] for row in rows}, "no field of the mappings reads breeds by code"


def test_a_finished_workbook_goes_into_the_config_and_keeps_its_comments(desk: Desk, sides: Sides) -> None:
    desk.config_path.write_text("# ours: do not lose\n" + desk.config_path.read_text())
    path = desk.folder / "codes.xlsx"
    assert desk.run("mapping", "fill", "city", "--to", str(path)).exit_code == 0
    assert openpyxl.load_workbook(path).sheetnames == ["Code lists", "Allowed answers"]
    answer(
        path,
        {
            ("appointment_type", "702"): "vaccination",  # by its name
            ("appointment_type", "704"): "-",
            ("resource", "502"): "22",
            ("species", "1"): "dog",
        },
    )
    before = desk.config_path.read_text()
    shown = desk.run("mapping", "fill", "city", "--from", str(path), "--plan")
    assert shown.exit_code == 0, shown.output
    assert desk.config_path.read_text() == before
    written = desk.run("mapping", "fill", "city", "--from", str(path), "--write")
    assert written.exit_code == 0, written.output
    booking, pims = codes(desk, "booking"), codes(desk, "pims")
    assert booking["appointment_type"] == {"checkup": "701", "vaccination_puppy": "702", "dental": "703"}
    assert pims["appointment_type"] == {"checkup": "31", "vaccination_puppy": "32", "dental": "033"}
    assert booking["resource"] == {"dr_ash": "501", "birch": "502"}
    assert pims["resource"] == {"dr_ash": "21", "birch": "22"}
    assert pims["species"] == {"dog": "1", "cat": "2", "rabbit": "3"}
    assert pims["sex"] == {"male": "1", "female": "2", "unknown": "5"}
    assert pims["status"] == {"booked": "1", "no_show": "2"}
    assert desk.config_path.read_text().startswith("# ours: do not lose\n")
    assert desk.config_path.with_name("clinic.yaml.bak").read_text() == before
    assert desk.run("config", "check").exit_code == 0
    again = desk.data("mapping", "fill", "city", "--from", str(path))
    assert (again["yaml"], again["written"]) == ("", False), "twice is once"


def test_a_branch_whose_practice_system_has_its_words_already_needs_no_typing(desk: Desk, sides: Sides) -> None:
    words = {"appointment_type": {"checkup": "31", "teeth": "033"}, "resource": {"vet_1": "21", "vet_2": "22"}}
    begin(desk, booking={"appointment_type": {"checkup": "701"}, "resource": {}}, pims=words)
    visits = by_code(drafted(desk), "appointment_type")
    assert (visits["703"]["sure"], visits["703"]["word"], visits["703"]["answer"]) == ("sure", "teeth", "yes")
    path = desk.folder / "codes.csv"
    assert desk.run("mapping", "fill", "city", "--to", str(path)).exit_code == 0
    assert desk.run("mapping", "fill", "city", "--from", str(path), "--write").exit_code == 0
    assert codes(desk, "booking")["appointment_type"] == {"checkup": "701", "teeth": "703"}
    assert codes(desk, "booking")["resource"] == {"vet_1": "501"}
    assert codes(desk, "pims")["resource"] == words["resource"]


def test_a_code_that_the_config_gives_another_one_is_never_sure(desk: Desk, sides: Sides) -> None:
    sides["altegio-city"].lists["appointment_type"]["709"] = "Check-up"
    del sides["altegio-city"].lists["appointment_type"]["701"]
    visits = by_code(drafted(desk), "appointment_type")
    assert (visits["709"]["sure"], visits["709"]["pims_code"], visits["709"]["answer"]) == ("likely", "31", "")


def test_lists_that_the_config_lacks_are_drafted(desk: Desk, sides: Sides) -> None:
    begin(desk, booking={})
    checked = desk.run("config", "check")
    assert checked.exit_code == 3, "VetBridge would not start"
    assert "sites.city.booking" in checked.stdout
    assert "code lists are missing: appointment_type, resource; `vetbridge mapping fill city`" in checked.stdout
    assert by_code(drafted(desk), "resource")["501"]["sure"] == "sure"
    assert desk.run("mapping", "check", "city").exit_code == 4


def test_a_config_that_its_owner_alone_reads_stays_so(desk: Desk, sides: Sides) -> None:
    desk.config_path.chmod(0o600)
    path = desk.folder / "codes.csv"
    assert desk.run("mapping", "fill", "city", "--to", str(path)).exit_code == 0
    assert desk.run("mapping", "fill", "city", "--from", str(path), "--write").exit_code == 0
    assert codes(desk, "pims")["species"]["cat"] == "2"
    assert desk.config_path.stat().st_mode & 0o077 == 0


def test_a_config_laid_out_otherwise_is_left_alone(desk: Desk, sides: Sides) -> None:
    config = desk.config()
    desk.config_path.write_text(json.dumps(config))
    path = desk.folder / "codes.csv"
    assert desk.run("mapping", "fill", "city", "--to", str(path)).exit_code == 0
    result = desk.run("mapping", "fill", "city", "--from", str(path), "--write")
    assert result.exit_code == 4
    assert 'cat: "2"' in result.stdout
    assert desk.config() == config


def test_a_csv_comes_back_as_it_went(desk: Desk, sides: Sides) -> None:
    sides["altegio-city"].lists["resource"]["-7"] = "Room 7"
    sides["ezyvet-city"].lists["resource"]["=7"] = "Room 7"
    path = desk.folder / "codes.csv"
    assert desk.run("mapping", "fill", "city", "--to", str(path)).exit_code == 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "@") or (cell[:1] == "-" and len(cell) > 1)]
    assert (desk.folder / "codes-allowed.csv").exists()
    assert desk.run("mapping", "fill", "city", "--from", str(path), "--write").exit_code == 0
    assert codes(desk, "booking")["resource"]["room_7"] == "-7"
    assert codes(desk, "pims")["resource"]["room_7"] == "=7"


def test_a_table_somebody_may_have_worked_on_is_not_overwritten(desk: Desk, sides: Sides) -> None:
    path = desk.folder / "codes.csv"
    path.write_text("mine")
    assert desk.run("mapping", "fill", "city", "--to", str(path)).exit_code == 2
    assert path.read_text() == "mine"
    for wrong in (["--to", "x.txt"], ["--plan"], ["--from", str(path), "--to", "y.csv"]):
        assert desk.run("mapping", "fill", "city", *wrong).exit_code == 2
    assert desk.run("mapping", "fill", "nowhere").exit_code == 2


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("appointment_type,702,,,,99", "answer-unknown"),
        ("appointment_type,702,,,,yes", "nothing-suggested"),
        ("appointment_type,702,,77,,yes", "code-unknown"),
        ("appointment_type,999,,,,31", "code-unknown"),
        ("appointment_type,,,,,31", "empty"),
        ("appointment_typ,702,,,,31", "list-unknown"),
        ("appointment_type,701,,,,31", "twice"),
        ("species,,,1,,dogg", "answer-unknown"),
        ("status,,,1,,whatever", "answer-unknown"),
        ("resource,501,,,,Dr Twin", "answer-twice"),
        ("sex,1,,,,male", "code-unknown"),
        ("species,,,1,,\"=cmd|'/c calc'!A0\"", "answer-unknown"),
        ("species,,,1,,\x1b[2Jdog\x07\u202e" + "x" * 5000, "answer-unknown"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_written(desk: Desk, sides: Sides, row: str, code: str) -> None:
    sides["ezyvet-city"].lists["resource"] |= {"91": "Dr Twin", "92": "Dr. Twin"}
    path = desk.folder / "back.csv"
    head = "List,Booking code,Booking name,PIMS code,PIMS name,Answer"
    path.write_text(f"{head}\nappointment_type,701,,,,31\n{row}\n", encoding="utf-8")
    before = desk.config_path.read_text()
    result = desk.run("mapping", "fill", "city", "--from", str(path), "--write", "--json")
    assert result.exit_code == 4, result.output
    (problem,) = json.loads(result.stdout)["problems"]
    assert problem["code"] == code
    assert problem["text"].startswith("row 3: ")
    assert problem["advice"]
    assert len(problem["text"]) < 1000
    assert desk.config_path.read_text() == before
    told = desk.run("mapping", "fill", "city", "--from", str(path))
    assert "\x1b" not in told.output
    assert "\u202e" not in told.output


def test_a_file_that_is_no_table_is_refused(desk: Desk, sides: Sides) -> None:
    for content in (b"", b"%PDF-1.7", b"a,b\n1,2\n", b"PK\x03\x04 broken", b"\xff\xfe\x00"):
        path = desk.folder / "back.xlsx"
        path.write_bytes(content)
        assert desk.run("mapping", "fill", "city", "--from", str(path)).exit_code == 2


def test_what_waits_is_counted_and_named(desk: Desk, sides: Sides, settled: Settled) -> None:
    mapper = Mapper(load_table("altegio"), zone=ZONE, codes={"appointment_type": {}, "resource": {}})
    with pytest.raises(MappingError) as no_word:
        mapper.peek(Kind.APPOINTMENT, {"service_id": "702"}, "appointment_type")
    with pytest.raises(MappingError) as no_code:
        mapper.write(Kind.APPOINTMENT, {"resource": "vet_9"})
    for number in range(3):
        settled(ChangeState.FAILED, MappingError.code, message=no_word.value.message, remote_id=f"v{number}")
    settled(ChangeState.FAILED, MappingError.code, message=no_code.value.message, remote_id="v9")
    pims = Mapper(load_table("ezyvet"), zone=ZONE, codes={name: {} for name in ("appointment_type", *PIMS_LISTS)})
    with pytest.raises(MappingError) as at_pims:
        pims.peek(Kind.APPOINTMENT, {"type_id": "34"}, "appointment_type")
    # A change of the booking side may fail by what the PIMS says of the visit.
    settled(ChangeState.FAILED, MappingError.code, message=at_pims.value.message, remote_id="v34")
    rows = drafted(desk)
    assert by_code(rows, "appointment_type", "pims")["34"]["waiting"] == 1
    assert (rows[0]["booking_code"], rows[0]["waiting"]) == ("702", 3), "what waits comes first"
    result = desk.run("mapping", "check", "--json")
    assert result.exit_code == 4
    waiting = [each for each in json.loads(result.stdout)["data"]["findings"] if each["what"] == "waiting"]
    assert [(each["list"], each["codes"]) for each in waiting] == [
        ("appointment_type", ["702 (Vaccination puppy) (3)"]),
        ("appointment_type", ["34 (Grooming) (1)"]),
        ("resource", ["vet_9 (1)"]),
    ]


def test_a_check_names_what_is_gone_new_one_sided_and_twice(desk: Desk, sides: Sides) -> None:
    begin(
        desk,
        booking={"appointment_type": {"checkup": ["701", "702"], "dental": "799"}, "resource": {}},
        pims={"appointment_type": {"checkup": "31"}},
    )
    result = desk.run("mapping", "check", "city", "--json")
    assert result.exit_code == 4
    found = json.loads(result.stdout)["data"]["findings"]
    told = {(each["what"], each["account"]): each for each in found if each["list"] == "appointment_type"}
    assert told["gone", "altegio-city"]["codes"] == ["799 for dental"]
    assert told["new", "ezyvet-city"]["count"] == 3
    assert told["one-sided", "ezyvet-city"]["codes"] == ["dental"]
    assert told["several", "altegio-city"]["codes"] == ["checkup: 701, 702"]
    assert not told["several", "altegio-city"]["waits"]
    drawn = desk.run("mapping", "check", "city")
    assert drawn.exit_code == 4
    assert "799 for dental" in drawn.output


def test_a_check_that_finds_nothing_ends_well(desk: Desk, sides: Sides) -> None:
    lists = {"appointment_type": {"701": "Check-up"}, "resource": {"501": "Ash"}}
    sides["altegio-city"].lists = lists
    sides["ezyvet-city"].lists = {"appointment_type": {"31": "Check-up"}, "resource": {"21": "Ash"}}
    species = {"dog": "1", "cat": "2", "rabbit": "3", "other": "4"}
    begin(
        desk,
        booking={"appointment_type": {"checkup": "701"}, "resource": {"ash": "501"}},
        pims={"resource": {"ash": "21"}, "species": species},
    )
    assert desk.data("mapping", "check") == {
        "ok": True,
        "words": desk.data("mapping", "check")["words"],
        "findings": [],
    }


def test_a_silent_side_is_said(desk: Desk, sides: Sides) -> None:
    sides["ezyvet-city"].fails = Unavailable("ezyvet-city: does not answer")
    result = desk.run("mapping", "check", "--json")
    (problem,) = json.loads(result.stdout)["problems"]
    assert "none is known" in problem["text"]


def test_a_list_that_a_part_of_a_side_does_not_tell_is_said(desk: Desk, sides: Sides) -> None:
    sides["ezyvet-city"].silent = {"species"}
    result = desk.run("mapping", "check", "--json")
    (problem,) = json.loads(result.stdout)["problems"]
    assert problem["text"].startswith("code lists of ezyvet-city cannot be read, none is known: species did not come")
    rows = json.loads(desk.run("mapping", "fill", "city", "--json").stdout)["data"]["rows"]
    asked = {row["list"] for row in rows if row["pims_code"]}
    assert "appointment_type" in asked, "the others were told"


def test_one_record_there_and_back(desk: Desk, sides: Sides) -> None:
    begin(
        desk,
        booking={"appointment_type": {}, "resource": {}},
        pims={"species": {"dog": "1"}, "sex": {"unknown": "5"}},
    )
    came = desk.data("mapping", "try", "city", "pet", "4711")
    assert (came["fields"]["species"], came["fields"]["name"]) == ("dog", "Bella")
    assert came["written"]["species_id"] == "1"
    assert "Bella" in desk.run("mapping", "try", "city", "pet", "4711").output
    assert desk.run("mapping", "try", "city", "pet", "nobody").exit_code == 2
    assert desk.run("mapping", "try", "city", "pet").exit_code == 2
    path = desk.folder / "pet.json"
    path.write_text(json.dumps({**PET, "name": "\x1b[2JRex"}))
    told = desk.run("mapping", "try", "city", "pet", "--file", str(path))
    assert told.exit_code == 0
    assert "Rex" in told.output
    assert "\x1b" not in told.output
    for content in ("[]", "{", "", '{"id": "1", "species_id": "8"}'):
        path.write_text(content)
        assert desk.run("mapping", "try", "city", "pet", "--file", str(path)).exit_code != 0


def test_a_diff_names_fields_and_ids_and_no_values(desk: Desk, sides: Sides) -> None:
    species = {"dog": "1", "other": "2"}
    begin(desk, booking={"appointment_type": {}, "resource": {}}, pims={"species": species, "sex": {"unknown": "5"}})
    old = desk.config_path.with_name("clinic.yaml.bak")
    old.write_text(desk.config_path.read_text())
    assert not any(side["differences"] for side in desk.data("mapping", "diff", "city")["sides"])
    begin(
        desk,
        booking={"appointment_type": {}, "resource": {}},
        pims={"species": {"cat": "1", "other": "2"}, "sex": {"unknown": "5"}},
    )
    (told,) = [each for side in desk.data("mapping", "diff", "city")["sides"] for each in side["differences"]]
    assert (told["kind"], told["field"], told["what"], told["count"], told["ids"]) == (
        "pet",
        "species",
        "changed",
        1,
        ["4711"],
    )
    begin(desk, booking={"appointment_type": {}, "resource": {}}, pims={"sex": {"unknown": "5"}})
    result = desk.run("mapping", "diff", "city")
    assert result.exit_code == 4
    assert "fails now in 1: 4711" in result.output
    assert "Bella" not in result.output
