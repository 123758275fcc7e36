"""Carries out what a person answered about a booking: on fresh reads, and once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from vetbridge.core import normalise, notes
from vetbridge.core.answers import (
    CLIENTS_NOT_MADE,
    NOT_SHOWN,
    OFF_ITS_OWNER,
    PAIR_VISIT,
    PET_OF_ANOTHER,
    PETS_NOT_MADE,
    REUSED,
    TWICE,
    UNKNOWN_OUTCOME,
    UNMADE,
    Answer,
    Choice,
    asks_whose,
)
from vetbridge.core.matching import Match, contact_keys, forms_of, same_person
from vetbridge.core.planning import FieldOwner
from vetbridge.core.records import Appointment, Client, Kind, Pet, Record
from vetbridge.ledger import actions, changes, links, mirror, reviews
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Change, ChangeState, Link, Review
from vetbridge.sync.comparing import CARRIED, wanted_fields
from vetbridge.sync.following import Steer
from vetbridge.sync.identity import is_same_booked
from vetbridge.sync.job import Ask, Ending, Job, PutOff
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.learning import Learner
from vetbridge.sync.pair import Pair
from vetbridge.sync.placing import Placement, Placer, shown_candidates
from vetbridge.sync.relinking import Relinker, without_block
from vetbridge.sync.wording import comment_lines, unlinked_lines
from vetbridge.sync.writing import Said

_HELD = sorted(CARRIED)
"""Fields that giving a visit to somebody does not settle: what changed in them is carried over after it."""

SHOWN_WAIT = timedelta(minutes=1)
"""Between two looks for somebody who was registered so lately that reads may lack them."""

STEERS: Mapping[Choice, Steer] = {
    Choice.BOOKING: Steer(decided=FieldOwner.HERE),
    Choice.PIMS: Steer(decided=FieldOwner.THERE),
    Choice.KEEP: Steer(keep=True),
    Choice.AGAIN: Steer(beside=True),
}
_RIGHT = {"booking": FieldOwner.HERE, "pims": FieldOwner.THERE}
"""Which side is right in a field, as ``Answer.fields`` says it."""

LINKED = Ending(
    state=ChangeState.DONE, code="linked", message="the visit stands on its owner now, as a person has said"
)
LINKED_AT_DESK = Ending(
    state=ChangeState.DONE, code="linked-at-desk", message="staff have put the visit on its owner in the PIMS"
)
ON_WORK_LIST = Ending(
    state=ChangeState.DONE,
    code="on-work-list",
    message="the PIMS did not take the new owner; the work list asks staff to set it, and the next read confirms it",
)
OFF_OWNER = Ending(
    state=ChangeState.REVIEW,
    code=OFF_ITS_OWNER,
    message="staff have put the visit back on the placeholder; a person has to say whose it is",
)
PARKED = Ending(
    state=ChangeState.REVIEW, code="undone", message="the visit stands on the placeholder again, as a person has said"
)


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that is still to be carried out, with the question it answers."""

    item: Review
    answer: Answer
    question: Mapping[str, Any]

    @property
    def steer(self) -> Steer:
        """What it says about a visit that both sides changed."""
        why = self.question.get("why")
        if why == TWICE or (self.answer.choice is Choice.AGAIN and why in (UNKNOWN_OUTCOME, REUSED, PAIR_VISIT)):
            return Steer()  # it is about a write or another visit, not about a time that is taken or the two sides
        if self.answer.choice is Choice.FIELDS:
            fields = {name: _RIGHT[side] for name, side in self.answer.fields.items()}
            return Steer(fields=fields, shown=self._shown)
        return replace(STEERS.get(self.answer.choice, Steer()), shown=self._shown)

    @property
    def _shown(self) -> Mapping[str, Appointment | None]:
        """The visit at both sides as the question shows it, as far as it does."""
        sides = {side: self.question[side] for side in _RIGHT if side in self.question}
        return {side: record for side, record in sides.items() if record is None or isinstance(record, Appointment)}

    @property
    def said(self) -> Said | None:
        """What it says about a write whose answer was lost."""
        if self.question.get("why") not in (UNKNOWN_OUTCOME, TWICE):
            return None
        return Said(self.answer.choice, int(self.question.get("action", 0)))


def given_answer(ledger: Ledger, job: Job) -> Given | None:
    """The answer that is waiting about a job's record."""
    with ledger.read() as tx:
        found = reviews.answered(tx, job.record_id)
        if found is None:
            return None
        item, answer = found
        return Given(item, answer, reviews.question(tx, item) or {})


