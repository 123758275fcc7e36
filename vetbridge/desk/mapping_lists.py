"""The code lists of a site beside each other: what the config says, what both sides call their codes, what waits."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from vetbridge.config.models import BookingEnd, Otherwise, Site
from vetbridge.core.records import Side
from vetbridge.core.upgrades import CodeLists, Codes
from vetbridge.desk.doctor import SHARED_LISTS
from vetbridge.ledger.quality import Unmapped
from vetbridge.mapping import Mapper
from vetbridge.mapping.codes import CodeList
from vetbridge.sync.upgrades import used_codes

MOST_NAMED: Final = 12
"""Codes that a finding names; it counts all."""

_NO_WORD = re.compile(r"the code (?P<value>'.*'|\".*\") is not in the code list (?P<list>'.*?'|\".*?\")")
_NO_CODE = re.compile(r"the code list (?P<list>'.*?'|\".*?\") has no code for (?P<value>'.*'|\".*\")")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSide:
    """One list at one side."""

    side: Side
    account: str
    codes: CodeList
    """As it is in force: the vendor's fixed part and the site's."""
    used: Codes
    """Its codes that are written, and those that are only read."""
    own: Mapping[str, tuple[str, ...]]
    """The site's own part of it, as its config has it, without ``otherwise``."""
    titles: Mapping[str, str] | None
    """What the side calls each of its codes; None where it tells nobody."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Codes without a word that came: how many changes each one holds up."""

    def word(self, code: str) -> str | None:
        """VetBridge's word that the config gives this very code; None where only ``otherwise`` does, or nothing."""
        return next((word for word, codes in self.codes.entries.items() if code in codes), None)

    @property
    def known(self) -> tuple[str, ...]:
        """Codes that a person may give a word: those that the side tells, that the config has, and that came."""
        fixed = {code for word, codes in self.codes.entries.items() if word not in self.own for code in codes}
        mine = (code for codes in self.own.values() for code in codes)
        every = dict.fromkeys([*mine, *sorted(self.titles or {}), *sorted(self.waiting)])
        return tuple(code for code in every if code not in fixed)

    def title(self, code: str) -> str:
        """What people call a code: the side's title, else the code itself, which is a word where no list is told."""
        return (self.titles or {}).get(code, "") or ("" if self.titles is not None else code)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteList:
    """One list at both sides; a side whose mapping does not use it is None."""

    name: str
    booking: ListSide | None
    pims: ListSide | None
    words_waiting: Mapping[str, int] = field(default_factory=dict)
    """Words without a code at one side: how many changes each one holds up."""

    @property
    def sides(self) -> tuple[ListSide, ...]:
        """Those that use it, the booking side first."""
        return tuple(each for each in (self.booking, self.pims) if each is not None)

    @property
    def shared(self) -> bool:
        """Whether its words go from one side to the other."""
        return self.name in SHARED_LISTS and len(self.sides) == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is amiss with a list."""

    site: str
    list: str
    account: str
    what: str
    """``gone``, ``gone-read-only`` (only read, and gone), ``new``, ``one-sided``, ``several``, ``waiting``."""
    codes: tuple[str, ...]
    """Codes with what they are called; ``MOST_NAMED`` at the most."""
    count: int
    waits: bool
    """Something waits for it, or would as soon as it comes."""
    text: str
    advice: str


def site_lists(
    name: str,
    site: Site,
    mappers: Mapping[Side, Mapper],
    titles: Mapping[str, CodeLists],
    unmapped: Iterable[Unmapped] = (),
) -> tuple[SiteList, ...]:
    """Every list that the mapping of either side uses, by name. ``titles``: by account, as it tells them."""
    held = [each for each in unmapped if each.site == name]
    # Which side lacks it says the name of its mapping; where both have one mapping, the account of the change does.
    tables = {mappers[side].table.name: side for side in Side}
    by_table = tables if len(tables) == len(Side) else {}
    codes, words = _held_up(held, _NO_WORD), _held_up(held, _NO_CODE)
    found = []
    for list_name in sorted({*mappers[Side.BOOKING].codes, *mappers[Side.PIMS].codes}):
        sides: dict[Side, ListSide | None] = {}
        for side, end in ((Side.BOOKING, site.booking), (Side.PIMS, site.pims)):
            account = end.account
            there = mappers[side].codes.get(list_name)
            sides[side] = (
                None
                if there is None
                else ListSide(
                    side=side,
                    account=account,
                    codes=there,
                    used=used_codes(mappers[side], list_name),
                    own=own_entries(end, list_name),
                    titles=titles.get(account, {}).get(list_name),
                    waiting={
                        code: count
                        for (of, by, at, code), count in codes.items()
                        if of == list_name
                        and (by_table[by] is side if by in by_table else at == account)
                        and there.read(code) is None
                    },
                )
            )
        lacking = {
            word: count
            for (of, _, _, word), count in words.items()
            if of == list_name and any(each and each.codes.write(word) is None for each in sides.values())
        }
        found.append(
            SiteList(name=list_name, booking=sides[Side.BOOKING], pims=sides[Side.PIMS], words_waiting=lacking)
        )
    return tuple(found)


def findings(site: str, lists: Iterable[SiteList]) -> Iterator[Finding]:
    """What is gone, what is new, what one side has alone, what is there twice, and what waits."""
    for each in lists:
        for side in each.sides:
            yield from _of_side(site, each.name, side)
        if each.shared:
            yield from _one_sided(site, each)
        if each.words_waiting:
            yield _finding(
                site,
                each.name,
                "",
                "waiting",
                [f"{word} ({count})" for word, count in sorted(each.words_waiting.items())],
                f"{sum(each.words_waiting.values())} changes wait for a code for",
                f"Give the word a code at the side that has none (`vetbridge mapping fill {site}`), then "
                "`vetbridge replay --code mapping`.",
            )


def _of_side(site: str, name: str, side: ListSide) -> Iterator[Finding]:
    fill = f"`vetbridge mapping fill {site}` drafts a word for each."
    if side.waiting:
        yield _finding(
            site,
            name,
            side.account,
            "waiting",
            [f"{named(code, side.title(code))} ({count})" for code, count in sorted(side.waiting.items())],
            f"{sum(side.waiting.values())} changes wait for a word for",
            f"{fill} Then `vetbridge replay --code mapping`.",
        )
    if side.titles is None:
        return
    used = side.used
    gone = sorted((used.written | used.read) - side.titles.keys())
    for what, codes, text in (
        (
            "gone",
            [code for code in gone if code in used.written],
            f"the config writes what {side.account} does not have:",
        ),
        ("gone-read-only", [code for code in gone if code in used.read], "only read, and gone:"),
    ):
        if codes:
            told = [f"{code} for {side.codes.read(code)}" for code in codes]
            advice = f"Correct or take it out of codes.{name} in the config."
            yield _finding(site, name, side.account, what, told, text, advice, waits=what == "gone")
    new = sorted(code for code in side.titles if side.codes.read(code) is None and code not in side.waiting)
    if new:
        told = [named(code, side.titles[code]) for code in new]
        yield _finding(site, name, side.account, "new", told, "no word in the config stands for", fill)
    several = sorted(
        word for word, codes in side.codes.entries.items() if len([code for code in codes if code in side.titles]) > 1
    )
    if several:
        told = [f"{word}: {', '.join(side.codes.entries[word])}" for word in several]
        text = "one word for several codes, of which the first is written and all are read:"
        advice = "Nothing has to be done where that is meant."
        yield _finding(site, name, side.account, "several", told, text, advice, waits=False)


def _one_sided(site: str, each: SiteList) -> Iterator[Finding]:
    for one, other in (each.sides, each.sides[::-1]):
        readable = {*one.codes.entries, *filter(None, [one.codes.otherwise_read])}
        words = sorted(
            word for word in readable if other.codes.write(word) is None and word not in each.words_waiting
        )
        if words:
            text = f"{one.account} knows, and {other.account} has no code for:"
            advice = f"Give it a code in codes.{each.name} of {other.account}, or `otherwise: {{write: ...}}`."
            yield _finding(site, each.name, other.account, "one-sided", words, text, advice)


def _finding(
    site: str,
    name: str,
    account: str,
    what: str,
    codes: list[str],
    text: str,
    advice: str,
    *,
    waits: bool = True,
) -> Finding:
    shown = tuple(codes[:MOST_NAMED])
    more = f" and {len(codes) - len(shown)} more" if len(codes) > len(shown) else ""
    return Finding(
        site=site,
        list=name,
        account=account,
        what=what,
        codes=shown,
        count=len(codes),
        waits=waits,
        text=f"{text} {', '.join(shown)}{more}",
        advice=advice,
    )


def own_entries(end: BookingEnd, list_name: str) -> dict[str, tuple[str, ...]]:
    """What the config itself says of a list: codes by word, without ``otherwise``."""
    return {
        word: (codes,) if isinstance(codes, str) else tuple(codes)
        for word, codes in end.codes.get(list_name, {}).items()
        if not isinstance(codes, Otherwise)
    }


def named(code: str, title: str) -> str:
    """A code with what it is called."""
    return f"{code} ({title})" if title and title != code else code


def _held_up(unmapped: Iterable[Unmapped], said: re.Pattern[str]) -> Counter[tuple[str, str, str, str]]:
    """How many changes each code, or word, of a list holds up: by list, mapping, account of the change, and code.

    What a mapping says of it is all that is known (``vetbridge.mapping.codecs``); it is said as Python writes text.
    """
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for each in unmapped:
        if found := said.search(each.message):
            table = each.message.removeprefix("mapping ").partition(":")[0]
            counts[_said(found["list"]), table, each.account, _said(found["value"])] += each.count
    return counts


def _said(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):  # such as a message that was cut
        return text.strip("'\"")
