"""The VetData connector: clients, pets and vaccinations of a practice, read from Covetrus' feed.

What is known of the feed stands in docs/connectors/vetdata.md with its evidence. Not yet run against a live account.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import NoReturn
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from connectors.vetdata import wire
from connectors.vetdata.check import check
from connectors.vetdata.cursor import Cursor, Mark, Memory, Walk
from connectors.vetdata.door import DATA, Door
from connectors.vetdata.options import VetDataOptions, capabilities
from connectors.vetdata.vaccines import VaccineCodes
from connectors.vetdata.wire import CLIENTS, CODES, PATIENTS, RELATIONSHIPS, STANDING, TRANSACTIONS, V3
from vetbridge.connector import csdl, odata
from vetbridge.connector.csdl import EntitySet
from vetbridge.connector.http import PATIENCE
from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    Found,
    Hint,
    HookRequest,
    Native,
    Page,
    Receipt,
    Write,
)
from vetbridge.connector.odata import Query, Stretch, all_of, any_of
from vetbridge.connector.plugin import Environment
from vetbridge.core import normalise
from vetbridge.core.errors import BadAnswer, Refused
from vetbridge.core.records import Kind

AHEAD = timedelta(minutes=5)
"""By so much the feed's clock may be ahead of ours."""

LONGEST_FILTER = 1200
"""Characters of keys in one filter, for the length of the address: which one the feed takes is not documented."""

SEVERAL = 5
"""Rows of one page: where none of so many can be read, the feed shows another form, and the list is an error."""

Related = Mapping[str, Sequence[Native]]
"""Relationships by the key of their patient."""

ENTITIES: Mapping[Kind, str] = {Kind.CLIENT: CLIENTS, Kind.PET: PATIENTS, Kind.VACCINATION: TRANSACTIONS}


