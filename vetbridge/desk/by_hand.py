"""What a line of the work list asks for, step by step, in the words and the order of the practice system's screen.

A receptionist types from it: each value stands as it is to be typed, a code with the title of the clinic's own list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from vetbridge.config.models import Site
from vetbridge.core import normalise
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Kind
from vetbridge.desk.language import day, phrase, phrases
from vetbridge.desk.titles import APPOINTMENT_TYPE, RESOURCE, Titles
from vetbridge.desk.wording import field_words, species_words, value_words
from vetbridge.ledger import mirror
from vetbridge.ledger.database import Transaction

FOUND = "found"
"""In the details of a line: what stands in the PIMS by field, where that is not what it should be."""
CLIENT, PET, REMARK = "client", "pet", "remark"
"""In the details: whose the visit is, and what is to be typed beside it."""
VISIT = "visit"

LONGEST_REMARK = 800
"""Characters of a comment."""
LONGEST_NAME = 80
MOST_CONTACTS = 5
MOST_CANDIDATES = 10
MOST_PETS = 8

_ALSO_CALLED: Mapping[str, str] = MappingProxyType({CLIENT: "client_id", PET: "pet_id", REMARK: "notes"})
"""Under which canonical field a screen's word for it stands."""
_NOT_TYPED = frozenset({FOUND, "by"})
"""What a line says beside what is to be typed."""
_MINUTE = 60
"""Seconds."""
_SEXES: Mapping[str, str] = MappingProxyType(
    {
        "male": "male",
        "male_neutered": "male, neutered",
        "female": "female",
        "female_neutered": "female, neutered",
        "unknown": "sex not known",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One value to set, or to type."""

    field: str
    """Canonical; of an owner and a pet as ``client.phones``, ``pet.species``."""
    value: Any
    name: str
    """The client's or the pet's, where the value is an id that the mirror knows."""
    part: str
    """What is typed: ``visit``; ``client``, ``pet``: an owner or a pet that is to be registered first."""
    label: str
    """What the PIMS's screen calls it; VetBridge's word where it is not known."""
    words: str
    """The value as it is to be typed."""
    found: str
    """What stands there instead; empty where nothing wrong was read."""
    is_changed: bool
    """It is not what the line asked for at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An owner as the work list names one."""

    id: str
    """In the PIMS; empty where there is none yet."""
    name: str
    """Given and family name."""
    given_name: str
    family_name: str
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    address: str
    pets: tuple[str, ...]
    """Names of those that the PIMS has."""
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A pet as the work list names one."""

    id: str
    """In the PIMS; empty where there is none yet."""
    name: str
    species: str
    """In words, as the other texts."""
    breed: str
    sex: str
    birth_date: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """All that a line asks for."""

    steps: tuple[Step, ...]
    """As they are carried out: who is to be registered, then the visit in the order of the screen."""
    client: Owner | None
    pet: Patient | None
    candidates: tuple[Owner, ...]
    """Owners of whom one is meant, where it is not certain which."""
    stands_at: datetime | None
    """When a visit that is to be moved begins in the PIMS, at the site's own time; None: it is not to be moved."""


class Reader:
    """Reads the details of lines. Each code list is read once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._titles = Titles(tx)

    def asked(
        self,
        site: Site | None,
        account: str,
        details: Mapping[str, Any],
        labels: Mapping[str, str],
        changed: Sequence[str] = (),
    ) -> Asked:
        """What a line asks for. ``labels``: what the PIMS's screen calls the fields, in its order."""
        given = details.get(FOUND)
        found = given if isinstance(given, Mapping) else {}
        client = self._owner(account, details.get(CLIENT))
        pet = _patient(details.get(PET))
        steps = [
            replace(
                step,
                label=_label(step, labels),
                found=self._words(site, account, step.field, found[step.field]) if step.field in found else "",
                is_changed=step.field.partition(".")[0] in changed,
            )
            for step in self._steps(site, account, details, client, pet)
        ]
        places = {field: place for place, field in enumerate(labels)}
        last = len(places)
        first = (CLIENT, PET, VISIT)

        def place(step: Step) -> tuple[int, int]:
            return first.index(step.part), min(places.get(name, last) for name in _names(step.field))

        candidates = self._candidates(account, details.get(CLIENT))
        start = found.get("start")
        return Asked(
            steps=tuple(sorted(steps, key=place)),
            client=client,
            pet=pet,
            candidates=candidates,
            stands_at=start.at_site() if isinstance(start, Instant) else None,
        )

    # -- steps

    def _steps(
        self,
        site: Site | None,
        account: str,
        details: Mapping[str, Any],
        client: Owner | None,
        pet: Patient | None,
    ) -> Iterator[Step]:
        for field, value in details.items():
            if field == CLIENT and isinstance(value, Mapping):
                yield from _client_steps(client)
            elif field == PET and isinstance(value, Mapping):
                yield from _pet_steps(pet)
            elif field in _NOT_TYPED or (value is None and CLIENT in details):
                continue  # of a visit that is not there yet there is nothing to clear
            else:
                words = self._words(site, account, field, value)
                yield _step(field, words, value=value, name=self._name(account, field, value))

    def _words(self, site: Site | None, account: str, field: str, value: Any) -> str:
        """A value as it is typed."""
        if field in (CLIENT, PET) and isinstance(value, Mapping):
            return _known(_text(value.get("name")), _text(value.get("id")))
        name = self._name(account, field, value)
        if name:
            return _known(name, _text(value))
        if field in (RESOURCE, APPOINTMENT_TYPE) and isinstance(value, str):
            return _text(self._titles.title(site, field, value))
        if field == "duration" and isinstance(value, int) and not isinstance(value, bool):
            return phrases("{count} minute", "{count} minutes", value // _MINUTE)
        if field in (REMARK, "notes") and isinstance(value, str) and value:
            return normalise.shown(value, LONGEST_REMARK)
        return value_words(value)

    def _name(self, account: str, field: str, value: object) -> str:
        """The name behind an id, as the mirror has it; empty where there is none."""
        if not isinstance(value, str):
            return ""
        if field in ("client_id", CLIENT):
            known = mirror.client(self._tx, account, value)
            return "" if known is None else _text(known.client.full_name)
        if field in ("pet_id", PET):
            owner = mirror.owner_of(self._tx, account, value)
            known = None if owner is None else mirror.client(self._tx, account, owner)
            return next((_text(pet.name) for pet in known.pets if pet.id == value), "") if known is not None else ""
        return ""

    def name(self, account: str, kind: str, remote_id: str) -> str:
        """The name of a client or a pet, as the mirror has it; empty where there is none."""
        return self._name(account, f"{kind}_id", remote_id) if kind in (Kind.CLIENT, Kind.PET) else ""

    # -- people

    def _owner(self, account: str, given: object) -> Owner | None:
        """Whose a visit is: as the PIMS has the client, whose desk looks for it there, else as it was booked."""
        if not isinstance(given, Mapping):
            return None
        id_ = _text(given.get("id"))
        kept = mirror.client(self._tx, account, id_) if id_ else None
        known = kept.client if kept is not None else Client()
        return Owner(
            id=id_,
            name=_text(known.full_name) or _text(given.get("name")),
            given_name=_text(known.given_name or given.get("given_name")),
            family_name=_text(known.family_name or given.get("family_name")),
            phones=_texts(known.phones) or _texts(given.get("phones")),
            emails=_texts(known.emails) or _texts(given.get("emails")),
            address=_address(known),
            pets=tuple(_text(pet.name) for pet in kept.pets[:MOST_PETS]) if kept is not None else (),
            is_new=bool(given.get("is_new")),
        )

    def _candidates(self, account: str, given: object) -> tuple[Owner, ...]:
        every = given.get("candidates") if isinstance(given, Mapping) else None
        if not isinstance(every, (tuple, list)):
            return ()
        ids = [_text(each.get("client_id")) for each in every[:MOST_CANDIDATES] if isinstance(each, Mapping)]
        owners = (self._owner(account, {"id": id_}) for id_ in ids if id_)
        return tuple(owner for owner in owners if owner is not None)


def field_title(field: str) -> str:
    """What VetBridge calls a field, to begin with."""
    words = field_words(field)
    return words[:1].upper() + words[1:]


def _client_steps(client: Owner | None) -> Iterator[Step]:
    if client is None:
        return
    if client.is_new:
        names = {"given_name": client.given_name, "family_name": client.family_name}
        names = names if any(names.values()) else {"name": client.name}
        contacts = {"phones": ", ".join(client.phones), "emails": ", ".join(client.emails)}
        for field, words in {**names, **contacts}.items():
            if words:
                yield _step(f"client.{field}", words, part=CLIENT)
    if client.is_new or client.id:
        yield _step(CLIENT, _known(client.name, client.id))
    else:
        booked = ", ".join(filter(None, (client.name, *client.phones, *client.emails)))
        yield _step(CLIENT, phrase("not certain; booked as {name}", name=booked or phrase("(no name)")))


def _pet_steps(pet: Patient | None) -> Iterator[Step]:
    if pet is None or not (pet.id or pet.name):
        return
    if pet.is_new:
        for field in ("name", "species", "breed", "sex", "birth_date"):
            if words := getattr(pet, field):
                yield _step(f"pet.{field}", words, part=PET)
    yield _step(PET, _known(pet.name, pet.id))


def _step(field: str, words: str, *, part: str = VISIT, name: str = "", **raw: Any) -> Step:
    return Step(
        field=field,
        value=raw.get("value", words),
        name=name,
        part=part,
        label="",
        words=words or phrase("nothing"),
        found="",
        is_changed=False,
    )


def _label(step: Step, labels: Mapping[str, str]) -> str:
    said = next((labels[name] for name in _names(step.field) if name in labels), "")
    return _text(said) or field_title(step.field.rpartition(".")[2])


def _names(field: str) -> tuple[str, ...]:
    """Under which names a screen's word for a field may stand."""
    return (field, _ALSO_CALLED[field]) if field in _ALSO_CALLED else (field,)


def _patient(given: object) -> Patient | None:
    if not isinstance(given, Mapping):
        return None
    born = given.get("birth_date")
    sex = _text(given.get("sex"))
    return Patient(
        id=_text(given.get("id")),
        name=_text(given.get("name")),
        species=species_words(_text(given.get("species"))),
        breed=_text(given.get("breed")),
        sex=phrase(_SEXES[sex]) if sex in _SEXES else sex,
        birth_date=day(born) if isinstance(born, date) else _text(born),
        is_new=bool(given.get("is_new")),
    )


def _known(name: str, id_: str) -> str:
    """``Ann Weiss (1023)``."""
    return f"{name} ({id_})" if name and id_ else name or id_ or phrase("(no name)")


def _address(client: Client) -> str:
    return _text(", ".join(filter(None, (client.street, f"{client.postcode} {client.city}".strip()))))


def _text(given: object) -> str:
    return "" if given is None else normalise.shown(str(given), LONGEST_NAME)


def _texts(given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        given = (given,)
    return tuple(map(_text, given[:MOST_CONTACTS])) if isinstance(given, (tuple, list)) else ()
