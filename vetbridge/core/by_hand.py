"""Which visit that stands in a PIMS is the one that the work list asked for, and what was typed wrong in it.

Pure: wanted visits and those that nobody knows yet in, pairs out. Whoever types copies by eye, late, and not without
mistakes; and the desk takes visits by telephone that look alike. A visit that is taken for another's is the worst
that can happen, so whatever leaves a choice is left alone. The evidence, the strongest first:

1. the stamp in the notes, unless the visit is surely another's, or agrees in all with another line;
2. time, vet, owner and pet agree, as far as both say them;
3. all but one of them, by a slip that people make: the neighbouring vet, another pet of the same owner, the same pet
   on another card of the household, a name or phone with a slip, or a time of the day that is off by a slip;
4. the same on another day (day and month exchanged, a week or a year off), where the line is ticked and the owner
   has no other such visit;
5. time, vet and length agree, and the visit names a namesake who has such a pet; or nobody, or another card and its
   pet, where the line is ticked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import NamedTuple

from rapidfuzz.distance import OSA

from vetbridge.core.instants import Instant
from vetbridge.core.matching.comparing import COMMON, DIFFERS, EXACT, MISSING, Compared, compare, pet_level
from vetbridge.core.matching.forms import Forms, forms_of, plain
from vetbridge.core.records import Client, Pet

TIME, DURATION, RESOURCE, TYPE = "start", "duration", "resource", "appointment_type"
CLIENT, PET = "client_id", "pet_id"
GIVEN, FAMILY, PHONES, EMAILS, PET_NAME = "given_name", "family_name", "phones", "emails", "pet_name"
"""What may be typed wrong, as fields of a visit, of its client, and its pet's name."""

Said = Instant | int | str
"""What was typed: a time, seconds, or an id, code, name or contact as the PIMS holds it."""

_SLIPS = tuple(timedelta(minutes=minutes) for minutes in (10, 15, 60, 12 * 60))
"""How far off a time stands that was read or typed wrong: a line of the diary, an hour, morning for evening."""
_WITHIN = tuple(timedelta(minutes=minutes) for minutes in range(5, 60, 5))
"""How far off it may stand besides where the line is ticked."""
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A visit that somebody is to type."""

    key: int
    start: Instant
    duration: int
    """Seconds."""
    resource: str | None
    appointment_type: str | None
    client_id: str | None
    """In the PIMS; None where the owner is new there, or not certain."""
    pet_id: str | None
    booker: Client
    booked_pet: Pet
    stamp: str
    is_ticked: bool = False
    """Somebody says that it is typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A visit of the PIMS that belongs to no booking yet."""

    id: str
    start: Instant
    duration: int
    """Seconds; 0: the PIMS does not say."""
    resource: str | None
    """None: the PIMS does not say."""
    appointment_type: str | None
    client: Client | None
    """Whose it is, as the mirror knows; None: nobody's, or the PIMS does not say."""
    pet: Pet | None
    stamp: str
    """VetBridge's mark in its notes; empty where it bears none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A typed visit that is a wanted one."""

    key: int
    id: str
    mistakes: Mapping[str, Said] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """What was typed otherwise than it was asked for, by field, with what stands there: ``start``, ``duration``,
    ``resource``, ``appointment_type``, ``client_id``, ``pet_id``, and where the owner or the pet is new, or not
    certain, ``given_name``, ``family_name``, ``phones``, ``emails``, ``pet_name``. Of time, vet, owner and pet one at
    the most, but where the visit bears the stamp, or the pet is that of the wrong owner."""
    again: tuple[str, ...] = ()
    """Other visits of the same time, vet, owner and pet: the line was typed more than once."""


class _Tier(IntEnum):
    """By what a typed visit is a wanted one, the strongest first."""

    STAMP = 1
    ALL = 2
    NEARLY = 3
    OTHER_DAY = 4
    PLACE = 5
    """By its place in the diary alone."""


class _When(IntEnum):
    """How far a typed time is from the wanted one."""

    SAME = 0
    SLIP = 1
    OTHER_DAY = 2
    OTHER = 3


