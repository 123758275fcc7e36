"""The Altegio simulator in depth: every read of the sheet (altegio.md), every conflict as a switch.

Each test names the section it covers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.altegio.simulator import FIRST_RECORD, LOCATION, build
from connectors.altegio.simulator.switches import SWITCHES, Switches
from tests.unit.connectors.altegio_calls import Answer, Calls
from vetbridge.testing.clock import FakeClock

SUMMER = "2026-07-06T10:00:00+01:00"
DAY = "2026-07-06"
OWN = "447700900123"
READS = (
    ("/companies", "P"),
    ("/company/101001", "P"),
    ("/groups", "PU"),
    ("/group/9001/clients?phone=447700900123", "PU"),
    ("/company/101001/staff", "P"),
    ("/company/101001/staff/501", "P"),
    ("/staff/101001", "P"),
    ("/staff/101001/501", "P"),
    ("/company/101001/staff/positions", "PU"),
    ("/positions/101001", "PU"),
    ("/company/101001/services", "PU"),
    ("/company/101001/services/701", "PU"),
    ("/services/101001", "PU"),
    ("/services/101001/701", "PU"),
    ("/company/101001/service_categories/0", "P"),
    ("/service_categories/101001/1", "P"),
    ("/resources/101001", "PU"),
    ("/clients/101001", "PU"),
    ("/client/101001/{client}", "PU"),
    ("/company/101001/clients/files/{client}", "PU"),
    ("/company/101001/clients/{client}/comments", "PU"),
    ("/company/101001/clients/autocomplete?name=a&limit=3", "PU"),
    ("/records/101001", "PU"),
    ("/record/101001/{record}", "PU"),
    ("/records/partner", "PU"),
    ("/visits/{visit}", "PU"),
    ("/visit/details/101001/{record}/{visit}", "PU"),
    ("/custom_fields/record/101001", "PU"),
    ("/custom_fields/client/101001", "PU"),
    ("/custom_fields/record/101001/1", "PU"),
    ("/labels/101001/0", "PU"),
    ("/labels/101001/2", "PU"),
    ("/labels/101001/clients", "PU"),
    ("/schedule/101001/501/2026-07-06/2026-07-12", "PU"),
    ("/schedule/101001/501/20260706/20260712", "PU"),
    ("/company/101001/staff/schedule?start_date=2026-07-06&end_date=2026-07-07", "PU"),
    ("/timetable/dates/101001/2026-07-06", "PU"),
    ("/timetable/seances/101001/501/2026-07-06", "PU"),
    ("/company/101001/settings/timetable", "PU"),
    ("/company/101001/settings/online", "PU"),
    ("/hooks_settings/101001", "PU"),
    ("/book_services/101001", "P"),
    ("/book_staff/101001", "P"),
    ("/book_dates/101001", "P"),
    ("/book_times/101001/501/2026-07-06", "P"),
    ("/book_times/101001/0/2026-07-06", "P"),
    ("/book_staff_seances/101001/501", "P"),
    ("/user/permissions/101001", "PU"),
    ("/company_users/101001", "PU"),
    ("/validation/validate_phone/447700900123", "PU"),
    ("/comments/101001", "PU"),
    ("/goods/101001", "PU"),
    ("/activity/101001", "PU"),
    # The newest documents' names of the same (introduction of the sheet).
    ("/locations/101001", "P"),
    ("/locations/101001/team_members", "P"),
    ("/locations/101001/team_members/501", "P"),
    ("/locations/101001/appointments", "PU"),
    ("/locations/101001/appointments/{record}", "PU"),
    ("/locations/101001/clients", "PU"),
    ("/locations/101001/services", "PU"),
    ("/chains", "PU"),
)
WRITES = (
    ("POST", "/auth"),
    ("POST", "/companies"),
    ("PUT", "/company/101001"),
    ("DELETE", "/company/101001"),
    ("POST", "/staff/101001"),
    ("PUT", "/staff/101001/504"),
    ("DELETE", "/staff/101001/504"),
    ("POST", "/company/101001/staff/quick"),
    ("POST", "/services/101001"),
    ("PUT", "/services/101001/705"),
    ("PATCH", "/services/101001/705"),
    ("DELETE", "/services/101001/705"),
    ("POST", "/company/101001/clients/search"),
    ("POST", "/clients/101001"),
    ("POST", "/clients/101001/bulk"),
    ("PUT", "/client/101001/{client}"),
    ("DELETE", "/client/101001/2999999"),
    ("POST", "/company/101001/clients/visits/search"),
    ("POST", "/company/101001/clients/files/{client}"),
    ("DELETE", "/company/101001/clients/files/{client}/1"),
    ("POST", "/company/101001/clients/{client}/comments"),
    ("DELETE", "/company/101001/clients/{client}/comments/1"),
    ("POST", "/records/101001"),
    ("PUT", "/record/101001/{record}"),
    ("POST", "/company/101001/records/{record}/attendance"),
    ("PUT", "/visits/{visit}/{record}"),
    ("POST", "/custom_fields/record/101001"),
    ("PUT", "/custom_fields/record/101001/1"),
    ("DELETE", "/custom_fields/record/101001/1"),
    ("POST", "/labels/101001"),
    ("POST", "/labels/101001/clients/create"),
    ("PUT", "/labels/101001/1"),
    ("DELETE", "/labels/101001/1"),
    ("PUT", "/schedule/101001/501/2026-07-06/2026-07-06"),
    ("PUT", "/company/101001/staff/schedule"),
    ("PATCH", "/company/101001/settings/online"),
    ("POST", "/hooks_settings/101001"),
    ("POST", "/book_code/101001"),
    ("POST", "/book_check/101001"),
    ("POST", "/book_record/101001"),
    ("PUT", "/book_record/101001/{record}"),
    ("DELETE", "/user/records/{record}/nohash"),
    ("GET", "/user/records/{record}/nohash"),
    ("POST", "/sms/clients/by_id/101001"),
    ("POST", "/sms/clients/by_filter/101001"),
    ("DELETE", "/record/101001/{record}"),
)


class Caller(Calls):
    """Requests with the simulator's tokens."""

    def create(self, **changes: Any) -> Answer:
        """A staff-side create; a change of None leaves the field out."""
        body = {
            "staff_id": 502,
            "services": [{"id": 702}],
            "client": {"phone": f"+{OWN}", "name": "Ann", "surname": "Lee", "email": "ann@example.org"},
            "datetime": SUMMER,
            "seance_length": 900,
            "save_if_busy": False,
            **changes,
        }
        return self("POST", f"/records/{LOCATION}", {k: v for k, v in body.items() if v is not None})

    def update(self, record: int, **changes: Any) -> Answer:
        """The main fields as they stand, and changes."""
        row = self.simulator.store.get("record", record) or {}
        body = {
            "staff_id": row["staff_id"],
            "services": [{"id": one} for one in row["service_ids"]],
            "client": {"id": row["client_id"]} if row["client_id"] else {},
            "datetime": row["datetime"],
            "seance_length": row["seance_length"],
            **changes,
        }
        return self("PUT", f"/record/{LOCATION}/{record}", body)

    def one(self, **changes: Any) -> Any:
        """A new record, as it is read."""
        made = self.create(**changes)
        assert made.status == 201, made
        return self("GET", f"/record/{LOCATION}/{made.data[0]['id']}").data

    def switch(self, **switches: Any) -> None:
        answer = self("POST", "/_sim/switches", switches)
        assert answer.status == 200, answer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def serve(clock: FakeClock) -> Iterator[Callable[..., Caller]]:
    started = []

    def start(**options: Any) -> Caller:
        started.append(build(**{"clients": 12, "seed": 5, "clock": clock, **options}).start())
        return Caller(started[-1])

    yield start
    for simulator in started:
        simulator.stop()


