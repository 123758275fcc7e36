"""The pages of the questions: from the list to done in two clicks, and whatever may come between."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

from tests.unit.desk.practice import Parked, hold
from tests.unit.web.asked import ask, booking, candidate, known
from tests.unit.web.served import Served
from vetbridge.core.answers import PAIR_CLIENT
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Pet
from vetbridge.core.roles import Role
from vetbridge.desk import answering, claims, review
from vetbridge.desk.review import ReviewItem
from vetbridge.ledger import audit, codelists, reviews
from vetbridge.ledger.audit import Act
from vetbridge.ledger.tables import Audit

SEEN = re.compile(r'name="seen" value="([^"]+)"')
SIBLING = re.compile(r'name="sibling" value="([^"]+)"')
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "{{ 7 * 7 }}",
    "\x1b]0;owned\x07\x1b[31mred\u202eder",
    "x" * 5000,
)


def item(served: Served, number: int = 1) -> ReviewItem:
    with served.ledger.read() as tx:
        found = review.find_item(tx, served.frame.sites, number)
    assert found is not None
    return found


def seen(served: Served, number: int = 1) -> str:
    return answering.seen(item(served, number))


def _acts(served: Served, act: str) -> tuple[Audit, ...]:
    with served.ledger.read() as tx:
        return audit.entries(tx, act=act)


class Tags(HTMLParser):
    """Every tag of a page with its attributes' names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, set[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name for name, _ in attrs}))


def must_be_harmless(page: str) -> None:
    """Nothing of what somebody typed has become a part of the page."""
    for tag, names in Tags(page).found:
        assert tag not in ("script", "img", "iframe", "style")
        assert not [name for name in names if name.startswith("on") or name == "style"]
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "x" * 1000 not in page


def test_the_list_shows_who_booked_and_why_the_soonest_first(served: Served, parked: Parked) -> None:
    ask(served, visit=booking(served, hours=5), remote_id="30002")
    page = served.browser("Ann").get("/review").text
    assert "Waits for" not in page
    assert "2 questions need you. The next visit is in 60 minutes." in page
    assert "James Harris, +447700900123" in page
    assert "Monty (cat)" in page
    assert "Another client has the same phone" in page
    assert page.index('href="/review/1"') < page.index('href="/review/2"')


