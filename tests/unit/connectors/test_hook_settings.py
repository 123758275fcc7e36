"""Altegio's webhook settings (altegio.md, section 5): VetBridge's address goes in, and nobody else's goes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.altegio import hook_settings
from tests.unit.connectors.test_altegio_bad_answers import connector, enveloped
from tests.unit.desk.practice import Desk
from vetbridge.connector import http
from vetbridge.connector.interface import HookSettings
from vetbridge.core.errors import AuthFailed, BadAnswer, OutcomeUnknown, Refused, VetBridgeError
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide

OURS = "https://hooks.clinic.example/hooks/altegio-city/new-secret"
OLD = "https://hooks.clinic.example/hooks/altegio-city/old-secret"
SMS = "https://sms.example/in?token=their-secret"
TILL = "https://till.example/altegio/another-secret"
FLAGS = dict.fromkeys(("active", "record", "client", "good", "schedule", "finances_operation", "self_sending"), 0)


class Backend:
    """Altegio's settings: a write replaces them for the whole location."""

    def __init__(self, **settings: Any) -> None:
        self.settings: Any = {"urls": [], **FLAGS, **settings}
        self.sent: list[dict[str, Any]] = []
        self.answer: tuple[int, Any] = (201, None)
        self.keeps = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path.endswith("/hooks_settings/101001")
        if request.method == "GET":
            return httpx.Response(200, json=enveloped(self.settings))
        self.sent.append(json.loads(request.content))
        if self.keeps:
            self.settings = self.sent[-1]
        return httpx.Response(self.answer[0], json=self.answer[1] or enveloped(self.settings))


def test_our_address_is_added_and_nobody_elses_address_or_flag_goes() -> None:
    backend = Backend(urls=[SMS, TILL], active=1, record=1, good=1, finances_operation="1", self_sending=1)
    done = connector(backend).set_hooks(OURS)
    assert backend.sent[0]["urls"] == [SMS, TILL, OURS]
    flags = {name: value for name, value in backend.sent[0].items() if name != "urls"}
    assert flags == {
        **dict.fromkeys(("active", "record", "client", "good", "finances_operation"), 1),
        "schedule": 0,
        "self_sending": 0,
    }
    assert done.steps == ("add VetBridge's address", "switch on client", "switch off self_sending")
    assert done.others == 2
    assert "will have client on, too" in done.cautions[0]
    assert "self_sending" in done.cautions[1]
    assert not any("secret" in text or "example" in text for text in (*done.steps, *done.cautions))


def test_a_second_time_nothing_is_written() -> None:
    backend = Backend()
    altegio = connector(backend)
    assert altegio.set_hooks(OURS).steps
    assert altegio.set_hooks(OURS).steps == ()
    assert len(backend.sent) == 1


def test_a_plan_writes_nothing() -> None:
    backend = Backend(urls=[SMS])
    assert connector(backend).plan_hooks(OURS).steps == (
        "add VetBridge's address",
        "switch on active, record, client",
    )
    assert backend.sent == []


def test_an_older_secret_makes_way_at_its_place_and_another_account_stays() -> None:
    """An old backend tells of the first address only, so that one stays the first."""
    another = "https://hooks.clinic.example/hooks/altegio-east/old-secret"
    elsewhere = "https://hooks.other.example/hooks/altegio-city/old-secret"
    backend = Backend(urls=[OLD, SMS, another, elsewhere, OLD], active=1, record=1, client=1)
    done = connector(backend).set_hooks(OURS)
    assert backend.sent[0]["urls"] == [OURS, SMS, another, elsewhere]
    assert done.steps == ("put VetBridge's address in the place of its old one",)


def test_settings_of_each_address_are_joined_since_a_write_has_one_set_for_all() -> None:
    backend = Backend(
        urls=[SMS],
        url_settings=[{"url": SMS, "active": 1, "good": 1}, {"url": TILL, "active": 0, "schedule": "1"}],
    )
    done = connector(backend).set_hooks(OURS)
    assert backend.sent[0]["urls"] == [SMS, TILL, OURS], "also one that stands in the newer list alone"
    assert {name for name, value in backend.sent[0].items() if value == 1} == {
        *("active", "record", "client", "good", "schedule"),
    }
    assert "url_settings" not in backend.sent[0]
    assert "active, client, good, record, schedule on, too" in done.cautions[0]


def test_ours_is_switched_on_where_the_newer_list_says_it_is_off() -> None:
    on = {"active": 1, "record": 1, "client": 1}
    backend = Backend(urls=[SMS, OURS], **on, url_settings=[{"url": SMS, **on}, {"url": OURS, **on, "active": 0}])
    assert connector(backend).plan_hooks(OURS).steps == ("switch on active",)


