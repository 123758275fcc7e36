"""What a look at data quality asks the ledger: in batches, so that a large clinic fits into little memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.errors import MappingError
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Kind, Pet
from vetbridge.ledger import statements
from vetbridge.ledger.content import rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Acknowledgement, Change, ChangeState, Link, MatchKey, Mirror

_BATCH = 500
_LONGEST = timedelta(days=1)
"""No visit takes longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComingVisit:
    """A visit in the PIMS that is still to come, and on whom it stands."""

    pims_id: str
    client_id: str | None
    pet_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedResource:
    """When a visit in the PIMS that is still to come has somebody or something, by VetBridge's word."""

    site: str
    account: str
    pims_id: str
    resource: str
    start: datetime
    """UTC."""
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """Changes that failed as the mapping lacked something."""

    site: str
    account: str
    kind: Kind
    message: str
    count: int


def pets_alone(tx: Transaction, account: str) -> Iterator[Pet]:
    """Pets of the mirror whose owner it does not hold, by id."""
    after = ""
    while True:
        rows = statements.rows(
            tx,
            "SELECT remote_id, content_sealed FROM mirror AS pet WHERE account = ? AND kind = ? AND remote_id > ? "
            "AND content_sealed IS NOT NULL AND NOT EXISTS (SELECT 1 FROM mirror AS owner "
            "WHERE owner.account = pet.account AND owner.kind = ? AND owner.remote_id = pet.parent_id) "
            "ORDER BY remote_id LIMIT ?",
            (account, Kind.PET.value, after, Kind.CLIENT.value, _BATCH),
        )
        if not rows:
            return
        for _, sealed in rows:
            yield rich(tx.sealer.open(bytes(sealed)))
        after = rows[-1][0]


def shared_keys(tx: Transaction, account: str, *, holders: int = 2) -> Iterator[list[tuple[str, list[str]]]]:
    """Matching keys that so many clients or more have, hashed, each with those clients; batch by batch."""
    after = ""
    while True:
        keys = tx.session.exec(
            select(MatchKey.key_hash)
            .where(MatchKey.account == account, MatchKey.key_hash > after)
            .group_by(MatchKey.key_hash)
            .having(sa.func.count() >= holders)
            .order_by(MatchKey.key_hash)
            .limit(_BATCH)
        ).all()
        if not keys:
            return
        held: dict[str, list[str]] = {key: [] for key in keys}
        wanted = "SELECT key_hash, client_id FROM match_key WHERE account = ? AND key_hash IN"
        for key, client_id in statements.rows_of(tx, wanted, (account,), keys):
            held[key].append(client_id)
        yield [(key, sorted(ids)) for key, ids in held.items()]
        after = keys[-1]


def coming_visits(tx: Transaction, account: str) -> Iterator[ComingVisit]:
    """Linked visits of a PIMS account that begin from now on, as both sides had them when they were settled last."""
    after = 0
    while True:
        rows = tx.session.execute(
            sa.select(col(Link.id), col(Link.pims_id), col(Link.pims_base_sealed))
            .where(
                col(Link.pims_account) == account,
                col(Link.visit_at) >= tx.now,
                col(Link.kind) == Kind.APPOINTMENT,
                col(Link.ended_at).is_(None),
                col(Link.unlinked).is_(False),
                col(Link.pims_base_sealed).is_not(None),
                col(Link.id) > after,
            )
            .order_by(col(Link.id))
            .limit(_BATCH)
        ).all()
        if not rows:
            return
        for _, pims_id, sealed in rows:
            base: dict[str, Any] = rich(tx.sealer.open(bytes(sealed)))
            yield ComingVisit(pims_id=pims_id, client_id=base.get("client_id"), pet_id=base.get("pet_id"))
        after = rows[-1][0]


def booked_resources(tx: Transaction, sites: Collection[str]) -> Iterator[BookedResource]:
    """The linked visits of sites that have not ended yet, as the PIMS had them when they were settled last; without
    those that were cancelled or missed, and those without a resource."""
    after = 0
    while True:
        rows = tx.session.execute(
            sa.select(
                col(Link.id), col(Link.site), col(Link.pims_account), col(Link.pims_id), col(Link.pims_base_sealed)
            )
            .where(
                col(Link.site).in_(sorted(sites)),
                col(Link.visit_at) >= tx.now - _LONGEST,
                col(Link.kind) == Kind.APPOINTMENT,
                col(Link.ended_at).is_(None),
                col(Link.pims_base_sealed).is_not(None),
                col(Link.id) > after,
            )
            .order_by(col(Link.id))
            .limit(_BATCH)
        ).all()
        if not rows:
            return
        for _, site, account, pims_id, sealed in rows:
            base: dict[str, Any] = rich(tx.sealer.open(bytes(sealed)))
            start, seconds, resource = base.get("start"), base.get("duration"), base.get("resource")
            is_on = base.get("status") not in (AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW)
            if not (is_on and resource and isinstance(start, Instant) and isinstance(seconds, int)):
                continue
            if start.utc + timedelta(seconds=seconds) > tx.now:
                yield BookedResource(
                    site=site, account=account, pims_id=pims_id, resource=resource, start=start.utc, seconds=seconds
                )
        after = rows[-1][0]


def pets(tx: Transaction, account: str, ids: list[str]) -> dict[str, Pet]:
    """Pets as the mirror has them, by id."""
    return {
        id_: rich(tx.sealer.open(bytes(sealed)))
        for id_, sealed in statements.rows_of(
            tx,
            "SELECT remote_id, content_sealed FROM mirror WHERE account = ? AND kind = ? "
            "AND content_sealed IS NOT NULL AND remote_id IN",
            (account, Kind.PET.value),
            ids,
        )
    }


def unmapped(tx: Transaction) -> tuple[Unmapped, ...]:
    """What the mappings lack, by what the changes say that failed by it and that nobody has acknowledged."""
    seen_to = sa.exists().where(col(Acknowledgement.change_id) == col(Change.id))
    columns = (col(Change.site), col(Change.account), col(Change.kind), col(Change.message))
    rows = tx.session.execute(
        sa.select(*columns, sa.func.count())
        .where(col(Change.state) == ChangeState.FAILED, col(Change.code) == MappingError.code, ~seen_to)
        .group_by(*columns)
        .order_by(*columns)
    ).all()
    return tuple(
        Unmapped(site=site, account=account, kind=Kind(kind), message=message, count=count)
        for site, account, kind, message, count in rows
    )


def mirrored_accounts(tx: Transaction) -> tuple[str, ...]:
    """The accounts whose clients and pets the mirror holds."""
    return tuple(tx.session.exec(select(Mirror.account).distinct().order_by(Mirror.account)).all())
