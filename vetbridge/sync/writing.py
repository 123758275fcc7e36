"""The writing protocol: intended, sent, answered; and after a lost answer: look before anything is sent again.

Hardly any vendor has idempotency keys, so the effect is made exactly-once here (architecture, section 8).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Content, ExactlyOnce, Operation, Receipt, Write
from vetbridge.core.answers import FUSE, TWICE, UNKNOWN_OUTCOME, Choice
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused, Stale, VetBridgeError
from vetbridge.core.going_live import QUOTA
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, AppointmentStatus, Attachment, Kind, Record
from vetbridge.ledger import actions, attached, changes, fuses, going_live, links, pauses, reviews, worklist
from vetbridge.ledger.actions import Done, Intention
from vetbridge.ledger.content import plain
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import ActionState, Change
from vetbridge.sync.comparing import stamp_of
from vetbridge.sync.job import Ask, Job, OneSideOnly, PutOff
from vetbridge.sync.own_writes import BEFORE, as_written
from vetbridge.sync.pair import End, Quota, Timings

FOUND = "found"
"""Key of a payload whose record was found after a lost answer: people may have changed it since it was written."""
STOOD = "stood"
"""Key of a payload of an update: the record as it was read before it; what else has changed by then is news."""
FILE = "file"
"""Key of a payload of an attachment: size and SHA-256 of its content, by which it is found. It holds none of that."""
LINE = "line"
"""Key of a payload that is handed on: what whoever carries it out has to know."""
VISIT_AT = "visit_at"
"""Key of the same: when the visit begins."""
FORMER = "former"
"""Key of the same, of a visit that is to be typed: what was asked for before, the newest first, as ``here`` says it.
Somebody may have typed that by then."""
FORMER_KEPT = 5
READ_BACK = "a reading shows it"
"""Why a line is closed that was carried out."""
FUSED_WORDS: Mapping[Operation, str] = {
    Operation.CANCEL: "a cancellation",
    Operation.UPDATE: "a move",
    Operation.CREATE: "a new visit",
}
FUSE_WAIT = timedelta(days=1)
"""A change that the fuse holds back is looked at again at the latest then; an answer wakes it."""

KIND_WAIT = timedelta(hours=1)
"""The same for one that needs a record of a kind that is paused; the resume wakes it."""

QUOTA_WAIT = timedelta(hours=1)
"""The same for one that would create more than the first days allow."""

BY_HAND_WAIT = timedelta(hours=1)
"""A change that waits for somebody's hand is looked at again at the latest then; a reading that shows what was done
wakes it."""
TASKS: Mapping[Operation, str] = {
    Operation.CREATE: worklist.BOOK,
    Operation.UPDATE: worklist.CHANGE,
    Operation.CANCEL: worklist.CANCEL,
}
"""What the work list calls a write of a visit that is handed on."""
REGISTERED = (Kind.CLIENT, Kind.PET)
"""Who may have to be registered before a visit is typed."""

SENT_WITHIN = timedelta(days=3)
"""A file whose answer was lost began to go no longer before that was noted: VetBridge may have been off meanwhile."""

Point = Callable[[str], None]
"""Called at each named point, so that a test can stop or kill the work there."""

Keep = Callable[[Transaction, Mapping[str, Any], Record], None]
"""Keeps what a write did: called in the transaction that settles the action, with the intention's payload and the
record as the side returned it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One write to be done. ``payload`` is kept with it (sealed), for whoever finds the record later."""

    kind: Kind
    operation: Operation
    fields: Mapping[str, object]
    """Canonical fields to write."""
    remote_id: str | None = None
    stamp: str = ""
    payload: Mapping[str, Any]
    fused: bool = False
    """It cancels, moves or overwrites, and no person asked for just this: the fuse counts it."""
    beside: bool = False
    """A person wants it although the time is taken."""
    fresh: bool = False
    """What the write answers is not believed: the record is read again."""
    version: str | None = None
    """The version of the record that the write was decided on, for a side that writes conditionally."""
    before: Record | None = None
    """The record as it was read, of an update: what its fields were is kept, so that it can be undone."""
    content: Content | None = None
    """The file, of an attachment."""
    visit_at: Instant | None = None
    """When the visit begins; for the work list, where the write is handed on."""
    line: Mapping[str, Any] | None = None
    """What whoever carries it out has to know, where that is another thing than ``fields``."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a person answered to the question what became of a write, and of which action."""

    choice: Choice
    action_id: int