class VetData:
    """One practice of a VetData account. Safe to be used by several threads."""

    def __init__(self, options: VetDataOptions, environment: Environment) -> None:
        self._options = options
        self._account = environment.account
        self._zone = ZoneInfo(environment.zone)
        self._clock = environment.clock
        self._capabilities = capabilities(options)
        self._by = wire.keys(options.keys, numeric=options.numeric_keys)
        self._overlap = timedelta(hours=options.overlap_hours)
        self._door = Door(options, environment, budgets=self._capabilities.budgets)
        self._lists = self._door.lists
        self._memory = Memory()
        self._codes = VaccineCodes(options, self._coded, self._clock.steady, self._account)

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._capabilities

    def close(self) -> None:
        """Gives back connections."""
        self._door.close()

    def check(self) -> CheckReport:
        """Looks at the credentials, the installation, each entity and what its rows hold; reads only."""
        return check(self._door, self._options, self._by, self._codes.now)

    def entity_sets(self) -> tuple[EntitySet, ...]:
        """What the feed says of itself, if it does: see ``Describing``."""
        return csdl.read(self._door.metadata(), f"{self._account}: $metadata")

    # -- reading

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed since a cursor, in pages; a removed record is told as deleted, and inactive.

        The cursor is the newest of the feed's own dates that was seen, of each entity: while the feed stands still so
        does the cursor. A poll looks again at ``overlap_hours`` before it, and tells what it did not see before, or
        otherwise. It moves only with the last page, and only when as many rows came as the feed counts. A cursor that
        cannot be read, or belongs to options that made other records, starts over. The first reading leaves out what
        was removed before. Only a reading from the beginning has marks. ``total`` counts what is yielded.
        """
        self._known(kind)
        cursor = self._cursor(kind, since)
        if cursor is not None and since is not None:
            return self._changed(kind, cursor, since)
        return self._walked(kind, Mark.of(mark), since)

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """The record now, or None; a removed one is answered as inactive, as long as the feed shows it.

        Raises ``BadAnswer`` for one that cannot be read: what is not there must not count as empty.
        """
        self._known(kind)
        rows = self._rows_of(kind, [id])
        if not rows:
            return None
        row = max(rows, key=lambda each: (not wire.is_removed(each), wire.stamp(each) or datetime.min))  # noqa: DTZ901
        if not self._is_asked_for(kind, row):
            return None
        try:
            return self._made(kind, row, self._related([row]) if kind is Kind.PET else {})
        except wire.Unreadable as error:
            raise BadAnswer(f"{self._account}: GET {ENTITIES[kind]}: the record cannot be read: {error}") from None

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Pets by ``client_id``: those that it owns today, alone or with others, and that were not removed."""
        self._known(kind)
        unknown = sorted(set(query) - self._capabilities.of(kind).search)
        if unknown or not query:
            self._unsupported(f"a search for {kind} by {', '.join(unknown) or 'nothing'}")
        return self._pets_of(query["client_id"].strip())

    def look(self, write: Write) -> Iterator[Native]:
        """Nothing is created."""
        self._unsupported(f"a look for a new {write.kind}")

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """The feed shows no files."""
        self._unsupported("the content of a file")

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """The codes that patients have borne, removed ones too, beside those of one clinic that are known: the feed
        has no list of them."""
        species, sexes = dict(wire.SPECIES), dict(wire.SEXES)
        for row in self._lists.rows(self._query(PATIENTS), wire.feed_id, patience=PATIENCE):
            for titles, name in ((species, "Species"), (sexes, "Gender")):
                code = wire.key(row, name)
                if code is not None:
                    told = row.get(f"{name}Description")
                    titles[code] = normalise.shown(told, 80) if isinstance(told, str) and told.strip() else code
        return {"species": species, "sex": sexes}

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """No webhooks of VetData's are known (pulse.md, section 6)."""
        self._unsupported("webhooks")

    # -- writing

    def apply(self, write: Write) -> Receipt:
        """The feed takes no writes (pulse.md, section 3)."""
        self._unsupported(f"{write.operation} of {write.kind}")

    # -- lists

    def _walked(self, kind: Kind, begin: Mark, since: str | None) -> Iterator[Page]:
        """All records. The first time (None) those that are gone are nobody's news; later they may be."""
        walk = Walk(begin.walk or _name(), begin.begun, dict(begin.newest), begin.left_out, begin.whole)
        entity = ENTITIES[kind]
        told: set[str] = set()
        query = self._query(entity, all_of(STANDING if since is None else "", self._kind_of(kind)))
        holds = partial(self._is_asked_for, kind, standing=since is None)
        for stretch in self._lists.walk(query, wire.feed_id, holds=holds, patience=PATIENCE, begin=begin.place):
            here = None
            if stretch.begin is not None:
                here = Mark(
                    place=stretch.begin,
                    begun=walk.begun,
                    newest=dict(walk.newest),
                    left_out=walk.left_out,
                    whole=walk.whole,
                    walk=walk.name,
                )
            self._begins(walk, stretch)
            records = self._records(kind, stretch.rows, walk, told)
            walk.left_out += len(stretch.rows) - len(records)
            is_end = stretch.last and stretch.complete and walk.whole
            yield Page(
                records=records,
                cursor=self._end(kind, walk) if is_end else since or "",
                last=stretch.last,
                total=None if stretch.total is None else stretch.total - walk.left_out,
                mark=None if here is None else here.text,
            )

    def _changed(self, kind: Kind, cursor: Cursor, since: str) -> Iterator[Page]:
        """What was made, changed or removed since a cursor; of pets also those of which an owner was."""
        walk = Walk(_name(), None, dict(cursor.seen))
        kept = self._memory.of(kind, since)
        complete = True
        for entity in (PATIENTS, RELATIONSHIPS) if kind is Kind.PET else (ENTITIES[kind],):
            told: set[str] = set()
            asked = cursor.seen.get(entity, datetime(2000, 1, 1)) - self._overlap  # noqa: DTZ001 - without an offset
            query = self._query(entity, all_of(wire.since(asked), self._kind_of(kind)))
            holds = partial(self._is_asked_for, kind, asked=asked)
            for stretch in self._lists.walk(query, wire.feed_id, holds=holds, patience=PATIENCE):
                self._begins(walk, stretch)
                rows = [row for row in stretch.rows if walk.is_news(entity, row, kept)]
                walk.saw(entity, stretch.rows)
                if entity == RELATIONSHIPS:
                    named = dict.fromkeys(wire.key(row, self._by.patient) for row in rows)
                    rows = self._rows_of(kind, [each for each in named if each is not None], PATIENCE)
                records = self._records(kind, rows, walk, told)
                complete = complete and (stretch.complete or not stretch.last)
                last = stretch.last and not (kind is Kind.PET and entity == PATIENTS)
                is_end = last and complete and walk.whole
                yield Page(records=records, cursor=self._end(kind, walk) if is_end else since, last=last)

    def _records(self, kind: Kind, rows: Sequence[Native], walk: Walk, told: set[str]) -> tuple[Found, ...]:
        """What a walk tells of some rows: each record once, and the row that stands where another one of the same key
        was removed. A row without a key is none of the practice's, and is left out."""
        walk.saw(ENTITIES[kind], rows)
        field = self._field(kind)
        named = {key: row for row in rows if (key := wire.key(row, field)) is not None and key not in told}
        told |= named.keys()
        removed = [key for key, row in named.items() if wire.is_removed(row)]
        for row in self._rows_of(kind, removed, PATIENCE, standing=True):
            named[wire.key(row, field) or ""] = row
        related = self._related(named.values(), walk) if kind is Kind.PET else {}
        found, wrong = [], ""
        for key, row in named.items():
            native = None
            try:
                native = self._made(kind, row, related)
            except wire.Unreadable as error:
                walk.whole = walk.whole and not isinstance(error, wire.Cut)
                wrong = str(error)
            found.append(Found(id=key, native=native, deleted=native is not None and wire.is_removed(row)))
        if len(found) >= SEVERAL and not any(each.native for each in found):
            raise BadAnswer(f"{self._account}: GET {ENTITIES[kind]}: no row can be read: {wrong}")
        return tuple(found)

    def _made(self, kind: Kind, row: Native, related: Related) -> Native:
        if kind is Kind.CLIENT:
            return wire.client(row, self._by, expanded=self._options.expand)
        if kind is Kind.PET:
            return wire.patient(row, self._owners(row, related), self._by)
        return wire.vaccination(row, self._by, self._options.due_after_days)

    def _related(self, rows: Iterable[Native], walk: Walk | None = None) -> Related:
        """The relationships of some patients."""
        named = [key for row in rows if (key := wire.key(row, self._by.own)) is not None]
        patience = 0.0 if walk is None else PATIENCE
        found = list(self._by_keys(RELATIONSHIPS, self._by.patient, named, patience, standing=True))
        if walk is not None:
            walk.saw(RELATIONSHIPS, found)
        related: dict[str, list[Native]] = {}
        for row in found:
            related.setdefault(wire.key(row, self._by.patient) or "", []).append(row)
        return related

    def _owners(self, row: Native, related: Related) -> Sequence[str]:
        """Who owns a patient today. Raises ``wire.Unreadable``."""
        own = related.get(wire.key(row, self._by.own) or "", ())
        return wire.owners(own, self._by, self._today(), self._options.owner_types)

    def _pets_of(self, client: str) -> Iterator[Native]:
        owning = list(self._by_keys(RELATIONSHIPS, self._by.client, [client], 0.0, standing=True))
        pets = list(dict.fromkeys(key for row in owning if (key := wire.key(row, self._by.patient)) is not None))
        rows = self._rows_of(Kind.PET, pets, standing=True)
        related = self._related(rows)
        for row in rows:
            try:
                native = self._made(Kind.PET, row, related)
            except wire.Unreadable as error:
                # Whoever is not shown whole may be the one that is meant.
                raise BadAnswer(f"{self._account}: GET {PATIENTS}: a pet cannot be read: {error}") from None
            if client in (native["client_id"], *native["co_owner_ids"]):
                yield native

    def _rows_of(
        self, kind: Kind, ids: Sequence[str], patience: float = 0.0, *, standing: bool = False
    ) -> list[Native]:
        return list(self._by_keys(ENTITIES[kind], self._field(kind), ids, patience, standing=standing))

    def _by_keys(
        self, entity: str, field: str, ids: Sequence[str], patience: float, *, standing: bool = False
    ) -> Iterator[Native]:
        """Rows of which a field is one of some keys. Raises ``BadAnswer`` where the filter did not filter."""
        literal = wire.literal if field == "Id" else self._by.literal
        known = [(id_, value) for id_ in ids if (value := literal(id_)) is not None]
        for part in _parts(field, known):
            # Databases compare text without its case.
            folded = {id_.casefold() for id_ in part}
            query = self._query(entity, all_of(V3.one_of(field, part.values()), STANDING if standing else ""))

            def holds(row: Native, folded: set[str] = folded) -> bool:
                return (wire.key(row, field) or "").casefold() in folded and not (standing and wire.is_removed(row))

            for row in self._lists.rows(query, wire.feed_id, holds=holds, patience=patience):
                if wire.key(row, field) in part:
                    yield row

    def _query(self, entity: str, where: str = "") -> Query:
        expand = ("Phones", "Emails") if entity == CLIENTS and self._options.expand else ()
        return Query(path=f"{DATA}/{entity}", where=where, order="Id", expand=expand, top=self._options.page_size)

    def _kind_of(self, kind: Kind) -> str:
        """The condition of the rows that are of a kind."""
        return V3.one_of("Code", sorted(self._codes.now())) if kind is Kind.VACCINATION else ""

    def _is_asked_for(
        self, kind: Kind, row: Native, *, asked: datetime | None = None, standing: bool = False
    ) -> bool:
        """Whether a row is one of a kind, stands if it must, and changed since a moment. Text is compared without its
        case, as databases do."""
        if kind is Kind.VACCINATION:
            code = (wire.code_of(row) or "").casefold()
            if code not in {each.casefold() for each in self._codes.now()}:
                return False
        return not (standing and wire.is_removed(row)) and (asked is None or wire.is_since(row, asked))

    def _coded(self, categories: Sequence[str]) -> Iterator[str]:
        """The codes of some categories, as the practice's catalogue has them now."""
        names = ("CodeCategory", "CodeCategoryDescription")
        where = any_of(*(V3.one_of(name, categories) for name in names))
        for row in self._lists.rows(self._query(CODES, where), wire.feed_id, patience=PATIENCE):
            code = wire.code_of(row)
            if code is not None and any(wire.key(row, name) in categories for name in names):
                yield code

    # -- small things

    def _begins(self, walk: Walk, stretch: Stretch) -> None:
        """When a walk begins: by the feed's clock, as far as that can be right; by ours where it tells no time."""
        if walk.begun is None:
            now = self._clock.now()
            begun = now if stretch.told_at is None else min(stretch.told_at, now + AHEAD)
            walk.begun = begun.astimezone(UTC).replace(tzinfo=None)

    def _cursor(self, kind: Kind, since: str | None) -> Cursor | None:
        """A cursor that was given; None where it is none, or one that would hide changes."""
        try:
            cursor = Cursor.model_validate_json(since or "")
        except ValidationError:
            return None
        latest = (self._clock.now() + timedelta(days=1)).astimezone(UTC).replace(tzinfo=None)
        fits = all(each.tzinfo is None and datetime(2000, 1, 1) < each <= latest for each in cursor.seen.values())  # noqa: DTZ001
        return cursor if fits and ENTITIES[kind] in cursor.seen and cursor.made == self._made_by(kind) else None

    def _end(self, kind: Kind, walk: Walk) -> str:
        """The cursor after a walk that saw all there is."""
        if not walk.newest:
            return ""
        text = Cursor(seen=walk.newest, made=self._made_by(kind), walk=walk.name).model_dump_json()
        self._memory.keep(kind, text, walk.again(self._overlap))
        return text

    def _made_by(self, kind: Kind) -> str:
        """Of the options that the records of a kind are made by."""
        options = self._options
        said: list[object] = [options.installation, options.keys]
        if kind is Kind.CLIENT:
            said.append(options.expand)
        elif kind is Kind.PET:
            said.append(sorted(options.owner_types))
        else:
            said += [sorted(self._codes.now()), sorted(options.due_after_days.items())]
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]

    def _field(self, kind: Kind) -> str:
        """The field that a record is known by. Lines of an account have no number of the practice's."""
        return "Id" if kind is Kind.VACCINATION else self._by.own

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()

    def _known(self, kind: Kind) -> None:
        if kind not in self._capabilities.kinds:
            self._unsupported(f"the kind {kind}")

    def _unsupported(self, what: str) -> NoReturn:
        raise Refused(f"{self._account}: VetData does not serve {what}", code="not-supported")


def _parts(field: str, known: Sequence[tuple[str, odata.Value]]) -> Iterator[Mapping[str, odata.Value]]:
    """Keys with their literals, as many at a time as one filter holds."""
    part: dict[str, odata.Value] = {}
    length = 0
    for id_, value in known:
        longer = len(V3.equals(field, value)) + len("() or ")
        if part and length + longer > LONGEST_FILTER:
            yield part
            part, length = {}, 0
        part[id_] = value
        length += longer
    if part:
        yield part


def _name() -> str:
    return secrets.token_hex(4)
