"""The codecs of mapping tables: how one native value becomes a canonical one and back.

A codec gets a value that is there; None and empty text never reach it, as they mean "the side says nothing".
What a codec cannot turn raises ``Unfit`` with words that never hold the value: values are people's names, phones and
notes, and errors are logged. Only codes of code lists are named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import Enum
from types import MappingProxyType
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from vetbridge.core.instants import Instant
from vetbridge.mapping.codes import CodeList

YEARS = range(1900, 2200)
"""Years that a date or a moment may lie in; further away is a side's sentinel or its mistake."""

LONGEST_ID = 255
"""Most characters of an id or of a code."""

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
_REPLACED = re.compile(r"[\x00\ud800-\udfff]")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


class Unfit(ValueError):
    """A value does not fit its codec; the words never hold the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingContext:
    """What codecs need to know beside the value: the site's IANA zone, its country, and its code lists."""

    zone: str
    country: str = ""
    codes: Mapping[str, CodeList] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class CodecOptions:
    """What a table says beside the codec's name."""

    list: str | None = None
    """Name of the code list (codec ``code``)."""
    as_string: bool = False
    """Writes "1" and "0" instead of true and false (codec ``flag``)."""


class Codec(Protocol):
    """Turns one value in both directions; raises ``Unfit``."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> Any:
        """The canonical value of a native one."""
        ...

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> Any:
        """The native value of a canonical one."""
        ...


def clean(text: str) -> str:
    """Text without what no side should ever be sent: NUL and lone surrogates become U+FFFD, and control
    characters other than tab and newline (``\\n`` or ``\\r\\n``) are dropped."""
    if text.isprintable():
        return text
    return _REPLACED.sub("\ufffd", _CONTROL.sub("", text))


class TextCodec:
    """Text as it stands, cleaned; a whole number becomes its digits."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> str:
        """Text of a string or a whole number."""
        return clean(_text(value))

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> str:
        """The same text, cleaned."""
        if not isinstance(value, str):
            raise Unfit(f"text was expected, not {_type(value)}")
        return clean(value)


class IdCodec:
    """An id: short printable text, whatever type the side gives it."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> str:
        """The id as text."""
        return _short(_text(value).strip())

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> str:
        """The id as text."""
        if not isinstance(value, str):
            raise Unfit(f"an id as text was expected, not {_type(value)}")
        return _short(value)


class IntegerCodec:
    """A whole number, also where the side sends it as text."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> int:
        """The number."""
        return _whole(value)

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> int:
        """The number, as a number."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(f"a whole number was expected, not {_type(value)}")
        return _whole(value)


class FlagCodec:
    """Yes or no: true and false, 1 and 0, "1" and "0", "true" and "false"."""

    _WORDS: Mapping[str, bool] = MappingProxyType({"1": True, "true": True, "0": False, "false": False})

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> bool:
        """True or False."""
        if isinstance(value, int) and value in (0, 1):
            return bool(value)
        known = self._WORDS.get(value.strip().casefold()) if isinstance(value, str) else None
        if known is None:
            raise Unfit('one of true, false, 1, 0, "1", "0" was expected')
        return known

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> bool | str:
        """True or False; "1" or "0" where the table says ``as: string``."""
        if not isinstance(value, bool):
            raise Unfit(f"true or false was expected, not {_type(value)}")
        return ("1" if value else "0") if options.as_string else value


class EpochCodec:
    """Seconds since 1970-01-01T00:00Z <-> a moment."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> Instant:
        """The moment."""
        return Instant(_moment(_whole(value)), context.zone)

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> int:
        """Seconds, as a number."""
        return _instant(value).epoch


class WallTimeCodec:
    """``YYYY-MM-DD HH:MM:SS`` on the site's clock <-> a moment.

    An hour that occurs twice is read as its first; the second cannot be said by a side with such times, so writing
    it is refused instead of being an hour wrong.
    """

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> Instant:
        """The moment; the text is kept as the side sent it."""
        text = _brief(value)
        try:
            wall = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the zone is the site's
        except ValueError:
            raise Unfit("a time as YYYY-MM-DD HH:MM:SS was expected") from None
        _year(wall)
        return Instant.from_local(wall, context.zone, sent=text)

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> str:
        """The wall time at the site."""
        wall = _instant(value).utc.astimezone(ZoneInfo(context.zone))
        if wall.fold:
            raise Unfit("the local hour occurs twice that night, and this side cannot say which is meant")
        return wall.strftime("%Y-%m-%d %H:%M:%S")


class IsoTimeCodec:
    """ISO 8601 with an offset <-> a moment."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> Instant:
        """The moment; the text is kept as the side sent it."""
        text = _brief(value)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Unfit("an ISO 8601 time was expected") from None
        if moment.tzinfo is None:
            raise Unfit("an ISO 8601 time with an offset was expected; this one has none")
        _year(moment)
        return Instant(moment, context.zone, text)

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> str:
        """The wall time at the site with its offset, e.g. ``2026-07-01T09:30:00+01:00``."""
        return _instant(value).utc.astimezone(ZoneInfo(context.zone)).isoformat()


class DateCodec:
    """``YYYY-MM-DD`` <-> a date."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> date:
        """The date."""
        try:
            day = datetime.strptime(_brief(value), "%Y-%m-%d").date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            raise Unfit("a date as YYYY-MM-DD was expected") from None
        _year(day)
        return day

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> str:
        """The date as text."""
        return _date(value).isoformat()


