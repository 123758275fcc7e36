"""What a ledger on PostgreSQL does when its server misbehaves, on a server of these tests' own."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.ledgers import PASSWORD, Server, execute, rows
from vetbridge.config.address import Address
from vetbridge.config.models import Ledger as LedgerPart
from vetbridge.config.secrets import Secret
from vetbridge.connector.clock import SystemClock
from vetbridge.core.errors import LedgerError, LedgerLocked
from vetbridge.core.records import Kind
from vetbridge.daemon import lock
from vetbridge.daemon.lock import running, single_instance
from vetbridge.desk.doctor import check_ledger
from vetbridge.ledger import changes, links, postgresql
from vetbridge.ledger.copying import copy_ledger
from vetbridge.ledger.database import LEDGER_BUSY, Ledger, exists, open_ledger, upgrade
from vetbridge.ledger.tables import Meta
from vetbridge.testing.clock import FakeClock

KEY = "a ledger key for tests, long enough to be taken"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def place(server: Server) -> Address:
    return server.create(f"ledger_{next(NUMBERS)}")


@pytest.fixture
def ledger(place: Address) -> Iterator[Ledger]:
    opened = open_ledger(place, KEY, FakeClock())
    yield opened
    opened.close()


def put(ledger: Ledger, key: str, value: str = "") -> None:
    with ledger.write() as tx:
        tx.session.add(Meta(key=key, value=value))


def value(ledger: Ledger, key: str) -> str | None:
    with ledger.read() as tx:
        row = tx.session.get(Meta, key)
        return None if row is None else row.value


def busy(work: Any, *arguments: Any) -> str:
    """The words of the error that may pass, of work that must meet it."""
    with pytest.raises(LedgerError) as caught:
        work(*arguments)
    assert caught.value.code == LEDGER_BUSY
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    return caught.value.message


def until(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        SystemClock().wait(0.01)


def test_a_second_writer_waits_for_the_first_and_sees_what_it_wrote(place: Address, ledger: Ledger) -> None:
    other = open_ledger(place, KEY, FakeClock())
    found: list[str] = []

    def add_one() -> None:
        with other.write() as tx:
            row = tx.session.get_one(Meta, "counter")
            row.value = str(int(row.value) + 1)
            found.append(row.value)

    put(ledger, "counter", "1")
    second = threading.Thread(target=add_one)
    with ledger.write() as tx:
        tx.session.get_one(Meta, "counter").value = "2"
        tx.session.flush()
        second.start()
        until(lambda: rows(place, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        assert found == []
    second.join(30)
    assert found == ["3"]
    assert value(ledger, "counter") == "3"
    other.close()


def test_a_reader_sees_one_picture_while_others_write(ledger: Ledger) -> None:
    put(ledger, "counter", "1")
    with ledger.read() as tx:
        assert tx.session.get_one(Meta, "counter").value == "1"
        with ledger.write() as other:
            other.session.get_one(Meta, "counter").value = "2"
        tx.session.expire_all()
        assert tx.session.get_one(Meta, "counter").value == "1"


def test_nobody_waits_for_ever_for_another_writer(
    place: Address, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "BUSY_SECONDS", 0.05)
    other = open_ledger(place, KEY, FakeClock())
    with ledger.write() as tx:
        tx.session.add(Meta(key="mine", value=""))
        tx.session.flush()
        assert "lock timeout" in busy(put, other, "yours")
    put(other, "yours")
    other.close()


def test_a_writer_that_stopped_in_the_middle_blocks_the_others_for_a_while_only(
    place: Address, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "BUSY_SECONDS", 0.1)
    stopped = open_ledger(place, KEY, FakeClock())

    def stop_in_the_middle() -> None:
        with stopped.write() as tx:
            tx.session.add(Meta(key="stopped", value=""))
            tx.session.flush()
            put(ledger, "mine")

    busy(stop_in_the_middle)
    assert value(ledger, "mine") is not None
    assert value(ledger, "stopped") is None
    put(stopped, "stopped")
    stopped.close()


def test_after_a_restart_of_the_server_the_next_transaction_works(server: Server, ledger: Ledger) -> None:
    put(ledger, "before")
    server.stop()
    try:
        busy(put, ledger, "meanwhile")
        busy(value, ledger, "before")
    finally:
        server.start()
    put(ledger, "after")
    assert value(ledger, "before") is not None
    assert value(ledger, "meanwhile") is None


def test_a_server_that_dies_inside_a_transaction_leaves_nothing_of_it(server: Server, ledger: Ledger) -> None:
    def cut_off() -> None:
        with ledger.write() as tx:
            tx.session.add(Meta(key="half", value=""))
            tx.session.flush()
            server.kill()
            tx.session.add(Meta(key="other half", value=""))

    try:
        busy(cut_off)
    finally:
        server.start()
    assert value(ledger, "half") is None
    put(ledger, "half")


def test_a_commit_whose_answer_is_lost_is_told_and_may_stand(ledger: Ledger) -> None:
    def lost() -> None:
        with ledger.write() as tx:
            tx.session.add(Meta(key="lost", value=""))
            connection: Any = tx.session.connection().connection.dbapi_connection

            def commit() -> None:
                type(connection).commit(connection)
                connection.close()
                raise psycopg.OperationalError("server closed the connection unexpectedly")

            connection.commit = commit

    assert "closed the connection" in busy(lost)
    assert value(ledger, "lost") is not None
    put(ledger, "next")


@pytest.mark.parametrize("state", ["53100", "53200", "53300", "57P01", "57P03", "40001", "40P01", "58030"])
def test_what_passes_at_the_server_is_trouble_of_the_ledger(place: Address, ledger: Ledger, state: str) -> None:
    rows(
        place,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'"
        f" USING ERRCODE = '{state}', DETAIL = 'Zebulonia'; END $$",
    )
    rows(place, "CREATE TRIGGER refuse BEFORE INSERT ON meta FOR EACH ROW EXECUTE FUNCTION refuse()")
    message = busy(put, ledger, "full")
    assert "no room" in message
    assert "Zebulonia" not in message
    assert str(place) in message
    rows(place, "DROP TRIGGER refuse ON meta")
    put(ledger, "full")


def test_a_fault_of_a_statement_is_no_trouble_of_the_ledger(ledger: Ledger) -> None:
    put(ledger, "once")
    with pytest.raises(Exception, match="unique") as caught:
        put(ledger, "once")
    assert not isinstance(caught.value, LedgerError)


def test_too_many_connections(server: Server, place: Address, ledger: Ledger) -> None:
    put(ledger, "before")
    execute(server.address("postgres"), f"CREATE ROLE few_{os.getpid()} LOGIN CONNECTION LIMIT 0")
    few = Address(place.reveal().replace("postgres:", f"few_{os.getpid()}:", 1))
    with pytest.raises(LedgerError, match=r"cannot be opened: .*too many connections"):
        open_ledger(few, KEY, FakeClock())


def test_the_address_must_be_one(server: Server) -> None:
    for address, words in (
        (server.address("nowhere"), 'database "nowhere" does not exist'),
        (server.address("postgres") + "&colour=blue", "address of the ledger .* cannot be read"),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/vetbridge", "cannot be opened: connection failed"),
        (server.address("postgres") + "&options=-csearch_path%3Dmissing", "names no schema that exists"),
    ):
        for work in (lambda place: open_ledger(place, KEY, FakeClock()), exists):
            with pytest.raises(LedgerError, match=words) as caught:
                work(Address(address))
            assert PASSWORD not in "".join(traceback.format_exception(caught.value))
            assert "\n" not in caught.value.message


def test_two_ledgers_in_two_schemas_know_nothing_of_each_other(place: Address) -> None:
    ledgers = []
    for name in ("north", "south"):
        execute(place.reveal(), f"CREATE SCHEMA {name}")
        inside = Address(f"{place.reveal()}&options=-csearch_path%3D{name}")
        assert not exists(inside)
        ledgers.append(open_ledger(inside, KEY, FakeClock()))
    north, south = ledgers
    with north.write() as tx:
        tx.session.add(Meta(key="here", value="north"))
        tx.session.flush()
        put(south, "here", "south")
    assert (value(north, "here"), value(south, "here")) == ("north", "south")
    assert not exists(place)
    for ledger in ledgers:
        ledger.close()


def test_a_text_that_holds_a_nul_is_taken(ledger: Ledger) -> None:
    put(ledger, "a\0b", "x\0y")
    assert value(ledger, "a\0b") == "x\N{REPLACEMENT CHARACTER}y"


def test_without_its_library_the_error_says_what_to_install(place: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for work in (lambda: open_ledger(place, KEY, FakeClock()), lambda: exists(place)):
        with pytest.raises(LedgerError, match=r"pip install 'vetbridge\[postgresql\]'"):
            work()


def test_one_process_has_the_ledger_alone_until_it_dies(place: Address) -> None:
    holding = (
        "import os, sys, time; from vetbridge.config.address import Address\n"
        "from vetbridge.daemon.lock import single_instance\n"
        "with single_instance(Address(sys.stdin.readline())):\n"
        "    print(os.getpid(), flush=True); time.sleep(600)"
    )
    assert running(place) is None
    with subprocess.Popen(
        [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(place.reveal() + "\n")
        child.stdin.flush()
        pid = int(child.stdout.readline())
        assert running(place) == pid
        with pytest.raises(LedgerLocked, match=f"process id {pid};") as caught, single_instance(place):
            pass
        assert PASSWORD not in str(caught.value)
        child.kill()
    until(lambda: running(place) is None)
    with single_instance(place):
        assert running(place) == os.getpid()
    assert running(place) is None


def test_a_restarted_server_has_forgotten_who_had_the_ledger_and_is_told(server: Server, place: Address) -> None:
    mine, other = (postgresql.Alone(place, pid) for pid in (11, 22))
    assert mine.take()
    assert mine.take(), "what is ours stays ours"
    assert not other.take()
    server.stop()
    with pytest.raises(LedgerError, match="cannot be opened"):
        mine.take()
    server.start()
    assert mine.take()
    assert not other.take()
    server.stop()
    server.start()
    assert other.take()
    assert not mine.take()
    assert postgresql.holder(place) == 22
    other.close()


def test_a_vetbridge_that_lost_its_ledger_to_another_one_ends(
    server: Server, place: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOOK_EVERY", 0.05)
    told: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _signal: told.append(pid))
    other = postgresql.Alone(place, 22)
    with single_instance(place):
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%process%'"
        rows(place, cut)
        until(lambda: postgresql.holder(place) == os.getpid())
        with psycopg.connect(place.reveal(), autocommit=True) as admin:
            # The next connection of the one that holds it must come too late.
            while not other.take():
                admin.execute(cut)
        until(lambda: told)
    assert told == [os.getpid()]
    other.close()


def test_a_copy_for_a_rehearsal_has_all_that_the_ledger_has(place: Address, ledger: Ledger, tmp_path: Path) -> None:
    with ledger.write() as tx:
        change = changes.receive(tx, site="town", account="a", kind=Kind.APPOINTMENT, remote_id="7", source="poll")
        links.put(
            tx,
            site="town",
            kind=Kind.APPOINTMENT,
            booking_account="a",
            booking_id="7",
            pims_account="b",
            pims_id="8",
            origin="matched",
            evidence=[{"here": "Zebulonia"}],
        )
        received = change.received_at
    path = tmp_path / "copy.db"
    copy_ledger(place, path)
    with pytest.raises(LedgerError, match="key"):
        open_ledger(path, "another key that is long enough to be taken", FakeClock())
    copy = open_ledger(path, KEY, FakeClock())
    with copy.write() as tx:
        again = changes.receive(tx, site="town", account="a", kind=Kind.APPOINTMENT, remote_id="7", source="poll")
        assert (again.id, again.received_at) == (change.id, received)
        link = links.of_booking(tx, "a", Kind.APPOINTMENT, "7")
        assert link is not None
        assert link.evidence_sealed is not None
        assert tx.sealer.open(link.evidence_sealed) == [{"here": "Zebulonia"}]
    copy.close()
    assert path.stat().st_mode & 0o077 == 0
    assert rows(place, "SELECT hints FROM record") == [(1,)]


def test_an_old_schema_is_copied_as_it_is_and_upgraded_in_the_copy(place: Address, tmp_path: Path) -> None:
    engine = postgresql.engine(place, read_only=False)
    upgrade(engine, to="0001")
    engine.dispose()
    rows(place, "INSERT INTO meta (key, value) VALUES ('old', 'fact')")
    copy_ledger(place, tmp_path / "copy.db")
    copy = open_ledger(tmp_path / "copy.db", KEY, FakeClock())
    assert value(copy, "old") == "fact"
    copy.close()
    assert rows(place, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_doctor_names_the_database_and_no_password(server: Server, place: Address) -> None:
    def lines(address: str) -> list[tuple[str, str, str]]:
        settings = LedgerPart(key=Secret.of(KEY), database=Secret.of(address))
        found = [(line.name, line.mark.value, line.text) for line in check_ledger(settings, FakeClock())]
        assert PASSWORD not in repr(found)
        return found

    assert lines(place.reveal())[1][:2] == ("database", "OK")
    assert "there is none yet" in lines(place.reveal())[1][2]
    assert not exists(place), "doctor makes no ledger"
    open_ledger(place, KEY, FakeClock()).close()
    assert lines(place.reveal())[0] == ("database", "OK", f"{place} opens")
    assert lines(server.address("nowhere"))[0][:2] == ("database", "WRONG")
    assert lines(f"mysql://me:{PASSWORD}@here/there")[0][:2] == ("database", "WRONG")
