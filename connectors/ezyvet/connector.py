"""The ezyVet connector: clients, pets, appointments, attachments, vaccinations and what is due.

What is known of ezyVet stands in docs/connectors/ezyvet.md with its evidence. Not yet run against a live account.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from connectors.ezyvet import wire
from connectors.ezyvet.check import check
from connectors.ezyvet.cursor import AHEAD, Cursor, Mark
from connectors.ezyvet.door import Door, NotServed
from connectors.ezyvet.due import Derived
from connectors.ezyvet.files import Files
from connectors.ezyvet.options import EzyVetOptions, capabilities
from connectors.ezyvet.paths import LISTS, PATHS
from connectors.ezyvet.wire import Where
from vetbridge.connector.clock import Clock
from vetbridge.connector.http import PATIENCE, Answer
from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    Found,
    Hint,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Write,
)
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import AuthFailed, BadAnswer, OutcomeUnknown, Refused, VetBridgeError
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind

IDS_AT_ONCE = 100
"""Clients in one page of changes: as many as one filter takes."""

LOOK_BACK = 2 * 86400
"""Seconds of creations among which a visit is looked for, wherever staff have moved it since."""

LISTS_LAST = 600.0
"""Seconds for which it is remembered which separation each resource belongs to."""


def build(options: EzyVetOptions, environment: Environment) -> EzyVet:
    """The connector of one account."""
    return EzyVet(options, environment)


class EzyVet:
    """One ezyVet site. Safe to be used by several threads."""

    def __init__(self, options: EzyVetOptions, environment: Environment) -> None:
        self._options = options
        self._account = environment.account
        self._zone = environment.zone
        self._country = environment.country
        self._clock = environment.clock
        self._capabilities = capabilities(options)
        self._details = wire.DetailKinds(
            email=options.detail_types.email,
            mobile=options.detail_types.mobile,
            phone=options.detail_types.phone,
            other_phones=options.detail_types.other_phones,
        )
        self._door = Door(
            options.base_url,
            environment,
            budgets=self._capabilities.budgets,
            credentials=self._credentials,
            page_size=options.page_size,
            booking_url=options.booking_url,
            database=options.site_uid,
        )
        self._files = Files(self._door, options, environment)
        self._derived = Derived(self._door, options, environment)
        self._uids: dict[tuple[str, str], str] = {}
        self._resource_owners = _ResourceOwners(self._read_resource_owners, environment.clock)

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._capabilities

    def close(self) -> None:
        """Gives back connections."""
        self._door.close()

    def check(self) -> CheckReport:
        """Looks at credentials, rights, what the options name, and the site's zone; reads only."""
        return check(self._door, self._options, self._zone)

    # -- reading

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed since a cursor, in pages.

        The cursor is ezyVet's own time at the first answer of the walk, in unix seconds, or the greatest
        ``modified_at`` seen where it tells no time that can be; it moves only with the last page, as the order of
        rows is unknown, and only when as many rows came as ezyVet counts. A cursor that cannot be read starts over.
        ``total`` counts what is yielded: contacts that are no customers and calendar blocks are taken off the
        side's count. What changed of clients has no marks: it is gathered before it is told. Reminders have none
        either, and a cursor for each of the resources that they are derived from.
        """
        self._known(kind)
        if kind is Kind.REMINDER:
            return self._derived.changes(since)
        resource = self._resource(kind)
        bound = wire.whole(since) or 0
        filters = self._since(bound)
        if kind is Kind.CLIENT and bound:
            return self._changed_clients(bound, filters)
        return self._walked(kind, resource, bound, filters, Mark.of(mark))

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """The record now, or None. A contact that is no customer is answered as inactive, a block not at all.

        What belongs to another separation is answered, too: a visit that staff move to another branch is not gone.

        Raises ``BadAnswer`` where a field is left out: what is not there must not count as empty.
        """
        self._known(kind)
        if kind is Kind.REMINDER:
            return self._derived.get(id)
        resource = self._resource(kind)
        if wire.record_id(id) != id:
            return None
        rows = self._door.rows(resource, {"id": Where.equals(id)})
        if not rows or (kind is Kind.APPOINTMENT and self._is_block(rows[0])):
            return None
        native = next(iter(self._natives(kind, rows[:1])))
        self._readable(kind, native)
        return native

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Records by the declared keys, several ANDed.

        Clients: ``phone`` (any form), ``email``. Pets: ``client_id``. Appointments: ``client_id``, ``pet_id``, and
        those that begin at ``start_from`` or later and before ``start_before``, both ISO 8601 with an offset (a time
        that is none is ``Refused`` with code ``bad-query``); cancelled ones are found too, their state says so.
        Attachments: ``client_id`` or ``pet_id``, what hangs on the one or the other; what hangs on a consult is not
        found so.
        """
        self._known(kind)
        unknown = sorted(set(query) - self._capabilities.of(kind).search)
        if unknown or not query:
            raise self._unsupported(f"a search for {kind} by {', '.join(unknown) or 'nothing'}")
        if kind is Kind.CLIENT:
            return self._search_clients(query)
        if kind is Kind.ATTACHMENT:
            return self._files.search(query)
        window = Where.within(self._moment(query, "start_from"), self._moment(query, "start_before"))
        references = {"contact_id": query.get("client_id"), "animal_id": query.get("pet_id")}
        if not window.operands:
            return self._by_reference(kind, references)
        # All visits of some weeks are a long listing.
        return self._by_reference(kind, references, {"start_at": window}, patience=PATIENCE)

    def look(self, write: Write) -> Iterator[Native]:
        """Records that a create with an unknown outcome may have made, inactive ones included.

        Appointment: the stamp in the description, among the visits of that start and those that were created in the
        last two days, as staff may already have moved it or given it to another client (without a stamp: the same
        start, contact, animal and type). Client: the written phones and e-mails, and an equal name. Pet: the same
        contact, an equal name and species, and not dead. Attachment: see ``Files.look``.
        """
        self._declared(write.kind, Operation.CREATE)
        if write.kind is Kind.ATTACHMENT:
            return self._files.look(write)
        if write.kind is Kind.APPOINTMENT:
            return self._look_appointment(write)
        return self._look_pet(write.native) if write.kind is Kind.PET else self._look_client(write.native)

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """The content of an attachment by its own id, which is not the file's (ezyvet.md, section 7), in pieces."""
        self._known(Kind.ATTACHMENT)
        return self._files.content(id)

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """The site's own lists, without what is archived (ezyvet.md, section 7); those whose scope is asked for.

        ``status`` has the connector's own word for a cancelled visit beside the site's.
        """
        if not self._capabilities.code_lists:
            raise self._unsupported("the reading of a code list")
        lists = {
            name: {
                row["id"]: str(row.get("name") or "")
                for row in self._door.rows(LISTS[name], {}, patience=PATIENCE)
                if wire.flag(row.get("active"), default=True) and self._is_here(row)
            }
            for name in sorted(self._capabilities.code_lists)
        }
        if "status" in lists:
            lists["status"][wire.INACTIVE] = wire.INACTIVE
        return lists

    # -- writing

    def apply(self, write: Write) -> Receipt:
        """The one write door. ezyVet is not known to refuse a slot that is taken: ``SlotTaken`` is never raised."""
        self._declared(write.kind, write.operation)
        if write.kind is Kind.ATTACHMENT:
            return self._written(write, self._files.create(write))
        if write.operation is Operation.CREATE:
            return self._create(write)
        if wire.record_id(write.id) is None:
            raise Refused(f"{self._account}: an id of ezyVet's is a number", code="bad-id")
        if write.operation is Operation.CANCEL:
            by = str(write.native.get("by") or "")
            body: dict[str, Any] = {
                "cancel": True,
                "cancellation_reason": self._options.reason_for(by),
                "cancellation_reason_text": str(write.native.get("reason") or by),
            }
        else:
            body = self._update_body(write)
        resource = self._resource(write.kind)
        if write.kind is Kind.APPOINTMENT:
            path = f"{PATHS[resource]}/{write.id}"
            answer = self._door.merge(
                path, resource, body, lambda: wire.appointment_whole(self._visit(str(write.id)), body)
            )
        else:
            headers = {"Content-Type": self._options.patch_type}
            answer = self._door.send("PATCH", f"/v1/{resource}/{write.id}", resource, body, headers)
        return self._written(write, answer)

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """What a webhook call says. ezyVet signs nothing (ezyvet.md, section 8), so only ids are taken from it."""
        return wire.hints(request.body)

    def _create(self, write: Write) -> Receipt:
        native = {name: value for name, value in write.native.items() if value is not None}
        if write.kind is Kind.CLIENT:
            body = wire.contact_payload(native, self._details, self._country)
            if self._options.new_client.stop_credit is not None:
                body["stop_credit"] = self._options.new_client.stop_credit
            if self._options.new_owner_id is not None:
                body["ownership_id"] = int(self._options.new_owner_id)
            return self._written(write, self._door.send("POST", "/v1/contact", "contact", body))
        if write.kind is Kind.PET:
            defaults = self._options.new_pet.model_dump(exclude_none=True)
            body = wire.animal_payload({**defaults, **native})
            return self._written(write, self._door.send("POST", "/v1/animal", "animal", body))
        self._not_inactive(native)
        body = wire.appointment_payload(native)
        booking = self._booking(native)
        if booking is not None:
            return self._booked(write, self._door.book(booking))
        return self._written(write, self._door.send("POST", "/v2/appointment", "appointment", body))

    def _booking(self, native: Native) -> dict[str, Any] | None:
        """The body of a booking through ezyCAB; None where the visit is created plainly: ezyCAB is not wanted, the
        visit is on the placeholder or of a status or a length that ezyCAB does not have, or a uid is not shown."""
        site = self._options.ezycab
        if self._options.booking != "ezycab" or site is None or not wire.bookable(native):
            return None
        words = {site.unconfirmed: "unconfirmed", site.confirmed: "confirmed"}
        status = words.get(wire.record_id(native.get("state")))
        if status is None or wire.record_id(native["contact_id"]) == site.placeholder_contact:
            return None
        uids: dict[str, str] = {}
        for name, resource in _UIDS.items():
            known = self._uid(resource, str(wire.record_id(native[name])))
            if known is None:
                return None
            uids[name] = known
        return wire.booking_payload(native, uids, status, self._zone)

    def _uid(self, resource: str, number: str) -> str | None:
        """The uid of a record, which only v2 shows; None where it shows none. Those of short lists are kept."""
        if (resource, number) in self._uids:
            return self._uids[resource, number]
        rows = self._door.rows(resource, {"id": Where.equals(number)}, v2=True)
        known = wire.uid(rows[0].get("uid")) if len(rows) == 1 else None
        if known is not None and resource in LISTS.values():
            self._uids[resource, number] = known
        return known

    def _booked(self, write: Write, answer: Answer) -> Receipt:
        """The receipt of a booking, which answers a uid alone: the visit is read by it.

        The write is done, so whatever goes wrong leaves the outcome unknown: the visit is found by looking.
        """
        what = f"{self._account}: {write.operation} {write.kind}"
        number = wire.booked(answer.body)
        try:
            rows = self._door.rows("appointment", {"uid": Where.equals(number)}) if number else []
        except VetBridgeError:
            rows = []
        if len(rows) != 1 or not self._is_it(write, rows[0]):
            raise OutcomeUnknown(f"{what}: booked, and the new record could not be read")
        native = self._flat(write.kind, rows[0])
        return Receipt(id=rows[0]["id"], native=None if wire.unreadable(native) else native)

    def _update_body(self, write: Write) -> dict[str, Any]:
        native = dict(write.native)
        if write.kind is Kind.APPOINTMENT:
            self._not_inactive(native)
            if native.get("resource_id") is None:
                return wire.appointment_payload(native)
            # A merge patch replaces a list as a whole.
            return wire.appointment_payload(native, self._other_resources(str(write.id)))
        allowed = {"first_name", "last_name"} if write.kind is Kind.CLIENT else _CHANGEABLE_OF_PET
        unknown = sorted(set(native) - allowed)
        if unknown:
            raise self._unsupported(f"a change of {', '.join(unknown)} of a {write.kind}")
        return native if write.kind is Kind.CLIENT else wire.animal_payload(native)

    def _visit(self, number: str) -> Native:
        """The row of a visit that is about to be changed. Raises ``Refused`` where there is none."""
        rows = self._door.rows("appointment", {"id": Where.equals(number)})
        if not rows:
            raise Refused(f"{self._account}: there is no appointment {number}", code="not-found")
        return rows[0]

    def _other_resources(self, number: str) -> list[str]:
        """The resources of a visit behind the primary one. Raises ``BadAnswer`` where one cannot be read."""
        named = wire.resource_ids(self._visit(number))
        if named is None:
            raise BadAnswer(f"{self._account}: GET appointment: a resource of the visit cannot be read")
        return named[1:]

    def _not_inactive(self, native: Native) -> None:
        if native.get("state") == wire.INACTIVE:
            raise self._unsupported("cancelling otherwise than by a cancel")

    def _written(self, write: Write, answer: Answer) -> Receipt:
        """The receipt of a write. The write is done, so nothing here may make it look undone.

        A create's answer that cannot be read leaves the outcome unknown: the record is found by looking.
        """
        resource = self._resource(write.kind)
        what = f"{self._account}: {write.operation} {write.kind}"
        try:
            page = wire.listing(answer.body, resource, what)
            row = page.rows[0] if len(page.rows) == 1 and not page.nameless else {}
        except BadAnswer:
            row = {}
        if write.operation is Operation.CREATE and (not row or not self._is_it(write, row)):
            raise OutcomeUnknown(f"{what}: taken, and answered without the new record")
        answered = str(row.get("id"))
        # A contact's answer holds only the ids of its details, and a short answer is no record: None says "read it".
        whole = write.kind is not Kind.CLIENT and "modified_at" in row and write.id in (None, answered)
        native = self._flat(write.kind, row) if whole else None
        return Receipt(id=write.id or answered, native=None if native and wire.unreadable(native) else native)

    def _is_it(self, write: Write, row: Native) -> bool:
        """Whether the answer to a create can be the record that was written: what both name is the same."""
        if write.kind is Kind.ATTACHMENT:
            return self._files.is_it(write, row)
        return all(
            wire.whole(row[name]) == wire.whole(write.native[name])
            for name in ("contact_id", "animal_id", "start_at")
            if name in row and name in write.native and write.native[name] is not None
        )

    # -- listings

    def _walked(
        self, kind: Kind, resource: str, bound: int, filters: Mapping[str, Where], begin: Mark
    ) -> Iterator[Page]:
        """Records as they come; clients with their contact details, what hangs on a consult with its pet."""
        cursor = self._cursor(bound, begin)
        left_out = begin.left_out
        for page in self._door.walk(resource, filters, patience=PATIENCE, begin=begin.place):
            here = None if page.begin is None else cursor.mark(page.begin, left_out).text
            cursor.saw(page, resource)
            kept = [row for row in page.rows if self._counts(kind, row)]
            left_out += len(page.rows) - len(kept)
            natives = self._natives(kind, kept, patience=PATIENCE, cursor=cursor)
            yield Page(
                records=tuple(map(_found, natives)),
                cursor=cursor.text(last=page.last),
                last=page.last,
                total=page.total - left_out,
                mark=here,
            )

    def _natives(
        self, kind: Kind, rows: list[Native], *, patience: float = 0.0, cursor: Cursor | None = None
    ) -> Iterable[Native]:
        """Rows with what belongs to them, which is read now; ``cursor`` takes note of what lacks fields there."""
        if kind is Kind.CLIENT:
            return self._joined(rows, patience=patience, cursor=cursor)
        if kind is Kind.ATTACHMENT:
            return self._files.natives(rows, patience=patience, cursor=cursor)
        if kind is Kind.VACCINATION:
            return self._derived.vaccinations(rows, patience=patience, cursor=cursor)
        return (self._flat(kind, row) for row in rows)

    # -- clients, joined from contacts and contact details

    def _changed_clients(self, bound: int, filters: Mapping[str, Where]) -> Iterator[Page]:
        """Clients of which the contact or one of its details changed."""
        cursor = self._cursor(bound)
        contacts: dict[str, Native] = {}
        owners: dict[str, None] = {}
        for page in self._door.walk("contact", filters, patience=PATIENCE):
            cursor.saw(page, "contact")
            contacts.update({row["id"]: row for row in page.rows})
        for page in self._door.walk("contactdetail", filters, patience=PATIENCE):
            cursor.saw(page, "contactdetail")
            self._owned(page.rows)
            owners.update({of: None for row in page.rows if (of := wire.record_id(row["contact_id"]))})
        others = [of for of in owners if of not in contacts]
        for row in self._door.by_ids("contact", "id", others, patience=PATIENCE):
            contacts[row["id"]] = row
        customers = [row for row in contacts.values() if self._counts(Kind.CLIENT, row)]
        parts = [customers[i : i + IDS_AT_ONCE] for i in range(0, len(customers), IDS_AT_ONCE)] or [[]]
        for index, part in enumerate(parts, 1):
            last = index == len(parts)
            yield Page(
                records=tuple(map(_found, self._joined(part, patience=PATIENCE, cursor=cursor))),
                cursor=cursor.text(last=last),
                last=last,
                total=len(customers),
            )

    def _joined(
        self, contacts: Iterable[Native], *, patience: float = 0.0, cursor: Cursor | None = None
    ) -> Iterator[Native]:
        """Contact rows with their details, which are read now; ``cursor`` takes note of those that lack fields."""
        rows = list(contacts)
        details: dict[str | None, list[Native]] = {}
        ids = [row["id"] for row in rows]
        found = list(self._door.by_ids("contactdetail", "contact_id", ids, patience=patience))
        self._owned(found)
        addresses = self._addresses(rows, patience=patience)
        if cursor is not None:
            cursor.joined(found, "contactdetail")
        for detail in found:
            details.setdefault(wire.record_id(detail["contact_id"]), []).append(detail)
        for row in rows:
            address = addresses.get(wire.record_id(row.get("address_physical")))
            yield wire.contact(row, details.get(row["id"], ()), self._details, address=address, zone=self._zone)

    def _addresses(self, contacts: Iterable[Native], *, patience: float) -> dict[str | None, Native]:
        """Physical addresses of contacts by id, many at a call (ezyvet.md, section 7).

        They serve matching alone: where the right is not asked for or not granted, or the site's API has none,
        clients are read without.
        """
        ids = dict.fromkeys(filter(None, (wire.record_id(row.get("address_physical")) for row in contacts)))
        if not ids or "read-address" not in self._options.scope:
            return {}
        try:
            return {row["id"]: row for row in self._door.by_ids("address", "id", list(ids), patience=patience)}
        except NotServed:
            return {}
        except AuthFailed as refusal:
            if refusal.code != "right-missing":
                raise
            return {}

    def _owned(self, details: Iterable[Native]) -> None:
        """Raises ``BadAnswer`` where a contact detail does not say whose it is: whoever it is would lack a phone."""
        for detail in details:
            of = detail.get("contact_id", wire.UNREADABLE)
            if wire.record_id(of) is None and of not in _NOBODY:
                raise BadAnswer(f"{self._account}: GET contactdetail: a row does not say whose it is")

    def _readable(self, kind: Kind, native: Native) -> None:
        """Raises ``BadAnswer`` naming the fields that a record lacks, or says unreadably."""
        fields = wire.unreadable(native)
        if fields:
            resource = wire.RESOURCE_OF_KIND[kind]
            raise BadAnswer(f"{self._account}: GET {resource}: a row came without {', '.join(fields)}")

    def _search_clients(self, query: Mapping[str, str], *, anywhere: bool = False) -> Iterator[Native]:
        wanted: list[set[str]] = []
        if "phone" in query:
            forms = wire.cleaned(query["phone"], self._country)
            # value_cleaned exists in v2 only (ezyvet.md, section 7; a single source).
            rows = self._door.rows("contactdetail", {"value_cleaned": Where.one_of(forms)}, v2=True) if forms else []
            self._owned(rows)
            wanted.append(_owners(rows))
        if "email" in query:
            email = query["email"].strip()
            # Filters tell capitals from small letters; an address stored in mixed case is found by the mirror only.
            forms = tuple(dict.fromkeys((email, email.lower())))
            where = Where.equals(email) if len(forms) == 1 else Where.one_of(forms)
            rows = self._door.rows("contactdetail", {"value": where}) if email else []
            self._owned(rows)
            wanted.append(_owners(rows))
        ids = sorted(set.intersection(*wanted), key=int)
        rows = [
            row
            for row in self._door.by_ids("contact", "id", ids)
            if self._counts(Kind.CLIENT, row, anywhere=anywhere)
        ]
        for native in self._joined(rows):
            # Who is not shown whole may be anybody, and a stranger must not be taken for nobody.
            self._readable(Kind.CLIENT, native)
            if "phone" in query and not self._has_phone(native, query["phone"]):
                continue
            if "email" in query and not _has_email(native, query["email"]):
                continue
            yield native

    def _look_client(self, native: Native) -> Iterator[Native]:
        phones, emails = native.get("phones") or (), native.get("emails") or ()
        if phones and wire.cleaned(phones[0], self._country):
            candidates = self._search_clients({"phone": phones[0]}, anywhere=True)
        elif emails:
            candidates = self._search_clients({"email": emails[0]}, anywhere=True)
        else:
            names = {name: str(native.get(name) or "") for name in ("first_name", "last_name")}
            filters = {name: Where.equals(text) for name, text in names.items() if text}
            candidates = self._joined(self._door.rows("contact", filters)) if filters else iter(())
        for found in candidates:
            self._readable(Kind.CLIENT, found)
            if (
                all(_folded(found, name) == _folded(native, name) for name in ("first_name", "last_name"))
                and all(self._has_phone(found, each) for each in phones)
                and all(_has_email(found, each) for each in emails)
                # A name alone says little: somebody with a phone or an e-mail is another person of that name.
                and (phones or emails or not (found["phones"] or found["emails"]))
            ):
                yield found

    def _look_pet(self, native: Native) -> Iterator[Native]:
        for found in self._by_reference(Kind.PET, {"contact_id": native.get("contact_id")}, anywhere=True):
            self._readable(Kind.PET, found)
            species = wire.record_id(native.get("species_id"))
            if (
                _folded(found, "name") == _folded(native, "name")
                and species in (None, found["species_id"])
                # Families give a new pet the name of the one that died.
                and not found["is_dead"]
            ):
                yield found

    def _look_appointment(self, write: Write) -> Iterator[Native]:
        native = write.native
        at_start = {"start_at": Where.equals(str(native.get("start_at")))}
        if not write.stamp:
            for found in self._by_reference(
                write.kind, {"contact_id": native.get("contact_id")}, at_start, anywhere=True
            ):
                self._readable(write.kind, found)
                if all(found[name] == wire.record_id(native.get(name)) for name in ("animal_id", "type_id")):
                    yield found
            return
        lately = {"created_at": Where.above(int(self._clock.now().timestamp()) - LOOK_BACK)}
        seen: set[str] = set()
        for filters in (at_start, lately):
            for found in self._by_reference(write.kind, {}, filters, anywhere=True):
                if found["description"] is wire.UNREADABLE:
                    self._readable(write.kind, found)
                stamped = isinstance(found["description"], str) and write.stamp in found["description"]
                if stamped and found["id"] not in seen:
                    seen.add(found["id"])
                    yield found

    def _has_phone(self, native: Native, phone: str) -> bool:
        return any(wire.same_phone(each, phone, self._country) for each in native["phones"])

    # -- listings

    def _by_reference(
        self,
        kind: Kind,
        references: Mapping[str, object],
        filters: Mapping[str, Where] | None = None,
        *,
        patience: float = 0.0,
        anywhere: bool = False,
    ) -> Iterator[Native]:
        """Records by ids they refer to; a reference that is None is left out, one that is no id finds nothing.

        ``anywhere``: those of other separations, too: what VetBridge wrote may have been moved there.
        """
        asked = dict(filters or {})
        for name, value in references.items():
            if value is None:
                continue
            of = wire.record_id(value)
            if of is None:
                return
            asked[name] = Where.equals(of)
        if not asked:
            raise self._unsupported(f"a search for {kind} without a client, a pet or a time")
        for row in self._door.rows(self._resource(kind), asked, patience=patience):
            if self._counts(kind, row, anywhere=anywhere):
                yield self._flat(kind, row)

    # -- small things

    def _cursor(self, bound: int, begin: Mark | None = None) -> Cursor:
        return Cursor(bound, latest=int(self._clock.now().timestamp()) + AHEAD, begin=begin)

    def _since(self, bound: int) -> dict[str, Where]:
        """The filter on what changed."""
        return {"modified_at": Where.above(bound - self._options.overlap_seconds)} if bound else {}

    def _credentials(self) -> Mapping[str, str]:
        """The body of a token request (ezyvet.md, section 2)."""
        options = self._options
        body = {
            "client_id": options.client_id.reveal() if isinstance(options.client_id, Secret) else options.client_id,
            "client_secret": options.client_secret.reveal(),
            "grant_type": "client_credentials",
            # Clients part scopes by a space or by a comma; the space is OAuth's own.
            "scope": " ".join(options.rights),
            "site_uid": options.site_uid,
        }
        return body if options.partner_id is None else {**body, "partner_id": options.partner_id}

    def _flat(self, kind: Kind, row: Native) -> Native:
        if kind is Kind.PET:
            return wire.animal(row)
        if kind is Kind.ATTACHMENT:
            return wire.attachment(row, {})
        native = wire.appointment(row)
        if not native["active"]:
            native["cancelled_by"] = self._options.cancelled_by(wire.whole(native["cancellation_reason"]))
        return native

    def _counts(self, kind: Kind, row: Native, *, anywhere: bool = False) -> bool:
        """Whether a row is a record of VetBridge's: no block, no contact that is no customer, and of this separation
        unless ``anywhere``."""
        if kind is Kind.APPOINTMENT:
            return not self._is_block(row) and (anywhere or (self._is_here(row) and self._is_seen_here(row)))
        if self._options.separation_clients and not (anywhere or self._is_here(row)):
            return False
        return kind is not Kind.CLIENT or wire.is_customer(row)

    def _is_block(self, row: Native) -> bool:
        return wire.record_id(row.get("type_id")) in self._options.block_types

    def _is_here(self, row: Native) -> bool:
        """Whether a row belongs to the site's separation, or does not say whose it is (ezyvet.md, section 3)."""
        owner = wire.record_id(row.get("ownership_id"))
        return self._options.separation is None or owner in (None, self._options.separation)

    def _is_seen_here(self, row: Native) -> bool:
        """Whether one of a visit's resources belongs to the separation; so does a visit that names none."""
        if self._options.separation is None:
            return True
        owners = self._resource_owners.value()
        named = wire.appointment(row)["resource_ids"]
        return not named or any(owners.get(each) in (None, self._options.separation) for each in named)

    def _read_resource_owners(self) -> dict[str, str | None]:
        """The separation of each vet and room, by id."""
        rows = self._door.rows("resource", {}, patience=PATIENCE)
        return {row["id"]: wire.record_id(row.get("ownership_id")) for row in rows}

    def _known(self, kind: Kind) -> None:
        if kind not in self._capabilities.kinds:
            raise self._unsupported(f"the kind {kind}")

    def _resource(self, kind: Kind) -> str:
        self._known(kind)
        return wire.RESOURCE_OF_KIND[kind]

    def _declared(self, kind: Kind, operation: Operation) -> None:
        able = self._capabilities.of(kind)
        declared = {
            Operation.CREATE: able.create is not None,
            Operation.UPDATE: bool(able.update),
            Operation.CANCEL: able.cancel,
        }
        if not declared.get(operation, False):
            why = ""
            if operation is Operation.CANCEL:
                why = "; neither cancellation_reason nor both of cancellation_reasons are set"
            raise self._unsupported(f"{operation} of {kind}{why}")

    def _unsupported(self, what: str) -> Refused:
        return Refused(f"{self._account}: ezyVet's connector does not support {what}", code="not-supported")

    def _moment(self, query: Mapping[str, str], key: str) -> int | None:
        """A time of a query in unix seconds. Raises ``Refused`` for text that is no time with an offset."""
        try:
            return Instant.parse(query[key], self._zone).epoch if key in query else None
        except (ValueError, OverflowError):
            raise Refused(f"{self._account}: {key} must be a time with an offset", code="bad-query") from None


