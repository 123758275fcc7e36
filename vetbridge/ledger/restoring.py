"""Puts a backup in the place of the ledger: all of it or nothing, and never as if no time had passed.

A backup is older than the world. What was written to the vendors since is unknown to it, and what people decided
since it does not remember. So nothing is written on its word: every pair goes back to the shadow and is read and
paired anew, writes that were under way are looked for, and whoever is sure that all is well approves the pairs.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, select

from vetbridge.config.address import Address
from vetbridge.core.errors import LedgerError
from vetbridge.ledger import backup, forgetting, holdings, owners, postgresql, sqlite
from vetbridge.ledger.audit import COMMAND, Act
from vetbridge.ledger.backup import RESTORING, BackupError
from vetbridge.ledger.copying import BATCH, SCHEMA_TABLE, Progress, copy_ledger, in_one_file, quiet
from vetbridge.ledger.database import (
    HASH_KEY,
    KEY_CHECK,
    Place,
    Transaction,
    engine_of,
    exists,
    must_be_known,
    revision,
    schema_of,
    upgrade,
    upgrade_at,
)
from vetbridge.ledger.due import NOTICES_SINCE
from vetbridge.ledger.going_live import RESTORED_AT
from vetbridge.ledger.scrubbing import scrub
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import UNSETTLED_ACTIONS, ActionState, Meta, Moment

RESTORED = "restored"
"""Who approved a pair that nobody had approved before it was restored: so the config does not do it by itself."""

Point = Callable[[str], None]
"""Is told that a step is through: for tests that end the process there."""


def nowhere(_step: str) -> None:
    """Stops nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restored ledger holds, and where the one before it stands."""

    aside: Path | None
    """The ledger that was there; None where there was none."""
    sites: tuple[str, ...]
    """Pairs that went back to the shadow."""
    unsettled: int
    """Writes that were under way, and are looked for."""
    forgotten: int
    """Owners who were forgotten since the backup was made, and were erased in what it holds."""


def check(path: Path, key: str) -> backup.Backup:
    """A backup that can be restored. Raises ``BackupError``, and ``SchemaTooNew`` for a newer VetBridge's."""
    found = backup.inspect(path, key)
    must_be_known(found.schema, path)
    return found


def restore(
    place: Place,
    path: Path,
    key: str,
    now: datetime,
    *,
    by: str,
    aside: Path,
    progress: Progress = quiet,
    point: Point = nowhere,
) -> Restored:
    """Puts a backup in the place of the ledger, which nobody may be working on.

    The ledger that was there is kept as a backup: beside itself, or of a database in the folder ``aside``. The
    schema stays the backup's, but for one from before there was a shadow (0007), which is upgraded.

    Raises ``LedgerError``; then the ledger is as it was.
    """
    check(path, key)
    if isinstance(place, Path):
        place = place.resolve()  # what a link leads to is replaced, and not the link
    if isinstance(place, Path) and place.exists() and place.samefile(path):
        raise BackupError(f"{path} is the ledger itself")
    ready = (
        place.with_name(f"{place.name}{RESTORING}") if isinstance(place, Path) else aside / f"vetbridge{RESTORING}"
    )
    try:
        ready.parent.mkdir(parents=True, exist_ok=True)
        _remove(ready)
        copy_ledger(path, ready, progress=progress)
        point("copied")
        forgotten = _forgotten(place)
        sites, unsettled = _make_ready(ready, path, now, by, forgotten)
        erased = _forget_again(ready, key, now, forgotten)
        point("prepared")
        kept = _into_file(place, ready, now, point) if isinstance(place, Path) else _into_database(place, ready, now)
    except OSError as error:
        raise LedgerError(f"the backup cannot be put to {place}: {error.strerror}") from None
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        cause = postgresql.reason(getattr(error, "orig", None) or error)
        raise LedgerError(f"the backup cannot be put to {place}: {cause}") from None
    finally:
        with contextlib.suppress(OSError):
            _remove(ready)
    return Restored(aside=kept, sites=sites, unsettled=unsettled, forgotten=erased)


