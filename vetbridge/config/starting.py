"""The first config of a clinic: the words of the example, with what the clinic has answered in their places."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from vetbridge.config.models import OTHERWISE
from vetbridge.config.problems import Place
from vetbridge.config.writing import as_key, on_one_line
from vetbridge.core.normalise import shown

INVENTED = frozenset({"appointment_type", "resource"})
"""Code lists whose words are the clinic's own: a title that both sides have makes one."""
COMMENTS_FROM = 34
"""Column at which comments begin, as in the example."""
ABOUT = 115
"""Characters of the line above an account."""
MOST_OPEN = 200
"""So many codes without a word are written down; a vendor's list may have thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPart:
    """A part of an account as it was answered. ``options`` as of ``FirstAccount``."""

    connector: str
    serves: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAccount:
    """An account as it was answered. ``options`` is plain data; a secret in it says where it stands."""

    name: str
    connector: str
    options: Mapping[str, Any]
    hook_secret: Mapping[str, Any] | None = None
    about: str = ""
    """What is said above it; on one line."""
    parts: Mapping[str, FirstPart] = field(default_factory=dict)
    """By name, the other connectors of the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A code list as far as it could be drafted."""

    entries: Mapping[str, str] = field(default_factory=dict)
    """VetBridge's word -> the side's code."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """What the side calls each of its codes."""

    @property
    def open(self) -> dict[str, str]:
        """Titles of the codes that no word stands for."""
        known = set(self.entries.values())
        return {code: title for code, title in self.titles.items() if code not in known}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSite:
    """A site as it was answered."""

    key: str
    name: str
    zone: str
    country: str
    booking: FirstAccount
    pims: FirstAccount
    booking_codes: Mapping[str, Drafted] = field(default_factory=dict)
    pims_codes: Mapping[str, Drafted] = field(default_factory=dict)


def example() -> str:
    """The example config, which every copy of VetBridge brings along."""
    return resources.files("vetbridge.config").joinpath("example.yaml").read_text("utf-8")


def first_config(site: FirstSite, *, ledger: str, key: Mapping[str, Any], log: str | None = None) -> str:
    """The text of a config for one site. ``ledger``, ``key`` and ``log``: where each stands."""
    lines = example().splitlines()
    comments = _Comments(lines)
    text = [
        "# VetBridge: a config made by `vetbridge init`. docs/configuration.md explains each key. Keys with a",
        "# default may be left out. Codes, phone numbers and times stand in quotes. A secret never stands here, but",
        "# where it is: {env: NAME}, {file: PATH}, {command: [PROGRAM, ARGUMENT]} or",
        "# {keyring: {service: NAME, user: NAME}}. After a change: vetbridge config check",
        "",
        *_head(lines, {"path": ledger, "key": key, **({} if log is None else {"file": log})}),
    ]
    for account in (site.booking, site.pims):
        hook = {} if account.hook_secret is None else {"hook_secret": account.hook_secret}
        data = {"connector": account.connector, **hook, "options": account.options}
        text += [f"  # {_title(account.about, ABOUT)}"] if account.about else []
        text += [f"  {account.name}:", *_written(data, ("accounts", account.connector), comments, account)]
        text += [*_parts(account, comments), ""]
    text += [lines[_at(lines, "sites:")], f"  {site.key}:"]
    about = {"name": site.name, "zone": site.zone, "country": site.country}
    text += [*_written(about, ("sites",), comments, site.booking), ""]
    for side, account, codes in (
        ("booking", site.booking, site.booking_codes),
        ("pims", site.pims, site.pims_codes),
    ):
        text += [f"    {side}:", f"      account: {account.name}", *_codes(codes, comments, side, account), ""]
    return "\n".join([*text, *_tail(lines)]) + "\n"


def drafted(
    booking: Mapping[str, Mapping[str, str]],
    pims: Mapping[str, Mapping[str, str]],
    words: Mapping[str, Iterable[str]],
) -> tuple[dict[str, Drafted], dict[str, Drafted]]:
    """Code lists of both sides from what each calls its codes: titles by code, by list.

    Only the same title is the same thing, capitals and spaces apart, and only where neither side has it twice.
    ``words`` are those that are fixed, by list: the side's title has to be one of them.
    """
    words_of: dict[str, dict[str, str]] = {
        name: {_folded(word): word for word in fixed} for name, fixed in words.items()
    }
    for name in INVENTED:
        both = _once(booking.get(name, {})).keys() & _once(pims.get(name, {})).keys()
        words_of[name] = _new_words(sorted(both))
    return _side(booking, words_of), _side(pims, words_of)


def _side(lists: Mapping[str, Mapping[str, str]], words_of: Mapping[str, Mapping[str, str]]) -> dict[str, Drafted]:
    found = {}
    for name, titles in lists.items():
        words, codes = words_of.get(name, {}), _once(titles)
        entries = {word: codes[title] for title, word in words.items() if title in codes}
        found[name] = Drafted(entries=entries, titles=titles)
    return found


def _folded(title: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", title).replace("_", " ").casefold().split())


def _once(titles: Mapping[str, str]) -> dict[str, str]:
    """Code by folded title, of the titles that one code alone has."""
    times = Counter(map(_folded, titles.values()))
    return {folded: code for code, title in titles.items() if times[folded := _folded(title)] == 1 and folded}


def _new_words(titles: Iterable[str]) -> dict[str, str]:
    """A word for each folded title: letters, digits and _; no word twice."""
    words: dict[str, str] = {}
    for title in titles:
        plain = re.sub(r"\W+", "_", title).strip("_")[:40] or "code"
        word, number = plain, 1
        while word in words.values() or word == OTHERWISE:
            number += 1
            word = f"{plain}_{number}"
        words[title] = word
    return words


class _Comments:
    """What the example says behind its lines, by place; an account's by its connector, a site's without its name."""

    def __init__(self, lines: list[str]) -> None:
        self._found: dict[Place, str] = {}
        connectors: dict[str, str] = {}
        for place, value, comment in _places(lines):
            if place[:1] == ("accounts",) and place[2:] == ("connector",):
                connectors[place[1]] = value
            self._found[place] = comment.removeprefix("CHANGE").removeprefix("; ")
        self._names = {connector: name for name, connector in connectors.items()}
        self._site = next((place[1] for place in self._found if place[0] == "sites" and len(place) > 1), "")

    def of(self, place: Place, account: FirstAccount) -> str:
        """What is said of a place: ("accounts", CONNECTOR, ...) or ("sites", ...)."""
        if place[0] == "sites":
            return self._found.get(("sites", self._site, *place[1:]), "")
        name = self._names.get(str(place[1]))
        if name is None:
            return ""
        return self._found.get(("accounts", name, *place[2:]), "").replace(name, account.name)

    def of_list(self, side: str, name: str, account: FirstAccount) -> str:
        """What is said of a code list; "" for another connector than the example's."""
        if account.connector not in self._names:
            return ""
        return self._found.get(("sites", self._site, side, "codes", name), "")


