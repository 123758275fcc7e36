"""What is well and what is not: for before VetBridge is let loose, or when something seems wrong.

Sends only what connectors document as reads (and a token request where a vendor needs one). Nothing is written at a
vendor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from vetbridge.config.loader import Loaded
from vetbridge.config.models import Config, FileRules, Ledger, Placeholder, Site
from vetbridge.config.problems import dotted
from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import WEBHOOKS, Check, Connector, InstallState, Marketplace
from vetbridge.connector.scanning import Scanner
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
from vetbridge.core.installs import FROZEN, NOT_CONNECTED
from vetbridge.core.records import Client, Kind, Pet, Side
from vetbridge.core.upgrades import CODES_CHANGED, SCHEMA_CHANGED, CodeLists, changed, tidy
from vetbridge.desk import pausing
from vetbridge.desk.paused import PauseStatus
from vetbridge.desk.wording import ago, ahead, span
from vetbridge.ledger import codelists, reports, shapes
from vetbridge.ledger.database import Place, exists, must_be_known, newest_schema, open_ledger, schema_of
from vetbridge.ledger.sealing import Sealer
from vetbridge.mapping import Mapper
from vetbridge.mapping.codes import CodeList
from vetbridge.sync import due_reading
from vetbridge.sync.upgrades import used_codes

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""No machine whose clock is right runs this before."""
CLOCK_SLACK = 60.0
"""Seconds by which the ledger may be ahead of the clock."""
SHORTEST_HOOK_SECRET = 20
"""Characters."""
SHARED_LISTS = ("appointment_type", "resource", "species")
"""Code lists whose words go from one side to the other."""

SHOWN_CODES = 5
"""So many of a vendor's codes that no word stands for are named; the others are counted."""

_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        CODES_CHANGED: "Look at the lines about codes below. Correct the site's codes in the config and restart "
        "VetBridge, then `{resume}`. Where what the vendor has now is right as it is, `{resume} --accept`.",
        NOT_CONNECTED: "Let the clinic click Connect at the vendor's marketplace; `{resume}` shows how it stands.",
        FROZEN: "The clinic asks the vendor why; VetBridge goes on by itself once that is over.",
        SCHEMA_CHANGED: "Look for a newer VetBridge, or mend the site's mapping table, and restart. Then `{resume} "
        "--accept`. What waits is lost by none of this.",
    }
)
"""What a person does about a pause that VetBridge itself has made."""
_INSTALLS: Mapping[InstallState | None, tuple[str, str]] = MappingProxyType(
    {
        InstallState.ACTIVE: ("the app is connected", ""),
        InstallState.PENDING: (
            "somebody has clicked Connect, and nobody has said yes yet",
            "A running VetBridge does within half a minute; else `vetbridge installs activate {app} {location}`.",
        ),
        InstallState.FROZEN: ("the vendor has suspended the app", "The clinic asks the vendor why."),
        InstallState.UNINSTALLED: (
            "the clinic has taken the app away",
            "Let the clinic click Connect at the marketplace, or take the site out of the config.",
        ),
        None: (
            "the vendor knows of no app there",
            "Let the clinic click Connect at the marketplace. Is the number of the location right?",
        ),
    }
)
"""How an app stands at a location, and what to do about it."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the ledger knows of the vendors, and which pauses hold."""

    lists: Mapping[str, CodeLists]
    """By account, the code lists as they were read last."""
    losses: Mapping[str, Mapping[str, frozenset[str]]]
    """By account and kind, the paths that records have lost."""
    pauses: tuple[PauseStatus, ...]


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
    yield from _short_secrets(loaded.config)
    yield from _alerts(loaded.config)
    if all(problem.warning for problem in problems):
        yield fine("config", "file", f"{loaded.path.name} can be used")


def _short_secrets(config: Config) -> Iterator[Line]:
    """The secrets in webhook addresses, which anybody may try from outside, are too long to be tried out."""
    for name, account in config.accounts.items():
        try:
            short = account.hook_secret is not None and len(account.hook_secret.reveal()) < SHORTEST_HOOK_SECRET
        except VetBridgeError:
            continue  # which the secrets' own check tells
        if short:
            yield Line(
                subject=name,
                name="hook_secret",
                mark=Mark.WARN,
                text=f"has fewer than {SHORTEST_HOOK_SECRET} characters: it may be guessed",
                advice="Put a longer one there (openssl rand -hex 20), and the new address in the vendor's settings.",
            )


