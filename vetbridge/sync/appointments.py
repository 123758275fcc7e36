"""Carries one appointment from the booking side to the PIMS: read, resolve, plan, guard, apply, settle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Operation, Unlinked
from vetbridge.core import normalise, notes
from vetbridge.core.matching import Match, Verdict
from vetbridge.core.planning import Outcome, Plan, Situation, plan, settle
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet, Record
from vetbridge.ledger import actions, changes, links, mirror, reviews
from vetbridge.ledger.content import plain
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import Change, ChangeState, Link
from vetbridge.sync.job import Ask, Ending, Job, PutOff
from vetbridge.sync.pair import Pair, Timings
from vetbridge.sync.resolving import Resolution, Resolver
from vetbridge.sync.wording import linked_lines, unlinked_lines
from vetbridge.sync.writing import Keep, Point, Step, Writer

WRITABLE = frozenset({"start", "duration", "appointment_type", "resource", "notes"})
"""Fields of a visit that a change at the booking side may change in the PIMS. The owner and the pet of a visit that
stands are not among them: they change by a person's answer only."""


_ENDINGS: Mapping[str, Ending] = {
    Operation.UPDATE: Ending(state=ChangeState.DONE, code="updated", message="changed in the PIMS"),
    Operation.CANCEL: Ending(state=ChangeState.DONE, code="cancelled", message="cancelled in the PIMS"),
}


def digest(sealer: Sealer, appointment: Appointment) -> str:
    """A keyed hash of an appointment's content, to tell whether a listing shows anything new."""
    return sealer.hash(repr(plain(replace(appointment, version=None))))


