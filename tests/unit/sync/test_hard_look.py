"""What a hard look at the engine found, each as it ought to be."""

from __future__ import annotations

import pytest
from sqlmodel import select

from tests.rig import Killed, Rig
from tests.stepping import Stepper
from tests.unit.sync.test_both_ways import answer, desk, pet_of
from tests.unit.sync.test_late_writes import Town, doubled
from vetbridge.connector.interface import ExactlyOnce, Unlinked
from vetbridge.core.answers import Choice
from vetbridge.core.errors import Stale, Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, links
from vetbridge.ledger.tables import Action, Review
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities, redeclared

JOHN = ("John", "Smith", "+447912000001", "Bella")
MARY = ("Mary", "Jones", "+447912000002", "Rex")


def at(tmp_path, create=None, changed=ExactlyOnce.LOOK, **more):
    able = memory_capabilities(unlinked=Unlinked.PLACEHOLDER, create=create, changed=changed)
    rig = Rig(tmp_path, pims=MemorySide(able), **more)
    rig.john = rig.owner(*JOHN)
    return rig


def steps(rig, n):
    k = 0
    while k < n and rig.engine.work("t"):
        k += 1
    return k


def listed(rig):
    rig.refresher.pass_()
    rig.receiver.poll_desk()
    rig.receiver.poll()


@pytest.mark.parametrize("what", ["visit", "client"])
def test_a_second_sending_that_surely_failed_says_nothing_about_the_first(tmp_path, what):
    rig = at(tmp_path, ExactlyOnce.IDEMPOTENCY_KEY)
    listed(rig)
    rig.book(*(JOHN if what == "visit" else ("Zoe", "Newcomer", "+447912000003", "Rex")))
    rig.receiver.poll()
    rig.pims.lose_answers(done=True)
    seen = []

    def point(name):
        if name == "intended":
            seen.append(name)
            if len(seen) == 2:
                rig.pims.fail(Unavailable("refused"), 1)

    rig.ledger.close()
    rig.start(point=point)
    rig.settle()
    if what == "visit":
        assert len(rig.visits()) == 1
    else:
        assert [r["name"]["given"] for r in rig.pims.rows(Kind.CLIENT)].count("Zoe") == 1


def test_a_second_sending_that_came_too_late_says_nothing_about_the_first(tmp_path):
    rig = at(tmp_path, ExactlyOnce.IDEMPOTENCY_KEY)
    listed(rig)
    rig.book("Zoe", "Newcomer", "+447912000003", "Rex")
    rig.receiver.poll()
    rig.pims.lose_answers(done=True)
    seen = []

    def point(name):
        if name == "intended":
            seen.append(name)
            if len(seen) == 2:
                rig.clock.advance(rig.timings.lease + 1)

    rig.ledger.close()
    rig.start(point=point)
    rig.settle()
    assert [r["name"]["given"] for r in rig.pims.rows(Kind.CLIENT)].count("Zoe") == 1


def test_what_is_lost_again_and_again_is_sent_less_and_less_often(tmp_path):
    rig = at(tmp_path, ExactlyOnce.IDEMPOTENCY_KEY)
    listed(rig)
    rig.book(*JOHN)
    rig.receiver.poll()
    rig.pims.lose_answers(done=False, times=500)
    rig.clock.now()
    n = 0
    while n < 200:
        lease = rig.engine._claim("t")
        if lease is None:
            break
        rig.engine.step(lease)
        rig.engine._release([lease])
        n += 1
    assert n < 20


@pytest.mark.parametrize("by", ["crash"])
def test_an_old_update_is_not_sent_again_over_what_the_desk_did_since(tmp_path, by):
    rig = at(tmp_path, changed=ExactlyOnce.IDEMPOTENCY_KEY)
    id_ = rig.book(*JOHN)
    rig.run()

    def die(name):
        if name == "intended":
            raise Killed

    rig.ledger.close()
    rig.start(point=die)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": "2026-06-01T10:00:00+01:00"})
    listed(rig)
    with pytest.raises(Killed):
        rig.work()
    rig.pims.edit(Kind.APPOINTMENT, rig.visits()[0]["id"], {"start": "2026-06-02T16:00:00+01:00"})
    rig.ledger.close()
    rig.clock.advance(3600)
    rig.start()
    listed(rig)
    rig.settle()
    assert rig.visits()[0]["start"][:10] == "2026-06-02"


