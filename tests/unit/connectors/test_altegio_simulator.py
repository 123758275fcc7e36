"""The Altegio simulator answers as the vendor's sheet says, over real HTTP."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.altegio.simulator import CLIENT_FROM, FIRST_RECORD, LOCATION, AltegioSimulator, build
from tests.unit.connectors.altegio_calls import Answer, Calls
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import FAULTS
from vetbridge.testing.simkit.simulator import CUT_AT

CLIENTS = 60
SUMMER = "2026-07-06T10:00:00+01:00"


class Caller(Calls):
    """Requests with the simulator's credentials."""

    def book(self, phone: str, fullname: str, start: str = SUMMER, **more: Any) -> Answer:
        """What a person types into the widget."""
        visit = {"id": 1, "services": [701], "staff_id": 501, "datetime": start, **more}
        given = {"phone": phone, "fullname": fullname, "email": "", "comment": "", "appointments": [visit]}
        return self("POST", f"/book_record/{LOCATION}", given, auth=self.partner)

    def create(self, **changes: Any) -> Answer:
        """A staff-side create; a change of None leaves the field out."""
        body = {
            "staff_id": 502,
            "services": [{"id": 702}],
            "client": {"phone": "+447700900123", "name": "Ann", "email": ""},
            "datetime": SUMMER,
            "seance_length": 900,
            "save_if_busy": False,
            **changes,
        }
        return self("POST", f"/records/{LOCATION}", {k: v for k, v in body.items() if v is not None})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def call(clock: FakeClock) -> Iterator[Caller]:
    with build(clients=CLIENTS, seed=5, clock=clock) as simulator:
        yield Caller(simulator)


# -- authorisation, envelope, location


def test_tokens_are_asked_as_the_sheet_says(call: Caller) -> None:
    denied = call("GET", f"/records/{LOCATION}", auth="")
    assert denied.status == 401
    assert denied.body == {"success": False, "data": None, "meta": {"message": "Authentication needed."}}
    assert call("GET", f"/records/{LOCATION}", auth=call.partner).status == 401
    assert call("GET", f"/records/{LOCATION}", auth=f"{call.partner}, User nobody").status == 401
    assert call("GET", f"/records/{LOCATION}", auth=call.both.replace(", ", ",")).status == 200
    assert call("GET", f"/records/{LOCATION}", auth=call.both.replace("User ", "User  ")).status == 200
    assert call("GET", f"/company/{LOCATION}", auth=call.partner).status == 200
    assert call("GET", "/company/5").status == 404
    assert call("GET", "/company/abc").status == 404


def test_a_login_gives_the_user_token(call: Caller) -> None:
    login = call.simulator.store.get_meta("login")
    answer = call("POST", "/auth", login, auth=call.partner)
    assert (answer.status, answer.data["user_token"]) == (201, call.simulator.credentials["user_token"])
    assert answer.meta == []
    assert call("POST", "/auth", auth=call.partner, **login).status == 201
    assert call("POST", "/auth", {"login": "x", "password": "y"}, auth=call.partner).status == 401
    assert call.simulator.counts()["tokens"] == 2


def test_the_location_its_staff_services_and_rights(call: Caller) -> None:
    assert call("GET", f"/company/{LOCATION}").data["timezone_name"] == "Europe/London"
    clinic = make_clinic(5, CLIENTS)
    staff = call("GET", f"/company/{LOCATION}/staff").data
    assert [(row["id"], row["name"]) for row in staff] == [(500 + s.number, s.name) for s in clinic.staff]
    services = call("GET", f"/company/{LOCATION}/services").data
    assert [(row["id"], row["staff"][0]["seance_length"]) for row in services] == [
        (700 + s.number, s.minutes * 60) for s in clinic.services
    ]
    assert call("GET", f"/company/{LOCATION}/services/799").status == 404
    assert call("GET", f"/user/permissions/{LOCATION}").data["clients_access"] is True


def test_missing_custom_fields_are_not_listed() -> None:
    with build(missing_fields=("pet_key", "vetbridge_pets")) as simulator:
        call = Caller(simulator)
        listed = call("GET", f"/custom_fields/record/{LOCATION}").data
        assert [row["custom_field"]["code"] for row in listed] == ["pet_name", "pet_species", "pet_breed"]
        assert call("GET", f"/custom_fields/client/{LOCATION}").data == []
        assert call("GET", f"/custom_fields/pet/{LOCATION}").status == 404


def test_the_online_owners_are_the_clients_and_phones_are_unique(call: Caller) -> None:
    online = [owner for owner in make_clinic(5, CLIENTS).owners if owner.online]
    listed = call("GET", f"/clients/{LOCATION}", count=300)
    assert [row["id"] for row in listed.data] == [CLIENT_FROM + owner.number for owner in online]
    assert listed.meta == {"page": 1, "total_count": len(online)}
    assert [row["phone"] for row in listed.data] == [owner.phones[0] for owner in online]
    assert len({row["phone"] for row in listed.data}) == len(online) > 10
    assert all(not key.startswith("_") for row in listed.data for key in row)
    assert listed.data[0]["custom_fields"] == []


# -- the widget


