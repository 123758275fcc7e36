"""kill -9 while 10 MB go to a vendor, and again before it answers: the file stands there once, and whole."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from connectors.ezyvet.options import SCOPES
from tests.crash.processes import Nursery, Victim
from tests.system.town import Town, town, until

REPORT = b"Haematology: within the range of reference.\n" * 238_000
MEGABYTE = 1024 * 1024
PIECE = 64 * 1024


class Line:
    """The line to a simulator. What it is told to do when so many bytes of one request have gone through, it does
    once: then it is cut."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._there = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        self.on_the_way: Callable[[], None] | None = None
        """Called in the middle of a long request."""
        self.before_the_answer: Callable[[], None] | None = None
        """Called when the answer to a long request has come, and has not gone on."""
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(self._there)
                gone = [0]
                for work in (self._up, self._down):
                    threading.Thread(target=work, args=(here, there, gone), daemon=True).start()

    def _up(self, here: socket.socket, there: socket.socket, gone: list[int]) -> None:
        with contextlib.suppress(OSError), there:
            while piece := here.recv(PIECE):
                there.sendall(piece)
                gone[0] += len(piece)
                if gone[0] > 4 * MEGABYTE and self.on_the_way is not None:
                    act, self.on_the_way = self.on_the_way, None
                    act()
                    return

    def _down(self, here: socket.socket, there: socket.socket, gone: list[int]) -> None:
        with contextlib.suppress(OSError), here:
            while piece := there.recv(PIECE):
                if gone[0] > 9 * MEGABYTE and self.before_the_answer is not None:
                    act, self.before_the_answer = self.before_the_answer, None
                    act()
                    return
                gone[0] = 0
                here.sendall(piece)


@contextlib.contextmanager
def started(nursery: Nursery, config: Path) -> Iterator[Victim]:
    victim = nursery.victim(config)
    try:
        victim.wait_until_it_works()
        yield victim
    finally:
        victim.kill()


def test_killed_in_the_middle_of_an_upload_and_before_its_answer_the_file_stands_there_once(tmp_path: Path) -> None:
    with (
        town(tmp_path, clients=20) as place,
        contextlib.closing(Line(place.booking.base_url)) as line,
        contextlib.closing(Nursery(tmp_path / "victims.log")) as nursery,
    ):
        config = place.write_config(
            timings={"request_timeout": 2, "settle": 0, "retry_first": 1, "files": 1, "pims_refresh": 1},
            accounts={
                "altegio": {"poll": 1, "options": {"base_url": line.address, "file_download": {"address": "link"}}},
                "ezyvet": {"options": {"scope": [*SCOPES, "read-attachment"]}},
            },
            sites={"town": {"attachments": {"to_booking": {"types": {"txt": 11}}}}},
        )
        owner = place.plain_owner()
        place.book_owner(owner)
        with started(nursery, config) as victim:
            until(lambda: place.ledger("SELECT 1 FROM link WHERE kind = 'client'"), "the card is linked")
            until(lambda: place.ledger("SELECT 1 FROM cursor WHERE kind = 'attachment'"), "files are looked for")
            line.on_the_way = victim.kill
            place.pims.attach("Contact", place.contact_id(owner), "report.txt", REPORT)  # type: ignore[attr-defined]
            assert victim.dies(30)
            victim.require_killed()
        assert files(place) == []

        with started(nursery, config) as victim:
            line.before_the_answer = victim.kill
            assert victim.dies(30)
            victim.require_killed()
        assert len(files(place)) == 1

        with started(nursery, config) as victim:
            until(
                lambda: place.ledger("SELECT 1 FROM change WHERE kind = 'attachment' AND state = 'done'"), "through"
            )
        (stands,) = files(place)
        assert stands == hashlib.sha256(REPORT).hexdigest()


def files(place: Town) -> list[str]:
    """What is in each file at the booking side, by its SHA-256."""
    kept = place.booking
    return [
        hashlib.sha256(kept.file_content(row["id"])).hexdigest()  # type: ignore[attr-defined]
        for row in kept.store.all("file")
        if row["name"].startswith("report")
    ]
