"""The site that a new store holds: its lists, its owners and pets, and the calendar that it kept by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from connectors.ezyvet.simulator.resources import (
    ADDRESS,
    ANIMAL,
    APPOINTMENT,
    CONSULT,
    CONTACT,
    DETAIL,
    RESOURCES,
    Resource,
    blank,
    named,
    uid_of,
)
from vetbridge.testing import names
from vetbridge.testing.clinic import SERVICES, STAFF, Clinic, Owner, PetSeed
from vetbridge.testing.simkit import Row, Store

if TYPE_CHECKING:
    from vetbridge.testing.twins.sides import TwinSides

PLACEHOLDER_CONTACT = 900
PLACEHOLDER_ANIMAL = 901
REFERRING_CLINIC = 910
"""The contact of another practice that refers its patients, where the switch ``referrals`` is on."""
REFERRING_VET = 911
FIRST_CONTACT = 1000
"""The contact of owner number n has the id 1000 + n."""
FIRST_ANIMAL = 5000
"""The animal of pet number n has the id 5000 + n."""
FIRST_APPOINTMENT = 20000
"""The appointment of a twin's visit number n has the id 20000 + n."""

DETAIL_TYPES: Mapping[str, int] = {"email": 1, "mobile": 3, "phone": 4}
SEPARATION = 1
BLOCK_TYPE = 39
"""The appointment type of calendar blocks, which are no visits."""
ROOM = 31
"""The resource that is a room."""

CODE_LISTS: Mapping[str, Mapping[str, int]] = {
    "species": {"dog": 1, "cat": 2, "rabbit": 3, "other": 4},
    "sex": {"male": 1, "female": 2, "male_neutered": 3, "female_neutered": 4, "unknown": 5},
    "appointment_type": {service.code: 30 + service.number for service in SERVICES},
    "resource": {member.code: 20 + member.number for member in STAFF},
    "status": {"booked": 1, "confirmed": 2, "arrived": 3, "completed": 4, "no_show": 5},
}
"""What a site's config would say about this site: VetBridge's words and the site's ids."""

