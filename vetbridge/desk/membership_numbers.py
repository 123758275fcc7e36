"""Membership numbers before their import: each must be there and unique, as an import fails on a single error."""

from __future__ import annotations

from pathlib import Path

from vetbridge.desk.go_live_report import GoLiveReport
from vetbridge.desk.sheets import EveryRefusal, bare, table

_TITLES = {
    bare(title): "number"
    for title in (
        *(
            "number",
            "membership number",
            "membership no",
            "membership",
            "card",
            "card number",
            "member number",
            "code",
        ),
        *("nummer", "mitgliedsnummer", "kartennummer", "abonummer", "vertragsnummer"),
        *("numer", "numer karty", "numer karnetu", "numer członkowski"),
    )
}
MOST_ROWS = 1000
"""So many rows of one number are named."""


def check_numbers(path: Path, report: GoLiveReport) -> int:
    """Tells every empty and every repeated number with its rows; returns how many numbers are wrong.

    Case and spaces do not make two numbers of one. Raises ``UnusableFile``.
    """
    read = EveryRefusal(path)
    rows: dict[str, list[str]] = {}
    wrong = 0
    for row in table(read, _TITLES, [frozenset({"number"})]):
        place = f"{row.sheet}!{row.number}" if row.sheet else str(row.number)
        number = "".join(row.text("number").casefold().split())
        if number:
            rows.setdefault(number, []).append(place)
        else:
            wrong += 1
            report.tell("membership", "", "number-missing", row=place)
    for each in read.rows:
        wrong += 1
        report.tell("membership", "", each.code, row=each.row, words=each.words)
    for number, places in rows.items():
        if len(places) > 1:
            wrong += 1
            report.tell("membership", number, "number-twice", row=" ".join(places[:MOST_ROWS]))
    return wrong
