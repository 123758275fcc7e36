"""What Altegio might answer at its worst: each answer gives a result or a named error, and never a wrong owner.

One answer is spoilt in one place or many; the others of the same call are sound. The door to the network is a
transport in memory, so that thousands of answers take seconds.
"""

from __future__ import annotations

import copy
import functools
import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.altegio import api, wire
from connectors.altegio.connector import AltegioConnector, AltegioOptions, build
from vetbridge.connector import http
from vetbridge.connector.interface import Native, Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    MappingError,
    OutcomeUnknown,
    Refused,
    SlotTaken,
    Unavailable,
    VetBridgeError,
)
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

ZONE = "Europe/London"
STAMP = "VB-7F3K9Q2MXX"
EXAMPLES, ANSWERS = 200, 10
"""Five doors of so many examples with so many spoilt answers each: 10,000."""

CARD: Native = {
    "id": 10001,
    "name": "Jane",
    "surname": "Smith",
    "phone": "+447700900123",
    "email": "jane@example.org",
    "categories": [{"id": 3, "title": "VIP"}],
    "gender_id": 2,
    "birth_date": "",
    "comment": "",
    "discount": 0,
    "sms_not": 0,
    "last_change_date": "2026-07-10T09:00:00+0100",
    "custom_fields": {"vetbridge_pets": "Bella (dog) #k7q2"},
}
RECORD: Native = {
    "id": 30001,
    "company_id": 101001,
    "staff_id": 501,
    "services": [{"id": 701, "title": "Check-up", "cost": 40, "first_cost": 40, "discount": 0, "amount": 1}],
    "client": {
        "id": 10001,
        "name": "Jane",
        "surname": "Smith",
        "phone": "+447700900123",
        "email": "jane@example.org",
    },
    "date": "2026-07-12 12:10:00",
    "datetime": "2026-07-12T12:10:00+01:00",
    "seance_length": 900,
    "length": 900,
    "attendance": 0,
    "visit_attendance": 0,
    "deleted": False,
    "comment": "front door is stiff",
    "api_id": STAMP,
    "sms_remain_hours": 24,
    "email_remain_hours": None,
    "record_labels": [{"id": "7", "title": "nervous"}],
    "custom_fields": {"pet_name": "Bella", "pet_key": "k7q2"},
    "activity_id": 0,
    "last_change_date": "2026-07-10T09:00:00+0100",
}
VISIT: Native = {"staff_id": "501", "service_id": "701", "date": "2026-07-12 12:10:00", "seance_length": 900}
PERSONAL = ("Jane", "Smith", "900123", "example.org", "stiff", "Bella")
MAPPER = Mapper(
    load_table("altegio"),
    zone=ZONE,
    country="GB",
    codes={"appointment_type": {"checkup": "701"}, "resource": {"vet_1": "501"}},
)

Handler = Callable[[httpx.Request], httpx.Response]


def connector(handler: Handler, **options: Any) -> AltegioConnector:
    """A connector whose network is a function."""
    given = {
        "base_url": "https://altegio.test/api/v1",
        "location_id": "101001",
        "partner_token": Secret.of("partner-token"),
        "user_token": Secret.of("user-token"),
    }
    environment = Environment(
        account="altegio-city", zone=ZONE, country="GB", clock=FakeClock(), timeout=5.0, limit_scale=1e6
    )
    made = build(AltegioOptions.model_validate({**given, **options}), environment)
    door = made._api._http
    door._client.close()
    door._client = httpx.Client(base_url="https://altegio.test/api/v1", transport=httpx.MockTransport(handler))
    return made


def enveloped(data: Any, **meta: Any) -> Native:
    return {"success": True, "data": data, "meta": meta or []}


def sound(request: httpx.Request) -> Any:
    """What a healthy Altegio with one client and one visit answers."""
    path = request.url.path.removeprefix("/api/v1")
    first = request.url.params.get("page", "1") == "1"
    listed = [RECORD] if path.startswith("/records/") else [CARD]
    if request.method == "GET" and path.startswith(("/records/", "/clients/")):
        return enveloped(listed if first else [], page=1, total_count=1)
    if path.startswith(("/record/", "/records/")):
        return enveloped([RECORD] if request.method == "POST" else RECORD)
    return enveloped(CARD)