def _alerts(config: Config) -> Iterator[Line]:
    """Somebody is told when VetBridge needs a person."""
    told: list[Collection[str]] = [hook.events for hook in config.webhooks.values()]
    told += [mail.tells for mail in config.alerts.mails.values()]
    told += [command.tells for command in config.alerts.commands.values()]
    if not any("alert.raised" in each for each in told):
        yield Line(
            subject="config",
            name="alerts",
            mark=Mark.WARN,
            text="nobody is told when VetBridge needs a person",
            advice="Name a mail, a command or a webhook for it (docs/alerts.md), or let monitoring ask `vetbridge "
            "status --check`.",
        )


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
            yield fine("ledger", "key", "is there")
            yield _folder(place) if isinstance(place, Path) else fine("ledger", name, f"{place} answers. {_NONE_YET}")
            return
        schema = schema_of(place)
        if schema != newest_schema():
            yield _older(place, schema, name)
            return
        ledger = open_ledger(place, sealer_key, clock)
    except VetBridgeError as error:
        yield wrong("ledger", "key" if error.code == "ledger-key" else name, error)
        return
    try:
        yield fine("ledger", name, f"{place} opens")
        yield fine("ledger", "key", "fits this ledger")
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


def remembered(settings: Ledger, config: Config, clock: Clock) -> Remembered:
    """What the ledger knows; nothing where there is none or it cannot be opened, which ``check_ledger`` tells."""
    try:
        if not exists(settings.place) or schema_of(settings.place) != newest_schema():
            return Remembered(lists={}, losses={}, pauses=())
        ledger = open_ledger(settings.place, settings.key.reveal(), clock)
    except VetBridgeError:
        return Remembered(lists={}, losses={}, pauses=())
    try:
        with ledger.read() as tx:
            return Remembered(
                lists={account: codelists.kept(tx, account) for account in config.accounts},
                losses={account: shapes.losses(tx, account) for account in config.accounts},
                pauses=pausing.standing(tx, config),
            )
    finally:
        ledger.close()


def check_pauses(config: Config, known: Remembered, now: datetime) -> Iterator[Line]:
    """What rests, why, and what ends it."""
    for pause in known.pauses:
        if pause.why:
            lost = [
                f"{account}: {kind} ({', '.join(sorted(paths))})"
                for account in pausing.accounts(config, pause.scope, pause.name)
                for kind, paths in known.losses.get(account, {}).items()
                if pause.why == SCHEMA_CHANGED
            ]
            yield Line(
                subject=pause.name,
                name="pause",
                mark=Mark.WRONG,
                text=f"VetBridge paused it itself {ago(pause.since, now)}: {'; '.join([pause.reason, *lost])}",
                advice=_ADVICE.get(pause.why, "{resume}").format(resume=pause.command),
                exit_code=ConfigError.exit_code,
            )
        else:
            end = "" if pause.until is None else f"; it goes on {ahead(pause.until, now)}"
            by = f" by {pause.by}" if pause.by else ""
            text = f"paused{by} {ago(pause.since, now)}{end}"
            yield Line(
                subject=pause.name, name="pause", mark=Mark.WARN, text=text, advice=f"`{pause.command}` ends it."
            )


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
        yield fine(name, "clock", f"it is {there:%a %d %b %H:%M} there now ({site.zone}); compare with the wall's")


def check_scanner(config: Config) -> Iterator[Line]:
    """The virus scanner answers, where files are looked at by one; it is asked for nothing else."""
    if config.scanner is None:
        if any(site.attachments is not None for site in config.sites.values()):
            yield fine("files", "scanner", "files are carried, and nobody looks at them for viruses")
        return
    try:
        Scanner(config.scanner.address, timeout=config.scanner.timeout).ping()
    except Unavailable as error:
        yield Line(
            subject="files",
            name="scanner",
            mark=Mark.WRONG,
            text=error.message,
            advice="Start clamd, or correct scanner.address in the config: no file is carried before it answers.",
            exit_code=error.exit_code,
        )
        return
    yield fine("files", "scanner", "the virus scanner answers")


