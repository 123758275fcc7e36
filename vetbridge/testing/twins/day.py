"""A day on which people go on typing everything twice, while VetBridge looks on.

Owners book online, reception types half of it into the PIMS; visits come in by telephone, and half of them are typed
into the platform; some visits are moved and some cancelled, on both sides. Everything goes through the simulators'
documented addresses (altegio.md, sections 2 and 3.12; ezyvet.md, sections 2, 3 and 6), as people's programs use them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from vetbridge.connector.budgets import Budgets
from vetbridge.connector.clock import SystemClock
from vetbridge.connector.http import HttpClient
from vetbridge.testing.clinic import SERVICES, Owner, PetSeed, Service, email_for, phone_for
from vetbridge.testing.population.dice import Dice
from vetbridge.testing.twins.audit import APPOINTMENT, BOOKING, CLIENT, PET, PIMS, PeopleDid, Touched
from vetbridge.testing.twins.cards import animals, comes, living, persons
from vetbridge.testing.twins.diary import Diary, Slot
from vetbridge.testing.twins.sides import Booking, Card, TwinSides, Visit
from vetbridge.testing.twins.truth import Truth, animal_id, booking_id, card_id, contact_id, folded, visit_id

_SCOPES = ("read-appointment", "write-appointment", "write-contact", "write-animal")
_STRANGERS_FROM = 3_000_000
"""Phones of people who were never there before have numbers from here on."""
_STRANGERS = (("Nadia", "Fairweather"), ("Owen", "Castellan"), ("Petra", "Longfellow"), ("Ruth", "Underhill"))


class Served(Protocol):
    """A simulator that serves, in this process or in another."""

    @property
    def base_url(self) -> str:
        """Where the vendor's API stands."""
        ...

    @property
    def credentials(self) -> Mapping[str, str]:
        """What the vendor's API asks for."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How much happens on the day."""

    online: int = 15
    """Bookings that owners make; half of them are typed into the PIMS."""
    desk: int = 10
    """Visits that reception makes in the PIMS; half of them are typed into the platform."""
    moved: int = 5
    cancelled: int = 3


@dataclass(frozen=True, slots=True)
class Played:
    """What people have done, and the truth after it."""

    truth: Truth
    people: PeopleDid


