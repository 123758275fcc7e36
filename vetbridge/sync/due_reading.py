"""Reads what a PIMS tells of pets into the mirror, as far as it decides which services are due: vaccinations,
reminders and visits.

What stands on the cards of their owners is worked out anew by the next round (``vetbridge.sync.due_services``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog

from vetbridge.connector.budgets import in_bulk, in_poll
from vetbridge.connector.interface import Found, Native
from vetbridge.core.errors import MappingError
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet, Reminder, Vaccination
from vetbridge.ledger import accounts, changes, due
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync.job import Ending
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.upgrades import ShapeWatch

log = structlog.get_logger("vetbridge.sync")

READ = (Kind.VACCINATION, Kind.REMINDER)
"""What is read by its own listing; visits come by the polls, but for those that were there before."""

AHEAD = timedelta(days=800)
"""Visits that were there before are read so far ahead."""
_WINDOW = frozenset({"start_from", "start_before"})


def listed(end: End) -> tuple[Kind, ...]:
    """What is listed of a PIMS to know which services are due, as far as it has these."""
    return tuple(kind for kind in (*READ, Kind.APPOINTMENT) if end.connector.capabilities.of(kind).read)


class DueReader:
    """Reads those of one PIMS account."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._end = pair.pims
        self._ledger = ledger
        self._shapes = ShapeWatch(ledger)
        self._unreadable = 0

    def pass_(self) -> int:
        """Reads what changed since the last pass, the first time everything; returns how many records it read.

        A PIMS that tells neither vaccinations nor reminders has no due services, and nothing is read.
        """
        account = self._end.account
        kinds = [kind for kind in READ if kind in listed(self._end)]
        if not kinds:
            return 0
        self._unreadable = 0
        read = sum(self._changed(kind) for kind in kinds)
        with self._ledger.read() as tx:
            first = not due.is_read_through(tx, account)
        if first:
            read += self._visits()
            with self._ledger.write() as tx:
                due.read_through(tx, account)
        if self._unreadable:
            log.warning("due-services.unreadable", account=account, records=self._unreadable)
        return read

    def one(self, kind: Kind, remote_id: str) -> Ending:
        """Works on a hint about one of them."""
        record = self._end.read(kind, remote_id)
        with self._ledger.write() as tx:
            if isinstance(record, (Vaccination, Reminder)):
                pets = due.put(tx, self._end.account, [record])
            else:
                pets = due.remove(tx, self._end.account, kind, [remote_id])
            look_again(tx, self._end.account, pets)
        return Ending(state=ChangeState.DONE, code="mirrored", message="kept for what is due")

    def _changed(self, kind: Kind) -> int:
        end = self._end
        with self._ledger.read() as tx:
            since = accounts.cursor(tx, end.account, kind)
        read = 0
        with in_bulk() if since is None else in_poll():
            for page in end.connector.changes(kind, since):
                self._shapes.saw(end, kind, page)
                records, gone = self._readable(kind, page.records)
                with self._ledger.write() as tx:
                    pets = due.put(tx, end.account, records) | due.remove(tx, end.account, kind, gone)
                    look_again(tx, end.account, pets)
                    if page.last:
                        accounts.move_cursor(tx, end.account, kind, page.cursor)
                read += len(page.records)
        return read

    def _readable(self, kind: Kind, found: Iterable[Found]) -> tuple[list[due.OfPet], list[str]]:
        """Those that can be read, and the ids of those that are gone."""
        records: list[due.OfPet] = []
        gone: list[str] = []
        for each in found:
            if each.native is None:
                gone += [each.id] if each.deleted else []
                continue
            try:
                record = self._end.mapper.read(kind, each.native)
            except MappingError:
                self._unreadable += 1
                continue
            assert isinstance(record, (Vaccination, Reminder))  # noqa: S101 - what the mapper makes of these kinds
            records.append(record)
        return records, gone

    def _visits(self) -> int:
        """Reads the visits that were there before polls kept them."""
        read = 0
        with in_bulk():
            for some in self._every_visit():
                with self._ledger.write() as tx:
                    keep_visits(tx, self._end, some)
                read += len(some)
        return read

    def _every_visit(self) -> Iterable[list[Found]]:
        end = self._end
        if not end.connector.capabilities.of(Kind.APPOINTMENT).search >= _WINDOW:
            yield from (list(page.records) for page in end.connector.changes(Kind.APPOINTMENT, None))
            return
        with self._ledger.read() as tx:
            now, kept = tx.now, due.visits_kept(tx)
        window = {"start_from": now - kept, "start_before": now + AHEAD}
        natives = end.connector.search(
            Kind.APPOINTMENT, {name: moment.isoformat() for name, moment in window.items()}
        )
        some: list[Found] = []
        for native in natives:
            id_ = end.mapper.peek(Kind.APPOINTMENT, native, "id")
            some.append(Found(id=str(id_), native=native))
            if len(some) == changes.AT_ONCE:
                yield some
                some = []
        yield some


