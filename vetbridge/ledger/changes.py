"""Changes and lanes: what has to be worked on, by whom, and how it ended."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.errors import Stale
from vetbridge.core.records import Kind, Side
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import (
    OPEN_STATES,
    UNSETTLED_ACTIONS,
    Action,
    Change,
    ChangeState,
    Lane,
    Link,
    Record,
    Run,
    Worklist,
)

AT_ONCE = 200
"""Changes that one transaction opens, where many are: the one writer is never held for long."""

NOT_FOUND_IN_PIMS = "not-found-in-pims"
"""Code of a change whose visit the PIMS did not show once."""

BY_HAND = "by-hand"
"""Code of a change that waits for somebody to carry out what the work list says, and for a read that shows it."""

SHOWN_LATER = "shown-later"
"""Code of a change whose record a read shows as it was before VetBridge wrote it; looked at again after that time."""

OLD_MAPPING = "old-mapping"
"""Code of a replayed change that waits for a start: the VetBridge that runs has another mapping."""

BACKING_OFF = frozenset({"bad-answer", "rate-limited", "outcome-unknown", NOT_FOUND_IN_PIMS, OLD_MAPPING})
"""Reasons to wait that a hint does not shorten: it says nothing about the vendor, or about what the PIMS holds."""

REPLAY = "replay"
"""Source of a change that a person asked for again."""
_ONE_SIDED = {f"{REPLAY}/{side}": side for side in Side}
"""The same where it writes to one side only."""

SUPERSEDED = "superseded"
"""Code of a change that failed, and whose record has had a newer one that ended since; its message keeps why."""

UNDO = "undo"
"""Source of a change in which a write is taken back."""
_UNDO_AND = f"{UNDO}+"
"""What the source of a change begins with that was open for another reason when its record's undo began."""

MIRROR_REASONS = frozenset({"mirror-incomplete", "mirror-stale"})
"""Reasons to wait that end when the mirror was read."""


_TICKED = (col(Worklist.task) == "book", col(Worklist.state) == "done")
"""Of a line: somebody says that the visit was typed; a reading that comes late may show it yet."""

SiteKind = tuple[str, str]
"""A site, and a kind of records there."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lane that is ours until ``until``. ``epoch`` must still be the lane's own when we settle."""

    lane: str
    epoch: int
    until: datetime


def own_lane(account: str, kind: Kind, remote_id: str) -> str:
    """The lane of a record that has not been read yet: its own."""
    return f"record/{account}/{kind}/{remote_id}"


def client_lane(account: str, client_id: str) -> str:
    """The lane of a client with its pets and appointments."""
    return f"client/{account}/{client_id}"


def record_of(tx: Transaction, account: str, kind: Kind, remote_id: str) -> Record:
    """The record's row, made where there is none."""
    row = _known(tx, account, kind, remote_id)
    if row is None:
        row = Record(account=account, kind=kind, remote_id=remote_id, lane=own_lane(account, kind, remote_id))
        tx.session.add(row)
        tx.session.flush()
    return row


def receive(
    tx: Transaction, *, site: str, account: str, kind: Kind, remote_id: str, source: str, urgent: bool = False
) -> Change:
    """A hint: raises the record's counter and opens an episode, or wakes the one that is open.

    A replay for one side only is for both from then on: what the hint is about must not be lost.

    ``urgent``: it seems to be cancelled or gone, and goes before the others.
    """
    record = record_of(tx, account, kind, remote_id)
    record.hints += 1
    assert record.id is not None  # noqa: S101 - flushed
    change = open_change(tx, record.id)
    if change is None:
        change = Change(
            record_id=record.id,
            site=site,
            account=account,
            kind=kind,
            remote_id=remote_id,
            state=ChangeState.RECEIVED,
            source=source,
            received_at=tx.now,
            next_at=tx.now,
            updated_at=tx.now,
        )
        tx.session.add(change)
    else:
        change.site = site  # the config may have given it another name since
        side = only_side(change)
        if side is not None and source not in _ONE_SIDED:
            change.source = change.source.removesuffix(f"/{side}")
        if change.code not in BACKING_OFF:
            change.next_at = tx.now
        change.updated_at = tx.now
    change.urgent = change.urgent or urgent
    tx.session.flush()
    return change


