"""The HTTP door: one client per account, with budgets, patient retries inside an attempt, and named errors.

This is the only module that imports the HTTP library. What may be tried again here is only what is known not to
have been done: reads, connections that were refused, and 429. A write whose answer was lost raises
``OutcomeUnknown`` and is never sent again from here.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import tenacity

from vetbridge.connector import reach
from vetbridge.connector.budgets import Budgets, patience_of
from vetbridge.connector.clock import Clock
from vetbridge.connector.form import Form
from vetbridge.connector.interface import Content
from vetbridge.connector.trust import UNTRUSTED, context, why_untrusted
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

LARGEST_FILE = 50 * 1024 * 1024
"""Longest file that is fetched, in bytes."""

LONGEST_DOWNLOAD = 300.0
"""Seconds that a file may take."""

LONGEST_UPLOAD = 900.0
"""Seconds that a file may take on its way out: lines of clinics are slower in that direction."""

MOST_REDIRECTS = 3

MOST_RESUMES = 3
"""How often a file, or the rest of it, is asked for again after its connection broke."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

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
    form: Form | None = None
    file: Content | None = None
    """What stands in the form; opened anew for each sending."""


class HttpClient:
    """Requests of one account at one base URL.

    ``authorise()`` gives the headers of each request; after a 401 ``refresh()`` is called once, and the request
    sent again. ``wait_of(answer headers, body)`` reads a vendor's way of naming a pause, in seconds, beside the
    ``Retry-After`` header. ``ca`` is the config's ``network.ca``. ``on_date`` hears the ``Date`` of each
    answer as it comes.

    Raises ``ConfigError`` where that file cannot be used.
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
        ca: Path | None = None,
        on_date: Callable[[str], None] | None = None,
    ) -> None:
        self._account = account
        self._budgets = budgets
        self._clock = clock
        self._authorise = authorise
        self._refresh = refresh
        self._wait_of = wait_of
        self._on_date = on_date
        self._timeout = timeout
        self._client = httpx.Client(
            base_url=base_url,
            verify=_trusting(ca),
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
        headers: Mapping[str, str] | None = None,
        patience: float = 0.0,
    ) -> Answer:
        """A request that changes nothing (also a search by POST): tried again when it fails on the way.

        ``body`` is sent as JSON, and bytes as they are, whose type then stands in ``headers``. ``patience``: seconds
        it may wait for a budget, or for a pause that the vendor asks for. Not for a caller that others wait for.
        """
        return self._send(_Request(method, path, params, body, headers, write=False, patience=patience), budgets)

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

    def upload(
        self,
        method: str,
        path: str,
        *,
        budgets: Sequence[str],
        fields: Mapping[str, str],
        part: str,
        content: Content,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A write of a form (``multipart/form-data``): short ``fields``, and in ``part`` a file, never held whole.

        Sent again, and read again for it, only where it is known not to have been done, as ``write`` does. Raises
        what ``write`` raises, and ``OSError`` where the file cannot be read.
        """
        form = Form(fields, part, content)
        request = _Request(method, path, None, None, headers, write=True, form=form, file=content)
        return self._send(request, budgets)

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
        content: bytes | Iterator[bytes] | None = None
        if isinstance(request.body, bytes):
            content = request.body
        elif request.body is not None:
            # In ASCII: half characters that a vendor served are sent back as they came.
            content = json.dumps(request.body, allow_nan=False).encode("ascii")
            headers = {"Content-Type": "application/json", **headers}
        params = dict(request.params) if request.params else None
        # The library's time-outs are for one chunk: an answer that trickles would hold its worker for ever.
        latest = self._clock.steady() + LONGEST_ANSWER * self._timeout
        with ExitStack() as opened:
            if request.form is not None and request.file is not None:
                latest += LONGEST_UPLOAD
                file = opened.enter_context(request.file.open())
                headers |= {"Content-Type": request.form.media_type, "Content-Length": str(request.form.length)}
                content = self._in_time(request.form.pieces(file))
            return self._answered(what, request, params, content, headers, latest)

    def _in_time(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        latest = self._clock.steady() + LONGEST_UPLOAD
        for piece in pieces:
            if self._clock.steady() > latest:
                raise httpx.WriteTimeout("the file takes too long")
            yield piece

    def _answered(
        self,
        what: str,
        request: _Request,
        params: Mapping[str, Any] | None,
        content: bytes | Iterator[bytes] | None,
        headers: Mapping[str, str],
        latest: float,
    ) -> Answer:
        try:
            with self._client.stream(
                request.method, request.path, params=params, content=content, headers=headers
            ) as response:
                # What a cache has kept bears the date of then (RFC 9111, section 5.1).
                if self._on_date is not None and "age" not in response.headers:
                    self._on_date(response.headers.get("date", ""))
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
            raise _no_answer(f"{what}: ", "no connection", error) from None
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
            wait = _told_wait(self._wait_of, answer.headers, body)
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


def _told_wait(
    wait_of: Callable[[Mapping[str, str], Any], float | None] | None, headers: Mapping[str, str], body: Any
) -> float:
    """Seconds of pause that a 429 asks for."""
    told = wait_of(headers, body) if wait_of else None
    if told is None:
        try:
            told = float(headers.get("retry-after", ""))
        except ValueError:
            told = 60.0
    if math.isnan(told):
        told = 60.0
    return min(max(told, 0.1), 3600.0)


# One for all clients: it takes long to make.
_trusting = cache(context)


class _Unreachable(Unavailable):
    """The vendor does not answer. VetBridge waits and tries again by itself; nothing is lost."""


def _no_answer(what: str, words: str, error: Exception) -> _Unreachable:
    """Nobody answered, or somebody whose certificate is not trusted: that does not pass by itself."""
    why = why_untrusted(error)
    if why:
        return _Unreachable(f"{what}{why}", code=UNTRUSTED)
    return _Unreachable(f"{what}{words} ({type(error).__name__})")


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


@dataclass(slots=True)
class _Fetch:
    """How much of a file has come, and by what its rest can be asked for."""

    latest: float
    """Until when it may take, by the steady clock."""
    came: int = 0
    whole: int | None = None
    """Bytes of all of it, where that is told."""
    mark: str = ""
    """What tells this file from a later one at the same address; empty: its rest cannot be asked for."""

    def begins(self, headers: Mapping[str, str]) -> None:
        """Takes note of the first answer."""
        length = headers.get("content-length", "")
        self.whole = int(length) if _LENGTH.fullmatch(length) else None
        tag = headers.get("etag", "")
        is_strong = len(tag) > 2 and tag.startswith('"') and tag.endswith('"')
        in_parts = headers.get("accept-ranges", "").strip().lower() == "bytes"
        self.mark = (tag if is_strong else headers.get("last-modified", "")) if in_parts else ""

    @property
    def can_go_on(self) -> bool:
        """Whether what has not come can be asked for: all of it, or the rest."""
        return not self.came or (self.whole is not None and bool(self.mark))

    @property
    def asked(self) -> dict[str, str]:
        """The headers that ask for what has not come."""
        return {"Range": f"bytes={self.came}-", "If-Range": self.mark} if self.came else {}

    def goes_on(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer is the rest of the same file."""
        told = _PART.fullmatch(headers.get("content-range", ""))
        if told is None or self.whole is None:
            return False
        is_same = not self.mark.startswith('"') or headers.get("etag", self.mark) == self.mark
        return is_same and tuple(map(int, told.groups())) == (self.came, self.whole - 1, self.whole)


_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)
_PART = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})", re.ASCII)


class Downloads:
    """Files of one account, from addresses that its vendor names: looked at anew at every redirect, see ``reach``.

    ``base_url`` is the account's own address, the only one that is shown what ``authorise()`` gives, and only until
    an answer leads elsewhere. ``hosts`` are all others from which files come, where the connector knows them.
    ``timeout``: seconds for a connection, and for each piece. No proxy of the environment is used: the connection
    goes to the very address that was looked at.

    ``wait_of`` is that of ``HttpClient``. ``no_files`` are media types in which the vendor says why it gives no file,
    also where its status says that all is well.
    """

    def __init__(
        self,
        base_url: str,
        *,
        account: str,
        clock: Clock,
        timeout: float = 30.0,
        ca: Path | None = None,
        hosts: Collection[str] = (),
        authorise: Callable[[], Mapping[str, str]] | None = None,
        largest: int = LARGEST_FILE,
        resolve: reach.Resolve | None = None,
        wait_of: Callable[[Mapping[str, str], Any], float | None] | None = None,
        no_files: Collection[str] = (),
    ) -> None:
        self._wait_of = wait_of
        self._no_files = no_files
        self._base_url = base_url
        self._account = account
        self._clock = clock
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, 10.0))
        self._ca = ca
        self._hosts = hosts
        self._authorise = authorise
        self._largest = largest
        self._resolve = resolve

    def pieces(self, url: str) -> Iterator[bytes]:
        """The file at an address, piece by piece. Whoever keeps it throws away what came where this raises.

        What a file says it is, is not told: it may say anything. Raises ``Refused`` with the code
        ``download-unsafe`` for an address that is not fetched, ``HttpRefused``, ``BadAnswer`` for a file that is too
        long, takes too long, or leads from place to place, ``Unavailable``, ``RateLimited``. No message names the
        address: it may hold a secret.

        What fails on the way is tried again as long as nothing has come. Where the connection breaks later, the rest
        is asked for if the vendor gives parts of a file and a mark that changes with it. The address is looked at
        anew each time. ``HttpRefused`` comes before the first piece alone.
        """
        what = f"{self._account}: a file"
        fetch = _Fetch(self._clock.steady() + LONGEST_DOWNLOAD)
        for again in range(1 + MOST_RESUMES):
            try:
                yield from self._fetched(url, what, fetch)
            except _Unreachable as error:
                if again == MOST_RESUMES or not fetch.can_go_on or error.code == UNTRUSTED:
                    raise
                self._clock.wait(0.2 * 2**again)
            else:
                return

    def _fetched(self, url: str, what: str, fetch: _Fetch) -> Iterator[bytes]:
        """What has not come yet."""
        trusted = True
        for _ in range(1 + MOST_REDIRECTS):
            target = self._target(url)
            trusted = trusted and target.own
            with self._opened(target, trusted, what, fetch.asked) as response:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    url = urljoin(url, response.headers["location"])
                    continue
                self._judge(what, response, fetch)
                yield from self._content(what, response, fetch)
                return
        raise BadAnswer(f"{what}: its address leads to another one more than {MOST_REDIRECTS} times")

    def _target(self, url: str) -> reach.Target:
        try:
            return reach.target(url, own=self._base_url, hosts=self._hosts, resolve=self._resolve)
        except reach.Unreachable as why:
            raise Refused(
                f"{self._account}: a file's address is not fetched: {why}", code="download-unsafe"
            ) from None

    @contextmanager
    def _opened(
        self, target: reach.Target, trusted: bool, what: str, asked: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "VetBridge", **asked}
        if trusted and self._authorise is not None:
            headers |= self._authorise()
        # A client for each: a connection that was opened for one host is never used for another at the same address.
        with httpx.Client(verify=_trusting(self._ca), timeout=self._timeout, trust_env=False) as client:
            try:
                response = self._sent(client, target, headers)
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                raise _no_answer(f"{what}: ", "no answer", error) from None
            with closing(response):
                yield response

    def _sent(self, client: httpx.Client, target: reach.Target, headers: dict[str, str]) -> httpx.Response:
        if target.own:
            return client.send(client.build_request("GET", target.url, headers=headers), stream=True)
        for place, address in enumerate(target.addresses, 1):
            url = httpx.URL(target.url).copy_with(host=address)
            request = client.build_request("GET", url, headers={**headers, "Host": target.host})
            # The certificate is that of the host, whatever address it has.
            request.extensions["sni_hostname"] = target.host
            try:
                return client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if place == len(target.addresses):
                    raise
        raise AssertionError("a target has addresses")

    def _judge(self, what: str, response: httpx.Response, fetch: _Fetch) -> None:
        """Raises where an answer is no file, or not the rest of the one that was begun."""
        status = response.status_code
        if status == 429:
            wait = _told_wait(self._wait_of, response.headers, None)
            raise RateLimited(f"{what}: answered 429, pause of {wait:.0f} s", wait=wait, budget="")
        if status >= 500:
            raise _Unreachable(f"{what}: answered {status}")
        if fetch.came:
            if status != 206 or not fetch.goes_on(response.headers):
                raise Unavailable(f"{what}: it was cut off, and its rest was answered with {status}")
        elif status != 200:
            raise HttpRefused(f"{what}: answered {status}", status=status, body=None)
        else:
            fetch.begins(response.headers)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise BadAnswer(f"{what}: answered in a form that was not asked for")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type in self._no_files:
            raise BadAnswer(f"{what}: answered {media_type} in place of it")

    def _content(self, what: str, response: httpx.Response, fetch: _Fetch) -> Iterator[bytes]:
        try:
            for piece in response.iter_raw():
                fetch.came += len(piece)
                if fetch.came > self._largest:
                    raise BadAnswer(f"{what}: it is longer than {self._largest} bytes")
                if self._clock.steady() > fetch.latest:
                    raise BadAnswer(f"{what}: it took longer than {LONGEST_DOWNLOAD:.0f} s")
                yield piece
        except httpx.HTTPError as error:
            raise _Unreachable(f"{what}: it was cut off ({type(error).__name__})") from None
        if fetch.whole is not None and fetch.came != fetch.whole:
            raise Unavailable(f"{what}: it has another length than was told")


class Caller:
    """Calls of whole addresses with ready bytes, of which the status alone counts: what VetBridge tells others.

    ``timeout``: seconds to connect, and seconds to answer. ``ca`` is the config's ``network.ca``.
    """

    def __init__(self, *, timeout: float, ca: Path | None = None) -> None:
        self._client = httpx.Client(
            verify=_trusting(ca), timeout=timeout, follow_redirects=False, headers={"User-Agent": "VetBridge"}
        )

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> int:
        """Posts once and returns the status; the answer's body is not read.

        Raises ``Unavailable`` where nobody answered. Its message does not name the address: that may hold a secret.
        """
        return self._call("POST", url, content, headers)

    def get(self, url: str) -> int:
        """Asks once and returns the status, as ``post`` does."""
        return self._call("GET", url, None, {})

    def _call(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> int:
        try:
            with self._client.stream(method, url, content=content, headers=dict(headers)) as response:
                return response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _no_answer("", "no answer", error) from None

    def close(self) -> None:
        """Gives back the connections."""
        self._client.close()


def post_webhook(url: str, payload: Any, *, timeout: float = 10.0) -> int:
    """Posts one webhook body, for simulators; returns the status, 0 where nobody answered."""
    try:
        return httpx.post(url, json=payload, timeout=timeout).status_code
    except httpx.HTTPError:
        return 0
