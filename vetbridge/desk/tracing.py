"""The whole way of one booking over all its records: what became of it here and there, and on whom it stands.

Each change's own story is told by ``vetbridge.desk.changes``; here they are put together in the order of time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from vetbridge.core.records import Kind
from vetbridge.desk.changes import story
from vetbridge.desk.language import moment, phrase
from vetbridge.desk.wording import record_words
from vetbridge.ledger import due, reports
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import Filter, LinkReport

MOST_RECORDS = 50
"""Records of one way: a record that was linked anew again and again ends there."""
MOST_CHANGES = 500
"""The newest changes of a record that are told."""
HIGHEST = 2**63 - 1
"""The highest number that a ledger can give."""

_NUMBERED = re.compile(r"(?:(change|question|link)/)?(\d{1,19})")


class NothingTraced(LookupError):
    """Nothing is known by this reference; the message says of what there is none."""


@dataclass(frozen=True, slots=True, order=True)
class TracedRecord:
    """One record of the way."""

    account: str
    kind: str
    remote_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedLink:
    """Two records that are, or were, one."""

    id: int
    booking: TracedRecord
    pims: TracedRecord
    origin: str
    unlinked: bool
    """The visit stands without its owner, or on the placeholder."""
    since: datetime
    ended_at: datetime | None
    follows: int | None
    """The link of the visit that its owner missed, and after which this one was booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedEvent:
    """Something that happened."""

    at: datetime
    stage: str
    """As in the story of a change; ``link-ended`` where a link did, ``follows`` where it is of a visit after a missed
    one, ``notice`` where one went to the owner, or was to."""
    record: TracedRecord
    """To which record."""
    change: int | None
    """In which change; None where it was in none."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All that is known, oldest first. Ids and codes alone, and who of the staff did what."""

    records: tuple[TracedRecord, ...]
    """The visit at both sides, or what else was asked for; then on whom it stands."""
    links: tuple[TracedLink, ...]
    changes: tuple[int, ...]
    questions: tuple[int, ...]
    events: tuple[TracedEvent, ...]


def trace(tx: Transaction, reference: str) -> Trace:
    """The way of what is referred to. Raises ``NothingTraced``.

    ``reference``: the number of a change, ``question/NUMBER``, ``link/NUMBER``, or ``ACCOUNT/KIND/ID``.
    """
    begin = _begin(tx, reference.strip())
    own = _connected(tx, begin)
    links = list(_links(tx, own))
    changes: list[int] = []
    questions: list[int] = []
    events: list[TracedEvent] = []
    for record in own:
        for number in _changes(tx, record):
            known = story(tx, number)
            if known is None:
                continue
            changes.append(number)
            questions += [item for item in known.questions if item not in questions]
            events += [
                TracedEvent(at=each.at, stage=each.stage, record=record, change=number, words=each.words)
                for each in known.timeline
            ]
        events += _notices(tx, record)
    if not links and not changes:
        raise NothingTraced(reference)
    owners = [each for link in links for each in _owners(tx, link)]
    links += [each for each in _by_number(owners) if each.id not in {link.id for link in links}]
    told = {event.at for event in events if event.stage == "linked"}
    for link in links:
        events += _link_events(link, told=link.created_at in told)
        events += _following(tx, link)
    records = dict.fromkeys([*own, *(end for link in links for end in _ends(link))])
    return Trace(
        records=tuple(records),
        links=tuple(_traced(link) for link in links),
        changes=tuple(sorted(changes)),
        questions=tuple(sorted(questions)),
        events=tuple(sorted(events, key=lambda event: event.at)),
    )


def _begin(tx: Transaction, reference: str) -> list[TracedRecord]:
    """The records that a reference names."""
    numbered = _NUMBERED.fullmatch(reference)
    if numbered is None:
        account, _, rest = reference.partition("/")
        kind, _, remote_id = rest.partition("/")
        if kind not in {each.value for each in Kind} or not account or not remote_id:
            raise NothingTraced(reference)
        return [TracedRecord(account, kind, remote_id)]
    number = min(int(numbered[2]), HIGHEST)
    if numbered[1] == "link":
        link = reports.link(tx, number)
        if link is None:
            raise NothingTraced(reference)
        return list(_ends(link))
    if numbered[1] == "question":
        item = reports.question(tx, number)
        if item is None:
            raise NothingTraced(reference)
        number = item.change_id
    change = reports.change(tx, number)
    if change is None:
        raise NothingTraced(reference)
    return [TracedRecord(change.account, change.kind, change.remote_id)]


