"""What is deleted for its age is missed by nobody: neither what is counted nor what is decided changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from tests.ledgers import rows
from tests.rig import Rig
from vetbridge.config.models import Retention
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import acknowledgements, audit_seals, pruning, reviews
from vetbridge.ledger.audit import Act
from vetbridge.ledger.tables import Access, Action, Audit, AuditSeal, Change, ChangeState

SHORT = Retention(changes_days=2, audit_days=2, access_days=2)
DAY = 86_400.0
SEED = 1


def history(rig: Rig, seed: int, prune: Callable[[Rig], None]) -> None:
    """Some days at a practice: bookings of old and new owners, moved and cancelled ones, questions and answers."""
    dice = random.Random(seed)
    owners = [("Maria", "Petrova", "+447700900111", "Bobik"), ("Jan", "Novak", "+447700900112", "Rex")]
    for owner in owners:
        rig.owner(*owner)
    for given in ("Anna", "Ada"):
        rig.owner(given, "Meyer", "+447700900120", "Luna")
    strangers = [("Olga", "Brand", "+447700900199", "Tiger"), ("A", "Meyer", "+447700900120", "Luna")]
    booked: list[str] = []
    for _day in range(6):
        booked.append(rig.book(*dice.choice(owners + strangers), hours=dice.randint(5, 30)))
        match dice.randint(0, 3):
            case 0:
                rig.booking.edit(Kind.APPOINTMENT, dice.choice(booked), {"state": "cancelled"})
            case 1:
                rig.hint(dice.choice(booked))
            case 2:
                rig.pims.edit(Kind.CLIENT, client_of(rig), {"phones": ["+447700900113"]})
        rig.run()
        for item in rig.questions():
            if dice.random() < 0.5 and item.why == "contact-shared":
                answer(rig, item.id or 0, dice)
        rig.work()
        rig.clock.advance(DAY)
        prune(rig)


def client_of(rig: Rig) -> str:
    return str(next(row["id"] for row in rig.pims.rows(Kind.CLIENT) if row["name"]["family"] == "Novak"))


def answer(rig: Rig, number: int, dice: random.Random) -> None:
    client = next(row["id"] for row in rig.pims.rows(Kind.CLIENT) if row["name"]["family"] == "Meyer")
    pet = next(row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == client)
    given = dice.choice([Answer(choice=Choice.LINK, client_id=client, pet_id=pet), Answer(choice=Choice.NEW)])
    with rig.ledger.write() as tx:
        row = reviews.item(tx, number)
        assert row is not None
        reviews.answer(tx, row, given, "Kim")


def world(rig: Rig) -> dict[str, Any]:
    """All that others see of it, and what is kept of the days that count."""
    since = (rig.clock.now() - timedelta(days=SHORT.changes_days)).replace(tzinfo=None).isoformat(" ")
    counted = rows(
        rig.place, "SELECT site, state, count(*) FROM change WHERE updated_at >= ? GROUP BY site, state", since
    )
    return {
        "pims": [rig.pims.rows(kind) for kind in Kind if kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)],
        "booking": rig.booking.rows(Kind.APPOINTMENT),
        "counted": sorted(counted),
        "links": rows(rig.place, "SELECT booking_id, pims_id, ended_at FROM link ORDER BY id"),
        "questions": [(item.why, item.record_id) for item in rig.questions()],
    }


def test_a_pruned_history_goes_on_as_one_that_is_not(tmp_path: Path) -> None:
    whole, pruned = (Rig(folder) for folder in (tmp_path / "whole", tmp_path / "pruned") if not folder.mkdir())
    history(whole, SEED, lambda _rig: None)
    deleted = []
    history(pruned, SEED, lambda rig: deleted.append(pruning.prune_rows(rig.ledger, SHORT).changes))
    assert sum(deleted) > 2
    assert world(pruned) == world(whole)


# -- what stays ----------------------------------------------------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path) -> Rig:
    """A rig whose booking was carried over, and whose visit is long over."""
    rig = Rig(tmp_path)
    rig.owner("Maria", "Petrova", "+447700900111", "Bobik")
    rig.book("Maria", "Petrova", "+447700900111", "Bobik", hours=5)
    rig.run()
    rig.clock.advance(10 * DAY)
    rig.book("Maria", "Petrova", "+447700900111", "Bobik", hours=5)
    rig.run()
    return rig


def prune(rig: Rig, retention: Retention = SHORT) -> pruning.Pruned:
    with rig.ledger.read() as tx:
        said = pruning.due(tx, retention)
    done = pruning.prune_rows(rig.ledger, retention)
    assert done == said, "what --plan says is what is done"
    return done


def kept(rig: Rig) -> list[int]:
    return [change.id or 0 for change in rig.changes()]


def test_what_is_over_goes_with_all_that_hangs_on_it(old: Rig) -> None:
    assert kept(old) == [1, 2]
    assert prune(old, Retention(changes_days=0, audit_days=0, access_days=0)).total == 0
    done = prune(old)
    assert (done.changes, done.writes) == (1, 1)
    assert kept(old) == [2]
    assert rows(old.place, "SELECT DISTINCT change_id FROM action") == [(2,)]
    assert rows(old.place, "SELECT count(*) FROM record WHERE kind = 'appointment'")[0][0] >= 2
    assert rows(old.place, "SELECT count(*) FROM link WHERE kind = 'appointment'") == [(2,)]
    assert prune(old).total == 0


def spoil(rig: Rig, what: str) -> None:
    """Makes the first change one that something hangs on."""
    with rig.ledger.write() as tx:
        change = tx.session.get_one(Change, 1)
        action = tx.session.get_one(Action, 1)
        if what == "open":
            change.state = ChangeState.WAITING
        elif what == "failed":
            change.state = ChangeState.FAILED
        elif what == "young":
            change.updated_at = tx.now
        elif what == "ahead":
            change.visit_at = tx.now
        elif what == "replayed":
            tx.session.get_one(Change, 2).replay_of = 1
        elif what == "in doubt":
            action.state = "unknown"
        elif what == "made a client":
            action.kind = Kind.CLIENT
        elif what == "looked for in vain":
            action.state = "not_done"
        elif what == "of a client":
            change.kind = Kind.CLIENT
        elif what == "answered":
            reviews.ask(tx, change, why="contact-shared", visit_at=None, question={}).state = "answered"
        elif what == "asked":
            reviews.ask(tx, change, why="contact-shared", visit_at=None, question={})


@pytest.mark.parametrize(
    "what",
    [
        *("open", "failed", "young", "ahead", "replayed", "in doubt", "made a client", "looked for in vain"),
        *("of a client", "answered", "asked"),
    ],
)
def test_what_something_hangs_on_stays(old: Rig, what: str) -> None:
    spoil(old, what)
    assert prune(old).changes == 0
    assert kept(old) == [1, 2]


def test_a_failure_goes_once_somebody_has_seen_it(old: Rig) -> None:
    spoil(old, "failed")
    with old.ledger.write() as tx:
        acknowledgements.put(tx, [1], by="Kim")
    assert prune(old).changes == 1


def test_a_closed_question_that_came_after_an_answer_stays_the_newest(old: Rig) -> None:
    with old.ledger.write() as tx:
        for state in ("closed", "answered", "closed", "closed"):
            row = reviews.ask(tx, tx.session.get_one(Change, 2), why="contact-shared", visit_at=None, question={})
            row.state, row.applied_at = state, tx.now
            if state == "closed":
                row.change_id = 1
            tx.session.flush()
    assert prune(old).changes == 0


def test_the_audit_goes_by_whole_sealed_batches(old: Rig) -> None:
    days = (9, 8, 7, 1, 1)
    with old.ledger.write() as tx:
        tx.session.add_all(
            Audit(at=tx.now - timedelta(days=day), by="Kim", via="command", act=Act.PAUSED, subject_id="town")
            for day in days
        )
        tx.session.add_all(
            Access(
                at=tx.now - timedelta(days=day), by="Kim", via="page", what="question", subject="s", subject_id="1"
            )
            for day in days
        )
    for _ in range(2):
        seal_next(old, 2)
    done = prune(old)
    assert (done.acts, done.accesses) == (2, 3)
    assert rows(old.place, "SELECT id FROM audit ORDER BY id") == [(3,), (4,), (5,)]
    with old.ledger.read() as tx:
        found = audit_seals.verify(tx)
    assert (found.broken, found.first_id, found.acts, found.unsealed) == (None, 3, 2, 1)


def seal_next(rig: Rig, count: int) -> None:
    """Seals the next acts in a batch of so many."""
    with rig.ledger.write() as tx:
        last = max([each.last_id for each in tx.session.exec(select(AuditSeal))], default=0)
        rest = tx.session.exec(select(Audit).where(Audit.id > last + count)).all()  # type: ignore[operator]
        kept = [each.model_dump() for each in rest]
        for each in rest:
            tx.session.delete(each)
        tx.session.flush()
        audit_seals.seal(tx)
        tx.session.add_all(Audit(**each) for each in kept)


def test_it_ends_when_it_is_told_to_and_goes_on_the_next_time(old: Rig) -> None:
    assert pruning.prune_rows(old.ledger, SHORT, stopping=lambda: True).total == 0
    assert kept(old) == [1, 2]
    assert pruning.prune_rows(old.ledger, SHORT).changes == 1
