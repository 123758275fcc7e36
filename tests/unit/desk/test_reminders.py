"""`vetbridge reminders list`: what is due, what is said of it where, and why nothing is said of the rest."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.unit.desk.practice import ZONE, Desk
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet, Reminder, Vaccination
from vetbridge.ledger import access, due, going_live, links, mirror
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.due import Standing

NOTICES = {"text": "{clinic}: {services}", "days": [-10, 7]}


def day(desk: Desk, away: int) -> date:
    """A day from the one on which the commands look, ten minutes after the ledger was filled."""
    now = desk.clock.now() + timedelta(minutes=10)
    return now.astimezone(ZoneInfo(ZONE)).date() + timedelta(days=away)


def want(desk: Desk, **reminders: Any) -> None:
    config = desk.config()
    config["sites"]["city"]["reminders"] = reminders
    desk.save(config)


@pytest.fixture
def owned(desk: Desk, ledger: Ledger) -> None:
    """Ann Weiss has a card, and five pets of whom something is known."""
    want(desk, notices=NOTICES)
    services = [
        Vaccination(id="1", pet_id="1", service="12", name="Rabies", given_on=day(desk, -345), due_on=day(desk, 20)),
        Vaccination(
            id="2", pet_id="1", service="12", name="Rabies", given_on=day(desk, -700), due_on=day(desk, -335)
        ),
        Reminder(id="3", pet_id="2", service="13", name="Dental \x1b[31mcheck", due_on=day(desk, -5)),
        Reminder(id="4", pet_id="3", service="14", name="Weight", due_on=day(desk, 4)),
        Reminder(id="5", pet_id="4", service="15", name="Lepto", due_on=day(desk, 5)),
        Reminder(id="6", pet_id="5", service="16", name="Bloods", due_on=day(desk, 250)),
        Reminder(id="7", pet_id="5", service="17", name="", due_on=day(desk, 6)),
    ]
    visit = Appointment(id="70", pet_id="4", start=Instant(desk.clock.now() + timedelta(days=9), ZONE), duration=900)
    pets = {"1": "Bella", "2": "Rex", "3": "Old Tom", "4": "Mia", "5": "Bo"}
    with ledger.write() as tx:
        mirror.put(
            tx,
            "ezyvet-city",
            [
                Client(id="1002", given_name="Ann", family_name="Weiss"),
                *(Pet(id=id_, client_id="1002", name=name, deceased=id_ == "3") for id_, name in pets.items()),
            ],
        )
        due.put(tx, "ezyvet-city", [*services, visit])
        due.read_through(tx, "ezyvet-city")
        link(tx, "2001", "1002")


def link(tx: Any, booking_id: str, pims_id: str) -> None:
    links.put(
        tx,
        site="city",
        kind=Kind.CLIENT,
        booking_account="altegio-city",
        booking_id=booking_id,
        pims_account="ezyvet-city",
        pims_id=pims_id,
        origin="matched",
    )


def test_each_service_says_where_it_is_said_or_why_it_is_not(desk: Desk, owned: None) -> None:
    (owner,) = desk.data("reminders", "list")["owners"]
    assert (owner["client_id"], owner["pims_ids"], owner["who"]) == ("2001", ["1002"], "Ann Weiss")
    found = [(each["pet"], each["name"], each["said"], each["held"]) for each in owner["services"]]
    assert found == [
        ("Rex", "Dental [31mcheck", ["overdue"], None),
        ("Old Tom", "Weight", [], "pet-deceased"),
        ("Mia", "Lepto", [], "visit-booked"),
        ("Bo", "", [], "nameless"),
        ("Bella", "Rabies", ["card", "due-soon"], None),
    ]
    assert [each["told_on"] for each in owner["services"]] == [
        day(desk, 2).isoformat(),
        None,
        None,
        None,
        day(desk, 10).isoformat(),
    ]
    words = [each["words"] for each in owner["services"]]
    assert words[1] == "Held back: the pet is deceased."
    assert words[4] == (
        "The card is to name it. It counts as due soon. "
        f"A notice goes out on {day(desk, 10).isoformat()} if the booking side can send one."
    )
    assert (owner["card"]["words"], owner["notice_due"], owner["last_notice"]) == (
        "The card says nothing.",
        False,
        "",
    )


def test_what_is_far_ahead_or_completed_is_listed_on_request(desk: Desk, owned: None) -> None:
    later = f"Held back until {day(desk, 67).isoformat()}: it is due too far ahead."
    done = "Done, or another entry of the same service counts."
    for options, expected in ([], set()), (["--client", "2001"], {later}), (["--all"], {later, done}):
        (owner,) = desk.data("reminders", "list", *options)["owners"]
        assert {each["words"] for each in owner["services"]} & {later, done} == expected


def test_it_says_what_stands_on_the_card_and_what_the_owner_was_sent(desk: Desk, ledger: Ledger, owned: None) -> None:
    shown = Reminder(id="2001", name="Rabies", pet_name="Bella", due_on=day(desk, 20), due_soon=True, overdue=True)
    with ledger.write() as tx:
        due.stands(tx, "altegio-city", "2001", "city", Standing(wanted=shown, shown=shown, stamp=""))
        due.intend(tx, "altegio-city", "2001", ["key"], "stamp")
        due.ended(tx, "altegio-city", "2001", "stamp", due.UNKNOWN)
    (owner,) = desk.data("reminders", "list")["owners"]
    assert owner["card"]["words"] == (
        f"The card says: Rabies, Bella, {day(desk, 20).isoformat()}. It is marked due soon. It is marked overdue."
    )
    assert owner["last_notice"] == "unknown"
    assert owner["last_notice_words"].endswith("nobody knows whether it got there.")


def test_a_notice_that_is_due_now_is_said_of_all_it_names(desk: Desk, ledger: Ledger, owned: None) -> None:
    want(desk, notices={**NOTICES, "days": [-20]}, merge_days=100)
    with ledger.write() as tx:
        due.notices_since(tx, "city", day(desk, -30))
    (owner,) = desk.data("reminders", "list")["owners"]
    assert owner["notice_due"]
    said = {each["pet"]: "notice" in each["said"] for each in owner["services"] if each["held"] is None}
    assert said == {"Rex": True, "Bella": True}


def test_an_owner_who_wants_no_messages_is_listed_with_the_reason(desk: Desk, ledger: Ledger, owned: None) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id="1002", given_name="Ann", family_name="Weiss", opted_out=True)])
    (owner,) = desk.data("reminders", "list")["owners"]
    assert {each["held"] for each in owner["services"]} == {"opted-out"}


@pytest.mark.parametrize("id_", ["2001", "1002"])
def test_a_client_is_found_by_its_id_at_either_side(desk: Desk, owned: None, id_: str) -> None:
    (owner,) = desk.data("reminders", "list", "--client", id_)["owners"]
    assert owner["client_id"] == "2001"


def test_a_client_without_a_card_is_unknown(desk: Desk, owned: None) -> None:
    result = desk.run("reminders", "list", "--client", "99\x1b[2J", "--json")
    assert result.exit_code == 2
    assert [each["code"] for each in json.loads(result.stdout)["problems"]] == ["unknown-client"]


def test_owners_of_whom_nothing_is_to_be_said_are_left_out_and_the_limit_is_told(
    desk: Desk, ledger: Ledger, owned: None
) -> None:
    with ledger.write() as tx:
        for number in ("1", "2", "3"):
            mirror.put(tx, "ezyvet-city", [Client(id=f"200{number}"), Pet(id=f"5{number}", client_id=f"200{number}")])
            link(tx, f"300{number}", f"200{number}")
        due.put(tx, "ezyvet-city", [Reminder(id="9", pet_id="53", name="Dental", due_on=day(desk, 3))])
        due.put(tx, "ezyvet-city", [Reminder(id="10", pet_id="52", name="Dental", due_on=day(desk, 300))])
    assert [each["client_id"] for each in desk.data("reminders", "list")["owners"]] == ["2001", "3003"]
    found = desk.data("reminders", "list", "--limit", "1")
    assert ([each["client_id"] for each in found["owners"]], found["more"]) == (["2001"], True)


def test_people_read_it_and_that_they_did_is_noted_once(desk: Desk, ledger: Ledger, owned: None) -> None:
    result = desk.run("reminders", "list", "--site", "city")
    assert result.exit_code == 0, result.output
    assert "Ann Weiss (client 2001, in the PIMS 1002)" in result.stdout
    assert "Held back: the pet is deceased." in " ".join(result.stdout.split())
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    with ledger.read() as tx:
        (noted,) = access.entries(tx, subject="client")
    assert noted.subject_id == "altegio-city/2001"


def test_what_is_not_known_yet_is_said(desk: Desk, ledger: Ledger) -> None:
    assert "No site wants anything done" in desk.run("reminders", "list").output
    want(desk)
    result = desk.run("reminders", "list")
    assert "Nothing is due:" in result.stdout
    assert "ezyvet-city was not read through yet" in result.output
    assert "Nothing is written for city yet" not in result.output
    with ledger.write() as tx:
        going_live.meet(tx, "city", start_live=False)
    assert "Nothing is written for city yet" in desk.run("reminders", "list").output
    assert desk.run("reminders", "list", "--site", "cty").exit_code == 2
