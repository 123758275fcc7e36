"""The HTTP door: one client per account, with budgets, patient retries inside an attempt, and named errors.

This is the only module that imports the HTTP library. What may be tried again here is only what is known not to
have been done: reads, connections that were refused, and 429. A write whose answer was lost raises
``OutcomeUnknown`` and is never sent again from here.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import tenacity

from vetbridge.connector.budgets import Budgets, patience_of
from vetbridge.connector.clock import Clock
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unavailable,
)

# The library says whole addresses at INFO, and a search by phone or e-mail has them in its query.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

MAX_BODY = 32 * 1024 * 1024
"""Longest answer that is read, in bytes; a longer one is a ``BadAnswer``."""

LONGEST_ANSWER = 4
"""Time-outs that a whole answer may take."""

TRIES = 3
"""How often one attempt sends a request that is known not to have been done."""

LONGEST_WAIT_INSIDE = 5.0
"""Seconds: a longer pause that a vendor asks for goes back to the runner."""

PATIENCE = 90.0
"""Seconds that one page of a long listing may wait for its budget. A listing of changes that is given up begins again
from its first page, so one that takes more pages than a budget has calls would never come to its end."""


class HttpRefused(Refused):
    """The vendor refused the request and will refuse it again. Read the message, mend the cause, then restart."""

    def __init__(self, message: str, *, status: int, body: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        """The parsed answer, for the connector to read vendor codes from; never to be logged."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer. ``body`` is the parsed JSON, None where there was no body."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    params: Mapping[str, Any] | None
    body: Any
    headers: Mapping[str, str] | None
    write: bool
    patience: float = 0.0


