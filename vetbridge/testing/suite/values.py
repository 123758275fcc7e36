"""Times and texts come back as they were written."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from vetbridge.connector.interface import (
    Operation,
)
from vetbridge.core.errors import (
    MappingError,
    OutcomeUnknown,
    Refused,
)
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import Group, clock_changes, field_of, stamp_of
from vetbridge.testing.suite.subject import Subject

LONG = 2_000_000
"""Characters of the note that no side expects."""


class Times(Group):
    """See the methods."""

    @pytest.mark.parametrize("minutes", [-45, -30, 0, 30, 60])
    @pytest.mark.parametrize("turn", [0, 1, 2, 3], ids=["january", "july", "first change", "second change"])
    def test_moments_survive(self, subject: Subject, turn: int, minutes: int) -> None:
        """In winter, in summer and around both clock changes a visit begins when it was written to begin.

        Only where the side declares a loss of ``start``, and only for the second of two equal hours, may the mapping
        refuse to say it; an hour wrong is never right.
        """
        self.needs(subject, Kind.APPOINTMENT, "create")
        around = [datetime(2027, 1, 15, 12, tzinfo=UTC), datetime(2027, 7, 15, 12, tzinfo=UTC)]
        around += clock_changes(subject.zone, 2027)
        if turn >= len(around):
            pytest.skip(f"the clocks of {subject.zone} do not change")
        start = Instant(around[turn] + timedelta(minutes=minutes), subject.zone)
        owner, pet = self.anybody(subject)
        values = {**self.appointment_fields(subject, owner, pet), "start": start}
        try:
            write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        except MappingError:
            assert "start" in subject.connector.capabilities.of(Kind.APPOINTMENT).loss
            assert start.at_site().fold
            return
        id_ = subject.connector.apply(write).id
        assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "start") == start
        assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "duration") == values["duration"]

    def test_a_visit_over_midnight(self, subject: Subject) -> None:
        """A visit that ends on the next day keeps its wall time and its length, and is found on its first day."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        owner, pet = self.anybody(subject)
        late = datetime(2027, 6, 14, 23, 45, tzinfo=ZoneInfo(subject.zone))
        values = {
            **self.appointment_fields(subject, owner, pet),
            "start": Instant(late, subject.zone),
            "duration": 1800,
        }
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        id_ = self.applied(subject, write)
        record = self.record(subject, Kind.APPOINTMENT, id_)
        start = field_of(record, "start")
        assert isinstance(start, Instant)
        assert start.at_site().replace(tzinfo=None) == late.replace(tzinfo=None)
        assert field_of(record, "duration") == 1800
        if subject.connector.capabilities.of(Kind.APPOINTMENT).search >= {"start_from", "start_before"}:
            midnight = late.replace(hour=0, minute=0)
            days = [(midnight + timedelta(days=day)).isoformat() for day in range(3)]
            for day, wanted in ((0, [id_]), (1, [])):
                query = {"start_from": days[day], "start_before": days[day + 1]}
                found = subject.connector.search(Kind.APPOINTMENT, query)
                assert [subject.mapper.read(Kind.APPOINTMENT, each).id for each in found] == wanted

    def test_the_zone_of_the_writer_does_not_matter(self, subject: Subject) -> None:
        """A moment that another site says is the same moment here, told in this site's zone."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        owner, pet = self.anybody(subject)
        values = self.appointment_fields(subject, owner, pet)
        moment = datetime(2027, 6, 14, 9, 0, tzinfo=UTC)
        values["start"] = Instant(moment, "Asia/Kolkata")
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        start = field_of(self.record(subject, Kind.APPOINTMENT, subject.connector.apply(write).id), "start")
        assert isinstance(start, Instant)
        assert (start.utc, start.zone) == (moment, subject.zone)


class Texts(Group):
    """See the methods."""

    @pytest.mark.parametrize(
        "text",
        [
            'Zażółć gęślą jaźń, Ñandú, straße, O’Neill & Søn <b>"quoted"</b>',
            "李小龍 さくら Ольга Ελένη",
            "🐕🐈 cat + dog %41 {} [] \\ /",
            "e\u0301 is not \u00e9 here",
            "line one\nline two\twith a tab",
        ],
        ids=["latin", "scripts", "signs", "combining", "lines"],
    )
    def test_notes_keep_their_text(self, subject: Subject, text: str) -> None:
        """Letters of all scripts, signs, and lines."""
        self._assert_notes(subject, text)

    def test_hostile_text_does_no_harm(self, subject: Subject) -> None:
        """Terminal escapes, NUL and half characters are taken out before they are sent; the rest is kept."""
        self._assert_notes(subject, "a\u0000b\x1b[2Jc\ud800d\x07", "a\ufffdb[2Jc\ufffdd")

    def test_two_million_characters(self, subject: Subject) -> None:
        """Kept whole or as the declared limit says, or clearly refused; the side works on."""
        try:
            self._assert_notes(subject, "Ä" * LONG)
        except (Refused, OutcomeUnknown) as error:
            if len(str(error)) > 1000:
                pytest.fail("the refusal repeats the note")
        assert self.created(subject, Kind.CLIENT, 5)

    def _assert_notes(self, subject: Subject, text: str, kept: str | None = None) -> None:
        self.needs(subject, Kind.APPOINTMENT, "create")
        owner, pet = self.anybody(subject)
        values = {**self.appointment_fields(subject, owner, pet), "notes": text}
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        id_ = subject.connector.apply(write).id
        values["notes"] = text if kept is None else kept
        record = self.record(subject, Kind.APPOINTMENT, id_)
        # Compared in two steps, so that a failure does not print millions of characters.
        same = field_of(record, "notes") == values["notes"]
        limit = subject.connector.capabilities.of(Kind.APPOINTMENT).text_limits.get("notes")
        assert same or (limit and field_of(record, "notes") == str(values["notes"])[:limit]), "notes were not kept"

    @pytest.mark.parametrize(("kind", "name"), [(Kind.CLIENT, "family_name"), (Kind.PET, "name")])
    def test_long_names_are_cut_as_declared_only(self, subject: Subject, kind: Kind, name: str) -> None:
        """A very long name is kept whole, or as the declared limit says, or clearly refused."""
        self.needs(subject, kind, "create")
        _, values = self.sample(subject, kind)
        values = {**values, name: "Ä" * 300}
        if name in subject.connector.capabilities.of(kind).loss:
            pytest.skip(f"a declared loss: {kind} {name}")
        try:
            id_ = subject.connector.apply(self.write_of(subject, kind, Operation.CREATE, values)).id
        except (Refused, MappingError):
            return
        self.assert_kept(subject, self.record(subject, kind, id_), kind, {name: values[name]})