def test_what_a_person_found_there_is_linked_once_a_listing_shows_it(tmp_path):
    rig = at(tmp_path, ExactlyOnce.NONE)
    rig.pims.lose_answers(done=True)
    rig.book(*JOHN)
    rig.run()
    answer(rig, rig.questions()[0].id, Choice.KEEP)
    rig.settle()
    listed(rig)
    rig.pims.calls["get"]
    rig.settle(limit=120)
    assert not [e for e in rig.endings() if e[0] == "waiting"]


def test_a_booking_that_landed_late_and_twice_is_asked_about(tmp_path):
    clock = FakeClock()
    rig = Rig(tmp_path, clock=clock, booking=MemorySide(memory_capabilities("booking"), clock=clock))
    john = rig.owner(*JOHN)
    rig.booking.add(Kind.CLIENT, {"name": {"given": "John", "family": "Smith"}, "phones": ["+447912000001"]})
    rig.booking.add(Kind.PET, {"owner": rig.booking.rows(Kind.CLIENT)[0]["id"], "name": "Bella", "species": "D"})
    desk(rig, john, pet_of(rig, john))
    rig.booking.land_late(500)
    rig.run()
    clock.advance(600)
    listed(rig)
    rig.settle(limit=300)
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 2
    assert [q.why for q in rig.questions()] == ["found-twice"]


def test_a_worker_that_lost_its_lane_reserves_nothing(tmp_path, monkeypatch):
    rig = at(tmp_path)
    listed(rig)
    rig.book("Zoe", "Newcomer", "+447912000003", "Rex")
    rig.receiver.poll()
    stepper = Stepper()
    real = MemorySide.search

    def slow(side, kind, query):
        found = list(real(side, kind, query))
        if side is rig.pims and kind is Kind.APPOINTMENT:
            stepper.point("searching")
        return iter(found)

    monkeypatch.setattr(MemorySide, "search", slow)
    w = stepper.start("slow", rig.work)
    assert w.at == "searching"
    rig.clock.advance(rig.timings.lease + 1)
    rig.settle()
    assert len(rig.visits()) == 1
    stepper.finish()
    rig.settle()
    rig.book("Zoe", "Newcomer", "+447912000003", "Rex")
    listed(rig)
    rig.settle(limit=600)
    assert len(rig.visits()) == 2


def test_what_an_expired_change_had_reserved_is_free(tmp_path, monkeypatch):
    rig = at(tmp_path)
    listed(rig)
    rig.book("Zoe", "Newcomer", "+447912000003", "Rex", hours=2)
    rig.receiver.poll()
    real = MemorySide.search
    on = [True]

    def die(side, kind, query):
        if on[0] and side is rig.pims and kind is Kind.CLIENT:
            raise Killed
        return real(side, kind, query)

    monkeypatch.setattr(MemorySide, "search", die)
    with pytest.raises(Killed):
        rig.work()
    on[0] = False
    rig.ledger.close()
    rig.clock.advance(3 * 3600)
    rig.start()
    with rig.ledger.write() as tx:
        assert changes.expire(tx) == 1
    rig.book("Zoe", "Newcomer", "+447912000003", "Rex")
    listed(rig)
    rig.settle(limit=600)
    assert len(rig.visits()) == 1


