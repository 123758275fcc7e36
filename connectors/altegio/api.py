"""Altegio's API v1 as far as it is used: envelope, paging, and its refusals as VetBridge's errors.

Messages carry status and code, never the vendor's words: those may repeat names and phones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from connectors.altegio import wire
from connectors.altegio.mark import Mark
from connectors.altegio.options import BUDGETS
from vetbridge.connector import opening
from vetbridge.connector.http import Answer, HttpClient, HttpRefused
from vetbridge.connector.interface import BudgetSpec, Content, Native
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import AuthFailed, BadAnswer, Refused, SlotTaken

ACCEPT: Final = "application/vnd.api.v2+json"
"""The media type that Altegio demands (altegio.md, section 1)."""

MOST_PAGES: Final = 20_000
"""Pages after which a list counts as endless: four million rows of the largest page."""

_BUDGET_NAMES: Final = tuple(budget.name for budget in BUDGETS)

TIME_TAKEN: Final = frozenset({433, 436, 437})
"""Booking codes for a slot that is not free (section 3.12)."""

BOOKING_CODES: Final = {
    431: "the phone has a wrong form",
    432: "the SMS code is wrong",
    434: "the phone is on the location's black list",
    435: "the name is missing",
    438: "the service is not offered any more",
}
"""The other booking codes, in words (section 3.12)."""


def http_client(
    url: str,
    environment: Environment,
    budgets: Iterable[BudgetSpec],
    authorise: Callable[[], Mapping[str, str]],
) -> HttpClient:
    """The HTTP client for one of Altegio's hosts."""
    own = opening.budgets(environment, budgets, urlsplit(url).hostname or "")
    return opening.client(url, environment, own, headers={"Accept": ACCEPT}, authorise=authorise)


