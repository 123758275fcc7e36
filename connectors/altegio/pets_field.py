"""A client's pets in one text field.

Altegio knows no animals (altegio.md, section 3.9), so a client's pets stand in a custom field of the client that
reception can read and edit::

    Bella (dog) #k7q2; Mila (cat) #m3x9

An entry is a name, the species in brackets, and VetBridge's own key of the pet. The field takes 255 characters.
Text that people typed is read as far as it goes: an entry without a key gets the one its name always gives.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

LIMIT = 255
"""Characters that a text field keeps (altegio.md, section 3.9)."""

LONGEST_READ = 4096
"""Characters of a field that are looked at; a longer text did not come from a field of 255 characters."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u, which people misread
_BETWEEN = re.compile(r"[;,\n\r]+")
_KEY = re.compile(r"#\s*([A-Za-z0-9]{2,12})\s*$", re.ASCII)
_SPECIES = re.compile(r"\(([^()]*)\)\s*$")


@dataclass(frozen=True, slots=True)
class ListedPet:
    """One entry. ``species`` is the site's own code or word, "" where none stands there."""

    name: str
    species: str
    key: str


def decode(text: str) -> tuple[ListedPet, ...]:
    """The pets of a field, in its order, each with a key of its own. Never raises."""
    found: list[ListedPet] = []
    keyless: list[tuple[int, str, str]] = []
    taken: set[str] = set()
    for entry in _BETWEEN.split(text[:LONGEST_READ]):
        rest, key, species = entry.strip(), "", ""
        if match := _KEY.search(rest):
            key, rest = match[1].lower(), rest[: match.start()].rstrip()
        if match := _SPECIES.search(rest):
            species, rest = match[1].strip(), rest[: match.start()].rstrip()
        if not rest:
            continue
        if not key or key in taken:
            # Written keys go first, so that a new entry in front of them cannot take one of theirs.
            keyless.append((len(found), rest, species))
            key = ""
        taken.add(key)
        found.append(ListedPet(rest, species, key))
    for place, name, species in keyless:
        key = new_key(name, taken)
        taken.add(key)
        found[place] = ListedPet(name, species, key)
    return tuple(found)


def encode(pets: Iterable[ListedPet], limit: int = LIMIT) -> tuple[str, tuple[ListedPet, ...]]:
    """The field's text, and the pets that it has no room for. Entries are whole or left out, never cut.

    Characters that mean something in the field (``; , # ( )`` and line ends) become spaces or square brackets.
    """
    text = ""
    left_out: list[ListedPet] = []
    for pet in pets:
        species = f" ({_plain(pet.species)})" if _plain(pet.species) else ""
        entry = f"{'; ' if text else ''}{_plain(pet.name)}{species} #{pet.key}"
        if len(text) + len(entry) <= limit:
            text += entry
        else:
            left_out.append(pet)
    return text, tuple(left_out)


def new_key(name: str, taken: Collection[str]) -> str:
    """The key of a pet by its name: the same for the same name however it is written, another where it is taken."""
    folded = " ".join(_plain(name).casefold().split())
    attempt = 0
    while True:
        digest = hashlib.sha256(f"{folded}\0{attempt}".encode("utf-8", "replace")).digest()
        key = "".join(_ALPHABET[byte % 32] for byte in digest[:4])
        if key not in taken:
            return key
        attempt += 1


def same_name(one: str, other: str) -> bool:
    """Whether two names are one, however they are written."""
    return " ".join(_plain(one).casefold().split()) == " ".join(_plain(other).casefold().split())


def _plain(text: str) -> str:
    """A name or species without the characters that mean something in the field."""
    swapped = text.replace("(", "[").replace(")", "]")
    return " ".join(re.sub(r"[;,#\n\r]", " ", swapped).split())
