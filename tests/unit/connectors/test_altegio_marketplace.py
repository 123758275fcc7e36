"""An app on Altegio's marketplace: redirects, life-cycle calls, and the calls to the marketplace's host.

Each test cites the section of altegio.md that it covers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.altegio import plugin
from connectors.altegio.marketplace import MOST_LOCATIONS, AltegioMarketplace, build
from connectors.altegio.options import AltegioApp
from connectors.altegio.simulator import build as build_simulator
from vetbridge.connector.configured import read_config
from vetbridge.connector.interface import Install, InstallNews, InstallState, Marketplace
from vetbridge.connector.plugin import Environment, app_plugin
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
from vetbridge.testing.clock import FakeClock

TOKEN = "partner-token-k3"
USER = {"user_id": 4711, "name": "Jane Ünal", "email": "jane@example.org", "phone": "+447700900123"}
PERSONAL = ("Jane", "Ünal", "example.org", "900123", TOKEN, "system-user-hash")
PENDING, ACTIVE, FROZEN, GONE = InstallState
Handler = Callable[[httpx.Request], httpx.Response]


def app(handler: Handler | None = None, **options: Any) -> AltegioMarketplace:
    """An app whose network is a function."""
    given_ = {
        "application_id": 1234,
        "partner_token": Secret.of(TOKEN),
        "user_token": Secret.of("system-user-hash"),
        "marketplace_url": "https://market.test/marketplace",
    }
    environment = Environment(account="altegio-app", zone="UTC", clock=FakeClock(), timeout=5.0, limit_scale=1e6)
    made = build(AltegioApp.model_validate({**given_, **options}), environment)
    door = made._http
    headers = door._client.headers
    door._client.close()
    door._client = httpx.Client(
        base_url="https://market.test/marketplace",
        headers=headers,
        transport=httpx.MockTransport(handler or (lambda _: pytest.fail("nothing is to be sent"))),
    )
    return made


# -- redirects (section 6, points 2 and 3)


def signed(user: Any = USER, *, token: str = TOKEN, sign: str | None = None) -> list[tuple[str, str]]:
    """What Altegio adds to a redirect: base64 of JSON, and the hex HMAC of that JSON with the partner token."""
    text = json.dumps(user, ensure_ascii=False).encode()
    digest = hmac.new(token.encode(), text, hashlib.sha256).hexdigest()
    return [("user_data", base64.b64encode(text).decode()), ("user_data_sign", digest if sign is None else sign)]


def refused(marketplace: AltegioMarketplace, query: list[tuple[str, str]]) -> str:
    with pytest.raises(BadHint) as caught:
        marketplace.asked(query)
    assert not any(word in str(caught.value) for word in PERSONAL)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "locations"),
    [
        ("salon_id=101001", ("101001",)),
        ("salon_ids[]=101002&salon_ids[]=101001", ("101002", "101001")),
        ("salon_ids%5B%5D=101002&salon_ids%5B%5D=101001", ("101002", "101001")),
        ("salon_ids[0]=101002&salon_ids[1]=101001", ("101002", "101001")),
        ("salon_id=101001&salon_ids[]=101001&salon_ids[]=101003&salon_ids[]=0101003", ("101001", "101003")),
        ("utm_source=altegio&salon_id=7&lang=en", ("7",)),
    ],
)
def test_a_redirect_names_one_location_or_several(names: str, locations: tuple[str, ...]) -> None:
    """Section 6, point 2: `salon_id`, or `salon_ids[]` where several were chosen."""
    assert app().asked([*parse_qsl(names), *signed()]) == locations


@pytest.mark.parametrize(
    "names",
    [
        "salon_id=",
        "salon_id=0",
        "salon_id=12a",
        "salon_id=-1",
        "salon_id=1.0",
        "salon_id=%D9%A1",
        "salon_id=" + "9" * 19,
        "salon_ids[]=1&salon_ids[]=x",
        "salon_ids[a]=1",
        "salon=1",
        "salon_ids[][]=1",
        "lang=en",
    ],
)
def test_a_redirect_without_a_location_is_none(names: str) -> None:
    said = refused(app(), [*parse_qsl(names, keep_blank_values=True), *signed()])
    assert "names" in said
    assert "location" in said


def test_a_redirect_names_so_many_locations_at_most() -> None:
    names = [("salon_ids[]", str(number)) for number in range(1, MOST_LOCATIONS + 1)]
    assert len(app().asked([*names, *names, *signed()])) == MOST_LOCATIONS
    assert "more than 200" in refused(app(), [*names, ("salon_id", "201"), *signed()])


ONE = [("salon_id", "101001")]
OPEN = app(signed="accepted")


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(), st.text()),
    st.sampled_from(["standard", "url", "blanks"]),
    st.booleans(),
    st.booleans(),
)
def test_signed_user_data_are_taken_in_every_spelling(
    user: Mapping[str, str], alphabet: str, padded: bool, upper: bool
) -> None:
    """Section 6, point 3: HMAC over the decoded text; a browser makes a blank of a `+` that nobody escaped."""
    (_, data), (_, sign) = signed(user)
    if alphabet == "url":
        data = data.replace("+", "-").replace("/", "_")
    data = data if padded else data.rstrip("=")
    query = f"salon_id=101001&user_data={data}" if alphabet == "blanks" else urlencode([*ONE, ("user_data", data)])
    query += f"&user_data_sign={sign.upper() if upper else sign}"
    assert OPEN.asked(parse_qsl(query)) == ("101001",)


def test_user_data_that_another_token_signed_are_refused_in_any_case() -> None:
    """Section 6, point 3."""
    (data, sign), (other, _) = signed(), signed({**USER, "user_id": 1})
    for setting in ("required", "accepted"):
        marketplace = app(signed=setting)
        for wrong in (signed(token="another"), [other, sign], signed(sign="0" * 64)):
            assert "signature" in refused(marketplace, [*ONE, *wrong])
        for broken in ([data], [sign], signed(sign=sign[1][:-1]), signed(sign="Ü" * 64), [("user_data", "a"), sign]):
            assert "cannot be read" in refused(marketplace, [*ONE, *broken])
        assert "more than once" in refused(marketplace, [*ONE, data, data, sign])


def test_the_encoded_text_is_not_what_is_signed() -> None:
    """Section 6, point 3: one source signs the base64 text; the vendor's own code signs what it decodes to."""
    (_, data), _ = signed()
    over_text = hmac.new(TOKEN.encode(), data.encode(), hashlib.sha256).hexdigest()
    assert "signature" in refused(app(), [*ONE, *signed(sign=over_text)])


