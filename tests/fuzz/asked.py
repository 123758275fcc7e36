"""Requests as a server hands them to an application, with nothing between that would mend them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote_from_bytes, unquote

from starlette.types import ASGIApp, Message

from tests.fuzz.mutation import TEXTS, altered, odd


@dataclass
class Asked:
    """One request."""

    method: str
    path: bytes
    """As it stands in the request's first line, without the query."""
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: Sequence[bytes] = ()
    """In the pieces that it comes in."""


@dataclass
class Answered:
    """One answer."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


class Asker:
    """Asks an application in an event loop of its own, in a thread of its own: a test before may have left one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._runner = asyncio.Runner()
        self._thread = ThreadPoolExecutor(1)

    def close(self) -> None:
        """Ends the loop."""
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def ask(self, asked: Asked) -> Answered:
        """The answer to one request; what the application raises comes out here."""
        return self._thread.submit(self._runner.run, self._ask(asked)).result()

    async def _ask(self, asked: Asked) -> Answered:
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": asked.method,
            "scheme": "http",
            # As uvicorn makes it.
            "path": unquote(asked.path.decode("ascii")),
            "raw_path": asked.path,
            "root_path": "",
            "query_string": asked.query,
            "headers": asked.headers,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8711),
            "state": {},
        }
        pieces = list(asked.body) or [b""]
        answer = Answered()

        async def receive() -> Message:
            if not pieces:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])
            else:
                answer.body += message.get("body", b"")

        await self._app(scope, receive, send)
        return answer


def odd_text(rng: Random) -> str:
    """A text that does not belong there."""
    return rng.choice(TEXTS) if rng.random() < 0.8 else str(odd(rng))


def escaped(text: str) -> bytes:
    """A text in a path or a query."""
    return quote_from_bytes(text.encode(errors="surrogatepass"), safe="").encode()


def pieces(rng: Random, body: bytes) -> list[bytes]:
    """A body as it may come in."""
    if rng.random() < 0.8 or not body:
        return [body]
    cut = rng.randrange(len(body))
    return [body[:cut], b"", body[cut:]]


def odd_headers(rng: Random, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers with one more, one less, or one that is altered. No server lets a line end through."""
    headers = list(headers)
    how = rng.randrange(10)
    if how == 0 and headers:
        headers.pop(rng.randrange(len(headers)))
    elif how == 1:
        name, value = rng.choice(headers or [(b"cookie", b"a=b")])
        headers.append((name, altered(rng, value).translate(None, b"\r\n\0")))
    elif how == 2:
        names = (b"content-type", b"content-encoding", b"cookie", b"authorization", b"host", b"range", b"origin")
        text = odd_text(rng).encode("latin-1", errors="replace").translate(None, b"\r\n\0")
        headers.append((rng.choice((*names, b"accept-language", b"x-forwarded-for", b"content-length")), text))
    return headers
