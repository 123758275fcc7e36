"""Reading single records, whole listings in pages, and what changed since a cursor."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from vetbridge.connector.interface import (
    Native,
    Operation,
)
from vetbridge.core.errors import BadAnswer
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import KINDS, Group, field_of
from vetbridge.testing.suite.subject import Fault, Subject

GARBAGE = ("yesterday", "{}", "-1", " ", "\x00", "\uff11\uff12", "1e400", "2027-99-99T25:61:00", "9" * 5000)
"""Texts that no side gives as a cursor."""


class Reading(Group):
    """See the methods."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_record_reads(self, subject: Subject, kind: Kind) -> None:
        """Each native has the id it was found under, and the mapping reads it."""
        self.needs(subject, kind, "read")
        if self.makes(subject, kind):
            self.created(subject, kind)
        writes = subject.writes()
        found, _ = self.everything(subject, kind)
        assert found
        for each in found.values():
            assert isinstance(each.id, str), "ids are text, whatever the vendor makes of them"
            if each.native is not None:
                assert subject.mapper.read(kind, each.native).id == each.id
        assert subject.writes() == writes

    @pytest.mark.parametrize("kind", KINDS)
    def test_get_reads_what_changes_told(self, subject: Subject, kind: Kind) -> None:
        """A fresh read of a listed record says the same."""
        self.needs(subject, kind, "read")
        if self.makes(subject, kind):
            self.created(subject, kind)
        found, _ = self.everything(subject, kind)
        for each in list(found.values())[:3] + list(found.values())[-3:]:
            native = subject.connector.get(kind, each.id)
            assert native is not None
            if each.native is not None:
                assert subject.mapper.read(kind, native) == subject.mapper.read(kind, each.native)

    @pytest.mark.parametrize("kind", KINDS)
    def test_unknown_ids_are_none(self, subject: Subject, kind: Kind) -> None:
        """An id without a record reads as None, also one that could be mistaken for a path."""
        self.needs(subject, kind, "read")
        for unknown in self.unknown_ids:
            assert subject.connector.get(kind, unknown) is None

    def test_natives_are_plain_data_of_their_own(self, subject: Subject) -> None:
        """A native can be stored as JSON, and what is done to it does not reach the side."""
        id_ = next(iter(self.everything(subject, Kind.CLIENT)[0]))
        native = subject.connector.get(Kind.CLIENT, id_)
        assert native is not None
        before = json.dumps(native, sort_keys=True)
        native.clear()
        assert json.dumps(subject.connector.get(Kind.CLIENT, id_), sort_keys=True) == before

    def test_threads_may_share_it(self, subject: Subject) -> None:
        """Reads of several threads at once answer as one after the other."""
        ids = list(self.everything(subject, Kind.CLIENT)[0])[:8]
        one_by_one = [subject.connector.get(Kind.CLIENT, id_) for id_ in ids]
        with ThreadPoolExecutor(max_workers=4) as pool:
            at_once = list(pool.map(lambda id_: subject.connector.get(Kind.CLIENT, id_), ids))
        assert at_once == one_by_one


