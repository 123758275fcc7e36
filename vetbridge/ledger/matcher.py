"""Asks the mirror who is meant: the one path from a booking to a match, for the daemon and for `match eval`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from vetbridge.core.joining import marked
from vetbridge.core.matching import Clinic, Forms, Match, Weights, decide, forms_of
from vetbridge.core.matching.deciding import common_contacts
from vetbridge.core.matching.observing import Observation, observe
from vetbridge.core.records import Client, Pet
from vetbridge.ledger import aliases, chains, mirror
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.site_weights import LiveWeights


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A match with all that it was decided by."""

    match: Match
    booking: Forms
    candidates: Mapping[str, Forms]
    clinic: Clinic
    weights: Weights
    crowded: frozenset[str]
    taught: str | None
    claims_existing: bool | None

    def observation(self) -> Observation:
        """What was compared, without a word of it."""
        return observe(
            self.match,
            self.booking,
            self.candidates,
            self.clinic,
            self.weights,
            taught=self.taught,
            claims_existing=self.claims_existing,
            crowded=self.crowded,
        )


class Matcher:
    """Matches bookings with the clients of one PIMS account. ``country`` is the site's, for phones.

    Without ``weights`` the account's own are used, where some were trained and are live, else the shipped. A pet
    that is deceased in another account of the chain is deceased in this one; ``branches`` are the names of those
    accounts that people know them by.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: str,
        *,
        country: str,
        weights: Weights | None = None,
        branches: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._country = country
        self._weights = weights
        self._branches = branches
        self._live = LiveWeights(account)

    def match(
        self,
        booker: Client,
        pet: Pet | None,
        *,
        claims_existing: bool | None = None,
        linked_to: str | None = None,
        fresher: Iterable[Forms] = (),
        but: Collection[str] = (),
    ) -> Matched:
        """Who is meant by a booking of ``booker`` for ``pet`` (None: it says nothing of one).

        ``claims_existing``: what the booker says about having been here before. ``linked_to``: the client that the
        booking's own client is linked to. ``fresher`` are clients that were read just now: they stand in for what the
        mirror has of them. ``but`` are clients who are never meant: a placeholder, and those who are gone.
        """
        booking = forms_of(booker, [] if pet is None else [pet], self._country)
        is_named = any(animal.name for animal in booking.animals)
        with self._ledger.read() as tx:
            weights = self._weights or self._live.get(tx)
            found = mirror.find(tx, self._account, booking)
            candidates = {one.client_id: one for one in (*found.candidates, *fresher)}
            taught = self._taught(tx, booking, candidates, found.crowded)
            for client_id in but:
                candidates.pop(client_id, None)
            elsewhere: dict[str, tuple[str, ...]] = {}

            def known(those: Collection[Forms]) -> list[Forms]:
                """Clients with all pets for which they may book, and what other branches know of all of them."""
                those = mirror.with_pets_of_others(tx, self._account, those)
                elsewhere.update(self._deceased_elsewhere(tx, booking, those, found.crowded))
                own = [marked(one, elsewhere, named=is_named) for one in those]
                candidates.update({one.client_id: one for one in own})
                return own

            def household(of: Forms) -> list[Forms]:
                home = mirror.household(tx, self._account, of)
                return known([one for one in home if one.client_id not in candidates and one.client_id not in but])

            match = decide(
                booking,
                known(list(candidates.values())),
                found.clinic,
                weights=weights,
                linked_to=linked_to,
                taught=taught,
                claims_existing=claims_existing,
                crowded=found.crowded,
                household=household,
            )
        return Matched(
            match=self._with_branches(match, elsewhere),
            booking=booking,
            candidates=candidates,
            clinic=found.clinic,
            weights=weights,
            crowded=found.crowded,
            taught=taught,
            claims_existing=claims_existing,
        )

    def _deceased_elsewhere(
        self, tx: Transaction, booking: Forms, those: Collection[Forms], crowded: frozenset[str]
    ) -> dict[str, tuple[str, ...]]:
        """What other branches know of clients' pets; nothing of those whom people were asked about since, for such a
        booking, and have said to be meant: by what was known then they are asked once."""
        deceased = chains.deceased_elsewhere(tx, self._account, those)
        if not deceased:
            return {}
        common = crowded | common_contacts(list(those))
        for client_id, said_at in aliases.said_to_live(tx, self._account, booking, common).items():
            changed_at = chains.pets_changed_at(tx, self._account, client_id)
            if changed_at is not None and changed_at <= said_at:
                own = {pet.id for one in those if one.client_id == client_id for pet in one.animals}
                deceased = {pet_id: at for pet_id, at in deceased.items() if pet_id not in own}
        return deceased

    def _with_branches(self, match: Match, elsewhere: Mapping[str, Collection[str]]) -> Match:
        """The match with the branches at which a candidate's pet is deceased."""
        if not elsewhere:
            return match
        shown = (
            replace(
                one,
                deceased_at=tuple(self._branches.get(at, at) for at in elsewhere.get(one.pet_id or "", ())),
            )
            for one in match.candidates
        )
        return replace(match, candidates=tuple(shown))

    def _taught(
        self, tx: Transaction, booking: Forms, candidates: dict[str, Forms], crowded: frozenset[str]
    ) -> str | None:
        """Whom people have said to be meant by such a booking; a candidate, then, whatever else it shares with it."""
        common = crowded | common_contacts(list(candidates.values()))
        client_id = aliases.taught(tx, self._account, booking, common)
        if client_id is not None and client_id not in candidates:
            candidates.update({one.client_id: one for one in mirror.comparable(tx, self._account, [client_id])})
        return client_id
