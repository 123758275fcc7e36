"""The way to one account's services: who asks, what answers mean, lists, writes and documents."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from connectors.idexx_data_services.options import BUDGET, IdexxOptions
from vetbridge.connector import opening
from vetbridge.connector.http import Answer, HttpClient, HttpRefused
from vetbridge.connector.interface import BudgetSpec, Content
from vetbridge.connector.odata import Dialect, Lists
from vetbridge.connector.opening import FORM, Metadata
from vetbridge.connector.plugin import Environment
from vetbridge.connector.token import SharedToken, Token, checked
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    Refused,
    SlotTaken,
    Stale,
    Unavailable,
    VetBridgeError,
)

LIVES = 600.0
"""Seconds that a token lives where the answer does not say."""
NO_SET = "no-such-set"
"""The code of an ``Unavailable`` whose cause is that the service has no such entity set."""

_CODES = {400: "bad-request", 404: "not-found", 410: "not-found", 422: "invalid"}


class Door:
    """Reads and writes of one account. Safe to be used by several threads. Raises ``ConfigError`` for a secret that
    cannot be had when it is first needed."""

    def __init__(self, options: IdexxOptions, environment: Environment, budgets: tuple[BudgetSpec, ...]) -> None:
        self._account = environment.account
        self._options = options
        self._budgets = opening.budgets(environment, budgets, f"{urlsplit(options.base_url).hostname}/idexx")

        def client(url: str, token: SharedToken | None = None) -> HttpClient:
            if token is None:
                return opening.client(url, environment, self._budgets)
            return opening.client(url, environment, self._budgets, authorise=token.headers, refresh=token.refused)

        def token_of(path: str) -> SharedToken:
            return SharedToken(lambda: self._ask_token(path), environment.clock)

        self._asking = client(options.base_url)
        token = token_of(options.token_path)
        self._reading = client(options.base_url, token)
        own = options.writes_token_path
        self._writing = client(
            options.writes_url or options.base_url, token if own is None else token_of(self._at(own))
        )
        self._downloads = opening.downloads(
            options.base_url, environment, hosts=options.file_hosts or opening.NOWHERE_ELSE
        )
        self.service = self._at(options.odata_path or "")
        """Where the entity sets stand below the account's address."""
        self._metadata = Metadata(options.base_url, f"{self.service}/$metadata", environment, token.headers)
        self.lists = Lists(self.read, dialect=Dialect.V4, base_url=options.base_url, account=self._account)

    def close(self) -> None:
        """Gives back connections."""
        for client in (self._asking, self._reading, self._writing):
            client.close()

    def read(self, path: str, query: Mapping[str, str], *, patience: float = 0.0) -> Answer:
        """One read. A set that is not there is ``Unavailable``: the profile names what the service does not have."""
        try:
            return self._reading.read(path, budgets=(BUDGET,), params=query, patience=patience)
        except HttpRefused as refusal:
            if refusal.status in (404, 410):
                said = f"{self._account}: GET {path}: there is no such entity set; mend the profile"
                raise Unavailable(said, code=NO_SET) from None
            raise self._error(f"GET {path}", refusal.status, ()) from None

    def metadata(self) -> bytes:
        """The service's own description of its entity sets (CSDL). Raises ``Unavailable`` with code
        no-metadata where it shows none."""
        self._budgets.take((BUDGET,))
        return self._metadata.read(then="; see the option odata_path")

    def send(self, path: str, body: Mapping[str, Any], *, taken: Collection[int] = ()) -> Answer:
        """One write, sent once."""
        path = self._at(path)
        try:
            return self._writing.write("POST", path, budgets=(BUDGET,), body=body)
        except HttpRefused as refusal:
            raise self._error(f"POST {path}", refusal.status, taken) from None

    def upload(self, path: str, fields: Mapping[str, str], part: str, content: Content) -> Answer:
        """Adds a file, by a form."""
        path = self._at(path)
        try:
            return self._writing.upload("POST", path, budgets=(BUDGET,), fields=fields, part=part, content=content)
        except HttpRefused as refusal:
            raise self._error(f"POST {path}", refusal.status, ()) from None

    def file(self, url: str) -> Iterator[bytes]:
        """What is at an address that a row names. It proves who asks by itself, so nothing else is shown there."""
        try:
            yield from self._downloads.pieces(url)
        except HttpRefused as refusal:
            if refusal.status in (404, 410):
                raise Refused(f"{self._account}: a document is listed and not there", code="not-found") from None
            raise BadAnswer(
                f"{self._account}: a document is not given out: {refusal.status}", code="no-file"
            ) from None

    def absolute(self, told: str) -> str:
        """An address that a row names, which may be told from the service on."""
        return urljoin(f"{self._options.base_url}{self.service}/", told)

    def _at(self, path: str) -> str:
        return path.replace("{site_id}", self._options.site_id)

    def _error(self, what: str, status: int, taken: Collection[int]) -> VetBridgeError:
        said = f"{self._account}: {what}: answered {status}"
        if status in taken:
            return SlotTaken(said)
        if status == 403:
            return AuthFailed(
                f"{said}; the partner account lacks a right, or the site is not connected to it", code="right-missing"
            )
        if status == 412:
            return Stale(f"{said}: the record has moved")
        return Refused(said, code=_CODES.get(status, f"http-{status}"))

    def _ask_token(self, path: str) -> Token:
        """Asks for a token (cornerstone.md, section 3). Refused credentials raise ``AuthFailed``."""
        what = f"{self._account}: POST {path}"
        fields = {
            "grant_type": "password",
            "username": self._options.user.reveal(),
            "password": self._options.password.reveal(),
        }
        body = urlencode(fields).encode("ascii")
        try:
            # A request for a token changes nothing of the clinic's, so it may be tried again like a read.
            answer = self._asking.read(path, budgets=(BUDGET,), method="POST", body=body, headers=FORM)
        except HttpRefused as refusal:
            raise AuthFailed(f"{what}: answered {refusal.status}, the credentials are not taken") from None
        told = answer.body if isinstance(answer.body, Mapping) else {}
        token, seconds = checked(told.get("access_token"), what), told.get("expires_in")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
            seconds = LIVES
        return Token(token, float(seconds))
