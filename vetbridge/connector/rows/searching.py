"""Searches whose finds are compared once more: a vendor that ignores a parameter must not show a stranger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from vetbridge.connector.interface import Native, Write
from vetbridge.core import normalise
from vetbridge.core.errors import Refused
from vetbridge.core.instants import Instant

TAIL = 8
"""Last digits of a phone by which phones are searched that people typed in different ways."""

SAME_VISIT = ("start", "client_id", "pet_id", "appointment_type")
"""Fields by which a visit without a stamp is known."""


class Wanted:
    """A search, taken apart. Raises ``Refused`` with code ``bad-query`` for a time that is none with an offset."""

    def __init__(self, account: str, query: Mapping[str, str], *, zone: str, country: str) -> None:
        self._query = query
        self._zone = zone
        self._country = country
        self.bounds = {
            key: _moment(account, key, query[key], zone) for key in ("start_from", "start_before") if key in query
        }
        """The moments of the window, by their keys."""

    @property
    def is_nothing(self) -> bool:
        """Whether the window is empty."""
        begin, end = self.bounds.get("start_from"), self.bounds.get("start_before")
        return begin is not None and end is not None and begin >= end

    def fits(self, native: Native) -> bool:
        """Whether a record is one that is asked for."""
        query = self._query
        if "phone" in query and not has_phone(native, query["phone"], self._country):
            return False
        if "email" in query and not has_email(native, query["email"]):
            return False
        if any(native.get(key) != query[key].strip() for key in ("client_id", "pet_id") if key in query):
            return False
        if not self.bounds:
            return True
        if not native.get("start"):
            return False
        start = at_site(native["start"], self._zone).timestamp()
        begin, end = self.bounds.get("start_from"), self.bounds.get("start_before")
        return (begin is None or begin.timestamp() <= start) and (end is None or start < end.timestamp())


def visits_made(write: Write, zone: str, search: Callable[[Mapping[str, str]], Iterator[Native]]) -> Iterator[Native]:
    """Visits that a create with an unknown outcome may have made: those of that day which bear the stamp; without one
    the same start, client, pet and type."""
    native = write.native
    day = at_site(str(native.get("start")), zone).replace(hour=0, minute=0, second=0)
    for found in search({"start_from": day.isoformat(), "start_before": (day + timedelta(days=1)).isoformat()}):
        if write.stamp:
            if write.stamp in str(found.get("notes") or ""):
                yield found
        elif all(found.get(name) == native.get(name) for name in SAME_VISIT):
            yield found


def has_phone(native: Native, phone: str, country: str) -> bool:
    """Whether a record has a phone, in whatever form."""
    wanted = set(normalise.phones(phone, country))
    held = {each for text in native.get("phones") or () for each in normalise.phones(text, country)}
    return bool(wanted & held)


def has_email(native: Native, email: str) -> bool:
    """Whether a record has an e-mail address, in whatever case."""
    return any(each.strip().casefold() == email.strip().casefold() for each in native.get("emails") or ())


def dialled(number: str, form: Literal["e164", "digits", "tail"]) -> str:
    """A phone, which is in E.164, as a vendor holds it."""
    if form == "e164":
        return number
    return number.removeprefix("+") if form == "digits" else number[-TAIL:]


def at_site(wall: str, zone: str) -> datetime:
    """The moment of a wall time as the table ``neutral`` has it. Raises ``ValueError``."""
    return datetime.strptime(wall, "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZoneInfo(zone))


def _moment(account: str, key: str, text: str, zone: str) -> datetime:
    try:
        return Instant.parse(text, zone).utc
    except (ValueError, OverflowError):
        raise Refused(f"{account}: {key} must be a time with an offset", code="bad-query") from None
