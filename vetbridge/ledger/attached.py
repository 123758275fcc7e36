"""Files: which content stands where already, which clients were asked for theirs, and from when on files are new."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.ledger import links, statements
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.owners import BOOKED_BY
from vetbridge.ledger.tables import Attached, Change, ChangeState, Cursor, FileLook, Link, Reading, Record

_EVERYBODY = ""
"""The client of the row that says when VetBridge began to look for files at a side."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardVisit:
    """A visit of a client of the booking side, and whose it is in the PIMS; None where that is not sure."""

    at: datetime
    card_id: str
    client_id: str | None
    pet_id: str | None


def begin(tx: Transaction, account: str) -> datetime:
    """When VetBridge began to look for files for a booking side; now, where it has not yet."""
    row = tx.session.get(FileLook, (account, _EVERYBODY))
    if row is None:
        row = FileLook(account=account, client_id=_EVERYBODY, looked_at=tx.now)
        tx.session.add(row)
    return row.looked_at


def began(tx: Transaction, account: str) -> datetime | None:
    """When VetBridge began to look for files for a booking side; None where it has not."""
    row = tx.session.get(FileLook, (account, _EVERYBODY))
    return None if row is None else row.looked_at


def end(tx: Transaction, account: str) -> None:
    """VetBridge looks for files at a side no more: what comes meanwhile is history when it begins again."""
    tx.session.execute(sa.delete(FileLook).where(col(FileLook.account) == account))
    for model in (Cursor, Reading):
        tx.session.execute(sa.delete(model).where(col(model.account) == account, col(model.kind) == Kind.ATTACHMENT))


def looks(tx: Transaction, account: str, client_ids: Collection[str]) -> dict[str, datetime]:
    """When each of these clients was asked for files last; without those who never were."""
    wanted = sorted({*client_ids} - {_EVERYBODY})
    found: dict[str, datetime] = {}
    for start in range(0, len(wanted), statements.BATCH):
        some = col(FileLook.client_id).in_(wanted[start : start + statements.BATCH])
        rows = tx.session.exec(
            select(FileLook.client_id, FileLook.looked_at).where(FileLook.account == account, some)
        )
        found.update(rows.all())
    return found


def looked(tx: Transaction, account: str, client_id: str) -> None:
    """A client was asked for files."""
    row = tx.session.get(FileLook, (account, client_id))
    if row is None:
        tx.session.add(FileLook(account=account, client_id=client_id, looked_at=tx.now))
    else:
        row.looked_at = tx.now


def look_soon(tx: Transaction, account: str, client_id: str) -> None:
    """A client is asked for files before the others: there is a reason to."""
    row = tx.session.get(FileLook, (account, client_id)) if client_id != _EVERYBODY else None
    if row is not None:
        row.looked_at = _LONG_AGO


def standing(tx: Transaction, account: str, client_id: str, digest: str) -> str | None:
    """The attachment of a client that has a content, by its SHA-256; None where none is known to."""
    row = tx.session.get(Attached, (account, client_id, _hash(tx, digest)))
    return None if row is None else row.remote_id


def put(tx: Transaction, account: str, client_id: str, digest: str, remote_id: str) -> None:
    """A content stands on a client; where it stands there several times, the first is kept."""
    key = (account, client_id, _hash(tx, digest))
    if tx.session.get(Attached, key) is None:
        tx.session.add(
            Attached(account=account, client_id=client_id, content_hash=key[2], remote_id=remote_id, seen_at=tx.now)
        )
        tx.session.flush()


def is_linked(tx: Transaction, account: str, remote_id: str) -> bool:
    """Whether an attachment is known to stand at the other side, too."""
    return (
        tx.session.exec(
            select(Link.id)
            .where(
                Link.kind == Kind.ATTACHMENT,
                sa.or_(
                    sa.and_(col(Link.booking_account) == account, col(Link.booking_id) == remote_id),
                    sa.and_(col(Link.pims_account) == account, col(Link.pims_id) == remote_id),
                ),
                col(Link.ended_at).is_(None),
            )
            .limit(1)
        ).first()
        is not None
    )


def is_known(tx: Transaction, account: str, remote_id: str) -> bool:
    """Whether an attachment was seen before."""
    return _record(tx, account, remote_id) is not None


def is_settled(tx: Transaction, account: str, remote_id: str, digest: str) -> bool:
    """Whether an attachment was seen before, and is not one that failed and is another by now, or that seemed gone.

    ``digest``: of its record as it is now.
    """
    record = _record(tx, account, remote_id)
    if record is None or record.gone_at is not None:
        return False
    last = tx.session.exec(
        select(Change.state).where(Change.record_id == record.id).order_by(col(Change.id).desc()).limit(1)
    ).first()
    return last != ChangeState.FAILED or record.digest_hash in (None, digest)


def _record(tx: Transaction, account: str, remote_id: str) -> Record | None:
    return tx.session.exec(
        select(Record).where(Record.account == account, Record.kind == Kind.ATTACHMENT, Record.remote_id == remote_id)
    ).first()


def visits(tx: Transaction, account: str, begin: datetime, end: datetime) -> tuple[CardVisit, ...]:
    """The visits of clients of a booking side between two moments that stand, the soonest first."""
    found = []
    for link in links.booked_visits(tx, account, begin, end):
        here, there = links.bases(tx, link)
        if link.visit_at is None or here is None or there is None or not here.get(BOOKED_BY):
            continue
        if AppointmentStatus.CANCELLED in (here.get("status"), there.get("status")):
            continue
        client_id, pet_id = (None if link.unlinked else there.get(name) for name in ("client_id", "pet_id"))
        found.append(
            CardVisit(
                at=link.visit_at,
                card_id=str(here[BOOKED_BY]),
                client_id=None if client_id is None else str(client_id),
                pet_id=None if pet_id is None else str(pet_id),
            )
        )
    return tuple(sorted(found, key=lambda each: each.at))


def _hash(tx: Transaction, digest: str) -> str:
    return tx.sealer.hash(f"file|{digest}")
