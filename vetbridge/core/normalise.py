"""Comparable forms of what people type: phones, e-mail addresses, names.

Names are folded for comparing only and are never written to a side. All text is taken as hostile: it may be megabytes
long, hold terminal escapes or half characters. What compares cuts its input before it works on it; nothing raises.
"""

from __future__ import annotations

import functools
import re
import unicodedata
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
_ASCII = str.maketrans(
    {one: one.lower() if one.isalnum() else " " for one in map(chr, range(128))} | {"'": "", "`": ""}
)
"""What ``name`` makes of each ASCII character."""
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
_PLAIN_PHONE = re.compile(r"[ ().-]*\+?[0-9]+(?:[ ().-]+[0-9]+)*[ ().-]*")
_MAX_PLAIN_PHONE = 50
_NO_DIGITS = str.maketrans("", "", "+ ().-")
_NEVER = r"(?!)"
_RISING = "0123456789" * 3

_EMAIL_BREAK = re.compile(r"[\s,;<>\"()\[\]|]+")
_EMAIL = re.compile(r"[^@]{1,64}@(?:[\w](?:[\w-]{0,61}[\w])?\.)+[^\W\d_](?:[\w-]{0,61}[\w])")
_MAX_EMAIL = 254
_NOT_A_LETTER = re.compile(r"[\W\d_]+")
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
    text = text[:MAX_NAME]
    if text.isascii():
        return " ".join(text.translate(_ASCII).split())
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    # Folding can bring new accents to light (Turkish dotted I), so it is taken apart once more.
    folded = unicodedata.normalize("NFKD", folded).translate(_APOSTROPHES)
    kept = "".join(map(_letter, folded))
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
    if text.isprintable():
        return text.rstrip()
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
    if len(parts) > 1 and all(part.strip()[:1] in ("0", "+") and _e164(part, country) for part in parts):
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


class _Plan(NamedTuple):
    """How numbers of a country are written, as the library knows it."""

    code: str
    lengths: frozenset[int]
    number: re.Pattern[str]
    abroad: re.Pattern[str]
    """What is dialled before the country code of another country."""
    trunk: re.Pattern[str]
    """What is dialled before a number within the country."""


def _e164(text: str, country: str) -> _Number | None:
    return _plain_e164(text, country) or _parsed(text, country)


def _plain_e164(text: str, country: str) -> _Number | None:
    """What ``_parsed`` makes of digits with nothing peculiar about them, for a fraction of its time; else None."""
    if len(text) > _MAX_PLAIN_PHONE or _PLAIN_PHONE.fullmatch(text) is None:
        return None
    digits = text.translate(_NO_DIGITS)
    if "+" in text:
        # No country's code is the beginning of another's.
        plan = _plan_of_code(digits[:1]) or _plan_of_code(digits[:2]) or _plan_of_code(digits[:3])
        if plan is None:
            return None
        digits = digits[len(plan.code) :]
    else:
        plan = _plan(country.upper())
        if plan is None or digits.startswith(plan.code) or plan.abroad.match(digits):
            return None
    trunk = plan.trunk.match(digits)
    if trunk:
        if trunk[0] != "0" or plan.number.fullmatch(digits):
            return None
        digits = digits[1:]
    if len(digits) not in plan.lengths or digits[0] == "0":
        return None
    return _Number(f"+{plan.code}{digits}", digits)


@functools.cache
def _plan_of_code(code: str) -> _Plan | None:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code)) if code and code[0] != "0" else None
    return _plan(regions[0]) if regions else None


@functools.lru_cache(maxsize=300)
def _plan(country: str) -> _Plan | None:
    """None where the country is not known, or numbers are peculiar there."""
    known = phonenumbers.PhoneMetadata.metadata_for_region(country, None)
    if known is None or phonenumbers.region_code_for_country_code(known.country_code or 0) != country:
        return None
    described = known.general_desc
    if known.national_prefix_transform_rule or described is None or not described.national_number_pattern:
        return None
    return _Plan(
        code=str(known.country_code),
        lengths=frozenset(length for length in described.possible_length if length > 3),
        number=re.compile(described.national_number_pattern),
        abroad=re.compile(known.international_prefix or _NEVER),
        trunk=re.compile(known.national_prefix_for_parsing or _NEVER),
    )


def _parsed(text: str, country: str) -> _Number | None:
    try:
        parsed = phonenumbers.parse(text, country.upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.national_significant_number(parsed)
    # Of several leading zeros each reading takes one away, where the country's numbers do not start with zero.
    if national.startswith("0") and text != e164 and _parsed(e164, "") != _Number(e164, national):
        return None
    return _Number(e164, national)


def _placeholder_number(number: _Number) -> bool:
    digits = number.national
    if len(set(digits[1:])) == 1 or len(set(digits[-7:])) == 1:
        return True
    return len(digits) > 1 and (digits in _RISING or digits[::-1] in _RISING)


def _plausible_email(word: str) -> bool:
    if len(word) > _MAX_EMAIL or ".." in word or _EMAIL.fullmatch(word) is None:
        return False
    local, domain = word.split("@")
    bare = _NOT_A_LETTER.sub("", local)
    host = _NOT_A_LETTER.sub("", domain.split(".")[0])
    return bare not in _NO_EMAIL and host not in _NO_EMAIL and not (len(local) == 1 and local == host)
