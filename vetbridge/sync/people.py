"""Keeps linked clients and pets in agreement: the PIMS flows back, what was typed at the booking side is proposed.

Only records that are linked are worked on; a client becomes known at the booking side by a visit (``sync.cards``).
Contact data of the booking side never silently overwrites the PIMS: where it contradicts, a person is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Operation
from vetbridge.core.answers import CLIENT_IS_ANOTHER, PAIR_CLIENT, PROPOSAL, Choice
from vetbridge.core.matching import is_co_owner
from vetbridge.core.planning import FieldOwner, Fields, Outcome, Plan, Situation, plan, settle
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger import changes, links, mirror, subjects, worklist
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Change, ChangeState, Link
from vetbridge.sync import absence
from vetbridge.sync.answering import Given, close_answered, given_answer, mark_applied
from vetbridge.sync.comparing import client_fields, pet_fields
from vetbridge.sync.following import BROUGHT_BACK, KEPT, Steer
from vetbridge.sync.identity import is_another_client
from vetbridge.sync.job import Ask, Ending, Enter, Job
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.opt_outs_in_pims import OptOutsInPims
from vetbridge.sync.opting_out import OptingOut, compared, is_news_in_pims
from vetbridge.sync.pair import End, Pair, Timings
from vetbridge.sync.succession import Succession
from vetbridge.sync.writing import Point, Step, Writer

Person = Client | Pet

_CLIENT_FIELDS: Mapping[str, frozenset[str]] = {
    "name": frozenset({"given_name", "family_name"}),
    "phone": frozenset({"phones"}),
    "email": frozenset({"emails"}),
}
"""Comparable field of a client to the canonical ones that it is made of."""


_ANOTHER = Ending(
    state=ChangeState.SKIPPED,
    code=CLIENT_IS_ANOTHER,
    message="under the client's id the PIMS has somebody else now; nothing of that is carried over",
)


_FOLLOWED = Ending(
    state=ChangeState.DONE,
    code="followed-to-its-heir",
    message="its record in the PIMS got another id, or was merged into another, and the link leads there now",
)


class People:
    """The work on the linked clients and pets of one pair, by the booking side's records."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._succession = Succession(pair, ledger)
        self._keeper = Keeper(pair)
        self._to_pims = Writer(pair.pims, ledger, clock, timings, point, fuse=pair.fuse, quota=pair.quota)
        self._to_booking = Writer(pair.booking, ledger, clock, timings, point, fuse=pair.fuse, quota=pair.quota)
        self._opting_out = OptingOut(pair, ledger, self._to_booking)
        self._opt_outs_in_pims = OptOutsInPims(pair, ledger, self._to_pims, self._keeper)

    def work(self, job: Job, kind: Kind, enter: Enter) -> Ending:
        """Works on one booking-side client or pet; an answer about it is carried out, and a question that the facts
        have answered is closed."""
        given = given_answer(self._ledger, job)
        ending = self._work(job, kind, given, enter)
        if given is not None:
            mark_applied(self._ledger, job, given)
        else:
            close_answered(self._ledger, job)
        return ending

    def _work(self, job: Job, kind: Kind, given: Given | None, enter: Enter) -> Ending:
        """The work itself.

        It holds the lane of that client: a side may keep a client and its pets in one record, which is written whole.
        """
        said = given.said if given else None
        self._to_pims.settle_unknown(job, self._opt_outs_in_pims.keepers(job), said)
        self._to_booking.settle_unknown(job, self._keeper.at_booking(job), said)
        with self._ledger.read() as tx:
            link = links.of_booking(tx, self._pair.booking.account, kind, job.remote_id)
        if link is None and given is not None and given.question.get("why") == PAIR_CLIENT:
            return self._paired(job, given)
        if link is None:
            return Ending(
                state=ChangeState.SKIPPED,
                code="follows-its-visit",
                message=f"a {kind} of the booking side is carried over with its next visit",
            )
        owner = link.booking_id
        if kind is Kind.PET:
            pet = self._read(self._pair.booking, kind, link.booking_id)
            owner = (isinstance(pet, Pet) and pet.client_id) or owner
        enter(job, changes.client_lane(self._pair.booking.account, owner))
        here = self._read(self._pair.booking, kind, link.booking_id)  # under the lane: nobody writes it meanwhile
        there = self._read(self._pair.pims, kind, link.pims_id)
        heir = None
        if here is not None and (there is None or not there.active):
            heir = self._succession.followed(link)
            there = heir or there
        if here is not None and there is None:
            absence.confirm_person(
                self._pair.pims,
                kind,
                link.pims_id,
                ledger=self._ledger,
                clock=self._clock,
                timings=self._timings,
            )
        if here is None or there is None:
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                links.end(tx, link)
                if there is None:
                    mirror.drop(tx, self._pair.pims.account, kind, link.pims_id)
            return Ending(state=ChangeState.SKIPPED, code="gone", message=f"the {kind} is gone at one side")
        absence.found(self._pair.pims, there.id or "", self._ledger, kind)
        with self._ledger.write() as tx:
            link = tx.session.get_one(Link, link.id)  # it may lead elsewhere by now
            changes.held(tx, job.leases)  # whoever was forgotten meanwhile is not noted anew
            subjects.note(tx, job.record_id, here, country=self._pair.country, account=self._pair.booking.account)
            mirror.put(tx, self._pair.pims.account, [there])
            _, base = links.bases(tx, link)
        if isinstance(there, Client) and is_another_client(base or {}, there, self._pair.country):
            return _ANOTHER  # nothing of it is carried, and the next booking asks whose it is
        consent = None
        if isinstance(here, Client):
            # Before all else: a question about a phone must not hold it up.
            here, consent = self._opting_out.work(job, link, here, self._keeper.at_booking(job)[kind])
            consent = self._opt_outs_in_pims.work(job, link, here) or consent
        ending = self._agree(job, kind, link, here, there, given)
        if heir is not None and _is_idle(ending):
            ending = _FOLLOWED
        return consent if consent is not None and _is_idle(ending) else ending

    def _paired(self, job: Job, given: Given) -> Ending:
        """A person has said which client of the PIMS a client of the booking side is."""
        if given.answer.choice is not Choice.LINK or given.answer.client_id is None:
            return KEPT
        here = self._read(self._pair.booking, Kind.CLIENT, job.remote_id)
        there = self._read(self._pair.pims, Kind.CLIENT, given.answer.client_id)
        if not isinstance(here, Client) or not isinstance(there, Client):
            return Ending(state=ChangeState.SKIPPED, code="gone", message="one of the two clients is gone")
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            self._keeper.paired_client(tx, here, there, [{"words": "a person has said so"}])
        return Ending(state=ChangeState.DONE, code="linked", message="the clients are one, as a person has said")

    def _agree(self, job: Job, kind: Kind, link: Link, here: Person, there: Person, given: Given | None) -> Ending:
        steer = given.steer if given else Steer()
        with self._ledger.read() as tx:
            booking_base, pims_base = links.bases(tx, link)
        booking_base = compared(booking_base)
        if steer.keep or booking_base is None or pims_base is None:
            self._settle(link, here, there, frozenset())
            return KEPT if steer.keep else _settled("agreed")
        mine, theirs = self._fields(here), self._fields(there)
        if _is_co_owners(here, there) and mine == booking_base:
            self._settle(link, here, there, frozenset())  # what the owner is called now is not the co-owner's name
            return _settled("agreed")
        if given is not None and steer.decided is not None:
            self._require_seen(given, here, there, pims_base if steer.decided is FieldOwner.HERE else booking_base)
        if steer.decided is FieldOwner.HERE:
            return self._take_over(job, kind, link, here, there)
        back = plan(
            Situation(
                base_here=pims_base,
                here=theirs,
                base_there=booking_base,
                there=mine,
                writable=self._writable(self._pair.booking, kind),
                create_allowed=False,
                cancel_allowed=False,
                # What a pet is, the PIMS owns: whatever else the booking side has is brought back into line.
                decided=FieldOwner.HERE if steer.decided or kind is Kind.PET else None,
            )
        )
        contradicted = sorted(name for name in back.back if pims_base.get(name)) if kind is Kind.CLIENT else []
        if back.outcome is Outcome.QUESTION or contradicted:
            fields = sorted({*back.conflicts, *contradicted})
            raise Ask(
                PROPOSAL,
                "a client's contact data was changed at the booking side",
                {"booking": here, "pims": there, "fields": fields},
            )
        return self._carry_back(job, kind, link, back, here, there)

    def _require_seen(self, given: Given, here: Person, there: Person, base: Fields) -> None:
        """Raises ``Ask`` with both sides as they are now where an answer would overwrite what nobody was shown.

        ``base`` is that of the side which is not right: what it had then is no news of it.
        """
        pims_is_right = given.steer.decided is FieldOwner.THERE
        shown = given.question.get("booking" if pims_is_right else "pims")
        right, wrong = (there, here) if pims_is_right else (here, there)
        if not isinstance(shown, type(wrong)):
            return
        seen, wins = self._fields(shown), self._fields(right)
        unseen = sorted(
            name
            for name, value in self._fields(wrong).items()
            if value not in (seen.get(name), base.get(name), wins.get(name))
        )
        if unseen:
            question = {"booking": here, "pims": there, "fields": unseen}
            raise Ask(PROPOSAL, "it was changed again since the question was answered", question)

    def _carry_back(self, job: Job, kind: Kind, link: Link, back: Plan, here: Person, there: Person) -> Ending:
        if back.outcome is Outcome.UPDATE:
            step = Step(
                kind=kind,
                operation=Operation.UPDATE,
                fields=_canonical(there, back.fields.keys()),
                remote_id=link.booking_id,
                version=here.version,
                before=here,
                payload={_PAYLOAD[kind]: there, "origin": link.origin, "held": sorted(back.held)},
            )
            self._to_booking.write(job, step, self._keeper.at_booking(job)[kind])
            return BROUGHT_BACK
        if back.outcome is Outcome.BASES:
            self._settle(link, here, there, back.held)
            return _settled("agreed")
        return Ending(state=ChangeState.SKIPPED, code=back.reason, message="nothing to write")

    def _take_over(self, job: Job, kind: Kind, link: Link, here: Person, there: Person) -> Ending:
        """A person wants the PIMS to have what the booking side has: written where it can be, else by staff."""
        mine, theirs = self._fields(here), self._fields(there)
        differing = [name for name in mine if mine[name] and mine[name] != theirs[name]]
        able = self._writable(self._pair.pims, kind)
        written = [name for name in differing if name in able]
        if written:
            step = Step(
                kind=kind,
                operation=Operation.UPDATE,
                fields=_canonical(here, written),
                remote_id=link.pims_id,
                version=there.version,
                before=there,
                payload={},
            )
            self._to_pims.write(job, step, self._keeper.client)
        left = [name for name in differing if name not in able]
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            if left:
                worklist.put(
                    tx,
                    tx.session.get_one(Change, job.change_id),
                    account=self._pair.pims.account,
                    kind=kind,
                    remote_id=link.pims_id,
                    task=worklist.CONTACT,
                    details={name: mine[name] for name in left},
                    visit_at=None,
                )
        self._settle(link, here, there, frozenset())
        code = "on-work-list" if left else "updated"
        return Ending(
            state=ChangeState.DONE,
            code=code,
            message="the work list asks staff to take it over in the PIMS" if left else "changed in the PIMS",
        )

    def _settle(self, link: Link, here: Person, there: Person, held: frozenset[str]) -> None:
        with self._ledger.write() as tx:
            self._keeper.people_bases(tx, tx.session.get_one(Link, link.id), here, there, held)

    def _fields(self, person: Person) -> dict[str, object]:
        return comparable(person, self._pair.country)

    def _writable(self, end: End, kind: Kind) -> frozenset[str]:
        able = end.connector.capabilities.of(kind).update & end.mapper.writable(kind)
        if kind is Kind.PET:
            return able & {"name", "species"}
        return frozenset(name for name, parts in _CLIENT_FIELDS.items() if parts <= able)

    def _read(self, end: End, kind: Kind, id_: str) -> Person | None:
        record = end.read(kind, id_)
        assert record is None or isinstance(record, (Client, Pet))  # noqa: S101 - what the mapper makes of these kinds
        return record


