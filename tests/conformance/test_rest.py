"""The connector ``rest`` under the conformance suite, over HTTP on Animana's rehearsal: its writes by the API, and
handed to people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from connectors.animana import simulator
from connectors.animana.simulator import CODE_LISTS, AnimanaSimulator
from connectors.rest import plugin
from vetbridge.connector.interface import Operation, Write
from vetbridge.connector.secret import Secret
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.testing.suite import ConnectorSuite, SimulatedSubject, Subject
from vetbridge.testing.suite.handed import Handed
from vetbridge.testing.suite.honesty import Honesty
from vetbridge.testing.suite.hygiene import Hygiene
from vetbridge.testing.suite.identity import Identity
from vetbridge.testing.suite.once import Changing, Creating
from vetbridge.testing.suite.reading import Reading
from vetbridge.testing.suite.searching import Searching

SHIPPED = Path(simulator.__file__).with_name("rest.yaml")
REHEARSED = replace(plugin, simulator="connectors.animana.simulator")
EVERYBODY = frozenset({Kind.CLIENT, Kind.PET, Kind.APPOINTMENT})


class Rehearsal(SimulatedSubject):
    """Pages are short, so that a small practice has several."""

    def __init__(self, *, writes: str = "api", profile: str | Path = "animana") -> None:
        def options(credentials: Mapping[str, str]) -> dict[str, Any]:
            secrets = {name: Secret.of(text) for name, text in credentials.items()}
            return {"profile": profile, "secrets": secrets, "writes": writes}

        super().__init__(REHEARSED, options=options, secrets=("client_secret",), codes=CODE_LISTS, clients=20)
        self.site: AnimanaSimulator = self._simulator
        self.site.page_cap = 6
        self.enters = EVERYBODY if writes == "handed" else frozenset()

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        """The row is gone."""
        self.site.practice.erase(kind, id)
        return True

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        """Staff enter what no API makes."""
        known = dict(values)
        if kind is Kind.CLIENT:
            [known["email"]] = known.pop("emails")
            return self.site.practice.register_client(**known).id
        if kind is Kind.PET:
            return self.site.practice.register_pet(**known).id
        if kind is not Kind.APPOINTMENT:
            return None
        return self.site.practice.book(**_visit(known)).id

    def carry_out(self, write: Write) -> str | None:
        """Staff type what the work list says."""
        practice = self.site.practice
        if write.operation is Operation.CANCEL:
            return practice.cancel(str(write.id)).id
        record = self.mapper.read(
            Kind.APPOINTMENT,
            {"id": "0", "start": "2027-06-14 10:00:00", "duration": 900, "status": "Planned", **write.native},
        )
        names = ("client_id", "pet_id", "start", "duration", "status", "appointment_type", "resource", "notes")
        values = _visit({name: getattr(record, name) for name in names if name in write.native})
        if write.operation is Operation.CREATE:
            return practice.book(**values).id
        return practice.change_visit(str(write.id), **values).id


def _visit(values: Mapping[str, Any]) -> dict[str, Any]:
    """Canonical fields as the practice keeps them."""
    kept = {name: value or "" for name, value in values.items() if name not in {"start", "duration", "status"}}
    start, status = values.get("start"), values.get("status")
    if isinstance(start, Instant):
        kept["start"] = start.at_site().replace(tzinfo=None)
    if values.get("duration"):
        kept["minutes"] = values["duration"] // 60
    if isinstance(status, AppointmentStatus):
        kept["status"] = status.value
    return kept


class TestRest(ConnectorSuite):
    not_kept: ClassVar[Mapping[Kind, frozenset[str]]] = {Kind.APPOINTMENT: frozenset({"cancel_reason"})}

    def make(self) -> Subject:
        return Rehearsal()


class TestRestHanded(Identity, Reading, Searching, Handed, Honesty, Hygiene):
    """What differs where the API is only read."""

    not_kept = TestRest.not_kept

    def make(self) -> Subject:
        return Rehearsal(writes="handed")


class TestRestLooking(Creating, Changing):
    """An API that takes no keys and no versions: what was lost is looked for."""

    not_kept = TestRest.not_kept

    @pytest.fixture(autouse=True)
    def _plainer(self, tmp_path: Path) -> None:
        profile = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
        del profile["idempotency_header"]
        for kind in profile["kinds"].values():
            kind["version"] = {"path": "changed_at"}
        self.path = tmp_path / "plainer.yaml"
        self.path.write_text(json.dumps(profile), encoding="utf-8")

    def make(self) -> Subject:
        return Rehearsal(profile=self.path)
