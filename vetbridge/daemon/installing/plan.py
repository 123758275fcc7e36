"""What an installation does, as data: it is shown before it is done, and tested on any machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from vetbridge.config.loader import Loaded
from vetbridge.config.models import Config
from vetbridge.config.secrets import Secret

NAME = "vetbridge"
"""Of the service and of its account."""
DESCRIPTION = "VetBridge keeps online bookings and the practice system in agreement"
LOW_PORT = 1024
"""Ports below this one are the system's."""
COMMAND_TIMEOUT = 120.0
"""Seconds that a command of the system may take."""


class InstallFailed(Exception):
    """A step of an installation failed, or may not be taken. The text names it and what to do.

    What is already as it should be is left as it is: the same command can be run again.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the service is to run, and what it may touch."""

    program: tuple[str, ...]
    """VetBridge's own command, without arguments."""
    interpreter: Path | None = None
    """The Python that runs it, where it really stands: a virtual environment only points at it."""
    config: Path
    ledger: Path | None
    """The ledger's file; None where it is a database."""
    secrets: tuple[Path, ...] = ()
    """Files that the service must be able to read, and nobody else is to."""
    public: tuple[Path, ...] = ()
    """Certificates that it must be able to read. One beside the config is VetBridge's own; others may be those of the
    whole machine, whose rights stay as they are."""
    variables: tuple[str, ...] = ()
    """Environment variables that hold secrets or change the config, which a service does not have by itself."""
    written: tuple[Path, ...] = ()
    """Folders that it writes to: those of ledger, log and backups."""
    exchanged: tuple[Path, ...] = ()
    """Folders of accounts in which it and others work: whose they are, and their rights, stay as they are."""
    log: Path | None = None
    """The config's ``log.file``."""
    low_ports: bool = False
    """It listens at a port below 1024, which takes a right of its own."""

    def own_files(self) -> tuple[Path, ...]:
        """What the service reads and nobody else needs to: its config, its secrets, the certificates beside them."""
        home = self.config.parent
        return (self.config, *self.secrets, *(path for path in self.public if path.is_relative_to(home)))

    def own_folders(self) -> tuple[Path, ...]:
        """The config's folder, and those inside it that the service passes to get at its files."""
        home = self.config.parent
        inside = [folder for path in self.own_files() for folder in path.parents if folder.is_relative_to(home)]
        return tuple(dict.fromkeys([home, *inside]))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file that is written, over one of the same name."""

    path: Path
    content: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder that is made where there is none."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A file that is removed, where it is there."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of the system; no shell."""

    words: tuple[str, ...]
    why: str
    may_fail: bool = False
    """It is no trouble where there was nothing to do."""


Step = NewFile | Folder | Gone | Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps in their order, and what a person should know."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    stays: tuple[Path, ...] = ()
    """What a removal leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command answered."""

    code: int
    output: str = ""


Run = Callable[[Sequence[str]], Done]
"""Runs one command of the system; a program that is not there answers 127."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the service stands."""

    platform: str
    installed: bool
    enabled: bool
    """It starts with the machine."""
    running: bool
    says: str
    """What the service manager calls it."""
    definition: Path
    """Where the service is defined."""
    facts: dict[str, str] = field(default_factory=dict)
    """More that the service manager tells, by its own words."""


def setup_of(loaded: Loaded) -> Setup:
    """What the service of a config is to run. Raises ``ConfigError`` where the ledger's address cannot be read."""
    config = loaded.config
    found = [(place, value) for place, value in loaded.values() if isinstance(value, Secret)]
    secrets = [path.absolute() for _, value in found if (path := value.path) is not None]
    tls = None if config.pages is None else config.pages.tls
    keys, certificates = ((tls.key,), (tls.certificate,)) if tls is not None else ((), ())
    public = [file for file in (config.network.ca, *certificates) if file is not None]
    variables = {value.where.removeprefix("env ") for _, value in found if value.kind == "env"}
    variables |= {
        origin.where for place, _ in loaded.values() if (origin := loaded.origin(place)).kind == "environment"
    }
    ledger = None if config.ledger.database is not None else config.ledger.path.absolute()
    written = [
        *([ledger.parent] if ledger is not None else []),
        *([config.log.file.absolute().parent] if config.log.file is not None else []),
        *([config.backup.folder.absolute()] if config.backup is not None else []),
    ]
    return Setup(
        program=own_program(),
        interpreter=Path(sys.executable).resolve(),
        config=loaded.path,
        ledger=ledger,
        secrets=tuple(dict.fromkeys([*secrets, *(key.absolute() for key in keys)])),
        public=tuple(dict.fromkeys(file.absolute() for file in public)),
        variables=tuple(sorted(variables)),
        written=tuple(dict.fromkeys(written)),
        exchanged=tuple(sorted({folder.absolute() for folder in _exchanged(config)})),
        log=None if config.log.file is None else config.log.file.absolute(),
        low_ports=any(0 < part.port < LOW_PORT for part in (config.door, config.pages) if part is not None),
    )


