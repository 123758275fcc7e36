"""The mapping runtime: native records to canonical ones and back, by one table and one site's code lists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, overload
from zoneinfo import ZoneInfo

from vetbridge.config.problems import nearest
from vetbridge.core.errors import ConfigError, MappingError
from vetbridge.core.records import (
    RECORD_TYPES,
    Appointment,
    Attachment,
    Client,
    Kind,
    Pet,
    Record,
    Reminder,
    Vaccination,
)
from vetbridge.mapping.codecs import CODECS, MappingContext, Unfit
from vetbridge.mapping.codes import CodeList
from vetbridge.mapping.table import Rule, Table, check_words, merged_list


class Held(StrEnum):
    """What stands at a path of a native record."""

    FILLED = "filled"
    EMPTY = "empty"
    """The side says nothing there."""
    ABSENT = "absent"
    """The record has no such path."""
    ODD = "odd"
    """Something of a form that cannot be read."""


_NESTED: Mapping[str, type[Client] | type[Pet]] = MappingProxyType({"booker": Client, "booked_pet": Pet})


class Mapper:
    """One side of one site: its table, its zone and country, its code lists.

    ``codes`` are the site's own lists, as the config gives them, merged over those that the table fixes. Raises
    ``ConfigError`` where the zone is unknown, where a list that the table uses is given by neither (give an empty
    one where the site has no such codes), and where a list is given that no field uses.
    """

    def __init__(
        self,
        table: Table,
        *,
        zone: str,
        country: str = "",
        codes: Mapping[str, Mapping[str, object] | CodeList] = MappingProxyType({}),
    ) -> None:
        self._table = table
        where = f"codes for the mapping {table.name!r}"
        for name in codes:
            if name not in table.lists:
                raise ConfigError(f"{where}: no field uses the code list {name!r}{nearest(name, table.lists)}")
        lists = dict(table.codes)
        for name, raw in codes.items():
            lists[name] = merged_list(table.codes, CodeList.of(name, raw, where))
        missing = sorted(table.lists - set(lists))
        if missing:
            raise ConfigError(f"{where}: code lists are missing: {', '.join(missing)}")
        check_words(table, lists, where)
        try:
            ZoneInfo(zone)
        except (KeyError, OSError, ValueError):  # unknown, a folder, no zone's name
            raise ConfigError(f"the mapping {table.name!r} needs an IANA time zone; {zone!r} is none") from None
        self._context = MappingContext(zone=zone, country=country, codes=MappingProxyType(lists))
        self._digest = _digest(table, lists)

    @property
    def table(self) -> Table:
        """The table."""
        return self._table

    @property
    def codes(self) -> Mapping[str, CodeList]:
        """The code lists as merged, by name."""
        return self._context.codes

    @property
    def digest(self) -> str:
        """A hash of the table and the code lists: another one means that records may read otherwise."""
        return self._digest

    def readable(self, kind: Kind) -> frozenset[str]:
        """Canonical fields, dotted, that ``read`` fills."""
        return frozenset(name for name, rule in self._rules(kind).items() if rule.reads)

    def writable(self, kind: Kind) -> frozenset[str]:
        """Canonical fields, dotted, that ``write`` takes."""
        return frozenset(name for name, rule in self._rules(kind).items() if rule.writes)

    @overload
    def read(self, kind: Literal[Kind.CLIENT], native: Mapping[str, Any]) -> Client: ...
    @overload
    def read(self, kind: Literal[Kind.PET], native: Mapping[str, Any]) -> Pet: ...
    @overload
    def read(self, kind: Literal[Kind.APPOINTMENT], native: Mapping[str, Any]) -> Appointment: ...
    @overload
    def read(self, kind: Literal[Kind.ATTACHMENT], native: Mapping[str, Any]) -> Attachment: ...
    @overload
    def read(self, kind: Literal[Kind.REMINDER], native: Mapping[str, Any]) -> Reminder: ...
    @overload
    def read(self, kind: Literal[Kind.VACCINATION], native: Mapping[str, Any]) -> Vaccination: ...
    @overload
    def read(self, kind: Kind, native: Mapping[str, Any]) -> Record: ...
    def read(self, kind: Kind, native: Mapping[str, Any]) -> Record:
        """The canonical record of a native one.

        A field that the side leaves out, null or empty gets the record's default; a nested record of which nothing
        is said is None. Raises ``MappingError`` that names the kind, the field and the codec, and never the value
        unless it is a code.
        """
        values: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {}
        for name, rule in self._rules(kind).items():
            if not rule.reads:
                continue
            value = self._read_field(kind, rule, native)
            if value is MISSING:
                continue
            outer, _, inner = name.rpartition(".")
            (nested.setdefault(outer, {}) if outer else values)[inner] = value
        for outer, inner_values in nested.items():
            record = _NESTED[outer](**inner_values)
            values[outer] = None if record == _NESTED[outer]() else record
        return RECORD_TYPES[kind](**values)

    def peek(self, kind: Kind, native: Mapping[str, Any], name: str) -> Any:
        """One canonical field of a native record, for when the rest of it may not be readable; None where it says
        nothing. Raises ``MappingError`` as ``read`` does."""
        value = self._read_field(kind, self._rules(kind)[name], native)
        return None if value is MISSING else value

    def paths(self, kind: Kind) -> Mapping[str, bool]:
        """The dotted paths that are read of a kind; True where a record cannot be read without it."""
        rules = (rule for rule in self._rules(kind).values() if rule.reads)
        return {".".join(rule.path): self._needs(rule) for rule in rules}

    def held(self, kind: Kind, native: Mapping[str, Any], path: str) -> Held:
        """What a record holds at one of ``paths``. A code that no code list has is a value like any other."""
        steps = tuple(path.split("."))
        raw: Any = native
        for step in steps:
            if raw is None:
                return Held.EMPTY  # a nested record of which nothing is said
            if not isinstance(raw, Mapping):
                return Held.ODD
            if step not in raw:
                return Held.ABSENT
            raw = raw[step]
        if raw is None or raw == [] or (isinstance(raw, str) and not raw.strip()):
            return Held.EMPTY
        for rule in self._rules(kind).values():
            if not rule.reads or rule.path != steps:
                continue
            try:
                CODECS["id" if rule.codec == "code" else rule.codec].read(raw, self._context, rule.options)
            except Unfit:
                return Held.ODD
        return Held.FILLED

    def write(self, kind: Kind, values: Mapping[str, object]) -> dict[str, Any]:
        """The native payload of the given canonical fields, and of no others.

        A nested record may be given by dotted names (``booker.phones``) or whole (``booker``); whole, its writable
        fields are written. None is written as null: it clears the field. Raises ``MappingError`` for a value that
        the side cannot be told and for a field that the table does not write.
        """
        payload: dict[str, Any] = {}
        rules = self._rules(kind)
        for name, value in self._flat(kind, values).items():
            rule = rules.get(name)
            if rule is None or not rule.writes:
                raise MappingError(f"mapping {self._table.name}: {kind}.{name} is not written by this table")
            native = None if value is None else self._convert(kind, rule, value, reading=False)
            target = payload
            for step in rule.path[:-1]:
                target = target.setdefault(step, {})
            target[rule.path[-1]] = native
        return payload

    def _rules(self, kind: Kind) -> Mapping[str, Rule]:
        rules = self._table.kinds.get(kind)
        if rules is None:
            raise MappingError(f"mapping {self._table.name}: the table has no kind {kind}")
        return rules

    def _read_field(self, kind: Kind, rule: Rule, native: Mapping[str, Any]) -> Any:
        """The canonical value, or MISSING where the record's default holds."""
        raw: Any = native
        for depth, step in enumerate(rule.path):
            if raw is None:
                break
            if not isinstance(raw, Mapping):
                raise self._error(kind, rule, f"a record was expected at {'.'.join(rule.path[:depth]) or 'the top'}")
            raw = raw.get(step)
        blank = isinstance(raw, str) and not raw.strip() and not (rule.codec == "text" and rule.field.type is str)
        if raw is None or blank:
            if rule.field.default is not MISSING:
                return MISSING
            if self._needs(rule):
                raise self._error(kind, rule, "the side says nothing here, and the record needs it")
            return rule.field.type(self._otherwise(rule))
        value = self._convert(kind, rule, raw, reading=True)
        return rule.field.type(value) if rule.codec == "code" and isinstance(rule.field.type, type) else value

    def _needs(self, rule: Rule) -> bool:
        """Whether a record cannot be read where the side says nothing of a field."""
        return rule.field.default is MISSING and self._otherwise(rule) is None

    def _otherwise(self, rule: Rule) -> str | None:
        return self.codes[rule.options.list].otherwise_read if rule.options.list else None

    def _convert(self, kind: Kind, rule: Rule, value: Any, *, reading: bool) -> Any:
        codec = CODECS[rule.codec]
        convert = codec.read if reading else codec.write
        try:
            return convert(value, self._context, rule.options)
        except Unfit as error:
            raise self._error(kind, rule, str(error)) from None

    def _error(self, kind: Kind, rule: Rule, words: str) -> MappingError:
        return MappingError(f"mapping {self._table.name}: {kind}.{rule.field.name} ({rule.codec}): {words}")

    def _flat(self, kind: Kind, values: Mapping[str, object]) -> dict[str, object]:
        """The fields by dotted names, nested records taken apart."""
        flat: dict[str, object] = {}
        writable = self.writable(kind)
        for name, value in values.items():
            inside = [each for each in writable if each.startswith(f"{name}.")]
            if not inside:
                flat[name] = value
            elif value is None:
                flat.update(dict.fromkeys(inside))
            elif is_dataclass(value) and not isinstance(value, type):
                flat.update(
                    {
                        f"{name}.{each.name}": getattr(value, each.name)
                        for each in fields(value)
                        if f"{name}.{each.name}" in writable
                    }
                )
            else:
                raise MappingError(f"mapping {self._table.name}: {kind}.{name} takes a record or dotted names")
        return flat


def _digest(table: Table, lists: Mapping[str, CodeList]) -> str:
    plain = {
        "mapping": table.name,
        "kinds": {
            kind.value: {name: rule.plain() for name, rule in sorted(rules.items())}
            for kind, rules in table.kinds.items()
        },
        "codes": {name: codes.plain() for name, codes in lists.items()},
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
