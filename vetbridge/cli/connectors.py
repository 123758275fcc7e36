"""`vetbridge connectors`: which vendors' connectors are installed, and what each can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import AsJson, as_data, config_path
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped
from vetbridge.core.errors import ConfigError

if TYPE_CHECKING:
    from vetbridge.config.models import Config
    from vetbridge.desk.connectors import ListedConnector, ListedKind

app = typer.Typer(
    name="connectors",
    help="Which connectors are installed, and what each can do.",
    no_args_is_help=True,
)


@app.command(name="list", epilog="Example: vetbridge connectors list --json")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the installed connectors: what each can read and write, how exactly once, what is lost, what is proven.

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
    for problem in problems:
        talk(f"vetbridge: {problem['text']}")


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
    }
    for name, text in notes.items():
        if text:
            _wrap(f"{name}: ", text)
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


def _reads(kind: ListedKind) -> list[str]:
    if not kind.read:
        return ["no"]
    lines = ["what changed" if kind.incremental else "everything each time"]
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
