"""An app on a vendor's marketplace: clinics connect it to their locations, freeze, take it away, and bring it back.

What comes in by the door is a hint. How an install stands, the vendor is asked afresh, one look at a location at a
time; an account whose app is not connected rests until it is. Nothing is ever cancelled or written at a vendor's
location because of an install's state.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import count

import structlog

from vetbridge.config.loader import Loaded
from vetbridge.config.models import App, Config
from vetbridge.connector.clock import Clock
from vetbridge.connector.configured import places
from vetbridge.connector.interface import Install, InstallNews, InstallState, Marketplace
from vetbridge.connector.plugin import Environment, app_plugin
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused, Scope, Unavailable, VetBridgeError
from vetbridge.core.installs import FROZEN, INSTALL, LAPSED, NOT_CONNECTED, UNKNOWN
from vetbridge.core.normalise import shown
from vetbridge.desk import leaving
from vetbridge.desk.installs import by_app, is_app
from vetbridge.ledger import accounts as ledger_accounts
from vetbridge.ledger import audit, going_live, installs, pauses, tables
from vetbridge.ledger.database import Ledger, Transaction

LOOK_EVERY = 30.0
"""Seconds between two looks at what waits to be connected."""
LIST_EVERY = 600.0
"""Seconds between two looks at all installs of an app: a redirect or a call that was lost is found by it."""
LIST_AGAIN = 60.0
"""The same, where the last one could not be done, or the vendor suddenly knew nothing of an install."""
DOOR_PATIENCE = 20.0
"""Seconds that a browser's redirect may take; what is left then is found by the rounds."""

MOST_AT_THE_DOOR = 4
"""Redirects that are answered at once; who comes beside them is told that the rounds see to it. Webhooks come by the
same door, and a slow marketplace must not take all of its threads."""

MOST_UNKNOWN = 10
"""Locations of one redirect that the vendor knows nothing of; what else it names is then not asked for."""
LONGEST_NUMBER = 40
"""Characters of a location's number that are written down of what a person has done."""

_LIVED = frozenset({InstallState.ACTIVE.value, InstallState.FROZEN.value, UNKNOWN})
"""States after which an uninstall ends the pair: the others had never been connected."""

log = structlog.get_logger("vetbridge.daemon")


class How(StrEnum):
    """What became of a location that a browser's redirect asked to connect."""

    CONNECTED = "connected"
    ENDED = "ended"
    """Connected, and every pair there has ended: nothing is carried over until somebody approves one again."""
    WAITS = "waits"
    """No account of the config is for it."""
    REFUSED = "refused"
    NOT_ASKED = "not-asked"
    """The vendor knows of nobody who clicked Connect there."""
    FROZEN = "frozen"
    LATER = "later"
    """It could not be found out now: the rounds see to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One location of a redirect."""

    location: str
    how: How
    site: str = ""
    """The site's own name, where somebody has just clicked Connect there; whoever else asks does not learn it."""
    code: str = ""
    """Why it could not be connected, a stable code."""
    minutes: int = 0
    """So long the vendor takes a yes yet."""


