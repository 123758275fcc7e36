"""Twin sides: one clinic that kept a booking platform and a PIMS by hand for years, before VetBridge came.

``make_twins`` makes what stands on both sides, with the truth about it, the same for every run of one seed.
``TwinSides`` is the option ``twins`` of the Altegio and the ezyVet simulator. ``true_pairs`` says which record is
which, ``play_day`` plays a day on which people go on typing everything twice, and ``audit`` finds what VetBridge did
to the two sides that it should not have done.

What drifts between two systems kept by hand: phones in other forms, slips and nicknames, family names changed, names
changed over or all in one field, old or missing e-mails, one card for a couple, one for somebody who is registered
twice; visits typed with another vet, some minutes apart, without the pet, with two pets as one visit or as two.
"""

from vetbridge.testing.twins.making import make_twins
from vetbridge.testing.twins.sides import Block, Booking, Card, ListedPet, TwinSides, Visit

__all__ = ["Block", "Booking", "Card", "ListedPet", "TwinSides", "Visit", "make_twins"]
