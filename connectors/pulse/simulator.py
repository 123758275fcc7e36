"""A stand-in for a clinic that runs Pulse: VetData's feed over its records, and a report of its diary.

Written from pulse.md. The records stand in tables of VetBridge's invention (``vetbridge.testing.practice.plain``),
and nothing of them is Pulse's. Species and sexes are the values that one clinic's feed is known to show; ``U`` for a
sex that is not known, statuses, types and the names of staff are made up. A visit that is cancelled stays in the
report, with its status. The diary's report is headed as VetData's neutral tables are (avimark.md, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.vetdata.simulator import VetDataFeed, feed_options
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import SERVICES, STAFF
from vetbridge.testing.practice import PlainPractice, Report
from vetbridge.testing.practice.plain import NEUTRAL_REPORTS

VACCINES: Mapping[str, int] = {"RABIES": 365, "DHPP": 365, "FVRCP": 365}
"""Codes by which the clinic bills vaccines, with the days until the next one is due."""
CODE_LISTS: Mapping[str, Mapping[str, str | int]] = {
    "species": {"dog": "CANINE", "cat": "FELINE", "rabbit": "RABBIT", "other": "UNKNOWN"},
    "sex": {"male": "M", "female": "F", "male_neutered": "N", "female_neutered": "S", "unknown": "U"},
    "appointment_type": {service.code: service.title for service in SERVICES},
    "resource": {member.code: member.name for member in STAFF},
    "status": {
        "held": "Requested",
        "booked": "Scheduled",
        "confirmed": "Confirmed",
        "arrived": "Checked In",
        "completed": "Checked Out",
        "no_show": "No Show",
        "cancelled": "Cancelled",
    },
}
"""What a site's config would say about this site: VetBridge's words and the site's values."""


class PulsePractice(PlainPractice):
    """The records of a clinic with Pulse."""

    system: ClassVar[str] = "pulse"
    codes: ClassVar[Mapping[str, Mapping[str, str | int]]] = CODE_LISTS
    reports: ClassVar[Mapping[Kind, Report]] = {Kind.APPOINTMENT: NEUTRAL_REPORTS[Kind.APPOINTMENT]}


class PulseSimulator(VetDataFeed):
    """A clinic with Pulse, which other programs reach by the feed and by the report of its diary."""

    vendor: ClassVar[str] = "pulse"
    pms: ClassVar[str] = "Pulse"
    practice_class: ClassVar[type[PlainPractice]] = PulsePractice

    def ready(self) -> dict[str, Any]:
        """Which codes are vaccines stands in an account's options, too."""
        told = super().ready()
        vaccines = {"vaccines": {"codes": list(VACCINES)}, "due_after_days": dict(VACCINES)}
        return {**told, "options": {**told["options"], **vaccines}}


def build(**options: Any) -> PulseSimulator:
    """The simulator, not yet serving. Raises ``TypeError`` for an option that it does not take, ``ValueError``."""
    return PulseSimulator(**feed_options(options))


PRACTICE = PulsePractice
"""The practice, for whoever opens its database beside the simulator."""
