"""What every answer bears, and who is answered at all."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import structlog

from tests.unit.web.conftest import Serve
from tests.unit.web.served import Served
from tests.unit.web.trial import HOSTILE, SECRET, Trial
from vetbridge.core.roles import Role
from vetbridge.web import frame as framing

pytestmark = pytest.mark.usefixtures("alone")

STRICT = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

PATHS = ["/sign-in", "/trial", "/trial/1", "/trial/7", "/trial/0", "/trial/x", "/nowhere", "/assets/x", "/language"]


def test_every_answer_bears_the_strict_headers(served: Served, trial: Trial) -> None:
    for browser in (served.browser("Ann"), served.anonymous()):
        for path in (*PATHS, "/trial-broken", "/trial-busy", "/sign-in?q=%00"):
            headers = browser.get(path).headers
            assert {name: headers.get(name) for name in STRICT} == STRICT, path
            assert "strict-transport-security" not in headers
            assert "server" not in headers


def test_every_page_has_one_heading_also_where_nothing_is(served: Served, trial: Trial) -> None:
    browser = served.browser("Ann")
    answers = {path: browser.get(path) for path in PATHS if path != "/sign-in"}
    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code != 404} == {
        "/trial": 200,
        "/trial/1": 200,
        "/language": 405,
    }
    assert {answer.text.count("<h1>") for answer in answers.values()} == {1}


def test_a_refusal_leads_on(served: Served, trial: Trial) -> None:
    answer = served.browser("Ann").get("/trial/7")
    assert answer.status_code == 404
    assert "There is no 7" in answer.text
    assert '<a href="/trial">Look at those there are</a>' in answer.text


def test_no_text_becomes_markup(served: Served, trial: Trial) -> None:
    served.add(HOSTILE, Role.READER)
    page = served.browser(HOSTILE).get("/trial/1").text
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3


def test_a_fault_has_a_number_and_tells_nothing(
    served: Served, trial: Trial, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with structlog.testing.capture_logs() as lines, caplog.at_level(logging.DEBUG):
        answer = served.browser("Ann").get("/trial-broken")
    (line,) = [line for line in lines if line["event"] == "page.broken"]
    assert answer.status_code == 500
    assert f"Tell support this number: {line['reference']}." in answer.text
    assert (line["kind"], line["where"].split(":")[0]) == ("RuntimeError", "trial.py")
    printed = capsys.readouterr()
    assert SECRET not in f"{answer.text}{lines}{caplog.text}{printed.out}{printed.err}"


def test_a_busy_ledger_is_no_fault(served: Served, trial: Trial) -> None:
    answer = served.browser("Ann").get("/trial-busy")
    assert answer.status_code == 503
    assert "VetBridge is busy" in answer.text


def test_a_page_that_cannot_even_say_so_says_so(
    served: Served, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = served.browser("Ann")
    monkeypatch.setattr(framing.Frame, "page", None)
    answer = browser.get("/trial")
    assert answer.status_code == 500
    assert answer.text.startswith("Something went wrong. Tell support this number: ")
    assert answer.headers["content-security-policy"] == STRICT["content-security-policy"]


def test_the_style_is_kept_for_ever_and_has_a_name_of_its_content(served: Served) -> None:
    browser = served.anonymous()
    address = served.frame.asset("page.css")
    assert f'<link rel="stylesheet" href="{address}">' in browser.get("/sign-in").text
    answer = browser.get(address)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-security-policy"] == STRICT["content-security-policy"]
    assert browser.get(served.frame.asset("icon.svg")).headers["content-type"] == "image/svg+xml"
    served.frame.assets["page.css"] += b"/* changed */"
    assert served.frame.asset("page.css") != address


OURS = ["localhost", "127.0.0.1:8711", "[::1]:8711", "LOCALHOST.", "ip6-localhost:1"]
OTHERS = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "a@localhost", "localhost:x", "["]


def test_only_this_machine_s_own_names_are_answered(served: Served) -> None:
    """A foreign site that has its name pointed at this machine reads nothing."""
    browser = served.anonymous()
    assert {host: browser.get("/sign-in", host=host).status_code for host in OURS} == dict.fromkeys(OURS, 200)
    assert {host: browser.get("/sign-in", host=host).status_code for host in OTHERS} == dict.fromkeys(OTHERS, 400)
    assert browser.get("/sign-in", host=OTHERS[0]).text == "VetBridge is not reached by this name."


def test_behind_a_proxy_the_page_has_the_proxy_s_name(serve: Serve) -> None:
    served = serve(host="192.0.2.7", proxy={"address": "https://desk.example"}, language="de")
    good = served.anonymous(base_url="https://desk.example").get("/sign-in")
    assert good.status_code == 200
    assert good.headers["strict-transport-security"] == "max-age=2592000"
    assert served.anonymous(base_url="https://evil.example").get("/sign-in").status_code == 400
    past = served.anonymous(base_url="http://desk.example").get("/sign-in")
    assert past.status_code == 403
    assert "https://desk.example" in past.text


def test_the_sign_in_page_is_quiet_about_who_there_is(served: Served) -> None:
    served.add("Ann", Role.ADMIN)
    assert "Ann" not in served.anonymous().get("/sign-in").text


def test_no_template_has_a_script_or_a_style_of_its_own() -> None:
    """The policy forbids both: a browser would drop them, and say so to nobody."""
    for path in sorted(Path(framing.TEMPLATES).glob("*.html")):
        text = path.read_text("utf-8").lower()
        assert "<script" not in text, path
        assert " style=" not in text, path
        assert "|safe" not in text.replace(" ", ""), path
