"""A restored ledger is older than the world: what it has forgotten is not made a second time, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import select

from tests.rig import KEY, Rig
from vetbridge.connector.interface import Operation
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import backup, going_live, restoring, reviews
from vetbridge.ledger.tables import Action


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A pair that has been approved, with two owners and a booking that was carried over."""
    rig = Rig(tmp_path)
    rig.meet()
    rig.owner("Maria", "Petrova", "+447700900111", "Bobik")
    rig.owner("Jan", "Novak", "+447700900112", "Rex")
    rig.pair_up()
    rig.approve()
    rig.book("Maria", "Petrova", "+447700900111", "Bobik")
    rig.run()
    return rig


def backed_up(rig: Rig, folder: Path) -> Path:
    made = backup.make(rig.place, KEY, folder / "copy.db", rig.clock.now())
    rig.clock.advance(3600)
    return made.path


def restored(rig: Rig, path: Path) -> restoring.Restored:
    """The rig goes on with the ledger of a backup, as after a stop and a start."""
    rig.ledger.close()
    done = restoring.restore(rig.place, path, KEY, rig.clock.now(), by="Kim", aside=path.parent)
    rig.start()
    return done


def approved(rig: Rig) -> None:
    rig.pair_up()
    rig.approve()
    rig.run()


def standing(rig: Rig) -> list[tuple[str, str, str]]:
    return sorted((visit["id"], visit["start"], visit["owner"]) for visit in rig.visits())


def test_what_was_carried_over_since_is_paired_and_not_made_again(rig: Rig, tmp_path: Path) -> None:
    path = backed_up(rig, tmp_path)
    rig.book("Jan", "Novak", "+447700900112", "Rex")
    rig.book("Olga", "Brand", "+447700900199", "Tiger")
    rig.run()
    before, clients = standing(rig), len(rig.pims.rows(Kind.CLIENT))
    assert len(before) == 3
    assert restored(rig, path).sites == ("town",)
    rig.book("Jan", "Novak", "+447700900112", "Rex")
    rig.run()
    assert standing(rig) == before, "nothing is written before somebody has approved it"
    assert rig.pair_up().visits_paired == 2
    approved(rig)
    after = standing(rig)
    assert set(before) < set(after)
    assert len(after) == len(before) + 1
    assert len(rig.pims.rows(Kind.CLIENT)) == clients
    assert {state for state, _ in rig.endings()} <= {"done", "skipped"}


def test_what_was_cancelled_since_stays_so(rig: Rig, tmp_path: Path) -> None:
    second = rig.book("Jan", "Novak", "+447700900112", "Rex")
    rig.run()
    path = backed_up(rig, tmp_path)
    rig.booking.edit(Kind.APPOINTMENT, second, {"state": "cancelled"})
    rig.run()
    states = sorted(visit["state"] for visit in rig.visits())
    assert states == ["booked", "cancelled"]
    restored(rig, path)
    approved(rig)
    assert sorted(visit["state"] for visit in rig.visits()) == states
    assert not rig.questions()


@pytest.mark.parametrize("has_resource", [True, False])
def test_a_booking_that_waits_on_the_placeholder_is_not_made_again(
    rig: Rig, tmp_path: Path, has_resource: bool
) -> None:
    rig.owner("Anna", "Meyer", "+447700900120", "Luna")
    rig.owner("Ada", "Meyer", "+447700900120", "Luna")
    rig.run()
    path = backed_up(rig, tmp_path)
    booked = rig.book("A", "Meyer", "+447700900120", "Luna", **({} if has_resource else {"who": None}))
    rig.run()
    before = standing(rig)
    assert len(before) == 2
    restored(rig, path)
    approved(rig)
    assert standing(rig) == before
    with rig.ledger.read() as tx:
        assert reviews.is_asked(tx, "booking", Kind.APPOINTMENT, booked), "the question about it is asked again"


def test_a_question_that_was_answered_since_is_asked_again(rig: Rig, tmp_path: Path) -> None:
    first = rig.owner("Anna", "Meyer", "+447700900120", "Luna")
    rig.owner("Ada", "Meyer", "+447700900120", "Luna")
    rig.run()
    rig.book("A", "Meyer", "+447700900120", "Luna")
    rig.run()
    path = backed_up(rig, tmp_path)
    [item] = rig.questions()
    pet = next(row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == first)
    with rig.ledger.write() as tx:
        row = reviews.item(tx, item.id or 0)
        assert row is not None
        reviews.answer(tx, row, Answer(choice=Choice.LINK, client_id=first, pet_id=pet), "Kim")
    rig.settle()
    before = standing(rig)
    assert not rig.questions()
    restored(rig, path)
    assert [each.id for each in rig.questions()] == [item.id]
    approved(rig)
    assert standing(rig) == before, "it stays on the owner on whom a person has put it"


def test_a_write_that_was_under_way_is_looked_for(rig: Rig, tmp_path: Path) -> None:
    copies: list[Path] = []

    def point(step: str) -> None:
        if step == "sent" and not copies:
            copies.append(backed_up(rig, tmp_path))

    rig.ledger.close()
    rig.start(point=point)
    rig.book("Jan", "Novak", "+447700900112", "Rex")
    rig.run()
    before = standing(rig)
    assert len(before) == 2
    done = restored(rig, copies[0])
    assert done.unsettled == 1
    approved(rig)
    assert standing(rig) == before
    with rig.ledger.read() as tx:
        states = set(tx.session.exec(select(Action.state).where(Action.operation == Operation.CREATE)))
    assert "unknown" not in states
    assert "intended" not in states


def test_a_config_that_begins_live_does_not_approve_it_by_itself(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.meet()
    restored(rig, backed_up(rig, tmp_path))
    rig.meet(start_live=True)
    with rig.ledger.read() as tx:
        assert going_live.held_back(tx) == {"town"}
        row = going_live.of(tx, "town")
        assert row is not None
        assert row.approved_at is None
