"""Writes of contacts, animals and appointments (ezyvet.md, sections 6 and 7)."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from connectors.ezyvet.simulator.requests import (
    MERGE_PATCH,
    invalid,
    json_body,
    media_type,
    preferred,
    typed,
    whole,
)
from connectors.ezyvet.simulator.resources import (
    ANIMAL,
    APPOINTMENT,
    CONTACT,
    POINTS_AT,
    V1_APPOINTMENT,
    Resource,
    Version,
)
from connectors.ezyvet.simulator.seed import CODE_LISTS, add_detail
from vetbridge.testing.simkit import Effect, Refusal, Request, Response, Row

if TYPE_CHECKING:
    from connectors.ezyvet.simulator.server import EzyVetSimulator


class Writing:
    """The writing routes of one simulator."""

    def __init__(self, site: EzyVetSimulator) -> None:
        self._site = site

    def routes(self) -> None:
        """Registers them."""
        for method, path, handler, access in (
            ("POST", "/v1/contact", self._create_contact, "write-contact"),
            ("PATCH", "/v1/contact/{id}", self._update_contact, "write-contact"),
            ("DELETE", "/v1/contact/{id}", self._delete_contact, "write-contact"),
            ("POST", "/v1/animal", self._create_animal, "write-animal"),
            ("PATCH", "/v1/animal/{id}", self._update_animal, "write-animal"),
            ("POST", "/v2/appointment", self._create_appointment, "write-appointment"),
            ("PATCH", "/v2/appointment/{id}", self._patch_appointment, "write-appointment"),
            ("PUT", "/v2/appointment/{id}", self._put_appointment, "write-appointment"),
            ("PATCH", "/v1/appointment/{id}", self._patch_v1_appointment, "write-appointment"),
        ):
            self._site.route(method, path, handler, effect=Effect.WRITE, access=access)

    def _create_contact(self, request: Request) -> Response:
        body = json_body(request)
        details = body.pop("contact_detail_list", [])
        values = self._checked(CONTACT, body)
        if not any(values.get(name) for name in ("first_name", "last_name", "business_name")):
            raise invalid(["last_name"], "a contact needs a name")
        wanted = self._checked_details(details)
        row = self._site.insert(CONTACT, values)
        row["contact_detail_list"] = [
            add_detail(self._site.store, row["id"], name, value, kind, self._site.now())
            for name, value, kind in wanted
        ]
        self._site.store.put(CONTACT.name, row["id"], row)
        self._site.announce(CONTACT, "created", row)
        return self._site.answered(CONTACT, "v1", [row])

    def _update_contact(self, request: Request) -> Response:
        row = self._site.existing(CONTACT, request)
        # The sheet shows contact details being written with a new contact only.
        values = self._checked(CONTACT, json_body(request), leave_out=frozenset({"contact_detail_list"}))
        return self._site.answered(CONTACT, "v1", [self._site.replace(CONTACT, row, values)])

    def _delete_contact(self, request: Request) -> Response:
        """Deletion is documented for contacts alone; what it leaves is not (ezyvet.md, sections 3 and 11)."""
        row = self._site.existing(CONTACT, request)
        if self._site.switches.deleted == "gone":
            self._site.store.delete(CONTACT.name, row["id"])
            return self._site.answered(CONTACT, "v1", [])
        return self._site.answered(CONTACT, "v1", [self._site.replace(CONTACT, row, {"active": False})])

    def _create_animal(self, request: Request) -> Response:
        values = self._checked(ANIMAL, json_body(request))
        self._need(values, ("contact_id", "name"))
        if values.get("residence_contact_id") is None:
            values["residence_contact_id"] = values["contact_id"]
        row = self._site.insert(ANIMAL, values)
        self._site.announce(ANIMAL, "created", row)
        return self._site.answered(ANIMAL, "v1", [row])

    def _update_animal(self, request: Request) -> Response:
        row = self._site.existing(ANIMAL, request)
        values = self._checked(ANIMAL, json_body(request))
        self._need({**row, **values}, ("contact_id", "name"))
        return self._site.answered(ANIMAL, "v1", [self._site.replace(ANIMAL, row, values)])

    def _create_appointment(self, request: Request) -> Response:
        values = self.checked_visit(json_body(request))
        self._need_visit(values)
        values.setdefault("status_id", CODE_LISTS["status"]["booked"])
        row = self._site.insert(APPOINTMENT, values)
        self._site.announce(APPOINTMENT, "created", row)
        return self._site.answered(APPOINTMENT, "v2", [row])

    def _patch_appointment(self, request: Request) -> Response:
        if self._site.switches.merge_patch == "required" and media_type(request) != MERGE_PATCH:
            raise Refusal(415, f"Unsupported format: send {MERGE_PATCH}.")
        return self._changed(request, json_body(request), "v2")

    def _put_appointment(self, request: Request) -> Response:
        """What one client falls back to; it too changes only what it names (ezyvet.md, section 7)."""
        return self._changed(request, json_body(request), "v2")

    def _patch_v1_appointment(self, request: Request) -> Response:
        """Takes the names of either version, those of v1 also inside ``details``: no body of it was seen."""
        body = json_body(request)
        details = body.pop("details", {})
        if not isinstance(details, dict):
            raise invalid(["details"], "this is not an object")
        names = {**V1_APPOINTMENT, **{name: name for name in APPOINTMENT.written}}
        given = {names.get(name, name): value for name, value in {**details, **body}.items()}
        return self._changed(request, given, "v1")

    def _changed(self, request: Request, body: dict[str, Any], version: Version) -> Response:
        row = self._site.existing(APPOINTMENT, request)
        cancellation = self._checked_cancellation(body)
        values = {**self.checked_visit(body), **cancellation}
        self._need_visit({**row, **values})
        owner = {
            name: values[name] for name in ("contact_id", "animal_id") if values.get(name, row[name]) != row[name]
        }
        # Whether ezyVet keeps such a change is not known, nor what its answer shows if it does not.
        ignored = bool(owner) and self._site.faults.hits("relink_ignored")
        forgotten = bool(owner) and not ignored and self._site.faults.hits("relink_forgotten")
        lost = set(owner) if ignored or forgotten else set()
        kept = self._site.replace(
            APPOINTMENT, row, {name: value for name, value in values.items() if name not in lost}
        )
        return self._site.answered(APPOINTMENT, version, [{**kept, **owner} if forgotten else kept])

    def checked_visit(self, body: dict[str, Any]) -> dict[str, Any]:
        """An appointment's fields of a body, in the store's types. Raises ``Refusal`` 422."""
        values = self._checked(APPOINTMENT, body)
        if "resources" in values:
            values["resources"] = self._checked_resources(values["resources"])
        if "duration" in values and not (values["duration"] or 0) > 0:
            raise invalid(["duration"], "a visit lasts longer than nothing, in seconds")
        if "description" in values and self._site.switches.description_limit is not None:
            values["description"] = values["description"][: self._site.switches.description_limit]
        if "description" in values:
            values["description"] = self._site.kept(values["description"])
        return values

    def _checked_resources(self, resources: list[Any]) -> list[dict[str, int]]:
        """The vendor's element shape on write is unknown: taken as read, ``{"id": N}``, or as the bare id."""
        checked = []
        for element in resources:
            number = element.get("id") if isinstance(element, dict) else element
            if not self._site.is_there("resource", number):
                raise invalid(["resources"], "there is no such resource")
            checked.append({"id": whole(number)})
        return checked

    def _checked_cancellation(self, body: dict[str, Any]) -> dict[str, Any]:
        """Takes the three cancellation fields out of the body; what they make of the row."""
        if not {"cancel", "cancellation_reason", "cancellation_reason_text"} & set(body):
            return {}
        cancel, reason = body.pop("cancel", None), body.pop("cancellation_reason", None)
        words = body.pop("cancellation_reason_text", "")
        if cancel is not True:
            raise invalid(["cancel"], "a cancellation says cancel: true")
        optional = reason is None and self._site.switches.cancel_reason == "optional"
        if not optional and (isinstance(reason, bool) or not isinstance(reason, int)):
            raise invalid(["cancellation_reason"], "a cancellation needs the number of its reason")
        if not isinstance(words, str):
            raise invalid(["cancellation_reason_text"], "this is not text")
        return {"active": False, "cancellation_reason": reason, "cancellation_reason_text": words}

    def _checked_details(self, details: Any) -> list[tuple[str, str, int]]:
        """Name, value and type of each detail of a new contact, the preferred one first."""
        if not isinstance(details, list) or not all(isinstance(detail, dict) for detail in details):
            raise invalid(["contact_detail_list"], "this is not a list of objects")
        checked = []
        for detail in details:
            unknown = set(detail) - {"name", "value", "contact_detail_type_id", "preferred"}
            name, value, kind = detail.get("name", ""), detail.get("value"), detail.get("contact_detail_type_id")
            if unknown or not isinstance(name, str) or not isinstance(value, str) or not value.strip():
                raise invalid(["contact_detail_list"], "a detail has a value of text, a name and a type, no more")
            if not self._site.is_there("contactdetailtype", kind):
                raise invalid(["contact_detail_list"], "there is no such contact detail type")
            checked.append((not preferred(detail), (name, value, whole(kind))))
        return [detail for _, detail in sorted(checked, key=operator.itemgetter(0))]

    def _checked(
        self, resource: Resource, body: dict[str, Any], *, leave_out: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The body's values in the store's types. Refuses unknown fields, wrong types and ids that are not there."""
        unknown = sorted(set(body) - (resource.written - leave_out))
        if unknown and self._site.switches.unknown_field == "error":
            raise invalid([name[:80] for name in unknown[:20]], "these fields cannot be written")
        values: dict[str, Any] = {}
        for name, value in body.items():
            if name in unknown:
                continue
            try:
                values[name] = typed(resource.fields[name], value)
            except ValueError as error:
                raise invalid([name], str(error)) from None
            kind = POINTS_AT.get(name)
            if kind is not None and values[name] is not None and not self._site.is_there(kind, values[name]):
                raise invalid([name], f"there is no such {kind}")
        return values

    def _need(self, values: Row, needed: Iterable[str]) -> None:
        missing = [name for name in needed if values.get(name) in (None, "")]
        if missing:
            raise invalid(missing, "these fields are required")

    def _need_visit(self, values: Row) -> None:
        self._need(values, ("start_at", "duration", "type_id"))
        if self._site.switches.ownerless == "refuse":
            self._need(values, ("contact_id", "animal_id"))
