"""Profiles of the generic connectors: a practice system's shipped one by name, or a site's own file.

A profile is data: which column or path each field comes from. What it may say is the connector's model; here it is
found, read as strictly as the config, and judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from vetbridge.config import document
from vetbridge.config.problems import ConfigProblems, Place, Problem, nearest, shown
from vetbridge.connector.folder import FolderPath
from vetbridge.connector.plugin import GROUP, entry_points, systems
from vetbridge.core.errors import ConfigError

ENDINGS = (".yaml", ".yml")
"""A reference that ends so is the path of a file, else it is a name."""

Model = TypeVar("Model", bound=BaseModel)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PATH: TypeAdapter[Path] = TypeAdapter(FolderPath)
_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a group of keys",
    "mapping_type": "must be a group of keys",
    "is_instance_of": "must be a group of keys",
    "model_type": "must be a group of keys",
    "too_short": "must hold at least one entry",
    "string_too_short": "must not be empty",
}


def _referred(value: object, info: ValidationInfo) -> str | Path:
    if isinstance(value, Path):
        return value
    if isinstance(value, str) and value.lower().endswith(ENDINGS):
        return _PATH.validate_python(value, context=info.context)
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    words = "the name of a practice system was expected, or a path that ends in .yaml"
    raise PydanticCustomError("vetbridge", "{words}", {"words": words})


ProfileRef = Annotated[str | Path, BeforeValidator(_referred)]
"""An option that names a profile: a shipped one by its name, or a file by its path from the config's folder."""


def load_profile(model: type[Model], ref: str | Path, connector: str) -> Model:
    """The profile that ``ref`` names, for the connector of that plugin name.

    Raises ``ConfigError`` that names the file, the lines, and what to do.
    """
    if isinstance(ref, Path):
        if not ref.is_file():
            text = f"there is no such file in {ref.parent}; the account's option profile names it"
            raise ConfigProblems([Problem(source=ref.name, line=None, place=(), text=text)])
        return _judged(model, document.read(ref), ref.name)
    file, source = _shipped(ref, connector)
    parsed: Model = _parsed(model, file.read_text(encoding="utf-8"), source)  # type: ignore[assignment]
    return parsed


def readable(model: type[BaseModel], connector: str) -> Callable[[str | Path], str | Path]:
    """An ``AfterValidator`` for a ``ProfileRef``: what is wrong with the profile is told when the config is read."""

    def judge(ref: str | Path) -> str | Path:
        try:
            load_profile(model, ref, connector)
        except ConfigError as error:
            words = "; ".join(error.message.splitlines())
            raise PydanticCustomError("vetbridge", "{words}", {"words": words}) from None
        return ref

    return judge


def shipped_profiles(connector: str) -> Mapping[str, str]:
    """Names of the profiles that are shipped for a connector, with their titles."""
    own = {name: name for name in _own(connector)}
    return own | {name: each.title for name, each in systems().items() if each.profile(connector)}


def _shipped(name: str, connector: str) -> tuple[Traversable, str]:
    system = systems().get(name)
    if system is not None and (file := system.profile(connector)):
        return resources.files(system.package) / file, f"{name}/{file}"
    own = _own(connector)
    if name in own:
        return own[name], f"{connector}/{name}.yaml"
    known = shipped_profiles(connector)
    hint = nearest(name, known) if known else ""
    raise ConfigError(
        f"no profile called {shown(name)} is shipped for the connector {connector}{hint}; "
        "a site's own is a file, and its path ends in .yaml"
    )


def _own(connector: str) -> dict[str, Traversable]:
    """Profiles in the connector's own folder, which belong to no practice system."""
    modules = [point.module for point in entry_points(group=GROUP) if point.name == connector]
    files = [file for module in modules for file in resources.files(module).iterdir()]
    return {file.name.removesuffix(".yaml"): file for file in files if file.name.endswith(".yaml")}


@lru_cache(maxsize=32)
def _parsed(model: type[BaseModel], text: str, source: str) -> BaseModel:
    """A shipped profile; it is read for every command, and never changes."""
    return _judged(model, document.parse(text, source), source)


def _judged(model: type[Model], read: document.Document, source: str) -> Model:
    if read.problems:
        raise ConfigProblems(read.problems)
    if not isinstance(read.data, dict):
        text = "is empty" if read.data is None else "is no group of keys"
        raise ConfigProblems([Problem(source=source, line=None, place=(), text=f"{text}; see docs/profiles.md")])
    try:
        return model.model_validate(read.data)
    except ValidationError as error:
        raise ConfigProblems(_problems(error, read, source)) from None


def _problems(error: ValidationError, read: document.Document, source: str) -> Iterator[Problem]:
    told = set()
    for detail in error.errors(include_url=False):
        place = _located(detail["loc"], read.data)
        text = _WORDS.get(detail["type"]) or str(detail["msg"]).removeprefix("Value error, ")
        if (place, text) not in told:
            told.add((place, text))
            yield Problem(source=source, line=read.line_of(place), place=place, text=text)


def _located(loc: Place, data: Any) -> Place:
    """The place in the file; pydantic's location also names members of unions."""
    place: Place = ()
    for index, part in enumerate(loc):
        inside = dict(enumerate(data)) if isinstance(data, list) else data
        if isinstance(inside, dict) and part in inside:
            data = inside[part]
        elif index < len(loc) - 1:
            continue
        place = (*place, part)
    return place