def test_another_visit_and_a_booking_that_is_gone_come_to_an_end(tmp_path):
    rig = at(tmp_path)
    mary = rig.owner(*MARY)
    for _n in range(3):
        rig.book(*JOHN)
    booking = rig.book(*JOHN)
    rig.run()
    visit = rig.visits()[-1]["id"]
    rig.pims.remove(Kind.APPOINTMENT, visit)
    rig.pims.reuse(
        Kind.APPOINTMENT,
        visit,
        {
            "owner": mary,
            "pet": pet_of(rig, mary),
            "start": "2026-06-01T10:00:00+01:00",
            "seconds": 900,
            "type": "1",
            "who": "v1",
        },
    )
    rig.booking.remove(Kind.APPOINTMENT, booking)
    rig.run()
    rig.clock.advance(700)
    rig.run()
    assert [q.why for q in rig.questions()] == ["id-reused"]
    answer(rig, rig.questions()[0].id, Choice.AGAIN)
    rig.run()
    assert not [e for e in rig.endings() if e[0] in ("received", "waiting")]


@pytest.mark.parametrize("which", [0, 1])
def test_of_two_visits_staff_may_cancel_the_one_too_many(tmp_path, which, monkeypatch):
    town = Town(tmp_path, monkeypatch)
    doubled(town)
    rig = town.rig
    rig.settle()
    assert [q.why for q in rig.questions()] == ["found-twice"]
    off = rig.visits()[which]["id"]
    rig.pims.edit(Kind.APPOINTMENT, off, {"state": "cancelled"})
    answer(rig, rig.questions()[0].id, Choice.AGAIN)
    town.refresh()
    rig.settle()
    assert rig.questions() == ()


@pytest.mark.parametrize("which", [0, 1])
def test_of_two_visits_the_one_that_stands_is_kept(tmp_path, which, monkeypatch):
    town = Town(tmp_path, monkeypatch)
    doubled(town)
    rig = town.rig
    rig.settle()
    off = rig.visits()[which]["id"]
    rig.pims.edit(Kind.APPOINTMENT, off, {"state": "cancelled"})
    answer(rig, rig.questions()[0].id, Choice.KEEP)
    town.refresh()
    rig.settle()
    town.refresh()
    rig.settle()
    assert [r["state"] for r in rig.booking.rows(Kind.APPOINTMENT)] == ["booked"]


def test_one_miss_makes_no_copy_at_another_time_the_visit_itself(tmp_path):
    rig = at(tmp_path)
    booking = rig.book("Igor", "Stravinsky", "+447912000001", "Firebird")
    rig.run()
    row = rig.visits()[0]
    old = row["id"]
    copy = {k: v for k, v in row.items() if k not in ("id", "rev", "ref")}
    rig.pims.add(Kind.APPOINTMENT, {**copy, "start": "2026-07-01T10:00:00+01:00"})
    rig.pims.hide([old])
    listed(rig)
    rig.settle(limit=60)
    rig.pims.hide([])
    rig.run()
    rig.sweeper.sweep()
    rig.run()
    assert rig.booking.row(Kind.APPOINTMENT, booking)["start"][:10] == row["start"][:10]


def test_a_visit_that_got_another_id_before_its_booking_was_read(tmp_path):
    able = memory_capabilities(unlinked=Unlinked.PLACEHOLDER)
    able = redeclared(able, Kind.APPOINTMENT, deletions_visible=False)
    rig = Rig(tmp_path, pims=MemorySide(able))
    john = rig.owner(*JOHN)
    rig.refresher.pass_()
    desk(rig, john, pet_of(rig, john))
    rig.receiver.poll_desk()
    rig.settle()
    rig.pims.renumber(Kind.APPOINTMENT, rig.visits()[0]["id"])
    rig.receiver.poll_desk()
    rig.settle()
    assert ("failed", "bug") not in rig.endings()


def test_bookings_of_a_vet_that_nobody_shows_any_more_do_not_wait_for_ever(tmp_path):
    rig = at(tmp_path)
    for n in range(6):
        rig.book(*JOHN, hours=50 + n)
    two = [rig.book(*JOHN, hours=100 + n, who="v2") for n in range(2)]
    rig.run()
    for id_ in two:
        rig.booking.remove(Kind.APPOINTMENT, id_)
    rig.run()
    for _ in range(3):
        rig.clock.advance(24 * 3600)
        with rig.ledger.write() as tx:
            changes.expire(tx)
        rig.run()
    rig.clock.advance(72 * 3600)
    with rig.ledger.write() as tx:
        changes.expire(tx)
    assert not [e for e in rig.endings() if e[0] == "waiting"]


