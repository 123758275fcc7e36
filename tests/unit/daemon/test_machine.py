"""What the daemon sees of its machine: disks, clock, certificate, its own rounds, its ledger, silent webhooks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.ledgers import on_postgresql
from tests.moved_clock import MovedClock
from tests.rig import Rig
from vetbridge.config.models import Log, Watch
from vetbridge.config.secrets import Secret
from vetbridge.core.conditions import Code, Condition, Severity
from vetbridge.core.errors import LedgerError
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.machine import MOVE_SHOWN, STUCK, Machine, clock_is_sure, clock_is_useless
from vetbridge.ledger import accounts
from vetbridge.ledger.tables import Meta, Reading

DAY = 86400.0
MEGABYTE = 1024 * 1024


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def rig(tmp_path: Path, clock: MovedClock) -> Rig:
    return Rig(tmp_path, clock=clock)


@pytest.fixture
def program(rig: Rig, tmp_path: Path) -> Program:
    config = SimpleNamespace(
        watch=Watch(),
        pages=None,
        log=Log(),
        backup=None,
        accounts={
            "booking": SimpleNamespace(hook_secret=Secret.of("x")),
            "pims": SimpleNamespace(hook_secret=None),
        },
    )
    parts: dict[str, Any] = {
        "loaded": SimpleNamespace(config=config),
        "clock": rig.clock,
        "ledger": rig.ledger,
        "engine": rig.engine,
        "connectors": {"booking": rig.pair.booking.connector, "pims": rig.pair.pims.connector},
    }
    return cast(Program, SimpleNamespace(**parts))


def free(megabytes: int) -> Callable[[Path], Any]:
    return lambda _path: SimpleNamespace(free=megabytes * MEGABYTE)


def found(machine: Machine) -> dict[Code, Condition]:
    return {each.code: each for each in machine.conditions()}


def test_nothing_is_wrong(program: Program) -> None:
    assert Machine(program, usage=free(10_000)).conditions() == ()


# -- disks


def on_disk(program: Program, tmp_path: Path, megabytes: int) -> Machine:
    config = cast(Any, program.loaded.config)
    config.log = Log(file=tmp_path / "log" / "vetbridge.log")
    return Machine(program, usage=free(megabytes))


def test_a_disk_that_fills_up_is_told_with_its_room_and_once_for_all_that_stands_on_it(
    program: Program, tmp_path: Path
) -> None:
    (low,) = on_disk(program, tmp_path, 499).conditions()
    assert (low.code, low.severity) == (Code.DISK_LOW, Severity.TODAY)
    assert low.name == ("log" if on_postgresql() else "ledger")
    assert low.details["free_megabytes"] == 499
    (full,) = on_disk(program, tmp_path, 19).conditions()
    assert (full.code, full.severity) == (Code.DISK_FULL, Severity.NOW)
    assert on_disk(program, tmp_path, 500).conditions() == ()


def test_a_disk_that_cannot_be_asked_is_no_full_disk(program: Program, tmp_path: Path) -> None:
    def gone(_path: Path) -> Any:
        raise OSError("gone")

    cast(Any, program.loaded.config).log = Log(file=tmp_path / "vetbridge.log")
    assert Machine(program, usage=gone).conditions() == ()


def test_a_condition_keeps_the_moment_it_began_and_begins_anew_when_it_comes_back(
    program: Program, tmp_path: Path, clock: MovedClock
) -> None:
    room = [100]
    cast(Any, program.loaded.config).log = Log(file=tmp_path / "vetbridge.log")
    machine = Machine(program, usage=lambda _path: cast(Any, SimpleNamespace(free=room[0] * MEGABYTE)))
    began = clock.now()
    assert machine.conditions()[0].since == began
    clock.advance(600)
    assert machine.conditions()[0].since == began
    room[0] = 1000
    assert machine.conditions() == ()
    room[0] = 100
    assert machine.conditions()[0].since == clock.now() > began


# -- the clock


@pytest.mark.parametrize("seconds", [DAY, -DAY, 90.0])
def test_a_clock_that_was_set_is_told_for_an_hour(
    rig: Rig, program: Program, clock: MovedClock, seconds: float
) -> None:
    machine = Machine(program, usage=free(10_000))
    rig.engine.mind_clock()
    clock.advance(30)
    clock.set(seconds)
    rig.engine.mind_clock()
    moved = found(machine)[Code.CLOCK_MOVED]
    assert (moved.details["seconds"], moved.since) == (seconds, clock.now())
    clock.advance(MOVE_SHOWN - 1)
    rig.engine.mind_clock()
    assert Code.CLOCK_MOVED in found(machine)
    clock.advance(1)
    assert found(machine) == {}


def test_a_clock_that_is_corrected_little_by_little_was_not_set(
    rig: Rig, program: Program, clock: MovedClock
) -> None:
    machine = Machine(program, usage=free(10_000))
    for _ in range(10):
        clock.set(50)
        rig.engine.mind_clock()
    assert machine.conditions() == ()


def hear(program: Program, account: str, behind: float, clock: MovedClock) -> None:
    """The vendor's answer comes, by whose clock ours is ahead by so many seconds."""
    date = format_datetime(clock.now() - timedelta(seconds=behind), usegmt=True)
    program.connectors[account].skew.heard(date)