@pytest.fixture
def call(serve: Callable[..., Caller]) -> Caller:
    return serve()


# -- addresses


@pytest.mark.parametrize("slash", ["", "/"])
def test_every_address_of_section_2_is_served_with_and_without_a_slash(
    serve: Callable[..., Caller], slash: str
) -> None:
    """Section 2: no read is missing, in either envelope; no address is unknown, whatever the body."""
    call = serve(chain=True)
    client = call.simulator.store.all("client")[0]["id"]
    known = {"record": FIRST_RECORD, "client": client, "visit": 900_000 + FIRST_RECORD}
    assert call.create().data[0]["id"] == FIRST_RECORD
    for address, access in READS:
        path, _, query = address.format(**known).partition("?")
        target = path + slash + (f"?{query}" if query else "")
        answer = call("GET", target, auth=call.partner if access == "P" else None)
        assert answer.status == 200, (path, answer)
        if not path.endswith("autocomplete"):
            assert answer.body["success"] is True, path
            assert isinstance(answer.meta, list | dict), path
        if access == "PU":
            assert call("GET", path + slash, auth=call.partner).status == 401, path
    for method, address in WRITES:
        assert call(method, address.format(**known) + slash, {}).status < 500, address
    assert [name for name in call.simulator.counts()["requests"] if name.endswith(" ?")] == []


def test_an_address_that_there_is_not_is_a_404_in_the_envelope(call: Caller) -> None:
    """Section 1: the envelope of a failure; the drifted path of comments is documentation only (section 2)."""
    assert call("GET", "/medicine/101001/patients").status == 404
    drifted = f"/clients/{LOCATION}/clients/{call.simulator.store.all('client')[0]['id']}/comments"
    assert call("GET", drifted).body == {"success": False, "data": None, "meta": {"message": "Not found"}}
    call.switch(drifted_comments=True)
    assert call("GET", drifted).data == []


# -- section 1


def test_header_variants_seen_in_clients_are_taken(call: Caller) -> None:
    """Section 1: no space after the comma, two after User, no word User at all; the Accept header where demanded."""
    user = call.simulator.credentials["user_token"]
    for words in (f",User {user}", f", User  {user}", f",{user}", f", {user}"):
        assert call("GET", "/groups", auth=call.partner + words).status == 200, words
    assert call("GET", "/groups", auth=f"{call.partner}, User ").status == 401
    call.switch(require_accept=True)
    assert call("GET", "/groups").status == 400
    for vendor in ("api", "yclients"):
        assert call("GET", "/groups", accept=f"application/vnd.{vendor}.v2+json").status == 200


def test_a_login_by_body_or_query_bare_or_in_two_steps(call: Caller) -> None:
    """Section 1, POST /auth."""
    login = call("GET", "/_sim/login").body
    known = {name: login[name] for name in ("login", "password")}
    assert call("POST", "/auth", known, auth=call.partner).data["user_token"]
    assert call("POST", "/auth", auth=call.partner, **known).status == 201
    call.switch(auth_answer="bare")
    assert call("POST", "/auth", known, auth=call.partner).body["user_token"]
    call.switch(auth_answer="envelope", two_factor=True)
    first = call("POST", "/auth", known, auth=call.partner).data
    assert (first["flow"], "user_token" in first) == ("login", False)
    wrong = call("POST", "/auth", {"uuid": first["uuid"], "code": "1"}, auth=call.partner)
    assert wrong.status == 401
    second = call("POST", "/auth", {"uuid": first["uuid"], "code": login["code"]}, auth=call.partner)
    assert second.data["user_token"] == call.simulator.credentials["user_token"]


