"""`vetbridge connectors`: which vendors' connectors are installed, what each can do, and where webhooks are sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.one_account import connector_of
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, signed, told
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped
from vetbridge.core.errors import ConfigError

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.config.models import Config
    from vetbridge.connector.interface import HookPlan
    from vetbridge.desk.connectors import ListedConnector, ListedKind, ListedWay

app = typer.Typer(
    name="connectors",
    help="Which connectors are installed, what each can do, and where a vendor sends webhooks.",
    no_args_is_help=True,
)


@app.command(name="list", epilog="Example: vetbridge connectors list --json")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the installed connectors: what each can read and write, how exactly once, what is lost, what is proven.
    Then the practice systems that are served without a connector of their own, with the ways, the best first.

    Asks no vendor and needs no config; where there is one, the accounts that use a connector are named. Ends with 0,
    also where a connector cannot be loaded: that one is named as a problem.
    """
    from vetbridge.desk.connectors import listing  # noqa: PLC0415 - keeps --help quick

    config, problems = _config_if_any(ctx)
    found, unusable = listing(config)
    advice = "`pip install --force-reinstall` its package, or remove it."
    problems += [{"code": "connector", "text": each.text, "advice": advice} for each in unusable]
    if as_json:
        emit_json("connectors list", as_data(found), problems)
        return
    for number, each in enumerate(found):
        if number:
            say("")
        _draw(each)
    if not found:
        say("No connector is installed.")
    _draw_systems(found)
    for problem in problems:
        talk(f"vetbridge: {problem['text']}")


HOOKS = "connectors hooks"
BY_PEOPLE = {"create": "create", "change": "update", "cancel": "cancel"}
"""Writes that people may carry out, in this command's words and the interface's."""


@app.command(epilog="Example: vetbridge connectors hooks altegio-city --address https://hooks.clinic.example --plan")
def hooks(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="An account of the config.")],
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="URL",
            help="Where the vendor reaches VetBridge's door, up to and without /hooks/: "
            "https://hooks.clinic.example. That of the account's app, where one connects it.",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be changed there, and change nothing.")
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who does it; the login name unless given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Enter VetBridge's address in a vendor's webhook settings: read, merged, written, read back and compared.

    Nobody else's address is removed. The address ends with the account's hook_secret from the config and is never
    shown; one of an older secret makes way. A vendor whose settings cannot be written by program is refused.

    Ends with 0 when webhooks come here, or with --plan; with 2 for an account or an address that cannot be; with 3
    where the account has no hook_secret; with 4 where the vendor refused it or did not keep it; with 5 where the
    vendor cannot be asked.
    """
    with told(HOOKS, as_json=as_json):
        loaded = load_config(config_path(ctx))
        url = _hook_url(loaded, account, address, as_json=as_json)
        done = _hooked(loaded, account, url, plan=plan, as_json=as_json)
        if done.steps and not plan:
            _note(loaded, account, done, signed(by))
    if as_json:
        data = {"account": account, "planned": plan, "changed": bool(done.steps) and not plan, **as_data(done)}
        emit_json(HOOKS, data)
        return
    if not done.steps:
        say(f"{account}: the vendor sends webhooks to VetBridge; nothing is to be done.")
        return
    say(f"{account}: {'would be done' if plan else 'done, and read back'}:")
    for text in done.steps:
        _wrap("- ", text)
    for text in done.cautions:
        _wrap("Mind: ", text)
    say(f"Addresses of others: {done.others}, all stay.")
    if plan:
        say("Nothing was changed.")


def _hook_url(loaded: Loaded, account: str, address: str | None, *, as_json: bool) -> str:
    """The webhook's whole address, with its secret. Raises ``ConfigError`` where the config has none."""
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
    from vetbridge.connector.plugin import safe_address  # noqa: PLC0415

    config = loaded.config
    if account not in config.accounts:
        text = f"no account is called {one_line(account)!r}{nearest(account, sorted(config.accounts))}"
        give_up(HOOKS, text, advice="", code="unknown-account", as_json=as_json, exit_code=USAGE)
    app = config.accounts[account].app
    if address is None and app is not None:
        address = config.apps[app].address
    if address is None:
        text = f"--address is needed: no app connects {account}"
        give_up(HOOKS, text, advice="", code="address", as_json=as_json, exit_code=USAGE)
    try:
        base = safe_address(address)
        if {"?", "#", "@"} & set(base) or "/hooks/" in f"{urlsplit(base).path}/":
            raise ValueError("an address without user, query and /hooks/ was expected")
    except ValueError as error:
        give_up(HOOKS, f"--address: {error}", advice="", code="address", as_json=as_json, exit_code=USAGE)
    secret = config.accounts[account].hook_secret
    if secret is None:
        raise ConfigError(f"the account {account} has no hook_secret, so VetBridge takes no webhooks of it")
    return f"{base}/hooks/{account}/{quote(secret.reveal(), safe='')}"


