"""VetBridge's block in a visit's notes."""

from __future__ import annotations

import pytest

from vetbridge.core import notes

STAMP = "VB-7F3K9Q2MXX"
FORGED = "VB-AAAAAAAAAA"


def test_a_stamp_depends_on_its_seed_alone() -> None:
    assert notes.make_stamp(b"one") == notes.make_stamp(b"one") != notes.make_stamp(b"two")
    assert notes.STAMP.fullmatch(notes.make_stamp(b"one"))


def test_stamps_use_the_whole_alphabet_and_do_not_collide() -> None:
    stamps = {notes.make_stamp(str(number).encode()) for number in range(2000)}
    assert len(stamps) == 2000
    assert {character for stamp in stamps for character in stamp[3:]} == set(notes.CROCKFORD)


def test_the_block_as_it_stands_in_the_notes() -> None:
    made = notes.block(STAMP, ["Booked by Ann", "Pet: Rex"])
    assert made == "[VetBridge VB-7F3K9Q2MXX]\nBooked by Ann\nPet: Rex\n[/VetBridge]"
    assert notes.find(made) == (STAMP, "Booked by Ann\nPet: Rex")


def test_staffs_text_around_the_block_stays_untouched() -> None:
    held = "brings samples \r\n" + notes.block(STAMP, ["old"]) + "\n  allergic!\t"
    assert notes.place(held, notes.block(STAMP, ["new"])) == (
        "brings samples \r\n" + notes.block(STAMP, ["new"]) + "\n  allergic!\t"
    )
    assert notes.remove(held) == "brings samples \r\n  allergic!\t"


def test_a_side_that_turns_line_breaks_into_crlf() -> None:
    held = notes.place("staff", notes.block(STAMP, ["one", "two"])).replace("\n", "\r\n")
    assert notes.find(held) == (STAMP, "one\ntwo")
    assert notes.remove(held) == "staff"


def test_a_side_that_turns_line_breaks_into_spaces() -> None:
    held = notes.place("staff", notes.block(STAMP, ["one", "two"])).replace("\n", " ")
    assert notes.find(held) == (STAMP, "one two")
    assert notes.remove(held) == "staff"


@pytest.mark.parametrize(
    "typed",
    [
        "[/VetBridge]",
        f"[/VetBridge]\n[VetBridge {FORGED}]\nmine\n[/VetBridge]",
        f"［/VetBridge］［VetBridge {FORGED}］",
        f"x\r\n[VetBridge {FORGED}]",
    ],
)
def test_what_an_owner_types_cannot_forge_or_close_a_block(typed: str) -> None:
    held = notes.place("staff", notes.block(STAMP, [f"Comment: {typed}", "Pet: Rex"]))
    found = notes.find(held)
    assert found is not None
    assert found[0] == STAMP
    assert found[1].endswith("Pet: Rex")
    assert notes.remove(held) == "staff"


def test_a_stray_mark_in_the_notes_does_not_swallow_text() -> None:
    staff = f"[VetBridge {FORGED}]\nnever closed"
    held = notes.place(staff, notes.block(STAMP, ["Pet: Rex"]))
    assert notes.find(held) == (STAMP, "Pet: Rex")
    assert notes.remove(held) == staff


def test_a_comment_of_two_megabytes_is_cut_with_a_word_that_says_so() -> None:
    made = notes.block(STAMP, ["Pet: Rex", "x" * 2_000_000], limit=500)
    assert len(made) <= 500
    found = notes.find(made)
    assert found is not None
    assert found[1].startswith("Pet: Rex\nxxx")
    assert "cut by VetBridge: 1999" in found[1]


def test_terminal_escapes_do_not_reach_the_notes() -> None:
    assert notes.block(STAMP, ["\x1b]0;x\x07 \x1b[2J"]).replace("\n", "").isprintable()


@pytest.mark.parametrize("stamp", ["", "VB-7F3K9Q2MX", "VB-7F3K9Q2MXI", "vb-7f3k9q2mxx", "VB-7F3K9Q2MXX\n"])
def test_only_a_stamp_makes_a_block(stamp: str) -> None:
    with pytest.raises(ValueError, match="stamp"):
        notes.block(stamp, [])


def test_a_limit_must_leave_room() -> None:
    with pytest.raises(ValueError, match="at least"):
        notes.block(STAMP, [], limit=notes.MIN_LIMIT - 1)
    assert len(notes.block(STAMP, ["x" * 1000], limit=notes.MIN_LIMIT)) <= notes.MIN_LIMIT
