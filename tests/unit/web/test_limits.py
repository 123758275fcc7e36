"""What a door bears of whoever knocks, over real sockets: slow ones, many of them, and requests of two minds."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.system.town import until
from vetbridge.web import limits
from vetbridge.web.server import DoorServer

SECRET = "a-value-that-somebody-sent"
SHORT = 0.1
"""Seconds of patience where it is tried."""
EVER = 60.0
"""Seconds after which a test gives up waiting for the door."""

App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how much it was sent."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{scope['method']} {len(body)}")(scope, receive, send)


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    """Falls over what it was sent."""
    raise ValueError(SECRET)


async def long(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers more than any line holds on its way."""
    await PlainTextResponse("x" * 64 * 1024 * 1024)(scope, receive, send)


@contextmanager
def listening(app: App = echo, **more: tuple[str, ...]) -> Iterator[int]:
    server = DoorServer(app, "127.0.0.1", 0, **more)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=EVER) as line:
        yield line


def rest(line: socket.socket) -> bytes:
    """All that still comes, until the door ends the connection."""
    came = b""
    try:
        while piece := line.recv(65536):
            came += piece
    except ConnectionError:
        pass
    return came


def answered(port: int, request: bytes) -> tuple[int, bytes]:
    """Status and whole answer of a request, on a connection of its own; 0 where it was hung up on without a word."""
    with connected(port) as line:
        with contextlib.suppress(OSError):  # it may be hung up on before it has said all
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
        came = rest(line)
    return int(came.split(b" ", 2)[1]) if came else 0, came


@pytest.mark.parametrize(
    ("which", "sent"),
    [
        ("HEAD_SECONDS", b""),
        ("HEAD_SECONDS", b"POST / HTTP/1.1\r\nHost: a\r\nX-"),
        ("BODY_SECONDS", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nslow"),
        ("BODY_SECONDS", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n"),
    ],
    ids=["silence", "half a head", "half a body", "half a chunked body"],
)
def test_whoever_is_too_slow_is_left(monkeypatch: pytest.MonkeyPatch, which: str, sent: bytes) -> None:
    monkeypatch.setattr(limits, which, SHORT)
    with listening() as port, connected(port) as line:
        line.sendall(sent)
        assert rest(line) == b""
        # The door goes on.
        assert answered(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")[0] == 200


def test_a_drop_now_and_then_prolongs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEAD_SECONDS", SHORT)
    with listening() as port, connected(port) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        line.settimeout(SHORT / 10)
        while True:
            try:
                line.sendall(b"X-A: b\r\n")
                if line.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break


def test_a_second_request_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", SHORT)
    with listening() as port, connected(port) as line:
        for _ in range(3):
            line.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok")
            came = b""
            while not came.endswith(b"POST 2"):
                came += line.recv(65536)
        line.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        assert rest(line) == b""


def test_whoever_does_not_take_its_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINGER_SECONDS", SHORT)
    with structlog.testing.capture_logs() as lines, listening(long) as port, connected(port) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        until(lambda: lines, "the door gives up")
    assert lines == [{"event": "door.too_slow", "phase": "end", "log_level": "info"}]


def test_one_caller_has_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_FROM_ONE", 2)
    # As if this machine were another one.
    monkeypatch.setattr(limits, "is_loopback", lambda _host: False)
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with listening() as port, ExitStack() as stack:
        for _ in range(2):
            line = stack.enter_context(connected(port))
            line.sendall(request)
            assert b"200 OK" in line.recv(65536)
        assert answered(port, request) == (0, b"")
    with listening(trusted=("127.0.0.1",)) as port, ExitStack() as stack:
        for line in [stack.enter_context(connected(port)) for _ in range(4)]:
            line.sendall(request)
            assert b"200 OK" in line.recv(65536)


def test_a_door_has_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_CONNECTIONS", 1)
    with listening() as port, connected(port) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in line.recv(65536)
        assert answered(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == (0, b"")


POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
REFUSED: dict[bytes, int] = {
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n": 400,
    POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde": 400,
    POST + b"Content-Length: 5, 6\r\n\r\nabcde": 400,
    POST + b"Content-Length: +5\r\n\r\nabcde": 400,
    POST + b"Content-Length: 5\r\nContent-Length : 5\r\n\r\nabcde": 400,
    POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding\x0b: chunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n": 400,
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\n\r\n": 400,
    b"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n": 400,
    b"TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n": 405,
    b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n": 405,
    b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n": 405,
    b"GET /" + b"a" * limits.LARGEST_ADDRESS + b" HTTP/1.1\r\nHost: a\r\n\r\n": 414,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * limits.LARGEST_HEAD + b"\r\n\r\n": 431,
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * limits.LARGEST_HEAD + b"\r\n": 400,
}


def test_a_request_of_two_minds_is_refused_and_its_connection_ends() -> None:
    with listening() as port:
        found = {request: answered(port, request + POST + b"Content-Length: 0\r\n\r\n") for request in REFUSED}
    # Many headers at once are refused by the server itself or by us, as their pieces come.
    assert {
        request: 400 if status == 431 and REFUSED[request] == 400 else status
        for request, (status, _) in found.items()
    } == REFUSED
    for status, came in found.values():
        assert came.count(b"HTTP/1.1 ") == 1, (status, came)
        assert b"secret" not in came
        assert b"\r\nserver:" not in came.lower()


def test_what_an_application_falls_over_stays_inside(capfd: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs() as lines, listening(broken) as port:
        status, came = answered(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status == 500
    (line,) = lines
    assert (line["event"], line["kind"]) == ("door.broken", "ValueError")
    assert SECRET not in f"{came!r}{lines}{capfd.readouterr()}"


def test_whoever_goes_in_the_middle_is_no_fault() -> None:
    with structlog.testing.capture_logs() as lines, listening() as port:
        assert answered(port, POST + b"Content-Length: 9\r\n\r\nhalf")[0] in (0, 400)
    assert lines == []
