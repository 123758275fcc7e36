"""The booking platform as people use it in a played morning: owners in the widget, the front desk in the calendar."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from vetbridge.demo.asking import ask, form
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.story import DUE_FIELDS, DUE_LABELS, Actor, Booking, Deed, Morning, Paper, Slot, Step
from vetbridge.testing.clinic import Clinic

ACCEPT = "application/vnd.api.v2+json"
_FLAGS = ("active", "record", "client")
"""Which events are posted (altegio.md, section 5)."""
_PAGE = 200
"""Records of one page, the most there may be (altegio.md, section 4)."""


class Platform:
    """The simulated Altegio location over its documented addresses (altegio.md, sections 2 and 3.12)."""

    def __init__(self, base_url: str, credentials: dict[str, str], clinic: Clinic) -> None:
        self._base_url = base_url
        self._location = credentials["location_id"]
        partner, user = credentials["partner_token"], credentials["user_token"]
        self._headers = {"Accept": ACCEPT, "Authorization": f"Bearer {partner}, User {user}"}
        # What the widget shows to anybody: it may be looked at before the location is connected, too.
        public = {"Accept": ACCEPT, "Authorization": f"Bearer {partner}"}
        team = self._data("GET", f"/company/{self._location}/staff", headers=public)
        offered = self._data("GET", f"/book_services/{self._location}", headers=public)["services"]
        staff = {row["name"]: row["id"] for row in team}
        services = {row["title"]: row["id"] for row in offered}
        self.staff = {member.code: int(staff[member.name]) for member in clinic.staff}
        """The platform's staff ids by VetBridge's words."""
        self.services = {service.code: int(services[service.title]) for service in clinic.services}
        """The platform's service ids by VetBridge's words."""
        self.labels: dict[str, int] = {}
        """The numbers of the labels that were added, by the connector's words."""
        self._records: dict[int, tuple[int, str]] = {}
        """Record id and hash of each booking, as the widget answered them."""

    def post_webhooks_to(self, url: str) -> None:
        """Sets the webhook address, as the location's admin does."""
        self._data("POST", f"/hooks_settings/{self._location}", {"urls": [url], **dict.fromkeys(_FLAGS, 1)})

    def play(self, step: Step, morning: Morning) -> None:
        """Does one step. Raises ``DemoFailed`` where the platform refuses it."""
        booking = morning.booking(step.booking)
        if step.deed is Deed.BOOK:
            self._book(booking)
        elif step.deed is Deed.CANCEL:
            self._cancel(booking, step.by)
        elif step.slot is not None:
            self._move(booking, step.by, step.slot)

    def booking_of(self, record: str) -> int | None:
        """The number of the booking with this record id, None where the script has none."""
        return next((number for number, (id_, _) in self._records.items() if str(id_) == record), None)

    def standing(self, slots: Collection[Slot]) -> int:
        """How many of these slots hold a visit that is not cancelled."""
        wanted = {(self.staff[slot.vet.code], slot.start) for slot in slots}
        first, last = (str(pick(slot.start.date() for slot in slots)) for pick in (min, max))
        found = 0
        page = 1
        while True:
            query = f"start_date={first}&end_date={last}&count={_PAGE}&page={page}"
            rows = self._data("GET", f"/records/{self._location}?{query}")
            found += sum((row["staff_id"], datetime.fromisoformat(row["datetime"])) in wanted for row in rows)
            if len(rows) < _PAGE:
                return found
            page += 1

    # -- files, and what cards say

    def card_of(self, booking: Booking) -> int:
        """The number of the card that a booking is on."""
        record, _ = self._records[booking.number]
        return int(self._data("GET", f"/record/{self._location}/{record}")["client"]["id"])

    def card_with(self, phone: str) -> int:
        """The number of the card with a phone."""
        rows = self._data("GET", f"/clients/{self._location}?phone={quote(phone)}")
        return int(rows[0]["id"])

    def marks(self, card: int) -> bool:
        """Whether a card says anything about services that are due."""
        row = self._data("GET", f"/client/{self._location}/{card}")
        values = row["custom_fields"] or {}
        return bool(row["categories"]) or any(values.get(code) for code in DUE_FIELDS.values())

    def opt_out(self, card: int) -> None:
        """The desk ticks that the client wants no messages; everything else stays (altegio.md, section 3.6)."""
        path = f"/client/{self._location}/{card}"
        row = self._data("GET", path)
        kept = {name: row[name] for name in ("name", "surname", "phone", "email")}
        self._data("PUT", path, {**kept, "sms_not": 1})

    def put_file(self, card: int, paper: Paper) -> None:
        """Puts a file on a card (altegio.md, section 3.10)."""
        body, media_type = form(paper.name, paper.content)
        headers = {**self._headers, "Content-Type": media_type}
        self._data("POST", self._files(card), body, headers)

    def files(self, card: int) -> set[str]:
        """The names of the files on a card."""
        return {row["name"] for row in self._data("GET", self._files(card))}

    def _files(self, card: int) -> str:
        return f"/company/{self._location}/clients/files/{card}"

    def add_due_fields(self) -> None:
        """Adds the fields of a card that say which service is due, as the location's admin does (section 3.9)."""
        for code in DUE_FIELDS.values():
            field = {"code": code, "title": code.replace("_", " ").capitalize(), "type": "text"}
            shown = {"user_can_edit": True, "show_in_ui": True}
            self._data("POST", f"/custom_fields/client/{self._location}", {**field, **shown})

    def add_due_labels(self) -> None:
        """Adds the labels, likewise (section 2)."""
        for word, title in DUE_LABELS.items():
            made = self._data("POST", f"/labels/{self._location}/clients/create", {"title": title})
            self.labels[word] = int(made["id"])

    def _book(self, booking: Booking) -> None:
        part = booking.part
        pet = {"pet_name": part.pet_name, "pet_species": part.species, "pet_breed": part.breed}
        made = self._data(
            "POST",
            f"/book_record/{self._location}",
            {
                "phone": part.phone,
                "fullname": part.full_name,
                "email": part.email,
                "comment": booking.comment,
                "appointments": [
                    {
                        "id": 1,
                        "services": [self.services[booking.service.code]],
                        "staff_id": self.staff[booking.slot.vet.code],
                        "datetime": booking.slot.start.isoformat(),
                        "custom_fields": {code: text for code, text in pet.items() if text},
                    }
                ],
            },
        )
        self._records[booking.number] = (int(made[0]["record_id"]), str(made[0]["record_hash"]))

    def _move(self, booking: Booking, by: Actor, slot: Slot) -> None:
        record, _ = self._records[booking.number]
        if by is Actor.OWNER:
            self._data("PUT", f"/book_record/{self._location}/{record}", {"datetime": slot.start.isoformat()})
            return
        path = f"/record/{self._location}/{record}"
        now = self._data("GET", path)
        card = now["client"]
        self._data(
            "PUT",
            path,
            {
                "staff_id": self.staff[slot.vet.code],
                "services": [{"id": service["id"]} for service in now["services"]],
                "client": {name: card[name] for name in ("id", "phone", "name")},
                "datetime": slot.start.isoformat(),
                "seance_length": now["seance_length"],
                "save_if_busy": False,
                "send_sms": False,
            },
        )

    def _cancel(self, booking: Booking, by: Actor) -> None:
        record, hash_ = self._records[booking.number]
        path = f"/user/records/{record}/{hash_}" if by is Actor.OWNER else f"/record/{self._location}/{record}"
        self._data("DELETE", path)

    def _data(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        answer = ask(method, f"{self._base_url}{path}", body, headers or self._headers)
        if answer is None:
            return None
        if not isinstance(answer, dict) or not answer.get("success"):
            raise DemoFailed(f"the booking platform refused {method} {path}")
        return answer["data"]
