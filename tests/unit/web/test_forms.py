"""Forms are taken once, and from our own page alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.web.conftest import Serve
from tests.unit.web.served import HOURS, Served
from tests.unit.web.trial import HOSTILE, Trial
from vetbridge.core.roles import Role

pytestmark = pytest.mark.usefixtures("alone")

HOUR = 3600.0


def test_a_form_is_carried_out_and_its_effect_shown_once(served: Served, trial: Trial) -> None:
    browser = served.browser("Sue", Role.SUPPORT)
    answer = browser.post("/trial", choice="new")
    assert (answer.status_code, answer.headers["location"]) == (303, "/trial")
    assert trial.taken[0]["choice"] == "new"
    page = browser.get("/trial").text
    assert "Done by Sue: &lt;script&gt;" in page
    assert '<form method="post" action="/trial/undo">' in page
    assert 'name="item" value="7&#34; onload=&#34;x"' in page
    assert "Take it back" in page
    assert "Done by Sue" not in browser.get("/trial").text


def test_what_was_done_is_told_to_whoever_did_it_alone(served: Served, trial: Trial) -> None:
    browser, other = served.browser("Sue", Role.SUPPORT), served.browser("Ben")
    browser.post("/trial")
    told = browser.raw.cookies["vetbridge-done"]
    assert "Sue" not in told
    other.raw.cookies.set("vetbridge-done", told)
    assert "Done by" not in other.get("/trial").text
    for broken in ("", "x", "AAAA", told[:-4]):
        other.raw.cookies.set("vetbridge-done", broken)
        assert other.get("/trial").status_code == 200


def test_a_long_effect_is_cut_and_can_still_be_taken_back(served: Served, trial: Trial) -> None:
    browser = served.browser("Sue", Role.SUPPORT)
    answer = browser.post("/trial/long", page="/trial")
    assert len(answer.headers["set-cookie"]) < 4096
    page = browser.get("/trial").text
    assert "üüü" in page
    assert 'action="/trial/undo"' in page


def test_a_form_is_taken_once(served: Served, trial: Trial) -> None:
    browser = served.browser("Sue", Role.SUPPORT)
    token = browser.token("/trial")
    assert browser.send("/trial", {"form_token": token}).status_code == 303
    again = browser.send("/trial", {"form_token": token})
    assert again.status_code == 409
    assert "This was sent already" in again.text
    assert len(trial.taken) == 1


def test_a_forged_form_is_not_taken(served: Served, trial: Trial) -> None:
    browser = served.browser("Sue", Role.SUPPORT)
    assert browser.send("/trial", {"choice": "new"}).status_code == 403
    for given in ("", "x", "..", "1.2.3", "ä.ö.ü", "9" * 5000):
        answer = browser.send("/trial", {"form_token": given})
        assert answer.status_code == 403
        assert "Nothing was done." in answer.text
    assert trial.taken == []


def test_a_token_that_was_changed_is_forged(served: Served, trial: Trial) -> None:
    browser = served.browser("Sue", Role.SUPPORT)
    made, number, mac = browser.token("/trial").split(".")
    for token in (f"{int(made) + 1}.{number}.{mac}", f"{made}.{number}x.{mac}", f"{made}.{number}.{mac[:-1]}"):
        assert browser.send("/trial", {"form_token": token}).status_code == 403
    assert trial.taken == []


def test_the_form_of_another_session_is_not_taken(served: Served, trial: Trial) -> None:
    mine, other = served.browser("Sue", Role.SUPPORT), served.browser("Sue", Role.SUPPORT)
    assert other.send("/trial", {"form_token": mine.token("/trial")}).status_code == 403
    # Nor that of the sign-in page, which anybody is shown.
    assert other.send("/trial", {"form_token": served.anonymous().token("/sign-in")}).status_code == 403
    assert trial.taken == []


def test_the_sign_in_form_is_one_browser_s_own(served: Served) -> None:
    """A foreign site cannot sign somebody in under a name of its own."""
    token = served.anonymous().token("/sign-in")
    answer = served.anonymous().send("/sign-in", {"form_token": token, "name": "Ann", "password": "x"})
    assert answer.status_code == 403
    assert "This form is not taken" in answer.text


ELSEWHERE = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "https://localhost:8711"},
    {"origin": "http://localhost:8710"},
    {"origin": "http://localhost:8711.evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


def test_a_form_from_elsewhere_is_not_taken(served: Served, trial: Trial) -> None:
    browser = served.browser("Sue", Role.SUPPORT)
    token = browser.token("/trial")
    for headers in ELSEWHERE:
        assert browser.send("/trial", {"form_token": token}, **headers).status_code == 403, headers
    assert trial.taken == []
    # Nor does it use the token up.
    ours = {"origin": "http://localhost:8711", "sec-fetch-site": "same-origin"}
    assert browser.send("/trial", {"form_token": token}, **ours).status_code == 303


def test_behind_a_proxy_a_form_comes_from_the_proxy_s_address(serve: Serve, trial: Trial) -> None:
    served = serve(proxy={"address": "https://desk.example"})
    browser = served.anonymous(base_url="https://desk.example")
    fields = {"form_token": browser.token("/sign-in"), "name": "x", "password": "x"}
    assert "not taken" in browser.send("/sign-in", fields, origin="http://desk.example").text
    assert "not go together" in browser.send("/sign-in", fields, origin="https://desk.example").text


def test_an_old_form_is_not_taken_though_it_is_forgotten_that_it_was_sent(served: Served, trial: Trial) -> None:
    browser = served.anonymous()
    token = browser.token("/sign-in")
    browser.send("/sign-in", {"form_token": token})
    served.clock.advance(HOURS * HOUR + 1)
    later = served.anonymous()
    later.send("/sign-in", {"form_token": later.token("/sign-in")})
    with served.ledger.read() as tx:
        assert tx.session.connection().exec_driver_sql("select count(*) from used_form").scalar() == 1
    assert browser.send("/sign-in", {"form_token": token}).status_code == 403


URLENCODED = "application/x-www-form-urlencoded"
NO_FORMS = [
    (b"", URLENCODED, 403),
    (b"\xff\xfe=%ff%fe&&&==;&%", URLENCODED, 403),
    (b"{}", "application/json", 415),
    (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x", 415),
    (b"x", "", 415),
    (b"&".join(b"a=1" for _ in range(501)), URLENCODED, 400),
    (b"a" * (64 * 1024 + 1), URLENCODED, 413),
]


def test_what_is_no_form_is_refused_in_words(served: Served, trial: Trial) -> None:
    browser = served.browser("Sue", Role.SUPPORT)
    for content, kind, status in NO_FORMS:
        answer = browser.raw.post("/trial", content=content, headers={"content-type": kind} if kind else {})
        assert answer.status_code == status
        assert "Nothing was done." in answer.text
    assert trial.taken == []


def test_a_body_that_tells_no_length_is_not_read_to_its_end(served: Served) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b"a" * 4096

    answer = served.anonymous().raw.post(
        "/sign-in", content=endless(), headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 413


def test_fields_come_as_they_were_typed(served: Served, trial: Trial) -> None:
    browser = served.browser("Sue", Role.SUPPORT)
    browser.post(
        "/trial", page="/trial", data={"note": f"{HOSTILE} ü 🐈 & = +\r\n", "nul": "a\0b", "many": ["1", "2"]}
    )
    assert trial.taken[0] | {"form_token": ""} == {
        "form_token": "",
        "note": f"{HOSTILE} ü 🐈 & = +\r\n",
        "nul": "ab",
        "many": "2",
    }


def test_what_the_role_does_not_allow_is_refused(served: Served, trial: Trial) -> None:
    answer = served.browser("Rita", Role.RECEPTION).post("/trial")
    assert answer.status_code == 403
    assert "Somebody with the role support can." in answer.text
    assert trial.taken == []
