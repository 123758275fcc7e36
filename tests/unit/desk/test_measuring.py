"""Workbooks that ask for more memory than there is are refused before their reader sees them.

Without that each of these files ends the process, or fills the machine.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.unit.desk.workbooks import row, text, value, xls, xlsx
from vetbridge.desk import measuring, sheets
from vetbridge.desk.clinic_files import UnusableFile
from vetbridge.desk.sheets import EveryRefusal, table

TITLES = {"name": "name", "phone": "phone"}
ROWS = [["Name", "Phone"], ["Ann", "07911123456"]]
HEADER = row(1, text("Name"), text("Phone"))
FAR = "<v>1</v>"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SECTOR = 512


def read(path: Path) -> int:
    return len(list(table(EveryRefusal(path), TITLES, [{"name"}])))


def refused(path: Path) -> UnusableFile:
    with pytest.raises(UnusableFile) as found:
        read(path)
    return found.value


# -- xls: [MS-CFB] and [MS-XLS]


def put(path: Path, at: int, numbers: str, *values: int) -> Path:
    raw = bytearray(path.read_bytes())
    struct.pack_into(numbers, raw, at, *values)
    path.write_bytes(raw)
    return path


def test_a_sound_workbook_is_let_through(tmp_path: Path) -> None:
    assert read(xls(tmp_path / "a.xls", ROWS)) == 1


@pytest.mark.parametrize(
    ("at", "numbers", "values"),
    [
        pytest.param(68, "<II", (1, 1), id="table's own chain"),
        pytest.param(SECTOR + 4, "<I", (1,), id="directory"),
        pytest.param(SECTOR + 4 * 3, "<I", (2,), id="the workbook itself"),
        pytest.param(80, "<I", (0,), id="a sector of the table twice"),
        pytest.param(44, "<I", (0xFFFFFFFF,), id="size of the table"),
        pytest.param(64, "<I", (0xFFFF,), id="size of the table of small streams"),
        pytest.param(2 * SECTOR + 128 + 120, "<I", (0xFFFFFFFF,), id="length of the workbook"),
        pytest.param(48, "<I", (0xFFFFFFF0,), id="a sector beyond the end"),
        pytest.param(30, "<H", (31,), id="size of a sector"),
    ],
)
def test_chains_that_are_circles_and_sizes_that_cannot_be(
    tmp_path: Path, at: int, numbers: str, values: tuple[int, ...]
) -> None:
    path = put(xls(tmp_path / "a.xls", ROWS), at, numbers, *values)
    if at == 68:  # the sector that it names leads to itself
        path = put(path, 2 * SECTOR + 508, "<I", 1)
    assert "damaged" in refused(path).message


def record(number: int, content: bytes) -> bytes:
    return struct.pack("<HH", number, len(content)) + content


def shared(*texts: str) -> bytes:
    """The record of shared texts, each of them over as many records as it takes."""
    packed = [struct.pack("<II", len(texts), len(texts))]
    for each in texts:
        packed[-1] += struct.pack("<HB", len(each), 0)
        room = 8000 - len(packed[-1])
        packed[-1] += each[:room].encode("latin-1")
        packed += [b"\0" + each[at : at + 8000].encode("latin-1") for at in range(room, len(each), 8000)]
    first, *others = packed
    return record(0xFC, first) + b"".join(record(0x3C, other) for other in others)


def sheets_of(monkeypatch: pytest.MonkeyPatch, *bodies: bytes, texts: bytes = b"") -> None:
    """Makes the next xls of these sheets' records."""
    begin, end = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0)), record(0x0A, b"")
    parts = [begin + body + end for body in bodies]
    at = len(begin) + len(texts) + len(parts) * 13 + len(end)
    book = begin + texts
    for part in parts:
        book += record(0x85, struct.pack("<IBBBB", at, 0, 0, 1, 0) + b"s")
        at += len(part)
    monkeypatch.setattr("tests.unit.desk.workbooks._biff", lambda *_: book + end + b"".join(parts))


def number(row_: int, column: int) -> bytes:
    return record(0x0203, struct.pack("<HHHd", row_, column, 0, 1.0))


def test_an_xls_that_reaches_too_far_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheets_of(monkeypatch, number(0, 0) + number(65535, 255))
    found = refused(xls(tmp_path / "a.xls", []))
    assert found.code == "file-too-large"
    assert "65536 rows and 256 columns" in found.message


def test_all_sheets_of_an_xls_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "MOST_CELLS", 100)
    sheet = number(0, 0) + number(9, 5)
    sheets_of(monkeypatch, sheet)
    assert "header" in refused(xls(tmp_path / "one.xls", [])).message
    sheets_of(monkeypatch, sheet, sheet)
    assert refused(xls(tmp_path / "two.xls", [])).code == "file-too-large"


