"""The conformance suite catches what it is for: each broken side here must fail the test that guards against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    Hint,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Relink,
    Write,
)
from vetbridge.core.errors import OutcomeUnknown, Refused
from vetbridge.core.records import Kind
from vetbridge.testing.memory import MemorySide, memory_capabilities, memory_mapper, redeclared
from vetbridge.testing.suite import ConnectorSuite, Fault, Subject


class Sound(Subject):
    """A memory side whose connector may be replaced by a broken one."""

    def __init__(self, side: MemorySide) -> None:
        self.side = side
        self.connector = side
        self.mapper = memory_mapper(self.zone)
        for number in range(40):
            side.add(Kind.CLIENT, {"name": {"given": "Seed", "family": f"No {number}"}})

    def fault(self, fault: Fault | None) -> None:
        self.side.mend()
        if fault in {Fault.AFTER, Fault.DROP}:
            self.side.lose_answers(done=True)

    def requests(self) -> int:
        return sum(self.side.calls.values())

    def writes(self) -> int:
        return len(self.side.written)

    def pass_time(self, seconds: float) -> None:
        pass


class SendsAgain(MemorySide):
    def apply(self, write: Write) -> Receipt:
        try:
            return super().apply(write)
        except OutcomeUnknown:
            return super().apply(write)


class SkipsARow(MemorySide):
    def changes(self, kind: Kind, since: str | None) -> Iterator[Page]:
        for page in super().changes(kind, since):
            yield page if page.last else replace(page, records=page.records[1:])


class NeverEnds(MemorySide):
    def changes(self, kind: Kind, since: str | None) -> Iterator[Page]:
        for page in super().changes(kind, since):
            yield replace(page, last=False)


class MovesTheCursorTooFar(MemorySide):
    def changes(self, kind: Kind, since: str | None) -> Iterator[Page]:
        for page in super().changes(kind, since):
            yield replace(page, cursor=str(int(page.cursor) + 12))


class ForgetsWhatMovedMeanwhile(MemorySide):
    """Reads all pages at once, and gives the cursor of the moment when the last one is asked for."""

    def changes(self, kind: Kind, since: str | None) -> Iterator[Page]:
        for page in list(super().changes(kind, since)):
            newest = max(row["rev"] for row in self.rows(kind))
            yield replace(page, cursor=str(newest) if page.last else page.cursor)


class IgnoresTheCursor(MemorySide):
    def changes(self, kind: Kind, since: str | None) -> Iterator[Page]:
        return super().changes(kind, None)


class FindsAnything(MemorySide):
    def look(self, write: Write) -> Iterator[Native]:
        return iter(self.rows(write.kind))


class FindsNothing(MemorySide):
    def look(self, write: Write) -> Iterator[Native]:
        return iter(())


class SearchesByOneKey(MemorySide):
    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        return super().search(kind, dict(sorted(query.items())[:1]))


class TakesAnyWindow(MemorySide):
    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        return super().search(kind, {key: text for key, text in query.items() if key != "start_before"})


class HidesCancelledVisits(MemorySide):
    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        return (row for row in super().search(kind, query) if row.get("state") != "cancelled")


class KeepsTheOldOwner(MemorySide):
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.ignore_relink = True


class ClearsNotesOnRelink(MemorySide):
    def apply(self, write: Write) -> Receipt:
        if write.operation is Operation.UPDATE and "owner" in write.native:
            return super().apply(replace(write, native={**write.native, "notes": ""}))
        return super().apply(write)


class MovesHalfAVisit(MemorySide):
    """Says that relinking is unverified, and keeps the new client with the old pet."""

    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities(relink=Relink.UNVERIFIED), **more)

    def apply(self, write: Write) -> Receipt:
        if write.operation is Operation.UPDATE:
            return super().apply(replace(write, native={k: v for k, v in write.native.items() if k != "pet"}))
        return super().apply(write)


class ForgetsTheStamp(MemorySide):
    def apply(self, write: Write) -> Receipt:
        receipt = super().apply(write)
        if write.operation is Operation.UPDATE and write.kind is Kind.APPOINTMENT:
            self.edit(write.kind, receipt.id, {"ref": ""})
        return receipt


class LosesAField(MemorySide):
    def apply(self, write: Write) -> Receipt:
        return super().apply(replace(write, native={k: v for k, v in write.native.items() if k != "type"}))


class ResetsOnUpdate(MemorySide):
    def apply(self, write: Write) -> Receipt:
        native = write.native
        if write.operation is Operation.UPDATE:
            native = {"notes": "", **native} if write.kind is Kind.APPOINTMENT else native
        return super().apply(replace(write, native=native))


class AnHourWrong(MemorySide):
    def apply(self, write: Write) -> Receipt:
        native = dict(write.native)
        if "start" in native:
            native["start"] = native["start"].replace("+01:00", "+00:00")
        return super().apply(replace(write, native=native))


class CutsSilently(MemorySide):
    def apply(self, write: Write) -> Receipt:
        native = dict(write.native)
        native["notes"] = native.get("notes", "")[:1000]
        return super().apply(replace(write, native=native))


class TellsThePerson(MemorySide):
    def apply(self, write: Write) -> Receipt:
        try:
            return super().apply(write)
        except Refused:
            raise Refused(f"no such record: {write.native}") from None


class ShowsItself(MemorySide):
    def __init__(self) -> None:
        super().__init__(page_size=10)
        self.token = "s3cret"


class WritesInCheck(MemorySide):
    def check(self) -> CheckReport:
        self.apply(Write(operation=Operation.CREATE, kind=Kind.CLIENT, id=None, native={"name": {"given": "x"}}))
        return super().check()


class TakesAnyHook(MemorySide):
    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        return (Hint(kind=Kind.CLIENT, id="1"),)


class KeepsItsVersion(MemorySide):
    def row(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the protocol's word
        row = super().row(kind, id)
        return None if row is None else {**row, "rev": 1}


class DoesNotCancel(MemorySide):
    def apply(self, write: Write) -> Receipt:
        if write.operation is Operation.CANCEL:
            return Receipt(id=write.id or "")
        return super().apply(write)


class AnswersEverything(MemorySide):
    """Declares no pets and reads them all the same."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._declared = redeclared(memory_capabilities(), Kind.PET, read=False)

    @property
    def capabilities(self) -> Capabilities:
        return self._declared

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the protocol's word
        return self.row(kind, id)


