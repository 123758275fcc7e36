"""Puts a visit that stands in the PIMS on its owner and pet; where the PIMS does not take it, staff are asked to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vetbridge.connector.interface import Operation, Relink
from vetbridge.core import normalise, notes
from vetbridge.core.errors import Refused
from vetbridge.core.records import Appointment, Kind, Pet
from vetbridge.ledger import changes, worklist
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change
from vetbridge.sync.job import Job
from vetbridge.sync.pair import Pair
from vetbridge.sync.writing import Keep, Step, Writer


class Relinker:
    """Relinks the visits of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, writer: Writer) -> None:
        self._pair = pair
        self._ledger = ledger
        self._writer = writer

    def relink(
        self,
        job: Job,
        there: Appointment,
        client_id: str | None,
        pet_id: str | None,
        payload: Mapping[str, Any],
        keep: Keep,
        *,
        text: str | None = None,
    ) -> Appointment | None:
        """Gives a visit another client and pet; returns it as it stands then.

        ``text``: new notes, for the same write. None where the PIMS does not do it: a line of the work list asks
        staff then, and the next read of the visit confirms it.
        """
        able = self._pair.pims.connector.capabilities.of(Kind.APPOINTMENT).relink
        record = None if able is Relink.NO else self._write(job, there, client_id, pet_id, payload, keep, text)
        stands_so = record is not None and record.pet_id == pet_id and self._is_with(record, client_id)
        if record is None or not stands_so:
            self.ask_staff(job, there, {"client_id": client_id, "pet_id": pet_id})
            return None
        self.as_wanted(job, record)
        return record

    def _write(
        self,
        job: Job,
        there: Appointment,
        client_id: str | None,
        pet_id: str | None,
        payload: Mapping[str, Any],
        keep: Keep,
        text: str | None,
    ) -> Appointment | None:
        """The visit as the PIMS has it after the write; None where it refused a write that nobody has seen work."""
        unverified = self._pair.pims.connector.capabilities.of(Kind.APPOINTMENT).relink is Relink.UNVERIFIED
        step = Step(
            kind=Kind.APPOINTMENT,
            operation=Operation.UPDATE,
            fields={"client_id": client_id, "pet_id": pet_id, **({} if text is None else {"notes": text})},
            remote_id=there.id,
            version=there.version,
            before=there,
            payload=payload,
            # A side of which nobody has seen that it can is not believed: it is read again.
            fresh=unverified,
        )
        try:
            record = self._writer.write(job, step, keep)
        except Refused:
            if unverified:
                return None
            raise
        assert isinstance(record, Appointment)  # noqa: S101 - what the mapper makes of this kind
        return record

    def ask_staff(self, job: Job, there: Appointment, wanted: Mapping[str, Any]) -> None:
        """Puts on the work list on whom a visit is to stand: ``client_id`` and ``pet_id``, or the pet alone where it
        stands on its owner; ``client`` and ``pet`` in words where the pet is new there."""
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            worklist.put(
                tx,
                tx.session.get_one(Change, job.change_id),
                account=self._pair.pims.account,
                kind=Kind.APPOINTMENT,
                remote_id=there.id or "",
                task=worklist.RELINK,
                details=wanted,
                visit_at=there.start.utc,
            )

    def as_wanted(self, job: Job, there: Appointment) -> bool:
        """Whether the visit stands on the client, or else the pet, whom the work list wants it on, if it wants one.

        The line is confirmed then; else it stands, whatever a person said.
        """
        if not self._is_asked_for(job):
            return True
        with self._ledger.read() as tx:
            line = worklist.standing(tx, job.record_id, worklist.RELINK)
            wanted = {} if line is None else worklist.detail(tx, line)
        is_so = self._stands_so(there, wanted)
        with self._ledger.write() as tx:
            if worklist.standing(tx, job.record_id, worklist.RELINK) is None:
                return True
            if is_so:
                why = "a read shows the visit on the client that was asked for"
                worklist.close(tx, job.record_id, worklist.RELINK, confirmed=True, why=why)
                return True
            worklist.not_done(tx, job.record_id, worklist.RELINK)
            return False

    def _stands_so(self, there: Appointment, wanted: Mapping[str, Any]) -> bool:
        if "pet" in wanted:  # a new one, which had no id when it was asked for
            pet = None if there.pet_id is None else self._pair.pims.read(Kind.PET, there.pet_id)
            name = normalise.pet_name(wanted["pet"]["name"])
            return isinstance(pet, Pet) and normalise.pet_name(pet.name) == name
        if "client_id" not in wanted:
            return bool(wanted.get("pet_id") == there.pet_id)
        if there.client_id == wanted["client_id"]:
            return True
        return wanted.get("pet_id") == there.pet_id and self._is_with(there, wanted["client_id"])

    def _is_with(self, there: Appointment, client_id: str | None) -> bool:
        """Whether a visit stands on a client, or on another who owns its pet, too."""
        if there.client_id == client_id:
            return True
        pet = None if there.pet_id is None else self._pair.pims.read(Kind.PET, there.pet_id)
        return isinstance(pet, Pet) and pet.is_owned_by(there.client_id) and pet.is_owned_by(client_id)

    def struck(self, job: Job, *, why: str) -> None:
        """What the work list asks for is no longer wanted."""
        if not self._is_asked_for(job):
            return
        with self._ledger.write() as tx:
            worklist.close(tx, job.record_id, worklist.RELINK, confirmed=False, why=why)

    def _is_asked_for(self, job: Job) -> bool:
        """Whether the work list has a line about the record; hardly any has, and the ledger has one writer."""
        with self._ledger.read() as tx:
            return worklist.standing(tx, job.record_id, worklist.RELINK) is not None


def without_block(text: str, comment: list[str]) -> str:
    """The notes of a visit that is on its owner now: staff's text, and what the booker wrote."""
    return notes.remove(text, leaving=comment)
