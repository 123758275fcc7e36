"""Healing that must not harm: no lock-out at a vendor, no clock that stops all, no round that starves another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from tests.moved_clock import MovedClock
from tests.rig import Rig
from tests.unit.daemon.watched import config
from vetbridge.config.models import Watch
from vetbridge.connector import drift
from vetbridge.connector.budgets import Budgets
from vetbridge.connector.drift import Skew
from vetbridge.connector.http import HttpClient
from vetbridge.core.errors import AuthFailed, BadAnswer, RateLimited, Refused
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.machine import STUCK, Machine, clock_is_sure, clock_is_useless
from vetbridge.daemon.rounds import Rounds
from vetbridge.daemon.service import DEFAULT, Service
from vetbridge.ledger import accounts, changes
from vetbridge.testing.clock import FakeClock

DAY = 86400.0
ROOMY = SimpleNamespace(free=10**12)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def rig(tmp_path: Path, clock: MovedClock) -> Rig:
    return Rig(tmp_path, clock=clock)


@pytest.fixture
def program(rig: Rig) -> Program:
    account = SimpleNamespace(options=None, parts={}, hook_secret=None)
    found = SimpleNamespace(
        accounts={"booking": account, "pims": account},
        watch=Watch(),
        pages=None,
        log=SimpleNamespace(file=None),
        backup=None,
    )
    parts: dict[str, Any] = {
        "loaded": SimpleNamespace(config=found),
        "ledger": rig.ledger,
        "engine": rig.engine,
        "clock": rig.clock,
        "pairs": [rig.pair],
        "connecting": {},
        "joiners": {},
        "file_lookers": {},
        "due_readers": {},
        "due_rounds": {},
        "connectors": {"booking": rig.pair.booking.connector, "pims": rig.pair.pims.connector},
        "receivers": {"booking": rig.receiver, "pims": rig.receiver},
    }
    return cast(Program, SimpleNamespace(**parts))


# -- credentials that are refused


@pytest.mark.parametrize(
    "error",
    [
        BadAnswer("memory: a page to sign in, where data should be"),
        Refused("memory: answered 403, locked"),
        RateLimited("memory: answered 429", wait=1.0, budget="account"),
        KeyError("a bug in a connector"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_probe_meets_the_vendor_is_asked_no_oftener(
    rig: Rig, program: Program, error: BaseException
) -> None:
    rounds = Rounds(program)
    with rig.ledger.write() as tx:
        accounts.block(tx, "pims", AuthFailed.code)
    rig.pims.fail(cast(Any, error))
    before, asked = rig.pims.calls.total(), []
    for _ in range(120):  # a look each minute, for two hours
        calls = rig.pims.calls.total()
        with suppress(KeyError):
            rounds.probe("pims")
        if rig.pims.calls.total() > calls:
            asked.append(rig.clock.steady())
        rig.clock.advance(60)
    assert rig.pims.calls.total() - before <= 3
    assert len(asked) == 3, "and it is asked on and on"


def test_starts_in_a_row_are_no_wrong_logins_in_a_row(rig: Rig) -> None:
    tried = 0
    for _ in range(20):  # a VetBridge that falls over every half minute, and is started again
        with rig.ledger.write() as tx:
            changes.begin_run(tx, "run")
            accounts.enrol(tx, "pims", "memory", country="GB")
            if not accounts.is_blocked(tx, "pims"):
                tried += 1
                accounts.block(tx, "pims", AuthFailed.code)
        rig.clock.advance(30)
    assert tried == 3
    rig.clock.advance(3600)
    with rig.ledger.write() as tx:
        changes.begin_run(tx, "run")
        accounts.enrol(tx, "pims", "memory", country="GB")
        assert not accounts.is_blocked(tx, "pims"), "by a restart new credentials come in"


# -- a clock that is, or is not, wrong


def hear(program: Program, account: str, behind: float) -> None:
    date = format_datetime(program.clock.now() - timedelta(seconds=behind), usegmt=True)
    program.connectors[account].skew.heard(date)


def test_one_vendor_whose_clock_is_wrong_stops_nobody_where_most_agree(rig: Rig, program: Program) -> None:
    more = {f"site-{number}": SimpleNamespace(skew=Skew(rig.clock)) for number in range(3)}
    cast(Any, program.connectors).update(more)
    for _ in range(3):
        hear(program, "booking", DAY)
        for name in ("pims", *more):
            hear(program, name, 1)
    assert not clock_is_useless(program)
    assert clock_is_sure(program), "else no write would ever be given up, and nobody told"
    for _ in range(3):
        for name in ("pims", *more):
            hear(program, name, DAY)
    assert clock_is_useless(program)


def test_what_was_heard_long_ago_of_a_vendor_that_is_paused_stops_nobody_for_ever(program: Program) -> None:
    for _ in range(3):
        hear(program, "booking", DAY)
    assert clock_is_useless(program)
    cast(MovedClock, program.clock).advance(3 * 3600)
    assert not clock_is_useless(program)


def test_an_answer_that_a_cache_has_kept_tells_nothing_of_the_time() -> None:
    clock = FakeClock()
    skew = Skew(clock)
    client = HttpClient(
        "http://vendor.example", account="a", budgets=Budgets((), clock), clock=clock, on_date=skew.heard
    )
    old = format_datetime(clock.now() - timedelta(hours=2), usegmt=True)
    headers = {"Date": old, "Age": "7200"}
    client._client = httpx.Client(
        base_url="http://vendor.example",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={}, headers=headers)),
    )
    client.read("/", budgets=())
    assert skew.newest() == ()
    client.close()


def test_a_night_that_the_machine_slept_is_no_clock_that_was_set(
    rig: Rig, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the steady clock sleeps, too, as on Linux: what was held is healed all the same."""
    clock, machine = cast(MovedClock, program.clock), Machine(program, usage=lambda _: ROOMY)
    rig.engine.mind_clock()
    monkeypatch.setattr(drift, "slept", lambda: 8 * 3600.0)
    clock.set(8 * 3600)
    rig.engine.mind_clock()
    assert rig.engine.clock_move is not None
    assert machine.conditions() == ()
    assert clock_is_sure(program)
    clock.set(8 * 3600)
    rig.engine.mind_clock()
    assert [each.code for each in machine.conditions()] == ["clock-moved"]