def test_an_unsigned_redirect_is_taken_only_where_the_options_say_so() -> None:
    """Section 6, point 3: user data are transmitted only where the app's setting is on."""
    for nothing in ([], [("user_data", ""), ("user_data_sign", "")]):
        assert "not signed" in refused(app(), [*ONE, *nothing])
        assert app(signed="accepted").asked([*ONE, *nothing]) == ("101001",)


ANY_NAME = st.one_of(
    st.sampled_from(["salon_id", "salon_ids[]", "salon_ids[0]", "user_data", "user_data_sign"]), st.text(max_size=30)
)
ANY_VALUE = st.one_of(
    st.integers().map(str), st.text(), st.text(st.characters(codec=None, categories=["Cs", "Nd"])), st.just("9" * 400)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ANY_NAME, ANY_VALUE), max_size=8), st.booleans())
def test_whatever_a_redirect_holds_gives_locations_or_a_bad_hint(query: list[tuple[str, str]], sign: bool) -> None:
    try:
        locations = OPEN.asked([*query, *(signed() if sign else [])])
    except BadHint:
        return
    assert locations
    assert all(each.isascii() and each.isdecimal() and 0 < int(each) < 10**18 for each in locations)


# -- life-cycle calls (section 6, the last paragraphs)


def call(**changes: Any) -> bytes:
    told = {"salon_id": 101001, "application_id": 1234, "event": "uninstall", "partner_token": TOKEN, **changes}
    return json.dumps({name: value for name, value in told.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("event", "state"),
    [("uninstall", GONE), ("freeze", FROZEN), ("payment", None), ("renamed", None), ("", None), ("FREEZE", None)],
)
def test_a_life_cycle_call_says_what_became_of_an_install(event: str, state: InstallState | None) -> None:
    """Section 6: `uninstall`, `freeze`, and `payment` with further fields, which may end a freeze unsaid."""
    for salon_id in (101001, "101001"):
        body = call(event=event, salon_id=salon_id, application_id="1234", period_to="2026-12-31", sign="x")
        assert app().told(body) == InstallNews(location="101001", state=state)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"partner_token": "another"}, "partner_token"),
        ({"partner_token": TOKEN + " "}, "partner_token"),
        ({"partner_token": ""}, "partner_token"),
        ({"partner_token": None}, "partner_token"),
        ({"partner_token": ...}, "partner_token"),
        ({"partner_token": [TOKEN]}, "partner_token"),
        ({"partner_token": "\ud800"}, "partner_token"),
        ({"application_id": 1235}, "another application"),
        ({"application_id": ...}, "another application"),
        ({"salon_id": 0}, "salon_id"),
        ({"salon_id": [101001]}, "salon_id"),
        ({"salon_id": ...}, "salon_id"),
        ({"event": ...}, "event"),
        ({"event": ["uninstall"]}, "event"),
    ],
    ids=str,
)
def test_a_life_cycle_call_that_is_not_the_vendors_is_none(changes: Mapping[str, Any], says: str) -> None:
    """Section 6: authenticity is the partner token in the body."""
    with pytest.raises(BadHint, match=says) as caught:
        app().told(call(**changes))
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'"uninstall"',
        b"[" * 100_000,
        b"1" * 5000,
        b"salon_id=101001&event=freeze",
        b'{"salon_id": 1' + b"0" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_object_is_a_bad_hint(body: bytes) -> None:
    with pytest.raises(BadHint):
        app().told(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([TOKEN, "uninstall", 1234]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["salon_id", "application_id", "event", "partner_token"])


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(), st.dictionaries(FIELDS, JSON).map(lambda told: call(**told))))
def test_whatever_a_life_cycle_call_holds_gives_news_or_a_bad_hint(body: bytes) -> None:
    try:
        news = OPEN.told(body)
    except BadHint:
        return
    assert news.location.isdecimal()
    assert json.loads(body)["partner_token"] == TOKEN


