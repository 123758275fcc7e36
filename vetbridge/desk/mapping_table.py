"""The table in which a person finishes a site's code lists: drafted with suggestions, taken back with answers.

A row is one code of one side. In a list whose words are the clinic's own (visit types, vets, rooms) it is answered by
a code of the other side; in any other by a word of VetBridge. The words in between are made up here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vetbridge.config.models import OTHERWISE
from vetbridge.config.problems import nearest
from vetbridge.core import normalise
from vetbridge.core.records import AppointmentStatus, Side
from vetbridge.core.suggesting import BREED, Suggestion, Sureness, common_words, suggest
from vetbridge.core.upgrades import LONGEST_CODE
from vetbridge.desk.mapping_lists import ListSide, SiteList
from vetbridge.desk.sheet_parts import cell
from vetbridge.desk.sheets import EveryRefusal, table
from vetbridge.desk.sheets import Row as SheetRow

COLUMNS: Final = (
    "List",
    "Booking code",
    "Booking name",
    "PIMS code",
    "PIMS name",
    "Word",
    "How sure",
    "Why",
    "Waiting",
    "Answer",
)
ALLOWED_COLUMNS: Final = ("For list", "Allowed answer", "What it is called", "Where")
WORDED: Final = frozenset({"species", "sex", "status"})
"""Lists whose words are VetBridge's; those of any other list are the clinic's own."""
SET: Final = "set"
"""How sure a row is that the config has already."""
YES: Final = "yes"
LEAVE: Final = "-"
LONGEST_WORD: Final = 80

_YES = frozenset({"yes", "y", "ja", "j", "si", "tak", "ok"})
_LEAVE = frozenset({"-", "no", "none", "nein", "nee", "nie"})
_FIELDS: Final = {
    "list": "list",
    "bookingcode": "booking",
    "pimscode": "pims",
    "word": "word",
    "answer": "answer",
}
_NEEDED = ({"list"}, {"booking", "pims"}, {"answer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRow:
    """One row of the draft."""

    list: str
    booking_code: str = ""
    booking_name: str = ""
    pims_code: str = ""
    pims_name: str = ""
    word: str = ""
    sure: str
    why: str
    waiting: int = 0
    answer: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """Its cells, under ``COLUMNS``."""
        waiting = str(self.waiting) if self.waiting else ""
        codes = (self.booking_code, self.booking_name, self.pims_code, self.pims_name)
        return (self.list, *codes, self.word, self.sure, self.why, waiting, self.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """What is wrong with a row of a table that came back; rows count from 1, with the header."""

    row: int
    code: str
    text: str
    advice: str


Entries = Mapping[str, tuple[str, ...]]
"""Codes by word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A table that came back: the site's own part of each list that it changes, and what is wrong with its rows."""

    changed: Mapping[tuple[Side, str], Entries]
    problems: tuple[RowProblem, ...]
    answered: int
    left_out: int
    open: int
    """Rows without an answer: what they are about goes on to wait."""


# -- the draft


def draft(lists: Iterable[SiteList]) -> list[DraftRow]:
    """Every code that either side has, with what it may be; those that wait come first in their list."""
    rows: list[DraftRow] = []
    for each in lists:
        rows += sorted(_draft_list(each), key=lambda row: -row.waiting)
    return rows


def _draft_list(each: SiteList) -> Iterator[DraftRow]:
    if _is_paired(each) and each.booking is not None and each.pims is not None:
        yield from _paired(each.name, each.booking, each.pims)
        return
    for side in each.sides:
        yield from _worded(each, side)
        for word in _asked(each, side):
            why = f"{side.account} does not tell its list: give its code as the answer"
            yield DraftRow(
                list=each.name,
                word=word,
                sure=Sureness.NONE,
                why=why,
                waiting=each.words_waiting.get(word, 0),
            )


