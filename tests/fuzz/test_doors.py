"""Every door stands what is handed in: `FUZZ_INPUTS` of them each; `make fuzz` tries ten times as many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz.door import Door, fuzz
from tests.fuzz.doors import DOORS

INPUTS = int(os.environ.get("FUZZ_INPUTS", "1000"))


@pytest.mark.parametrize("door", DOORS, ids=[door.name for door in DOORS])
def test_no_input_breaks_the_door(door: type[Door], tmp_path: Path) -> None:
    tally = fuzz(door(tmp_path), inputs=INPUTS)
    assert tally.refused + tally.taken == INPUTS
    # A door that refuses everything, or takes everything, was not tried.
    assert tally.refused
    assert tally.taken
