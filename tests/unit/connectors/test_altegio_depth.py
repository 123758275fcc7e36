"""Altegio's quirks in depth: rights that shorten what is shown, lenient reading, full updates, and refusals by name.

Each test cites the section of altegio.md that it covers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from connectors.altegio import wire
from connectors.altegio.check import FEW, READING_RIGHTS
from tests.unit.connectors.test_altegio_bad_answers import CARD, MAPPER, RECORD, Vendor, connector, enveloped, update
from vetbridge.connector.interface import Check, HookRequest, Native, Operation, Write
from vetbridge.core.errors import AuthFailed, BadAnswer, Refused, SlotTaken, VetBridgeError
from vetbridge.core.records import AppointmentStatus, Kind

ALL = dict.fromkeys(READING_RIGHTS, True)
MOVED = {"date": "2026-07-12 13:00:00"}


class Location:
    """A location with a user's rights, the rows that these let through, and 404 for everything else."""

    def __init__(self, rights: Any = ALL, *, cards: list[Native] | None = None, records: list[Native] | None = None):
        self.rights = rights
        self.cards = [CARD] if cards is None else cards
        self.records = [RECORD] if records is None else records

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        kind, id_ = path.split("/")[1], path.rpartition("/")[2]
        rows = {"client": self.cards, "clients": self.cards, "record": self.records, "records": self.records}
        if kind in ("clients", "records"):
            found = rows[kind] if request.url.params.get("page", "1") == "1" else []
            return httpx.Response(200, json=enveloped(found, total_count=len(rows[kind])))
        if kind in ("client", "record"):
            for row in rows[kind]:
                if str(row["id"]) == id_:
                    return httpx.Response(200, json=enveloped(row))
        if path.startswith("/user/permissions/") and self.rights is not None:
            return httpx.Response(200, json=enveloped(self.rights))
        if path == "/company/101001":
            return httpx.Response(200, json=enveloped({"id": 101001, "timezone_name": "Europe/London"}))
        return httpx.Response(404, json={"success": False, "data": None, "meta": {"message": "Not found"}})

    def lines(self, name: str = "rights") -> list[Check]:
        """What ``doctor`` says is wrong under a name."""
        return [line for line in connector(self).check().lines if line.name == name and not line.ok]


def clients(count: int = FEW, **changes: Any) -> list[Native]:
    return [{**CARD, "id": 10001 + number, **changes} for number in range(count)]


# -- rights (section 3.14)


@pytest.mark.parametrize("right", [*READING_RIGHTS])
def test_a_right_that_is_missing_is_named_with_what_it_hides(right: str) -> None:
    """Section 3.14, `/user/permissions/{id}`; in groups, and with numbers for booleans (section 8.3)."""
    grouped = {"clients": {name: int(name != right) for name in READING_RIGHTS}}
    (line,) = Location(grouped).lines()
    assert line.text == f"{right} is not given: {READING_RIGHTS[right]}"
    assert "Give this right" in line.advice
    assert not line.warning


def test_rights_without_which_some_writes_fail_are_told_as_warnings() -> None:
    """Sections 3.7 and 3.14."""
    lacking = {"delete_paid_records_access": "0", "webhook_read_access": False}
    lines = Location({**ALL, **lacking}).lines()
    assert [line.text.split()[0] for line in lines] == ["delete_paid_records_access", "webhook_read_access"]
    assert all(line.warning for line in lines)


def test_a_window_of_past_days_is_told() -> None:
    """Section 3.14: `*_last_days_count`, -1 for no limit."""
    days = {"timetable_last_days_count": "30", "records_last_days_count": -1}
    (line,) = Location({**ALL, **days}).lines()
    assert line.warning
    assert "timetable_last_days_count limits lists" in line.text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"phone": "+44 77** *** 123"}, f"{FEW} of {FEW} phones are hidden in the client base"),
        ({"phone": ""}, f"{FEW} of {FEW} phones are hidden in the client base"),
        ({"email": "j***@example.org"}, f"{FEW} of {FEW} e-mail addresses are hidden in the client base"),
        ({"surname": "S."}, f"{FEW} family names are cut to their initial in the client base"),
    ],
    ids=str,
)
def test_what_rights_hide_is_seen_in_the_data_too(changes: Native, says: str) -> None:
    """Sections 3.6, 3.14 and 10: rights are named otherwise, or not told, and the mask's form is unknown."""
    (line,) = Location(cards=clients(**changes)).lines()
    assert line.text == says
    assert "Give VetBridge's user the right" in line.advice


