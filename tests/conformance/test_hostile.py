"""The suite turns red for every lie of a hostile connector, and for the one that does not lie it stays green.

The suite's tests are called here one by one in this process, as pytest would call them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.testing.hostile import HostileSubject, Lie
from vetbridge.testing.suite import ConnectorSuite, Subject
from vetbridge.testing.suite.base import apply_zone

SLOW = {"test_import_reaches_no_network"}
"""Starts a process, and asks nothing of a connector's behaviour."""

CAUGHT_BY: dict[Lie, str] = {
    Lie.BORDER: "test_pages_leave_nothing_out",
    Lie.EQUAL_TIMES: "test_cursor_misses_nothing",
    Lie.TOO_FAR: "test_cursor_inside_a_walk_is_safe",
    Lie.CURSOR_IN_MEMORY: "test_cursor_outlives_its_connector",
    Lie.GARBAGE_IS_NOW: "test_cursor_that_is_none_skips_nothing",
    Lie.NEVER_LAST: "test_pages_leave_nothing_out",
    Lie.WRONG_TOTAL: "test_pages_leave_nothing_out",
    Lie.STALE_READ: "test_each_declared_field_changes_alone",
    Lie.GUESSES: "test_unknown_ids_are_none",
    Lie.CRASHES: "test_unknown_ids_are_none",
    Lie.WHOLE_NUMBERS: "test_created_is_read_back",
    Lie.ALIVE: "test_natives_are_plain_data_of_their_own",
    Lie.NO_FILTER: "test_search_finds_the_client",
    Lie.LAGS: "test_lost_create_is_one",
    Lie.SAME_VERSION: "test_version_moves_with_the_record",
    Lie.COUNTING_FIELDS: "test_version_tells_there_and_back_again",
    Lie.DELETES: "test_cancel_is_soft_and_seen",
    Lie.KEEPS_RUNNING: "test_cancel_is_soft_and_seen",
    Lie.REPLACES: "test_each_declared_field_changes_alone",
    Lie.TWICE: "test_lost_create_is_one",
    Lie.SAYS_DONE: "test_lost_create_is_one",
    Lie.SAYS_UNDONE: "test_lost_create_is_one",
    Lie.BLIND: "test_lost_create_is_one",
    Lie.SEES_ALL: "test_looking_tells_visits_apart",
    Lie.AN_HOUR: "test_moments_survive",
    Lie.MACHINE_ZONE: "test_moments_survive",
    Lie.CUTS: "test_two_million_characters",
    Lie.ASCII: "test_notes_keep_their_text",
    Lie.TELLS_SECRET: "test_nothing_of_a_person_is_told",
    Lie.TELLS_PERSON: "test_errors_name_no_person",
    Lie.LOGS_PERSON: "test_nothing_of_a_person_is_told",
    Lie.UNDECLARED: "test_undeclared_is_refused_unsent",
    Lie.BUSY_CHECK: "test_check_is_well_and_writes_nothing",
    Lie.CLOSED_ONCE: "test_closing_twice_does_no_harm",
    Lie.HEARS_VOICES: "test_useless_webhooks_say_nothing",
    Lie.PLAIN_ERROR: "test_failing_reads_are_named",
}
"""The test of the suite that each lie is for."""


class Enrolled(ConnectorSuite):
    """What a connector's own file would say. Its name keeps pytest from running it here."""

    def make(self) -> Subject:
        return HostileSubject(None)


def calls(name: str) -> Iterator[dict[str, Any]]:
    """The parameters of every call of one of the suite's tests."""
    marks = [mark for mark in getattr(getattr(Enrolled, name), "pytestmark", []) if mark.name == "parametrize"]
    choices = []
    for mark in marks:
        names = mark.args[0] if isinstance(mark.args[0], tuple | list) else mark.args[0].replace(" ", "").split(",")
        rows = [row if len(names) > 1 else (row,) for row in mark.args[1]]
        choices.append([dict(zip(names, row, strict=True)) for row in rows])
    for chosen in itertools.product(*choices):
        yield {key: value for each in chosen for key, value in each.items()}


def reds(name: str, lie: Lie | None) -> Iterator[str]:
    """Every failure of one test of the suite."""
    test: Callable[..., None] = getattr(Enrolled(), name)
    for more in calls(name):
        try:
            test(HostileSubject(lie), **more)
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception) as error:  # whatever it is: pytest would call it a failure
            yield f"{name} {more}: {type(error).__name__} {error}"


def names() -> list[str]:
    return sorted({name for name in dir(Enrolled) if name.startswith("test_")} - SLOW)


@pytest.fixture(autouse=True)
def _machine_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As the suite does for every test: the machine stands in another zone than the site."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    apply_zone()
    yield
    monkeypatch.undo()
    apply_zone()


@pytest.mark.parametrize("lie", list(Lie), ids=[lie.name.lower() for lie in Lie])
def test_a_lie_turns_the_suite_red(lie: Lie) -> None:
    assert next(reds(CAUGHT_BY[lie], lie), None), f"nothing notices a connector that {lie}"


@pytest.mark.parametrize("name", names())
def test_without_a_lie_it_is_green(name: str) -> None:
    assert list(reds(name, None)) == []


def test_every_lie_is_told_once() -> None:
    assert set(CAUGHT_BY) == set(Lie)