SEED_STAMP = int(datetime(2026, 1, 5, 9, tzinfo=UTC).timestamp())
"""Seeded rows were last saved from here on, a second apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededSite:
    """Writes a new store.

    ``divisions``: separations, over which owners and vets are spread. ``referrals``: every third pet was sent by
    another practice. ``consults``: a visit that is completed has a consult.
    """

    store: Store
    divisions: int = 1
    referrals: bool = False
    consults: bool = False

    def fill(self, clinic: Clinic) -> None:
        """Writes the site's lists, the placeholder and the clinic's owners and pets."""
        breeds = self._fill_lists(clinic)
        placeholder = {"last_name": "VetBridge placeholder", "is_customer": True, "_placeholder": True}
        self._seed(CONTACT, PLACEHOLDER_CONTACT, placeholder)
        animal = {
            "name": "VetBridge placeholder",
            "contact_id": PLACEHOLDER_CONTACT,
            "residence_contact_id": PLACEHOLDER_CONTACT,
            "species_id": CODE_LISTS["species"]["other"],
            "sex_id": CODE_LISTS["sex"]["unknown"],
            "_placeholder": True,
        }
        self._seed(ANIMAL, PLACEHOLDER_ANIMAL, animal)
        if self.referrals:
            self._fill_referring()
        for owner in clinic.owners:
            self._fill_owner(owner)
            for pet in owner.pets:
                self._fill_pet(pet, FIRST_CONTACT + owner.number, breeds)
        self.store.number_from("contact", FIRST_CONTACT + 1)
        self.store.number_from("animal", FIRST_ANIMAL + 1)

    def fill_twins(self, twins: TwinSides) -> None:
        """The calendar that the clinic has kept here by hand; calendar blocks stand on the placeholder."""
        for visit in twins.visits:
            appointment = {
                **_when(visit.vet, visit.start, visit.minutes),
                "type_id": CODE_LISTS["appointment_type"][SERVICES[visit.service - 1].code],
                "status_id": CODE_LISTS["status"][visit.status],
                "contact_id": FIRST_CONTACT + visit.owner,
                "animal_id": FIRST_ANIMAL + visit.pet,
                "description": visit.note,
            }
            stamp = SEED_STAMP + visit.number
            if self.consults and visit.status == "completed":
                appointment["consult_id"] = visit.number
                consult = {"date": appointment["start_at"], "animal_id": appointment["animal_id"]}
                self._seed(CONSULT, visit.number, consult, stamp=stamp)
            self._seed(APPOINTMENT, FIRST_APPOINTMENT + visit.number, appointment, stamp=stamp)
        first_block = FIRST_APPOINTMENT + len(twins.visits) + 1
        for number, block in enumerate(twins.pims_blocks, start=first_block):
            appointment = {
                **_when(block.vet, block.start, block.minutes),
                "type_id": BLOCK_TYPE,
                "status_id": CODE_LISTS["status"]["booked"],
                "contact_id": PLACEHOLDER_CONTACT,
                "animal_id": PLACEHOLDER_ANIMAL,
                "description": block.words,
            }
            self._seed(APPOINTMENT, number, appointment)

    def _fill_lists(self, clinic: Clinic) -> dict[tuple[str, str], int]:
        """The site's own lists; returns the ids of the breeds by species and name."""
        lists: dict[str, Resource] = {resource.name: resource for resource in RESOURCES}

        def fill(kind: str, number: int, **values: Any) -> None:
            self._seed(lists[kind], number, values)

        fill("separation", SEPARATION, name="Main clinic", type="Division")
        for number in range(SEPARATION + 1, SEPARATION + self.divisions):
            fill("separation", number, name=f"Branch {number}", type="Division", parent=SEPARATION)
        for number, country in enumerate(("New Zealand", "Australia", "United Kingdom", "United States"), start=1):
            fill("country", number, name=country)
        for name, number in (("Email", 1), ("Mobile", 3), ("Phone", 4)):
            fill("contactdetailtype", number, name=name)
        for code, name in (("dog", "Canine"), ("cat", "Feline"), ("rabbit", "Rabbit"), ("other", "Other")):
            fill("species", CODE_LISTS["species"][code], name=name)
        for code, name, short, desexed in (
            ("male", "Male", "M", False),
            ("female", "Female", "F", False),
            ("male_neutered", "Male Neutered", "MN", True),
            ("female_neutered", "Female Spayed", "FS", True),
            ("unknown", "Unknown", "U", False),
        ):
            fill("sex", CODE_LISTS["sex"][code], name=name, abbreviation=short, is_desexed=desexed)
        breeds: dict[tuple[str, str], int] = {}
        for species, known in (
            ("dog", names.DOG_BREEDS),
            ("cat", names.CAT_BREEDS),
            ("rabbit", names.RABBIT_BREEDS),
            ("other", names.OTHER_BREEDS),
        ):
            for breed in known:
                breeds[species, breed] = len(breeds) + 1
                fill("breed", len(breeds), name=breed, species_id=CODE_LISTS["species"][species])
        for number, name in enumerate(("Black", "Brown", "White", "Mixed"), start=1):
            fill("animalcolour", number, name=name)
        for service in clinic.services:
            number = CODE_LISTS["appointment_type"][service.code]
            fill("appointmenttype", number, name=service.title, default_duration=service.minutes)
        fill("appointmenttype", BLOCK_TYPE, name="Block", default_duration=30)
        for code, name in (
            ("booked", "Unconfirmed"),
            ("confirmed", "Confirmed"),
            ("arrived", "Arrived"),
            ("completed", "Completed"),
            ("no_show", "No show"),
        ):
            fill("appointmentstatus", CODE_LISTS["status"][code], name=name)
        calendar = {"access": "On Calendar", "ownership_id": SEPARATION}
        for member in clinic.staff:
            own = {**calendar, "ownership_id": self._division(member.number)}
            fill("resource", CODE_LISTS["resource"][member.code], name=member.name, type="user", **own)
            fill("user", member.number, name=member.name)
        fill("resource", ROOM, name="Consult room 1", type="facility", **calendar)
        return breeds

    def _division(self, number: int) -> int:
        """The separation that owner or vet number ``number`` belongs to."""
        return SEPARATION + (number - 1) % self.divisions

    def _fill_referring(self) -> None:
        """Another practice and its vet: contacts that are no customers (ezyvet.md, section 7)."""
        address = {"name": "Hillside practice", "street_1": "1 Hill Road", "city": "Exampletown", "country_id": 3}
        self._seed(ADDRESS, 1, address)
        clinic = {"business_name": "Hillside practice", "is_business": True, "address_physical": 1}
        self._seed(CONTACT, REFERRING_CLINIC, clinic)
        vet = {"first_name": "Robin", "last_name": "Hill", "is_vet": True}
        self._seed(CONTACT, REFERRING_VET, vet)

    def _fill_owner(self, owner: Owner) -> None:
        number = FIRST_CONTACT + owner.number
        details = [("mobile", _as_typed(phone, owner.number)) for phone in owner.phones]
        if owner.email is not None:
            details.append(("email", owner.email))
        contact = {
            "first_name": owner.given_name,
            "last_name": owner.family_name,
            "is_customer": True,
            "stop_credit": "OK",
            "ownership_id": self._division(owner.number),
            "active": owner.active,
            "contact_detail_list": [
                add_detail(
                    self.store, number, kind.capitalize(), value, DETAIL_TYPES[kind], SEED_STAMP + owner.number
                )
                for kind, value in details
            ],
            "_seed": owner.number,
        }
        self._seed(CONTACT, number, contact, stamp=SEED_STAMP + owner.number)

    def _fill_pet(self, pet: PetSeed, contact: int, breeds: Mapping[tuple[str, str], int]) -> None:
        stamp = SEED_STAMP + pet.number
        animal = {
            "name": pet.name,
            "contact_id": contact,
            "residence_contact_id": contact,
            "species_id": CODE_LISTS["species"][pet.species],
            "breed_id": breeds[pet.species, pet.breed],
            "sex_id": CODE_LISTS["sex"][pet.sex],
            "date_of_birth": _midnight(pet.birth_date),
            "is_dead": pet.deceased,
            "date_of_death": stamp if pet.deceased else None,
            "_seed": pet.number,
        }
        if self.referrals and pet.number % 3 == 0:
            animal |= {"referring_clinic_id": REFERRING_CLINIC, "referring_vet_id": REFERRING_VET}
        self._seed(ANIMAL, FIRST_ANIMAL + pet.number, animal, stamp=stamp)

    def _seed(self, resource: Resource, number: int, values: Row, *, stamp: int = SEED_STAMP) -> None:
        row = {**blank(resource), "active": True, "created_at": stamp, "modified_at": stamp, **values}
        self.store.insert(resource.name, named(resource, number, row), id=number)


