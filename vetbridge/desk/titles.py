"""The clinic's own words for what VetBridge calls by codes: a visit's type, a vet, a room."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vetbridge.config.models import Site
from vetbridge.ledger import codelists
from vetbridge.ledger.database import Transaction

APPOINTMENT_TYPE, RESOURCE = "appointment_type", "resource"
"""Lists whose words are made up by whoever writes the config: nobody at the desk knows them."""
_NO_NAME = re.compile(r"\d+|[0-9A-Fa-f{}-]{16,}")
"""A number or a GUID, which a side without lists of its own gives as the title of a code: nobody reads by it."""


class Titles:
    """The titles that the sides' own code lists give, each list read once. From outside: a vendor's or a clinic's."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._kept: dict[str, Mapping[str, Mapping[str, str]]] = {}

    def title(self, site: Site | None, list_name: str, word: str | None) -> str:
        """What the PIMS calls it that VetBridge calls by a word; else what the booking side does; else the word.

        Empty where there is no word.
        """
        if not word or site is None:
            return word or ""
        for side in (site.pims, site.booking):
            codes = side.codes.get(list_name, {}).get(word, ())
            for code in (codes,) if isinstance(codes, str) else codes if isinstance(codes, tuple) else ():
                title = self._lists(side.account).get(list_name, {}).get(code, "").strip()
                if title and not (title == code and _NO_NAME.fullmatch(title)):
                    return title
        return word

    def _lists(self, account: str) -> Mapping[str, Mapping[str, str]]:
        if account not in self._kept:
            self._kept[account] = codelists.kept(self._tx, account)
        return self._kept[account]
