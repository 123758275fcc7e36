"""The door that vendors answer by: each simulator's sound answers are recorded once, then spoiled on the way back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from itertools import islice
from random import Random
from typing import NamedTuple
from unittest.mock import patch

import httpx

from tests.conformance.test_altegio import TestAltegio
from tests.conformance.test_ezyvet import TestEzyVet
from tests.conformance.test_rest import TestRest
from tests.fuzz.asked import odd_text
from tests.fuzz.door import NAMED, Door
from tests.fuzz.mutation import PLANTED, PLANTED_PHONE, as_json, spoiled
from vetbridge.connector.interface import Connector, Native, Operation, Write
from vetbridge.core.records import Kind
from vetbridge.testing.suite import ConnectorSuite, Subject
from vetbridge.testing.suite.base import KINDS
from vetbridge.testing.suite.files import Paper
from vetbridge.testing.suite.once import LOOKED
from vetbridge.testing.suite.services import CARD

MOST_REQUESTS = 300
"""Of one question: a connector that asks more is led by the nose."""
MOST_RECORDS = 200
STATUSES = (*(200,) * 6, 201, 204, 301, 304, 400, 401, 402, 403, 404, 409, 418, 422, 429, 500, 503, 599)
_UNKNOWN_CODE = "is not in the code list"
GUEST = "Probe"
"""Stands in the name of the clients that the suite makes."""

Ask = Callable[[Connector], Iterable[tuple[Kind, Native]]]


class Answer(NamedTuple):
    """What came back of one request."""

    status: int
    content: bytes
    headers: dict[str, str]


class Given(NamedTuple):
    """A question, and what comes back of its requests, one after the other; the last one for ever."""

    what: str
    answers: tuple[Answer, ...]


class _Answers(Door):
    """One vendor. The account's secrets, and what its records say, stand in no error."""

    suite: type[ConnectorSuite]
    codes_are_words = False
    """Codes are whatever stands there, and the mapping names one that it does not know."""

    def open(self) -> None:
        """Records what the simulator answers to every question."""
        suite = self.suite()
        self.subject = self.set_up.enter_context(closing(suite.make()))
        self.planted = (PLANTED, PLANTED_PHONE, GUEST, *self.subject.secrets)
        self.asks = _asks(suite, self)
        self.recorded: dict[str, list[Answer]] = {}
        real = httpx.HTTPTransport.handle_request
        for what, ask in self.asks.items():
            answers = self.recorded.setdefault(what, [])

            def record(
                transport: httpx.HTTPTransport, request: httpx.Request, kept: list[Answer] = answers
            ) -> httpx.Response:
                response = real(transport, request)
                content = response.read()
                kept.append(Answer(response.status_code, content, dict(response.headers)))
                return _response(kept[-1])

            with patch.object(httpx.HTTPTransport, "handle_request", record):
                list(self._put(ask))

    def make(self, rng: Random) -> Given:
        """A question, one of whose answers is spoiled, or each from there on."""
        what = rng.choice(list(self.recorded))
        answers = list(self.recorded[what])
        first = rng.randrange(len(answers))
        for place in range(first, len(answers)) if rng.random() < 0.2 else (first,):
            answers[place] = _spoiled(rng, answers[place])
        return Given(what, tuple(answers))

    def hand_in(self, given: Given) -> tuple[bool, str]:
        """Asks, and reads what comes by the mapping."""
        asked = 0

        def answer(_transport: httpx.HTTPTransport, _request: httpx.Request) -> httpx.Response:
            nonlocal asked
            asked += 1
            assert asked <= MOST_REQUESTS, "it asks and asks"
            return _response(given.answers[min(asked, len(given.answers)) - 1])

        said = []
        with patch.object(httpx.HTTPTransport, "handle_request", answer):
            for kind, native in islice(self._put(self.asks[given.what]), MOST_RECORDS):
                try:
                    self.subject.mapper.read(kind, native)
                except NAMED as error:
                    said.append("" if self.codes_are_words and _UNKNOWN_CODE in error.message else error.message)
        return not said, " ".join(said)

    def _put(self, ask: Ask) -> Iterable[tuple[Kind, Native]]:
        """Asks by a connector that has just been started."""
        connector = self.subject.restarted()
        assert connector is not None
        with closing(connector):
            yield from ask(connector)


class Altegio(_Answers):
    """What Altegio answers."""

    name = "altegio"
    suite = TestAltegio


class EzyVet(_Answers):
    """What ezyVet answers."""

    name = "ezyvet"
    suite = TestEzyVet


class Rest(_Answers):
    """What an API answers that a profile describes."""

    name = "rest"
    suite = TestRest
    codes_are_words = True


