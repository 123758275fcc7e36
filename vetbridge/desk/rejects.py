"""The rows of a client list that were not taken, as a file that can be mended and imported again."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from vetbridge.desk.client_lists import FIELDS, Listed
from vetbridge.desk.clinic_files import UnusableFile
from vetbridge.desk.sheet_parts import cell, harmless
from vetbridge.desk.sheets import EveryRefusal, Refusal
from vetbridge.sync.importing import Outcome, Result

_TITLES = {
    "name": "Name",
    "given_name": "First name",
    "family_name": "Surname",
    "phone": "Phone",
    "email": "Email",
    "street": "Street",
    "postcode": "Postcode",
    "city": "City",
    "pets": "Pets",
    "comment": "Comment",
    "opt_out": "Opt out",
}
_TAKEN = (Result.CREATED, Result.LINKED)


def of(report: EveryRefusal, decided: Iterable[tuple[Listed, Outcome]]) -> list[Refusal]:
    """All rows that were not taken, in their order."""
    refused = [
        listed.refused(outcome.code, outcome.words, " ".join(outcome.candidates))
        for listed, outcome in decided
        if outcome.result not in _TAKEN
    ]
    return sorted([*report.rows, *refused], key=lambda row: (row.sheet, row.row))


def require_writable(out: Path, source: Path) -> None:
    """Raises ``UnusableFile`` where the file of the rejects cannot be written: better before the work than after."""
    if out.resolve() == source.resolve():
        raise UnusableFile(f"{out} is the file that is read", code="file-not-writable")
    if out.is_dir() or not os.access(out.resolve().parent, os.W_OK):
        raise UnusableFile(f"{out} cannot be written", code="file-not-writable")


def write(out: Path, refused: Iterable[Refusal]) -> None:
    """Writes the file, whole or not at all. Raises ``UnusableFile``."""
    rows = list(refused)
    fields = [name for name in FIELDS if any(name in row.texts for row in rows)]
    target = out.resolve()
    beside = target.with_name(f".{target.name[:40]}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8-sig", errors="replace", newline="") as file:
            table = csv.writer(file)
            table.writerow(["Sheet", "Row", "Code", "Reason", "May be", *(_TITLES[name] for name in fields)])
            for row in rows:
                texts = [row.sheet, str(row.row), row.code, row.words, row.more]
                texts += [row.texts.get(name, "") for name in fields]
                table.writerow([harmless(cell(text)) for text in texts])
        beside.replace(target)
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror or error}"
        raise UnusableFile(message, code="file-not-writable") from None
    finally:
        beside.unlink(missing_ok=True)
