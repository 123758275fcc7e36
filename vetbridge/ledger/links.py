"""Links: this record there is that record here, with the two bases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Link


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


def of_pims(tx: Transaction, account: str, kind: Kind, pims_id: str) -> Link | None:
    """The link of a PIMS record, a primary one before a member; of several pairs on one PIMS the oldest."""
    return tx.session.exec(
        select(Link)
        .where(
            Link.pims_account == account,
            Link.kind == kind,
            Link.pims_id == pims_id,
            col(Link.ended_at).is_(None),
        )
        .order_by(col(Link.role).desc(), col(Link.id))
        .limit(1)
    ).first()


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
    link.updated_at = tx.now


def bases(tx: Transaction, link: Link) -> tuple[dict[str, object] | None, dict[str, object] | None]:
    """Both bases (booking, PIMS); None where there is none yet."""
    return tuple(
        None if sealed is None else rich(tx.sealer.open(sealed))
        for sealed in (link.booking_base_sealed, link.pims_base_sealed)
    )  # type: ignore[return-value]
