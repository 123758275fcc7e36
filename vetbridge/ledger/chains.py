"""Clients whom several branches of a chain have: who was compared, and who is one person.

The only place that reads and writes the tables ``joining`` and ``joined``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import select

from vetbridge.core import joining
from vetbridge.core.joining import Asked, Partner
from vetbridge.core.matching import Forms
from vetbridge.core.records import Kind
from vetbridge.ledger import mirror, statements
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Joining, Mirror

Client = tuple[str, str]
"""A client of a PIMS: the account and the id there."""

_MOST_GONE = 1000
_JOINING = Joining.__table__  # type: ignore[attr-defined]


def same_person(tx: Transaction, account: str, client_id: str) -> tuple[Client, ...]:
    """The clients of the chain's other PIMS accounts who are the same person, each joined with this one itself."""
    return joined_with(tx, account, [client_id]).get(client_id, ())


def joined_with(tx: Transaction, account: str, ids: Collection[str]) -> dict[str, tuple[Client, ...]]:
    """The same of several clients of one account, by id; nothing of those who are joined with nobody."""
    found: dict[str, set[Client]] = {}
    wanted = sorted(ids)
    for id_, other, other_id in (
        *statements.rows_of(
            tx,
            "SELECT client_id, other_account, other_id FROM joined WHERE account = ? AND client_id IN",
            (account,),
            wanted,
        ),
        *statements.rows_of(
            tx,
            "SELECT other_id, account, client_id FROM joined WHERE other_account = ? AND other_id IN",
            (account,),
            wanted,
        ),
    ):
        found.setdefault(id_, set()).add((other, other_id))
    return {id_: tuple(sorted(others)) for id_, others in found.items()}


def deceased_elsewhere(tx: Transaction, account: str, clients: Iterable[Forms]) -> dict[str, tuple[str, ...]]:
    """The pets of these clients, by id, that are deceased in other accounts of the chain, with those accounts."""
    of = {one.client_id: one for one in clients if one.animals}
    joined = joined_with(tx, account, list(of))
    wanted: dict[str, set[str]] = {}
    for others in joined.values():
        for other, other_id in others:
            wanted.setdefault(other, set()).add(other_id)
    records = {
        (other, one.client_id): one for other, ids in wanted.items() for one in mirror.comparable(tx, other, ids)
    }
    found: dict[str, tuple[str, ...]] = {}
    for id_, others in joined.items():
        elsewhere: dict[str, list[Forms]] = {}
        for one in others:
            if one in records:
                elsewhere.setdefault(one[0], []).append(records[one])
        found |= joining.deceased_at(of[id_], elsewhere)
    return found


def pets_changed_at(tx: Transaction, account: str, client_id: str) -> datetime | None:
    """When a pet that the same person has in another account of the chain was last read otherwise than before."""
    changed = [
        tx.session.exec(
            select(sa.func.max(Mirror.read_at)).where(
                Mirror.account == other, Mirror.kind == Kind.PET, Mirror.parent_id == other_id
            )
        ).one()
        for other, other_id in same_person(tx, account, client_id)
    ]
    return max((at for at in changed if at is not None), default=None)


def asked(tx: Transaction, account: str, client: Forms, but: Collection[str]) -> Asked:
    """What an account's mirror holds for a client of another account; ``but``: who is never meant, a placeholder."""
    found = mirror.find(tx, account, client)
    candidates = [one for one in found.candidates if one.client_id not in but]
    return Asked(candidates, found.clinic, found.crowded)


# -- who is to be compared ------------------------------------------------------------------------------------------


def window(tx: Transaction, account: str, after: str, size: int) -> tuple[str, ...]:
    """The next so many clients of an account, by id, behind ``after``."""
    found = statements.rows(
        tx,
        "SELECT remote_id FROM mirror WHERE account = ? AND kind = ? AND remote_id > ? AND forms_sealed IS NOT NULL "
        "ORDER BY remote_id LIMIT ?",
        (account, Kind.CLIENT.value, after, size),
    )
    return tuple(id_ for (id_,) in found)


def digests(tx: Transaction, account: str, ids: Sequence[str]) -> dict[str, str]:
    """What the mirror has of clients with their pets, hashed, by id; nothing of those it does not have."""
    parts: dict[str, list[str]] = {
        id_: [str(joining.VERSION), digest]
        for id_, digest in statements.rows_of(
            tx,
            "SELECT remote_id, digest_hash FROM mirror WHERE account = ? AND kind = ? AND forms_sealed IS NOT NULL "
            "AND remote_id IN",
            (account, Kind.CLIENT.value),
            ids,
        )
    }
    pets = statements.rows_of(
        tx,
        "SELECT parent_id, digest_hash FROM mirror WHERE account = ? AND kind = ? AND parent_id IN",
        (account, Kind.PET.value),
        list(parts),
    )
    for id_, digest in sorted(map(tuple, pets)):
        parts[id_].append(digest)
    return {id_: tx.sealer.hash(" ".join(each)) for id_, each in parts.items()}


