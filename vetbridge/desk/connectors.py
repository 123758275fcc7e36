"""Connectors: which are installed, what each can do, and what is proven. Needs no config and asks no vendor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

from vetbridge.config.models import Account, Config
from vetbridge.connector.interface import BudgetSpec, Capabilities, KindCapabilities, Operation
from vetbridge.connector.plugin import GROUP, SYSTEMS, Plugin, System, Way, WayPart, plugin, plugins, systems
from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Kind

FICTIONAL = "fictional"
"""How it begins what is proven of a profile that describes a rehearsal alone."""
REGISTERED = frozenset({Kind.CLIENT, Kind.PET})
"""Kinds of which a visit's line of the work list says who is to be registered with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKind:
    """What a connector can do with one kind, see ``KindCapabilities``."""

    kind: str
    read: bool
    incremental: bool
    deletions_visible: bool
    search: tuple[str, ...]
    create: bool
    create_once: str | None
    """How exactly once a create takes effect, see ``ExactlyOnce``; None: there is no create."""
    update: tuple[str, ...]
    cancel: bool
    changed_once: str | None
    """The same of updates and cancellations; None: there are none of them."""
    unlinked: str | None
    """Whether a visit can stand without its owner: ``yes``, ``placeholder``, ``no``; None: it is no visit."""
    relink: str | None
    """Whether a visit can be given another owner: ``yes``, ``unverified``, ``no``; None: it is no visit."""
    loss: Mapping[str, str]
    """By canonical field, what is not kept as it was written."""
    text_limits: Mapping[str, int]
    """By canonical field, characters that are kept."""
    hangs_on: tuple[str, ...]
    """What a new file can hang on: ``client``, ``pet``."""
    file_types: tuple[str, ...]
    """Endings of files that are taken; none: any, or there are no files."""
    largest: int | None
    """Files must have fewer bytes; None: that is not said."""
    notify: bool
    """Messages to owners can be sent."""
    logs: bool
    """A message that an owner was sent elsewhere can be written into its log."""
    needs: tuple[str, ...]
    """Canonical fields without which no new record is taken."""
    handed: tuple[str, ...]
    """Writes that people carry out, as the work list asks them to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPart:
    """Another connector of a way, for kinds that the way's own does not serve."""

    name: str
    """Of the part of the account."""
    connector: str
    serves: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedWay:
    """A practice system without a connector of its own, as one connector serves it, alone or with parts."""

    name: str
    title: str
    rank: int
    """Among the ways to serve it; 1 is the best."""
    way: str
    advice: str
    proven: str
    ask_vendor: tuple[str, ...]
    """Of the system, whichever way is taken."""
    simulator: bool
    parts: tuple[ListedPart, ...]
    accounts: tuple[str, ...]
    """The config's accounts that have its profiles; none of a way without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedConnector:
    """One installed connector, with every option set that an ability depends on."""

    name: str
    title: str
    side: str | None
    """``booking`` or ``pims``; None: it declares nothing before an account is set up."""
    proven: str | None
    needs_vendor: tuple[str, ...]
    """What only the vendor, or a first live account, can give or tell."""
    mapping: str
    simulator: bool
    """There is one to rehearse with."""
    webhooks: bool
    late_landing: float
    """Seconds in which a write whose answer was lost may still appear."""
    shown_within: float
    """Seconds in which reads may not show yet what was written."""
    kinds: tuple[ListedKind, ...]
    budgets: tuple[BudgetSpec, ...]
    accounts: tuple[str, ...]
    """The config's accounts that use it; ACCOUNT.PART where a part of one does."""
    systems: tuple[ListedWay, ...]
    """The practice systems that it serves, by name; not those that it serves only as a part of another's way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far one kind goes."""

    read: bool
    deletions: bool
    """What is deleted there is seen."""
    written: bool
    """VetBridge writes it itself."""
    by_people: bool
    """People write it from the work list."""
    messages: bool
    """Owners can be sent messages."""
    logs: bool
    """A message that an owner was sent elsewhere is written into its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A platform or practice system by one of its ways, and how far each kind goes there at the most."""

    name: str
    title: str
    side: str
    """``booking`` or ``pims``."""
    connectors: tuple[str, ...]
    """Its own first, then those of its parts."""
    way: str
    """In words; "" where a connector of its own is the only one."""
    proven: str
    own_profile: bool
    """A site writes its profile itself, which says what of it all there is: none is shipped but for a rehearsal."""
    kinds: Mapping[Kind, Reach]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """An installed connector that cannot be used."""

    name: str
    text: str


