"""Every fault switch of the ezyVet simulator during a small morning: in the end all stands right, or one is asked.

Both simulators serve real HTTP; they and VetBridge share one clock that nobody has to wait for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from connectors.ezyvet.simulator import (
    FIRST_ANIMAL,
    PLACEHOLDER_ANIMAL,
    PLACEHOLDER_CONTACT,
    EzyVetSimulator,
)
from tests.system.hooks import Hooks, hooks
from tests.system.town import Town, town
from vetbridge.cli.config import load_config
from vetbridge.cli.main import app
from vetbridge.daemon.assembly import Program, assembled
from vetbridge.daemon.once import drain, pass_over
from vetbridge.testing.clock import FakeClock

PATIENCE, SHORT = 1800.0, 30.0
"""Seconds of the shared clock that a pass may take without progress: afterwards, and while things go wrong."""
LANDS_WITHIN = 3.0
"""Seconds within which a write lands, and a new row is listed; what the account's ``late_landing`` is set to."""
NEW_OWNER, NEW_PHONE, NEW_PET = "Zdenka Brandnova", "+447912345670", "Quirin"
STRANGER, STRANGERS_PET = "Eva Novakova", "Xerxes"


UNREADABLE = frozenset({"bad-answer", "mapping"})
"""Codes of an answer that stayed unreadable after some tries."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One trouble and how it is set."""

    rates: dict[str, float]
    asked: frozenset[str] = frozenset()
    """What a person is told to do in the end."""
    hooks_only: bool = False
    """While the fault is on nothing is polled, so that webhooks alone bring the news."""
    page: int = 200
    """Most rows of a page."""
    failed: frozenset[str] = frozenset()
    """Codes with which changes may fail meanwhile, so that a person has to replay them."""


CASES: dict[str, Case] = {
    "too_fast": Case(rates={"429": 0.2, "429_retry_after": 0.2, "429_bare": 0.2}),
    "5xx_before": Case(rates={"5xx_before": 0.4}),
    "lost_answers": Case(rates={"5xx_after": 0.4, "drop_after_commit": 0.4}),
    "late_landing": Case(rates={"late_landing": 0.7}),
    "spoilt": Case(rates={"cut_json": 0.2, "html_for_json": 0.2}, failed=UNREADABLE),
    "page_shift": Case(rates={"page_shift": 0.7}, page=2),
    "lagging_search": Case(rates={"lagging_search": 1.0}),
    "cut_fields": Case(rates={"cut_fields": 1.0}),
    "missing_fields": Case(rates={"missing_fields": 0.3}, failed=UNREADABLE),
    "token_expiry": Case(rates={"token_expiry": 0.4}),
    "clocks": Case(rates={"clock_ahead": 0.3, "clock_behind": 0.3}),
    "webhooks_doubled": Case(rates={"webhook_duplicate": 1.0, "webhook_reorder": 0.7}, hooks_only=True),
    "webhook_silence": Case(rates={"webhook_silence": 0.7}, hooks_only=True),
    "relink_ignored": Case(rates={"relink_ignored": 1.0}, asked=frozenset({"relink"})),
    "relink_forgotten": Case(rates={"relink_forgotten": 1.0}, asked=frozenset({"relink"})),
    "outage": Case(rates={"outage": 0.2}),
}
"""Each fault switch, and those of one sort together."""


OF_FILES = {"cut_upload", "cut_download"}
"""Tried by tests/unit/connectors/test_ezyvet_files.py: no file is carried here."""


def test_every_switch_of_the_simulator_is_tried() -> None:
    assert {switch for case in CASES.values() for switch in case.rates} == EzyVetSimulator.offered() - OF_FILES


