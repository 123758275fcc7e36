"""Seals over what people have done: a batch's hash covers its rows and the hash of the batch before it.

The hashes are keyed: whoever can write to the ledger, and has not its key, cannot change, remove or add an act that
was sealed without being found out. Three things no seal can tell: acts of the time since the last one; that the
newest seals were cut off, with their acts or so that these could be changed and sealed anew; and that the oldest acts
went before their time, by somebody who leaves the seal that pruning leaves. Who wants to know the second, too, notes
the newest hash somewhere else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Audit, AuditSeal

BATCH = 1000
"""Acts that one seal covers, at the most."""

CHANGED, MISSING, ADDED, UNCHAINED = "changed", "missing", "added", "unchained"
"""What may be wrong with a batch: an act was changed, is gone, or is one too many; or a batch before it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first batch that does not fit its seal."""

    seal_id: int
    first_id: int
    last_id: int
    made_at: datetime
    fault: str
    """``changed``, ``missing``, ``added`` or ``unchained``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a look at all seals has shown."""

    seals: int
    acts: int
    """Acts that were found as they were sealed."""
    unsealed: int
    """Acts since the last seal."""
    first_id: int | None
    """The first act that a seal covers and that is kept; those before it were pruned."""
    newest_hash: str
    """Of the last seal: who notes it elsewhere can tell later whether it is still among them."""
    broken: Broken | None


def seal(tx: Transaction) -> int:
    """Seals all acts that are not sealed yet; returns how many that were."""
    last = tx.session.exec(select(AuditSeal).order_by(col(AuditSeal.id).desc()).limit(1)).first()
    previous, after = (last.chain_hash, last.last_id) if last is not None else ("", 0)
    sealed = 0
    while rows := _acts(tx, after, None, limit=BATCH):
        chain_hash = _chained(tx, previous, rows)
        tx.session.add(
            AuditSeal(
                first_id=rows[0].id or 0,
                last_id=rows[-1].id or 0,
                acts=len(rows),
                previous_hash=previous,
                chain_hash=chain_hash,
                made_at=tx.now,
            )
        )
        tx.session.flush()
        previous, after = chain_hash, rows[-1].id or 0
        sealed += len(rows)
    return sealed


def verify(tx: Transaction) -> Verdict:
    """Looks whether every act that was sealed stands as it did.

    Of the acts that were pruned the last seal alone is kept (``vetbridge.ledger.pruning``): it is passed over, and
    what comes after is chained to it.
    """
    seals = tx.session.exec(select(AuditSeal).order_by(col(AuditSeal.id))).all()
    acts, first_id = 0, None
    broken: Broken | None = None
    before: AuditSeal | None = None
    for each in seals:
        rows = _acts(tx, None if before is None else before.last_id, each.last_id)
        pruned = not rows and before is None
        fault = "" if pruned else _fault(tx, each, before, rows)
        if fault:
            broken = Broken(
                seal_id=each.id or 0,
                first_id=each.first_id,
                last_id=each.last_id,
                made_at=each.made_at,
                fault=fault,
            )
            break
        if rows and first_id is None:
            first_id = rows[0].id
        acts, before = acts + len(rows), each
    newest = seals[-1] if seals else None
    unsealed = select(sa.func.count()).select_from(Audit)
    return Verdict(
        seals=len(seals),
        acts=acts,
        unsealed=tx.session.exec(unsealed.where(col(Audit.id) > (newest.last_id if newest else 0))).one(),
        first_id=first_id,
        newest_hash=newest.chain_hash if newest else "",
        broken=broken,
    )


def _fault(tx: Transaction, batch: AuditSeal, before: AuditSeal | None, rows: Sequence[Audit]) -> str:
    """What is wrong with a batch; empty where nothing is."""
    if rows and batch.previous_hash != ("" if before is None else before.chain_hash):
        return UNCHAINED
    if len(rows) != batch.acts:
        return MISSING if len(rows) < batch.acts else ADDED
    return "" if _chained(tx, batch.previous_hash, rows) == batch.chain_hash else CHANGED


def _acts(tx: Transaction, after: int | None, until: int | None, *, limit: int | None = None) -> Sequence[Audit]:
    since = sa.true() if after is None else col(Audit.id) > after
    up_to = sa.true() if until is None else col(Audit.id) <= until
    return tx.session.exec(select(Audit).where(since, up_to).order_by(col(Audit.id)).limit(limit)).all()


def _chained(tx: Transaction, previous: str, rows: Sequence[Audit]) -> str:
    return tx.sealer.hash("\n".join(["audit", previous, *(_canonical(row) for row in rows)]))


def _canonical(row: Audit) -> str:
    """An act as one line, the same on every database."""
    values = {**row.model_dump(), "at": row.at.astimezone(UTC).isoformat()}
    return json.dumps(values, sort_keys=True, separators=(",", ":"))
