"""The connector ``rest``: an HTTP API as its profile describes it. What is proven of one, its profile says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.rest import template
from connectors.rest.check import check
from connectors.rest.door import Door, Place, Stretch, WritingDoor
from connectors.rest.options import RestOptions, capabilities
from connectors.rest.profile import HANDED, Changed, RestKind, Send
from connectors.rest.records import Records, at, word
from connectors.rest.times import at_site, moment, written
from connectors.rest.trying import Trier
from vetbridge.connector.http import PATIENCE, Answer
from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    ExactlyOnce,
    Found,
    Hint,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Write,
)
from vetbridge.connector.mark import WalkMark
from vetbridge.connector.plugin import Environment
from vetbridge.connector.rows import BadRow
from vetbridge.connector.rows.reading import DELETED
from vetbridge.connector.trying import Trial
from vetbridge.core import normalise
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind

AHEAD = 300.0
"""Seconds by which the vendor's clock may be ahead of ours: a later moment is no cursor, it would hide changes."""


SEVERAL = 5
"""Records of one page: where none of so many can be read, the API shows another form, and the list is an error."""

TAIL = 8
"""Last digits of a phone by which a list is searched that holds phones as people typed them."""


class Mark(WalkMark):
    """Where a walk can be taken up, and what it knew there."""

    place: Place = Place()
    begun: datetime | None = None
    """The vendor's time when the walk began."""
    newest: datetime | None = None
    """The latest change that was seen."""