def always(answer: Any, status: int = 200, **how: Any) -> Handler:
    """A handler that gives one answer, as it is, to all that is asked."""
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return lambda request: httpx.Response(status, content=content, **how)


# -- spoiling

ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    12,
    12.0,
    12.5,
    1e300,
    10**30,
    "",
    "0",
    "12",
    "012",
    "x",
    "10002",
    "\ud83d",
    "\x1b[2J",
    "9" * 5000,
    "2026-02-30 10:00:00",
    "0000-00-00 00:00:00",
    "2026-07-12T12:10:00-14:00",
    [],
    {},
    [[]],
    [None],
    [{}],
    {"id": None},
    {"id": [10002]},
    [{"id": 10002}],
    {"0": {"id": 10002}},
    {"id": 10002.0},
)


def spoil(value: Any, chance: random.Random) -> Any:
    """A copy with one to three places changed, lost, wrapped, doubled or added."""
    spoilt = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        spoilt = _spoilt_once(spoilt, chance)
    return spoilt


def _spoilt_once(value: Any, chance: random.Random) -> Any:
    if not isinstance(value, dict | list) or not value or chance.random() < 0.08:
        return copy.deepcopy(chance.choice(ODD)) if chance.random() < 0.8 else [value, value]
    keys: list[Any] = sorted(value) if isinstance(value, dict) else list(range(len(value)))
    inner = [key for key in keys if isinstance(value[key], dict | list) and value[key]]
    key = chance.choice(inner if inner and chance.random() < 0.6 else keys)  # what matters lies deep inside
    how = chance.random()
    if key in inner and how < 0.75:
        value[key] = _spoilt_once(value[key], chance)
    elif how < 0.8:
        value[key] = copy.deepcopy(chance.choice(ODD))
    elif how < 0.85:
        del value[key]
    elif how < 0.95:
        value[key] = [value[key]] if chance.random() < 0.5 else {"value": value[key]}
    elif isinstance(value, list):
        value.append(copy.deepcopy(chance.choice([*ODD, value[key]])))
    else:
        value[chance.choice(["extra", "errors", "id", "data", "meta"])] = copy.deepcopy(chance.choice(ODD))
    return value


def written(body: Any, chance: random.Random) -> bytes:
    """The bytes of an answer, mostly as they should be."""
    text = json.dumps(body, allow_nan=True)
    how = chance.random()
    if how < 0.9:
        return text.encode()
    if how < 0.94:
        return text.encode()[: chance.randrange(len(text) + 1)]
    return chance.choice(
        (
            b"<html>Jane Smith</html>",
            b"",
            b"\xff\xfe\x00",
            text.replace("Jane", "J\u00e4ne").encode("latin-1", "replace"),
            text.encode("utf-16"),
            b"[" * 100_000,
            b'{"data":' * 2_000,
            text.replace("900", "1e999").encode(),
        )
    )


class Sick:
    """A vendor of whose answers every one may be spoilt; the first ``from_`` are not. Remembers what it was sent."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.answered: list[tuple[str, Any]] = []
        self.sent: list[tuple[str, Any]] = []
        self.skip = self.chance.choice((0, 0, 0, 1, 2))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = sound(request)
        if self.skip > 0:
            self.skip -= 1
        else:
            body = spoil(body, self.chance)
        content = written(body, self.chance)
        if request.method in ("POST", "PUT"):
            self.sent.append((request.method, json.loads(request.content)))
        status = self.chance.choice((200,) * 40 + (201, 204, 302, 400, 404, 422, 500))
        told = _told(content)
        self.answered.append((f"{request.method} {request.url.path}", told))
        return httpx.Response(status, content=content)

    def owners(self) -> set[str | None]:
        """The owners of visits that an answer so far told in a way that may be believed, wherever it stood."""
        heap, found = [told for _, told in self.answered], set[str | None]()
        while heap:
            item = heap.pop()
            if isinstance(item, list):
                heap.extend(item)
            elif isinstance(item, dict):
                heap.extend(item.values())
                if "client" in item:
                    found |= _owner(item["client"])
        return found


def _told(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _owner(client: Any) -> set[str | None]:
    """The owner that a record's client block names, by a whole number in figures or as text; None for nobody, where
    the block says nothing at all. Of any other block nothing may be believed, least of all that it is nobody's."""
    if not client or client == "0" or (isinstance(client, dict) and not any(map(_says, client.values()))):
        return {None}
    number = client.get("id") if isinstance(client, dict) else None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    figures = "" if isinstance(number, bool | list | dict) else str(number).strip().lstrip("0")
    return {figures} if figures.isdecimal() and len(figures) <= 18 else set()


