"""Reads rows: one row and the rules of its kind make one flat record of the table ``neutral``."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.connector.interface import Native
from vetbridge.connector.rows.profile import CONVERTERS, Converter, FieldRule, KindRules
from vetbridge.core.records import Kind

DELETED = "deleted"
"""Status code of a visit whose row says that it is gone."""
_TRUE = frozenset({"1", "true", "yes", "y", "x", "on", "ja", "j", "wahr"})
_FALSE = frozenset({"0", "false", "no", "n", "off", "nein", "falsch", ""})
LONGEST = 100_000
"""Characters of a cell: notes are long, and a longer one is no note."""
MOST_VALUES = 50
"""Values of one list."""
YEARS = range(1900, 2200)
"""A date outside of these stands for none, as databases have them for fields that must not be empty."""

_LONGEST_ID = 255
_LARGEST = 10**40
_TOO_MANY = 10**9
_EXACT = 2**53
"""From here on a decimal number cannot tell two whole ones apart."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}(?:[.,]0*)?")
_ROUNDED = re.compile(r"[+-]?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]+")
"""What a spreadsheet makes of a long number: 1,23457E+11."""
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,]000")
"""A thousand or a one, and nobody can tell."""
_LONGEST_TIME = 40
_MIDNIGHT = time()
_CLOCK = re.compile(r"([0-9]{1,2}):([0-5][0-9])(?::00)?")


class BadRow(Exception):
    """A row that makes no record. ``column`` and ``reason`` hold no value of the row."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


@lru_cache(maxsize=4096)
def folded(column: str) -> str:
    """A column's name without case, blanks, underlines and hyphens, as columns are compared."""
    return "".join(sign for sign in column.casefold() if sign not in " _-\u00a0\ufeff")


