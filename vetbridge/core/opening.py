"""Opening hours: whether somebody is at the clinic, and for how long a moment lies back in open time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Opening:
    """Opening hours of one site. ``hours``: by weekday spans such as ``08:00-12:00``; empty: always open."""

    def __init__(self, hours: Mapping[str, Sequence[str]], zone: str) -> None:
        self._hours = hours
        self._zone = ZoneInfo(zone)

    def is_open(self, at: datetime) -> bool:
        """Whether the clinic is open at a moment."""
        return not self._hours or any(start <= at < end for start, end in self._spans(self._day(at)))

    def open_between(self, since: datetime, until: datetime) -> timedelta:
        """How much open time lies between two moments; looks back two weeks at most."""
        if until <= since:
            return timedelta()
        if not self._hours:
            return until - since
        since = max(since, until - timedelta(days=14))
        day, open_ = self._day(since), timedelta()
        while day <= self._day(until):
            for start, end in self._spans(day):
                open_ += max(timedelta(), min(end, until) - max(start, since))
            day += timedelta(days=1)
        return open_

    def _day(self, at: datetime) -> date:
        return at.astimezone(self._zone).date()

    def _spans(self, day: date) -> list[tuple[datetime, datetime]]:
        spans = []
        for span in self._hours.get(WEEKDAYS[day.weekday()], ()):
            start, end = span.split("-")
            spans.append((self._moment(day, start), self._moment(day, end)))
        return spans

    def _moment(self, day: date, clock: str) -> datetime:
        hours, minutes = (int(part) for part in clock.split(":"))
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        if hours == 24:
            following = day + timedelta(days=1)
            local = datetime(following.year, following.month, following.day, tzinfo=self._zone)
        else:
            local = midnight.replace(hour=hours, minute=minutes)
        return local.astimezone(UTC)  # moments of one zone would be subtracted by their wall clocks