def test_the_shapes_of_an_error(call: Caller) -> None:
    """Section 1, Envelope: an object, messages, one-key objects, a top-level errors; a failure inside a 200."""
    path, text = f"/clients/{LOCATION}", "The name is missing"
    shapes = {"object": {"name": [text]}, "array": [text], "objects": [{"name": text}]}
    for shape, errors in shapes.items():
        call.switch(error_shape=shape)
        assert call("POST", path, {}).meta["errors"] == errors
    call.switch(error_shape="top")
    answer = call("POST", path, {})
    assert (answer.status, answer.body["errors"]["message"], answer.meta) == (422, "Validation failed", [])
    call.switch(error_shape="object", errors_inside=True)
    inside = call("POST", path, {})
    assert (inside.status, inside.body["success"]) == (200, False)


def test_empty_collections_numbers_and_flags_in_their_other_forms(call: Caller) -> None:
    """Sections 1 and 8.2, 8.3: ``meta`` as an object, numbers as text, booleans as 0 and 1."""
    record = call.one()
    path = f"/record/{LOCATION}/{record['id']}"
    assert call("GET", path).meta == []
    call.switch(empty_meta="object", numbers="text", flags="number", label_ids="number", visit_ids="text")
    told = call("GET", path)
    assert (told.meta, told.data["id"], told.data["deleted"]) == ({}, str(record["id"]), 0)
    service = call("GET", f"/services/{LOCATION}/701").data
    assert (service["id"], service["price_min"]) == ("701", "0.00")


def test_an_expired_licence_is_402_or_403(call: Caller) -> None:
    """Section 1: 402 from the client search, 403 from other addresses."""
    call.switch(licence_expired=True)
    assert call("POST", f"/company/{LOCATION}/clients/search", {}).status == 402
    assert call("GET", f"/records/{LOCATION}").status == 403


def test_other_answers_to_a_delete(call: Caller) -> None:
    """Sections 1 and 3.9: 204 and an empty body, or 200; a changed definition 200 with a message, or 204."""
    deleted = call("DELETE", f"/record/{LOCATION}/{call.one()['id']}")
    assert (deleted.status, deleted.body) == (204, None)
    call.switch(delete_answer=200, chain=True)
    answer = call("DELETE", f"/record/{LOCATION}/{call.one()['id']}")
    assert (answer.status, answer.body["success"]) == (200, True)
    field = {"type": "text", "code": "pet_name", "title": "Animal", "user_can_edit": True, "show_in_ui": True}
    assert call("PUT", f"/custom_fields/record/{LOCATION}/1", field).meta == {"message": "Saved"}
    call.switch(field_put_answer=204)
    renamed = call("PUT", f"/custom_fields/record/{LOCATION}/1", field)
    assert (renamed.status, renamed.body) == (204, None)


# -- sections 3.1 to 3.5


def test_the_zone_as_hours_or_as_a_name(call: Caller) -> None:
    """Section 3.1: ``timezone`` in two forms, ``timezone_name`` in one; section 2: ``my`` wants a user token."""
    path = f"/company/{LOCATION}"
    assert call("GET", path).data["timezone"] == 0
    call.switch(timezone_form="name")
    company = call("GET", path).data
    assert company["timezone"] == company["timezone_name"] == "Europe/London"
    assert call("GET", "/companies", auth=call.partner, my=1).status == 401
    assert [row["id"] for row in call("GET", "/companies", my=1).data] == [LOCATION]
    assert call("GET", "/companies", id=5).data == []


def test_a_chain_shows_itself_and_finds_clients_by_phone(call: Caller) -> None:
    """Section 3.2: one client id per location; a location that stands alone has no chain."""
    call.create()
    assert (call("GET", "/groups").data, call("GET", "/group/9001/clients", phone=OWN).status) == ([], 404)
    call.switch(chain=True)
    (group,) = call("GET", "/groups").data
    found = call("GET", f"/group/{group['id']}/clients/", phone=OWN).data
    assert [(row["company_id"], row["name"]) for row in found["clients"]] == [(LOCATION, "Ann")]


def test_staff_and_services_come_change_and_go(call: Caller) -> None:
    """Sections 3.3 and 3.4: required fields, deleted staff with status 1, services with PUT and PATCH."""
    assert call("POST", f"/staff/{LOCATION}", {"name": "Dr. New"}).status == 422
    new = call("POST", f"/staff/{LOCATION}", {"name": "Dr. New", "specialization": "Vet"})
    assert new.status == 201
    assert call("DELETE", f"/staff/{LOCATION}/{new.data['id']}").status == 204
    assert call("GET", f"/company/{LOCATION}/staff/{new.data['id']}").data["status"] == 1
    assert new.data["id"] not in [row["id"] for row in call("GET", f"/book_staff/{LOCATION}").data]
    call.switch(one_staff="array")
    assert len(call("GET", f"/staff/{LOCATION}/501").data) == 1
    service = call("POST", f"/services/{LOCATION}", {"title": "Chip", "category_id": 1, "price_min": "12.50"}).data
    path = f"/services/{LOCATION}/{service['id']}"
    changed = call("PATCH", path, {"staff": [{"id": 501, "seance_length": 600}]}).data
    assert (changed["price_min"], changed["staff"][0]["seance_length"]) == (12.5, 600)
    assert call("DELETE", path).status == 204
    assert call("GET", path).status == 404


