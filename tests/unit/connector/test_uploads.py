"""Files that are sent in forms, to a real server: in pieces, once, and whatever their names hold."""

from __future__ import annotations

import io
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

import pytest

from vetbridge.connector import http
from vetbridge.connector.budgets import Budgets
from vetbridge.connector.http import TRIES, HttpClient, HttpRefused
from vetbridge.connector.interface import BudgetSpec
from vetbridge.core.errors import OutcomeUnknown, RateLimited, Unavailable
from vetbridge.testing.clock import FakeClock

BUDGETS = (BudgetSpec(name="all", calls=1000, seconds=60, per="account"),)


@dataclass
class File:
    """A file of ``size`` bytes, made as it is read."""

    size: int
    name: str = "letter.pdf"
    media_type: str = "application/pdf"
    digest: str = ""
    opened: int = 0
    closed: int = 0

    def open(self) -> BinaryIO:
        self.opened += 1
        return _Reader(self)  # type: ignore[return-value]


class _Reader(io.RawIOBase):
    """It can be read, and nothing else: no name, no place, no number of the system's."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._left = file.size

    def read(self, size: int = -1) -> bytes:
        piece = b"\r" * min(size, self._left)
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        if not self.closed:
            self._file.closed += 1
        super().close()


@dataclass
class Desk:
    """A server that takes forms. ``keep`` bytes of each are kept; ``cut_after`` ends the connection."""

    replies: list[int] = field(default_factory=lambda: [200])
    cut_after: int | None = None
    keep: int = 1 << 20
    seen: list[tuple[dict[str, str], bytes, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        desk = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                left, kept, came = int(headers["content-length"]), b"", 0
                while left > came:
                    piece = self.rfile.read(min(1 << 16, left - came))
                    came += len(piece)
                    kept = (kept + piece)[: desk.keep]
                    if not piece or (desk.cut_after is not None and came > desk.cut_after):
                        break
                desk.seen.append((headers, kept, came))
                if came < left:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status = desk.replies.pop(0) if len(desk.replies) > 1 else desk.replies[0]
                self.send_response(status)
                body = b'{"ok": true}'
                for name, value in {"Retry-After": "1", "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def parts(self) -> dict[str, Message]:
        """The parts of the last form, by name, as a parser of mail reads them."""
        headers, body, _ = self.seen[-1]
        form = message_from_bytes(f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body)
        return {str(part.get_param("name", header="content-disposition")): part for part in form.walk()}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


def upload(url: str, file: File, clock: FakeClock | None = None, **more: Any) -> Any:
    clock = clock or FakeClock()
    client = HttpClient(
        url, account="city", budgets=Budgets(BUDGETS, clock), clock=clock, timeout=5.0, **more.pop("door", {})
    )
    given = {"fields": {}, "part": "file", **more}
    try:
        return client.upload("POST", "/files", budgets=["all"], content=file, **given).body
    finally:
        client.close()


def test_a_form_holds_its_fields_and_the_file(desk: Desk) -> None:
    file = File(5, name="Röntgen Zoë.pdf")
    assert upload(desk.url, file, fields={"note": "zwei\r\nZeilen: Zoë", "id": "7"}) == {"ok": True}
    parts = desk.parts()
    assert parts["note"].get_payload(decode=True) == "zwei\r\nZeilen: Zoë".encode()
    assert parts["id"].get_payload() == "7"
    assert parts["file"].get_payload() == "\r" * 5
    assert parts["file"].get_content_type() == "application/pdf"
    assert 'filename="Röntgen Zoë.pdf"'.encode() in desk.seen[0][1]
    assert (file.opened, file.closed) == (1, 1)


@pytest.mark.parametrize(
    "name",
    ['a"; name="other', "a\r\nContent-Type: text/html\r\n\r\n<b>", "a\x00b.pdf", "\ud800.pdf", "a\\", "\x1b[2J"],
)
def test_no_name_reaches_beyond_itself(desk: Desk, name: str) -> None:
    upload(desk.url, File(3, name=name), fields={name: "kept"}, part=name)
    head = desk.seen[0][1].split(b"\r\n\r\n")
    assert len(head) == 3, "two parts, each with one head"
    assert all(
        line.startswith((b"Content-", b"--", b"kept", b"\r")) for part in head for line in part.splitlines() if line
    )
    assert desk.seen[0][1].count(b"\x1b") == 0


def test_fifty_megabytes_take_no_memory(desk: Desk) -> None:
    desk.keep = 0
    tracemalloc.start()
    try:
        upload(desk.url, File(50 * 1024 * 1024))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert desk.seen[0][2] > 50 * 1024 * 1024
    assert peak < 5 * 1024 * 1024


def test_an_upload_that_is_cut_is_unknown_and_sent_once(desk: Desk) -> None:
    desk.cut_after = 1 << 20
    file = File(20 * 1024 * 1024)
    with pytest.raises(OutcomeUnknown, match=r"^city: POST /files: no answer"):
        upload(desk.url, file)
    assert len(desk.seen) == 1
    assert (file.opened, file.closed) == (1, 1)


def test_a_server_error_is_unknown(desk: Desk) -> None:
    desk.replies = [502, 200]
    with pytest.raises(OutcomeUnknown):
        upload(desk.url, File(3))
    assert len(desk.seen) == 1


@pytest.mark.parametrize("size", [0, 3, 10, 1 << 20])
def test_a_file_of_another_size_than_it_said_is_never_sent_whole(desk: Desk, size: int) -> None:
    class Changed(File):
        def open(self) -> BinaryIO:
            self.size = size
            return super().open()

    with pytest.raises(OSError, match="not as long as it was"):
        upload(desk.url, Changed(9))


def test_a_pause_and_a_new_token_read_the_file_again(desk: Desk) -> None:
    desk.replies = [429, 401, 200]
    tokens = ["old"]
    door = {"authorise": lambda: {"Authorization": tokens[-1]}, "refresh": lambda: tokens.append("new")}
    file = File(4)
    assert upload(desk.url, file, door=door) == {"ok": True}
    assert [headers["authorization"] for headers, _, _ in desk.seen] == ["old", "old", "new"]
    assert all(b"\r\r\r\r" in body for _, body, _ in desk.seen)
    assert (file.opened, file.closed) == (3, 3)


def test_a_refusal_is_not_sent_again(desk: Desk) -> None:
    desk.replies = [413]
    with pytest.raises(HttpRefused) as caught:
        upload(desk.url, File(4))
    assert (caught.value.status, len(desk.seen)) == (413, 1)


def test_nobody_there_is_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    file, clock = File(4), FakeClock()
    with pytest.raises(Unavailable, match="no connection"):
        upload(url, file, clock)
    assert (file.opened, file.closed, len(clock.waits)) == (TRIES, TRIES, TRIES - 1)


def test_long_pauses_go_back_to_the_runner(desk: Desk) -> None:
    desk.replies = [429]
    with pytest.raises(RateLimited):
        upload(desk.url, File(4), door={"wait_of": lambda headers, body: 50.0})
    assert len(desk.seen) == 1


def test_an_upload_that_trickles_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LONGEST_UPLOAD", 0.5)

    class Hurrying(FakeClock):
        def steady(self) -> float:
            self.advance(1.0)  # each look at the clock finds a second gone
            return super().steady()

    with pytest.raises(OutcomeUnknown, match="WriteTimeout"):
        upload(desk.url, File(4), Hurrying())


def test_a_slow_upload_leaves_time_for_its_answer(desk: Desk) -> None:
    clock = FakeClock()

    class Slow(File):
        def open(self) -> BinaryIO:
            clock.advance(http.LONGEST_UPLOAD / 2)
            return super().open()

    assert upload(desk.url, Slow(4), clock) == {"ok": True}
