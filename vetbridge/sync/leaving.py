"""Takes VetBridge's traces from both sides, where a pair has ended: its blocks in the notes of coming visits.

Staff's own text stays byte for byte, and what the owner wrote stays as plain text. A visit that stands without its
owner keeps its block, which says who booked. Links stay in the ledger, so that the pair may begin anew.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Operation
from vetbridge.core import notes
from vetbridge.core.errors import VetBridgeError
from vetbridge.core.records import Appointment, AppointmentStatus, Kind
from vetbridge.ledger import changes, links, runs
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import ChangeState, Link
from vetbridge.sync.comparing import FIELDS, base_in_terms
from vetbridge.sync.job import Ending, Enter, Job
from vetbridge.sync.keeping import Keeper, but_own, later
from vetbridge.sync.pair import End, Pair, Timings
from vetbridge.sync.writing import Point, Step, Writer

SOURCE = "pair end"
"""Source of a change in which traces are taken away."""
AHEAD = timedelta(days=3660)
"""A visit further away is none."""

CLEANED = "cleaned"
"""Code of a visit whose block is gone, or would be gone."""
STAMP_FIELD = "stamp-field"
"""Code of a visit whose mark stands in a field of its own, too."""

_COMMENT = "Comment: "
_OWN = "cleans"
"""Key of the payload of a write that takes a block away."""

DONE = Ending(state=ChangeState.DONE, code=CLEANED, message="VetBridge's block was taken from its notes")
NOTHING = Ending(state=ChangeState.SKIPPED, code="no-trace", message="no block of VetBridge's is to be taken away")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What became of one trace, or would become of it. Ids, codes and words alone."""

    account: str
    kind: Kind
    remote_id: str
    removed: bool
    """It is gone; in a dry run: it would be."""
    code: str
    words: str