def is_told_gone(given: Given | None) -> bool:
    """Whether a person has said what is to become of a visit that a side does not show: nobody else is asked then."""
    return given is not None and given.question.get("why") == NOT_SHOWN


def stays(ledger: Ledger, job: Job) -> bool:
    """Whether a person has said of a record that stands at one side only that it stays so, and it has not changed
    since. Of a visit that stands on both sides the bases say it."""
    with ledger.read() as tx:
        why = reviews.kept(tx, job.record_id, job.digest)
        if why is None or reviews.answered(tx, job.record_id) is not None:
            return False
        return why == UNKNOWN_OUTCOME or not actions.unsettled(tx, job.record_id)


def mark_applied(ledger: Ledger, job: Job, given: Given, *, still_whose: bool = False) -> None:
    """The answer was carried out. ``still_whose``: whose the visit is stays to be answered."""
    with ledger.write() as tx:
        changes.held(tx, job.leases)
        if given.answer.choice in (Choice.LINK, Choice.NEW) and reviews.taken_back(tx, given.item):
            # It was taken back while it was carried out: what was done is undone.
            item = tx.session.get_one(Review, given.item.id)
            reviews.answer(tx, item, Answer(choice=Choice.UNDO), given.item.answered_by)
            return
        reviews.applied(tx, given.item)
        whose = given.question.get("whose")
        if still_whose and whose and not asks_whose(given.question):
            change = tx.session.get_one(Change, job.change_id)
            question = {**given.question, "why": whose}
            reviews.ask(tx, change, why=whose, visit_at=given.item.visit_at, question=question)


def close_answered(ledger: Ledger, job: Job) -> None:
    """Closes the question about a job's record, where one is open: the facts have answered it."""
    with ledger.read() as tx:
        if reviews.open_item(tx, job.record_id) is None:
            return
    with ledger.write() as tx:
        changes.held(tx, job.leases)
        reviews.close(tx, job.record_id, "the facts have answered it")