class Paging(Group):
    """See the methods."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_pages_leave_nothing_out(self, subject: Subject, kind: Kind) -> None:
        """More than one page: every record is in one of them, and no more than the side counts."""
        self.needs(subject, kind, "read")
        made = set()
        if self.makes(subject, kind):
            made = {self.created(subject, kind, number) for number in range(12)}
        pages = list(subject.connector.changes(kind, None))
        assert len(pages) > 1, "the side of this subject is too small to test paging; give it a smaller page"
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
        ids = [each.id for page in pages for each in page.records]
        assert made <= set(ids)
        assert len(ids) == len(set(ids)), "a side at rest told a record twice in one walk"
        if pages[0].total is not None:
            assert pages[0].total == len(set(ids))

    @pytest.mark.parametrize("moves", ["goes", "comes"])
    def test_a_row_that_moves_takes_no_other_with_it(self, subject: Subject, moves: str) -> None:
        """A row that vanishes, or is made, while the pages are read lets no other be skipped.

        Each is in this walk or in the next one from its cursor: a side that pages by numbers moves up what follows.
        """
        self.needs(subject, Kind.CLIENT, "incremental")
        self.needs_some(subject, Kind.CLIENT)
        everyone = set(self.everything(subject, Kind.CLIENT)[0])
        seen: set[str] = set()
        cursor = ""
        for number, page in enumerate(subject.connector.changes(Kind.CLIENT, None)):
            seen |= {each.id for each in page.records}
            cursor = page.cursor
            if number == 0 and moves == "comes":
                everyone.add(self.created(subject, Kind.CLIENT))
            elif number == 0 and not subject.remove(Kind.CLIENT, page.records[0].id):
                pytest.skip("this side cannot take a record away")
        seen |= set(self.everything(subject, Kind.CLIENT, cursor or None)[0])
        assert everyone <= seen

    def test_shifted_pages_are_read_again(self, subject: Subject) -> None:
        """Where pages begin in the wrong place, the walk says so or its cursor stays, and the next one has all."""
        self.needs_fault(subject, Fault.SHIFT)
        self.needs(subject, Kind.CLIENT, "incremental")
        everyone = set(self.everything(subject, Kind.CLIENT)[0])
        seen: set[str] = set()
        cursor: str | None = None
        subject.fault(Fault.SHIFT)
        with suppress(BadAnswer):
            for page in subject.connector.changes(Kind.CLIENT, None):
                seen |= {each.id for each in page.records}
                cursor = page.cursor or None
        subject.fault(None)
        assert everyone <= seen | set(self.everything(subject, Kind.CLIENT, cursor)[0])

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_listed_beside_is_all_of_its_kind(self, subject: Subject, kind: Kind) -> None:
        """Where a kind is declared to be listed with another one, that walk tells just what its own does."""
        self.needs(subject, kind, "listed_with")
        made = {self.created(subject, kind, number) for number in range(6)}
        listed_with = subject.connector.capabilities.of(kind).listed_with
        assert listed_with is not None
        pages = subject.connector.changes(listed_with, None)
        beside = {each.id: each for page in pages for each in page.beside[kind]}
        assert beside == self.everything(subject, kind)[0]
        assert made <= set(beside)


class Marks(Group):
    """See the methods."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_walk_is_taken_up_at_each_mark(self, subject: Subject, kind: Kind) -> None:
        """A mark gives its page once more and all that follow, and costs no more than these."""
        self.needs(subject, kind, "read")
        if self.makes(subject, kind):
            for number in range(12):
                self.created(subject, kind, number)
        before = subject.requests()
        pages = list(subject.connector.changes(kind, None))
        whole = subject.requests() - before
        for index, page in enumerate(pages):
            if page.mark is None:
                continue
            before = subject.requests()
            rest = list(subject.connector.changes(kind, None, mark=page.mark))
            assert [each.records for each in rest] == [each.records for each in pages[index:]]
            assert [each.last for each in rest] == [False] * (len(rest) - 1) + [True]
            assert rest[-1].total == pages[-1].total
            # From the first page on it is a walk of its own, which may have begun a second later.
            assert index == 0 or rest[-1].cursor == pages[-1].cursor
            if index == len(pages) - 1 > 0:
                assert subject.requests() - before < whole
        if not any(page.mark for page in pages):
            pytest.skip("this side's walks cannot be taken up")

    def test_the_cursor_belongs_to_the_beginning_of_a_walk_that_was_taken_up(self, subject: Subject) -> None:
        """What changed on pages that had been told, while the walk was cut off, is found from the cursor."""
        self.needs(subject, Kind.CLIENT, "incremental")
        if "given_name" not in subject.connector.capabilities.of(Kind.CLIENT).update:
            pytest.skip("not declared: client given_name")
        *_, behind = self.everything(subject, Kind.CLIENT)[0]
        walk = subject.connector.changes(Kind.CLIENT, None)
        first, second = next(walk), next(walk)
        if second.mark is None:
            pytest.skip("this side's walks cannot be taken up")
        id_ = first.records[0].id
        for each in (id_, behind):
            subject.pass_time(7200)
            values = {"given_name": "Meanwhile"}
            subject.connector.apply(self.write_of(subject, Kind.CLIENT, Operation.UPDATE, values, id=each))
            self.landed(subject)
        other = subject.restarted() or subject.connector
        cursor, newest = "", first.records[0].native
        for page in other.changes(Kind.CLIENT, None, mark=second.mark):
            newest = next((each.native for each in page.records if each.id == id_), newest)
            cursor = page.cursor
        for page in other.changes(Kind.CLIENT, cursor or None):
            newest = next((each.native for each in page.records if each.id == id_), newest)
        if other is not subject.connector:
            other.close()
        told = field_of(subject.mapper.read(Kind.CLIENT, newest or {}), "given_name")
        assert told == field_of(self.record(subject, Kind.CLIENT, id_), "given_name")

    @pytest.mark.parametrize("text", GARBAGE)
    def test_a_mark_that_is_none_begins_at_the_beginning(self, subject: Subject, text: str) -> None:
        """A mark that this side never gave leaves nothing out."""
        everyone = set(self.everything(subject, Kind.CLIENT)[0])
        with suppress(BadAnswer):
            walk = subject.connector.changes(Kind.CLIENT, None, mark=text)
            assert {each.id for page in walk for each in page.records} == everyone


