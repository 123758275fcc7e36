"""`vetbridge installs`: where apps of a vendor's marketplace are connected, and what to do where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, signed, told
from vetbridge.cli.status import draw_installs
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.connector.interface import Install
    from vetbridge.daemon.connecting import Asked, Connecting

LEFTOVERS = 4
"""Exit code where a location is not connected in the end."""

app = typer.Typer(
    name="installs",
    help="Where apps of a vendor's marketplace are connected to a clinic's locations.",
    no_args_is_help=True,
)

App = Annotated[str, typer.Argument(metavar="APP", help="The app's name in the config.")]
Location = Annotated[str, typer.Argument(metavar="LOCATION", help="The location's number at the vendor.")]
By = Annotated[str | None, typer.Option(help="Who does it; the login name unless given.")]
Plan = Annotated[bool, typer.Option("--plan", help="Say how it stands and what would be done, and do nothing.")]


@app.command(name="list", epilog="Example: vetbridge installs list --json")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List every location that an app is connected to, or should be, with how it stands and since when.

    Looks at the ledger alone, which `vetbridge run` brings up to date every ten minutes. Ends with 6 where there is
    no ledger.
    """
    with told("installs list", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.status import installs  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import reports  # noqa: PLC0415

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            seen = reports.glance(tx)
    found = installs(seen, loaded.config)
    if as_json:
        emit_json("installs list", as_data(found))
    elif found:
        draw_installs(found, seen.at)
    else:
        say("The config has no app, or none is connected anywhere.")


@app.command(epilog="Example: vetbridge installs activate altegio-app 101002 --plan")
def activate(
    ctx: typer.Context,
    name: App,
    location: Location,
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Connect one location whose browser never came back from the marketplace, or came too late.

    Asks the vendor how it stands; where somebody has clicked Connect and an account of the config is for it,
    VetBridge says yes. `vetbridge run` finds such locations by itself within ten minutes.

    Ends with 0 where it is connected, with 4 where it is not, with 2 for an app or a location that the config does
    not have, with 5 where the vendor does not answer.
    """
    command = "installs activate"
    with told(command, as_json=as_json), _connecting(ctx, command, name, as_json=as_json) as connecting:
        if location not in connecting.accounts:
            give_up(
                command,
                f"no account of the config is for location {one_line(location)!r} of {name}",
                advice=f"`vetbridge installs draft {name} {one_line(location)}` prints what to add.",
                code="unknown-location",
                as_json=as_json,
                exit_code=USAGE,
            )
        if plan:
            _tell_plan(command, connecting, location, as_json=as_json)
        found = connecting.activate(location, signed(by))
    if as_json:
        emit_json(command, {"app": name, **_asked(found), "planned": False})
    else:
        say_wrapped(_IN_WORDS[found.how.value].format(app=name, location=one_line(location, 24), code=found.code))
    raise typer.Exit(0 if found.how.value in ("connected", "ended") else LEFTOVERS)


@app.command(epilog="Example: vetbridge installs disconnect altegio-app 101002 --plan")
def disconnect(
    ctx: typer.Context,
    name: App,
    location: Location,
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Take the app away from a location at the vendor: it is then as if the clinic had done so itself.

    The pair of a site of the config there ends: nothing is read or written for it any more, and nothing is cancelled
    or deleted at either side. Links stay in the ledger. `vetbridge pair end SITE --clean` takes VetBridge's traces
    from both sides; it needs the app, so do that before.

    Ends with 0, with 2 for an app that the config does not have, with 4 where the vendor refuses it, with 5 where it
    does not answer.
    """
    command = "installs disconnect"
    with told(command, as_json=as_json), _connecting(ctx, command, name, as_json=as_json) as connecting:
        if plan:
            _tell_plan(command, connecting, location, as_json=as_json)
        ended = connecting.disconnect(location, signed(by))
    if as_json:
        data = {"app": name, "location": location, "state": "uninstalled", "ended": list(ended), "planned": False}
        emit_json(command, data)
        return
    say_wrapped(f"{name} is taken away from location {one_line(location, 24)}.")
    for site in ended:
        say_wrapped(f"The pair of site {site} has ended; links stay in the ledger.")


@app.command(epilog="Example: vetbridge installs draft altegio-app 101002 101003 --like city")
def draft(
    ctx: typer.Context,
    name: App,
    locations: Annotated[list[str], typer.Argument(metavar="LOCATION...", help="The locations' numbers.")],
    like: Annotated[
        str | None, typer.Option(metavar="SITE", help="The site to make them like; the first of this app otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the accounts and sites to add to the config for branches that wait to be connected.

    Zone, country, organisation, and the practice system with its codes are those of another site; of secrets nothing
    but where they stand. Nothing is written. Look it through, add it to the config, and restart VetBridge. It is then
    connected, and stays in the shadow; `vetbridge mapping fill SITE` finds its vets and services.

    Ends with 0, with 2 for an app or a site that the config does not have, and for a location that it has already.
    """
    command = "installs draft"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        config = loaded.config
        _must_know(loaded, command, name, as_json=as_json)
        from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
        from vetbridge.connector.configured import places  # noqa: PLC0415
        from vetbridge.connector.plugin import app_plugin  # noqa: PLC0415
        from vetbridge.desk import installs as desk  # noqa: PLC0415

        models = desk.models(config, name)
        text = ""
        if like is not None and like not in models:
            text = f"no site that {config.apps[name].connector} books for is called {one_line(like)!r}"
            text += nearest(like, models)
        elif not models:
            text = f"no site of the config has a booking side of {config.apps[name].connector} to make a branch like"
        known = [each for each in locations if each in places(config)[name]]
        if known:
            text = f"the config has location {one_line(known[0])} of {name} already"
        odd = [each for each in locations if not (each.isascii() and each.isalnum() and len(each) <= LONGEST_NUMBER)]
        if odd:
            text = f"{one_line(odd[0])!r} is no number of a location"
        if text:
            give_up(command, text, advice="", code="usage", as_json=as_json, exit_code=USAGE)
        site = like or models[0]
        options = config.accounts[config.sites[site].booking.account].options
        number_key = desk.number_key(options, app_plugin(config.apps[name].connector).location(options))
        yaml = desk.draft(config, name, list(dict.fromkeys(locations)), like=site, number_key=number_key)
    if as_json:
        emit_json(command, {"app": name, "locations": locations, "like": site, "yaml": yaml})
    else:
        say(yaml.rstrip("\n"))


LONGEST_NUMBER = 40
"""Characters of a location's number."""

_STANDS = {
    "pending": "somebody has clicked Connect, and nobody has said yes",
    "active": "it is connected",
    "frozen": "the vendor has suspended it",
    "uninstalled": "the clinic has taken the app away",
}
_IN_WORDS = {
    "connected": "{app} is connected at location {location}.",
    "ended": "{app} is connected at location {location}. Its pair has ended: nothing is carried over there until "
    "`vetbridge sync --approve --site SITE`.",
    "waits": "{app} is not connected at location {location} yet.",
    "refused": "{app} is not connected at location {location}: the vendor refused it ({code}).",
    "not-asked": "Nobody has clicked Connect at location {location}: let the clinic do that.",
    "frozen": "The vendor has suspended {app} at location {location}.",
}


@contextmanager
def _connecting(ctx: typer.Context, command: str, name: str, *, as_json: bool) -> Iterator[Connecting]:
    """One app over the ledger, beside a daemon."""
    from vetbridge.cli.log import set_up  # noqa: PLC0415 - keeps --help quick
    from vetbridge.connector.clock import SystemClock  # noqa: PLC0415
    from vetbridge.daemon.connecting import build_one  # noqa: PLC0415

    loaded = load_config(config_path(ctx))
    set_up("error", loaded.config.log.format)
    _must_know(loaded, command, name, as_json=as_json)
    with ledger_beside(loaded) as ledger, closing(build_one(loaded, name, SystemClock(), ledger)) as connecting:
        yield connecting


def _must_know(loaded: Loaded, command: str, name: str, *, as_json: bool) -> None:
    """Ends a command for an app that the config does not have."""
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick

    apps = loaded.config.apps
    if name not in apps:
        text = f"no app is called {one_line(name)!r}{nearest(name, sorted(apps))}"
        give_up(command, text, advice="", code="unknown-app", as_json=as_json, exit_code=USAGE)


def _tell_plan(command: str, connecting: Connecting, location: str, *, as_json: bool) -> None:
    """Says how a location stands and what would be done, and ends the command."""
    found: Install | None = connecting.marketplace.state(location)
    state = "" if found is None else found.state.value
    if as_json:
        data = {"app": connecting.name, "location": location, "state": state or None, "planned": True}
        emit_json(command, data)
        raise typer.Exit
    stands = _STANDS.get(state, "the vendor knows of no app there")
    say_wrapped(f"{connecting.name} at location {one_line(location, 24)}: {stands}.")
    if command.endswith("activate"):
        say("VetBridge would say yes." if state == "pending" else "There would be nothing to say yes to.")
    else:
        gone = state in ("", "uninstalled")
        say("There would be nothing to take away." if gone else "It would be taken away.")
        for account in connecting.accounts.get(location, ()):
            say(f"The pairs that account {account} is of would end.")
    say("Nothing was done.")
    raise typer.Exit


def _asked(found: Asked) -> dict[str, Any]:
    return {"location": found.location, "how": found.how.value, "code": found.code}
