"""Witnesses: visits by which to tell a gone visit from a side that is blind for it."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.ledger import links
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Link, Record

WITNESSES = 3
"""Visits that are asked for before a miss counts as blindness."""
NEARBY = 12
"""So many visits before a visit, and after it, are looked at to find its witnesses."""
REMEMBERED = timedelta(days=1)
"""So long a visit that was found gone tells that its neighbours may only be out of sight."""


def of(
    tx: Transaction, record: Record, moment: datetime | None, *, booking: bool, link: Link | None = None
) -> tuple[str, ...]:
    """The witnesses of a visit that its side does not show; none where nobody can tell.

    A side may be blind for one person's visits, or for those of some days, where rights or windows shorten what it
    shows. So the witnesses are the nearest in time, those of the same person or room alone where there are any, and
    later ones: what is shown beyond a visit shows that the window reaches as far. For the last visit of all its
    neighbour speaks. Those that are missed themselves tell nothing, and nobody else speaks for them.

    ``booking``: the record is one of the booking side. ``link``: its own link, where it has one. Where no other visit
    is linked at all, other settled records speak, the newest first.
    """
    near = _near(tx, record.account, moment, booking=booking, but=link)
    if not near:
        return _settled(tx, record)
    mine = None if link is None else _base(tx, link).get("resource")
    alike = [one for one in near if mine is not None and _base(tx, one[0]).get("resource") == mine] or near
    later = [one for one in alike if moment is not None and (one[0].visit_at or moment) >= moment] or alike[:1]
    shown = [one for one, missed in later if not missed]
    return tuple(one.booking_id if booking else one.pims_id for one in shown[:WITNESSES])


def _near(
    tx: Transaction, account: str, moment: datetime | None, *, booking: bool, but: Link | None
) -> list[tuple[Link, bool]]:
    """The standing visits around a moment, the nearest first, and whether each is missed itself."""
    of, id_ = (Link.booking_account, Link.booking_id) if booking else (Link.pims_account, Link.pims_id)
    when = col(Link.visit_at)
    others = (
        select(Link, Record)
        .outerjoin(
            Record, sa.and_(col(Record.account) == of, col(Record.kind) == Link.kind, col(Record.remote_id) == id_)
        )
        .where(
            of == account,
            Link.kind == Kind.APPOINTMENT,
            sa.true() if but is None else col(Link.id) != but.id,
            col(Link.ended_at).is_(None),
        )
        .limit(NEARBY)
    )
    if moment is None:
        found = list(tx.session.exec(others.order_by(col(Link.id).desc())))
    else:
        found = list(tx.session.exec(others.where(when >= moment).order_by(when)))
        found += tx.session.exec(others.where(when < moment).order_by(when.desc()))
        found.sort(key=lambda one: abs((one[0].visit_at or tx.now) - moment))
    near = []
    for link, record in found:
        missed = record is not None and record.missed_at is not None
        lately = record is not None and record.gone_at is not None and record.gone_at > tx.now - REMEMBERED
        if lately or _base(tx, link).get("status") != AppointmentStatus.CANCELLED:
            near.append((link, missed))
    return near


def _base(tx: Transaction, link: Link) -> dict[str, object]:
    return links.bases(tx, link)[1] or {}


def _settled(tx: Transaction, record: Record) -> tuple[str, ...]:
    """Other settled records of the same account and kind, the newest first: one may be gone itself without anybody
    having said so."""
    found = tx.session.exec(
        select(Record.remote_id)
        .where(
            Record.account == record.account,
            Record.kind == record.kind,
            Record.id != record.id,
            col(Record.digest_hash).is_not(None),
            col(Record.missed_at).is_(None),
            col(Record.gone_at).is_(None),
        )
        .order_by(col(Record.id).desc())
        .limit(WITNESSES)
    )
    return tuple(found)