def test_a_machine_that_slept_has_no_stuck_rounds_when_it_wakes(program: Program) -> None:
    """Where the steady clock goes on while the machine sleeps, as on Windows."""
    clock = cast(MovedClock, program.clock)
    machine = Machine(program, usage=lambda _: ROOMY)
    machine.expects("poll:booking", 60)
    assert machine.conditions() == ()
    clock.advance(8 * 3600)
    assert machine.conditions() == ()
    for _ in range(int(STUCK / 30)):
        clock.advance(30)
        machine.conditions()
    clock.advance(90)
    assert [each.code for each in machine.conditions()] == ["rounds-stuck"], "a round that does not wake up is"


# -- rounds that take long


def test_rounds_that_take_hours_keep_none_from_running_by_which_the_daemon_is_known_to_live(tmp_path: Path) -> None:
    """Else systemd would kill it in the middle of the first reading of a large clinic."""
    rig = Rig(tmp_path)
    known = config()
    program = SimpleNamespace(
        loaded=SimpleNamespace(config=known, folder=tmp_path),
        ledger=rig.ledger,
        clock=rig.clock,
        engine=rig.engine,
        connecting={},
        joiners={},
        file_lookers={},
        due_readers={},
        due_rounds={},
        connectors={"booking": rig.pair.booking.connector, "pims": rig.pair.pims.connector},
        pairs=[rig.pair],
    )
    service = Service(cast(Program, program))
    jobs = {job.name: job for job in service.jobs()}
    slow, done, threads = threading.Event(), threading.Event(), 20

    def begin(work: Callable[[], object], name: str, pool: str) -> None:
        now = datetime.now(UTC)
        service._clock.add_job(work, "interval", hours=1, id=name, executor=pool, next_run_time=now)

    service._clock.start()
    try:
        for number in range(threads):
            begin(slow.wait, f"reading-{number}", DEFAULT)
        begin(done.set, "expire", jobs["expire:ledger"].pool)
        assert done.wait(10)
    finally:
        slow.set()
        service._clock.shutdown(wait=False)
