"""The memory side's own switches, beside what the conformance suite holds it to."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from vetbridge.connector.interface import Operation, Relink, Write
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused, SlotTaken, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.memory import MemorySide, memory_capabilities, redeclared

VISIT = {"start": "2026-07-01T09:30:00+01:00", "seconds": 900, "who": "v1"}


def create(kind: Kind, native: dict[str, object], stamp: str = "") -> Write:
    return Write(operation=Operation.CREATE, kind=kind, id=None, native=native, stamp=stamp)


def test_a_failure_lasts_as_many_calls_as_told() -> None:
    side = MemorySide()
    side.fail(Unavailable("away"), times=2)
    for _ in range(2):
        with pytest.raises(Unavailable):
            side.get(Kind.CLIENT, "c1")
    assert side.get(Kind.CLIENT, "c1") is None
    assert side.calls["get"] == 3
    side.fail(Unavailable("away"))
    for _ in range(5):
        with pytest.raises(Unavailable):
            list(side.changes(Kind.CLIENT, None))
    side.mend()
    assert list(side.changes(Kind.CLIENT, None))


def test_a_lost_answer_may_or_may_not_have_been_done() -> None:
    side = MemorySide()
    write = create(Kind.APPOINTMENT, dict(VISIT), stamp="VB-1")
    side.lose_answers(done=False)
    side.lose_answers(done=True)
    with pytest.raises(OutcomeUnknown):
        side.apply(write)
    assert not list(side.look(write))
    with pytest.raises(OutcomeUnknown):
        side.apply(write)
    assert len(list(side.look(write))) == 1
    assert side.written == [write]
    assert side.apply(write).id


def test_what_people_do_is_seen_and_not_counted() -> None:
    side = MemorySide()
    id_ = side.add(Kind.CLIENT, {"name": {"given": "Jo"}})
    cursor = list(side.changes(Kind.CLIENT, None))[-1].cursor
    side.edit(Kind.CLIENT, id_, {"name": {"family": "Doe"}})
    (page,) = side.changes(Kind.CLIENT, cursor)
    native = page.records[0].native
    assert native is not None
    assert native["name"] == {"given": "Jo", "family": "Doe"}
    side.remove(Kind.CLIENT, id_)
    (page,) = side.changes(Kind.CLIENT, page.cursor)
    assert [(each.id, each.native, each.deleted) for each in page.records] == [(id_, None, True)]
    assert side.written == []


def test_deletions_show_only_where_declared() -> None:
    side = MemorySide(redeclared(memory_capabilities(), Kind.CLIENT, deletions_visible=False))
    id_ = side.add(Kind.CLIENT, {})
    cursor = list(side.changes(Kind.CLIENT, None))[-1].cursor
    side.remove(Kind.CLIENT, id_)
    (page,) = side.changes(Kind.CLIENT, cursor)
    assert page.records == ()
    assert side.get(Kind.CLIENT, id_) is None


def test_an_exclusive_side_refuses_what_overlaps() -> None:
    side = MemorySide(exclusive=True)
    first = side.apply(create(Kind.APPOINTMENT, dict(VISIT))).id
    with pytest.raises(SlotTaken, match=first):
        side.apply(create(Kind.APPOINTMENT, {**VISIT, "start": "2026-07-01T08:44:00+00:00"}))
    side.apply(create(Kind.APPOINTMENT, {**VISIT, "start": "2026-07-01T08:45:00+00:00"}))
    side.apply(create(Kind.APPOINTMENT, {**VISIT, "who": "v2"}))
    side.apply(Write(operation=Operation.UPDATE, kind=Kind.APPOINTMENT, id=first, native={"notes": "same time"}))
    side.apply(Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=first, native={}))
    side.apply(create(Kind.APPOINTMENT, dict(VISIT)))


def test_what_shall_stand_beside_another_visit_does() -> None:
    side = MemorySide(exclusive=True)
    side.apply(create(Kind.APPOINTMENT, dict(VISIT)))
    side.apply(replace(create(Kind.APPOINTMENT, dict(VISIT)), beside=True))
    late = side.apply(create(Kind.APPOINTMENT, {**VISIT, "start": "2026-07-01T12:00:00+01:00"})).id
    move = Write(operation=Operation.UPDATE, kind=Kind.APPOINTMENT, id=late, native={"start": VISIT["start"]})
    with pytest.raises(SlotTaken):
        side.apply(move)
    side.apply(replace(move, beside=True))
    assert [row["start"] for row in side.rows(Kind.APPOINTMENT)] == [VISIT["start"]] * 3


def test_a_relink_may_be_ignored() -> None:
    side = MemorySide(memory_capabilities(relink=Relink.UNVERIFIED))
    old, new = (side.add(Kind.CLIENT, {}) for _ in range(2))
    pet = side.add(Kind.PET, {"owner": new})
    id_ = side.apply(create(Kind.APPOINTMENT, {**VISIT, "owner": old})).id
    relink = Write(
        operation=Operation.UPDATE, kind=Kind.APPOINTMENT, id=id_, native={"owner": new, "pet": pet, "notes": "hello"}
    )
    side.ignore_relink = True
    for row in (side.apply(relink).native, side.row(Kind.APPOINTMENT, id_)):
        assert row is not None
        assert (row["owner"], row["pet"], row["notes"]) == (old, None, "hello")
    side.ignore_relink = False
    side.apply(relink)
    row = side.row(Kind.APPOINTMENT, id_)
    assert row is not None
    assert (row["owner"], row["pet"]) == (new, pet)


def test_a_visit_without_a_start_is_in_no_window() -> None:
    side = MemorySide()
    side.add(Kind.APPOINTMENT, {})
    for key in ("start_from", "start_before"):
        assert list(side.search(Kind.APPOINTMENT, {key: "2026-07-01T09:30:00+01:00"})) == []


@pytest.mark.parametrize(
    ("kind", "native"),
    [
        (Kind.CLIENT, {"colour": "blue"}),
        (Kind.PET, {"name": "Bella"}),
        (Kind.PET, {"name": "Bella", "owner": "c99"}),
        (Kind.APPOINTMENT, {**VISIT, "owner": "c99"}),
        (Kind.APPOINTMENT, {**VISIT, "pet": "p99"}),
        (Kind.APPOINTMENT, {"start": VISIT["start"]}),
    ],
)
def test_records_that_cannot_stand_are_refused(kind: Kind, native: dict[str, object]) -> None:
    side = MemorySide()
    with pytest.raises(Refused) as caught:
        side.apply(create(kind, native))
    assert caught.value.code == "refused"
    assert side.written == []


def test_a_foreign_cursor_is_named() -> None:
    with pytest.raises(BadAnswer, match="cursor"):
        list(MemorySide().changes(Kind.CLIENT, "yesterday"))


def test_threads_write_without_losing_anything() -> None:
    side = MemorySide()

    def work() -> None:
        for _ in range(50):
            side.apply(create(Kind.CLIENT, {"name": {"given": "x"}}))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = side.rows(Kind.CLIENT)
    assert len({row["id"] for row in rows}) == len({row["rev"] for row in rows}) == 200
