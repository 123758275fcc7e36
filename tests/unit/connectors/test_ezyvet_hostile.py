"""Whatever ezyVet answers, the connector gives a result or a named error: never a crash, a hang or a wrong owner.

Some ten thousand answers a run: each example is put to every way of reading and writing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.ezyvet import plugin, wire
from connectors.ezyvet.connector import AHEAD, EzyVet
from connectors.ezyvet.options import EzyVetOptions
from vetbridge.connector.http import Answer, HttpClient
from vetbridge.connector.interface import Native, Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import MappingError, VetBridgeError
from vetbridge.core.records import Appointment, Kind, Pet
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

EXAMPLES = 900
STAMP = "VB-0000000001"
SECRET_WORDS = "Zebedee Quux"
MOST_REQUESTS = 60
"""Requests that one call may take; each answer here has few rows."""

BASE: dict[str, Native] = {
    "contact": {"id": "12", "active": "1", "first_name": SECRET_WORDS, "last_name": "Quux", "is_customer": "1"},
    "contactdetail": {
        "id": "7",
        "active": "1",
        "contact_id": "12",
        "contact_detail_type_id": "3",
        "value": "+447911123456",
        "value_cleaned": "447911123456",
    },
    "animal": {
        "id": 12,
        "active": True,
        "contact_id": 12,
        "name": "Rex",
        "species_id": 1,
        "sex_id": 1,
        "date_of_birth": 1700000000,
        "is_dead": False,
    },
    "appointment": {
        "id": 12,
        "active": True,
        "contact_id": 12,
        "animal_id": 12,
        "start_at": 1_790_000_000,
        "duration": 900,
        "type_id": 31,
        "status_id": 1,
        "description": f"[VetBridge {STAMP}]\nlimping\n[/VetBridge]",
        "resources": [{"id": 21}],
    },
}
for row in BASE.values():
    row.update(created_at=1_772_442_000, modified_at=1_772_442_000)

ODD = [
    None, True, False, "", " ", 0, "0", 12, "12", 12.0, 12.5, -1, 1e300, float("inf"), 10**17, 10**25, "9" * 40, [],
    [12], {}, {"id": 12}, "\ud800", "\x1b[2J\x00", "x" * 5000, "2026-02-30", "NaN",
]  # fmt: skip
JUNK = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
FIELDS = sorted({name for row in BASE.values() for name in row} | {"cancellation_reason", "preferred"})
CHANGE = st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=3)
LEFT_OUT = st.sets(st.sampled_from(FIELDS), max_size=2)
ROWS = st.lists(st.tuples(CHANGE, LEFT_OUT), max_size=3)
META = st.dictionaries(
    st.sampled_from(["items_page", "items_page_total", "items_page_size", "items_total", "timestamp"]),
    JUNK,
    max_size=3,
)
BODY = st.fixed_dictionaries(
    {
        "rows": ROWS,
        "meta": META,
        "more": st.dictionaries(st.sampled_from(["meta", "items", "messages"]), JUNK, max_size=1),
    }
)


class Liar:
    """Answers every request with what one example makes of the rows that were asked for."""

    def __init__(self) -> None:
        self.example: dict[str, Any] = {}
        self.asked = 0
        self.served: list[Native] = []

    def answer(self, what: str, request: Any) -> Answer:
        if request.path.endswith("access_token"):
            return Answer(200, {}, {"access_token": "t0ken"})
        self.asked += 1
        assert self.asked <= MOST_REQUESTS, "it asks and asks"
        resource = request.path.split("/")[2]
        row = copy.deepcopy(BASE[resource])
        row.update({name: value for name, value in (request.params or {}).items() if str(value).isdigit()})
        rows = []
        for change, left_out in self.example["rows"]:
            rows.append({name: value for name, value in {**row, **change}.items() if name not in left_out})
        self.served += rows
        meta = {"items_page_total": 1, "items_total": len(rows), **self.example["meta"]}
        items = [{resource: each} for each in rows]
        return Answer(200, {}, {"meta": meta, "items": items, "messages": [], **self.example["more"]})


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    made = Liar()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpClient, "_exchange", made.answer)
        yield made


@pytest.fixture(scope="module")
def side() -> Iterator[EzyVet]:
    given_options = {"client_id": "c", "client_secret": Secret.of("s"), "site_uid": "u", "cancellation_reason": 2}
    options = EzyVetOptions.model_validate({**given_options, "base_url": "http://127.0.0.1:9"})
    environment = Environment(
        account="ezyvet-city", zone="Europe/London", country="GB", clock=FakeClock(), limit_scale=1e6, timeout=5.0
    )
    connector = plugin.build(options, environment)
    assert isinstance(connector, EzyVet)
    yield connector
    connector.close()


def create(kind: Kind, **native: Any) -> Write:
    return Write(operation=Operation.CREATE, kind=kind, id=None, native=native, stamp=STAMP)


VISIT = create(Kind.APPOINTMENT, contact_id="12", animal_id="12", start_at=1_790_000_000, duration=900, type_id="31")
CLIENT = create(Kind.CLIENT, first_name=SECRET_WORDS, last_name="Quux", phones=["+447911123456"])
PET = create(Kind.PET, contact_id="12", name="Rex", species_id="1")
CODES: dict[str, Any] = {
    "species": {"dog": "1"},
    "sex": {"male": "1"},
    "appointment_type": {"checkup": "31"},
    "resource": {"vet_1": "21"},
    "status": {"booked": "1"},
}
MAPPER = Mapper(load_table("ezyvet"), zone="Europe/London", country="GB", codes=CODES)


def pages(side: EzyVet, kind: Kind, since: str | None) -> list[Native]:
    """The records of a walk; its cursors are checked."""
    latest = int(FakeClock().now().timestamp()) + AHEAD
    natives = []
    for page in side.changes(kind, since):
        assert 0 <= int(page.cursor) <= latest
        natives += [found.native for found in page.records if found.native is not None]
        assert all(found.id == (found.native or {})["id"] for found in page.records)
    return natives


ASKS: dict[str, Callable[[EzyVet], tuple[Kind, list[Native]]]] = {
    **{
        f"get {kind}": lambda side, kind=kind: (kind, [native for native in [side.get(kind, "12")] if native])
        for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
    },
    **{
        f"changes {kind} {since}": lambda side, kind=kind, since=since: (kind, pages(side, kind, since))
        for kind, since in (
            (Kind.CLIENT, None),
            (Kind.CLIENT, "1700000000"),
            (Kind.PET, None),
            (Kind.APPOINTMENT, "1700000000"),
        )
    },
    "search client": lambda side: (Kind.CLIENT, list(side.search(Kind.CLIENT, {"phone": "+447911123456"}))),
    "search visit": lambda side: (Kind.APPOINTMENT, list(side.search(Kind.APPOINTMENT, {"client_id": "12"}))),
    "look visit": lambda side: (Kind.APPOINTMENT, list(side.look(VISIT))),
    "look client": lambda side: (Kind.CLIENT, list(side.look(CLIENT))),
    "look pet": lambda side: (Kind.PET, list(side.look(PET))),
}


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(example=BODY)
def test_any_answer_gives_a_result_or_a_named_error(liar: Liar, side: EzyVet, example: dict[str, Any]) -> None:
    liar.example = example
    for name, ask in ASKS.items():
        liar.asked, liar.served = 0, []
        try:
            kind, natives = ask(side)
        except VetBridgeError as error:
            _says_nothing(error)
            continue
        for native in natives:
            _is_what_was_served(kind, native, liar.served, name)
    for write in (VISIT, CLIENT, PET):
        liar.asked, liar.served = 0, []
        try:
            receipt = side.apply(write)
        except VetBridgeError as error:
            _says_nothing(error)
            continue
        assert liar.asked == 1
        assert [wire.record_id(row.get("id")) for row in liar.served] == [receipt.id]


def _says_nothing(error: VetBridgeError) -> None:
    """An error's message can be shown anywhere."""
    assert SECRET_WORDS not in error.message
    assert error.message.isprintable()


