"""Gives a ledger another key: every sealed value is opened with the old one and sealed with the new one.

What was hashed stays hashed as it was: the keys of the hashes cannot be changed without the values that were hashed,
so the ledger keeps the hash key, sealed. Whoever had the old key and the ledger has that hash key still.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from vetbridge.connector.clock import Clock
from vetbridge.core.errors import LedgerError
from vetbridge.ledger import audit
from vetbridge.ledger.audit import Act
from vetbridge.ledger.copying import Progress, in_one_file, quiet
from vetbridge.ledger.database import HASH_KEY, KEY_CHECK, KEY_CHECK_TEXT, Place, Transaction, open_ledger
from vetbridge.ledger.scrubbing import scrub
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import Meta

BATCH = 500
"""Rows that are sealed anew at a time."""
SEALED = "_sealed"
"""How the names of columns end that hold sealed values."""


def sealed_values(place: Place, key: str, clock: Clock) -> dict[str, int]:
    """How many sealed values stand in each column. Raises ``LedgerError``, also for another key."""
    with closing(open_ledger(place, key, clock, before_upgrade=_not_now)) as ledger, ledger.read() as tx:
        return {
            f"{table.name}.{column.name}": tx.session.scalar(
                sa.select(sa.func.count()).select_from(table).where(column.is_not(None))
            )
            or 0
            for table, columns in _tables()
            for column in columns
        }


def rekey(place: Place, old: str, new: str, clock: Clock, *, by: str, progress: Progress = quiet) -> int:
    """Gives the ledger, which nobody may be working on, another key; returns how many values were sealed anew.

    One transaction: it has the old key or the new one. Raises ``LedgerError``; then it has the old one.
    """
    if isinstance(place, Path):
        _must_be_left_alone(place)
    total = max(1, sum(sealed_values(place, old, clock).values()))
    with closing(open_ledger(place, old, clock, before_upgrade=_not_now)) as ledger:
        heir = ledger.sealer.heir(new)
        with ledger.write() as tx:
            done = 0
            for table, columns in _tables():
                for changed in _seal_anew(tx, heir, table, columns):
                    done += changed
                    progress(100 * done // total)
            tx.session.merge(Meta(key=KEY_CHECK, value=heir.seal(KEY_CHECK_TEXT).hex()))
            tx.session.merge(Meta(key=HASH_KEY, value=heir.sealed_hash_key().hex()))
            audit.note(tx, Act.REKEYED, by=by, via=audit.COMMAND, subject="ledger", subject_id="")
    if not scrub(place, [table.name for table, _ in _tables()]):
        raise LedgerError(
            f"the ledger {place} has its new key, but others kept it from being written anew: what the "
            "old key opens may be left in free pages until `vetbridge db rekey` is run once more"
        )
    return done


def _not_now(schema: str) -> None:
    raise LedgerError(f"the ledger has the older schema {schema}; upgrade it first: vetbridge db upgrade")


def _must_be_left_alone(place: Path) -> None:
    """Raises ``LedgerError`` where another program has the file open: it would go on with the old key."""
    try:
        in_one_file(place)
    except sqlite3.OperationalError:
        raise LedgerError(f"the ledger {place} is open in another program; end that first") from None
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger {place} cannot be opened: {error}") from None


def _tables() -> Iterator[tuple[sa.Table, list[sa.Column[Any]]]]:
    """The tables that hold sealed values, with their columns that do."""
    for table in SQLModel.metadata.sorted_tables:
        columns = [column for column in table.columns if column.name.endswith(SEALED)]
        if columns:
            yield table, columns


def _seal_anew(tx: Transaction, heir: Sealer, table: sa.Table, columns: list[sa.Column[Any]]) -> Iterator[int]:
    """Seals the values of a table anew, batch by batch; yields how many they were."""
    keys = list(table.primary_key.columns)
    full = sa.or_(*(column.is_not(None) for column in columns))
    rows = tx.session.execute(sa.select(*keys).where(full)).all()
    here: list[sa.BindParameter[Any]] = [sa.bindparam(f"at_{number}") for number in range(len(keys))]
    change = sa.update(table).where(*(key == value for key, value in zip(keys, here, strict=True)))
    change = change.values({column: sa.bindparam(f"new_{column.name}") for column in columns})
    for start in range(0, len(rows), BATCH):
        some = [tuple(row) for row in rows[start : start + BATCH]]
        anew, count = [], 0
        for row in tx.session.execute(sa.select(*keys, *columns).where(sa.tuple_(*keys).in_(some))):
            values = {column.name: getattr(row, column.name) for column in columns}
            count += sum(value is not None for value in values.values())
            sealed = {
                f"new_{name}": None if value is None else heir.seal(tx.sealer.open(value))
                for name, value in values.items()
            }
            anew.append({**{f"at_{number}": row[number] for number in range(len(keys))}, **sealed})
        tx.session.connection().execute(change, anew)
        yield count