def _hooked(loaded: Loaded, account: str, url: str, *, plan: bool, as_json: bool) -> HookPlan:
    """What is to be changed at the vendor, or was."""
    from vetbridge.connector.interface import HookSettings  # noqa: PLC0415 - keeps --help quick

    with connector_of(HOOKS, loaded, account, as_json=as_json) as found:
        if not isinstance(found, HookSettings):
            text = f"{account}: this vendor's webhook settings cannot be written by program"
            advice = "Enter the door's address there by hand; the connector's page says where."
            give_up(HOOKS, text, advice=advice, code="not-supported", as_json=as_json, exit_code=USAGE)
        return found.plan_hooks(url) if plan else found.set_hooks(url)


def _note(loaded: Loaded, account: str, done: HookPlan, by: str) -> None:
    """Writes down who did it, where there is a ledger already: webhooks may come before VetBridge first runs."""
    from vetbridge.ledger import audit  # noqa: PLC0415 - keeps --help quick
    from vetbridge.ledger.database import exists  # noqa: PLC0415

    if not exists(loaded.config.ledger.place):
        return
    says = "; ".join(done.steps)
    with ledger_beside(loaded) as ledger, ledger.write() as tx:
        audit.note(
            tx, audit.Act.HOOKS_SET, by=by, via=audit.COMMAND, subject="account", subject_id=account, says=says
        )


def _config_if_any(ctx: typer.Context) -> tuple[Config | None, list[dict[str, str]]]:
    """The config, where there is one that can be used; and what is wrong with one that was asked for."""
    path = config_path(ctx)
    source = ctx.find_root().get_parameter_source("config_path")
    if not path.exists() and source is not None and source.name == "DEFAULT":
        return None, []
    try:
        return load_config(path).config, []
    except ConfigError as error:
        text = "the config cannot be used, so no accounts are shown"
        return None, [{"code": error.code, "text": text, "advice": error.advice()}]


def _draw(each: ListedConnector) -> None:
    side = {"booking": "booking side", "pims": "PIMS"}.get(each.side or "", "side unknown")
    say(f"{one_line(each.name, 40)}: {one_line(each.title)} ({side})")
    notes = {
        "proven": each.proven if each.side is not None else "it declares nothing before an account is set up",
        "accounts": ", ".join(each.accounts),
        "webhooks": "understood" if each.webhooks else "",
        "simulator": f"vetbridge simulate {each.name}" if each.simulator else "",
        "budgets": _budgets(each),
        "a lost write may still appear": f"for {each.late_landing:g} seconds" if each.late_landing else "",
        "what was written is read": f"within {each.shown_within:g} seconds" if each.shown_within else "",
    }
    for name, text in notes.items():
        if text:
            _wrap(f"{name}: ", text)
    if each.needs_vendor:
        say("  needs the vendor, or a first live account:")
    for text in each.needs_vendor:
        _wrap("- ", text, margin="    ")
    if each.kinds:
        table = plain_table("Kind", "Reads", "Writes", "Exactly once")
        for kind in each.kinds:
            add(table, kind.kind, "\n".join(_reads(kind)), "\n".join(_writes(kind)), "\n".join(_once(kind)))
        say(drawn(table, indent=2))
    losses = [(kind.kind, name, text) for kind in each.kinds for name, text in _losses(kind).items()]
    if losses:
        say("  not kept as written:")
    for kind_name, name, text in losses:
        _wrap(f"{kind_name} {name}: ", text, margin="    ")


