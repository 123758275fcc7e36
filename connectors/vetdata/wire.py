"""VetData's rows, and the flat records that are made of them (pulse.md, section 5). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from vetbridge.connector import odata
from vetbridge.connector.interface import Native
from vetbridge.connector.odata import Dialect

CLIENTS, PATIENTS, RELATIONSHIPS = "Clients", "Patients", "ClientPatientRelationships"
TRANSACTIONS, CODES = "Transactions", "Codes"
V3 = Dialect.V3

CREATED, CHANGED, REMOVED = "APICreateDate", "APILastChangeDate", "APIRemovedDate"
"""The feed's own dates of a row: the second is empty until the first change, the third until it is removed."""

SPECIES: Mapping[str, str] = {
    code: code.capitalize() for code in ("CANINE", "FELINE", "AVIAN", "RODENT", "REPTILE", "RABBIT", "UNKNOWN")
}
SEXES: Mapping[str, str] = {"M": "Male", "F": "Female", "N": "Neutered", "S": "Spayed"}
"""Codes that one clinic's rows were seen to bear."""

MOST_ITEMS = 50
"""Phones, mail addresses or owners of one record."""
YEARS = range(1900, 2200)
"""A day outside of these stands for none, as databases have them for fields that must not be empty."""
_API_YEARS = range(2000, 2200)
"""The same of the feed's own dates."""
_DEEPEST = 4
_TICK = timedelta(seconds=1)
_LONGEST_ID = 255


class Unreadable(Exception):
    """A row that makes no record. The words name a field and hold no value."""


class Cut(Unreadable):
    """The row lacks fields that every such row has."""


@dataclass(frozen=True, slots=True)
class Keys:
    """By which number the records of a practice are known."""

    own: str
    """The field of a client or a patient."""
    client: str
    """The field that names a client elsewhere."""
    patient: str
    is_number: bool | None
    """Whether a filter has it as a number; None: its form tells."""

    def literal(self, key: str) -> int | str | UUID | None:
        """A key as a filter compares it; None: no record can have it."""
        if self.is_number is None:
            return literal(key)
        if not self.is_number:
            return key if is_key(key) else None
        return int(key) if _is_number(key) else None


def keys(kind: str, *, numeric: bool) -> Keys:
    """``kind``: the option ``keys``."""
    if kind == "pms":
        return Keys("PmsId", "ClientPmsId", "PatientPmsId", numeric)
    return Keys("Id", "ClientId", "PatientId", None)


def literal(key: str) -> int | UUID | None:
    """An ``Id`` of the feed's as a filter compares it, None where none is so: whether it is a number or a GUID is not
    documented, so its form tells."""
    if _is_number(key):
        return int(key)
    try:
        return UUID(key) if len(key) == 36 else None
    except ValueError:
        return None


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) < 19 and str(int(key)) == key


def is_key(text: str) -> bool:
    """Whether a record can have such a key."""
    return 0 < len(text) <= _LONGEST_ID and text.isprintable() and text == text.strip()


def key(row: Native, field: str) -> str | None:
    """A key that stands in a row, as text; None where there is none."""
    told = row.get(field)
    if isinstance(told, bool) or not isinstance(told, str | int):
        return None
    text = str(told).strip()
    return text if is_key(text) else None


def feed_id(row: Native) -> str | None:
    """The feed's own key of a row."""
    return key(row, "Id")


# -- when a row changed


def stamp(row: Native) -> datetime | None:
    """The newest of a row's dates, by the feed's clock, in UTC where it tells an offset; None: it has none."""
    return max((each for name in (CREATED, CHANGED, REMOVED) if (each := _plain(row.get(name)))), default=None)


def is_since(row: Native, asked: datetime) -> bool:
    """Whether a row passes the filter of ``since``."""
    newest = stamp(row)
    return newest is not None and newest >= asked - _TICK


def since(asked: datetime) -> str:
    """The condition of rows that were made, changed or removed at a moment of the feed's clock or later."""
    return odata.any_of(*(V3.at_least(name, asked) for name in (CHANGED, CREATED, REMOVED)))


