"""The ezyVet simulator over real HTTP: what the vendor sheet says, and the switches for what it does not say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from connectors.ezyvet.simulator import (
    BLOCK_TYPE,
    CODE_LISTS,
    MERGE_PATCH,
    PLACEHOLDER_ANIMAL,
    PLACEHOLDER_CONTACT,
    EzyVetSimulator,
    build,
)
from tests.unit.connectors.receiving import receiver
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.simkit import open_store

CLIENTS = 60
SEED = 7
SCOPES = " ".join(
    f"{right}-{resource}"
    for right, resources in (
        (
            "read",
            "contact contactdetail contactdetailtype animal species breed sex animalcolour appointment "
            "appointmenttype appointmentstatus resource separation systemsetting",
        ),
        ("write", "contact animal appointment"),
    )
    for resource in resources.split()
)
START = 1_772_530_200  # 2026-03-03 09:30 UTC


class Caller:
    """A client with a token; answers are (status, body)."""

    def __init__(self, simulator: EzyVetSimulator, scope: str = SCOPES) -> None:
        self.simulator = simulator
        self.http = httpx.Client(base_url=simulator.base_url, timeout=10)
        self.http.headers["Authorization"] = f"Bearer {self.token(scope)}"

    def token(self, scope: str = SCOPES) -> str:
        body = {**self.simulator.credentials, "grant_type": "client_credentials", "scope": scope}
        answer = self.http.post("/v1/oauth/access_token", json=body)
        assert answer.status_code == 200
        return str(answer.json()["access_token"])

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The items without their wrapper."""
        return [next(iter(item.values())) for item in self.get(path, **query)["items"]]

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.http.post(path, json=body)

    def patch(self, path: str, body: Any, media: str = MERGE_PATCH) -> httpx.Response:
        return self.http.patch(path, content=json.dumps(body), headers={"Content-Type": media})

    def book(self, **changes: Any) -> httpx.Response:
        return self.post("/v2/appointment", {**visit(), **changes})


def visit() -> dict[str, Any]:
    return {
        "start_at": START,
        "duration": 1200,
        "type_id": CODE_LISTS["appointment_type"]["checkup"],
        "status_id": CODE_LISTS["status"]["booked"],
        "description": "limping",
        "animal_id": 5001,
        "contact_id": 1001,
        "sales_resource": 21,
        "resources": [{"id": 21}],
    }


@contextmanager
def serving(**options: Any) -> Iterator[Caller]:
    with build(seed=SEED, **options) as simulator:
        caller = Caller(simulator)
        yield caller
        caller.http.close()


@pytest.fixture(scope="module")
def seeded() -> Iterator[Caller]:
    """A site that tests only read."""
    with serving(clients=CLIENTS) as caller:
        yield caller


@pytest.fixture
def site() -> Iterator[Caller]:
    """A small site that a test may change."""
    with serving(clients=5) as caller:
        yield caller


def ops(**operators: Any) -> str:
    return json.dumps(operators)


def complaint(answer: httpx.Response) -> dict[str, Any]:
    message: dict[str, Any] = answer.json()["messages"][0]
    assert message["level"] == "error"
    assert message["type"] == "InvalidRequestException"
    return message


def refused(answer: httpx.Response, *fields: str) -> None:
    assert answer.status_code == 422, answer.text
    assert complaint(answer)["fields"] == list(fields)


# -- tokens


def test_a_token_is_given_for_json_and_for_a_form(seeded: Caller) -> None:
    body = {**seeded.simulator.credentials, "grant_type": "client_credentials", "scope": "read-contact,read-animal"}
    address = f"{seeded.simulator.base_url}/v1/oauth/access_token"
    for answer in (httpx.post(address, json=body), httpx.post(address, data=body)):
        assert answer.status_code == 200
        assert answer.json()["token_type"] == "Bearer"
        assert answer.json()["expires_in"] == 43200
        token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert httpx.get(f"{seeded.simulator.base_url}/v2/animal", headers=token).status_code == 200


@pytest.mark.parametrize("name", ["partner_id", "client_id", "client_secret", "grant_type", "scope", "site_uid"])
def test_every_part_of_the_token_request_is_needed(seeded: Caller, name: str) -> None:
    body = {**seeded.simulator.credentials, "grant_type": "client_credentials", "scope": SCOPES}
    missing = seeded.http.post("/v1/oauth/access_token", json={k: v for k, v in body.items() if k != name})
    assert missing.status_code == 400
    assert complaint(missing)["fields"] == [name]


@pytest.mark.parametrize("name", ["partner_id", "client_id", "client_secret", "site_uid"])
def test_wrong_credentials_are_401_and_are_not_repeated_in_the_answer(seeded: Caller, name: str) -> None:
    body = {**seeded.simulator.credentials, "grant_type": "client_credentials", "scope": SCOPES, name: "wr0ng"}
    answer = seeded.http.post("/v1/oauth/access_token", json=body)
    assert answer.status_code == 401
    assert "wr0ng" not in answer.text


def test_without_a_token_nothing_is_shown(seeded: Caller) -> None:
    for header in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic x"}):
        answer = httpx.get(f"{seeded.simulator.base_url}/v1/contact", headers=header)
        assert answer.status_code == 401
        complaint(answer)


