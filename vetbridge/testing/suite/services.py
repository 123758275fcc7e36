"""Due services: what stands on a client's card, messages to owners, vaccinations, and what is due at a PIMS."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Any

import pytest

from vetbridge.connector.interface import Operation, Write
from vetbridge.core.errors import OutcomeUnknown, Refused, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import Group, field_of, stamp_of
from vetbridge.testing.suite.subject import Fault, Subject

CARD = {
    "name": "Rabies, booster – Ärztin’s",
    "pet_name": "Bella & Żółw",
    "due_on": date(2027, 3, 28),
    "due_soon": True,
    "overdue": True,
    "notified": stamp_of(7),
}
"""What is put on a card."""
EMPTY = {"name": "", "pet_name": "", "due_on": None, "due_soon": False, "overdue": False, "notified": ""}
GIVEN = {"name": "Rabies", "service": "12", "due_on": date(2027, 5, 2)}
"""A vaccination, or a service that is due, as people enter it."""
TEXT = "Bella is due for Rabies, by 28 March 2027."


class DueServices(Group):
    """See the methods."""

    def card(self, subject: Subject) -> tuple[str, dict[str, Any]]:
        """A client whose card can be changed, and what can be put on it."""
        tried = {name: CARD[name] for name in sorted(CARD) if name in self._able(subject)}
        if not tried:
            pytest.skip("not declared: reminder update")
        return self.created(subject, Kind.CLIENT), tried

    def _able(self, subject: Subject) -> frozenset[str]:
        return subject.connector.capabilities.of(Kind.REMINDER).update

    def put(self, subject: Subject, id_: str, values: dict[str, Any]) -> None:
        """Changes a card."""
        subject.connector.apply(self.write_of(subject, Kind.REMINDER, Operation.UPDATE, values, id=id_))

    def test_a_card_says_nothing_at_first(self, subject: Subject) -> None:
        """The card of a new client is read under the client's id, and names no service."""
        id_, tried = self.card(subject)
        card = self.record(subject, Kind.REMINDER, id_)
        assert field_of(card, "id") == id_
        self.assert_kept(subject, card, Kind.REMINDER, {name: EMPTY[name] for name in tried})

    def test_each_part_of_a_card_changes_alone(self, subject: Subject) -> None:
        """What is put on it leaves the rest of the card as it was, and the client."""
        id_, tried = self.card(subject)
        client = self.record(subject, Kind.CLIENT, id_)
        for name, value in tried.items():
            before = self.record(subject, Kind.REMINDER, id_)
            self.put(subject, id_, {name: value})
            after = self.record(subject, Kind.REMINDER, id_)
            self.assert_kept(subject, after, Kind.REMINDER, {name: value})
            for other in sorted(subject.mapper.readable(Kind.REMINDER) - {name, "version"}):
                assert field_of(after, other) == field_of(before, other), f"{other} moved when {name} was changed"
            assert self.record(subject, Kind.CLIENT, id_) == client

    def test_a_card_is_cleared(self, subject: Subject) -> None:
        """What was put on it can be taken away again, at once or bit by bit."""
        id_, tried = self.card(subject)
        blank = self.record(subject, Kind.REMINDER, id_)
        self.put(subject, id_, tried)
        self.assert_kept(subject, self.record(subject, Kind.REMINDER, id_), Kind.REMINDER, tried)
        self.put(subject, id_, {name: EMPTY[name] for name in tried})
        assert self.record(subject, Kind.REMINDER, id_) == blank

    def test_a_change_of_the_client_leaves_the_card(self, subject: Subject) -> None:
        """A client who is renamed keeps what stands on the card."""
        id_, tried = self.card(subject)
        if "given_name" not in subject.connector.capabilities.of(Kind.CLIENT).update:
            pytest.skip("not declared: client given_name")
        self.put(subject, id_, tried)
        name = {"given_name": "Anaïs"}
        subject.connector.apply(self.write_of(subject, Kind.CLIENT, Operation.UPDATE, name, id=id_))
        self.assert_kept(subject, self.record(subject, Kind.REMINDER, id_), Kind.REMINDER, tried)

    def test_the_card_of_nobody_is_refused(self, subject: Subject) -> None:
        """There is no card without a client."""
        _, tried = self.card(subject)
        before = subject.writes()
        with pytest.raises(Refused):
            self.put(subject, self.unknown_ids[0], tried)
        assert subject.writes() == before
        assert subject.connector.get(Kind.REMINDER, self.unknown_ids[0]) is None

    def notice(self, subject: Subject, id_: str) -> Write:
        """A message to an owner."""
        return Write(operation=Operation.NOTIFY, kind=Kind.REMINDER, id=id_, native={"text": TEXT}, key="suite-told")

    def test_a_message_is_sent_once(self, subject: Subject) -> None:
        """One write is one message."""
        self.needs(subject, Kind.REMINDER, "notify")
        id_ = self.created(subject, Kind.CLIENT)
        before = subject.messages()
        assert subject.connector.apply(self.notice(subject, id_)).id == id_
        assert subject.messages() == before + 1

    @pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER, Fault.DROP])
    def test_a_message_whose_answer_is_lost_is_not_sent_again(self, subject: Subject, fault: Fault) -> None:
        """The connector sends it once at the most, and says that it does not know."""
        self.needs(subject, Kind.REMINDER, "notify")
        self.needs_fault(subject, fault)
        id_ = self.created(subject, Kind.CLIENT)
        before = subject.messages()
        subject.fault(fault)
        with pytest.raises((OutcomeUnknown, Unavailable)):
            subject.connector.apply(self.notice(subject, id_))
        subject.fault(None)
        assert subject.messages() <= before + 1

    def test_who_opted_out_is_sent_nothing(self, subject: Subject) -> None:
        """Whoever wants no messages at the side is sent none."""
        self.needs(subject, Kind.REMINDER, "notify")
        id_ = self.created(subject, Kind.CLIENT)
        if not subject.opt_out(id_):
            pytest.skip("nobody can be opted out at this side")
        before = subject.messages()
        with pytest.raises(Refused):
            subject.connector.apply(self.notice(subject, id_))
        assert subject.messages() == before

    def test_nobody_is_sent_nothing(self, subject: Subject) -> None:
        """A message to a client who is not there is refused."""
        self.needs(subject, Kind.REMINDER, "notify")
        before = subject.messages()
        with pytest.raises(Refused):
            subject.connector.apply(self.notice(subject, self.unknown_ids[0]))
        assert subject.messages() == before

    def test_a_card_that_changes_sends_no_message(self, subject: Subject) -> None:
        """What is put on a card reaches no owner."""
        id_, tried = self.card(subject)
        before = subject.messages()
        self.put(subject, id_, tried)
        assert subject.messages() == before


