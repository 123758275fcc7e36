"""Problems of a config: where, and what, in words that a person can act on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from vetbridge.core.errors import ConfigError

Place = tuple[str | int, ...]
"""Where a value stands: ``("sites", "city", "zone")``."""

LONGEST_SHOWN = 80
"""Characters of a name from outside that a message repeats."""

_BARE = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a config. ``str`` gives ``config.yaml:12: accounts.altegio: words``."""

    source: str
    """The file's name, or the environment variable's."""
    line: int | None
    """Line in the file, from 1; None where the file has no such line."""
    place: Place
    text: str
    """What is wrong and what to do. Never holds a value that may be a secret."""
    warning: bool = False
    """Unwise, but usable."""

    @property
    def where(self) -> str:
        """File and line, or the variable's name."""
        return self.source if self.line is None else f"{self.source}:{self.line}"

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, dotted(self.place), self.text) if part)


class ConfigProblems(ConfigError):
    """The configuration cannot be used. Mend the lines that are named, then run `vetbridge config check`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda one: (one.line or 0, dotted(one.place))))
        """Every problem that was found, in the order of the file."""
        super().__init__("\n".join(str(problem) for problem in self.problems))


def dotted(place: Place) -> str:
    """A place in words: ``sites.city.booking.codes.species.dog[0]``."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else shown(part))
    return text


def shown(name: str) -> str:
    """A name from outside, quoted, cut and without characters that steer a terminal."""
    return ascii(name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "...")


def nearest(name: str, known: Iterable[str], *, always: bool = True) -> str:
    """ "; did you mean 'x'?", else what is known (left out where ``always`` is false)."""
    names = list(known)
    near = difflib.get_close_matches(name[:LONGEST_SHOWN], names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known are {', '.join(names)}" if always and names else ""
