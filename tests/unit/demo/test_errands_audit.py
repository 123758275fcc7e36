"""The audit of files and of due services, on stores made by hand: every planted fault is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.demo.worlds import PETS_FROM, SAYS_NOTHING, TODAY, World, reported
from vetbridge.demo.script import plan_morning
from vetbridge.demo.story import DueCase, DuePet, Morning, Paper
from vetbridge.testing.clinic import make_clinic


@pytest.fixture(scope="module")
def morning() -> Morning:
    return plan_morning(make_clinic(4, 2000), 4, 60, today=TODAY)


@pytest.fixture
def world(morning: Morning) -> World:
    return World(morning)


def paper(morning: Morning, *, at_pims: bool, carried: bool = True) -> Paper:
    return next(one for one in morning.papers if one.at_pims is at_pims and one.carried is carried)


def due(morning: Morning, case: DueCase) -> DuePet:
    return next(one for one in morning.due if one.case is case)


def drop(world: World, *, kind: str, name: str) -> None:
    store = world.pims if kind == "attachment" else world.booking
    (number,) = [row["id"] for row in store.all(kind) if row["name"] == name]
    store.delete(kind, number)


def test_a_file_that_was_not_carried(world: World, morning: Morning) -> None:
    drop(world, kind="attachment", name=paper(morning, at_pims=False).name)
    drop(world, kind="file", name=paper(morning, at_pims=True).name)
    result = world.audit()
    assert (reported(result), len(result.carried)) == ({"lost": 2}, 2)


def test_a_file_that_was_carried_twice(world: World, morning: Morning) -> None:
    world.attach(paper(morning, at_pims=False))
    assert reported(world.audit()) == {"duplicated": 1}


def test_a_file_that_came_back_to_where_it_was(world: World, morning: Morning) -> None:
    world.put_on_card(paper(morning, at_pims=False))
    assert reported(world.audit()) == {"duplicated": 1}


def test_a_file_that_was_cut_short(world: World, morning: Morning) -> None:
    one = paper(morning, at_pims=False)
    drop(world, kind="attachment", name=one.name)
    world.attach(one, one.content[:-10])
    assert reported(world.audit()) == {"lost": 1, "duplicated": 1}


def test_a_file_on_somebody_else(world: World, morning: Morning) -> None:
    one = paper(morning, at_pims=False)
    drop(world, kind="attachment", name=one.name)
    world.attach(one, animal=PETS_FROM + morning.due[0].pet)
    assert reported(world.audit()) == {"wrong_owner": 1}


def test_a_file_that_is_the_practices_own(world: World, morning: Morning) -> None:
    world.put_on_card(paper(morning, at_pims=True, carried=False))
    assert reported(world.audit()) == {"duplicated": 1}


def test_a_file_that_nobody_can_open(world: World, morning: Morning) -> None:
    world.attach(paper(morning, at_pims=False, carried=False))
    assert reported(world.audit()) == {"duplicated": 1}
    world.seen = replace(world.seen, refused=frozenset())
    assert reported(world.audit()) == {"duplicated": 1, "lost": 1}


def test_a_card_that_says_nothing(world: World, morning: Morning) -> None:
    world.change_card(due(morning, DueCase.SOON), **SAYS_NOTHING)
    world.change_card(due(morning, DueCase.OVERDUE), **SAYS_NOTHING)
    result = world.audit()
    assert (reported(result), len(result.shown)) == ({"wrong_reminders": 2}, 2)


@pytest.mark.parametrize("case", [DueCase.DIES, DueCase.OPTS_OUT])
def test_a_card_that_still_says_something(world: World, morning: Morning, case: DueCase) -> None:
    world.change_card(due(morning, case), custom_fields={"due_pet": "Rex"})
    assert reported(world.audit()) == {"wrong_reminders": 1}


@pytest.mark.parametrize("case", [DueCase.DIES, DueCase.OPTS_OUT])
def test_a_card_that_never_said_anything(world: World, morning: Morning, case: DueCase) -> None:
    world.seen = replace(world.seen, marked=world.seen.marked - {due(morning, case).number})
    assert reported(world.audit()) == {"wrong_reminders": 1}


def test_an_opt_out_that_the_desk_was_not_told_of(world: World) -> None:
    world.seen = replace(world.seen, noted=frozenset())
    result = world.audit()
    assert reported(result) == {"wrong_reminders": 1}
    assert not result.complete


def test_a_message_that_was_not_sent(world: World) -> None:
    for row in list(world.booking.all("notice")):
        world.booking.delete("notice", row["id"])
    assert reported(world.audit()) == {"wrong_reminders": 1}


def test_a_message_that_was_sent_twice(world: World) -> None:
    (row,) = world.booking.all("notice")
    world.booking.insert("notice", {name: value for name, value in row.items() if name != "id"})
    assert reported(world.audit()) == {"notices": 1}
