"""What the answers of a finished table make of the code lists: moved, joined, left out, left open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vetbridge.core.records import Side
from vetbridge.core.upgrades import Codes
from vetbridge.desk.mapping_lists import ListSide, SiteList
from vetbridge.desk.mapping_table import Finished, draft, finished
from vetbridge.mapping.codes import CodeList

NO_CODES = Codes(written=frozenset(), read=frozenset())


def side(
    which: Side,
    own: Mapping[str, tuple[str, ...]],
    titles: Mapping[str, str] | None,
    fixed: Mapping[str, tuple[str, ...]] | None = None,
    waiting: Mapping[str, int] | None = None,
) -> ListSide:
    codes = CodeList("a list", {**(fixed or {}), **own})
    return ListSide(
        side=which, account=which.value, codes=codes, used=NO_CODES, own=own, titles=titles, waiting=waiting or {}
    )


def visits(booking: Mapping[str, tuple[str, ...]], pims: Mapping[str, tuple[str, ...]]) -> SiteList:
    return SiteList(
        name="appointment_type",
        booking=side(Side.BOOKING, booking, {"b1": "Check", "b2": "Jab", "b3": "Jab kitten"}),
        pims=side(Side.PIMS, pims, {"p1": "Check", "p2": "Jab", "p3": "Nails"}),
    )


def back(folder: Path, lists: SiteList, rows: Sequence[tuple[str, str, str]]) -> Finished:
    """The table with these answers: booking code, PIMS code, answer."""
    path = folder / "back.csv"
    lines = [f"{lists.name},{booking},{pims},{said}" for booking, pims, said in rows]
    path.write_text("\n".join(["List,Booking code,PIMS code,Answer", *lines]) + "\n", encoding="utf-8")
    came = finished(path, [lists])
    assert came.problems == ()
    return came


def changed(came: Finished, which: Side) -> Mapping[str, tuple[str, ...]]:
    return next(entries for (at, _), entries in came.changed.items() if at is which)


def test_several_codes_of_one_are_one_word(tmp_path: Path) -> None:
    came = back(tmp_path, visits({}, {}), [("b2", "", "p2"), ("b3", "", "p2"), ("", "p3", "b1"), ("b1", "", "p1")])
    assert changed(came, Side.BOOKING) == {"jab": ("b2", "b3"), "check": ("b1",)}
    assert changed(came, Side.PIMS) == {"jab": ("p2",), "check": ("p1", "p3")}


def test_a_code_that_moves_leaves_its_word(tmp_path: Path) -> None:
    own = visits({"check": ("b1",), "jab": ("b2", "b3")}, {"check": ("p1",), "jab": ("p2",)})
    came = back(tmp_path, own, [("b3", "", "p3")])
    assert changed(came, Side.BOOKING) == {"check": ("b1",), "jab": ("b2",), "jab_kitten": ("b3",)}
    assert changed(came, Side.PIMS) == {"check": ("p1",), "jab": ("p2",), "jab_kitten": ("p3",)}
    came = back(tmp_path, own, [("b3", "", "p1")])
    assert changed(came, Side.BOOKING) == {"check": ("b1", "b3"), "jab": ("b2",)}
    assert len(came.changed) == 1


def test_what_is_left_out_goes_and_what_is_open_stays(tmp_path: Path) -> None:
    own = visits({"check": ("b1",), "jab": ("b2",)}, {"check": ("p1",), "jab": ("p2",)})
    came = back(tmp_path, own, [("b2", "p2", "-"), ("b1", "p1", "")])
    assert changed(came, Side.BOOKING) == {"check": ("b1",)}
    assert (came.answered, came.left_out, came.open) == (0, 1, 1)


def test_codes_that_name_each_other_are_one_thing(tmp_path: Path) -> None:
    came = back(tmp_path, visits({}, {}), [("b1", "", "p1"), ("", "p1", "b1")])
    assert changed(came, Side.BOOKING) == {"check": ("b1",)}
    assert changed(came, Side.PIMS) == {"check": ("p1",)}


def test_yes_to_the_whole_draft_of_a_finished_list_changes_nothing(tmp_path: Path) -> None:
    own = visits({"check": ("b1",), "jab": ("b2", "b3")}, {"check": ("p1", "p3"), "jab": ("p2",)})
    rows = [(row.booking_code, row.pims_code, row.answer) for row in draft([own])]
    assert len(rows) == 4
    assert back(tmp_path, own, rows).changed == {}


def test_a_word_of_the_shipped_mapping_keeps_its_codes(tmp_path: Path) -> None:
    fixed = {"dog": ("dog", "Dog"), "cat": ("cat",)}
    species = SiteList(name="species", booking=side(Side.BOOKING, {}, None, fixed, {"Hund": 4}), pims=None)
    (row,) = draft([species])
    assert (row.booking_code, row.word, row.sure, row.waiting) == ("Hund", "dog", "sure", 4)
    came = back(tmp_path, species, [("Hund", "", "dog")])
    assert changed(came, Side.BOOKING) == {"dog": ("dog", "Dog", "Hund")}


def test_breeds_that_one_side_reads_by_code_get_their_own_names(tmp_path: Path) -> None:
    titles = {"7": "Labrador Retriever", "8": "Lab x", "9": "", "10": "otherwise"}
    breeds = SiteList(name="breed", booking=None, pims=side(Side.PIMS, {}, titles))
    rows = {row.pims_code: row for row in draft([breeds])}
    assert [rows[code].word for code in ("7", "8", "9", "10")] == ["Labrador Retriever", "Lab x", "", ""]
    came = back(tmp_path, breeds, [("", "7", "Labrador Retriever"), ("", "8", "-")])
    assert changed(came, Side.PIMS) == {"Labrador Retriever": ("7",)}


def test_breeds_at_both_sides_are_paired() -> None:
    here = side(Side.BOOKING, {}, {"1": "Lab", "2": "labrador", "3": "Labradormix"})
    there = side(Side.PIMS, {}, {"7": "Labrador Retriever", "8": "Lab x"})
    rows = draft([SiteList(name="breed", booking=here, pims=there)])
    assert [(row.booking_code, row.pims_code, row.sure) for row in rows] == [
        ("1", "7", "sure"),
        ("2", "7", "sure"),
        ("3", "8", "sure"),
    ]


def test_a_side_that_tells_no_list_is_asked_for_its_code_of_each_word(tmp_path: Path) -> None:
    here = side(Side.BOOKING, {}, None, {"dog": ("dog",), "cat": ("cat",)})
    species = SiteList(name="species", booking=here, pims=side(Side.PIMS, {"cat": ("2",)}, None))
    asked = [row for row in draft([species]) if not row.booking_code and not row.pims_code]
    assert [(row.word, row.answer) for row in asked] == [("dog", "")]
    path = tmp_path / "back.csv"
    path.write_text("List,PIMS code,Word,Answer\nspecies,,dog,001\n", encoding="utf-8")
    assert changed(finished(path, [species]), Side.PIMS) == {"cat": ("2",), "dog": ("001",)}
    path.write_text("List,PIMS code,Word,Answer\nspecies,,dog,\nspecies,,dog,yes\n", encoding="utf-8")
    came = finished(path, [species])
    assert ([each.code for each in came.problems], came.open, came.changed) == (["answer-unknown"], 1, {})
