"""How VetBridge reaches a simulated practice: the account that the config says for one way, with its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from vetbridge.connector.plugin import System, Way, WayPart, plugin
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.demo.stage import Secrets

FOLDER = "exchange"
"""Where exported files go, from the config's folder."""
SETTLE = 1.0
"""Seconds for which an exported file must stand still; a clinic's default is 10."""
BY_HAND = frozenset({"files", "sql"})
"""Connectors by which nothing is written: people type what comes from the platform."""
DUE = frozenset({Kind.REMINDER, Kind.VACCINATION})
"""Kinds that say what is due."""
_CARRIES: Mapping[str, frozenset[Kind]] = {
    "vetdata": frozenset({Kind.VACCINATION}),
    "idexx_data_services": frozenset({Kind.REMINDER, Kind.ATTACHMENT}),
}
"""What feeds show beside clients, pets and visits."""


def account_of(system: System, way: Way, ready: Mapping[str, Any], keep: Secrets) -> dict[str, Any]:
    """The account; secrets go where ``keep`` puts them."""
    parts = {
        name: {
            "connector": part.connector,
            "serves": [kind.value for kind in part.serves],
            "options": _options(system, part, ready, keep),
        }
        for name, part in way.parts.items()
    }
    account = {"connector": way.connector, "options": _options(system, way, ready, keep)}
    return account | ({"parts": parts} if parts else {})


def uses_files(way: Way) -> bool:
    """Whether the practice exports files for it."""
    return "files" in {way.connector, *(part.connector for part in way.parts.values())}


def carries(way: Way) -> frozenset[Kind]:
    """Which of attachments, reminders and vaccinations the morning is to show. Files by a document's own name go
    where VetBridge writes by itself alone."""
    own = _CARRIES.get(way.connector, frozenset())
    served = own.union(*(part.serves for part in way.parts.values()))
    return served - {Kind.APPOINTMENT} - ({Kind.ATTACHMENT} if is_typed(way) else frozenset())


def is_typed(way: Way) -> bool:
    """Whether people type the visits."""
    serving = next((part for part in way.parts.values() if Kind.APPOINTMENT in part.serves), way)
    return serving.connector in BY_HAND or serving.sets.get("writes") == "handed"


def _options(system: System, part: Way | WayPart, ready: Mapping[str, Any], keep: Secrets) -> dict[str, Any]:
    options: dict[str, Any] = {"profile": system.name} if part.profile else {}
    match part.connector:
        case "files":
            return {**options, **part.sets, "folder": FOLDER, "settle": SETTLE}
        case "sql":
            connection = keep("pims.connection", f"Driver=SQLite3;Database={ready['database']}")
            return {**options, **part.sets, "dialect": "sqlite", "connection": connection}
        case "rest":
            secrets = {name: keep(f"pims.{name}", secret) for name, secret in ready["credentials"].items()}
            return {**options, **part.sets, "base_url": ready["base_url"], "secrets": secrets}
    known = plugin(part.connector).options.model_fields
    given = {
        name: keep(f"pims.{name}", value) if _is_secret(known[name].annotation) else value
        for name, value in ready["credentials"].items()
        if name in known
    }
    return {**options, **part.sets, **ready.get("options", {}), "base_url": ready["base_url"], **given}


def _is_secret(annotation: Any) -> bool:
    return annotation is Secret or Secret in get_args(annotation)
