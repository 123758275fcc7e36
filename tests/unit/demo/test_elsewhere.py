"""Law 4 as the demo shows it: what comes through elsewhere while one branch's PIMS does not answer."""

from __future__ import annotations

from vetbridge.demo.elsewhere import Elsewhere


def test_what_comes_through_in_the_silence_counts_and_nothing_else() -> None:
    elsewhere = Elsewhere()
    looks = [(4, 19.0), (6, 9.0), (7, 0.5), (9, 0.0), (12, 0.0)]
    assert [elsewhere.look(*look) for look in looks] == [False] * 5
    assert elsewhere.went_on == 3


def test_a_silence_in_which_nothing_has_come_through_yet_is_made_longer() -> None:
    elsewhere = Elsewhere()
    assert [elsewhere.look(4, silence) for silence in (19.0, 2.5, 1.9)] == [False, False, True]
    assert elsewhere.look(5, 6.0) is False
    assert elsewhere.went_on == 1
    assert elsewhere.look(5, 1.0) is False


def test_what_came_through_between_two_silences_does_not_count() -> None:
    elsewhere = Elsewhere()
    assert elsewhere.look(4, 9.0) is False
    assert elsewhere.look(6, 0.0) is True
    assert elsewhere.went_on == 0
    assert elsewhere.look(6, 5.9) is False
    assert elsewhere.went_on == 0
    elsewhere.look(8, 3.0)
    assert elsewhere.went_on == 2
