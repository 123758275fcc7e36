"""The HTTP door against a real server: what is sent again, what never is, and which error says what."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vetbridge.connector import http
from vetbridge.connector.budgets import Budgets
from vetbridge.connector.http import TRIES, HttpClient, HttpRefused, post_webhook
from vetbridge.connector.interface import BudgetSpec
from vetbridge.core.errors import AuthFailed, BadAnswer, OutcomeUnknown, RateLimited, Unavailable, VetBridgeError
from vetbridge.testing.clock import FakeClock

BUDGETS = (
    BudgetSpec(name="wide", calls=1000, seconds=60, per="account"),
    BudgetSpec(name="narrow", calls=1000, seconds=60, per="endpoint"),
)


@dataclass
class Reply:
    """What the server does with one request."""

    status: int = 200
    body: bytes = b'{"ok": true}'
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    hang: bool = False


class Vendor:
    """A server that answers as told; the last reply is repeated."""

    def __init__(self, port: int = 0) -> None:
        self.replies: list[Reply] = [Reply()]
        self.seen: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.closing = threading.Event()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                vendor.seen.append((self.command, self.path, headers, body))
                reply = vendor.replies.pop(0) if len(vendor.replies) > 1 else vendor.replies[0]
                if reply.hang:
                    vendor.closing.wait(10)
                if reply.drop or reply.hang:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(reply.status)
                for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    yield vendor
    vendor.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def door(url: str, clock: FakeClock, **more: Any) -> HttpClient:
    return HttpClient(url, account="city", budgets=Budgets(BUDGETS, clock), clock=clock, **{"timeout": 5.0, **more})


def read(client: HttpClient, **more: Any) -> Any:
    return client.read("/things", budgets=["wide", "narrow"], **more).body


def write(client: HttpClient, body: Any = None) -> Any:
    return client.write("POST", "/things", budgets=["wide", "narrow"], body=body).body


# -- what comes through


def test_a_read_brings_the_parsed_answer(vendor: Vendor, clock: FakeClock) -> None:
    client = door(vendor.url, clock, headers={"X-App": "vetbridge"}, authorise=lambda: {"Authorization": "Bearer t"})
    vendor.replies = [Reply(body='{"name": "Zoë"}'.encode(), headers={"X-Total": "7"})]
    answer = client.read("/things", budgets=["wide"], params={"q": "a&b"})
    assert (answer.status, answer.body, answer.headers["x-total"]) == (200, {"name": "Zoë"}, "7")
    method, path, headers, _ = vendor.seen[0]
    assert (method, path) == ("GET", "/things?q=a%26b")
    assert (headers["x-app"], headers["authorization"]) == ("vetbridge", "Bearer t")


def test_a_write_sends_json(vendor: Vendor, clock: FakeClock) -> None:
    vendor.replies = [Reply(status=201)]
    assert write(door(vendor.url, clock), {"name": "Zoë"}) == {"ok": True}
    assert json.loads(vendor.seen[0][3]) == {"name": "Zoë"}


def test_no_body_is_none(vendor: Vendor, clock: FakeClock) -> None:
    vendor.replies = [Reply(status=204, body=b"")]
    assert write(door(vendor.url, clock)) is None


# -- refused connections


@pytest.mark.parametrize("call", [read, write])
def test_a_refused_connection_is_tried_again(call: Callable[[HttpClient], Any]) -> None:
    started: list[Vendor] = []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    class Clock(FakeClock):
        def wait(self, seconds: float) -> None:
            super().wait(seconds)
            if not started:
                started.append(Vendor(port))

    try:
        assert call(door(f"http://127.0.0.1:{port}", Clock())) == {"ok": True}
        assert len(started[0].seen) == 1
    finally:
        started[0].close()


@pytest.mark.parametrize("call", [read, write])
def test_nobody_there_is_unavailable(call: Callable[[HttpClient], Any], clock: FakeClock) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(Unavailable, match=r"^city: \w+ /things: no connection"):
        call(door(url, clock))
    assert len(clock.waits) == TRIES - 1
    assert list(clock.waits) == sorted(clock.waits), "waits grow"


# -- lost answers

LOST = [
    Reply(drop=True),
    Reply(hang=True),
    Reply(status=500),
    Reply(status=503, body=b"<html>down</html>"),
    Reply(status=200, body=b"<html>a login page</html>"),
    Reply(status=200, body=b'{"cut": '),
    Reply(status=200, body=b"[" * 100_000),
    Reply(status=200, body=b"\xff\xfe\xfa"),
]
NAMES = ["dropped", "timed out", "500", "503", "html", "cut json", "deep json", "not text"]


@pytest.mark.parametrize("lost", LOST, ids=NAMES)
def test_a_write_without_a_readable_answer_is_unknown_and_sent_once(
    vendor: Vendor, clock: FakeClock, lost: Reply
) -> None:
    vendor.replies = [lost, Reply()]
    with pytest.raises(OutcomeUnknown, match=r"^city: POST /things: "):
        write(door(vendor.url, clock, timeout=0.2))
    assert len(vendor.seen) == 1
    assert clock.waits == ()


@pytest.mark.parametrize("lost", LOST[:4], ids=NAMES[:4])
def test_a_read_without_an_answer_is_tried_again(vendor: Vendor, clock: FakeClock, lost: Reply) -> None:
    vendor.replies = [lost, lost, Reply()]
    assert read(door(vendor.url, clock, timeout=0.2)) == {"ok": True}
    assert len(vendor.seen) == 3


@pytest.mark.parametrize("lost", LOST[:4], ids=NAMES[:4])
def test_a_read_that_stays_unanswered_is_unavailable(vendor: Vendor, clock: FakeClock, lost: Reply) -> None:
    vendor.replies = [lost]
    with pytest.raises(Unavailable):
        read(door(vendor.url, clock, timeout=0.2))
    assert len(vendor.seen) == TRIES


@pytest.mark.parametrize("lost", LOST[4:], ids=NAMES[4:])
def test_a_read_that_is_not_json_is_a_bad_answer(vendor: Vendor, clock: FakeClock, lost: Reply) -> None:
    vendor.replies = [lost]
    with pytest.raises(BadAnswer, match="not JSON"):
        read(door(vendor.url, clock))
    assert len(vendor.seen) == 1


@pytest.mark.parametrize(("call", "error"), [(read, BadAnswer), (write, OutcomeUnknown)])
def test_an_answer_without_end_is_cut_off(
    vendor: Vendor,
    clock: FakeClock,
    call: Callable[[HttpClient], Any],
    error: type[VetBridgeError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 1000)
    vendor.replies = [Reply(body=b" " * 1001)]
    with pytest.raises(error, match="longer than 1000 bytes"):
        call(door(vendor.url, clock))
    vendor.replies = [Reply(body=b'"' + b"x" * 998 + b'"')]
    assert call(door(vendor.url, clock)) == "x" * 998


@pytest.mark.parametrize(("call", "error"), [(read, Unavailable), (write, OutcomeUnknown)])
def test_an_answer_that_trickles_is_given_up(
    vendor: Vendor, call: Callable[[HttpClient], Any], error: type[VetBridgeError]
) -> None:
    class Hurrying(FakeClock):
        def steady(self) -> float:
            self.advance(30.0)  # each look at the clock finds half a minute gone
            return super().steady()

    with pytest.raises(error, match="ReadTimeout"):
        call(door(vendor.url, Hurrying()))


# -- limits


@pytest.mark.parametrize("call", [read, write])
def test_a_short_pause_is_waited_for(vendor: Vendor, clock: FakeClock, call: Callable[[HttpClient], Any]) -> None:
    vendor.replies = [Reply(status=429, headers={"Retry-After": "2"}), Reply()]
    assert call(door(vendor.url, clock)) == {"ok": True}
    assert len(vendor.seen) == 2
    assert clock.steady() >= 2


@pytest.mark.parametrize("call", [read, write])
def test_a_long_pause_goes_back_to_the_runner(
    vendor: Vendor, clock: FakeClock, call: Callable[[HttpClient], Any]
) -> None:
    vendor.replies = [Reply(status=429, headers={"Retry-After": "45"}), Reply()]
    client = door(vendor.url, clock)
    with pytest.raises(RateLimited) as caught:
        call(client)
    assert (caught.value.wait, caught.value.budget) == (45.0, "narrow")
    assert len(vendor.seen) == 1
    with pytest.raises(RateLimited):
        call(client)
    assert len(vendor.seen) == 1, "a paused budget sends nothing"
    clock.advance(46)
    assert call(client) == {"ok": True}


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, 60.0),
        ({"Retry-After": "soon"}, 60.0),
        ({"Retry-After": "nan"}, 60.0),
        ({"Retry-After": "inf"}, 3600.0),
        ({"Retry-After": "1e300"}, 3600.0),
        ({"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"}, 60.0),
    ],
)
def test_odd_pauses_become_sane_ones(
    vendor: Vendor, clock: FakeClock, headers: Mapping[str, str], wait: float
) -> None:
    vendor.replies = [Reply(status=429, headers=headers)]
    with pytest.raises(RateLimited) as caught:
        read(door(vendor.url, clock))
    assert caught.value.wait == wait


def test_a_vendors_own_words_for_a_pause_are_read(vendor: Vendor, clock: FakeClock) -> None:
    vendor.replies = [Reply(status=429, body=b'{"wait": 17}', headers={"Retry-After": "99"})]
    with pytest.raises(RateLimited) as caught:
        read(door(vendor.url, clock, wait_of=lambda headers, body: float(body["wait"])))
    assert caught.value.wait == 17


def test_endless_short_pauses_end(vendor: Vendor, clock: FakeClock) -> None:
    vendor.replies = [Reply(status=429, headers={"Retry-After": "0"})]
    with pytest.raises(RateLimited):
        read(door(vendor.url, clock))
    assert len(vendor.seen) == TRIES


# -- credentials


@pytest.mark.parametrize("call", [read, write])
def test_a_401_refreshes_once(vendor: Vendor, clock: FakeClock, call: Callable[[HttpClient], Any]) -> None:
    tokens = ["old"]
    client = door(
        vendor.url,
        clock,
        authorise=lambda: {"Authorization": tokens[-1]},
        refresh=lambda: tokens.append("new"),
    )
    vendor.replies = [Reply(status=401), Reply()]
    assert call(client) == {"ok": True}
    assert [headers["authorization"] for _, _, headers, _ in vendor.seen] == ["old", "new"]


def test_credentials_that_stay_wrong_are_auth_failed(vendor: Vendor, clock: FakeClock) -> None:
    refreshed: list[int] = []
    vendor.replies = [Reply(status=401, body=b'{"token": "s3cret"}')]
    with pytest.raises(AuthFailed) as caught:
        read(door(vendor.url, clock, refresh=lambda: refreshed.append(1)))
    assert len(vendor.seen) == 2
    assert refreshed == [1]
    with pytest.raises(AuthFailed):
        read(door(vendor.url, clock))
    assert len(vendor.seen) == 3
    assert "s3cret" not in caught.value.message


# -- refusals


@pytest.mark.parametrize("status", [302, 400, 403, 404, 409, 422])
def test_a_refusal_is_not_sent_again_and_keeps_its_body(vendor: Vendor, clock: FakeClock, status: int) -> None:
    vendor.replies = [Reply(status=status, body=b'{"phone": "+447700900123"}', headers={"Location": "/elsewhere"})]
    with pytest.raises(HttpRefused) as caught:
        write(door(vendor.url, clock), {"phone": "+447700900123"})
    assert (caught.value.status, caught.value.body) == (status, {"phone": "+447700900123"})
    assert "7700" not in f"{caught.value} {caught.value!r}"
    assert len(vendor.seen) == 1


def test_errors_never_hold_the_query(vendor: Vendor, clock: FakeClock) -> None:
    vendor.replies = [Reply(status=404)]
    with pytest.raises(HttpRefused) as caught:
        door(vendor.url, clock).read("/things?token=s3cret", budgets=[], params={"phone": "+447700900123"})
    assert caught.value.message == "city: GET /things: answered 404"


# -- webhooks of simulators


def test_posting_a_webhook_tells_its_status(vendor: Vendor) -> None:
    vendor.replies = [Reply(status=202), Reply(drop=True)]
    assert post_webhook(f"{vendor.url}/hook", {"id": 1}) == 202
    assert post_webhook(f"{vendor.url}/hook", {"id": 1}) == 0
    assert json.loads(vendor.seen[0][3]) == {"id": 1}
