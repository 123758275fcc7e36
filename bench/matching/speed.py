"""How fast clients, pets and bookings go through the ledger, beside the database alone in the same run.

``python -m bench.matching.speed --owners 10000,100000[,1000000] [--bookings 5000]``: makes a clinic of each size
``python -m bench.matching.speed --world DIR --country GB``: a clinic that is there; prints an object of JSON

Import: all pets and clients are put into the mirror with their keys, terms and sealed forms; the baseline writes the
record alone, as JSON, into a table of an SQLite file. Booking: ``Matcher.match`` on that ledger, in one thread; the
baseline asks the ledger's table of keys, with plain sqlite3, for the same keys, which it is given.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from bench.matching.clinics import MadeClinic
from bench.matching.parts import Part, PartFailed, run, say
from bench.matching.score import percentile
from vetbridge.connector.clock import SystemClock
from vetbridge.core.matching import forms_of, keys
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.desk import clinic_files
from vetbridge.desk.clinic_files import Booking, FileReport
from vetbridge.ledger import accounts, mirror
from vetbridge.ledger.content import plain
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.matcher import Matcher
from vetbridge.ledger.sealing import new_key

BOOKINGS = 5_000
SOURCES = ("bench/matching/speed.py", "vetbridge/core", "vetbridge/ledger", "vetbridge/desk/clinic_files.py")
"""What decides the figures, beside the machine."""

_ACCOUNT = "clinic"
_BATCH = 5_000
_RAW_RECORDS = 50_000
"""Of more records than these the baseline writes no more: its speed does not change."""


@dataclass(frozen=True, slots=True)
class Speed:
    """The figures of one clinic. Records are clients and pets; times of a booking in milliseconds, memory in MiB.

    ``peak_import`` is the process's memory peak until all records were in, ``peak`` at the end.
    """

    owners: int
    records: int
    import_seconds: float
    raw_import_per_second: float
    bytes_per_owner: float
    peak_import: float
    bookings: int
    ms_p50: float
    ms_p99: float
    raw_ms_p50: float
    raw_ms_p99: float
    peak: float

    @property
    def import_per_second(self) -> float:
        """Clients and pets a second."""
        return self.records / self.import_seconds


def measure(world: Path, country: str, bookings: int = BOOKINGS) -> Speed:
    """Measures one clinic. Raises ``UnusableFile`` where its files cannot be used."""
    with tempfile.TemporaryDirectory(prefix="vetbridge-speed-") as folder:
        raw_import = _raw_import(Path(folder) / "raw.db", islice(_records(world), _RAW_RECORDS))
        file = Path(folder) / "ledger.db"
        with closing(open_ledger(file, new_key(), SystemClock())) as ledger:
            with ledger.write() as tx:
                accounts.enrol(tx, _ACCOUNT, "files", country=country)
            seconds = _import(ledger, _records(world))
            peak_import = _peak()
            asked = list(islice(clinic_files.bookings(FileReport(world / "bookings.jsonl")), bookings))
            raw = _raw_match(ledger, file, asked, country)
            times = _match(ledger, asked, country)
            with ledger.read() as tx:
                owners, pets = (mirror.count(tx, _ACCOUNT, kind) for kind in (Kind.CLIENT, Kind.PET))
        size = file.stat().st_size
    return Speed(
        owners=owners,
        records=owners + pets,
        import_seconds=seconds,
        raw_import_per_second=raw_import,
        bytes_per_owner=size / max(owners, 1),
        peak_import=peak_import,
        bookings=len(asked),
        ms_p50=percentile(times, 0.50) or 0.0,
        ms_p99=percentile(times, 0.99) or 0.0,
        raw_ms_p50=percentile(raw, 0.50) or 0.0,
        raw_ms_p99=percentile(raw, 0.99) or 0.0,
        peak=_peak(),
    )


def _records(world: Path) -> Iterator[Client | Pet]:
    """Pets go first, as in a first import: what a client is matched by is then made once, when the client comes."""
    owners = world / "owners.csv"
    yield from clinic_files.pets(FileReport(world / "patients.csv"), clinic_files.owner_ids(owners))
    yield from clinic_files.clients(FileReport(owners))


def _import(ledger: Ledger, records: Iterator[Client | Pet]) -> float:
    """Seconds for putting all records; reading the files is not counted."""
    seconds = 0.0
    while batch := list(islice(records, _BATCH)):
        start = time.perf_counter()
        with ledger.write() as tx:
            mirror.put(tx, _ACCOUNT, batch)
        seconds += time.perf_counter() - start
    return seconds


def _raw_import(file: Path, records: Iterator[Client | Pet]) -> float:
    """Records a second, written as JSON by their id in batches of the same size, each made durable."""
    seconds, count = 0.0, 0
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(
            "CREATE TABLE record (kind TEXT, id TEXT, content TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )
        while batch := list(islice(records, _BATCH)):
            start = time.perf_counter()
            with database:
                rows = ((type(one).__name__, one.id, json.dumps(plain(one))) for one in batch)
                database.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
            seconds += time.perf_counter() - start
            count += len(batch)
    return count / seconds if seconds else 0.0


def _match(ledger: Ledger, bookings: Iterable[Booking], country: str) -> list[float]:
    matcher = Matcher(ledger, _ACCOUNT, country=country)
    times = []
    for one in bookings:
        start = time.perf_counter()
        matcher.match(one.booker, one.pet, claims_existing=one.claims_existing)
        times.append(1000 * (time.perf_counter() - start))
    return times


def _raw_match(ledger: Ledger, file: Path, bookings: Iterable[Booking], country: str) -> list[float]:
    """Milliseconds for asking who has each of a booking's keys, and nothing else."""
    times = []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        for one in bookings:
            forms = forms_of(one.booker, [] if one.pet is None else [one.pet], country)
            hashes = [ledger.sealer.hash(key) for key in keys(forms)]
            start = time.perf_counter()
            for key_hash in hashes:
                database.execute(
                    "SELECT client_id FROM match_key WHERE account = ? AND key_hash = ? LIMIT ?",
                    (_ACCOUNT, key_hash, mirror.CROWDED + 1),
                ).fetchall()
            times.append(1000 * (time.perf_counter() - start))
    return times


