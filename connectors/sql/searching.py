"""Which records a search asks for: what a database compares by its own rules is compared here once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.connector.interface import Native
from vetbridge.core import normalise
from vetbridge.core.errors import Refused
from vetbridge.core.instants import Instant

EARLIEST = datetime(1900, 1, 1)  # noqa: DTZ001 - the site's clock
LATEST = datetime(2079, 1, 1)  # noqa: DTZ001
"""Bounds of a window without bounds: what the narrowest type of time at any engine still holds."""
SURE = 5
"""Digits at the end of a number that stand so however it is written."""
_DAY = timedelta(days=1)
_NO_DIGITS = {code: None for code in range(128) if not chr(code).isdigit()}


class Wanted:
    """A search, taken apart. Raises ``Refused`` with code ``bad-query`` for a time that is none."""

    def __init__(self, account: str, query: Mapping[str, str], *, zone: str, country: str) -> None:
        self._query = query
        self._zone = zone
        self._country = country
        self._from = _moment(account, query, "start_from")
        self._before = _moment(account, query, "start_before")
        self._phones = set(normalise.phones(query.get("phone", ""), country))
        self._emails = set(normalise.emails(query.get("email", "")))

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The window by the site's clock, a day wider on either end: what is in it is looked at closely."""
        begin = EARLIEST if self._from is None else max(EARLIEST, self._local(self._from) - _DAY)
        end = LATEST if self._before is None else min(LATEST, self._local(self._before) + _DAY)
        return begin, max(begin, end)

    def may_fit(self, row: Sequence[Any]) -> bool:
        """Whether a row may be of a record that is asked for: a quick look at its cells, before it is read."""
        texts = [text for text in map(_searchable, row) if text]
        phones = not self._phones or any(not text.isascii() or self._ends_like(text) for text in texts)
        emails = not self._emails or any(
            not text.isascii() or email in text.casefold() for text in texts for email in self._emails
        )
        return phones and emails

    def _ends_like(self, text: str) -> bool:
        digits = text.translate(_NO_DIGITS)
        return any(phone[-SURE:] in digits for phone in self._phones)

    def fits(self, native: Native) -> bool:
        """Whether a record is one that is asked for."""
        for key in ("client_id", "pet_id"):
            if key in self._query and native.get(key) != self._query[key]:
                return False
        if "phone" in self._query and not self._shares(native, "phones", self._phones):
            return False
        if "email" in self._query and not self._shares(native, "emails", self._emails):
            return False
        return self._in_window(native)

    def _shares(self, native: Native, field: str, wanted: set[str]) -> bool:
        if not wanted:
            return False
        for text in native.get(field) or ():
            found = normalise.phones(text, self._country) if field == "phones" else normalise.emails(text)
            if wanted & set(found):
                return True
        return False

    def _in_window(self, native: Native) -> bool:
        if self._from is None and self._before is None:
            return True
        if not native.get("start"):
            return False
        start = Instant.from_local(datetime.fromisoformat(native["start"]), self._zone).utc
        return (self._from is None or self._from <= start) and (self._before is None or start < self._before)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self._zone)).replace(tzinfo=None)


def _moment(account: str, query: Mapping[str, str], key: str) -> datetime | None:
    if key not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[key])
        if moment.tzinfo is None:
            raise ValueError("no offset")
        moment = moment.astimezone(UTC)
        if not EARLIEST.year < moment.year < LATEST.year:
            raise ValueError("at the end of time")
    except (ValueError, OverflowError):
        raise Refused(f"{account}: {key} must be a time with an offset", code="bad-query") from None
    return moment


def _searchable(cell: Any) -> str:
    """What a cell says that a phone or an address may stand in."""
    return cell if isinstance(cell, str) else "" if cell is None else str(cell)