def test_an_old_backend_tells_neither_goods_nor_schedules() -> None:
    backend = Backend(urls=[SMS], active=1)
    for name in ("good", "schedule", "self_sending"):
        del backend.settings[name]
    done = connector(backend).set_hooks(OURS)
    assert "good" not in backend.sent[0], "what nobody told is not invented"
    assert backend.sent[0]["self_sending"] == 0
    assert any("does not tell whether good and schedule" in text for text in done.cautions)


@pytest.mark.parametrize("nothing", [[], None, {}, {"urls": []}, {"urls": {}, "active": "0"}], ids=str)
def test_settings_that_were_never_made(nothing: Any) -> None:
    backend = Backend()
    backend.settings = nothing
    connector(backend).set_hooks(OURS)
    assert backend.sent[0]["urls"] == [OURS]


def test_an_object_of_numbers_is_a_list() -> None:
    """PHP's arrays (section 8.2)."""
    backend = Backend(urls={"0": SMS, "2": TILL})
    connector(backend).set_hooks(OURS)
    assert backend.sent[0]["urls"] == [SMS, TILL, OURS]


@pytest.mark.parametrize(
    "odd",
    [
        {"active": 1},
        {"urls": SMS},
        {"urls": [SMS, None]},
        {"urls": [{"url": SMS}]},
        {"urls": [], "url_settings": [7]},
    ],
    ids=str,
)
def test_settings_that_cannot_be_read_are_not_overwritten(odd: Any) -> None:
    backend = Backend()
    backend.settings = odd
    with pytest.raises(BadAnswer) as caught:
        connector(backend).set_hooks(OURS)
    assert "their-secret" not in str(caught.value)
    assert backend.sent == []


def test_there_is_room_for_ten() -> None:
    others = [f"https://other-{number}.example/in" for number in range(9)]
    assert connector(Backend(urls=others)).set_hooks(OURS).others == 9
    assert connector(Backend(urls=[*others, OLD])).set_hooks(OURS).others == 9
    full = Backend(urls=[*others, SMS])
    with pytest.raises(Refused, match="10 other addresses"):
        connector(full).set_hooks(OURS)
    assert full.sent == []


def test_what_altegio_did_not_keep_is_noticed() -> None:
    backend = Backend(urls=[SMS])
    backend.keeps = False
    with pytest.raises(Refused, match="VetBridge's address is missing, active is otherwise") as caught:
        connector(backend).set_hooks(OURS)
    assert caught.value.code == "field-not-kept"
    assert "example" not in str(caught.value)


def test_a_lost_answer_is_settled_by_reading() -> None:
    backend = Backend()
    backend.answer = (500, {"success": False})
    assert connector(backend).set_hooks(OURS).steps
    backend = Backend()
    backend.answer, backend.keeps = (500, {"success": False}), False
    with pytest.raises(OutcomeUnknown):
        connector(backend).set_hooks(OURS)


@pytest.mark.parametrize(("status", "error"), [(403, Refused), (422, Refused), (402, AuthFailed)])
def test_a_refusal_has_a_name(status: int, error: type[VetBridgeError]) -> None:
    backend = Backend()
    backend.keeps = False
    backend.answer = (status, {"success": False, "data": None, "meta": {"message": SMS, "errors": {"urls": [SMS]}}})
    with pytest.raises(error, match=f"answered {status} for urls") as caught:
        connector(backend).set_hooks(OURS)
    assert "their-secret" not in str(caught.value)


# -- doctor


@pytest.mark.parametrize(
    ("settings", "ok", "words"),
    [
        ({"urls": [OURS], "active": 1, "record": 1, "client": 1}, True, "send them to VetBridge"),
        ({"urls": [OURS], "active": "1", "record": True}, True, "clients are found by polling"),
        ({"urls": [OURS, SMS], "active": 0, "record": 1}, False, "switched off there: active"),
        ({"urls": [OURS], "active": 1, "record": 0, "client": 1}, False, "switched off there: record"),
        ({"urls": [SMS], "active": 1, "record": 1}, False, "none of the 1 addresses"),
        ([], False, "no address is in the settings"),
    ],
    ids=str,
)
def test_the_check_says_whether_webhooks_come(settings: Any, ok: bool, words: str) -> None:
    (line,) = hook_settings.checked(hook_settings.settings_of(settings), "altegio-city")
    assert (line.ok, line.warning) == (ok, not ok)
    assert words in line.text
    assert bool(line.advice) is not ok


def test_the_check_tells_that_echoes_come() -> None:
    told = hook_settings.settings_of({"urls": [OURS], "active": 1, "record": 1, "client": 1, "self_sending": 1})
    assert "self_sending" in hook_settings.checked(told, "altegio-city")[1].text