def _asks(suite: ConnectorSuite, door: _Answers) -> dict[str, Ask]:
    """Questions of every kind, about records that there are."""
    subject = door.subject
    kinds = subject.connector.capabilities.kinds
    asks: dict[str, Ask] = {"check": _check, "code lists": _code_lists}
    for kind in KINDS:
        can = kinds[kind]
        create, _ = suite.sample(subject, kind)
        asks[f"changes of {kind}"] = partial(_changes, kind)
        if can.create is None:
            continue
        asks[f"create {kind}"] = partial(_apply, create)
        there = suite.applied(subject, create)
        asks[f"get {kind}"] = partial(_get, kind, there)
        if can.create in LOOKED:
            asks[f"look for {kind}"] = partial(_look, create)
        changed = {name: value for name, value in suite.changes_of(kind, subject).items() if name in can.update}
        if changed:
            update = suite.write_of(subject, kind, Operation.UPDATE, changed, id=there)
            asks[f"update {kind}"] = partial(_apply, update)
        if "email" in can.search:
            asks[f"search {kind}"] = partial(_search, kind, {"email": "probe0@example.org"})
    for kind in kinds.keys() - {*KINDS}:
        if kinds[kind].incremental:
            asks[f"changes of {kind}"] = partial(_changes, kind)
    return {**asks, **_asks_of_files(suite, subject), **_asks_of_cards(suite, subject)}


def _asks_of_files(suite: ConnectorSuite, subject: Subject) -> dict[str, Ask]:
    can = subject.connector.capabilities.of(Kind.ATTACHMENT)
    if can.create is None:
        return {}
    create, values = suite.upload(subject, Paper())
    there = suite.applied(subject, create)
    owner = {"client_id": values["client_id"]}
    return {
        "create attachment": partial(_apply, create),
        "get attachment": partial(_get, Kind.ATTACHMENT, there),
        "content of attachment": partial(_content, there),
        "look for attachment": partial(_look, create),
        "search attachment": partial(_search, Kind.ATTACHMENT, owner),
    }


def _asks_of_cards(suite: ConnectorSuite, subject: Subject) -> dict[str, Ask]:
    can = subject.connector.capabilities.of(Kind.REMINDER)
    values = {name: value for name, value in CARD.items() if name in can.update}
    if not values:
        return {}
    owner = suite.created(subject, Kind.CLIENT, 9)
    update = suite.write_of(subject, Kind.REMINDER, Operation.UPDATE, values, id=owner)
    asks: dict[str, Ask] = {
        "get reminder": partial(_get, Kind.REMINDER, owner),
        "update reminder": partial(_apply, update),
    }
    if can.notify:
        notice = Write(operation=Operation.NOTIFY, kind=Kind.REMINDER, id=owner, native={"text": "Bella is due."})
        asks["notice"] = partial(_apply, notice)
    return asks


def _check(connector: Connector) -> Iterable[tuple[Kind, Native]]:
    connector.check()
    return ()


def _code_lists(connector: Connector) -> Iterable[tuple[Kind, Native]]:
    connector.code_lists()
    return ()


def _changes(kind: Kind, connector: Connector) -> Iterable[tuple[Kind, Native]]:
    for page in connector.changes(kind, None):
        yield from ((kind, found.native) for found in page.records if found.native is not None)


def _get(kind: Kind, id_: str, connector: Connector) -> Iterable[tuple[Kind, Native]]:
    native = connector.get(kind, id_)
    return [] if native is None else [(kind, native)]


def _search(kind: Kind, query: dict[str, str], connector: Connector) -> Iterable[tuple[Kind, Native]]:
    return ((kind, native) for native in connector.search(kind, query))


def _content(id_: str, connector: Connector) -> Iterable[tuple[Kind, Native]]:
    for _piece in connector.content(id_):
        pass
    return ()


def _look(write: Write, connector: Connector) -> Iterable[tuple[Kind, Native]]:
    return ((write.kind, native) for native in connector.look(write))


def _apply(write: Write, connector: Connector) -> Iterable[tuple[Kind, Native]]:
    receipt = connector.apply(write)
    return [] if receipt.native is None else [(write.kind, receipt.native)]


def _response(answer: Answer) -> httpx.Response:
    # Not given as content: the library's own client reads it as from a socket, and unpacks it then.
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    return httpx.Response(answer.status, headers=headers, stream=httpx.ByteStream(answer.content))


def _respoken(rng: Random, content: bytes) -> bytes:
    """Another content; of a file, its beginning and something that is none."""
    try:
        return as_json(rng, spoiled(rng, json.loads(content or b"[]")))
    except ValueError:
        return content[: rng.randrange(len(content))] + rng.choice((b"", b"<html>", b"\x00" * 5000))


def _spoiled(rng: Random, answer: Answer) -> Answer:
    """The same, with another content, status, or header; mostly the content."""
    status, content, headers = answer
    if rng.random() < 0.15:
        status = rng.choice(STATUSES)
    if rng.random() < 0.9:
        content = _respoken(rng, content)
    headers = {name: value for name, value in headers.items() if name != "content-length"}
    how = rng.randrange(30)
    if how == 0:
        content, headers["content-encoding"] = gzip.compress(content), "gzip"
    elif how == 1:
        headers["content-encoding"] = rng.choice(("gzip", "deflate", "br", "x"))
    elif how == 2:
        headers[rng.choice(("retry-after", "date", "content-type", "location", "x-ratelimit-reset"))] = (
            odd_text(rng).encode("latin-1", errors="replace").decode("latin-1")
        )
    return Answer(status, content, headers)