class EpochDateCodec:
    """Seconds since 1970-01-01T00:00Z <-> a date.

    Sides do not say whether they store midnight in UTC or at the site. Read is the later of the two dates, which is
    right for both. Written is noon at the site, which shows the same date either way.
    """

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> date:
        """The date."""
        moment = _moment(_whole(value))
        return max(moment.date(), moment.astimezone(ZoneInfo(context.zone)).date())

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> int:
        """Seconds, as a number."""
        noon = datetime.combine(_date(value), time(12), ZoneInfo(context.zone))
        return int(noon.timestamp())


class CodeCodec:
    """A code of the side <-> VetBridge's word, by a code list."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> str:
        """VetBridge's word."""
        code = _short(_text(value).strip())
        codes = _list(context, options)
        word = codes.read(code)
        if word is None:
            raise Unfit(f"the code {code!r} is not in the code list {codes.name!r}")
        return word

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> str:
        """The side's code."""
        if isinstance(value, Enum):
            value = value.value
        if not isinstance(value, str):
            raise Unfit(f"a word of a code list was expected, not {_type(value)}")
        codes = _list(context, options)
        code = codes.write(value)
        if code is None:
            raise Unfit(f"the code list {codes.name!r} has no code for {_short(value)!r}")
        return code


class TextsCodec:
    """A list of texts, e.g. phones; empty ones are left out."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> tuple[str, ...]:
        """The texts, cleaned."""
        if not isinstance(value, list | tuple):
            raise Unfit(f"a list of texts was expected, not {_type(value)}")
        return tuple(filter(None, (clean(_text(each)) for each in value if each is not None)))

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> list[str]:
        """The texts, cleaned."""
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise Unfit(f"several texts were expected, not {_type(value)}")
        return list(filter(None, (clean(each) for each in value)))


class IdsCodec:
    """A list of ids, whatever type the side gives them; empty ones are left out."""

    def read(self, value: Any, context: MappingContext, options: CodecOptions) -> tuple[str, ...]:
        """The ids as texts."""
        if not isinstance(value, list | tuple):
            raise Unfit(f"a list of ids was expected, not {_type(value)}")
        return tuple(_short(_text(each).strip()) for each in value if each not in (None, ""))

    def write(self, value: Any, context: MappingContext, options: CodecOptions) -> list[str]:
        """The ids as texts."""
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise Unfit(f"several ids as texts were expected, not {_type(value)}")
        return [_short(each) for each in value]


CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "text": TextCodec(),
        "id": IdCodec(),
        "integer": IntegerCodec(),
        "flag": FlagCodec(),
        "epoch": EpochCodec(),
        "wall_time": WallTimeCodec(),
        "iso_time": IsoTimeCodec(),
        "date": DateCodec(),
        "epoch_date": EpochDateCodec(),
        "code": CodeCodec(),
        "texts": TextsCodec(),
        "ids": IdsCodec(),
    }
)
"""Every codec, by the name that tables use."""


def _type(value: object) -> str:
    """What a value is, in words, without the value."""
    words = {dict: "a record", list: "a list", tuple: "a list", bool: "true or false", float: "a decimal number"}
    return words.get(type(value), type(value).__name__)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(_whole(value))
    raise Unfit(f"text was expected, not {_type(value)}")


def _brief(value: object) -> str:
    """Text of a date or a time, which is short and printable in whatever form."""
    text = _text(value)
    if len(text) > 40 or not text.isprintable():
        raise Unfit("a date or a time was expected")
    return text


def _whole(value: object) -> int:
    if isinstance(value, bool):
        raise Unfit("a whole number was expected, not true or false")
    if isinstance(value, int):
        if abs(value) < 10**18:
            return value
    elif isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise Unfit("a whole number of at most 18 digits was expected")


def _short(text: str) -> str:
    if not text or len(text) > LONGEST_ID or not text.isprintable():
        raise Unfit(f"an id or a code has 1 to {LONGEST_ID} printable characters")
    return text


def _year(day: date) -> None:
    if day.year not in YEARS:
        raise Unfit(f"the year must be {YEARS.start} to {YEARS.stop - 1}")


def _moment(seconds: int) -> datetime:
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise Unfit(f"the year must be {YEARS.start} to {YEARS.stop - 1}") from None
    _year(moment)
    return moment


def _instant(value: object) -> Instant:
    if not isinstance(value, Instant):
        raise Unfit(f"a moment was expected, not {_type(value)}")
    _year(value.utc)
    return value


def _date(value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Unfit(f"a date was expected, not {_type(value)}")
    _year(value)
    return value


def _list(context: MappingContext, options: CodecOptions) -> CodeList:
    return context.codes[options.list or ""]
