"""How a vendor's folder presents itself, and how connectors are found."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from vetbridge.connector.budgets import BudgetPool
from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.connector.interface import Capabilities, Connector, Marketplace
from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Kind

GROUP = "vetbridge.connectors"
SYSTEMS = "vetbridge.systems"
"""Entry points of practice systems that are served by generic connectors."""


class Options(BaseModel):
    """Base of a connector's options: unknown keys are errors, values never change, secrets hide themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def safe_address(value: str) -> str:
    """A base URL for an options' validator. Secrets travel with every request: plain HTTP is taken for this machine
    only, where simulators are. Raises ValueError for any other address."""
    parts = urlsplit(value)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))):
        return value.rstrip("/")
    raise ValueError("an address that begins with https:// was expected (http:// only for this machine)")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a connector is built with, beside its options."""

    account: str
    """The account's name in the config; the only name that may stand in a log."""
    zone: str
    """IANA zone of the site, for vendors that speak local time."""
    country: str = ""
    """ISO 3166 country of the site, two letters, for phones written without a country code."""
    clock: Clock = field(default_factory=SystemClock)
    timeout: float = 30.0
    """Seconds that one request may take."""
    limit_scale: float = 1.0
    """Scales the declared budgets: above 1 only against a simulator whose limits are scaled or off."""
    pool: BudgetPool = field(default_factory=BudgetPool)
    """Where the budgets are that all accounts share."""
    pauses: Mapping[str, float] = field(default_factory=dict)
    """Budgets that are still paused from before a restart, with the seconds left."""
    on_pause: Callable[[str, float], None] | None = None
    kinds: frozenset[Kind] = frozenset(Kind)
    """The kinds that it is asked for; others serve the rest of the account."""
    ca: Path | None = None
    """Certificates that are trusted beside the public ones: the config's ``network.ca``."""
    on_date: Callable[[str], None] | None = None
    """Hears the ``Date`` of each of the vendor's answers as it comes, to compare clocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPlugin:
    """What a vendor with a marketplace offers beside its connector."""

    options: type[Options]
    """Of an app. Options that an account's model has too are taken from here where the account leaves them out."""
    build: Callable[[Any, Environment], Marketplace]
    """From the app's options; ``Environment.account`` is the app's name."""
    location: Callable[[Any], str]
    """The marketplace's number of the location that an account's options name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One kind of connector. The object that the entry point names."""

    name: str
    title: str
    options: type[Options]
    build: Callable[[Any, Environment], Connector]
    mapping: str
    """Name of the shipped table in ``mappings/``."""
    simulator: str | None = None
    """Module of the simulator, imported only when one is started."""
    declares: Callable[[], Capabilities] | None = None
    """What it can do for an account whose options allow everything; None: only a built connector can tell."""
    declares_by: Callable[[Mapping[str, str]], Capabilities] | None = None
    """The same for an account with options that a way of a practice system sets, ``profile`` among them where one is
    shipped; None: they make no difference."""
    app: AppPlugin | None = None
    """None: the vendor has no marketplace, or none that VetBridge knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayPart:
    """A part of a way: another connector, for kinds that the way's own does not serve."""

    connector: str
    """Name of the plugin."""
    serves: tuple[Kind, ...]
    """The kinds that it serves."""
    profile: str = ""
    """File of the profile, in the system's folder; none: the connector needs none."""
    sets: Mapping[str, str] = field(default_factory=dict)
    """As ``Way.sets``."""
    asks: Mapping[str, str] = field(default_factory=dict)
    """As ``Way.asks``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to serve a practice system: a generic connector with a profile that is shipped for it, or a feed that
    serves several systems, with the connectors that serve what it does not."""

    connector: str
    """Name of the plugin: ``files``, ``sql``, ``rest``, ``vetdata``."""
    profile: str = ""
    """File of the profile, in the system's folder; none: the connector needs none."""
    title: str
    """The way in words, for ``init`` and the guides."""
    advice: str
    """When to take it, and what it needs."""
    proven: str
    """As ``Capabilities.proven``, of this way."""
    sets: Mapping[str, str] = field(default_factory=dict)
    """Options that an account of this way has beside ``profile``."""
    asks: Mapping[str, str] = field(default_factory=dict)
    """Words by which ``init`` asks for options; GROUP.NAME is an entry of a group. One that is not required is asked
    for where the options do not do without it."""
    after: tuple[str, ...] = ()
    """What is to be done once ``init`` has written the config, in sentences."""
    parts: Mapping[str, WayPart] = field(default_factory=dict)
    """The other connectors of the account, by the names that they have in the config."""
    rehearsed: bool = True
    """The system's simulator can be reached so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A practice system without a connector of its own. The object that an entry point of ``SYSTEMS`` names."""

    name: str
    title: str
    package: str
    """Where its profiles are: ``connectors.impromed``."""
    ways: tuple[Way, ...]
    """The best first."""
    ask_vendor: tuple[str, ...]
    """What to ask the vendor for, the weightiest first."""
    simulator: str | None = None
    """Module of the simulator, imported only when one is started."""

    def way(self, connector: str) -> Way | None:
        """The way by a connector; None where there is none."""
        return next((way for way in self.ways if way.connector == connector), None)

    def profile(self, connector: str) -> str:
        """File of the profile that is shipped for a connector, which is a way's own or a part of one; "" for none."""
        parts = [part for way in self.ways for part in way.parts.values()]
        files = [
            *((way.connector, way.profile) for way in self.ways),
            *((part.connector, part.profile) for part in parts),
        ]
        return next((file for of, file in files if of == connector and file), "")


@cache
def entry_points(group: str) -> metadata.EntryPoints:
    """What is installed. It does not change while VetBridge runs, and to ask takes longer than most commands."""
    return metadata.entry_points(group=group)


def plugins() -> dict[str, Plugin]:
    """All connectors that are installed, by name."""
    return {point.name: point.load() for point in sorted(entry_points(group=GROUP))}


def plugin(name: str) -> Plugin:
    """One connector by name. Raises ``ConfigError`` that names the nearest."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        near = difflib.get_close_matches(name, points, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(points))}"
        raise ConfigError(f"no connector is called {name!r}{hint}")
    found = points[name].load()
    if not isinstance(found, Plugin):
        raise ConfigError(f"the entry point {name!r} does not name a connector plugin; reinstall its package")
    return found


def systems() -> dict[str, System]:
    """All practice systems that generic connectors serve, by name."""
    return {point.name: point.load() for point in sorted(entry_points(group=SYSTEMS))}


def app_plugin(name: str) -> AppPlugin:
    """The marketplace of one connector. Raises ``ConfigError`` where it has none."""
    found = plugin(name).app
    if found is None:
        raise ConfigError(f"{name} has no marketplace that VetBridge knows")
    return found
