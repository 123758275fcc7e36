"""Writing exactly once: each declared level (``ExactlyOnce``) is held to its promise, through the protocol alone."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from vetbridge.connector.interface import ExactlyOnce, Operation, Write
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, RateLimited, Refused, SlotTaken, Stale, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import CANCEL, KINDS, Group, field_of, stamp_of
from vetbridge.testing.suite.subject import LOST, Fault, Subject

LOOKED = (ExactlyOnce.CONDITIONAL, ExactlyOnce.REFERENCE, ExactlyOnce.LOOK)
"""Levels of a create at which what was made is looked for. A condition is of no use to what does not exist yet."""


def lost(subject: Subject, write: Write, fault: Fault) -> bool:
    """Loses the answer to a write, which is sent once. False: a read that goes before it failed, nothing was done."""
    before = subject.writes()
    subject.fault(fault)
    unread = (BadAnswer,) if fault in {Fault.CUT, Fault.PAGE} else ()
    with pytest.raises((OutcomeUnknown, *unread)) as caught:
        subject.connector.apply(write)
    subject.fault(None)
    sent = isinstance(caught.value, OutcomeUnknown)
    assert subject.writes() == before + sent
    return sent


class Creating(Group):
    """A create whose answer is lost takes effect once, or can be found, or nobody claims to know."""

    def level(self, subject: Subject, kind: Kind, *wanted: ExactlyOnce) -> ExactlyOnce:
        """The declared level of a create. Skips the test where it is none of those wanted, or is handed on."""
        can = subject.connector.capabilities.of(kind)
        level = None if Operation.CREATE in can.handed else can.create
        if level is None or (wanted and level not in wanted):
            pytest.skip(f"not declared: {kind} create {' or '.join(wanted)}".rstrip())
        return level

    def ids(self, subject: Subject, kind: Kind) -> set[str]:
        """Every record of a kind."""
        self.landed(subject)
        return set(self.everything(subject, kind)[0])

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("fault", LOST)
    def test_lost_create_is_one(self, subject: Subject, kind: Kind, fault: Fault) -> None:
        """A create that was done and never answered is ``OutcomeUnknown``, was sent once, and ends as one record.

        Sent again with its key it takes no second effect; elsewhere a look finds it, and it alone.
        """
        level = self.level(subject, kind)
        self.needs_fault(subject, fault)
        write, values = self.sample(subject, kind)
        known = self.ids(subject, kind)
        before = subject.writes()
        if not lost(subject, write, fault):
            return
        if level is ExactlyOnce.NONE:
            return
        if level is ExactlyOnce.IDEMPOTENCY_KEY:
            found = sorted({subject.connector.apply(write).id for _ in range(2)})
        else:
            self.landed(subject)
            found = self.looked(subject, write)
            assert subject.writes() == before + 1, "a look writes nothing"
        assert len(found) == 1, f"of a {kind} whose answer was lost, {len(found)} are found"
        assert self.ids(subject, kind) - known == set(found)
        self.assert_kept(subject, self.record(subject, kind, found[0]), kind, values)

    @pytest.mark.parametrize("kind", KINDS)
    def test_undone_create_is_not_found(self, subject: Subject, kind: Kind) -> None:
        """A create that failed before it was done may count as unknown; no look finds it, sending again makes one."""
        level = self.level(subject, kind)
        write, _ = self.sample(subject, kind)
        before = subject.writes()
        subject.fault(Fault.BEFORE)
        with pytest.raises((OutcomeUnknown, Unavailable)):
            subject.connector.apply(write)
        subject.fault(None)
        assert subject.writes() == before
        if level in LOOKED:
            assert self.looked(subject, write) == []
        made = self.applied(subject, write)
        if level in LOOKED:
            assert self.looked(subject, write) == [made]
        if level is ExactlyOnce.IDEMPOTENCY_KEY:
            assert subject.connector.apply(write).id == made

    @pytest.mark.parametrize("kind", KINDS)
    def test_limited_write_is_not_done(self, subject: Subject, kind: Kind) -> None:
        """A write that meets the limit raises ``RateLimited`` and did nothing."""
        level = self.level(subject, kind)
        write, _ = self.sample(subject, kind)
        before = subject.writes()
        subject.fault(Fault.LIMIT)
        with pytest.raises(RateLimited):
            subject.connector.apply(write)
        subject.fault(None)
        assert subject.writes() == before
        if level in LOOKED:
            assert self.looked(subject, write) == []

    @pytest.mark.parametrize("kind", KINDS)
    def test_two_are_found_as_two(self, subject: Subject, kind: Kind) -> None:
        """Where a write did take effect twice, a look finds both, so that a person can be asked."""
        self.level(subject, kind, *LOOKED)
        write, _ = self.sample(subject, kind)
        first = self.applied(subject, write)
        try:
            second = self.applied(subject, replace(write, key=f"{write.key}-again", beside=True))
        except (Refused, SlotTaken, OutcomeUnknown):
            pytest.skip(f"this side takes no second {kind} like that")
        if second == first:
            pytest.skip(f"this side makes one {kind} of both")
        assert sorted(self.looked(subject, write)) == sorted([first, second])

    def test_looking_tells_visits_apart(self, subject: Subject) -> None:
        """Two visits of one day and one owner: each look finds its own stamp, a third one finds none."""
        self.level(subject, Kind.APPOINTMENT, *LOOKED)
        owner, pet = self.anybody(subject)
        writes = [
            self.write_of(
                subject,
                Kind.APPOINTMENT,
                Operation.CREATE,
                self.appointment_fields(subject, owner, pet, number),
                stamp=stamp_of(number),
            )
            for number in range(3)
        ]
        made = [self.applied(subject, write) for write in writes[:2]]
        for write, id_ in zip(writes, made, strict=False):
            assert self.looked(subject, write) == [id_]
        assert self.looked(subject, writes[2]) == []

    @pytest.mark.parametrize("names", [("given_name", "family_name"), ("phones",)], ids=["name", "phone"])
    def test_looking_tells_clients_apart(self, subject: Subject, names: tuple[str, ...]) -> None:
        """A couple shares a phone, namesakes share a name: neither is the client that a look is for."""
        self.level(subject, Kind.CLIENT, *LOOKED)
        other, values = self.client_fields(1), self.client_fields(0)
        self.applied(subject, self.write_of(subject, Kind.CLIENT, Operation.CREATE, values))
        alike = {**values, **{name: other[name] for name in names}}
        if "given_name" in names:
            alike["given_name"] = "Anton"
        assert self.looked(subject, self.write_of(subject, Kind.CLIENT, Operation.CREATE, alike)) == []

    @pytest.mark.parametrize("name", ["name", "client_id"])
    def test_looking_tells_pets_apart(self, subject: Subject, name: str) -> None:
        """Another pet of the owner, and another owner's pet of that name, are not the pet that a look is for."""
        self.level(subject, Kind.PET, *LOOKED)
        write, values = self.sample(subject, Kind.PET)
        self.applied(subject, write)
        differs = "Milo" if name == "name" else self.created(subject, Kind.CLIENT, 1)
        alike = {**values, name: differs}
        assert self.looked(subject, self.write_of(subject, Kind.PET, Operation.CREATE, alike)) == []

    @pytest.mark.parametrize("kind", KINDS)
    def test_same_key_is_answered_as_at_first(self, subject: Subject, kind: Kind) -> None:
        """Also after other writes; what has become of the record since is not undone. Another key makes another."""
        self.level(subject, kind, ExactlyOnce.IDEMPOTENCY_KEY)
        known = self.ids(subject, kind)
        write, _ = self.sample(subject, kind)
        first = subject.connector.apply(write).id
        name, value = self.one_change(subject, kind)
        subject.connector.apply(self.write_of(subject, kind, Operation.UPDATE, {name: value}, id=first))
        made = {first}
        for turn in range(3):
            with_other_key = replace(write, key=f"{write.key}-{turn}", beside=True)
            made.add(subject.connector.apply(with_other_key).id)
        assert subject.connector.apply(write).id == first
        assert len(made) == 4, "two keys are two writes"
        assert {*self.ids(subject, kind)} >= made
        if kind is not Kind.CLIENT:
            assert len(self.ids(subject, kind) - known) == 4
        assert field_of(self.record(subject, kind, first), name) == value

    def one_change(self, subject: Subject, kind: Kind) -> tuple[str, object]:
        """A field that is declared to change, and another value for it."""
        changes = self.changes_of(kind, subject)
        name = sorted(subject.connector.capabilities.of(kind).update & set(changes))[0]
        return name, changes[name]


