"""A notice that was sent is written into the PIMS's own log: one line at the most, and nobody is told by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sync.due_rig import NOTICES, Town
from vetbridge.core.errors import Unavailable, VetBridgeError
from vetbridge.core.records import Kind


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path, notices=NOTICES, pims_logs=True)


def test_a_notice_is_one_line_of_the_log_and_names_its_pet(town: Town) -> None:
    owner, (tom, rex), card = town.family("Ann", "Tom", "Rex")
    town.due(tom, 15)
    town.cycle()
    ((_, text),) = town.booking.messages
    (line,) = town.pims.logged
    assert (line["client_id"], line["pet_id"], line["text"]) == (owner, tom, text)
    assert line["at"].utc == town.clock.now()
    for _ in range(3):
        town.later(days=1)
        town.cycle()
    assert len(town.pims.logged) == 1
    assert town.pims.messages == []
    town.due(tom, 15)
    town.due(rex, 15)
    town.cycle()
    assert [each["pet_id"] for each in town.pims.logged] == [tom, None], "several pets are the owner's line"
    assert {client for client, _ in town.booking.messages} == {card}


@pytest.mark.parametrize("arrived", [True, False, None])
def test_a_line_whose_answer_is_lost_or_that_is_not_taken_is_not_written_again(
    town: Town, arrived: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15)
    if arrived is None:
        monkeypatch.setattr(town.pims, "_noted", _away)
    else:
        town.pims.lose_answers(done=arrived)
    for _ in range(3):
        town.cycle()
        town.later(days=1)
    assert len(town.booking.messages) == 1
    assert len(town.pims.logged) == (1 if arrived else 0)
    assert "notice-sent" in town.ended()
    assert {state for state, _ in town.endings()} <= {"done", "skipped"}


def _away(_native: object) -> str:
    error: VetBridgeError = Unavailable("memory: away")
    raise error


def test_a_side_without_a_log_is_not_asked_for_one(tmp_path: Path) -> None:
    town = Town(tmp_path, notices=NOTICES)
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15)
    town.cycle()
    assert len(town.booking.messages) == 1
    assert town.pims.calls["apply"] == 0
    assert not town.pims.capabilities.of(Kind.REMINDER).logs
