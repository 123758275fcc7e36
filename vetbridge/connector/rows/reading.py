"""Reads rows: one row and the rules of its kind make one flat record of the table ``neutral``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from vetbridge.connector.interface import Native
from vetbridge.connector.rows.profile import CONVERTERS, Converter, FieldRule, KindRules
from vetbridge.core.records import Kind

DELETED = "deleted"
"""Status code of a visit whose row says that it is gone."""
_TRUE = frozenset({"1", "true", "yes", "y", "x", "on", "ja", "j", "wahr"})
_FALSE = frozenset({"0", "false", "no", "n", "off", "nein", "falsch", ""})
_WHOLE = re.compile(r"[+-]?\d{1,15}(?:[.,]0*)?")


class BadRow(Exception):
    """A row that makes no record. ``column`` and ``reason`` hold no value of the row."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


def folded(column: str) -> str:
    """A column's name without case, blanks, underlines and hyphens, as columns are compared."""
    return "".join(sign for sign in column.casefold() if sign not in " _-\u00a0\ufeff")


class RowReader:
    """Reads the rows of one kind that have the same columns.

    Raises ``ValueError``, with every column that the rules name and that is not there.
    """

    def __init__(self, kind: Kind, rules: KindRules, columns: Sequence[str]) -> None:
        self.kind = kind
        self._rules = rules
        self._columns = tuple(columns)
        self._places = {folded(name): place for place, name in reversed(list(enumerate(columns)))}
        missing = list(self._missing())
        if missing:
            raise ValueError("; ".join(missing))

    def native(self, row: Sequence[Any]) -> Native:
        """The flat record of a row; ``version`` is a hash of all that the record says. Raises ``BadRow``."""
        record: Native = {}
        for name, rule in self._rules.fields.items():
            value = self._value(name, rule, row)
            if value is not None:
                record[name] = value
        if self.kind is Kind.APPOINTMENT:
            self._add_duration(record)
        if self._is_deleted(row):
            record |= {"status": DELETED} if self.kind is Kind.APPOINTMENT else {"active": False}
        said = repr(sorted(record.items())).encode("utf-8", "surrogatepass")
        record["version"] = hashlib.sha256(said).hexdigest()[:24]
        return record

    # -- columns

    def _missing(self) -> Iterator[str]:
        for name, rule in self._rules.fields.items():
            if rule.column and self._place(rule.column) is None:
                yield f"{name}: no column is called {' or '.join(rule.column)}"
            for column in rule.all:
                if self._place([column]) is None:
                    yield f"{name}: no column is called {column}"
        gone = self._rules.deleted_when
        if gone is not None and self._place([gone.column]) is None:
            yield f"deleted_when: no column is called {gone.column}"

    def _place(self, names: Sequence[str]) -> int | None:
        """Where the first of these names that is there stands."""
        return next((self._places[folded(name)] for name in names if folded(name) in self._places), None)

    def _cell(self, names: Sequence[str], row: Sequence[Any]) -> Any:
        place = self._place(names)
        return row[place] if place is not None and place < len(row) else None

    def _is_deleted(self, row: Sequence[Any]) -> bool:
        gone = self._rules.deleted_when
        if gone is None:
            return False
        value = _text(self._cell([gone.column], row)).strip().casefold()
        return value in {each.casefold() for each in gone.values}

    # -- values

    def _value(self, name: str, rule: FieldRule, row: Sequence[Any]) -> Any:
        """A field's value; None where the row says nothing."""
        if rule.value is not None:
            return rule.value
        converter = rule.read_as or CONVERTERS[self.kind][name]
        columns = ", ".join(rule.all) if rule.all else self._columns[self._place(rule.column) or 0]
        try:
            if rule.all:
                value = self._together(rule, converter, row)
            else:
                value = _READ[converter](self._cell(rule.column, row), rule)
        except ValueError as wrong:
            raise BadRow(columns, str(wrong)) from None
        if value is None and (rule.required or name == "id"):
            raise BadRow(columns, "it is empty")
        return value

    def _together(self, rule: FieldRule, converter: Converter, row: Sequence[Any]) -> Any:
        texts = [text for column in rule.all if (text := _text(self._cell([column], row)).strip())]
        if converter is Converter.LIST:
            return texts
        return _READ[converter]((rule.join or " ").join(texts), rule)

    def _add_duration(self, record: Native) -> None:
        end = record.pop("end", None)
        if "duration" in record or end is None or "start" not in record:
            return
        seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(record["start"])).total_seconds()
        if seconds < 0:
            raise BadRow("end", "the visit ends before it begins")
        record["duration"] = int(seconds)


