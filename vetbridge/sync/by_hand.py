"""Finds out what people have carried out by hand: visits that were typed, moved or cancelled as the work list said.

A reading decides, never a tick. Of a visit that was typed otherwise than it was asked for, what differs is asked for
anew; so the booking side and its owner learn nothing of a typing mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Operation
from vetbridge.core import notes
from vetbridge.core.answers import BOOKED_BY_ANOTHER, BOTH_REMOVED
from vetbridge.core.by_hand import CLIENT, PET, Recognised, Typed, Wanted, may_be_wanted, recognise
from vetbridge.core.errors import MappingError
from vetbridge.core.instants import Instant
from vetbridge.core.planning import STATUS
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet
from vetbridge.ledger import actions, changes, links, mirror, reviews, subjects, worklist
from vetbridge.ledger.actions import Intention
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import ActionState, Change, ChangeState, Link, Worklist
from vetbridge.sync import contact_lines
from vetbridge.sync.comparing import CARRIED, PEOPLE, wanted_fields
from vetbridge.sync.job import Ask, Ending, Job, PutOff
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.pair import Pair
from vetbridge.sync.placing import Placement
from vetbridge.sync.relinking import Relinker
from vetbridge.sync.slots import WINDOW_KEYS, readable, window
from vetbridge.sync.wording import BY_PEOPLE, CARER, carer_lines, comment_lines
from vetbridge.sync.writing import BY_HAND_WAIT, FORMER, READ_BACK, STOOD, Writer

AROUND = timedelta(days=8)
"""So far from the day that was asked for a visit is looked for: somebody may have typed another week."""
AGAIN = timedelta(seconds=5)
"""A visit that was just typed waits so long for the booking that it belongs to."""
CLIENT_WAIT = timedelta(seconds=30)
SHOWN_WITHIN = timedelta(minutes=15)
"""So long a visit waits at the most for its client to be shown."""
FORGOTTEN_AFTER = timedelta(days=2)
"""A visit that was to be typed and stands nowhere so long after it should have begun was never typed."""
BOTH_WITHIN = timedelta(hours=1)
"""Where both copies of a visit are removed within this time, whoever removed the second may not have known of the
first."""

OTHER_REMOVED = "the other one of the two was removed"
TYPED_TWICE = Ending(
    state=ChangeState.SKIPPED,
    code="typed-twice",
    message="the very same visit stands there already for its booking; the work list asks to cancel this one",
)


class ByHand:
    """What is carried out by hand in the PIMS of one pair."""

    def __init__(
        self, pair: Pair, ledger: Ledger, clock: Clock, keeper: Keeper, to_pims: Writer, relinker: Relinker
    ) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._keeper = keeper
        self._to_pims = to_pims
        self._relinker = relinker
        self._booking = pair.booking.account

    @property
    def does(self) -> bool:
        """Whether visits of this PIMS are written by hand."""
        return bool(self._pair.pims.connector.capabilities.of(Kind.APPOINTMENT).handed)

    # -- of one booking

    def confirm(self, job: Job, here: Appointment | None) -> None:
        """Settles what a reading shows to be carried out, of all that the booking's work has handed on."""
        if not self.does:
            return
        with self._ledger.read() as tx:
            waiting = actions.handed(tx, job.record_id, self._pair.pims.account)
        for intention in waiting:
            if intention.operation == Operation.CREATE:
                self._confirm_typed(job, here, intention)
            else:
                self._confirm_changed(job, intention)

    def strike(self, job: Job, why: str) -> None:
        """The booking's work has ended without asking for what was handed on: nobody has to do that any more."""
        if self.does:
            self._to_pims.strike_handed(job, why)

    def is_listed(self, job: Job) -> bool:
        """Whether the work list asks for the booking's visit already: what stands at its time may be that."""
        if not self.does:
            return False
        with self._ledger.read() as tx:
            return worklist.standing(tx, job.record_id, worklist.BOOK) is not None

    def await_ticked(self, job: Job) -> None:
        """A visit whose time has come, and of which somebody says that it was typed: a reading may show it yet.

        Raises ``PutOff`` as long as that may be.
        """
        if not self.does:
            return
        with self._ledger.read() as tx:
            handed = actions.handed(tx, job.record_id, self._pair.pims.account)
            ticked = [one for one in handed if one.operation == Operation.CREATE and _is_ticked(tx, one)]
        if any(not self._is_too_old(one) for one in ticked):
            raise PutOff(
                self._clock.now() + BY_HAND_WAIT,
                changes.BY_HAND,
                "somebody says that it was typed; a reading has to show it",
            )

    def _is_too_old(self, intention: Intention) -> bool:
        start: Instant = intention.payload["here"]["start"]
        return self._clock.now() > start.utc + FORGOTTEN_AFTER

    def _confirm_changed(self, job: Job, intention: Intention) -> None:
        assert intention.remote_id is not None  # noqa: S101 - a visit that stands is what is changed
        record = self._pair.pims.read(intention.kind, intention.remote_id)
        keep = self._keeper.in_pims(job)[Kind.APPOINTMENT]
        if intention.operation == Operation.CANCEL:
            if isinstance(record, Appointment) and record.status is AppointmentStatus.CANCELLED:
                self._to_pims.was_carried_out(job, intention, intention.payload, record, keep)
            elif self._clock.now() > intention.created_at + FORGOTTEN_AFTER:
                self._give_up([intention])
        elif self._is_anothers(intention):
            # Of two copies the other one is the booking's by now: whatever becomes of this one is no news of it.
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                actions.close(tx, intention.action_id, ActionState.NOT_DONE, code="visit-is-another")
                if worklist.of_action(tx, intention.action_id) is not None:
                    worklist.close(tx, intention.record_id, worklist.CHANGE, confirmed=False, why=OTHER_REMOVED)
        elif isinstance(record, Appointment) and _is_as_asked(record, intention.payload["fields"]):
            self._to_pims.was_carried_out(job, intention, intention.payload, record, keep)
        elif isinstance(record, Appointment):
            self._settle_otherwise(job, intention, record)

    def _is_anothers(self, intention: Intention) -> bool:
        """Whether the visit that was to be changed is no booking's any more."""
        with self._ledger.read() as tx:
            return links.of_pims(tx, self._pair.pims.account, Kind.APPOINTMENT, intention.remote_id or "") is None

    def _settle_otherwise(self, job: Job, intention: Intention, record: Appointment) -> None:
        """Somebody ticked a change off, and has typed another value than was asked for: that is what stands now, and
        the plan asks for the right one again."""
        stood, fields = intention.payload.get(STOOD), intention.payload["fields"]
        typed = {name: getattr(record, name) for name in fields}
        if stood is None or typed == {name: getattr(stood, name) for name in fields}:
            return
        with self._ledger.write() as tx:
            link = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id)
            if link is None or not _is_ticked(tx, intention):
                return
            changes.held(tx, job.leases)
            booking_base, _ = links.bases(tx, link)
            self._keeper.bases(tx, link, {**(booking_base or {}), **typed}, record, frozenset())

    def _confirm_typed(self, job: Job, here: Appointment | None, intention: Intention) -> None:
        recognised = self._recognised_of(intention)
        if recognised is None:
            return
        record = self._pair.pims.read(Kind.APPOINTMENT, recognised.id)
        if not isinstance(record, Appointment):
            return
        asked = intention.payload["here"]
        offered = {one["client_id"] for one in (intention.payload["question"] or {}).get("candidates", ())}
        on_another = CLIENT in recognised.mistakes and record.client_id not in offered
        question = self._whose(here, record) if on_another and asked["client_id"] is None else None
        # Whoever typed it on somebody has said whose it is.
        unsure = intention.payload["question"] if self._pair.stands_in(record.client_id) else None
        wanted = asked if here is None else wanted_fields(here, None, None, unlinked=unsure is not None)
        payload = {
            **intention.payload,
            "here": _as_if_booked_so({**asked, "notes": wanted["notes"]}, record),
            "question": unsure,
        }

        def keep(tx: Transaction, kept: Mapping[str, Any], found: Any) -> None:
            self._keeper.in_pims(job)[Kind.APPOINTMENT](tx, kept, found)
            own = changes.record_of(tx, self._pair.pims.account, Kind.APPOINTMENT, recognised.id)
            reviews.close(tx, own.id or 0, "it is the visit that the work list asked for")
            if question is not None:
                change = tx.session.get_one(Change, job.change_id)
                reviews.ask(tx, change, why=BOOKED_BY_ANOTHER, visit_at=record.start.utc, question=question)
            elif CLIENT not in recognised.mistakes:
                self._keep_owner(tx, here, record, kept, asked["client_id"] or record.client_id)
                if asked["client_id"] is None and unsure is None and record.client_id is not None:
                    change, booker = tx.session.get_one(Change, job.change_id), intention.payload.get("booker")
                    booked = booker or Client()
                    contact_lines.ask(tx, self._pair, change, record.client_id, booked, recognised.mistakes)

        self._to_pims.was_carried_out(job, intention, payload, record, keep)
        if question is None and recognised.mistakes.keys() & {CLIENT, PET}:
            self._ask_for_owner(job, record, intention)

    def _recognised_of(self, intention: Intention) -> Recognised | None:
        """The visit that one write asked for: about where one was seen that may be it, or else about its time."""
        moments = [intention.payload["here"]["start"].utc]
        if intention.remote_id is not None:
            seen = self._pair.pims.read(Kind.APPOINTMENT, intention.remote_id)
            if isinstance(seen, Appointment):
                moments.insert(0, seen.start.utc)
        found = (self._recognised(moment)[0].get(intention.action_id) for moment in moments)
        return next((one for one in found if one is not None), None)

    def _whose(self, here: Appointment | None, record: Appointment) -> dict[str, Any]:
        """The question about a visit that was to be typed on a new owner, and stands on somebody else."""
        return {
            "why": BOOKED_BY_ANOTHER,
            "words": "it was to be typed on a new owner, and stands on a client who seems to be another person",
            "booking": here,
            "pims": record,
            "candidates": [
                {"client_id": record.client_id, "pet_id": record.pet_id, "score": 0.0, "vetoes": [], "evidence": []}
            ],
        }

    def _keep_owner(
        self,
        tx: Transaction,
        here: Appointment | None,
        record: Appointment,
        payload: Mapping[str, Any],
        owner_id: str | None,
    ) -> None:
        """Who typed the visit has said who the booking's client is: registered anew, or found. ``owner_id``: whom the
        line named, on whom or on another of the pet's owners it stands; else whoever it stands on."""
        if here is None or here.client_id is None or record.client_id is None or payload["question"] is not None:
            return
        booker_id = _booker_id(tx, self._pair, owner_id or "", record, payload)
        known = mirror.client(tx, self._pair.pims.account, booker_id)
        if known is not None:
            evidence = [{"words": "a visit that was typed from the work list stands on this client"}]
            self._keeper.matched_client(tx, here.client_id, known.client, here.booker or Client(), evidence)

    def _ask_for_owner(self, job: Job, record: Appointment, intention: Intention) -> None:
        """It was typed on somebody else, or on another pet, than it was asked for."""
        wanted = intention.payload["here"]
        other = wanted["client_id"] is not None and record.client_id != wanted["client_id"]
        names = ("client_id", "pet_id") if other else ("pet_id",)
        details: dict[str, Any] = {name: wanted[name] for name in names if wanted[name] is not None}
        pet = intention.payload.get("booked_pet") or Pet()
        if not details and pet.name and not other:
            client = {"id": record.client_id, "name": "", "phones": (), "emails": (), "is_new": False}
            details = {"client": client, "pet": _pet_line(pet, None, is_new=True)}
        if details:
            self._relinker.ask_staff(job, record, details)

    # -- of one visit

    def await_own(self, job: Job, there: Appointment) -> None:
        """A visit that was just typed is not carried to the booking side: its booking is worked on first.

        Raises ``PutOff`` where the visit is one that the work list asks for, and for a while where its client is not
        shown yet: who types it registers a new client first, and that may come with the next reading.
        """
        if not self.does:
            return
        with self._ledger.read() as tx:
            if not actions.is_any_handed(tx, self._pair.pims.account):
                return
            asked = actions.handed_creates(tx, self._pair.pims.account, Kind.APPOINTMENT)
            ticked = _ticked(tx)
        self._give_up([one for one in asked if self._is_too_old(one)])
        is_shown = there.client_id is None or self._people(there)[0] is not None
        if not is_shown and self._clock.now() < job.received_at + SHOWN_WITHIN:
            raise PutOff(
                self._clock.now() + CLIENT_WAIT,
                "client-not-shown",
                "its client is so new that no reading shows it yet",
            )
        if not self._may_be_asked_for(there, [one for each in _rounds(asked, ticked) for one in each]):
            return
        found, typed = self._recognised(there.start.utc)
        mine = next(
            (one for one in asked if (it := found.get(one.action_id)) and there.id in _standing_so(it, typed)),
            None,
        )
        if mine is None:
            return
        with self._ledger.write() as tx:
            actions.seems_typed(tx, mine.action_id, there.id or "")
            changes.receive_again(tx, mine.record_id, changes.BY_HAND)
        raise PutOff(
            self._clock.now() + AGAIN, "own-write", "it was typed from the work list; its booking is worked on first"
        )

    # -- visits that stand twice

    def typed_twice(self, job: Job, there: Appointment) -> Ending | None:
        """Asks to cancel a visit that stands beside the very same one, which a booking has; None: there is none."""
        if not self.does or there.client_id is None or there.status is AppointmentStatus.CANCELLED:
            return None
        begin = there.start.utc
        standing = self._standing(begin, begin + timedelta(minutes=1), there.client_id, there.pet_id)
        same = [other for other in standing if _is_at(other, there.start, there.resource)]
        others = [other.id for other in same if other.id not in (None, there.id)]
        others += [id_ for id_ in self._mistyped_so(there.start) if self._is_of(id_, there)]
        with self._ledger.read() as tx:
            twins = [id_ for id_ in others if self._is_online(tx, id_ or "")]
        if not twins:
            return None
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            worklist.put(
                tx,
                tx.session.get_one(Change, job.change_id),
                account=self._pair.pims.account,
                kind=Kind.APPOINTMENT,
                remote_id=there.id or "",
                task=worklist.CANCEL,
                details={},
                visit_at=there.start.utc,
            )
        return TYPED_TWICE

    def _mistyped_so(self, start: Instant) -> list[str]:
        """Visits that lately stood at this time by mistake, and were to be put right."""
        with self._ledger.read() as tx:
            lately = worklist.changes_since(tx, self._pair.pims.account, tx.now - FORGOTTEN_AFTER)
            said = [(row.remote_id, worklist.detail(tx, row).get("found") or {}) for row in lately]
        return [id_ for id_, found in said if found.get("start") == start]

    def _is_of(self, visit_id: str, there: Appointment) -> bool:
        """Whether a visit is another one of the same owner and pet."""
        other = None if visit_id == there.id else self._pair.pims.read(Kind.APPOINTMENT, visit_id)
        return isinstance(other, Appointment) and _is_of_these(other, there.client_id, there.pet_id)

    def _is_online(self, tx: Transaction, visit_id: str) -> bool:
        """Whether a visit is that of a booking, and was not made at the desk."""
        link = links.of_pims(tx, self._pair.pims.account, Kind.APPOINTMENT, visit_id)
        return link is not None and link.origin not in BY_PEOPLE

    def removed(self, job: Job) -> None:
        """A visit is cancelled or gone: nobody has to cancel it any more."""
        if not self.does:
            return
        with self._ledger.read() as tx:
            asked = worklist.standing(tx, job.record_id, worklist.CANCEL)
        if asked is not None:
            with self._ledger.write() as tx:
                worklist.close(tx, job.record_id, worklist.CANCEL, confirmed=True, why=READ_BACK)

    def left_of_two(self, job: Job, link: Link) -> Appointment | None:
        """The visit that stands where a booking's own is cancelled or gone: it was typed twice, and one was removed.

        It is the booking's from then on. None: there is none.
        """
        if not self.does:
            return None
        account = self._pair.pims.account
        with self._ledger.read() as tx:
            booking_base, base = (each or {} for each in links.bases(tx, link))
        if base.get("client_id") is None:
            return None
        start: Any = base.get("start")
        around = self._standing(start.utc - AROUND, start.utc + AROUND, base["client_id"], base.get("pet_id"))
        same = [other for other in around if _is_at(other, start, base.get("resource"))]
        with self._ledger.write() as tx:
            for other in (*same, *around):
                record = changes.record_of(tx, account, Kind.APPOINTMENT, other.id or "")
                is_copy = worklist.standing(tx, record.id or 0, worklist.CANCEL) is not None
                is_linked = links.of_pims(tx, account, Kind.APPOINTMENT, other.id or "") is not None
                if is_linked or not (is_copy or other in same):
                    continue
                changes.held(tx, job.leases)
                row = tx.session.get_one(Link, link.id)
                links.point(tx, row, pims_id=other.id)
                # What it has otherwise is a mistake, and no news of the desk's.
                self._keeper.bases(tx, row, _as_if_booked_so(booking_base, other), other, frozenset())
                worklist.close(tx, record.id or 0, worklist.CANCEL, confirmed=False, why=OTHER_REMOVED)
                return other
        return None

    def require_meant(self, job: Job, link: Link, here: Appointment | None, there: Appointment | None) -> None:
        """Asks whether a booking is to be cancelled whose visit was typed twice, where staff have removed both copies
        at about the same time: one was to stay. Of a visit that has begun nothing is asked because it is gone.

        Raises ``Ask``.
        """
        is_over = here is not None and there is None and here.start.utc <= self._clock.now()
        if self.does and not is_over and self._was_last_of_two(job, link):
            question = {"booking": here, "pims": there, "fields": [STATUS]}
            raise Ask(BOTH_REMOVED, "it was typed twice, and both copies are cancelled or gone in the PIMS", question)

    def _was_last_of_two(self, job: Job, link: Link) -> bool:
        # A change that waits for a line was woken by what a reading shows now.
        seen_at = self._clock.now() if job.waited_for == changes.BY_HAND else job.received_at
        with self._ledger.read() as tx:
            bases = [base or {} for base in links.bases(tx, link)]
            if any(base.get(STATUS) == AppointmentStatus.CANCELLED for base in bases):
                return False  # it was settled so
            asked = worklist.asked_away(tx, self._pair.pims.account, seen_at - BOTH_WITHIN)
            kept = subjects.contents(tx, [line.record_id for line in asked])
        return any(self._is_about_copy(line, kept.get(line.record_id), link, bases[1]) for line in asked)

    def _is_about_copy(self, line: Worklist, copy: object, link: Link, base: Mapping[str, Any]) -> bool:
        """Whether a line asks to take away one of two visits, of which a link's is or was the other one."""
        if line.remote_id == link.pims_id:
            return line.closed_why == OTHER_REMOVED
        if not isinstance(copy, Appointment) or line.state == "struck" or copy.client_id != base.get("client_id"):
            return False
        if line.closed_at is not None and link.updated_at > line.closed_at:
            return False  # staff have worked on the other one since, which stood alone by then
        return copy.start == base.get("start") or link.pims_id in self._mistyped_so(copy.start)

    def await_lost(self, there: Appointment) -> None:
        """A visit that stands where a booking has lost both copies of its own is that booking's, not the desk's.

        Raises ``PutOff``: the booking is worked on first.
        """
        if not self.does:
            return
        with self._ledger.read() as tx:
            asked = [id_ for account, id_ in reviews.asked_about(tx, BOTH_REMOVED) if account == self._booking]
            lost = [link for id_ in asked if (link := links.of_booking(tx, self._booking, Kind.APPOINTMENT, id_))]
            mine = next((link for link in lost if _is_as(there, links.bases(tx, link)[1] or {})), None)
        if mine is not None:
            with self._ledger.write() as tx:
                changes.receive_linked(tx, mine, changes.BY_HAND)
            raise PutOff(self._clock.now() + AGAIN, "own-write", "it stands again; its booking is worked on first")

    def _standing(self, begin: datetime, over: datetime, client_id: object, pet_id: object) -> list[Appointment]:
        """Visits of an owner and pet that stand, and begin within a span of time."""
        return [
            other
            for native in self._pair.pims.connector.search(Kind.APPOINTMENT, window(begin, over))
            if (other := readable(self._pair.pims, native)) is not None
            and _is_of_these(other, client_id, pet_id)
            and other.status is not AppointmentStatus.CANCELLED
        ]

    # -- inside

    def _give_up(self, never_typed: Sequence[Intention]) -> None:
        """What nobody has carried out long after its time, and nobody is asked for any more, will not come."""
        if never_typed:
            with self._ledger.write() as tx:
                for one in never_typed:
                    if worklist.of_action(tx, one.action_id) is None:
                        actions.close(tx, one.action_id, ActionState.NOT_DONE, code="never-typed")

    def _recognised(self, around: datetime) -> tuple[Mapping[int, Recognised], Mapping[str, Typed]]:
        """Which visits near a moment are those that the work list asks for, by the action that asked; and all that
        belong to no booking yet, by their ids."""
        end = self._pair.pims
        if not end.connector.capabilities.of(Kind.APPOINTMENT).search >= WINDOW_KEYS:
            return {}, {}
        with self._ledger.read() as tx:
            asked = actions.handed_creates(tx, end.account, Kind.APPOINTMENT)
            ticked = _ticked(tx)
        rounds = _rounds(asked, ticked)
        wanted = [one for each in rounds for one in each]
        typed: dict[str, Typed] = {}
        for native in end.connector.search(Kind.APPOINTMENT, window(around - AROUND, around + AROUND)):
            try:
                one = self._typed(end.mapper.read(Kind.APPOINTMENT, native), wanted)
            except MappingError:
                continue
            if one is not None:
                typed[one.id] = one
        found: dict[int, Recognised] = {}
        for each in rounds:
            taken = {it.id for it in found.values()}.union(*(it.again for it in found.values()))
            free = [one for one in typed.values() if one.id not in taken]
            found |= recognise([one for one in each if one.key not in found], free, country=self._pair.country)
        return found, typed

    def _may_be_asked_for(self, there: Appointment, wanted: list[Wanted]) -> bool:
        """Whether a visit may be one that is asked for, or the copy of one; hardly any is, and a look at the whole
        diary is dear."""
        one = self._typed(there, wanted)
        if one is None:
            return False
        is_owners = there.client_id is not None and any(there.client_id == each.client_id for each in wanted)
        return is_owners or may_be_wanted(wanted, one, country=self._pair.country)

    def _typed(self, record: Appointment, wanted: list[Wanted]) -> Typed | None:
        """A visit that stands and belongs to no booking; None for every other, and for one that is like none that is
        wanted in either its day or its client."""
        end = self._pair.pims
        if record.id is None or record.status is AppointmentStatus.CANCELLED:
            return None
        copied = notes.STAMP.search(record.notes)
        stamp = copied.group() if copied else record.stamp
        day = record.start.utc.date()
        if not any(
            stamp == one.stamp or one.start.utc.date() == day or record.client_id in (one.client_id, None)
            for one in wanted
        ):
            return None
        with self._ledger.read() as tx:
            if links.of_pims(tx, end.account, Kind.APPOINTMENT, record.id) is not None:
                return None
        client, pet = self._people(record)
        return Typed(
            id=record.id,
            start=record.start,
            duration=record.duration,
            resource=record.resource,
            appointment_type=record.appointment_type,
            client=client,
            pet=pet,
            stamp=stamp,
        )

    def _people(self, record: Appointment) -> tuple[Client | None, Pet | None]:
        """Whose a visit is, by the mirror; read now where it does not know them yet."""
        if self._pair.stands_in(record.client_id) or record.client_id is None:
            return None, None
        end = self._pair.pims
        with self._ledger.read() as tx:
            known = mirror.client(tx, end.account, record.client_id)
        client = known.client if known is not None else end.read(Kind.CLIENT, record.client_id)
        pet = next((one for one in known.pets if one.id == record.pet_id), None) if known is not None else None
        if pet is None and record.pet_id is not None:
            read = end.read(Kind.PET, record.pet_id)
            pet = read if isinstance(read, Pet) else None
        return client if isinstance(client, Client) else None, pet


