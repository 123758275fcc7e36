"""The ezyVet connector under the conformance suite, over HTTP on its simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.ezyvet import plugin
from connectors.ezyvet.simulator import CODE_LISTS
from tests.conformance.patient import Patient
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.testing.suite import ConnectorSuite, SimulatedSubject, Subject

ROWS = {Kind.CLIENT: "contact", Kind.PET: "animal", Kind.APPOINTMENT: "appointment"}


def options(credentials: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{name: credentials[name] for name in ("partner_id", "site_uid", "client_id")},
        "client_secret": Secret.of(credentials["client_secret"]),
        "cancellation_reasons": {"client": 1, "clinic": 2},
        "page_size": 10,
        "new_pet": {"sex_id": "5"},
    }


class TestEzyVet(ConnectorSuite):
    def make(self) -> Subject:
        return SimulatedSubject(
            plugin,
            options=options,
            secrets=("client_secret",),
            codes=CODE_LISTS,
            placeholder=("900", "901"),
            rows=ROWS,
        )


class TestEzyVetTheOtherWay(Patient, TestEzyVet):
    """The same where the sheet leaves a choice open and the simulator takes the other one, far from Greenwich, and
    refuses what comes faster than the vendor's real limits."""

    def make(self) -> Subject:
        return SimulatedSubject(
            plugin,
            options=options,
            secrets=("client_secret",),
            codes=CODE_LISTS,
            placeholder=("900", "901"),
            rows=ROWS,
            real_limits=True,
            simulator={
                "zone": "Australia/Sydney",
                "token_kills_old": True,
                "expires_in": "epoch",
                "page_cap": 7,
                "ownerless": "accept",
                "faults": {"relink_ignored": 1.0},
            },
        )
