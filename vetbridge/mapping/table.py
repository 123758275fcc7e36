"""Mapping tables: which native path stands for which canonical field, and by which codec.

A table is data and no language (architecture, section 11). ``mappings/NAME.yaml`` are the shipped ones; a site's own
file may ``extends`` one. Everything in a table is checked when it is loaded, so that a mistake is found by
``vetbridge config check`` and not by a booking.
"""

from __future__ import annotations

import functools
import re
import typing
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vetbridge.config import document
from vetbridge.config.problems import ConfigProblems, nearest
from vetbridge.core.errors import ConfigError
from vetbridge.core.instants import Instant
from vetbridge.core.normalise import shown
from vetbridge.core.records import RECORD_TYPES, AppointmentStatus, Client, Kind, Pet
from vetbridge.mapping.codecs import CODECS, CodecOptions
from vetbridge.mapping.codes import CodeList

PACKAGE = "mappings"
"""The package that holds the shipped tables."""

_DEEPEST_EXTENDS = 5
_LONGEST_PATH = 200
"""Characters of a path in a message."""
_NAME = re.compile(r"[a-z0-9_-]+")
_PATH = re.compile(r"[^.\s]+(\.[^.\s]+)*")
_TABLE_KEYS = frozenset({"mapping", "extends", "kinds", "codes"})
_RULE_KEYS = frozenset({"path", "codec", "direction", "list", "as"})


class Direction(StrEnum):
    """Which way a field goes."""

    BOTH = "both"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalField:
    """A field of a canonical record, dotted where the record is nested: what it holds and which codecs fit."""

    name: str
    type: Any
    default: Any
    """``MISSING`` where the record cannot be without it."""
    codecs: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a table: a canonical field and where it stands in the native record."""

    field: CanonicalField
    path: tuple[str, ...]
    codec: str
    direction: Direction = Direction.BOTH
    options: CodecOptions

    @property
    def reads(self) -> bool:
        """The field is taken from native records."""
        return self.direction is not Direction.WRITE

    @property
    def writes(self) -> bool:
        """The field is put into payloads."""
        return self.direction is not Direction.READ

    def plain(self) -> list[str]:
        """The rule as plain data, for digests."""
        as_string = "string" if self.options.as_string else ""
        return [".".join(self.path), self.codec, self.direction, self.options.list or "", as_string]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A whole table, checked. ``codes`` holds the lists that the vendor fixes; ``lists`` names all lists used."""

    name: str
    kinds: Mapping[Kind, Mapping[str, Rule]]
    codes: Mapping[str, CodeList]

    @property
    def lists(self) -> frozenset[str]:
        """Names of the code lists that the table's fields use."""
        return _lists(self.kinds)


def load_table(name_or_path: str | Path) -> Table:
    """A shipped table by name, or a site's own by path.

    Raises ``ConfigError`` that names the file and the field, and the nearest known word.
    """
    if isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path):
        return _shipped(name_or_path)
    path = Path(name_or_path)
    return _checked(_merged(_read(path), path.name, path.parent, _DEEPEST_EXTENDS), str(path))


def composed_table(own: Table, parts: Mapping[str, tuple[Table, Collection[Kind]]]) -> Table:
    """The table of an account that several connectors serve: each kind's rules from the table of who serves it.

    ``own`` is that of the account's own connector; ``parts`` are by the part's name, with the kinds that it serves.
    Raises ``ConfigError`` where a part's table lacks such a kind, or two tables fix the same code list otherwise.
    """
    kinds = dict(own.kinds)
    for name, (table, served) in parts.items():
        for kind in served:
            if kind not in table.kinds:
                raise ConfigError(f"the part {shown(name)}: its mapping table {table.name!r} has no kind {kind}")
            kinds[kind] = table.kinds[kind]
    codes: dict[str, CodeList] = {}
    fixed_by: dict[str, str] = {}
    for table in (own, *(table for table, _ in parts.values())):
        rest = {kind: rules for kind, rules in table.kinds.items() if kinds.get(kind) is rules}
        for name in sorted(_lists(rest) & table.codes.keys()):
            if codes.setdefault(name, table.codes[name]) != table.codes[name]:
                raise ConfigError(
                    f"the mapping tables {fixed_by[name]!r} and {table.name!r} both fix the code list {name!r}, and "
                    "not alike; give one of them a table of the site's own that takes it from the other"
                )
            fixed_by.setdefault(name, table.name)
    names = dict.fromkeys([own.name, *(table.name for table, _ in parts.values())])
    return Table(name="+".join(names), kinds=MappingProxyType(kinds), codes=MappingProxyType(codes))


@functools.cache
def canonical_fields(kind: Kind) -> Mapping[str, CanonicalField]:
    """The fields that a table may map for ``kind``, by dotted name."""
    return MappingProxyType(_fields_of(RECORD_TYPES[kind]))