def listing(config: Config | None = None) -> tuple[tuple[ListedConnector, ...], tuple[Unusable, ...]]:
    """Every installed connector by name, and those that cannot be loaded. ``config`` only adds the accounts."""
    found: list[ListedConnector] = []
    systems, unusable = _systems()
    for name in sorted({point.name for point in entry_points(group=GROUP)}):
        try:
            each = plugin(name)
            declared = None if each.declares is None else each.declares()
        except ConfigError as error:
            unusable.append(Unusable(name=name, text=error.message))
        except Exception as error:  # somebody else's package: its import may fail in any way
            text = f"the connector {name!r} cannot be loaded ({type(error).__name__}); reinstall its package"
            unusable.append(Unusable(name=name, text=text))
        else:
            found.append(_listed(each, declared, systems, config))
    return tuple(found), tuple(unusable)


def routes() -> tuple[Route, ...]:
    """Every platform and practice system that is served by its name, the booking side first; each with all its ways,
    the best first. Raises what a connector raises that cannot be loaded."""
    found: list[Route] = []
    known = systems()
    ways = [way for system in known.values() for way in system.ways]
    generic = {name for way in ways for name in (way.connector, *(part.connector for part in way.parts.values()))}
    for each in plugins().values():
        if each.name not in generic and each.declares is not None:
            can = each.declares()
            found.append(
                Route(
                    name=each.name,
                    title=each.title,
                    side=can.side,
                    connectors=(each.name,),
                    way="",
                    proven=can.proven,
                    own_profile=False,
                    kinds=_reach(can.kinds),
                )
            )
    found += [_route(system, way) for system in known.values() for way in system.ways]
    return tuple(sorted(found, key=lambda route: (route.side != "booking", route.title.casefold())))


def _route(system: System, way: Way) -> Route:
    own = plugin(way.connector)
    declared = _by_way(system, way)
    kinds = dict(declared.kinds)
    for part in way.parts.values():
        can = _by_way(system, part)
        kinds |= {kind: can.of(kind) for kind in part.serves}
    return Route(
        name=system.name,
        title=system.title,
        side="pims",
        connectors=(way.connector, *(part.connector for part in way.parts.values())),
        way=way.title,
        proven=way.proven,
        own_profile="profile" in own.options.model_fields
        and (not way.profile or declared.proven.startswith(FICTIONAL)),
        kinds=_reach(kinds),
    )


def _by_way(system: System, way: Way | WayPart) -> Capabilities:
    """What the connector of a way, or of a part of one, can do with the options that it sets."""
    of = plugin(way.connector)
    if of.declares_by is not None:
        return of.declares_by({**({"profile": system.name} if way.profile else {}), **way.sets})
    return Capabilities(side="pims", kinds={}) if of.declares is None else of.declares()


def _reach(kinds: Mapping[Kind, KindCapabilities]) -> dict[Kind, Reach]:
    visits = kinds.get(Kind.APPOINTMENT, KindCapabilities())
    return {
        kind: Reach(
            read=can.read,
            deletions=can.deletions_visible,
            written=bool(_writes(can) - can.handed),
            # The line of a visit says who is to be registered with it.
            by_people=bool(can.handed)
            or (kind in REGISTERED and can.create is None and Operation.CREATE in visits.handed),
            messages=can.notify,
            logs=can.logs,
        )
        for kind, can in kinds.items()
    }


def _writes(can: KindCapabilities) -> set[Operation]:
    declared = {
        Operation.CREATE: can.create is not None,
        Operation.UPDATE: bool(can.update),
        Operation.CANCEL: can.cancel,
    }
    return {operation for operation, able in declared.items() if able}