def _booker_id(tx: Transaction, pair: Pair, owner: str, record: Appointment, payload: Mapping[str, Any]) -> str:
    """The PIMS client who booked: the visit's ``owner``, or who cares for its pet."""
    if payload["origin"] != CARER:
        return owner
    known = mirror.client(tx, pair.pims.account, owner)
    pet = next((one for one in known.pets if one.id == record.pet_id), None) if known is not None else None
    return pet.carer_id if pet is not None and pet.carer_id is not None else owner


def book_line(here: Appointment, placement: Placement, stamp: str) -> dict[str, Any]:
    """What whoever types a visit has to know: when, with whom, what for, whose it is, and the mark for its notes."""
    return {
        **{name: getattr(here, name) for name in ("start", "duration", "resource", "appointment_type")},
        "client": _owner_line(here.booker or Client(), placement),
        "pet": _pet_line(here.booked_pet or Pet(), placement.pet_id, is_new=placement.question is None),
        "remark": " ".join([stamp, *carer_lines(here, placement.origin), *comment_lines(here)]),
    }


def _owner_line(booker: Client, placement: Placement) -> dict[str, Any]:
    names = {"name": booker.full_name, "given_name": booker.given_name, "family_name": booker.family_name}
    booked = {**names, "phones": booker.phones, "emails": booker.emails}
    if placement.origin == CARER:
        return {"id": placement.client_id, "is_new": False}
    if placement.client_id is not None:
        return {"id": placement.client_id, **booked, "is_new": False}
    if placement.question is None:
        return {"id": None, **booked, "is_new": True}
    candidates = [
        {"client_id": one["client_id"], "pet_id": one["pet_id"]} for one in placement.question.get("candidates", ())
    ]
    return {"id": None, **booked, "is_new": False, "candidates": candidates}