# -- how the app stands (section 6, states)


def enveloped(data: Any, **meta: Any) -> dict[str, Any]:
    return {"success": True, "data": data, "meta": meta or []}


def status(word: Any = "active", *logs: tuple[str, Any], created_at: Any = "2026-06-27 12:20:02") -> dict[str, Any]:
    """A status as the vendor's reference shows it."""
    lines = [{"changed_at": at, "status_from": "x", "status_to": to, "source": "partner_api"} for to, at in logs]
    link = {"status": word, "created_at": created_at} if word is not None else []
    return {"connection_status": link, "logs": lines, "payments": []}


class Market:
    """Altegio's marketplace: a status by location, the pages of its list, and what it was asked."""

    def __init__(self, statuses: Mapping[str, Any], pages: list[Any] | None = None, **meta: Any) -> None:
        self.statuses = statuses
        self.pages = pages or []
        self.meta = meta
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        parts = request.url.path.removeprefix("/marketplace").split("/")[1:]
        if request.method == "GET" and parts[0] == "salon" and parts[2:] == ["application", "1234"]:
            if parts[1] in self.statuses:
                return httpx.Response(200, json=enveloped(self.statuses[parts[1]]))
        elif request.method == "GET" and parts == ["application", "1234", "salons"]:
            page = int(request.url.params["page"]) - 1
            rows = self.pages[page] if page < len(self.pages) else []
            return httpx.Response(200, json=enveloped(rows, **self.meta))
        return httpx.Response(404, json={"success": False, "data": None, "meta": {"message": "Not found"}})


def state(told: Any) -> Install | None:
    return app(Market({"101001": told})).state("101001")


@pytest.mark.parametrize(
    ("word", "means"), [("pending", PENDING), ("active", ACTIVE), ("freezed", FROZEN), ("uninstalled", GONE)]
)
def test_states_as_the_wire_spells_them(word: str, means: InstallState) -> None:
    """Section 6: `freezed` is the spelling on the wire."""
    assert state(status(word)) == Install(location="101001", state=means)


