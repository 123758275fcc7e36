"""What is kept of a write, in the transaction that settles it: mirror, links, bases, questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vetbridge.core.planning import settle
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet, Record
from vetbridge.ledger import links, mirror, reviews
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Change, Link
from vetbridge.sync.comparing import standing_fields
from vetbridge.sync.job import Job
from vetbridge.sync.pair import Pair
from vetbridge.sync.writing import Keep


class Keeper:
    """Keeps what the writes of one pair did. Its methods are ``Keep``s, or run inside a transaction that is given."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def keeps(self, job: Job) -> dict[Kind, Keep]:
        """How each kind of record that a job may make is kept."""

        def visit(tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
            self._visit(tx, job, payload, record)

        return {Kind.CLIENT: self.client, Kind.PET: self.pet, Kind.APPOINTMENT: visit}

    def client(self, tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
        """A client that was made: a candidate from now on, and linked to the booking's client."""
        assert isinstance(record, Client)  # noqa: S101 - what the mapper makes of this kind
        assert record.id is not None  # noqa: S101 - the side gave it
        mirror.put(tx, self._pair.pims.account, [record])
        if payload.get("booking_client_id"):
            self._link(tx, Kind.CLIENT, str(payload["booking_client_id"]), record.id, "created")

    def pet(self, tx: Transaction, _payload: Mapping[str, Any], record: Record) -> None:
        """A pet that was made: known from now on."""
        assert isinstance(record, Pet)  # noqa: S101 - what the mapper makes of this kind
        mirror.put(tx, self._pair.pims.account, [record])

    def matched_client(self, tx: Transaction, booking_client_id: str, client_id: str, evidence: Any) -> None:
        """A client that was found; a link that stands already is left to stand."""
        if links.of_booking(tx, self._pair.booking.account, Kind.CLIENT, booking_client_id) is None:
            self._link(tx, Kind.CLIENT, booking_client_id, client_id, "matched", evidence=evidence)

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
        links.set_bases(
            tx,
            link,
            booking=settle(booking_base, wanted, held),
            pims=settle(pims_base, None if there is None else standing_fields(there), held),
            booking_mapping=self._pair.booking.mapper.digest,
            pims_mapping=self._pair.pims.mapper.digest,
            pims_version=there.version if there else None,
        )

    def _visit(self, tx: Transaction, job: Job, payload: Mapping[str, Any], record: Record) -> None:
        """A visit that was written: its link, its bases, and the question about it."""
        assert isinstance(record, Appointment)  # noqa: S101 - what the mapper makes of this kind
        assert record.id is not None  # noqa: S101 - the side gave it
        change = tx.session.get_one(Change, job.change_id)
        link = links.of_booking(tx, self._pair.booking.account, Kind.APPOINTMENT, job.remote_id)
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
        else:
            reviews.update(tx, change, booking=payload["booking"], visit_at=record.start.utc)
        self.bases(tx, link, payload["here"], record, frozenset(payload["held"]))

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
