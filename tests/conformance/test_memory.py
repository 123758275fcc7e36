"""The memory side under the conformance suite: the suite's own proof, and the side's."""

from __future__ import annotations

from vetbridge.connector.interface import Capabilities, Relink, Unlinked
from vetbridge.core.errors import RateLimited, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.memory import MemorySide, memory_capabilities, memory_mapper
from vetbridge.testing.suite import ConnectorSuite, Fault, Subject

ENDLESS = 10_000


class MemorySubject(Subject):
    """A memory side with forty clients and a page of ten."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.side = MemorySide(capabilities, page_size=10)
        self.connector = self.side
        self.mapper = memory_mapper(self.zone)
        for number in range(40):
            self.side.add(
                Kind.CLIENT, {"name": {"given": "Seed", "family": f"No {number}"}, "phones": [f"+44{number}"]}
            )

    def fault(self, fault: Fault | None) -> None:
        self.side.mend()
        if fault is Fault.LIMIT:
            self.side.fail(RateLimited("memory: pause", wait=30, budget=""))
        elif fault is Fault.BEFORE:
            self.side.fail(Unavailable("memory: away"))
            self.side.lose_answers(done=False, times=ENDLESS)
        elif fault is not None:
            self.side.lose_answers(done=True, times=ENDLESS)

    def requests(self) -> int:
        return sum(self.side.calls.values())

    def writes(self) -> int:
        return len(self.side.written)

    def pass_time(self, seconds: float) -> None:
        """Nothing to do: versions are numbers that only grow."""


class TestMemory(ConnectorSuite):
    def make(self) -> Subject:
        return MemorySubject()


class TestMemoryThatCutsAndDemandsOwners(ConnectorSuite):
    """It also forgets to whom a visit is moved."""

    def make(self) -> Subject:
        subject = MemorySubject(
            memory_capabilities(unlinked=Unlinked.PLACEHOLDER, relink=Relink.UNVERIFIED, notes_limit=200)
        )
        subject.side.ignore_relink = True
        owner = subject.side.add(Kind.CLIENT, {"name": {"given": "", "family": "Placeholder"}})
        subject.placeholder = (owner, subject.side.add(Kind.PET, {"owner": owner, "name": "Placeholder"}))
        return subject


class TestMemoryThatRefuses(ConnectorSuite):
    def make(self) -> Subject:
        return MemorySubject(memory_capabilities(unlinked=Unlinked.NO, relink=Relink.NO))
