"""Who is meant by a booking: the odds of all candidates together, what is certain enough, and what forbids a link.

Pure and deterministic: the order of the records, letter case, accents and the way a phone is written do not matter.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from vetbridge.core.matching import weighing
from vetbridge.core.matching.answer import MAX_CANDIDATES, REASONS, VETOES, Candidate, Match, Verdict
from vetbridge.core.matching.comparing import (
    DIFFERS,
    EXACT,
    MISSING,
    MOST_HOLDERS,
    Compared,
    compare,
    family_level,
    given_level,
    pets_of,
)
from vetbridge.core.matching.evidence import evidence_of
from vetbridge.core.matching.forms import Forms, generations
from vetbridge.core.matching.weighing import Clinic, Odds
from vetbridge.core.matching.weights import Weights, shipped

SURE_LINK = 0.95
"""How sure it is who is meant where the two sides' clients are linked and the pet is that client's."""
SURE_TAUGHT = 0.99999
"""How sure it is who is meant where a person said so for the same contact and name before."""

_NAMED = (EXACT, "short", "near")
"""Levels at which the pet is the one that is meant."""
_FITS = (EXACT, "short", "near", "part", "initial")
_WORTH_A_LOOK = 1e-5
"""Of all the mass, what a candidate must have to be shown."""
_LIKELY = 0.5
"""From this probability on, a veto is the reason why a person must look; below it, the doubt itself."""
_LIKELY_ENOUGH = 0.1
"""From this share on, the household of a candidate without such a pet is looked up."""
_NEXT_TO_ONE = 1 - 2.0**-53
_LOOKED_AT = 12
"""Of the best so many candidates are looked at as members of one household."""


@dataclass(slots=True)
class _One:
    """A candidate under way."""

    forms: Forms
    levels: Compared
    odds: Odds
    before: float
    sure: bool
    """Whether it was known beforehand that this one is meant."""
    partner: float = 0.0
    """The odds that another client of the household, who is on record too, books for this one's pet."""
    share: float = 0.0
    vetoes: set[str] = field(default_factory=set)

    @property
    def linking(self) -> float:
        return self.odds.linking + self.partner

    @property
    def shares_contact(self) -> bool:
        return EXACT in (self.levels.phone, self.levels.email)

    @property
    def names_fit(self) -> bool:
        family, given = self.levels.family_name, self.levels.given_name
        return family in _FITS and (given in _FITS or given == MISSING)

    @property
    def pet_fits(self) -> bool:
        return self.levels.pet_name in _NAMED

    @property
    def is_unproven_co_owner(self) -> bool:
        """Whether nothing but a co-owner's name says that this one is meant: anybody may bear it."""
        return bool(self.levels.co_owner) and not self.shares_contact and not self.sure


