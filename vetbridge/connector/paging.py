"""What lists that come page by page have in common: where their next page is, and the vendor's time."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from vetbridge.connector.http import Answer

WALKS = 3
"""How often a list is walked when records shifted between its pages, until as many were seen as it counts."""

MOST_PAGES = 100_000
"""A list of more has no end."""


def below(base_url: str, path: str, told: str) -> str | None:
    """Path and query of an address that an answer names, below the account's own; None where it is elsewhere, so that
    credentials go nowhere else. ``path``: of what was asked for, to which the address may be relative."""
    own = urlsplit(base_url)
    try:
        there = urlsplit(urljoin(f"{base_url}{path}", told))
        # An empty part could be taken for the beginning of another host.
        strange = any(each in unquote(there.path) for each in ("..", "//", "\\"))
        if strange or _origin(there) != _origin(own) or there.username is not None:
            return None
    except ValueError:
        return None
    prefix = own.path.rstrip("/")
    if not there.path.startswith(f"{prefix}/"):
        return None
    return f"{there.path.removeprefix(prefix)}?{there.query}"


def told_at(answer: Answer) -> datetime | None:
    """The vendor's time when it answered; None where it tells none."""
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo is not None else None


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
