"""Carries one appointment from the booking side to the PIMS: read, resolve, plan, guard, apply, settle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Operation
from vetbridge.core import notes
from vetbridge.core.matching import blocking_keys
from vetbridge.core.planning import Outcome, Plan, Situation, plan
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind
from vetbridge.ledger import actions, changes, links, reviews
from vetbridge.ledger.changes import NOT_FOUND_IN_PIMS
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import ChangeState, Link
from vetbridge.sync.comparing import digest, standing_fields, wanted_fields
from vetbridge.sync.job import Ask, Ending, Job, PutOff
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.pair import Pair, Timings
from vetbridge.sync.placing import Placement, Placer
from vetbridge.sync.resolving import Resolver
from vetbridge.sync.writing import Point, Step, Writer

WRITABLE = frozenset({"start", "duration", "appointment_type", "resource", "notes"})
"""Fields of a visit that a change at the booking side may change in the PIMS. The owner and the pet of a visit that
stands are not among them: they change by a person's answer only."""


_ENDINGS: Mapping[str, Ending] = {
    Operation.UPDATE: Ending(state=ChangeState.DONE, code="updated", message="changed in the PIMS"),
    Operation.CANCEL: Ending(state=ChangeState.DONE, code="cancelled", message="cancelled in the PIMS"),
}


