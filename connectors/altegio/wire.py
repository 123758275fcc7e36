"""Altegio's native shapes, and what they are made into for the mapping.

Pure: no I/O, no clock. Reads are lenient, because Altegio sends empty objects as ``[]``, numbers as text and times
in five spellings (altegio.md, sections 1 and 8). What a mapping table cannot say is said here:

- a record's state is one word: ``deleted``, or its attendance as text;
- a time is the wall time of ``date``: the offset of ``datetime`` is known to be wrong at times (section 8.1);
- a name that stands whole in one field is split;
- the pet of a visit stands in custom fields of the record, a client's pets in a text field of the client.

Lenient does not mean guessing. Where a field that says whose a record is, or whether it stands, is missing or of a
shape that nobody knows, the record is ``Unreadable``: an owner that cannot be read must not pass for no owner.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from connectors.altegio import pets_field
from vetbridge.connector.interface import Native
from vetbridge.core import notes
from vetbridge.core.instants import Instant

DELETED: Final = "deleted"
"""State of a deleted record, beside the attendance codes "0" waiting, "1" came, "2" confirmed, "-1" no-show."""

ATTENDANCE: Final = {"0": 0, "1": 1, "2": 2, "-1": -1, "held": 0, "completed": 1}
"""What is written for a state. ``held`` and ``completed`` are never read: Altegio knows no difference between held
and booked, nor between arrived and completed (section 3.7)."""

FIELD_LIMIT: Final = pets_field.LIMIT
"""Characters of a text custom field (section 3.9)."""

LONGEST_WORDS: Final = 2000
"""Characters of a file's description that are read."""

LONGEST_VISIT: Final = timedelta(days=2)
"""A longer length is a mistake and holds no slot; a day in which clocks go back has 25 hours."""

UNREADABLE: Final = "unreadable"
"""Stands for a state or a length of a shape that nobody knows. No mapping has it, so the visit fails by that
field."""

NEEDED: Final = (
    ("client",),
    ("services",),
    ("staff_id",),
    ("date", "datetime"),
    ("seance_length", "length"),
    ("attendance", "visit_attendance"),
    ("deleted",),
    ("comment",),
    ("custom_fields",),
)
"""What every record has, in one field or another (section 3.7). Where it is missing the answer was cut, and reading
that as "none" or "no" would take a visit from its owner, or let a deleted one stand."""

STAMP_PREFIX: Final = "822"
"""How VetBridge's marks begin as numbers, so that another integrator's number is not taken for one."""

STAMP_LETTERS: Final = 10
"""Letters of a mark behind ``VB-``: five bits each, so that a mark has sixteen digits at most."""

_WALL = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(:\d{2})?", re.ASCII)
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_STAMP_NUMBER = re.compile(r"822[0-9]{16}", re.ASCII)
_INITIAL = re.compile(r"\w\.?")
_MASK = re.compile(r"[*•…]")
_PHONE_MASK = re.compile(r"[*•…#]|[xXхХ]{2}")
_FLOAT = re.compile(r"[+]?[0-9]+[.]0+", re.ASCII)
_LARGEST_FLOAT = 2**53
"""Above it a number with a fraction part has lost digits: an id or a phone of such a number is another one's."""

_CARD_RESENT = (
    "surname",
    "middle_name",
    "patronymic",
    "email",
    "gender_id",
    "comment",
    "discount",
    "importance_id",
    "card",
    "sms_check",
)
"""Fields of a card that a full update sends back as they were read. Not ``spent`` and ``balance``: the server
computes with what it is sent (section 3.6). ``sms_not`` goes back only where it says yes: a no would take back what
people have ticked since the card was read."""

_RECORD_RESENT = (
    "comment",
    "sms_remain_hours",
    "email_remain_hours",
    "api_id",
    "attendance",
    "custom_color",
    "clients_count",
    "technical_break_duration",
)
"""Optional fields of a record that a full update sends back: what it does to omitted ones is not documented
(section 10)."""


class Unreadable(ValueError):
    """A record or card cannot be read without guessing; the text names the field."""


# -- lenient reading


def as_mapping(value: object) -> dict[str, Any]:
    """An object; an empty one for ``[]``, null and whatever else is none."""
    return value if isinstance(value, dict) else {}


