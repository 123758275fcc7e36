"""The ledger itself: who may read it, which key opens it, what stands in it in plain, whether its schema is known."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from tests.ledgers import contents, ledger_place, rows
from vetbridge.core.errors import LedgerError, SchemaTooNew
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.ledger import accounts, actions, changes, database, links, mirror, reviews
from vetbridge.ledger.database import Ledger, Place, exists, open_ledger
from vetbridge.ledger.sealing import Sealer, new_key
from vetbridge.testing.clock import START, FakeClock

KEY = "a ledger key for tests, long enough to be taken"
PLANTED = (
    "Zebulonia",
    "Quimbleton",
    "+447700900777",
    "7700900777",
    "planted@example.org",
    "Snuffelbold",
    "bites the",
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return ledger_place(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vetbridge.db"


def planted_visit() -> tuple[Client, Pet, Appointment]:
    owner = Client(
        id="c1",
        given_name="Zebulonia",
        family_name="Quimbleton",
        phones=("+447700900777",),
        emails=("planted@example.org",),
    )
    pet = Pet(id="p1", client_id="c1", name="Snuffelbold", species="dog", birth_date=date(2020, 1, 2))
    visit = Appointment(
        id="a1",
        booker=owner,
        booked_pet=pet,
        start=Instant(START, "Europe/London"),
        duration=900,
        notes="Snuffelbold bites the vet",
    )
    return owner, pet, visit


def plant(ledger: Ledger) -> None:
    """Puts personal values wherever the ledger takes any."""
    owner, pet, visit = planted_visit()
    fields: dict[str, object] = {"notes": visit.notes, "client": owner, "pet": pet}
    with ledger.write() as tx:
        accounts.enrol(tx, "pims", "memory", country="GB")
        mirror.put(tx, "pims", [owner, pet])
        change = changes.receive(
            tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id="a1", source="poll"
        )
        link = links.put(
            tx,
            site="city",
            kind=Kind.APPOINTMENT,
            booking_account="booking",
            booking_id="a1",
            pims_account="pims",
            pims_id="9",
            origin="matched",
            evidence=[{"here": "Zebulonia", "there": "+447700900777"}],
        )
        links.set_bases(
            tx,
            link,
            booking=fields,
            pims=fields,
            booking_mapping="",
            pims_mapping="",
            pims_version=None,
        )
        actions.reserve(tx, "pims", "contact", ["+447700900777", "planted@example.org"], change.record_id)
        actions.intend(
            tx,
            change,
            account="pims",
            kind=Kind.APPOINTMENT,
            operation="create",
            remote_id=None,
            stamp="VB-0000000000",
            fields=["notes"],
            payload={"native": {"description": visit.notes, "name": "Zebulonia Quimbleton"}, "here": fields},
        )
        reviews.ask(tx, change, why="names-differ", visit_at=START, question={"booking": visit})


def test_no_personal_value_stands_in_the_file_in_plain(place: Place) -> None:
    ledger = open_ledger(place, KEY, FakeClock())
    plant(ledger)
    before = contents(place)
    ledger.close()
    for found in (before, contents(place)):
        assert b"VB-0000000000" in found, "the scan sees what is written"
        folded = found.lower()
        for text in PLANTED:
            for spelt in (text, text.encode("utf-16-le").decode("latin-1")):
                assert spelt.lower().encode("latin-1") not in folded, f"{text} stands in the file"


def test_what_was_sealed_comes_back(place: Place) -> None:
    owner, pet, visit = planted_visit()
    ledger = open_ledger(place, KEY, FakeClock())
    plant(ledger)
    with ledger.read() as tx:
        (item,) = reviews.open_items(tx)
        assert reviews.question(tx, item)["booking"] == visit
        known = mirror.client(tx, "pims", "c1")
    ledger.close()
    assert known is not None
    assert (known.client, known.pets) == (owner, (pet,))


def test_another_key_does_not_open_it(place: Place) -> None:
    open_ledger(place, KEY, FakeClock()).close()
    with pytest.raises(LedgerError, match="key") as caught:
        open_ledger(place, new_key(), FakeClock())
    assert caught.value.code == "ledger-key"
    open_ledger(place, KEY, FakeClock()).close()


def test_a_short_key_is_refused_without_being_repeated(place: Place) -> None:
    with pytest.raises(LedgerError, match="shorter") as caught:
        open_ledger(place, "hunter2", FakeClock())
    assert caught.value.code == "ledger-key"
    assert "hunter2" not in str(caught.value)
    assert not exists(place)


def test_a_sealer_never_shows_its_key() -> None:
    assert KEY not in repr(Sealer(KEY))


def test_sealing_twice_gives_two_texts_and_hashes_depend_on_the_key() -> None:
    sealer, other = Sealer(KEY), Sealer(new_key())
    assert sealer.seal("Zebulonia") != sealer.seal("Zebulonia")
    assert sealer.hash("+447700900777") == Sealer(KEY).hash("+447700900777")
    assert sealer.hash("+447700900777") != other.hash("+447700900777")


def test_a_damaged_column_is_a_ledger_error() -> None:
    sealed = bytearray(Sealer(KEY).seal("text"))
    sealed[-1] ^= 1
    for broken in (bytes(sealed), b"", b"short"):
        with pytest.raises(LedgerError):
            Sealer(KEY).open(broken)


@pytest.mark.sqlite_file("a file has rights")
@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX; on Windows the folder's rights count")
def test_only_its_owner_may_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        ledger = open_ledger(path, KEY, FakeClock())
        plant(ledger)
        modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in path.parent.glob(f"{path.name}*")}
        ledger.close()
    finally:
        os.umask(before)
    assert modes[path.name] == 0o600
    assert set(modes.values()) == {0o600}, modes


def test_the_migrations_make_just_the_tables_of_the_code(place: Place) -> None:
    open_ledger(place, KEY, FakeClock()).close()
    engine = database.engine_of(place, read_only=True)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(place: Place) -> None:
    open_ledger(place, KEY, FakeClock()).close()
    rows(place, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        open_ledger(place, KEY, FakeClock())
    assert rows(place, "SELECT version_num FROM alembic_version") == [("9999",)]


@pytest.mark.sqlite_file("a file may hold something else")
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"these are somebody's holiday plans " * 100)
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_ledger(path, KEY, FakeClock())
    assert path.read_bytes().startswith(b"these are somebody's")


@pytest.mark.sqlite_file("a file stands in a folder")
def test_a_folder_that_cannot_be_made_is_a_ledger_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_ledger(tmp_path / "file" / "vetbridge.db", KEY, FakeClock())


@pytest.fixture
def beside(place: Place) -> Iterator[tuple[Ledger, Ledger]]:
    """One ledger, opened by a daemon and by a command beside it."""
    daemon, command = (open_ledger(place, KEY, FakeClock()) for _ in range(2))
    yield daemon, command
    daemon.close()
    command.close()


def test_a_reader_beside_a_writer_sees_what_is_committed_and_cannot_write(beside: tuple[Ledger, Ledger]) -> None:
    daemon, command = beside
    with daemon.write() as tx:
        accounts.enrol(tx, "pims", "memory", country="GB")
        tx.session.flush()
        with command.read() as other:
            assert accounts.not_answering(other) == set()
    with command.read() as other:
        assert accounts.get(other, "pims").connector == "memory"
        accounts.block(other, "pims", "auth-failed")
        with pytest.raises(sa.exc.DBAPIError, match=r"read-?only"):
            other.session.flush()
        other.session.rollback()
