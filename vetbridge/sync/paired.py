"""What becomes of a booking that pairing has put beside a visit of the PIMS: it shares one, or it may be one.

Such a booking has a ``member`` link and no ``primary`` one. It is never written to the PIMS by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Operation
from vetbridge.core.answers import PAIR_VISIT, Choice
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, AppointmentStatus, Kind, Record
from vetbridge.ledger import changes, links, reviews, witnesses
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import ChangeState, Link
from vetbridge.sync import absence
from vetbridge.sync.answering import Given
from vetbridge.sync.comparing import booking_stamp, standing_fields, wanted_fields
from vetbridge.sync.following import KEPT
from vetbridge.sync.job import Ask, Ending, Job
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.pair import End, Pair, Timings
from vetbridge.sync.wording import PAIRED
from vetbridge.sync.writing import Keep, Step, Writer

ASKED = "asked"
"""Origin of the link that keeps a visit with the booking that it may be, until a person has said so."""
SHOWN = ("start", "duration", "resource", "appointment_type")
"""What a person is shown of two visits that may be one, where it differs."""

OPEN = frozenset({"start", "resource"})
"""Where both of two visits that are one say these and differ, a person is asked which is right; all else stays as it
is on each side until somebody changes it."""

_OFF = "one of the two is cancelled or gone"
SHARES = Ending(
    state=ChangeState.SKIPPED,
    code="shares-a-visit",
    message="it is one more line of a visit that stands in the PIMS already",
)
MAYBE_ONE = Ending(
    state=ChangeState.REVIEW,
    code=PAIR_VISIT,
    message="a person has to say whether it is a visit that stands in the PIMS already",
)


def link_visit(
    tx: Transaction, pair: Pair, keeper: Keeper, here: Appointment, there: Appointment, agrees: Collection[str]
) -> Link:
    """Links a booking with the visit that it is. Where the slot differs, that stays to be settled."""
    link = links.put(
        tx,
        site=pair.site,
        kind=Kind.APPOINTMENT,
        booking_account=pair.booking.account,
        booking_id=here.id or "",
        pims_account=pair.pims.account,
        pims_id=there.id or "",
        origin=PAIRED,
        stamp=booking_stamp(tx, pair, here.id or ""),  # borne once a booker's comment goes into its notes
        evidence=[{"words": "both stood before VetBridge came", "agrees": sorted(agrees)}],
    )
    wanted = wanted_fields(here, there.client_id, there.pet_id, unlinked=False, origin=PAIRED)
    standing = standing_fields(there)
    differ = (name for name in OPEN if None not in (wanted[name], standing[name]) and wanted[name] != standing[name])
    keeper.bases(tx, link, wanted, there, frozenset(differ))
    link.visit_at = there.start.utc
    return link


def question_of(here: Appointment, there: Appointment) -> dict[str, object]:
    """What a person is shown of a booking and a visit that may be one."""
    wanted = wanted_fields(here, there.client_id, there.pet_id, unlinked=False, origin=PAIRED)
    standing = standing_fields(there)
    fields = sorted(name for name in SHOWN if wanted[name] != standing[name])
    return {"booking": here, "pims": there, "fields": fields}


class Paired:
    """Works on the bookings of one pair that were put beside a visit."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, keeper: Keeper) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._keeper = keeper

    def work(self, job: Job, here: Appointment | None, given: Given | None) -> Ending | None:
        """How the work on such a booking ends; None where it is an ordinary one, or has become one."""
        with self._ledger.read() as tx:
            members = links.members_of_booking(tx, self._pair.booking.account, job.remote_id)
            if not members:
                return None
            item = reviews.standing(tx, job.record_id)
            question = (reviews.question(tx, item) or {}) if item is not None else {}
        asked = [link for link in members if link.origin == ASKED]
        about = question.get("pims") if question.get("why") == PAIR_VISIT else None
        main = next((link for link in asked if about is not None and link.pims_id == about.id), None)
        if main is None and asked and self._was_kept(job):
            main = asked[0]  # it has changed since a person has said that both stay: asked anew
        if here is None or here.status is AppointmentStatus.CANCELLED:
            self._part(job, asked if main else members, why=_OFF if main else "", alone=main is None)
            return None
        if main is not None:
            return self._asked(job, here, main, asked, question, given)
        # Where another line of it is asked about, what is answered holds for this one.
        return SHARES if asked or self._still_shares(job, here, members) else None

    def _asked(
        self,
        job: Job,
        here: Appointment,
        main: Link,
        asked: Collection[Link],
        question: Mapping[str, Any],
        given: Given | None,
    ) -> Ending | None:
        """A booking of which a person has to say, or has said, whether it is a visit of the PIMS."""
        visit = self._visit(main)
        if visit is None:
            self._confirm_absence(main)
            self._part(job, asked, why=_OFF)
            return None
        absence.found(self._pair.pims, main.pims_id, self._ledger)
        if given is None or given.question.get("why") != PAIR_VISIT:
            if (question.get("booking"), question.get("pims")) != (here, visit):
                raise Ask(PAIR_VISIT, MAYBE_ONE.message, question_of(here, visit))
            return MAYBE_ONE
        if given.answer.choice is Choice.KEEP:
            return KEPT
        if given.answer.choice is Choice.AGAIN:
            self._part(job, asked)
            return None
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            for link in (*asked, *self._of_visit(tx, main)):
                tx.session.get_one(Link, link.id).origin = PAIRED
            links.end(tx, main)
            link_visit(tx, self._pair, self._keeper, here, visit, ("a person has said so",))
        return None

    def _was_kept(self, job: Job) -> bool:
        """Whether a person has said of it last that it and the visit that it may be both stay as they are."""
        with self._ledger.read() as tx:
            last = reviews.last_carried_out(tx, job.record_id)
        return last is not None and last.why == PAIR_VISIT and last.answer == Choice.KEEP

    def _still_shares(self, job: Job, here: Appointment, members: Sequence[Link]) -> bool:
        """Whether one more line of a visit still is one. One that stands at another time is a visit of its own; one
        whose visit was cancelled in the PIMS is followed by itself, as the visit's first line was."""
        for link in members:
            visit = self._visit(link)
            if visit is None:
                self._confirm_absence(link)
            elif here.start in (visit.start, self._first_line_at(link)):
                return True
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            for link in members:
                links.end(tx, link)
            if all(link.visit_at == here.start.utc for link in members) and visit is None:
                stood = replace(here, id=members[0].pims_id, client_id=None, pet_id=None)
                link_visit(tx, self._pair, self._keeper, here, stood, ("a line of a visit",))
        return False

    def _first_line_at(self, line: Link) -> Instant | None:
        """When the first booking of a visit stands, which its visit follows."""
        with self._ledger.read() as tx:
            first = links.of_pims(tx, line.pims_account, Kind.APPOINTMENT, line.pims_id)
        booking = None if first is None or first.role != "primary" else self._booking(first)
        return None if booking is None else booking.start

    def step_in(self, job: Job, link: Link, here: Appointment | None, there: Appointment | None) -> Link | None:
        """What becomes of a visit in several lines when its first line goes on one side and another one stands.

        The other line takes its place, and nothing is cancelled: the visit's second booking (None is returned, as the
        first one has nothing to do with it any more), or the booking's second visit (its link is returned). The link
        itself is returned where no other line stands.
        """
        if _off(here) == _off(there):
            return link
        with self._ledger.read() as tx:
            beside = (
                self._of_visit(tx, link)
                if _off(here)
                else links.members_of_booking(tx, link.booking_account, link.booking_id)
            )
        for other in beside:
            one, visit = (self._booking(other), there) if _off(here) else (here, self._visit(other))
            if other.origin == ASKED or one is None or visit is None or visit.start.utc <= self._clock.now():
                continue
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                links.end(tx, link)
                links.end(tx, other)
                made = link_visit(tx, self._pair, self._keeper, one, visit, ("another line of the visit",))
            return None if _off(here) else made
        return link

    def hint_lines(self, link: Link) -> None:
        """The other bookings of a visit are looked at after something was done with its first."""
        with self._ledger.write() as tx:
            for other in self._of_visit(tx, link):
                changes.receive_linked(tx, other, "pairing")

    def bring_along(self, job: Job, here: Appointment | None, writer: Writer) -> None:
        """Does with the other visits of a booking (a second pet's) what was done with its first: cancels them, or
        moves those that still stand where they were paired."""
        with self._ledger.read() as tx:
            members = links.members_of_booking(tx, self._pair.booking.account, job.remote_id)
        for link in members:
            visit = self._visit(link) if link.origin == PAIRED else None
            if visit is None or visit.start.utc <= self._clock.now():
                continue
            if here is None or here.status is AppointmentStatus.CANCELLED:
                operation = Operation.CANCEL
                fields: dict[str, object] = {"by": "client", "reason": "Cancelled online."}
            elif visit.start.utc == link.visit_at and here.start != visit.start:
                operation = Operation.UPDATE
                fields = {"start": here.start}
            else:
                continue
            step = Step(
                kind=Kind.APPOINTMENT,
                operation=operation,
                fields=fields,
                remote_id=visit.id,
                version=visit.version,
                before=visit if operation is Operation.UPDATE else None,
                payload={"adopted": True},  # it has no counterpart of its own
                fused=True,
            )
            writer.write(job, step, self._kept(link))

    @staticmethod
    def _kept(link: Link) -> Keep:
        def keep(tx: Transaction, _payload: Mapping[str, Any], record: Record) -> None:
            row = tx.session.get_one(Link, link.id)
            if isinstance(record, Appointment):
                row.visit_at = record.start.utc
                row.updated_at = tx.now

        return keep

    def _booking(self, link: Link) -> Appointment | None:
        """The booking of a link while it stands."""
        return _standing(self._pair.booking, link.booking_id)

    def _visit(self, link: Link) -> Appointment | None:
        """The visit in the PIMS while it stands."""
        return _standing(self._pair.pims, link.pims_id)

    def _confirm_absence(self, link: Link) -> None:
        """Raises ``PutOff`` until a visit that does not stand is cancelled, or gone for certain: else both would be
        made anew on the other side."""
        end = self._pair.pims
        if end.stands(Kind.APPOINTMENT, link.pims_id, end.connector.get(Kind.APPOINTMENT, link.pims_id)) is not None:
            return
        with self._ledger.write() as tx:
            record = changes.record_of(tx, end.account, Kind.APPOINTMENT, link.pims_id)
            others = witnesses.of(tx, record, link.visit_at, booking=False, link=link)
        absence.confirm(
            end,
            record,
            others,
            ledger=self._ledger,
            clock=self._clock,
            timings=self._timings,
            code=changes.NOT_FOUND_IN_PIMS,
            unsure=changes.NOT_FOUND_IN_PIMS,
            visit_at=None,
        )

    def _of_visit(self, tx: Transaction, main: Link) -> list[Link]:
        """Other lines of the booking that is asked about, by its visit."""
        beside = links.members_of_visit(tx, main.pims_account, main.pims_id)
        return [link for link in beside if link.booking_account == main.booking_account]

    def _part(self, job: Job, members: Collection[Link], *, why: str = "", alone: bool = False) -> None:
        """They have nothing to do with each other: each visit, and each other booking, is worked on by itself.

        ``alone``: it leaves a visit that other bookings go on sharing.
        """
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            if why:
                reviews.close(tx, job.record_id, why)
            beside = [] if alone else [other for link in members for other in self._of_visit(tx, link)]
            for link in {link.id: link for link in (*members, *beside)}.values():
                links.end(tx, link)
                for account, id_ in ((link.pims_account, link.pims_id), (link.booking_account, link.booking_id)):
                    if (account, id_) != (self._pair.booking.account, job.remote_id):
                        changes.receive(
                            tx,
                            site=link.site,
                            account=account,
                            kind=Kind.APPOINTMENT,
                            remote_id=id_,
                            source="pairing",
                        )


def _standing(end: End, id_: str) -> Appointment | None:
    record = end.read(Kind.APPOINTMENT, id_)
    return None if not isinstance(record, Appointment) or _off(record) else record


def _off(record: Appointment | None) -> bool:
    return record is None or record.status is AppointmentStatus.CANCELLED
