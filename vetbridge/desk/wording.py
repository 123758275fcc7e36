"""Words that several desks share: spans of time, why a person is asked, fields and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType

from vetbridge.connector.interface import Operation
from vetbridge.core import matching, normalise, planning
from vetbridge.core.answers import (
    ADOPT,
    BOOKED_BY_ANOTHER,
    BOTH_REMOVED,
    CANCELLED_HERE_OF_LATE,
    CANCELLED_THERE_OF_LATE,
    CLIENT_IS_ANOTHER,
    CLIENT_NOT_SHOWN,
    CLIENTS_NOT_MADE,
    COPIED,
    FUSE,
    MANY_ENDED,
    NO_SHOW_AHEAD,
    NOT_SHOWN,
    OFF_ITS_OWNER,
    PAIR_CLIENT,
    PAIR_VISIT,
    PET_OF_ANOTHER,
    PETS_NOT_MADE,
    PROPOSAL,
    REUSED,
    SLOT_TAKEN,
    TWICE,
    UNKNOWN_OUTCOME,
)
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.desk import language
from vetbridge.desk.language import phrase, phrases

_DAY, _HOUR, _MINUTE = 86400, 3600, 60
"""Seconds."""

_WHY: Mapping[str, str] = MappingProxyType(
    {
        "creating-clients-is-off": "the owner is new, and VetBridge may not create clients",
        "creating-pets-is-off": "the pet is new, and VetBridge may not create pets",
        CLIENTS_NOT_MADE: "the owner is new, and this practice system takes no new clients from outside",
        PETS_NOT_MADE: "the pet is new, and this practice system takes no new pets from outside",
        "pet-went-away": "a pet of that name, with which the client came before, is another client's now",
        "species-not-named": "the pet is new, and the booking does not say its species",
        "phone-not-readable": "the owner is new, and the booking's phone cannot be read as a number",
        "name-too-long": "the owner or the pet is new, and the name is too long to be one",
        FUSE: "so many cancellations, moves or changes at once that VetBridge stopped to ask",
        MANY_ENDED: "so many clients or pets ended in the PIMS at once that VetBridge stopped to ask",
        ADOPT: "another booking system left this visit in the PIMS without its owner",
        OFF_ITS_OWNER: "staff have put the visit back on the placeholder in the PIMS",
        BOOKED_BY_ANOTHER: "the booking was given to another client at the booking side",
        PET_OF_ANOTHER: "the pet that was chosen belongs to another client",
        PROPOSAL: "the client's name, phone or e-mail address was changed at the booking side",
        SLOT_TAKEN: "the other side says that the time is taken",
        TWICE: "a write whose answer was lost stands there twice",
        UNKNOWN_OUTCOME: "the answer to a write was lost, and VetBridge cannot look for what became of it",
        COPIED: "it carries VetBridge's mark of another visit, which stands at the same time",
        NOT_SHOWN: "a side shows neither the visit nor others near it: it was removed there, or rights are missing",
        REUSED: "the visit has another owner, another pet and another time at once: it may be another one",
        CLIENT_IS_ANOTHER: "the owner was known, but under that number the PIMS has somebody else now",
        CLIENT_NOT_SHOWN: "the owner was known, but the PIMS does not show the client now",
        PAIR_VISIT: "a booking and a visit in the PIMS, entered before VetBridge came, may be one and the same",
        PAIR_CLIENT: "a client of the booking side may stand in the PIMS already",
        "conflict": "it was changed in both places",
        "cancelled-here-begun-there": "cancelled online, but the visit has begun in the PIMS",
        "cancelled-here-changed-there": "cancelled online, but changed in the PIMS",
        "changed-here-cancelled-there": "changed online, but cancelled in the PIMS",
        "cancelled-here-moved-there": "cancelled online, but moved in the PIMS",
        "moved-here-cancelled-there": "moved online, but cancelled in the PIMS",
        CANCELLED_HERE_OF_LATE: "cancelled online, stands in the PIMS, and the restored ledger does not know why",
        CANCELLED_THERE_OF_LATE: "stands online, cancelled in the PIMS, and the restored ledger does not know why",
        BOTH_REMOVED: "it was typed twice, and both copies are cancelled in the PIMS: one was to stay",
        "cancel-not-allowed": "cancelled online, and VetBridge may not cancel in the PIMS",
        "counterpart-cancelled": "the visit that was found in the PIMS is cancelled",
        "reopened-here": "cancelled in both places, and stands again online",
        NO_SHOW_AHEAD: "marked as missed online, though the visit is still ahead: the owner may not be coming",
        "no-client-there": "the booking side takes no visit without a client, and the owner cannot be one there",
        "reopened-there": "cancelled in both places, and stands again in the PIMS",
    }
)

_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "start": "time",
        "duration": "length",
        "resource": "vet or room",
        "appointment_type": "appointment type",
        "client_id": "client",
        "pet_id": "pet",
        "notes": "comment",
        "given_name": "given name",
        "family_name": "family name",
        "phones": "phone",
        "emails": "e-mail address",
        "birth_date": "birth date",
        "name": "name",
        "phone": "phone",
        "email": "e-mail address",
        "species": "species",
        "breed": "breed",
        "sex": "sex",
        "status": "status",
        "client": "client",
        "pet": "pet",
        "remark": "remark",
        "reason": "reason",
    }
)

_STATUSES: Mapping[AppointmentStatus, str] = MappingProxyType(
    {
        AppointmentStatus.HELD: "held",
        AppointmentStatus.BOOKED: "booked",
        AppointmentStatus.CONFIRMED: "confirmed",
        AppointmentStatus.ARRIVED: "arrived",
        AppointmentStatus.COMPLETED: "completed",
        AppointmentStatus.NO_SHOW: "missed",
        AppointmentStatus.CANCELLED: "cancelled",
    }
)

_SPECIES: Mapping[str, str] = MappingProxyType(
    {
        "dog": "dog",
        "cat": "cat",
        "rabbit": "rabbit",
        "guinea_pig": "guinea pig",
        "hamster": "hamster",
        "ferret": "ferret",
        "bird": "bird",
        "horse": "horse",
        "reptile": "reptile",
        "other": "other species",
    }
)

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        Kind.CLIENT: "Client",
        Kind.PET: "Pet",
        Kind.APPOINTMENT: "Visit",
        Kind.ATTACHMENT: "Attachment",
        Kind.REMINDER: "Reminder",
        Kind.VACCINATION: "Vaccination",
    }
)
_WRITES: Mapping[str, str] = MappingProxyType(
    {
        Operation.CREATE: "{record} is made at {account}: {fields}",
        Operation.UPDATE: "{record} is changed at {account}: {fields}",
        Operation.CANCEL: "{record} is cancelled at {account}",
    }
)

LONGEST_VALUE = 60
"""Characters of a value that a sentence shows."""


def why(code: str) -> str:
    """Why a person is asked, in plain words; the code itself where nobody gave it words."""
    return phrase(_WHY.get(code) or matching.REASONS.get(code) or planning.REASONS.get(code) or code)


def span(seconds: float) -> str:
    """A span of time as people say it: ``42 minutes``, ``1 second``."""
    number, unit = _counted(seconds)
    match unit:
        case "day":
            return phrases("{count} day", "{count} days", number)
        case "hour":
            return phrases("{count} hour", "{count} hours", number)
        case "minute":
            return phrases("{count} minute", "{count} minutes", number)
        case _:
            return phrases("{count} second", "{count} seconds", number)


def ago(moment: datetime | None, now: datetime) -> str:
    """``12 minutes ago``; ``never`` where there was none."""
    if moment is None:
        return phrase("never")
    passed = (now - moment).total_seconds()
    if passed < 1:
        return phrase("just now")
    # Not made of ``span``: in other languages the number of days is said otherwise after "ago" or "in".
    number, unit = _counted(passed)
    match unit:
        case "day":
            return phrases("{count} day ago", "{count} days ago", number)
        case "hour":
            return phrases("{count} hour ago", "{count} hours ago", number)
        case "minute":
            return phrases("{count} minute ago", "{count} minutes ago", number)
        case _:
            return phrases("{count} second ago", "{count} seconds ago", number)


def ahead(moment: datetime, now: datetime) -> str:
    """``in 42 minutes``, or for a moment that is over ``12 minutes ago``."""
    if moment <= now:
        return ago(moment, now)
    number, unit = _counted((moment - now).total_seconds())
    match unit:
        case "day":
            return phrases("in {count} day", "in {count} days", number)
        case "hour":
            return phrases("in {count} hour", "in {count} hours", number)
        case "minute":
            return phrases("in {count} minute", "in {count} minutes", number)
        case _:
            return phrases("in {count} second", "in {count} seconds", number)


def _counted(seconds: float) -> tuple[int, str]:
    """A span of time in the largest unit of which it has two; else in seconds."""
    whole = max(0, int(seconds))
    for size, unit in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if whole >= 2 * size:
            return whole // size, unit
    return whole, "second"


def field_words(field: str) -> str:
    """A field's name as people say it."""
    if field in _FIELDS:
        return phrase(_FIELDS[field])
    return normalise.shown(field.replace("_", " "), LONGEST_VALUE)


