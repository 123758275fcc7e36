"""Gleans who is meant from the notes that another booking system left with a visit: phones, e-mails, names.

Those systems write what was booked into free text, mostly as ``Label: value`` lines. What cannot be told is left out;
nothing here decides, it only gives the matcher something to compare.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from vetbridge.core import normalise
from vetbridge.core.records import Client, Pet

LONGEST_NOTES = 4000
"""Characters of the notes that are looked at."""

_LABELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "owner": frozenset(
            {"name", "client", "client name", "owner", "owner name", "booked by", "customer", "kunde", "besitzer"}
        ),
        "pet": frozenset({"pet", "pet name", "patient", "patient name", "animal", "tier", "tiername"}),
        "species": frozenset({"species", "tierart"}),
    }
)
_LINE = re.compile(r"\s*([A-Za-z][A-Za-z ]{1,20}?)\s*[:=]\s*(.{1,200}?)\s*")


def glean(notes: str, country: str) -> tuple[Client, Pet | None]:
    """The booker and the pet that free text names, as far as it does.

    ``country``: ISO 3166, of phones that are written without a country code.
    """
    text = notes[:LONGEST_NOTES]
    labelled: dict[str, str] = {}
    phones: dict[str, None] = {}
    emails: dict[str, None] = {}
    for line in text.splitlines():
        phones.update(dict.fromkeys(normalise.phones(line, country)))
        emails.update(dict.fromkeys(normalise.emails(line)))
        found = _LINE.fullmatch(line)
        if found is not None:
            what = next((key for key, words in _LABELS.items() if found[1].casefold() in words), None)
            if what is not None:
                labelled.setdefault(what, normalise.clean(found[2]).strip())
    given, family = _names(labelled.get("owner", ""))
    booker = Client(given_name=given, family_name=family, phones=tuple(phones), emails=tuple(emails))
    name = labelled.get("pet", "").partition("(")[0].strip()
    pet = Pet(name=name, species=labelled.get("species", "").casefold() or None) if name else None
    return booker, pet


def _names(full_name: str) -> tuple[str, str]:
    """Given and family name: what stands before a comma is the family name, else the last word."""
    family, comma, given = full_name.partition(",")
    if comma:
        return given.strip(), family.strip()
    given, _, family = full_name.rpartition(" ")
    return given.strip(), family.strip()