def _connected(tx: Transaction, begin: list[TracedRecord]) -> list[TracedRecord]:
    """These records and all that they are or were linked with, the booking side's first."""
    found: dict[TracedRecord, None] = {}
    waiting = list(begin)
    booking: set[TracedRecord] = set()
    while waiting and len(found) < MOST_RECORDS:
        record = waiting.pop(0)
        if record in found:
            continue
        found[record] = None
        for link in _links(tx, [record]):
            here, there = _ends(link)
            booking.add(here)
            waiting += [here, there]
    return sorted(found, key=lambda record: record not in booking)


def _links(tx: Transaction, records: list[TracedRecord]) -> list[LinkReport]:
    """Every link of these records, ended ones too, the oldest first."""
    found = [link for record in records for link in reports.links_of(tx, record.remote_id) if record in _ends(link)]
    return _by_number(found)


def _by_number(links: list[LinkReport]) -> list[LinkReport]:
    return [link for _, link in sorted({link.id: link for link in links}.items())]


def _ends(link: LinkReport) -> tuple[TracedRecord, TracedRecord]:
    return (
        TracedRecord(link.booking_account, link.kind, link.booking_id),
        TracedRecord(link.pims_account, link.kind, link.pims_id),
    )


def _owners(tx: Transaction, link: LinkReport) -> Iterator[LinkReport]:
    """The links of the client and the pet on whom a visit stands."""
    if link.kind != Kind.APPOINTMENT or link.unlinked:
        return
    client_id, pet_id = reports.stands_on(tx, link.id)
    for kind, remote_id in ((Kind.CLIENT, client_id), (Kind.PET, pet_id)):
        found = None if remote_id is None else reports.link_of(tx, link.pims_account, kind, remote_id)
        if found is not None:
            yield found


def _changes(tx: Transaction, record: TracedRecord) -> list[int]:
    """The changes of just this record, the oldest first."""
    wanted = Filter(account=record.account, kind=record.kind, remote_id=record.remote_id)
    _, found = reports.find_changes(tx, wanted, limit=MOST_CHANGES)
    return sorted(each.id for each in found if each.remote_id == record.remote_id)


def _link_events(link: LinkReport, *, told: bool) -> Iterator[TracedEvent]:
    """That a link was made, unless a change's story tells it, and that it ended."""
    here, there = _ends(link)
    said = {"record": record_words(there.kind, there.remote_id), "account": there.account}
    if not told:
        words = phrase("linked with {record} at {account}", **said)
        yield TracedEvent(at=link.created_at, stage="linked", record=here, change=None, words=words)
    if link.ended_at is not None:
        words = phrase("the link with {record} at {account} ended", **said)
        yield TracedEvent(at=link.ended_at, stage="link-ended", record=here, change=None, words=words)


def _following(tx: Transaction, link: LinkReport) -> Iterator[TracedEvent]:
    """That a visit was booked after a missed one."""
    if link.follows is None:
        return
    begun = reports.begins(tx, link.follows)
    if begun is None:
        words = phrase("follows a visit that was missed")
    else:
        words = phrase("follows the visit of {moment}, which was missed", moment=moment(begun.at_site()))
    yield TracedEvent(at=link.created_at, stage="follows", record=_ends(link)[0], change=None, words=words)


def _notices(tx: Transaction, record: TracedRecord) -> Iterator[TracedEvent]:
    """The notices of a card, whether it is asked for as a client or as what stands on it."""
    if record.kind not in (Kind.CLIENT, Kind.REMINDER):
        return
    for at, state in due.notices_of(tx, record.account, record.remote_id):
        if state == due.SENT:
            words = phrase("a notice was sent to the owner")
        elif state == due.NOT_DONE:
            words = phrase("the booking side refused a notice to the owner")
        else:
            words = phrase("a notice to the owner is in doubt: nobody knows whether it got there")
        yield TracedEvent(at=at, stage="notice", record=record, change=None, words=words)


def _traced(link: LinkReport) -> TracedLink:
    here, there = _ends(link)
    return TracedLink(
        id=link.id,
        booking=here,
        pims=there,
        origin=link.origin,
        unlinked=link.unlinked,
        since=link.created_at,
        ended_at=link.ended_at,
        follows=link.follows,
    )
