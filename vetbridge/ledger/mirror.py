"""The local mirror of PIMS clients and pets, with the hashed keys that find candidates in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.matching import Clinic, Forms, Known, booking_key, contact_keys, forms_of, home_keys, keys, terms
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger import statements, suppression
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Account, MatchKey, Mirror

MOST_CANDIDATES = 100
"""So many clients are compared with a booking at the most, those that share the rarest keys."""
CROWDED = 60
"""A key that more clients have says too little to find anybody by."""

_BATCH = 500
_TERMS_OF_A_SELECT = 248
_AT_ONCE = 5000
"""The forms and keys of so many clients are held in memory at once."""
TABLE: sa.Table = Mirror.__table__  # type: ignore[attr-defined]
_OWNERS = "owners"
"""The term that every client has."""
_BOOKED_BY_OTHERS = "cared for"
"""The term of every client with a pet that somebody else cares for, or owns a share of."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What one round of storing did."""

    read: int
    changed: int


def put(tx: Transaction, account: str, records: Iterable[Client | Pet]) -> Stored:
    """Stores clients and pets as they were read, and the matching keys of every client they touch.

    Those who were forgotten are left out, with their pets.
    """
    known = suppression.but_forgotten(tx, account, records)
    read = {(_kind(record), record.id): record for record in known if record.id}
    before = _before(tx, account, list(read))
    changed: dict[tuple[Kind, str], _Row] = {}
    touched: set[str] = set()
    for key, record in read.items():
        held = before.get(key)
        content = plain(record)
        digest = tx.sealer.hash(repr(content))
        if held is not None and held.digest_hash == digest:
            continue
        changed[key] = _Row(record, tx.sealer.seal(content), digest)
        if isinstance(record, Client):
            touched.add(key[1])
        else:
            # A pet that moved decides the keys of the client it left, too.
            owners = (record.client_id, held.parent_id if held else None)
            touched.update(id_ for id_ in owners if id_)
    _upsert(tx, account, [row for (kind, _), row in changed.items() if kind is Kind.PET])
    ids = sorted(touched)
    for start in range(0, len(ids), _AT_ONCE):
        _rekey(tx, account, ids[start : start + _AT_ONCE], read, changed)
    return Stored(read=len(read), changed=len(changed))


def remove(tx: Transaction, account: str, client_ids: Collection[str], pet_ids: Collection[str]) -> None:
    """Takes clients and pets out of an account's mirror, with their keys, with what they count among the names, and
    with what is kept of the pets."""
    counted: dict[str, int] = {}
    for one in comparable(tx, account, client_ids):
        _count(counted, one, -1)
    before = _before(tx, account, [(Kind.PET, id_) for id_ in pet_ids])
    others = {held.parent_id for held in before.values() if held.parent_id} - set(client_ids)
    statements.run(
        tx,
        "DELETE FROM match_key WHERE account = ? AND client_id = ?",
        [(account, id_) for id_ in sorted(client_ids)],
    )
    statements.run(
        tx,
        "DELETE FROM mirror WHERE account = ? AND kind = ? AND remote_id = ?",
        [(account, kind.value, id_) for kind, ids in ((Kind.PET, pet_ids), (Kind.CLIENT, client_ids)) for id_ in ids],
    )
    statements.run(
        tx,
        "DELETE FROM mirror WHERE account = ? AND parent_id = ? AND kind NOT IN (?, ?)",
        [(account, id_, Kind.CLIENT.value, Kind.PET.value) for id_ in sorted(pet_ids)],
    )
    _add_terms(tx, account, counted)
    _rekey(tx, account, sorted(others), {}, {})  # whose pet was another's, too
    statements.run(tx, "DELETE FROM match_term WHERE account = ? AND count <= 0", [(account,)])


def drop(tx: Transaction, account: str, kind: Kind, id_: str) -> None:
    """Takes one client or pet out of an account's mirror."""
    remove(tx, account, [id_] if kind is Kind.CLIENT else (), [id_] if kind is Kind.PET else ())


