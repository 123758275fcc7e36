"""Takes back what a run has written: newest first, on fresh reads, and each write once.

What VetBridge has made and what still stands as VetBridge has left it is cancelled; former values are written back
where the field still shows what was written. Whatever people have touched since stays, and is listed with the reason.
The pair goes into the shadow before anything is undone: else the next pass would write it all again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Native, Operation, Relink
from vetbridge.core import notes
from vetbridge.core.answers import SLOT_TAKEN
from vetbridge.core.errors import SlotTaken, VetBridgeError
from vetbridge.core.planning import MOVES
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet, Record, Reminder
from vetbridge.ledger import actions, changes, due, going_live, links, mirror, reviews, runs, worklist
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.runs import Written
from vetbridge.ledger.tables import ChangeState, Link
from vetbridge.ledger.tables import Record as RecordRow
from vetbridge.sync.answering import given_answer
from vetbridge.sync.comparing import (
    CARRIED,
    FIELDS,
    PEOPLE,
    base_in_terms,
    digest,
    stamp_of,
    standing_fields,
    wanted_fields,
)
from vetbridge.sync.due_services import SAID
from vetbridge.sync.job import Ask, Ending, Enter, Job, PutOff
from vetbridge.sync.keeping import Keeper, but_own, later
from vetbridge.sync.opting_out import OPTED_OUT
from vetbridge.sync.own_writes import BEFORE
from vetbridge.sync.pair import End, Pair, Timings
from vetbridge.sync.slots import require_free, slot_keys
from vetbridge.sync.wording import DESK
from vetbridge.sync.writing import Keep, Point, Step, Writer

AFTERWARDS = timedelta(hours=1)
"""A change that waited before the undo, and has nothing to do with it, waits so long while that goes on."""

_OWN = "undoes"
"""Key of the payload of a write that takes another one back."""
_OVER = frozenset({AppointmentStatus.ARRIVED, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW})

TAKEN_BACK = Ending(state=ChangeState.DONE, code="undone", message="what a run had written was taken back")
LEFT = Ending(state=ChangeState.SKIPPED, code="left", message="nothing that a run had written could be taken back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one write, or would become of it. Ids, codes and words alone."""

    written: Written
    undone: bool
    """It is taken back; in a dry run: it would be."""
    code: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse:
    """What taking one write back comes to, by a fresh read of the record."""

    code: str
    words: str
    undone: bool = True
    """False: something of it stays, and a person has to look."""
    step: Step | None = None
    """What is written for it; None: nothing."""
    now: Record | None = None
    """The record as it was read."""
    fields: frozenset[str] = frozenset()
    """Those that show their former values then."""
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class _Bench:
    """What one pair is worked on with."""

    pair: Pair
    keeper: Keeper
    to_booking: Writer
    to_pims: Writer

    def writer(self, account: str) -> Writer:
        return self.to_pims if account == self.pair.pims.account else self.to_booking

    def end(self, account: str) -> End:
        return self.pair.pims if account == self.pair.pims.account else self.pair.booking


