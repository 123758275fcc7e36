"""What the audit finds, and how it compares the texts of two systems."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from vetbridge.demo.story import Booking, Visit
from vetbridge.testing.simkit import Row, Store

REFERENCE = re.compile(r"\(ref [MPB]-?\d+-\d+\)")
"""How the script marks a booking, a desk visit and a calendar block."""
_COUNTRY_DIGITS = 10
"""That many last digits of a phone number are compared, however it is written."""


class Place(StrEnum):
    """Where a booking stands at the end."""

    LINKED = "linked"
    """On an owner whom the clinic knew."""
    CREATED = "created"
    """On an owner who was made for it."""
    IN_REVIEW = "in review"
    """On the placeholder."""
    LOST = "lost"


class Wrong(StrEnum):
    """What must not happen, on either side."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    OWNER = "wrong_owner"
    TIME = "wrong_time"
    REMINDER = "wrong_reminders"
    """A card that does not say which service is due, or says one that is not; a message that was not sent."""
    NOTICE = "notices"
    BRANCH = "wrong_branch"
    """What is of one branch stands at another one; only in a chain."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a booking or a desk visit, by its number; both are 0 where it belongs to none.

    ``words`` hold no personal data.
    """

    wrong: Wrong
    booking: int
    words: str
    visit: int = 0
    site: str = ""
    """Where it was found; empty where there is but one."""

    def __str__(self) -> str:
        where = f"{self.site}: " if self.site else ""
        whose = f"booking {self.booking}: " if self.booking else f"desk visit {self.visit}: " if self.visit else ""
        return f"{self.wrong.value}: {where}{whose}{self.words}"


class Findings:
    """Collects what is wrong at one branch. ``foreign`` are references of the others' bookings and visits."""

    def __init__(self, site: str = "", foreign: Collection[str] = frozenset()) -> None:
        self.all: list[Finding] = []
        self._site = site
        self._foreign = foreign

    def found(self, wrong: Wrong, subject: Booking | Visit | None, words: str) -> None:
        """One more."""
        booking = subject.number if isinstance(subject, Booking) else 0
        visit = subject.number if isinstance(subject, Visit) else 0
        self.all.append(Finding(wrong, booking, words, visit, self._site))

    def unknown(self, row: str, text: str) -> None:
        """A row that belongs to nothing in the branch's script; ``text`` is where a reference would stand."""
        if any(reference in self._foreign for reference in REFERENCE.findall(text)):
            self.found(Wrong.BRANCH, None, f"{row} belongs to another branch")
        else:
            self.found(Wrong.DUPLICATED, None, f"{row} belongs to nothing in the script")


def by_id(store: Store, kind: str) -> dict[int, Row]:
    """All rows of a kind."""
    return {row["id"]: row for row in store.all(kind)}


def made(rows: Mapping[int, Row]) -> Iterator[Row]:
    """The rows that were not there when the morning began."""
    return (row for row in rows.values() if "_seed" not in row and not row.get("_placeholder"))


def digits(text: str) -> str:
    """The digits of a text."""
    return re.sub(r"[^0-9]", "", text)


def phone(text: str) -> str:
    """What is compared of a phone number."""
    return digits(text)[-_COUNTRY_DIGITS:]


def folded(text: str) -> str:
    """Letters and digits alone, without accents and case."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if letter.isalnum())
