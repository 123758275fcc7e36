"""The memory side under the conformance suite: the suite's own proof, and the side's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from vetbridge.connector.interface import Capabilities, Connector, ExactlyOnce, Operation, Relink, Unlinked, Write
from vetbridge.core.errors import BadAnswer, RateLimited, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, by_hand, memory_capabilities, memory_mapper, redeclared
from vetbridge.testing.suite import ConnectorSuite, Fault, Subject
from vetbridge.testing.suite.logs import Logs

ENDLESS = 10_000


class MemorySubject(Subject):
    """A memory side with forty clients and a page of ten."""

    faults = frozenset(Fault) - {Fault.SHIFT}

    def __init__(self, capabilities: Capabilities | None = None, *, whole_seconds: bool = False) -> None:
        self.clock = FakeClock()
        self.side = MemorySide(capabilities, page_size=10, clock=self.clock, whole_seconds=whole_seconds)
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
            if fault in {Fault.CUT, Fault.PAGE}:
                self.side.fail(BadAnswer("memory: no answer of this side"))
            self.side.lose_answers(done=True, times=ENDLESS)

    def requests(self) -> int:
        return sum(self.side.calls.values())

    def writes(self) -> int:
        return len(self.side.written)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def restarted(self) -> Connector:
        return self.side

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        self.side.remove(kind, id)
        return True

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        days = {name: value.isoformat() for name, value in values.items() if isinstance(value, date)}
        return self.side.add(kind, {**values, **days})

    def handed(self) -> int:
        return len(self.side.handed)

    def carry_out(self, write: Write) -> str | None:
        if write.operation is Operation.CREATE:
            return self.side.add(write.kind, write.native)
        cancelled = {"state": "cancelled", "cancelled": dict(write.native)}
        changes = cancelled if write.operation is Operation.CANCEL else write.native
        self.side.edit(write.kind, write.id or "", changes)
        return write.id

    def opt_out(self, client_id: str) -> bool:
        self.side.edit(Kind.CLIENT, client_id, {"silent": True})
        return True

    def messages(self) -> int:
        return len(self.side.messages)

    def logged(self) -> int:
        return len(self.side.logged)


class MemoryByHand(MemorySubject):
    """A memory side on which no connector writes."""

    enters = frozenset({Kind.CLIENT, Kind.PET, Kind.APPOINTMENT})

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        if kind not in self.enters:
            return super().seed(kind, values)
        writable = self.mapper.writable(kind)
        return self.side.add(
            kind, self.mapper.write(kind, {name: values[name] for name in values if name in writable})
        )


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


class TestMemoryWithALog(Logs):
    """It keeps a communication log."""

    def make(self) -> Subject:
        return MemorySubject(redeclared(memory_capabilities(), Kind.REMINDER, logs=True))


class TestMemoryOfABookingSide(ConnectorSuite):
    """Files hang on clients alone and must be small; what is due stands on the client."""

    def make(self) -> Subject:
        can = memory_capabilities("booking")
        can = redeclared(can, Kind.ATTACHMENT, largest=4 * 1024 * 1024, file_types=frozenset({"pdf"}))
        return MemorySubject(can)


class TestMemoryByHand(ConnectorSuite):
    """People write there what is handed on, and who is new."""

    def make(self) -> Subject:
        return MemoryByHand(by_hand(memory_capabilities()))


class TestMemoryThatRefuses(ConnectorSuite):
    def make(self) -> Subject:
        return MemorySubject(memory_capabilities(unlinked=Unlinked.NO, relink=Relink.NO))


class TestMemoryWithKeys(ConnectorSuite):
    """Each write has a key, and takes effect once."""

    def make(self) -> Subject:
        level = ExactlyOnce.IDEMPOTENCY_KEY
        return MemorySubject(memory_capabilities(create=level, changed=level))


class TestMemoryOnConditions(ConnectorSuite):
    """Changes name the version that they were decided on; versions and cursors are times in whole seconds."""

    def make(self) -> Subject:
        capabilities = memory_capabilities(create=ExactlyOnce.REFERENCE, changed=ExactlyOnce.CONDITIONAL)
        subject = MemorySubject(capabilities, whole_seconds=True)
        subject.pass_time(60)
        return subject


class TestMemoryThatCannotTell(ConnectorSuite):
    """Nobody can look for what was made; and its lists lag."""

    def make(self) -> Subject:
        subject = MemorySubject(
            memory_capabilities(create=ExactlyOnce.NONE, changed=ExactlyOnce.NONE, late_landing=30)
        )
        subject.pass_time(60)
        subject.side.lag(20)
        return subject


class TestMemoryThatLagsAndShouts(ConnectorSuite):
    """Its lists lag, it keeps names in capitals, and cuts them."""

    not_kept: ClassVar = {Kind.CLIENT: frozenset({"given_name", "family_name"}), Kind.PET: frozenset({"name"})}

    def make(self) -> Subject:
        can = memory_capabilities(create=ExactlyOnce.LOOK, late_landing=30)
        for kind, names in self.not_kept.items():
            limits = dict.fromkeys(names, 40)
            can = redeclared(can, kind, text_limits=limits, loss=dict.fromkeys(names, "in capitals"))
        subject = MemorySubject(can)
        subject.side.recase = True
        subject.pass_time(60)
        subject.side.lag(30)
        return subject