@dataclass(frozen=True, slots=True)
class Placement:
    """On whom a visit is written."""

    client_id: str | None
    """None: the PIMS takes a visit without an owner."""
    pet_id: str | None
    origin: str
    evidence: Sequence[Mapping[str, Any]] = ()
    """What spoke for the owner."""
    question: Mapping[str, Any] | None = None
    """What to ask a person, where the visit stands on the placeholder."""

    @property
    def unlinked(self) -> bool:
        """The visit stands without its owner, or on the placeholder."""
        return self.question is not None


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

    def work(self, job: Job, enter: Callable[[Job, str], None]) -> Ending:
        """Works on one change. ``enter(job, lane)`` takes the lane of the client that the read has shown."""
        here = self._read(job)
        self._point("read")
        if here is not None and here.client_id is not None:
            enter(job, changes.client_lane(self._pair.booking.account, here.client_id))
        self._writer.settle_unknown(job, self._keepers(job))
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
        if here is None:
            return ending
        return replace(ending, digest=digest(self._ledger.sealer, here), version=here.version)

    # -- read ---------------------------------------------------------------------------------------------------

    def _read(self, job: Job) -> Appointment | None:
        """The appointment now; None once it counts as gone."""
        end = self._pair.booking
        native = end.connector.get(Kind.APPOINTMENT, job.remote_id)
        if native is None:
            self._confirm_absence(job)
            return None
        record = end.mapper.read(Kind.APPOINTMENT, native)
        with self._ledger.write() as tx:
            changes.seen(tx, job.change_id, visit_at=record.start.utc)
        return record

    def _confirm_absence(self, job: Job) -> None:
        """Gone only after two misses a set time apart, while another known record still reads."""
        apart = timedelta(seconds=self._timings.absence_confirm)
        with self._ledger.write() as tx:
            since = changes.missed(tx, job.record_id)
            witness = changes.witness(tx, job.record_id)
        now = self._clock.now()
        if now < since + apart:
            raise PutOff(
                since + apart,
                "not-found",
                "the booking side does not show it; it is asked once more before it counts as gone",
            )
        if witness is None or self._pair.booking.connector.get(Kind.APPOINTMENT, witness) is None:
            raise PutOff(
                now + apart,
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
        placement = self._place(job, here, self._resolver.resolve(here))
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
        keys = [number for text in booker.phones if (number := normalise.phone(text, self._pair.country))]
        keys += [address for text in booker.emails if (address := normalise.email(text))]
        with self._ledger.write() as tx:
            free = actions.reserve(tx, self._pair.pims.account, "contact", keys, job.record_id)
        if not free:
            raise PutOff(
                self._clock.now() + timedelta(seconds=self._timings.busy),
                "contact-reserved",
                "another booking with the same phone or e-mail is being written",
            )

    def _place(self, job: Job, here: Appointment, resolution: Resolution) -> Placement:
        """Decides on whom the visit is written, making the owner and the pet where they are new."""
        blocker = self._cannot_create(here, resolution)
        if resolution.verdict is Verdict.REVIEW or blocker:
            return self._unlinked(here, resolution.match, blocker or resolution.match.reason)
        client = resolution.client or self._create_client(job, here)
        pet = resolution.pet or self._create_pet(job, here, client)
        assert client.id is not None  # noqa: S101 - read from the PIMS
        assert pet.id is not None  # noqa: S101 - read from the PIMS
        if resolution.client is not None:
            self._link_client(here, client, resolution.match)
        origin = "matched" if resolution.client else "created"
        return Placement(client.id, pet.id, origin, _evidence(resolution.match.evidence))

    def _cannot_create(self, here: Appointment, resolution: Resolution) -> str:
        """Why the owner or the pet that is missing may not be made; empty when nothing stands against it."""
        if resolution.verdict is Verdict.REVIEW or resolution.pet is not None:
            return ""
        if resolution.client is None and not self._pair.may_create_clients:
            return "creating-clients-is-off"
        if not self._pair.may_create_pets:
            return "creating-pets-is-off"
        if here.booked_pet is None or not here.booked_pet.name.strip():
            return "pet-not-named"
        if here.booked_pet.species is None:
            return "species-not-named"
        return ""

    def _unlinked(self, here: Appointment, match: Match, why: str) -> Placement:
        question = {
            "why": why,
            "words": match.words,
            "booking": here,
            "candidates": [_candidate(c) for c in match.candidates],
        }
        able = self._pair.pims.connector.capabilities.of(Kind.APPOINTMENT).unlinked
        if able is Unlinked.PLACEHOLDER and self._pair.placeholder is not None:
            return Placement(
                self._pair.placeholder.client_id, self._pair.placeholder.pet_id, "placeholder", question=question
            )
        if able is Unlinked.YES:
            return Placement(None, None, "unlinked", question=question)
        raise Ask(why, "the owner is not certain, and the PIMS has no placeholder to hold the visit", question)

    def _create_client(self, job: Job, here: Appointment) -> Client:
        booker = here.booker or Client()
        phones = tuple(normalise.phone(text, self._pair.country) or text for text in booker.phones)
        fields = {
            "given_name": booker.given_name,
            "family_name": booker.family_name,
            "phones": phones,
            "emails": booker.emails,
        }
        step = Step(
            kind=Kind.CLIENT,
            operation=Operation.CREATE,
            fields={name: value for name, value in fields.items() if value},
            payload={"booking_client_id": here.client_id},
        )
        record = self._writer.write(job, step, self._keep_client)
        assert isinstance(record, Client)  # noqa: S101 - what the mapper makes of this kind
        return record

    def _create_pet(self, job: Job, here: Appointment, client: Client) -> Pet:
        pet = here.booked_pet or Pet()
        fields = {
            "client_id": client.id,
            "name": pet.name,
            "species": pet.species,
            "breed": pet.breed,
            "sex": pet.sex,
            "birth_date": pet.birth_date,
        }
        writable = self._pair.pims.mapper.writable(Kind.PET)
        step = Step(
            kind=Kind.PET,
            operation=Operation.CREATE,
            fields={name: value for name, value in fields.items() if value and name in writable},
            payload={},
        )
        record = self._writer.write(job, step, self._keep_pet)
        assert isinstance(record, Pet)  # noqa: S101 - what the mapper makes of this kind
        return record

    def _link_client(self, here: Appointment, client: Client, match: Match) -> None:
        if here.client_id is None or client.id is None:
            return
        with self._ledger.write() as tx:
            if links.of_booking(tx, self._pair.booking.account, Kind.CLIENT, here.client_id) is None:
                self._put_link(
                    tx, Kind.CLIENT, here.client_id, client.id, "matched", evidence=_evidence(match.evidence)
                )

    def _write_visit(self, job: Job, here: Appointment, placement: Placement) -> None:
        stamp = self._stamp(job)
        wanted = self._wanted(here, placement.client_id, placement.pet_id, unlinked=placement.unlinked)
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
            },
        )
        self._writer.write(job, step, self._keepers(job)[Kind.APPOINTMENT])

    # -- a booking that stands in the PIMS ----------------------------------------------------------------------

    def _follow(self, job: Job, here: Appointment | None, link: Link) -> Ending:
        end = self._pair.pims
        native = end.connector.get(Kind.APPOINTMENT, link.pims_id)
        there = None if native is None else end.mapper.read(Kind.APPOINTMENT, native)
        with self._ledger.read() as tx:
            booking_base, pims_base = links.bases(tx, link)
        base = booking_base or {}
        wanted = None
        if here is not None:
            wanted = self._wanted(here, base.get("client_id"), base.get("pet_id"), unlinked=link.unlinked)
        decision = plan(
            Situation(
                base_here=booking_base,
                here=wanted,
                base_there=pims_base,
                there=None if there is None else _standing(there),
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
        payload = {"here": wanted, "held": sorted(decision.held)}
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
            self._writer.write(job, step, self._keepers(job)[Kind.APPOINTMENT])
            self._refresh_question(job, here)
            return _ENDINGS[Operation.UPDATE]
        if decision.outcome is Outcome.CANCEL:
            reason = (here.cancel_reason if here else "") or "Cancelled online."
            step = Step(
                kind=Kind.APPOINTMENT,
                operation=Operation.CANCEL,
                fields={"by": (here.cancelled_by if here else "") or "client", "reason": reason},
                remote_id=link.pims_id,
                payload=payload,
            )
            self._writer.write(job, step, self._keepers(job)[Kind.APPOINTMENT])
            self._close_question(job, "the booking was cancelled")
            return _ENDINGS[Operation.CANCEL]
        if decision.outcome is Outcome.BASES:
            with self._ledger.write() as tx:
                self._set_bases(tx, tx.session.get_one(Link, link.id), wanted, there, decision.held)
            if there is None or there.status is AppointmentStatus.CANCELLED:
                self._close_question(job, "the visit is cancelled on both sides")
            return Ending(state=ChangeState.DONE, code="agreed", message="both sides already agree")
        if decision.outcome is Outcome.QUESTION:
            question = {"why": decision.reason, "booking": here, "pims": there, "fields": sorted(decision.conflicts)}
            raise Ask(decision.reason, "it was changed in both places", question)
        return Ending(state=ChangeState.SKIPPED, code=decision.reason, message="nothing to write")

    # -- what is kept -------------------------------------------------------------------------------------------

    def _keepers(self, job: Job) -> dict[Kind, Keep]:
        def keep_visit(tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
            self._keep_visit(tx, job, payload, record)

        return {Kind.CLIENT: self._keep_client, Kind.PET: self._keep_pet, Kind.APPOINTMENT: keep_visit}

    def _keep_client(self, tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
        assert isinstance(record, Client)  # noqa: S101 - what the mapper makes of this kind
        assert record.id is not None  # noqa: S101 - the side gave it
        mirror.put(tx, self._pair.pims.account, [record])
        if payload.get("booking_client_id"):
            self._put_link(tx, Kind.CLIENT, str(payload["booking_client_id"]), record.id, "created")

    def _keep_pet(self, tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
        assert isinstance(record, Pet)  # noqa: S101 - what the mapper makes of this kind
        mirror.put(tx, self._pair.pims.account, [record])

    def _keep_visit(self, tx: Transaction, job: Job, payload: Mapping[str, Any], record: Record) -> None:
        assert isinstance(record, Appointment)  # noqa: S101 - what the mapper makes of this kind
        assert record.id is not None  # noqa: S101 - the side gave it
        link = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id)
        if link is None:
            link = self._put_link(
                tx,
                Kind.APPOINTMENT,
                job.remote_id,
                record.id,
                str(payload["origin"]),
                stamp=str(payload["stamp"]),
                unlinked=payload["question"] is not None,
                evidence=payload["evidence"],
            )
            if payload["question"] is not None:
                question = payload["question"]
                change = tx.session.get_one(Change, job.change_id)
                reviews.ask(tx, change, why=str(question["why"]), visit_at=record.start.utc, question=question)
        self._set_bases(tx, link, payload["here"], record, frozenset(payload.get("held", ())))

    def _put_link(
        self,
        tx: Transaction,
        kind: Kind,
        booking_id: str,
        pims_id: str,
        origin: str,
        *,
        stamp: str = "",
        unlinked: bool = False,
        evidence: Any = None,
    ) -> Link:
        return links.put(
            tx,
            site=self._pair.site,
            kind=kind,
            booking_account=self._pair.booking.account,
            booking_id=booking_id,
            pims_account=self._pair.pims.account,
            pims_id=pims_id,
            origin=origin,
            stamp=stamp,
            unlinked=unlinked,
            evidence=evidence,
        )

    def _set_bases(
        self,
        tx: Transaction,
        link: Link,
        wanted: Mapping[str, object] | None,
        there: Appointment | None,
        held: frozenset[str],
    ) -> None:
        booking_base, pims_base = links.bases(tx, link)
        links.set_bases(
            tx,
            link,
            booking=settle(booking_base, wanted, held),
            pims=settle(pims_base, None if there is None else _standing(there), held),
            booking_mapping=self._pair.booking.mapper.digest,
            pims_mapping=self._pair.pims.mapper.digest,
            pims_version=there.version if there else None,
        )

    def _refresh_question(self, job: Job, here: Appointment | None) -> None:
        """An open question shows the booking as it is now."""
        if here is None:
            return
        with self._ledger.write() as tx:
            item = reviews.open_item(tx, job.record_id)
            if item is not None:
                question = {**reviews.question(tx, item), "booking": here}
                change = tx.session.get_one(Change, job.change_id)
                reviews.ask(tx, change, why=item.why, visit_at=here.start.utc, question=question)

    def _close_question(self, job: Job, why: str) -> None:
        with self._ledger.write() as tx:
            reviews.close(tx, job.record_id, why)

    # -- what is compared ---------------------------------------------------------------------------------------

    def _stamp(self, job: Job) -> str:
        """The same for every try at the same booking, so that an earlier try can be found."""
        seed = f"stamp:{self._pair.booking.account}:{self._pair.pims.account}:{job.remote_id}"
        return notes.make_stamp(self._ledger.sealer.hash(seed).encode())

    def _wanted(self, here: Appointment, client_id: object, pet_id: object, *, unlinked: bool) -> dict[str, object]:
        """The booking in the PIMS's terms, field by field."""
        lines = unlinked_lines(here) if unlinked else linked_lines(here)
        return {
            "start": here.start,
            "duration": here.duration,
            "status": here.status,
            "appointment_type": here.appointment_type,
            "resource": here.resource,
            "notes": "\n".join(lines),
            "client_id": client_id,
            "pet_id": pet_id,
        }


def _written(origin: str, *, unlinked: bool) -> Ending:
    """How a change ends whose visit was written for the first time."""
    if unlinked:
        message = f"written to the PIMS ({origin}); a person has to say whose it is"
        return Ending(state=ChangeState.REVIEW, code=origin, message=message)
    return Ending(state=ChangeState.DONE, code=origin, message=f"written to the PIMS ({origin})")


def _standing(there: Appointment) -> dict[str, object]:
    """The visit as it stands in the PIMS, field by field; of its notes only our block."""
    found = notes.find(there.notes)
    return {
        "start": there.start,
        "duration": there.duration,
        "status": there.status,
        "appointment_type": there.appointment_type,
        "resource": there.resource,
        "notes": found[1] if found else "",
        "client_id": there.client_id,
        "pet_id": there.pet_id,
    }


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _evidence(evidence: Any) -> list[dict[str, Any]]:
    return [
        {"field": e.field, "here": e.here, "there": e.there, "level": e.level, "weight": e.weight, "words": e.words}
        for e in evidence
    ]


def _candidate(candidate: Any) -> dict[str, Any]:
    return {
        "client_id": candidate.client_id,
        "pet_id": candidate.pet_id,
        "score": candidate.score,
        "vetoes": list(candidate.vetoes),
        "evidence": _evidence(candidate.evidence),
    }
