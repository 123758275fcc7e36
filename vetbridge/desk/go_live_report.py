"""The report of go-live files: which row was left out or changed, why, and what to do.

It holds ids alone, no names or phones.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from vetbridge.desk.sheet_parts import cell, harmless


class Reason(NamedTuple):
    """A reason in words, and what a person does about it."""

    words: str
    do: str


REASONS: Mapping[str, Reason] = {
    "inactive": Reason("the client is inactive", "nothing; with --with-inactive it goes over"),
    "name-missing": Reason(
        "there is no name, which Altegio demands", "give the client a name in the practice system"
    ),
    "phone-missing": Reason(
        "there is no phone, which Altegio demands", "ask for a phone; visits come without a client"
    ),
    "phone-unusable": Reason(
        "no phone can be dialled, or it is a placeholder", "mend the phone in the practice system"
    ),
    "phone-crowded": Reason(
        "more clients have this phone than a household has; it is the practice's own, mostly",
        "remove the phone from those whose it is not",
    ),
    "same-person": Reason(
        "phone and name are those of another row, which stands for both",
        "merge the two in the practice system; the pets of this row are not on the list",
    ),
    "same-household": Reason(
        "Altegio takes a phone once, and another client of this phone is on the list",
        "give one of them a phone of its own, or leave it: VetBridge tells them apart by pet and name",
    ),
    "pets-cut": Reason("not all pets found room in 255 characters", "nothing; the practice system has them all"),
    "visit-twice": Reason("an earlier row has this visit_id", "look which of the two is right"),
    "visit-no-time": Reason("starts_at is no time (as 2025-03-28T09:30)", "mend the time and make the files anew"),
    "visit-no-minutes": Reason("minutes is no number; the cell is left empty", "fill in how long it took"),
    "visit-ahead": Reason("the visit is today or later", "nothing; VetBridge carries coming visits itself"),
    "visit-client-left-out": Reason(
        "its client is not on the list", "see the client's own line; the visit stays in the practice system"
    ),
    "number-missing": Reason("the membership number is empty", "give it a number, or remove the row"),
    "number-twice": Reason(
        "the membership number stands in several rows, and an import fails on a single error",
        "give each its own number",
    ),
}
"""Every reason, by its stable code."""

_TITLES = ("Kind", "Id", "File row", "Stands for it", "Code", "Reason", "What to do")


class GoLiveReport:
    """``report.csv``, written row by row."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8-sig", errors="replace", newline="")
        self._csv = csv.writer(self._file)
        self._csv.writerow(_TITLES)
        self.rows = 0
        self.codes: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, kind: str, id_: str, code: str, *, row: int | str = "", stands: str = "", words: str = "") -> None:
        """One line. ``row``: where it stands in its file; ``words``: in place of those that the code has."""
        reason = REASONS.get(code, Reason(words, "mend the row in its file"))
        texts = (kind, id_, str(row), stands, code, words or reason.words, reason.do)
        self._csv.writerow([harmless(cell(text)) for text in texts])
        self.rows += 1
        self.codes[code] += 1

    def close(self) -> None:
        """Puts it on the disk; once is enough."""
        self._file.close()
