"""Replays: which changes may be worked on again, and the row that asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from vetbridge.core.records import Side
from vetbridge.ledger import changes, going_live, reports
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.endings import PAIR_ENDED
from vetbridge.ledger.reports import Filter
from vetbridge.ledger.tables import Change, ChangeState, Meta, Record

UNKNOWN = "unknown-change"
STILL_OPEN = "still-open"
NEWER = "newer-change"
NOT_FAILED = "not-failed"
HAS_BEGUN = "visit-has-begun"
ONE_SIDE_ONLY = "one-side-only"
"""Code of a replay that would have to write to the side that it is to leave alone."""

SPREAD = "replay-spread"
"""Code of a replay that waits for its turn."""

_MAPPINGS = "mappings"


def fitting(tx: Transaction, wanted: Filter, *, limit: int) -> tuple[int, tuple[Change, ...]]:
    """How many changes fit, and the oldest of them; only such as are the newest episode of their record."""
    newer = aliased(Change)
    later = sa.exists().where(newer.record_id == Change.record_id, newer.id > Change.id)  # type: ignore[arg-type,operator]
    fits = [*reports.fitting(tx, wanted), ~later]
    total = tx.session.exec(select(sa.func.count()).select_from(Change).where(*fits)).one()
    rows = tx.session.exec(select(Change).where(*fits).order_by(col(Change.id)).limit(limit)).all()
    return total, tuple(rows)


def change(tx: Transaction, change_id: int) -> Change | None:
    """The change of this number."""
    return tx.session.get(Change, change_id)


def newest(tx: Transaction, record_id: int) -> int:
    """The number of a record's newest change."""
    return tx.session.exec(select(sa.func.max(Change.id)).where(Change.record_id == record_id)).one() or 0


def refusal(tx: Transaction, change_id: int, *, only_failed: bool, anyway: bool = False) -> str:
    """Why a change may not be worked on again, as a code; empty where nothing that the ledger knows is against it.

    ``anyway``: a visit that has begun is nothing against it.
    """
    row = change(tx, change_id)
    if row is None:
        return UNKNOWN
    if row.site in going_live.ended(tx):
        return PAIR_ENDED
    if changes.open_change(tx, row.record_id) is not None:
        return STILL_OPEN
    if newest(tx, row.record_id) != row.id:
        return NEWER
    if only_failed and row.state != ChangeState.FAILED:
        return NOT_FAILED
    if not anyway and row.visit_at is not None and row.visit_at <= tx.now:
        return HAS_BEGUN
    return ""


def add(
    tx: Transaction,
    change_id: int,
    *,
    side: Side | None = None,
    after_start: bool = False,
    wait: timedelta = timedelta(),
) -> Change:
    """Asks for a change's record to be read and decided upon again: a new episode that points to the old one.

    The old one stays as it is until the new one ends, so that it is never worked on twice. ``side``: only that one is
    written to; None: both. ``after_start``: it waits
    for VetBridge's next start, because the one that runs has another mapping. ``wait``: it is not begun before, from
    now or from that start; a hint at its record begins it at once.
    """
    old = tx.session.get_one(Change, change_id)
    tx.session.get_one(Record, old.record_id).hints += 1
    row = Change(
        record_id=old.record_id,
        site=old.site,
        account=old.account,
        kind=old.kind,
        remote_id=old.remote_id,
        state=ChangeState.RECEIVED,
        source=changes.replay_source(side),
        received_at=tx.now,
        next_at=tx.now,
        updated_at=tx.now,
        visit_at=old.visit_at,
        replay_of=old.id,
    )
    if after_start:
        row.state = ChangeState.WAITING
        row.code = changes.OLD_MAPPING
        row.message = "the VetBridge that runs has the mapping it was started with; it is worked on after a restart"
        row.next_at = None
        row.spread = wait.total_seconds()
    elif wait:
        _spread(row, tx.now + wait)
    tx.session.add(row)
    tx.session.flush()
    return row


def _spread(row: Change, until: datetime) -> None:
    row.state = ChangeState.WAITING
    row.code = SPREAD
    row.message = "replays are spread over time; its turn comes"
    row.next_at = until


def note_mappings(tx: Transaction, mappings: Mapping[str, str]) -> None:
    """Notes the mappings, by site, that the VetBridge which starts now works with, and wakes what waited for them."""
    row = tx.session.get(Meta, _MAPPINGS)
    text = json.dumps(dict(mappings), sort_keys=True)
    if row is None:
        tx.session.add(Meta(key=_MAPPINGS, value=text))
    else:
        row.value = text
    later = select(Change).where(
        Change.state == ChangeState.WAITING, Change.code == changes.OLD_MAPPING, col(Change.spread) > 0
    )
    for waiting in tx.session.exec(later):
        _spread(waiting, tx.now + timedelta(seconds=waiting.spread))
    tx.session.flush()
    changes.wake(tx, {changes.OLD_MAPPING})


def noted_mappings(tx: Transaction) -> dict[str, str]:
    """The mappings, by site, of the VetBridge that started last; nothing where none has noted any."""
    row = tx.session.get(Meta, _MAPPINGS)
    return {} if row is None else dict(json.loads(row.value))