def test_a_scope_that_is_missing_is_403(seeded: Caller) -> None:
    narrow = Caller(seeded.simulator, scope="read-contact")
    assert narrow.http.get("/v1/contact").status_code == 200
    answer = narrow.post("/v1/contact", {"last_name": "Smith"})
    assert answer.status_code == 403
    assert "write-contact" in complaint(answer)["text"]
    narrow.http.close()


def test_a_token_ends_after_twelve_hours(site: Caller) -> None:
    clock = site.simulator.clock
    begun = clock.now()
    clock.set(begun + timedelta(hours=11, minutes=59))
    assert site.http.get("/v1/contact").status_code == 200
    clock.set(begun + timedelta(hours=12, minutes=1))
    assert site.http.get("/v1/contact").status_code == 401


def test_a_new_token_may_end_the_old_one() -> None:
    for kills, status in ((False, 200), (True, 401)):
        with serving(token_kills_old=kills) as caller:
            caller.token()
            assert caller.http.get("/v1/contact").status_code == status


def test_the_end_of_a_token_may_be_told_as_an_epoch() -> None:
    with serving(expires_in="epoch") as caller:
        caller.simulator.clock.set(datetime(2026, 3, 2, 9, tzinfo=UTC))
        body = {**caller.simulator.credentials, "grant_type": "client_credentials", "scope": "read-contact"}
        told = caller.http.post("/v1/oauth/access_token", json=body).json()["expires_in"]
        assert abs(told - datetime(2026, 3, 2, 21, tzinfo=UTC).timestamp()) < 10


# -- envelopes and shapes


def test_v1_speaks_text_and_v2_speaks_types(seeded: Caller) -> None:
    v1 = seeded.get("/v1/contact", id=1001)
    assert v1["meta"]["items_total"] == "1"
    one = v1["items"][0]["contact"]
    assert (one["id"], one["is_customer"], one["is_vet"], one["address_physical"]) == ("1001", "1", "0", "")
    assert all(isinstance(value, str) for name, value in one.items() if name != "contact_detail_list")
    v2 = seeded.get("/v2/contact", id=1001)
    assert v2["meta"]["items_total"] == 1
    two = v2["items"][0]["contact"]
    assert (two["id"], two["is_customer"], two["is_vet"]) == (1001, True, False)
    assert two["uid"].startswith("contact_")
    assert len(two["uid"]) == len("contact_") + 21
    assert v2["messages"] == []


def test_the_seed_is_never_served(seeded: Caller) -> None:
    for path in ("/v1/contact", "/v2/contact", "/v2/animal"):
        assert not [name for row in seeded.items(path) for name in row if name.startswith("_")]


def test_a_single_read_answers_a_list_of_one(seeded: Caller) -> None:
    assert [row["id"] for row in seeded.items("/v1/contact/1002")] == ["1002"]
    for unknown in ("/v1/contact/99999", "/v1/contact/smith", "/v1/contact/%00", "/v3/contact", "/v4/appointment"):
        answer = seeded.http.get(unknown)
        assert answer.status_code == 404
        complaint(answer)
    assert seeded.items("/v1/contact", id=99999) == []


def test_owners_and_pets_stand_under_their_numbers(seeded: Caller) -> None:
    clinic = make_clinic(SEED, CLIENTS)
    contacts = {row["id"]: row for row in seeded.items("/v2/contact", limit=200)}
    animals = {row["id"]: row for row in seeded.items("/v2/animal", limit=200)}
    details: dict[int, list[dict[str, Any]]] = {}
    for row in seeded.items("/v2/contactdetail", limit=200):
        details.setdefault(row["contact_id"], []).append(row)
    assert len(contacts) == CLIENTS + 1
    for owner in clinic.owners:
        contact = contacts[1000 + owner.number]
        assert (contact["first_name"], contact["last_name"]) == (owner.given_name, owner.family_name)
        assert contact["active"] is owner.active
        held = details.get(contact["id"], [])
        assert [row["id"] for row in held] == contact["contact_detail_list"]
        mobiles = [row["value_cleaned"] for row in held if row["contact_detail_type_id"] == 3]
        assert mobiles == [phone.removeprefix("+") for phone in owner.phones]
        assert [row["value"] for row in held if row["contact_detail_type_id"] == 1] == [
            address for address in (owner.email,) if address
        ]
        for pet in owner.pets:
            animal = animals[5000 + pet.number]
            assert (animal["name"], animal["contact_id"], animal["is_dead"]) == (
                pet.name,
                contact["id"],
                pet.deceased,
            )
            assert animal["species_id"] == CODE_LISTS["species"][pet.species]
            assert datetime.fromtimestamp(animal["date_of_birth"], UTC).date() == pet.birth_date


def test_the_placeholder_is_one_contact_with_one_animal(seeded: Caller) -> None:
    assert seeded.items("/v2/contact", id=PLACEHOLDER_CONTACT)[0]["last_name"] == "VetBridge placeholder"
    assert [row["id"] for row in seeded.items("/v2/animal", contact_id=PLACEHOLDER_CONTACT)] == [PLACEHOLDER_ANIMAL]


