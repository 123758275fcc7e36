"""``vetbridge simulate``: one vendor's simulator, alone, until it is told to stop."""

from __future__ import annotations

import difflib
import importlib
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.testing.faults import FAULTS, parse_fault

if TYPE_CHECKING:
    from vetbridge.testing.simkit import Simulator

_OPTIONS = frozenset({"port", "clients", "seed", "limits", "faults", "data", "locations", "place"})
"""What has an option of its own."""
_FAULT_HELP = (
    "What goes wrong and how often, NAME=RATE with a rate from 0 to 1; may be given several times."
    + "".join(f"\n\n- {name}: {words}" for name, words in FAULTS.items())
)


def simulate(
    vendor: Annotated[str, typer.Argument(help="Whose simulator, as altegio, ezyvet or impromed.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0: a free one, or the one of a kept store.")] = 0,
    clients: Annotated[int, typer.Option(min=0, max=100_000, help="Owners in a new store.")] = 2000,
    seed: Annotated[int, typer.Option(help="Decides the clinic, the credentials and the faults.")] = 7,
    locations: Annotated[
        int, typer.Option(min=1, max=1000, help="Locations of a chain behind one address, each with its own clinic.")
    ] = 1,
    limits: Annotated[
        str, typer.Option(help="The vendor's rate limits: real, off, or xN (N times as generous).")
    ] = "off",
    fault: Annotated[list[str] | None, typer.Option(metavar="NAME=RATE", help=_FAULT_HELP)] = None,
    switch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What the vendor does otherwise than the simulator takes it to; may be given several times. The "
            "connector's page lists them.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder to keep the store in. One that holds a store is served again as it is."),
    ] = None,
) -> None:
    """Serve a vendor's simulator on this machine until Ctrl-C or SIGTERM.

    Prints one line of JSON when it serves: its address, credentials and control door.

    With limits and faults: `vetbridge simulate altegio --limits x10 --fault 429=0.05 --fault drop_after_commit=0.02`
    With a conflict of the sources turned round: `vetbridge simulate altegio --switch empty_fields=object`
    """
    more = _switches(switch or []) | ({"locations": locations} if locations > 1 else {})
    simulator = _made(vendor, port, clients, seed, limits, fault or [], more, data)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: simulator.request_stop())
    try:
        simulator.start()
    except OSError as error:
        simulator.stop()
        raise typer.BadParameter(
            f"cannot serve ({error.strerror or error}); is it served already? Else give another port",
            param_hint="--port",
        ) from None
    typer.echo(json.dumps(simulator.ready()))
    simulator.serve_forever()


def _made(
    vendor: str,
    port: int,
    clients: int,
    seed: int,
    limits: str,
    fault: list[str],
    more: dict[str, Any],
    data: Path | None,
) -> Simulator:
    """The simulator, not yet serving. Raises ``typer.BadParameter`` for what cannot be used."""
    module = _module(vendor)
    if not 0 <= port < 65536:
        raise typer.BadParameter(f"{port} is not a port", param_hint="--port")
    try:
        faults = dict(parse_fault(text) for text in fault)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--fault") from None
    try:
        made: Simulator = importlib.import_module(module).build(
            port=port, clients=clients, seed=seed, limits=limits, faults=faults, data=data, **more
        )
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    except TypeError as error:
        hint = "--locations" if "locations" in str(error) else "--switch"
        raise typer.BadParameter(str(error), param_hint=hint) from None
    return made


def _module(vendor: str) -> str:
    """Where a vendor's or a practice system's simulator is. Raises ``typer.BadParameter`` where there is none."""
    from vetbridge.connector.plugin import GROUP, SYSTEMS, entry_points  # noqa: PLC0415 - not needed for --help

    points = {point.name: point for group in (GROUP, SYSTEMS) for point in entry_points(group)}
    if vendor not in points:
        near = difflib.get_close_matches(vendor, points, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(points))}"
        raise typer.BadParameter(f"no vendor is called {vendor!r}; {hint}", param_hint="VENDOR")
    module: str | None = points[vendor].load().simulator
    if module is None:
        raise typer.BadParameter(f"{vendor} has no simulator", param_hint="VENDOR")
    return module


def _switches(given: list[str]) -> dict[str, Any]:
    """What is to be otherwise: a value is JSON, or a text that needs no quotes."""
    switches: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name.isidentifier() and equals) or name in _OPTIONS:
            raise typer.BadParameter(f"{each!r} is not NAME=VALUE", param_hint="--switch")
        try:
            switches[name] = json.loads(value)
        except ValueError:
            switches[name] = value
    return switches