def _says(value: Any) -> bool:
    return bool(value) and value != "0"


def survive(call: Callable[[], Any]) -> Any:
    """What a call gives, or None where it raised an error that VetBridge knows, which holds nothing personal."""
    try:
        return call()
    except VetBridgeError as error:
        words = str(error)
    assert not any(word in words for word in PERSONAL), words
    return None


def believable(sick: Sick, natives: list[Native]) -> None:
    """No visit has an owner that no answer named, and the mapping takes all or names the field."""
    for native in natives:
        if "client_id" in native and "state" in native:
            assert native["client_id"] in sick.owners(), "an owner out of nothing"
        kind = Kind.APPOINTMENT if "state" in native else Kind.PET if "key" in native else Kind.CLIENT
        survive(lambda kind=kind, native=native: MAPPER.read(kind, native))  # type: ignore[misc]


def get(made: AltegioConnector, sick: Sick) -> list[Native]:
    id_ = {Kind.APPOINTMENT: "30001", Kind.CLIENT: "10001", Kind.PET: "10001/k7q2"}
    kind = sick.chance.choice(list(id_))
    return [native for native in [made.get(kind, id_[kind])] if native]


def changes(made: AltegioConnector, sick: Sick) -> list[Native]:
    kind = sick.chance.choice([Kind.APPOINTMENT, Kind.CLIENT, Kind.PET])
    since = sick.chance.choice([None, "2026-07-10T07:59:00Z"])
    found = []
    for page in made.changes(kind, since):
        found += [each.native for each in page.records if each.native]
        assert all(each.id for each in page.records)
    return found


def search(made: AltegioConnector, sick: Sick) -> list[Native]:
    queries: list[tuple[Kind, dict[str, str]]] = [
        (Kind.CLIENT, {"phone": "+447700900123"}),
        (Kind.CLIENT, {"name": "Jane Smith", "email": "jane@example.org"}),
        (Kind.PET, {"client_id": "10001"}),
        (
            Kind.APPOINTMENT,
            {"start_from": "2026-07-12T00:00:00+01:00", "start_before": "2026-07-13T00:00:00+01:00"},
        ),
    ]
    return list(made.search(*sick.chance.choice(queries)))


def look(made: AltegioConnector, sick: Sick) -> list[Native]:
    writes = [
        create(Kind.APPOINTMENT, VISIT),
        create(Kind.CLIENT, {"given_name": "Jane", "family_name": "Smith", "phones": ["+447700900123"]}),
        create(Kind.PET, {"client_id": "10001", "name": "Bella", "species": "dog"}),
    ]
    return list(made.look(sick.chance.choice(writes)))