class HttpClient:
    """Requests of one account at one base URL.

    ``authorise()`` gives the headers of each request; after a 401 ``refresh()`` is called once, and the request
    sent again. ``wait_of(answer headers, body)`` reads a vendor's way of naming a pause, in seconds, beside the
    ``Retry-After`` header.
    """

    def __init__(
        self,
        base_url: str,
        *,
        account: str,
        budgets: Budgets,
        clock: Clock,
        timeout: float = 30.0,
        headers: Mapping[str, str] | None = None,
        authorise: Callable[[], Mapping[str, str]] | None = None,
        refresh: Callable[[], None] | None = None,
        wait_of: Callable[[Mapping[str, str], Any], float | None] | None = None,
    ) -> None:
        self._account = account
        self._budgets = budgets
        self._clock = clock
        self._authorise = authorise
        self._refresh = refresh
        self._wait_of = wait_of
        self._timeout = timeout
        self._client = httpx.Client(
            base_url=base_url,
            headers=dict(headers or {}),
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Gives back the connections."""
        self._client.close()

    def read(
        self,
        path: str,
        *,
        budgets: Sequence[str],
        params: Mapping[str, Any] | None = None,
        method: str = "GET",
        body: Any = None,
        patience: float = 0.0,
    ) -> Answer:
        """A request that changes nothing (also a search by POST): tried again when it fails on the way.

        ``patience``: seconds it may wait for a budget, or for a pause that the vendor asks for. Not for a caller that
        others wait for.
        """
        return self._send(_Request(method, path, params, body, None, write=False, patience=patience), budgets)

    def write(
        self,
        method: str,
        path: str,
        *,
        budgets: Sequence[str],
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request that changes something: sent again only where it is known not to have been done."""
        return self._send(_Request(method, path, params, body, headers, write=True), budgets)

    def _send(self, request: _Request, budgets: Sequence[str]) -> Answer:
        what = f"{self._account}: {request.method} {request.path.split('?')[0]}"

        def attempt() -> Answer:
            self._budgets.take(budgets, patience=request.patience)
            answer = self._exchange(what, request)
            if answer.status == 401 and self._refresh is not None:
                self._refresh()
                self._budgets.take(budgets, patience=request.patience)
                answer = self._exchange(what, request)
            return self._judge(what, answer, budgets, write=request.write)

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(TRIES),
            wait=_told_or_growing,
            retry=tenacity.retry_if_exception(
                lambda error: _known_not_done(error, longest=max(LONGEST_WAIT_INSIDE, patience_of(request.patience)))
            ),
            sleep=self._clock.wait,
            reraise=True,
        )
        return retrying(attempt)

    def _exchange(self, what: str, request: _Request) -> Answer:
        headers = {**(self._authorise() if self._authorise else {}), **(request.headers or {})}
        content = None
        if request.body is not None:
            # In ASCII: half characters that a vendor served are sent back as they came.
            content = json.dumps(request.body, allow_nan=False).encode("ascii")
            headers = {"Content-Type": "application/json", **headers}
        params = dict(request.params) if request.params else None
        # The library's time-outs are for one chunk: an answer that trickles would hold its worker for ever.
        latest = self._clock.steady() + LONGEST_ANSWER * self._timeout
        try:
            with self._client.stream(
                request.method, request.path, params=params, content=content, headers=headers
            ) as response:
                answered = bytearray()
                for chunk in response.iter_bytes():
                    answered += chunk
                    if self._clock.steady() > latest:
                        raise httpx.ReadTimeout("the answer trickles")
                    if len(answered) > MAX_BODY:
                        # A write that was answered at such length was done, or may have been.
                        too_long = OutcomeUnknown if request.write else BadAnswer
                        raise too_long(f"{what}: the answer is longer than {MAX_BODY} bytes")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _Unreachable(f"{what}: no connection ({type(error).__name__})") from None
        except RuntimeError:
            if not self._client.is_closed:
                raise
            raise _Unreachable(f"{what}: the connection was given back, VetBridge is stopping") from None
        except httpx.HTTPError as error:
            lost = OutcomeUnknown if request.write else _Unreachable
            raise lost(f"{what}: no answer ({type(error).__name__})") from None
        return Answer(response.status_code, response.headers, _parsed(bytes(answered)))

    def _judge(self, what: str, answer: Answer, budgets: Sequence[str], *, write: bool) -> Answer:
        """The answer where it is a success, else the error that says what the runner does."""
        status = answer.status
        if 200 <= status < 300:
            if answer.body is _UNREADABLE:
                error = OutcomeUnknown if write else BadAnswer
                raise error(f"{what}: answered {status} with something that is not JSON")
            return answer
        body = None if answer.body is _UNREADABLE else answer.body
        if status == 401:
            raise AuthFailed(f"{what}: answered 401, the credentials are not taken")
        if status == 429:
            wait = self._told_wait(answer.headers, body)
            for name in budgets[-1:]:
                self._budgets.pause(name, wait)
            raise RateLimited(
                f"{what}: answered 429, pause of {wait:.0f} s", wait=wait, budget=(list(budgets) or [""])[-1]
            )
        if status >= 500:
            if write:
                raise OutcomeUnknown(f"{what}: answered {status}, it may or may not have been done")
            raise _Unreachable(f"{what}: answered {status}")
        raise HttpRefused(f"{what}: answered {status}", status=status, body=body)

    def _told_wait(self, headers: Mapping[str, str], body: Any) -> float:
        told = self._wait_of(headers, body) if self._wait_of else None
        if told is None:
            try:
                told = float(headers.get("retry-after", ""))
            except ValueError:
                told = 60.0
        if math.isnan(told):
            told = 60.0
        return min(max(told, 0.1), 3600.0)


class _Unreachable(Unavailable):
    """The vendor does not answer. VetBridge waits and tries again by itself; nothing is lost."""


_UNREADABLE = object()


def _parsed(content: bytes) -> Any:
    if not content.strip():
        return None
    try:
        return json.loads(content, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _known_not_done(error: BaseException, *, longest: float) -> bool:
    if isinstance(error, RateLimited):
        return error.wait <= longest
    return isinstance(error, _Unreachable)


def _told_or_growing(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RateLimited):
        return error.wait
    return float(min(0.2 * 2**state.attempt_number, 3.0))


class Caller:
    """Calls of whole addresses with ready bytes, of which the status alone counts: what VetBridge tells others.

    ``timeout``: seconds to connect, and seconds to answer.
    """

    def __init__(self, *, timeout: float) -> None:
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, headers={"User-Agent": "VetBridge"})

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> int:
        """Posts once and returns the status; the answer's body is not read.

        Raises ``Unavailable`` where nobody answered. Its message does not name the address: that may hold a secret.
        """
        try:
            with self._client.stream("POST", url, content=content, headers=dict(headers)) as response:
                return response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unavailable(f"no answer ({type(error).__name__})") from None

    def close(self) -> None:
        """Gives back the connections."""
        self._client.close()


def post_webhook(url: str, payload: Any, *, timeout: float = 10.0) -> int:
    """Posts one webhook body, for simulators; returns the status, 0 where nobody answered."""
    try:
        return httpx.post(url, json=payload, timeout=timeout).status_code
    except httpx.HTTPError:
        return 0
