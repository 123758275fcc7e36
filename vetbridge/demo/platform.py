"""The booking platform as people use it in a played morning: owners in the widget, the front desk in the calendar."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from vetbridge.demo.asking import ask
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.story import Actor, Booking, Deed, Morning, Slot, Step
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
