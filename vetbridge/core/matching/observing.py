"""What a comparison showed, without a word of what was compared: enough to weigh it again, and nobody is named.

An observation holds, for each candidate, the levels of agreement, and of the clinic what chance agreements depend on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from vetbridge.core.matching import deciding, weighing
from vetbridge.core.matching.answer import Match, Verdict
from vetbridge.core.matching.comparing import COMMON, LEVELS, MISSING, Compared, compare, pets_of
from vetbridge.core.matching.deciding import SURE_LINK, SURE_TAUGHT
from vetbridge.core.matching.forms import Forms
from vetbridge.core.matching.weighing import Chances, Clinic, Odds
from vetbridge.core.matching.weights import Weights

ELSEWHERE = -1
"""Instead of a candidate's place: somebody on record is meant who is none of the candidates."""

LINKED = "linked"
TAUGHT = "taught"
_SURE = {LINKED: SURE_LINK, TAUGHT: SURE_TAUGHT}

_LETTERS: Mapping[str, str] = {
    "exact": "e",
    "short": "s",
    "part": "t",
    "local": "l",
    "near": "n",
    "alike": "a",
    "postcode": "p",
    "initial": "i",
    "differs": "d",
    MISSING: "m",
    COMMON: "c",
}
_WORDS = {letter: word for word, letter in _LETTERS.items()}
_FIELDS = tuple(LEVELS)
_PACKED = 1

TWIN = "twin"
HOME = "home"


class Seen(NamedTuple):
    """A candidate as it was compared. ``levels`` stand in the order of ``LEVELS``.

    ``sure`` is ``linked`` or ``taught`` where that was known beforehand, else empty. ``partner`` are the odds that a
    partner with a record of his own booked for this one's pet. ``relation`` is to the first candidate: ``twin`` (the
    same person, registered once more), ``home`` (of the same household), else empty.
    """

    levels: tuple[str, ...]
    pets: int
    active: bool
    sure: str
    partner: float
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One decision: what was compared, what came of it, and who was meant, where somebody has said so.

    ``meant`` are the places of the right candidates (several, where one person is registered twice), ``(ELSEWHERE,)``
    for somebody who is none of them, ``()`` for nobody on record, None where nobody has said it. ``vetoes`` are those
    of the first candidate. ``stands_for``: so many decisions like this one it stands for in a sample.
    """

    owners: int
    claims_existing: bool | None
    chances: Chances
    seen: tuple[Seen, ...]
    verdict: Verdict
    vetoes: tuple[str, ...]
    may_be_new: bool = True
    """The booking names its owner, and no contact of it stands on a record: else nobody is made."""
    meant: tuple[int, ...] | None = None
    stands_for: float = 1.0

    def usual(self, weights: Weights) -> float:
        """The odds of any client before anything is compared."""
        return weighing.prior(Clinic(self.owners, {}), weights, claims_existing=self.claims_existing)

    def odds(self, weights: Weights) -> tuple[Odds, ...]:
        """The odds of each candidate as these weights have them, without the partner's."""
        clinic = Clinic(self.owners, {})
        usual = self.usual(weights)
        return tuple(
            weighing.odds(
                _compared(one.levels),
                self.chances,
                one.pets,
                _before(one, usual, weights),
                clinic,
                weights,
            )
            for one in self.seen
        )

    def packed(self) -> dict[str, Any]:
        """The same as plain data, short; ``unpacked`` reads it."""
        plain: dict[str, Any] = {
            "v": _PACKED,
            "owners": self.owners,
            "claims": self.claims_existing,
            "chances": [_short(chance) for chance in self.chances],
            "seen": [
                [
                    "".join(_LETTERS[level] for level in one.levels),
                    one.pets,
                    int(one.active),
                    one.sure,
                    _short(one.partner),
                    one.relation,
                ]
                for one in self.seen
            ],
            "verdict": str(self.verdict),
            "vetoes": list(self.vetoes),
        }
        if not self.may_be_new:
            plain["new"] = False
        if self.meant is not None:
            plain["meant"] = list(self.meant)
        if self.stands_for != 1.0:
            plain["for"] = round(self.stands_for, 6)
        return plain

    @classmethod
    def unpacked(cls, plain: Mapping[str, Any], *, meant: tuple[int, ...] | None = None) -> Self | None:
        """An observation that was packed; None where another version of VetBridge compared in other levels.

        ``meant`` stands in for what it says itself.
        """
        try:
            seen = tuple(
                Seen(tuple(_WORDS[one] for one in letters), int(pets), bool(active), str(sure), float(odds), str(kin))
                for letters, pets, active, sure, odds, kin in plain["seen"]
            )
            known = all(
                len(one.levels) == len(_FIELDS)
                and all(
                    level in (MISSING, COMMON) or level in LEVELS[field]
                    for field, level in zip(_FIELDS, one.levels, strict=True)
                )
                for one in seen
            )
            if plain["v"] != _PACKED or not known:
                return None
            said = plain.get("meant")
            return cls(
                owners=int(plain["owners"]),
                claims_existing=plain["claims"],
                chances=Chances(*map(float, plain["chances"])),
                seen=seen,
                verdict=Verdict(plain["verdict"]),
                vetoes=tuple(map(str, plain["vetoes"])),
                may_be_new=bool(plain.get("new", True)),
                meant=meant if meant is not None or said is None else tuple(map(int, said)),
                stands_for=float(plain.get("for", 1.0)),
            )
        except (KeyError, TypeError, ValueError):
            return None


