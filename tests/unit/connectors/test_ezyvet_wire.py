"""ezyVet's quirks: scalars of two versions, envelopes, filters, tokens, webhooks."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.ezyvet import wire
from connectors.ezyvet.wire import DetailKinds, Where
from vetbridge.connector.interface import Hint
from vetbridge.core.errors import BadAnswer, BadHint, MappingError
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet
from vetbridge.mapping import Mapper, load_table

DETAILS = DetailKinds(email="1", mobile="3", phone="4", other_phones=("7",))
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()
CODES: dict[str, Any] = {
    "species": {"dog": "1", "cat": "2"},
    "sex": {"male": "1", "female": "2"},
    "appointment_type": {"checkup": "31"},
    "resource": {"vet_1": "21", "vet_2": "22"},
    "status": {"booked": "1", "confirmed": "2"},
}
V1_CONTACT: dict[str, Any] = {
    "id": "1001",
    "active": "1",
    "modified_at": "1760000000",
    "first_name": "Ann",
    "last_name": "O'Brien",
    "business_name": "",
    "is_customer": "1",
    "driver_license_number": "secret",
}
V1_DETAILS: list[dict[str, Any]] = [
    {"id": "9", "contact_id": "1001", "contact_detail_type_id": "3", "value": "07700 900123", "active": "1"},
    {"id": "5", "contact_id": "1001", "contact_detail_type_id": "4", "value": "020 7946 0018", "active": "1"},
    {"id": "6", "contact_id": "1001", "contact_detail_type_id": "4", "value": "020 7946 0019", "active": "0"},
    {"id": "7", "contact_id": "1001", "contact_detail_type_id": "junk", "value": "x", "active": "1"},
    {
        "id": "8",
        "contact_id": "1001",
        "contact_detail_type_id": 1,
        "value": "ann@example.org",
        "active": "1",
        "modified_at": 1760000500,
    },
]
V2_APPOINTMENT: dict[str, Any] = {
    "id": 12,
    "active": True,
    "modified_at": 1760000000,
    "start_at": 1790000000,
    "duration": 900,
    "type_id": 31,
    "status_id": 2,
    "description": "itchy",
    "animal_id": 5001,
    "contact_id": 1001,
    "sales_resource": 22,
    "resources": [{"id": 21}, {"id": 22}],
    "cancellation_reason": None,
    "cancellation_reason_text": "",
}


NO_IDS: tuple[object, ...] = (None, "", 0, -1, True, 1.5, "x", [1], {"a": 1}, 10**30, float("inf"))
"""What is no id of ezyVet's."""


def mapper() -> Mapper:
    return Mapper(load_table("ezyvet"), zone="Europe/London", country="GB", codes=CODES)


def test_a_contact_and_its_details_become_a_client() -> None:
    native = wire.contact(V1_CONTACT, V1_DETAILS, DETAILS)

    assert mapper().read(Kind.CLIENT, native) == Client(
        id="1001",
        given_name="Ann",
        family_name="O'Brien",
        phones=("020 7946 0018", "07700 900123"),
        emails=("ann@example.org",),
        active=True,
    )
    assert "secret" not in json.dumps(native)


def test_a_preferred_detail_comes_first() -> None:
    details = [*V1_DETAILS[:2], {**V1_DETAILS[0], "id": "99", "value": "07700 900999", "preferred": "1"}]

    assert wire.contact(V1_CONTACT, details, DETAILS)["phones"][0] == "07700 900999"


def test_a_changed_detail_changes_the_version_of_its_client() -> None:
    touched = [{**V1_DETAILS[0], "modified_at": "1760000900"}, *V1_DETAILS[1:]]

    versions = {
        wire.contact(V1_CONTACT, details, DETAILS)["version"] for details in (V1_DETAILS, touched, touched[:2])
    }

    assert len(versions) == 3


@pytest.mark.parametrize("change", [{"active": "0"}, {"active": False}, {"is_customer": "0"}])
def test_an_inactive_contact_and_one_that_is_no_customer_is_no_active_client(change: dict[str, object]) -> None:
    assert wire.contact({**V1_CONTACT, **change}, [], DETAILS)["active"] is False


def test_a_business_goes_by_its_business_name_only_where_no_person_is_named() -> None:
    firm = {**V1_CONTACT, "business_name": "Happy Paws Ltd"}

    assert wire.contact(firm, [], DETAILS)["last_name"] == "O'Brien"
    assert wire.contact({**firm, "first_name": "", "last_name": None}, [], DETAILS)["last_name"] == "Happy Paws Ltd"


