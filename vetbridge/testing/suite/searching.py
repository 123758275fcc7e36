"""Searching by declared keys."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from vetbridge.connector.interface import (
    Operation,
    Write,
)
from vetbridge.core.errors import (
    Refused,
)
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import CANCEL, Group, field_of, stamp_of
from vetbridge.testing.suite.subject import Subject


class Searching(Group):
    """See the methods."""

    def test_search_finds_the_client(self, subject: Subject) -> None:
        """By each declared contact key and by both; by another value, nothing."""
        keys = subject.connector.capabilities.of(Kind.CLIENT).search & {"phone", "email"}
        if not keys:
            pytest.skip("not declared: client search")
        mine, other = (self.created(subject, Kind.CLIENT, number) for number in range(2))
        query = {"phone": "+447700900001", "email": "probe0@example.org"}
        for asked in [{key: query[key]} for key in sorted(keys)] + [{key: query[key] for key in sorted(keys)}]:
            found = [
                subject.mapper.read(Kind.CLIENT, each).id for each in subject.connector.search(Kind.CLIENT, asked)
            ]
            assert found == [mine], sorted(asked)
        nobody = {"phone": "+447700911111", "email": "nobody@example.net"}
        for key in sorted(keys):
            assert not list(subject.connector.search(Kind.CLIENT, {key: nobody[key]}))
        if len(keys) == 2:
            crossed = {"phone": query["phone"], "email": "probe1@example.org"}
            assert not list(subject.connector.search(Kind.CLIENT, crossed)), "several keys are ANDed"
        assert other != mine

    def test_search_finds_the_pets_of_a_client(self, subject: Subject) -> None:
        """By client: its pets and no others."""
        if "client_id" not in subject.connector.capabilities.of(Kind.PET).search:
            pytest.skip("not declared: pet search by client_id")
        self.needs_some(subject, Kind.PET)
        mine, _ = (self.created(subject, Kind.PET, number) for number in range(2))
        owner = str(field_of(self.record(subject, Kind.PET, mine), "client_id"))
        found = list(subject.connector.search(Kind.PET, {"client_id": owner}))
        assert [subject.mapper.read(Kind.PET, each).id for each in found] == [mine]

    @pytest.mark.parametrize("key", ["client_id", "pet_id"])
    def test_search_finds_the_visits_of_a_record(self, subject: Subject, key: str) -> None:
        """By client or pet: its visits and no others."""
        if key not in subject.connector.capabilities.of(Kind.APPOINTMENT).search:
            pytest.skip(f"not declared: appointment search by {key}")
        self.needs_some(subject, Kind.APPOINTMENT)
        mine, _ = (self.created(subject, Kind.APPOINTMENT, number) for number in range(2))
        asked = str(field_of(self.record(subject, Kind.APPOINTMENT, mine), key))
        found = list(subject.connector.search(Kind.APPOINTMENT, {key: asked}))
        assert [subject.mapper.read(Kind.APPOINTMENT, each).id for each in found] == [mine]

    def test_search_finds_visits_by_time(self, subject: Subject) -> None:
        """By ``start_from`` (from that moment on) and ``start_before`` (not that moment itself), alone and together.

        Both are ISO 8601 with an offset, and any offset will do. A time without one is refused, and nothing is asked.
        """
        self._needs_window(subject)
        midnight = datetime(2027, 6, 15, tzinfo=ZoneInfo(subject.zone))
        starts = [midnight + timedelta(minutes=minutes) for minutes in (-60, -30, 0, 30, 24 * 60)]
        owner, pet = self.anybody(subject)
        made = []
        for number, start in enumerate(starts):
            values = self.appointment_fields(subject, owner, pet) | {"start": Instant(start, subject.zone)}
            made.append(self.made(subject, Kind.APPOINTMENT, values, stamp=stamp_of(number)))

        def found(**query: str) -> list[str]:
            natives = list(subject.connector.search(Kind.APPOINTMENT, query))
            ids = [str(subject.mapper.read(Kind.APPOINTMENT, native).id) for native in natives]
            assert len(ids) == len(set(ids))
            return sorted(ids, key=made.index)

        elsewhere = [start.astimezone(ZoneInfo("Asia/Kolkata")).isoformat() for start in starts]
        assert found(start_from=elsewhere[1], start_before=elsewhere[3]) == made[1:3]
        assert found(start_from=starts[2].astimezone(UTC).isoformat()) == made[2:]
        assert found(start_before=starts[2].isoformat()) == made[:2]
        assert found(start_from=elsewhere[3], start_before=elsewhere[1]) == []
        assert found(start_from="2027-06-15T05:00:00+05:00", start_before="2027-06-15T05:00:00+05:00") == []
        before = subject.requests()
        for text in ("2027-06-15T09:00:00", "tomorrow", "1813042800", "", "0001-01-01T00:00:00+14:00"):
            with pytest.raises(Refused) as caught:
                list(subject.connector.search(Kind.APPOINTMENT, {"start_from": text}))
            assert caught.value.code == "bad-query"
        assert subject.requests() == before

    def test_search_by_time_tells_cancelled_visits(self, subject: Subject) -> None:
        """A cancelled visit is found as cancelled, where the side still has it."""
        self._needs_window(subject)
        self.needs(subject, Kind.APPOINTMENT, "cancel")
        id_ = self.created(subject, Kind.APPOINTMENT)
        cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(CANCEL))
        self.applied(subject, cancel)
        day = {"start_from": "2027-06-14T00:00:00+00:00", "start_before": "2027-06-15T00:00:00+00:00"}
        told = list(subject.connector.search(Kind.APPOINTMENT, day))
        wanted = [] if subject.connector.get(Kind.APPOINTMENT, id_) is None else [id_]
        assert [subject.mapper.read(Kind.APPOINTMENT, each).id for each in told] == wanted
        assert all(self._is_cancelled(subject, each) for each in told)

    def _needs_window(self, subject: Subject) -> None:
        if not subject.connector.capabilities.of(Kind.APPOINTMENT).search >= {"start_from", "start_before"}:
            pytest.skip("not declared: appointment search by start_from and start_before")
        self.needs_some(subject, Kind.APPOINTMENT)