def test_the_status_is_asked_with_the_partner_token_alone() -> None:
    """Section 6: partner calls; section 1: the Accept header."""
    market = Market({"101001": status()})
    app(market).state("0101001")
    (request,) = market.asked
    assert str(request.url) == "https://market.test/marketplace/salon/101001/application/1234"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/vnd.api.v2+json"


@pytest.mark.parametrize(
    "told", [[], None, {}, status(None), status(None, ("active", "2026-07-01 10:00:00"))], ids=str
)
def test_no_link_is_no_install(told: Any) -> None:
    """Sections 6 and 8.2: empty objects come as `[]`. A log alone proves no install, nor its end."""
    assert state(told) is None


def test_an_unknown_location_is_no_install() -> None:
    market = Market({})
    assert app(market).state("101001") is None
    assert len(market.asked) == 1
    assert app().state("x") is None


def test_without_a_link_the_newest_line_of_the_log_tells_of_an_uninstall() -> None:
    """Section 6, `logs[]`; the vendor's reference names no `uninstalled` for `connection_status`."""
    lines = [("uninstalled", "2026-07-02T10:00:00+02:00"), ("active", "2026-07-01T10:00:00Z")]
    of_one_second = [("pending", lines[0][1]), ("active", lines[0][1]), lines[0]]
    for logs in (lines, lines[::-1], of_one_second):
        expected = Install(location="101001", state=GONE, since=datetime(2026, 7, 2, 8, tzinfo=UTC))
        assert state(status(None, *logs)) == expected


@pytest.mark.parametrize(
    "logs",
    [
        [("uninstalled", "2026-07-02 10:00:00"), ("pending", "2026-07-03 10:00:00")],
        [("pending", "2026-07-03 10:00:00"), ("uninstalled", "2026-07-02 10:00:00")],
        [("uninstalled", "2026-07-02 10:00:00"), ("pending", "2026-07-02 10:00:00")],
        [
            ("pending", "2026-07-02 10:00:00"),
            ("active", "2026-07-03 10:00:00"),
            ("uninstalled", "2026-07-01 10:00:00"),
        ],
        [("uninstalled", "2026-07-02 10:00:00"), ("pending", "soon")],
        [("uninstalled", "2026-07-02 10:00:00"), ("pending", "2026-07-01T10:00:00Z")],
        [("uninstalled", None)],
    ],
    ids=str,
)
def test_a_log_whose_order_is_not_plain_tells_of_no_uninstall(logs: list[tuple[str, Any]]) -> None:
    """An uninstall ends a site's work: it is never guessed."""
    assert state(status(None, *logs)) is None


NINE = datetime(2026, 7, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "since"),
    [
        ("2026-07-01T09:00:00Z", NINE),
        ("2026-07-01T11:00:00+0200", NINE),
        ("2026-07-01 11:00:00+02:00", NINE),
        (1782896400, NINE),
        ("1782896400", NINE),
        (1782896400.0, NINE),
        ("2026-07-01 09:00:00", None),
        ("1970-01-01T00:00:00Z", None),
        (10**17, None),
        ("", None),
        (None, None),
        (True, None),
        ("yesterday", None),
        ({"date": "2026-07-01"}, None),
    ],
    ids=str,
)
def test_since_when_is_told_where_it_can_be_read(at: Any, since: datetime | None) -> None:
    """Section 6, `created_at` and `changed_at`. A wall time without an offset: nobody says whose."""
    assert state(status("pending", created_at=at)) == Install(location="101001", state=PENDING, since=since)
    assert state(status("active", ("active", at))) == Install(location="101001", state=ACTIVE, since=since)
    created = status("active", ("pending", "2026-06-01T00:00:00Z"), created_at=at)
    assert state(created) == Install(location="101001", state=ACTIVE), "the link is older than its state"


@pytest.mark.parametrize(
    "told",
    [
        status("paused"),
        status(""),
        status(7),
        status({}),
        {"logs": []},
        {"connection_status": "active"},
        [[]],
        "active",
    ],
    ids=str,
)
def test_a_state_that_nobody_knows_is_a_bad_answer(told: Any) -> None:
    with pytest.raises(BadAnswer):
        state(told)


# -- the list (section 6)


def listed(market: Market) -> list[tuple[str, InstallState]]:
    return [(each.location, each.state) for each in app(market).installs()]


