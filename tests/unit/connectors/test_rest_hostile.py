"""Whatever an API answers, `rest` gives a result or a named error that names nobody: never a crash or a hang."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.rest.connector import Rest
from tests.unit.connectors.rest_api import CLIENT, PROFILE, VISIT, Api, Asked, changed, connected, serving
from vetbridge.connector.http import Answer
from vetbridge.connector.interface import Native, Operation, Write
from vetbridge.core.errors import MappingError, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table

PERSON = "Zebedee Quux"
MOST_REQUESTS = 40
ODD = [
    None, True, "", " ", 0, "c1", 12.5, -1, 1e300, 10**25, [], [12], {}, {"id": 12}, "\ud800", "\x1b[2J\x00",
    "x" * 5000, "2026-02-30", PERSON, "2026-06-15T09:00:00+01:00", "0001-01-01T00:00:00+14:00",
]  # fmt: skip
JUNK = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
CHANGE = st.dictionaries(st.sampled_from([*CLIENT, *VISIT]), JUNK, max_size=3)
EXAMPLE = st.fixed_dictionaries(
    {
        "rows": st.lists(CHANGE, max_size=3),
        "more": st.dictionaries(st.sampled_from(["data", "total", "next", "error"]), JUNK, max_size=2),
        "whole": st.none() | JUNK,
        "status": st.sampled_from([200, 200, 200, 400, 404, 409]),
        "link": st.sampled_from(["", "<>; rel=next", "<clients?x>; rel=next", "<http://[>; rel=next", "<" * 50]),
    }
)
MAPPER = Mapper(
    load_table("neutral"),
    zone="Europe/London",
    country="GB",
    codes={
        "species": {"dog": "dog"},
        "sex": {"male": "m"},
        "status": {"booked": "planned"},
        "resource": {"vet_1": "v1"},
        "appointment_type": {"checkup": "checkup"},
    },
)


class Liar:
    """Answers with what one example makes of a good answer."""

    def __init__(self) -> None:
        self.example: dict[str, Any] = {}
        self.asked = 0

    def answer(self, asked: Asked) -> Answer:
        self.asked += 1
        assert self.asked <= MOST_REQUESTS, "it asks and asks"
        base = CLIENT if "/clients" in asked.url else VISIT
        rows = [{**copy.deepcopy(base), **change} for change in self.example["rows"]]
        body: Any = {"data": rows, "total": len(rows), **(rows[0] if rows else {}), **self.example["more"]}
        if self.example["whole"] is not None:
            body = self.example["whole"]
        return Answer(self.example["status"], {"link": self.example["link"]}, body)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Liar, list[Rest]]]:
    """APIs that page in different ways, all of them lying."""
    liar = Liar()
    sends = {"method": "POST", "path": "/clients", "body": {"last": "{family_name}"}}
    more = {
        "kinds__client__create": sends,
        "kinds__client__list__total": "total",
        "kinds__appointment__changed": {"parameter": "since", "at": "changed"},
        "errors": [{"path": "error", "values": ["c1"], "means": "retry"}],
    }
    with pytest.MonkeyPatch.context() as patch, ExitStack() as opened:
        api: Api = serving(patch, liar.answer)
        made = []
        for paging in ({"kind": "page"}, {"kind": "offset"}, {"kind": "cursor", "next": "next"}, {"kind": "link"}):
            folder: Path = tmp_path_factory.mktemp("rest")
            rest = connected(folder, changed(PROFILE, paging=paging, **more))
            opened.callback(rest.close)
            made.append(rest)
        yield liar, made
        api.asked.clear()


CREATE = Write(operation=Operation.CREATE, kind=Kind.CLIENT, id=None, native={"family_name": PERSON})
ASKS: list[Callable[[Rest], list[tuple[Kind, Native]]]] = [
    lambda rest: [(Kind.CLIENT, native) for native in [rest.get(Kind.CLIENT, "c1")] if native],
    lambda rest: [(Kind.APPOINTMENT, native) for native in [rest.get(Kind.APPOINTMENT, "7")] if native],
    lambda rest: [(Kind.CLIENT, native) for native in rest.search(Kind.CLIENT, {"phone": "07911123456"})],
    lambda rest: [(Kind.APPOINTMENT, native) for native in rest.search(Kind.APPOINTMENT, {"client_id": "c1"})],
    *(
        lambda rest, kind=kind, since=since: [
            (kind, found.native) for page in rest.changes(kind, since) for found in page.records if found.native
        ]
        for kind, since in (
            (Kind.CLIENT, None),
            (Kind.APPOINTMENT, None),
            (Kind.APPOINTMENT, "2026-03-01T00:00:00+00:00"),
        )
    ),
]
DOES: list[Callable[[Rest], object]] = [
    *ASKS,
    lambda rest: rest.apply(CREATE),
    lambda rest: rest.check(),
    lambda rest: rest.try_reading(Kind.APPOINTMENT),
]


def told(do: Callable[[], object]) -> tuple[object, str]:
    """What comes of it, and the words of a named error."""
    try:
        return do(), ""
    except VetBridgeError as error:
        return None, error.message


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(example=EXAMPLE)
def test_any_answer_gives_a_result_or_a_named_error(sides: tuple[Liar, list[Rest]], example: dict[str, Any]) -> None:
    liar, connectors = sides
    liar.example = example
    for rest in connectors:
        for do in DOES:
            liar.asked = 0
            came, words = told(partial(do, rest))
            assert PERSON not in words
            assert words.isprintable()
            for kind, native in came if isinstance(came, list) else ():
                with suppress(MappingError):
                    assert MAPPER.read(kind, native).id == native["id"]


def test_a_good_answer_is_read(sides: tuple[Liar, list[Rest]]) -> None:
    liar, connectors = sides
    liar.example = {"rows": [{}], "more": {}, "whole": None, "status": 200, "link": ""}
    for rest in connectors:
        for ask in ASKS:
            liar.asked = 0
            assert [native["id"] for _, native in ask(rest)] in (["c1"], ["7"])
