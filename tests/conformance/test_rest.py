"""The connector ``rest`` under the conformance suite, over HTTP on Animana's rehearsal: its writes by the API, and
handed to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from connectors.animana.simulator import CODE_LISTS, AnimanaSimulator
from connectors.rest import plugin
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.testing.suite import ConnectorSuite, SimulatedSubject, Subject

REHEARSED = replace(plugin, simulator="connectors.animana.simulator")


def options(credentials: Mapping[str, str]) -> dict[str, Any]:
    return {"profile": "animana", "secrets": {name: Secret.of(text) for name, text in credentials.items()}}


class Rehearsal(SimulatedSubject):
    """Pages are short, so that a small practice has several."""

    def __init__(self, more: Callable[[Mapping[str, str]], Mapping[str, Any]] = options) -> None:
        super().__init__(REHEARSED, options=more, secrets=("client_secret",), codes=CODE_LISTS, clients=30)
        self.site: AnimanaSimulator = self._simulator
        self.site.page_cap = 8

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        """The row is gone."""
        self.site.practice.erase(kind, id)
        return True


class TestRest(ConnectorSuite):
    not_kept: ClassVar[Mapping[Kind, frozenset[str]]] = {Kind.APPOINTMENT: frozenset({"cancel_reason"})}

    def make(self) -> Subject:
        return Rehearsal()