def check_app(
    name: str, marketplace: Marketplace, accounts: Mapping[str, Sequence[str]], stands: dict[str, InstallState | None]
) -> Iterator[Line]:
    """The marketplace answers, and how the app stands at each location that an account of the config is for.

    ``accounts`` by location. What was found goes into ``stands``, by account.
    """
    try:
        next(iter(marketplace.installs()), None)
    except VetBridgeError as error:
        yield wrong(name, "marketplace", error)
        return
    yield fine(name, "marketplace", "answers")
    for location, names in accounts.items():
        try:
            found = marketplace.state(location)
        except VetBridgeError as error:
            yield wrong(name, f"location {location}", error)
            continue
        state = None if found is None else found.state
        stands.update(dict.fromkeys(names, state))
        text, advice = _INSTALLS[state]
        fits = {InstallState.ACTIVE: Mark.OK, InstallState.PENDING: Mark.WARN}
        mark = Mark.WRONG if state is None else fits.get(state, Mark.WRONG)
        yield Line(
            subject=name,
            name=f"location {location}",
            mark=mark,
            text=f"{', '.join(names)}: {text}",
            advice=advice.format(app=name, location=location),
            exit_code=ConfigError.exit_code if mark is Mark.WRONG else 0,
        )


def check_account(name: str, connector: Connector, *, hooked: bool = True) -> Iterator[Line]:
    """What the connector itself looks at. ``hooked``: the config takes webhooks of this account; of one that is only
    polled nothing is said of them."""
    try:
        report = connector.check()
    except VetBridgeError as error:
        yield wrong(name, "account", error)
        return
    # A report says in words alone what went wrong; by the advice it is known whether the vendor was silent.
    silent = any(not check.ok and check.advice in _SILENT for check in report.lines)
    code = Unavailable.exit_code if silent else ConfigError.exit_code
    yield from (_of_check(name, check, code) for check in report.lines if hooked or check.name != WEBHOOKS)


def check_site(name: str, site: Site, connectors: Mapping[str, Connector], mapper_of: MapperOf) -> Iterator[Line]:
    """The mappings load, the words of both sides fit together, the placeholder can stand in, and what is wanted
    of files and due services can be done.

    ``connectors`` are those whose accounts answer: what only a silent one could tell is left out.
    """
    try:
        booking, pims = mapper_of(site, Side.BOOKING), mapper_of(site, Side.PIMS)
    except VetBridgeError as error:
        yield wrong(name, "mapping", error)
        return
    yield fine(name, "mapping", f"{booking.table.name} to {pims.table.name}")
    yield from _words(name, booking, pims)
    if site.pims.account in connectors:
        yield from _placeholder(name, site.pims.placeholder, connectors[site.pims.account], pims)
    yield from _files(name, site, connectors)
    yield from _due(name, site, connectors, booking, pims)


def read_lists(connector: Connector) -> CodeLists:
    """A vendor's code lists as they are now; none where it declares none. Raises what connectors raise."""
    return tidy(connector.code_lists()) if connector.capabilities.code_lists else {}


def lists_not_read(account: str, error: VetBridgeError) -> Line:
    """A line for code lists that could not be read: nothing fails by that."""
    return Line(
        subject=account,
        name="code lists",
        mark=Mark.WARN,
        text=f"cannot be read: {error.message.removeprefix(f'{account}: ')}",
        advice="While they cannot be read, nobody notices when the vendor takes a code away.",
    )


