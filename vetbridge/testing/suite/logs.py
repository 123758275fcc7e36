"""The communication log: what an owner was told elsewhere is written down once, and nobody is told by it."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from vetbridge.connector.interface import Operation, Write
from vetbridge.core.errors import OutcomeUnknown, RateLimited, Refused, Unavailable
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import Group
from vetbridge.testing.suite.once import lost
from vetbridge.testing.suite.subject import LOST, Fault, Subject

LINE = "Żółw & Bella’s reminder was sent: Rabies, by 28 March 2027."
"""What is written down."""


class Logs(Group):
    """See the methods."""

    def line(self, subject: Subject, client_id: str | None = None) -> Write:
        """A line of the log, of a client and a pet that are made for it."""
        self.needs(subject, Kind.REMINDER, "logs")
        pet_id = None
        if client_id is None:
            client_id = self.created(subject, Kind.CLIENT)
            pet_id = self.made(subject, Kind.PET, self.pet_fields(client_id))
        at = Instant(datetime(2027, 3, 1, 9, 30, tzinfo=UTC), subject.zone)
        native = {"client_id": client_id, "pet_id": pet_id, "text": LINE, "at": at}
        return Write(operation=Operation.LOG, kind=Kind.REMINDER, id=client_id, native=native, key="suite-log")

    def test_a_line_is_written_once_and_nobody_is_told(self, subject: Subject) -> None:
        """One write is one line, whether or not it names a pet."""
        line = self.line(subject)
        messages, before = subject.messages(), subject.logged()
        for number, write in enumerate((line, replace(line, native={**line.native, "pet_id": None}, key="other")), 1):
            assert isinstance(subject.connector.apply(write).id, str)
            assert subject.logged() == before + number
        assert subject.messages() == messages

    @pytest.mark.parametrize("fault", LOST)
    def test_a_line_whose_answer_is_lost_is_not_written_again(self, subject: Subject, fault: Fault) -> None:
        """The connector sends it once at the most, and says that it does not know."""
        line = self.line(subject)
        self.needs_fault(subject, fault)
        before = subject.logged()
        sent = lost(subject, line, fault)
        assert subject.logged() == before + sent

    @pytest.mark.parametrize("fault", [Fault.LIMIT, Fault.BEFORE])
    def test_a_line_that_was_not_written_is_not_there(self, subject: Subject, fault: Fault) -> None:
        """Nothing of it is, and a later one is written."""
        line = self.line(subject)
        before = subject.logged()
        subject.fault(fault)
        with pytest.raises((RateLimited,) if fault is Fault.LIMIT else (OutcomeUnknown, Unavailable)):
            subject.connector.apply(line)
        subject.fault(None)
        assert subject.logged() == before
        subject.connector.apply(line)
        assert subject.logged() == before + 1

    def test_a_line_of_nobody_is_refused(self, subject: Subject) -> None:
        """There is no log without a client, and none without a text."""
        for write in (self.line(subject, self.unknown_ids[0]), self.line(subject)):
            native = {**write.native, "text": "" if write.native["client_id"] != self.unknown_ids[0] else LINE}
            before = subject.logged()
            with pytest.raises(Refused):
                subject.connector.apply(replace(write, native=native))
            assert subject.logged() == before

    def test_nothing_of_a_line_is_told(self, subject: Subject) -> None:
        """Errors repeat nothing of it."""
        line = self.line(subject)
        subject.fault(Fault.BEFORE)
        with pytest.raises((OutcomeUnknown, Unavailable)) as caught:
            subject.connector.apply(line)
        subject.fault(None)
        assert not [word for word in ("Żółw", "Rabies") if word in f"{caught.value} {caught.value!r}"]
