"""Comparable forms of what people type: phones, e-mail addresses, names.

Names are folded for comparing only and are never written to a side. All text is taken as hostile: it may be megabytes
long, hold terminal escapes or half characters. What compares cuts its input before it works on it; nothing raises.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import NamedTuple

import phonenumbers

MAX_NAME = 200
"""Characters of a name that are looked at."""
MAX_CONTACT = 400
"""Characters of a phone or e-mail field that are looked at."""

# Letters that Unicode does not take apart into a base letter and an accent.
_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "ŧ": "t", "ŋ": "n"}
)
_APOSTROPHES = str.maketrans("", "", "'`´ʹʻʼʽˈ‘’‛′＇")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]*>")
_AFTER_FIRST = re.compile(r"[aeiouyhw]")
_DOUBLES = re.compile(r"(.)\1+")

_JOINERS = "\u200c\u200d"
_NO_JOINERS = str.maketrans("", "", _JOINERS)
_UNSEEN = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories: control, half of a character, private, line and paragraph separator."""

# Everything that cannot be part of one phone number separates two of them: letters, commas, semicolons ...
_PHONE_BREAK = re.compile(r"[^\d+()\-./\s\u2010-\u2015]+|(?=\+)")
_PHONE_GAP = re.compile(r"[\s/]+")
_MAX_PHONE_PARTS = 30

_EMAIL_BREAK = re.compile(r"[\s,;<>\"()\[\]|]+")
_EMAIL = re.compile(r"[^@]{1,64}@(?:[\w](?:[\w-]{0,61}[\w])?\.)+[^\W\d_](?:[\w-]{0,61}[\w])")
_MAX_EMAIL = 254
_NO_EMAIL = frozenset(
    {
        "na",
        "no",
        "noaddress",
        "noemail",
        "nomail",
        "none",
        "nil",
        "nobody",
        "nothing",
        "notgiven",
        "notknown",
        "null",
        "test",
        "unknown",
        "xxx",
    }
)


def phones(text: str, country: str) -> tuple[str, ...]:
    """All phone numbers in a field, in E.164, in the order they stand there, each once.

    ``country`` is an ISO 3166 code of two letters, for numbers written without a country code; empty where it is not
    known, then only numbers that start with ``+`` count. A number counts when its length is possible in its country:
    a stricter test would drop number ranges that are newer than the table. Placeholders (one digit repeated, digits
    in sequence) do not count.
    """
    text = unicodedata.normalize("NFKC", text[:MAX_CONTACT])
    found: dict[str, None] = {}
    for piece in _PHONE_BREAK.split(text):
        for part in _slash_parts(piece, country):
            found.update(dict.fromkeys(_spaced_phones(part, country)))
    return tuple(found)


def phone(text: str, country: str) -> str | None:
    """The first phone number in a field in E.164, None where there is none. See ``phones``."""
    return next(iter(phones(text, country)), None)


def emails(text: str) -> tuple[str, ...]:
    """All plausible e-mail addresses in a field, case folded, in the order they stand there, each once.

    Placeholders that reception types where an owner has none (``none@none.com``, ``no@email.com``) do not count.
    """
    text = clean(unicodedata.normalize("NFKC", text[:MAX_CONTACT])).translate(_NO_JOINERS)
    words = (word.removeprefix("mailto:").strip(".'") for word in _EMAIL_BREAK.split(text.casefold()))
    return tuple(dict.fromkeys(word for word in words if _plausible_email(word)))


def email(text: str) -> str | None:
    """The first plausible e-mail address in a field, None where there is none. See ``emails``."""
    return next(iter(emails(text)), None)