def test_labels_stand_on_records_and_clients(call: Caller) -> None:
    """Sections 3.6 and 3.7: ids on write, objects on read; ids as text or numbers on records."""
    tag = call("POST", f"/labels/{LOCATION}/clients/create", {"title": "Calm", "color": "#00ff00"}).data
    label = call("POST", f"/labels/{LOCATION}", {"title": "Fasting", "entity": 2}).data
    assert [row["title"] for row in call("GET", f"/labels/{LOCATION}/clients").data] == ["Calm"]
    record = call.one(record_labels=[label["id"]])
    assert [(one["id"], one["title"]) for one in record["record_labels"]] == [(str(label["id"]), "Fasting")]
    call.switch(label_ids="number")
    assert call("GET", f"/record/{LOCATION}/{record['id']}").data["record_labels"][0]["id"] == label["id"]
    body = {"name": "Ann", "phone": OWN, "categories": [tag["id"]]}
    changed = call("PUT", f"/client/{LOCATION}/{record['client']['id']}", body).data
    assert changed["categories"] == [{"id": tag["id"], "title": "Calm", "color": "#00ff00"}]


# -- section 3.6


def test_what_a_card_holds_and_computes(call: Caller) -> None:
    """Section 3.6: consent and SMS flags, importance, and the balance that the server computes from ``spent``."""
    body = {"name": "Ann", "phone": OWN, "spent": 1000, "balance": -200, "sms_not": 1, "sms_check": "1"}
    agreed = {"is_newsletter_allowed": True, "is_personal_data_processing_allowed": True}
    more = {"importance_id": 2, "gender_id": 2, "discount": 5, "card": "77", "client_agreements": agreed}
    card = call("POST", f"/clients/{LOCATION}", {**body, **more}).data
    assert (card["spent"], card["balance"]) == (1000, -1200)
    assert (card["sms_not"], card["sms_bot"], card["sms_check"]) == (1, 1, 1)
    assert (card["importance"], card["gender"], card["client_agreements"]) == ("Silver", "Female", agreed)
    assert (
        call("POST", f"/clients/{LOCATION}", {"name": "B", "phone": "447700900999", "importance_id": 9}).status == 422
    )


def test_spellings_phones_and_unknown_birthdays(call: Caller) -> None:
    """Section 3.6: gender and sex, middle_name and patronymic; a phone as number or bare; 1970-01-01 for unknown."""
    path = f"/client/{LOCATION}/{call.one()['client']['id']}"
    call.switch(gender_names="sex", phone_form="number", no_birth_date="1970")
    card = call("GET", path).data
    assert (card["phone"], card["birth_date"]) == (int(OWN), "1970-01-01")
    assert "sex_id" in card
    assert not {"gender_id", "gender", "middle_name"} & card.keys()
    call.switch(gender_names="gender", phone_form="bare", no_birth_date="null")
    card = call("GET", path).data
    assert (card["phone"], card["birth_date"], "patronymic" in card) == (OWN, None, False)


def test_many_clients_at_once(call: Caller) -> None:
    """Section 3.6, bulk create: 200, created ones and the causes of the others."""
    given = [{"name": "A", "phone": OWN}, {"name": "B", "phone": f"+{OWN}"}, {"phone": "447700900124"}, {"name": "C"}]
    answer = call("POST", f"/clients/{LOCATION}/bulk", given)
    assert (answer.status, [row["name"] for row in answer.data["created"]]) == (200, ["A"])
    assert [row["name"] for row in answer.data["errors"]] == ["B", "", "C"]
    assert "already" in answer.data["errors"][0]["error"]
    assert call("POST", f"/clients/{LOCATION}/bulk", []).status == 422


def test_the_trap_of_the_paid_filter(call: Caller) -> None:
    """Section 3.6: an absent bound is 0; a filter that finds nobody returns the whole base."""
    path, every = f"/clients/{LOCATION}", len(call.simulator.store.all("client"))
    client = call.simulator.store.all("client")[0]["id"]
    assert call("POST", "/_sim/mark", {"kind": "client", "id": client, "set": {"paid": 50}}).status == 200
    assert call("GET", path, paid_min=10, paid_max=60).meta["total_count"] == 1
    assert call("GET", path, paid_min=10).meta["total_count"] == every
    assert call("GET", path, paid_max=10).meta["total_count"] == every - 1