def receive_linked(tx: Transaction, link: Link, source: str, *, urgent: bool = False) -> Change:
    """A hint at the booking side's record of a link: with it, what is linked is worked on."""
    return receive(
        tx,
        site=link.site,
        account=link.booking_account,
        kind=Kind(link.kind),
        remote_id=link.booking_id,
        source=source,
        urgent=urgent,
    )


def receive_again(tx: Transaction, record_id: int, source: str) -> None:
    """A hint at a record that has had changes before, for the site of the last one."""
    record = tx.session.get_one(Record, record_id)
    site = tx.session.exec(
        select(Change.site).where(Change.record_id == record_id).order_by(col(Change.id).desc()).limit(1)
    ).one()
    receive(tx, site=site, account=record.account, kind=Kind(record.kind), remote_id=record.remote_id, source=source)


def rename_sites(tx: Transaction, sites: Mapping[str, str]) -> None:
    """Gives the open changes of each account (key) to the site (value) that the config puts it in now."""
    for account, site in sites.items():
        tx.session.exec(
            sa.update(Change)
            .where(col(Change.account) == account, col(Change.state).in_(OPEN_STATES), col(Change.site) != site)
            .values(site=site)
        )


def open_sites(tx: Transaction) -> set[str]:
    """The sites that have open changes."""
    return set(tx.session.exec(select(Change.site).where(col(Change.state).in_(OPEN_STATES)).distinct()))


def open_change(tx: Transaction, record_id: int) -> Change | None:
    """The episode of a record that is not settled yet."""
    return tx.session.exec(
        select(Change).where(Change.record_id == record_id, col(Change.state).in_(OPEN_STATES))
    ).first()


def begin_undo(tx: Transaction, change: Change) -> bool:
    """Makes a change the undo's, due now; whether it was open for another reason, too."""
    if change.source != UNDO and not change.source.startswith(_UNDO_AND):
        change.source = f"{_UNDO_AND}{change.source}"
    change.next_at = tx.now
    return change.source != UNDO


def end_undo(tx: Transaction, change: Change) -> None:
    """A change that was open for another reason is worked on for that again."""
    change.source = change.source.removeprefix(_UNDO_AND)
    change.next_at = tx.now


def replay_source(side: Side | None) -> str:
    """Source of a replay that writes to one side only; None: to both."""
    return REPLAY if side is None else f"{REPLAY}/{side}"


def only_side(change: Change) -> Side | None:
    """The side that alone a change may write to, as a person has asked; None: both."""
    return _ONE_SIDED.get(change.source.removeprefix(_UNDO_AND))


def is_undo(change: Change) -> bool:
    """Whether the undo of a change's record was begun and is not through."""
    return change.source == UNDO or change.source.startswith(_UNDO_AND)


def claim(
    tx: Transaction,
    *,
    worker: str,
    lease: timedelta,
    without_sites: Collection[str],
    without_kinds: Collection[SiteKind] = (),
    records: Collection[int] | None = None,
) -> Lease | None:
    """Leases the lane of the change that is due longest, where nobody holds it; None when nothing is due.

    ``without_kinds``: those of a site that wait. ``records``: of these records alone; None: of all.
    """
    lane = tx.session.exec(
        select(Record.lane)
        .join(Change, col(Change.record_id) == Record.id)
        .outerjoin(Lane, col(Lane.key) == Record.lane)
        .where(
            col(Change.state).in_(OPEN_STATES),
            col(Change.next_at) <= tx.now,
            col(Change.site).not_in(list(without_sites)),
            _flows(without_kinds),
            _of(records),
            sa.or_(col(Lane.until).is_(None), col(Lane.until) < tx.now),
        )
        .order_by(col(Change.urgent).desc(), col(Change.next_at), col(Change.id))
        .limit(1)
    ).first()
    return None if lane is None else lease_lane(tx, lane, worker=worker, lease=lease)


def lease_lane(tx: Transaction, key: str, *, worker: str, lease: timedelta) -> Lease | None:
    """Leases one lane; None when somebody holds it."""
    row = tx.session.get(Lane, key)
    if row is None:
        row = Lane(key=key)
        tx.session.add(row)
    elif row.until is not None and row.until >= tx.now:
        return None
    row.owner = worker
    row.until = tx.now + lease
    row.epoch += 1
    return Lease(key, row.epoch, row.until)