def apply(made: AltegioConnector, sick: Sick) -> list[Native]:
    def update(kind: Kind, id_: str, native: Native) -> Write:
        return Write(operation=Operation.UPDATE, kind=kind, id=id_, native=native)

    writes = [
        create(Kind.APPOINTMENT, {**VISIT, "client_id": "10001"}),
        create(Kind.CLIENT, {"given_name": "Jane", "family_name": "Smith", "phones": ["+447700900123"]}),
        create(Kind.PET, {"client_id": "10001", "name": "Mila", "species": "cat"}),
        update(Kind.APPOINTMENT, "30001", {"comment": "new"}),
        update(Kind.APPOINTMENT, "30001", {"date": "2026-07-12 13:00:00"}),
        update(Kind.CLIENT, "10001", {"family_name": "Jones"}),
        update(Kind.PET, "10001/k7q2", {"name": "Bello"}),
        Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id="30001", native={}),
    ]
    write = sick.chance.choice(writes)
    receipt = survive(lambda: made.apply(write))
    for method, body in sick.sent:
        if "client" in body and method == "PUT":
            # Nobody is taken from a visit, and none given to it, but as an answer told before.
            assert (str(body["client"]["id"]) if body["client"] else None) in sick.owners()
            assert body["services"] or any(
                wire.is_empty(told["data"].get("services"))
                for _, told in sick.answered
                if isinstance(told, dict) and isinstance(told.get("data"), dict)
            )
        if "client" in body and method == "POST":
            assert body["client"]["id"] == 10001
        if "vetbridge_pets" in body.get("custom_fields", {}) and write.kind is Kind.PET:
            assert "#" in body["custom_fields"]["vetbridge_pets"]
    return [receipt.native] if receipt is not None and receipt.native else []


def create(kind: Kind, native: Native) -> Write:
    return Write(operation=Operation.CREATE, kind=kind, id=None, native=native, stamp=STAMP)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("door", [get, changes, search, look, apply], ids=lambda door: door.__name__)
@given(seed=st.integers(0, 2**40))
def test_no_answer_is_too_odd(door: Callable[[AltegioConnector, Sick], list[Native]], seed: int) -> None:
    for number in range(ANSWERS):
        sick = Sick(seed * ANSWERS + number)
        made = patient().before(sick)
        believable(sick, survive(lambda made=made, sick=sick: door(made, sick)) or [])  # type: ignore[misc]


class Patient:
    """The one connector of all these tests, before a vendor each: making its door takes longer than using it."""

    def __init__(self) -> None:
        self._vendor: Handler = always({})
        self._made = connector(self._answer, page_size=2)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        return self._vendor(request)

    def before(self, vendor: Handler) -> AltegioConnector:
        """The connector, with this vendor behind its door."""
        self._vendor = vendor
        return self._made


@functools.cache
def patient() -> Patient:
    return Patient()


# -- one by one


def spoilt_record(**changes: Any) -> Native:
    return {name: value for name, value in {**RECORD, **changes}.items() if value is not MISSING}


MISSING: Any = object()


@pytest.mark.parametrize("id_", [10001, "10001", 10001.0, "010001"])
def test_an_owner_is_the_same_whatever_type_its_number_has(id_: Any) -> None:
    row = spoilt_record(client={**RECORD["client"], "id": id_}, id=30001.0, company_id="101001")
    native = patient().before(always(enveloped(row))).get(Kind.APPOINTMENT, "30001")
    assert native is not None
    assert (native["id"], native["client_id"], native["pet_id"]) == ("30001", "10001", "10001/k7q2")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client", {"id": [10002], "name": "Jane"}),
        ("client", {"id": 10002.5, "name": "Jane"}),
        ("client", {"id": True, "name": "Jane"}),
        ("client", {"id": None, "name": "Jane"}),
        ("client", [{"id": 10002}]),
        ("client", "10002"),
        ("client", MISSING),
        ("services", [{"id": 701}, {"id": None}]),
        ("services", [{"id": 701}, 702]),
        ("services", MISSING),
        ("staff_id", [501]),
        ("staff_id", MISSING),
        ("deleted", MISSING),
        ("comment", {"text": "Jane"}),
        ("comment", MISSING),
        ("custom_fields", "pet_name=Bella"),
        ("custom_fields", MISSING),
        ("company_id", 101002),
        ("id", [30001]),
    ],
    ids=lambda value: "missing" if value is MISSING else json.dumps(value),
)
def test_what_cannot_be_read_without_guessing_is_named_and_its_neighbour_goes_through(field: str, value: Any) -> None:
    row = spoilt_record(**{field: value})
    with pytest.raises(BadAnswer) as caught:
        patient().before(always(enveloped(row))).get(Kind.APPOINTMENT, "30001")
    assert field in str(caught.value) or (field == "id" and "something else" in str(caught.value))
    assert "Jane" not in str(caught.value)

    neighbour = spoilt_record(id=30002)
    both = patient().before(always(enveloped([row, neighbour], total_count=2)))
    found: dict[str, Native | None] = {}

    def read() -> None:
        for page in both.changes(Kind.APPOINTMENT, None):
            found.update((each.id, each.native) for each in page.records)

    if field == "id":
        with pytest.raises(BadAnswer, match="1 rows have no id"):
            read()
        assert set(found) == {"30002"}
    else:
        read()
        assert found["30001"] is None, "whoever reads it anew is told what is wrong"
    assert (found["30002"] or {})["client_id"] == "10001"


