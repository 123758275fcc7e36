"""The strict rules of VetBridge's first version, kept as they were as a baseline.

*linked* when a phone or an e-mail address is
equal and belongs to one active client alone, the family name or the pet's name is alike, and no veto fires; *new*
when nobody shares a phone, an e-mail address, or family name with pet; everything else is a question for a person.

Pure and deterministic: the order of the records, letter case, accents and the way a phone is written do not matter.
``words`` never hold personal data; ``here`` and ``there`` of an evidence do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from time import perf_counter
from types import MappingProxyType

from rapidfuzz import fuzz

from bench.matching.peers import MAX_CANDIDATE_IDS, Action, Decision
from bench.matching.peers import clinic as files
from vetbridge.core import normalise
from vetbridge.core.records import Client, Pet

FAMILY_CUT = 0.80
"""From this similarity on, two family names are alike (Smyth and Smith: 0.80)."""
GIVEN_CUT = 0.80
"""From this similarity on, two given names are alike."""
GIVEN_MARGIN = 0.20
"""By so much a given name must fit one client better than another to tell two people of a household apart."""
PET_CUT = 0.80
"""From this similarity on, and with the same first letter, two pet names are alike. Names that rhyme (Molly, Polly)
are two siblings more often than one pet misspelt."""
PET_DOUBT = 0.65
"""Between this and ``PET_CUT`` (one letter of four or three: Luna and Lena, Max and Mac) a person must look."""
MAX_CANDIDATES = 10
"""A longer list helps nobody."""

_SHARES: Mapping[str, float] = MappingProxyType(
    {"phone": 0.30, "email": 0.20, "family_name": 0.20, "given_name": 0.10, "pet_name": 0.20}
)
"""What each similarity counts for in a candidate's score. What is missing does not count at all."""


class Strict:
    """The strict rules over an index in memory, as the first version's mirror held it."""

    name = "VetBridge's first strict rules"

    def decide(self, clinic: files.Clinic, bookings: Sequence[files.Booking]) -> Iterator[Decision]:
        """One decision a booking, in the order of the bookings. An existing-client claim is not looked at."""
        known = {key: Known(_client(one.person), tuple(map(_pet, one.pets))) for key, one in clinic.owners.items()}
        index: defaultdict[str, list[str]] = defaultdict(list)
        for key, one in known.items():
            for block in blocking_keys(one.client, one.pets, clinic.country):
                index[block].append(key)
        for booking in bookings:
            start = perf_counter()
            booker, pet = _client(booking.person), _pet(booking.pet) if booking.pet else None
            blocks = blocking_keys(booker, [pet] if pet else [], clinic.country)
            found = tuple(dict.fromkeys(key for block in sorted(blocks) for key in index.get(block, ())))
            answer = match(booker, pet, [known[key] for key in found], country=clinic.country)
            yield Decision(
                booking_id=booking.id,
                action=_ACTIONS[answer.verdict],
                owner_id=answer.client_id,
                patient_id=answer.pet_id,
                probability=1.0 if answer.client_id else 0.0,
                candidates=len(found),
                ms=1000 * (perf_counter() - start),
                candidate_ids=found[:MAX_CANDIDATE_IDS],
            )


class Verdict(StrEnum):
    """What the matcher says about a booking."""

    LINKED = "linked"
    NEW = "new"
    REVIEW = "review"


_ACTIONS: Mapping[Verdict, Action] = MappingProxyType(
    {Verdict.LINKED: "link", Verdict.NEW: "create", Verdict.REVIEW: "review"}
)


class Level(StrEnum):
    """How a field of the booking agrees with the same field of a record."""

    EQUAL = "equal"
    ALIKE = "alike"
    DIFFERS = "differs"
    MISSING = "missing"


