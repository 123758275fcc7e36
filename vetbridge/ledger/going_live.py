"""How far each pair is on its way to live: met, paired, approved; and ended.

Until a person has approved a pair, it is in the shadow: it reads, is paired and planned, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.going_live import QUOTA, may_write
from vetbridge.core.records import Kind
from vetbridge.ledger import endings
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import OPEN_STATES, Action, ActionState, Change, ChangeState, GoingLive, Link, Meta

DAY = timedelta(days=1)
RESTORED_AT = "restored_at"
"""Key of the row that says when the ledger was restored from a backup: ISO, UTC."""


def meet(tx: Transaction, site: str, *, start_live: bool) -> GoingLive:
    """The row of a pair, made where VetBridge meets it.

    ``start_live``: the config approves it beforehand; not again, once it was taken back into the shadow.
    """
    row = tx.session.get(GoingLive, site)
    if row is None:
        row = GoingLive(site=site, since=tx.now)
        tx.session.add(row)
    if start_live and row.approved_at is None and not row.approved_by and row.ended_at is None:
        row.approved_at = tx.now
        row.approved_by = "the config"
    return row


def rename(tx: Transaction, sites: Mapping[str, str]) -> None:
    """A pair that stands under another name in the config now (by its booking account, the key) is the same pair."""
    for account, site in sites.items():
        if tx.session.get(GoingLive, site) is not None:
            continue
        newest = select(Link.site).where(Link.booking_account == account).order_by(col(Link.id).desc()).limit(1)
        before = tx.session.exec(newest).first()
        row = None if before is None or before in sites.values() else tx.session.get(GoingLive, before)
        if row is not None:
            tx.session.add(GoingLive(**{**row.model_dump(), "site": site}))
            tx.session.delete(row)
            tx.session.flush()


def of(tx: Transaction, site: str) -> GoingLive | None:
    """The row of a pair; None where VetBridge has not met it."""
    return tx.session.get(GoingLive, site)


def met(tx: Transaction) -> set[str]:
    """The sites whose pair VetBridge has met."""
    return set(tx.session.exec(select(GoingLive.site)))


def writes(row: GoingLive) -> bool:
    """Whether anything may be written for a pair: it was approved, and paired once more since."""
    return may_write(paired_at=row.paired_at, approved_at=row.approved_at, ended_at=row.ended_at)


def held_back(tx: Transaction) -> set[str]:
    """The sites for which nothing may be written now."""
    return {row.site for row in tx.session.exec(select(GoingLive)) if not writes(row)}


def ended(tx: Transaction) -> set[str]:
    """The sites whose pair was ended."""
    return {row.site for row in tx.session.exec(select(GoingLive)) if row.ended_at is not None}


def paired(tx: Transaction, site: str, began: datetime | None = None) -> None:
    """Everything that stood on both sides of a pair when that ``began`` was paired, as far as it can be told."""
    tx.session.get_one(GoingLive, site).paired_at = began or tx.now


def pair_again(tx: Transaction, accounts: Collection[str]) -> None:
    """What stands on both sides of these accounts' pairs is paired once more before anything more is written."""
    at = [col(each).in_(sorted(accounts)) for each in (Link.booking_account, Link.pims_account)]
    sites = select(Link.site).where(sa.or_(*at)).distinct()
    tx.session.exec(sa.update(GoingLive).where(col(GoingLive.site).in_(sites)).values(paired_at=None))


def approve(tx: Transaction, site: str, by: str) -> int:
    """A person wants a pair to write from now on; returns how many changes have waited for that."""
    row = tx.session.get_one(GoingLive, site)
    if row.approved_at is None or row.ended_at is not None:
        row.approved_at = tx.now
        row.approved_by = by
        if row.ended_at is not None:
            endings.reopen(tx, site)
        row.ended_at = None
        row.ended_by = ""
        _receive_now(tx, site)
    tx.session.exec(sa.update(Change).where(_waiting(site)).values(next_at=tx.now))
    return tx.session.exec(select(sa.func.count()).select_from(Change).where(_waiting(site))).one()


def nothing_is_late(tx: Transaction, site: str) -> None:
    """In the shadow: a visit that has begun meanwhile was carried over by hand."""
    row = tx.session.get(GoingLive, site)
    if row is not None and row.approved_at is None:
        _receive_now(tx, site)


def _receive_now(tx: Transaction, site: str) -> None:
    """What waits counts as received now."""
    tx.session.exec(sa.update(Change).where(_waiting(site)).values(received_at=tx.now))


def _waiting(site: str) -> sa.ColumnElement[bool]:
    return sa.and_(col(Change.site) == site, col(Change.state).in_(OPEN_STATES))


def into_shadow(tx: Transaction, site: str) -> None:
    """A pair writes nothing more until somebody approves it again."""
    row = tx.session.get_one(GoingLive, site)
    row.approved_at = None  # who approved it stays: a config that lets a pair begin live lets it begin once
    row.quota_from = None


def end(tx: Transaction, site: str, by: str, *, shared: Mapping[str, str] = MappingProxyType({})) -> endings.Waiting:
    """Ends a pair: it is read no more, nothing is written for it, and what waits for it is closed; returns that.

    ``shared``: see ``endings.close``. A pair that has ended already stays ended by whoever ended it first.
    """
    row = tx.session.get_one(GoingLive, site)
    if row.ended_at is None:
        row.ended_at = tx.now
        row.ended_by = by
    return endings.close(tx, site, shared)


def may_stand(tx: Transaction, change: Change) -> bool:
    """Whether what a change asks for may have been written already: the ledger was restored from a backup, and the
    change is from before its pair was approved anew."""
    row = tx.session.get(GoingLive, change.site)
    if row is None or row.approved_at is None or change.received_at > row.approved_at:
        return False
    return restored_at(tx) is not None


def restored_at(tx: Transaction) -> datetime | None:
    """When the ledger was restored from a backup; None where it never was."""
    row = tx.session.get(Meta, RESTORED_AT)
    return None if row is None else datetime.fromisoformat(row.value)


def is_out_of_a_backup(tx: Transaction, link: Link) -> bool:
    """Whether what is known of a visit is as old as the backup that the ledger was restored from: both sides may
    have changed it since, and nobody has seen it stand on both."""
    moment = restored_at(tx)
    return moment is not None and link.updated_at < moment


def let_more_through(tx: Transaction, site: str) -> None:
    """What was created so far counts no more against the quota of the first days."""
    tx.session.get_one(GoingLive, site).quota_from = tx.now
    tx.session.exec(
        sa.update(Change)
        .where(col(Change.site) == site, col(Change.state) == ChangeState.WAITING, col(Change.code) == QUOTA)
        .values(next_at=tx.now)
    )


def is_spent(tx: Transaction, site: str, account: str, kind: Kind, *, days: int, limit: int) -> bool:
    """Whether so many records of a kind were created at an account within a day, in a pair's first days, that one
    more would be too many."""
    row = tx.session.get(GoingLive, site)
    if row is None or row.approved_at is None or tx.now >= row.approved_at + days * DAY:
        return False
    created = (
        select(sa.func.count())
        .select_from(Action)
        .where(
            Action.site == site,
            Action.account == account,
            Action.kind == kind,
            Action.operation == "create",
            col(Action.created_at) >= max(tx.now - DAY, row.approved_at),
            sa.true() if row.quota_from is None else col(Action.created_at) > row.quota_from,
            Action.state != ActionState.NOT_DONE,
        )
    )
    return tx.session.exec(created).one() >= limit