def test_a_listed_location_that_says_no_state_is_asked_for() -> None:
    """Section 6, `GET /application/{app}/salons?page&count`: the vendor's reference shows locations, and no state."""
    shown = {"title": "City Vets", "phone": "+447700900123", "active": 1, "status": 1}
    rows = [{"id": 101001, **shown}, {"id": "101002", **shown}, {"id": 101003, **shown}]
    market = Market({"101001": status(), "101002": status("freezed")}, [rows])
    assert listed(market) == [("101001", ACTIVE), ("101002", FROZEN)]
    assert market.asked[0].url.params["count"] == "200"
    assert len(market.asked) == 5, "three locations, and two pages"


def test_a_listed_install_that_says_its_state_is_not_asked_for_again() -> None:
    rows = [{"id": 9, "salon_id": 101001, "connection_status": {"status": "pending", "created_at": 1782896400}}]
    market = Market({}, [rows])
    assert list(app(market).installs()) == [Install(location="101001", state=PENDING, since=NINE)]
    assert [request.url.path.rpartition("/")[2] for request in market.asked] == ["salons", "salons"]


@pytest.mark.parametrize("total", [{}, {"total_count": 2}, {"total_count": 9}])
def test_the_list_is_read_to_its_end(total: dict[str, int]) -> None:
    """Section 1: paging by `page` and `count`; a list that moves repeats rows, and a total says nothing sure."""
    numbers = [[1, 2], [2, 3], [4]]
    pages = [[{"id": number} for number in page] for page in numbers]
    market = Market({str(number): status() for number in range(5)}, pages, **total)
    assert [location for location, _ in listed(market)] == ["1", "2", "3", "4"]
    assert market.asked[-1].url.params["page"] == "4"


def test_a_list_that_repeats_itself_has_an_end() -> None:
    pages = [[{"id": 1}], [{"id": 1}], [{"id": 2}]]
    assert listed(Market({"1": status(), "2": status()}, pages)) == [("1", ACTIVE)]


def test_a_row_that_cannot_be_read_keeps_no_other_back() -> None:
    """Who asks for that location by itself hears what is wrong with it."""
    rows: list[Any] = [{"id": 1}, {"title": "x"}, {"id": 2}, "x", {"id": 3}]
    market = Market({"1": status(), "2": status("asleep"), "3": status("pending")}, [rows])
    assert listed(market) == [("1", ACTIVE), ("3", PENDING)]
    with pytest.raises(BadAnswer, match="location 2"):
        app(market).state("2")


def test_a_list_of_which_no_row_names_a_location_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer) as caught:
        listed(Market({}, [[{"title": "x"}, "x"]]))
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("page", [{"id": 1}, "x", None], ids=str)
def test_what_is_no_list_is_a_bad_answer(page: Any) -> None:
    """A list that is not one must not pass for an app that nobody has installed."""
    with pytest.raises(BadAnswer):
        listed(Market({}, [page]))
    with pytest.raises(BadAnswer, match="application_id"):
        list(app(lambda _: httpx.Response(404, json={})).installs())


# -- saying yes and no (section 6, points 4 to 6)


def test_a_yes_is_sent_as_the_sheet_says() -> None:
    """Section 6, point 4."""
    sent: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(201, json=enveloped([]))

    app(take).activate("101001", "https://bridge.example/hooks/altegio-city/secret")
    app(take).activate("101001", None)
    assert [(each.method, str(each.url)) for each in sent] == [
        ("POST", "https://market.test/marketplace/partner/callback")
    ] * 2
    assert sent[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert [json.loads(each.content) for each in sent] == [
        {
            "salon_id": 101001,
            "application_id": 1234,
            "webhook_urls": ["https://bridge.example/hooks/altegio-city/secret"],
        },
        {"salon_id": 101001, "application_id": 1234},
    ]


def test_an_uninstall_is_sent_as_the_sheet_says() -> None:
    """Section 6."""
    sent: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=enveloped(None))

    app(take).uninstall("101001")
    (request,) = sent
    assert (request.method, request.content) == ("POST", b"")
    assert str(request.url) == "https://market.test/marketplace/salon/101001/application/1234/uninstall"


HOOK = "https://bridge.test/hooks/altegio-city/hook-secret"


