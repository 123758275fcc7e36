"""Files of every kind that a list may come in, made from scratch: no program has touched them.

The .xls is BIFF8 as published in [MS-XLS], in the smallest compound file that [MS-CFB] allows: a header, one sector
of the allocation table, one of the directory, and the stream ``Workbook`` of at least 4096 bytes.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

Cell = str | float | None

_SECTOR = 512
_FREE, _END, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def xls(path: Path, rows: Sequence[Sequence[Cell]], *, merged: Sequence[tuple[int, int, int, int]] = ()) -> Path:
    """A workbook of Excel 97 with one sheet. ``merged``: first row, last row, first column, last column, from 0."""
    path.write_bytes(_compound(_biff(rows, merged)))
    return path


def xlsx(path: Path, rows: str, *, after: str = "", more: dict[str, bytes] | None = None) -> Path:
    """A workbook whose sheet holds ``rows`` as XML; ``after`` stands behind the rows, ``more`` are further parts."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Clients" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData>{after}</worksheet>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
        for name, content in (more or {}).items():
            archive.writestr(name, content)
    return path


def row(number: int, *cells: str) -> str:
    """One row of a sheet, of cells as ``text`` and ``value`` make them, from column A on."""
    placed = (cell.replace("r=''", f"r='{chr(65 + place)}{number}'", 1) for place, cell in enumerate(cells))
    return f"<row r='{number}'>{''.join(placed)}</row>"


def text(words: str) -> str:
    """A cell with a text."""
    return f"<c r='' t='inlineStr'><is><t>{words}</t></is></c>"


def value(number: str, formula: str = "") -> str:
    """A cell with a number; with a formula that number is its stored value, "" where there is none."""
    return f"<c r=''>{f'<f>{formula}</f>' if formula else ''}<v>{number}</v></c>"


def _biff(rows: Sequence[Sequence[Cell]], merged: Sequence[tuple[int, int, int, int]]) -> bytes:
    begin = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    name = b"Clients"
    end = _record(0x000A, b"")
    at = len(begin) + 4 + 8 + len(name) + len(end)
    sheet_at = _record(0x0085, struct.pack("<IBBBB", at, 0, 0, len(name), 0) + name)
    cells = b"".join(
        _cell(line, column, cell)
        for line, of_line in enumerate(rows)
        for column, cell in enumerate(of_line)
        if cell is not None
    )
    regions = struct.pack("<H", len(merged)) + b"".join(struct.pack("<HHHH", *each) for each in merged)
    sheet = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0)) + cells
    return begin + sheet_at + end + sheet + _record(0x00E5, regions) + end


def _cell(line: int, column: int, cell: str | float) -> bytes:
    place = struct.pack("<HHH", line, column, 0)
    if isinstance(cell, str):
        return _record(0x0204, place + struct.pack("<HB", len(cell), 1) + cell.encode("utf-16-le"))
    return _record(0x0203, place + struct.pack("<d", cell))


def _record(number: int, content: bytes) -> bytes:
    return struct.pack("<HH", number, len(content)) + content


def _compound(stream: bytes) -> bytes:
    stream = stream.ljust(4096, b"\0")
    sectors = -(-len(stream) // _SECTOR)
    table = [_TABLE, _END, *range(3, 2 + sectors), _END]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    header += bytes(6) + struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, _END, 0, _END, 0)
    header += struct.pack("<I", 0) + struct.pack("<I", _FREE) * 108
    directory = _entry("Root Entry", 5, child=1, start=_END, size=0)
    directory += _entry("Workbook", 2, child=_FREE, start=2, size=len(stream)) + bytes(128) * 2
    packed = b"".join(struct.pack("<I", each) for each in table).ljust(_SECTOR, b"\xff")
    return header + packed + directory + stream.ljust(sectors * _SECTOR, b"\0")


def _entry(name: str, kind: int, *, child: int, start: int, size: int) -> bytes:
    written = (name + "\0").encode("utf-16-le")
    entry = written.ljust(64, b"\0") + struct.pack("<HBBIII", len(written), kind, 1, _FREE, _FREE, child)
    return entry + bytes(36) + struct.pack("<IQ", start, size)