def _draw_systems(found: Sequence[ListedConnector]) -> None:
    """Practice systems without a connector of their own, each with its ways, the best first."""
    ways: dict[str, list[tuple[ListedWay, str]]] = {}
    for each in found:
        for way in each.systems:
            ways.setdefault(way.name, []).append((way, each.name))
    for name in sorted(ways):
        ranked = sorted(ways[name], key=lambda pair: pair[0].rank)
        first, _ = ranked[0]
        say("")
        say(f"{one_line(name, 40)}: {one_line(first.title)} (a PIMS without a connector of its own)")
        if first.simulator:
            _wrap("simulator: ", f"vetbridge simulate {name}")
        for number, (way, connector) in enumerate(ranked, start=1):
            _wrap(f"{number}. {' + '.join([connector, *(part.connector for part in way.parts)])}: ", way.way)
            notes = {"": way.advice, "proven: ": way.proven, "accounts: ": ", ".join(way.accounts)}
            notes |= {f"{part.name} by {part.connector}: ": ", ".join(part.serves) for part in way.parts}
            for title, text in notes.items():
                if text:
                    _wrap(title, text, margin="     ")
        say("  ask the vendor:")
        for text in first.ask_vendor:
            _wrap("- ", text, margin="    ")


def _reads(kind: ListedKind) -> list[str]:
    if not kind.read:
        return ["no"]
    alone = kind.kind in ("attachment", "reminder")
    lines = ["what changed" if kind.incremental else "one at a time" if alone else "everything each time"]
    lines += ["deletions"] if kind.deletions_visible else []
    return [*lines, *(f"by {key}" for key in kind.search)]


def _writes(kind: ListedKind) -> list[str]:
    lines = ["create"] if kind.create else []
    lines += [f"change {', '.join(kind.update)}"] if kind.update else []
    lines += ["cancel"] if kind.cancel else []
    if kind.unlinked is not None and kind.create:
        words = {"yes": "yes", "placeholder": "on the site's placeholder", "no": "no"}
        lines.append(f"without owner: {words[kind.unlinked]}")
    if kind.relink is not None and kind.create:
        lines.append(f"another owner: {kind.relink}")
    lines += [f"on {' or '.join(kind.hangs_on)}"] if kind.hangs_on else []
    lines += [f"as {', '.join(kind.file_types)}"] if kind.file_types else []
    lines += [f"below {kind.largest / 2**20:g} MiB"] if kind.largest is not None else []
    lines += ["message to the owner"] if kind.notify else []
    lines += ["messages in its log"] if kind.logs else []
    lines += [f"new only with {', '.join(kind.needs)}"] if kind.needs else []
    by_people = [word for word, write in BY_PEOPLE.items() if write in kind.handed]
    lines += [f"by people: {', '.join(by_people)}"] if by_people else []
    return lines or ["nothing"]


def _once(kind: ListedKind) -> list[str]:
    lines = [f"create: {kind.create_once}"] if kind.create_once else []
    return [*lines, f"change: {kind.changed_once}"] if kind.changed_once else lines


def _losses(kind: ListedKind) -> dict[str, str]:
    limits = {name: f"{limit} characters" for name, limit in kind.text_limits.items()}
    return {**limits, **kind.loss}


def _budgets(each: ListedConnector) -> str:
    """Budgets of one size in one part: some vendors have one per endpoint."""
    sizes: dict[tuple[Any, ...], int] = {}
    for budget in each.budgets:
        size = (budget.calls, budget.seconds, budget.per)
        sizes[size] = sizes.get(size, 0) + 1
    return "; ".join(f"{calls} calls in {seconds:g} s per {per}" for calls, seconds, per in sizes)


def _wrap(first: str, text: str, margin: str = "  ") -> None:
    say_wrapped(one_line(text, 500), first=margin + first, margin=margin + "  ")