REASONS: Mapping[str, str] = MappingProxyType(
    {
        # Why linked.
        "known-link": "the booking's client is linked already, and the pet is that client's",
        "contact-and-names": "contact, family name and pet agree",
        "contact-and-family-name": "contact and family name agree, and the client has one pet",
        "contact-and-pet": "contact and pet agree",
        "owner-known-pet-not": "the owner is known, the pet is not",
        # Why new.
        "nobody-alike": "nobody shares a phone, an e-mail address, or family name with pet",
        # Why a person must look: vetoes.
        "client-inactive": "the client is inactive",
        "contact-shared": "another client has the same phone or e-mail address",
        "contacts-point-apart": "the phone belongs to one client and the e-mail address to another",
        "contacts-contradict": "neither phone nor e-mail address agrees",
        "other-fits-better": "the given name or the pet fits another client better",
        "pet-deceased": "the pet is deceased",
        "pet-inactive": "the pet is inactive",
        "species-differs": "the species differs",
        "birth-date-differs": "the birth date differs although the pet's name is the same",
        # Why a person must look: it does not suffice.
        "names-differ": "the contact agrees, but neither the family name nor the pet's name",
        "contact-missing": "only names agree, no phone or e-mail address",
        "pet-not-named": "the booking names no pet, and the client has not exactly one",
        "pet-doubtful": "the pet's name is only somewhat like one that the client has",
        "pet-several": "several pets of the client fit the name",
        "name-missing": "the booking names no owner",
        "nothing-to-match-by": "the booking has no name, no phone and no e-mail address",
    }
)
"""Every reason of a match and every veto, by its stable code, with the words a person reads."""

VETOES: tuple[str, ...] = (
    "contacts-point-apart",
    "contact-shared",
    "client-inactive",
    "other-fits-better",
    "pet-deceased",
    "pet-inactive",
    "species-differs",
    "birth-date-differs",
    "contacts-contradict",
)
"""The vetoes, the one that is said first coming first."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one field says for or against a candidate.

    ``here`` is the booking's value and ``there`` the record's, made safe to show. ``weight`` is the similarity, 0 to
    1.
    """

    field: str
    here: str
    there: str
    level: Level
    weight: float
    words: str


