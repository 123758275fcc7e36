"""Which record on one side is which on the other, before anything is carried over: clients by the matcher's
answers, visits by time, resource, client and pet.

Both sides are full when VetBridge arrives. Whatever stands on both must be recognised, or it is created a second
time; whatever is taken for another's goes to the wrong owner. So a pair counts only where everything that is said
agrees, and where a time, a person and an animal leave a doubt, a person is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from vetbridge.core import normalise
from vetbridge.core.matching import Candidate, Match, Verdict, same_household, same_person
from vetbridge.core.matching.comparing import DIFFERS, pet_level
from vetbridge.core.records import Client

DRIFT = timedelta(days=7)
"""A visit that was moved on one side alone is looked for so far from its time."""

_SETTLED_VETOES = frozenset({"client-inactive", "pet-deceased", "pet-inactive"})


# -- clients ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPair:
    """What the matcher's answers say about one client of the booking side, over all its pets."""

    verdict: Verdict
    client_id: str | None = None
    """Whom it is linked with."""
    others: tuple[str, ...] = ()
    """Records of the same household that share the client, for some of its pets."""
    pets: Mapping[str, str] = field(default_factory=dict)
    """The client's pets at the booking side, each with its counterpart."""
    reason: str = ""
    match: Match | None = None
    """The answer that decided."""
    candidates: tuple[Candidate, ...] = ()
    """Who may be meant, the most likely first, where a person has to say it."""

    @property
    def worth_asking(self) -> bool:
        """Whether a person can say more now. Inactive clients and dead pets are asked about when they book."""
        if self.verdict is not Verdict.REVIEW or not self.candidates:
            return False
        return any(not _SETTLED_VETOES & set(one.vetoes) for one in self.candidates)


def pair_card(card: Client, matches: Sequence[tuple[str | None, Match]], records: Mapping[str, Client]) -> CardPair:
    """One client of the booking side with the matcher's answer for each of its pets (None: for none at all).

    ``records`` are the PIMS clients that the answers name. A couple may share one client of the booking side and
    stand on two records in the PIMS: then the one whose name it bears is linked.
    """
    by_client: dict[str, list[tuple[str | None, Match]]] = {}
    for pet_id, match in matches:
        if match.verdict is Verdict.LINKED and match.client_id is not None:
            by_client.setdefault(match.client_id, []).append((pet_id, match))
    if not by_client:
        return _unlinked(matches)
    main = _bearer(card, list(by_client), records)
    if main is None:
        match = next(iter(by_client.values()))[0][1]
        candidates = tuple(_best(one for _, answer in matches for one in answer.candidates))
        return CardPair(verdict=Verdict.REVIEW, reason="other-fits-better", match=match, candidates=candidates)
    return CardPair(
        verdict=Verdict.LINKED,
        client_id=main,
        others=tuple(sorted(set(by_client) - {main})),
        pets={
            pet_id: match.pet_id
            for answers in by_client.values()
            for pet_id, match in answers
            if pet_id is not None and match.pet_id is not None
        },
        reason=by_client[main][0][1].reason,
        match=by_client[main][0][1],
    )


def _bearer(card: Client, client_ids: Sequence[str], records: Mapping[str, Client]) -> str | None:
    """Of several records that a card's pets lead to, the one whose name the card bears; None where nobody can say."""
    if len(client_ids) == 1:
        return client_ids[0]
    bearers = [id_ for id_ in client_ids if id_ in records and same_person(records[id_], card)]
    if len(bearers) != 1:
        return None
    main = records[bearers[0]]
    if not all(id_ in records and same_household(records[id_], main) for id_ in client_ids):
        return None
    return bearers[0]


def _unlinked(matches: Sequence[tuple[str | None, Match]]) -> CardPair:
    asked = [match for _, match in matches if match.verdict is Verdict.REVIEW]
    if not asked:
        return CardPair(verdict=Verdict.NEW, reason=matches[0][1].reason if matches else "", match=None)
    candidates = tuple(_best(one for match in asked for one in match.candidates))
    return CardPair(verdict=Verdict.REVIEW, reason=asked[0].reason, match=asked[0], candidates=candidates)