def as_rows(value: object) -> list[dict[str, Any]]:
    """The objects of a list; of a single object, itself."""
    if isinstance(value, dict):
        return [value]
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def as_list(value: object) -> list[Any]:
    """A list; an empty one for whatever else it is."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Text of a string or a number; "" for anything else. 12.0 is "12": a phone must not gain a digit."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if not value.is_integer():
            return str(value) if math.isfinite(value) else ""
        value = int(value) if abs(value) < _LARGEST_FLOAT else None
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:  # a whole number of thousands of digits
            return ""
    return ""


def as_id(value: object) -> str | None:
    """An id as text, the same for 12, "12", "012" and 12.0; None for 0, "", null and whatever is no whole number."""
    text = _whole(as_text(value).strip())
    return text.lstrip("0") if _ID.fullmatch(text) and text.strip("0") else None


def is_empty(value: object) -> bool:
    """Whether a value says nothing: null, "", 0, and the empty lists and objects of PHP (section 8.2)."""
    if isinstance(value, dict):
        return all(each in (None, "", 0, "0", [], {}) for each in value.values())
    return value in (None, "", 0, "0", [])


def choice(value: object) -> str:
    """Text of a custom field's value; a select field holds a list, of which the first counts (section 3.9)."""
    return as_text(value[0] if isinstance(value, list) and value else value)


def as_flag(value: object) -> bool:
    """Altegio's booleans: true, 1, "1", "true"."""
    return value is True or as_text(value).strip().casefold() in ("1", "true")


def one_line(value: object, limit: int = FIELD_LIMIT) -> str:
    """Short text that people typed: on one line, printable, at most ``limit`` characters."""
    shown = "".join(char if char.isprintable() else " " for char in as_text(value)[: limit * 4])
    return " ".join(shown.split())[:limit].strip()


def text_in(row: Mapping[str, Any], field: str) -> str:
    """The text of a field, "" where it is missing or empty. Raises ``Unreadable`` for what is no text at all."""
    value = row.get(field)
    text = as_text(value)
    if not text and not is_empty(value):
        raise Unreadable(field)
    return text


def custom_values(row: Mapping[str, Any]) -> dict[str, Any]:
    """Custom field values by code; ``[]`` means none (section 3.9). Raises ``Unreadable`` where they are missing."""
    value = row.get("custom_fields", UNREADABLE)
    if isinstance(value, dict):
        return value
    if not is_empty(value):
        raise Unreadable("custom_fields")
    return {}


def phone(value: object) -> str:
    """A phone as Altegio means it: ``+`` and digits with the country code. "" where it is missing or masked.

    Altegio writes phones with and without ``+``, and as numbers (section 3.6). A number that starts with one 0 has
    no country code and stays as it stands, and so does text with letters: whoever normalises phones decides.
    """
    text = _whole(one_line(value, 64))
    if _PHONE_MASK.search(text):
        return ""
    if any(char.isalpha() for char in text):
        return text
    digits = re.sub(r"[^0-9]", "", text)
    if not digits.strip("0"):
        return ""
    if digits.startswith("00") and not text.startswith("+"):
        return f"+{digits[2:]}"
    if digits.startswith("0"):
        return digits
    return f"+{digits}"


def email(value: object) -> str:
    """An e-mail address as it stands; "" where it is missing or masked."""
    text = one_line(value, 320)
    return "" if _MASK.search(text) else text


def opted_out(row: Mapping[str, Any]) -> bool | None:
    """Whether a card is excluded from SMS mailings: ``sms_not``, or ``sms_bot``, its wrong name in bulk answers and
    webhooks (section 3.6). Where they differ the stricter wins. None where no word of either is known."""
    said = [row.get(field) for field in ("sms_not", "sms_bot")]
    if any(map(as_flag, said)):
        return True
    no = any(each is False or as_text(each).strip().casefold() in ("0", "false") for each in said)
    return False if no else None


def is_initial(name: str) -> bool:
    """Whether a family name is one letter, as one is that was cut for want of a right (section 3.14)."""
    return bool(_INITIAL.fullmatch(name.strip()))


def split_name(name: str, surname: str = "") -> tuple[str, str]:
    """Given and family name.

    The booking widget sends one full name, which stands whole in ``name`` with an empty ``surname``: its last word
    is then the family name, or what stands before a comma ("Smith, Jane"). One word alone is a given name.
    """
    name, surname = " ".join(name.split()), " ".join(surname.split())
    if surname or not name:
        return name, surname
    if "," in name:
        family, _, given = name.partition(",")
        return given.strip(), family.strip()
    given, _, family = name.rpartition(" ")
    return (given, family) if given else (family, "")