def decide(
    booking: Forms,
    known: Sequence[Forms],
    clinic: Clinic,
    *,
    weights: Weights | None = None,
    linked_to: str | None = None,
    taught: str | None = None,
    claims_existing: bool | None = None,
    crowded: frozenset[str] = frozenset(),
    household: Callable[[Forms], Sequence[Forms]] | None = None,
) -> Match:
    """Who of ``known`` is meant.

    ``linked_to`` is the client that the booking's own client is linked to already, ``taught`` the one whom a person
    named for this contact and name before: both replace the prior, and vetoes still run. ``known`` are the clients
    that share a blocking key, each once (else ValueError). ``crowded`` are contacts of the booking that stand on so
    many records that they say nothing. ``household`` finds the other records of a client's household: it is asked
    where the first candidate is likely and has no such pet, which may stand on a partner's record.
    """
    weights = weights or shipped()
    by_chance = weighing.chances(booking, clinic, weights)
    before = weighing.prior(clinic, weights, claims_existing=claims_existing)

    def weighed(those: Sequence[Forms]) -> list[_One]:
        sure = {linked_to: SURE_LINK, taught: SURE_TAUGHT}
        return _weighed(booking, those, crowded, sure, by_chance, before, clinic, weights)

    ones = weighed(known)
    if household is not None and ones and _is_unsettled(booking, ones):
        others = household(ones[0].forms)
        if others:
            ones = weighed([*known, *others])
    mass = 1.0 + sum(one.linking for one in ones)
    for one in ones[1:MAX_CANDIDATES]:
        one.share = calibrated(one.linking / mass, weights)
    hinted = sum(one.odds.hinting for one in ones)
    unfound = before * clinic.owners * weights.shares["unfound"]
    nobody = 1.0 / (mass + hinted + unfound)
    chosen = ones[0] if ones else None
    if chosen is not None:
        twice = _twice(ones)
        chosen.share = calibrated(sum(one.linking for one in (chosen, *twice)) / mass, weights)
        _veto(booking, chosen, ones, twice, weights)
    is_certain = chosen is not None and _risk(chosen, ones, twice, mass, weights) < 1
    # A phone or an e-mail address that stands on a record makes nobody new: a partner, or a number passed on, a
    # person must tell.
    may_be_new = (1 - nobody) * weights.decide["duplicate"] < 1 and not any(one.shares_contact for one in ones)
    verdict, reason, doubt = _verdict(
        booking, chosen, certain=is_certain, may_be_new=may_be_new, linked_to=linked_to, taught=taught
    )

    shown = tuple(
        Candidate(
            client_id=one.forms.client_id,
            pet_id=_pet_id(booking, one),
            score=round(one.share, 6),
            evidence=(
                found := evidence_of(
                    booking,
                    one.forms,
                    one.levels,
                    by_chance,
                    one.before,
                    clinic,
                    weights,
                    sure=one.sure,
                    partner=one.partner,
                    usual=before,
                )
            ),
            vetoes=tuple(veto for veto in VETOES if veto in one.vetoes),
            bits=round(sum(item.weight for item in found), 2),
        )
        for one in ones[:MAX_CANDIDATES]
        if one.linking >= _WORTH_A_LOOK * mass or one is chosen
    )
    linked = shown[0] if verdict is Verdict.LINKED else None
    return Match(
        verdict=verdict,
        client_id=linked.client_id if linked else None,
        pet_id=linked.pet_id if linked else None,
        reason=reason,
        words=REASONS[reason],
        evidence=shown[0].evidence if shown else (),
        candidates=shown,
        probability=round(nobody if verdict is Verdict.NEW else shown[0].score if shown else 0.0, 6),
        compared=tuple(one.forms.client_id for one in ones),
        pet_doubt=doubt,
    )


def _weighed(
    booking: Forms,
    known: Sequence[Forms],
    crowded: frozenset[str],
    sure: Mapping[str | None, float],
    by_chance: weighing.Chances,
    before: float,
    clinic: Clinic,
    weights: Weights,
) -> list[_One]:
    """The candidates with their odds, the likeliest first. ``sure``: how sure it is of some by themselves."""
    if len({one.client_id for one in known}) != len(known):
        raise ValueError("a known client stands twice in the list")
    common = crowded | common_contacts(known)

    def weighed(forms: Forms) -> _One:
        levels = compare(booking, forms, common)
        certain = sure.get(forms.client_id)
        if certain == SURE_LINK and levels.pet_name not in _NAMED:
            # A couple may share a card at the booking side: the link says nothing where the pet is not this one's.
            certain = None
        mine = weighing.prior_of(before, weights, active=forms.active, certain=certain)
        odds = weighing.odds(levels, by_chance, pets_of(forms, levels), mine, clinic, weights)
        return _One(forms, levels, odds, mine, sure=certain is not None)

    ones = [weighed(forms) for forms in known]
    ones = [weighed(one.forms._replace(co_owners=())) if _has_own_record(one, ones) else one for one in ones]
    ones = [weighed(one.forms.own) if _is_rather_the_owners(one, ones) else one for one in ones]
    ones.sort(key=lambda one: (-one.linking, one.forms.client_id))
    _weigh_partners(ones[:_LOOKED_AT], by_chance, clinic, weights)
    ones.sort(key=lambda one: (-one.linking, one.forms.client_id))
    return ones


def _has_own_record(one: _One, ones: Sequence[_One]) -> bool:
    """Whether the co-owner whose name is the booker's stands on a record of the household as its owner, too."""
    return bool(one.levels.co_owner) and any(
        other.names_fit and not other.levels.co_owner and one_household(one.forms, other.forms) for other in ones
    )


