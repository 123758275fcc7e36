"""The Altegio connector under the conformance suite, over HTTP on its simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.altegio import plugin
from tests.conformance.patient import Patient
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.testing.suite import ConnectorSuite, SimulatedSubject, Subject

CODES = {
    "appointment_type": {
        "checkup": "701",
        "vaccination": "702",
        "dental": "703",
        "surgery": "704",
        "nail_clip": "705",
    },
    "resource": {"vet_1": "501", "vet_2": "502", "vet_3": "503", "vet_4": "504"},
}

DUE_FIELDS = {"service": "due_service", "pet": "due_pet", "date": "due_on", "notified": "due_notified"}
DUE_LABELS = {"soon": "1", "overdue": "2"}
"""Labels of a new store are numbered from 1."""

ROWS = {Kind.CLIENT: "client", Kind.APPOINTMENT: "record"}


def options(credentials: Mapping[str, str]) -> dict[str, Any]:
    return {
        "location_id": credentials["location_id"],
        "partner_token": Secret.of(credentials["partner_token"]),
        "user_token": Secret.of(credentials["user_token"]),
        "page_size": 5,
        "due_fields": DUE_FIELDS,
        "due_labels": DUE_LABELS,
        "mailing": {"clients": "client_ids", "text": "text"},
    }


class AltegioSubject(SimulatedSubject):
    """A location whose people have made fields and labels for what is due."""

    def __init__(self, changed: Mapping[str, Any] | None = None, **more: Any) -> None:
        secrets = ("partner_token", "user_token")
        super().__init__(
            plugin,
            options=lambda credentials: {**options(credentials), **(changed or {})},
            secrets=secrets,
            codes=CODES,
            rows=ROWS,
            **more,
        )
        store = self._simulator.store
        for what, code in DUE_FIELDS.items():
            kind = "date" if what == "date" else "text"
            store.insert("field", {"category": "client", "code": code, "title": code, "type": kind})
        for what in DUE_LABELS:
            store.insert("label", {"title": what, "entity": 1})

    def opt_out(self, client_id: str) -> bool:
        store = self._simulator.store
        store.put("client", int(client_id), {**(store.get("client", int(client_id)) or {}), "sms_not": 1})
        return True


class TestAltegio(ConnectorSuite):
    not_kept: ClassVar[Mapping[Kind, frozenset[str]]] = {
        Kind.APPOINTMENT: frozenset({"cancelled_by", "cancel_reason"}),
    }

    def make(self) -> Subject:
        return AltegioSubject()


class TestAltegioTheOtherWay(Patient, TestAltegio):
    """The same where the sheet leaves a choice open and the simulator takes the other one, far from Greenwich, and
    refuses what comes faster than the vendor's real limits."""

    def make(self) -> Subject:
        return AltegioSubject(
            {"file_download": {"address": "link", "authorise": True}},
            real_limits=True,
            simulator={
                "zone": "America/Los_Angeles",
                "winter_offset": True,
                "bounds_zone": "utc",
                "put_clears": True,
                "empty_fields": "object",
                "retry_after": False,
                "require_accept": True,
                "empty_meta": "object",
                "error_shape": "array",
                "booking_code": "meta",
                "numbers": "text",
                "flags": "number",
                "delete_answer": 200,
                "timezone_form": "name",
                "one_staff": "array",
                "create_answer": "object",
                "record_date": "iso",
                "comer": "boolean",
                "api_ids": "number",
                "label_ids": "number",
                "visit_ids": "text",
                "record_order": "descending",
                "busy_status": 400,
                "phone_form": "bare",
                "no_birth_date": "1970",
                "gender_names": "sex",
                "duplicate_status": 400,
                "file_names": "stem",
                "downloads": "tokens",
                "webhook_form": "array",
                "webhook_data": "partial",
                "webhook_words": "synonyms",
                "hooks_form": "old",
            },
        )
