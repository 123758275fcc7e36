"""Review: the soonest visit first, why in plain words, and everybody who may be meant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.desk.practice import ZONE, Desk, Parked, hold, park, receive
from vetbridge.core import notes, planning
from vetbridge.core.answers import (
    ADOPT,
    CLIENT_IS_ANOTHER,
    COPIED,
    FUSE,
    NOT_SHOWN,
    PROPOSAL,
    REUSED,
    SLOT_TAKEN,
    TWICE,
    UNKNOWN_OUTCOME,
)
from vetbridge.core.instants import Instant
from vetbridge.core.matching import REASONS
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.desk.wording import ahead, span, why
from vetbridge.ledger import changes, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change
from vetbridge.testing.clock import START

BLOCK = notes.block("VB-0000000001", ["Comment: limps badly"])


def ask(ledger: Ledger, remote_id: str, why: str, **question: Any) -> None:
    with ledger.write() as tx:
        change = tx.session.get_one(Change, receive(tx, remote_id))
        reviews.ask(tx, change, why=why, visit_at=None, question={"why": why, **question})


def test_an_item_has_all_that_it_takes_to_answer(desk: Desk, parked: Parked) -> None:
    (item,) = desk.data("review", "list")
    assert {"id", "why", "visit_at", "site", "booking", "candidates"} <= item.keys()
    assert (item["why"], item["site"], item["change_id"]) == ("contact-shared", "city", parked.change)
    assert item["words"] == REASONS["contact-shared"]
    assert item["visit_at"] == parked.start.at_site().isoformat()
    booking = item["booking"]
    assert booking["booker"] | {"active": True} == {
        "given_name": "James",
        "family_name": "Harris",
        "phones": ["+447700900123"],
        "emails": ["j@example.org"],
        "active": True,
    }
    assert (booking["pet"]["name"], booking["pet"]["species"]) == ("Monty", "cat")
    assert (booking["start"], booking["duration"]) == (str(parked.start), 900)
    assert (booking["appointment_type"], booking["resource"]) == ("vaccination", "vet_2")
    assert item["stands"] == {
        "kind": "appointment",
        "account": "ezyvet-city",
        "id": "77",
        "placeholder": True,
        "stamp": "VB-0000000001",
    }


def test_candidates_come_with_what_the_mirror_knows_of_them(desk: Desk, parked: Parked) -> None:
    (item,) = desk.data("review", "list")
    first, second = item["candidates"]
    assert (first["client_id"], first["pet_id"], first["score"]) == ("1002", "5002", 0.93)
    assert (first["vetoes"], first["evidence"][0]["words"]) == (["contact-shared"], "same phone")
    assert (first["client"]["family_name"], first["client"]["phones"]) == ("Harris", ["07700 900123"])
    assert [(pet["name"], pet["deceased"]) for pet in first["pets"]] == [("Monty", False), ("Rex", True)]
    assert (second["client_id"], second["client"], second["pets"]) == ("1099", None, [])


def test_the_text_has_names_and_words_first(desk: Desk, parked: Parked) -> None:
    text = desk.run("review", "list").stdout
    assert text.splitlines()[0] == "1 booking needs you; the next one is in 49 minutes"
    for words in (
        f"[1/1]  {parked.start.at_site():%a %d %b %H:%M}  vaccination, vet_2",
        "why: another client has the same phone or e-mail address",
        "Booked as: James Harris  +447700900123  j@example.org  pet: Monty (cat)",
        "pets: Monty (cat), Rex (dog, deceased)",
        "same phone\n",
        "but: another client",
        "client 1099 (no longer known)",
        "The visit stands on the placeholder in the PIMS (appointment 77,",
    ):
        assert words in text
    assert text.index("James Harris  07700 900123") < text.index("93 %")
    assert "birth date missing" not in text, "what nobody said is no evidence"
    assert max(map(len, text.splitlines())) <= 80


def test_text_from_outside_steers_no_terminal(desk: Desk, parked: Parked) -> None:
    for as_json in ([], ["--json"]):
        output = desk.run("review", "list", *as_json).output
        assert not {character for character in output if character in "\x1b\x07\u202e"}
    assert "quick" in desk.run("review", "list").stdout


def test_a_comment_of_two_megabytes_is_cut(desk: Desk, ledger: Ledger) -> None:
    booking = Appointment(start=Instant(START, ZONE), duration=900, notes="x" * 2_000_000)
    ask(ledger, "1", "nothing-to-match-by", booking=booking, candidates=[])
    text = desk.run("review", "list").stdout
    assert "pet: not named" in text
    assert len(text) < 2000


def test_the_soonest_visit_comes_first(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    for remote_id, hours in (("late", 5), ("soon", 1), ("middle", 3)):
        park(ledger, Instant(now + timedelta(hours=hours), ZONE), remote_id=remote_id)
    ask(ledger, "timeless", "slot-taken")
    assert [item["remote_id"] for item in desk.data("review", "list")] == ["soon", "middle", "late", "timeless"]
    assert desk.run("review", "list").stdout.startswith("4 bookings need you; the next one is in 49 minutes")


def test_only_open_items_are_listed(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    with ledger.write() as tx:
        reviews.close(tx, tx.session.get_one(Change, parked.change).record_id, "the booking was cancelled")
    assert desk.data("review", "list") == []
    assert "Nobody has to look at anything." in desk.run("review", "list").stdout


def test_a_conflict_shows_both_versions_and_what_differs(desk: Desk, ledger: Ledger) -> None:
    booking = Appointment(id="1", start=Instant(START, ZONE), duration=900, notes="limps")
    pims = Appointment(
        id="77", start=Instant(START + timedelta(hours=1), ZONE), duration=900, notes="staff's\n" + BLOCK
    )
    ask(ledger, "1", "conflict", booking=booking, pims=pims, fields=["notes", "start"])
    (item,) = desk.data("review", "list")
    assert (item["pims"]["start"], item["fields"], item["candidates"]) == (str(pims.start), ["notes", "start"], [])
    assert item["differences"] == [
        {"field": "notes", "booking": "limps", "pims": "Comment: limps badly"},
        {"field": "start", "booking": str(booking.start), "pims": str(pims.start)},
    ]
    assert item["choices"] == ["booking", "pims", "fields", "keep"]
    text = desk.run("review", "list").stdout
    assert "why: it was changed in both places" in text
    assert "differs: time: Mon 02 Mar 09:00 online, Mon 02 Mar 10:00 in the PIMS" in text
    assert "answer: vetbridge review answer 1 booking/pims/keep | fields 1 | later 1" in text


def test_a_visit_that_is_gone_says_nothing(desk: Desk, ledger: Ledger) -> None:
    pims = Appointment(id="77", start=Instant(START, ZONE), duration=900)
    ask(ledger, "1", "cancelled-here-changed-there", booking=None, pims=pims, fields=["status"])
    assert "differs: status: nothing online, booked in the PIMS" in desk.run("review", "list").stdout


def test_a_taken_time_shows_who_has_it(desk: Desk, ledger: Ledger) -> None:
    visit = Appointment(id="1", start=Instant(START, ZONE), duration=900)
    other = Appointment(id="78", start=Instant(START, ZONE), duration=1800, resource="vet_1")
    ask(ledger, "1", SLOT_TAKEN, booking=visit, other=other)
    (item,) = desk.data("review", "list")
    assert (item["other"]["resource"], item["choices"]) == ("vet_1", ["again", "keep"])
    text = desk.run("review", "list").stdout
    assert "the time is taken by: Mon 02 Mar 09:00, vet_1, 30 minutes long" in text


def test_a_changed_contact_shows_both_clients(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        change = changes.receive(
            tx, site="city", account="altegio-city", kind=Kind.CLIENT, remote_id="2001", source="poll"
        )
        question = {
            "booking": Client(id="2001", given_name="Ann", family_name="Weiss", phones=("+447700900555",)),
            "pims": Client(id="1002", given_name="Ann", family_name="Weiss", phones=("+447700900123",)),
            "fields": ["phone"],
        }
        reviews.ask(tx, change, why=PROPOSAL, visit_at=None, question=question)
    (item,) = desk.data("review", "list")
    assert (item["kind"], item["booking"], item["pims"]) == ("client", None, None)
    assert item["booking_client"]["phones"] == ["+447700900555"]
    text = desk.run("review", "list").stdout
    assert text.startswith("1 question needs you")
    assert "Client 2001 at altegio-city" in text
    assert "differs: phone: +447700900555 online, +447700900123 in the PIMS" in text


def test_a_changed_pet_shows_both(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        change = changes.receive(
            tx, site="city", account="altegio-city", kind=Kind.PET, remote_id="p1", source="poll"
        )
        pets = {"booking": Pet(id="p1", name="Bella"), "pims": Pet(id="88", name="Bela"), "fields": ["name"]}
        reviews.ask(tx, change, why="conflict", visit_at=None, question=pets)
    text = desk.run("review", "list").stdout
    for words in (
        "Pet p1 at altegio-city",
        "in the PIMS: Bela",
        "differs: name: Bella online, Bela in the PIMS",
    ):
        assert words in text


def test_a_blown_fuse_counts_what_it_holds_back(desk: Desk, ledger: Ledger) -> None:
    hold(ledger, {"1": "a cancellation", "2": "a cancellation", "3": "a move"}, first_visit=START)
    (item,) = desk.data("review", "list")
    assert (item["why"], item["record_id"], item["visit_at"]) == (FUSE, None, None)
    assert (item["account"], item["remote_id"], item["stands"]) == ("", "", None)
    assert (item["held"]["count"], item["held"]["by_words"]) == (3, {"a cancellation": 2, "a move": 1})
    assert item["choices"] == ["allow", "keep"]
    text = desk.run("review", "list").stdout
    for words in ("Site city: 3 changes are held back", "2x a cancellation", "1x a move", "Mon 02 Mar 09:00"):
        assert words in text


def test_what_is_put_off_is_listed_and_counted_apart(desk: Desk, parked: Parked) -> None:
    assert desk.run("review", "later", "1", "--hours", "2").exit_code == 0
    (item,) = desk.data("review", "list")
    assert item["snoozed_until"] is not None
    text = desk.run("review", "list").stdout
    assert text.startswith("Nobody has to look at anything now; 1 put off until later.")
    assert "Put off until" in text


def test_what_waits_for_more_than_a_day_is_named(desk: Desk, parked: Parked, ledger: Ledger) -> None:
    with ledger.write() as tx:
        row = reviews.item(tx, 1)
        assert row is not None
        row.opened_at -= timedelta(days=3)
    text = desk.run("review", "list").stdout
    assert text.splitlines()[0] == "1 booking needs you; the next one is in 49 minutes; 1 waits for more than a day"
    assert "waits for 3 days" in " ".join(text.split())


def test_who_sees_to_it_is_listed(desk: Desk, parked: Parked) -> None:
    for said in (
        *(("claim", "1", "--by", "ann"), ("assign", "1", "bob"), ("note", "1", "calls", "back", "--by", "eve")),
    ):
        assert desk.run("review", *said).exit_code == 0
    text = " ".join(desk.run("review", "list").stdout.split())
    for words in ("ann has been at item 1 for", "For bob.", "note by eve, ", ": calls back"):
        assert words in text
    (item,) = desk.data("review", "list")
    assert (item["claimed_by"], item["assigned_to"]) == ("ann", "bob")
    assert [(note["by"], note["text"]) for note in item["notes"]] == [("eve", "calls back")]
    assert item["waits"].startswith("waits for ")


def test_ones_own_are_listed(desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for remote_id in ("1", "2"):
        ask(ledger, remote_id, "slot-taken")
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert desk.run("review", "assign", "2", "ann").exit_code == 0
    assert [item["id"] for item in desk.data("review", "list", "--mine")] == [2]
    assert [item["id"] for item in desk.data("review", "list", "--by", "ann")] == [2]
    assert desk.data("review", "list", "--mine", "--by", "bob") == []


def test_a_record_that_stands_twice_is_named(desk: Desk, ledger: Ledger) -> None:
    ask(ledger, "1", "found-twice", kind=Kind.APPOINTMENT, ids=["71", "72"])
    (item,) = desk.data("review", "list")
    assert (item["booking"], item["found"]) == (None, ["71", "72"])
    assert "stands there as: 71, 72" in desk.run("review", "list").stdout


def test_a_question_of_a_site_that_left_the_config_is_still_shown(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        change = changes.receive(
            tx,
            site="closed",
            account="old",
            kind=Kind.APPOINTMENT,
            remote_id="1",
            source="poll",
        )
        question: dict[str, Any] = {
            "candidates": [{"client_id": "1", "pet_id": None, "score": 0.5, "vetoes": [], "evidence": []}]
        }
        reviews.ask(tx, change, why="names-differ", visit_at=START, question=question)
    (item,) = desk.data("review", "list", "--site", "closed")
    assert item["candidates"][0]["client"] is None
    assert desk.data("review", "list", "--site", "city") == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172_800, "2 days"),
    ],
)
def test_spans_as_people_say_them(seconds: int, words: str) -> None:
    assert span(seconds) == words


def test_a_moment_that_is_over_is_not_ahead() -> None:
    assert ahead(START - timedelta(minutes=5), START) == "5 minutes ago"
    assert ahead(START + timedelta(minutes=5), START) == "in 5 minutes"


@pytest.mark.parametrize(
    "code",
    [
        *("creating-clients-is-off", "creating-pets-is-off", "species-not-named", "phone-not-readable"),
        *(
            "clients-not-made",
            "pets-not-made",
            "name-too-long",
            "no-client-there",
            FUSE,
            ADOPT,
            PROPOSAL,
            TWICE,
            SLOT_TAKEN,
        ),
        *(UNKNOWN_OUTCOME, COPIED, NOT_SHOWN, REUSED, CLIENT_IS_ANOTHER),
        *planning.REASONS,
        *REASONS,
    ],
)
def test_every_why_is_said_in_words(code: str) -> None:
    assert " " in why(code)


def test_a_why_without_words_is_shown_as_it_is() -> None:
    assert why("brand-new-code") == "brand-new-code"
