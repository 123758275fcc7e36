"""How often each trap occurs: every one has a name, and its share is a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

CIRCLES: Mapping[str, float] = MappingProxyType(
    {
        "single": 0.665,  # one owner, one record; a partner who is not registered lives with about half of them
        "couple_one_record": 0.10,  # "John & Mary Smith", or the second one in a remark
        "couple_shared_phone": 0.055,  # a record each, one landline or one mobile between them
        "couple_own_contacts": 0.035,  # a record each, a phone and an e-mail each
        "parent_child": 0.012,  # one full name, two people
        "relatives": 0.020,  # parent and adult child, other given names, sometimes the family's landline
        "flat_share": 0.022,  # one address, people who have nothing else in common
        "duplicate": 0.065,  # one person registered two or three times
        "rehomed": 0.014,  # an animal stands under its old owner and under its new one
        "recycled": 0.012,  # a client's old number, still on the card, belongs to another client now
    }
)
"""Share of each kind of circle among all circles."""

SCENARIOS: Mapping[str, float] = MappingProxyType(
    {
        "client": 0.420,  # anybody books for an own pet; what else is wrong comes from the cards and the slips
        "new_pet": 0.040,
        "couple_one_record": 0.040,
        "couple_shared_phone": 0.030,
        "couple_own_contacts": 0.022,
        "partner_unregistered": 0.030,  # with a phone and an e-mail that no card has
        "parent_child": 0.008,
        "relatives": 0.008,
        "flat_share": 0.008,
        "duplicate": 0.030,
        "rehomed": 0.006,  # the new owner books
        "recycled_client": 0.005,  # the client who has the recycled number now
        "stale_contact": 0.022,  # new phone and new e-mail
        "placeholder_card": 0.008,
        "placeholder_typed": 0.004,
        "company_email": 0.005,
        "inactive": 0.007,
        "dead_pet": 0.006,
        "sitter": 0.006,
        "sitter_client": 0.001,  # a sitter who is a client, too
        "missing": 0.020,
        "ambiguous": 0.012,
        "hostile": 0.002,
        # From here on nobody in the clinic is meant.
        "new": 0.222,
        "lookalike": 0.014,
        "lookalike_town": 0.006,
        "recycled_stranger": 0.006,
        "flatmate_new": 0.005,
        "relative_new": 0.005,
        "hostile_new": 0.002,
    }
)
"""Share of each scenario among the bookings."""


@dataclass(frozen=True, slots=True)
class CardShares:
    """Shares of owner records (and of their pets) on which the desk left something odd."""

    partner_at_home: float = 0.5
    """Of single owners: somebody who is not registered lives there, too."""
    other_family: float = 0.25
    """Of couples: two family names."""
    no_email: float = 0.12
    no_phone: float = 0.03
    no_address: float = 0.10
    landline: float = 0.30
    stale_phone: float = 0.05
    stale_email: float = 0.05
    several_phones: float = 0.04
    placeholder_phone: float = 0.02
    clinic_phone: float = 0.004
    company_email: float = 0.012
    inactive: float = 0.05
    name_remark: float = 0.02
    title: float = 0.03
    maiden_name: float = 0.012
    nickname: float = 0.02
    transposed: float = 0.004
    typo: float = 0.012
    transliterated: float = 0.12
    upper_case: float = 0.02
    pet_deceased: float = 0.05
    pet_remark: float = 0.02
    no_species: float = 0.03
    no_breed: float = 0.15
    no_sex: float = 0.10
    no_birth_date: float = 0.15
    guessed_birth_date: float = 0.12
    wrong_birth_date: float = 0.04


@dataclass(frozen=True, slots=True)
class FieldShares:
    """Shares of bookings in which a field is filled in at all."""

    phone: float = 0.95
    email: float = 0.88
    street: float = 0.22
    postcode: float = 0.32
    city: float = 0.30
    pet_name: float = 0.95
    species: float = 0.85
    breed: float = 0.45
    sex: float = 0.35
    birth_date: float = 0.30
    claims_existing: float = 0.55
    claims_wrong: float = 0.06
    """Of those that claim something."""
    landline_typed: float = 0.06
    """Of bookers with a landline: they type that one."""


@dataclass(frozen=True, slots=True)
class SlipShares:
    """Shares of bookings in which the booker types something else than the card has."""

    typo_keyboard: float = 0.020
    typo_ear: float = 0.018
    typo_letters: float = 0.022
    nickname: float = 0.050
    transposed: float = 0.012
    one_field: float = 0.100
    transliterated: float = 0.300
    """Of names that have such letters."""
    letter_case: float = 0.070
    married_name: float = 0.008
    double_name: float = 0.010
    initial: float = 0.008
    middle_name: float = 0.015
    title: float = 0.015
    pet_form: float = 0.035
    pet_remark: float = 0.020
    pet_typo: float = 0.020
    phone_typo: float = 0.008
    email_typo: float = 0.010
    birth_date: float = 0.050
    species: float = 0.004


@dataclass(frozen=True, slots=True)
class Shares:
    """All shares of a population. Those of circles and of scenarios are weights: they need not add up to one."""

    circles: Mapping[str, float] = field(default_factory=lambda: CIRCLES)
    scenarios: Mapping[str, float] = field(default_factory=lambda: SCENARIOS)
    cards: CardShares = field(default_factory=CardShares)
    fields: FieldShares = field(default_factory=FieldShares)
    slips: SlipShares = field(default_factory=SlipShares)
