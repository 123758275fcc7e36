"""Writes that are handed on: somebody else carries them out later, and only a read shows that one was done."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from vetbridge.connector.interface import Connector, ExactlyOnce, Operation, Write
from vetbridge.core.records import Kind, Record
from vetbridge.testing.suite.base import CANCEL, Group, field_of
from vetbridge.testing.suite.subject import Subject

MAY_BE_HANDED = frozenset({Operation.CREATE, Operation.UPDATE, Operation.CANCEL})


class Handed(Group):
    """See the methods."""

    def handed(self, subject: Subject, kind: Kind, operation: Operation) -> Write:
        """A write that is handed on, of a record that stands there. Skips the test where none is."""
        if operation not in subject.connector.capabilities.of(kind).handed:
            pytest.skip(f"not handed on: {kind} {operation}")
        if operation is Operation.CREATE:
            write, _ = self.sample(subject, kind)
            return write
        id_ = self.created(subject, kind)
        if operation is Operation.CANCEL:
            blank = self.write_of(subject, kind, operation, {}, id=id_)
            return replace(blank, native=dict(CANCEL))
        name = sorted(subject.connector.capabilities.of(kind).update & set(self.changes_of(kind, subject)))[0]
        return self.write_of(subject, kind, operation, {name: self.changes_of(kind, subject)[name]}, id=id_)

    def recall(self, write: Write) -> Write:
        """Takes a write back."""
        return replace(write, operation=Operation.RECALL, native={})

    def shown(self, subject: Subject, kind: Kind) -> dict[str, Record]:
        """Every record of a kind, as it reads."""
        self.landed(subject)
        found, _ = self.everything(subject, kind)
        return {id_: self.record(subject, kind, id_) for id_ in found}

    def test_what_is_handed_on_is_declared(self, subject: Subject) -> None:
        """Nothing is handed on that is not declared; a create is taken once for each key."""
        for can in subject.connector.capabilities.kinds.values():
            assert can.handed <= MAY_BE_HANDED
            assert Operation.UPDATE not in can.handed or can.update
            assert Operation.CANCEL not in can.handed or can.cancel
            assert Operation.CREATE not in can.handed or can.create is ExactlyOnce.IDEMPOTENCY_KEY

    @pytest.mark.parametrize("operation", sorted(MAY_BE_HANDED))
    def test_nothing_shows_until_somebody_does_it(self, subject: Subject, operation: Operation) -> None:
        """The receipt names no record, and every record reads as before."""
        write = self.handed(subject, Kind.APPOINTMENT, operation)
        before = self.shown(subject, Kind.APPOINTMENT)
        receipt = subject.connector.apply(write)
        assert (receipt.id, receipt.native) == ("", None)
        assert self.shown(subject, Kind.APPOINTMENT) == before

    @pytest.mark.parametrize("operation", sorted(MAY_BE_HANDED))
    def test_one_key_is_handed_on_once(self, subject: Subject, operation: Operation) -> None:
        """Also by another connector of the account, as after a restart; another key is another write."""
        write = self.handed(subject, Kind.APPOINTMENT, operation)
        lies = self.lying(subject)
        before = next(lies)
        for connector in self._again(subject):
            assert connector.apply(write).id == ""
            assert next(lies) == before + 1
        subject.connector.apply(replace(write, key=f"{write.key}-another"))
        assert next(lies) == before + 2

    def test_what_is_taken_back_lies_there_no_more(self, subject: Subject) -> None:
        """Taken back once or twice, and handed on again by a retry that comes too late: it stays taken back. What
        was never handed on may be taken back, too."""
        write = self.handed(subject, Kind.APPOINTMENT, Operation.CREATE)
        lies = self.lying(subject)
        before = next(lies)
        subject.connector.apply(write)
        subject.connector.apply(replace(write, key=f"{write.key}-stays"))
        for operation in (self.recall(write), self.recall(write), write):
            for connector in self._again(subject):
                assert connector.apply(operation).id == ""
                assert next(lies) == before + 1
        assert subject.connector.apply(self.recall(replace(write, key=f"{write.key}-never"))).id == ""
        assert next(lies) == before + 1

    @pytest.mark.parametrize("operation", sorted(MAY_BE_HANDED))
    def test_a_read_shows_what_was_done(self, subject: Subject, operation: Operation) -> None:
        """Whoever carries it out is seen to have done it, and the changes since then tell."""
        write = self.handed(subject, Kind.APPOINTMENT, operation)
        before = self.shown(subject, Kind.APPOINTMENT)
        _, cursor = self.everything(subject, Kind.APPOINTMENT)
        subject.connector.apply(write)
        id_ = subject.carry_out(write)
        if id_ is None:
            pytest.skip("nobody at this side carries out what is handed on")
        self.landed(subject)
        if operation is Operation.CANCEL:
            self._assert_cancelled(subject, id_)
            return
        wanted = subject.mapper.read(Kind.APPOINTMENT, {**self._native(subject, id_), **write.native})
        record = self.record(subject, Kind.APPOINTMENT, id_)
        for name in sorted(subject.mapper.writable(Kind.APPOINTMENT)):
            assert field_of(record, name) == field_of(wanted, name), name
        assert record != before.get(id_)
        if subject.connector.capabilities.of(Kind.APPOINTMENT).incremental:
            assert id_ in self.everything(subject, Kind.APPOINTMENT, cursor)[0]

    def lying(self, subject: Subject) -> Iterator[int]:
        """What lies there to be carried out, each time it is asked; skips the test where there is no such place."""
        while True:
            count = subject.handed()
            if count is None:
                pytest.skip("what is handed on lies nowhere at this side")
            yield count

    def _native(self, subject: Subject, id_: str) -> dict[str, object]:
        return dict(subject.connector.get(Kind.APPOINTMENT, id_) or {})

    def _again(self, subject: Subject) -> Iterator[Connector]:
        """The connector twice, and another one of the account."""
        yield subject.connector
        yield subject.connector
        other = subject.restarted()
        if other is not None:
            yield other
            other.close()
