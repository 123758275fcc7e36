"""Visits that are written by a site's own procedure or statement: guarded, and read back before they count.

Off unless a profile says otherwise. All of one write happens in one serialisable transaction: the look for the stamp,
the check that the time is free, the statement, and the reading back; where one fails, nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connectors.sql import statement
from connectors.sql.odbc import Database, Rows, Transaction
from connectors.sql.profile import SqlProfile, WriteProfile
from connectors.sql.searching import EARLIEST, LATEST
from vetbridge.connector.interface import Native, Operation, Receipt, Unlinked, Write
from vetbridge.connector.rows import BadRow, RowReader
from vetbridge.core import notes
from vetbridge.core.errors import Refused, SlotTaken
from vetbridge.core.records import Kind

Selected = Callable[[Kind, str, Sequence[Any]], tuple[Rows, RowReader]]
Recorded = Callable[[RowReader, Sequence[Any]], Native | BadRow]


class Writer:
    """Writes visits. ``selected`` reads those that a condition holds for; ``record`` makes records of rows."""

    def __init__(
        self, account: str, profile: SqlProfile, database: Database, selected: Selected, record: Recorded
    ) -> None:
        self._account = account
        self._profile = profile
        self._database = database
        self._selected = selected
        self._record = record

    def look(self, write: Write) -> Iterator[Native]:
        """Visits that bear the stamp of a write."""
        column = self._notes()
        if column is None or notes.STAMP.fullmatch(write.stamp) is None:
            return iter(())
        rows, reader = self._selected(Kind.APPOINTMENT, _bears(column), [f"%{write.stamp}%"])
        return iter([native for native in self._natives(rows, reader) if _stamp_of(native) == write.stamp])

    def apply(self, write: Write) -> Receipt:
        """Writes a visit. Raises ``SlotTaken`` where the precheck finds that its time is taken, ``Refused`` for a
        visit that VetBridge has not made, and ``OutcomeUnknown`` where the commit was not answered."""
        writes = self._profile.writes.appointment
        what = f"{write.operation} of a visit"
        if write.operation is Operation.CREATE:
            return self._create(what, writes.create, write)
        how = writes.update if write.operation is Operation.UPDATE else writes.cancel
        unknown = set(write.native) - how.changes if write.operation is Operation.UPDATE else set()
        if unknown:
            raise Refused(
                f"{self._account}: the statement of update does not change {', '.join(sorted(unknown))}",
                code="not-supported",
            )
        return self._change(what, how, write)

    def _create(self, what: str, how: WriteProfile, write: Write) -> Receipt:
        if notes.STAMP.fullmatch(write.stamp) is None or write.stamp not in str(write.native.get("notes")):
            raise Refused(f"{self._account}: {what}: the notes bear no stamp, by which it would be found again")
        if self._profile.writes.appointment.unlinked is Unlinked.NO and not write.native.get("pet_id"):
            raise Refused(f"{self._account}: {what}: the statement needs a client and a pet", code="incomplete")
        values = _values(write, write.native)
        with self._database.writing(what) as transaction:
            standing = self._stamped(transaction, write.stamp)
            if standing is None:
                self._require_free(transaction, how, write, values)
                transaction.send(*statement.bound(how.text, values))
                standing = self._stamped(transaction, write.stamp)
            if standing is None:
                raise Refused(
                    f"{self._account}: {what}: it cannot be read back, so nothing was kept; look whether the "
                    "statement keeps :notes, and whether the select shows what it makes",
                    code="not-kept",
                )
        return Receipt(id=standing["id"], native=standing)

    def _change(self, what: str, how: WriteProfile, write: Write) -> Receipt:
        id_ = str(write.id or "")
        with self._database.writing(what) as transaction:
            standing = self._by_key(transaction, id_)
            if standing is None:
                raise Refused(f"{self._account}: {what}: it is not there", code="not-found")
            if not _stamp_of(standing):
                raise Refused(
                    f"{self._account}: {what}: VetBridge has not made it, and changes no other; change it by hand",
                    code="not-ours",
                )
            values = _values(write, {**standing, **write.native})
            if write.operation is Operation.UPDATE:
                self._require_free(transaction, how, write, values)
            touched = transaction.send(*statement.bound(how.text, values))
            if touched > 1:
                raise Refused(
                    f"{self._account}: {what}: the statement touched {touched} rows, so nothing was kept; its WHERE "
                    "must name :id",
                    code="not-kept",
                )
            standing = self._by_key(transaction, id_)
        return Receipt(id=id_, native=standing)

    def _require_free(
        self, transaction: Transaction, how: WriteProfile, write: Write, values: Mapping[str, Any]
    ) -> None:
        if how.precheck is None or write.beside:
            return
        if transaction.rows(*statement.bound(how.precheck, values)).rows:
            raise SlotTaken(f"{self._account}: the site's check says that the time is taken")

    def _stamped(self, transaction: Transaction, stamp: str) -> Native | None:
        column = self._notes()
        assert column is not None  # noqa: S101 - the profile says so where anything is written
        found = self._read(transaction, _bears(column), f"%{stamp}%")
        return next((native for native in found if _stamp_of(native) == stamp), None)

    def _by_key(self, transaction: Transaction, id_: str) -> Native | None:
        key = self._profile.kinds[Kind.APPOINTMENT].key
        found = self._read(transaction, f"{statement.ROWS}.{key} = ?", id_)
        return next((native for native in found if native["id"] == id_), None)

    def _read(self, transaction: Transaction, where: str, value: str) -> list[Native]:
        each = self._profile.kinds[Kind.APPOINTMENT]
        bounds = [EARLIEST, LATEST] * (statement.marks(each.select) // 2)
        rows = transaction.rows(statement.around(each.select, where=where), [*bounds, value])
        return list(self._natives(rows, RowReader(Kind.APPOINTMENT, each, rows.names)))

    def _natives(self, rows: Rows, reader: RowReader) -> Iterator[Native]:
        for row in rows.rows:
            native = self._record(reader, row)
            if not isinstance(native, BadRow):
                yield native

    def _notes(self) -> str | None:
        rule = self._profile.rule(Kind.APPOINTMENT, "notes")
        if rule is None or len(rule.column) != 1 or not statement.plain_name(rule.column[0]):
            return None
        return rule.column[0]


def _bears(column: str) -> str:
    return f"{statement.ROWS}.{column} LIKE ?"


def _stamp_of(native: Native) -> str:
    found = notes.find(str(native.get("notes") or ""))
    return "" if found is None else found[0]


def _values(write: Write, native: Mapping[str, Any]) -> dict[str, Any]:
    """The named parameters of a write: times by the site's clock, the duration in minutes."""
    values: dict[str, Any] = {name: native.get(name) for name in _PLAIN}
    start = datetime.fromisoformat(native["start"]) if native.get("start") else None
    seconds = native.get("duration")
    values |= {"start": start, "end": None, "duration": None if seconds is None else int(seconds) // 60}
    if start is not None and seconds is not None:
        values["end"] = start + timedelta(seconds=int(seconds))
    if write.operation is Operation.CANCEL:
        values |= {"by": str(write.native.get("by") or ""), "reason": str(write.native.get("reason") or "")}
    return values | {"id": write.id, "stamp": write.stamp, "key": write.key}


_PLAIN = ("client_id", "pet_id", "appointment_type", "resource", "status", "notes")
