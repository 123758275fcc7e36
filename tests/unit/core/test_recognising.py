"""Which typed visit is which line of the work list, case by case; the laws stand in tests/properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from vetbridge.core.by_hand import Recognised, Typed, Wanted, recognise
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Pet

ZONE = "Europe/London"
TEN = datetime(2026, 12, 1, 10)  # noqa: DTZ001 - the practice's clock
ANN = Client(id="c1", given_name="Ann", family_name="Hill", phones=("020 7946 0018",))
BOB = Client(id="c2", given_name="Bob", family_name="Hill", phones=("020 7946 0018",))
CLEO = Client(id="c3", given_name="Cleo", family_name="Hill", phones=("07700 900123",))
EVE = Client(id="c4", given_name="Eve", family_name="Stone", phones=("07700 900456",))
REX = Pet(id="p1", client_id="c1", name="Rex", species="dog")
MINKA = Pet(id="p2", client_id="c1", name="Minka", species="cat")


def at(**later: int) -> Instant:
    return Instant.from_local(TEN + timedelta(**later), ZONE)


def line(key: int = 1, **more: Any) -> Wanted:
    """Ann's Rex at ten with the first vet."""
    known: dict[str, Any] = {
        "start": at(),
        "duration": 900,
        "resource": "vet_1",
        "appointment_type": "checkup",
        "client_id": "c1",
        "pet_id": "p1",
        "booker": replace(ANN, id=None),
        "booked_pet": replace(REX, id=None, client_id=None),
        "stamp": f"VB-{key:010}",
    }
    return Wanted(key=key, **(known | more))


def visit(id_: str = "v1", **more: Any) -> Typed:
    """The same, typed right."""
    known: dict[str, Any] = {
        "start": at(),
        "duration": 900,
        "resource": "vet_1",
        "appointment_type": "checkup",
        "client": ANN,
        "pet": REX,
        "stamp": "",
    }
    return Typed(id=id_, **(known | more))


def found(lines: list[Wanted], visits: list[Typed]) -> dict[int, tuple[str, dict[str, Any]]]:
    return {key: (one.id, dict(one.mistakes)) for key, one in recognise(lines, visits, country="GB").items()}


NEW = line(client_id=None, pet_id=None)
TICKED = line(is_ticked=True)


# -- never another's


@pytest.mark.parametrize(
    "other",
    [
        visit(client=EVE, pet=None),
        visit(client=EVE, pet=replace(REX, id="p9", client_id="c4")),
        visit(client=EVE, pet=None, stamp=TICKED.stamp),
        visit(client=None, pet=replace(REX, id="p9", client_id="c4", name="Wuschel")),
        visit(client=CLEO, pet=None, start=at(minutes=15)),
        visit(client=BOB, pet=None, resource="vet_2"),
        visit(client=None, pet=None, duration=1800),
        visit(client=None, pet=None, resource="vet_2"),
    ],
)
def test_a_visit_of_somebody_else_is_not_taken_even_where_the_line_is_ticked(other: Typed) -> None:
    assert found([TICKED], [other]) == {}
    assert found([replace(TICKED, client_id=None, pet_id=None)], [other]) == {}


def test_a_visit_that_names_nobody_is_taken_only_where_somebody_says_that_the_line_is_typed() -> None:
    nobody = visit(client=None, pet=None)
    assert found([line()], [nobody]) == {}
    assert found([TICKED], [nobody]) == {1: ("v1", {})}
    assert found([TICKED], [nobody, replace(nobody, id="v2")]) == {}


def test_a_pet_of_another_client_is_not_the_one_of_its_name() -> None:
    assert found([TICKED], [visit(client=None, pet=replace(REX, id="p9", client_id="c4"))]) == {}


def test_a_namesakes_visit_in_the_very_place_needs_the_tick() -> None:
    theirs = visit(client=CLEO, pet=Pet(id="p9", client_id="c3", name="Wuschel"))
    assert found([line()], [theirs]) == {}
    assert found([TICKED], [theirs]) == {1: ("v1", {"client_id": "c3", "pet_id": "p9"})}


def test_the_same_pet_on_the_partners_card_is_the_line_on_the_wrong_card() -> None:
    theirs = visit(client=BOB, pet=replace(REX, id="p9", client_id="c2"))
    assert found([line()], [theirs]) == {1: ("v1", {"client_id": "c2"})}