def _is_rather_the_owners(one: _One, ones: Sequence[_One]) -> bool:
    """Whether a pet of which this one owns a share, or for which she cares, speaks for its primary owner alone: the
    name does not say that it is she who books, and no contact says more of her than of the primary owner."""
    pet = one.levels.animal
    is_named = one.names_fit and one.levels.given_name != MISSING
    if pet is None or is_named or one.forms.client_id not in pet.may_book:
        return False
    return any(
        other.levels.animal is not None
        and other.levels.animal.id == pet.id
        and other.forms.client_id not in pet.may_book
        and (other.shares_contact or not one.shares_contact)
        for other in ones
    )


def _is_unsettled(booking: Forms, ones: Sequence[_One]) -> bool:
    """Whether the pet that is meant may stand on another record of the first candidate's household."""
    if _pet_id(booking, ones[0]) is not None:
        return False
    mass = 1.0 + sum(one.linking for one in ones)
    return sum(one.linking for one in (ones[0], *_twice(ones))) > _LIKELY_ENOUGH * mass


def _twice(ones: Sequence[_One]) -> list[_One]:
    """Those of the best who are the first candidate once more, registered twice."""
    return [one for one in ones[1:_LOOKED_AT] if one_person(ones[0].forms, one.forms)]


def common_contacts(known: Sequence[Forms]) -> frozenset[str]:
    """Contacts that more than a few of the candidates share: they point to nobody."""
    holders: dict[str, int] = {}
    for forms in known:
        for contact in (*forms.phones, *forms.emails):
            holders[contact] = holders.get(contact, 0) + 1
    return frozenset(contact for contact, count in holders.items() if count > MOST_HOLDERS)


def _weigh_partners(ones: Sequence[_One], by_chance: weighing.Chances, clinic: Clinic, weights: Weights) -> None:
    """The owner of a pet may be meant although her partner booked, who is a client with a record of his own.

    Where nothing on the two records says that they are one household, the family name may: then she is one of all who
    have it.
    """
    namesakes = max(1.0, by_chance.family_name * clinic.owners)
    for holder in ones:
        if not holder.pet_fits or holder.names_fit:
            continue
        for booker in ones:
            if booker is holder or not booker.names_fit or booker.pet_fits:
                continue
            if one_household(holder.forms, booker.forms):
                share = weights.shares["partner_on_record"]
            elif holder.levels.family_name == EXACT:
                share = weights.shares["partner_elsewhere"] / namesakes
            else:
                continue
            levels = _joined(holder.levels, booker.levels)
            pets = pets_of(holder.forms, holder.levels)
            found = weighing.odds(levels, by_chance, pets, holder.before * share, clinic, weights).linking
            holder.partner = max(holder.partner, found)


def one_household(one: Forms, other: Forms) -> bool:
    """Whether two records share a contact, or postcode and house number."""
    at_home = (one.house, one.postcode)
    return _share_contact(one, other) or (all(at_home) and at_home == (other.house, other.postcode))


def one_person(one: Forms, other: Forms) -> bool:
    """Whether two records look like two registrations of one person; she may have married in between."""
    if not one_household(one, other) or are_two_generations(one, other):
        return False
    # The very same pet, of which both own a share, makes no one person of two.
    same_pet = any(pet.name == twin.name and pet.id != twin.id for pet in one.animals for twin in other.animals)
    if not (same_pet or _share_contact(one, other)):
        return False
    return any(
        given_level(mine.given, theirs.given) in _FITS
        and (same_pet or family_level(mine.family, theirs.family) in _FITS)
        for mine in one.people
        for theirs in other.people
    )


def are_two_generations(one: Forms, other: Forms) -> bool:
    """Whether both names say which of the family's namesakes is meant, and not the same."""
    mine, theirs = generations(one), generations(other)
    return bool(mine and theirs) and mine != theirs


def _share_contact(one: Forms, other: Forms) -> bool:
    return bool(set(one.phones) & set(other.phones) or set(one.emails) & set(other.emails))


