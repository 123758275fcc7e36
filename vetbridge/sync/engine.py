"""The engine: takes due changes lane by lane, works on them, and writes down how each one ended.

Whatever happens to one change ends that change, with a reason; it never takes its neighbours down (law 4), and no
change stays without an end (law 8).
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from vetbridge.connector.clock import Clock
from vetbridge.connector.drift import Move, Moves
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    MappingError,
    OutcomeUnknown,
    RateLimited,
    Scope,
    SlotTaken,
    Stale,
    VetBridgeError,
)
from vetbridge.core.records import Kind, Side
from vetbridge.ledger import accounts, actions, changes, clock_moves, going_live, pauses, reviews, subjects
from vetbridge.ledger.changes import Lease
from vetbridge.ledger.database import LEDGER_BUSY, Ledger, Transaction
from vetbridge.ledger.file_rows import is_row
from vetbridge.ledger.replays import ONE_SIDE_ONLY
from vetbridge.ledger.tables import OPEN_STATES, Change, ChangeState, Record
from vetbridge.sync.appointments import Appointments
from vetbridge.sync.attachments import Attachments
from vetbridge.sync.desk_visits import DeskVisits
from vetbridge.sync.due_services import DueServices
from vetbridge.sync.forgotten import Forgotten, require_known
from vetbridge.sync.importing import Importer
from vetbridge.sync.job import Ask, Ending, Enter, Job, OneSideOnly, PutOff
from vetbridge.sync.own_writes import followed
from vetbridge.sync.pair import Pair, Timings
from vetbridge.sync.people import People
from vetbridge.sync.refreshing import Refresher
from vetbridge.sync.writing import Point

log = structlog.get_logger("vetbridge.sync")

BAD_ANSWER_TRIES = 4
"""An unreadable answer is asked for again this often before it counts as failed."""

STALE_WAIT = timedelta(milliseconds=50)
STALE_TRIES = 12
"""A record that was changed under each of so many writes is given to a person."""

REST = 5.0
"""Seconds after which an engine that rests is asked again."""

UNDO_WAIT = timedelta(hours=1)
"""A change whose undo was cut off is looked at again after that; the undo itself does not wait."""

_GROWING = frozenset({BadAnswer.code, Stale.code, OutcomeUnknown.code})
"""Reasons to wait whose wait grows with each try."""


Instead = Callable[[Job, Enter], Ending]
"""Works on one change in place of the engine's own workers."""


def nowhere(point: str) -> None:
    """The named points of a run in earnest: nothing happens there."""


def _where(error: BaseException) -> str:
    """File and line of the innermost frame: what support needs, without any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"


class Workers:
    """Who works on which kind of change of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self.bookings = Appointments(pair, ledger, clock, timings, point)
        self.desk_visits = DeskVisits(pair, ledger, clock, timings, point)
        self.people = People(pair, ledger, clock, timings, point)
        self.refresher = Refresher(pair, ledger)
        self.importer = Importer(pair, ledger, clock, timings, point)
        self.attachments = Attachments(pair, ledger, clock, timings, point)
        self.due_services = DueServices(pair, ledger, clock, timings, point)


