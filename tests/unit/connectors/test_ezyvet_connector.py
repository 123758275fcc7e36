"""The ezyVet connector over real HTTP: against the simulator, and against a vendor that misbehaves as scripted."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest

from connectors.ezyvet import plugin, wire
from connectors.ezyvet.connector import EzyVet
from connectors.ezyvet.options import EzyVetOptions
from connectors.ezyvet.simulator import (
    BLOCK_TYPE,
    CODE_LISTS,
    PLACEHOLDER_ANIMAL,
    PLACEHOLDER_CONTACT,
    EzyVetSimulator,
    build,
)
from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.connector.http import MAX_BODY, post_webhook
from vetbridge.connector.interface import Found, Hint, HookRequest, Native, Operation, Page, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    BadHint,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unavailable,
    VetBridgeError,
)
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clinic import Owner, make_clinic
from vetbridge.testing.clock import FakeClock

CLIENTS = 120
SEED = 7
START = 1_790_000_000
CLINIC = make_clinic(SEED, CLIENTS)


@pytest.fixture
def simulator() -> Iterator[EzyVetSimulator]:
    with build(clients=CLIENTS, seed=SEED) as running:
        yield running


@contextmanager
def connected(
    to: EzyVetSimulator | str, *, clock: Clock | None = None, scale: float = 1000.0, zone: str = "", **more: Any
) -> Iterator[EzyVet]:
    """A connector to a simulator or an address; limits do not matter unless ``scale`` says so."""
    if isinstance(to, str):
        credentials = {"partner_id": "p", "client_id": "c", "client_secret": "s3cret", "site_uid": "site"}
    else:
        credentials = to.credentials
    options = EzyVetOptions.model_validate(
        {
            **credentials,
            "client_secret": Secret.of(credentials["client_secret"]),
            "base_url": to if isinstance(to, str) else to.base_url,
            "cancellation_reason": 2,
            "block_types": [BLOCK_TYPE],
            "new_pet": {"animalcolour_id": 4},
            **more,
        }
    )
    environment = Environment(
        account="ezyvet-city",
        zone=zone or CLINIC.zone,
        country=CLINIC.country,
        clock=clock or SystemClock(),
        limit_scale=scale,
        timeout=5.0,
    )
    connector = plugin.build(options, environment)
    assert isinstance(connector, EzyVet)
    try:
        yield connector
    finally:
        connector.close()


@pytest.fixture
def side(simulator: EzyVetSimulator) -> Iterator[EzyVet]:
    with connected(simulator) as connector:
        yield connector


def create(kind: Kind, stamp: str = "", **native: Any) -> Write:
    return Write(operation=Operation.CREATE, kind=kind, id=None, native=native, stamp=stamp)


def change(kind: Kind, number: str, **native: Any) -> Write:
    return Write(operation=Operation.UPDATE, kind=kind, id=number, native=native)


def visit(stamp: str = "VB-0000000001", **native: Any) -> Write:
    given: dict[str, Any] = {
        "contact_id": str(PLACEHOLDER_CONTACT),
        "animal_id": str(PLACEHOLDER_ANIMAL),
        "start_at": START,
        "duration": 900,
        "type_id": "31",
        "state": "1",
        "resource_id": "21",
        "description": f"[VetBridge {stamp}]\nlimping\n[/VetBridge]",
    }
    return create(Kind.APPOINTMENT, stamp, **{**given, **native})


def new_client(**native: Any) -> Write:
    given: dict[str, Any] = {"first_name": "Zoë", "last_name": "Newman", "phones": ["+447911123456"]}
    return create(Kind.CLIENT, **{**given, **native})


def found(pages: list[Page]) -> list[Found]:
    return [record for page in pages for record in page.records]


def some_owner(fits: Callable[[Owner], bool]) -> Owner:
    return next(owner for owner in CLINIC.owners if fits(owner))


def requests(simulator: EzyVetSimulator) -> Counter[str]:
    return Counter(simulator.counts()["requests"])


# -- reading


def test_the_first_load_brings_every_client_once_with_its_contact_data(side: EzyVet) -> None:
    pages = list(side.changes(Kind.CLIENT, None))

    records = found(pages)
    by_id = {record.id: record.native for record in records}
    assert len(records) == len(by_id) == CLIENTS + 1  # and the placeholder
    assert pages[-1].total == CLIENTS + 1
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    for owner in CLINIC.owners:
        native = by_id[str(1000 + owner.number)]
        assert native is not None
        assert (native["first_name"], native["last_name"]) == (owner.given_name, owner.family_name)
        assert len(native["phones"]) == len(owner.phones)
        assert native["emails"] == ([owner.email] if owner.email else [])
        assert native["active"] is owner.active


def test_pages_are_as_long_as_the_side_makes_them_and_none_is_lost() -> None:
    with build(clients=CLIENTS, seed=SEED, page_cap=7) as simulator, connected(simulator) as side:
        pages = list(side.changes(Kind.PET, None))

    ids = [record.id for record in found(pages)]
    assert len(pages) > 10
    assert len(ids) == len(set(ids)) == pages[-1].total == sum(len(owner.pets) for owner in CLINIC.owners) + 1


def test_only_the_last_page_moves_the_cursor() -> None:
    with build(clients=CLIENTS, seed=SEED) as simulator, connected(simulator, page_size=20) as side:
        for kind in (Kind.CLIENT, Kind.PET):
            cursors = [page.cursor for page in side.changes(kind, None)]
            assert set(cursors[:-1]) == {"0"}
            assert int(cursors[-1]) > 1_700_000_000


def test_a_poll_brings_what_changed_and_little_else(simulator: EzyVetSimulator, side: EzyVet) -> None:
    cursor = list(side.changes(Kind.CLIENT, None))[-1].cursor
    side.apply(change(Kind.CLIENT, "1005", first_name="Renamed"))

    pages = list(side.changes(Kind.CLIENT, cursor))

    assert [(record.id, (record.native or {})["first_name"]) for record in found(pages)] == [("1005", "Renamed")]
    assert pages[-1].last
    # Nothing is lost between two polls, though stamps have whole seconds.
    assert [record.id for record in found(list(side.changes(Kind.CLIENT, pages[-1].cursor)))] == ["1005"]


def test_a_changed_contact_detail_changes_its_client(simulator: EzyVetSimulator, side: EzyVet) -> None:
    owner = some_owner(lambda owner: owner.email is not None)
    cursor = list(side.changes(Kind.CLIENT, None))[-1].cursor
    [detail] = [dict(row) for row in simulator.store.all("contactdetail") if row["value"] == owner.email]
    simulator.store.put(
        "contactdetail", detail["id"], {**detail, "value": "new@example.org", "modified_at": int(cursor)}
    )

    [record] = found(list(side.changes(Kind.CLIENT, cursor)))

    assert record.id == str(1000 + owner.number)
    assert (record.native or {})["emails"] == ["new@example.org"]


def test_nothing_new_is_one_empty_last_page(side: EzyVet) -> None:
    for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT):
        cursor = list(side.changes(kind, None))[-1].cursor
        [page] = side.changes(kind, cursor)
        assert (page.records, page.last) == ((), True)


def test_contacts_that_are_no_customers_are_no_clients(simulator: EzyVetSimulator, side: EzyVet) -> None:
    row = simulator.store.get("contact", 1005)
    assert row is not None
    simulator.store.put("contact", 1005, {**row, "is_customer": False})

    pages = list(side.changes(Kind.CLIENT, None))
    native = side.get(Kind.CLIENT, "1005")

    assert "1005" not in {record.id for record in found(pages)}
    assert pages[-1].total == CLIENTS
    assert native is not None
    assert native["active"] is False


def test_calendar_blocks_are_never_visits(side: EzyVet) -> None:
    block = side.apply(visit(type_id=str(BLOCK_TYPE))).id
    real = side.apply(visit()).id

    assert [record.id for record in found(list(side.changes(Kind.APPOINTMENT, None)))] == [real]
    assert [native["id"] for native in side.search(Kind.APPOINTMENT, {"client_id": "900"})] == [real]
    day = {"start_from": "2020-01-01T00:00:00+00:00", "start_before": "2040-01-01T00:00:00+00:00"}
    assert [native["id"] for native in side.search(Kind.APPOINTMENT, day)] == [real]
    assert [native["id"] for native in side.look(visit())] == [real]
    assert side.get(Kind.APPOINTMENT, block) is None


@pytest.mark.parametrize("number", ["999999", "", "abc", "../1001", "1001 OR 1", "0", "-1", "9" * 40])
def test_an_id_that_does_not_exist_is_none(side: EzyVet, number: str) -> None:
    assert [side.get(kind, number) for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)] == [None] * 3


# -- searching


def test_a_client_is_found_by_phone_however_it_is_typed(side: EzyVet) -> None:
    owner = some_owner(lambda owner: bool(owner.phones) and owner.active)
    home = "0" + owner.phones[0].removeprefix("+44")

    for typed in (owner.phones[0], home, f"{home[:5]} {home[5:]}"):
        assert str(1000 + owner.number) in {native["id"] for native in side.search(Kind.CLIENT, {"phone": typed})}


def test_a_household_is_found_whole_and_narrowed_by_email(side: EzyVet) -> None:
    phones = Counter(phone for owner in CLINIC.owners for phone in owner.phones)
    owner = some_owner(lambda owner: bool(owner.email) and any(phones[phone] > 1 for phone in owner.phones))

    both = list(side.search(Kind.CLIENT, {"phone": owner.phones[0]}))
    one = list(side.search(Kind.CLIENT, {"phone": owner.phones[0], "email": str(owner.email)}))

    assert len(both) > 1
    assert [native["id"] for native in one] == [str(1000 + owner.number)]


@pytest.mark.parametrize("query", [{"phone": "letters"}, {"phone": ""}, {"email": "no@example.org"}, {"email": ""}])
def test_nobody_is_found_by_what_nobody_has(side: EzyVet, query: dict[str, str]) -> None:
    assert list(side.search(Kind.CLIENT, query)) == []


def test_pets_are_found_by_their_client(side: EzyVet) -> None:
    owner = some_owner(lambda owner: len(owner.pets) > 1)

    natives = list(side.search(Kind.PET, {"client_id": str(1000 + owner.number)}))

    assert {native["name"] for native in natives} == {pet.name for pet in owner.pets}


def test_visits_are_found_by_time_client_and_pet(side: EzyVet) -> None:
    early, late = (side.apply(visit(start_at=START + shift)).id for shift in (0, 3600))
    moment = datetime.fromtimestamp(START + 3600, UTC).isoformat()

    def ids(**query: str) -> list[str]:
        return [native["id"] for native in side.search(Kind.APPOINTMENT, query)]

    assert ids(client_id="900") == ids(pet_id="901") == [early, late]
    assert ids(start_from=moment) == [late]
    start = datetime.fromtimestamp(START, ZoneInfo("Asia/Tokyo")).isoformat()
    assert ids(start_from=start, start_before=moment) == [early]
    assert ids(client_id="1001", pet_id="901") == []


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (Kind.CLIENT, {"name": "x"}),
        (Kind.CLIENT, {}),
        (Kind.PET, {"phone": "1"}),
        (Kind.APPOINTMENT, {"start_from": "tomorrow"}),
        (Kind.APPOINTMENT, {"start_from": "2026-03-02T09:00:00"}),
        (Kind.APPOINTMENT, {"start_before": str(START)}),
        (Kind.REMINDER, {"client_id": "1"}),
    ],
)
def test_an_undeclared_search_is_refused_and_sends_nothing(
    simulator: EzyVetSimulator, side: EzyVet, kind: Kind, query: dict[str, str]
) -> None:
    with pytest.raises(Refused) as caught:
        side.search(kind, query)

    assert caught.value.code in ("not-supported", "bad-query")
    assert requests(simulator).total() == 0


# -- writing


def test_a_new_client_pet_and_visit_stand_as_they_were_written(side: EzyVet) -> None:
    write = new_client(phones=["+447911123456", "+442079460018"], emails=["Zoe@example.org"])
    client = side.apply(write)
    pet = side.apply(create(Kind.PET, contact_id=client.id, name="Mo", species_id="1", sex_id="5", birth_date=None))
    made = side.apply(visit(contact_id=client.id, animal_id=pet.id))

    native = side.get(Kind.CLIENT, client.id)
    assert native is not None
    assert {name: native[name] for name in write.native} == write.native
    animal = side.get(Kind.PET, pet.id)
    assert animal is not None
    assert (animal["contact_id"], animal["name"], animal["species_id"]) == (client.id, "Mo", "1")
    # A pet is written in v1, which shows no uid.
    assert {**animal, "uid": None} == pet.native
    stored = side.get(Kind.APPOINTMENT, made.id)
    assert stored is not None
    assert (stored["contact_id"], stored["animal_id"], stored["start_at"]) == (client.id, pet.id, START)
    assert (stored["state"], stored["resource_id"], stored["type_id"]) == ("1", "21", "31")
    assert stored == made.native


def test_a_change_sends_only_what_changed(simulator: EzyVetSimulator, side: EzyVet) -> None:
    made = side.apply(visit())

    side.apply(change(Kind.APPOINTMENT, made.id, start_at=START + 3600))
    side.apply(change(Kind.APPOINTMENT, made.id, contact_id="1001", animal_id="5001", resource_id="22"))

    before, after = made.native, side.get(Kind.APPOINTMENT, made.id)
    assert before is not None
    assert after is not None
    assert {name for name in after if after[name] != before[name]} - {"modified_at"} == {
        "start_at",
        "contact_id",
        "animal_id",
        "resource_id",
        "resource_ids",
    }
    stored = simulator.store.get("appointment", int(made.id))
    assert stored is not None
    assert stored["sales_resource"] == 22


def test_a_cancelled_visit_stays_and_is_seen_by_the_next_poll(side: EzyVet) -> None:
    made = side.apply(visit())
    cursor = list(side.changes(Kind.APPOINTMENT, None))[-1].cursor

    side.apply(
        Write(
            operation=Operation.CANCEL,
            kind=Kind.APPOINTMENT,
            id=made.id,
            native={"by": "client", "reason": "pet is well"},
        )
    )

    [record] = found(list(side.changes(Kind.APPOINTMENT, cursor)))
    assert record.native is not None
    assert (record.id, record.native["state"]) == (made.id, "inactive")
    assert (record.native["cancellation_reason"], record.native["cancellation_reason_text"]) == (2, "pet is well")


def cancel(number: str, by: str, reason: str = "") -> Write:
    return Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=number, native={"by": by, "reason": reason})


@pytest.mark.parametrize(
    ("options", "by", "number", "told"),
    [
        ({"cancellation_reason": 2}, "client", 2, ""),
        ({"cancellation_reason": 2}, "clinic", 2, ""),
        ({"cancellation_reason": None, "cancellation_reasons": {"client": 5, "clinic": 6}}, "client", 5, "client"),
        ({"cancellation_reason": None, "cancellation_reasons": {"client": 5, "clinic": 6}}, "clinic", 6, "clinic"),
        ({"cancellation_reason": None, "cancellation_reasons": {"client": 5, "clinic": 6}}, "", 6, "clinic"),
        ({"cancellation_reason": 2, "cancellation_reasons": {"client": 5}}, "client", 5, "client"),
        ({"cancellation_reason": 2, "cancellation_reasons": {"client": 5}}, "clinic", 2, ""),
        ({"cancellation_reason": None, "cancellation_reasons": {"client": 5, "clinic": 5}}, "client", 5, ""),
    ],
)
def test_a_cancel_names_who_cancelled_by_the_reason_of_the_site(
    simulator: EzyVetSimulator, options: dict[str, Any], by: str, number: int, told: str
) -> None:
    with connected(simulator, **options) as side:
        assert side.capabilities.of(Kind.APPOINTMENT).cancel
        made = side.apply(visit()).id
        receipt = side.apply(cancel(made, by, "on holiday"))

        native = side.get(Kind.APPOINTMENT, made)
        assert native is not None
        assert receipt.native == native
        assert (native["cancellation_reason"], native["cancellation_reason_text"]) == (number, "on holiday")
        assert native["cancelled_by"] == told


def test_a_cancel_without_words_says_who(side: EzyVet) -> None:
    native = side.apply(cancel(side.apply(visit()).id, "client")).native
    assert native is not None
    assert native["cancellation_reason_text"] == "client"


@pytest.mark.parametrize("reasons", [{}, {"client": 5}, {"clinic": 6}])
def test_without_a_reason_for_every_case_nothing_can_be_cancelled(
    simulator: EzyVetSimulator, reasons: dict[str, int]
) -> None:
    with connected(simulator, cancellation_reason=None, cancellation_reasons=reasons) as side:
        assert not side.capabilities.of(Kind.APPOINTMENT).cancel
        with pytest.raises(Refused, match="cancellation_reason") as caught:
            side.apply(cancel("1", "client"))

    assert caught.value.code == "not-supported"
    assert simulator.counts()["writes"] == 0


# -- moved to another owner


def owner_of(native: dict[str, Any] | None) -> tuple[str, str]:
    assert native is not None
    return native["contact_id"], native["animal_id"]


def test_a_visit_is_moved_to_its_owner_and_keeps_its_notes(side: EzyVet) -> None:
    made = side.apply(visit())
    receipt = side.apply(change(Kind.APPOINTMENT, made.id, contact_id="1001", animal_id="5001"))

    after = side.get(Kind.APPOINTMENT, made.id)
    assert owner_of(receipt.native) == owner_of(after) == ("1001", "5001")
    assert after is not None
    assert made.native is not None
    assert after["description"] == made.native["description"]


@pytest.mark.parametrize(
    ("fault", "answered"), [("relink_ignored", ("900", "901")), ("relink_forgotten", ("1001", "5001"))]
)
def test_an_owner_that_ezyvet_does_not_keep_shows_in_the_next_read(
    simulator: EzyVetSimulator, side: EzyVet, fault: str, answered: tuple[str, str]
) -> None:
    made = side.apply(visit())
    simulator.faults.set({fault: 1.0})
    receipt = side.apply(change(Kind.APPOINTMENT, made.id, contact_id="1001", animal_id="5001", duration=1800))

    assert owner_of(receipt.native) == answered
    after = side.get(Kind.APPOINTMENT, made.id)
    assert owner_of(after) == ("900", "901")
    assert after is not None
    assert after["duration"] == 1800  # the rest of the change stands
    simulator.faults.set({fault: 0.0})
    side.apply(change(Kind.APPOINTMENT, made.id, contact_id="1001", animal_id="5001"))
    assert owner_of(side.get(Kind.APPOINTMENT, made.id)) == ("1001", "5001")


@pytest.mark.parametrize(
    "write",
    [
        change(Kind.CLIENT, "1001", phones=["+447911123456"]),
        change(Kind.PET, "5001", contact_id="1002"),
        change(Kind.APPOINTMENT, "1", state="inactive"),
        visit(state="inactive"),
        Write(operation=Operation.CANCEL, kind=Kind.CLIENT, id="1001", native={}),
        create(Kind.REMINDER, name="x"),
    ],
)
def test_an_undeclared_write_is_refused_and_sends_nothing(
    simulator: EzyVetSimulator, side: EzyVet, write: Write
) -> None:
    with pytest.raises(Refused) as caught:
        side.apply(write)

    assert caught.value.code == "not-supported"
    assert requests(simulator).total() == 0


@pytest.mark.parametrize("number", ["", "../contact/1", "1/../2", "x", None])
def test_an_id_never_bends_the_path(simulator: EzyVetSimulator, side: EzyVet, number: str | None) -> None:
    with pytest.raises(Refused) as caught:
        side.apply(Write(operation=Operation.UPDATE, kind=Kind.PET, id=number, native={"name": "x"}))

    assert caught.value.code == "bad-id"
    assert requests(simulator).total() == 0


def test_a_refusal_names_the_field_and_nobody(simulator: EzyVetSimulator, side: EzyVet) -> None:
    with pytest.raises(Refused) as caught:
        side.apply(visit(type_id="777", description="Zoë Newman 07911123456"))

    assert caught.value.code == "invalid"
    assert "POST /v2/appointment" in caught.value.message
    assert "422" in caught.value.message
    assert not any(word in caught.value.message for word in ("Newman", "07911"))
    with pytest.raises(Refused) as missing:
        side.apply(change(Kind.APPOINTMENT, "4711", start_at=START))
    assert missing.value.code == "not-found"


# -- look before retry


WRITES = [
    new_client(emails=["Zoe@example.org"]),
    new_client(phones=[], emails=["Zoe@example.org"]),
    new_client(phones=["letters"]),
    new_client(phones=[]),
    create(Kind.PET, contact_id="1001", name="Unusual Name", species_id="1", sex_id="5"),
    visit(),
    visit(stamp=""),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(("fault", "landed"), [("drop_after_commit", 1), ("5xx_after", 1), ("5xx_before", 0)])
def test_after_a_lost_answer_the_record_is_found_exactly_where_it_landed(
    simulator: EzyVetSimulator, side: EzyVet, write: Write, fault: str, landed: int
) -> None:
    side.check()  # the token is there: the fault meets the write
    simulator.faults.arm(fault)

    with pytest.raises(OutcomeUnknown):
        side.apply(write)

    natives = list(side.look(write))
    assert len(natives) == landed
    assert simulator.counts()["writes"] == landed
    if landed and write.kind is not Kind.CLIENT:
        assert natives[0]["contact_id"] == write.native["contact_id"]


def test_a_look_does_not_take_another_visit_for_ours(side: EzyVet) -> None:
    side.apply(visit(stamp="VB-0000000002"))
    side.apply(visit(description="limping"))

    assert list(side.look(visit())) == []


@pytest.mark.parametrize("meanwhile", [{"start_at": START + 900}, {"contact_id": "1001", "animal_id": "5001"}])
def test_a_look_finds_our_visit_though_staff_moved_it_to_another_time_or_owner(
    side: EzyVet, meanwhile: dict[str, Any]
) -> None:
    made = side.apply(visit())
    side.apply(change(Kind.APPOINTMENT, made.id, **meanwhile))

    assert [native["id"] for native in side.look(visit())] == [made.id]


def test_a_look_does_not_take_the_dead_pet_of_that_name_or_another_animal_for_our_pet(
    simulator: EzyVetSimulator, side: EzyVet
) -> None:
    write = create(Kind.PET, contact_id="1001", name="Bella", species_id="1", sex_id="5")
    dead = side.apply(write).id
    row = simulator.store.get("animal", int(dead))
    assert row is not None
    simulator.store.put("animal", int(dead), {**row, "is_dead": True})
    side.apply(create(Kind.PET, contact_id="1001", name="Bella", species_id="2", sex_id="5"))

    assert list(side.look(write)) == []

    made = side.apply(write).id
    assert [native["id"] for native in side.look(write)] == [made]


def test_a_look_finds_our_visit_though_staff_cancelled_it_and_wrote_around_it(side: EzyVet) -> None:
    made = side.apply(visit(description="called back\n[VetBridge VB-0000000001]\nlimping\n[/VetBridge]\nnervous"))
    side.apply(Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=made.id, native={}))

    assert [native["id"] for native in side.look(visit())] == [made.id]


def test_a_look_does_not_take_a_namesake_or_a_partner_for_our_client(side: EzyVet) -> None:
    side.apply(new_client(phones=["+447911123457"]))
    side.apply(new_client(first_name="Max"))
    side.apply(new_client(phones=[], emails=["other@example.org"]))

    assert list(side.look(new_client())) == []
    assert list(side.look(new_client(phones=[]))) == []


def test_a_look_without_anything_to_look_by_finds_nothing(simulator: EzyVetSimulator, side: EzyVet) -> None:
    assert list(side.look(create(Kind.CLIENT))) == []


# -- token


def test_one_token_serves_many_calls_and_threads(simulator: EzyVetSimulator, side: EzyVet) -> None:
    start = threading.Barrier(6)

    def read() -> None:
        start.wait(5)
        side.get(Kind.PET, "5001")

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert requests(simulator)["GET /v2/animal"] == 6
    assert simulator.counts()["tokens"] == 1


def test_a_token_that_another_program_ended_is_renewed_once() -> None:
    with (
        build(clients=1, token_kills_old=True) as simulator,
        connected(simulator) as one,
        connected(simulator) as two,
    ):
        assert one.get(Kind.PET, "5001") is not None
        assert two.get(Kind.PET, "5001") is not None
        assert one.get(Kind.PET, "5001") is not None
        assert simulator.counts()["tokens"] == 3


@pytest.mark.parametrize("expires_in", ["duration", "epoch"])
def test_a_token_is_renewed_before_its_twelve_hours_are_over(expires_in: Any) -> None:
    clock = FakeClock()
    with (
        build(clients=1, expires_in=expires_in, clock=clock) as simulator,
        connected(simulator, clock=clock) as side,
    ):
        for hours, tokens in ((0, 1), (11, 1), (2, 2)):
            clock.advance(hours * 3600)
            assert side.get(Kind.PET, "5001") is not None
            assert simulator.counts()["tokens"] == tokens


def test_wrong_credentials_are_named_and_not_shown(simulator: EzyVetSimulator) -> None:
    with connected(simulator, client_secret=Secret.of("wr0ng")) as side:
        with pytest.raises(AuthFailed) as caught:
            side.get(Kind.PET, "5001")
        report = side.check()

    assert "wr0ng" not in caught.value.message
    assert not report.ok
    assert [line.name for line in report.lines] == ["credentials"]


def test_a_missing_right_is_named(simulator: EzyVetSimulator) -> None:
    with (
        connected(simulator, scope=["read-contact"]) as side,
        pytest.raises(AuthFailed, match="read-animal") as caught,
    ):
        side.get(Kind.PET, "5001")

    assert caught.value.code == "right-missing"


# -- check


def test_the_check_reads_only_and_finds_a_right_site_right(simulator: EzyVetSimulator, side: EzyVet) -> None:
    report = side.check()

    assert report.ok
    assert simulator.counts()["writes"] == 0
    assert all(name.startswith("GET ") or name == "POST /v1/oauth/access_token" for name in requests(simulator))


@pytest.mark.parametrize(
    ("wrong", "line", "words"),
    [
        ({"detail_types": {"email": "77"}}, "detail_types", "77 does not exist"),
        ({"block_types": ["39", "88"]}, "block_types", "88 does not exist"),
        ({"new_pet": {"sex_id": "99"}}, "new_pet.sex_id", "99 does not exist"),
        ({"ownership_id": "5"}, "ownership_id", "5 does not exist"),
        ({"zone": "Europe/Berlin"}, "zone", "Europe/London at the site, Europe/Berlin in the config"),
    ],
)
def test_the_check_names_what_the_options_have_wrong(
    simulator: EzyVetSimulator, wrong: dict[str, Any], line: str, words: str
) -> None:
    with connected(simulator, **wrong) as side:
        report = side.check()

    [bad] = [each for each in report.lines if not each.ok]
    assert (bad.name, report.ok) == (line, False)
    assert words in bad.text
    assert bad.advice


@pytest.mark.parametrize(
    ("reasons", "words"),
    [({}, "and cancels none"), ({"clinic": 6}, "when the client does"), ({"client": 5}, "clinic")],
)
def test_the_check_warns_where_nothing_can_be_cancelled(
    simulator: EzyVetSimulator, reasons: dict[str, int], words: str
) -> None:
    with connected(simulator, cancellation_reason=None, cancellation_reasons=reasons) as side:
        report = side.check()

    assert report.ok
    [warning] = [line for line in report.lines if line.warning]
    assert warning.name == "cancellation_reason"
    assert words in warning.text
    assert "cancellation_reasons" in warning.advice


def test_the_check_shows_both_reasons(simulator: EzyVetSimulator) -> None:
    with connected(simulator, cancellation_reasons={"client": 5, "clinic": 6}) as side:
        [line] = [line for line in side.check().lines if line.name == "cancellation_reason"]

    assert line.ok
    assert line.text.startswith("5 when the client cancels, 6 when the clinic cancels;")


def test_the_check_of_a_dead_address_is_a_line_and_no_crash() -> None:
    with connected("http://127.0.0.1:9", clock=FakeClock()) as side:
        report = side.check()

    assert not report.ok


# -- a vendor that misbehaves


Answer = tuple[int, dict[str, str], Any]


class Vendor:
    """Gives a token, and to everything else what ``answer(method, path, query)`` says."""

    def __init__(self, answer: Callable[[str, str, dict[str, str]], Answer]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.bodies: Queue[bytes] = Queue()
        self.token = "t0ken"
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                split = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if split.path.endswith("/access_token"):
                    self.respond(200, {}, {"access_token": vendor.token, "expires_in": 43200})
                    return
                vendor.bodies.put(body)
                vendor.asked.append(f"{self.command} {split.path}")
                self.respond(*vendor.answer(self.command, split.path, dict(parse_qsl(split.query))))

            do_POST = do_PATCH = do_GET  # noqa: N815 - the server's names

            def respond(self, status: int, headers: dict[str, str], body: Any) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the server's word
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Vendor:
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def rows(resource: str, *natives: Native, page: int = 1, pages: int = 1, total: int | None = None) -> Answer:
    """One page of a listing. Fields that every row has, and a test does not name, say nothing."""
    meta = {"items_page": page, "items_page_total": pages, "items_total": len(natives) if total is None else total}
    whole = [{**dict.fromkeys(wire.NEEDED[resource]), **native} for native in natives]
    return 200, {}, {"meta": meta, "items": [{resource: native} for native in whole], "messages": []}


@pytest.mark.parametrize("ask", ["get", "search", "poll"])
def test_a_filter_that_did_not_filter_is_noticed(ask: str) -> None:
    everything = rows("animal", *({"id": n, "contact_id": n, "modified_at": n} for n in range(1, 50)))
    with Vendor(lambda *_: everything) as vendor, connected(vendor.url) as side:
        asks: dict[str, Callable[[], object]] = {
            "get": lambda: side.get(Kind.PET, "3"),
            "search": lambda: list(side.search(Kind.PET, {"client_id": "3"})),
            "poll": lambda: list(side.changes(Kind.PET, "1000")),
        }
        with pytest.raises(BadAnswer) as caught:
            asks[ask]()

    assert caught.value.code == "filter-ignored"


def test_a_page_that_is_served_again_and_again_is_noticed() -> None:
    with (
        Vendor(lambda *_: rows("animal", {"id": 1}, page=1, pages=3, total=3)) as vendor,
        connected(vendor.url) as side,
        pytest.raises(BadAnswer, match="page 2"),
    ):
        list(side.changes(Kind.PET, None))


def test_a_page_without_a_number_is_taken_for_the_one_asked_for() -> None:
    def answer(method: str, path: str, query: dict[str, str]) -> Answer:
        meta = {"items_page_total": "2", "items_total": "2"}
        return 200, {}, {"meta": meta, "items": [{"animal": {"id": query["page"]}}]}

    with Vendor(answer) as vendor, connected(vendor.url) as side:
        assert [record.id for record in found(list(side.changes(Kind.PET, None)))] == ["1", "2"]


def test_rows_that_shift_between_pages_are_found_by_walking_again() -> None:
    order = [1, 2, 3, 4]

    def answer(method: str, path: str, query: dict[str, str]) -> Answer:
        page = int(query["page"])
        shown = order[2 * page - 2 : 2 * page]
        if page == 1:
            order.append(order.pop(0))  # row 1 is saved while we read, and row 3 slips onto the page before
        return rows("animal", *({"id": n} for n in shown), page=page, pages=2, total=4)

    with Vendor(answer) as vendor, connected(vendor.url) as side:
        pages = list(side.changes(Kind.PET, None))

    assert sorted(record.id for record in found(pages)) == ["1", "2", "3", "4"]
    assert [page.last for page in pages].count(True) == 1
    assert pages[-1].last


def test_a_count_that_is_never_reached_is_told_and_does_not_loop() -> None:
    with Vendor(lambda *_: rows("animal", {"id": 1}, total=9)) as vendor, connected(vendor.url) as side:
        pages = list(side.changes(Kind.PET, None))

    assert len(found(pages)) == 1
    assert (pages[-1].total, pages[-1].last) == (9, True)
    assert len(vendor.asked) == 3


def test_a_poll_that_did_not_bring_all_rows_begins_there_again() -> None:
    def answer(method: str, path: str, query: dict[str, str]) -> Answer:
        status, headers, body = rows("animal", {"id": 1, "modified_at": 1760000100}, total=2)
        body["meta"]["timestamp"] = 1760000200
        return status, headers, body

    with Vendor(answer) as vendor, connected(vendor.url) as side:
        assert list(side.changes(Kind.PET, "1760000000"))[-1].cursor == "1760000000"


def test_a_look_that_did_not_bring_all_rows_does_not_say_that_nothing_is_there() -> None:
    with (
        Vendor(lambda *_: rows("appointment", total=1)) as vendor,
        connected(vendor.url) as side,
        pytest.raises(BadAnswer) as caught,
    ):
        list(side.look(visit()))

    assert caught.value.code == "rows-missing"


def test_a_listing_that_does_not_count_its_pages_is_read_to_its_end() -> None:
    def answer(method: str, path: str, query: dict[str, str]) -> Answer:
        page = int(query["page"])
        return 200, {}, {"items": [{"animal": {"id": n}} for n in range(page * 2, page * 2 + 2)] if page < 4 else []}

    with Vendor(answer) as vendor, connected(vendor.url) as side:
        pages = list(side.changes(Kind.PET, None))

    assert len(found(pages)) == 6
    assert (pages[-1].total, [page.last for page in pages]) == (6, [False, False, False, True])


@pytest.mark.parametrize("ahead", [3600, 10**12])
def test_a_clock_of_the_vendors_that_is_ahead_hides_no_change(ahead: int) -> None:
    now = int(datetime.now(UTC).timestamp())

    def answer(method: str, path: str, query: dict[str, str]) -> Answer:
        status, headers, body = rows(
            "animal", {"id": 1, "modified_at": now - 60}, {"id": 2, "modified_at": now + ahead}
        )
        body["meta"]["timestamp"] = now + ahead
        return status, headers, body

    with Vendor(answer) as vendor, connected(vendor.url) as side:
        assert list(side.changes(Kind.PET, str(now - 90)))[-1].cursor == str(now - 60)


def test_a_time_that_only_a_later_page_tells_is_no_cursor() -> None:
    def answer(method: str, path: str, query: dict[str, str]) -> Answer:
        page = int(query["page"])
        status, headers, body = rows("animal", {"id": page, "modified_at": 1760000000}, page=page, pages=2, total=2)
        if page == 2:
            body["meta"]["timestamp"] = 1760000999
        return status, headers, body

    with Vendor(answer) as vendor, connected(vendor.url) as side:
        assert list(side.changes(Kind.PET, None))[-1].cursor == "1760000000"


def test_a_listing_longer_than_the_limits_allow_in_a_minute_comes_to_its_end(simulator: EzyVetSimulator) -> None:
    clock = FakeClock()
    with connected(simulator, clock=clock, scale=1.0, page_size=1) as side:
        for since in (None, "1"):
            began = clock.steady()
            assert len(found(list(side.changes(Kind.CLIENT, since)))) == CLIENTS + 1
            assert clock.steady() > began + 60


def test_without_a_server_time_the_cursor_is_the_newest_change_seen() -> None:
    seen = rows("animal", {"id": 1, "modified_at": "1760000000"}, {"id": 2, "modified_at": 1750000000})
    with Vendor(lambda *_: seen) as vendor, connected(vendor.url) as side:
        assert list(side.changes(Kind.PET, None))[-1].cursor == "1760000000"


def test_a_cursor_that_cannot_be_read_starts_over(side: EzyVet) -> None:
    assert len(found(list(side.changes(Kind.CLIENT, "rubbish")))) == CLIENTS + 1


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"Retry-After": "11"}, {}, 11.0),
        ({"x-ratelimit-reset": "12"}, {}, 12.0),
        ({}, {"messages": [{"level": "error", "text": "Too many recent requests, wait 13 seconds"}]}, 13.0),
        ({}, b"<html>slow down</html>", 60.0),
    ],
)
def test_a_long_pause_is_handed_on_and_kept(headers: dict[str, str], body: Any, wait: float) -> None:
    clock = FakeClock()
    with Vendor(lambda *_: (429, headers, body)) as vendor, connected(vendor.url, clock=clock) as side:
        with pytest.raises(RateLimited) as caught:
            side.get(Kind.PET, "1")
        assert (caught.value.wait, caught.value.budget) == (wait, "endpoint:animal")
        with pytest.raises(RateLimited):
            side.get(Kind.PET, "1")
        assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, {}, b"<html>maintenance</html>"), BadAnswer),
        ((200, {}, {"items": "none"}), BadAnswer),
        ((200, {}, {"items": [], "messages": [{"level": "error", "type": "Broken"}]}), BadAnswer),
        ((404, {}, {}), Unavailable),
        ((503, {}, {}), Unavailable),
        ((401, {}, {}), AuthFailed),
        ((403, {}, {}), AuthFailed),
        ((400, {}, {"messages": [{"level": "error", "type": "BadRequest"}]}), Refused),
    ],
)
def test_a_bad_answer_to_a_read_has_a_name_and_never_means_gone(answer: Answer, error: type[VetBridgeError]) -> None:
    with (
        Vendor(lambda *_: answer) as vendor,
        connected(vendor.url, clock=FakeClock()) as side,
        pytest.raises(error) as caught,
    ):
        side.get(Kind.CLIENT, "1")

    assert "ezyvet-city: GET /v1/contact" in caught.value.message


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ((200, {}, {"messages": [{"level": "error", "type": "Nope", "text": "Zoë"}]}), Refused, "vendor-error"),
        ((200, {}, b"<html>"), OutcomeUnknown, "outcome-unknown"),
        ((200, {}, {"items": []}), OutcomeUnknown, "outcome-unknown"),
        ((500, {}, {}), OutcomeUnknown, "outcome-unknown"),
        ((415, {}, {}), Refused, "http-415"),
        ((302, {"Location": "http://127.0.0.1:9/"}, {}), Refused, "http-302"),
    ],
)
def test_a_bad_answer_to_a_create_says_whether_it_may_have_landed(
    answer: Answer, error: type[VetBridgeError], code: str
) -> None:
    with Vendor(lambda *_: answer) as vendor, connected(vendor.url) as side:
        with pytest.raises(error) as caught:
            side.apply(visit())
        assert vendor.asked == ["POST /v2/appointment"]

    assert caught.value.code == code
    assert "Zoë" not in caught.value.message


def test_a_short_answer_to_a_change_is_a_receipt_without_a_record() -> None:
    with Vendor(lambda *_: (200, {}, b"")) as vendor, connected(vendor.url) as side:
        receipt = side.apply(change(Kind.APPOINTMENT, "12", start_at=START))

    assert (receipt.id, receipt.native) == ("12", None)


def test_the_declared_budgets_hold(simulator: EzyVetSimulator) -> None:
    clock = FakeClock()
    with connected(simulator, clock=clock, scale=1.0) as side:
        for _ in range(60):
            side.get(Kind.PET, "5001")
        assert clock.now() == FakeClock().now()
        with pytest.raises(RateLimited, match="endpoint:animal"):
            side.get(Kind.PET, "5001")
        assert requests(simulator)["GET /v2/animal"] == 60


def test_missing_write_rights_show_in_the_check_where_the_token_tells_them() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"scopes": ["read-contact", "write-animal"]}).encode()).decode()
    with Vendor(lambda *_: (403, {}, {})) as vendor, connected(vendor.url) as side:
        vendor.token = f"e30.{claims}.sig"
        lines = {line.name: line for line in side.check().lines}

    assert "write-appointment" in lines["write rights"].text
    assert "write-animal" not in lines["write rights"].text
    assert "read-appointment" in lines["read appointment"].text


# -- webhooks, options


def test_a_webhook_of_the_simulator_names_the_visit(simulator: EzyVetSimulator, side: EzyVet) -> None:
    with Vendor(lambda *_: (200, {}, {})) as receiver:
        assert post_webhook(f"{simulator.base_url}/_sim/webhooks", {"urls": [f"{receiver.url}/hook"]}) == 200
        made = side.apply(visit())
        body = receiver.bodies.get(timeout=10)

    assert side.hints(HookRequest(body=body)) == (Hint(kind=Kind.APPOINTMENT, id=made.id),)
    with pytest.raises(BadHint):
        side.hints(HookRequest(body=b"\x00"))


def test_the_options_hide_the_secret_and_refuse_unknown_keys() -> None:
    options = {"client_id": "c", "client_secret": Secret.of("s3cret"), "site_uid": "s"}

    assert "s3cret" not in repr(EzyVetOptions.model_validate(options))
    for wrong in ({"clientid": 1}, {"detail_types": {"mail": 1}}, {"page_size": 0}, {"block_types": ["Block"]}):
        with pytest.raises(ValueError, match="validation error"):
            EzyVetOptions.model_validate({**options, **wrong})


@pytest.mark.parametrize("address", ["http://api.ezyvet.com", "ftp://127.0.0.1", "api.ezyvet.com", "https://"])
def test_the_secret_travels_encrypted_or_not_at_all(address: str) -> None:
    with pytest.raises(ValueError, match="https://"), connected(address):
        pass


# -- answers that are broken on the way


GOOD = rows("appointment", {"id": 12, "description": "Zoë"})[2]
BROKEN: dict[str, tuple[dict[str, str], bytes]] = {
    "a web page": ({"Content-Type": "text/html"}, b"<html>Zo\xc3\xab</html>"),
    "cut": ({}, json.dumps(GOOD).encode()[:-40]),
    "another charset": (
        {"Content-Type": "application/json; charset=utf-8"},
        json.dumps(GOOD, ensure_ascii=False).encode("latin-1"),
    ),
    "half a gzip": ({"Content-Encoding": "gzip"}, gzip.compress(json.dumps(GOOD).encode() * 50)[:40]),
    "no gzip": ({"Content-Encoding": "gzip"}, json.dumps(GOOD).encode()),
    "a gzip that grows": ({"Content-Encoding": "gzip"}, gzip.compress(b" " * (MAX_BODY + 1))),
    "deep": ({}, b'{"items":' * 100_000),
    "deep and whole": ({}, b"[" * 50_000 + b"]" * 50_000),
    "a number of many digits": ({}, b'{"items": [' + b"9" * 100_000 + b"]}"),
    "not a number": ({}, b'{"items": [NaN]}'),
    "nothing": ({}, b""),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_is_named_without_its_content(how: str) -> None:
    headers, content = BROKEN[how]
    clock = FakeClock()
    with Vendor(lambda *_: (200, headers, content)) as vendor, connected(vendor.url, clock=clock) as side:
        with pytest.raises((BadAnswer, Unavailable), match="ezyvet-city: GET /v2/appointment") as read:
            side.get(Kind.APPOINTMENT, "12")
        with pytest.raises(OutcomeUnknown, match="ezyvet-city") as written:
            side.apply(visit())
        assert vendor.asked.count("POST /v2/appointment") == 1

    for error in (read.value, written.value):
        assert "Zo" not in error.message
        assert len(error.message) < 300


def test_an_answer_deep_enough_to_be_read_is_no_record() -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    with (
        Vendor(lambda *_: rows("appointment", {"id": 12, "contact_id": deep})) as vendor,
        connected(vendor.url) as side,
        pytest.raises(BadAnswer, match="contact_id"),
    ):
        side.get(Kind.APPOINTMENT, "12")
    with (
        Vendor(lambda *_: (429, {}, {"messages": deep})) as vendor,
        connected(vendor.url, clock=FakeClock()) as side,
        pytest.raises(RateLimited),
    ):
        side.get(Kind.APPOINTMENT, "12")


@pytest.mark.parametrize("bad", [{"animal": {"name": "no id"}}, {"animal": None}, 7, {"contact": {"id": 1}}])
def test_a_bad_row_does_not_take_its_neighbours_down_and_is_not_passed_over(bad: Any) -> None:
    status, headers, body = rows("animal", {"id": 1}, {"id": 2}, total=3)
    body["items"].insert(1, bad)
    records: list[Found] = []
    cursors = []

    def walk(side: EzyVet) -> None:
        for page in side.changes(Kind.PET, "1760000000"):
            records.extend(page.records)
            cursors.append(page.cursor)

    with (
        Vendor(lambda *_: (status, headers, body)) as vendor,
        connected(vendor.url) as side,
        pytest.raises(BadAnswer, match="1 of the items"),
    ):
        walk(side)

    assert [record.id for record in records] == ["1", "2"]
    assert set(cursors) == {"1760000000"}, "the next poll begins there again"


def test_a_row_that_lacks_a_field_is_shown_unreadable_and_read_again() -> None:
    status, headers, body = rows("appointment", {"id": 1, "start_at": START}, {"id": 2, "start_at": START})
    del body["items"][0]["appointment"]["active"]
    body["meta"]["timestamp"] = 1760000200
    with Vendor(lambda *_: (status, headers, body)) as vendor, connected(vendor.url) as side:
        (page,) = side.changes(Kind.APPOINTMENT, None)
        del body["items"][1]
        body["meta"]["items_total"] = 1
        with pytest.raises(BadAnswer, match="without state, active"):
            side.get(Kind.APPOINTMENT, "1")

    first, second = (record.native or {} for record in page.records)
    assert wire.unreadable(first) == ["state", "active"]
    assert wire.unreadable(second) == []
    assert page.cursor == "0"


def test_a_client_search_never_takes_a_half_shown_answer_for_nobody() -> None:
    def answer(method: str, path: str, query: dict[str, str]) -> Answer:
        if path.endswith("contactdetail"):
            status, headers, body = rows("contactdetail", {"id": 1, "value_cleaned": "447911123456"})
            del body["items"][0]["contactdetail"]["contact_id"]
            return status, headers, body
        return rows("contact")

    with Vendor(answer) as vendor, connected(vendor.url) as side, pytest.raises(BadAnswer, match="whose it is"):
        list(side.search(Kind.CLIENT, {"phone": "+447911123456"}))


def test_a_listing_that_claims_pages_without_end_comes_to_its_end() -> None:
    def answer(method: str, path: str, query: dict[str, str]) -> Answer:
        return rows("animal", {"id": 1}, page=int(query["page"]), pages=10**12, total=10**12)

    with Vendor(answer) as vendor, connected(vendor.url) as side:
        assert len(found(list(side.changes(Kind.PET, None)))) == 1
    assert len(vendor.asked) == 6


def test_a_row_that_went_while_paging_makes_the_walk_begin_again() -> None:
    """Row 1 goes after the first page: row 3 slips onto it, and as many rows are seen as are then counted."""
    walks = []

    def answer(method: str, path: str, query: dict[str, str]) -> Answer:
        page = int(query["page"])
        walks.append(page)
        order = [1, 2, 3, 4] if walks == [1] else [2, 3, 4]
        return rows(
            "animal", *({"id": n} for n in order[2 * page - 2 : 2 * page]), page=page, pages=2, total=len(order)
        )

    with Vendor(answer) as vendor, connected(vendor.url) as side:
        pages = list(side.changes(Kind.PET, None))
    assert sorted(record.id for record in found(pages)) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    "answered",
    [
        {"id": 12, "contact_id": 5, "animal_id": PLACEHOLDER_ANIMAL, "start_at": START},
        {"id": 12, "contact_id": PLACEHOLDER_CONTACT, "animal_id": PLACEHOLDER_ANIMAL, "start_at": START + 3600},
    ],
)
def test_a_create_that_is_answered_with_another_record_is_looked_for(answered: Native) -> None:
    with (
        Vendor(lambda *_: rows("appointment", answered)) as vendor,
        connected(vendor.url) as side,
        pytest.raises(OutcomeUnknown),
    ):
        side.apply(visit())


def test_an_error_beside_a_new_record_leaves_the_outcome_open() -> None:
    status, headers, body = rows("appointment", {"id": 12})
    body["messages"] = [{"level": "error", "type": "ConsultException", "text": "Zoë"}]
    with (
        Vendor(lambda *_: (status, headers, body)) as vendor,
        connected(vendor.url) as side,
        pytest.raises(OutcomeUnknown) as caught,
    ):
        side.apply(visit())
    assert "Zoë" not in caught.value.message


@pytest.mark.parametrize(("lands", "found_then"), [(True, 1), (False, 0)])
def test_a_create_that_is_answered_500_is_looked_for_whether_it_was_done_or_not(
    simulator: EzyVetSimulator, side: EzyVet, lands: bool, found_then: int
) -> None:
    """Which 500 means "there already" nobody can tell: only a look says whether the record is there."""
    assert list(side.look(visit())) == []
    simulator.faults.arm("5xx_after" if lands else "5xx_before")
    with pytest.raises(OutcomeUnknown):
        side.apply(visit())
    assert len(list(side.look(visit()))) == found_then
    assert simulator.counts()["requests"]["POST /v2/appointment"] == 1


# -- time


def mapper_of(zone: str) -> Mapper:
    return Mapper(load_table("ezyvet"), zone=zone, country="GB", codes=CODE_LISTS)


@pytest.mark.parametrize(
    ("zone", "local", "epoch"),
    [
        # Ahead of the autumn clock change and after it, at the same time of day.
        ("Europe/London", "2026-10-24T09:00:00+01:00", 1792828800),
        ("Europe/London", "2026-10-26T09:00:00+00:00", 1793005200),
        # The hour that comes twice: each of the two is told apart.
        ("Europe/London", "2026-10-25T01:30:00+01:00", 1792888200),
        ("Europe/London", "2026-10-25T01:30:00+00:00", 1792891800),
        # Either side of the hour that is missing in spring.
        ("Europe/London", "2026-03-29T00:59:00+00:00", 1774745940),
        ("Europe/London", "2026-03-29T02:00:00+01:00", 1774746000),
        # Zones far from the machine's, with a half hour, and the other half of the year.
        ("Australia/Sydney", "2026-10-04T03:00:00+11:00", 1791043200),
        ("America/St_Johns", "2026-07-01T23:45:00-02:30", 1782958500),
        ("Pacific/Auckland", "2026-04-05T02:30:00+12:00", 1775313000),
    ],
)
def test_a_visit_stands_at_its_local_time_on_both_sides_of_a_clock_change(zone: str, local: str, epoch: int) -> None:
    """ezyVet speaks unix seconds (ezyvet.md, section 3): what is written is what is read, to the second."""
    mapper = mapper_of(zone)
    start = Instant.parse(local, zone)
    fields = {"start": start, "duration": 5400, "status": AppointmentStatus.BOOKED, "appointment_type": "checkup"}
    native = mapper.write(Kind.APPOINTMENT, fields)
    assert native["start_at"] == epoch
    with build(clients=1, zone=zone) as simulator, connected(simulator, zone=zone) as side:
        given = {**native, "contact_id": str(PLACEHOLDER_CONTACT), "animal_id": str(PLACEHOLDER_ANIMAL)}
        number = side.apply(create(Kind.APPOINTMENT, "", **given)).id
        stored = simulator.store.get("appointment", int(number))
        read = mapper.read(Kind.APPOINTMENT, side.get(Kind.APPOINTMENT, number) or {})
        day = {"start_from": local, "start_before": datetime.fromtimestamp(epoch + 1, UTC).isoformat()}
        listed = [native["id"] for native in side.search(Kind.APPOINTMENT, day)]

    assert stored is not None
    assert stored["start_at"] == epoch
    assert read.start == start
    assert read.start.utc.astimezone(ZoneInfo(zone)).isoformat() == local
    assert read.duration == 5400
    assert listed == [number]


@pytest.mark.parametrize(
    ("local", "seconds", "ends"),
    [
        ("2026-06-30T23:30:00+01:00", 5400, "2026-07-01T01:00:00+01:00"),  # over midnight
        ("2026-10-24T23:30:00+01:00", 3 * 3600, "2026-10-25T01:30:00+00:00"),  # over midnight and the clock change
        ("2026-10-25T00:00:00+01:00", 25 * 3600, "2026-10-26T00:00:00+00:00"),  # all day, and an hour longer
        ("2026-03-29T00:00:00+00:00", 23 * 3600, "2026-03-30T00:00:00+01:00"),  # all day, and an hour shorter
    ],
)
def test_a_visit_over_midnight_or_all_day_lasts_as_long_as_it_is_written(local: str, seconds: int, ends: str) -> None:
    zone = "Europe/London"
    mapper = mapper_of(zone)
    native = mapper.write(Kind.APPOINTMENT, {"start": Instant.parse(local, zone), "duration": seconds})
    row = {**dict.fromkeys(wire.NEEDED["appointment"]), "id": 1, "active": True, "status_id": 1, **native}
    read = mapper.read(Kind.APPOINTMENT, wire.appointment(row))

    over = datetime.fromtimestamp(read.start.epoch + read.duration, ZoneInfo(zone))
    assert over.isoformat() == ends


def test_a_birthday_is_the_same_day_wherever_the_site_is() -> None:
    for zone in ("Pacific/Auckland", "America/Los_Angeles"):
        mapper = mapper_of(zone)
        born = date(2024, 2, 29)
        written = mapper.write(Kind.PET, {"birth_date": born})["date_of_birth"]
        midnight_there = int(datetime(2024, 2, 29, tzinfo=ZoneInfo(zone)).timestamp())
        for stored in (written, 1709164800, str(midnight_there)):
            row = {**dict.fromkeys(wire.NEEDED["animal"]), "id": 1, "date_of_birth": stored}
            assert mapper.read(Kind.PET, wire.animal(row)).birth_date == born


# -- ids


def test_a_merged_contact_is_inactive_and_points_nowhere(simulator: EzyVetSimulator, side: EzyVet) -> None:
    """No merge pointer was seen (ezyvet.md, section 10): the contact is read as inactive, and nothing is guessed."""
    loser, winner = (1000 + owner.number for owner in CLINIC.owners[:2])
    pets = [native["id"] for native in side.search(Kind.PET, {"client_id": str(loser)})]
    answer = call_control(simulator, "/merge_contacts", {"from": loser, "into": winner})
    assert answer["moved"]["animal"] == len(pets)

    merged = side.get(Kind.CLIENT, str(loser))
    assert merged is not None
    assert (merged["id"], merged["active"]) == (str(loser), False)
    assert str(winner) not in map(str, merged.values())
    assert list(side.search(Kind.PET, {"client_id": str(loser)})) == []
    owners = {pet: (side.get(Kind.PET, pet) or {})["contact_id"] for pet in pets}
    assert set(owners.values()) <= {str(winner)}


def test_a_contact_that_is_gone_is_none_and_its_visits_still_name_it(
    simulator: EzyVetSimulator, side: EzyVet
) -> None:
    number = 1000 + CLINIC.owners[0].number
    made = side.apply(visit(contact_id=str(number)))
    call_control(simulator, "/purge", {"kind": "contact", "id": number})
    assert side.get(Kind.CLIENT, str(number)) is None
    assert (side.get(Kind.APPOINTMENT, made.id) or {})["contact_id"] == str(number)


def call_control(simulator: EzyVetSimulator, path: str, body: Any) -> Any:
    request = urllib.request.Request(f"{simulator.control_url}{path}", data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())