def test_a_row_without_an_id_holds_the_cursor() -> None:
    rows = [spoilt_record(id=None), spoilt_record(id=30002)]
    made = patient().before(always(enveloped(rows, total_count=2)))
    cursors = []

    def read() -> None:
        for page in made.changes(Kind.APPOINTMENT, None):
            cursors.append(page.cursor)

    with pytest.raises(BadAnswer):
        read()
    assert cursors == [""]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"date": "2026-02-30 10:00:00"}, "start"),
        ({"date": "0000-00-00 00:00:00"}, "start"),
        ({"date": 1783854600, "datetime": {}}, "start"),
        ({"seance_length": {"minutes": 15}}, "duration"),
        ({"seance_length": "a quarter"}, "duration"),
        ({"attendance": [1]}, "status"),
        ({"attendance": 7}, "status"),
        ({"deleted": {"by": "Jane"}}, "status"),
    ],
    ids=str,
)
def test_an_impossible_time_length_or_state_fails_by_that_field(changes: Native, field: str) -> None:
    native = patient().before(always(enveloped(spoilt_record(**changes)))).get(Kind.APPOINTMENT, "30001")
    assert native is not None
    with pytest.raises(MappingError, match=field):
        MAPPER.read(Kind.APPOINTMENT, native)


@pytest.mark.parametrize(
    ("phone", "read"),
    [
        (447700900123.0, ["+447700900123"]),
        ("447700900123.0", ["+447700900123"]),
        (4.47700900123e25, []),
        ("+4477XXXXX123", []),
        ("#########123", []),
        (False, []),
        (None, []),
    ],
)
def test_a_phone_that_became_a_number_gains_no_digit_and_a_mask_is_no_phone(phone: Any, read: list[str]) -> None:
    card = {**CARD, "phone": phone}
    made = patient().before(always(enveloped(card)))
    if isinstance(phone, float) and not read:
        with pytest.raises(BadAnswer, match="phone"):
            made.get(Kind.CLIENT, "10001")
        return
    assert (made.get(Kind.CLIENT, "10001") or {})["phones"] == read


@pytest.mark.parametrize(
    "content",
    [
        b"<html>Jane Smith</html>",
        b'{"success": true, "data": {"id": 30001, "comment": "J\xe4ne"}}',
        b'{"data":' * 100_000,
        b'{"success": true, "data": {"id": 30001',
        b'{"success": true, "data": {"id": ' + b"9" * 5000 + b"}}",
        b'{"success": false, "data": null, "meta": {"message": "Jane Smith"}}',
        b'{"success": 0, "data": {"id": 30001}}',
        b'{"errors": {"code": 404, "message": "Jane Smith"}}',
        b'{"success": true}',
        b"null",
        b"[]",
        b'"Jane Smith"',
    ],
    ids=lambda content: content[:40].decode("latin-1"),
)
def test_a_read_that_is_no_record_is_a_bad_answer_without_its_content(content: bytes) -> None:
    made = patient().before(always(content))
    for kind, id_ in ((Kind.APPOINTMENT, "30001"), (Kind.CLIENT, "10001"), (Kind.PET, "10001/k7q2")):
        with pytest.raises(BadAnswer) as caught:
            made.get(kind, id_)
        assert "altegio-city: GET /" in str(caught.value)
        assert "Jane" not in str(caught.value)


