"""What is kept of a write, in the transaction that settles it: mirror, links, bases, questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from vetbridge.core.planning import STATUS, settle
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet, Record
from vetbridge.ledger import attached, links, mirror, reviews
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Change, Link
from vetbridge.sync import follow_ups, opting_out
from vetbridge.sync.comparing import BOOKED_BY, CARRIED, client_fields, pet_fields, standing_fields, wanted_fields
from vetbridge.sync.forgotten import require_known
from vetbridge.sync.job import Job
from vetbridge.sync.pair import Pair
from vetbridge.sync.wording import DESK, PAIRED
from vetbridge.sync.writing import FOUND, STOOD, Keep

AnyRecord = TypeVar("AnyRecord", Appointment, Client, Pet)


class Keeper:
    """Keeps what the writes of one pair did. Its methods are ``Keep``s, or run inside a transaction that is given."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def in_pims(self, job: Job) -> dict[Kind, Keep]:
        """How each kind of record that a job may write in the PIMS is kept."""

        def visit(tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
            self._visit(tx, job, payload, record)

        return {Kind.CLIENT: self.client, Kind.PET: self.pet, Kind.APPOINTMENT: visit}

    def at_booking(self, job: Job) -> dict[Kind, Keep]:
        """How each kind of record that a job may write at the booking side is kept."""

        def booking(tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
            self._booking(tx, job, payload, record)

        return {Kind.CLIENT: self.card, Kind.PET: self.listed_pet, Kind.APPOINTMENT: booking}

    # -- people in the PIMS

    def client(self, tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
        """A client that was made: a candidate from now on, and linked to the booking's client."""
        assert isinstance(record, Client)  # noqa: S101 - what the mapper makes of this kind
        assert record.id is not None  # noqa: S101 - the side gave it
        mirror.put(tx, self._pair.pims.account, [record])
        if payload.get("booking_client_id"):
            link = self._link(tx, Kind.CLIENT, str(payload["booking_client_id"]), record.id, "created")
            booker = payload.get("booker") or Client()
            self.people_bases(tx, link, booker, record)
            opting_out.met(tx, self._pair, link.booking_id, booker)

    def pet(self, tx: Transaction, _payload: Mapping[str, Any], record: Record) -> None:
        """A pet that was made: known from now on."""
        assert isinstance(record, Pet)  # noqa: S101 - what the mapper makes of this kind
        mirror.put(tx, self._pair.pims.account, [record])

    def matched_client(
        self, tx: Transaction, booking_client_id: str, client: Client, booker: Client, evidence: Any
    ) -> None:
        """A client that was found; a link that stands already is left to stand, but for one to a client who is gone
        or inactive: merged into this one, mostly."""
        standing = links.of_booking(tx, self._pair.booking.account, Kind.CLIENT, booking_client_id)
        if standing is not None and standing.pims_id != client.id:
            known = mirror.client(tx, self._pair.pims.account, standing.pims_id)
            if known is None or not known.client.active:
                links.end(tx, standing)
                standing = None
        if standing is None:
            link = self._link(tx, Kind.CLIENT, booking_client_id, client.id or "", "matched", evidence=evidence)
            self.people_bases(tx, link, booker, client)
            opting_out.met(tx, self._pair, booking_client_id, booker)

    def paired_client(self, tx: Transaction, here: Client, there: Client, evidence: Any) -> None:
        """A client that stood on both sides."""
        link = self._link(tx, Kind.CLIENT, here.id or "", there.id or "", PAIRED, evidence=evidence)
        self.people_bases(tx, link, here, there)
        opting_out.met(tx, self._pair, link.booking_id, here)

    def paired_pet(self, tx: Transaction, here: Pet, there: Pet, evidence: Any) -> None:
        """A pet that stood on both sides."""
        link = self._link(tx, Kind.PET, here.id or "", there.id or "", PAIRED, evidence=evidence)
        self.people_bases(tx, link, here, there)

    # -- people at the booking side

    def card(self, tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
        """A booking-side client that was made or changed: linked with the PIMS client it stands for."""
        assert isinstance(record, Client)  # noqa: S101 - what the mapper makes of this kind
        if "client" in payload:
            client = payload["client"]
            link = self._link(tx, Kind.CLIENT, record.id or "", client.id or "", str(payload.get("origin") or DESK))
            self.people_bases(tx, link, _as_written(record, payload), client, frozenset(payload.get("held", ())))
        if opting_out.SET_FOR in payload:
            opting_out.was_set(tx, self._pair, payload, record)

    def listed_pet(self, tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
        """A booking-side pet that was made or changed: linked with the PIMS pet it stands for."""
        assert isinstance(record, Pet)  # noqa: S101 - what the mapper makes of this kind
        pet = payload["pet"]
        link = self._link(tx, Kind.PET, record.id or "", pet.id or "", DESK)
        self.people_bases(tx, link, _as_written(record, payload), pet, frozenset(payload.get("held", ())))

    def people_bases(
        self, tx: Transaction, link: Link, here: Client | Pet, there: Client | Pet, held: frozenset[str] = frozenset()
    ) -> None:
        """Both bases of a client's or a pet's link as they are now, but for the fields that are not settled."""
        booking_base, pims_base = links.bases(tx, link)
        fields = client_fields if isinstance(there, Client) else pet_fields
        self._set_bases(
            tx,
            link,
            booking={
                **settle(booking_base, fields(here, self._pair.country), held),  # type: ignore[arg-type]
                **opting_out.kept(booking_base),
            },
            pims=settle(pims_base, fields(there, self._pair.country), held),  # type: ignore[arg-type]
            version=there.version,
        )

    # -- visits

    def bases(
        self,
        tx: Transaction,
        link: Link,
        wanted: Mapping[str, object] | None,
        there: Appointment | None,
        held: frozenset[str],
    ) -> None:
        """Both bases of a visit's link as they are now, but for the fields that are not settled."""
        booking_base, pims_base = links.bases(tx, link)
        pims = settle(pims_base, None if there is None else standing_fields(there), held)
        self._set_bases(
            tx,
            link,
            booking=settle(booking_base, wanted, held),
            pims=pims,
            version=there.version if there else None,
        )
        before = pims_base or {}
        owner_is_new = pims.get("client_id") != before.get("client_id")
        if owner_is_new and link.origin != PAIRED:
            follow_ups.made(tx, self._pair, link)
        if pims[STATUS] is AppointmentStatus.NO_SHOW and (owner_is_new or before.get(STATUS) != pims[STATUS]):
            follow_ups.missed(tx, self._pair, link)

    def _visit(self, tx: Transaction, job: Job, payload: Mapping[str, Any], record: Record) -> None:
        """A visit that was written in the PIMS: its link, its bases, and the question about it."""
        assert isinstance(record, Appointment)  # noqa: S101 - what the mapper makes of this kind
        assert record.id is not None  # noqa: S101 - the side gave it
        if payload.get("adopted"):
            return  # it has no counterpart at the booking side
        change = tx.session.get_one(Change, job.change_id)
        link = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id)
        if link is not None and link.pims_id != record.id:
            links.point(tx, link, pims_id=record.id)  # of two that were written one was removed
        if link is None:
            question = payload["question"]
            link = self._link(
                tx,
                Kind.APPOINTMENT,
                job.remote_id,
                record.id,
                str(payload["origin"]),
                stamp=str(payload["stamp"]),
                unlinked=question is not None,
                evidence=payload["evidence"],
            )
            if question is not None:
                reviews.ask(tx, change, why=str(question["why"]), visit_at=record.start.utc, question=question)
        elif record.status is AppointmentStatus.CANCELLED:
            reviews.close(tx, job.record_id, "the booking was cancelled")
        elif "booking" in payload:
            reviews.update(tx, change, booking=payload["booking"], visit_at=record.start.utc)
        if "unlinked" in payload:
            link.unlinked = bool(payload["unlinked"])
        self.bases(tx, link, payload["here"], _as_written(record, payload), frozenset(payload["held"]))
        card_id = (payload["here"] or {}).get(BOOKED_BY)
        if card_id is not None:  # what is sent in comes with the booking it is meant for
            attached.look_soon(tx, self._pair.booking.account, str(card_id))

    def _booking(self, tx: Transaction, job: Job, payload: Mapping[str, Any], record: Record) -> None:
        """A visit that was written at the booking side: its link and its bases."""
        assert isinstance(record, Appointment)  # noqa: S101 - what the mapper makes of this kind
        there: Appointment | None = payload["there"]
        account = self._pair.booking.account
        link = links.of_booking(tx, account, Kind.APPOINTMENT, record.id or "")
        if link is None and payload.get("stamp"):
            link = links.of_stamp(tx, account, str(payload["stamp"]))
            if link is not None:
                links.point(tx, link, booking_id=record.id)  # of two that were written one was removed
        if link is None:
            assert there is not None  # noqa: S101 - a visit of the PIMS is what is carried over
            link = self._link(
                tx, Kind.APPOINTMENT, record.id or "", there.id or "", DESK, stamp=str(payload["stamp"])
            )
        if record.status is AppointmentStatus.CANCELLED:
            reviews.close(tx, job.record_id, "the visit was cancelled in the PIMS")
        _, pims_base = links.bases(tx, link)
        people = standing_fields(there) if there is not None else pims_base or {}
        wanted = wanted_fields(
            _as_written(record, payload),
            people.get("client_id"),
            people.get("pet_id"),
            unlinked=link.unlinked,
            origin=link.origin,
        )
        self.bases(tx, link, wanted, there, frozenset(payload["held"]))

    # -- inside

    def _set_bases(
        self,
        tx: Transaction,
        link: Link,
        *,
        booking: Mapping[str, object],
        pims: Mapping[str, object],
        version: str | None,
    ) -> None:
        require_known(tx, link.booking_account, link.kind, link.booking_id)
        require_known(tx, link.pims_account, link.kind, link.pims_id)
        links.set_bases(
            tx,
            link,
            booking=booking,
            pims=pims,
            booking_mapping=self._pair.booking.mapper.digest,
            pims_mapping=self._pair.pims.mapper.digest,
            pims_version=version,
        )

    def _link(
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
        require_known(tx, self._pair.booking.account, kind, booking_id)
        require_known(tx, self._pair.pims.account, kind, pims_id)
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


def but_own(keepers: Mapping[Kind, Keep], key: str) -> dict[Kind, Keep]:
    """The same keepers, but for payloads that have ``key``: whoever wrote those keeps by itself what they did."""

    def either(keep: Keep) -> Keep:
        def kept(tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
            if key not in payload:
                keep(tx, payload, record)

        return kept

    return {kind: either(keep) for kind, keep in keepers.items()}


def later(_tx: Transaction, _payload: Mapping[str, Any], _record: Record) -> None:
    """The ``Keep`` of a write that is kept after it, together with what stands at the other side then."""


def _as_written(record: AnyRecord, payload: Mapping[str, Any]) -> AnyRecord:
    """A record as VetBridge's write left it: what people did to it before it was read back is a change of its own."""
    wrote, stood = payload.get("fields", {}), payload.get(STOOD)
    if isinstance(stood, type(record)):
        now = {name: getattr(record, name) for name in wrote}
        record = replace(stood, id=record.id, version=record.version, **now)
    elif isinstance(record, Appointment) and record.status is AppointmentStatus.CANCELLED and wrote.get(STATUS):
        record = replace(record, status=wrote[STATUS])
    if payload.get(FOUND):
        record = replace(record, **{name: wrote[name] for name in CARRIED if name in wrote})
    return record