def _text(value: Any) -> str:
    """A cell as text: whole numbers without decimals, moments in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float | Decimal) and value == int(value):
        return str(int(value))
    if isinstance(value, datetime):
        return value.replace(microsecond=0).isoformat(sep=" ")
    if isinstance(value, bytes | bytearray | memoryview):
        raise ValueError("it holds bytes, not text")
    return str(value)


def _read_text(value: Any, _rule: FieldRule) -> str | None:
    return _text(value).strip() or None


def _read_id(value: Any, _rule: FieldRule) -> str | None:
    text = _text(value).strip()
    if _WHOLE.fullmatch(text):
        text = re.split(r"[.,]", text)[0]
    return text or None


def _read_number(value: Any, _rule: FieldRule) -> int | None:
    text = _text(value).strip()
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise ValueError("a whole number was expected")
    return int(re.split(r"[.,]", text)[0])


def _read_minutes(value: Any, rule: FieldRule) -> int | None:
    minutes = _read_number(value, rule)
    if minutes is not None and minutes < 0:
        raise ValueError("it is less than nothing")
    return None if minutes is None else minutes * 60


def _read_date(value: Any, rule: FieldRule) -> str | None:
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    text = _text(value).strip()
    return _moment(text, rule, "a date").date().isoformat() if text else None


def _read_time(value: Any, rule: FieldRule) -> str | None:
    if isinstance(value, datetime):
        # Databases round to parts of a second: SQL Server's datetime to 1/300 (impromed.md, section 2).
        return f"{value:%Y-%m-%d %H:%M:%S}"
    text = _text(value).strip()
    return f"{_moment(text, rule, 'a date and a time'):%Y-%m-%d %H:%M:%S}" if text else None


def _moment(text: str, rule: FieldRule, what: str) -> datetime:
    if len(text) > 40:
        raise ValueError(f"{what} was expected")
    for form in rule.formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the site's clock
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        forms = f" as {' or '.join(rule.formats)}" if rule.formats else " as YYYY-MM-DD"
        raise ValueError(f"{what}{forms} was expected") from None


def _read_flag(value: Any, rule: FieldRule) -> bool | None:
    text = _text(value).strip().casefold()
    if not text and not rule.true:
        return None
    if rule.true:
        said = text in {each.casefold() for each in rule.true}
    elif text in _TRUE:
        said = True
    elif text in _FALSE:
        said = False
    else:
        raise ValueError("yes or no was expected; say in the profile which words mean yes (true)")
    return said is not rule.negate


def _read_list(value: Any, rule: FieldRule) -> list[str]:
    text = _text(value)
    parts = text.split(rule.split) if rule.split else [text]
    return [part.strip() for part in parts if part.strip()]


_READ: Mapping[Converter, Callable[[Any, FieldRule], Any]] = MappingProxyType(
    {
        Converter.TEXT: _read_text,
        Converter.ID: _read_id,
        Converter.NUMBER: _read_number,
        Converter.MINUTES: _read_minutes,
        Converter.DATE: _read_date,
        Converter.TIME: _read_time,
        Converter.FLAG: _read_flag,
        Converter.LIST: _read_list,
    }
)