class Appointments:
    """The work on appointments of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._point = point
        self._resolver = Resolver(pair, ledger, clock, timings)
        self._writer = Writer(pair.pims, ledger, clock, timings, point)
        self._keeper = Keeper(pair)
        self._placer = Placer(pair, ledger, clock, timings, self._writer, self._keeper)

    def work(self, job: Job, enter: Callable[[Job, str], None]) -> Ending:
        """Works on one change. ``enter(job, lane)`` takes the lane of the client that the read has shown."""
        here = self._read(job)
        self._point("read")
        if here is not None and here.client_id is not None:
            enter(job, changes.client_lane(self._pair.booking.account, here.client_id))
        self._writer.settle_unknown(job, self._keeper.keeps(job))
        with self._ledger.read() as tx:
            link = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id)
        if link is not None:
            ending = self._follow(job, here, link)
            if ending.state is ChangeState.SKIPPED:
                ending = self._written_before(job, link) or ending
        elif here is None:
            ending = Ending(
                state=ChangeState.SKIPPED, code="gone-before-written", message="it is gone, and was not carried over"
            )
        else:
            ending = self._first(job, here)
        if ending.state is not ChangeState.REVIEW and not (link is not None and link.unlinked):
            self._nothing_to_ask(job)
        return ending

    def _nothing_to_ask(self, job: Job) -> None:
        """Closes a question that an earlier change left open and the facts have answered since."""
        with self._ledger.read() as tx:
            asked = reviews.open_item(tx, job.record_id) is not None
        if asked:
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                reviews.close(tx, job.record_id, "the facts have answered it")

    # -- read ---------------------------------------------------------------------------------------------------

    def _read(self, job: Job) -> Appointment | None:
        """The appointment now; None once it counts as gone."""
        end = self._pair.booking
        native = end.connector.get(Kind.APPOINTMENT, job.remote_id)
        if native is None:
            self._confirm_absence(job)
            return None
        job.digest = digest(self._ledger.sealer, self._pair, native)
        record = end.mapper.read(Kind.APPOINTMENT, native)
        job.version = record.version
        with self._ledger.write() as tx:
            changes.seen(tx, job.change_id, visit_at=record.start.utc)
        return record

    def _confirm_absence(self, job: Job) -> None:
        """Gone only after two misses a set time apart; where a visit hangs on it, while another record reads, too."""
        apart = timedelta(seconds=self._timings.absence_confirm)
        with self._ledger.write() as tx:
            since = changes.missed(tx, job.record_id)
            witnesses = changes.witnesses(tx, job.record_id)
            linked = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id) is not None
        now = self._clock.now()
        if now < since + apart:
            raise PutOff(
                since + apart,
                "not-found",
                "the booking side does not show it; it is asked once more before it counts as gone",
            )
        connector = self._pair.booking.connector
        if linked and all(connector.get(Kind.APPOINTMENT, witness) is None for witness in witnesses):
            raise PutOff(
                now + timedelta(seconds=self._timings.retry_longest),
                "not-found-unsure",
                "the booking side shows no other known booking either; that may be missing rights",
            )
        with self._ledger.write() as tx:
            changes.gone(tx, job.record_id)

    # -- a booking that is not in the PIMS yet ------------------------------------------------------------------

    def _first(self, job: Job, here: Appointment) -> Ending:
        if here.status is AppointmentStatus.CANCELLED:
            return Ending(
                state=ChangeState.SKIPPED,
                code="cancelled-before-written",
                message="it was cancelled before it was carried over",
            )
        if here.start.utc <= self._clock.now():
            return self._begun(job, here)
        self._reserve_contact(job, here)
        placement = self._placer.place(job, here, self._resolver.resolve(here))
        self._write_visit(job, here, placement)
        return _written(placement.origin, unlinked=placement.unlinked)

    def _begun(self, job: Job, here: Appointment) -> Ending:
        """A visit whose time has come is never written late: nobody would see it."""
        if job.received_at < here.start.utc:
            return Ending(
                state=ChangeState.FAILED,
                code="expired",
                message="the visit began before it could be written; tell the front desk",
            )
        return Ending(
            state=ChangeState.SKIPPED,
            code="visit-has-begun",
            message="it was in the past when VetBridge first saw it",
        )

    def _reserve_contact(self, job: Job, here: Appointment) -> None:
        """Two bookings of one new owner must not both create her: the second waits for the first."""
        booker = here.booker or Client()
        keys = blocking_keys(booker, [], self._pair.country)
        with self._ledger.write() as tx:
            free = actions.reserve(tx, self._pair.pims.account, "contact", keys, job.record_id)
        if not free:
            raise PutOff(
                self._clock.now() + timedelta(seconds=self._timings.busy),
                "contact-reserved",
                "another booking with the same phone or e-mail is being written",
            )

    def _write_visit(self, job: Job, here: Appointment, placement: Placement) -> None:
        stamp = self._stamp(job)
        wanted = wanted_fields(here, placement.client_id, placement.pet_id, unlinked=placement.unlinked)
        step = Step(
            kind=Kind.APPOINTMENT,
            operation=Operation.CREATE,
            fields={**_present(wanted), "notes": notes.block(stamp, str(wanted["notes"]).split("\n"))},
            stamp=stamp,
            payload={
                "here": wanted,
                "origin": placement.origin,
                "stamp": stamp,
                "evidence": placement.evidence,
                "question": placement.question,
                "held": (),
            },
        )
        self._writer.write(job, step, self._keeper.keeps(job)[Kind.APPOINTMENT])

    # -- a booking that stands in the PIMS ----------------------------------------------------------------------

    def _follow(self, job: Job, here: Appointment | None, link: Link) -> Ending:
        end = self._pair.pims
        native = end.connector.get(Kind.APPOINTMENT, link.pims_id)
        if native is None and job.waited_for != NOT_FOUND_IN_PIMS:
            raise PutOff(
                self._clock.now() + timedelta(seconds=self._timings.absence_confirm),
                NOT_FOUND_IN_PIMS,
                "the PIMS does not show the visit; it is asked once more before it counts as gone",
            )
        there = None if native is None else end.mapper.read(Kind.APPOINTMENT, native)
        with self._ledger.read() as tx:
            booking_base, pims_base = links.bases(tx, link)
        base = booking_base or {}
        wanted = None
        if here is not None:
            wanted = wanted_fields(here, base.get("client_id"), base.get("pet_id"), unlinked=link.unlinked)
        decision = plan(
            Situation(
                base_here=booking_base,
                here=wanted,
                base_there=pims_base,
                there=None if there is None else standing_fields(there),
                owners=self._pair.owners,
                writable=WRITABLE,
                create_allowed=False,
                cancel_allowed=True,
                limits=end.connector.capabilities.of(Kind.APPOINTMENT).text_limits,
            )
        )
        return self._carry_out(job, decision, here, there, wanted, link)

    def _written_before(self, job: Job, link: Link) -> Ending | None:
        """How a change ends whose write was done by an earlier try: one that was killed, or whose answer was lost."""
        with self._ledger.read() as tx:
            operation = actions.answered_operation(tx, job.change_id, Kind.APPOINTMENT)
        if operation is None:
            return None
        return _written(link.origin, unlinked=link.unlinked) if operation == Operation.CREATE else _ENDINGS[operation]

    def _carry_out(
        self,
        job: Job,
        decision: Plan,
        here: Appointment | None,
        there: Appointment | None,
        wanted: dict[str, object] | None,
        link: Link,
    ) -> Ending:
        payload = {"here": wanted, "booking": here, "held": sorted(decision.held)}
        if decision.outcome is Outcome.UPDATE and there is not None:
            fields = dict(decision.fields)
            if "notes" in fields:
                fields["notes"] = notes.place(there.notes, notes.block(link.stamp, str(fields["notes"]).split("\n")))
            step = Step(
                kind=Kind.APPOINTMENT,
                operation=Operation.UPDATE,
                fields=fields,
                remote_id=link.pims_id,
                payload=payload,
            )
            self._writer.write(job, step, self._keeper.keeps(job)[Kind.APPOINTMENT])
            return _ENDINGS[Operation.UPDATE]
        if decision.outcome is Outcome.CANCEL and here is None and there is not None and self._is_over(there):
            return Ending(
                state=ChangeState.SKIPPED,
                code="gone-after-visit",
                message="the booking is gone since its visit began; a visit of the past is never cancelled for that",
            )
        if decision.outcome is Outcome.CANCEL:
            reason = (here.cancel_reason if here else "") or "Cancelled online."
            step = Step(
                kind=Kind.APPOINTMENT,
                operation=Operation.CANCEL,
                fields={"by": (here.cancelled_by if here else "") or "client", "reason": reason},
                remote_id=link.pims_id,
                payload=payload,
            )
            self._writer.write(job, step, self._keeper.keeps(job)[Kind.APPOINTMENT])
            return _ENDINGS[Operation.CANCEL]
        if decision.outcome is Outcome.BASES:
            with self._ledger.write() as tx:
                self._keeper.bases(tx, tx.session.get_one(Link, link.id), wanted, there, decision.held)
                if there is None or there.status is AppointmentStatus.CANCELLED:
                    reviews.close(tx, job.record_id, "the visit is cancelled on both sides")
            return Ending(state=ChangeState.DONE, code="agreed", message="both sides already agree")
        if decision.outcome is Outcome.QUESTION:
            question = {"why": decision.reason, "booking": here, "pims": there, "fields": sorted(decision.conflicts)}
            raise Ask(decision.reason, "it was changed in both places", question)
        return Ending(state=ChangeState.SKIPPED, code=decision.reason, message="nothing to write")

    def _is_over(self, there: Appointment) -> bool:
        return there.start.utc <= self._clock.now()

    def _stamp(self, job: Job) -> str:
        """The same for every try at the same booking, so that an earlier try can be found."""
        seed = f"stamp:{self._pair.booking.account}:{self._pair.pims.account}:{job.remote_id}"
        return notes.make_stamp(self._ledger.sealer.hash(seed).encode())


def _written(origin: str, *, unlinked: bool) -> Ending:
    """How a change ends whose visit was written for the first time."""
    if unlinked:
        message = f"written to the PIMS ({origin}); a person has to say whose it is"
        return Ending(state=ChangeState.REVIEW, code=origin, message=message)
    return Ending(state=ChangeState.DONE, code=origin, message=f"written to the PIMS ({origin})")


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
