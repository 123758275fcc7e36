"""The Altegio connector under the conformance suite, over HTTP on its simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.altegio import plugin
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


class TestAltegioTheOtherWay(TestAltegio):
    """The same where the sheet leaves a choice open and the simulator takes the other one, far from Greenwich."""

    def make(self) -> Subject:
        return SimulatedSubject(
            plugin,
            options=options,
            secrets=("partner_token", "user_token"),
            codes=CODES,
            rows=ROWS,
            simulator={
                "zone": "America/Los_Angeles",
                "winter_offset": True,
                "bounds_zone": "utc",
                "put_clears": True,
                "empty_fields": "object",
                "retry_after": False,
                "require_accept": True,
            },
        )
