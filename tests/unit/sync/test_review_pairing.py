"""Going live, looked at as a stranger would: a pass that is cut off, records that cannot be read, what people do to
paired visits afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.ledgers import ledger_place
from tests.rig import Killed
from tests.unit.sync.test_pairing import Town
from vetbridge.connector.accounted import Accounted
from vetbridge.connector.interface import Page
from vetbridge.core.answers import PAIR_VISIT, SLOT_TAKEN, Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.once import Outcome, pass_for_client
from vetbridge.daemon.rounds import Rounds
from vetbridge.ledger import accounts, going_live, reviews
from vetbridge.ledger.tables import ChangeState
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync.engine import Engine
from vetbridge.sync.pair import End
from vetbridge.testing.memory import MemorySide, redeclared

PHONE = "+447912000001"
ANN = ("Ann", "Weiss", "+447912000077")


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


@pytest.fixture
def program(town: Town) -> Program:
    rig = town.rig
    parts: dict[str, Any] = {
        "ledger": rig.ledger,
        "engine": rig.engine,
        "clock": rig.clock,
        "pairs": [rig.pair],
        "pairers": {"town": rig.pairer},
        "refreshers": {"pims": rig.refresher},
        "timings": rig.timings,
        "connecting": {},
        "loaded": SimpleNamespace(config=SimpleNamespace(daemon=SimpleNamespace(workers=1))),
    }
    return cast(Program, SimpleNamespace(**parts))


@pytest.fixture
def rounds(program: Program) -> Rounds:
    return Rounds(program)


def john(town: Town, pet: str = "Bella", *, hours: float, **more: Any) -> str:
    """A booking of the owner of the town's only dog."""
    return town.rig.book("John", "Smith", PHONE, pet, hours=hours, **more)


def ann(town: Town, *, hours: float, **more: Any) -> str:
    """A visit of another owner, that stands in the PIMS alone."""
    client = town.rig.owner(*ANN, "Tom")
    return town.visit(client, town.pet_of(client), hours=hours, **more)


def rocky(town: Town) -> str:
    """A second dog of the same owner."""
    return town.rig.pims.add(Kind.PET, {"owner": town.smith, "name": "Rocky", "species": "D"})


def two_lines(town: Town) -> tuple[str, str, str]:
    """Two bookings, one for each dog, that the PIMS keeps as one visit."""
    rocky(town)
    first, second = john(town, hours=30), john(town, "Rocky", hours=30)
    visit = town.visit(town.smith, town.bella, hours=30)
    town.go_live()
    assert town.linked(Kind.APPOINTMENT) == {first: visit}
    return first, second, visit


def two_visits(town: Town) -> tuple[str, str, str]:
    """One booking that the PIMS keeps as two visits, one for each dog."""
    other = rocky(town)
    booking = john(town, hours=30)
    first, second = town.visit(town.smith, town.bella, hours=30), town.visit(town.smith, other, hours=30)
    town.go_live()
    assert town.linked(Kind.APPOINTMENT) == {booking: first}
    return booking, first, second


def then(town: Town, hours: float) -> str:
    return (town.rig.clock.now() + timedelta(hours=hours)).isoformat()


def put(town: Town, side: MemorySide, id_: str, hours: float) -> None:
    """People at a side put a visit to another time."""
    side.edit(Kind.APPOINTMENT, id_, {"start": then(town, hours)})


def cancel(side: MemorySide, id_: str) -> None:
    side.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})


def bookings(town: Town) -> list[str]:
    """Those that stand."""
    return [row["id"] for row in town.rig.booking.rows(Kind.APPOINTMENT) if row["state"] != "cancelled"]


def visits(town: Town) -> list[str]:
    """Those that stand."""
    return [row["id"] for row in town.rig.visits() if row["state"] != "cancelled"]


def asked(town: Town) -> list[str]:
    return [item.why for item in town.rig.questions()]


# -- one pass -----------------------------------------------------------------------------------------------------


