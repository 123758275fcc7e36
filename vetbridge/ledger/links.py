"""Links: this record there is that record here, with the two bases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.finding import client_key
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.ledger import subjects
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Due, Link, Record


def of_booking(tx: Transaction, account: str, kind: Kind, booking_id: str) -> Link | None:
    """The primary link of a booking-side record."""
    return tx.session.exec(
        select(Link).where(
            Link.booking_account == account,
            Link.kind == kind,
            Link.booking_id == booking_id,
            Link.role == "primary",
            col(Link.ended_at).is_(None),
        )
    ).first()


def of_pims(
    tx: Transaction, account: str, kind: Kind, pims_id: str, *, booking_account: str | None = None
) -> Link | None:
    """The link of a PIMS record, a primary one before a member; of several pairs on one PIMS the oldest.

    ``booking_account``: only a link with this booking side.
    """
    return tx.session.exec(
        select(Link)
        .where(
            Link.pims_account == account,
            Link.kind == kind,
            Link.pims_id == pims_id,
            sa.true() if booking_account is None else col(Link.booking_account) == booking_account,
            col(Link.ended_at).is_(None),
        )
        .order_by(col(Link.role).desc(), col(Link.id))
        .limit(1)
    ).first()


def booking_ids(tx: Transaction, account: str, kind: Kind) -> set[str]:
    """Ids of the booking-side records of a kind that have any link."""
    return set(
        tx.session.exec(
            select(Link.booking_id).where(
                Link.booking_account == account, Link.kind == kind, col(Link.ended_at).is_(None)
            )
        )
    )


def pims_ids(tx: Transaction, account: str, kind: Kind) -> set[str]:
    """Ids of the PIMS records of a kind that have any link."""
    return set(
        tx.session.exec(
            select(Link.pims_id).where(Link.pims_account == account, Link.kind == kind, col(Link.ended_at).is_(None))
        )
    )


def members_of_booking(tx: Transaction, account: str, booking_id: str) -> tuple[Link, ...]:
    """The links of a booking to visits that it shares, or may be."""
    return _members(tx, Link.booking_account == account, Link.booking_id == booking_id)


def members_of_visit(tx: Transaction, account: str, pims_id: str) -> tuple[Link, ...]:
    """The links of a visit of the PIMS to bookings that share it, or may be it."""
    return _members(tx, Link.pims_account == account, Link.pims_id == pims_id)


def _members(tx: Transaction, *record: sa.ColumnElement[bool] | bool) -> tuple[Link, ...]:
    return tuple(
        tx.session.exec(
            select(Link)
            .where(Link.kind == Kind.APPOINTMENT, Link.role == "member", col(Link.ended_at).is_(None), *record)
            .order_by(col(Link.id))
        ).all()
    )


def of_client_members(tx: Transaction, account: str, booking_id: str) -> tuple[Link, ...]:
    """All links of a booking-side client: the primary one first, then the members who share it."""
    rows = tx.session.exec(
        select(Link).where(
            Link.booking_account == account,
            Link.kind == Kind.CLIENT,
            Link.booking_id == booking_id,
            col(Link.ended_at).is_(None),
        )
    ).all()
    return tuple(sorted(rows, key=lambda row: (row.role != "primary", row.id or 0)))


def sharing(tx: Transaction, link: Link) -> tuple[Link, ...]:
    """All links of the booking-side record of a link, this one among them."""
    return tuple(
        tx.session.exec(
            select(Link)
            .where(
                Link.booking_account == link.booking_account,
                Link.kind == link.kind,
                Link.booking_id == link.booking_id,
                col(Link.ended_at).is_(None),
            )
            .order_by(col(Link.id))
        ).all()
    )


def all_of_pims(tx: Transaction, account: str, kind: Kind, pims_ids: Collection[str]) -> tuple[Link, ...]:
    """All links of PIMS records of a kind, with whatever booking sides, the oldest first."""
    return tuple(
        tx.session.exec(
            select(Link)
            .where(
                Link.pims_account == account,
                Link.kind == kind,
                col(Link.pims_id).in_(sorted(pims_ids)),
                col(Link.ended_at).is_(None),
            )
            .order_by(col(Link.id))
        ).all()
    )


def ended_last(tx: Transaction, account: str, kind: Kind, booking_id: str) -> Link | None:
    """The primary link that a booking-side record had before the one that it has now."""
    return tx.session.exec(
        select(Link)
        .where(
            Link.booking_account == account,
            Link.kind == kind,
            Link.booking_id == booking_id,
            Link.role == "primary",
            col(Link.ended_at).is_not(None),
        )
        .order_by(col(Link.ended_at).desc(), col(Link.id).desc())
        .limit(1)
    ).first()


def ended(tx: Transaction, account: str, kind: Kind, booking_id: str) -> int:
    """How many links of a booking-side record have ended."""
    return _count_ended(tx, kind, Link.booking_account == account, Link.booking_id == booking_id)


def ended_in_pims(tx: Transaction, account: str, kind: Kind, pims_id: str) -> int:
    """How many links of a PIMS record have ended."""
    return _count_ended(tx, kind, Link.pims_account == account, Link.pims_id == pims_id)


def _count_ended(tx: Transaction, kind: Kind, *record: sa.ColumnElement[bool] | bool) -> int:
    statement = select(sa.func.count()).select_from(Link)
    return tx.session.exec(statement.where(Link.kind == kind, col(Link.ended_at).is_not(None), *record)).one()


def end(tx: Transaction, link: Link) -> None:
    """Ends a link: the two records have nothing to do with each other from now on."""
    row = tx.session.get_one(Link, link.id)
    row.ended_at = tx.now
    row.updated_at = tx.now
    _due_anew(tx, row)


def due_again(tx: Transaction) -> str:
    """In place of the day for which what is due on a card was worked out: it is to be worked out anew, since now."""
    return f"again {tx.now.isoformat()}"


def _due_anew(tx: Transaction, link: Link) -> None:
    """A client of the booking side is somebody else's now: what is due there is worked out anew."""
    if link.kind == Kind.CLIENT:
        tx.session.execute(
            sa.update(Due)
            .where(col(Due.account) == link.booking_account, col(Due.client_id) == link.booking_id)
            .values(looked_on=due_again(tx))
        )


