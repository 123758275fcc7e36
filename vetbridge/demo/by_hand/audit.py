"""The audit's half in a practice without an API: what stands in its own database, whoever typed it.

It knows the script, the database and what the clerk says to have typed; nothing of VetBridge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from vetbridge.demo.findings import Findings, Place, Wrong, digits, folded, phone
from vetbridge.demo.pims_audit import STAMPED
from vetbridge.demo.story import Booking, Morning, Visit
from vetbridge.testing.practice import KeptClient, KeptPet, KeptVisit, Practice


class PracticeAuditor:
    """Audits the practice's database. ``reference`` says to which booking or desk visit a visit belongs.

    ``typed``: people typed the visits, so that each is on somebody; else one may be nobody's as long as a person is
    asked about it, and its notes say who booked. ``placeholder``: client and pet on which such a visit stands.
    """

    def __init__(
        self,
        morning: Morning,
        practice: Practice,
        reference: Callable[[KeptVisit], str],
        findings: Findings,
        *,
        typed: bool,
        placeholder: tuple[str, str] = ("", ""),
    ) -> None:
        self._typed = typed
        self._morning = morning
        self._findings = findings
        self._clients = {one.id: one for one in practice.clients() if one.id != placeholder[0]}
        self._pets = {one.id: one for one in practice.pets() if one.id != placeholder[1]}
        self._visits: defaultdict[str, list[KeptVisit]] = defaultdict(list)
        self.unseen: set[int] = set()
        """Cancelled bookings that nobody typed."""
        for visit in practice.visits(deleted=True):
            told = reference(visit)
            if told in morning.references:
                self._visits[told].append(visit)
            else:
                findings.unknown(f"appointment {visit.id}", visit.notes)

    def audit(self) -> tuple[Place, ...]:
        """Checks every visit, client and pet; returns where each booking stands."""
        places = tuple(self._placed(booking) for booking in self._morning.bookings)
        for visit in self._morning.visits:
            self._check_desk_visit(visit)
        self._check_new(self._clients, self._makers_of_client, "client")
        self._check_new(self._pets, self._makers_of_pet, "pet")
        return places

    def _standing(self, subject: Booking | Visit) -> Sequence[KeptVisit]:
        rows = [one for one in self._visits[subject.reference] if not one.deleted]
        for row in rows[1:]:
            self._findings.found(Wrong.DUPLICATED, subject, f"appointment {row.id} is one too many")
        if rows and subject.cancelled:
            self._findings.found(Wrong.TIME, subject, f"appointment {rows[0].id}: it is not cancelled")
        if not rows and not subject.cancelled:
            cancelled = self._visits[subject.reference]
            wrong = Wrong.TIME if cancelled else Wrong.LOST
            self._findings.found(wrong, subject, "it is cancelled" if cancelled else "the practice holds no visit")
        return rows

    def _placed(self, booking: Booking) -> Place:
        rows = self._standing(booking)
        if not rows:
            if booking.cancelled and not self._visits[booking.reference]:
                self.unseen.add(booking.number)
            if not booking.cancelled:
                return Place.LOST
            return Place.LINKED if booking.part.owners else Place.CREATED
        for row in rows:
            self._check(booking, row, self._owner_complaint(booking, row))
        client = self._clients.get(rows[0].client_id)
        if client is None:
            return Place.IN_REVIEW
        return Place.CREATED if client.seed is None else Place.LINKED

    def _check_desk_visit(self, visit: Visit) -> None:
        for row in self._standing(visit):
            client, pet = self._clients.get(row.client_id), self._pets.get(row.pet_id)
            same = client is not None and pet is not None and (client.seed, pet.seed) == (visit.owner, visit.pet)
            self._check(visit, row, "" if same else "it is on another owner or pet")

    def _check(self, subject: Booking | Visit, row: KeptVisit, owner_complaint: str) -> None:
        if owner_complaint:
            self._findings.found(Wrong.OWNER, subject, f"appointment {row.id}: {owner_complaint}")
        complaint = "" if subject.cancelled else _time_complaint(subject, row)
        if complaint:
            self._findings.found(Wrong.TIME, subject, f"appointment {row.id}: {complaint}")

    def _owner_complaint(self, booking: Booking, row: KeptVisit) -> str:
        """Why the visit does not hang where it should; empty where it does."""
        client, pet, part = self._clients.get(row.client_id), self._pets.get(row.pet_id), booking.part
        if client is None and not self._typed:
            block = STAMPED.search(row.notes)
            told = block is not None and phone(part.phone) in digits(block["text"])
            return "" if told else "it is on nobody, without the details"
        if client is None or pet is None:
            return "it is on nobody"
        if pet.client_id != client.id:
            return "the pet is not the client's"
        if part.owners:
            if client.seed not in part.owners:
                return "it is another owner's"
        elif client.seed is not None or not _is_newcomer(booking, client):
            return "it is not on the new owner"
        if part.pets:
            return "" if pet.seed in part.pets else "it is another animal's"
        return "" if pet.seed is None and folded(pet.name) == folded(part.pet_name) else "it is not on the new animal"

    # -- who was registered

    def _check_new(
        self,
        records: Mapping[str, KeptClient] | Mapping[str, KeptPet],
        makers: Callable[[KeptClient | KeptPet], list[Booking]],
        what: str,
    ) -> None:
        """Each new owner and each new animal stands once; nobody else was registered."""
        seen: set[str] = set()
        for record in records.values():
            if record.seed is not None:
                continue
            found = makers(record)
            key = _key(record)
            if found and key not in seen:
                seen.add(key)
            else:
                maker = found[0] if found else None
                self._findings.found(Wrong.DUPLICATED, maker, f"{what} {record.id} is one too many")

    def _makers_of_client(self, client: KeptClient | KeptPet) -> list[Booking]:
        assert isinstance(client, KeptClient)  # noqa: S101 - of the clients
        return [one for one in self._morning.bookings if not one.part.owners and _is_newcomer(one, client)]

    def _makers_of_pet(self, pet: KeptClient | KeptPet) -> list[Booking]:
        assert isinstance(pet, KeptPet)  # noqa: S101 - of the pets
        owner = self._clients.get(pet.client_id)
        return [
            one
            for one in self._morning.bookings
            if owner is not None
            and not one.part.pets
            and folded(pet.name) == folded(one.part.pet_name)
            and (owner.seed in one.part.owners if one.part.owners else _is_newcomer(one, owner))
        ]


def _key(record: KeptClient | KeptPet) -> str:
    if isinstance(record, KeptPet):
        return f"{record.client_id} {folded(record.name)}"
    return " ".join(sorted(phone(text) for text in record.phones))


def _is_newcomer(booking: Booking, client: KeptClient) -> bool:
    """The client bears the booking's phone and family name, wherever the booking side divides the whole name."""
    known = {phone(text) for text in client.phones}
    name = folded(f"{client.given_name} {client.family_name}")
    return phone(booking.part.phone) in known and folded(booking.part.family_name) in name


def _time_complaint(subject: Booking | Visit, row: KeptVisit) -> str:
    if row.start != subject.final.start.replace(tzinfo=None):
        return "another start"
    if row.minutes != subject.service.minutes:
        return "another length"
    if row.resource != subject.final.vet.code:
        return "another vet"
    if row.appointment_type != subject.service.code:
        return "another service"
    if row.status != subject.status.value:
        return "another status"
    return ""