def test_two_clicks_from_the_list_to_done_with_an_undo(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    page = browser.get("/review/1").text
    assert "same phone" in page
    assert "93 %" in page
    assert "The visit of" in page
    assert "moves in the PIMS from the placeholder to James Harris (client 1002), pet Monty" in page
    found = SEEN.search(page)
    assert found
    answered = browser.post("/review/1/answer", page="/review/1", client="1002", seen=found[1])
    assert (answered.status_code, answered.headers["location"]) == (303, "/review")
    given = item(served).given
    assert given is not None
    assert (given.choice, given.client_id, given.pet_id, given.by) == ("link", "1002", "5002", "Ann")
    assert served.woken == ["wake"]
    after = browser.get("/review").text
    assert "James Harris (client 1002), pet Monty" in after
    assert 'action="/review/1/undo"' in after
    taken_back = browser.post("/review/1/undo", page="/review")
    assert taken_back.headers["location"] == "/review/1"
    assert item(served).state == "open"
    with served.ledger.read() as tx:
        acts = {(each.act, each.by, each.via) for each in audit.entries(tx, subject="review")}
    assert {("answered", "Ann", "page"), ("taken-back", "Ann", "page")} <= acts


def test_what_came_of_it_is_said_where_it_is_carried_out_at_once(served: Served, parked: Parked) -> None:
    def carry_out() -> None:
        with served.ledger.write() as tx:
            row = reviews.item(tx, 1)
            assert row is not None
            reviews.applied(tx, row)

    served.frame.wake = carry_out
    browser = served.browser("Ann")
    browser.post("/review/1/answer", page="/review/1", client="1002", seen=seen(served))
    page = browser.get("/review").text
    assert "Done: the visit of" in page
    assert "now stands on James Harris, pet Monty." in page
    assert 'action="/review/1/undo"' in page
    assert served.clock.waits == ()


def test_the_first_button_of_the_answers_does_nothing_so_that_enter_never_answers(
    served: Served, parked: Parked
) -> None:
    page = served.browser("Ann").get("/review/1").text
    form = page[page.index('action="/review/1/answer"') :]
    assert form[form.index("<button") :].startswith("<button disabled hidden>")


def test_somebody_new_and_an_answer_that_is_not_offered(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    assert "A new client, James Harris," in browser.get("/review/1").text
    refused = browser.post("/review/1/answer", page="/review/1", choice="allow", seen=seen(served))
    assert refused.status_code == 409
    assert "Nothing was done" in refused.text
    assert browser.post("/review/1/answer", page="/review/1", choice="sudo", seen=seen(served)).status_code == 400
    assert browser.post("/review/1/answer", page="/review/1", seen=seen(served)).status_code == 400
    assert item(served).state == "open"
    assert browser.post("/review/1/answer", page="/review/1", choice="new", seen=seen(served)).status_code == 303
    assert item(served).state == "answered"


def test_two_people_at_one_question_the_second_is_told_and_may_take_it_over(served: Served, parked: Parked) -> None:
    ann, ben = served.browser("Ann"), served.browser("Ben")
    before = ann.get("/review/1").text
    assert "Answer it anyway" not in before
    page = ben.get("/review/1").text
    assert "Ann is looking at it" in page
    assert 'name="client"' not in page
    refused = ben.post("/review/1/answer", page="/review/1", client="1002", seen=seen(served))
    assert refused.status_code == 409
    assert item(served).state == "open"
    assert ben.post("/review/1/take", page="/review/1").headers["location"] == "/review/1"
    assert ben.post("/review/1/answer", page="/review/1", client="1002", seen=seen(served)).status_code == 303
    late = ann.post("/review/1/answer", page="/review/1", client="1002", seen=seen(served))
    assert late.status_code == 409
    assert "Ben answered" in late.text
    given = item(served).given
    assert given is not None
    assert given.by == "Ben"


def test_two_forms_at_the_same_moment_one_wins(served: Served, parked: Parked) -> None:
    desks = [served.browser("Ann"), served.browser("Ann")]
    form = {"client": "1002", "seen": seen(served)}
    forms = [{**form, "form_token": each.token("/review/1")} for each in desks]
    with ThreadPoolExecutor() as threads:
        sent = list(
            threads.map(lambda each: each[0].send("/review/1/answer", each[1]), zip(desks, forms, strict=True))
        )
    assert sorted(each.status_code for each in sent) == [303, 409]
    assert [each.by for each in _acts(served, Act.ANSWERED)] == ["Ann"]


def test_a_question_that_changed_meanwhile_is_shown_anew_and_not_answered(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    before = seen(served)
    moved = replace(booking(served), start=Instant(served.clock.now() + timedelta(days=2), "Europe/London"))
    ask(served, visit=moved, candidates=(candidate("1002", "5002"),))
    assert seen(served) != before
    refused = browser.post("/review/1/answer", page="/review/1", client="1002", seen=before)
    assert refused.status_code == 409
    assert "has changed meanwhile" in refused.text
    assert seen(served) in refused.text
    assert item(served).state == "open"


def test_a_form_sent_twice_answers_once(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    fields = {"form_token": browser.token("/review/1"), "choice": "new", "seen": seen(served)}
    assert browser.send("/review/1/answer", fields).status_code == 303
    again = browser.send("/review/1/answer", fields)
    assert again.status_code == 409
    assert "This was sent already" in again.text


def test_an_answered_question_says_who_and_what_and_can_be_taken_back_there(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    browser.post("/review/1/answer", page="/review/1", choice="new", seen=seen(served))
    page = served.browser("Rea", Role.READER).get("/review/1").text
    assert "Ann answered" in page
    assert "Take the answer back" not in page
    assert "Take the answer back" in browser.get("/review/1").text


def test_a_question_that_is_gone_is_said_in_words(served: Served) -> None:
    browser = served.browser("Ann")
    for answered in (browser.get("/review/99"), browser.post("/review/99/answer", choice="new", seen="x")):
        assert answered.status_code == 404
        assert "There is no question 99" in answered.text
    assert browser.get("/review/0").status_code == 404
    assert browser.get("/review/9999999999999999999999").status_code == 404
    assert browser.get("/review?site=nowhere").status_code == 404


def test_the_pet_is_picked_where_it_is_not_clear_which_is_meant(served: Served) -> None:
    known(
        served,
        Client(id="1002", given_name="James", family_name="Harris"),
        Pet(id="5002", client_id="1002", name="Tiger", species="cat"),
        Pet(id="5003", client_id="1002", name="Rex", species="dog"),
    )
    ask(served, candidates=(candidate("1002"),))
    browser = served.browser("Ann")
    assert "Next you say which pet." in browser.get("/review/1").text
    step = browser.post("/review/1/answer", page="/review/1", client="1002", seen=seen(served))
    assert step.headers["location"] == f"/review/1/pets?client=1002&seen={seen(served)}"
    assert item(served).state == "open"
    page = browser.get(step.headers["location"]).text
    assert "Tiger (cat)" in page
    assert "Rex (dog)" in page
    assert "Monty (cat), as booked" in page
    answered = browser.post(
        "/review/1/answer", page=step.headers["location"], client="1002", pet="booked", seen=seen(served)
    )
    assert answered.status_code == 303
    given = item(served).given
    assert given is not None
    assert (given.client_id, given.pet_id) == ("1002", None)


def test_somebody_else_is_searched_for_and_linked(served: Served, parked: Parked) -> None:
    known(
        served,
        Client(id="7", given_name="Zoe", family_name="Quill", phones=("+447700900555",)),
        Pet(id="8", client_id="7", name="Monty", species="cat"),
    )
    browser = served.browser("Ann")
    page = browser.get("/review/1?search=quill").text
    assert "Zoe Quill" in page
    assert 'name="client" value="7"' in page
    assert browser.post("/review/1/answer", page="/review/1", client="7", seen=seen(served)).status_code == 303
    given = item(served).given
    assert given is not None
    assert (given.client_id, given.pet_id) == ("7", "8")


def test_a_search_of_ten_thousand_characters_finds_nobody_and_breaks_nothing(served: Served, parked: Parked) -> None:
    found = served.browser("Ann").get("/review/1?search=" + "ab%20" * 2500)
    assert found.status_code == 200
    assert "Nobody else fits." in found.text


def test_the_same_people_are_answered_together_if_somebody_says_so(served: Served, parked: Parked) -> None:
    second = ask(served, visit=booking(served, hours=30), candidates=(candidate("1002", "5002"),), remote_id="30002")
    browser = served.browser("Ann")
    page = browser.get("/review/1").text
    assert "Answer the other one of this phone and name the same" in page
    assert '<input type="checkbox" name="also" value="1">' in page
    siblings = SIBLING.findall(page)
    fields = {"client": "1002", "seen": seen(served), "sibling": siblings[0], "also": "1"}
    browser.post("/review/1/answer", page="/review/1", data=fields)
    assert item(served, second).state == "answered"
    after = browser.get("/review").text
    assert "One more was answered the same." in after
    browser.post("/review/1/undo", page="/review", also=str(second))
    assert item(served).state == item(served, second).state == "open"


def test_without_the_tick_the_others_stay_open(served: Served, parked: Parked) -> None:
    second = ask(served, visit=booking(served, hours=30), candidates=(candidate("1002", "5002"),), remote_id="30002")
    browser = served.browser("Ann")
    sibling = SIBLING.findall(browser.get("/review/1").text)[0]
    browser.post("/review/1/answer", page="/review/1", client="1002", seen=seen(served), sibling=sibling)
    assert item(served, second).state == "open"


def test_field_by_field_each_side_is_right_in_some(served: Served) -> None:
    here = booking(served)
    there = replace(here, resource="vet_1", duration=1800)
    number = ask(served, why="conflict", visit=here, pims=there, fields=("resource", "duration"))
    browser = served.browser("Ann")
    page = browser.get(f"/review/{number}").text
    assert "Booking: vet_2" in page
    assert "PIMS: vet_1" in page
    half = {"choice": "fields", "field.resource": "pims", "seen": seen(served)}
    assert browser.post(f"/review/{number}/answer", page=f"/review/{number}", data=half).status_code == 409
    whole = {**half, "field.duration": "booking", "seen": seen(served)}
    assert browser.post(f"/review/{number}/answer", page=f"/review/{number}", data=whole).status_code == 303
    given = item(served).given
    assert given is not None
    assert given.fields == {"resource": "pims", "duration": "booking"}


def test_not_now_puts_it_off_and_out_of_the_way(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    assert browser.post("/review/1/later", page="/review/1", hours="24").status_code == 303
    page = browser.get("/review").text
    assert "the question comes back at" in page
    assert "Nobody has to look at anything now." in page
    assert "One is put off until later" in page
    until = item(served).snoozed_until
    assert until is not None
    assert until - served.clock.now() > timedelta(hours=23)
    with served.ledger.read() as tx:
        assert review.find_item(tx, served.frame.sites, 1).claimed_by == ""  # type: ignore[union-attr]


def test_notes_and_whose_it_is_are_kept_and_shown(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    served.add("Ben", Role.RECEPTION)
    assert browser.post("/review/1/note", page="/review/1", text="called, <b>no</b> answer").status_code == 303
    assert browser.post("/review/1/note", page="/review/1", text=" ").status_code == 409
    assert browser.post("/review/1/assign", page="/review/1", to="Ben").status_code == 303
    page = browser.get("/review/1").text
    assert "called, &lt;b&gt;no&lt;/b&gt; answer" in page
    assert "for Ben" in browser.get("/review").text
    browser.post("/review/1/release", page="/review/1")
    assert 'href="/review/1' not in browser.get("/review?mine=1").text
    assert 'href="/review/1' in served.browser("Ben").get("/review?mine=1").text


def test_who_narrowed_the_list_comes_back_to_it_narrowed(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    browser.post("/review/1/assign", page="/review/1", to="Ann")
    kept = "?site=city&mine=1"
    assert 'href="/review/1?site=city&amp;mine=1"' in browser.get(f"/review{kept}").text
    page = browser.get(f"/review/1{kept}&search=x").text
    assert 'href="/review?site=city&amp;mine=1"' in page
    assert 'name="mine" value="1"' in page, "a search keeps it"
    note = browser.post(f"/review/1/note{kept}", page="/review/1", text="x")
    assert note.headers["location"] == f"/review/1{kept}"
    put_off = browser.post(f"/review/1/later{kept}", page="/review/1")
    assert put_off.headers["location"] == f"/review{kept}"
    given = browser.post(f"/review/1/answer{kept}", page="/review/1", choice="new", seen=seen(served))
    assert given.headers["location"] == f"/review{kept}"
    assert 'action="/review/1/undo?site=city&amp;mine=1"' in browser.get(f"/review{kept}").text
    back = browser.post("/review/1/undo?site=nowhere&mine=//evil.example", page="/review/1")
    assert back.headers["location"] == "/review/1?mine=1", "a site that nobody knows is forgotten"


def test_a_visit_is_called_as_the_clinic_calls_it(served: Served, parked: Parked) -> None:
    with served.ledger.write() as tx:
        codelists.keep(tx, "altegio-city", "appointment_type", {"702": "Jab <i>online</i>"})
        codelists.keep(tx, "altegio-city", "resource", {"502": "Dr. Weiss (online)"})
        codelists.keep(tx, "ezyvet-city", "resource", {"22": "Dr. Weiss"})
    ann, ute = served.browser("Ann"), served.browser("Ute", language="de")
    for path in ("/review", "/review/1"):
        page = ann.get(path).text
        assert "Jab &lt;i&gt;online&lt;/i&gt;, Dr. Weiss<" in page, "the PIMS's title before the booking side's"
        assert "vet_2" not in page
        assert "Monty (cat)" in page
        assert "Monty (Katze)" in ute.get(path).text


def test_opening_claims_but_a_reader_only_reads(served: Served, parked: Parked) -> None:
    page = served.browser("Rea", Role.READER).get("/review/1").text
    assert "James Harris" in page
    assert "<button" not in page[page.index("<h1>") :]
    assert item(served).claimed_by == ""
    served.browser("Ann").get("/review/1")
    assert item(served).claimed_by == "Ann"
    assert "Ann is looking at it" in served.browser("Rea").get("/review").text


def test_names_from_outside_are_only_ever_text(served: Served) -> None:
    for number, hostile in enumerate(HOSTILE):
        client = Client(
            id=f"{number}c", given_name=hostile, family_name=hostile, phones=(hostile,), emails=(hostile,)
        )
        pet = Pet(id=f"{number}p", client_id=client.id, name=hostile, species=hostile, breed=hostile)
        known(served, client, pet)
        visit = replace(
            booking(served, booker=client, pet=pet), notes=hostile, appointment_type=hostile, resource=hostile
        )
        evidence = [{"field": "x", "level": "y", "weight": 1.0, "words": hostile}]
        who = (candidate(f"{number}c", evidence=evidence), candidate(hostile))
        for remote_id in (f"{number}a", f"{number}b"):
            ask(served, visit=visit, candidates=who, remote_id=remote_id)
        ask(served, why="conflict", visit=visit, remote_id=f"{number}d", pims=visit, other=visit, fields=("notes",))
        with served.ledger.write() as tx:
            claims.add_note(tx, served.frame.sites, 3 * number + 1, hostile[:900], by="Ann")
            claims.assign(tx, served.frame.sites, 3 * number + 1, hostile, by="Ann")
    browser = served.browser("Ann")
    items = [f"/review/{number}" for number in range(1, 3 * len(HOSTILE) + 1) if number % 3 != 2]
    for path in ("/review", *items, "/review/1/pets?client=0c"):
        shown = browser.get(path)
        assert shown.status_code == 200
        must_be_harmless(shown.text)
    must_be_harmless(browser.raw.get("/review/1", params={"search": "".join(HOSTILE)[:900]}).text)
    browser.post("/review/4/answer", page="/review/4", choice="new", seen=seen(served, 4))
    must_be_harmless(browser.get("/review").text)


def test_what_the_fuse_holds_back_is_let_through(served: Served) -> None:
    hold(served.ledger, {"1": "would be cancelled", "2": "would be cancelled"}, first_visit=served.clock.now())
    browser = served.browser("Ann")
    page = browser.get("/review/1").text
    assert "2 changes are held back" in page
    assert "This lets through all 2 changes" in page
    assert browser.post("/review/1/answer", page="/review/1", choice="allow", seen=seen(served)).status_code == 303
    assert item(served).state == "answered"


def test_questions_of_pairing_stand_apart(served: Served, parked: Parked) -> None:
    card = Client(id="2007", given_name="Pat", family_name="Lee")
    ask(served, why=PAIR_CLIENT, remote_id="2007", booking=card, candidates=(candidate("1002"),))
    browser = served.browser("Ann")
    page = browser.get("/review").text
    assert "Pat Lee" not in page
    assert "one client of the booking side may stand in the PIMS already" in page
    assert "Pat Lee" in browser.get("/review?pairing=1").text
    answered = browser.post("/review/2/answer", page="/review/2", client="1002", seen=seen(served, 2))
    assert answered.status_code == 303


def test_a_question_that_waits_for_long_says_so(served: Served, parked: Parked) -> None:
    served.clock.advance(3 * 3600)
    assert "Waits for 3 hours" in served.browser("Ann").get("/review").text


def test_fifty_cards_a_page(served: Served) -> None:
    for number in range(52):
        ask(served, visit=booking(served, hours=number + 1), remote_id=str(number))
    browser = served.browser("Ann")
    first = browser.get("/review").text
    assert first.count('<li class="card">') == 50
    assert "Page 1 of 2" in first
    assert 'href="/review?page=2"' in first
    assert browser.get("/review?page=2").text.count('<li class="card">') == 2
    assert browser.get("/review?page=99").status_code == 200
    assert browser.get("/review?page=x").status_code == 404