def _best(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Each client once, with the best that was said of it, the most likely first."""
    best: dict[str, Candidate] = {}
    for one in candidates:
        if one.client_id not in best or one.score > best[one.client_id].score:
            best[one.client_id] = one
    return sorted(best.values(), key=lambda one: (-one.score, one.client_id))


# -- visits -------------------------------------------------------------------------------------------------------


class Relation(IntEnum):
    """What a booking's client is to a visit's, the closest last."""

    NONE = 0
    """Somebody else, or nobody knows."""
    NAMED = 1
    """They are called alike."""
    MAYBE = 2
    """One of those who may be meant."""
    HOUSEHOLD = 3
    """Another record of the same person or household, or another owner of the visit's pet."""
    LINKED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A visit that stands on one side, as far as it is compared."""

    id: str
    owner: Client
    """As this side says it."""
    client_id: str | None
    pet_name: str = ""
    start: datetime
    """In UTC."""
    duration: int
    """Seconds."""
    resource: str | None = None
    appointment_type: str | None = None
    whole: bool = True
    """False: some of it cannot be read, so it is nothing for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whom the matcher takes a booking's client for, by ids of the PIMS."""

    linked: frozenset[str] = frozenset()
    household: frozenset[str] = frozenset()
    sharing: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Who else may come with a pet of theirs (a co-owner, a carer), with what those pets are called, as
    ``normalise.pet_name`` has it."""
    maybe: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPair:
    """A booking and the visit that it is."""

    booking_id: str
    visit_id: str
    relation: Relation
    agrees: tuple[str, ...]
    """What agrees: ``time``, ``resource``, ``pet``, ``client``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What stands on both sides."""

    pairs: tuple[VisitPair, ...]
    shared: tuple[VisitPair, ...]
    """More records of a visit that is paired already: a second pet in the PIMS, a second line of a booking."""
    asked: tuple[VisitPair, ...]
    """Perhaps one visit: a person has to say it. Each booking and each visit stands here once at the most."""
    beside: tuple[VisitPair, ...] = ()
    """More records of a visit that is asked about: what is answered holds for them, too."""


@dataclass(frozen=True, slots=True)
class _Edge:
    booking: Slot
    visit: Slot
    relation: Relation
    pet: int
    """1 the same, -1 another one, 0 not said on both sides."""
    resource: int

    @property
    def score(self) -> tuple[int, ...]:
        same_type = self.booking.appointment_type is not None and (
            self.booking.appointment_type == self.visit.appointment_type
        )
        return (self.relation, self.pet, self.resource, same_type, self.booking.duration == self.visit.duration)

    @property
    def certain(self) -> bool:
        """At the same time: whether it can only be the same visit."""
        if self.pet < 0 or not (self.booking.whole and self.visit.whole):
            return False
        if self.relation is Relation.LINKED:
            return True
        if self.relation >= Relation.MAYBE:
            # Who shares a contact need not be of the family: a number passes on, and a home for strays has one.
            return self.resource > 0 or self.pet > 0
        return self.relation is Relation.NAMED and self.resource > 0 and self.pet > 0

    @property
    def possible(self) -> bool:
        """At the same time: whether it may be the same visit, and a person has to look."""
        if self.relation is Relation.NONE:
            return False
        return self.resource > 0 or self.relation >= Relation.MAYBE

    def pair(self) -> VisitPair:
        said = {
            "time": self.booking.start == self.visit.start,
            "resource": self.resource > 0,
            "pet": self.pet > 0,
            "client": self.relation >= Relation.HOUSEHOLD,
        }
        return VisitPair(
            booking_id=self.booking.id,
            visit_id=self.visit.id,
            relation=self.relation,
            agrees=tuple(name for name, agrees in said.items() if agrees),
        )


def pair_visits(
    bookings: Collection[Slot],
    visits: Collection[Slot],
    whose: Mapping[str, Whose],
    known: Collection[tuple[str, str]] = (),
) -> Pairing:
    """Which booking is which visit. ``whose``: whom the client of each booking is, by the booking's id.

    ``known``: those that were paired before, booking and visit; here only others can share them.
    Every id stands in one of the answer's pairs at the most, as long as nobody shares it. The order of the records
    does not matter.
    """
    at: dict[datetime, list[Slot]] = {}
    for visit in sorted(visits, key=lambda one: one.id):
        at.setdefault(visit.start, []).append(visit)
    ordered = sorted(bookings, key=lambda one: one.id)
    edges = [
        _edge(booking, visit, relation)
        for booking in ordered
        for visit in at.get(booking.start, ())
        if (relation := _relation(booking, visit, whose.get(booking.id, Whose()))) is not Relation.NONE
    ]
    free_bookings = {one.id for one in ordered} - {booking_id for booking_id, _ in known}
    free_visits = {one.id for one in visits} - {visit_id for _, visit_id in known}
    sure, doubtful = _take(edges, free_bookings, free_visits)
    shared = _share(edges, free_bookings, free_visits)
    possible = [edge for edge in edges if edge.possible] + doubtful
    possible += _drifted(ordered, visits, whose, free_bookings, free_visits)
    asked = _ask(possible, free_bookings, free_visits)
    beside = _beside(edges, asked, free_bookings, free_visits)
    return Pairing(pairs=tuple(sure), shared=tuple(shared), asked=tuple(asked), beside=tuple(beside))


def _take(
    edges: Sequence[_Edge], free_bookings: set[str], free_visits: set[str]
) -> tuple[list[VisitPair], list[_Edge]]:
    """The certain ones, the best first; and those that are as good as another one for the same record."""
    sure: list[VisitPair] = []
    doubtful: list[_Edge] = []
    certain = sorted((edge for edge in edges if edge.certain), key=_order)
    beside: dict[tuple[str, str], list[_Edge]] = {}
    for edge in certain:
        beside.setdefault(("booking", edge.booking.id), []).append(edge)
        beside.setdefault(("visit", edge.visit.id), []).append(edge)

    def is_free(edge: _Edge) -> bool:
        return edge.booking.id in free_bookings and edge.visit.id in free_visits

    for edge in certain:
        if not is_free(edge):
            continue
        of_booking, of_visit = (
            [other for other in beside[key] if other is not edge and other.score == edge.score and is_free(other)]
            for key in (("booking", edge.booking.id), ("visit", edge.visit.id))
        )
        if (of_booking or of_visit) and not _is_one_event(edge, of_booking, of_visit, is_free, beside):
            doubtful.append(edge)
            continue
        free_bookings.discard(edge.booking.id)
        free_visits.discard(edge.visit.id)
        sure.append(edge.pair())
    return sure, doubtful


def _is_one_event(
    edge: _Edge,
    of_booking: Sequence[_Edge],
    of_visit: Sequence[_Edge],
    is_free: Callable[[_Edge], bool],
    beside: Mapping[tuple[str, str], Sequence[_Edge]],
) -> bool:
    """Whether one booking stands as several visits, or several bookings as one, at one time with one vet: then all of
    them are it, and it does not matter which is the first."""
    if of_booking and of_visit:
        return False
    rivals, side = (of_booking, "visit") if of_booking else (of_visit, "booking")
    for rival in (edge, *rivals):
        if rival.relation < Relation.HOUSEHOLD or rival.resource < 0:
            return False
        id_ = rival.visit.id if side == "visit" else rival.booking.id
        if any(other is not rival and is_free(other) for other in beside[side, id_]):
            return False
    return True


def _beside(
    edges: Sequence[_Edge], asked: Sequence[VisitPair], free_bookings: set[str], free_visits: set[str]
) -> list[VisitPair]:
    """Records that are left over beside one that is asked about, of the same household, time and resource."""
    bookings, visits = {one.booking_id for one in asked}, {one.visit_id for one in asked}
    found: list[VisitPair] = []
    for edge in sorted(edges, key=_order):
        if edge.relation < Relation.HOUSEHOLD or edge.resource < 0:
            continue
        if edge.booking.id in bookings and edge.visit.id in free_visits:
            free_visits.discard(edge.visit.id)
            found.append(edge.pair())
        elif edge.visit.id in visits and edge.booking.id in free_bookings:
            free_bookings.discard(edge.booking.id)
            found.append(edge.pair())
    return found


def _share(edges: Sequence[_Edge], free_bookings: set[str], free_visits: set[str]) -> list[VisitPair]:
    """Records that are left over beside a paired one of the same household, time and resource: a vet sees one family
    at a time, so it is one visit in several lines. Not where one is left over on both sides: these two may be one."""
    close = [edge for edge in sorted(edges, key=_order) if edge.relation >= Relation.HOUSEHOLD and edge.resource >= 0]
    beside = [edge for edge in close if edge.booking.id in free_bookings and edge.visit.id in free_visits]
    left_bookings = free_bookings - {edge.booking.id for edge in beside}
    left_visits = free_visits - {edge.visit.id for edge in beside}
    shared: list[VisitPair] = []
    for edge in close:
        one_left = (edge.booking.id in free_bookings) != (edge.visit.id in free_visits)
        if one_left and (edge.booking.id in left_bookings or edge.visit.id in left_visits):
            free_bookings.discard(edge.booking.id)
            free_visits.discard(edge.visit.id)
            shared.append(edge.pair())
    return shared


def _drifted(
    bookings: Sequence[Slot],
    visits: Collection[Slot],
    whose: Mapping[str, Whose],
    free_bookings: set[str],
    free_visits: set[str],
) -> list[_Edge]:
    """Visits of one owner near each other in time, each without a counterpart at its own: moved on one side alone,
    or two visits. The nearest first."""
    by_client: dict[str, list[Slot]] = {}
    for visit in sorted(visits, key=lambda one: one.id):
        if visit.id in free_visits and visit.client_id is not None:
            by_client.setdefault(visit.client_id, []).append(visit)
    near: list[_Edge] = []
    for booking in bookings:
        if booking.id not in free_bookings:
            continue
        known = whose.get(booking.id, Whose())
        for client_id in sorted(known.linked | known.household | known.sharing.keys()):
            for visit in by_client.get(client_id, ()):
                edge = _edge(booking, visit, _relation(booking, visit, known))
                if edge.relation < Relation.HOUSEHOLD or not (booking.whole and visit.whole):
                    continue  # which vet's it is, or which site's, nobody knows
                if edge.pet >= 0 and abs(visit.start - booking.start) <= DRIFT and visit.start != booking.start:
                    near.append(edge)
    return near


def _ask(possible: Sequence[_Edge], free_bookings: set[str], free_visits: set[str]) -> list[VisitPair]:
    """The questions: for each booking that is left the visit that it most likely is."""
    asked: list[VisitPair] = []
    for edge in sorted(possible, key=lambda one: (abs(one.visit.start - one.booking.start), *_order(one))):
        if edge.booking.id in free_bookings and edge.visit.id in free_visits:
            free_bookings.discard(edge.booking.id)
            free_visits.discard(edge.visit.id)
            asked.append(edge.pair())
    return asked


def _order(edge: _Edge) -> tuple[tuple[int, ...], str, str]:
    return (tuple(-each for each in edge.score), edge.booking.id, edge.visit.id)


def _edge(booking: Slot, visit: Slot, relation: Relation) -> _Edge:
    return _Edge(booking, visit, relation, _pets(booking, visit), _resources(booking, visit))


def _relation(booking: Slot, visit: Slot, whose: Whose) -> Relation:
    if visit.client_id is not None:
        if visit.client_id in whose.linked:
            return Relation.LINKED
        if visit.client_id in whose.household or _is_of_a_shared_pet(visit, whose):
            return Relation.HOUSEHOLD
        if visit.client_id in whose.maybe:
            return Relation.MAYBE
    if whose.linked:
        return Relation.NONE  # it is known who books, and this is another one's
    return Relation.NAMED if same_person(booking.owner, visit.owner) else Relation.NONE


def _is_of_a_shared_pet(visit: Slot, whose: Whose) -> bool:
    return normalise.pet_name(visit.pet_name) in whose.sharing.get(visit.client_id or "", ())


def _pets(booking: Slot, visit: Slot) -> int:
    """A name that is only like the other one says nothing: it may be misspelt, and it may be the sister's."""
    one, other = normalise.pet_name(booking.pet_name), normalise.pet_name(visit.pet_name)
    if one and one == other:
        return 1
    return -1 if pet_level(one, other) == DIFFERS else 0


def _resources(booking: Slot, visit: Slot) -> int:
    if booking.resource is None or visit.resource is None:
        return 0
    return 1 if booking.resource == visit.resource else -1