def test_the_filters_of_the_search(call: Caller) -> None:
    """Section 3.6: filter types, invert, nesting, the search's own status codes, the cap of 200 a page."""
    record, path = call.one(attendance=2), f"/company/{LOCATION}/clients/search"
    client, every = record["client"]["id"], len(call.simulator.store.all("client"))

    def found(*filters: Any, operation: str = "AND") -> list[int]:
        body = {"filters": list(filters), "operation": operation, "page_size": 200}
        return [row["id"] for row in call("POST", path, body).data]

    def visits(**state: Any) -> dict[str, Any]:
        return {"type": "record", "state": state}

    assert found(visits(status={"value": [4]})) == found(visits(staff={"value": [502]})) == [client]
    assert found(visits(status={"value": [2]})) == []
    assert found(visits(created={"from": "2026-03-02", "to": "2026-03-02"}, records_count={"from": 1})) == [client]
    nobody = {"type": "id", "state": {"value": [1]}}
    assert len(found({"type": "id", "state": {"value": [client], "invert": True}})) == every - 1
    assert found(nobody, visits(status={"value": [4]}), operation="OR") == [client]
    assert found({"type": "client", "state": {"filters": [visits(service={"value": [702]})]}}) == [client]
    assert len(found({"type": "has_mobile_app", "state": {"value": False}})) == every
    assert call("POST", path, {"filters": [visits(status={"value": [9]})]}).status == 400
    fields = ["name", "visits_count", "deposit_balance"]
    row = call("POST", path, {"fields": fields, "order_by": "visit_count", "order_by_direction": "desc"}).data[0]
    assert row == {"id": client, "name": "Ann Lee", "visits_count": 1, "deposit_balance": 0}


# -- section 3.7


def test_conflicts_of_the_record(call: Caller) -> None:
    """Section 3.7 and 1: array or object on create, comer, date as ISO, attendance on the visit alone."""
    call.switch(create_answer="object", comer="boolean", record_date="iso", attendance_field="visit")
    record = call.create(attendance=2).data
    assert (record["comer"], record["date"], record["visit_attendance"]) == (False, SUMMER, 2)
    assert "attendance" not in record
    call.switch(comer="object", record_order="descending")
    call.create(datetime="2026-07-07 10:00:00")
    rows = call("GET", f"/records/{LOCATION}").data
    assert [row["id"] for row in rows] == [FIRST_RECORD + 1, FIRST_RECORD]
    assert rows[0]["comer"] == {"name": "Ann"}


def test_prices_rooms_breaks_and_what_goes_back(call: Caller) -> None:
    """Section 3.7: costs per line, resource instances, technical breaks in multiples of 300 up to 3600."""
    line = {"id": 702, "first_cost": 40, "discount": 50, "amount": 2}
    record = call.one(services=[line, {"id": 701}], technical_break_duration=600, resource_instance_ids=[2])
    assert [(one["id"], one["cost"], one["first_cost"]) for one in record["services"]] == [(702, 40, 40), (701, 0, 0)]
    assert (record["technical_break_duration"], record["resource_instance_ids"]) == (600, [2])
    assert record["documents"][0]["type_id"] == 7
    for wrong in ({"technical_break_duration": 500}, {"technical_break_duration": 3900}):
        assert call.update(record["id"], **wrong).status == 422
    assert call.update(record["id"], resource_instance_ids=[99]).status == 404
    assert call.update(record["id"], activity_id=7).status == 404
    assert call.update(record["id"], technical_break_duration=None).data["technical_break_duration"] is None


@pytest.mark.parametrize("mark", ["is_update_blocked", "paid_full"])
def test_a_record_that_waits_or_is_paid_takes_no_update(call: Caller, mark: str) -> None:
    """Section 3.7, reasons of a rejected PUT; deleting what is paid needs a right of its own."""
    record = call.one()["id"]
    assert call("POST", "/_sim/mark", {"kind": "record", "id": record, "set": {mark: 1}}).status == 200
    assert call.update(record, comment="x").status == 422
    call.switch(denied_rights=["delete_paid_records_access"])
    assert call("DELETE", f"/record/{LOCATION}/{record}").status == (403 if mark == "paid_full" else 204)


def test_a_printed_receipt_an_arrived_client_and_the_time_for_edits(call: Caller, clock: FakeClock) -> None:
    """Section 3.7, reasons of a rejected PUT."""
    record = call.one(attendance=1)["id"]
    call("POST", "/_sim/mark", {"kind": "record", "id": record, "set": {"is_sale_bill_printed": True}})
    assert call.update(record, comment="fine").status == 201
    assert call.update(record, staff_id=503).status == 422
    call.switch(came_is_final=True)
    assert call.update(record, comment="late").status == 422
    call.switch(denied_rights=["delete_customer_came_records_access"])
    assert call("DELETE", f"/record/{LOCATION}/{record}").status == 403
    call.switch(came_is_final=False, edit_days=3)
    assert call.update(record, comment="future").status == 201
    clock.advance((datetime.fromisoformat(SUMMER) + timedelta(days=5) - clock.now()).total_seconds())
    assert call.update(record, comment="past").status == 422


def test_a_busy_or_an_idle_time_is_refused_as_the_switches_say(call: Caller) -> None:
    """Section 3.7, ``save_if_busy``: an error on a conflict or off-hours; its status is not documented."""
    call.create()
    call.switch(busy_status=400, booking_code="meta", working_hours="kept")
    answer = call.create()
    assert (answer.status, answer.meta["errors"]["code"]) == (400, 433)
    night = "2026-07-06T22:00:00+01:00"
    assert call.create(datetime=night).status == 400
    assert call.create(datetime=night, save_if_busy=True).status == 201


def test_values_are_dropped_without_both_rights(call: Caller) -> None:
    """Section 3.7: without the right to read or to edit them, values are silently not updated."""
    for right in ("read", "edit"):
        call.switch(denied_rights=[f"custom_fields_record_values_{right}_access"])
        assert call.one(custom_fields={"pet_name": "Bella"}, save_if_busy=True)["custom_fields"] == []
    call.switch(denied_rights=[])
    assert call.one(custom_fields={"pet_name": "Bella"}, save_if_busy=True)["custom_fields"] == {"pet_name": "Bella"}


