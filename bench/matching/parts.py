"""The parts of a long run: each a process of its own, measured, and not done again while its inputs are the same.

A part's inputs are its command, the sources that decide what comes out, and the parts whose outcome it reads. Beside
what it makes, a folder holds what it printed (``NAME.out``) and how it went (``NAME.done``).
"""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ENDINGS = (".py", ".toml", ".gz")


class PartFailed(Exception):
    """A part ended with another exit code than 0. The message names it and the code."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process. ``command`` is what stands behind ``python -m``, ``makes`` the files that are there afterwards.

    ``sources`` are files and folders of the project, relative to its root.
    """

    name: str
    folder: Path
    command: tuple[str, ...]
    sources: tuple[str, ...]
    makes: tuple[Path, ...] = ()
    after: tuple[Part, ...] = ()

    @property
    def printed(self) -> Path:
        """The file with its standard output."""
        return self.folder / f"{self.name}.out"

    @property
    def noted(self) -> Path:
        """The file that says how it went."""
        return self.folder / f"{self.name}.done"

    def inputs(self) -> str:
        """A digest of all that decides what comes out."""
        made_of = [
            *self.command,
            *(_digest(source) for source in self.sources),
            *(one.inputs() for one in self.after),
        ]
        return hashlib.sha256("\0".join(made_of).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Done:
    """How a part went: seconds, the memory peak of its process in MiB, and what it printed."""

    seconds: float
    peak: float
    text: str


def run(part: Part) -> Done:
    """Runs a part, unless it was run with the same inputs. Raises ``PartFailed``; its standard error is passed on."""
    inputs = part.inputs()
    if (found := _noted(part, inputs)) is not None:
        say(f"{part.folder.name}/{part.name}: done before")
        return found
    say(f"{part.folder.name}/{part.name}")
    part.folder.mkdir(parents=True, exist_ok=True)
    part.noted.unlink(missing_ok=True)
    took = part.folder / f"{part.name}.took"
    command = [sys.executable, "-m", "bench.matching.launch", str(took), *part.command]
    with part.printed.open("wb") as out:
        code = subprocess.run(command, stdout=out, stdin=subprocess.DEVNULL, cwd=ROOT, check=False).returncode
    if code:
        raise PartFailed(f"{part.folder.name}/{part.name} ended with {code}")
    note = {"inputs": inputs, **json.loads(took.read_text(encoding="utf-8"))}
    took.unlink()
    part.noted.write_text(json.dumps(note), encoding="utf-8")
    found = _noted(part, inputs)
    if found is None:
        raise PartFailed(f"{part.folder.name}/{part.name} did not make what it should")
    return found


def say(words: str) -> None:
    """A line of progress, with the time of day, on standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stderr.flush()


def _noted(part: Part, inputs: str) -> Done | None:
    if not all(path.exists() for path in (part.noted, part.printed, *part.makes)):
        return None
    note = json.loads(part.noted.read_text(encoding="utf-8"))
    if note["inputs"] != inputs:
        return None
    return Done(note["seconds"], note["peak"], part.printed.read_text(encoding="utf-8"))


@functools.cache
def _digest(source: str) -> str:
    """A digest of a file, or of all program text and data in a folder. Raises OSError where there is none."""
    path = ROOT / source
    files = sorted(one for one in path.rglob("*") if one.suffix in _ENDINGS) if path.is_dir() else [path]
    found = hashlib.sha256()
    for file in files:
        found.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()
