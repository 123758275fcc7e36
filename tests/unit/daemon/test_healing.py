"""A full disk, and credentials that are refused: nothing is lost or half-written, and it goes on by itself."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from tests.ledgers import on_postgresql
from tests.rig import Rig
from vetbridge.config.models import Watch
from vetbridge.config.secrets import Secret
from vetbridge.connector.drift import Move
from vetbridge.connector.plugin import Options
from vetbridge.core.errors import AuthFailed, LedgerError, Unavailable
from vetbridge.core.records import Kind
from vetbridge.daemon import dispatcher
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.dispatcher import Dispatcher
from vetbridge.daemon.rounds import SECRETS_EVERY, Rounds
from vetbridge.daemon.service import Service
from vetbridge.ledger import accounts
from vetbridge.ledger.database import LEDGER_BUSY
from vetbridge.ledger.tables import Change
from vetbridge.sync.engine import REST, Engine
from vetbridge.web.door import build

ANN = ("Ann", "Weiss", "+447700900123", "Bella")

files_can_be_limited = pytest.mark.skipif(
    os.name != "posix" or on_postgresql(), reason="the size of files is limited for one process on POSIX only"
)


@pytest.fixture(autouse=True)
def log_in_memory() -> Iterator[None]:
    """What is logged while no file grows must not need one."""
    with capture_logs():
        yield


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.refresher.pass_()
    made.owner(*ANN)
    made.refresher.pass_()
    return made


def fill(rig: Rig) -> None:
    """No file of this process grows any more, as on a full disk."""
    import resource  # noqa: PLC0415 - POSIX only

    with rig.ledger._reader.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))


def make_room() -> None:
    import resource  # noqa: PLC0415 - POSIX only

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def full_disk(rig: Rig) -> Iterator[None]:
    fill(rig)
    try:
        yield
    finally:
        make_room()


# -- a full disk


@files_can_be_limited
def test_nothing_is_sent_whose_intention_cannot_be_written_down(rig: Rig) -> None:
    rig.hint(rig.book(*ANN))
    rig.start(point=lambda name: fill(rig) if name == "read" else None)
    try:
        with pytest.raises(LedgerError) as caught:
            rig.work()
        assert caught.value.code == LEDGER_BUSY
        assert rig.pims.calls["apply"] == 0
    finally:
        make_room()
    rig.engine = Engine([rig.pair], rig.ledger, rig.clock, rig.timings)
    rig.settle()
    assert len(rig.visits()) == 1


@files_can_be_limited
@pytest.mark.parametrize("point", ["read", "intended", "sent", "answered", "before-settle"])
def test_a_disk_that_fills_up_at_any_point_costs_time_only(rig: Rig, point: str) -> None:
    full = threading.Event()

    def at(name: str) -> None:
        if name == point and not full.is_set():
            full.set()
            fill(rig)

    rig.hint(rig.book(*ANN))
    rig.start(point=at)
    try:
        for _ in range(3):
            with pytest.raises(LedgerError):
                rig.work()
    finally:
        make_room()
    assert full.is_set()
    began = rig.clock.steady()
    rig.settle()
    assert (len(rig.visits()), [state for state, _ in rig.endings()]) == (1, ["done"])
    assert rig.clock.steady() - began < rig.timings.lease / 2, "a lane that nobody works on is given back at once"


@files_can_be_limited
def test_a_webhook_that_cannot_be_written_down_is_sent_again_by_the_vendor(rig: Rig) -> None:
    config = SimpleNamespace(accounts={"booking": SimpleNamespace(hook_secret=Secret.of("s3cret"))})
    program = SimpleNamespace(
        loaded=SimpleNamespace(config=config),
        connectors={"booking": rig.pair.booking.connector},
        receivers={"booking": rig.receiver},
        ledger=rig.ledger,
        clock=rig.clock,
        pairs=[rig.pair],
    )
    app = build(cast(Program, program), wake=lambda: None, health=dict)
    door = TestClient(app)
    body = json.dumps({"kind": "appointment", "id": rig.book(*ANN)})
    with full_disk(rig):
        assert door.post("/hooks/booking/s3cret", content=body).status_code == 503
    assert door.post("/hooks/booking/s3cret", content=body).status_code == 200
    rig.settle()
    assert len(rig.visits()) == 1


class Failing:
    """An engine whose ledger takes nothing for some tries."""

    def __init__(self, tries: int) -> None:
        self.tries = tries
        self.well = threading.Event()

    def idle_for(self) -> float:
        self.tries -= 1
        if self.tries >= 0:
            raise LedgerError("the ledger takes no transaction now: disk full", code=LEDGER_BUSY)
        return 60.0

    def work(self, _worker: str, **_more: object) -> bool:
        return False


def test_a_worker_that_the_ledger_lets_down_says_so_once_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "PAUSE", 0.001)
    engine = Failing(20)
    with capture_logs() as lines:
        working = Dispatcher(cast(Engine, engine), 1)
        monkeypatch.setattr(working, "_sleep", lambda _seconds, calls=None: calls is not None and engine.well.set())
        working.start()
        assert engine.well.wait(10)
        assert working.stop(10)
    assert [line["event"] for line in lines] == ["worker.ledger", "worker.goes-on"]


# -- refused credentials


class Token(Options):
    """Options of a connector with a token in a file, and one that a command gives."""

    token: Secret
    other: Secret


@pytest.fixture
def options(tmp_path: Path) -> Token:
    (tmp_path / "token").write_text("old")
    (tmp_path / "other").write_text("old")
    made = Token(
        token=Secret.refer({"file": "token"}, folder=tmp_path),
        other=Secret.refer({"command": [sys.executable, "-c", "print(open('other').read())"]}, folder=tmp_path),
    )
    made.token.reveal()
    made.other.reveal()
    return made


@pytest.fixture
def rounds(rig: Rig, options: Token) -> Rounds:
    both = {name: SimpleNamespace(options=options, parts={}) for name in ("booking", "pims")}
    config = SimpleNamespace(accounts=both, watch=Watch())
    parts: dict[str, Any] = {
        "loaded": SimpleNamespace(config=config),
        "ledger": rig.ledger,
        "engine": rig.engine,
        "clock": rig.clock,
        "pairs": [rig.pair],
        "connecting": {},
        "connectors": {"booking": rig.pair.booking.connector, "pims": rig.pair.pims.connector},
        "receivers": {"booking": rig.receiver, "pims": rig.receiver},
    }
    return Rounds(cast(Program, SimpleNamespace(**parts)))


def blocked(rig: Rig) -> bool:
    with rig.ledger.read() as tx:
        return accounts.is_blocked(tx, "pims")


def refuse(rig: Rig) -> None:
    """The PIMS refuses the credentials, and a call finds that out."""
    rig.pims.fail(AuthFailed("memory: answered 401"))
    rig.hint(rig.book(*ANN))
    rig.work()
    assert blocked(rig)


def test_a_blocked_account_is_asked_after_ten_minutes_and_then_more_seldom(rig: Rig, rounds: Rounds) -> None:
    refuse(rig)
    began, asked = rig.clock.steady(), []
    for _ in range(4 * 360):
        before = rig.pims.calls.total()
        assert not rounds.probe("pims")
        if rig.pims.calls.total() > before:
            asked.append(round((rig.clock.steady() - began) / 60))
            assert rig.pims.calls.total() == before + 1, "one wrong login each time"
        rig.clock.advance(10)
    assert asked == [10, 30, 70, 130, 190]


def test_what_waited_goes_on_once_the_credentials_are_taken_again(rig: Rig, rounds: Rounds) -> None:
    refuse(rig)
    rig.pims.mend()
    rig.work()
    assert rig.visits() == [], "nothing else is sent to it meanwhile"
    rig.clock.advance(600)
    assert rounds.probe("pims")
    rig.settle()
    assert len(rig.visits()) == 1
    asked = rig.pims.calls.total()
    assert not rounds.probe("pims")
    assert rig.pims.calls.total() == asked


def test_a_new_token_in_its_file_is_tried_at_once(rig: Rig, rounds: Rounds, options: Token, tmp_path: Path) -> None:
    refuse(rig)
    assert not rounds.probe("pims")
    rig.pims.mend()
    (tmp_path / "token").write_text("new\n")
    assert rounds.probe("pims")
    assert options.token.reveal() == "new"


def test_a_new_token_that_a_command_gives_is_tried_within_minutes(rig: Rig, rounds: Rounds, tmp_path: Path) -> None:
    refuse(rig)
    assert not rounds.probe("pims")
    (tmp_path / "other").write_text("new")
    rig.pims.mend()
    rig.clock.advance(SECRETS_EVERY - 1)
    assert not rounds.probe("pims"), "commands are not run all the time"
    rig.clock.advance(1)
    assert rounds.probe("pims")


def test_a_token_file_that_is_gone_or_being_written_is_no_new_token(
    rig: Rig, rounds: Rounds, options: Token, tmp_path: Path
) -> None:
    refuse(rig)
    asked = rig.pims.calls.total()
    (tmp_path / "token").write_text("")
    assert not rounds.probe("pims")
    (tmp_path / "token").unlink()
    assert not rounds.probe("pims")
    assert (rig.pims.calls.total(), options.token.reveal()) == (asked, "old")


def test_a_resume_asks_at_once(rig: Rig, rounds: Rounds) -> None:
    refuse(rig)
    rig.pims.mend()
    assert not rounds.probe("pims")
    with rig.ledger.write() as tx:
        assert accounts.probe_now(tx, "pims")
        assert not accounts.probe_now(tx, "booking")
    assert rounds.probe("pims")


def test_a_vendor_that_is_away_when_it_is_asked_stays_blocked_and_is_asked_again(rig: Rig, rounds: Rounds) -> None:
    refuse(rig)
    rig.clock.advance(600)
    rig.pims.mend()
    rig.pims.fail(Unavailable("memory: away"), times=1)
    assert not rounds.probe("pims")
    assert blocked(rig)
    rig.clock.advance(600)
    assert rounds.probe("pims")


def test_every_connector_of_a_blocked_account_is_asked(
    rig: Rig, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = SimpleNamespace(serves=(Kind.APPOINTMENT,), options=None)
    account = SimpleNamespace(options=None, parts={"diary": diary})
    monkeypatch.setitem(rounds._program.loaded.config.accounts, "pims", account)  # type: ignore[arg-type]
    refuse(rig)
    rig.pims.mend()
    refused = [Kind.CLIENT]
    changes = rig.pims.changes

    def feed(kind: Kind, since: str | None, *, mark: str | None = None) -> Any:
        if kind in refused:
            raise AuthFailed("memory: answered 401")
        return changes(kind, since, mark=mark)

    monkeypatch.setattr(rig.pims, "changes", feed)
    rig.clock.advance(600)
    assert not rounds.probe("pims"), "the diary alone answers"
    assert blocked(rig)
    refused.clear()
    rig.clock.advance(1200)
    assert rounds.probe("pims")


def test_calls_that_succeed_beside_a_refused_one_do_not_end_the_block(rig: Rig) -> None:
    refuse(rig)
    with rig.ledger.write() as tx:
        accounts.answered(tx, "pims")
    assert blocked(rig)


# -- a clock that is set back


def test_rounds_go_on_at_once_after_the_clock_was_set_back() -> None:
    service = object.__new__(Service)
    service._clock = clock = BackgroundScheduler(timezone=UTC)
    try:
        clock.start(paused=True)
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        clock.add_job(lambda: None, "interval", seconds=60, id="poll", next_run_time=tomorrow)
        service._clock_moved(Move(datetime.now(UTC), 0.0, -86400.0))
        assert clock.get_job("poll").next_run_time <= datetime.now(UTC)
    finally:
        clock.shutdown(wait=False)


def test_nothing_is_given_up_while_the_clock_is_in_doubt(rig: Rig, rounds: Rounds) -> None:
    rig.hint(rig.book(*ANN, hours=2))
    rig.pims.fail(Unavailable("memory: away"))
    rig.work()
    with rig.ledger.write() as tx:
        change = tx.session.get_one(Change, 1)
        change.visit_at, change.received_at = tx.now - timedelta(minutes=1), tx.now - timedelta(minutes=2)
    rig.engine.clock_move = Move(rig.clock.now(), rig.clock.steady(), 86400.0)
    assert rounds.expire() == 0
    rig.engine.clock_move = None
    assert rounds.expire() == 1


def test_nothing_is_decided_by_a_clock_that_is_known_to_be_wrong(rig: Rig) -> None:
    wrong = [True]
    rig.engine.rests = lambda: wrong[0]
    rig.hint(rig.book(*ANN))
    assert not rig.engine.work("one")
    assert rig.engine.idle_for() == REST
    assert [state for state, _ in rig.endings()] == ["received"]
    wrong[0] = False
    rig.settle()
    assert len(rig.visits()) == 1
