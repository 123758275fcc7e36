"""How fast a clinic's clients and pets come from files into the ledger's mirror, in how much memory.

``python -m bench.mirror [--owners 100000]``: makes a clinic of that size and measures it in a process of its own
``python -m bench.mirror --world DIR --country GB [--json]``: a clinic that is there, in this process

Files are read as ``match eval`` reads them, pets first. Two limits are measured in the same run, on the same disk:
reading the files alone, and writing what was read as JSON into a table of an SQLite file, each batch made durable.
Memory is the process's peak, with all that was imported. Goal: 5,000 records a second within 300 MiB.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from bench.matching.clinics import COUNTRIES, MadeClinic
from bench.matching.parts import Part, PartFailed, run, say
from vetbridge.connector.clock import SystemClock
from vetbridge.core.records import Client, Pet
from vetbridge.desk import clinic_files
from vetbridge.desk.clinic_files import FileReport
from vetbridge.ledger import accounts, mirror
from vetbridge.ledger.content import plain
from vetbridge.ledger.database import open_ledger
from vetbridge.ledger.sealing import new_key

SOURCES = ("bench/mirror.py", "vetbridge/core", "vetbridge/ledger", "vetbridge/desk/clinic_files.py")
"""What decides the figures, beside the machine."""

_ACCOUNT = "clinic"
_BATCH = 5_000
_LOCALE = "en"


@dataclass(frozen=True, slots=True)
class Imported:
    """The figures of one clinic. Records are clients and pets; memory in MiB."""

    records: int
    seconds: float
    cpu_seconds: float
    """Of the same work: what it would take on a machine with nothing else to do and a quick disk."""
    files_per_second: float
    """Reading the files alone."""
    sqlite_per_second: float
    """Reading them, and writing them as JSON."""
    bytes_per_record: float
    peak: float

    @property
    def per_second(self) -> float:
        """Records a second, from the files until they are durable and can be found."""
        return self.records / self.seconds


def measure(world: Path, country: str) -> Imported:
    """Measures one clinic. Raises ``UnusableFile`` where its files cannot be used."""
    with tempfile.TemporaryDirectory(prefix="vetbridge-mirror-") as folder:
        file = Path(folder) / "ledger.db"
        start, cpu_start = time.perf_counter(), time.process_time()
        records = imported(world, country, file)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = file.stat().st_size
        start = time.perf_counter()
        read = sum(1 for _ in _records(world))
        files = time.perf_counter() - start
        start = time.perf_counter()
        _written(world, Path(folder) / "raw.db")
        written = time.perf_counter() - start
    return Imported(records, seconds, cpu_seconds, read / files, read / written, size / max(records, 1), peak)


def imported(world: Path, country: str, file: Path) -> int:
    """Puts a clinic's clients and pets into the mirror of a new ledger; returns how many there are."""
    count = 0
    with closing(open_ledger(file, new_key(), SystemClock())) as ledger:
        with ledger.write() as tx:
            accounts.enrol(tx, _ACCOUNT, "files", country=country)
        records = _records(world)
        while batch := list(islice(records, _BATCH)):
            with ledger.write() as tx:
                count += mirror.put(tx, _ACCOUNT, batch).read
    return count


def _records(world: Path) -> Iterator[Client | Pet]:
    """Pets go first, as in a first reading: what a client is matched by is then made once, when the client comes."""
    owners = world / "owners.csv"
    yield from clinic_files.pets(FileReport(world / "patients.csv"), clinic_files.owner_ids(owners))
    yield from clinic_files.clients(FileReport(owners))


def _written(world: Path, file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(
            "CREATE TABLE record (kind TEXT, id TEXT, content TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )
        records = _records(world)
        while batch := list(islice(records, _BATCH)):
            with database:
                rows = ((type(one).__name__, one.id, json.dumps(plain(one))) for one in batch)
                database.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)


def part(world: Part, country: str) -> Part:
    """Measuring that world, in a process of its own."""
    command = ("bench.mirror", f"--world={world.folder}", f"--country={country}", "--json")
    return Part("mirror", world.folder, command, SOURCES, after=(world,))


def words(found: Imported) -> str:
    """The figures as text."""
    of_cpu = found.records / found.cpu_seconds
    return (
        f"{found.records:,} records: {found.per_second:,.0f}/s, {of_cpu:,.0f} in a second of the processor, "
        f"{found.peak:.0f} MiB at the peak, {found.bytes_per_record:,.0f} bytes of ledger a record\n"
        f"of reading the files alone ({found.files_per_second:,.0f}/s): "
        f"{found.per_second / found.files_per_second:.3f}\n"
        f"of writing them as JSON ({found.sqlite_per_second:,.0f}/s): "
        f"{found.per_second / found.sqlite_per_second:.3f}"
    )


def _profiled(world: Path, country: str) -> None:
    """Prints where the time goes, on standard error."""
    with tempfile.TemporaryDirectory(prefix="vetbridge-mirror-") as folder, cProfile.Profile() as profile:
        imported(world, country, Path(folder) / "ledger.db")
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)


def main() -> int:
    """Prints the figures of one clinic; 1 where a part failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.mirror", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--owners", type=int, default=100_000, metavar="N")
    parser.add_argument("--world", type=Path, metavar="DIR")
    parser.add_argument("--country", default=COUNTRIES[_LOCALE])
    parser.add_argument("--profile", action="store_true", help="of --world: where the time goes, and nothing else")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.world and given.profile:
        _profiled(given.world, given.country)
        return 0
    if given.world:
        found = measure(given.world, given.country)
    else:
        with tempfile.TemporaryDirectory(prefix="vetbridge-mirror-") as folder:
            clinic = MadeClinic(_LOCALE, "test", given.owners, 1, seed=1)
            made = clinic.making(Path(folder))
            try:
                run(made)
                found = Imported(**json.loads(run(part(made, clinic.country)).text))
            except PartFailed as error:
                say(str(error))
                return 1
    print(json.dumps(asdict(found)) if given.json else words(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
