"""On whom a visit is written: the owner who was found, a new one, or nobody for certain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from vetbridge.connector.interface import Operation, Unlinked
from vetbridge.core import normalise
from vetbridge.core.answers import CLIENTS_NOT_MADE, PETS_NOT_MADE, UNMADE
from vetbridge.core.matching import REASONS, Candidate, Evidence, Match, Verdict, contact_keys, forms_of
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.ledger import links, mirror
from vetbridge.ledger.database import Ledger
from vetbridge.sync.comparing import BOOKED_BY
from vetbridge.sync.job import Ask, Job
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.learning import Learner
from vetbridge.sync.pair import Pair
from vetbridge.sync.resolving import Resolution
from vetbridge.sync.wording import CARER
from vetbridge.sync.writing import Keep, Step, Writer

PET_WENT_AWAY = "pet-went-away"
"""Why of the question whose a visit is whose booker came with a pet before that is another client's by now."""
CAME_WITHIN = timedelta(days=2 * 365)


@dataclass(frozen=True, slots=True)
class Placement:
    """On whom a visit is written."""

    client_id: str | None
    """None: the PIMS takes a visit without an owner."""
    pet_id: str | None
    origin: str
    evidence: Sequence[Mapping[str, Any]] = ()
    """What spoke for the owner."""
    question: Mapping[str, Any] | None = None
    """What to ask a person, where the visit stands on the placeholder."""

    @property
    def unlinked(self) -> bool:
        """The visit stands without its owner, or on the placeholder."""
        return self.question is not None


