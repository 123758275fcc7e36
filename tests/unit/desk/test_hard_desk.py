"""What must not go wrong at the desk: an answer for something else than was seen, one that takes back another's, text
that draws over the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from tests.unit.desk.practice import Desk, Parked, hold, park, receive
from tests.unit.desk.test_claims import PHONE, House
from vetbridge.cli.asking import Walk
from vetbridge.cli.tables import wrapped
from vetbridge.core.answers import SLOT_TAKEN, Answer, Choice
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.core.roles import Role
from vetbridge.desk import answering, claims, failures, find, review, staff
from vetbridge.desk.answering import BOOKED_PET, CannotAnswer, Taken
from vetbridge.desk.review import ReviewItem
from vetbridge.ledger import changes, mirror, reviews, subjects
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change, ChangeState, Link, Review

PIMS = "ezyvet-city"
NEW = Answer(choice=Choice.NEW)
JAMES = Client(id="1002", given_name="James", family_name="Harris", phones=("07700 900123",))
MONTY = Pet(id="5002", client_id="1002", name="Monty", species="cat", breed="15")


def item(desk: Desk, ledger: Ledger, number: int = 1) -> ReviewItem:
    with ledger.read() as tx:
        found = review.find_item(tx, desk.loaded().config.sites, number)
    assert found is not None
    return found


def known(ledger: Ledger, *records: Client | Pet) -> None:
    with ledger.write() as tx:
        mirror.put(tx, PIMS, list(records))


def asked_anew(ledger: Ledger, number: int = 1, **said: object) -> None:
    """The engine asks the same question again, and some of what it says is another now."""
    with ledger.write() as tx:
        row = tx.session.get_one(Review, number)
        change = tx.session.get_one(Change, row.change_id)
        reviews.ask(tx, change, why=row.why, visit_at=row.visit_at, question={**reviews.question(tx, row), **said})


# -- what was seen ------------------------------------------------------------------------------------------------


def _another_person(ledger: Ledger) -> None:
    known(ledger, replace(JAMES, given_name="Zoe", family_name="Quill"))


def _another_phone(ledger: Ledger) -> None:
    known(ledger, replace(JAMES, phones=("07700 900999",)))


def _inactive(ledger: Ledger) -> None:
    known(ledger, replace(JAMES, active=False))


def _another_animal(ledger: Ledger) -> None:
    known(ledger, replace(MONTY, name="Rex", species="dog"))


def _one_more_pet(ledger: Ledger) -> None:
    known(ledger, Pet(id="5009", client_id="1002", name="Monty", species="cat"))


def _another_pet_is_meant(ledger: Ledger) -> None:
    with ledger.read() as tx:
        first, second = reviews.question(tx, tx.session.get_one(Review, 1))["candidates"]
    asked_anew(ledger, candidates=[{**first, "pet_id": "5003"}, second])


def _another_order(ledger: Ledger) -> None:
    with ledger.read() as tx:
        candidates = reviews.question(tx, tx.session.get_one(Review, 1))["candidates"]
    asked_anew(ledger, candidates=candidates[::-1])


def _off_the_placeholder(ledger: Ledger) -> None:
    with ledger.write() as tx:
        (link,) = tx.session.exec(select(Link)).all()
        link.unlinked = False


HAPPENINGS = (
    _another_phone,
    _another_animal,
    _one_more_pet,
    _another_pet_is_meant,
    _another_order,
    _off_the_placeholder,
    _another_person,
    _inactive,
)


def test_an_answer_is_for_the_people_and_pets_that_were_shown(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    sites, link = desk.loaded().config.sites, Answer(choice=Choice.LINK, client_id="1002")
    for happens in HAPPENINGS:
        saw = answering.seen(item(desk, ledger))
        happens(ledger)
        with pytest.raises(CannotAnswer) as refused, ledger.write() as tx:
            answering.give(tx, sites, 1, link, by="ann", seen=saw)
        assert refused.value.code == "changed-meanwhile", happens.__name__
        assert item(desk, ledger).state == "open"


def test_who_noted_something_or_is_at_it_makes_no_other_question_of_it(
    desk: Desk, ledger: Ledger, parked: Parked
) -> None:
    sites, saw = desk.loaded().config.sites, answering.seen(item(desk, ledger))
    with ledger.write() as tx:
        claims.add_note(tx, sites, 1, "calls back", by="ann")
        claims.assign(tx, sites, 1, "ben", by="ann")
        claims.claim(tx, sites, 1, by="ann")
        mirror.put(tx, PIMS, [JAMES, MONTY])
    desk.clock.advance(60)
    assert answering.seen(item(desk, ledger)) == saw


def test_what_the_fuse_lets_through_is_what_was_shown(desk: Desk, ledger: Ledger) -> None:
    sites = desk.loaded().config.sites
    hold(ledger, {"1": "would be cancelled", "2": "would be cancelled"}, first_visit=desk.clock.now())
    saw = answering.seen(item(desk, ledger))
    hold(ledger, {"3": "would be cancelled"}, first_visit=desk.clock.now())
    for choice in (Choice.ALLOW, Choice.KEEP):
        with pytest.raises(CannotAnswer, match="has changed meanwhile"), ledger.write() as tx:
            answering.give(tx, sites, 1, Answer(choice=choice), by="ann", seen=saw)
    with ledger.write() as tx:
        now = answering.seen(item(desk, ledger))
        answering.give(tx, sites, 1, Answer(choice=Choice.ALLOW), by="ann", seen=now)


def test_the_visit_that_holds_the_time_is_the_one_that_was_shown(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    other = Appointment(id="88", client_id="7", start=parked.start, duration=900)
    asked_anew(ledger, why=SLOT_TAKEN, other=other)
    saw = answering.seen(item(desk, ledger))
    asked_anew(ledger, why=SLOT_TAKEN, other=replace(other, duration=7200))
    assert answering.seen(item(desk, ledger)) != saw


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.book()
    return made


ZOE = {"given": "Zoe", "family": "Quill", "phones": [PHONE]}


@pytest.mark.parametrize(
    ("choice", "edit"),
    [(Choice.LINK, {"booker": ZOE}), (Choice.NEW, {"animal": {"name": "Hugo", "species": "D"}})],
)
def test_an_answer_is_not_carried_out_for_a_booking_that_is_somebody_elses_by_then(
    house: House, choice: Choice, edit: dict[str, Any]
) -> None:
    before = house.item()
    answer = Answer(choice=choice, client_id=house.john if choice is Choice.LINK else None)
    house.do(answering.give, 1, answer, by="ann", seen=answering.seen(before))
    house.rig.booking.edit(Kind.APPOINTMENT, before.remote_id, edit)
    clients = len(house.rig.pims.rows(Kind.CLIENT))
    house.rig.run()
    assert house.people() == [("Placeholder", "Placeholder")]
    assert len(house.rig.pims.rows(Kind.CLIENT)) == clients
    (asked,) = house.items()
    assert (asked.id, asked.choices, asked.given) == (1, ("link", "new"), None)
    assert asked.booking != before.booking
    house.do(answering.give, 1, answer, by="ann", seen=answering.seen(asked))
    house.rig.run()
    assert house.people() != [("Placeholder", "Placeholder")]
    assert house.items() == ()


def test_an_answer_holds_for_the_same_people_whatever_else_they_change(house: House) -> None:
    house.do(answering.give, 1, Answer(choice=Choice.LINK, client_id=house.john), by="ann")
    edit = {
        "booker": {"given": "Pete", "family": "Jones", "phones": ["+447912000777"]},
        "animal": {"name": "ROCKY (bites!)", "species": "D"},
        "notes": "limps",
        "who": "v2",
    }
    house.rig.booking.edit(Kind.APPOINTMENT, house.item().remote_id, edit)
    house.rig.run()
    assert house.people() == [("Smith", "Rocky")]
    assert house.items() == ()


# -- one answer for several -----------------------------------------------------------------------------------------


def _booked(ledger: Ledger, number: int, pet: Pet | None) -> None:
    with ledger.read() as tx:
        booking = reviews.question(tx, tx.session.get_one(Review, number))["booking"]
    asked_anew(ledger, number, booking=replace(booking, booked_pet=pet))


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (None, None, "pet-not-named"),
        (Pet(name=""), Pet(name=" "), "pet-not-named"),
        (Pet(name="Monty", species="cat"), Pet(name="Monty", species="dog"), "pet-not-named"),
    ],
)
def test_two_animals_of_one_owner_are_not_made_one(
    desk: Desk, ledger: Ledger, parked: Parked, first: Pet | None, second: Pet | None, code: str
) -> None:
    sites = desk.loaded().config.sites
    known(ledger, Pet(id="5004", client_id="1002", name="Tiger", species="cat"))
    park(ledger, parked.start, remote_id="30002")
    _booked(ledger, 1, first)
    _booked(ledger, 2, second)
    link = Answer(choice=Choice.LINK, client_id="1002", pet_id="5002")
    with ledger.write() as tx:
        answering.give(tx, sites, 1, link, by="ann")
        ((number, given),) = answering.give_all(tx, sites, [2], link, by="ann", like=1)
    assert isinstance(given, CannotAnswer)
    assert (number, given.code, item(desk, ledger, 2).state) == (2, code, "open")


def test_the_same_animal_is_the_same_for_all_its_visits(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    sites = desk.loaded().config.sites
    park(ledger, parked.start, remote_id="30002")
    _booked(ledger, 2, Pet(name="MONTY (bites!)"))
    link = Answer(choice=Choice.LINK, client_id="1002", pet_id="5002")
    with ledger.write() as tx:
        first = answering.known_item(tx, sites, 1)
        other = answering.known_item(tx, sites, 2)
        assert answering.alike(first, other, link) == link
        assert answering.alike(first, other, replace(link, pet_id=BOOKED_PET)).pet_id == BOOKED_PET
        answering.give(tx, sites, 1, link, by="ann")
        ((_, given),) = answering.give_all(tx, sites, [2], link, by="ann", like=1)
    assert isinstance(given, Taken)


# -- taking back --------------------------------------------------------------------------------------------------


def test_a_newer_answer_is_not_taken_back_for_an_older_one(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    sites = desk.loaded().config.sites

    def answered(by: str) -> ReviewItem:
        with ledger.write() as tx:
            answering.give(tx, sites, 1, NEW, by=by)
        return item(desk, ledger)

    anns = answered("ann").given
    assert anns is not None
    desk.clock.advance(5)
    with ledger.write() as tx:
        answering.undo(tx, sites, 1, by="ben", given_at=anns.at)
    bens = answered("ben").given
    with pytest.raises(CannotAnswer, match="has changed meanwhile"), ledger.write() as tx:
        answering.undo(tx, sites, 1, by="ann", given_at=anns.at)
    assert item(desk, ledger).given == bens
    assert bens is not None
    with ledger.write() as tx:
        answering.undo(tx, sites, 1, by="ann", given_at=bens.at)
    assert item(desk, ledger).state == "open"


def test_the_walk_takes_back_its_own_answer_alone(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    sites = desk.loaded().config.sites
    typed = iter(["n", "", "not the other one", "u", ""])
    park(ledger, parked.start, remote_id="30002")
    said: list[str] = []

    def read(prompt: str) -> str:
        line = next(typed, "q")
        if line == "u":  # by now Ben has taken it back, and answered it himself
            desk.clock.advance(5)
            with ledger.write() as tx:
                answering.undo(tx, sites, 1, by="ben")
                answering.give(tx, sites, 1, NEW, by="ben")
        return line

    walk = Walk(ledger, sites, site=None, by="ann", read=read, say=said.append, runs=lambda: False, clock=desk.clock)
    walk.go()
    given = item(desk, ledger).given
    assert given is not None
    assert given.by == "ben", said
    assert "has changed meanwhile" in " ".join(" ".join(said).split())


# -- nothing is lost ----------------------------------------------------------------------------------------------


def test_a_question_that_was_put_off_comes_back_when_its_visit_is_moved(
    desk: Desk, ledger: Ledger, parked: Parked
) -> None:
    sites = desk.loaded().config.sites
    with ledger.write() as tx:
        answering.postpone(tx, sites, 1, 72.0, by="ann")
    asked_anew(ledger, words="the same question once more")
    assert item(desk, ledger).snoozed_until is not None
    with ledger.write() as tx:
        row = tx.session.get_one(Review, 1)
        change = tx.session.get_one(Change, row.change_id)
        visit = (row.visit_at or desk.clock.now()) + timedelta(hours=1)
        reviews.ask(tx, change, why=row.why, visit_at=visit, question=reviews.question(tx, row))
    assert item(desk, ledger).snoozed_until is None


def test_a_question_that_was_put_off_comes_back_when_something_else_is_asked(
    desk: Desk, ledger: Ledger, parked: Parked
) -> None:
    with ledger.write() as tx:
        answering.postpone(tx, desk.loaded().config.sites, 1, 72.0, by="ann")
        row = tx.session.get_one(Review, 1)
        change = tx.session.get_one(Change, row.change_id)
        reviews.ask(tx, change, why=SLOT_TAKEN, visit_at=row.visit_at, question={"why": SLOT_TAKEN})
    assert item(desk, ledger).snoozed_until is None


def test_what_fails_again_shows_again_though_the_first_failure_was_seen_to(
    desk: Desk, ledger: Ledger, settled: Callable[..., int]
) -> None:
    def listed() -> list[int]:
        with ledger.read() as tx:
            return [each.change.id for each in failures.failures(tx, desk.loaded().config.sites).listed]

    first = settled(ChangeState.FAILED, "refused", remote_id="1")
    with ledger.write() as tx:
        assert failures.acknowledge(tx, [first], by="ann") == 1
    assert listed() == []
    second = settled(ChangeState.FAILED, "refused", remote_id="1")
    assert listed() == [second]
    with ledger.write() as tx:
        assert failures.acknowledge(tx, [first], by="ann") == 0
    assert listed() == [second]


# -- odd input ----------------------------------------------------------------------------------------------------


def test_a_day_at_the_end_of_time_finds_nothing(desk: Desk, ledger: Ledger) -> None:
    config = desk.config()
    for zone in ("Asia/Tokyo", "America/Los_Angeles"):
        config["sites"]["city"]["zone"] = zone
        desk.save(config)
        sites = desk.loaded().config.sites
        with ledger.read() as tx:
            for day in (date.min, date(1, 1, 2), date(9999, 12, 30), date.max):
                assert find.find(tx, sites, day=day).visits == ()


def test_a_name_is_the_same_however_a_keyboard_composes_it(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        staff.add(tx, "José", Role.READER, password_hash=None, by="tests")
    with ledger.read() as tx:
        assert staff.member(tx, unicodedata.normalize("NFD", "JOSÉ")).name == "José"


# -- the terminal -------------------------------------------------------------------------------------------------


def _cells(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


@pytest.mark.parametrize(
    "text",
    [
        "名" * 200,
        "a " + "名前" * 60 + " 1   Ana Petrova",
        " ".join(["犬" * 7] * 20),
        "x" * 200,
        "\U0001f415" * 100,
        "ａ" * 79 + "b" * 79,
    ],
)
def test_wide_letters_fill_no_line_twice(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = wrapped(text, first="   1   ", margin=" " * 7)
    assert max(map(_cells, lines)) <= 80
    assert "".join("".join(lines).split())[1:] == "".join(text.split())
    assert all(line.startswith(" " * 7) for line in lines[1:])


HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\n\u2028\u202e\x9b31m[1/9] Done. " + "名" * 50


def test_hostile_text_keeps_to_its_line_everywhere(desk: Desk, ledger: Ledger) -> None:
    sites = desk.loaded().config.sites
    start = Instant(desk.clock.now() + timedelta(hours=5), "Europe/London")
    park(ledger, start)
    person = Client(id="2001", given_name=HOSTILE, family_name="Harris", phones=("+447700900123", HOSTILE))
    visit = Appointment(
        id="30001",
        client_id="2001",
        booker=person,
        booked_pet=Pet(name=HOSTILE, species="cat"),
        start=start,
        duration=900,
        notes=HOSTILE,
        resource=HOSTILE,
        appointment_type=HOSTILE,
    )
    asked_anew(ledger, booking=visit)
    known(ledger, replace(JAMES, given_name=HOSTILE), replace(MONTY, name=HOSTILE))
    with ledger.write() as tx:
        row = tx.session.get_one(Review, 1)
        subjects.note(tx, row.record_id or 0, visit, country="GB", account="altegio-city")
        claims.add_note(tx, sites, 1, HOSTILE, by=HOSTILE)
        claims.assign(tx, sites, 1, HOSTILE, by=HOSTILE)
        claims.claim(tx, sites, 1, by=HOSTILE)
        staff.add(tx, "名" * 60, Role.RECEPTION, password_hash=None, by=HOSTILE, language="de")
        failed = changes.begin(tx, receive(tx, HOSTILE[:60]))
        changes.settle(tx, failed.id or 0, ChangeState.FAILED, "refused", HOSTILE)
        number = failed.id
    for command in (
        ["review", "list"],
        ["review", "show", "1"],
        ["review", "search", "harris"],
        ["find", "harris"],
        ["changes", "list"],
        ["changes", "show", str(number)],
        ["changes", "show", "1"],
        ["audit", "list"],
        ["staff", "list"],
    ):
        result = desk.run(*command)
        assert result.exit_code in (0, 4), (command, result.output)
        assert not {"\x1b", "\x07", "\r", "\u2028", "\u202e", "\x9b"} & set(result.output), command
        long = [line for line in result.stdout.split("\n") if _cells(line) > 80]
        assert not long, (command, long)
        if command[1] != "search":  # there a name begins a line anyway
            assert not [line for line in result.output.split("\n") if line.startswith("[1/9]")], command