def changed(tx: Transaction, account: str, digests_now: Mapping[str, str]) -> tuple[str, ...]:
    """Those of these clients who were not compared yet as they are now."""
    before = dict(
        map(
            tuple,
            statements.rows_of(
                tx,
                "SELECT client_id, digest_hash FROM joining WHERE account = ? AND client_id IN",
                (account,),
                list(digests_now),
            ),
        )
    )
    return tuple(id_ for id_, digest in sorted(digests_now.items()) if before.get(id_) != digest)


# -- what came of it ------------------------------------------------------------------------------------------------


def looked(tx: Transaction, account: str, digests_then: Mapping[str, str]) -> None:
    """These clients were compared as they were then."""
    at = _moment(tx)
    statements.run(
        tx,
        "INSERT INTO joining (account, client_id, digest_hash, looked_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (account, client_id) DO UPDATE SET digest_hash = excluded.digest_hash, "
        "looked_at = excluded.looked_at",
        [(account, id_, digest, at) for id_, digest in sorted(digests_then.items())],
    )


def join(tx: Transaction, client: Client, other: Client, found: Partner | None) -> None:
    """Two clients are one person, or, with None, two.

    One is nobody else's partner in the account of the other: joins of either that say so end.
    """
    for one, there in ((client, other), (other, client)) if found is not None else ():
        for held in same_person(tx, *one):
            if held[0] == there[0] and held != there:
                _end(tx, one, held)
    if found is None:
        _end(tx, client, other)
        return
    (account, client_id), (other_account, other_id) = sorted((client, other))
    statements.run(
        tx,
        "INSERT INTO joined (account, client_id, other_account, other_id, probability, joined_at) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, client_id, other_account, other_id) "
        "DO UPDATE SET probability = excluded.probability",
        [(account, client_id, other_account, other_id, found.probability, _moment(tx))],
    )


def gone(tx: Transaction) -> tuple[Client, ...]:
    """Clients of whom something is kept here, and whom the mirror does not have any more; some, where they are
    many."""
    kept = (
        "SELECT account, client_id FROM joining UNION SELECT account, client_id FROM joined "
        "UNION SELECT other_account, other_id FROM joined"
    )
    found = statements.rows(
        tx,
        f"SELECT account, client_id FROM ({kept}) AS kept WHERE NOT EXISTS (SELECT 1 FROM mirror "  # noqa: S608 - no value
        "WHERE mirror.account = kept.account AND mirror.kind = ? AND mirror.remote_id = kept.client_id) LIMIT ?",
        (Kind.CLIENT.value, _MOST_GONE),
    )
    return tuple((account, id_) for account, id_ in found)


def drop(tx: Transaction, clients: Iterable[Client]) -> None:
    """Takes out everything of clients."""
    each = sorted(clients)
    statements.run(tx, "DELETE FROM joining WHERE account = ? AND client_id = ?", each)
    statements.run(tx, "DELETE FROM joined WHERE account = ? AND client_id = ?", each)
    statements.run(tx, "DELETE FROM joined WHERE other_account = ? AND other_id = ?", each)


def keep_only(tx: Transaction, chains: Iterable[Collection[str]]) -> None:
    """Ends what no chain of the config holds together any more. ``chains``: the PIMS accounts of each."""
    together = {(one, other) for chain in chains for one in chain for other in chain if one != other}
    accounts = {one for one, _ in together}
    for (account,) in statements.rows(tx, "SELECT DISTINCT account FROM joining", ()):
        if account not in accounts:
            statements.run(tx, "DELETE FROM joining WHERE account = ?", [(account,)])
    for pair in statements.rows(tx, "SELECT DISTINCT account, other_account FROM joined", ()):
        if tuple(pair) not in together:
            statements.run(tx, "DELETE FROM joined WHERE account = ? AND other_account = ?", [tuple(pair)])


def _end(tx: Transaction, one: Client, other: Client) -> None:
    (account, client_id), (other_account, other_id) = sorted((one, other))
    statements.run(
        tx,
        "DELETE FROM joined WHERE account = ? AND client_id = ? AND other_account = ? AND other_id = ?",
        [(account, client_id, other_account, other_id)],
    )


def _moment(tx: Transaction) -> object:
    """Now, as the driver takes a moment."""
    bound = _JOINING.c.looked_at.type.bind_processor(tx.session.connection().dialect)
    return bound(tx.now) if bound else tx.now
