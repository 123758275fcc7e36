"""Changes: lists that can be narrowed, failures in groups with the next step, and the story of one change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.unit.desk.practice import ZONE, Desk, Parked, Settled, receive
from vetbridge.cli.changes import State
from vetbridge.core.errors import MappingError, Refused
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.desk.advice import next_step
from vetbridge.desk.changes import groups
from vetbridge.desk.failures import acknowledge
from vetbridge.ledger import actions, audit, changes, links, mirror, replays, subjects
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.reports import Filter
from vetbridge.ledger.tables import ActionState, Change, ChangeState


def test_the_newest_change_comes_first_and_the_limit_holds(desk: Desk, settled: Settled) -> None:
    numbers = [settled(ChangeState.DONE, remote_id=str(number)) for number in range(5)]
    found = desk.data("changes", "list", "--limit", "2")
    assert found["total"] == 5
    assert [each["id"] for each in found["changes"]] == numbers[:-3:-1]
    result = desk.run("changes", "list", "--limit", "2")
    assert "2 of 5 shown" in result.stderr


def test_lists_are_narrowed_by_state_site_account_and_kind(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    done = settled(ChangeState.DONE)
    failed = settled(ChangeState.FAILED, "mapping")
    elsewhere = settled(ChangeState.DONE, remote_id="x", site="north")
    with ledger.write() as tx:
        pims = changes.receive(
            tx, site="city", account="ezyvet-city", kind=Kind.CLIENT, remote_id="1", source="webhook"
        ).id
    for arguments, expected in (
        (["--state", "failed"], [failed]),
        (["--site", "north"], [elsewhere]),
        (["--account", "ezyvet-city"], [pims]),
        (["--kind", "client"], [pims]),
        (["--kind", "appointment", "--state", "done", "--site", "city"], [done]),
        (["--site", "north", "--state", "failed"], []),
    ):
        assert [each["id"] for each in desk.data("changes", "list", *arguments)["changes"]] == expected
    assert "No change fits." in desk.run("changes", "list", "--site", "north", "--state", "failed").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["changes", "list", "--site", "citi"], "no site is called 'citi'; did you mean 'city'?"),
        (["changes", "list", "--account", "x"], "no account is called 'x'; known are altegio-city, ezyvet-city"),
        (["review", "list", "--site", "citi"], "no site is called 'citi'; did you mean 'city'?"),
    ],
)
def test_a_slip_of_the_pen_is_no_empty_list(desk: Desk, ledger: Ledger, arguments: list[str], words: str) -> None:
    result = desk.run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_since_keeps_what_moved_within_the_span(desk: Desk, settled: Settled) -> None:
    old = settled(ChangeState.DONE, remote_id="old")
    desk.clock.advance(9 * 60)
    new = settled(ChangeState.FAILED, "mapping", remote_id="new")
    assert [each["id"] for each in desk.data("changes", "list", "--since", "5m")["changes"]] == [new]
    assert [each["id"] for each in desk.data("changes", "list", "--since", "1h")["changes"]] == [new, old]


@pytest.mark.parametrize("span", ["", "2", "h", "2 h", "-2h", "0h", "1.5h", "10000d", "2y", "²h"])
def test_a_span_that_cannot_be_read_is_a_usage_error(desk: Desk, ledger: Ledger, span: str) -> None:
    result = desk.run("changes", "list", "--since", span)
    assert result.exit_code == 2
    assert "--since" in result.stderr


def test_the_longest_span_reaches_before_all_time(desk: Desk, settled: Settled) -> None:
    settled(ChangeState.DONE)
    assert desk.data("changes", "list", "--since", "9999w")["total"] == 1


def test_failures_are_grouped_with_their_errors_advice(desk: Desk, settled: Settled) -> None:
    settled(ChangeState.FAILED, "mapping", remote_id="1")
    desk.clock.advance(60)
    newest = settled(ChangeState.FAILED, "mapping", remote_id="2")
    settled(ChangeState.FAILED, "expired", remote_id="3")
    settled(ChangeState.DONE)
    found = desk.data("changes", "list", "--state", "failed")
    first, second = found["groups"]
    assert (first["account"], first["code"], first["count"], first["newest"]) == (
        "altegio-city",
        "mapping",
        2,
        newest,
    )
    assert (first["letter"], first["name"], second["letter"]) == ("A", "mapping@altegio-city", "B")
    assert first["next_step"] == MappingError.advice()
    assert (second["code"], second["count"]) == ("expired", 1)
    assert "front desk" in second["next_step"]
    assert {each["next_step"] for each in found["changes"]} == {first["next_step"], second["next_step"]}
    text = desk.run("changes", "list", "--state", "failed").stdout
    assert text.startswith("A  2x failed: mapping at altegio-city, first 10 minutes ago, last 9 minutes ago\n")
    assert "2 in the last hour, 0 in the hour before: rising." in text
    assert f"vetbridge changes show {newest}" in text
    assert desk.data("changes", "list", "--state", "done")["groups"] == []


def test_only_failures_have_a_next_step(desk: Desk, settled: Settled) -> None:
    settled(ChangeState.SKIPPED, "mapping")
    assert desk.data("changes", "list")["changes"][0]["next_step"] == ""


def test_a_vendors_own_code_gets_the_advice_of_a_refusal() -> None:
    assert next_step("something-only-this-vendor-says") == Refused.advice()


def test_lists_fit_eighty_columns_and_obey_no_text_from_outside(desk: Desk, settled: Settled) -> None:
    hostile = "[red]\x1b[2J\x1b]0;owned\x07" + "x" * 5000 + "\u202e\nnext"
    settled(ChangeState.FAILED, "refused", message=hostile, remote_id="9" * 300)
    result = desk.run("changes", "list")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert not {character for character in result.stdout if character in "\x1b\x07\u202e"}
    assert "[red]" in result.stdout, "markup from outside is text"
    assert "[2J" not in result.stdout
    assert len(result.stdout) < 4000


def test_an_unknown_number_is_a_usage_error(desk: Desk, ledger: Ledger) -> None:
    result = desk.run("changes", "show", "99")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no change 99" in result.stderr


@pytest.mark.parametrize("number", ["0", "x", "9" * 30])
def test_what_can_be_no_number_is_a_usage_error(desk: Desk, ledger: Ledger, number: str) -> None:
    result = desk.run("changes", "show", number)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "ID" in result.stderr


def test_the_story_of_a_parked_booking(desk: Desk, parked: Parked) -> None:
    found = desk.data("changes", "show", str(parked.change))
    assert [each["stage"] for each in found["timeline"]] == [
        "received",
        "read",
        "mapped",
        "planned",
        "sent",
        "answered",
        "linked",
        "asked",
        "ended",
    ]
    words = {each["stage"]: each["words"] for each in found["timeline"]}
    assert words["received"].startswith("a webhook")
    assert words["planned"] == "Visit is made at ezyvet-city: comment, time"
    assert (words["sent"], words["answered"]) == ("try 1", "done, Visit 77")
    assert words["linked"].startswith("linked to Visit 77 at ezyvet-city, on the placeholder")
    assert words["asked"].endswith("another client has the same phone or e-mail address, and fits about as well")
    assert words["ended"].startswith("review (contact-shared)")
    assert found["verdict"] == "placeholder"
    assert found["evidence"][0]["words"] == "same phone"
    assert (len(found["questions"]), found["episodes"]) == (1, [parked.change])


def test_the_story_of_a_match_shows_what_decided(desk: Desk, ledger: Ledger) -> None:
    evidence = [{"field": "phone", "here": "+447700900123", "there": "+447700900123", "words": "same phone"}]
    with ledger.write() as tx:
        change = receive(tx, "30009")
        changes.begin(tx, change)
    desk.clock.advance(1)
    sides: dict[str, Any] = {
        "site": "city",
        "booking_account": "altegio-city",
        "pims_account": "ezyvet-city",
        "origin": "matched",
    }
    with ledger.write() as tx:
        links.put(tx, kind=Kind.CLIENT, booking_id="2001", pims_id="1002", evidence=evidence, **sides)
    desk.clock.advance(1)
    with ledger.write() as tx:
        link = links.put(tx, kind=Kind.APPOINTMENT, booking_id="30009", pims_id="77", **sides)
        links.set_bases(
            tx,
            link,
            booking={},
            pims={"client_id": "1002"},
            booking_mapping="altegio-7",
            pims_mapping="",
            pims_version=None,
        )
        changes.settle(tx, change, ChangeState.DONE, "matched", "written")
    found = desk.data("changes", "show", str(change))
    assert [each["stage"] for each in found["timeline"]] == [
        "received",
        "read",
        "mapped",
        "matched",
        "linked",
        "ended",
    ]
    assert found["timeline"][3]["words"] == "client 1002 at ezyvet-city found: same phone"
    assert found["timeline"][2]["words"] == "read with mapping altegio-7"
    assert found["evidence"] == [{"field": "phone", "words": "same phone"}]
    assert found["link"]["evidence"] is None
    for planted in ([], ["--json"]):
        assert "+447700900123" not in desk.run("changes", "show", str(change), *planted).stdout
    assert desk.data("changes", "show", str(change), "--names")["evidence"] == evidence
    assert "+447700900123" in desk.run("changes", "show", str(change), "--names").stdout


def test_the_story_of_a_lost_answer(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        change = receive(tx, "30009")
        row = changes.begin(tx, change)
        action = actions.intend(
            tx,
            row,
            account="ezyvet-city",
            kind=Kind.APPOINTMENT,
            operation="create",
            remote_id=None,
            stamp="VB-0000000001",
            fields=["start"],
            payload={"native": {}},
        )
        actions.close(tx, action, ActionState.UNKNOWN, code="outcome-unknown", message="no answer")
        changes.wait(tx, change, tx.now + timedelta(hours=1), "outcome-unknown", "looked for when it has landed")
    found = desk.data("changes", "show", str(change))
    assert found["change"]["state"] == "waiting"
    assert [each["stage"] for each in found["timeline"]][3:] == ["planned", "sent", "answered", "waiting"]
    assert "the answer was lost" in found["timeline"][5]["words"]
    assert "(outcome-unknown: no answer)" in found["timeline"][5]["words"]
    assert found["timeline"][-1]["stage"] == "waiting"
    assert found["link"] is None
    assert "again in" in desk.run("changes", "list").stdout


def test_other_changes_of_the_same_record_are_named(desk: Desk, settled: Settled) -> None:
    first, second = (settled(ChangeState.DONE, remote_id="1") for _ in range(2))
    assert desk.data("changes", "show", str(second))["episodes"] == [first, second]
    assert f"Other changes of this record: {first}" in desk.run("changes", "show", str(second)).stdout


def test_the_option_takes_just_the_states_there_are() -> None:
    assert [state.value for state in State] == [state.value for state in ChangeState]


def test_lists_and_status_show_no_personal_value(desk: Desk, parked: Parked) -> None:
    for command in (["status"], ["changes", "list"]):
        for as_json in ([], ["--json"]):
            output = desk.run(*command, *as_json).output
            for planted in ("Harris", "James", "7700", "example.org", "Monty", "quick"):
                assert planted not in output


def test_a_listed_change_is_the_row(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    number = settled(ChangeState.FAILED, "mapping", message="the list has no code 9")
    (found,) = desk.data("changes", "list")["changes"]
    with ledger.read() as tx:
        row = tx.session.get_one(Change, number)
    assert found["message"] == row.message == "the list has no code 9"
    assert (found["source"], found["tries"]) == ("webhook", 1)
    assert found["settled_at"] == row.settled_at.isoformat() if row.settled_at else False


def test_the_story_says_what_the_mapping_lacked_and_what_people_did(
    desk: Desk, ledger: Ledger, settled: Settled
) -> None:
    number = settled(ChangeState.FAILED, "mapping", message="no code 9")
    with ledger.write() as tx:
        acknowledge(tx, [number], by="Ana")
        new = replays.add(tx, number).id
    found = desk.data("changes", "show", str(number))
    words = {each["stage"]: each["words"] for each in found["timeline"]}
    assert words["mapped"] == "the mapping lacks something: no code 9"
    assert "planned" not in words
    assert words["acknowledged"] == "Ana has seen to it"
    again = desk.data("changes", "show", str(new))
    assert again["timeline"][0]["words"] == f"a person asked for change {number} to be decided upon again"


def test_the_story_says_why_nothing_was_written(desk: Desk, settled: Settled) -> None:
    number = settled(ChangeState.SKIPPED, "settled", message="it is as it was settled")
    planned = [each for each in desk.data("changes", "show", str(number))["timeline"] if each["stage"] == "planned"]
    assert [each["words"] for each in planned] == ["nothing was to be written: it is as it was settled"]


def test_the_story_says_who_answered(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    with ledger.write() as tx:
        audit.note(tx, audit.Act.ANSWERED, by="Ana", via=audit.PAGE, subject="review", subject_id=1, says="link")
    events = desk.data("changes", "show", str(parked.change))["timeline"]
    assert [each["words"] for each in events if each["stage"] == "decided"] == ["Ana answered question 1: link"]


def test_lists_are_narrowed_by_who_a_visit_is_of(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    petrova = settled(ChangeState.DONE, remote_id="1")
    smith = settled(ChangeState.FAILED, "mapping", remote_id="2")
    desk_visit = pims_visit(ledger, "77", client_id="1002", pet_id="5002")
    about(ledger, petrova, desk, "Anna Petrowa", "07700 900123", "Bobik", days=1)
    about(ledger, smith, desk, "Tom Smith", "07700 900999", "Max", days=2)
    with ledger.write() as tx:
        mirror.put(
            tx,
            "ezyvet-city",
            [Client(id="1002", family_name="Petrowa"), Pet(id="5002", client_id="1002", name="Mila")],
        )
    tomorrow = (desk.clock.now() + timedelta(days=1)).astimezone(ZoneInfo(ZONE)).date().isoformat()
    for arguments, expected in (
        (["--phone", "0123"], [petrova]),
        (["--phone", "+44 7700 900999"], [smith]),
        (["--phone", "12"], []),
        (["--name", "petr"], [desk_visit, petrova]),
        (["--name", "petr", "--pet", "mila"], [desk_visit]),
        (["--name", "smith", "--pet", "bobik"], []),
        (["--pet", "max", "--state", "failed", "--state", "done"], [smith]),
        (["--day", tomorrow], [petrova]),
        (["--id", "77"], [desk_visit]),
        (["--code", "mapping", "--code", "refused"], [smith]),
        (["--group", "A"], [smith]),
        (["--until", "1h"], []),
    ):
        assert [each["id"] for each in desk.data("changes", "list", *arguments)["changes"]] == expected, arguments
    assert desk.run("changes", "list", "--group", "Z").exit_code == 2


def test_an_id_finds_both_sides_of_a_link(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    visit = pims_visit(ledger, "77", client_id=None, pet_id=None)
    for id_ in ("77", "30001"):
        assert [each["id"] for each in desk.data("changes", "list", "--id", id_)["changes"]] == [visit, parked.change]


@pytest.mark.parametrize(
    ("ages", "trend", "words"),
    [
        ([10, 20, 70], "rising", "2 in the last hour, 1 in the hour before"),
        ([10, 70], "steady", "1 in the last hour, 1 in the hour before"),
        ([70], "falling", "0 in the last hour, 1 in the hour before"),
        ([600, 2000, 2100], "falling", "1 in the last 24 hours, 2 in the 24 hours before"),
    ],
)
def test_a_group_says_whether_it_grows(
    desk: Desk, ledger: Ledger, settled: Settled, ages: list[int], trend: str, words: str
) -> None:
    now = desk.clock.now()
    for minutes in ages:
        number = settled(ChangeState.FAILED, "mapping", remote_id=str(minutes))
        with ledger.write() as tx:
            tx.session.get_one(Change, number).updated_at = now - timedelta(minutes=minutes)
    with ledger.read() as tx:
        (found,) = groups(tx, Filter())
    assert (found.trend, found.trend_words) == (trend, f"{words}: {trend}")


def pims_visit(ledger: Ledger, remote_id: str, *, client_id: str | None, pet_id: str | None) -> int:
    """A visit that was made at the front desk, as the engine leaves it."""
    with ledger.write() as tx:
        row = changes.receive(
            tx, site="city", account="ezyvet-city", kind=Kind.APPOINTMENT, remote_id=remote_id, source="poll"
        )
        start = Instant(tx.now + timedelta(days=5), ZONE)
        visit = Appointment(id=remote_id, client_id=client_id, pet_id=pet_id, start=start, duration=900)
        subjects.note(tx, row.record_id, visit, country="GB", account="ezyvet-city")
        assert row.id is not None
        changes.begin(tx, row.id)
        changes.settle(tx, row.id, ChangeState.DONE, "carried", "written to the booking side")
        return row.id


def about(ledger: Ledger, number: int, desk: Desk, who: str, phone: str, pet: str, *, days: int) -> None:
    """Who a change is about, as the engine notes it."""
    given, family = who.split()
    start = Instant(desk.clock.now() + timedelta(days=days), ZONE)
    booked = Appointment(
        booker=Client(given_name=given, family_name=family, phones=(phone,)),
        booked_pet=Pet(name=pet),
        start=start,
        duration=900,
    )
    with ledger.write() as tx:
        row = tx.session.get_one(Change, number)
        row.visit_at = start.utc
        subjects.note(tx, row.record_id, booked, country="GB", account="altegio-city")