def client(tx: Transaction, account: str, client_id: str) -> Known | None:
    """One client with its pets, as last read."""
    found = clients(tx, account, [client_id])
    return found[0] if found else None


def clients(tx: Transaction, account: str, ids: Collection[str]) -> tuple[Known, ...]:
    """Clients with their pets, as last read, by id."""
    own = _clients(tx, account, sorted(ids))
    pets = _pets(tx, account, list(own), {})
    return tuple(Known(own[id_], tuple(pets.get(id_, ()))) for id_ in sorted(own))


@dataclass(frozen=True, slots=True)
class Found:
    """What the mirror holds for a booking: whom to compare, how common its names are, contacts that say nothing."""

    candidates: tuple[Forms, ...]
    clinic: Clinic
    crowded: frozenset[str]


def find(tx: Transaction, account: str, booking: Forms) -> Found:
    """The clients that share a key with a booking, those with the rarest keys first."""
    contacts = contact_keys(booking)
    shared, crowded = _sharing(tx, account, keys(booking), contacts)
    best = sorted(shared, key=lambda id_: (-shared[id_], id_))[:MOST_CANDIDATES]
    return Found(
        comparable(tx, account, best),
        clinic(tx, account, booking),
        frozenset(key.partition(":")[2] for key in crowded & contacts),
    )


def household(tx: Transaction, account: str, of: Forms) -> tuple[Forms, ...]:
    """The records that share a contact or the address with one; itself among them."""
    shared, _ = _sharing(tx, account, home_keys(of), frozenset())
    return comparable(tx, account, sorted(shared)[:CROWDED])


def _sharing(
    tx: Transaction, account: str, wanted: Collection[str], contacts: Collection[str]
) -> tuple[dict[str, float], frozenset[str]]:
    """Clients with what the keys they share weigh, and the keys that are crowded. A contact weighs more."""
    by_hash = {tx.sealer.hash(key): key for key in wanted}
    holders: dict[str, list[str]] = {}
    for key_hash, client_id in _holders(tx, account, list(by_hash)):
        holders.setdefault(by_hash[key_hash], []).append(client_id)
    crowded = frozenset(key for key, ids in holders.items() if len(ids) > CROWDED)
    shared: dict[str, float] = {}
    for key, ids in holders.items():
        if key not in crowded:
            for id_ in ids:
                shared[id_] = shared.get(id_, 0.0) + 1 / len(ids) + (key in contacts)
    return shared, crowded


def with_pets_of_others(tx: Transaction, account: str, those: Collection[Forms]) -> tuple[Forms, ...]:
    """Clients with the pets of others for which they may book, beside their own: of which they own a share, or for
    which they care."""
    hash_ = tx.sealer.hash(_BOOKED_BY_OTHERS)
    counted = "SELECT count FROM match_term WHERE account = ? AND count > 0 AND term_hash IN"
    if not list(statements.rows_of(tx, counted, (account,), [hash_])):
        return tuple(those)
    hashes = [tx.sealer.hash(booking_key(one.client_id)) for one in those]
    owners = {client_id for _, client_id in _holders(tx, account, hashes)}
    pets = [pet for owner in comparable(tx, account, owners) for pet in owner.animals]
    return tuple(
        one._replace(animals=(*one.animals, *(pet for pet in pets if one.client_id in pet.may_book))) for one in those
    )


def pets_of_others(tx: Transaction, account: str, client_id: str) -> tuple[Pet, ...]:
    """The pets of others for which a client may book, as last read."""
    owners = {owner for _, owner in _holders(tx, account, [tx.sealer.hash(booking_key(client_id))])}
    return tuple(
        pet
        for known in clients(tx, account, owners)
        for pet in known.pets
        if pet.client_id != client_id and pet.may_be_booked_by(client_id)
    )