class Writer:
    """Writes to one end of a pair."""

    def __init__(
        self,
        end: End,
        ledger: Ledger,
        clock: Clock,
        timings: Timings,
        point: Point,
        *,
        fuse: int,
        quota: Quota | None = None,
    ) -> None:
        self._end = end
        self._fuse = fuse
        self._quota = quota
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._point = point

    def write(self, job: Job, step: Step, keep: Keep) -> Record:
        """Does one write, and keeps what it did. Raises what the connector raises, after writing that down, too, and
        ``OneSideOnly`` where a person has asked for the other side only."""
        end = self._end
        self._require_side(job)
        replaced: list[Intention] = []
        if self._is_handed(step.kind, step.operation):
            replaced = self._replaced(job, step.kind, step.operation, step.remote_id)
            self._require_not_handed_on(step, replaced)
        native = (
            end.mapper.write(step.kind, dict(step.fields))
            if step.operation is not Operation.CANCEL
            else dict(step.fields)
        )
        payload = {**step.payload, "fields": dict(step.fields), "native": native, "beside": step.beside}
        if step.before is not None:
            payload[STOOD] = step.before
            payload[BEFORE] = {name: getattr(step.before, name) for name in step.fields}
        if self._is_handed(step.kind, step.operation):
            payload |= {LINE: _line(step), VISIT_AT: step.visit_at, FORMER: _former(replaced)}
        if step.content is not None:
            payload[FILE] = {"size": step.content.size, "digest": step.content.digest}
        began = self._clock.steady()
        action_id, key = self._intend(job, step, payload, replaced=len(replaced))
        self._point("intended")
        self._require_time(job, action_id, began)
        self._point("sending")
        write = Write(
            operation=step.operation,
            kind=step.kind,
            id=step.remote_id,
            native=native,
            stamp=step.stamp,
            beside=step.beside,
            key=key,
            version=step.version,
            content=step.content,
        )
        if self._is_handed(step.kind, step.operation):
            record = self._hand_on(job, action_id, write, step, replaced, payload)
        else:
            record = self._send(job, action_id, write, payload, fresh=step.fresh)
        self._point("sent")
        self._settle(job, action_id, payload, record, keep)
        self._point("answered")
        return record

    # -- writes that somebody else carries out

    def _is_handed(self, kind: Kind, operation: Operation | str) -> bool:
        return operation in self._end.connector.capabilities.of(kind).handed

    def _replaced(self, job: Job, kind: Kind, operation: Operation | str, remote_id: str | None) -> list[Intention]:
        """What was handed on, and a write takes the place of: of two tasks about one visit somebody would do both."""
        with self._ledger.read() as tx:
            return [
                one
                for one in actions.handed(tx, job.record_id, self._end.account)
                if one.kind == kind
                and (
                    operation == Operation.CREATE
                    or (one.operation != Operation.CREATE and one.remote_id == remote_id)
                    or (one.operation == Operation.CREATE and worklist.of_action(tx, one.action_id) is not None)
                )
            ]

    def _require_not_handed_on(self, step: Step, replaced: Collection[Intention]) -> None:
        """Raises ``PutOff`` where just this was handed on already, and still stands on the work list."""
        asked = _said({"fields": dict(step.fields), LINE: _line(step)})
        for one in replaced:
            if one.operation == step.operation and _said(one.payload) == asked:
                with self._ledger.read() as tx:
                    listed = worklist.of_action(tx, one.action_id) is not None
                if listed:
                    raise self._by_hand()

    def _hand_on(
        self,
        job: Job,
        action_id: int,
        write: Write,
        step: Step,
        replaced: Collection[Intention],
        payload: Mapping[str, Any],
    ) -> Record:
        """Hands a write on, and puts it on the work list. Raises ``PutOff`` until a reading shows that it was done;
        in a dry run it counts as done, and the record is returned."""
        try:
            for one in replaced:
                self._recall(one)
            receipt = self._end.connector.apply(write)
        except VetBridgeError as error:
            self._close(job, action_id, ActionState.NOT_DONE, error)
            raise
        if receipt.id:
            return self._read_back(write, receipt, payload)
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            self._put_in_place(tx, replaced, write.operation)
            self._put_on_list(tx, job, action_id, write, _line(step), step.visit_at)
        self._point("handed")
        raise self._by_hand()

    @staticmethod
    def _put_in_place(tx: Transaction, replaced: Collection[Intention], operation: Operation) -> None:
        """Ends what a write takes the place of, together with its lines but for that which says the write now."""
        for one in replaced:
            is_same = one.operation == operation
            if is_same or one.operation != Operation.CREATE:
                actions.close(tx, one.action_id, ActionState.NOT_DONE, code="taken-back")
            if not is_same and worklist.of_action(tx, one.action_id) is not None:
                worklist.close(
                    tx,
                    one.record_id,
                    TASKS[Operation(one.operation)],
                    confirmed=False,
                    why="the visit is to be cancelled"
                    if operation is Operation.CANCEL
                    else "another task has taken its place",
                )

    def _put_on_list(
        self,
        tx: Transaction,
        job: Job,
        action_id: int,
        write: Write,
        line: Mapping[str, Any],
        visit_at: Instant | None,
    ) -> None:
        actions.close(tx, action_id, ActionState.HANDED)
        worklist.put(
            tx,
            tx.session.get_one(Change, job.change_id),
            account=self._end.account,
            kind=write.kind,
            remote_id=write.id or "",
            task=TASKS[write.operation],
            details=line,
            visit_at=None if visit_at is None else visit_at.utc,
            action_id=action_id,
            labels=_labels(self._end.connector.capabilities.screen, write.kind),
        )
        # Hours may pass: another booking of the same person, or at the same time, does not wait for that.
        actions.unreserve(tx, job.record_id)

    def _by_hand(self) -> PutOff:
        return PutOff(
            self._clock.now() + BY_HAND_WAIT,
            changes.BY_HAND,
            f"it is on the work list of {self._end.account}; a reading has to show that it was carried out",
        )

    def take_back(self, job: Job, intention: Intention, why: str) -> None:
        """What was handed on is wanted no more, and nobody is to do anything in its place.

        A visit that was to be typed may have been typed by now, and show later: its action stays handed, so that the
        visit is known for what it is. One that was to be cancelled, and of which somebody says that it is, likewise:
        else it would read as if the practice had cancelled it.
        """
        self._recall(intention)
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            line = worklist.of_action(tx, intention.action_id)
            said_done = intention.operation == Operation.CANCEL and line is not None and line.state == "done"
            if intention.operation != Operation.CREATE and not said_done:
                actions.close(tx, intention.action_id, ActionState.NOT_DONE, code="taken-back")
            if line is not None:
                task = TASKS[Operation(intention.operation)]
                worklist.close(tx, intention.record_id, task, confirmed=False, why=why)

    def _recall(self, intention: Intention) -> None:
        id_ = None if intention.operation == Operation.CREATE else intention.remote_id
        self._end.connector.apply(replace(_same_write(intention), operation=Operation.RECALL, id=id_))

    def strike_handed(self, job: Job, why: str) -> None:
        """The work on a record has ended without asking for what was handed on: nobody has to carry it out."""
        with self._ledger.read() as tx:
            standing = [
                one
                for one in actions.handed(tx, job.record_id, self._end.account)
                if worklist.of_action(tx, one.action_id) is not None
            ]
        for one in standing:
            self.take_back(job, one, why)
        with self._ledger.read() as tx:
            left = [task for task in TASKS.values() if worklist.standing(tx, job.record_id, task) is not None]
        if left:  # of writes that were given up meanwhile
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                for task in left:
                    worklist.close(tx, job.record_id, task, confirmed=False, why=why)

    def was_carried_out(
        self, job: Job, intention: Intention, payload: Mapping[str, Any], record: Record, keep: Keep
    ) -> None:
        """A reading shows what was handed on."""
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            actions.close(tx, intention.action_id, ActionState.ANSWERED, remote_id=record.id)
            if worklist.of_action(tx, intention.action_id) is not None:
                task = TASKS[Operation(intention.operation)]
                worklist.close(tx, intention.record_id, task, confirmed=True, why=READ_BACK)
            keep(tx, payload, record)

    def _intend(self, job: Job, step: Step, payload: dict[str, Any], *, replaced: int) -> tuple[int, str]:
        """Writes the intention down; returns the action's id and key.

        ``replaced``: of so many writes that were handed on it takes the place; these count no more.
        Raises ``PutOff`` where the fuse or the quota holds the write back, and ``Stale`` where a write of the same
        record turned out to be in doubt meanwhile, or this one may stand already: that is found out first.
        """
        with self._ledger.write() as tx:
            changes.renew(tx, job.leases, timedelta(seconds=self._timings.lease))
            if any(one.account == self._end.account for one in actions.unsettled(tx, job.record_id)):
                raise Stale("an earlier write of the same record is in doubt again; it is looked for first")
            change = tx.session.get_one(Change, job.change_id)
            self._require_flow(tx, change, step)
            self._require_quota(tx, change, step, replaced)
            through = not step.fused or fuses.let_through(tx, change.site, self._fuse + replaced)
            if through:
                action_id = actions.intend(
                    tx,
                    change,
                    account=self._end.account,
                    kind=step.kind,
                    operation=step.operation,
                    remote_id=step.remote_id,
                    stamp=step.stamp,
                    fields=step.fields.keys(),
                    payload=payload,
                    fused=step.fused,
                )
                if step.operation is not Operation.CREATE or not self._may_stand(tx, change, step.kind, step.stamp):
                    return action_id, actions.key(tx, action_id)
                actions.doubt(tx, action_id)
            else:
                fuses.blow(tx, change, self._fuse)
        if through:
            raise Stale("the ledger was restored from a backup, so this may stand already; it is looked for first")
        raise PutOff(
            self._clock.now() + FUSE_WAIT,
            FUSE,
            f"the fuse holds back {FUSED_WORDS[step.operation]} at {self._end.account} until a person has looked",
        )

    def may_stand(self, job: Job, stamp: str) -> bool:
        """Whether a visit with this stamp may stand already, and is looked for before it is made."""
        with self._ledger.read() as tx:
            return self._may_stand(tx, tx.session.get_one(Change, job.change_id), Kind.APPOINTMENT, stamp)

    def _may_stand(self, tx: Transaction, change: Change, kind: Kind, stamp: str) -> bool:
        """The same of any kind, as the ledger was restored from a backup; not where it was looked for, or nobody
        can look."""
        level = self._end.connector.capabilities.of(kind).create
        return (
            stamp != ""
            and level not in (None, ExactlyOnce.NONE, ExactlyOnce.IDEMPOTENCY_KEY)
            and going_live.may_stand(tx, change)
            and actions.refuted(tx, self._end.account, stamp) is None
        )

    def _require_side(self, job: Job) -> None:
        """Raises ``OneSideOnly`` where the job is to leave this end alone."""
        if self._end.account in job.spares:
            raise OneSideOnly(self._end.account)

    def _require_flow(self, tx: Transaction, change: Change, step: Step) -> None:
        """Raises ``PutOff`` where a person has paused records of this kind at the site."""
        paused = pauses.kind_pause(tx, change.site, step.kind)
        if paused is not None:
            raise PutOff(
                paused.until or self._clock.now() + KIND_WAIT,
                pauses.KIND_PAUSED,
                f"it needs a record of kind {step.kind}, and those are paused at {change.site}",
            )

    def _require_quota(self, tx: Transaction, change: Change, step: Step, replaced: int) -> None:
        """Raises ``PutOff`` where one more record would be too many for the first days of the pair."""
        limit = None if self._quota is None else self._quota.limits.get(step.kind)
        if step.operation is not Operation.CREATE or self._quota is None or limit is None:
            return
        account = self._end.account
        if going_live.is_spent(tx, change.site, account, step.kind, days=self._quota.days, limit=limit + replaced):
            raise PutOff(
                self._clock.now() + QUOTA_WAIT,
                QUOTA,
                f"{account}: {limit} records of kind {step.kind} were created within a day; in the first days no "
                "more are, until somebody has looked (`vetbridge sync --approve --more`)",
            )

    def _require_time(self, job: Job, action_id: int, began: float, *, again: bool = False) -> None:
        """Raises ``Stale`` where the lane may be another worker's before a write that begins now has ended.

        ``again``: it was sent before, and what became of that stays unknown.
        """
        if self._clock.steady() - began + self._end.timeout < self._timings.lease:
            return
        with self._ledger.write() as tx:
            if changes.are_held(tx, job.leases):
                state = ActionState.UNKNOWN if again else ActionState.NOT_DONE
                actions.close(tx, action_id, state, code="too-late-to-send")
        raise Stale("the work stood still for too long to send its write; it is read and planned again")

    def _send(
        self,
        job: Job,
        action_id: int,
        write: Write,
        payload: Mapping[str, Any],
        *,
        fresh: bool,
        again: bool = False,
    ) -> Record:
        try:
            receipt = self._end.connector.apply(write)
            return self._read_back(write, Receipt(id=receipt.id) if fresh else receipt, payload)
        except (OutcomeUnknown, BadAnswer) as error:
            self._close(job, action_id, ActionState.UNKNOWN, error)
            raise OutcomeUnknown(error.message) from None
        except VetBridgeError as error:
            # Sent again and not done says nothing about the first time, unless the side refuses it for good.
            lost = again and not isinstance(error, Refused)
            self._close(job, action_id, ActionState.UNKNOWN if lost else ActionState.NOT_DONE, error)
            if isinstance(error, Refused) and write.operation is Operation.CREATE and self._doubt_first(job, write):
                raise OutcomeUnknown(
                    f"refused after an earlier try was looked for in vain: {error.message}"
                ) from None
            raise

    def _doubt_first(self, job: Job, write: Write) -> bool:
        """A create is refused that was sent before and looked for in vain: that one may have landed, and be why.

        It is looked for once more then; whether there is one.
        """
        with self._ledger.write() as tx:
            if not changes.are_held(tx, job.leases):
                return False
            first = actions.in_vain(tx, job.record_id, self._end.account, write.kind)
            return first is not None and actions.doubt(tx, first) is not None

    def _read_back(self, write: Write, receipt: Receipt, payload: Mapping[str, Any]) -> Record:
        """The record as the side has it now. What cannot be read back counts as unknown, and is looked for; where
        reads follow, it stands as it was written."""
        end, kind = self._end, write.kind
        try:
            if receipt.native is not None:
                return end.mapper.read(kind, receipt.native)
            record = end.read(kind, receipt.id)
            if end.own is not None:
                done = Done(write.operation, dict(payload), self._clock.now())
                record = as_written(kind, receipt.id, record, [done])
            if record is None:
                raise OutcomeUnknown(f"{end.account}: the {kind} that was written cannot be read back")
            return record
        except VetBridgeError as error:
            raise OutcomeUnknown(f"written, but not read back: {error.message}") from None

    def _close(self, job: Job, action_id: int, state: ActionState, error: VetBridgeError) -> None:
        with self._ledger.write() as tx:
            if changes.are_held(tx, job.leases):
                actions.close(tx, action_id, state, code=error.code, message=error.message)
            elif state is ActionState.UNKNOWN:
                self._doubt(tx, action_id)

    def _settle(self, job: Job, action_id: int, payload: Mapping[str, Any], record: Record, keep: Keep) -> None:
        with self._ledger.write() as tx:
            if changes.are_held(tx, job.leases):
                actions.close(tx, action_id, ActionState.ANSWERED, remote_id=record.id)
                keep(tx, payload, record)
                return
            self._doubt(tx, action_id)
        raise Stale("the write ended after the lane was taken over; whoever has it looks what became of it")

    @staticmethod
    def _doubt(tx: Transaction, action_id: int) -> None:
        """A write that took effect, or may have, after its lane was taken over: whoever has the lane now may have
        looked for it in vain, and written again. So it is looked for once more, and two are asked about."""
        record = actions.doubt(tx, action_id)
        if record is not None:
            changes.receive_again(tx, record, "late-write")

    def reserve(self, job: Job, kind: str, keys: Collection[str], other: str) -> None:
        """Reserves contact keys or pets at this end for a job's record; raises ``PutOff`` where another one has them.

        ``other``: who that is, in words.
        """
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)  # else nobody would give them back
            free = actions.reserve(tx, self._end.account, kind, keys, job.record_id)
        if not free:
            raise PutOff(self._in_a_moment(), f"{kind}-reserved", f"another {other} is being written")

    def await_own(self, record: Appointment) -> bool:
        """A visit that VetBridge itself is just making at this end is not carried back: its link comes in a moment.

        True where a person has to say first what became of the write; raises ``PutOff`` where that is not so. To be
        asked before the link is looked for: whoever makes the visit settles it and makes the link in one go.
        """
        stamp = stamp_of(record)
        with self._ledger.read() as tx:
            made_by = actions.under_way(tx, self._end.account, stamp) if stamp else None
            asked = made_by is not None and reviews.open_item(tx, made_by) is not None
        if made_by is None:
            return False
        blind = self._end.connector.capabilities.of(Kind.APPOINTMENT).create is ExactlyOnce.NONE
        if blind and self._show(stamp, record):
            return True
        if not asked:
            raise PutOff(self._in_a_moment(), "own-write", "VetBridge is just writing this visit itself")
        return True

    def _show(self, stamp: str, record: Appointment) -> bool:
        """Tells the work that a write in doubt belongs to where it stands: that is all the looking there is."""
        with self._ledger.write() as tx:
            made_by = actions.shown(tx, self._end.account, stamp, record.id or "")
            if made_by is not None:
                changes.receive_again(tx, made_by, "late-write")
        return made_by is not None

    def _in_a_moment(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._timings.busy)

    def settle_unknown(self, job: Job, keepers: Mapping[Kind, Keep], said: Said | None = None) -> None:
        """Finds out about every write to this end whose answer was lost; before that nothing else is written, unless
        a person has said that it shall be left.

        ``said``: what a person has answered to the question what became of such a write. Raises ``PutOff`` until a
        late write must have landed, and ``Ask`` where two records were found, or where nobody can look.
        """
        with self._ledger.read() as tx:
            waiting = [one for one in actions.unsettled(tx, job.record_id) if one.account == self._end.account]
        for intention in waiting:
            can = self._end.connector.capabilities.of(intention.kind)
            creates = intention.operation == Operation.CREATE
            level = (can.create or ExactlyOnce.NONE) if creates else can.changed
            keep = keepers[intention.kind]
            if self._is_handed(intention.kind, intention.operation):
                self._hand_on_again(job, intention)
            elif level is ExactlyOnce.IDEMPOTENCY_KEY and creates and FILE not in intention.payload:
                self._send_again(job, intention, keep)
            elif level is ExactlyOnce.NONE:
                self._ask_what_became(job, intention, keep, said)
            else:
                self._await_landing(job, intention)
                if creates:
                    self._look(job, intention, keep, said)
                else:
                    self._read_again(job, intention, keep)

    def _send_again(self, job: Job, intention: Intention, keep: Keep) -> None:
        """The very same write once more: the side knows its key, and does it once."""
        self._require_side(job)
        began = self._clock.steady()
        with self._ledger.write() as tx:
            changes.renew(tx, job.leases, timedelta(seconds=self._timings.lease))
            actions.again(tx, intention.action_id)
        self._point("intended")
        self._require_time(job, intention.action_id, began, again=True)
        self._point("sending")
        write = _same_write(intention)
        # The answer may be that of the first time: the record is read as it stands now.
        record = self._send(job, intention.action_id, write, intention.payload, fresh=True, again=True)
        self._point("sent")
        self._settle(job, intention.action_id, {**intention.payload, FOUND: True}, record, keep)
        self._point("answered")

    def _hand_on_again(self, job: Job, intention: Intention) -> None:
        """It was being handed on when the process ended: the same once more, and it stands on the list."""
        self._require_side(job)
        write = _same_write(intention)
        replaced = self._replaced(job, write.kind, write.operation, write.id)
        for one in replaced:
            self._recall(one)
        self._end.connector.apply(write)
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            self._put_in_place(tx, replaced, write.operation)
            self._put_on_list(
                tx, job, intention.action_id, write, intention.payload[LINE], intention.payload[VISIT_AT]
            )

    def _ask_what_became(self, job: Job, intention: Intention, keep: Keep, said: Said | None) -> None:
        """At most once: nobody can look, so a person has to say whether the write arrived, or a listing shows it."""
        if intention.operation == Operation.CREATE and intention.remote_id is not None:
            native = self._end.connector.get(intention.kind, intention.remote_id)
            if native is not None:
                record = self._end.mapper.read(intention.kind, native)
                self._settle(job, intention.action_id, {**intention.payload, FOUND: True}, record, keep)
                return
        if said is not None and said.action_id == intention.action_id:  # else it is about an earlier one
            if said.choice is Choice.AGAIN:
                self._note(job, intention, ActionState.NOT_DONE, "not-there-as-a-person-says")
            elif intention.operation != Operation.CREATE:
                self._note(job, intention, ActionState.NOT_DONE, "left-as-a-person-says")
            return  # what was made stays in doubt: the next change of this record asks again
        if intention.lost_at is None:
            self._note(job, intention, ActionState.UNKNOWN, "no-answer")
        raise Ask(
            UNKNOWN_OUTCOME,
            f"{self._end.account}: the answer to a write was lost, and nobody can look for it; see if it is there",
            {"kind": intention.kind, "action": intention.action_id, "ids": [intention.remote_id or ""]},
        )

    def _await_landing(self, job: Job, intention: Intention) -> None:
        """Raises ``PutOff`` until the write must have landed, if it was sent.

        The time counts from when its answer was given up, not from the intention: an attempt may wait for a budget
        or find the connection refused before it is sent. After a crash nobody knows when that was, so it counts from
        now.
        """
        lost_at = intention.lost_at
        if lost_at is None:
            self._note(job, intention, ActionState.UNKNOWN, "no-answer")
            lost_at = self._clock.now()
        able = self._end.connector.capabilities
        landed = self._end.timeout + max(able.late_landing, able.shown_within) + self._timings.settle
        ready = lost_at + timedelta(seconds=landed)
        if self._clock.now() < ready:
            raise PutOff(
                ready,
                "outcome-unknown",
                f"{self._end.account}: the answer to a write was lost; looked for when it has landed",
            )

    def _read_again(self, job: Job, intention: Intention, keep: Keep) -> None:
        """Settles a change that shows in the record. Of all others the plan on fresh reads decides."""
        record = None if intention.remote_id is None else self._end.read(intention.kind, intention.remote_id)
        if intention.operation == Operation.CANCEL:
            if record is None or _is_off(record):
                # By whomever: it counts, and the plan finds both sides agreed.
                self._note(job, intention, ActionState.ANSWERED, "read-again")
                return
        elif record is not None and all(
            getattr(record, name, None) == value for name, value in intention.payload["fields"].items()
        ):
            self._settle(job, intention.action_id, intention.payload, record, keep)
            return
        self._note(job, intention, ActionState.NOT_DONE, "read-again")

    def _look(self, job: Job, intention: Intention, keep: Keep, said: Said | None) -> None:
        end = self._end
        write = Write(
            operation=Operation.CREATE,
            kind=intention.kind,
            id=None,
            native=intention.payload["native"],
            stamp=intention.stamp,
        )
        records = [end.mapper.read(intention.kind, native) for native in end.connector.look(write)]
        found = {str(record.id): record for record in records if record.id is not None}
        file = intention.payload.get(FILE)
        if file is not None:
            try:
                found = found or self._renamed(intention)
                found = {
                    id_: one for id_, one in found.items() if has_content(end, id_, file["digest"], file["size"])
                }
            except (Refused, BadAnswer):
                # What has its name cannot be looked into: that is for a person to do.
                self._ask_what_became(job, intention, keep, said)
                return
        self._point("looked")
        standing = self._linked(intention, found)
        if standing is not None:
            found[str(standing.id)] = standing
        # Of two, staff may have cancelled the one too many and not removed it.
        found = {id_: record for id_, record in found.items() if not _is_off(record)} or found
        meant = said is not None and said.choice is Choice.KEEP and said.action_id == intention.action_id
        if len(found) > 1 and meant:
            with self._ledger.read() as tx:
                known = links.of_stamp(tx, end.account, intention.stamp) if intention.stamp else None
            if known is not None:
                self._note(job, intention, ActionState.NOT_DONE, actions.BOTH_STAND)
                return
        elif len(found) > 1:
            raise Ask(
                TWICE,
                f"a write whose answer was lost stands {len(found)} times at {end.account}; remove the one too many",
                {"kind": intention.kind, "action": intention.action_id, "ids": sorted(found)},
            )
        if found:
            payload = {**intention.payload, FOUND: True}
            self._settle(job, intention.action_id, payload, next(iter(found.values())), keep)
        else:
            self._note(job, intention, ActionState.NOT_DONE, actions.NOT_FOUND)

    def _renamed(self, intention: Intention) -> dict[str, Record]:
        """Files that have come to where one was sent, under whatever name: sides may rename what they are sent."""
        end, fields = self._end, intention.payload["fields"]
        query = {name: str(fields[name]) for name in ("pet_id", "client_id") if name in fields}
        if not query or not end.connector.capabilities.of(intention.kind).search >= query.keys():
            return {}
        begin = (intention.lost_at or self._clock.now()) - SENT_WITHIN
        records = [end.mapper.read(intention.kind, native) for native in end.connector.search(intention.kind, query)]
        with self._ledger.read() as tx:
            return {
                record.id: record
                for record in records
                if isinstance(record, Attachment)
                and record.id is not None
                and (record.made_at is None or record.made_at.utc >= begin)
                and not attached.is_linked(tx, end.account, record.id)
            }

    def _linked(self, intention: Intention, found: Collection[str]) -> Record | None:
        """The visit that was linked for this stamp already, where it stands beside what was found: it may bear the
        stamp no more."""
        if not intention.stamp or not found:
            return None
        end = self._end
        with self._ledger.read() as tx:
            link = links.of_stamp(tx, end.account, intention.stamp)
        if link is None:
            return None
        id_ = link.pims_id if link.pims_account == end.account else link.booking_id
        native = None if id_ in found else end.connector.get(intention.kind, id_)
        return None if native is None else end.mapper.read(intention.kind, native)

    def _note(self, job: Job, intention: Intention, state: ActionState, code: str) -> None:
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            actions.close(tx, intention.action_id, state, code=code)