class Rest:
    """One account. Safe to be used by several threads."""

    def __init__(self, options: RestOptions, environment: Environment) -> None:
        self._options = options
        self._environment = environment
        self._account = environment.account
        self._zone = environment.zone
        self._country = environment.country
        self._clock = environment.clock
        self._values = options.values
        self._profile = options.api
        self._capabilities = capabilities(self._profile, late_landing=options.late_landing)
        self._door = WritingDoor(options, self._profile, environment, budgets=self._capabilities.budgets)
        self._records = {
            kind: Records(kind, rest, self._profile.times, environment.zone)
            for kind, rest in self._profile.kinds.items()
        }

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._capabilities

    def close(self) -> None:
        """Gives back connections."""
        self._door.close()

    def check(self) -> CheckReport:
        """Looks at the address, the credentials, the lists and what their records hold; reads only."""
        return check(self._door, self._profile, self._records)

    def try_reading(self, kind: Kind) -> Trial:
        """One page of a kind, and what it says beside what the profile names; by a door that only reads."""
        rest = self._kind(kind)
        door = Door(self._options, self._profile, self._environment, budgets=self._capabilities.budgets)
        try:
            trier = Trier(door, self._options.base_url, self._values, self._profile.times, self._zone)
            return trier.tried(kind, rest, self._records[kind])
        finally:
            door.close()

    # -- reading

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed since a cursor, in pages; everything where the profile names no filter for that.

        The cursor is the vendor's time when the walk began, or the latest change that was seen where it tells none
        that can be; it moves only with the last page, and only when as many records came as the list counts. A cursor
        that cannot be read starts over.
        """
        rest = self._kind(kind)
        bound = self._bound(since) if rest.changed is not None else None
        return self._walked(kind, rest, bound, Mark.of(mark))

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """The record now, or None. Raises ``BadAnswer`` for one that cannot be read."""
        rest = self._kind(kind)
        item = self._one(kind, rest, id)
        return None if item is None else self._readable(kind, item)

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Records by the declared keys, several ANDed.

        Each record that comes is compared once more here, so that a parameter which the API ignores finds no
        stranger. Times are ISO 8601 with an offset; one that is none is ``Refused`` with code ``bad-query``.
        """
        rest = self._kind(kind)
        unknown = sorted(set(query) - set(rest.search))
        if unknown or not query:
            raise self._unsupported(f"a search for {kind} by {', '.join(unknown) or 'nothing'}")
        bounds = {key: self._moment(key, query[key]) for key in ("start_from", "start_before") if key in query}
        return self._searched(kind, rest, query, bounds)

    def look(self, write: Write) -> Iterator[Native]:
        """Records that a create with an unknown outcome may have made.

        Appointment: the stamp in the notes, among the visits of that day (without a stamp: the same start, client,
        pet and type). Client: the written phone or e-mail, and an equal name. Pet: the same client, an equal name and
        species, and not dead.
        """
        if self._capabilities.of(write.kind).create is not ExactlyOnce.LOOK:
            raise self._unsupported(f"a look for a new {write.kind}")
        if write.kind is Kind.CLIENT:
            return self._look_client(write.native)
        return self._look_pet(write.native) if write.kind is Kind.PET else self._look_visit(write)

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """Files are not served."""
        raise self._unsupported("the content of a file")

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """The lists that the profile names. ``status`` has the word for a deleted visit beside the practice's own."""
        if not self._profile.codes:
            raise self._unsupported("the reading of a code list")
        lists: dict[str, dict[str, str]] = {}
        for name, codes in self._profile.codes.items():

            def code(item: Any, path: str = codes.code) -> str | None:
                return word(at(item, path))

            lists[name] = {
                str(code(item)): normalise.shown(word(at(item, codes.title)) or "", 80)
                for item in self._door.rows(codes, {}, code)
            }
        if "status" in lists:
            lists["status"][DELETED] = DELETED
        return lists

    # -- writing

    def apply(self, write: Write) -> Receipt:
        """The one write door. What people carry out is handed on by doing nothing: the work list tells them."""
        able = self._capabilities.of(write.kind)
        if write.operation is Operation.RECALL and able.handed:
            return Receipt(id="")
        rest = self._profile.kinds.get(write.kind)
        sent = None if rest is None else rest.write(write.operation)
        if rest is None or sent is None:
            raise self._unsupported(f"{write.operation} of {write.kind}")
        if write.operation is Operation.UPDATE:
            beyond = sorted(set(write.native) - able.update)
            if beyond or not write.native:
                raise self._unsupported(f"a change of {', '.join(beyond) or 'nothing'} of a {write.kind}")
        if sent == HANDED or not isinstance(sent, Send):
            return Receipt(id="")
        return self._sent(write, rest, sent)

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """No webhooks are known of an API that a profile describes."""
        raise self._unsupported("webhooks")

    def _sent(self, write: Write, rest: RestKind, sent: Send) -> Receipt:
        if write.native.get("status") == DELETED:
            raise self._unsupported("cancelling otherwise than by a cancel")
        values = self._of_write(write, rest, sent)
        path = template.path(sent.path, values)
        if path is None:
            raise Refused(f"{self._account}: the id of a {write.kind} cannot stand in a path", code="bad-id")
        headers = {}
        if self._profile.idempotency_header is not None and write.key:
            headers[self._profile.idempotency_header] = write.key
        version = rest.version
        if version is not None and version.header is not None and write.version:
            headers[version.header] = f'"{write.version}"' if version.quoted else write.version
        body = None if sent.body is None else template.body(sent.body, values)
        answer = self._door.send(sent.method, path, template.query(sent.query, values), body, headers)
        return self._written(write, sent, answer)

    def _of_write(self, write: Write, rest: RestKind, sent: Send) -> dict[str, Any]:
        """What the placeholders of a write stand for."""
        native = dict(write.native)
        if write.operation is Operation.UPDATE:
            native = self._completed(write, rest, sent)
        elif write.operation is Operation.CREATE:
            native = {name: value for name, value in native.items() if value is not None}
        values: dict[str, Any] = {**self._values}
        for name, value in (("id", write.id), ("key", write.key), ("stamp", write.stamp), ("version", write.version)):
            if value:
                values[name] = value
        if write.operation is Operation.CANCEL:
            by = "client" if native.get("by") == "client" else "clinic"
            native = {"by": by, "reason": str(native.get("reason") or by)}
        values |= self._derived(native)
        for name, words in sent.words.items():
            if name in values:
                values[name] = words.get(str(values[name]), values[name])
        return values

    def _completed(self, write: Write, rest: RestKind, sent: Send) -> Native:
        """The fields of a change, with those that have to be said beside them."""
        native = dict(write.native)
        needed = template.sources(sent.body or {}, frozenset(native))
        if sent.whole:
            needed |= template.changed(sent.body or {})
        if needed <= set(native):
            return native
        item = self._one(write.kind, rest, str(write.id))
        if item is None:
            raise Refused(f"{self._account}: there is no such {write.kind}", code="not-found")
        return {
            **{name: value for name, value in self._readable(write.kind, item).items() if name in needed},
            **native,
        }

    def _derived(self, native: Native) -> dict[str, Any]:
        """The fields of a write as the API says them, with what is made of them."""
        values = dict(native)
        for several, one in (("phones", "phone"), ("emails", "email")):
            if several in native:
                values[one] = next(iter(native[several] or ()), None)
        if native.get("birth_date"):
            values["birth_date"] = date.fromisoformat(native["birth_date"]).strftime(self._profile.times.date)
        seconds = native.get("duration")
        if "duration" in native:
            values["minutes"] = None if seconds is None else seconds // 60
        if native.get("start"):
            start = at_site(native["start"], self._zone)
            times = self._profile.times
            values["start"] = written(start, times.send, times, self._zone)
            if seconds is not None:
                end = start.astimezone(UTC) + timedelta(seconds=seconds)
                values["end"] = written(end, times.send, times, self._zone)
        return values

    def _written(self, write: Write, sent: Send, answer: Answer) -> Receipt:
        """The receipt of a write. The write is done, so nothing here may make it look undone.

        A create's answer without an id leaves the outcome unknown: the record is found by looking.
        """
        records = self._records[write.kind]
        item = answer.body if sent.item is None else at(answer.body, sent.item)
        told = records.id(item) if sent.id is None else word(at(item, sent.id))
        if write.operation is Operation.CREATE and told is None:
            what = f"{self._account}: {write.operation} {write.kind}"
            raise OutcomeUnknown(f"{what}: taken, and answered without the new record's id")
        try:
            native = records.native(item)
        except (BadRow, ValueError):
            native = None  # a short answer is no record: None says "read it"
        id_ = write.id or told or ""
        return Receipt(id=id_, native=native if native is not None and native.get("id") == id_ else None)

    # -- lists

    def _walked(self, kind: Kind, rest: RestKind, bound: datetime | None, begin: Mark) -> Iterator[Page]:
        query = self._since(rest.changed, bound) if rest.changed is not None and bound is not None else {}
        if not query:
            query = self._days(rest)
        begun, newest, is_first = begin.begun, begin.newest, begin == Mark()
        latest = self._clock.now() + timedelta(seconds=AHEAD)
        for page in self._door.walk(rest.list, query, self._records[kind].id, patience=PATIENCE, begin=begin.place):
            here = None if page.begin is None else Mark(place=page.begin, begun=begun, newest=newest)
            if is_first and page.told_at is not None and page.told_at <= latest:
                begun = page.told_at
            is_first = False
            if rest.changed is not None:
                newest = self._newest(kind, rest.changed, page, bound, newest, latest)
            moved = begun or newest
            cursor = bound if moved is None or not (page.last and page.complete) else max(moved, bound or moved)
            yield Page(
                records=tuple(self._found(kind, page.items)),
                cursor="" if cursor is None or rest.changed is None else cursor.astimezone(UTC).isoformat(),
                last=page.last,
                total=page.total,
                mark=None if here is None else here.text,
            )

    def _newest(
        self,
        kind: Kind,
        changed: Changed,
        page: Stretch,
        bound: datetime | None,
        newest: datetime | None,
        latest: datetime,
    ) -> datetime | None:
        """The latest change that was seen. Raises ``BadAnswer`` where a filter did not filter, unless the profile
        takes that for the whole list."""
        stamps = [moment(at(item, changed.at), self._profile.times, self._zone) for item in page.items]
        if bound is not None and changed.ignored == "refuse":
            asked = bound - timedelta(seconds=changed.overlap + 1)
            if any(each is None or each < asked for each in stamps):
                raise BadAnswer(
                    f"{self._account}: GET {self._profile.kinds[kind].list.path}: the filter {changed.parameter} did "
                    "not filter; see docs/connectors/rest.md, changed.ignored",
                    code="filter-ignored",
                )
        return max((each for each in [newest, *stamps] if each is not None and each <= latest), default=None)

    def _found(self, kind: Kind, items: Iterable[Any]) -> Iterator[Found]:
        """Records of a page; of one that cannot be read, the id alone. Raises ``BadAnswer`` where none of several
        can."""
        records = self._records[kind]
        found, wrong = [], ""
        for item in items:
            id_ = records.id(item) or ""
            try:
                found.append(Found(id=id_, native=records.native(item)))
            except (BadRow, ValueError) as error:
                wrong = str(error)
                found.append(Found(id=id_))
        if len(found) >= SEVERAL and not any(each.native for each in found):
            raise BadAnswer(
                f"{self._account}: GET {self._profile.kinds[kind].list.path}: no record can be read: {wrong}"
            )
        yield from found

    def _searched(
        self, kind: Kind, rest: RestKind, query: Mapping[str, str], bounds: Mapping[str, datetime]
    ) -> Iterator[Native]:
        if "start_from" in bounds and "start_before" in bounds and bounds["start_from"] >= bounds["start_before"]:
            return
        asked: dict[str, str] = {}
        for key in query:
            search = rest.search[key]
            value = self._sought(key, query[key], search.phone, bounds)
            if value is None:
                return
            asked |= template.query(search.query, {**self._values, key: value})
        for item in self._door.rows(rest.list, asked, self._records[kind].id):
            # Whoever is not shown whole may be anybody, and a stranger must not be taken for nobody.
            native = self._readable(kind, item)
            if self._fits(native, query, bounds):
                yield native

    def _sought(self, key: str, text: str, form: str, bounds: Mapping[str, datetime]) -> str | int | None:
        """A search's value as the API has it; None: nothing can be found by it."""
        if key in bounds:
            return written(bounds[key], self._profile.times.send, self._profile.times, self._zone)
        if key == "phone":
            number = normalise.phone(text, self._country)
            if number is None or form == "e164":
                return number
            return number.removeprefix("+") if form == "digits" else number[-TAIL:]
        return text.strip() or None

    def _fits(self, native: Native, query: Mapping[str, str], bounds: Mapping[str, datetime]) -> bool:
        if "phone" in query and not self._has_phone(native, query["phone"]):
            return False
        if "email" in query and not _has_email(native, query["email"]):
            return False
        if any(native.get(key) != query[key].strip() for key in ("client_id", "pet_id") if key in query):
            return False
        if not bounds:
            return True
        start = at_site(native["start"], self._zone) if native.get("start") else None
        if start is None:
            return False
        begins = bounds.get("start_from", start)
        return begins.timestamp() <= start.timestamp() and (
            "start_before" not in bounds or start.timestamp() < bounds["start_before"].timestamp()
        )

    def _look_client(self, native: Native) -> Iterator[Native]:
        phones, emails = native.get("phones") or (), native.get("emails") or ()
        able = self._profile.kinds[Kind.CLIENT].search
        query = {"phone": phones[0]} if phones and "phone" in able else {}
        if not query and emails and "email" in able:
            query = {"email": emails[0]}
        for found in self.search(Kind.CLIENT, query) if query else ():
            if (
                all(_folded(found, name) == _folded(native, name) for name in ("given_name", "family_name"))
                and all(self._has_phone(found, each) for each in phones)
                and all(_has_email(found, each) for each in emails)
            ):
                yield found

    def _look_pet(self, native: Native) -> Iterator[Native]:
        for found in self.search(Kind.PET, {"client_id": str(native.get("client_id"))}):
            if (
                _folded(found, "name") == _folded(native, "name")
                and native.get("species") in (None, found.get("species"))
                # Families give a new pet the name of the one that died.
                and not found.get("deceased")
            ):
                yield found

    def _look_visit(self, write: Write) -> Iterator[Native]:
        native = write.native
        start = at_site(str(native.get("start")), self._zone)
        day = start.replace(hour=0, minute=0, second=0)
        query = {"start_from": day.isoformat(), "start_before": (day + timedelta(days=1)).isoformat()}
        for found in self.search(Kind.APPOINTMENT, query):
            if write.stamp:
                if write.stamp in str(found.get("notes") or ""):
                    yield found
            elif all(found.get(name) == native.get(name) for name in _SAME_VISIT):
                yield found

    # -- small things

    def _one(self, kind: Kind, rest: RestKind, id_: str) -> Any | None:
        """The record under an id as the API answers it; None where there is none."""
        values = {**self._values, "id": id_}
        path = template.path(rest.get.path, values)
        if path is None or not id_ or not id_.isprintable():
            return None
        try:
            body = self._door.read(path, template.query(rest.get.query, values)).body
        except Refused as refusal:
            if refusal.code == "not-found":
                return None
            raise
        item = body if rest.get.item is None else at(body, rest.get.item)
        items = item if isinstance(item, list) else [item]
        return next((each for each in items if self._records[kind].id(each) == id_), None)

    def _readable(self, kind: Kind, item: Any) -> Native:
        """The flat record. Raises ``BadAnswer`` naming what it lacks, or what cannot be read."""
        try:
            return self._records[kind].native(item)
        except (BadRow, ValueError) as wrong:
            raise BadAnswer(f"{self._account}: GET {kind}: the record cannot be read: {wrong}") from None

    def _since(self, changed: Changed, bound: datetime) -> dict[str, str]:
        times = self._profile.times
        asked = bound - timedelta(seconds=changed.overlap)
        return {changed.parameter: str(written(asked, changed.format or times.send, times, self._zone))}

    def _days(self, rest: RestKind) -> dict[str, str]:
        """The days of which visits are listed, where the profile says so."""
        window, times = rest.window, self._profile.times
        if window is None:
            return {}
        today = self._clock.now()
        form = window.format or times.send
        ends = {
            window.start: today - timedelta(days=window.back_days),
            window.before: today + timedelta(days=window.ahead_days),
        }
        return {name: str(written(day, form, times, self._zone)) for name, day in ends.items()}

    def _bound(self, since: str | None) -> datetime | None:
        """The moment of a cursor; None where it is none, or one that would hide changes."""
        try:
            at_ = datetime.fromisoformat(since or "")
        except ValueError:
            return None
        if at_.tzinfo is None or not datetime(2000, 1, 1, tzinfo=UTC) < at_:
            return None
        return at_ if at_ <= self._clock.now() + timedelta(days=1) else None

    def _kind(self, kind: Kind) -> RestKind:
        rest = self._profile.kinds.get(kind)
        if rest is None:
            raise self._unsupported(f"the kind {kind}")
        return rest

    def _has_phone(self, native: Native, phone: str) -> bool:
        wanted = set(normalise.phones(phone, self._country))
        held = {each for text in native.get("phones") or () for each in normalise.phones(text, self._country)}
        return bool(wanted & held)

    def _moment(self, key: str, text: str) -> datetime:
        """A time of a query. Raises ``Refused`` for text that is no time with an offset."""
        try:
            return Instant.parse(text, self._zone).utc
        except (ValueError, OverflowError):
            raise Refused(f"{self._account}: {key} must be a time with an offset", code="bad-query") from None

    def _unsupported(self, what: str) -> Refused:
        return Refused(f"{self._account}: the profile {self._profile.title} has no {what}", code="not-supported")


_SAME_VISIT = ("start", "client_id", "pet_id", "appointment_type")


def _has_email(native: Native, email: str) -> bool:
    return any(each.strip().casefold() == email.strip().casefold() for each in native.get("emails") or ())


def _folded(native: Native, name: str) -> str:
    return " ".join(str(native.get(name) or "").split()).casefold()
