"""What people did, as they remember it: the truth that the audit holds both sides against."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Whose(StrEnum):
    """Who a visit is for, as far as the PIMS can know."""

    KNOWN = "known"
    """An owner of the clinic and one of its pets."""
    NEW = "new"
    """Somebody who has never been there: the owner and the pet come to be with the booking."""
    STRANGER = "stranger"
    """Nobody could say: the visit stands on the placeholder, and a person is asked."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with one pet. ``owner`` and ``animal`` are the clinic's numbers; 0 where it has none."""

    whose: Whose
    given_name: str
    family_name: str
    phone: str
    email: str
    pet: str
    species: str
    owner: int = 0
    animal: int = 0


@dataclass(slots=True)
class Subject:
    """One visit, with all that became of it.

    Its reference stands in what the booker or the desk wrote. No other visit ever has one of its slots.
    """

    number: int
    person: Person
    service: int
    vet: int
    slots: list[datetime]
    """Where it stood, the last one being where it stands."""
    by_desk: bool
    """Made at the desk, in the PIMS; else online."""
    desk_edits: bool
    """The desk, and not its owner, moves and cancels it: two hands on one visit would be a question of its own."""
    cancelled: bool = False
    record: int = 0
    """Its id at the booking side, where it was made there."""
    hash: str = ""
    visit: int = 0
    """Its id in the PIMS, where it was made there."""

    @property
    def reference(self) -> str:
        """What tells it from all others."""
        return f"(ref C{self.number:04d})"

    @property
    def slot(self) -> datetime:
        """Where it stands."""
        return self.slots[-1]

    def __str__(self) -> str:
        made = "by telephone" if self.by_desk else "online"
        return f"visit {self.number} ({made}, {self.person.whose})"


@dataclass(slots=True)
class Journal:
    """All of them."""

    subjects: list[Subject] = field(default_factory=list)

    @property
    def newcomers(self) -> list[Person]:
        """The new owners, each once, whose pet of the first booking stands for her."""
        seen: dict[str, Person] = {}
        for subject in self.subjects:
            if subject.person.whose is Whose.NEW:
                seen.setdefault(subject.person.phone, subject.person)
        return list(seen.values())

    def visits_of(self, phone: str) -> list[Subject]:
        """The visits of whoever has this phone."""
        return [subject for subject in self.subjects if subject.person.phone == phone]