def _exchanged(config: Config) -> Iterator[Path]:
    """The options of accounts and of their parts that are folders."""
    for account in config.accounts.values():
        for options in (account.options, *(part.options for part in account.parts.values())):
            if isinstance(options, BaseModel):
                fields = type(options).model_fields
                values = (getattr(options, name) for name, field in fields.items() if field.annotation is Path)
                yield from (value for value in values if isinstance(value, Path))


def exchange_notes(setup: Setup, account: str) -> Iterator[str]:
    """What a person has to see to in folders in which others work, too. ``account``: the service's."""
    for path in setup.exchanged:
        yield (
            f"{path} is not VetBridge's alone, so its rights stay as they are. Let {account} own the folders in it, "
            "and whoever exports write into the one that is called in."
        )


def must_own_its_folders(setup: Setup) -> None:
    """Raises ``InstallFailed`` where what the service is to own holds its config, or things of others, and where the
    config stands among those."""
    for path in setup.written:
        if setup.config.is_relative_to(path):
            raise InstallFailed(
                f"VetBridge writes to {path}, where its config stands: it could change that. Set ledger.path (or "
                "log.file, backup.folder) to a folder of its own"
            )
        others = _others(path, setup)
        if others:
            raise InstallFailed(
                f"{path} would become the service's alone, and holds {others} beside; give VetBridge a folder of its "
                f"own, such as {path / NAME}"
            )
    home = setup.config.parent
    if others := _others(home, setup):
        raise InstallFailed(
            f"{home} would be closed to all but the service, and holds {others} beside; give the config a folder of "
            f"its own, such as {home / NAME}"
        )


def _others(folder: Path, setup: Setup) -> str:
    """The name of something in a folder that is not VetBridge's; "" where there is none."""
    if NAME in folder.name.casefold():
        return ""
    mine = [NAME, *(path.name for path in (setup.ledger, setup.log) if path is not None)]
    known = (*setup.own_files(), *setup.written)
    mine += [path.relative_to(folder).parts[0] for path in known if folder in path.parents]
    try:
        return next((each.name for each in sorted(folder.iterdir()) if not each.name.startswith(tuple(mine))), "")
    except OSError:  # there is none yet
        return ""


def own_program() -> tuple[str, ...]:
    """The command that started this VetBridge: its script beside the interpreter, else the module."""
    script = Path(sys.executable).with_name(NAME)
    if os.name == "posix" and script.exists():
        return (str(script),)
    return (sys.executable, "-m", "vetbridge.cli.main")


def run_here(words: Sequence[str]) -> Done:
    """Runs a command on this machine. What it prints is kept, for whoever is told that it failed."""
    try:
        done = subprocess.run(  # noqa: S603 - the words are this program's own; no shell
            list(words), capture_output=True, text=True, errors="replace", timeout=COMMAND_TIMEOUT, check=False
        )
    except FileNotFoundError:
        return Done(code=127, output=f"{words[0]} is not installed here")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Done(code=126, output=f"{words[0]}: {type(error).__name__}")
    return Done(code=done.returncode, output=(done.stdout + done.stderr).strip())


def carry_out(plan: Plan, run: Run) -> None:
    """Does every step in its order. Raises ``InstallFailed`` at the first that fails."""
    for step in plan.steps:
        match step:
            case NewFile():
                _write(step)
            case Folder():
                _make(step.path)
            case Gone():
                _remove(step.path)
            case Command():
                done = run(step.words)
                if done.code and not step.may_fail:
                    said = f": {done.output}" if done.output else ""
                    raise InstallFailed(f"`{' '.join(step.words)}` ended with {done.code}{said}")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InstallFailed(f"the folder {folder} cannot be made ({error.strerror})") from None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InstallFailed(f"{path} cannot be removed ({error.strerror})") from None


def _write(file: NewFile) -> None:
    """Writes a file beside its place, then moves it there: nobody reads half of it."""
    fresh = file.path.with_name(f".{file.path.name}.new")
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, file.mode), "wb") as opened:
            opened.write(file.content.encode())
        fresh.chmod(file.mode)
        fresh.replace(file.path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise InstallFailed(f"{file.path} cannot be written ({error.strerror})") from None