def wall_time(row: Mapping[str, Any]) -> str:
    """The local start of a record as ``YYYY-MM-DD HH:MM:SS``; "" where none can be read.

    Also of a time with an offset only the wall part is taken: offsets were seen wrong beside right wall times
    (section 8.1).
    """
    for field in ("date", "datetime"):
        if match := _WALL.match(as_text(row.get(field))):
            return f"{match[1]} {match[2]}{match[3] or ':00'}"
    return ""


def start(row: Mapping[str, Any], zone: str) -> datetime | None:
    """When a record begins, in UTC; of an hour that occurs twice, the first. None where it cannot be read."""
    try:
        return Instant.from_local(datetime.fromisoformat(wall_time(row)), zone).utc
    except (ValueError, OverflowError):
        return None


def moment(value: object, zone: str) -> datetime | None:
    """A time stamp such as ``last_change_date`` in UTC; naive ones are local to the site. None where unreadable."""
    try:
        stamp = datetime.fromisoformat(as_text(value).strip())
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def iso(wall: str, zone: str) -> str:
    """A wall time with the site's offset on that day, as a write sends it. Raises ValueError for no wall time."""
    stamp = datetime.strptime(wall, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the zone is given on the next line
    return stamp.replace(tzinfo=ZoneInfo(zone)).isoformat()


_LOCKS: Final = (
    ("is_sale_bill_printed", "its receipt is printed"),
    ("paid_full", "it is fully paid"),
    ("is_update_blocked", "changes of it are blocked"),
)
"""Flags of a record whose changes are refused, in words (section 3.7)."""


def lock(row: Mapping[str, Any]) -> str:
    """Why Altegio may refuse to change a record that was read, in words; "" where nothing in it says so (section
    3.7, rejection reasons of an update). That the time for edits is over does not show in a record."""
    reasons = [words for field, words in _LOCKS if as_flag(row.get(field))]
    if as_flag(row.get("prepaid")) and "prepaid_confirmed" in row and not as_flag(row["prepaid_confirmed"]):
        reasons.append("it may wait for an online payment")
    if state(row) == "1":
        reasons.append("the client has arrived")
    return " and ".join(reasons)


_REFUSED_FIELDS: Final = frozenset(
    (
        *_CARD_RESENT,
        *_RECORD_RESENT,
        *(field for fields in NEEDED for field in fields),
        "name",
        "phone",
        "birth_date",
        "categories",
        "record_labels",
        "filters",
        "urls",
        "salon_id",
        "application_id",
        "webhook_urls",
    )
)
"""Names that may stand in a message: whatever else a vendor sends as a name may be anybody's."""


def refused_fields(body: object) -> list[str]:
    """The fields that a refusal names in ``meta.errors`` or ``errors``: an object of field and messages, a list of
    messages, or a list of objects with one key (section 1). Never its messages: those may repeat names and phones."""
    answer = as_mapping(body)
    named: set[str] = set()
    for errors in (as_mapping(answer.get("meta")).get("errors"), answer.get("errors")):
        for row in as_rows(errors)[:100]:
            named |= _REFUSED_FIELDS & row.keys()
    return sorted(named)


def speaks_of_licence(body: object) -> bool:
    """Whether a 403 says that the licence is to be renewed, which it means on some endpoints (section 1). It is told
    from a missing right by the word alone, in either brand's language."""
    answer = as_mapping(body)
    words = " ".join(as_text(as_mapping(answer.get(part)).get("message"))[:1000] for part in ("meta", "errors"))
    return "licen" in words.casefold() or "лиценз" in words.casefold()


def error_code(body: object) -> int | None:
    """A booking code 431-438 of a refusal, wherever it stands: its place is not documented (section 3.12)."""
    heap: list[object] = [body]
    for _ in range(100):
        if not heap:
            return None
        item = heap.pop()
        if isinstance(item, dict):
            code = as_text(item.get("code")).strip()
            if len(code) == 3 and code.isdecimal() and 431 <= int(code) <= 438:
                return int(code)
            heap.extend(item.values())
        elif isinstance(item, list):
            heap.extend(item[:20])
    return None


# -- native to flat


def client(row: Mapping[str, Any]) -> Native:
    """A client card, flat for the mapping. Raises ``Unreadable``, also for one without ``name``, which all have."""
    if "name" not in row:
        raise Unreadable("name")
    for field in ("name", "surname", "phone", "email"):
        text_in(row, field)
    given, family = _names(row)
    return {
        "id": as_id(row.get("id")),
        "given_name": given,
        "family_name": family,
        "phones": [number] if (number := phone(row.get("phone"))) else [],
        "emails": [mail] if (mail := email(row.get("email"))) else [],
        "opted_out": opted_out(row),
        "last_change_date": as_text(row.get("last_change_date")),
    }


def pets(row: Mapping[str, Any], field: str) -> list[Native]:
    """The pets of a client card, flat for the mapping. ``field`` is the code of the text field they stand in.

    Raises ``Unreadable`` where the card does not tell its custom fields: its pets must not pass for gone.
    """
    client_id = as_id(row.get("id"))
    return [
        {
            "id": pet_id(client_id, pet.key),
            "client_id": client_id,
            "key": pet.key,
            "name": one_line(pet.name),
            "species": one_line(pet.species),
            "last_change_date": as_text(row.get("last_change_date")),
        }
        for pet in listed_pets(row, field)
        if client_id
    ]


def listed_pets(row: Mapping[str, Any], field: str) -> tuple[pets_field.ListedPet, ...]:
    """The entries of a card's pets field. Raises ``Unreadable``."""
    value = custom_values(row).get(field)
    text = choice(value)
    if not text and not is_empty(value):
        raise Unreadable(f"custom_fields.{field}")
    return pets_field.decode(text)


def pet_id(client_id: str | None, key: str) -> str:
    """A pet's id at this side: its client's id and its key."""
    return f"{client_id}/{key}"


def split_pet_id(id_: str) -> tuple[str, str] | None:
    """Client id and key of a pet's id; None where it is not one."""
    owner, slash, key = id_.partition("/")
    return (owner, key) if slash and _ID.fullmatch(owner) and key.isalnum() and key.isascii() else None


def file(row: Mapping[str, Any], client_id: str, zone: str) -> Native:
    """A file's row, flat for the mapping. Raises ``Unreadable`` for one without an id, and for another client's: the
    list that it stands in is of ``client_id``."""
    id_, owner = as_id(row.get("id")), as_id(row.get("client_id"))
    if id_ is None:
        raise Unreadable("id")
    if owner != as_id(client_id) and (owner is not None or not is_empty(row.get("client_id"))):
        raise Unreadable("client_id")
    made = moment(row.get("date_create"), zone)
    return {
        "id": f"{as_id(client_id)}/{id_}",
        "client_id": as_id(client_id),
        "name": file_name(row),
        "notes": one_line(row.get("description"), LONGEST_WORDS),
        "made_at": None if made is None else made.isoformat(),
    }


def file_name(row: Mapping[str, Any]) -> str:
    """A file's name with its ending once: where ``name`` has it already is not documented (section 3.10)."""
    name, ending = one_line(row.get("name")), one_line(row.get("extension"), 20).strip(". ")
    return name if not ending or name.casefold().endswith(f".{ending.casefold()}") else f"{name}.{ending}"


def same_file_name(row: Mapping[str, Any], name: str) -> bool:
    """Whether a row has a name, in whatever case and form of its letters."""
    forms = {unicodedata.normalize("NFC", each).casefold() for each in (file_name(row), one_line(name))}
    return len(forms) == 1


_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(B|KB|MB)", re.ASCII)
_UNITS = {"B": 0, "KB": 1, "MB": 2}


def file_size(row: Mapping[str, Any]) -> float | None:
    """Bytes that a row tells at the least, as text such as "96.65 KB": nobody says whether that is 1000 or 1024
    bytes. None where it cannot be read."""
    found = _SIZE.fullmatch(as_text(row.get("size")).strip().upper())
    return float(found[1]) * 1000 ** _UNITS[found[2]] if found else None


def fits(row: Mapping[str, Any], size: int) -> bool:
    """Whether a row may be that of a file of ``size`` bytes; also where it does not tell."""
    told = file_size(row)
    return told is None or 0.9 * told - 1000 <= size <= 1.1 * told + 1000


def split_file_id(id_: str) -> tuple[str, str] | None:
    """Client id and number of a file's id; None where it is not one."""
    owner, slash, number = id_.partition("/")
    client_id, file_id = as_id(owner), as_id(number)
    return (client_id, file_id) if slash and client_id is not None and file_id is not None else None


def record(row: Mapping[str, Any], pet_fields: Mapping[str, str]) -> Native:
    """A record (appointment), flat for the mapping.

    ``pet_fields`` names the custom fields of a record by what they hold: name, species, breed, key. Of several
    services the first is ``service_id``; all stand in ``service_ids``. ``seance_length`` includes the technical
    break after the visit, as Altegio counts it (section 3.7). The visitor ``comer`` is not read: its shape is
    unknown (section 10). Raises ``Unreadable``, never for a time, a length or a state: those the mapping names.
    """
    for field, *others in NEEDED:
        if not any(name in row for name in (field, *others)):
            raise Unreadable(field)
    custom = custom_values(row)
    pet = {what: one_line(choice(custom.get(code))) for what, code in pet_fields.items()}
    booker = booker_of(row)
    client_id = as_id(booker.get("id"))
    services = [id_ for service in services_of(row) if (id_ := as_id(service.get("id")))]
    id_ = as_id(row.get("id"))
    if id_ is None:
        raise Unreadable("id")
    if as_id(row["staff_id"]) is None and not is_empty(row["staff_id"]):
        raise Unreadable("staff_id")
    native: Native = {
        "id": id_,
        "company_id": as_id(row.get("company_id")),
        "client_id": client_id,
        "date": wall_time(row),
        "seance_length": _seconds(row),
        "state": state(row),
        "service_id": services[0] if services else None,
        "service_ids": services,
        "staff_id": as_id(row.get("staff_id")),
        "comment": text_in(row, "comment"),
        "api_id": as_text(row.get("api_id")),
        "stamp": stamp(row),
        "last_change_date": as_text(row.get("last_change_date")),
    }
    if booker:
        try:
            card = client(booker)
        except Unreadable as odd:
            raise Unreadable(f"client.{odd}") from None
        native["booker"] = {name: card[name] for name in ("given_name", "family_name", "phones", "emails")}
    if any(pet.values()):
        native["pet"] = pet
    key = pet.get("key", "").removeprefix("#").lower()
    if client_id and split_pet_id(pet_id(client_id, key)):
        native["pet_id"] = pet_id(client_id, key)
    return native


def booker_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The client block of a record, {} for nobody, be it null or ``[]`` (sections 3.7, 8.4, 8.11).

    Raises ``Unreadable`` for one without an id, and for a list that holds somebody: nobody knows who is meant.
    """
    value = row.get("client", UNREADABLE)
    if is_empty(value):
        return {}
    if not isinstance(value, dict) or as_id(value.get("id")) is None:
        raise Unreadable("client")
    return value


def services_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The services of a record, each with an id. Raises ``Unreadable`` where one has none."""
    value = row.get("services", UNREADABLE)
    if is_empty(value):
        return []
    services = as_rows(value)
    told = len(value) if isinstance(value, list) else 1
    if len(services) < told or any(as_id(service.get("id")) is None for service in services):
        raise Unreadable("services")
    return services


def api_id(stamp: str) -> str:
    """VetBridge's mark as it is written to ``api_id``: a whole number below 2**63. The sheet knows texts there, too
    (3.7); one public program says that numbers alone are kept, and "0" stands for the rest."""
    if not notes.STAMP.fullmatch(stamp):
        return stamp
    number = 0
    for letter in stamp[-STAMP_LETTERS:]:
        number = number * len(notes.CROCKFORD) + notes.CROCKFORD.index(letter)
    return f"{STAMP_PREFIX}{number:016d}"


def stamp(row: Mapping[str, Any]) -> str:
    """VetBridge's mark in ``api_id``, as a number or as the text it was once written as; "" where none of it stands
    there, as any integrator may use that field."""
    mark = as_text(row.get("api_id")).strip()
    if not _STAMP_NUMBER.fullmatch(mark):
        return mark if notes.STAMP.fullmatch(mark) else ""
    number = int(mark.removeprefix(STAMP_PREFIX))
    letters = ""
    for _ in range(STAMP_LETTERS):
        number, letter = divmod(number, len(notes.CROCKFORD))
        letters = notes.CROCKFORD[letter] + letters
    return f"VB-{letters}" if number == 0 else ""


def state(row: Mapping[str, Any]) -> str:
    """``deleted``, or the attendance code as text; ``unreadable`` for what is neither.

    ``confirmed`` is not looked at: 0 is "not confirmed" in one source and "cancelled" in another (section 3.7).
    """
    deleted = row.get("deleted")
    if as_flag(deleted):
        return DELETED
    if not is_empty(deleted) and as_text(deleted).strip().casefold() != "false":
        return UNREADABLE
    for field in ("attendance", "visit_attendance"):
        if (code := one_line(row.get(field), 20)) or not is_empty(row.get(field)):
            return code or UNREADABLE
    return "0"


def is_block(row: Mapping[str, Any]) -> bool:
    """Whether a record is a break in the calendar and no visit: without client, service, pet and outside mark.

    Breaks and anonymous bookings both come without a client (section 8.4), so nothing else may speak for a visit.
    """
    speaking = ("client", "services", "custom_fields")
    return all(field in row and is_empty(row[field]) for field in speaking) and is_empty(row.get("api_id"))


# -- flat to what a write sends


class Incomplete(ValueError):
    """A write lacks something that Altegio demands, or cannot send back what was read; the text names the field."""


def client_body(native: Mapping[str, Any], card: Mapping[str, Any] | None = None) -> Native:
    """What creates a client, or, with its ``card`` as just read, updates it.

    An update is full: name and phone are demanded, and everything else that was read and can be written goes back
    as it was. Raises ``Incomplete`` without a name or a phone: an owner without a phone cannot be a client here
    (section 8.5), and what is hidden for want of rights would be overwritten: a phone, an e-mail address behind
    stars, a family name that is cut to its initial (section 3.14).
    """
    card = card or {}
    body = _resent(card, _CARD_RESENT)
    body["name"] = as_text(card.get("name"))
    if card and "gender_id" not in body and card.get("sex_id") is not None:
        body["gender_id"] = card["sex_id"]
    if (born := as_text(card.get("birth_date"))) and born != "1970-01-01":
        body["birth_date"] = born
    if tags := _ids(card, "categories"):
        body["categories"] = tags
    if card and (custom := _custom_resent(card)):
        body["custom_fields"] = custom
    if "given_name" in native or "family_name" in native:
        given, family = _names(card)
        given = as_text(native.get("given_name", given)).strip()
        family = as_text(native.get("family_name", family)).strip()
        # `name` is demanded: an owner known by family name alone has it there.
        body["name"], body["surname"] = (given, family) if given else (family, "")
    if "opted_out" in native or opted_out(card):
        body["sms_not"] = int(bool(native.get("opted_out", True)))
    if "emails" in native:
        body["email"] = next(iter(native["emails"] or ()), "")
    elif as_text(card.get("email")) and not email(card.get("email")):
        raise Incomplete("email")
    elif not as_text(card.get("email")):
        body.pop("email", None)  # there is none, or it is hidden
    if "family_name" not in native and is_initial(as_text(card.get("surname"))):
        raise Incomplete("surname")
    numbers = native["phones"] or () if "phones" in native else (phone(card.get("phone")),)
    body["phone"] = phone(next(iter(numbers), ""))
    if not body["name"]:
        raise Incomplete("name")
    if not body["phone"]:
        raise Incomplete("phone")
    return body


def record_client(card: Mapping[str, Any]) -> Native:
    """The client of a record as a write names it; ``{}`` for none. Raises ``Incomplete`` for a hidden phone.

    A hidden e-mail address and a family name that is cut to its initial are left out.
    """
    id_ = as_id(card.get("id"))
    if id_ is None:
        return {}
    number = phone(card.get("phone"))
    if not number:
        raise Incomplete("client.phone")
    body: Native = {"id": int(id_), "phone": number, "name": as_text(card.get("name"))}
    for field in ("surname", "patronymic"):
        if field in card and not is_initial(as_text(card[field])):
            body[field] = as_text(card[field])
    if mail := email(card.get("email")):
        body["email"] = mail
    return body


def new_record(
    native: Mapping[str, Any],
    *,
    client: Native,
    zone: str,
    pet_fields: Mapping[str, str],
    stamp: str,
    beside: bool = False,
) -> Native:
    """What creates a record. ``client`` is ``{}`` for a visit without a known owner; ``beside`` takes a busy time
    too. Nobody is messaged: no SMS now, no reminder later. Raises ``Incomplete`` naming what is missing."""
    body: Native = {
        "staff_id": _number(native, "staff_id"),
        "services": [{"id": _number(native, "service_id")}] if native.get("service_id") else [],
        "client": client,
        "datetime": _start(native, zone),
        "seance_length": _length(native),
        "save_if_busy": beside,
        "send_sms": False,
        "sms_remain_hours": 0,
        "email_remain_hours": 0,
        "comment": as_text(native.get("comment")),
        "api_id": api_id(stamp),
    }
    if native.get("state") is not None:
        body["attendance"] = _attendance(native)
    if custom := _pet_values(native, pet_fields, {}):
        body["custom_fields"] = custom
    return body


def changed_record(
    row: Mapping[str, Any],
    native: Mapping[str, Any],
    *,
    client: Native,
    zone: str,
    pet_fields: Mapping[str, str],
    beside: bool = False,
) -> Native:
    """What updates a record: the five main fields, which are demanded, and every optional one that was read.

    ``row`` is the record as just read, ``native`` only what changes. A record that keeps its time, length and
    person may keep a busy slot; one that moves must find it free, unless it shall stand ``beside`` what is there.
    Reminders stay as its booking has them, but do not go over to another client, who did not ask for them.
    """
    merged = {**record(row, pet_fields), **native}
    body = _resent(row, _RECORD_RESENT)
    body |= {
        "staff_id": _number(merged, "staff_id"),
        "services": _services(row, native),
        "client": client,
        "datetime": _start(merged, zone) if "date" in native else _unmoved(row, zone),
        "seance_length": _length(merged),
        "save_if_busy": beside or not moves(row, native),
        "send_sms": False,
    }
    if client.get("id", 0) != int(as_id(as_mapping(row.get("client")).get("id")) or 0):
        body |= {"sms_remain_hours": 0, "email_remain_hours": 0}
    for field in ("record_labels", "resource_instance_ids"):
        if read_ids := _ids(row, field):
            body[field] = read_ids
    if agreed := _agreements(row):
        body["client_agreements"] = agreed
    if event := as_id(row.get("activity_id")):
        body["activity_id"] = int(event)
    if "comment" in native:
        body["comment"] = as_text(native["comment"])
    if "state" in native:
        body["attendance"] = _attendance(native)
    elif "attendance" not in body:
        body["attendance"] = _attendance(merged)  # told on the visit's level alone (section 8.7)
    read = _custom_resent(row)
    if custom := {**read, **_pet_values(native, pet_fields, read)}:
        body["custom_fields"] = custom
    return body


def moves(row: Mapping[str, Any], native: Mapping[str, Any]) -> bool:
    """Whether a change of ``row`` asks for another slot: another time, length or person."""
    now = {"date": wall_time(row), "seance_length": _seconds(row), "staff_id": as_id(row.get("staff_id"))}
    return any(field in native and native[field] != value for field, value in now.items())


def span(row: Mapping[str, Any], zone: str) -> tuple[datetime, datetime] | None:
    """Start and end of a record, in UTC; None where they cannot be read."""
    seconds, begin = _seconds(row), start(row, zone)
    if begin is None or not isinstance(seconds, int) or not 0 < seconds <= LONGEST_VISIT.total_seconds():
        return None
    return begin, begin + timedelta(seconds=seconds)


def _names(row: Mapping[str, Any]) -> tuple[str, str]:
    name, surname = as_text(row.get("name")), as_text(row.get("surname"))
    if not name.strip() and not surname.strip():
        name = as_text(row.get("display_name"))
    return split_name(name, surname)


def _whole(text: str) -> str:
    """A number without the ``.0`` that it gained on its way; other text as it stands."""
    return text.partition(".")[0] if _FLOAT.fullmatch(text) else text


def _seconds(row: Mapping[str, Any]) -> Any:
    """The length in seconds; ``unreadable`` where it is no whole number, so that the mapping can say so."""
    value = row.get("seance_length")
    value = row.get("length") if value is None else value
    text = _whole(as_text(value).strip())
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    return None if value is None or value == "" else UNREADABLE


def _sendable(value: object) -> bool:
    """Whether a value that was read can go back: a text, a finite number, a flag, or a short list of those."""
    if isinstance(value, list):
        return len(value) <= 1000 and all(not isinstance(each, list) and _sendable(each) for each in value)
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _resent(row: Mapping[str, Any], fields: tuple[str, ...]) -> Native:
    """Fields that a full update sends back as they were read. Raises ``Incomplete`` for one that cannot be sent."""
    body: Native = {}
    for field in fields:
        value = row.get(field)
        if value is None or value in ([], {}):
            continue
        if isinstance(value, list) or not _sendable(value):
            raise Incomplete(field)
        body[field] = value
    return body


def _custom_resent(row: Mapping[str, Any]) -> Native:
    """The custom field values of a full update. Raises ``Incomplete`` for what cannot be sent back."""
    body: Native = {}
    values = row.get("custom_fields")
    if not isinstance(values, dict) and not is_empty(values):
        raise Incomplete("custom_fields")
    for code, value in as_mapping(values).items():
        if value is not None and not _sendable(value):
            raise Incomplete("custom_fields")
        body[code] = value
    return body


def _ids(row: Mapping[str, Any], field: str) -> list[int]:
    """The ids of a list, for sending it back, as writes take them: of objects with an id, or of ids as numbers or
    text (section 3.7). Raises ``Incomplete`` where one cannot be read."""
    value: Any = row.get(field)
    if is_empty(value):
        return []
    each_id = [as_id(each.get("id") if isinstance(each, dict) else each) for each in as_list(value)]
    ids = [int(id_) for id_ in each_id if id_ is not None]
    if not ids or len(ids) < len(each_id):
        raise Incomplete(field)
    return ids


def _agreements(row: Mapping[str, Any]) -> Native:
    """What the client has agreed to, as it was read with the record. Raises ``Incomplete`` for what is no flag."""
    value = row.get("client_agreements")
    if not isinstance(value, dict):
        if is_empty(value):
            return {}
        raise Incomplete("client_agreements")
    if any(isinstance(each, list | dict | float) for each in value.values()):
        raise Incomplete("client_agreements")
    return value


def _number(native: Mapping[str, Any], field: str) -> int:
    id_ = as_id(native.get(field))
    if id_ is None:
        raise Incomplete(field)
    return int(id_)


def _start(native: Mapping[str, Any], zone: str) -> str:
    try:
        return iso(as_text(native.get("date")), zone)
    except ValueError:
        raise Incomplete("date") from None


def _unmoved(row: Mapping[str, Any], zone: str) -> str:
    """The start of a record that keeps its time, as a full update sends it back.

    Its wall time with the site's offset on that day, and not the offset that was read, which may be wrong
    (section 8.1): a summer visit sent back with a winter offset would move by an hour. Only of an hour that occurs
    twice the read offset says which of the two is meant, and stays where it is the offset of either.
    """
    wall = wall_time(row)
    plain = _start({"date": wall}, zone)
    try:
        told = datetime.fromisoformat(as_text(row.get("datetime")))
        naive = datetime.fromisoformat(wall)
    except ValueError:
        return plain
    second = naive.replace(tzinfo=ZoneInfo(zone), fold=1)
    occurs_twice = second.astimezone(UTC) > naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    said = told.replace(tzinfo=None) == naive and told.utcoffset() == second.utcoffset()
    return second.isoformat() if occurs_twice and said else plain


def _length(native: Mapping[str, Any]) -> int:
    seconds = _seconds(native)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds <= 0:
        raise Incomplete("seance_length")
    return seconds


def _attendance(native: Mapping[str, Any]) -> int:
    try:
        return ATTENDANCE[as_text(native.get("state"))]
    except KeyError:
        raise Incomplete("state") from None


def _services(row: Mapping[str, Any], native: Mapping[str, Any]) -> list[Native]:
    """The record's services with their prices and assistants; a changed service takes the place of the first.

    Whether ``assistants`` can be written is not documented: they are read (section 3.7), so they go back.
    """
    kept: list[Native] = []
    for service in services_of(row):
        sent: Native = {"id": _number(service, "id")}
        sent |= _resent(service, ("first_cost", "discount", "cost", "amount"))
        if assistants := _ids(service, "assistants"):
            sent["assistants"] = assistants
        kept.append(sent)
    if "service_id" not in native:
        return kept
    first = as_id(native["service_id"])
    if kept and first == str(kept[0]["id"]):
        return kept
    return ([{"id": int(first)}] if first else []) + kept[1:]


def _pet_values(native: Mapping[str, Any], pet_fields: Mapping[str, str], read: Mapping[str, Any]) -> Native:
    """Custom field values for the pet of a visit, by code; a select field keeps its array form."""
    wanted = {what: one_line(value) for what, value in as_mapping(native.get("pet")).items() if what in pet_fields}
    if "pet_id" in native and "key" in pet_fields:
        parts = split_pet_id(as_text(native["pet_id"]))
        wanted["key"] = parts[1] if parts else ""
    values: Native = {}
    for what, value in wanted.items():
        code = pet_fields[what]
        values[code] = [value] if isinstance(read.get(code), list) else value
    return values
