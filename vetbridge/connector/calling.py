"""Calls a program of the operator's with JSON on its standard input: no shell, a time limit, output dropped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vetbridge.connector.telling import NotTaken
from vetbridge.core.errors import Unavailable

TIMEOUT = 30.0
"""Seconds that a program has."""


def program(command: Sequence[str], folder: Path) -> str:
    """The command's program: a name is searched for as usual, a path starts at the config's folder.

    Raises ``Unavailable`` where there is none.
    """
    name = command[0]
    if {"/", os.sep} & set(name):
        with contextlib.suppress(RuntimeError):  # there is no such home
            name = str(Path(name).expanduser())
        name = str((folder / name).absolute())
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"there is no program {command[0]!r} that could be run")
    return found


def call(command: Sequence[str], content: bytes, *, folder: Path, timeout: float = TIMEOUT) -> None:
    """Runs it in ``folder`` to its end.

    Raises ``Unavailable`` where it cannot be run or takes too long (then it is killed, with what it started), and
    ``NotTaken`` where it ends with anything but 0.
    """
    name = command[0]
    try:
        running = subprocess.Popen(  # noqa: S603 - the operator's own config names the program; no shell
            [program(command, folder), *command[1:]],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what it starts is killed with it
        )
    except (OSError, ValueError) as error:
        raise Unavailable(f"the program {name!r} cannot be run ({type(error).__name__})") from None
    try:
        running.communicate(content, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the program {name!r} took longer than {timeout:g} s, and was killed") from None
    finally:
        if running.returncode is None:
            _kill(running)
    if running.returncode != 0:
        raise NotTaken(f"the program {name!r} ended with {running.returncode}", code=f"ended-{running.returncode}")


def _kill(running: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(running.pid, signal.SIGKILL)
        else:
            subprocess.run(  # noqa: S603 - a number is all that is put in
                ["taskkill", "/T", "/F", "/PID", str(running.pid)],  # noqa: S607 - Windows' own
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
    running.kill()
    if running.stdin is not None:
        with contextlib.suppress(OSError):
            running.stdin.close()
    running.wait()
