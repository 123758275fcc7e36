"""The pages of the work list: cards to type from, ticks, the page to print, the table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests.unit.desk.practice import ZONE, receive
from tests.unit.web.served import Served
from tests.unit.web.test_page_review import HOSTILE, must_be_harmless
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.core.roles import Role
from vetbridge.ledger import access, audit, mirror, worklist
from vetbridge.ledger.audit import Act
from vetbridge.ledger.tables import Change, Worklist

NEW = {"id": None, "name": "Eva Novak", "phones": ("+447700900321",), "emails": (), "is_new": True}


def details(served: Served, **otherwise: Any) -> dict[str, Any]:
    """A visit to type in three hours."""
    start = Instant(served.clock.now() + timedelta(hours=3), ZONE)
    visit = {"start": start, "duration": 900, "resource": "vet_2", "client": NEW, "remark": "VB-7F3K9Q2MXX"}
    return {**visit, **otherwise}


def put(served: Served, asked: Mapping[str, Any], *, booking: str = "b1", task: str = worklist.BOOK) -> int:
    with served.ledger.write() as tx:
        row = worklist.put(
            tx,
            tx.session.get_one(Change, receive(tx, booking)),
            account="ezyvet-city",
            kind=Kind.APPOINTMENT,
            remote_id="" if task == worklist.BOOK else "4711",
            task=task,
            details=asked,
            visit_at=asked["start"].utc,
            labels={"client_id": "Client", "start": "Date & Time"},
        )
        assert row.id is not None
        return row.id


def plain(page: str) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_a_card_is_typed_from_field_by_field(served: Served) -> None:
    asked = details(served)
    put(served, asked)
    page = served.browser("Ann").get("/worklist").text
    said = plain(page)
    at = f"{asked['start'].at_site():%a %d %b %H:%M}"
    assert f"{at}: Type this visit" in said
    assert "Register this owner first Name Eva Novak Phone +447700900321 Then the visit Client Eva Novak" in said
    assert f"Date &amp; Time {at} Length 15 minutes" in said
    assert '<span class="value">VB-7F3K9Q2MXX</span>' in page
    assert "Overdue" not in said


def test_who_may_be_meant_and_what_stands_there_wrong(served: Served) -> None:
    with served.ledger.write() as tx:
        ann = Client(id="1002", given_name="Ann", family_name="Weiss", phones=("07700 900123",), city="Leeds")
        mirror.put(tx, "ezyvet-city", [ann, Pet(id="9", client_id="1002", name="Tom")])
    unsure = {**NEW, "is_new": False, "candidates": [{"client_id": "1002", "pet_id": "9"}]}
    put(served, details(served, client=unsure))
    wrong = details(served)
    found = {"start": Instant(served.clock.now() + timedelta(hours=4), ZONE)}
    put(served, {"start": wrong["start"], "found": found}, booking="b2", task=worklist.CHANGE)
    said = plain(served.browser("Ann").get("/worklist").text)
    assert "It is not certain who the owner is" in said
    assert "Ann Weiss (1002), 07700 900123, Leeds; pets: Tom" in said
    assert f"stands at {found['start'].at_site():%a %d %b %H:%M}, should be" in said
    assert "Register this owner first" not in said


def test_a_tick_is_taken_back_where_it_was_made(served: Served) -> None:
    number = put(served, details(served))
    browser = served.browser("Ann")
    there = "/worklist?site=city&state=open"
    done = browser.post(f"/worklist/{number}/done", page=there, data={"site": "city", "state": "open"})
    assert done.headers["location"] == there
    page = browser.get("/worklist").text
    assert f"Line {number} is ticked" in page
    assert page.count(f'action="/worklist/{number}/undone"') == 2  # in the bar, and on the card
    assert "Ann ticked it" in plain(page)
    assert "Ann ticked it" not in browser.get(there).text
    evil = {"site": "https://evil.example", "state": "struck"}
    undone = browser.post(f"/worklist/{number}/undone", page="/worklist", data=evil)
    assert undone.headers["location"] == "/worklist"
    assert "Ann ticked it" not in plain(browser.get("/worklist").text)
    with served.ledger.read() as tx:
        acts = [each.act for each in audit.entries(tx, subject="worklist")]
    assert acts == [Act.LINE_UNDONE, Act.LINE_DONE]


def test_changed_overdue_and_struck_lines_say_so(served: Served) -> None:
    put(served, details(served))
    served.clock.advance(3600)
    put(served, details(served))
    put(served, details(served), booking="b2")
    with served.ledger.write() as tx:
        worklist.close(
            tx, tx.session.get_one(Worklist, 2).record_id, worklist.BOOK, confirmed=False, why="it is gone"
        )
    served.clock.advance(2 * 3600)
    page = served.browser("Ann").get("/worklist").text
    said = plain(page)
    assert "One line is overdue." in said
    assert 'Date &amp; Time <span class="tag">changed</span>' in page
    assert "Do not type" in said
    assert "it is gone" in said
    assert page.count("<del>") == 1
    assert 'action="/worklist/2/done"' not in page


def test_the_page_to_print_has_a_box_a_date_and_only_what_is_open(served: Served) -> None:
    first, second = (put(served, details(served), booking=each) for each in ("b1", "b2"))
    browser = served.browser("Ann")
    browser.post(f"/worklist/{first}/done", page="/worklist")
    page = browser.get("/worklist/print?site=city").text
    assert plain(page).count("☐") == 1
    assert f"☐ {second}" in plain(page)
    assert f"As of {Instant(served.clock.now(), ZONE).at_site():%d %b %Y}" in plain(page)
    assert "City Vets" in page
    assert browser.get("/worklist/print?site=nowhere").status_code == 404
    assert "☐" in browser.get("/worklist/print").text


def test_the_table_is_for_reception_and_carries_nothing_out(served: Served) -> None:
    put(served, details(served, remark="=1+1"))
    assert "/worklist/table.csv" not in served.browser("Rea", Role.READER).get("/worklist").text
    table = served.browser("Ann").get("/worklist/table.csv?site=city")
    assert table.headers["content-disposition"] == 'attachment; filename="worklist.csv"'
    assert table.headers["cache-control"] == "no-store"
    assert "'=1+1" in table.text
    assert ",=1+1" not in table.text


def test_who_has_looked_is_written_down(served: Served) -> None:
    put(served, details(served))
    served.browser("Ann").get("/worklist")
    with served.ledger.read() as tx:
        assert [(each.by, each.subject) for each in access.entries(tx)] == [("Ann", "record")]


def test_hostile_details_are_text(served: Served) -> None:
    for number, hostile in enumerate(HOSTILE):
        client = {**NEW, "name": hostile, "phones": (hostile,)}
        asked = details(served, client=client, remark=hostile, found={"remark": hostile})
        put(served, asked, booking=f"b{number}")
    browser = served.browser("Ann", language="de")
    for path in ("/worklist", "/worklist/print"):
        must_be_harmless(browser.get(path).text)
