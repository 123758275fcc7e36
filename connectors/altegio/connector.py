"""The Altegio connector: clients, pets and appointments of one location, over API v1.

Facts are from the vendor sheet ``altegio.md``; docs/connectors/altegio.md says what is proven and what is not.
Everything about native shapes stands in ``wire``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final
from zoneinfo import ZoneInfo

from connectors.altegio import due, hook_settings, pets_field, wire
from connectors.altegio.api import Api, Declined, Reply, Rows, authorisation, http_client
from connectors.altegio.check import check, narrowing
from connectors.altegio.files import ClientFiles
from connectors.altegio.mark import Mark
from connectors.altegio.options import BUDGETS, AltegioOptions, capabilities_of
from vetbridge.connector.http import PATIENCE
from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    Found,
    Hint,
    HookPlan,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Write,
)
from vetbridge.connector.plugin import Environment
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    BadHint,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SlotTaken,
    Unavailable,
)
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind

EVER: Final = "2000-01-01T00:00:00"
"""The bound of a first reading: what a list without any date filter covers is not documented (section 4)."""

LOOK_BACK: Final = timedelta(days=14)
"""Age of the creations among which a record is looked for, whatever day it has been moved to since: VetBridge may
have stood still over a holiday."""

FUTURE: Final = timedelta(days=1)
"""A ``last_change_date`` further ahead than this is a mistake and no cursor."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""Ends of a search by time that names only one of them; see ``EVER``."""

HOOK_KINDS: Final = {"record": Kind.APPOINTMENT, "client": Kind.CLIENT}
"""Resources of webhooks that matter here (section 5)."""


def build(options: AltegioOptions, environment: Environment) -> AltegioConnector:
    """The connector of one account."""
    return AltegioConnector(options, environment)


