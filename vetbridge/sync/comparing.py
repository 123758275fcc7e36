"""What is compared: the content of a listing with what was settled, and a booking with its visit, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vetbridge.connector.interface import Native
from vetbridge.core import normalise, notes
from vetbridge.core.errors import MappingError
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.ledger import links
from vetbridge.ledger.content import plain
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import Link
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.wording import block_lines

CARRIED = frozenset({"start", "duration", "status", "appointment_type", "resource"})
"""Fields of a visit that flow both ways."""
PEOPLE = frozenset({"client_id", "pet_id"})
"""Fields of a visit that name people by ids of the PIMS. They are kept with the bases and never planned: whose visit
it is says the PIMS, and a person's answer."""


BOOKED_BY = "booked_by"
"""Field of a booking's base: the client at the booking side whose it is. It is kept and never planned, as well."""


WENT_TO = "went_to"
"""Field of a client's or a pet's base, beside what is compared: the records of the PIMS to which its pets or visits
went while it still stood."""
WAS = "was"
"""The same: the ids that it had in the PIMS before it was followed."""


FIELDS = CARRIED | PEOPLE | {"notes", BOOKED_BY}
"""All fields of the bases of a visit."""


def digest(sealer: Sealer, end: End, native: Native) -> str:
    """A keyed hash of the content of an appointment at one end: what a listing is compared with.

    A record that cannot be mapped has one, too, of what the side itself says.
    """
    try:
        record = end.mapper.read(Kind.APPOINTMENT, native)
    except MappingError:
        return sealer.hash(repr(native))
    return sealer.hash(repr(plain(replace(record, version=None))))


def shows_settled(sealer: Sealer, end: End, native: Native, settled: str) -> bool:
    """Whether a listing shows just the content whose digest was ``settled`` last.

    A mended mapping alone makes nothing new of it: what failed is replayed by a person, after a look.
    """
    return settled in (digest(sealer, end, native), sealer.hash(repr(native)))


def wanted_fields(
    here: Appointment, client_id: object, pet_id: object, *, unlinked: bool, origin: str = ""
) -> dict[str, object]:
    """The booking in the PIMS's terms, field by field; its notes are the text of VetBridge's block."""
    return {
        "start": here.start,
        "duration": here.duration,
        "status": here.status,
        "appointment_type": here.appointment_type,
        "resource": here.resource,
        "notes": "\n".join(block_lines(here, unlinked=unlinked, origin=origin)),
        "client_id": client_id,
        "pet_id": pet_id,
        BOOKED_BY: here.client_id,
    }


def standing_fields(there: Appointment) -> dict[str, object]:
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


def client_fields(client: Client, country: str) -> dict[str, object]:
    """A client, comparable across sides: one phone and one e-mail address, as they are matched by.

    A booking side may keep only one of each; a name may stand in one field or in two.
    """
    phones = normalise.phones(client.phones[0], country) if client.phones else ()
    return {
        "name": " ".join(client.full_name.split()),
        "phone": next(iter(phones), "") or next(iter(client.phones), ""),
        "email": normalise.email(client.emails[0]) or client.emails[0] if client.emails else "",
    }


def pet_fields(pet: Pet, _country: str = "") -> dict[str, object]:
    """A pet, comparable across sides."""
    return {"name": " ".join(pet.name.split()), "species": pet.species}


def planned(fields: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Of a visit's fields those that the planner compares."""
    if fields is None:
        return None
    return {name: value for name, value in fields.items() if name not in PEOPLE and name != BOOKED_BY}


def base_in_terms(
    link: Link, here: Appointment | None, there: Appointment | None, base: Mapping[str, object]
) -> dict[str, object] | None:
    """A link's booking as it is now, in the PIMS's terms; None where it is gone."""
    if here is None:
        return None
    client_id, pet_id = (
        (there.client_id, there.pet_id) if there is not None else (base.get("client_id"), base.get("pet_id"))
    )
    return wanted_fields(here, client_id, pet_id, unlinked=link.unlinked, origin=link.origin)


def booking_stamp(tx: Transaction, pair: Pair, booking_id: str) -> str:
    """The mark of a booking's visit: the same for every try at it, so that an earlier try can be found.

    Another one where the booking was linked before: what carries the first one is another visit.
    """
    before = links.ended(tx, pair.booking.account, Kind.APPOINTMENT, booking_id)
    again = f":{before}" if before else ""
    seed = f"stamp:{pair.booking.account}:{pair.pims.account}:{booking_id}{again}"
    return notes.make_stamp(tx.sealer.hash(seed).encode())


def stamp_of(record: Appointment) -> str:
    """VetBridge's own mark on a record, wherever the side keeps it; empty where it carries none."""
    if notes.STAMP.fullmatch(record.stamp):
        return record.stamp
    found = notes.find(record.notes)
    return found[0] if found else ""