def rename_sites(tx: Transaction, sites: Mapping[str, str]) -> None:
    """Gives the links of each booking account (key) to the site (value) that the config puts it in now."""
    for account, site in sites.items():
        tx.session.exec(
            sa.update(Link)
            .where(col(Link.booking_account) == account, col(Link.ended_at).is_(None), col(Link.site) != site)
            .values(site=site)
        )


def visits(
    tx: Transaction, site: str, begin: datetime | None = None, end: datetime | None = None
) -> tuple[Link, ...]:
    """The links of all visits of a site, or of those between two moments; of these, older links whose time was not
    kept yet, too."""
    when = col(Link.visit_at)
    within = sa.true() if begin is None or end is None else sa.or_(when.is_(None), when.between(begin, end))
    return tuple(
        tx.session.exec(
            select(Link)
            .where(
                Link.site == site,
                Link.kind == Kind.APPOINTMENT,
                Link.role == "primary",
                col(Link.ended_at).is_(None),
                within,
            )
            .order_by(col(Link.id))
        ).all()
    )


def booked_visits(tx: Transaction, account: str, begin: datetime, end: datetime) -> tuple[Link, ...]:
    """The links of the visits of a booking side between two moments."""
    return tuple(
        tx.session.exec(
            select(Link)
            .where(
                Link.booking_account == account,
                Link.kind == Kind.APPOINTMENT,
                Link.role == "primary",
                col(Link.ended_at).is_(None),
                col(Link.visit_at).between(begin, end),
            )
            .order_by(col(Link.visit_at), col(Link.id))
        ).all()
    )


def visits_at(tx: Transaction, pims_account: str, start: datetime) -> tuple[Link, ...]:
    """The links of the visits of a PIMS account that start at a moment."""
    return tuple(
        tx.session.exec(
            select(Link)
            .where(
                Link.pims_account == pims_account,
                Link.visit_at == start,
                Link.kind == Kind.APPOINTMENT,
                col(Link.ended_at).is_(None),
            )
            .order_by(col(Link.id))
        ).all()
    )


def of_client_visits(
    tx: Transaction, link: Link, client_id: str, card_id: str | None, begin: datetime
) -> tuple[Link, ...]:
    """The links of the visits that begin at a moment or later, of a client of the accounts of ``link``.

    ``client_id`` is the client's id in the PIMS, ``card_id`` at the booking side. Found by what was read of the
    visits last: partners who share a card at the booking side may be among them.
    """
    keys = {client_key(link.pims_account, client_id)}
    keys |= set() if card_id is None else {client_key(link.booking_account, card_id)}
    rows = tx.session.exec(
        select(Record.account, Record.remote_id).where(
            Record.kind == Kind.APPOINTMENT, col(Record.id).in_(subjects.fitting(tx, (), keys))
        )
    ).all()
    here, there = (
        [remote_id for account, remote_id in rows if account == one]
        for one in (link.booking_account, link.pims_account)
    )
    return tuple(
        tx.session.exec(
            select(Link)
            .where(
                Link.kind == Kind.APPOINTMENT,
                Link.role == "primary",
                col(Link.ended_at).is_(None),
                col(Link.visit_at) >= begin,
                sa.or_(
                    sa.and_(col(Link.booking_account) == link.booking_account, col(Link.booking_id).in_(here)),
                    sa.and_(col(Link.pims_account) == link.pims_account, col(Link.pims_id).in_(there)),
                ),
            )
            .order_by(col(Link.id))
        ).all()
    )


