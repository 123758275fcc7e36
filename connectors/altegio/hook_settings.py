"""Altegio's webhook settings: VetBridge's address beside those of others (altegio.md, section 5).

A write replaces the settings of the whole location: addresses that it leaves out are deleted, other vendors' too, and
its flags count for every address. So they are read, merged, written, read back and compared. Addresses may hold
secrets: no message repeats one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.altegio import wire
from connectors.altegio.api import Api, Declined
from vetbridge.connector.interface import WEBHOOKS, Check, HookPlan, Native
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused

MOST: Final = 10
"""Addresses that the settings take."""

NEEDED: Final = ("active", "record", "client")
"""Flags that must be on for VetBridge."""

UNTOLD: Final = ("good", "schedule", "self_sending")
"""Flags that an old backend does not tell."""

_NO_FLAGS: Final = ("urls", "url_settings", "url")


class _Odd(ValueError):
    """The settings cannot be read without guessing: what is overlooked in them would be deleted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the settings hold, as one address or another has it."""

    urls: tuple[str, ...]
    flags: Mapping[str, bool]
    """Whether a flag is on for any address."""
    of_url: Mapping[str, Mapping[str, bool]]
    """The flags of each address; of an old backend what it tells of the first one."""


def settings_of(data: object) -> Settings:
    """The settings as they were told, by a backend old or new. Raises ``ValueError`` for any other form."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if wire.is_empty(data):
        return Settings((), {}, {})
    if not isinstance(data, dict) or "urls" not in data:
        raise _Odd("urls")
    urls = [_url(each) for each in _each(data["urls"], "urls")]
    common = _flags(data)
    own: dict[str, dict[str, bool]] = {}
    for each in _each(data.get("url_settings"), "url_settings"):
        if not isinstance(each, dict):
            raise _Odd("url_settings")
        own[_url(each.get("url"))] = {**common, **_flags(each)}
    every = tuple(dict.fromkeys([*urls, *own]))
    of_url = {url: own.get(url, common) for url in every}
    flags = {name: any(each.get(name, False) for each in (common, *of_url.values())) for name in _names(common, own)}
    return Settings(every, flags, of_url)


def merged(now: Settings, url: str) -> tuple[Native, HookPlan]:
    """What is written so that webhooks come to ``url``, and what that changes, in words.

    Nobody else's address goes, and no flag but ``self_sending`` is switched off: 1 would send VetBridge what it did
    itself. Raises ``ValueError`` where there is no room.
    """
    ours = [each for each in now.urls if _is_ours(each, url)]
    others = [each for each in now.urls if each not in ours]
    if len(others) >= MOST:
        raise ValueError(f"{len(others)} other addresses are there, and no more than {MOST} are taken")
    # Ours stands where it stood: an old backend tells of the first address only.
    place = now.urls.index(ours[0]) if ours else len(others)
    urls = [*others[:place], url, *others[place:]]
    flags = {**now.flags, **dict.fromkeys(NEEDED, True), "self_sending": False}

    steps: list[str] = []
    cautions: list[str] = []
    if not ours:
        steps.append("add VetBridge's address")
    elif ours != [url]:
        steps.append("put VetBridge's address in the place of its old one")
    before = now.of_url.get(url, now.flags)
    on = [name for name in NEEDED if not before.get(name, False)]
    if on:
        steps.append(f"switch on {', '.join(on)}")
    if now.flags.get("self_sending"):
        steps.append("switch off self_sending")
    if steps and others:
        cautions += _cautions(now, others, flags)
    body: Native = {"urls": urls, **{name: int(value) for name, value in flags.items()}}
    return body, HookPlan(steps=tuple(steps), cautions=tuple(cautions), others=len(others))


def read(api: Api, location: str, *, account: str = "") -> Settings:
    """The settings now. Raises ``BadAnswer`` for a form that nobody knows."""
    path = f"/hooks_settings/{location}"
    try:
        return settings_of(api.read(path).data)
    except _Odd as odd:
        raise BadAnswer(
            f"{account}: GET {path}: {odd} is missing or of a shape that nobody knows; nothing was written",
            code="unreadable",
        ) from None


def plan(api: Api, location: str, url: str, *, account: str) -> tuple[Native, HookPlan]:
    """What would be written now. Raises ``Refused`` where there is no room for another address."""
    try:
        return merged(read(api, location, account=account), url)
    except ValueError as why:
        raise Refused(f"{account}: {why}; nothing was written. Remove one in Altegio's settings") from None


