"""Works on one booking: carries it to the PIMS, and keeps it in agreement with its visit there."""

from __future__ import annotations

from collections.abc import Mapping

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Operation
from vetbridge.core import notes
from vetbridge.core.answers import BOOKED_BY_ANOTHER, CLIENT_IS_ANOTHER, REUSED, Choice
from vetbridge.core.errors import MappingError
from vetbridge.core.matching import contact_keys, forms_of
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind
from vetbridge.ledger import actions, changes, links, reviews, witnesses
from vetbridge.ledger.changes import NOT_FOUND_IN_PIMS
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.replays import ONE_SIDE_ONLY
from vetbridge.ledger.tables import Change, ChangeState, Link, Record
from vetbridge.sync import absence
from vetbridge.sync.answering import (
    LINKED_AT_DESK,
    OFF_OWNER,
    ON_WORK_LIST,
    PARKED,
    Answerer,
    Given,
    close_answered,
    given_answer,
    is_told_gone,
    mark_applied,
    stays,
)
from vetbridge.sync.by_hand import ByHand, book_line
from vetbridge.sync.cards import Cards
from vetbridge.sync.comparing import BOOKED_BY, booking_stamp, digest, wanted_fields
from vetbridge.sync.following import (
    ANEW_IN_PIMS,
    BROUGHT_BACK,
    CANCELLED,
    CANCELLED_BACK,
    KEPT,
    OVERRULED,
    UPDATED,
    Follower,
    Steer,
)
from vetbridge.sync.handover import HANDED_OVER, REBOOKED, Handover
from vetbridge.sync.identity import OWN, Identity, renumbered, require_same_visit
from vetbridge.sync.job import Ask, Ending, Enter, Job
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.naming import note_unreadable, note_visit
from vetbridge.sync.pair import Pair, Timings
from vetbridge.sync.paired import SHARES, Paired
from vetbridge.sync.placing import Placement, Placer
from vetbridge.sync.relinking import Relinker
from vetbridge.sync.resolving import Resolver
from vetbridge.sync.slots import require_free, slot_keys
from vetbridge.sync.wording import BY_PEOPLE, says_not_certain, unlinked_lines
from vetbridge.sync.writing import Point, Step, Writer