def options_shown(connector: str) -> tuple[str, ...]:
    """The options that the example shows of a connector: those that a clinic has to know."""
    rows = list(_places(example().splitlines()))
    name = next(
        (place[1] for place, value, _ in rows if place[::2] == ("accounts", "connector") and value == connector), None
    )
    return tuple(
        str(place[3]) for place, _, _ in rows if len(place) == 4 and place[:3] == ("accounts", name, "options")
    )


_LINE = re.compile(r"^( *)([a-z_][a-z0-9_-]*):(?: +([^#]*?))?(?: +# ?(.*))?$")


def _places(lines: list[str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Each line of the example that has a key: place, value, comment."""
    place: list[tuple[int, str]] = []
    for line in lines:
        if (found := _LINE.match(line)) is None:
            continue
        depth = len(found[1])
        place = [each for each in place if each[0] < depth] + [(depth, found[2])]
        yield tuple(name for _, name in place), (found[3] or "").strip(), (found[4] or "").strip()


def _head(lines: list[str], answers: Mapping[str, Any]) -> Iterator[str]:
    """The example from its version to its accounts, with the answers in their places."""
    left = dict(answers)
    begin, end = (_at(lines, f"{key}:") for key in ("version", "accounts"))
    for line in lines[begin : end + 1]:
        found = re.match(r"^  (?:# )?([a-z_]+): +(\{.*?\}|[^ ]+) *# (.*)$", line)
        if found is not None and found[1] in left:
            comment = found[3].removeprefix("CHANGE; ").removeprefix("default; ")
            yield _line(f"  {found[1]}: {on_one_line(left.pop(found[1]))}", comment)
        else:
            yield line


def _at(lines: list[str], key: str) -> int:
    """The number of the first line that begins with a key."""
    return next(number for number, line in enumerate(lines) if line.startswith(key))


def _tail(lines: list[str]) -> list[str]:
    """The example's site from where it is the same for everybody."""
    return lines[_at(lines, "    start:") :]


def _written(
    data: Mapping[str, Any], place: Place, comments: _Comments, account: FirstAccount, margin: str = "    "
) -> Iterator[str]:
    for key, value in data.items():
        here = (*place, key)
        if key == "options":
            yield _line(f"{margin}options:", comments.of(here, account))
            for option, given in value.items():
                text = f"{margin}  {as_key(option)}: {on_one_line(given)}"
                yield _line(text, comments.of((*here, option), account))
        else:
            yield _line(f"{margin}{key}: {on_one_line(value)}", comments.of(here, account))


def _parts(account: FirstAccount, comments: _Comments) -> Iterator[str]:
    if account.parts:
        yield _line("    parts:", "the other connectors of this practice, by the kinds that each serves")
    for name, part in account.parts.items():
        data = {"connector": part.connector, "serves": list(part.serves), "options": part.options}
        yield f"      {as_key(name)}:"
        yield from _written(data, ("accounts", part.connector), comments, account, margin=" " * 8)


def _codes(codes: Mapping[str, Drafted], comments: _Comments, side: str, account: FirstAccount) -> Iterator[str]:
    if not codes:
        return
    yield "      codes:"
    for name, drafted_list in codes.items():
        comment = comments.of_list(side, name, account)
        yield _line(f"        {name}:{'' if drafted_list.entries else ' {}'}", comment)
        for word, code in drafted_list.entries.items():
            title = drafted_list.titles.get(code, "")
            yield _line(f"          {as_key(word)}: {on_one_line(code)}", _title(title) if title != code else "")
        rest = list(drafted_list.open.items())
        if rest:
            instead = "" if drafted_list.entries else " in place of {}"
            yield f"          # without a word yet; give each one{instead}, the same as at the other side:"
        for code, title in rest[:MOST_OPEN]:
            yield _line(f"          # WORD: {on_one_line(code)}", _title(title) if title != code else "")
        if len(rest) > MOST_OPEN:
            yield f"          # and {len(rest) - MOST_OPEN} more; `vetbridge doctor` names some"


def _line(text: str, comment: str) -> str:
    return f"{text:<{COMMENTS_FROM - 2}}  # {comment}" if comment else text


def _title(title: str, most: int = 60) -> str:
    """A vendor's words as a comment: on one line, whatever they hold."""
    return "".join(letter if letter.isprintable() else " " for letter in shown(title, most))