@pytest.mark.parametrize("as_text", [True, False])
def test_an_animal_of_either_version_becomes_a_pet(as_text: bool) -> None:
    row: dict[str, Any] = {
        "id": 5001,
        "contact_id": 1001,
        "name": "Bella",
        "species_id": 1,
        "breed_id": 4,
        "sex_id": 2,
        "date_of_birth": 1577836800,
        "is_dead": 0,
        "active": 1,
        "modified_at": 1760000000,
    }
    if as_text:
        row = {name: str(value) for name, value in row.items()}

    assert mapper().read(Kind.PET, wire.animal(row)) == Pet(
        id="5001",
        client_id="1001",
        name="Bella",
        species="dog",
        breed="4",
        sex="female",
        birth_date=date(2020, 1, 1),
    )


def test_empty_text_in_a_number_column_means_no_value() -> None:
    empty = dict.fromkeys(("species_id", "sex_id", "date_of_birth", "is_dead", "active"), "")
    native = wire.animal({"id": "1", "contact_id": "2", "name": "Rex", **empty})
    pet = mapper().read(Kind.PET, native)

    assert isinstance(pet, Pet)
    assert (pet.species, pet.birth_date) == (None, None)


def test_an_appointment_is_read_with_its_first_resource() -> None:
    visit = mapper().read(Kind.APPOINTMENT, wire.appointment(V2_APPOINTMENT))

    assert isinstance(visit, Appointment)
    assert visit.start.epoch == 1790000000
    assert (visit.duration, visit.resource, visit.appointment_type) == (900, "vet_1", "checkup")
    assert (visit.client_id, visit.pet_id, visit.notes) == ("1001", "5001", "itchy")
    assert visit.status is AppointmentStatus.CONFIRMED


def test_an_inactive_appointment_is_cancelled_whatever_its_status() -> None:
    row = {**V2_APPOINTMENT, "active": False, "cancellation_reason": 2, "cancellation_reason_text": "ill"}
    visit = mapper().read(Kind.APPOINTMENT, wire.appointment(row))

    assert isinstance(visit, Appointment)
    assert (visit.status, visit.cancel_reason) == (AppointmentStatus.CANCELLED, "ill")


@pytest.mark.parametrize(
    ("resources", "found"), [([], "22"), (None, "22"), ("21", "22"), ([21], "21"), ([{"id": ""}, {"id": "23"}], "23")]
)
def test_the_resource_is_found_in_odd_shapes(resources: object, found: str) -> None:
    assert wire.appointment({**V2_APPOINTMENT, "resources": resources})["resource_id"] == found


def test_an_unknown_status_is_named_and_not_guessed() -> None:
    with pytest.raises(MappingError, match=r"'77'.*'status'"):
        mapper().read(Kind.APPOINTMENT, wire.appointment({**V2_APPOINTMENT, "status_id": 77}))


def test_an_unreadable_start_is_an_error_of_the_mapping_and_not_a_crash() -> None:
    with pytest.raises(MappingError, match=r"appointment\.start"):
        mapper().read(Kind.APPOINTMENT, wire.appointment({**V2_APPOINTMENT, "start_at": {"x": 1}}))


# -- writing


def test_what_the_mapping_writes_becomes_the_body_that_was_seen_live() -> None:
    fields = {
        "given_name": "Ann",
        "family_name": "O'Brien",
        "phones": ("+447700900123", "+442079460018", "letters"),
        "emails": ("ann@example.org",),
    }
    body = wire.contact_payload(mapper().write(Kind.CLIENT, fields), DETAILS, "GB")

    assert body == {
        "first_name": "Ann",
        "last_name": "O'Brien",
        "is_customer": 1,
        "contact_detail_list": [
            {"name": "Mobile", "value": "+447700900123", "contact_detail_type_id": 3, "preferred": 1},
            {"name": "Phone", "value": "+442079460018", "contact_detail_type_id": 4, "preferred": 0},
            {"name": "Mobile", "value": "letters", "contact_detail_type_id": 3, "preferred": 0},
            {"name": "Email", "value": "ann@example.org", "contact_detail_type_id": 1, "preferred": 0},
        ],
    }


def test_an_appointment_is_written_with_numbers_status_and_resource() -> None:
    seen = mapper().read(Kind.APPOINTMENT, wire.appointment(V2_APPOINTMENT))
    fields = {
        name: getattr(seen, name)
        for name in ("client_id", "pet_id", "start", "duration", "status", "appointment_type", "resource", "notes")
    }

    assert wire.appointment_payload(mapper().write(Kind.APPOINTMENT, fields)) == {
        "contact_id": 1001,
        "animal_id": 5001,
        "start_at": 1790000000,
        "duration": 900,
        "status_id": 2,
        "type_id": 31,
        "sales_resource": 21,
        "resources": [{"id": 21}],
        "description": "itchy",
    }


