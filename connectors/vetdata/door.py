"""The way to one practice's feed: who asks, which installation is meant, and what refusals mean (pulse.md, sections 2
and 6)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from connectors.vetdata.options import FEED, TOKEN, VetDataOptions
from connectors.vetdata.wire import CODES, TRANSACTIONS
from vetbridge.connector import opening
from vetbridge.connector.http import Answer, HttpClient, HttpRefused
from vetbridge.connector.interface import BudgetSpec
from vetbridge.connector.odata import Dialect, Lists
from vetbridge.connector.opening import FORM, Metadata
from vetbridge.connector.plugin import Environment
from vetbridge.connector.token import MARGIN, SharedToken, Token, checked
from vetbridge.core.errors import AuthFailed, BadAnswer, ConfigError, Refused, Unavailable, VetBridgeError

DATA = "/v2"
"""Where the entities are, below the account's address."""
INSTALLATIONS = "/InstallationList"
"""Which practices the account shows; without the version of the entities."""
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
PASSWORD_REALM = "http://auth0.com/oauth/grant-type/password-realm"  # noqa: S105 - the name of a grant

EARLY = 300.0
"""Seconds before its end in which the feed's clients no longer use a token."""
LIVES = 3600.0
"""Seconds that a token lives which does not say so."""
BESIDE = frozenset({TRANSACTIONS, CODES})
"""What bookings do not wait for: where an account may not read it, they go on."""


class Door:
    """Reads of one account. Safe to be used by several threads. Raises ``ConfigError`` for a secret that cannot be
    had when it is first needed."""

    def __init__(self, options: VetDataOptions, environment: Environment, *, budgets: tuple[BudgetSpec, ...]) -> None:
        self._account = environment.account
        self._options = options
        self._budgets = opening.budgets(environment, budgets, f"{urlsplit(options.base_url).hostname}/vetdata")
        self._token_http: HttpClient | None = None
        self._proof: Callable[[], Mapping[str, str]] = self._basic
        if options.auth == "token":
            token = SharedToken(self._ask_token, environment.clock)
            self._token_http = opening.client(options.auth_url, environment, self._budgets)
            self._http = opening.client(
                options.base_url, environment, self._budgets, authorise=token.headers, refresh=token.refused
            )
            self._proof = token.headers
        else:
            self._http = opening.client(options.base_url, environment, self._budgets, authorise=self._basic)
        self._metadata = Metadata(
            options.base_url,
            f"{DATA}/$metadata",
            environment,
            lambda: {**self._proof(), **self._installation()},
        )
        self.lists = Lists(self.read, dialect=Dialect.V3, base_url=options.base_url, account=environment.account)

    def close(self) -> None:
        """Gives back connections."""
        self._http.close()
        if self._token_http is not None:
            self._token_http.close()

    def read(self, path: str, query: Mapping[str, str], *, patience: float = 0.0) -> Answer:
        """One read of the practice's. What is refused raises ``AuthFailed``, ``Unavailable`` where the feed has no
        such entity, or ``Refused``."""
        return self._read(path, query, self._installation(), patience)

    def metadata(self) -> bytes:
        """The feed's own description of its entities (CSDL), which no client of it is known to have read. Raises
        ``Unavailable`` with code no-metadata where it shows none."""
        self._budgets.take((FEED,))
        return self._metadata.read(who="feed")

    def installations(self) -> list[Any]:
        """The practices that the account shows. Raises ``BadAnswer`` where the answer is no list."""
        body = self._read(INSTALLATIONS, {}, {}, 0.0).body
        if not isinstance(body, list):
            raise BadAnswer(f"{self._account}: GET {INSTALLATIONS}: the answer is no list of installations")
        return body

    def _read(self, path: str, query: Mapping[str, str], headers: Mapping[str, str], patience: float) -> Answer:
        try:
            return self._http.read(path, budgets=(FEED,), params=query, headers=headers, patience=patience)
        except HttpRefused as refusal:
            raise self._translated(path, refusal.status) from None

    def _translated(self, path: str, status: int) -> VetBridgeError:
        """Error bodies are not documented, and may repeat what was asked: none of their words are told."""
        said = f"{self._account}: GET {path}: answered {status}"
        beside = path.rpartition("/")[2] in BESIDE
        if status == 403:
            words = f"{said}; the account may not read this installation, or this entity of it"
            return Refused(words, code="right-missing") if beside else AuthFailed(words, code="right-missing")
        if status == 404:
            words = f"{said}; the feed has no such entity, or not for this installation"
            return Refused(words, code="not-supported") if beside else Unavailable(words)
        return Refused(said, code={400: "bad-request"}.get(status, f"http-{status}"))

    # -- who asks

    def _installation(self) -> Mapping[str, str]:
        """The header that says which practice is meant."""
        return {"Installation": self._options.installation}

    def _basic(self) -> Mapping[str, str]:
        pair = f"{self._options.username}:{self._options.password.reveal()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}

    def _ask_token(self) -> Token:
        """Asks for a token, by Auth0's password-realm grant. Refused credentials raise ``AuthFailed``, whatever the
        status says."""
        options = self._options
        fields = {
            "grant_type": PASSWORD_REALM,
            "client_id": options.client_id or "",
            "audience": options.audience,
            "username": options.username,
            "password": options.password.reveal(),
            "realm": options.realm,
            "covetrus_product_code": options.product_code,
        }
        body = urlencode({name: text for name, text in fields.items() if text}).encode("ascii")
        what = f"{self._account}: POST {TOKEN_PATH}"
        if self._token_http is None:
            raise ConfigError(f"{self._account}: no token is asked for with auth: {options.auth}")
        try:
            # A request for a token changes nothing of the clinic's, so it may be tried again like a read.
            answer = self._token_http.read(TOKEN_PATH, budgets=(TOKEN,), method="POST", body=body, headers=FORM)
        except HttpRefused as refusal:
            raise AuthFailed(f"{what}: answered {refusal.status}, the credentials are not taken") from None
        told = answer.body if isinstance(answer.body, Mapping) else {}
        token = checked(told.get("access_token"), what)
        lives = _seconds(told.get("expires_in"))
        return Token(token, max(lives - (EARLY - MARGIN), lives / 2))


def _seconds(told: Any) -> float:
    """How long a token lives, told as a number or as text."""
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < 10:
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told < 10**9:
        return LIVES
    return float(told)
