"""Who is meant: finds the PIMS client and pet of a booking, on fresh facts.

The decision itself is ``vetbridge.core.matching``; this module brings it its records: candidates from the mirror,
a live search before anybody counts as new, and a fresh read of whoever is about to be linked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from vetbridge.connector.clock import Clock
from vetbridge.core import normalise
from vetbridge.core.answers import CLIENT_IS_ANOTHER, CLIENT_NOT_SHOWN
from vetbridge.core.matching import Known, Match, Verdict, forms_of
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.ledger import accounts, links, mass_ends, mirror
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.matcher import Matched, Matcher
from vetbridge.sync import absence
from vetbridge.sync.forgotten import require_nobody
from vetbridge.sync.identity import is_another_client
from vetbridge.sync.job import PutOff
from vetbridge.sync.pair import Pair, Timings
from vetbridge.sync.succession import Succession, note_moves

MIRROR_WAIT = timedelta(seconds=60)
"""At the longest: a mirror that was read wakes what waits for it. Each try costs the booking side a read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Who is meant. ``client`` is set when the owner is known; ``pet`` when the animal is known, too.

    ``matched`` is what that was decided by.
    """

    match: Match
    matched: Matched
    client: Client | None = None
    pet: Pet | None = None

    @property
    def verdict(self) -> Verdict:
        """What was decided about the owner."""
        return self.match.verdict


class Resolver:
    """Resolves the bookings of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._succession = Succession(pair, ledger)
        self._matcher = Matcher(ledger, pair.pims.account, country=pair.country, branches=pair.branches)

    def resolve(self, appointment: Appointment) -> Resolution:
        """Decides who is meant. Raises ``PutOff`` while the mirror cannot tell who is new."""
        linked, doubt = self._linked_client(appointment)
        linked_to = linked.client_id if linked else None
        fresh = {linked.client_id: linked} if linked else {}
        read = set(fresh)
        searched = False
        in_care: dict[str, Pet | None] = {}
        matched = self._match(appointment, fresh, read, linked_to)
        while True:
            found = matched.match
            if found.verdict is Verdict.LINKED and found.client_id is not None and found.client_id not in read:
                read.add(found.client_id)
                known = self._fresh(found.client_id)
                if known is None and not self._is_gone(found.client_id):
                    doubt = CLIENT_NOT_SHOWN
                    break
                fresh.update(_by_id([known]))
            elif (pet_id := _of_another(found, fresh)) is not None and pet_id not in in_care:
                in_care[pet_id] = self._fresh_pet(pet_id)
            elif found.verdict is Verdict.NEW and not searched:
                # After the fresh reads: where the one who seemed to be meant is gone, somebody may have been
                # entered anew.
                searched = True
                self._require_whole_mirror()
                fresh.update(_by_id(self._live_search(appointment.booker or Client())))
                read.update(fresh)
            else:
                break
            matched = self._match(appointment, fresh, read, linked_to)
        if doubt:
            # The id that was trusted leads to nobody, or somebody else: whoever fits now is for a person to say.
            found = replace(found, verdict=Verdict.REVIEW, reason=doubt)
        return self._resolution(found, matched, fresh, in_care)

    def candidates(self, appointment: Appointment) -> Match:
        """Who may be meant by what is known of a visit that was left without its owner; for a question alone."""
        return self._match(appointment, {}, (), None).match

    def _match(
        self, appointment: Appointment, fresh: Mapping[str, Known], read: Collection[str], linked_to: str | None
    ) -> Matched:
        """Who is meant, by the mirror and what was read since; whoever was ``read`` and is not there is gone."""
        gone = {client_id for client_id in read if client_id not in fresh}
        return self._matcher.match(
            appointment.booker or Client(),
            appointment.booked_pet,
            linked_to=linked_to,
            fresher=[forms_of(known.client, known.pets, self._pair.country) for known in fresh.values()],
            but=gone | self._pair.never_meant,
        )

    @staticmethod
    def _resolution(
        found: Match, matched: Matched, fresh: Mapping[str, Known], in_care: Mapping[str, Pet | None]
    ) -> Resolution:
        if found.verdict is not Verdict.LINKED or found.client_id is None:
            return Resolution(match=found, matched=matched)
        known = fresh[found.client_id]
        pet = next((pet for pet in known.pets if pet.id == found.pet_id), None) if found.pet_id else None
        pet = pet or in_care.get(found.pet_id or "")
        return Resolution(match=found, matched=matched, client=known.client, pet=pet)

    def _linked_client(self, appointment: Appointment) -> tuple[Known | None, str]:
        """The PIMS client that the booking's own client is linked to, freshly read; and why nobody is sure of that
        one: he is somebody else by now, or not shown and not believed to be gone. Then nobody is returned, and each
        booking asks until a person has said whose."""
        if appointment.client_id is None:
            return None, ""
        with self._ledger.read() as tx:
            link = links.of_booking(tx, self._pair.booking.account, Kind.CLIENT, appointment.client_id)
            base = (links.bases(tx, link)[1] or {}) if link is not None else {}
        known = None if link is None else self._fresh(link.pims_id)
        if link is not None and (known is None or not known.client.active):
            heir = self._succession.followed(link)
            if heir is not None:
                return self._fresh(heir.id or ""), ""
            if known is None and not self._is_gone(link.pims_id):
                return None, CLIENT_NOT_SHOWN
        if link is None or known is None or not is_another_client(base, known.client, self._pair.country):
            return known, ""
        return None, CLIENT_IS_ANOTHER

    def _require_whole_mirror(self) -> None:
        """Nobody counts as new until all clients were read, nor when they were read too long ago."""
        with self._ledger.read() as tx:
            account = accounts.get(tx, self._pair.pims.account)
        now = self._clock.now()
        if account.mirror_complete_at is None:
            raise PutOff(now + MIRROR_WAIT, "mirror-incomplete", "the PIMS clients have not all been read yet")
        read_at = account.mirror_read_at or account.mirror_complete_at
        if now - read_at > timedelta(seconds=self._timings.mirror_stale):
            raise PutOff(now + MIRROR_WAIT, "mirror-stale", "the PIMS clients were read too long ago")

    def _live_search(self, booker: Client) -> list[Known]:
        """Clients that the PIMS itself finds under the booking's phone or e-mail, stored in the mirror.

        Raises ``Forgotten`` where one of them was forgotten.
        """
        end = self._pair.pims
        keys = end.connector.capabilities.of(Kind.CLIENT).search
        queries = [
            {"phone": number} for text in booker.phones if (number := normalise.phone(text, self._pair.country))
        ]
        queries += [{"email": address} for text in booker.emails if (address := normalise.email(text))]
        ids = {
            client.id
            for query in queries
            if keys.issuperset(query)
            for native in end.connector.search(Kind.CLIENT, query)
            if (client := end.mapper.read(Kind.CLIENT, native)).id
        }
        with self._ledger.read() as tx:
            require_nobody(tx, end.account, ids)
        return [
            known
            for id_ in sorted(ids)
            if id_ not in self._pair.never_meant and (known := self._fresh(id_)) is not None
        ]

    def _fresh(self, client_id: str) -> Known | None:
        """A PIMS client and its pets, read now and kept in the mirror; None where the PIMS has none."""
        end = self._pair.pims
        client = end.read(Kind.CLIENT, client_id)
        if not isinstance(client, Client):
            return None
        absence.found(end, client_id, self._ledger, Kind.CLIENT)
        pets = [end.mapper.read(Kind.PET, pet) for pet in end.connector.search(Kind.PET, {"client_id": client_id})]
        with self._ledger.read() as tx:
            lost = set(mirror.pets_of(tx, end.account, client_id)) - {pet.id for pet in pets}
        for pet_id in sorted(lost):
            self._fresh_pet(pet_id)
        with self._ledger.write() as tx:
            note_moves(tx, end.account, pets)
            mirror.put(tx, end.account, [client, *pets])
            return mirror.client(tx, end.account, client_id)

    def _is_gone(self, client_id: str) -> bool:
        """Whether a client who was known, and whom the PIMS does not show, is gone: out of the mirror, once missed
        twice. Raises ``PutOff`` until then; False where so many would be that it is not believed."""
        end = self._pair.pims
        with self._ledger.read() as tx:
            if mass_ends.is_held(tx, end.account):
                return False
        absence.confirm_person(
            end, Kind.CLIENT, client_id, ledger=self._ledger, clock=self._clock, timings=self._timings
        )
        with self._ledger.write() as tx:
            mirror.drop(tx, end.account, Kind.CLIENT, client_id)
        return True

    def _fresh_pet(self, pet_id: str) -> Pet | None:
        """A pet of another client, read now and kept in the mirror; None where the PIMS has none."""
        pet = self._pair.pims.read(Kind.PET, pet_id)
        with self._ledger.write() as tx:
            if isinstance(pet, Pet):
                note_moves(tx, self._pair.pims.account, [pet])
                mirror.put(tx, self._pair.pims.account, [pet])
                return pet
            mirror.remove(tx, self._pair.pims.account, (), [pet_id])
            return None


def _of_another(found: Match, fresh: Mapping[str, Known]) -> str | None:
    """The pet that is meant, where it is none of the client's own, but in the client's care."""
    known = fresh.get(found.client_id or "")
    if found.verdict is not Verdict.LINKED or known is None or any(pet.id == found.pet_id for pet in known.pets):
        return None
    return found.pet_id


def _by_id(found: Iterable[Known | None]) -> dict[str, Known]:
    return {known.client_id: known for known in found if known is not None}