class Undoer:
    """Takes one run back. ``work`` is done by the engine, record by record; ``judge`` alone is a dry run."""

    def __init__(
        self, run_id: int, pairs: Sequence[Pair], ledger: Ledger, clock: Clock, timings: Timings, point: Point
    ) -> None:
        self._run_id = run_id
        self._ledger = ledger
        self._clock = clock
        self._benches = {
            pair.site: _Bench(
                pair,
                Keeper(pair),
                Writer(pair.booking, ledger, clock, timings, point, fuse=pair.fuse),
                Writer(pair.pims, ledger, clock, timings, point, fuse=pair.fuse),
            )
            for pair in pairs
        }
        self._begun: tuple[Written, ...] = ()
        self._foreign: set[int] = set()
        self._fates: dict[int, Fate] = {}
        self.shadowed: set[str] = set()
        """The sites that ``begin`` has put into the shadow."""
        self._lock = threading.Lock()

    # -- before and after

    def begin(self) -> frozenset[int]:
        """Puts the run's sites into the shadow and opens a change for each record; returns the records to work on."""
        with self._ledger.write() as tx:
            self._begun = runs.written(tx, self._run_id)
            ended = going_live.ended(tx)
            self.shadowed = self._sites() - ended
            for site in self.shadowed:
                going_live.meet(tx, site, start_live=False)
                going_live.into_shadow(tx, site)
        mine: dict[int, Written] = {}
        for one in self._begun:
            bench = self._bench(one)
            if bench is None or bench.pair.site in ended:
                self._note(one, _unreached(bench, one))
            else:
                mine.setdefault(one.record_id, one)
        for start in range(0, len(mine), changes.AT_ONCE):
            with self._ledger.write() as tx:
                for place, one in list(enumerate(mine.values()))[start : start + changes.AT_ONCE]:
                    self._open(tx, one, behind=len(mine) - place)
        return frozenset(mine)

    def _open(self, tx: Transaction, one: Written, *, behind: int) -> None:
        """Opens the change of a record; what is due longer is worked on first, so the newest was due first."""
        standing = changes.open_change(tx, one.record_id)
        bench = self._bench(one)
        change = standing or changes.receive(
            tx,
            site=bench.pair.site if bench else one.site,
            account=one.source_account,
            kind=one.source_kind,
            remote_id=one.source_id,
            source=changes.UNDO,
        )
        if changes.begin_undo(tx, change):
            self._foreign.add(one.record_id)
        change.next_at = tx.now - timedelta(microseconds=behind)

    def finish(self) -> tuple[Fate, ...]:
        """What became of each write, the newest first; what waited before the undo is due again."""
        with self._ledger.write() as tx:
            for record_id in self._foreign:
                change = changes.open_change(tx, record_id)
                if change is not None:
                    changes.end_undo(tx, change)
            return tuple(self._fates.get(one.action_id) or self._unfinished(tx, one) for one in self._begun)

    def planned(self) -> tuple[Fate, ...]:
        """What would become of each write, by reads alone."""
        with self._ledger.read() as tx:
            self._begun = runs.written(tx, self._run_id)
            ended = going_live.ended(tx)
        for _, group in _by_target(self._begun):
            bench = self._bench(group[0])
            for one, reverse in (
                [(one, _unreached(bench, one)) for one in group]
                if bench is None or bench.pair.site in ended
                else self._looked_at(bench, group)
            ):
                self._note(one, reverse)
        return tuple(self._fates[one.action_id] for one in self._begun)

    def _looked_at(self, bench: _Bench, group: Sequence[Written]) -> list[tuple[Written, Reverse]]:
        try:
            made = self._whole(bench, group)
            return [(one, made or self.judge(bench, one)) for one in group]
        except VetBridgeError as error:
            return [(one, Reverse(code=error.code, words=error.message, undone=False)) for one in group]

    def _sites(self) -> set[str]:
        """The sites that the run has written for, of those that the config knows."""
        benches = [self._bench(one) for one in self._begun]
        return {bench.pair.site for bench in benches if bench is not None}

    def _unfinished(self, tx: Transaction, one: Written) -> Fate:
        """A write whose work did not get to its end: why, as its change says."""
        code, words = runs.unfinished(tx, one.record_id)
        return Fate(written=one, undone=False, code=code, words=words)

    # -- the work on one record

    def work(self, job: Job, enter: Enter) -> Ending:
        """Takes back what the run has written by the work on one record."""
        first = next((one for one in self._begun if one.record_id == job.record_id), None)
        bench = self._bench(first) if first is not None else None
        if bench is None:
            return LEFT
        shown = self._source(job, bench, enter)
        given = given_answer(self._ledger, job)
        for end, writer in ((bench.pair.pims, bench.to_pims), (bench.pair.booking, bench.to_booking)):
            writer.settle_unknown(job, _keepers(bench, job, end), given.said if given else None)
        with self._ledger.read() as tx:
            left = runs.written(tx, self._run_id, record_id=job.record_id)
        done = self._strike(job, bench, [one for one in left if one.is_handed])
        for _, group in _by_target(one for one in left if not one.is_handed):
            done |= self._take_back(job, bench, group)
        if done:
            if shown is not None:
                job.digest = digest(self._ledger.sealer, bench.end(first.source_account if first else ""), shown)
            return TAKEN_BACK
        if job.record_id in self._foreign:
            raise PutOff(self._clock.now() + AFTERWARDS, job.waited_for, "it waits until a run is undone")
        return LEFT

    def _strike(self, job: Job, bench: _Bench, listed: Sequence[Written]) -> bool:
        """Strikes what the run has put on the work list, and nobody has carried out; whether there was anything."""
        ids = {one.action_id for one in listed}
        for account in sorted({one.account for one in listed}):
            with self._ledger.read() as tx:
                waiting = [one for one in actions.handed(tx, job.record_id, account) if one.action_id in ids]
            for intention in waiting:
                bench.writer(account).take_back(job, intention, "the run that asked for it was undone")
        if listed:
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                runs.undone(tx, ids)
        for one in listed:
            self._note(one, STRUCK)
        return bool(listed)

    def _source(self, job: Job, bench: _Bench, enter: Enter) -> Native | None:
        """The visit whose work the writes were, as its side shows it now; its client's lane is held from here."""
        kind = Kind(job.kind)
        if kind not in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT):
            return None
        with self._ledger.read() as tx:
            account = tx.session.get_one(RecordRow, job.record_id).account
        end = bench.end(account)
        native = end.connector.get(kind, job.remote_id) if end.connector.capabilities.of(kind).read else None
        if native is None:
            return None
        client_id = job.remote_id if kind is Kind.CLIENT else end.mapper.peek(kind, native, "client_id")
        if client_id is not None:
            enter(job, changes.client_lane(account, str(client_id)))
        return native if kind is Kind.APPOINTMENT else None

    def _take_back(self, job: Job, bench: _Bench, group: Sequence[Written]) -> bool:
        """Takes back what was written to one record of a side; whether anything of it was."""
        made = self._whole(bench, group)
        if made is not None:
            made = self._carry_out(job, bench, group[-1], made)
            self._settle(job, bench, group, made)
            return True
        done = False
        for one in group:
            reverse = self._carry_out(job, bench, one, self.judge(bench, one))
            if reverse.undone or reverse.step is not None or reverse.code == STAYS.code:
                self._settle(job, bench, [one], reverse)
            else:
                self._note(one, reverse)
            done |= reverse.undone
        return done

    def _whole(self, bench: _Bench, group: Sequence[Written]) -> Reverse | None:
        """How a visit that the run itself has made goes, with all that the run did to it later; None otherwise."""
        first = group[-1]
        if first.kind is not Kind.APPOINTMENT or first.operation != Operation.CREATE:
            return None
        reverse = self.judge(bench, first)
        return reverse if reverse.undone else None

    def _carry_out(self, job: Job, bench: _Bench, one: Written, reverse: Reverse) -> Reverse:
        """Writes what a reverse says; returns it as it has come out."""
        step = reverse.step
        if step is None:
            return reverse
        writer = bench.writer(one.account)
        if isinstance(reverse.now, Appointment) and step.fields.keys() & MOVES:
            former = replace(reverse.now, **_of(step.fields, MOVES))
            writer.reserve(job, "slot", slot_keys(former), "visit at the same time")
        try:
            record = writer.write(job, step, later)
        except SlotTaken:
            return replace(TAKEN, now=reverse.now)
        if any(getattr(record, name) != value for name, value in _of(step.fields, PEOPLE).items()):
            words = "the side did not take the former client"
            return replace(reverse, undone=False, code="not-taken", words=words, now=record)
        return replace(reverse, now=record)

    def _settle(self, job: Job, bench: _Bench, group: Sequence[Written], reverse: Reverse) -> None:
        """Keeps what was taken back, so that no later pass does it again, and no second undo either."""
        one = group[0]
        link, now = reverse.link, reverse.now
        other = None if link is None or reverse.code in (STAYS.code, CANCELLED) else self._other(bench, one, link)
        shown = None
        if reverse.code == CANCELLED:
            shown = bench.end(one.account).connector.get(one.kind, one.remote_id or "")
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            if reverse.undone:
                runs.undone(tx, [each.action_id for each in group])
            row = None if link is None else tx.session.get_one(Link, link.id)
            if isinstance(now, Reminder):
                due.drop(tx, one.account, one.remote_id or "")
            if reverse.code == CANCELLED:
                self._off(tx, job, bench, one, shown)
            if row is not None and reverse.code in (STAYS.code, CANCELLED):
                links.end(tx, row)
            elif row is not None and now is not None:
                self._agree(tx, job, bench, one, row, reverse, other)
        for each in group:
            self._note(each, reverse)

    def _off(self, tx: Transaction, job: Job, bench: _Bench, one: Written, shown: Native | None) -> None:
        """A visit that is cancelled again: nobody has to be asked about it, and a listing of it is no news."""
        reviews.close(tx, job.record_id, "the run that wrote the visit was undone")
        worklist.close(
            tx, job.record_id, worklist.RELINK, confirmed=False, why="the run that wrote the visit was undone"
        )
        if shown is not None:
            end = bench.end(one.account)
            row = changes.record_of(tx, end.account, one.kind, one.remote_id or "")
            row.digest_hash = digest(tx.sealer, end, shown)

    def _other(self, bench: _Bench, one: Written, link: Link) -> Record | None:
        """The other side of a link, as it stands now."""
        pair = bench.pair
        end, id_ = (pair.booking, link.booking_id) if one.account == pair.pims.account else (pair.pims, link.pims_id)
        native = end.connector.get(one.kind, id_)
        return None if native is None else end.mapper.read(one.kind, native)

    def _agree(
        self,
        tx: Transaction,
        job: Job,
        bench: _Bench,
        one: Written,
        link: Link,
        reverse: Reverse,
        other: Record | None,
    ) -> None:
        """In the fields that were written back both sides stay as they stand now, until one of them changes."""
        now = reverse.now
        in_pims = one.account == bench.pair.pims.account
        here, there = (other, now) if in_pims else (now, other)
        if isinstance(now, Appointment):
            booked = here if isinstance(here, Appointment) else None
            standing = there if isinstance(there, Appointment) else None
            if in_pims and link.unlinked != bench.pair.stands_in(now.client_id):
                link.unlinked = bench.pair.stands_in(now.client_id)
                answer = reviews.last_carried_out(tx, job.record_id) if link.unlinked else None
                if answer is not None:
                    reviews.reopen(tx, answer)  # whose it is has to be said again
            booking_base, _ = links.bases(tx, link)
            wanted = base_in_terms(link, booked, standing, booking_base or {})
            bench.keeper.bases(tx, link, wanted, standing, FIELDS - reverse.fields)
            return
        if in_pims and isinstance(now, Client | Pet):
            mirror.put(tx, one.account, [now])
        if isinstance(here, Client | Pet) and isinstance(there, Client | Pet):
            bench.keeper.people_bases(tx, link, here, there)

    def _note(self, one: Written, reverse: Reverse) -> None:
        with self._lock:
            self._fates[one.action_id] = Fate(
                written=one, undone=reverse.undone, code=reverse.code, words=reverse.words
            )

    def _bench(self, one: Written) -> _Bench | None:
        """The pair that a write belongs to: a PIMS may be shared by several, a booking side is one's own."""
        of_account = (one.account, one.source_account)
        owning = (bench for bench in self._benches.values() if bench.pair.booking.account in of_account)
        return next(owning, self._benches.get(one.site))

    # -- what is to be done

    def judge(self, bench: _Bench, one: Written) -> Reverse:
        """What taking one write back comes to, by a fresh read; nothing is written.

        Raises what the connector raises, and ``MappingError``.
        """
        if one.is_handed:
            return STRUCK
        if not one.is_settled:
            return _left("in-doubt", "its answer was lost, and it has to be looked for first")
        if one.operation == Operation.CANCEL:
            return _left("cancellation", "a cancellation cannot be taken back")
        if one.operation == Operation.CREATE and one.kind is not Kind.APPOINTMENT:
            return replace(STAYS, link=self._made_with(bench, one))
        if one.payload is None:
            return _left("not-kept", "what it wrote is kept no longer (ledger.keep_bodies_days)")
        end = bench.end(one.account)
        native = end.connector.get(one.kind, one.remote_id or "")
        if native is None:
            return _left("gone", f"{end.account} does not show the record any more")
        now = end.mapper.read(one.kind, native)
        if isinstance(now, Reminder):
            return self._of_card(bench, one, now)
        link = self._link(bench, one)
        if isinstance(now, Appointment) and one.operation == Operation.CREATE:
            return self._of_visit(bench, one, one.payload, now, link)
        return self._of_update(bench, one, one.payload, now, link)

    def _of_visit(
        self, bench: _Bench, one: Written, payload: Mapping[str, Any], now: Appointment, link: Link | None
    ) -> Reverse:
        """A visit that was made: cancelled while it stands as VetBridge has left it, and is still ahead."""
        if now.status is AppointmentStatus.CANCELLED:
            return Reverse(code=CANCELLED, words="it was cancelled already", now=now, link=link)
        kept = self._untouchable(now)
        if kept is not None:
            return kept
        if now.status is AppointmentStatus.CONFIRMED and payload["fields"].get("status") != now.status:
            return _left("confirmed", "it was confirmed since")
        if not one.stamp or stamp_of(now) != one.stamp:
            return _left("unmarked", "it carries VetBridge's mark no more")
        if not self._as_left(bench, one, payload, now, link):
            return CHANGED
        step = Step(
            kind=Kind.APPOINTMENT,
            operation=Operation.CANCEL,
            fields={"by": "clinic", "reason": "Taken back by the practice."},
            remote_id=now.id,
            stamp=one.stamp,
            version=now.version,
            payload={_OWN: [one.action_id]},
        )
        return Reverse(code=CANCELLED, words="cancelled", step=step, now=now, link=link)

    def _untouchable(self, now: Appointment) -> Reverse | None:
        if now.status in _OVER:
            return _left("begun", f"the visit is {now.status.replace('_', '-')}")
        if now.start.utc <= self._clock.now():
            return _left("begun", "the visit has begun, or is over")
        return None

    def _as_left(
        self, bench: _Bench, one: Written, payload: Mapping[str, Any], now: Appointment, link: Link | None
    ) -> bool:
        """Whether a visit stands as VetBridge has left it: by its base, else by what was written."""
        in_pims = one.account == bench.pair.pims.account
        if in_pims and notes.remove(now.notes).strip():
            return False  # staff have written something, too
        base = None
        if link is not None:
            with self._ledger.read() as tx:
                booking_base, pims_base = links.bases(tx, link)
            base = pims_base if in_pims else booking_base
        if link is None or base is None:
            wrote = payload["fields"]
            return all(getattr(now, name) == wrote[name] for name in (CARRIED | PEOPLE) & wrote.keys())
        stands = (
            standing_fields(now)
            if in_pims
            else wanted_fields(
                now, base.get("client_id"), base.get("pet_id"), unlinked=link.unlinked, origin=link.origin
            )
        )
        return all(stands[name] == value for name, value in base.items() if name in stands)

    def _of_update(
        self, bench: _Bench, one: Written, payload: Mapping[str, Any], now: Record, link: Link | None
    ) -> Reverse:
        """Former values, where the field still shows what was written."""
        if OPTED_OUT in payload["fields"]:
            return _left("stays-opted-out", "who wants no messages is not opted in again by an undo")
        former = payload.get(BEFORE)
        if former is None:
            return _left("not-kept", "what stood there before is not known")
        if isinstance(now, Appointment):
            if now.status is AppointmentStatus.CANCELLED:
                return _left("cancelled-since", "the visit was cancelled since")
            kept = self._untouchable(now)
            if kept is not None:
                return kept
        back, changed = _former(payload["fields"], former, now)
        partly = Reverse(
            code="changed-since" if changed else "written-back",
            words=f"changed since: {', '.join(changed)}" if changed else "the former values are written back",
            undone=not changed,
            now=now,
            fields=frozenset(payload["fields"].keys() - set(changed)),
            link=link,
        )
        if not back:
            return partly if changed else replace(partly, words="the former values stand there already")
        obstacle = self._obstacle(bench, one, now, back)
        if obstacle is not None:
            return obstacle
        able = bench.end(one.account).connector.capabilities.of(one.kind)
        step = Step(
            kind=one.kind,
            operation=Operation.UPDATE,
            fields=back,
            remote_id=one.remote_id,
            version=now.version,
            payload={_OWN: [one.action_id]},
            before=now,
            fresh=bool(back.keys() & PEOPLE) and able.relink is Relink.UNVERIFIED,
        )
        return replace(partly, step=step)

    def _of_card(self, bench: _Bench, one: Written, now: Reminder) -> Reverse:
        """What is due is taken off a card, and never put back: who it was said of may have died since."""
        end, blank = bench.end(one.account), Reminder()
        able = end.connector.capabilities.of(Kind.REMINDER).update & end.mapper.writable(Kind.REMINDER)
        fields = {name: getattr(blank, name) for name in SAID if name in able}
        fields = {name: value for name, value in fields.items() if value != getattr(now, name)}
        if not fields:
            return Reverse(code="written-back", words="nothing is said there about due services", now=now)
        step = Step(
            kind=Kind.REMINDER,
            operation=Operation.UPDATE,
            fields=fields,
            remote_id=one.remote_id,
            version=now.version,
            payload={_OWN: [one.action_id]},
            before=now,
        )
        return Reverse(code="written-back", words="what was said about due services is taken off", step=step, now=now)

    def _obstacle(self, bench: _Bench, one: Written, now: Record, back: Mapping[str, object]) -> Reverse | None:
        """Why the former values of a visit cannot be written back."""
        if not isinstance(now, Appointment):
            return None
        end = bench.end(one.account)
        able = end.connector.capabilities.of(Kind.APPOINTMENT)
        if back.keys() & PEOPLE and able.relink is Relink.NO:
            return _left("no-relink", "the side does not let a visit go to another client")
        if not back.keys() & MOVES:
            return None
        former = replace(now, **_of(back, MOVES))
        if former.start.utc <= self._clock.now():
            return _left("begun", "its former time is over")
        try:
            require_free(end, former, but=now.id, here=now)
        except Ask:
            return TAKEN
        return None

    # -- links

    def _link(self, bench: _Bench, one: Written) -> Link | None:
        pair, id_ = bench.pair, one.remote_id or ""
        with self._ledger.read() as tx:
            if one.account == pair.pims.account:
                return links.of_pims(tx, one.account, one.kind, id_, booking_account=pair.booking.account)
            return links.of_booking(tx, one.account, one.kind, id_)

    def _made_with(self, bench: _Bench, one: Written) -> Link | None:
        """The link that came with a client or a pet; one that was made later, by pairing for one, stays."""
        link = self._link(bench, one)
        if link is None or one.answered_at is None or link.created_at > one.answered_at:
            return None
        return link if link.origin in ("created", DESK) else None


