"""Altegio's quirks, as the vendor sheet tells them, and what is made of them."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.altegio import pets_field, wire
from connectors.altegio.pets_field import ListedPet
from vetbridge.core.notes import make_stamp
from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.mapping import Mapper, load_table

PET_FIELDS = {"name": "pet_name", "species": "pet_species", "breed": "pet_breed", "key": "pet_key"}

RECORD: dict[str, Any] = {
    "id": 30001,
    "company_id": "101001",
    "staff_id": "502",
    "services": [
        {"id": 702, "title": "Vaccination", "cost": 40, "first_cost": 40, "discount": 0, "amount": 1},
        {"id": 705, "title": "Nail clip", "cost": 10, "first_cost": 10, "discount": 0, "amount": 1},
    ],
    "client": {"id": 10001, "name": "Jane Smith", "surname": "", "phone": 447700900123, "email": "jane@example.org"},
    "date": "2026-07-12 12:10:00",
    "datetime": "2026-07-12T12:10:00+00:00",
    "seance_length": "900",
    "attendance": 0,
    "deleted": False,
    "comment": "front door is stiff",
    "api_id": "",
    "sms_remain_hours": 24,
    "email_remain_hours": None,
    "record_labels": [{"id": "7", "title": "nervous"}],
    "custom_fields": {"pet_name": "Bella", "pet_species": ["Dog"], "pet_key": "K7Q2", "other": "x"},
    "activity_id": 0,
    "last_change_date": "2026-07-10T09:00:00+0100",
}


def mapper(zone: str = "Europe/London") -> Mapper:
    return Mapper(
        load_table("altegio"),
        zone=zone,
        country="GB",
        codes={"appointment_type": {"vaccination": "702", "checkup": "701"}, "resource": {"vet_2": "502"}},
    )


def flat(**changes: object) -> dict[str, object]:
    return wire.record({**RECORD, **changes}, PET_FIELDS)


def test_a_record_becomes_an_appointment() -> None:
    visit = mapper().read(Kind.APPOINTMENT, flat())
    assert visit.id == "30001"
    assert visit.client_id == "10001"
    assert visit.pet_id == "10001/k7q2"
    assert visit.start.utc.isoformat() == "2026-07-12T11:10:00+00:00"  # the wall time counts, not the wrong offset
    assert visit.duration == 900
    assert visit.status is AppointmentStatus.BOOKED
    assert visit.appointment_type == "vaccination"  # the first of two services
    assert visit.resource == "vet_2"
    assert visit.booker is not None
    assert (visit.booker.given_name, visit.booker.family_name) == ("Jane", "Smith")
    assert visit.booker.phones == ("+447700900123",)
    assert visit.booked_pet is not None
    assert (visit.booked_pet.name, visit.booked_pet.species) == ("Bella", "dog")
    assert visit.version == "2026-07-10T09:00:00+0100"


@pytest.mark.parametrize("nobody", [None, [], {}])
def test_a_record_without_a_client_names_none(nobody: object) -> None:
    visit = mapper().read(Kind.APPOINTMENT, flat(client=nobody, custom_fields=[]))
    assert visit.client_id is None
    assert visit.pet_id is None
    assert visit.booker is None
    assert visit.booked_pet is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"attendance": 1}, AppointmentStatus.ARRIVED),
        ({"attendance": "2"}, AppointmentStatus.CONFIRMED),
        ({"attendance": -1}, AppointmentStatus.NO_SHOW),
        ({"attendance": None, "visit_attendance": 1}, AppointmentStatus.ARRIVED),
        ({"deleted": 1, "attendance": 1}, AppointmentStatus.CANCELLED),
        ({"confirmed": 0}, AppointmentStatus.BOOKED),
    ],
)
def test_states(changes: dict[str, object], status: AppointmentStatus) -> None:
    assert mapper().read(Kind.APPOINTMENT, flat(**changes)).status is status


@pytest.mark.parametrize(
    ("times", "wall"),
    [
        ({"date": "2026-01-02 03:04:05"}, "2026-01-02 03:04:05"),
        ({"date": "2026-01-02T03:04:05+05:00"}, "2026-01-02 03:04:05"),
        ({"date": "2026-01-02 03:04"}, "2026-01-02 03:04:00"),
        ({"date": None, "datetime": "2026-01-02T03:04:05+0500"}, "2026-01-02 03:04:05"),
        ({"date": 12, "datetime": []}, ""),
    ],
)
def test_a_start_is_the_wall_time(times: dict[str, object], wall: str) -> None:
    assert flat(**times)["date"] == wall


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        ("+44 7700 900123", "+447700900123"),
        (447700900123, "+447700900123"),
        ("00447700900123", "+447700900123"),
        ("07700 900123", "07700900123"),
        ("", ""),
        (None, ""),
        ("+4477******23", ""),
        ("0000000000", ""),
        ("ask my wife", "ask my wife"),
    ],
)
def test_phones(given_: object, read: str) -> None:
    assert wire.phone(given_) == read


@pytest.mark.parametrize(
    ("name", "surname", "split"),
    [
        ("Jane", "Smith", ("Jane", "Smith")),
        ("Jane  Smith ", "", ("Jane", "Smith")),
        ("Jan Peter Nowak", "", ("Jan Peter", "Nowak")),
        ("Smith, Jane", "", ("Jane", "Smith")),
        ("Jane", "", ("Jane", "")),
        ("", "", ("", "")),
    ],
)
def test_names(name: str, surname: str, split: tuple[str, str]) -> None:
    assert wire.split_name(name, surname) == split


def test_only_a_record_with_nothing_of_a_visit_is_a_block() -> None:
    empty = {**RECORD, "client": None, "services": [], "custom_fields": [], "api_id": "0"}
    assert wire.is_block(empty)
    for field in ("client", "services", "custom_fields"):
        assert not wire.is_block({**empty, field: RECORD[field]})
    assert not wire.is_block({**empty, "api_id": "VB-0000000000"})


@pytest.mark.parametrize(
    ("api_id", "stamp"),
    [
        ("VB-7F3K9Q2MXX", "VB-7F3K9Q2MXX"),
        (" VB-7F3K9Q2MXX ", "VB-7F3K9Q2MXX"),
        ("", ""),
        ("0", ""),
        (0, ""),
        (None, ""),
        ("6f1c1d2e-0b7a-4c58-9d43-3a5a64a9f1d0", ""),
        ("VB-7F3K9Q2MXX and more", ""),
        ("8220262907085542333", "VB-7F3K9Q2MXX"),
        (8220262907085542333, "VB-7F3K9Q2MXX"),
        ("8229999999999999999", ""),
        ("9220262907085542333", ""),
        ("٨٢٢٠٢٦٢٩٠٧٠٨٥٥٤٢٣٣٣", ""),
    ],
)
def test_only_a_mark_of_vetbridge_is_a_stamp(api_id: object, stamp: str) -> None:
    assert wire.record({**RECORD, "api_id": api_id}, {})["stamp"] == stamp


@given(st.binary())
def test_a_mark_is_a_number_that_any_backend_keeps_and_is_read_again(seed: bytes) -> None:
    mark = make_stamp(seed)
    number = wire.api_id(mark)
    assert number.isdecimal()
    assert int(number) < 2**63
    assert {wire.stamp({"api_id": written}) for written in (number, int(number), mark)} == {mark}


def test_a_start_is_the_wall_time_at_the_site() -> None:
    row = {"date": "2026-07-01 10:00:00", "datetime": "2026-07-01T10:00:00+00:00"}
    assert wire.start(row, "Europe/London") == datetime(2026, 7, 1, 9, tzinfo=UTC)
    twice = {"date": "2026-10-25 01:30:00"}
    assert wire.start(twice, "Europe/London") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    for unreadable in ("", "soon", "0000-00-00 00:00:00", "0001-01-01 00:00:00"):
        assert wire.start({"date": unreadable}, "Asia/Tokyo") is None


def test_a_booking_code_is_found_wherever_it_stands() -> None:
    assert wire.error_code({"errors": {"code": 433, "message": "x"}}) == 433
    assert wire.error_code({"meta": {"errors": [{"code": "436"}]}}) == 436
    assert wire.error_code({"code": 500, "errors": []}) is None
    deep: object = {"code": 433}
    for _ in range(5000):
        deep = [deep]
    assert wire.error_code(deep) is None


def test_a_full_update_sends_everything_back_and_messages_nobody() -> None:
    body = wire.changed_record(
        RECORD,
        {"comment": "new"},
        client=wire.record_client(RECORD["client"]),
        zone="Europe/London",
        pet_fields=PET_FIELDS,
    )
    assert body == {
        "staff_id": 502,
        "services": [
            {"id": 702, "first_cost": 40, "discount": 0, "cost": 40, "amount": 1},
            {"id": 705, "first_cost": 10, "discount": 0, "cost": 10, "amount": 1},
        ],
        "client": {
            "id": 10001,
            "phone": "+447700900123",
            "name": "Jane Smith",
            "surname": "",
            "email": "jane@example.org",
        },
        "datetime": "2026-07-12T12:10:00+01:00",
        "seance_length": 900,
        "save_if_busy": True,
        "send_sms": False,
        "comment": "new",
        "sms_remain_hours": 24,
        "api_id": "",
        "attendance": 0,
        "record_labels": [7],
        "custom_fields": RECORD["custom_fields"],
    }


def test_a_move_must_find_its_slot_free() -> None:
    native = mapper().write(Kind.APPOINTMENT, {"duration": 1800, "appointment_type": "checkup"})
    body = wire.changed_record(RECORD, native, client={}, zone="Europe/London", pet_fields=PET_FIELDS)
    assert body["save_if_busy"] is False
    assert body["seance_length"] == 1800
    assert [service["id"] for service in body["services"]] == [701, 705]
    assert body["datetime"] == "2026-07-12T12:10:00+01:00"


def test_the_pet_of_a_visit_is_written_to_custom_fields() -> None:
    native = mapper().write(
        Kind.APPOINTMENT, {"pet_id": "10001/m3x9", "booked_pet.name": "Mila " * 100, "booked_pet.species": "cat"}
    )
    body = wire.changed_record(RECORD, native, client={}, zone="Europe/London", pet_fields=PET_FIELDS)
    assert body["custom_fields"]["pet_key"] == "m3x9"
    assert body["custom_fields"]["pet_species"] == ["cat"]  # a select field keeps its array form
    assert len(body["custom_fields"]["pet_name"]) <= 255
    assert body["custom_fields"]["other"] == "x"


@pytest.mark.parametrize(
    ("hidden", "field"),
    [({"email": "j***@example.org"}, "email"), ({"surname": "S."}, "surname"), ({"surname": "S"}, "surname")],
)
def test_what_is_hidden_is_never_written_over_what_stands(hidden: dict[str, str], field: str) -> None:
    card = {"id": 5, "name": "Jane", "surname": "Smith", "phone": "+447700900123", "email": "j@e.org", **hidden}
    with pytest.raises(wire.Incomplete, match=field):
        wire.client_body({"given_name": "Janet"}, card)
    body = wire.client_body({"family_name": "Jones", "emails": ["j@e.org"]}, card)
    assert (body["surname"], body["email"]) == ("Jones", "j@e.org")
    assert field not in wire.record_client(card)


def test_an_email_address_that_may_be_hidden_is_left_alone() -> None:
    card = {"id": 5, "name": "Jane", "phone": "+447700900123", "email": ""}
    assert "email" not in wire.client_body({"given_name": "Janet"}, card)
    assert "email" not in wire.record_client(card)
    assert wire.client_body({"emails": []}, card)["email"] == ""
    assert wire.client({**card, "email": "j***@example.org"})["emails"] == []


def test_what_altegio_demands_is_named_and_not_invented() -> None:
    with pytest.raises(wire.Incomplete, match="phone"):
        wire.client_body({"given_name": "Jane", "phones": []})
    with pytest.raises(wire.Incomplete, match="name"):
        wire.client_body({"given_name": "", "phones": ["+447700900123"]})
    with pytest.raises(wire.Incomplete, match=r"client\.phone"):
        wire.record_client({"id": 5, "name": "Jane", "phone": ""})
    with pytest.raises(wire.Incomplete, match="staff_id"):
        wire.new_record({}, client={}, zone="UTC", pet_fields=PET_FIELDS, stamp="VB-0000000000")


def test_a_card_goes_back_whole_but_for_money() -> None:
    card = {
        "id": 1,
        "name": "Jane Smith",
        "surname": "",
        "phone": 447700900123,
        "email": "old@example.org",
        "sex_id": 2,
        "birth_date": "1970-01-01",
        "sms_not": 1,
        "spent": 1000,
        "balance": -200,
        "categories": [{"id": "3", "title": "VIP"}],
        "custom_fields": [],
        "comment": None,
    }
    assert wire.client_body({"emails": ["new@example.org"]}, card) == {
        "name": "Jane Smith",
        "surname": "",
        "phone": "+447700900123",
        "email": "new@example.org",
        "gender_id": 2,
        "sms_not": 1,
        "categories": [3],
    }
    renamed = wire.client_body({"family_name": "Jones"}, card)
    assert (renamed["name"], renamed["surname"]) == ("Jane", "Jones")


NAMES = st.text(min_size=1, max_size=20).filter(
    lambda name: pets_field.encode([ListedPet(name, "", "k")])[0] != " #k"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from([*RECORD, "visit_attendance", "length"]), JSON),
    st.dictionaries(st.sampled_from(["id", "name", "surname", "phone", "email", "custom_fields"]), JSON),
)
def test_no_shape_is_too_odd_to_read(changes: dict[str, object], card: dict[str, object]) -> None:
    record = {**RECORD, **changes}
    with suppress(wire.Unreadable):
        native = wire.record(record, PET_FIELDS)
        assert native["client_id"] is None or native["client_id"].isdecimal()
        assert isinstance(native["state"], str)
    wire.is_block(record)
    wire.span(record, "Europe/London")
    with suppress(wire.Unreadable):
        wire.client(card)
    with suppress(wire.Unreadable):
        wire.pets({**card, "custom_fields": {"pets": card.get("custom_fields")}}, "pets")


# -- the pets field


def test_the_pets_field_reads_as_people_write() -> None:
    assert pets_field.decode("Bella (dog) #k7Q2; Mila (cat) #m3X9") == (
        ListedPet("Bella", "dog", "k7q2"),
        ListedPet("Mila", "cat", "m3x9"),
    )
    by_hand = pets_field.decode("Bella,  Mila (cat)\nRex - brown lab; ;# ; #k7q2")
    assert [(pet.name, pet.species) for pet in by_hand] == [
        ("Bella", ""),
        ("Mila", "cat"),
        ("Rex - brown lab", ""),
        ("#", ""),
    ]
    assert len({pet.key for pet in by_hand}) == 4


def test_a_key_by_name_stays_wherever_the_entry_stands() -> None:
    alone = pets_field.decode("Bella")[0].key
    assert pets_field.decode("Rex #aaaa; bella ; Mila")[1].key == alone
    one, other = pets_field.decode("Bella; Bella")
    assert one.key != other.key == pets_field.decode("Bella #" + one.key + "; Bella")[1].key


def test_written_keys_belong_to_their_entry() -> None:
    key = pets_field.new_key("Bella", ())
    assert [pet.key for pet in pets_field.decode(f"Bella; Rex #{key}")][1] == key
    copied = pets_field.decode("Bella #aaaa; Rex #aaaa")
    assert copied[0].key == "aaaa"
    assert copied[1].key != "aaaa"


def test_entries_that_do_not_fit_are_said_and_never_cut() -> None:
    pets = [ListedPet(f"Pet number {n:02}", "dog", f"k{n:03}") for n in range(20)]
    text, left_out = pets_field.encode(pets)
    assert len(text) <= 255
    assert list(pets_field.decode(text)) == pets[: 20 - len(left_out)]
    assert list(left_out) == pets[20 - len(left_out) :]
    assert left_out


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(NAMES, st.sampled_from(["dog", "cat", "(", ""])), max_size=6))
def test_what_is_written_is_read_again(given_pets: list[tuple[str, str]]) -> None:
    taken: set[str] = set()
    pets = []
    for name, species in given_pets:
        key = pets_field.new_key(name, taken)
        taken.add(key)
        pets.append(ListedPet(name, species, key))
    text, left_out = pets_field.encode(pets, limit=10_000)
    assert not left_out
    read = pets_field.decode(text)
    assert [pet.key for pet in read] == [pet.key for pet in pets]
    assert all(pets_field.same_name(a.name, b.name) for a, b in zip(read, pets, strict=True))
    assert pets_field.encode(read, limit=10_000)[0] == text


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=300))
def test_no_text_is_too_odd_for_the_pets_field(text: str) -> None:
    pets = pets_field.decode(text)
    assert len({pet.key for pet in pets}) == len(pets)
    assert all(wire.split_pet_id(wire.pet_id("1", pet.key)) for pet in pets)