class _Whose(StrEnum):
    """Whose a typed visit is, beside the wanted owner."""

    HERS = "hers"
    SLIP = "slip"
    """Hers, with a slip in a name or a contact."""
    GUESS = "guess"
    """The same, but no contact says so."""
    HOUSEHOLD = "household"
    """The card of her household, chosen by who knows them."""
    OTHER_CARD = "other card"
    """Another card of her own, or of her household."""
    NAMESAKE = "namesake"
    """Another card of the same family name."""
    UNSAID = "unsaid"
    STRANGER = "stranger"


class _Which(StrEnum):
    """Which pet a typed visit is for, beside the wanted one."""

    SAME = "same"
    TWIN = "twin"
    """Of the same name, on another record."""
    SLIP = "slip"
    UNSAID = "unsaid"
    OTHER = "other"


class _Seen(NamedTuple):
    """How a typed visit stands beside a wanted one."""

    when: _When
    whose: _Whose
    which: _Which
    is_moved: bool
    """It stands with another vet."""
    is_alike: bool
    """Neither its length nor its type is another."""
    slips: Mapping[str, Said]

    @property
    def agrees(self) -> bool:
        """Whether time, vet, owner and pet agree, as far as both say them."""
        return (
            self.when is _When.SAME
            and not self.is_moved
            and self.whose is _Whose.HERS
            and self.which in (_Which.SAME, _Which.UNSAID)
        )


class _Fit(NamedTuple):
    """A typed visit that may be a wanted one. Less ``rank`` is more agreement."""

    wanted: Wanted
    typed: Typed
    seen: _Seen
    tier: _Tier
    rank: int


def recognise(wanted: Sequence[Wanted], typed: Sequence[Typed], *, country: str) -> Mapping[int, Recognised]:
    """The wanted visits that stand, by ``Wanted.key``; each typed visit is one of them at the most.

    ``country`` is the site's, for phones without a country code. Keys and ids are taken to be distinct. The order of
    either list does not matter.
    """
    desk = _Desk(typed, country)
    fits = _without_strayed_stamps([fit for one in wanted for fit in desk.fits(one)])
    found: dict[int, _Fit] = {}
    for tier in _Tier:
        _settle([fit for fit in fits if fit.tier is tier], found)
    again = _typed_again(fits, found)
    return {
        key: Recognised(
            key=key,
            id=fit.typed.id,
            mistakes=MappingProxyType(_mistakes(fit.wanted, fit.typed, fit.seen)),
            again=tuple(sorted(again[key])),
        )
        for key, fit in sorted(found.items())
    }


def may_be_wanted(wanted: Sequence[Wanted], typed: Typed, *, country: str) -> bool:
    """Whether a visit, seen for itself, may be a wanted one; where it may not, ``recognise`` never pairs it."""
    desk = _Desk([typed], country)
    return any(True for one in wanted for _ in desk.fits(one))


# -- which may be which


