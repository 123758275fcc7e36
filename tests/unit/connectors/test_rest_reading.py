"""What `rest` makes of an API's lists and records: who asks, pages, filters, searches, times, refusals."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from tests.unit.connectors.rest_api import BASE, CLIENT, PROFILE, VISIT, Asked, changed, connected, serving
from vetbridge.connector.http import Answer
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    RateLimited,
    Refused,
    SlotTaken,
    Stale,
    Unavailable,
    VetBridgeError,
)
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock

MANY = [{**CLIENT, "id": f"c{number}"} for number in range(1, 8)]


def ids(pages: Any) -> list[str]:
    return [found.id for page in pages for found in page.records]


# -- who asks


def test_each_kind_of_proof_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    basic = base64.b64encode(b"ann:s3cret").decode()
    for auth, secrets, header in (
        ({"kind": "none"}, {}, None),
        ({"kind": "basic"}, {"user": "ann", "password": "s3cret"}, ("Authorization", f"Basic {basic}")),
        ({"kind": "bearer"}, {"token": "t0ken"}, ("Authorization", "Bearer t0ken")),
        ({"kind": "header", "header": "X-Api-Key"}, {"key": "k3y"}, ("X-Api-Key", "k3y")),
    ):
        api = serving(monkeypatch)
        list(connected(tmp_path, changed(PROFILE, auth=auth), secrets=secrets).changes(Kind.CLIENT, None))
        sent = dict(api.asked[0].headers)
        assert sent.get(header[0]) == header[1] if header else "Authorization" not in sent


@pytest.mark.parametrize("sent", ["form", "json"])
@pytest.mark.parametrize("kind", ["client_credentials", "password"])
def test_a_token_is_asked_for_once_and_again_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, sent: str
) -> None:
    clock = FakeClock()
    tokens = iter(["t1", "t2", "t3"])

    def answer(asked: Asked) -> Any:
        if asked.url == "https://login.example/token":
            return {"grant": {"text": next(tokens)}, "seconds": "600"}
        return {"error": "token_ended"} if asked.headers["Authorization"] == "Bearer t2" else {"data": []}

    api = serving(monkeypatch, answer)
    auth = {"kind": kind, "path": "/token", "sent": sent, "token": "grant.text", "expires": "seconds"}
    profile = changed(
        PROFILE,
        auth=auth | {"more": {"scope": "read {practice}"}},
        values=["practice"],
        errors=[{"path": "error", "values": ["token_ended"], "means": "auth"}],
    )
    secrets = {"client_id": "id", "client_secret": "a&b"} | (
        {"username": "ann", "password": "pä"} if kind == "password" else {}
    )
    rest = connected(
        tmp_path, profile, secrets=secrets, clock=clock, token_url="https://login.example", values={"practice": 12}
    )
    for _ in range(2):
        list(rest.changes(Kind.CLIENT, None))
    body = api.asked[0].body
    told = {name: value[0] for name, value in parse_qs(body.decode()).items()} if sent == "form" else body
    assert told == {"grant_type": kind, "scope": "read 12", **secrets}
    assert [asked.url.rpartition("/")[2] for asked in api.asked] == ["token", "clients", "clients"]
    clock.advance(600)
    list(rest.changes(Kind.CLIENT, None))
    # The second token is refused in words that the profile knows: it is asked for anew, and the request goes again.
    assert api.asked[-1].headers["Authorization"] == "Bearer t3"


def test_options_that_do_not_fit_the_profile_are_named(tmp_path: Path) -> None:
    profile = changed(PROFILE, auth={"kind": "basic"}, values=["practice"])
    with pytest.raises(ValidationError) as caught:
        connected(tmp_path, profile, secrets={"user": "ann", "token": "x"}, values={"practise": "1"})
    assert "lacks password" in str(caught.value)
    assert "has token" in str(caught.value)
    assert "lacks practice" in str(caught.value)


# -- pages


def paged(asked: Asked) -> Any:
    """Seven clients, three on a page, however one asks for pages."""
    query = asked.query
    begin = int(query["skip"]) if "skip" in query else 3 * (int(query["page"]) - 1) if "page" in query else 0
    begin = int(query.get("after", begin))
    rows, rest = MANY[begin : begin + 3], begin + 3 < len(MANY)
    body = {"data": rows, "meta": {"pages": 3, "total": 7, "next": str(begin + 3) if rest else None}}
    link = f'<{BASE}/clients?after={begin + 3}>; rel="next", <{BASE}/clients>; rel="first"' if rest else ""
    return Answer(200, {"link": link}, {**body, "@odata.nextLink": f"clients?after={begin + 3}" if rest else None})


PAGINGS: Mapping[str, tuple[dict[str, Any], int]] = {
    "numbers": ({"kind": "page"}, 4),
    "numbers that are counted": ({"kind": "page", "pages": "meta.pages"}, 3),
    "offset": ({"kind": "offset", "parameter": "skip"}, 4),
    "cursor": ({"kind": "cursor", "parameter": "after", "next": "meta.next"}, 3),
    "header": ({"kind": "link"}, 3),
    "address in the body": ({"kind": "link", "next": "@odata.nextLink"}, 3),
}


@pytest.mark.parametrize("name", PAGINGS)
def test_each_kind_of_pages_gives_every_record_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    paging, requests = PAGINGS[name]
    api = serving(monkeypatch, paged)
    rest = connected(tmp_path, changed(PROFILE, paging=paging))
    pages = list(rest.changes(Kind.CLIENT, None))
    assert ids(pages) == [each["id"] for each in MANY]
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert len(api.asked) == requests
    again = [ids(rest.changes(Kind.CLIENT, None, mark=page.mark)) for page in pages]
    assert again == [[found.id for page in pages[number:] for found in page.records] for number in range(len(pages))]


def test_where_the_list_counts_no_page_is_asked_for_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = serving(monkeypatch, paged)
    profile = changed(PROFILE, paging={"kind": "page"}, kinds__client__list__total="meta.total")
    assert len(ids(connected(tmp_path, profile).changes(Kind.CLIENT, None))) == 7
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    "next_",
    [
        "https://elsewhere.example/v1/clients",
        "http://api.clinic.example/v1/clients",
        "//elsewhere.example/v1/clients",
        "/v1//elsewhere.example/clients",
        "/v1/\\elsewhere.example/clients",
        "https://api.clinic.example/admin",
        "https://api.clinic.example/v1/%2e%2e/admin",
        "https://api.clinic.example:99999/v1/clients",
        "clients?same",
    ],
)
def test_a_next_page_leads_nowhere_else_and_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, next_: str) -> None:
    api = serving(monkeypatch, lambda asked: {"data": MANY[:1], "next": next_})
    rest = connected(tmp_path, changed(PROFILE, paging={"kind": "link", "next": "next"}))
    with pytest.raises(BadAnswer):
        list(rest.changes(Kind.CLIENT, None))
    assert not any("elsewhere" in asked.url for asked in api.asked)


def test_fewer_than_the_list_counts_is_no_whole_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that is not shown whole would make a known client anew."""
    serving(monkeypatch, lambda asked: {"data": MANY[:2], "total": 3})
    rest = connected(tmp_path, changed(PROFILE, kinds__client__list__total="total"))
    with pytest.raises(BadAnswer) as caught:
        list(rest.search(Kind.CLIENT, {"phone": "07911123456"}))
    assert caught.value.code == "rows-missing"


