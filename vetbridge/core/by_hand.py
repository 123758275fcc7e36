"""Which visit that stands in a PIMS is the one that the work list asked for, and what was typed wrong in it.

Pure: wanted visits and those that nobody knows yet in, pairs out. Whoever types copies by eye, late, and not without
mistakes; and the desk takes visits by telephone that look alike. A visit is taken for a wanted one where all that
both say agrees, or all but one thing and nothing else fits better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vetbridge.core import normalise
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Pet

TIME, RESOURCE, CLIENT, PET = "start", "resource", "client_id", "pet_id"
"""What may be typed wrong, as fields of a visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A visit that somebody is to type."""

    key: int
    start: Instant
    duration: int
    """Seconds."""
    resource: str | None
    appointment_type: str | None
    client_id: str | None
    """In the PIMS; None where the owner is new there, or not certain."""
    pet_id: str | None
    booker: Client
    booked_pet: Pet
    stamp: str
    is_ticked: bool = False
    """Somebody says that it is typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A visit of the PIMS that belongs to no booking yet."""

    id: str
    start: Instant
    duration: int
    resource: str | None
    """None: the PIMS does not say."""
    appointment_type: str | None
    client: Client | None
    """Whose it is, as the mirror knows; None: nobody's, or the PIMS does not say."""
    pet: Pet | None
    stamp: str
    """VetBridge's mark in its notes; empty where it bears none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A typed visit that is a wanted one."""

    key: int
    id: str
    mistakes: frozenset[str] = field(default_factory=frozenset)
    """Fields that were typed otherwise than they were asked for; never more than one of time, resource, client and
    pet, but for one that bears the stamp."""


def recognise(wanted: Sequence[Wanted], typed: Sequence[Typed], *, country: str) -> Mapping[int, Recognised]:
    """The wanted visits that stand, by ``Wanted.key``; each typed visit is one of them at the most.

    ``country`` is the site's, for phones without a country code.
    """
    found: dict[int, Recognised] = {}
    free = {one.id: one for one in typed}
    for likeness in (_stamped, _exact, _nearly):
        for one in wanted:
            if one.key in found:
                continue
            fitting = [
                Recognised(key=one.key, id=other.id, mistakes=mistakes)
                for other in free.values()
                if (mistakes := likeness(one, other, country)) is not None
            ]
            if len(fitting) == 1 or (fitting and likeness is not _nearly):
                found[one.key] = fitting[0]
                del free[fitting[0].id]
    return found


def _stamped(wanted: Wanted, typed: Typed, country: str) -> frozenset[str] | None:
    """Whatever else was typed: it bears the stamp."""
    return _mistakes(wanted, typed, country) if typed.stamp and typed.stamp == wanted.stamp else None


def _exact(wanted: Wanted, typed: Typed, country: str) -> frozenset[str] | None:
    return frozenset() if not _mistakes(wanted, typed, country) else None


def _nearly(wanted: Wanted, typed: Typed, country: str) -> frozenset[str] | None:
    mistakes = _mistakes(wanted, typed, country)
    return mistakes if len(mistakes) == 1 else None


def _mistakes(wanted: Wanted, typed: Typed, country: str) -> frozenset[str]:
    """In what a typed visit is not as it was asked for; what one of the two does not say is no mistake."""
    found = set()
    if typed.start.utc != wanted.start.utc:
        found.add(TIME)
    if None not in (typed.resource, wanted.resource) and typed.resource != wanted.resource:
        found.add(RESOURCE)
    if typed.client is not None and not _is_client(wanted, typed.client, country):
        found.add(CLIENT)
    if typed.pet is not None and not _is_pet(wanted, typed.pet):
        found.add(PET)
    return frozenset(found)


def _is_client(wanted: Wanted, client: Client, country: str) -> bool:
    if wanted.client_id is not None:
        return client.id == wanted.client_id
    same_name = normalise.name(client.full_name) == normalise.name(wanted.booker.full_name)
    phones = {number for text in wanted.booker.phones for number in normalise.phones(text, country)}
    shared = any(number in phones for text in client.phones for number in normalise.phones(text, country))
    return same_name or shared


def _is_pet(wanted: Wanted, pet: Pet) -> bool:
    if wanted.pet_id is not None:
        return pet.id == wanted.pet_id
    return not wanted.booked_pet.name or normalise.pet_name(pet.name) == normalise.pet_name(wanted.booked_pet.name)
