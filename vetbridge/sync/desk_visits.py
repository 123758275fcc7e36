"""Works on a visit that was made in the PIMS: carries it to the booking side, or asks whose it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Native, Operation, Unlinked
from vetbridge.core import notes
from vetbridge.core.answers import ADOPT, SLOT_TAKEN, UNMADE, Choice
from vetbridge.core.errors import MappingError, SlotTaken
from vetbridge.core.gleaning import glean
from vetbridge.core.records import Appointment, AppointmentStatus, Kind
from vetbridge.ledger import actions, changes, links, reviews, witnesses, worklist
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Change, ChangeState, Link, Record
from vetbridge.sync import absence
from vetbridge.sync.answering import (
    LINKED,
    ON_WORK_LIST,
    PARKED,
    Answerer,
    Given,
    close_answered,
    given_answer,
    mark_applied,
    stays,
)
from vetbridge.sync.by_hand import ByHand
from vetbridge.sync.cards import Cards
from vetbridge.sync.comparing import digest, standing_fields
from vetbridge.sync.following import KEPT, Steer
from vetbridge.sync.identity import OWN, Identity
from vetbridge.sync.job import Ask, Ending, Enter, Job, PutOff
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.naming import note_unreadable, note_visit
from vetbridge.sync.pair import Pair, Timings
from vetbridge.sync.placing import Placer, shown_candidates
from vetbridge.sync.relinking import Relinker
from vetbridge.sync.resolving import Resolver
from vetbridge.sync.wording import PAIRED, desk_lines
from vetbridge.sync.writing import Point, Step, Writer

ECHO = Ending(state=ChangeState.SKIPPED, code="settled", message="the PIMS shows what VetBridge settled last")
FOLLOWED = Ending(
    state=ChangeState.DONE, code="followed", message="worked on together with the booking that it belongs to"
)
CARRIED = Ending(state=ChangeState.DONE, code="carried", message="written to the booking side")


def is_echo(tx: Transaction, link: Link, there: Appointment) -> bool:
    """Whether a visit stands in the PIMS just as it did when both sides were settled."""
    _, pims_base = links.bases(tx, link)
    return pims_base is not None and dict(pims_base) == standing_fields(there)


class DeskVisits:
    """The work on the PIMS visits of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._point = point
        self._keeper = Keeper(pair)
        self._resolver = Resolver(pair, ledger, clock, timings)
        self._to_pims = Writer(pair.pims, ledger, clock, timings, point, fuse=pair.fuse, quota=pair.quota)
        self._to_booking = Writer(pair.booking, ledger, clock, timings, point, fuse=pair.fuse, quota=pair.quota)
        self._cards = Cards(pair, ledger, self._to_booking, self._keeper)
        self._identity = Identity(pair, ledger)
        self._relinker = Relinker(pair, ledger, self._to_pims)
        placer = Placer(pair, ledger, self._to_pims, self._keeper)
        self._answerer = Answerer(pair, ledger, self._keeper, placer, self._relinker)
        self._by_hand = ByHand(pair, ledger, clock, self._keeper, self._to_pims, self._relinker)

    def work(self, job: Job, enter: Enter) -> Ending:
        """Works on one change, in the lane of the client that the read has shown."""
        end = self._pair.pims
        native = end.connector.get(Kind.APPOINTMENT, job.remote_id)
        with self._ledger.read() as tx:
            link = links.of_pims(tx, end.account, Kind.APPOINTMENT, job.remote_id)
            in_doubt = bool(actions.unsettled(tx, job.record_id))
        try:
            there = end.stands(Kind.APPOINTMENT, job.remote_id, native)
        except MappingError:
            note_unreadable(self._ledger, end, job, native or {}, self._pair.country)
            raise
        if not isinstance(there, Appointment):
            self._by_hand.removed(job)
            return self._follow(job, link, urgent=True) if link else self._gone(job)
        self._await_shown(job, link, native, there)
        assert native is not None  # noqa: S101 - else its own write is to be shown yet
        absence.found(end, job.remote_id, self._ledger)
        job.digest = digest(self._ledger.sealer, end, native)
        job.version = there.version
        note_visit(self._ledger, end, job, there, self._pair.country)
        self._point("read")
        if link is not None and link.role == "member" and self._stands_apart(job, link, there):
            link = None
        given = given_answer(self._ledger, job)
        undone = given is not None and given.answer.choice is Choice.UNDO
        if link is not None and not undone and not in_doubt:
            if given is not None:
                mark_applied(self._ledger, job, given)  # by an earlier try, which got no further
            with self._ledger.read() as tx:
                echo = is_echo(tx, link, there)
            return ECHO if echo else self._follow(job, link, urgent=there.status is AppointmentStatus.CANCELLED)
        if there.client_id is not None:
            enter(job, changes.client_lane(end.account, there.client_id))
        if link is None and stays(self._ledger, job):
            return KEPT
        said = given.said if given else None
        self._to_booking.settle_unknown(job, self._keeper.at_booking(job), said)
        self._to_pims.settle_unknown(job, self._keeper.in_pims(job), said)
        if self._to_pims.await_own(there):
            return OWN
        self._by_hand.await_own(job, there)
        self._by_hand.await_lost(there)
        with self._ledger.read() as tx:
            link = links.of_pims(tx, end.account, Kind.APPOINTMENT, job.remote_id)
        if given is not None and undone:
            return self._take_back(job, there, link, given)
        if link is not None:
            if given is not None:
                mark_applied(self._ledger, job, given)
            return CARRIED  # by an earlier try, whose answer was lost
        own = self._identity.known_elsewhere(job, end, there) if given is None else None
        own = own or (self._by_hand.typed_twice(job, there) if given is None else None)
        if own is not None:
            return own
        ending = self._unlinked(job, there, given, enter)
        self._mind_questions(job, ending, given)
        return ending

    def _await_shown(self, job: Job, link: Link | None, native: Native | None, there: Appointment) -> None:
        """Raises ``PutOff`` where a read shows nothing but a visit as it stood before VetBridge wrote it."""
        end = self._pair.pims
        until = None if end.own is None else end.own.shown_at(Kind.APPOINTMENT, job.remote_id)
        if until is None or (native is not None and end.mapper.read(Kind.APPOINTMENT, native) == there):
            return
        with self._ledger.read() as tx:
            news = native is not None and (link is None or not is_echo(tx, link, there))
        if not news:
            raise PutOff(
                until,
                changes.SHOWN_LATER,
                f"{end.account} shows the visit as it was before VetBridge wrote it; it is looked at again",
            )

    def _stands_apart(self, job: Job, link: Link, there: Appointment) -> bool:
        """Whether one more visit of a booking was put to another time in the PIMS than the booking's: it is a visit
        of its own then, and its link ends."""
        if link.origin != PAIRED or there.status is AppointmentStatus.CANCELLED:
            return False
        with self._ledger.read() as tx:
            first = links.of_booking(tx, link.booking_account, Kind.APPOINTMENT, link.booking_id)
        if there.start.utc in (link.visit_at, first.visit_at if first is not None else None):
            return False
        end = self._pair.pims
        native = None if first is None else end.connector.get(Kind.APPOINTMENT, first.pims_id)
        if native is not None and end.mapper.read(Kind.APPOINTMENT, native).start == there.start:
            return False  # they were put to another time together
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            links.end(tx, link)
        return True

    def _gone(self, job: Job) -> Ending:
        """A visit that no booking belongs to; where a person is asked about it, missed twice before it is gone."""
        with self._ledger.read() as tx:
            asked = reviews.standing(tx, job.record_id) or worklist.standing(tx, job.record_id, worklist.RELINK)
            when = tx.session.get_one(Change, job.change_id).visit_at
            record = tx.session.get_one(Record, job.record_id)
            others = witnesses.of(tx, record, when, booking=False) if asked else None
        absence.confirm(
            self._pair.pims,
            record,
            others,
            ledger=self._ledger,
            clock=self._clock,
            timings=self._timings,
            code=changes.NOT_FOUND_IN_PIMS,
            unsure=changes.NOT_FOUND_IN_PIMS,
            visit_at=None,
        )
        self._relinker.struck(job, why="the visit is gone")
        ending = self._nothing("gone-before-written", "it is gone")
        self._mind_questions(job, ending, given_answer(self._ledger, job))
        return ending

    def _take_back(self, job: Job, there: Appointment, link: Link | None, given: Given) -> Ending:
        """Undoes the adoption of a visit: its booking is cancelled, and it stands without its owner again."""
        if link is not None and there.status is not AppointmentStatus.CANCELLED:
            end = self._pair.booking
            native = end.connector.get(Kind.APPOINTMENT, link.booking_id)
            booked = None if native is None else end.mapper.read(Kind.APPOINTMENT, native)
            if booked is not None and booked.status is not AppointmentStatus.CANCELLED:
                step = Step(
                    kind=Kind.APPOINTMENT,
                    operation=Operation.CANCEL,
                    fields={"by": "clinic", "reason": "Taken back by the practice."},
                    remote_id=link.booking_id,
                    version=booked.version,
                    payload={"there": there, "held": ()},
                )
                self._to_booking.write(job, step, self._keeper.at_booking(job)[Kind.APPOINTMENT])
        if there.status is AppointmentStatus.CANCELLED or there.start.utc <= self._clock.now():
            mark_applied(self._ledger, job, given)
            return self._nothing("visit-has-begun", "it is cancelled or over, and stays on its owner")
        client_id, pet_id = self._pair.stand_in
        if not self._pair.stands_in(there.client_id):
            keep = self._keeper.in_pims(job)[Kind.APPOINTMENT]
            moved = self._relinker.relink(job, there, client_id, pet_id, {"adopted": True}, keep)
            if moved is None:
                mark_applied(self._ledger, job, given)
                return ON_WORK_LIST
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            if link is not None:
                links.end(tx, link)
            worklist.close(tx, job.record_id, worklist.RELINK, confirmed=False, why="the answer was taken back")
            reviews.reopen(tx, given.item)
        return PARKED

    def _follow(self, job: Job, link: Link, *, urgent: bool) -> Ending:
        """A visit that stands on both sides is worked on in one place: with its booking."""
        with self._ledger.write() as tx:
            changes.receive_linked(tx, link, job.passed_on, urgent=urgent)
        return FOLLOWED

    def _unlinked(self, job: Job, there: Appointment, given: Given | None, enter: Enter) -> Ending:
        """A visit that the booking side does not have yet."""
        steer = given.steer if given else Steer()
        if steer.keep:
            return KEPT
        if there.status is AppointmentStatus.CANCELLED:
            self._by_hand.removed(job)
            self._relinker.struck(job, why="the visit was cancelled")
            return self._nothing("cancelled-before-written", "it was cancelled before it was carried over")
        begun = there.start.utc <= self._clock.now()
        named = given is not None and given.answer.choice in (Choice.LINK, Choice.NEW)
        if self._pair.stands_in(there.client_id):
            if begun and not named:
                return self._begun(job, there)
            there_or_ending = self._adopt(job, there, given)
            if isinstance(there_or_ending, Ending):
                return there_or_ending
            there = there_or_ending
        elif not self._relinker.as_wanted(job, there):
            return ON_WORK_LIST  # it stands on somebody, but not on the one whom a person has named
        if begun:
            return LINKED if named else self._begun(job, there)
        if not self._bookable(there):
            return self._nothing("no-counterpart", "the booking side has no code for this vet, room or service")
        self._carry(job, there, steer, enter)
        return LINKED if named else CARRIED

    def _begun(self, job: Job, there: Appointment) -> Ending:
        if job.received_at < there.start.utc:
            return Ending(
                state=ChangeState.FAILED,
                code="expired",
                message="the visit began before it could be written to the booking side",
            )
        return self._nothing("visit-has-begun", "it was in the past when VetBridge first saw it")

    # -- to the booking side

    def _carry(self, job: Job, there: Appointment, steer: Steer, enter: Enter) -> None:
        client, pet = self._cards.people(there)
        able = self._pair.booking.connector.capabilities.of(Kind.APPOINTMENT)
        card_id = None if client is None else self._cards.card_of(job, client)
        if card_id is None and able.unlinked is not Unlinked.YES:
            raise Ask(
                "no-client-there",
                "the booking side takes no visit without a client, and this owner cannot be one there",
                {"pims": there},
            )
        pet_id = None
        if card_id is not None and pet is not None:
            # A couple shares one client there, which a side may write whole with its pets: one at a time.
            enter(job, changes.client_lane(self._pair.booking.account, card_id))
            pet_id = self._cards.pet_on(job, card_id, pet)
        stamp = self._stamp(job)
        fields: dict[str, Any] = {
            "client_id": card_id,
            "pet_id": pet_id,
            "booked_pet": pet,
            "start": there.start,
            "duration": there.duration,
            "status": there.status,
            "appointment_type": there.appointment_type,
            "resource": there.resource,
            # Staff's own notes stay in the PIMS. Who comes is said where no client says it.
            "notes": notes.block(stamp, desk_lines(client)) if card_id is None else None,
        }
        writable = self._pair.booking.mapper.writable(Kind.APPOINTMENT)
        step = Step(
            kind=Kind.APPOINTMENT,
            operation=Operation.CREATE,
            fields={
                name: value
                for name, value in fields.items()
                if value is not None and (name in writable or any(one.startswith(f"{name}.") for one in writable))
            },
            stamp=stamp,
            payload={"there": there, "stamp": stamp, "held": ()},
            beside=steer.beside,
        )
        try:
            self._to_booking.write(job, step, self._keeper.at_booking(job)[Kind.APPOINTMENT])
        except SlotTaken as taken:
            raise Ask(SLOT_TAKEN, taken.message, {"pims": there}) from None

    def _bookable(self, there: Appointment) -> bool:
        """Whether the booking side knows who works there and what is done: not all of a clinic is booked online."""
        try:
            fields = {"resource": there.resource, "appointment_type": there.appointment_type}
            self._pair.booking.mapper.write(Kind.APPOINTMENT, fields)
        except MappingError:
            return False
        return there.resource is not None

    def _stamp(self, job: Job) -> str:
        with self._ledger.read() as tx:
            before = links.ended_in_pims(tx, self._pair.pims.account, Kind.APPOINTMENT, job.remote_id)
        again = f":{before}" if before else ""
        seed = f"desk:{self._pair.pims.account}:{self._pair.booking.account}:{job.remote_id}{again}"
        return notes.make_stamp(self._ledger.sealer.hash(seed).encode())

    # -- a visit without its owner, left by another booking system

    def _adopt(self, job: Job, there: Appointment, given: Given | None) -> Appointment | Ending:
        """Puts a visit that stands without its owner on the one whom a person names; asks, where nobody has."""
        booker, pet = glean(there.notes, self._pair.country)
        booked = replace(there, client_id=None, pet_id=None, booker=booker, booked_pet=pet, notes=there.notes)
        if given is None or given.answer.choice not in (Choice.LINK, Choice.NEW):
            found = self._resolver.candidates(booked)
            raise Ask(
                ADOPT,
                "another booking system left this visit without its owner",
                {
                    "booking": booked,
                    "words": found.words,
                    "candidates": shown_candidates(found.candidates),
                    UNMADE: self._pair.unmade,
                },
            )
        client_id, pet_id = self._answerer.whom(job, booked, given)
        keep = self._keeper.in_pims(job)[Kind.APPOINTMENT]
        moved = self._relinker.relink(job, there, client_id, pet_id, {"adopted": True}, keep)
        return ON_WORK_LIST if moved is None else moved

    # -- inside

    def _mind_questions(self, job: Job, ending: Ending, given: Given | None) -> None:
        if given is not None:
            mark_applied(self._ledger, job, given)
            return
        if ending.state is not ChangeState.REVIEW:
            close_answered(self._ledger, job)

    @staticmethod
    def _nothing(code: str, message: str) -> Ending:
        return Ending(state=ChangeState.SKIPPED, code=code, message=message)