def observe(
    match: Match,
    booking: Forms,
    known: Mapping[str, Forms],
    clinic: Clinic,
    weights: Weights,
    *,
    taught: str | None = None,
    claims_existing: bool | None = None,
    crowded: frozenset[str] = frozenset(),
) -> Observation:
    """What a match was decided by. ``known`` are the clients by id, the rest is what ``decide`` was given."""
    seen = []
    usual = weighing.prior(clinic, weights, claims_existing=claims_existing)
    by_chance = weighing.chances(booking, clinic, weights)
    common = crowded | deciding.common_contacts(list(known.values()))
    contacts = {*booking.phones, *booking.emails} - common
    first = known[match.candidates[0].client_id] if match.candidates else None
    for candidate in match.candidates:
        forms = known[candidate.client_id]
        known_before = any(each.field == "link" for each in candidate.evidence)
        sure = (TAUGHT if candidate.client_id == taught else LINKED) if known_before else ""
        levels = compare(booking, forms, common)
        if levels.co_owner and not any(each.field == "co_owner" for each in candidate.evidence):
            levels = compare(booking, forms._replace(co_owners=()), common)
        if candidate.client_id in (levels.animal.may_book if levels.animal else ()) and not any(
            each.field in ("share", "carer") for each in candidate.evidence
        ):
            forms = forms.own
            levels = compare(booking, forms, common)
        one = Seen(tuple(levels[:10]), pets_of(forms, levels), forms.active, sure, 0.0, _relation(first, forms))
        own = weighing.odds(levels, by_chance, one.pets, _before(one, usual, weights), clinic, weights).linking
        gain = next((each.weight for each in candidate.evidence if each.field == "partner"), 0.0)
        seen.append(one._replace(partner=own * (2.0**gain - 1)))
    return Observation(
        owners=clinic.owners,
        claims_existing=claims_existing,
        chances=by_chance,
        seen=tuple(seen),
        verdict=match.verdict,
        vetoes=match.candidates[0].vetoes if match.candidates else (),
        may_be_new=any(person.family or person.given for person in booking.people)
        and not any(contacts.intersection((*one.phones, *one.emails)) for one in known.values()),
    )


def _relation(first: Forms | None, other: Forms) -> str:
    if first is None or other is first:
        return ""
    if deciding.one_person(first, other):
        return TWIN
    return HOME if deciding.one_household(first, other) else ""


def _compared(levels: tuple[str, ...]) -> Compared:
    """The levels as they are weighed: which pet they speak of does not matter there."""
    phone, email, address, family, given, pet, species, breed, sex, birth = levels
    return Compared(phone, email, address, family, given, pet, species, breed, sex, birth, None, several=False)


def _before(one: Seen, usual: float, weights: Weights) -> float:
    return weighing.prior_of(usual, weights, active=one.active, certain=_SURE.get(one.sure))


def _short(number: float) -> float:
    """Four digits are enough to weigh by."""
    return float(f"{number:.4g}") if math.isfinite(number) else 0.0