class Connecting:
    """One app of the config, over one ledger.

    ``on_free`` hears the accounts whose app was connected just now: what waits for them can go on.
    """

    def __init__(
        self,
        name: str,
        app: App,
        marketplace: Marketplace,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        accounts: Mapping[str, Sequence[str]],
    ) -> None:
        self.name = name
        self.marketplace = marketplace
        self.accounts = accounts
        """The accounts of the config by location; mostly one each."""
        self.on_free: Callable[[Collection[str]], None] = lambda _accounts: None
        self._app = app
        self._config = config
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()
        """Held for one location at a time, by whoever looks at it: the door, a call, a round."""
        self._door = threading.BoundedSemaphore(MOST_AT_THE_DOOR)
        self._hearing = threading.Lock()
        """Held by whoever looks at what calls have told."""
        self._told: dict[str, str] = {}
        self._turns = count()
        self._last: dict[str, int] = {}
        """By location: the turn in which a round looked at it last."""
        self._list_at = float("-inf")
        """When all installs are to be looked at, by the steady clock."""
        self._unlooked: frozenset[str] = frozenset()

    def prepare(self, tx: Transaction) -> None:
        """What a start does: accounts rest, or go on, as their app stands. Of one that was never looked at nothing is
        assumed: it has no rounds before the first look."""
        unlooked: list[str] = []
        for location, names in self.accounts.items():
            row = installs.get(tx, self.name, location)
            if row is None:
                unlooked += names
                for account in names:
                    pauses.resume(tx, INSTALL, account)  # of another location, or another app, of an older config
            else:
                self._hold(tx, location, row.state)
        self._unlooked = frozenset(unlooked)

    def holds(self, account: str) -> bool:
        """Whether an account waits for the first look at how its app stands."""
        return account in self._unlooked

    def close(self) -> None:
        """Gives back the marketplace's connections."""
        self.marketplace.close()

    # -- the door

    def ask(self, locations: Iterable[str]) -> tuple[Asked, ...]:
        """A browser came back from the marketplace: what can be connected at once is."""
        if not self._door.acquire(blocking=False):
            return tuple(map(self._later, locations))
        try:
            return self._asked_by_browser(locations)
        finally:
            self._door.release()

    def _asked_by_browser(self, locations: Iterable[str]) -> tuple[Asked, ...]:
        until = self._clock.steady() + DOOR_PATIENCE
        found: list[Asked] = []
        for location in locations:
            if sum(each.how is How.NOT_ASKED for each in found) >= MOST_UNKNOWN:
                found.append(Asked(location=location, how=How.NOT_ASKED))
                continue
            left = until - self._clock.steady()
            if left <= 0:
                found.append(self._later(location))
                continue
            try:
                found.append(self._asked(location, patience=left))
            except VetBridgeError as error:
                log.warning("install.unread", app=self.name, location=location, code=error.code)
                found.append(self._later(location, error.code))
        return tuple(found)

    def hear(self, news: InstallNews) -> None:
        """A life-cycle call came: the next look asks how that location stands."""
        if news.state is not None:
            self._told[news.location] = news.state.value

    # -- commands

    def activate(self, location: str, by: str) -> Asked:
        """Connects one location because a person says so, also where the vendor's time seems to be over.

        Raises what the marketplace raises, where it cannot be asked.
        """
        found = self._asked(location)
        with self._ledger.write() as tx:
            self._audit(tx, audit.Act.INSTALL_ACTIVATED, location, by, found.how.value)
        return found

    def disconnect(self, location: str, by: str) -> tuple[str, ...]:
        """Takes the app away from a location because a person says so; returns the sites whose pair ends by that.

        Raises what the marketplace raises; nothing has ended then.
        """
        with self._lock:
            found = self.marketplace.state(location)
            if found is not None and found.state is not InstallState.UNINSTALLED:
                try:
                    self.marketplace.uninstall(location)
                except (OutcomeUnknown, Refused) as error:
                    found = self.marketplace.state(location)  # it may have arrived, now or before
                    if found is not None and found.state is not InstallState.UNINSTALLED:
                        raise error from None
            ours = self.accounts.get(location, ())
            with self._ledger.write() as tx:
                if ours:
                    installs.stands(tx, self.name, location, InstallState.UNINSTALLED)
                else:
                    installs.forget(tx, self.name, location)
                self._audit(tx, audit.Act.INSTALL_ENDED, location, by)
                ended = self._end(tx, ours, by, audit.COMMAND)
                self._hold(tx, location, InstallState.UNINSTALLED)
        self._changed(location, InstallState.UNINSTALLED)
        return ended

    def _audit(self, tx: Transaction, act: audit.Act, location: str, by: str, says: str = "") -> None:
        subject = f"{self.name}/{shown(location, LONGEST_NUMBER)}"
        audit.note(tx, act, by=by, via=audit.COMMAND, subject="install", subject_id=subject, says=says)

    # -- rounds

    def look(self) -> None:
        """One round: what was told, what waits to be connected, and now and then every install.

        Raises what the marketplace raises, where it does not answer at all; the next round tries again. A location
        for which it does not answer keeps no other back: none is looked at twice before all others are once.
        """
        failed: VetBridgeError | None = None
        try:
            for part in (self.look_at_told, self._look_at_waiting, self._look_at_all):
                try:
                    part()
                except VetBridgeError as error:
                    failed = failed or error
            if failed is not None:
                raise failed
        finally:
            held, self._unlooked = self._unlooked, frozenset()
            if held:
                self._free(held)

    def look_at_told(self) -> None:
        """Asks for every location of which a call has told something. Who comes while another does leaves it to the
        rounds."""
        if not self._hearing.acquire(blocking=False):
            return
        try:
            for location in self._by_turn(list(self._told)):
                state = self._told.pop(location, None)
                if state is not None:
                    self._try(location, told=state)
        finally:
            self._hearing.release()

    def _look_at_waiting(self) -> None:
        with self._ledger.read() as tx:
            waiting = [row.location for row in installs.of(tx, self.name) if row.state == InstallState.PENDING]
        for location in self._by_turn(waiting):
            self._try(location)

    def _look_at_all(self) -> None:
        if self._clock.steady() < self._list_at:
            return
        now = self._clock.steady()
        self._list_at = now + LIST_EVERY
        try:
            try:
                self._list()
            except BadAnswer:
                # A list that cannot be read tells of nobody new; what is known is asked for by itself.
                with self._ledger.read() as tx:
                    known = [row.location for row in installs.of(tx, self.name)]
                for location in self._by_turn({*known, *self.accounts}):
                    self._try(location)
                raise
        except VetBridgeError as error:
            if error.scope is Scope.ACCOUNT:
                self._list_at = now + LIST_AGAIN
            raise

    def _by_turn(self, locations: Iterable[str]) -> list[str]:
        """Locations, those first that a round has not looked at for longest."""
        return sorted(locations, key=lambda location: (self._last.get(location, -1), location))

    def _list(self) -> None:
        listed = {each.location: each for each in self.marketplace.installs()}
        with self._ledger.read() as tx:
            known = {row.location: row.state for row in installs.of(tx, self.name)}
        as_known = []
        for location in self._by_turn({*listed, *known, *self.accounts}):
            install, state = listed.get(location), known.get(location)
            if install is not None and install.state == state and state != InstallState.PENDING:
                as_known.append(location)
            elif install is None or self._counts(location, install.state, state):
                self._try(location)
        if as_known:
            with self._ledger.write() as tx:
                installs.seen(tx, self.name, as_known)

    def _counts(self, location: str, state: str, known: str | None) -> bool:
        """Whether a listed install is to be looked at: one that was taken away from a location that nobody knows, or
        waits where it has lapsed, is no news."""
        return known is not None or location in self.accounts or state != InstallState.UNINSTALLED

    def _try(self, location: str, *, told: str = "") -> None:
        """Looks at one location. A vendor that answers nobody ends the round; all else is about this location."""
        self._last[location] = next(self._turns)
        try:
            self._look_at(location, told=told)
        except VetBridgeError as error:
            log.warning("install.unread", app=self.name, location=location, code=error.code)
            if error.scope is Scope.ACCOUNT:
                if told:
                    self._told.setdefault(location, told)
                raise

    # -- one location

    def _asked(self, location: str, *, patience: float = -1) -> Asked:
        row = self._look_at(location, asked=True, patience=patience)
        state = row.state if row is not None else UNKNOWN
        site = self._site(location)
        if state == InstallState.ACTIVE:
            within = timedelta(seconds=self.marketplace.activate_within)
            now = self._clock.now()
            is_new = row is not None and row.asked_at is not None and now - within < row.asked_at <= now
            how = How.ENDED if self._has_ended(location) else How.CONNECTED
            return Asked(location=location, how=how, site=site if is_new else "")
        if state == InstallState.PENDING:
            assert row is not None and row.until_at is not None  # noqa: S101, PT018 - of one that waits
            minutes = max(1, int((row.until_at - self._clock.now()).total_seconds() // 60))
            how = How.REFUSED if row.code else How.WAITS
            return Asked(location=location, how=how, site=site, code=row.code, minutes=minutes)
        how = How.FROZEN if state == InstallState.FROZEN else How.NOT_ASKED
        return Asked(location=location, how=how)

    def _later(self, location: str, code: str = "") -> Asked:
        self._list_at = float("-inf")
        return Asked(location=location, how=How.LATER, code=code)

    def _look_at(
        self, location: str, *, told: str = "", asked: bool = False, patience: float = -1
    ) -> tables.Install | None:
        """Asks how one location stands, notes it, and connects it where it waits and an account is for it.

        ``told``: what a life-cycle call said, believed where the vendor cannot be asked. ``asked``: a person has just
        clicked Connect, or says that it is to be connected. Returns what is known of it afterwards.
        ``patience``: seconds to wait while another looks at one, without an end where negative; raises
        ``Unavailable`` after that.
        """
        if not self._lock.acquire(timeout=patience):
            raise Unavailable(f"{self.name}: the marketplace is slow, and others are being asked for")
        try:
            found = self._state(location, told)
            state = found.state.value if found is not None else UNKNOWN
            if found is not None and found.state is InstallState.PENDING:
                state = self._pending(found, asked=asked)
                if state == InstallState.PENDING and self.accounts.get(location):
                    self._activate(location)
            else:
                self._note(location, state, found)
            with self._ledger.read() as tx:
                return installs.get(tx, self.name, location)
        finally:
            self._lock.release()

    def _state(self, location: str, told: str) -> Install | None:
        """How the vendor says that a location stands; None where it knows of no install there.

        A call that was the vendor's own is believed only so far, where the vendor cannot be asked: the account rests,
        and the next look asks again. A call bears no time: one that says "uninstall" may be an old one, and what has
        ended does not begin again by itself.
        """
        believed = Install(location=location, state=InstallState(told)) if told else None
        if told not in (InstallState.UNINSTALLED, InstallState.FROZEN):
            believed = None
        with self._ledger.read() as tx:
            row = installs.get(tx, self.name, location)
        try:
            found = self.marketplace.state(location)
        except VetBridgeError as error:
            if believed is None or (row is not None and row.state != InstallState.ACTIVE):
                raise  # where it is not active its account rests already
            log.warning("install.believed", app=self.name, location=location, state=told, code=error.code)
            self._told.setdefault(location, told)
            return believed if told == InstallState.FROZEN else None
        if found is None and told == InstallState.UNINSTALLED:
            if row is None or row.state != InstallState.ACTIVE:
                return believed
            self._told.setdefault(location, told)  # one answer that knows of nothing is soon asked for again
        return found

    def _pending(self, found: Install, *, asked: bool) -> str:
        """Notes that somebody has clicked Connect; returns ``pending``, or ``lapsed`` where that is too long ago.

        What is new is tried once, however long ago it was: VetBridge may have been down, and vendors' times differ.
        """
        with self._ledger.write() as tx:
            row = installs.get(tx, self.name, found.location)
            within = timedelta(seconds=self.marketplace.activate_within)
            at = found.since or tx.now
            if asked and at + within <= tx.now:
                at = tx.now  # whoever has just come from there has clicked just now
            is_new = row is None or row.state not in (InstallState.PENDING, LAPSED) or row.asked_at is None
            if row is not None and row.asked_at is not None and not is_new:
                # Clicked once more: the vendor says since when it waits, or a browser has just come.
                is_later = found.since is not None and found.since > row.asked_at
                is_new = is_later or (asked and row.state == LAPSED)
            if is_new:
                row = installs.asked(tx, self.name, found.location, at=at, until=at + within)
                self._changed(found.location, InstallState.PENDING)
            else:
                row = installs.get(tx, self.name, found.location)
                installs.seen(tx, self.name, [found.location])
            assert row is not None  # noqa: S101 - made just now
            is_tried = not is_new or found.location not in self.accounts
            is_over = row.until_at is not None and row.until_at <= tx.now
            if row.state == InstallState.PENDING and is_over and is_tried:
                installs.stands(tx, self.name, found.location, LAPSED)
                self._changed(found.location, LAPSED)
            self._hold(tx, found.location, row.state)
            return row.state

    def _activate(self, location: str) -> None:
        """Says yes to a pending install. Why that did not succeed stays on its row."""
        account = self._hooked(location)
        secret = self._config.accounts[account].hook_secret
        try:
            hook = None if secret is None else f"{self._app.address}/hooks/{account}/{secret.reveal()}"
            try:
                self.marketplace.activate(location, hook)
                found: Install | None = Install(location=location, state=InstallState.ACTIVE)
            except (OutcomeUnknown, Refused) as error:
                # It may have arrived, now or before.
                found = self.marketplace.state(location)
                if found is None or found.state is not InstallState.ACTIVE:
                    raise error from None
        except VetBridgeError as error:
            log.warning("install.refused", app=self.name, location=location, code=error.code)
            with self._ledger.write() as tx:
                installs.refused(tx, self.name, location, error.code)
            return
        self._note(location, InstallState.ACTIVE.value, found)

    def _hooked(self, location: str) -> str:
        """The account of a location to which webhooks go."""
        names = self.accounts[location]
        return next((each for each in names if self._config.accounts[each].hook_secret is not None), names[0])

    def _note(self, location: str, state: str, found: Install | None) -> None:
        """Notes how a location stands, and lets that have its effect, in one transaction."""
        ours = self.accounts.get(location, ())
        with self._ledger.write() as tx:
            row = installs.get(tx, self.name, location)
            was = row.state if row is not None else ""
            if not ours and state in (InstallState.UNINSTALLED, UNKNOWN):
                if was != LAPSED or state != UNKNOWN:
                    installs.forget(tx, self.name, location)
                else:
                    installs.seen(tx, self.name, [location])
                return
            if was in (LAPSED, InstallState.UNINSTALLED) and state == UNKNOWN:
                installs.seen(tx, self.name, [location])
                return
            since = found.since if found is not None else None
            installs.stands(tx, self.name, location, state, since=since)
            if state == InstallState.UNINSTALLED and was in _LIVED:
                self._end(tx, ours, by_app(self.name), audit.MARKETPLACE)
            freed = self._hold(tx, location, state)
        if was != state:
            self._changed(location, state)
        if (was, state) == (InstallState.ACTIVE, UNKNOWN):
            # Somebody may only have stumbled there.
            self._list_at = min(self._list_at, self._clock.steady() + LIST_AGAIN)
        if freed:
            self._free(freed)

    def _hold(self, tx: Transaction, location: str, state: str) -> list[str]:
        """Lets the accounts of a location rest, or go on; returns those that go on from now on."""
        freed = []
        for account in self.accounts.get(location, ()):
            if state == InstallState.ACTIVE:
                if pauses.resume(tx, INSTALL, account):
                    ledger_accounts.probe_now(tx, account)
                    freed.append(account)
            else:
                why = FROZEN if state == InstallState.FROZEN else NOT_CONNECTED
                pauses.pause(tx, INSTALL, account, until=None, by=by_app(self.name), why=why)
        return freed

    def _end(self, tx: Transaction, accounts: Collection[str], by: str, via: str) -> tuple[str, ...]:
        """The app was taken away: the pairs of its accounts end; nothing is cleaned up at either side."""
        found = []
        for name, site in self._config.sites.items():
            row = going_live.of(tx, name)
            stands = row is None or row.ended_at is None or (is_app(row.ended_by) and not is_app(by))
            if stands and not {site.booking.account, site.pims.account}.isdisjoint(accounts):
                leaving.end(tx, self._config, name, by, via=via)
                log.warning("pair.ended", site=name, app=self.name)
                found.append(name)
        return tuple(found)

    def _free(self, accounts: Collection[str]) -> None:
        self._unlooked -= frozenset(accounts)
        self.on_free(accounts)

    def _site(self, location: str) -> str:
        """What people call the site of a location; empty where none of the config is there."""
        ours = self.accounts.get(location, ())
        names = (each.name for each in self._config.sites.values() if each.booking.account in ours)
        return next(names, "")

    def _has_ended(self, location: str) -> bool:
        """Whether a location has pairs, and all of them have ended."""
        ours = self.accounts.get(location, ())
        pairs = {
            name
            for name, site in self._config.sites.items()
            if not {site.booking.account, site.pims.account}.isdisjoint(ours)
        }
        with self._ledger.read() as tx:
            return bool(pairs) and pairs <= going_live.ended(tx)

    def _changed(self, location: str, state: str) -> None:
        log.info("install.changed", app=self.name, location=location, state=str(state))


def build_connecting(loaded: Loaded, clock: Clock, ledger: Ledger) -> dict[str, Connecting]:
    """Every app of the config, by name."""
    return {name: build_one(loaded, name, clock, ledger) for name in loaded.config.apps}


def build_one(loaded: Loaded, name: str, clock: Clock, ledger: Ledger) -> Connecting:
    """One app of the config."""
    config = loaded.config
    marketplace = build_marketplace(loaded, name, clock)
    return Connecting(name, config.apps[name], marketplace, config, ledger, clock, places(config)[name])


def build_marketplace(loaded: Loaded, name: str, clock: Clock) -> Marketplace:
    """The marketplace of one app of the config. Its limits are scaled only where those of all its accounts are."""
    app = loaded.config.apps[name]
    scales = [account.limit_scale for account in loaded.config.accounts.values() if account.app == name]
    environment = Environment(
        account=name,
        zone="UTC",
        clock=clock,
        timeout=loaded.config.timings.request_timeout,
        limit_scale=min(scales, default=1.0),
        ca=loaded.config.network.ca,
    )
    return app_plugin(app.connector).build(app.options, environment)


def prepare(tx: Transaction, apps: Mapping[str, Connecting]) -> None:
    """What a start does to a ledger with the apps of its config; an account that no app is for any more goes on."""
    ours = {account for each in apps.values() for names in each.accounts.values() for account in names}
    for row in pauses.standing(tx):
        if row.scope == INSTALL and row.name not in ours:
            pauses.resume(tx, INSTALL, row.name)
    for each in apps.values():
        each.prepare(tx)