def _joined(holder: Compared, booker: Compared) -> Compared:
    """The pet of one and the names and contacts of the other."""
    return holder._replace(
        phone=booker.phone,
        email=booker.email,
        address=booker.address,
        family_name=booker.family_name,
        given_name=booker.given_name,
        co_owner=booker.co_owner,
    )


def _risk(chosen: _One, ones: Sequence[_One], twice: Sequence[_One], mass: float, weights: Weights) -> float:
    """What linking the first candidate is expected to cost, in reviews.

    Somebody else of the household costs less than a stranger; who of two partners is meant is the smaller question.
    """
    at_home = away = 0.0
    for one in ones:
        if one is chosen or one in twice:
            continue
        at_home += one.partner
        if one_household(chosen.forms, one.forms):
            at_home += one.odds.linking
        else:
            away += one.odds.linking
    return cost_of(1 + away, at_home, mass, weights)


def cost_of(away: float, at_home: float, mass: float, weights: Weights) -> float:
    """What a link is expected to cost, in reviews: ``away`` of all the ``mass`` speaks for nobody or for strangers to
    the record, ``at_home`` for somebody else of its household.

    By the odds themselves: a calibration knows right links and wrong ones, and the two costs are far apart.
    """
    return (away * weights.decide["false_link"] + at_home * weights.decide["household_link"]) / mass


def _veto(booking: Forms, chosen: _One, ones: Sequence[_One], twice: Sequence[_One], weights: Weights) -> None:
    """Sets what forbids a link to the first candidate, whatever its odds. ``twice`` are the same person once more."""
    levels, forms = chosen.levels, chosen.forms
    if booking.proxy or (not chosen.pet_fits and any(_is_named_aside(booking, one) for one in ones)):
        chosen.vetoes.add("booked-for-another")
    if not forms.active:
        chosen.vetoes.add("client-inactive")
    if levels.family_name == levels.given_name == MISSING and not chosen.shares_contact:
        chosen.vetoes.add("name-missing")
    if chosen.is_unproven_co_owner:
        chosen.vetoes.add("co-owner-unproven")
    if are_two_generations(booking, forms):
        chosen.vetoes.add("generation-differs")
    if {levels.phone, levels.email} <= {DIFFERS, "near", "local"} and not _may_be_the_other(chosen):
        chosen.vetoes.add("contacts-contradict")
    chosen.vetoes |= _pet_vetoes(levels)
    for rival in ones[1:_LOOKED_AT]:
        margin = weights.decide["margin_twice" if rival in twice else "margin"]
        if chosen.linking < rival.linking * math.exp2(margin):
            both = chosen.shares_contact and rival.shares_contact
            chosen.vetoes.add(_rivalry(chosen, rival) if both else "other-fits-better")


def _pet_vetoes(levels: Compared) -> set[str]:
    if levels.animal is None or levels.pet_name not in (*_NAMED, MISSING):
        return set()
    found = set()
    if levels.animal.deceased:
        found.add("pet-deceased")
    elif not levels.animal.active:
        found.add("pet-inactive")
    if levels.species == DIFFERS:
        found.add("species-differs")
    if levels.birth_date == DIFFERS and levels.pet_name == EXACT:
        found.add("birth-date-differs")
    return found


def _may_be_the_other(one: _One) -> bool:
    """Whether a record names several people, so that its contacts are those of one of them, and the address or the
    pet's birth date agrees instead."""
    several = len({person.given for person in one.forms.people if person.given}) > 1 and bool(one.forms.family)
    return several and EXACT in (one.levels.address, one.levels.birth_date)


def _is_named_aside(booking: Forms, one: _One) -> bool:
    """Whether the words behind the pet's name are the family name of somebody who has that pet."""
    return one.pet_fits and any(
        family_level(other, person.family) in (EXACT, "near", "part")
        for other in booking.others
        for person in one.forms.people
    )


def _rivalry(chosen: _One, rival: _One) -> str:
    phone = chosen.levels.phone == rival.levels.phone == EXACT
    email = chosen.levels.email == rival.levels.email == EXACT
    return "contact-shared" if phone or email else "contacts-point-apart"


