"""Brings the two sides of one visit into agreement: planned in both directions, carried out one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Operation
from vetbridge.core import notes
from vetbridge.core.answers import CANCELLED_HERE_OF_LATE, CANCELLED_THERE_OF_LATE, NO_SHOW_AHEAD, SLOT_TAKEN
from vetbridge.core.errors import SlotTaken
from vetbridge.core.planning import MOVES, STATUS, FieldOwner, Outcome, Plan, Situation, plan
from vetbridge.core.records import Appointment, AppointmentStatus, Kind
from vetbridge.ledger import changes, going_live, links, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import ChangeState, Link
from vetbridge.sync.comparing import CARRIED, PEOPLE, base_in_terms, planned, standing_fields
from vetbridge.sync.job import Ask, Ending, Job, OneSideOnly
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.slots import require_free, slot_keys
from vetbridge.sync.writing import Step, Writer

TO_PIMS = CARRIED | {"notes"}
"""What a change at the booking side may change in the PIMS. The owner and the pet of a visit that stands are not
among them: they change by a person's answer only."""
_BEGUN = frozenset({AppointmentStatus.ARRIVED, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW})
_QUIET = frozenset({STATUS, "notes"})
"""Fields whose change is no move and overwrites nobody's work: the fuse does not count it."""

UPDATED = Ending(state=ChangeState.DONE, code="updated", message="changed in the PIMS")
CANCELLED = Ending(state=ChangeState.DONE, code="cancelled", message="cancelled in the PIMS")
BROUGHT_BACK = Ending(state=ChangeState.DONE, code="brought-back", message="changed at the booking side")
OVERRULED = Ending(
    state=ChangeState.DONE,
    code="pims-says",
    message="one side says that the owner came, the other that the visit was missed; the PIMS's word stands on both",
)
CANCELLED_BACK = Ending(state=ChangeState.DONE, code="cancelled-back", message="cancelled at the booking side")
AGREED = Ending(state=ChangeState.DONE, code="agreed", message="both sides already agree")
KEPT = Ending(state=ChangeState.DONE, code="kept", message="both sides stay as they are, as a person has decided")
ANEW_IN_PIMS = Ending(state=ChangeState.RECEIVED, code="anew-in-pims", message="")
ANEW_AT_BOOKING = Ending(
    state=ChangeState.DONE,
    code="anew-at-booking",
    message="the visit of the PIMS is booked anew, as a person has decided",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steer:
    """What a person has said about a visit, for the work on it."""

    decided: FieldOwner | None = None
    """Which side is right, seen from the booking side."""
    fields: Mapping[str, FieldOwner] = field(default_factory=dict)
    """The same field by field, for those that both sides changed."""
    keep: bool = False
    """Both sides stay as they are."""
    beside: bool = False
    """The time may be taken."""
    shown: Mapping[str, Appointment | None] = field(default_factory=dict)
    """The ``booking`` and the visit in the ``pims`` as that person saw them, as far as they were shown."""

    @property
    def asked_for(self) -> bool:
        """A person wants just this."""
        return self.decided is not None or bool(self.fields)


_MIRRORED_WHY = {
    "cancelled-here-moved-there": "moved-here-cancelled-there",
    "cancelled-here-changed-there": "changed-here-cancelled-there",
    "cancelled-here-begun-there": "changed-here-cancelled-there",
    "moved-here-cancelled-there": "cancelled-here-moved-there",
    "changed-here-cancelled-there": "cancelled-here-changed-there",
    "reopened-here": "reopened-there",
    "reopened-there": "reopened-here",
}
"""What the plan of the way back asks, seen from the booking side, as people are asked."""
_MIRRORED = {FieldOwner.HERE: FieldOwner.THERE, FieldOwner.THERE: FieldOwner.HERE, FieldOwner.ASK: FieldOwner.ASK}


class Follower:
    """Follows the visits of one pair that stand on both sides."""

    def __init__(
        self, pair: Pair, ledger: Ledger, clock: Clock, keeper: Keeper, to_pims: Writer, to_booking: Writer
    ) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._keeper = keeper
        self._to_pims = to_pims
        self._to_booking = to_booking

    def follow(
        self, job: Job, link: Link, here: Appointment | None, there: Appointment | None, steer: Steer
    ) -> Ending:
        """Makes both sides agree, as far as they may. ``here`` is the booking, ``there`` the visit in the PIMS.

        Ends with ``ANEW_IN_PIMS`` where a person wants a visit that is cancelled in the PIMS to stand there again:
        the link has ended then, and the caller writes the booking as a new one. Raises ``Ask`` with both values
        where a person must decide, and ``OneSideOnly`` where all that is to be done is at an account that the job
        spares; where only some of it is, the job says so (``left``).
        """
        if steer.keep:
            return self._keep(job, link, here, there)
        self._require_seen(link, here, there, steer)
        self._require_remembered(link, here, there, steer)
        booked = here
        if here is not None and there is not None and self._is_missed_ahead(link, here, there):
            here = _as_told(here, there, steer)
        forth = self._forth(link, here, there, steer)
        if forth.outcome is Outcome.QUESTION:
            # Where more differs by now than was decided upon, all of it is asked about.
            forth = self._forth(link, here, there, replace(steer, fields={}))
            raise self._question(forth, here, there, why=forth.reason)
        if forth.outcome is Outcome.CREATE:
            self._require(job, self._pair.pims)
            self._end(link)
            return ANEW_IN_PIMS
        done: list[Ending] = []
        there, ending = self._carry_forth(job, link, forth, here, there, steer, booked)
        done += [ending] if ending else []
        back = self._back(link, here, there, steer)
        if back.outcome is Outcome.QUESTION:
            why = forth.reason if forth.conflicts else _MIRRORED_WHY.get(back.reason, back.reason)
            raise self._question(back, here, there, why=why)
        if back.outcome is Outcome.CREATE:
            self._require(job, self._pair.booking)
            self._end(link, wake_visit=True)
            return ANEW_AT_BOOKING
        overruled = self._is_overruled(link, back, here, there, steer)
        ending = self._carry_back(job, link, back, forth, here, there, steer)
        done += [OVERRULED if overruled and ending is BROUGHT_BACK else ending] if ending else []
        if done:
            return done[0]  # the writes have kept the bases
        if job.left:
            raise OneSideOnly(job.left)
        agreed = Outcome.BASES in (forth.outcome, back.outcome)
        if agreed or self._other_people(link, there):
            self._settle(job, link, here, there, forth.held | back.held)
        if agreed:
            return AGREED
        reason = back.reason if forth.reason == "settled" else forth.reason
        return Ending(state=ChangeState.SKIPPED, code=reason, message="nothing to write")

    # -- planning

    def _forth(self, link: Link, here: Appointment | None, there: Appointment | None, steer: Steer) -> Plan:
        end = self._pair.pims
        able = end.connector.capabilities.of(Kind.APPOINTMENT)
        booking_base, pims_base = self._bases(link)
        return plan(
            Situation(
                base_here=_without_said(planned(booking_base), steer),
                here=planned(base_in_terms(link, here, there, booking_base or {})),
                base_there=_without_said(planned(pims_base), steer),
                there=planned(None if there is None else standing_fields(there)),
                owners={**self._pair.owners, **steer.fields},
                writable=TO_PIMS & able.update,
                create_allowed=False,
                cancel_allowed=able.cancel,
                limits=able.text_limits,
                decided=steer.decided,
            )
        )

    def _back(self, link: Link, here: Appointment | None, there: Appointment | None, steer: Steer) -> Plan:
        able = self._pair.booking.connector.capabilities.of(Kind.APPOINTMENT)
        booking_base, pims_base = self._bases(link)
        return plan(
            Situation(
                base_here=_without_said(planned(pims_base), steer),
                here=planned(None if there is None else standing_fields(there)),
                base_there=_without_said(planned(booking_base), steer),
                there=planned(base_in_terms(link, here, there, booking_base or {})),
                owners={name: _MIRRORED[owner] for name, owner in {**self._pair.owners, **steer.fields}.items()},
                writable=CARRIED & able.update,
                create_allowed=False,
                cancel_allowed=able.cancel,
                limits=able.text_limits,
                decided=_MIRRORED[steer.decided] if steer.decided else None,
            )
        )

    @staticmethod
    def _question(decision: Plan, here: Appointment | None, there: Appointment | None, *, why: str) -> Ask:
        question = {"booking": here, "pims": there, "fields": sorted(decision.conflicts)}
        return Ask(why, "it was changed in both places", question)

    def _require_remembered(
        self, link: Link, here: Appointment | None, there: Appointment | None, steer: Steer
    ) -> None:
        """Raises ``Ask`` where one side has cancelled a visit and all that is known of it is out of a backup.

        It may be news; or both were cancelled since, and a person has made the other one stand again.
        """
        stood = all(
            base is not None and base.get(STATUS) != AppointmentStatus.CANCELLED for base in self._bases(link)
        )
        if steer.asked_for or not stood or _off(here) == _off(there):
            return
        with self._ledger.read() as tx:
            if not going_live.is_out_of_a_backup(tx, link):
                return
        why = CANCELLED_THERE_OF_LATE if _off(there) else CANCELLED_HERE_OF_LATE
        message = "it stands on one side only, and a ledger that was restored does not know which came last"
        raise Ask(why, message, {"booking": here, "pims": there, "fields": [STATUS]})

    def _is_missed_ahead(self, link: Link, here: Appointment, there: Appointment) -> bool:
        """Whether a booking is newly marked as missed, and its visit still stands ahead: nobody has missed it yet."""
        booking_base, _ = self._bases(link)
        return (
            here.status is AppointmentStatus.NO_SHOW
            and (booking_base or {}).get(STATUS) != AppointmentStatus.NO_SHOW
            and not _off(there)
            and there.status not in _BEGUN
            and self._clock.now() < max(here.start.utc, there.start.utc)
        )

    def _is_overruled(
        self, link: Link, back: Plan, here: Appointment | None, there: Appointment | None, steer: Steer
    ) -> bool:
        """Whether a booking says, by no answer of a person, that a visit was missed which the PIMS saw, or the other
        way round."""
        if here is None or there is None or steer.asked_for or STATUS not in back.fields:
            return False
        booking_base, _ = self._bases(link)
        news = (booking_base or {}).get(STATUS) != here.status
        return (
            news
            and AppointmentStatus.NO_SHOW in (here.status, there.status)
            and {here.status, there.status} <= _BEGUN
        )

    # -- what a person has seen

    def _require_seen(self, link: Link, here: Appointment | None, there: Appointment | None, steer: Steer) -> None:
        """Raises ``Ask`` with both sides as they are now where an answer would overwrite what nobody was shown."""
        unseen = self._unseen(link, here, there, steer)
        if not unseen:
            return
        undecided = replace(steer, decided=None, fields={})
        forth, back = self._forth(link, here, there, undecided), self._back(link, here, there, undecided)
        if forth.outcome is Outcome.QUESTION:
            raise self._question(forth, here, there, why=forth.reason)
        if back.outcome is Outcome.QUESTION:
            raise self._question(back, here, there, why=_MIRRORED_WHY.get(back.reason, back.reason))
        # The facts alone would say by now what to do, and it is not what the person has said.
        question = {"booking": here, "pims": there, "fields": sorted(unseen)}
        raise Ask("conflict", "it was changed again since the question was answered", question)

    def _unseen(
        self, link: Link, here: Appointment | None, there: Appointment | None, steer: Steer
    ) -> frozenset[str]:
        """Fields in which an answer overrules a value that the side which is not right has got since it was shown.

        What that side had when both were settled last is no news of it, be it VetBridge's own write of an earlier
        try; what both sides have is overruled by nothing. The newer word of the side that is right is carried.
        """
        mine, theirs = _carried(here), _carried(there)
        booking_base, pims_base = self._bases(link)
        found = set()
        for owner, side, end, now, base, right in (
            (FieldOwner.HERE, "pims", self._pair.pims, theirs, pims_base, mine),
            (FieldOwner.THERE, "booking", self._pair.booking, mine, booking_base, theirs),
        ):
            if side not in steer.shown:
                continue
            shown = _carried(steer.shown[side])
            writable = end.connector.capabilities.of(Kind.APPOINTMENT).update | {STATUS}
            for name, value in now.items():
                if (steer.decided or steer.fields.get(name)) is not owner:
                    continue
                # A visit that is cancelled loses all that was made of it; one that stands, what can be written.
                loses = right[STATUS] is AppointmentStatus.CANCELLED or name in writable
                if loses and value not in (shown.get(name), (base or {}).get(name), right.get(name)):
                    found.add(name)
        return frozenset(found)

    # -- to the PIMS

    def _carry_forth(
        self,
        job: Job,
        link: Link,
        decision: Plan,
        here: Appointment | None,
        there: Appointment | None,
        steer: Steer,
        booked: Appointment | None,
    ) -> tuple[Appointment | None, Ending | None]:
        """Carries a plan out in the PIMS; returns the visit as it stands there then, and what was done.

        ``booked`` is the booking as it was read; ``here`` what it means.
        """
        if there is None:
            return None, None
        payload = self._payload(link, booked, there, decision.held)
        keep = self._keeper.in_pims(job)[Kind.APPOINTMENT]
        if decision.outcome is Outcome.UPDATE:
            if self._leaves(job, self._pair.pims):
                return there, None
            fields = dict(decision.fields)
            if here is not None and fields.keys() & MOVES and not steer.beside:
                moved = _moved(there, fields)
                self._to_pims.reserve(job, "slot", slot_keys(moved), "visit at the same time")
                require_free(self._pair.pims, moved, but=there.id, here=here)
            if "notes" in fields:
                fields["notes"] = _with_block(there.notes, link.stamp, str(fields["notes"]))
            step = Step(
                kind=Kind.APPOINTMENT,
                operation=Operation.UPDATE,
                fields=fields,
                remote_id=link.pims_id,
                version=there.version,
                before=there,
                payload=payload,
                fused=not (steer.asked_for or steer.beside) and bool(fields.keys() - _QUIET),
                beside=steer.beside,
                visit_at=_moved(there, fields).start,
                line={**fields, "found": {name: getattr(there, name) for name in fields}},
            )
            return self._visit(self._to_pims.write(job, step, keep)), UPDATED
        if decision.outcome is Outcome.CANCEL:
            if here is None and self._is_over(there):
                return there, Ending(
                    state=ChangeState.SKIPPED,
                    code="gone-after-visit",
                    message="the booking is gone since its visit began; no visit of the past is cancelled for that",
                )
            if self._leaves(job, self._pair.pims):
                return there, None
            reason = (here.cancel_reason if here else "") or "Cancelled online."
            step = Step(
                kind=Kind.APPOINTMENT,
                operation=Operation.CANCEL,
                fields={"by": (here.cancelled_by if here else "") or "client", "reason": reason},
                remote_id=link.pims_id,
                version=there.version,
                payload=payload,
                fused=not steer.asked_for,
                visit_at=there.start,
            )
            return self._visit(self._to_pims.write(job, step, keep)), CANCELLED
        return there, None

    # -- to the booking side

    def _carry_back(
        self,
        job: Job,
        link: Link,
        decision: Plan,
        forth: Plan,
        here: Appointment | None,
        there: Appointment | None,
        steer: Steer,
    ) -> Ending | None:
        if here is None:
            return None
        held = forth.unwritable | decision.unwritable | frozenset(decision.conflicts)
        if job.left:
            held |= frozenset(forth.fields)  # the PIMS does not have them yet
        payload = {"there": there, "held": sorted(held)}
        keep = self._keeper.at_booking(job)[Kind.APPOINTMENT]
        if decision.outcome is Outcome.UPDATE:
            if self._leaves(job, self._pair.booking):
                return None
            step = Step(
                kind=Kind.APPOINTMENT,
                operation=Operation.UPDATE,
                fields=decision.fields,
                remote_id=link.booking_id,
                version=here.version,
                before=here,
                payload=payload,
                fused=not (steer.asked_for or steer.beside) and bool(decision.fields.keys() - _QUIET),
                beside=steer.beside,
            )
            try:
                self._to_booking.write(job, step, keep)
            except SlotTaken as taken:
                raise Ask(SLOT_TAKEN, taken.message, {"booking": here, "pims": there}) from None
            return BROUGHT_BACK
        if decision.outcome is Outcome.CANCEL:
            if there is None and self._is_over(here):
                return Ending(
                    state=ChangeState.SKIPPED,
                    code="gone-after-visit",
                    message="the PIMS shows the visit no more; no booking of the past is cancelled for that",
                )
            if self._leaves(job, self._pair.booking):
                return None
            step = Step(
                kind=Kind.APPOINTMENT,
                operation=Operation.CANCEL,
                fields={
                    "by": (there.cancelled_by if there else "") or "clinic",
                    "reason": (there.cancel_reason if there else "") or "Cancelled by the practice.",
                },
                remote_id=link.booking_id,
                version=here.version,
                payload=payload,
                fused=not steer.asked_for,
            )
            self._to_booking.write(job, step, keep)
            return CANCELLED_BACK
        return None

    # -- one side only

    @staticmethod
    def _require(job: Job, end: End) -> None:
        if end.account in job.spares:
            raise OneSideOnly(end.account)

    @staticmethod
    def _leaves(job: Job, end: End) -> bool:
        """Whether what is to be done at a side is left undone; the job says so then."""
        if end.account not in job.spares:
            return False
        job.left = end.account
        return True

    # -- the ledger alone

    def _keep(self, job: Job, link: Link, here: Appointment | None, there: Appointment | None) -> Ending:
        self._settle(job, link, here, there, frozenset())
        return KEPT

    def _settle(
        self, job: Job, link: Link, here: Appointment | None, there: Appointment | None, held: frozenset[str]
    ) -> None:
        with self._ledger.write() as tx:
            row = tx.session.get_one(Link, link.id)
            booking_base, _ = links.bases(tx, row)
            self._keeper.bases(tx, row, base_in_terms(row, here, there, booking_base or {}), there, held)
            both_off = _off(here) and _off(there)
            if both_off:
                reviews.close(tx, job.record_id, "the visit is cancelled on both sides")

    def _other_people(self, link: Link, there: Appointment | None) -> bool:
        """Whether the PIMS has given the visit to somebody else since the bases were kept."""
        if there is None:
            return False
        _, pims_base = self._bases(link)
        standing = standing_fields(there)
        return any((pims_base or {}).get(name) != standing[name] for name in PEOPLE)

    def _end(self, link: Link, *, wake_visit: bool = False) -> None:
        """Ends the link; ``wake_visit``: in the same step the visit of the PIMS is to be carried over anew."""
        with self._ledger.write() as tx:
            links.end(tx, link)
            if wake_visit:
                changes.receive(
                    tx,
                    site=link.site,
                    account=link.pims_account,
                    kind=Kind.APPOINTMENT,
                    remote_id=link.pims_id,
                    source=reviews.ANSWER_SOURCE,
                )

    # -- inside

    def _bases(self, link: Link) -> tuple[dict[str, object] | None, dict[str, object] | None]:
        """Both bases as they are now: the way back is planned by what the way forth has left."""
        with self._ledger.read() as tx:
            return links.bases(tx, tx.session.get_one(Link, link.id))

    def _payload(
        self, link: Link, here: Appointment | None, there: Appointment | None, held: frozenset[str]
    ) -> dict[str, Any]:
        booking_base, _ = self._bases(link)
        return {
            "here": base_in_terms(link, here, there, booking_base or {}),
            "booking": here,
            "held": sorted(held),
        }

    @staticmethod
    def _visit(record: object) -> Appointment:
        assert isinstance(record, Appointment)  # noqa: S101 - what the mapper makes of this kind
        return record

    def _is_over(self, visit: Appointment) -> bool:
        return visit.start.utc <= self._clock.now()


def _off(record: Appointment | None) -> bool:
    return record is None or record.status is AppointmentStatus.CANCELLED


def _carried(record: Appointment | None) -> dict[str, object]:
    """The fields of a visit that flow both ways; of one that is cancelled or gone its status alone counts."""
    if record is None or _off(record):
        return {STATUS: AppointmentStatus.CANCELLED}
    return {name: getattr(record, name) for name in CARRIED}


def _as_told(here: Appointment, there: Appointment, steer: Steer) -> Appointment:
    """What a booking means that is marked as missed before its visit: a person says it. Raises ``Ask``."""
    if not steer.asked_for:
        question = {"booking": here, "pims": there, "fields": [STATUS]}
        raise Ask(NO_SHOW_AHEAD, "it is marked as missed online, and the visit is still ahead", question)
    if steer.decided is not FieldOwner.HERE:
        return here
    reason = "Marked online as not coming."
    return replace(here, status=AppointmentStatus.CANCELLED, cancelled_by="client", cancel_reason=reason)


def _without_said(base: Mapping[str, object] | None, steer: Steer) -> Mapping[str, object] | None:
    """A base without the fields of which a person has said who is right: that holds whichever side changed them."""
    if base is None:
        return None
    return {name: value for name, value in base.items() if name == STATUS or name not in steer.fields}


def _moved(there: Appointment, fields: Mapping[str, object]) -> Appointment:
    """The visit as it would stand after a move."""
    moved: dict[str, Any] = {name: value for name, value in fields.items() if name in MOVES}
    return replace(there, **moved)


def _with_block(standing: str, stamp: str, text: str) -> str:
    """The notes with VetBridge's block in them, or without one where it would be empty."""
    if not text:
        return notes.remove(standing)
    return notes.place(standing, notes.block(stamp, text.split("\n")))
