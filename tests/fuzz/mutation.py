"""Spoils valid samples: by their structure, by their bytes. Everything comes from one seeded source of chance."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any

PLANTED = "Quxelby-Zorn"
"""A name that stands in inputs, and may stand in no log and no error."""
PLANTED_PHONE = "+447700900461"

TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "007",
    "1e999",
    "NaN",
    "null",
    "x" * 5000,
    "ä" * 300,
    "\x00",
    "a\x00b",
    "\x1b[31mred\x1b]0;owned\x07",
    "\u202egnp.exe",
    "\ud800",
    "\U0010ffff",
    "=HYPERLINK(1)",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "%s%n%(name)s",
    "../../etc/passwd",
    "' OR 1=1 --",
    "2026-02-30T25:61:00Z",
    "9999-12-31T23:59:59+14:00",
    "0001-01-01",
    "2026-11-22 09:00:00",
    "12345678901234567890",
    "\r\nSet-Cookie: a=b",
    "true",
    PLANTED,
    PLANTED_PHONE,
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    12.5,
    -0.0,
    1e308,
    10**18,
    2**63,
    10**400,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"id": 1},
)
TOKENS = (
    *(b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\r\n", b"\n", b'"', b"'", b"\\", b"{", b"}", b"[", b"]"),
    *(b",", b";", b":", b"\t", b"|", b"=", b"#", b"&", b"*a", b"!!python/object:os.system", b"<<: *a", b"%00", b"%"),
    *(b"NaN", b"Infinity", b"1e999", b"\\ud800", b"\xc3(", b"\xf0\x9f", b"../", b"<!DOCTYPE a [", b"<![CDATA["),
    *(
        b"\x1b[",
        b"\xe2\x80\xae",
        b"9" * 60,
        b"A" * 3000,
        b"- ",
        b"---\n",
        b"\n\n",
        b"true",
        b"null",
        PLANTED.encode(),
    ),
)

_DEEP = 3000


def odd(rng: Random) -> Any:
    """Some value that does not belong there."""
    return rng.choice(TEXTS) if rng.random() < 0.6 else deepcopy(rng.choice(VALUES))


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a tree of dictionaries and lists; the root is ()."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def spoiled(rng: Random, sample: Any, *, most: int = 3) -> Any:
    """A copy of a tree in which one place, or a few, are not what they should be."""
    tree = deepcopy(sample)
    for _ in range(rng.randint(1, most)):
        chosen = rng.choice(list(places(tree)))
        if not chosen:
            if rng.random() < 0.1:
                tree = odd(rng)
            continue
        around = tree
        for key in chosen[:-1]:
            around = around[key]
        _spoil(rng, around, chosen[-1])
    return tree


def _spoil(rng: Random, around: Any, key: Any) -> None:
    """One place: lost, replaced, doubled, wrapped, renamed, or its text altered."""
    value = around[key]
    how = rng.randrange(8)
    if how == 0:
        del around[key]
    elif how == 1 and isinstance(value, str):
        around[key] = altered(rng, value.encode(errors="surrogatepass")).decode(errors="replace")
    elif how == 2:
        around[key] = [value] * rng.choice((1, 2, 50))
    elif how == 3:
        around[key] = {str(odd(rng))[:50]: value}
    elif how == 4 and isinstance(around, dict):
        around[str(odd(rng))[:50] or key] = around.pop(key)
    elif how == 5 and isinstance(value, int | float):
        around[key] = rng.choice((str(value), -value, value + 1, f"{value}.0", float(value % 10**9)))
    elif how == 6 and isinstance(around, list):
        around.extend(deepcopy(around[:20]))
    else:
        around[key] = odd(rng)


def as_json(rng: Random, value: Any) -> bytes:
    """A tree as JSON; now and then in a form that is none, or in letters that nobody asked for."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    how = rng.randrange(14)
    if how == 0:
        return text.encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")), errors="surrogatepass")
    if how == 1:
        return text.encode("latin-1", errors="replace")
    raw = text.encode(errors="surrogatepass")
    if how == 2:
        return altered(rng, raw)
    if how == 3:
        return raw[: rng.randrange(len(raw) + 1)]
    if how == 4:
        deep = (b"[" * _DEEP, b'{"a":' * _DEEP, b"[" * _DEEP + b"]" * _DEEP)
        return rng.choice((b"", b" ", *deep, b"<html>", raw + raw))
    if how == 5:
        return raw.replace(b"1", rng.choice((b"NaN", b"1e999", b"-Infinity", b"1" * 5000)), 1)
    return raw


def altered(rng: Random, raw: bytes) -> bytes:
    """Bytes with some of them lost, changed, doubled, or others between them."""
    changed = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(changed) + 1)
        how = rng.randrange(5)
        if how == 0:
            changed[at:at] = rng.choice(TOKENS)
        elif how == 1 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif how == 2:
            del changed[at : at + rng.choice((1, 1, 4, 40))]
        elif how == 3:
            changed[at:at] = changed[at : at + rng.choice((1, 8, 60))] * rng.choice((1, 2, 30))
        else:
            del changed[at:]
            changed += rng.choice(TOKENS)
    return bytes(changed)


def crossed(rng: Random, samples: Sequence[bytes]) -> bytes:
    """The beginning of one sample with the end of another."""
    one, other = rng.choice(samples), rng.choice(samples)
    return one[: rng.randrange(len(one) + 1)] + other[rng.randrange(len(other) + 1) :]


def packed(raw: bytes) -> bytes:
    """The same, as gzip's and deflate's bare stream."""
    return zlib.compress(raw)
