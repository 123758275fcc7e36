"""A clinic's own files: what can be used is used, the rest is named by its place, and decisions come out in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vetbridge.core.records import Client, Pet
from vetbridge.desk import clinic_files
from vetbridge.desk.clinic_files import OWNER_COLUMNS, PATIENT_COLUMNS, Booking, FileReport, UnusableFile
from vetbridge.desk.evaluation import ClinicFiles, evaluate, explain, problems

OWNERS = ",".join(OWNER_COLUMNS)
PATIENTS = ",".join(PATIENT_COLUMNS)
ANN = "1,Ann,Miller,ann@example.com,07700 900123,,1 High Street,AB1 2CD,Aberdeen,2020-03-04,true"
ZOE = "2,Zoë,Müller,zoe@example.com,07700 900456,020 7946 0018,,,,2021-05-06,false"


def read_owners(path: Path, content: str | bytes) -> tuple[list[Client], FileReport]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    report = FileReport(path)
    return list(clinic_files.clients(report)), report


def read_pets(path: Path, content: str, owners: set[str]) -> tuple[list[Pet], FileReport]:
    path.write_text(content, encoding="utf-8")
    report = FileReport(path)
    return list(clinic_files.pets(report, owners)), report


def read_bookings(path: Path, *lines: str | bytes) -> tuple[list[Booking], FileReport]:
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    report = FileReport(path)
    return list(clinic_files.bookings(report)), report


def places(report: FileReport) -> list[tuple[int, int, str]]:
    return [(each.line, each.column, each.code) for each in report.examples]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def test_an_owner_is_read_with_all_it_has(path: Path) -> None:
    (ann, zoe), report = read_owners(path, f"{OWNERS}\n{ANN}\n{ZOE}\n")
    assert ann == Client(
        id="1",
        given_name="Ann",
        family_name="Miller",
        phones=("07700 900123",),
        emails=("ann@example.com",),
        street="1 High Street",
        postcode="AB1 2CD",
        city="Aberdeen",
        registered_on=date(2020, 3, 4),
    )
    assert (zoe.family_name, zoe.phones, zoe.active) == ("Müller", ("07700 900456", "020 7946 0018"), False)
    assert (report.used, report.refused, report.ignored, report.notes) == (2, {}, {}, [])


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [
        ("utf-8", False),
        ("utf-8-sig", False),
        ("utf-16", False),
        ("utf-16-le", True),
        ("utf-16-be", True),
        ("cp1252", True),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encoding_delimiter_and_line_ends_are_found_out(
    path: Path, encoding: str, noted: bool, delimiter: str, end: str
) -> None:
    text = f"{OWNERS}\n{ANN}\n{ZOE}\n".replace(",", delimiter).replace("\n", end)
    found, report = read_owners(path, text.encode(encoding))
    assert [client.full_name for client in found] == ["Ann Miller", "Zoë Müller"]
    assert [each.code for each in report.notes] == (["encoding"] if noted else [])
    assert not report.refused


def test_a_bad_byte_among_good_ones_is_dropped_and_named(path: Path) -> None:
    bad = "3,Ren\xe9,Str,,,,,,,,".encode("latin-1")
    found, report = read_owners(path, f"{OWNERS}\n{ZOE}\n".encode() + bad + b"\n" + ANN.encode())
    assert [client.full_name for client in found] == ["Zoë Müller", "Ren Str", "Ann Miller"]
    assert places(report) == [(3, 3, "unreadable-character")]
    assert report.ignored == {"unreadable-character": 1}


def test_windows_1252_is_said_at_the_first_byte_that_tells(path: Path) -> None:
    many = f"{ANN}\n" * 20_000
    found, report = read_owners(path, f"{OWNERS}\n{many}{ZOE}\n".encode("cp1252"))
    assert [client.full_name for client in found] == ["Ann Miller", "Zoë Müller"]
    assert [(each.line, each.column, each.code) for each in report.notes] == [(20_002, 5, "encoding")]


def test_columns_may_stand_in_any_order_and_in_capitals(path: Path) -> None:
    rows = "Miller,blue,1,Ann,no\nMiller,red,,Ann,no\nJones,red,2,Zoe,never\n"
    found, report = read_owners(path, f"Last Name,colour,OWNERID,First-Name,Active\n{rows}")
    assert [(client.id, client.full_name) for client in found] == [("1", "Ann Miller"), ("2", "Zoe Jones")]
    assert places(report) == [(3, 12, "id-missing"), (4, 17, "not-a-boolean")]
    (note,) = report.notes
    assert note.code == "column-missing"
    assert "email, phone_mobile" in note.words
    assert "first_name" not in note.words


def test_a_missing_column_is_named_with_what_it_may_be(path: Path) -> None:
    with pytest.raises(UnusableFile) as caught:
        read_owners(path, f"{OWNERS.replace('owner_id', 'Owner No')}\n{ANN}\n")
    assert caught.value.message.startswith(
        f"{path}:1:1: missing in the header: owner_id (is it Owner No?); found: first_n"
    )
    assert caught.value.advice == f"Needed are: {', '.join(OWNER_COLUMNS)}."
    assert caught.value.code == "column-missing"


def test_a_file_without_a_header_tells_nothing_of_its_first_row(path: Path) -> None:
    with pytest.raises(UnusableFile) as caught:
        read_owners(path, f"{ANN}\n{ZOE}\n")
    assert "no column that is known" in caught.value.message
    assert "Miller" not in caught.value.message


def test_of_a_first_row_that_holds_a_title_by_chance_nothing_else_is_told(path: Path) -> None:
    with pytest.raises(UnusableFile) as caught:
        read_owners(path, "17,Ann,Miller,ann@example.com,07911123456,City,active\n")
    assert caught.value.message.endswith("found: city, active, and 5 that are not known")
    assert "Miller" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "file-unreadable"), ("", "column-missing"), (f"{OWNERS},email\n", "column-twice")],
    ids=["no file", "empty", "twice"],
)
def test_a_file_that_cannot_be_used_at_all(path: Path, content: str | None, code: str) -> None:
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UnusableFile) as caught:
        list(clinic_files.clients(FileReport(path)))
    assert caught.value.code == code
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        (ANN, "id-twice", 1),
        (",Ann,Miller,,,,,,,,", "id-missing", 1),
        ("1\x00,Ann,Miller,,,,,,,,", "id-unusable", 1),
        ("9" * 300 + ",Ann,Miller,,,,,,,,", "id-unusable", 1),
        ("7,Ann,Miller", "cells", 13),
        ("7,Ann,Miller,,,,,,,,true,more", "cells", 26),
        ("7," + "x" * 10_000_000 + ",,,,,,,,,", "row-too-long", clinic_files.MAX_ROW + 1),
        ('7,"Ann,Miller,,,,,,,,', "quote-open", 1),
    ],
    ids=["twice", "none", "control", "long", "few", "many", "10 MB", "quote"],
)
def test_a_row_that_cannot_be_used_takes_no_other_with_it(path: Path, row: str, code: str, column: int) -> None:
    found, report = read_owners(path, f"{OWNERS}\n{ANN}\n{row}\n{ZOE}\n")
    assert [client.id for client in found] == ["1", "2"]
    assert report.refused == {code: 1}
    assert places(report) == [(3, column, code)]


def test_a_stray_quote_far_from_the_next_one_swallows_nothing(path: Path) -> None:
    many = "\n".join(f"{number},Ann,Miller,,,,,,,," for number in range(10, 500))
    found, report = read_owners(
        path, f'{OWNERS}\n7,"Ann,Miller,,,,,,,,\n{many}\n8,A,"B\nC",,,,,,,,\n9,A,"B,,,,,,,,\n{ANN}'
    )
    assert [client.id for client in found] == [*map(str, range(10, 500)), "8", "1"]
    assert places(report) == [(2, 1, "quote-open"), (495, 1, "quote-open")]


def test_a_huge_row_over_many_lines_is_left_out(path: Path) -> None:
    found, report = read_owners(
        path, f'{OWNERS}\n7,"{"x" * 5000}\n' + f"{'y' * 90_000}\n" * 20 + f'",,,,,,,,,\n{ANN}\n'
    )
    assert [client.id for client in found] == ["1"]
    assert report.examples[0].line == 2
    assert sum(report.refused.values()) == 22


def test_values_that_cannot_be_understood_are_ignored_with_their_place(path: Path) -> None:
    rows = (
        '7,"Ann\nMary",M\x00ller,,,,,,,03.04.2020,perhaps\n8,A,B,,,,,,,2021-02-30,YES\n9,A,B,,,,,,,2021-02-28 10:00,0'
    )
    found, report = read_owners(path, f"{OWNERS}\n{rows}")
    assert [(client.active, client.registered_on) for client in found] == [
        (True, None),
        (True, None),
        (False, date(2021, 2, 28)),
    ]
    assert found[0].family_name == "M ller"
    assert report.ignored == {"unreadable-character": 1, "not-a-date": 2, "not-a-boolean": 1}
    assert places(report) == [
        (3, 7, "unreadable-character"),
        (3, 20, "not-a-date"),
        (3, 31, "not-a-boolean"),
        (4, 13, "not-a-date"),
    ]


def test_pets_need_an_owner_that_exists(path: Path) -> None:
    rows = ["P1,1,Rex,Dog,,M,2019-01-02,0", "P2,99,Tom,cat,,,,", "P1,1,Max,dog,,,,", "P3,2,Kit,,,,,yes"]
    found, report = read_pets(path, "\n".join([PATIENTS, *rows]), {"1", "2"})
    assert found == [
        Pet(id="P1", client_id="1", name="Rex", species="dog", sex="m", birth_date=date(2019, 1, 2)),
        Pet(id="P3", client_id="2", name="Kit", deceased=True),
    ]
    assert places(report) == [(3, 4, "owner-unknown"), (4, 1, "id-twice")]


def test_bookings_are_read_in_whatever_types_they_come(path: Path) -> None:
    (one, two, three), report = read_bookings(
        path,
        '{"booking_id": 1, "first_name": "Ann", "last_name": "Miller", "owner_name": "x", "phone": 447700900123}',
        '{"booking_id": "2", "owner_name": " Zoe M ", "phone": 447700900123.0, "pet_name": null, "species": "Cat"}',
        '{"booking_id": "3", "claims_existing": "yes", "email": ["a@b.de"], "birth_date": 7, "city": "\\ud83d A"}',
    )
    assert one == Booking(
        id="1",
        booker=Client(given_name="Ann", family_name="Miller", phones=("447700900123",)),
        pet=None,
        claims_existing=None,
    )
    assert two.booker == Client(given_name="Zoe M", phones=("447700900123",))
    assert two.pet == Pet(species="cat")
    assert (three.booker, three.claims_existing) == (Client(city="A"), True)
    assert report.ignored == {"not-a-text": 1, "not-a-date": 1, "unreadable-character": 1}


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        ('{"booking_id": "7" 8}', "json-broken", 20),
        ('{"booking_id": "7"', "json-broken", 19),
        ("[" * 50_000, "json-broken", 1),
        ('{"booking_id": ' + "9" * 5000 + "}", "json-broken", 1),
        ('["booking_id"]', "json-no-object", 1),
        ("null", "json-no-object", 1),
        ('{"phone": "1"}', "id-missing", 1),
        ('{"phone": "1", "booking_id": null}', "id-missing", 16),
        ('{"booking_id": true}', "id-missing", 2),
        ('{"booking_id": "1"}', "id-twice", 2),
        ('{"booking_id": "' + "x" * 10_000_000 + '"}', "row-too-long", clinic_files.MAX_ROW + 1),
    ],
    ids=["comma", "cut", "deep", "digits", "list", "null", "no id", "null id", "boolean id", "twice", "10 MB"],
)
def test_a_line_that_cannot_be_used_takes_no_other_with_it(path: Path, line: str, code: str, column: int) -> None:
    found, report = read_bookings(path, '{"booking_id": "1"}', "", line, '{"booking_id": "2"}')
    assert [booking.id for booking in found] == ["1", "2"]
    assert places(report) == [(3, column, code)]


@settings(max_examples=80, deadline=None)
@given(junk=st.binary(max_size=300) | st.text('",;\n\r\t\0x1é', max_size=300).map(str.encode), bom=st.booleans())
def test_whatever_stands_between_them_the_first_and_the_last_row_are_read(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, bom: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.csv"
    start = b"\xef\xbb\xbf" if bom else b""
    found, report = read_owners(path, start + f"{OWNERS}\n{ZOE}\n".encode() + junk + f"\n{ANN}\n".encode())
    assert found[0].id == "2"
    assert found[-1].id == "1"
    assert len(found) == report.used
    assert all(each.line > 1 and each.column >= 1 for each in report.examples)


@pytest.fixture
def files(tmp_path: Path) -> ClinicFiles:
    """Two owners and a pet each; Ann books, a stranger books, and a line is broken."""
    found = ClinicFiles(
        owners=tmp_path / "owners.csv", pets=tmp_path / "patients.csv", bookings=tmp_path / "bookings.jsonl"
    )
    found.owners.write_text(f"{OWNERS}\n{ANN}\n{ZOE}\n", encoding="utf-8")
    found.pets.write_text(f"{PATIENTS}\nP2,2,Kit,cat,,,,\nP1,1,Rex,dog,,,,\n", encoding="utf-8")
    ann = {"first_name": "Ann", "last_name": "Miller", "phone": "+447700900123", "email": "ANN@example.com"}
    new = {"first_name": "Olga", "last_name": "Petrova", "phone": "07700 900999", "pet_name": "Mitzi"}
    lines = [
        json.dumps({"booking_id": "B1", **ann, "pet_name": "Rex", "species": "dog"}),
        "{broken",
        json.dumps({"booking_id": "B\ud83d2"}),
        json.dumps({"booking_id": "B3", **new}),
        json.dumps({"booking_id": "B4", "pet_name": "Rex"}),
    ]
    found.bookings.write_text("\n".join(lines), encoding="utf-8")
    return found


def decisions(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def test_every_usable_booking_is_decided_in_order(files: ClinicFiles, tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "decisions.jsonl"
    out.write_text("of an earlier run", encoding="utf-8")
    done = evaluate(files, out, country="GB", progress=said.append)
    found = list(decisions(out))
    assert [(each["booking_id"], each["action"]) for each in found] == [
        ("B1", "link"),
        ("B3", "create"),
        ("B4", "review"),
    ]
    assert (found[0]["owner_id"], found[0]["patient_id"]) == ("1", "P1")
    assert (found[1]["owner_id"], found[1]["patient_id"]) == (None, None)
    for each in found:
        assert list(each) == ["booking_id", "action", "owner_id", "patient_id", "probability", "candidates", "ms"]
        assert 0 <= each["probability"] <= 1
        assert each["ms"] > 0
    assert done.actions == {"link": 1, "create": 1, "review": 1}
    assert [report.used for report in done.reports.all] == [2, 2, 3]
    assert done.reports.bookings.refused == {"json-broken": 1, "id-unusable": 1}
    assert said == ["2 pets read", "2 owners read", "3 bookings decided"]
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "bookings.jsonl",
        "decisions.jsonl",
        "owners.csv",
        "patients.csv",
    ]


def test_what_fails_leaves_the_decisions_of_before(files: ClinicFiles, tmp_path: Path) -> None:
    out = tmp_path / "decisions.jsonl"
    out.write_text("of an earlier run", encoding="utf-8")
    files.pets.unlink()
    with pytest.raises(UnusableFile, match=r"patients\.csv cannot be read"):
        evaluate(files, out, country="GB", progress=lambda _: None)
    assert out.read_text(encoding="utf-8") == "of an earlier run"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["owners.csv", ".", "no/folder"])
def test_decisions_never_replace_what_is_no_file_of_decisions(files: ClinicFiles, tmp_path: Path, name: str) -> None:
    with pytest.raises(UnusableFile) as caught:
        evaluate(files, tmp_path / name, country="GB", progress=lambda _: None)
    assert caught.value.code == "file-not-writable"
    assert files.owners.read_text(encoding="utf-8").startswith(OWNERS)


def test_one_booking_is_explained_as_it_is_decided(files: ClinicFiles) -> None:
    found = explain(files, "B1", country="GB", progress=lambda _: None)
    assert found is not None
    assert (found.match.client_id, found.match.pet_id) == ("1", "P1")
    assert {"phone", "family_name", "pet_name"} <= {each.field for each in found.match.candidates[0].evidence}
    assert explain(files, "B9", country="GB", progress=lambda _: None) is None


def test_each_code_has_a_place_before_any_has_its_second(files: ClinicFiles, tmp_path: Path) -> None:
    files.owners.write_text(f"{OWNERS}\n{ANN}\n" + f"{ANN}\n" * 30 + "8,Ann\n", encoding="utf-8")
    done = evaluate(files, tmp_path / "out", country="GB", progress=lambda _: None)
    found = problems(done.reports, 6)
    assert [each.code for each in found] == [
        "id-twice",
        "cells",
        "owner-unknown",
        "json-broken",
        "id-unusable",
        "id-twice",
    ]
    assert len(problems(done.reports, 1000)) == clinic_files.EXAMPLES + 4
