"""Weights as the document they are read from, and as TOML text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from vetbridge.core.matching.weights import AGAINST, FOR, SCHEMA, Weights

_STORED = ("self", "household", "stranger", "relative", "lookalike")
"""Whose chances they are, in the order in which ``Weights`` keeps them."""


def document_of(weights: Weights) -> dict[str, Any]:
    """The document that ``read_weights`` makes the same weights of."""
    return {
        "schema": SCHEMA,
        "provenance": dict(weights.provenance),
        "shares": dict(weights.shares),
        "decide": dict(weights.decide),
        "fields": {
            name: {
                who: {level: chances[_STORED.index(who)] for level, chances in levels.items()}
                for who in (*FOR, *AGAINST)
            }
            for name, levels in weights.chances.items()
        },
        "calibration": {"bits": [list(pair) for pair in weights.calibration]},
    }


def toml_of(document: Mapping[str, Any]) -> str:
    """A document of text, numbers, lists and tables as TOML, which reads as the same document again."""
    return "\n".join(_table(document, ())) + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    if path:
        yield ""
        yield f"[{'.'.join(path)}]"
    below = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and not _is_flat(value, path):
            below[key] = value
        else:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in below.items():
        yield from _table(value, (*path, _key(key)))


def _is_flat(value: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """The chances of one sort of booker stand on one line."""
    return bool(path) and all(isinstance(each, (int, float)) for each in value.values())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return _text(str(value))


def _key(key: str) -> str:
    bare = key and all(one.isascii() and (one.isalnum() or one in "_-") for one in key)
    return key if bare else _text(key)


def _text(text: str) -> str:
    # JSON and TOML escape alike, but for these two: TOML knows no lone half of a character, and no bare DEL.
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