Suite = ConnectorSuite
BROKEN: list[tuple[type[MemorySide], Callable[..., None], dict[str, Any]]] = [
    (SendsAgain, Suite.test_lost_answer_is_found_by_looking, {"kind": Kind.CLIENT, "fault": Fault.DROP}),
    (SkipsARow, Suite.test_pages_leave_nothing_out, {"kind": Kind.CLIENT}),
    (NeverEnds, Suite.test_pages_leave_nothing_out, {"kind": Kind.CLIENT}),
    (MovesTheCursorTooFar, Suite.test_cursor_misses_nothing, {"kind": Kind.CLIENT}),
    (MovesTheCursorTooFar, Suite.test_cursor_inside_a_walk_is_safe, {}),
    (ForgetsWhatMovedMeanwhile, Suite.test_changes_during_a_walk_are_found, {}),
    (IgnoresTheCursor, Suite.test_incremental_means_less, {}),
    (FindsAnything, Suite.test_looking_tells_visits_apart, {}),
    (FindsNothing, Suite.test_lost_answer_is_found_by_looking, {"kind": Kind.PET, "fault": Fault.AFTER}),
    (SearchesByOneKey, Suite.test_search_finds_the_client, {}),
    (TakesAnyWindow, Suite.test_search_finds_visits_by_time, {}),
    (HidesCancelledVisits, Suite.test_search_by_time_tells_cancelled_visits, {}),
    (KeepsTheOldOwner, Suite.test_relinked_as_declared, {}),
    (KeepsTheOldOwner, Suite.test_unlinked_again, {}),
    (ClearsNotesOnRelink, Suite.test_relinked_as_declared, {}),
    (ClearsNotesOnRelink, Suite.test_unlinked_again, {}),
    (MovesHalfAVisit, Suite.test_relinked_as_declared, {}),
    (ResetsOnUpdate, Suite.test_unlinked_visit_lives_on, {}),
    (ForgetsTheStamp, Suite.test_stamp_field_is_told, {}),
    (LosesAField, Suite.test_created_is_read_back, {"kind": Kind.APPOINTMENT}),
    (LosesAField, Suite.test_each_declared_field_changes_alone, {"kind": Kind.APPOINTMENT}),
    (ResetsOnUpdate, Suite.test_each_declared_field_changes_alone, {"kind": Kind.APPOINTMENT}),
    (AnHourWrong, Suite.test_moments_survive, {"turn": 1, "minutes": 0}),
    (CutsSilently, Suite.test_two_million_characters, {}),
    (TellsThePerson, Suite.test_errors_name_no_person, {"fault": None}),
    (WritesInCheck, Suite.test_check_is_well_and_writes_nothing, {}),
    (TakesAnyHook, Suite.test_useless_webhooks_say_nothing, {"body": b"{}"}),
    (KeepsItsVersion, Suite.test_version_moves_with_the_record, {"kind": Kind.CLIENT}),
    (DoesNotCancel, Suite.test_cancel_is_soft_and_seen, {}),
    (AnswersEverything, Suite.test_undeclared_is_refused_unsent, {"kind": Kind.PET}),
]


class Plain(ConnectorSuite):
    def make(self) -> Subject:
        return Sound(MemorySide(page_size=10))


@pytest.mark.parametrize(("side", "test", "more"), BROKEN, ids=lambda each: getattr(each, "__name__", ""))
def test_a_broken_side_fails(side: type[MemorySide], test: Callable[..., None], more: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(Plain(), Sound(side(page_size=10)), **more)


def test_each_of_these_tests_passes_on_a_sound_side() -> None:
    for _, test, more in BROKEN:
        suite = Plain()
        test(suite, suite.make(), **more)


def test_a_secret_in_a_part_is_found() -> None:
    subject = Sound(ShowsItself())
    subject.secrets = ("s3cret",)
    with pytest.raises(AssertionError):
        Plain().test_no_secret_shows(subject)
