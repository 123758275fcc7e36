"""Accounts: whether a vendor answers, how far its listings are read, and which budgets it paused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Account, Budget, Cursor, Reading, Run

PROBE_FIRST = 600.0
"""Seconds after which a vendor that refused the credentials is asked once more; doubles each time."""
PROBE_LONGEST = 3600.0
"""The longest of these waits."""
STARTS_WITHIN = timedelta(minutes=10)
MOST_STARTS = 3
"""So many starts within that time try blocked accounts at once."""


def enrol(tx: Transaction, name: str, connector: str, *, country: str) -> Account:
    """The account's row, made where there is none. A block ends: a restart is how new credentials come in.

    It stays where VetBridge falls over and is started again and again: that would be wrong logins again and again.
    """
    row = tx.session.get(Account, name)
    if row is None:
        row = Account(name=name, connector=connector)
        tx.session.add(row)
    row.connector = connector
    row.country = country
    if row.blocked_code is None or _starts(tx) <= MOST_STARTS:
        row.blocked_code = None
        row.paused_until = None
    return row


def _starts(tx: Transaction) -> int:
    """How often the daemon was started of late."""
    since = tx.now - STARTS_WITHIN
    counted = select(sa.func.count()).select_from(Run).where(Run.command == "run", col(Run.started_at) > since)
    return tx.session.exec(counted).one()


def get(tx: Transaction, name: str) -> Account:
    """One account that was enrolled."""
    return tx.session.get_one(Account, name)


def are_several_pairs(tx: Transaction) -> bool:
    """Whether there are more accounts than one pair has."""
    return tx.session.exec(select(sa.func.count()).select_from(Account)).one() > 2


def not_answering(tx: Transaction, names: Iterable[str] | None = None) -> set[str]:
    """The accounts that are blocked or paused now."""
    rows = tx.session.exec(select(Account)).all()
    wanted = None if names is None else set(names)
    return {
        row.name
        for row in rows
        if (wanted is None or row.name in wanted)
        and (row.blocked_code is not None or (row.paused_until is not None and row.paused_until > tx.now))
    }


def back_at(tx: Transaction, names: Iterable[str]) -> datetime | None:
    """When the first of these accounts is asked again; None where none of them is only paused."""
    rows = [tx.session.get_one(Account, name) for name in names]
    moments = [row.paused_until for row in rows if row.blocked_code is None and row.paused_until is not None]
    return min(moments, default=None)


def answered(tx: Transaction, name: str) -> None:
    """The vendor answered: an outage, if there was one, is over. A block is not: another call was refused."""
    row = tx.session.get_one(Account, name)
    row.answered_at = tx.now
    if row.blocked_code is not None:
        return
    row.failures = 0
    row.failing_since = None
    row.failing_code = None
    row.failing_part = ""
    row.paused_until = None


def back_off(
    tx: Transaction, name: str, *, first: float, longest: float, code: str = Unavailable.code, part: str = ""
) -> Account:
    """The vendor did not answer: pauses the account, twice as long each time, from ``first`` to ``longest`` seconds.

    ``code`` says why, ``part`` which part of the account it was. Failures of calls that were under way when the pause
    began count once.
    """
    row = tx.session.get_one(Account, name)
    if row.paused_until is not None and row.paused_until > tx.now:
        return row
    row.failures += 1
    row.failing_since = row.failing_since or tx.now
    row.failing_code = code
    row.failing_part = part
    row.paused_until = tx.now + timedelta(seconds=min(longest, first * 2 ** min(row.failures - 1, 20)))
    return row


def block(tx: Transaction, name: str, code: str, part: str = "") -> Account:
    """The vendor refuses the credentials: nothing more is sent but a probe, after ten minutes at first, later hourly.

    Vendors lock accounts after too many wrong logins. Calls that were under way when the block began count once.
    """
    row = tx.session.get_one(Account, name)
    if row.blocked_code is not None and row.paused_until is not None and row.paused_until > tx.now:
        return row
    row.failures = 1 if row.blocked_code is None else row.failures + 1
    row.failing_since = tx.now if row.blocked_code is None else row.failing_since or tx.now
    row.blocked_code = code
    row.failing_part = part
    wait = min(PROBE_LONGEST, PROBE_FIRST * 2 ** min(row.failures - 1, 20))
    row.paused_until = tx.now + timedelta(seconds=wait)
    return row


def is_blocked(tx: Transaction, name: str) -> bool:
    """Whether the vendor refuses the credentials of an account; False of one that is not known."""
    row = tx.session.get(Account, name)
    return row is not None and row.blocked_code is not None


def probe_is_due(row: Account, now: datetime) -> bool:
    """Whether a blocked account is to be asked once more."""
    return row.blocked_code is not None and (row.paused_until is None or row.paused_until <= now)


def probing(tx: Transaction, name: str) -> None:
    """A blocked account is about to be asked once more: the next time is due after a longer wait, whatever becomes of
    this one."""
    row = tx.session.get_one(Account, name)
    if row.blocked_code is not None:
        block(tx, name, row.blocked_code, row.failing_part)


def not_probed(tx: Transaction, name: str) -> None:
    """The vendor was away when it was asked: that was no wrong login, and does not count as one."""
    row = tx.session.get_one(Account, name)
    row.failures = max(1, row.failures - 1)
    row.paused_until = tx.now + timedelta(seconds=PROBE_FIRST)


def probe_now(tx: Transaction, name: str) -> bool:
    """Makes a blocked account be asked at once; False where it is not blocked, or not known."""
    row = tx.session.get(Account, name)
    if row is None or row.blocked_code is None:
        return False
    row.paused_until = tx.now
    return True


def unblock(tx: Transaction, name: str) -> None:
    """The vendor takes the credentials again."""
    tx.session.get_one(Account, name).blocked_code = None
    answered(tx, name)


def hooked(tx: Transaction, name: str) -> None:
    """A webhook of it came in."""
    row = tx.session.get_one(Account, name)
    row.hooked_at = tx.now
    row.hook_misses = 0


def missed_hooks(tx: Transaction, name: str, found: Sequence[datetime], grace: timedelta) -> list[datetime]:
    """Counts changes that a poll found at these moments, while no webhook came for ``grace`` before and after.

    Returns those of which that is not known yet. Any webhook will do: one that comes shows that they come.
    """
    row = tx.session.get_one(Account, name)
    silent = [at for at in found if row.hooked_at is None or row.hooked_at < at - grace]
    over = sum(at + grace <= tx.now for at in silent)
    if over:
        row.hook_misses += over
    return [at for at in silent if at + grace > tx.now]


def cursor(tx: Transaction, account: str, kind: Kind) -> str | None:
    """How far a listing was read; None at the first time."""
    row = tx.session.get(Cursor, (account, kind))
    return None if row is None else row.value


def move_cursor(tx: Transaction, account: str, kind: Kind, value: str) -> None:
    """Moves a listing's cursor; in the transaction that stored what it covers."""
    row = tx.session.get(Cursor, (account, kind))
    if row is None:
        tx.session.add(Cursor(account=account, kind=kind, value=value, read_at=tx.now))
    else:
        row.value = value
        row.read_at = tx.now


def pause_budget(tx: Transaction, account: str, name: str, seconds: float) -> None:
    """Keeps a pause that the vendor asked for."""
    row = tx.session.get(Budget, (account, name))
    until = tx.now + timedelta(seconds=seconds)
    if row is None:
        tx.session.add(Budget(account=account, name=name, paused_until=until))
    else:
        row.paused_until = max(row.paused_until, until)


def paused_budgets(tx: Transaction, account: str) -> dict[str, float]:
    """Budgets that are still paused, with the seconds left."""
    rows = tx.session.exec(select(Budget).where(Budget.account == account, col(Budget.paused_until) > tx.now))
    return {row.name: (row.paused_until - tx.now).total_seconds() for row in rows}


def records_read(tx: Transaction) -> int:
    """How many records the first readings of all accounts have come to."""
    return int(tx.session.exec(select(sa.func.coalesce(sa.func.sum(Reading.seen), 0))).one())
