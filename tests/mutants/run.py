"""Breaks the code on purpose, one patch at a time, and says whether a test notices.

A law that no test would miss is a law in words only. Each ``*.patch`` in this folder takes one away. Its head says:

    # what: a lost answer is not looked for before the write is sent again
    # test: tests/unit/sync/test_engine.py::test_lost_answers_write_nothing_twice

Then comes the change, as ``git diff`` writes it. Each patch is applied to a copy of the tree, never to the tree; its
tests run there, and must be green before it and red after it.

``python -m tests.mutants.run`` runs all of them, with names as arguments only those. Ends with 1 where a mutant
survived, or a patch does not apply.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent
CODE = ("vetbridge", "connectors", "mappings")
COPIED = (*CODE, "tests", "docs", "pyproject.toml", "config.example.yaml")
TESTS_FAILED = 1
"""What pytest ends with where tests ran and some were red. Any other failure: the patch broke more than a law."""
LONGEST = 120.0
"""Seconds that one mutant's tests may take; one that hangs them has been noticed."""

_HEAD = re.compile(r"^# (what|test): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Mutant:
    """One patch, in words, and the tests that it must turn red."""

    path: Path
    what: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant. ``trouble`` is empty where it was killed."""

    mutant: Mutant
    trouble: str
    seconds: float


def mutant(path: Path) -> Mutant:
    """Reads the head of a patch. Raises ValueError where it does not say what it breaks, or names no test."""
    head = path.read_text(encoding="utf-8").partition("\ndiff --git ")[0]
    said: dict[str, list[str]] = {"what": [], "test": []}
    for key, value in _HEAD.findall(head):
        said[key].append(value.strip())
    if not all(said.values()):
        raise ValueError(f"{path.name}: its head must say '# what: ...' and '# test: ...' before the change")
    return Mutant(path, " ".join(said["what"]), tuple(said["test"]))


def mutants(names: Collection[str] = ()) -> list[Mutant]:
    """The patches of this folder by name; all where no name is given. Raises ValueError for a name that is none."""
    found = [mutant(path) for path in sorted(FOLDER.glob("*.patch"))]
    unknown = set(names) - {one.name for one in found}
    if unknown:
        raise ValueError(f"no patch is called {', '.join(sorted(unknown))}")
    return [one for one in found if not names or one.name in names]


def copy_tree(folder: Path) -> Path:
    """A copy of the tree. Compiled files come along: they hold the source's time, so a patched one is read anew."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns(".hypothesis"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def environment(copy: Path) -> dict[str, str]:
    """The copy comes before what is installed."""
    return {**os.environ, "PYTHONPATH": str(copy)}


def require_own_code(copy: Path) -> None:
    """Raises RuntimeError unless the copy's code is what its tests import: else every mutant would survive unseen."""
    script = f"import {', '.join(CODE)}; print(*({', '.join(f'{name}.__file__' for name in CODE)},), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=copy, env=environment(copy), capture_output=True, text=True, check=True
    )
    strange = [line for line in done.stdout.split("\n") if line and not Path(line).is_relative_to(copy)]
    if strange:
        raise RuntimeError(f"not the copy's code is imported, but {strange[0]}")


def run_tests(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Runs tests in a copy; returns pytest's exit code and what it said. A hang counts as red."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment(copy), capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return TESTS_FAILED, f"they took longer than {LONGEST:.0f} s"
    return done.returncode, done.stdout + done.stderr


def apply(one: Mutant, copy: Path) -> str:
    """Applies a patch to a copy; returns why it does not fit, else nothing."""
    done = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", str(one.path)],
        cwd=copy,
        # A folder of Git's above the copy would make it skip files that are not its own.
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


def judge(one: Mutant) -> Outcome:
    """Breaks a fresh copy with one patch, and runs its tests there."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy = copy_tree(Path(name).resolve())
        trouble = apply(one, copy)
        if trouble:
            trouble = f"does not apply: {trouble}"
        else:
            code, said = run_tests(copy, one.tests)
            if code == 0:
                trouble = f"SURVIVED: {', '.join(one.tests)} stayed green"
            elif code != TESTS_FAILED:
                trouble = f"broke more than a law (pytest ended with {code}):\n{said}"
    return Outcome(one, trouble, time.monotonic() - began)


def require_green(chosen: Sequence[Mutant]) -> str:
    """Runs every named test on an unbroken copy; returns what is red there, else nothing."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy = copy_tree(Path(name).resolve())
        require_own_code(copy)
        code, said = run_tests(copy, list(dict.fromkeys(test for one in chosen for test in one.tests)))
    return said if code else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Judges the mutants and says what became of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="names of patches, without .patch; all where none is given")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    try:
        chosen = mutants(given.names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if red := require_green(chosen):
        print(red)
        print("red without any patch: mend that first", file=sys.stderr)
        return 1
    with ThreadPoolExecutor(given.workers) as pool:
        outcomes = []
        for outcome in pool.map(judge, chosen):
            outcomes.append(outcome)
            word = outcome.trouble or f"killed in {outcome.seconds:.1f} s"
            print(f"{outcome.mutant.name:24} {outcome.mutant.what}\n{'':24} {word}", flush=True)
    alive = sum(bool(outcome.trouble) for outcome in outcomes)
    print(f"{len(outcomes) - alive} of {len(outcomes)} killed")
    return 1 if alive or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