def _pet_line(pet: Pet, pet_id: str | None, *, is_new: bool) -> dict[str, Any]:
    booked = {name: getattr(pet, name) for name in ("name", "species", "breed", "sex", "birth_date")}
    return {"id": pet_id, **booked, "is_new": pet_id is None and is_new}


def _standing_so(recognised: Recognised, typed: Mapping[str, Typed]) -> set[str]:
    """A recognised visit, and every other one that says the same: it was typed more than once."""
    first = typed[recognised.id]
    same = {id_ for id_, one in typed.items() if replace(one, id=first.id, stamp="") == replace(first, stamp="")}
    return same | {*recognised.again}


def _ticked(tx: Transaction) -> frozenset[int | None]:
    """The writes of which somebody says that they are carried out."""
    return frozenset(line.action_id for line in worklist.lines(tx) if line.state == "done")


def _is_ticked(tx: Transaction, intention: Intention) -> bool:
    line = worklist.of_action(tx, intention.action_id)
    return line is not None and line.state == "done"


def _rounds(asked: Sequence[Intention], ticked: Collection[int | None]) -> list[list[Wanted]]:
    """What is wanted now; then, for whoever typed before a booking was changed, what was wanted before."""
    said = [(one, [one.payload["here"], *one.payload.get(FORMER, ())]) for one in asked]
    return [
        [
            _wanted(one, each[number], is_ticked=one.action_id in ticked and number == 0)
            for one, each in said
            if number < len(each)
        ]
        for number in range(max((len(each) for _, each in said), default=0))
    ]


