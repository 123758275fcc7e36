"""Programs that are called: JSON on standard input, no shell, killed with their children when they take too long."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import pytest

from vetbridge.connector.calling import call
from vetbridge.connector.telling import NotTaken
from vetbridge.core.errors import Unavailable

CONTENT = b'{"type":"alert.raised"}'


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


def test_it_gets_the_content_and_its_arguments_as_they_are(tmp_path: Path) -> None:
    code = "import sys, pathlib; pathlib.Path('taken').write_text(sys.argv[1] + sys.stdin.read())"
    call(python(code, "$HOME; rm *"), CONTENT, folder=tmp_path)
    assert (tmp_path / "taken").read_text() == "$HOME; rm *" + CONTENT.decode()


def test_a_path_starts_at_the_configs_folder(tmp_path: Path) -> None:
    program = tmp_path / "told" / "alert.sh"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ncat > taken\n")
    program.chmod(0o700)
    call(("told/alert.sh",), CONTENT, folder=tmp_path)
    assert (tmp_path / "taken").read_bytes() == CONTENT


def test_one_that_does_not_read_or_talks_much_is_no_trouble(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    call(python("print('x' * 1_000_000)"), CONTENT * 50_000, folder=tmp_path)
    assert capfd.readouterr() == ("", "")


def test_how_it_ends_is_told_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(NotTaken) as caught:
        call(python("raise SystemExit(3)"), CONTENT, folder=tmp_path)
    assert caught.value.code == "ended-3"


@pytest.mark.parametrize("program", ["no-such-program", "./no-such-program", "~nobody-is-called-so/x", "a folder/"])
def test_one_that_is_not_there_is_named(tmp_path: Path, program: str) -> None:
    (tmp_path / "a folder").mkdir()
    with pytest.raises(Unavailable, match="no program"):
        call((program,), CONTENT, folder=tmp_path)


def test_one_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"\x7fELF, but not really")
    (tmp_path / "broken").chmod(0o700)
    with pytest.raises(Unavailable, match="cannot be run"):
        call(("./broken",), CONTENT, folder=tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="looks for the processes by a pipe that they hold")
def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    reading = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    script = "exec 3> held; echo . >&3; sleep 600 & echo . >&3; wait"
    try:
        with pytest.raises(Unavailable, match="took longer than 1 s, and was killed"):
            call(("sh", "-c", script), CONTENT, folder=tmp_path, timeout=1)
        said = b""
        while select.select([reading], [], [], 10)[0] and (more := os.read(reading, 100)):
            said += more
        assert said.split() == [b".", b"."]
        assert os.read(reading, 1) == b"", "nobody holds the pipe any more"
    finally:
        os.close(reading)
