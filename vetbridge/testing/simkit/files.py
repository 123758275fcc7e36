"""Contents of files that a simulator keeps: on disk, beside its store, so that many large ones take no memory."""

from __future__ import annotations

import re
import tempfile
import uuid
from pathlib import Path

_NAME = re.compile(r"[0-9a-f]{32}")


class Files:
    """Contents by a name that each is given. ``folder`` None: a temporary one, which goes with ``close``."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._passing: tempfile.TemporaryDirectory[str] | None = None

    def keep(self, content: bytes) -> str:
        """Keeps a content for good; the name is for a row of the store."""
        name = uuid.uuid4().hex
        (self._place() / name).write_bytes(content)
        return name

    def read(self, name: str) -> bytes:
        """A content that was kept. Raises ``FileNotFoundError``."""
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(name)
        return (self._place() / name).read_bytes()

    def close(self) -> None:
        """Takes the temporary folder away."""
        if self._passing is not None:
            self._passing.cleanup()
            self._passing = None

    def _place(self) -> Path:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            return self._folder
        if self._passing is None:
            self._passing = tempfile.TemporaryDirectory(prefix="vetbridge-simulator-")
        return Path(self._passing.name)
