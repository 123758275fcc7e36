"""The branches that a demo plays: one clinic, or a chain of several, each with a clinic and a morning of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from vetbridge.demo.script import FEWEST_BOOKINGS, Plot, plan_morning
from vetbridge.demo.story import Branch, Morning
from vetbridge.testing.clinic import Clinic, Owner, make_clinic

SITES = ("centre", "east", "north", "south", "west")
"""What the branches of a chain are called, in the order in which VetBridge compares their clients."""
MOST_BRANCHES = len(SITES)
SILENT = 1
"""The place of the branch whose PIMS does not answer for a while; the first one's config forgets a service.

A client of the first one is known here, too.
"""


def plan_branches(
    count: int, *, seed: int, clients: int, bookings: int, today: Callable[[Clinic], date]
) -> tuple[Branch, ...]:
    """The branches with their mornings; ``bookings`` and ``clients`` are of each. One is a clinic, more are a chain.

    A branch's clinic is that of the seed and its place, as the simulators have it. In a chain mornings may be short.
    Raises ``ValueError`` where the clinics are too small, or the mornings too short.
    """
    clinics = [make_clinic(seed + place, clients) for place in range(count)]
    if count == 1:
        (clinic,) = clinics
        morning = plan_morning(clinic, seed, bookings, today=today(clinic))
        return (Branch(site="demo", title="Demo Vets", morning=morning),)
    is_short = bookings < FEWEST_BOOKINGS
    mornings = []
    for place, clinic in enumerate(clinics):
        plot = Plot(
            silent=place == SILENT,
            forgetful=place == 0 and not is_short,
            is_short=is_short,
            other=clinics[SILENT] if place == 0 else None,
        )
        mornings.append(plan_morning(clinic, clinic.seed, bookings, today=today(clinic), plot=plot))
    mornings[SILENT] = replace(mornings[SILENT], registered=_bereaved(mornings[0]))
    return tuple(
        Branch(site=site, title=f"Demo Vets {site.capitalize()}", morning=morning, of_chain=True)
        for site, morning in zip(SITES, mornings, strict=False)
    )


def _bereaved(morning: Morning) -> Owner | None:
    """The client who mourns, as the other branch knows her: her pets are deceased."""
    if morning.mourner is None:
        return None
    owner = morning.clinic.owner(morning.mourner.owner)
    return replace(owner, pets=tuple(replace(pet, deceased=True) for pet in owner.pets))