class Declined(Refused):
    """Altegio refused the write and will refuse it again. Mend what the code names, then replay."""

    def __init__(self, message: str, *, status: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status


class _NotThere(BadAnswer):
    """The vendor answered something that cannot be read. If it stays so, send the change's number to support."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Data of one answer, the total a list counts, and the vendor's clock. ``count``: what a list without pages says
    that it holds."""

    data: Any
    total: int | None
    served_at: datetime | None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a list. ``complete``: with it, as many different rows have come as the list counts.

    ``nameless``: how many rows came so far that are no objects or have no id. ``begin``: where it can be read again.
    """

    begin: Mark
    rows: list[Native]
    nameless: int
    total: int | None
    last: bool
    complete: bool
    served_at: datetime | None


class Api:
    """Calls of one location."""

    def __init__(self, http: HttpClient, *, account: str, location: str, page_size: int) -> None:
        self._http = http
        self._account = account
        self._location = location
        self._page_size = page_size

    def close(self) -> None:
        """Gives back connections."""
        self._http.close()

    def read(self, path: str, params: Mapping[str, str] | None = None, *, patience: float = 0.0) -> Reply:
        """One answer. Raises ``AuthFailed`` without rights or licence, ``BadAnswer`` for any other refusal."""
        try:
            answer = self._http.read(path, budgets=_BUDGET_NAMES, params=params, patience=patience)
        except HttpRefused as error:
            self._refused_read(path, error)
        if failed(answer.body):
            raise BadAnswer(f"{self._account}: GET {path}: answered {answer.status} with an error inside")
        return reply_of(answer)

    def one(self, what: str, id_: str) -> Native | None:
        """One ``record`` or ``client`` by id; None where there is none, or the user's rights hide it."""
        if wire.as_id(id_) is None:
            return None
        path = f"/{what}/{self._location}/{id_}"
        try:
            row = wire.as_mapping(self.read(path).data)
        except _NotThere:
            return None
        if wire.as_id(row.get("id")) != wire.as_id(id_):
            raise BadAnswer(f"{self._account}: GET {path}: answered something else than this {what}")
        return row

    def pages(
        self, path: str, params: Mapping[str, str], *, patience: float = 0.0, begin: Mark | None = None
    ) -> Iterator[Rows]:
        """The pages of a list, until as many rows came as it counts, or none, or none that is new.

        ``patience``: seconds that each page may wait for its budget. ``begin``: where an earlier walk is taken up;
        what came before counts as different from what comes now. Raises ``BadAnswer`` for what is no list, and for
        one that has no end.
        """
        begin = begin or Mark()
        seen: set[str] = set()
        came, nameless = begin.came, begin.nameless
        for number in range(begin.page, MOST_PAGES + 1):
            here = begin.model_copy(
                update={
                    "page": number,
                    "came": came,
                    "different": begin.different + len(seen),
                    "nameless": nameless,
                }
            )
            asked = {**params, "page": str(number), "count": str(self._page_size)}
            reply = self.read(path, asked, patience=patience)
            if not isinstance(reply.data, list):
                raise BadAnswer(f"{self._account}: GET {path}: answered something that is no list")
            rows = [row for row in wire.as_rows(reply.data) if wire.as_id(row.get("id"))]
            new = {str(wire.as_id(row["id"])) for row in rows} - seen
            seen |= new
            came += len(reply.data)
            nameless += len(reply.data) - len(rows)
            # More rows than it counts: the count is wrong, or the list moved, so an empty page must tell its end.
            last = not new or came == reply.total
            different = begin.different + len(seen)
            complete = not reply.data if reply.total is None else different >= reply.total
            yield Rows(here, rows, nameless, reply.total, last, complete and not nameless, reply.served_at)
            if last:
                return
        raise BadAnswer(f"{self._account}: GET {path}: the list has no end")

    def files(self, client_id: str) -> list[Native]:
        """The rows of a client's files, each with an id; none where there is no such client. Raises ``BadAnswer`` for
        a list that is not whole, and with code ``no-rights`` where the user may not see files: that is no reason to
        stand still with everything else."""
        if wire.as_id(client_id) is None:
            return []
        path = f"/company/{self._location}/clients/files/{wire.as_id(client_id)}"
        try:
            reply = self.read(path)
        except _NotThere:
            return []
        except AuthFailed as refused:
            if refused.code != "no-rights":
                raise
            raise BadAnswer(
                f"{refused.message}; files need the rights clients_access and client_files_list_access",
                code="no-rights",
            ) from None
        rows = [row for row in wire.as_rows(reply.data) if wire.as_id(row.get("id"))]
        if not isinstance(reply.data, list) or len(rows) < max(reply.count or 0, len(reply.data)):
            raise BadAnswer(f"{self._account}: GET {path}: fewer files came than it counts", code="rows-missing")
        return rows

    def upload(self, path: str, *, part: str, content: Content) -> Reply:
        """One upload. Raises what ``write`` raises."""
        try:
            answer = self._http.upload("POST", path, budgets=_BUDGET_NAMES, fields={}, part=part, content=content)
        except HttpRefused as error:
            self._refused_write("POST", path, error.status, error.body)
        if failed(answer.body):
            self._refused_write("POST", path, answer.status, answer.body)
        return reply_of(answer)

    def write(self, method: str, path: str, body: Native | None) -> Reply:
        """One write. Raises ``SlotTaken`` where a booking code says so, ``Declined`` for every other refusal."""
        try:
            answer = self._http.write(method, path, budgets=_BUDGET_NAMES, body=body)
        except HttpRefused as error:
            self._refused_write(method, path, error.status, error.body)
        if failed(answer.body):
            self._refused_write(method, path, answer.status, answer.body)
        return reply_of(answer)

    def _refused_read(self, path: str, error: HttpRefused) -> NoReturn:
        what = f"{self._account}: GET {path}: answered {error.status}"
        if _licence_expired(error.status, error.body):
            raise AuthFailed(f"{what}, the location's licence must be renewed", code="licence-expired") from None
        if error.status == 403:
            raise AuthFailed(
                f"{what}: VetBridge's user lacks a right, or the location's licence must be renewed", code="no-rights"
            ) from None
        odd = _NotThere if error.status == 404 else BadAnswer
        raise odd(f"{what}{_fields(error.body)}, which is not expected here; check the location's number") from None

    def _refused_write(self, method: str, path: str, status: int, body: object) -> NoReturn:
        booking_code = wire.error_code(body)
        what = f"{self._account}: {method} {path}: answered {status}"
        if booking_code is not None:
            what += f" with code {booking_code}"
        if booking_code in TIME_TAKEN:
            raise SlotTaken(what) from None
        if booking_code in BOOKING_CODES:
            what += f", {BOOKING_CODES[booking_code]}"
        what += _fields(body)
        if _licence_expired(status, body):
            raise AuthFailed(f"{what}, the location's licence must be renewed", code="licence-expired") from None
        if status == 403 and booking_code is None:
            raise Declined(
                f"{what}: VetBridge's user lacks a right, or the location's licence must be renewed",
                status=status,
                code="no-rights",
            ) from None
        raise Declined(what, status=status, code="gone" if status == 404 else None) from None


def authorisation(account: str, *tokens: Secret) -> Mapping[str, str]:
    """The header that shows a partner token, and a user token where one is given (section 1). Raises ``AuthFailed``
    for one that no header can hold."""
    texts = [token.reveal() for token in tokens]
    if not all(text.isascii() and text.isprintable() for text in texts):
        raise AuthFailed(f"{account}: a token holds characters that no token has; look at its secret again")
    return {"Authorization": ", ".join(f"{who} {text}" for who, text in zip(("Bearer", "User"), texts, strict=False))}


def _licence_expired(status: int, body: object) -> bool:
    """Whether a refusal is for the licence's sake: 402, and on some endpoints 403 (section 1)."""
    return status == 402 or (status == 403 and wire.speaks_of_licence(body))


def _fields(body: object) -> str:
    """The fields that a refusal names, for its message."""
    fields = wire.refused_fields(body)
    return f" for {', '.join(fields)}" if fields else ""


def failed(body: object) -> bool:
    """A 2xx that says it failed is an error; older endpoints say so by ``errors`` alone (section 1)."""
    if not isinstance(body, dict):
        return False
    if "success" in body and not wire.as_flag(body["success"]):
        return True
    return "data" not in body and not wire.is_empty(body.get("errors"))


def reply_of(answer: Answer) -> Reply:
    """Data and total of an answer; old replies come without the envelope (section 1)."""
    body = answer.body
    data = body.get("data") if isinstance(body, dict) and "data" in body else body
    meta = wire.as_mapping(body.get("meta")) if isinstance(body, dict) else {}
    total, count = (_counted(meta.get(name)) for name in ("total_count", "count"))
    try:
        served_at = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        served_at = None
    return Reply(data, total, served_at if served_at is not None and served_at.tzinfo else None, count)


def _counted(value: object) -> int | None:
    told = wire.as_text(value)
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else None
