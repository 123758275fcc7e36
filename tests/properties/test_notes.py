"""Staff's text comes back byte for byte, and nothing typed is ever taken for a mark of ours."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from vetbridge.core import notes

FRAGMENTS = st.sampled_from(
    [
        "[VetBridge VB-AAAAAAAAAA]",
        "[/VetBridge]",
        "[VetBridge ",
        "VB-0123456789]",
        "[",
        "]",
        "\n",
        "\r\n",
        "\r",
        " ",
        "x",
    ]
)
TYPED = st.lists(FRAGMENTS | st.text(max_size=8), max_size=12).map("".join)
STAMPS = st.binary(max_size=8).map(notes.make_stamp)
LINES = st.lists(TYPED, max_size=4)


@given(text=TYPED, stamp=STAMPS, lines=LINES)
def test_removing_what_was_placed_gives_the_text_back(text: str, stamp: str, lines: list[str]) -> None:
    assume(notes.find(text) is None)
    held = notes.place(text, notes.block(stamp, lines))
    assert notes.remove(held) == text
    found = notes.find(held)
    assert found is not None
    assert found[0] == stamp


@given(text=TYPED, after=TYPED, stamp=STAMPS, old=LINES, new=LINES)
def test_replacing_leaves_all_other_text(text: str, after: str, stamp: str, old: list[str], new: list[str]) -> None:
    assume(notes.find(text) is None)
    first, second = notes.block(stamp, old), notes.block(stamp, new)
    assert notes.place(notes.place(text, first) + after, second) == notes.place(text, second) + after


@given(stamp=STAMPS, lines=LINES, limit=st.integers(notes.MIN_LIMIT, 300))
def test_a_block_keeps_its_limit_and_its_stamp(stamp: str, lines: list[str], limit: int) -> None:
    made = notes.block(stamp, lines, limit=limit)
    assert len(made) <= limit
    found = notes.find(made)
    assert found is not None
    assert found[0] == stamp
    assert made.count("[") == made.count("]") == 2