def test_the_calendar_has_a_right_of_its_own() -> None:
    """Section 3.14: separate rights for phones in the calendar, the client list and the card."""
    masked = [{**RECORD, "id": 30001 + n, "client": {**RECORD["client"], "phone": "***"}} for n in range(2)]
    (line,) = Location(records=[*masked, {**RECORD, "id": 30009, "client": None}]).lines()
    assert line.text == "2 of 2 phones are hidden in the calendar"
    assert "timetable_phones_access" in line.advice


def test_a_few_clients_without_a_phone_are_no_missing_right() -> None:
    several = [*clients(FEW - 1, phone="", surname="S"), *clients(2, surname="Smith", email="")]
    assert Location(cards=several).lines() == []
    assert Location(cards=clients(FEW - 1, phone="")).lines() == []


LIMITED = {**ALL, "clients_visit_master_id": "501"}
"""A user who sees the clients of one team member."""


@pytest.mark.parametrize(
    ("kind", "id_"), [(Kind.APPOINTMENT, "30002"), (Kind.CLIENT, "10002"), (Kind.PET, "10002/k7q2")]
)
def test_what_a_limited_user_is_not_shown_is_not_gone(kind: Kind, id_: str) -> None:
    """Section 3.14: lists silently shorten. Others still read, so nothing else would tell it from a deletion."""
    whole, limited = connector(Location()), connector(Location(LIMITED))
    assert whole.get(kind, id_) is None
    with pytest.raises(BadAnswer, match="clients_visit_master_id") as caught:
        limited.get(kind, id_)
    assert caught.value.code == "no-rights"
    assert limited.get(Kind.APPOINTMENT, "30001") is not None


def test_a_shortened_list_tells_of_no_deletion() -> None:
    """Section 3.14: what was listed yesterday and is not today is not told as deleted, whatever the kind."""
    location = Location(cards=clients(2), records=[RECORD, {**RECORD, "id": 30002}])
    altegio = connector(location)

    def told(kind: Kind) -> dict[str, bool]:
        return {each.id: each.deleted for page in altegio.changes(kind, None) for each in page.records}

    assert told(Kind.APPOINTMENT) == {"30001": False, "30002": False}
    location.rights, location.cards, location.records = LIMITED, clients(1), [RECORD]
    assert told(Kind.APPOINTMENT) == {"30001": False}
    assert told(Kind.CLIENT) == {"10001": False}
    with pytest.raises(BadAnswer):
        altegio.get(Kind.APPOINTMENT, "30002")


def test_a_write_to_what_is_hidden_is_not_told_as_gone() -> None:
    with pytest.raises(BadAnswer, match="may be hidden"):
        connector(Location(LIMITED)).apply(update(Kind.APPOINTMENT, "30002", MOVED))


@pytest.mark.parametrize("rights", [None, [], {}, "none", {"clients_visit_master_id": 0}], ids=str)
def test_where_rights_tell_of_no_limit_a_miss_is_a_miss(rights: Any) -> None:
    assert connector(Location(rights)).get(Kind.APPOINTMENT, "30002") is None


# -- lenient reading (sections 1, 3 and 8)


