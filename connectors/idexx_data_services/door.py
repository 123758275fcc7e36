"""The way to one account's services: who asks, what answers mean, lists, writes and documents."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from connectors.idexx_data_services.options import BUDGET, IdexxOptions
from vetbridge.connector.budgets import Budgets
from vetbridge.connector.http import Answer, Downloads, HttpClient, HttpRefused
from vetbridge.connector.interface import BudgetSpec, Content
from vetbridge.connector.odata import Dialect, Lists
from vetbridge.connector.plugin import Environment
from vetbridge.connector.token import SharedToken, Token
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    Refused,
    SlotTaken,
    Stale,
    Unavailable,
    VetBridgeError,
)

LONGEST_TOKEN = 16 * 1024
"""Characters of an access token."""
LIVES = 600.0
"""Seconds that a token lives where the answer does not say."""
LARGEST_METADATA = 16 * 1024 * 1024
"""Bytes of the service's description of itself."""
NO_SET = "no-such-set"
"""The code of an ``Unavailable`` whose cause is that the service has no such entity set."""

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_CODES = {400: "bad-request", 404: "not-found", 410: "not-found", 422: "invalid"}
_NOWHERE_ELSE = ("no-other-host.invalid",)
"""Without a name every public host would do."""
_NO_FILES = ("text/html", "application/json")


class Door:
    """Reads and writes of one account. Safe to be used by several threads. Raises ``ConfigError`` for a secret that
    cannot be had when it is first needed."""

    def __init__(self, options: IdexxOptions, environment: Environment, budgets: tuple[BudgetSpec, ...]) -> None:
        self._account = environment.account
        self._options = options
        self._budgets = Budgets(
            budgets,
            environment.clock,
            scale=environment.limit_scale,
            pauses=environment.pauses,
            on_pause=environment.on_pause,
            pool=environment.pool,
            place=f"{urlsplit(options.base_url).hostname}/idexx",
        )

        def client(url: str, token: SharedToken | None = None) -> HttpClient:
            return HttpClient(
                url,
                account=environment.account,
                budgets=self._budgets,
                clock=environment.clock,
                timeout=environment.timeout,
                headers={"Accept": "application/json", "User-Agent": "VetBridge"},
                authorise=None if token is None else token.headers,
                refresh=None if token is None else token.refused,
                ca=environment.ca,
                on_date=environment.on_date,
            )

        def token_of(path: str) -> SharedToken:
            return SharedToken(lambda: self._ask_token(path), environment.clock)

        self._asking = client(options.base_url)
        token = token_of(options.token_path)
        self._reading = client(options.base_url, token)
        own = options.writes_token_path
        self._writing = client(
            options.writes_url or options.base_url, token if own is None else token_of(self._at(own))
        )
        self._downloads = Downloads(
            options.base_url,
            account=environment.account,
            clock=environment.clock,
            timeout=environment.timeout,
            ca=environment.ca,
            hosts=options.file_hosts or _NOWHERE_ELSE,
            no_files=_NO_FILES,
        )
        # Metadata is XML, which comes as a file does, but is shown to whoever may read alone.
        self._papers = Downloads(
            options.base_url,
            account=environment.account,
            clock=environment.clock,
            timeout=environment.timeout,
            ca=environment.ca,
            hosts=_NOWHERE_ELSE,
            authorise=token.headers,
            largest=LARGEST_METADATA,
            no_files=_NO_FILES,
        )
        self.service = self._at(options.odata_path or "")
        """Where the entity sets stand below the account's address."""
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
        what = f"{self._account}: GET {self.service}/$metadata"
        self._budgets.take((BUDGET,))
        try:
            return b"".join(self._papers.pieces(f"{self._options.base_url}{self.service}/$metadata"))
        except HttpRefused as refusal:
            if refusal.status in (401, 403):
                raise AuthFailed(f"{what}: answered {refusal.status}") from None
            said = f"{what}: answered {refusal.status}, so the service does not describe itself there"
            raise Unavailable(f"{said}; see the option odata_path", code="no-metadata") from None

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
            answer = self._asking.read(path, budgets=(BUDGET,), method="POST", body=body, headers=_FORM)
        except HttpRefused as refusal:
            raise AuthFailed(f"{what}: answered {refusal.status}, the credentials are not taken") from None
        told = answer.body if isinstance(answer.body, Mapping) else {}
        token, seconds = told.get("access_token"), told.get("expires_in")
        if not isinstance(token, str) or not token or len(token) > LONGEST_TOKEN:
            raise AuthFailed(f"{what}: answered without a token")
        if not (token.isascii() and token.isprintable()):
            raise BadAnswer(f"{what}: the token holds signs that no header can")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
            seconds = LIVES
        return Token(token, float(seconds))
