"""A file is carried only where the scanner says that it is clean, and in time."""

from __future__ import annotations

import contextlib
import io
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hostile_files import eicar
from vetbridge.connector.scanning import SILENT, Scanner
from vetbridge.core.errors import FileRefused, Unavailable
from vetbridge.testing.clock import FakeClock

Answer = Callable[[socket.socket, bytes], None]


class Clamd:
    """A clamd that speaks the protocol as its manual has it, up to the moment when ``answer`` takes over."""

    def __init__(self, listening: socket.socket, *, limit: int = 1 << 30, answer: Answer | None = None) -> None:
        self._listening = listening
        self._limit = limit
        self._answer = answer
        self.taken: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection, contextlib.suppress(OSError, ValueError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as heard:
            command = b""
            while not command.endswith(b"\0"):
                command += heard.read(1) or b"\0"
            content = b""
            if command == b"zINSTREAM\0":
                while length := int.from_bytes(heard.read(4), "big"):
                    content += heard.read(length)
                    if len(content) > self._limit:
                        connection.sendall(b"INSTREAM size limit exceeded. ERROR\0")
                        return
                self.taken.append(content)
            if self._answer is not None:
                self._answer(connection, command)
            elif command == b"zPING\0":
                connection.sendall(b"PONG\0")
            elif command == b"zINSTREAM\0":
                bad = eicar() in content
                connection.sendall(b"stream: Win.Test.EICAR_HDB-1 FOUND\0" if bad else b"stream: OK\0")
            else:
                connection.sendall(b"UNKNOWN COMMAND\0")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def clamd(*, limit: int = 1 << 30, answer: Answer | None = None) -> Iterator[tuple[str, Clamd]]:
    listening = socket.create_server(("127.0.0.1", 0))
    serving = Clamd(listening, limit=limit, answer=answer)
    try:
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}", serving
    finally:
        serving.close()


def says(*pieces: bytes) -> Answer:
    def answer(connection: socket.socket, _command: bytes) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return answer


def scan(address: str, content: bytes, *, timeout: float = 30) -> None:
    Scanner(address, timeout=timeout).scan(io.BytesIO(content))


def test_a_clean_file_passes_whole_and_from_where_the_reader_stands() -> None:
    content = bytes(range(256)) * 1000
    with clamd() as (address, serving):
        scan(address, content)
        scan(address, b"")
        file = io.BytesIO(b"before" + content)
        file.seek(6)
        Scanner(address, timeout=30).scan(file)
    assert serving.taken == [content, b"", content]


def test_a_virus_is_named_and_refused() -> None:
    with clamd() as (address, _), pytest.raises(FileRefused) as caught:
        scan(address, b"a letter " + eicar())
    assert (caught.value.code, caught.value.wanted) == ("file-infected", True)
    assert "Win.Test.EICAR_HDB-1" in caught.value.message


@pytest.mark.parametrize("name", [b"a\x1b[31m", b"<b>", b"a b", b"\xc3\xa4", b"n" * 200])
def test_a_name_that_is_no_plain_word_is_left_out_or_no_answer(name: bytes) -> None:
    answer = says(b"stream: " + name + b" FOUND\0")
    with clamd(answer=answer) as (address, _), pytest.raises((FileRefused, Unavailable)) as caught:
        scan(address, b"a")
    assert name.decode() not in str(caught.value)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no such sockets")
def test_the_socket_may_be_a_path() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(path)
        listening.listen()
        serving = Clamd(listening)
        try:
            Scanner(f"unix://{path}", timeout=30).ping()
            scan(f"unix://{path}", b"a")
        finally:
            serving.close()
    assert serving.taken == [b"a"]


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"stream: OK"],
        [b"stream: O", b"K\n"],
        [b"OK\0"],
        [b"stream: OK FOUND OK\0"],
        [b"stream: not OK\0"],
        [b"stream: OK\nstream: A FOUND\0"],
        [b"stream: FOUND\0"],
        [b"stream: Can't allocate memory ERROR\0"],
        [b"UNKNOWN COMMAND\0"],
        [b"HTTP/1.1 200 OK\r\n\r\n\0"],
        [b"\0stream: OK\0"],
        [b"a" * 5000],
        [b"\xff\xfe\0"],
    ],
)
def test_whatever_else_it_says_is_no_answer(pieces: list[bytes]) -> None:
    with clamd(answer=says(*pieces)) as (address, _), pytest.raises(Unavailable) as caught:
        scan(address, b"a")
    assert caught.value.code == SILENT
    assert "clamd" in caught.value.message


def test_an_answer_may_come_in_pieces() -> None:
    with clamd(answer=says(b"stre", b"am: ", b"OK", b"\0")) as (address, _):
        scan(address, b"a")


def test_a_file_beyond_its_limit_says_which_setting() -> None:
    with clamd(limit=1000) as (address, _), pytest.raises((FileRefused, Unavailable)) as caught:
        scan(address, bytes(2000))
    # Where the connection is cut hard, what it said may be lost on the way.
    assert caught.value.code in ("file-not-scanned", SILENT)
    answer = says(b"INSTREAM size limit exceeded. ERROR\0")
    with clamd(answer=answer) as (address, _), pytest.raises(FileRefused, match="StreamMaxLength") as refused:
        scan(address, b"a")
    assert (refused.value.code, refused.value.wanted) == ("file-not-scanned", True)


def test_one_that_hangs_is_given_up_and_asked_no_more() -> None:
    release = threading.Event()

    def hang(_connection: socket.socket, _command: bytes) -> None:
        release.wait(20)

    with clamd(answer=hang) as (address, _):
        try:
            with pytest.raises(Unavailable, match="in time") as caught:
                scan(address, b"a", timeout=0.05)
        finally:
            release.set()
    assert caught.value.code == SILENT


def test_one_that_trickles_has_its_time_from_first_to_last() -> None:
    clock = FakeClock()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            clock.advance(4)
            return super().read(size)

    with clamd() as (address, _), pytest.raises(Unavailable, match="in time"):
        Scanner(address, timeout=10, clock=clock).scan(Slow(bytes(500_000)))


def test_nobody_there_is_no_answer_and_names_no_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for address in (f"tcp://127.0.0.1:{port}", "unix:///no/such/socket", "tcp://name.invalid:3310"):
        with pytest.raises(Unavailable) as caught:
            scan(address, b"a")
        assert caught.value.code == SILENT
        with pytest.raises(Unavailable):
            Scanner(address, timeout=5).ping()


def test_a_ping_is_answered_by_a_scanner_alone() -> None:
    with clamd() as (address, _):
        Scanner(address, timeout=30).ping()
    with clamd(answer=says(b"+OK ready\0")) as (address, _), pytest.raises(Unavailable):
        Scanner(address, timeout=30).ping()