# -- what changed


def by_change(**more: Any) -> dict[str, Any]:
    filtered = {"parameter": "since", "at": "changed", "format": "utc", **more}
    return changed(PROFILE, kinds__appointment__changed=filtered)


def test_a_cursor_is_the_vendors_time_and_looks_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    date = {"date": "Mon, 02 Mar 2026 08:59:00 GMT"}
    api = serving(monkeypatch, lambda asked: Answer(200, date, {"data": [VISIT]}))
    rest = connected(tmp_path, by_change())
    [page] = rest.changes(Kind.APPOINTMENT, None)
    assert page.cursor == "2026-03-02T08:59:00+00:00"
    assert api.asked[-1].query == {}
    list(connected(tmp_path, by_change(ignored="whole")).changes(Kind.APPOINTMENT, page.cursor))
    assert api.asked[-1].query == {"since": "2026-03-02T08:54:00Z"}


@pytest.mark.parametrize("older", [{}, {"changed": None}, {"changed": "long ago"}])
def test_a_filter_that_did_not_filter_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: dict[str, Any]
) -> None:
    """What came is refused; or it counts as the whole list, where the profile says so."""
    serving(monkeypatch, lambda asked: {"data": [VISIT | older]})
    with pytest.raises(BadAnswer) as caught:
        list(connected(tmp_path, by_change()).changes(Kind.APPOINTMENT, "2026-03-02T08:00:00+00:00"))
    assert caught.value.code == "filter-ignored"
    whole = connected(tmp_path, by_change(ignored="whole"))
    assert ids(whole.changes(Kind.APPOINTMENT, "2026-03-02T08:00:00+00:00")) == ["7"]