class AltegioConnector:
    """One location. Keeps no state between calls but its connections; may be shared by threads."""

    def __init__(self, options: AltegioOptions, environment: Environment) -> None:
        self._options = options
        self._account = environment.account
        self._zone = environment.zone
        self._clock = environment.clock
        self._location = options.location_id
        self._capabilities = capabilities_of(options)
        http = http_client(options.base_url, environment, BUDGETS, self._authorise)
        self._api = Api(http, account=environment.account, location=self._location, page_size=options.page_size)
        self._files = ClientFiles(self._api, options, environment, self._authorise)
        self._doors: dict[tuple[Kind, Operation], Callable[[Write, str], Receipt]] = {
            (Kind.CLIENT, Operation.CREATE): self._create_client,
            (Kind.CLIENT, Operation.UPDATE): self._update_client,
            (Kind.PET, Operation.CREATE): self._create_pet,
            (Kind.PET, Operation.UPDATE): self._update_pet,
            (Kind.APPOINTMENT, Operation.CREATE): self._create_record,
            (Kind.APPOINTMENT, Operation.UPDATE): self._update_record,
            (Kind.APPOINTMENT, Operation.CANCEL): self._cancel_record,
            (Kind.ATTACHMENT, Operation.CREATE): lambda write, _: self._files.create(write),
        }
        able = self._capabilities.of(Kind.REMINDER)
        if able.update:
            self._doors[Kind.REMINDER, Operation.UPDATE] = self._update_due
        if able.notify:
            self._doors[Kind.REMINDER, Operation.NOTIFY] = self._notify

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._capabilities

    def close(self) -> None:
        """Gives back connections."""
        self._api.close()

    # -- reading

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed since a cursor, in pages.

        The cursor is the greatest ``last_change_date`` that was seen, in UTC. Altegio has no order and no cursor of
        its own, and paging over a changing set can skip rows (section 1). So a page's cursor moves only with the
        last page, only when as many different rows came as Altegio counts and that count never fell, and never
        beyond the moment when the reading began (a stamp may carry a wrong offset, section 8.1); else the next poll
        reads the same span again. ``total`` is the most that Altegio counted while it was read.
        """
        if kind is Kind.APPOINTMENT:
            path, extra, unpack = f"/records/{self._location}", {"with_deleted": "1"}, self._found_records
        elif kind is Kind.CLIENT:
            path, extra, unpack = f"/clients/{self._location}", {}, self._found_clients
        elif kind is Kind.PET:
            path, extra, unpack = f"/clients/{self._location}", {}, self._found_pets
        else:
            raise self._unsupported(kind, "read")
        return (
            replace(
                page,
                records=tuple(unpack(rows)),
                total=None if kind is Kind.PET else page.total,
                beside={Kind.PET: tuple(self._found_pets(rows))} if kind is Kind.CLIENT else {},
            )
            for page, rows in self._changes(path, extra, since or "", Mark.of(mark))
        )

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """The record now; a deleted appointment comes with state ``deleted``. None where there is none.

        ``BadAnswer`` with code ``no-rights`` where it is not shown to a user who sees one team member's part only: it
        may well be there.
        """
        if kind is Kind.APPOINTMENT:
            row = self._one("record", id)
            with self._reading("record"):
                return None if row is None or wire.is_block(row) else self._record(row)
        if kind is Kind.CLIENT:
            card = self._one("client", id)
            with self._reading("client"):
                return None if card is None else wire.client(card)
        if kind is Kind.PET:
            parts = wire.split_pet_id(id)
            return next((pet for pet in self._pets_of(parts[0]) if pet["id"] == id), None) if parts else None
        if kind is Kind.ATTACHMENT:
            file = self._files.one(id)
            if file is None and wire.split_file_id(id) is not None:
                self._require_sight("a file")
            return file
        if kind is Kind.REMINDER and self.capabilities.of(kind).read:
            card = self._one("client", id)
            return None if card is None else self._due(card)
        raise self._unsupported(kind, "read")

    def _one(self, what: str, id_: str) -> Native | None:
        """A record or card as it stands now. Raises ``BadAnswer`` where one that is not shown may be hidden: rights
        shorten what is shown without a word (section 3.14), and that must never read as a deletion."""
        row = self._api.one(what, id_)
        if row is None and wire.as_id(id_) is not None:
            self._require_sight(f"{what} {wire.as_id(id_)}")
        return row

    def _require_sight(self, missing: str) -> None:
        """Raises ``BadAnswer`` where what is not shown may be hidden."""
        if limits := self._limits():
            raise BadAnswer(
                f"{self._account}: {missing} is not shown, and may be hidden: {limits[0]} shows VetBridge's user the "
                "part of one team member only; let that user see all",
                code="no-rights",
            )

    def _limits(self) -> list[str]:
        """The rights that shorten what VetBridge's user sees; none where nobody tells: then a miss is a miss."""
        try:
            return narrowing(self._api.read(f"/user/permissions/{self._location}").data)
        except (AuthFailed, BadAnswer):
            return []

    def _record(self, row: Native) -> Native:
        """A record, flat. Raises ``wire.Unreadable``, also for one of another location: no list here has those."""
        company = row.get("company_id")
        if not wire.is_empty(company) and wire.as_id(company) != self._location:
            raise wire.Unreadable("company_id")
        return wire.record(row, self._options.pet_fields)

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Makes a field that cannot be read a ``BadAnswer`` that names it."""
        try:
            yield
        except wire.Unreadable as odd:
            raise BadAnswer(
                f"{self._account}: the {what} as Altegio tells it cannot be read: field {odd} is missing or of a "
                "shape that nobody knows",
                code="unreadable",
            ) from None

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Clients by ``phone`` (with country code), ``email`` or ``name``; pets and attachments by ``client_id``;
        appointments by ``start_from`` and ``start_before``.

        Clients: asks the deprecated client list, which answers whole cards in one call where the newer search
        answers ids alone (section 3.6). Its filters match parts, so every row is compared exactly here. ``BadAnswer``
        where somebody may be hidden: ``rows-missing`` where fewer rows come than Altegio counts, ``contact-hidden``
        where nobody is found but a row came whose contact the user's rights do not show.

        Appointments: those that begin at ``start_from`` or later and before ``start_before``, both ISO 8601 with an
        offset; a time that is none is ``Refused`` with code ``bad-query``. Deleted ones are found too, their state
        says so. One that cannot be read is left out; ``get`` says why. ``BadAnswer`` with code ``rows-missing`` where
        fewer rows come than Altegio counts, and ``filter-ignored`` where most are of other days: whoever takes a
        visit for gone relies on all being there.
        """
        unknown = set(query) - self.capabilities.of(kind).search
        if unknown or not query:
            raise self._unsupported(kind, f"search by {', '.join(sorted(unknown)) or 'nothing'}")
        if kind is Kind.PET:
            return self._pets_of(query["client_id"])
        if kind is Kind.ATTACHMENT:
            return self._files.of(query["client_id"])
        if kind is Kind.APPOINTMENT:
            first, end = self._moment(query, "start_from", EARLIEST), self._moment(query, "start_before", LATEST)
            return self._starting(first, end)
        return self._matching_clients(query)

    def look(self, write: Write) -> Iterator[Native]:
        """What a create with an unknown outcome may have made.

        An appointment by its stamp in ``api_id``, among all of its day and all that were created in the last
        fortnight, deleted ones too: someone may already have moved it or deleted it. A client by phone and name, a
        pet by client, name and species, a file by client and name. ``BadAnswer`` where nothing is found and a list
        did not come whole: what was not shown must not be written again.
        """
        if write.operation is not Operation.CREATE or self.capabilities.of(write.kind).create is None:
            raise self._unsupported(write.kind, f"look for {write.operation}")
        if write.kind is Kind.APPOINTMENT:
            return self._stamped(write)
        if write.kind is Kind.CLIENT:
            body = self._complete(lambda: wire.client_body(write.native))
            name = " ".join(f"{body['name']} {body.get('surname', '')}".split())
            return self._matching_clients({"phone": body["phone"], "name": name})
        if write.kind is Kind.ATTACHMENT:
            return self._files.look(write)
        return (
            pet
            for pet in self._pets_of(wire.as_text(write.native.get("client_id")))
            if pets_field.same_name(pet["name"], wire.as_text(write.native.get("name")))
            and pet["species"] == wire.one_line(write.native.get("species"))
        )

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """See ``Connector.content`` and ``ClientFiles.content``."""
        return self._files.content(id)

    def _found_records(self, rows: Sequence[Native]) -> list[Found]:
        """Of one that cannot be read the id alone: whoever reads it is told why, and its neighbours go through."""
        found = []
        for row in rows:
            if wire.is_block(row):
                continue
            try:
                native = self._record(row)
            except wire.Unreadable:
                found.append(Found(id=str(wire.as_id(row["id"]))))
            else:
                found.append(Found(id=native["id"], native=native, deleted=native["state"] == wire.DELETED))
        return found

    def _found_clients(self, rows: Sequence[Native]) -> list[Found]:
        found = []
        for row in rows:
            try:
                native = wire.client(row)
            except wire.Unreadable:
                found.append(Found(id=str(wire.as_id(row["id"]))))
            else:
                found.append(Found(id=native["id"], native=native))
        return found

    def _found_pets(self, rows: Sequence[Native]) -> list[Found]:
        """The pets of the cards that can be read; of the others nobody knows an id."""
        found = []
        for row in rows:
            try:
                pets = wire.pets(row, self._options.client_pets_field)
            except wire.Unreadable:
                continue
            found += [Found(id=pet["id"], native=pet) for pet in pets]
        return found

    def _changes(
        self,
        path: str,
        extra: Mapping[str, str],
        since: str,
        begin: Mark,
    ) -> Iterator[tuple[Page, Sequence[Native]]]:
        """Pages of a list, without records yet, and their rows."""
        from_ = wire.moment(since, "UTC")
        since = "" if from_ is None else since  # a cursor that is none of ours: from the beginning
        bound = self._bound(from_)
        greatest = begin.greatest or from_
        began, complete, most = begin.began, begin.complete, begin.most
        cursor = since
        for page in self._api.pages(path, {"changed_after": bound, **extra}, patience=PATIENCE, begin=begin):
            known = {"began": began, "complete": complete, "most": most, "greatest": greatest}
            now = page.served_at or self._clock.now()
            began = began or now
            self._notice_unfiltered(path, page.rows, bound)
            for row in page.rows:
                changed = wire.moment(row.get("last_change_date"), self._zone)
                if changed is None or changed > now + FUTURE:
                    continue  # such a stamp would hide every change until then
                greatest = max(changed, greatest or changed)
            if most is not None and page.total is not None and page.total < most:
                complete = False  # a row left the list while it was read: another may have slipped past
            most = page.total if most is None else max(most, page.total or 0)
            if page.last and complete and page.complete and greatest is not None:
                cursor = max(_cursor(min(greatest, began)), since)
            mark = page.begin.model_copy(update=known).text
            yield Page(records=(), cursor=cursor, last=page.last, total=most, mark=mark), page.rows
            if page.last and page.nameless:
                # What came with a name is stored by now, and the cursor stays until all can be read.
                raise BadAnswer(
                    f"{self._account}: GET {path}: {page.nameless} rows have no id that can be read",
                    code="unreadable",
                )

    def _bound(self, since: datetime | None) -> str:
        """The ``changed_after`` of a cursor: ``YYYY-MM-DDTHH:MM:SS`` without a zone, as Altegio takes it."""
        if since is None:
            return EVER
        stamp = since - timedelta(seconds=self._options.overlap_seconds)
        utc = f"{stamp.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
        # When clocks go back, walls of the next hour are below those of this one: the bound is below both.
        zone = ZoneInfo(self._zone)
        later = (stamp + timedelta(hours=1)).astimezone(zone) - timedelta(hours=1)
        site = min(f"{wall:%Y-%m-%dT%H:%M:%S}" for wall in (stamp.astimezone(zone), later))
        return {"either": min(utc, site), "site": site, "utc": utc}[self._options.changed_after_zone]

    def _notice_unfiltered(self, path: str, rows: Sequence[Native], bound: str) -> None:
        """Raises ``BadAnswer`` when most rows of a page are older than the bound, in whatever zone it was read."""
        readings = [wire.moment(bound, zone) for zone in ("UTC", self._zone)]
        earliest = min(stamp for stamp in readings if stamp is not None)
        stamps = [stamp for row in rows if (stamp := wire.moment(row.get("last_change_date"), self._zone))]
        old = sum(stamp < earliest for stamp in stamps)
        if old * 2 > len(stamps):
            raise BadAnswer(
                f"{self._account}: GET {path}: {old} of {len(rows)} rows are older than changed_after={bound}; "
                "the filter did not filter, so the list cannot be trusted to hold what changed",
                code="filter-ignored",
            )

    def _matching_clients(self, query: Mapping[str, str]) -> Iterator[Native]:
        wanted = {
            "phone": wire.phone(query.get("phone", "")),
            "email": query.get("email", "").strip().casefold(),
            "name": _folded(query.get("name", "")),
        }
        if any(not wanted[key] for key in query):
            return
        if "phone" in query:
            asked = {"phone": wanted["phone"].lstrip("+")}
        elif "email" in query:
            asked = {"email": query["email"].strip()}
        else:
            # A card may hold the words of a name in either order: ask for the longest of them.
            asked = {"fullname": max(query["name"].replace(",", " ").split(), key=len)}
        path = f"/clients/{self._location}"
        found: set[str] = set()
        hidden = False
        for page in self._api.pages(path, asked):
            for row in page.rows:
                with self._reading("client"):
                    native = wire.client(row)
                held = {
                    "phone": wanted["phone"] if wanted["phone"] in native["phones"] else "",
                    "email": wanted["email"] if wanted["email"] in map(str.casefold, native["emails"]) else "",
                    "name": _folded(f"{native['given_name']} {native['family_name']}"),
                }
                hidden |= "phone" in asked and not native["phones"]
                if native["id"] not in found and all(held[key] == wanted[key] for key in query):
                    found.add(native["id"])
                    yield native
            if page.last and not page.complete:
                raise self._rows_missing(path)
        if hidden and not found:
            raise BadAnswer(
                f"{self._account}: GET {path}: whoever has this phone cannot be told, as phones are hidden; give "
                "VetBridge's user the right to see them",
                code="contact-hidden",
            )

    def _rows_missing(self, path: str) -> BadAnswer:
        return BadAnswer(f"{self._account}: GET {path}: fewer rows came than it counts", code="rows-missing")

    def _moment(self, query: Mapping[str, str], key: str, unless: datetime) -> datetime:
        try:
            return Instant.parse(query[key], self._zone).utc if key in query else unless
        except (ValueError, OverflowError):
            raise Refused(f"{self._account}: {key} must be a time with an offset", code="bad-query") from None

    def _starting(self, first: datetime, end: datetime) -> Iterator[Native]:
        """Visits that begin at ``first`` or later and before ``end``, deleted ones too.

        Altegio filters by whole days of the location (section 4), so every row is compared exactly here.
        """
        if first >= end:
            return
        zone = ZoneInfo(self._zone)
        from_day, to_day = (f"{each.astimezone(zone):%Y-%m-%d}" for each in (first, end - timedelta(seconds=1)))
        path, params = f"/records/{self._location}", {"start_date": from_day, "end_date": to_day, "with_deleted": "1"}
        found: set[str] = set()
        for page in self._api.pages(path, params, patience=PATIENCE):
            others = sum(not from_day <= wire.wall_time(row)[:10] <= to_day for row in page.rows)
            if others * 2 > len(page.rows):
                raise BadAnswer(
                    f"{self._account}: GET {path}: {others} of {len(page.rows)} rows are outside of {from_day} to "
                    f"{to_day}; the filter did not filter",
                    code="filter-ignored",
                )
            for row in page.rows:
                id_, start = wire.as_id(row.get("id")), wire.start(row, self._zone)
                if not id_ or id_ in found or start is None or not first <= start < end or wire.is_block(row):
                    continue
                found.add(id_)
                with suppress(wire.Unreadable):
                    yield self._record(row)
            if page.last and not page.complete:
                raise self._rows_missing(path)

    def _pets_of(self, client_id: str) -> Iterator[Native]:
        card = self._one("client", client_id)
        with self._reading("client"):
            pets = wire.pets(card, self._options.client_pets_field) if card else []
        yield from pets

    def _stamped(self, write: Write) -> Iterator[Native]:
        """Every record that carries the stamp. Which of them is one too many is for a person to say."""
        if not write.stamp:
            return
        found: set[str] = set()
        whole = True
        for page in chain(self._day(write.native), self._lately()):
            for row in page.rows:
                id_ = str(wire.as_id(row["id"]))
                if id_ not in found and wire.stamp(row) == write.stamp:
                    found.add(id_)
                    with self._reading("record"):
                        native = self._record(row)
                    yield native
            whole = whole and (page.complete or not page.last)
        if not found and not whole:
            raise self._rows_missing(f"/records/{self._location}")

    def _day(self, native: Mapping[str, Any]) -> Iterator[Rows]:
        """Every record of a visit's day and of its neighbours', deleted ones too: visits run over midnight.

        Not narrowed by person: sources differ on that filter's name.
        """
        try:
            day = datetime.fromisoformat(wire.wall_time(native)).date()
            first, last = ((day + timedelta(days=days)).isoformat() for days in (-1, 1))
        except (ValueError, OverflowError):
            return
        params = {"start_date": first, "end_date": last, "with_deleted": "1"}
        yield from self._api.pages(f"/records/{self._location}", params)

    def _lately(self) -> Iterator[Rows]:
        """Every record of the last creations, deleted ones too."""
        today = self._clock.now().astimezone(ZoneInfo(self._zone)).date()
        params = {
            "c_start_date": (today - LOOK_BACK).isoformat(),
            "c_end_date": (today + timedelta(days=1)).isoformat(),
            "with_deleted": "1",
        }
        yield from self._api.pages(f"/records/{self._location}", params)

    # -- writing

    def apply(self, write: Write) -> Receipt:
        """The one write door. See ``wire`` for what is sent; every write is followed by a read of what now stands."""
        door = self._doors.get((write.kind, write.operation))
        if door is None:
            raise self._unsupported(write.kind, write.operation)
        if (write.operation is Operation.CREATE) != (write.id is None):
            raise Refused(f"{self._account}: {write.operation} with a wrong id", code="incomplete")
        return door(write, write.id or "")

    def _create_client(self, write: Write, _: str) -> Receipt:
        """Makes a card. A phone is unique in a location (section 3.6): where it is refused and one card has this very
        phone and name, an earlier try at this write or the owner was quicker, and that card is it."""
        body = self._complete(lambda: wire.client_body(write.native))
        try:
            reply = self._api.write("POST", f"/clients/{self._location}", body)
        except Declined as declined:
            if declined.status not in (200, 400, 409, 422):
                raise
            standing = self._standing(write)
            if len(standing) != 1:
                raise
            return Receipt(id=standing[0]["id"], native=standing[0])
        return self._receipt(Kind.CLIENT, self._made(reply, "client"))

    def _standing(self, write: Write) -> list[Native]:
        """What ``look`` finds now; nothing where that cannot be told: the refusal itself is what is known."""
        try:
            return list(self.look(write))
        except (AuthFailed, Unavailable, RateLimited, BadAnswer):
            return []

    def _update_client(self, write: Write, id_: str) -> Receipt:
        card = self._existing("client", id_)
        body = self._complete(lambda: wire.client_body(write.native, card))
        self._put("client", id_, body)
        receipt = self._receipt(Kind.CLIENT, id_)
        if write.native.get("opted_out") and receipt.native is not None and not receipt.native["opted_out"]:
            raise Refused(
                f"{self._account}: Altegio took the write but did not keep the field sms_not; tick it on the "
                "client's card by hand, and see which rights VetBridge's user has to clients",
                code="field-not-kept",
            )
        return receipt

    def _create_pet(self, write: Write, _: str) -> Receipt:
        """Adds an entry to the client's pets field. A pet of that name and species that stands there is that pet."""
        client_id = wire.as_text(write.native.get("client_id"))
        name, species = (wire.one_line(write.native.get(field)) for field in ("name", "species"))
        if not name:
            raise Refused(f"{self._account}: a pet without a name cannot be written", code="incomplete")
        card = self._existing("client", client_id)
        pets = self._listed_pets(card)
        for pet in pets:
            if pets_field.same_name(pet.name, name) and pet.species == species:
                return self._receipt(Kind.PET, wire.pet_id(client_id, pet.key))
        key = pets_field.new_key(name, {pet.key for pet in pets})
        return self._write_pets(card, client_id, key, (*pets, pets_field.ListedPet(name, species, key)))

    def _update_pet(self, write: Write, id_: str) -> Receipt:
        parts = wire.split_pet_id(id_)
        card = self._existing("client", parts[0] if parts else "")
        pets = self._listed_pets(card)
        key = parts[1] if parts else ""
        if key not in {pet.key for pet in pets}:
            raise Refused(f"{self._account}: the client's pets field has no pet of this key", code="gone")
        name, species = (wire.one_line(write.native.get(field)) for field in ("name", "species"))
        changed = tuple(
            pet
            if pet.key != key
            else pets_field.ListedPet(name or pet.name, species if "species" in write.native else pet.species, key)
            for pet in pets
        )
        return self._write_pets(card, parts[0] if parts else "", key, changed)

    def _listed_pets(self, card: Native) -> tuple[pets_field.ListedPet, ...]:
        with self._reading("client"):
            return wire.listed_pets(card, self._options.client_pets_field)

    def _write_pets(self, card: Native, client_id: str, key: str, pets: Sequence[pets_field.ListedPet]) -> Receipt:
        """Rewrites the pets field. What does not fit is not written, and nothing else is cut for it."""
        field = self._options.client_pets_field
        text, left_out = pets_field.encode(pets)
        if left_out:
            raise Refused(
                f"{self._account}: the client's field {field} takes {pets_field.LIMIT} characters and has no room "
                f"for {len(left_out)} of {len(pets)} pets; nothing was written",
                code="no-room",
            )
        custom = {**wire.custom_values(card), field: text}
        body = self._complete(lambda: wire.client_body({}, {**card, "custom_fields": custom}))
        self._put("client", client_id, body)
        return self._receipt(Kind.PET, wire.pet_id(client_id, key), missing_is_refused=True)

    def _due(self, card: Native) -> Native:
        with self._reading("client"):
            return due.shown(card, self._options.due_fields, self._options.due_labels)

    def _update_due(self, write: Write, id_: str) -> Receipt:
        """Puts on a card what it says about services that are due; all else that stands there goes back as it was."""
        homeless = sorted(write.native.keys() - self.capabilities.of(Kind.REMINDER).update)
        if homeless:
            raise self._unsupported(Kind.REMINDER, f"write {', '.join(homeless)} of")
        card = self._existing("client", id_)
        with self._reading("client"):
            values = due.changed(card, write.native, self._options.due_fields, self._options.due_labels)
        if not due.lost(write.native, self._due(card)):
            return Receipt(id=id_, native=self._due(card))
        body = self._complete(lambda: wire.client_body({}, {**card, **values}))
        self._put("client", id_, {**body, **values})  # an empty list of labels too
        receipt = self._receipt(Kind.REMINDER, id_)
        dropped = [] if receipt.native is None else due.lost(write.native, receipt.native)
        if dropped:
            raise Refused(
                f"{self._account}: Altegio took the write but did not keep {', '.join(dropped)} of the services that "
                "are due; look at the fields and labels that due_fields and due_labels name, and give VetBridge's "
                "user the right to edit client custom field values",
                code="field-not-kept",
            )
        return receipt

    def _notify(self, write: Write, id_: str) -> Receipt:
        """Sends one client a message. Nothing shows later whether it went: a lost answer stays unknown."""
        mailing, words = self._options.mailing, wire.as_text(write.native.get("text")).strip()
        card = self._existing("client", id_)
        excluded = wire.opted_out(card)
        if excluded:
            raise Refused(f"{self._account}: this client is excluded from mailings", code="opted-out")
        if mailing is None or not words or excluded is None:
            raise Refused(
                f"{self._account}: a notice needs a text, and a card that says whether its owner wants messages",
                code="incomplete",
            )
        body = {mailing.clients: [int(id_)], mailing.text: words}
        self._api.write("POST", f"/sms/clients/by_id/{self._location}", body)
        return Receipt(id=id_)

    def _create_record(self, write: Write, _: str) -> Receipt:
        native = write.native
        client = self._record_client(native.get("client_id"))
        body = self._complete(
            lambda: wire.new_record(
                native,
                client=client,
                zone=self._zone,
                pet_fields=self._options.pet_fields,
                stamp=write.stamp,
                beside=write.beside,
            )
        )

        def send() -> str:
            return self._made(self._api.write("POST", f"/records/{self._location}", body), "record")

        id_ = send() if write.beside else self._in_free_slot(send, native, stamp=write.stamp)
        return self._receipt(Kind.APPOINTMENT, id_)

    def _update_record(self, write: Write, id_: str) -> Receipt:
        row = self._existing("record", id_)
        if wire.as_flag(row.get("deleted")):
            raise Refused(f"{self._account}: record {id_} is deleted, and a deleted one stays so", code="gone")
        native = write.native
        if native.get("state") == wire.DELETED:
            raise Refused(
                f"{self._account}: a visit is cancelled by a cancel, not by an update", code="not-supported"
            )
        with self._reading("record"):
            now = self._record(row)
        if "client_id" in native:
            client = self._record_client(native["client_id"])
        else:
            client = self._complete(lambda: wire.record_client(wire.booker_of(row)))
        body = self._complete(
            lambda: wire.changed_record(
                row,
                native,
                client=client,
                zone=self._zone,
                pet_fields=self._options.pet_fields,
                beside=write.beside,
            )
        )

        def send() -> str:
            try:
                self._put("record", id_, body)
            except Declined as declined:
                raise self._explained(declined, row) from None
            return id_

        if wire.moves(row, native) and not write.beside:
            self._in_free_slot(send, {**now, **native}, but=id_)
        else:
            send()
        return self._receipt(Kind.APPOINTMENT, id_)

    def _cancel_record(self, _: Write, id_: str) -> Receipt:
        """Deletes the record, softly: its row stays readable. One that is deleted already stays as it is."""
        if not self._is_deleted(id_):
            try:
                self._api.write("DELETE", f"/record/{self._location}/{id_}", None)
            except Declined as declined:
                row = self._existing("record", id_)
                if not wire.as_flag(row.get("deleted")):  # else somebody was quicker
                    raise self._explained(declined, row) from None
        return self._receipt(Kind.APPOINTMENT, id_)

    def _is_deleted(self, id_: str) -> bool:
        return wire.as_flag(self._existing("record", id_).get("deleted"))

    def _explained(self, declined: Declined, row: Native) -> Declined:
        """A refused change of a record, with what in that record speaks for a refusal (section 3.7)."""
        why = wire.lock(row)
        if not why or declined.status == 404:
            return declined
        return Declined(
            f"{declined.message}. Altegio does not let every user change such a visit: {why}. Change it in Altegio "
            "by hand, or give VetBridge's user the right to",
            status=declined.status,
            code=declined.code,
        )

    def _put(self, what: str, id_: str, body: Native) -> None:
        """A full update. ``OutcomeUnknown`` where the answer speaks of something else than what was written."""
        data = self._api.write("PUT", f"/{what}/{self._location}/{id_}", body).data
        rows = wire.as_rows(data)
        if not wire.is_empty(data) and [wire.as_id(row.get("id")) for row in rows] != [wire.as_id(id_)]:
            raise OutcomeUnknown(f"{self._account}: the {what} may have been updated, but the answer is no {what}")

    def _record_client(self, client_id: object) -> Native:
        """The client of a record to write: from its card, since a record demands its name and phone as well."""
        if client_id is None:
            return {}
        card = self._existing("client", wire.as_text(client_id))
        return self._complete(lambda: wire.record_client(card))

    def _in_free_slot(
        self, send: Callable[[], str], native: Mapping[str, Any], *, but: str = "", stamp: str = ""
    ) -> str:
        """A write that needs a free slot; gives the id of what stands in it.

        How Altegio says "busy" to staff is not documented (section 10), so after a refusal the diary is read, and
        another visit in the same time of the same person means ``SlotTaken``. Where that one carries the ``stamp`` of
        this very write, an earlier try at it has landed: there it stands.
        """
        try:
            return send()
        except (SlotTaken, Declined) as refusal:
            if isinstance(refusal, Declined) and refusal.status not in (200, 400, 409, 422):
                raise
            taken = self._taking(native, but)
            own = [row for row in taken if stamp and wire.stamp(row) == stamp]
            if len(own) == 1:
                return str(wire.as_id(own[0]["id"]))
            if taken and isinstance(refusal, Declined):
                id_ = wire.as_id(taken[0]["id"])
                raise SlotTaken(f"{self._account}: the time is taken by record {id_}") from None
            raise

    def _taking(self, native: Mapping[str, Any], but: str) -> list[Native]:
        """The records that stand in a visit's time; none where they cannot be read."""
        wanted = wire.span(native, self._zone)
        if wanted is None:
            return []
        staff, taken = wire.as_id(native.get("staff_id")), []
        try:
            for page in self._day(native):
                for row in page.rows:
                    other = wire.span(row, self._zone)
                    if (
                        other
                        and wanted[0] < other[1]
                        and other[0] < wanted[1]
                        and wire.as_id(row.get("staff_id")) == staff
                        and wire.as_id(row["id"]) != but
                        and not wire.as_flag(row.get("deleted"))
                    ):
                        taken.append(row)
        except (AuthFailed, Unavailable, RateLimited, BadAnswer):
            return []  # the refusal itself is what is known
        return taken

    def _existing(self, what: str, id_: str) -> Native:
        row = self._one(what, id_)
        if row is None:
            raise Refused(f"{self._account}: the {what} to write does not exist (any more)", code="gone")
        return row

    def _receipt(self, kind: Kind, id_: str, *, missing_is_refused: bool = False) -> Receipt:
        """The receipt of a write that was answered, with the record as it now stands.

        Write answers are shorter than reads (section 3.7), so it is read again; where that fails, the write still
        stands and the receipt comes without it.
        """
        try:
            native = self.get(kind, id_)
        except (AuthFailed, Unavailable, RateLimited, BadAnswer):
            return Receipt(id=id_)
        if native is None and missing_is_refused:
            raise Refused(
                f"{self._account}: Altegio took the write but did not keep the field "
                f"{self._options.client_pets_field}; create the field, and give VetBridge's user the right to edit "
                "client custom field values",
                code="field-not-kept",
            )
        return Receipt(id=id_, native=native)

    def _made(self, reply: Reply, what: str) -> str:
        """The id of what a create made. A record comes as a list or alone (section 3.7)."""
        rows = wire.as_rows(reply.data)
        id_ = wire.as_id(rows[0].get("id")) if len(rows) == 1 else None
        if id_ is None:
            raise OutcomeUnknown(f"{self._account}: the {what} may have been created, but the answer names no id")
        return id_

    def _complete(self, make: Callable[[], Native]) -> Native:
        """What ``make`` gives; ``Refused`` where the write lacks what Altegio demands."""
        try:
            return make()
        except wire.Incomplete as missing:
            raise Refused(
                f"{self._account}: Altegio demands the field {missing}, which is missing, hidden or cannot be sent "
                "back as it was read; nothing was sent",
                code="incomplete",
            ) from None

    # -- code lists

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """Services as ``appointment_type`` and team members as ``resource`` (sections 3.3 and 3.4), without those
        that are dismissed or deleted. Attendance codes are Altegio's own and fixed; species are plain words."""
        return {
            "appointment_type": self._titles("services", "title", retired=()),
            "resource": self._titles("staff", "name", retired=("fired", "status")),
        }

    def _titles(self, what: str, field: str, *, retired: Sequence[str]) -> dict[str, str]:
        path = f"/company/{self._location}/{what}"
        # These lists know no pages (section 1).
        reply = self._api.read(path, patience=PATIENCE)
        if not isinstance(reply.data, list):
            raise BadAnswer(f"{self._account}: GET {path}: answered something that is no list")
        titles: dict[str, str] = {}
        for each in reply.data:
            row = wire.as_mapping(each)
            id_ = wire.as_id(row.get("id"))
            if id_ is None:
                raise BadAnswer(f"{self._account}: GET {path}: a row has no id that can be read", code="unreadable")
            if not any(wire.as_flag(row.get(name)) for name in retired):
                titles[id_] = wire.as_text(row.get(field))
        return titles

    # -- webhooks

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """What a webhook call says: one event or a list of them (section 5). Its data is never used."""
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            raise BadHint(f"{self._account}: the webhook's body is not JSON") from None
        events = body if isinstance(body, list) else [body]
        hints: dict[Hint, None] = {}
        for event in events:
            if not isinstance(event, dict):
                raise BadHint(f"{self._account}: the webhook's body is JSON, but an event in it is no object")
            if wire.as_id(event.get("company_id")) != self._location:
                raise BadHint(f"{self._account}: the webhook's company_id is not location {self._location}")
            kind = HOOK_KINDS.get(wire.as_text(event.get("resource")))
            if kind is None:
                continue
            id_ = wire.as_id(event.get("resource_id"))
            if id_ is None:
                raise BadHint(f"{self._account}: the webhook's resource_id is missing or no number")
            hints[Hint(kind=kind, id=id_)] = None
        return tuple(hints)

    def plan_hooks(self, url: str) -> HookPlan:
        """See ``HookSettings``; writes nothing."""
        return hook_settings.plan(self._api, self._location, url, account=self._account)[1]

    def set_hooks(self, url: str) -> HookPlan:
        """See ``HookSettings``. A vendor who changes the settings in the same moment may be overwritten: there is no
        conditional write."""
        return hook_settings.put(self._api, self._location, url, account=self._account)

    # -- checking

    def check(self) -> CheckReport:
        """Address, credentials, time zone, rights, custom fields, labels, lists: by documented reads alone."""
        return check(self._api, self._options, account=self._account, zone=self._zone)

    def _authorise(self) -> Mapping[str, str]:
        return authorisation(self._account, self._options.partner_token, self._options.user_token)

    def _unsupported(self, kind: Kind, what: str) -> Refused:
        return Refused(f"{self._account}: Altegio's connector cannot {what} a {kind}", code="not-supported")


def _cursor(stamp: datetime) -> str:
    return f"{stamp.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _folded(name: str) -> str:
    """A name for comparing: its words, sorted, without case and commas, as cards hold them in either order."""
    return " ".join(sorted(name.replace(",", " ").casefold().split()))
