"""Pairs what stands on both sides before anything is carried over: clients, their pets, and the coming visits.

It writes links and questions into the ledger and nothing to a vendor, so it may run again and again: in the shadow
with every pass, and once more when a person has approved the pair. Clients are paired by the mirror of both sides;
visits by what both sides list now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from vetbridge.connector.budgets import in_bulk
from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Native
from vetbridge.core import normalise
from vetbridge.core.answers import PAIR_CLIENT, PAIR_VISIT, Choice
from vetbridge.core.errors import MappingError
from vetbridge.core.matching import Known, Match, Verdict, contact_keys, forms_of, same_household, same_person
from vetbridge.core.pairing import CardPair, Pairing, Relation, Slot, VisitPair, Whose, pair_card, pair_visits
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet
from vetbridge.ledger import changes, going_live, links, mirror, reviews, subjects, suppression
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.matcher import Matcher
from vetbridge.ledger.tables import ChangeState, Link, Record
from vetbridge.sync import opting_out
from vetbridge.sync.comparing import digest
from vetbridge.sync.forgotten import ending_of
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.paired import ASKED, link_visit, question_of
from vetbridge.sync.placing import evidence_of, shown_candidates
from vetbridge.sync.refreshing import Progress, quiet
from vetbridge.sync.slots import WINDOW_KEYS, window
from vetbridge.sync.wording import PAIRED

log = structlog.get_logger("vetbridge.sync")

BEHIND = timedelta(days=1)
"""Visits that began earlier are history: nothing is carried over of them."""
AHEAD = timedelta(days=3 * 366)

_BATCH = 100
"""So many clients are linked in one transaction."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What one pass of pairing came to, in numbers."""

    clients: int = 0
    """Clients of the booking side that were looked at: those that were not linked."""
    clients_paired: int = 0
    clients_new: int = 0
    """Nobody in the PIMS is like them: they are made there with their next visit."""
    clients_asked: int = 0
    clients_unsure: int = 0
    """Not certain, and asked about when they book: inactive clients, mostly."""
    pets_paired: int = 0
    visits_paired: int = 0
    visits_shared: int = 0
    visits_asked: int = 0
    only_at_booking: int = 0
    """Coming visits that stand at the booking side alone, and will be written to the PIMS."""
    only_in_pims: int = 0
    unreadable: int = 0
    """Visits that the mapping cannot turn."""


@dataclass(slots=True)
class _Found:
    """One side's coming visits that nobody has paired, with what they were read from."""

    records: dict[str, Appointment] = field(default_factory=dict)
    natives: dict[str, Native] = field(default_factory=dict)
    glimpsed: set[str] = field(default_factory=set)
    """Those of which the mapping can turn some fields only."""


