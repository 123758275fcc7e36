"""The branches that a demo plays: one clinic, or a chain of several, each with a clinic and a morning of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from vetbridge.demo.script import FEWEST_BOOKINGS, Plot, plan_morning
from vetbridge.demo.story import Branch
from vetbridge.testing.clinic import Clinic, make_clinic

SITES = ("north", "south", "east", "west", "centre")
"""What the branches of a chain are called."""
MOST_BRANCHES = len(SITES)
SILENT = 1
"""The place of the branch whose PIMS does not answer for a while; the first one's config forgets a service."""


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
    return tuple(
        Branch(
            site=site,
            title=f"Demo Vets {site.capitalize()}",
            morning=plan_morning(
                clinic,
                clinic.seed,
                bookings,
                today=today(clinic),
                plot=Plot(silent=place == SILENT, forgetful=place == 0 and not is_short, is_short=is_short),
            ),
            of_chain=True,
        )
        for place, (site, clinic) in enumerate(zip(SITES, clinics, strict=False))
    )
