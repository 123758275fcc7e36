"""Doors seen by somebody who means harm: TLS that never begins, requests in a row, odd ones."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.unit.web.test_limits import EVER, SHORT, connected, echo, rest
from tests.unit.web.test_server import certificate
from vetbridge.config.models import Tls
from vetbridge.web import limits
from vetbridge.web.server import DoorServer

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


@contextmanager
def listening(tls: Tls | None) -> Iterator[int]:
    server = DoorServer(echo, "127.0.0.1", 0, tls=tls)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@contextmanager
def line(port: int, tls: Tls | None) -> Iterator[socket.socket]:
    with connected(port) as plain:
        if tls is None:
            yield plain
        else:
            with ssl.create_default_context(cafile=tls.certificate).wrap_socket(
                plain, server_hostname="127.0.0.1"
            ) as safe:
                yield safe


@pytest.fixture(params=["plain", "tls"])
def kind(request: pytest.FixtureRequest, tls: Tls) -> Tls | None:
    return tls if request.param == "tls" else None


def test_a_handshake_that_never_comes_ends(monkeypatch: pytest.MonkeyPatch, tls: Tls) -> None:
    monkeypatch.setattr(limits, "HEAD_SECONDS", SHORT)
    with listening(tls) as port, connected(port) as silent:
        silent.settimeout(EVER / 6)  # the library's own patience is as long as all of it
        assert silent.recv(1) == b""


def test_slow_heads_and_bodies_end_on_either(monkeypatch: pytest.MonkeyPatch, kind: Tls | None) -> None:
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(limits, "BODY_SECONDS", SHORT)
    with listening(kind) as port:
        for sent in (HEAD + b"X-", HEAD.replace(b"GET", b"POST") + b"Content-Length: 9\r\n\r\nx"):
            with line(port, kind) as slow:
                slow.sendall(sent)
                assert b" 200 " not in rest(slow)


def test_requests_in_a_row_are_each_looked_at(kind: Tls | None) -> None:
    evil = HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with listening(kind) as port, line(port, kind) as many:
        many.sendall(HEAD + b"\r\n" + HEAD.replace(b"GET", b"HEAD") + b"\r\n" + evil + HEAD + b"\r\n")
        came = rest(many)
    assert came.count(b"HTTP/1.1 200") == 2
    assert came.count(b"HTTP/1.1 400") == 1, "and what follows it is not read"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
        (HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n", b"200"),
        (HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", b"200"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"405"),
        (b"CONNECT inside:22 HTTP/1.1\r\nHost: a\r\n\r\n", b"405"),
        (b"GET http://inside/ HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", b"400"),
        (HEAD + b"Content-Length: +1\r\n\r\nx", b"400"),
        (HEAD + b"Content-Length : 1\r\n\r\nx", b"400"),
        (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n", b"501"),
        (HEAD + b"A: b\r\n c\r\n" + b"X: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_odd_requests_are_answered_once_and_nothing_is_switched(tls: Tls, sent: bytes, status: bytes) -> None:
    with listening(None) as port, line(port, None) as odd:
        odd.sendall(sent)
        odd.shutdown(socket.SHUT_WR)
        came = rest(odd)
    assert came.startswith((b"HTTP/1.1 " + status, b"HTTP/1.1 400")), came[:80]
    assert came.count(b"HTTP/1.1 ") == 1


def test_a_door_that_is_full_leaves_files_for_the_ledger() -> None:
    """Two doors of one process, and 1024 files are what a process usually may have open."""
    assert 2 * limits.MOST_CONNECTIONS <= 1024 - 256