def _paired(name: str, booking: ListSide, pims: ListSide) -> Iterator[DraftRow]:
    taken = {code for word, codes in pims.own.items() if booking.own.get(word) for code in codes}
    unset = [code for code in booking.known if not pims.own.get(booking.word(code) or "")]
    among = {code: pims.title(code) for code in pims.known}
    titles = {code: booking.title(code) for code in unset}
    # Several spellings of a breed are one breed; two vets of one name are two.
    found = suggest(name, titles, among, one_to_one=name != BREED)
    shown: set[str] = set()
    for code in booking.known:
        about: dict[str, Any] = {
            "list": name,
            "booking_code": code,
            "booking_name": booking.title(code),
            "waiting": booking.waiting.get(code, 0),
        }
        word = booking.word(code) or ""
        if there := pims.own.get(word):
            shown.add(there[0])
            yield DraftRow(
                **about,
                pims_code=there[0],
                pims_name=pims.title(there[0]),
                word=word,
                **_decided(),
            )
            continue
        each = found[code]
        there_code = each.counterpart or ""
        if there_code in taken and each.sureness is Sureness.SURE:
            each = Suggestion(counterpart=there_code, sureness=Sureness.LIKELY, why="the config gives it another one")
        shown.add(there_code)
        yield DraftRow(
            **about,
            pims_code=there_code,
            pims_name=among.get(there_code, ""),
            word=word or pims.word(there_code) or "",
            **_suggested(each),
        )
    for code in pims.known:
        if code in shown:
            continue
        word = pims.word(code) or ""
        here = booking.own.get(word, ("",))[0]
        yield DraftRow(
            list=name,
            pims_code=code,
            pims_name=pims.title(code),
            word=word,
            waiting=pims.waiting.get(code, 0),
            sure=SET if here else Sureness.NONE,
            why=f"in the config, with {here}" if here else "no code of the booking side is called so",
            answer=here,
        )


def _worded(each: SiteList, side: ListSide) -> Iterator[DraftRow]:
    words = allowed_words(each)
    titles = {code: side.title(code) for code in side.known}
    unset = {code: title for code, title in titles.items() if side.word(code) is None}
    if words is None:
        times = Counter(map(normalise.name, titles.values()))
        found = {
            code: Suggestion(counterpart=title[:LONGEST_WORD], sureness=Sureness.SURE, why="its own name")
            if title and times[normalise.name(title)] == 1 and title != OTHERWISE
            else Suggestion(counterpart=None, sureness=Sureness.NONE, why="it has no name of its own")
            for code, title in unset.items()
        }
    else:
        found = suggest(each.name, unset, {word: word.replace("_", " ") for word in words}, one_to_one=False)
    for code, title in titles.items():
        about: dict[str, Any] = {"list": each.name, "waiting": side.waiting.get(code, 0)}
        about |= {f"{side.side.value}_code": code, f"{side.side.value}_name": title}
        if (word := side.word(code)) is not None:
            yield DraftRow(**about, word=word, **_decided())
        else:
            yield DraftRow(**about, word=found[code].counterpart or "", **_suggested(found[code]))


def _asked(each: SiteList, side: ListSide) -> list[str]:
    """Words that come from the other side, and for which a side that tells no list has no code."""
    others = [other for other in each.sides if other is not side]
    if side.titles is not None or not each.shared:
        return []
    return sorted(word for other in others for word in other.codes.entries if side.codes.write(word) is None)


def _is_paired(each: SiteList) -> bool:
    """Whether a list's codes are answered by codes of the other side: its words mean nothing to anybody else."""
    return each.booking is not None and each.pims is not None and each.name not in WORDED


def allowed_words(each: SiteList) -> tuple[str, ...] | None:
    """The words that a code of a list may stand for; None where any word will do, as nothing else reads it."""
    if each.name == "status":
        return tuple(status.value for status in AppointmentStatus)
    in_use = {word for side in each.sides for word in side.codes.entries}
    return tuple(sorted({*in_use, *common_words(each.name)})) if each.name in WORDED else None