def test_a_code_that_is_no_number_is_named() -> None:
    with pytest.raises(MappingError, match="type_id"):
        wire.appointment_payload({"type_id": "checkup"})


# -- filters


def test_filters_are_written_as_the_sheet_says() -> None:
    assert str(Where.equals("5")) == "5"
    assert str(Where.above(17)) == '{"gt":17}'
    assert str(Where.one_of([1, 2])) == '{"in":[1,2]}'
    assert str(Where.within(1, 9)) == '{"gte":1,"lt":9}'
    assert str(Where.within(None, 9)) == '{"lt":9}'


def test_an_error_behind_a_remark_is_an_error() -> None:
    messages = [{"level": "info", "text": "slow"}, {"level": "error", "type": "Broken"}]
    with pytest.raises(BadAnswer, match="Broken"):
        wire.listing({"items": [], "messages": messages}, "contact", "GET /v1/contact")


def test_what_somebody_typed_is_never_read_as_operators() -> None:
    assert json.loads(str(Where.equals('{"neq":""}'))) == {"eq": '{"neq":""}'}
    assert json.loads(str(Where.equals(' ["x"]'))) == {"eq": ' ["x"]'}


@pytest.mark.parametrize(
    ("where", "value", "passes"),
    [
        (Where.equals("5"), 5, True),
        (Where.equals("5"), "5", True),
        (Where.equals("1"), True, True),
        (Where.equals("5"), None, False),
        (Where.equals("Ann@example.org"), "ann@example.org", True),
        (Where.one_of([5, 6]), "6", True),
        (Where.one_of([5, 6]), 7, False),
        (Where.above(5), "6", True),
        (Where.above(5), 5, False),
        (Where.above(5), "junk", False),
        (Where.within(5, 9), 5, True),
        (Where.within(5, 9), "9", False),
    ],
)
def test_a_filter_that_did_not_filter_shows(where: Where, value: object, passes: bool) -> None:
    assert where.holds(value) is passes


# -- answers


def test_a_listing_reads_counts_sent_as_text() -> None:
    body = {
        "meta": {
            "items_page": "2",
            "items_page_total": "3",
            "items_page_size": "50",
            "items_total": "120",
            "timestamp": "1760000000",
        },
        "items": [{"contact": V1_CONTACT}],
        "messages": [],
    }
    page = wire.listing(body, "contact", "GET /v1/contact")

    assert (page.page, page.page_total, page.total, page.told_at) == (2, 3, 120, 1760000000)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {},
        {"items": None},
    ],
)
def test_an_answer_of_another_shape_is_named_and_no_crash(body: object) -> None:
    with pytest.raises(BadAnswer, match="GET /v1/contact"):
        wire.listing(body, "contact", "GET /v1/contact")


@pytest.mark.parametrize(
    "item", [1, None, {}, {"animal": {"id": 1}}, {"contact": []}, *({"contact": {"id": id_}} for id_ in NO_IDS)]
)
def test_an_item_without_an_id_is_counted_and_does_not_hide_its_neighbours(item: object) -> None:
    page = wire.listing({"items": [{"contact": {"id": 7}}, item]}, "contact", "GET /v1/contact")

    assert ([row["id"] for row in page.rows], page.nameless) == (["7"], 1)


@pytest.mark.parametrize("id_", ["12", 12, 12.0, " 12 "])
def test_an_id_is_the_same_whatever_its_type(id_: object) -> None:
    page = wire.listing({"items": [{"contact": {"id": id_}}]}, "contact", "GET /v1/contact")

    assert page.rows == ({"id": "12"},)


def test_an_error_inside_a_success_is_a_failure_and_its_text_is_not_repeated() -> None:
    message = {"level": "error", "type": "InvalidRequestException", "text": "Ann O'Brien is bad", "fields": ["name"]}

    with pytest.raises(BadAnswer, match="InvalidRequestException; fields name") as caught:
        wire.listing({"items": [], "messages": [message]}, "contact", "GET /v1/contact")

    assert "Ann" not in caught.value.message