def test_a_known_phone_books_under_the_card_that_is_there(call: Caller) -> None:
    card = call("GET", f"/clients/{LOCATION}", count=1).data[0]
    answer = call.book(card["phone"].replace("+44", "+44 (0)").replace("(0)", ""), "Somebody Else")
    assert answer.status == 201
    made = answer.data[0]
    assert (made["id"], made["record_id"]) == (1, FIRST_RECORD)
    record = call("GET", f"/record/{LOCATION}/{FIRST_RECORD}").data
    assert record["client"]["id"] == card["id"]
    assert record["client"]["name"] == card["name"]
    assert record["online"] is True
    assert record["date"] == "2026-07-06 10:00:00"
    assert record["datetime"] == SUMMER
    assert record["seance_length"] == 20 * 60
    assert record["last_change_date"] == "2026-03-02T09:00:00+0000"
    assert record["custom_fields"] == []
    counts = call.simulator.counts()
    assert (counts["writes"], counts["notices"], counts["own"]) == (1, 0, 1)


def test_an_unknown_phone_makes_a_card_with_the_whole_name(call: Caller) -> None:
    fields = {"pet_name": "Bella", "pet_species": "dog", "no_such_field": "x"}
    assert call.book("+447700900555", "Jon Smyth", custom_fields=fields).status == 201
    record = call("GET", f"/record/{LOCATION}/{FIRST_RECORD}").data
    assert (record["client"]["name"], record["client"]["surname"]) == ("Jon Smyth", "")
    assert record["custom_fields"] == {"pet_name": "Bella", "pet_species": "dog"}
    call.simulator.fullname = "split"
    assert call.book("+447700900556", "Mary Ann de la Cruz", start="2026-07-06 12:00:00").status == 201
    client = call("GET", f"/record/{LOCATION}/{FIRST_RECORD + 1}").data["client"]
    assert (client["name"], client["surname"]) == ("Mary Ann de la", "Cruz")


def test_booking_codes(call: Caller) -> None:
    call.simulator.blocked_phones = frozenset({"+447700900999"})
    phone = "+447700900555"
    assert call.book(phone, "Ann").status == 201

    def code(answer: Answer) -> tuple[int, int]:
        return answer.status, answer.body["errors"]["code"]

    assert code(call.book("letters only", "Ann")) == (422, 431)
    assert code(call.book(phone, "Ann", start="2026-07-06T10:10:00+01:00")) == (422, 433)
    assert code(call.book("+447700900999", "Ann")) == (403, 434)
    assert code(call.book(phone, "   ")) == (422, 435)
    assert code(call.book(phone, "Ann", services=[799])) == (422, 438)
    visit = {"services": [701], "staff_id": 503, "datetime": SUMMER}
    both = [{**visit, "id": 1}, {**visit, "id": 2, "staff_id": 504}]
    answer = call("POST", f"/book_record/{LOCATION}", {"phone": phone, "fullname": "A", "appointments": both})
    assert (*code(answer), answer.body["errors"]["id"]) == (422, 437, 2)
    for _ in range(3):
        assert call.book(phone, "Ann", staff_id=0).status == 201
    assert code(call.book(phone, "Ann", staff_id=0)) == (422, 436)
    checked = call("POST", f"/book_check/{LOCATION}", {"appointments": [{**visit, "staff_id": 501}]})
    assert code(checked) == (422, 433)
    free = {**visit, "datetime": "2026-07-06T15:00:00+01:00"}
    possible = call("POST", f"/book_check/{LOCATION}", {"appointments": [free]}, auth=call.partner)
    assert (possible.status, possible.body) == (201, None)


def test_the_owner_moves_and_cancels(call: Caller, clock: FakeClock) -> None:
    made = call.book("+447700900555", "Ann Lee").data[0]
    own = f"/user/records/{made['record_id']}/{made['record_hash']}"
    assert call("GET", own, auth=call.partner).data[0]["date"] == "2026-07-06 10:00:00"
    assert call("GET", own[:-1] + "x", auth=call.partner).status == 404
    clock.advance(60)
    moved = call("PUT", f"/book_record/{LOCATION}/{made['record_id']}", {"datetime": "2026-07-07T11:00:00+01:00"})
    assert (moved.status, moved.data["date"]) == (200, "2026-07-07 11:00:00")
    record = call("GET", f"/record/{LOCATION}/{made['record_id']}").data
    assert record["last_change_date"] == "2026-03-02T09:01:00+0000"
    assert call("DELETE", own, auth=call.partner).status == 204
    assert call("DELETE", own, auth=call.partner).status == 404
    assert call("GET", f"/record/{LOCATION}/{made['record_id']}").data["deleted"] is True
    assert call("PUT", f"/book_record/{LOCATION}/{made['record_id']}", {"datetime": SUMMER}).status == 422
    assert call.simulator.counts()["own"] == 3


# -- records, staff side


