"""`vetbridge doctor`: whether config, ledger, accounts and placeholders are as they should be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import AsJson, as_data, config_path, told
from vetbridge.cli.tables import one_line, wrapped
from vetbridge.core.errors import ConfigError, Unavailable, VetBridgeError

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.config.models import Account
    from vetbridge.connector.clock import Clock
    from vetbridge.connector.interface import InstallState
    from vetbridge.desk.doctor import Line

LONGEST_TEXT = 400
"""Characters of a line's text that are shown."""


def doctor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Look at config, disks, ledger, ports, clock, mail server, every account, placeholder and code: say what to do.

    Says too what a vendor's upgrade has changed, and why a site is paused.

    Sends only reads that the vendors document, and a token request where one is needed; nothing is written there.
    Ends with 0 when nothing is wrong, 3 when something has to be mended in the config or at the vendor, 6 when the
    ledger cannot be used, 5 when a vendor cannot be reached.
    """
    with told("doctor", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.doctor import Mark, exit_code  # noqa: PLC0415 - keeps --help quick

        lines: list[Line] = []
        for line in examined(loaded):
            lines.append(line)
            if not as_json:
                _draw(line)
    code = exit_code(lines)
    wrong = [line for line in lines if line.mark is Mark.WRONG]
    if as_json:
        checks = [
            {"subject": each.subject, "name": each.name, "mark": each.mark, "text": each.text, "advice": each.advice}
            for each in lines
        ]
        emit_json("doctor", {"ok": not wrong, "checks": checks}, [as_data(each.text) for each in wrong])
    else:
        warnings = sum(line.mark is Mark.WARN for line in lines)
        talk(f"{len(lines)} looked at, {len(wrong)} wrong, {warnings} to think about")
    if code:
        raise typer.Exit(code)


def examined(loaded: Loaded) -> Iterator[Line]:
    """Every line, as soon as it is known: a vendor may take its time."""
    from vetbridge.connector.clock import SystemClock  # noqa: PLC0415
    from vetbridge.daemon.assembly import build_connectors, build_mapper  # noqa: PLC0415
    from vetbridge.desk import doctor as desk  # noqa: PLC0415
    from vetbridge.desk import surroundings  # noqa: PLC0415

    clock = SystemClock()
    config = loaded.config
    pages = config.pages
    yield from desk.check_config(loaded)
    yield from surroundings.check_folders(config)
    yield from surroundings.check_file_system(config)
    yield from surroundings.check_disks(config)
    yield from desk.check_ledger(config.ledger, clock)
    yield from surroundings.check_listeners(config, _running(loaded))
    yield from surroundings.check_certificate(None if pages is None else pages.tls, config.watch, clock.now())
    yield from surroundings.check_mail(config)
    yield from desk.check_scanner(config)
    yield from desk.check_clock(clock, config.sites)
    known = desk.remembered(config.ledger, config, clock)
    yield from desk.check_pauses(config, known, clock.now())
    try:
        connectors = build_connectors(loaded, clock)
    except ConfigError as error:
        yield desk.wrong("config", "accounts", error)
        return
    try:
        stands: dict[str, InstallState | None] = {}
        yield from _apps(loaded, clock, stands)
        resting = {name for name, state in stands.items() if state != "active"}
        answering = {name: each for name, each in connectors.items() if name not in resting}
        lists = {}
        for name, connector in connectors.items():
            account = config.accounts[name]
            if name in resting:
                continue  # its vendor would refuse everything, which the app's line explains
            for line in desk.check_account(name, connector, hooked=account.hook_secret is not None):
                yield line
                if line.exit_code == Unavailable.exit_code:
                    answering.pop(name, None)
            if name not in answering:
                for subject, address in _addresses(name, account):
                    yield from surroundings.check_trust(subject, address, config.network.ca)
        told = [skew[-1] for connector in connectors.values() if (skew := connector.skew.newest())]
        yield from surroundings.check_skew(told, config.watch)
        for name, connector in answering.items():
            try:
                lists[name] = desk.read_lists(connector)
            except VetBridgeError as error:
                yield desk.lists_not_read(name, error)
        learnt = {name: connector.capabilities.learnt_lists for name, connector in answering.items()}
        for name, site in config.sites.items():
            yield from desk.check_site(name, site, answering, lambda site, side: build_mapper(loaded, site, side))
            yield from desk.check_codes(
                name, site, lists, lambda site, side: build_mapper(loaded, site, side), known, learnt=learnt
            )
    finally:
        for connector in connectors.values():
            connector.close()


def _addresses(name: str, account: Account) -> Iterator[tuple[str, str]]:
    """Where an account and its parts are asked, with what each is called."""
    parts = {f"{name}.{part}": each.options for part, each in account.parts.items()}
    for subject, options in {name: account.options, **parts}.items():
        yield subject, str(getattr(options, "base_url", ""))


def _apps(loaded: Loaded, clock: Clock, stands: dict[str, InstallState | None]) -> Iterator[Line]:
    """Lines for the marketplace apps; how they stand for each account goes into ``stands``."""
    from vetbridge.connector.configured import places  # noqa: PLC0415
    from vetbridge.daemon.connecting import build_marketplace  # noqa: PLC0415
    from vetbridge.desk import doctor as desk  # noqa: PLC0415

    for name, accounts in places(loaded.config).items():
        try:
            marketplace = build_marketplace(loaded, name, clock)
        except ConfigError as error:
            yield desk.wrong("config", f"apps.{name}", error)
            continue
        try:
            yield from desk.check_app(name, marketplace, accounts, stands)
        finally:
            marketplace.close()


def _running(loaded: Loaded) -> int | None:
    """The process that works on the ledger; None also where that cannot be known, which the ledger's line tells."""
    from vetbridge.daemon.lock import running  # noqa: PLC0415

    try:
        return running(loaded.config.ledger.place)
    except VetBridgeError:
        return None


def _draw(line: Line) -> None:
    margin = " " * 7
    head = f"{line.subject} {one_line(line.name)}: {one_line(line.text, LONGEST_TEXT)}"
    lines = wrapped(head, first=f"{line.mark:<5}  ", margin=margin)
    if line.advice:
        lines += wrapped(one_line(line.advice, LONGEST_TEXT), first=margin, margin=margin)
    for text in lines:
        say(text)