@pytest.mark.parametrize(
    "message",
    [
        {"level": "error", "type": "\x1b[31m", "fields": 7},
        {"level": "error", "type": {"a": 1}, "fields": [{"b": 2}, "\x1b]0;x\x07", "x" * 5000]},
    ],
)
def test_hostile_error_words_are_left_out(message: dict[str, object]) -> None:
    assert wire.error_words({"messages": [message]}) == ""


@pytest.mark.parametrize("body", [None, {}, {"messages": []}, {"messages": [{"level": "info"}]}, {"messages": "no"}])
def test_what_is_no_error_is_none(body: object) -> None:
    assert wire.error_words(body) is None


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"retry-after": "7", "x-ratelimit-reset": "9"}, None, 7.0),
        ({"x-ratelimit-reset": "9"}, {"messages": [{"text": "wait 3 seconds"}]}, 9.0),
        ({"x-ratelimit-reset": str(int(NOW) + 30)}, None, 30.0),
        ({}, {"messages": [{"text": "Too many recent requests. Wait 12 seconds."}]}, 12.0),
        ({"retry-after": "soon"}, {"text": "later"}, None),
        ({}, None, None),
    ],
)
def test_a_pause_is_read_where_ever_it_stands(headers: dict[str, str], body: object, wait: float | None) -> None:
    assert wire.told_wait(headers, body, NOW) == wait


# -- tokens


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (3600, 3600.0),
        ("3600", 3600.0),
        (1209600, 43200.0),
        (int(NOW) + 7200, 7200.0),
        (int(NOW) - 10, 60.0),
        (0, 60.0),
        (None, 43200.0),
        ("never", 43200.0),
        (10**400, 43200.0),
        (-(10**400), 60.0),
    ],
)
def test_a_token_lives_as_told_and_never_longer_than_twelve_hours(told: object, seconds: float) -> None:
    token = wire.token({"access_token": "abc", "expires_in": told}, NOW, "POST token")

    assert token.seconds == seconds
    assert "abc" not in repr(token)


@pytest.mark.parametrize("text", [None, "", 5, "a b", "a\r\nX-Evil: 1", "é", "x" * 20_000])
def test_an_unusable_token_is_refused_before_it_stands_in_a_header(text: object) -> None:
    with pytest.raises(BadAnswer, match="POST token"):
        wire.token({"access_token": text}, NOW, "POST token")


def test_the_scopes_of_a_jwt_can_be_read_and_of_others_not() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"scopes": ["read-contact"]}).encode()).decode().rstrip("=")

    assert wire.token_scopes(f"e30.{claims}.sig") == frozenset({"read-contact"})
    assert wire.token_scopes("e30.!!!.sig") is None
    assert wire.token_scopes("opaque" * 10) is None


# -- phones


def test_a_phone_is_asked_for_with_and_without_its_country_code() -> None:
    assert wire.cleaned("+44 7700 900123", "GB") == ("447700900123", "07700900123")
    assert wire.cleaned("07700 900123", "GB") == ("447700900123", "07700900123")
    assert wire.cleaned("letters", "GB") == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("07700 900123", "+447700900123", True),
        ("07700 900123", "+447700900124", False),
        ("12", "12", True),
        ("", "", False),
        (None, "12", False),
        ({"a": 1}, {"a": 1}, False),
    ],
)
def test_phones_are_one_number_however_they_are_typed(one: object, other: object, same: bool) -> None:
    assert wire.same_phone(one, other, "GB") is same


# -- webhooks


def hook(*items: object) -> bytes:
    return json.dumps({"meta": {"event": "appointment_updated", "timestamp": 1}, "items": list(items)}).encode()


def test_a_webhook_names_several_records_once_each() -> None:
    raw = hook(
        {"appointment": V2_APPOINTMENT},
        {"appointment": V2_APPOINTMENT},
        {"contact": {"id": "1001"}},
        {"contactdetail": {"id": 4, "contact_id": 1002}},
        {"animal": {"id": 5001}},
        {"invoice": {"id": 1}},
    )

    assert wire.hints(raw) == (
        Hint(kind=Kind.APPOINTMENT, id="12"),
        Hint(kind=Kind.CLIENT, id="1001"),
        Hint(kind=Kind.CLIENT, id="1002"),
        Hint(kind=Kind.PET, id="5001"),
    )


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"not json", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no list of items"),
        (b'{"items": 3}', "no list of items"),
        (hook({"appointment": {"id": "../1"}}), "no id"),
    ],
)
def test_an_unusable_webhook_is_named(raw: bytes, words: str) -> None:
    with pytest.raises(BadHint, match=words):
        wire.hints(raw)


# -- rows that are not right


