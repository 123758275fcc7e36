"""The way to one account's API: who asks, what answers mean, and lists page by page."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from connectors.rest import template
from connectors.rest.options import RestOptions
from connectors.rest.profile import (
    Basic,
    Bearer,
    ErrorRule,
    Grant,
    Header,
    Link,
    Listing,
    Meaning,
    Next,
    Offset,
    Pages,
    RestProfile,
    Whole,
)
from connectors.rest.records import ABSENT, at
from vetbridge.connector import opening, paging
from vetbridge.connector.http import Answer, HttpClient, HttpRefused
from vetbridge.connector.interface import BudgetSpec
from vetbridge.connector.opening import FORM
from vetbridge.connector.paging import MOST_PAGES, WALKS, told_at
from vetbridge.connector.plugin import Environment
from vetbridge.connector.token import SharedToken, Token, checked
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    ConfigError,
    RateLimited,
    Refused,
    SlotTaken,
    Stale,
    Unavailable,
    VetBridgeError,
)

LONGEST_TOKEN = 16 * 1024
"""Characters of what names a next page."""

_CODES = {400: "bad-request", 404: "not-found", 410: "not-found", 422: "invalid"}
_NOTHING: tuple[object, ...] = (ABSENT, None, False, "", 0, [], {})


class Place(BaseModel):
    """A page of a walk, and what the walk knew before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(default=0, ge=0)
    """Pages before it."""
    rows: int = Field(default=0, ge=0)
    """Records before it."""
    token: str = ""
    """What the page before named; empty on the first one, and where pages are counted."""
    seen: int = 0
    """Different records before it."""
    nameless: int = 0
    most: int = 0
    """The greatest total that the list told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Records of one page that were not seen before in one walk.

    ``complete``: with this page, as many came as the list counts, all had an id, and none went away meanwhile.
    """

    items: tuple[Any, ...]
    total: int | None
    told_at: datetime | None
    """The vendor's time when it answered."""
    last: bool
    complete: bool
    begin: Place | None = None
    """Where it can be read again; None where the list is walked another time."""


class Door:
    """Reads of one account. Safe to be used by several threads. Raises ``ConfigError`` for a secret that cannot be
    had when it is first needed."""

    def __init__(
        self, options: RestOptions, profile: RestProfile, environment: Environment, *, budgets: tuple[BudgetSpec, ...]
    ) -> None:
        self._account = environment.account
        self._clock = environment.clock
        self._base_url = options.base_url
        self._options = options
        self._profile = profile
        self._names = tuple(each.name for each in budgets)
        self._budgets = opening.budgets(environment, budgets, f"{urlsplit(options.base_url).hostname}/rest")

        def client(
            url: str, authorise: Callable[[], Mapping[str, str]], refresh: Callable[[], None] | None
        ) -> HttpClient:
            return opening.client(
                url, environment, self._budgets, authorise=authorise, refresh=refresh, wait_of=self._wait_of
            )

        self._token: SharedToken | None = None
        self._token_http: HttpClient | None = None
        if isinstance(profile.auth, Grant):
            self._token = SharedToken(self._ask_token, environment.clock)
            self._token_http = client(options.token_url or options.base_url, self._plain_headers, None)
        self._http = client(options.base_url, self._headers, self._token.refused if self._token else None)

    def close(self) -> None:
        """Gives back connections."""
        self._http.close()
        if self._token_http is not None:
            self._token_http.close()

    # -- one request

    def read(self, path: str, query: Mapping[str, Any], *, patience: float = 0.0) -> Answer:
        """One read. Where there is nothing at the path, ``Refused`` with the code ``not-found``."""
        return self._asked(
            f"GET {path}", lambda: self._http.read(path, budgets=self._names, params=query, patience=patience)
        )

    def _asked(self, what: str, ask: Callable[[], Answer]) -> Answer:
        """An answer that is none of the profile's errors. One that says the token has ended is asked for again."""
        for is_last in (self._token is None, True):
            try:
                answer = ask()
                status, body = answer.status, answer.body
                rule = self._rule(status, body)
                if rule is None:
                    return answer
            except HttpRefused as refusal:
                status, body = refusal.status, refusal.body
                rule = self._rule(status, body)
            if rule is not None and rule.means is Meaning.AUTH and not is_last and self._token is not None:
                # Known not to have been done: it was refused for who asks.
                self._token.refused()
                continue
            raise self._error(f"{self._account}: {what}: answered {status}", status, body, rule)
        raise AssertionError("the last try answers or raises")

    def _rule(self, status: int, body: Any) -> ErrorRule | None:
        for rule in self._profile.errors:
            if rule.status and status not in rule.status:
                continue
            if rule.path is None or self._says(at(body, rule.path), rule.values):
                return rule
        return None

    def _says(self, told: Any, values: tuple[str, ...]) -> bool:
        if isinstance(told, list):
            return any(self._says(each, values) for each in told)
        if not values:
            return told not in _NOTHING
        return isinstance(told, str | int) and str(told).casefold() in {each.casefold() for each in values}

    def _error(self, said: str, status: int, body: Any, rule: ErrorRule | None) -> VetBridgeError:
        if rule is None:
            if status == 403:
                return AuthFailed(f"{said}; the credentials lack a right", code="right-missing")
            if status == 412:
                return Stale(f"{said}: the record has moved")
            return Refused(said, code=_CODES.get(status, f"http-{status}"))
        said = f"{said}, which by its profile means {rule.means}"
        if rule.means is Meaning.LIMIT:
            wait = min(max(self._wait_of({}, body) or 60.0, 0.1), 3600.0)
            name = self._names[-1]
            self._budgets.pause(name, wait)
            return RateLimited(f"{said}, pause of {wait:.0f} s", wait=wait, budget=name)
        plain: dict[Meaning, Callable[[], VetBridgeError]] = {
            Meaning.AUTH: lambda: AuthFailed(said),
            Meaning.RIGHT: lambda: AuthFailed(said, code="right-missing"),
            Meaning.TAKEN: lambda: SlotTaken(said),
            Meaning.GONE: lambda: Refused(said, code="not-found"),
            Meaning.STALE: lambda: Stale(said),
            Meaning.RETRY: lambda: Unavailable(said),
            Meaning.REFUSED: lambda: Refused(said, code="vendor-error"),
        }
        return plain[rule.means]()

    def _wait_of(self, headers: Mapping[str, str], body: Any) -> float | None:
        pause = self._profile.pause
        if pause is None:
            return None
        told: Any = headers.get(pause.header.lower()) if pause.header is not None else None
        if told is None and pause.path is not None:
            told = at(body, pause.path)
        return _seconds(told)

    # -- lists

    def rows(self, listing: Listing, query: Mapping[str, Any], of: Callable[[Any], str | None]) -> list[Any]:
        """All records of a list; ``of`` tells a record's id. Raises ``BadAnswer`` where fewer come than it counts."""
        stretches = list(self.walk(listing, query, of))
        if not stretches[-1].complete:
            # A record that was not shown must not count as one that is not there: it would be made twice.
            raise BadAnswer(f"{self._account}: GET {listing.path}: fewer came than it counts", code="rows-missing")
        return [item for stretch in stretches for item in stretch.items]

    def walk(
        self,
        listing: Listing,
        query: Mapping[str, Any],
        of: Callable[[Any], str | None],
        *,
        patience: float = 0.0,
        begin: Place | None = None,
    ) -> Iterator[Stretch]:
        """A list page by page, each record once.

        Pages may be shorter than was asked for. Records shift between pages while data changes, so a walk that saw
        fewer than the list counts, or a count that shrank, is begun again, a few times. ``patience``: seconds that
        each page may wait for its budget. ``begin``: where an earlier walk is taken up; what came before counts as
        different from what comes now.

        A record without an id is left out, and when all others have been given, it is a ``BadAnswer``.
        """
        seen: set[str] = set()
        for round_ in range(1, WALKS + 1):
            first = begin if begin is not None and round_ == 1 else Place()
            place: Place | None = first
            nameless, most = first.nameless, first.most
            this_round: set[str] = set()
            tokens: set[str] = set()
            while place is not None:
                here = place
                if here.token and here.token in tokens:
                    raise BadAnswer(f"{self._account}: GET {listing.path}: its pages go in a circle")
                tokens.add(here.token)
                _, _, answer = self._page(listing, query, here, patience=patience)
                items, total, told = self.opened(listing, answer)
                fresh = {id_: item for item in items if (id_ := of(item)) is not None and id_ not in seen}
                ids = {id_ for item in items if (id_ := of(item)) is not None}
                nameless += sum(of(item) is None for item in items)
                shrank, most = total is not None and total < most, max(most, total or 0)
                new = ids - this_round
                seen |= ids
                this_round |= ids
                came = first.seen + len(seen)
                is_done = 0 < most <= first.seen + len(this_round)
                place = self._next(listing, here, answer, len(items), has_new=bool(new), is_done=is_done)
                complete = not nameless and not shrank and came >= most
                last = place is None and (complete or round_ == WALKS)
                yield Stretch(
                    items=tuple(fresh.values()),
                    total=most or total,
                    told_at=told,
                    last=last,
                    complete=complete,
                    begin=here if round_ == 1 else None,
                )
                if last and nameless:
                    raise BadAnswer(f"{self._account}: GET {listing.path}: {nameless} of the records have no id")
                if last:
                    return
                if place is not None:
                    place = place.model_copy(update={"seen": came, "most": most, "nameless": nameless})

    def first(
        self, listing: Listing, query: Mapping[str, Any] | None = None
    ) -> tuple[str, Mapping[str, Any], Answer]:
        """The first page: path and query as it was asked for, and the answer."""
        return self._page(listing, query or {}, Place(), patience=0.0)

    def _page(
        self, listing: Listing, query: Mapping[str, Any], place: Place, *, patience: float
    ) -> tuple[str, Mapping[str, Any], Answer]:
        paging = listing.paging or self._profile.paging
        path = template.path(listing.path, self._options.values)
        if path is None:
            raise ConfigError(f"accounts.{self._account}.options.values: one of them cannot stand in {listing.path}")
        asked = {**template.query(listing.query, self._options.values), **query}
        if not isinstance(paging, Whole) and paging.size_parameter is not None:
            asked[paging.size_parameter] = str(paging.size)
        if isinstance(paging, Pages):
            asked[paging.parameter] = str(place.number + paging.first)
        elif isinstance(paging, Offset):
            asked[paging.parameter] = str(place.rows)
        elif isinstance(paging, Next) and place.token:
            asked[paging.parameter] = place.token
        elif isinstance(paging, Link) and place.token:
            path, _, text = place.token.partition("?")
            asked = dict(parse_qsl(text, keep_blank_values=True))
        try:
            return path, asked, self.read(path, asked, patience=patience)
        except Refused as refusal:
            if refusal.code != "not-found":
                raise
            said = f"{self._account}: GET {path}: there is no list; the profile names another path than the API has"
            raise Unavailable(said) from None

    def opened(self, listing: Listing, answer: Answer) -> tuple[list[Any], int | None, datetime | None]:
        """The records of a page, how many the list counts, and the vendor's time. Raises ``BadAnswer``."""
        what = f"{self._account}: GET {listing.path}"
        items = answer.body if listing.items is None else at(answer.body, listing.items)
        if not isinstance(items, list):
            raise BadAnswer(f"{what}: there is no list at {listing.items or 'the top of the answer'}")
        told: Any = None
        if listing.total is not None:
            told = at(answer.body, listing.total)
        elif listing.total_header is not None:
            told = answer.headers.get(listing.total_header.lower())
        total = _whole(told)
        if total is None and (listing.total is not None or listing.total_header is not None):
            raise BadAnswer(f"{what}: it does not say how many there are")
        return items, total, told_at(answer)

    def _next(
        self, listing: Listing, place: Place, answer: Answer, came: int, *, has_new: bool, is_done: bool
    ) -> Place | None:
        """The page after one; None after the last one."""
        paging = listing.paging or self._profile.paging
        if place.number >= MOST_PAGES:
            raise BadAnswer(f"{self._account}: GET {listing.path}: its pages do not end")
        after = Place(number=place.number + 1, rows=place.rows + came)
        if isinstance(paging, Pages):
            pages = None if paging.pages is None else _whole(at(answer.body, paging.pages))
            is_end = pages is not None and after.number >= pages
            return None if is_end or not has_new or (pages is None and is_done) else after
        if isinstance(paging, Offset):
            return None if not has_new or is_done else after
        if isinstance(paging, Whole):
            return None
        token = self._told_next(listing, paging, answer)
        return after.model_copy(update={"token": token}) if token else None

    def _told_next(self, listing: Listing, paging: Next | Link, answer: Answer) -> str:
        if isinstance(paging, Link) and paging.next is None:
            told: Any = _linked(answer.headers.get("link", ""))
        else:
            told = at(answer.body, paging.next or "")
        if told in (ABSENT, None, "", False):
            return ""
        if not isinstance(told, str | int) or isinstance(told, bool) or len(str(told)) > LONGEST_TOKEN:
            raise BadAnswer(f"{self._account}: GET {listing.path}: the next page cannot be read")
        return self._below(listing, str(told)) if isinstance(paging, Link) else str(told)

    def _below(self, listing: Listing, told: str) -> str:
        """Path and query of the next page, below the account's address. The credentials go nowhere else."""
        path = template.path(listing.path, self._options.values) or ""
        found = paging.below(self._base_url, path, told)
        if found is None:
            raise BadAnswer(f"{self._account}: GET {listing.path}: the next page is at another address")
        return found

    # -- who asks

    def _plain_headers(self) -> dict[str, str]:
        """What the profile sends with each request."""
        filled = template.query(self._profile.headers, self._options.values)
        return {name: self._sendable(text, f"headers.{name}") for name, text in filled.items()}

    def _headers(self) -> Mapping[str, str]:
        auth = self._profile.auth
        own = self._plain_headers()
        if self._token is not None:
            return {**own, **self._token.headers()}
        if isinstance(auth, Basic):
            return {**own, "Authorization": _basic(self._secret(auth.user), self._secret(auth.password))}
        if isinstance(auth, Bearer):
            return {**own, "Authorization": f"Bearer {self._sendable(self._secret(auth.token), auth.token)}"}
        if isinstance(auth, Header):
            return {**own, auth.header: self._sendable(self._secret(auth.key), auth.key)}
        return own

    def _secret(self, name: str) -> str:
        return self._options.secrets[name].reveal()

    def _sendable(self, text: str, name: str) -> str:
        if not (text.isascii() and text.isprintable()):
            raise ConfigError(f"accounts.{self._account}.options: {name} holds signs that no header can")
        return text

    def _ask_token(self) -> Token:
        """Asks for a token. Refused credentials raise ``AuthFailed``, whatever the status says."""
        auth = self._profile.auth
        if not isinstance(auth, Grant) or self._token_http is None:
            raise AssertionError("only a grant asks for a token")
        what = f"{self._account}: POST {auth.path}"
        fields: dict[str, Any] = {"grant_type": auth.kind, **template.query(auth.more, self._options.values)}
        if auth.kind == "password":
            fields |= {"username": self._secret(auth.username), "password": self._secret(auth.password)}
        headers: dict[str, str] = {}
        own = {
            name: self._secret(secret)
            for name, secret in (("client_id", auth.client_id), ("client_secret", auth.client_secret))
            if secret is not None
        }
        if auth.client_in == "header":
            headers["Authorization"] = _basic(own.get("client_id", ""), own.get("client_secret", ""))
        else:
            fields |= own
        body: Any = fields
        if auth.sent == "form":
            body, headers = urlencode(fields).encode("ascii"), {**headers, **FORM}
        path = template.path(auth.path, self._options.values) or auth.path
        try:
            # A request for a token changes nothing of the clinic's, so it may be tried again like a read.
            answer = self._token_http.read(path, budgets=self._names, method="POST", body=body, headers=headers)
        except HttpRefused as refusal:
            raise AuthFailed(f"{what}: answered {refusal.status}, the credentials are not taken") from None
        token = checked(at(answer.body, auth.token), what)
        lives = _seconds(at(answer.body, auth.expires))
        return Token(token, lives if lives else auth.lives)


class WritingDoor(Door):
    """What writes, too."""

    def send(self, method: str, path: str, query: Mapping[str, Any], body: Any, headers: Mapping[str, str]) -> Answer:
        """One write, sent once."""

        def ask() -> Answer:
            return self._http.write(
                method, path, budgets=self._names, params=query, body=body, headers=headers or None
            )

        return self._asked(f"{method} {path}", ask)


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode('ascii')}"


def _seconds(told: Any) -> float | None:
    """Seconds that are told as a number or as text; None where none are."""
    if isinstance(told, bool) or not isinstance(told, str | int | float):
        return None
    try:
        seconds = float(told)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _whole(told: Any) -> int | None:
    seconds = _seconds(told)
    return None if seconds is None or seconds != int(seconds) else int(seconds)


def _linked(header: str) -> str | None:
    """The address of the next page in a ``Link`` header (RFC 8288)."""
    for part in header[:8192].split("<")[1:]:
        address, _, about = part.partition(">")
        for each in about.split(";"):
            name, _, value = each.partition("=")
            if name.strip().lower() == "rel" and "next" in value.strip(' ,"').lower().split():
                return address.strip()
    return None