def check_codes(
    name: str,
    site: Site,
    lists: Mapping[str, CodeLists],
    mapper_of: MapperOf,
    known: Remembered,
    *,
    learnt: Mapping[str, Collection[str]],
) -> Iterator[Line]:
    """The codes that the config names are known to the vendors, and are what they were.

    ``lists`` are the code lists of the accounts that could be asked, as ``read_lists`` gives them; ``learnt``, by
    account, names those that hold no more than what records have borne.
    """
    for side, account in ((Side.BOOKING, site.booking.account), (Side.PIMS, site.pims.account)):
        try:
            mapper = mapper_of(site, side)
        except VetBridgeError:
            return  # which ``check_site`` tells
        for title, titles in sorted(lists.get(account, {}).items()):
            if title in mapper.codes:
                kept = known.lists.get(account, {}).get(title, {})
                yield from _codes(name, account, mapper, title, titles, kept, learnt=title in learnt.get(account, ()))


def _codes(
    name: str,
    account: str,
    mapper: Mapper,
    title: str,
    titles: Mapping[str, str],
    kept: Mapping[str, str],
    *,
    learnt: bool,
) -> Iterator[Line]:
    used = used_codes(mapper, title)
    every = used.written | used.read
    place = f"{title} of {account}"
    missing = sorted(every - titles.keys())
    wrong_before = False
    if learnt and missing:
        wrong_before = True
        rest = f" and {len(missing) - SHOWN_CODES} more" if len(missing) > SHOWN_CODES else ""
        shown = ", ".join(missing[:SHOWN_CODES])
        yield fine(name, place, f"no record has borne these codes of the config yet: {shown}{rest}")
        missing = []
    for code in missing:
        stops = code in used.written
        wrong_before |= stops
        was = f"; it was called {kept[code]!r}" if kept.get(code) else ""
        yield Line(
            subject=name,
            name=place,
            mark=Mark.WRONG if stops else Mark.WARN,
            text=f"the config says {code} for {_word(mapper, title, code)}, and {account} has no such code{was}",
            advice=f"Look the code up at the vendor, and correct codes.{title} in the config."
            if stops
            else f"It is only read, so nothing fails. Take it out of codes.{title} in the config.",
            exit_code=ConfigError.exit_code if stops else 0,
        )
    for change in changed(title, kept, titles, used):
        if change.now is None:
            continue
        wrong_before = True
        yield Line(
            subject=name,
            name=place,
            mark=Mark.WRONG,
            text=f"{change.code}, in the config {_word(mapper, title, change.code)}, was called {change.was!r} "
            f"and is called {change.now!r} now",
            advice=f"If it is another thing now, correct codes.{title} in the config; if it has only a new name, "
            f"`vetbridge resume {name} --accept` takes it as it is.",
            exit_code=ConfigError.exit_code,
        )
    more = sorted(titles.keys() - every)
    if more:
        named = ", ".join(f"{code} ({titles[code]})" if titles[code] else code for code in more[:SHOWN_CODES])
        rest = f" and {len(more) - SHOWN_CODES} more" if len(more) > SHOWN_CODES else ""
        hint = f"no word in the config stands for {len(more)} of the vendor's codes: {named}{rest}"
        yield fine(name, place, hint)
    elif not wrong_before:
        yield fine(name, place, f"all {len(every)} codes of the config are the vendor's, and it has no others")


def _word(mapper: Mapper, title: str, code: str) -> str:
    return mapper.codes[title].read(code) or "all other words"


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
            yield fine(name, f"codes of {title}", f"{len(here.entries)} words, all known to both sides")


def _readable(codes: CodeList) -> set[str]:
    return {*codes.entries, *([codes.otherwise_read] if codes.otherwise_read else [])}


def _placeholder(name: str, placeholder: Placeholder | None, connector: Connector, mapper: Mapper) -> Iterator[Line]:
    if placeholder is None:
        if connector.capabilities.of(Kind.APPOINTMENT).demands_stand_in:
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
        yield fine(name, "placeholder", text)