class Cursors(Group):
    """See the methods."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_cursor_misses_nothing(self, subject: Subject, kind: Kind) -> None:
        """What is made after a cursor was taken is found from it, also in the same second."""
        self.needs(subject, kind, "incremental")
        self.needs_some(subject, kind)
        _, cursor = self.everything(subject, kind)
        for number in range(3):
            made = self.created(subject, kind, number)
            found, after = self.everything(subject, kind, cursor)
            assert made in found
            cursor = after

    def test_cursor_inside_a_walk_is_safe(self, subject: Subject) -> None:
        """A walk that ends after any page goes on from that page's cursor without a hole."""
        self.needs(subject, Kind.CLIENT, "incremental")
        pages = list(subject.connector.changes(Kind.CLIENT, None))
        everyone = {each.id for page in pages for each in page.records}
        seen: set[str] = set()
        for page in pages[:3]:
            seen |= {each.id for each in page.records}
            rest, _ = self.everything(subject, Kind.CLIENT, page.cursor or None)
            assert seen | set(rest) == everyone

    def test_changes_during_a_walk_are_found(self, subject: Subject) -> None:
        """Records that move while the pages are read, before or behind the reader, are in this walk or the next."""
        self.needs(subject, Kind.CLIENT, "incremental")
        if "given_name" not in subject.connector.capabilities.of(Kind.CLIENT).update:
            pytest.skip("not declared: client given_name")
        ids = list(self.everything(subject, Kind.CLIENT)[0])
        before = {id_: field_of(self.record(subject, Kind.CLIENT, id_), "given_name") for id_ in (ids[0], ids[-1])}
        edited = {ids[0]: "Before", ids[-1]: "Behind"}
        newest: dict[str, Native | None] = {}
        cursor = None
        for turn in range(2):
            for index, page in enumerate(subject.connector.changes(Kind.CLIENT, cursor)):
                newest.update({each.id: each.native for each in page.records})
                if turn == 0 and index == 0:
                    subject.pass_time(2)
                    for id_, name in edited.items():
                        values = {"given_name": name}
                        subject.connector.apply(self.write_of(subject, Kind.CLIENT, Operation.UPDATE, values, id=id_))
                    made = self.created(subject, Kind.CLIENT)
                if page.last:
                    cursor = page.cursor
        for id_ in edited:
            told = field_of(subject.mapper.read(Kind.CLIENT, newest[id_] or {}), "given_name")
            assert told == field_of(self.record(subject, Kind.CLIENT, id_), "given_name") != before[id_]
        assert made in newest

    def test_incremental_means_less(self, subject: Subject) -> None:
        """Long after the last change a poll tells what is new, not everything."""
        self.needs(subject, Kind.CLIENT, "incremental")
        everyone, _ = self.everything(subject, Kind.CLIENT)
        self.created(subject, Kind.CLIENT)
        subject.pass_time(7200)
        _, cursor = self.everything(subject, Kind.CLIENT)
        subject.pass_time(7200)
        made = self.created(subject, Kind.CLIENT, 1)
        found, _ = self.everything(subject, Kind.CLIENT, cursor)
        assert made in found
        assert len(found) < len(everyone) / 2

    def test_cursor_outlives_its_connector(self, subject: Subject) -> None:
        """Another connector of the account, as after a restart, goes on from it: inside a walk, and after one."""
        self.needs(subject, Kind.CLIENT, "incremental")
        self.needs_some(subject, Kind.CLIENT)
        walk = subject.connector.changes(Kind.CLIENT, None)
        first = next(walk)
        everyone, cursor = self.everything(subject, Kind.CLIENT)
        made = self.created(subject, Kind.CLIENT)
        other = subject.restarted()
        if other is None:
            pytest.skip("this side has one connector only")
        try:
            rest = {each.id for page in other.changes(Kind.CLIENT, first.cursor or None) for each in page.records}
            after = {each.id for page in other.changes(Kind.CLIENT, cursor) for each in page.records}
        finally:
            other.close()
        assert {each.id for each in first.records} | rest >= set(everyone) | {made}
        assert made in after

    @pytest.mark.parametrize("text", GARBAGE)
    def test_cursor_that_is_none_skips_nothing(self, subject: Subject, text: str) -> None:
        """A cursor that this side never gave is ``BadAnswer``, or the walk begins at the beginning."""
        self.needs(subject, Kind.CLIENT, "incremental")
        everyone = set(self.everything(subject, Kind.CLIENT)[0])
        with suppress(BadAnswer):
            assert set(self.everything(subject, Kind.CLIENT, text)[0]) == everyone