def allowed(lists: Iterable[SiteList]) -> Iterator[tuple[str, str, str, str]]:
    """What may stand under Answer, list by list, under ``ALLOWED_COLUMNS``."""
    for each in lists:
        yield each.name, YES, "the suggestion is right", ""
        yield each.name, LEAVE, "it has no counterpart: leave it out", ""
        if _is_paired(each):
            for side in each.sides:
                for code in side.known:
                    yield each.name, code, side.title(code), side.account
        else:
            for word in allowed_words(each) or ():
                yield each.name, word, word.replace("_", " "), "VetBridge"


def _decided() -> dict[str, Any]:
    return {"sure": SET, "why": "in the config", "answer": YES}


def _suggested(each: Suggestion) -> dict[str, Any]:
    answer = YES if each.sureness is Sureness.SURE else ""
    return {"sure": each.sureness.value, "why": each.why, "answer": answer}


def write_workbook(path: Path, rows: Iterable[DraftRow], lists: Sequence[SiteList]) -> None:
    """The draft as a workbook: the table, and on a second sheet what may be answered. Raises ``OSError``.

    Every cell is text: nothing in it is carried out, and no code loses a leading zero.
    """
    from openpyxl import Workbook  # noqa: PLC0415 - slow to import, and only needed here

    book = Workbook()
    first = book.active
    first.title = "Code lists"
    second = book.create_sheet("Allowed answers")
    for sheet, titles, lines in (
        (first, COLUMNS, (row.cells for row in rows)),
        (second, ALLOWED_COLUMNS, allowed(lists)),
    ):
        for number, texts in enumerate((titles, *lines), 1):
            for column, text in enumerate(texts, 1):
                made = sheet.cell(number, column)
                made.value = cell(text)
                made.data_type = "s"
                made.number_format = "@"
        sheet.freeze_panes = "A2"
        for letter in "ABCDEFGHIJ"[: len(titles)]:
            sheet.column_dimensions[letter].width = 22
    book.save(path)


# -- taken back


@dataclass
class _Reading:
    """The rows of one list as they were answered: where each code goes."""

    list: SiteList
    goes: dict[tuple[Side, str], str | tuple[Side, str] | None] = field(default_factory=dict)
    """To a word, to a code of the other side, or nowhere."""
    rows: dict[tuple[Side, str], int] = field(default_factory=dict)


class _Wrong(Exception):
    def __init__(self, code: str, text: str, advice: str) -> None:
        super().__init__(text)
        self.code = code
        self.advice = advice


def finished(path: Path, lists: Sequence[SiteList]) -> Finished:
    """What a table says that came back. Raises ``UnusableFile`` where it is no such table."""
    report = EveryRefusal(path)
    readings = {each.name: _Reading(each) for each in lists}
    problems: list[RowProblem] = []
    answered = left_out = still_open = 0
    for row in table(report, _FIELDS, _NEEDED):
        try:
            reading = readings.get(name := _text(row, "list"))
            if reading is None:
                hint = nearest(name, sorted(readings))
                raise _Wrong(
                    "list-unknown", f"no list is called {_quoted(name)}{hint}", "Keep the first column as it was."
                )
            asked = _asked_for(reading.list, row)
            if asked is not None and not _text(row, "answer"):
                still_open += 1
                continue
            code = _code_of(reading, row) if asked is None else (asked.side, _given(asked, _text(row, "answer")))
            goes = _answer(reading.list, code, row) if asked is None else _text(row, "word")
            if code in reading.rows:
                text = f"{_quoted(code[1])} stands in row {reading.rows[code]} already"
                raise _Wrong("twice", text, "Delete one of the two rows.")
            reading.rows[code] = row.number
        except _Wrong as wrong:
            problems.append(RowProblem(row=row.number, code=wrong.code, text=str(wrong), advice=wrong.advice))
            continue
        if goes == "":
            still_open += 1
            continue
        answered += goes is not None
        left_out += goes is None
        reading.goes[code] = goes
    problems += [
        RowProblem(row=each.row, code=each.code, text=each.words, advice="Mend the row, or delete it.")
        for each in report.rows
    ]
    changed: dict[tuple[Side, str], Entries] = {}
    for reading in readings.values():
        for side in reading.list.sides:
            entries = _entries(reading, side)
            if entries != dict(side.own):
                changed[side.side, reading.list.name] = entries
    return Finished(changed=changed, problems=tuple(problems), answered=answered, left_out=left_out, open=still_open)


