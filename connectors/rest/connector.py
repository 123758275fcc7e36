"""The connector ``rest``: an HTTP API as its profile describes it. What is proven of one, its profile says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Literal

from connectors.rest import template
from connectors.rest.check import check
from connectors.rest.door import Door, Place, Stretch, WritingDoor
from connectors.rest.options import RestOptions, capabilities
from connectors.rest.profile import HANDED, Changed, RestKind, Send
from connectors.rest.records import Records, at, word
from connectors.rest.times import moment, written
from connectors.rest.trying import Trier
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
from vetbridge.connector.plugin import Environment
from vetbridge.connector.rows import answers, walking
from vetbridge.connector.rows.reading import DELETED
from vetbridge.connector.rows.searching import Wanted, at_site, dialled, has_email, has_phone, visits_made
from vetbridge.connector.rows.walking import Cursor, TimedMark
from vetbridge.connector.trying import Trial
from vetbridge.core import normalise
from vetbridge.core.errors import BadAnswer, Refused
from vetbridge.core.records import Kind


class Mark(TimedMark):
    """Where a walk can be taken up, and what it knew there."""

    place: Place = Place()


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
        bound = walking.bound(since, self._clock.now()) if rest.changed is not None else None
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
        wanted = Wanted(self._account, query, zone=self._zone, country=self._country)
        return self._searched(kind, rest, query, wanted)

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
        if write.kind is Kind.PET:
            return self._look_pet(write.native)
        return visits_made(write, self._zone, partial(self.search, Kind.APPOINTMENT))

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
        """The receipt of a write: see ``answers.receipt``."""
        records = self._records[write.kind]
        item = answer.body if sent.item is None else at(answer.body, sent.item)
        told = records.id(item) if sent.id is None else word(at(item, sent.id))
        return answers.receipt(write, item, told, records, self._account)

    # -- lists

    def _walked(self, kind: Kind, rest: RestKind, bound: datetime | None, begin: Mark) -> Iterator[Page]:
        query = self._since(rest.changed, bound) if rest.changed is not None and bound is not None else {}
        if not query:
            query = self._days(rest)
        cursor = Cursor(bound, begin, self._clock.now())
        records = self._records[kind]
        for page in self._door.walk(rest.list, query, records.id, patience=PATIENCE, begin=begin.place):
            here = None
            if page.begin is not None:
                here = Mark(place=page.begin, begun=cursor.begun, newest=cursor.newest)
            cursor.saw(page.told_at, self._stamps(rest, page, bound))
            yield Page(
                records=answers.found(page.items, records, f"{self._account}: GET {rest.list.path}"),
                cursor="" if rest.changed is None else cursor.text(is_end=page.last and page.complete),
                last=page.last,
                total=page.total,
                mark=None if here is None else here.text,
            )

    def _stamps(self, rest: RestKind, page: Stretch, bound: datetime | None) -> list[datetime | None]:
        """When the records of a page were changed. Raises ``BadAnswer`` where a filter did not filter, unless the
        profile takes that for the whole list."""
        changed = rest.changed
        if changed is None:
            return []
        stamps = [moment(at(item, changed.at), self._profile.times, self._zone) for item in page.items]
        if bound is not None and changed.ignored == "refuse":
            asked = bound - timedelta(seconds=changed.overlap + 1)
            if any(each is None or each < asked for each in stamps):
                raise BadAnswer(
                    f"{self._account}: GET {rest.list.path}: the filter {changed.parameter} did "
                    "not filter; see docs/connectors/rest.md, changed.ignored",
                    code="filter-ignored",
                )
        return stamps

    def _searched(self, kind: Kind, rest: RestKind, query: Mapping[str, str], wanted: Wanted) -> Iterator[Native]:
        if wanted.is_nothing:
            return
        asked: dict[str, str] = {}
        for key in query:
            search = rest.search[key]
            value = self._sought(key, query[key], search.phone, wanted)
            if value is None:
                return
            asked |= template.query(search.query, {**self._values, key: value})
        for item in self._door.rows(rest.list, asked, self._records[kind].id):
            # Whoever is not shown whole may be anybody, and a stranger must not be taken for nobody.
            native = self._readable(kind, item)
            if wanted.fits(native):
                yield native

    def _sought(
        self, key: str, text: str, form: Literal["e164", "digits", "tail"], wanted: Wanted
    ) -> str | int | None:
        """A search's value as the API has it; None: nothing can be found by it."""
        if key in wanted.bounds:
            return written(wanted.bounds[key], self._profile.times.send, self._profile.times, self._zone)
        if key == "phone":
            number = normalise.phone(text, self._country)
            return None if number is None else dialled(number, form)
        return text.strip() or None

    def _look_client(self, native: Native) -> Iterator[Native]:
        phones, emails = native.get("phones") or (), native.get("emails") or ()
        able = self._profile.kinds[Kind.CLIENT].search
        query = {"phone": phones[0]} if phones and "phone" in able else {}
        if not query and emails and "email" in able:
            query = {"email": emails[0]}
        for found in self.search(Kind.CLIENT, query) if query else ():
            if (
                all(_folded(found, name) == _folded(native, name) for name in ("given_name", "family_name"))
                and all(has_phone(found, each, self._country) for each in phones)
                and all(has_email(found, each) for each in emails)
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
        return answers.readable(item, self._records[kind], f"{self._account}: GET {kind}")

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

    def _kind(self, kind: Kind) -> RestKind:
        rest = self._profile.kinds.get(kind)
        if rest is None:
            raise self._unsupported(f"the kind {kind}")
        return rest

    def _unsupported(self, what: str) -> Refused:
        return Refused(f"{self._account}: the profile {self._profile.title} has no {what}", code="not-supported")


def _folded(native: Native, name: str) -> str:
    return " ".join(str(native.get(name) or "").split()).casefold()
