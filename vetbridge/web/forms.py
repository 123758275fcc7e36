"""Forms: each is made for one session, is taken once, and comes from our own page.

A form's token says when it was made and holds a number that no other has; a keyed hash binds both to the session that
was shown the form. Nothing has to be remembered of forms that are never sent.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from urllib.parse import parse_qsl

from vetbridge.ledger import staff
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.sealing import Sealer

FIELD = "form_token"
MOST_FIELDS = 500


class Form(Mapping[str, str]):
    """What somebody has sent. Of a name that came more than once the last value counts; ``all`` has every one."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self._last = dict(pairs)

    def __getitem__(self, name: str) -> str:
        return self._last[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a name."""
        return tuple(value for key, value in self._pairs if key == name)


def row_number(text: str) -> int | None:
    """The number of a row, as a form says it; None where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def moment(text: str) -> datetime | None:
    """A moment with its offset, as a form says it; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found


class Judged(Enum):
    """What a token is worth."""

    FRESH = auto()
    FORGED = auto()
    """Absent, too old, of another session, or none of ours."""
    USED = auto()
    """The same form was sent before."""


def parsed(body: bytes) -> Form:
    """The fields of an ``application/x-www-form-urlencoded`` body. Raises ``ValueError`` where they are too many."""
    pairs = parse_qsl(
        body.decode("ascii", "replace"),
        keep_blank_values=True,
        encoding="utf-8",
        errors="replace",
        max_num_fields=MOST_FIELDS,
    )
    # No database takes a NUL in a text, and no person types one.
    return Form([(name, value.replace("\0", "")) for name, value in pairs])


def token(sealer: Sealer, binding: str, now: datetime) -> str:
    """A new token for a form that is shown to the session ``binding``."""
    made = f"{int(now.timestamp())}.{secrets.token_urlsafe(16)}"
    return f"{made}.{_mac(sealer, binding, made)}"


def used_up(ledger: Ledger, binding: str, given: str, *, lasts: timedelta) -> Judged:
    """Judges a token, and uses it up."""
    made, _, mac = given.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(ledger.sealer, binding, made).encode()):
        return Judged.FORGED
    with ledger.write() as tx:
        if datetime.fromtimestamp(int(made.partition(".")[0]), UTC) < tx.now - lasts:
            return Judged.FORGED
        # A form is shown before it is sent: what is forgotten here is too old to be taken anyway.
        fresh = staff.use_form(tx, tx.sealer.hash(f"used form {made}"), forget_before=tx.now - lasts)
    return Judged.FRESH if fresh else Judged.USED


def _mac(sealer: Sealer, binding: str, made: str) -> str:
    return sealer.hash(f"form {binding} {made}")
