"""Signing in and out: who gets in, for how long, and how often anybody may try."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from tests.unit.web.conftest import Serve
from tests.unit.web.served import HOURS, Browser, Served
from tests.unit.web.trial import Trial, acts
from vetbridge.core.roles import Role
from vetbridge.desk import staff

pytestmark = pytest.mark.usefixtures("alone")

PASSWORD = "correct horse battery"
HOUR = 3600.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id with little to do: what is tested is who gets in, not how long it takes."""
    monkeypatch.setattr(staff, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    staff._nobody.cache_clear()


def tried(browser: Browser, name: str, password: str, **more: str) -> int:
    return browser.post("/sign-in", name=name, password=password, **more).status_code


def test_a_page_leads_to_the_sign_in_and_back(served: Served, trial: Trial) -> None:
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    browser = served.anonymous()
    sent = browser.get("/trial?site=city&page=2")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=%2Ftrial%3Fsite%3Dcity%26page%3D2")
    assert 'value="/trial?site=city&amp;page=2"' in browser.get(sent.headers["location"]).text
    answer = browser.post("/sign-in", name=" ann ", password=PASSWORD, next="/trial?site=city&page=2")
    assert (answer.status_code, answer.headers["location"]) == (303, "/trial?site=city&page=2")
    assert "Ann" in browser.get("/trial").text
    assert acts(served, act="signed-in") == [("Ann", "signed-in")]


def test_signing_in_never_leads_to_another_site(served: Served) -> None:
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    for next_ in ("//evil.example/x", "https://evil.example", "/\\evil.example", "/a\r\nx: y", "ä", "javascript:1"):
        answer = served.anonymous().post("/sign-in", name="Ann", password=PASSWORD, next=next_)
        assert answer.headers["location"] == "/"


def test_who_has_no_business_here_stays_outside(served: Served) -> None:
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    wrong = [
        ("Ann", "no"),
        ("Nobody", PASSWORD),
        ("Ann", ""),
        ("", ""),
        ("a" * 5000, "b" * 5000),
        ("Ann\x1b[31m", "x"),
    ]
    for name, password in wrong:
        browser = served.anonymous()
        answer = browser.post("/sign-in", name=name, password=password)
        assert answer.status_code == 403
        assert "Name and password do not go together." in answer.text
        assert "vetbridge-session" not in browser.raw.cookies
    # A name that nobody has is not kept: it may be somebody's password, typed into the wrong field.
    assert acts(served, act="sign-in-refused") == [
        ("Ann" if name == "Ann" else "", "sign-in-refused") for name, _ in wrong
    ]


def test_whoever_has_no_password_signs_in_by_none(served: Served) -> None:
    served.add("dashboard", Role.READER)
    assert tried(served.anonymous(), "dashboard", "") == 403


def test_an_unknown_name_costs_as_much_as_a_known_one(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    verified: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002
            verified.append(str(hash)[:9])
            return super().verify(hash, password)

    monkeypatch.setattr(staff, "HASHER", Counting(time_cost=1, memory_cost=8, parallelism=1))
    tried(served.anonymous(), "Ann", "wrong")
    tried(served.anonymous(), "Nobody", "wrong")
    assert verified == ["$argon2id"] * 2


def test_after_five_wrong_passwords_one_waits(served: Served) -> None:
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    served.add("Ben", Role.RECEPTION, password=PASSWORD)
    browser = served.anonymous()
    assert [tried(browser, "Ann", "wrong") for _ in range(5)] == [403] * 5
    answer = browser.post("/sign-in", name="ANN", password=PASSWORD)
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.text
    assert answer.headers["retry-after"] == "900"
    assert tried(browser, "Ben", PASSWORD) == 303
    served.clock.advance(14 * 60 + 30)
    assert "Wait a minute" in served.anonymous().post("/sign-in", name="Ann", password=PASSWORD).text
    served.clock.advance(31)
    assert tried(served.anonymous(), "Ann", PASSWORD) == 303


def test_a_caller_that_tries_many_names_waits(served: Served) -> None:
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    browser = served.anonymous()
    assert {tried(browser, f"name-{number}", "wrong") for number in range(20)} == {403}
    assert tried(browser, "Ann", PASSWORD) == 429


def test_right_passwords_do_not_count(served: Served) -> None:
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    assert {tried(served.anonymous(), "Ann", PASSWORD) for _ in range(25)} == {303}


def test_a_session_ends_after_the_hours_of_the_config(served: Served, trial: Trial) -> None:
    browser = served.browser("Ann")
    for _ in range(int(HOURS / 4)):
        assert browser.get("/trial").status_code == 200
        served.clock.advance(4 * HOUR)
    assert browser.get("/trial").status_code == 303


def test_a_session_that_nobody_uses_ends_after_half_of_them(served: Served, trial: Trial) -> None:
    browser = served.browser("Ann")
    served.clock.advance(HOURS / 2 * HOUR - 1)
    assert browser.get("/trial").status_code == 200
    served.clock.advance(HOURS / 2 * HOUR - 1)
    assert browser.get("/trial").status_code == 200
    late = served.browser("Ben")
    served.clock.advance(HOURS / 2 * HOUR)
    assert late.get("/trial").status_code == 303


@pytest.mark.parametrize("what", ["removed", "role", "password"])
def test_whoever_is_removed_or_changed_is_signed_out_at_once(served: Served, trial: Trial, what: str) -> None:
    browser, other = served.browser("Ann"), served.browser("Ben")
    with served.ledger.write() as tx:
        if what == "removed":
            staff.remove(tx, "ann", by="tests")
        elif what == "role":
            staff.change(tx, "ann", role=Role.READER, language=None, by="tests")
        else:
            staff.set_password(tx, "ann", "new", by="tests")
    assert browser.get("/trial").status_code == 303
    assert other.get("/trial").status_code == 200


def test_what_was_sent_after_the_session_ended_is_not_carried_out(served: Served, trial: Trial) -> None:
    browser = served.browser("Sue", Role.SUPPORT)
    token = browser.token("/trial")
    served.clock.advance(HOURS * HOUR)
    answer = browser.send("/trial", {"form_token": token})
    assert answer.status_code == 403
    assert "You are signed out" in answer.text
    assert trial.taken == []


def test_somebody_else_sits_down(served: Served, trial: Trial) -> None:
    served.add("Ben", Role.RECEPTION, password=PASSWORD)
    browser = served.browser("Ann")
    gone = browser.post("/sign-out", page="/trial", next="/trial")
    assert gone.headers["location"] == "/sign-in?next=%2Ftrial"
    assert browser.get("/trial").status_code == 303
    assert browser.post("/sign-in", name="Ben", password=PASSWORD, next="/trial").headers["location"] == "/trial"
    assert "Ben" in browser.get("/trial").text
    assert acts(served)[-2:] == [("Ann", "signed-out"), ("Ben", "signed-in")]


def test_signing_in_anew_ends_the_session_before(served: Served, trial: Trial) -> None:
    served.add("Ben", Role.RECEPTION, password=PASSWORD)
    browser = served.browser("Ann")
    old = browser.raw.cookies["vetbridge-session"]
    browser.post("/sign-in", page="/trial", name="Ben", password=PASSWORD)
    thief = served.anonymous()
    thief.raw.cookies.set("vetbridge-session", old)
    assert thief.get("/trial").status_code == 303


def test_the_ledger_holds_nothing_by_which_anybody_signs_in(served: Served) -> None:
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    browser = served.anonymous()
    tried(browser, "Ann", PASSWORD)
    with served.ledger.write() as tx:
        token = staff.new_token(tx, "Ann", by="tests")
    session = browser.raw.cookies["vetbridge-session"]
    assert len(session) >= 43
    rows = "".join(str(row) for table in ("staff", "staff_session", "audit") for row in everything(served, table))
    assert "$argon2id$" in rows
    assert all(secret not in rows for secret in (PASSWORD, session, token))


def everything(served: Served, table: str) -> list[object]:
    with served.ledger.read() as tx:
        return list(tx.session.connection().exec_driver_sql(f"select * from {table}"))  # noqa: S608


def test_cookies_are_for_the_server_alone(served: Served, serve: Serve) -> None:
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    given = served.anonymous().post("/sign-in", name="Ann", password=PASSWORD).headers["set-cookie"]
    assert given.startswith("vetbridge-session=")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(given.split(",")[0].split("; "))


def test_behind_a_proxy_cookies_are_for_this_host_and_https_alone(serve: Serve, trial: Trial) -> None:
    served = serve(proxy={"address": "https://desk.example"})
    served.add("Ann", Role.RECEPTION, password=PASSWORD)
    browser = served.anonymous(base_url="https://desk.example")
    given = browser.post("/sign-in", name="Ann", password=PASSWORD).headers["set-cookie"]
    assert given.startswith("__Host-vetbridge-session=")
    assert "Secure" in given.split(",")[0]
    assert browser.get("/trial").status_code == 200
    # Without the prefix a cookie may be another host's.
    session = browser.raw.cookies["__Host-vetbridge-session"]
    other = served.anonymous(base_url="https://desk.example")
    other.raw.cookies.set("vetbridge-session", session)
    assert other.get("/trial").status_code == 303


def test_each_has_the_page_in_their_own_language(serve: Serve, trial: Trial) -> None:
    served = serve(language="de")
    browser = served.browser("Ann")
    assert '<html lang="de">' in browser.get("/trial").text
    assert "Nicht jetzt" in browser.get("/trial").text
    browser.post("/language", page="/trial", language="en", next="/trial")
    assert '<html lang="en">' in browser.get("/trial").text
    assert "Not now" in browser.get("/trial").text
    browser.post("/language", page="/trial", language="tlh")
    assert trial.languages == ["de", "de", "de", "en", "en", "en"]


def test_the_sign_in_page_is_shown_in_any_language(served: Served) -> None:
    assert '<html lang="en">' in served.anonymous().get("/sign-in").text
    page = served.anonymous().get("/sign-in?language=de").text
    assert '<html lang="de">' in page
    assert 'action="/sign-in?language=de"' in page