class Morning:
    """Bookings, a move, a cancellation, a visit of the desk and an answer; and what must stand in the end."""

    def __init__(self, place: Town, program: Program, inbox: Hooks, clock: FakeClock) -> None:
        self.place = place
        self.clock = clock
        self.program = program
        self.inbox = inbox
        self.owners = [place.plain_owner(number) for number in range(5)]
        self.starts: dict[str, datetime] = {}

    def sync(self, patience: float = PATIENCE) -> None:
        """Everything is read, and all that is due is worked on."""
        self.inbox.deliver(self.program)
        pass_over(self.program, patience=patience, progress=lambda _text: None)

    def listen(self, patience: float) -> None:
        """Only what webhooks of the PIMS told is worked on."""
        self.inbox.deliver(self.program)
        drain(self.program, patience, lambda _text: None)

    def replay(self) -> None:
        """Somebody sees that changes failed, and that the vendor is well again, and has them done."""
        for code in self.failed():
            CliRunner().invoke(app, ["--config", str(self.place.config_path), "replay", "--code", code])

    def failed(self) -> set[str]:
        """Codes of changes that failed, and after which the record was not worked on again."""
        query = """SELECT code FROM change WHERE state = 'failed' AND NOT EXISTS
            (SELECT 1 FROM change AS newer WHERE newer.record_id = change.record_id AND newer.id > change.id)"""
        return {code for (code,) in self.place.ledger(query)}

    def yesterday(self) -> None:
        """What stood before anything went wrong."""
        self.moved, _ = self.place.book_owner(self.owners[0], start=self._at("moved"))
        self.cancelled, self._hash = self.place.book_owner(self.owners[1], start=self._at("cancelled"))
        self.unsure, _ = self.place.book(
            fullname=STRANGER, phone=self.owners[4].phones[0], pet=STRANGERS_PET, start=self._at("answered")
        )

    def people(self) -> None:
        """What people do while things go wrong."""
        place = self.place
        self.known, _ = place.book_owner(self.owners[2], start=self._at("known"))
        self.new, _ = place.book(fullname=NEW_OWNER, phone=NEW_PHONE, pet=NEW_PET, start=self._at("new"))
        self.ambiguous, _ = place.book(
            fullname=STRANGER, phone=self.owners[3].phones[0], pet="Ulysses", start=self._at("ambiguous")
        )
        place.move(self.moved, self._at("moved"))
        place.cancel(self.cancelled, self._hash)
        self.desk = place.desk.make_for(self.owners[3], self._at("desk"))
        self._answer()

    def _at(self, what: str) -> datetime:
        self.starts[what] = self.place.slot()
        return self.starts[what]

    def _answer(self) -> None:
        """Reception says who the stranger of yesterday is."""
        (item,) = command(self.place, "review", "list")
        contact = str(self.place.contact_id(self.owners[4]))
        clients = [candidate["client_id"] for candidate in item["candidates"]]
        command(self.place, "review", "link", item["id"], clients.index(contact) + 1, "--by", "ann", "--no-wait")

    def open(self) -> set[str]:
        """What a person is asked or told to do, and what failed, each with the start of its visit."""
        lines = {f"{line['task']}" for line in command(self.place, "worklist", "list")}
        items = {f"{item['why']} {item['visit_at']}" for item in command(self.place, "review", "list")}
        return lines | items | {f"failed {code}" for code in self.failed()}

    def wrong(self) -> list[str]:
        """What does not stand in the PIMS as it should, in words."""
        contact = self.place.contact_id
        wanted = {
            self.starts["moved"]: (contact(self.owners[0]), self._pet(0)),
            self.starts["known"]: (contact(self.owners[2]), self._pet(2)),
            self.starts["new"]: self._made(),
            self.starts["ambiguous"]: (PLACEHOLDER_CONTACT, PLACEHOLDER_ANIMAL),
            self.starts["desk"]: (contact(self.owners[3]), self._pet(3)),
            self.starts["answered"]: (contact(self.owners[4]), self._animal(STRANGERS_PET)),
        }
        said = []
        for start, (owner, pet) in wanted.items():
            at = [row for row in self.place.visits() if row["start_at"] == int(start.timestamp())]
            what = next(name for name, moment in self.starts.items() if moment == start)
            if [row["active"] for row in at] != [True]:
                said.append(f"{what}: stands {len(at)} times")
            elif (at[0]["contact_id"], at[0]["animal_id"]) != (owner, pet):
                said.append(f"{what}: of {at[0]['contact_id']}/{at[0]['animal_id']} instead of {owner}/{pet}")
        if sorted(row["active"] for row in self.place.visits()) != [False] + [True] * len(wanted):
            said.append(f"{len(self.place.visits())} visits, {len(self.place.visits(active=True))} standing")
        if self.place.booked() != self.place.standing():
            said.append("the two diaries differ")
        return said

    def _pet(self, number: int) -> int:
        return FIRST_ANIMAL + next(pet.number for pet in self.owners[number].pets if not pet.deceased)

    def _made(self) -> tuple[int, int]:
        """The new owner and pet, each of which must be there once."""
        details = [row for row in self.place.pims.store.all("contactdetail") if row["value_cleaned"] == NEW_PHONE[1:]]
        assert len(details) == 1, f"the new owner stands {len(details)} times"
        return details[0]["contact_id"], self._animal(NEW_PET)

    def _animal(self, name: str) -> int:
        found = [row["id"] for row in self.place.pims.store.all("animal") if row["name"] == name]
        assert len(found) == 1, f"{name} stands {len(found)} times"
        return int(found[0])


