"""How long, how large and how many: what a door bears of whoever knocks, before its application hears of it.

A caller who sends slowly, reads slowly, or comes with hundreds of connections takes the place of others. The server
has no limit of its own for any of the three.
"""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from vetbridge.config.models import is_loopback
from vetbridge.web.throttle import caller

log = structlog.get_logger("vetbridge.web")

HEAD_SECONDS = 10.0
"""In which a request's head has to come, from its first byte or from the connection's begin."""
BODY_SECONDS = 60.0
"""In which a request's body has to come: the largest that is taken, over a line of 600 kbit/s."""
ANSWER_SECONDS = 300.0
"""In which an answer has to be made and taken; to rehearse many replays takes minutes."""
LINGER_SECONDS = 10.0
"""In which what is left of an answer has to be taken when its connection ends."""
MOST_CONNECTIONS = 256
"""Of a door: two of them leave the ledger most of the 1024 files that a process usually may have open."""
MOST_FROM_ONE = 64
"""Connections of one caller: a browser makes six. Not of a proxy, nor of this machine, where an own proxy may be."""
LARGEST_HEAD = 16 * 1024
"""Bytes of a request's head."""
LARGEST_ADDRESS = 8 * 1024
"""Bytes of the address in it."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Patient(H11Protocol):
    """The server's protocol with an end to its patience: nothing is waited for longer than its time."""

    _phase = ""
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS or self._is_one_of_too_many():
            log.warning("door.full", connections=len(self.connections))
            self.transport.abort()
            return
        self._wait_for("head", HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._wait_for("", 0.0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what has come; a request that begins has to come to its end."""
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for("head", HEAD_SECONDS)
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """An answer is written. What follows is a new request; until it begins the server's own patience holds."""
        self._wait_for("", 0.0)
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for("end", LINGER_SECONDS)
        else:
            self._look()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing followed in time."""
        super().timeout_keep_alive_handler()
        self._wait_for("end", LINGER_SECONDS)

    def _look(self) -> None:
        """Waits for what is missing: more of the body, or the answer's end."""
        if self.transport.is_closing():
            self._wait_for("end", LINGER_SECONDS)
        elif self.cycle is not None and not self.cycle.response_complete:
            self._wait_for(*(("body", BODY_SECONDS) if self.cycle.more_body else ("answer", ANSWER_SECONDS)))

    def _wait_for(self, phase: str, seconds: float) -> None:
        """Ends the connection unless another phase begins within ``seconds``. One that goes on is not prolonged."""
        if phase == self._phase:
            return
        self._phase = phase
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if phase:
            self._patience = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        log.info("door.too_slow", phase=self._phase)
        self.transport.abort()

    def _is_one_of_too_many(self) -> bool:
        host = self.client[0] if self.client else ""
        if is_loopback(host) or host in (self.config.forwarded_allow_ips or ()):
            return False
        who = caller(host)
        others = [other.client for other in self.connections if isinstance(other, Patient) and other.client]
        return sum(caller(client[0]) == who for client in others) > MOST_FROM_ONE


class Limits:
    """Stands around an application: refuses what no application here is asked by, and lets no fault's text out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one request."""
        if scope["type"] != "http":
            return
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        refused = _refused(scope)
        if refused is not None:
            await PlainTextResponse(refused[1], status_code=refused[0], headers={"connection": "close"})(
                scope, receive, send
            )
            return
        try:
            await self._app(scope, receive, sent)
        except ClientDisconnect:
            # Whoever sent half a request hears nothing more.
            return
        except Exception as error:
            # Its text may hold what somebody sent, and the server would write it down.
            frames = traceback.extract_tb(error.__traceback__)
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
            log.error("door.broken", kind=type(error).__name__, where=where)
            if not begun:
                await PlainTextResponse("Something went wrong.", status_code=500)(scope, receive, send)


def _refused(scope: Scope) -> tuple[int, str] | None:
    """Status and words for a request that goes no further."""
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers and ("content-length" in headers or scope["http_version"] != "1.1"):
        # Whoever stands before this door may see another end of the request than this door does.
        return 400, "It is not clear where this request ends."
    if scope["method"] not in METHODS:
        return 405, "No such method."
    if len(scope["raw_path"]) + len(scope["query_string"]) > LARGEST_ADDRESS:
        return 414, "This address is too long."
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEAD:
        return 431, "These headers are too long."
    return None
