"""Links in ids alone, and the work list in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.desk.practice import ZONE, Desk, Parked, park, receive
from tests.unit.desk.test_review_answers import refused
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.desk.worklist import SOURCE
from vetbridge.ledger import changes, links, mirror, worklist
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change

# -- links ----------------------------------------------------------------------------------------------------------

EVIDENCE = [
    {"field": "phone", "here": "+447700900123", "there": "07700 900123", "level": "equal", "words": "same phone"}
]


@pytest.fixture
def linked(ledger: Ledger, parked: Parked) -> None:
    """Beside the parked visit a client who was matched."""
    with ledger.write() as tx:
        links.put(
            tx,
            site="city",
            kind=Kind.CLIENT,
            booking_account="altegio-city",
            booking_id="2001",
            pims_account="ezyvet-city",
            pims_id="1002",
            origin="matched",
            evidence=EVIDENCE,
        )


def test_links_are_listed_without_a_name(desk: Desk, linked: None) -> None:
    data = desk.data("links", "list")
    assert data["total"] == 2
    client, visit = data["links"]
    assert (client["kind"], client["booking_id"], client["pims_id"]) == ("client", "2001", "1002")
    assert (client["origin"], client["evidence_count"], "evidence" in client) == ("matched", 1, False)
    assert (visit["kind"], visit["unlinked"], visit["stamp"]) == ("appointment", True, "VB-0000000001")
    output = desk.run("links", "list").stdout
    assert "VB-0000000001" in output
    assert "0123" not in output + str(data)
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--kind", "client"], ["2001"]),
        (["--unlinked"], ["30001"]),
        (["--kind", "client", "--unlinked"], []),
        (["--site", "city"], ["2001", "30001"]),
        (["--limit", "1"], ["2001"]),
    ],
)
def test_links_are_chosen(desk: Desk, linked: None, options: list[str], ids: list[str]) -> None:
    assert [link["booking_id"] for link in desk.data("links", "list", *options)["links"]] == ids


def test_a_link_is_shown_from_either_side_with_its_evidence(desk: Desk, linked: None) -> None:
    for id_ in ("2001", "1002"):
        (link,) = desk.data("links", "show", id_)
        assert (link["pims_id"], link["evidence"][0]["words"]) == ("1002", "same phone")
    assert "same phone" in desk.run("links", "show", "2001").stdout
    assert "is 77 at ezyvet-city" in desk.run("links", "show", "30001").stdout


def test_an_ended_link_is_shown_and_not_listed(desk: Desk, ledger: Ledger, linked: None) -> None:
    with ledger.write() as tx:
        link = links.of_booking(tx, "altegio-city", Kind.CLIENT, "2001")
        assert link is not None
        link.ended_at = tx.now
        tx.session.add(link)
    assert "ended: 10 minutes ago" in desk.run("links", "show", "2001").stdout
    assert desk.data("links", "list", "--kind", "client")["total"] == 0


def test_an_id_that_no_link_bears_is_wrong_use(desk: Desk, ledger: Ledger) -> None:
    for id_ in ("4711", "\udcff\x00", ""):
        assert refused(desk, "links", "show", id_)["code"] == "unknown-link"
    assert desk.run("links", "list", "--site", "nowhere").exit_code == 2
    assert "No link fits." in desk.run("links", "list").stdout


# -- the work list --------------------------------------------------------------------------------------------------


def put(ledger: Ledger, start: Instant, *, remote_id: str, task: str = worklist.RELINK, **details: Any) -> None:
    with ledger.write() as tx:
        worklist.put(
            tx,
            tx.session.get_one(Change, receive(tx, remote_id)),
            account="ezyvet-city",
            kind=Kind.CLIENT if task == worklist.CONTACT else Kind.APPOINTMENT,
            remote_id="77",
            task=task,
            details=details,
            visit_at=None if task == worklist.CONTACT else start.utc,
        )


@pytest.fixture
def line(ledger: Ledger, parked: Parked) -> Parked:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id="1023", given_name="Ann", family_name="Weiss")])
        mirror.put(tx, "ezyvet-city", [Pet(id="88", client_id="1023", name="Bella")])
    put(ledger, parked.start, remote_id="30001", client_id="1023", pet_id="88")
    return parked


def test_a_line_says_in_words_what_to_do(desk: Desk, line: Parked) -> None:
    (found,) = desk.data("worklist", "list")
    when = f"{line.start.at_site():%a %d %b %H:%M}"
    assert found["words"] == (f"Visit {when} (appointment 77): set client to Ann Weiss (1023), pet to Bella (88)")
    step = found["steps"][0]
    assert (step["field"], step["value"], step["name"]) == ("client_id", "1023", "Ann Weiss")
    assert (found["id"], found["state"], found["visit_at"]) == (1, "open", line.start.at_site().isoformat())
    text = desk.run("worklist", "list").stdout
    assert "set client to Ann Weiss (1023)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_the_soonest_visit_comes_first_and_contacts_last(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    put(ledger, Instant(now, ZONE), remote_id="a", task=worklist.CONTACT, phones=("+447700900555",))
    put(ledger, Instant(now + timedelta(hours=5), ZONE), remote_id="b", client_id="1")
    put(ledger, Instant(now + timedelta(hours=1), ZONE), remote_id="c", client_id="1")
    found = desk.data("worklist", "list", "--site", "city")
    assert [each["id"] for each in found] == [3, 2, 1]
    assert found[2]["words"] == "Client 77: set phone to +447700900555"
    assert desk.run("worklist", "list", "--site", "nowhere").exit_code == 2


def test_done_is_written_down_and_the_record_is_read_again(desk: Desk, ledger: Ledger, line: Parked) -> None:
    planned = desk.data("worklist", "done", "1", "--plan")
    assert planned["state"] == "planned"
    assert desk.data("worklist", "list")[0]["state"] == "open"
    assert desk.data("worklist", "done", "1", "--by", "ann")["state"] == "written-down"
    (found,) = desk.data("worklist", "list")
    assert (found["state"], found["done_by"]) == ("done", "ann")
    assert "ann said done" in " ".join(desk.run("worklist", "list").stdout.split())
    with ledger.read() as tx:
        row = worklist.line(tx, 1)
        assert row is not None
        change = changes.open_change(tx, row.record_id)
    assert change is not None
    assert (change.remote_id, change.next_at is not None) == ("30001", True)


def test_done_wakes_a_record_at_rest(desk: Desk, ledger: Ledger) -> None:
    parked = park(ledger, Instant(desk.clock.now() + timedelta(hours=1), ZONE))
    with ledger.write() as tx:
        worklist.put(
            tx,
            tx.session.get_one(Change, parked.change),
            account="ezyvet-city",
            kind=Kind.APPOINTMENT,
            remote_id="77",
            task=worklist.RELINK,
            details={"client_id": "1"},
            visit_at=parked.start.utc,
        )
    desk.data("worklist", "done", "1")
    with ledger.read() as tx:
        change = changes.open_change(tx, tx.session.get_one(Change, parked.change).record_id)
    assert change is not None
    assert change.source == SOURCE


def test_a_line_that_nobody_has_to_do_is_wrong_use(desk: Desk, ledger: Ledger, line: Parked) -> None:
    assert refused(desk, "worklist", "done", "9")["code"] == "unknown-line"
    with ledger.write() as tx:
        row = worklist.line(tx, 1)
        assert row is not None
        worklist.close(tx, row.record_id, worklist.RELINK, confirmed=True, why="a read shows the visit on its owner")
    problem = refused(desk, "worklist", "done", "1")
    assert (problem["code"], "a read shows" in problem["text"]) == ("not-open", True)
    assert "Nothing has to be done by hand." in desk.run("worklist", "list").stdout


def test_a_hostile_name_is_cut_and_steers_nothing(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id="5", family_name="\x1b]0;x\x07" + "y" * 100_000)])
    put(ledger, Instant(desk.clock.now(), ZONE), remote_id="a", client_id="5")
    text = desk.run("worklist", "list").stdout
    assert len(text) < 1000
    assert not {character for character in text if character in "\x1b\x07"}
