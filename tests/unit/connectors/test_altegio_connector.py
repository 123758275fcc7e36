"""The Altegio connector against its simulator, over real HTTP; answers that only a sick vendor gives are scripted."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from pydantic import ValidationError

from connectors.altegio import plugin, wire
from connectors.altegio.api import Declined
from connectors.altegio.connector import AltegioConnector, AltegioOptions, build
from connectors.altegio.simulator import AltegioSimulator
from connectors.altegio.simulator import build as build_simulator
from vetbridge.connector.interface import Connector, Hint, HookRequest, Native, Operation, Receipt, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    BadHint,
    MappingError,
    OutcomeUnknown,
    Refused,
    SlotTaken,
    Unavailable,
    VetBridgeError,
)
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Client, Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

ZONE = "Europe/London"
STAMP = "VB-7F3K9Q2MXX"
JANE = {"given_name": "Jane", "family_name": "Smith", "phones": ["+447700900123"], "emails": ["jane@example.org"]}


def options(base_url: str, **changes: Any) -> AltegioOptions:
    given = {
        "base_url": base_url,
        "location_id": 101001,
        "partner_token": Secret.of("partner-token"),
        "user_token": Secret.of("user-token"),
    }
    return AltegioOptions.model_validate({**given, **changes})


def connect(base_url: str, *, zone: str = ZONE, clock: FakeClock | None = None, **changes: Any) -> AltegioConnector:
    environment = Environment(
        account="altegio-city",
        zone=zone,
        country="GB",
        clock=clock or FakeClock(),
        timeout=5.0,
        limit_scale=1000.0,
    )
    return build(options(base_url, **changes), environment)


@pytest.fixture
def serve() -> Iterator[Callable[..., AltegioSimulator]]:
    """Starts simulators and stops them."""
    started: list[AltegioSimulator] = []

    def start(**options: Any) -> AltegioSimulator:
        simulator = build_simulator(**{"zone": ZONE, "webhook_delay": 0.0, **options}).start()
        started.append(simulator)
        return simulator

    yield start
    for simulator in started:
        simulator.stop()


@pytest.fixture
def simulator(serve: Callable[..., AltegioSimulator]) -> AltegioSimulator:
    return serve(clients=30)


def side(simulator: AltegioSimulator, **changes: Any) -> AltegioConnector:
    tokens = {name: Secret.of(simulator.credentials[name]) for name in ("partner_token", "user_token")}
    return connect(simulator.base_url, **{"zone": simulator.zone, **tokens, **changes})


@pytest.fixture
def altegio(simulator: AltegioSimulator) -> Iterator[AltegioConnector]:
    connector = side(simulator)
    yield connector
    connector.close()


def mapper(zone: str = ZONE) -> Mapper:
    codes = {
        "appointment_type": {"checkup": "701", "vaccination": "702"},
        "resource": {"vet_1": "501", "vet_2": "502"},
    }
    return Mapper(load_table("altegio"), zone=zone, country="GB", codes=codes)


def at(hour: int, minute: int = 0) -> Instant:
    return Instant(datetime(2026, 7, 1, hour, minute, tzinfo=UTC), ZONE)


def visit(**changes: object) -> Native:
    fields: dict[str, object] = {
        "start": at(9),
        "duration": 1200,
        "status": AppointmentStatus.BOOKED,
        "appointment_type": "checkup",
        "resource": "vet_1",
        "notes": "hello",
    }
    return mapper().write(Kind.APPOINTMENT, {**fields, **changes})


VISIT_ROW: dict[str, Any] = {
    "id": 5,
    "company_id": 101001,
    "staff_id": 501,
    "services": [{"id": 701}],
    "client": None,
    "date": "2026-07-01 10:00:00",
    "datetime": "2026-07-01T10:00:00+01:00",
    "seance_length": 1200,
    "attendance": 0,
    "deleted": False,
    "comment": "",
    "api_id": STAMP,
    "custom_fields": [],
    "last_change_date": "2026-03-01T10:00:00+0000",
}
"""A record with all that every record has."""


def create(kind: Kind, native: Native, stamp: str = "") -> Write:
    return Write(operation=Operation.CREATE, kind=kind, id=None, native=native, stamp=stamp)


def update(kind: Kind, id_: str, native: Native) -> Write:
    return Write(operation=Operation.UPDATE, kind=kind, id=id_, native=native)


def cancel(id_: str) -> Write:
    return Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native={"by": "staff", "reason": "ill"})


def made(altegio: AltegioConnector, **changes: object) -> Receipt:
    return altegio.apply(create(Kind.APPOINTMENT, visit(**changes), STAMP))


def everything(altegio: AltegioConnector, kind: Kind, since: str | None = None) -> tuple[dict[str, Native], str]:
    pages = list(altegio.changes(kind, since))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return {found.id: found.native or {} for page in pages for found in page.records}, pages[-1].cursor


# -- options


def test_the_plugin_names_its_parts() -> None:
    connector: Connector = plugin.build(options("http://127.0.0.1:1"), Environment(account="a", zone=ZONE))
    assert connector.capabilities.hints
    assert plugin.simulator == "connectors.altegio.simulator"
    connector.close()


def test_tokens_travel_encrypted_or_not_at_all() -> None:
    with pytest.raises(ValidationError, match="https://"):
        options("http://api.alteg.io/api/v1")
    with pytest.raises(ValidationError, match="https://"):
        options("ftp://127.0.0.1")
    assert options("https://api.alteg.io/api/v1/").base_url == "https://api.alteg.io/api/v1"


def test_options_are_checked_and_hide_secrets() -> None:
    assert options("http://localhost:1", pet_fields={"name": "animal"}).pet_fields["key"] == "pet_key"
    with pytest.raises(ValidationError, match="colour"):
        options("http://localhost:1", pet_fields={"colour": "x"})
    with pytest.raises(ValidationError, match="location_id"):
        options("http://localhost:1", location_id="main")
    assert "user-token" not in repr(options("http://localhost:1"))


# -- reading


def test_every_client_is_read_page_by_page(simulator: AltegioSimulator) -> None:
    altegio = side(simulator, page_size=4)
    pages = list(altegio.changes(Kind.CLIENT, None))
    stored = simulator.store.all("client")
    assert len(pages) > 1
    assert {found.id for page in pages for found in page.records} == {str(row["id"]) for row in stored}
    assert pages[-1].total == len(stored)
    assert {page.cursor for page in pages[:-1]} == {""}  # only a whole reading moves the cursor
    assert pages[-1].cursor == "2025-01-06T08:00:00Z"
    one = mapper().read(Kind.CLIENT, next(iter(pages[0].records)).native or {})
    assert one.phones[0].startswith("+")


@pytest.mark.parametrize("bounds_zone", ["site", "utc"])
@pytest.mark.parametrize("zone", ["Asia/Almaty", "America/New_York"])
def test_no_change_is_missed_whatever_zone_the_bound_has(
    serve: Callable[..., AltegioSimulator], bounds_zone: str, zone: str
) -> None:
    simulator = serve(zone=zone, bounds_zone=bounds_zone)
    altegio = side(simulator)
    now = datetime.now(UTC).replace(microsecond=0)
    simulator.clock.set(now - timedelta(days=30))
    old = made(altegio).id
    simulator.clock.set(now - timedelta(days=1))
    new = altegio.apply(create(Kind.APPOINTMENT, visit(start=at(12)), "VB-0000000002")).id
    _, cursor = everything(altegio, Kind.APPOINTMENT)
    simulator.clock.set(now - timedelta(days=1, minutes=-10))  # later than the overlap, earlier than any zone apart
    altegio.apply(update(Kind.APPOINTMENT, new, mapper(zone).write(Kind.APPOINTMENT, {"start": at(13)})))
    seen, after = everything(altegio, Kind.APPOINTMENT, cursor)
    assert mapper(zone).read(Kind.APPOINTMENT, seen[new]).start == at(13)
    assert old not in seen
    assert after > cursor


def test_a_deleted_appointment_is_seen_as_cancelled(altegio: AltegioConnector) -> None:
    id_ = made(altegio).id
    altegio.apply(cancel(id_))
    seen, _ = everything(altegio, Kind.APPOINTMENT)
    assert mapper().read(Kind.APPOINTMENT, seen[id_]).status is AppointmentStatus.CANCELLED
    read = altegio.get(Kind.APPOINTMENT, id_)
    assert read is not None
    assert read["state"] == "deleted"


@pytest.mark.parametrize("id_", ["999999", "", "../company/101001", "1/2/3", "x"])
@pytest.mark.parametrize("kind", [Kind.CLIENT, Kind.PET, Kind.APPOINTMENT])
def test_what_is_not_there_is_none(altegio: AltegioConnector, kind: Kind, id_: str) -> None:
    assert altegio.get(kind, id_) is None


def test_a_person_is_found_by_exact_contact(altegio: AltegioConnector) -> None:
    id_ = altegio.apply(create(Kind.CLIENT, JANE)).id
    other = {**JANE, "phones": ["+4477009001234"], "emails": ["mary.jane@example.org"]}
    altegio.apply(create(Kind.CLIENT, other))

    def found(**query: str) -> list[str]:
        return [native["id"] for native in altegio.search(Kind.CLIENT, query)]

    assert found(phone="+44 7700 900123") == [id_]
    assert found(email="JANE@example.org") == [id_]
    assert len(found(name="Smith, Jane")) == 2
    assert found(name="jane smith", email="jane@example.org") == [id_]
    assert found(phone="+447700900123", email="mary.jane@example.org") == []
    assert found(phone="no number") == []


def test_an_ability_that_is_not_declared_refuses_and_sends_nothing(
    altegio: AltegioConnector, simulator: AltegioSimulator
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: altegio.changes(Kind.REMINDER, None),
        lambda: altegio.changes(Kind.ATTACHMENT, None),
        lambda: altegio.get(Kind.REMINDER, "1"),
        lambda: altegio.get(Kind.VACCINATION, "1"),
        lambda: altegio.search(Kind.APPOINTMENT, {"start": "now"}),
        lambda: altegio.search(Kind.CLIENT, {"shoe_size": "44"}),
        lambda: altegio.apply(Write(operation=Operation.CANCEL, kind=Kind.PET, id="1/ab", native={})),
        lambda: altegio.look(cancel("1")),
        lambda: altegio.apply(create(Kind.REMINDER, {})),
        lambda: altegio.apply(Write(operation=Operation.NOTIFY, kind=Kind.REMINDER, id="1", native={"text": "x"})),
    ]
    for call in calls:
        with pytest.raises(Refused) as refused:
            call()
        assert refused.value.code == "not-supported"
    assert simulator.counts()["requests"] == {}


# -- writing


def test_a_visit_is_created_moved_and_cancelled_without_a_word_to_the_owner(
    altegio: AltegioConnector, simulator: AltegioSimulator
) -> None:
    owner = altegio.apply(create(Kind.CLIENT, JANE)).id
    receipt = made(altegio, client_id=owner)
    assert receipt.native is not None
    read = mapper().read(Kind.APPOINTMENT, receipt.native)
    assert (read.start, read.duration, read.notes, read.client_id) == (at(9), 1200, "hello", owner)
    assert read.booker == Client(
        given_name="Jane", family_name="Smith", phones=("+447700900123",), emails=("jane@example.org",)
    )
    moved = mapper().write(
        Kind.APPOINTMENT, {"start": at(10), "resource": "vet_2", "status": AppointmentStatus.CONFIRMED}
    )
    altegio.apply(update(Kind.APPOINTMENT, receipt.id, moved))
    native = altegio.get(Kind.APPOINTMENT, receipt.id)
    assert native is not None
    read = mapper().read(Kind.APPOINTMENT, native)
    assert (read.start, read.resource, read.status) == (at(10), "vet_2", AppointmentStatus.CONFIRMED)
    assert (read.notes, read.appointment_type) == ("hello", "checkup")
    assert altegio.apply(cancel(receipt.id)).native == altegio.apply(cancel(receipt.id)).native
    assert simulator.counts()["notices"] == 0


def test_an_update_keeps_what_it_does_not_change(serve: Callable[..., AltegioSimulator]) -> None:
    simulator = serve(put_clears=True)
    altegio = side(simulator)
    owner = altegio.apply(create(Kind.CLIENT, JANE)).id
    receipt = made(altegio, client_id=owner, pet_id=f"{owner}/k7q2", **{"booked_pet.name": "Bella"})
    row = simulator.store.get("record", int(receipt.id)) or {}
    simulator.store.put("record", row["id"], {**row, "sms_remain_hours": 24, "custom_color": "ff0000"})
    before = simulator.store.get("record", row["id"]) or {}
    altegio.apply(update(Kind.APPOINTMENT, receipt.id, mapper().write(Kind.APPOINTMENT, {"duration": 1800})))
    after = simulator.store.get("record", row["id"]) or {}
    assert {name for name in before if before[name] != after[name]} - {"_changed"} == {"seance_length"}
    assert simulator.counts()["notices"] == 0


def test_a_visit_may_stand_without_an_owner_and_be_linked_later(
    altegio: AltegioConnector, simulator: AltegioSimulator
) -> None:
    id_ = made(altegio).id
    native = altegio.get(Kind.APPOINTMENT, id_)
    assert native is not None
    assert native["client_id"] is None
    owner = altegio.apply(create(Kind.CLIENT, JANE)).id
    altegio.apply(update(Kind.APPOINTMENT, id_, mapper().write(Kind.APPOINTMENT, {"client_id": owner})))
    assert (simulator.store.get("record", int(id_)) or {})["client_id"] == int(owner)
    altegio.apply(update(Kind.APPOINTMENT, id_, mapper().write(Kind.APPOINTMENT, {"client_id": None})))
    assert (simulator.store.get("record", int(id_)) or {})["client_id"] is None


def test_a_taken_slot_is_a_question(altegio: AltegioConnector) -> None:
    made(altegio)
    other = altegio.apply(create(Kind.APPOINTMENT, visit(start=at(11)), "VB-0000000002")).id
    with pytest.raises(SlotTaken):
        altegio.apply(create(Kind.APPOINTMENT, visit(start=at(9, 10)), "VB-0000000003"))
    with pytest.raises(SlotTaken):
        altegio.apply(update(Kind.APPOINTMENT, other, mapper().write(Kind.APPOINTMENT, {"start": at(9, 10)})))


def test_what_a_person_wants_beside_another_visit_is_written_there(
    altegio: AltegioConnector, simulator: AltegioSimulator
) -> None:
    made(altegio)
    late = altegio.apply(create(Kind.APPOINTMENT, visit(start=at(11)), "VB-0000000002")).id
    beside = altegio.apply(replace(create(Kind.APPOINTMENT, visit(start=at(9, 10)), "VB-0000000003"), beside=True)).id
    move = update(Kind.APPOINTMENT, late, mapper().write(Kind.APPOINTMENT, {"start": at(9, 15)}))
    altegio.apply(replace(move, beside=True))
    starts = {row["id"]: row["datetime"] for row in simulator.store.all("record")}
    assert (starts[int(beside)], starts[int(late)]) == ("2026-07-01T10:10:00+01:00", "2026-07-01T10:15:00+01:00")
    with pytest.raises(SlotTaken):
        altegio.apply(update(Kind.APPOINTMENT, late, mapper().write(Kind.APPOINTMENT, {"start": at(9, 5)})))


def test_a_refusal_of_what_may_stand_beside_is_no_taken_slot(scripted: Callable[..., AltegioConnector]) -> None:
    other = {"id": 9, "staff_id": 501, "date": "2026-07-01 10:15:00", "seance_length": 600, "services": [{"id": 701}]}

    def script(method: str, _path: str, _query: object) -> tuple[int, Any]:
        if method == "POST":
            return 422, {"success": False, "meta": {"message": "outside of working hours"}}
        return 200, {"data": [other], "meta": {"total_count": 1}}

    with pytest.raises(Declined):
        scripted(script).apply(replace(create(Kind.APPOINTMENT, visit(), STAMP), beside=True))


# -- quiet


@pytest.fixture
def booked(altegio: AltegioConnector, simulator: AltegioSimulator) -> tuple[str, str]:
    """A visit that its owner booked in the widget with reminders by SMS and e-mail; ids of visit and client."""
    body = {
        "phone": "+447700900123",
        "fullname": "Jane Smith",
        "notify_by_sms": 24,
        "notify_by_email": 48,
        "appointments": [{"id": 1, "services": [701], "staff_id": 501, "datetime": "2026-07-01T10:00:00+01:00"}],
    }
    headers = {"Authorization": f"Bearer {simulator.credentials['partner_token']}"}
    answer = httpx.post(f"{simulator.base_url}/book_record/101001", json=body, headers=headers, timeout=5)
    id_ = str(answer.json()["data"][0]["record_id"])
    native = altegio.get(Kind.APPOINTMENT, id_)
    assert native is not None
    return id_, native["client_id"]


def reminders(simulator: AltegioSimulator, id_: str) -> tuple[int, int]:
    row = simulator.store.get("record", int(id_)) or {}
    return row["sms_remain_hours"], row["email_remain_hours"]


@pytest.mark.parametrize(
    "changes",
    [
        {"start": at(13)},
        {"resource": "vet_2", "duration": 2400},
        {"status": AppointmentStatus.CONFIRMED},
        {"status": AppointmentStatus.ARRIVED},
        {"status": AppointmentStatus.COMPLETED},
        {"status": AppointmentStatus.NO_SHOW},
        {"notes": "fasting"},
        {"booked_pet.name": "Bella"},
    ],
    ids=lambda changes: ", ".join(map(str, changes.values())),
)
def test_a_change_of_a_booking_keeps_its_reminders_and_adds_none(
    altegio: AltegioConnector, simulator: AltegioSimulator, booked: tuple[str, str], changes: dict[str, object]
) -> None:
    altegio.apply(update(Kind.APPOINTMENT, booked[0], mapper().write(Kind.APPOINTMENT, changes)))
    assert reminders(simulator, booked[0]) == (24, 48)
    assert simulator.counts()["notices"] == 0


def test_reminders_do_not_go_over_to_another_client(
    altegio: AltegioConnector, simulator: AltegioSimulator, booked: tuple[str, str]
) -> None:
    id_, client_id = booked
    same = mapper().write(Kind.APPOINTMENT, {"client_id": client_id, "pet_id": f"{client_id}/k7q2"})
    altegio.apply(update(Kind.APPOINTMENT, id_, same))
    assert reminders(simulator, id_) == (24, 48)
    partner = altegio.apply(create(Kind.CLIENT, {**JANE, "given_name": "Jo", "phones": ["+447700900456"]})).id
    altegio.apply(update(Kind.APPOINTMENT, id_, mapper().write(Kind.APPOINTMENT, {"client_id": partner})))
    assert reminders(simulator, id_) == (0, 0)
    assert simulator.counts()["notices"] == 0


def test_no_other_write_makes_altegio_message_an_owner(
    altegio: AltegioConnector, simulator: AltegioSimulator, booked: tuple[str, str]
) -> None:
    id_, client_id = booked
    altegio.apply(update(Kind.CLIENT, client_id, {**JANE, "emails": ["new@example.org"]}))
    pet = altegio.apply(create(Kind.PET, {"client_id": client_id, "name": "Bella", "species": "dog"})).id
    altegio.apply(update(Kind.PET, pet, {"species": "cat"}))
    desk = altegio.apply(create(Kind.APPOINTMENT, visit(client_id=client_id, start=at(15)), STAMP)).id
    assert reminders(simulator, desk) == (0, 0)
    altegio.apply(cancel(desk))
    altegio.apply(cancel(id_))
    assert simulator.counts()["notices"] == 0


# -- status


@pytest.mark.parametrize(
    ("status", "attendance", "read"),
    [
        (AppointmentStatus.HELD, 0, AppointmentStatus.BOOKED),
        (AppointmentStatus.BOOKED, 0, AppointmentStatus.BOOKED),
        (AppointmentStatus.CONFIRMED, 2, AppointmentStatus.CONFIRMED),
        (AppointmentStatus.ARRIVED, 1, AppointmentStatus.ARRIVED),
        (AppointmentStatus.COMPLETED, 1, AppointmentStatus.ARRIVED),
        (AppointmentStatus.NO_SHOW, -1, AppointmentStatus.NO_SHOW),
    ],
)
def test_every_status_goes_over_and_comes_back_as_the_page_says(
    altegio: AltegioConnector,
    simulator: AltegioSimulator,
    status: AppointmentStatus,
    attendance: int,
    read: AppointmentStatus,
) -> None:
    new = made(altegio, status=status).id
    old = altegio.apply(create(Kind.APPOINTMENT, visit(start=at(11)), "VB-0000000002")).id
    altegio.apply(update(Kind.APPOINTMENT, old, mapper().write(Kind.APPOINTMENT, {"status": status})))
    for id_ in (new, old):
        assert (simulator.store.get("record", int(id_)) or {})["attendance"] == attendance
        record = mapper().read(Kind.APPOINTMENT, altegio.get(Kind.APPOINTMENT, id_) or {})
        assert record.status is read


@pytest.mark.parametrize("status", [AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED])
def test_a_deleted_visit_does_not_come_back(altegio: AltegioConnector, status: AppointmentStatus) -> None:
    id_ = made(altegio).id
    altegio.apply(cancel(id_))
    with pytest.raises(Refused) as refused:
        altegio.apply(update(Kind.APPOINTMENT, id_, mapper().write(Kind.APPOINTMENT, {"status": status})))
    assert refused.value.code == "gone"


# -- lost answers


@pytest.mark.parametrize("fault", ["drop_after_commit", "5xx_after"])
def test_a_lost_answer_is_found_by_looking(
    altegio: AltegioConnector, simulator: AltegioSimulator, fault: str
) -> None:
    owner = altegio.apply(create(Kind.CLIENT, {**JANE, "phones": ["+447700900999"]})).id
    writes = [
        create(Kind.CLIENT, JANE),
        create(Kind.PET, {"client_id": owner, "name": "Bella", "species": "dog"}),
        create(Kind.APPOINTMENT, visit(client_id=owner), STAMP),
    ]
    for write in writes:
        assert list(altegio.look(write)) == []
        simulator.faults.set({fault: 1.0})
        with pytest.raises(OutcomeUnknown):
            altegio.apply(write)
        simulator.faults.set({fault: 0.0})
        [found] = altegio.look(write)
        assert altegio.get(write.kind, found["id"]) == found
    # Someone may have moved it to another vet, or deleted it, before we look.
    altegio.apply(update(Kind.APPOINTMENT, found["id"], mapper().write(Kind.APPOINTMENT, {"resource": "vet_2"})))
    altegio.apply(cancel(found["id"]))
    [again] = altegio.look(writes[-1])
    assert again["state"] == "deleted"


def test_a_visit_that_was_moved_to_another_day_is_found_by_looking(
    serve: Callable[..., AltegioSimulator],
) -> None:
    clock = FakeClock()
    altegio = side(serve(clock=clock), clock=clock)
    id_ = made(altegio).id
    moved = Instant(at(9).utc + timedelta(days=3), ZONE)
    altegio.apply(update(Kind.APPOINTMENT, id_, mapper().write(Kind.APPOINTMENT, {"start": moved})))
    altegio.apply(create(Kind.APPOINTMENT, visit(start=at(12)), "VB-0000000002"))
    assert [native["id"] for native in altegio.look(create(Kind.APPOINTMENT, visit(), STAMP))] == [id_]


def test_pets_stand_in_the_clients_field(altegio: AltegioConnector, simulator: AltegioSimulator) -> None:
    owner = altegio.apply(create(Kind.CLIENT, JANE)).id
    bella = altegio.apply(create(Kind.PET, {"client_id": owner, "name": "Bella", "species": "dog"}))
    mila = altegio.apply(create(Kind.PET, {"client_id": owner, "name": "Mila", "species": "cat"}))
    again = altegio.apply(create(Kind.PET, {"client_id": owner, "name": "BELLA", "species": "dog"}))
    assert again.id == bella.id
    altegio.apply(update(Kind.PET, mila.id, {"name": "Milla"}))
    keys = [pet.id.partition("/")[2] for pet in (bella, mila)]
    stored = (simulator.store.get("client", int(owner)) or {})["custom_fields"]["vetbridge_pets"]
    assert stored == f"Bella (dog) #{keys[0]}; Milla (cat) #{keys[1]}"
    seen, _ = everything(altegio, Kind.PET)
    assert {seen[pet.id]["name"] for pet in (bella, mila)} == {"Bella", "Milla"}
    assert [native["id"] for native in altegio.search(Kind.PET, {"client_id": owner})] == [bella.id, mila.id]
    altegio.apply(update(Kind.CLIENT, owner, {"family_name": "Jones"}))
    read = altegio.get(Kind.PET, mila.id)
    assert read is not None
    assert mapper().read(Kind.PET, read).species == "cat"


def test_a_pet_without_room_is_refused_and_the_others_stay(
    altegio: AltegioConnector, simulator: AltegioSimulator
) -> None:
    owner = altegio.apply(create(Kind.CLIENT, JANE)).id

    def add_many() -> None:
        for number in range(30):
            altegio.apply(create(Kind.PET, {"client_id": owner, "name": f"Guinea pig {number}", "species": "other"}))

    with pytest.raises(Refused) as refused:
        add_many()
    assert refused.value.code == "no-room"
    stored = (simulator.store.get("client", int(owner)) or {})["custom_fields"]["vetbridge_pets"]
    assert 200 < len(stored) <= 255
    assert len(list(altegio.search(Kind.PET, {"client_id": owner}))) == stored.count("#")


def test_a_field_that_altegio_drops_is_noticed(serve: Callable[..., AltegioSimulator]) -> None:
    altegio = side(serve(missing_fields=["vetbridge_pets"]))
    owner = altegio.apply(create(Kind.CLIENT, JANE)).id
    with pytest.raises(Refused) as refused:
        altegio.apply(create(Kind.PET, {"client_id": owner, "name": "Bella", "species": "dog"}))
    assert refused.value.code == "field-not-kept"


def test_writes_that_cannot_be_are_refused_by_name(altegio: AltegioConnector) -> None:
    visit_id = made(altegio).id
    altegio.apply(cancel(visit_id))
    refusals = [
        (create(Kind.CLIENT, {**JANE, "phones": []}), "incomplete"),
        (create(Kind.APPOINTMENT, visit(resource=None), STAMP), "incomplete"),
        (create(Kind.APPOINTMENT, visit(client_id="999"), STAMP), "gone"),
        (update(Kind.APPOINTMENT, visit_id, {"comment": "x"}), "gone"),
        (update(Kind.APPOINTMENT, "999", {"comment": "x"}), "gone"),
        (update(Kind.PET, "10001/zzzz", {"name": "x"}), "gone"),
        (cancel("999"), "gone"),
    ]
    for write, code in refusals:
        with pytest.raises(Refused) as refused:
            altegio.apply(write)
        assert refused.value.code == code


def test_a_hidden_phone_is_never_overwritten(serve: Callable[..., AltegioSimulator]) -> None:
    simulator = serve()
    owner = side(simulator).apply(create(Kind.CLIENT, JANE)).id
    simulator.denied_rights = frozenset({"clients_phones_email_access"})
    blind = side(simulator)
    with pytest.raises(Refused, match="phone"):
        blind.apply(update(Kind.CLIENT, owner, {"family_name": "Jones"}))
    assert (simulator.store.get("client", int(owner)) or {})["phone"] == "+447700900123"


def test_no_error_carries_a_person(altegio: AltegioConnector) -> None:
    altegio.apply(create(Kind.CLIENT, JANE))
    twice = create(Kind.CLIENT, {**JANE, "given_name": "Joan"})
    with pytest.raises(Refused) as refused:
        altegio.apply(twice)
    for personal in ("Jane", "Smith", "900123", "example.org"):
        assert personal not in str(refused.value)


def test_wrong_tokens_and_missing_rights_block_the_account(simulator: AltegioSimulator) -> None:
    stranger = connect(simulator.base_url)
    with pytest.raises(AuthFailed):
        stranger.get(Kind.CLIENT, "10001")
    simulator.denied_rights = frozenset({"clients_access"})
    with pytest.raises(AuthFailed, match="right"):
        list(side(simulator).changes(Kind.CLIENT, None))


def test_a_card_that_stands_already_is_that_client(altegio: AltegioConnector, simulator: AltegioSimulator) -> None:
    first = altegio.apply(create(Kind.CLIENT, JANE))
    assert altegio.apply(create(Kind.CLIENT, JANE)) == first
    assert len(simulator.store.find("client", phone="+447700900123")) == 1
    with pytest.raises(Refused):
        altegio.apply(create(Kind.CLIENT, {**JANE, "given_name": "Joan"}))


# -- time


SITES = ["Europe/London", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe", "Asia/Kathmandu"]


def changes_of_clocks(zone: str) -> list[datetime]:
    """The moments of 2026 and 2027 at which the clocks of a zone change, in UTC."""
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(2 * 365 * 48)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours[1:], offsets, offsets[1:], strict=False) if before != after]


@pytest.fixture
def machine_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own zone is far from every site."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("machine_elsewhere")
@pytest.mark.parametrize("winter_offset", [False, True])
@pytest.mark.parametrize("zone", SITES)
def test_no_visit_around_a_change_of_clocks_moves_by_an_hour_on_its_way(
    serve: Callable[..., AltegioSimulator], zone: str, winter_offset: bool
) -> None:
    """Both ways: what is written stands at that moment, is read as that moment, and stays when it is changed."""
    simulator = serve(zone=zone, winter_offset=winter_offset)
    altegio, mapping = side(simulator), mapper(zone)
    moments = [turn + timedelta(minutes=by) for turn in changes_of_clocks(zone) for by in (-90, -30, 0, 30, 90)]
    moments += [datetime(2026, 1, 15, 23, 45, tzinfo=UTC), datetime(2026, 7, 15, 11, tzinfo=UTC)]
    carried = 0
    for number, moment in enumerate(moments):
        start = Instant(moment, zone)
        if start.at_site().fold:
            with pytest.raises(MappingError, match="twice"):
                mapping.write(Kind.APPOINTMENT, {"start": start})
            continue
        native = mapping.write(
            Kind.APPOINTMENT,
            {"start": start, "duration": 1200, "appointment_type": "checkup", "resource": "vet_1"},
        )
        write = replace(create(Kind.APPOINTMENT, native, f"VB-{number:010}"), beside=True)
        id_ = altegio.apply(write).id
        altegio.apply(update(Kind.APPOINTMENT, id_, {"comment": "new"}))
        row = simulator.store.get("record", int(id_)) or {}
        if not (winter_offset and occurs_twice(start)):
            assert datetime.fromtimestamp(row["_start"], UTC) == moment
        assert mapping.read(Kind.APPOINTMENT, altegio.get(Kind.APPOINTMENT, id_) or {}).start == start
        carried += 1
    assert carried > 1


def occurs_twice(start: Instant) -> bool:
    wall = start.at_site()
    return wall.utcoffset() != wall.replace(fold=1).utcoffset()


@pytest.mark.usefixtures("machine_elsewhere")
@pytest.mark.parametrize("offset", ["+00:00", "+01:00"])
def test_a_visit_in_the_hour_that_occurs_twice_stays_where_it_is_when_something_else_changes(
    altegio: AltegioConnector, simulator: AltegioSimulator, offset: str
) -> None:
    id_ = made(altegio).id
    moment = datetime.fromisoformat(f"2026-10-25T01:30:00{offset}")
    row = simulator.store.get("record", int(id_)) or {}
    changed = {"_start": int(moment.timestamp()), "datetime": moment.isoformat()}
    simulator.store.put("record", int(id_), {**row, **changed})
    confirmed = mapper().write(Kind.APPOINTMENT, {"status": AppointmentStatus.CONFIRMED})
    altegio.apply(update(Kind.APPOINTMENT, id_, confirmed))
    assert (simulator.store.get("record", int(id_)) or {})["_start"] == int(moment.timestamp())


def test_a_visit_in_the_hour_that_does_not_exist_is_read_as_the_hour_after(
    scripted: Callable[..., AltegioConnector],
) -> None:
    odd = {**VISIT_ROW, "date": "2026-03-29 01:30:00", "datetime": "2026-03-29T01:30:00+00:00"}
    native = scripted(lambda *_: (200, {"data": odd})).get(Kind.APPOINTMENT, "5")
    start = mapper().read(Kind.APPOINTMENT, native or {}).start
    assert start.at_site().isoformat() == "2026-03-29T02:30:00+01:00"
    assert mapper().write(Kind.APPOINTMENT, {"start": start})["date"] == "2026-03-29 02:30:00"


@pytest.mark.parametrize(
    "times",
    [
        {"date": "2026-07-01 10:00:00", "datetime": "2026-07-01T10:00:00+00:00"},
        {"date": "2026-07-01 10:00:00", "datetime": "2026-07-01T10:00:00-08:00"},
        {"date": "2026-07-01T10:00:00+00:00", "datetime": "2026-07-01T10:00:00+00:00"},
        {"datetime": "2026-07-01T10:00:00+0000"},
    ],
    ids=str,
)
def test_the_local_time_counts_whatever_offset_stands_beside_it_and_the_right_one_is_sent(
    scripted: Callable[..., AltegioConnector], times: dict[str, str]
) -> None:
    sent: list[Any] = []
    row = {name: value for name, value in VISIT_ROW.items() if name not in ("date", "datetime")} | times

    def script(method: str, _path: str, _query: object, body: Any) -> tuple[int, Any]:
        if method == "PUT":
            sent.append(body)
        return 200, {"data": row}

    altegio = scripted(script)
    native = altegio.get(Kind.APPOINTMENT, "5")
    assert mapper().read(Kind.APPOINTMENT, native or {}).start == at(9)
    altegio.apply(update(Kind.APPOINTMENT, "5", {"comment": "new"}))
    assert [body["datetime"] for body in sent] == ["2026-07-01T10:00:00+01:00"]


@pytest.mark.parametrize(
    ("begins", "seconds", "wanted", "taken"),
    [
        ("2026-06-30 23:30:00", 7200, at(0), True),  # 01:00 at the site, the visit of yesterday ends at 01:30
        ("2026-06-30 23:30:00", 3600, at(0), False),
        ("2026-07-01 00:00:00", 86400, at(22, 30), True),  # all of the day, until midnight
        ("2026-07-01 00:00:00", 86400, at(23), False),
        ("2026-07-02 00:10:00", 600, at(23), True),  # 00:00 to 00:20
    ],
)
def test_a_visit_over_midnight_takes_its_time_on_both_days(
    scripted: Callable[..., AltegioConnector], begins: str, seconds: int, wanted: Instant, taken: bool
) -> None:
    other = {**VISIT_ROW, "id": 9, "date": begins, "seance_length": seconds, "api_id": ""}

    def script(method: str, _path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if method == "POST":
            return 422, {"success": False, "meta": {"message": "busy"}}
        shown = query["start_date"][0] <= begins[:10] <= query["end_date"][0]
        return 200, {"data": [other] if shown else [], "meta": {"total_count": int(shown)}}

    with pytest.raises(SlotTaken if taken else Declined):
        made(scripted(script), start=wanted)


def test_a_day_in_which_clocks_go_back_has_25_hours() -> None:
    row = {**VISIT_ROW, "date": "2026-10-25 00:00:00", "seance_length": 25 * 3600}
    begin, end = wire.span(row, ZONE) or (None, None)
    assert (begin, end) == (datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))


# -- webhooks


def hook(body: object) -> HookRequest:
    return HookRequest(body=body if isinstance(body, bytes) else json.dumps(body).encode())


def event(**changes: object) -> dict[str, object]:
    base = {"company_id": 101001, "resource": "record", "resource_id": 5, "status": "create", "data": {"id": 6}}
    return {**base, **changes}


def test_a_webhook_is_a_hint_and_no_more(altegio: AltegioConnector) -> None:
    assert altegio.hints(hook(event())) == (Hint(kind=Kind.APPOINTMENT, id="5"),)
    several = [
        event(),
        event(company_id="101001", resource="client", resource_id="7", data=[]),
        event(status="delete"),
    ]
    assert altegio.hints(hook(several)) == (Hint(kind=Kind.APPOINTMENT, id="5"), Hint(kind=Kind.CLIENT, id="7"))
    assert altegio.hints(hook(event(resource="schedule", resource_id="x"))) == ()
    assert altegio.hints(hook([])) == ()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"resource=record", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'"record"', "no object"),
        ([[1]], "no object"),
        (event(company_id=2), "company_id"),
        (event(company_id=None), "company_id"),
        (event(resource_id="1; DROP"), "resource_id"),
        (event(resource_id={}), "resource_id"),
    ],
)
def test_a_webhook_that_cannot_be_used_says_why(altegio: AltegioConnector, body: object, names: str) -> None:
    with pytest.raises(BadHint, match=names):
        altegio.hints(hook(body))


# -- checking


def test_a_check_of_a_good_location_is_fine_and_writes_nothing(
    altegio: AltegioConnector, simulator: AltegioSimulator
) -> None:
    report = altegio.check()
    assert report.ok, report
    counts = simulator.counts()
    assert counts["writes"] == counts["tokens"] == 0
    assert all(request.startswith("GET ") for request in counts["requests"])


def test_a_check_names_what_is_missing(serve: Callable[..., AltegioSimulator]) -> None:
    simulator = serve(
        missing_fields=["pet_key", "vetbridge_pets"],
        denied_rights=["clients_phones_email_access", "custom_fields_client_values_edit_access"],
    )
    report = side(simulator, zone="Europe/Berlin").check()
    wrong = {line.name for line in report.lines if not line.ok}
    assert wrong == {"time zone", "rights", "record field pet_key", "client field vetbridge_pets", "webhooks"}
    assert not report.ok
    assert all(line.advice for line in report.lines if not line.ok)
    simulator.denied_rights = frozenset({"clients_access"})
    assert "clients" in {line.name for line in side(simulator).check().lines if not line.ok}


def test_a_check_with_wrong_tokens_or_no_vendor_is_one_wrong_line(simulator: AltegioSimulator) -> None:
    assert [line.ok for line in connect(simulator.base_url).check().lines] == [False]
    url = simulator.base_url
    simulator.stop()
    assert [line.ok for line in connect(url).check().lines] == [False]


# -- a vendor out of its mind


Script = Callable[..., tuple[int, Any]]
"""Status and body for method, path and query; a function of four takes the body as well."""


@pytest.fixture
def scripted() -> Iterator[Callable[[Script], AltegioConnector]]:
    """A connector to a server that answers what a function says."""
    servers: list[ThreadingHTTPServer] = []

    def start(script: Script, **changes: Any) -> AltegioConnector:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                parts = urlsplit(self.path)
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                told = (self.command, parts.path, parse_qs(parts.query))
                wants_body = len(signature(script).parameters) == 4
                status, body = script(*told, json.loads(sent or "null")) if wants_body else script(*told)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return connect(f"http://127.0.0.1:{server.server_port}", **changes)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def rows(first: int, count: int, changed: str = "2026-03-01T10:00:00+0000") -> list[dict[str, Any]]:
    return [{"id": first + n, "name": "x", "last_change_date": changed} for n in range(count)]


def test_a_filter_that_did_not_filter_is_noticed(scripted: Callable[..., AltegioConnector]) -> None:
    altegio = scripted(lambda *_: (200, {"success": True, "data": rows(1, 3), "meta": {"total_count": 3}}))
    with pytest.raises(BadAnswer, match="did not filter"):
        list(altegio.changes(Kind.CLIENT, "2026-03-02T10:00:00Z"))
    assert len(list(altegio.changes(Kind.CLIENT, "2026-03-01T10:00:00Z"))) == 1


def test_a_row_that_slips_past_the_reader_holds_the_cursor(scripted: Callable[..., AltegioConnector]) -> None:
    # Page two begins one row late, since a row of page one was changed and moved behind.
    shifted = {"1": rows(1, 2), "2": rows(1, 1) + rows(4, 1)}
    altegio = scripted(
        lambda _m, _p, query: (200, {"data": shifted.get(query["page"][0], []), "meta": {"total_count": 4}}),
        page_size=2,
    )
    assert [page.cursor for page in altegio.changes(Kind.CLIENT, "2026-03-01T09:59:00Z")] == [
        "2026-03-01T09:59:00Z"
    ] * 2


def test_a_list_that_shrinks_while_it_is_read_holds_the_cursor(scripted: Callable[..., AltegioConnector]) -> None:
    answers = {"1": (rows(1, 2), 4), "2": (rows(4, 1), 3)}

    def script(_m: str, _p: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        data, total = answers.get(query["page"][0], ([], 3))
        return 200, {"data": data, "meta": {"total_count": total}}

    altegio = scripted(script, page_size=2)
    assert everything(altegio, Kind.CLIENT)[1] == ""


def test_a_server_that_ignores_pages_does_not_hold_the_reader(scripted: Callable[..., AltegioConnector]) -> None:
    altegio = scripted(lambda *_: (200, {"data": rows(1, 2), "meta": []}), page_size=2)
    assert len(list(altegio.changes(Kind.CLIENT, None))) == 2


def test_a_stamp_far_ahead_is_no_cursor(scripted: Callable[..., AltegioConnector]) -> None:
    data = [*rows(1, 1), *rows(2, 1, "2999-01-01T00:00:00+0000"), *rows(3, 1, "soon")]
    altegio = scripted(lambda *_: (200, {"data": data, "meta": {"total_count": 3}}))
    seen, cursor = everything(altegio, Kind.CLIENT)
    assert set(seen) == {"1", "2", "3"}
    assert cursor == "2026-03-01T10:00:00Z"


def test_a_stamp_an_hour_ahead_hides_no_change(scripted: Callable[..., AltegioConnector]) -> None:
    # Summer times with the winter offset were seen (section 8.1): an hour west of Greenwich is an hour ahead.
    now = datetime.now(UTC).replace(microsecond=0)
    data = rows(1, 1, (now + timedelta(hours=1)).isoformat())
    altegio = scripted(lambda *_: (200, {"data": data, "meta": {"total_count": 1}}))
    _, cursor = everything(altegio, Kind.CLIENT)
    assert datetime.fromisoformat(cursor) <= datetime.now(UTC)


@pytest.mark.parametrize("changed_after_zone", ["either", "site"])
def test_when_clocks_go_back_no_change_of_the_hour_that_occurs_twice_is_missed(
    scripted: Callable[..., AltegioConnector], changed_after_zone: str
) -> None:
    asked: list[str] = []

    def script(_m: str, _p: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        asked.extend(query["changed_after"])
        return 200, {"data": [], "meta": {"total_count": 0}}

    altegio = scripted(script, zone="America/Los_Angeles", changed_after_zone=changed_after_zone, overlap_seconds=0)
    # 01:58 in summer time; two minutes later the clock shows 01:00 again, and a side that compares its local
    # times must still show what changes then.
    list(altegio.changes(Kind.CLIENT, "2026-11-01T08:58:00Z"))
    assert asked[0] <= "2026-11-01T01:00:00"


def test_a_listing_longer_than_the_limits_allow_in_a_minute_comes_to_its_end(
    serve: Callable[..., AltegioSimulator],
) -> None:
    simulator = serve(clients=900)
    clock = FakeClock()
    environment = Environment(account="altegio-city", zone=ZONE, clock=clock, timeout=5.0)
    tokens = {name: Secret.of(simulator.credentials[name]) for name in ("partner_token", "user_token")}
    altegio = build(options(simulator.base_url, page_size=1, **tokens), environment)
    assert len(everything(altegio, Kind.CLIENT)[0]) == len(simulator.store.all("client")) > 200
    assert clock.steady() > 60
    altegio.close()


def test_half_a_character_that_altegio_holds_is_sent_back_as_it_came(
    altegio: AltegioConnector, simulator: AltegioSimulator
) -> None:
    id_ = made(altegio).id
    row = simulator.store.get("record", int(id_)) or {}
    simulator.store.put("record", int(id_), {**row, "comment": "half \ud83d"})
    altegio.apply(update(Kind.APPOINTMENT, id_, {"seance_length": 1800}))
    assert (simulator.store.get("record", int(id_)) or {})["comment"] == "half \ud83d"


@pytest.mark.parametrize("token", ["t\u00f6ken", "to\nken"])
def test_a_token_that_no_header_takes_is_named_and_not_shown(simulator: AltegioSimulator, token: str) -> None:
    with pytest.raises(AuthFailed) as raised:
        side(simulator, user_token=Secret.of(token)).get(Kind.CLIENT, "1")
    assert token not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, {"success": False, "data": None, "meta": {"message": "Jane Smith"}}), BadAnswer),
        ((200, b'{"success": true, "data": {"id": 5, "discount": NaN}}'), BadAnswer),
        ((200, b"<html>Jane Smith</html>"), BadAnswer),
        ((200, {"success": True, "data": {"id": 77}}), BadAnswer),
        ((402, {"meta": {"message": "Jane Smith"}}), AuthFailed),
        ((403, {}), AuthFailed),
        ((401, {}), AuthFailed),
        ((422, {"meta": {"message": "Jane Smith"}}), BadAnswer),
        ((503, {}), Unavailable),
    ],
)
def test_sick_answers_to_a_read(
    scripted: Callable[..., AltegioConnector], answer: tuple[int, Any], error: type[VetBridgeError]
) -> None:
    with pytest.raises(error) as raised:
        scripted(lambda *_: answer).get(Kind.CLIENT, "5")
    assert "Jane" not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ((200, {"success": False, "meta": {"message": "Jane Smith"}}), Refused, "refused"),
        ((422, {"errors": {"code": 433}}), SlotTaken, "slot-taken"),
        ((422, {"errors": {"code": 431}}), Refused, "refused"),
        ((403, {}), Refused, "no-rights"),
        ((403, {"errors": {"code": 434}}), Refused, "refused"),
        ((402, {}), AuthFailed, "licence-expired"),
        ((201, {"success": True, "data": []}), OutcomeUnknown, "outcome-unknown"),
        ((201, b"{cut"), OutcomeUnknown, "outcome-unknown"),
        ((500, {}), OutcomeUnknown, "outcome-unknown"),
    ],
)
def test_sick_answers_to_a_write(
    scripted: Callable[..., AltegioConnector], answer: tuple[int, Any], error: type[VetBridgeError], code: str
) -> None:
    def script(method: str, _path: str, _query: object) -> tuple[int, Any]:
        return answer if method == "POST" else (200, {"data": [], "meta": {"total_count": 0}})

    with pytest.raises(error) as raised:
        scripted(script).apply(create(Kind.APPOINTMENT, visit(), STAMP))
    assert raised.value.code == code
    assert "Jane" not in str(raised.value)


def test_a_refusal_without_a_code_is_a_taken_slot_where_the_diary_shows_one(
    scripted: Callable[..., AltegioConnector],
) -> None:
    other = {"id": 9, "staff_id": 501, "date": "2026-07-01 10:15:00", "seance_length": 600, "services": [{"id": 701}]}

    def script(method: str, _path: str, _query: object) -> tuple[int, Any]:
        if method == "POST":
            return 422, {"success": False, "meta": {"message": "busy"}}
        return 200, {"data": [other], "meta": {"total_count": 1}}

    altegio = scripted(script)
    with pytest.raises(SlotTaken, match="record 9"):
        made(altegio)  # 10:00 to 10:20 at the site
    with pytest.raises(Refused):
        made(altegio, resource="vet_2")


def test_a_write_stands_though_the_reading_after_it_fails(scripted: Callable[..., AltegioConnector]) -> None:
    altegio = scripted(lambda method, *_: (201, {"data": [{"id": 5}]}) if method == "POST" else (503, {}))
    assert made(altegio) == Receipt(id="5")


def test_a_search_by_time_asks_for_the_days_of_the_site_deleted_visits_too(
    scripted: Callable[..., AltegioConnector],
) -> None:
    asked: list[dict[str, list[str]]] = []

    def script(_method: str, _path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        asked.append(query)
        return 200, {"data": [], "meta": {"total_count": 0}}

    altegio = scripted(script, zone="America/New_York")
    window = {"start_from": "2026-07-02T01:00:00+00:00", "start_before": "2026-07-03T04:00:00+00:00"}
    assert list(altegio.search(Kind.APPOINTMENT, window)) == []
    assert list(altegio.search(Kind.APPOINTMENT, {"start_from": "2026-07-02T01:00:00+00:00"})) == []
    days = [(query["start_date"], query["end_date"], query["with_deleted"]) for query in asked]
    assert days == [(["2026-07-01"], ["2026-07-02"], ["1"]), (["2026-07-01"], ["2099-12-31"], ["1"])]


@pytest.mark.parametrize(
    ("total", "day", "code"), [(3, "2026-07-01", "rows-missing"), (2, "2026-08-01", "filter-ignored")]
)
def test_a_search_by_time_that_may_hide_a_visit_is_an_error(
    scripted: Callable[..., AltegioConnector], total: int, day: str, code: str
) -> None:
    data = [
        {"id": number, "date": f"{day} 1{number}:00:00", "seance_length": 600, "services": [{"id": 701}]}
        for number in (1, 2)
    ]
    altegio = scripted(lambda *_: (200, {"data": data, "meta": {"total_count": total}}))
    window = {"start_from": "2026-07-01T00:00:00+01:00", "start_before": "2026-07-02T00:00:00+01:00"}
    with pytest.raises(BadAnswer) as caught:
        list(altegio.search(Kind.APPOINTMENT, window))
    assert caught.value.code == code


def test_a_break_that_reception_puts_into_the_calendar_is_no_visit(
    altegio: AltegioConnector, simulator: AltegioSimulator
) -> None:
    tokens = "Bearer {partner_token}, User {user_token}".format(**simulator.credentials)
    body = {
        "staff_id": 501,
        "services": [],
        "client": {},
        "datetime": "2026-07-01T13:00:00+01:00",
        "seance_length": 3600,
        "comment": "Lunch",
    }
    answer = httpx.post(
        f"{simulator.base_url}/records/101001", json=body, headers={"Authorization": tokens}, timeout=5
    )
    block = str(answer.json()["data"][0]["id"])
    real = made(altegio).id
    day = {"start_from": "2026-07-01T00:00:00+01:00", "start_before": "2026-07-02T00:00:00+01:00"}
    assert [native["id"] for native in altegio.search(Kind.APPOINTMENT, day)] == [real]
    assert set(everything(altegio, Kind.APPOINTMENT)[0]) == {real}
    assert altegio.get(Kind.APPOINTMENT, block) is None
    with pytest.raises(SlotTaken):  # its time is taken all the same
        altegio.apply(create(Kind.APPOINTMENT, visit(start=at(12, 30)), "VB-0000000002"))


def test_a_break_in_the_calendar_is_no_visit(scripted: Callable[..., AltegioConnector]) -> None:
    block: dict[str, Any] = {
        "id": 5,
        "client": None,
        "services": [],
        "custom_fields": [],
        "last_change_date": "2026-03-01T10:00:00+0000",
    }
    altegio = scripted(
        lambda _m, path, _q: (
            200,
            {"data": block if path.startswith("/record/") else [block], "meta": {"total_count": 1}},
        )
    )
    assert everything(altegio, Kind.APPOINTMENT)[0] == {}
    assert altegio.get(Kind.APPOINTMENT, "5") is None
