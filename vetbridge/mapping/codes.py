"""Code lists: a site's words for species, visit types, people and states, and VetBridge's own words for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vetbridge.core.errors import ConfigError

OTHERWISE = "otherwise"
"""The key in a code list that says what stands for a code that the list does not hold."""


@dataclass(frozen=True, slots=True)
class CodeList:
    """One list: VetBridge's word -> the side's codes, of which the first is written and all are read.

    Codes of a side are compared as text, so that ``1`` and ``"1"`` are one code. ``otherwise_read`` is
    VetBridge's word for an unknown code of the side, ``otherwise_write`` the side's code for a word that the list
    does not hold; None means that such a code is an error.
    """

    name: str
    entries: Mapping[str, tuple[str, ...]]
    otherwise_read: str | None = None
    otherwise_write: str | None = None
    _words: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = {code: word for word, codes in self.entries.items() for code in codes}
        object.__setattr__(self, "_words", MappingProxyType(words))

    @classmethod
    def of(cls, name: str, raw: object, where: str) -> CodeList:
        """A list as YAML gives it: ``{WORD: CODE or [CODE, ...], otherwise: {read: WORD, write: CODE}}``.

        ``where`` names the file or section in errors. Raises ``ConfigError`` for anything else, and where one
        code of the side stands for two words, since no reader could tell which is meant.
        """
        if isinstance(raw, CodeList):
            return raw
        if not isinstance(raw, Mapping):
            raise ConfigError(f"{where}: code list {name!r} must be a mapping of VetBridge's words to codes")
        entries: dict[str, tuple[str, ...]] = {}
        read = write = None
        word_of: dict[str, str] = {}
        for word, codes in raw.items():
            if not isinstance(word, str):
                raise ConfigError(f"{where}: code list {name!r}: the word {word!r} is not text; put it in quotes")
            if word == OTHERWISE:
                read, write = _otherwise(codes, f"{where}: code list {name!r}")
                continue
            several = codes if isinstance(codes, list | tuple) else [codes]
            if not several:
                raise ConfigError(f"{where}: code list {name!r}: {word!r} has no code")
            entries[word] = tuple(_code(code, f"{where}: code list {name!r}: {word!r}") for code in several)
            for code in entries[word]:
                if word_of.setdefault(code, word) != word:
                    raise ConfigError(
                        f"{where}: code list {name!r}: the code {code!r} stands for both {word_of[code]!r} and "
                        f"{word!r}; keep it in one, and use `otherwise: {{write: ...}}` for words without a code"
                    )
        return cls(name, MappingProxyType(entries), read, write)

    def over(self, under: CodeList) -> CodeList:
        """This list merged over ``under``: a word given here replaces the word there, a code given here is
        taken away from the other words there."""
        mine = {code for codes in self.entries.values() for code in codes}
        entries: dict[str, tuple[str, ...]] = {}
        for word, codes in under.entries.items():
            left = tuple(code for code in codes if code not in mine)
            if word not in self.entries and left:
                entries[word] = left
        entries.update(self.entries)
        return CodeList(
            self.name,
            MappingProxyType(entries),
            under.otherwise_read if self.otherwise_read is None else self.otherwise_read,
            under.otherwise_write if self.otherwise_write is None else self.otherwise_write,
        )

    def read(self, code: str) -> str | None:
        """VetBridge's word for a code of the side; None where there is none."""
        return self._words.get(code, self.otherwise_read)

    def write(self, word: str) -> str | None:
        """The side's code for a word of VetBridge; None where there is none."""
        codes = self.entries.get(word)
        return codes[0] if codes else self.otherwise_write

    def plain(self) -> dict[str, Any]:
        """The list as plain data, in a fixed order, for digests."""
        entries = {word: list(codes) for word, codes in sorted(self.entries.items())}
        return {"entries": entries, "read": self.otherwise_read, "write": self.otherwise_write}


def _otherwise(raw: object, where: str) -> tuple[str | None, str | None]:
    raw = {key: getattr(raw, key) for key in ("read", "write") if hasattr(raw, key)} or raw
    if not isinstance(raw, Mapping) or not set(raw) <= {"read", "write"}:
        raise ConfigError(f"{where}: `otherwise` takes `read: WORD` and `write: CODE`, and nothing else")
    read, write = raw.get("read"), raw.get("write")
    if read is not None and not isinstance(read, str):
        raise ConfigError(f"{where}: `otherwise: read` is not text; put it in quotes")
    return read, None if write is None else _code(write, f"{where}: `otherwise: write`")


def _code(raw: object, where: str) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise ConfigError(f"{where}: {raw!r} is not a code; put it in quotes")
    return str(raw)
