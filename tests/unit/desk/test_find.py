"""`find`: is it in? What reception hears on the phone finds the visit, and says how it stands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.rig import Rig
from tests.unit.desk.practice import Desk, Parked, Settled
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.desk.find import Found, find
from vetbridge.ledger import changes, links, subjects
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change, ChangeState


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("John", "Smith", "+447912000001", "Bella", "Max")
    return made


def asked(rig: Rig, text: str = "", **by: Any) -> Found:
    with rig.ledger.read() as tx:
        return find(tx, rig.sites(), text, **by)


def said(rig: Rig, text: str = "", **by: Any) -> list[tuple[str, str]]:
    return [(visit.state, visit.words) for visit in asked(rig, text, **by).visits]


def test_a_booking_that_was_carried_over_is_in_and_shown_once(rig: Rig) -> None:
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.sweeper.sweep()  # the PIMS's visit is read as well
    rig.run()
    for text in ("smith", "bel", "john bella", "07912 000001", "0001", "+447912000001"):
        (visit,) = asked(rig, text).visits
        assert (visit.state, visit.words) == ("in", "In the PIMS on John Smith, pet Bella.")
        assert (visit.who, visit.pets, visit.phones) == ("John Smith", ("Bella",), ("+447912000001",))
        assert visit.link is not None
        assert (visit.link.booking_id, visit.link.pims_id) == (id_, rig.visits()[0]["id"])
        assert (visit.account, visit.remote_id, visit.site_name) == ("booking", id_, "Town")
    assert said(rig, "smith max") == []
    assert said(rig, phone="0001", owner="smith", pet="bella") == said(rig, "smith")
    assert said(rig, phone="0002", owner="smith") == said(rig, phone="12") == said(rig, owner="bella") == []


def test_a_visit_of_the_front_desk_is_found_by_its_owner_in_the_pims(rig: Rig) -> None:
    rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    (booked,) = rig.visits()
    start = (rig.clock.now() + timedelta(hours=90)).isoformat()
    whose = {name: booked[name] for name in ("owner", "pet")}
    rig.pims.add(Kind.APPOINTMENT, {**whose, "start": start, "seconds": 900, "type": "1", "who": None})
    rig.sweeper.sweep()
    rig.run()
    assert {state for state, _ in said(rig, "smith")} == {"in", "pims-alone"}
    (words,) = [words for state, words in said(rig, "bella") if state == "pims-alone"]
    assert words.startswith("In the PIMS alone, on John Smith: ")
    assert said(rig, pet="max") == []


def test_one_that_waits_for_an_answer_says_for_which(rig: Rig) -> None:
    rig.owner("Joan", "Smith", "+447912000001", "Bella")
    rig.book("J", "Smith", "+447912000001", "Bella")
    rig.run()
    (item,) = rig.questions()
    assert said(rig, "smith") == [
        ("without-owner", f"In the PIMS without its owner: waits for an answer to item {item.id}.")
    ]
    assert asked(rig, "smith").visits[0].item_id == item.id


def test_a_cancelled_one_says_so(rig: Rig) -> None:
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()
    assert said(rig, "smith") == [("cancelled", "Cancelled.")]


def test_what_has_changed_since_is_on_its_way(rig: Rig) -> None:
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.hint(id_)
    assert said(rig, "smith") == [("in", "In the PIMS; what has changed since is on its way.")]


def test_a_day_is_a_day_at_the_site(rig: Rig) -> None:
    rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    rig.book("John", "Smith", "+447912000001", "Max", hours=60)
    rig.run()
    first = (rig.clock.now() + timedelta(hours=30)).astimezone(ZoneInfo("Europe/London")).date()
    assert [visit.pets for visit in asked(rig, day=first).visits] == [("Bella",)]
    assert [visit.pets for visit in asked(rig, "smith", day=first).visits] == [("Bella",)]
    assert [visit.pets for visit in asked(rig, "smith").visits] == [("Bella",), ("Max",)]
    assert asked(rig, "smith", limit=1).more
    assert asked(rig, site="town").visits == ()


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "1" * 10_000, "a " * 5_000, "\x00\ud800\x1b[2J\u202e", "%_';--", "@@@"]
)
def test_hostile_text_finds_nothing_and_harms_nothing(rig: Rig, text: str) -> None:
    assert said(rig, text) == said(rig, phone=text) == said(rig, owner=text, pet=text) == []


def test_one_that_the_mapping_cannot_read_is_found_by_what_can_be_read(rig: Rig) -> None:
    rig.book("John", "Smith", "+447912000001", "Bella", type="99", hours=30)
    rig.run()
    (visit,) = asked(rig, "smith bella", phone="0001").visits
    assert visit.state == "failed"
    assert visit.words.startswith("Failed: mapping memory: appointment.appointment_type")
    assert (visit.who, visit.pets) == ("John Smith", ("Bella",))
    assert visit.start == rig.clock.now() + timedelta(hours=30)


# -- the command ----------------------------------------------------------------------------------------------------


def note(ledger: Ledger, number: int, start: Instant, who: Client, pet: str) -> None:
    booked = Appointment(
        booker=who,
        booked_pet=Pet(name=pet),
        start=start,
        duration=900,
        appointment_type="vaccination",
        resource="vet_2",
    )
    with ledger.write() as tx:
        row = tx.session.get_one(Change, number)
        row.visit_at = start.utc
        subjects.note(tx, row.record_id, booked, country="GB", account="altegio-city")


@pytest.fixture
def harris() -> Client:
    return Client(given_name="James", family_name="Harris", phones=("+447700900123",))


def test_one_screen_names_first_ids_behind(desk: Desk, ledger: Ledger, parked: Parked, harris: Client) -> None:
    note(ledger, parked.change, parked.start, harris, "Monty")
    lines = desk.run("find", "harris", "monty").stdout.splitlines()
    when = f"{parked.start.at_site():%a %d %b %H:%M}"
    assert lines == [
        f"{when}  James Harris  +447700900123  pet: Monty",
        "    In the PIMS without its owner: waits for an answer to item 1.",
        f"    vaccination; vet_2; City Vets; booking 30001; PIMS 77; change {parked.change}, 10 minutes",
        "    ago",
    ]
    (found,) = desk.data("find", "--phone", "0123")["visits"]
    assert (found["who"], found["state"], found["item_id"]) == ("James Harris", "without-owner", 1)
    assert found["start"] == parked.start.at_site().isoformat()
    assert "No visit fits." in desk.run("find", "nobody").stdout


def test_a_failed_one_says_what_to_do(desk: Desk, ledger: Ledger, settled: Settled, harris: Client) -> None:
    number = settled(ChangeState.FAILED, "mapping", message="no code 9")
    note(ledger, number, Instant(desk.clock.now() + timedelta(days=1), "Europe/London"), harris, "Monty")
    (found,) = desk.data("find", "harris")["visits"]
    assert found["state"] == "failed"
    assert found["words"].startswith("Failed: no code 9. A value has no counterpart")


def test_one_that_waits_and_one_that_was_not_carried_over_say_why(
    desk: Desk, ledger: Ledger, settled: Settled, harris: Client
) -> None:
    start = Instant(desk.clock.now() + timedelta(days=1), "Europe/London")
    note(ledger, settled(ChangeState.SKIPPED, "gone-before-written", message="it is gone"), start, harris, "Monty")
    waits = settled(ChangeState.SKIPPED, remote_id="waits")
    note(ledger, waits, start, harris, "Rex")
    with ledger.write() as tx:
        changes.wait(tx, waits, start.utc, "unavailable", "the PIMS does not answer")
    words = {visit["pets"][0]: (visit["state"], visit["words"]) for visit in desk.data("find", "harris")["visits"]}
    at = f"{start.at_site():%a %d %b %H:%M}"
    assert words == {
        "Monty": ("skipped", "Not carried over: it is gone."),
        "Rex": ("on-its-way", f"On its way: waits until {at} (the PIMS does not answer)."),
    }


def test_what_stood_on_both_sides_before_vetbridge_came_is_in(desk: Desk, ledger: Ledger, harris: Client) -> None:
    start = Instant(desk.clock.now() + timedelta(days=1), "Europe/London")
    with ledger.write() as tx:
        row = changes.record_of(tx, "altegio-city", Kind.APPOINTMENT, "30001")
        link = links.put(
            tx,
            site="city",
            kind=Kind.APPOINTMENT,
            booking_account="altegio-city",
            booking_id="30001",
            pims_account="ezyvet-city",
            pims_id="77",
            origin="paired",
        )
        link.visit_at = start.utc
        booked = Appointment(booker=harris, start=start, duration=900)
        subjects.note(tx, row.id or 0, booked, country="GB", account="altegio-city")
    day = start.at_site().date().isoformat()
    for arguments in (["harris"], ["--day", day], ["harris", "--site", "city", "--day", day]):
        (found,) = desk.data("find", *arguments)["visits"]
        assert (found["state"], found["change_id"], found["site"]) == ("in", None, "city")
        assert found["start"] == start.at_site().isoformat()
    assert "booking 30001; PIMS 77; 10 minutes ago" in " ".join(desk.run("find", "harris").stdout.split())


def test_hostile_names_steer_no_terminal(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    hostile = Client(
        given_name="\x1b[2J\x1b]0;owned\x07Eve", family_name="[red]\u202e" + "x" * 5000, phones=("\x1b[1m",)
    )
    number = settled(ChangeState.DONE)
    note(ledger, number, Instant(desk.clock.now() + timedelta(days=1), "Europe/London"), hostile, "Rex\nnext line")
    result = desk.run("find", "rex")
    assert result.exit_code == 0
    assert "Eve" in result.stdout
    assert not {letter for letter in result.stdout if letter in "\x1b\x07\u202e"}
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments",
    [[], ["  "], ["--site", "city"], ["x", "--day", "soon"], ["x", "--site", "citi"], ["--day", "9999-12-31"]],
)
def test_wrong_use(desk: Desk, ledger: Ledger, arguments: list[str]) -> None:
    result = desk.run("find", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr
