"""The way to one ezyVet site: its token, its listings, its refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from connectors.ezyvet import wire
from connectors.ezyvet.paths import BESIDE, BOOKING, BOOKING_PATH, BOOKING_SCOPE, DATABASE, PATHS
from connectors.ezyvet.wire import Listing, Where
from vetbridge.connector import opening
from vetbridge.connector.http import PATIENCE, Answer, HttpClient, HttpRefused
from vetbridge.connector.interface import BudgetSpec, Content, Native
from vetbridge.connector.plugin import Environment
from vetbridge.connector.token import SharedToken, Token
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unavailable,
    VetBridgeError,
)

IDS_PER_CALL = 100
"""Ids in one ``in`` filter; clients that send more had to split for the length of the URL (ezyvet.md, section 5)."""

WALKS = 3
"""How often a listing is walked when rows shifted between its pages, until as many were seen as it counts."""

TOKEN_PATH = "/v1/oauth/access_token"  # noqa: S105 - a path


FILE = "attachment"
"""The resource whose files are fetched."""

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


class NotServed(Unavailable):
    """The site's API does not have what was asked for. Look at the version of the API that the site speaks."""


class Place(BaseModel):
    """A page of a walk, and what the walk knew before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: int = Field(default=1, ge=1)
    seen: int = 0
    """Different rows."""
    nameless: int = 0
    most: int = 0
    """The greatest total that the listing counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows of one page that were not seen before in one walk.

    ``total``: the most that the listing counted. ``complete``: with this page, as many came, all of them had an id,
    and none went away meanwhile.
    """

    rows: tuple[Native, ...]
    total: int
    told_at: int | None
    last: bool
    complete: bool
    begin: Place | None = None
    """Where it can be read again; None where the listing is walked another time."""


class Door:
    """Requests of one account. Safe to be used by several threads.

    ``credentials()`` gives the body of a token request; it is asked each time, so that secrets are not kept here.
    """

    def __init__(
        self,
        base_url: str,
        environment: Environment,
        *,
        budgets: tuple[BudgetSpec, ...],
        credentials: Callable[[], Mapping[str, str]],
        page_size: int,
        booking_url: str,
        database: str,
    ) -> None:
        self._account = environment.account
        self._clock = environment.clock
        self._credentials = credentials
        self._page_size = page_size
        self._base_url = base_url
        self._budgets = opening.budgets(environment, budgets, f"{urlsplit(base_url).hostname}/{database}")

        def client(url: str, token: SharedToken | None) -> HttpClient:
            return opening.client(
                url,
                environment,
                self._budgets,
                headers={},
                authorise=token.headers if token else None,
                refresh=token.refused if token else None,
                wait_of=self._wait_of,
            )

        self._token_http = client(base_url, None)
        self._token = SharedToken(self._ask_token, environment.clock)
        self._http = client(base_url, self._token)
        self._booking_http = client(booking_url, self._token)
        self._downloads = opening.downloads(
            base_url, environment, authorise=self._file_headers, wait_of=self._wait_of
        )

    def close(self) -> None:
        """Gives back connections."""
        self._http.close()
        self._booking_http.close()
        self._token_http.close()

    def _wait_of(self, headers: Mapping[str, str], body: Any) -> float | None:
        return wire.told_wait(headers, body, self._clock.now().timestamp())

    def token(self) -> str:
        """The access token in force; asked for where there is none. Raises ``AuthFailed``."""
        return self._token.text()

    def by_ids(self, resource: str, field: str, ids: list[str], *, patience: float = 0.0) -> Iterator[Native]:
        """Rows of which ``field`` is one of ``ids``."""
        for i in range(0, len(ids), IDS_PER_CALL):
            part = ids[i : i + IDS_PER_CALL]
            where = Where.equals(part[0]) if len(part) == 1 else Where.one_of(map(int, part))
            yield from self.rows(resource, {field: where}, patience=patience)

    def rows(
        self, resource: str, filters: Mapping[str, Where], *, v2: bool = False, patience: float = 0.0
    ) -> list[Native]:
        """All rows that pass the filters. Raises ``BadAnswer`` where fewer come than the listing counts."""
        pages = list(self.walk(resource, filters, v2=v2, patience=patience))
        if not pages[-1].complete:
            # A record that was not shown must not count as one that is not there: it would be made twice.
            raise BadAnswer(f"{self._account}: GET {resource}: fewer rows came than it counts", code="rows-missing")
        return [row for page in pages for row in page.rows]

    def walk(
        self,
        resource: str,
        filters: Mapping[str, Where],
        *,
        v2: bool = False,
        patience: float = 0.0,
        begin: Place | None = None,
    ) -> Iterator[Stretch]:
        """A listing page by page, each row once.

        Page size and count are the server's, not what was asked for. Rows shift between pages while data changes,
        so a walk that saw fewer rows than the listing counts, or a count that shrank, is begun again, a few times.
        ``patience``: seconds that each page may wait for its budget. ``begin``: where an earlier walk is taken up;
        what came before counts as different from what comes now.

        An item without an id is left out, and when all others have been given, it is a ``BadAnswer``.
        """
        seen: set[str] = set()
        for round_ in range(1, WALKS + 1):
            known = begin if begin is not None and round_ == 1 else Place()
            number = known.page - 1
            ended = False
            nameless = known.nameless
            most = known.most
            this_round: set[str] = set()
            while not ended:
                number += 1
                came = known.seen + len(seen)
                here = Place(page=number, seen=came, nameless=nameless, most=most) if round_ == 1 else None
                page = self._page(resource, filters, number, v2=v2, patience=patience)
                fresh = tuple({row["id"]: row for row in page.rows if row["id"] not in seen}.values())
                ids = {row["id"] for row in page.rows}
                nameless += page.nameless
                counted = page.page_total is not None and number >= page.page_total
                # Without a count of pages a listing ends where nothing new comes; one that counts never ends later.
                ended = counted or ids <= this_round
                seen |= ids
                this_round |= ids
                came = known.seen + len(seen)
                total = came if page.total is None else page.total
                shrank, most = total < most, max(total, most)
                complete = came >= most and not shrank and not nameless and (counted or page.page_total is None)
                last = ended and (complete or round_ == WALKS)
                yield Stretch(rows=fresh, total=most, told_at=page.told_at, last=last, complete=complete, begin=here)
                if last and nameless:
                    raise BadAnswer(
                        f"{self._account}: GET {resource}: {nameless} of the items are no {resource} with an id"
                    )
                if last:
                    return

    def _page(
        self, resource: str, filters: Mapping[str, Where], number: int, *, v2: bool, patience: float
    ) -> Listing:
        path = f"/v2/{resource}" if v2 else PATHS[resource]
        params = {name: str(where) for name, where in filters.items()}
        answer = self.read(path, resource, {**params, "page": number, "limit": self._page_size}, patience=patience)
        what = f"{self._account}: GET {path}"
        page = wire.listing(answer.body, resource, what)
        if page.rows and page.page not in (None, number):
            raise BadAnswer(f"{what}: page {number} was asked for and page {page.page} answered")
        for name, where in filters.items():
            if not all(where.holds(row[name]) for row in page.rows if name in row):
                raise BadAnswer(f"{what}: the filter on {name} did not filter", code="filter-ignored")
        return page

    def read(self, path: str, resource: str, params: Mapping[str, Any], *, patience: float = 0.0) -> Answer:
        """One read. A 404 never means that a record is gone: all reads are listings.

        What is not granted or not served raises ``AuthFailed`` or ``NotServed``, and of ``BESIDE``, which bookings do
        not wait for, ``Refused`` with code ``right-missing`` or ``not-supported``.
        """
        try:
            return self._http.read(path, budgets=_budgets(resource), params=params, patience=patience)
        except HttpRefused as refusal:
            if refusal.status == 404 and resource in BESIDE:
                said = f"{self._account}: GET {path}: answered 404: the site's API does not have it"
                raise Refused(said, code="not-supported") from None
            if refusal.status == 404:
                raise NotServed(
                    f"{self._account}: GET {path}: answered 404; a trial site that expired answers so, and so does "
                    "a version of the API that was taken away"
                ) from None
            raise self._translated(refusal, f"GET {path}", f"read-{resource}") from None

    def send(
        self, method: str, path: str, resource: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One write, sent once. An error inside a success counts as a refusal (ezyvet.md, section 9)."""
        try:
            answer = self._http.write(method, path, budgets=_budgets(resource), body=body, headers=headers)
        except HttpRefused as refusal:
            raise self._translated(refusal, f"{method} {path}", f"write-{resource}") from None
        return self._taken(answer, method, path)

    def upload(self, path: str, resource: str, fields: Mapping[str, str], part: str, content: Content) -> Answer:
        """One file in a form, sent once."""
        try:
            answer = self._http.upload(
                "POST", path, budgets=_budgets(resource), fields=fields, part=part, content=content
            )
        except HttpRefused as refusal:
            raise self._translated(refusal, f"POST {path}", f"write-{resource}") from None
        return self._taken(answer, "POST", path)

    def file(self, path: str) -> Iterator[bytes]:
        """The file at a path of the account's own address, piece by piece. Raises ``Refused`` with the code
        ``not-found`` where there is none."""
        what = f"GET {path}"
        for is_last in (False, True):
            try:
                yield from self._downloads.pieces(f"{self._base_url}{path}")
                return
            except RateLimited as refusal:
                if refusal.budget:
                    raise
                name = _budgets(FILE)[-1]
                self._budgets.pause(name, refusal.wait)
                raise RateLimited(refusal.message, wait=refusal.wait, budget=name) from None
            except HttpRefused as refusal:
                if refusal.status != 401:
                    raise self._translated(refusal, what, f"read-{FILE}") from None
                if is_last:
                    said = f"{self._account}: {what}: answered 401, the credentials are not taken"
                    raise AuthFailed(said) from None
                self._token.refused()

    def _file_headers(self) -> Mapping[str, str]:
        """Called before each request for a file, also one for the rest of it: each counts."""
        self._budgets.take(_budgets(FILE), patience=PATIENCE)
        return self._token.headers()

    def merge(self, path: str, resource: str, body: Any, whole: Callable[[], Any]) -> Answer:
        """Changes the given fields by a merge patch; where the answer says that ezyVet does not know such a request,
        which is a refusal, by a PUT of ``whole()``, the record as it shall be (ezyvet.md, section 7)."""
        try:
            answer = self._http.write("PATCH", path, budgets=_budgets(resource), body=body, headers=MERGE_PATCH)
        except HttpRefused as refusal:
            if wire.speaks_otherwise(refusal.status, refusal.body):
                return self.send("PUT", path, resource, whole())
            raise self._translated(refusal, f"PATCH {path}", f"write-{resource}") from None
        if wire.speaks_otherwise(answer.status, answer.body):
            return self.send("PUT", path, resource, whole())
        return self._taken(answer, "PATCH", path)

    def book(self, body: Any) -> Answer:
        """One booking through ezyCAB, sent once; it stands on a host of its own (ezyvet.md, section 1)."""
        try:
            answer = self._booking_http.write("POST", BOOKING_PATH, budgets=_budgets(BOOKING), body=body)
        except HttpRefused as refusal:
            raise self._translated(refusal, f"POST {BOOKING_PATH}", BOOKING_SCOPE) from None
        return self._taken(answer, "POST", BOOKING_PATH)

    def _taken(self, answer: Answer, method: str, path: str) -> Answer:
        words = wire.error_words(answer.body)
        if words is not None:
            what = f"{self._account}: {method} {path}"
            if answer.body.get("items") or wire.booked(answer.body):
                raise OutcomeUnknown(f"{what}: answered a record, and an error{words}")
            raise Refused(f"{what}: refused{words}", code="vendor-error")
        return answer

    def _translated(self, refusal: HttpRefused, what: str, scope: str) -> VetBridgeError:
        words = wire.error_words(refusal.body) or ""
        said = f"{self._account}: {what}: answered {refusal.status}{words}"
        if refusal.status == 403:
            kind = Refused if scope.partition("-")[2] in BESIDE else AuthFailed
            return kind(f"{said}; the credentials lack the scope {scope}", code="right-missing")
        codes = {400: "bad-request", 404: "not-found", 422: "invalid"}
        return Refused(said, code=codes.get(refusal.status, f"http-{refusal.status}"))

    def _ask_token(self) -> Token:
        """Asks for a token. Refused credentials raise ``AuthFailed``, whatever the status says."""
        what = f"{self._account}: POST {TOKEN_PATH}"
        try:
            # A request for a token changes nothing of the clinic's, so it may be tried again like a read.
            answer = self._token_http.read(
                TOKEN_PATH, budgets=_budgets("oauth"), method="POST", body=self._credentials()
            )
        except HttpRefused as refusal:
            words = wire.error_words(refusal.body) or ""
            if "site_uid" in words:
                words += "; site_uid stands in the credential file and is not the one of this site"
            raise AuthFailed(f"{what}: answered {refusal.status}{words}, the credentials are not taken") from None
        said = wire.error_words(answer.body)
        if said is not None:
            raise AuthFailed(f"{what}: refused{said}, the credentials are not taken")
        return wire.token(answer.body, self._clock.now().timestamp(), what)


def _budgets(resource: str) -> tuple[str, str]:
    """The budgets of one call; the last one is paused by a 429."""
    return (DATABASE, f"endpoint:{resource}")