def test_a_side_that_always_says_that_the_record_has_moved_is_asked_less_and_less_often(tmp_path, monkeypatch):
    rig = at(tmp_path, changed=ExactlyOnce.CONDITIONAL)
    id_ = rig.book(*JOHN)
    rig.run()
    real = MemorySide.apply

    def no(side, write):
        if side is rig.pims:
            raise Stale("moved")
        return real(side, write)

    monkeypatch.setattr(MemorySide, "apply", no)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": "2026-06-01T10:00:00+01:00"})
    listed(rig)
    with rig.ledger.read() as tx:
        n0 = len(tx.session.exec(select(Action)).all())
    rig.clock.now()
    rig.settle(limit=10)
    with rig.ledger.read() as tx:
        n1 = len(tx.session.exec(select(Action)).all())
    assert n1 - n0 < 20


def test_a_contact_that_was_changed_back_needs_nobody(tmp_path):
    rig = at(tmp_path)
    rig.book(*JOHN)
    rig.run()
    card = rig.booking.rows(Kind.CLIENT)[0]["id"]
    rig.booking.edit(Kind.CLIENT, card, {"phones": ["+447912000077"]})
    rig.run()
    assert [q.why for q in rig.questions()] == ["contact-changed"]
    rig.booking.edit(Kind.CLIENT, card, {"phones": ["+447912000001"]})
    rig.run()
    assert rig.questions() == ()


def test_an_answer_about_a_client_who_is_another_by_now_is_closed(tmp_path):
    rig = at(tmp_path)
    rig.book(*JOHN)
    rig.run()
    card = rig.booking.rows(Kind.CLIENT)[0]["id"]
    rig.booking.edit(Kind.CLIENT, card, {"phones": ["+447912000077"]})
    rig.run()
    (q,) = rig.questions()
    rig.pims.edit(
        Kind.CLIENT, rig.john, {"name": {"given": "Igor", "family": "Stravinsky"}, "phones": ["+447912000099"]}
    )
    answer(rig, q.id, Choice.BOOKING)
    rig.run()
    with rig.ledger.read() as tx:
        r = tx.session.get(Review, q.id)
        assert r.applied_at is not None or r.state != "answered"


def test_a_crash_does_not_forget_that_a_client_is_another(tmp_path):
    rig = at(tmp_path)
    rig.book(*JOHN)
    rig.run()
    john = rig.john
    for pet in [row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == john]:
        rig.pims.remove(Kind.PET, pet)
    rig.pims.remove(Kind.CLIENT, john)
    rig.pims.reuse(
        Kind.CLIENT, john, {"name": {"given": "Igor", "family": "Stravinsky"}, "phones": ["+447912000099"]}
    )
    rig.pims.add(Kind.PET, {"owner": john, "name": "Bella", "species": "D"})
    rig.book(*JOHN)
    die = [True]

    def point(name):
        if name == "intended" and die[0]:
            die[0] = False
            raise Killed

    rig.ledger.close()
    rig.start(point=point)
    listed(rig)
    with pytest.raises(Killed):
        rig.settle()
    rig.ledger.close()
    rig.start()
    rig.settle()
    assert [one.why for one in rig.questions()] == ["client-is-another"]


def test_a_namesake_under_the_same_id_gets_no_booking(tmp_path):
    rig = at(tmp_path)
    rig.book(*JOHN)
    rig.run()
    john = rig.john
    rig.pims.remove(Kind.CLIENT, john)
    rig.pims.reuse(
        Kind.CLIENT,
        john,
        {"name": {"given": "Vera", "family": "Smith"}, "phones": ["+447912000099"], "emails": ["vera@x.org"]},
    )
    for pet in [row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == john]:
        rig.pims.remove(Kind.PET, pet)
    rig.pims.add(Kind.PET, {"owner": john, "name": "Bella", "species": "D"})
    rig.book(*JOHN)
    rig.run()
    assert rig.visits()[-1]["owner"] != john