def _quoted(text: str) -> str:
    return repr(normalise.shown(text, LONGEST_WORD))


def _text(row: SheetRow, name: str) -> str:
    """A cell as it was drafted: what guards a spreadsheet against a formula is taken off."""
    text = row.text(name)
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@") else text


def _code_of(reading: _Reading, row: SheetRow) -> tuple[Side, str]:
    """The code that a row is about: the booking side's, else that of the PIMS."""
    for side, name in ((reading.list.booking, "booking"), (reading.list.pims, "pims")):
        if text := _text(row, name):
            if side is None:
                raise _Wrong(
                    "code-unknown", f"the {name} side has no list {reading.list.name!r}", "Keep the codes as drafted."
                )
            return side.side, _known(side, text)
    raise _Wrong("empty", "the row names no code", "Delete the row.")


def _asked_for(each: SiteList, row: SheetRow) -> ListSide | None:
    """The side whose code for the row's word is asked for, as it tells no list; None in any other row."""
    if _text(row, "booking") or _text(row, "pims"):
        return None
    return next((side for side in each.sides if _text(row, "word") in _asked(each, side)), None)


def _given(side: ListSide, said: str) -> str:
    if said.casefold() in _YES | _LEAVE or len(said) > LONGEST_CODE:
        raise _Wrong(
            "answer-unknown", f"{_quoted(said)} is no code", f"Give the code that {side.account} has for it."
        )
    return said


def _known(side: ListSide, text: str) -> str:
    for code in side.known:
        if cell(code) == text:
            return code
    if side.titles is None and len(text) <= LONGEST_CODE:
        return text  # a side that tells no list may have any
    raise _Wrong(
        "code-unknown",
        f"{side.account} has no code {_quoted(text)}{nearest(text, sorted(side.known))}",
        "Keep the codes as drafted; draft the table anew where the side has changed.",
    )


def _answer(each: SiteList, code: tuple[Side, str], row: SheetRow) -> str | tuple[Side, str] | None:
    """Where a code goes: a word, a code of the other side, None for nowhere, "" where it is left open."""
    said = _text(row, "answer")
    if not said:
        return ""
    if each.booking is not None and each.pims is not None and _is_paired(each):
        other = each.pims if code[0] is Side.BOOKING else each.booking
        if (chosen := _chosen(other, said)) is not None:
            return other.side, chosen
        if said.casefold() in _LEAVE:
            return None
        if said.casefold() in _YES:
            if suggested := _text(row, other.side.value):
                return other.side, _known(other, suggested)
            raise _Wrong("nothing-suggested", "the answer is yes, and nothing is suggested", _HOW)
        hint = nearest(said, sorted({*other.known, *filter(None, map(other.title, other.known))}))
        raise _Wrong("answer-unknown", f"{other.account} has nothing that is called {_quoted(said)}{hint}", _HOW)
    words = allowed_words(each)
    if said.casefold() in _LEAVE:
        return None
    word = _text(row, "word") if said.casefold() in _YES else said
    if not word:
        raise _Wrong("nothing-suggested", "the answer is yes, and nothing is suggested", _HOW)
    if words is None:
        if len(word) > LONGEST_WORD or word == OTHERWISE:
            raise _Wrong("answer-unknown", f"a word has at most {LONGEST_WORD} characters", "Make it shorter.")
        return word
    folded = {normalise.name(each): each for each in words}
    if (known := folded.get(normalise.name(word))) is None:
        raise _Wrong("answer-unknown", f"{_quoted(word)} is no word for {each.name}{nearest(word, words)}", _HOW)
    return known


