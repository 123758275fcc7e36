"""Who is meant: finds the client and the pet of a booking among the records of the other side.

Read in this order: ``forms`` (what is compared), ``blocking`` (with whom), ``comparing`` (in which levels),
``weights`` (what those are worth, as data), ``weighing`` (five stories about the booker, in odds), ``deciding``
(link, new or review, and the vetoes), ``evidence`` (why, in words and bits), ``training`` (weights from what was
seen).

Pure and deterministic: the order of the records, letter case, accents and the way a phone is written do not matter.
Words never hold personal data; ``here`` and ``there`` of an evidence do.
"""

from vetbridge.core.matching.answer import REASONS, VETOES, Candidate, Evidence, Match, Verdict
from vetbridge.core.matching.blocking import booking_key, contact_keys, home_keys, keys
from vetbridge.core.matching.deciding import decide
from vetbridge.core.matching.forms import Forms, forms_of
from vetbridge.core.matching.known import Known, is_co_owner, same_household, same_person
from vetbridge.core.matching.weighing import Clinic, terms
from vetbridge.core.matching.weights import Weights, read_weights, shipped

__all__ = [
    "REASONS",
    "VETOES",
    "Candidate",
    "Clinic",
    "Evidence",
    "Forms",
    "Known",
    "Match",
    "Verdict",
    "Weights",
    "booking_key",
    "contact_keys",
    "decide",
    "forms_of",
    "home_keys",
    "is_co_owner",
    "keys",
    "read_weights",
    "same_household",
    "same_person",
    "shipped",
    "terms",
]
