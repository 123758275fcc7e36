"""The demo's folder: secrets, config, and where everything that is kept stands."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vetbridge.config.models import WEEKDAYS
from vetbridge.config.writing import config_text
from vetbridge.demo.story import DUE_FIELDS, Branch
from vetbridge.testing.clinic import Service

ORGANISATION = "demo"
"""What the config calls a chain."""
APP = "altegio-app"
"""What it calls the app on the platform's marketplace, by which a chain connects its branches."""

TIMINGS: Mapping[str, float] = {
    "absence_confirm": 3,
    "retry_first": 1,
    "retry_longest": 4,
    "request_timeout": 2,
    "pims_refresh": 3,
    "sweep": 60,
    "files": 2,
    "due_services": 3,
}
"""Shorter than in a clinic, so that nobody waits in front of a demo; the demo says so."""
POLL = 2
"""Seconds between two polls; a clinic's default is 60."""
_PER_BRANCH = ("pims_refresh", "files", "due_services")
"""What one machine does for each branch, as it polls: in a chain less often."""
_MORE_SCOPES = ("read-attachment", "write-attachment", "read-vaccination", "read-consult")
"""What files and due services take beside the connector's default."""
_FILES: Mapping[str, Any] = {
    "to_pims": {"types": {"pdf": 10}},
    "to_booking": {"types": {"pdf": 10}, "names": ["*discharge*"]},
}
"""What a site wants done about files."""
_DUE: Mapping[str, Any] = {
    "notices": {
        "text": "{clinic}: {pets} is due for {services} by {date}.",
        "hours": "00:00-24:00",
        "weekdays": list(WEEKDAYS),
        "late_days": 0,
    }
}
"""What it wants done about services that are due."""
_LIMIT_SCALE = 1000.0
"""The simulators run with limits off."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The folder of one demo."""

    folder: Path

    @property
    def config(self) -> Path:
        """The config that the daemon runs with; every other command takes it too."""
        return self.folder / "config.yaml"

    def data(self, name: str) -> Path:
        """Where a simulator keeps its store."""
        return self.folder / name

    def location(self, number: str, *, of_chain: bool) -> Path:
        """Where the platform's simulator keeps the store of a location."""
        return self.data("altegio") / number if of_chain else self.data("altegio")

    def log(self, name: str) -> Path:
        """Where a child's standard error goes."""
        return self.folder / f"{name}.log"


@dataclass(frozen=True, slots=True)
class ByHand:
    """How VetBridge reaches a practice whose system has no API: what its account and its side of the site say."""

    account: Mapping[str, Any]
    codes: Mapping[str, Mapping[str, list[str]]]
    placeholder: Mapping[str, str] | None = None
    """Client and pet for visits that are nobody's yet; None: the practice needs none."""

    @property
    def side(self) -> dict[str, Any]:
        """What the site says of it."""
        return {"codes": self.codes} | ({} if self.placeholder is None else {"placeholder": self.placeholder})


@dataclass(frozen=True, slots=True)
class Sides:
    """What a branch's two simulators said when they were ready, and the platform's ids by VetBridge's words."""

    branch: Branch
    booking: Mapping[str, Any]
    pims: Mapping[str, Any]
    staff: Mapping[str, int]
    services: Mapping[str, int]
    labels: Mapping[str, int]
    by_hand: ByHand | None = None
    """The account of a practice whose system has no API; None: it is ezyVet's."""


def polls_every(branches: int) -> float:
    """Seconds between two polls of each account."""
    return POLL * (branches + 1) / 2


def timings(branches: int) -> dict[str, float]:
    """The config's timings."""
    slower = polls_every(branches) / POLL
    return {name: value * slower if name in _PER_BRANCH else value for name, value in TIMINGS.items()}


def free_port() -> int:
    """A TCP port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the platform reaches VetBridge."""

    hooks: Mapping[str, str]
    """By site, for webhooks."""
    app: str
    """For browsers that come from the marketplace, and its life-cycle calls."""


def write_config(stage: Stage, sides: Sequence[Sides]) -> Doors:
    """Writes the secrets and the config into the folder; returns where VetBridge's doors will be.

    A chain's accounts at the platform are connected by an app, and have its tokens.

    Where a branch's morning says so, a service has no code on the PIMS's side, as if somebody had forgotten it;
    ``mend_config`` writes it in.
    """
    keep = Secrets(stage.folder)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    apps = _apps(sides[0], address, keep) if sides[0].branch.of_chain else {}
    accounts: dict[str, Any] = {}
    sites: dict[str, Any] = {}
    hooks: dict[str, str] = {}
    for side in sides:
        branch = side.branch
        hook_secret = secrets.token_urlsafe(24)
        accounts |= _accounts(side, hook_secret, keep, poll=polls_every(len(sides)))
        sites[branch.site] = _site(side)
        hooks[branch.site] = f"{address}/hooks/{branch.booking_account}/{hook_secret}"
    config = {
        "version": 1,
        "ledger": {"path": "vetbridge.db", "key": keep("ledger.key", secrets.token_urlsafe(32))},
        "door": {"host": "127.0.0.1", "port": port},
        "timings": timings(len(sides)),
        "log": {"format": "json"},
        **({"apps": apps} if apps else {}),
        "accounts": accounts,
        "sites": sites,
    }
    _write(stage, config)
    return Doors(hooks, f"{address}/apps/{APP}")