def read(**changes: Any) -> Native:
    native = connector(Location(records=[{**RECORD, **changes}])).get(Kind.APPOINTMENT, "30001")
    assert native is not None
    return native


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"staff_id": "501", "seance_length": "900"}, "staff_id", "501"),
        ({"deleted": "0"}, "state", "0"),
        ({"deleted": 1}, "state", "deleted"),
        ({"client": []}, "client_id", None),
        ({"services": {}}, "service_ids", []),
        ({"services": [{"id": "701", "cost": "40.50"}]}, "service_ids", ["701"]),
        ({"date": "2026-07-12T12:10:00+0100"}, "date", "2026-07-12 12:10:00"),
        ({"date": None, "datetime": "2026-07-12T12:10:00+01:00"}, "date", "2026-07-12 12:10:00"),
        ({"seance_length": None, "length": 1200.0}, "seance_length", 1200),
        ({"attendance": None, "visit_attendance": "2"}, "state", "2"),
        ({"confirmed": 0}, "state", "0"),
        ({"confirmed": 0, "attendance": 2}, "state", "2"),
        ({"comer": True, "comer_person_info": [], "documents": [], "payment_status": "x"}, "client_id", "10001"),
        ({"client": {**RECORD["client"], "phone": 447700900123}}, "booker.phones", ["+447700900123"]),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_every_form_that_was_seen_reads(changes: Native, field: str, value: Any) -> None:
    """Sections 1 (dates), 3.6 (phone as a number), 3.7 (confirmed, comer), 8.2, 8.3, 8.4, 8.7, 8.9 and 8.11."""
    found: Any = read(**changes)
    for part in field.split("."):
        found = found[part]
    assert found == value


def test_a_confirmation_that_is_missing_is_no_cancellation() -> None:
    """Section 3.7: one integrator takes `confirmed: 0` for cancelled, the vendor documents "not confirmed"."""
    record = MAPPER.read(Kind.APPOINTMENT, read(confirmed=0))
    assert getattr(record, "status", None) is AppointmentStatus.BOOKED


def hook(body: Any) -> HookRequest:
    return HookRequest(body=json.dumps(body).encode())


@pytest.mark.parametrize(
    "status", ["delete", "record_deleted", "canceled", "record_created", 7, None, {"x": 1}], ids=str
)
@pytest.mark.parametrize("data", [None, [], {"client": {"name": "Jane"}}, {"deleted": True}, "x"], ids=str)
def test_a_webhook_of_any_status_with_part_of_the_data_is_a_hint(status: Any, data: Any) -> None:
    """Section 5: arrays, synonyms, partial data; services may be absent (section 8.8). A fresh read decides."""
    event = {"company_id": "101001", "resource": "record", "resource_id": "30001", "status": status, "data": data}
    altegio = PATIENT
    hints = altegio.hints(hook([event, event, {**event, "resource": "client", "resource_id": 10001}]))
    assert [(hint.kind, hint.id) for hint in hints] == [(Kind.APPOINTMENT, "30001"), (Kind.CLIENT, "10001")]


PATIENT = connector(Location())


# -- full updates (section 3.7)


RICH: Native = {
    **RECORD,
    "staff": {"id": 501, "name": "Vet"},
    "services": [
        {
            "id": 701,
            "title": "Check-up",
            "cost": "40.50",
            "first_cost": 45,
            "discount": 10,
            "amount": 1,
            "assistants": None,
        },
        {
            "id": 704,
            "title": "Surgery",
            "cost": 300,
            "first_cost": 300,
            "discount": 0,
            "amount": 1,
            "assistants": [502, {"id": "503"}],
        },
    ],
    "technical_break_duration": 300,
    "record_labels": [{"id": "7", "title": "nervous"}, {"id": 8}, 9],
    "resource_instance_ids": [11, "12"],
    "client_agreements": {"is_newsletter_allowed": False, "is_personal_data_processing_allowed": True},
    "custom_color": "f44336",
    "sms_remain_hours": 24,
    "email_remain_hours": None,
    "clients_count": 1,
    "custom_fields": {"pet_name": "Bella", "referral": ["Dr Jones"], "yc_partner_public_key": "k", "weight": 12.5},
}


def sent(native: Mapping[str, Any], **changes: Any) -> Native:
    vendor = Vendor((201, enveloped(RECORD)), record={**RICH, **changes})
    connector(vendor).apply(update(Kind.APPOINTMENT, "30001", dict(native)))
    body: Native = vendor.sent[0][1]
    return body


