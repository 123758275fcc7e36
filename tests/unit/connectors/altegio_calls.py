"""Calls to the simulator of Altegio, as a program that knows nothing of VetBridge makes them."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from connectors.altegio.simulator import AltegioSimulator

APART = ("/_sim", "/marketplace")
"""What does not stand below the API's own address."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    """Names in small letters."""
    body: Any

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def meta(self) -> Any:
        return self.body["meta"]


class Calls:
    """Requests with the simulator's tokens, unless others are given."""

    def __init__(self, simulator: AltegioSimulator) -> None:
        self.simulator = simulator
        known = simulator.credentials
        self.partner = f"Bearer {known['partner_token']}"
        self.both = f"{self.partner}, User {known['user_token']}"

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        auth: str | None = None,
        accept: str = "",
        kind: str = "application/json",
        **query: Any,
    ) -> Answer:
        """``kind``: the body's media type; bytes go as they are, anything else as JSON."""
        url = urlsplit(self.simulator.base_url)
        target = ("" if path.startswith(APART) else url.path) + path
        target += f"?{urlencode(query, doseq=True)}" if query else ""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body)
        headers = {"Authorization": self.both if auth is None else auth, "Content-Type": kind, "Accept": accept}
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            words = response.read()
            lower = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lower, json.loads(words) if words else None)
        finally:
            connection.close()