def command(place: Town, *words: object) -> Any:
    """The data of a command that must succeed."""
    result = CliRunner().invoke(app, ["--config", str(place.config_path), *map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


@contextmanager
def morning(folder: Path, **simulator: Any) -> Iterator[Morning]:
    """A town where yesterday's bookings stand, and webhooks come."""
    clock = FakeClock(datetime.now(UTC))
    times = {"late_seconds": LANDS_WITHIN - 1, "lag_seconds": LANDS_WITHIN - 1, "webhook_delay": 0.0}
    with town(folder, clients=40, clock=clock, **times, **simulator) as place, hooks("ezyvet", place.pims) as inbox:
        place.desk.control("/webhooks", {"urls": [inbox.url]})
        place.write_config(
            daemon={"workers": 2},
            timings={
                # Two misses at once would prove nothing where new rows are missing from lists for a while.
                "absence_confirm": 5 * LANDS_WITHIN,
                "retry_first": 1,
                "retry_longest": 8,
                "lease": 36000,
                "mirror_stale": 36000,
            },
            accounts={"ezyvet": {"options": {"late_landing": LANDS_WITHIN}}},
        )
        with assembled(load_config(place.config_path), command="sync", clock=clock) as program:
            made = Morning(place, program, inbox, clock)
            made.yesterday()
            made.sync()
            clock.advance(600)
            yield made
    structlog.reset_defaults()


@pytest.mark.parametrize("name", CASES)
def test_a_fault_for_a_while(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    with morning(tmp_path, outage_seconds=20.0) as made:
        faults = made.place.pims.faults
        made.place.pims.page_cap = case.page  # type: ignore[attr-defined]
        if case.hooks_only:
            faults.set(case.rates)
        made.people()
        faults.set(case.rates)
        for _ in range(2):
            made.listen(SHORT) if case.hooks_only else made.sync(SHORT)
        faults.set(dict.fromkeys(case.rates, 0.0))
        assert [switch for switch in case.rates if not faults.happened[switch]] == []
        made.sync()
        assert made.failed() <= case.failed
        made.replay()
        made.clock.advance(60)
        made.sync()

        wrong, open_ = made.wrong(), made.open()
        ambiguous = {each for each in open_ if made.starts["ambiguous"].isoformat()[:16] in each}
        if case.asked:
            assert open_ - ambiguous == case.asked
            assert len(wrong) == len(case.asked)
        else:
            assert (wrong, open_ - ambiguous) == ([], set())
        assert len(ambiguous) == 1
        assert made.place.notices() == 0