_NOBODY: tuple[object, ...] = (None, "", 0, "0")
"""How a row says that it points to no record (ezyvet.md, section 3)."""

_UIDS = {"contact_id": "contact", "animal_id": "animal", "type_id": "appointmenttype", "resource_id": "resource"}
"""What a booking through ezyCAB names by uid, and the resource whose v2 shows it (ezyvet.md, section 1)."""

_CHANGEABLE_OF_PET = frozenset({"name", "species_id", "sex_id", "date_of_birth"})


class _ResourceOwners:
    """The separation of each resource by id, kept for ten minutes. Safe to be used by several threads."""

    def __init__(self, read: Callable[[], Mapping[str, str | None]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, Mapping[str, str | None]] | None = None

    def value(self) -> Mapping[str, str | None]:
        """What was read last, or what is read now."""
        with self._lock:
            now = self._clock.steady()
            if self._known is None or now - self._known[0] >= LISTS_LAST:
                self._known = (now, self._read())
            return self._known[1]


def _found(native: Native) -> Found:
    return Found(id=native["id"], native=native)


def _owners(details: Iterable[Native]) -> set[str]:
    return {of for row in details if (of := wire.record_id(row.get("contact_id")))}


def _has_email(native: Native, email: str) -> bool:
    return any(
        isinstance(each, str) and each.strip().casefold() == email.strip().casefold() for each in native["emails"]
    )


def _folded(native: Native, name: str) -> str:
    return " ".join(str(native.get(name) or "").split()).casefold()
