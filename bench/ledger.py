"""How fast the ledger and the engine are, as ratios to a limit measured in the same run on the same disk.

Two measures:

- *pipeline*: bookings carried over from one memory side to another through the whole engine (read, resolve, plan,
  intend, send, settle), against a minimal outbox on the same kind of database file: three commits a job and no more.
- *mirror*: clients and pets read, mapped, sealed, keyed and stored, against reading, mapping and hashing alone.

Run it with ``make bench``. Absolute figures depend on the machine; the ratios are what is compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from tests.rig import Rig
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import make_clinic


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _outbox(folder: Path, jobs: int) -> None:
    """The limit line: a job is inserted, taken and finished, each in a commit of its own."""
    connection = sqlite3.connect(folder / "outbox.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, state TEXT)")
    for _ in range(jobs):
        for statement in (
            "INSERT INTO job (state) VALUES ('new')",
            "UPDATE job SET state = 'taken' WHERE id = (SELECT max(id) FROM job)",
            "UPDATE job SET state = 'done' WHERE id = (SELECT max(id) FROM job)",
        ):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(statement)
            connection.execute("COMMIT")
    connection.close()


def _clinic(rig: Rig, owners: int) -> None:
    for owner in make_clinic(1, owners).owners:
        if owner.phones:
            rig.owner(owner.given_name, owner.family_name, owner.phones[0], *(pet.name for pet in owner.pets))


def pipeline(folder: Path, bookings: int) -> dict[str, float]:
    """Bookings a second through the engine, and as a share of the limit line."""
    rig = Rig(folder)
    _clinic(rig, bookings)
    rig.refresher.pass_()
    for row in rig.pims.rows(Kind.CLIENT)[1 : bookings + 1]:
        pet = next((pet["name"] for pet in rig.pims.rows(Kind.PET) if pet["owner"] == row["id"]), "Rex")
        rig.book(row["name"]["given"], row["name"]["family"], row["phones"][0], pet)

    def carry_over() -> None:
        rig.receiver.poll()
        rig.work()

    done = _seconds(carry_over)
    limit = _seconds(lambda: _outbox(folder, bookings))
    written = len(rig.visits())
    return {
        "bookings": written,
        "per_second": written / done,
        "limit_per_second": bookings / limit,
        "share_of_limit": (written / done) / (bookings / limit),
    }


def mirror(folder: Path, owners: int) -> dict[str, float]:
    """Clients and pets a second into the mirror, and as a share of reading, mapping and hashing alone."""
    rig = Rig(folder)
    _clinic(rig, owners)
    end = rig.pair.pims

    def raw() -> None:
        for kind in (Kind.CLIENT, Kind.PET):
            for page in rig.pims.changes(kind, None):
                for found in page.records:
                    assert found.native is not None
                    hashlib.sha256(repr(end.mapper.read(kind, found.native)).encode()).hexdigest()

    limit = _seconds(raw)
    stored = _seconds(rig.refresher.pass_)
    records = len(rig.pims.rows(Kind.CLIENT)) + len(rig.pims.rows(Kind.PET))
    return {
        "records": records,
        "per_second": records / stored,
        "limit_per_second": records / limit,
        "share_of_limit": limit / stored,
    }


def main() -> None:
    """Runs both measures and prints them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bookings", type=int, default=200)
    parser.add_argument("--owners", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        results = {"pipeline": pipeline(Path(one), given.bookings), "mirror": mirror(Path(two), given.owners)}
    if given.json:
        print(json.dumps(results))
        return
    for name, figures in results.items():
        print(name, *(f"{key}={value:.2f}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