class Engine:
    """Works on the changes of all pairs of one ledger."""

    def __init__(
        self, pairs: Sequence[Pair], ledger: Ledger, clock: Clock, timings: Timings, *, point: Point = nowhere
    ) -> None:
        pairs = [followed(pair, ledger) for pair in pairs]
        self._pairs: Mapping[str, Pair] = {pair.site: pair for pair in pairs}
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._point = point
        self.only: Collection[int] | None = None
        """Records that alone are worked on; None: all."""
        self.unapproved = False
        """Pairs that nobody has approved are worked on as well: in a rehearsal, and for one client as a first try."""
        self.instead: Instead | None = None
        """Work that a person has asked for, in place of the usual, also for pairs in the shadow and ended ones."""
        self.rests: Callable[[], bool] = lambda: False
        """Whether nothing is worked on now, whatever is due."""
        self.on_clock_move: Callable[[Move], None] = lambda _move: None
        """Called when this machine's clock was set."""
        self.clock_move: Move | None = None
        """How this machine's clock was set last."""
        self._moves = Moves(clock)
        self._minding = threading.Lock()
        self._unminded = 0.0
        """Seconds by which it was set, and which the ledger has not been told: it may take no transaction then."""
        self._leases: dict[str, Lease] = {}
        """The lanes that this process holds."""
        self._unreleased: list[Lease] = []
        """Lanes that it holds no more, which the ledger has not been told yet."""
        self._workers = {pair.site: Workers(pair, ledger, clock, timings, point) for pair in pairs}

    def importer(self, site: str) -> Importer:
        """Who works on the rows of files that are imported for a site."""
        return self._workers[site].importer

    def work(self, worker: str, *, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Leases the lane that is due longest and works on its due changes; False when nothing is due.

        Between two changes it ends early once ``stopping()`` says so.
        """
        if self.rests():
            return False
        lease = self._claim(worker)
        if lease is None:
            return False
        try:
            while not stopping() and self.step(lease):
                pass
        finally:
            self._release([lease])
        return True

    def step(self, lease: Lease) -> bool:
        """Works on the next due change of a lane that is held; False when none is due, or the lane is another's."""
        with self._ledger.write() as tx:
            row = changes.next_due(tx, lease.lane, without_kinds=pauses.paused_kinds(tx), records=self.only)
            if row is None or not changes.are_held(tx, [lease]) or self._held_back(row.site, *self._silent(tx)):
                return False
            assert row.id is not None  # noqa: S101 - it came from the ledger
            change = changes.begin(tx, row.id)
            side = None if changes.is_undo(change) else changes.only_side(change)
            job = Job(
                change_id=row.id,
                record_id=change.record_id,
                kind=change.kind,
                remote_id=change.remote_id,
                received_at=change.received_at,
                leases=[lease],
                site=change.site,
                began_at=self._clock.steady(),
                is_undo=changes.is_undo(change),
                spares=self._spared(side),
                passed_on="pims" if side is None else change.source,
                waited_for=change.code if change.state == ChangeState.WAITING else "",
            )
            account, tries = change.account, change.tries if job.waited_for in _GROWING else 1
        try:
            self._work(job, self._pairs[job.site], account, tries)
        finally:
            self._release(job.leases[1:])
        return True

    def _spared(self, side: Side | None) -> frozenset[str]:
        """The accounts that are left alone where a person has asked for one side only."""
        if side is None:
            return frozenset()
        others = (pair.pims if side is Side.BOOKING else pair.booking for pair in self._pairs.values())
        return frozenset(end.account for end in others)

    def _release(self, leases: Sequence[Lease]) -> None:
        """Gives lanes back, also those of which the ledger could not be told at their time."""
        for lease in leases:
            self._leases.pop(lease.lane, None)
        self._unreleased.extend(leases)
        given_back = list(self._unreleased)
        if given_back:
            with self._ledger.write() as tx:
                for lease in given_back:
                    changes.release(tx, lease)
            self._unreleased = [lease for lease in self._unreleased if lease not in given_back]

    def _claim(self, worker: str) -> Lease | None:
        self.mind_clock()
        if self._unreleased:
            self._release(())
        with self._ledger.write() as tx:
            lease = changes.claim(
                tx,
                worker=worker,
                lease=timedelta(seconds=self._timings.lease),
                without_sites=self._held_back_sites(tx),
                without_kinds=pauses.paused_kinds(tx),
                records=self.only,
            )
            if lease is not None:
                self._leases[lease.lane] = lease
        return lease

    def mind_clock(self) -> None:
        """Notices that this machine's clock was set, and makes what the ledger holds fit the new time.

        Lanes that are being worked on stay so: by the new time their leases may be over, and nobody else may take
        them while a write is under way.
        """
        with self._minding:
            move = self._moves.look()
            if move is not None:
                log.error("clock.moved", seconds=round(move.seconds))
                self.clock_move = move
                self._unminded += move.seconds
                for pair in self._pairs.values():
                    pair.booking.connector.skew.forget()
                    pair.pims.connector.skew.forget()
                self.on_clock_move(move)
            if not self._unminded:
                return
            with self._ledger.write() as tx:
                clock_moves.moved(tx, timedelta(seconds=self._unminded))
                for lease in list(self._leases.values()):
                    if changes.are_held(tx, [lease]):
                        changes.renew(tx, [lease], timedelta(seconds=self._timings.lease))
            self._unminded = 0.0

    def _held_back_sites(self, tx: Transaction) -> list[str]:
        silent, paused = self._silent(tx)
        return [site for site in changes.open_sites(tx) if self._held_back(site, silent, paused)]

    def _silent(self, tx: Transaction) -> tuple[set[str], set[str]]:
        """Accounts that do not answer now or are paused, and sites that are paused or for which nothing may be
        written."""
        return accounts.not_answering(tx) | pauses.paused(tx, "account"), pauses.paused(tx, "site") | self._shadow(tx)

    def _shadow(self, tx: Transaction) -> set[str]:
        """Sites for which nothing may be written now."""
        if self.instead is not None:
            return set()
        return going_live.ended(tx) if self.unapproved else going_live.held_back(tx)

    def _held_back(self, site: str, silent: set[str], paused: set[str]) -> bool:
        """A site that is paused or in the shadow, or one of whose sides is paused or does not answer, or which this
        config does not know."""
        pair = self._pairs.get(site)
        return pair is None or site in paused or not silent.isdisjoint({pair.booking.account, pair.pims.account})

    def _work(self, job: Job, pair: Pair, account: str, tries: int) -> None:
        try:
            self._attempt(job, pair, account, tries)
        except Stale:
            # The work took longer than the lease: what becomes of the change is for the one who took it over.
            log.warning("change.taken-over", change=job.change_id)

    def _attempt(self, job: Job, pair: Pair, account: str, tries: int) -> None:
        try:
            ending = self._dispatch(job, pair, account)
            self._point("before-settle")
            self._end(job, ending)
            self._point("settled")
        except PutOff as put_off:
            self._put_off(job, put_off)
        except Ask as ask:
            self._ask(job, ask)
        except OneSideOnly as refused:
            self._leave(job, refused)
        except Forgotten as forgotten:
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                subjects.erase(tx, job.record_id)
            self._end(job, forgotten.ending)
        except VetBridgeError as error:
            self._failed(job, error, tries)
        except Exception as error:
            # A bug in the work on one change must not stop the others; it is named by its type alone, because its
            # text may hold personal values.
            log.error("change.bug", change=job.change_id, error=type(error).__name__, where=_where(error))
            self._end(
                job,
                Ending(
                    state=ChangeState.FAILED,
                    code="bug",
                    message=f"VetBridge itself failed ({type(error).__name__}); send this change's number to support",
                ),
            )

    def _dispatch(self, job: Job, pair: Pair, account: str) -> Ending:
        with self._ledger.read() as tx:
            require_known(tx, account, job.kind, job.remote_id)
        if self.instead is not None:
            return self.instead(job, self._enter)
        if job.is_undo:
            # Worked on as usual, half of an undo would read as what people did at that side.
            raise PutOff(
                self._clock.now() + UNDO_WAIT,
                "undo-unfinished",
                "its run was not taken back to the end: run `vetbridge sync --undo` again",
            )
        kind = Kind(job.kind)
        workers = self._workers[pair.site]
        if kind is Kind.ATTACHMENT:
            side = Side.PIMS if account == pair.pims.account else Side.BOOKING
            return workers.attachments.work(job, side, self._enter)
        if kind is Kind.REMINDER and account != pair.pims.account:
            return workers.due_services.work(job, self._enter)
        if kind in (Kind.REMINDER, Kind.VACCINATION):
            return workers.due_services.told(kind, job.remote_id)
        if account != pair.pims.account:
            if kind is Kind.APPOINTMENT:
                return workers.bookings.work(job, self._enter)
            return workers.people.work(job, kind, self._enter)
        if is_row(job.remote_id):
            return workers.importer.work(job)
        if kind is not Kind.APPOINTMENT:
            return workers.refresher.one(kind, job.remote_id, job.passed_on)
        return self._desk_visit(job, pair)

    def _desk_visit(self, job: Job, pair: Pair) -> Ending:
        """A visit of a PIMS that several sites share belongs to the first whose code lists know it."""
        sharing = [one for one in self._pairs.values() if one.pims.account == pair.pims.account]
        for last, one in enumerate(sharing, 1 - len(sharing)):
            try:
                if one.site != job.site:
                    self._require_writes(job, one)
                return self._workers[one.site].desk_visits.work(job, self._enter)
            except MappingError:
                if last == 0:
                    raise
        raise AssertionError("a pair shares its PIMS with itself at least")

    def _require_writes(self, job: Job, pair: Pair) -> None:
        """Leaves a visit to its own site where nothing may be written for that now: the hint came by another one's.

        Raises ``PutOff`` then, and ``MappingError`` where the visit is not this site's.
        """
        with self._ledger.read() as tx:
            held_back = self._held_back(pair.site, *self._silent(tx))
        native = pair.pims.connector.get(Kind.APPOINTMENT, job.remote_id) if held_back else None
        if native is None:
            return
        pair.pims.mapper.read(Kind.APPOINTMENT, native)
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            tx.session.get_one(Change, job.change_id).site = pair.site
        raise PutOff(self._clock.now(), "of-another-site", f"it is of site {pair.site}, which is held back now")

    def _enter(self, job: Job, lane: str) -> None:
        """Moves a record to its client's lane, holding both; puts the change off where the lane is busy."""
        if any(lease.lane == lane for lease in job.leases):
            return
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            tx.session.get_one(Record, job.record_id).lane = lane
            lease = changes.lease_lane(
                tx, lane, worker=threading.current_thread().name, lease=timedelta(seconds=self._timings.lease)
            )
            if lease is not None:
                self._leases[lane] = lease
        if lease is None:
            raise PutOff(self._clock.now(), "lane-busy", "another change of the same client is being worked on")
        job.leases.append(lease)

    def _end(self, job: Job, ending: Ending) -> None:
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            ended = changes.settle(
                tx,
                job.change_id,
                ending.state,
                ending.code,
                ending.message,
                digest=job.digest,
                version=job.version,
            )
            if ended:
                actions.unreserve(tx, job.record_id)
            self._note_answers(tx, job)
        log.info(
            "change.ended" if ended else "change.again", change=job.change_id, state=ending.state, code=ending.code
        )

    def _note_answers(self, tx: Transaction, job: Job) -> None:
        """An outage of an account is over once a call to it succeeded."""
        pair = self._pairs[job.site]
        for end in (pair.booking, pair.pims):
            if end.connector.answered_at >= job.began_at:
                accounts.answered(tx, end.account)

    def _put_off(self, job: Job, put_off: PutOff) -> None:
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            changes.wait(tx, job.change_id, put_off.until, put_off.code, put_off.message)
            if not actions.unsettled(tx, job.record_id):
                # What waits without a write under way must not keep others from the same owner's bookings.
                actions.unreserve(tx, job.record_id)

    def _ask(self, job: Job, ask: Ask) -> None:
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            if not changes.hinted_meanwhile(tx, job.change_id):  # else it is read again, maybe with a new answer
                change = tx.session.get_one(Change, job.change_id)
                reviews.ask_beside(tx, change, why=ask.why, question=ask.question)
        self._end(job, Ending(state=ChangeState.REVIEW, code=ask.why, message=ask.message))

    def _leave(self, job: Job, refused: OneSideOnly) -> None:
        """What is left at the other side must stay in sight, and be found by the next listing."""
        job.digest = job.version = None
        account = refused.account
        message = f"it would have to change {account}, which a replay for the other side only leaves alone"
        self._end(job, Ending(state=ChangeState.FAILED, code=ONE_SIDE_ONLY, message=message))

    def _failed(self, job: Job, error: VetBridgeError, tries: int) -> None:
        """What the error's class says: pause the account, wait, read again, ask, or give the change to a person."""
        now = self._clock.now()
        if error.code == LEDGER_BUSY:
            raise error
        if isinstance(error, Stale) and tries < STALE_TRIES:
            self._put_off(job, PutOff(now + STALE_WAIT * 2**tries, error.code, error.message))
        elif isinstance(error, OutcomeUnknown):
            # When it must have landed says whoever looks; only one that is lost again and again waits here.
            again = self._timings.retry_first * 2**tries if tries > 2 else 0.0
            wait = timedelta(seconds=min(again, self._timings.retry_longest))
            self._put_off(job, PutOff(now + wait, error.code, error.message))
        elif error.scope is Scope.ACCOUNT:
            self._put_off(job, PutOff(self.account_failed(error), error.code, error.message))
        elif isinstance(error, SlotTaken):
            self._ask(job, Ask(error.code, error.message, {}))
        elif isinstance(error, BadAnswer) and tries < BAD_ANSWER_TRIES:
            wait = timedelta(seconds=self._timings.retry_first * 2**tries)
            self._put_off(job, PutOff(now + wait, BadAnswer.code, error.message))
        else:
            self._end(job, Ending(state=ChangeState.FAILED, code=error.code, message=error.message))

    def account_failed(self, error: VetBridgeError) -> datetime:
        """Backs off or blocks the account of an error; returns when to come back."""
        with self._ledger.write() as tx:
            if isinstance(error, AuthFailed):
                accounts.block(tx, error.account, error.code, error.part)
                log.error("account.blocked", account=error.account, part=error.part, code=error.code)
                return tx.now
            if isinstance(error, RateLimited):
                accounts.pause_budget(tx, error.account, error.budget, error.wait)
                return tx.now + timedelta(seconds=error.wait)
            row = accounts.back_off(
                tx,
                error.account,
                first=self._timings.retry_first,
                longest=self._timings.retry_longest,
                code=error.code,
                part=error.part,
            )
            log.warning(
                "account.paused", account=error.account, part=error.part, code=error.code, failures=row.failures
            )
            return row.paused_until or tx.now

    def idle_for(self) -> float:
        """Seconds until a change is due whose sides answer; a day when none is open."""
        self.mind_clock()
        if self.rests():
            return REST
        with self._ledger.read() as tx:
            due = changes.earliest(
                tx,
                without_sites=self._held_back_sites(tx),
                without_kinds=pauses.paused_kinds(tx),
                records=self.only,
            )
            back = accounts.back_at(tx, accounts.not_answering(tx))
            resumed = pauses.next_end(tx)
        moments = [moment for moment in (due, back, resumed) if moment is not None]
        return max(0.0, (min(moments) - self._clock.now()).total_seconds()) if moments else 86400.0

    def open_changes(self) -> int:
        """How many changes are not settled yet, but for those of pairs that are in the shadow or have ended."""
        with self._ledger.read() as tx:
            return changes.count(tx, OPEN_STATES, records=self.only, without_sites=self._shadow(tx))
