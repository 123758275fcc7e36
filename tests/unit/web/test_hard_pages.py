"""What must not go wrong on the pages: an answer for what nobody saw, an undo of somebody else's answer, a way in
that is none, and input that breaks a page."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from tests.unit.desk.practice import Parked, Settled, hold
from tests.unit.web.asked import ask, booking, candidate, known
from tests.unit.web.conftest import Serve
from tests.unit.web.served import Browser, Served
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Client, Pet
from vetbridge.core.roles import Role
from vetbridge.desk import answering, review, staff
from vetbridge.desk.review import ReviewItem
from vetbridge.ledger.tables import ChangeState

FIELD = re.compile(r'name="(seen|sibling|given_at|shown_at|found)" value="([^"]*)"')
JAMES = Client(id="1002", given_name="James", family_name="Harris")
TIGER = Pet(id="5002", client_id="1002", name="Tiger", species="cat")
REX = Pet(id="5003", client_id="1002", name="Rex", species="dog")


def item(served: Served, number: int = 1) -> ReviewItem:
    with served.ledger.read() as tx:
        found = review.find_item(tx, served.frame.sites, number)
    assert found is not None
    return found


def hidden(page: str, name: str) -> list[str]:
    return [html.unescape(value) for key, value in FIELD.findall(page) if key == name]


# -- what was seen ------------------------------------------------------------------------------------------------


def _which_pet(served: Served, *, also: bool = False) -> tuple[Browser, str]:
    """The page on which the pet is picked, after a client was."""
    known(served, JAMES, TIGER, REX)
    ask(served, candidates=(candidate("1002"),))
    ask(served, visit=booking(served, hours=9), candidates=(candidate("1002"),), remote_id="30002")
    browser = served.browser("Ann")
    page = browser.get("/review/1").text
    fields = {"client": "1002", "seen": hidden(page, "seen")[0], "sibling": hidden(page, "sibling")}
    step = browser.post("/review/1/answer", page="/review/1", data={**fields, **({"also": "1"} if also else {})})
    assert step.headers["location"].startswith("/review/1/pets?")
    return browser, step.headers["location"]


def test_what_changes_before_the_pet_is_picked_is_not_answered(served: Served) -> None:
    browser, pets = _which_pet(served)
    someone_else = booking(served, booker=Client(id="2001", given_name="Zoe", family_name="Quill"))
    ask(served, visit=someone_else, candidates=(candidate("1002"),))
    page = browser.get(pets).text
    fields = {"client": "1002", "pet": "5002", "seen": hidden(page, "seen")[0]}
    refused = browser.post("/review/1/answer", page=pets, data=fields)
    assert refused.status_code == 409
    assert "has changed meanwhile" in refused.text
    assert "Zoe Quill" in refused.text
    assert item(served).state == "open"


def test_whoever_books_while_the_pet_is_picked_is_not_answered_unseen(served: Served) -> None:
    browser, pets = _which_pet(served, also=True)
    ask(served, visit=booking(served, hours=20), candidates=(candidate("1002"),), remote_id="30003")
    page = browser.get(pets).text
    siblings = hidden(page, "sibling")
    assert [each.partition(" ")[0] for each in siblings] == ["2"]
    fields = {"client": "1002", "pet": "5002", "seen": hidden(page, "seen")[0], "sibling": siblings, "also": "1"}
    assert browser.post("/review/1/answer", page=pets, data=fields).status_code == 303
    assert [item(served, number).state for number in (1, 2, 3)] == ["answered", "answered", "open"]


def test_without_the_tick_the_page_of_pets_takes_no_other_question_along(served: Served) -> None:
    browser, pets = _which_pet(served)
    assert hidden(browser.get(pets).text, "sibling") == []


def test_a_client_who_is_somebody_else_by_now_is_not_linked(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    saw = hidden(browser.get("/review/1").text, "seen")[0]
    known(served, Client(id="1002", given_name="Zoe", family_name="Quill"))
    refused = browser.post("/review/1/answer", page="/review/1", client="1002", seen=saw)
    assert (refused.status_code, item(served).state) == (409, "open")
    assert "Zoe Quill" in refused.text


QUILL = Client(
    id="7", given_name="Zoe", family_name="Quill", phones=("+447700900555",), emails=("zoe@quill.example",)
)
QUILLS_PET = Pet(id="8", client_id="7", name="Monty", species="cat")


@pytest.mark.parametrize(
    "now",
    [
        Client(id="7", given_name="Max", family_name="Moore", phones=("+447700900666",)),
        replace(QUILL, phones=("+447700900777",)),
        replace(QUILL, emails=()),
        replace(QUILLS_PET, name="Bella"),
        Pet(id="9", client_id="7", name="Rex", species="dog"),
    ],
)
def test_a_client_who_was_searched_for_is_linked_as_shown(served: Served, parked: Parked, now: Client | Pet) -> None:
    known(served, QUILL, QUILLS_PET)
    browser = served.browser("Ann")

    def fields(page: str) -> dict[str, object]:
        return {"client": "7", "seen": hidden(page, "seen")[0], "found": hidden(page, "found")}

    old = fields(browser.get("/review/1?search=7").text)
    assert [each.partition(" ")[0] for each in hidden(browser.get("/review/1?search=quill").text, "found")] == ["7"]
    known(served, now)
    refused = browser.post("/review/1/answer", page="/review/1", data={**old, "pet": "8"})
    assert (refused.status_code, item(served).state) == (409, "open")
    assert "client 7 has changed meanwhile" in refused.text
    new = fields(browser.get("/review/1?search=7").text)
    assert browser.post("/review/1/answer", page="/review/1", data={**new, "pet": "8"}).status_code == 303
    assert item(served).state == "answered"


def test_what_changes_of_a_client_who_was_searched_for_while_its_pet_is_picked(served: Served) -> None:
    known(served, JAMES, TIGER, REX, QUILL)
    ask(served)
    browser = served.browser("Ann")
    page = browser.get("/review/1?search=harris").text
    fields = {"client": "1002", "seen": hidden(page, "seen")[0], "found": hidden(page, "found")}

    def pick() -> tuple[str, dict[str, object]]:
        pets = browser.post("/review/1/answer", page="/review/1", data=fields).headers["location"]
        picking = browser.get(pets).text
        assert [each.partition(" ")[0] for each in hidden(picking, "found")] == ["1002"]
        return pets, {**fields, "pet": "5002", "found": hidden(picking, "found")}

    pets, sent = pick()
    known(served, replace(JAMES, given_name="Jane"))
    assert browser.post("/review/1/answer", page=pets, data=sent).status_code == 409
    assert item(served).state == "open"
    known(served, JAMES)
    pets, sent = pick()
    assert browser.post("/review/1/answer", page=pets, data=sent).status_code == 303
    assert item(served).state == "answered"


def test_the_fuse_is_answered_for_what_was_shown(served: Served) -> None:
    hold(served.ledger, {"1": "would be cancelled"}, first_visit=served.clock.now())
    browser = served.browser("Ann")
    saw = hidden(browser.get("/review/1").text, "seen")[0]
    hold(served.ledger, {str(each): "would be cancelled" for each in range(2, 40)}, first_visit=served.clock.now())
    refused = browser.post("/review/1/answer", page="/review/1", choice="allow", seen=saw)
    assert refused.status_code == 409
    assert "39 changes are held back" in refused.text
    assert item(served).state == "open"


def test_a_form_that_does_not_say_what_was_seen_answers_nothing(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    assert browser.post("/review/1/answer", page="/review/1", client="1002").status_code == 409
    assert item(served).state == "open"


def test_what_fails_after_a_group_was_shown_is_not_acknowledged_with_it(served: Served, settled: Settled) -> None:
    settled(ChangeState.FAILED, "refused", remote_id="1")
    browser = served.browser("Sue", Role.SUPPORT)
    page = browser.get("/failures").text
    served.clock.advance(60)
    later = settled(ChangeState.FAILED, "refused", remote_id="2")
    name = re.search(r'name="group" value="([^"]+)"', page)
    assert name
    fields = {"group": html.unescape(name[1]), "shown_at": hidden(page, "shown_at")[0]}
    done = browser.post("/failures/acknowledge", page="/failures", data=fields)
    assert done.status_code == 303
    after = browser.get("/failures").text
    assert "One failure is acknowledged." in after
    assert f'href="/changes/{later}"' in after
    assert 'href="/changes/1"' not in after
    for odd in ("yesterday", "2026-01-01T00:00:00"):
        sent = browser.post("/failures/acknowledge", page="/failures", data={"change": "1", "shown_at": odd})
        assert sent.status_code == 303


# -- taking back --------------------------------------------------------------------------------------------------


def _undo(browser: Browser, page: str, number: int = 1) -> int:
    """Presses the button that ``page`` has shown."""
    fields = {"given_at": hidden(page, "given_at")[0]}
    return browser.post(f"/review/{number}/undo", page="/review", data=fields).status_code


def test_the_undo_of_an_answer_leaves_a_newer_one(served: Served, parked: Parked) -> None:
    ann, ben = served.browser("Ann"), served.browser("Ben")

    def answers(browser: Browser, choice: str) -> None:
        saw = hidden(browser.get("/review/1").text, "seen")[0]
        assert browser.post("/review/1/answer", page="/review/1", choice=choice, seen=saw).status_code == 303

    answers(ann, "new")
    anns = ann.get("/review").text
    assert len(hidden(anns, "given_at")) == 1
    served.clock.advance(10)
    assert _undo(ben, ben.get("/review/1").text) == 303
    served.clock.advance(10)
    answers(ben, "new")
    assert _undo(ann, anns) == 409
    given = item(served).given
    assert given is not None
    assert given.by == "Ben"
    assert _undo(ann, ann.get("/review/1").text) == 303
    assert item(served).state == "open"
    for odd in ("yesterday", "9" * 5000, "2026-01-01T00:00:00"):
        sent = ann.post("/review/1/undo", page="/review", data={"given_at": odd})
        assert sent.status_code in (400, 409)


def test_an_undo_takes_back_all_that_were_answered_at_once(served: Served, parked: Parked) -> None:
    second = ask(served, visit=booking(served, hours=30), candidates=(candidate("1002"),), remote_id="30002")
    browser = served.browser("Ann")
    page = browser.get("/review/1").text
    fields = {"choice": "new", "seen": hidden(page, "seen")[0], "sibling": hidden(page, "sibling"), "also": "1"}
    browser.post("/review/1/answer", page="/review/1", data=fields)
    assert item(served, second).state == "answered"
    served.clock.advance(10)
    with served.ledger.write() as tx:
        answering.undo(tx, served.frame.sites, second, by="Ben")
        answering.give(tx, served.frame.sites, second, Answer(choice=Choice.NEW), by="Ben")
    given_at = hidden(browser.get("/review").text, "given_at")[0]
    undone = {"also": str(second), "given_at": given_at}
    assert browser.post("/review/1/undo", page="/review/1", data=undone).status_code == 303
    assert [item(served).state, item(served, second).state] == ["open", "answered"]
    assert "has changed meanwhile" in browser.get("/review/1").text


# -- the doors ----------------------------------------------------------------------------------------------------


SENT = (
    ({"origin": "http://["}, 403),
    ({"origin": "http://localhost:99999999"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "https://localhost:8711"}, 403),
    ({"origin": "http://localhost:8711.evil.example"}, 403),
    ({"origin": "http://localhost:8711@evil.example"}, 403),
    ({"origin": "http://localhost:8711", "sec-fetch-site": "cross-site"}, 403),
    ({"sec-fetch-site": "same-site"}, 403),
    ({"content-type": "text/plain"}, 415),
    ({"content-type": "multipart/form-data; boundary=x"}, 415),
    ({"content-type": "application/json; x=application/x-www-form-urlencoded"}, 415),
    ({"origin": "http://localhost:8711"}, 303),
)


def test_only_forms_of_our_own_page_are_taken(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    for headers, status in SENT:
        fields = {"form_token": browser.token("/review/1")}
        assert browser.send("/review/1/release", fields, **headers).status_code == status, headers
        assert (item(served).claimed_by == "") == (status == 303)


def test_a_form_of_one_person_is_none_of_another(served: Served, parked: Parked) -> None:
    ann, ben, guest = served.browser("Ann"), served.browser("Ben"), served.anonymous()
    saw = hidden(ann.get("/review/1").text, "seen")[0]
    for token in (ben.token("/review/1"), guest.token("/sign-in")):
        fields = {"form_token": token, "choice": "new", "seen": saw}
        assert ann.send("/review/1/answer", fields).status_code == 403
    assert item(served).state == "open"


def test_nobody_is_let_in_by_another_method_or_spelling(served: Served, parked: Parked) -> None:
    browser, guest = served.browser("Rea", Role.READER), served.anonymous()
    for path in ("/review/1/pets?client=1002", "/audit", "/audit/", "//audit", "/audit?days=1"):
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
            shown = browser.raw.request(method, f"http://localhost:8711{path}")
            assert shown.status_code in (303, 307, 403, 404, 405), (method, path)
            assert "James" not in guest.raw.request(method, f"http://localhost:8711{path}").text
    for path in ("answer", "undo", "later", "take", "release", "assign", "note"):
        token = browser.token("/")
        for spelled in (f"/review/1/{path}", f"/review/1/{path}/", f"//review/1/{path}", f"/review/1%2f{path}"):
            sent = browser.raw.post(
                f"http://localhost:8711{spelled}", data={"form_token": token, "choice": "new"}, follow_redirects=True
            )
            assert sent.status_code in (403, 404, 405, 409), spelled
    assert (item(served).state, item(served).claimed_by) == ("open", "")


def test_a_name_is_tried_five_times_however_it_is_spelled(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(staff, "sign_in", lambda _ledger, name, *_rest, **_more: tried.append(name))
    browser = served.anonymous()
    names = ["José", "JOSÉ", "Jose\u0301", "JOSE\u0301", " josé ", "jOse\u0301", "José"]
    sent = [browser.post("/sign-in", name=name, password="x").status_code for name in names]
    assert sent == [403] * 5 + [429] * 2
    assert len(tried) == 5


def test_the_next_person_is_not_led_to_what_was_searched_for(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    for address, path in (("/find?q=harris", "/find"), ("/review/1?search=harris", "/review/1"), ("/", "/")):
        page = browser.get(address).text
        button = re.search(r'name="next" value="([^"]*)">Somebody else<', page)
        assert button
        assert button[1] == path
    refused = browser.post("/review/1/answer", page="/review/1", choice="new")
    assert refused.status_code == 409
    assert 'name="next" value="/">Somebody else<' in refused.text


def test_a_caller_that_nobody_trusts_does_not_say_from_where_it_calls(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staff, "sign_in", lambda *_arguments, **_more: None)
    browser = served.anonymous()
    sent = []
    for number in range(22):
        token = browser.token("/sign-in")
        fields = {"form_token": token, "name": f"n{number}", "password": "x"}
        sent.append(browser.send("/sign-in", fields, **{"x-forwarded-for": f"10.0.0.{number}"}).status_code)
    assert sent == [403] * 20 + [429] * 2


def test_cookies_are_for_this_page_alone(serve: Serve) -> None:
    loopback = serve()
    set_cookie = loopback.anonymous().get("/sign-in").headers["set-cookie"]
    assert set_cookie.startswith("vetbridge-guest=")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(set_cookie.split("; "))
    assert "Domain" not in set_cookie


# -- odd input ----------------------------------------------------------------------------------------------------


ADDRESSES = (
    "/find?day=9999-12-31",
    "/find?day=0001-01-01",
    "/find?day=99999999999999",
    f"/find?q={'a' * 10_000}",
    "/find?q=%ED%A0%80%E2%80%AE%1b%5b2J",
    "/find?q=" + "%2B49" * 2000,
    "/review/1?search=" + "x%20" * 2500,
    "/review/1?search=%ED%A0%80",
    "/review/1/pets?client=" + "9" * 9000,
    "/review/1/pets?client=%0d%0aset-cookie:x&seen=%22%3E%3Cscript%3E&sibling=%22%3E&sibling=%0a",
    f"/review?page={'9' * 400}",
    f"/review?page={'9' * 5000}",
    "/review?page=-1&mine=%0a&site=city",
    "/review/9223372036854775808",
    "/changes/9223372036854775807",
    "/failures?group=%ED%A0%80",
    "/audit?by=%ED%A0%80&act=%0a&days=99999999999999999999",
    "/sign-in?next=//evil.example&language=%ED%A0%80",
)


def test_odd_addresses_break_no_page(served: Served, parked: Parked) -> None:
    browser = served.browser("Ada", Role.ADMIN)
    for address in ADDRESSES:
        shown = browser.get(address)
        assert shown.status_code in (200, 303, 404), address
        assert "<script>" not in shown.text
        assert "evil" not in shown.headers.get("location", "")


FORMS = (
    ("answer", {"client": "\ud800".encode("utf-8", "surrogatepass"), "pet": b"\0\xff"}),
    ("answer", {"client": "9" * 20_000, "pet": "1" * 20_000}),
    ("answer", {"choice": "fields", **{f"field.{each}": "booking" for each in range(300)}}),
    ("answer", {"client": "1002", "found": "1002 " + "\u202e" * 500}),
    ("answer", {"choice": "undo"}),
    ("answer", {"choice": "link"}),
    ("later", {"hours": "1e308"}),
    ("later", {"hours": "nan"}),
    ("assign", {"to": "\u202e" * 5000}),
    ("note", {"text": "x" * 10_000}),
    ("undo", {"also": "9" * 30 + " -1 0 \u0663", "given_at": "x"}),
)


def test_odd_forms_break_no_page(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann")
    for path, fields in FORMS:
        saw = hidden(browser.get("/review/1").text, "seen")
        sent = browser.post(f"/review/1/{path}", page="/review/1", data={**fields, "seen": saw[:1]})
        assert sent.status_code in (303, 400, 409), (path, fields)
        given = item(served).given
        if given is not None:
            assert given.choice == "link", "an id that nobody knows is looked for, and asked about again"
            with served.ledger.write() as tx:
                answering.undo(tx, served.frame.sites, 1, by="tests")


def test_a_candidate_of_a_hostile_id_leads_to_no_other_address(served: Served) -> None:
    evil = "//evil.example/?x=1#\r\nset-cookie: a=b"
    known(served, replace(JAMES, id=evil), replace(TIGER, client_id=evil), replace(REX, client_id=evil))
    ask(served, candidates=(candidate(evil),))
    browser = served.browser("Ann")
    saw = hidden(browser.get("/review/1").text, "seen")[0]
    step = browser.post("/review/1/answer", page="/review/1", client=evil, seen=saw)
    assert step.headers["location"].startswith(("/review/1/pets?client=%2F%2Fevil", "/review"))
    assert "a" not in browser.raw.cookies
