"""What becomes of a change: every ending, every wait, and that one change never takes another one down."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.ledgers import contents
from tests.rig import Killed, Rig
from vetbridge.core.errors import AuthFailed, BadAnswer, RateLimited, Refused, SlotTaken, Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts

POINTS = ("read", "intended", "sent", "answered", "before-settle", "settled")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_booking_of_a_known_owner_is_linked(rig: Rig) -> None:
    owner = rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.book("Jon", "Smyth", "07912 000001", "Bella")
    rig.run()

    assert rig.endings() == [("done", "matched")]
    (visit,) = rig.visits()
    assert visit["owner"] == owner
    evidence = {one["field"]: one for one in rig.evidence(Kind.APPOINTMENT)}
    levels = {name: evidence[name]["level"] for name in ("phone", "family_name", "given_name", "pet_name")}
    assert levels == {"phone": "exact", "family_name": "near", "given_name": "short", "pet_name": "exact"}
    assert evidence["phone"]["weight"] > 5 > evidence["prior"]["weight"]


def test_the_same_phone_with_another_pet_and_name_is_a_question(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.book("Eva", "Novak", "+447912000001", "Rex")
    rig.run()

    assert [state for state, _ in rig.endings()] == ["review"]
    (visit,) = rig.visits()
    assert visit["owner"] == rig.placeholder.client_id
    (question,) = rig.questions()
    assert question.why == "names-differ"


def test_an_owner_without_that_pet_gets_it(rig: Rig) -> None:
    owner = rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.book("John", "Smith", "+447912000001", "Xavier")
    rig.run()

    (visit,) = rig.visits()
    assert visit["owner"] == owner
    pet = rig.pims.row(Kind.PET, visit["pet"])
    assert pet is not None
    assert (pet["name"], pet["owner"]) == ("Xavier", owner)


def test_nobody_is_new_before_all_clients_were_read(rig: Rig) -> None:
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex")
    rig.receiver.poll()
    rig.work()
    assert rig.endings() == [("waiting", "mirror-incomplete")]

    rig.refresher.pass_()
    rig.settle()
    assert rig.endings() == [("done", "created")]


def test_two_bookings_of_one_new_owner_make_one_client(rig: Rig) -> None:
    rig.refresher.pass_()
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex", owner="card one")
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex", owner="card two", hours=50)
    rig.run()

    assert [state for state, _ in rig.endings()] == ["done", "done"]
    assert len({visit["owner"] for visit in rig.visits()}) == 1
    assert len(rig.pims.rows(Kind.CLIENT)) == 2  # the placeholder, and Zoe


def test_one_new_pet_booked_at_once_from_two_cards_is_made_once(rig: Rig) -> None:
    owner = rig.owner("John", "Smith", "+447912000001", "Bella", phones=["+447912000001", "+447912000002"])
    rig.refresher.pass_()
    rig.book("John", "Smith", "+447912000001", "Xavier", owner="card one")
    rig.book("John", "Smith", "+447912000002", "Xavier", owner="card two", hours=60)
    met: list[str] = []

    def at(point: str) -> None:
        if point == "intended" and not met:
            met.append(point)
            rig.engine.work("another worker")

    rig.start(point=at)
    rig.receiver.poll()
    rig.settle()

    assert met
    assert [state for state, _ in rig.endings()] == ["done", "done"]
    pets = [pet for pet in rig.pims.rows(Kind.PET) if pet["owner"] == owner]
    assert [pet["name"] for pet in pets] == ["Bella", "Xavier"]
    assert [visit["pet"] for visit in rig.visits()] == [pets[1]["id"]] * 2


def test_a_client_that_only_the_live_search_finds_is_not_made_again(rig: Rig) -> None:
    rig.refresher.pass_()
    owner = rig.owner("Zoe", "Newcomer", "+447912000009", "Rex")  # after the mirror was read
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex")
    rig.receiver.poll()
    rig.settle()

    assert [visit["owner"] for visit in rig.visits()] == [owner]


def test_a_move_is_one_update_and_a_cancel_keeps_the_row(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    moved = (rig.clock.now() + timedelta(hours=72)).isoformat()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": moved})
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()

    assert rig.endings() == [("done", "matched"), ("done", "updated"), ("done", "cancelled")]
    (visit,) = rig.visits()
    assert visit["state"] == "cancelled"
    assert [write.operation for write in rig.pims.written] == ["create", "update", "cancel"]


def test_staffs_own_words_in_the_notes_survive_a_change(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    id_ = rig.book("John", "Smith", "+447912000001", "Bella", notes="limps")
    rig.run()
    (visit,) = rig.visits()
    rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"notes": "BRING X-RAYS\n" + visit["notes"] + "\nroom 2"})
    rig.booking.edit(Kind.APPOINTMENT, id_, {"notes": "limps a lot"})
    rig.run()

    (visit,) = rig.visits()
    assert visit["notes"].startswith("BRING X-RAYS\n")
    assert visit["notes"].endswith("\nroom 2")
    assert "limps a lot" in visit["notes"]


def test_gone_counts_only_after_two_misses_while_another_booking_reads(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.owner("Mary", "Jones", "+447912000002", "Rex")
    gone = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.book("Mary", "Jones", "+447912000002", "Rex")
    rig.run()
    rig.booking.remove(Kind.APPOINTMENT, gone)
    rig.hint(gone)
    rig.work()
    assert rig.endings()[-1] == ("waiting", "not-found")
    assert all(visit["state"] == "booked" for visit in rig.visits())

    rig.settle()
    assert rig.endings()[-1] == ("done", "cancelled")
    assert sorted(visit["state"] for visit in rig.visits()) == ["booked", "cancelled"]


def test_when_nothing_else_reads_either_nothing_is_cancelled(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    gone = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.remove(Kind.APPOINTMENT, gone)
    rig.hint(gone)
    rig.settle(limit=1000)

    assert rig.endings()[-1] == ("waiting", "not-found-unsure")
    assert [visit["state"] for visit in rig.visits()] == ["booked"]


def test_a_hint_about_nothing_ends(rig: Rig) -> None:
    rig.hint("no-such-booking")
    rig.settle()
    assert rig.endings() == [("skipped", "gone-before-written")]


def test_a_hint_that_comes_during_the_work_is_read_again(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    id_ = rig.book("John", "Smith", "+447912000001", "Bella", notes="one")
    rig.refresher.pass_()
    done: list[str] = []

    def at(point: str) -> None:
        if point == "sent" and not done:
            done.append(point)
            rig.booking.edit(Kind.APPOINTMENT, id_, {"notes": "two"})
            rig.hint(id_)

    rig.start(point=at)
    rig.hint(id_)
    rig.settle()

    (visit,) = rig.visits()
    assert "two" in visit["notes"]
    assert [state for state, _ in rig.endings()] == ["done"]


def test_one_unmapped_booking_fails_alone_and_says_which_code(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.book("John", "Smith", "+447912000001", "Bella", type="99")
    rig.book("John", "Smith", "+447912000001", "Bella", hours=60)
    rig.run()

    assert rig.endings() == [("failed", "mapping"), ("done", "matched")]
    assert "99" in rig.changes()[0].message


def test_what_failed_is_tried_again_neither_at_every_poll_nor_by_a_restart(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.book("John", "Smith", "+447912000001", "Bella", type="99")
    rig.run()
    reads = rig.booking.calls["get"]
    with rig.ledger.write() as tx:
        accounts.move_cursor(tx, "booking", Kind.APPOINTMENT, "0")
    rig.run()
    assert rig.endings() == [("failed", "mapping")]
    assert rig.booking.calls["get"] == reads

    rig.start()
    rig.settle()
    assert rig.endings() == [("failed", "mapping")]
    assert rig.booking.calls["get"] == reads


def test_a_later_change_takes_the_failed_one_off_the_list(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    id_ = rig.book("John", "Smith", "+447912000001", "Bella", type="99")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"type": "2"})
    rig.run()

    assert rig.endings() == [("skipped", "superseded"), ("done", "matched")]


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (Refused("no"), ("failed", "refused")),
        (SlotTaken("no"), ("review", "slot-taken")),
        (BadAnswer("?"), ("failed", "bad-answer")),
    ],
)
def test_what_the_pims_will_not_take_ends_with_its_reason(
    rig: Rig, error: Exception, ending: tuple[str, str]
) -> None:
    rig.refresher.pass_()
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex")
    rig.receiver.poll()
    rig.pims.fail(error)  # type: ignore[arg-type]
    rig.settle()
    assert rig.endings() == [ending]
    assert rig.visits() == []


def test_an_outage_pauses_its_account_and_loses_nothing(rig: Rig) -> None:
    rig.refresher.pass_()
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex")
    rig.receiver.poll()
    rig.pims.fail(Unavailable("down"), times=3)
    rig.work()
    assert rig.endings() == [("waiting", "unavailable")]
    with rig.ledger.read() as tx:
        assert accounts.not_answering(tx) == {"pims"}

    rig.settle()
    assert rig.endings() == [("done", "created")]
    with rig.ledger.read() as tx:
        assert accounts.get(tx, "pims").failures == 0


def test_a_pause_that_the_vendor_asks_for_is_kept(rig: Rig) -> None:
    rig.refresher.pass_()
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex")
    rig.receiver.poll()
    rig.pims.fail(RateLimited("slow down", wait=90, budget="all"), times=1)
    rig.work()
    assert rig.endings() == [("waiting", "rate-limited")]
    assert rig.engine.idle_for() == pytest.approx(90, abs=1)
    rig.settle()
    assert rig.endings() == [("done", "created")]


def test_refused_credentials_block_the_account_until_a_restart(rig: Rig) -> None:
    rig.refresher.pass_()
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex")
    rig.receiver.poll()
    rig.pims.fail(AuthFailed("401"), times=1)
    rig.settle()
    assert rig.endings() == [("waiting", "auth-failed")]

    rig.start()
    rig.settle()
    assert rig.endings() == [("done", "created")]


def test_a_visit_that_began_before_it_could_be_written_is_a_failure_not_silence(rig: Rig) -> None:
    rig.refresher.pass_()
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex", hours=1)
    rig.receiver.poll()
    rig.pims.fail(Unavailable("down"))
    rig.work()
    rig.clock.advance(2 * 3600)
    rig.pims.mend()
    rig.refresher.pass_()
    rig.settle()

    assert rig.endings() == [("failed", "expired")]
    assert rig.visits() == []


def test_a_visit_of_the_past_is_not_carried_over(rig: Rig) -> None:
    rig.refresher.pass_()
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex", hours=-24)
    rig.run()
    assert rig.endings() == [("skipped", "visit-has-begun")]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_it_ends_the_same(tmp_path: Path, point: str, nth: int, known: bool) -> None:
    rig = Rig(tmp_path)
    if known:
        rig.owner("Zoe", "Newcomer", "+447912000009", "Rex")
    rig.refresher.pass_()
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex")
    rig.receiver.poll()
    left = nth

    def at(reached: str) -> None:
        nonlocal left
        if reached == point:
            left -= 1
            if left == 0:
                raise Killed

    rig.start(point=at)
    try:
        rig.settle()
    except Killed:
        rig.start()
        rig.settle()

    clients, pets, visits = (rig.pims.rows(kind) for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT))
    assert (len(clients), len(pets), len(visits)) == (2, 2, 1)  # the placeholder's, and hers
    assert visits[0]["owner"] == clients[1]["id"]
    assert {state for state, _ in rig.endings()} == {"done"}


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_lost_answers_write_nothing_twice(rig: Rig, done: bool, times: int) -> None:
    rig.refresher.pass_()
    rig.book("Zoe", "Newcomer", "+447912000009", "Rex")
    rig.receiver.poll()
    rig.pims.lose_answers(done=done, times=times)
    rig.settle()

    assert (len(rig.pims.rows(Kind.CLIENT)), len(rig.pims.rows(Kind.PET)), len(rig.visits())) == (2, 2, 1)
    assert [state for state, _ in rig.endings()] == ["done"]


def test_a_parked_visit_whose_answer_was_lost_is_still_asked_about(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.book("Eva", "Novak", "+447912000001", "Rex")
    rig.refresher.pass_()
    rig.receiver.poll()
    rig.pims.lose_answers(done=True)
    rig.settle()

    assert [state for state, _ in rig.endings()] == ["review"]
    assert len(rig.visits()) == 1
    assert len(rig.questions()) == 1


def test_a_cancelled_booking_closes_its_question(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    id_ = rig.book("Eva", "Novak", "+447912000001", "Rex")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()

    assert rig.questions() == ()
    assert [visit["state"] for visit in rig.visits()] == ["cancelled"]


def test_nothing_personal_stands_in_the_ledger_file_or_in_messages(rig: Rig) -> None:
    rig.owner("Hildegard", "Quasimodo", "+447912000001", "Zerberus")
    rig.book("Eva", "Xanthippe", "+447912000001", "Nebukadnezar", notes="planted words")
    rig.book("Hildegard", "Quasimodo", "+447912000001", "Zerberus")
    rig.run()
    rig.ledger.close()

    content = contents(rig.place)
    for planted in ("Hildegard", "Quasimodo", "Zerberus", "Xanthippe", "Nebukadnezar", "7912000001", "planted words"):
        assert planted.encode() not in content, planted