class Cleaner:
    """Cleans one pair. ``work`` is done by the engine, visit by visit; ``planned`` alone is a dry run."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._keeper = Keeper(pair)
        self._writers = {
            end.account: Writer(end, ledger, clock, timings, point, fuse=pair.fuse)
            for end in (pair.booking, pair.pims)
        }
        self._begun: dict[int, Link] = {}
        self._traces: dict[tuple[str, str], Trace] = {}
        self._finished: set[int] = set()
        self._lock = threading.Lock()

    def begin(self) -> frozenset[int]:
        """Opens a change for every coming visit that is linked; returns the records to work on."""
        coming = self._coming()
        for start in range(0, len(coming), changes.AT_ONCE):
            with self._ledger.write() as tx:
                for link in coming[start : start + changes.AT_ONCE]:
                    change = changes.receive(
                        tx,
                        site=self._pair.site,
                        account=link.booking_account,
                        kind=Kind.APPOINTMENT,
                        remote_id=link.booking_id,
                        source=SOURCE,
                    )
                    change.next_at = tx.now
                    self._begun[change.record_id] = link
        return frozenset(self._begun)

    def work(self, job: Job, enter: Enter) -> Ending:
        """Takes VetBridge's block from the notes of one visit, at both sides."""
        link = self._begun[job.record_id]
        for end, keepers in (
            (self._pair.booking, self._keeper.at_booking(job)),
            (self._pair.pims, self._keeper.in_pims(job)),
        ):
            self._writers[end.account].settle_unknown(job, but_own(keepers, _OWN))
        stands: dict[str, Appointment | None] = {}
        done = False
        for end, id_ in self._sides(link):
            visit, trace, step = self._judge(end, id_)
            if visit is not None and visit.client_id is not None and end is self._pair.booking:
                enter(job, changes.client_lane(end.account, visit.client_id))
            if step is not None:
                record = self._writers[end.account].write(job, step, later)
                visit = record if isinstance(record, Appointment) else visit
                done = True
            stands[end.account] = visit
            self._note(trace)
        self._settle(job, link, stands)
        with self._lock:
            self._finished.add(job.record_id)
        return DONE if done else NOTHING

    def finish(self) -> tuple[Trace, ...]:
        """What became of each trace; a visit whose work did not get to its end is told with the reason."""
        with self._ledger.read() as tx:
            for record_id, link in self._begun.items():
                if record_id not in self._finished:
                    self._note(self._unfinished(tx, record_id, link))
        return tuple(self._traces.values())

    def planned(self) -> tuple[Trace, ...]:
        """What would become of each trace, by reads alone."""
        for link in self._coming():
            for end, id_ in self._sides(link):
                try:
                    _, trace, _ = self._judge(end, id_)
                except VetBridgeError as error:
                    trace = self._trace(end, id_, error.code, error.message)
                self._note(trace)
        return tuple(self._traces.values())

    def made(self) -> int:
        """How many clients and pets VetBridge has made, at both sides.

        They stay: ezyVet documents a DELETE of contacts by one source alone (ezyvet.md, section 6) and none of
        animals; Altegio's custom fields, in which pets stand there, are not said to take an empty value (altegio.md,
        section 3.9), and a card may have got visits since.
        """
        with self._ledger.read() as tx:
            return sum(
                len(runs.made(tx, end.account, kind)) for end in self._ends for kind in (Kind.CLIENT, Kind.PET)
            )

    # -- inside

    @property
    def _ends(self) -> tuple[End, End]:
        return self._pair.booking, self._pair.pims

    def _sides(self, link: Link) -> Sequence[tuple[End, str]]:
        return (self._pair.booking, link.booking_id), (self._pair.pims, link.pims_id)

    def _coming(self) -> list[Link]:
        now = self._clock.now()
        with self._ledger.read() as tx:
            return list(links.visits(tx, self._pair.site, now, now + AHEAD))

    def _judge(self, end: End, id_: str) -> tuple[Appointment | None, Trace | None, Step | None]:
        """A visit as it stands, its trace if it has one, and what is to be written."""
        native = end.connector.get(Kind.APPOINTMENT, id_)
        visit = None if native is None else end.mapper.read(Kind.APPOINTMENT, native)
        if not isinstance(visit, Appointment) or visit.status is AppointmentStatus.CANCELLED:
            return None, None, None
        found = notes.find(visit.notes)
        if visit.start.utc <= self._clock.now() or found is None:
            marked = found is None and bool(notes.STAMP.fullmatch(visit.stamp))
            return visit, self._trace(end, id_, STAMP_FIELD, _STAMP_WORDS) if marked else None, None
        in_pims = end is self._pair.pims
        if visit.client_id is None or (in_pims and self._pair.stands_in(visit.client_id)):
            return (
                visit,
                self._trace(end, id_, "says-who-booked", "it stands without its owner: the block says who"),
                None,
            )
        able = end.connector.capabilities.of(Kind.APPOINTMENT).update & end.mapper.writable(Kind.APPOINTMENT)
        if "notes" not in able:
            return visit, self._trace(end, id_, "not-supported", "the side takes no change of notes"), None
        step = Step(
            kind=Kind.APPOINTMENT,
            operation=Operation.UPDATE,
            fields={"notes": notes.remove(visit.notes, leaving=_written_by_owner(found[1]))},
            remote_id=visit.id,
            version=visit.version,
            before=visit,
            payload={_OWN: True},
        )
        return visit, self._trace(end, id_, CLEANED, "the block is gone from its notes", removed=True), step

    def _settle(self, job: Job, link: Link, stands: Mapping[str, Appointment | None]) -> None:
        """Where the pair begins anew, notes that were cleaned are no change of anybody's."""
        here, there = stands[self._pair.booking.account], stands[self._pair.pims.account]
        if here is None or there is None:
            return
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            row = tx.session.get_one(Link, link.id)
            booking_base, _ = links.bases(tx, row)
            wanted = base_in_terms(row, here, there, booking_base or {})
            self._keeper.bases(tx, row, wanted, there, FIELDS - {"notes"})

    def _unfinished(self, tx: Transaction, record_id: int, link: Link) -> Trace:
        code, words = runs.unfinished(tx, record_id)
        return self._trace(self._pair.booking, link.booking_id, code, words)

    def _note(self, trace: Trace | None) -> None:
        if trace is not None:
            with self._lock:
                self._traces[trace.account, trace.remote_id] = trace

    @staticmethod
    def _trace(end: End, id_: str, code: str, words: str, *, removed: bool = False) -> Trace:
        return Trace(
            account=end.account, kind=Kind.APPOINTMENT, remote_id=id_, removed=removed, code=code, words=words
        )


_STAMP_WORDS = "VetBridge's mark stays in a field of its own: no vendor's document says that it can be emptied"


def left(traces: Collection[Trace]) -> list[Trace]:
    """The traces that a person may want to look at; a mark in a field of its own harms nobody."""
    return [trace for trace in traces if not trace.removed and trace.code != STAMP_FIELD]


def _written_by_owner(block: str) -> list[str]:
    """Of a block's text the owner's own words, which stay."""
    _, found, comment = f"\n{block}".partition(f"\n{_COMMENT}")
    return [f"{_COMMENT}{comment}"] if found else []