def _wanted(intention: Intention, here: Mapping[str, Any], *, is_ticked: bool) -> Wanted:
    return Wanted(
        key=intention.action_id,
        start=here["start"],
        duration=here["duration"],
        resource=here["resource"],
        appointment_type=here["appointment_type"],
        client_id=here["client_id"],
        pet_id=here["pet_id"],
        booker=intention.payload.get("booker") or Client(),
        booked_pet=intention.payload.get("booked_pet") or Pet(),
        stamp=intention.stamp,
        is_ticked=is_ticked,
    )


def _is_at(visit: Appointment, start: Instant, resource: object) -> bool:
    return visit.start == start and visit.resource == resource


def _is_of_these(visit: Appointment, client_id: object, pet_id: object) -> bool:
    """Whether a visit is of an owner and pet; a pet of several owners may stand on each of them."""
    return visit.pet_id == pet_id and (pet_id is not None or visit.client_id == client_id)


def _is_as(visit: Appointment, base: Mapping[str, Any]) -> bool:
    """Whether a visit that stands is of the same owner and pet, at the same time, as one that was read before."""
    return (
        visit.status is not AppointmentStatus.CANCELLED
        and _is_of_these(visit, base.get("client_id"), base.get("pet_id"))
        and visit.start == base.get("start")
        and visit.resource == base.get("resource")
    )


def _is_as_asked(record: Appointment, fields: Mapping[str, object]) -> bool:
    """Whether a visit has the values that were asked for, as far as the PIMS says them."""
    return all(getattr(record, name) in (value, None) for name, value in fields.items())


def _as_if_booked_so(wanted: Mapping[str, Any], record: Appointment) -> dict[str, Any]:
    """The booking as it would be if what stands were right: what differs from it is planned as a change of the
    booking then, and asked for; never the other way round."""
    typed = {name: getattr(record, name) for name in CARRIED - {STATUS}}
    return {
        **wanted,
        **{name: value for name, value in typed.items() if value is not None and wanted[name] is not None},
        **{name: getattr(record, name) for name in PEOPLE},
    }
