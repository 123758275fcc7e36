"""Tables and pages that commands write: whole, for their owner alone, and every text shown as text."""

from __future__ import annotations

import csv
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vetbridge.cli.sheets import Section, page, require_writable, write_csv, write_page
from vetbridge.desk.clinic_files import UnusableFile

HOSTILE = (
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    '"><a href="javascript:x">',
    "&lt;b&gt;",
    "\x1b[31mred\x1b]0;owned\x07\u202e",
    "half \ud800 a character",
)


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self._open = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open = tag == "td"
        if self._open:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.cells[-1] += data


def test_a_page_shows_hostile_text_as_text() -> None:
    seen = Seen(page(HOSTILE[0], list(HOSTILE), [Section(HOSTILE[1], HOSTILE, [HOSTILE])]))
    assert seen.cells == [*HOSTILE[:4], "red", "half  a character"]
    known = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p"}
    assert seen.tags <= known | {"table", "thead", "tbody", "tr", "th", "td"}
    assert seen.attributes <= {"lang", "charset", "http-equiv", "content"}


def test_a_page_needs_nothing_but_itself_and_prints_its_header_on_every_sheet() -> None:
    text = page("Title", ["Intro"], [Section("Heading", ("One", "Two"), [("a", "b\nc")])])
    assert "default-src 'none'" in text
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@media print" in text
    assert "thead { display: table-header-group; }" in text
    assert Seen(text).cells == ["a", "b\nc"]


def test_no_cell_of_a_table_is_carried_out(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    risky = ["=1+1", "+SUM(A1)", "-2", "@cmd", "\t=1", "\r=1", 'Zoé, "Kit"', *HOSTILE]
    write_csv(path, ("Title",), [[text] for text in risky])
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf"), "Excel reads it as UTF-8"
    rows = [row[0] for row in csv.reader(raw.decode("utf-8-sig").splitlines())]
    assert rows[:5] == ["Title", "'=1+1", "'+SUM(A1)", "'-2", "'@cmd"]
    assert not any(row.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows)
    assert rows[7] == 'Zoé, "Kit"'
    assert len(rows) == len(risky) + 1


def test_only_the_owner_may_read_what_is_written_and_an_older_file_gives_way(tmp_path: Path) -> None:
    table, paper = tmp_path / "t.csv", tmp_path / "p.html"
    table.write_text("older")
    table.chmod(0o644)
    write_csv(table, ("A",), [["b"]])
    write_page(paper, "T", [], [])
    assert [stat.S_IMODE(path.stat().st_mode) for path in (table, paper)] == [0o600, 0o600]
    assert sorted(tmp_path.iterdir()) == [paper, table], "nothing half-written is left"
    assert "older" not in table.read_text()


@pytest.mark.parametrize("name", ["missing/file.csv", "."])
def test_what_cannot_be_written_is_said_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnusableFile) as refused:
        require_writable(tmp_path / name, None)
    assert refused.value.code == "file-not-writable"


def test_one_file_cannot_be_both(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile):
        require_writable(tmp_path / "one", tmp_path / "." / "one")
