"""The local mirror of PIMS clients and pets, with the hashed keys that find candidates in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.matching import Known, blocking_keys
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Account, MatchKey, Mirror

MOST_CANDIDATES = 100
"""Clients that one sort of key may bring; what finds more says too little to match by."""

_BATCH = 500
TABLE: sa.Table = Mirror.__table__  # type: ignore[attr-defined]
KEYS: sa.Table = MatchKey.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Stored:
    """What one round of storing did."""

    read: int
    changed: int


def put(tx: Transaction, account: str, records: Iterable[Client | Pet]) -> Stored:
    """Stores clients and pets as they were read, and the matching keys of every client they touch."""
    rows = {
        (row["kind"], row["remote_id"]): row for record in records if record.id and (row := _row(tx, account, record))
    }
    before = _stored(tx, account, list(rows))
    changed = [row for key, row in rows.items() if key not in before or before[key].digest_hash != row["digest_hash"]]
    touched: set[str] = set()
    for row in changed:
        held = before.get((row["kind"], row["remote_id"]))
        # A pet that moved decides the keys of the client it left, too.
        owners = (row["parent_id"], held.parent_id if held else None)
        touched.update([row["remote_id"]] if row["kind"] == Kind.CLIENT else [id_ for id_ in owners if id_])
    _upsert(tx, account, changed)
    _rekey(tx, account, touched)
    return Stored(read=len(rows), changed=len(changed))


def client(tx: Transaction, account: str, client_id: str) -> Known | None:
    """One client with its pets, as last read."""
    found = clients(tx, account, [client_id])
    return found[0] if found else None


def clients(tx: Transaction, account: str, ids: Collection[str]) -> tuple[Known, ...]:
    """Clients with their pets, as last read, by id."""
    wanted = sorted(ids)
    own = {
        row.remote_id: rich(tx.sealer.open(row.content_sealed))
        for row in _select(tx, account, Kind.CLIENT, TABLE.c.remote_id, wanted)
        if row.content_sealed
    }
    pets: dict[str, list[Pet]] = {id_: [] for id_ in own}
    for row in _select(tx, account, Kind.PET, TABLE.c.parent_id, wanted):
        if row.content_sealed and row.parent_id in pets:
            pets[row.parent_id].append(rich(tx.sealer.open(row.content_sealed)))
    return tuple(Known(record, tuple(pets[id_])) for id_, record in own.items())


def candidates(tx: Transaction, account: str, keys: Collection[str]) -> tuple[Known, ...]:
    """Clients that share a blocking key; those that share a contact come before those that share a name."""
    by_contact = [key for key in keys if not key.startswith("name:")]
    by_name = [key for key in keys if key.startswith("name:")]
    ids = dict.fromkeys([*_sharing(tx, account, by_contact), *_sharing(tx, account, by_name)])
    return clients(tx, account, list(ids))


def scan(tx: Transaction, account: str) -> Iterator[Known]:
    """Every client with its pets, opened batch by batch: for looks that no key serves. Stop when enough was seen."""
    after = ""
    while True:
        ids = tx.session.exec(
            select(Mirror.remote_id)
            .where(Mirror.account == account, Mirror.kind == Kind.CLIENT, col(Mirror.remote_id) > after)
            .order_by(Mirror.remote_id)
            .limit(_BATCH)
        ).all()
        if not ids:
            return
        yield from clients(tx, account, ids)
        after = ids[-1]


def owner_of(tx: Transaction, account: str, pet_id: str) -> str | None:
    """The id of the client whose pet this is; None where the mirror has no such pet."""
    return tx.session.exec(
        select(Mirror.parent_id).where(Mirror.account == account, Mirror.kind == Kind.PET, Mirror.remote_id == pet_id)
    ).first()


def _sharing(tx: Transaction, account: str, keys: Collection[str]) -> Sequence[str]:
    hashes = [tx.sealer.hash(key) for key in keys]
    return tx.session.exec(
        select(MatchKey.client_id)
        .where(MatchKey.account == account, col(MatchKey.key_hash).in_(hashes))
        .distinct()
        .order_by(MatchKey.client_id)
        .limit(MOST_CANDIDATES)
    ).all()


def count(tx: Transaction, account: str, kind: Kind) -> int:
    """How many records of a kind the mirror holds."""
    statement = select(sa.func.count()).select_from(Mirror).where(Mirror.account == account, Mirror.kind == kind)
    return tx.session.exec(statement).one()


def completed(tx: Transaction, account: str, *, first: bool) -> None:
    """The mirror was read up to now; ``first``: completely, and counted."""
    row = tx.session.get_one(Account, account)
    row.mirror_read_at = tx.now
    if first:
        row.mirror_complete_at = tx.now


def _row(tx: Transaction, account: str, record: Client | Pet) -> dict[str, Any]:
    content = plain(record)
    return {
        "account": account,
        "kind": str(Kind.CLIENT if isinstance(record, Client) else Kind.PET),
        "remote_id": record.id,
        "parent_id": record.client_id if isinstance(record, Pet) else None,
        "active": record.active,
        "content_sealed": tx.sealer.seal(content),
        "digest_hash": tx.sealer.hash(repr(content)),
        "read_at": tx.now,
    }


def _stored(tx: Transaction, account: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], sa.Row[Any]]:
    """What the mirror holds of these records."""
    return {
        (kind, row.remote_id): row
        for kind in (Kind.CLIENT, Kind.PET)
        for row in _select(tx, account, kind, TABLE.c.remote_id, [id_ for one, id_ in keys if one == kind])
    }


def _upsert(tx: Transaction, account: str, rows: Sequence[dict[str, Any]]) -> None:
    for kind in (Kind.CLIENT, Kind.PET):
        own = [row for row in rows if row["kind"] == kind]
        for start in range(0, len(own), _BATCH):
            batch = own[start : start + _BATCH]
            ids = [row["remote_id"] for row in batch]
            same = sa.and_(TABLE.c.account == account, TABLE.c.kind == kind, TABLE.c.remote_id.in_(ids))
            tx.session.execute(sa.delete(TABLE).where(same))
            tx.session.execute(sa.insert(TABLE), batch)


def _rekey(tx: Transaction, account: str, client_ids: Collection[str]) -> None:
    ids = sorted(client_ids)
    country = tx.session.get_one(Account, account).country
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        rows = [
            {"account": account, "key_hash": tx.sealer.hash(key), "client_id": known.client_id}
            for known in clients(tx, account, batch)
            for key in blocking_keys(known.client, known.pets, country)
        ]
        tx.session.execute(sa.delete(KEYS).where(KEYS.c.account == account, KEYS.c.client_id.in_(batch)))
        if rows:
            tx.session.execute(sa.insert(KEYS), rows)


def _select(
    tx: Transaction, account: str, kind: Kind, column: sa.Column[Any], values: Sequence[str]
) -> Iterator[sa.Row[Any]]:
    for start in range(0, len(values), _BATCH):
        batch = list(values[start : start + _BATCH])
        yield from tx.session.execute(
            sa.select(TABLE).where(TABLE.c.account == account, TABLE.c.kind == kind, column.in_(batch))
        )