class Answerer:
    """Carries out the answers about the bookings of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, keeper: Keeper, placer: Placer, relinker: Relinker) -> None:
        self._pair = pair
        self._ledger = ledger
        self._keeper = keeper
        self._placer = placer
        self._relinker = relinker
        self._learner = Learner(pair, ledger)

    def placement(self, job: Job, here: Appointment, given: Given) -> Placement | None:
        """On whom a booking that is not written yet goes, where the answer says so."""
        if given.answer.choice not in (Choice.LINK, Choice.NEW):
            return None
        client_id, pet_id = self.whom(job, here, given)
        return Placement(client_id, pet_id, "answered")

    def relink(
        self, job: Job, link: Link, here: Appointment, there: Appointment, given: Given
    ) -> tuple[Ending, Appointment]:
        """Puts the very visit that stands on the placeholder on the owner whom the answer names."""
        client_id, pet_id = self.whom(job, here, given)
        if (there.client_id, there.pet_id) != (client_id, pet_id):
            fields = wanted_fields(here, client_id, pet_id, unlinked=link.unlinked, origin=link.origin)
            keep = self._keeper.in_pims(job)[Kind.APPOINTMENT]
            payload = {"here": fields, "booking": here, "held": _HELD}
            moved = self._relinker.relink(job, there, client_id, pet_id, payload, keep)
            if moved is None:
                return ON_WORK_LIST, there
            there = moved
        return LINKED, self.free(job, link, here, there)

    def free(self, job: Job, link: Link, here: Appointment, there: Appointment) -> Appointment:
        """A visit that is on its owner: VetBridge's block goes; staff's text and the booker's comment stay."""
        fields = wanted_fields(here, there.client_id, there.pet_id, unlinked=False, origin=link.origin)
        payload = {"here": fields, "booking": here, "held": _HELD, "unlinked": False}
        keep = self._keeper.in_pims(job)[Kind.APPOINTMENT]
        if notes.find(there.notes) is not None and self._placer.writes_notes:
            text = without_block(there.notes, comment_lines(here))
            return self._placer.write_notes(job, there, text, payload, keep)
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            keep(tx, payload, there)
        return there

    def require_same(self, there: Appointment, given: Given) -> None:
        """Asks again where staff have put the visit on another client than the answer names.

        The next answer is carried out, whoever it names: then it is the newest word.
        """
        if given.answer.client_id not in (None, there.client_id) and not self._may_stand_there(there, given):
            raise Ask(
                str(given.question.get("why", OFF_ITS_OWNER)),
                "staff have put the visit on another client in the PIMS meanwhile",
                dict(given.question),
            )

    def _may_stand_there(self, there: Appointment, given: Given) -> bool:
        """Whether a visit stands on an owner of its pet, for which the client whom the answer names may book, too."""
        pet = None if there.pet_id is None else self._pair.pims.read(Kind.PET, there.pet_id)
        if not isinstance(pet, Pet) or not pet.is_owned_by(there.client_id):
            return False
        return pet.may_be_booked_by(given.answer.client_id)

    def park(self, job: Job, link: Link, here: Appointment, there: Appointment, found: Match) -> Appointment:
        """Asks whose a visit is that staff have put back on the placeholder; its notes say again what was booked."""
        question = {
            "why": OFF_ITS_OWNER,
            "words": found.words,
            "booking": here,
            "candidates": shown_candidates(found.candidates),
            UNMADE: self._pair.unmade,
        }
        keep = self._keeper.in_pims(job)[Kind.APPOINTMENT]

        def asked(tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
            keep(tx, payload, record)
            change = tx.session.get_one(Change, job.change_id)
            reviews.ask(tx, change, why=OFF_ITS_OWNER, visit_at=there.start.utc, question=question)

        fields = wanted_fields(here, there.client_id, there.pet_id, unlinked=True, origin=link.origin)
        text = notes.place(there.notes, notes.block(link.stamp, unlinked_lines(here)))
        payload = {"here": fields, "booking": here, "held": _HELD, "unlinked": True}
        if text != there.notes and self._placer.writes_notes:
            return self._placer.write_notes(job, there, text, payload, asked)
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            asked(tx, payload, there)
        return there

    def undo(
        self, job: Job, link: Link, here: Appointment, there: Appointment, given: Given
    ) -> tuple[Ending, Appointment]:
        """Puts a visit back on the placeholder, with the booked details in its notes, and asks again."""
        self._learner.taken_back(job, given.item)
        if given.question.get("why") == CLIENTS_NOT_MADE:
            self._forget_registered(job, here, there)
        if link.unlinked:
            # It never left the placeholder: only the work list knew of the answer.
            self._relinker.struck(job, why="the answer was taken back")
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                reviews.reopen(tx, given.item)
            return PARKED, there
        client_id, pet_id = self._pair.stand_in
        fields = wanted_fields(here, client_id, pet_id, unlinked=True, origin=link.origin)
        text = notes.place(there.notes, notes.block(link.stamp, unlinked_lines(here)))
        payload = {"here": fields, "booking": here, "held": _HELD, "unlinked": True}
        keep = self._keeper.in_pims(job)[Kind.APPOINTMENT]
        moved = self._relinker.relink(job, there, client_id, pet_id, payload, keep, text=text)
        if moved is None:
            return ON_WORK_LIST, there
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            reviews.reopen(tx, given.item)
        return PARKED, moved

    def whom(self, job: Job, here: Appointment, given: Given) -> tuple[str, str]:
        """Client and pet that the answer means, on fresh reads; made where they are new. The matcher learns it.

        Raises ``Ask`` where the booking is another person's or another animal's by now: nobody was asked about those.
        """
        asked = given.question.get("booking")
        if isinstance(asked, Appointment) and not is_same_booked(asked, here):
            raise Ask(
                str(given.question.get("why", OFF_ITS_OWNER)),
                "the booking names another owner or another pet than when it was answered",
                {**given.question, "booking": here},
            )
        client_id, pet = self._whom(job, here, given)
        if given.question.get("why") == CLIENTS_NOT_MADE:
            self._keep_registered(job, here, client_id)
        self._learner.answered(job, given.item, here, client_id if given.answer.choice is Choice.LINK else None)
        return pet.owner_for(client_id), pet.id or ""

    def _whom(self, job: Job, here: Appointment, given: Given) -> tuple[str, Pet]:
        if given.answer.choice is Choice.NEW:
            blocker = self._placer.cannot_create(here)
            if blocker:
                question = {**given.question, UNMADE: self._pair.unmade}
                raise Ask(blocker, "the owner cannot be made from this booking", question)
            self._placer.reserve_booker(job, here)
            client = self._made(job) or self._made_meanwhile(here, given)
            client = client or self._placer.create_client(job, here, linked=False)
            return client.id or "", self._placer.standing_pet(here, client) or self._placer.create_pet(
                job, here, client
            )
        client = self._fresh(given)
        if given.answer.pet_id is not None:
            return client.id or "", self._pet_of(client, given.answer.pet_id, given)
        found = self._placer.pet_by_name(job, here, client)
        if found is None and Kind.PET in self._pair.unmade and (here.booked_pet or Pet()).name.strip():
            self._await_shown(given)
            raise Ask(PETS_NOT_MADE, "the client has no pet of the booked name", dict(given.question))
        if found is None:
            raise Ask("pet-not-named", "which pet is meant is not said", dict(given.question))
        return client.id or "", found

    def _keep_registered(self, job: Job, here: Appointment, client_id: str) -> None:
        """Somebody has registered a booking's new owner in the PIMS: the booking side's client is she, as it would be
        had VetBridge made her. Not where another one was named, such as whoever shares a card with her."""
        booker = here.booker or Client()
        registered = self._pair.pims.read(Kind.CLIENT, client_id)
        if here.client_id is None or not isinstance(registered, Client) or not same_person(booker, registered):
            return
        keys = [set(contact_keys(forms_of(each, [], self._pair.country))) for each in (booker, registered)]
        if keys[0].isdisjoint(keys[1]):
            return
        evidence = [{"words": "a person registered this client for the booking"}]
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            self._keeper.matched_client(tx, here.client_id, registered, booker, evidence)

    def _forget_registered(self, job: Job, here: Appointment, there: Appointment) -> None:
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            card = links.of_booking(tx, self._pair.booking.account, Kind.CLIENT, here.client_id or "")
            if card is not None and card.pims_id == there.client_id:
                links.end(tx, card)

    def _made(self, job: Job) -> Client | None:
        """The client that an earlier try at this booking has made, while it stands."""
        with self._ledger.read() as tx:
            made = actions.made(tx, job.record_id, Kind.CLIENT, self._pair.pims.account)
        client = None if made is None else self._client(made)
        return client if client is not None and client.active else None

    def _made_meanwhile(self, here: Appointment, given: Given) -> Client | None:
        """The client that the same answer about another booking of the same person has made, while it stands.

        One that the question showed is not meant: a person has seen it, and said that it is somebody else.
        """
        booker = here.booker or Client()
        name = normalise.name(booker.full_name)
        shown = {each["client_id"] for each in given.question.get("candidates", ())}
        account = self._pair.pims.account
        with self._ledger.read() as tx:
            sharing = mirror.with_contact(tx, account, contact_keys(forms_of(booker, [], self._pair.country)))
            made = [
                known.client_id
                for known in sharing
                if known.client_id not in shown
                and name
                and normalise.name(known.client.full_name) == name
                and reviews.made_by_answer(tx, account, known.client_id)
            ]
        client = self._client(made[0]) if made else None
        return client if client is not None and client.active else None

    def _client(self, client_id: str) -> Client | None:
        client = self._pair.pims.read(Kind.CLIENT, client_id)
        return client if isinstance(client, Client) else None

    def _await_shown(self, given: Given) -> None:
        """Raises ``PutOff`` while reads may still lack whoever the answer names, who was registered just now."""
        within, at = self._pair.pims.connector.capabilities.shown_within, given.item.answered_at
        with self._ledger.read() as tx:
            now = tx.now
        if at is not None and now < at + timedelta(seconds=within):
            message = "the client or the pet that was chosen is so new that no reading shows it yet"
            raise PutOff(now + SHOWN_WAIT, "client-not-shown", message)

    def _pet_of(self, client: Client, pet_id: str, given: Given) -> Pet:
        """A pet for which the client may book. Raises ``Ask``, and ``PutOff`` while it may be too new to be shown."""
        pet = self._pair.pims.read(Kind.PET, pet_id)
        if pet is None:
            self._await_shown(given)
        if isinstance(pet, Pet) and (pet.client_id is None or pet.may_be_booked_by(client.id)):
            return pet
        raise Ask(PET_OF_ANOTHER, "the pet that was chosen is gone, or another client's by now", dict(given.question))

    def _fresh(self, given: Given) -> Client:
        client = self._client(given.answer.client_id or "")
        if client is None:
            self._await_shown(given)
        if client is None or not client.active or self._pair.stands_in(client.id):
            raise Ask("client-inactive", "the client that was chosen is gone or inactive", dict(given.question))
        return client
