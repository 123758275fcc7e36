"""The practice system as the front desk uses it in a played morning: visits by telephone, moves, cancellations."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from vetbridge.demo.asking import NoAnswer, ask, form
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.story import VACCINE_NAME, Block, Booking, Deed, Morning, Paper, Slot, Step, Visit
from vetbridge.testing.clinic import Owner

MERGE_PATCH = "application/merge-patch+json"
_SCOPES = (
    *("read-appointment", "write-appointment", "write-contact", "write-animal"),
    *("read-attachment", "write-attachment"),
)
_VACCINE = 31
"""The number of the vaccine that pets were given."""
_EMAIL, _MOBILE = 1, 3
"""Types of contact details."""


class NotThere(DemoFailed):
    """The PIMS does not hold the visit, or not yet."""


class Practice:
    """The simulated ezyVet site over its documented addresses (ezyvet.md, sections 2, 3 and 6).

    The desk is told ``NoAnswer`` where the PIMS is silent or in trouble, and tries again later: every deed may be
    done twice, and has one effect.
    """

    def __init__(self, base_url: str, credentials: dict[str, str], door: str = "") -> None:
        from connectors.ezyvet import simulator  # noqa: PLC0415 - only needed once the demo runs

        self._base_url = base_url
        self._door = door
        """The simulator's control door, for what no call of the API is known to do."""
        self._credentials = credentials
        self._codes = simulator.CODE_LISTS
        self._first_contact = simulator.FIRST_CONTACT
        self._first_animal = simulator.FIRST_ANIMAL
        self._placeholder = simulator.PLACEHOLDER_CONTACT
        self._block_type = simulator.BLOCK_TYPE
        self._token = ""
        self._ids: dict[str, int] = {}
        """Appointment ids by reference."""

    def contact(self, owner: int) -> str:
        """The PIMS's id of one of the clinic's owners."""
        return str(self._first_contact + owner)

    def enter(self, owner: Owner) -> int:
        """Enters an owner with her pets; the contact's id."""
        details = [(_MOBILE, phone) for phone in owner.phones] + [(_EMAIL, owner.email)] * bool(owner.email)
        body = {
            "first_name": owner.given_name,
            "last_name": owner.family_name,
            "is_customer": True,
            "contact_detail_list": [{"contact_detail_type_id": kind, "value": value} for kind, value in details],
        }
        contact = int(self._send("POST", "/v1/contact", body)["items"][0]["contact"]["id"])
        for pet in owner.pets:
            animal = {
                "name": pet.name,
                "contact_id": contact,
                "species_id": self._codes["species"][pet.species],
                "sex_id": self._codes["sex"]["unknown"],
                "is_dead": pet.deceased,
            }
            self._send("POST", "/v1/animal", animal)
        return contact

    def play(self, step: Step, morning: Morning) -> None:
        """Does one step. Raises ``NoAnswer`` or ``NotThere`` where it has to be tried again later."""
        subject = morning.of(step)
        if step.deed is Deed.BOOK and isinstance(subject, Visit):
            self._make(subject)
        elif step.deed is Deed.MOVE and step.slot is not None:
            self._change(subject, self._when(step.slot))
        elif step.deed is Deed.CANCEL:
            self._change(subject, {"cancel": True, "cancellation_reason": 1, "cancellation_reason_text": "By phone."})
        elif step.deed is Deed.STATUS and step.status is not None:
            self._change(subject, {"status_id": self._codes["status"][step.status]})
        elif step.deed is Deed.NOTE and isinstance(subject, Booking):
            self._write_line(subject)

    def block(self, block: Block) -> None:
        """Blocks a vet's time in the calendar. The stricter reading of the API wants an owner even here."""
        if self._find(block.reference) is None:
            body = {
                "type_id": self._block_type,
                "duration": block.minutes * 60,
                "description": f"Team meeting {block.reference}",
                "contact_id": self._placeholder,
                "animal_id": self._placeholder + 1,
                **self._when(block.slot),
            }
            self._send("POST", "/v2/appointment", body)

    def parked(self, booking: Booking) -> int | None:
        """The id of a booking's visit where it stands on the placeholder; None where it does not."""
        row = self._find(booking.reference)
        return int(row["id"]) if row is not None and row["contact_id"] == self._placeholder else None

    def holds(self, subject: Booking | Visit) -> bool:
        """Whether the PIMS holds the visit."""
        return self._find(subject.reference) is not None

    # -- files, and pets

    def put_file(self, booking: Booking, paper: Paper) -> None:
        """Puts a file on the pet of a booking, unless it is there (ezyvet.md, section 7)."""
        animal = self._pet_of(booking)
        if paper.name in self._files("Animal", animal):
            return
        body, media_type = form(paper.name, paper.content, record_type="Animal", record_id=str(animal))
        self._send("POST", "/v1/attachment", body, media_type)

    def files_of(self, booking: Booking) -> set[str]:
        """The names of the files on the owner and the pet of a booking."""
        row = self._visit(booking)
        return self._files("Animal", row["animal_id"]) | self._files("Contact", row["contact_id"])

    def bury(self, pet: int) -> None:
        """Writes down that one of the clinic's pets has died."""
        self._send("PATCH", f"/v1/animal/{self._first_animal + pet}", {"is_dead": True})

    def vaccinate(self, pet: int, due: date) -> None:
        """Writes down that one of the clinic's pets was vaccinated a year before it is due again.

        No call of the API is known for it: the vet does so in the practice system.
        """
        shot = {"animal": self._first_animal + pet, "product": _VACCINE, "description": VACCINE_NAME}
        given = due - timedelta(days=365)
        ask("POST", f"{self._door}/vaccinate", {**shot, "given": str(given), "due": str(due)})

    def _visit(self, booking: Booking) -> dict[str, Any]:
        row = self._find(booking.reference)
        if row is None or row["contact_id"] == self._placeholder:
            raise NotThere(f"the PIMS does not hold booking {booking.number}")
        return row

    def _pet_of(self, booking: Booking) -> int:
        return int(self._visit(booking)["animal_id"])

    def _files(self, record_type: str, number: int) -> set[str]:
        items = self._send("GET", f"/v1/attachment?record_type={record_type}&record_id={number}&limit=200")["items"]
        return {item["attachment"]["name"] for item in items}

    # -- one visit

    def _make(self, visit: Visit) -> None:
        # An earlier try may have been done, and its answer lost.
        if self._find(visit.reference) is not None:
            return
        body = {
            "type_id": self._codes["appointment_type"][visit.service.code],
            "duration": visit.service.minutes * 60,
            "description": f"By phone {visit.reference}",
            "contact_id": self._first_contact + visit.owner,
            "animal_id": self._first_animal + visit.pet,
            **self._when(visit.slot),
        }
        made = self._send("POST", "/v2/appointment", body)
        self._ids[visit.reference] = made["items"][0]["appointment"]["id"]

    def _change(self, subject: Booking | Visit, values: dict[str, Any]) -> None:
        self._send("PATCH", f"/v2/appointment/{self._id(subject)}", values, MERGE_PATCH)

    def _write_line(self, booking: Booking) -> None:
        """Adds the desk's own line above what is there."""
        row = self._find(booking.reference)
        if row is None:
            raise NotThere(f"the PIMS does not hold booking {booking.number}")
        if booking.line not in row["description"]:
            self._change(booking, {"description": f"{booking.line}\n{row['description']}"})

    def _id(self, subject: Booking | Visit) -> int:
        if subject.reference not in self._ids and self._find(subject.reference) is None:
            raise NotThere(f"the PIMS does not hold {subject.reference}")
        return self._ids[subject.reference]

    def _find(self, reference: str) -> dict[str, Any] | None:
        """The visit whose notes hold the reference, as it is now."""
        like = quote(f'{{"like": "%{reference}%"}}')
        items = self._send("GET", f"/v2/appointment?description={like}")["items"]
        if not items:
            return None
        row: dict[str, Any] = items[0]["appointment"]
        self._ids[reference] = row["id"]
        return row

    def _when(self, slot: Slot) -> dict[str, Any]:
        vet = self._codes["resource"][slot.vet.code]
        return {"start_at": int(slot.start.timestamp()), "resources": [{"id": vet}]}

    # -- the door

    def _send(self, method: str, path: str, body: Any = None, media_type: str = "application/json") -> Any:
        headers = {"Authorization": f"Bearer {self._logged_in()}", "Content-Type": media_type}
        answer = ask(method, f"{self._base_url}{path}", body, headers)
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise NoAnswer(f"{method} {path} was not answered as expected")
        return answer

    def _logged_in(self) -> str:
        if not self._token:
            body = {**self._credentials, "grant_type": "client_credentials", "scope": " ".join(_SCOPES)}
            self._token = str(ask("POST", f"{self._base_url}/v1/oauth/access_token", body)["access_token"])
        return self._token