def test_a_booking_that_a_slow_worker_made_twice_is_asked_about(tmp_path, monkeypatch):
    rig = Rig(tmp_path)
    john = rig.owner(*JOHN)
    rig.booking.add(Kind.CLIENT, {"name": {"given": "John", "family": "Smith"}, "phones": ["+447912000001"]})
    rig.booking.add(Kind.PET, {"owner": rig.booking.rows(Kind.CLIENT)[0]["id"], "name": "Bella", "species": "D"})
    listed(rig)
    desk(rig, john, pet_of(rig, john))
    rig.receiver.poll_desk()
    stepper = Stepper()
    real = MemorySide.apply

    def slow(side, write):
        if side is rig.booking:
            stepper.point("sending")
        return real(side, write)

    monkeypatch.setattr(MemorySide, "apply", slow)
    w = stepper.start("slow", rig.work)
    assert w.at == "sending"
    rig.clock.advance(rig.timings.lease + 1)
    rig.settle()
    stepper.finish()
    rig.settle()
    listed(rig)
    rig.booking.calls["get"]
    rig.settle(limit=120)
    assert [q.why for q in rig.questions()] == ["found-twice"]


def test_of_two_clients_that_are_both_kept_the_link_stays(tmp_path, monkeypatch):
    rig = Rig(tmp_path)
    listed(rig)
    rig.book("Zoe", "Newcomer", "+447912000003", "Rex")
    rig.receiver.poll()
    stepper = Stepper()
    real = MemorySide.apply

    def slow(side, write):
        if side is rig.pims:
            stepper.point("sending")
        return real(side, write)

    monkeypatch.setattr(MemorySide, "apply", slow)
    stepper.start("slow", rig.work)
    rig.clock.advance(rig.timings.lease + 1)
    rig.settle()
    [r["id"] for r in rig.pims.rows(Kind.CLIENT) if r["name"]["given"] == "Zoe"]
    stepper.finish()
    rig.settle()
    [r["id"] for r in rig.pims.rows(Kind.CLIENT) if r["name"]["given"] == "Zoe"]
    assert [q.why for q in rig.questions()] == ["found-twice"]
    answer(rig, rig.questions()[0].id, Choice.KEEP)
    listed(rig)
    rig.settle()
    card = rig.booking.rows(Kind.CLIENT)[0]["id"]
    with rig.ledger.read() as tx:
        link = links.of_booking(tx, "booking", Kind.CLIENT, card)
    assert rig.visits()[0]["owner"] == link.pims_id


@pytest.mark.parametrize("windows", [True, False])
def test_what_the_first_sending_made_is_no_new_visit_of_the_desk(tmp_path, windows):
    able = memory_capabilities(unlinked=Unlinked.PLACEHOLDER, create=ExactlyOnce.IDEMPOTENCY_KEY)
    if not windows:
        able = redeclared(able, Kind.APPOINTMENT, search=frozenset({"client_id"}))
    rig = Rig(tmp_path, pims=MemorySide(able))
    rig.owner(*JOHN)
    listed(rig)
    rig.book(*JOHN)
    rig.receiver.poll()
    rig.pims.lose_answers(done=True)
    seen = []

    def point(name):
        if name == "intended":
            seen.append(name)
            if len(seen) == 2:
                rig.pims.fail(Unavailable("refused"), 1)

    rig.ledger.close()
    rig.start(point=point)
    rig.settle()
    rig.run()
    assert (len(rig.visits()), len(rig.booking.rows(Kind.APPOINTMENT))) == (1, 1)