def comparable(tx: Transaction, account: str, ids: Collection[str]) -> tuple[Forms, ...]:
    """The comparable forms of clients, by id."""
    found = statements.rows_of(
        tx,
        "SELECT forms_sealed FROM mirror WHERE account = ? AND kind = ? AND forms_sealed IS NOT NULL "
        "AND remote_id IN",
        (account, Kind.CLIENT.value),
        sorted(ids),
    )
    return tuple(Forms.unpacked(tx.sealer.open(bytes(sealed))) for (sealed,) in found)


def clinic(tx: Transaction, account: str, booking: Forms) -> Clinic:
    """How many clients the mirror holds, and on how many of them the booking's names stand."""
    by_hash = {tx.sealer.hash(term): term for term in (_OWNERS, *terms(booking))}
    found = statements.rows_of(
        tx, "SELECT term_hash, count FROM match_term WHERE account = ? AND term_hash IN", (account,), list(by_hash)
    )
    counts = {by_hash[term_hash]: count for term_hash, count in found}
    return Clinic(counts.pop(_OWNERS, 0), counts)


def with_contact(tx: Transaction, account: str, contacts: Collection[str]) -> tuple[Known, ...]:
    """Clients that have one of these contacts, as ``contact_keys`` makes them."""
    hashes = [tx.sealer.hash(key) for key in contacts]
    ids = tx.session.exec(
        select(MatchKey.client_id)
        .where(MatchKey.account == account, col(MatchKey.key_hash).in_(hashes))
        .distinct()
        .order_by(MatchKey.client_id)
        .limit(MOST_CANDIDATES)
    ).all()
    return clients(tx, account, ids)


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


def pets_of(tx: Transaction, account: str, client_id: str) -> tuple[str, ...]:
    """The ids of a client's pets, as last read, also of a client whom the mirror has no more."""
    return tuple(
        tx.session.exec(
            select(Mirror.remote_id)
            .where(Mirror.account == account, Mirror.kind == Kind.PET, Mirror.parent_id == client_id)
            .order_by(Mirror.remote_id)
        ).all()
    )


def some(tx: Transaction, account: str, kind: Kind, *, but: str, most: int) -> tuple[str, ...]:
    """The ids of some other records of a kind that stand, those read last first."""
    return tuple(
        tx.session.exec(
            select(Mirror.remote_id)
            .where(
                Mirror.account == account, Mirror.kind == kind, Mirror.remote_id != but, col(Mirror.active).is_(True)
            )
            .order_by(col(Mirror.read_at).desc(), Mirror.remote_id)
            .limit(most)
        ).all()
    )


