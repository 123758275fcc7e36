"""What is well and what is not: for before VetBridge is let loose, or when something seems wrong.

Sends only what connectors document as reads (and a token request where a vendor needs one). Nothing is written at a
vendor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from vetbridge.config.loader import Loaded
from vetbridge.config.models import Ledger, Placeholder, Site
from vetbridge.config.problems import dotted
from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Check, Connector, Unlinked
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    ConfigError,
    LedgerError,
    MappingError,
    RateLimited,
    Unavailable,
    VetBridgeError,
)
from vetbridge.core.records import Client, Kind, Pet, Side
from vetbridge.desk.wording import span
from vetbridge.ledger import reports
from vetbridge.ledger.database import exists, open_ledger
from vetbridge.ledger.sealing import Sealer
from vetbridge.mapping import Mapper
from vetbridge.mapping.codes import CodeList

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""No machine whose clock is right runs this before."""
CLOCK_SLACK = 60.0
"""Seconds by which the ledger may be ahead of the clock."""
SHARED_LISTS = ("appointment_type", "resource", "species")
"""Code lists whose words go from one side to the other."""

_NONE_YET = "there is none yet; `vetbridge run` or `vetbridge sync` makes it"
_SILENT = frozenset(error.advice() for error in (AuthFailed, RateLimited, Unavailable))
_HERE: Mapping[str, str] = MappingProxyType(
    {
        Unavailable.advice(): "Look at the network, and at base_url in the account's options. If both are right, the "
        "vendor is down: a running VetBridge waits and tries again by itself.",
        BadAnswer.advice(): "Look at what the account's options name. If it is right, send this line to support.",
    }
)
"""Advice for a running VetBridge, and what stands in its place here: mostly something in the config is wrong."""


class Mark(StrEnum):
    """What a line says."""

    OK = "OK"
    WARN = "WARN"
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was looked at."""

    subject: str
    """``config``, ``ledger``, ``clock``, or the name of an account or a site."""
    name: str
    mark: Mark
    text: str
    advice: str = ""
    exit_code: int = 0
    """What the command ends with because of this line."""


MapperOf = Callable[[Site, Side], Mapper]
"""Makes the mapper of one side of a site. Raises ``ConfigError``."""


def exit_code(lines: list[Line]) -> int:
    """What the command ends with: what has to be mended here comes before what has to be mended elsewhere."""
    found = {line.exit_code for line in lines}
    codes = (ConfigError.exit_code, LedgerError.exit_code, Unavailable.exit_code)
    return next((code for code in codes if code in found), 0)


def check_config(loaded: Loaded) -> Iterator[Line]:
    """Secrets are there; what is unwise in the config."""
    problems = [*loaded.warnings, *loaded.check_secrets()]
    for problem in problems:
        yield Line(
            subject="config",
            name=dotted(problem.place) or "file",
            mark=Mark.WARN if problem.warning else Mark.WRONG,
            text=problem.text,
            advice="" if problem.warning else f"It stands in {problem.where}. Mend it, then run this again.",
            exit_code=0 if problem.warning else ConfigError.exit_code,
        )
    if all(problem.warning for problem in problems):
        yield _ok("config", "file", f"{loaded.path.name} can be used")


def check_ledger(settings: Ledger, clock: Clock) -> Iterator[Line]:
    """The key is there and fits, and the ledger opens; where there is none yet, its place takes one."""
    name = "file" if settings.database is None else "database"
    try:
        sealer_key = settings.key.reveal()
        Sealer(sealer_key)
    except VetBridgeError as error:
        yield wrong("ledger", "key", error)
        return
    try:
        place = settings.place
        if not exists(place):
            yield _ok("ledger", "key", "is there")
            yield _folder(place) if isinstance(place, Path) else _ok("ledger", name, f"{place} answers. {_NONE_YET}")
            return
        ledger = open_ledger(place, sealer_key, clock)
    except VetBridgeError as error:
        yield wrong("ledger", "key" if error.code == "ledger-key" else name, error)
        return
    try:
        yield _ok("ledger", name, f"{place} opens")
        yield _ok("ledger", "key", "fits this ledger")
        with ledger.read() as tx:
            newest = reports.newest_moment(tx)
        ahead = 0.0 if newest is None else (newest - clock.now()).total_seconds()
        if ahead > CLOCK_SLACK:
            yield Line(
                subject="ledger",
                name="clock",
                mark=Mark.WARN,
                text=f"the newest entry is {span(ahead)} in the future: this machine's clock went back",
                advice="Set the clock right, and let the system keep it so.",
            )
    finally:
        ledger.close()


def check_clock(clock: Clock, sites: Mapping[str, Site]) -> Iterator[Line]:
    """The machine's clock is plausible; what time it is at each site, for a person to compare."""
    now = clock.now()
    if now < EARLIEST:
        yield Line(
            subject="clock",
            name="machine",
            mark=Mark.WRONG,
            text=f"this machine believes that it is {now:%Y-%m-%d %H:%M} UTC",
            advice="Set the clock right, and let the system keep it so: every visit's time depends on it.",
            exit_code=ConfigError.exit_code,
        )
        return
    for name, site in sites.items():
        there = now.astimezone(ZoneInfo(site.zone))
        yield _ok(name, "clock", f"it is {there:%a %d %b %H:%M} there now ({site.zone}); compare with the wall's")


def check_account(name: str, connector: Connector) -> Iterator[Line]:
    """What the connector itself looks at."""
    try:
        report = connector.check()
    except VetBridgeError as error:
        yield wrong(name, "account", error)
        return
    # A report says in words alone what went wrong; by the advice it is known whether the vendor was silent.
    silent = any(not check.ok and check.advice in _SILENT for check in report.lines)
    code = Unavailable.exit_code if silent else ConfigError.exit_code
    yield from (_of_check(name, check, code) for check in report.lines)