def _peak() -> float:
    """The memory peak of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def part(world: Part, country: str, bookings: int = BOOKINGS) -> Part:
    """Measuring that world, in a process of its own."""
    command = ("bench.matching.speed", f"--world={world.folder}", f"--country={country}", f"--bookings={bookings}")
    return Part("speed", world.folder, command, SOURCES, after=(world,))


def _alone(folder: Path, owners: int, bookings: int) -> Speed:
    clinic = MadeClinic("en", "test", owners, bookings, seed=1)
    made = clinic.making(folder)
    run(made)
    return Speed(**json.loads(run(part(made, clinic.country, bookings)).text))


def table(speeds: Iterable[Speed]) -> str:
    """The figures as a table."""
    head = (
        "owners",
        "records",
        "import, records/s",
        "of SQLite alone",
        "MiB, import",
        "bytes an owner",
        "booking, ms p50 / p99",
        "keys alone, ms p50 / p99",
        "ratio p50",
        "MiB, all",
    )
    rows = [
        (
            f"{one.owners:,}",
            f"{one.records:,}",
            f"{one.import_per_second:,.0f}",
            f"{one.import_per_second / one.raw_import_per_second:.3f}",
            f"{one.peak_import:.0f}",
            f"{one.bytes_per_owner:,.0f}",
            f"{one.ms_p50:.2f} / {one.ms_p99:.2f}",
            f"{one.raw_ms_p50:.3f} / {one.raw_ms_p99:.3f}",
            f"{one.ms_p50 / one.raw_ms_p50:.0f}",
            f"{one.peak:.0f}",
        )
        for one in speeds
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def main() -> int:
    """Prints the figures of one world as JSON, or the table of several sizes; 1 where a part failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching.speed", description=__doc__)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--world", type=Path, metavar="DIR")
    wanted.add_argument("--owners", metavar="N,N,...")
    parser.add_argument("--country", default="GB")
    parser.add_argument("--bookings", type=int, default=BOOKINGS)
    given = parser.parse_args()
    if given.world:
        print(json.dumps(asdict(measure(given.world, given.country, given.bookings))))
        return 0
    with tempfile.TemporaryDirectory(prefix="vetbridge-speed-") as folder:
        try:
            speeds = [_alone(Path(folder), int(owners), given.bookings) for owners in given.owners.split(",")]
        except PartFailed as error:
            say(str(error))
            return 1
    print(table(speeds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
