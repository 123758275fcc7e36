"""What a population is made of: the word lists of one language, given by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vetbridge.testing.population.dice import Ranked
from vetbridge.testing.population.phones import PhonePlan

SPECIES = ("dog", "cat", "rabbit", "other")


@dataclass(frozen=True, slots=True)
class Words:
    """One language's names and habits.

    ``feminine``: (ending, ending of a woman's name), where family names have a gender.
    ``nicknames``: given name to the short forms its bearers use.
    ``pets``, ``breeds``, ``species``: by VetBridge's species word. A breed is all its spellings, the full name first.
    ``sexes``: VetBridge's word to what people write.
    ``pet_endings``: endings of pet diminutives, ``pet_forms``: pet name to its other forms.
    ``postcode``: a pattern of the town's two digits ``T`` or letters ``A``, of the quarter's two digits ``#``, bare
    number ``N`` or letters ``@``, and of what stands for itself.
    ``letters``: letter to the ways of writing it without its key. ``sounds``: spellings that sound alike.
    ``keyboard``: rows of keys, for slips onto a neighbour. ``street_forms``: (long form, short form).
    ``for_other``: how a sitter says whose animal it is, with ``{booker}`` and ``{family}``.
    """

    country: str
    family: Ranked[str]
    female: Ranked[str]
    male: Ranked[str]
    feminine: tuple[tuple[str, str], ...]
    nicknames: Mapping[str, tuple[str, ...]]
    pets: Mapping[str, Ranked[str]]
    pet_forms: Mapping[str, tuple[str, ...]]
    pet_endings: tuple[str, ...]
    pet_remarks: tuple[str, ...]
    breeds: Mapping[str, Ranked[tuple[str, ...]]]
    species: Mapping[str, Ranked[str]]
    sexes: Mapping[str, Ranked[str]]
    towns: tuple[str, ...]
    streets: tuple[str, ...]
    street_forms: tuple[tuple[str, str], ...]
    street_first: bool
    postcode: str
    phone: PhonePlan
    letters: Mapping[str, tuple[str, ...]]
    sounds: tuple[tuple[str, str], ...]
    keyboard: tuple[str, ...]
    titles: tuple[str, ...]
    name_remarks: tuple[str, ...]
    partner_remarks: tuple[str, ...]
    phone_remarks: tuple[str, ...]
    joiners: tuple[str, ...]
    for_other: tuple[str, ...]
    mail_domains: Ranked[str]
    mail_words: tuple[str, ...]
    mail_offices: tuple[str, ...]

    def family_of(self, name: str, *, female: bool) -> str:
        """The family name as a woman or a man bears it."""
        if female:
            for ending, hers in self.feminine:
                if name.endswith(ending):
                    return name[: -len(ending)] + hers
        return name