def test_a_pass_that_is_killed_before_the_second_pets_visit_is_made_up_for(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = rocky(town)
    john(town, hours=30)
    town.visit(town.smith, town.bella, hours=30)
    town.visit(town.smith, other, hours=30)
    before = town.counts()

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(town.rig.pairer, "_member", killed)
    with pytest.raises(Killed):
        town.rig.pair_up()
    town.rig.start()
    town.go_live()
    assert town.counts() == before


def test_a_second_pet_that_is_entered_in_the_shadow_shares_the_booking_too(town: Town) -> None:
    other = rocky(town)
    john(town, hours=30)
    town.visit(town.smith, town.bella, hours=30)
    town.rig.pair_up()
    town.visit(town.smith, other, hours=30)
    before = town.counts()
    assert town.rig.pair_up().only_in_pims == 0
    town.go_live()
    assert town.counts() == before


def test_what_is_cancelled_and_booked_anew_in_the_shadow_is_paired_anew(town: Town) -> None:
    first, visit = john(town, hours=30), town.visit(town.smith, town.bella, hours=30)
    town.rig.pair_up()
    cancel(town.rig.booking, first)
    second = john(town, hours=50)
    put(town, town.rig.pims, visit, 50)
    before = town.counts()
    town.go_live()
    assert town.linked(Kind.APPOINTMENT) == {second: visit}
    assert (town.counts(), asked(town)) == (before, [])


def test_what_is_cancelled_and_entered_anew_in_the_pims_is_paired_anew(town: Town) -> None:
    booking, first = john(town, hours=30), town.visit(town.smith, town.bella, hours=30)
    town.rig.pair_up()
    put(town, town.rig.booking, booking, 50)
    cancel(town.rig.pims, first)
    second = town.visit(town.smith, town.bella, hours=50)
    before = town.counts()
    town.go_live()
    assert town.linked(Kind.APPOINTMENT) == {booking: second}
    assert (town.counts(), asked(town)) == (before, [])


def test_what_is_only_cancelled_in_the_shadow_is_cancelled_on_the_other_side(town: Town) -> None:
    john(town, hours=30)
    visit = town.visit(town.smith, town.bella, hours=30)
    town.rig.pair_up()
    cancel(town.rig.pims, visit)
    town.go_live()
    assert (bookings(town), visits(town)) == ([], [])


def test_who_shares_a_number_with_the_owner_is_not_taken_for_the_owner(town: Town) -> None:
    """The number of a home for strays, or one that has passed on: another vet sees another animal at the time."""
    town.rig.owner("Sean", "O'Brien", PHONE, "Rex", email="sean@example.com")
    card = town.rig.booking.add(
        Kind.CLIENT,
        {"name": {"given": "Sean", "family": "O'Brien"}, "phones": [PHONE], "emails": ["sean@example.com"]},
    )
    booker = {"given": "Sean", "family": "O'Brien", "phones": [PHONE], "emails": ["sean@example.com"]}
    booking = john(town, hours=30, owner=card, booker=booker, animal=None)
    visit = town.visit(town.smith, town.bella, hours=30, who="v2")
    assert town.rig.pair_up().visits_paired == 0
    assert town.linked(Kind.CLIENT)[card] != town.smith
    assert (asked(town), {booking, visit} & set(town.linked(Kind.APPOINTMENT))) == ([PAIR_VISIT], set())


@pytest.mark.parametrize("at_booking", [False, True])
def test_a_visit_that_cannot_be_read_is_asked_about_and_not_made_again(town: Town, at_booking: bool) -> None:
    """A vet whom nobody has put into the code list."""
    unknown: dict[str, Any] = {"who": "v9"}
    john(town, hours=30, **(unknown if at_booking else {}))
    town.visit(town.smith, town.bella, hours=30, **({} if at_booking else unknown))
    before = town.counts()
    town.go_live()
    assert (town.counts(), asked(town)) == (before, [PAIR_VISIT])


@pytest.mark.parametrize("days", [1, 400])
def test_sides_that_cannot_list_by_time_are_paired_by_all_they_have(town: Town, days: int) -> None:
    for side in (town.rig.booking, town.rig.pims):
        side._capabilities = redeclared(side.capabilities, Kind.APPOINTMENT, search=frozenset())
    john(town, hours=24 * days)
    town.visit(town.smith, town.bella, hours=24 * days)
    before = town.counts()
    town.go_live()
    assert (town.counts(), len(town.linked(Kind.APPOINTMENT))) == (before, 1)


def test_where_one_side_names_no_vet_nobody_is_asked_which_is_right(town: Town) -> None:
    booking = john(town, hours=30)
    visit = town.visit(town.smith, town.bella, hours=30, who=None)
    town.go_live()
    assert (town.linked(Kind.APPOINTMENT), asked(town)) == ({booking: visit}, [])
    row = town.rig.pims.row(Kind.APPOINTMENT, visit)
    assert row is not None
    assert row["who"] is None


def test_visits_of_the_year_after_next_are_paired(town: Town) -> None:
    john(town, hours=24 * 400)
    town.visit(town.smith, town.bella, hours=24 * 400)
    before = town.counts()
    town.go_live()
    assert (town.counts(), asked(town)) == (before, [])


def test_after_a_lost_ledger_what_vetbridge_wrote_is_paired_as_if_people_had(
    town: Town, tmp_path_factory: pytest.TempPathFactory
) -> None:
    john(town, hours=30)
    town.go_live()
    before = town.counts()
    town.rig.place = ledger_place(tmp_path_factory.mktemp("lost"), migrated=True)
    town.rig.start()
    town.rig.meet()
    town.go_live()
    assert (town.counts(), asked(town), len(town.linked(Kind.APPOINTMENT))) == (before, [], 1)


# -- the approval -------------------------------------------------------------------------------------------------


def test_a_pass_that_began_before_the_approval_does_not_count(town: Town) -> None:
    town.rig.pair_up()
    town.rig.clock.advance(60)

    def progress(words: str) -> None:
        if words.startswith("pairing 0 and"):  # both sides are listed
            town.rig.clock.advance(60)
            john(town, hours=30)
            town.visit(town.smith, town.bella, hours=30)
            with town.rig.ledger.write() as tx:
                going_live.approve(tx, "town", "Kim")

    town.rig.pairer.pass_(progress)
    with town.rig.ledger.read() as tx:
        assert going_live.held_back(tx) == {"town"}


def test_a_second_approval_makes_nothing_punctual_that_is_late(town: Town) -> None:
    town.go_live()
    john(town, hours=1)
    town.rig.receiver.poll()
    town.rig.clock.advance(7200)
    with town.rig.ledger.write() as tx:
        going_live.approve(tx, "town", "Kim")
    town.rig.run()
    assert town.rig.endings()[-1] == (ChangeState.FAILED, "expired")


def test_nothing_is_read_again_of_what_pairing_has_settled(town: Town) -> None:
    for hours in range(30, 35):
        john(town, hours=hours)
        town.visit(town.smith, town.bella, hours=hours)
    town.rig.approve()
    for side in (town.rig.booking, town.rig.pims):
        side.calls.clear()
    town.rig.run()
    assert town.rig.changes() == []
    assert {*town.rig.booking.calls, *town.rig.pims.calls} == {"changes"}


def come_short(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The booking side counts more clients than it shows."""
    listed = town.rig.booking.changes

    def short(kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        return (replace(page, total=(page.total or 0) + 5) for page in listed(kind, since, mark=mark))

    monkeypatch.setattr(town.rig.booking, "changes", short)


def try_one(town: Town, program: Program) -> Outcome:
    """`sync --approve --only`, for the only client of the booking side."""
    (card,) = town.rig.booking.rows(Kind.CLIENT)
    said: list[str] = []
    return pass_for_client(program, f"booking/{card['id']}", patience=0, progress=said.append, approved=True)


def test_one_client_is_not_tried_before_both_sides_were_paired(
    town: Town, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    john(town, hours=30)
    town.visit(town.smith, town.bella, hours=30, who="v2")
    before = town.counts()
    come_short(town, monkeypatch)
    assert try_one(town, program).exit_code == 5
    assert town.counts() == before


def test_the_first_try_of_a_client_takes_its_visits_of_both_sides(town: Town, program: Program) -> None:
    john(town, hours=30)
    town.visit(town.smith, town.bella, hours=250)
    ann(town, hours=30, who="v2")
    assert try_one(town, program).states == {"done": 2}
    assert (len(bookings(town)), len(visits(town))) == (2, 3)


def test_a_visit_that_began_in_the_shadow_is_not_late_for_a_first_try(town: Town, program: Program) -> None:
    town.rig.pair_up()
    john(town, hours=1)
    town.rig.receiver.poll()
    town.rig.clock.advance(7200)
    assert try_one(town, program).states == {"skipped": 1}


def test_cards_that_are_fewer_than_the_side_counts_are_no_fault_of_vetbridge_and_are_read_again_later(
    town: Town, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.rig.refresher.pass_()
    john(town, hours=30)
    come_short(town, monkeypatch)
    assert rounds.pairing_is_due("town")
    assert not rounds.pair("town")
    assert not rounds.pairing_is_due("town")
    with town.rig.ledger.read() as tx:
        assert accounts.not_answering(tx) == {"booking"}
    monkeypatch.undo()
    town.rig.clock.advance(3600)
    assert rounds.pairing_is_due("town")
    assert rounds.pair("town")


def test_who_was_entered_a_minute_before_the_approval_is_no_stranger(town: Town, rounds: Rounds) -> None:
    town.rig.refresher.pass_()
    town.rig.book(*ANN, "Tom", hours=50)
    visit = ann(town, hours=50, who="v2")
    with town.rig.ledger.write() as tx:
        going_live.approve(tx, "town", "Kim")
    assert rounds.pair("town")
    assert list(town.linked(Kind.APPOINTMENT).values()) == [visit]


def test_a_live_site_carries_nothing_for_one_of_the_same_pims_that_is_in_the_shadow(town: Town) -> None:
    side, rig = MemorySide(), town.rig
    codes = {"resource": {f"vet_{n}": f"w{n}" for n in range(1, 5)}}
    mapper = Mapper(load_table("memory"), zone="Europe/London", country="GB", codes=codes)
    booking = End(account="booking-2", connector=Accounted(side, "booking-2", rig.clock), mapper=mapper, timeout=10.0)
    village = replace(rig.pair, site="village", booking=booking, pims=replace(rig.pair.pims, mapper=mapper))
    with rig.ledger.write() as tx:
        accounts.enrol(tx, "booking-2", "memory", country="GB")
        going_live.meet(tx, "village", start_live=False)
    rig.engine = Engine([rig.pair, village], rig.ledger, rig.clock, rig.timings)
    town.go_live()

    town.visit(town.smith, town.bella, hours=30, who="w3")
    rig.run()

    assert (side.rows(Kind.APPOINTMENT), rig.booking.rows(Kind.APPOINTMENT)) == ([], [])
    with rig.ledger.write() as tx:
        going_live.approve(tx, "village", "Kim")
        going_live.paired(tx, "village")
    rig.settle()
    assert len(side.rows(Kind.APPOINTMENT)) == 1


# -- paired visits afterwards -------------------------------------------------------------------------------------


def test_a_bookers_comment_goes_into_the_notes_of_a_paired_visit(town: Town) -> None:
    booking = john(town, hours=30)
    visit = town.visit(town.smith, town.bella, hours=30, notes="nervous dog")
    town.go_live()
    for comment in ("please be gentle", "he is limping"):
        town.rig.booking.edit(Kind.APPOINTMENT, booking, {"notes": comment})
        town.rig.run()
        row = town.rig.pims.row(Kind.APPOINTMENT, visit)
        assert row is not None
        assert (row["notes"].startswith("nervous dog"), row["notes"].count(comment)) == (True, 1)
    assert row["notes"].count("[VetBridge") == 1


def test_where_the_first_of_two_bookings_is_cancelled_the_visit_stays_for_the_second(town: Town) -> None:
    first, second, visit = two_lines(town)
    cancel(town.rig.booking, first)
    town.rig.run()
    assert (bookings(town), visits(town)) == ([second], [visit])
    assert town.linked(Kind.APPOINTMENT) == {second: visit}
    cancel(town.rig.booking, second)
    town.rig.run()
    assert visits(town) == []


def test_a_booking_that_leaves_its_shared_visit_is_a_visit_of_its_own(town: Town) -> None:
    _, second, visit = two_lines(town)
    put(town, town.rig.booking, second, 60)
    town.rig.run()
    assert len(visits(town)) == 2
    assert town.linked(Kind.APPOINTMENT)[second] != visit


def test_a_booking_that_is_cancelled_leaves_the_visit_to_the_others(town: Town) -> None:
    rocky(town)
    for pet in ("Bella", "Rocky", "Rocky"):
        john(town, pet, hours=30)
    visit = town.visit(town.smith, town.bella, hours=30)
    town.go_live()
    second = next(id_ for id_ in bookings(town) if id_ not in town.linked(Kind.APPOINTMENT))
    cancel(town.rig.booking, second)
    town.rig.run()
    town.rig.sweeper.sweep()
    town.rig.settle()
    assert (len(bookings(town)), visits(town), asked(town)) == (2, [visit], [])


def test_two_bookings_that_move_together_take_their_visit_along(town: Town) -> None:
    first, second, visit = two_lines(town)
    put(town, town.rig.booking, second, 60)
    put(town, town.rig.booking, first, 60)
    town.rig.run()
    assert (visits(town), asked(town)) == ([visit], [])
    row = town.rig.pims.row(Kind.APPOINTMENT, visit)
    assert row is not None
    assert row["start"][:16] == then(town, 60)[:16]


@pytest.mark.parametrize("how", ["cancelled", "removed"])
def test_a_visit_of_two_bookings_that_goes_in_the_pims_takes_both_along(town: Town, how: str) -> None:
    _, _, visit = two_lines(town)
    ann(town, hours=50)  # by her visit it shows that the other is gone
    town.rig.run()
    if how == "cancelled":
        cancel(town.rig.pims, visit)
    else:
        town.rig.pims.remove(Kind.APPOINTMENT, visit)
    town.rig.run()
    assert (len(bookings(town)), len(visits(town))) == (1, 1)


def test_where_the_first_of_two_visits_is_cancelled_the_booking_stays_for_the_second(town: Town) -> None:
    booking, first, second = two_visits(town)
    cancel(town.rig.pims, first)
    town.rig.run()
    assert (bookings(town), visits(town)) == ([booking], [second])
    assert town.linked(Kind.APPOINTMENT) == {booking: second}
    cancel(town.rig.pims, second)
    town.rig.run()
    assert bookings(town) == []


def test_a_second_pets_visit_that_is_put_to_another_day_is_carried_by_itself(town: Town) -> None:
    _, _, second = two_visits(town)
    put(town, town.rig.pims, second, 60)
    town.rig.run()
    assert len(bookings(town)) == 2


def test_two_visits_that_are_put_to_another_day_together_stay_one_booking(town: Town) -> None:
    booking, first, second = two_visits(town)
    put(town, town.rig.pims, second, 60)
    put(town, town.rig.pims, first, 60)
    town.rig.run()
    assert bookings(town) == [booking]


# -- what is asked about ------------------------------------------------------------------------------------------


def test_the_question_shows_the_visits_as_they_stand_now(town: Town) -> None:
    booking = john(town, hours=30)
    town.visit(town.smith, town.bella, hours=33)
    town.go_live()
    put(town, town.rig.booking, booking, 60)
    town.rig.run()
    (item,) = town.rig.questions()
    with town.rig.ledger.read() as tx:
        assert reviews.question(tx, item)["booking"].start.utc.isoformat() == then(town, 60)


def test_what_was_kept_is_asked_anew_once_the_booking_changes(town: Town) -> None:
    booking = john(town, hours=30)
    town.visit(town.smith, town.bella, hours=33)
    town.go_live()
    town.answer(PAIR_VISIT, Answer(choice=Choice.KEEP))
    town.rig.run()
    assert asked(town) == []
    put(town, town.rig.booking, booking, 60)
    town.rig.run()
    assert asked(town) == [PAIR_VISIT]


def test_two_that_are_not_one_take_nobody_elses_time(town: Town) -> None:
    john(town, hours=30)
    town.visit(town.smith, town.bella, hours=33)
    ann(town, hours=30)
    town.go_live()
    town.answer(PAIR_VISIT, Answer(choice=Choice.AGAIN))
    town.rig.run()
    assert (len(visits(town)), asked(town)) == (2, [SLOT_TAKEN])


def test_a_visit_that_is_out_of_sight_is_not_made_again(town: Town) -> None:
    john(town, hours=30)
    visit = town.visit(town.smith, town.bella, hours=33)
    town.rig.book(*ANN, "Tom", hours=40)
    other = ann(town, hours=40)
    town.go_live()
    before = town.counts()
    town.rig.pims.hide([visit, other])
    for id_ in bookings(town):
        town.rig.hint(id_)
    town.rig.settle(limit=700)  # a second look comes after five minutes
    assert town.counts() == before
    town.rig.pims.hide(())
    town.rig.run()
    assert town.counts() == before
    assert PAIR_VISIT in asked(town)
