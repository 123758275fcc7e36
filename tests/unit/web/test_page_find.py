"""Find, the history of a booking, the work list, the audit."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.desk.practice import ZONE, Parked, Settled
from tests.unit.web.asked import booking
from tests.unit.web.served import Served
from tests.unit.web.test_page_review import HOSTILE, must_be_harmless
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.core.roles import Role
from vetbridge.ledger import audit, changes, subjects, worklist
from vetbridge.ledger.audit import Act
from vetbridge.ledger.tables import Change, ChangeState


def about(served: Served, change: int, *, given: str = "James", family: str = "Harris", pet: str = "Monty") -> None:
    """What the ledger knows of whom a change is about."""
    booker = Client(id="2001", given_name=given, family_name=family, phones=("+447700900123",))
    visit = booking(served, booker=booker, pet=Pet(name=pet, species="cat"))
    with served.ledger.write() as tx:
        record = tx.session.get_one(Change, change).record_id
        subjects.note(tx, record, visit, country="GB", account="altegio-city")


def by_hand(served: Served, parked: Parked) -> None:
    """A line of the work list."""
    with served.ledger.write() as tx:
        worklist.put(
            tx,
            tx.session.get_one(Change, parked.change),
            account="ezyvet-city",
            kind=Kind.APPOINTMENT,
            remote_id="77",
            task=worklist.RELINK,
            details={"client_id": "1002", "pet_id": "5002"},
            visit_at=parked.start.utc,
        )


def test_is_it_in_by_phone_name_and_day(served: Served, parked: Parked) -> None:
    about(served, parked.change)
    browser = served.browser("Ann")
    for query in ("q=0123", "q=harr", "q=monty", f"day={parked.start.at_site():%Y-%m-%d}"):
        page = browser.get(f"/find?{query}").text
        assert "James Harris" in page
        assert "In, without its owner" in page
        assert 'href="/review/1"' in page
        assert 'href="/changes/1"' in page
    assert "No visit fits." in browser.get("/find?q=nobody").text
    assert "No visit fits." not in browser.get("/find").text
    assert "This day cannot be read" in browser.get("/find?day=someday").text


def test_a_visit_that_was_paired_has_no_history_to_lead_to(served: Served) -> None:
    with served.ledger.write() as tx:
        record = changes.record_of(tx, "altegio-city", Kind.APPOINTMENT, "9")
        start = Instant(served.desk.clock.now(), ZONE)
        visit = Appointment(id="9", booker=Client(family_name="Harris"), start=start, duration=900)
        subjects.note(tx, record.id or 0, visit, country="GB", account="altegio-city")
    page = served.browser("Ann").get("/find?q=harris").text
    assert "Harris" in page
    assert "/changes/" not in page[page.index("Harris") :]


def test_a_search_of_ten_thousand_characters_and_hostile_text(served: Served, parked: Parked) -> None:
    for number, hostile in enumerate(HOSTILE):
        about(served, parked.change, given=f"Zoe{number}", family=hostile, pet=hostile)
        browser = served.browser("Ann")
        found = browser.get(f"/find?q=zoe{number}")
        assert f"Zoe{number}" in found.text
        must_be_harmless(found.text)
        must_be_harmless(browser.raw.get("/find", params={"q": hostile[:900], "day": hostile[:900]}).text)
    assert browser.get("/find?q=" + "ab%20" * 2500).status_code == 200


def test_the_history_of_a_booking_step_by_step(served: Served, parked: Parked) -> None:
    page = served.browser("Ann").get(f"/changes/{parked.change}").text
    assert "History of the visit of" in page
    for stage in ("Received", "Planned", "Linked", "Asked"):
        assert f"<strong>{stage}</strong>" in page
    assert 'href="/review/1"' in page
    assert "same phone" in page
    assert "07700" not in page
    assert "Harris" not in page


def test_a_failed_change_says_what_to_do_and_offers_support_to_try_again(served: Served, settled: Settled) -> None:
    number = settled(ChangeState.FAILED, "expired")
    assert "enter it by hand" in served.browser("Ann").get(f"/changes/{number}").text
    assert 'action="/failures/preview"' not in served.browser("Ann").get(f"/changes/{number}").text
    assert 'action="/failures/preview"' in served.browser("Sue", Role.SUPPORT).get(f"/changes/{number}").text
    gone = served.browser("Ann").get("/changes/999")
    assert gone.status_code == 404
    assert "There is no change 999" in gone.text


def test_a_line_of_the_work_list_is_ticked_off(served: Served, parked: Parked) -> None:
    by_hand(served, parked)
    assert 'href="/worklist"' in served.browser("Rea", Role.READER).get("/").text
    page = served.browser("Rea", Role.READER).get("/worklist").text
    assert "set client to James Harris (1002), pet to Monty (5002)" in page
    assert "&#9744;" in page or "☐" in page
    assert 'action="/worklist/' not in page
    browser = served.browser("Ann")
    assert browser.post("/worklist/1/done", page="/worklist").headers["location"] == "/worklist"
    page = browser.get("/worklist").text
    assert "Ann ticked it" in page
    assert served.woken == ["wake"]
    with served.ledger.read() as tx:
        assert [each.by for each in audit.entries(tx, act=Act.LINE_DONE)] == ["Ann"]
    gone = browser.post("/worklist/99/done", page="/worklist")
    assert gone.status_code == 404
    assert "There is no line 99." in gone.text


def test_the_audit_shows_the_newest_acts_and_narrows_them(served: Served, parked: Parked) -> None:
    served.browser("Ann").get("/review/1")
    admin = served.browser("Ada", Role.ADMIN)
    page = admin.get("/audit").text
    assert '<a href="/review/1">Question 1</a>' in page
    assert "<td>opened</td>" in page
    assert "<td>Ann</td>" in admin.get("/audit?by=Ann").text
    assert "Nothing fits." in admin.get("/audit?by=Nobody").text
    assert "<td>opened</td>" not in admin.get("/audit?act=signed-in").text
    served.clock.advance(timedelta(days=2).total_seconds())
    late = served.browser("Ada", Role.ADMIN)
    assert "<td>opened</td>" not in late.get("/audit?days=1").text
    assert "<td>opened</td>" in late.get("/audit?days=7").text