def test_the_lists_of_the_site(seeded: Caller) -> None:
    types = {row["id"]: row for row in seeded.items("/v2/appointmenttype", limit=50)}
    assert types[CODE_LISTS["appointment_type"]["surgery"]]["default_duration"] == 60
    assert types[BLOCK_TYPE]["name"] == "Block"
    assert seeded.items("/v1/appointmenttype", limit=50)[0]["default_duration"] == "20"
    vets = seeded.items("/v2/resource", type="user", access="On Calendar")
    assert {row["id"] for row in vets} == set(CODE_LISTS["resource"].values())
    assert [row["name"] for row in seeded.items("/v1/resource", type="facility")] == ["Consult room 1"]
    assert {row["name"] for row in seeded.items("/v1/contactdetailtype")} == {"Email", "Mobile", "Phone"}
    assert {int(row["id"]) for row in seeded.items("/v1/appointmentstatus")} == set(CODE_LISTS["status"].values())
    assert {int(row["id"]) for row in seeded.items("/v1/species")} == set(CODE_LISTS["species"].values())
    assert {int(row["id"]) for row in seeded.items("/v1/sex", is_desexed=1)} == {3, 4}
    assert seeded.items("/v1/breed", species_id=1, limit=200)
    assert seeded.items("/v1/animalcolour")
    assert seeded.items("/v1/separation")[0]["type"] == "Division"
    setting = seeded.get("/v1/systemsetting")["items"][0]["systemsetting"]
    assert setting["timezone"]["name"] == "Europe/London"


def test_v1_animal_is_gone_after_its_sunset(site: Caller) -> None:
    clock = site.simulator.clock
    clock.set(datetime(2026, 10, 12, 23, 0, tzinfo=UTC))
    site.http.headers["Authorization"] = f"Bearer {site.token()}"
    assert site.http.get("/v1/animal").status_code == 200
    clock.set(datetime(2026, 10, 13, 0, 1, tzinfo=UTC))
    assert site.http.get("/v1/animal").status_code == 404
    assert site.http.get("/v1/animal/5001").status_code == 404
    assert site.http.get("/v2/animal").status_code == 200
    assert site.post("/v1/animal", {"contact_id": 1001, "name": "Rex"}).status_code == 200


# -- paging


def test_pages_cover_every_row_once(seeded: Caller) -> None:
    seen: list[int] = []
    page = 1
    while True:
        body = seeded.get("/v2/contact", page=page, limit=25)
        seen += [item["contact"]["id"] for item in body["items"]]
        meta = body["meta"]
        assert (meta["items_page"], meta["items_page_size"], meta["items_total"]) == (page, 25, CLIENTS + 1)
        if page >= meta["items_page_total"]:
            break
        page += 1
    assert page == 3
    assert seen == sorted(set(seen))
    assert len(seen) == CLIENTS + 1


def test_pages_are_of_ten_unless_told_otherwise_and_never_longer_than_the_cap(seeded: Caller) -> None:
    assert seeded.get("/v1/contact")["meta"]["items_page_size"] == "10"
    assert seeded.get("/v1/contact", limit=5000)["meta"]["items_page_size"] == "200"
    with serving(clients=20, page_cap=5) as caller:
        assert len(caller.items("/v1/contact", limit=200)) == 5


def test_an_empty_result_has_no_pages(seeded: Caller) -> None:
    meta = seeded.get("/v2/contact", last_name="Nobody At All")["meta"]
    assert (meta["items_total"], meta["items_page_total"]) == (0, 0)
    assert seeded.items("/v2/contact", page=99) == []


def test_of_a_repeated_page_the_last_counts(seeded: Caller) -> None:
    body = seeded.http.get("/v2/contact?limit=10&page=2&page=3").json()
    assert body["meta"]["items_page"] == 3


@pytest.mark.parametrize("query", ["page=0", "page=-1", "limit=0", "limit=ten", "page=1e3", "page=²"])
def test_a_senseless_page_is_400(seeded: Caller, query: str) -> None:
    assert seeded.http.get(f"/v1/contact?{query}").status_code == 400


# -- filters


def ids(caller: Caller, **query: Any) -> list[int]:
    return [int(row["id"]) for row in caller.items("/v2/contact", limit=200, **query)]


def test_filters_compare_numbers_whatever_their_writing(seeded: Caller) -> None:
    for operand in (1058, 1058.0, "1058"):
        assert ids(seeded, id=ops(gt=operand)) == [1059, 1060]
        assert ids(seeded, id=ops(eq=operand)) == [1058]
    assert ids(seeded, id=json.dumps({">=": 1058, "<": 1060})) == [1058, 1059]
    assert ids(seeded, id=ops(gte=1003, lte=1004, neq=1003)) == [1004]
    assert ids(seeded, id=ops(**{"in": [1001, "1003", 4]})) == [1001, 1003]


def test_filters_of_several_fields_are_all_meant(seeded: Caller) -> None:
    inactive = [row["id"] for row in seeded.items("/v2/contact", limit=200) if not row["active"]]
    assert inactive
    for word in ("0", "false", "False"):
        assert ids(seeded, active=word) == inactive
    assert ids(seeded, active=1, id=ops(**{"in": inactive})) == []
    assert len(ids(seeded)) == len(ids(seeded, active="True")) + len(inactive)