def test_a_cursor_from_the_future_begins_at_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = serving(monkeypatch)
    rest = connected(tmp_path, by_change())
    for cursor in ("2031-01-01T00:00:00+00:00", "2026-03-01T00:00:00", "1", "0001-01-01T00:00:00+14:00"):
        list(rest.changes(Kind.APPOINTMENT, cursor))
    assert [asked.query for asked in api.asked] == [{}] * 4


def test_without_a_filter_visits_are_listed_by_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = serving(monkeypatch)
    window = {"start": "from", "before": "to", "back_days": 1, "ahead_days": 30, "format": "%d.%m.%Y"}
    rest = connected(tmp_path, changed(PROFILE, kinds__appointment__window=window))
    [page] = rest.changes(Kind.APPOINTMENT, None)
    assert api.asked[0].query == {"from": "01.03.2026", "to": "01.04.2026"}
    assert page.cursor == ""
    assert not rest.capabilities.of(Kind.APPOINTMENT).incremental


# -- records


def told_at(value: Any, asked: Asked) -> Any:
    return VISIT | {"at": value}


def test_times_are_the_sites_whatever_the_answer_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[Any, str] = {
        "2026-06-15T09:00:00+01:00": "2026-06-15 09:00:00",
        "2026-06-15T08:00:00Z": "2026-06-15 09:00:00",
        "2026-06-15T09:00:00": "2026-06-15 09:00:00",
        1781510400: "2026-06-15 09:00:00",
    }
    api = serving(monkeypatch)
    for value, wall in told.items():
        api.answer = partial(told_at, value)
        native = connected(tmp_path, PROFILE).get(Kind.APPOINTMENT, "7")
        assert native is not None
        assert native["start"] == wall
    serving(monkeypatch, lambda asked: VISIT | {"at": "2026-06-15T08:00:00"})
    native = connected(tmp_path, changed(PROFILE, times={"zone": "utc"})).get(Kind.APPOINTMENT, "7")
    assert native is not None
    assert native["start"] == "2026-06-15 09:00:00"


def test_a_birth_date_told_as_midnight_is_that_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day in UTC would be the day before in America."""
    pet = {
        "list": "/pets",
        "get": "/pets/{id}",
        "fields": {"id": "id", "client_id": "of", "name": "n", "birth_date": "b"},
    }
    serving(monkeypatch, lambda asked: {"id": 1, "of": 2, "n": "Rex", "b": "2020-05-17T00:00:00.000Z"})
    rest = connected(tmp_path, changed(PROFILE, kinds={"pet": pet}), zone="America/Denver")
    native = rest.get(Kind.PET, "1")
    assert native is not None
    assert native["birth_date"] == "2020-05-17"


def test_lists_inside_of_records_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = changed(PROFILE, kinds__client__fields__phones="tel[].no", kinds__client__fields__emails="mails[]")
    client = {**CLIENT, "tel": [{"no": "1"}, {"no": None}, {}, {"no": 2}], "mails": ["a@b.example"]}
    serving(monkeypatch, lambda asked: client)
    native = connected(tmp_path, profile).get(Kind.CLIENT, "c1")
    assert native is not None
    assert (native["phones"], native["emails"]) == (["1", "2"], ["a@b.example"])


def test_what_is_left_out_does_not_count_as_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without the field phone may have one; beside others that are whole the record is told by its id."""
    short = {name: value for name, value in CLIENT.items() if name != "phone"}
    serving(monkeypatch, lambda asked: short if asked.url.endswith("/c1") else {"data": [short, MANY[1]]})
    rest = connected(tmp_path, PROFILE)
    with pytest.raises(BadAnswer) as caught:
        rest.get(Kind.CLIENT, "c1")
    assert "no column is called phone" in caught.value.message
    [page] = rest.changes(Kind.CLIENT, None)
    assert [(found.id, found.native is None) for found in page.records] == [("c1", True), ("c2", False)]


