"""What comes as text, workbook or calendar is read as rows; what is wrong with it is said with its place."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from connectors.files import tables
from tests.unit.connectors.folder_exchange import PROFILE, Exchange, clients, visits
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind


@pytest.fixture
def acme(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


def name_of(acme: Exchange, id_: str = "1") -> object:
    return (acme.told()[id_].native or {}).get("family_name")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le-bom"], ids=lambda encoding: encoding
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
def test_any_encoding_and_delimiter(acme: Exchange, encoding: str, delimiter: str) -> None:
    text = clients("1,Zoë,Müßig,030 123456,").replace(",", delimiter)
    raw = b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16-le-bom" else text.encode(encoding)
    acme.put("Clients.CSV", raw)
    assert name_of(acme) == "Müßig"


def test_a_header_in_windows_1252_with_a_mark_of_utf_8_before_it(acme: Exchange) -> None:
    acme.put("clients.csv", b"\xef\xbb\xbf" + clients("1;Zo\xeb;M\xfc\xdfig;;").replace(",", ";").encode("cp1252"))
    assert name_of(acme) == "Müßig"


def test_a_mark_that_stands_there_twice(acme: Exchange) -> None:
    acme.put("clients.csv", '\ufeff\ufeff"Id";"First";"Last";"Phone";"Mail"\r\n1;Zoë;Müßig;;\r\n')
    assert name_of(acme) == "Müßig"


def test_utf_16_without_its_mark_is_told_and_read_where_the_profile_names_it(acme: Exchange, tmp_path: Path) -> None:
    raw = clients("1,Zoë,Müßig,,").encode("utf-16-le")
    acme.put("clients.csv", raw)
    with pytest.raises(Unavailable):
        acme.ids()
    assert "is UTF-16 without its mark" in acme.reason("clients.csv")
    named = {**PROFILE["kinds"]["client"], "encodings": ["utf-8-sig", "utf-16-le"]}
    other = Exchange(tmp_path / "other", {**PROFILE, "kinds": {"client": named}})
    other.put("clients.csv", raw)
    assert name_of(other) == "Müßig"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2,Anna", "2 cells, and the header has 5"),
        ("2,Anna,Weber,030 1,a@example.org,more", "6 cells, and the header has 5"),
        ('2,"An"na,Weber,,', "a quotation mark stands where none should"),
        ("2,Anna,=1+1,,", "a cell holds a formula"),
        ("2,Anna,,,", "Last: it is empty"),
        (",Anna,Weber,,", "Id: it is empty"),
        ('"2,000",Anna,Weber,,', "Id: it may be one or a thousand"),
        ("1,Anna,Other,,", "its id stands in line 2 already, with other values"),
    ],
)
def test_a_row_that_cannot_be_read_goes_aside_and_the_others_count(acme: Exchange, row: str, reason: str) -> None:
    acme.put("clients.csv", clients("1,Zoë,Müßig,,", row, "3,Max,Berg,,", "4,Eva,Tal,,"))
    assert acme.ids() == ["1", "3", "4"]
    said = acme.rejected("clients.csv").splitlines()
    assert said[1].startswith("3,")
    assert reason in said[1]
    assert acme.lying("in") == []


def test_an_id_that_was_kept_from_spreadsheets(acme: Exchange) -> None:
    acme.put("clients.csv", clients('="0012",Zoë,Müßig,,'))
    assert acme.ids() == ["0012"]


def test_quotes_line_ends_and_rows_of_nothing(acme: Exchange) -> None:
    acme.put("clients.csv", clients('1,"Zo ""Z"" ë","Mü\r\nßig",,', "", ",,,,", "2,A,B,,,,"))
    assert acme.ids() == ["1", "2"]
    assert name_of(acme) == "Mü\r\nßig"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the row with the names of the columns is empty"),
        (b"Id,First\r\n1,Anna\r\n", "family_name: no column is called Last"),
        (b"Id,Last\r\n1,M\x00\r\n", "it holds NUL characters"),
        (b'Id,Last\r\n1,Berg\r\n2,"Wa', "it ends inside the quotation marks that line 3 opens"),
        (b"Id,First,Last\r\n1,A,Berg\r\n2,B", "it ends in the middle of line 3: it is cut off"),
        (b"Id,Last\r\n1," + b"x" * 1_000_100 + b"\r\n", "line 2 is longer than"),
        (b"Id,Last\r\n" + b"1,\r\n" * 3 + b"2,Berg\r\n", "3 of 4 rows cannot be read as clients; line 2: Last"),
        (b"Id,Last\r\n", "it holds 0 clients, and at least 1 were expected"),
        (b"," * 2000 + b"Id,Last\r\n1,Berg\r\n", "more than 1000 columns"),
    ],
    ids=["empty", "column", "nul", "open", "cut", "long", "mostly", "nobody", "wide"],
)
def test_a_file_that_cannot_be_read_goes_aside_with_its_reason(acme: Exchange, content: bytes, reason: str) -> None:
    acme.put("clients.csv", clients("1,Zoë,Müßig,,"))
    assert acme.ids() == ["1"]
    acme.put("clients.csv", content)
    assert acme.ids() == ["1"]
    assert reason in acme.reason("clients.csv")
    assert acme.lying("in") == []
    assert (acme.folder / "errors" / "clients.csv").read_bytes() == content


def test_an_encoding_that_is_none_of_those_that_are_named(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,Zo\x81,M,,").encode("latin-1"))
    acme.files.check()
    acme.put("visits.csv", visits())
    acme.ids(Kind.APPOINTMENT)
    assert "it is no text in utf-8-sig or cp1252; name its encoding" in acme.reason("clients.csv")


# -- workbooks


def workbook(*rows: tuple[object, ...], sheet: str = "Report") -> bytes:
    book = Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def test_a_workbook_has_numbers_and_times_of_its_own(acme: Exchange) -> None:
    start = datetime(2026, 5, 4, 9, 30)  # noqa: DTZ001 - a workbook knows no zone
    acme.put(
        "visits.xlsx",
        workbook(("Id", "Start", "Minutes", "Notes"), (12, start, 20.0, None), (None, None, None), (13, start, 15)),
    )
    told = acme.told(Kind.APPOINTMENT)
    assert sorted(told) == ["12", "13"]
    assert (told["12"].native or {}).items() >= {"start": "2026-05-04 09:30:00", "duration": 1200}.items()


def test_a_cell_with_an_error_of_the_spreadsheet_is_no_value(acme: Exchange) -> None:
    acme.put("clients.xlsx", workbook(("Id", "Last"), (1, "Berg"), (2, "#REF!"), (3, "Tal")))
    assert acme.ids() == ["1", "3"]
    assert "shows an error of the spreadsheet" in acme.rejected("clients.xlsx")


def _not_a_zip() -> bytes:
    return b"PK\x03\x04 no workbook"


def _no_workbook() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("xl/workbook.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><workbook/>")
    return made.getvalue()


@pytest.mark.parametrize("content", [_not_a_zip, _no_workbook])
def test_a_damaged_workbook_goes_aside(acme: Exchange, content: Callable[[], bytes]) -> None:
    acme.put("clients.xlsx", content())
    acme.put("visits.csv", visits())
    acme.ids(Kind.APPOINTMENT)
    assert "no Excel workbook" in acme.reason("clients.xlsx")


def test_a_workbook_that_unpacks_to_more_than_memory_is_not_unpacked(
    acme: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LARGEST_UNPACKED", 1000)
    acme.put("clients.xlsx", workbook(("Id", "Last"), (1, "Berg")))
    acme.put("visits.csv", visits())
    acme.ids(Kind.APPOINTMENT)
    assert "when it is unpacked" in acme.reason("clients.xlsx")


# -- calendars

EVENT = """BEGIN:VEVENT
UID:a1
DTSTART;TZID=Europe/London:20260504T090000
DTEND:20260504T083000Z
DESCRIPTION:Sch\u00f6n\\, wirklich
END:VEVENT
"""


def calendar(*events: str) -> str:
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\n{''.join(events)}END:VCALENDAR\n".replace("\n", "\r\n")


def test_a_calendar_is_told_by_the_sites_clock(acme: Exchange) -> None:
    acme.put("visits.ics", calendar(EVENT))
    native = acme.told(Kind.APPOINTMENT)["a1"].native or {}
    assert native["start"] == "2026-05-04 10:00:00"
    assert native["duration"] == 1800
    assert native["notes"] == "Schön, wirklich"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("DTSTART;TZID=Europe/London:20260504T090000", "DTSTART;VALUE=DATE:20260504"), "it lasts all day"),
        (("DTEND:20260504T083000Z", "DTEND:20260504T083000Z\nRRULE:FREQ=DAILY"), "it repeats"),
        (("UID:a1\n", "UID:a1\nRDATE:20260511T090000Z\n"), "it repeats"),
        (("UID:a1\n", ""), "ID: it is empty"),
    ],
)
def test_entries_that_are_no_single_visit_go_aside(acme: Exchange, change: tuple[str, str], reason: str) -> None:
    other = EVENT.replace("UID:a1", "UID:a2")
    third = EVENT.replace("UID:a1", "UID:a3")
    acme.put("visits.ics", calendar(other, third, EVENT.replace(*change)))
    assert acme.ids(Kind.APPOINTMENT) == ["a2", "a3"]
    assert reason in acme.rejected("visits.ics")


def test_a_visit_that_was_moved_out_of_a_series_is_one_of_its_own(acme: Exchange) -> None:
    moved = EVENT.replace("UID:a1\n", "UID:a1\nRECURRENCE-ID:20260504T070000Z\n")
    acme.put("visits.ics", calendar(EVENT, moved))
    assert acme.ids(Kind.APPOINTMENT) == ["a1", "a1/20260504T070000Z"]


def test_a_calendar_that_is_cut_off_goes_aside(acme: Exchange) -> None:
    acme.put("visits.ics", calendar(EVENT)[:120])
    acme.put("clients.csv", clients("1,Zoë,Müßig,,"))
    acme.ids()
    assert "no calendar" in acme.reason("visits.ics")
