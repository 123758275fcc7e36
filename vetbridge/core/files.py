"""What a file must be to be carried: looked into, whatever it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRules:
    """Which files are carried to one side."""

    types: Mapping[str, int]
    """What may be in them, each with the most bytes."""
    names: tuple[str, ...] = ("*",)
    """Patterns for their names, of which one has to fit; capitals do not count."""
