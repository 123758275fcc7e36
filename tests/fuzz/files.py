"""The doors of what a clinic brings: lists in text and in workbooks, and the files for Altegio made of them."""

from __future__ import annotations

import csv
import io
import os
import shutil
import zipfile
from datetime import date
from pathlib import Path
from random import Random
from typing import NamedTuple
from unittest.mock import patch

from tests.fuzz.asked import odd_text
from tests.fuzz.door import Door
from tests.fuzz.mutation import PLANTED, PLANTED_PHONE, altered
from tests.unit.desk.workbooks import row, text, value, xls, xlsx
from vetbridge.desk import measuring
from vetbridge.desk.altegio_files import FiledOwners, Order, make, read_titles
from vetbridge.desk.client_lists import clients
from vetbridge.desk.sheets import EveryRefusal

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "cp1250", "utf-32", "utf-7")
CLIENTS = [
    ["Name", "Phone", "Email", "Street", "Pets", "Opt-out"],
    ["Ann Miller", "07911 123456", "ann@example.com", "High St 1", "Rex; Mila", "no"],
    [PLANTED, PLANTED_PHONE, "", "", "", "yes"],
    ["Łucja Żak", "+48 601 123 456", "l@example.com", "ul. Długa 1", "", ""],
]
OWNERS = [
    ["owner_id", "first_name", "last_name", "email", "phone_mobile", "phone_home", "city", "active", "opt_out"],
    ["1", "Ann", "Miller", "ann@example.com", "07911 123456", "", "Town", "true", "false"],
    ["2", PLANTED, "Zorn", "", PLANTED_PHONE, "020 7946 0018", "Town", "1", "yes"],
    ["3", "Ann", "Miller", "ann@example.com", "07911 123456", "", "", "0", ""],
]
PETS = [
    ["patient_id", "owner_id", "name", "species", "birth_date", "deceased"],
    ["P1", "1", "Rex", "dog", "2020-05-17", "false"],
    ["P2", "2", "Mila", "cat", "", "yes"],
]
VISITS = [
    ["visit_id", "owner_id", "patient_id", "starts_at", "minutes", "type", "vet", "status", "notes"],
    ["V1", "1", "P1", "2026-10-22T09:30", "15", "checkup", "vet_1", "completed", "=1+1"],
    ["V2", "2", "P2", "2024-01-21T09:30:00+00:00", "20", "dental", "vet_2", "completed", PLANTED],
]
NUMBERS = [["Membership", "Name"], ["12345", "Ann"], ["12345", PLANTED], ["", "Bob"]]
SHEET = "xl/worksheets/sheet1.xml"
LARGEST = 300_000
"""Bytes that a workbook may have, unpacked, while it is fuzzed."""
MOST_CELLS = 50_000
FAR = b"<row r='200'><c r='ALL200'><v>1</v></c></row>"
"""A cell that makes it 200,000."""
TITLES = b"name: First name\nphone: Phone number\nemail: null\n"


def table(rng: Random, rows: list[list[str]]) -> bytes:
    """A table in text: some of its cells are odd, its form may be, too."""
    rows = [list(cells) for cells in rows]
    for _ in range(rng.randint(0, 4)):
        cells = rng.choice(rows[1:] if rng.random() < 0.9 else rows)
        place = rng.randrange(len(cells) or 1)
        how = rng.random()
        if how < 0.8:
            # A title that is not known is shown: nobody is planted there.
            word = odd_text(rng) if cells is not rows[0] else rng.choice(("", " ", "Fax", "=1+1", "x" * 5000, "\0"))
            cells[place : place + 1] = [word]
        elif how < 0.9:
            del cells[place:]
        else:
            cells *= 2
    written = io.StringIO()
    csv.writer(written, delimiter=rng.choice(",,,;\t|"), lineterminator=rng.choice(("\n", "\r\n", "\r"))).writerows(
        rows
    )
    encoding = rng.choice(ENCODINGS) if rng.random() < 0.2 else "utf-8"
    raw = written.getvalue().encode(encoding, errors="replace")
    return altered(rng, raw) if rng.random() < 0.3 else raw