def check_site(name: str, site: Site, connectors: Mapping[str, Connector], mapper_of: MapperOf) -> Iterator[Line]:
    """The mappings load, the words of both sides fit together, and the placeholder can stand in.

    ``connectors`` are those whose accounts answer: what only a silent one could tell is left out.
    """
    try:
        booking, pims = mapper_of(site, Side.BOOKING), mapper_of(site, Side.PIMS)
    except VetBridgeError as error:
        yield wrong(name, "mapping", error)
        return
    yield _ok(name, "mapping", f"{booking.table.name} to {pims.table.name}")
    yield from _words(name, booking, pims)
    if site.pims.account in connectors:
        yield from _placeholder(name, site.pims.placeholder, connectors[site.pims.account], pims)


def _words(name: str, booking: Mapper, pims: Mapper) -> Iterator[Line]:
    """Words that a visit may bear at one side and the other has no code for: such a visit fails."""
    for title in SHARED_LISTS:
        here, there = booking.codes.get(title), pims.codes.get(title)
        if here is None or there is None:
            continue
        unknown = [
            f"the {side} side knows {', '.join(missing)}, the {other_side} side has no code for it"
            for one, other, side, other_side in ((here, there, "booking", "PIMS"), (there, here, "PIMS", "booking"))
            if (missing := sorted(word for word in _readable(one) if other.write(word) is None))
        ]
        for text in unknown:
            yield Line(
                subject=name,
                name=f"codes of {title}",
                mark=Mark.WARN,
                text=text,
                advice=MappingError.advice(),
            )
        if here.entries and not unknown:
            yield _ok(name, f"codes of {title}", f"{len(here.entries)} words, all known to both sides")


def _readable(codes: CodeList) -> set[str]:
    return {*codes.entries, *([codes.otherwise_read] if codes.otherwise_read else [])}


def _placeholder(name: str, placeholder: Placeholder | None, connector: Connector, mapper: Mapper) -> Iterator[Line]:
    if placeholder is None:
        if connector.capabilities.of(Kind.APPOINTMENT).unlinked is Unlinked.PLACEHOLDER:
            yield Line(
                subject=name,
                name="placeholder",
                mark=Mark.WARN,
                text="there is none: a booking whose owner is not certain is not written until a person answered",
                advice="Let staff make a stand-in client with a pet in the PIMS, and name both in the config.",
            )
        return
    advice = "Look it up in the PIMS, and correct placeholder in the config or the record in the PIMS."
    try:
        client = _read(connector, mapper, Kind.CLIENT, placeholder.client)
        pet = _read(connector, mapper, Kind.PET, placeholder.pet)
    except VetBridgeError as error:
        yield wrong(name, "placeholder", error)
        return
    misfits = list(_misfits(placeholder, client, pet))
    for text in misfits:
        yield Line(
            subject=name,
            name="placeholder",
            mark=Mark.WRONG,
            text=text,
            advice=advice,
            exit_code=ConfigError.exit_code,
        )
    if not misfits:
        text = f"client {placeholder.client} and its pet {placeholder.pet} can be read and are active"
        yield _ok(name, "placeholder", text)


def _read(connector: Connector, mapper: Mapper, kind: Kind, id_: str) -> object:
    native = connector.get(kind, id_)
    return None if native is None else mapper.read(kind, native)


def _misfits(placeholder: Placeholder, client: object, pet: object) -> Iterator[str]:
    if not isinstance(client, Client):
        yield f"the PIMS has no client {placeholder.client}"
    elif not client.active:
        yield f"client {placeholder.client} is inactive"
    if not isinstance(pet, Pet):
        yield f"the PIMS has no pet {placeholder.pet}"
        return
    if pet.deceased or not pet.active:
        yield f"pet {placeholder.pet} is {'deceased' if pet.deceased else 'inactive'}"
    if isinstance(client, Client) and pet.client_id != placeholder.client:
        yield f"pet {placeholder.pet} belongs to another client than {placeholder.client}"


def _folder(path: Path) -> Line:
    """Whether a ledger can be made at ``path``. Nothing is made."""
    folder = next((each for each in path.parents if each.exists()), path.parent)
    if not folder.is_dir():
        return wrong("ledger", "file", LedgerError(f"{folder} is no folder; correct ledger.path in the config"))
    if not os.access(folder, os.W_OK | os.X_OK):
        return wrong("ledger", "file", LedgerError(f"the folder {folder} cannot be written to by this user"))
    return _ok("ledger", "file", _NONE_YET)


def _of_check(subject: str, check: Check, code: int) -> Line:
    mark = Mark.OK if check.ok else Mark.WARN if check.warning else Mark.WRONG
    return Line(
        subject=subject,
        name=check.name,
        mark=mark,
        text=check.text.removeprefix(f"{subject}: "),
        advice=_HERE.get(check.advice, check.advice),
        exit_code=code if mark is Mark.WRONG else 0,
    )


def _ok(subject: str, name: str, text: str) -> Line:
    return Line(subject=subject, name=name, mark=Mark.OK, text=text)


def wrong(subject: str, name: str, error: VetBridgeError) -> Line:
    """A line for an error; what is not the vendor's silence or the ledger's fault has to be mended in the config."""
    own = error.exit_code in (LedgerError.exit_code, Unavailable.exit_code)
    return Line(
        subject=subject,
        name=name,
        mark=Mark.WRONG,
        text=error.message.removeprefix(f"{subject}: "),
        advice=_HERE.get(error.advice(), error.advice()),
        exit_code=error.exit_code if own else ConfigError.exit_code,
    )