class Changing(Group):
    """An update or a cancellation: what a lost answer means, and what a level adds."""

    def change(
        self, subject: Subject, kind: Kind, id_: str, values: Mapping[str, object], version: str | None = None
    ) -> Write:
        """An update, perhaps on a condition."""
        return replace(self.write_of(subject, kind, Operation.UPDATE, values, id=id_), version=version)

    def two_values(self, subject: Subject, kind: Kind) -> tuple[str, str, object, object]:
        """A new record, one of its fields that may change, another value for it, and the one that it has."""
        self.needs(subject, kind, "create")
        self.needs(subject, kind, "update")
        write, values = self.sample(subject, kind)
        changes = self.changes_of(kind, subject)
        lost = self.not_kept.get(kind, frozenset())
        name = sorted((subject.connector.capabilities.of(kind).update & set(changes) & set(values)) - lost)[0]
        return subject.connector.apply(write).id, name, changes[name], values[name]

    @pytest.mark.parametrize("fault", LOST)
    def test_lost_update_and_cancel_are_unknown(self, subject: Subject, fault: Fault) -> None:
        """Both are sent once; a fresh read shows what became of them, and with a key both may be sent again."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        self.needs_fault(subject, fault)
        can = subject.connector.capabilities.of(Kind.APPOINTMENT)
        id_ = self.created(subject, Kind.APPOINTMENT)
        start = self.changes_of(Kind.APPOINTMENT, subject)["start"]
        tried = [self.write_of(subject, Kind.APPOINTMENT, Operation.UPDATE, {"start": start}, id=id_)]
        if can.cancel:
            cancel = Write(
                operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(CANCEL), key="suite-cancel"
            )
            tried.append(cancel)
        for write in tried:
            if not lost(subject, write, fault):
                return
            if can.changed is ExactlyOnce.IDEMPOTENCY_KEY:
                assert subject.connector.apply(write).id == id_
            self.landed(subject)
            if write.operation is Operation.UPDATE:
                assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "start") == start
            else:
                self._assert_cancelled(subject, id_)

    @pytest.mark.parametrize("kind", KINDS)
    def test_conditional_change_is_stale_once_it_moved(self, subject: Subject, kind: Kind) -> None:
        """A write on a version that has moved raises ``Stale`` and does nothing; on the right one, or on none, it is
        done."""
        if subject.connector.capabilities.of(kind).changed is not ExactlyOnce.CONDITIONAL:
            pytest.skip(f"not declared: {kind} changed {ExactlyOnce.CONDITIONAL}")
        assert "version" in subject.mapper.readable(kind), "conditional writes need a version that is read"
        id_, name, other, same = self.two_values(subject, kind)
        first = self.record(subject, kind, id_).version
        subject.pass_time(2)
        subject.connector.apply(self.change(subject, kind, id_, {name: other}, first))
        after = self.record(subject, kind, id_)
        assert field_of(after, name) == other
        stale = [self.change(subject, kind, id_, {name: same}, first)]
        if subject.connector.capabilities.of(kind).cancel:
            stale.append(
                Write(operation=Operation.CANCEL, kind=kind, id=id_, native=dict(CANCEL), version=first, key="c-1")
            )
        for write in stale:
            with pytest.raises(Stale):
                subject.connector.apply(write)
            assert self.record(subject, kind, id_) == after
        subject.connector.apply(self.change(subject, kind, id_, {name: same}, after.version))
        subject.connector.apply(self.change(subject, kind, id_, {name: other}))
        assert field_of(self.record(subject, kind, id_), name) == other

    @pytest.mark.parametrize("kind", KINDS)
    def test_change_with_the_same_key_takes_effect_once(self, subject: Subject, kind: Kind) -> None:
        """Sent again after another change, it does not undo that one."""
        if subject.connector.capabilities.of(kind).changed is not ExactlyOnce.IDEMPOTENCY_KEY:
            pytest.skip(f"not declared: {kind} changed {ExactlyOnce.IDEMPOTENCY_KEY}")
        id_, name, other, same = self.two_values(subject, kind)
        write = self.change(subject, kind, id_, {name: other})
        subject.connector.apply(write)
        subject.connector.apply(self.change(subject, kind, id_, {name: same}))
        assert subject.connector.apply(write).id == id_
        assert field_of(self.record(subject, kind, id_), name) == same
        subject.connector.apply(replace(write, key=f"{write.key}-again"))
        assert field_of(self.record(subject, kind, id_), name) == other
