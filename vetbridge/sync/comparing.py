"""What is compared: the content of a listing with what was settled, and a booking with its visit, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vetbridge.connector.interface import Native
from vetbridge.core import notes
from vetbridge.core.errors import MappingError
from vetbridge.core.records import Appointment, Kind
from vetbridge.ledger.content import plain
from vetbridge.ledger.sealing import Sealer
from vetbridge.sync.pair import Pair
from vetbridge.sync.wording import linked_lines, unlinked_lines


def digest(sealer: Sealer, pair: Pair, native: Native) -> str:
    """A keyed hash of an appointment's content and of the mappings it goes through.

    It tells whether a listing shows anything new. A record that cannot be mapped has a digest, too: it is not tried
    again at every poll, but it is once the mapping has changed.
    """
    mapper = pair.booking.mapper
    try:
        content = repr(plain(replace(mapper.read(Kind.APPOINTMENT, native), version=None)))
    except MappingError:
        content = repr(native)
    return sealer.hash(f"{mapper.digest}/{pair.pims.mapper.digest}/{content}")


def wanted_fields(here: Appointment, client_id: object, pet_id: object, *, unlinked: bool) -> dict[str, object]:
    """The booking in the PIMS's terms, field by field; its notes are the text of VetBridge's block."""
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


def standing_fields(there: Appointment) -> Mapping[str, object]:
    """The visit as it stands in the PIMS, field by field; of its notes only VetBridge's block."""
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
