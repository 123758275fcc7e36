"""What a command lists as a file: a CSV table for a spreadsheet, or one page to print.

Both are written whole or not at all, and only their owner may read them: they may hold personal data.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from vetbridge.cli.output import safe
from vetbridge.cli.reading import USAGE, give_up

LONGEST_CELL = 2000
"""Characters of a cell."""

CsvFile = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", dir_okay=False, help="Write it into a CSV file, for a spreadsheet, too."),
]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="Write it into a page to print, too.")
]

_STYLE = """
body { font: 10pt/1.35 sans-serif; color: #000; background: #fff; margin: 2em; }
h1 { font-size: 15pt; margin: 0 0 .3em; }
h2 { font-size: 12pt; margin: 1.6em 0 .4em; }
p { margin: .2em 0; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #777; padding: 2px 5px; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { background: #eee; }
td { white-space: pre-line; }
@media print {
  body { margin: 0; font-size: 8.5pt; }
  h2 { break-after: avoid; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}
@page { size: A4 landscape; margin: 12mm; @bottom-right { content: counter(page) " / " counter(pages); } }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a page, with its heading."""

    heading: str
    titles: Sequence[str]
    rows: Sequence[Sequence[str]]


@contextmanager
def files_told(command: str, *, as_json: bool) -> Iterator[None]:
    """Ends a command whose file cannot be written with the reason, and with 2."""
    from vetbridge.desk.clinic_files import UnusableFile  # noqa: PLC0415 - keeps --help quick

    try:
        yield
    except UnusableFile as error:
        give_up(command, error.message, advice=error.advice, code=error.code, as_json=as_json, exit_code=USAGE)


def require_writable(*paths: Path | None) -> None:
    """Raises ``UnusableFile`` where a file could not be written: better before the work than after."""
    given = [path.resolve() for path in paths if path is not None]
    if len(given) != len(set(given)):
        raise _unusable("the table and the page cannot be one file")
    for path in given:
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise _unusable(f"{path} cannot be written")


def write_csv(path: Path, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Writes a table. Raises ``UnusableFile``.

    UTF-8 with a byte order mark: without it Excel takes the file for its own code page, and spoils every name with an
    accent. A cell that a spreadsheet might carry out begins with an apostrophe.
    """
    from vetbridge.desk.sheet_parts import cell, harmless  # noqa: PLC0415 - keeps --help quick

    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(titles)
    table.writerows([harmless(cell(safe(value))) for value in row] for row in rows)
    write_whole(path, b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "replace"))


def write_workbook(path: Path, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Writes the same as a workbook: every cell is text, nothing in it is carried out. Raises ``UnusableFile``."""
    from vetbridge.desk.sheet_parts import write_workbook  # noqa: PLC0415 - keeps --help quick

    with tempfile.TemporaryDirectory(prefix="vetbridge-") as folder:
        made = Path(folder) / "table.xlsx"
        try:
            write_workbook(made, titles, ([safe(value) for value in row] for row in rows))
            content = made.read_bytes()
        except OSError as error:
            raise _unusable(f"{path} cannot be written: {error.strerror or error}") from None
    write_whole(path, content)


def write_page(path: Path, title: str, intro: Sequence[str], sections: Iterable[Section]) -> None:
    """Writes a page that needs nothing but itself, and says of when it is. Raises ``UnusableFile``."""
    made = f"As of {datetime.now(UTC).astimezone():%a %d %b %Y %H:%M} (this computer's time)."
    write_whole(path, page(title, [made, *intro], sections).encode("utf-8", "replace"))


def page(title: str, intro: Sequence[str], sections: Iterable[Section]) -> str:
    """The page. Every text is shown as text; a table's header is repeated on every sheet of paper."""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        # Nothing may be loaded or run, even if a text should ever come through.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        *(f"<p>{_text(line)}</p>" for line in intro),
    ]
    for section in sections:
        head = "".join(f"<th>{_text(each)}</th>" for each in section.titles)
        parts.append(f"<h2>{_text(section.heading)}</h2>")
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>")
        for row in section.rows:
            parts.append("<tr>" + "".join(f"<td>{_text(each)}</td>" for each in row) + "</tr>")
        parts.append("</tbody></table>")
    return "\n".join([*parts, "</body></html>", ""])


def _text(text: str) -> str:
    """Text from anywhere as it may stand in a page: the one place where it goes in."""
    return escape(safe(text[: 4 * LONGEST_CELL])[:LONGEST_CELL])


def _unusable(message: str) -> Exception:
    from vetbridge.desk.clinic_files import UnusableFile  # noqa: PLC0415 - keeps --help quick

    return UnusableFile(message, code="file-not-writable")


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all, that only its owner may read. Raises ``UnusableFile``."""
    target = path.resolve()
    beside = target.with_name(f".{target.name[:40]}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
        beside.replace(target)
    except OSError as error:
        raise _unusable(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        beside.unlink(missing_ok=True)
