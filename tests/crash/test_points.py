"""kill -9 at each named point: a booking, a move and a cancellation under way end once, on the right owner.

One town and one ledger for all points, as in a clinic; for each point VetBridge is killed there again and again until
what people did is through.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.ledgers import ledgers
from tests.crash.stage import Quiet, Stage, until
from tests.crash.victim import POINTS
from tests.ledgers import on_postgresql

KILLS = 4
"""At most so many for one point: a booking, a move, a cancellation, and one to spare."""
PATIENCE = 60.0
"""Seconds; far more than a VetBridge takes that has a handful of things to do."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("points")
    with (
        ledgers("postgresql" if on_postgresql() else "sqlite", folder) as new_ledger,
        Stage(folder, new_ledger("points"), seed=5) as made,
    ):
        for _ in range(2 * len(POINTS)):
            made.people.book(made.people.known(), desk_edits=False)
        assert made.settle()
        yield made


@pytest.mark.parametrize("point", POINTS)
def test_killed_there_everything_ends_once(stage: Stage, point: str) -> None:
    people, place = stage.people, POINTS.index(point)
    people.book(people.known(), desk_edits=False)
    people.book(people.newcomer(), desk_edits=False)
    if point == "looked":
        assert killed_at(stage, "sent")  # nothing is looked for before an answer is lost
    people.move(stage.journal.subjects[2 * place])
    people.cancel(stage.journal.subjects[2 * place + 1])
    kills = 0
    while kills < KILLS and killed_at(stage, point):
        kills += 1
    assert kills > 0, f"nothing passed {point}"
    assert stage.settle()
    assert stage.audit().findings == []


def killed_at(stage: Stage, point: str) -> bool:
    """Lets a VetBridge work until it dies at the first pass of a point; False where all is done before that."""
    victim = stage.victim("--kill-at", f"{point}:1")
    quiet = Quiet(stage)
    assert until(lambda: not victim.alive or quiet(), PATIENCE), "neither killed nor done"
    reached = not victim.alive
    victim.kill()
    victim.require_killed()
    return reached
