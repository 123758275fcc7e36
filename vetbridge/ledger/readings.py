"""First, counted readings of clients and pets: how far each has come, and from where it goes on.

The ids of a walk are not kept: whatever it came by has the moment when it began, or a later one, in the mirror.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger import accounts
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Account, Mirror, Reading

MOST_ASIDE = 1000
"""Ids that are kept of records without a place in the mirror. With more of them a reading that was cut off cannot be
counted, so it is made again."""

MOST_TOLD = 2**31 - 1
"""A side that counts more is not believed, and its reading never whole."""

_BATCH = 500


@dataclass(slots=True, kw_only=True)
class Walk:
    """A reading that is under way, as one who takes it up needs to know it."""

    begun_at: datetime
    mark: str | None = None
    """The connector's, of the page that was stored last."""
    page: str = ""
    """A digest of that page's ids."""
    seen: int = 0
    """Records told so far."""
    before: int = 0
    """Those of them that came before that page."""
    total: int | None = None
    aside: set[str] = field(default_factory=set)
    """Ids without a place in the mirror: what cannot be read, or is gone."""
    took: timedelta = timedelta(0)
    """From its beginning to its end, outages included."""
    whole: bool = False
    """It came to its end, and as many different records came as the side counts."""

    def came(self, mark: str | None, ids: list[str], aside: list[str], total: int | None) -> None:
        """A page came."""
        if mark is not None:
            self.mark, self.page, self.before = mark, digest(ids), self.seen
        self.seen += len(ids)
        self.aside.update(aside)
        self.total = self.total if total is None else min(total, MOST_TOLD)


def digest(ids: Iterable[str]) -> str:
    """A digest of a page's ids, in their order."""
    return hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()[:32]


def ended(tx: Transaction, account: str, kind: Kind) -> bool:
    """Whether all was read once, and counted."""
    row = tx.session.get(Reading, (account, kind))
    return accounts.get(tx, account).mirror_complete_at is not None or (row is not None and row.ended_at is not None)


def cursor(tx: Transaction, account: str, kind: Kind) -> str | None:
    """From where the reading goes on that has ended."""
    row = tx.session.get(Reading, (account, kind))
    if row is None or row.ended_at is None:
        # Ledgers from before there were readings have it among the cursors of polls.
        return accounts.cursor(tx, account, kind)
    return row.mark


def move_cursor(tx: Transaction, account: str, kind: Kind, value: str, *, total: int | None = None) -> None:
    """The reading has ended, and goes on from here; in the transaction that stored what it covers, or later."""
    row = tx.session.get(Reading, (account, kind))
    if row is None:
        row = Reading(account=account, kind=kind, begun_at=tx.now)
        tx.session.add(row)
    row.mark = value
    if row.ended_at is None:
        row.ended_at = tx.now
        row.total = total


def anew(tx: Transaction, account: str) -> None:
    """All clients and pets of an account are read and counted once more, and until then nobody counts as new."""
    tx.session.execute(sa.delete(Reading).where(col(Reading.account) == account))
    unread = sa.update(Account).where(col(Account.name) == account)
    tx.session.execute(unread.values(mirror_complete_at=None, mirror_read_at=None))


def begin(tx: Transaction, account: str, kind: Kind) -> Walk:
    """A reading from the beginning; one that was under way is given up."""
    walk = Walk(begun_at=tx.now)
    row = tx.session.get(Reading, (account, kind))
    if row is None:
        row = Reading(account=account, kind=kind)
        tx.session.add(row)
    row.mark, row.seen, row.total, row.begun_at, row.ended_at = None, 0, None, tx.now, None
    return walk


def under_way(tx: Transaction, account: str, kind: Kind) -> Walk | None:
    """The reading that was cut off; None where there is none that can be taken up."""
    row = tx.session.get(Reading, (account, kind))
    if row is None or row.ended_at is not None or row.mark is None:
        return None
    kept = json.loads(row.mark)
    return Walk(
        begun_at=row.begun_at,
        mark=kept["mark"],
        page=kept["page"],
        seen=kept["before"],
        before=kept["before"],
        total=row.total,
        aside=set(kept["aside"]),
    )


def keep(tx: Transaction, account: str, kind: Kind, walk: Walk) -> None:
    """Keeps how far a reading is; in the transaction that stores the page."""
    row = tx.session.get_one(Reading, (account, kind))
    row.seen, row.total = walk.seen, walk.total
    if walk.mark is not None:
        aside = sorted(walk.aside)[:MOST_ASIDE]
        row.mark = json.dumps({"mark": walk.mark, "page": walk.page, "before": walk.before, "aside": aside})


def touch(tx: Transaction, account: str, kind: Kind, ids: list[str], walk: Walk) -> None:
    """These records were come by, also those that stood in the mirror just so."""
    for start in range(0, len(ids), _BATCH):
        tx.session.execute(
            sa.update(Mirror)
            .where(
                col(Mirror.account) == account,
                col(Mirror.kind) == kind,
                col(Mirror.remote_id).in_(ids[start : start + _BATCH]),
                col(Mirror.read_at) < walk.begun_at,
            )
            .values(read_at=tx.now)
        )


def counted(tx: Transaction, account: str, kind: Kind, walk: Walk) -> int:
    """How many different records a reading has come by."""
    mirrored = select(col(Mirror.remote_id)).where(
        Mirror.account == account, Mirror.kind == kind, col(Mirror.read_at) >= walk.begun_at
    )
    aside = sorted(walk.aside)
    twice = sum(
        len(tx.session.exec(mirrored.where(col(Mirror.remote_id).in_(aside[start : start + _BATCH]))).all())
        for start in range(0, len(aside), _BATCH)
    )
    return tx.session.exec(select(sa.func.count()).select_from(mirrored.subquery())).one() + len(aside) - twice