def test_like_is_for_text_and_sees_case(seeded: Caller) -> None:
    family = make_clinic(SEED, CLIENTS).owner(3).family_name
    assert 1003 in ids(seeded, last_name=ops(like=f"{family[:2]}%"))
    assert 1003 in ids(seeded, last_name=ops(like=f"%{family[1:]}"))
    assert 1003 in ids(seeded, last_name=ops(like=f"{family[0]}%{family[-1]}"))
    assert 1003 not in ids(seeded, last_name=ops(like=f"{family[:2].upper()}%"))
    assert ids(seeded, last_name=family[:2]) == []


def test_contact_details_are_found_by_contact_by_digits_and_by_value(seeded: Caller) -> None:
    owner = next(o for o in make_clinic(SEED, CLIENTS).owners if o.phones and o.email and o.household is None)
    phone = seeded.items("/v2/contactdetail", value_cleaned=owner.phones[0].removeprefix("+"))
    assert {row["contact_id"] for row in phone} >= {1000 + owner.number}
    mail = seeded.items("/v1/contactdetail", value=owner.email)
    assert {row["contact_id"] for row in mail} >= {str(1000 + owner.number)}
    assert len(seeded.items("/v1/contactdetail", contact_id=1000 + owner.number)) == len(owner.phones) + 1


@pytest.mark.parametrize(
    "query",
    [
        {"surname": "Smith"},
        {"uid": "contact_x"},  # v2 only
        {"contact_detail_list": "1"},
        {"id": "smith"},
        {"id": "{not json"},
        {"id": '{"between": 3}'},
        {"id": '{"like": "1%"}'},
        {"id": '{"in": 5}'},
        {"id": '{"gt": [1]}'},
        {"id": '{"gt": NaN}'},
        {"id": '{"gt": 1e400}'},
        {"last_name": '{"gt": "A"}'},
        {"active": "perhaps"},
        {"modified_at": "%7B%22gt%22%3A5%7D"},  # encoded twice
        {"id": '{"eq":' * 500},
    ],
)
def test_a_filter_that_cannot_be_used_is_an_error_or_ignored(seeded: Caller, query: dict[str, str]) -> None:
    answer = seeded.http.get("/v1/contact", params=query)
    assert answer.status_code == 400
    assert complaint(answer)["fields"] == list(query)
    with serving(clients=3, unknown_filter="ignore") as caller:
        assert len(caller.items("/v1/contact", **query)) == 4


def test_a_delta_shows_what_changed_since(site: Caller) -> None:
    before = int(site.simulator.clock.now().timestamp()) - 1
    since = ops(gt=before)
    assert site.items("/v1/contact", modified_at=since) == []
    assert site.patch("/v1/contact/1002", {"first_name": "Jon"}).status_code == 200
    assert [row["id"] for row in site.items("/v1/contact", modified_at=since)] == ["1002"]
    assert site.items("/v2/appointment", modified_at=since) == []
    site.book()
    assert len(site.items("/v2/appointment", modified_at=since)) == 1


# -- writing clients and pets


def test_a_new_contact_brings_its_details(site: Caller) -> None:
    body = {
        "first_name": "Zoë",
        "last_name": "de la Cruz-O'Brien",
        "is_customer": 1,
        "stop_credit": "OK",
        "ownership_id": 1,
        "contact_detail_list": [
            {"name": "Email", "value": "zoe@example.org", "contact_detail_type_id": 1, "preferred": 0},
            {"name": "Mobile", "value": "07700 900123", "contact_detail_type_id": "3", "preferred": 1},
        ],
    }
    answer = site.post("/v1/contact", body)
    assert answer.status_code == 200
    made = answer.json()["items"][0]["contact"]
    assert (made["id"], made["last_name"], made["active"], made["is_customer"]) == (
        "1006",
        body["last_name"],
        "1",
        "1",
    )
    assert made["code"]
    details = site.items("/v2/contactdetail", contact_id=made["id"])
    assert [row["value"] for row in details] == ["07700 900123", "zoe@example.org"]
    assert details[0]["value_cleaned"] == "447700900123"
    assert made["contact_detail_list"] == [str(row["id"]) for row in details]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "last_name"),
        ({"last_name": "Smith", "email": "x@example.org"}, "email"),
        ({"last_name": 5}, "last_name"),
        ({"last_name": "Smith", "active": 0}, "active"),
        ({"last_name": "Smith", "is_customer": "maybe"}, "is_customer"),
        ({"last_name": "Smith", "ownership_id": 77}, "ownership_id"),
        ({"last_name": "Smith", "contact_detail_list": "07700"}, "contact_detail_list"),
        ({"last_name": "Smith", "contact_detail_list": [7]}, "contact_detail_list"),
        (
            {"last_name": "S", "contact_detail_list": [{"value": "1", "contact_detail_type_id": 99}]},
            "contact_detail_list",
        ),
        (
            {"last_name": "S", "contact_detail_list": [{"value": "", "contact_detail_type_id": 3}]},
            "contact_detail_list",
        ),
        (
            {
                "last_name": "S",
                "contact_detail_list": [{"value": "1", "contact_detail_type_id": 3, "preferred": "?"}],
            },
            "contact_detail_list",
        ),
    ],
)
def test_a_contact_that_is_not_right_is_422_and_leaves_nothing(site: Caller, body: Any, field: str) -> None:
    refused(site.post("/v1/contact", body), field)
    assert site.get("/v2/contact")["meta"]["items_total"] == 6
    assert site.simulator.counts()["writes"] == 0