class RowReader:
    """Reads the rows of one kind that have the same columns.

    ``zone``: the site's, by whose clock a moment with an offset is read; without it such a moment is refused.
    Raises ``ValueError``, with every column that the rules name and that is not there.
    """

    def __init__(self, kind: Kind, rules: KindRules, columns: Sequence[str], *, zone: str = "") -> None:
        self.kind = kind
        self._rules = rules
        self._zone = ZoneInfo(zone) if zone else None
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
            self._needs_duration(record)
        if self._is_deleted(row):
            record |= {"status": DELETED} if self.kind is Kind.APPOINTMENT else {"active": False}
        said = repr(sorted(record.items())).encode("utf-8", "surrogatepass")
        record["version"] = hashlib.sha256(said).hexdigest()[:24]
        return record

    def id(self, row: Sequence[Any]) -> str | None:
        """The id of a row, also of one that is refused; None where it cannot be read."""
        try:
            value = self._value("id", self._rules.fields["id"], row)
        except BadRow:
            return None
        return str(value)

    @property
    def absent(self) -> tuple[str, ...]:
        """The fields that none of these columns is for, and that are optional therefore."""
        fields = self._rules.fields.items()
        named = [(name, [*rule.column, *rule.all]) for name, rule in fields if rule.value is None]
        return tuple(name for name, columns in named if self._place(columns) is None)

    @property
    def used(self) -> frozenset[int]:
        """Places of the columns that the rules name, from 0."""
        rules = self._rules.fields.values()
        names = [list(rule.column) for rule in rules] + [[column] for rule in rules for column in rule.all]
        if self._rules.deleted_when is not None:
            names += [[column] for column in (self._rules.deleted_when.column, *self._rules.deleted_when.others)]
        return frozenset(place for each in names if (place := self._place(each)) is not None)

    # -- columns

    def _missing(self) -> Iterator[str]:
        for name, rule in self._rules.fields.items():
            if rule.optional:
                continue
            if rule.column and self._place(rule.column) is None:
                yield f"{name}: no column is called {' or '.join(rule.column)}"
            for column in rule.all:
                if self._place([column]) is None:
                    yield f"{name}: no column is called {column}"
        gone = self._rules.deleted_when
        if gone is not None and self._place((gone.column, *gone.others)) is None:
            yield f"deleted_when: no column is called {' or '.join((gone.column, *gone.others))}"

    def _place(self, names: Sequence[str]) -> int | None:
        """Where the first of these names that is there stands."""
        for name in names:
            place = self._places.get(folded(name))
            if place is not None:
                return place
        return None

    def _cell(self, names: Sequence[str], row: Sequence[Any]) -> Any:
        place = self._place(names)
        return row[place] if place is not None and place < len(row) else None

    def _is_deleted(self, row: Sequence[Any]) -> bool:
        gone = self._rules.deleted_when
        if gone is None:
            return False
        for column in (gone.column, *gone.others):
            try:
                value = _text(self._cell([column], row))
            except ValueError as wrong:
                raise BadRow(column, str(wrong)) from None
            if _is_one_of(value, gone.values):
                return True
        return False

    # -- values

    def _value(self, name: str, rule: FieldRule, row: Sequence[Any]) -> Any:
        """A field's value; None where the row says nothing."""
        converter = rule.read_as or CONVERTERS[self.kind][name]
        try:
            cell = self._together(converter, rule, row) if rule.all else self._cell(rule.column, row)
            if rule.value is not None:
                cell = rule.value
            if converter in (Converter.DATE, Converter.TIME):
                cell = self._local(cell, rule)
            if rule.empty and _is_one_of(_text(cell), rule.empty):
                cell = None
            value = _READ[converter](cell, rule)
            if value is None and rule.otherwise is not None:
                value = _READ[converter](rule.otherwise, rule)
        except ValueError as wrong:
            raise BadRow(self._named(rule), str(wrong)) from None
        if value is None and (rule.required or name == "id"):
            raise BadRow(self._named(rule), "it is empty")
        return value

    def _named(self, rule: FieldRule) -> str:
        """The columns of a rule, as the rows call them."""
        place = self._place(rule.column)
        return ", ".join(rule.all or rule.column) if place is None else self._columns[place]

    def _together(self, converter: Converter, rule: FieldRule, row: Sequence[Any]) -> Any:
        cells = [self._cell([column], row) for column in rule.all]
        if converter is Converter.TIME:
            cells = [_half(cell) for cell in cells]
        texts = [text for cell in cells if (text := _text(cell).strip()) and not _is_one_of(text, rule.empty)]
        makes_list = converter in (Converter.LIST, Converter.IDS) and rule.join is None
        return texts if makes_list else (rule.join or " ").join(texts)

    def _local(self, cell: Any, rule: FieldRule) -> Any:
        """A cell of a date or a time, without an offset."""
        if isinstance(cell, str) and (text := cell.strip()) and not _is_one_of(text, rule.empty):
            cell = _moment(text, rule)
        if not isinstance(cell, datetime) or cell.tzinfo is None:
            return cell
        if self._zone is None:
            raise ValueError("a time by the site's clock was expected, this one has an offset")
        try:
            return cell.astimezone(self._zone).replace(tzinfo=None)
        except OverflowError:
            raise ValueError("it is at the end of time") from None

    def _add_duration(self, record: Native) -> None:
        end = record.pop("end", None)
        if "duration" in record or end is None or "start" not in record:
            return
        seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(record["start"])).total_seconds()
        if seconds < 0:
            raise BadRow("end", "the visit ends before it begins")
        record["duration"] = int(seconds)

    def _needs_duration(self, record: Native) -> None:
        if "duration" not in record and {"duration", "end"} & self._rules.fields.keys():
            raise BadRow("duration", "neither a length nor an end is said")


def _is_one_of(text: str, words: Sequence[str]) -> bool:
    return bool(words) and text.strip().casefold() in {word.strip().casefold() for word in words}


