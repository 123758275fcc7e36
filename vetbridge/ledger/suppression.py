"""Who was forgotten: records of which nothing is read into the ledger again, known by keyed hashes alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger import statements
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Suppression

TABLE: sa.Table = Suppression.__table__  # type: ignore[attr-defined]

Person = TypeVar("Person", bound=Client | Pet)


class Key(NamedTuple):
    """A record by its account, its kind and its id there."""

    account: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.account}/{self.kind}/{self.id}"

    @property
    def named(self) -> str:
        """As a person names it: ACCOUNT/ID for a client, ACCOUNT/KIND/ID for anything else."""
        return f"{self.account}/{self.id}" if self.kind == Kind.CLIENT else str(self)


def forget(tx: Transaction, keys: Collection[Key], owner_hash: str) -> int:
    """Nothing of these records is read in from now on; returns how many of them were not forgotten yet."""
    hashes = {hash_of(tx, key) for key in keys}
    new = sorted(hashes - _kept(tx, hashes))
    if new:
        tx.session.execute(
            sa.insert(TABLE), [{"key_hash": each, "owner_hash": owner_hash, "made_at": tx.now} for each in new]
        )
    return len(new)


def readmit(tx: Transaction, owner_hash: str) -> int:
    """An owner's records may be read in again; returns how many that are."""
    done = tx.session.execute(sa.delete(TABLE).where(TABLE.c.owner_hash == owner_hash))
    return int(done.rowcount)  # type: ignore[attr-defined]


def is_forgotten(tx: Transaction, account: str, kind: str, remote_id: str | None) -> bool:
    """Whether a record is one of an owner who was forgotten."""
    if remote_id is None or not _any(tx):
        return False
    return bool(_kept(tx, [hash_of(tx, Key(account, kind, remote_id))]))


def ids_forgotten(tx: Transaction, account: str, kind: str, ids: Iterable[str]) -> set[str]:
    """Those of a kind's ids at an account that were forgotten."""
    if not _any(tx):
        return set()
    by_hash = {hash_of(tx, Key(account, kind, id_)): id_ for id_ in ids}
    return {by_hash[each] for each in _kept(tx, by_hash)}


def but_forgotten(tx: Transaction, account: str, records: Iterable[Person]) -> list[Person]:
    """Clients and pets of an account without those who were forgotten, and without the pets of such clients.

    A pet that is somebody else's by now is forgotten no more: it is theirs.
    """
    every = list(records)
    if not _any(tx):
        return every
    owners = {each.client_id if isinstance(each, Pet) else each.id for each in every}
    clients = ids_forgotten(tx, account, Kind.CLIENT, [id_ for id_ in owners if id_])
    animals = {each.id: each.client_id for each in every if isinstance(each, Pet) and each.id}
    pets = ids_forgotten(tx, account, Kind.PET, animals)
    passed_on = {id_ for id_ in pets if animals[id_] and animals[id_] not in clients}
    hashes = [hash_of(tx, Key(account, Kind.PET, id_)) for id_ in sorted(passed_on)]
    if hashes:
        tx.session.execute(sa.delete(TABLE).where(TABLE.c.key_hash.in_(hashes)))
        pets -= passed_on
    return [
        each
        for each in every
        if (
            each.client_id not in clients and each.id not in pets if isinstance(each, Pet) else each.id not in clients
        )
    ]


def owner_hash_of(tx: Transaction, key: Key) -> str | None:
    """By what all records of the same forgotten owner are known; None for a record that was not forgotten."""
    row = tx.session.get(Suppression, hash_of(tx, key))
    return None if row is None else row.owner_hash


def of_owner(tx: Transaction, owner_hash: str) -> frozenset[str]:
    """The hashes of all records of an owner who was forgotten."""
    return frozenset(tx.session.exec(select(Suppression.key_hash).where(col(Suppression.owner_hash) == owner_hash)))


def hash_of(tx: Transaction, key: Key) -> str:
    """By what a record is known here."""
    return tx.sealer.hash(f"forgotten|{key}")


def _any(tx: Transaction) -> bool:
    """Whether anybody was forgotten at all: mostly nobody was, and then a bulk of records costs one question."""
    return bool(statements.rows(tx, "SELECT 1 FROM suppression LIMIT 1", ()))


def _kept(tx: Transaction, hashes: Collection[str]) -> set[str]:
    rows: Sequence[str] = sorted(hashes)
    return {row[0] for row in statements.rows_of(tx, "SELECT key_hash FROM suppression WHERE key_hash IN", (), rows)}
