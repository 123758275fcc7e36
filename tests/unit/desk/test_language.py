"""What people read, in their language."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from vetbridge.desk import language
from vetbridge.desk.language import ENGLISH, LANGUAGES, moment, phrase, phrases, speaking, spoken
from vetbridge.desk.wording import ago, ahead, span, visit_words, why

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def test_the_english_sentence_is_the_key() -> None:
    assert phrase("Not now") == "Not now"
    with speaking("de"):
        assert phrase("Not now") == "Nicht jetzt"
        assert phrase("Question {number}", number=7) == "Rückfrage 7"
    assert phrase("Not now") == "Not now"


def test_what_no_catalogue_says_is_said_in_english() -> None:
    with speaking("de"):
        assert phrase("Nobody has ever said this of {name}", name="Bella") == "Nobody has ever said this of Bella"
        assert phrase("a vendor's own words {with} braces") == "a vendor's own words {with} braces"
    with speaking("tlh"):
        assert spoken() == ENGLISH
        assert phrase("Not now") == "Not now"


def test_a_value_is_never_read_as_a_sentence() -> None:
    with speaking("de"):
        assert phrase("Pet {name}", name="{number} Not now {") == "Tier {number} Not now {"


@pytest.mark.parametrize(("count", "said"), [(1, "vor 1 Tag"), (2, "vor 2 Tagen"), (0, "vor 0 Tagen")])
def test_one_thing_and_several(count: int, said: str) -> None:
    with speaking("de"):
        assert phrases("{count} day ago", "{count} days ago", count) == said


def test_moments() -> None:
    assert moment(AT) == "Tue 24 Nov 10:00"
    with speaking("de"):
        assert moment(AT) == "Di. 24. Nov. 10:00"
        assert moment(AT.replace(month=3, day=3)) == "Di. 03. März 10:00"
        assert visit_words(AT) == "Der Termin am Di. 24. Nov. 10:00"


def test_spans_and_reasons() -> None:
    with speaking("de"):
        assert span(7200) == "2 Stunden"
        assert ago(AT, AT.replace(day=27)) == "vor 3 Tagen"
        assert ahead(AT.replace(minute=30), AT) == "in 30 Minuten"
        assert why("conflict") == "an beiden Stellen geändert"
        assert why("pet-deceased") == "das Tier ist verstorben"


def test_a_language_is_spoken_in_its_own_thread_alone() -> None:
    heard: list[str] = []
    with speaking("de"):
        other = threading.Thread(target=lambda: heard.append(phrase("Not now")))
        other.start()
        other.join()
        with speaking(ENGLISH):
            heard.append(phrase("Not now"))
        heard.append(phrase("Not now"))
    assert heard == ["Not now", "Not now", "Nicht jetzt"]


def test_every_language_writes_moments_its_own_way() -> None:
    assert set(language._MOMENTS) == set(language._DAYS) == set(LANGUAGES)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (
            "city does not show it; it is asked once more before it counts as gone",
            "city zeigt ihn nicht; bevor er als verschwunden gilt, wird noch einmal nachgesehen",
        ),
        (
            "the fuse holds back a move at city until a person has looked",
            "die Sicherung hält eine Verschiebung bei city zurück, bis jemand nachgesehen hat",
        ),
        ("city: the time is taken by another visit", "city: die Zeit ist durch einen anderen Termin belegt"),
        (
            "city: the time is taken by another visit (47)",
            "city: die Zeit ist durch einen anderen Termin belegt (47)",
        ),
        ("nothing to write", "nichts einzutragen"),
        ("city answered 502 {why}\nand more", "city answered 502 {why}\nand more"),
    ],
)
def test_what_the_ledger_keeps_in_english_is_said_in_another_language(kept: str, said: str) -> None:
    """A sentence with its values in it is known by its form; a vendor's own words stay as they are."""
    assert phrase(kept) == kept
    with speaking("de"):
        assert phrase(kept) == said
