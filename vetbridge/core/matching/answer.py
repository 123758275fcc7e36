"""What the matcher answers: a verdict with its reason, and every candidate with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

MAX_CANDIDATES = 10
"""A longer list helps nobody."""


class Verdict(StrEnum):
    """What the matcher says about a booking."""

    LINKED = "linked"
    NEW = "new"
    REVIEW = "review"


REASONS: Mapping[str, str] = MappingProxyType(
    {
        # Why linked.
        "known-link": "the booking's client is linked already, and nothing speaks against it",
        "taught": "a person linked this contact with this name before",
        "contact-and-names": "contact, name and pet agree",
        "contact-and-family-name": "contact and name agree, and no pet is named or the client has one pet",
        "contact-and-pet": "contact and pet agree",
        "names-and-pet": "name, pet and what is said of them agree",
        "partner-on-record": "another client of the household has this name, and this one has the pet",
        "owner-known-pet-not": "the owner is known, the pet is not",
        # Why new.
        "nobody-alike": "nobody on record is likely to be meant",
        # Why a person must look: vetoes.
        "booked-for-another": "somebody books for another owner",
        "client-inactive": "the client is inactive",
        "contact-shared": "another client has the same phone or e-mail address, and fits about as well",
        "contacts-point-apart": "the phone belongs to one client and the e-mail address to another",
        "contacts-contradict": "neither phone nor e-mail address agrees",
        "other-fits-better": "another client fits about as well",
        "co-owner-unproven": "a co-owner has this name, but no phone and no e-mail address agrees",
        "generation-differs": "one of the two is called senior, the other junior",
        "pet-deceased": "the pet is deceased",
        "pet-inactive": "the pet is inactive",
        "species-differs": "the species differs",
        "birth-date-differs": "the birth date differs although the pet's name is the same",
        # Why a person must look for the pet of an owner who is certain.
        "pet-not-named": "the booking names no pet, and the client has not exactly one",
        "pet-doubtful": "the pet's name is only somewhat like one that the client has",
        "pet-several": "several pets of the client fit the name",
        # Why a person must look: it does not suffice.
        "names-differ": "the contact agrees, but the name does not, and the pet does not settle it",
        "contact-missing": "names agree, but no phone, no e-mail address and no address does",
        "not-certain": "what agrees does not suffice to be certain",
        "maybe-known": "somebody on record may be meant, too likely to make a new client",
        "name-missing": "the booking names no owner",
        "nothing-to-match-by": "the booking has no name, no phone and no e-mail address",
    }
)
"""Every reason of a match and every veto, by its stable code, with the words a person reads."""

VETOES: tuple[str, ...] = (
    "booked-for-another",
    "contacts-point-apart",
    "contact-shared",
    "client-inactive",
    "other-fits-better",
    "co-owner-unproven",
    "generation-differs",
    "pet-deceased",
    "pet-inactive",
    "species-differs",
    "birth-date-differs",
    "contacts-contradict",
    "name-missing",
)
"""The vetoes, the one that is said first coming first."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one field says for or against a candidate.

    ``here`` is the booking's value and ``there`` the record's, made safe to show. ``weight`` is in bits: one more
    doubles the odds. The weights of a candidate's evidence add up to its ``bits``. ``words`` hold no personal data.
    """

    field: str
    here: str
    there: str
    level: str
    weight: float
    words: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible counterpart as a person sees it.

    ``score`` is the probability, 0 to 1, that this one is meant. ``bits`` is the sum of the evidence: the log2 of the
    odds against nobody being meant. ``vetoes`` are codes of ``REASONS``.
    """

    client_id: str
    pet_id: str | None
    score: float
    evidence: tuple[Evidence, ...]
    vetoes: tuple[str, ...]
    bits: float = 0.0
    deceased_at: tuple[str, ...] = ()
    """Other branches of the chain at which the pet is deceased, by their names; empty where none is."""


@dataclass(frozen=True, slots=True)
class Match:
    """The answer. ``client_id`` is set when linked; ``pet_id`` is then None only where the owner has no such pet.

    ``reason`` is a code of ``REASONS``. ``evidence`` is that of the linked candidate, else of the first.
    ``candidates`` stand best first, the linked one before all. ``probability`` is that of the verdict: that the
    linked client is meant, or that nobody is; in review that of the first candidate. ``compared`` are the ids of all
    clients that were compared.
    """

    verdict: Verdict
    client_id: str | None
    pet_id: str | None
    reason: str
    words: str
    evidence: tuple[Evidence, ...]
    candidates: tuple[Candidate, ...]
    probability: float = 0.0
    compared: tuple[str, ...] = ()
    pet_doubt: str = ""
    """Why the owner may be linked and the pet may not, a code of ``REASONS``; empty where the pet is known or new."""
