"""Pause and resume: a person says that nothing is to be done with a site, an account or a kind for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vetbridge.config.models import Config
from vetbridge.core.installs import INSTALL
from vetbridge.core.records import Kind
from vetbridge.desk.paused import PauseStatus, paused
from vetbridge.ledger import accounts as ledger_accounts
from vetbridge.ledger import audit, codelists, pauses, reports, shapes
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import OPEN_STATES

KINDS = (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT, Kind.ATTACHMENT, Kind.REMINDER)
"""The kinds of records that flow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is paused or resumed, and what that concerns."""

    scope: str
    name: str
    pause: PauseStatus | None
    """The pause that holds now."""
    open_changes: int
    """Changes that are open now at the sites it concerns; of the kind, where it is one."""
    blocked: bool = False
    """An account that refuses the credentials: a resume asks it at once whether it takes them."""
    app: PauseStatus | None = None
    """Of an account whose app is not connected: no resume ends that."""

    @property
    def words(self) -> str:
        """What people call it."""
        if self.scope != "kind":
            return f"{self.scope.capitalize()} {self.name}"
        site, _, kind = self.name.partition("/")
        return f"Kind {kind} at site {site}"


def names(tx: Transaction, config: Config) -> dict[str, set[str]]:
    """Every name that can be paused or resumed, by scope: the config's, and those that are paused."""
    known = {
        "site": set(config.sites),
        "account": set(config.accounts),
        "kind": {kind_name(site, kind) for site in config.sites for kind in KINDS},
    }
    for row in pauses.standing(tx):
        known["account" if row.scope == INSTALL else row.scope].add(row.name)
    return known


def kind_name(site: str, kind: Kind) -> str:
    """The name by which a kind at a site is paused."""
    return f"{site}/{kind.value}"


def scope_of(known: dict[str, set[str]], given: str) -> tuple[str, str] | None:
    """Scope and name of what a person names; None where nothing is called so.

    A name that a site and an account share means the site; ``account/NAME`` and ``site/NAME`` say which.
    """
    scope, slash, name = given.partition("/")
    if slash and scope in known:
        return (scope, name) if name in known[scope] else None
    return next(((scope, given) for scope in ("site", "account") if given in known[scope]), None)


def target(tx: Transaction, config: Config, scope: str, name: str) -> Target:
    """What a pause of a site, an account or a kind concerns now."""
    if scope == "kind":
        site, _, kind = name.partition("/")
        return Target(
            scope=scope,
            name=name,
            pause=_held(tx, config, scope, name),
            open_changes=pauses.open_changes(tx, site, Kind(kind)),
        )
    sites = (
        {name}
        if scope == "site"
        else {key for key, site in config.sites.items() if name in (site.booking.account, site.pims.account)}
    )
    states = reports.site_reports(tx)
    return Target(
        scope=scope,
        name=name,
        pause=_held(tx, config, scope, name),
        open_changes=sum(
            states[site].states.get(state, 0) for site in sites if site in states for state in OPEN_STATES
        ),
        blocked=scope == "account" and ledger_accounts.is_blocked(tx, name),
        app=_held(tx, config, INSTALL, name) if scope == "account" else None,
    )


def _held(tx: Transaction, config: Config, scope: str, name: str) -> PauseStatus | None:
    return next((each for each in standing(tx, config) if (each.scope, each.name) == (scope, name)), None)


def pause(
    tx: Transaction,
    config: Config,
    scope: str,
    name: str,
    *,
    until: datetime | None,
    by: str,
    via: str = audit.COMMAND,
) -> PauseStatus:
    """Pauses it, or changes until when it is paused. A running VetBridge minds it within a second or two."""
    says = "" if until is None else f"until {until.isoformat(timespec='seconds')}"
    _note(tx, Act.PAUSED, scope, name, by=by, via=via, says=says)
    return paused(config, pauses.pause(tx, scope, name, until=until, by=by))


def resume(
    tx: Transaction,
    config: Config,
    scope: str,
    name: str,
    *,
    accept: bool = False,
    by: str,
    via: str = audit.COMMAND,
) -> bool:
    """Ends a pause; False where there was none. An account that refuses the credentials is asked again at once; that
    its app is not connected ends by itself alone.

    ``accept``: the code lists and the shape of records, as they are now at the accounts it concerns, are right: what
    they were is forgotten. Without it, VetBridge pauses a site again that it has paused itself, if it finds the same.
    """
    if accept:
        for account in accounts(config, scope, name):
            codelists.forget(tx, account)
            shapes.forget(tx, account)
    ended = pauses.resume(tx, scope, name)
    asked = scope == "account" and ledger_accounts.probe_now(tx, name)
    if ended or accept or asked:
        _note(tx, Act.RESUMED, scope, name, by=by, via=via, says="accepted" if accept else "")
    return ended


def accounts(config: Config, scope: str, name: str) -> tuple[str, ...]:
    """The accounts that a pause concerns; none of a site that is no longer in the config."""
    if scope == "account":
        return (name,)
    site = config.sites.get(name.partition("/")[0])
    return () if site is None else (site.booking.account, site.pims.account)


def standing(tx: Transaction, config: Config) -> tuple[PauseStatus, ...]:
    """The pauses that hold now."""
    found = (paused(config, row) for row in pauses.standing(tx))
    return tuple(sorted(found, key=lambda each: (each.scope, each.name)))


def _note(tx: Transaction, act: Act, scope: str, name: str, *, by: str, via: str, says: str) -> None:
    site = "" if scope == "account" else name.partition("/")[0]
    audit.note(tx, act, by=by, via=via, site=site, subject=scope, subject_id=name, says=says)