def test_two_vendors_or_one_three_times_tell_that_the_clock_is_wrong(program: Program, clock: MovedClock) -> None:
    machine = Machine(program, usage=free(10_000))
    hear(program, "booking", 300, clock)
    assert machine.conditions() == (), "one answer of one vendor: it may be wrong itself"
    hear(program, "pims", 300, clock)
    wrong = found(machine)[Code.CLOCK_WRONG]
    assert (wrong.details["seconds"], wrong.details["accounts"]) == (300, "booking pims")
    hear(program, "pims", 1, clock)
    assert machine.conditions() == ()
    for _ in range(2):
        hear(program, "booking", 300, clock)
    assert found(machine)[Code.CLOCK_WRONG].details["accounts"] == "booking"
    hear(program, "booking", 100, clock)
    assert machine.conditions() == ()


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Mar 2026 99:00:00 GMT", "\x1b[31m", "9" * 400])
def test_a_date_that_is_none_says_nothing(program: Program, date: str) -> None:
    skew = program.connectors["booking"].skew
    skew.heard(date)
    assert skew.newest() == ()


def test_after_a_move_the_clock_is_believed_again_when_a_vendor_agrees(
    rig: Rig, program: Program, clock: MovedClock
) -> None:
    assert clock_is_sure(program)
    clock.set(DAY)
    rig.engine.mind_clock()
    assert not clock_is_sure(program)
    hear(program, "booking", 1, clock)
    assert clock_is_sure(program)
    assert not clock_is_useless(program)
    for _ in range(3):
        hear(program, "booking", DAY, clock)
    assert not clock_is_sure(program)
    assert clock_is_useless(program)


def test_a_move_forgets_what_was_heard_before_it(rig: Rig, program: Program, clock: MovedClock) -> None:
    for _ in range(3):
        hear(program, "booking", DAY, clock)
    clock.set(-DAY)  # somebody has put it right
    rig.engine.mind_clock()
    assert not clock_is_useless(program)


# -- the certificate


def certificate(path: Path, *ends: datetime) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk.clinic.example")])
    chain = b""
    for end in ends:
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        made = made.serial_number(1).not_valid_before(end - timedelta(days=90)).not_valid_after(end)
        chain += made.sign(key, SHA256()).public_bytes(Encoding.PEM)
    path.write_bytes(chain)
    return path


def test_a_certificate_that_ends_soon_is_told_by_the_earliest_of_its_chain(
    program: Program, tmp_path: Path, clock: MovedClock
) -> None:
    late, soon = clock.now() + timedelta(days=80), clock.now() + timedelta(days=20)
    fine = certificate(tmp_path / "fine.pem", late)
    assert Machine(program, listeners={"pages": fine}, usage=free(10_000)).conditions() == ()
    both = certificate(tmp_path / "both.pem", late, soon)
    (ends,) = Machine(program, listeners={"pages": both}, usage=free(10_000)).conditions()
    assert (ends.code, ends.name) == (Code.CERTIFICATE_ENDS, "pages")
    assert ends.details["ends_at"] == soon.isoformat(timespec="seconds")


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff" * 100])
def test_a_certificate_that_cannot_be_read_has_ended(
    program: Program, tmp_path: Path, clock: MovedClock, content: bytes | None
) -> None:
    path = tmp_path / "broken.pem"
    if content is not None:
        path.write_bytes(content)
    (ends,) = Machine(program, listeners={"pages": path}, usage=free(10_000)).conditions()
    assert ends.details["ends_at"] == clock.now().isoformat(timespec="seconds")


# -- rounds


def test_a_round_that_does_not_end_is_stuck(program: Program, clock: MovedClock) -> None:
    machine = Machine(program, usage=free(10_000))
    machine.expects("poll:booking", 60)
    machine.began("poll:booking")
    clock.advance(STUCK)
    assert machine.conditions() == ()
    clock.advance(1)
    assert found(machine)[Code.ROUNDS_STUCK].details == {"rounds": "poll:booking", "minutes": 60}
    machine.ended("poll:booking")
    assert machine.conditions() == ()


def test_a_round_that_does_not_begin_any_more_is_stuck_too(program: Program, clock: MovedClock) -> None:
    machine = Machine(program, usage=free(10_000))
    machine.expects("prune:ledger", DAY, begin=600)
    machine.expects("poll:booking", 60)
    for _ in range(48):
        clock.advance(1800)
        machine.began("poll:booking")
        machine.ended("poll:booking")
        assert machine.conditions() == ()
    for _ in range(2):
        clock.advance(1800)
        assert machine.conditions() == ()
    clock.advance(60 + 1)
    assert found(machine)[Code.ROUNDS_STUCK].details["rounds"] == "poll:booking"


def test_a_first_reading_that_gets_on_is_not_stuck(rig: Rig, program: Program, clock: MovedClock) -> None:
    machine = Machine(program, usage=free(10_000))
    machine.expects("refresh:pims", 60)
    machine.began("refresh:pims")
    with rig.ledger.write() as tx:
        tx.session.add(Reading(account="pims", kind="client", begun_at=tx.now))
    for page in range(5):
        with rig.ledger.write() as tx:
            tx.session.get_one(Reading, ("pims", "client")).seen = 200 * page
        clock.advance(1800)
        assert machine.conditions() == ()
    for seconds in (STUCK / 2, STUCK / 2):
        clock.advance(seconds)
        assert machine.conditions() == ()
    clock.advance(1)
    assert Code.ROUNDS_STUCK in found(machine)


# -- the ledger


@pytest.mark.skipif(on_postgresql(), reason="the lock of a file")
def test_a_ledger_that_another_program_has_locked_is_busy_until_it_takes_a_transaction(
    rig: Rig, program: Program, clock: MovedClock
) -> None:
    machine = Machine(program, usage=free(10_000))
    with rig.ledger._writer.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(cast(Path, rig.place), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = clock.now()
        for _ in range(2):
            with pytest.raises(LedgerError, match="locked"), rig.ledger.write() as tx:
                tx.session.add(Meta(key="more", value=""))
            assert machine.conditions() == ()
            clock.advance(30)
        clock.advance(1)
        machine.look()
        busy = found(machine)[Code.LEDGER_BUSY]
        assert busy.since == began
        assert "locked" in str(busy.details["why"])
    machine.look()
    assert machine.conditions() == ()


# -- webhooks


def test_webhooks_that_have_ended_are_told_for_accounts_that_take_them(rig: Rig, program: Program) -> None:
    machine = Machine(program, usage=free(10_000))
    with rig.ledger.write() as tx:
        for name in ("booking", "pims"):
            accounts.get(tx, name).hook_misses = 5
    (silent,) = machine.conditions()
    assert (silent.code, silent.name, silent.details) == (
        Code.HOOK_SILENT,
        "booking",
        {"misses": 5, "hooked_at": ""},
    )
    with rig.ledger.write() as tx:
        accounts.hooked(tx, "booking")
    assert machine.conditions() == ()