def add_detail(store: Store, contact: int, name: str, value: str, kind: int, stamp: int) -> int:
    """Writes a contact detail and returns its id."""
    row = {
        **blank(DETAIL),
        "active": True,
        "created_at": stamp,
        "modified_at": stamp,
        "contact_id": contact,
        "contact_detail_type_id": kind,
        "name": name,
        "value": value,
        "contact_uid": uid_of("contact", contact),
        "value_cleaned": value_cleaned(value, kind),
    }
    return store.insert(DETAIL.name, row)


def _as_typed(phone: str, number: int) -> str:
    """A British mobile as one or the other person at the desk types it."""
    national = phone.removeprefix("+44")
    return (
        phone,
        f"0{national[:4]} {national[4:]}",
        f"0{national}",
        f"+44 {national[:4]} {national[4:]}",
    )[number % 4]


def value_cleaned(value: str, kind: int | None) -> str:
    """What v2 shows of a phone; of an e-mail nothing."""
    return "" if kind == DETAIL_TYPES["email"] else _cleaned(value)


def _cleaned(value: str) -> str:
    """Digits with the country code, the clinic's own (44) where none was typed (ezyvet.md, contactdetail)."""
    digits = "".join(letter for letter in value if letter in "0123456789")
    if value.strip().startswith("+") or not digits.startswith("0"):
        return digits
    return digits.removeprefix("00") if digits.startswith("00") else f"44{digits[1:]}"


def _when(vet: int, start: datetime, minutes: int) -> dict[str, Any]:
    """Time and vet of an appointment that is seeded."""
    resource = CODE_LISTS["resource"][STAFF[vet - 1].code]
    return {"start_at": int(start.timestamp()), "duration": minutes * 60, "resources": [{"id": resource}]}


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
