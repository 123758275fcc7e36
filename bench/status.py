"""How long `vetbridge status` takes on a ledger of a million changes, as a ratio to `vetbridge --help` in one run.

`--help` is what the program costs before it does anything; what `status` takes beyond that is imports, the config and
the ledger. The goal is half a second for the whole command. The same ledger then serves the lists that people ask for
and the queries that the engine asks all day: each is timed inside this process, so that one that reads the whole
ledger stands out.

Run it with ``make bench``, or alone with ``python -m bench.status``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined
from sqlmodel import SQLModel

from vetbridge.connector.clock import SystemClock
from vetbridge.core.answers import FUSE
from vetbridge.core.records import Kind
from vetbridge.ledger import actions, changes, fuses, links, reports, reviews, witnesses, worklist
from vetbridge.ledger.database import Ledger, Transaction, open_ledger
from vetbridge.ledger.tables import (
    Account,
    Action,
    Attempt,
    Change,
    ChangeState,
    Cursor,
    Lane,
    Link,
    Mirror,
    Record,
    Review,
    Run,
)

GOAL_SECONDS = 0.5
"""The whole command, from the shell's return key to its last byte (the goals' figure)."""

KEY = "the key of a ledger that a bench makes"
SITES = ("city", "hills", "lake")
_BATCH = 20_000
_ENDS = (
    ("done", "created"),
    ("done", "matched"),
    ("done", "updated"),
    ("skipped", "echo"),
    ("skipped", "settled"),
    ("done", "cancelled"),
)


class _Rows:
    """Inserts rows past the library: it takes longer for a million rows than anybody wants to wait."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute("BEGIN")

    def add(self, model: type[SQLModel], rows: Iterable[dict[str, Any]]) -> None:
        columns = list(model.model_fields)
        defaults = {
            name: None if field.default is PydanticUndefined else field.default
            for name, field in model.model_fields.items()
        }
        names = ", ".join(f'"{name}"' for name in columns)
        statement = f'INSERT INTO "{model.__tablename__}" ({names}) VALUES ({", ".join("?" * len(columns))})'  # noqa: S608
        moments = {name for name in columns if name.endswith(("_at", "_until")) or name in ("until", "since")}
        feed = (
            tuple(_moment(row[name]) if name in moments else row[name] for name in columns)
            for row in ({**defaults, **given} for given in rows)
        )
        while batch := list(islice(feed, _BATCH)):
            self._connection.executemany(statement, batch)

    def close(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.replace(tzinfo=None).isoformat(" ", "microseconds")


def build(path: Path, count: int, *, seed: int = 1) -> None:
    """A ledger of three sites with ``count`` changes of several years; a few of them are open now.

    Older bodies are empty, as they are after the set days.
    """
    ledger = open_ledger(path, KEY, SystemClock())
    body, base = ledger.sealer.seal({"text": "x" * 700}), ledger.sealer.seal({"text": "x" * 300})
    ledger.close()
    chance = random.Random(seed)
    now = datetime.now(UTC).replace(microsecond=0)
    gap = timedelta(days=5 * 365) / count
    records = max(count * 2 // 5, 1)
    begun = [now - gap * (count - number) for number in range(count)]
    opened = dict(zip(range(count - 1, 0, -7), _open_states(), strict=False))
    fresh = count - count // 20

    def change(number: int) -> dict[str, Any]:
        at, site = begun[number], SITES[number % 3]
        state, code = opened.get(number, _ENDS[chance.randrange(len(_ENDS))])
        waits = state in ("received", "waiting")
        # The newest record of the list belongs to each open change, so that no record has two of them.
        record = records - number % 5000 if number in opened else 1 + number % max(records - 5000, 1)
        return {
            "id": number + 1,
            "record_id": max(record, 1),
            "site": site,
            "account": f"altegio-{site}",
            "kind": "appointment",
            "remote_id": str(record),
            "state": state,
            "code": code,
            "message": "written to the PIMS",
            "source": "poll",
            "hint": 1,
            "tries": 1,
            "received_at": at,
            "updated_at": at + timedelta(seconds=2),
            "settled_at": None if waits else at + timedelta(seconds=2),
            "next_at": now + timedelta(minutes=number % 60) if waits else None,
            "visit_at": at + timedelta(days=3),
        }

    rows = _Rows(path)
    rows.add(Account, _accounts(now))
    rows.add(
        Cursor, ({"account": f"altegio-{s}", "kind": "appointment", "value": "1", "read_at": now} for s in SITES)
    )
    rows.add(
        Record,
        (
            {
                "id": number,
                "account": f"altegio-{SITES[number % 3]}",
                "kind": "appointment",
                "remote_id": str(number),
                "hints": 1,
                "digest_hash": "d" * 32,
                "lane": f"client/ezyvet/{number // 4}",
            }
            for number in range(1, records + 1)
        ),
    )
    rows.add(Record, _pims_records(records))
    rows.add(Lane, ({"key": f"client/ezyvet/{number}", "epoch": 3} for number in range(records // 4)))
    rows.add(Change, (change(number) for number in range(count)))
    rows.add(Link, (_link(number, begun[number * 2], base) for number in range(1, records)))
    wrote = range(0, count, 2)
    rows.add(Action, (_action(number, begun[number], body if number > fresh else None, records) for number in wrote))
    rows.add(
        Attempt,
        (
            {"action_id": number + 1, "number": 1, "state": "answered", "started_at": begun[number]}
            for number in wrote
        ),
    )
    asked = range(0, count, 40)
    rows.add(Review, (_review(number, begun[number], body if number > fresh else None, records) for number in asked))
    waiting = range(count - 2000, count, 40) if count > 2000 else range(0)
    rows.add(Review, (_question(number, now, body, records) for number in waiting))
    rows.add(Run, ({"command": "run", "pid": 1, "started_at": at} for at in begun[:: max(count // 400, 1)]))
    rows.add(
        Mirror,
        (
            {
                "account": "ezyvet",
                "kind": kind,
                "remote_id": str(number),
                "parent_id": str(number) if kind == "pet" else None,
                "content_sealed": base,
                "read_at": now,
            }
            for kind in ("client", "pet")
            for number in range(count // 20)
        ),
    )
    rows.close()


def _open_states() -> Iterator[tuple[str, str]]:
    for number in range(300):
        yield ("received", "") if number % 3 else ("waiting", FUSE if number % 2 else "unavailable")
    for number in range(600):
        yield ("failed", "mapping") if number % 2 else ("review", "placeholder")


def _accounts(now: datetime) -> Iterator[dict[str, Any]]:
    for name in (*(f"altegio-{site}" for site in SITES), "ezyvet"):
        yield {
            "name": name,
            "connector": name.split("-")[0],
            "country": "GB",
            "answered_at": now,
            "mirror_complete_at": now,
            "mirror_read_at": now,
        }


def _pims_records(records: int) -> Iterator[dict[str, Any]]:
    """The counterpart of each record, which a poll of the PIMS shows, too."""
    for number in range(1, records + 1):
        yield {
            "id": records + number,
            "account": "ezyvet",
            "kind": "appointment",
            "remote_id": str(number),
            "hints": 1,
            "digest_hash": "d" * 32,
            "lane": f"client/ezyvet/{number // 4}",
        }


def _link(number: int, at: datetime, base: bytes) -> dict[str, Any]:
    site = SITES[number % 3]
    return {
        "id": number,
        "site": site,
        "kind": "appointment" if number % 4 else "client",
        "visit_at": at + timedelta(days=3) if number % 4 else None,
        "booking_account": f"altegio-{site}",
        "booking_id": str(number),
        "pims_account": "ezyvet",
        "pims_id": str(number),
        "origin": "matched",
        "stamp": f"vb-{number}",
        "booking_base_sealed": base,
        "pims_base_sealed": base,
        "created_at": at,
        "updated_at": at,
        "ended_at": at if number % 50 == 0 else None,
    }


def _action(number: int, at: datetime, body: bytes | None, records: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "change_id": number + 1,
        "record_id": 1 + number % records,
        "site": SITES[number % 3],
        "account": "ezyvet",
        "kind": "appointment",
        "operation": "create",
        "remote_id": str(number),
        "stamp": f"vb-{number}",
        "state": "answered",
        "payload_sealed": body,
        "fields": "notes start",
        "fused": number % 20 == 0,
        "created_at": at,
        "answered_at": at + timedelta(seconds=1),
    }


def _review(number: int, at: datetime, body: bytes | None, records: int) -> dict[str, Any]:
    return {
        "record_id": 1 + number % records,
        "change_id": number + 1,
        "site": SITES[number % 3],
        "state": "answered",
        "why": "contact-shared",
        "visit_at": at + timedelta(days=3),
        "question_sealed": body,
        "opened_at": at,
        "closed_at": at + timedelta(hours=1),
        "answer": "link",
        "answered_at": at + timedelta(hours=1),
        "applied_at": at + timedelta(hours=1),
    }


def _question(number: int, now: datetime, body: bytes, records: int) -> dict[str, Any]:
    return {
        "record_id": records - number % 5000,
        "change_id": number + 1,
        "site": SITES[number % 3],
        "state": "open",
        "why": "contact-shared",
        "visit_at": now + timedelta(hours=number % 72),
        "question_sealed": body,
        "opened_at": now,
    }


CONFIG = """\
version: 1
ledger: {{path: {path}, key: {{env: VETBRIDGE_BENCH_KEY}}}}
accounts:
  ezyvet:
    connector: ezyvet
    options:
      partner_id: "1"
      client_id: "1"
      client_secret: {{env: VETBRIDGE_BENCH_KEY}}
      site_uid: "1"
      cancellation_reason: 1
"""
ACCOUNT = """\
  altegio-{site}:
    connector: altegio
    options:
      location_id: "{number}"
      partner_token: {{env: VETBRIDGE_BENCH_KEY}}
      user_token: {{env: VETBRIDGE_BENCH_KEY}}
"""
SITE = """\
  {site}:
    name: {site}
    zone: Europe/London
    country: GB
    start: live
    booking: {{account: altegio-{site}}}
    pims: {{account: ezyvet, placeholder: {{client: "1", pet: "1"}}}}
"""


def write_config(folder: Path, ledger: Path) -> Path:
    """A config whose ledger is ``ledger``."""
    text = CONFIG.format(path=ledger)
    text += "".join(ACCOUNT.format(site=site, number=number) for number, site in enumerate(SITES, 1))
    text += "sites:\n" + "".join(SITE.format(site=site) for site in SITES)
    path = folder / "vetbridge.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _process(arguments: list[str], rounds: int) -> tuple[float, str]:
    """The median of some runs in seconds, and what the last one printed. The first run warms the disk's cache."""
    command = [str(Path(sys.executable).with_name("vetbridge")), *arguments]
    environment = {**os.environ, "VETBRIDGE_BENCH_KEY": KEY}
    taken, printed = [], ""
    for _ in range(rounds + 1):
        began = time.perf_counter()
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        taken.append(time.perf_counter() - began)
        printed = ended.stdout
    return statistics.median(taken[1:]), printed


def commands(config: Path, rounds: int) -> dict[str, float]:
    """`status` and the lists as processes, against `--help`."""
    ours = ["--config", str(config)]
    floor, _ = _process(["--help"], rounds)
    status, printed = _process([*ours, "status", "--json"], rounds)
    counted = json.loads(printed)["data"]["sites"]
    figures = {
        "help_seconds": floor,
        "status_seconds": status,
        "status_over_help": status / floor,
        "changes_counted": sum(each["count"] for site in counted for each in site["changes"].values()),
    }
    for name in ("changes", "review", "links"):
        figures[f"{name}_list_seconds"], _ = _process([*ours, name, "list", "--json"], 1)
    return figures


def queries(ledger: Ledger) -> dict[str, float]:
    """What the engine asks all day, in milliseconds each."""
    hour = timedelta(hours=1)

    def missed(tx: Transaction) -> Record:
        return changes.record_of(tx, f"altegio-{SITES[5 % 3]}", Kind.APPOINTMENT, "5")

    def missed_pims(tx: Transaction) -> Record:
        return changes.record_of(tx, "ezyvet", Kind.APPOINTMENT, "5")

    reading: dict[str, Callable[[Transaction], object]] = {
        "open_sites": changes.open_sites,
        "earliest": lambda tx: changes.earliest(tx, without_sites=["x"]),
        "last_id": changes.last_id,
        "count_open": lambda tx: changes.count(tx, [ChangeState.RECEIVED, ChangeState.WAITING]),
        "witnesses": lambda tx: witnesses.of(tx, missed(tx), None, booking=True),
        "witnesses_on_day": lambda tx: witnesses.of(tx, missed(tx), tx.now, booking=True),
        "witnesses_on_day_pims": lambda tx: witnesses.of(tx, missed_pims(tx), tx.now, booking=False),
        "settled_digest": lambda tx: changes.settled_digest(tx, "altegio-city", Kind.APPOINTMENT, "9"),
        "unsettled": lambda tx: actions.unsettled(tx, 5),
        "under_way": lambda tx: actions.under_way(tx, "ezyvet", "vb-9"),
        "fuse_held": lambda tx: fuses.held(tx, "city"),
        "fuse_let_through": lambda tx: fuses.let_through(tx, "city", 30),
        "link_of_booking": lambda tx: links.of_booking(tx, "altegio-city", Kind.APPOINTMENT, "9"),
        "link_of_pims": lambda tx: links.of_pims(tx, "ezyvet", Kind.APPOINTMENT, "9"),
        "links_ended": lambda tx: links.ended(tx, "altegio-city", Kind.APPOINTMENT, "9"),
        "open_questions": reviews.open_items,
        "work_list": worklist.lines,
        "failure_groups": reports.failure_groups,
        "newest_moment": reports.newest_moment,
    }
    writing: dict[str, Callable[[Transaction], object]] = {
        "claim": lambda tx: changes.claim(tx, worker="bench", lease=hour, without_sites=["x"]),
        "expire": changes.expire,
        "receive": lambda tx: changes.receive(
            tx, site="city", account="altegio-city", kind=Kind.APPOINTMENT, remote_id="9", source="poll"
        ),
        "wake": lambda tx: changes.wake(tx, {FUSE}),
    }
    taken = {}
    for name, ask in (*reading.items(), *writing.items()):
        for _ in range(2):  # the first one compiles the statement and warms the cache
            with ledger.read() if name in reading else ledger.write() as tx:
                began = time.perf_counter()
                ask(tx)
                taken[name] = (time.perf_counter() - began) * 1000
    return taken


def main() -> None:
    """Builds the ledger, asks everything of it, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "vetbridge.db"
        began = time.perf_counter()
        build(path, given.changes)
        results: dict[str, dict[str, float]] = {
            "ledger": {"changes": given.changes, "built_in": time.perf_counter() - began},
            "commands": commands(write_config(folder, path), given.rounds),
        }
        ledger = open_ledger(path, KEY, SystemClock())
        results["queries_ms"] = queries(ledger)
        ledger.close()
    results["ledger"]["goal_met"] = results["commands"]["status_seconds"] <= GOAL_SECONDS
    if given.json:
        print(json.dumps(results))
        return
    for title, figures in results.items():
        print(title, *(f"{key}={value:.3f}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
