"""The writing protocol: intended, sent, answered; and after a lost answer: look before anything is sent again.

Vendors have no idempotency keys, so the effect is made exactly-once here (architecture, section 8).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Native, Operation, Receipt, Write
from vetbridge.core.answers import FUSE
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, VetBridgeError
from vetbridge.core.records import Appointment, Kind, Record
from vetbridge.ledger import actions, changes, fuses
from vetbridge.ledger.actions import Intention
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import ActionState, Change
from vetbridge.sync.comparing import stamp_of
from vetbridge.sync.job import Ask, Job, PutOff
from vetbridge.sync.pair import End, Timings

FOUND = "found"
"""Key of a payload whose record was found after a lost answer: people may have changed it since it was written."""
FUSED_WORDS: Mapping[Operation, str] = {
    Operation.CANCEL: "a cancellation",
    Operation.UPDATE: "a move",
    Operation.CREATE: "a new visit",
}
FUSE_WAIT = timedelta(days=1)
"""A change that the fuse holds back is looked at again at the latest then; an answer wakes it."""

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


class Writer:
    """Writes to one end of a pair."""

    def __init__(self, end: End, ledger: Ledger, clock: Clock, timings: Timings, point: Point, *, fuse: int) -> None:
        self._end = end
        self._fuse = fuse
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._point = point

    def write(self, job: Job, step: Step, keep: Keep) -> Record:
        """Does one write, and keeps what it did. Raises what the connector raises, after writing that down, too."""
        end = self._end
        native = (
            end.mapper.write(step.kind, dict(step.fields))
            if step.operation is not Operation.CANCEL
            else dict(step.fields)
        )
        payload = {**step.payload, "fields": dict(step.fields), "native": native}
        action_id = self._intend(job, step, payload)
        self._point("intended")
        write = Write(
            operation=step.operation,
            kind=step.kind,
            id=step.remote_id,
            native=native,
            stamp=step.stamp,
            beside=step.beside,
        )
        record = self._send(action_id, write, fresh=step.fresh)
        self._point("sent")
        self._settle(job, action_id, payload, record, keep)
        self._point("answered")
        return record

    def _intend(self, job: Job, step: Step, payload: dict[str, Any]) -> int:
        """Writes the intention down. Raises ``PutOff`` where the fuse holds the write back."""
        with self._ledger.write() as tx:
            changes.renew(tx, job.leases, timedelta(seconds=self._timings.lease))
            change = tx.session.get_one(Change, job.change_id)
            through = not step.fused or fuses.let_through(tx, change.site, self._fuse)
            if through:
                return actions.intend(
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
            fuses.blow(tx, change, self._fuse)
        raise PutOff(
            self._clock.now() + FUSE_WAIT,
            FUSE,
            f"the fuse holds back {FUSED_WORDS[step.operation]} at {self._end.account} until a person has looked",
        )

    def _send(self, action_id: int, write: Write, *, fresh: bool) -> Record:
        try:
            receipt = self._end.connector.apply(write)
            return self._read_back(write.kind, Receipt(id=receipt.id) if fresh else receipt)
        except (OutcomeUnknown, BadAnswer) as error:
            self._close(action_id, ActionState.UNKNOWN, error)
            raise OutcomeUnknown(error.message) from None
        except VetBridgeError as error:
            self._close(action_id, ActionState.NOT_DONE, error)
            raise

    def _read_back(self, kind: Kind, receipt: Receipt) -> Record:
        """The record as the side has it now. What cannot be read back counts as unknown, and is looked for."""
        native: Native | None = receipt.native
        try:
            if native is None:
                native = self._end.connector.get(kind, receipt.id)
            if native is None:
                raise OutcomeUnknown(f"{self._end.account}: the {kind} that was written cannot be read back")
            return self._end.mapper.read(kind, native)
        except VetBridgeError as error:
            raise OutcomeUnknown(f"written, but not read back: {error.message}") from None

    def _close(self, action_id: int, state: ActionState, error: VetBridgeError) -> None:
        with self._ledger.write() as tx:
            actions.close(tx, action_id, state, code=error.code, message=error.message)

    def _settle(self, job: Job, action_id: int, payload: Mapping[str, Any], record: Record, keep: Keep) -> None:
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            actions.close(tx, action_id, ActionState.ANSWERED, remote_id=record.id)
            keep(tx, payload, record)

    def reserve(self, job: Job, kind: str, keys: Collection[str], other: str) -> None:
        """Reserves contact keys or pets at this end for a job's record; raises ``PutOff`` where another one has them.

        ``other``: who that is, in words.
        """
        with self._ledger.write() as tx:
            free = actions.reserve(tx, self._end.account, kind, keys, job.record_id)
        if not free:
            raise PutOff(self._in_a_moment(), f"{kind}-reserved", f"another {other} is being written")

    def await_own(self, record: Appointment) -> None:
        """A visit that VetBridge itself is just making at this end is not carried back: its link comes in a moment.

        To be asked before the link is looked for: whoever makes the visit settles it and makes the link in one go.
        """
        stamp = stamp_of(record)
        with self._ledger.read() as tx:
            made = bool(stamp) and actions.under_way(tx, self._end.account, stamp)
        if made:
            raise PutOff(self._in_a_moment(), "own-write", "VetBridge is just writing this visit itself")

    def _in_a_moment(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._timings.busy)

    def settle_unknown(self, job: Job, keepers: Mapping[Kind, Keep]) -> None:
        """Finds out about every write to this end whose answer was lost; nothing else is written before.

        Raises ``PutOff`` until a late write must have landed, and ``Ask`` where two records were found.
        """
        with self._ledger.read() as tx:
            waiting = [one for one in actions.unsettled(tx, job.record_id) if one.account == self._end.account]
        for intention in waiting:
            self._await_landing(job, intention)
            if intention.operation == Operation.CREATE:
                self._look(job, intention, keepers[intention.kind])
            else:
                self._read_again(job, intention, keepers[intention.kind])

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
        landed = self._end.timeout + self._end.connector.capabilities.late_landing + self._timings.settle
        ready = lost_at + timedelta(seconds=landed)
        if self._clock.now() < ready:
            raise PutOff(
                ready,
                "outcome-unknown",
                f"{self._end.account}: the answer to a write was lost; looked for when it has landed",
            )

    def _read_again(self, job: Job, intention: Intention, keep: Keep) -> None:
        """Settles an update that shows in the record. Of all others the plan on fresh reads decides."""
        native = None
        if intention.operation == Operation.UPDATE and intention.remote_id is not None:
            native = self._end.connector.get(intention.kind, intention.remote_id)
        if native is not None:
            record = self._end.mapper.read(intention.kind, native)
            if all(getattr(record, name, None) == value for name, value in intention.payload["fields"].items()):
                self._settle(job, intention.action_id, intention.payload, record, keep)
                return
        self._note(job, intention, ActionState.NOT_DONE, "read-again")

    def _look(self, job: Job, intention: Intention, keep: Keep) -> None:
        end = self._end
        write = Write(
            operation=Operation.CREATE,
            kind=intention.kind,
            id=None,
            native=intention.payload["native"],
            stamp=intention.stamp,
        )
        found = {
            record.id: record
            for native in end.connector.look(write)
            if (record := end.mapper.read(intention.kind, native)).id is not None
        }
        self._point("looked")
        if len(found) > 1:
            raise Ask(
                "found-twice",
                f"a write whose answer was lost stands {len(found)} times at {end.account}; remove the one too many",
                {"kind": intention.kind, "ids": sorted(str(id_) for id_ in found)},
            )
        if found:
            payload = {**intention.payload, FOUND: True}
            self._settle(job, intention.action_id, payload, next(iter(found.values())), keep)
        else:
            self._note(job, intention, ActionState.NOT_DONE, "looked-and-not-found")

    def _note(self, job: Job, intention: Intention, state: ActionState, code: str) -> None:
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            actions.close(tx, intention.action_id, state, code=code)