# -- not a visit by telephone of the same owner


@pytest.mark.parametrize(
    "other",
    [
        visit(start=at(hours=6, minutes=20)),
        visit(start=at(hours=1), pet=MINKA),
        visit(start=at(hours=1), duration=1800),
        visit(start=at(hours=1), appointment_type="surgery"),
        visit(start=at(hours=1), resource="vet_2"),
        visit(start=at(days=1)),
        visit(resource="vet_2", pet=MINKA),
    ],
)
def test_another_visit_of_the_owner_does_not_swallow_a_line(other: Typed) -> None:
    assert found([TICKED], [other]) == {}


@pytest.mark.parametrize("by", [{"minutes": 30}, {"days": 7}, {"days": -7}])
def test_a_time_that_people_also_mean_needs_the_tick(by: dict[str, int]) -> None:
    assert found([line()], [visit(start=at(**by))]) == {}
    assert found([TICKED], [visit(start=at(**by))]) == {1: ("v1", {"start": at(**by)})}


def test_of_a_series_none_is_the_visit_of_this_week() -> None:
    series = [visit(f"v{week}", start=at(days=7 * week)) for week in (1, 2, 3)]
    assert found([TICKED], series) == {}


def test_day_and_month_exchanged_and_a_wrong_year_are_found() -> None:
    exchanged = Instant.from_local(TEN.replace(month=1, day=12), ZONE)
    last_year = Instant.from_local(TEN.replace(year=2025), ZONE)
    for wrong in (exchanged, last_year):
        assert found([TICKED], [visit(start=wrong)]) == {1: ("v1", {"start": wrong})}


def test_a_day_that_no_other_month_has_stands_in_nobodys_way() -> None:
    leap = Instant.from_local(datetime(2028, 2, 29, 10), ZONE)  # noqa: DTZ001 - the practice's clock
    ticked = replace(TICKED, start=leap)
    assert found([ticked], [visit(start=leap)]) == {1: ("v1", {})}


@pytest.mark.parametrize("far", ["0001-01-01T00:00+00:00", "9999-12-31T23:59+00:00"])
def test_a_time_at_the_end_of_all_times_is_compared_as_it_is(far: str) -> None:
    start = Instant.parse(far, ZONE)
    assert found([replace(TICKED, start=start)], [visit(start=start)]) == {1: ("v1", {})}


# -- one to one


def test_two_lines_and_two_visits_of_one_owner_are_paired_by_the_pet() -> None:
    lines = [line(), line(2, start=at(minutes=15), pet_id="p2", booked_pet=replace(MINKA, id=None))]
    visits = [visit("v1", start=at(minutes=15)), visit("v2", start=at(minutes=15), pet=MINKA)]
    assert found(lines, visits) == {1: ("v1", {"start": at(minutes=15)}), 2: ("v2", {})}


def test_visits_that_were_exchanged_leave_a_choice_and_are_left_alone() -> None:
    lines = [line(), line(2, start=at(minutes=15), pet_id="p2", booked_pet=replace(MINKA, id=None))]
    visits = [visit("v1", pet=MINKA), visit("v2", start=at(minutes=15))]
    assert found(lines, visits) == {}


def test_two_times_that_fit_alike_are_left_alone() -> None:
    assert found([line()], [visit("v1", start=at(hours=1)), visit("v2", start=at(hours=-1))]) == {}


def test_where_the_pims_says_no_pets_two_visits_at_one_time_are_two_lines_and_one_is_none() -> None:
    lines = [line(), line(2, pet_id="p2", booked_pet=replace(MINKA, id=None))]
    assert found(lines, [visit("v1", pet=None)]) == {}
    assert found(lines, [visit("v1", pet=None), visit("v2", pet=None)]) == {1: ("v1", {}), 2: ("v2", {})}
    assert found(lines, [visit("v1", pet=None), visit("v2", pet=MINKA)]) == {1: ("v1", {}), 2: ("v2", {})}


def test_a_line_that_was_typed_twice_says_so() -> None:
    twice = recognise([line()], [visit("v2"), visit("v1"), visit("v3", client=EVE, pet=None)], country="GB")
    assert twice == {1: Recognised(key=1, id="v1", again=("v2",))}


# -- the stamp


