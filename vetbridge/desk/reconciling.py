"""Every difference between the two sides of a site: who would change what, what stays as it is, and why.

Drawn from a rehearsal: a copy of the ledger in which everything that differs has been worked on, and what both sides
have shown before that. Everything here is personal data, made on demand for the person who asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.config.models import Site
from vetbridge.connector.dry import PLANNED
from vetbridge.core import normalise
from vetbridge.core.answers import PAIR_VISIT
from vetbridge.core.matching import forms_of, home_keys
from vetbridge.core.matching.deciding import one_person
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet
from vetbridge.desk.review import Difference, ReviewItem, open_items
from vetbridge.desk.wording import field_words
from vetbridge.ledger import links, mirror, rehearsals
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.rehearsals import PlannedChange, PlannedWrite
from vetbridge.sync.comparing import standing_fields, wanted_fields
from vetbridge.sync.pair import Pair
from vetbridge.sync.wording import PAIRED


class Group(StrEnum):
    """What becomes of a difference."""

    TO_PIMS = "to-pims"
    TO_BOOKING = "to-booking"
    QUESTION = "question"
    HELD_UP = "held-up"
    UNREADABLE = "unreadable"
    STAYS = "stays"
    REGISTERED_TWICE = "registered-twice"
    ONE_SIDE = "one-side"


GROUP_WORDS: Mapping[Group, str] = {
    Group.TO_PIMS: "Would be written to the PIMS",
    Group.TO_BOOKING: "Would be written to the booking side",
    Group.QUESTION: "A person is asked",
    Group.HELD_UP: "Would be written, and cannot be now",
    Group.UNREADABLE: "Cannot be read",
    Group.STAYS: "Differs, and stays as it is on each side",
    Group.REGISTERED_TWICE: "Seems to be registered twice in the PIMS (nobody but staff merges records)",
    Group.ONE_SIDE: "Clients on one side alone (they are carried over with a visit)",
}
_STANDING = frozenset({Group.TO_PIMS, Group.TO_BOOKING, Group.QUESTION, Group.HELD_UP, Group.UNREADABLE})
"""Groups that keep the two sides from agreeing; the others are how things are."""

CREATE, MOVE, UPDATE, CANCEL = "create", "move", "update", "cancel"
OPERATION_WORDS: Mapping[str, str] = {CREATE: "made", MOVE: "moved", UPDATE: "changed", CANCEL: "cancelled"}

PIMS, BOOKING = "pims", "booking"
_MOVES = frozenset({"start", "resource"})
_SHOWN = ("start", "duration", "status", "appointment_type", "resource")
"""Fields of a visit that are shown, in this order."""
_GONE = "gone"
_OPEN = frozenset({"failed", "waiting", "received"})
"""States of a change that would not come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One difference. Ids are those of each side; None where it has no record of it."""

    group: Group
    site: str
    kind: str
    visit_at: datetime | None = None
    """At the site's own time."""
    who: str = ""
    """Whose it is: the owner and the pet."""
    booking_id: str | None = None
    pims_id: str | None = None
    others: tuple[str, ...] = ()
    """More ids in the PIMS: those who may be meant, or the other registrations of the same person."""
    side: str = ""
    """Which side would be changed: ``pims`` or ``booking``; empty where none would."""
    operation: str = ""
    """``create``, ``move`` (another time, vet or room), ``update`` or ``cancel``."""
    fields: tuple[Difference, ...] = ()
    why: str
    """A stable code."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The coming visits of one side, as it has shown them before anything was planned."""

    records: Mapping[str, Appointment] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """By id, why a visit cannot be read."""

    def stands(self, id_: str) -> Appointment | None:
        """A visit that is neither gone nor cancelled."""
        found = self.records.get(id_)
        return None if found is None or found.status is AppointmentStatus.CANCELLED else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """All differences of one or more sites."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    """What a person must know beside them."""
    problems: tuple[str, ...] = ()
    """What could not be compared."""
    unreachable: bool = False
    clients_only_at_booking: int = 0
    clients_only_in_pims: int = 0

    @property
    def agrees(self) -> bool:
        """Whether nothing would be written, nobody is asked and everything could be read."""
        return not self.problems and not any(line.group in _STANDING for line in self.lines)

    def in_group(self, group: Group) -> tuple[Line, ...]:
        """The lines of one group, in their order."""
        return tuple(line for line in self.lines if line.group is group)

    def counts(self) -> dict[str, dict[str, int]]:
        """By group, how many of what: ``appointment create``, ``client``."""
        found: dict[str, Counter[str]] = {}
        for line in self.lines:
            found.setdefault(line.group, Counter())[f"{line.kind or 'site'} {line.operation}".strip()] += 1
        one_side = Counter({"at-booking": self.clients_only_at_booking, "in-pims": self.clients_only_in_pims})
        if one_side.total():
            found[Group.ONE_SIDE] = one_side
        return {group.value: dict(found[group]) for group in Group if group in found}


def reconciled(
    tx: Transaction,
    sites: Mapping[str, Site],
    pair: Pair,
    here: Shown,
    there: Shown,
    planned: Iterable[PlannedChange],
    *,
    every_client: bool = False,
) -> Reconciliation:
    """The differences of one pair. ``planned`` is what a rehearsal came to, ``tx`` its copy of the ledger.

    ``every_client``: the clients of one side alone stand among the lines, too, and are not only counted.
    """
    look = _Look(tx, sites, pair, here, there, [each for each in planned if each.site == pair.site])
    lines = [*look.writes(), *look.questions(), *look.held_up(), *look.unreadable(), *look.visits()]
    people = look.people(every_client=every_client)
    lines += people.lines
    order = {group: number for number, group in enumerate(Group)}
    latest = datetime.max.replace(tzinfo=ZoneInfo("UTC"))
    lines.sort(key=lambda line: (order[line.group], line.visit_at or latest, line.who.casefold()))
    return Reconciliation(
        lines=tuple(lines), clients_only_at_booking=people.only_at_booking, clients_only_in_pims=people.only_in_pims
    )


def together(
    found: Sequence[Reconciliation], problems: Sequence[str], *, unreachable: bool, notes: Sequence[str] = ()
) -> Reconciliation:
    """Several sites in one. What several sites of one PIMS tell alike of its clients stands there once."""
    lines: dict[object, Line] = {}
    for group in Group:
        for one in found:
            for line in one.in_group(group):
                of_pims = group is Group.REGISTERED_TWICE
                lines.setdefault((line.who, line.pims_id, line.others) if of_pims else len(lines), line)
    return Reconciliation(
        lines=tuple(lines.values()),
        notes=tuple(notes),
        problems=tuple(problems),
        unreachable=unreachable,
        clients_only_at_booking=sum(one.clients_only_at_booking for one in found),
        clients_only_in_pims=sum(one.clients_only_in_pims for one in found),
    )


def visit_differences(here: Appointment | None, there: Appointment | None) -> tuple[Difference, ...]:
    """The fields in which a booking and its visit differ, of those that flow; its status where one is gone."""
    if here is None or there is None:
        return (Difference(field="status", booking=_status(here), pims=_status(there)),)
    mine, theirs = wanted_fields(here, None, None, unlinked=False), standing_fields(there)
    return tuple(
        Difference(field=name, booking=mine[name], pims=theirs[name]) for name in _SHOWN if mine[name] != theirs[name]
    )


def client_differences(card: Client, client: Client, country: str) -> tuple[Difference, ...]:
    """Where a client of the booking side says something else than the PIMS; one of several phones is enough."""
    found = []
    mine, theirs = (" ".join(one.full_name.split()) for one in (card, client))
    if mine != theirs:
        found.append(Difference(field="name", booking=mine, pims=theirs))
    for name, comparable in (
        ("phones", lambda each: normalise.phones(each, country) or {each.strip()}),
        ("emails", lambda each: {normalise.email(each) or each.strip().casefold()}),
    ):
        here, there = getattr(card, name), getattr(client, name)
        said, known = _all(here, comparable), _all(there, comparable)
        if (said - known) or (known and not said):
            found.append(Difference(field=name, booking=here, pims=there))
    return tuple(found)


def _all(texts: Iterable[str], comparable: Callable[[str], Iterable[str]]) -> set[str]:
    return {one for text in texts if text.strip() for one in comparable(text)}


@dataclass
class _People:
    lines: list[Line] = field(default_factory=list)
    only_at_booking: int = 0
    only_in_pims: int = 0


class _Look:
    """One look at one pair."""

    def __init__(
        self,
        tx: Transaction,
        sites: Mapping[str, Site],
        pair: Pair,
        here: Shown,
        there: Shown,
        planned: Sequence[PlannedChange],
    ) -> None:
        self._tx = tx
        self._pair = pair
        self._zone = ZoneInfo(pair.zone)
        self._here = here
        self._there = there
        self._planned = planned
        self._items = open_items(tx, sites, site=pair.site)
        self._asked = {(item.account, item.kind, item.remote_id) for item in self._items}
        self._written: dict[tuple[str, str, str], set[str]] = {}
        """By account, kind and id, the fields that would be written."""
        for each in planned:
            for write in each.writes:
                place = (write.account, write.kind, write.remote_id or "")
                self._written.setdefault(place, set()).update(write.fields or ("status",))
        accounts = (pair.booking.account, pair.pims.account)
        self._clients = rehearsals.linked(tx, *accounts, Kind.CLIENT)
        self._pets = rehearsals.linked(tx, *accounts, Kind.PET)
        visits = rehearsals.linked(tx, *accounts, Kind.APPOINTMENT)
        self._bookings_of = visits
        self._visit_of = _turned(visits)
        self._client_of, self._pet_of = _turned(self._clients), _turned(self._pets)
        self._told = self._asked | {
            (each.account, each.kind, each.remote_id)
            for each in planned
            if each.state in _OPEN or any(write.operation in (CREATE, CANCEL) for write in each.writes)
        }
        """Records of which another line tells: they would be made or cancelled, are asked about or held up."""

    # -- what would be written --------------------------------------------------------------------------------------

    def writes(self) -> Iterator[Line]:
        """One line for each write that a pass would send."""
        for change in self._planned:
            booking_id, pims_id = self._ids(change.account, change.kind, change.remote_id)
            for write in change.writes:
                yield self._write(change, write, booking_id, pims_id)

    def _write(self, change: PlannedChange, write: PlannedWrite, booking_id: str | None, pims_id: str | None) -> Line:
        to_pims = write.account == self._pair.pims.account
        here = self._here.records.get(booking_id or "")
        there = self._there.records.get(pims_id or "")
        operation = write.operation
        if operation == UPDATE and write.kind == Kind.APPOINTMENT and _MOVES & set(write.fields):
            operation = MOVE
        if operation == CREATE:  # under whatever id the rehearsal gave it
            booking_id, pims_id = (booking_id, None) if to_pims else (None, pims_id)
        who = self._who(here, there)
        fields: tuple[Difference, ...] = ()
        if write.kind == Kind.APPOINTMENT:
            fields = _visit_fields(operation, write.fields, here, there, to_pims=to_pims)
        else:
            mine, theirs = self._people(write, here, there, to_pims=to_pims)
            booking_id, pims_id = (_real(one.id if one is not None else None) for one in (mine, theirs))
            fields = tuple(
                Difference(field=name, booking=getattr(mine, name, None), pims=getattr(theirs, name, None))
                for name in write.fields
                if name != "client_id"
            )
            who = who or self._name(write.kind, booking_id, pims_id)
        return Line(
            group=Group.TO_PIMS if to_pims else Group.TO_BOOKING,
            site=change.site,
            kind=write.kind,
            visit_at=self._local(change.visit_at),
            who=who,
            booking_id=booking_id,
            pims_id=pims_id,
            side=PIMS if to_pims else BOOKING,
            operation=operation,
            fields=fields,
            why=change.code,
            words=_reason(write, to_pims=to_pims),
        )

    def _people(
        self, write: PlannedWrite, here: Appointment | None, there: Appointment | None, *, to_pims: bool
    ) -> tuple[Client | Pet | None, Client | Pet | None]:
        """The client or the pet of a write as it stands on both sides; one that would be made stands on one."""
        client = write.kind == Kind.CLIENT
        if write.remote_id is not None:
            booking_id, pims_id = self._ids(write.account, write.kind, write.remote_id)
            if client:
                return self._card(booking_id), self._client(pims_id)
            return self._pet(self._pair.booking.account, booking_id), self._pet(self._pair.pims.account, pims_id)
        if to_pims:
            return (None if here is None else here.booker if client else here.booked_pet), None
        if there is None:
            return None, None
        return None, self._client(there.client_id) if client else self._pet(self._pair.pims.account, there.pet_id)

    # -- what is asked, and what does not go ------------------------------------------------------------------------

    def questions(self) -> Iterator[Line]:
        """One line for each question that is open, or would be asked."""
        for item in self._items:
            booking_id, pims_id = self._ids(item.account, item.kind, item.remote_id)
            here = self._here.records.get(booking_id or "")
            there = self._there.records.get(pims_id or "")
            fields = item.differences
            if item.why == PAIR_VISIT and (mine := self._who(here, None)) != (theirs := self._who(None, there)):
                fields = (*fields, Difference(field="whose", booking=mine, pims=theirs))
            yield Line(
                group=Group.QUESTION,
                site=item.site,
                kind=item.kind,
                visit_at=item.visit_at,
                who=self._who(here, there) or _asked_who(item),
                booking_id=booking_id,
                pims_id=pims_id,
                others=tuple(each.client_id for each in item.candidates),
                fields=fields,
                why=item.why,
                words=item.words,
            )

    def held_up(self) -> Iterator[Line]:
        """Changes that would fail or have to wait."""
        for change in self._planned:
            place = (change.account, change.kind, change.remote_id)
            side = self._here if change.account == self._pair.booking.account else self._there
            if change.state not in _OPEN or change.asks or place in self._asked:
                continue
            if change.kind == Kind.APPOINTMENT and change.remote_id in side.unreadable:
                continue  # it has a line of its own
            booking_id, pims_id = self._ids(change.account, change.kind, change.remote_id)
            here, there = self._here.records.get(booking_id or ""), self._there.records.get(pims_id or "")
            yield Line(
                group=Group.HELD_UP,
                site=change.site,
                kind=change.kind,
                visit_at=self._local(change.visit_at),
                who=self._who(here, there) or self._name(change.kind, booking_id, pims_id),
                booking_id=booking_id,
                pims_id=pims_id,
                fields=visit_differences(here, there) if here and there else (),
                why=change.code or change.state,
                words=change.message or "its site is paused, or a side of it does not answer",
            )

    def unreadable(self) -> Iterator[Line]:
        """Visits that a mapping cannot turn: a code that no code list has, mostly."""
        for side, shown in ((BOOKING, self._here), (PIMS, self._there)):
            for id_, words in shown.unreadable.items():
                booking_id, pims_id = (id_, None) if side == BOOKING else (None, id_)
                yield Line(
                    group=Group.UNREADABLE,
                    site=self._pair.site,
                    kind=Kind.APPOINTMENT,
                    booking_id=booking_id,
                    pims_id=pims_id,
                    why="mapping",
                    words=words,
                )

    # -- visits that stay as they are -------------------------------------------------------------------------------

    def visits(self) -> Iterator[Line]:
        """Visits that differ, or stand on one side alone, and that nobody would change."""
        endings = {
            account: rehearsals.endings(self._tx, account, Kind.APPOINTMENT)
            for account in (self._pair.booking.account, self._pair.pims.account)
        }
        paired = {link.booking_id for link in links.visits(self._tx, self._pair.site) if link.origin == PAIRED}
        linked = links.pims_ids(self._tx, self._pair.pims.account, Kind.APPOINTMENT)
        seen: set[str] = set()
        for booking_id, here in self._here.records.items():
            if here.status is AppointmentStatus.CANCELLED:
                continue
            visit_id = self._visit_of.get(booking_id)
            seen.add(visit_id or "")
            if self._is_told(booking_id, visit_id):
                continue
            ending = endings[self._pair.booking.account].get(booking_id, ("", ""))
            if visit_id is None:
                yield self._stays(booking_id, None, here, None, (), ending or _ALONE)
            elif self._bookings_of[visit_id][0] == booking_id:
                there = self._there.stands(visit_id)
                fields = self._not_written(booking_id, visit_id, visit_differences(here, there))
                if fields:
                    told = _AS_PAIRED if booking_id in paired and there is not None else ending
                    yield self._stays(booking_id, visit_id, here, there, fields, told)
        for visit_id, there in self._there.records.items():
            if there.status is AppointmentStatus.CANCELLED or visit_id in seen or visit_id in linked:
                continue
            if not self._is_told(None, visit_id):
                ending = endings[self._pair.pims.account].get(visit_id, ("", ""))
                yield self._stays(None, visit_id, None, there, (), ending)

    def _stays(
        self,
        booking_id: str | None,
        visit_id: str | None,
        here: Appointment | None,
        there: Appointment | None,
        fields: tuple[Difference, ...],
        told: tuple[str, str],
    ) -> Line:
        visit = here or there
        alone = "at the booking side" if visit_id is None else "in the PIMS" if booking_id is None else ""
        code, words = told if told[0] else _ALONE if alone else _SETTLED
        return Line(
            group=Group.STAYS,
            site=self._pair.site,
            kind=Kind.APPOINTMENT,
            visit_at=None if visit is None else visit.start.at_site(),
            who=self._who(here, there),
            booking_id=booking_id,
            pims_id=visit_id,
            fields=fields,
            why=code,
            words=f"stands {alone} alone: {words}" if alone else words,
        )

    def _is_told(self, booking_id: str | None, visit_id: str | None) -> bool:
        """Whether another line tells of a visit already."""
        kind = Kind.APPOINTMENT.value
        here, there = self._pair.booking.account, self._pair.pims.account
        if (booking_id or "").startswith(PLANNED) or (visit_id or "").startswith(PLANNED):
            return True
        return (here, kind, booking_id) in self._told or (there, kind, visit_id) in self._told

    def _not_written(self, booking_id: str, visit_id: str, found: tuple[Difference, ...]) -> tuple[Difference, ...]:
        kind = Kind.APPOINTMENT.value
        written = self._written.get((self._pair.booking.account, kind, booking_id), set()) | self._written.get(
            (self._pair.pims.account, kind, visit_id), set()
        )
        return tuple(each for each in found if each.field not in written)

    # -- clients and pets -------------------------------------------------------------------------------------------

    def people(self, *, every_client: bool) -> _People:
        """Clients and pets that differ, those on one side alone, and those that are registered twice."""
        found = _People()
        booking, pims = self._pair.booking.account, self._pair.pims.account
        cards = {known.client_id: known for known in mirror.scan(self._tx, booking)}
        linked_people = links.pims_ids(self._tx, pims, Kind.CLIENT)  # with any booking side that shares the PIMS
        linked_cards = {id_ for ids in self._clients.values() for id_ in ids}
        listed_pets = {pet.id: pet for card in cards.values() for pet in card.pets if pet.id}
        homes: dict[int, list[str]] = {}
        stand_in = self._pair.stand_in[0]
        for known in mirror.scan(self._tx, pims):
            id_, client = known.client_id, known.client
            if id_.startswith(PLANNED) or id_ == stand_in:
                continue
            if client.active:
                for key in home_keys(forms_of(client, known.pets, self._pair.country)):
                    homes.setdefault(hash(key), []).append(id_)
            card = cards.get(next(iter(self._clients.get(id_, ())), ""))
            if card is not None:
                found.lines += self._person(Kind.CLIENT, card.client, client)
            elif client.active and id_ not in linked_people:
                found.only_in_pims += 1
                if every_client:
                    found.lines.append(self._alone(client, in_pims=True))
            for pet in known.pets:
                listed = listed_pets.get(next(iter(self._pets.get(pet.id or "", ())), ""))
                if listed is not None:
                    found.lines += self._person(Kind.PET, listed, pet)
        for id_, card in cards.items():
            if id_ not in linked_cards and (booking, Kind.CLIENT.value, id_) not in self._asked:
                found.only_at_booking += 1
                if every_client:
                    found.lines.append(self._alone(card.client, in_pims=False))
        found.lines += self._twice(homes)
        return found

    def _person(self, kind: Kind, mine: Client | Pet, theirs: Client | Pet) -> Iterator[Line]:
        places = [
            (self._pair.booking.account, kind.value, mine.id or ""),
            (self._pair.pims.account, kind.value, theirs.id or ""),
        ]
        if any(place in self._asked or place in self._written for place in places):
            return
        if isinstance(mine, Client) and isinstance(theirs, Client):
            fields = client_differences(mine, theirs, self._pair.country)
            who = theirs.full_name
        else:
            assert isinstance(mine, Pet)  # noqa: S101 - both are of one kind
            assert isinstance(theirs, Pet)  # noqa: S101
            fields = _pet_differences(mine, theirs)
            who = theirs.name
        if fields:
            code, words = _AS_PEOPLE
            yield Line(
                group=Group.STAYS,
                site=self._pair.site,
                kind=kind,
                who=who,
                booking_id=mine.id,
                pims_id=theirs.id,
                fields=fields,
                why=code,
                words=words,
            )

    def _alone(self, client: Client, *, in_pims: bool) -> Line:
        return Line(
            group=Group.ONE_SIDE,
            site=self._pair.site,
            kind=Kind.CLIENT,
            who=client.full_name,
            booking_id=None if in_pims else client.id,
            pims_id=client.id if in_pims else None,
            why="only-in-pims" if in_pims else "only-at-booking",
            words=f"stands {'in the PIMS' if in_pims else 'at the booking side'} alone",
        )

    def _twice(self, homes: Mapping[int, Sequence[str]]) -> Iterator[Line]:
        """Clients of the PIMS that look like one person, in the order of their ids."""
        pims = self._pair.pims.account
        near: dict[str, set[str]] = {}
        for ids in homes.values():
            if 1 < len(ids) <= mirror.CROWDED:
                for id_ in ids:
                    near.setdefault(id_, set()).update(ids)
        group_of: dict[str, set[str]] = {}
        for id_ in sorted(near):
            forms = {one.client_id: one for one in mirror.comparable(self._tx, pims, sorted(near[id_]))}
            for other in sorted(near[id_]):
                if id_ < other and id_ in forms and other in forms and one_person(forms[id_], forms[other]):
                    group = group_of.get(id_, {id_}) | group_of.get(other, {other})
                    for each in group:
                        group_of[each] = group
        for group in {min(group): group for group in group_of.values()}.values():
            first, *others = sorted(group, key=lambda id_: (len(id_), id_))
            client = self._client(first)
            yield Line(
                group=Group.REGISTERED_TWICE,
                site=self._pair.site,
                kind=Kind.CLIENT,
                who="" if client is None else client.full_name,
                booking_id=next(iter(self._clients.get(first, ())), None),
                pims_id=first,
                others=tuple(others),
                why="registered-twice",
                words=f"seems to be one person with {' and '.join(normalise.shown(id_, 40) for id_ in others)}",
            )

    # -- inside -----------------------------------------------------------------------------------------------------

    def _ids(self, account: str, kind: str, id_: str) -> tuple[str | None, str | None]:
        """A record's ids at the booking side and in the PIMS; those of records that were only planned are none."""
        if account == self._pair.booking.account:
            forth = {Kind.CLIENT.value: self._client_of, Kind.PET.value: self._pet_of}.get(kind, self._visit_of)
            return _real(id_), _real(forth.get(id_))
        back = {Kind.CLIENT.value: self._clients, Kind.PET.value: self._pets}.get(kind, self._bookings_of)
        return _real(next(iter(back.get(id_, ())), None)), _real(id_)

    def _local(self, moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.astimezone(self._zone)

    def _who(self, here: Appointment | None, there: Appointment | None) -> str:
        """Owner and pet of a visit: as they were booked, else as the PIMS has them."""
        names = []
        if here is not None:
            names = [
                here.booker.full_name if here.booker is not None else "",
                here.booked_pet.name if here.booked_pet is not None else "",
            ]
        if there is not None and there.client_id is not None and not any(names):
            known = mirror.client(self._tx, self._pair.pims.account, there.client_id)
            if known is not None:
                names = [known.client.full_name, *(pet.name for pet in known.pets if pet.id == there.pet_id)]
        return ", ".join(normalise.shown(name, 80) for name in names if name.strip())

    def _name(self, kind: str, booking_id: str | None, pims_id: str | None) -> str:
        if kind != Kind.CLIENT:
            return ""
        client = self._client(pims_id) or self._card(booking_id)
        return "" if client is None else client.full_name

    def _card(self, id_: str | None) -> Client | None:
        known = None if id_ is None else mirror.client(self._tx, self._pair.booking.account, id_)
        return None if known is None else known.client

    def _pet(self, account: str, id_: str | None) -> Pet | None:
        owner = None if id_ is None else mirror.owner_of(self._tx, account, id_)
        known = None if owner is None else mirror.client(self._tx, account, owner)
        return next((pet for pet in (known.pets if known else ()) if pet.id == id_), None)

    def _client(self, id_: str | None) -> Client | None:
        known = None if id_ is None else mirror.client(self._tx, self._pair.pims.account, id_)
        return None if known is None else known.client


_AS_PAIRED = ("as-paired", "it was so when the two were paired, and stays until it is changed")
_AS_PEOPLE = ("contact-kept", "what people have typed stays on each side until it is changed")
_SETTLED = ("settled", "both sides were seen so, and nobody has changed it since")
_ALONE = ("left-alone", "nothing is carried over")


def _turned(linked: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """The record in the PIMS by that of the booking side; of several the one that is linked first."""
    return {booking: pims for pims, ids in reversed(linked.items()) for booking in ids}


def _real(id_: str | None) -> str | None:
    """An id that the side has given, and no plan."""
    return None if not id_ or id_.startswith(PLANNED) else id_


def _reason(write: PlannedWrite, *, to_pims: bool) -> str:
    """Why a side would be changed, in words."""
    origin, at = ("at the booking side", "in the PIMS") if to_pims else ("in the PIMS", "at the booking side")
    if write.operation == CREATE:
        return f"it stands {origin} alone"
    if write.operation == CANCEL:
        return f"it is cancelled or gone {origin}, and stands {at}"
    changed = ", ".join(field_words(name) for name in write.fields)
    return f"changed {origin}, or asked for there: {changed}" if changed else f"changed {origin}"


def _visit_fields(
    operation: str,
    names: Iterable[str],
    here: Appointment | None,
    there: Appointment | None,
    *,
    to_pims: bool,
) -> tuple[Difference, ...]:
    """What stands on both sides of the fields of a visit that would be written."""
    mine: Mapping[str, Any] = {} if here is None else wanted_fields(here, None, None, unlinked=False)
    theirs: Mapping[str, Any] = {} if there is None else standing_fields(there)
    if operation == CREATE:
        source = mine if to_pims else theirs
        return tuple(
            Difference(field=name, booking=source[name] if to_pims else None, pims=None if to_pims else source[name])
            for name in _SHOWN
            if name != "status" and source.get(name) is not None
        )
    if operation == CANCEL:
        return (Difference(field="status", booking=_status(here), pims=_status(there)),)
    written = set(names)
    ordered = [*(name for name in _SHOWN if name in written), *sorted(written - set(_SHOWN))]
    return tuple(Difference(field=name, booking=mine.get(name), pims=theirs.get(name)) for name in ordered)


def _status(visit: Appointment | None) -> str:
    return _GONE if visit is None else visit.status.value


def _pet_differences(mine: Pet, theirs: Pet) -> tuple[Difference, ...]:
    found = []
    if normalise.pet_name(mine.name) != normalise.pet_name(theirs.name):
        found.append(Difference(field="name", booking=mine.name, pims=theirs.name))
    if mine.species and theirs.species and mine.species != theirs.species:
        found.append(Difference(field="species", booking=mine.species, pims=theirs.species))
    return tuple(found)


def _asked_who(item: ReviewItem) -> str:
    """Whom a question is about."""
    person = item.booking_client or (item.booking.booker if item.booking is not None else None)
    pet = item.booking.pet if item.booking is not None else None
    names = [f"{person.given_name} {person.family_name}".strip() if person else "", pet.name if pet else ""]
    return ", ".join(normalise.shown(name, 80) for name in names if name.strip())
