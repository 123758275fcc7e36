"""What the ledger holds about one owner, table by table: the one list that is exported, and erased.

An owner's values stand in the rows of their own records, and in a few of others: as a candidate of a question about
somebody's booking, in what a write carried, in the evidence of a link that once led to them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel, col, select

from vetbridge.core.records import AppointmentStatus, Client, Kind
from vetbridge.ledger.content import rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.file_rows import PREFIX
from vetbridge.ledger.owners import BOOKED_BY, Owner, by_account
from vetbridge.ledger.suppression import Key
from vetbridge.ledger.tables import (
    OPEN_STATES,
    UNSETTLED_ACTIONS,
    Action,
    ActionState,
    Alias,
    Attached,
    Change,
    ChangeState,
    Due,
    FileLook,
    Joined,
    Joining,
    Link,
    MatchKey,
    Mirror,
    Notice,
    Observation,
    Record,
    Reservation,
    Review,
    ReviewNote,
    Subject,
    SubjectKey,
    Worklist,
)

BATCH = 500
"""Rows that one statement names."""

OF_OTHERS = "_of_others"
"""How the name of rows ends that are about somebody else's records."""

Mark = tuple[str | int, ...]
"""A row by its primary key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one table that hold something of an owner."""

    name: str
    """What they are called to a person."""
    model: type[SQLModel]
    marks: tuple[Mark, ...]
    """By their primary keys."""
    values: tuple[str, ...] = ()
    """The columns that hold it, which are emptied; where there are none the rows are deleted."""

    @property
    def table(self) -> sa.Table:
        """Where they stand."""
        return self.model.__table__  # type: ignore[attr-defined,no-any-return]

    def batches(self, *, emptied: bool = False) -> Iterator[sa.ColumnElement[bool]]:
        """The rows that still hold something, so many at a time as one statement takes; ``emptied``: the others,
        too."""
        keys = sa.tuple_(*self.table.primary_key.columns)
        full = [self.table.c[name].is_not(None) for name in self.values]
        for start in range(0, len(self.marks), BATCH):
            some = keys.in_(self.marks[start : start + BATCH])
            yield sa.and_(some, sa.or_(*full)) if full and not emptied else some

    def numbers(self) -> tuple[int, ...]:
        """The rows by their numbers, where that is what they are known by."""
        return tuple(int(mark[0]) for mark in self.marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """All rows that hold something of an owner. Rows without values, such as changes, are known by ``records``."""

    owner: Owner
    records: tuple[int, ...]
    """Their records, by number."""
    file_rows: tuple[int, ...]
    """Records that are rows of a file which their clients were made from: their ids hash what the row said."""
    rows: Mapping[str, Rows]
    """By what they are called; those whose names end with ``OF_OTHERS`` are about somebody else, and name them."""

    def numbers(self, name: str) -> tuple[int, ...]:
        """The numbers of rows of a sort, their own and those of others."""
        others = self.rows.get(f"{name}{OF_OTHERS}")
        return (*self.rows[name].numbers(), *(others.numbers() if others is not None else ()))

    def counts(self, tx: Transaction) -> dict[str, int]:
        """How many rows still hold something, by what they are called."""
        return {
            name: sum(
                tx.session.execute(sa.select(sa.func.count()).select_from(each.table).where(some)).scalar_one()
                for some in each.batches()
            )
            for name, each in self.rows.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacles:
    """What stands against forgetting an owner now."""

    visits: tuple[tuple[Key, datetime], ...]
    """Visits that are still to come, and when."""
    writes: tuple[int, ...]
    """Changes with a write of which nobody knows yet what became of it."""
    answers: tuple[int, ...]
    """Questions that name them, whose answer is not carried out yet."""


def held(tx: Transaction, owner: Owner) -> Holdings:
    """What the ledger holds about an owner. It opens all that is sealed."""
    keys = owner.records | _cards(tx, owner)
    records = _records(tx, keys)
    file_rows = _file_rows(tx, owner.clients)
    about = {*records, *file_rows}
    at_remote = _remote(keys)
    own = _ids(tx, Review, _in(Review.record_id, about))
    writes = _ids(tx, Action, sa.or_(_in(Action.record_id, about), at_remote(Action)))
    lines = _ids(tx, Worklist, sa.or_(_in(Worklist.record_id, about), at_remote(Worklist)))
    linked = _ids(tx, Link, sa.or_(_end(owner, "booking"), _end(owner, "pims")))
    taught = sa.or_(_in(Alias.review_id, own), _of_clients(Alias, owner))
    people = sa.or_(_remote({*owner.clients, *owner.pets})(Mirror), _of_pets(owner))
    everything = (
        _numbered("links", Link, linked, "booking_base_sealed", "pims_base_sealed", "evidence_sealed"),
        _numbered(f"links{OF_OTHERS}", Link, _evidence(tx, owner, {*linked}), "evidence_sealed"),
        _numbered("writes", Action, writes, "payload_sealed"),
        _naming(tx, f"writes{OF_OTHERS}", Action, "payload_sealed", owner, writes),
        _numbered("questions", Review, own, "question_sealed"),
        _naming(tx, f"questions{OF_OTHERS}", Review, "question_sealed", owner, own),
        _numbered("notes", ReviewNote, _ids(tx, ReviewNote, _in(ReviewNote.review_id, own)), "text_sealed"),
        _numbered("lines", Worklist, lines, "details_sealed"),
        _naming(tx, f"lines{OF_OTHERS}", Worklist, "details_sealed", owner, lines),
        _numbered("digests", Record, sorted(about), "digest_hash"),
        _marked(tx, "subject_keys", SubjectKey, _in(SubjectKey.record_id, about)),
        _marked(tx, "subjects", Subject, _in(Subject.record_id, about)),
        _marked(tx, "aliases", Alias, taught),
        _marked(tx, "observations", Observation, _observed(tx, owner, about)),
        _marked(tx, "reservations", Reservation, _in(Reservation.record_id, about)),
        _marked(tx, "match_keys", MatchKey, _of_clients(MatchKey, owner)),
        _marked(tx, "files", Attached, _of_clients(Attached, owner)),
        _marked(tx, "looks_for_files", FileLook, _of_clients(FileLook, owner)),
        _marked(tx, "comparisons", Joining, _of_clients(Joining, owner)),
        _marked(tx, "joins", Joined, _joined(owner)),
        _marked(tx, "due_services", Due, _of_clients(Due, owner)),
        _marked(tx, "notices", Notice, _of_clients(Notice, owner)),
        _marked(tx, "mirror", Mirror, people),
    )
    return Holdings(
        owner=owner,
        records=tuple(sorted(records)),
        file_rows=tuple(sorted(file_rows)),
        rows={each.name: each for each in everything},
    )


def obstacles(tx: Transaction, found: Holdings) -> Obstacles:
    """What stands against forgetting an owner now."""
    owner = found.owner
    ahead: dict[Key, datetime] = {}
    for link in tx.session.exec(
        select(Link).where(
            Link.kind == Kind.APPOINTMENT,
            col(Link.ended_at).is_(None),
            col(Link.visit_at) > tx.now,
            sa.or_(_end(owner, "booking"), _end(owner, "pims")),
        )
    ):
        base = {} if link.pims_base_sealed is None else tx.sealer.open(link.pims_base_sealed)
        if link.visit_at is not None and base.get("status") != AppointmentStatus.CANCELLED:
            ahead[Key(link.booking_account, link.kind, link.booking_id)] = link.visit_at
    waiting = sa.or_(col(Change.state).in_(OPEN_STATES), col(Change.state) == ChangeState.REVIEW)
    for change in tx.session.exec(select(Change).where(_in(Change.record_id, found.records), waiting)):
        if change.visit_at is not None and change.visit_at > tx.now:
            ahead.setdefault(Key(change.account, change.kind, change.remote_id), change.visit_at)
    writes = found.numbers("writes")
    listed = sa.exists().where(col(Worklist.action_id) == col(Action.id), col(Worklist.state).in_(("open", "done")))
    handed = sa.and_(col(Action.state) == ActionState.HANDED, listed)  # who is to type it has what it says
    unclear = sa.or_(col(Action.state).in_(UNSETTLED_ACTIONS), handed)
    in_doubt = _values(tx, Action.change_id, Action.id, writes, unclear)
    given = sa.and_(col(Review.state) == "answered", col(Review.applied_at).is_(None))
    answers = _values(tx, Review.id, Review.id, found.numbers("questions"), given)
    return Obstacles(
        visits=tuple(sorted(ahead.items(), key=lambda each: each[1])),
        writes=tuple(sorted({*in_doubt})),
        answers=tuple(sorted(answers)),
    )


# -- which rows ---------------------------------------------------------------------------------------------------


def _numbered(name: str, model: type[SQLModel], ids: Sequence[int], *values: str) -> Rows:
    return Rows(name=name, model=model, marks=tuple((id_,) for id_ in ids), values=values)


def _marked(tx: Transaction, name: str, model: type[SQLModel], fits: sa.ColumnElement[bool]) -> Rows:
    keys: sa.Table = model.__table__  # type: ignore[attr-defined]
    rows = tx.session.execute(sa.select(*keys.primary_key.columns).where(fits))
    return Rows(name=name, model=model, marks=tuple(tuple(row) for row in rows))


def _in(column: Any, values: Collection[Any]) -> sa.ColumnElement[bool]:
    """A column that is one of many values: so many as one statement takes in a part."""
    wanted = sorted(values)
    parts = (wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH))
    return sa.or_(sa.false(), *(col(column).in_(part) for part in parts))


def _ids(tx: Transaction, model: Any, fits: sa.ColumnElement[bool]) -> list[int]:
    return list(tx.session.scalars(sa.select(col(model.id)).where(fits).order_by(col(model.id))))


def _values(tx: Transaction, wanted: Any, of: Any, ids: Collection[int], fits: sa.ColumnElement[bool]) -> list[int]:
    return list(tx.session.scalars(sa.select(col(wanted)).where(_in(of, ids), fits)))


def _remote(keys: Collection[Key]) -> Callable[[Any], sa.ColumnElement[bool]]:
    """What names one of these records by its account, kind and id, in a table with such columns."""
    groups: dict[tuple[str, str], set[str]] = {}
    for key in keys:
        groups.setdefault((key.account, key.kind), set()).add(key.id)

    def fits(model: Any) -> sa.ColumnElement[bool]:
        each = (
            sa.and_(col(model.account) == account, col(model.kind) == kind, _in(model.remote_id, ids))
            for (account, kind), ids in groups.items()
        )
        return sa.or_(sa.false(), *each)

    return fits


def _of_clients(model: Any, owner: Owner) -> sa.ColumnElement[bool]:
    """Rows that name one of the clients by the account and the id there."""
    each = (
        sa.and_(col(model.account) == account, _in(model.client_id, ids))
        for account, ids in by_account(owner.clients).items()
    )
    return sa.or_(sa.false(), *each)


def _of_pets(owner: Owner) -> sa.ColumnElement[bool]:
    """What the mirror keeps of their pets: vaccinations, what is due, visits."""
    each = (
        sa.and_(
            col(Mirror.account) == account,
            col(Mirror.kind).not_in([Kind.CLIENT, Kind.PET]),
            _in(Mirror.parent_id, ids),
        )
        for account, ids in by_account(owner.pets).items()
    )
    return sa.or_(sa.false(), *each)


def _cards(tx: Transaction, owner: Owner) -> set[Key]:
    """What stands on their clients at booking sides about due services, by what it is known by there."""
    booking = set(tx.session.exec(select(Link.booking_account).distinct()))
    return {Key(each.account, Kind.REMINDER, each.id) for each in owner.clients if each.account in booking}


def _joined(owner: Owner) -> sa.ColumnElement[bool]:
    """Joins of their clients with those of other branches, whichever stands first."""
    as_second = (
        sa.and_(col(Joined.other_account) == account, _in(Joined.other_id, ids))
        for account, ids in by_account(owner.clients).items()
    )
    return sa.or_(_of_clients(Joined, owner), *as_second)


def _end(owner: Owner, side: str) -> sa.ColumnElement[bool]:
    """Links whose record at a side is one of theirs."""
    account, id_ = (getattr(Link, f"{side}_{name}") for name in ("account", "id"))
    groups: dict[tuple[str, str], set[str]] = {}
    for key in owner.records:
        groups.setdefault((key.account, key.kind), set()).add(key.id)
    each = (sa.and_(col(account) == at, col(Link.kind) == kind, _in(id_, ids)) for (at, kind), ids in groups.items())
    return sa.or_(sa.false(), *each)


def _records(tx: Transaction, keys: Collection[Key]) -> list[int]:
    return _ids(tx, Record, _remote(keys)(Record))


def _file_rows(tx: Transaction, clients: Collection[Key]) -> list[int]:
    """Records that are rows of a file which one of these clients was made from."""
    made = sa.select(col(Action.record_id)).where(_remote(clients)(Action), col(Action.operation) == "create")
    return _ids(tx, Record, sa.and_(col(Record.remote_id).startswith(PREFIX), col(Record.id).in_(made)))


def _naming(tx: Transaction, name: str, model: Any, column: str, owner: Owner, but: Collection[int]) -> Rows:
    """Other rows whose sealed content names one of the clients or pets: of a site that has their accounts, as the
    same id at another account is somebody else."""
    sealed, own, accounts = getattr(model, column), set(but), _accounts(tx)
    rows = tx.session.execute(
        sa.select(col(model.id), col(model.site), col(sealed))
        .where(col(sealed).is_not(None))
        .execution_options(yield_per=BATCH)
    )
    ids = []
    for id_, site, content in rows:
        at = accounts.get(site, set())
        clients = {key.id for key in owner.clients if key.account in at}
        pets = {key.id for key in owner.pets if key.account in at}
        if id_ not in own and (clients or pets) and _names(tx.sealer.open(content), clients, pets):
            ids.append(id_)
    return _numbered(name, model, ids, column)


def _accounts(tx: Transaction) -> dict[str, set[str]]:
    """The accounts that each site has, or has had."""
    found: dict[str, set[str]] = {}
    for at in (Change.account, Link.booking_account, Link.pims_account):
        site = Change.site if at is Change.account else Link.site
        for name, account in tx.session.execute(sa.select(col(site), col(at)).distinct()):
            found.setdefault(name, set()).add(account)
    return found


_CLIENT_FIELDS = frozenset({"client_id", "booking_client_id", BOOKED_BY})


def _names(value: Any, clients: Collection[str], pets: Collection[str]) -> bool:
    """Whether a sealed content names one of these clients or pets, as ``vetbridge.ledger.content`` writes them."""
    if isinstance(value, list):
        return any(_names(each, clients, pets) for each in value)
    if not isinstance(value, dict):
        return False
    for name, each in value.items():
        if (name in _CLIENT_FIELDS and each in clients) or (name == "pet_id" and each in pets):
            return True
        ids = {"$client": clients, "$pet": pets}.get(name, ())
        if isinstance(each, dict) and each.get("id") in ids:
            return True
        if _names(each, clients, pets):
            return True
    return False


def _evidence(tx: Transaction, owner: Owner, but: Collection[int]) -> list[int]:
    """Other links whose evidence shows a contact of theirs: the link has led to them once, or they share it."""
    contacts = _contacts(tx, owner)
    rows = tx.session.execute(
        sa.select(col(Link.id), col(Link.evidence_sealed))
        .where(col(Link.evidence_sealed).is_not(None))
        .execution_options(yield_per=BATCH)
    )
    found = []
    for id_, sealed in rows if contacts else ():
        shown = {str(each.get(side)) for each in tx.sealer.open(sealed) for side in ("here", "there")}
        if id_ not in but and not shown.isdisjoint(contacts):
            found.append(id_)
    return found


def _contacts(tx: Transaction, owner: Owner) -> set[str]:
    """Phones and e-mail addresses of the clients, as they are written and as they are compared."""
    found: set[str] = set()
    for content, forms in tx.session.execute(
        sa.select(col(Mirror.content_sealed), col(Mirror.forms_sealed)).where(_remote(owner.clients)(Mirror))
    ):
        record = rich(tx.sealer.open(content)) if content is not None else None
        if isinstance(record, Client):
            found |= {*record.phones, *record.emails}
        found |= _strings(tx.sealer.open(forms)) if forms is not None else set()
    return {each for each in found if "@" in each or sum(map(str.isdecimal, each)) >= _PHONE}


_PHONE = 7
"""Digits of the shortest phone number."""


def _strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for each in items for text in _strings(each)}


def _observed(tx: Transaction, owner: Owner, about: Collection[int]) -> sa.ColumnElement[bool]:
    """What the matcher was decided by for their records, and where they were a candidate."""
    named = [
        sa.and_(col(Observation.account) == key.account, col(Observation.client_ids).contains(f'"{key.id}"'))
        for key in sorted(owner.clients)
    ]
    return sa.or_(_in(Observation.record_id, about), *named)