def release(tx: Transaction, lease: Lease) -> None:
    """Gives a lane back, where it is still ours."""
    row = tx.session.get(Lane, lease.lane)
    if row is not None and row.epoch == lease.epoch:
        row.owner = None
        row.until = None


def release_all(tx: Transaction) -> None:
    """Ends every lease: for the start of the one process that may run on this ledger."""
    tx.session.exec(sa.update(Lane).values(owner=None, until=None))


def held(tx: Transaction, leases: Sequence[Lease]) -> None:
    """Raises ``Stale`` unless every lease is still ours: said in each transaction that settles something."""
    if not are_held(tx, leases):
        raise Stale("a lane was taken over; the work starts again")


def are_held(tx: Transaction, leases: Sequence[Lease]) -> bool:
    """Whether every lease is still ours."""
    rows = [(tx.session.get(Lane, lease.lane), lease.epoch) for lease in leases]
    return all(row is not None and row.epoch == epoch for row, epoch in rows)


def renew(tx: Transaction, leases: Sequence[Lease], lease: timedelta) -> None:
    """Makes leases that are held last ``lease`` from now: a write begins with time to end. Raises ``Stale``."""
    held(tx, leases)
    for one in leases:
        tx.session.get_one(Lane, one.lane).until = tx.now + lease


def next_due(
    tx: Transaction,
    lane: str,
    *,
    without_kinds: Collection[SiteKind] = (),
    records: Collection[int] | None = None,
) -> Change | None:
    """The first change of a lane that is due: what is urgent, then people before the visits that hang on them, and
    files, which take long, last.

    ``tries`` and ``code`` tell how often the same held it up.
    """
    in_turn = sa.case((col(Change.kind) == Kind.APPOINTMENT, 1), (col(Change.kind) == Kind.ATTACHMENT, 2), else_=0)
    return tx.session.exec(
        select(Change)
        .join(Record, col(Record.id) == Change.record_id)
        .where(
            Record.lane == lane,
            col(Change.state).in_(OPEN_STATES),
            col(Change.next_at) <= tx.now,
            _flows(without_kinds),
            _of(records),
        )
        .order_by(col(Change.urgent).desc(), in_turn, col(Change.id))
        .limit(1)
    ).first()


def open_in_lane(
    tx: Transaction, lane: str, kind: Kind, states: Collection[ChangeState] = (*OPEN_STATES, ChangeState.REVIEW)
) -> Sequence[Record]:
    """The records of a kind in a lane whose change is to be worked on still, or waits for a person's answer."""
    return tx.session.exec(
        select(Record)
        .join(Change, col(Change.record_id) == Record.id)
        .where(Record.lane == lane, Record.kind == kind, col(Change.state).in_(states))
    ).all()


def begin(tx: Transaction, change_id: int) -> Change:
    """Notes the hint counter that the coming read belongs to."""
    change = tx.session.get_one(Change, change_id)
    change.hint = tx.session.get_one(Record, change.record_id).hints
    change.tries += 1
    return change


def seen(tx: Transaction, change_id: int, *, visit_at: datetime) -> None:
    """The record was read: a miss before this one does not count."""
    change = tx.session.get_one(Change, change_id)
    change.visit_at = visit_at
    record = tx.session.get_one(Record, change.record_id)
    record.missed_at = None
    record.gone_at = None


def is_missed(tx: Transaction, account: str, kind: Kind, remote_id: str) -> bool:
    """Whether a record was not found when it was last asked for."""
    row = _known(tx, account, kind, remote_id)
    return row is not None and row.missed_at is not None


def found(tx: Transaction, account: str, kind: Kind, remote_id: str) -> None:
    """A record that may have been missed was read: a miss before this one does not count."""
    row = _known(tx, account, kind, remote_id)
    if row is not None:
        row.missed_at = None
        row.gone_at = None


def missed(tx: Transaction, record_id: int) -> datetime:
    """The record was not found; returns when it was first missed."""
    record = tx.session.get_one(Record, record_id)
    record.missed_at = record.missed_at or tx.now
    return record.missed_at


def gone(tx: Transaction, record_id: int) -> None:
    """The record counts as gone."""
    tx.session.get_one(Record, record_id).gone_at = tx.now


