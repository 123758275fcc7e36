"""Who a visit is about: kept, so that it is found by a name or a phone, also where it cannot be read as a whole."""

from __future__ import annotations

from typing import Any

from vetbridge.connector.interface import Native
from vetbridge.core.errors import MappingError
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.ledger import changes, subjects
from vetbridge.ledger.database import Ledger
from vetbridge.sync.forgotten import Forgotten, ending_of
from vetbridge.sync.job import Job
from vetbridge.sync.pair import End

_WHO = ("client_id", "pet_id", "start")
_BOOKER = ("given_name", "family_name", "phones", "emails")


def note_visit(ledger: Ledger, end: End, job: Job, visit: Appointment, country: str) -> None:
    """Keeps that a visit was read, when it begins, and who it is about.

    Of an owner who was forgotten only when it begins; then it raises ``Forgotten``.
    """
    with ledger.write() as tx:
        changes.seen(tx, job.change_id, visit_at=visit.start.utc)
        ending = ending_of(tx, end.account, job.remote_id, visit)
        if ending is None:
            subjects.note(tx, job.record_id, visit, country=country, account=end.account)
    if ending is not None:
        raise Forgotten(ending)


def note_unreadable(ledger: Ledger, end: End, job: Job, native: Native, country: str) -> None:
    """Keeps who a visit is about, as far as that can be read, where its mapping lacks something."""
    said = {name: _said(end, native, name) for name in _WHO}
    booker = {name: value for name in _BOOKER if (value := _said(end, native, f"booker.{name}"))}
    pet = _said(end, native, "booked_pet.name")
    start = said.pop("start")
    if not isinstance(start, Instant):
        return
    visit = Appointment(
        **said,
        booker=Client(**booker) if booker else None,
        booked_pet=Pet(name=pet) if pet else None,
        start=start,
        duration=0,
    )
    note_visit(ledger, end, job, visit, country)


def _said(end: End, native: Native, name: str) -> Any:
    if name not in end.mapper.readable(Kind.APPOINTMENT):
        return None
    try:
        return end.mapper.peek(Kind.APPOINTMENT, native, name)
    except MappingError:
        return None