def test_names_of_a_contact_can_be_changed_and_details_cannot(site: Caller) -> None:
    assert site.patch("/v1/contact/1001", {"first_name": "Jo"}, media="application/json").status_code == 200
    assert site.items("/v1/contact/1001")[0]["first_name"] == "Jo"
    refused(site.patch("/v1/contact/1001", {"contact_detail_list": []}), "contact_detail_list")
    assert site.patch("/v1/contact/4242", {"first_name": "Jo"}).status_code == 404


def test_an_animal_is_made_and_changed(site: Caller) -> None:
    body = {
        "contact_id": 1002,
        "name": "Käthe",
        "sex_id": 5,
        "species_id": "2",
        "breed_id": None,
        "date_of_birth": 1_600_000_000,
    }
    answer = site.post("/v1/animal", body)
    assert answer.status_code == 200
    made = answer.json()["items"][0]["animal"]
    assert (made["contact_id"], made["breed_id"], made["is_dead"]) == ("1002", "", "0")
    assert site.patch(f"/v1/animal/{made['id']}", {"is_dead": 1}).status_code == 200
    row = site.items("/v2/animal", id=made["id"])[0]
    assert (row["is_dead"], row["species_id"], row["breed_id"]) == (True, 2, None)
    refused(site.post("/v1/animal", {"name": "Rex"}), "contact_id")
    refused(site.post("/v1/animal", {"contact_id": 4711, "name": "Rex"}), "contact_id")
    refused(site.patch(f"/v1/animal/{made['id']}", {"contact_id": None}), "contact_id")
    refused(site.patch(f"/v1/animal/{made['id']}", {"species_id": 12.5}), "species_id")


# -- visits


def test_a_visit_is_made_moved_and_cancelled(site: Caller) -> None:
    answer = site.book()
    assert answer.status_code == 200
    made = answer.json()["items"][0]["appointment"]
    assert {name: made[name] for name in visit()} == visit()
    assert (made["active"], made["consult_id"], made["cancellation_reason"]) == (True, None, None)
    path = f"/v2/appointment/{made['id']}"
    moved = site.patch(path, {"start_at": START + 3600, "resources": [22], "sales_resource": 22})
    assert moved.json()["items"][0]["appointment"]["resources"] == [{"id": 22}]
    assert [row["id"] for row in site.items("/v2/appointment", start_at=START + 3600, contact_id=1001)] == [
        made["id"]
    ]
    assert site.items("/v2/appointment", start_at=START) == []
    cancel = {"cancel": True, "cancellation_reason": 2, "cancellation_reason_text": "owner asked"}
    assert site.patch(path, cancel).status_code == 200
    row = site.items("/v2/appointment", id=made["id"])[0]
    assert (row["active"], row["cancellation_reason"], row["cancellation_reason_text"]) == (False, 2, "owner asked")
    assert row["start_at"] == START + 3600
    assert site.items("/v2/appointment", active=1) == []


def test_a_change_of_a_visit_needs_the_merge_patch_type(site: Caller) -> None:
    number = site.book().json()["items"][0]["appointment"]["id"]
    answer = site.patch(f"/v2/appointment/{number}", {"start_at": 1}, media="application/json")
    assert answer.status_code == 415
    assert MERGE_PATCH in complaint(answer)["text"]
    assert site.items("/v2/appointment", id=number)[0]["start_at"] == START


@pytest.mark.parametrize("field", ["contact_id", "animal_id"])
def test_a_visit_without_an_owner_or_animal_is_refused_unless_switched(site: Caller, field: str) -> None:
    refused(site.book(**{field: None}), field)
    with serving(clients=2, ownerless="accept") as caller:
        answer = caller.book(**{field: None})
        assert answer.status_code == 200
        assert answer.json()["items"][0]["appointment"][field] is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"animal_id": 1}, "animal_id"),
        ({"contact_id": 1}, "contact_id"),
        ({"type_id": 1}, "type_id"),
        ({"status_id": 77}, "status_id"),
        ({"sales_resource": 5}, "sales_resource"),
        ({"resources": [{"id": 5}]}, "resources"),
        ({"resources": [None]}, "resources"),
        ({"resources": 21}, "resources"),
        ({"start_at": "tomorrow"}, "start_at"),
        ({"start_at": None}, "start_at"),
        ({"start_at": True}, "start_at"),
        ({"start_at": 10**400}, "start_at"),
        ({"duration": 0}, "duration"),
        ({"duration": -60}, "duration"),
        ({"description": {"a": 1}}, "description"),
        ({"start_time": START}, "start_time"),
        ({"cancel": True}, "cancel"),
    ],
)
def test_a_visit_that_is_not_right_is_422_and_leaves_nothing(
    site: Caller, changes: dict[str, Any], field: str
) -> None:
    refused(site.book(**changes), field)
    assert site.items("/v2/appointment") == []


