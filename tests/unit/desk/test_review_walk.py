"""The guided walk: one question after the other, nothing without Enter, and a safe end at any time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.desk.practice import ZONE, Desk, Parked, hold, park, receive
from vetbridge.cli import answering as cli_answering
from vetbridge.cli.asking import Walk
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Pet
from vetbridge.desk import answering, claims
from vetbridge.ledger import mirror, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change, Review
from vetbridge.testing.clock import START, FakeClock


class Desktop:
    """A person at a terminal, who types these lines and then closes it."""

    def __init__(self, desk: Desk, ledger: Ledger, *typed: str | Callable[[], str]) -> None:
        self.ledger = ledger
        self._typed = list(typed)
        self.lines: list[str] = []
        self.walk = Walk(
            ledger,
            desk.loaded().config.sites,
            site=None,
            by="ann",
            read=self._read,
            say=self.lines.append,
            runs=lambda: False,
            clock=FakeClock(),
        )
        self.answers = self.walk.go()

    def _read(self, prompt: str) -> str:
        self.lines.append(prompt)
        if not self._typed:
            raise EOFError
        typed = self._typed.pop(0)
        return typed if isinstance(typed, str) else typed()

    @property
    def text(self) -> str:
        """All that was shown."""
        return " ".join(" ".join(self.lines).split())

    def item(self, number: int = 1) -> Review:
        with self.ledger.read() as tx:
            row = reviews.item(tx, number)
            assert row is not None
            return row


def ask(ledger: Ledger, remote_id: str, why: str, **question: Any) -> None:
    with ledger.write() as tx:
        change = tx.session.get_one(Change, receive(tx, remote_id))
        visit_at = START + timedelta(days=3650)
        reviews.ask(tx, change, why=why, visit_at=visit_at, question={"why": why, **question})


def test_a_number_and_enter_link_the_booking(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    seen = Desktop(desk, ledger, "1", "")
    assert seen.answers == 1
    row = seen.item()
    assert (row.state, row.answer, row.answer_client_id, row.answer_pet_id) == ("answered", "link", "1002", "5002")
    assert row.answered_by == "ann"
    assert "James Harris (client 1002), pet Monty (cat, 5002)." in seen.text
    assert "Nothing is left to ask. 1 answer was given" in seen.text


@pytest.mark.parametrize(
    "typed", ["", "x", "nn", "0", "3", "11", "-1", "١", "yes", "1 1", "b", "a", "k", "\ufffd", "9" * 5000]
)
def test_unknown_input_never_acts(desk: Desk, ledger: Ledger, parked: Parked, typed: str) -> None:
    seen = Desktop(desk, ledger, typed, "", "", "")
    assert (seen.answers, seen.item().state) == (0, "open")
    assert "Nothing was done. Type 1 or 2 to link, n new client, l not now, s search, ? help, q quit." in seen.text


@pytest.mark.parametrize("typed", ["no", "x", "1", "q", "yes"])
def test_what_is_not_confirmed_is_not_done(desk: Desk, ledger: Ledger, parked: Parked, typed: str) -> None:
    for key in ("1", "n", "l"):
        seen = Desktop(desk, ledger, key, typed)
        assert (seen.answers, seen.item().state, seen.item().snoozed_until) == (0, "open", None)


@pytest.mark.parametrize("end", ["q", EOFError, KeyboardInterrupt])
def test_the_end_is_safe_at_any_prompt(desk: Desk, ledger: Ledger, parked: Parked, end: Any) -> None:
    def stop() -> str:
        raise end

    last = "q" if end == "q" else stop
    for before in ((), ("1",), ("s",)) if end != "q" else ((),):
        seen = Desktop(desk, ledger, *before, last)
        assert (seen.answers, seen.item().state) == (0, "open")
        assert "Stopped. 0 answers were given; nothing else was touched." in seen.text


def test_the_soonest_visit_comes_first_and_each_comes_once(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    for remote_id, hours in (("late", 5), ("soon", 1)):
        park(ledger, Instant(now + timedelta(hours=hours), ZONE), remote_id=remote_id)
    seen = Desktop(desk, ledger, "n", "", "no", "1", "")
    assert (seen.item(2).answer, seen.item(1).answer) == ("new", "link")
    assert seen.text.index("[1/2]") < seen.text.index("[2/2]")


def test_later_comes_back_another_time(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    seen = Desktop(desk, ledger, "l", "")
    assert (seen.item().state, seen.item().snoozed_until is not None) == ("open", True)
    assert Desktop(desk, ledger).lines == ["Nobody has to look at anything now; 1 put off until later."]


def test_the_last_answer_is_taken_back_and_asked_again(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    for remote_id, hours in (("soon", 1), ("late", 5)):
        park(ledger, Instant(now + timedelta(hours=hours), ZONE), remote_id=remote_id)
    seen = Desktop(desk, ledger, "1", "", "no", "u", "", "q")
    assert (seen.answers, seen.item(1).state, seen.item(2).state) == (0, "open", "open")
    assert "u undo last" in seen.text
    assert seen.text.count("[1/2]") == 2


def test_undo_without_an_answer_does_nothing(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    assert "Nothing was answered in this walk yet." in Desktop(desk, ledger, "u", "q").text


def test_search_goes_on_counting_and_links(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    with ledger.write() as tx:
        mirror.put(
            tx,
            "ezyvet-city",
            [Client(id="7", given_name="Zoe", family_name="Newcomer"), Pet(id="70", client_id="7", name="Monty")],
        )
    seen = Desktop(desk, ledger, "s", "newcomer", "3", "")
    assert "3 Zoe Newcomer pets: Monty" in seen.text
    assert "Type 1 to 3 to link" in seen.text
    assert (seen.item().answer_client_id, seen.item().answer_pet_id) == ("7", "70")


def test_numbers_of_a_search_are_forgotten_with_its_question(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    for remote_id, hours in (("soon", 1), ("late", 5)):
        park(ledger, Instant(now + timedelta(hours=hours), ZONE), remote_id=remote_id)
    seen = Desktop(desk, ledger, "s", "harris", "l", "", "3", "")
    assert seen.item(2).state == "open"


@pytest.mark.parametrize(
    ("typed", "pet_id", "state"), [("2", "72", "answered"), ("b", None, "answered"), ("", None, "open")]
)
def test_an_unclear_pet_is_asked_for(
    desk: Desk, ledger: Ledger, parked: Parked, typed: str, pet_id: str | None, state: str
) -> None:
    with ledger.write() as tx:
        pets = [Pet(id="71", client_id="7", name="Bella"), Pet(id="72", client_id="7", name="Max")]
        mirror.put(tx, "ezyvet-city", [Client(id="7", family_name="Newcomer"), *pets])
    seen = Desktop(desk, ledger, "s", "newcomer", "3", typed, "")
    assert "Which pet? 1 Bella 2 Max b Monty, as booked" in seen.text
    assert (seen.item().state, seen.item().answer_pet_id) == (state, pet_id)


def test_only_the_choices_of_a_question_are_offered(desk: Desk, ledger: Ledger) -> None:
    visit = Appointment(id="1", start=Instant(START, ZONE), duration=900)
    ask(ledger, "1", "conflict", booking=visit, pims=visit, fields=["start"])
    seen = Desktop(desk, ledger, "1", "n", "s", "a", "p", "")
    keys = "Type b the booking is right, p the PIMS is right, k keep both as they are, l not now, ? help, q quit."
    assert seen.text.count(f"Nothing was done. {keys}") == 4
    assert seen.item().answer == "pims"


@pytest.mark.parametrize("why", ["slot-taken", "found-twice"])
def test_a_stands_for_again(desk: Desk, ledger: Ledger, why: str) -> None:
    ask(ledger, "1", why)
    assert Desktop(desk, ledger, "a", "").item().answer == "again"


def test_a_stands_for_allow(desk: Desk, ledger: Ledger) -> None:
    hold(ledger, {"1": "a cancellation"}, first_visit=START)
    seen = Desktop(desk, ledger, "a", "")
    assert seen.item().answer == "allow"
    assert "a let them through" in seen.text


def test_an_item_that_somebody_else_answered_is_passed_over(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    def elsewhere() -> str:
        with ledger.write() as tx:
            answering.give(tx, desk.loaded().config.sites, 1, Answer(choice=Choice.NEW), by="bob", take=True)
        return ""

    seen = Desktop(desk, ledger, "1", elsewhere)
    assert (seen.item().answer, seen.item().answered_by) == ("new", "bob")
    assert "Item 1 is not open any more: bob answered 'new'" in seen.text


def test_an_item_whose_booking_was_cancelled_is_passed_over(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    def elsewhere() -> str:
        with ledger.write() as tx:
            reviews.close(tx, tx.session.get_one(Change, parked.change).record_id, "the booking was cancelled")
        return "l"

    assert "the booking was cancelled" in Desktop(desk, ledger, elsewhere, "").text


def test_an_item_that_changed_is_shown_again(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    def elsewhere() -> str:
        park(ledger, Instant(parked.start.utc + timedelta(hours=1), ZONE))
        return "1"

    seen = Desktop(desk, ledger, elsewhere, "q")
    assert "Item 1 has changed meanwhile; look at it again." in seen.text
    assert seen.text.count("[1/1]") == 2
    assert seen.item().state == "open"


def test_help_says_what_every_key_is_for(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    text = Desktop(desk, ledger, "?", "q").text
    for words in ("s: search", "l: not now", "u: take back", "q: quit", "n: the owner is new"):
        assert words in text


def test_it_fits_a_plain_terminal(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    lines = Desktop(desk, ledger, "?", "s", "harris", "1", "").lines
    assert max(map(len, lines)) <= 80


def claim(desk: Desk, ledger: Ledger, item: int, by: str) -> None:
    with ledger.write() as tx:
        claims.claim(tx, desk.loaded().config.sites, item, by=by)


def test_what_is_on_the_screen_is_claimed_and_given_up_with_it(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    claimed: list[str] = []

    def look() -> str:
        with ledger.read() as tx:
            row = reviews.item(tx, 1)
            assert row is not None
            claimed.append(row.claimed_by)
        return "q"

    seen = Desktop(desk, ledger, look)
    assert (claimed, seen.item().claimed_by) == (["ann"], "")
    assert "ann has been at" not in seen.text, "nobody is told of oneself"


def test_what_somebody_else_is_at_comes_last_and_is_theirs(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    for remote_id, hours in (("soon", 1), ("late", 5)):
        park(ledger, Instant(now + timedelta(hours=hours), ZONE), remote_id=remote_id)
    claim(desk, ledger, 1, "bob")
    seen = Desktop(desk, ledger, "1", "")
    assert (seen.item(1).state, seen.item(2).answer) == ("open", "link")
    assert "bob has been at item 1 for 0 seconds." in seen.text
    assert "Nothing else is left to ask. 1 answer was given" in seen.text


def test_what_was_taken_over_meanwhile_is_not_answered(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    def taken_over() -> str:
        with ledger.write() as tx:
            claims.claim(tx, desk.loaded().config.sites, 1, by="bob", take=True)
        return ""

    seen = Desktop(desk, ledger, "1", taken_over)
    assert (seen.answers, seen.item().state, seen.item().claimed_by) == (0, "open", "bob")
    assert "Bob has been at item 1" in seen.text


def test_the_same_answer_is_offered_for_the_same_people(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    for number in range(1, 4):
        park(ledger, Instant(now + timedelta(hours=number), ZONE), remote_id=str(number))
    seen = Desktop(desk, ledger, "1", "", "")
    assert "2 more bookings of this contact and name: answer them the same?" in seen.text
    assert [seen.item(number).answer_pet_id for number in (1, 2, 3)] == ["5002", "5002", "5002"]
    assert seen.answers == 3
    assert "Nothing is left to ask. 3 answers were given" in seen.text


def test_answers_that_were_given_at_once_are_taken_back_at_once(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    for number in range(1, 4):
        park(ledger, Instant(now + timedelta(hours=number), ZONE), remote_id=str(number))
    ask(ledger, "4", "slot-taken")
    seen = Desktop(desk, ledger, "n", "", "", "u", "", "q")
    assert [seen.item(number).state for number in (1, 2, 3)] == ["open"] * 3
    assert seen.answers == 0


@pytest.mark.parametrize("said", ["n", "no", "1", "q"])
def test_others_are_not_answered_unasked(desk: Desk, ledger: Ledger, said: str) -> None:
    now = desk.clock.now()
    for number in (1, 2):
        park(ledger, Instant(now + timedelta(hours=number), ZONE), remote_id=str(number))
    seen = Desktop(desk, ledger, "1", "", said)
    assert (seen.answers, seen.item(2).state) == (1, "open")


def test_a_note_is_kept_and_shown(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    seen = Desktop(desk, ledger, "o", "rings \x1b[2Jback", "o", "", "q")
    assert (seen.text.count("Noted."), seen.item().state) == (1, "open")
    assert "note by ann" in Desktop(desk, ledger, "q").text
    assert "\x1b" not in desk.run("review", "list").stdout


def moved_on_both_sides(ledger: Ledger) -> None:
    visit = Appointment(id="1", start=Instant(START, ZONE), duration=900, resource="vet_1")
    there = Appointment(id="77", start=Instant(START + timedelta(hours=1), ZONE), duration=900, resource="vet_2")
    ask(ledger, "1", "conflict", booking=visit, pims=there, fields=["resource", "start"])


def test_it_is_said_field_by_field(desk: Desk, ledger: Ledger) -> None:
    moved_on_both_sides(ledger)
    seen = Desktop(desk, ledger, "f", "p", "b", "")
    row = seen.item()
    assert (row.answer, reviews.answer_fields(row)) == ("fields", {"resource": "pims", "start": "booking"})
    assert "time: b Mon 02 Mar 09:00 (booked) p Mon 02 Mar 10:00 (in the PIMS)" in seen.text
    assert "The PIMS takes over: time Mon 02 Mar 09:00, not Mon 02 Mar 10:00." in seen.text
    assert "The booking side takes over: vet or room vet_2, not vet_1." in seen.text


@pytest.mark.parametrize("typed", [["x"], ["p", ""], ["p", "bb"], ["p", "b", "no"]])
def test_half_of_it_is_not_taken(desk: Desk, ledger: Ledger, typed: list[str]) -> None:
    moved_on_both_sides(ledger)
    seen = Desktop(desk, ledger, "f", *typed)
    assert (seen.answers, seen.item().state) == (0, "open")
    assert "Nothing was done." in seen.text


def test_without_a_terminal_it_lists_and_does_nothing(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    result = desk.run("review")
    assert result.exit_code == 0
    assert "1 booking needs you" in result.stdout
    assert "There is no terminal to ask at." in result.stderr
    with ledger.read() as tx:
        assert len(reviews.open_items(tx)) == 1


def test_the_command_walks_on_a_terminal(
    desk: Desk, ledger: Ledger, parked: Parked, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["1", ""])
    monkeypatch.setattr(cli_answering, "on_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: next(typed))
    assert desk.run("review", "--by", "eve", "--site", "city").exit_code == 0
    with ledger.read() as tx:
        row = reviews.item(tx, 1)
        assert row is not None
        assert (row.answer, row.answered_by) == ("link", "eve")


def test_options_before_a_command_of_review_are_wrong_use(desk: Desk, ledger: Ledger) -> None:
    assert desk.run("review", "--site", "city", "list").exit_code == 2
    assert desk.run("review", "--site", "nowhere").exit_code == 2
