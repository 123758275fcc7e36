"""Who a record is about: kept sealed, written once, found by keys, and gone when it is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from vetbridge.core.finding import keys_for
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.ledger import changes, reviews, subjects
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.retention import drop_bodies
from vetbridge.ledger.tables import Change, ChangeState, Subject, SubjectKey
from vetbridge.testing.clock import FakeClock

DAY = 86400.0


def read(
    ledger: Ledger,
    clock: FakeClock,
    remote_id: str = "1",
    *,
    owner: str = "Petrova",
    ahead: float = 1.0,
    end: bool = True,
) -> Change:
    """An appointment was read, and its change ended."""
    start = Instant(clock.now() + timedelta(days=ahead), "Europe/London")
    booked = Appointment(
        booker=Client(given_name="Ana", family_name=owner, phones=("07700 900123",)),
        booked_pet=Pet(name="Bobik"),
        start=start,
        duration=900,
        notes="a secret",
    )
    with ledger.write() as tx:
        row = changes.receive(
            tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id=remote_id, source="poll"
        )
        assert row.id is not None
        changes.begin(tx, row.id)
        changes.seen(tx, row.id, visit_at=start.utc)
        subjects.note(tx, row.record_id, booked, country="GB", account="booking")
        if end:
            changes.settle(tx, row.id, ChangeState.DONE, "matched", "written")
        return row


def found(ledger: Ledger, text: str, **more: object) -> list[str]:
    with ledger.read() as tx:
        rows = subjects.find(tx, keys_for(text, ["GB"]), limit=10, **more)  # type: ignore[arg-type]
    return [row.newest.remote_id for row in rows]


def count(ledger: Ledger, model: type[Subject | SubjectKey]) -> int:
    with ledger.read() as tx:
        return tx.session.scalar(sa.select(sa.func.count()).select_from(model)) or 0


def test_a_subject_is_found_and_holds_no_note(ledger: Ledger, clock: FakeClock) -> None:
    row = read(ledger, clock)
    assert found(ledger, "petr bobik") == found(ledger, "0123") == ["1"]
    assert found(ledger, "petr max") == []
    with ledger.read() as tx:
        content = subjects.contents(tx, [row.record_id])[row.record_id]
    assert isinstance(content, Appointment)
    assert content.notes == ""
    assert content.booker is not None
    assert content.booker.full_name == "Ana Petrova"


def test_it_is_written_again_only_when_it_has_changed(ledger: Ledger, clock: FakeClock) -> None:
    row = read(ledger, clock)
    with ledger.read() as tx:
        before = tx.session.get_one(Subject, row.record_id)
    clock.advance(60)
    read(ledger, clock, ahead=1 - 60 / DAY)
    with ledger.read() as tx:
        assert tx.session.get_one(Subject, row.record_id) == before
    keys = count(ledger, SubjectKey)
    read(ledger, clock, owner="Weiss", ahead=1 - 60 / DAY)
    assert (found(ledger, "petrova"), found(ledger, "weiss")) == ([], ["1"])
    assert count(ledger, SubjectKey) == keys - 2


def test_nothing_of_it_stands_in_clear(ledger: Ledger, clock: FakeClock) -> None:
    read(ledger, clock)
    with ledger.read() as tx:
        subject = tx.session.execute(sa.select(Subject.__table__)).one()  # type: ignore[attr-defined]
        keys = tx.session.scalars(sa.select(SubjectKey.__table__.c.key_hash)).all()  # type: ignore[attr-defined]
    assert b"Petrova" not in subject.content_sealed
    assert {len(key) for key in keys} == {32}


def test_the_soonest_to_come_is_first_then_what_is_over(ledger: Ledger, clock: FakeClock) -> None:
    for remote_id, ahead in (("later", 3.0), ("long ago", -9.0), ("soon", 1.0), ("yesterday", -1.0)):
        read(ledger, clock, remote_id, ahead=ahead)
    assert found(ledger, "petrova") == ["soon", "later", "yesterday", "long ago"]
    with ledger.write() as tx:  # a hint that nobody has followed yet hides no time
        changes.receive(tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id="later", source="poll")
    assert found(ledger, "petrova")[1] == "later"
    now = clock.now()
    assert found(ledger, "petrova", days=[("city", now, now + timedelta(days=2))]) == ["soon"]
    assert found(ledger, "petrova", days=[("north", now, now + timedelta(days=2))]) == []
    assert found(ledger, "petrova", days=[]) == []
    assert found(ledger, "petrova", site="north") == []


def test_it_goes_once_it_is_over_for_long(ledger: Ledger, clock: FakeClock) -> None:
    read(ledger, clock)
    clock.advance(90 * DAY)
    assert drop_bodies(ledger, 90).subjects == 0, "its visit was less than 90 days ago"
    clock.advance(2 * DAY)
    dropped = drop_bodies(ledger, 90)
    assert (dropped.subjects, dropped.total) == (1, 1)
    assert count(ledger, Subject) == count(ledger, SubjectKey) == 0
    assert drop_bodies(ledger, 90).subjects == 0


@pytest.mark.parametrize("why", ["open", "asked", "ahead", "moved"])
def test_it_stays_while_it_is_needed(ledger: Ledger, clock: FakeClock, why: str) -> None:
    row = read(ledger, clock, ahead=400.0 if why == "ahead" else 1.0, end=why != "open")
    if why == "asked":
        with ledger.write() as tx:
            reviews.ask(tx, tx.session.get_one(Change, row.id), why="x", visit_at=None, question={})
    clock.advance(300 * DAY)
    if why == "moved":
        with ledger.write() as tx:
            assert row.id is not None
            tx.session.get_one(Change, row.id).updated_at = tx.now
    assert drop_bodies(ledger, 90).subjects == 0
    assert found(ledger, "petrova") == ["1"]
