"""Builds the program from its parts: ledger, connectors, pairs, engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import time, timedelta

from vetbridge.config import models as config_models
from vetbridge.config.chains import branches
from vetbridge.config.chains import chains as chains_of
from vetbridge.config.due import due_policy
from vetbridge.config.loader import Loaded
from vetbridge.config.models import Account, Site
from vetbridge.connector.accounted import Accounted
from vetbridge.connector.budgets import BudgetPool
from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.connector.composed import Part, build
from vetbridge.connector.drift import Skew
from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Environment, plugin
from vetbridge.connector.scanning import Scanner
from vetbridge.core.files import FileRules
from vetbridge.core.planning import FieldOwner
from vetbridge.core.policy import owners
from vetbridge.core.records import Kind, Side
from vetbridge.daemon import connecting as apps
from vetbridge.daemon.connecting import Connecting, build_connecting
from vetbridge.daemon.lock import single_instance
from vetbridge.daemon.upgrading import copied_first
from vetbridge.ledger import accounts, attached, chains, changes, due, going_live, links, replays
from vetbridge.ledger.database import Ledger, Transaction, open_ledger
from vetbridge.mapping import Mapper, Table, composed_table, load_table
from vetbridge.sync.due_reading import DueReader
from vetbridge.sync.due_services import DueRound
from vetbridge.sync.engine import Engine
from vetbridge.sync.file_looking import FileLooker
from vetbridge.sync.joining import Joiner
from vetbridge.sync.pair import End, FilePolicy, MostEnded, NoticePolicy, Pair, Placeholder, Quota, Timings
from vetbridge.sync.pairing import Pairer
from vetbridge.sync.receiving import Receiver
from vetbridge.sync.refreshing import Refresher
from vetbridge.sync.sweeping import Sweeper
from vetbridge.sync.writing import Point

Wrap = Callable[[str, Connector], Connector]
"""Puts something around the connector of an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All parts of one VetBridge, put together from one config."""

    loaded: Loaded
    clock: Clock
    ledger: Ledger
    connectors: Mapping[str, Accounted]
    pairs: tuple[Pair, ...]
    engine: Engine
    timings: Timings
    receivers: Mapping[str, Receiver]
    """By account, booking and PIMS side alike."""
    refreshers: Mapping[str, Refresher]
    """By PIMS account; a PIMS that several sites share is read once."""
    sweepers: Mapping[str, Sweeper]
    """By site."""
    pairers: Mapping[str, Pairer]
    """By site."""
    connecting: Mapping[str, Connecting]
    """By marketplace app."""
    joiners: Mapping[str, Joiner]
    """By organisation: those with several PIMS accounts."""
    file_lookers: Mapping[str, FileLooker]
    """By site: those that want files carried."""
    due_readers: Mapping[str, DueReader]
    """By PIMS account: those of sites that want something done about due services."""
    due_rounds: Mapping[str, DueRound]
    """By site: those that want something done about due services."""

    @property
    def mappings(self) -> dict[str, str]:
        """By site, a hash of the mappings of both sides."""
        return {pair.site: f"{pair.booking.mapper.digest}/{pair.pims.mapper.digest}" for pair in self.pairs}

    def close(self) -> None:
        """Gives back the vendors' connections."""
        for connector in self.connectors.values():
            connector.close()
        for app in self.connecting.values():
            app.close()


def build_connectors(
    loaded: Loaded, clock: Clock, *, ledger: Ledger | None = None, wrap: Wrap | None = None
) -> dict[str, Accounted]:
    """One connector per account. With a ledger, budgets that a vendor paused stay paused over a restart.

    ``wrap`` puts something around each connector: a dry run, for one.
    """
    built: dict[str, Accounted] = {}
    pool = BudgetPool()
    for name, account in loaded.config.accounts.items():
        site = _site_of(loaded, name)
        skew = Skew(clock)
        environment = Environment(
            account=name,
            zone=site.zone,
            country=site.country,
            clock=clock,
            timeout=loaded.config.timings.request_timeout,
            limit_scale=account.limit_scale,
            pool=pool,
            pauses=_pauses(ledger, name),
            on_pause=_keep_pauses(ledger, name),
            ca=loaded.config.network.ca,
            on_date=skew.heard,
        )
        connector = _connector(loaded, account, environment)
        built[name] = Accounted(wrap(name, connector) if wrap else connector, name, clock, skew)
    return built


