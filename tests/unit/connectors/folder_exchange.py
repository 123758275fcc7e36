"""A folder into which a practice writes tables, and the connector that takes them in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.files.connector import Files
from connectors.files.options import FilesOptions
from connectors.files.profile import FilesProfile
from vetbridge.connector.interface import Found, Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock

PROFILE: Mapping[str, Any] = {
    "title": "Acme Vet",
    "proven": "made up",
    "kinds": {
        "client": {
            "files": ["clients*.*"],
            "fields": {
                "id": "Id",
                "given_name": {"column": "First", "optional": True},
                "family_name": {"column": "Last", "required": True},
                "phones": {"all": ["Phone", "Mobile"], "optional": True},
                "emails": {"column": "Mail", "optional": True},
                "active": {"column": "Active", "optional": True},
            },
        },
        "appointment": {
            "files": ["visits*.*"],
            "fields": {
                "id": ["Id", "ID"],
                "client_id": {"column": "Client", "optional": True},
                "start": ["Start", "DTSTART"],
                "end": {"column": ["End", "DTEND"], "optional": True},
                "duration": {"column": "Minutes", "optional": True},
                "notes": {"column": ["Notes", "DESCRIPTION"], "optional": True},
            },
        },
    },
}
OLD = 1_700_000_000
"""Seconds since 1970: when the first file was written; each one after it a minute later."""


class Exchange:
    """One folder, with a clock that stands."""

    def __init__(self, folder: Path, profile: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self._profile = FilesProfile.model_validate(profile or PROFILE)
        self._options = {"settle": 0, "page_size": 2, **options}
        self._written = OLD
        (folder / "in").mkdir(parents=True, exist_ok=True)
        self.files = self.another()

    def another(self, **options: Any) -> Files:
        """A connector of the same account, as after a restart."""
        given = FilesOptions(folder=self.folder, profile="neutral", **{**self._options, **options})
        environment = Environment(account="acme", zone="Europe/Berlin", country="DE", clock=self.clock)
        return Files(self._profile, given, environment)

    def put(self, name: str, content: str | bytes, *, written: int | None = None) -> Path:
        """Somebody writes a file, a minute after the last one."""
        path = self.folder / "in" / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self._written += 60
        when = self._written if written is None else written
        os.utime(path, (when, when))
        return path

    def told(self, kind: Kind = Kind.CLIENT, since: str | None = None) -> dict[str, Found]:
        """What changes tell, after they took in what lies there."""
        return {each.id: each for page in self.files.changes(kind, since) for each in page.records}

    def cursor(self, kind: Kind = Kind.CLIENT) -> str:
        """Where changes stand now."""
        return list(self.files.changes(kind, None))[-1].cursor

    def ids(self, kind: Kind = Kind.CLIENT) -> list[str]:
        """Ids of the records that are there."""
        return sorted(self.told(kind))

    def lying(self, name: str) -> list[str]:
        """What lies in one of the folders."""
        return sorted(each.name for each in (self.folder / name).iterdir() if not each.name.startswith("."))

    def reason(self, name: str) -> str:
        """Why a file was put aside."""
        return (self.folder / "errors" / f"{name}.reason.txt").read_text("utf-8")

    def rejected(self, name: str) -> str:
        """The rows of a file that were refused."""
        return (self.folder / "errors" / f"{name}.rejected.csv").read_text("utf-8")


def clients(*rows: str, header: str = "Id,First,Last,Phone,Mail") -> str:
    """A table of clients."""
    return "\r\n".join([header, *rows, ""])


def visits(*rows: str) -> str:
    """A table of visits."""
    return "\r\n".join(["Id;Client;Start;Minutes;Notes", *rows, ""])


def write(operation: Operation, key: str, id_: str | None = None, **native: Any) -> Write:
    """A write of a visit."""
    return Write(operation=operation, kind=Kind.APPOINTMENT, id=id_, native=native, key=key)
