"""Carries files between the two sides of a pair, each once and whole.

A document of one owner that another one gets to see is the worst that can happen here, so whose a file is has to be
beyond doubt: where it is not, a person attaches it by hand. What is in a file is looked into before it goes anywhere.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, BinaryIO

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Content, ExactlyOnce, Operation, Write
from vetbridge.core import notes
from vetbridge.core.errors import BadAnswer, FileRefused, OutcomeUnknown, Refused, Stale, Unavailable
from vetbridge.core.files import FileRules, wanted_name
from vetbridge.core.records import Attachment, Client, Kind, Pet, Record, Side
from vetbridge.ledger import actions, attached, changes, links, mirror, subjects, suppression
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import OPEN_STATES, ChangeState, Link
from vetbridge.sync.answering import close_answered, given_answer, mark_applied, stays
from vetbridge.sync.file_looking import digest, is_wanted, takes, window
from vetbridge.sync.following import KEPT
from vetbridge.sync.forgotten import FORGOTTEN, Forgotten, require_known
from vetbridge.sync.identity import has_another_name, is_another_client
from vetbridge.sync.job import Ending, Enter, Job, PutOff
from vetbridge.sync.pair import End, Pair, Scan, Timings
from vetbridge.sync.spooling import spool
from vetbridge.sync.wording import DESK
from vetbridge.sync.writing import FILE, Keep, Point, Said, Step, Writer, has_content

UNSURE = "file-owner-unsure"
"""Code of a change of a file of which nobody can be sure whose it is at the other side."""
HERE_WAIT = timedelta(minutes=10)
"""Where a file cannot be fetched, or the virus scanner or the disk of this machine does not take it, it is fetched
anew after that."""
GIVE_UP = timedelta(days=1)
"""A file that cannot be fetched, or that the other side loses again and again, is given up then."""
LONGEST = timedelta(minutes=15)
"""A file that takes longer to come, or to go, is given up: somebody drips it."""
_TURNS = threading.BoundedSemaphore(2)
"""So many files are on their way at once, whatever their pairs: the other workers are for bookings."""
TURN_WAIT = timedelta(seconds=15)
"""A file for which there is no room now, or whose owner's booking is under way, is looked at again after that."""
LONG = 10.0
"""Seconds after which it is looked again whose a file is, once it was fetched."""
ONLINE = "online"
"""Origin of the link of a file that came from the booking side."""

CARRIED = Ending(state=ChangeState.DONE, code="carried", message="the file was brought to the other side")
SETTLED = Ending(state=ChangeState.SKIPPED, code="settled", message="the file stands at the other side already")
ALREADY_THERE = Ending(
    state=ChangeState.SKIPPED, code="already-there", message="the same content stands with the owner there already"
)
NOT_WANTED = Ending(
    state=ChangeState.SKIPPED, code="file-not-wanted", message="the site does not want files like this one carried"
)
GONE = Ending(state=ChangeState.SKIPPED, code="gone", message="the file was removed before it was carried")
OF_NOBODY = Ending(
    state=ChangeState.SKIPPED, code="file-of-nobody", message="the side does not tell on whose record the file hangs"
)
NO_CARD = Ending(
    state=ChangeState.SKIPPED, code="not-at-booking-side", message="the owner is not known at the booking side"
)
NOT_FETCHED = Ending(
    state=ChangeState.FAILED,
    code="file-not-fetched",
    message="the file could not be fetched for a day, although its side answered",
)
NOT_TAKEN = Ending(
    state=ChangeState.FAILED,
    code="file-not-taken",
    message="the other side was sent the file again and again for a day, and has not kept it",
)
INACTIVE = Ending(state=ChangeState.SKIPPED, code="client-inactive", message="the owner is no client there any more")

