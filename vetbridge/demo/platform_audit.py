"""The audit's half at the booking platform: bookings as people left them, desk visits as they came over, the cards.

Reads the kinds ``record``, ``client``, ``staff`` and ``service``. Cards that came from the clinic carry ``_seed``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from vetbridge.demo.findings import REFERENCE, Findings, Wrong, by_id, folded, made, phone
from vetbridge.demo.story import Booking, DeskCase, Morning, Slot, Status, Visit
from vetbridge.testing.clinic import Owner
from vetbridge.testing.simkit import Row, Store

ATTENDANCE: Mapping[Status, int] = MappingProxyType(
    {Status.BOOKED: 0, Status.CONFIRMED: 2, Status.ARRIVED: 1, Status.COMPLETED: 1, Status.NO_SHOW: -1}
)
"""The platform's codes (altegio.md, section 3.7): it has one for a visit that has begun and one that is over."""
_Place = tuple[str, datetime]
"""Name of the vet, and the start."""


class PlatformAuditor:
    """Audits the platform's store."""

    def __init__(self, morning: Morning, store: Store, findings: Findings) -> None:
        self._morning = morning
        self._findings = findings
        self._cards = by_id(store, "client")
        self._staff = by_id(store, "staff")
        self._services = by_id(store, "service")
        self._records = store.all("record")

    def audit(self) -> None:
        """Checks every record and every card."""
        bookings, visits = self._sorted()
        for booking in self._morning.bookings:
            rows = bookings[booking.reference]
            if not rows:
                self._findings.found(Wrong.LOST, booking, "it is gone from the booking platform")
            self._check(booking, rows)
        for visit in self._morning.visits:
            rows = visits[visit.reference]
            if not rows and not visit.cancelled:
                self._findings.found(Wrong.LOST, visit, "the booking platform does not hold it")
            self._check(visit, rows)
        self._check_cards()

    def _sorted(self) -> tuple[Mapping[str, list[Row]], Mapping[str, list[Row]]]:
        """Records by the reference of the booking or the desk visit that they belong to.

        A booking has its reference in its comment; what stands in a slot that a desk visit has or had is that
        visit's, as nobody else ever has one of them. A record that belongs to neither is one too many.
        """
        known = {booking.reference for booking in self._morning.bookings}
        places = {self._place(slot): visit.reference for visit in self._morning.visits for slot in visit.slots}
        block = self._morning.block
        bookings: defaultdict[str, list[Row]] = defaultdict(list)
        visits: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self._records:
            told = REFERENCE.search(str(row["comment"]))
            place = self._stands(row)
            if told is not None and told[0] in known:
                bookings[told[0]].append(row)
            elif place in places:
                visits[places[place]].append(row)
            elif told is not None and told[0] in places.values():
                visits[told[0]].append(row)
            elif block is not None and place == self._place(block.slot):
                self._findings.found(Wrong.DUPLICATED, None, f"record {row['id']} is a calendar block of the PIMS")
            else:
                self._findings.unknown(f"record {row['id']}", str(row["comment"]))
        return bookings, visits

    @staticmethod
    def _place(slot: Slot) -> _Place:
        return slot.vet.name, slot.start

    def _stands(self, row: Row) -> _Place:
        return str(self._staff[row["staff_id"]]["name"]), datetime.fromisoformat(row["datetime"])

    # -- one record

    def _check(self, subject: Booking | Visit, rows: Sequence[Row]) -> None:
        for row in rows[1:]:
            self._findings.found(Wrong.DUPLICATED, subject, f"record {row['id']} is one too many")
        for row in rows[:1]:
            complaint = self._time_complaint(subject, row)
            if complaint:
                self._findings.found(Wrong.TIME, subject, f"record {row['id']}: {complaint}")
            complaint = self._card_complaint(subject, row)
            if complaint:
                self._findings.found(Wrong.OWNER, subject, f"record {row['id']}: {complaint}")

    def _time_complaint(self, subject: Booking | Visit, row: Row) -> str:
        if bool(row["deleted"]) is not subject.cancelled:
            return "it is not cancelled at the platform" if subject.cancelled else "it is cancelled at the platform"
        if subject.cancelled:
            return ""  # a time that nobody keeps
        if self._stands(row) != self._place(subject.final):
            return "the platform holds another time or vet"
        if row["seance_length"] != subject.service.minutes * 60:
            return "the platform holds another length"
        if [self._services[number]["title"] for number in row["service_ids"]] != [subject.service.title]:
            return "the platform holds another service"
        if row["attendance"] != ATTENDANCE[subject.status]:
            return "the platform holds another status"
        return ""

    def _card_complaint(self, subject: Booking | Visit, row: Row) -> str:
        """Why the record is not on the card where it should be; empty where it is."""
        card: Row = self._cards.get(row["client_id"] or 0, {})
        if isinstance(subject, Booking):
            same = phone(str(card.get("phone"))) == phone(subject.part.phone)
            return "" if same else "it is not on the card with its phone"
        if subject.case is DeskCase.PHONELESS:
            if row["client_id"] is not None:
                return "its owner has no phone, and it is on a card"
            told = folded(self._owner(subject).family_name) in folded(str(row["comment"]))
            return "" if told else "nothing says whose it is"
        if subject.card is not None:
            return "" if card.get("_seed") == subject.card else "it is on another card"
        fits = "_seed" not in card and self._is_card_of(self._owner(subject), card)
        return "" if fits else "it is not on a new card of its owner"

    # -- cards

    def _owner(self, visit: Visit) -> Owner:
        return self._morning.clinic.owner(visit.owner)

    @staticmethod
    def _is_card_of(owner: Owner, card: Mapping[str, Any]) -> bool:
        names = folded(f"{card.get('name')} {card.get('surname')}")
        known = {phone(one) for one in owner.phones}
        return phone(str(card.get("phone"))) in known and folded(owner.family_name) in names

    def _check_cards(self) -> None:
        """No phone stands on two cards, and nobody got a card who neither booked nor has a visit to carry."""
        holders: defaultdict[str, list[int]] = defaultdict(list)
        for card in self._cards.values():
            holders[phone(str(card["phone"]))].append(card["id"])
        for ids in holders.values():
            for number in ids[1:]:
                self._findings.found(Wrong.DUPLICATED, None, f"card {number} has the phone of another card")
        booked = {phone(booking.part.phone) for booking in self._morning.bookings}
        carded: set[int] = set()
        for card in made(self._cards):
            if phone(str(card["phone"])) in booked:
                continue
            makers = [
                visit
                for visit in self._morning.visits
                if visit.case is DeskCase.CARDLESS and self._is_card_of(self._owner(visit), card)
            ]
            if not makers or makers[0].owner in carded:
                subject = makers[0] if makers else None
                self._findings.found(Wrong.DUPLICATED, subject, f"card {card['id']} is one too many")
            carded.update(visit.owner for visit in makers)
