"""What a connector to a database may offer beside ``Connector``: its tables. Never what stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedColumn:
    """A column. ``type`` in the database's own words."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTable:
    """A table or view that the login sees."""

    owner: str
    """The schema."""
    name: str
    is_view: bool
    columns: tuple[ListedColumn, ...]
    rows: int | None
    """How many there are; None where they may not be counted, or that takes too long."""


@runtime_checkable
class Catalogue(Protocol):
    """A connector that can list the tables of its side."""

    def tables(self, pattern: str = "*") -> Iterator[ListedTable]:
        """Every table and view whose name fits a pattern of a shell's, whatever its case; one owner after the other.

        Raises what a read of ``Connector`` raises.
        """
        ...