def test_a_staff_side_create_answers_a_list_and_a_naive_create_date(call: Caller) -> None:
    answer = call.create(api_id="VB-7F3K9Q2MXX", comment="hello", attendance=2)
    assert answer.status == 201
    (made,) = answer.data
    assert made["create_date"] == "2026-03-02 09:00:00"
    record = call("GET", f"/record/{LOCATION}/{made['id']}").data
    assert (record["api_id"], record["comment"], record["attendance"]) == ("VB-7F3K9Q2MXX", "hello", 2)
    assert record["create_date"] == "2026-03-02T09:00:00+0000"
    assert record["online"] is False
    assert [line["id"] for line in record["services"]] == [702]
    assert record["client"]["phone"] == "+447700900123"


@pytest.mark.parametrize("field", ["staff_id", "services", "client", "datetime", "seance_length"])
def test_an_update_needs_every_main_field(call: Caller, field: str) -> None:
    record = call.create().data[0]
    body = {"staff_id": 502, "services": [], "client": {}, "datetime": SUMMER, "seance_length": 900}
    assert call("PUT", f"/record/{LOCATION}/{record['id']}", body).status == 201
    del body[field]
    answer = call("PUT", f"/record/{LOCATION}/{record['id']}", body)
    assert (answer.status, list(answer.meta["errors"])) == (422, [field])


def test_an_update_answers_a_shorter_record_and_keeps_or_clears_what_is_left_out(call: Caller) -> None:
    number = call.create(comment="keep", api_id="VB-1").data[0]["id"]
    body = {"staff_id": 503, "services": [{"id": 701}], "client": {}, "datetime": SUMMER, "seance_length": 600}
    answer = call("PUT", f"/record/{LOCATION}/{number}", body)
    assert "last_change_date" not in answer.data
    kept = call("GET", f"/record/{LOCATION}/{number}").data
    assert (kept["comment"], kept["api_id"], kept["client"], kept["staff_id"]) == ("keep", "VB-1", None, 503)
    call.simulator.put_clears = True
    call("PUT", f"/record/{LOCATION}/{number}", body)
    cleared = call("GET", f"/record/{LOCATION}/{number}").data
    assert (cleared["comment"], cleared["api_id"]) == ("", "")


def test_the_client_of_a_record_is_found_by_id_then_phone_then_made(call: Caller) -> None:
    card = call("GET", f"/clients/{LOCATION}", count=1).data[0]
    times = iter(f"2026-07-06T{hour}:00:00+01:00" for hour in range(10, 20))
    by_id = call.create(client={"id": card["id"]}, datetime=next(times)).data[0]
    by_phone = call.create(client={"phone": card["phone"], "name": "Other"}, datetime=next(times)).data[0]
    assert by_id["client"]["id"] == by_phone["client"]["id"] == card["id"]
    assert by_phone["client"]["name"] == card["name"]
    made = call.create(client={"phone": "447700900777", "name": "New", "surname": "One"}, datetime=next(times)).data[
        0
    ]
    assert made["client"]["phone"] == "+447700900777"
    assert call.create(client={}, datetime=next(times)).data[0]["client"] is None
    assert call.create(client={"phone": "12", "name": "X"}, datetime=next(times)).status == 422
    assert call.create(client={"phone": "+447700900778"}, datetime=next(times)).status == 422
    assert call.create(client={"id": 9}, datetime=next(times)).status == 404


def test_a_busy_slot_is_refused_unless_asked_to_keep_it(call: Caller) -> None:
    first = call.create().data[0]
    refused = call.create()
    assert (refused.status, refused.body["errors"]["code"]) == (422, 433)
    assert call.create(datetime="2026-07-06T10:15:00+01:00").status == 201
    assert call.create(save_if_busy=True).status == 201
    assert call("DELETE", f"/record/{LOCATION}/{first['id']}").status == 204


def test_a_deleted_record_stays_readable_and_takes_no_write(call: Caller) -> None:
    number = call.create().data[0]["id"]
    gone = call("DELETE", f"/record/{LOCATION}/{number}")
    assert (gone.status, gone.body) == (204, None)
    assert call("GET", f"/record/{LOCATION}/{number}").data["deleted"] is True
    body = {"staff_id": 502, "services": [], "client": {}, "datetime": SUMMER, "seance_length": 900}
    assert call("PUT", f"/record/{LOCATION}/{number}", body).status == 422
    assert call("DELETE", f"/record/{LOCATION}/{number}").status == 404
    assert call.create().status == 201  # its time is free again


def test_messages_that_a_staff_side_write_causes_are_counted(call: Caller) -> None:
    quiet = call.create(send_sms=False, sms_remain_hours=0, email_remain_hours=0).data[0]
    assert call.simulator.counts()["notices"] == 0
    body = {"staff_id": 502, "services": [], "client": {"id": quiet["client"]["id"]}, "datetime": SUMMER}
    put = f"/record/{LOCATION}/{quiet['id']}"
    call("PUT", put, {**body, "seance_length": 900, "send_sms": True})
    assert call.simulator.counts()["notices"] == 1
    call("PUT", put, {**body, "seance_length": 900, "sms_remain_hours": 24, "email_remain_hours": 2})
    assert call.simulator.counts()["notices"] == 3
    call("PUT", put, {**body, "seance_length": 900, "sms_remain_hours": 24})
    assert call.simulator.counts()["notices"] == 3  # nothing was set anew
    call.create(client={}, send_sms=True, datetime="2026-07-09T10:00:00+01:00")
    assert call.simulator.counts()["notices"] == 3  # nobody to send to


