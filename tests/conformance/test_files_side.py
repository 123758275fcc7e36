"""The connector ``files`` under the conformance suite: people edit tables, and write them anew into the folder."""

from __future__ import annotations

import atexit
import copy
import csv
import json
import shutil
import tempfile
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Self

from connectors.files.connector import Files
from connectors.files.options import FilesOptions
from connectors.files.profile import FilesProfile
from vetbridge.connector.interface import Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.profiles import load_profile
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.suite import ConnectorSuite, Fault, Subject

COLUMNS: Mapping[Kind, Mapping[str, str]] = {
    Kind.CLIENT: {
        "client_id": "id",
        "first_name": "given_name",
        "last_name": "family_name",
        "phone": "phones",
        "email": "emails",
    },
    Kind.PET: {
        "pet_id": "id",
        "client_id": "client_id",
        "name": "name",
        "species": "species",
        "sex": "sex",
        "birth_date": "birth_date",
    },
    Kind.APPOINTMENT: {
        "appointment_id": "id",
        "client_id": "client_id",
        "pet_id": "pet_id",
        "start": "start",
        "minutes": "duration",
        "status": "status",
        "type": "appointment_type",
        "vet": "resource",
        "notes": "notes",
    },
    Kind.REMINDER: {"reminder_id": "id", "pet_id": "pet_id", "code": "service", "name": "name", "due_on": "due_on"},
}
"""The columns of the tables, by the neutral profile's names, with the canonical field of each."""
CODES: Mapping[str, Mapping[str, Any]] = {
    "species": {"dog": "D", "cat": "C"},
    "sex": {"female": "F", "male_neutered": "MN"},
    "status": {"booked": "Booked", "confirmed": "Confirmed"},
    "appointment_type": {"vaccination": "Vacc", "checkup": "Check"},
    "resource": {"vet_1": "1", "vet_2": "2"},
}


@cache
def prepared() -> tuple[Path, Mapping[Kind, Mapping[str, Mapping[str, str]]], FilesProfile, Mapper]:
    """A folder into which forty clients with their pets came already, its tables, and what it is read by.

    The profile is the neutral one, with the practice's codes.
    """
    place = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    lists = {name: {code: word for word, code in words.items()} for name, words in CODES.items()}
    text = f"{resources.files('connectors.files').joinpath('neutral.yaml').read_text()}\ncodes: {json.dumps(lists)}\n"
    (place / "site.yaml").write_text(text)
    profile = load_profile(FilesProfile, place / "site.yaml", "files")
    mapper = Mapper(load_table("neutral"), zone=FilesSubject.zone, country="GB", codes=CODES)
    subject = FilesSubject(place / "folder", {kind: {} for kind in COLUMNS}, profile, mapper)
    for number in range(40):
        owner = subject.enter(Kind.CLIENT, {"last_name": f"Seed {number}", "phone": f"020 7946 {number:04}"})
        pet = {
            "client_id": owner,
            "name": f"Pet {number}",
            "species": "DC"[number % 2],
            "sex": ("F", "MN")[number % 2],
        }
        subject.enter(Kind.PET, pet)
    for kind in COLUMNS:
        subject.write(kind)
    return subject.folder, subject.tables, profile, mapper


class FilesSubject(Subject):
    """A folder, and people who write every change of their tables into it at once."""

    faults: frozenset[Fault] = frozenset()
    enters = frozenset(COLUMNS)

    def __init__(
        self, folder: Path, tables: dict[Kind, dict[str, dict[str, str]]], profile: FilesProfile, mapper: Mapper
    ) -> None:
        self.clock = FakeClock()
        self.folder = folder
        self.tables = tables
        self.mapper = mapper
        self.looks = 0
        self._profile = profile
        (folder / "in").mkdir(parents=True, exist_ok=True)
        self.connector = self.restarted()

    @classmethod
    def fresh(cls) -> Self:
        folder, tables, profile, mapper = prepared()
        place = Path(tempfile.mkdtemp())
        shutil.copytree(folder, place, dirs_exist_ok=True)
        return cls(place, copy.deepcopy(dict(tables)), profile, mapper)  # type: ignore[arg-type]

    def restarted(self) -> Files:
        options = FilesOptions(folder=self.folder, profile="neutral", settle=0, page_size=10, out="csv")
        environment = Environment(account="under-test", zone=self.zone, country="GB", clock=self.clock)
        made = Files(self._profile, options, environment)
        take = made._inbox.take

        def counted() -> None:
            self.looks += 1
            take()

        made._inbox.take = counted  # type: ignore[method-assign]
        return made

    def fault(self, fault: Fault | None) -> None:
        assert fault is None

    def requests(self) -> int:
        return self.looks

    def writes(self) -> int:
        return self.handed()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        del self.tables[kind][id]
        self.write(kind)
        return True

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        if kind not in COLUMNS:
            return None
        id_ = self.enter(kind, {column: self._text(values.get(name)) for column, name in COLUMNS[kind].items()})
        self.write(kind)
        return id_

    def handed(self) -> int:
        return sum(1 for each in (self.folder / "out").glob("*") if ".recalled" not in each.name)

    def carry_out(self, write: Write) -> str | None:
        names = {name: column for column, name in COLUMNS[write.kind].items()}
        row = {names[name]: self._cell(name, value) for name, value in write.native.items() if name in names}
        if write.operation is Operation.CREATE:
            id_ = self.enter(write.kind, row)
        else:
            id_ = write.id or ""
            self.tables[write.kind][id_] |= row
        if write.operation is Operation.CANCEL:
            self.tables[write.kind][id_]["status"] = "deleted"
        self.write(write.kind)
        return id_

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder)

    def enter(self, kind: Kind, row: Mapping[str, str]) -> str:
        id_ = f"{kind.value}-{len(self.tables[kind]) + 1}"
        self.tables[kind][id_] = {next(iter(COLUMNS[kind])): id_, **{name: row[name] for name in row if row[name]}}
        self.tables[kind][id_][next(iter(COLUMNS[kind]))] = id_
        return id_

    def write(self, kind: Kind) -> None:
        """Writes the whole table as a new file; the connector takes it in."""
        path = self.folder / "in" / f"{kind.value}s.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(COLUMNS[kind]), delimiter=";", restval="")
            writer.writeheader()
            writer.writerows(self.tables[kind].values())
        looks = self.looks
        next(iter(self.connector.changes(kind, None)))
        self.looks = looks

    def _cell(self, name: str, value: Any) -> str:
        return str(value // 60) if name == "duration" else str(value)

    def _text(self, value: Any) -> str:
        """A canonical value as the practice writes it."""
        if isinstance(value, Instant):
            return f"{value.at_site():%Y-%m-%d %H:%M}"
        if isinstance(value, int):
            return str(value // 60)
        if isinstance(value, tuple):
            return ", ".join(value)
        if isinstance(value, date):
            return value.isoformat()
        known = {str(word): str(code) for words in CODES.values() for word, code in words.items()}
        return "" if value is None else known.get(str(value), str(value))


class TestFiles(ConnectorSuite):
    not_kept: ClassVar = {Kind.APPOINTMENT: frozenset({"cancel_reason"})}

    def make(self) -> Subject:
        return FilesSubject.fresh()