def _connector(loaded: Loaded, account: Account, environment: Environment) -> Connector:
    parts = {
        name: Part(
            plugin=plugin(part.connector),
            options=part.options,
            kinds=frozenset(part.serves),
            limit_scale=part.limit_scale,
        )
        for name, part in account.parts.items()
    }
    site = _site_of(loaded, environment.account)
    side = Side.BOOKING if site.booking.account == environment.account else Side.PIMS
    return build(
        plugin(account.connector),
        account.options,
        environment,
        parts=parts,
        mapper=lambda: build_mapper(loaded, site, side, unfinished=True),
    )


@contextmanager
def connected(loaded: Loaded, *, wrap: Wrap | None = None) -> Iterator[dict[str, Accounted]]:
    """One connector per account, for a command that asks the vendors and keeps nothing; closed afterwards."""
    built = build_connectors(loaded, SystemClock(), wrap=wrap)
    try:
        yield built
    finally:
        for connector in built.values():
            connector.close()


def build_mapper(loaded: Loaded, site: Site, side: Side, *, unfinished: bool = False) -> Mapper:
    """The mapper of one side of one site: its connector's table, or the site's own, with the site's code lists. Of
    several connectors, each kind's rules are from the table of the one that serves it.

    Of an ``unfinished`` site, lists that the config lacks are empty. Raises ``ConfigError``.
    """
    end = site.booking if side is Side.BOOKING else site.pims
    account = loaded.config.accounts[end.account]
    table = _table(loaded, account.connector, end.mapping)
    if account.parts:
        parts = account.parts.items()
        table = composed_table(
            table, {name: (_table(loaded, part.connector, part.mapping), part.serves) for name, part in parts}
        )
    missing = table.lists - table.codes.keys() - end.codes.keys() if unfinished else set()
    codes = {**end.codes, **{name: {} for name in missing}}
    return Mapper(table, zone=site.zone, country=site.country, codes=codes)


@contextmanager
def assembled(
    loaded: Loaded, *, command: str, clock: Clock | None = None, point: Point | None = None
) -> Iterator[Program]:
    """The whole program, as the only one that works on its ledger. Raises ``LedgerLocked`` where another one does."""
    clock = clock or SystemClock()
    settings = loaded.config.ledger
    place = settings.place
    with (
        single_instance(place),
        closing(
            open_ledger(place, settings.key.reveal(), clock, before_upgrade=copied_first(loaded, clock))
        ) as ledger,
        closing(build_program(loaded, clock, ledger, point=point)) as program,
    ):
        with ledger.write() as tx:
            prepare(tx, program)
            run_id = changes.begin_run(tx, command)
        ledger.run_id = run_id
        try:
            yield program
        finally:
            with ledger.write() as tx:
                changes.end_run(tx, run_id)