@pytest.mark.parametrize(
    "body",
    [
        record(0x0200, struct.pack("<IIHHH", 0, 0xFFFFFFFF, 0, 256, 0)),
        record(0x0200, struct.pack("<IIHHH", 2, 1, 0, 1, 0)),
        record(0x0200, struct.pack("<IIHHH", 0, 1, 0, 0xFFFF, 0)),
        number(1, 0xFFFF),
        record(0xBD, struct.pack("<HHHIH", 0, 5, 0, 0, 0xFFFF)),
        record(0x0203, b"\0"),
    ],
    ids=["rows", "rows backwards", "columns", "a cell beside all", "a row of numbers", "a short cell"],
)
def test_places_that_no_sheet_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    sheets_of(monkeypatch, body)
    assert "damaged" in refused(xls(tmp_path / "a.xls", [])).message


def cell_of(index: int, row_: int, column: int = 0) -> bytes:
    return record(0xFD, struct.pack("<HHHI", row_, column, 0, index))


def test_a_long_text_that_many_cells_of_an_xls_show_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = shared("Name", "Phone", "x" * 30_000)
    cells = cell_of(0, 0) + cell_of(1, 0, 1) + b"".join(cell_of(2, at) for at in range(1, 20))
    sheets_of(monkeypatch, cells, texts=texts)
    assert read(xls(tmp_path / "a.xls", [])) == 19
    monkeypatch.setattr(measuring, "MOST_TEXT", 500_000)
    assert refused(xls(tmp_path / "a.xls", [])).code == "file-too-large"


def test_too_many_merged_regions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regions = [(0, 1000, 0, 1)] * 600
    path = xls(tmp_path / "a.xls", ROWS, merged=regions)
    assert refused(path).code == "file-too-large"
    monkeypatch.setattr(sheets, "MOST_MERGED_CELLS", 10**9)
    monkeypatch.setattr(measuring, "MOST_MERGED", 599)
    assert refused(path).code == "file-too-large"


# -- xlsx


@pytest.mark.parametrize(
    "far",
    [
        f"<row r='1048576'><c r='xfd1048576'>{FAR}</c></row>",
        f"<row r='1048576'><c r='XFD01048576'>{FAR}</c></row>",
        "<row r='1048576'><c r='XFD1048576' t='str'><v/></c></row>",
        "<row r='1048576'><c r='XFD1048576'><v> </v></c></row>",
        f"&unknown;<row r='1048576'><c r='XFD1048576'>{FAR}</c></row>",
        f"<row r='2'>{f'<c>{FAR}</c>' * 4000}</row><row r='1048576'><c>{FAR}</c></row>",
        f"<row r='2'>{f'<c>{FAR}</c>' * 4000}</row>{f'<row><c>{FAR}</c></row>' * 4000}",
        f"<row r='1048576x'><c r='A1'>{FAR}</c></row>",
    ],
    ids=["small letters", "more digits", "empty text", "blank", "broken", "without places", "not a place", "no row"],
)
def test_no_cell_hides_from_the_measure(tmp_path: Path, far: str) -> None:
    assert refused(xlsx(tmp_path / "a.xlsx", HEADER + far)).code in ("file-too-large", "not-a-list")


@pytest.mark.parametrize("before", ["\ufeff".encode("utf-16-le"), b"<?xml version='1.0' encoding='cp037'?>"])
def test_a_sheet_in_letters_that_two_readers_read_differently_is_refused(tmp_path: Path, before: bytes) -> None:
    sheet = before + f"<worksheet xmlns='{MAIN}'><sheetData>{HEADER}</sheetData></worksheet>".encode()
    path = xlsx(tmp_path / "a.xlsx", HEADER, more={"xl/worksheets/sheet2.bin": sheet})
    assert "damaged" in refused(path).message


def test_a_picture_in_a_workbook_does_no_harm(tmp_path: Path) -> None:
    more = {"xl/media/image1.png": b"\x89PNG\r\n\x1a\n" + bytes(2000), "customXml/item1.xml": "<a/>".encode("utf-16")}
    assert read(xlsx(tmp_path / "a.xlsx", HEADER + row(2, text("Ann"), value("1")), more=more)) == 1


def test_a_long_text_that_many_cells_show_is_refused(tmp_path: Path) -> None:
    cells = "".join(f"<row r='{at}'><c r='A{at}' t='s'><v>1</v></c></row>" for at in range(2, 8000))
    texts = f"<sst xmlns='{MAIN}'><si><t>Name</t></si><si><t>{'x' * 30_000}</t></si></sst>"
    path = xlsx(tmp_path / "a.xlsx", HEADER + cells, more={"xl/sharedStrings.xml": texts.encode()})
    assert path.stat().st_size < 100_000
    assert refused(path).code == "file-too-large"


@pytest.mark.parametrize(
    ("limit", "rows", "after"),
    [
        ("MOST_MERGED", HEADER, "<mergeCell ref='A1:B1'/>" * 11),
        ("MOST_SHEETS", HEADER, "<sheet/>" * 11),
    ],
)
def test_what_there_is_too_many_of_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, rows: str, after: str
) -> None:
    monkeypatch.setattr(measuring, limit, 10)
    assert refused(xlsx(tmp_path / "a.xlsx", rows, after=after)).code == "file-too-large"