def test_a_reminder_of_the_owners_own_booking_counts_only_where_it_goes_to_somebody_else(call: Caller) -> None:
    given = {"phone": "+447700900123", "fullname": "Ann Example", "notify_by_sms": 24}
    visits = [{"id": 1, "services": [701], "staff_id": 501, "datetime": SUMMER}]
    booked = call("POST", f"/book_record/{LOCATION}", {**given, "appointments": visits}, auth=call.partner)
    put = f"/record/{LOCATION}/{booked.data[0]['record_id']}"
    ann = call("GET", put).data["client"]["id"]
    other = call("GET", f"/clients/{LOCATION}", count=1).data[0]["id"]
    body = {"staff_id": 502, "services": [], "seance_length": 900, "sms_remain_hours": 24}
    moved = "2026-07-08T10:00:00+01:00"
    assert call("PUT", put, {**body, "client": {"id": ann}, "datetime": moved}).status == 201
    assert call.simulator.counts()["notices"] == 0
    assert call("PUT", put, {**body, "client": {"id": other}, "datetime": moved, "sms_remain_hours": 0}).status == 201
    assert call.simulator.counts()["notices"] == 0
    assert call("PUT", put, {**body, "client": {"id": other}, "datetime": moved}).status == 201
    assert call("PUT", put, {**body, "client": {"id": ann}, "datetime": moved}).status == 201
    assert call.simulator.counts()["notices"] == 2


def test_a_row_can_be_purged_through_the_control_door(call: Caller) -> None:
    purge = f"{call.simulator.control_url}/purge"
    number = call.create().data[0]["id"]
    client = call("GET", f"/record/{LOCATION}/{number}").data["client"]["id"]
    for kind, id_ in (("record", number), ("client", client)):
        answer = httpx.post(purge, json={"kind": kind, "id": id_})
        assert (answer.status_code, answer.json()) == (200, {"purged": {"kind": kind, "id": id_}})
        assert call("GET", f"/{kind}/{LOCATION}/{id_}").status == 404
    assert call("GET", f"/records/{LOCATION}", with_deleted=1).data == []
    assert httpx.post(purge, json={"kind": "record", "id": number}).status_code == 404
    for wrong in ({"kind": "record"}, {"kind": "record", "id": True}, {"kind": "record", "id": "1"}):
        assert httpx.post(purge, json=wrong).status_code == 404
    for wrong in ({}, {"kind": "staff", "id": 501}, {"kind": ["record"], "id": 1}):
        answer = httpx.post(purge, json=wrong)
        assert (answer.status_code, answer.json()["error"]) == (400, "kind must be one of client, record")
    assert call("GET", f"/company/{LOCATION}/staff/501").status == 200


def test_lists_can_be_filtered_and_paged(call: Caller, clock: FakeClock) -> None:
    numbers = []
    for day in range(6, 13):
        numbers.append(call.create(datetime=f"2026-07-{day:02}T10:00:00+01:00").data[0]["id"])
        clock.advance(3600)
    call("DELETE", f"/record/{LOCATION}/{numbers[0]}")  # at 16:00
    records = f"/records/{LOCATION}"

    def ids(**query: Any) -> list[int]:
        return [row["id"] for row in call("GET", records, **query).data]

    assert ids() == numbers[1:]
    assert ids(with_deleted=1) == ids(with_deleted="true") == numbers
    assert ids(changed_after="2026-03-02T13:00:00") == numbers[4:]
    assert ids(changed_after="2026-03-02T13:00:00", with_deleted=1) == [numbers[0], *numbers[4:]]
    assert ids(changed_before="2026-03-02T11:00:00") == numbers[1:3]
    assert ids(start_date="2026-07-08", end_date="2026-07-09") == numbers[2:4]
    assert ids(c_start_date="2026-03-03") == []
    assert ids(staff_id=501) == []
    assert ids(client_id=call("GET", f"/record/{LOCATION}/{numbers[1]}").data["client"]["id"]) == numbers[1:]
    assert ids(a_filter_of_another_name="x") == numbers[1:]
    page = call("GET", records, page=2, count=4)
    assert [row["id"] for row in page.data] == numbers[5:]
    assert page.meta == {"page": 2, "total_count": 6}
    assert call("GET", records, changed_after="yesterday").status == 422
    assert call("GET", records, page="many").status == 422


def test_the_bound_of_changes_is_local_or_utc(clock: FakeClock) -> None:
    clock.advance((datetime(2026, 7, 1, 9, tzinfo=UTC) - clock.now()).total_seconds())
    for zone, found in (("site", 1), ("utc", 0)):
        with build(clock=clock, bounds_zone=zone) as simulator:
            call = Caller(simulator)
            assert call.create().status == 201
            answer = call("GET", f"/records/{LOCATION}", changed_after="2026-07-01T10:00:00")
            assert len(answer.data) == found