def prepare(tx: Transaction, program: Program) -> None:
    """What a start does to its ledger: leases end, sites and accounts are those of the config, mappings are noted."""
    loaded = program.loaded
    changes.release_all(tx)
    changes.rename_sites(tx, _sites_by_account(loaded))
    for name, account in loaded.config.accounts.items():
        accounts.enrol(tx, name, account.connector, country=_site_of(loaded, name).country)
    booked_at = {site.booking.account: name for name, site in loaded.config.sites.items()}
    going_live.rename(tx, booked_at)
    links.rename_sites(tx, booked_at)  # after that: by its links it is known what a pair was called
    for name, site in loaded.config.sites.items():
        going_live.meet(tx, name, start_live=site.start == "live")
    looked_at = {end.account for pair in program.pairs if pair.files for end in (pair.booking, pair.pims)}
    for name in loaded.config.accounts.keys() - looked_at:
        attached.end(tx, name)
    apps.prepare(tx, program.connecting)
    chains.keep_only(tx, chains_of(loaded.config.sites).values())
    due.read_only(tx, program.due_readers)
    reach = [pair.due.overdue + pair.due.visit_before + 1 for pair in program.pairs if pair.due is not None]
    due.keep_visits_for(tx, timedelta(days=max(reach, default=0)))
    due.notices_only(tx, [pair.site for pair in program.pairs if pair.notices is not None])
    replays.note_mappings(tx, program.mappings)


def build_program(
    loaded: Loaded, clock: Clock, ledger: Ledger, *, point: Point | None = None, wrap: Wrap | None = None
) -> Program:
    """The parts, put together over a ledger that is open. ``assembled`` is for work in earnest."""
    connectors = build_connectors(loaded, clock, ledger=ledger, wrap=wrap)
    timeout, watch = loaded.config.timings.request_timeout, loaded.config.watch
    pairs = tuple(
        Pair(
            site=name,
            zone=site.zone,
            country=site.country,
            booking=End(
                account=site.booking.account,
                connector=connectors[site.booking.account],
                mapper=build_mapper(loaded, site, Side.BOOKING),
                timeout=timeout,
            ),
            pims=End(
                account=site.pims.account,
                connector=connectors[site.pims.account],
                mapper=build_mapper(loaded, site, Side.PIMS),
                timeout=timeout,
            ),
            placeholder=Placeholder(client_id=site.pims.placeholder.client, pet_id=site.pims.placeholder.pet)
            if site.pims.placeholder
            else None,
            may_create_clients=site.create.clients,
            may_create_pets=site.create.pets,
            owners=_appointment_owners(site),
            fuse=site.fuse,
            most_ended=MostEnded(count=watch.ended_at_once, percent=watch.ended_percent),
            start_live=site.start == "live",
            quota=_quota(site),
            branches=branches(loaded.config.sites, site),
            files=_files(site, loaded),
            due=due_policy(site),
            notices=_notices(site),
        )
        for name, site in loaded.config.sites.items()
    )
    waits = loaded.config.timings
    timings = Timings(
        absence_confirm=waits.absence_confirm,
        retry_first=waits.retry_first,
        retry_longest=waits.retry_longest,
        settle=waits.settle,
        mirror_stale=waits.mirror_stale,
        lease=waits.lease,
    )
    receivers: dict[str, Receiver] = {}
    refreshers: dict[str, Refresher] = {}
    sweepers: dict[str, Sweeper] = {}
    pairers: dict[str, Pairer] = {}
    watched = [pair for pair in pairs if pair.due is not None]
    told = {pair.pims.account for pair in watched}
    for pair in pairs:
        every = {
            pair.booking.account: loaded.config.accounts[pair.booking.account].poll,
            pair.pims.account: waits.pims_refresh,
        }
        receiver = Receiver(pair, ledger, every=every, keeps_visits=pair.pims.account in told)
        sweepers[pair.site] = Sweeper(pair, ledger, clock, receiver)
        pairers[pair.site] = Pairer(pair, ledger, clock)
        receivers[pair.booking.account] = receiver
        receivers.setdefault(pair.pims.account, receiver)
        refreshers.setdefault(pair.pims.account, Refresher(pair, ledger))
    engine = Engine(pairs, ledger, clock, timings, **({"point": point} if point else {}))
    return Program(
        loaded=loaded,
        clock=clock,
        ledger=ledger,
        connectors=connectors,
        pairs=pairs,
        engine=engine,
        timings=timings,
        receivers=receivers,
        refreshers=refreshers,
        sweepers=sweepers,
        pairers=pairers,
        connecting=build_connecting(loaded, clock, ledger),
        joiners={name: Joiner(ledger, chain) for name, chain in chains_of(loaded.config.sites).items()},
        file_lookers={
            pair.site: FileLooker(pair, ledger, every=waits.files) for pair in pairs if pair.files is not None
        },
        due_readers={pair.pims.account: DueReader(pair, ledger) for pair in reversed(watched)},
        due_rounds={pair.site: DueRound(pair, ledger) for pair in watched},
    )


