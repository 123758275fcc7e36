"""What the state machine of the laws found, each as the shortest history that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.hostile import OFF, PEOPLE, Setting, Town
from tests.properties.test_laws import facts, law_5_nothing_lost_nothing_doubled, nobody_else_gets_the_visit
from vetbridge.connector.interface import Operation
from vetbridge.core.answers import Choice, choices
from vetbridge.core.records import Kind
from vetbridge.ledger import reviews

Build = Callable[..., Town]


@pytest.fixture
def build() -> Iterator[Build]:
    made: list[Town] = []

    def town(**setting: object) -> Town:
        made.append(Town(Setting(**setting)))  # type: ignore[arg-type]
        return made[-1]

    yield town
    for one in made:
        one.close()


def say(town: Town, why: str, choice: Choice) -> None:
    """Answers the open question of that reason."""
    with town.rig.ledger.read() as tx:
        place, item = next((place, one) for place, one in enumerate(reviews.open_items(tx)) if one.why == why)
        count = len(reviews.open_items(tx))
    number = next(
        n for n in range(place, 10_000, count) if choices(item.why)[n // 7 % len(choices(item.why))] is choice
    )
    town.do("answer", number)


def test_a_partner_who_books_on_the_shared_card_does_not_get_onto_the_others_record(build: Build) -> None:
    """Ben and Anna share a phone, and each has a pet of the same name. The booking says Anna."""
    town = build()
    town.do("desk_books", 5)  # for Ben: his card is made at the booking side, and linked
    town.do("calm")
    town._book(PEOPLE[6])
    town.do("calm")
    nobody_else_gets_the_visit(facts(town))


@pytest.mark.parametrize(
    ("moves", "why"),
    [
        ([("book", 0), ("collide", 1), ("poll", 0), ("work", 0)], "slot-taken"),
        ([("left_without_owner", 0)], "adopt"),
    ],
)
def test_a_second_webhook_does_not_ask_again_what_was_kept(
    build: Build, moves: list[tuple[str, int]], why: str
) -> None:
    """Law 9. The visit stays as it is, a person has said; then the same webhook comes once more."""
    town = build()
    for move in moves:
        town.do(*move)
    town.do("calm")
    say(town, why, Choice.KEEP)
    town.do("calm")
    assert why not in [question.why for question in town.rig.questions()]
    town.do("calm")
    assert why not in [question.why for question in town.rig.questions()]


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_write_to_the_booking_side_that_lands_after_its_lane_was_taken_over_is_asked_about(
    build: Build, nth: int
) -> None:
    """Law 5. A worker is stopped while a request is under way; another one looks in vain, and writes again."""
    town = build(slow_requests=True)
    town.do("calm")
    town.do("desk_books", 5)
    town.do("hint")
    worker = town.stepper.start("late", lambda: town.rig.engine.work("late"))
    while nth:
        assert not worker.over
        worker.go_on()
        nth -= worker.at == "arriving"
    town.do("lease_ends")
    town.rig.settle()
    town.do("finish")
    town.do("calm")
    law_5_nothing_lost_nothing_doubled(facts(town))


def test_the_fuse_counts_a_cancellation_whose_answer_was_lost(build: Build) -> None:
    """Law 6. The limit is one; two are cancelled within the hour."""
    town = build(fuse=1)
    town.do("calm")
    one, two = [row for row in town.booking.rows(Kind.APPOINTMENT) if row["seconds"] in (902, 903)]
    town.pims.lose_answers(done=True)
    for row in (one, two):
        town.booking.edit(Kind.APPOINTMENT, row["id"], {"state": OFF})
        town.rig.hint(row["id"])
        town.rig.settle(limit=300)
    assert sum(entry.write.operation is Operation.CANCEL for entry in town.pims.journal) == 1
