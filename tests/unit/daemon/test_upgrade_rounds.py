"""The rounds that look for what a vendor's upgrade has changed: when, and what they pause."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.rig import Rig
from vetbridge.core.errors import BadAnswer
from vetbridge.core.records import Kind
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.rounds import UPGRADES_AGAIN, UPGRADES_EVERY, Rounds
from vetbridge.ledger import pauses
from vetbridge.sync.upgrades import LEAST


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def rounds(rig: Rig) -> Rounds:
    parts: dict[str, Any] = {
        "ledger": rig.ledger,
        "engine": rig.engine,
        "clock": rig.clock,
        "pairs": [rig.pair],
        "connecting": {},
        "receivers": {"booking": rig.receiver},
    }
    return Rounds(cast(Program, SimpleNamespace(**parts)))


def why(rig: Rig) -> list[str]:
    with rig.ledger.read() as tx:
        return [row.why for row in pauses.standing(tx)]


def test_code_lists_are_read_at_the_start_and_then_every_few_hours(rig: Rig, rounds: Rounds) -> None:
    assert rounds.upgrades_are_due("pims")
    assert rounds.upgrades("pims")
    assert not rounds.upgrades_are_due("pims")
    assert rounds.upgrades_are_due("booking")
    rig.clock.advance(UPGRADES_EVERY)
    assert rounds.upgrades_are_due("pims")


def test_what_cannot_be_read_is_asked_for_again_before_long_and_not_at_once(rig: Rig, rounds: Rounds) -> None:
    rig.pims.fail(BadAnswer("memory: no list"), times=1)
    assert not rounds.upgrades("pims")
    assert why(rig) == []
    assert not rounds.upgrades_are_due("pims")
    rig.clock.advance(UPGRADES_AGAIN)
    assert rounds.upgrades_are_due("pims")


def test_a_change_pauses_the_site_and_is_looked_for_again_as_soon_as_it_is_resumed(rig: Rig, rounds: Rounds) -> None:
    rounds.upgrades("pims")
    rig.pims.unlist_code("appointment_type", "2")
    assert rounds.upgrades("pims")
    assert why(rig) == ["code-list-changed"]
    asked = rig.pims.calls.total()
    assert not rounds.upgrades("pims"), "the account rests with its site"
    assert rig.pims.calls.total() == asked
    with rig.ledger.write() as tx:
        pauses.resume(tx, "site", "town")
    assert rounds.upgrades_are_due("pims")
    assert rounds.upgrades("pims")
    assert why(rig) == ["code-list-changed"]


def test_a_poll_that_finds_records_in_another_form_pauses_the_site(rig: Rig, rounds: Rounds) -> None:
    for _ in range(LEAST):
        rig.book("Ann", "Weiss", "+447700900123", "Bella")
    assert rounds.poll("booking")
    rig.booking.renamed = {"state": "status"}
    for row in rig.booking.rows(Kind.APPOINTMENT):
        rig.booking.edit(Kind.APPOINTMENT, row["id"], {"seconds": 1200})
    assert not rounds.poll("booking")
    assert why(rig) == ["schema-changed"]