@functools.cache
def _shipped(name: str) -> Table:
    return _checked(_merged(_read_shipped(name), f"{name}.yaml", None, _DEEPEST_EXTENDS), f"mappings/{name}.yaml")


def _read_shipped(name: str) -> Mapping[str, Any]:
    folder = resources.files(PACKAGE)
    file = folder / f"{name}.yaml"
    if not _is_there(file):
        names = [each.name.removesuffix(".yaml") for each in folder.iterdir() if each.name.endswith(".yaml")]
        hint = nearest(name, names)
        raise ConfigError(f"no mapping table is called {shown(name)!r}{hint}; a site's own needs its path")
    return _data(document.parse(file.read_text(encoding="utf-8"), f"mappings/{name}.yaml"), f"mappings/{name}.yaml")


def _is_there(file: Path | Traversable) -> bool:
    try:
        return file.is_file()
    except OSError:
        return False  # such as a name that is too long


def _read(path: Path) -> Mapping[str, Any]:
    if not _is_there(path):
        raise ConfigError(f"{shown(str(path), _LONGEST_PATH)}: there is no such mapping table")
    return _data(document.read(path), str(path))


def _data(found: document.Document, where: str) -> Mapping[str, Any]:
    if found.problems:
        raise ConfigProblems(found.problems)
    return _mapping(found.data, where)


def _merged(raw: Mapping[str, Any], where: str, folder: Path | None, depth: int) -> Mapping[str, Any]:
    """The raw table laid over the one that it extends; a field that is null there is taken away."""
    _known_keys(raw, _TABLE_KEYS, where)
    kinds = {k: dict(_mapping(v, f"{where}: kinds.{k}")) for k, v in _section(raw, "kinds", where).items()}
    codes = dict(_section(raw, "codes", where))
    under = raw.get("extends")
    if under is None:
        return {"mapping": raw.get("mapping"), "kinds": kinds, "codes": [(where, codes)]}
    if not isinstance(under, str):
        raise ConfigError(f"{where}: extends: the name of a shipped table or a path was expected")
    if depth == 0:
        raise ConfigError(f"{where}: extends: more than {_DEEPEST_EXTENDS} tables, or a circle")
    if _NAME.fullmatch(under):
        base = _merged(_read_shipped(under), f"mappings/{under}.yaml", None, depth - 1)
    elif folder is None:
        raise ConfigError(f"{where}: extends: a shipped table extends only shipped ones, not {under!r}")
    else:
        path = folder / under
        base = _merged(_read(path), str(path), path.parent, depth - 1)
    merged = {kind: dict(rules) for kind, rules in base["kinds"].items()}
    for kind, rules in kinds.items():
        merged.setdefault(kind, {}).update(rules)
    return {"mapping": raw.get("mapping"), "kinds": merged, "codes": [*base["codes"], (where, codes)]}


