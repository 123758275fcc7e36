"""Decides bookings against a few records as VetBridge does against a mirror: by keys, then by the odds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vetbridge.core.matching import Clinic, Forms, Match, decide, forms_of, home_keys, keys, terms
from vetbridge.core.records import Client, Pet

OWNERS = 2_000
"""Clients of the clinic, unless a test says otherwise; all but those that a test gives resemble nobody."""

Records = Sequence[tuple[Client, Sequence[Pet]]]
"""Clients with their pets."""


def decided(
    booker: Client,
    pet: Pet | None,
    records: Records,
    *,
    country: str = "GB",
    owners: int = OWNERS,
    blocked: bool = True,
    **more: Any,
) -> Match:
    """Who of ``records`` is meant by a booking of ``booker`` for ``pet``.

    Compared are those that share a key with the booking, and their household where the pet is missing; not
    ``blocked``: all. ``more`` goes to ``decide``.
    """
    booking = forms_of(booker, [] if pet is None else [pet], country)
    all_forms = [forms_of(client, pets, country) for client, pets in records]
    clinic = clinic_of(booking, all_forms, owners)
    compared = [one for one in all_forms if not blocked or keys(one) & keys(booking)]
    linked_to = {more.get("linked_to"), more.get("taught")}
    compared += [one for one in all_forms if one.client_id in linked_to and one not in compared]

    def household(of: Forms) -> list[Forms]:
        return [one for one in all_forms if home_keys(one) & home_keys(of) and one not in compared]

    return decide(booking, compared, clinic, household=household, **more)


def clinic_of(booking: Forms, records: Iterable[Forms], owners: int = OWNERS) -> Clinic:
    """The clinic as the mirror counts it: its size, and on how many records each of the booking's names stands."""
    held = [set(terms(one)) for one in records]
    return Clinic(max(owners, len(held)), {term: sum(term in one for one in held) for term in terms(booking)})
