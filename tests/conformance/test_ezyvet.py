"""The ezyVet connector under the conformance suite, over HTTP on its simulator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from connectors.ezyvet import plugin
from connectors.ezyvet.options import FILES, SCOPES, VACCINATIONS
from connectors.ezyvet.simulator import CODE_LISTS, FIRST_ANIMAL, EzyVetSimulator
from tests.conformance.patient import Patient
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.testing.suite import ConnectorSuite, SimulatedSubject, Subject

ROWS = {
    Kind.CLIENT: "contact",
    Kind.PET: "animal",
    Kind.APPOINTMENT: "appointment",
    Kind.ATTACHMENT: "attachment",
    Kind.VACCINATION: "vaccination",
}
GIVEN = date(2026, 5, 2)
THERAPEUTICS = {
    "due": "made_up_due",
    "consult": "made_up_consult",
    "service": "made_up_product",
    "name": "made_up_name",
}


def options(credentials: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{name: credentials[name] for name in ("partner_id", "site_uid", "client_id")},
        "client_secret": Secret.of(credentials["client_secret"]),
        "cancellation_reasons": {"client": 1, "clinic": 2},
        "page_size": 10,
        "new_pet": {"sex_id": "5"},
        "scope": [*SCOPES, *FILES, *VACCINATIONS],
        "due_services": {"wellness_plans": True, "therapeutics": THERAPEUTICS},
    }


class EzyVetSubject(SimulatedSubject):
    """Vets of the site vaccinate, and write down what is due."""

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        site = self._simulator
        assert isinstance(site, EzyVetSimulator)
        animal = int(values.get("pet_id") or FIRST_ANIMAL + 1)
        if kind is Kind.VACCINATION:
            given = values.get("given_on") or GIVEN
            shot = site.vaccinate(animal, int(values["service"]), values["name"], given, values["due_on"])
            return str(shot)
        return f"therapeutic:{site.treat(animal, int(values['service']), values['name'], values['due_on'])}"


class TestEzyVet(ConnectorSuite):
    def make(self) -> Subject:
        return EzyVetSubject(
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
        return EzyVetSubject(
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
                "file_ranges": "refuse",
                "faults": {"relink_ignored": 1.0},
            },
        )
