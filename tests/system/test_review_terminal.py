"""The guided walk at a real terminal: `vetbridge review` in a pty of 80 columns, and what a person sees there.

`python -m tests.system.test_review_terminal` draws docs/review-terminal.svg.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pexpect
import pyte
import pytest

from tests.unit.desk.practice import ZONE, Desk, park, receive
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Pet
from vetbridge.ledger import accounts, mirror, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change, Review
from vetbridge.testing.clock import FakeClock

COLUMNS, LINES = 80, 24
PATIENCE = 30.0
"""Seconds that a screen may take on a busy machine."""
PICTURE = Path(__file__).parents[2] / "docs" / "review-terminal.svg"

WIPES = "\x1b[2J\x1b[1;1H\x1b[31;7mJames\x1b]0;owned\x07"
FORGES = "Harris\r\n> 1\r\n  [Enter = yes, anything else = back] \n> 2"
TURNS = "\u202eytnoM\u2066\u200f\x9b1A"
HOSTILE = Client(id="2001", given_name=WIPES, family_name=FORGES, phones=("+447700900123\x1b[5;5H",))


class Terminal:
    """A person at a terminal: types keys, and reads what stands on the screen."""

    def __init__(self, desk: Desk, *, lines: int = LINES) -> None:
        self.screen = pyte.HistoryScreen(COLUMNS, lines, history=1000, ratio=0.5)
        self._stream = pyte.ByteStream(self.screen)
        self.keys = 0
        """How many were struck."""
        self.raw = b""
        program = str(Path(sys.executable).parent / "vetbridge")
        arguments = ["--config", str(desk.config_path), "review", "--by", "ann"]
        plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment = {**plain, "TERM": "xterm-256color", "NO_COLOR": "1"}
        self._child = pexpect.spawn(program, arguments, dimensions=(lines, COLUMNS), env=environment)

    def type(self, keys: str) -> None:
        """Strikes keys; ``\\r`` is Enter."""
        self.keys += len(keys)
        self._child.send(keys)

    def until(self, prompt: str) -> str:
        """Reads until the program waits behind a prompt; the whole screen then."""
        while self._line().strip() != prompt:
            self._read()
        return self.text

    def end(self) -> str:
        """Reads until the program has ended, which must go well."""
        while self._read():
            pass
        self._child.close()
        assert self._child.exitstatus == 0, self.text
        return self.text

    @property
    def lines(self) -> list[str]:
        """All lines that were ever shown."""
        above = ["".join(row[column].data for column in range(COLUMNS)) for row in self.screen.history.top]
        return [line.rstrip() for line in (*above, *self.screen.display)]

    @property
    def text(self) -> str:
        """The same as one text, however it was wrapped."""
        return " ".join(" ".join(self.lines).split())

    def _line(self) -> str:
        """The line where the cursor stands, up to it."""
        return self.screen.display[self.screen.cursor.y][: self.screen.cursor.x]

    def _read(self) -> bool:
        try:
            read = self._child.read_nonblocking(4096, timeout=PATIENCE)
        except pexpect.EOF:
            return False
        self.raw += read
        self._stream.feed(read)
        return True

    def close(self) -> None:
        """Hangs up."""
        self._child.close(force=True)


class Evening:
    """A clinic whose bookings were typed by somebody who means harm, and a terminal over it."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, FakeClock(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)))
        self.desk.write_config()
        self.ledger: Ledger = self.desk.open()
        with self.ledger.write() as tx:
            accounts.enrol(tx, "altegio-city", "altegio", country="GB")
            accounts.enrol(tx, "ezyvet-city", "ezyvet", country="GB")
        park(self.ledger, Instant(self.desk.clock.now() + timedelta(hours=1), ZONE))

    def spoil(self) -> None:
        """What the booker typed steers terminals, and so does what stands in the PIMS."""
        with self.ledger.write() as tx:
            row = reviews.item(tx, 1)
            assert row is not None
            asked = reviews.question(tx, row)
            booking = replace(
                asked["booking"], booker=HOSTILE, booked_pet=Pet(name=TURNS, species="cat"), notes=FORGES
            )
            change = tx.session.get_one(Change, row.change_id)
            reviews.ask(tx, change, why=row.why, visit_at=row.visit_at, question={**asked, "booking": booking})
            owner = Client(id="1002", given_name="> 1", family_name=WIPES + FORGES, phones=("07700 900123",))
            pets = [Pet(id="5002", client_id="1002", name=TURNS), Pet(id="5004", client_id="1002", name="> 1\n> 1")]
            mirror.put(tx, "ezyvet-city", [owner, *pets])

    def ask_more(self) -> None:
        """A question of another sort, so that something is left after the first."""
        with self.ledger.write() as tx:
            change = tx.session.get_one(Change, receive(tx, "2"))
            reviews.ask(tx, change, why="slot-taken", visit_at=None, question={"why": "slot-taken"})

    def item(self) -> Review:
        with self.ledger.read() as tx:
            row = reviews.item(tx, 1)
            assert row is not None
            return row