def test_one_that_cannot_be_read_holds_up_no_other_and_many_are_another_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = [{**each, "phone": {"number": 1}} for each in MANY]
    api = serving(monkeypatch, lambda asked: {"data": short[:1]})
    rest = connected(tmp_path, PROFILE)
    assert [found.native for page in rest.changes(Kind.CLIENT, None) for found in page.records] == [None]
    api.answer = lambda asked: {"data": short}
    with pytest.raises(BadAnswer) as caught:
        list(rest.changes(Kind.CLIENT, None))
    assert "phone: it holds a record" in caught.value.message


def test_a_list_that_is_not_there_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, lambda asked: (404, None))
    with pytest.raises(Unavailable):
        list(connected(tmp_path, PROFILE).changes(Kind.CLIENT, None))


def test_the_check_says_what_the_profile_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that no record has is wrong; a record that cannot be read among others, and an empty list, are not."""
    codes = {"status": {"path": "/states", "items": "data"}}
    answers: dict[str, Any] = {"clients": [CLIENT, CLIENT | {"id": "c2", "mail": {}}], "visits": [], "states": []}
    api = serving(monkeypatch, lambda asked: {"data": answers[asked.url.rpartition("/")[2]]})
    rest = connected(tmp_path, changed(PROFILE, codes=codes))

    def told() -> dict[str, tuple[bool, bool]]:
        return {line.name: (line.ok, line.warning) for line in rest.check().lines}

    unsure = (False, True)
    assert told() == {
        "profile": (True, False),
        "list client": unsure,
        "list appointment": unsure,
        "codes status": unsure,
    }
    answers["clients"] = [{"id": "c1", "last": "Fox"}]
    report = rest.check()
    [line] = [line for line in report.lines if line.name == "list client"]
    assert not report.ok
    assert "records have no first, mail, phone" in line.text
    api.answer = lambda asked: (403, None)
    assert [name for name, (ok, _) in told().items() if not ok] == ["list client"], "the first refusal ends it"


@pytest.mark.parametrize("id_", ["../admin", "a/b", "a?b=c", "a b", "é"])
def test_an_id_walks_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id_: str) -> None:
    api = serving(monkeypatch, lambda asked: CLIENT)
    assert connected(tmp_path, PROFILE).get(Kind.CLIENT, id_) is None
    assert api.asked[0].url.removeprefix(f"{BASE}/clients/").isascii()
    assert not {"/", "?", " "} & set(api.asked[0].url.removeprefix(f"{BASE}/clients/"))


@pytest.mark.parametrize("id_", ["", ".", "..", "a\x00", "a\n"])
def test_what_is_no_id_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id_: str) -> None:
    api = serving(monkeypatch)
    assert connected(tmp_path, PROFILE).get(Kind.CLIENT, id_) is None
    assert api.asked == []


def test_a_record_may_stand_in_a_list_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, lambda asked: {"data": [MANY[2], CLIENT]})
    profile = changed(PROFILE, kinds__client__get={"path": "/clients", "query": {"id": "{id}"}, "item": "data"})
    rest = connected(tmp_path, profile)
    native = rest.get(Kind.CLIENT, "c1")
    assert native is not None
    assert native["id"] == "c1"
    assert rest.get(Kind.CLIENT, "c9") is None


# -- searches


@pytest.mark.parametrize(
    ("form", "asked"), [("e164", "+447911123456"), ("digits", "447911123456"), ("tail", "11123456")]
)
def test_a_search_brings_no_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, asked: str) -> None:
    """An API may ignore what it is searched by."""
    others = [{**CLIENT, "id": "c2", "phone": "+44 7911 123457"}, {**CLIENT, "id": "c3", "phone": None}]
    api = serving(monkeypatch, lambda asked: {"data": [*others, CLIENT]})
    search = {"phone": {"query": {"tel": "{phone}"}, "phone": form}}
    rest = connected(tmp_path, changed(PROFILE, kinds__client__search=search))
    assert [each["id"] for each in rest.search(Kind.CLIENT, {"phone": "07911 123456"})] == ["c1"]
    assert api.asked[-1].query == {"tel": asked}
    assert list(rest.search(Kind.CLIENT, {"phone": "none"})) == []


def test_visits_are_searched_by_time_and_compared_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = VISIT | {"id": 8, "at": "2026-06-15T23:30:00+01:00"}
    api = serving(monkeypatch, lambda asked: {"data": [VISIT, late]})
    query = {"start_from": "2026-06-15T08:00:00+00:00", "start_before": "2026-06-15T22:30:00+00:00"}
    found = connected(tmp_path, PROFILE).search(Kind.APPOINTMENT, query)
    assert [each["id"] for each in found] == ["7"]
    assert api.asked[0].query == {"from": "2026-06-15T09:00:00+01:00", "to": "2026-06-15T23:30:00+01:00"}


# -- refusals

RULES: list[dict[str, Any]] = [
    {"status": [409], "path": "error", "values": ["busy"], "means": "taken"},
    {"status": [400], "path": "errors[].code", "values": ["quota"], "means": "limit"},
    {"status": [409], "means": "stale"},
    {"status": [403], "path": "error", "values": ["plan"], "means": "refused"},
    {"path": "failed", "means": "retry"},
    {"status": [400], "path": "error", "values": ["unknown id"], "means": "gone"},
]
TOLD: list[tuple[int, Any, type[VetBridgeError], str]] = [
    (409, {"error": "BUSY"}, SlotTaken, "slot-taken"),
    (400, {"errors": [{"code": "x"}, {"code": "quota"}], "wait": "12"}, RateLimited, "rate-limited"),
    (409, {"error": "other"}, Stale, "stale"),
    (403, {"error": "plan"}, Refused, "vendor-error"),
    (403, {}, AuthFailed, "right-missing"),
    (200, {"failed": True}, Unavailable, "unavailable"),
    (422, None, Refused, "invalid"),
    (412, None, Stale, "stale"),
]


@pytest.mark.parametrize(("status", "body", "error", "code"), TOLD)
def test_what_a_refusal_means_stands_in_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: Any, error: type[VetBridgeError], code: str
) -> None:
    serving(monkeypatch, lambda asked: (status, body))
    rest = connected(tmp_path, changed(PROFILE, errors=RULES, pause={"path": "wait"}))
    with pytest.raises(error) as caught:
        list(rest.changes(Kind.CLIENT, None))
    assert caught.value.code == code
    if isinstance(caught.value, RateLimited):
        assert (caught.value.wait, caught.value.budget) == (12.0, "api")


def test_an_unknown_id_may_be_told_otherwise_than_by_404(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, lambda asked: (400, {"error": "unknown id"}))
    assert connected(tmp_path, changed(PROFILE, errors=RULES)).get(Kind.CLIENT, "c1") is None


def test_code_lists_are_read_with_their_titles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, lambda asked: {"data": [{"id": 1, "name": "Ann\x1b[2J"}, {"id": "b", "name": None}]})
    rest = connected(tmp_path, changed(PROFILE, codes={"status": {"path": "/states", "items": "data"}}))
    assert rest.code_lists() == {"status": {"1": "Ann [2J", "b": "", "deleted": "deleted"}}
