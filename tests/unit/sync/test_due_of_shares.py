"""What is due for a pet of several owners is told to the primary owner, on that one's card alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sync.due_rig import NOTHING, NOTICES, Town
from vetbridge.core.records import Kind


class Pair(Town):
    """Tom is Ann's and Bob's; Ann is his primary owner."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, notices=NOTICES, pims_opt_outs=True)
        self.ann, (self.tom,), self.anns = self.family("Ann", "Tom")
        self.bob, _, self.bobs = self.family("Bob", phone="+447912000002")
        self.own(self.ann, self.bob)

    def own(self, primary: str, *others: str) -> None:
        self.pims.edit(Kind.PET, self.tom, {"owner": primary, "shared_by": list(others)})

    def told(self) -> list[str]:
        """The cards to which messages went."""
        return [card for card, _ in self.booking.messages]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_the_primary_owner_alone_is_told(pair: Pair) -> None:
    pair.due(pair.tom, 15)
    pair.cycle()
    assert (pair.told(), pair.shown(pair.anns)[:2]) == ([pair.anns], ("Rabies", "Tom"))
    for _ in range(3):
        pair.later(days=1)
        pair.cycle()
    assert (pair.told(), pair.shown(pair.bobs)) == ([pair.anns], NOTHING)


def test_where_another_one_becomes_primary_the_cards_follow_in_one_cycle(pair: Pair) -> None:
    pair.due(pair.tom, 17)
    pair.cycle()
    pair.own(pair.bob, pair.ann)
    pair.cycle()
    assert (pair.shown(pair.anns), pair.shown(pair.bobs)[:2]) == (NOTHING, ("Rabies", "Tom"))
    pair.later(days=2)
    pair.cycle()
    assert pair.told() == [pair.bobs]
    pair.own(pair.bob)
    pair.cycle()
    assert (pair.shown(pair.anns), pair.shown(pair.bobs)[:2]) == (NOTHING, ("Rabies", "Tom"))


@pytest.mark.parametrize("in_pims", [True, False])
def test_who_opted_out_is_never_written_to_and_the_other_owners_word_stands(pair: Pair, *, in_pims: bool) -> None:
    side, id_ = (pair.pims, pair.bob) if in_pims else (pair.booking, pair.bobs)
    side.edit(Kind.CLIENT, id_, {"silent": True})
    pair.due(pair.tom, 15)
    pair.cycle()
    assert (pair.told(), pair.shown(pair.bobs)) == ([pair.anns], NOTHING)
    pair.own(pair.bob, pair.ann)
    pair.due(pair.tom, 15, "Dental")
    pair.cycle()
    assert (pair.told(), pair.shown(pair.anns), pair.shown(pair.bobs)) == ([pair.anns], NOTHING, NOTHING)