@pytest.fixture
def evening(tmp_path: Path) -> Iterator[Evening]:
    made = Evening(tmp_path)
    made.spoil()
    yield made
    made.ledger.close()


@pytest.fixture
def terminal(evening: Evening) -> Iterator[Terminal]:
    opened = Terminal(evening.desk)
    yield opened
    opened.close()


def stays_in_its_lines(terminal: Terminal, typed: list[str], *, confirmed: int) -> None:
    """Nothing from outside moved the cursor, coloured anything or made a line of its own."""
    assert [line for line in terminal.lines if line.startswith(">")] == typed
    asked = [line for line in terminal.lines if line.startswith("  [Enter")]
    assert asked == ["  [Enter = yes, anything else = back]"] * confirmed
    assert not re.search(rb"[\x1b\x07\x9b]", terminal.raw.replace(b"\xc2\x9b", b"\x9b"))
    shown = terminal.raw.decode()
    assert not set("\u202e\u2066\u200f\x9b") & set(shown)
    assert terminal.screen.title == ""
    cells = [cell for row in terminal.screen.buffer.values() for cell in row.values()]
    assert {(cell.fg, cell.bg, cell.bold, cell.reverse) for cell in cells} <= {("default", "default", False, False)}


def test_three_keys_from_open_to_done(evening: Evening, terminal: Terminal) -> None:
    shown = terminal.until(">")
    assert shown.startswith("1 booking needs you; the next one is in ")
    assert "Type 1 or 2 to link, n new client, l not now, s search, ? help, q quit. >" in shown
    assert "Booked as: James Harris > 1 [Enter = yes, anything else = back] > 2" in shown
    terminal.type("1\r")
    assert "moves in the PIMS from the placeholder to" in terminal.until("[Enter = yes, anything else = back]")
    assert evening.item().state == "open", "nothing is done before Enter"
    terminal.type("\r")
    assert "Written down; `vetbridge sync`" in terminal.end()
    assert terminal.keys == 3
    row = evening.item()
    assert (row.state, row.answer, row.answer_client_id, row.answer_pet_id) == ("answered", "link", "1002", "5002")
    assert row.answered_by == "ann"
    stays_in_its_lines(terminal, ["> 1"], confirmed=1)


def test_what_is_no_key_does_nothing_and_q_leaves_all_as_it_is(evening: Evening, terminal: Terminal) -> None:
    terminal.until(">")
    typed = ["x", "11", "3", "", "yes", "b"]
    for number, keys in enumerate(typed, start=1):
        terminal.type(f"{keys}\r")
        while terminal.until(">").count("Nothing was done.") < number:
            terminal._read()
    assert (evening.item().state, evening.item().claimed_by) == ("open", "ann")
    terminal.type("q\r")
    assert "Stopped. 0 answers were given; nothing else was touched." in terminal.end()
    row = evening.item()
    assert (row.state, row.answer, row.snoozed_until, row.claimed_by) == ("open", "", None, "")
    stays_in_its_lines(terminal, [f"> {keys}".rstrip() for keys in [*typed, "q"]], confirmed=0)


def test_an_answer_is_taken_back(evening: Evening) -> None:
    evening.ask_more()
    terminal = Terminal(evening.desk)
    try:
        terminal.until(">")
        terminal.type("n\r")
        terminal.until("[Enter = yes, anything else = back]")
        terminal.type("\r")
        assert "u undo last" in terminal.until(">")
        assert evening.item().answer == "new"
        terminal.type("u\r")
        assert "it is taken back, and the question is open again" in terminal.until(
            "[Enter = yes, anything else = back]"
        )
        terminal.type("\r")
        while "Done: the answer is taken back, and the question is open again." not in terminal.until(">"):
            terminal._read()
        assert (evening.item().state, evening.item().answer) == ("open", "")
        terminal.type("q\r")
        assert "0 answers were given" in terminal.end()
    finally:
        terminal.close()
    stays_in_its_lines(terminal, ["> n", "> u", "> q"], confirmed=2)


def draw(path: Path) -> None:
    """Draws the screen of one answer."""
    from rich.console import Console  # noqa: PLC0415 - for the picture alone
    from rich.text import Text  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        evening = Evening(Path(folder))
        terminal = Terminal(evening.desk, lines=30)
        terminal.until(">")
        terminal.type("1\r")
        terminal.until("[Enter = yes, anything else = back]")
        terminal.type("\r")
        terminal.end()
        evening.ledger.close()
    shown = "\n".join(["$ vetbridge review", *terminal.lines]).rstrip()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text(shown))
        drawn = console.export_svg(title="vetbridge review", unique_id="review-terminal")
    # The reader's own monospaced font: a picture in a manual must not fetch anything.
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    draw(PICTURE)