CANCELLED = "cancelled"
"""Code of a visit that is off again."""
STRUCK = Reverse(code="struck", words="nobody has carried it out; it is struck from the work list")
"""A write that stands on the work list."""
STAYS = Reverse(code="stays", words="no side says how it is removed: it stays, and is linked no more", undone=False)
"""A client or a pet that was made."""
CHANGED = Reverse(code="changed-since", words="people have changed it since", undone=False)
TAKEN = Reverse(code=SLOT_TAKEN, words="another visit stands at its former time", undone=False)


def _left(code: str, words: str) -> Reverse:
    return Reverse(code=code, words=words, undone=False)


def _unreached(bench: _Bench | None, one: Written) -> Reverse:
    if bench is None:
        return _left("not-in-config", f"the config has no site {one.site} any more")
    return _left("pair-ended", "the pair has ended, and nothing is written for it")


def _keepers(bench: _Bench, job: Job, end: End) -> dict[Kind, Keep]:
    """How a write is kept whose answer was lost: the run's own as ever, one that takes another back not at all."""
    usual = bench.keeper.in_pims(job) if end.account == bench.pair.pims.account else bench.keeper.at_booking(job)
    return but_own({Kind.REMINDER: later, Kind.ATTACHMENT: later, **usual}, _OWN)