def has_content(end: End, attachment_id: str, digest: str, size: int) -> bool:
    """Whether an attachment has just this content, by its size and its SHA-256; it is fetched for that, and no more
    of it than there may be."""
    seen, hashed = 0, hashlib.sha256()
    for piece in end.connector.content(attachment_id):
        seen += len(piece)
        if seen > size:
            return False
        hashed.update(piece)
    return hashed.hexdigest() == digest


def _same_write(intention: Intention) -> Write:
    """What was written down, just as it was sent, or was to be."""
    return Write(
        operation=Operation(intention.operation),
        kind=intention.kind,
        id=intention.remote_id,
        native=intention.payload["native"],
        stamp=intention.stamp,
        beside=bool(intention.payload.get("beside")),
        key=intention.key,
    )


def _said(payload: Mapping[str, Any]) -> Any:
    """What a write that is handed on says, comparable with another one."""
    return plain({"fields": payload["fields"], LINE: payload[LINE]})


def _former(replaced: Collection[Intention]) -> list[dict[str, Any]]:
    """What was asked for of a visit before, the newest first."""
    former: list[dict[str, Any]] = []
    for one in reversed([one for one in replaced if one.operation == Operation.CREATE]):
        former += [one.payload["here"], *one.payload.get(FORMER, ())]
    return former[:FORMER_KEPT]


def _labels(screen: Mapping[Kind, Mapping[str, str]], kind: Kind) -> dict[str, str]:
    """What a screen calls the fields of a record, and those of an owner and a pet who are registered with it."""
    others = {f"{other}.{field}": said for other in REGISTERED for field, said in screen.get(other, {}).items()}
    return {**screen.get(kind, {}), **others}


def _line(step: Step) -> dict[str, Any]:
    return dict(step.fields if step.line is None else step.line)


def _is_off(record: Record) -> bool:
    return isinstance(record, Appointment) and record.status is AppointmentStatus.CANCELLED