def test_what_came_through_the_partner(call: Caller) -> None:
    """Section 1, ``/records/partner``: ``editable_length`` and ``meta.count``."""
    for hour in (10, 11, 12):
        call.create(datetime=f"2026-07-06 {hour}:00:00")
    page = call("GET", "/records/partner/", page=2, editable_length=2)
    assert ([row["id"] for row in page.data], page.meta) == ([FIRST_RECORD + 2], {"count": 3})


# -- section 3.8


def test_records_of_one_visit_share_its_attendance(call: Caller) -> None:
    """Sections 3.8 and 2: several appointments of one booking are one visit; attendance reaches the linked ones."""
    visits = [
        {"id": n, "services": [701], "staff_id": 500 + n, "datetime": f"2026-07-06 {9 + n}:00:00"} for n in (1, 2)
    ]
    given = {"phone": OWN, "fullname": "Ann Lee", "appointments": visits}
    first, second = (row["record_id"] for row in call("POST", f"/book_record/{LOCATION}", given).data)
    visit = call("GET", f"/record/{LOCATION}/{second}").data["visit_id"]
    assert [row["id"] for row in call("GET", f"/visits/{visit}").data["records"]] == [first, second]
    call.update(first, attendance=1)
    other = call("GET", f"/record/{LOCATION}/{second}").data
    assert (other["attendance"], other["visit_attendance"]) == (0, 1)
    assert call("POST", f"/company/{LOCATION}/records/{second}/attendance", {"attendance": -1}).status == 200
    assert call("GET", f"/record/{LOCATION}/{first}").data["attendance"] == -1
    assert call.simulator.counts()["notices"] == 1, "the attendance call may notify"
    assert call("PUT", f"/visits/{visit}/{first}", {"attendance": 1}).status == 422
    assert call("PUT", f"/visits/{visit}/{first}", {"attendance": 1, "comment": "hi"}).data["attendance"] == 1
    details = call("GET", f"/visit/details/{LOCATION}/{first}/{visit}").data
    assert [item["item_id"] for item in details["items"]] == [701]
    assert call("GET", "/visits/5").status == 404