def of_stamp(tx: Transaction, account: str, stamp: str) -> Link | None:
    """The link of the visit that was written with this stamp at an account."""
    return tx.session.exec(
        select(Link)
        .where(
            Link.stamp == stamp,
            sa.or_(col(Link.pims_account) == account, col(Link.booking_account) == account),
            Link.kind == Kind.APPOINTMENT,
            col(Link.ended_at).is_(None),
        )
        .order_by(col(Link.id))
    ).first()


def point(tx: Transaction, link: Link, *, pims_id: str | None = None, booking_id: str | None = None) -> None:
    """One of the two records has another id from now on."""
    row = tx.session.get_one(Link, link.id)
    row.pims_id = pims_id or row.pims_id
    row.booking_id = booking_id or row.booking_id
    row.updated_at = tx.now
    _due_anew(tx, row)


def put_member(
    tx: Transaction,
    *,
    site: str,
    booking_account: str,
    booking_id: str,
    pims_account: str,
    pims_id: str,
    origin: str,
    kind: Kind = Kind.CLIENT,
) -> Link:
    """Notes that a PIMS record shares the booking-side record of another one: a partner the client, a second pet's
    visit the booking; or the other way round."""
    row = Link(
        site=site,
        kind=kind,
        booking_account=booking_account,
        booking_id=booking_id,
        pims_account=pims_account,
        pims_id=pims_id,
        role="member",
        origin=origin,
        created_at=tx.now,
        updated_at=tx.now,
    )
    tx.session.add(row)
    tx.session.flush()
    _due_anew(tx, row)
    return row


def put(
    tx: Transaction,
    *,
    site: str,
    kind: Kind,
    booking_account: str,
    booking_id: str,
    pims_account: str,
    pims_id: str,
    origin: str,
    stamp: str = "",
    unlinked: bool = False,
    evidence: Any = None,
) -> Link:
    """Makes the link of a booking-side record, or points it at ``pims_id``."""
    row = of_booking(tx, booking_account, kind, booking_id)
    if row is None:
        row = Link(
            site=site,
            kind=kind,
            booking_account=booking_account,
            booking_id=booking_id,
            pims_account=pims_account,
            pims_id=pims_id,
            origin=origin,
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.session.add(row)
    if row.pims_id != pims_id or row.id is None:
        _due_anew(tx, row)
    row.pims_id = pims_id
    row.origin = origin
    row.stamp = stamp or row.stamp
    row.unlinked = unlinked
    row.updated_at = tx.now
    if evidence is not None:
        row.evidence_sealed = tx.sealer.seal(plain(evidence))
    tx.session.flush()
    return row


def set_bases(
    tx: Transaction,
    link: Link,
    *,
    booking: Mapping[str, object],
    pims: Mapping[str, object],
    booking_mapping: str,
    pims_mapping: str,
    pims_version: str | None,
) -> None:
    """Keeps what both sides last returned; what the next plan compares with."""
    link.booking_base_sealed = tx.sealer.seal(plain(dict(booking)))
    link.pims_base_sealed = tx.sealer.seal(plain(dict(pims)))
    link.booking_mapping = booking_mapping
    link.pims_mapping = pims_mapping
    link.pims_version = pims_version
    start = pims.get("start") or booking.get("start")
    link.visit_at = start.utc if isinstance(start, Instant) else None
    link.updated_at = tx.now


def note(tx: Transaction, link: Link, fields: Mapping[str, object]) -> None:
    """Keeps fields in the booking side's base that are beside the compared ones; None takes one out."""
    row = tx.session.get_one(Link, link.id)
    base = {**(bases(tx, row)[0] or {}), **fields}
    row.booking_base_sealed = tx.sealer.seal(plain({name: each for name, each in base.items() if each is not None}))
    row.updated_at = tx.now


def rewrite(tx: Transaction, link: Link, fields: Mapping[str, object]) -> None:
    """Keeps other values of some fields in the PIMS's base, which is news to nobody; nothing where there is none."""
    row = tx.session.get_one(Link, link.id)
    base = bases(tx, row)[1]
    if base is not None:
        row.pims_base_sealed = tx.sealer.seal(plain({**base, **fields}))
        row.updated_at = tx.now


def bases(tx: Transaction, link: Link) -> tuple[dict[str, object] | None, dict[str, object] | None]:
    """Both bases (booking, PIMS); None where there is none yet."""
    return tuple(
        None if sealed is None else rich(tx.sealer.open(sealed))
        for sealed in (link.booking_base_sealed, link.pims_base_sealed)
    )  # type: ignore[return-value]
