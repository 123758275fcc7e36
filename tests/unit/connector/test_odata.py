# ruff: noqa: DTZ001 - moments of OData version 3 have no offset
"""OData: conditions of both versions, and lists that are walked although rows move, counts lie and links stray."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from vetbridge.connector.http import Answer
from vetbridge.connector.interface import Native
from vetbridge.connector.odata import Dialect, Lists, Place, Query, all_of, any_of, below, moment
from vetbridge.core.errors import BadAnswer

BASE = "https://feed.example/data"
CLIENTS = Query(path="/v2/Clients", order="Id", top=3)
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "v3", "v4"),
    [
        ("O'Neil", "'O''Neil'", "'O''Neil'"),
        (17, "17", "17"),
        (True, "true", "true"),
        (None, "null", "null"),
        (date(2026, 3, 2), "datetime'2026-03-02T00:00:00'", "2026-03-02"),
        (datetime(2026, 3, 2, 9, tzinfo=EAST), "datetime'2026-03-02T07:00:00'", "2026-03-02T07:00:00Z"),
        (UUID(int=1), "guid'00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_value_is_written_as_the_version_has_it(value: Any, v3: str, v4: str) -> None:
    assert Dialect.V3.equals("Field", value) == f"Field eq {v3}"
    assert Dialect.V4.equals("Field", value) == f"Field eq {v4}"


def test_a_moment_without_an_offset_is_version_three_s_alone() -> None:
    plain = datetime(2026, 3, 2, 9, 0, 0, 250_000)
    assert Dialect.V3.at_least("Changed", plain) == "Changed ge datetime'2026-03-02T09:00:00.250000'"
    with pytest.raises(ValueError, match="offset"):
        Dialect.V4.at_least("Changed", plain)


def test_conditions_are_joined_so_that_none_takes_another_s_part() -> None:
    either = any_of(Dialect.V4.below("A", 1), Dialect.V4.differs("B", None))
    assert all_of(either, "", Dialect.V4.one_of("C", ["x", "y"])) == (
        "((A lt 1) or (B ne null)) and ((C eq 'x') or (C eq 'y'))"
    )


def test_a_name_that_no_field_can_have_makes_no_condition() -> None:
    assert Dialect.V4.equals("Owner/Id", 1) == "Owner/Id eq 1"
    for name in ("A eq 1 or B", "", "A/", "1A", "A'"):
        with pytest.raises(ValueError, match="no field"):
            Dialect.V4.equals(name, 1)


def test_moments_are_read_with_and_without_an_offset() -> None:
    assert moment("2026-03-02T09:00:00.1234567") == datetime(2026, 3, 2, 9, 0, 0, 123456)
    assert moment("2026-03-02T09:00:00Z") == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert [moment(told) for told in ("soon", "", None, 5, "2026" * 20)] == [None] * 5


class Service:
    """Rows behind ``$top`` and ``$skip``; ``between`` happens before the page of that number is given."""

    def __init__(
        self, rows: list[Native], *, dialect: Dialect = Dialect.V3, counts: Callable[[int], Any] = int
    ) -> None:
        self.rows = rows
        self.dialect = dialect
        self.counts = counts
        self.between: dict[int, Callable[[], None]] = {}
        self.asked: list[Mapping[str, str]] = []
        self.cap = 100

    def __call__(self, path: str, query: Mapping[str, str], *, patience: float = 0.0) -> Answer:
        assert path == CLIENTS.path
        self.asked.append(query)
        self.between.pop(len(self.asked), lambda: None)()
        skip, top = int(query.get("$skip", 0)), min(int(query["$top"]), self.cap)
        total = self.counts(len(self.rows))
        told = {} if total is None else {self.dialect.note("count"): total}
        page = {self.dialect.note("metadata"): "x", **told, "value": self.rows[skip : skip + top]}
        return Answer(200, {"date": "Mon, 02 Mar 2026 09:00:00 GMT"}, page)

    def lists(self) -> Lists:
        return Lists(self, dialect=self.dialect, base_url=BASE, account="feed")


def rows(count: int) -> list[Native]:
    return [{"Id": number} for number in range(1, count + 1)]


def of(row: Native) -> str | None:
    return str(row["Id"]) if row.get("Id") else None


def ids(found: list[Native]) -> list[int]:
    return [row["Id"] for row in found]


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("counts", [int, str, lambda total: None])
@pytest.mark.parametrize("cap", [1, 2, 100])
def test_every_row_comes_once(dialect: Dialect, counts: Callable[[int], Any], cap: int) -> None:
    service = Service(rows(8), dialect=dialect, counts=counts)
    service.cap = cap
    assert ids(service.lists().rows(CLIENTS, of)) == list(range(1, 9))
    assert service.asked[0] == {"$orderby": "Id", "$top": "3", **dict([dialect.counting])}


def test_an_empty_list_is_one_page() -> None:
    service = Service([])
    [page] = service.lists().walk(CLIENTS, of)
    assert (page.rows, page.total, page.last, page.complete) == ((), 0, True, True)
    assert page.told_at == datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize("counts", [int, lambda total: None])
def test_a_row_that_went_away_hides_no_other(counts: Callable[[int], Any]) -> None:
    service = Service(rows(7), counts=counts)
    service.between[2] = lambda: service.rows.__delitem__(0)
    assert {2, 3, 4, 5, 6, 7} <= set(ids(service.lists().rows(CLIENTS, of)))


def test_rows_that_never_stand_still_are_not_all_of_them() -> None:
    service = Service(rows(40))
    for number in range(1, 60):
        service.between[number] = lambda: service.rows.__delitem__(slice(1))
    with pytest.raises(BadAnswer) as refusal:
        service.lists().rows(CLIENTS, of)
    assert refusal.value.code == "rows-missing"


def test_a_walk_is_taken_up_at_its_mark() -> None:
    service = Service(rows(8))
    pages = list(service.lists().walk(CLIENTS, of))
    assert pages[1].begin is not None
    kept = Place.model_validate_json(pages[1].begin.model_dump_json())
    again = list(service.lists().walk(CLIENTS, of, begin=kept))
    assert [ids([*page.rows]) for page in again] == [[4, 5], [6, 7], [8]]
    assert again[-1].last
    assert again[-1].complete


def test_a_filter_that_did_not_filter_is_noticed() -> None:
    with pytest.raises(BadAnswer) as refusal:
        Service(rows(4)).lists().rows(CLIENTS, of, holds=lambda row: row["Id"] != 2)
    assert refusal.value.code == "filter-ignored"


def test_rows_without_an_id_are_told_after_all_others() -> None:
    walk = Service([*rows(2), {"Id": None}]).lists().walk(CLIENTS, of)
    assert ids([*next(walk).rows]) == [1, 2]
    with pytest.raises(BadAnswer, match="have no id"):
        list(walk)


@pytest.mark.parametrize(
    "body", [None, [], {}, {"value": None}, {"value": [1]}, {"value": [], "odata.count": "many"}]
)
def test_what_is_no_list_is_no_answer(body: Any) -> None:
    def read(path: str, query: Mapping[str, str], *, patience: float = 0.0) -> Answer:
        return Answer(200, {}, body)

    with pytest.raises(BadAnswer):
        Lists(read, dialect=Dialect.V3, base_url=BASE, account="feed").rows(CLIENTS, of)


def test_pages_that_the_service_links_are_followed() -> None:
    def read(path: str, query: Mapping[str, str], *, patience: float = 0.0) -> Answer:
        after = int(query.get("$skiptoken", 0))
        link = {} if after else {"@odata.nextLink": f"{BASE}/v2/Clients?$skiptoken=2"}
        return Answer(200, {}, {"value": [{"Id": after + 1}, {"Id": after + 2}], "@odata.count": 4, **link})

    found = Lists(read, dialect=Dialect.V4, base_url=BASE, account="feed").rows(CLIENTS, of)
    assert ids(found) == [1, 2, 3, 4]


def test_links_that_go_in_a_circle_end() -> None:
    def read(path: str, query: Mapping[str, str], *, patience: float = 0.0) -> Answer:
        return Answer(200, {}, {"value": [{"Id": 1}], "odata.nextLink": "Clients?$skiptoken=1"})

    with pytest.raises(BadAnswer, match="circle"):
        Lists(read, dialect=Dialect.V3, base_url=BASE, account="feed").rows(CLIENTS, of)


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ("https://feed.example/data/v2/Clients?$skip=2", "/v2/Clients?$skip=2"),
        ("Clients?$skip=2", "/v2/Clients?$skip=2"),
        ("https://evil.example/data/v2/Clients", None),
        ("http://feed.example/data/v2/Clients", None),
        ("https://feed.example:444/data/v2/Clients", None),
        ("https://user@feed.example/data/v2/Clients", None),
        ("https://feed.example/other", None),
        ("https://feed.example/data/../other", None),
        ("https://feed.example/data/%2e%2e/other", None),
        ("//evil.example/data/x", None),
        ("/data//evil.example", None),
        ("https://[", None),
        ("Clients?$skip=\ud800", None),
        ("x" * 20_000, None),
    ],
)
def test_the_next_page_is_below_the_account_s_address(told: str, path: str | None) -> None:
    assert below(BASE, "/v2/Clients", told) == path