def test_a_cut_or_swollen_compressed_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress(json.dumps(enveloped(RECORD)).encode())
    packed = {"Content-Encoding": "gzip"}
    assert patient().before(always(whole, headers=packed)).get(Kind.APPOINTMENT, "30001")
    for cut in (whole[:-60], whole[:3], b"no gzip at all"):
        with pytest.raises((BadAnswer, Unavailable)):
            patient().before(always(cut, headers=packed)).get(Kind.APPOINTMENT, "30001")
    monkeypatch.setattr(http, "MAX_BODY", 100_000)
    bomb = gzip.compress(b" " * 10_000_000 + b"{}")
    with pytest.raises(BadAnswer, match="longer than"):
        patient().before(always(bomb, headers=packed)).get(Kind.APPOINTMENT, "30001")
    with pytest.raises(OutcomeUnknown):
        patient().before(always(bomb, headers=packed)).apply(create(Kind.APPOINTMENT, VISIT))


def test_a_list_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_PAGES", 20)

    def endless(request: httpx.Request) -> httpx.Response:
        number = 30000 + int(request.url.params["page"])
        return httpx.Response(200, json=enveloped([spoilt_record(id=number)]))

    with pytest.raises(BadAnswer, match="no end"):
        list(patient().before(endless).changes(Kind.APPOINTMENT, None))


