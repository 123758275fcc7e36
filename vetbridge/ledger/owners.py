"""Which records are one owner's: clients at all accounts, with their pets and visits, as far as the ledger knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.matching import contact_keys, forms_of
from vetbridge.core.records import Appointment, Attachment, Kind, Pet
from vetbridge.ledger import chains, mirror, statements, suppression
from vetbridge.ledger.content import rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.suppression import Key
from vetbridge.ledger.tables import Account, Link, Mirror, Record, Subject

BOOKED_BY = "booked_by"
"""Field of a visit's base that names the client at the booking side (``vetbridge.sync.comparing``)."""
_BATCH = 500
_ENDS = tuple(col(each) for each in (Link.booking_account, Link.booking_id, Link.pims_account, Link.pims_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """One owner's records."""

    clients: frozenset[Key]
    pets: frozenset[Key]
    visits: frozenset[Key]
    files: frozenset[Key]
    """What was attached to their clients and pets, as far as VetBridge has carried it, or was to."""
    sharing: frozenset[Key]
    """Clients of the PIMS who are somebody else, and share a client of the booking side with this owner."""

    @property
    def records(self) -> frozenset[Key]:
        """All of them."""
        return self.clients | self.pets | self.visits | self.files

    def ids(self, kind: Kind) -> frozenset[str]:
        """The ids of the clients or the pets, wherever they are."""
        return frozenset(key.id for key in (self.clients if kind is Kind.CLIENT else self.pets))


def is_known(tx: Transaction, key: Key) -> bool:
    """Whether the ledger knows a record by anything at all."""
    found = [
        select(Record.id).where(Record.account == key.account, Record.kind == key.kind, Record.remote_id == key.id),
        select(Mirror.remote_id).where(
            Mirror.account == key.account, Mirror.kind == key.kind, Mirror.remote_id == key.id
        ),
        select(Link.id).where(Link.kind == key.kind, _at_either_end([key])),
    ]
    return suppression.is_forgotten(tx, *key) or any(
        tx.session.exec(each.limit(1)).first() is not None for each in found
    )


def owner_of(tx: Transaction, seeds: Iterable[Key]) -> Owner:
    """The owner whose records these are; of a visit of somebody without a client the visit alone.

    It reads every visit that is kept. What an owner had who was forgotten already is known by its hashes.
    """
    every = set(seeds)
    every |= _forgotten(tx, every)
    clients = _with_counterparts(tx, {key for key in every if key.kind == Kind.CLIENT})
    pets = {key for key in every if key.kind == Kind.PET}
    pets |= {
        Key(account, Kind.PET, id_)
        for account, ids in by_account(clients).items()
        for (id_,) in statements.rows_of(
            tx,
            "SELECT remote_id FROM mirror WHERE account = ? AND kind = ? AND parent_id IN",
            (account, Kind.PET.value),
            sorted(ids),
        )
    }
    visits = {key for key in every if key.kind == Kind.APPOINTMENT}
    files = {key for key in every if key.kind == Kind.ATTACHMENT} | _attached(tx, clients)
    for key, record in _subjects(tx):
        client_id = record.client_id if isinstance(record, (Appointment, Pet, Attachment)) else None
        if client_id is not None and Key(key.account, Kind.CLIENT, client_id) in clients:
            (visits if isinstance(record, Appointment) else pets if isinstance(record, Pet) else files).add(key)
        elif isinstance(record, Attachment) and Key(key.account, Kind.PET, record.pet_id or "") in pets:
            files.add(key)
    on_them, animals = _linked_visits(tx, clients)
    visits |= on_them
    pets |= animals
    return Owner(
        clients=frozenset(clients),
        pets=frozenset(_with_counterparts(tx, pets)),
        visits=frozenset(_with_counterparts(tx, visits)),
        files=frozenset(_with_counterparts(tx, files)),
        sharing=frozenset(_ends(tx, clients, role="member")) - clients,
    )


def alike(tx: Transaction, owner: Owner) -> frozenset[Key]:
    """Other clients of the same accounts who have a contact of this owner, as far as the mirror shows them; and those
    of the chain's other branches who are the same person."""
    found: set[Key] = set()
    for account, ids in by_account(owner.clients).items():
        row = tx.session.get(Account, account)
        country = "" if row is None else row.country
        for others in chains.joined_with(tx, account, ids).values():
            found |= {Key(at, Kind.CLIENT, id_) for at, id_ in others}
        for known in mirror.clients(tx, account, sorted(ids)):
            contacts = contact_keys(forms_of(known.client, known.pets, country))
            found |= {Key(account, Kind.CLIENT, one.client_id) for one in mirror.with_contact(tx, account, contacts)}
    return frozenset(found - owner.clients)


def by_account(keys: Iterable[Key]) -> dict[str, set[str]]:
    """The ids of records of one kind, by account."""
    found: dict[str, set[str]] = {}
    for key in keys:
        found.setdefault(key.account, set()).add(key.id)
    return found


def _with_counterparts(tx: Transaction, keys: set[Key]) -> set[Key]:
    """Records with those that they are linked with, and so on: one PIMS may have several booking sides."""
    found, new = set(keys), set(keys)
    while new:
        new = _ends(tx, new, role="primary") - found
        found |= new
    return found


def _ends(tx: Transaction, keys: Iterable[Key], *, role: str) -> set[Key]:
    """Both ends of the standing links of records."""
    found: set[Key] = set()
    wanted = sorted(keys)
    for start in range(0, len(wanted), _BATCH):
        some = wanted[start : start + _BATCH]
        rows = tx.session.execute(
            sa.select(col(Link.kind), *_ENDS).where(
                col(Link.role) == role,
                col(Link.ended_at).is_(None),
                col(Link.kind) == some[0].kind,
                _at_either_end(some),
            )
        )
        for kind, booking, booking_id, pims, pims_id in rows:
            found |= {Key(booking, kind, booking_id), Key(pims, kind, pims_id)}
    return found


def _at_either_end(keys: Iterable[Key]) -> sa.ColumnElement[bool]:
    wanted = by_account(keys)
    return sa.or_(
        sa.false(),
        *(
            sa.and_(col(at) == account, col(id_).in_(sorted(ids)))
            for account, ids in wanted.items()
            for at, id_ in ((Link.booking_account, Link.booking_id), (Link.pims_account, Link.pims_id))
        ),
    )


def _subjects(tx: Transaction) -> Iterator[tuple[Key, object]]:
    """What is kept of every record, with its key."""
    rows = tx.session.execute(
        sa.select(col(Record.account), col(Record.kind), col(Record.remote_id), col(Subject.content_sealed))
        .join(Subject, col(Subject.record_id) == Record.id)
        .where(col(Subject.content_sealed).is_not(None))
        .execution_options(yield_per=_BATCH)
    )
    for account, kind, id_, sealed in rows:
        yield Key(account, kind, id_), rich(tx.sealer.open(sealed))


def _attached(tx: Transaction, clients: set[Key]) -> set[Key]:
    """The files that are known to stand on clients."""
    return {
        Key(account, Kind.ATTACHMENT, id_)
        for account, ids in by_account(clients).items()
        for (id_,) in statements.rows_of(
            tx, "SELECT remote_id FROM attached WHERE account = ? AND client_id IN", (account,), sorted(ids)
        )
    }


def _linked_visits(tx: Transaction, clients: set[Key]) -> tuple[set[Key], set[Key]]:
    """Both ends of the visits that stand, or stood, on one of these clients; and the pets of them, also where the
    mirror has none of these any more, but for those that are somebody else's by now."""
    rows = tx.session.execute(
        sa.select(*_ENDS, col(Link.booking_base_sealed), col(Link.pims_base_sealed))
        .where(col(Link.kind) == Kind.APPOINTMENT, col(Link.role) == "primary")
        .execution_options(yield_per=_BATCH)
    )
    found: set[Key] = set()
    pets: set[Key] = set()
    for booking, booking_id, pims, pims_id, *sealed in rows:
        here, there = (tx.sealer.open(each) if each is not None else {} for each in sealed)
        owners = {
            Key(pims, Kind.CLIENT, str(there.get("client_id"))),
            Key(booking, Kind.CLIENT, str(here.get(BOOKED_BY))),
        }
        if not owners.isdisjoint(clients):
            found |= {Key(booking, Kind.APPOINTMENT, booking_id), Key(pims, Kind.APPOINTMENT, pims_id)}
            if there.get("pet_id") and Key(pims, Kind.CLIENT, str(there.get("client_id"))) in clients:
                pets.add(Key(pims, Kind.PET, str(there["pet_id"])))
    return found, {each for each in pets if _has_no_other(tx, each, clients)}


def _has_no_other(tx: Transaction, pet: Key, clients: set[Key]) -> bool:
    row = tx.session.get(Mirror, tuple(pet))
    return row is None or row.parent_id is None or Key(pet.account, Kind.CLIENT, row.parent_id) in clients


def forgotten(tx: Transaction, owner_hash: str) -> frozenset[Key]:
    """The records of an owner who was forgotten, as far as the ledger knows any of their ids."""
    hashes = suppression.of_owner(tx, owner_hash)
    return frozenset(key for key in _known(tx) if suppression.hash_of(tx, key) in hashes) if hashes else frozenset()


def _forgotten(tx: Transaction, seeds: set[Key]) -> set[Key]:
    """The other records of owners who were forgotten: of these the ledger has hashes alone, and ids of everybody."""
    owners = {found for key in seeds if (found := suppression.owner_hash_of(tx, key)) is not None}
    return {key for owner in owners for key in forgotten(tx, owner)}


def _known(tx: Transaction) -> set[Key]:
    """Every record of which the ledger knows the id."""
    known = {Key(*row) for row in tx.session.exec(select(Record.account, Record.kind, Record.remote_id))}
    for at, id_ in ((Link.booking_account, Link.booking_id), (Link.pims_account, Link.pims_id)):
        known |= {Key(*row) for row in tx.session.exec(select(at, Link.kind, id_))}
    return known | {Key(*row) for row in tx.session.exec(select(Mirror.account, Mirror.kind, Mirror.remote_id))}
