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

ROWS = {Kind.CLIENT: "client", Kind.APPOINTMENT: "record"}


def options(credentials: Mapping[str, str]) -> dict[str, Any]:
    return {
        "location_id": credentials["location_id"],
        "partner_token": Secret.of(credentials["partner_token"]),
        "user_token": Secret.of(credentials["user_token"]),
        "page_size": 5,
    }


class TestAltegio(ConnectorSuite):
    not_kept: ClassVar[Mapping[Kind, frozenset[str]]] = {
        Kind.APPOINTMENT: frozenset({"cancelled_by", "cancel_reason"}),
    }

    def make(self) -> Subject:
        return SimulatedSubject(
            plugin, options=options, secrets=("partner_token", "user_token"), codes=CODES, rows=ROWS
        )


class TestAltegioTheOtherWay(Patient, TestAltegio):
    """The same where the sheet leaves a choice open and the simulator takes the other one, far from Greenwich, and
    refuses what comes faster than the vendor's real limits."""

    def make(self) -> Subject:
        return SimulatedSubject(
            plugin,
            options=options,
            secrets=("partner_token", "user_token"),
            codes=CODES,
            rows=ROWS,
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
                "webhook_form": "array",
                "webhook_data": "partial",
                "webhook_words": "synonyms",
                "hooks_form": "old",
            },
        )