def test_the_quirks_that_can_be_switched(clock: FakeClock) -> None:
    with build(clock=clock, winter_offset=True, empty_fields="object", retry_after=False) as simulator:
        call = Caller(simulator)
        record = call.create().data[0]
        assert (record["date"], record["datetime"]) == ("2026-07-06 10:00:00", "2026-07-06T10:00:00+00:00")
        assert record["custom_fields"] == {}
        simulator.faults.arm("429")
        limited = call("GET", f"/records/{LOCATION}")
        assert (limited.status, "retry-after" in limited.headers) == (429, False)
    with build(require_accept=True) as simulator:
        assert Caller(simulator)("GET", f"/company/{LOCATION}").status == 400


def test_rights_that_are_missing_are_felt() -> None:
    denied = ("custom_fields_record_values_edit_access", "clients_phones_email_access")
    with build(clients=30, denied_rights=denied) as simulator:
        call = Caller(simulator)
        record = call.create(custom_fields={"pet_name": "Bella"}).data[0]
        assert record["custom_fields"] == []
        assert record["client"]["phone"] == ""
        assert call("GET", f"/user/permissions/{LOCATION}").data[denied[0]] is False
    with build(clients=30, denied_rights=("clients_access",)) as simulator:
        assert Caller(simulator)("GET", f"/clients/{LOCATION}").status == 403


# -- clients


def test_a_client_is_made_changed_and_deleted(call: Caller, clock: FakeClock) -> None:
    body = {"name": "Ann", "surname": "Lee", "phone": "447700900200", "custom_fields": {"vetbridge_pets": "Bella"}}
    made = call("POST", f"/clients/{LOCATION}", body)
    assert made.status == 201
    assert made.data["phone"] == "+447700900200"
    assert made.data["custom_fields"] == {"vetbridge_pets": "Bella"}
    clock.advance(60)
    one = f"/client/{LOCATION}/{made.data['id']}"
    changed = call("PUT", one, {"name": "Anna", "phone": "+447700900200"})
    assert (changed.status, changed.data["name"], changed.data["surname"]) == (200, "Anna", "Lee")
    assert changed.data["last_change_date"] == "2026-03-02T09:01:00+0000"
    after = call("GET", f"/clients/{LOCATION}", changed_after="2026-03-02T09:01:00")
    assert [row["id"] for row in after.data] == [made.data["id"]]
    assert call("PUT", one, {"name": "Anna"}).status == 422
    assert call("DELETE", one).status == 204
    assert call("GET", one).status == 404
    assert call("GET", f"/clients/{LOCATION}", phone="447700900200").data == []


@pytest.mark.parametrize(
    "body",
    [
        {"phone": "+447700900200"},
        {"name": "Ann"},
        {"name": "Ann", "phone": "123"},
        {"name": "Ann", "phone": "+1234567890123456"},
        {"name": ["Ann"], "phone": "+447700900200"},
        {"name": "Ann", "phone": {"a": 1}},
        {"name": "Ann", "phone": "+447700900200", "custom_fields": "Bella"},
        {"name": "Ann", "phone": "+447700900200", "custom_fields": {"vetbridge_pets": "x" * 256}},
    ],
)
def test_a_client_that_does_not_fit_is_refused(call: Caller, body: Any) -> None:
    assert call("POST", f"/clients/{LOCATION}", body).status == 422


def test_a_phone_belongs_to_one_card(call: Caller) -> None:
    first, second = call("GET", f"/clients/{LOCATION}", count=2).data
    duplicate = call("POST", f"/clients/{LOCATION}", {"name": "Ann", "phone": first["phone"]})
    assert duplicate.status == 422
    stolen = {"name": "Ann", "phone": first["phone"]}
    assert call("PUT", f"/client/{LOCATION}/{second['id']}", stolen).status == 422
    assert call("PUT", f"/client/{LOCATION}/{first['id']}", stolen).status == 200


def test_clients_are_found_by_the_deprecated_filters_and_the_search(call: Caller) -> None:
    cards = call("GET", f"/clients/{LOCATION}", count=300).data
    card = next(row for row in cards if row["email"])
    for query in ({"phone": card["phone"][4:]}, {"email": card["email"].upper()}, {"id": card["id"]}):
        assert card["id"] in [row["id"] for row in call("GET", f"/clients/{LOCATION}", **query).data]
    search = f"/company/{LOCATION}/clients/search"
    plain = call("POST", search, {})
    assert plain.data[0] == {"id": cards[0]["id"]}
    assert (len(plain.data), plain.meta["total_count"]) == (min(25, len(cards)), len(cards))
    quick = {"type": "quick_search", "state": {"value": card["phone"][1:]}}
    found = call("POST", search, {"fields": ["name", "phone"], "filters": [quick]})
    assert [(row["id"], row["phone"]) for row in found.data] == [(card["id"], card["phone"])]
    refused = call("POST", search, {"filters": [{"type": "colour", "state": {}}]})
    assert (refused.status, list(refused.meta["errors"])) == (400, ["filters"])
    assert call("POST", search, {"fields": ["custom_fields"]}).status == 400
    assert call.simulator.counts()["writes"] == 0


# -- webhooks


