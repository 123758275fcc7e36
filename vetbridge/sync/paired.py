"""What becomes of a booking that pairing has put beside a visit of the PIMS: it shares one, or it may be one.

Such a booking has a ``member`` link and no ``primary`` one. It is never written to the PIMS by itself.
"""

from __future__ import annotations

from collections.abc import Collection

from vetbridge.core.answers import PAIR_VISIT, Choice
from vetbridge.core.records import Appointment, AppointmentStatus, Kind
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

    def __init__(self, pair: Pair, ledger: Ledger, keeper: Keeper) -> None:
        self._pair = pair
        self._ledger = ledger
        self._keeper = keeper

    def work(self, job: Job, here: Appointment | None, given: Given | None) -> Ending | None:
        """How the work on such a booking ends; None where it is an ordinary one, or has become one."""
        with self._ledger.read() as tx:
            link = links.member_of_booking(tx, self._pair.booking.account, job.remote_id)
        if link is None:
            return None
        stands = here is not None and here.status is not AppointmentStatus.CANCELLED
        if link.origin != ASKED:
            if stands:
                return SHARES
            self._end(job, link)
            return None
        visit = self._visit(link)
        if not stands or visit is None:
            self._end(job, link, why="one of the two is cancelled or gone")
            return None
        if given is None or given.question.get("why") != PAIR_VISIT:
            return MAYBE_ONE
        if given.answer.choice in (Choice.PIMS, Choice.BOOKING):
            assert here is not None  # noqa: S101 - it stands
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                links.end(tx, link)
                link_visit(tx, self._pair, self._keeper, here, visit, ("a person has said so",))
        elif given.answer.choice is Choice.KEEP:
            return KEPT
        else:
            self._end(job, link)
        return None

    def _visit(self, link: Link) -> Appointment | None:
        """The visit in the PIMS while it stands."""
        native = self._pair.pims.connector.get(Kind.APPOINTMENT, link.pims_id)
        visit = None if native is None else self._pair.pims.mapper.read(Kind.APPOINTMENT, native)
        if not isinstance(visit, Appointment) or visit.status is AppointmentStatus.CANCELLED:
            return None
        return visit

    def _end(self, job: Job, link: Link, *, why: str = "") -> None:
        """The two have nothing to do with each other: the visit is worked on by itself."""
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            links.end(tx, link)
            if why:
                reviews.close(tx, job.record_id, why)
            changes.receive(
                tx,
                site=link.site,
                account=link.pims_account,
                kind=Kind.APPOINTMENT,
                remote_id=link.pims_id,
                source="pairing",
            )