def test_owner_and_animal_need_not_belong_together(site: Caller) -> None:
    made = site.book(contact_id=1002, animal_id=5001).json()["items"][0]["appointment"]
    assert (made["contact_id"], made["animal_id"]) == (1002, 5001)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cancel": True}, "cancellation_reason"),
        ({"cancel": True, "cancellation_reason": "2"}, "cancellation_reason"),
        ({"cancel": "yes", "cancellation_reason": 2}, "cancel"),
        ({"cancellation_reason": 2}, "cancel"),
        ({"cancel": True, "cancellation_reason": 2, "cancellation_reason_text": 5}, "cancellation_reason_text"),
        ({"active": False}, "active"),
    ],
)
def test_a_cancellation_needs_all_its_parts(site: Caller, body: dict[str, Any], field: str) -> None:
    number = site.book().json()["items"][0]["appointment"]["id"]
    refused(site.patch(f"/v2/appointment/{number}", body), field)
    assert site.items("/v2/appointment", id=number)[0]["active"] is True


def test_text_is_kept_as_sent_or_cut_where_switched(site: Caller) -> None:
    text = "\x1b[31mred\x1b[0m \u0000 ü 🐕 " + "x" * 2_000_000
    number = site.book(description=text).json()["items"][0]["appointment"]["id"]
    assert site.items("/v2/appointment", id=number)[0]["description"] == text
    with serving(clients=2, description_limit=2000) as caller:
        assert len(caller.book(description="y" * 5000).json()["items"][0]["appointment"]["description"]) == 2000


# -- webhooks, limits, faults, counts, bad input, keeping


def test_a_visit_is_told_to_the_webhooks_in_the_v2_shape(site: Caller) -> None:
    with receiver() as (url, received):
        set_up = httpx.post(f"{site.simulator.control_url}/webhooks", json={"urls": [url]})
        assert set_up.json() == {"urls": [url]}
        made = site.book().json()["items"][0]["appointment"]
        told = received.get(timeout=5)
        assert told["meta"]["event"] == "appointment_created"
        assert isinstance(told["meta"]["timestamp"], int)
        assert told["items"] == [{"appointment": made}]
        site.patch(f"/v2/appointment/{made['id']}", {"cancel": True, "cancellation_reason": 1})
        told = received.get(timeout=5)
        assert told["meta"]["event"] == "appointment_updated"
        assert told["items"][0]["appointment"]["active"] is False
        refused(site.book(type_id=1), "type_id")
        assert site.simulator.outbox.wait_empty(5)
        assert received.empty()


def told(received: Queue[Any]) -> tuple[str, dict[str, Any]]:
    """Event and row of the next webhook, which has one item."""
    body = received.get(timeout=5)
    [item] = body["items"]
    [row] = item.values()
    return body["meta"]["event"], row


def test_all_that_staff_do_through_the_api_is_told(site: Caller) -> None:
    with receiver() as (url, received):
        httpx.post(f"{site.simulator.control_url}/webhooks", json={"urls": [url]})
        owner = site.post("/v1/contact", {"last_name": "Newman", "is_customer": 1}).json()["items"][0]["contact"]
        event, row = told(received)
        assert (event, row["id"], row["last_name"]) == ("contact_created", int(owner["id"]), "Newman")
        pet = site.post("/v1/animal", {"contact_id": owner["id"], "name": "Bella"}).json()["items"][0]["animal"]
        assert told(received)[0] == "animal_created"
        visit = site.book(contact_id=owner["id"], animal_id=pet["id"]).json()["items"][0]["appointment"]
        assert told(received)[0] == "appointment_created"
        for path, body, event, shown in (
            (f"/v1/contact/{owner['id']}", {"first_name": "Zoë"}, "contact_updated", {"first_name": "Zoë"}),
            (f"/v1/animal/{pet['id']}", {"is_dead": 1}, "animal_updated", {"is_dead": True}),
            (f"/v2/appointment/{visit['id']}", {"start_at": START + 600}, "appointment_updated", {"active": True}),
            (f"/v2/appointment/{visit['id']}", {"status_id": 5}, "appointment_updated", {"status_id": 5}),
            (
                f"/v2/appointment/{visit['id']}",
                {"resources": [22]},
                "appointment_updated",
                {"resources": [{"id": 22}]},
            ),
            (
                f"/v2/appointment/{visit['id']}",
                {"cancel": True, "cancellation_reason": 1},
                "appointment_updated",
                {"active": False},
            ),
        ):
            media = MERGE_PATCH if "appointment" in path else "application/json"
            assert site.patch(path, body, media).status_code == 200
            named, row = told(received)
            assert named == event
            assert {name: row[name] for name in shown} == shown


def test_webhooks_may_tell_of_visits_alone() -> None:
    with serving(clients=2, hooked=("appointment",)) as caller, receiver() as (url, received):
        httpx.post(f"{caller.simulator.control_url}/webhooks", json={"urls": [url]})
        caller.post("/v1/contact", {"last_name": "Newman"})
        caller.book()
        assert told(received)[0] == "appointment_created"
        assert caller.simulator.outbox.wait_empty(5)
        assert received.empty()


# -- what staff do beside the API


