"""What a connector says when its side fails, and that it works again after it."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from collections.abc import Callable

import pytest

from vetbridge.core.errors import BadAnswer, RateLimited, Unavailable, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import Group
from vetbridge.testing.suite.subject import Fault, Subject

NAMED: tuple[tuple[Fault, type[VetBridgeError] | tuple[type[VetBridgeError], ...]], ...] = (
    (Fault.LIMIT, RateLimited),
    (Fault.BEFORE, Unavailable),
    (Fault.CUT, (BadAnswer, Unavailable)),
    (Fault.PAGE, (BadAnswer, Unavailable)),
)
"""What a read raises under each fault."""


class Faults(Group):
    """See the methods."""

    @pytest.mark.parametrize(("fault", "error"), NAMED, ids=[str(fault) for fault, _ in NAMED])
    def test_failing_reads_are_named(
        self, subject: Subject, fault: Fault, error: type[VetBridgeError] | tuple[type[VetBridgeError], ...]
    ) -> None:
        """Every read says which trouble it met, from the first request on, and works again after it."""
        self.needs_fault(subject, fault)
        connector = subject.connector
        known = next(iter(self.everything(subject, Kind.CLIENT)[0]))
        subject.fault(fault)
        reads: list[Callable[[], object]] = [
            lambda: connector.get(Kind.CLIENT, known),
            lambda: list(connector.changes(Kind.CLIENT, None)),
        ]
        for key, text in (("phone", "+447700900001"), ("email", "probe0@example.org")):
            if key in connector.capabilities.of(Kind.CLIENT).search:
                reads.append(lambda query={key: text}: list(connector.search(Kind.CLIENT, query)))  # type: ignore[misc]
        for read in reads:
            with pytest.raises(error) as caught:
                read()
            if isinstance(caught.value, RateLimited) and connector.capabilities.budgets:
                assert caught.value.wait > 0
                assert caught.value.budget in {each.name for each in connector.capabilities.budgets}
        subject.fault(None)
        assert self.everything(subject, Kind.CLIENT)[0]
