"""The family of one client: its counterparts at the other side, and its visits that the ledger knows."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger import changes
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Link, Record


def pims_clients(tx: Transaction, booking_account: str, pims_account: str, client_id: str) -> set[str]:
    """The PIMS clients that a booking client is linked to, as primary or member."""
    return set(
        tx.session.exec(
            select(Link.pims_id).where(
                *_between(booking_account, pims_account, Kind.CLIENT), Link.booking_id == client_id
            )
        )
    )


def booking_clients(tx: Transaction, booking_account: str, pims_account: str, client_id: str) -> set[str]:
    """The booking clients that a PIMS client is linked to."""
    return set(
        tx.session.exec(
            select(Link.booking_id).where(
                *_between(booking_account, pims_account, Kind.CLIENT), Link.pims_id == client_id
            )
        )
    )


def visits(tx: Transaction, account: str, client_id: str) -> set[str]:
    """Ids of a client's visits at one account, as far as they were read and are not gone."""
    return set(
        tx.session.exec(
            select(Record.remote_id).where(
                Record.account == account,
                Record.kind == Kind.APPOINTMENT,
                Record.lane == changes.client_lane(account, client_id),
                col(Record.gone_at).is_(None),
            )
        )
    )


def booking_of(tx: Transaction, booking_account: str, pims_account: str, visit_id: str) -> str | None:
    """The booking that a PIMS visit is linked to."""
    return tx.session.exec(
        select(Link.booking_id).where(
            *_between(booking_account, pims_account, Kind.APPOINTMENT), Link.pims_id == visit_id
        )
    ).first()


def _between(booking_account: str, pims_account: str, kind: Kind) -> list[sa.ColumnElement[bool]]:
    """The standing links of a kind between two accounts."""
    return [
        col(Link.kind) == kind,
        col(Link.booking_account) == booking_account,
        col(Link.pims_account) == pims_account,
        col(Link.ended_at).is_(None),
    ]
