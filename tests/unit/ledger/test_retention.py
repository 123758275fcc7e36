"""Bodies that nobody needs any more are dropped, and nothing else: no row, nothing that stands or may return."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain, repeat
from typing import Any

import pytest
from sqlmodel import select

from tests.rig import Rig
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Client, Kind
from vetbridge.ledger import accounts, actions, changes, links, mirror, retention, reviews, worklist
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.retention import Dropped, drop_bodies
from vetbridge.ledger.tables import (
    Action,
    ActionState,
    Change,
    Link,
    Mirror,
    Review,
    ReviewNote,
    Worklist,
)
from vetbridge.testing.clock import FakeClock

DAYS = 90
DAY = 86400.0
NOTHING = Dropped(0, 0, 0, 0)


def change_of(ledger: Ledger, remote_id: str = "b1") -> Change:
    with ledger.write() as tx:
        return changes.receive(
            tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id=remote_id, source="poll"
        )


def write(ledger: Ledger, state: ActionState | None, *, code: str = "", stamp: str = "VB-0000000000") -> int:
    """A write that stands in a state; None: intended."""
    with ledger.write() as tx:
        change = changes.receive(
            tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id="b1", source="poll"
        )
        action = actions.intend(
            tx,
            change,
            account="pims",
            kind=Kind.APPOINTMENT,
            operation="create",
            remote_id=None,
            stamp=stamp,
            fields=["start", "notes"],
            payload={"native": {"description": "Jane Doe"}},
        )
        if state is not None:
            actions.close(tx, action, state, remote_id="p1", code=code)
    return action


def question(ledger: Ledger, clock: FakeClock, *, visit_in: float | None = 1.0) -> int:
    """An open question about a visit in so many days."""
    change = change_of(ledger)
    with ledger.write() as tx:
        visit_at = None if visit_in is None else clock.now() + timedelta(days=visit_in)
        row = reviews.ask(tx, change, why="contact-shared", visit_at=visit_at, question={"booking": "Jane Doe"})
        assert row.id is not None
        return row.id


def answer(ledger: Ledger, item_id: int, choice: Choice, *, applied: bool = True) -> None:
    with ledger.write() as tx:
        row = tx.session.get_one(Review, item_id)
        reviews.answer(tx, row, Answer(choice=choice, client_id="c1"), "ann")
        if applied:
            reviews.applied(tx, row)


def drop(ledger: Ledger, clock: FakeClock, *, after: float = DAYS + 1) -> Dropped:
    clock.advance(after * DAY)
    return drop_bodies(ledger, DAYS)


@pytest.mark.parametrize("state", [ActionState.ANSWERED, ActionState.NOT_DONE])
def test_a_settled_write_loses_its_body_and_keeps_its_story(
    ledger: Ledger, clock: FakeClock, state: ActionState
) -> None:
    action = write(ledger, state)
    assert drop(ledger, clock, after=DAYS - 1) == NOTHING
    assert drop(ledger, clock, after=2) == Dropped(actions=1, questions=0, lines=0, links=0)
    with ledger.read() as tx:
        row = tx.session.get_one(Action, action)
        assert row.payload_sealed is None
        assert (row.state, row.operation, row.remote_id, row.fields) == (state, "create", "p1", "notes start")
    assert drop(ledger, clock) == NOTHING, "a second time finds nothing"


@pytest.mark.parametrize("state", [None, ActionState.UNKNOWN])
def test_a_write_that_is_not_settled_keeps_its_body(
    ledger: Ledger, clock: FakeClock, state: ActionState | None
) -> None:
    write(ledger, state)
    assert drop(ledger, clock) == NOTHING
    with ledger.read() as tx:
        (found,) = actions.unsettled(tx, 1)
        assert found.payload["native"] == {"description": "Jane Doe"}


def test_a_write_that_was_looked_for_in_vain_is_not_expected_any_more_once_its_body_is_gone(
    ledger: Ledger, clock: FakeClock
) -> None:
    write(ledger, ActionState.NOT_DONE, code=actions.NOT_FOUND, stamp="VB-AAAAAAAAAA")
    with ledger.read() as tx:
        assert actions.refuted(tx, "pims", "VB-AAAAAAAAAA") is not None
    assert drop(ledger, clock).actions == 1
    with ledger.read() as tx:
        assert actions.refuted(tx, "pims", "VB-AAAAAAAAAA") is None


def test_an_open_question_keeps_its_words(ledger: Ledger, clock: FakeClock) -> None:
    item = question(ledger, clock)
    assert drop(ledger, clock) == NOTHING
    with ledger.read() as tx:
        assert reviews.question(tx, tx.session.get_one(Review, item)) == {"booking": "Jane Doe"}


def test_an_answer_that_is_still_to_be_carried_out_keeps_its_question(ledger: Ledger, clock: FakeClock) -> None:
    answer(ledger, question(ledger, clock), Choice.LINK, applied=False)
    assert drop(ledger, clock) == NOTHING


def test_a_question_whose_visit_is_over_keeps_its_answer_alone(ledger: Ledger, clock: FakeClock) -> None:
    item = question(ledger, clock)
    answer(ledger, item, Choice.LINK)
    assert drop(ledger, clock) == NOTHING, "its visit is not so long ago"
    assert drop(ledger, clock, after=1) == Dropped(actions=0, questions=1, lines=0, links=0)
    with ledger.read() as tx:
        row = tx.session.get_one(Review, item)
        assert reviews.question(tx, row) is None
        assert (row.answer, row.answer_client_id, row.answered_by) == ("link", "c1", "ann")


@pytest.mark.parametrize("choice", [Choice.LINK, Choice.NEW])
def test_an_answer_that_may_still_be_taken_back_keeps_its_question(
    ledger: Ledger, clock: FakeClock, choice: Choice
) -> None:
    item = question(ledger, clock, visit_in=300)
    answer(ledger, item, choice)
    assert drop(ledger, clock) == NOTHING
    with ledger.write() as tx:
        row = tx.session.get_one(Review, item)
        reviews.reopen(tx, row)
        assert reviews.question(tx, row) == {"booking": "Jane Doe"}


def test_what_was_noted_about_a_question_goes_with_it(ledger: Ledger, clock: FakeClock) -> None:
    item = question(ledger, clock)
    with ledger.write() as tx:
        reviews.add_note(tx, tx.session.get_one(Review, item), "ann", "Jane called: it is her mother's cat")
    assert drop(ledger, clock) == NOTHING, "it is open"
    answer(ledger, item, Choice.LINK)
    assert drop(ledger, clock, after=DAYS - 1) == NOTHING
    assert drop(ledger, clock, after=2) == Dropped(actions=0, questions=1, lines=0, links=0, notes=1)
    with ledger.read() as tx:
        assert reviews.notes(tx, [item]) == {}
        (row,) = tx.session.exec(select(ReviewNote)).all()
        assert (row.by, row.text_sealed) == ("ann", None), "that she noted something stays"


def test_a_question_that_the_facts_answered_loses_its_words(ledger: Ledger, clock: FakeClock) -> None:
    question(ledger, clock, visit_in=None)
    with ledger.write() as tx:
        reviews.close(tx, 1, "the booking was cancelled")
    assert drop(ledger, clock).questions == 1


@pytest.mark.parametrize(("closed", "dropped"), [(True, 1), (False, 0)])
def test_lines_of_the_work_list(ledger: Ledger, clock: FakeClock, closed: bool, dropped: int) -> None:
    change = change_of(ledger)
    with ledger.write() as tx:
        line = worklist.put(
            tx,
            change,
            account="pims",
            kind=Kind.CLIENT,
            remote_id="c1",
            task=worklist.CONTACT,
            details={"given_name": "Jane"},
            visit_at=None,
        )
        worklist.done(tx, line, "ann")
        if closed:
            worklist.close(tx, change.record_id, worklist.CONTACT, confirmed=True, why="a read shows it")
    assert drop(ledger, clock).lines == dropped
    with ledger.read() as tx:
        row = tx.session.exec(select(Worklist)).one()
        assert worklist.detail(tx, row) == ({} if closed else {"given_name": "Jane"})


@pytest.mark.parametrize("ended", [True, False])
def test_links(ledger: Ledger, clock: FakeClock, ended: bool) -> None:
    mappings: dict[str, Any] = {"booking_mapping": "m1", "pims_mapping": "m2", "pims_version": "3"}
    with ledger.write() as tx:
        link = links.put(
            tx,
            site="city",
            kind=Kind.CLIENT,
            booking_account="booking",
            booking_id="b1",
            pims_account="pims",
            pims_id="p1",
            origin="matched",
            evidence=[{"field": "phone", "here": "+447700900123"}],
        )
        links.set_bases(tx, link, booking={"given_name": "Jane"}, pims={"given_name": "Jane"}, **mappings)
        if ended:
            links.end(tx, link)
    assert drop(ledger, clock).links == (1 if ended else 0)
    with ledger.read() as tx:
        row = tx.session.exec(select(Link)).one()
        kept = [row.booking_base_sealed, row.pims_base_sealed, row.evidence_sealed]
        assert all((body is None) == ended for body in kept)
        assert (row.pims_id, row.booking_mapping) == ("p1", "m1")


def test_the_mirror_stays(ledger: Ledger, clock: FakeClock) -> None:
    with ledger.write() as tx:
        accounts.enrol(tx, "pims", "memory", country="GB")
        mirror.put(tx, "pims", [Client(id="c1", given_name="Jane", family_name="Doe")])
    assert drop(ledger, clock) == NOTHING
    with ledger.read() as tx:
        assert tx.session.exec(select(Mirror)).one().content_sealed is not None


def test_nought_days_keep_everything(ledger: Ledger, clock: FakeClock) -> None:
    write(ledger, ActionState.ANSWERED)
    clock.advance(10_000 * DAY)
    assert drop_bodies(ledger, 0) == NOTHING


def test_a_word_to_stop_ends_it_between_two_batches_and_the_next_time_goes_on(
    ledger: Ledger, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        write(ledger, ActionState.ANSWERED)
    clock.advance((DAYS + 1) * DAY)
    words = chain([False], repeat(True))
    assert drop_bodies(ledger, DAYS, stopping=lambda: next(words)).total == 2
    assert drop_bodies(ledger, DAYS).total == 3
    assert drop_bodies(ledger, DAYS) == NOTHING


def test_what_comes_back_to_life_between_look_and_write_is_left_alone(
    ledger: Ledger, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = write(ledger, ActionState.NOT_DONE)
    clock.advance((DAYS + 1) * DAY)
    real = Ledger.write

    def meanwhile(self: Ledger) -> Any:
        monkeypatch.setattr(Ledger, "write", real)
        with self.write() as tx:
            actions.doubt(tx, action)
        return real(self)

    monkeypatch.setattr(Ledger, "write", meanwhile)
    assert drop_bodies(ledger, DAYS) == NOTHING
    with ledger.read() as tx:
        assert tx.session.get_one(Action, action).payload_sealed is not None


def test_a_booking_is_followed_after_the_bodies_of_its_past_are_gone(tmp_path: Any) -> None:
    rig = Rig(tmp_path)
    rig.owner("Jane", "Doe", "+447700900123", "Rex")
    booking = rig.book("Jane", "Doe", "+447700900123", "Rex", hours=24 * 200)
    rig.run()
    rig.clock.advance((DAYS + 1) * DAY)
    assert drop_bodies(rig.ledger, DAYS).actions > 0
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.run()
    (visit,) = rig.visits()
    assert visit["state"] == "cancelled"
    assert rig.endings()[-1] == ("done", "cancelled")
