"""What becomes of a booking that pairing has put beside a visit of the PIMS: it shares one, or it may be one.

Such a booking has a ``member`` link and no ``primary`` one. It is never written to the PIMS by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Operation
from vetbridge.core.answers import PAIR_VISIT, Choice
from vetbridge.core.records import Appointment, AppointmentStatus, Kind, Record
from vetbridge.ledger import changes, links, reviews
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import ChangeState, Link
from vetbridge.sync.answering import Given
from vetbridge.sync.comparing import standing_fields, wanted_fields
from vetbridge.sync.following import KEPT
from vetbridge.sync.job import Ending, Job
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.pair import Pair
from vetbridge.sync.wording import PAIRED
from vetbridge.sync.writing import Keep, Step, Writer

ASKED = "asked"
"""Origin of the link that keeps a visit with the booking that it may be, until a person has said so."""
SHOWN = ("start", "duration", "resource", "appointment_type")
"""What a person is shown of two visits that may be one, where it differs."""

OPEN = frozenset({"start", "resource"})
"""Where these differ between two visits that are one, a person is asked which is right; all else stays as it is on
each side until somebody changes it."""

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
        evidence=[{"words": "both stood before VetBridge came", "agrees": sorted(agrees)}],
    )
    wanted = wanted_fields(here, there.client_id, there.pet_id, unlinked=False, origin=PAIRED)
    standing = standing_fields(there)
    keeper.bases(tx, link, wanted, there, frozenset(name for name in OPEN if wanted[name] != standing[name]))
    link.visit_at = there.start.utc
    return link


class Paired:
    """Works on the bookings of one pair that were put beside a visit."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, keeper: Keeper) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._keeper = keeper

    def work(self, job: Job, here: Appointment | None, given: Given | None) -> Ending | None:
        """How the work on such a booking ends; None where it is an ordinary one, or has become one."""
        with self._ledger.read() as tx:
            members = links.members_of_booking(tx, self._pair.booking.account, job.remote_id)
            item = reviews.standing(tx, job.record_id)
            question = (reviews.question(tx, item) or {}) if item is not None else {}
        if not members:
            return None
        stands = here is not None and here.status is not AppointmentStatus.CANCELLED
        asked = [link for link in members if link.origin == ASKED]
        about = question.get("pims") if question.get("why") == PAIR_VISIT else None
        main = next((link for link in asked if about is not None and link.pims_id == about.id), None)
        if main is None:
            if stands:
                return SHARES  # also where another line of it is asked about: what is answered holds for this one
            self._part(job, members)
            return None
        visit = self._visit(main)
        if not stands or visit is None:
            self._part(job, asked, why="one of the two is cancelled or gone")
            return None
        if given is None or given.question.get("why") != PAIR_VISIT:
            return MAYBE_ONE
        if given.answer.choice is Choice.KEEP:
            return KEPT
        if given.answer.choice is Choice.AGAIN:
            self._part(job, asked)
            return None
        assert here is not None  # noqa: S101 - it stands
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            for link in (*asked, *self._of_visit(tx, main)):
                tx.session.get_one(Link, link.id).origin = PAIRED
            links.end(tx, main)
            link_visit(tx, self._pair, self._keeper, here, visit, ("a person has said so",))
        return None

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

    def _visit(self, link: Link) -> Appointment | None:
        """The visit in the PIMS while it stands."""
        native = self._pair.pims.connector.get(Kind.APPOINTMENT, link.pims_id)
        visit = None if native is None else self._pair.pims.mapper.read(Kind.APPOINTMENT, native)
        if not isinstance(visit, Appointment) or visit.status is AppointmentStatus.CANCELLED:
            return None
        return visit

    def _of_visit(self, tx: Transaction, main: Link) -> list[Link]:
        """Other lines of the booking that is asked about, by its visit."""
        beside = links.members_of_visit(tx, main.pims_account, main.pims_id)
        return [link for link in beside if link.booking_account == main.booking_account]

    def _part(self, job: Job, members: Collection[Link], *, why: str = "") -> None:
        """They have nothing to do with each other: each visit, and each other booking, is worked on by itself."""
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            if why:
                reviews.close(tx, job.record_id, why)
            beside = [other for link in members for other in self._of_visit(tx, link)]
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
