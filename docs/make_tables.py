"""Writes how far each kind goes into README.md and docs/connectors/README.md, from what the connectors declare.

python docs/make_tables.py        # between the marks in either file; tests/guards/test_tables.py holds them to it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from vetbridge.core.records import Kind
from vetbridge.desk.connectors import Reach, Route, routes

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- how far: made by docs/make_tables.py -->", "<!-- how far: end -->"
KINDS = {
    Kind.APPOINTMENT: "appointments",
    Kind.CLIENT: "clients",
    Kind.PET: "pets",
    Kind.REMINDER: "due services",
    Kind.VACCINATION: "vaccinations",
    Kind.ATTACHMENT: "files",
}
OWN = "\\*"
SAYS = (
    ("read", "R", "read"),
    ("written", "W", "written"),
    ("by_people", "P", "typed by people"),
    ("deletions", "D", "deletions seen"),
    ("messages", "M", "messages to owners"),
    ("logs", "L", "messages logged"),
)
LEGEND = """\
R: read. W: written by VetBridge. P: typed by people, as the work list asks; of clients and pets, with the visit that
they are for. D: what is deleted there is seen. M: owners can be sent messages. L: messages sent elsewhere are logged
there. Each at the most: a site's options, rights and reports may leave less. \\*: by a profile that the site writes,
which says what there is."""
NOTE = """\
Each at the most: a site's options, rights and reports may leave less. \\*: by a profile that the site writes, which
says what there is. Typed by people: as the [work list](../desk.md#the-work-list) asks; clients and pets with the
visit that they are for."""


def short(found: Sequence[Route]) -> str:
    """One table of all, a line for each way, for README.md."""
    rows = [["", "by", *KINDS.values(), "proven"]]
    for (_, title), ways in groupby(found, key=lambda route: (route.name, route.title)):
        for number, route in enumerate(ways):
            name = f"[{title}](docs/connectors/{route.name}.md)" if number == 0 else ""
            cells = [_letters(route.kinds.get(kind)) for kind in KINDS]
            rows.append([name, _by(route), *cells, route.proven])
    return f"{_table(rows)}\n\n{LEGEND}\n"


def long(found: Sequence[Route]) -> str:
    """A table for each platform and system, in words, for docs/connectors/README.md."""
    parts = []
    for (name, title), ways in groupby(found, key=lambda route: (route.name, route.title)):
        each = list(ways)
        rows = [["", *(f"{_number(number, each)}{_by(route)}" for number, route in enumerate(each, start=1))]]
        rows += [[called, *(_words(route.kinds.get(kind)) for route in each)] for kind, called in KINDS.items()]
        rows.append(["proven", *(route.proven for route in each)])
        parts.append(f"### [{title}]({name}.md)\n\n{_table(rows)}\n")
    return "\n".join([*parts, f"{NOTE}\n"])


PAGES = {ROOT / "README.md": short, ROOT / "docs" / "connectors" / "README.md": long}


def made(page: Path, text: str) -> str:
    """The text of a page with its table as it has to be. Raises ``ValueError`` where the marks are not there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} lacks the marks {BEGIN} and {END}")
    return f"{before}{begin}\n\n{PAGES[page](routes())}\n{end}{after}"


def main() -> None:
    """Writes both pages."""
    for page in PAGES:
        page.write_text(made(page, page.read_text(encoding="utf-8")), encoding="utf-8")


def _by(route: Route) -> str:
    names = " + ".join(f"`{name}`" for name in route.connectors)
    return f"{names} {OWN}" if route.own_profile else names


def _number(number: int, ways: Sequence[Route]) -> str:
    return f"{number}: " if len(ways) > 1 else ""


def _said(reach: Reach | None) -> Iterator[tuple[str, str]]:
    for name, letter, words in SAYS:
        if reach is not None and getattr(reach, name):
            yield letter, words


def _letters(reach: Reach | None) -> str:
    return " ".join(letter for letter, _ in _said(reach)) or "-"


def _words(reach: Reach | None) -> str:
    return ", ".join(words for _, words in _said(reach)) or "-"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body]).replace("|  |", "| |")


if __name__ == "__main__":
    main()