class Receiver:
    """A webhook door on a free port."""

    def __init__(self) -> None:
        got: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.got = got
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?secret=s"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_webhooks_follow_what_people_do_and_not_our_own_writes(call: Caller, receiver: Receiver) -> None:
    settings = {"urls": [receiver.url], "active": 1, "record": 1, "client": 1}
    assert call("POST", f"/hooks_settings/{LOCATION}", settings).status == 201
    call.simulator.outbox.delay = 0.0
    made = call.book("+447700900555", "Ann Lee").data[0]
    call.create()
    call("DELETE", f"/user/records/{made['record_id']}/{made['record_hash']}")
    assert call.simulator.outbox.wait_empty(5)
    events = [(event["resource"], event["status"], event["resource_id"]) for event in receiver.got]
    assert events[1:] == [("record", "create", made["record_id"]), ("record", "delete", made["record_id"])]
    assert events[0][:2] == ("client", "create")
    assert {event["company_id"] for event in receiver.got} == {LOCATION}
    assert receiver.got[1]["data"]["custom_fields"] == []
    call("POST", f"/hooks_settings/{LOCATION}", {**settings, "client": 0, "self_sending": 1})
    number = call.create(datetime="2026-07-08T10:00:00+01:00").data[0]["id"]
    assert call.simulator.outbox.wait_empty(5)
    assert [event["resource_id"] for event in receiver.got[3:]] == [number]


def test_hook_settings_replace_what_stood_and_are_checked(call: Caller) -> None:
    hooks = f"/hooks_settings/{LOCATION}"
    assert call("GET", hooks).data["urls"] == []
    call("POST", hooks, {"urls": ["http://a", "http://b"], "active": 1, "record": "1"})
    call("POST", hooks, {"urls": ["http://c"], "active": 1})
    now = call("GET", hooks).data
    assert (now["urls"], now["active"], now["record"]) == (["http://c"], 1, 0)
    for urls in ([], ["http://a", "http://a"], [str(n) for n in range(11)], "http://a", [5]):
        assert call("POST", hooks, {"urls": urls}).status == 422


# -- limits, hostile input, restarts


def test_the_real_limits_are_five_a_second_and_two_hundred_a_minute(clock: FakeClock) -> None:
    with build(clock=clock, limits="real") as simulator:
        call = Caller(simulator)
        assert [call("GET", f"/company/{LOCATION}").status for _ in range(6)] == [200] * 5 + [429]
        sent = 5
        while sent < 200:
            clock.advance(1)
            assert [call("GET", f"/company/{LOCATION}").status for _ in range(5)] == [200] * 5
            sent += 5
        clock.advance(1)
        limited = call("GET", f"/company/{LOCATION}")
        assert (limited.status, limited.headers["retry-after"]) == (429, "20")
        assert limited.body["success"] is False


HOSTILE = [
    b"",
    b"{",
    b"\xff\xfe\x00",
    b"[1, 2]",
    json.dumps({"staff_id": {"a": 1}, "services": 5, "client": 7, "datetime": [], "seance_length": "x"}).encode(),
    json.dumps({"staff_id": 501, "services": [5], "client": {}, "datetime": SUMMER, "seance_length": 60}).encode(),
    json.dumps({"staff_id": 501, "services": [], "client": {}, "datetime": "9" * 99, "seance_length": 60}).encode(),
    json.dumps(
        {"staff_id": 501, "services": [], "client": {}, "datetime": "0001-01-01 00:00:00+14:00", "seance_length": -1}
    ).encode(),
    json.dumps({"staff_id": 10**11, "services": [], "client": {}, "datetime": SUMMER, "seance_length": 60}).encode(),
    json.dumps({"phone": "+447700900555", "fullname": "x", "appointments": [7]}).encode(),
    json.dumps({"phone": [], "fullname": {}, "appointments": {}}).encode(),
    json.dumps({"phone": "+447700900555", "fullname": "x", "appointments": [{"services": [{}], "id": {}}]}).encode(),
    json.dumps({"urls": {"a": 1}}).encode(),
    json.dumps({"filters": {"a": 1}, "fields": "x", "page": "y"}).encode(),
    json.dumps({"filters": ["x"], "order_by": ["x"]}).encode(),
    json.dumps({"fields": [["x"]], "operation": 5}).encode(),
]
WRITES = [
    ("POST", f"/records/{LOCATION}"),
    ("POST", f"/clients/{LOCATION}"),
    ("POST", f"/book_record/{LOCATION}"),
    ("POST", f"/company/{LOCATION}/clients/search"),
    ("POST", f"/hooks_settings/{LOCATION}"),
    ("POST", "/auth"),
]


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_hostile_bodies_get_a_vendor_like_4xx(call: Caller, method: str, path: str) -> None:
    for body in HOSTILE:
        answer = call(method, path, body)
        search_ignores = path.endswith("search") and answer.status == 200
        assert search_ignores or 400 <= answer.status < 500, body
        assert search_ignores or answer.body["success"] is False


def test_huge_and_strange_text_is_kept_as_it_is(call: Caller) -> None:
    note = "\x1b[31m\u202e\x00" + "x" * 2_000_000
    number = call.create(comment=note, client={"phone": "+447700900123", "name": "\x1b]0;evil\x07"}).data[0]["id"]
    record = call("GET", f"/record/{LOCATION}/{number}").data
    assert record["comment"] == note
    assert record["client"]["name"] == "\x1b]0;evil\x07"


