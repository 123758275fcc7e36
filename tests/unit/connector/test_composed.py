"""One practice that several connectors serve: each serves its kinds, and one that fails takes only them along."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vetbridge.connector.composed import Composed, Part, Served, build
from vetbridge.connector.interface import (
    WEBHOOKS,
    BudgetSpec,
    Capabilities,
    Check,
    CheckReport,
    Found,
    Hint,
    HookRequest,
    KindCapabilities,
    Operation,
    Page,
    Write,
)
from vetbridge.connector.plugin import Environment, Options, Plugin
from vetbridge.core.errors import AuthFailed, ConfigError, RateLimited, Refused, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.clock import START, FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities, memory_mapper

DIARY = frozenset({Kind.APPOINTMENT})
REST = frozenset(Kind) - DIARY
SOON = (START.replace(hour=9)).isoformat()


class Practice:
    """A feed with clients and pets, and a diary that has clients and pets of no interest, too."""

    def __init__(self, feed: Capabilities | None = None, diary: Capabilities | None = None) -> None:
        plain = replace(memory_capabilities(), hints=False)
        self.clock = FakeClock()
        self.feed = MemorySide(feed or plain)
        self.diary = MemorySide(diary or plain)
        self.composed = self.made()

    def made(self) -> Composed:
        return Composed(
            "pulse-city",
            Served(name="vetdata", connector=self.feed, kinds=REST),
            [Served(name="diary", connector=self.diary, kinds=DIARY)],
            clock=self.clock,
            mapper=memory_mapper,
        )

    def booked(self, client: str, pet: str = "") -> str:
        row: dict[str, Any] = {"owner": client, "pet": pet or None, "start": SOON, "seconds": 900}
        return self.diary.add(Kind.APPOINTMENT, row)

    def with_clients(self, number: int = 4) -> dict[str, str]:
        """Each with the one pet that it has."""
        clients = [self.feed.add(Kind.CLIENT, {"name": {"given": "Ann", "family": "Hall"}}) for _ in range(number)]
        return {client: self.feed.add(Kind.PET, {"owner": client, "name": "Rex"}) for client in clients}

    def lines(self) -> dict[str, Check]:
        return {line.name: line for line in self.composed.check().lines}


def test_each_kind_is_read_and_written_where_it_is_served() -> None:
    practice = Practice()
    [client] = practice.with_clients(1)
    visit = practice.booked(client)
    other = practice.diary.add(Kind.CLIENT, {"name": {"given": "", "family": "Of no interest"}})
    composed = practice.composed
    assert [each.id for page in composed.changes(Kind.CLIENT, None) for each in page.records] == [client]
    assert [each.id for page in composed.changes(Kind.APPOINTMENT, None) for each in page.records] == [visit]
    assert composed.get(Kind.APPOINTMENT, visit) is not None
    assert [found["id"] for found in composed.search(Kind.APPOINTMENT, {"client_id": client})] == [visit]
    made = Write(
        operation=Operation.CREATE,
        kind=Kind.APPOINTMENT,
        id=None,
        native={"owner": other, "start": SOON, "seconds": 900},
        stamp="VB-1",
    )
    composed.apply(made)
    assert [write.kind for write in practice.diary.written] == [Kind.APPOINTMENT]
    assert not practice.feed.written
    assert len(list(composed.look(made))) == 1


def test_one_that_fails_fails_for_its_kinds_alone() -> None:
    practice = Practice()
    [client] = practice.with_clients(1)
    practice.diary.fail(Unavailable("the folder is away"))
    with pytest.raises(Unavailable) as caught:
        list(practice.composed.search(Kind.APPOINTMENT, {"client_id": client}))
    assert caught.value.part == "diary"
    assert practice.composed.get(Kind.CLIENT, client) is not None
    practice.feed.fail(AuthFailed("no"))
    with pytest.raises(AuthFailed) as refused:
        practice.composed.get(Kind.CLIENT, client)
    assert refused.value.part == ""


def test_capabilities_are_those_of_who_serves_a_kind() -> None:
    plain = replace(
        memory_capabilities(), hints=False, budgets=(BudgetSpec(name="calls", calls=9, seconds=1, per="IP"),)
    )
    read_only = KindCapabilities(read=True, listed_with=Kind.APPOINTMENT)
    feed = replace(
        plain,
        kinds={Kind.CLIENT: read_only, Kind.PET: replace(read_only, listed_with=Kind.CLIENT)},
        late_landing=5.0,
        code_lists=frozenset({"species", "staff", "status"}),
        proven="by the vendor's pages",
        needs_vendor=("a GUID",),
        screen={Kind.CLIENT: {"phones": "Phone"}, Kind.APPOINTMENT: {"start": "When"}},
    )
    diary = replace(
        plain,
        shown_within=60.0,
        code_lists=frozenset({"status", "resource", "species"}),
        learnt_lists=frozenset({"status", "species"}),
        proven="by hand",
        screen={Kind.APPOINTMENT: {"start": "Time"}, Kind.PET: {"name": "Pet"}},
    )
    can = Practice(feed, diary).composed.capabilities
    assert set(can.kinds) == {Kind.CLIENT, Kind.PET, Kind.APPOINTMENT}
    assert can.of(Kind.APPOINTMENT) == plain.of(Kind.APPOINTMENT)
    assert can.of(Kind.CLIENT).listed_with is None, "its visits are another's"
    assert can.of(Kind.PET).listed_with is Kind.CLIENT
    assert [each.name for each in can.budgets] == ["calls", "diary.calls"]
    assert (can.late_landing, can.shown_within) == (5.0, 60.0)
    assert can.code_lists == {"species", "staff", "status", "resource"}
    assert can.learnt_lists == {"status"}, "its species are the feed's"
    assert can.proven == "vetdata: by the vendor's pages; diary: by hand"
    assert can.needs_vendor == ("vetdata: a GUID",)
    assert can.screen == {
        Kind.APPOINTMENT: {"start": "Time"}, Kind.PET: {"name": "Pet"}, Kind.CLIENT: {"phones": "Phone"},
    }  # fmt: skip


def test_a_code_list_comes_from_whose_records_bear_its_codes() -> None:
    practice = Practice()
    practice.feed.list_code("species", "SN", "Snake")
    practice.feed.list_code("resource", "r9", "Of no interest")
    practice.diary.list_code("species", "ZZ", "Of no interest")
    practice.diary.list_code("resource", "r7", "Dr Wall")
    lists = practice.composed.code_lists()
    assert lists.keys() == practice.composed.capabilities.code_lists
    assert "SN" in lists["species"]
    assert "r7" in lists["resource"]
    assert "Of no interest" not in {*lists["species"].values(), *lists["resource"].values()}


def test_lists_of_one_that_does_not_answer_are_left_out() -> None:
    practice = Practice()
    practice.diary.fail(Unavailable("the folder is away"))
    assert practice.composed.code_lists().keys() == {"species", "sex"}
    practice.feed.fail(AuthFailed("memory: answered 401"))
    with pytest.raises(AuthFailed):
        practice.composed.code_lists()
    practice.feed.fail(Unavailable("the feed is down"))
    with pytest.raises(Unavailable, match="the feed is down"):
        practice.composed.code_lists()


def test_records_beside_a_page_are_those_that_the_same_one_serves() -> None:
    class Beside(MemorySide):
        def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Any:
            beside = {Kind.PET: (Found(id="p1"),), Kind.APPOINTMENT: (Found(id="a1"),)}
            yield Page(records=(), cursor="1", last=True, beside=beside)

    practice = Practice()
    practice.feed = Beside(practice.feed.capabilities)
    [page] = practice.made().changes(Kind.CLIENT, None)
    assert page.beside == {Kind.PET: (Found(id="p1"),)}


def test_a_part_that_is_limited_names_its_own_budget() -> None:
    practice = Practice()
    practice.diary.fail(RateLimited("slow down", wait=9.0, budget="calls"))
    with pytest.raises(RateLimited) as caught:
        practice.composed.get(Kind.APPOINTMENT, "a1")
    assert caught.value.budget == "diary.calls"
    practice.feed.fail(RateLimited("slow down", wait=9.0, budget="calls"))
    with pytest.raises(RateLimited) as caught:
        practice.composed.get(Kind.CLIENT, "c1")
    assert caught.value.budget == "calls"


def test_webhooks_come_from_one_of_them_for_its_kinds() -> None:
    class Hooked(MemorySide):
        def hints(self, request: HookRequest) -> tuple[Hint, ...]:
            return (Hint(kind=Kind.CLIENT, id="c1"), Hint(kind=Kind.APPOINTMENT, id="a1"))

    practice = Practice()
    with pytest.raises(Refused):
        practice.composed.hints(HookRequest(body=b""))
    practice.diary = Hooked(memory_capabilities())
    assert practice.made().hints(HookRequest(body=b"")) == (Hint(kind=Kind.APPOINTMENT, id="a1"),)
    practice.feed = Hooked(memory_capabilities())
    with pytest.raises(ConfigError, match="vetdata and diary both take webhooks"):
        practice.made()


def test_a_part_that_cannot_serve_what_it_is_to_serve_is_named() -> None:
    plain = replace(memory_capabilities(), hints=False)
    kinds = {kind: can for kind, can in plain.kinds.items() if kind is not Kind.APPOINTMENT}
    with pytest.raises(ConfigError, match="pulse-city: the part diary is to serve appointment"):
        Practice(diary=replace(plain, kinds=kinds))


def test_all_are_closed_whatever_becomes_of_one() -> None:
    closed = []

    class Closing(MemorySide):
        def close(self) -> None:
            closed.append(self)
            raise Unavailable("gone already")

    practice = Practice()
    practice.feed = Closing(practice.feed.capabilities)
    practice.diary = Closing(practice.diary.capabilities)
    with pytest.raises(Unavailable):
        practice.made().close()
    assert set(map(id, closed)) == {id(practice.feed), id(practice.diary)}


def test_a_check_tells_the_lines_of_all_and_of_one_that_fails() -> None:
    class Told(MemorySide):
        def check(self) -> CheckReport:
            return CheckReport(lines=(Check(name=WEBHOOKS, ok=True, text=""), Check(name="token", ok=True, text="")))

    practice = Practice()
    practice.feed = Told(practice.feed.capabilities)
    practice.diary.fail(AuthFailed("the share refuses the password"))
    practice.composed = practice.made()
    lines = practice.lines()
    assert {WEBHOOKS, "vetdata: token"} <= lines.keys()
    assert not lines["diary: account"].ok
    assert lines["diary: account"].advice == AuthFailed.advice()


def test_visits_that_name_known_clients_and_pets_are_fine() -> None:
    practice = Practice()
    for client, pet in practice.with_clients().items():
        practice.booked(client, pet)
    lines = practice.lines()
    assert lines["diary: numbers of clients"].ok
    assert lines["diary: numbers of pets"].ok
    assert practice.composed.check().ok


def test_visits_that_name_nobody_whom_the_feed_shows_are_of_another_key_space() -> None:
    practice = Practice()
    practice.with_clients()
    for number in range(4):
        practice.booked(f"guid-{number}")
    line = practice.lines()["diary: numbers of clients"]
    assert not line.ok
    assert not line.warning
    assert "are both the practice's own numbers?" in line.text
    assert not practice.composed.check().ok


def test_visits_that_name_pets_of_other_clients_are_of_another_key_space() -> None:
    practice = Practice()
    pets = practice.with_clients()
    for client, pet in zip(reversed(pets), pets.values(), strict=True):
        practice.booked(client, pet)
    assert not practice.lines()["diary: numbers"].ok


def test_a_visit_of_a_client_who_is_gone_is_no_more_than_a_warning() -> None:
    practice = Practice()
    [client] = practice.with_clients(1)
    practice.booked(client)
    practice.booked("c99")
    line = practice.lines()["diary: numbers of clients"]
    assert (line.ok, line.warning) == (False, True)
    assert practice.composed.check().ok


def test_a_diary_without_visits_ahead_proves_nothing_and_says_so() -> None:
    practice = Practice()
    assert "no visit" in practice.lines()["diary: numbers"].text


def test_a_pause_of_a_part_is_kept_under_its_name_and_comes_back_to_it() -> None:
    seen: dict[str, Environment] = {}

    def plugin(name: str) -> Plugin:
        def made(options: Any, environment: Environment) -> MemorySide:
            seen[name] = environment
            return MemorySide(replace(memory_capabilities(), hints=False))

        return Plugin(name=name, title=name, options=Options, build=made, mapping="memory")

    kept: dict[str, float] = {}
    environment = Environment(
        account="city", zone="Europe/London", pauses={"calls": 5.0, "diary.calls": 7.0}, on_pause=kept.__setitem__
    )
    parts = {"diary": Part(plugin=plugin("rest"), options=None, kinds=DIARY, limit_scale=3.0)}
    build(plugin("vetdata"), None, environment, parts=parts, mapper=memory_mapper)
    own, diary = seen["vetdata"], seen["rest"]
    assert (own.account, own.kinds, own.pauses["calls"], own.limit_scale) == ("city", REST, 5.0, 1.0)
    assert (diary.account, diary.kinds, diary.pauses, diary.limit_scale) == ("city.diary", DIARY, {"calls": 7.0}, 3.0)
    assert diary.on_pause is not None
    diary.on_pause("calls", 9.0)
    assert kept == {"diary.calls": 9.0}


def test_parts_that_leave_the_own_connector_nothing_are_a_mistake_of_the_config() -> None:
    side = MemorySide(replace(memory_capabilities(), hints=False))
    all_ = frozenset(side.capabilities.kinds)
    own = Served(name="vetdata", connector=side, kinds=frozenset(Kind) - all_)
    with pytest.raises(ConfigError, match="leave vetdata nothing to serve"):
        Composed(
            "city",
            own,
            [Served(name="diary", connector=side, kinds=all_)],
            clock=FakeClock(),
            mapper=memory_mapper,
        )
