"""Each answer of a vendor tells what time it is there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from vetbridge.connector.budgets import Budgets
from vetbridge.connector.drift import Skew
from vetbridge.connector.http import HttpClient
from vetbridge.core.errors import AuthFailed
from vetbridge.testing.clock import FakeClock


class Vendor(BaseHTTPRequestHandler):
    date, status = "", 200

    def do_GET(self) -> None:
        self.send_response_only(self.status)
        if self.date:
            self.send_header("Date", self.date)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_args: object) -> None:
        """Says nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Vendor) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_answer_is_heard_also_one_that_refuses(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    skew = Skew(clock)
    client = HttpClient(address, account="a", budgets=Budgets((), clock), clock=clock, on_date=skew.heard)
    monkeypatch.setattr(Vendor, "date", format_datetime(clock.now() - timedelta(hours=2), usegmt=True))
    client.read("/", budgets=())
    monkeypatch.setattr(Vendor, "date", format_datetime(clock.now() + timedelta(seconds=5), usegmt=True))
    monkeypatch.setattr(Vendor, "status", 401)
    with pytest.raises(AuthFailed):
        client.read("/", budgets=())
    assert list(skew.newest()) == [7200.0, -5.0]
    assert skew.agrees_within(120)
    monkeypatch.setattr(Vendor, "status", 200)
    monkeypatch.setattr(Vendor, "date", "")
    client.read("/", budgets=())
    assert list(skew.newest()) == [7200.0, -5.0], "one without a date says nothing"
    client.close()