# -- the command


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The backend behind every door that a command opens."""
    made = Backend(urls=[SMS], active=1, record=1)
    real = httpx.Client
    transport = httpx.MockTransport(made)
    monkeypatch.setattr(http.httpx, "Client", lambda **how: real(base_url=how["base_url"], transport=transport))
    return made


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("COLUMNS", "80")
    made = Desk(tmp_path, FakeClock(datetime.now(UTC)))
    made.write_config()
    config = made.config()
    config["accounts"]["altegio-city"]["hook_secret"] = {"file": "hook"}
    config["accounts"]["altegio-city"]["options"]["location_id"] = "101001"
    made.save(config)
    (tmp_path / "hook").write_text("a new secret")
    (tmp_path / "hook").chmod(0o600)
    return made


COMMAND = ("connectors", "hooks", "altegio-city", "--address", "https://hooks.clinic.example/")


def test_the_command_plans_and_then_does(desk: Desk, backend: Backend) -> None:
    planned = desk.run(*COMMAND, "--plan")
    assert planned.exit_code == 0, planned.output
    assert "add VetBridge's address" in planned.stdout
    assert "Nothing was changed." in planned.stdout
    assert backend.sent == []

    done = desk.run(*COMMAND)
    assert done.exit_code == 0, done.output
    assert backend.sent[0]["urls"] == [SMS, "https://hooks.clinic.example/hooks/altegio-city/a%20new%20secret"]
    assert "secret" not in planned.output + done.output

    again = json.loads(desk.run(*COMMAND, "--json").stdout)
    assert again["data"] == {
        **{"account": "altegio-city", "planned": False, "changed": False},
        **{"steps": [], "cautions": [], "others": 1},
    }


def test_an_account_that_an_app_connects_has_its_address(desk: Desk, backend: Backend) -> None:
    assert desk.run("connectors", "hooks", "altegio-city").exit_code == 2
    config = desk.config()
    config["apps"] = {
        "altegio-app": {
            "connector": "altegio",
            "address": "https://bridge.clinic.example",
            "options": {
                "application_id": "4001",
                "partner_token": {"file": "partner"},
                "user_token": {"file": "user"},
            },
        }
    }
    config["accounts"]["altegio-city"]["app"] = "altegio-app"
    desk.save(config)
    done = desk.run("connectors", "hooks", "altegio-city")
    assert done.exit_code == 0, done.output
    assert backend.sent[0]["urls"] == [SMS, "https://bridge.clinic.example/hooks/altegio-city/a%20new%20secret"]


@pytest.mark.usefixtures("backend")
def test_who_did_it_is_written_down_where_there_is_a_ledger(desk: Desk) -> None:
    desk.open().close()
    desk.run(*COMMAND, "--plan", "--by", "Ann")
    desk.run(*COMMAND, "--by", "Ben")
    desk.run(*COMMAND, "--by", "Cem")  # nothing is left to do
    acts = json.loads(desk.run("audit", "list", "--json").stdout)["data"]
    assert [(act["act"], act["by"], act["subject_id"]) for act in acts] == [("hooks-set", "Ben", "altegio-city")]
    assert "hooks.clinic.example" not in json.dumps(acts)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("altegio-cty", "--address", "https://x.example"), 2, "did you mean 'altegio-city'"),
        (("altegio-city", "--address", "http://x.example"), 2, "https://"),
        (("altegio-city", "--address", "https://x.example/hooks/altegio-city"), 2, "without user, query and /hooks/"),
        (("altegio-city", "--address", "https://me:pw@x.example"), 2, "without user, query and /hooks/"),
        (("ezyvet-city", "--address", "https://x.example"), 3, "no hook_secret"),
    ],
    ids=lambda value: " ".join(value[::2]) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_said_before_anybody_is_asked(
    desk: Desk, backend: Backend, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    result = desk.run("connectors", "hooks", *arguments)
    assert result.exit_code == exit_code, result.output
    assert says in result.output + str(result.exception)
    assert backend.sent == []


def test_a_vendor_whose_settings_nobody_can_write_is_said(desk: Desk, backend: Backend) -> None:
    config = desk.config()
    config["accounts"]["ezyvet-city"]["hook_secret"] = {"file": "hook"}
    desk.save(config)
    result = desk.run("connectors", "hooks", "ezyvet-city", "--address", "https://x.example", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["problems"][0]["code"] == "not-supported"


def test_a_connector_offers_it_or_not() -> None:
    assert isinstance(connector(Backend()), HookSettings)
    assert not isinstance(MemorySide(), HookSettings)