def mend_config(stage: Stage, branch: Branch) -> None:
    """Writes the code into the config that was forgotten there, if one was."""
    service = branch.morning.unmapped
    if service is None:
        return
    config = yaml.safe_load(stage.config.read_text(encoding="utf-8"))
    types = config["sites"][branch.site]["pims"]["codes"]["appointment_type"]
    types[service.code] = _pims_codes()["codes"]["appointment_type"][service.code]
    _write(stage, config)


def _write(stage: Stage, config: Mapping[str, Any]) -> None:
    text = config_text(config)
    stage.config.write_text(f"# Made by `vetbridge demo`; it points at the simulators.\n{text}", encoding="utf-8")


def _accounts(side: Sides, hook_secret: str, keep: Secrets, *, poll: float) -> dict[str, Any]:
    booking, pims = side.branch.booking_account, side.branch.pims_account
    return {
        booking: {
            "connector": "altegio",
            "poll": poll,
            "limit_scale": _LIMIT_SCALE,
            "hook_secret": keep(f"{booking}.hook", hook_secret),
            **_connected(side, keep),
        },
        pims: {
            "poll": poll,
            "limit_scale": _LIMIT_SCALE,
            **(
                {"connector": "ezyvet", "options": _pims_options(pims, side.pims, keep)}
                if side.by_hand is None
                else side.by_hand.account
            ),
        },
    }


def _site(side: Sides) -> dict[str, Any]:
    branch = side.branch
    morning = branch.morning
    return {
        "name": branch.title,
        **({"organisation": ORGANISATION} if branch.of_chain else {}),
        "zone": morning.clinic.zone,
        "country": morning.clinic.country,
        "booking": {
            "account": branch.booking_account,
            "codes": {
                "appointment_type": {word: str(number) for word, number in side.services.items()},
                "resource": {word: str(number) for word, number in side.staff.items()},
            },
        },
        "pims": {
            "account": branch.pims_account,
            **(_pims_codes(without=morning.unmapped) if side.by_hand is None else side.by_hand.side),
        },
        "fuse": morning.fuse,
        **({"attachments": _FILES} if side.by_hand is None or morning.papers else {}),
        **({"reminders": _DUE} if side.by_hand is None or morning.due else {}),
        "start": "live",
        "first_days": {"days": 0},
    }


def _apps(side: Sides, address: str, keep: Secrets) -> dict[str, Any]:
    options = {
        "application_id": side.booking["credentials"]["application_id"],
        "marketplace_url": side.booking["marketplace_url"],
        **_access(APP, side.booking, keep),
    }
    return {APP: {"connector": "altegio", "address": address, "options": options}}


def _connected(side: Sides, keep: Secrets) -> dict[str, Any]:
    """How an account at the platform is reached: by the chain's app, or with tokens of its own."""
    location = {
        "location_id": side.booking["credentials"]["location_id"],
        "due_fields": DUE_FIELDS,
        "due_labels": {word: str(number) for word, number in side.labels.items()},
        "mailing": {"clients": "client_ids", "text": "text"},
    }
    if side.branch.of_chain:
        return {"app": APP, "options": location}
    return {"options": {**location, **_access(side.branch.booking_account, side.booking, keep)}}


def _access(name: str, ready: Mapping[str, Any], keep: Secrets) -> dict[str, Any]:
    given = ready["credentials"]
    return {
        "base_url": ready["base_url"],
        "partner_token": keep(f"{name}.partner_token", given["partner_token"]),
        "user_token": keep(f"{name}.user_token", given["user_token"]),
    }


def _pims_options(account: str, ready: Mapping[str, Any], keep: Secrets) -> dict[str, Any]:
    given = ready["credentials"]
    return {
        "base_url": ready["base_url"],
        "partner_id": given["partner_id"],
        "client_id": given["client_id"],
        "client_secret": keep(f"{account}.client_secret", given["client_secret"]),
        "site_uid": given["site_uid"],
        "cancellation_reason": 1,
        "new_pet": {"sex_id": _sex_unknown()},
        "block_types": [_block_type()],
        "scope": _scopes(),
    }


def _pims_codes(*, without: Service | None = None) -> dict[str, Any]:
    """The ids that the simulated site's lists and its placeholder have."""
    from connectors.ezyvet import simulator  # noqa: PLC0415 - only needed once the demo runs

    codes = {name: {word: str(code) for word, code in codes.items()} for name, codes in simulator.CODE_LISTS.items()}
    if without is not None:
        del codes["appointment_type"][without.code]
    return {
        "codes": codes,
        "placeholder": {"client": str(simulator.PLACEHOLDER_CONTACT), "pet": str(simulator.PLACEHOLDER_ANIMAL)},
    }


def _scopes() -> list[str]:
    from connectors.ezyvet.options import SCOPES  # noqa: PLC0415 - only needed once the demo runs

    return [*SCOPES, *_MORE_SCOPES]


def _sex_unknown() -> str:
    from connectors.ezyvet import simulator  # noqa: PLC0415 - only needed once the demo runs

    return str(simulator.CODE_LISTS["sex"]["unknown"])


def _block_type() -> str:
    from connectors.ezyvet import simulator  # noqa: PLC0415 - only needed once the demo runs

    return str(simulator.BLOCK_TYPE)


class Secrets:
    """Writes secrets into files that only their owner reads, and says where they stand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "secrets"
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def __call__(self, name: str, secret: str) -> dict[str, str]:
        path = self._folder / name
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(secret)
        return {"file": f"secrets/{name}"}
