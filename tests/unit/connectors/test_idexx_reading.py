"""``idexx_data_services``: what is asked of the service, and what is made of its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from connectors.idexx_data_services import plugin
from connectors.idexx_data_services.connector import Idexx
from connectors.idexx_data_services.options import IdexxOptions
from connectors.idexx_data_services.profile import IdexxProfile
from tests.unit.connectors.rest_api import Api, Asked, changed, serving
from vetbridge.connector.interface import Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.profiles import load_profile
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import AuthFailed, BadAnswer, ConfigError, Refused, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock

BASE = "https://service.example"
TOKEN = {"access_token": "t1", "expires_in": 3600}
OWNER = {
    "Id": "c'1",
    "Last": "Fox",
    "Tel": ["07911 123456"],
    "Made": "2026-01-01T00:00:00Z",
    "Moved": None,
    "Site": 12,
}
PROFILE: dict[str, Any] = {
    "title": "a site",
    "proven": "a test",
    "kinds": {
        "client": {
            "entity": "Owners",
            "changed": {"properties": ["Made", "Moved"], "overlap": 60},
            "fields": {"id": "Id", "family_name": "Last", "phones": "Tel"},
        },
        "pet": {
            "entity": "v1/Animals",
            "plain": ["id"],
            "owners": {"list": "Owned", "client_id": "By", "percent": "Share", "primary": "First"},
            "fields": {"id": "No", "client_id": {"column": "Owner", "optional": True}, "name": "Name"},
        },
    },
}


def connected(folder: Path, profile: Mapping[str, Any] | None = PROFILE, **options: Any) -> Idexx:
    """The connector of an account with this profile."""
    if profile is not None:
        path = folder / "site.yaml"
        path.write_text(json.dumps(dict(profile)), encoding="utf-8")  # JSON is YAML, too
        options["profile"] = path
    given = {"base_url": BASE, "user": Secret.of("u s"), "password": Secret.of("p&w"), "site_id": "12", **options}
    environment = Environment(
        account="idexx-city", zone="Europe/London", country="GB", clock=FakeClock(), limit_scale=1e6, timeout=5.0
    )
    built = plugin.build(IdexxOptions.model_validate(given), environment)
    assert isinstance(built, Idexx)
    return built


def answering(monkeypatch: pytest.MonkeyPatch, **sets: list[dict[str, Any]]) -> Api:
    """A service whose sets are answered as they are, whatever is asked."""

    def answer(asked: Asked) -> Any:
        if asked.url.endswith("/token"):
            return TOKEN
        rows = sets.get(asked.url.rpartition("/")[2], [])
        begin = int(asked.query.get("$skip", 0))
        return {"value": rows[begin : begin + int(asked.query["$top"])]}

    return serving(monkeypatch, answer)


def test_a_token_is_asked_for_by_user_and_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = answering(monkeypatch, Owners=[OWNER])
    connector = connected(tmp_path, token_path="/token")
    assert connector.get(Kind.CLIENT, "c'1") is not None
    token, read = api.asked
    assert token.url == f"{BASE}/token"
    assert parse_qs(token.body.decode()) == {"grant_type": ["password"], "username": ["u s"], "password": ["p&w"]}
    assert read.headers["Authorization"] == "Bearer t1"
    connector.get(Kind.CLIENT, "c'1")
    assert len(api.asked) == 3, "it is shared"


def test_a_token_that_ended_is_asked_for_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter("abc")

    def answer(asked: Asked) -> Any:
        if asked.url.endswith("/token"):
            return {**TOKEN, "access_token": next(tokens)}
        return {"value": [OWNER]} if asked.headers["Authorization"] == "Bearer b" else (401, None)

    serving(monkeypatch, answer)
    assert connected(tmp_path).get(Kind.CLIENT, "c'1") is not None


@pytest.mark.parametrize("told", [(200, {}), (200, {"access_token": ""}), (200, ["t"]), (400, None), (401, None)])
def test_no_token_is_wrong_credentials(told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, lambda asked: told)
    connector = connected(tmp_path)
    with pytest.raises(AuthFailed) as caught:
        connector.get(Kind.CLIENT, "1")
    assert not {"u s", "p&w"} & {str(caught.value)}
    assert not connector.check().ok


def test_only_what_the_service_is_known_to_take_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = answering(monkeypatch, Owners=[OWNER])
    connector = connected(tmp_path)
    list(connector.changes(Kind.CLIENT, None))
    list(connector.changes(Kind.CLIENT, "2025-12-31T00:00:00+00:00"))
    connector.get(Kind.CLIENT, "c'1")
    options = {name for asked in api.asked for name in asked.query}
    assert options == {"$top", "$skip", "$filter"}
    [*_, poll, one] = [asked.query["$filter"] for asked in api.asked if "$filter" in asked.query]
    # Half an hour and five minutes, as reads follow: more than the profile's overlap.
    assert poll == "(Made ge 2025-12-30T23:25:00Z) or (Moved ge 2025-12-30T23:25:00Z)"
    assert one == "Id eq 'c''1'"


def test_keys_that_are_numbers_stand_without_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = answering(monkeypatch, Animals=[{"No": 7, "Name": "Bella", "Owner": 3, "Owned": []}])
    connector = connected(tmp_path, odata_path="/batch/{site_id}")
    assert connector.get(Kind.PET, "7 or 1 eq 1") is None
    assert connector.get(Kind.PET, "7") == {**connector.get(Kind.PET, "7")}  # type: ignore[dict-item]
    assert api.asked[-1].url == f"{BASE}/batch/12/v1/Animals"
    assert api.asked[-1].query["$filter"] == "No eq 7"
    assert len(api.asked) == 3, "what is no number is not asked for"


@pytest.mark.parametrize(
    ("row", "owner", "others"),
    [
        ([("9", 40, False), ("2", 60, False)], "2", ["9"]),
        ([("9", 50, False), ("2", 50, False)], "2", ["9"]),
        ([("9", 10, True), ("2", 60, False), ("5", 30, False)], "9", ["2", "5"]),
        ([("9", None, None), (None, 60, False)], "9", []),
        ([("9", "60", False), ("9", 10, False)], "9", []),
    ],
)
def test_owners_are_told_by_their_shares(
    row: list[tuple[Any, Any, Any]], owner: str, others: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned = [{"By": by, "Share": share, "First": first} for by, share, first in row]
    answering(monkeypatch, Animals=[{"No": 7, "Name": "Bella", "Owned": owned}])
    native = connected(tmp_path).get(Kind.PET, "7")
    assert native is not None
    assert (native["client_id"], native["co_owner_ids"]) == (owner, others)


def test_the_owner_that_the_row_names_is_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owned = [{"By": "2", "Share": 60, "First": True}, {"By": "9", "Share": 40, "First": False}]
    answering(monkeypatch, Animals=[{"No": 7, "Name": "Bella", "Owner": "9", "Owned": owned}])
    native = connected(tmp_path).get(Kind.PET, "7")
    assert native is not None
    assert (native["client_id"], native["co_owner_ids"]) == ("9", ["2"])


def test_rows_of_another_site_are_never_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = changed(PROFILE, kinds__client__site="Site")
    api = answering(monkeypatch, Owners=[OWNER])
    list(connected(tmp_path, profile).changes(Kind.CLIENT, None))
    assert api.asked[-1].query["$filter"] == "Site eq '12'"
    numbers = changed(profile, kinds__client__plain=["site"])
    list(connected(tmp_path, numbers).changes(Kind.CLIENT, None))
    assert api.asked[-1].query["$filter"] == "Site eq 12"
    answering(monkeypatch, Owners=[OWNER, {**OWNER, "Id": "other", "Site": 13}])
    connector = connected(tmp_path, profile)
    with pytest.raises(BadAnswer) as caught:
        list(connector.changes(Kind.CLIENT, None))
    assert caught.value.code == "filter-ignored"
    with pytest.raises(BadAnswer):
        connector.get(Kind.CLIENT, "other")


def test_a_filter_that_does_not_filter_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, Owners=[OWNER])
    connector = connected(tmp_path)
    for ask in (
        lambda: list(connector.changes(Kind.CLIENT, "2026-02-01T00:00:00+00:00")),
        lambda: connector.get(Kind.CLIENT, "somebody-else"),
    ):
        with pytest.raises(BadAnswer) as caught:
            ask()
        assert caught.value.code == "filter-ignored"


def test_a_version_moves_with_what_the_row_says_of_its_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = set()
    for moved in (None, "2026-03-01T10:00:00Z", "2026-03-01T10:05:00Z"):
        answering(monkeypatch, Owners=[{**OWNER, "Moved": moved}])
        versions.add((connected(tmp_path).get(Kind.CLIENT, "c'1") or {})["version"])
    assert len(versions) == 3


def test_a_set_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, lambda asked: TOKEN if asked.url.endswith("/token") else (404, None))
    with pytest.raises(Unavailable) as caught:
        connected(tmp_path).get(Kind.CLIENT, "1")
    assert caught.value.code == "no-such-set"
    assert "Owners" in str(caught.value)


@pytest.mark.parametrize(
    "row",
    [
        {"Id": "1"},
        {**OWNER, "Last": {"a": 1}},
        {**OWNER, "Tel": [{"a": 1}]},
        {**OWNER, "Last": "x" * 200_000},
    ],
)
def test_rows_that_cannot_be_read_name_the_property_and_no_value(
    row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Owners=[{**row, "Id": "1"}])
    with pytest.raises(BadAnswer) as caught:
        connected(tmp_path).get(Kind.CLIENT, "1")
    assert "Last" in str(caught.value) or "Tel" in str(caught.value)
    assert "07911" not in str(caught.value)
    assert "xxx" not in str(caught.value)


def test_an_account_without_a_profile_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = answering(monkeypatch)
    connector = connected(tmp_path, None)
    assert not connector.capabilities.kinds
    for ask in (
        lambda: connector.get(Kind.CLIENT, "1"),
        lambda: list(connector.changes(Kind.CLIENT, None)),
        lambda: connector.apply(Write(operation=Operation.CREATE, kind=Kind.APPOINTMENT, id=None, native={})),
        lambda: list(connector.content("1")),
        connector.code_lists,
    ):
        with pytest.raises(Refused, match="odata discover"):
            ask()
    assert not api.asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kinds__client__fields__id": {"all": ["A", "B"]}}, "fields.id"),
        ({"kinds__client__plain": ["family_name"]}, "family_name is no key"),
        ({"kinds__client__owners": PROFILE["kinds"]["pet"]["owners"]}, "only a pet has owners"),
        ({"kinds__pet__search": {"phone": {"properties": ["P"]}}}, "only clients"),
        ({"kinds__client__search": {"email": {"properties": ["P"]}}}, "fields.emails"),
        ({"kinds__client__deletions_visible": True}, "deleted_when"),
        ({"kinds__client__entity": "../Owners"}, "entity"),
        ({"kinds__client__fields__family_name": "Last eq Last or 1"}, "no property can be called"),
        ({"kinds__client__changed": {"properties": ["a b"]}}, "changed"),
        ({"writes": {"log": {"path": "/x", "fields": {"client_id": "A", "text": "A/B"}}}}, "A holds a value"),
        ({"writes": {"log": {"path": "x", "fields": {"client_id": "A", "text": "B"}}}}, "path"),
        ({"writes": {"log": {"path": "/x", "fields": {"client_id": "A", "words": "B"}}}}, "nothing is told by words"),
        ({"attachment": {"entity": "D", "content": "U", "fields": {"id": "I", "name": "N"}}}, "client_id or pet_id"),
    ],
)
def test_a_profile_that_cannot_be_so_says_why(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(json.dumps(changed(PROFILE, **changes)), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_profile(IdexxProfile, path, "idexx_data_services")
    assert said in str(caught.value)


def test_writes_that_the_profile_does_not_have_are_no_options(tmp_path: Path) -> None:
    visits = {
        "entity": "Visits",
        "fields": {"id": "Id", "start": "At", "end": "Till", "client_id": "C", "pet_id": "P", "notes": "N"},
    }
    profile = changed(PROFILE, kinds__appointment=visits)
    with pytest.raises(ValidationError, match="set writes to handed"):
        connected(tmp_path, profile)
    able = connected(tmp_path, profile, writes="handed").capabilities.of(Kind.APPOINTMENT)
    assert able.handed == {Operation.CREATE, Operation.UPDATE, Operation.CANCEL}
    assert not able.needs, "staff enter the patient, too"
