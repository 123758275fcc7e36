"""What programs written by strangers send to Altegio and ezyVet, and what they read of the answers.

Each test names the public program that sends the request, and the section of the vendor's sheet where it has one. The
programs themselves were run on the simulators unchanged, the address and the credentials apart (the connectors' pages
say which); these are the requests at which a simulator once answered otherwise than the vendor does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connectors.altegio.simulator import LOCATION, AltegioSimulator
from connectors.altegio.simulator import build as build_altegio
from connectors.ezyvet.simulator import EzyVetSimulator
from connectors.ezyvet.simulator import build as build_ezyvet
from vetbridge.testing.clock import FakeClock


def fields(names: str) -> set[str]:
    return set(names.split())


TUESDAY = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)
BOOKED: dict[str, Any] = {
    "phone": "79161234567",
    "fullname": "Ann Lee",
    "appointments": [{"id": 1, "services": [701], "staff_id": 501, "datetime": "2026-03-03T10:00:00+00:00"}],
}


STAFF = fields(
    "id api_id name specialization company_id information fired is_fired dismissal_date dismissal_reason hidden "
    "is_online status is_deleted user_id rating prepaid is_chain weight is_rating_shown "
    "is_online_random_choice_allowed seance_step seance_search_step seance_search_start seance_search_finish "
    "is_timetable_off is_fullness_accounting google_clients timetable_markup_divider_interval avatar avatar_big "
    "position user is_bookable services_links schedule_till employee chain grid_settings domain google_link"
)
POSITION = fields("id chain_id title description services_binding_type rules_required_fields only_chain_appointment")
SERVICE_LINK = fields(
    "service_id master_id length technological_card_id api_id is_online is_offline_records_allowed price"
)
EMPLOYEE = fields(
    "id phone name firstname surname patronymic date_admission date_registration_end citizenship sex gender "
    "passport_data personal_tax_reference_number number_insurance_certificates"
)
SERVICE = fields(
    "booking_title tax_variant vat_id print_title service_type api_service_id repeat_visit_days_step "
    "seance_search_start seance_search_finish seance_search_step step is_need_limit_date date_from date_to "
    "schedule_template_type online_invoicing_status is_abonement_autopayment_enabled "
    "autopayment_before_visit_time abonement_restriction_value is_chain is_price_managed_only_in_chain "
    "is_comment_managed_only_in_chain price_prepaid_amount price_prepaid_percent id salon_service_id title "
    "category_id price_min price_max discount comment weight active api_id prepaid is_multi capacity duration "
    "is_online image_group staff dates resources"
)
SERVICE_STAFF = fields("id seance_length technological_card_id image_url price name")
RECORD_STAFF = fields("id api_id name specialization position avatar avatar_big rating votes_count")


@pytest.fixture
def altegio() -> Iterator[AltegioSimulator]:
    with build_altegio(clients=3, seed=5, clock=FakeClock()) as simulator:
        yield simulator


@pytest.fixture
def site(altegio: AltegioSimulator) -> Iterator[httpx.Client]:
    """Altegio with both tokens."""
    known = altegio.credentials
    bearer = {"Authorization": f"Bearer {known['partner_token']}, User {known['user_token']}"}
    with httpx.Client(base_url=altegio.base_url, headers=bearer) as client:
        yield client


def data(answer: httpx.Response) -> Any:
    assert answer.is_success, (answer.status_code, answer.text)
    return answer.json()["data"]


# -- Altegio


def test_whole_numbers_come_as_floats(site: httpx.Client) -> None:
    """yclients 0.1.1 (PyPI) types every number as a float, so ids and seconds arrive as 501.0."""
    line = {"id": 701.0, "first_cost": 9000.0, "discount": 50.0, "cost": 4500.0}
    record = {
        "staff_id": 501.0,
        "services": [line],
        "client": {"phone": "79169999999", "name": "Bob"},
        "datetime": "2026-03-03T12:00:00",
        "seance_length": 3600.0,
        "sms_remain_hours": 6.0,
        "attendance": 0.0,
    }
    (made,) = data(site.post(f"/records/{LOCATION}", json=record))
    assert (made["staff_id"], made["seance_length"], made["services"][0]["cost"]) == (501, 3600, 4500)
    visit = {**BOOKED["appointments"][0], "id": 1.0, "services": [701.0], "staff_id": 501.0}
    (booked,) = data(site.post(f"/book_record/{LOCATION}", json={**BOOKED, "appointments": [visit]}))
    assert booked["id"] == 1
    search = {"page": 1.0, "page_size": 2.0, "fields": ["id", "name"]}
    assert len(data(site.post(f"/company/{LOCATION}/clients/search", json=search))) == 2
    for wrong in (501.5, float(10**14), True):
        assert site.post(f"/records/{LOCATION}", json={**record, "staff_id": wrong}).status_code == 422


def test_a_login_comes_as_a_form(altegio: AltegioSimulator) -> None:
    """e-nikitin/yclients-laravel-sdk posts ``/auth`` as a form, with the partner token alone."""
    login = httpx.get(f"{altegio.control_url}/login").json()
    bearer = {"Authorization": f"Bearer {altegio.credentials['partner_token']}"}

    def log_in(password: str) -> httpx.Response:
        fields = {"login": login["login"], "password": password}
        return httpx.post(f"{altegio.base_url}/auth", data=fields, headers=bearer)

    assert data(log_in(login["password"]))["user_token"] == altegio.credentials["user_token"]
    assert log_in("wrong").status_code == 401


def test_a_code_is_sent_with_201(site: httpx.Client) -> None:
    """yclients 0.1.1 and the vendor's blueprint (the sheet's APIB): ``book_code`` is answered 201."""
    answer = site.post(f"/book_code/{LOCATION}", json={"phone": BOOKED["phone"], "fullname": "Ann"})
    assert (answer.status_code, answer.json()["success"]) == (201, True)


def test_an_owners_own_booking_is_read_as_a_list(site: httpx.Client) -> None:
    """yclients 0.1.1 and APIB: ``GET /user/records`` answers a list, also of one."""
    (made,) = data(site.post(f"/book_record/{LOCATION}", json=BOOKED))
    (own,) = data(site.get(f"/user/records/{made['record_id']}/{made['record_hash']}"))
    assert (own["id"], own["services"][0]["id"]) == (made["record_id"], 701)


def test_labels_are_made_from_the_query(site: httpx.Client) -> None:
    """yclients 0.1.1 and APIB: no body; 200."""
    asked = {"title": "Calm", "color": "#00ff00", "entity": 1, "icon": "star"}
    answer = site.post(f"/labels/{LOCATION}", params=asked)
    assert (answer.status_code, data(answer)["title"], data(answer)["entity"]) == (200, "Calm", 1)
    assert [label["title"] for label in data(site.get(f"/labels/{LOCATION}/1"))] == ["Calm"]


@pytest.mark.parametrize(
    ("name", "known", "changed"),
    [
        (
            "timetable",
            {"record_type", "activity_record_clients_count_max"},
            {"record_type": 1, "activity_record_clients_count_max": 10},
        ),
        (
            "online",
            {"confirm_number", "any_master", "seance_delay_step", "activity_online_record_clients_count_max"},
            {"confirm_number": True, "seance_delay_step": 30},
        ),
    ],
)
def test_settings_have_the_fields_that_clients_demand(
    site: httpx.Client, name: str, known: set[str], changed: dict[str, Any]
) -> None:
    """altegio-pro-mcp, the vendor's own, and yclients 0.1.1 refuse an answer without them (section 2)."""
    path = f"/company/{LOCATION}/settings/{name}"
    assert known <= data(site.get(path)).keys()
    assert changed.items() <= data(site.patch(path, json=changed)).items()
    assert changed.items() <= data(site.get(path)).items()


