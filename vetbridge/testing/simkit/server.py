"""A small HTTP/1.1 server on the loopback address: requests in, JSON answers out, and it never falls over."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn
from urllib.parse import parse_qs, unquote

HOST = "127.0.0.1"
LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of a request body that are read; a longer one is answered 413. Vendors' own limits are below."""
IDLE_SECONDS = 120.0
"""An idle connection is closed after this long."""


class Effect(StrEnum):
    """What a route does: only reads, changes the vendor's data, or hands out a token."""

    READ = "read"
    WRITE = "write"
    TOKEN = "token"  # noqa: S105 - the name of an effect


class Refusal(Exception):
    """Raised by a handler: the request is answered with this status, and nothing it wrote stays.

    ``body`` is answered as it is; without one the simulator's ``error(status, message)`` makes the vendor's.
    """

    def __init__(self, status: int, message: str = "", *, body: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.body = body


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in lower case; ``template`` is the route's path, as ``/thing/{id}``."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    template: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON. Raises ``Refusal`` 400 where it is none."""
        try:
            return json.loads(self.body.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise Refusal(400, "the body is not JSON") from None

    def document(self) -> dict[str, Any]:
        """The body as a JSON object. Raises ``Refusal`` 400 where it is none."""
        body = self.json()
        if not isinstance(body, dict):
            raise Refusal(400, "the body is not a JSON object")
        return body

    def first(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return next(iter(self.query.get(name, [])), default)

    def number(self, name: str) -> int:
        """A path parameter as a whole number. Raises ``Refusal`` 404 where it is none."""
        text = self.params[name]
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Refusal(404, "not found")
        return int(text)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. ``body`` is sent as JSON; None sends an empty body; ``raw`` is sent as it is instead of it."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    media_type: str = "application/json; charset=utf-8"
    ends_after: int | None = None
    """Bytes after which the connection ends; None: all are sent."""
    seconds: float = 0.0
    """So long the content takes."""

    @property
    def content(self) -> bytes:
        """What is sent."""
        if self.raw is not None:
            return self.raw
        return b"" if self.body is None else json.dumps(self.body).encode("ascii")


Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path template, and who answers. ``access`` is a word for the subclass's ``admit``."""

    method: str
    template: str
    handler: Handler
    effect: Effect = Effect.READ
    access: str = ""

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """The path parameters where the path fits the template."""
        own = _segments(self.template)
        if len(own) != len(segments):
            return None
        params = {}
        for wanted, got in zip(own, segments, strict=True):
            if wanted.startswith("{") and wanted.endswith("}"):
                params[wanted[1:-1]] = unquote(got, errors="replace")
            elif wanted != got:
                return None
        return params


def find_route(routes: list[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a path, the one with the fewest parameters first. Raises ``Refusal`` 405 for a wrong method."""
    segments = _segments(path)
    found = [(route, params) for route in routes if (params := route.match(segments)) is not None]
    fitting = [hit for hit in found if hit[0].method == method]
    if found and not fitting:
        raise Refusal(405, "method not allowed")
    return min(fitting, key=lambda hit: len(hit[1]), default=None)


class Server(ThreadingHTTPServer):
    """Serves ``answer(request) -> Response | None`` (None: close the connection without a word) in threads.

    ``now``: the time that its answers say it is. ``cuts(media type)``: whether the connection ends now, in the
    middle of a body of that type.
    """

    daemon_threads = True
    request_queue_size = 128
    # On Windows the option lets two programs take one port.
    allow_reuse_address = os.name != "nt"

    def __init__(
        self,
        port: int,
        answer: Callable[[Request], Response | None],
        error: Callable[[int, str], Response],
        now: Callable[[], datetime],
        cuts: Callable[[str], bool] = lambda media_type: False,
    ) -> None:
        self.cuts = cuts
        self.answer = answer
        self.error = error
        self.now = now
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__((HOST, port), _Conversation)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection, so that stopping also ends those that are kept alive."""
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets the connection."""
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is no news."""

    def close(self) -> None:
        """Takes no more connections and ends those that are open."""
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            for connection in self._connections:
                _end(connection)


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "VetBridgeSimulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    timeout = IDLE_SECONDS
    server: Server

    def _serve(self) -> None:
        try:
            request = self._request()
        except Refusal as refusal:
            # What follows on this connection may be the rest of the body that was not read.
            self.close_connection = True
            self._send(self.server.error(refusal.status, refusal.message))
            return
        response = self.server.answer(request)
        if response is None:
            self.close_connection = True
            _end(self.connection)
            return
        self._send(response)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class's names

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        if "transfer-encoding" in self.headers:
            raise Refusal(411, "the request needs a Content-Length")
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            raise Refusal(400, "the Content-Length is not a number")
        if int(length) > LARGEST_BODY:
            self._skip(int(length))
            raise Refusal(413, f"the body is longer than {LARGEST_BODY} bytes")
        if self.server.cuts(self.headers.get_content_type()):
            self.rfile.read(int(length) // 2)
            raise ConnectionError("the connection ends in the middle of the body")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the client went away in the middle of the body")
        try:
            parsed = parse_qs(query, keep_blank_values=True, errors="replace", max_num_fields=1000)
        except ValueError:
            raise Refusal(400, "too many query parameters") from None
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, path, parsed, headers, body)

    def _skip(self, length: int) -> None:
        """Reads away a body that is too long, up to a further cap: a reset would hide the answer from the client."""
        left = min(length, 2 * LARGEST_BODY)
        while left > 0 and (chunk := self.rfile.read(min(left, 65536))):
            left -= len(chunk)

    def _send(self, response: Response) -> None:
        content = response.content
        self.send_response(response.status)
        if content:
            self.send_header("Content-Type", response.media_type)
        if response.status != 204:
            self.send_header("Content-Length", str(len(content)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if response.status != 204:
            self._drip(content[: response.ends_after], response.seconds)
        self.wfile.flush()
        if response.ends_after is not None:
            self.close_connection = True
            _end(self.connection)

    def _drip(self, content: bytes, seconds: float) -> None:
        pieces = 20 if seconds else 1
        size = -(-len(content) // pieces) or 1
        for begin in range(0, len(content), size):
            self.wfile.write(content[begin : begin + size])
            if seconds:
                self.wfile.flush()
                time.sleep(seconds / pieces)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class finds wrong with the request itself is said in the vendor's form too."""
        self.close_connection = True
        if not hasattr(self, "request_version") or self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.1"
        self._send(self.server.error(405 if code == 501 else code, "bad request"))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """What the header ``Date`` says."""
        return super().date_time_string(self.server.now().timestamp() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """No access log: queries hold phone numbers."""


def _segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
