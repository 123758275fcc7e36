"""Answers: what each comes to is said first, what cannot be meant is refused, and what came of it is told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.desk.practice import ZONE, Desk, Parked, hold, park, receive
from vetbridge.cli import answering as cli_answering
from vetbridge.cli.answering import carried_out, who
from vetbridge.core.answers import (
    ADOPT,
    BOTH_REMOVED,
    COPIED,
    NO_SHOW_AHEAD,
    PROPOSAL,
    REUSED,
    SLOT_TAKEN,
    TWICE,
    UNKNOWN_OUTCOME,
    Answer,
    Choice,
)
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.daemon.lock import single_instance
from vetbridge.desk import answering
from vetbridge.desk.answering import Taken
from vetbridge.ledger import changes, fuses, mirror, reviews, worklist
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change, ChangeState, Review
from vetbridge.testing.clock import START, FakeClock


def refused(desk: Desk, *arguments: str) -> dict[str, Any]:
    """The problem of a command that must end with 2."""
    result = desk.run(*arguments, "--json")
    assert result.exit_code == 2, result.output
    (problem,) = json.loads(result.stdout)["problems"]
    assert isinstance(problem, dict)
    return problem


def item_of(ledger: Ledger, number: int = 1) -> Review:
    with ledger.read() as tx:
        row = reviews.item(tx, number)
        assert row is not None
        return row


def apply(ledger: Ledger, number: int = 1) -> None:
    """What the engine does once an answer is carried out."""
    with ledger.write() as tx:
        row = reviews.item(tx, number)
        assert row is not None
        reviews.applied(tx, row)


def ask(ledger: Ledger, why: str, **question: Any) -> None:
    with ledger.write() as tx:
        change = tx.session.get_one(Change, receive(tx, "1"))
        reviews.ask(tx, change, why=why, visit_at=START, question={"why": why, **question})


# -- link -----------------------------------------------------------------------------------------------------------


def test_a_link_says_what_it_comes_to_and_is_written_down(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    result = desk.run("review", "link", "1", "1", "--by", "ann")
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert f"The visit of {parked.start.at_site():%a %d %b %H:%M} moves in the PIMS from the placeholder to" in said
    assert "James Harris (client 1002), pet Monty (cat, 5002)." in said
    assert said.endswith("Written down; `vetbridge sync` or the next `vetbridge run` carries it out.")
    row = item_of(ledger)
    assert (row.state, row.answer, row.answer_client_id, row.answer_pet_id) == ("answered", "link", "1002", "5002")
    assert (row.answered_by, row.applied_at) == ("ann", None)
    with ledger.read() as tx:
        change = changes.open_change(tx, row.record_id or 0)
        assert change is not None
        assert (change.source, change.state) == (reviews.ANSWER_SOURCE, ChangeState.RECEIVED)


def test_json_says_what_was_done(desk: Desk, parked: Parked) -> None:
    data = desk.data("review", "link", "1", "1")
    assert (data["item"], data["choice"], data["state"]) == (1, "link", "written-down")
    assert data["message"].startswith("Written down")


def test_plan_changes_nothing(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    data = desk.data("review", "link", "1", "1", "--plan")
    assert (data["state"], data["choice"]) == ("planned", "link")
    assert "James Harris" in data["message"]
    for command in (["new", "1"], ["later", "1"], ["link", "1", "--client", "1002"]):
        assert desk.data("review", *command, "--plan")["state"] == "planned"
    assert (item_of(ledger).state, item_of(ledger).snoozed_until) == ("open", None)


def test_a_client_by_id_whom_the_mirror_does_not_know_is_said_to_be_looked_for(desk: Desk, parked: Parked) -> None:
    message = desk.data("review", "link", "1", "--client", "77777", "--plan")["message"]
    assert "client 77777" in message
    assert "Monty is looked for among the client's pets, and made where it is not there." in message
    assert "VetBridge has not read this client yet" in message


def test_a_deceased_pet_is_warned_of(desk: Desk, parked: Parked) -> None:
    message = desk.data("review", "link", "1", "1", "--pet", "5003", "--plan")["message"]
    assert "Mind: the pet is deceased." in message
    assert "it was booked as a cat, and this is a dog" in message


def test_the_booked_pet_can_be_asked_for_in_place_of_the_candidates(
    desk: Desk, ledger: Ledger, parked: Parked
) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Pet(id="5002", client_id="1002", name="Monte", species="cat")])
    assert "pet Monte" in desk.data("review", "link", "1", "1", "--plan")["message"]
    message = desk.data("review", "link", "1", "1", "--pet", "booked", "--plan")["message"]
    assert "Monty is looked for" in message
    desk.data("review", "link", "1", "1", "--pet", "booked")
    assert (item_of(ledger).answer_client_id, item_of(ledger).answer_pet_id) == ("1002", None)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["link", "9", "1"], "unknown-item"),
        (["link", "1", "3"], "unknown-candidate"),
        (["link", "1", "--client", "900"], "unknown-candidate"),
        (["link", "1", "--client", "\udcff"], "unknown-candidate"),
        (["link", "1", "--client", "1010"], "client-inactive"),
        (["link", "1", "--client", "1011", "--pet", "5002"], "unknown-pet"),
        (["answer", "1", "keep"], "choice-not-offered"),
        (["answer", "1", "link"], "choice-not-offered"),
        (["undo", "1"], "nothing-to-undo"),
        (["show", "9"], "unknown-item"),
        (["later", "9"], "unknown-item"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    desk: Desk, ledger: Ledger, parked: Parked, arguments: list[str], code: str
) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id="1010", family_name="Gone", active=False)])
        mirror.put(tx, "ezyvet-city", [Client(id="1011", family_name="Other")])
    assert refused(desk, "review", *arguments)["code"] == code
    assert item_of(ledger).state == "open"


def test_a_candidate_and_a_client_at_once_are_wrong_use(desk: Desk, parked: Parked) -> None:
    assert desk.run("review", "link", "1").exit_code == 2
    assert desk.run("review", "link", "1", "1", "--client", "1002").exit_code == 2


def unnamed(ledger: Ledger, *pets: Pet) -> None:
    """A booking that names no pet, and a client of these pets."""
    booking = Appointment(id="1", start=Instant(START, ZONE), duration=900, booker=Client(family_name="Weiss"))
    ask(ledger, "pet-not-named", booking=booking, candidates=[])
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id="1", family_name="Weiss"), *pets])


def test_a_booking_without_a_pet_takes_the_only_living_one(desk: Desk, ledger: Ledger) -> None:
    unnamed(ledger, Pet(id="8", client_id="1", name="Bella"), Pet(id="9", client_id="1", name="Max", deceased=True))
    assert "pet Bella (8)" in desk.data("review", "link", "1", "--client", "1", "--plan")["message"]


def test_of_several_pets_one_has_to_be_named(desk: Desk, ledger: Ledger) -> None:
    unnamed(ledger, Pet(id="8", client_id="1", name="Bella"), Pet(id="9", client_id="1", name="Max"))
    problem = refused(desk, "review", "link", "1", "--client", "1")
    assert problem["code"] == "pet-not-named"
    assert "--pet" in problem["advice"]
    assert "pet Max" in desk.data("review", "link", "1", "--client", "1", "--pet", "9", "--plan")["message"]


def test_nobody_new_is_made_without_a_pets_name(desk: Desk, ledger: Ledger) -> None:
    unnamed(ledger)
    assert refused(desk, "review", "new", "1")["code"] == "pet-not-named"


# -- an item that is not open ---------------------------------------------------------------------------------------


def test_an_answered_item_says_who_answered_it(desk: Desk, parked: Parked) -> None:
    desk.data("review", "link", "1", "1", "--by", "ann")
    problem = refused(desk, "review", "new", "1", "--by", "bob")
    assert problem["code"] == "not-open"
    assert "ann answered 'link'" in problem["text"]
    assert "still to be carried out" in problem["text"]


def test_a_closed_item_says_what_became_of_it(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    with ledger.write() as tx:
        reviews.close(tx, item_of(ledger).record_id or 0, "the booking was cancelled")
    assert "the booking was cancelled" in refused(desk, "review", "link", "1", "1")["text"]
    assert "the booking was cancelled" in desk.run("review", "show", "1").stdout


def test_an_answer_to_what_changed_since_it_was_shown_is_not_taken(
    desk: Desk, ledger: Ledger, parked: Parked
) -> None:
    sites = desk.loaded().config.sites
    with ledger.read() as tx:
        shown = answering.answerable(tx, sites, 1)
    park(ledger, Instant(parked.start.utc + timedelta(hours=1), ZONE))
    with ledger.read() as tx, pytest.raises(answering.CannotAnswer) as refusal:
        answering.propose(tx, sites, 1, Answer(choice=Choice.NEW), shown=shown)
    assert refusal.value.code == "changed-meanwhile"


# -- new, answer, the fuse ------------------------------------------------------------------------------------------


def test_new_says_whom_it_makes(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    said = " ".join(desk.run("review", "new", "1").stdout.split())
    assert "A new client, James Harris, with the pet Monty (cat) is made in the PIMS." in said
    assert item_of(ledger).answer == "new"


MOVED = Appointment(id="1", start=Instant(START, ZONE), duration=900)
STANDS = Appointment(id="77", start=Instant(START + timedelta(hours=2), ZONE), duration=900)


@pytest.mark.parametrize(
    ("why", "choice", "words"),
    [
        ("conflict", "booking", "the PIMS follows it: time Mon 02 Mar 09:00, not Mon 02 Mar 11:00"),
        ("conflict", "pims", "the booking side follows it: time Mon 02 Mar 11:00, not Mon 02 Mar 09:00"),
        ("conflict", "keep", "Both sides stay as they are"),
        ("cancelled-here-moved-there", "booking", "is cancelled in the PIMS"),
        ("cancelled-here-moved-there", "pims", "stays there, and is made anew at the booking side"),
        ("moved-here-cancelled-there", "booking", "is made in the PIMS anew"),
        ("moved-here-cancelled-there", "pims", "is cancelled at the booking side"),
        (BOTH_REMOVED, "booking", "is made in the PIMS anew"),
        (BOTH_REMOVED, "pims", "is cancelled at the booking side"),
        (BOTH_REMOVED, "keep", "Both sides stay as they are"),
        (PROPOSAL, "booking", "The PIMS takes over"),
        (PROPOSAL, "pims", "The booking side takes over"),
        (SLOT_TAKEN, "again", "is written at its time, beside what stands there"),
        (SLOT_TAKEN, "keep", "is not carried over"),
        (TWICE, "again", "VetBridge looks again"),
        (TWICE, "keep", "Both stay as they are"),
        (UNKNOWN_OUTCOME, "again", "writes it once more"),
        (UNKNOWN_OUTCOME, "keep", "VetBridge writes nothing"),
        (COPIED, "again", "a visit of its own"),
        (COPIED, "keep", "one too many"),
        (REUSED, "again", "another visit"),
        (REUSED, "pims", "the booking follows it"),
        (ADOPT, "keep", "VetBridge leaves it alone"),
        (NO_SHOW_AHEAD, "booking", "is cancelled in the PIMS"),
        (NO_SHOW_AHEAD, "pims", "stands, and the mark is taken off at the booking side"),
    ],
)
def test_every_choice_says_what_it_comes_to(desk: Desk, ledger: Ledger, why: str, choice: str, words: str) -> None:
    ask(ledger, why, booking=MOVED, pims=STANDS, fields=["start"])
    assert words in desk.data("review", "answer", "1", choice, "--plan")["message"]
    assert words in desk.data("review", "show", "1")["consequences"][choice]
    desk.data("review", "answer", "1", choice)
    assert item_of(ledger).answer == choice


def test_the_fuse_is_let_through(desk: Desk, ledger: Ledger) -> None:
    hold(ledger, {"1": "a cancellation", "2": "a cancellation"}, first_visit=START)
    assert "all 2 changes that the fuse of site city holds back (2x a cancellation)" in " ".join(
        desk.run("review", "answer", "1", "allow", "--plan").stdout.split()
    )
    data = desk.data("review", "answer", "1", "allow", "--by", "ann")
    assert (data["state"], data["message"]) == ("applied", "Done: what the fuse held back goes on now.")
    with ledger.read() as tx:
        assert not fuses.blown(tx, "city")


def test_the_fuse_drops_what_was_not_meant(desk: Desk, ledger: Ledger) -> None:
    hold(ledger, {"1": "a cancellation", "2": "a cancellation"}, first_visit=START)
    desk.data("review", "answer", "1", "keep", "--by", "ann")
    with ledger.read() as tx:
        (change, *_) = fuses.held(tx, "city")
        found = reviews.answered(tx, change.record_id)
    assert found is not None
    assert (found[1].choice, found[0].answered_by) == (Choice.KEEP, "ann")


# -- later ----------------------------------------------------------------------------------------------------------


def test_later_is_half_of_the_time_that_is_left_at_most(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    """The visit is in 50 minutes: a question that came back after it would help nobody."""
    message = desk.data("review", "later", "1")["message"]
    until = item_of(ledger).snoozed_until
    assert until is not None
    assert parked.start.utc - until == pytest.approx(timedelta(minutes=25), abs=timedelta(minutes=1))
    assert "Mind" not in message


def test_later_takes_the_hours_that_were_said_and_warns(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    message = desk.data("review", "later", "1", "--hours", "3")["message"]
    assert "Mind: the visit begins before that." in message
    until = item_of(ledger).snoozed_until
    assert until is not None
    assert until > parked.start.utc
    assert desk.run("review", "later", "1", "--hours", "-1").exit_code == 2


# -- undo -----------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_not_carried_out_is_simply_taken_back(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    desk.data("review", "link", "1", "1")
    assert desk.data("review", "undo", "1")["state"] == "reopened"
    assert item_of(ledger).state == "open"
    assert desk.data("review", "list")[0]["id"] == 1


def test_a_link_that_was_carried_out_is_undone_by_the_engine(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    desk.data("review", "link", "1", "1")
    apply(ledger)
    assert "is taken off its client again" in desk.data("review", "undo", "1", "--plan")["message"]
    assert desk.data("review", "undo", "1", "--by", "bob")["state"] == "written-down"
    row = item_of(ledger)
    assert (row.answer, row.answered_by, row.state) == ("undo", "bob", "answered")
    assert refused(desk, "review", "undo", "1")["code"] == "nothing-to-undo"


def test_after_the_visit_has_begun_nothing_is_taken_back(desk: Desk, ledger: Ledger) -> None:
    park(ledger, Instant(desk.clock.now() + timedelta(minutes=5), ZONE))
    desk.data("review", "link", "1", "1")
    apply(ledger)
    assert refused(desk, "review", "undo", "1")["code"] == "visit-has-begun"


def test_an_answer_about_a_conflict_cannot_be_taken_back_once_it_is_carried_out(desk: Desk, ledger: Ledger) -> None:
    ask(ledger, "conflict", booking=MOVED, pims=STANDS, fields=["start"])
    desk.data("review", "answer", "1", "pims")
    apply(ledger)
    assert refused(desk, "review", "undo", "1")["code"] == "nothing-to-undo"


@pytest.mark.parametrize(("typed", "state"), [("\n", "open"), ("no\n", "answered"), ("y\n", "answered")])
def test_undo_asks_on_a_terminal_and_enter_alone_says_yes(
    desk: Desk, ledger: Ledger, parked: Parked, monkeypatch: pytest.MonkeyPatch, typed: str, state: str
) -> None:
    desk.data("review", "link", "1", "1")
    monkeypatch.setattr(cli_answering, "on_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: typed.rstrip("\n"))
    result = desk.run("review", "undo", "1")
    assert result.exit_code == 0
    assert item_of(ledger).state == state
    assert ("Nothing has been changed." in result.stdout) == (state == "answered")


def test_undo_with_yes_asks_nothing(
    desk: Desk, ledger: Ledger, parked: Parked, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.data("review", "link", "1", "1")
    monkeypatch.setattr(cli_answering, "on_terminal", lambda: True)
    assert desk.run("review", "undo", "1", "--yes").exit_code == 0
    assert item_of(ledger).state == "open"


# -- what came of it ------------------------------------------------------------------------------------------------


class Meanwhile(FakeClock):
    """While somebody waits, something happens once."""

    def __init__(self, what: Any) -> None:
        super().__init__()
        self._what = what

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        if len(self.waits) == 3:
            self._what()


def linked(desk: Desk, ledger: Ledger) -> Taken:
    sites = desk.loaded().config.sites
    with ledger.write() as tx:
        return answering.give(tx, sites, 1, Answer(choice=Choice.LINK, client_id="1002"), by="ann")


def test_the_answer_is_waited_for_and_told(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    taken = linked(desk, ledger)
    clock = Meanwhile(lambda: apply(ledger))
    found = carried_out(ledger, desk.loaded().config.sites, taken, runs=True, clock=clock)
    assert found.state == "applied"
    when = f"{parked.start.at_site():%a %d %b %H:%M}"
    assert found.message == f"Done: the visit of {when} now stands on James Harris, pet Monty."
    assert len(clock.waits) == 3


def test_nobody_waits_for_ever(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    taken = linked(desk, ledger)
    with ledger.write() as tx:
        assert taken.change_id is not None
        changes.wait(tx, taken.change_id, tx.now, "lane-busy", "another change is being worked on")
    clock = FakeClock()
    found = carried_out(ledger, desk.loaded().config.sites, taken, runs=True, clock=clock)
    assert found.state == "written-down"
    assert "another change is being worked on" in found.message
    assert clock.steady() == pytest.approx(15, abs=0.5)


def test_where_nothing_runs_nobody_waits(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    clock = FakeClock()
    found = carried_out(ledger, desk.loaded().config.sites, linked(desk, ledger), runs=False, clock=clock)
    assert (found.state, clock.waits) == ("written-down", ())


def test_no_wait_says_that_the_running_one_carries_it_out(desk: Desk, parked: Parked) -> None:
    with single_instance(desk.place):
        data = desk.data("review", "link", "1", "1", "--no-wait")
    assert data["state"] == "written-down"
    assert "the running VetBridge" in data["message"]


def test_what_the_pims_does_not_take_is_on_the_work_list(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    taken = linked(desk, ledger)
    with ledger.write() as tx:
        worklist.put(
            tx,
            tx.session.get_one(Change, taken.change_id),
            account="ezyvet-city",
            kind=Kind.APPOINTMENT,
            remote_id="77",
            task=worklist.RELINK,
            details={"client_id": "1002", "pet_id": "5002"},
            visit_at=parked.start.utc,
        )
    apply(ledger)
    found = carried_out(ledger, desk.loaded().config.sites, taken, runs=True, clock=FakeClock())
    assert found.state == "applied"
    assert found.message == "VetBridge asks staff to change it by hand: work list line 1."


def test_an_answer_that_met_something_new_is_asked_again(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    taken = linked(desk, ledger)

    def again() -> None:
        with ledger.write() as tx:
            change = tx.session.get_one(Change, taken.change_id)
            reviews.ask(tx, change, why="client-inactive", visit_at=parked.start.utc, question={})

    found = carried_out(ledger, desk.loaded().config.sites, taken, runs=True, clock=Meanwhile(again))
    assert found.state == "reopened"
    assert "the client is inactive" in found.message


def test_a_change_that_failed_is_not_waited_for(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    taken = linked(desk, ledger)
    with ledger.write() as tx:
        assert taken.change_id is not None
        changes.begin(tx, taken.change_id)
        changes.settle(tx, taken.change_id, ChangeState.FAILED, "refused", "the vendor refuses")
    clock = FakeClock()
    found = carried_out(ledger, desk.loaded().config.sites, taken, runs=True, clock=clock)
    assert (found.message, clock.waits) == ("It could not be carried out: refused: the vendor refuses.", ())


# -- show, who ------------------------------------------------------------------------------------------------------


def test_show_tells_what_each_answer_comes_to(desk: Desk, parked: Parked) -> None:
    text = desk.run("review", "show", "1").stdout
    for words in ("vetbridge review link 1 1", "vetbridge review link 1 2", "vetbridge review new 1"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 80
    data = desk.data("review", "show", "1")
    assert "pet Monty (cat, 5002)" in data["candidates"][0]["consequence"]
    assert set(data["consequences"]) == {"new"}


def test_hostile_text_steers_no_terminal(desk: Desk, parked: Parked) -> None:
    for arguments in (["show", "1"], ["link", "1", "1", "--by", "a\x1b[31mnn\n\n" + "x" * 5000]):
        output = desk.run("review", *arguments).output
        assert not {character for character in output if character in "\x1b\x07\u202e"}
    assert len(refused(desk, "review", "new", "1")["text"]) < 300


def test_a_computer_without_a_login_name_answers_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError("no login name")

    monkeypatch.setattr(cli_answering.getpass, "getuser", nobody)
    assert who(None) == "unknown"
    assert who("ann") == "ann"


def test_an_item_is_claimed_given_up_and_taken_over(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    assert desk.run("review", "claim", "1", "--plan").stdout.startswith("Item 1 is yours until ")
    assert item_of(ledger).claimed_by == ""
    assert desk.data("review", "claim", "1", "--by", "ann")["state"] == "applied"
    refused = desk.run("review", "new", "1", "--by", "bob")
    assert refused.exit_code == 2
    assert "ann has been at item 1" in refused.output
    assert "--take answers it all the same." in " ".join(refused.output.split())
    assert "ann has claimed item 1" in desk.run("review", "release", "1", "--by", "bob").stdout
    assert desk.run("review", "claim", "1", "--by", "bob").exit_code == 2
    assert desk.run("review", "claim", "1", "--by", "bob", "--take").exit_code == 0
    assert "Nobody is at item 1" in desk.run("review", "release", "1", "--by", "bob").stdout
    assert item_of(ledger).claimed_by == ""


@pytest.mark.parametrize(
    "arguments",
    [["claim", "1"], ["assign", "1", "ann"], ["note", "1", "calls back"], ["link", "1", "1", "--also"], ["new", "1"]],
)
def test_a_plan_changes_nothing_about_it(desk: Desk, ledger: Ledger, parked: Parked, arguments: list[str]) -> None:
    result = desk.run("review", *arguments, "--plan")
    assert (result.exit_code, "Nothing has been changed." in result.stderr) == (0, True)
    row = item_of(ledger)
    assert (row.state, row.claimed_by, row.assigned_to) == ("open", "", "")
    with ledger.read() as tx:
        assert reviews.notes(tx, [1]) == {}


@pytest.mark.parametrize("command", ["link", "new"])
def test_also_answers_the_others_of_these_people(desk: Desk, ledger: Ledger, command: str) -> None:
    for number in (1, 2, 3):
        park(ledger, Instant(desk.clock.now() + timedelta(hours=number), ZONE), remote_id=str(number))
    assert desk.run("review", "claim", "3", "--by", "bob").exit_code == 0
    arguments = [command, "1", *(["1"] if command == "link" else []), "--also", "--by", "ann"]
    planned = desk.data("review", *arguments, "--plan")
    assert [(each["item"], each["state"]) for each in planned["also"]] == [(2, "planned"), (3, "planned")]
    data = desk.data("review", *arguments)
    assert (data["item"], [(each["item"], each["state"]) for each in data["also"]]) == (
        1,
        [(2, "written-down"), (3, "refused")],
    )
    with ledger.read() as tx:
        assert [getattr(reviews.item(tx, number), "answer", "") for number in (1, 2, 3)] == [command, command, ""]


def test_fields_are_said_by_name(desk: Desk, ledger: Ledger) -> None:
    visit = Appointment(id="1", start=Instant(START, ZONE), duration=900, resource="vet_1")
    there = Appointment(id="77", start=Instant(START + timedelta(hours=1), ZONE), duration=900, resource="vet_2")
    ask(ledger, "conflict", booking=visit, pims=there, fields=["resource", "start"])
    assert desk.run("review", "fields", "1", "start=pims").exit_code == 2
    assert desk.run("review", "fields", "1", "start=pims", "start=booking").exit_code == 2
    assert desk.run("review", "answer", "1", "fields").exit_code == 2
    assert "review fields 1 FIELD=SIDE..." in desk.run("review", "show", "1").stdout
    data = desk.data("review", "fields", "1", "start=pims", "resource=booking")
    assert (data["choice"], data["state"]) == ("fields", "written-down")
    assert reviews.answer_fields(item_of(ledger)) == {"start": "pims", "resource": "booking"}