class Placer:
    """Places the visits of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, writer: Writer, keeper: Keeper) -> None:
        self._pair = pair
        self._ledger = ledger
        self._writer = writer
        self._keeper = keeper
        self._learner = Learner(pair, ledger)

    def place(self, job: Job, here: Appointment, resolution: Resolution) -> Placement:
        """Decides on whom the visit is written, making the owner and the pet where they are new."""
        self._learner.observed(job, resolution)
        if self._is_registered_by_hand:
            return self._by_hand(here, resolution)
        blocker = self._cannot_create(here, resolution)
        if resolution.verdict is Verdict.REVIEW or blocker:
            return self._unlinked(here, resolution.match, blocker or resolution.match.reason)
        client = resolution.client or self.create_client(job, here)
        pet = resolution.pet
        if pet is None:
            make = self._new_pet if resolution.client else self.create_pet
            pet = make(job, here, client)
        assert client.id is not None  # noqa: S101 - read from the PIMS
        evidence = evidence_of(resolution.match.evidence)
        # What a person has said of one contact and name says nothing of all who share the booking side's client.
        is_taught = resolution.match.reason == "taught"
        if resolution.client is not None and here.client_id is not None and not is_taught:
            with self._ledger.write() as tx:
                self._keeper.matched_client(tx, here.client_id, client, here.booker or Client(), evidence)
        return Placement(pet.owner_for(client.id), pet.id, _origin(resolution), evidence)

    @property
    def _is_registered_by_hand(self) -> bool:
        """Whether whoever types the visit in the PIMS registers a new owner and a new pet, too."""
        return Operation.CREATE in self._pair.pims.connector.capabilities.of(Kind.APPOINTMENT).handed

    def _by_hand(self, here: Appointment, resolution: Resolution) -> Placement:
        """On whom a visit is to be typed. Nobody is asked apart from that: whoever types it decides with it."""
        if resolution.verdict is Verdict.REVIEW:
            return self._unlinked(here, resolution.match, resolution.match.reason)
        client, pet = resolution.client, resolution.pet
        if client is not None and pet is None and self._came_with_what_is_anothers(here, client):
            return self._unlinked(here, resolution.match, PET_WENT_AWAY)
        evidence = evidence_of(resolution.match.evidence)
        client_id = client.id if client else None
        if client_id is not None and pet is not None:
            client_id = pet.owner_for(client_id)
        return Placement(client_id, pet.id if pet else None, _origin(resolution), evidence)

    def reserve_booker(self, job: Job, here: Appointment) -> None:
        """Keeps two bookings of one new owner from making her twice at once: the second waits for the first."""
        keys = contact_keys(forms_of(here.booker or Client(), [], self._pair.country))
        self._writer.reserve(job, "contact", keys, "booking with the same phone or e-mail")

    def cannot_create(self, here: Appointment) -> str:
        """Why a booking's owner and pet cannot be made, whatever a person says; empty when they can.

        What the config forbids is no obstacle here: a person has looked at just this booking.
        """
        return (
            self._not_made(Kind.CLIENT)
            or self._unfit_client(here.booker or Client())
            or self._not_made(Kind.PET)
            or self._unfit_pet(here)
        )

    def pet_by_name(self, job: Job, here: Appointment, client: Client) -> Pet | None:
        """The booked pet among a client's, made where it is not there; the only one where the booking names none."""
        if (here.booked_pet or Pet()).name.strip():
            blocker = self._not_made(Kind.PET) or self._unfit_pet(here)
            standing = self.standing_pet(here, client)
            return standing or (None if blocker else self._new_pet(job, here, client))
        living = [pet for pet in self._pets(client) if pet.active and not pet.deceased]
        return living[0] if len(living) == 1 else None

    @property
    def writes_notes(self) -> bool:
        """Whether the notes of a visit can be written."""
        return "notes" in self._pair.pims.connector.capabilities.of(Kind.APPOINTMENT).update

    def write_notes(
        self, job: Job, there: Appointment, text: str, payload: Mapping[str, Any], keep: Keep
    ) -> Appointment:
        """Gives a visit other notes."""
        step = Step(
            kind=Kind.APPOINTMENT,
            operation=Operation.UPDATE,
            fields={"notes": text},
            remote_id=there.id,
            version=there.version,
            before=there,
            payload=payload,
        )
        record = self._writer.write(job, step, keep)
        assert isinstance(record, Appointment)  # noqa: S101 - what the mapper makes of this kind
        return record

    def _cannot_create(self, here: Appointment, resolution: Resolution) -> str:
        """Why the owner or the pet that is missing may not be made; empty when nothing stands against it."""
        if resolution.verdict is Verdict.REVIEW or resolution.pet is not None:
            return ""
        if resolution.match.pet_doubt:
            return resolution.match.pet_doubt
        if resolution.client is not None and self._came_with_what_is_anothers(here, resolution.client):
            return PET_WENT_AWAY
        if resolution.client is None:
            if not self._pair.may_create_clients:
                return "creating-clients-is-off"
            if blocker := self._not_made(Kind.CLIENT) or self._unfit_client(here.booker or Client()):
                return blocker
        if not self._pair.may_create_pets:
            return "creating-pets-is-off"
        return self._not_made(Kind.PET) or self._unfit_pet(here)

    def _not_made(self, kind: Kind) -> str:
        """Why nobody makes a record of this kind in the PIMS from outside; empty where VetBridge can."""
        if self._pair.pims.connector.capabilities.of(kind).create is not None:
            return ""
        return CLIENTS_NOT_MADE if kind is Kind.CLIENT else PETS_NOT_MADE

    def _came_with_what_is_anothers(self, here: Appointment, client: Client) -> bool:
        """Whether the booked pet bears the name of one that this client came with of late, and that is somebody
        else's by now: nobody knows whether a new pet is meant, or that one."""
        pims, booking = self._pair.pims.account, self._pair.booking.account
        name = normalise.pet_name((here.booked_pet or Pet()).name)
        with self._ledger.read() as tx:
            card = links.of_pims(tx, pims, Kind.CLIENT, client.id or "", booking_account=booking)
            if card is None:
                return False
            visits = links.of_client_visits(tx, card, card.pims_id, card.booking_id, tx.now - CAME_WITHIN)
            settled = [tuple(base or {} for base in links.bases(tx, visit)) for visit in visits]
            came_with = {
                there.get("pet_id")
                for booked, there in settled
                if client.id == there.get("client_id") or card.booking_id == booked.get(BOOKED_BY)
            }
            owners = {mirror.owner_of(tx, pims, str(pet_id)) for pet_id in came_with - {None}}
            known = mirror.clients(tx, pims, [owner for owner in owners if owner is not None])
        return any(
            pet.id in came_with
            and normalise.pet_name(pet.name) == name
            and pet.active
            and not pet.deceased
            and not pet.may_be_booked_by(client.id)
            for one in known
            for pet in one.pets
        )

    @staticmethod
    def _unfit_pet(here: Appointment) -> str:
        if here.booked_pet is None or not here.booked_pet.name.strip():
            return "pet-not-named"
        if len(here.booked_pet.name) > normalise.MAX_NAME:
            return "name-too-long"
        if here.booked_pet.species is None:
            return "species-not-named"
        return ""

    def _unfit_client(self, booker: Client) -> str:
        # Letters are no phone: the next booking of the same person would find nobody by them.
        if booker.phones and not any(normalise.phone(text, self._pair.country) for text in booker.phones):
            return "phone-not-readable"
        if max(len(booker.given_name), len(booker.family_name)) > normalise.MAX_NAME:
            return "name-too-long"
        return ""

    def _unlinked(self, here: Appointment, match: Match, why: str) -> Placement:
        question = {
            "why": why,
            "words": REASONS.get(why, match.words),
            "booking": here,
            "candidates": shown_candidates(match.candidates),
            UNMADE: self._pair.unmade,
        }
        able = self._pair.pims.connector.capabilities.of(Kind.APPOINTMENT)
        if able.demands_stand_in and self._pair.placeholder is not None:
            return Placement(
                self._pair.placeholder.client_id, self._pair.placeholder.pet_id, "placeholder", question=question
            )
        if able.unlinked is Unlinked.YES and not able.demands_stand_in:
            return Placement(None, None, "unlinked", question=question)
        raise Ask(why, "the owner is not certain, and the PIMS has no placeholder to hold the visit", question)

    def create_client(self, job: Job, here: Appointment, *, linked: bool = True) -> Client:
        """Makes the booker in the PIMS; ``linked``: and links it with the booking's client."""
        booker = here.booker or Client()
        phones = tuple(normalise.phone(text, self._pair.country) or text for text in booker.phones)
        fields = {
            "given_name": booker.given_name,
            "family_name": booker.family_name,
            "phones": phones,
            "emails": booker.emails,
        }
        step = Step(
            kind=Kind.CLIENT,
            operation=Operation.CREATE,
            fields={name: value for name, value in fields.items() if value},
            payload={"booking_client_id": here.client_id if linked else None, "booker": booker},
        )
        record = self._writer.write(job, step, self._keeper.client)
        assert isinstance(record, Client)  # noqa: S101 - what the mapper makes of this kind
        return record

    def _new_pet(self, job: Job, here: Appointment, client: Client) -> Pet:
        """The pet that a known owner lacks. Two bookings that bring it at once, from two cards, make it once."""
        name = normalise.pet_name((here.booked_pet or Pet()).name)
        self._writer.reserve(job, "pet", [f"{client.id}|{name}"], "booking with the same new pet")
        return self.standing_pet(here, client) or self.create_pet(job, here, client)

    def standing_pet(self, here: Appointment, client: Client) -> Pet | None:
        """The living pet of a client that has just the booked name."""
        name = normalise.pet_name((here.booked_pet or Pet()).name)
        fitting = (
            pet
            for pet in self._pets(client)
            if pet.active and not pet.deceased and normalise.pet_name(pet.name) == name
        )
        return next(fitting, None)

    def _pets(self, client: Client) -> Iterator[Pet]:
        """The pets for which a client may book, her own first; a PIMS may list those of others among them, or not."""
        end = self._pair.pims
        listed = set()
        for native in end.connector.search(Kind.PET, {"client_id": client.id or ""}):
            pet = end.mapper.read(Kind.PET, native)
            listed.add(pet.id)
            yield pet
        with self._ledger.read() as tx:
            others = mirror.pets_of_others(tx, end.account, client.id or "")
        for other in others:
            found = None if other.id in listed else end.read(Kind.PET, other.id or "")
            if isinstance(found, Pet) and found.may_be_booked_by(client.id):
                yield found

    def create_pet(self, job: Job, here: Appointment, client: Client) -> Pet:
        """Makes the booked pet in the PIMS."""
        pet = here.booked_pet or Pet()
        fields = {
            "client_id": client.id,
            "name": pet.name,
            "species": pet.species,
            "breed": pet.breed,
            "sex": pet.sex,
            "birth_date": pet.birth_date,
        }
        writable = self._pair.pims.mapper.writable(Kind.PET)
        step = Step(
            kind=Kind.PET,
            operation=Operation.CREATE,
            fields={name: value for name, value in fields.items() if value and name in writable},
            payload={},
        )
        record = self._writer.write(job, step, self._keeper.pet)
        assert isinstance(record, Pet)  # noqa: S101 - what the mapper makes of this kind
        return record


def _origin(resolution: Resolution) -> str:
    if resolution.client is None:
        return "created"
    in_care = resolution.pet is not None and resolution.pet.is_cared_for_by(resolution.client.id)
    return CARER if in_care else "matched"


def evidence_of(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """What spoke for a client, as a link and a question keep it."""
    return [
        {"field": e.field, "here": e.here, "there": e.there, "level": e.level, "weight": e.weight, "words": e.words}
        for e in evidence
    ]


def shown_candidates(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """The candidates of a match, as a question keeps them."""
    return [_candidate(one) for one in candidates]


def _candidate(candidate: Candidate) -> dict[str, Any]:
    at_branches = {"deceased_at": list(candidate.deceased_at)} if candidate.deceased_at else {}
    return {
        **at_branches,
        "client_id": candidate.client_id,
        "pet_id": candidate.pet_id,
        "score": candidate.score,
        "vetoes": list(candidate.vetoes),
        "evidence": evidence_of(candidate.evidence),
    }
