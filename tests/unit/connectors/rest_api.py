"""An HTTP API in place of the network: what was asked is kept, and a function answers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connectors.rest import plugin
from connectors.rest.connector import Rest
from connectors.rest.options import RestOptions
from vetbridge.connector.http import Answer, HttpClient
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.testing.clock import FakeClock

BASE = "https://api.clinic.example/v1"
CLIENT: dict[str, Any] = {
    "id": "c1",
    "last": "Fox",
    "first": "Ann",
    "phone": "07911 123456",
    "mail": "ann@fox.example",
}
VISIT: dict[str, Any] = {
    "id": 7,
    "owner": {"id": "c1"},
    "pet": None,
    "at": "2026-06-15T09:00:00+01:00",
    "minutes": 15,
    "state": "planned",
    "who": "v1",
    "what": "checkup",
    "text": "[VetBridge VB-0000000001]\nlimping\n[/VetBridge]",
    "changed": "2026-03-01T10:00:00Z",
}
PROFILE: dict[str, Any] = {
    "title": "an API",
    "proven": "a test",
    "auth": {"kind": "none"},
    "paging": {"kind": "none"},
    "kinds": {
        "client": {
            "list": {"path": "/clients", "items": "data"},
            "get": "/clients/{id}",
            "search": {"phone": {"query": {"tel": "{phone}"}}, "email": {"query": {"mail": "{email}"}}},
            "fields": {"id": "id", "family_name": "last", "given_name": "first", "phones": "phone", "emails": "mail"},
        },
        "appointment": {
            "list": {"path": "/visits", "items": "data"},
            "get": "/visits/{id}",
            "search": {
                "client_id": {"query": {"owner": "{client_id}"}},
                "start_from": {"query": {"from": "{start_from}"}},
                "start_before": {"query": {"to": "{start_before}"}},
            },
            "fields": {
                "id": "id",
                "client_id": "owner.id",
                "pet_id": {"column": "pet.id", "optional": True},
                "start": "at",
                "duration": "minutes",
                "status": "state",
                "resource": "who",
                "appointment_type": "what",
                "notes": "text",
            },
        },
    },
}


@dataclass(frozen=True)
class Asked:
    """One request as it left."""

    method: str
    url: str
    query: Mapping[str, Any]
    body: Any
    headers: Mapping[str, str]


@dataclass
class Api:
    """Answers by ``answer(asked)``: a body, or a status and a body, or an ``Answer``."""

    answer: Callable[[Asked], Any] = lambda asked: {"data": []}
    asked: list[Asked] = field(default_factory=list)

    def exchange(self, client: HttpClient, request: Any) -> Answer:
        """In place of the network."""
        headers = {**(client._authorise() if client._authorise else {}), **(request.headers or {})}
        url = f"{str(client._client.base_url).rstrip('/')}{request.path}"
        asked = Asked(request.method, url, dict(request.params or {}), request.body, headers)
        self.asked.append(asked)
        told = self.answer(asked)
        if isinstance(told, Answer):
            return told
        return Answer(told[0], {}, told[1]) if isinstance(told, tuple) else Answer(200, {}, told)


def serving(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Asked], Any] | None = None) -> Api:
    """An API that every client speaks to until the test ends."""
    api = Api() if answer is None else Api(answer)

    def exchange(client: HttpClient, what: str, request: Any) -> Answer:
        return api.exchange(client, request)

    monkeypatch.setattr(HttpClient, "_exchange", exchange)
    return api


def changed(profile: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A profile with other values, by dotted names with ``__`` for dots; None takes one out."""
    made = copy.deepcopy(dict(profile))
    for place, value in more.items():
        *way, last = place.split("__")
        inside = made
        for step in way:
            inside = inside.setdefault(step, {})
        if value is None:
            inside.pop(last, None)
        else:
            inside[last] = value
    return made


def connected(
    folder: Path,
    profile: Mapping[str, Any],
    *,
    secrets: Mapping[str, str] | None = None,
    clock: FakeClock | None = None,
    zone: str = "Europe/London",
    **options: Any,
) -> Rest:
    """The connector of an account with this profile."""
    path = folder / "site.yaml"
    path.write_text(json.dumps(dict(profile), indent=1), encoding="utf-8")  # JSON is YAML, too
    given = {"base_url": BASE, "profile": path, **options}
    given["secrets"] = {name: Secret.of(text) for name, text in (secrets or {}).items()}
    environment = Environment(
        account="rest-city", zone=zone, country="GB", clock=clock or FakeClock(), limit_scale=1e6, timeout=5.0
    )
    built = plugin.build(RestOptions.model_validate(given), environment)
    assert isinstance(built, Rest)
    return built
