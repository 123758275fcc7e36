"""Two connectors as one under the conformance suite: whoever asks must not notice that they are two."""

from __future__ import annotations

from dataclasses import replace

from tests.conformance.test_memory import MemorySubject
from vetbridge.connector.composed import Composed, Served
from vetbridge.connector.interface import Connector
from vetbridge.core.records import Kind
from vetbridge.testing.memory import memory_capabilities, memory_mapper
from vetbridge.testing.suite import ConnectorSuite, Subject

DIARY = frozenset({Kind.APPOINTMENT, Kind.REMINDER})


class ComposedSubject(MemorySubject):
    """A memory side that is asked by two connectors: one for visits and what is due, one for the rest."""

    def __init__(self) -> None:
        super().__init__(replace(memory_capabilities(), hints=False))
        self.connector = self.restarted()

    def restarted(self) -> Connector:
        own = Served(name="feed", connector=self.side, kinds=frozenset(Kind) - DIARY)
        parts = [Served(name="diary", connector=self.side, kinds=DIARY)]
        return Composed("practice", own, parts, clock=self.clock, mapper=memory_mapper)


class TestComposed(ConnectorSuite):
    def make(self) -> Subject:
        return ComposedSubject()