def put(api: Api, location: str, url: str, *, account: str) -> HookPlan:
    """Writes what ``plan`` says now, reads it back and compares. Raises ``Refused`` with code ``field-not-kept``
    where the settings do not stand as they were written; ``OutcomeUnknown`` where nobody knows whether they do."""
    body, planned = plan(api, location, url, account=account)
    if not planned.steps:
        return planned
    lost: OutcomeUnknown | None = None
    try:
        api.write("POST", f"/hooks_settings/{location}", body)
    except OutcomeUnknown as unknown:
        lost = unknown
    except Declined as declined:
        raise Declined(
            f"{declined.message}; the settings stay as they were", status=declined.status, code=declined.code
        ) from None
    missing = list(_not_kept(read(api, location, account=account), body, url))
    if missing and lost:
        raise lost
    if missing:
        raise Refused(
            f"{account}: Altegio took the webhook settings and did not keep them: {', '.join(missing)}. Look at them "
            "in Altegio's settings for developers",
            code="field-not-kept",
        )
    return planned


def checked(now: Settings, account: str) -> list[Check]:
    """Whether one of the addresses is VetBridge's for this account, and switched on: the lines of ``doctor``."""
    ours = [url for url in now.urls if f"/hooks/{account}/" in urlsplit(url).path]
    told = [now.of_url[url] for url in ours]
    off = [name for name in NEEDED if not any(flags.get(name, False) for flags in told)]
    fine = bool(ours) and off in ([], ["client"])
    if not ours:
        others = f"none of the {len(now.urls)} addresses in the settings is VetBridge's for this account"
        text = others if now.urls else "no address is in the settings"
    elif not fine:
        text = f"VetBridge's address is in the settings, and switched off there: {', '.join(off)}"
    elif off:
        text = "the settings send those of appointments to VetBridge; clients are found by polling alone"
    else:
        text = "the settings send them to VetBridge"
    advice = (
        f"Enter the door's address in Altegio's settings for developers and switch on records and clients, or let "
        f"`vetbridge connectors hooks {account} --address URL` do it. Until then polling alone finds changes."
    )
    lines = [Check(name=WEBHOOKS, ok=fine, warning=not fine, text=text, advice="" if fine else advice)]
    if any(flags.get("self_sending", False) for flags in told):
        lines.append(
            Check(
                name=WEBHOOKS,
                ok=False,
                warning=True,
                text="self_sending is on: VetBridge is told what it did itself",
                advice="That does no harm and costs calls. Switch it off, unless another program needs it.",
            )
        )
    return lines


def _cautions(now: Settings, others: Sequence[str], flags: Mapping[str, bool]) -> Iterator[str]:
    """What the change means for others, whose addresses have the same flags from then on."""
    more = {url: {name for name in flags if flags[name] and not now.of_url[url].get(name)} for url in others}
    if names := sorted(set().union(*more.values())):
        count = sum(map(bool, more.values()))
        yield f"flags count for every address: {count} of others will have {', '.join(names)} on, too"
    if any(now.of_url[url].get("self_sending") for url in others):
        yield "another program may count on self_sending; tell whoever runs it"
    untold = [name for name in UNTOLD if name not in now.flags and name != "self_sending"]
    if untold:
        yield f"Altegio does not tell whether {' and '.join(untold)} are on: look at them for others afterwards"


def _not_kept(now: Settings, body: Native, url: str) -> Iterator[str]:
    if url not in now.urls:
        yield "VetBridge's address is missing"
    gone = len(set(body["urls"]) - {url} - set(now.urls))
    if gone:
        yield f"{gone} of the other addresses are missing"
    flags = now.of_url.get(url, now.flags)
    # Of a flag that is not told, as by an old backend, nobody knows.
    yield from (f"{name} is otherwise" for name in body if name in flags and flags[name] is not bool(body[name]))


def _is_ours(url: str, wanted: str) -> bool:
    """Whether an address is VetBridge's for this account, with whatever secret."""
    one, other = urlsplit(url), urlsplit(wanted)
    return (one.scheme, one.netloc.casefold(), one.path.rpartition("/")[0]) == (
        other.scheme,
        other.netloc.casefold(),
        other.path.rpartition("/")[0],
    )


def _each(value: object, field: str) -> list[Any]:
    """The items of a list, which PHP may send as an object of numbers."""
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        return list(value.values())
    if not isinstance(value, list) and not wire.is_empty(value):
        raise _Odd(field)
    return wire.as_list(value)


def _url(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _Odd("urls")
    return value


def _flags(row: Mapping[str, Any]) -> dict[str, bool]:
    """The flags of settings, those that nobody knows too; what is no flag is none of ours."""
    told = {name: value for name, value in row.items() if name not in _NO_FLAGS}
    return {
        name: wire.as_flag(value)
        for name, value in told.items()
        if isinstance(value, bool) or wire.as_text(value) in ("0", "1", "true", "false")
    }


def _names(common: Mapping[str, bool], own: Mapping[str, Mapping[str, bool]]) -> list[str]:
    return list(dict.fromkeys(name for flags in (common, *own.values()) for name in flags))
