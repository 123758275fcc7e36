"""A moment that knows the clinic's zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A moment in time, to the second, with the zone of the site it belongs to.

    ``utc`` decides equality and order. ``zone`` is an IANA name. ``local`` is the local time as the side sent
    it (or empty): kept because a side may send a wrong offset beside a right local time
    (shared/vendors/altegio.md, section 8.1), and a person must be able to see what was said.
    """

    utc: datetime
    zone: str = field(compare=False, default="UTC")
    local: str = field(compare=False, default="")

    def __post_init__(self) -> None:
        if self.utc.tzinfo is None:
            raise ValueError("an Instant needs a datetime with an offset")
        object.__setattr__(self, "utc", self.utc.astimezone(UTC).replace(microsecond=0))

    @classmethod
    def from_epoch(cls, seconds: int, zone: str) -> Instant:
        """The moment ``seconds`` after 1970-01-01T00:00Z."""
        return cls(datetime.fromtimestamp(seconds, UTC), zone)

    @classmethod
    def from_local(cls, wall: datetime, zone: str, *, sent: str = "") -> Instant:
        """The moment of a naive wall time at ``zone``; of an hour that occurs twice, the first."""
        return cls(wall.replace(tzinfo=ZoneInfo(zone), fold=0), zone, sent)

    @classmethod
    def parse(cls, text: str, zone: str) -> Instant:
        """The moment of an ISO 8601 text with an offset. Raises ValueError where the offset is missing."""
        return cls(datetime.fromisoformat(text), zone, text)

    @property
    def epoch(self) -> int:
        """Whole seconds since 1970-01-01T00:00Z."""
        return int(self.utc.timestamp())

    def at_site(self) -> datetime:
        """The wall clock time at the site, with its offset."""
        return self.utc.astimezone(ZoneInfo(self.zone))

    def __str__(self) -> str:
        return self.at_site().isoformat()