def play_day(twins: TwinSides, truth: Truth, booking: Served, pims: Served, plan: Plan | None = None) -> Played:
    """Plays the day. Needs twin sides that are large enough for it; raises ``ValueError`` where they are not.

    Raises the errors of ``vetbridge.connector.http`` where a simulator refuses something.
    """
    day = _Day(twins, truth, _Platform(booking), _Practice(pims))
    wanted = plan or Plan()
    for number in range(wanted.online):
        day.book_online(number, typed=(number + number // 4) % 2 == 0)
    for number in range(wanted.desk):
        day.enter_at_desk(number, typed=number % 2 == 0)
    day.move(wanted.moved)
    day.cancel(wanted.cancelled)
    return day.played()


class _Day:
    def __init__(self, twins: TwinSides, truth: Truth, platform: _Platform, practice: _Practice) -> None:
        self._twins = twins
        self._platform = platform
        self._practice = practice
        self._truth = truth
        self._clients = dict(truth.clients)
        self._pets = dict(truth.pets)
        self._visits = dict(truth.visits)
        self._people = dict(truth.people)
        self._same_animal = animals(twins.clinic)
        dice = Dice(twins.seed, 3)
        typed: list[Booking | Visit] = [*twins.bookings, *twins.visits]
        future = [each for each in typed if self._is_ahead(each)]
        self._diary = Diary(sorted({each.start.date() for each in future}), twins.clinic.zone, dice)
        for each in future:
            self._diary.occupy(Slot(each.vet, each.start), each.minutes)
        for block in (*twins.booking_blocks, *twins.pims_blocks):
            self._diary.occupy(Slot(block.vet, block.start), block.minutes)
        owners = {owner.number: owner for owner in twins.clinic.owners}
        carded = [(card, owners[min(card.owners)]) for card in twins.cards if card.owners]
        self._carded = itertools.cycle([(card, owner) for card, owner in carded if comes(owner) and owner.phones])
        known = {number for card in twins.cards for number in (*card.owners, *card.partners)}
        self._cardless = itertools.cycle(
            [
                person.first
                for person in persons(twins.clinic)
                if person.first.number not in known and comes(person.first) and person.first.phones
            ]
        )
        self._simple = self._twice_typed()

    def played(self) -> Played:
        truth = replace(self._truth, clients=self._clients, pets=self._pets, visits=self._visits, people=self._people)
        people = PeopleDid(
            touched=frozenset(self._platform.touched | self._practice.touched),
            write_requests={BOOKING: self._platform.writes, PIMS: self._practice.writes},
        )
        return Played(truth, people)

    # -- what happens

    def book_online(self, number: int, *, typed: bool) -> None:
        """Of four bookings two come from owners with a card, one from an owner without, one from a stranger."""
        service, slot = self._time()
        if number % 4 == 3:
            self._book_stranger(number // 4, service, slot, typed=typed)
            return
        owner = next(self._cardless) if number % 4 == 2 else next(self._carded)[1]
        pet = living(owner)[0]
        name, phone = f"{owner.given_name} {owner.family_name}", owner.phones[0]
        record, card = self._platform.book(name, phone, owner.email or "", service, slot, pet.name, pet.species)
        self._met(card, owner, pet)
        visit = self._practice.make(contact_id(owner.number), animal_id(pet.number), service, slot) if typed else None
        self._visits[record] = frozenset({visit} if visit else ())

    def enter_at_desk(self, number: int, *, typed: bool) -> None:
        """Visits by telephone, of owners with a card and without."""
        service, slot = self._time()
        card: Card | None
        card, owner = next(self._carded) if number % 4 < 2 else (None, next(self._cardless))
        pet = living(owner)[0]
        visit = self._practice.make(contact_id(owner.number), animal_id(pet.number), service, slot)
        if not typed:
            return
        client = {"id": int(card_id(card.number))} if card else _new_client(owner)
        record, on_card = self._platform.enter(client, service, slot, pet.name, pet.species)
        self._met(on_card, owner, pet)
        self._visits[record] = frozenset({visit})

    def move(self, count: int) -> None:
        """On both sides, to the same new time."""
        for _ in range(count):
            booking, visit = self._next_simple()
            slot = self._diary.take(max(booking.minutes, visit.minutes))
            self._platform.move(booking_id(booking.number), slot)
            self._practice.move(visit_id(visit.number), slot)

    def cancel(self, count: int) -> None:
        """On both sides."""
        for _ in range(count):
            booking, visit = self._next_simple()
            self._platform.cancel(booking_id(booking.number))
            self._practice.cancel(visit_id(visit.number))

    # -- helpers

    def _book_stranger(self, number: int, service: Service, slot: Slot, *, typed: bool) -> None:
        given, family = _STRANGERS[number % len(_STRANGERS)]
        phone = phone_for(_STRANGERS_FROM + number)
        email = email_for(given, family, _STRANGERS_FROM + number)
        record, card = self._platform.book(f"{given} {family}", phone, email, service, slot, "Bramble", "dog")
        if not typed:
            self._clients[card] = self._visits[record] = self._pets[card, "bramble"] = frozenset()
            return
        contact = self._practice.register(given, family, phone, email)
        animal = self._practice.register_animal(contact, "Bramble")
        self._clients[card] = self._people[contact] = frozenset({contact})
        self._pets[card, "bramble"] = frozenset({animal})
        self._visits[record] = frozenset({self._practice.make(contact, animal, service, slot)})

    def _met(self, card: str, owner: Owner, pet: PetSeed) -> None:
        """A visit of a known owner stands on a card: on a new one, perhaps."""
        self._clients.setdefault(card, self._truth.people[contact_id(owner.number)])
        key = (card, folded(pet.name))
        self._pets[key] = self._pets.get(key, frozenset()) | {animal_id(one) for one in self._same_animal[pet.number]}

    def _time(self) -> tuple[Service, Slot]:
        service = SERVICES[0]
        return service, self._diary.take(service.minutes)

    def _is_ahead(self, each: Booking | Visit) -> bool:
        return each.start.date() > self._twins.today

    def _twice_typed(self) -> list[tuple[Booking, Visit]]:
        """Visits to come that stand once on each side, at one time."""
        visits = {visit.number: visit for visit in self._twins.visits}
        bookings_of: dict[int, int] = {}
        for numbers in self._twins.same.values():
            for number in numbers:
                bookings_of[number] = bookings_of.get(number, 0) + 1
        found = []
        for booking in filter(self._is_ahead, self._twins.bookings):
            same = self._twins.same[booking.number]
            if booking.number not in self._twins.drifted and len(same) == 1 and bookings_of[min(same)] == 1:
                found.append((booking, visits[min(same)]))
        return found

    def _next_simple(self) -> tuple[Booking, Visit]:
        if not self._simple:
            raise ValueError("the twin sides have too few visits for the day")
        return self._simple.pop()


def _new_client(owner: Owner) -> dict[str, Any]:
    """A client as reception types one who has no card."""
    return {
        "name": owner.given_name,
        "surname": owner.family_name,
        "phone": owner.phones[0],
        "email": owner.email or "",
    }


class _Platform:
    """Altegio as owners and reception use it."""

    def __init__(self, served: Served) -> None:
        given = served.credentials
        self._location = given["location_id"]
        authorisation = f"Bearer {given['partner_token']}, User {given['user_token']}"
        self._http = _client(served, {"Accept": altegio.MEDIA_TYPES[0], "Authorization": authorisation})
        self.touched: set[Touched] = set()
        self.writes = 0

    def book(
        self, fullname: str, phone: str, email: str, service: Service, slot: Slot, pet: str, species: str
    ) -> tuple[str, str]:
        """The owner books in the widget; returns the ids of the record and its card."""
        visit = {
            "id": 1,
            "services": [altegio.SERVICE_FROM - 1 + service.number],
            "staff_id": altegio.STAFF_FROM - 1 + slot.vet,
            "datetime": slot.start.isoformat(),
            "custom_fields": {"pet_name": pet, "pet_species": species},
        }
        body = {"fullname": fullname, "phone": phone, "email": email, "appointments": [visit]}
        made = self._write("POST", f"/book_record/{self._location}", body)
        return self._noted(str(made[0]["record_id"]))

    def enter(
        self, client: Mapping[str, Any], service: Service, slot: Slot, pet: str, species: str
    ) -> tuple[str, str]:
        """Reception types a visit into the calendar; returns the ids of the record and its card."""
        body = {
            **_place(slot),
            "services": [{"id": altegio.SERVICE_FROM - 1 + service.number}],
            "client": client,
            "seance_length": service.minutes * 60,
            "custom_fields": {"pet_name": pet, "pet_species": species},
        }
        return self._noted(str(self._write("POST", f"/records/{self._location}", body)[0]["id"]))

    def move(self, record: str, slot: Slot) -> None:
        """Reception drags the visit to another time."""
        now = self._read(record)
        card = now["client"]
        body = {
            **_place(slot),
            "services": [{"id": service["id"]} for service in now["services"]],
            "client": {name: card[name] for name in ("id", "phone", "name")},
            "seance_length": now["seance_length"],
        }
        self._write("PUT", f"/record/{self._location}/{record}", body)
        self.touched.add(Touched(BOOKING, APPOINTMENT, record))

    def cancel(self, record: str) -> None:
        """Reception deletes the visit."""
        self._write("DELETE", f"/record/{self._location}/{record}", None)
        self.touched.add(Touched(BOOKING, APPOINTMENT, record))

    def _noted(self, record: str) -> tuple[str, str]:
        card = str(self._read(record)["client"]["id"])
        self.touched |= {Touched(BOOKING, APPOINTMENT, record), Touched(BOOKING, CLIENT, card)}
        return record, card

    def _read(self, record: str) -> Any:
        return self._http.read(f"/record/{self._location}/{record}", budgets=()).body["data"]

    def _write(self, method: str, path: str, body: Any) -> Any:
        self.writes += 1
        answer = self._http.write(method, path, budgets=(), body=body).body
        return answer and answer["data"]


def _place(slot: Slot) -> dict[str, Any]:
    return {
        "staff_id": altegio.STAFF_FROM - 1 + slot.vet,
        "datetime": slot.start.isoformat(),
        "save_if_busy": False,
        "send_sms": False,
    }


class _Practice:
    """ezyVet as reception uses it."""

    def __init__(self, served: Served) -> None:
        asked = {**served.credentials, "grant_type": "client_credentials", "scope": " ".join(_SCOPES)}
        token = _client(served, {}).write("POST", "/v1/oauth/access_token", budgets=(), body=asked).body
        self._http = _client(served, {"Authorization": f"Bearer {token['access_token']}"})
        self.touched: set[Touched] = set()
        self.writes = 0

    def make(self, contact: str, animal: str, service: Service, slot: Slot) -> str:
        """A visit; returns its id."""
        body = {
            **_when(slot),
            "duration": service.minutes * 60,
            "type_id": ezyvet.CODE_LISTS["appointment_type"][service.code],
            "contact_id": int(contact),
            "animal_id": int(animal),
            "description": "",
        }
        return self._made(APPOINTMENT, self._write("POST", "/v2/appointment", body)["appointment"])

    def register(self, given: str, family: str, phone: str, email: str) -> str:
        """A new client; returns its id."""
        details = [
            {"name": kind, "value": value, "contact_detail_type_id": ezyvet.DETAIL_TYPES[kind]}
            for kind, value in (("mobile", phone), ("email", email))
        ]
        body = {"first_name": given, "last_name": family, "is_customer": True, "contact_detail_list": details}
        contact = self._write("POST", "/v1/contact", body)["contact"]
        self.touched.update(Touched(PIMS, "contactdetail", str(one)) for one in contact["contact_detail_list"])
        return self._made(CLIENT, contact)

    def register_animal(self, contact: str, name: str) -> str:
        """A new dog; returns its id."""
        codes = {"species_id": ezyvet.CODE_LISTS["species"]["dog"], "sex_id": ezyvet.CODE_LISTS["sex"]["unknown"]}
        body = {"contact_id": int(contact), "name": name, **codes}
        return self._made(PET, self._write("POST", "/v1/animal", body)["animal"])

    def move(self, visit: str, slot: Slot) -> None:
        """To another time and vet."""
        self._change(visit, _when(slot))

    def cancel(self, visit: str) -> None:
        """By telephone."""
        words = "By telephone."
        self._change(visit, {"cancel": True, "cancellation_reason": 1, "cancellation_reason_text": words})

    def _change(self, visit: str, values: Mapping[str, Any]) -> None:
        self._write("PATCH", f"/v2/appointment/{visit}", values, {"Content-Type": ezyvet.MERGE_PATCH})
        self.touched.add(Touched(PIMS, APPOINTMENT, visit))

    def _made(self, kind: str, row: Mapping[str, Any]) -> str:
        self.touched.add(Touched(PIMS, kind, str(row["id"])))
        return str(row["id"])

    def _write(self, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
        self.writes += 1
        return self._http.write(method, path, budgets=(), body=body, headers=headers).body["items"][0]


def _when(slot: Slot) -> dict[str, Any]:
    vet = ezyvet.CODE_LISTS["resource"][f"vet_{slot.vet}"]
    return {"start_at": int(slot.start.timestamp()), "resources": [{"id": vet}]}


def _client(served: Served, headers: Mapping[str, str]) -> HttpClient:
    clock = SystemClock()
    return HttpClient(served.base_url, account="people", budgets=Budgets((), clock), clock=clock, headers=headers)