class Pairer:
    """Pairs what stands on both sides of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._keeper = Keeper(pair)
        self._matcher = Matcher(ledger, pair.pims.account, country=pair.country, branches=pair.branches)
        self._unsure: dict[str, CardPair] = {}
        """Clients of the booking side that nobody can be sure of, by id."""
        self._ask_later: list[tuple[Known, CardPair]] = []
        self.report: Report | None = None
        """What the last pass came to."""

    def pass_(self, progress: Progress = quiet) -> Report:
        """Pairs what can be paired, and asks about the rest. Both mirrors must have been read."""
        report = Report()
        began = self._clock.now()
        self._carry_out_answers()
        self._clients(report, progress)
        self._visits(report, progress)
        with self._ledger.write() as tx:
            going_live.paired(tx, self._pair.site, began)
        log.info(
            "pair.paired",
            site=self._pair.site,
            clients=report.clients_paired,
            pets=report.pets_paired,
            visits=report.visits_paired,
            asked=report.clients_asked + report.visits_asked,
        )
        self.report = report
        return report

    # -- clients --------------------------------------------------------------------------------------------------

    def _carry_out_answers(self) -> None:
        """What people have said about clients that were asked about: no vendor is needed for that."""
        with self._ledger.write() as tx:
            for item in reviews.to_carry_out(tx, self._pair.site, PAIR_CLIENT):
                card_id = tx.session.get_one(Record, item.record_id).remote_id
                if item.answer == Choice.LINK and item.answer_client_id:
                    evidence = [{"words": "a person has said so"}]
                    if not self.link_client(tx, card_id, item.answer_client_id, evidence):
                        reviews.reopen(tx, item)  # one of the two is not known any more
                        continue
                reviews.applied(tx, item)

    def link_client(
        self, tx: Transaction, card_id: str, client_id: str, evidence: Any, pets: Mapping[str, str] | None = None
    ) -> bool:
        """Links a client of the booking side, and its pets, with those of the PIMS; False where either is unknown, or
        the client of the booking side is linked already."""
        booking, pims = self._pair.booking.account, self._pair.pims.account
        card, known = mirror.client(tx, booking, card_id), mirror.client(tx, pims, client_id)
        if card is None or known is None or links.of_booking(tx, booking, Kind.CLIENT, card_id) is not None:
            return False
        self._keeper.paired_client(tx, card.client, known.client, evidence)
        animals = {pet.id: pet for pet in known.pets}
        for pet in card.pets:
            counterpart = animals.get((pets or {}).get(pet.id or ""))
            if counterpart is not None:
                self._keeper.paired_pet(tx, pet, counterpart, evidence)
        return True

    def _clients(self, report: Report, progress: Progress) -> None:
        booking = self._pair.booking.account
        with self._ledger.read() as tx:
            linked = links.booking_ids(tx, booking, Kind.CLIENT)
            asked = reviews.ever_asked(tx, booking, Kind.CLIENT, PAIR_CLIENT)
            cards = [card for card in mirror.scan(tx, booking) if card.client_id not in linked | asked]
        report.clients = len(cards)
        unsure: list[tuple[Known, CardPair]] = []
        for start in range(0, len(cards), _BATCH):
            progress(f"pairing the clients of {booking}: {start} of {len(cards)}")
            decided = [(card, self._decided(card)) for card in cards[start : start + _BATCH]]
            with self._ledger.write() as tx:
                for card, found in decided:
                    if found.verdict is Verdict.LINKED and found.client_id is not None:
                        self._keep(tx, card, found, report)
            report.clients_new += sum(found.verdict is Verdict.NEW for _, found in decided)
            unsure += [(card, found) for card, found in decided if found.verdict is Verdict.REVIEW]
        self._unsure = {card.client_id: found for card, found in unsure}
        self._ask_later = sorted(unsure, key=lambda one: (one[0].client.family_name.casefold(), one[0].client_id))

    def _decided(self, card: Known) -> CardPair:
        """What the matcher says of a client of the booking side, over all its pets."""
        but = self._pair.never_meant
        matches: list[tuple[str | None, Match]] = [
            (pet.id, self._matcher.match(card.client, pet, but=but).match) for pet in card.pets if pet.name.strip()
        ] or [(None, self._matcher.match(card.client, None, but=but).match)]
        ids = sorted({match.client_id for _, match in matches if match.client_id is not None})
        with self._ledger.read() as tx:
            records = {one.client_id: one.client for one in mirror.clients(tx, self._pair.pims.account, ids)}
        return pair_card(card.client, matches, records)

    def _keep(self, tx: Transaction, card: Known, found: CardPair, report: Report) -> None:
        evidence = evidence_of(found.match.evidence) if found.match is not None else []
        assert found.client_id is not None  # noqa: S101 - the caller looked
        if not self.link_client(tx, card.client_id, found.client_id, evidence, found.pets):
            return
        report.clients_paired += 1
        report.pets_paired += len(found.pets)
        for other in found.others:
            links.put_member(
                tx,
                site=self._pair.site,
                booking_account=self._pair.booking.account,
                booking_id=card.client_id,
                pims_account=self._pair.pims.account,
                pims_id=other,
                origin=PAIRED,
            )
        if found.others:
            opting_out.met(tx, self._pair, card.client_id, card.client)

    # -- visits ---------------------------------------------------------------------------------------------------

    def _visits(self, report: Report, progress: Progress) -> None:
        progress(f"reading the coming visits of {self._pair.booking.account}")
        here = self._listed(self._pair.booking, report)
        progress(f"reading the coming visits of {self._pair.pims.account}")
        there = self._listed(self._pair.pims, report)
        known, widowed = self._without_linked(here, there)
        self._note_standing(known)
        progress(f"pairing {len(here.records)} and {len(there.records)} visits")
        bookings = [self._booking_slot(record, here) for record in here.records.values()]
        found = _but_of(widowed, pair_visits(bookings, self._visit_slots(there), self._whose(here), known))
        self._learn_clients(found.pairs, here, there, report)
        for one in found.pairs:
            with self._ledger.write() as tx:
                if self._is_forgotten(tx, one):
                    continue
                for link in widowed:
                    if link.booking_id == one.booking_id or link.pims_id == one.visit_id:
                        links.end(tx, link)
                self._pair_visit(tx, one, here, there)
        report.visits_paired += len(found.pairs)
        with self._ledger.write() as tx:
            for one, origin in [(each, PAIRED) for each in found.shared] + [(each, ASKED) for each in found.beside]:
                if not self._is_forgotten(tx, one):
                    self._member(tx, one, origin, there)
        report.visits_shared += len(found.shared)
        for one in found.asked:
            with self._ledger.write() as tx:
                if not self._is_forgotten(tx, one):
                    self._ask_visit(tx, one, here, there)
        report.visits_asked += len(found.asked)
        settled = [*found.pairs, *found.shared, *found.asked, *found.beside]
        before = known | {(link.booking_id, link.pims_id) for link in widowed}
        paired = before | {(one.booking_id, one.visit_id) for one in settled}
        report.only_at_booking = len(here.records.keys() - {booking_id for booking_id, _ in paired})
        report.only_in_pims = len(there.records.keys() - {visit_id for _, visit_id in paired})
        self._ask_clients(report)

    def _is_forgotten(self, tx: Transaction, one: VisitPair) -> bool:
        """Whether the owner of two visits was forgotten since both sides were read."""
        ends = ((self._pair.booking.account, one.booking_id), (self._pair.pims.account, one.visit_id))
        return any(suppression.is_forgotten(tx, account, Kind.APPOINTMENT, id_) for account, id_ in ends)

    def _listed(self, end: End, report: Report) -> _Found:
        """The visits of a side that stand from now on."""
        found = _Found()
        now = self._clock.now()
        with in_bulk():
            listed = list(self._natives(end, now - BEHIND, now + AHEAD))
        for native in listed:
            try:
                record: Appointment | None = end.mapper.read(Kind.APPOINTMENT, native)
            except MappingError:
                report.unreadable += 1
                record = _glimpsed(end, native)
                if record is not None and record.id:
                    found.glimpsed.add(record.id)
            if record is None or record.start.utc < now - BEHIND or record.status is AppointmentStatus.CANCELLED:
                continue
            if record.id:
                found.records[record.id] = record
                found.natives[record.id] = native
        with self._ledger.read() as tx:
            for id_ in [id_ for id_, one in found.records.items() if ending_of(tx, end.account, id_, one)]:
                del found.records[id_]
        return found

    @staticmethod
    def _natives(end: End, begin: datetime, until: datetime) -> Iterator[Native]:
        """A side's visits in a span of time; of a side that cannot list them so all that it has."""
        if end.connector.capabilities.of(Kind.APPOINTMENT).search >= WINDOW_KEYS:
            yield from end.connector.search(Kind.APPOINTMENT, window(begin, until))
            return
        newest: dict[str, Native | None] = {}
        for page in end.connector.changes(Kind.APPOINTMENT, None):
            newest.update((found.id, found.native) for found in page.records)
        yield from (native for native in newest.values() if native is not None)

    def _without_linked(self, here: _Found, there: _Found) -> tuple[set[tuple[str, str]], list[Link]]:
        """Leaves out what is linked already, and visits without an owner: those are asked about on their own.

        Stays: pairs that stand on both sides as they were paired, as others may share them (returned first); and what
        was paired with a visit that stands no more (its links are returned): in the shadow people cancel and enter
        anew on both sides.
        """
        booking, pims = self._pair.booking.account, self._pair.pims.account
        with self._ledger.read() as tx:
            booked = links.booking_ids(tx, booking, Kind.APPOINTMENT)
            standing = links.pims_ids(tx, pims, Kind.APPOINTMENT)
            primary = [link for link in links.visits(tx, self._pair.site) if link.booking_account == booking]
        known: set[tuple[str, str]] = set()
        widowed: list[Link] = []
        for link in primary:
            one, other = here.records.get(link.booking_id), there.records.get(link.pims_id)
            if one is not None and other is not None and one.start == other.start:
                known.add((link.booking_id, link.pims_id))
            elif (one is None) != (other is None) and link.origin == PAIRED:
                widowed.append(link)
        booked -= {id_ for id_, _ in known} | {link.booking_id for link in widowed}
        standing -= {id_ for _, id_ in known} | {link.pims_id for link in widowed}
        for id_ in booked & here.records.keys():
            del here.records[id_]
        for id_ in list(there.records):
            if id_ in standing or self._pair.stands_in(there.records[id_].client_id):
                del there.records[id_]
        alone = [here.records[id_] for id_ in here.records.keys() - {booking_id for booking_id, _ in known}]
        alone += [there.records[id_] for id_ in there.records.keys() - {visit_id for _, visit_id in known}]
        begins = {record.start.utc for record in alone}
        for booking_id, visit_id in known:
            if here.records[booking_id].start.utc not in begins:  # nobody can share it
                del here.records[booking_id]
                there.records.pop(visit_id, None)
        return known, widowed

    def _note_standing(self, known: Collection[tuple[str, str]]) -> None:
        """What stands on both sides is as it was settled: a restored ledger need not doubt it any more."""
        with self._ledger.write() as tx:
            for link in links.visits(tx, self._pair.site):
                if (link.booking_id, link.pims_id) in known and going_live.is_out_of_a_backup(tx, link):
                    link.updated_at = tx.now

    def _booking_slot(self, record: Appointment, here: _Found) -> Slot:
        pet_name = (record.booked_pet or Pet()).name
        return _slot(record, record.booker or Client(), pet_name, whole=record.id not in here.glimpsed)

    def _visit_slots(self, there: _Found) -> list[Slot]:
        ids = sorted({record.client_id for record in there.records.values() if record.client_id})
        account = self._pair.pims.account

        def others(client_id: str) -> tuple[Pet, ...]:
            with self._ledger.read() as tx:
                return mirror.pets_of_others(tx, account, client_id)

        with self._ledger.read() as tx:
            known = {one.client_id: one for one in mirror.clients(tx, account, ids)}
        slots = []
        for record in there.records.values():
            owner = known.get(record.client_id or "")
            pets = {pet.id: pet.name for pet in owner.pets} if owner else {}
            if owner and record.pet_id not in (None, *pets):
                pets |= {pet.id: pet.name for pet in others(owner.client_id)}
            client, pet_name = owner.client if owner else Client(), pets.get(record.pet_id, "")
            slots.append(_slot(record, client, pet_name, whole=record.id not in there.glimpsed))
        return slots

    def _whose(self, here: _Found) -> dict[str, Whose]:
        """Whom the client of each booking is: by its link, by what the matcher has said of its card, or by what the
        booking says itself."""
        of_card: dict[str, Whose] = {}
        found: dict[str, Whose] = {}
        for id_, record in here.records.items():
            card_id = record.client_id
            if card_id is not None and card_id not in of_card:
                of_card[card_id] = self._of_card(card_id)
            known = of_card.get(card_id or "", Whose())
            if not known.linked and not known.maybe:
                known = self._of_booking(record)
            found[id_] = known
        return found

    def _of_card(self, card_id: str) -> Whose:
        with self._ledger.read() as tx:
            members = links.of_client_members(tx, self._pair.booking.account, card_id)
            linked = frozenset(link.pims_id for link in members)
            household = frozenset(id_ for link in members for id_ in self._household(tx, link.pims_id))
            sharing = self._sharing(tx, linked)
        unsure = self._unsure.get(card_id)
        maybe = frozenset(one.client_id for one in unsure.candidates) if unsure is not None else frozenset()
        return Whose(linked=linked, household=household - linked, sharing=sharing, maybe=maybe - linked)

    def _of_booking(self, record: Appointment) -> Whose:
        but = self._pair.never_meant
        match = self._matcher.match(record.booker or Client(), record.booked_pet, but=but).match
        if match.verdict is Verdict.LINKED and match.client_id is not None:
            with self._ledger.read() as tx:
                household = self._household(tx, match.client_id)
                sharing = self._sharing(tx, {match.client_id})
            return Whose(linked=frozenset({match.client_id}), household=household, sharing=sharing)
        return Whose(maybe=frozenset(one.client_id for one in match.candidates))

    def _household(self, tx: Transaction, client_id: str) -> frozenset[str]:
        """Other records of the same person or household: they share a contact, or the address and the name."""
        pims = self._pair.pims.account
        known = mirror.client(tx, pims, client_id)
        if known is None:
            return frozenset()
        own = forms_of(known.client, known.pets, self._pair.country)
        near = [one for one in mirror.household(tx, pims, own) if one.client_id != client_id]
        records = {one.client_id: one.client for one in mirror.clients(tx, pims, [one.client_id for one in near])}
        contacts = contact_keys(own)
        return frozenset(
            one.client_id
            for one in near
            if contacts & contact_keys(one) or same_household(known.client, records.get(one.client_id, Client()))
        )

    def _sharing(self, tx: Transaction, client_ids: Collection[str]) -> dict[str, frozenset[str]]:
        """Who else may come with a pet for which these clients may book, with what those pets are called."""
        pims = self._pair.pims.account
        found: dict[str, frozenset[str]] = {}
        for known in mirror.clients(tx, pims, client_ids):
            for pet in (*known.pets, *mirror.pets_of_others(tx, pims, known.client_id)):
                name = normalise.pet_name(pet.name)
                others = {pet.client_id, pet.carer_id, *pet.co_owner_ids} - {None, *client_ids}
                for id_ in others if name else ():
                    found[str(id_)] = found.get(str(id_), frozenset()) | {name}
        return found

    def _learn_clients(self, pairs: Iterable[VisitPair], here: _Found, there: _Found, report: Report) -> None:
        """A client that the matcher was not sure of, and whose visits all stand on one record of the PIMS, is that
        one: both sides were told so by people. Not where it may be the partner's, who comes under the same card."""
        told: dict[str, set[str]] = {}
        for one in pairs:
            card_id, client_id = here.records[one.booking_id].client_id, there.records[one.visit_id].client_id
            if one.relation <= Relation.MAYBE and card_id is not None and client_id is not None:
                told.setdefault(card_id, set()).add(client_id)
        for card_id, clients in told.items():
            client_id = next(iter(clients))
            if len(clients) > 1 or self._is_perhaps_the_partner(card_id, client_id):
                continue
            evidence = [{"words": "a visit stands on both sides at the same time"}]
            with self._ledger.write() as tx:
                if self.link_client(tx, card_id, client_id, evidence):
                    report.clients_paired += 1
                    self._unsure.pop(card_id, None)

    def _is_perhaps_the_partner(self, card_id: str, client_id: str) -> bool:
        """Whether a record bears another name than the card, and others share its contacts."""
        with self._ledger.read() as tx:
            card = mirror.client(tx, self._pair.booking.account, card_id)
            known = mirror.client(tx, self._pair.pims.account, client_id)
            if card is None or known is None or same_person(known.client, card.client):
                return False
            return bool(self._household(tx, client_id) or self._sharing(tx, {client_id}))

    def _pair_visit(self, tx: Transaction, one: VisitPair, here: _Found, there: _Found) -> None:
        booking, visit = here.records[one.booking_id], there.records[one.visit_id]
        link_visit(tx, self._pair, self._keeper, booking, visit, one.agrees)
        for end, id_, found in (
            (self._pair.booking, one.booking_id, here),
            (self._pair.pims, one.visit_id, there),
        ):
            record = changes.record_of(tx, end.account, Kind.APPOINTMENT, id_)
            assert record.id is not None  # noqa: S101 - flushed
            self._note(tx, end, record.id, found.records[id_])
            lane = found.records[id_].client_id
            if lane is not None:
                record.lane = changes.client_lane(end.account, lane)
            if {"time", "resource"} <= set(one.agrees):
                # What a listing shows of it is settled: nothing has to be read again.
                record.digest_hash = digest(tx.sealer, end, found.natives[id_])

    def _note(self, tx: Transaction, end: End, record_id: int, record: Appointment | Client) -> None:
        """Keeps who a record is about, so that it can be found."""
        subjects.note(tx, record_id, record, country=self._pair.country, account=end.account)

    def _member(self, tx: Transaction, one: VisitPair, origin: str, there: _Found) -> None:
        link = links.put_member(
            tx,
            site=self._pair.site,
            booking_account=self._pair.booking.account,
            booking_id=one.booking_id,
            pims_account=self._pair.pims.account,
            pims_id=one.visit_id,
            origin=origin,
            kind=Kind.APPOINTMENT,
        )
        link.visit_at = there.records[one.visit_id].start.utc

    # -- questions ------------------------------------------------------------------------------------------------

    def _ask_visit(self, tx: Transaction, one: VisitPair, here: _Found, there: _Found) -> None:
        """Asks whether a booking and a visit are one; until somebody has said it, neither is carried over."""
        self._member(tx, one, ASKED, there)
        booking, visit = here.records[one.booking_id], there.records[one.visit_id]
        self._ask(tx, Kind.APPOINTMENT, one.booking_id, PAIR_VISIT, question_of(booking, visit), booking)

    def _ask_clients(self, report: Report) -> None:
        """Asks about the clients that nobody can be sure of, family by family; where nobody prepares the first day,
        they are asked about when they book."""
        for card, found in self._ask_later:
            if card.client_id not in self._unsure or not found.worth_asking or self._pair.start_live:
                report.clients_unsure += card.client_id in self._unsure
                continue
            question = {
                "booking": card.client,
                "pets": list(card.pets),
                "words": found.match.words if found.match else "",
                "candidates": shown_candidates(found.candidates),
            }
            candidates = [one.client_id for one in found.candidates]
            with self._ledger.write() as tx:
                if suppression.is_forgotten(
                    tx, self._pair.booking.account, Kind.CLIENT, card.client_id
                ) or suppression.ids_forgotten(tx, self._pair.pims.account, Kind.CLIENT, candidates):
                    continue  # since both mirrors were read; of who is left the next pass asks
                self._ask(tx, Kind.CLIENT, card.client_id, PAIR_CLIENT, question, card.client)
            report.clients_asked += 1

    def _ask(
        self,
        tx: Transaction,
        kind: Kind,
        id_: str,
        why: str,
        question: Mapping[str, Any],
        record: Appointment | Client,
    ) -> None:
        change = changes.receive(
            tx,
            site=self._pair.site,
            account=self._pair.booking.account,
            kind=kind,
            remote_id=id_,
            source="pairing",
        )
        assert change.id is not None  # noqa: S101 - flushed
        self._note(tx, self._pair.booking, change.record_id, record)
        when = record.start.utc if isinstance(record, Appointment) else None
        change.visit_at = when
        reviews.ask(tx, change, why=why, visit_at=when, question={"why": why, **question})
        changes.begin(tx, change.id)
        changes.settle(tx, change.id, ChangeState.REVIEW, why, "a person has to say what it is on the other side")