class Services(Group):
    """See the methods. What is read of pets: vaccinations, and services that are due."""

    def seeded(self, subject: Subject, kind: Kind, number: int = 0) -> tuple[str, dict[str, Any]]:
        """A record that people entered, of a pet that is made for it."""
        self.needs(subject, kind, "read")
        if subject.connector.capabilities.side == "booking" or not self.makes(subject, Kind.PET):
            pytest.skip(f"no {kind} of a pet stands at this side")
        values = {**GIVEN, "pet_id": self.created(subject, Kind.PET, number), "service": str(12 + number)}
        id_ = subject.seed(kind, values)
        if id_ is None:
            pytest.skip(f"nobody can enter a {kind} at this side")
        self.landed(subject)
        return id_, values

    @pytest.mark.parametrize("kind", [Kind.VACCINATION, Kind.REMINDER])
    def test_what_people_entered_is_read(self, subject: Subject, kind: Kind) -> None:
        """By its id and in the listing: whose it is, which service, and on which day the next one is due."""
        id_, values = self.seeded(subject, kind)
        record = self.record(subject, kind, id_)
        assert field_of(record, "id") == id_
        lost = subject.connector.capabilities.of(kind).loss.keys() | self.not_kept.get(kind, frozenset())
        for name in sorted(values.keys() - lost):
            assert field_of(record, name) == values[name], name
        told = self.everything(subject, kind)[0][id_].native
        assert told is not None
        assert subject.mapper.read(kind, told) == record

    @pytest.mark.parametrize("kind", [Kind.VACCINATION, Kind.REMINDER])
    def test_what_is_new_is_told(self, subject: Subject, kind: Kind) -> None:
        """From a cursor on, also in the same second; and what is not there is None."""
        self.needs(subject, kind, "incremental")
        self.seeded(subject, kind)
        _, cursor = self.everything(subject, kind)
        for number in (1, 2):
            id_, _ = self.seeded(subject, kind, number)
            found, cursor = self.everything(subject, kind, cursor)
            assert id_ in found
        for unknown in self.unknown_ids:
            with suppress(Refused):
                assert subject.connector.get(kind, unknown) is None
