"""What spoke for and against a candidate, field by field, in words and bits."""

from __future__ import annotations

import math
from datetime import date

from vetbridge.core.matching import weighing
from vetbridge.core.matching.answer import Evidence
from vetbridge.core.matching.comparing import COMMON, DIFFERS, EXACT, MISSING, Compared, pets_of
from vetbridge.core.matching.forms import Forms
from vetbridge.core.matching.weighing import Chances, Clinic
from vetbridge.core.matching.weights import Weights

_CALLED = {
    "phone": "phone",
    "email": "e-mail address",
    "address": "address",
    "family_name": "family name",
    "given_name": "given name",
    "pet_name": "pet name",
    "species": "species",
    "breed": "breed",
    "sex": "sex",
    "birth_date": "birth date",
}
_SAID = {
    EXACT: "same {}",
    DIFFERS: "{} differs",
    MISSING: "{} missing",
    COMMON: "{} stands on too many records to say anything",
    "part": "one {} is part of the other",
    "near": "{} nearly the same",
    "alike": "{} somewhat alike",
    "short": "a short form of the {}",
    "initial": "{} begins with the same letter",
    "local": "same name before the @ of the {}",
    "postcode": "same postcode, other house",
}


def evidence_of(
    booking: Forms,
    known: Forms,
    levels: Compared,
    by_chance: Chances,
    before: float,
    clinic: Clinic,
    weights: Weights,
    *,
    sure: bool,
    partner: float,
    usual: float,
) -> tuple[Evidence, ...]:
    """Each field with the bits it adds to those above it. The sum is the log2 of the candidate's odds.

    ``before`` are the odds before anything was compared; ``sure``: they come from a link or a person's answer, and
    ``usual`` are those of anybody. ``partner``: the odds that a partner with a record of his own books.
    """
    found = []
    total = 0.0
    for field, bits in weighing.steps(levels, by_chance, pets_of(known, levels), before, clinic, weights):
        total += bits
        if field == "prior":
            first = math.log2(usual) if sure else bits
            found.append(Evidence("prior", "", "", EXACT, round(first, 2), "one of all clients on record"))
            if sure:
                gain = bits - math.log2(usual)
                found.append(Evidence("link", "", "", EXACT, round(gain, 2), "linked or taught before"))
            continue
        here, there = _shown(field, booking, known, levels)
        level = getattr(levels, field)
        if here or there or bits:
            words = _SAID[level].format(_CALLED[field])
            found.append(Evidence(field, here, there, level, round(bits, 2), words))
    if levels.co_owner:
        here = f"{booking.given} {booking.family}".strip()
        words = "a co-owner on the client's record has this name"
        found.append(Evidence("co_owner", here, levels.co_owner, EXACT, 0.0, words))
    if levels.pet_name != MISSING and levels.animal is not None and known.client_id in levels.animal.may_book:
        here, there = _shown("pet_name", booking, known, levels)
        if known.client_id in levels.animal.co_owners:
            found.append(Evidence("share", here, there, EXACT, 0.0, "this client owns a share of the pet"))
        else:
            found.append(Evidence("carer", here, there, EXACT, 0.0, "this client cares for the pet of another"))
    if partner:
        gain = math.log2(2.0**total + partner) - total
        words = "another client of the household has this name and this contact"
        found.append(Evidence("partner", "", "", EXACT, round(gain, 2), words))
    return tuple(found)


def _shown(field: str, booking: Forms, known: Forms, levels: Compared) -> tuple[str, str]:
    """What both sides say, safe to show."""
    mine = booking.animals[0] if booking.animals else None
    theirs = levels.animal
    match field:
        case "phone":
            return _shared(booking.phones, known.phones)
        case "email":
            return _shared(booking.emails, known.emails)
        case "address":
            return _place(booking), _place(known)
        case "family_name":
            return booking.family, levels.co_owner or known.family
        case "given_name":
            return booking.given, levels.co_owner or known.given
        case "pet_name":
            return mine.shown if mine else "", theirs.shown if theirs else ""
        case "birth_date":
            return _date(mine.born if mine else 0), _date(theirs.born if theirs else 0)
        case _:
            return getattr(mine, field) if mine else "", getattr(theirs, field) if theirs else ""


def _shared(here: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, str]:
    common = next((value for value in here if value in there), None)
    if common is not None:
        return common, common
    return here[0] if here else "", there[0] if there else ""


def _place(of: Forms) -> str:
    return " ".join(part for part in (of.street, of.house, of.postcode, of.city) if part)[:80]


def _date(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat() if ordinal else ""
