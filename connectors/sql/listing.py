"""Owners, tables and columns of a database, and how many rows each has; never what stands in them.

Catalogue calls of drivers answer differently, or nothing (impromed.md, section 7): each engine is asked in a way that
is known to answer.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from itertools import groupby

from connectors.sql.odbc import Database
from connectors.sql.options import Dialect
from vetbridge.connector.catalogue import ListedColumn, ListedTable
from vetbridge.core.errors import VetBridgeError

_STANDARD = """
SELECT c.TABLE_SCHEMA, c.TABLE_NAME, t.TABLE_TYPE, c.COLUMN_NAME, c.DATA_TYPE
FROM INFORMATION_SCHEMA.COLUMNS c
JOIN INFORMATION_SCHEMA.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION
"""
"""What SQL Server and PostgreSQL both answer, each with what the login may see."""
_OWN = frozenset({"information_schema", "pg_catalog", "sys"})
"""The engines' own schemas."""

_Column = tuple[str, str, str, str, str]
"""Owner, table, kind of table, column, type."""


def listed_tables(database: Database, dialect: Dialect, pattern: str) -> Iterator[ListedTable]:
    """Every table and view that the login sees and whose name fits, with its columns and its count."""
    if dialect is Dialect.SQLITE:
        columns = _of_sqlite(database)
    elif dialect is Dialect.SQLANYWHERE:
        columns = _of_calls(database)
    else:
        columns = [_row(row) for row in database.read("the list of tables", _STANDARD).rows]
    for (owner, name, type_), group in groupby(columns, key=lambda each: each[:3]):
        if owner.casefold() in _OWN or not fnmatch.fnmatchcase(name.casefold(), pattern.casefold()):
            continue
        yield ListedTable(
            owner=owner,
            name=name,
            is_view="view" in type_.casefold(),
            columns=tuple(ListedColumn(name=column, type=told) for *_, column, told in group if column),
            rows=_count(database, owner, name),
        )


def _row(row: tuple[object, ...]) -> _Column:
    owner, name, type_, column, told = (str(each or "") for each in row[:5])
    return owner, name, type_, column, told


def _of_sqlite(database: Database) -> list[_Column]:
    found: list[_Column] = []
    for _, owner, *_ in database.read("the list of files", "PRAGMA database_list").rows:
        master = f"SELECT name, type FROM {_quoted(owner)}.sqlite_master WHERE type <> 'index' ORDER BY name"  # noqa: S608
        for name, type_ in database.read("the list of tables", master).rows:
            if type_ not in ("table", "view"):
                continue
            try:
                told = database.read(
                    "the list of columns", f"PRAGMA {_quoted(owner)}.table_info({_quoted(name)})"
                ).rows
            except VetBridgeError:  # a view of what is no longer there
                told = ()
            found += [(owner, name, type_, str(row[1]), str(row[2])) for row in told] or [
                (owner, name, type_, "", "")
            ]
    return found


def _of_calls(database: Database) -> list[_Column]:
    with database.catalogue("the list of tables") as cursor:
        types = {(str(row[1]), str(row[2])): str(row[3]) for row in cursor.tables().fetchall()}
    found = []
    with database.catalogue("the list of columns") as cursor:
        for row in cursor.columns().fetchall():
            table = (str(row[1]), str(row[2]))
            found.append((*table, types.get(table, "TABLE"), str(row[3]), str(row[5])))
    return sorted(found, key=lambda each: each[:2])


def _count(database: Database, owner: str, name: str) -> int | None:
    try:
        rows = database.read("a count", f"SELECT COUNT(*) FROM {_quoted(owner)}.{_quoted(name)}").rows  # noqa: S608
    except VetBridgeError:
        return None
    return int(rows[0][0])


def _quoted(name: str) -> str:
    """A name as it stands in the catalogue; all engines take it so."""
    return '"' + name.replace('"', '""') + '"'
