"""Every fault switch of the Altegio simulator during a small morning: all stands right at last, or a person is asked.

Both simulators serve real HTTP; they and VetBridge share one clock that nobody has to wait for. People act while
nothing is wrong (but with webhooks), VetBridge works while something is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from connectors.altegio import simulator as altegio
from connectors.altegio.simulator import AltegioSimulator
from connectors.ezyvet import simulator as ezyvet
from connectors.ezyvet.simulator import (
    FIRST_ANIMAL,
    PLACEHOLDER_ANIMAL,
    PLACEHOLDER_CONTACT,
)
from tests.system.hooks import Hooks, hooks
from tests.system.test_front_desk import command
from tests.system.town import Town
from vetbridge.cli.config import load_config
from vetbridge.daemon.assembly import Program, assembled
from vetbridge.daemon.once import drain, pass_over
from vetbridge.testing.clinic import Owner, make_clinic
from vetbridge.testing.clock import FakeClock

CLIENTS, SEED = 40, 3
PATIENCE = 100.0
"""Seconds of the shared clock that a pass may take."""
LATE = 2.0
"""Seconds after which a late write lands, and after which a new row is listed."""
LANDS_WITHIN = 2 * LATE + 1
"""What the account's ``late_landing`` is set to: a late write may be listed late as well."""
NEW_OWNER, NEW_PHONE, NEW_PET = "Zdenka Brandnova", "+447912345670", "Quirin"
STRANGER = "Eva Novakova"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One trouble and how it is set."""

    rates: dict[str, float] = field(default_factory=dict)
    fails: str = ""
    """The code with which changes may fail while it lasts. A person replays those when it is over."""
    while_people_act: bool = False
    """It begins before people do what they do."""
    hooks_only: bool = False
    """While the fault is on nothing is polled, so that webhooks alone bring the news."""
    may_lack_pets: bool = False
    """A card that was shown without its phone takes no pet, as a hidden phone is never overwritten: then the visit
    alone says which pet it is for."""
    new_token: bool = False
    """Afterwards somebody puts the new token into its secret and starts VetBridge again, as the error says."""
    simulator: dict[str, Any] = field(default_factory=dict)


SWITCHES: dict[str, Case] = {
    "too_fast": Case(rates={"429": 0.2, "429_retry_after": 0.2, "429_bare": 0.2}),
    "5xx_before": Case(rates={"5xx_before": 0.4}),
    "5xx_after": Case(rates={"5xx_after": 0.7}),
    "drop_after_commit": Case(rates={"drop_after_commit": 0.7}),
    "late_landing": Case(rates={"late_landing": 0.7}),
    "spoilt": Case(rates={"cut_json": 0.2, "html_for_json": 0.2}, fails="bad-answer"),
    "page_shift": Case(rates={"page_shift": 0.7}),
    "lagging_search": Case(rates={"lagging_search": 1.0}),
    "cut_fields": Case(rates={"cut_fields": 1.0}, while_people_act=True),
    "missing_fields": Case(rates={"missing_fields": 0.3}, fails="unreadable", may_lack_pets=True),
    "token_expiry": Case(rates={"token_expiry": 0.2}, new_token=True),
    "clocks": Case(rates={"clock_ahead": 0.3, "clock_behind": 0.3}),
    "webhooks_doubled": Case(rates={"webhook_duplicate": 1.0, "webhook_reorder": 0.7}, hooks_only=True),
    "webhook_silence": Case(rates={"webhook_silence": 0.7}, hooks_only=True),
    "outage": Case(rates={"outage": 0.2}),
}
"""Each fault switch, and those of one sort together."""

TOGETHER: dict[str, Case] = {
    "lost_and_not_listed": Case(rates={"drop_after_commit": 0.6, "lagging_search": 1.0}),
    "late_and_not_listed": Case(rates={"late_landing": 0.6, "lagging_search": 1.0}),
    "lost_and_shifted": Case(rates={"5xx_after": 0.6, "page_shift": 0.7}),
    "lost_and_spoilt": Case(rates={"drop_after_commit": 0.3, "html_for_json": 0.2, "429": 0.2}, fails="bad-answer"),
}
"""What makes looking for a lost write hard."""

KINDS: dict[str, Case] = {
    "winter_offset": Case(simulator={"winter_offset": True}),
    "errors_inside": Case(rates={"drop_after_commit": 0.5}, simulator={"errors_inside": True}),
    "duplicate_is_500": Case(rates={"late_landing": 0.5}, simulator={"duplicate_status": 500}),
    "the_other_choices": Case(
        rates={"5xx_after": 0.7},
        simulator={"bounds_zone": "utc", "put_clears": True, "empty_fields": "object", "retry_after": False},
    ),
    "far_away": Case(rates={"drop_after_commit": 0.5}, simulator={"zone": "Pacific/Auckland", "winter_offset": True}),
}
"""What is true of a vendor and not of a moment."""


OF_FILES = {"cut_upload", "cut_download"}
"""Tried by tests/unit/connectors/test_altegio_attachments.py: no file is carried here."""


def test_every_switch_of_the_simulator_is_tried() -> None:
    assert {switch for case in SWITCHES.values() for switch in case.rates} == AltegioSimulator.offered() - OF_FILES


class Morning:
    """Bookings, moves, cancellations and visits of the desk; and what must stand in the end."""

    def __init__(self, place: Town, inbox: Hooks, clock: FakeClock) -> None:
        self.place = place
        self.inbox = inbox
        self.clock = clock
        self.owners = [place.plain_owner(number) for number in range(7)]
        self.starts: dict[str, datetime] = {}
        self._running = ExitStack()
        self.program: Program
        self.restart()

    def restart(self) -> None:
        """VetBridge starts, with the secrets as they are now."""
        self.stop()
        place = self.place
        place.write_config(
            daemon={"workers": 1},
            timings={"retry_first": 1, "retry_longest": 8, "lease": 36000, "mirror_stale": 36000},
            accounts={"altegio": {"options": {"page_size": 3, "late_landing": LANDS_WITHIN}}},
            sites={"town": {"zone": place.booking.zone}},
        )
        loaded = load_config(place.config_path)
        self.program = self._running.enter_context(assembled(loaded, command="sync", clock=self.clock))

    def stop(self) -> None:
        """VetBridge stops."""
        self._running.close()

    def sync(self) -> None:
        """Everything is read, and all that is due is worked on."""
        self.inbox.deliver(self.program)
        pass_over(self.program, patience=PATIENCE, progress=lambda _text: None)

    def listen(self) -> None:
        """Only what webhooks told is worked on."""
        self.inbox.deliver(self.program)
        drain(self.program, PATIENCE, lambda _text: None)

    def yesterday(self) -> None:
        """What stood before anything went wrong."""
        place, desk = self.place, self.place.desk
        self._moved, _ = place.book_owner(self.owners[0], start=self._at("moved"))
        self._cancelled, self._hash = place.book_owner(self.owners[1], start=self._at("cancelled"))
        self._desk_moved = desk.make_for(self.owners[2], self._at("moved by the desk"))
        self._desk_cancelled = desk.make_for(self.owners[3], self._at("cancelled by the desk"))

    def people(self) -> None:
        """What people do this morning."""
        place, desk = self.place, self.place.desk
        place.book_owner(self.owners[4], start=self._at("known"), comment="limps. " * 40)
        place.book(fullname=NEW_OWNER, phone=NEW_PHONE, pet=NEW_PET, start=self._at("new"))
        place.book(fullname=STRANGER, phone=self.owners[5].phones[0], pet="Xerxes", start=self._at("ambiguous"))
        place.move(self._moved, self._at("moved"))
        place.cancel(self._cancelled, self._hash)
        desk.make_for(self.owners[6], self._at("of the desk"), notes="bring the X-rays. " * 20)
        desk.move(self._desk_moved, self._at("moved by the desk"))
        desk.cancel(self._desk_cancelled)

    def _at(self, what: str) -> datetime:
        self.starts[what] = self.place.slot()
        return self.starts[what]

    def open(self) -> set[str]:
        """What a person is asked or told to do, each with its visit; and what failed."""
        lines = {str(line["task"]) for line in command(self.place, "worklist", "list")}
        items = {f"{item['why']} {item['visit_at']}" for item in command(self.place, "review", "list")}
        failed = {f"failed {code}" for (code,) in self.place.ledger("SELECT code FROM change WHERE state = 'failed'")}
        return lines | items | failed

    def wrong(self, case: Case) -> list[str]:
        """What does not stand as it should, in words."""
        gone = {"cancelled": 1, "cancelled by the desk": 3}
        wanted = {
            "moved": self._known(0),
            "moved by the desk": self._known(2),
            "known": self._known(4),
            "new": self._made(),
            "ambiguous": (PLACEHOLDER_CONTACT, PLACEHOLDER_ANIMAL),
            "of the desk": self._known(6),
        }
        said = []
        for what, start in self.starts.items():
            at = [row for row in self.place.visits() if row["start_at"] == int(start.timestamp())]
            if [row["active"] for row in at] != [what not in gone]:
                said.append(f"{what}: stands {[row['active'] for row in at]} in the PIMS")
            elif what in wanted and (at[0]["contact_id"], at[0]["animal_id"]) != wanted[what]:
                said.append(f"{what}: of {at[0]['contact_id']}/{at[0]['animal_id']} instead of {wanted[what]}")
        if len(self.place.visits()) != len(self.starts):
            said.append(f"{len(self.place.visits())} visits in the PIMS instead of {len(self.starts)}")
        if self.place.booked() != self.place.standing():
            said.append(f"the two diaries differ: {set(self.place.booked()) ^ set(self.place.standing())}")
        return said + self._wrong_cards({0, 1} if case.may_lack_pets else {1})

    def _wrong_cards(self, times: set[int]) -> list[str]:
        """Of those whom the desk brought to the booking side, each must have one card, which lists its pet so often,
        and a visit that says which pet it is for."""
        said = []
        for what, owner in (("moved by the desk", self.owners[2]), ("of the desk", self.owners[6])):
            name = next(pet.name for pet in owner.pets if not pet.deceased)
            cards = [row for row in self.place.booking.store.all("client") if row["phone"] == owner.phones[0]]
            listed = [str(card["custom_fields"].get("vetbridge_pets", "")) for card in cards]
            if len(cards) != 1 or listed[0].count(f"{name} (") not in times:
                said.append(f"{what}: {len(cards)} cards that list {listed}")
            if [row["custom_fields"].get("pet_name") for row in self._records(what)] != [name]:
                said.append(f"{what}: the visit does not say which pet it is for")
            on = {row["client_id"] for row in self._records(what)}
            if on != {card["id"] for card in cards}:
                said.append(f"{what}: stands on the cards {on}")
        return said

    def _records(self, what: str) -> list[Any]:
        start = int(self.starts[what].timestamp())
        return [row for row in self.place.booking.store.all("record") if row["_start"] == start]

    def _known(self, number: int) -> tuple[int, int]:
        owner: Owner = self.owners[number]
        pet = next(pet.number for pet in owner.pets if not pet.deceased)
        return self.place.contact_id(owner), FIRST_ANIMAL + pet

    def _made(self) -> tuple[int, int]:
        """The new owner and pet, each of which must be there once."""
        details = [row for row in self.place.pims.store.all("contactdetail") if row["value_cleaned"] == NEW_PHONE[1:]]
        pets = [row["id"] for row in self.place.pims.store.all("animal") if row["name"] == NEW_PET]
        assert (len(details), len(pets)) == (1, 1), "the new owner and pet stand once"
        return details[0]["contact_id"], int(pets[0])


@contextmanager
def morning(folder: Path, simulator: dict[str, Any]) -> Iterator[Morning]:
    """A town where yesterday's visits stand."""
    clock = FakeClock(datetime.now(UTC))
    times = {"late_seconds": LATE, "lag_seconds": LATE, "webhook_delay": 0.0}
    with (
        ExitStack() as stack,
        altegio.build(clients=CLIENTS, seed=SEED, clock=clock, **times, **simulator) as booking,
        ezyvet.build(clients=CLIENTS, seed=SEED, clock=clock) as pims,
    ):
        place = Town(folder, booking, pims, make_clinic(SEED, CLIENTS))
        place.write_config()
        inbox = stack.enter_context(hooks("altegio", place.booking))
        wanted = {"urls": [inbox.url], "active": 1, "record": 1, "client": 1}
        place.altegio("POST", "/hooks_settings/{location}", wanted)
        made = Morning(place, inbox, clock)
        try:
            made.sync()
            made.yesterday()
            made.sync()
            yield made
        finally:
            made.stop()
            structlog.reset_defaults()


@pytest.mark.parametrize("name", [*SWITCHES, *TOGETHER, *KINDS])
def test_a_fault_for_a_while(tmp_path: Path, name: str) -> None:
    case = {**SWITCHES, **TOGETHER, **KINDS}[name]
    with morning(tmp_path, case.simulator) as made:
        faults = made.place.booking.faults
        if case.hooks_only or case.while_people_act:
            faults.set(case.rates)
        made.people()
        faults.set(case.rates)
        for _ in range(2):
            made.listen() if case.hooks_only else made.sync()
        faults.set(dict.fromkeys(case.rates, 0.0))
        if case.new_token:
            made.restart()
        made.sync()
        if case.fails:
            command(made.place, "replay", "--code", case.fails)
        made.sync()

        assert [switch for switch in case.rates if not faults.happened[switch]] == []
        assert made.wrong(case) == []
        (question,) = made.open()
        assert datetime.fromisoformat(question.split()[-1]) == made.starts["ambiguous"]
        assert made.place.notices() == 0
