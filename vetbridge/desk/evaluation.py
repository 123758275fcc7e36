"""The matcher on anyone's files: who each booking would be linked to, how sure, how fast; and why, for one of them.

The clients and pets go into the mirror of a ledger of its own, in a temporary folder and under a key that nobody
keeps, and each booking is decided by the code that the daemon runs. No vendor is asked for anything.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import IO, TypeVar

from vetbridge.connector.clock import SystemClock
from vetbridge.core.matching import Match, Verdict, Weights
from vetbridge.core.records import Client, Pet
from vetbridge.desk import clinic_files
from vetbridge.desk.clinic_files import Booking, FileReport, Problem, UnusableFile
from vetbridge.ledger import accounts, mirror
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.matcher import Matched, Matcher
from vetbridge.ledger.sealing import new_key

ACTIONS = {Verdict.LINKED: "link", Verdict.NEW: "create", Verdict.REVIEW: "review"}
"""What a verdict is called in the file of decisions."""

ACCOUNT = "clinic"
"""The account whose mirror holds the clients and pets of the files."""
_BATCH = 5000
_PROGRESS_SECONDS = 5.0

T = TypeVar("T")
Progress = Callable[[str], None]
Decider = Callable[[Booking], Matched]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicFiles:
    """The three files that an evaluation reads."""

    owners: Path
    pets: Path
    bookings: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """How the three files were read."""

    owners: FileReport
    pets: FileReport
    bookings: FileReport

    @property
    def all(self) -> tuple[FileReport, FileReport, FileReport]:
        """In the order in which they were read."""
        return self.owners, self.pets, self.bookings


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came of all bookings. Times are in milliseconds for one booking, ``seconds`` is the whole run."""

    actions: dict[str, int]
    """How many bookings by what would be done: ``link``, ``create``, ``review``."""
    ms_p50: float | None
    """None where there was no booking."""
    ms_p99: float | None
    load_seconds: float
    """How long reading owners and pets into the mirror took."""
    seconds: float
    memory_peak_mb: int | None
    """The most memory that the process had, in millions of bytes; None where the system does not tell."""
    reports: Reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The decision about one booking, with what every candidate has for and against it."""

    booking: Booking
    match: Match
    reports: Reports


def evaluate(
    files: ClinicFiles,
    out: Path,
    *,
    country: str,
    progress: Progress,
    weights: Weights | None = None,
    candidate_ids: bool = False,
) -> Evaluation:
    """Decides every booking and writes a line about each to ``out``, which is there only when all is done.

    ``country`` is the ISO code for phones without a country code; ``weights`` are the shipped ones where none are
    given. With ``candidate_ids`` each line names the owners that were compared, too. Raises ``UnusableFile`` for a
    file that cannot be read at all or not be written, ``LedgerError`` where the temporary folder has no room.
    """
    began = time.monotonic()
    reports = reports_of(files)
    actions = dict.fromkeys(ACTIONS.values(), 0)
    times = array("d")
    with replaced(out, files) as file, decider(reports, country, progress, weights) as decide:
        loaded = time.monotonic()
        for booking in counted(clinic_files.bookings(reports.bookings), "bookings decided", progress):
            start = time.perf_counter_ns()
            found = decide(booking).match
            ms = (time.perf_counter_ns() - start) / 1e6
            times.append(ms)
            actions[ACTIONS[found.verdict]] += 1
            line = _decision(booking, found, ms) | ({"candidate_ids": found.compared} if candidate_ids else {})
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    ordered = sorted(times)
    return Evaluation(
        actions=actions,
        ms_p50=_percentile(ordered, 50),
        ms_p99=_percentile(ordered, 99),
        load_seconds=round(loaded - began, 3),
        seconds=round(time.monotonic() - began, 3),
        memory_peak_mb=_memory_peak_mb(),
        reports=reports,
    )


def explain(files: ClinicFiles, booking_id: str, *, country: str, progress: Progress) -> Explained | None:
    """Decides one booking of the file; None where no usable booking has the id. Raises as ``evaluate`` does."""
    reports = reports_of(files)
    wanted = next((each for each in clinic_files.bookings(reports.bookings) if each.id == booking_id), None)
    if wanted is None:
        return None
    with decider(reports, country, progress) as decide:
        return Explained(booking=wanted, match=decide(wanted).match, reports=reports)


@contextmanager
def decider(reports: Reports, country: str, progress: Progress, weights: Weights | None = None) -> Iterator[Decider]:
    """What decides about a booking, once owners and pets are in the mirror."""
    with clinic_ledger(reports, country, progress) as ledger:
        matcher = Matcher(ledger, ACCOUNT, country=country, weights=weights)
        yield lambda booking: matcher.match(booking.booker, booking.pet, claims_existing=booking.claims_existing)


@contextmanager
def clinic_ledger(reports: Reports, country: str, progress: Progress) -> Iterator[Ledger]:
    """A ledger for a while, with the owners and pets of the files in the mirror of ``ACCOUNT``."""
    with (
        tempfile.TemporaryDirectory(prefix="vetbridge-match-") as folder,
        closing(open_ledger(Path(folder) / "ledger.db", new_key(), SystemClock())) as ledger,
    ):
        with ledger.write() as tx:
            accounts.enrol(tx, ACCOUNT, "files", country=country)
        _fill(ledger, reports, progress)
        yield ledger


def _fill(ledger: Ledger, reports: Reports, progress: Progress) -> None:
    """Pets go first: what a client is matched by is then made once, when the client comes, and not with every pet."""
    pets = clinic_files.pets(reports.pets, clinic_files.owner_ids(reports.owners.path))
    _put(ledger, counted(pets, "pets read", progress))
    del pets  # The ids of a million owners take room.
    _put(ledger, counted(clinic_files.clients(reports.owners), "owners read", progress))
    with ledger.write() as tx:
        mirror.completed(tx, ACCOUNT, first=True)


def _put(ledger: Ledger, records: Iterator[Client | Pet]) -> None:
    while batch := list(islice(records, _BATCH)):
        with ledger.write() as tx:
            mirror.put(tx, ACCOUNT, batch)


def counted(items: Iterable[T], words: str, progress: Progress) -> Iterator[T]:
    """The same items, with a line of progress every few seconds and at the end."""
    number = 0
    due = time.monotonic() + _PROGRESS_SECONDS
    for item in items:
        yield item
        number += 1
        if time.monotonic() >= due:
            progress(f"{number} {words} so far")
            due = time.monotonic() + _PROGRESS_SECONDS
    progress(f"{number} {words}")


def _decision(booking: Booking, found: Match, ms: float) -> dict[str, object]:
    return {
        "booking_id": booking.id,
        "action": ACTIONS[found.verdict],
        "owner_id": found.client_id,
        "patient_id": found.pet_id,
        "probability": found.probability,
        "candidates": len(found.compared),
        "ms": round(ms, 3),
    }


@contextmanager
def replaced(out: Path, files: ClinicFiles) -> Iterator[IO[str]]:
    """A file that takes the place of ``out`` when all went well. Raises ``UnusableFile``."""
    target = out.resolve()
    if target in {path.resolve() for path in (files.owners, files.pets, files.bookings)}:
        raise UnusableFile(f"{out} is one of the files that are read", code="file-not-writable")
    if target.exists() and not target.is_file():
        raise UnusableFile(f"{out} is there already, and is no file", code="file-not-writable")
    beside = target.with_name(f".{target.name[:40]}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        message = f"{error.filename or out} cannot be written: {error.strerror or error}"
        raise UnusableFile(message, code="file-not-writable") from None
    finally:
        beside.unlink(missing_ok=True)


def reports_of(files: ClinicFiles) -> Reports:
    """Reports on the files, before any is read."""
    return Reports(owners=FileReport(files.owners), pets=FileReport(files.pets), bookings=FileReport(files.bookings))


def problems(reports: Reports, most: int) -> list[Problem]:
    """What concerns whole files, then at most so many places: one of every code before any code has its second."""
    notes = [each for report in reports.all for each in report.notes]
    by_code: dict[tuple[str, str], list[Problem]] = {}
    for each in (example for report in reports.all for example in report.examples):
        by_code.setdefault((each.file, each.code), []).append(each)
    ranked = [each for row in zip_longest(*by_code.values()) for each in row if each is not None]
    return [*notes, *ranked[:most]]


def _percentile(ordered: list[float], percent: int) -> float | None:
    """The nearest rank, in milliseconds with three decimals."""
    if not ordered:
        return None
    return round(ordered[-(-len(ordered) * percent // 100) - 1], 3)


def _memory_peak_mb() -> int | None:
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / 1e6) if sys.platform == "darwin" else int(peak * 1024 / 1e6)