def test_a_kept_store_is_served_again(tmp_path: Path, clock: FakeClock) -> None:
    with build(clients=CLIENTS, seed=5, data=tmp_path, clock=clock) as simulator:
        base_url, credentials = simulator.base_url, simulator.credentials
        assert Caller(simulator).book("+447700900555", "Ann Lee").status == 201
    with build(data=tmp_path, clock=clock) as again:
        call = Caller(again)
        assert (again.base_url, again.credentials) == (base_url, credentials)
        assert set(credentials) == {"partner_token", "user_token", "location_id"}
        record = call("GET", f"/record/{LOCATION}/{FIRST_RECORD}").data
        assert record["client"]["name"] == "Ann Lee"
        assert again.counts()["own"] == 1
        assert (
            call.book("+447700900556", "Bea", start="2026-07-08T10:00:00+01:00").data[0]["record_id"] > FIRST_RECORD
        )


def test_two_people_cannot_get_one_slot_at_once(call: Caller) -> None:
    start = threading.Barrier(8)
    statuses: list[int] = []

    def book(number: int) -> None:
        start.wait(5)
        statuses.append(call.book(f"+4477009005{number:02}", "Ann").status)

    threads = [threading.Thread(target=book, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(statuses) == [201] + [422] * 7


def test_a_lost_answer_leaves_one_record(call: Caller) -> None:
    call.simulator.faults.arm("drop_after_commit")
    with pytest.raises(http.client.RemoteDisconnected):
        call.create(api_id="VB-7F3K9Q2MXX")
    listed = call("GET", f"/records/{LOCATION}", start_date="2026-07-06", end_date="2026-07-06", staff_id=502)
    assert [row["api_id"] for row in listed.data] == ["VB-7F3K9Q2MXX"]


def test_visits_keep_their_local_time_across_the_change_of_clocks(call: Caller) -> None:
    for day, offset in (("2026-03-28", "+00:00"), ("2026-03-30", "+01:00")):
        record = call.create(datetime=f"{day} 09:30:00").data[0]
        assert record["datetime"] == f"{day}T09:30:00{offset}"
        assert datetime.fromisoformat(record["datetime"]).utcoffset() == timedelta(hours=int(offset[1:3]))


# -- fault switches

LATE, LAG, SKEW = 5.0, 3.0, 240.0


@pytest.fixture
def faulty(clock: FakeClock) -> Iterator[Caller]:
    with build(clients=30, seed=5, clock=clock, late_seconds=LATE, lag_seconds=LAG, skew_seconds=SKEW) as simulator:
        yield Caller(simulator)


def test_all_faults_are_offered_but_those_of_another_vendor() -> None:
    assert frozenset(FAULTS) - AltegioSimulator.offered() == {"relink_ignored", "relink_forgotten"}


@pytest.mark.parametrize(("fault", "wait"), [("429", "1"), ("429_retry_after", "1"), ("429_bare", None)])
def test_one_call_too_many_may_say_how_long_to_wait(faulty: Caller, fault: str, wait: str | None) -> None:
    faulty.simulator.faults.arm(fault)
    refused = faulty.create()
    assert refused.status == 429
    assert refused.headers.get("retry-after") == wait
    assert faulty.simulator.store.all("record") == []
    assert faulty.create().status == 201


def test_a_late_write_lands_when_nobody_waits_any_more(faulty: Caller, clock: FakeClock) -> None:
    faulty.simulator.faults.arm("late_landing")
    with pytest.raises(http.client.RemoteDisconnected):
        faulty.create()
    clock.advance(LATE - 0.1)
    assert faulty("GET", f"/records/{LOCATION}").data == []
    clock.advance(0.2)
    assert len(faulty("GET", f"/records/{LOCATION}").data) == 1


@pytest.mark.parametrize(("fault", "status"), [("5xx_before", 500), ("5xx_after", 500), ("outage", 503)], ids=str)
def test_a_fault_may_come_before_or_after_the_write(faulty: Caller, fault: str, status: int) -> None:
    faulty.simulator.faults.arm(fault)
    assert faulty.create().status == status
    assert len(faulty.simulator.store.all("record")) == (fault == "5xx_after")


@pytest.mark.parametrize("fault", ["cut_json", "html_for_json"])
def test_an_answer_that_is_no_json_comes_after_the_write(faulty: Caller, fault: str) -> None:
    faulty.simulator.faults.arm(fault)
    with pytest.raises(json.JSONDecodeError):
        faulty.create()
    assert len(faulty.simulator.store.all("record")) == 1


def test_rows_shift_between_pages_and_are_counted(faulty: Caller) -> None:
    def page(number: int) -> tuple[list[int], int]:
        answer = faulty("GET", f"/clients/{LOCATION}", page=number, count=3)
        return [row["id"] for row in answer.data], answer.meta["total_count"]

    (first, total), (second, _), (third, _) = page(1), page(2), page(3)
    faulty.simulator.faults.set({"page_shift": 1.0})
    assert page(1) == (first, total)
    seen = [page(2) for _ in range(20)]
    assert ([first[-1], *second[:-1]], total + 1) in seen
    assert ([*second[1:], third[0]], total - 1) in seen


def test_what_was_just_made_is_not_listed_yet(faulty: Caller, clock: FakeClock) -> None:
    faulty.simulator.faults.set({"lagging_search": 1.0})
    number = faulty.create().data[0]["id"]
    clients = len(faulty.simulator.store.all("client"))
    assert faulty("GET", f"/records/{LOCATION}").meta["total_count"] == 0
    assert faulty("GET", f"/clients/{LOCATION}").meta["total_count"] == clients - 1
    assert faulty("GET", f"/record/{LOCATION}/{number}").status == 200
    clock.advance(LAG)
    assert faulty("GET", f"/records/{LOCATION}").meta["total_count"] == 1


def test_a_long_text_is_kept_in_part(faulty: Caller) -> None:
    faulty.simulator.faults.set({"cut_fields": 1.0})
    made = faulty.create(comment="x" * 200, custom_fields={"pet_name": "y" * 200}).data[0]
    assert (made["comment"], made["custom_fields"]["pet_name"]) == ("x" * CUT_AT, "y" * CUT_AT)
    booked = faulty.book("+447700900124", "Bob", start="2026-07-06T12:00:00+01:00")
    assert booked.status == 201


def test_rows_come_without_some_of_their_fields_but_never_without_their_id(faulty: Caller) -> None:
    whole = faulty("GET", f"/clients/{LOCATION}", count=50).data
    faulty.simulator.faults.set({"missing_fields": 1.0})
    thin = faulty("GET", f"/clients/{LOCATION}", count=50).data
    for before, after in zip(whole, thin, strict=True):
        assert after.items() < before.items()
        assert after["id"] == before["id"]
    number = faulty.create().data[0]["id"]
    answers = [set(faulty("GET", f"/record/{LOCATION}/{number}").data) for _ in range(5)]
    assert all("id" in names for names in answers)
    assert len(set(map(frozenset, answers))) > 1


def test_a_user_token_ends_between_two_pages_and_another_one_is_good(faulty: Caller) -> None:
    assert faulty("GET", f"/clients/{LOCATION}", page=1).status == 200
    faulty.simulator.faults.arm("token_expiry")
    assert faulty("GET", f"/clients/{LOCATION}", page=2).status == 401
    assert faulty("GET", f"/clients/{LOCATION}", page=2).status == 401, "it is gone for good"
    login = faulty.simulator.store.get_meta("login")
    answer = faulty("POST", "/auth", {name: login[name] for name in ("login", "password")}, auth=faulty.partner)
    assert answer.data["user_token"] == faulty.simulator.credentials["user_token"]
    assert Caller(faulty.simulator)("GET", f"/clients/{LOCATION}", page=2).status == 200
    faulty.simulator.faults.arm("token_expiry")
    assert faulty("GET", f"/company/{LOCATION}", auth=faulty.partner).status == 200, "no user token, none ends"


@pytest.mark.parametrize(("fault", "off"), [("clock_ahead", SKEW), ("clock_behind", -SKEW)])
def test_the_vendors_clock_is_off_in_its_stamps(faulty: Caller, clock: FakeClock, fault: str, off: float) -> None:
    faulty.simulator.faults.arm(fault)
    stamps = [
        datetime.fromisoformat(faulty.create(datetime=start).data[0]["last_change_date"])
        for start in (SUMMER, "2026-07-06T12:00:00+01:00")
    ]
    assert stamps[0] - stamps[1] == timedelta(seconds=off)
    assert stamps[1] == clock.now().replace(microsecond=0)


def test_a_webhook_may_come_twice_or_never(faulty: Caller) -> None:
    hooks = {"urls": ["http://127.0.0.1:9/"], "active": 1, "record": 1}
    faulty("POST", f"/hooks_settings/{LOCATION}", hooks)
    faulty.simulator.faults.arm("webhook_silence")
    faulty.book("+447700900124", "Bob")
    assert faulty.simulator.counts()["webhooks"]["queued"] == 0
    faulty.book("+447700900124", "Bob", start="2026-07-06T12:00:00+01:00")
    assert faulty.simulator.counts()["webhooks"]["queued"] == 1


def test_a_known_phone_may_be_refused_by_a_500(clock: FakeClock) -> None:
    with build(clients=1, clock=clock, duplicate_status=500) as simulator:
        call = Caller(simulator)
        body = {"name": "Ann", "phone": "+447700900123"}
        assert call("POST", f"/clients/{LOCATION}", body).status == 201
        assert call("POST", f"/clients/{LOCATION}", body).status == 500
        assert len(simulator.store.find("client", phone="+447700900123")) == 1


def test_a_refusal_may_stand_inside_a_200(clock: FakeClock) -> None:
    with build(clients=1, clock=clock, errors_inside=True) as simulator:
        call = Caller(simulator)
        refused = call("GET", f"/record/{LOCATION}/999999")
        assert (refused.status, refused.body["success"], refused.data) == (200, False, None)
        assert call.create(staff_id=None).body["success"] is False
        assert call("GET", f"/records/{LOCATION}", auth="").status == 401
