"""The conformance suite catches what it is for: each broken side here must fail the test that guards against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    ExactlyOnce,
    Hint,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Relink,
    Write,
)
from vetbridge.core.errors import OutcomeUnknown, Refused, Stale
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, by_hand, memory_capabilities, memory_mapper, redeclared
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

    def messages(self) -> int:
        return len(self.side.messages)

    @property
    def enters(self) -> frozenset[Kind]:  # type: ignore[override]
        """Where a side hands its writes on, people enter what stands there."""
        hands_on = self.side.capabilities.of(Kind.APPOINTMENT).handed
        return frozenset({Kind.CLIENT, Kind.PET, Kind.APPOINTMENT}) if hands_on else frozenset()

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        writable = self.mapper.writable(kind)
        return self.side.add(
            kind, self.mapper.write(kind, {name: values[name] for name in values if name in writable})
        )

    def handed(self) -> int:
        return len(self.side.handed)

    def carry_out(self, write: Write) -> str | None:
        if write.operation is Operation.CREATE:
            return self.side.add(write.kind, write.native)
        cancelled = {"state": "cancelled", "cancelled": dict(write.native)}
        changes = cancelled if write.operation is Operation.CANCEL else write.native
        self.side.edit(write.kind, write.id or "", changes)
        return write.id

    def pass_time(self, seconds: float) -> None:
        pass


class SendsAgain(MemorySide):
    def apply(self, write: Write) -> Receipt:
        try:
            return super().apply(write)
        except OutcomeUnknown:
            return super().apply(write)


class SkipsARow(MemorySide):
    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        for page in super().changes(kind, since, mark=mark):
            yield page if page.last else replace(page, records=page.records[1:])


class NeverEnds(MemorySide):
    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        for page in super().changes(kind, since, mark=mark):
            yield replace(page, last=False)


class MovesTheCursorTooFar(MemorySide):
    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        for page in super().changes(kind, since, mark=mark):
            yield replace(page, cursor=str(int(page.cursor) + 12))


class ForgetsWhatMovedMeanwhile(MemorySide):
    """Reads all pages at once, and gives the cursor of the moment when the last one is asked for."""

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        for page in list(super().changes(kind, since, mark=mark)):
            newest = max(row["rev"] for row in self.rows(kind))
            yield replace(page, cursor=str(newest) if page.last else page.cursor)


class IgnoresTheCursor(MemorySide):
    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        return super().changes(kind, None, mark=mark)


class IgnoresTheMark(MemorySide):
    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        return super().changes(kind, since)


class TakesUpBehindTheMark(MemorySide):
    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        for number, page in enumerate(super().changes(kind, since, mark=mark)):
            if number or not mark:
                yield page


class TakesAnyMark(MemorySide):
    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        return super().changes(kind, since, mark="999 0" if mark == "yesterday" else mark)


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


class IgnoresKeys(MemorySide):
    """Says that a key takes effect once, and does not look at it."""

    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities(create=KEYED, changed=KEYED), **more)

    def apply(self, write: Write) -> Receipt:
        return super().apply(replace(write, key=""))


class RemembersTheLastKeyOnly(MemorySide):
    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities(create=KEYED, changed=KEYED), **more)

    def apply(self, write: Write) -> Receipt:
        self._answered = {key: answer for key, answer in self._answered.items() if key == write.key}
        return super().apply(write)


class TakesAllKeysForOne(MemorySide):
    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities(create=KEYED, changed=KEYED), **more)
        self._first: dict[tuple[Operation, Kind], Receipt] = {}

    def apply(self, write: Write) -> Receipt:
        return self._first.setdefault((write.operation, write.kind), super().apply(write))


class IgnoresVersions(MemorySide):
    """Says that it writes on conditions, and does so always."""

    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities(changed=ExactlyOnce.CONDITIONAL), **more)

    def apply(self, write: Write) -> Receipt:
        return super().apply(replace(write, version=None))


class IsAlwaysStale(MemorySide):
    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities(changed=ExactlyOnce.CONDITIONAL), **more)

    def apply(self, write: Write) -> Receipt:
        if write.version is not None:
            raise Stale("it moved")
        return super().apply(write)


class WritesAndSaysStale(MemorySide):
    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities(changed=ExactlyOnce.CONDITIONAL), **more)

    def apply(self, write: Write) -> Receipt:
        try:
            return super().apply(write)
        except Stale:
            super().apply(replace(write, version=None))
            raise


class KeepsNoReference(MemorySide):
    """Says that it keeps the stamp in a field of its own, and looks for it in one that is always empty."""

    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities(create=ExactlyOnce.REFERENCE), **more)

    def look(self, write: Write) -> Iterator[Native]:
        return (row for row in super().look(write) if not row["ref"])


class FindsTheFirst(MemorySide):
    def look(self, write: Write) -> Iterator[Native]:
        return iter(list(super().look(write))[:1])


class FindsByPhone(MemorySide):
    def look(self, write: Write) -> Iterator[Native]:
        if write.kind is not Kind.CLIENT:
            return super().look(write)
        return (row for row in self.rows(Kind.CLIENT) if row["phones"] == write.native["phones"])


class FindsByName(MemorySide):
    def look(self, write: Write) -> Iterator[Native]:
        if write.kind is Kind.APPOINTMENT:
            return super().look(write)
        return (row for row in self.rows(write.kind) if row["name"] == write.native["name"])


class LooksWhereNobodyCanTell(MemorySide):
    """Declares that nobody can find what was made, and answers all the same."""

    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities(create=ExactlyOnce.NONE), **more)

    def look(self, write: Write) -> Iterator[Native]:
        return iter(())


class LagsWithoutSaying(MemorySide):
    def __init__(self, **more: Any) -> None:
        super().__init__(clock=FakeClock(), **more)
        self.lag(5)


class AnswersUnknownForGood(MemorySide):
    """Reports a lost answer as done."""

    def apply(self, write: Write) -> Receipt:
        try:
            return super().apply(write)
        except OutcomeUnknown:
            return Receipt(id="c1")


class MendsLineEnds(MemorySide):
    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the protocol's word
        return (piece.replace(b"\r\n", b"\n") for piece in super().content(id))


class ReadsFilesWhole(MemorySide):
    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the protocol's word
        return iter([b"".join(super().content(id))])


class BookingSide(MemorySide):
    def __init__(self, **more: Any) -> None:
        super().__init__(memory_capabilities("booking"), **more)


class TellsTwice(BookingSide):
    def apply(self, write: Write) -> Receipt:
        if write.operation is Operation.NOTIFY:
            super().apply(write)
        return super().apply(write)


class ClearsTheCard(BookingSide):
    """An update of a card takes the rest of it away."""

    def apply(self, write: Write) -> Receipt:
        if write.kind is Kind.REMINDER:
            write = replace(write, native={"name": "", "due_soon": False, **write.native})
        return super().apply(write)


class ForgetsTheCard(BookingSide):
    """An update of a client takes away what stands on its card."""

    def apply(self, write: Write) -> Receipt:
        receipt = super().apply(write)
        if write.kind is Kind.CLIENT and write.operation is Operation.UPDATE:
            self.edit(Kind.REMINDER, receipt.id, {"name": ""})
        return receipt


class HandsOn(MemorySide):
    def __init__(self, capabilities: Capabilities | None = None, **more: Any) -> None:
        super().__init__(capabilities or by_hand(memory_capabilities()), **more)


class WritesAtOnce(HandsOn):
    def apply(self, write: Write) -> Receipt:
        self.add(write.kind, write.native)
        return super().apply(write)


class NamesARecord(HandsOn):
    def apply(self, write: Write) -> Receipt:
        super().apply(write)
        return Receipt(id="1")


class HandsOnTwice(HandsOn):
    def apply(self, write: Write) -> Receipt:
        return super().apply(replace(write, key=f"{write.key}-{len(self.handed)}"))


class TakesAllWritesForOne(HandsOn):
    def apply(self, write: Write) -> Receipt:
        return super().apply(replace(write, key="one"))


class TakesNothingBack(HandsOn):
    def apply(self, write: Write) -> Receipt:
        return Receipt(id="") if write.operation is Operation.RECALL else super().apply(write)


class HandsOnWhatWasTakenBack(HandsOn):
    def apply(self, write: Write) -> Receipt:
        receipt = super().apply(write)
        if write.operation is not Operation.RECALL:
            self.handed[write.key] = write
        return receipt


class ShowsNothingOfIt(HandsOn):
    def edit(self, kind: Kind, id_: str, changes: Mapping[str, Any]) -> None:
        pass


class HandsOnWithoutKeys(HandsOn):
    def __init__(self, capabilities: Capabilities | None = None, **more: Any) -> None:
        can = by_hand(memory_capabilities())
        super().__init__(capabilities or redeclared(can, Kind.APPOINTMENT, create=ExactlyOnce.LOOK), **more)


KEYED = ExactlyOnce.IDEMPOTENCY_KEY
Suite = ConnectorSuite
BROKEN: list[tuple[type[MemorySide], Callable[..., None], dict[str, Any]]] = [
    (SendsAgain, Suite.test_lost_create_is_one, {"kind": Kind.CLIENT, "fault": Fault.DROP}),
    (SkipsARow, Suite.test_pages_leave_nothing_out, {"kind": Kind.CLIENT}),
    (NeverEnds, Suite.test_pages_leave_nothing_out, {"kind": Kind.CLIENT}),
    (MovesTheCursorTooFar, Suite.test_cursor_misses_nothing, {"kind": Kind.CLIENT}),
    (MovesTheCursorTooFar, Suite.test_cursor_inside_a_walk_is_safe, {}),
    (ForgetsWhatMovedMeanwhile, Suite.test_changes_during_a_walk_are_found, {}),
    (IgnoresTheCursor, Suite.test_incremental_means_less, {}),
    (IgnoresTheMark, Suite.test_a_walk_is_taken_up_at_each_mark, {"kind": Kind.CLIENT}),
    (TakesUpBehindTheMark, Suite.test_a_walk_is_taken_up_at_each_mark, {"kind": Kind.CLIENT}),
    (TakesAnyMark, Suite.test_a_mark_that_is_none_begins_at_the_beginning, {"text": "yesterday"}),
    (FindsAnything, Suite.test_looking_tells_visits_apart, {}),
    (IgnoresKeys, Suite.test_lost_create_is_one, {"kind": Kind.CLIENT, "fault": Fault.DROP}),
    (IgnoresKeys, Suite.test_change_with_the_same_key_takes_effect_once, {"kind": Kind.APPOINTMENT}),
    (RemembersTheLastKeyOnly, Suite.test_same_key_is_answered_as_at_first, {"kind": Kind.PET}),
    (RemembersTheLastKeyOnly, Suite.test_change_with_the_same_key_takes_effect_once, {"kind": Kind.CLIENT}),
    (TakesAllKeysForOne, Suite.test_same_key_is_answered_as_at_first, {"kind": Kind.CLIENT}),
    (IgnoresVersions, Suite.test_conditional_change_is_stale_once_it_moved, {"kind": Kind.CLIENT}),
    (IsAlwaysStale, Suite.test_conditional_change_is_stale_once_it_moved, {"kind": Kind.PET}),
    (WritesAndSaysStale, Suite.test_conditional_change_is_stale_once_it_moved, {"kind": Kind.APPOINTMENT}),
    (KeepsNoReference, Suite.test_lost_create_is_one, {"kind": Kind.APPOINTMENT, "fault": Fault.DROP}),
    (FindsTheFirst, Suite.test_two_are_found_as_two, {"kind": Kind.APPOINTMENT}),
    (FindsByPhone, Suite.test_looking_tells_clients_apart, {"names": ("given_name", "family_name")}),
    (FindsByName, Suite.test_looking_tells_clients_apart, {"names": ("phones",)}),
    (FindsByName, Suite.test_looking_tells_pets_apart, {"name": "client_id"}),
    (LooksWhereNobodyCanTell, Suite.test_undeclared_is_refused_unsent, {"kind": Kind.CLIENT}),
    (LagsWithoutSaying, Suite.test_lost_create_is_one, {"kind": Kind.CLIENT, "fault": Fault.AFTER}),
    (AnswersUnknownForGood, Suite.test_lost_create_is_one, {"kind": Kind.CLIENT, "fault": Fault.DROP}),
    (AnswersUnknownForGood, Suite.test_lost_update_and_cancel_are_unknown, {"fault": Fault.DROP}),
    (FindsNothing, Suite.test_lost_create_is_one, {"kind": Kind.PET, "fault": Fault.AFTER}),
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
    (MendsLineEnds, Suite.test_a_file_comes_back_as_it_was, {"on": Kind.PET}),
    (ReadsFilesWhole, Suite.test_files_go_in_pieces, {}),
    (SendsAgain, Suite.test_a_lost_upload_is_one_file, {"fault": Fault.DROP}),
    (TellsTwice, Suite.test_a_message_is_sent_once, {}),
    (ClearsTheCard, Suite.test_each_part_of_a_card_changes_alone, {}),
    (ForgetsTheCard, Suite.test_a_change_of_the_client_leaves_the_card, {}),
    (AnswersEverything, Suite.test_undeclared_is_refused_unsent, {"kind": Kind.PET}),
    (WritesAtOnce, Suite.test_nothing_shows_until_somebody_does_it, {"operation": Operation.CREATE}),
    (NamesARecord, Suite.test_nothing_shows_until_somebody_does_it, {"operation": Operation.CANCEL}),
    (HandsOnTwice, Suite.test_one_key_is_handed_on_once, {"operation": Operation.UPDATE}),
    (TakesAllWritesForOne, Suite.test_one_key_is_handed_on_once, {"operation": Operation.CREATE}),
    (TakesNothingBack, Suite.test_what_is_taken_back_lies_there_no_more, {}),
    (HandsOnWhatWasTakenBack, Suite.test_what_is_taken_back_lies_there_no_more, {}),
    (ShowsNothingOfIt, Suite.test_a_read_shows_what_was_done, {"operation": Operation.UPDATE}),
]


class Plain(ConnectorSuite):
    def make(self) -> Subject:
        return Sound(MemorySide(page_size=10))


@pytest.mark.parametrize(("side", "test", "more"), BROKEN, ids=lambda each: getattr(each, "__name__", ""))
def test_a_broken_side_fails(side: type[MemorySide], test: Callable[..., None], more: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception, Stale)):
        test(Plain(), Sound(side(page_size=10)), **more)


@pytest.mark.parametrize(("side", "test", "more"), BROKEN, ids=lambda each: getattr(each, "__name__", ""))
def test_the_same_test_passes_on_a_sound_side(
    side: type[MemorySide], test: Callable[..., None], more: dict[str, Any]
) -> None:
    sound = MemorySide(side(page_size=10).capabilities, page_size=10, clock=FakeClock())
    test(Plain(), Sound(sound), **more)


def test_writes_that_are_handed_on_without_a_key_are_found() -> None:
    with pytest.raises(AssertionError):
        Plain().test_what_is_handed_on_is_declared(Sound(HandsOnWithoutKeys()))


def test_a_secret_in_a_part_is_found() -> None:
    subject = Sound(ShowsItself())
    subject.secrets = ("s3cret",)
    with pytest.raises(AssertionError):
        Plain().test_no_secret_shows(subject)