def _is_what_was_served(kind: Kind, native: Native, served: list[Native], name: str) -> None:
    """Of a record that the mapping takes, every owner is the one that a row of that id names."""
    rows = [row for row in served if wire.record_id(row.get("id")) == native["id"]]
    assert rows
    if name.startswith("get"):
        assert native["id"] == "12"
    if name == "look visit":
        assert STAMP in native["description"]
    try:
        record = MAPPER.read(kind, native)
    except MappingError as error:
        _says_nothing(error)
        return
    if isinstance(record, Appointment | Pet):
        of = [row["contact_id"] for row in rows if "contact_id" in row]
        assert of, "whose it is was left out"
        if record.client_id is None:
            assert any(each in (None, 0) or str(each).strip() in {"", "0"} for each in of)
        else:
            assert record.client_id in [wire.record_id(each) for each in of]


def test_the_answers_are_about_ten_thousand() -> None:
    assert EXAMPLES * (len(ASKS) + 3) >= 10_000


def test_a_good_answer_is_read(liar: Liar, side: EzyVet) -> None:
    liar.example = {"rows": [({}, set())], "meta": {}, "more": {}}
    for ask in ASKS.values():
        liar.asked, liar.served = 0, []
        kind, natives = ask(side)
        assert [MAPPER.read(kind, native).id for native in natives] == ["12"]
    assert json.dumps(liar.served)
