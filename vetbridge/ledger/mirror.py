"""The local mirror of PIMS clients and pets, with the hashed keys that find candidates in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.matching import Known, blocking_keys
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import Account, MatchKey, Mirror

MOST_CANDIDATES = 100
"""Clients that one sort of key may bring; what finds more says too little to match by."""

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """What one round of storing did."""

    read: int
    changed: int


def put(tx: Transaction, account: str, records: Iterable[Client | Pet]) -> Stored:
    """Stores clients and pets as they were read, and the matching keys of every client they touch."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        if record.id is None:
            continue
        kind = Kind.CLIENT if isinstance(record, Client) else Kind.PET
        rows[kind, record.id] = _row(tx, account, kind, record)
    changed = [row for row in rows.values() if row["digest_hash"] != _digests(tx, account, rows).get(_key(row))]
    touched: set[str] = set()
    for row in changed:
        touched.update(_clients_of(tx, account, row))
    _upsert(tx, changed)
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
        for row in _select(tx, account, Kind.CLIENT, col(Mirror.remote_id), wanted)
        if row.content_sealed
    }
    pets: dict[str, list[Pet]] = {id_: [] for id_ in own}
    for row in _select(tx, account, Kind.PET, col(Mirror.parent_id), wanted):
        if row.content_sealed and row.parent_id in pets:
            pets[row.parent_id].append(rich(tx.sealer.open(row.content_sealed)))
    return tuple(Known(record, tuple(pets[id_])) for id_, record in own.items())


def candidates(tx: Transaction, account: str, keys: Collection[str]) -> tuple[Known, ...]:
    """Clients that share a blocking key; those that share a contact come before those that share a name."""
    by_contact = [key for key in keys if not key.startswith("name:")]
    by_name = [key for key in keys if key.startswith("name:")]
    ids = dict.fromkeys([*_sharing(tx, account, by_contact), *_sharing(tx, account, by_name)])
    return clients(tx, account, list(ids))


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


def _row(tx: Transaction, account: str, kind: Kind, record: Client | Pet) -> dict[str, Any]:
    content = plain(record)
    return {
        "account": account,
        "kind": str(kind),
        "remote_id": record.id,
        "parent_id": record.client_id if isinstance(record, Pet) else None,
        "active": record.active,
        "content_sealed": tx.sealer.seal(content),
        "digest_hash": _digest(tx.sealer, content),
        "read_at": tx.now,
    }


def _digest(sealer: Sealer, content: object) -> str:
    return sealer.hash(repr(content))


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["kind"], row["remote_id"]


def _digests(
    tx: Transaction, account: str, rows: dict[tuple[str, str], dict[str, Any]]
) -> dict[tuple[str, str], str]:
    known: dict[tuple[str, str], str] = {}
    for kind in (Kind.CLIENT, Kind.PET):
        ids = [id_ for row_kind, id_ in rows if row_kind == kind]
        for row in _select(tx, account, kind, col(Mirror.remote_id), ids):
            known[kind, row.remote_id] = row.digest_hash
    return known


def _clients_of(tx: Transaction, account: str, row: dict[str, Any]) -> set[str]:
    """The clients whose keys a row decides: its own, and for a pet that moved also the one it left."""
    if row["kind"] == Kind.CLIENT:
        return {row["remote_id"]}
    before = tx.session.get(Mirror, (account, Kind.PET, row["remote_id"]))
    return {id_ for id_ in (row["parent_id"], before.parent_id if before else None) if id_}


def _upsert(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    table = Mirror.__table__  # type: ignore[attr-defined]
    for start in range(0, len(rows), _BATCH):
        batch = list(rows[start : start + _BATCH])
        keys = [(row["account"], row["kind"], row["remote_id"]) for row in batch]
        tx.session.execute(
            sa.delete(table).where(sa.tuple_(table.c.account, table.c.kind, table.c.remote_id).in_(keys))
        )
        tx.session.execute(sa.insert(table), batch)
    tx.session.expire_all()


def _rekey(tx: Transaction, account: str, client_ids: Collection[str]) -> None:
    table = MatchKey.__table__  # type: ignore[attr-defined]
    ids = sorted(client_ids)
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        rows = [
            {"account": account, "key_hash": tx.sealer.hash(key), "client_id": known.client.id}
            for known in clients(tx, account, batch)
            for key in blocking_keys(known.client, known.pets, _country(tx, account))
        ]
        tx.session.execute(sa.delete(table).where(table.c.account == account, table.c.client_id.in_(batch)))
        if rows:
            tx.session.execute(sa.insert(table), rows)


def _country(tx: Transaction, account: str) -> str:
    return tx.session.get_one(Account, account).country


def _select(tx: Transaction, account: str, kind: Kind, column: Any, values: Sequence[str]) -> Iterable[Mirror]:
    for start in range(0, len(values), _BATCH):
        yield from tx.session.exec(
            select(Mirror).where(
                Mirror.account == account, Mirror.kind == kind, column.in_(list(values[start : start + _BATCH]))
            )
        )
