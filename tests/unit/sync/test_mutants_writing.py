"""A write is in the ledger before it is under way: whoever is killed while it is sent can be asked about it after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from tests.rig import Rig
from vetbridge.connector.interface import Receipt, Write
from vetbridge.ledger.tables import Action, ActionState, Attempt
from vetbridge.testing.memory import MemorySide


def test_a_write_is_written_down_before_it_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path)
    rig.owner("Jane", "Doe", "+447700900123", "Rex")
    rig.book("Jane", "Doe", "+447700900123", "Rex")
    real = MemorySide.apply
    known: list[Any] = []

    def look_first(self: MemorySide, write: Write) -> Receipt:
        with rig.ledger.read() as tx:
            intended = select(Action.operation).where(
                Action.stamp == write.stamp, Action.state == ActionState.INTENDED
            )
            known.append(list(tx.session.exec(intended)))
        return real(self, write)

    monkeypatch.setattr(MemorySide, "apply", look_first)
    rig.run()
    assert len(rig.visits()) == 1
    assert known == [["create"]]


def test_what_stood_still_for_a_lease_is_not_sent_any_more(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.owner("Jane", "Doe", "+447700900123", "Rex")
    rig.book("Jane", "Doe", "+447700900123", "Rex")
    stood: list[str] = []

    def stand_still(point: str) -> None:
        if point == "intended" and not stood:
            stood.append(point)
            rig.clock.advance(rig.timings.lease)

    rig.start(point=stand_still)
    rig.run()
    with rig.ledger.read() as tx:
        codes = list(tx.session.exec(select(Attempt.code).order_by(Attempt.id)))  # type: ignore[arg-type]
    assert codes == ["too-late-to-send", ""], "it was given up, then planned and sent anew"
    assert len(rig.visits()) == 1