def _remove(path: Path) -> None:
    """A ledger's file, with what stands beside it."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


# -- what a ledger is that no time is lost on ---------------------------------------------------------------------


def _make_ready(
    ready: Path, path: Path, now: datetime, by: str, forgotten: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, ...], int]:
    """Makes of a copy of a backup a ledger that looks before it writes; returns the pairs that went back to the
    shadow, and how many writes are looked for."""
    engine = sqlite.engine(ready, read_only=False)
    try:
        there = sa.inspect(engine)
        if forgotten or not there.has_table(_GOING_LIVE.name):
            upgrade(engine)
        with engine.begin() as connection:
            found = _look_again(connection, now, forgotten, entry={"by": by, "subject_id": path.name})
    finally:
        engine.dispose()
    in_one_file(ready)
    sqlite.to_disk(ready)
    return found


def _table(name: str, *columns: str, moments: Collection[str] = ()) -> sa.TableClause:
    """A table as it is named in every schema since 0007: an older one has columns that the newest class has not."""
    return sa.table(name, *(sa.column(each) for each in columns), *(sa.column(each, Moment) for each in moments))


_GOING_LIVE = _table(
    "going_live", "site", "approved_by", moments=("paired_at", "approved_at", "quota_from", "ended_at")
)
_ACCOUNT = _table("account", moments=("mirror_complete_at", "mirror_read_at"))
_READING = _table("reading")
_RECORD = _table("record", moments=("missed_at",))
_ACTION = _table("action", "id", "state")
_ATTEMPT = _table("attempt", "action_id", "state", moments=("ended_at",))
_RUN = _table("run", moments=("ended_at",))
_META = _table("meta", "key", "value")
_SESSION = _table("staff_session")
_SUPPRESSION = "suppression"
_AUDIT = _table("audit", "by", "via", "act", "site", "subject", "subject_id", "says", moments=("at",))


def _look_again(
    connection: sa.Connection, now: datetime, forgotten: Sequence[Mapping[str, Any]], *, entry: Mapping[str, str]
) -> tuple[tuple[str, ...], int]:
    go = _GOING_LIVE.c
    standing = go.ended_at.is_(None)
    sites = tuple(connection.scalars(sa.select(go.site).where(standing).order_by(go.site)))
    connection.execute(
        sa.update(_GOING_LIVE).where(standing).values(paired_at=None, approved_at=None, quota_from=None)
    )
    connection.execute(sa.update(_GOING_LIVE).where(standing, go.approved_by == "").values(approved_by=RESTORED))
    # Whom the mirror does not hold would be made a second time: it is read from end to end, and counted.
    connection.execute(sa.update(_ACCOUNT).values(mirror_complete_at=None, mirror_read_at=None))
    connection.execute(sa.delete(_READING))
    # A miss of that time is no first miss of now.
    connection.execute(sa.update(_RECORD).values(missed_at=None))
    unsettled = sa.select(_ACTION.c.id).where(_ACTION.c.state.in_(UNSETTLED_ACTIONS))
    tried = _ATTEMPT.c
    connection.execute(
        sa.update(_ATTEMPT)
        .where(tried.action_id.in_(unsettled), tried.state == ActionState.INTENDED)
        .values(state=ActionState.UNKNOWN, ended_at=now)
    )
    looked_for = connection.execute(
        sa.update(_ACTION).where(_ACTION.c.state.in_(UNSETTLED_ACTIONS)).values(state=ActionState.UNKNOWN)
    ).rowcount
    connection.execute(sa.update(_RUN).where(_RUN.c.ended_at.is_(None)).values(ended_at=now))
    connection.execute(sa.delete(_META).where(_META.c.key == RESTORED_AT))
    moment = now.astimezone(UTC).isoformat(timespec="seconds")
    connection.execute(sa.insert(_META).values(key=RESTORED_AT, value=moment))
    # What owners were told since the backup is not known any more.
    connection.execute(sa.delete(_META).where(_META.c.key.startswith(NOTICES_SINCE)))
    there = set(sa.inspect(connection).get_table_names())
    if _SESSION.name in there:
        connection.execute(sa.delete(_SESSION))
    if forgotten:
        table = sa.Table(_SUPPRESSION, sa.MetaData(), autoload_with=connection)
        known = set(connection.scalars(sa.select(table.c.key_hash)))
        new = [row for row in forgotten if row["key_hash"] not in known]
        if new:
            connection.execute(sa.insert(table), new)
    if _AUDIT.name in there:
        more = {"via": COMMAND, "act": Act.RESTORED, "site": "", "subject": "ledger", "says": ""}
        connection.execute(sa.insert(_AUDIT).values(at=now, **more, **entry))
    return sites, looked_for


def _forgotten(place: Place) -> Sequence[Mapping[str, Any]]:
    """Whom people wanted forgotten, as the ledger knows that is there now: a backup must not bring them back.

    They are hashes, and the key of these stays whatever key the ledger is given: those of another ledger mean nobody.
    Nothing where that ledger cannot be read.
    """
    if not exists(place):
        return ()
    engine = engine_of(place, read_only=True)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table(_SUPPRESSION):
                return ()
            table = sa.Table(_SUPPRESSION, sa.MetaData(), autoload_with=connection)
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]
    except (sqlite3.Error, sa.exc.SQLAlchemyError):
        return ()
    finally:
        engine.dispose()


def _forget_again(ready: Path, key: str, now: datetime, forgotten: Sequence[Mapping[str, Any]]) -> int:
    """Erases what the backup holds of those who were forgotten since; returns how many owners that were."""
    erased = 0
    if not forgotten:
        return erased
    engine = sqlite.engine(ready, read_only=False)
    try:
        with Session(engine) as session, session.begin():
            meta = {row.key: row.value for row in session.exec(select(Meta))}
            tx = Transaction(session, _sealer(meta, key), now)
            for owner_hash in sorted({str(row["owner_hash"]) for row in forgotten}):
                records = owners.forgotten(tx, owner_hash)
                found = holdings.held(tx, owners.owner_of(tx, records)) if records else None
                if found is not None and any(found.counts(tx).values()):
                    forgetting.forget(tx, found)
                    erased += 1
    finally:
        engine.dispose()
    if erased and not scrub(ready, ()):
        raise LedgerError(f"{ready} cannot be written anew")
    in_one_file(ready)
    sqlite.to_disk(ready)
    return erased


def _sealer(meta: Mapping[str, str], key: str) -> Sealer:
    """The sealer of a ledger with these facts. Raises ``LedgerError`` for another key."""
    sealer = Sealer(key)
    sealer.open(bytes.fromhex(meta[KEY_CHECK]))
    return sealer.with_hash_key(key, bytes.fromhex(meta[HASH_KEY])) if HASH_KEY in meta else sealer


# -- a file -------------------------------------------------------------------------------------------------------


def _into_file(place: Path, ready: Path, now: datetime, point: Point) -> Path | None:
    """The ledger that was there gets a second name, and then the copy takes its first one in a single step: whoever
    ends the process finds one of the two."""
    kept = _keep(place, now)
    point("kept")
    ready.replace(place)
    point("placed")
    sqlite.to_disk(place.parent)
    return kept


def _keep(place: Path, now: datetime) -> Path | None:
    """Gives the ledger that is there a second name, by which it is a backup. Nothing of it may be left beside it: the
    log of one ledger would be read into the other."""
    there = place.exists()
    try:
        if there:
            in_one_file(place)
    except sqlite3.Error as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise LedgerError(f"the ledger {place} is open in another program; end that first") from None
    # Of a damaged one, or one that was taken away, the log cannot be taken in: it is kept.
    kept = backup.free_name(place.parent, now, _schema(place) if there else "gone")
    if there:
        _second_name(place, kept)
    for end in ("-wal", "-shm", "-journal"):
        log = place.with_name(place.name + end)
        if log.exists():
            _second_name(log, kept.with_name(kept.name + end))
            log.unlink()
    sqlite.to_disk(place.parent)
    return kept if there else None


def _schema(place: Path) -> str:
    try:
        return schema_of(place) or "none"
    except LedgerError:
        return "damaged"


def _second_name(path: Path, name: Path) -> None:
    try:
        name.hardlink_to(path)
    except OSError:  # a disk that knows no second names
        shutil.copyfile(path, name)
        name.chmod(0o600)
        sqlite.to_disk(name)


# -- a database ---------------------------------------------------------------------------------------------------


def _into_database(place: Address, ready: Path, now: datetime) -> Path | None:
    """In one transaction the tables of the ledger that was there go, and those of the backup come."""
    kept = backup.make(place, None, ready.parent, now).path if exists(place) else None
    source, target = sqlite.engine(ready, read_only=True), postgresql.engine(place, read_only=False)
    try:
        with source.connect() as reading, target.begin() as writing:
            schema = revision(reading)
            names = [
                table.name for table in SQLModel.metadata.sorted_tables if sa.inspect(writing).has_table(table.name)
            ]
            for name in (*names, SCHEMA_TABLE):
                writing.execute(sa.text(f'DROP TABLE IF EXISTS "{name}" CASCADE'))
            upgrade_at(writing, to=schema)
            _fill(reading, writing)
    finally:
        source.dispose()
        target.dispose()
    return kept


def _fill(reading: sa.Connection, writing: sa.Connection) -> None:
    """Copies every row, and lets new rows be counted on from there."""
    here, there = sa.MetaData(), sa.MetaData()
    here.reflect(reading)
    there.reflect(writing, only=[name for name in here.tables if name != SCHEMA_TABLE])
    for table in there.sorted_tables:
        selected = sa.select(here.tables[table.name])
        for batch in reading.execution_options(yield_per=BATCH).execute(selected).partitions():
            rows = [{name: _in_database(value) for name, value in row._mapping.items()} for row in batch]
            writing.execute(sa.insert(table), rows)
        counted = writing.scalar(sa.select(sa.func.count()).select_from(table))
        if counted != reading.scalar(sa.select(sa.func.count()).select_from(here.tables[table.name])):
            raise LedgerError(f"the table {table.name} did not arrive whole; nothing was changed")
        if "id" in table.columns:
            sequence = writing.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, "id")))
            newest = writing.scalar(sa.select(sa.func.max(table.columns["id"])))
            if sequence is not None and newest is not None:
                writing.execute(sa.select(sa.func.setval(sequence, newest)))


def _in_database(value: Any) -> Any:
    """A value as PostgreSQL takes it: a file's moments are in UTC and do not say so."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