@pytest.mark.parametrize(
    "act", [lambda market: market.activate("101001", HOOK), lambda market: market.uninstall("101001")]
)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(500), OutcomeUnknown),
        (httpx.Response(200, content=b"<html>"), OutcomeUnknown),
        (httpx.ReadTimeout("late"), OutcomeUnknown),
        (httpx.RemoteProtocolError("cut"), OutcomeUnknown),
        (httpx.ConnectError("refused"), Unavailable),
        (httpx.Response(429, headers={"retry-after": "60"}), RateLimited),
        (httpx.Response(401), AuthFailed),
        (httpx.Response(403, json={"success": False, "meta": {"message": "Jane"}}), Refused),
        (httpx.Response(404), Refused),
        (httpx.Response(422, json={"success": False, "meta": {"errors": {"webhook_urls": ["Jane"]}}}), Refused),
        (httpx.Response(200, json={"success": False, "data": None, "meta": {"message": "Jane"}}), Refused),
        (httpx.Response(302, headers={"location": "https://elsewhere.test/"}), Refused),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_yes_that_is_not_taken_is_told_as_any_other_write(
    act: Callable[[AltegioMarketplace], None], answer: httpx.Response | Exception, error: type[VetBridgeError]
) -> None:
    """Section 6, points 4 to 6: 401, 403, 422, a second yes; architecture, section 8: a lost answer is unknown."""
    sent = 0

    def reply(_: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    with pytest.raises(error) as caught:
        act(app(reply))
    assert not any(word in str(caught.value) for word in ("Jane", "hook-secret", TOKEN))
    assert sent == (3 if error is Unavailable else 1), "what may have been done is not sent again"
    if b"webhook_urls" in getattr(answer, "content", b""):
        assert "webhook_urls" in str(caught.value)


def test_what_is_no_location_is_not_sent() -> None:
    for location in ("", "x", "1/../2", "0"):
        with pytest.raises(Refused):
            app().activate(location, None)
        with pytest.raises(Refused):
            app().uninstall(location)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401), AuthFailed),
        (httpx.Response(403, json={}), BadAnswer),
        (httpx.Response(422, json={}), BadAnswer),
        (httpx.Response(200, json={"success": False}), BadAnswer),
        (httpx.Response(200, content=b"<html>"), BadAnswer),
        (httpx.Response(502), Unavailable),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_read_that_is_refused_is_an_error_and_never_no_install(
    answer: httpx.Response, error: type[VetBridgeError]
) -> None:
    def reply(_: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status_code, content=answer.content)

    with pytest.raises(error):
        app(reply).state("101001")
    with pytest.raises(error):
        list(app(reply).installs())


def test_calls_keep_to_budgets_of_the_marketplace() -> None:
    """Section 1: another host, whose limits are not documented; a list waits for its place, others are told to."""
    market = Market({str(number): status() for number in range(1, 101)}, [[{"id": n} for n in range(1, 101)]])
    made = app(market)
    options = made._options
    clock = FakeClock()
    slow = build(options, Environment(account="altegio-app", zone="UTC", clock=clock))
    slow._http._client.close()
    slow._http._client = made._http._client
    assert len(list(slow.installs())) == 100
    assert clock.steady() > 60, "60 calls a minute"
    for _ in range(2):
        slow.state("1")
    with pytest.raises(RateLimited):
        [slow.state("1") for _ in range(60)]


# -- against the simulator (section 6, whole)