def test_a_service_is_changed_at_its_newer_address(site: httpx.Client) -> None:
    """yclients 0.1.1: PATCH on the address that section 2 has for reads."""
    path = f"/company/{LOCATION}/services/701"
    assert data(site.patch(path, json={"title": "Health check", "category_id": 1.0}))["title"] == "Health check"


def test_service_categories_come_change_and_go(site: httpx.Client) -> None:
    """poor-yclientsapi 0.1.26, whose own tests do this against the live API; altegio-pro-mcp makes them too."""
    asked = {"title": "Surgery", "booking_title": "Surgery", "api_id": "s", "weight": 1, "staff": []}
    answer = site.post(f"/service_categories/{LOCATION}", json=asked)
    assert (answer.status_code, data(answer)["api_id"]) == (201, "s")
    path = f"/service_category/{LOCATION}/{data(answer)['id']}"
    assert data(site.put(path, json={"title": "Operations", "weight": 2, "staff": [501]}))["staff"] == [501]
    assert (data(site.get(path))["title"], data(site.get(path))["weight"]) == ("Operations", 2)
    assert site.put(path, json={"title": ""}).status_code == 422
    assert site.delete(path).status_code == 204
    assert site.get(path).status_code == 404


def test_the_team_and_the_services_have_every_field_of_a_strict_client(site: httpx.Client) -> None:
    """poor-yclientsapi: models without which, and in its first version with more than which, it raises.

    The older ``/staff`` keeps the form of section 3.3: altegio-pro-mcp reads numbers there.
    """
    team = f"/company/{LOCATION}/staff"
    answer = site.get(f"{team}/")
    assert answer.json()["meta"] == {"count": 4}
    for member in (data(answer)[0], data(site.get(f"{team}/501"))):
        assert member.keys() == STAFF
        assert member["position"].keys() == POSITION
        assert member["services_links"][0].keys() == SERVICE_LINK
        assert member["employee"].keys() == EMPLOYEE
    for offered in (data(site.get(f"/company/{LOCATION}/services/"))[0], data(site.get(f"/services/{LOCATION}/701"))):
        assert offered.keys() == SERVICE
        assert offered["staff"][0].keys() == SERVICE_STAFF
        assert offered["duration"] == offered["staff"][0]["seance_length"]
    assert {"votes_count", "show_rating"} <= data(site.get(f"/staff/{LOCATION}/501")).keys()


