"""Plain text on a terminal: lines that wrap, tables without frames and colours."""

from __future__ import annotations

import io
import shutil
import textwrap
import unicodedata
from typing import TYPE_CHECKING

from vetbridge.cli.output import safe, say
from vetbridge.core.normalise import shown

if TYPE_CHECKING:
    from rich.table import Table

NARROWEST = 60
"""Columns: a narrower terminal wraps by itself."""


def width() -> int:
    """Columns to draw in: the terminal's, 80 where there is none."""
    return max(NARROWEST, shutil.get_terminal_size((80, 24)).columns)


def one_line(text: str, limit: int = 80) -> str:
    """Text from outside on one line, cut to ``limit`` characters, without anything that steers a terminal."""
    return shown(safe(text[: 4 * limit]), limit)


def wrapped(text: str, *, first: str = "", margin: str = "") -> list[str]:
    """A text in lines that fit: the first one begins with ``first``, the others with ``margin``."""
    counted = "".join(map(_by_cells, text))
    # A wide letter may be the last of a line without its second column.
    columns = width() - (counted != text)
    lines = textwrap.wrap(counted, columns, initial_indent=first, subsequent_indent=margin, break_on_hyphens=False)
    return [line.replace(_SECOND_COLUMN, "") for line in lines]


_SECOND_COLUMN = "\0"
"""Stands after a letter that fills two columns, while lines are measured: no text that is shown has one."""


def _by_cells(letter: str) -> str:
    return letter + _SECOND_COLUMN if unicodedata.east_asian_width(letter) in "WF" else letter


def say_wrapped(text: str, *, first: str = "", margin: str = "") -> None:
    """Prints a text to standard output in lines that fit."""
    for line in wrapped(text, first=first, margin=margin):
        say(line)


def plain_table(*titles: str) -> Table:
    """An empty table. Fill it with ``add``: markup in a text from outside would be obeyed."""
    from rich.table import Table  # noqa: PLC0415 - keeps --help quick

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(titles), header_style=None)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def add(table: Table, *cells: str) -> None:
    """Adds a row; line ends in a cell begin a new line there, and other control characters are dropped."""
    from rich.text import Text  # noqa: PLC0415 - keeps --help quick

    table.add_row(*(Text(safe(cell).expandtabs(4)) for cell in cells))


def drawn(table: Table, *, indent: int = 0) -> str:
    """A table as text. What it says stands in its words, never in colour."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help quick

    file = io.StringIO()
    Console(file=file, width=width() - indent, color_system=None, force_terminal=False).print(table)
    return "\n".join(" " * indent + line.rstrip() for line in file.getvalue().rstrip("\n").split("\n"))
