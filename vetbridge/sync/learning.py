"""What the matcher learns at work: how its decisions were made, and what people answer where it asks."""

from __future__ import annotations

from vetbridge.core.matching import forms_of
from vetbridge.core.records import Appointment, Client
from vetbridge.ledger import aliases, changes, observations
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Review
from vetbridge.sync.job import Job
from vetbridge.sync.pair import Pair
from vetbridge.sync.resolving import Resolution


class Learner:
    """Keeps what is learnt about the bookings of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair
        self._ledger = ledger

    def observed(self, job: Job, resolution: Resolution) -> None:
        """A decision was made: what it was decided by is kept, without a word of it."""
        found = resolution.matched
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            observations.keep(
                tx,
                self._pair.pims.account,
                record_id=job.record_id,
                change_id=job.change_id,
                observation=found.observation(),
                client_ids=[one.client_id for one in found.match.candidates],
            )

    def answered(self, job: Job, item: Review, booked: Appointment, client_id: str | None) -> None:
        """A person has said who was meant: this client, or, with None, nobody on record.

        Who was named is meant again by the same contact with the same name; a new client has a record to be found by.
        """
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            observations.label(tx, item, client_id)
            if client_id is None:
                aliases.end(tx, item)
                return
            pets = [] if booked.booked_pet is None else [booked.booked_pet]
            booking = forms_of(booked.booker or Client(), pets, self._pair.country)
            aliases.teach(tx, self._pair.pims.account, item, booking, client_id)

    def taken_back(self, job: Job, item: Review) -> None:
        """The answer does not hold any more, nor does what it taught."""
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            observations.unlabel(tx, item)
            aliases.end(tx, item)