def settled_digest(tx: Transaction, account: str, kind: Kind, remote_id: str) -> str | None:
    """The keyed hash of the content that was settled last; None where there is none or the record is worked on.

    A replay for one side only that nobody has begun on is no work yet: a listing that shows nothing new must not make
    it one for both.
    """
    row = _known(tx, account, kind, remote_id)
    if row is None or row.id is None:
        return None
    change = open_change(tx, row.id)
    if change is not None and (change.tries or only_side(change) is None):
        return None
    return row.digest_hash


def hinted_meanwhile(tx: Transaction, change_id: int) -> bool:
    """Whether a hint came since the read that the work on a change began with."""
    change = tx.session.get_one(Change, change_id)
    return tx.session.get_one(Record, change.record_id).hints != change.hint


def settle(
    tx: Transaction,
    change_id: int,
    state: ChangeState,
    code: str,
    message: str,
    *,
    digest: str | None = None,
    version: str | None = None,
) -> bool:
    """Ends an episode, unless a hint came since its read: then it stays open and is read again (law 3).

    Returns whether it ended. ``digest`` and ``version`` say what content was settled.
    """
    change = tx.session.get_one(Change, change_id)
    record = tx.session.get_one(Record, change.record_id)
    change.updated_at = tx.now
    if record.hints != change.hint:
        change.state = ChangeState.RECEIVED
        change.code = "hinted-meanwhile"
        change.message = "a newer hint came while it was worked on; it is read again"
        change.next_at = tx.now
        return False
    change.state = state
    change.code = code
    change.message = message
    change.next_at = None
    change.settled_at = tx.now
    if digest is not None:
        record.digest_hash = digest
    if version is not None:
        record.version = version
    _supersede_failures(tx, change)
    return True


def expire(tx: Transaction, *, without_sites: Collection[str] = ()) -> int:
    """Gives up what was hinted at before its visit began and is still not through; returns how many that are.

    ``without_sites``: those for which nothing is to be written, so that nothing is late.

    A write whose outcome is unknown is found out first, whatever the time. What is being worked on is left to its
    worker; what was hinted at since its read is read first, as the visit may stand at another time by now.
    """
    rows = tx.session.exec(
        select(Change)
        .join(Record, col(Record.id) == Change.record_id)
        .outerjoin(Lane, col(Lane.key) == Record.lane)
        .where(
            col(Change.state).in_(OPEN_STATES),
            col(Change.site).not_in(list(without_sites)),
            sa.or_(col(Lane.until).is_(None), col(Lane.until) < tx.now),
            sa.or_(col(Change.hint) == 0, col(Change.hint) == col(Record.hints)),
            Change.kind == Kind.APPOINTMENT,
            Change.code != SHOWN_LATER,
            col(Change.visit_at) <= tx.now,
            col(Change.visit_at) > Change.received_at,
            ~sa.exists().where(col(Action.record_id) == Change.record_id, col(Action.state).in_(UNSETTLED_ACTIONS)),
            ~sa.exists().where(col(Worklist.record_id) == Change.record_id, *_TICKED),
        )
    ).all()
    for row in rows:
        row.state = ChangeState.FAILED
        row.message = (
            f"the visit began before this was through (it waited: {row.code or 'not begun'}); tell the front desk"
        )
        row.code = "expired"
        row.next_at = None
        row.settled_at = tx.now
        row.updated_at = tx.now
    return len(rows)


def wait(tx: Transaction, change_id: int, until: datetime, code: str, message: str) -> None:
    """Puts a change off until a moment, with the reason."""
    change = tx.session.get_one(Change, change_id)
    if change.code != code:
        change.tries = 1
    change.state = ChangeState.WAITING
    change.code = code
    change.message = message
    change.next_at = until
    change.updated_at = tx.now


def wake(tx: Transaction, codes: Collection[str]) -> None:
    """Makes what waits for one of these reasons due now."""
    tx.session.exec(
        sa.update(Change)
        .where(Change.state == ChangeState.WAITING, col(Change.code).in_(list(codes)))  # type: ignore[arg-type]
        .values(next_at=tx.now)
    )


def earliest(
    tx: Transaction,
    *,
    without_sites: Collection[str],
    without_kinds: Collection[SiteKind] = (),
    records: Collection[int] | None = None,
) -> datetime | None:
    """When the next open change is due and its lane is free, or at the latest will be."""
    due = col(Change.next_at)
    moment: datetime | None = tx.session.exec(
        select(sa.func.min(sa.case((col(Lane.until) > due, col(Lane.until)), else_=due)))
        .select_from(Change)
        .join(Record, col(Record.id) == Change.record_id)
        .outerjoin(Lane, col(Lane.key) == Record.lane)
        .where(
            col(Change.state).in_(OPEN_STATES),
            col(Change.site).not_in(list(without_sites)),
            _flows(without_kinds),
            _of(records),
        )
    ).one()
    return moment