class Lists(Door):
    """`import clients`: a row is a client, or is left out with its reason."""

    name = "client lists"

    def open(self) -> None:
        """Workbooks of both kinds."""
        self.set_up.enter_context(patch.object(measuring, "LARGEST_UNPACKED", LARGEST))
        self.set_up.enter_context(patch.object(measuring, "MOST_CELLS", MOST_CELLS))
        # Their reader tells at length where it stumbled; to standard error, past Python.
        self.set_up.enter_context(patch.dict(os.environ, RUST_BACKTRACE="0"))
        old = xls(self.folder / "a.xls", [[cell if cell else None for cell in cells] for cells in CLIENTS])
        rows = "".join(row(number, *map(text, cells)) for number, cells in enumerate(CLIENTS, 1))
        rows += row(5, text("Bob Stone"), value("447911123457"), value("", "A1&amp;B1"))
        new = xlsx(self.folder / "a.xlsx", rows, after="<mergeCells><mergeCell ref='A2:A3'/></mergeCells>")
        self.workbooks = [old.read_bytes(), new.read_bytes()]
        with zipfile.ZipFile(new) as archive:
            self.parts = {name: archive.read(name) for name in archive.namelist()}

    def make(self, rng: Random) -> bytes:
        """A file."""
        self.large = False
        how = rng.random()
        if how < 0.6:
            return table(rng, CLIENTS)
        if how < 0.7:
            return altered(rng, rng.choice(self.workbooks))
        if how < 0.75:
            return rng.choice(self.workbooks)
        parts = dict(self.parts)
        if how < 0.77:
            self.large = True
            if rng.random() < 0.5:
                parts["xl/media/image1.png"] = bytes(LARGEST)
            else:
                parts[SHEET] = parts[SHEET].replace(b"</sheetData>", FAR + b"</sheetData>")
            return _zipped(parts)
        name = rng.choice(list(parts)) if rng.random() < 0.3 else SHEET
        parts[name] = altered(rng, parts[name])
        return _zipped(parts)

    def hand_in(self, given: bytes) -> tuple[bool, str]:
        """Reads it. Taken is a list of which some row is."""
        path = self.folder / "list.csv"
        path.write_bytes(given)
        report = EveryRefusal(path)
        found = sum(1 for _ in clients(report, "GB"))
        assert not self.large, "a workbook that is too large was taken"
        said = [*report.notes, *report.examples, *(refused.words for refused in report.rows)]
        return found > 0, " ".join(map(str, said))


def _zipped(parts: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return made.getvalue()


class Brought(NamedTuple):
    """What `import altegio-files` is given."""

    owners: bytes
    pets: bytes
    visits: bytes | None
    numbers: bytes | None
    titles: bytes | None
    format: str


class ForAltegio(Door):
    """`import altegio-files`: all files or none."""

    name = "altegio files"

    def make(self, rng: Random) -> Brought:
        """One of them, or a few, are not what they should be."""
        return Brought(
            owners=table(rng, OWNERS),
            pets=table(rng, PETS),
            visits=table(rng, VISITS) if rng.random() < 0.3 else None,
            numbers=table(rng, NUMBERS) if rng.random() < 0.2 else None,
            titles=altered(rng, TITLES) if rng.random() < 0.2 else None,
            format="xlsx" if rng.random() < 0.05 else "csv",
        )

    def hand_in(self, given: Brought) -> tuple[bool, str]:
        """Makes the files; what is refused leaves none."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        paths = {name: self.folder / name for name in ("owners", "pets", "visits", "numbers", "titles")}
        for name, path in paths.items():
            path.write_bytes(getattr(given, name) or b"")
        there = _names(self.folder)
        try:
            owners = FiledOwners(paths["owners"], paths["pets"], country="GB")
            titles = {} if given.titles is None else {"titles": read_titles(paths["titles"])}
            order = Order(
                out=out,
                today=date(2026, 11, 22),
                format=given.format,
                visits=None if given.visits is None else paths["visits"],
                memberships=None if given.numbers is None else paths["numbers"],
                **titles,
            )
            made = make(order, owners, lambda _words: None)
        except Exception:
            assert _names(self.folder) == there, "something is left of files that were not made"
            raise
        assert _names(out) == {part.name for part in made.files}
        said = [*owners.owners_report.notes, *owners.owners_report.examples]
        return made.written > 0, " ".join(map(str, said))


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