def test_a_stamp_counts_whatever_else_was_typed() -> None:
    wrong = visit(start=at(days=3), resource="vet_2", pet=MINKA, duration=1800, stamp=line().stamp)
    mistakes = {"start": at(days=3), "resource": "vet_2", "pet_id": "p2", "duration": 1800}
    assert found([line()], [wrong, visit("v2", resource="vet_2")]) == {1: ("v1", mistakes)}


def test_a_stamp_that_was_put_into_the_visit_of_another_line_is_not_believed() -> None:
    lines = [line(), line(2, start=at(minutes=15), pet_id="p2", booked_pet=replace(MINKA, id=None))]
    visits = [
        visit("v1", stamp=lines[1].stamp),
        visit("v2", start=at(minutes=15), pet=MINKA, stamp=lines[0].stamp),
    ]
    assert found(lines, visits) == {1: ("v1", {}), 2: ("v2", {})}


def test_a_visit_with_another_bookings_stamp_is_taken_only_where_all_agrees() -> None:
    other = visit(start=at(hours=1), stamp="VB-9999999999")
    assert found([line()], [other]) == {}
    assert found([line()], [replace(other, start=at())]) == {1: ("v1", {})}


# -- owners and pets that were new


@pytest.mark.parametrize(
    ("card", "mistakes"),
    [
        ({"given_name": "Anne"}, {}),
        ({"given_name": "Amn"}, {"given_name": "Amn"}),
        ({"family_name": "Hil"}, {"family_name": "Hil"}),
        ({"family_name": "Hull"}, {"family_name": "Hull"}),
        ({"phones": ("020 7946 0081",)}, {"phones": "020 7946 0081"}),
        ({"phones": ()}, {}),
        ({"phones": ("+44 20 79460018",)}, {}),
        ({"phones": ("07700 900999",)}, {"client_id": "c1"}),
        ({"given_name": "Tom"}, {}),
        ({"given_name": "Tom", "family_name": "Stone", "co_owners": ("Ann Hill",)}, {}),
        ({"given_name": "Tom", "family_name": "Stone", "co_owners": ("Ann Hil",)}, {}),
    ],
)
def test_a_new_owner_is_known_by_what_was_typed_right(card: dict[str, Any], mistakes: dict[str, Any]) -> None:
    assert found([NEW], [visit(client=replace(ANN, **card))]) == {1: ("v1", mistakes)}


def test_the_wanted_pet_may_stand_with_its_carer() -> None:
    cared_for = replace(REX, carer_id="c4")
    assert found([line()], [visit(client=EVE, pet=cared_for)]) == {1: ("v1", {})}
    assert found([TICKED], [visit(client=EVE, pet=replace(cared_for, id="p9"))]) == {}
    assert found([TICKED], [visit(client=EVE, pet=REX)]) == {}


def test_the_wanted_pet_may_stand_with_another_of_its_owners() -> None:
    shared = replace(REX, co_owner_ids=("c4",))
    assert found([line()], [visit(client=EVE, pet=shared)]) == {1: ("v1", {})}
    hers = replace(line(), client_id="c4", booker=EVE)
    assert found([hers], [visit(client=ANN, pet=shared)]) == {1: ("v1", {})}
    assert found([hers], [visit(client=BOB, pet=shared)]) == {}
    assert found([TICKED], [visit(client=EVE, pet=replace(shared, id="p9"))]) == {}
    assert found([replace(hers, client_id="c9")], [visit(client=ANN, pet=shared)]) == {}


def test_a_new_pet_may_be_typed_with_a_slip_or_be_another() -> None:
    assert found([NEW], [visit(pet=replace(REX, name="Rax"))]) == {1: ("v1", {"pet_name": "Rax"})}
    assert found([NEW], [visit(pet=MINKA)]) == {1: ("v1", {"pet_id": "p2"})}
    unnamed = replace(NEW, booked_pet=Pet(species="dog"))
    assert found([unnamed], [visit()]) == {1: ("v1", {})}
    assert found([unnamed], [visit(pet=MINKA)]) == {1: ("v1", {"pet_id": "p2"})}


def test_what_was_typed_stands_in_no_representation() -> None:
    (one,) = recognise([NEW], [visit(client=replace(ANN, given_name="Amn"))], country="GB").values()
    assert one.mistakes
    assert "Amn" not in repr(one)
