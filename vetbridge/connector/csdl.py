"""What an OData service says of itself in ``$metadata``: its entity sets, their properties and keys, and never a row.

OData CSDL 4.0; version 3 has the same parts under other names of namespaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from xml.etree import ElementTree  # nosec B405
from xml.etree.ElementTree import Element  # nosec B405

from vetbridge.core import normalise
from vetbridge.core.errors import BadAnswer

MOST_SETS = 2000
MOST_PROPERTIES = 2000
DEEPEST = 3
"""So many properties inside of each other are told."""

_DECLARES = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_COLLECTION = re.compile(r"Collection\((.*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property of an entity set's rows. One inside of another has a path: ``Owner/Id``."""

    path: str
    type: str
    """As the service calls it: ``Edm.String``."""
    is_key: bool = False
    several: bool = False
    """It is a collection, or inside of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySet:
    """An entity set."""

    name: str
    type: str
    properties: tuple[Property, ...]


@runtime_checkable
class Describing(Protocol):
    """A connector that can list the entity sets of its service."""

    def entity_sets(self) -> tuple[EntitySet, ...]:
        """All of them. Raises what a read of ``Connector`` raises, and ``Unavailable`` with code no-metadata where
        the service does not describe itself."""
        ...


@runtime_checkable
class Drafting(Describing, Protocol):
    """One that can draft its profile from what the service says of itself."""

    def draft(self, sets: tuple[EntitySet, ...]) -> str:
        """The profile, as YAML for a person to confirm."""
        ...


def read(content: bytes, what: str) -> tuple[EntitySet, ...]:
    """The entity sets, in their order. ``what``: of what, for errors.

    Raises ``BadAnswer`` for what is no CSDL. One that declares entities is refused unread: they could grow by
    themselves without end.
    """
    if _DECLARES.search(content) or b"\x00" in content[:4096]:
        raise BadAnswer(f"{what}: it declares entities, or is not in UTF-8", code="no-metadata")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - nothing can declare an entity here
    except ElementTree.ParseError:
        raise BadAnswer(f"{what}: it is no XML", code="no-metadata") from None
    types = {f"{space}.{each.get('Name')}": each for space, each in _each(root, ("EntityType", "ComplexType"))}
    sets = [each for _, container in _each(root, ("EntityContainer",)) for each in _of(container, "EntitySet")]
    found = [made for each in sets[:MOST_SETS] if (made := _set(each, types)) is not None]
    if not found:
        raise BadAnswer(f"{what}: it names no entity set", code="no-metadata")
    return tuple(found)


def _each(root: Element, names: tuple[str, ...]) -> Iterator[tuple[str, Element]]:
    """Parts of all schemas, each with its schema's namespace."""
    for schema in root.iter():
        if _local(schema) == "Schema":
            space = schema.get("Namespace") or ""
            yield from ((space, each) for each in schema if _local(each) in names)


def _of(element: Element, name: str) -> list[Element]:
    return [each for each in element if _local(each) == name]


def _local(element: Element) -> str:
    """A tag without its namespace, which says the version."""
    return element.tag.rpartition("}")[2]


def _set(element: Element, types: Mapping[str, Element]) -> EntitySet | None:
    name, type_ = element.get("Name") or "", element.get("EntityType") or ""
    if not _NAME.fullmatch(name) or type_ not in types:
        return None
    properties = tuple(_properties(types[type_], types, "", 0, several=False))[:MOST_PROPERTIES]
    return EntitySet(name=name, type=normalise.shown(type_, 120), properties=properties)


def _properties(
    of: Element, types: Mapping[str, Element], prefix: str, depth: int, *, several: bool
) -> Iterator[Property]:
    """Properties of a type and of what it is made of; a type's base comes first."""
    base = types.get(of.get("BaseType") or "")
    if base is not None and depth < DEEPEST:
        yield from _properties(base, types, prefix, depth + 1, several=several)
    keys = {each.get("Name") for key in _of(of, "Key") for each in _of(key, "PropertyRef")}
    for each in _of(of, "Property"):
        name, type_ = each.get("Name") or "", each.get("Type") or ""
        if not _NAME.fullmatch(name):
            continue
        path = f"{prefix}{name}"
        collection = _COLLECTION.fullmatch(type_)
        inside = types.get(collection[1] if collection else type_)
        is_several = several or collection is not None
        if inside is None or collection is not None:
            is_key = not prefix and name in keys
            yield Property(path=path, type=normalise.shown(type_, 120), is_key=is_key, several=is_several)
        if inside is not None and depth < DEEPEST:
            yield from _properties(inside, types, f"{path}/", depth + 1, several=is_several)
