"""Each side is compared with what it returned itself, and what VetBridge wrote is nobody's change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig import Rig
from vetbridge.connector.interface import Receipt, Write
from vetbridge.core.records import Kind
from vetbridge.testing.memory import MemorySide

HALF_AN_HOUR = 1800


def booked(tmp_path: Path) -> tuple[Rig, str]:
    rig = Rig(tmp_path)
    rig.owner("Jane", "Doe", "+447700900123", "Rex")
    return rig, rig.book("Jane", "Doe", "+447700900123", "Rex")


def test_a_side_that_rounds_is_compared_with_what_it_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, id_ = booked(tmp_path)
    real = MemorySide.apply

    def rounding(self: MemorySide, write: Write) -> Receipt:
        seconds = write.native.get("seconds")
        if self is rig.pims and isinstance(seconds, int):
            write = replace(write, native={**write.native, "seconds": -(-seconds // HALF_AN_HOUR) * HALF_AN_HOUR})
        return real(self, write)

    monkeypatch.setattr(MemorySide, "apply", rounding)
    rig.run()
    assert rig.visits()[0]["seconds"] == HALF_AN_HOUR
    rig.booking.edit(Kind.APPOINTMENT, id_, {"seconds": 2700})
    rig.run()
    assert rig.questions() == (), "nobody has changed it in the PIMS"
    assert rig.visits()[0]["seconds"] == 2 * HALF_AN_HOUR
    assert rig.booking.rows(Kind.APPOINTMENT)[0]["seconds"] == 2700


def test_what_vetbridge_wrote_opens_no_change_at_the_other_side(tmp_path: Path) -> None:
    rig, _ = booked(tmp_path)
    rig.receiver.poll_desk()
    rig.refresher.pass_()
    rig.receiver.poll()
    rig.settle()
    assert len(rig.visits()) == 1
    assert rig.receiver.poll_desk() == 0
    assert len(rig.changes()) == 1
