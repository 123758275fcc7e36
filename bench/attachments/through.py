"""Files through all of VetBridge: found on a card, fetched, looked into, hashed, sent on, and written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.file_rig import FileRig
from vetbridge.connector.budgets import Budgets
from vetbridge.connector.clock import SystemClock
from vetbridge.connector.http import Downloads, HttpClient
from vetbridge.connector.interface import BudgetSpec, Receipt, Write
from vetbridge.core.files import MEGABYTE, FileRules
from vetbridge.sync.pair import FilePolicy
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities

RULES = FileRules(types={"jpeg": 50 * MEGABYTE, "pdf": 50 * MEGABYTE})
SPEC = BudgetSpec(name="all", calls=1_000_000, seconds=1.0, per="bench")


class _Shelf(MemorySide):
    """A side that keeps no content: its files come from the vendor, and go there."""

    def __init__(self, side: str, address: str, clock: FakeClock) -> None:
        super().__init__(memory_capabilities(side), clock=clock)
        steady = SystemClock()
        self._address = address
        self._downloads = Downloads(address, account="bench", clock=steady)
        self._client = HttpClient(address, account="bench", budgets=Budgets([SPEC], steady), clock=steady)
        self.taken = 0
        """Bytes of the files that came whole."""

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """A photo and a PDF in turn, each with its number behind its end."""
        number = int(id.rpartition("f")[2])
        yield from self._downloads.pieces(f"{self._address}/{number}")
        yield b"\n%%%d\n" % number

    def apply(self, write: Write) -> Receipt:
        """Sends a file to the vendor, who says what came."""
        if write.content is not None:
            answer = self._client.upload("POST", "/", budgets=["all"], fields={}, part="file", content=write.content)
            assert answer.body["digest"] == write.content.digest, "it came whole"
            self.taken += write.content.size
            write = replace(write, content=None)
        return super().apply(write)


class _Desk(FileRig):
    """A site that wants photos and PDFs."""

    policy = FilePolicy(to_pims=RULES)


def through(address: str, files: int, folder: Path) -> Iterator[int]:
    """Carries so many files, one after the other; yields the bytes that were carried after each."""
    clock = FakeClock()
    pims = _Shelf("pims", address, clock)
    rig = _Desk(folder, clock=clock, booking=_Shelf("booking", address, clock), pims=pims)
    card = rig.known()
    for number in range(1, files + 1):
        rig.bring(card, f"{number}.jpg", b"")
        rig.look()
        assert rig.ends().count(("done", "carried")) == number, "it was carried"
        yield pims.taken
