"""An inbox for a simulator's webhooks: real posts, which VetBridge is handed when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vetbridge.connector.interface import HookRequest
from vetbridge.daemon.assembly import Program
from vetbridge.testing.simkit import Simulator


class Hooks:
    """What one side posted and nobody was handed yet. ``url``: where it posts to."""

    def __init__(self, account: str, side: Simulator) -> None:
        self.url = ""
        self._account = account
        self._side = side
        self._lock = threading.Lock()
        self._bodies: list[bytes] = []

    def take(self, body: bytes) -> None:
        """Keeps one post."""
        with self._lock:
            self._bodies.append(body)

    def deliver(self, program: Program) -> None:
        """Hands over what has been posted, in the order in which it came, once nothing is under way."""
        assert self._side.outbox.wait_empty(10)
        with self._lock:
            bodies, self._bodies = self._bodies, []
        for body in bodies:
            hints = program.connectors[self._account].hints(HookRequest(body=body))
            program.receivers[self._account].hints(self._account, hints)


@contextmanager
def hooks(account: str, side: Simulator) -> Iterator[Hooks]:
    """An inbox for the webhooks of an account, whose simulator is yet to be told its ``url``."""
    inbox = Hooks(account, side)

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """No log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        inbox.url = f"http://127.0.0.1:{server.server_port}/"
        yield inbox
    finally:
        server.shutdown()
        server.server_close()
