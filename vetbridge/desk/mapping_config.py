"""Puts code lists into a config's text, and leaves every other line and comment as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml

from vetbridge.config.document import parse
from vetbridge.config.models import OTHERWISE
from vetbridge.config.problems import ConfigProblems
from vetbridge.config.writing import as_key, on_one_line
from vetbridge.core.records import Side
from vetbridge.desk.mapping_table import Entries

Changed = Mapping[tuple[Side, str], Entries]
"""The site's own part of lists, without ``otherwise``: codes by word."""


def codes_text(changed: Changed) -> str:
    """The part of a site that says these lists, for pasting; the lists only, each whole but for ``otherwise``."""
    lines = []
    for side in Side:
        lists = {name: entries for (at, name), entries in changed.items() if at is side}
        if lists:
            lines += [f"    {side.value}:", "      codes:"]
            for name, entries in sorted(lists.items()):
                lines.append(f"        {as_key(name)}:{'' if entries else ' {}'}")
                lines += [f"          {line}" for line in _lines(entries)]
    return "\n".join(lines) + "\n"


def with_codes(text: str, site: str, changed: Changed) -> str | None:
    """A config's text with the lists of a site as given; None where that cannot be said without touching more.

    What comes out was read again: it says the old config but for these lists. Entries that stay keep their comments.
    """
    try:
        before = parse(text, "config").data
        wanted = deepcopy(before)
        for (side, name), entries in changed.items():
            codes = wanted["sites"][site][side.value].setdefault("codes", {}) or {}
            wanted["sites"][site][side.value]["codes"] = codes
            old = codes.get(name) or {}
            kept = {OTHERWISE: old[OTHERWISE]} if OTHERWISE in old else {}
            codes[name] = {**{word: _value(codes_) for word, codes_ in entries.items()}, **kept}
            text = _with_list(text, (("sites", site, side.value), name), entries)
        after = parse(text, "config")
    except (ConfigProblems, yaml.YAMLError, LookupError, TypeError, AttributeError, _Unplain):
        return None
    return text if not after.problems and _plain(after.data) == _plain(wanted) else None


class _Unplain(Exception):
    """The text is not laid out in a way that one place of it can be changed alone."""


@dataclass(frozen=True, slots=True)
class _Edit:
    begin: int
    end: int
    text: str


def _with_list(text: str, place: tuple[tuple[str, ...], str], entries: Entries) -> str:
    path, name = place
    end = "\r\n" if "\r\n" in text else "\n"
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for step in path:
        node = _child(node, step)[1]
    if (codes := _found(node, "codes")) is None:
        indent = node.value[0][0].start_mark.column
        lines = ["codes:", f"  {as_key(name)}:", *(f"    {line}" for line in _lines(entries))]
        return _inserted(text, _below(text, node), [" " * indent + line for line in lines], end)
    if (there := _found(codes[1], name)) is None:
        if not _is_block(codes[1]):
            return _instead_of_empty(
                text, codes, [f"{as_key(name)}:", *(f"  {line}" for line in _lines(entries))], end
            )
        indent = codes[1].value[0][0].start_mark.column
        lines = [f"{as_key(name)}:", *(f"  {line}" for line in _lines(entries))]
        return _inserted(text, _below(text, codes[1]), [" " * indent + line for line in lines], end)
    if not _is_block(there[1]):
        if not there[1].value:
            return _instead_of_empty(text, there, list(_lines(entries)), end)
        kept = [
            text[key.start_mark.index : value.end_mark.index]
            for key, value in there[1].value
            if key.value == OTHERWISE
        ]
        flow = ", ".join(
            [f"{as_key(word)}: {on_one_line(_value(codes_))}" for word, codes_ in entries.items()] + kept
        )
        return text[: there[1].start_mark.index] + f"{{{flow}}}" + text[there[1].end_mark.index :]
    return _edited(text, there[1], entries, end)


def _edited(text: str, node: Any, entries: Entries, end: str) -> str:
    """A list that stands line by line: changed codes in their place, lost words out, new words below."""
    edits = []
    there: dict[str, None] = {}
    for key, value in node.value:
        if key.value == OTHERWISE:
            continue
        there[key.value] = None
        if key.value not in entries:
            begin = text.rfind("\n", 0, key.start_mark.index) + 1
            edits.append(_Edit(begin, _line_end(text, _last(value)), ""))
        elif _said(value) != entries[key.value]:
            edits.append(_Edit(value.start_mark.index, _last(value), on_one_line(_value(entries[key.value]))))
    new = {word: codes for word, codes in entries.items() if word not in there}
    indent = " " * node.value[0][0].start_mark.column
    if new:
        text = _inserted(text, _below(text, node), [indent + line for line in _lines(new)], end)
    for edit in sorted(edits, key=lambda each: -each.begin):
        text = text[: edit.begin] + edit.text + text[edit.end :]
    return text


def _instead_of_empty(text: str, pair: tuple[Any, Any], lines: list[str], end: str) -> str:
    """Lines below a key whose value is ``{}`` or nothing."""
    key, value = pair
    if value.value:
        raise _Unplain
    if not lines:
        return text
    indent = " " * (key.start_mark.column + 2)
    after = _line_end(text, value.end_mark.index)
    blank = text[: value.start_mark.index].rstrip(" ") + text[value.end_mark.index : after]
    return _inserted(blank + text[after:], len(blank), [indent + line for line in lines], end)


def _inserted(text: str, at: int, lines: list[str], end: str) -> str:
    before = text[:at]
    if before and not before.endswith("\n"):
        before += end
    return before + "".join(line + end for line in lines) + text[at:]


def _below(text: str, node: Any) -> int:
    """Where the line after the last one of a node begins."""
    if not _is_block(node):
        raise _Unplain
    return _line_end(text, _last(node))


def _last(node: Any) -> int:
    """Where what a node says ends: that of a block stands at the next thing, behind comments."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return int(node.end_mark.index)


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _is_block(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def _found(node: Any, name: str) -> tuple[Any, Any] | None:
    if not isinstance(node, yaml.MappingNode):
        if isinstance(node, yaml.ScalarNode) and not node.value:
            return None
        raise _Unplain
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _child(node: Any, name: str) -> tuple[Any, Any]:
    if (found := _found(node, name)) is None:
        raise _Unplain
    return found


def _said(value: Any) -> tuple[str, ...]:
    return tuple(each.value for each in value.value) if isinstance(value, yaml.SequenceNode) else (value.value,)


def _lines(entries: Entries) -> Iterator[str]:
    for word, codes in entries.items():
        yield f"{as_key(word)}: {on_one_line(_value(codes))}"


def _value(codes: tuple[str, ...]) -> str | list[str]:
    return codes[0] if len(codes) == 1 else list(codes)


def _plain(data: Any) -> Any:
    """Data for comparing: a code may stand with or without quotes, alone or as a list of one."""
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(each) for each in data] if len(data) != 1 else _plain(data[0])
    return str(data)