def digest(row: Native) -> bytes:
    """Of all that a row says; what the answer says about itself (``odata.etag``) left out."""
    return hashlib.blake2b(repr(_said(row)).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _said(value: Any, depth: int = 0) -> Any:
    """What is read of a row stands no deeper than in the items of a list in it."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return sorted((name, _said(each, depth + 1)) for name, each in value.items() if "odata." not in name)
    return [_said(each, depth + 1) for each in value] if isinstance(value, list) else value


STANDING = V3.equals(REMOVED, None)
"""The condition of rows that were not removed."""


def is_removed(row: Native) -> bool:
    """Whether a row is a tombstone."""
    return row.get(REMOVED) not in (None, "")


def _plain(told: Any) -> datetime | None:
    moment = odata.moment(told)
    if moment is None or moment.year not in _API_YEARS:
        return None
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


# -- records


def client(row: Native, by: Keys, *, expanded: bool) -> Native:
    """The flat record of a client. Raises ``Unreadable``."""
    _complete(row, "FirstName", "LastName", *(("Phones", "Emails") if expanded else ()))
    native: Native = {
        "id": key(row, by.own),
        "first_name": _text(row, "FirstName"),
        "last_name": _text(row, "LastName"),
        "phones": [number for item in _preferred(row, "Phones") if (number := _number(item))] if expanded else [],
        "emails": [text for item in _preferred(row, "Emails") if (text := _text(item, "Address"))]
        if expanded
        else [],
        "significant_other": [other] if (other := _text(row, "SignificantOther")) else [],
        "entered_on": _day(row, "EnteredDate"),
        "active": not (is_removed(row) or _flag(row, "Deleted") or _flag(row, "Inactive")),
        "suspend_reminders": _flag(row, "SuspendReminders") if row.get("SuspendReminders") is not None else None,
    }
    return _versioned(native)


def patient(row: Native, owners: Sequence[str], by: Keys) -> Native:
    """The flat record of a patient with its owners, the one who is asked first at the beginning. Raises
    ``Unreadable``."""
    _complete(row, "Name")
    native: Native = {
        "id": key(row, by.own),
        "client_id": owners[0] if owners else None,
        "co_owner_ids": list(owners[1:]),
        "name": _text(row, "Name"),
        "species": _text(row, "Species"),
        "breed": _text(row, "BreedDescription") or _text(row, "Breed"),
        "gender": _text(row, "Gender"),
        "born_on": _day(row, "DateOfBirth"),
        "deceased": _flag(row, "IsDeceased") or _day(row, "DateOfDeath") is not None,
        "active": not (is_removed(row) or _flag(row, "Deleted") or _flag(row, "Inactive")),
    }
    return _versioned(native)


def vaccination(row: Native, by: Keys, due_after_days: Mapping[str, int]) -> Native:
    """The flat record of a line that is a vaccination. What was voided or given back is none any more. Raises
    ``Unreadable``."""
    _complete(row, "Code", "TransactionDate", by.patient)
    code, given = code_of(row), _day(row, "TransactionDate")
    after = due_after_days.get(code or "")
    due = None if given is None or after is None else date.fromisoformat(given) + timedelta(days=after)
    native: Native = {
        "id": feed_id(row),
        "pet_id": key(row, by.patient),
        "code": code,
        "description": _text(row, "Description"),
        "given_on": given,
        "due_on": str(due) if due is not None and due.year in YEARS else None,
        "active": not (is_removed(row) or _flag(row, "IsVoided") or _is_given_back(row)),
    }
    return _versioned(native)


def code_of(row: Native) -> str | None:
    """The code of a line, or of the catalogue."""
    return key(row, "Code")


def owners(rows: Iterable[Native], by: Keys, today: date, types: Sequence[str] = ()) -> Sequence[str]:
    """Who owns a patient today, by its relationships: first the one who is asked first, then the others by their
    share. On the day of ``EndDate`` an owner is one no more. Raises ``Unreadable``.

    The primary owner goes first; of several, or of none, who has the largest share; of equal ones, the lowest key.
    """
    shares: dict[str, tuple[bool, float]] = {}
    for row in rows:
        owner = key(row, by.client)
        if owner is not None and _owns(row, today, types):
            is_primary, share = shares.get(owner, (False, 0.0))
            shares[owner] = (is_primary or _flag(row, "IsPrimary"), max(share, _share(row)))

    def rank(owner: str) -> tuple[bool, float, int, str]:
        is_primary, share = shares[owner]
        return not is_primary, -share, len(owner) if owner.isdigit() else 0, owner

    return sorted(shares, key=rank)[:MOST_ITEMS]


def _owns(row: Native, today: date, types: Sequence[str]) -> bool:
    begins, ends = _day(row, "StartDate"), _day(row, "EndDate")
    if is_removed(row) or (ends is not None and ends <= str(today)) or (begins is not None and begins > str(today)):
        return False
    return not types or (_text(row, "Type") or "") in types


def _share(row: Native) -> float:
    told = row.get("Percentage")
    if told is None:
        return 0.0
    try:
        share = float(told) if isinstance(told, int | float | str) and not isinstance(told, bool) else -1.0
    except (ValueError, OverflowError):
        share = -1.0
    if not 0 <= share <= 1_000:
        raise Unreadable("Percentage is none")
    return share


def _is_given_back(row: Native) -> bool:
    told = row.get("Quantity")
    try:
        return isinstance(told, int | float | str) and not isinstance(told, bool) and float(told) < 0
    except (ValueError, OverflowError):
        raise Unreadable("Quantity is no number") from None


def _preferred(row: Native, field: str) -> list[Native]:
    """The items inside of a row that were not removed, those that are marked as primary first."""
    items = row[field]
    if not isinstance(items, list):
        raise Cut(f"{field} is no list")
    standing = [item for item in items if isinstance(item, dict) and not is_removed(item)]
    return sorted(standing, key=lambda item: not _flag(item, "IsPrimary"))[:MOST_ITEMS]


def _number(item: Native) -> str | None:
    """A phone number; the field had another name once."""
    return _text(item, "Number") or _text(item, "PhoneNumber")


def _complete(row: Native, *fields: str) -> None:
    missing = [field for field in fields if field not in row]
    if missing:
        raise Cut(f"it lacks {', '.join(missing)}")


def _text(row: Native, field: str) -> str | None:
    told = row.get(field)
    if told is None:
        return None
    if isinstance(told, bool) or not isinstance(told, str | int):
        raise Unreadable(f"{field} is no text")
    return str(told).strip() or None


def _flag(row: Native, field: str) -> bool:
    """Yes or no; what is not said is no."""
    told = row.get(field)
    if told is None or isinstance(told, bool):
        return bool(told)
    if told in (0, 1):
        return bool(told)
    if isinstance(told, str) and told.strip().lower() in ("true", "false", "1", "0"):
        return told.strip().lower() in ("true", "1")
    raise Unreadable(f"{field} is neither true nor false")


def _day(row: Native, field: str) -> str | None:
    told = row.get(field)
    if told is None or told == "":
        return None
    moment = odata.moment(told)
    if moment is None:
        raise Unreadable(f"{field} is no date")
    return str(moment.date()) if moment.year in YEARS else None


def _versioned(native: Native) -> Native:
    said = repr(sorted(native.items())).encode("utf-8", "surrogatepass")
    return {**native, "version": hashlib.sha256(said).hexdigest()[:24]}
