"""Whatever people tick and untick on the cards of a client, nobody is messaged by mistake."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sync.test_opting_out import ANN, Branch, Chain
from vetbridge.core.records import Kind

TICK, UNTICK, POLL, WORK = "tick", "untick", "poll", "work"
STEPS = st.lists(st.tuples(st.sampled_from([TICK, UNTICK, POLL, WORK]), st.integers(0, 2)), min_size=1, max_size=10)


def everybody(chain: Chain) -> dict[int, tuple[Branch, str]]:
    """Three cards of one owner: two at one branch, with a phone each, and one at another branch."""
    owner = chain.rig.owner(*ANN, "Tom")
    chain.pims.edit(Kind.CLIENT, owner, {"phones": [ANN[2], "+447912000002"]})
    cards = {
        0: (chain.town, chain.town.card(*ANN)),
        1: (chain.north, chain.north.card(*ANN)),
        2: (chain.north, chain.north.card("Ann", "Weiss", "+447912000002")),
    }
    for branch, card in cards.values():
        branch.book(card)
    chain.run()
    return cards


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_who_is_not_opted_out_beside_one_who_is_was_opted_in_by_hand(steps: list[tuple[str, int]]) -> None:
    """And VetBridge opts nobody in, and once all is settled it writes nothing more."""
    with TemporaryDirectory() as folder:
        chain = Chain(Path(folder))
        cards = everybody(chain)
        by_hand: set[int] = set()
        for what, which in steps:
            branch, card = cards[which]
            if what == TICK:
                branch.say(card, True)
                by_hand.discard(which)
            elif what == UNTICK:
                if branch.silent(card):
                    by_hand.add(which)
                branch.say(card, False)
            elif what == POLL:
                branch.receiver.poll()
            else:
                chain.rig.work()
        chain.run()
        now = {which: branch.silent(card) for which, (branch, card) in cards.items()}
        assert all(silent or which in by_hand for which, silent in now.items()) or not any(now.values())
        assert all(write.native["silent"] for branch in chain.branches for write in branch.writes())
        chain.quiet()
