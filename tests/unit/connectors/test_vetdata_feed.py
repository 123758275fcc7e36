"""`vetdata` on its simulated feed: who asks, owners by share, tombstones that show late, and a feed that is odd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.vetdata import plugin
from connectors.vetdata.connector import VetData
from connectors.vetdata.options import VetDataOptions
from connectors.vetdata.simulator import GRANT, INSTALLATION, VetDataFeed
from vetbridge.connector.interface import Check, Found, Native
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import AuthFailed, BadAnswer, Refused, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.practice import KeptPet
from vetbridge.testing.simkit import Response

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOUR = 3600.0


class Odd(VetDataFeed):
    """A feed whose rows a test may turn."""

    turn: Callable[[str, list[Native]], list[Native]] = staticmethod(lambda entity, rows: rows)

    def _shown(self, entity: str) -> list[Native]:
        return self.turn(entity, [dict(row) for row in super()._shown(entity)])


class Stage:
    """A practice of six clients, its feed, and accounts of it, all by one clock."""

    def __init__(self, feed: Odd, clock: FakeClock) -> None:
        self.feed = feed
        self.clock = clock
        self.practice = feed.practice
        self.opened: list[VetData] = []

    def account(self, **options: Any) -> VetData:
        credentials = {**self.feed.credentials, "password": Secret.of(self.feed.credentials["password"])}
        given = {
            "base_url": self.feed.base_url,
            "auth_url": self.feed.base_url,
            "page_size": 4,
            **credentials,
            **options,
        }
        environment = Environment(account="feed", zone="Europe/London", clock=self.clock, limit_scale=1000)
        made = plugin.build(VetDataOptions(**given), environment)
        assert isinstance(made, VetData)
        self.opened.append(made)
        return made

    def pets(self) -> list[KeptPet]:
        return list(self.practice.pets())

    def client(self) -> str:
        return self.practice.register_client(given_name="Ana", family_name="Kos", phones=("01",)).id


@contextmanager
def staged() -> Iterator[Stage]:
    clock = FakeClock(NOW)
    feed = Odd(clients=6, seed=3, clock=clock)
    stage = Stage(feed, clock)
    with feed:
        yield stage
        for account in stage.opened:
            account.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


def walked(account: VetData, kind: Kind, since: str | None = None) -> tuple[dict[str, Found], str]:
    found: dict[str, Found] = {}
    cursor = ""
    for page in account.changes(kind, since):
        found |= {each.id: each for each in page.records}
        cursor = page.cursor
    return found, cursor


def native_of(found: Found) -> Native:
    assert found.native is not None
    return found.native


def line(account: VetData, name: str) -> list[Check]:
    return [each for each in account.check().lines if each.name == name]


# -- who asks


def test_a_token_is_asked_for_once_and_again_when_it_is_refused(stage: Stage) -> None:
    account = stage.account()
    walked(account, Kind.CLIENT)
    assert stage.feed.counts()["tokens"] == 1
    stage.feed._tokens.clear()
    walked(account, Kind.CLIENT)
    assert stage.feed.counts()["tokens"] == 2


def test_the_token_s_form_is_the_one_that_clients_of_the_feed_send(stage: Stage) -> None:
    asked: list[dict[str, str]] = []
    take = stage.feed._token

    def heard(request: Any) -> Any:
        asked.append({name: value for pair in request.body.decode().split("&") for name, value in [pair.split("=")]})
        return take(request)

    stage.feed._routes[:] = [
        route if route.template != "/oauth/token" else type(route)("POST", route.template, heard, access="anybody")
        for route in stage.feed._routes
    ]
    for code in ("Vetdata", ""):
        walked(stage.account(product_code=code), Kind.CLIENT)
    with_code, without = asked
    assert with_code.pop("covetrus_product_code") == "Vetdata"
    assert set(with_code) == {"grant_type", "client_id", "audience", "username", "password", "realm"} == set(without)
    assert with_code["realm"] == "PartnersDB"
    assert GRANT.rpartition("/")[2] in with_code["grant_type"]


def test_user_and_password_do_without_a_token(stage: Stage) -> None:
    assert walked(stage.account(auth="basic", client_id=None), Kind.CLIENT)[0]
    assert stage.feed.counts()["tokens"] == 0


def test_another_installation_is_told_with_those_that_the_account_shows(stage: Stage) -> None:
    other = stage.account(installation="99999999-90ab-cdef-1234-567890abcdef")
    [told, *_] = line(other, "installation")
    assert not told.ok
    assert str(INSTALLATION) in told.text
    assert stage.feed.pms in told.text
    with pytest.raises(AuthFailed):
        walked(other, Kind.CLIENT)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"installation": "the clinic"}, "GUID"),
        ({"client_id": None}, "client_id"),
        ({"base_url": "http://api.vetdata.net"}, "https"),
        ({"due_after_days": {"RAB": 365}}, "RAB"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, Any], words: str) -> None:
    given = {"installation": str(INSTALLATION), "username": "u", "password": Secret.of("p"), "client_id": "c"}
    with pytest.raises(ValidationError, match=words):
        VetDataOptions(**{**given, **options})


# -- owners by share


def test_a_share_alone_makes_its_pet_come_again(stage: Stage) -> None:
    account = stage.account()
    _, cursor = walked(account, Kind.PET)
    stage.clock.advance(72 * HOUR)
    pet, other = stage.pets()[0], stage.client()
    stage.practice.share(pet.id, other, 40)
    found, cursor = walked(account, Kind.PET, cursor)
    told = native_of(found[pet.id])
    assert (told["client_id"], told["co_owner_ids"]) == (pet.client_id, [other])
    assert [each["id"] for each in account.search(Kind.PET, {"client_id": other})] == [pet.id]
    stage.clock.advance(72 * HOUR)
    stage.practice.share(pet.id, other, 0)
    found, _ = walked(account, Kind.PET, cursor)
    assert native_of(found[pet.id])["co_owner_ids"] == []
    assert list(account.search(Kind.PET, {"client_id": other})) == []


def test_a_share_that_cannot_be_read_hides_its_own_pet_alone(stage: Stage) -> None:
    pet = stage.pets()[0]

    def turn(entity: str, rows: list[Native]) -> list[Native]:
        for row in rows:
            if entity == "ClientPatientRelationships" and row["PatientPmsId"] == pet.id:
                row["Percentage"] = "half"
        return rows

    stage.feed.turn = turn
    account = stage.account()
    found, _ = walked(account, Kind.PET)
    assert [each.id for each in found.values() if each.native is None] == [pet.id]
    with pytest.raises(BadAnswer, match="Percentage"):
        account.get(Kind.PET, pet.id)


# -- what is gone


def test_a_merged_client_is_told_as_removed_and_answered_as_inactive(stage: Stage) -> None:
    account = stage.account()
    _, cursor = walked(account, Kind.CLIENT)
    left, kept, *_ = stage.practice.clients()
    stage.practice.merge(left.id, kept.id)
    found, _ = walked(account, Kind.CLIENT, cursor)
    assert found[left.id].deleted
    assert native_of(found[left.id])["active"] is False
    answered = account.get(Kind.CLIENT, left.id)
    assert answered is not None
    assert answered["active"] is False
    assert left.id not in walked(account, Kind.CLIENT)[0]


def test_a_removal_that_shows_two_days_late_is_told(stage: Stage) -> None:
    account = stage.account()
    stage.feed.feed_delay = 48 * HOUR
    stage.clock.advance(72 * HOUR)
    gone, cursor = stage.practice.clients()[0].id, ""
    _, cursor = walked(account, Kind.CLIENT)
    stage.practice.erase(Kind.CLIENT, gone)
    told: list[int] = []
    for polled in range(52):
        new = stage.client() if polled % 7 == 0 else None
        found, cursor = walked(account, Kind.CLIENT, cursor)
        assert new is None or new not in found
        told += [polled] if gone in found and found[gone].deleted else []
        stage.clock.advance(HOUR)
    assert told == [48]


def test_what_shows_late_is_told_although_all_else_shows_at_once(stage: Stage) -> None:
    account = stage.account()
    late = stage.practice.clients()[0].id
    stage.clock.advance(72 * HOUR)
    happened = stage.clock.now()
    _, cursor = walked(account, Kind.CLIENT)

    def turn(entity: str, rows: list[Native]) -> list[Native]:
        shown = stage.clock.now() >= happened + timedelta(hours=48)
        for row in rows:
            if entity == "Clients" and row["PmsId"] == late and shown:
                row["APIRemovedDate"] = happened.replace(tzinfo=None).isoformat()
        return rows

    stage.feed.turn = turn
    told = []
    for _ in range(17):
        stage.clock.advance(3 * HOUR)
        stage.client()
        found, cursor = walked(account, Kind.CLIENT, cursor)
        told += [each for each in found.values() if each.deleted]
    assert {each.id for each in told} == {late}


def test_a_row_that_takes_the_place_of_a_removed_one_is_the_record(stage: Stage) -> None:
    account = stage.account()
    mine = stage.practice.clients()[0].id
    _, cursor = walked(account, Kind.CLIENT)

    def turn(entity: str, rows: list[Native]) -> list[Native]:
        for row in [each for each in rows if entity == "Clients" and each["PmsId"] == mine]:
            rows.append({**row, "Id": row["Id"] + 10_000, "LastName": "Anew", "APICreateDate": "2026-11-22T00:00:00"})
            row["APIRemovedDate"] = "2026-11-22T00:00:00"
        return rows

    stage.feed.turn = turn
    for found in (walked(account, Kind.CLIENT, cursor)[0], walked(account, Kind.CLIENT)[0]):
        assert not found[mine].deleted
        assert native_of(found[mine])["last_name"] == "Anew"
    answered = account.get(Kind.CLIENT, mine)
    assert answered is not None
    assert answered["last_name"] == "Anew"


def test_a_client_with_another_number_comes_under_it(stage: Stage) -> None:
    account = stage.account()
    old = stage.practice.clients()[0].id
    _, cursor = walked(account, Kind.CLIENT)
    _, of_pets = walked(account, Kind.PET)
    stage.practice.renumber(old, "9017")
    assert "9017" in walked(account, Kind.CLIENT, cursor)[0]
    answered = account.get(Kind.CLIENT, old)
    assert answered is None or answered["active"] is False
    owners = {native_of(each)["client_id"] for each in walked(account, Kind.PET, of_pets)[0].values()}
    assert "9017" in owners
    assert old not in owners


# -- cursors


@pytest.mark.parametrize("ahead", [timedelta(days=3650), timedelta(days=1)])
def test_a_date_that_is_ahead_hides_no_change(stage: Stage, ahead: timedelta) -> None:
    def turn(entity: str, rows: list[Native]) -> list[Native]:
        rows[0]["APILastChangeDate"] = (NOW + ahead).replace(tzinfo=None).isoformat()
        return rows

    stage.feed.turn = turn
    account = stage.account(overlap_hours=0)
    _, cursor = walked(account, Kind.CLIENT)
    stage.clock.advance(HOUR)
    new = stage.client()
    assert new in walked(account, Kind.CLIENT, cursor)[0]


def test_a_walk_that_is_not_whole_moves_no_cursor(stage: Stage) -> None:
    account = stage.account()
    _, cursor = walked(account, Kind.CLIENT)
    stage.clock.advance(96 * HOUR)
    new = [stage.client() for _ in range(3)]

    def turn(entity: str, rows: list[Native]) -> list[Native]:
        for row in rows:
            if row["PmsId"] == new[1]:
                del row["LastName"]
        return rows

    stage.feed.turn = turn
    found, after = walked(account, Kind.CLIENT, cursor)
    assert (found[new[1]].native, after) == (None, cursor)
    del stage.feed.turn
    found, after = walked(account, Kind.CLIENT, after)
    assert native_of(found[new[1]])["last_name"] == "Kos"
    assert after != cursor


def test_other_vaccine_codes_are_looked_for_from_the_beginning(stage: Stage) -> None:
    pet = stage.pets()[0].id
    for code in ("RAB", "DHP", "NAIL"):
        stage.practice.vaccinate(pet_id=pet, code=code, description=code)
    found, cursor = walked(stage.account(vaccines={"codes": ["RAB"]}), Kind.VACCINATION)
    assert [native_of(each)["code"] for each in found.values()] == ["RAB"]
    stage.clock.advance(96 * HOUR)
    more = stage.account(vaccines={"codes": ["RAB", "DHP"]})
    found, cursor = walked(more, Kind.VACCINATION, cursor)
    assert sorted(native_of(each)["code"] for each in found.values()) == ["DHP", "RAB"]
    stage.clock.advance(96 * HOUR)
    assert walked(more, Kind.VACCINATION, cursor)[0].keys() <= found.keys()


def test_vaccines_are_found_by_their_category(stage: Stage) -> None:
    stage.practice.vaccinate(pet_id=stage.pets()[0].id, code="RAB", description="Rabies")
    for category in ("VACC", "Vaccinations"):
        account = stage.account(vaccines={"categories": [category]}, due_after_days={"RAB": 30})
        [shot] = walked(account, Kind.VACCINATION)[0].values()
        assert native_of(shot)["description"] == "Rabies"
    with pytest.raises(BadAnswer, match=r"vaccines\.codes"):
        walked(stage.account(vaccines={"categories": ["GROOM"]}), Kind.VACCINATION)


@pytest.mark.parametrize(("status", "code"), [(403, "right-missing"), (404, "not-supported")])
def test_bookings_do_not_wait_for_what_is_billed(stage: Stage, status: int, code: str) -> None:
    stage.feed.route("GET", "/v2/Transactions", lambda request: Response(status, {}))
    account = stage.account(vaccines={"codes": ["RAB"]})
    with pytest.raises(Refused) as refusal:
        walked(account, Kind.VACCINATION)
    assert refusal.value.code == code
    assert [each.ok for each in line(account, "vaccines")] == [False]
    assert walked(account, Kind.CLIENT)[0]


def test_many_pets_are_asked_for_in_parts(stage: Stage) -> None:
    account = stage.account(page_size=500)
    owner = stage.client()
    made = [stage.practice.register_pet(client_id=owner, name=f"Pet {number}").id for number in range(70)]
    found = [each["id"] for each in account.search(Kind.PET, {"client_id": owner})]
    assert sorted(found) == sorted(made)


def test_a_poll_tells_what_is_otherwise_there_than_the_last_one_saw_it(stage: Stage) -> None:
    account = stage.account()
    _, cursor = walked(account, Kind.PET)
    found, cursor = walked(account, Kind.PET, cursor)
    assert found == {}
    pet = stage.practice.change_pet(stage.pets()[0].id, name="Otherwise").id
    found, after = walked(account, Kind.PET, cursor)
    assert set(found) == {pet}
    assert walked(account, Kind.PET, after)[0] == {}
    assert pet in walked(account, Kind.PET, cursor)[0], "what was told for nothing is told again"
    assert pet in walked(stage.account(), Kind.PET, after)[0], "after a restart nothing is known of it"


def test_a_share_that_changes_while_pets_are_read_is_told(stage: Stage) -> None:
    account = stage.account(page_size=200)
    _, cursor = walked(account, Kind.PET)
    pet, other = stage.pets()[0].id, stage.client()
    stage.practice.change_pet(pet, name="Otherwise")
    pages = account.changes(Kind.PET, cursor)
    [first] = next(pages).records
    assert native_of(first)["co_owner_ids"] == []
    stage.practice.share(pet, other, 30)
    [second] = [each for page in pages for each in page.records]
    assert native_of(second)["co_owner_ids"] == [other]


# -- a feed that is odd


METADATA = """<?xml version="1.0"?>
<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices>
<Schema Namespace="Made.Up" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">
<EntityType Name="Visit"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Guid"/></EntityType>
<EntityContainer Name="All"><EntitySet Name="MadeUpVisits" EntityType="Made.Up.Visit"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"""


def test_what_a_feed_says_of_itself_is_told_where_it_says_anything(stage: Stage) -> None:
    account = stage.account()
    with pytest.raises(Unavailable) as refusal:
        account.entity_sets()
    assert refusal.value.code == "no-metadata"
    told = Response(200, raw=METADATA.encode(), media_type="application/xml")
    stage.feed.route("GET", "/v2/$metadata", lambda request: told)
    [visits] = account.entity_sets()
    assert (visits.name, [each.path for each in visits.properties]) == ("MadeUpVisits", ["Id"])
    with pytest.raises(AuthFailed):
        stage.account(installation="99999999-90ab-cdef-1234-567890abcdef").entity_sets()


def test_rows_without_a_number_of_the_practice_are_left_out_and_told(stage: Stage) -> None:
    def turn(entity: str, rows: list[Native]) -> list[Native]:
        if entity == "Clients":
            rows[0]["PmsId"] = None
        return rows

    stage.feed.turn = turn
    account = stage.account()
    *_, last = account.changes(Kind.CLIENT, None)
    assert last.total == 5
    assert len(walked(account, Kind.CLIENT)[0]) == 5
    told, *_ = line(account, "read Clients")
    assert "1 of 6 rows have no PmsId" in told.text
    assert told.warning


def test_numbers_of_another_form_than_filters_have_them_are_told(stage: Stage) -> None:
    def turn(entity: str, rows: list[Native]) -> list[Native]:
        return [{name: int(told) if name.endswith("PmsId") else told for name, told in row.items()} for row in rows]

    stage.feed.turn = turn
    account = stage.account()
    assert [each.advice for each in line(account, "read Clients") if not each.ok] == ["set numeric_keys: true"]
    right = stage.account(numeric_keys=True)
    assert right.check().ok
    mine = stage.practice.clients()[0].id
    answered = right.get(Kind.CLIENT, mine)
    assert answered is not None
    assert answered["id"] == mine
    assert right.get(Kind.CLIENT, "no-number") is None


def test_a_feed_that_expands_nothing_is_told_and_read_without_contacts(stage: Stage) -> None:
    stage.feed.expands = False
    told, *_ = line(stage.account(), "read Clients")
    assert "phones" in told.text
    assert "expand: false" in told.advice
    account = stage.account(expand=False)
    assert account.check().ok
    assert all(native_of(each)["phones"] == [] for each in walked(account, Kind.CLIENT)[0].values())


def test_a_feed_that_ignores_filters_is_noticed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    account = stage.account()
    _, cursor = walked(account, Kind.CLIENT)
    stage.clock.advance(HOUR * 24 * 400)
    monkeypatch.setattr("connectors.vetdata.simulator._Filter.predicate", lambda self: lambda row: True)
    stage.practice.vaccinate(pet_id=stage.pets()[0].id, code="NAIL", description="Nails")
    billed = stage.account(vaccines={"codes": ["RAB"]})
    late = cursor.replace("2026-01", "2026-11")
    for read in (
        lambda: walked(account, Kind.CLIENT, late),
        lambda: account.get(Kind.CLIENT, "1"),
        lambda: walked(billed, Kind.VACCINATION),
    ):
        with pytest.raises(BadAnswer) as refusal:
            read()
        assert refusal.value.code == "filter-ignored"


def test_a_page_of_which_nothing_can_be_read_is_no_page(stage: Stage) -> None:
    def turn(entity: str, rows: list[Native]) -> list[Native]:
        return [{**row, "Inactive": "perhaps"} for row in rows]

    stage.feed.turn = turn
    account = stage.account(page_size=6)
    with pytest.raises(BadAnswer, match="Inactive"):
        walked(account, Kind.CLIENT)
    assert not account.check().ok


def test_a_number_with_a_quote_is_asked_for_as_it_is(stage: Stage) -> None:
    mine = stage.practice.clients()[0].id

    def turn(entity: str, rows: list[Native]) -> list[Native]:
        return [{**row, "PmsId": "O'Neil or 1 eq 1"} if row["PmsId"] == mine else row for row in rows]

    stage.feed.turn = turn
    account = stage.account()
    answered = account.get(Kind.CLIENT, "O'Neil or 1 eq 1")
    assert answered is not None
    assert answered["id"] == "O'Neil or 1 eq 1"


def test_code_lists_are_what_patients_bear_and_what_is_known(stage: Stage) -> None:
    stage.practice.change_pet(stage.pets()[0].id, species="CAMELID")
    lists = stage.account().code_lists()
    assert lists["species"]["CAMELID"] == "Camelid"
    assert lists["species"]["AVIAN"] == "Avian"
    assert lists["sex"] == {"M": "Male", "F": "Female", "N": "Neutered", "S": "Spayed"}


@pytest.mark.parametrize(
    "condition",
    [
        "contains(LastName,'a')",
        "Phones/any(p: p/Number eq '1')",
        "LastName ne 'a'",
        "Nobody eq 1",
        "LastName eq 5",
        "APICreateDate ge 2026-01-01T00:00:00Z",
        "(" * 60 + "Id eq 1" + ")" * 60,
        "Id eq",
        "Id eq 1 and",
        "Id eq 1)",
        "'",
    ],
)
def test_the_simulated_feed_takes_no_more_than_clients_were_seen_to_send(stage: Stage, condition: str) -> None:
    account = stage.account()
    with pytest.raises(Refused) as refusal:
        account._door.read("/v2/Clients", {"$filter": condition})
    assert refusal.value.code == "bad-request"