def control(site: Caller, action: str, body: Any) -> httpx.Response:
    return httpx.post(f"{site.simulator.control_url}/{action}", json=body)


def test_a_cancelled_visit_stands_again(site: Caller) -> None:
    with receiver() as (url, received):
        number = site.book().json()["items"][0]["appointment"]["id"]
        site.patch(f"/v2/appointment/{number}", {"cancel": True, "cancellation_reason": 1})
        control(site, "webhooks", {"urls": [url]})
        answer = control(site, "edit", {"kind": "appointment", "id": number, "set": {"active": True}})
        assert answer.status_code == 200
        assert answer.json()["appointment"] == site.items("/v2/appointment", id=number)[0] == told(received)[1]
        assert answer.json()["appointment"]["active"] is True


def test_a_phone_is_changed_and_found_by_its_new_number(site: Caller) -> None:
    [detail, *_] = site.items("/v2/contactdetail", contact_detail_type_id=3)
    before = site.items("/v2/contact", id=detail["contact_id"])
    later = datetime.now(UTC) + timedelta(hours=1)
    site.simulator.clock.set(later)
    control(site, "edit", {"kind": "contactdetail", "id": detail["id"], "set": {"value": "07700 900999"}})
    [found] = site.items("/v2/contactdetail", value_cleaned="447700900999")
    assert (found["id"], found["value"]) == (detail["id"], "07700 900999")
    assert found["modified_at"] >= int(later.timestamp())
    assert site.items("/v2/contact", id=detail["contact_id"]) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "separation", "id": 1, "set": {}}, 400),
        ({"kind": "contact", "id": 9999, "set": {"active": False}}, 404),
        ({"kind": "contact", "id": 1001}, 400),
        ({"kind": "contact", "id": 1001, "set": {"id": 5}}, 400),
        ({"kind": "contact", "id": 1001, "set": {"hair": "red"}}, 400),
        ({"kind": "contact", "id": 1001, "set": {"active": "maybe"}}, 400),
    ],
)
def test_an_edit_that_cannot_be_changes_nothing(site: Caller, body: Any, status: int) -> None:
    before = site.items("/v2/contact")
    answer = control(site, "edit", body)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert site.items("/v2/contact") == before


def test_two_contacts_are_merged(site: Caller) -> None:
    number = site.book().json()["items"][0]["appointment"]["id"]
    pets = site.items("/v2/animal", contact_id=1001)
    with receiver() as (url, received):
        control(site, "webhooks", {"urls": [url]})
        answer = control(site, "merge_contacts", {"from": 1001, "into": 1002})
        assert answer.json() == {"merged": 1001, "into": 1002, "moved": {"animal": len(pets), "appointment": 1}}
        events = [told(received)[0] for _ in range(len(pets) + 2)]
    assert sorted(set(events)) == ["animal_updated", "appointment_updated", "contact_updated"]
    assert site.items("/v2/contact", id=1001)[0]["active"] is False
    assert site.items("/v2/contact", id=1002)[0]["active"] is True
    assert site.items("/v2/appointment", id=number)[0]["contact_id"] == 1002
    for pet in pets:
        moved = site.items("/v2/animal", id=pet["id"])[0]
        assert (moved["contact_id"], moved["residence_contact_id"]) == (1002, 1002)
    assert site.items("/v2/animal", contact_id=1001) == []


@pytest.mark.parametrize(
    ("body", "status"), [({"from": 1001, "into": 1001}, 400), ({"from": 1001}, 404), ({"from": "x", "into": 1}, 404)]
)
def test_a_merge_that_cannot_be_changes_nothing(site: Caller, body: Any, status: int) -> None:
    before = site.items("/v2/contact")
    assert control(site, "merge_contacts", body).status_code == status
    assert site.items("/v2/contact") == before


def test_a_purged_row_is_gone_without_a_word(site: Caller) -> None:
    with receiver() as (url, received):
        control(site, "webhooks", {"urls": [url]})
        number = site.book().json()["items"][0]["appointment"]["id"]
        assert told(received)[0] == "appointment_created"
        for kind, id_ in (("appointment", number), ("animal", 5001), ("contact", 1001)):
            assert control(site, "purge", {"kind": kind, "id": id_}).status_code == 200
            assert site.items(f"/v2/{kind}", id=id_) == []
            assert control(site, "purge", {"kind": kind, "id": id_}).status_code == 404
        assert control(site, "purge", {"kind": "species", "id": 1}).status_code == 400
        assert site.book(animal_id=5002, contact_id=1002).json()["items"][0]["appointment"]["id"] > number
        assert told(received)[0] == "appointment_created"