class _Desk:
    """The typed visits, found by their time, stamp and owner."""

    def __init__(self, typed: Sequence[Typed], country: str) -> None:
        self._country = country
        self._at: dict[datetime, list[Typed]] = defaultdict(list)
        self._stamped: dict[str, list[Typed]] = defaultdict(list)
        self._of_pet: Counter[tuple[str | None, str | None]] = Counter(map(_family, typed))
        self._forms: dict[Client, Forms] = {}
        for one in typed:
            self._at[one.start.utc].append(one)
            if one.stamp:
                self._stamped[one.stamp].append(one)

    def fits(self, wanted: Wanted) -> Iterator[_Fit]:
        """The typed visits that may be this one."""
        mine = self._stamped[wanted.stamp] if wanted.stamp else ()
        for one in mine:
            seen = self._seen(wanted, one, _when(wanted, one))
            if seen.whose is not _Whose.STRANGER:
                yield _Fit(wanted, one, seen, _Tier.STAMP, _weight(seen))
        for moment, when in _moments(wanted).items():
            for one in self._at.get(moment, ()):
                if one.stamp and one.stamp == wanted.stamp:
                    continue
                if not _is_worth_a_look(wanted, one, when):
                    continue
                seen = self._seen(wanted, one, when)
                tier = self._tier(wanted, one, seen)
                if tier is not None:
                    unsaid = 10 * (seen.which is _Which.UNSAID) + (not seen.is_alike)
                    # Of two copies on two owners of the pet the one on whom it was asked for is the line's.
                    unsaid += 5 * (None not in (wanted.client_id, one.client) and _client_id(one) != wanted.client_id)
                    yield _Fit(wanted, one, seen, tier, unsaid if tier is _Tier.ALL else 0)

    def _seen(self, wanted: Wanted, typed: Typed, when: _When) -> _Seen:
        is_moved = _differ(wanted.resource, typed.resource)
        which = _which(wanted, typed)
        whose = _whose_by_id(wanted, typed)
        slips: dict[str, Said] = {}
        if whose is None and typed.client is not None:
            levels = compare(self._of(wanted.booker), self._of(typed.client), frozenset())
            if wanted.client_id is None:
                levels = _with_short_slips(levels, wanted.booker, typed.client)
                whose = _whose(levels)
                slips = _slips(levels, typed.client) if whose in (_Whose.SLIP, _Whose.GUESS) else {}
            else:
                whose = _whose_card(levels)
        return _Seen(when, whose or _Whose.UNSAID, which, is_moved, _is_alike(wanted, typed), slips)

    def _of(self, client: Client) -> Forms:
        if client not in self._forms:
            self._forms[client] = forms_of(client, (), self._country)
        return self._forms[client]

    def _tier(self, wanted: Wanted, typed: Typed, seen: _Seen) -> _Tier | None:
        """By what a visit without the line's stamp may be the wanted one; None: it may not."""
        if seen.agrees:
            return _Tier.ALL
        if typed.stamp:
            return None  # another booking's
        if seen.when is _When.SAME:
            if _is_near(wanted, seen):
                return _Tier.NEARLY
            return _Tier.PLACE if _is_in_place(wanted, typed, seen) else None
        if seen.whose is not _Whose.HERS or seen.is_moved or not seen.is_alike:
            return None
        if seen.when is _When.OTHER_DAY:
            is_alone = self._of_pet[_family(typed)] == 1
            return _Tier.OTHER_DAY if wanted.is_ticked and is_alone and seen.which is _Which.SAME else None
        sure = seen.which is _Which.SAME or (seen.which is _Which.UNSAID and wanted.is_ticked)
        return _Tier.NEARLY if sure else None


def _is_near(wanted: Wanted, seen: _Seen) -> bool:
    """Whether a visit at the wanted time has one mistake, in vet, owner or pet, and is sure by the rest."""
    has_pet = seen.which is _Which.SAME or (seen.which is _Which.UNSAID and wanted.is_ticked)
    match seen.whose:
        case _Whose.HERS if seen.is_moved:
            return seen.which is _Which.SAME or (seen.which is _Which.UNSAID and seen.is_alike)
        case _Whose.HERS:
            return seen.which is _Which.SLIP or seen.is_alike
        case _Whose.SLIP:
            return not seen.is_moved and seen.which in (_Which.SAME, _Which.UNSAID)
        case _Whose.GUESS | _Whose.HOUSEHOLD:
            return not seen.is_moved and has_pet
        case _Whose.OTHER_CARD:
            return not seen.is_moved and seen.is_alike and seen.which in (_Which.SAME, _Which.TWIN)
        case _:
            return False


def _is_in_place(wanted: Wanted, typed: Typed, seen: _Seen) -> bool:
    """Whether a visit stands just where a line is to stand, and says nothing of the owner, or names another card."""
    if seen.is_moved or not seen.is_alike or typed.duration != wanted.duration:
        return False
    match seen.whose:
        case _Whose.UNSAID:
            return wanted.is_ticked and seen.which in (_Which.SAME, _Which.UNSAID)
        case _Whose.NAMESAKE if seen.which in (_Which.SAME, _Which.TWIN):
            return True
        case _Whose.OTHER_CARD | _Whose.NAMESAKE:
            return wanted.is_ticked and None not in (wanted.resource, typed.resource)
        case _:
            return False