def _systems() -> tuple[list[System], list[Unusable]]:
    """The practice systems that connectors serve, by name, and those that cannot be loaded."""
    found: list[System] = []
    unusable: list[Unusable] = []
    for point in sorted(entry_points(group=SYSTEMS), key=lambda point: point.name):
        try:
            found.append(_a_system(point.load()))
        except Exception as error:  # somebody else's package: its import may fail in any way
            text = (
                f"the practice system {point.name!r} cannot be loaded ({type(error).__name__}); reinstall its package"
            )
            unusable.append(Unusable(name=point.name, text=text))
    return found, unusable


def _a_system(loaded: object) -> System:
    if not isinstance(loaded, System):
        raise TypeError("no practice system")
    return loaded


def _way(system: System, way: Way, config: Config | None) -> ListedWay:
    accounts = {} if config is None else config.accounts
    return ListedWay(
        name=system.name,
        title=system.title,
        rank=1 + system.ways.index(way),
        way=way.title,
        advice=way.advice,
        proven=way.proven,
        ask_vendor=system.ask_vendor,
        simulator=system.simulator is not None,
        parts=tuple(
            ListedPart(name=name, connector=part.connector, serves=tuple(kind.value for kind in part.serves))
            for name, part in way.parts.items()
        ),
        accounts=tuple(sorted(name for name, account in accounts.items() if _goes(account, system.name, way))),
    )


def _goes(account: Account, system: str, way: Way) -> bool:
    """Whether an account goes a way: it has its connectors, with the profiles that are shipped for the system."""
    wanted = [(way.connector, way.profile), *((part.connector, part.profile) for part in way.parts.values())]
    if account.connector != way.connector or not any(profile for _, profile in wanted):
        return False
    parts = [(part.connector, part.options) for part in account.parts.values()]
    used = [(of, getattr(options, "profile", None)) for of, options in [(account.connector, account.options), *parts]]
    return all((connector, system) in used for connector, profile in wanted if profile)


def _listed(
    each: Plugin, can: Capabilities | None, systems: Sequence[System], config: Config | None
) -> ListedConnector:
    accounts = {} if config is None else config.accounts
    return ListedConnector(
        name=each.name,
        title=each.title,
        side=None if can is None else can.side,
        proven=None if can is None else can.proven,
        needs_vendor=() if can is None else can.needs_vendor,
        mapping=each.mapping,
        simulator=each.simulator is not None,
        webhooks=can is not None and can.hints,
        late_landing=0.0 if can is None else can.late_landing,
        shown_within=0.0 if can is None else can.shown_within,
        kinds=() if can is None else tuple(_kind(kind, can.kinds[kind]) for kind in Kind if kind in can.kinds),
        budgets=() if can is None else can.budgets,
        accounts=tuple(sorted(_using(accounts, each.name))),
        systems=tuple(_way(system, way, config) for system in systems if (way := system.way(each.name)) is not None),
    )


def _using(accounts: Mapping[str, Account], connector: str) -> Iterator[str]:
    """The accounts and parts of accounts that use a connector."""
    for name, account in accounts.items():
        if account.connector == connector:
            yield name
        yield from (f"{name}.{part}" for part, each in account.parts.items() if each.connector == connector)


def _kind(kind: Kind, can: KindCapabilities) -> ListedKind:
    visit = kind is Kind.APPOINTMENT
    return ListedKind(
        kind=kind.value,
        read=can.read,
        incremental=can.incremental,
        deletions_visible=can.deletions_visible,
        search=tuple(sorted(can.search)),
        create=can.create is not None,
        create_once=None if can.create is None else can.create.value,
        update=tuple(sorted(can.update)),
        cancel=can.cancel,
        changed_once=can.changed.value if can.update or can.cancel else None,
        unlinked=can.unlinked.value if visit else None,
        relink=can.relink.value if visit else None,
        loss=dict(sorted(can.loss.items())),
        text_limits=dict(sorted(can.text_limits.items())),
        hangs_on=tuple(sorted(can.hangs_on)),
        file_types=tuple(sorted(can.file_types)),
        largest=can.largest,
        notify=can.notify,
        logs=can.logs,
        needs=tuple(sorted(can.needs)),
        handed=tuple(sorted(can.handed)),
    )