def test_a_history_is_walked_by_the_dates_in_meta(call: Caller) -> None:
    """Section 1: about 25 a page, more while the last day continues."""
    start = datetime.fromisoformat("2026-04-01T09:00:00")
    for n in range(30):
        call.create(datetime=(start + timedelta(days=n // 2, hours=n % 2)).isoformat())
    client = call("GET", f"/record/{LOCATION}/{FIRST_RECORD}").data["client"]["id"]
    path, body = f"/company/{LOCATION}/clients/visits/search", {"client_id": client}
    first = call("POST", path, body)
    assert (len(first.data["records"]), first.meta["to"]) == (26, "2026-04-02")
    rest = call("POST", path, {**body, **first.meta})
    assert len({row["id"] for row in (*first.data["records"], *rest.data["records"])}) == 30
    assert rest.meta == {"from": None, "to": None}


# -- sections 3.9 and 3.10


def test_definitions_are_the_chains_and_values_have_types(call: Caller) -> None:
    """Section 3.9: a location that stands alone may define none; numbers, dates and choices are checked."""
    path = f"/custom_fields/record/{LOCATION}"
    field = {"type": "select", "code": "size", "title": "Size", "user_can_edit": 1, "show_in_ui": 1}
    assert call("POST", path, {**field, "values": ["small", "large"]}).status == 403
    call.switch(chain=True)
    assert call("POST", path, field).status == 422
    made = call("POST", path, {**field, "values": ["small", "large"]})
    assert (made.status, made.data["custom_field"]["type"]["code"]) == (200, "select")
    for kind in ("number", "date", "datetime"):
        assert call("POST", path, {**field, "type": kind, "code": kind}).status == 200
    values = {"size": ["small"], "number": "4.5", "date": "2026-07-06", "datetime": "2026-07-06 10:00:00"}
    assert call.one(custom_fields=values)["custom_fields"] == values
    for code, wrong in (("size", ["huge"]), ("number", "four"), ("date", "6 July"), ("datetime", "2026-07-06")):
        assert call.create(custom_fields={code: wrong}, save_if_busy=True).status == 422, code
    assert call("DELETE", f"{path}/{made.data['id']}").status == 204


def upload(name: str, content: bytes) -> tuple[bytes, str]:
    head = f'--cut\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return head + content + b"\r\n--cut--\r\n", "multipart/form-data; boundary=cut"


def test_files_and_comments_of_a_client(call: Caller) -> None:
    """Section 3.10: an upload answers the whole list and comments itself; comments leave files; 202 on delete."""
    client = call.one()["client"]["id"]
    files, comments = (f"/company/{LOCATION}/clients/{path}" for path in (f"files/{client}", f"{client}/comments"))
    body, kind = upload("x-ray.PDF", b"%PDF" * 500)
    (file,) = call("POST", files, body, kind=kind).data
    assert (file["name"], file["extension"], file["size"]) == ("x-ray.PDF", "pdf", "1.95 KB")
    for name, content in (("virus.exe", b"x"), ("empty.pdf", b"")):
        body, kind = upload(name, content)
        assert call("POST", files, body, kind=kind).status == 422
    assert call("POST", files, b"no form", kind="multipart/form-data").status == 422
    note = call("POST", comments, {"text": "Bites."}).data
    assert [(row["type"], row["text"]) for row in call("GET", comments).data] == [("file", ""), ("default", "Bites.")]
    for text in ("", "x" * 256):
        assert call("POST", comments, {"text": text}).status == 422
    assert call("DELETE", f"{comments}/{note['id']}").status == 204
    gone = call("DELETE", f"{files}/{file['id']}")
    assert (gone.status, gone.meta) == (202, {"message": "Accepted"})
    assert call("GET", files).meta == {"count": 0}
    call.switch(denied_rights=["client_files_list_access", "client_comments_add_access"])
    assert call("GET", files).status == call("POST", comments, {"text": "x"}).status == 403


# -- sections 3.11 and 3.12


def test_what_the_widget_offers_can_be_booked_and_is_then_taken(call: Caller) -> None:
    """Section 3.11: dates, times and seances follow the diary; what is offered is taken by ``book_record``."""
    dates = call("GET", f"/book_dates/{LOCATION}", **{"service_ids[]": 701, "staff_id": 501}).data
    assert dates["booking_dates"][0] == "2026-03-02"
    assert dates["booking_days"]["3"][0] == "2"
    assert "2026-03-08" not in dates["working_dates"], "a Sunday"
    times = f"/book_times/{LOCATION}/501/{DAY}"
    free = call("GET", times, **{"service_ids[]": 701}).data
    assert free[0] == {"time": "8:00", "seance_length": 1200, "datetime": "2026-07-06T08:00:00+01:00"}
    visit = {"id": 1, "services": [701], "staff_id": 501, "datetime": free[0]["datetime"]}
    given = {"phone": OWN, "fullname": "Ann Lee", "appointments": [visit]}
    assert call("POST", f"/book_record/{LOCATION}", given, auth=call.partner).status == 201
    after = call("GET", times, **{"service_ids[]": 701}).data
    assert [row["time"] for row in after[:2]] == ["8:30", "8:45"]
    seances = call("GET", f"/timetable/seances/{LOCATION}/501/{DAY}").data
    assert [row["is_free"] for row in seances[:3]] == [False, False, True]
    assert call("GET", f"/book_staff_seances/{LOCATION}/501", date=DAY).data["seances"][0]["time"] == "8:30"
    assert call("GET", f"/book_times/{LOCATION}/599/{DAY}").status == 404


def test_a_schedule_that_is_set_is_what_is_offered(call: Caller) -> None:
    """Section 3.11: PUT takes what GET answers; the bulk body is read by ``staff_id``, whatever the documents say."""
    path = f"/schedule/{LOCATION}/501/{DAY}/{DAY}"
    day = {"date": DAY, "is_working": 1, "slots": [{"from": "10:00", "to": "10:30"}]}
    assert call("PUT", path, [day]).status == 201
    assert call("GET", path).data == [day]
    free = call("GET", f"/book_times/{LOCATION}/501/{DAY}", **{"service_ids[]": 701}).data
    assert [row["time"] for row in free] == ["10:00"]
    bulk, entry = f"/company/{LOCATION}/staff/schedule", {"dates": [DAY], "slots": day["slots"]}
    assert call("PUT", bulk, {"schedules_to_set": [{**entry, "team_member_id": 502}]}).status == 422
    assert call("PUT", bulk, {"schedules_to_delete": [{"staff_id": 501, "dates": [DAY]}]}).data[0]["is_working"] == 0
    call.create()
    query = {"start_date": DAY, "end_date": DAY, "staff_ids[]": 502, "include[]": "busy_intervals"}
    (shown,) = call("GET", bulk, **query).data
    assert shown["busy_intervals"] == [{"from": "10:00", "to": "10:15"}]
    for slots in ([{"from": "12:00", "to": "11:00"}], [{"from": "25:00", "to": "26:00"}], ["x"], None):
        assert call("PUT", path, [{**day, "slots": slots}]).status == 422


def test_the_code_of_a_text_message(call: Caller) -> None:
    """Section 3.12: with ``phone_confirmation`` the code counts; 432 for a wrong one."""
    call.switch(phone_confirmation=True)
    assert call("GET", f"/company/{LOCATION}").data["phone_confirmation"] is True
    visit = {"id": 1, "services": [701], "staff_id": 0, "datetime": SUMMER}
    given = {"phone": OWN, "fullname": "Ann Lee", "appointments": [visit]}
    refused = call("POST", f"/book_record/{LOCATION}", given)
    assert (refused.status, refused.body["errors"]["code"]) == (422, 432)
    assert call("POST", f"/book_code/{LOCATION}", {"phone": OWN}, auth=call.partner).status == 201
    code = call("GET", "/_sim/login").body["code"]
    assert call("POST", f"/book_record/{LOCATION}", {**given, "code": code}, auth=call.partner).status == 201


# -- section 3.14


def test_lists_shorten_silently_by_rights(call: Caller, clock: FakeClock) -> None:
    """Section 3.14: own clients only, a window of past days; both are named by the user's permissions."""
    record, every = call.one(), call("GET", f"/clients/{LOCATION}").meta["total_count"]
    call.switch(own_clients_of=502)
    listed = call("GET", f"/clients/{LOCATION}")
    assert ([row["id"] for row in listed.data], listed.meta["total_count"]) == ([record["client"]["id"]], 1)
    other = next(row["id"] for row in call.simulator.store.all("client") if row["id"] != record["client"]["id"])
    assert call("GET", f"/client/{LOCATION}/{other}").status == 403
    assert call("GET", f"/user/permissions/{LOCATION}").data["clients_visit_master_id"] == 502
    call.switch(own_clients_of=0, last_days=7)
    assert call("GET", f"/clients/{LOCATION}").meta["total_count"] == every
    assert len(call("GET", f"/records/{LOCATION}").data) == 1
    clock.advance((datetime.fromisoformat(SUMMER) + timedelta(days=8) - clock.now()).total_seconds())
    assert call("GET", f"/records/{LOCATION}").data == []
    assert call("GET", f"/user/permissions/{LOCATION}").data["timetable_last_days_count"] == 7


@pytest.mark.parametrize(("form", "phone"), [("empty", ""), ("stars", "+4*****23"), ("missing", None)])
def test_contacts_that_are_hidden_and_names_that_are_cut(call: Caller, form: str, phone: str | None) -> None:
    """Sections 3.14 and 10: the wire form of a hidden phone is not known; surnames are cut everywhere."""
    record = call.one()
    card = f"/client/{LOCATION}/{record['client']['id']}"
    call.switch(denied_rights=["clients_phones_email_access"], hidden_contacts=form, cut_surnames=True)
    client = call("GET", f"/record/{LOCATION}/{record['id']}").data["client"]
    (found,) = call(
        "POST",
        f"/company/{LOCATION}/clients/search",
        {"fields": ["name", "phone"], "filters": [{"type": "quick_search", "state": {"value": OWN}}]},
    ).data
    for shown in (client, call("GET", card).data, found):
        assert shown.get("phone") == phone
    assert (client["surname"], found["name"]) == ("L.", "Ann L.")
    call.switch(denied_rights=["timetable_phones_access"])
    assert call("GET", card).data["phone"] == f"+{OWN}", "the calendar's right says nothing of the card"


# -- section 5


def test_webhooks_in_their_other_forms(call: Caller) -> None:
    """Section 5: a list of events, partial data, synonyms, contacts beyond the user's rights, staff as master."""
    sent: list[Any] = []
    call.simulator.send = lambda url, payload: sent.append(payload)  # type: ignore[method-assign]
    hooks = {"urls": ["http://a/?secret=s"], "active": 1, "record": 1, "master": 1, "schedule": 1, "self_sending": 1}
    call("POST", f"/hooks_settings/{LOCATION}", hooks)
    record = call.one()["id"]
    assert (sent[-1]["status"], sent[-1]["data"]["id"]) == ("create", record)
    call.switch(webhook_form="array", webhook_data="partial", webhook_words="synonyms")
    call.update(record, comment="new")
    ((event,),) = sent[1:]
    assert event["status"] == "record_updated"
    assert event["data"] == {"id": record, "comment": "new", "last_change_date": event["data"]["last_change_date"]}
    call.switch(denied_rights=["clients_phones_email_access"], webhook_masked=False)
    call("DELETE", f"/record/{LOCATION}/{record}")
    assert (sent[-1][0]["status"], sent[-1][0]["data"]["client"]["phone"]) == ("canceled", f"+{OWN}")
    call("PUT", f"/schedule/{LOCATION}/501/{DAY}/{DAY}", [])
    assert (sent[-1][0]["resource"], sent[-1][0]["resource_id"], sent[-1][0]["data"]) == ("schedule", 501, [])
    call("PUT", f"/staff/{LOCATION}/501", {"name": "Dr. Other"})
    assert (sent[-1][0]["resource"], sent[-1][0]["resource_id"]) == ("staff", 501)


def test_webhook_settings_of_old_and_new_backends(call: Caller, serve: Callable[..., Caller]) -> None:
    """Section 5: settings per address, or without three flags; a single try where a source says so."""
    path = f"/hooks_settings/{LOCATION}"
    call("POST", path, {"urls": ["http://a"], "active": 1, "record": 1})
    call.switch(hooks_form="per_url")
    assert call("GET", path).data["url_settings"][0]["url"] == "http://a"
    call.switch(hooks_form="old")
    assert not {"good", "schedule", "self_sending"} & call("GET", path).data.keys()
    assert call.simulator.webhook_tries == 3
    assert serve(webhook_retries=False).simulator.webhook_tries == 1


# -- switches


def test_the_page_names_every_switch_with_its_default() -> None:
    """docs/connectors/altegio.md, "The simulator's switches"; the default stands first."""
    page = (Path(__file__).parents[3] / "docs/connectors/altegio.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^,|]+)", page.partition("## The simulator's switches")[2], re.MULTILINE)
    words = {True: "true", False: "false", frozenset(): "none"}
    told = {name: value.strip("` ") for name, value in rows}
    assert told == {name: words.get(getattr(Switches, name), str(getattr(Switches, name))) for name in SWITCHES} | {
        "own_clients_of": "0",
        "download_seconds": "0",
    }


def test_a_switch_that_there_is_not_is_refused(call: Caller) -> None:
    """The control door sets all or nothing, and an option of another name is no option."""
    for wrong in ({"colour": 1}, {"comer": "cat"}, {"chain": 1}, {"denied_rights": "x"}, {"webhook_retries": False}):
        assert call("POST", "/_sim/switches", {"chain": True, **wrong}).status == 400
    assert call.simulator.chain is False
    with pytest.raises(TypeError, match="colour"):
        build(colour="red")
    with pytest.raises(ValueError, match="comer is one of"):
        build(comer="cat")
    assert call("POST", "/_sim/mark", {"kind": "client", "id": 1, "set": {"paid": 1}}).status == 404
    record = call.one()["id"]
    assert call("POST", "/_sim/mark", {"kind": "record", "id": record, "set": {"staff_id": 1}}).status == 400
