"""Statements that are run as they are written: a booking asks several, and to build one anew takes longer than to
answer it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from vetbridge.ledger.database import Transaction

BATCH = 504
"""So many values stand in one ``IN`` at the most."""
_STEP = 8


def rows(tx: Transaction, statement: str, values: tuple[Any, ...]) -> Sequence[Any]:
    """The rows of a statement that reads, which has ``?`` for each value."""
    connection = tx.session.connection()
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        # Past SQLAlchemy, which takes ten times as long as the answer. What goes wrong goes wrong again below, where
        # it gets its name.
        with suppress(sqlite3.Error):
            return driver.execute(statement, values).fetchall()
    return connection.exec_driver_sql(_marked(connection, statement), values).fetchall()


def rows_of(tx: Transaction, statement: str, values: tuple[Any, ...], ids: Sequence[str]) -> Iterator[Any]:
    """The rows of a statement that ends with ``IN``, for all ids."""
    for start in range(0, len(ids), BATCH):
        batch = filled(ids[start : start + BATCH])
        yield from rows(tx, f"{statement} ({', '.join('?' * len(batch))})", (*values, *batch))


def filled(values: Sequence[str]) -> Sequence[str | None]:
    """The values, with NULL, which equals nothing, up to the next multiple of eight: of few different statements the
    driver keeps each one ready."""
    return [*values, *[None] * (-len(values) % _STEP)]


def run(tx: Transaction, statement: str, each: Sequence[tuple[Any, ...]]) -> None:
    """Runs a statement for each row of values."""
    if each:
        connection = tx.session.connection()
        connection.exec_driver_sql(_marked(connection, statement), list(each))


def _marked(connection: sa.Connection, statement: str) -> str:
    """The statement with the marks for values that the database's driver knows."""
    return statement if connection.dialect.paramstyle == "qmark" else statement.replace("?", "%s")
