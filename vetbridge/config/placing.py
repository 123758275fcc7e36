"""Writes several files so that all of them appear, or none."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vetbridge.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A file that is to appear. ``private``: its owner alone reads it."""

    path: Path
    content: str
    private: bool = False


def place_all(files: Sequence[Placed]) -> None:
    """Writes all files, each whole; one that was there is kept as NAME.bak. Whatever ends it early, nothing changes.

    Raises ``ConfigError`` where one cannot be written.
    """
    fresh: list[tuple[Placed, Path]] = []
    undo: list[tuple[Path, Path | None]] = []
    folders: list[Path] = []
    try:
        for file in files:
            _make(file.path.parent, folders)
            beside = file.path.with_name(f".{file.path.name}.{secrets.token_hex(4)}")
            fresh.append((file, beside))
            mode = 0o600 if file.private else 0o640
            with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as opened:
                opened.write(file.content.encode())
                opened.flush()
                os.fsync(opened.fileno())
        for file, beside in fresh:
            kept = None
            if file.path.exists():
                kept = file.path.with_name(f"{file.path.name}.bak")
                undo.append((file.path, kept))
                file.path.replace(kept)
            else:
                undo.append((file.path, None))
            beside.replace(file.path)
    except BaseException as error:
        for path, kept in reversed(undo):
            with suppress(OSError):
                path.unlink(missing_ok=True) if kept is None else kept.replace(path)
        for _, beside in fresh:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        for folder in reversed(folders):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise ConfigError(f"{error.filename} cannot be written ({error.strerror}); nothing was changed") from None
        raise


def _make(folder: Path, made: list[Path]) -> None:
    """Makes a folder with those above it, for its owner alone; notes which were made."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=0o750)
        made.append(each)