def _but_of(widowed: Collection[Link], found: Pairing) -> Pairing:
    """Of those whose counterpart stands no more only what is certain: else it is carried over that it does not."""
    bookings, visits = {link.booking_id for link in widowed}, {link.pims_id for link in widowed}

    def others(several: tuple[VisitPair, ...]) -> tuple[VisitPair, ...]:
        return tuple(one for one in several if one.booking_id not in bookings and one.visit_id not in visits)

    return replace(found, shared=others(found.shared), asked=others(found.asked), beside=others(found.beside))


def _glimpsed(end: End, native: Native) -> Appointment | None:
    """What can be read of a visit whose whole cannot be: enough to see that it is not made a second time."""
    known: dict[str, Any] = {"duration": 0}
    for name in ("id", "client_id", "pet_id", "start", "duration", "status", "appointment_type", "resource"):
        with suppress(MappingError):
            value = end.mapper.peek(Kind.APPOINTMENT, native, name)
            known |= {} if value is None else {name: value}
    return Appointment(**known) if {"id", "start"} <= known.keys() else None


def _slot(record: Appointment, owner: Client, pet_name: str, *, whole: bool) -> Slot:
    return Slot(
        id=record.id or "",
        owner=owner,
        client_id=record.client_id,
        pet_name=pet_name,
        start=record.start.utc,
        duration=record.duration,
        resource=record.resource,
        appointment_type=record.appointment_type,
        whole=whole,
    )
