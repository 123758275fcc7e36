"""Whose a visit is that changed owners after it stood on both sides: carried over, or asked about."""

from __future__ import annotations

from vetbridge.connector.interface import Operation
from vetbridge.core.answers import BOOKED_BY_ANOTHER, UNMADE
from vetbridge.core.records import Appointment, Kind
from vetbridge.ledger import changes, links, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change, ChangeState, Link
from vetbridge.sync.cards import Cards
from vetbridge.sync.comparing import BOOKED_BY, CARRIED, PEOPLE, base_in_terms
from vetbridge.sync.job import Ask, Ending, Enter, Job
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.pair import Pair
from vetbridge.sync.placing import shown_candidates
from vetbridge.sync.resolving import Resolver
from vetbridge.sync.succession import Succession
from vetbridge.sync.wording import DESK
from vetbridge.sync.writing import Step, Writer

HANDED_OVER = Ending(
    state=ChangeState.DONE, code="handed-over", message="given to its new owner at the booking side, as in the PIMS"
)
REBOOKED = Ending(
    state=ChangeState.REVIEW,
    code=BOOKED_BY_ANOTHER,
    message="the booking was given to another client; a person has to say whose the visit is",
)


class Handover:
    """Follows the change of owner of the linked visits of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, keeper: Keeper, cards: Cards, to_booking: Writer) -> None:
        self._pair = pair
        self._ledger = ledger
        self._keeper = keeper
        self._cards = cards
        self._to_booking = to_booking
        self._succession = Succession(pair, ledger)

    def settled(self, link: Link, there: Appointment) -> dict[str, object] | None:
        """How a visit stood in the PIMS when both sides were settled, on whom its client and pet are by now: they may
        have got other ids, or been merged into others."""
        with self._ledger.read() as tx:
            _, base = links.bases(tx, tx.session.get_one(Link, link.id))
        if base is None or all(base.get(name) == getattr(there, name) for name in PEOPLE):
            return base
        self._succession.visit_moved(link, base, there)
        with self._ledger.read() as tx:
            return links.bases(tx, tx.session.get_one(Link, link.id))[1]

    def in_pims(
        self, job: Job, link: Link, here: Appointment, there: Appointment, enter: Enter
    ) -> Appointment | None:
        """Gives the booking of a visit that was made at the desk to the owner whom the PIMS names now; not where it
        is still the same one, under another id.

        Returns the booking as it stands then, None where nothing is to be done: a visit that was booked online stays
        the booker's. Raises ``Ask`` where that owner cannot be a client of the booking side.
        """
        pims_base = self.settled(link, there)
        base = pims_base or {}
        same = base.get("client_id") == there.client_id and base.get("pet_id") == there.pet_id
        if link.origin != DESK or pims_base is None or same or self._pair.stands_in(there.client_id):
            return None
        client, pet = self._cards.people(there)
        if client is None:
            return None
        card_id = self._cards.card_of(job, client)
        if card_id is None:
            if here.client_id is None:
                return None
            raise Ask("no-client-there", "the visit's new owner cannot be a client there", {"pims": there})
        pet_id = None
        if pet is not None:
            enter(job, changes.client_lane(self._pair.booking.account, card_id))
            pet_id = self._cards.pet_on(job, card_id, pet)
        if (here.client_id, here.pet_id) == (card_id, pet_id):
            return None
        able = self._pair.booking.connector.capabilities.of(Kind.APPOINTMENT).update
        fields: dict[str, object] = {"client_id": card_id, "pet_id": pet_id}
        if here.client_id is None:
            fields["notes"] = ""  # only VetBridge's block, which said who comes
        step = Step(
            kind=Kind.APPOINTMENT,
            operation=Operation.UPDATE,
            fields={name: value for name, value in fields.items() if name in able},
            remote_id=link.booking_id,
            version=here.version,
            before=here,
            payload={"there": there, "held": sorted(CARRIED)},
        )
        record = self._to_booking.write(job, step, self._keeper.at_booking(job)[Kind.APPOINTMENT])
        assert isinstance(record, Appointment)  # noqa: S101 - what the mapper makes of this kind
        return record

    def at_booking(self, job: Job, link: Link, here: Appointment, there: Appointment, resolver: Resolver) -> bool:
        """Asks whose a visit is whose booking was given to another client; whether it did.

        Nobody is asked where the visit's own client is who may be meant by the booking as it is now.
        """
        if not self._is_news(job, link, here, there):
            return False
        found = resolver.candidates(here)
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            row = tx.session.get_one(Link, link.id)
            booking_base, pims_base = links.bases(tx, row)
            item = reviews.open_item(tx, job.record_id)
            moved = any((pims_base or {}).get(name) != getattr(there, name) for name in PEOPLE)
            if moved and item is not None and item.why == BOOKED_BY_ANOTHER:
                reviews.close(tx, job.record_id, "staff have put the visit on another client in the PIMS")
            before = (booking_base or {}).get(BOOKED_BY)
            if before is None or here.client_id in (None, before):
                return False
            wanted = base_in_terms(row, here, there, booking_base or {})
            self._keeper.bases(tx, row, wanted, there, CARRIED | {"notes"})
            if found.client_id == there.client_id or found.pet_id == there.pet_id is not None:
                return False
            question = {
                "booking": here,
                "words": found.words,
                "candidates": shown_candidates(found.candidates),
                UNMADE: self._pair.unmade,
            }
            change = tx.session.get_one(Change, job.change_id)
            reviews.ask(
                tx,
                change,
                why=BOOKED_BY_ANOTHER,
                visit_at=there.start.utc,
                question={"why": BOOKED_BY_ANOTHER, **question},
            )
            return True

    def _is_news(self, job: Job, link: Link, here: Appointment, there: Appointment) -> bool:
        """Whether either side gave the visit to somebody else; mostly not, and nothing is looked up."""
        with self._ledger.read() as tx:
            booking_base, pims_base = links.bases(tx, tx.session.get_one(Link, link.id))
            item = reviews.open_item(tx, job.record_id)
        moved = any((pims_base or {}).get(name) != getattr(there, name) for name in PEOPLE)
        before = (booking_base or {}).get(BOOKED_BY)
        rebooked = before is not None and here.client_id not in (None, before)
        return rebooked or (moved and item is not None and item.why == BOOKED_BY_ANOTHER)
