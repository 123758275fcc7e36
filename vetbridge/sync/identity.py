"""Which record a record is, where its id alone does not say: reused, renumbered, or written by VetBridge itself.

An id is a vendor's word, and vendors give ids anew. So a fingerprint stands beside it: the same fingerprint under
another id is a move; another fingerprint under the same id is another record, and a question.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from vetbridge.core import normalise
from vetbridge.core.answers import COPIED, REUSED
from vetbridge.core.errors import MappingError
from vetbridge.core.matching import same_person
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet
from vetbridge.ledger import actions, changes, links
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import ChangeState, Link
from vetbridge.sync.comparing import stamp_of
from vetbridge.sync.job import Ask, Ending, Job
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.slots import WINDOW_KEYS, window

OWN = Ending(
    state=ChangeState.DONE,
    code="own-write",
    message="VetBridge wrote it itself, later than it seemed; it is worked on with the record it was written for",
)
_FINGERPRINT = ("start", "client_id", "pet_id", "resource", "appointment_type")


def has_another_name(base: Mapping[str, object], now: Client) -> bool:
    """Whether a client does not bear the name of the one whose comparable fields were kept."""
    given, _, family = str(base.get("name") or "").rpartition(" ")
    same = " ".join(now.full_name.split()) == base.get("name")
    return bool(family) and not same and not same_person(Client(given_name=given, family_name=family), now)


def is_another_client(base: Mapping[str, object], now: Client, country: str) -> bool:
    """Whether a client is somebody else than the one whose comparable fields were kept: another name, and neither
    phone nor e-mail address in common."""
    if not has_another_name(base, now):
        return False
    phones = {number for text in now.phones for number in normalise.phones(text, country)}
    emails = {normalise.email(text) for text in now.emails}
    known = {text for text in (base.get("phone"), base.get("email")) if text}
    return bool(known) and known.isdisjoint(phones | emails)


def is_same_booked(asked: Appointment, now: Appointment) -> bool:
    """Whether a booking is still for the owner and the animal that it was for, by their names as far as both say
    them, and by the species."""
    was, booker = asked.booker or Client(), now.booker or Client()
    one, other = normalise.name(was.full_name), normalise.name(booker.full_name)
    if one and other and one != other and not same_person(was, booker):
        return False
    before, pet = asked.booked_pet or Pet(name=""), now.booked_pet or Pet(name="")
    pairs = ((normalise.pet_name(before.name), normalise.pet_name(pet.name)), (before.species, pet.species))
    return all(not one or not other or one == other for one, other in pairs)


def require_same_visit(link: Link, base: Mapping[str, object] | None, there: Appointment) -> None:
    """Raises ``Ask`` where everything about a visit is another one's: its owner, its pet and its time.

    What carries the stamp of the link is the visit itself, whatever else has changed.
    """
    if base is None or link.unlinked or stamp_of(there) == link.stamp != "":
        return
    if all(base.get(name) not in (None, getattr(there, name)) for name in ("client_id", "pet_id", "start")):
        raise Ask(REUSED, "the visit has another owner, another pet and another time at once", {"pims": there})


def renumbered(job: Job, ledger: Ledger, end: End, link: Link) -> Appointment | None:
    """The visit of a link whose id the PIMS no longer shows, where it stands there under another id; the link points
    to that from then on. None where nothing looks like it, or several do."""
    if not end.connector.capabilities.of(Kind.APPOINTMENT).search >= WINDOW_KEYS:
        return None
    with ledger.read() as tx:
        _, base = links.bases(tx, link)
        begin = link.visit_at
    if base is None or begin is None or base.get("status") == AppointmentStatus.CANCELLED:
        return None
    found = []
    for native in end.connector.search(Kind.APPOINTMENT, window(begin, begin + timedelta(minutes=1))):
        try:
            other = end.mapper.read(Kind.APPOINTMENT, native)
        except MappingError:
            continue
        if _is_it(link, base, other):
            found.append(other)
    if len(found) != 1:
        return None
    with ledger.write() as tx:
        changes.held(tx, job.leases)
        if links.of_pims(tx, end.account, Kind.APPOINTMENT, found[0].id or "") is not None:
            return None
        links.point(tx, link, pims_id=found[0].id)
    return found[0]


def _is_it(link: Link, base: Mapping[str, object], other: Appointment) -> bool:
    if other.id == link.pims_id or other.status is AppointmentStatus.CANCELLED:
        return False
    if link.stamp and stamp_of(other) == link.stamp:
        return True
    people = base.get("client_id") is not None and not link.unlinked
    return people and all(base.get(name) == getattr(other, name) for name in _FINGERPRINT)


class Identity:
    """Recognises the visits of one pair that VetBridge knows under another id, or has written itself."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair
        self._ledger = ledger

    def known_elsewhere(self, job: Job, end: End, record: Appointment) -> Ending | None:
        """How the work on a visit ends that no link leads to, and that is none of its own; None where it is.

        Raises ``Ask`` where it looks like a second copy of a visit that stands.
        """
        if record.status is AppointmentStatus.CANCELLED:
            return None
        return self._late(job, end, record) or self._moved(job, end, record)

    def _late(self, job: Job, end: End, record: Appointment) -> Ending | None:
        """A write that was looked for in vain, and landed after all: its own work looks for it again."""
        stamp = stamp_of(record)
        with self._ledger.read() as tx:
            late = actions.refuted(tx, end.account, stamp) if stamp else None
        if late is None:
            return None
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            record_id = actions.doubt(tx, late)
            if record_id is not None:
                changes.receive_again(tx, record_id, "late-write")
        return OWN

    def _moved(self, job: Job, end: End, record: Appointment) -> Ending | None:
        """A visit that carries the stamp of another one, or looks just like it: the same under a new id where the
        other one is gone; else a copy, about which a person is asked."""
        stamp = stamp_of(record)
        in_pims = end.account == self._pair.pims.account
        with self._ledger.read() as tx:
            stamped = links.of_stamp(tx, end.account, stamp) if stamp else None
            like = links.visits_at(tx, end.account, record.start.utc) if in_pims else ()
            near = [link for link in like if _is_it(link, links.bases(tx, link)[1] or {}, record)]
        for link in [stamped] if stamped is not None else near:
            id_ = link.pims_id if in_pims else link.booking_id
            other = end.read(Kind.APPOINTMENT, id_)
            if other is None:
                if not in_pims or link.visit_at != record.start.utc:
                    continue  # one miss proves nothing; that one's own work finds out
                with self._ledger.write() as tx:
                    changes.held(tx, job.leases)
                    links.point(tx, link, pims_id=record.id)
                    changes.receive_linked(tx, link, "renumbered")
                return OWN
            assert isinstance(other, Appointment)  # noqa: S101 - what the mapper makes of this kind
            if stamped and other.status is not AppointmentStatus.CANCELLED and other.start == record.start:
                raise Ask(
                    COPIED,
                    f"{end.account}: it carries VetBridge's mark of another visit at the same time ({id_})",
                    {"pims": record, "other": other, "ids": sorted([id_, record.id or ""])},
                )
        return None