class Appointments:
    """The work on appointments of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._point = point
        self._resolver = Resolver(pair, ledger, clock, timings)
        self._keeper = Keeper(pair)
        self._to_pims = Writer(pair.pims, ledger, clock, timings, point, fuse=pair.fuse, quota=pair.quota)
        self._to_booking = Writer(pair.booking, ledger, clock, timings, point, fuse=pair.fuse, quota=pair.quota)
        self._placer = Placer(pair, ledger, self._to_pims, self._keeper)
        self._relinker = Relinker(pair, ledger, self._to_pims)
        self._answerer = Answerer(pair, ledger, self._keeper, self._placer, self._relinker)
        cards = Cards(pair, ledger, self._to_booking, self._keeper)
        self._handover = Handover(pair, ledger, self._keeper, cards, self._to_booking)
        self._identity = Identity(pair, ledger)
        self._paired = Paired(pair, ledger, clock, timings, self._keeper)
        self._follower = Follower(pair, ledger, clock, self._keeper, self._to_pims, self._to_booking)
        self._by_hand = ByHand(pair, ledger, clock, self._keeper, self._to_pims, self._relinker)

    def work(self, job: Job, enter: Enter) -> Ending:
        """Works on one change, in the lane of the client that the read has shown."""
        try:
            ending = self._work(job, enter)
        except Ask as ask:
            self._by_hand.strike(job, ask.message)
            raise
        self._by_hand.strike(job, ending.message)
        return ending

    def _work(self, job: Job, enter: Enter) -> Ending:
        given = given_answer(self._ledger, job)
        here = self._read(job, given)
        self._point("read")
        if here is not None and here.client_id is not None:
            enter(job, changes.client_lane(self._pair.booking.account, here.client_id))
        with self._ledger.read() as tx:
            link = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id)
        if link is None and stays(self._ledger, job):
            return KEPT
        said = given.said if given else None
        self._to_pims.settle_unknown(job, self._keeper.in_pims(job), said)
        self._to_booking.settle_unknown(job, self._keeper.at_booking(job), said)
        self._by_hand.confirm(job, here)
        if here is not None and self._to_booking.await_own(here):
            return OWN
        with self._ledger.read() as tx:
            link = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id)
        beside = self._paired.work(job, here, given) if link is None else None
        if beside is None and link is None:
            with self._ledger.read() as tx:  # a person may have said that it is a visit which stands
                link = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id)
        if beside is not None:
            ending = beside
        elif link is not None:
            ending = self._linked(job, here, link, given, enter)
        elif (
            here is not None
            and given is None
            and (own := self._identity.known_elsewhere(job, self._pair.booking, here))
        ):
            ending = own
        elif here is None:
            ending = _GONE
        else:
            ending = self._first(job, here, given)
        if job.left:
            return _LEFT
        self._mind_questions(job, ending, given)
        return ending

    def _linked(self, job: Job, here: Appointment | None, link: Link, given: Given | None, enter: Enter) -> Ending:
        """A booking that stands in the PIMS, with the other lines of its visit."""
        ending = self._follow(job, here, link, given, enter)
        if ending is ANEW_IN_PIMS:
            return _GONE if here is None else self._first(job, here, given)
        if ending.state is ChangeState.SKIPPED:
            ending = self._written_before(job, link) or ending
        if ending in (CANCELLED, UPDATED):
            self._paired.bring_along(job, None if ending is CANCELLED else here, self._to_pims)
        if ending in (CANCELLED_BACK, UPDATED, BROUGHT_BACK, OVERRULED):
            self._paired.hint_lines(link)
        return ending

    def _mind_questions(self, job: Job, ending: Ending, given: Given | None) -> None:
        """An answer that was carried out is marked so; a question that the facts have answered is closed."""
        with self._ledger.read() as tx:
            link = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id)
            asked = reviews.open_item(tx, job.record_id)
        whose = link is not None and link.unlinked
        if given is not None:
            self._forget_another(given)
            if ending is not PARKED:  # else its question is open again
                whose = whose or given.question.get("whose") == BOOKED_BY_ANOTHER
                mark_applied(self._ledger, job, given, still_whose=whose and ending is not ON_WORK_LIST)
        elif asked and not whose and asked.why != BOOKED_BY_ANOTHER and ending.state is not ChangeState.REVIEW:
            close_answered(self._ledger, job)

    def _forget_another(self, given: Given) -> None:
        """A person has said whose a visit is whose booker was linked with somebody else by now: that link ends."""
        booked = given.question.get("booking")
        if given.question.get("why") != CLIENT_IS_ANOTHER or booked is None or booked.client_id is None:
            return
        with self._ledger.write() as tx:
            link = links.of_booking(tx, self._pair.booking.account, Kind.CLIENT, booked.client_id)
            if link is not None:
                links.end(tx, link)

    # -- read ---------------------------------------------------------------------------------------------------

    def _read(self, job: Job, given: Given | None) -> Appointment | None:
        """The appointment now; None once it counts as gone."""
        end = self._pair.booking
        native = end.connector.get(Kind.APPOINTMENT, job.remote_id)
        if native is None:
            self._confirm_absence(job, given)
            return None
        job.digest = digest(self._ledger.sealer, end, native)
        try:
            record = end.mapper.read(Kind.APPOINTMENT, native)
        except MappingError:
            note_unreadable(self._ledger, end, job, native, self._pair.country)
            raise
        job.version = record.version
        note_visit(self._ledger, end, job, record, self._pair.country)
        return record

    def _confirm_absence(self, job: Job, given: Given | None) -> None:
        """Gone only after two misses a set time apart; where a visit hangs on it, while another record reads, too."""
        end = self._pair.booking
        with self._ledger.write() as tx:
            record = tx.session.get_one(Record, job.record_id)
            link = links.of_booking(tx, end.account, Kind.APPOINTMENT, job.remote_id)
            beside = links.members_of_booking(tx, end.account, job.remote_id)
            link = link or next(iter(beside), None)
            asked = None  # nothing hangs on it
            if link is not None and not is_told_gone(given):
                asked = witnesses.of(tx, record, link.visit_at, booking=True, link=link)
            if link is not None and link.visit_at is not None:
                tx.session.get_one(Change, job.change_id).visit_at = link.visit_at
        absence.confirm(
            end,
            record,
            asked,
            ledger=self._ledger,
            clock=self._clock,
            timings=self._timings,
            code="not-found",
            unsure="not-found-unsure",
            visit_at=link.visit_at if link is not None else None,
        )

    # -- a booking that is not in the PIMS yet ------------------------------------------------------------------

    def _first(self, job: Job, here: Appointment, given: Given | None) -> Ending:
        steer = given.steer if given else Steer()
        if steer.keep:
            return KEPT
        if here.status is AppointmentStatus.CANCELLED:
            return Ending(
                state=ChangeState.SKIPPED,
                code="cancelled-before-written",
                message="it was cancelled before it was carried over",
            )
        if here.start.utc <= self._clock.now():
            self._by_hand.await_ticked(job)
            return self._begun(job, here)
        if here.status is AppointmentStatus.NO_SHOW:
            return _NOT_COMING
        if not steer.beside and not self._by_hand.is_listed(job):
            self._to_pims.reserve(job, "slot", slot_keys(here), "visit at the same time")
            stamp = self._stamp(job)
            own = stamp if self._to_pims.may_stand(job, stamp) else ""
            require_free(self._pair.pims, here, but=None, here=here, own=own)
        # Two bookings of one new owner must not both create her: the second waits for the first.
        keys = contact_keys(forms_of(here.booker or Client(), [], self._pair.country))
        self._to_pims.reserve(job, "contact", keys, "booking with the same phone or e-mail")
        placement = self._answerer.placement(job, here, given) if given else None
        placement = placement or self._placer.place(job, here, self._resolver.resolve(here))
        self._write_visit(job, here, placement, beside=steer.beside)
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

    def _write_visit(self, job: Job, here: Appointment, placement: Placement, *, beside: bool) -> None:
        stamp = self._stamp(job)
        wanted = wanted_fields(
            here, placement.client_id, placement.pet_id, unlinked=placement.unlinked, origin=placement.origin
        )
        lines = str(wanted["notes"]).split("\n")
        if placement.question is not None:
            lines = unlinked_lines(here, placement.question["candidates"])
        step = Step(
            kind=Kind.APPOINTMENT,
            operation=Operation.CREATE,
            fields={**_present(wanted), "notes": notes.block(stamp, lines)},
            stamp=stamp,
            visit_at=here.start,
            line=book_line(here, placement, stamp),
            payload={
                "booker": here.booker,
                "booked_pet": here.booked_pet,
                "here": wanted,
                "origin": placement.origin,
                "stamp": stamp,
                "evidence": placement.evidence,
                "question": placement.question,
                "held": (),
            },
            beside=beside,
        )
        self._to_pims.write(job, step, self._keeper.in_pims(job)[Kind.APPOINTMENT])

    # -- a booking that stands in the PIMS ----------------------------------------------------------------------

    def _follow(self, job: Job, here: Appointment | None, link: Link, given: Given | None, enter: Enter) -> Ending:
        there = self._there(job, link, given, lone=here is None or here.status is AppointmentStatus.CANCELLED)
        if there is not None:
            settled = self._handover.settled(link, there)
            with self._ledger.read() as tx:
                link = tx.session.get_one(Link, link.id)  # the visit may have got another id
            if given is None or given.question.get("why") != REUSED:
                require_same_visit(link, settled, there)
            elif given.answer.choice is Choice.AGAIN:
                with self._ledger.write() as tx:
                    changes.held(tx, job.leases)
                    links.end(tx, link)
                return ANEW_IN_PIMS
        if _stands(here) and not _stands(there):
            there = self._left_of_two(job, link, here, there, given)
        whose: Ending | None = None
        line = self._paired.step_in(job, link, here, there) if given is None else link
        if line is None:
            return SHARES
        if line.id != link.id:
            link, there = line, self._there(job, line, given, lone=False)
        if here is None or there is None or AppointmentStatus.CANCELLED in (here.status, there.status):
            self._relinker.struck(job, why="the visit is cancelled or gone")
            if here is not None and there is not None and self._got_its_owner(link, there):
                there = self._answerer.free(job, link, here, there)
        else:
            whose, there = self._whose(job, here, there, link, given)
            if whose is None and not (given and given.steer.keep):
                handed = self._handover.in_pims(job, link, here, there, enter)
                if handed is not None:
                    whose, here = HANDED_OVER, handed
                elif self._handover.at_booking(job, link, here, there, self._resolver):
                    whose = REBOOKED
        with self._ledger.read() as tx:
            link = tx.session.get_one(Link, link.id)
        steer = given.steer if given else Steer()
        ending = self._follower.follow(job, link, here, there, steer)
        return whose or ending

    def _left_of_two(
        self, job: Job, link: Link, here: Appointment | None, there: Appointment | None, given: Given | None
    ) -> Appointment | None:
        """The other copy of a visit that was typed twice, where one was removed. Raises ``Ask`` where both were, and
        nobody has said what that means."""
        left = self._by_hand.left_of_two(job, link)
        if left is None and not (given and (given.steer.asked_for or given.steer.keep)):
            self._by_hand.require_meant(job, link, here, there)
        return left or there

    def _there(self, job: Job, link: Link, given: Given | None, *, lone: bool) -> Appointment | None:
        """The visit in the PIMS now; None once it counts as gone: missed twice, while another visit still reads.

        ``lone``: no booking stands any more that would be cancelled for it, so no other visit is asked for.
        """
        end = self._pair.pims
        there = end.read(Kind.APPOINTMENT, link.pims_id)
        if isinstance(there, Appointment):
            absence.found(end, link.pims_id, self._ledger)
            return there
        moved = renumbered(job, self._ledger, end, link)
        if moved is not None:
            return moved
        with self._ledger.write() as tx:
            record = changes.record_of(tx, end.account, Kind.APPOINTMENT, link.pims_id)
            asked = None
            if not lone and not is_told_gone(given):
                asked = witnesses.of(tx, record, link.visit_at, booking=False, link=link)
        absence.confirm(
            end,
            record,
            asked,
            ledger=self._ledger,
            clock=self._clock,
            timings=self._timings,
            code=NOT_FOUND_IN_PIMS,
            unsure=NOT_FOUND_IN_PIMS,
            visit_at=link.visit_at,
        )
        return None

    def _whose(
        self, job: Job, here: Appointment, there: Appointment, link: Link, given: Given | None
    ) -> tuple[Ending | None, Appointment]:
        """Puts a linked visit on its owner where a person has said whose it is, here or in the PIMS.

        Returns what was done (None: nobody has said it) and the visit as it stands then.
        """
        given_to = given if given and given.answer.choice in (Choice.LINK, Choice.NEW) else None
        if given is not None and given.answer.choice is Choice.UNDO:
            return self._answerer.undo(job, link, here, there, given)
        owned = not self._pair.is_parked(there)
        if link.unlinked and owned:
            # Somebody who sees the visit in the PIMS has given it to its owner.
            if given_to is None and not self._relinker.as_wanted(job, there):
                return ON_WORK_LIST, there  # but not to the one whom a person has named: the line stands
            there = self._answerer.free(job, link, here, there)
            if given_to is not None:
                self._answerer.require_same(there, given_to)
            return LINKED_AT_DESK, there
        if given_to is not None:
            return self._answerer.relink(job, link, here, there, given_to)
        if owned and says_not_certain(there.notes):
            # Somebody saved the notes over as they were before the visit got its owner: who booked is no news.
            return None, self._answerer.free(job, link, here, there)
        as_wanted = self._relinker.as_wanted(job, there)
        if not owned and as_wanted and there.start.utc > self._clock.now() and self._nobody_asks(job, link):
            return OFF_OWNER, self._answerer.park(job, link, here, there, self._resolver.candidates(here))
        return None, there

    def _got_its_owner(self, link: Link, there: Appointment) -> bool:
        """Whether a visit that stands was put on its owner, and its notes still say that nobody knows whose it is."""
        return link.unlinked and there.status is not AppointmentStatus.CANCELLED and not self._pair.is_parked(there)

    def _nobody_asks(self, job: Job, link: Link) -> bool:
        """Whether a visit stands on the placeholder and no question says so: staff have taken it off its owner."""
        if not link.unlinked:
            return link.origin not in BY_PEOPLE  # what people made, people may put anywhere
        with self._ledger.read() as tx:
            return reviews.standing(tx, job.record_id) is None

    def _written_before(self, job: Job, link: Link) -> Ending | None:
        """How a change ends whose write was done by an earlier try: one that was killed, or whose answer was lost."""
        with self._ledger.read() as tx:
            operation = actions.answered_operation(tx, job.change_id, Kind.APPOINTMENT, self._pair.pims.account)
        if operation is None:
            return None
        return (
            _written(link.origin, unlinked=link.unlinked)
            if operation == Operation.CREATE
            else _ENDINGS.get(operation)
        )

    def _stamp(self, job: Job) -> str:
        with self._ledger.read() as tx:
            return booking_stamp(tx, self._pair, job.remote_id)


def _stands(visit: Appointment | None) -> bool:
    return visit is not None and visit.status is not AppointmentStatus.CANCELLED


_GONE = Ending(state=ChangeState.SKIPPED, code="gone-before-written", message="it is gone, and was not carried over")
_NOT_COMING = Ending(
    state=ChangeState.SKIPPED,
    code="missed-before-written",
    message="it was marked as missed before it was carried over; it is carried over once that is taken back",
)
_LEFT = Ending(
    state=ChangeState.DONE,
    code=ONE_SIDE_ONLY,
    message="changed at the side that was asked for; what is to be done at the other side is left to its next change",
)
_ENDINGS: Mapping[str, Ending] = {Operation.UPDATE: UPDATED, Operation.CANCEL: CANCELLED}


def _written(origin: str, *, unlinked: bool) -> Ending:
    """How a change ends whose visit was written for the first time."""
    if unlinked:
        message = f"written to the PIMS ({origin}); a person has to say whose it is"
        return Ending(state=ChangeState.REVIEW, code=origin, message=message)
    return Ending(state=ChangeState.DONE, code=origin, message=f"written to the PIMS ({origin})")


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None and name != BOOKED_BY}