def test_a_record_tells_of_its_team_member_what_it_tells_and_no_more(site: httpx.Client) -> None:
    """poor-yclientsapi, for records and for webhooks; yclients-api 0.0.7 lists the same fields (section 3.7)."""
    (made,) = data(site.post(f"/book_record/{LOCATION}", json=BOOKED))
    assert data(site.get(f"/record/{LOCATION}/{made['record_id']}"))["staff"].keys() == RECORD_STAFF


def test_an_api_id_of_other_than_digits_may_be_lost(altegio: AltegioSimulator, site: httpx.Client) -> None:
    """mcp-altegio 1.2.0 says that the live API keeps numbers and makes "0" of a text; section 3.7 knows of UUIDs."""
    record = {
        "staff_id": 501,
        "services": [{"id": 701}],
        "client": {"phone": "79169999999", "name": "Bob"},
        "datetime": "2026-03-03T12:00:00",
        "seance_length": 1200,
        "save_if_busy": True,
    }
    told: list[Any] = ["vb-1", 777, "778", ""]
    kept = [data(site.post(f"/records/{LOCATION}", json={**record, "api_id": one}))[0]["api_id"] for one in told]
    assert kept == ["vb-1", "777", "778", ""]
    altegio.turn("api_ids", "number")
    kept = [data(site.post(f"/records/{LOCATION}", json={**record, "api_id": one}))[0]["api_id"] for one in told]
    assert kept == ["0", "777", "778", ""]


