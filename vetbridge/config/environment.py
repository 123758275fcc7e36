"""Environment variables that change single values: ``VETBRIDGE_DAEMON__WORKERS=8``.

A double underscore stands between levels; case does not matter, and ``_`` also stands for ``-`` and ``.`` in a name
of the config's own, as in ``VETBRIDGE_ACCOUNTS__EZYVET_CITY__POLL``. A variable changes what the file has, or a key
that the models know; it makes no new account or site.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vetbridge.config.document import BROKEN, Document, parse
from vetbridge.config.problems import ConfigProblems, Place, Problem, nearest, shown
from vetbridge.config.secrets import Secret
from vetbridge.config.shape import Shape, takes_text

PREFIX = "VETBRIDGE_"
NOT_VALUES = frozenset({"VETBRIDGE_CONFIG"})
"""Variables that name no value: the config file's own path."""


def overlay(document: Document, shape: Shape, env: Mapping[str, str]) -> tuple[dict[Place, str], list[Problem]]:
    """Puts the variables' values over the document's. Gives the variable's name by place, and what is wrong."""
    origins: dict[Place, str] = {}
    problems: list[Problem] = []
    holders = set(_secret_holders(document.data))
    for name in sorted(env):
        if not name.startswith(PREFIX) or name in NOT_VALUES or name in holders:
            continue
        parts = name.removeprefix(PREFIX).split("__")
        place, unknown = _place_of(parts, shape, document.data)
        if unknown:
            # A single word may be another program's own, such as a secret that another config names.
            problems.append(Problem(source=name, line=None, place=place, text=unknown, warning=len(parts) == 1))
            continue
        value, wrong = _value(env[name], name, place, shape)
        problems += wrong
        if _put(document, place, value):
            origins[place] = name
    return origins, problems


def _secret_holders(node: Any) -> Iterator[str]:
    """Names of variables that hold a secret which the config refers to: they are no values of the config."""
    if isinstance(node, dict):
        if len(node) == 1 and isinstance(node.get("env"), str):
            yield node["env"]
        for inner in node.values():
            yield from _secret_holders(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _secret_holders(inner)


def _place_of(parts: list[str], shape: Shape, data: Any) -> tuple[Place, str]:
    """The place that a variable means, or the place up to which it is known and what is wrong then."""
    place: Place = ()
    for part in parts:
        known = list(shape.keys(place) or ())
        if not known and isinstance(data, dict):
            known = [key for key in data if isinstance(key, str)]
        found = [key for key in known if _folded(key) == _folded(part)]
        if len(found) != 1:
            return place, f"no key here is called {shown(part.lower())}{nearest(part.lower(), known)}"
        place = (*place, found[0])
        data = data.get(found[0]) if isinstance(data, dict) else None
    return place, ""


def _folded(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _value(text: str, name: str, place: Place, shape: Shape) -> tuple[Any, list[Problem]]:
    types = shape.types(place)
    if takes_text(types) and not (Secret in types and text.startswith("{")):
        return text, []
    try:
        document = parse(text, name)
    except ConfigProblems as error:
        return BROKEN, [_moved(problem, name, place) for problem in error.problems]
    return document.data, [_moved(problem, name, place) for problem in document.problems]


def _moved(problem: Problem, name: str, place: Place) -> Problem:
    return Problem(source=name, line=None, place=(*place, *problem.place), text=problem.text)


def _put(document: Document, place: Place, value: Any) -> bool:
    """Sets a value, making groups that the file leaves out; false where the file has no group to put it in."""
    node = document.data
    for part in place[:-1]:
        if node.get(part) is None:
            node[part] = {}
        node = node[part]
        if not isinstance(node, dict):
            return False
    node[place[-1]] = value
    for line in [line for line in document.lines if line[: len(place)] == place]:
        del document.lines[line]
    return True