def _text(value: Any) -> str:
    """A cell as text: whole numbers without decimals, moments in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _bounded(value)
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, int | float | Decimal):
        return _digits(value)
    if isinstance(value, datetime):
        return value.replace(microsecond=0).isoformat(sep=" ")
    if isinstance(value, bytes | bytearray | memoryview):
        raise ValueError("it holds bytes, not text")
    return _bounded(str(value))


def _bounded(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError(f"it holds more than {LONGEST} characters")
    return text.replace("\0", "") if "\0" in text else text


def _digits(number: int | float | Decimal) -> str:
    """A number as text; a whole one that is no longer exact would pass for another."""
    if not (number.is_finite() if isinstance(number, Decimal) else isinstance(number, int) or math.isfinite(number)):
        raise ValueError("it is no number")
    if number <= -_LARGEST or number >= _LARGEST or (isinstance(number, float) and abs(number) > _EXACT):
        raise ValueError("it is too large a number; keep long numbers as text")
    return str(int(number) if number == int(number) else number)


def _half(cell: Any) -> Any:
    """Of a date and a time in two cells, what each says: spreadsheets have a time in their dates, and a day in their
    times."""
    if not isinstance(cell, datetime):
        return cell
    if cell.year in (1899, 1900):
        return cell.time().replace(microsecond=0)
    return cell.date() if cell.time() == _MIDNIGHT else cell


def _read_text(value: Any, _rule: FieldRule) -> str | None:
    return _text(value).strip() or None


def _read_id(value: Any, _rule: FieldRule) -> str | None:
    text = _text(value).strip()
    if _ROUNDED.fullmatch(text):
        raise ValueError("a spreadsheet has rounded it; keep long numbers as text")
    if isinstance(value, str) and _THOUSANDS.fullmatch(text):
        raise ValueError("it may be one or a thousand; write ids without separators")
    if _WHOLE.fullmatch(text):
        text = re.split(r"[.,]", text)[0]
    if len(text) > _LONGEST_ID or not text.isprintable():
        raise ValueError(f"at most {_LONGEST_ID} printable characters were expected")
    return text or None


def _read_number(value: Any, _rule: FieldRule) -> int | None:
    text = _text(value).strip()
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise ValueError("a whole number was expected")
    number = int(re.split(r"[.,]", text)[0])
    if abs(number) >= _TOO_MANY:
        raise ValueError("it is too large a number")
    return number


def _read_minutes(value: Any, rule: FieldRule) -> int | None:
    if isinstance(value, timedelta):
        value = value.total_seconds() / 60
    clock = _CLOCK.fullmatch(_text(value).strip())
    minutes = int(clock[1]) * 60 + int(clock[2]) if clock else _read_number(value, rule)
    if minutes is not None and minutes < 0:
        raise ValueError("it is less than nothing")
    return None if minutes is None else minutes * 60


def _read_date(value: Any, rule: FieldRule) -> str | None:
    if not isinstance(value, date):
        text = _text(value).strip()
        if not text:
            return None
        value = _moment(text, rule)
    return f"{value:%Y-%m-%d}" if value.year in YEARS else None


def _read_time(value: Any, rule: FieldRule) -> str | None:
    if not isinstance(value, datetime):
        text = _text(value).strip()
        if not text:
            return None
        value = _moment(text, rule)
    if value.year not in YEARS or value.year == YEARS.start:
        # What has no year, or is a spreadsheet's 0, is read as 1900.
        raise ValueError(f"a year from {YEARS.start + 1} to {YEARS.stop - 1} was expected")
    # Databases round to parts of a second: SQL Server's datetime to 1/300 (impromed.md, section 2).
    return f"{value:%Y-%m-%d %H:%M:%S}"


def _moment(text: str, rule: FieldRule) -> datetime:
    forms = " or ".join(rule.formats) or "YYYY-MM-DD HH:MM"
    if len(text) > _LONGEST_TIME:
        raise ValueError(f"a date or a time as {forms} was expected")
    for form in rule.formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the site's clock
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"a date or a time as {forms} was expected") from None


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


def _read_filled(value: Any, rule: FieldRule) -> bool:
    return bool(_text(value).strip()) is not rule.negate


def _read_list(value: Any, rule: FieldRule) -> list[str]:
    texts = value if isinstance(value, list | tuple) else [_text(value)]
    parts = [part.strip() for text in texts for part in (text.split(rule.split) if rule.split else [text])]
    if len(parts) > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES} values")
    return [part for part in parts if part]


def _read_ids(value: Any, rule: FieldRule) -> list[str]:
    return [id_ for text in _read_list(value, rule) if (id_ := _read_id(text, rule)) is not None]


_READ: Mapping[Converter, Callable[[Any, FieldRule], Any]] = MappingProxyType(
    {
        Converter.TEXT: _read_text,
        Converter.ID: _read_id,
        Converter.NUMBER: _read_number,
        Converter.MINUTES: _read_minutes,
        Converter.DATE: _read_date,
        Converter.TIME: _read_time,
        Converter.FLAG: _read_flag,
        Converter.FILLED: _read_filled,
        Converter.LIST: _read_list,
        Converter.IDS: _read_ids,
    }
)
