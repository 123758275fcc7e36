"""Cancelling visits, visits without their owner, and visits that get another one."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields

import pytest

from vetbridge.connector.interface import (
    Operation,
    Relink,
    Unlinked,
    Write,
)
from vetbridge.core.errors import (
    Refused,
)
from vetbridge.core.records import Appointment, Kind, Record
from vetbridge.testing.suite.base import CANCEL, Group, field_of, stamp_of
from vetbridge.testing.suite.once import LOOKED
from vetbridge.testing.suite.subject import Subject


class Cancelling(Group):
    """See the methods."""

    def test_cancel_is_soft_and_seen(self, subject: Subject) -> None:
        """A cancelled visit reads as cancelled (or as gone, where that is how the side does it), and changes tell."""
        self.needs(subject, Kind.APPOINTMENT, "cancel")
        id_ = self.created(subject, Kind.APPOINTMENT)
        _, cursor = self.everything(subject, Kind.APPOINTMENT)
        subject.pass_time(2)
        cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(CANCEL))
        assert self.applied(subject, cancel) == id_
        self._assert_cancelled(subject, id_)
        if subject.connector.capabilities.of(Kind.APPOINTMENT).deletions_visible:
            told = self.everything(subject, Kind.APPOINTMENT, cursor)[0][id_]
            assert told.deleted or self._is_cancelled(subject, told.native)

    def test_cancelling_twice_does_no_harm(self, subject: Subject) -> None:
        """The second cancel is taken or refused; the visit stays cancelled."""
        self.needs(subject, Kind.APPOINTMENT, "cancel")
        id_ = self.created(subject, Kind.APPOINTMENT)
        cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(CANCEL))
        subject.connector.apply(cancel)
        with suppress(Refused):
            subject.connector.apply(cancel)
        self._assert_cancelled(subject, id_)


class Relinking(Group):
    """See the methods."""

    def test_unlinked_as_declared(self, subject: Subject) -> None:
        """A visit whose owner is not known stands alone, or on the placeholder, or is refused: as declared."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        unlinked = subject.connector.capabilities.of(Kind.APPOINTMENT).unlinked
        values = self.appointment_fields(subject, None, None)
        if unlinked is Unlinked.PLACEHOLDER:
            assert subject.placeholder, "a side with placeholders needs one to be tested"
            values |= {"client_id": subject.placeholder[0], "pet_id": subject.placeholder[1]}
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        if unlinked is Unlinked.NO:
            with pytest.raises(Refused):
                subject.connector.apply(write)
            return
        id_ = self.applied(subject, write)
        self.assert_kept(subject, self.record(subject, Kind.APPOINTMENT, id_), Kind.APPOINTMENT, values)
        if subject.connector.capabilities.of(Kind.APPOINTMENT).create in LOOKED:
            assert self.looked(subject, write) == [id_]

    def test_unlinked_visit_lives_on(self, subject: Subject) -> None:
        """A visit without its owner can be moved and cancelled, as the person who booked it may want."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        if subject.connector.capabilities.of(Kind.APPOINTMENT).unlinked is Unlinked.NO:
            pytest.skip("not declared: appointment unlinked")
        id_, before = self._unlinked(subject)
        start = self.changes_of(Kind.APPOINTMENT, subject)["start"]
        subject.connector.apply(self.write_of(subject, Kind.APPOINTMENT, Operation.UPDATE, {"start": start}, id=id_))
        after = self.record(subject, Kind.APPOINTMENT, id_)
        assert field_of(after, "start") == start
        self._assert_same(before, after, but={"start"})
        if subject.connector.capabilities.of(Kind.APPOINTMENT).cancel:
            cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(CANCEL))
            subject.connector.apply(cancel)
            self._assert_cancelled(subject, id_)

    def test_relinked_as_declared(self, subject: Subject) -> None:
        """The same visit moves to its true owner and pet, and nothing else of it changes; its cancel still works.

        ``unverified``: a fresh read shows either the new ones or the old. ``no``: refused, and nothing changes.
        """
        self.needs(subject, Kind.APPOINTMENT, "create")
        relink = subject.connector.capabilities.of(Kind.APPOINTMENT).relink
        id_, before = self._unlinked(subject)
        owner = self.created(subject, Kind.CLIENT, 1)
        pet = self.made(subject, Kind.PET, self.pet_fields(owner, 1))
        write = self.write_of(
            subject, Kind.APPOINTMENT, Operation.UPDATE, {"client_id": owner, "pet_id": pet}, id=id_
        )
        if relink is Relink.NO:
            assert not {"client_id", "pet_id"} & subject.connector.capabilities.of(Kind.APPOINTMENT).update
            with pytest.raises(Refused):
                subject.connector.apply(write)
            self._assert_same(before, self.record(subject, Kind.APPOINTMENT, id_), but=set())
            return
        assert subject.connector.apply(write).id == id_
        after = self.record(subject, Kind.APPOINTMENT, id_)
        self._assert_owner(subject, before, after, (owner, pet))
        self._assert_same(before, after, but={"client_id", "pet_id"})
        if subject.connector.capabilities.of(Kind.APPOINTMENT).cancel:
            cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(CANCEL))
            subject.connector.apply(cancel)
            self._assert_cancelled(subject, id_)

    def test_unlinked_again(self, subject: Subject) -> None:
        """An answer that was wrong is taken back: the visit is nobody's again, and keeps its notes."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        can = subject.connector.capabilities.of(Kind.APPOINTMENT)
        if can.relink is Relink.NO or can.unlinked is Unlinked.NO:
            pytest.skip("not declared: appointment unlinked and relink")
        id_ = self.created(subject, Kind.APPOINTMENT)
        before = self.record(subject, Kind.APPOINTMENT, id_)
        client_id, pet_id = self.anybody(subject)
        nobody: dict[str, object] = {"client_id": client_id, "pet_id": pet_id}
        subject.connector.apply(self.write_of(subject, Kind.APPOINTMENT, Operation.UPDATE, nobody, id=id_))
        after = self.record(subject, Kind.APPOINTMENT, id_)
        self._assert_owner(subject, before, after, (client_id, pet_id))
        self._assert_same(before, after, but={"client_id", "pet_id"})

    def _unlinked(self, subject: Subject) -> tuple[str, Record]:
        """A visit that is nobody's, where the side allows that, else somebody's."""
        values = self.appointment_fields(subject, *self.anybody(subject))
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        id_ = subject.connector.apply(write).id
        return id_, self.record(subject, Kind.APPOINTMENT, id_)

    def _assert_owner(self, subject: Subject, before: Record, after: Record, wanted: tuple[object, object]) -> None:
        """The visit has its new client and pet; where that is unverified, maybe the old ones, never one of each."""
        was, now = ((field_of(each, "client_id"), field_of(each, "pet_id")) for each in (before, after))
        unverified = subject.connector.capabilities.of(Kind.APPOINTMENT).relink is Relink.UNVERIFIED
        assert now in ((wanted, was) if unverified else (wanted,))

    def _assert_same(self, before: Record, after: Record, *, but: set[str]) -> None:
        for each in fields(Appointment):
            if each.name not in but | {"booker", "version"}:
                assert field_of(after, each.name) == field_of(before, each.name), f"{each.name} changed as well"
