"""Vaccinations of an ezyVet site, and what is due by its wellness plans and therapeutics, against its simulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from connectors.ezyvet import plugin, wire
from connectors.ezyvet.connector import EzyVet
from connectors.ezyvet.options import SCOPES, VACCINATIONS
from connectors.ezyvet.simulator import CODE_LISTS, EzyVetSimulator, build
from tests.unit.connectors.test_ezyvet_connector import connected
from vetbridge.connector.interface import Operation, Write
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import BadAnswer, MappingError, Refused
from vetbridge.core.records import Kind, Reminder, Vaccination
from vetbridge.mapping import Mapper, load_table

GIVEN, DUE = date(2026, 3, 2), date(2027, 3, 2)
MADE_UP = {
    "due": "made_up_due",
    "consult": "made_up_consult",
    "service": "made_up_product",
    "name": "made_up_name",
}
BOTH = {"wellness_plans": True, "therapeutics": MADE_UP}
ROW: dict[str, Any] = {
    "id": "7",
    "active": "1",
    "modified_at": "1760000000",
    "consult_id": "3",
    "product_id": "12",
    "description": "Rabies\nlot 5",
    "date_of_administration": "1760000000",
    "date_of_next_administration": "1791536000",
}
MEMBERSHIP: dict[str, Any] = {
    "id": 4,
    "active": True,
    "modified_at": 1_760_000_000,
    "animal_id": 5001,
    "wellness_plan": 2,
    "end_date": 1_791_536_000,
    "renew_when_expired": False,
    "next_wellness_plan": None,
}


@pytest.fixture
def simulator() -> Iterator[EzyVetSimulator]:
    with build(clients=5, seed=7) as running:
        yield running


def with_due(simulator: EzyVetSimulator, **more: Any) -> AbstractContextManager[EzyVet]:
    given = {"scope": (*SCOPES, *VACCINATIONS), "due_services": BOTH}
    return connected(simulator, **{**given, **more})


@pytest.fixture
def side(simulator: EzyVetSimulator) -> Iterator[EzyVet]:
    with with_due(simulator) as connector:
        yield connector


def mapper(zone: str = "Europe/London") -> Mapper:
    return Mapper(load_table("ezyvet"), zone=zone, country="GB", codes=CODE_LISTS)


def told(side: EzyVet, kind: Kind, since: str | None = None) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for page in side.changes(kind, since):
        read |= {found.id: mapper().read(kind, found.native or {}) for found in page.records}
    return read


def cursor_of(side: EzyVet, kind: Kind, since: str | None = None) -> str:
    pages = list(side.changes(kind, since))
    assert [page.last for page in pages] == [*(False for _ in pages[1:]), True]
    return pages[-1].cursor


# -- vaccinations


def test_a_vaccination_is_its_consults_pets(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = str(simulator.vaccinate(5002, 12, "Rabies 3 years", GIVEN, DUE))
    last = str(simulator.vaccinate(5003, 14, "", GIVEN, None))

    found = told(side, Kind.VACCINATION)
    shot = Vaccination(id=number, pet_id="5002", service="12", name="Rabies 3 years", given_on=GIVEN, due_on=DUE)
    assert found[number] == shot
    assert (found[last].name, found[last].due_on) == ("", None)
    native = side.get(Kind.VACCINATION, number)
    assert native is not None
    assert mapper().read(Kind.VACCINATION, native) == shot
    assert side.get(Kind.VACCINATION, "99") is None


def test_a_vaccination_without_its_consult_is_nobodys(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.vaccinate(5002, 12, "Rabies", GIVEN, DUE)
    simulator.store.delete("consult", 1)
    assert told(side, Kind.VACCINATION)[str(number)].pet_id is None


def test_many_vaccinations_take_few_calls(simulator: EzyVetSimulator) -> None:
    for animal in (5001, 5002, 5003) * 40:
        simulator.vaccinate(animal, 12, "Rabies", GIVEN, DUE)
    with with_due(simulator) as side:
        found = told(side, Kind.VACCINATION)
    assert len(found) == 120
    assert {each.pet_id for each in found.values()} == {"5001", "5002", "5003"}
    requests = simulator.counts()["requests"]
    assert (requests["GET /v1/vaccination"], requests["GET /v1/consult"]) == (1, 2)


@pytest.mark.parametrize("kind", [Kind.VACCINATION, Kind.REMINDER])
def test_only_what_changed_is_told_again(simulator: EzyVetSimulator, side: EzyVet, kind: Kind) -> None:
    def make() -> str:
        if kind is Kind.VACCINATION:
            return str(simulator.vaccinate(5001, 12, "Rabies", GIVEN, DUE))
        return f"therapeutic:{simulator.treat(5001, 20, 'Worming', DUE)}"

    simulator.clock.set(datetime.now(UTC) - timedelta(hours=1))
    old = make()
    simulator.clock.set(None)
    cursor = cursor_of(side, kind)
    new = make()
    assert set(told(side, kind, cursor)) == {new}
    assert set(told(side, kind, "no cursor at all")) == {old, new}
    assert cursor_of(side, kind, cursor) >= cursor


def test_a_row_that_lacks_a_field_holds_the_cursor(simulator: EzyVetSimulator, side: EzyVet) -> None:
    simulator.vaccinate(5001, 12, "Rabies", GIVEN, DUE)
    simulator.treat(5001, 20, "Worming", DUE)
    simulator.renamed = {"date_of_next_administration": "next_date", "made_up_due": "due"}
    assert cursor_of(side, Kind.VACCINATION) == "0"
    assert '"therapeutic": 0' in cursor_of(side, Kind.REMINDER)
    with pytest.raises(BadAnswer, match="due_on"):
        side.get(Kind.VACCINATION, "1")
    with pytest.raises(BadAnswer, match="due_on"):
        side.get(Kind.REMINDER, "therapeutic:1")


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Europe/London", "America/Los_Angeles"])
def test_a_due_day_is_one_day_wherever_midnight_was(zone: str) -> None:
    for midnight in (datetime(2027, 3, 2, tzinfo=UTC), datetime(2027, 3, 2, tzinfo=ZoneInfo(zone))):
        row = {**ROW, "date_of_next_administration": str(int(midnight.timestamp()))}
        assert mapper(zone).read(Kind.VACCINATION, wire.vaccination(row, {"3": "5001"})).due_on == DUE


@pytest.mark.parametrize("nothing", ["", None, 0, "0"])
def test_a_vaccine_that_is_never_given_again_is_never_due(nothing: object) -> None:
    native = wire.vaccination({**ROW, "date_of_next_administration": nothing}, {"3": "5001"})
    assert mapper().read(Kind.VACCINATION, native).due_on is None


@pytest.mark.parametrize(("field", "value"), [("consult_id", [1]), ("active", "maybe"), ("description", {"a": 1})])
def test_a_hostile_vaccination_is_named(field: str, value: object) -> None:
    with pytest.raises(MappingError):
        mapper().read(Kind.VACCINATION, wire.vaccination({**ROW, field: value}, {"3": "5001"}))


def test_a_long_description_is_cut_to_its_first_line() -> None:
    native = wire.vaccination({**ROW, "description": "\n  " + "x" * 5000 + "\nsecond"}, {"3": "5001"})
    assert native["name"] == "x" * wire.LONGEST_LINE


# -- what is derived


def test_a_wellness_plan_that_ends_is_due(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.enrol(5001, 2, GIVEN, DUE)
    found = told(side, Kind.REMINDER)
    assert found == {
        f"plan:{number}": Reminder(
            id=f"plan:{number}", pet_id="5001", service="plan:2", name="Wellness plan", due_on=DUE
        )
    }
    native = side.get(Kind.REMINDER, f"plan:{number}")
    assert native is not None
    assert mapper().read(Kind.REMINDER, native) == found[f"plan:{number}"]


@pytest.mark.parametrize(
    ("values", "due", "completed", "active"),
    [
        ({}, True, False, True),
        ({"renew_when_expired": True}, False, False, True),
        ({"renew_when_expired": "1", "next_wellness_plan": "9"}, False, True, True),
        ({"next_wellness_plan": 9}, True, True, True),
        ({"active": "0"}, True, False, False),
        ({"end_date": None}, False, False, True),
    ],
)
def test_a_membership_is_due_by_its_end(values: dict[str, Any], due: bool, completed: bool, active: bool) -> None:
    record = mapper().read(Kind.REMINDER, wire.membership({**MEMBERSHIP, **values}))
    assert (record.due_on is not None, record.completed, record.active) == (due, completed, active)


@pytest.mark.parametrize(
    "values", [{"renew_when_expired": "maybe"}, {"animal_id": "abc"}, {"next_wellness_plan": []}]
)
def test_a_membership_that_cannot_be_read_is_named(values: dict[str, Any]) -> None:
    with pytest.raises(MappingError):
        mapper().read(Kind.REMINDER, wire.membership({**MEMBERSHIP, **values}))


def test_a_therapeutic_is_due_by_the_fields_that_the_site_names(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.treat(5003, 20, "Worming", DUE)
    [record] = told(side, Kind.REMINDER).values()
    assert record == Reminder(
        id=f"therapeutic:{number}", pet_id="5003", service="20", name="Worming", due_on=DUE, completed=False
    )
    [line] = [each for each in side.check().lines if each.name == "due_services.therapeutics"]
    assert line.ok
    named = {**BOTH, "therapeutics": {**MADE_UP, "due": "next_due"}}
    with with_due(simulator, due_services=named) as other:
        [line] = [each for each in other.check().lines if each.name == "due_services.therapeutics"]
        assert not line.ok
        assert "no field next_due" in line.text
        assert "made_up_due" in line.text
        [found] = [each for page in other.changes(Kind.REMINDER, None) for each in page.records]
        assert wire.unreadable(found.native or {}) == ["due_on"]


def test_a_therapeutic_may_name_its_pet_itself() -> None:
    fields = wire.TherapeuticFields(due="due", service="product", name="name", pet="animal_id", consult="consult_id")
    row = {"id": 1, "active": True, "due": 0, "product": "worming kit", "name": "", "consult_id": 3}
    for animal, pet in ((5001, "5001"), (None, "5009"), ([], wire.UNREADABLE)):
        native = wire.therapeutic({**row, "animal_id": animal}, fields, {"3": "5009"})
        assert native["pet_id"] == pet
    assert (native["service"], native["due_on"]) == ("worming kit", None)


def test_both_are_told_in_one_walk_and_each_keeps_its_place(simulator: EzyVetSimulator) -> None:
    simulator.clock.set(datetime.now(UTC) - timedelta(hours=1))
    for animal in (5001, 5002, 5003):
        simulator.enrol(animal, 2, GIVEN, DUE)
        simulator.treat(animal, 20, "Worming", DUE)
    simulator.clock.set(None)
    with with_due(simulator, page_size=2) as side:
        pages = list(side.changes(Kind.REMINDER, None))
        assert len(told(side, Kind.REMINDER)) == 6
    assert [len(page.records) for page in pages] == [2, 1, 2, 1]
    assert pages[-1].total == 6
    assert [page.last for page in pages] == [False, False, False, True]
    with with_due(simulator, due_services={"wellness_plans": True}) as plans_alone:
        cursor = cursor_of(plans_alone, Kind.REMINDER)
    with with_due(simulator) as side:
        assert set(told(side, Kind.REMINDER, cursor)) == {"therapeutic:1", "therapeutic:2", "therapeutic:3"}
        assert told(side, Kind.REMINDER, cursor_of(side, Kind.REMINDER, cursor)) == {}


@pytest.mark.parametrize("number", ["1", "plan:", "plan:x", "plan:01", "therapeutic:1/..", "other:1", ""])
def test_an_id_that_is_none_reads_nothing(simulator: EzyVetSimulator, side: EzyVet, number: str) -> None:
    simulator.enrol(5001, 2, GIVEN, DUE)
    assert side.get(Kind.REMINDER, number) is None


# -- what is asked for, and what is not


def test_what_is_not_asked_for_is_not_there(simulator: EzyVetSimulator) -> None:
    with connected(simulator) as plain:
        assert set(plain.capabilities.kinds) == {Kind.CLIENT, Kind.PET, Kind.APPOINTMENT}
        for kind in (Kind.VACCINATION, Kind.REMINDER):
            with pytest.raises(Refused) as caught:
                plain.changes(kind, None)
            assert caught.value.code == "not-supported"
    with with_due(simulator) as side:
        write = Write(operation=Operation.NOTIFY, kind=Kind.REMINDER, id="plan:1", native={"text": "x"})
        with pytest.raises(Refused) as caught:
            side.apply(write)
        assert caught.value.code == "not-supported"
        assert "read-wellnessplanmembership" in side._options.rights


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"scope": ["read-vaccination"]}, "read-consult"),
        ({"due_services": {"therapeutics": {"due": "a", "service": "b", "name": "c"}}}, "field pet or the field"),
        ({"due_services": {"therapeutics": {**MADE_UP, "due": "a b"}}}, "pattern"),
        ({"upload": {"file": 'x"\r\n'}}, "pattern"),
    ],
)
def test_options_that_cannot_be_are_named(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        plugin.options.model_validate({"client_id": "c", "client_secret": Secret.of("s"), "site_uid": "u", **more})


def test_rights_that_are_missing_are_told(simulator: EzyVetSimulator, side: EzyVet) -> None:
    side.check()
    [token] = simulator._tokens
    expires, scopes = simulator._tokens[token]
    simulator._tokens[token] = (expires, scopes - {"read-consult", "read-wellnessplanmembership"})
    [line] = [each for each in side.check().lines if each.name == "read rights"]
    assert line.warning
    assert "read-consult, read-wellnessplanmembership" in line.text
    with pytest.raises(Refused, match="read-wellnessplanmembership"):
        told(side, Kind.REMINDER)


def test_a_site_without_therapeutics_keeps_nothing_else_back(
    simulator: EzyVetSimulator, side: EzyVet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        simulator, "_routes", [each for each in simulator._routes if "therapeutic" not in each.template]
    )
    with pytest.raises(Refused) as caught:
        told(side, Kind.REMINDER)
    assert caught.value.code == "not-supported"
    lines = {line.name: line for line in side.check().lines}
    assert "does not serve therapeutic" in lines["read rights"].text
    assert not lines["due_services.therapeutics"].ok