def begin_run(tx: Transaction, command: str) -> int:
    """Notes that a process begins to work on the ledger."""
    run = Run(command=command, pid=os.getpid(), started_at=tx.now)
    tx.session.add(run)
    tx.session.flush()
    assert run.id is not None  # noqa: S101 - flushed
    return run.id


def end_run(tx: Transaction, run_id: int) -> None:
    """Notes that it ended in good order."""
    tx.session.get_one(Run, run_id).ended_at = tx.now


def last_id(tx: Transaction) -> int:
    """The number of the newest settled change; 0 where there is none."""
    open_id = tx.session.exec(select(sa.func.min(Change.id)).where(col(Change.state).in_(OPEN_STATES))).one()
    newest = tx.session.exec(select(sa.func.max(Change.id))).one()
    return (open_id - 1) if open_id is not None else (newest or 0)


def states_since(tx: Transaction, change_id: int) -> dict[str, int]:
    """How many changes after ``change_id`` are in which state."""
    rows = tx.session.exec(
        select(Change.state, sa.func.count()).where(col(Change.id) > change_id).group_by(Change.state)
    )
    return dict(rows.all())


def count_waiting(tx: Transaction, change_id: int, codes: Collection[str]) -> int:
    """How many changes after ``change_id`` wait with one of these codes."""
    counted = select(sa.func.count()).select_from(Change)
    return tx.session.exec(
        counted.where(
            col(Change.id) > change_id, Change.state == ChangeState.WAITING, col(Change.code).in_(sorted(codes))
        )
    ).one()


def count_new(tx: Transaction, site: str, change_id: int) -> int:
    """How many changes of a site were opened after a change and are open."""
    counted = select(sa.func.count()).select_from(Change)
    return tx.session.exec(
        counted.where(Change.site == site, col(Change.id) > change_id, col(Change.state).in_(OPEN_STATES))
    ).one()


def newest_states(tx: Transaction, records: Collection[int]) -> dict[str, int]:
    """How many of these records have a newest change in which state."""
    newest = sa.select(sa.func.max(col(Change.id))).where(_of(records)).group_by(col(Change.record_id))
    rows = tx.session.exec(
        select(Change.state, sa.func.count()).where(col(Change.id).in_(newest)).group_by(Change.state)
    )
    return dict(rows.all())


def count(
    tx: Transaction,
    states: Collection[ChangeState],
    *,
    records: Collection[int] | None = None,
    without_sites: Collection[str] = (),
) -> int:
    """How many changes are in one of these states."""
    counted = select(sa.func.count()).select_from(Change)
    return tx.session.exec(
        counted.where(col(Change.state).in_(list(states)), col(Change.site).not_in(list(without_sites)), _of(records))
    ).one()


def _known(tx: Transaction, account: str, kind: Kind, remote_id: str) -> Record | None:
    return tx.session.exec(
        select(Record).where(Record.account == account, Record.kind == kind, Record.remote_id == remote_id)
    ).first()


def _flows(without_kinds: Collection[SiteKind]) -> sa.ColumnElement[bool]:
    """Changes but those of kinds that wait at their site."""
    waits = (sa.and_(col(Change.site) == site, col(Change.kind) == kind) for site, kind in sorted(without_kinds))
    return ~sa.or_(sa.false(), *waits)


def _of(records: Collection[int] | None) -> sa.ColumnElement[bool]:
    """Changes of some records; all of them where None is given."""
    return sa.true() if records is None else col(Change.record_id).in_(sorted(records))


def _supersede_failures(tx: Transaction, change: Change) -> None:
    """Older failures of the same record need nobody once a newer episode ended."""
    older = tx.session.exec(
        select(Change).where(
            Change.record_id == change.record_id,
            Change.state == ChangeState.FAILED,
            col(Change.id) < change.id,
        )
    )
    for row in older:
        row.state = ChangeState.SKIPPED
        row.message = f"it had failed ({row.code}): {row.message}; change {change.id} of the same record ended later"
        row.code = SUPERSEDED
        row.updated_at = tx.now
