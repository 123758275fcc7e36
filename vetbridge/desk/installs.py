"""Installs of marketplace apps, as people see them and act on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vetbridge.config.secrets import Secret
from vetbridge.config.writing import as_key, on_one_line
from vetbridge.desk.language import phrase

if TYPE_CHECKING:
    from vetbridge.config.models import Account, App, BookingEnd, Config, Site

_ANSWERS: Mapping[str, str] = MappingProxyType(
    {
        "connected": "Connected. There is nothing more to do.",
        "ended": "Connected, and nothing is carried over yet: VetBridge has ended its work for this branch. Tell "
        "whoever looks after VetBridge to let it begin again.",
        "waits": "Not connected yet: VetBridge does not know this branch. Tell whoever looks after VetBridge to add "
        "it within {minutes} minutes; it is then connected by itself. After that time, click Connect once more.",
        "refused": "Not connected yet: the marketplace refused it. VetBridge tries again for {minutes} minutes. If "
        "it is not connected then, click Connect once more, or tell whoever looks after VetBridge.",
        "not-asked": "Not connected: the marketplace knows of no wish to connect this branch. Click Connect there.",
        "frozen": "The marketplace has suspended VetBridge for this branch. Ask there why.",
        "later": "Not connected yet: the marketplace does not answer. VetBridge tries again by itself within "
        "minutes.",
    }
)
"""What the clinic reads that has just clicked Connect, by what became of it."""


def by_app(name: str) -> str:
    """Who paused an account, or ended a pair, as an app's install says so."""
    return f"the app {name}"


def is_app(by: str) -> bool:
    """Whether it was an app's install; also one that the config calls otherwise by now."""
    return by.startswith(by_app(""))


def answer(how: str, *, minutes: int) -> str:
    """What became of a branch, for whoever has just clicked Connect."""
    return phrase(_ANSWERS[how], minutes=minutes)


# -- what to add to the config


def models(config: Config, app: str) -> list[str]:
    """The sites of the config that a draft for an app's branch can be made like: those of the same app come first."""
    connector = config.apps[app].connector
    accounts = {name: account for name, account in config.accounts.items() if account.connector == connector}
    ours = [site for site, each in config.sites.items() if each.booking.account in accounts]
    return sorted(ours, key=lambda site: accounts[config.sites[site].booking.account].app != app)


OF_A_LOCATION = ("appointment_type", "resource")
"""Code lists that are another's at every location: a draft has them empty at the booking side."""


def draft(config: Config, app: str, locations: Sequence[str], *, like: str, number_key: str) -> str:
    """The accounts and sites to add to the config for branches, as YAML; like a site of it, but not approved.

    ``number_key`` is the option of an account that holds the location's number. Of secrets nothing but the form of
    their place is taken over. The practice system's codes are the other site's, as it is the same account; the
    booking side's lists of ``OF_A_LOCATION`` are empty, for `vetbridge mapping fill`.
    """
    site = config.sites[like]
    account = config.accounts[site.booking.account]
    accounts: list[str] = []
    sites: list[str] = []
    for location in locations:
        name = _name(location)
        own = site.booking.account.replace(like, name) if like in site.booking.account else ""
        own = own or f"{config.apps[app].connector}-{name}"
        options = {number_key: location, **_options(account, config.apps[app], number_key)}
        accounts += _account(own, account, app, options)
        sites += _site(name, own, site, like)
    return "\n".join(["accounts:", *accounts, "", "sites:", *sites, ""])


def _name(location: str) -> str:
    """A name that the config takes, made of a location's number."""
    return f"branch-{re.sub(r'[^a-z0-9]+', '-', location.lower()).strip('-')}"


def _options(like: Account, app: App, number_key: str) -> dict[str, Any]:
    """What an account's options say by themselves: neither a secret, nor what comes from the app."""
    options = like.options
    own = options.model_fields_set - set(type(app.options).model_fields) - {number_key}
    plain = {name for name in own if not isinstance(getattr(options, name), Secret)}
    told: dict[str, Any] = options.model_dump(mode="json", include=plain)
    return told


def _account(name: str, like: Account, app: str, options: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {name}:"
    yield f"    connector: {like.connector}"
    yield f"    app: {app}"
    if "poll" in like.model_fields_set:
        yield f"    poll: {like.poll:g}"
    secret = like.hook_secret
    if secret is not None and secret.kind == "file":
        yield f"    # make it: (umask 077; openssl rand -hex 20 > {name}-hook.secret)"
        yield f"    hook_secret: {{file: {name}-hook.secret}}"
    elif secret is not None and secret.kind == "env":
        yield f"    hook_secret: {{env: {name.upper().replace('-', '_')}_HOOK_SECRET}}    # set it"
    elif secret is not None:
        yield f"    # hook_secret: a secret of its own, by a {secret.kind}"
    yield "    options:"
    for key, value in options.items():
        yield f"      {key}: {on_one_line(value)}"


def _site(name: str, account: str, like: Site, like_name: str) -> Iterator[str]:
    yield f"  # As {like_name}, but for the names, and the booking side's codes: vetbridge mapping fill {name}"
    yield f"  {name}:"
    yield f"    name: Branch {name.removeprefix('branch-')}    # CHANGE"
    if like.organisation is not None:
        yield f"    organisation: {like.organisation}"
    yield f"    zone: {like.zone}"
    yield f"    country: {like.country}"
    rest = like.model_dump(mode="json", exclude_unset=True, include={"create", "first_days", "fuse", "owners"})
    for key, value in rest.items():
        yield f"    {key}: {on_one_line(value)}"
    if like.opening_hours:
        yield "    # opening_hours: the branch's own"
    yield "    booking:"
    yield f"      account: {account}"
    yield from _end(like.booking, empty=OF_A_LOCATION)
    yield "    pims:"
    yield f"      account: {like.pims.account}"
    yield from _end(like.pims)
    if like.pims.placeholder is not None:
        stand_in = like.pims.placeholder
        yield f'      placeholder: {{client: "{stand_in.client}", pet: "{stand_in.pet}"}}'


def _end(like: BookingEnd, *, empty: Sequence[str] = ()) -> Iterator[str]:
    """The mapping and the code lists of one side, of which some are ``empty``."""
    if like.mapping is not None:
        yield f"      mapping: {on_one_line(like.mapping)}"
    if like.codes:
        yield "      codes:"
    for name, entries in like.model_dump(mode="json", exclude_none=True, include={"codes"}).get("codes", {}).items():
        yield f"        {as_key(name)}: {on_one_line({} if name in empty else entries)}"


def number_key(options: Any, location: str) -> str:
    """The option of an account that holds its location's number."""
    fields = type(options).model_fields
    return str(next(name for name in fields if str(getattr(options, name)) == location))