def _files(name: str, site: Site, connectors: Mapping[str, Connector]) -> Iterator[Line]:
    """Both sides can do what the site wants done with files, as far as they are set up."""
    wanted = site.attachments
    if wanted is None:
        return
    booking, pims = site.booking.account, site.pims.account
    for way, rules, source, target in (
        ("to_pims", wanted.to_pims, booking, pims),
        ("to_booking", wanted.to_booking, pims, booking),
    ):
        if rules is None or source not in connectors or target not in connectors:
            continue
        gives = connectors[source].capabilities.of(Kind.ATTACHMENT).read
        takes = connectors[target].capabilities.of(Kind.ATTACHMENT).create is not None
        if gives and takes:
            yield from _types(name, way, rules, target, connectors[target])
            continue
        yield Line(
            subject=name,
            name=f"files {way}",
            mark=Mark.WARN,
            text=f"{target} takes no files as it is set up" if gives else f"{source} gives no files as it is set up",
            advice=f"No file goes {way} so: the page of its connector says which right or option it needs.",
        )


def _types(name: str, way: str, rules: FileRules, target: str, connector: Connector) -> Iterator[Line]:
    """The side takes files of the types and sizes that the site wants carried to it."""
    able = connector.capabilities.of(Kind.ATTACHMENT)
    untaken = [each for each in rules.types if able.file_types and each not in able.file_types]
    large = [each for each, most in rules.types.items() if able.largest and most * 1024 * 1024 > able.largest]
    for those, text in ((untaken, "no"), (large, f"only files below {(able.largest or 0) // 1024**2} MB of")):
        if those:
            yield Line(
                subject=name,
                name=f"files {way}",
                mark=Mark.WARN,
                text=f"{target} takes {text} {', '.join(those)}",
                advice=f"Mend {way}.types; other files end as failed, to be attached by hand.",
            )
    if not untaken and not large:
        yield fine(name, f"files {way}", "both sides can")


def _due(name: str, site: Site, connectors: Mapping[str, Connector], booking: Mapper, pims: Mapper) -> Iterator[Line]:
    """Both sides can do what the site wants done about due services, as far as they are set up."""
    wanted = site.reminders
    if wanted is None:
        return
    advice = "The page of its connector says which right or option that needs."
    tells = connectors.get(site.pims.account)
    if tells is not None:
        able = any(tells.capabilities.of(kind).read for kind in due_reading.READ)
        text = f"{site.pims.account} tells what is due"
        missing = f"{site.pims.account} tells of no service that is due, as it is set up: nothing is said of any"
        yield fine(name, "reminders", text) if able else _thought(name, "reminders", missing, advice)
    shows = connectors.get(site.booking.account)
    if shows is not None:
        card = shows.capabilities.of(Kind.REMINDER)
        text = f"cards of {site.booking.account} have a place for it"
        missing = f"cards of {site.booking.account} have no place for it, as it is set up"
        yield fine(name, "reminders card", text) if card.update else _thought(name, "reminders card", missing, advice)
        if wanted.notices is not None:
            text = f"{site.booking.account} can send them"
            missing = f"{site.booking.account} can send no message, as it is set up: nobody gets a notice"
            can = fine(name, "reminders notices", text)
            yield can if card.notify else _thought(name, "reminders notices", missing, advice)
    known = {
        word for side in (booking, pims) if (codes := side.codes.get("appointment_type")) for word in codes.entries
    }
    if strange := [word for word in wanted.exempt_types if word not in known]:
        text = f"no code list has {', '.join(strange)}, so such visits hold services back"
        yield _thought(name, "reminders exempt_types", text, "Write them as they stand in codes.appointment_type.")


def _thought(subject: str, name: str, text: str, advice: str) -> Line:
    return Line(subject=subject, name=name, mark=Mark.WARN, text=text, advice=advice)


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
    return fine("ledger", "file", _NONE_YET)


def _older(place: Place, schema: str | None, name: str) -> Line:
    """A ledger of an older VetBridge, which is not touched here. Raises ``SchemaTooNew`` for one of a newer."""
    if schema is not None:
        must_be_known(schema, f"the ledger {place}")
    return Line(
        subject="ledger",
        name=name,
        mark=Mark.WARN,
        text=f"{place} has schema {schema or 'none'}, and this VetBridge works with {newest_schema()}",
        advice="`vetbridge db upgrade` copies it and then upgrades it; so does the next `vetbridge run`.",
    )


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


def fine(subject: str, name: str, text: str) -> Line:
    """A line for what is as it should be."""
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
