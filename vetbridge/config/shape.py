"""What may stand at a place of the config: walks the models' types, a connector's options included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from vetbridge.config.models import Config
from vetbridge.config.problems import Place

WITH_OPTIONS = ("apps", "accounts")
"""Groups of the config whose entries have options of their connector's; apps first, as accounts take from them."""
PARTS = "parts"
"""Group of an account whose entries have options of their own connector's, too."""


def has_options(place: Place) -> bool:
    """Whether an app, an account or a part of one stands at a place."""
    return (len(place) == 2 and place[0] in WITH_OPTIONS) or (
        len(place) == 4 and (place[0], place[2]) == ("accounts", PARTS)
    )


class Shape:
    """The config's types. ``options`` holds the options' model of each account, part and app, by its place."""

    def __init__(self, options: Mapping[Place, type[BaseModel]]) -> None:
        self._options = options

    def types(self, place: Place) -> list[Any]:
        """The types that a value at ``place`` may have; none where no value may stand."""
        types: list[Any] = [Config]
        for depth, part in enumerate(place):
            if part == "options" and has_options(place[:depth]):
                model = self._options.get(place[:depth])
                types = [model] if model is not None else []
                continue
            types = [inner for outer in types for inner in _inside(outer, part)]
        return types

    def keys(self, place: Place) -> tuple[str, ...] | None:
        """The fixed keys at ``place``; None where keys are free or none may stand."""
        for one in self.types(place):
            if _is_model(one):
                return tuple(one.model_fields)
        return None


def takes_text(types: list[Any]) -> bool:
    """A value of one of these types is written as text."""
    return any(one in (str, Path) or get_origin(one) is Literal for one in types)


def _inside(outer: Any, part: str | int) -> list[Any]:
    if _is_model(outer):
        field = outer.model_fields.get(part)
        return [] if field is None else _members(field.annotation)
    arguments = get_args(outer)
    origin = get_origin(outer)
    if not isinstance(origin, type) or not arguments:
        return []
    if issubclass(origin, Mapping):
        return _members(arguments[1])
    if issubclass(origin, (list, tuple, set, frozenset)):
        return _members(arguments[0])
    return []


def _members(annotation: Any) -> list[Any]:
    """The types of an annotation, without unions and their additions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [one for member in get_args(annotation) for one in _members(member)]
    return [annotation]


def _is_model(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, BaseModel)
