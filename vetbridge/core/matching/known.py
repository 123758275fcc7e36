"""A client of the other side as the records hold it, and whether two records that share a phone are one person."""

from __future__ import annotations

from dataclasses import dataclass

from vetbridge.core.matching.comparing import DIFFERS, MISSING, compare, family_level, given_level
from vetbridge.core.matching.forms import forms_of, named, people
from vetbridge.core.records import Client, Pet


@dataclass(frozen=True, slots=True)
class Known:
    """A client of the other side with its pets: a possible counterpart. Raises ValueError where an id is missing."""

    client: Client
    pets: tuple[Pet, ...] = ()

    def __post_init__(self) -> None:
        if not self.client.id or not all(pet.id for pet in self.pets):
            raise ValueError("a known client and its pets need their ids")

    @property
    def client_id(self) -> str:
        """The client's id at its own side."""
        return self.client.id or ""


def same_household(one: Client, other: Client) -> bool:
    """Whether two who share a phone may share a record that takes a phone once: the family name of one is alike that
    of the other, or of a co-owner."""
    return any(
        family_level(mine.family, theirs.family) not in (DIFFERS, MISSING)
        for mine in named(one)
        for theirs in named(other)
    )


def is_co_owner(one: Client, of: Client) -> bool:
    """Whether one bears the name of a co-owner of that client rather than the client's own."""
    return bool(of.co_owners) and bool(compare(forms_of(one, (), ""), forms_of(of, (), ""), frozenset()).co_owner)


def same_person(one: Client, other: Client) -> bool:
    """Whether two who share a phone are one person: family names alike, and no given name against it."""
    return any(
        family_level(mine.family, theirs.family) not in (DIFFERS, MISSING)
        and given_level(mine.given, theirs.given) != DIFFERS
        for mine in people(one)
        for theirs in people(other)
    )