@pytest.mark.parametrize(("fault", "answered"), [("relink_ignored", 1001), ("relink_forgotten", 1002)])
def test_a_visit_may_stay_with_its_owner(site: Caller, fault: str, answered: int) -> None:
    made = site.book().json()["items"][0]["appointment"]
    answer = httpx.post(f"{site.simulator.control_url}/faults", json={fault: 1})
    assert answer.json() == {fault: 1.0}
    body = {"contact_id": 1002, "description": "moved"}
    told = site.patch(f"/v2/appointment/{made['id']}", body).json()["items"][0]["appointment"]
    assert (told["contact_id"], told["description"]) == (answered, "moved")
    [kept] = site.items("/v2/appointment", id=made["id"])
    assert (kept["contact_id"], kept["animal_id"], kept["description"]) == (1001, 5001, "moved")
    site.simulator.faults.set({fault: 0.0})
    site.simulator.faults.arm(fault)
    site.patch(f"/v2/appointment/{made['id']}", {"contact_id": 1001, "description": "same owner"})
    site.patch(f"/v2/appointment/{made['id']}", {"contact_id": 1002})
    assert site.items("/v2/appointment", id=made["id"])[0]["contact_id"] == 1001  # the fault waited for a real change


@pytest.mark.parametrize("urls", [None, "http://x", [5], ["ftp://x/"], ["http://"], ["http://[x"]])
def test_a_webhook_address_must_be_one(site: Caller, urls: Any) -> None:
    assert httpx.post(f"{site.simulator.control_url}/webhooks", json={"urls": urls}).status_code == 400


def test_an_endpoint_takes_sixty_calls_a_minute() -> None:
    with serving(clients=2, limits="real") as caller:
        for left in range(59, -1, -1):
            answer = caller.http.get("/v1/contact" if left % 2 else "/v1/contact/1001")
            assert answer.status_code == 200
            assert answer.headers["x-ratelimit-remaining"] == str(left)
        answer = caller.http.get("/v1/contact")
        assert answer.status_code == 429
        assert answer.headers["x-ratelimit-remaining"] == "0"
        wait = int(answer.headers["x-ratelimit-reset"])
        assert 0 < wait <= 60
        assert f"{wait} seconds" in complaint(answer)["text"]
        assert "retry-after" not in answer.headers
        assert caller.http.get("/v2/contact").status_code == 200


def test_the_database_takes_180_calls_a_minute() -> None:
    with serving(clients=2, limits="real") as caller:  # the token was the first call
        paths = ["/v1/contact", "/v2/animal", "/v2/appointment", "/v1/resource"]
        statuses = [caller.http.get(paths[place % 4]).status_code for place in range(180)]
        assert statuses == [200] * 179 + [429]


def test_a_write_may_be_done_without_an_answer(site: Caller) -> None:
    site.simulator.faults.arm("drop_after_commit")
    with pytest.raises(httpx.TransportError):
        site.book()
    site.simulator.faults.arm("5xx_after")
    assert site.book().status_code == 500
    site.simulator.faults.arm("5xx_before")
    assert site.book().status_code == 500
    assert len(site.items("/v2/appointment")) == 2


def test_writes_and_tokens_are_counted_apart_and_nobody_is_messaged(site: Caller) -> None:
    site.book()
    site.book(type_id=1)
    site.post("/v1/contact", {"last_name": "Smith"})
    counts = site.simulator.counts()
    assert (counts["tokens"], counts["writes"], counts["notices"], counts["own"]) == (1, 2, 0, 0)
    assert counts["requests"]["POST /v2/appointment"] == 2


@pytest.mark.parametrize(
    ("send", "status"),
    [
        (lambda http: http.post("/v1/contact", content=b"{", headers={"Content-Type": "application/json"}), 400),
        (
            lambda http: http.post("/v1/contact", content=b"\xff\xfe", headers={"Content-Type": "application/json"}),
            400,
        ),
        (lambda http: http.post("/v1/contact", json=["Smith"]), 400),
        (lambda http: http.post("/v1/contact", data={"last_name": "Smith"}), 415),
        (lambda http: http.post("/v1/oauth/access_token", content=b"\xff" * 100_000), 400),
        (lambda http: http.post("/v1/oauth/access_token", content=b"a=1&" * 1000), 400),
        (lambda http: http.delete("/v1/animal/5001"), 405),
        (lambda http: http.get("/v1/contact/../../etc/passwd"), 404),
        (lambda http: http.get("/%ff%fe"), 404),
    ],
)
def test_bad_input_is_refused_in_the_vendors_form(
    site: Caller, send: Callable[[httpx.Client], httpx.Response], status: int
) -> None:
    answer = send(site.http)
    assert answer.status_code == status, answer.text
    complaint(answer)
    assert site.http.get("/v1/contact").status_code == 200


def test_a_kept_store_is_served_again(tmp_path: Path) -> None:
    with serving(clients=5, data=tmp_path) as caller:
        credentials, port = caller.simulator.credentials, caller.simulator.base_url
        number = caller.book().json()["items"][0]["appointment"]["id"]
        new = caller.post("/v1/contact", {"last_name": "Smith"}).json()["items"][0]["contact"]["id"]
    store = open_store(tmp_path)
    assert store.find("contact", _seed=1)[0]["id"] == 1001
    assert store.find("animal", _placeholder=True)[0]["id"] == PLACEHOLDER_ANIMAL
    assert [row["contact_id"] for row in store.all("appointment")] == [1001]
    store.close()
    with serving(data=tmp_path) as caller:
        assert (caller.simulator.credentials, caller.simulator.base_url) == (credentials, port)
        assert caller.items("/v2/appointment")[0]["id"] == number
        assert caller.items(f"/v1/contact/{new}")[0]["last_name"] == "Smith"