def _weight(seen: _Seen) -> int:
    """In how many things of time, vet, owner and pet a visit is not as it was asked for."""
    return (
        (seen.when is not _When.SAME)
        + seen.is_moved
        + (seen.whose not in (_Whose.HERS, _Whose.UNSAID))
        + (seen.which not in (_Which.SAME, _Which.UNSAID))
    )


def _mistakes(wanted: Wanted, typed: Typed, seen: _Seen) -> dict[str, Said]:
    found: dict[str, Said] = {}
    if seen.when is not _When.SAME:
        found[TIME] = typed.start
    if typed.duration and wanted.duration and typed.duration != wanted.duration:
        found[DURATION] = typed.duration
    if seen.is_moved and typed.resource is not None:
        found[RESOURCE] = typed.resource
    if _differ(wanted.appointment_type, typed.appointment_type) and typed.appointment_type is not None:
        found[TYPE] = typed.appointment_type
    is_elsewhere = seen.whose in (_Whose.OTHER_CARD, _Whose.NAMESAKE)
    if is_elsewhere:
        found[CLIENT] = _client_id(typed) or ""
    found |= seen.slips
    if typed.pet is not None:
        if seen.which is _Which.SLIP:
            found[PET_NAME] = typed.pet.name
        elif seen.which is _Which.OTHER or (seen.which is _Which.TWIN and not is_elsewhere):
            found[PET] = typed.pet.id or ""
    return found


# -- time


def _moments(wanted: Wanted) -> Mapping[datetime, _When]:
    """At what times the wanted visit may stand, also by a slip."""
    moments = {wanted.start.utc: _When.SAME}
    if not MINYEAR + 1 < wanted.start.utc.year < MAXYEAR - 1:
        return moments  # no time that anybody means, and none to reckon with
    wall = wanted.start.at_site().replace(tzinfo=None)
    for shift in (*_SLIPS, *(_WITHIN if wanted.is_ticked else ())):
        for moved in (wall - shift, wall + shift):
            if moved.date() == wall.date():
                moments.setdefault(_utc(moved, wanted), _When.SLIP)
    if wanted.is_ticked:
        for moved in _other_days(wall):
            moments.setdefault(_utc(moved, wanted), _When.OTHER_DAY)
    return moments


def _other_days(wall: datetime) -> Iterator[datetime]:
    """The same time on a day that is taken for this one: a week or a year off, or day and month exchanged."""
    yield wall - _WEEK
    yield wall + _WEEK
    for year, month, day in (
        (wall.year - 1, wall.month, wall.day),
        (wall.year + 1, wall.month, wall.day),
        (wall.year, wall.day, wall.month),
    ):
        try:
            yield wall.replace(year=year, month=month, day=day)
        except ValueError:
            continue


def _utc(wall: datetime, wanted: Wanted) -> datetime:
    return Instant.from_local(wall, wanted.start.zone).utc


def _when(wanted: Wanted, typed: Typed) -> _When:
    return _moments(wanted).get(typed.start.utc, _When.OTHER)


def _is_worth_a_look(wanted: Wanted, typed: Typed, when: _When) -> bool:
    """Whether a visit may have one mistake at the most, by what is quickly seen: names and phones are not."""
    is_moved = _differ(wanted.resource, typed.resource)
    if when is not _When.SAME and (is_moved or not _is_alike(wanted, typed)):
        return False
    is_right = not is_moved and when is _When.SAME
    return is_right or wanted.client_id is None or _whose_by_id(wanted, typed) is _Whose.HERS


def _is_alike(wanted: Wanted, typed: Typed) -> bool:
    length = not typed.duration or not wanted.duration or typed.duration == wanted.duration
    return length and not _differ(wanted.appointment_type, typed.appointment_type)


def _differ(here: str | None, there: str | None) -> bool:
    return None not in (here, there) and here != there


# -- owner and pet