@dataclass(frozen=True, slots=True)
class Known:
    """A client of the other side with its pets: a possible counterpart. Raises ValueError where an id is missing."""

    client: Client
    pets: tuple[Pet, ...] = ()

    def __post_init__(self) -> None:
        if not self.client.id or not all(pet.id for pet in self.pets):
            raise ValueError("a known client and its pets need their ids")

    @property
    def client_id(self) -> str:
        """The client's id at its own side."""
        return self.client.id or ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible counterpart as a person sees it: ``score`` 0 to 1, ``vetoes`` are codes of ``REASONS``."""

    client_id: str
    pet_id: str | None
    score: float
    evidence: tuple[Evidence, ...]
    vetoes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """The answer. ``client_id`` is set when linked; ``pet_id`` is then None only where the owner has no such pet.

    ``reason`` is a code of ``REASONS``. ``evidence`` is that of the linked candidate, else of the first.
    ``candidates`` stand best first, the linked one before all.
    """

    verdict: Verdict
    client_id: str | None
    pet_id: str | None
    reason: str
    words: str
    evidence: tuple[Evidence, ...]
    candidates: tuple[Candidate, ...]


def blocking_keys(client: Client, pets: Sequence[Pet], country: str) -> frozenset[str]:
    """Keys by which a booking finds its candidates: two that share none are not compared.

    ``phone:+44...``, ``email:...``, and for each named pet ``name:`` with the sound of the family name and the first
    letter of the pet's name. Made alike for a booking and for a record.
    """
    keys = {f"phone:{number}" for number in _phones(client, country)}
    keys.update(f"email:{address}" for address in _emails(client))
    family = normalise.sound(_family(client))
    names = (normalise.pet_name(pet.name) for pet in pets)
    if family:
        keys.update(f"name:{family}|{pet[0]}" for pet in names if pet)
    return frozenset(keys)


def match(
    booker: Client, pet: Pet | None, known: Sequence[Known], *, country: str, linked_to: str | None = None
) -> Match:
    """Who of ``known`` is meant by a booking of ``booker`` for ``pet`` (None: the booking names no pet).

    ``linked_to`` is the client that the booking's own client is linked to already. The link alone says nothing where
    a couple shares one card at the booking side, so it counts only together with the pet, and vetoes still run.
    ``known`` are the clients that share a blocking key, each once (else ValueError); ``country`` is the site's,
    for phones written without a country code.
    """
    if len({one.client_id for one in known}) != len(known):
        raise ValueError("a known client stands twice in the list")
    booking = _Booking(booker, pet, country)
    compared = [_compare(booking, one, country) for one in known]
    linked = next((one for one in compared if one.known.client_id == linked_to and _fits_link(one, compared)), None)
    possible = (one for one in compared if one.possible or one is linked)
    candidates = sorted(possible, key=lambda one: (-one.score, one.known.client_id))
    if linked is not None:
        return _answer(Verdict.LINKED, "known-link", linked, candidates)
    if not candidates:
        return _nobody(booking)
    chosen = _choose(candidates)
    reason = _doubt(booking, chosen, candidates)
    if chosen is None or reason is not None:
        return _answer(Verdict.REVIEW, reason or "contact-missing", None, candidates)
    return _answer(Verdict.LINKED, _grounds(chosen), chosen, candidates)


class _Booking:
    """The booking in comparable forms."""

    def __init__(self, booker: Client, pet: Pet | None, country: str) -> None:
        self.booker = booker
        self.pet = pet or Pet()
        self.phones = _phones(booker, country)
        self.emails = _emails(booker)
        self.family = _family(booker)
        self.given = _given(booker)
        self.pet_name = normalise.pet_name(self.pet.name)


class _PetFit(StrEnum):
    EQUAL = "equal"
    ALIKE = "alike"
    DOUBTFUL = "doubtful"
    NONE = "none"
    UNNAMED = "unnamed"


@dataclass(slots=True)
class _FoundPet:
    """The pet of a client that fits the booking best. ``pet`` is None where none fits, or several fit equally."""

    fit: _PetFit
    pet: Pet | None
    similarity: float
    several: bool = False

    @property
    def named_alike(self) -> bool:
        return self.fit in (_PetFit.EQUAL, _PetFit.ALIKE)


@dataclass(slots=True)
class _Compared:
    """One client of the other side beside the booking. Similarities are None where one of the two is missing."""

    known: Known
    phone: bool | None
    email: bool | None
    family: float | None
    given: float | None
    pet: _FoundPet
    evidence: tuple[Evidence, ...]
    score: float
    vetoes: set[str]

    @property
    def shares_contact(self) -> bool:
        return bool(self.phone or self.email)

    @property
    def family_alike(self) -> bool:
        return self.family is not None and self.family >= FAMILY_CUT

    @property
    def given_alike(self) -> bool:
        return self.given is not None and self.given >= GIVEN_CUT

    @property
    def shares_names(self) -> bool:
        """Family name with pet; where the booking names no pet, the whole name. A cat is not the dog of that name."""
        if self.pet.fit == _PetFit.UNNAMED:
            return self.family_alike and self.given_alike
        return self.family_alike and self.pet.named_alike and "species-differs" not in self.vetoes

    @property
    def possible(self) -> bool:
        return self.shares_contact or self.shares_names


def _compare(booking: _Booking, known: Known, country: str) -> _Compared:
    client = known.client
    their_phones, their_emails = _phones(client, country), _emails(client)
    family = _similarity(booking.family, _family(client))
    given = _given_similarity(booking.given, _given(client))
    found = _find_pet(booking, known.pets)
    phone = _shared("phone", "phone", booking.phones, their_phones)
    email = _shared("email", "e-mail address", booking.emails, their_emails)
    evidence = [
        phone,
        email,
        _alike("family_name", "family name", booking.booker.family_name, client.family_name, family, FAMILY_CUT),
        _alike("given_name", "given name", booking.booker.given_name, client.given_name, given, GIVEN_CUT),
        *_pet_evidence(booking, found),
    ]
    one = _Compared(
        known=known,
        phone=_agreement(phone),
        email=_agreement(email),
        family=family,
        given=given,
        pet=found,
        evidence=tuple(item for item in evidence if item.here or item.there),
        score=_score(evidence),
        vetoes=_pet_vetoes(booking, found),
    )
    if not client.active:
        one.vetoes.add("client-inactive")
    if one.phone is False and one.email is False:
        one.vetoes.add("contacts-contradict")
    return one


def _fits_link(one: _Compared, others: Sequence[_Compared]) -> bool:
    """A client that is linked already is meant where the pet is its own, no veto of its own fires, and nobody else
    with the same contact fits the given name clearly better: partners may share a card, and name their pets alike.

    That neither phone nor e-mail agrees is no veto here: people change them, and the link is older than that.
    """
    if not one.pet.named_alike or one.pet.several or one.vetoes - {"contacts-contradict"}:
        return False
    rivals = (other for other in others if other is not one and other.pet.named_alike)
    return not any(_rivalry(one, rival) == "other-fits-better" for rival in rivals)


def _choose(candidates: Sequence[_Compared]) -> _Compared | None:
    """The one active client that a phone or an e-mail address points to, with the vetoes of its rivals set."""
    by_phone = [one for one in candidates if one.phone and one.known.client.active]
    by_email = [one for one in candidates if one.email and one.known.client.active]
    holders = by_phone + [one for one in by_email if one not in by_phone]
    if by_phone and by_email and not any(one in by_email for one in by_phone):
        for one in holders:
            one.vetoes.add("contacts-point-apart")
    sole = [group[0] for group in (by_phone, by_email) if len(group) == 1]
    if not sole:
        for one in holders:
            one.vetoes.add("contact-shared")
        inactive = (one for one in candidates if one.shares_contact and not one.known.client.active)
        return next(iter(holders), next(inactive, None))
    chosen = sole[0]
    for rival in candidates:
        if rival is not chosen:
            veto = _rivalry(chosen, rival)
            if veto is not None:
                chosen.vetoes.add(veto)
    return chosen


def _rivalry(chosen: _Compared, rival: _Compared) -> str | None:
    """Why another candidate stands in the way, None where it does not.

    An active one with the same contact (a partner, a second registration) does, unless the given name tells them
    apart. One with the same contact and the pet always does: a booking by one partner may show the other's name,
    where the booking side has one card for both. Others do only where they fit the given name clearly better;
    without the contact, also the pet.
    """
    if rival.shares_contact and rival.pet.named_alike and not chosen.pet.named_alike:
        return "other-fits-better"
    ahead = None if chosen.given is None or rival.given is None else chosen.given - rival.given
    if ahead is not None and ahead <= -GIVEN_MARGIN and (rival.shares_contact or not chosen.pet.named_alike):
        return "other-fits-better"
    if not (rival.shares_contact and rival.known.client.active):
        return None
    told_apart = ahead is not None and ahead >= GIVEN_MARGIN and chosen.given_alike
    return None if told_apart else "contact-shared"


def _doubt(booking: _Booking, chosen: _Compared | None, candidates: Sequence[_Compared]) -> str | None:
    """Why ``chosen`` must not be linked without a person; None where it may be."""
    vetoes = (chosen or candidates[0]).vetoes
    first = next((veto for veto in VETOES if veto in vetoes), None)
    if chosen is None or first is not None:
        return first
    if not (chosen.family_alike or chosen.pet.named_alike):
        return "names-differ"
    if chosen.pet.several:
        return "pet-several"
    if chosen.pet.fit == _PetFit.DOUBTFUL:
        return "pet-doubtful"
    if chosen.pet.fit == _PetFit.UNNAMED and chosen.pet.pet is None:
        return "pet-not-named"
    return None


def _grounds(chosen: _Compared) -> str:
    if chosen.pet.pet is None:
        return "owner-known-pet-not"
    if not chosen.pet.named_alike:
        return "contact-and-family-name"
    return "contact-and-names" if chosen.family_alike else "contact-and-pet"


def _nobody(booking: _Booking) -> Match:
    if booking.family or booking.given:
        return _answer(Verdict.NEW, "nobody-alike", None, ())
    has_contact = booking.phones or booking.emails
    return _answer(Verdict.REVIEW, "name-missing" if has_contact else "nothing-to-match-by", None, ())


def _answer(verdict: Verdict, reason: str, chosen: _Compared | None, candidates: Sequence[_Compared]) -> Match:
    ranked = ([chosen] if chosen else []) + [one for one in candidates if one is not chosen]
    shown = tuple(
        Candidate(
            client_id=one.known.client_id,
            pet_id=one.pet.pet.id if one.pet.pet else None,
            score=round(one.score, 4),
            evidence=one.evidence,
            vetoes=tuple(veto for veto in VETOES if veto in one.vetoes),
        )
        for one in ranked[:MAX_CANDIDATES]
    )
    return Match(
        verdict=verdict,
        client_id=shown[0].client_id if chosen else None,
        pet_id=shown[0].pet_id if chosen else None,
        reason=reason,
        words=REASONS[reason],
        evidence=shown[0].evidence if shown else (),
        candidates=shown,
    )


def _find_pet(booking: _Booking, pets: Sequence[Pet]) -> _FoundPet:
    """The client's pet that the booking means. A name's exactness comes first, then that the pet is alive."""
    living = [pet for pet in pets if pet.active and not pet.deceased]
    if not booking.pet_name:
        return _FoundPet(_PetFit.UNNAMED, living[0] if len(living) == 1 else None, 0.0)
    similar = [(pet, _similarity(booking.pet_name, normalise.pet_name(pet.name)) or 0.0) for pet in pets]
    groups = {
        _PetFit.EQUAL: [pet for pet, similarity in similar if similarity == 1.0],
        _PetFit.ALIKE: [pet for pet, similarity in similar if _pet_alike(booking, pet, similarity)],
        _PetFit.DOUBTFUL: [pet for pet, similarity in similar if similarity >= PET_DOUBT],
    }
    for fit, group in groups.items():
        if group:
            fitting = _narrow(booking.pet, [pet for pet in group if pet in living] or group)
            best = max(similarity for pet, similarity in similar if pet in fitting)
            return _FoundPet(fit, fitting[0] if len(fitting) == 1 else None, best, several=len(fitting) > 1)
    return _FoundPet(_PetFit.NONE, None, max((similarity for _, similarity in similar), default=0.0))


def _pet_alike(booking: _Booking, pet: Pet, similarity: float) -> bool:
    return similarity >= PET_CUT and normalise.pet_name(pet.name)[:1] == booking.pet_name[:1]


def _narrow(booked: Pet, pets: Sequence[Pet]) -> Sequence[Pet]:
    """Of pets that bear the name alike, those whose species, then birth date, is the booked one; else all."""
    if booked.species:
        pets = [pet for pet in pets if pet.species == booked.species] or pets
    if booked.birth_date:
        pets = [pet for pet in pets if pet.birth_date == booked.birth_date] or pets
    return pets


def _pet_vetoes(booking: _Booking, found: _FoundPet) -> set[str]:
    pet, booked = found.pet, booking.pet
    if pet is None or found.fit == _PetFit.DOUBTFUL:
        return set()
    vetoes = set()
    if pet.deceased:
        vetoes.add("pet-deceased")
    elif not pet.active:
        vetoes.add("pet-inactive")
    if pet.species and booked.species and pet.species != booked.species:
        vetoes.add("species-differs")
    both_dates = pet.birth_date is not None and booked.birth_date is not None
    if found.fit == _PetFit.EQUAL and both_dates and pet.birth_date != booked.birth_date:
        vetoes.add("birth-date-differs")
    return vetoes


def _pet_evidence(booking: _Booking, found: _FoundPet) -> list[Evidence]:
    theirs = found.pet.name if found.pet else ""
    if booking.pet_name and not theirs:
        words = "several pets fit the name" if found.several else "no pet of that name"
        return [Evidence("pet_name", normalise.shown(booking.pet.name), "", Level.DIFFERS, found.similarity, words)]
    similarity = found.similarity if booking.pet_name else None
    evidence = [_alike("pet_name", "pet name", booking.pet.name, theirs, similarity, PET_CUT)]
    if found.pet is not None:
        dates = [one.birth_date.isoformat() if one.birth_date else "" for one in (booking.pet, found.pet)]
        evidence.append(_same("species", "species", booking.pet.species or "", found.pet.species or ""))
        evidence.append(_same("birth_date", "birth date", *dates))
    return evidence


def _score(evidence: Sequence[Evidence]) -> float:
    counted = [item for item in evidence if item.field in _SHARES and item.level != Level.MISSING]
    total = sum(_SHARES[item.field] for item in counted)
    return sum(_SHARES[item.field] * item.weight for item in counted) / total if total else 0.0


def _shared(field: str, word: str, here: Sequence[str], there: Sequence[str]) -> Evidence:
    common = next((value for value in here if value in there), None)
    if common is not None:
        return Evidence(field, common, common, Level.EQUAL, 1.0, f"same {word}")
    return _same(field, word, here[0] if here else "", there[0] if there else "")


def _same(field: str, word: str, here: str, there: str) -> Evidence:
    here, there = normalise.shown(here), normalise.shown(there)
    if not here or not there:
        return Evidence(field, here, there, Level.MISSING, 0.0, f"{word} missing")
    if here == there:
        return Evidence(field, here, there, Level.EQUAL, 1.0, f"same {word}")
    return Evidence(field, here, there, Level.DIFFERS, 0.0, f"{word} differs")


def _alike(field: str, word: str, here: str, there: str, similarity: float | None, cut: float) -> Evidence:
    here, there = normalise.shown(here), normalise.shown(there)
    if similarity is None:
        return Evidence(field, here, there, Level.MISSING, 0.0, f"{word} missing")
    if similarity == 1.0:
        return Evidence(field, here, there, Level.EQUAL, 1.0, f"same {word}")
    level = Level.ALIKE if similarity >= cut else Level.DIFFERS
    verb = "alike" if level == Level.ALIKE else "differs"
    return Evidence(field, here, there, level, round(similarity, 4), f"{word} {verb} ({100 * similarity:.0f} %)")


def _agreement(evidence: Evidence) -> bool | None:
    return None if evidence.level == Level.MISSING else evidence.level == Level.EQUAL


def _similarity(here: str, there: str) -> float | None:
    """Similarity of two folded names, spaces aside (van der Berg, Vanderberg); None where one is missing."""
    if not here or not there:
        return None
    return fuzz.ratio(here.replace(" ", ""), there.replace(" ", "")) / 100


def _given_similarity(here: str, there: str) -> float | None:
    """As ``_similarity``; a second name may be left out, and an initial is like any name that starts with it."""
    if not here or not there:
        return None
    first_here, first_there = here.partition(" ")[0], there.partition(" ")[0]
    if 1 in (len(first_here), len(first_there)) and first_here[0] == first_there[0]:
        return max(GIVEN_CUT, _similarity(here, there) or 0.0)
    return max(_similarity(here, there) or 0.0, _similarity(first_here, first_there) or 0.0)


def _phones(client: Client, country: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(number for text in client.phones for number in _read_phones(text, country)))


def _emails(client: Client) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for text in client.emails for address in normalise.emails(text)))


def _family(client: Client) -> str:
    """The folded family name; of a whole name typed into the given name's field, its last word."""
    family = normalise.name(client.family_name)
    given = normalise.name(client.given_name).split()
    return family or (given[-1] if len(given) > 1 else "")


def _given(client: Client) -> str:
    """The folded given name, without the family name where both stand in one field."""
    given = normalise.name(client.given_name)
    if normalise.name(client.family_name):
        return given
    return " ".join(given.split()[:-1]) or given


@lru_cache(maxsize=1_000_000)
def _read_phones(text: str, country: str) -> tuple[str, ...]:
    # A record's phones are read once a clinic, not once a comparison, as a mirror would hold them.
    return normalise.phones(text, country)


def _client(person: files.Person) -> Client:
    return Client(
        id=person.id,
        given_name=person.written_given,
        family_name=person.written_family,
        phones=person.written_phones,
        emails=person.written_emails,
        active=person.active,
    )


def _pet(pet: files.Pet) -> Pet:
    return Pet(
        id=pet.id,
        name=pet.written_name,
        species=pet.species or None,
        birth_date=_date(pet.birth_date),
        deceased=pet.deceased,
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
