"""Creating and changing records, and their versions."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

import pytest

from vetbridge.connector.interface import (
    Operation,
    Write,
)
from vetbridge.core.errors import (
    Refused,
)
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import CANCEL, KINDS, Group, field_of, stamp_of
from vetbridge.testing.suite.subject import Subject


class Writing(Group):
    """See the methods."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_created_is_read_back(self, subject: Subject, kind: Kind) -> None:
        """A create is one write, and a fresh read has what was written; so has the receipt, where it tells."""
        self.needs(subject, kind, "create")
        write, values = self.sample(subject, kind)
        before = subject.writes()
        receipt = subject.connector.apply(write)
        assert subject.writes() == before + 1
        assert isinstance(receipt.id, str), "ids are text, whatever the vendor makes of them"
        self.assert_kept(subject, self.record(subject, kind, receipt.id), kind, values)
        if receipt.native is not None:
            assert subject.mapper.read(kind, receipt.native) == self.record(subject, kind, receipt.id)

    def test_stamp_field_is_told(self, subject: Subject) -> None:
        """Where the side has a field for VetBridge's mark, it holds the stamp of the create, and keeps it."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        if "stamp" not in subject.mapper.readable(Kind.APPOINTMENT):
            pytest.skip("not mapped: appointment stamp")
        owner, pet = self.anybody(subject)
        values = self.appointment_fields(subject, owner, pet, 3) | {"notes": "no block here"}
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(3))
        id_ = subject.connector.apply(write).id
        assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "stamp") == stamp_of(3)
        start = self.changes_of(Kind.APPOINTMENT, subject)["start"]
        subject.connector.apply(self.write_of(subject, Kind.APPOINTMENT, Operation.UPDATE, {"start": start}, id=id_))
        assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "stamp") == stamp_of(3)

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_declared_field_changes_alone(self, subject: Subject, kind: Kind) -> None:
        """An update changes its field and leaves the others as they were."""
        self.needs(subject, kind, "update")
        self.needs(subject, kind, "create")
        id_ = self.created(subject, kind)
        changes = self.changes_of(kind, subject)
        tried = sorted(subject.connector.capabilities.of(kind).update & set(changes))
        assert tried
        for name in tried:
            before = self.record(subject, kind, id_)
            subject.connector.apply(self.write_of(subject, kind, Operation.UPDATE, {name: changes[name]}, id=id_))
            after = self.record(subject, kind, id_)
            self.assert_kept(subject, after, kind, {name: changes[name]})
            for other in sorted(subject.mapper.readable(kind) - {name, "version"}):
                assert field_of(after, other) == field_of(before, other), f"{other} moved when {name} was changed"

    @pytest.mark.parametrize("kind", KINDS)
    def test_unknown_record_is_refused(self, subject: Subject, kind: Kind) -> None:
        """An update or cancel of a record that is not there is ``Refused``, and nothing is written."""
        can = subject.connector.capabilities.of(kind)
        if can.handed:
            pytest.skip(f"handed on: {kind} update or cancel")
        changes = self.changes_of(kind, subject)
        name = next((name for name in sorted(can.update) if name in changes), None)
        tried = []
        if name is not None:
            tried.append(
                self.write_of(subject, kind, Operation.UPDATE, {name: changes[name]}, id=self.unknown_ids[0])
            )
        if can.cancel:
            tried.append(Write(operation=Operation.CANCEL, kind=kind, id=self.unknown_ids[0], native=dict(CANCEL)))
        if not tried:
            pytest.skip(f"not declared: {kind} update or cancel")
        for write in tried:
            with pytest.raises(Refused):
                subject.connector.apply(write)
        assert subject.writes() == 0


class Versions(Group):
    """See the methods."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_version_moves_with_the_record(self, subject: Subject, kind: Kind) -> None:
        """A version stays while nothing changes, and is another after a change."""
        self.needs(subject, kind, "update")
        self.needs(subject, kind, "create")
        if "version" not in subject.mapper.readable(kind):
            pytest.skip(f"not mapped: {kind} version")
        id_ = self.created(subject, kind)
        first = self.record(subject, kind, id_).version
        assert first
        assert self.record(subject, kind, id_).version == first
        subject.pass_time(2)
        changes = self.changes_of(kind, subject)
        name = sorted(subject.connector.capabilities.of(kind).update & set(changes))[0]
        subject.connector.apply(self.write_of(subject, kind, Operation.UPDATE, {name: changes[name]}, id=id_))
        assert self.record(subject, kind, id_).version != first

    @pytest.mark.parametrize("kind", KINDS)
    def test_version_tells_there_and_back_again(self, subject: Subject, kind: Kind) -> None:
        """A field that is changed and changed back leaves a version that no reader has seen before."""
        self.needs(subject, kind, "update")
        self.needs(subject, kind, "create")
        if "version" not in subject.mapper.readable(kind):
            pytest.skip(f"not mapped: {kind} version")
        write, values = self.sample(subject, kind)
        id_ = subject.connector.apply(write).id
        changes = self.changes_of(kind, subject)
        name = sorted(subject.connector.capabilities.of(kind).update & set(changes) & set(values))[0]
        seen = [self.record(subject, kind, id_).version]
        for value in (changes[name], values[name]):
            subject.pass_time(2)
            subject.connector.apply(self.write_of(subject, kind, Operation.UPDATE, {name: value}, id=id_))
            seen.append(self.record(subject, kind, id_).version)
        assert len(set(seen)) == len(seen)