def name(text: str) -> str:
    """A person's name for comparing: no accents, no case, no punctuation, single spaces.

    An apostrophe joins (``O'Brien`` is ``obrien``), other punctuation parts (``Smith-Jones`` is ``smith jones``).
    Letters that are no letter and accent are spelt out (``ß`` ss, ``æ`` ae, ``ø`` o, ``ł`` l). Other scripts stay.
    """
    folded = unicodedata.normalize("NFKD", text[:MAX_NAME]).casefold().translate(_LETTERS)
    # Folding can bring new accents to light (Turkish dotted I), so it is taken apart once more.
    folded = unicodedata.normalize("NFKD", folded).translate(_APOSTROPHES)
    kept = "".join(_letter(character) for character in folded)
    return " ".join(kept.split())[:MAX_NAME].strip()


def pet_name(text: str) -> str:
    """A pet's name for comparing: like ``name``, without remarks in brackets (``Bella (bites!)`` is ``bella``)."""
    return name(_BRACKETS.sub(" ", text[:MAX_NAME]))


def sound(text: str) -> str:
    """A key that names of like sound share, for finding candidates: ``Smith`` and ``Smyth`` are both ``smt``.

    The first letter, then the consonants: vowels and y, h, w are dropped after the first letter, doubles collapse.
    """
    letters = name(text).replace(" ", "")
    return _DOUBLES.sub(r"\1", letters[:1] + _AFTER_FIRST.sub("", letters[1:]))


def clean(text: str) -> str:
    """Text that is safe to store and to show: half characters and all control characters but line breaks are spaces.

    Formatting characters are dropped, because they can turn the direction of what follows; those that join letters
    and emoji stay. Never longer than ``text``.
    """
    return "\n".join("".join(map(_visible, line)).rstrip() for line in text.replace("\r\n", "\n").split("\n"))


def shown(text: str, limit: int = 80) -> str:
    """Text that is safe to show on one line, cut to ``limit`` characters."""
    return " ".join(clean(text[: 4 * limit]).split())[:limit]


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in _JOINERS else ""
    return " " if category in _UNSEEN else character


def _letter(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Cf":
        return ""
    return character if category[0] in "LN" else " "


def _slash_parts(piece: str, country: str) -> list[str]:
    """``020 7946 0018/07700 900123`` is two numbers, the German ``030/1234567`` is one."""
    parts = piece.split("/")
    if all(part.strip()[:1] in ("0", "+") and _e164(part, country) for part in parts):
        return parts
    return [piece]


def _spaced_phones(piece: str, country: str) -> list[str]:
    """The numbers in a piece: from the left, each as long as a number can be."""
    words = [word for word in _PHONE_GAP.split(piece) if word][:_MAX_PHONE_PARTS]
    found = []
    start = 0
    while start < len(words):
        for end in range(len(words), start, -1):
            number = _e164(" ".join(words[start:end]), country)
            if number is not None:
                break
        else:
            start += 1
            continue
        if not _placeholder_number(number):
            found.append(number.e164)
        start = end
    return found


class _Number(NamedTuple):
    e164: str
    national: str
    """The digits without country code and trunk zero."""


def _e164(text: str, country: str) -> _Number | None:
    try:
        parsed = phonenumbers.parse(text, country.upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.national_significant_number(parsed)
    # Of several leading zeros each reading takes one away, where the country's numbers do not start with zero.
    if national.startswith("0") and text != e164 and _e164(e164, "") != _Number(e164, national):
        return None
    return _Number(e164, national)


def _placeholder_number(number: _Number) -> bool:
    digits = number.national
    if len(set(digits[1:])) == 1 or len(set(digits[-7:])) == 1:
        return True
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(digits)}
    return steps in ({1}, {9})


def _plausible_email(word: str) -> bool:
    if len(word) > _MAX_EMAIL or ".." in word or _EMAIL.fullmatch(word) is None:
        return False
    local, domain = word.split("@")
    bare = re.sub(r"[\W\d_]+", "", local)
    host = re.sub(r"[\W\d_]+", "", domain.split(".")[0])
    return bare not in _NO_EMAIL and host not in _NO_EMAIL and not (len(local) == 1 and local == host)