def species_words(species: str | None) -> str:
    """A species as people say it; a word that a site has of its own as it stands there. Empty where none is known."""
    if not species:
        return ""
    return phrase(_SPECIES[species]) if species in _SPECIES else normalise.shown(species, LONGEST_VALUE)


def kind_words(kind: str) -> str:
    """What a record is, as people say it."""
    return phrase(_KINDS[kind]) if kind in _KINDS else kind


def record_words(kind: str, remote_id: str | None) -> str:
    """``Visit 4711``; without an id what it is."""
    return phrase("{kind} {number}", kind=kind_words(kind), number=remote_id) if remote_id else kind_words(kind)


def write_words(operation: str, kind: str, account: str, fields: Sequence[str], remote_id: str | None = None) -> str:
    """``Visit is made at ezyvet-city: time, comment``."""
    said = ", ".join(field_words(each) for each in fields)
    return phrase(_WRITES[operation], record=record_words(kind, remote_id), account=account, fields=said)


def value_words(value: object) -> str:
    """One field's value as people say it, on one line and not endless."""
    if value is None or value in ("", ()):
        return phrase("nothing")
    if isinstance(value, Instant):
        return language.moment(value.at_site())
    if isinstance(value, AppointmentStatus):
        return phrase(_STATUSES[value])
    if isinstance(value, bool):
        return phrase("yes") if value else phrase("no")
    if isinstance(value, int):
        # The only numbers of a record are lengths of time, in seconds.
        return span(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return normalise.shown(", ".join(str(each) for each in value), LONGEST_VALUE)
    return normalise.shown(str(value), LONGEST_VALUE)


def visit_words(moment: datetime | None) -> str:
    """``The visit of Tue 24 Nov 10:00``, to begin a sentence; ``moment`` is at the site's own time."""
    return phrase("The visit") if moment is None else phrase("The visit of {moment}", moment=language.moment(moment))


def visit_words_inside(moment: datetime | None) -> str:
    """The same inside a sentence: of whom or what it tells, never to whom something is done."""
    return phrase("the visit") if moment is None else phrase("the visit of {moment}", moment=language.moment(moment))
