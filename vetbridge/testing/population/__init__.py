"""Clinics with everything that makes matching hard, and bookings with the truth about them.

Where ``vetbridge.testing.clinic`` makes one tidy clinic for simulators and demo, this package makes populations of
thousands to a million owner records with households, stale and recycled phones, placeholders, duplicates, rehomed
animals and the rest, each trap with a share that can be set. The caller gives the word lists. Everything is drawn
from ``random.Random(seed).random()``, so a seed means the same population on every machine.
"""

from vetbridge.testing.population.bookings import Booking
from vetbridge.testing.population.circles import Animal, Circle, Home, OwnerCard, Person, PetCard
from vetbridge.testing.population.dice import Dice, Ranked
from vetbridge.testing.population.phones import PhonePlan
from vetbridge.testing.population.population import Population
from vetbridge.testing.population.shares import CardShares, FieldShares, Shares, SlipShares
from vetbridge.testing.population.words import Words

__all__ = [
    "Animal",
    "Booking",
    "CardShares",
    "Circle",
    "Dice",
    "FieldShares",
    "Home",
    "OwnerCard",
    "Person",
    "PetCard",
    "PhonePlan",
    "Population",
    "Ranked",
    "Shares",
    "SlipShares",
    "Words",
]