@pytest.mark.parametrize("shown", ["status", "logs"])
def test_the_life_of_a_chains_installs(shown: str) -> None:
    """Three locations are asked for at once; one is never said yes to, one is frozen, one is taken away."""
    clock = FakeClock()
    simulator = build_simulator(locations=3, clients=2, clock=clock, installed=False, uninstalled_shown=shown).start()
    known = simulator.credentials
    environment = Environment(account="altegio-app", zone="UTC", clock=clock, limit_scale=1e6)
    options = {
        "application_id": simulator.ready()["credentials"]["application_id"],
        "partner_token": Secret.of(known["partner_token"]),
        "user_token": Secret.of(known["user_token"]),
        "marketplace_url": simulator.marketplace_url,
    }
    market = build(AltegioApp.model_validate(options), environment)
    try:
        first, second, third = places = tuple(str(site.location) for site in simulator.sites)

        def by_person(what: str, **told: Any) -> Any:
            answer = httpx.post(f"{simulator.control_url}/{what}", json=told)
            assert answer.status_code == 200
            return answer.json()

        assert market.state(first) is None
        assert list(market.installs()) == []
        clicked = by_person("connect", locations=places, redirect="https://bridge.test/apps/altegio-app")
        assert market.asked(parse_qsl(httpx.URL(clicked["redirect"]).query.decode())) == places
        assert [(each.location, each.state) for each in market.installs()] == [(each, PENDING) for each in places]
        assert [each.since for each in market.installs()] == [clock.now()] * 3

        market.activate(first, "https://bridge.test/hooks/altegio-1/secret")
        market.activate(second, None)
        with pytest.raises(Refused):
            market.activate(second, None)
        clock.advance(market.activate_within + 1)
        with pytest.raises(Refused):
            market.activate(third, None)

        by_person("freeze", location=first)
        market.uninstall(second)
        assert [getattr(market.state(each), "state", None) for each in places] == [FROZEN, GONE, PENDING]
        with pytest.raises(Refused):
            market.uninstall("999")
        by_person("unfreeze", location=first)
        by_person("connect", locations=[second], redirect="https://bridge.test/apps/altegio-app")
        assert [getattr(market.state(each), "state", None) for each in places] == [ACTIVE, PENDING, PENDING]
    finally:
        market.close()
        simulator.stop()


# -- options (section 6)


def test_the_plugin_offers_the_app() -> None:
    offered = app_plugin("altegio")
    assert plugin.app is offered
    made: Marketplace = offered.build(app()._options, Environment(account="altegio-app", zone="UTC"))
    assert made.activate_within == 3600
    made.close()
    account = plugin.options.model_validate(
        {"location_id": 101001, "partner_token": Secret.of("p"), "user_token": Secret.of("u")}
    )
    assert offered.location(account) == "101001"


CONFIG = """\
version: 1
ledger: {key: {env: LEDGER_KEY}}
apps:
  altegio-app:
    connector: altegio
    address: https://bridge.example
    options:
      application_id: 1234
      partner_token: {env: PARTNER}
      user_token: {env: APPLICATION}
      base_url: http://127.0.0.1:8001/api/v1
accounts:
  altegio-city:
    connector: altegio
    app: altegio-app
    options: {location_id: 101001}
  altegio-own:
    connector: altegio
    app: altegio-app
    options: {location_id: 101002, user_token: {env: OWN}, base_url: "https://api.alteg.io/api/v1"}
sites:
  city:
    name: City Vets
    zone: Europe/London
    country: GB
    booking: {account: altegio-city}
    pims: {account: altegio-own}
"""


def test_an_account_takes_its_tokens_from_its_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 1: an app does not log in, its system user is good for every location where it is active."""
    for name in ("LEDGER_KEY", "PARTNER", "APPLICATION", "OWN"):
        monkeypatch.setenv(name, f"the-{name.lower()}")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    accounts = read_config(path).config.accounts
    city, own = accounts["altegio-city"].options, accounts["altegio-own"].options
    assert (city.partner_token.reveal(), city.user_token.reveal()) == ("the-partner", "the-application")
    assert city.base_url == "http://127.0.0.1:8001/api/v1"
    assert (own.partner_token.reveal(), own.user_token.reveal()) == ("the-partner", "the-own")
    assert own.base_url == "https://api.alteg.io/api/v1"


def test_the_time_to_activate_can_be_set() -> None:
    """Section 6, point 5: 1 hour in the guide, 12 hours in the vendor's code."""
    assert app(activate_within_hours=12).activate_within == 12 * 3600


@pytest.mark.parametrize(
    "wrong",
    [
        {"application_id": "12x"},
        {"application_id": True},
        {"marketplace_url": "http://market.test"},
        {"signed": "no"},
        {"activate_within_hours": 0},
        {"activate_within_hours": float("inf")},
        {"channels": ["sms"]},
    ],
    ids=str,
)
def test_options_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        app(**wrong)


def test_a_token_that_no_header_can_hold_is_told() -> None:
    with pytest.raises(AuthFailed):
        app(partner_token=Secret.of("tökén")).state("101001")
