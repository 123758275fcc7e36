"""The receptionist where nobody makes clients from outside: registers new owners and pets in the practice system as
VetBridge asks about them, and answers with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.core.answers import CLIENTS_NOT_MADE, PETS_NOT_MADE
from vetbridge.demo.by_hand.records import RecordsDesk
from vetbridge.demo.findings import folded, phone
from vetbridge.demo.platform import Platform
from vetbridge.demo.scenes import BY, Commands, House, Scene, Scenes
from vetbridge.demo.story import Booking, Morning

LOOK_EVERY = 2.0
"""Seconds between two looks at the questions."""
NOT_MADE = frozenset({CLIENTS_NOT_MADE, PETS_NOT_MADE})
"""Why VetBridge asks about such bookings."""
USAGE = 2
"""Exit code where the answer cannot be taken: nobody has read the new client yet, or the question is over."""


class Registering(Scenes):
    """Her work, as long as the morning and what it leaves behind take."""

    def __init__(
        self,
        desk: RecordsDesk,
        platform: Platform,
        morning: Morning,
        commands: Commands,
        house: House,
        clock: Clock,
        patience: float,
    ) -> None:
        super().__init__(commands, house, clock, patience)
        self._desk = desk
        self._platform = platform
        self._morning = morning
        self.is_over = False
        """Set by whoever plays the morning: nothing more is to come."""
        self.waiting = 0
        """Questions that she still has to answer."""

    def working(self) -> Scene[None]:
        """Looks at the questions now and then."""
        others: set[str] = set()
        while not self.is_over:
            if self._house.asked("link") - others:
                items = yield from self._told("review", "list")
                asked = [item for item in items if item["why"] in NOT_MADE]
                others = {str(item["remote_id"]) for item in items if item["why"] not in NOT_MADE}
                self.waiting = len(asked)
                for item in asked:
                    yield from self._answer(item)
            yield from self._pass(LOOK_EVERY)

    def _answer(self, item: Mapping[str, Any]) -> Scene[None]:
        number = self._platform.booking_of(str(item["remote_id"]))
        if number is None:
            return
        client, pet = self._registered(self._morning.booking(number))
        answer = ("review", "link", str(item["id"]), "--client", client, "--pet", pet, "--by", BY, "--no-wait")
        if (yield from self._told(*answer, fine=(0, USAGE))) is not None:
            self.waiting -= 1

    def _registered(self, booking: Booking) -> tuple[str, str]:
        """Client and pet of a booking in the practice system, registered where they were not there."""
        part, practice = booking.part, self._desk.practice
        known = (one for one in practice.clients() if one.active and not one.deleted)
        client = next(
            (
                one
                for one in known
                if phone(part.phone) in {phone(text) for text in one.phones}
                and folded(one.family_name) == folded(part.family_name)
                and (one.seed in part.owners or (one.seed is None and not part.owners))
            ),
            None,
        )
        if client is None:
            self._house.happens(f"the receptionist registers the owner of booking {booking.number}")
            client = practice.register_client(
                given_name=part.given_name, family_name=part.family_name, phones=(part.phone,), email=part.email
            )
        pets = (one for one in practice.pets_of(client.id) if folded(one.name) == folded(part.pet_name))
        pet = next((one for one in pets if not one.deceased), None) or practice.register_pet(
            client_id=client.id, name=part.pet_name, species=part.species, breed=part.breed, sex="unknown"
        )
        return client.id, pet.id
