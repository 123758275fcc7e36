"""Filters of a list (ezyvet.md, section 5)."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connectors.ezyvet.simulator.requests import number_of, typed
from connectors.ezyvet.simulator.resources import FieldType


class BadFilter(ValueError):
    """A filter that cannot be used."""


_SYMBOLS = {"=": "eq", "!=": "neq", ">": "gt", "<": "lt", ">=": "gte", "<=": "lte"}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "lt": operator.lt,
    "gte": operator.ge,
    "lte": operator.le,
}


def conditions(kind: FieldType | None, text: str) -> list[tuple[str, Any]]:
    """Operators and operands of one filter: ``value``, or ``{"op": value, ...}``. Raises ``BadFilter``."""
    if kind is None or kind is FieldType.LIST:
        raise BadFilter("there is no such field")
    if not text.lstrip().startswith("{"):
        return [("eq", _operand(kind, text))]
    try:
        operators = json.loads(text)
    except (ValueError, RecursionError):
        raise BadFilter("its value is not JSON") from None
    return [condition(kind, _SYMBOLS.get(symbol, symbol), operand) for symbol, operand in operators.items()]


def condition(kind: FieldType, name: str, operand: Any) -> tuple[str, Any]:
    """One operator with its operand in the field's type. Raises ``BadFilter``."""
    if name == "in":
        if not isinstance(operand, list):
            raise BadFilter("in takes a list")
        return name, [_operand(kind, element) for element in operand]
    if name in {"eq", "neq"} or (name == "like" and kind is FieldType.TEXT):
        return name, _operand(kind, operand)
    if name in _COMPARISONS and kind is FieldType.WHOLE:
        return name, _comparable(operand)
    raise BadFilter("this operator does not go with the field")


_BRACKETS = re.compile(r"filter\[([A-Za-z_.]{1,60})\]\[([a-z]{1,10})\]")


def bracketed(query: Mapping[str, list[str]]) -> Iterator[tuple[str, str, Any]]:
    """Field, operator and operand of each ``filter[field][op]=...`` (ezyvet.md, section 5, v4 and ezyCAB).

    The list that ``in`` takes is JSON, or words with commas between them; both were seen.
    """
    for name, values in query.items():
        match = _BRACKETS.fullmatch(name)
        if match is not None:
            field, operator_name = match.groups()
            yield field, operator_name, _listed(values[-1]) if operator_name == "in" else values[-1]


def is_bracketed(name: str) -> bool:
    """Whether a query's parameter is such a filter."""
    return _BRACKETS.fullmatch(name) is not None


def _listed(text: str) -> list[Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return text.split(",")
    return given if isinstance(given, list) else [given]


def _operand(kind: FieldType, value: Any) -> Any:
    if kind is FieldType.TEXT and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    try:
        return typed(kind, value)
    except ValueError as error:
        raise BadFilter(str(error)) from None


def _comparable(value: Any) -> float:
    try:
        return number_of(value)
    except ValueError as error:
        raise BadFilter(str(error)) from None


def passes(name: str, operand: Any) -> Callable[[Any], bool]:
    """Whether a value of a row passes."""
    if name == "eq":
        return lambda value: bool(value == operand)
    if name == "neq":
        return lambda value: bool(value != operand)
    if name == "in":
        return lambda value: value in operand
    if name == "like":
        return lambda value: _like(str(value), operand.split("%"))
    compare = _COMPARISONS[name]
    return lambda value: value is not None and compare(value, operand)


def _like(value: str, parts: list[str]) -> bool:
    """SQL's LIKE with ``%`` only: the parts stand in this order, the first at the start, the last at the end."""
    if len(parts) == 1:
        return value == parts[0]
    first, *middle, last = parts
    if not value.startswith(first) or not value[len(first) :].endswith(last):
        return False
    place, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True