def _site_of(loaded: Loaded, account: str) -> Site:
    """The first site that uses an account; the config makes sure that there is one."""
    return next(site for site in loaded.config.sites.values() if account in (site.booking.account, site.pims.account))


def _sites_by_account(loaded: Loaded) -> dict[str, str]:
    """The site whose hints an account receives; of a PIMS account that several sites share, the first."""
    sites: dict[str, str] = {}
    for name, site in loaded.config.sites.items():
        sites.setdefault(site.booking.account, name)
        sites.setdefault(site.pims.account, name)
    return sites


def _table(loaded: Loaded, connector: str, mapping: str | None) -> Table:
    """The connector's own table, or the one that is named: a shipped one, or the site's own by its path."""
    if mapping is None:
        return load_table(plugin(connector).mapping)
    # A path starts at the config's folder.
    return load_table(loaded.folder / mapping if mapping.endswith((".yaml", ".yml")) else mapping)


def _appointment_owners(site: Site) -> dict[str, FieldOwner]:
    """The default field owners with the site's own over them."""
    words = {"booking": FieldOwner.HERE, "pims": FieldOwner.THERE, "ask": FieldOwner.ASK}
    prefix = f"{Kind.APPOINTMENT}."
    own = {name.removeprefix(prefix): words[owner] for name, owner in site.owners.items() if name.startswith(prefix)}
    return {**owners(Kind.APPOINTMENT, Side.BOOKING), **own}


def _quota(site: Site) -> Quota:
    first = site.first_days
    limits = {Kind.CLIENT: first.clients, Kind.PET: first.pets, Kind.APPOINTMENT: first.appointments}
    return Quota(days=first.days, limits=limits)


def _files(site: Site, loaded: Loaded) -> FilePolicy | None:
    wanted = site.attachments
    if wanted is None:
        return None
    scanner = loaded.config.scanner
    return FilePolicy(
        to_pims=_file_rules(wanted.to_pims),
        to_booking=_file_rules(wanted.to_booking),
        days_before=wanted.days_before,
        days_after=wanted.days_after,
        scan=None if scanner is None else Scanner(scanner.address, timeout=scanner.timeout).scan,
    )


def _file_rules(rules: config_models.FileRules | None) -> FileRules | None:
    if rules is None:
        return None
    return FileRules(types={name: int(most * 1024 * 1024) for name, most in rules.types.items()}, names=rules.names)


def _notices(site: Site) -> NoticePolicy | None:
    notices = None if site.reminders is None else site.reminders.notices
    if notices is None:
        return None
    opens, closes = notices.hours.split("-")
    return NoticePolicy(
        text=notices.text,
        clinic=site.name,
        opens=time.fromisoformat(opens),
        closes=time.fromisoformat("00:00" if closes == "24:00" else closes),
        weekdays=frozenset(config_models.WEEKDAYS.index(day) for day in notices.weekdays),
        per_day=notices.per_day,
    )


def _pauses(ledger: Ledger | None, account: str) -> dict[str, float]:
    if ledger is None:
        return {}
    with ledger.read() as tx:
        return accounts.paused_budgets(tx, account)


def _keep_pauses(ledger: Ledger | None, account: str) -> Callable[[str, float], None] | None:
    if ledger is None:
        return None

    def keep(budget: str, seconds: float) -> None:
        with ledger.write() as tx:
            accounts.pause_budget(tx, account, budget, seconds)

    return keep