def _by_target(found: Iterable[Written]) -> list[tuple[tuple[str, str, str], list[Written]]]:
    """Writes by the record that they were written to, each group newest first."""
    groups: dict[tuple[str, str, str], list[Written]] = {}
    for one in found:
        groups.setdefault((one.account, one.kind, one.remote_id or f"?{one.action_id}"), []).append(one)
    return list(groups.items())


def _former(
    wrote: Mapping[str, object], former: Mapping[str, Any], now: Record
) -> tuple[dict[str, object], list[str]]:
    """What is to be written back, and the fields that show neither what was written nor what stood there before."""
    back: dict[str, object] = {}
    changed = []
    for name in sorted(wrote):
        stands = getattr(now, name)
        if name == "notes":
            text = _former_notes(stands, str(wrote[name]), str(former[name]))
            if text is None:
                changed.append(name)
            elif text != stands:
                back[name] = text
        elif stands == former[name]:
            continue
        elif stands == wrote[name]:
            back[name] = AppointmentStatus(former[name]) if name == "status" else former[name]
        else:
            changed.append(name)
    return back, changed


def _former_notes(stands: str, wrote: str, former: str) -> str | None:
    """The notes with VetBridge's block as it was; staff's text around it stays. None where that cannot be told."""
    if stands in (wrote, former):
        return former
    block, old = notes.find(wrote), notes.find(former)
    if block is None or notes.find(stands) != block:
        return None
    return notes.remove(stands) if old is None else notes.place(stands, notes.block(old[0], old[1].split("\n")))


def _of(fields: Mapping[str, object], names: Iterable[str]) -> dict[str, Any]:
    return {name: fields[name] for name in names if name in fields}
