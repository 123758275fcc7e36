"""A made-up vendor on the kit, over real HTTP: routes, faults, outages, counts, hostile input, restarts."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from vetbridge.testing.clinic import Clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import (
    Effect,
    Files,
    Limit,
    Refusal,
    Request,
    Response,
    Simulator,
    open_store,
    served,
    server,
)


class ThingSimulator(Simulator):
    vendor = "things"
    base_path = "/api"
    limits_real: ClassVar[tuple[Limit, ...]] = (Limit("template", 2, 60.0, per=lambda request: request.template),)

    def routes(self) -> None:
        self.route("GET", "/thing/{id}", self._get)
        self.route("GET", "/thing/first", lambda _: Response(200, "first"))
        self.route("POST", "/thing", self._post, effect=Effect.WRITE)
        self.route("POST", "/half", self._half, effect=Effect.WRITE)
        self.route("POST", "/token", lambda _: Response(200, {}), effect=Effect.TOKEN)
        self.route("GET", "/bug", lambda request: Response(200, request.params["nothing"]))

    def fill(self, clinic: Clinic) -> None:
        for owner in clinic.owners:
            self.store.insert("thing", {"name": owner.family_name, "_seed": owner.number})

    def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
        return {"token": secret("token")}

    def _get(self, request: Request) -> Response:
        row = self.store.get("thing", request.number("id"))
        if row is None:
            raise Refusal(404, "no such thing")
        return Response(200, served(row))

    def _post(self, request: Request) -> Response:
        number = self.store.insert("thing", request.document())
        self.notice("write", message="created")
        return Response(201, {"id": number})

    def _half(self, request: Request) -> Response:
        self.store.insert("thing", {"name": "half"})
        self.send("http://127.0.0.1:9/", {})
        raise Refusal(422, body={"why": "changed my mind"})


class Answer(NamedTuple):
    status: int
    body: Any


def call(simulator: Simulator, method: str, path: str, body: Any = None) -> Answer:
    """One request; ``body`` may be bytes, or anything that becomes JSON."""
    host = simulator.control_url.removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(host, timeout=10)
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, content)
        response = connection.getresponse()
        text = response.read()
        return Answer(response.status, json.loads(text) if text else None)
    finally:
        connection.close()


@pytest.fixture
def simulator() -> Iterator[ThingSimulator]:
    with ThingSimulator(clients=3) as made:
        yield made


def test_routes_are_served_and_what_is_ours_is_not(simulator: ThingSimulator) -> None:
    answer = call(simulator, "GET", "/api/thing/2/")
    assert answer.status == 200
    assert set(answer.body) == {"id", "name"}
    assert call(simulator, "GET", "/api/thing/first").body == "first"
    assert call(simulator, "GET", "/api/thing/99") == (404, {"message": "no such thing"})
    assert call(simulator, "GET", "/api/thing/x1").status == 404
    assert call(simulator, "GET", "/thing/2").status == 404
    assert call(simulator, "DELETE", "/api/thing/2").status == 405


def test_counts_tell_reads_writes_tokens_and_notices_apart(simulator: ThingSimulator) -> None:
    call(simulator, "GET", "/api/thing/1")
    call(simulator, "POST", "/api/token", {})
    assert simulator.counts()["writes"] == 0
    call(simulator, "POST", "/api/thing", {"name": "x"})
    call(simulator, "POST", "/api/thing", b"nonsense")
    counts = call(simulator, "GET", "/_sim/counts").body
    assert counts["requests"] == {"GET /thing/{id}": 1, "POST /token": 1, "POST /thing": 2}
    assert (counts["writes"], counts["tokens"], counts["notices"], counts["own"]) == (1, 1, 1, 0)


def test_a_refused_request_leaves_neither_rows_nor_webhooks(simulator: ThingSimulator) -> None:
    assert call(simulator, "POST", "/api/half", {}) == (422, {"why": "changed my mind"})
    assert len(simulator.store.all("thing")) == 3
    assert simulator.counts()["webhooks"]["queued"] == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a": NaN}', b'{"a": ' + b"9" * 5000 + b"}", b"[]", b'"x"']
)
def test_hostile_bodies_get_a_400(simulator: ThingSimulator, body: bytes) -> None:
    assert call(simulator, "POST", "/api/thing", body).status == 400
    assert len(simulator.store.all("thing")) == 3


def test_a_large_body_is_taken_and_a_larger_one_refused(
    simulator: ThingSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LARGEST_BODY", 8 * 1024 * 1024)
    assert call(simulator, "POST", "/api/thing", {"note": "x" * 5_000_000}).status == 201
    assert call(simulator, "POST", "/api/thing", b"x" * (8 * 1024 * 1024 + 1)).status == 413


def test_a_kept_content_is_there_after_a_restart(tmp_path: Path) -> None:
    files, passing = Files(tmp_path / "files"), Files()
    names = [files.keep(b"\x00\r\n"), passing.keep(b"")]
    files.close()
    assert Files(tmp_path / "files").read(names[0]) == b"\x00\r\n"
    assert passing.read(names[1]) == b""
    passing.close()
    with pytest.raises(FileNotFoundError):
        passing.read(names[1])
    with pytest.raises(FileNotFoundError):
        files.read("../store.sqlite3")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//evil/api",
        "/%00%ff",
        "/api/thing/%F0%28",
        "/api/thing/1/2/3",
        "/_sim/nothing",
        "/api/thing/" + "9" * 40,
    ],
)
def test_odd_paths_get_a_404(simulator: ThingSimulator, path: str) -> None:
    assert call(simulator, "GET", path).status == 404


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\x01garbage\r\n\r\n", b" 400 "),
        (b"FOO /api/thing/1 HTTP/1.1\r\n\r\n", b" 405 "),
        (b"POST /api/thing HTTP/1.1\r\nContent-Length: many\r\n\r\n", b" 400 "),
        (b"POST /api/thing HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b" 400 "),
        (b"POST /api/thing HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b" 411 "),
        (b"GET /api/thing/1?" + b"a=1&" * 2000 + b" HTTP/1.1\r\n\r\n", b" 400 "),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b" 414 "),
    ],
)
def test_broken_http_is_refused_and_the_server_lives(simulator: ThingSimulator, sent: bytes, status: bytes) -> None:
    port = int(simulator.control_url.removesuffix("/_sim").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        assert status in connection.recv(4096)
    assert call(simulator, "GET", "/_sim/ping") == (200, {"vendor": "things"})


def test_a_body_that_ends_early_changes_nothing(simulator: ThingSimulator) -> None:
    port = int(simulator.control_url.removesuffix("/_sim").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b'POST /api/thing HTTP/1.1\r\nContent-Length: 30\r\n\r\n{"name": "x"}')
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(4096) == b""
    assert len(simulator.store.all("thing")) == 3


def test_a_bug_in_a_handler_is_answered_500_and_shown(
    simulator: ThingSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(simulator, "GET", "/api/bug").status == 500
    assert "KeyError" in capsys.readouterr().err


def test_faults_before_a_write_leave_nothing_and_faults_after_it_leave_the_write(simulator: ThingSimulator) -> None:
    for fault, status in (("429", 429), ("5xx_before", 500)):
        simulator.faults.arm(fault)
        assert call(simulator, "POST", "/api/thing", {"name": fault}).status == status
        assert not simulator.store.find("thing", name=fault)
    simulator.faults.arm("5xx_after")
    assert call(simulator, "POST", "/api/thing", {"name": "after"}).status == 500
    simulator.faults.arm("drop_after_commit")
    with pytest.raises(http.client.RemoteDisconnected):
        call(simulator, "POST", "/api/thing", {"name": "dropped"})
    assert len(simulator.store.find("thing", name="after")) == 1
    assert len(simulator.store.find("thing", name="dropped")) == 1


def test_faults_after_a_write_spare_reads_and_tokens() -> None:
    with ThingSimulator(clients=1, faults={"5xx_after": 1.0, "drop_after_commit": 1.0}) as made:
        assert call(made, "GET", "/api/thing/1").status == 200
        assert call(made, "POST", "/api/token").status == 200


def test_an_outage_answers_503_until_it_is_over() -> None:
    clock = FakeClock()
    with ThingSimulator(clients=1, clock=clock) as made:
        assert call(made, "POST", "/_sim/outage", {"seconds": 20}).status == 200
        assert call(made, "POST", "/api/thing", {"name": "x"}).status == 503
        assert call(made, "GET", "/_sim/ping").status == 200
        clock.advance(20)
        assert call(made, "GET", "/api/thing/1").status == 200
        assert len(made.store.all("thing")) == 1
        made.faults.arm("outage")
        assert call(made, "GET", "/api/thing/1").status == 503
        assert call(made, "GET", "/api/thing/1").status == 503
        assert call(made, "POST", "/_sim/outage", {"seconds": 0}).status == 200
        assert call(made, "GET", "/api/thing/1").status == 200


def test_limits_refuse_over_http() -> None:
    clock = FakeClock()
    with ThingSimulator(clients=1, clock=clock, limits="real") as made:
        statuses = [call(made, "GET", "/api/thing/1").status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert call(made, "POST", "/api/thing", {}).status == 201
        clock.advance(60)
        assert call(made, "GET", "/api/thing/1").status == 200


def test_the_control_door_sets_faults_and_the_clock(simulator: ThingSimulator) -> None:
    assert call(simulator, "POST", "/_sim/faults", {"5xx_before": 1}).body == {"5xx_before": 1.0}
    assert call(simulator, "GET", "/api/thing/1").status == 500
    wrong = call(simulator, "POST", "/_sim/faults", {"5xx_befor": 1})
    assert wrong.status == 400
    assert "did you mean '5xx_before'" in wrong.body["error"]
    assert call(simulator, "POST", "/_sim/faults", {"429": "often"}).status == 400
    assert call(simulator, "POST", "/_sim/clock", {"now": "2031-05-01T08:00:00+02:00"}).status == 200
    assert simulator.clock.now().year == 2031
    assert call(simulator, "POST", "/_sim/clock", {"now": "soon"}).status == 400
    assert call(simulator, "POST", "/_sim/clock", {"now": "2031-05-01T08:00:00"}).status == 400
    assert call(simulator, "POST", "/_sim/outage", {"seconds": -1}).status == 400
    assert call(simulator, "GET", "/_sim/outage").status == 405


def test_a_kept_store_is_served_again_on_its_port(tmp_path: Path) -> None:
    with ThingSimulator(clients=5, seed=3, data=tmp_path) as made:
        call(made, "POST", "/api/thing", {"name": "kept"})
        base_url, credentials = made.base_url, made.credentials
    with ThingSimulator(clients=0, seed=9, data=tmp_path) as again:
        assert (again.base_url, again.credentials) == (base_url, credentials)
        assert len(again.store.all("thing")) == 6
        assert again.counts()["notices"] == 1
        assert open_store(tmp_path).find("thing", name="kept")[0]["id"] == 6


def test_a_store_of_another_vendor_is_refused(tmp_path: Path) -> None:
    class OtherSimulator(ThingSimulator):
        vendor = "others"

    with ThingSimulator(data=tmp_path):
        pass
    with pytest.raises(ValueError, match="simulator of things, not of others"):
        OtherSimulator(data=tmp_path)


def test_a_stopped_simulator_ends_kept_connections(simulator: ThingSimulator) -> None:
    host = simulator.control_url.removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/_sim/ping")
    connection.getresponse().read()
    assert connection.sock is not None
    simulator.stop()
    assert connection.sock.recv(100) == b""
    connection.close()
    with pytest.raises(RuntimeError):
        _ = simulator.base_url
