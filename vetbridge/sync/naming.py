"""Who a visit is about that cannot be read as a whole: by a name or a phone it is found all the same."""

from __future__ import annotations

from typing import Any

from vetbridge.connector.interface import Native
from vetbridge.core.errors import MappingError
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.ledger import changes, subjects
from vetbridge.ledger.database import Ledger
from vetbridge.sync.job import Job
from vetbridge.sync.pair import End

_WHO = ("client_id", "pet_id", "start")
_BOOKER = ("given_name", "family_name", "phones", "emails")


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
    with ledger.write() as tx:
        changes.seen(tx, job.change_id, visit_at=start.utc)
        subjects.note(tx, job.record_id, visit, country=country, account=end.account)


def _said(end: End, native: Native, name: str) -> Any:
    if name not in end.mapper.readable(Kind.APPOINTMENT):
        return None
    try:
        return end.mapper.peek(Kind.APPOINTMENT, native, name)
    except MappingError:
        return None
