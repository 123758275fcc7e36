"""What the desk reads of lines that the engine has written: from a booking to its last correction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.rig import Rig
from tests.unit.sync.by_hand_rig import later, typed
from vetbridge.config.models import Config, Watch
from vetbridge.core.records import Kind
from vetbridge.desk import worklist
from vetbridge.desk.worklist import Line, in_words
from vetbridge.testing.memory import MemorySide, by_hand, memory_capabilities

CONFIG = cast("Config", SimpleNamespace(sites={}, watch=Watch()))
SCREEN = {
    Kind.APPOINTMENT: {"client_id": "Owner", "pet_id": "Patient", "start": "When"},
    Kind.CLIENT: {"family_name": "Last name", "given_name": "First name"},
}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    capabilities = replace(by_hand(memory_capabilities()), screen=SCREEN)
    return Rig(tmp_path, pims=MemorySide(capabilities))


def lines(rig: Rig, **chosen: Any) -> tuple[Line, ...]:
    with rig.ledger.read() as tx:
        return worklist.lines(tx, CONFIG, **chosen)


def when(rig: Rig, booking: str, **span: float) -> str:
    """The hour of a booking, later by a span, as a card says it."""
    return later(rig, booking, **span)[11:16]


def test_a_new_owner_is_registered_and_the_visit_typed_as_the_screen_asks(rig: Rig) -> None:
    rig.book("Nina", "Neu", "+447912000009", "Rex")
    rig.run()
    (line,) = lines(rig)
    said = in_words(line.steps)
    assert said[0] == "first register the owner, Last name: Neu, First name: Nina, Phone: +447912000009"
    assert said[1].startswith("first register the pet, Name: Rex")
    assert said[2:4] == ("Owner: Nina Neu", "Patient: Rex")
    assert said[4].startswith("When: ")
    assert said[-1].startswith("Remark: VB-")


def test_a_mistake_says_what_stands_and_a_cancellation_whose_visit_it_is(rig: Rig) -> None:
    john = rig.owner("John", "Smith", "+447912000001", "Bella")
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    visit = typed(rig, booking, john, start=later(rig, booking, hours=1))
    rig.run()
    (line,) = lines(rig)
    (step,) = line.steps
    assert (line.task, line.remote_id, line.about) == ("change", visit, "John Smith, Bella")
    assert (step.words[-5:], step.found[-5:]) == (when(rig, booking), when(rig, booking, hours=1))
    assert when(rig, booking, hours=1) in line.record
    assert line.found_at is not None
    assert line.visit_at is not None
    assert (line.found_at - line.visit_at).total_seconds() == 3600
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.hint(booking)
    rig.run()
    (line, mistake) = lines(rig, struck=True)
    assert (line.task, line.about) == ("cancel", "John Smith, Bella")
    assert (mistake.task, mistake.state, mistake.why) == ("change", "struck", "the visit is to be cancelled")


def test_a_booking_that_is_moved_and_cancelled_marks_and_strikes_its_line(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later(rig, booking, hours=1)})
    rig.hint(booking)
    rig.run()
    (line,) = lines(rig)
    assert [step.label for step in line.steps if step.is_changed] == ["When"]
    assert line.changed_at is not None
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.hint(booking)
    rig.run()
    assert lines(rig) == ()
    (line,) = lines(rig, struck=True)
    assert (line.state, line.why) == ("struck", "it was cancelled before it was carried over")