_SAME_FAMILY = (EXACT, "part")
_SAME_GIVEN = (EXACT, "short", "initial")


def _family(typed: Typed) -> tuple[str | None, str | None]:
    """Owner and pet of a visit."""
    return _client_id(typed), typed.pet.id if typed.pet is not None else None


def _client_id(typed: Typed) -> str | None:
    if typed.client is not None:
        return typed.client.id
    return typed.pet.client_id if typed.pet is not None else None


def _whose_by_id(wanted: Wanted, typed: Typed) -> _Whose | None:
    """Whose it is as far as ids say it; None: the name and the contacts have to."""
    if typed.client is not None:
        is_hers = wanted.client_id is not None and typed.client.id == wanted.client_id
        return _Whose.HERS if is_hers or _is_on_another_of_the_pets(wanted, typed) else None
    if typed.pet is None:
        return _Whose.UNSAID
    if wanted.pet_id is not None and typed.pet.id == wanted.pet_id:
        return _Whose.HERS
    owner = typed.pet.client_id
    if None in (owner, wanted.client_id):
        return _Whose.UNSAID
    return _Whose.HERS if owner == wanted.client_id else _Whose.STRANGER


def _is_on_another_of_the_pets(wanted: Wanted, typed: Typed) -> bool:
    """Whether the wanted pet stands with another of its owners, or with its carer, who may book as its owner may."""
    pet = typed.pet
    if pet is None or typed.client is None or pet.id != wanted.pet_id:
        return False
    return pet.is_owned_by(wanted.client_id) and pet.may_be_booked_by(typed.client.id)


def _whose(levels: Compared) -> _Whose:
    """Whose a card is beside a booker who has none, or whose card is not certain."""
    family, given = levels.family_name, levels.given_name
    same = family in _SAME_FAMILY and given in (*_SAME_GIVEN, MISSING)
    alike = DIFFERS not in (family, given) and family != MISSING
    if EXACT in (levels.phone, levels.email):
        if same or family == given == MISSING:
            return _Whose.SLIP if "near" in (levels.phone, levels.email) else _Whose.HERS
        if given == DIFFERS:
            return _Whose.OTHER_CARD if family == DIFFERS else _Whose.HOUSEHOLD
        return _Whose.SLIP
    if _is_contact_near(levels):
        if same:
            return _Whose.SLIP
        if alike:
            return _Whose.GUESS
    elif {levels.phone, levels.email} <= {MISSING, COMMON}:
        if same:
            return _Whose.HERS
        if alike:
            return _Whose.GUESS
    return _Whose.NAMESAKE if family in (*_SAME_FAMILY, "near") else _Whose.STRANGER


def _with_short_slips(levels: Compared, booker: Client, card: Client) -> Compared:
    """A letter makes two people of Tim and Tom when records are matched; of one line and its card it is a slip."""
    here, there = plain(booker.given_name), plain(card.given_name)
    if levels.given_name == DIFFERS and OSA.distance(here, there, score_cutoff=1) == 1:
        return levels._replace(given_name="near")
    return levels


def _whose_card(levels: Compared) -> _Whose:
    """Whose another card is beside an owner whose own is known."""
    if EXACT in (levels.phone, levels.email):
        return _Whose.OTHER_CARD
    return _Whose.NAMESAKE if levels.family_name in (*_SAME_FAMILY, "near") else _Whose.STRANGER


def _is_contact_near(levels: Compared) -> bool:
    return levels.phone == "near" or levels.email in ("near", "local")


def _slips(levels: Compared, typed: Client) -> dict[str, Said]:
    """What was mistyped on a card, with what stands there."""
    found: dict[str, Said] = {}
    if levels.given_name == "near" and not levels.co_owner:
        found[GIVEN] = typed.given_name
    if levels.family_name in ("near", "alike", DIFFERS) and not levels.co_owner:
        found[FAMILY] = typed.family_name
    if levels.phone == "near":
        found[PHONES] = ", ".join(typed.phones)
    if levels.email == "near" or (levels.email == "local" and levels.phone != EXACT):
        found[EMAILS] = ", ".join(typed.emails)
    return found