def test_a_count_that_is_too_low_ends_no_list() -> None:
    def lying(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        rows = [spoilt_record(id=30000 + page * 2 + n) for n in (0, 1)] if page < 4 else []
        return httpx.Response(200, json=enveloped(rows, total_count=1))

    pages = list(patient().before(lying).changes(Kind.APPOINTMENT, None))
    assert len({each.id for page in pages for each in page.records}) == 6


# -- writes


class Vendor:
    """Answers writes as it is told, and reads from what stands; remembers what it was sent."""

    def __init__(self, answer: tuple[int, Any], *, record: Native = RECORD, card: Native = CARD) -> None:
        self.answer = answer
        self.record, self.card = record, card
        self.listed = [record]
        self.total: int | None = None
        self.sent: list[tuple[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if request.method == "GET":
            if path.startswith(("/records/", "/clients/")):
                rows = [*self.listed] if path.startswith("/records/") else [self.card]
                first = request.url.params["page"] == "1"
                total = len(rows) if self.total is None else self.total
                return httpx.Response(200, json=enveloped(rows if first else [], total_count=total))
            return httpx.Response(200, json=enveloped(self.record if path.startswith("/record/") else self.card))
        self.sent.append((request.method, json.loads(request.content) if request.content else None))
        status, body = self.answer
        return httpx.Response(status, json=body)


def update(kind: Kind, id_: str, native: Native) -> Write:
    return Write(operation=Operation.UPDATE, kind=kind, id=id_, native=native)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((500, {"success": False, "meta": {"message": "already exists"}}), OutcomeUnknown),
        ((200, {"errors": {"message": "already exists"}}), Refused),
        ((200, {"success": False, "errors": {"code": 433}}), SlotTaken),
        ((201, enveloped([{"id": None}])), OutcomeUnknown),
        ((201, enveloped([{"id": [30001]}])), OutcomeUnknown),
        ((201, enveloped([])), OutcomeUnknown),
        ((201, [1, 2]), OutcomeUnknown),
        ((402, {}), AuthFailed),
    ],
    ids=str,
)
def test_a_create_that_is_not_answered_plainly_is_never_sent_twice(
    answer: tuple[int, Any], error: type[VetBridgeError]
) -> None:
    vendor = Vendor(answer)
    vendor.listed = []
    with pytest.raises(error):
        patient().before(vendor).apply(create(Kind.APPOINTMENT, VISIT))
    assert len(vendor.sent) == 1


def test_a_500_that_means_it_was_done_is_found_by_looking() -> None:
    made = patient().before(Vendor((500, {})))
    with pytest.raises(OutcomeUnknown):
        made.apply(create(Kind.APPOINTMENT, VISIT))
    assert [native["id"] for native in made.look(create(Kind.APPOINTMENT, VISIT))] == ["30001"]


def test_nothing_is_not_found_where_a_list_did_not_come_whole() -> None:
    vendor = Vendor((500, {}))
    vendor.listed, vendor.total = [spoilt_record(api_id="")], 2
    with pytest.raises(BadAnswer) as caught:
        list(patient().before(vendor).look(create(Kind.APPOINTMENT, VISIT)))
    assert caught.value.code == "rows-missing"


def test_a_slot_that_this_very_write_holds_is_where_it_stands() -> None:
    taken = (422, {"errors": {"code": 433}})
    write = create(Kind.APPOINTMENT, VISIT)
    assert patient().before(Vendor(taken)).apply(write).id == "30001"
    with pytest.raises(SlotTaken):
        patient().before(Vendor(taken, record=spoilt_record(api_id=""))).apply(write)


@pytest.mark.parametrize(
    "answer", [enveloped({"id": 30002}), enveloped({"error": "x"}), [1], {"success": True, "data": "saved"}], ids=str
)
def test_an_update_that_answers_something_else_is_looked_at_again(answer: Any) -> None:
    with pytest.raises(OutcomeUnknown):
        patient().before(Vendor((200, answer))).apply(update(Kind.APPOINTMENT, "30001", {"comment": "new"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"client": [{"id": 10001}]},
        {"client": MISSING},
        {"services": [{"id": 701}, {"title": "x"}]},
        {"custom_fields": "x"},
        {"custom_fields": {"pet_name": {"deep": [1]}}},
        {"record_labels": [{"id": "7"}, {"title": "x"}]},
        {"comment": {"x": 1}},
        {"custom_color": {"x": 1}},
        {"sms_remain_hours": [24]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_update_takes_nothing_away_that_it_could_not_read(changes: Native) -> None:
    vendor = Vendor((201, enveloped(RECORD)), record=spoilt_record(**changes))
    with pytest.raises((BadAnswer, Refused)):
        patient().before(vendor).apply(update(Kind.APPOINTMENT, "30001", {"date": "2026-07-12 13:00:00"}))
    assert vendor.sent == []


@pytest.mark.parametrize(
    "custom", [MISSING, "x", [1], {"vetbridge_pets": {"x": 1}}], ids=["missing", "text", "list", "odd"]
)
def test_pets_that_could_not_be_read_are_neither_gone_nor_overwritten(custom: Any) -> None:
    card = {name: value for name, value in {**CARD, "custom_fields": custom}.items() if value is not MISSING}
    vendor = Vendor((200, enveloped(CARD)), card=card)
    made = patient().before(vendor)
    with pytest.raises(BadAnswer, match="custom_fields"):
        made.get(Kind.PET, "10001/k7q2")
    with pytest.raises(BadAnswer, match="custom_fields"):
        made.apply(create(Kind.PET, {"client_id": "10001", "name": "Mila", "species": "cat"}))
    assert vendor.sent == []


def test_a_number_beyond_all_numbers_is_not_sent_back() -> None:
    content = json.dumps(enveloped({**CARD, "discount": 5})).replace('"discount": 5', '"discount": 1e999').encode()
    with pytest.raises(BadAnswer):
        patient().before(always(content)).apply(update(Kind.CLIENT, "10001", {"family_name": "Jones"}))


def test_a_visit_that_somebody_else_has_just_deleted_is_cancelled() -> None:
    class Quicker(Vendor):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = super().__call__(request)
            if request.method == "DELETE":
                self.record = spoilt_record(deleted=True)
            return answer

    made = patient().before(Quicker((404, {"success": False})))
    write = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id="30001", native={})
    assert (made.apply(write).native or {})["state"] == "deleted"
    with pytest.raises(Refused):
        patient().before(Vendor((404, {"success": False}))).apply(write)


def test_a_hidden_phone_is_not_nobody() -> None:
    hidden = patient().before(Vendor((200, {}), card={**CARD, "phone": "+44 77** *** 123", "email": ""}))
    with pytest.raises(BadAnswer) as caught:
        list(hidden.search(Kind.CLIENT, {"phone": "+447700900123"}))
    assert caught.value.code == "contact-hidden"
    with pytest.raises(BadAnswer):
        list(hidden.look(create(Kind.CLIENT, {"given_name": "Jane", "phones": ["+447700900123"]})))