def keep_visits(tx: Transaction, end: End, found: Iterable[Found]) -> None:
    """Keeps visits of the PIMS that a listing shows, and takes out those that are gone."""
    every = list(found)
    visits = {each.id: _visit(end, each.id, each.native) for each in every if each.native is not None}
    gone = [each.id for each in every if each.deleted or (each.id in visits and visits[each.id] is None)]
    pets = due.put(tx, end.account, [visit for visit in visits.values() if visit is not None])
    pets |= due.remove(tx, end.account, Kind.APPOINTMENT, gone)
    look_again(tx, end.account, pets)


def _visit(end: End, id_: str, native: Native) -> Appointment | None:
    """As much of a visit as decides whether it holds a service back; None where it has no time or no pet.

    Another site of the same PIMS may have other code lists: a type that this one does not know is none, and a status
    is that of a visit which stands.
    """
    start, pet_id = (_peek(end, native, name) for name in ("start", "pet_id"))
    if not isinstance(start, Instant) or pet_id is None:
        return None
    status, type_ = (_peek(end, native, name) for name in ("status", "appointment_type"))
    return Appointment(
        id=id_,
        pet_id=str(pet_id),
        start=start,
        duration=0,
        status=status if isinstance(status, AppointmentStatus) else AppointmentStatus.BOOKED,
        appointment_type=None if type_ is None else str(type_),
    )


def _peek(end: End, native: Native, name: str) -> object:
    try:
        return end.mapper.peek(Kind.APPOINTMENT, native, name)
    except MappingError:
        return None


def look_again(tx: Transaction, account: str, pet_ids: Iterable[str]) -> None:
    """What stands on the cards of these pets' owners is worked out anew."""
    pets = set(pet_ids)
    if pets:
        due.look_again(tx, account, due.clients_of_pets(tx, account, pets))


def pets_owners(tx: Transaction, account: str, people: Iterable[Client | Pet]) -> set[str]:
    """Whose the pets among these are, as the mirror has it: to be asked before they are put there."""
    return due.clients_of_pets(tx, account, [one.id for one in people if isinstance(one, Pet) and one.id])


def people_changed(tx: Transaction, account: str, people: Iterable[Client | Pet], before: Iterable[str] = ()) -> None:
    """Clients and pets of a PIMS were read that may be others than before: what stands on their cards is worked out
    anew, and at once where somebody died, left or wants no messages. ``before``: whose the pets were until now."""
    every = list(people)
    owners = {owner for one in every if (owner := one.id if isinstance(one, Client) else one.client_id)}
    due.look_again(tx, account, owners | set(before))
    ended = {
        owner
        for one in every
        if _has_ended(one) and (owner := one.id if isinstance(one, Client) else one.client_id) is not None
    }
    due.receive_standing(tx, account, ended)


def _has_ended(one: Client | Pet) -> bool:
    return not one.active or bool(one.opted_out if isinstance(one, Client) else one.deceased)
