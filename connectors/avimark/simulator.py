"""A stand-in for a clinic that runs AVImark: VetData's feed over its records, and reports as files.

Written from avimark.md. The records stand in tables of VetBridge's invention (``vetbridge.testing.practice.plain``);
no file of AVImark's own form is made, read or needed. Species and sexes are the values that one clinic's feed is
known to show; ``U`` for a sex that is not known, types and statuses are made up; vets go by their initials. A visit
that is cancelled stays in the report, with its status. The reports are headed as VetData's neutral tables are
(section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.vetdata.simulator import VetDataFeed, feed_options
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import STAFF
from vetbridge.testing.practice import PlainPractice, Report
from vetbridge.testing.practice.plain import NEUTRAL_REPORTS

VACCINES: Mapping[str, int] = {"RABIES": 365, "DHPP": 365, "FVRCP": 365}
"""Codes by which the clinic bills vaccines, with the days until the next one is due."""
CODE_LISTS: Mapping[str, Mapping[str, str | int]] = {
    "species": {"dog": "CANINE", "cat": "FELINE", "rabbit": "RABBIT", "other": "UNKNOWN"},
    "sex": {"male": "M", "female": "F", "male_neutered": "N", "female_neutered": "S", "unknown": "U"},
    "appointment_type": {
        "checkup": "EXAM",
        "vaccination": "VACC",
        "dental": "DENTAL",
        "surgery": "SURG",
        "nail_clip": "NAILS",
    },
    "resource": {
        member.code: "".join(word[0] for word in member.name.removeprefix("Dr. ").split()) for member in STAFF
    },
    "status": {
        "held": "HOLD",
        "booked": "BOOKED",
        "confirmed": "CONF",
        "arrived": "IN",
        "completed": "OUT",
        "no_show": "NOSHOW",
        "cancelled": "CANC",
    },
}
"""What a site's config would say about this site: VetBridge's words and the site's values."""


class AvimarkPractice(PlainPractice):
    """The records of a clinic with AVImark."""

    system: ClassVar[str] = "avimark"
    codes: ClassVar[Mapping[str, Mapping[str, str | int]]] = CODE_LISTS
    reports: ClassVar[Mapping[Kind, Report]] = NEUTRAL_REPORTS


class AvimarkSimulator(VetDataFeed):
    """A clinic with AVImark, which other programs reach by the feed and by its reports."""

    vendor: ClassVar[str] = "avimark"
    pms: ClassVar[str] = "AVImark"
    practice_class: ClassVar[type[PlainPractice]] = AvimarkPractice

    def ready(self) -> dict[str, Any]:
        """Which codes are vaccines stands in an account's options, too."""
        told = super().ready()
        vaccines = {"vaccines": {"codes": list(VACCINES)}, "due_after_days": dict(VACCINES)}
        return {**told, "options": {**told["options"], **vaccines}}


def build(**options: Any) -> AvimarkSimulator:
    """The simulator, not yet serving. Raises ``TypeError`` for an option that it does not take, ``ValueError``."""
    return AvimarkSimulator(**feed_options(options))


PRACTICE = AvimarkPractice
"""The practice, for whoever opens its database beside the simulator."""