def _checked(raw: Mapping[str, Any], where: str) -> Table:
    name = raw["mapping"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: mapping: a name of small letters, digits, - and _ was expected")
    kinds: dict[Kind, Mapping[str, Rule]] = {}
    known_kinds = {kind.value: kind for kind in RECORD_TYPES}
    for kind_name, rules in raw["kinds"].items():
        if kind_name not in known_kinds:
            raise ConfigError(f"{where}: kinds.{kind_name}: no such kind{nearest(str(kind_name), known_kinds)}")
        kinds[known_kinds[kind_name]] = _rules(known_kinds[kind_name], rules, f"{where}: kinds.{kind_name}")
    if not kinds:
        raise ConfigError(f"{where}: kinds: the table maps nothing")
    used = Table(name=name, kinds=kinds, codes={}).lists
    for list_name in raw["codes"][-1][1]:
        if list_name not in used:
            raise ConfigError(f"{where}: codes.{list_name}: no field uses this list{nearest(list_name, used)}")
    codes: dict[str, CodeList] = {}
    for source, lists in raw["codes"]:
        for list_name, entries in lists.items():
            if list_name in used:
                codes[list_name] = merged_list(codes, CodeList.of(list_name, entries, source))
    table = Table(name=name, kinds=MappingProxyType(kinds), codes=MappingProxyType(codes))
    check_words(table, codes, where)
    return table


def _lists(kinds: Mapping[Kind, Mapping[str, Rule]]) -> frozenset[str]:
    rules = (rule for kind in kinds.values() for rule in kind.values())
    return frozenset(rule.options.list for rule in rules if rule.options.list)


def merged_list(lists: Mapping[str, CodeList], over: CodeList) -> CodeList:
    """``over`` merged over the list of its name in ``lists``, if there is one."""
    return over.over(lists[over.name]) if over.name in lists else over


def check_words(table: Table, lists: Mapping[str, CodeList], where: str) -> None:
    """Raises ``ConfigError`` where a list that a field with fixed words uses holds another word."""
    for kind, rules in table.kinds.items():
        for name, rule in rules.items():
            codes = lists.get(rule.options.list or "")
            if codes is None or not (isinstance(rule.field.type, type) and issubclass(rule.field.type, StrEnum)):
                continue
            known = {member.value for member in rule.field.type}
            used = {*codes.entries, *filter(None, [codes.otherwise_read])}
            for word in sorted(used - known):
                raise ConfigError(
                    f"{where}: code list {codes.name!r}: {word!r} is no word of {kind}.{name}{nearest(word, known)}"
                )


def _rules(kind: Kind, raw: Mapping[str, Any], where: str) -> Mapping[str, Rule]:
    known = canonical_fields(kind)
    rules: dict[str, Rule] = {}
    for name, line in raw.items():
        if name not in known:
            raise ConfigError(f"{where}.{name}: no such field{nearest(str(name), known)}")
        if line is None:
            continue  # taken away from the table that is extended
        rules[name] = _rule(known[name], _mapping(line, f"{where}.{name}"), f"{where}.{name}")
    for name, canonical in known.items():
        if canonical.default is MISSING and not (name in rules and rules[name].reads):
            raise ConfigError(f"{where}: {name} is missing; a {kind} cannot be read without it")
    _no_overwriting([rule for rule in rules.values() if rule.writes], where)
    return MappingProxyType(rules)


def _rule(canonical: CanonicalField, raw: Mapping[str, Any], where: str) -> Rule:
    _known_keys(raw, _RULE_KEYS, where)
    path = raw.get("path")
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise ConfigError(f"{where}: path: a dotted path such as `booker.phone` was expected")
    codec = raw.get("codec")
    if not isinstance(codec, str) or codec not in CODECS:
        raise ConfigError(f"{where}: codec: {codec!r} is unknown{nearest(str(codec), CODECS)}")
    if codec not in canonical.codecs:
        raise ConfigError(
            f"{where}: codec: {codec} does not fit this field; possible are {', '.join(sorted(canonical.codecs))}"
        )
    direction = raw.get("direction", Direction.BOTH.value)
    directions = [each.value for each in Direction]
    if direction not in directions:
        raise ConfigError(f"{where}: direction: {direction!r} is unknown{nearest(str(direction), directions)}")
    codes = raw.get("list")
    if (codec == "code") != isinstance(codes, str):
        raise ConfigError(f"{where}: list: a code list's name belongs to codec `code`, and to no other")
    form = raw.get("as")
    if form is not None and (codec, form) != ("flag", "string"):
        raise ConfigError(f"{where}: as: only `as: string` with codec `flag` is known")
    return Rule(
        field=canonical,
        path=tuple(path.split(".")),
        codec=codec,
        direction=Direction(direction),
        options=CodecOptions(codes, form is not None),
    )


def _no_overwriting(rules: list[Rule], where: str) -> None:
    for index, one in enumerate(rules):
        for other in rules[index + 1 :]:
            short = min(len(one.path), len(other.path))
            if one.path[:short] == other.path[:short]:
                raise ConfigError(
                    f"{where}: {one.field.name} and {other.field.name} are both written to "
                    f"{'.'.join(one.path[:short])}; give one of them `direction: read`"
                )


def _fields_of(record: type[Any]) -> dict[str, CanonicalField]:
    found: dict[str, CanonicalField] = {}
    hints = typing.get_type_hints(record)
    for each in fields(record):
        inner = next((t for t in (hints[each.name], *typing.get_args(hints[each.name])) if is_dataclass(t)), None)
        if inner in (Client, Pet):
            for name, nested in _fields_of(inner).items():
                dotted = f"{each.name}.{name}"
                found[dotted] = CanonicalField(
                    name=dotted, type=nested.type, default=nested.default, codecs=nested.codecs
                )
            continue
        default = each.default
        if hints[each.name] is AppointmentStatus:
            default = MISSING  # a visit whose state is not said must not silently count as booked
        found[each.name] = CanonicalField(
            name=each.name, type=hints[each.name], default=default, codecs=_fitting(each.name, hints[each.name])
        )
    return found


def _fitting(name: str, hint: Any) -> frozenset[str]:
    if name == "id" or name.endswith("_id"):
        return frozenset({"id"})
    if name.endswith("_ids"):
        return frozenset({"ids"})
    if hint is Instant or hint == Instant | None:
        return frozenset({"epoch", "wall_time", "iso_time"})
    if hint is AppointmentStatus:
        return frozenset({"code"})
    by_type: dict[Any, set[str]] = {
        str: {"text", "id", "code"},
        str | None: {"text", "id", "code"},
        bool: {"flag"},
        bool | None: {"flag"},
        int: {"integer"},
        date | None: {"date", "epoch_date"},
        tuple[str, ...]: {"texts"},
    }
    return frozenset(by_type[hint])


def _mapping(raw: object, where: str) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: keys with values were expected")
    return raw


def _section(raw: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return {} if value is None else _mapping(value, f"{where}: {key}")


def _known_keys(raw: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for key in raw:
        if key not in known:
            raise ConfigError(f"{where}: {key}: unknown key{nearest(str(key), known)}")