_HOW: Final = "Take one of the sheet of allowed answers, yes for the suggestion, or - to leave it out."


def _chosen(side: ListSide, said: str) -> str | None:
    """A code that is named by itself or by what it alone is called; None where no code is."""
    by_code = [code for code in side.known if cell(code) == said]
    if by_code:
        return by_code[0]
    called = [
        code for code in side.known if (name := normalise.name(said)) and normalise.name(side.title(code)) == name
    ]
    if len(called) > 1:
        raise _Wrong(
            "answer-twice", f"{len(called)} codes are called {_quoted(said)}", f"Give the code: {', '.join(called)}."
        )
    return called[0] if called else None


def _entries(reading: _Reading, side: ListSide) -> dict[str, tuple[str, ...]]:
    """The site's own part of a list as the answers make it."""
    groups = _groups(reading)
    entries: dict[str, tuple[str, ...]] = {}
    for word in dict.fromkeys([*side.own, *groups]):
        joined = [code for of, code in groups.get(word, ()) if of is side.side]
        before = side.own.get(word) or (side.codes.entries.get(word, ()) if joined else ())
        stays = [code for code in before if (side.side, code) not in reading.goes or code in joined]
        if codes := tuple(dict.fromkeys([*stays, *joined])):
            entries[word] = codes
    return entries


def _groups(reading: _Reading) -> dict[str, list[tuple[Side, str]]]:
    """The codes that belong together by the answers, by their word."""
    ends: dict[str | tuple[Side, str], list[tuple[Side, str]]] = {}
    for code in reading.goes:
        if reading.goes[code] is not None:
            ends.setdefault(_end(reading, code), []).append(code)
    groups: dict[str, list[tuple[Side, str]]] = {}
    for end, codes in ends.items():
        word = end if isinstance(end, str) else _word_for(reading, [*codes, end], groups)
        # What a booking code was answered by comes before what was added to it: the first one is written.
        through = [to for code in codes if isinstance(to := reading.goes.get(code), tuple)]
        groups.setdefault(word, []).extend(
            dict.fromkeys([*(code for code in codes if code[0] is Side.BOOKING), *through, *codes])
        )
    return groups


def _end(reading: _Reading, code: tuple[Side, str]) -> str | tuple[Side, str]:
    """Where a code comes to in the end: a word, or the code of the other side that has none yet."""
    seen = {code}
    while True:
        to = reading.goes.get(code)
        if to is None:
            kept = _side(reading, code).word(code[1]) if code not in reading.goes else None
            return kept if kept is not None else code
        if isinstance(to, str):
            return to
        if to in seen:
            return min(seen)
        seen.add(to)
        code = to


def _side(reading: _Reading, code: tuple[Side, str]) -> ListSide:
    return next(side for side in reading.list.sides if side.side is code[0])


def _word_for(reading: _Reading, codes: Iterable[tuple[Side, str]], groups: Iterable[str]) -> str:
    """A word for codes that have none together: the one that only they had, else one made of what they are called."""
    sides = reading.list.sides
    kept = {
        word
        for side in sides
        for word, several in side.own.items()
        if any((side.side, code) not in reading.goes for code in several)
    }
    used = {*groups, *kept, OTHERWISE}
    codes = sorted(codes, key=lambda code: code[0] is Side.PIMS)
    had = (_side(reading, code).word(code[1]) for code in codes)
    if mine := next((word for word in had if word is not None and word not in used), None):
        return mine
    used |= {word for side in sides for word in side.codes.entries}
    title = next(filter(None, (_side(reading, code).title(code[1]) for code in codes)), "")
    plain = re.sub(r"\W+", "_", normalise.name(title)).strip("_")[:40] or "code"
    word, number = plain, 1
    while word in used:
        number += 1
        word = f"{plain}_{number}"
    return word
