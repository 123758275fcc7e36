"""Who a connector says it is, and what its check finds."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields

import pytest

from vetbridge.connector.interface import (
    Operation,
)
from vetbridge.core.errors import (
    AuthFailed,
)
from vetbridge.core.records import RECORD_TYPES, Kind
from vetbridge.testing.suite.base import Group
from vetbridge.testing.suite.subject import Subject


class Identity(Group):
    """See the methods."""

    def test_declares_what_it_is(self, subject: Subject) -> None:
        """Side, kinds, what is proven, and budgets with names of their own."""
        can = subject.connector.capabilities
        assert can.side in {"booking", "pims"}
        assert any(of.read for of in can.kinds.values())
        assert can.proven
        names = [budget.name for budget in can.budgets]
        assert len(names) == len(set(names))
        assert all(budget.calls > 0 and budget.seconds > 0 and budget.per for budget in can.budgets)
        assert can == subject.connector.capabilities

    @pytest.mark.parametrize("kind", list(Kind))
    def test_declared_fields_are_mapped(self, subject: Subject, kind: Kind) -> None:
        """What is declared to change can be written, and declared losses name canonical fields."""
        can = subject.connector.capabilities.of(kind)
        if not can.read:
            pytest.skip(f"not declared: {kind}")
        assert can.update <= subject.mapper.writable(kind)
        known = (
            {each.name for each in fields(RECORD_TYPES[kind])}
            | subject.mapper.readable(kind)
            | subject.mapper.writable(kind)
        )
        assert set(can.loss) | set(can.text_limits) <= known
        assert self.not_kept.get(kind, frozenset()) <= set(can.loss)

    def test_check_is_well_and_writes_nothing(self, subject: Subject) -> None:
        """A good account's report has no wrong line, and the side saw reads only."""
        before = subject.writes()
        report = subject.connector.check()
        assert report.lines
        assert report.ok, [f"{line.name}: {line.text}" for line in report.lines if not line.ok]
        assert all(line.ok or line.advice for line in report.lines), "a line that is not well says what to do"
        assert subject.writes() == before

    def test_wrong_credentials_are_named(self, subject: Subject) -> None:
        """They make reads and writes raise ``AuthFailed``, and the check says so."""
        stranger = subject.stranger()
        if stranger is None:
            pytest.skip("this side has no credentials")
        try:
            with pytest.raises(AuthFailed):
                stranger.get(Kind.CLIENT, "1")
            with suppress(AuthFailed):
                assert not stranger.check().ok
            write = self.write_of(subject, Kind.CLIENT, Operation.CREATE, self.client_fields())
            creates = subject.connector.capabilities.of(Kind.CLIENT).create
            with pytest.raises(AuthFailed) as caught:
                stranger.apply(write) if creates else list(stranger.changes(Kind.CLIENT, None))
            assert "of-a-stranger" not in f"{caught.value}{stranger!r}"
            assert subject.writes() == 0
        finally:
            stranger.close()
