"""The doors of the terminal: what is typed after `vetbridge`, and hostile texts on their way to screen and log."""

from __future__ import annotations

import io
import json
import re
from contextlib import closing, redirect_stderr, redirect_stdout
from functools import cache
from random import Random
from unittest.mock import patch

import structlog
import typer

from tests.fuzz.asked import odd_text
from tests.fuzz.door import Door
from tests.fuzz.mutation import altered
from tests.unit.desk.practice import KEY, Desk
from vetbridge.cli import main
from vetbridge.cli.log import set_up
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE
from vetbridge.config import document
from vetbridge.ledger import accounts
from vetbridge.testing.clock import FakeClock

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What steers a terminal, or turns its text round."""

SAMPLES = tuple(
    line.split()
    for line in (
        "status --json",
        "status --site city",
        "find petrova bobik --json",
        "changes list --state failed --account ezyvet-city --limit 5",
        "changes list --code mapping --json",
        "changes show 1 --json",
        "review list --site city --json",
        "review show 1",
        "review search harris",
        "review claim 1 --by Ann",
        "review note 1 rings --by Ann",
        "review later 1 --for 1h",
        "worklist list --site city --struck",
        "worklist print --site city",
        "links list --limit 3 --json",
        "links show altegio-city/81001",
        "audit list --limit 3 --json",
        "staff list --json",
        "pause city --for 2h --plan",
        "resume city --json",
        "config check --json",
        "config show",
        "connectors list --json",
        "replay --code mapping --plan",
        "pair end city --plan",
    )
)
"""No command that writes a file where it is told to, asks for a password, or serves: an input must do no harm."""
CODES = frozenset({0, 2, 3, 4, 5, 6, 7})


class Arguments(Door):
    """The command line: exit code and words, whatever is typed; nothing on the screen steers it."""

    name = "arguments"
    planted = (KEY,)

    def open(self) -> None:
        """A clinic with a ledger; the commands are put together once."""
        self.desk = Desk(self.folder, FakeClock())
        self.desk.write_config()
        with closing(self.desk.open()) as ledger, ledger.write() as tx:
            accounts.enrol(tx, "altegio-city", "altegio", country="GB")
            accounts.enrol(tx, "ezyvet-city", "ezyvet", country="GB")
        # The same config each time: what is read of it has a door of its own.
        self.set_up.enter_context(patch.object(document, "parse", cache(document.parse)))
        self.set_up.enter_context(patch.object(main, "app", typer.main.get_command(main.app)))

    def make(self, rng: Random) -> list[str]:
        """A command with words lost, doubled, replaced or altered."""
        words = list(rng.choice(SAMPLES))
        keep = 1 if len(words) == 1 or words[1].startswith("-") else 2
        for _ in range(rng.choice((0, 1, 1, 2))):
            at = rng.randrange(keep, len(words) + 1) if len(words) >= keep else len(words)
            how = rng.randrange(5)
            if how == 0 and at < len(words):
                del words[at]
            elif how == 1 and at < len(words):
                spoiled = altered(rng, words[at].encode(errors="surrogatepass"))
                words[at] = spoiled.decode(errors="surrogateescape").replace("\0", "")
            elif how == 2:
                words.insert(at, rng.choice(("--json", "--help", "--", "-", "--limit", "--site", "--plan", "-x")))
            else:
                words.insert(at, odd_text(rng).replace("\0", ""))
        return words

    def hand_in(self, given: list[str]) -> tuple[bool, str]:
        """Runs it in this process."""
        code: object = 0
        out, err = _stream("strict"), _stream("backslashreplace")
        typed = ["vetbridge", "--config", str(self.desk.config_path), *given]
        with (
            redirect_stdout(out),
            redirect_stderr(err),
            patch("sys.stdin", io.StringIO("")),
            patch("sys.argv", typed),
        ):
            try:
                main.main()
            except SystemExit as ended:
                code = ended.code or 0
        assert code in CODES, code
        printed, talked = _written(out), _written(err)
        said = printed + talked
        # What does not fit a command the library repeats as it was typed, by whoever typed it.
        assert code == USAGE or not STEERING.search(said), STEERING.findall(said)[:5]
        if "--json" in given and code == 0 and printed.startswith("{"):
            assert json.loads(printed)["schema"] == 1
        return code == 0, said


def _stream(errors: str) -> io.TextIOWrapper:
    """A stream as a process has it: standard error writes what it cannot encode in another way."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors, write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    """What was written to it; line ends of Windows are none here."""
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


class Texts(Door):
    """What is said and logged: one line an event, and no text steers the screen that it is read on."""

    name = "texts"
    planted = ()

    def make(self, rng: Random) -> str:
        """A hostile text."""
        return "".join(odd_text(rng)[:500] for _ in range(rng.randint(1, 4)))

    def hand_in(self, given: str) -> tuple[bool, str]:
        """Says and logs it in every form."""
        before = structlog.get_config()
        for form in ("text", "json"):
            err = io.StringIO()
            with redirect_stderr(err):
                set_up("info", form)  # type: ignore[arg-type]
                structlog.get_logger("vetbridge.tests").warning("event", message=given, account=given)
            structlog.configure(**before)
            lines = err.getvalue().splitlines()
            assert len(lines) == 1, (form, lines)
            assert not STEERING.search(lines[0]), (form, lines)
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            say(given)
            talk(given)
            emit_json("test", {"text": given})
        assert not STEERING.search(out.getvalue() + err.getvalue())
        assert json.loads(out.getvalue().splitlines()[-1])["data"]["text"] == given
        return given.isprintable(), ""
