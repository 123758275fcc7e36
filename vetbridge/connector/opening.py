"""What the way to a vendor's API is made of: the budgets, clients and downloads of one account."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from vetbridge.connector.budgets import Budgets
from vetbridge.connector.http import LARGEST_FILE, Downloads, HttpClient, HttpRefused
from vetbridge.connector.interface import BudgetSpec
from vetbridge.connector.plugin import Environment
from vetbridge.core.errors import AuthFailed, Unavailable

JSON: Mapping[str, str] = {"Accept": "application/json", "User-Agent": "VetBridge"}
"""Headers of one who asks for JSON."""

FORM: Mapping[str, str] = {"Content-Type": "application/x-www-form-urlencoded"}
"""Headers of a request whose body is a form."""

NOWHERE_ELSE = ("no-other-host.invalid",)
"""Hosts of downloads that come from the account's own address alone: without a name every public host would do."""

NO_FILES = ("application/json", "text/html")
"""Media types in which vendors say why they give no file."""

LARGEST_METADATA = 16 * 1024 * 1024
"""Bytes of a service's description of itself."""


def budgets(environment: Environment, specs: Iterable[BudgetSpec], place: str) -> Budgets:
    """An account's budgets; ``place`` as ``Budgets`` has it."""
    return Budgets(
        specs,
        environment.clock,
        scale=environment.limit_scale,
        pauses=environment.pauses,
        on_pause=environment.on_pause,
        pool=environment.pool,
        place=place,
    )


def client(
    url: str,
    environment: Environment,
    budgets: Budgets,
    *,
    headers: Mapping[str, str] = JSON,
    authorise: Callable[[], Mapping[str, str]] | None = None,
    refresh: Callable[[], None] | None = None,
    wait_of: Callable[[Mapping[str, str], Any], float | None] | None = None,
) -> HttpClient:
    """A client for one address; ``authorise``, ``refresh`` and ``wait_of`` as ``HttpClient`` has them."""
    return HttpClient(
        url,
        account=environment.account,
        budgets=budgets,
        clock=environment.clock,
        timeout=environment.timeout,
        headers=headers,
        authorise=authorise,
        refresh=refresh,
        wait_of=wait_of,
        ca=environment.ca,
        on_date=environment.on_date,
    )


def downloads(
    base_url: str,
    environment: Environment,
    *,
    hosts: Collection[str] = (),
    authorise: Callable[[], Mapping[str, str]] | None = None,
    largest: int = LARGEST_FILE,
    wait_of: Callable[[Mapping[str, str], Any], float | None] | None = None,
) -> Downloads:
    """The files of an account, as ``Downloads`` fetches them."""
    return Downloads(
        base_url,
        account=environment.account,
        clock=environment.clock,
        timeout=environment.timeout,
        ca=environment.ca,
        hosts=hosts,
        authorise=authorise,
        largest=largest,
        wait_of=wait_of,
        no_files=NO_FILES,
    )


class Metadata:
    """What an OData service says of itself, at ``path`` below the account's address. It is XML, which comes as a file
    does, but is shown to whoever may read alone: ``authorise`` as ``Downloads`` has it."""

    def __init__(
        self, base_url: str, path: str, environment: Environment, authorise: Callable[[], Mapping[str, str]]
    ) -> None:
        self._url = f"{base_url}{path}"
        self._what = f"{environment.account}: GET {path}"
        self._papers = downloads(
            base_url, environment, hosts=NOWHERE_ELSE, authorise=authorise, largest=LARGEST_METADATA
        )

    def read(self, *, who: str = "service", then: str = "") -> bytes:
        """The description (CSDL). Raises ``AuthFailed``, and ``Unavailable`` with code no-metadata where there is
        none, in words that name the service (``who``) and what to do (``then``)."""
        try:
            return b"".join(self._papers.pieces(self._url))
        except HttpRefused as refusal:
            if refusal.status in (401, 403):
                raise AuthFailed(f"{self._what}: answered {refusal.status}") from None
            said = f"{self._what}: answered {refusal.status}, so the {who} does not describe itself there{then}"
            raise Unavailable(said, code="no-metadata") from None