_PAYLOAD = {Kind.CLIENT: "client", Kind.PET: "pet"}


def _is_co_owners(here: Person, there: Person) -> bool:
    """Whether a client of the booking side is a co-owner, whose name and contacts the PIMS does not keep."""
    return isinstance(here, Client) and isinstance(there, Client) and is_co_owner(here, there)


def comparable(person: Person, country: str) -> dict[str, object]:
    """A client or a pet in the fields that both sides are compared by."""
    return client_fields(person, country) if isinstance(person, Client) else pet_fields(person)


def hint_if_linked(tx: Transaction, pair: Pair, person: Person, source: str = "pims") -> bool:
    """Wakes the counterparts of a PIMS client or pet that is no longer as it was settled, at every booking side."""
    kind = Kind.CLIENT if isinstance(person, Client) else Kind.PET
    now = dict(settle(None, comparable(person, pair.country), frozenset()))
    urgent = not person.active or (isinstance(person, Pet) and person.deceased)
    woken = False
    for link in links.all_of_pims(tx, pair.pims.account, kind, [person.id or ""]):
        _, base = links.bases(tx, link)
        news = isinstance(person, Client) and is_news_in_pims(tx, pair, link, person)
        if news or (link.role == "primary" and base != now):
            changes.receive_linked(tx, link, source, urgent=urgent)
            woken = True
    return woken


def _canonical(person: Person, names: Iterable[str]) -> dict[str, object]:
    """The canonical fields of the comparable ones that are to be written."""
    wanted = set(names)
    if isinstance(person, Pet):
        return {name: getattr(person, name) for name in wanted}
    parts = {part for name in wanted for part in _CLIENT_FIELDS[name]}
    return {part: getattr(person, part) for part in sorted(parts)}


def _settled(code: str) -> Ending:
    return Ending(state=ChangeState.DONE, code=code, message="both sides already agree")


def _is_idle(ending: Ending) -> bool:
    """Whether nothing was written."""
    return ending.state is ChangeState.SKIPPED or ending.code == "agreed"