@pytest.mark.parametrize(
    ("resource", "native"),
    [
        ("contact", wire.contact({"id": "1"}, [], DETAILS)),
        ("animal", wire.animal({"id": "1"})),
        ("appointment", wire.appointment({"id": "1"})),
        ("attachment", wire.attachment({"id": "1"}, {})),
        ("vaccination", wire.vaccination({"id": "1"}, {})),
        ("wellnessplanmembership", wire.membership({"id": "1"})),
    ],
)
def test_a_field_that_is_left_out_is_not_an_empty_one(resource: str, native: dict[str, Any]) -> None:
    others = {
        "attachment": {"client_id", "pet_id"},
        "vaccination": {"pet_id", "name", "given_on", "due_on"},
        "wellnessplanmembership": {"pet_id", "due_on", "completed"},
    }
    needed = set(wire.NEEDED[resource]) & set(native) - {"is_customer"}
    assert set(wire.unreadable(native)) >= needed | others.get(resource, set())


def test_a_detail_that_lacks_a_field_leaves_the_contact_data_unreadable() -> None:
    native = wire.contact(V1_CONTACT, [{"id": "9", "contact_id": "77", "active": "1"}], DETAILS)

    assert wire.unreadable(native) == ["phones", "emails"]


@pytest.mark.parametrize("value", [[5], {"id": 5}, "abc", True, -5, 1.5, 10**30])
def test_a_reference_that_is_no_id_is_not_nobody(value: object) -> None:
    native = wire.appointment({**V2_APPOINTMENT, "contact_id": value})

    assert native["contact_id"] is wire.UNREADABLE
    with pytest.raises(MappingError, match="client_id"):
        mapper().read(Kind.APPOINTMENT, native)


@pytest.mark.parametrize("value", [None, "", " ", 0, "0", 0.0])
def test_a_reference_to_nobody_is_none(value: object) -> None:
    assert wire.appointment({**V2_APPOINTMENT, "contact_id": value})["contact_id"] is None


@pytest.mark.parametrize("value", ["maybe", [], {}, 2, 0.5])
def test_a_visit_of_which_nobody_can_say_whether_it_stands_is_neither(value: object) -> None:
    native = wire.appointment({**V2_APPOINTMENT, "active": value})

    with pytest.raises(MappingError, match="status"):
        mapper().read(Kind.APPOINTMENT, native)


@pytest.mark.parametrize("value", [10**17, -(10**17), "9" * 18, 1e300, "tomorrow", [], True])
@pytest.mark.parametrize(("field", "named"), [("start_at", "start"), ("duration", "duration")])
def test_an_impossible_time_is_named(field: str, named: str, value: object) -> None:
    native = wire.appointment({**V2_APPOINTMENT, field: value})

    with pytest.raises(MappingError, match=named) as caught:
        mapper().read(Kind.APPOINTMENT, native)
    assert str(value)[:9] not in caught.value.message or isinstance(value, bool | list)


# -- hostile rows

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = sorted(
    {*V1_CONTACT, *V1_DETAILS[4], *V2_APPOINTMENT, "name", "species_id", "date_of_birth", "preferred"}
    | {field for fields in wire.NEEDED.values() for field in fields}
)
THERAPEUTICS = wire.TherapeuticFields(due="end_date", service="product_id", name="name", pet="animal_id")
ROW = st.dictionaries(st.sampled_from(NAMES), JSON)


@settings(max_examples=60, deadline=None)
@given(row=ROW, detail=ROW)
def test_no_row_crashes_the_reading(row: dict[str, Any], detail: dict[str, Any]) -> None:
    natives = [wire.contact(row, [detail], DETAILS), wire.animal(row), wire.appointment(row)]
    natives += [wire.attachment(row, {"1": "2"}), wire.vaccination(row, {"1": "2"})]
    for native in (*natives, wire.membership(row), wire.therapeutic(row, THERAPEUTICS, {})):
        assert native["id"] is None or native["id"].rpartition(":")[2].isdigit() or native["id"].endswith(":None")
        assert native["active"] is wire.UNREADABLE or isinstance(native["active"], bool)


@settings(max_examples=60, deadline=None)
@given(body=JSON, items=st.lists(st.dictionaries(st.sampled_from(["appointment", "contact", "x"]), JSON)))
def test_no_body_crashes_the_webhook_door(body: Any, items: list[dict[str, Any]]) -> None:
    for each in (body, {"items": items}):
        try:
            found = wire.hints(json.dumps(each).encode())
        except BadHint:
            continue
        assert all(hint.id.isdigit() for hint in found)
