"""The connector ``idexx_data_services``: a practice's records as IDEXX's data services show them to partners.

What is public of them is little (cornerstone.md, section 3); all names stand in the site's profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from connectors.idexx_data_services import drafting, writing
from connectors.idexx_data_services.check import check
from connectors.idexx_data_services.door import Door
from connectors.idexx_data_services.options import IdexxOptions, capabilities, changed_by, searched
from connectors.idexx_data_services.profile import (
    FileWrites,
    IdexxProfile,
    LogWrites,
    SetKind,
    VisitWrites,
    plain,
)
from connectors.idexx_data_services.records import Records, at, word
from vetbridge.connector import csdl
from vetbridge.connector.csdl import EntitySet
from vetbridge.connector.http import PATIENCE, Answer
from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    ExactlyOnce,
    Hint,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Write,
)
from vetbridge.connector.odata import Dialect, Place, Query, all_of, any_of
from vetbridge.connector.plugin import Environment
from vetbridge.connector.rows import answers, walking
from vetbridge.connector.rows.reading import DELETED
from vetbridge.connector.rows.searching import SAME_VISIT, Wanted, dialled, visits_made
from vetbridge.connector.rows.walking import AHEAD, Cursor, TimedMark
from vetbridge.core import normalise
from vetbridge.core.errors import BadAnswer, Refused
from vetbridge.core.records import Kind

V4 = Dialect.V4


class Mark(TimedMark):
    """Where a walk can be taken up, and what it knew there."""

    place: Place = Place()


class Idexx:
    """One account. Safe to be used by several threads."""

    def __init__(self, options: IdexxOptions, environment: Environment) -> None:
        self._options = options
        self._account = environment.account
        self._zone = environment.zone
        self._country = environment.country
        self._clock = environment.clock
        self._site = options.site
        self._capabilities = capabilities(options)
        self._door = Door(options, environment, self._capabilities.budgets)
        self._sets: Mapping[Kind, SetKind] = self._site.sets if self._site is not None else {}
        self._records = {
            kind: Records(kind, rules, self._profile.times, environment.zone) for kind, rules in self._sets.items()
        }
        self._own = writing.Lately(environment.clock, options.shown_within)

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._capabilities

    def close(self) -> None:
        """Gives back connections."""
        self._door.close()

    def check(self) -> CheckReport:
        """Looks at the credentials, the sets and what their rows hold; reads only."""
        return check(self._door, self._options, self._sets, self._records)

    def entity_sets(self) -> tuple[EntitySet, ...]:
        """What the service says of itself: see ``Describing``."""
        return csdl.read(self._door.metadata(), f"{self._account}: $metadata")

    def draft(self, sets: tuple[EntitySet, ...]) -> str:
        """A profile that a technician only has to confirm: see ``Drafting``."""
        return drafting.draft(sets)

    # -- reading

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed since a cursor, in pages; everything where the profile names no property for that.

        The cursor is the service's time when the walk began, or the latest change that was seen; as reads follow
        what happens, the overlap is asked for once more. A cursor that cannot be read starts over.
        """
        rules = self._rules(kind)
        bound = walking.bound(since, self._clock.now()) if rules.changed is not None else None
        return self._walked(kind, rules, bound, Mark.of(mark))

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """The record now, or None. Raises ``BadAnswer`` for one that cannot be read."""
        row = self._row(kind, id)
        return None if row is None else self._readable(kind, row)

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Records by the declared keys, several ANDed; each that comes is compared once more here.

        Times are ISO 8601 with an offset; one that is none is ``Refused`` with code ``bad-query``.
        """
        unknown = sorted(set(query) - self._capabilities.of(kind).search)
        if unknown or not query:
            raise self._unsupported(f"a search for {kind} by {', '.join(unknown) or 'nothing'}")
        wanted = Wanted(self._account, query, zone=self._zone, country=self._country)
        return self._searched(kind, self._rules(kind), query, wanted)

    def look(self, write: Write) -> Iterator[Native]:
        """Records that a create with an unknown outcome may have made.

        Visits: the stamp in the notes, among the visits of that day (without a stamp: the same start, client, pet and
        type). Documents: the stamp in the notes where these are kept, else the name, among those of the same client
        or pet.
        """
        if self._capabilities.of(write.kind).create is not ExactlyOnce.LOOK:
            raise self._unsupported(f"a look for a new {write.kind}")
        if write.kind is Kind.ATTACHMENT:
            return self._look_file(write)
        return visits_made(write, self._zone, partial(self.search, Kind.APPOINTMENT))

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """What is in a document, from the address that its row names now: it lives shortly."""
        rules = None if self._site is None else self._site.attachment
        if rules is None:
            raise self._unsupported("the content of a document")
        row = self._row(Kind.ATTACHMENT, id)
        if row is None:
            raise Refused(f"{self._account}: there is no such document", code="not-found")
        url = at(row, rules.content)
        if not isinstance(url, str) or not url:
            raise BadAnswer(f"{self._account}: a document's row has no address in {rules.content}", code="unreadable")
        yield from self._door.file(self._door.absolute(url))

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """The lists that the profile names. ``status`` has the word for a deleted visit beside the practice's own."""
        if self._site is None or not self._site.codes:
            raise self._unsupported("the reading of a code list")
        lists: dict[str, dict[str, str]] = {}
        for name, codes in self._site.codes.items():

            def code(row: Native, path: str = codes.code) -> str | None:
                return word(at(row, path))

            rows = self._door.lists.rows(self._query(codes.entity, codes.page), code)
            lists[name] = {str(code(row)): normalise.shown(word(at(row, codes.title)) or "", 80) for row in rows}
        if "status" in lists:
            lists["status"][DELETED] = DELETED
        return lists

    # -- writing

    def apply(self, write: Write) -> Receipt:
        """The one write door. What people carry out is handed on by doing nothing: the work list tells them."""
        able = self._capabilities.of(write.kind)
        if write.operation is Operation.RECALL and able.handed:
            return Receipt(id="")
        can = {
            Operation.CREATE: able.create is not None,
            Operation.UPDATE: bool(able.update),
            Operation.CANCEL: able.cancel,
            Operation.LOG: able.logs,
        }
        if not can.get(write.operation, False):
            raise self._unsupported(f"{write.operation} of {write.kind}")
        if write.operation is Operation.UPDATE:
            beyond = sorted(set(write.native) - able.update)
            if beyond or not write.native:
                raise self._unsupported(f"a change of {', '.join(beyond) or 'nothing'} of a {write.kind}")
        if write.operation in able.handed:
            return Receipt(id="")
        writes = self._profile.writes
        if write.operation is Operation.LOG and writes.log is not None:
            return self._logged(write, writes.log)
        if write.kind is Kind.ATTACHMENT and writes.attachment is not None:
            return self._uploaded(write, writes.attachment)
        if write.kind is Kind.APPOINTMENT and writes.appointment is not None:
            return self._visited(write, writes.appointment)
        raise self._unsupported(f"{write.operation} of {write.kind}")

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """No webhooks of the data services are known."""
        raise self._unsupported("webhooks")

    def _visited(self, write: Write, sent: VisitWrites) -> Receipt:
        """Inserts a visit, or updates the one whose id is sent: an update of none would be an insert."""
        native = {**write.native}
        if write.operation is Operation.CREATE:
            native = {name: value for name, value in native.items() if value is not None}
        elif write.operation is Operation.CANCEL:
            by = "client" if native.get("by") == "client" else "clinic"
            native = {"status": sent.cancelled, "by": by, "reason": str(native.get("reason") or by)}
        elif native.get("status") in {DELETED, sent.cancelled} - {None}:
            raise self._unsupported("cancelling otherwise than by a cancel")
        if write.operation is not Operation.CREATE:
            native = self._completed(str(write.id), native, sent)
        body = writing.visit(native, write, sent, self._profile.times, self._zone)
        answer = self._door.send(sent.path, body, taken=sent.taken)
        receipt = self._receipt(write, sent, answer)
        self._own.keep(receipt.id, {name: native[name] for name in native.keys() & _KEPT})
        return receipt

    def _completed(self, id_: str, native: Native, sent: VisitWrites) -> Native:
        """The fields of a change, with those that have to be said beside them. What was written lately counts, also
        where reads do not show it yet."""
        row = self._row(Kind.APPOINTMENT, id_)
        shown = None if row is None else self._readable(Kind.APPOINTMENT, row)
        known = self._own.over(id_, shown)
        if known is None:
            raise Refused(f"{self._account}: there is no such appointment", code="not-found")
        if known.get("status") == DELETED:
            known = {**known, "status": sent.cancelled}
        beside = changed_by(sent) if sent.whole else writing.beside(native.keys(), sent)
        return {**{name: known.get(name) for name in beside}, **native}

    def _uploaded(self, write: Write, sent: FileWrites) -> Receipt:
        if write.content is None or not any(write.native.get(name) for name in self._hangs_on()):
            raise Refused(f"{self._account}: a document needs its content, and whose it is", code="not-supported")
        ending = write.content.name.rpartition(".")[2].casefold()
        if sent.types and ending not in sent.types:
            raise Refused(f"{self._account}: documents of this type are not taken", code="not-supported")
        if sent.largest is not None and write.content.size >= sent.largest:
            raise Refused(f"{self._account}: documents below {sent.largest} bytes are taken", code="too-large")
        answer = self._door.upload(sent.path, writing.form(write, sent), sent.file, write.content)
        return self._receipt(write, sent, answer)

    def _hangs_on(self) -> list[str]:
        """What a document can say whose it is by."""
        return [f"{kind}_id" for kind in self._capabilities.of(Kind.ATTACHMENT).hangs_on]

    def _logged(self, write: Write, sent: LogWrites) -> Receipt:
        """Writes one line into the communication log. Nothing tells whether it stands there: it is sent once."""
        if not write.native.get("client_id") or not write.native.get("text"):
            raise Refused(f"{self._account}: a log needs a client and a text", code="not-supported")
        answer = self._door.send(sent.path, writing.log(write, sent, self._profile.times, self._zone))
        told = word(at(answer.body, sent.id)) if sent.id is not None else None
        return Receipt(id=told or str(write.native["client_id"]))

    def _receipt(self, write: Write, sent: VisitWrites | FileWrites, answer: Answer) -> Receipt:
        """The receipt of a write: see ``answers.receipt``."""
        item = answer.body if sent.item is None else at(answer.body, sent.item)
        return answers.receipt(write, item, word(at(item, sent.id)), self._records[write.kind], self._account)

    # -- lists

    def _walked(self, kind: Kind, rules: SetKind, bound: datetime | None, begin: Mark) -> Iterator[Page]:
        records = self._records[kind]
        asked = None if bound is None else self._asked(rules, bound)
        where = self._window(rules)
        if asked is not None and rules.changed is not None:
            where = any_of(*(V4.at_least(each, asked) for each in rules.changed.properties))

        def holds(row: Native) -> bool:
            # Stamps are told to the second, or shorter.
            stamp = records.changed(row)
            return self._is_of_site(rules, row) and (
                asked is None or (stamp is not None and stamp >= asked - timedelta(seconds=1))
            )

        cursor = Cursor(bound, begin, self._clock.now())
        query = self._query(rules.entity, rules.page, self._of_site(rules, where), rules.expand)
        for page in self._door.lists.walk(query, records.id, holds=holds, patience=PATIENCE, begin=begin.place):
            here = None
            if page.begin is not None:
                here = Mark(place=page.begin, begun=cursor.begun, newest=cursor.newest)
            cursor.saw(page.told_at, map(records.changed, page.rows))
            yield Page(
                records=answers.found(page.rows, records, f"{self._account}: GET {rules.entity}"),
                cursor="" if rules.changed is None else cursor.text(is_end=page.last and page.complete),
                last=page.last,
                total=page.total,
                mark=None if here is None else here.text,
            )

    def _searched(self, kind: Kind, rules: SetKind, query: Mapping[str, str], wanted: Wanted) -> Iterator[Native]:
        if wanted.is_nothing:
            return
        conditions = [self._condition(kind, rules, key, text, wanted) for key, text in query.items()]
        if None in conditions:
            return
        where = self._of_site(rules, all_of(*(each or "" for each in conditions)))
        asked = self._query(rules.entity, rules.page, where, rules.expand)
        for row in self._door.lists.rows(asked, self._records[kind].id):
            # Whoever is not shown whole may be anybody, and a stranger must not be taken for nobody.
            native = self._readable(kind, row)
            if self._is_of_site(rules, row) and wanted.fits(native):
                yield native

    def _condition(self, kind: Kind, rules: SetKind, key: str, text: str, wanted: Wanted) -> str | None:
        """A search key as a filter; None: nothing can be found by it."""
        if key in rules.search:
            return self._contact(rules, key, text)
        name = searched(kind, rules)[key]
        property_ = str(rules.property_of(name))
        if key in wanted.bounds:
            compared = V4.at_least if key == "start_from" else V4.below
            return compared(property_, wanted.bounds[key])
        return self._key_is(rules, name, text.strip())

    def _contact(self, rules: SetKind, key: str, text: str) -> str | None:
        search = rules.search[key]  # type: ignore[index]
        wanted: str | None = text.strip() or None
        if key == "phone":
            number = normalise.phone(text, self._country)
            wanted = None if number is None else dialled(number, search.form)
        if wanted is None:
            return None
        if search.contains:
            return any_of(*(f"contains({each},{V4.literal(wanted)})" for each in search.properties))
        return any_of(*(V4.equals(each, wanted) for each in search.properties))

    def _key_is(self, rules: SetKind, name: str, text: str) -> str | None:
        """That a row has this key; None where none can be so."""
        property_ = rules.property_of(name)
        if property_ is None or not text or not text.isprintable() or len(text) > 255:
            return None
        if name not in rules.plain:
            return V4.equals(property_, text)
        key = plain(text)
        return None if key is None else V4.equals(property_, key)

    def _look_file(self, write: Write) -> Iterator[Native]:
        for name in self._hangs_on():
            if write.native.get(name):
                break
        else:
            return
        keeps_notes = "notes" not in self._capabilities.of(Kind.ATTACHMENT).loss
        title = str(write.native.get("name") or (write.content.name if write.content else ""))
        for found in self.search(Kind.ATTACHMENT, {name: str(write.native[name])}):
            is_it = (
                write.stamp in str(found.get("notes") or "")
                if write.stamp and keeps_notes
                else found["name"] == title
            )
            if is_it and found.get("active", True):
                yield found

    # -- small things

    def _query(self, entity: str, page: int, where: str = "", expand: tuple[str, ...] = ()) -> Query:
        path = f"{self._door.service}/{entity}"
        return Query(path=path, where=where, expand=expand, top=page, counts=False)

    def _row(self, kind: Kind, id_: str) -> Native | None:
        """The row under an id; None where there is none. Raises ``BadAnswer`` where the filter did not filter."""
        rules, records = self._rules(kind), self._records[kind]
        where = self._key_is(rules, "id", id_)
        if where is None:
            return None
        query = self._query(rules.entity, rules.page, self._of_site(rules, where), rules.expand)
        rows = [row for row in self._door.lists.page(query).rows if self._is_of_site(rules, row)]
        found = next((row for row in rows if records.id(row) == id_), None)
        if found is None and rows:
            said = f"{self._account}: GET {rules.entity}: the filter did not filter"
            raise BadAnswer(said, code="filter-ignored")
        return found

    def _of_site(self, rules: SetKind, where: str) -> str:
        """A condition, for the site's own rows alone where the login sees others."""
        if rules.site is None:
            return where
        own = self._options.site_id
        key = plain(own) if "site" in rules.plain else None
        return all_of(where, V4.equals(rules.site, own if key is None else key))

    def _is_of_site(self, rules: SetKind, row: Native) -> bool:
        return rules.site is None or word(at(row, rules.site)) == self._options.site_id

    def _window(self, rules: SetKind) -> str:
        """The days of which visits are listed, where the profile says so."""
        start = rules.property_of("start")
        if rules.window is None or start is None:
            return ""
        today = self._clock.now().astimezone(ZoneInfo(self._zone)).replace(hour=0, minute=0, second=0, microsecond=0)
        begin, end = (today + timedelta(days=days) for days in (-rules.window.back_days, rules.window.ahead_days))
        return all_of(V4.at_least(start, begin), V4.below(start, end))

    def _asked(self, rules: SetKind, bound: datetime) -> datetime:
        """From when on changes are asked for: reads follow what happens, so what is new may have an older stamp."""
        overlap = rules.changed.overlap if rules.changed is not None else 0
        return bound.replace(microsecond=0) - timedelta(seconds=max(overlap, self._options.shown_within + AHEAD))

    def _readable(self, kind: Kind, row: Native) -> Native:
        return answers.readable(row, self._records[kind], f"{self._account}: GET {kind}")

    @property
    def _profile(self) -> IdexxProfile:
        if self._site is None:
            raise self._unsupported("anything but discover and check")
        return self._site

    def _rules(self, kind: Kind) -> SetKind:
        if kind not in self._sets:
            raise self._unsupported(f"the kind {kind}")
        return self._sets[kind]

    def _unsupported(self, what: str) -> Refused:
        if self._site is None:
            said = "the account has no profile yet; vetbridge odata discover drafts one"
            return Refused(f"{self._account}: {said}", code="not-supported")
        return Refused(f"{self._account}: the profile {self._site.title} has no {what}", code="not-supported")


_KEPT = frozenset({*SAME_VISIT, "duration", "status", "resource", "notes"})
"""Fields of a visit that are told by themselves."""
