"""Trying out what a profile says: one kind is read, and all that came is told beside what the profile names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from vetbridge.core.records import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request. ``asked`` is its method and its address, without anything secret."""

    asked: str
    status: int | None
    """None: no answer came that can be told apart."""
    text: str
    """What came, in words."""
    ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedField:
    """A field of the profile. The values are those of one record, which may be a person's."""

    name: str
    paths: tuple[str, ...]
    filled: int
    """Records that hold something there."""
    lacking: int
    """Records that have nothing at the path, not even null."""
    came: str = field(default="", repr=False)
    reads: str = field(default="", repr=False)
    """What VetBridge makes of it."""
    wrong: str = ""
    """Why a record's value cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnamed:
    """Something in the records that the profile does not name."""

    path: str
    came: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of one kind."""

    kind: Kind
    steps: tuple[Step, ...]
    records: int
    """On the first page."""
    total: int | None
    """As many as the side counts; None: it does not count."""
    fields: tuple[TriedField, ...] = ()
    unnamed: tuple[Unnamed, ...] = ()

    @property
    def ok(self) -> bool:
        """Every request was answered, and no field lacks or cannot be read."""
        return all(step.ok for step in self.steps) and not any(each.wrong or each.lacking for each in self.fields)


@runtime_checkable
class Trying(Protocol):
    """What a connector may offer beside ``Connector``: to be tried out, kind by kind, by reads alone."""

    def try_reading(self, kind: Kind) -> Trial:
        """Reads a kind, and tells what came. Troubles of the side are told as steps. Raises ``Refused`` for a kind
        that is not declared."""
        ...


def masked(text: str) -> str:
    """A value's form without the value: letters are a and A, digits are 9; what is long is cut.

    ``true`` and ``false`` are shown.
    """
    if text in ("true", "false"):
        return text
    shown = "".join(_sign(each) for each in text[:60])
    return shown if len(text) <= len(shown) else f"{shown}... ({len(text)} characters)"


def _sign(sign: str) -> str:
    if sign.isdigit():
        return "9"
    if sign.isalpha():
        return "A" if sign.isupper() else "a"
    return sign if sign.isprintable() and sign.isascii() else "?"