def test_a_client_that_nobody_can_search_is_made_once(tmp_path):
    able = memory_capabilities(unlinked=Unlinked.PLACEHOLDER, create=ExactlyOnce.IDEMPOTENCY_KEY)
    able = redeclared(able, Kind.CLIENT, search=frozenset())
    rig = Rig(tmp_path, pims=MemorySide(able))
    listed(rig)
    rig.book("Zoe", "Newcomer", "+447912000003", "Rex")
    rig.receiver.poll()
    rig.pims.lose_answers(done=True)
    seen = []

    def point(name):
        if name == "intended":
            seen.append(name)
            if len(seen) == 2:
                rig.pims.fail(Unavailable("refused"), 1)

    rig.ledger.close()
    rig.start(point=point)
    rig.settle()
    rig.run()
    assert [r["name"]["given"] for r in rig.pims.rows(Kind.CLIENT)].count("Zoe") == 1


def test_a_move_while_an_answer_was_lost_arrives(tmp_path):
    rig = Rig(tmp_path)
    john = rig.owner(*JOHN)
    rig.booking.add(Kind.CLIENT, {"name": {"given": "John", "family": "Smith"}, "phones": ["+447912000001"]})
    rig.booking.add(Kind.PET, {"owner": rig.booking.rows(Kind.CLIENT)[0]["id"], "name": "Bella", "species": "D"})
    listed(rig)
    made = desk(rig, john, pet_of(rig, john))
    rig.receiver.poll_desk()
    rig.booking.lose_answers(done=True)
    rig.work()
    assert rig.endings() == [("waiting", "outcome-unknown")]
    rig.pims.edit(Kind.APPOINTMENT, made, {"start": "2026-06-01T10:00:00+01:00"})
    for _ in range(3):
        listed(rig)
        rig.settle()
        rig.sweeper.sweep()
        rig.settle()
        rig.clock.advance(600)
    assert rig.booking.rows(Kind.APPOINTMENT)[0]["start"][:10] == "2026-06-01"


def test_what_the_desk_does_after_a_keep_arrives(tmp_path):
    rig = at(tmp_path, changed=ExactlyOnce.NONE)
    id_ = rig.book(*JOHN)
    rig.run()
    rig.pims.lose_answers(done=True)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": "2026-06-01T10:00:00+01:00"})
    rig.run()
    assert [q.why for q in rig.questions()] == ["outcome-unknown"]
    answer(rig, rig.questions()[0].id, Choice.KEEP)
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, rig.visits()[0]["id"], {"start": "2026-06-03T10:00:00+01:00"})
    rig.run()
    rig.sweeper.sweep()
    rig.run()
    assert rig.booking.row(Kind.APPOINTMENT, id_)["start"][:10] == "2026-06-03" or rig.questions()


def test_a_namesake_under_the_same_id_is_not_written_on_the_card(tmp_path):
    rig = at(tmp_path)
    rig.book(*JOHN)
    rig.run()
    john = rig.john
    rig.pims.remove(Kind.CLIENT, john)
    rig.pims.reuse(
        Kind.CLIENT,
        john,
        {"name": {"given": "Vera", "family": "Smith"}, "phones": ["+447912000099"], "emails": ["vera@x.org"]},
    )
    rig.run()
    assert "+447912000099" not in str(rig.booking.rows(Kind.CLIENT))


def test_visits_of_a_vet_that_nobody_shows_any_more_are_asked_about_before_they_begin(tmp_path):
    rig = at(tmp_path)
    for n in range(6):
        rig.book(*JOHN, hours=50 + n)
    two = [rig.book(*JOHN, hours=100 + n, who="v2") for n in range(2)]
    rig.run()
    for row in rig.visits()[-2:]:
        rig.pims.remove(Kind.APPOINTMENT, row["id"])
    rig.run()
    for _ in range(7):
        rig.clock.advance(12 * 3600)
        with rig.ledger.write() as tx:
            changes.expire(tx)
        rig.run()
    assert rig.questions() or [rig.booking.row(Kind.APPOINTMENT, i)["state"] for i in two] == ["cancelled"] * 2