@pytest.mark.parametrize("native", [MOVED, {"comment": "new"}, {"state": "2"}], ids=str)
def test_whatever_changes_all_that_was_read_goes_back(native: Native) -> None:
    """Section 3.7: PUT is a full update; section 10: what it does to what is left out is unknown."""
    body = sent(native)
    assert body["services"] == [
        {"id": 701, "first_cost": 45, "discount": 10, "cost": "40.50", "amount": 1},
        {"id": 704, "first_cost": 300, "discount": 0, "cost": 300, "amount": 1, "assistants": [502, 503]},
    ]
    assert body["technical_break_duration"] == 300
    assert body["seance_length"] == 900, "the break is part of it"
    assert body["record_labels"] == [7, 8, 9]
    assert body["resource_instance_ids"] == [11, 12]
    assert body["client_agreements"] == RICH["client_agreements"]
    assert body["custom_color"] == "f44336"
    assert body["custom_fields"] == RICH["custom_fields"]
    assert body["api_id"] == RECORD["api_id"]


@pytest.mark.parametrize("native", [MOVED, {"comment": "new"}, {"state": "2"}, {"staff_id": "502"}], ids=str)
def test_nobody_is_messaged_and_no_reminder_is_made(native: Native) -> None:
    """Sections 3.7 and 3.13: the owner's own reminder stays, one that is null stays away."""
    body = sent(native)
    assert body["send_sms"] is False
    assert body["sms_remain_hours"] == 24
    assert "email_remain_hours" not in body
    assert "fast_payment" not in body


def test_another_vet_or_service_leaves_the_rest_of_a_procedure() -> None:
    """Section 3.7: several services; of them the first is the visit's type."""
    body = sent({"service_id": "705", "staff_id": "502"})
    assert body["staff_id"] == 502
    assert [service["id"] for service in body["services"]] == [705, 704]
    assert body["services"][1]["assistants"] == [502, 503]


def test_an_attendance_that_is_told_for_the_visit_alone_goes_back() -> None:
    """Section 8.7."""
    record = {name: value for name, value in RICH.items() if name != "attendance"}
    vendor = Vendor((201, enveloped(RECORD)), record={**record, "visit_attendance": 2})
    connector(vendor).apply(update(Kind.APPOINTMENT, "30001", MOVED))
    assert vendor.sent[0][1]["attendance"] == 2


@pytest.mark.parametrize(
    "odd",
    [
        {"resource_instance_ids": [11, "room"]},
        {"resource_instance_ids": {"x": 11}},
        {"services": [{"id": 701, "assistants": [{"name": "x"}]}]},
        {"client_agreements": [1]},
        {"client_agreements": {"x": {"y": 1}}},
    ],
    ids=json.dumps,
)
def test_what_cannot_go_back_is_not_lost_by_a_write(odd: Native) -> None:
    with pytest.raises(Refused) as caught:
        sent(MOVED, **odd)
    assert caught.value.code == "incomplete"


# -- refusals (sections 1 and 3.12)


def refuse(status: int, body: Any, *, native: Native = {"comment": "new"}, **changes: Any) -> VetBridgeError:  # noqa: B006
    vendor = Vendor((status, body), record={**RECORD, **changes})
    with pytest.raises(VetBridgeError) as caught:
        connector(vendor).apply(update(Kind.APPOINTMENT, "30001", native))
    assert "Jane" not in str(caught.value)
    return caught.value


def failure(message: str, errors: Any = None) -> Native:
    return {"success": False, "data": None, "meta": {"message": message, **({"errors": errors} if errors else {})}}


