"""Phone numbers of a country: made so that no two numbers get the same one, and written in the ways people write."""

from __future__ import annotations

from dataclasses import dataclass

from vetbridge.testing.population.dice import Dice, scatter


@dataclass(frozen=True, slots=True)
class PhonePlan:
    """How a country numbers its phones.

    ``code`` is the country code, ``trunk`` what stands before a national number. ``mobiles`` are (prefix, digits that
    follow); ``areas`` are area codes, followed by ``area_digits`` digits.
    """

    code: str
    trunk: str
    mobiles: tuple[tuple[str, int], ...]
    areas: tuple[str, ...]
    area_digits: int

    def mobile(self, number: int) -> str:
        """The national significant number (no trunk) of a mobile, another one for every ``number`` to 40 million."""
        block = number // len(self.mobiles)
        place = (number + block) % len(self.mobiles)
        prefix, digits = self.mobiles[place]
        span = 10**digits
        return f"{prefix}{(scatter(block % span, span) + place * span // 19) % span:0{digits}d}"

    def landline(self, number: int, town: int) -> str:
        """The national significant number of a home's phone in a town, another one for every ``number``."""
        span = 8 * 10 ** (self.area_digits - 1)  # subscriber numbers begin with 2 to 9
        return f"{self.areas[town % len(self.areas)]}{10**self.area_digits // 5 + scatter(number % span, span)}"

    def e164(self, national: str) -> str:
        """The number as machines write it."""
        return f"+{self.code}{national}"


def _groups(digits: str, size: int, mark: str) -> str:
    return mark.join(digits[place : place + size] for place in range(0, len(digits), size))


def tidy(national: str, plan: PhonePlan) -> str:
    """The number as a careful person writes it."""
    return f"{plan.trunk}{national[:4]} {national[4:]}"


def written(national: str, plan: PhonePlan, dice: Dice) -> str:
    """The number in one of the ways in which people write it: national, international, spaced, bracketed, cut."""
    roll = dice.roll()
    trunk, code = plan.trunk, plan.code
    head, rest = national[:4], national[4:]
    if roll < 0.34:
        return f"{trunk}{national}"
    if roll < 0.50:
        return tidy(national, plan)
    if roll < 0.60:
        return f"{trunk}{head} {_groups(rest, 3, ' ')}"
    if roll < 0.70:
        return f"+{code}{national}"
    if roll < 0.78:
        return f"+{code} {head} {_groups(rest, 3, ' ')}"
    if roll < 0.82:
        return f"00{code} {head} {rest}"
    if roll < 0.85 and trunk:
        return f"+{code} ({trunk}) {head} {rest}"
    if roll < 0.89:
        return f"({trunk}{head}) {rest}"
    if roll < 0.93:
        return f"{trunk}{head}-{_groups(rest, 3, '-')}"
    if roll < 0.96:
        return f"{trunk}{head}/{rest}"
    if roll < 0.98:
        return f"{trunk}{_groups(national, 2, ' ')}"
    if roll < 0.99:
        return national  # a spreadsheet ate the leading zero
    return f"Tel. {trunk}{head}.{rest}"
