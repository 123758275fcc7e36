"""The address of a PostgreSQL database: it holds a password, and is shown without it."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from vetbridge.core.errors import ConfigError

RIGHT_FORM = "postgresql://USER:PASSWORD@HOST/DATABASE"

_HOST = re.compile(r"(?:[\w.-]*|\[[0-9A-Fa-f:.]+\]|%2[Ff][\w.%-]*)(?::[0-9]*)?", re.ASCII)
_DATABASE = re.compile(r"/?[\w.%-]*")
_SPECIAL = f"write {RIGHT_FORM}, with special characters of the password as %-codes"


class Address:
    """Where a PostgreSQL ledger is: an address as libpq takes it, ``postgresql://USER:PASSWORD@HOST/DATABASE``.

    ``str`` and ``repr`` show host and database alone. Raises ``ConfigError``, which repeats nothing of the address,
    where it is none.
    """

    __slots__ = ("_shown", "_text")

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        scheme = self._text.partition(":")[0].lower()
        if scheme not in ("postgresql", "postgres"):
            _refuse(f"has another scheme than postgresql; write {RIGHT_FORM}")
        if any(character.isspace() or not character.isprintable() for character in self._text):
            _refuse(f"holds blanks or control characters; {_SPECIAL}")
        try:
            parts = urlsplit(self._text)
        except ValueError:
            _refuse(f"cannot be read; {_SPECIAL}")
        self._shown = _shown(parts)

    def reveal(self) -> str:
        """The whole address, with its password."""
        return self._text

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"Address({self._shown})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def _shown(parts: SplitResult) -> str:
    """Host and database. Refuses what a password with a bare special character would make of them."""
    hosts = parts.netloc.rpartition("@")[2]
    sound = (
        all(_HOST.fullmatch(host) for host in hosts.split(","))
        and _DATABASE.fullmatch(parts.path)
        and "@" not in parts.query
        and not parts.fragment
        and "#" not in parts.geturl()
    )
    if not sound:
        _refuse(f"cannot be read; {_SPECIAL}")
    query = parse_qs(parts.query)
    host = unquote(hosts) or query.get("host", query.get("hostaddr", [""]))[0]
    database = unquote(parts.path.removeprefix("/")) or query.get("dbname", [""])[0]
    return f"postgresql://{host}/{database}"


def _refuse(why: str) -> NoReturn:
    raise ConfigError(f"the database address (ledger.database) {why}")