NOT_LINKED = Ending(
    state=ChangeState.FAILED,
    code=UNSURE,
    message="the card is linked with no client of the PIMS, so nobody can be sure whose the file is",
)
SHARED = Ending(
    state=ChangeState.FAILED,
    code=UNSURE,
    message="several clients of the PIMS share the card, so nobody can be sure whose the file is",
)
OF_OTHERS = Ending(
    state=ChangeState.FAILED,
    code=UNSURE,
    message="visits booked from the card are somebody else's in the PIMS, so nobody can be sure whose the file is",
)
CLIENT_GONE = Ending(
    state=ChangeState.FAILED,
    code=UNSURE,
    message="the client whom the card stands for is gone or inactive in the PIMS",
)
ANOTHER_CARD = Ending(
    state=ChangeState.FAILED,
    code=UNSURE,
    message="the card at the booking side is gone, or somebody else's by now",
)
ANOTHER_CLIENT = Ending(
    state=ChangeState.FAILED,
    code=UNSURE,
    message="under the client's id the PIMS has somebody else now, who must not get the file",
)
WHOSE_PET = Ending(
    state=ChangeState.FAILED,
    code=UNSURE,
    message="the PIMS does not say for sure whose the pet is",
)
WHICH_PET = Ending(
    state=ChangeState.FAILED,
    code=UNSURE,
    message="the PIMS takes files of pets alone, and nobody can tell which one this is about",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """From where to where a file goes, and what it must be."""

    source: End
    target: End
    rules: FileRules
    scan: Scan | None
    in_pims: bool
    """It goes into the PIMS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whose:
    """Whose a file is: the client at the side that it comes from and the one at the other, and what it hangs on
    there."""

    here: str
    there: str
    pet_id: str | None = None


class Attachments:
    """The work on the attachments of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._point = point
        self._writers = {
            end.account: Writer(end, ledger, clock, timings, point, fuse=pair.fuse, quota=pair.quota)
            for end in (pair.booking, pair.pims)
        }

    def work(self, job: Job, side: Side, enter: Enter) -> Ending:
        """Carries one attachment that stands at ``side`` to the other one."""
        if not _TURNS.acquire(blocking=False):
            raise PutOff(self._clock.now() + TURN_WAIT, "files-under-way", "other files are on their way")
        try:
            return self._in_turn(job, side, enter)
        finally:
            _TURNS.release()

    def _in_turn(self, job: Job, side: Side, enter: Enter) -> Ending:
        given = given_answer(self._ledger, job)
        try:
            ending = self._work(job, side, given.said if given else None, enter)
        except _Over as over:
            ending = over.ending
        if given is not None:
            mark_applied(self._ledger, job, given)
        else:
            close_answered(self._ledger, job)
        return ending

    def _work(self, job: Job, side: Side, said: Said | None, enter: Enter) -> Ending:
        way = self._way(side)
        if way is None:
            return NOT_WANTED
        record = self._read(job, way.source)
        if record is not None and stays(self._ledger, job):
            return KEPT
        writer = self._writers[way.target.account]
        with self._fetching(job):
            writer.settle_unknown(job, {Kind.ATTACHMENT: self._keep(job, way)}, said)
        if record is None:
            self._await_gone(job)
            return GONE
        if not record.active:
            return GONE
        if not wanted_name(way.rules, record.name):
            return NOT_WANTED
        try:
            card_id = self._card_of(record, way)
            enter(job, changes.client_lane(self._pair.booking.account, card_id))
            whose = self._whose(record, way, card_id)
        except _Over as over:
            if over.ending.code == UNSURE:  # a person is to find it
                with self._ledger.write() as tx:
                    changes.held(tx, job.leases)
                    self._note(tx, job, way, record)
            raise
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            self._require_known(tx, way, whose)
            self._note(tx, job, way, replace(record, client_id=whose.here))
            if attached.is_linked(tx, way.source.account, job.remote_id):
                own = actions.answered_operation(tx, job.change_id, Kind.ATTACHMENT, way.target.account)
                return CARRIED if own else SETTLED  # by an earlier try, whose answer was lost
            lost = actions.count_lost(tx, job.record_id, way.target.account)
        if lost > actions.MOST_REFUSED and self._clock.now() - job.received_at >= GIVE_UP:
            return NOT_TAKEN
        self._point("read")
        return self._fetched(job, way, whose, record)

    def _note(self, tx: Transaction, job: Job, way: _Way, record: Attachment) -> None:
        """Keeps what a file is called and what it stands on. Raises ``Forgotten`` where that was."""
        account = way.source.account
        if record.client_id is not None:
            require_known(tx, account, Kind.CLIENT, record.client_id)
        else:
            require_known(tx, account, Kind.PET, record.pet_id or "")
        subjects.note(tx, job.record_id, record, country=self._pair.country, account=account)

    @contextmanager
    def _fetching(self, job: Job) -> Iterator[None]:
        """A file that cannot be fetched now waits. Its side has answered otherwise: that account goes on."""
        try:
            yield
        except Unavailable as error:
            here = not error.account  # the scanner, or the disk
            now = self._clock.now()
            if not here and now - job.received_at >= GIVE_UP:
                raise _Over(NOT_FETCHED) from None
            raise PutOff(now + HERE_WAIT, error.code if here else NOT_FETCHED.code, error.message) from None

    def _fetched(self, job: Job, way: _Way, whose: _Whose, record: Attachment) -> Ending:
        """Fetches a file, looks into it, and brings it over."""
        watch = _Watch(self._ledger, self._clock, self._timings, job)
        try:
            with self._fetching(job):
                spooled = spool(
                    watch.pieces(way.source.connector.content(job.remote_id)),
                    name=record.name,
                    rules=way.rules,
                    scan=way.scan,
                )
        except FileRefused as refused:
            if refused.wanted:
                raise
            return replace(NOT_WANTED, code=refused.code, message=refused.message)
        with spooled as content:
            self._require_same(way, whose, record, watch)
            return self._carry(job, way, whose, record, content, watch)

    def _require_same(self, way: _Way, whose: _Whose, record: Attachment, watch: _Watch) -> None:
        """Raises ``Stale`` where somebody else's is a file of which that was read a while ago."""
        card_id = whose.here if way.in_pims else whose.there
        if watch.took_long() and self._whose(record, way, card_id) != whose:
            raise Stale("whose the file is has changed while it was on its way; it is read again")

    def _carry(
        self, job: Job, way: _Way, whose: _Whose, record: Attachment, content: Content, watch: _Watch
    ) -> Ending:
        """Brings a file that was looked into to the other side, unless it is there."""
        target = way.target
        _require_taken(target, content)
        self._reserve(job, target, whose, content)
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            self._require_known(tx, way, whose)
            self._require_link(tx, way, whose)
            # Before it is written: what is written is seen as a new file of the other side, and known by this.
            attached.put(tx, way.source.account, whose.here, content.digest, job.remote_id)
            standing = attached.standing(tx, target.account, whose.there, content.digest)
            if standing is not None:
                self._link(tx, way, job.remote_id, standing)
                self._doubt_late(tx, way, standing)
                return ALREADY_THERE
        step = self._step(job, way, whose, record, watch.content(content))
        with self._fetching(job):
            by_people = self._found(target, step, content)
        if by_people is not None:
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                self._kept(tx, way, job.remote_id, whose.there, content.digest, by_people)
            return ALREADY_THERE
        self._require_same(way, whose, record, watch)
        self._writers[target.account].write(job, step, self._keep(job, way))
        return CARRIED

    def _reserve(self, job: Job, target: End, whose: _Whose, content: Content) -> None:
        """Keeps others from bringing the same content to the same owner meanwhile, as from another card of theirs."""
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            key = f"{whose.there}|{content.digest}"
            free = actions.reserve(tx, target.account, "file", [key], job.record_id)
        if not free:  # it may be in doubt, and is not fetched again and again
            raise PutOff(self._clock.now() + HERE_WAIT, "files-under-way", "other files are on their way")

    @staticmethod
    def _doubt_late(tx: Transaction, way: _Way, standing: str) -> None:
        """A second copy of a file that VetBridge brought may be one that was looked for in vain and landed after all:
        the work on that file looks again, and asks about two."""
        of = changes.record_of(tx, way.target.account, Kind.ATTACHMENT, standing).id or 0
        late = actions.in_vain(tx, of, way.source.account, Kind.ATTACHMENT)
        if late is not None and actions.doubt(tx, late) is not None:
            changes.receive_again(tx, of, "late-write")

    def _way(self, side: Side) -> _Way | None:
        pair = self._pair
        if pair.files is None or not is_wanted(pair, side):
            return None
        in_pims = side is Side.BOOKING
        rules = pair.files.to_pims if in_pims else pair.files.to_booking
        assert rules is not None  # noqa: S101 - it is wanted
        source, target = (pair.booking, pair.pims) if in_pims else (pair.pims, pair.booking)
        return _Way(source=source, target=target, rules=rules, scan=pair.files.scan, in_pims=in_pims)

    def _read(self, job: Job, end: End) -> Attachment | None:
        """The file as it stands now; None where the side does not show it."""
        record = end.read(Kind.ATTACHMENT, job.remote_id)
        if not isinstance(record, Attachment):
            return None
        with self._ledger.read() as tx:
            missed = changes.is_missed(tx, end.account, Kind.ATTACHMENT, job.remote_id)
        if missed:
            with self._ledger.write() as tx:
                changes.found(tx, end.account, Kind.ATTACHMENT, job.remote_id)
        job.version = record.version
        job.digest = digest(self._ledger.sealer, record)
        return record

    def _await_gone(self, job: Job) -> None:
        """Raises ``PutOff`` until a file that is not shown counts as gone: after two misses a set time apart."""
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            until = changes.missed(tx, job.record_id) + timedelta(seconds=self._timings.absence_confirm)
            if tx.now >= until:
                changes.gone(tx, job.record_id)
                return
        raise PutOff(until, "file-not-shown", "the side does not show the file; it is asked once more")

    # -- whose it is

    def _card_of(self, record: Attachment, way: _Way) -> str:
        """The client of the booking side in whose lane a file is carried."""
        if way.in_pims:
            if record.client_id is None:
                raise _Over(OF_NOBODY)
            return record.client_id
        owner = self._owner(record)
        with self._ledger.read() as tx:
            link = self._card_link(tx, owner)
        if link is None:
            raise _Over(NO_CARD)
        return link.booking_id

    def _card_link(self, tx: Transaction, client_id: str) -> Link | None:
        pair = self._pair
        return links.of_pims(tx, pair.pims.account, Kind.CLIENT, client_id, booking_account=pair.booking.account)

    def _whose(self, record: Attachment, way: _Way, card_id: str) -> _Whose:
        """Whose a file is, by fresh reads. Raises ``_Over`` where that is not beyond doubt."""
        return self._in_pims(card_id) if way.in_pims else self._at_booking(self._owner(record), card_id)

    def _in_pims(self, card_id: str) -> _Whose:
        """Whose a file of the booking side is in the PIMS: the client whom its card stands for, as it is now; and the
        one pet that it can be about."""
        pair = self._pair
        with self._ledger.read() as tx:
            linked = [
                link
                for link in links.of_client_members(tx, pair.booking.account, card_id)
                if link.pims_account == pair.pims.account
            ]
            visits = self._visits(tx, card_id)
        primary = next((link for link in linked if link.role == "primary"), None)
        if primary is None or primary.pims_id in pair.never_meant:
            raise _Over(NOT_LINKED)
        owners = {client_id for client_id, _ in visits}
        client_id = primary.pims_id
        if len(linked) > 1:
            # A couple shares the card: who of them comes says whose it is.
            if len(owners) != 1 or not owners <= {link.pims_id for link in linked}:
                raise _Over(SHARED)
            client_id = next(iter(owners)) or ""
        elif not owners <= {client_id}:
            raise _Over(OF_OTHERS)
        self._same_card(primary)
        client = self._client(pair.pims, client_id)
        if client is None or not client.active:
            raise _Over(CLIENT_GONE)
        if client_id == primary.pims_id:
            self._same_client(primary, client)
        pet_id = self._pet(client_id, {pet for _, pet in visits if pet is not None})
        if pet_id is None and Kind.CLIENT not in takes(pair.pims):
            raise _Over(WHICH_PET)
        return _Whose(here=card_id, there=client_id, pet_id=pet_id)

    def _pet(self, client_id: str, visiting: Collection[str]) -> str | None:
        """The pet that a file of an owner is about: the only one who comes, else the only one they have; None where
        several may be it."""
        end = self._pair.pims
        if Kind.PET not in takes(end):
            return None
        if visiting:
            pets = [self._living(pet_id, client_id) for pet_id in visiting]
            return pets[0] if len(pets) == 1 else None
        if "client_id" not in end.connector.capabilities.of(Kind.PET).search:
            return None
        listed = end.connector.search(Kind.PET, {"client_id": client_id})
        own = [end.mapper.read(Kind.PET, native) for native in listed]
        with self._ledger.read() as tx:
            shared = mirror.pets_of_others(tx, end.account, client_id)
        found = {pet.id for pet in (*own, *shared) if _is_with(pet, client_id)}
        return found.pop() if len(found) == 1 else None

    def _living(self, pet_id: str, client_id: str) -> str | None:
        pet = self._pair.pims.read(Kind.PET, pet_id)
        return pet_id if isinstance(pet, Pet) and _is_with(pet, client_id) else None

    def _owner(self, record: Attachment) -> str:
        """The client of the PIMS on whom a file hangs, or whose the pet is now on which it does."""
        client_id = record.client_id
        if record.pet_id is not None:
            pet = self._pair.pims.read(Kind.PET, record.pet_id)
            if not isinstance(pet, Pet) or pet.client_id is None or client_id not in (None, pet.client_id):
                raise _Over(WHOSE_PET)
            client_id = pet.client_id
        if client_id is None or client_id in self._pair.never_meant:
            raise _Over(OF_NOBODY)
        return client_id

    def _at_booking(self, client_id: str, card_id: str) -> _Whose:
        """Whose a file of the PIMS is at the booking side: the client whose card it is, and nobody else's."""
        pair = self._pair
        with self._ledger.read() as tx:
            link = self._card_link(tx, client_id)
            sharing = links.of_client_members(tx, pair.booking.account, card_id)
            visits = self._visits(tx, card_id)
        if link is None or link.booking_id != card_id:
            raise Stale("the client was linked with another card meanwhile; it is read again")
        if link.role != "primary" or len(sharing) > 1:
            raise _Over(SHARED)
        if not {owner for owner, _ in visits} <= {client_id}:
            raise _Over(OF_OTHERS)
        client = self._client(pair.pims, client_id)
        if client is None or not client.active:
            raise _Over(INACTIVE)
        self._same_client(link, client)
        self._same_card(link)
        return _Whose(here=client_id, there=link.booking_id)

    def _visits(self, tx: Transaction, card_id: str) -> tuple[tuple[str | None, str | None], ...]:
        """Client and pet, in the PIMS, of the visits of a card that are near. Raises ``PutOff`` while nobody knows
        whose a booking from it is."""
        assert self._pair.files is not None  # noqa: S101 - files are wanted
        account = self._pair.booking.account
        lane = changes.client_lane(account, card_id)
        for states, wait in ((OPEN_STATES, TURN_WAIT), ((ChangeState.REVIEW,), HERE_WAIT)):
            for booked in changes.open_in_lane(tx, lane, Kind.APPOINTMENT, states):
                if (
                    booked.account == account
                    and links.of_booking(tx, account, Kind.APPOINTMENT, booked.remote_id) is None
                ):
                    raise PutOff(
                        self._clock.now() + wait,
                        "booking-first",
                        "a booking from the same card is not in the PIMS yet, so nobody knows whose it is",
                    )
        near = attached.visits(tx, self._pair.booking.account, *window(tx.now, self._pair.files))
        return tuple((each.client_id, each.pet_id) for each in near if each.card_id == card_id)

    def _same_card(self, link: Link) -> None:
        """Raises where the card is somebody else's by now: phones are given anew, and cards are found by them."""
        card = self._client(self._pair.booking, link.booking_id)
        with self._ledger.read() as tx:
            base, _ = links.bases(tx, link)
        if card is None or has_another_name(base or {}, card):
            raise _Over(ANOTHER_CARD)

    def _same_client(self, link: Link, client: Client) -> None:
        with self._ledger.read() as tx:
            _, base = links.bases(tx, link)
        if is_another_client(base or {}, client, self._pair.country):
            raise _Over(ANOTHER_CLIENT)

    def _client(self, end: End, client_id: str) -> Client | None:
        record = end.read(Kind.CLIENT, client_id)
        return record if isinstance(record, Client) else None

    def _require_link(self, tx: Transaction, way: _Way, whose: _Whose) -> None:
        """Raises ``Stale`` where the card is linked with somebody else by now."""
        card_id, client_id = (whose.here, whose.there) if way.in_pims else (whose.there, whose.here)
        linked = {link.pims_id for link in links.of_client_members(tx, self._pair.booking.account, card_id)}
        if client_id not in linked or (not way.in_pims and len(linked) > 1):
            raise Stale("the card was linked with somebody else meanwhile; it is read again")

    @staticmethod
    def _require_known(tx: Transaction, way: _Way, whose: _Whose) -> None:
        """Raises ``Forgotten`` where the owner or the pet was: nothing of theirs is carried."""
        require_known(tx, way.source.account, Kind.CLIENT, whose.here)
        require_known(tx, way.target.account, Kind.CLIENT, whose.there)
        if suppression.is_forgotten(tx, way.target.account, Kind.PET, whose.pet_id):
            raise Forgotten(FORGOTTEN)

    # -- what is written

    def _step(self, job: Job, way: _Way, whose: _Whose, record: Attachment, content: Content) -> Step:
        stamp = notes.make_stamp(
            self._ledger.sealer.hash(f"file:{way.source.account}:{way.target.account}:{job.remote_id}").encode()
        )
        fields: dict[str, object] = {"name": content.name}
        if whose.pet_id is not None:
            fields["pet_id"] = whose.pet_id
        else:
            fields["client_id"] = whose.there
        if way.in_pims:  # what staff have noted beside a file is not for its owner
            words = [f"Comment: {record.notes}"] if record.notes.strip() else []
            fields["notes"] = notes.block(stamp, ["From the owner's card online.", *words])
        writable = way.target.mapper.writable(Kind.ATTACHMENT)
        return Step(
            kind=Kind.ATTACHMENT,
            operation=Operation.CREATE,
            fields={name: value for name, value in fields.items() if name in writable},
            stamp=stamp,
            payload={"here": whose.here, "there": whose.there},
            content=content,
        )

    def _found(self, target: End, step: Step, content: Content) -> str | None:
        """A file of that name and content which people have brought there themselves."""
        level = target.connector.capabilities.of(Kind.ATTACHMENT).create
        if level in (None, ExactlyOnce.NONE, ExactlyOnce.IDEMPOTENCY_KEY):
            return None
        told = {name: value for name, value in step.fields.items() if name != "notes"}
        native = target.mapper.write(Kind.ATTACHMENT, told)
        write = Write(operation=Operation.CREATE, kind=Kind.ATTACHMENT, id=None, native=native)
        for native in target.connector.look(write):
            id_ = target.mapper.read(Kind.ATTACHMENT, native).id
            with suppress(Refused, BadAnswer):  # one that cannot be fetched may be any
                if id_ is not None and has_content(target, id_, content.digest, content.size):
                    return id_
        return None

    def _keep(self, job: Job, way: _Way) -> Keep:
        def keep(tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
            require_known(tx, way.source.account, Kind.CLIENT, payload["here"])
            require_known(tx, way.target.account, Kind.CLIENT, payload["there"])
            self._kept(tx, way, job.remote_id, payload["there"], payload[FILE]["digest"], record.id or "")

        return keep

    def _kept(self, tx: Transaction, way: _Way, here: str, owner: str, digest: str, there: str) -> None:
        """A file stands at both sides."""
        attached.put(tx, way.target.account, owner, digest, there)
        self._link(tx, way, here, there)

    def _link(self, tx: Transaction, way: _Way, here: str, there: str) -> None:
        """Of a content that stands at a side several times, the first is linked as it is, the others beside it."""
        booking_id, pims_id = (here, there) if way.in_pims else (there, here)
        pair = self._pair
        first = links.of_booking(tx, pair.booking.account, Kind.ATTACHMENT, booking_id)
        put: Callable[..., Link] = links.put if first is None or first.pims_id == pims_id else links.put_member
        put(
            tx,
            site=pair.site,
            kind=Kind.ATTACHMENT,
            booking_account=pair.booking.account,
            booking_id=booking_id,
            pims_account=pair.pims.account,
            pims_id=pims_id,
            origin=ONLINE if way.in_pims else DESK,
        )


class _Over(Exception):
    """The work on a file ends here."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.code)
        self.ending = ending


def _is_with(pet: Pet, client_id: str) -> bool:
    return pet.is_owned_by(client_id) and pet.active and not pet.deceased


def _require_taken(target: End, content: Content) -> None:
    """Raises ``Refused`` where a side takes no file of this type or size."""
    able = target.connector.capabilities.of(Kind.ATTACHMENT)
    ending = content.name.rpartition(".")[2].casefold()
    if able.file_types and ending not in able.file_types:
        raise Refused(f"{target.account} takes no files of type {ending}", code="not-supported")
    if able.largest is not None and content.size >= able.largest:
        raise Refused(f"{target.account} takes no files of {able.largest} bytes or more", code="not-supported")


class _Watch:
    """Keeps the lanes of a job while a file comes or goes, and gives up one that takes too long."""

    def __init__(self, ledger: Ledger, clock: Clock, timings: Timings, job: Job) -> None:
        self._ledger = ledger
        self._clock = clock
        self._lease = timings.lease
        self._job = job
        self._began = self._renewed = clock.steady()

    def took_long(self) -> bool:
        """Whether it is a while ago that the watch began, or that this was true."""
        now = self._clock.steady()
        if now - self._began <= LONG:
            return False
        self._began = now
        return True

    def pieces(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces of a file that comes. Raises ``Stale`` where the lanes were taken over."""
        began = self._clock.steady()
        for piece in pieces:
            if self._clock.steady() - began > LONGEST.total_seconds():
                raise BadAnswer("the file comes too slowly to be a file")
            self.mind()
            yield piece

    def content(self, content: Content) -> Content:
        """The same content, minded while it is read."""
        return _Minded(content, self)

    def reader(self, file: BinaryIO) -> BinaryIO:
        """The same file, minded while it is read."""
        began = self._clock.steady()

        def tick() -> None:
            if self._clock.steady() - began > LONGEST.total_seconds():
                raise OutcomeUnknown("the file went too slowly, and was given up on its way")
            self.mind()

        return io.BufferedReader(_Reader(file, tick))

    def mind(self) -> None:
        """Renews the lanes where a third of their time is over."""
        now = self._clock.steady()
        if now - self._renewed < self._lease / 3:
            return
        self._renewed = now
        with self._ledger.write() as tx:
            changes.renew(tx, self._job.leases, timedelta(seconds=self._lease))


@dataclass(frozen=True, slots=True)
class _Minded:
    """A content that is minded while it is read."""

    _content: Content
    _watch: _Watch

    @property
    def name(self) -> str:
        return self._content.name

    @property
    def media_type(self) -> str:
        return self._content.media_type

    @property
    def size(self) -> int:
        return self._content.size

    @property
    def digest(self) -> str:
        return self._content.digest

    def open(self) -> BinaryIO:
        return self._watch.reader(self._content.open())


class _Reader(io.RawIOBase):
    """A file, with a tick before each read."""

    def __init__(self, file: BinaryIO, tick: Callable[[], None]) -> None:
        self._file = file
        self._tick = tick

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        self._tick()
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()
