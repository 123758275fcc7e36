"""The made clinics of a run: which names they draw from, how large they are, and the part that makes each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.matching.parts import Part

COUNTRIES: Mapping[str, str] = MappingProxyType({"en": "GB", "de": "DE", "pl": "PL"})
"""The country of each locale's phone numbers."""

_TITLES = {
    ("en", "test"): "English, names never trained on",
    ("pl", "test"): "Polish, a locale never trained on",
}
_SOURCES = (
    "bench/matching/world.py",
    "bench/matching/locales.py",
    "vetbridge/testing/population",
    "vetbridge/testing/names.py",
)
_MADE = ("owners.csv", "patients.csv", "bookings.jsonl", "truth.jsonl")


@dataclass(frozen=True, slots=True)
class MadeClinic:
    """A made clinic with bookings and truth. ``part`` is which half of the rarer names it draws from."""

    locale: str
    part: str
    owners: int
    bookings: int
    seed: int

    @property
    def title(self) -> str:
        """What RESULTS.md calls it."""
        words = _TITLES.get((self.locale, self.part), f"{self.locale}, {self.part} names")
        return f"{self.owners:,} owners, {words}"

    @property
    def country(self) -> str:
        """ISO code for phone numbers without a country code."""
        return COUNTRIES[self.locale]

    def making(self, folder: Path) -> Part:
        """The part that makes it in a folder of its own below ``folder``."""
        name = f"{self.locale}-{self.part}-{self.owners}-{self.bookings}-{self.seed}"
        place = folder.resolve() / name
        options = {
            "locale": self.locale,
            "part": self.part,
            "owners": self.owners,
            "bookings": self.bookings,
            "seed": self.seed,
            "out": place,
        }
        command = ("bench.matching.world", *(f"--{option}={value}" for option, value in options.items()))
        return Part("world", place, command, _SOURCES, makes=tuple(place / file for file in _MADE))