def _which(wanted: Wanted, typed: Typed) -> _Which:
    pet = typed.pet
    if pet is None:
        return _Which.UNSAID
    if wanted.pet_id is not None and pet.id == wanted.pet_id:
        return _Which.SAME
    booked = wanted.booked_pet
    if not booked.name:
        known = wanted.pet_id is not None or _differ(booked.species, pet.species)
        return _Which.OTHER if known else _Which.UNSAID
    here, there = plain(booked.name), plain(pet.name)
    level = pet_level(here, there)
    if level == EXACT or (level == "short" and (here in there or there in here)):
        return _Which.SAME if wanted.pet_id is None else _Which.TWIN
    return _Which.SLIP if wanted.pet_id is None and level != DIFFERS else _Which.OTHER


# -- one to one


def _without_strayed_stamps(fits: Sequence[_Fit]) -> list[_Fit]:
    """All but those by a stamp that stands on the visit of another line: it was put into the wrong one."""
    agreeing: dict[str, set[int]] = defaultdict(set)
    at_home = set()
    for fit in fits:
        if fit.seen.agrees and fit.seen.which is _Which.SAME:
            agreeing[fit.typed.id].add(fit.wanted.key)
            if fit.tier is _Tier.STAMP:
                at_home.add(fit.wanted.key)
    return [
        fit
        for fit in fits
        if fit.tier is not _Tier.STAMP or fit.rank < 2 or not agreeing[fit.typed.id] - at_home - {fit.wanted.key}
    ]


def _settle(fits: Sequence[_Fit], found: dict[int, _Fit]) -> None:
    """Adds to ``found`` those of one tier that leave no choice, until none is left.

    Visits that say the same are one choice, for as many lines as there are of them.
    """
    while True:
        taken = {fit.typed.id for fit in found.values()}
        free = [fit for fit in fits if fit.wanted.key not in found and fit.typed.id not in taken]
        sure = _sure(free)
        if not sure:
            return
        found |= sure


def _sure(free: Sequence[_Fit]) -> dict[int, _Fit]:
    by_line: dict[int, dict[_Likeness, int]] = defaultdict(dict)
    by_likeness: dict[_Likeness, dict[str, dict[int, _Fit]]] = defaultdict(lambda: defaultdict(dict))
    for fit in free:
        likeness = _likeness(fit)
        by_line[fit.wanted.key][likeness] = fit.rank
        by_likeness[likeness][fit.typed.id][fit.wanted.key] = fit
    sure: dict[int, _Fit] = {}
    for likeness, visits in by_likeness.items():
        ranks = {key: fit.rank for claims in visits.values() for key, fit in claims.items()}
        chosen = [
            key
            for key, rank in sorted(ranks.items())
            if all(rank < other for one, other in by_line[key].items() if one != likeness)
            and sum(other <= rank for other in ranks.values()) <= len(visits)
        ]
        sure |= {key: visits[id_][key] for key, id_ in zip(chosen, sorted(visits), strict=False)}
    return sure


_Likeness = tuple[object, ...]


def _likeness(fit: _Fit) -> _Likeness:
    """What tells a visit from others; those that are known by their place alone are each one of their own."""
    one = fit.typed
    if fit.tier is _Tier.PLACE:
        return (one.id,)
    return (one.start.utc, one.duration, one.resource, one.appointment_type, one.client, one.pet, one.stamp)


def _typed_again(fits: Iterable[_Fit], found: Mapping[int, _Fit]) -> Mapping[int, list[str]]:
    """By line, the visits that are left over and say just what it asked for."""
    taken = {fit.typed.id for fit in found.values()}
    lines: dict[str, set[int]] = defaultdict(set)
    for fit in fits:
        if fit.typed.id not in taken and fit.seen.agrees and fit.seen.which is _Which.SAME:
            lines[fit.typed.id].add(fit.wanted.key)
    again: dict[int, list[str]] = defaultdict(list)
    for id_, keys in lines.items():
        if keys <= found.keys():
            again[min(keys)].append(id_)
    return again