def _holders(tx: Transaction, account: str, hashes: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Each key with the clients that have it, one more than ``CROWDED`` at the most."""
    found: list[tuple[str, str]] = []
    one = (
        "SELECT key_hash, client_id FROM (SELECT key_hash, client_id FROM match_key "
        "WHERE account = ? AND key_hash = ? LIMIT ?) AS held"
    )
    for start in range(0, len(hashes), _TERMS_OF_A_SELECT):
        batch = statements.filled(hashes[start : start + _TERMS_OF_A_SELECT])
        values = [value for key_hash in batch for value in (account, key_hash, CROWDED + 1)]
        found.extend(statements.rows(tx, " UNION ALL ".join([one] * len(batch)), tuple(values)))
    return found


def count(tx: Transaction, account: str, kind: Kind) -> int:
    """How many records of a kind the mirror holds."""
    statement = select(sa.func.count()).select_from(Mirror).where(Mirror.account == account, Mirror.kind == kind)
    return tx.session.exec(statement).one()


def count_standing(tx: Transaction, account: str, kind: Kind) -> int:
    """How many of them stand: those that are told to be inactive do not."""
    statement = select(sa.func.count()).select_from(Mirror)
    return tx.session.exec(
        statement.where(Mirror.account == account, Mirror.kind == kind, col(Mirror.active).is_(True))
    ).one()


def read(tx: Transaction, account: str, kind: Kind, ids: Sequence[str]) -> dict[str, Client | Pet]:
    """Clients or pets as last read, by id."""
    return {
        id_: rich(tx.sealer.open(bytes(sealed)))
        for id_, sealed in statements.rows_of(
            tx,
            "SELECT remote_id, content_sealed FROM mirror WHERE account = ? AND kind = ? "
            "AND content_sealed IS NOT NULL AND remote_id IN",
            (account, kind.value),
            ids,
        )
    }


def completed(tx: Transaction, account: str, *, first: bool) -> None:
    """The mirror was read up to now; ``first``: completely, and counted."""
    row = tx.session.get_one(Account, account)
    row.mirror_read_at = tx.now
    if first:
        row.mirror_complete_at = tx.now


class _Row(NamedTuple):
    """What the mirror is to hold of a record. ``forms_sealed`` is a client's alone."""

    record: Client | Pet
    content_sealed: bytes
    digest_hash: str


class Held(NamedTuple):
    """What the mirror holds of a record, as far as that tells what is new."""

    remote_id: str
    digest_hash: str
    parent_id: str | None


class Kept(NamedTuple):
    """A row as the mirror is to hold it."""

    kind: Kind
    remote_id: str
    parent_id: str | None
    active: bool
    content_sealed: bytes
    digest_hash: str
    forms_sealed: bytes | None = None


def _kind(record: Client | Pet) -> Kind:
    return Kind.CLIENT if isinstance(record, Client) else Kind.PET


def held(tx: Transaction, account: str, kind: Kind, ids: Sequence[str]) -> dict[str, Held]:
    """What the mirror holds of the records of a kind with these ids, by id."""
    rows = statements.rows_of(
        tx,
        "SELECT remote_id, digest_hash, parent_id FROM mirror WHERE account = ? AND kind = ? AND remote_id IN",
        (account, kind.value),
        ids,
    )
    return {row[0]: Held(*row) for row in rows}


def store(tx: Transaction, account: str, rows: Iterable[Kept]) -> None:
    """Writes rows, in place of what the mirror held of the same records."""
    bound = TABLE.c.read_at.type.bind_processor(tx.session.connection().dialect)
    read_at = bound(tx.now) if bound else tx.now
    statements.run(
        tx,
        "INSERT INTO mirror "
        "(account, kind, remote_id, parent_id, active, content_sealed, forms_sealed, digest_hash, read_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (account, kind, remote_id) DO UPDATE SET parent_id = excluded.parent_id, "
        "active = excluded.active, content_sealed = excluded.content_sealed, forms_sealed = excluded.forms_sealed, "
        "digest_hash = excluded.digest_hash, read_at = excluded.read_at",
        [
            (
                account,
                row.kind.value,
                row.remote_id,
                row.parent_id,
                row.active,
                row.content_sealed,
                row.forms_sealed,
                row.digest_hash,
                read_at,
            )
            for row in rows
        ],
    )


def _before(tx: Transaction, account: str, keys_: Sequence[tuple[Kind, str]]) -> dict[tuple[Kind, str], Held]:
    """What the mirror holds of these records."""
    return {
        (kind, id_): row
        for kind in (Kind.CLIENT, Kind.PET)
        for id_, row in held(tx, account, kind, [id_ for one, id_ in keys_ if one is kind]).items()
    }


def _upsert(
    tx: Transaction, account: str, rows: Iterable[_Row], forms_sealed: Mapping[str, bytes] = MappingProxyType({})
) -> None:
    """Stores records, each with its forms by its id."""
    store(
        tx,
        account,
        (
            Kept(
                kind=_kind(record),
                remote_id=record.id or "",
                parent_id=record.client_id if isinstance(record, Pet) else None,
                active=record.active,
                content_sealed=content_sealed,
                digest_hash=digest_hash,
                forms_sealed=forms_sealed.get(record.id or "") if isinstance(record, Client) else None,
            )
            for record, content_sealed, digest_hash in rows
        ),
    )


def _rekey(
    tx: Transaction,
    account: str,
    ids: Sequence[str],
    read: Mapping[tuple[Kind, str], Client | Pet],
    changed: Mapping[tuple[Kind, str], _Row],
) -> None:
    """Makes the forms and keys of these clients anew, stores those that changed, and counts their terms.

    ``read`` are records at hand, which need not be read from the mirror.
    """
    counted: dict[str, int] = {}
    before = comparable(tx, account, ids)
    for one in before:
        _count(counted, one, -1)
    country = tx.session.get_one(Account, account).country
    own = {id_: record for id_ in ids if isinstance(record := read.get((Kind.CLIENT, id_)), Client)}
    own.update(_clients(tx, account, [id_ for id_ in ids if id_ not in own]))
    pets = _pets(tx, account, list(own), read)
    now = [forms_of(record, pets.get(id_, ()), country) for id_, record in own.items()]
    for one in now:
        _count(counted, one, 1)
    sealed = {one.client_id: tx.sealer.seal(one) for one in now}
    _upsert(tx, account, [row for id_ in ids if (row := changed.get((Kind.CLIENT, id_)))], sealed)
    statements.run(
        tx,
        "UPDATE mirror SET forms_sealed = ? WHERE account = ? AND kind = ? AND remote_id = ?",
        [
            (made, account, Kind.CLIENT.value, id_)
            for id_, made in sealed.items()
            if (Kind.CLIENT, id_) not in changed
        ],
    )
    statements.run(
        tx,
        "DELETE FROM match_key WHERE account = ? AND client_id = ?",
        [(account, one.client_id) for one in before],
    )
    statements.run(
        tx,
        "INSERT INTO match_key (account, key_hash, client_id) VALUES (?, ?, ?)",
        # In the index's order: neighbours in it are on the same page of the file.
        sorted((account, tx.sealer.hash(key), one.client_id) for one in now for key in keys(one)),
    )
    _add_terms(tx, account, counted)


def _add_terms(tx: Transaction, account: str, counted: Mapping[str, int]) -> None:
    """Adds to how many clients have each name."""
    statements.run(
        tx,
        "INSERT INTO match_term (account, term_hash, count) VALUES (?, ?, ?) "
        "ON CONFLICT (account, term_hash) DO UPDATE SET count = match_term.count + excluded.count",
        sorted((account, tx.sealer.hash(term), by) for term, by in counted.items() if by),
    )


def _count(counted: dict[str, int], of: Forms, by: int) -> None:
    """Adds to how often each term is met."""
    others = [_BOOKED_BY_OTHERS] if any(animal.may_book for animal in of.animals) else []
    for term in (_OWNERS, *others, *terms(of)):
        counted[term] = counted.get(term, 0) + by


def _clients(tx: Transaction, account: str, ids: Sequence[str]) -> dict[str, Client]:
    """Clients as last read, by id."""
    return {
        id_: rich(tx.sealer.open(bytes(sealed)))
        for id_, sealed in statements.rows_of(
            tx,
            "SELECT remote_id, content_sealed FROM mirror WHERE account = ? AND kind = ? "
            "AND content_sealed IS NOT NULL AND remote_id IN",
            (account, Kind.CLIENT.value),
            ids,
        )
    }


def _pets(
    tx: Transaction, account: str, client_ids: Sequence[str], read: Mapping[tuple[Kind, str], Client | Pet]
) -> dict[str, list[Pet]]:
    """The pets of clients, by the client's id. Those that were just ``read`` are at hand."""
    found: dict[str, list[Pet]] = {}
    for id_, client_id, sealed in statements.rows_of(
        tx,
        "SELECT remote_id, parent_id, content_sealed FROM mirror WHERE account = ? AND kind = ? "
        "AND content_sealed IS NOT NULL AND parent_id IN",
        (account, Kind.PET.value),
        client_ids,
    ):
        pet = read.get((Kind.PET, id_))
        found.setdefault(client_id, []).append(pet if isinstance(pet, Pet) else rich(tx.sealer.open(bytes(sealed))))
    for pets in found.values():
        pets.sort(key=lambda pet: pet.id or "")
    return found