def _verdict(
    booking: Forms,
    chosen: _One | None,
    *,
    certain: bool,
    may_be_new: bool,
    linked_to: str | None,
    taught: str | None,
) -> tuple[Verdict, str, str]:
    """The verdict by expected cost, its reason, and why the pet is in doubt."""
    if chosen is not None and certain:
        by_person = chosen.forms.client_id in (linked_to, taught)
        forbidden = chosen.vetoes - {"contacts-contradict"} if by_person else chosen.vetoes
        first = next((veto for veto in VETOES if veto in forbidden), None)
        if first is not None:
            return Verdict.REVIEW, first, ""
        return Verdict.LINKED, _grounds(booking, chosen, linked_to, taught), _pet_doubt(booking, chosen)
    if may_be_new and booking.proxy:
        return Verdict.REVIEW, "booked-for-another", ""
    if may_be_new:
        if any(person.family or person.given for person in booking.people):
            return Verdict.NEW, "nobody-alike", ""
        has_contact = bool(booking.phones or booking.emails)
        return Verdict.REVIEW, "name-missing" if has_contact else "nothing-to-match-by", ""
    return Verdict.REVIEW, _doubt(chosen), ""


def _grounds(booking: Forms, chosen: _One, linked_to: str | None, taught: str | None) -> str:
    named = any(animal.name for animal in booking.animals)
    if chosen.forms.client_id == taught:
        return "taught"
    if chosen.forms.client_id == linked_to:
        return "known-link"
    if named and not chosen.pet_fits:
        return "owner-known-pet-not"
    if chosen.partner > chosen.odds.linking:
        return "partner-on-record"
    if not chosen.shares_contact:
        return "names-and-pet"
    if not named:
        return "contact-and-family-name"
    return "contact-and-names" if chosen.names_fit else "contact-and-pet"


def _pet_doubt(booking: Forms, chosen: _One) -> str:
    if not any(animal.name for animal in booking.animals):
        return "" if _pet_id(booking, chosen) else "pet-not-named"
    if chosen.levels.several:
        return "pet-several"
    return "pet-doubtful" if chosen.levels.pet_name == "alike" else ""


def _doubt(chosen: _One | None) -> str:
    """Why a person must look where nothing is certain."""
    if chosen is None or (chosen.share < _LIKELY and not chosen.shares_contact):
        return "maybe-known"
    first = next((veto for veto in VETOES if veto in chosen.vetoes), None)
    if first is not None:
        return first
    if chosen.shares_contact:
        return "not-certain" if chosen.names_fit or chosen.pet_fits else "names-differ"
    return "contact-missing" if chosen.names_fit else "maybe-known"


def _pet_id(booking: Forms, one: _One) -> str | None:
    """The pet that is meant: the one that is named, or the only living one where none is.

    What else is said of a pet without a name must fit then, and its breed or birth date: an owner with one pet may
    come with a new one.
    """
    levels = one.levels
    if levels.animal is None or levels.several:
        return None
    if any(animal.name for animal in booking.animals):
        return levels.animal.id if one.pet_fits else None
    said = (levels.species, levels.breed, levels.sex, levels.birth_date)
    described = any((each.species, each.breed, each.sex, each.born) != ("", "", "", 0) for each in booking.animals)
    if described and (DIFFERS in said or EXACT not in (levels.breed, levels.birth_date)):
        return None
    return levels.animal.id


def calibrated(share: float, weights: Weights) -> float:
    """The share of the mass as a probability, by what such shares turned out to be worth."""
    pairs = weights.calibration
    if not pairs or share <= 0:
        return share
    share = min(share, _NEXT_TO_ONE)
    bits = math.log2(share / (1 - share))
    place = bisect_right(pairs, bits, key=itemgetter(0))
    if place == 0:
        worth = bits + pairs[0][1] - pairs[0][0]
    elif place == len(pairs):
        worth = bits + pairs[-1][1] - pairs[-1][0]
    else:
        (x0, y0), (x1, y1) = pairs[place - 1], pairs[place]
        worth = y0 + (bits - x0) * (y1 - y0) / (x1 - x0)
    return 1 / (1 + math.exp2(-worth))
