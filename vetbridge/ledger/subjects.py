"""Subjects: who and what each record is about, as it was read last, and what it can be found by.

The content is sealed, and every key a keyed hash: a ledger that is read by somebody without its key shows nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from vetbridge.core.finding import MOST_CO_OWNERS, MOST_CONTACTS, Part, keys_of
from vetbridge.core.normalise import MAX_CONTACT, MAX_NAME
from vetbridge.core.records import Attachment, Client, Kind, Pet, Record, Reminder, Vaccination
from vetbridge.ledger import reviews
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Change, Link, Moment, Subject, SubjectKey
from vetbridge.ledger.tables import Record as RecordRow

# In Core, not as objects: it is on the way of every change.
_SUBJECTS: sa.Table = Subject.__table__  # type: ignore[attr-defined]
_KEYS: sa.Table = SubjectKey.__table__  # type: ignore[attr-defined]
_KEPT = sa.select(_SUBJECTS.c.content_sealed).where(_SUBJECTS.c.record_id == sa.bindparam("number"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRecord:
    """A record that fits. Holds personal values: ``content``."""

    record_id: int
    account: str
    remote_id: str
    content: Record | None
    """As it was read last; None where that is not kept, or nobody has read it."""
    newest: Change | None
    """Its newest change; None where it has had none, as both sides had it when VetBridge came."""
    visit_at: datetime | None
    """When its visit begins, as far as VetBridge has seen it."""
    item_id: int | None
    """The open question about it."""


def note(tx: Transaction, record_id: int, record: Record, *, country: str, account: str) -> None:
    """Keeps who and what a record is about that was just read; writes only where it is not as it was."""
    content = plain(_small(record))
    row = tx.session.execute(_KEPT, {"number": record_id}).first()
    if row is not None and row[0] is not None and tx.sealer.open(row[0]) == content:
        return
    values = {"content_sealed": tx.sealer.seal(content), "read_at": tx.now}
    hashes = {_hash(tx, key) for key in keys_of(record, country, account)}
    kept: set[str] = set()
    if row is None:
        tx.session.execute(sa.insert(_SUBJECTS), {"record_id": record_id, **values})
    else:
        tx.session.execute(sa.update(_SUBJECTS).where(_SUBJECTS.c.record_id == record_id).values(values))
        kept = set(tx.session.scalars(sa.select(_KEYS.c.key_hash).where(_KEYS.c.record_id == record_id)))
    if kept - hashes:
        tx.session.execute(
            sa.delete(_KEYS).where(_KEYS.c.record_id == record_id, _KEYS.c.key_hash.in_(sorted(kept - hashes)))
        )
    if hashes - kept:
        new = [{"key_hash": each, "record_id": record_id} for each in sorted(hashes - kept)]
        tx.session.execute(sa.insert(_KEYS), new)


def erase(tx: Transaction, record_id: int) -> None:
    """Keeps nothing of who and what a record is about."""
    for table in (_KEYS, _SUBJECTS):
        tx.session.execute(sa.delete(table).where(table.c.record_id == record_id))


def contents(tx: Transaction, record_ids: Collection[int]) -> dict[int, Record]:
    """What is kept of these records, by their numbers."""
    rows = tx.session.exec(select(Subject).where(col(Subject.record_id).in_(sorted(record_ids))))
    return {row.record_id: rich(tx.sealer.open(row.content_sealed)) for row in rows if row.content_sealed is not None}


def fitting(tx: Transaction, parts: Sequence[Part], others: Collection[str] = ()) -> sa.Select[tuple[int]]:
    """The numbers of the records that have a key of every part, or any of the ``others``."""
    numbers = _KEYS.c.record_id
    fits = [numbers.in_(_having(tx, part)) for part in parts]
    either = [sa.and_(*fits)] if fits else []
    if others:
        either.append(numbers.in_(_having(tx, others)))
    return sa.select(numbers).where(sa.or_(*either) if either else sa.false())


def find(
    tx: Transaction,
    parts: Sequence[Part] | None,
    others: Collection[str] = (),
    *,
    days: Sequence[tuple[str, datetime, datetime]] | None = None,
    site: str | None = None,
    limit: int,
) -> tuple[FoundRecord, ...]:
    """The visits that fit: the soonest that is still to come first, then those that are over, the newest first.

    ``parts`` and ``others`` as in ``fitting``; None: every visit of the ``days`` fits. ``days``: by site, from when
    until when its visit begins.
    """
    change, seen = aliased(Change), aliased(Change)
    has_seen = sa.case((col(Change.visit_at).is_not(None), col(Change.id)))
    wanted = _on(days or ()) if parts is None else fitting(tx, parts, others)
    numbers = (
        sa.select(
            col(Change.record_id).label("record_id"),
            sa.func.max(col(Change.id)).label("newest"),
            sa.func.max(has_seen).label("seen"),
        )
        .where(col(Change.record_id).in_(wanted))
        .group_by(col(Change.record_id))
        .subquery()
    )
    visit_at = sa.func.coalesce(seen.visit_at, _linked(Link.visit_at), type_=Moment())
    of_site = sa.func.coalesce(change.site, _linked(Link.site))
    ahead = sa.case((visit_at >= tx.now, 0), (visit_at.is_not(None), 1), else_=2)
    query = (
        sa.select(col(RecordRow.id), col(RecordRow.account), col(RecordRow.remote_id), change, visit_at)
        .select_from(RecordRow)
        .outerjoin(numbers, numbers.c.record_id == col(RecordRow.id))
        .outerjoin(change, col(change.id) == numbers.c.newest)
        .outerjoin(seen, col(seen.id) == numbers.c.seen)
        .where(col(RecordRow.kind) == Kind.APPOINTMENT, col(RecordRow.id).in_(wanted))
        .order_by(ahead, sa.case((ahead == 0, visit_at)), sa.desc(visit_at), sa.desc(col(RecordRow.id)))
        .limit(limit)
    )
    if site is not None:
        query = query.where(of_site == site)
    if days is not None:
        query = query.where(on_days(days, visit_at, of_site))
    rows = tx.session.execute(query).all()
    kept = contents(tx, [row[0] for row in rows])
    found = []
    for record_id, account, remote_id, newest, moment in rows:
        asked = reviews.open_item(tx, record_id)
        found.append(
            FoundRecord(
                record_id=record_id,
                account=account,
                remote_id=remote_id,
                content=kept.get(record_id),
                newest=newest,
                visit_at=moment,
                item_id=None if asked is None else asked.id,
            )
        )
    return tuple(found)


def _on(days: Sequence[tuple[str, datetime, datetime]]) -> sa.CompoundSelect[int]:
    """The records whose visit seems to begin on these days, by a change or by a link."""
    changed = sa.select(col(Change.record_id)).where(on_days(days, col(Change.visit_at), col(Change.site)))
    linked = (
        sa.select(col(RecordRow.id))
        .join(
            Link, sa.and_(col(Link.booking_account) == RecordRow.account, col(Link.booking_id) == RecordRow.remote_id)
        )
        .where(col(RecordRow.kind) == Link.kind, on_days(days, col(Link.visit_at), col(Link.site)))
    )
    return changed.union(linked)


def _linked(column: Any) -> sa.ScalarSelect[Any]:
    """A column of the newest link of a record that holds now, at either side."""
    sides = ((Link.booking_account, Link.booking_id), (Link.pims_account, Link.pims_id))
    # One look-up a side: an index serves each, and none serves both at once.
    one, other = (
        sa.select(column)
        .where(
            col(account) == RecordRow.account,
            col(id_) == RecordRow.remote_id,
            col(Link.kind) == RecordRow.kind,
            col(Link.ended_at).is_(None),
        )
        .order_by(col(Link.id).desc())
        .limit(1)
        .correlate(RecordRow)
        .scalar_subquery()
        for account, id_ in sides
    )
    return sa.func.coalesce(one, other)  # type: ignore[return-value]


def on_days(days: Sequence[tuple[str, datetime, datetime]], visit_at: Any, site: Any) -> sa.ColumnElement[bool]:
    """Rows of a site (the first of each) whose visit begins within its span."""
    return sa.or_(
        sa.false(),
        *(sa.and_(site == name, visit_at >= begins, visit_at < ends) for name, begins, ends in days),
    )


def _having(tx: Transaction, keys: Iterable[str]) -> sa.Select[tuple[int]]:
    hashes = sorted(_hash(tx, key) for key in keys)
    return sa.select(_KEYS.c.record_id).where(_KEYS.c.key_hash.in_(hashes))


def _hash(tx: Transaction, key: str) -> str:
    return tx.sealer.hash(f"find|{key}")


def _small(record: Record) -> Record:
    """What is kept of a record: nothing that it cannot be known by, and nothing endless."""
    if isinstance(record, Client):
        return Client(
            id=record.id,
            given_name=record.given_name[:MAX_NAME],
            family_name=record.family_name[:MAX_NAME],
            phones=tuple(phone[:MAX_CONTACT] for phone in record.phones[:MOST_CONTACTS]),
            emails=tuple(address[:MAX_CONTACT] for address in record.emails[:MOST_CONTACTS]),
            co_owners=tuple(name[:MAX_NAME] for name in record.co_owners[:MOST_CO_OWNERS]),
        )
    if isinstance(record, Pet):
        species = None if record.species is None else record.species[:MAX_NAME]
        return Pet(id=record.id, client_id=record.client_id, name=record.name[:MAX_NAME], species=species)
    if isinstance(record, Attachment):
        name = record.name[:MAX_NAME]
        return Attachment(id=record.id, client_id=record.client_id, pet_id=record.pet_id, name=name)
    if isinstance(record, Reminder):
        return Reminder(id=record.id, client_id=record.client_id, pet_id=record.pet_id)
    if isinstance(record, Vaccination):
        return Vaccination(id=record.id, pet_id=record.pet_id)
    booker = None if record.booker is None else _small(record.booker)
    pet = None if record.booked_pet is None else _small(record.booked_pet)
    assert booker is None or isinstance(booker, Client)  # noqa: S101 - what is made of a client
    assert pet is None or isinstance(pet, Pet)  # noqa: S101 - what is made of a pet
    return replace(record, booker=booker, booked_pet=pet, notes="", cancel_reason="", version=None)
