"""The memory side's own switches, beside what the conformance suite holds it to."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from vetbridge.connector.interface import ExactlyOnce, Operation, Relink, Write
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused, SlotTaken, Stale, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities, memory_mapper, redeclared

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


# -- how exactly once it writes


def level(create: ExactlyOnce | None = None, changed: ExactlyOnce = ExactlyOnce.LOOK) -> MemorySide:
    return MemorySide(memory_capabilities(create=create, changed=changed))


def test_an_idempotency_key_takes_effect_once() -> None:
    side = level(ExactlyOnce.IDEMPOTENCY_KEY, ExactlyOnce.IDEMPOTENCY_KEY)
    write = replace(create(Kind.CLIENT, {"phones": ["1"]}), key="k1")
    side.lose_answers(done=True)
    with pytest.raises(OutcomeUnknown):
        side.apply(write)
    side.apply(replace(write, key="k2"))
    again = side.apply(write)
    assert side.rows(Kind.CLIENT)[0]["id"] == again.id
    assert len(side.rows(Kind.CLIENT)) == len(side.written) == 2
    edit = Write(operation=Operation.UPDATE, kind=Kind.CLIENT, id=again.id, native={"phones": ["2"]}, key="k3")
    first = side.apply(edit)
    side.edit(Kind.CLIENT, again.id, {"phones": ["3"]})
    assert side.apply(edit) == first
    assert side.rows(Kind.CLIENT)[0]["phones"] == ["3"]
    with pytest.raises(Refused, match="belongs to another write"):
        side.apply(replace(edit, native={"phones": ["4"]}))


def test_keys_mean_nothing_where_they_are_not_declared() -> None:
    side = level(ExactlyOnce.LOOK)
    write = replace(create(Kind.CLIENT, {}), key="k1")
    assert side.apply(write).id != side.apply(write).id


def test_what_was_refused_may_be_sent_again_with_its_key() -> None:
    side = level(ExactlyOnce.IDEMPOTENCY_KEY)
    write = replace(create(Kind.PET, {"owner": "c9"}), key="k1")
    with pytest.raises(Refused):
        side.apply(write)
    while side.add(Kind.CLIENT, {}) != "c9":
        pass
    assert side.apply(write).id


def test_a_conditional_write_is_stale_once_the_record_moved() -> None:
    side = level(changed=ExactlyOnce.CONDITIONAL)
    id_ = side.add(Kind.APPOINTMENT, dict(VISIT))
    version = str(side.rows(Kind.APPOINTMENT)[0]["rev"])
    write = Write(operation=Operation.UPDATE, kind=Kind.APPOINTMENT, id=id_, native={"notes": "x"}, version=version)
    side.apply(write)
    before = side.rows(Kind.APPOINTMENT)
    for stale in (write, replace(write, operation=Operation.CANCEL, native={})):
        with pytest.raises(Stale):
            side.apply(stale)
    assert side.rows(Kind.APPOINTMENT) == before
    side.apply(replace(write, version=None))
    side.apply(replace(write, version=str(side.rows(Kind.APPOINTMENT)[0]["rev"])))


def test_a_reference_finds_clients_that_look_alike_apart() -> None:
    side = level(ExactlyOnce.REFERENCE)
    one, two = (create(Kind.CLIENT, {"phones": ["1"]}, stamp=stamp) for stamp in ("VB-1", "VB-2"))
    made = side.apply(one).id
    assert [row["id"] for row in side.look(one)] == [made]
    assert list(side.look(two)) == []


def test_where_nobody_can_tell_nobody_looks() -> None:
    side = level(ExactlyOnce.NONE)
    with pytest.raises(Refused) as caught:
        list(side.look(create(Kind.CLIENT, {})))
    assert caught.value.code == "not-supported"


# -- a hostile side


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize("switch", ["lag", "land_late", "skew"])
def test_what_takes_time_needs_a_clock(switch: str) -> None:
    with pytest.raises(ValueError, match="clock"):
        getattr(MemorySide(), switch)(1.0)
    with pytest.raises(ValueError, match="clock"):
        MemorySide(whole_seconds=True)


def test_lists_lag_and_reads_do_not(clock: FakeClock) -> None:
    side = MemorySide(clock=clock, page_size=2)
    side.lag(30)
    write = create(Kind.CLIENT, {"phones": ["1"]})
    id_ = side.apply(write).id

    def lists() -> list[list[str]]:
        searched = [row["id"] for row in side.search(Kind.CLIENT, {"phone": "1"})]
        told = [each.id for page in side.changes(Kind.CLIENT, "0") for each in page.records]
        return [searched, told, [row["id"] for row in side.look(write)]]

    assert lists() == [[], [], []]
    assert side.get(Kind.CLIENT, id_) is not None
    clock.advance(30)
    assert lists() == [[id_], [id_], [id_]]
    side.edit(Kind.CLIENT, id_, {"phones": ["2"]})
    clock.advance(29)
    assert lists() == [[id_], [id_], [id_]]
    clock.advance(1)
    assert lists() == [[], [id_], []]
    side.remove(Kind.CLIENT, id_)
    assert [row["id"] for row in side.search(Kind.CLIENT, {"phone": "2"})] == [id_]
    clock.advance(30)
    assert list(side.search(Kind.CLIENT, {"phone": "2"})) == []
    side.lag(0)
    assert list(side.changes(Kind.CLIENT, "0"))[-1].records[0].deleted


def test_a_cursor_of_a_list_that_lags_skips_nothing(clock: FakeClock) -> None:
    side = MemorySide(clock=clock)
    side.lag(30)
    side.add(Kind.CLIENT, {})
    clock.advance(20)
    late = side.add(Kind.CLIENT, {})
    clock.advance(10)
    cursor = list(side.changes(Kind.CLIENT, None))[-1].cursor
    clock.advance(20)
    assert [each.id for page in side.changes(Kind.CLIENT, cursor) for each in page.records] == [late]


def test_a_write_lands_late(clock: FakeClock) -> None:
    side = MemorySide(clock=clock, exclusive=True)
    writes = [create(Kind.APPOINTMENT, {**VISIT, "who": who}, stamp=f"VB-{who}") for who in ("v1", "v2")]
    side.land_late(60, times=2)
    for write in writes:
        with pytest.raises(OutcomeUnknown):
            side.apply(write)
        clock.advance(1)
    assert side.under_way == 2
    assert side.written == []
    side.mend()
    side.add(Kind.APPOINTMENT, {**VISIT, "who": "v1"})
    clock.advance(58)
    assert list(side.look(writes[1])) == []
    clock.advance(60)
    assert [row["ref"] for row in side.rows(Kind.APPOINTMENT)] == ["", "VB-v2"], "the first one's time was taken"
    assert side.written == writes[1:]
    assert side.under_way == 0


def test_a_write_that_lands_late_and_was_sent_again_with_its_key_is_one(clock: FakeClock) -> None:
    side = MemorySide(memory_capabilities(create=ExactlyOnce.IDEMPOTENCY_KEY), clock=clock)
    write = replace(create(Kind.CLIENT, {}), key="k1")
    side.land_late(60)
    with pytest.raises(OutcomeUnknown):
        side.apply(write)
    made = side.apply(write).id
    clock.advance(61)
    assert [row["id"] for row in side.rows(Kind.CLIENT)] == [made]


def test_versions_in_whole_seconds_hide_a_second_edit(clock: FakeClock) -> None:
    side = MemorySide(clock=clock, whole_seconds=True, page_size=1)
    ids = [side.add(Kind.CLIENT, {}) for _ in range(3)]
    before = side.row(Kind.CLIENT, ids[0])
    side.edit(Kind.CLIENT, ids[0], {"active": False})
    after = side.row(Kind.CLIENT, ids[0])
    assert before is not None
    assert after is not None
    assert before["rev"] == after["rev"]
    pages = list(side.changes(Kind.CLIENT, None))
    assert [each.id for page in pages for each in page.records] == [ids[1], ids[2], ids[0]]
    repeated = [each.id for page in side.changes(Kind.CLIENT, pages[-1].cursor) for each in page.records]
    assert sorted(repeated) == sorted(ids), "from that second on: repeated, and not missed"
    clock.advance(1)
    side.edit(Kind.CLIENT, ids[1], {"active": False})
    assert side.rows(Kind.CLIENT)[1]["rev"] == before["rev"] + 1


def test_a_clock_that_is_set_back_makes_a_poll_blind(clock: FakeClock) -> None:
    side = MemorySide(clock=clock, whole_seconds=True)
    side.add(Kind.CLIENT, {})
    cursor = list(side.changes(Kind.CLIENT, None))[-1].cursor
    clock.advance(10)
    side.skew(-3600)
    made = side.add(Kind.CLIENT, {})
    assert made not in [each.id for page in side.changes(Kind.CLIENT, cursor) for each in page.records]
    assert made in [each.id for page in side.changes(Kind.CLIENT, None) for each in page.records]


def test_what_is_hidden_shows_nowhere_and_takes_no_write() -> None:
    side = MemorySide()
    id_ = side.apply(create(Kind.CLIENT, {"phones": ["1"]})).id
    side.hide([id_])
    assert side.get(Kind.CLIENT, id_) is None
    assert list(side.search(Kind.CLIENT, {"phone": "1"})) == []
    assert list(side.look(create(Kind.CLIENT, {"phones": ["1"]}))) == []
    assert [page.records for page in side.changes(Kind.CLIENT, None)] == [()]
    with pytest.raises(Refused):
        side.apply(Write(operation=Operation.UPDATE, kind=Kind.CLIENT, id=id_, native={"active": False}))
    assert side.row(Kind.CLIENT, id_) is not None
    side.hide(())
    assert side.get(Kind.CLIENT, id_) is not None


@pytest.mark.parametrize("gone", [False, True])
def test_a_merge_moves_what_belonged_to_the_client(gone: bool) -> None:
    side = MemorySide()
    source, into = (side.add(Kind.CLIENT, {}) for _ in range(2))
    pet = side.add(Kind.PET, {"owner": source})
    visit = side.add(Kind.APPOINTMENT, {**VISIT, "owner": source, "pet": pet})
    cursor = list(side.changes(Kind.CLIENT, None))[-1].cursor
    side.merge(Kind.CLIENT, source, into, gone=gone)
    assert [row["owner"] for row in side.rows(Kind.PET) + side.rows(Kind.APPOINTMENT)] == [into, into]
    row = side.row(Kind.CLIENT, source)
    assert row is None if gone else (row is not None and row["active"] is False)
    told = {
        each.id
        for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
        for p in side.changes(kind, cursor)
        for each in p.records
    }
    assert told == {source, pet, visit}
    with pytest.raises(KeyError):
        side.merge(Kind.CLIENT, into, "c99")


def test_a_record_that_is_renumbered_keeps_what_belongs_to_it() -> None:
    side = MemorySide()
    old = side.add(Kind.CLIENT, {"phones": ["1"]})
    side.add(Kind.PET, {"owner": old})
    new = side.renumber(Kind.CLIENT, old)
    assert new != old
    assert side.row(Kind.CLIENT, old) is None
    assert [(row["id"], row["phones"]) for row in side.rows(Kind.CLIENT)] == [(new, ["1"])]
    assert side.rows(Kind.PET)[0]["owner"] == new


def test_an_id_is_given_to_another_record_after_the_first_went() -> None:
    side = MemorySide()
    id_ = side.add(Kind.CLIENT, {"phones": ["1"]})
    with pytest.raises(KeyError):
        side.reuse(Kind.CLIENT, id_, {})
    side.remove(Kind.CLIENT, id_)
    cursor = list(side.changes(Kind.CLIENT, None))[-1].cursor
    side.reuse(Kind.CLIENT, id_, {"phones": ["2"]})
    ((found,),) = [page.records for page in side.changes(Kind.CLIENT, cursor)]
    assert not found.deleted
    assert found.native is not None
    assert found.native["phones"] == ["2"]
    with pytest.raises(KeyError):
        side.reuse(Kind.CLIENT, "c99", {})


def test_filters_may_be_ignored() -> None:
    side = MemorySide()
    ids = [side.add(Kind.CLIENT, {"phones": [str(number)]}) for number in range(2)]
    side.ignore_filters = True
    assert [row["id"] for row in side.search(Kind.CLIENT, {"phone": "1"})] == ids


def test_texts_are_cut_and_put_in_capitals_as_they_come_in() -> None:
    side = MemorySide(redeclared(memory_capabilities(), Kind.CLIENT, text_limits={"family_name": 3}))
    side.recase = True
    write = create(Kind.CLIENT, {"name": {"given": "Zoë", "family": "Ångström"}})
    receipt = side.apply(write)
    assert receipt.native is not None
    assert receipt.native["name"] == {"given": "ZOË", "family": "ÅNG"}
    assert [row["id"] for row in side.look(write)] == [receipt.id]
    id_ = side.add(Kind.CLIENT, {"name": {"given": "As a person typed it"}})
    assert side.row(Kind.CLIENT, id_)["name"]["given"] == "As a person typed it"  # type: ignore[index]


def test_a_file_comes_back_as_it_was_and_goes_with_what_it_hangs_on() -> None:
    pims, booking = MemorySide(), MemorySide(memory_capabilities("booking"))
    jo, ann = (pims.add(Kind.CLIENT, {}) for _ in range(2))
    file = pims.add(Kind.ATTACHMENT, {"client_id": jo, "name": "lab.pdf"}, content=b"\r\n\0" * 50_000)
    assert b"".join(pims.content(file)) == b"\r\n\0" * 50_000
    pims.merge(Kind.CLIENT, jo, ann)
    assert [row["id"] for row in pims.search(Kind.ATTACHMENT, {"client_id": ann})] == [file]
    card = booking.add(Kind.CLIENT, {})
    assert booking.add(Kind.ATTACHMENT, {"client_id": card, "name": "lab.pdf"}).startswith(f"{card}/")
    pims.remove(Kind.ATTACHMENT, file)
    with pytest.raises(Refused) as caught:
        list(pims.content(file))
    assert caught.value.code == "not-found"


def test_what_is_due_stands_on_the_client_of_a_booking_side() -> None:
    side = MemorySide(memory_capabilities("booking"))
    jo = side.add(Kind.CLIENT, {"phones": ["+447700900001"]})
    update = Write(operation=Operation.UPDATE, kind=Kind.REMINDER, id=jo, native={"name": "Rabies", "due_soon": True})
    assert side.apply(update).native == side.get(Kind.REMINDER, jo)
    side.edit(Kind.REMINDER, jo, {"due_soon": False})
    (card,) = side.rows(Kind.REMINDER)
    assert (card["id"], card["name"], card["due_soon"], card["due_on"]) == (jo, "Rabies", False, None)
    assert side.row(Kind.CLIENT, jo) == {**side.rows(Kind.CLIENT)[0], "phones": ["+447700900001"], "rev": 3}
    side.remove(Kind.CLIENT, jo)
    assert side.rows(Kind.REMINDER) == []
    with pytest.raises(ValueError, match="stands on a client"):
        side.add(Kind.REMINDER, {})


def test_a_message_is_counted_and_none_goes_to_who_opted_out() -> None:
    side = MemorySide(memory_capabilities("booking"))
    jo, ann = side.add(Kind.CLIENT, {}), side.add(Kind.CLIENT, {"silent": True})

    def told(id_: str) -> Write:
        return Write(operation=Operation.NOTIFY, kind=Kind.REMINDER, id=id_, native={"text": "Bella is due."})

    side.lose_answers(done=True)
    with pytest.raises(OutcomeUnknown):
        side.apply(told(jo))
    with pytest.raises(Refused) as caught:
        side.apply(told(ann))
    assert caught.value.code == "opted-out"
    assert side.messages == [(jo, "Bella is due.")]


def test_opt_outs_are_mapped_and_written_where_it_is_told_so() -> None:
    side, mapper = MemorySide(memory_capabilities(opt_outs=True)), memory_mapper(opt_outs=True)
    jo = side.add(Kind.CLIENT, {})
    assert mapper.read(Kind.CLIENT, side.rows(Kind.CLIENT)[0]).opted_out is None
    native = mapper.write(Kind.CLIENT, {"opted_out": True})
    side.apply(Write(operation=Operation.UPDATE, kind=Kind.CLIENT, id=jo, native=native))
    assert mapper.read(Kind.CLIENT, side.rows(Kind.CLIENT)[0]).opted_out is True
    assert "opted_out" not in memory_mapper().readable(Kind.CLIENT)
