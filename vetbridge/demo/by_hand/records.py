"""A practice that shows files and services that are due: what its people write down of them, and what the audit
finds there."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta

from vetbridge.demo.by_hand.desk import PaperDesk
from vetbridge.demo.errands_audit import Filed, PimsFiles
from vetbridge.demo.practice import NotThere
from vetbridge.demo.story import VACCINE_NAME, Booking, Paper
from vetbridge.testing.practice import FIRST_PET, KeptVisit
from vetbridge.testing.practice.plain import PlainPractice

VACCINE = "RABIES"
"""What the practice calls the vaccine that pets are given."""


class RecordsDesk(PaperDesk):
    """The front desk of such a practice."""

    def __init__(self, practice: PlainPractice, *, placeholder: tuple[str, str] | None = None) -> None:
        super().__init__(practice, placeholder=placeholder)
        self._records = practice

    def holds(self, booking: Booking) -> bool:
        """Whether the visit of a booking stands on its owner; who is new is registered first."""
        return bool(self._visits(booking)) and self.parked(booking) is None

    def parked(self, booking: Booking) -> str | None:
        """The id of a booking's visit where it stands on the placeholder; None where it does not."""
        client = self.placeholder[0] if self.placeholder is not None else ""
        return next((one.id for one in self._visits(booking) if one.client_id == client), None)

    def put_file(self, booking: Booking, paper: Paper) -> None:
        """Puts a file on the pet of a booking."""
        self._records.attach(paper.content, pet_id=self._owned(booking).pet_id, name=paper.name)

    def files_of(self, booking: Booking) -> set[str]:
        """The names of the files on the owner and the pet of a booking."""
        visit = self._owned(booking)
        return {
            one.name
            for one in self._records.documents()
            if one.client_id == visit.client_id or one.pet_id == visit.pet_id
        }

    def bury(self, pet: int) -> None:
        """Writes down that one of the clinic's pets has died."""
        self._records.change_pet(str(FIRST_PET + pet), deceased=True)

    def vaccinate(self, pet: int, due: date) -> None:
        """Writes down that one of the clinic's pets was vaccinated a year before ``due``, and the reminder."""
        number, given = str(FIRST_PET + pet), due - timedelta(days=365)
        self._records.vaccinate(pet_id=number, code=VACCINE, description=VACCINE_NAME, given_on=given)
        self._records.remind(pet_id=number, code=VACCINE, description=VACCINE_NAME, given_on=given, due_on=due)

    def _visits(self, booking: Booking) -> list[KeptVisit]:
        return [one for one in self._records.visits() if self.reference(one) == booking.reference]

    def _owned(self, booking: Booking) -> KeptVisit:
        """The booking's visit, once it stands on its owner. Raises ``NotThere``."""
        if not (found := self._visits(booking)) or self.parked(booking) is not None:
            raise NotThere(f"the practice does not hold booking {booking.number} on its owner")
        return found[0]


def kept_files(practice: PlainPractice, reference: Callable[[KeptVisit], str]) -> PimsFiles:
    """The practice's files. ``reference`` says to which booking or desk visit a visit belongs."""
    files: defaultdict[str, list[Filed]] = defaultdict(list)
    for one in practice.documents():
        on = ("pet", one.pet_id) if one.pet_id else ("client", one.client_id)
        files[hashlib.sha256(practice.document_content(one.id)).hexdigest()].append(Filed(one.id, on))
    visits = [(told, one) for one in practice.visits(deleted=True) if (told := reference(one))]
    return PimsFiles(files, {told: {("pet", one.pet_id), ("client", one.client_id)} for told, one in visits})