@pytest.mark.parametrize(
    "errors",
    [
        {"phone": ["Jane has it"], "jane": ["x"]},
        [{"phone": "Jane has it"}, {"jane_smith": "x"}],
        [{"phone": ["Jane has it"]}, "Jane"],
    ],
    ids=["object", "objects", "mixed"],
)
@pytest.mark.parametrize("status", [200, 400, 422])
def test_a_refusal_names_the_fields_and_repeats_no_words(status: int, errors: Any) -> None:
    """Section 1: three shapes of `meta.errors`; a 2xx with `success` false is an error, too."""
    error = refuse(status, failure("Jane is wrong", errors))
    assert error.message.endswith(f"answered {status} for phone")
    assert refuse(status, failure("Jane is wrong", ["Jane"])).message.endswith(f"answered {status}")
    assert "phone" in refuse(status, {"errors": {"message": "Jane", "phone": ["x"]}}).message


@pytest.mark.parametrize(
    ("status", "message", "error", "code"),
    [
        (402, "Renew", AuthFailed, "licence-expired"),
        (403, "License to be renewed", AuthFailed, "licence-expired"),
        (403, "Необходимо продлить лицензию", AuthFailed, "licence-expired"),
        (403, "Access denied.", Refused, "no-rights"),
        (401, "Authentication needed.", AuthFailed, "auth-failed"),
        (404, "Not found", Refused, "gone"),
    ],
)
def test_a_licence_that_ended_is_no_missing_right(
    status: int, message: str, error: type[VetBridgeError], code: str
) -> None:
    """Section 1: the licence shows as 402 or 403, depending on the endpoint."""
    found = refuse(status, failure(message))
    assert (type(found).__mro__.count(error), found.code) == (1, code)
    if error is AuthFailed:
        with pytest.raises(AuthFailed) as caught:
            list(connector(lambda _: httpx.Response(status, json=failure(message))).changes(Kind.CLIENT, None))
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (422, 431, "the phone has a wrong form"),
        (403, 434, "black list"),
        (422, 435, "the name is missing"),
        (422, 438, "not offered any more"),
    ],
)
@pytest.mark.parametrize(
    "place", [lambda code: {"errors": {"code": code}}, lambda code: {"meta": {"errors": [{"code": str(code)}]}}]
)
def test_a_booking_code_is_said_in_words(status: int, code: int, says: str, place: Callable[[int], Native]) -> None:
    """Section 3.12; where the code stands is unknown (section 10)."""
    error = refuse(status, {"success": False, **place(code)})
    assert says in error.message
    assert error.code == "refused", "a black-listed phone is neither a missing right nor the licence"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"paid_full": 1}, "it is fully paid"),
        ({"is_sale_bill_printed": True}, "its receipt is printed"),
        ({"attendance": 1}, "the client has arrived"),
        ({"is_update_blocked": "1"}, "changes of it are blocked"),
        ({"prepaid": True, "prepaid_confirmed": False}, "it may wait for an online payment"),
        ({"paid_full": 1, "attendance": 1}, "it is fully paid and the client has arrived"),
    ],
    ids=str,
)
@pytest.mark.parametrize("native", [{"comment": "new"}, MOVED], ids=["noted", "moved"])
def test_a_visit_that_is_closed_for_changes_is_said_to_be(changes: Native, says: str, native: Native) -> None:
    """Section 3.7: the reasons for which an update is rejected."""
    error = refuse(422, failure("no"), native=native, **changes)
    assert type(error) is not SlotTaken
    assert says in error.message
    assert "answered 422" in error.message
    assert says not in refuse(404, failure("no"), native=native, **changes).message
    assert "Altegio does not let" not in refuse(422, failure("no"), native=native).message


def test_a_visit_that_is_closed_is_not_cancelled_by_everybody() -> None:
    """Section 3.7: deleting what the client came to, or what is paid, has rights of its own."""
    vendor = Vendor((403, failure("Access denied.")), record={**RECORD, "attendance": 1})
    with pytest.raises(Refused, match="the client has arrived") as caught:
        connector(vendor).apply(Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id="30001", native={}))
    assert caught.value.code == "no-rights"


def test_a_lock_is_told_from_what_was_read_alone() -> None:
    assert wire.lock(RECORD) == ""
    assert wire.lock({**RECORD, "prepaid": True}) == "", "nobody says whether it is confirmed"
    assert wire.lock({**RECORD, "prepaid": 1, "prepaid_confirmed": 1}) == ""