def test_a_visit_history_is_records_and_goods(site: httpx.Client) -> None:
    """yclients 0.1.1 reads both; next page by ``from`` and ``to`` of ``meta`` (section 1)."""
    (made,) = data(site.post(f"/book_record/{LOCATION}", json=BOOKED))
    client = data(site.get(f"/record/{LOCATION}/{made['record_id']}"))["client"]["id"]
    asked = {"client_id": float(client), "client_phone": "", "from": "", "to": "", "payment_statuses": []}
    answer = site.post(f"/company/{LOCATION}/clients/visits/search", json={**asked, "attendance": 0})
    history = data(answer)
    assert (history["goods_transactions"], answer.json()["meta"].keys()) == ([], {"from", "to"})
    (visit,) = history["records"]
    assert (visit["id"], visit["services"][0]["payment_status"]) == (made["record_id"], "not_paid")


# -- ezyVet


@pytest.fixture
def ezyvet() -> Iterator[EzyVetSimulator]:
    with build_ezyvet(clients=3, seed=7, clock=FakeClock(datetime(2026, 3, 2, 7, tzinfo=UTC))) as simulator:
        yield simulator


@pytest.fixture
def clinic(ezyvet: EzyVetSimulator) -> Iterator[httpx.Client]:
    """ezyVet with a token, asked for by a form with commas between the scopes, as ezyvetapi 0.0.49 (PyPI) does."""
    scopes = ("animal", "appointment", "contact", "invoice")
    fields = {
        **ezyvet.credentials,
        "grant_type": "client_credentials",
        "scope": ",".join(["write-appointment", *(f"read-{name}" for name in scopes)]),
    }
    token = httpx.post(f"{ezyvet.base_url}/v1/oauth/access_token", data=fields).json()
    with httpx.Client(base_url=ezyvet.base_url) as client:
        client.headers["Authorization"] = f"{token['token_type']} {token['access_token']}"
        yield client


def test_one_call_too_many_is_told_in_the_words_that_a_live_clinic_looks_for(
    ezyvet: EzyVetSimulator, clinic: httpx.Client
) -> None:
    """UA-Whitebord.gs waits where the body has these words, so many seconds as the first number before "seconds"."""
    ezyvet.faults.arm("429")
    answer = clinic.get("/v1/contact")
    assert answer.status_code == 429
    assert "too many requests recently" in answer.text
    assert " seconds" in answer.text


def test_an_appointment_of_v1_as_a_live_clinic_reads_it(clinic: httpx.Client) -> None:
    """UA-Whitebord.gs (section 7): ids of owner, animal and consult are numbers, the status is text; the description
    stands in ``details`` too."""
    visit = {
        "start_at": int(TUESDAY.timestamp()),
        "duration": 1200,
        "type_id": 31,
        "status_id": 2,
        "description": "Vaccination",
        "animal_id": 5001,
        "contact_id": 1001,
        "sales_resource": 21,
        "resources": [{"id": 21}],
    }
    assert clinic.post("/v2/appointment", json=visit).status_code == 200
    day = int(TUESDAY.timestamp()) // 86400 * 86400
    window = {"active": 1, "time_range_start": day, "time_range_end": day + 86399, "limit": 200}
    (item,) = clinic.get("/v1/appointment", params=window).json()["items"]
    details = item["appointment"]["details"]
    assert (details["contact_id"], details["animal_id"]) == (1001, 5001)
    assert (details["appointment_status_id"], details["description"]) == ("2", "Vaccination")
    by_status = clinic.get("/v1/appointment", params={"appointment_status_id": 2}).json()["items"]
    assert len(by_status) == 1


def test_an_animal_has_a_guid(clinic: httpx.Client) -> None:
    """ezyVetClient and API-PIMS-PROJECT read it (section 7)."""
    guids = [item["animal"]["guid"] for item in clinic.get("/v1/animal").json()["items"]]
    assert all(len(guid) == 36 for guid in guids)
    assert len(set(guids)) == len(guids) > 1


def test_invoices_are_read_in_v2(clinic: httpx.Client) -> None:
    """ezyvet-mcp 0.2.0; the sheet names v2 of invoice (section 1)."""
    answer = clinic.get("/v2/invoice", params={"contact_id": 1001, "page": 1, "limit": 50})
    assert (answer.status_code, answer.json()["items"]) == (200, [])
