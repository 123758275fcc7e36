"""What people ask the ledger: questions that read and change nothing, answered as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core import normalise
from vetbridge.core.answers import FUSE, PAIR_CLIENT
from vetbridge.core.finding import Part
from vetbridge.core.instants import Instant
from vetbridge.core.records import Attachment, Client, Kind, Pet
from vetbridge.ledger import fuses, mirror, reviews, subjects
from vetbridge.ledger import glance as glancing
from vetbridge.ledger.content import rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.glance import AccountReport, Ask, AttemptKey, Glance, SiteReport
from vetbridge.ledger.tables import (
    Account,
    Acknowledgement,
    Action,
    Attempt,
    Change,
    ChangeState,
    Link,
    Moment,
    Record,
    Review,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which changes are asked for; what is None or empty narrows nothing."""

    numbers: Collection[int] | None = None
    states: Collection[str] = ()
    codes: Collection[str] = ()
    site: str | None = None
    account: str | None = None
    kind: str | None = None
    remote_id: str | None = None
    """The id of a record at either side: changes of what is linked with it fit, too."""
    since: datetime | None = None
    """Something happened to them since then; ``until``: and nothing from then on."""
    until: datetime | None = None
    days: Sequence[tuple[str, datetime, datetime]] | None = None
    """By site, from when until when the visit begins."""
    parts: Sequence[Part] | None = None
    """What their records are to be found by, as ``core.finding`` makes it; ``others``: or by one of these keys."""
    others: Collection[str] = ()
    unacknowledged: bool = False
    """Only such as nobody has acknowledged; ``acknowledged``: only such as somebody has."""
    acknowledged: bool = False


ALL = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """One change."""

    id: int
    record_id: int
    site: str
    account: str
    kind: str
    remote_id: str
    state: str
    code: str
    message: str
    source: str
    tries: int
    received_at: datetime
    updated_at: datetime
    next_at: datetime | None
    settled_at: datetime | None
    visit_at: datetime | None
    replay_of: int | None
    """The number of the change that a person asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Failed changes of one account that failed for the same reason."""

    account: str
    code: str
    count: int
    since: datetime
    """When the first of them came to its end."""
    last: datetime
    """When the last of them did."""
    newest: int
    """The number of the newest of them."""
    last_hour: int
    """How many came to their end within the last hour; then within the hour before, and so with days."""
    hour_before: int
    last_day: int
    day_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReport:
    """One try at an action."""

    number: int
    state: str
    code: str
    message: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionReport:
    """One write with its tries."""

    id: int
    account: str
    kind: str
    operation: str
    remote_id: str | None
    state: str
    fields: tuple[str, ...]
    stamp: str
    created_at: datetime
    answered_at: datetime | None
    attempts: tuple[AttemptReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReport:
    """The link of a booking-side record. Holds personal values: ``evidence``."""

    id: int
    site: str
    kind: str
    booking_account: str
    booking_id: str
    pims_account: str
    pims_id: str
    role: str
    part: int
    origin: str
    unlinked: bool
    stamp: str
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    evidence: Any
    """What spoke for it, where a match made it; else None."""
    dropped: bool
    """It has ended, and what it held is no longer kept."""
    booking_mapping: str
    """The mapping by which it was read last at the booking side, as a hash; then the PIMS's."""
    pims_mapping: str
    follows: int | None
    """The link of the visit that its owner missed, and after which this one was booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionReport:
    """A question for a person. Holds personal values: ``question``."""

    id: int
    change_id: int
    record_id: int | None
    """None for a question about a whole pair: the fuse's."""
    site: str
    account: str
    """The account of the record that is asked about, its kind, and its id there; empty where there is none."""
    kind: str
    remote_id: str
    state: str
    why: str
    visit_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    closed_why: str
    snoozed_until: datetime | None
    answer: str
    """What a person chose; empty where nobody has answered."""
    answer_client_id: str | None
    answer_pet_id: str | None
    answered_by: str
    answered_at: datetime | None
    applied_at: datetime | None
    question: Mapping[str, Any]
    """Empty where it is no longer kept."""
    dropped: bool
    """It is over, and what was asked is no longer kept."""
    link: LinkReport | None
    """Where the visit stands meanwhile; None where it is not written."""
    held: tuple[ChangeReport, ...]
    """What the fuse holds back, for its own question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """An open question without what it asks: enough to put it in its place, to count it and to narrow a list."""

    id: int
    site: str
    why: str
    kind: str
    """Of the record that is asked about; empty for a question about a whole pair."""
    visit_at: datetime | None
    """When the visit begins; for a fuse's question the soonest one that it holds back."""
    opened_at: datetime
    snoozed_until: datetime | None
    """Somebody said "not now"; None where nobody did, or where that time is over."""
    claimed_by: str
    """Who looks at it now; empty where nobody does."""
    claimed_until: datetime | None
    assigned_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that is known of one change."""

    change: ChangeReport
    actions: tuple[ActionReport, ...]
    link: LinkReport | None
    client_link: LinkReport | None
    """The link of the visit's client: it carries the evidence."""
    questions: tuple[QuestionReport, ...]
    episodes: tuple[ChangeReport, ...]
    """Every change of the same record, oldest first, this one too."""


def glance(tx: Transaction) -> Glance:
    """What ``status`` shows."""
    return glancing.take(_asking(tx), tx.now)


def account_reports(tx: Transaction) -> dict[str, AccountReport]:
    """Every account that the ledger knows, by name."""
    return glancing.account_reports(_asking(tx))


def site_reports(tx: Transaction) -> dict[str, SiteReport]:
    """Every site that the ledger knows changes of, by name."""
    return glancing.site_reports(_asking(tx))


def newest_attempt(tx: Transaction) -> int:
    """The number of the newest attempt at a write; 0 where there is none."""
    return glancing.newest_attempt(_asking(tx))


def attempts_after(tx: Transaction, number: int) -> tuple[Counter[AttemptKey], int]:
    """How many attempts after a number have ended, and how; and the number up to which they are counted now."""
    return glancing.attempts_after(_asking(tx), number, tx.now)


def newest_moment(tx: Transaction) -> datetime | None:
    """The latest moment at which the ledger says that something happened."""
    return tx.session.exec(select(sa.func.max(Change.updated_at))).one()


def list_changes(
    tx: Transaction, *, states: Collection[str] = (), account: str | None = None, limit: int
) -> tuple[int, tuple[ChangeReport, ...]]:
    """How many changes are in these states, and the newest of them."""
    return find_changes(tx, Filter(states=states, account=account), limit=limit)


def find_changes(tx: Transaction, wanted: Filter, *, limit: int) -> tuple[int, tuple[ChangeReport, ...]]:
    """How many changes fit, and the newest of them."""
    fits = fitting(tx, wanted)
    # Numbers first: an index alone tells them, where whole rows would all be read to be put in order.
    newest = tx.session.exec(select(Change.id).where(*fits).order_by(col(Change.id).desc()).limit(limit)).all()
    rows = tx.session.exec(select(Change).where(col(Change.id).in_(newest)).order_by(col(Change.id).desc())).all()
    return count_changes(tx, wanted), tuple(_change(row) for row in rows)


def count_changes(tx: Transaction, wanted: Filter) -> int:
    """How many changes fit."""
    return tx.session.exec(select(sa.func.count()).select_from(Change).where(*fitting(tx, wanted))).one()


def failure_groups(tx: Transaction, wanted: Filter = ALL) -> tuple[FailureGroup, ...]:
    """Failed changes that fit by account and code, the most frequent first."""
    ended = col(Change.updated_at)

    def within(begins: datetime, ends: datetime | None = None) -> sa.ColumnElement[int]:
        inside = ended >= begins if ends is None else sa.and_(ended >= begins, ended < ends)
        return sa.func.sum(sa.case((inside, 1), else_=0))

    now, count = tx.now, sa.func.count()
    rows = tx.session.execute(
        sa.select(
            col(Change.account),
            col(Change.code),
            count,
            sa.func.min(ended),
            sa.func.max(ended),
            sa.func.max(col(Change.id)),
            within(now - HOUR),
            within(now - 2 * HOUR, now - HOUR),
            within(now - DAY),
            within(now - 2 * DAY, now - DAY),
        )
        .where(col(Change.state) == ChangeState.FAILED, *fitting(tx, wanted))
        .group_by(Change.account, Change.code)
        .order_by(count.desc(), col(Change.code), col(Change.account))
    ).all()
    return tuple(
        FailureGroup(
            account=account,
            code=code,
            count=number,
            since=first,
            last=last,
            newest=newest,
            last_hour=windows[0],
            hour_before=windows[1],
            last_day=windows[2],
            day_before=windows[3],
        )
        for account, code, number, first, last, newest, *windows in rows
    )


def episodes(tx: Transaction, record_ids: Collection[int]) -> dict[int, ChangeReport]:
    """The newest change of each of these records."""
    newest = (
        sa.select(sa.func.max(col(Change.id)))
        .where(col(Change.record_id).in_(sorted(record_ids)))
        .group_by(col(Change.record_id))
    )
    rows = tx.session.exec(select(Change).where(col(Change.id).in_(newest)))
    return {row.record_id: _change(row) for row in rows}


def story(tx: Transaction, change_id: int) -> Story | None:
    """All that is known of one change; None where there is none of this number."""
    row = tx.session.get(Change, change_id)
    if row is None:
        return None
    link = _link_row(tx, row.account, row.kind, row.remote_id)
    others = tx.session.exec(select(Change).where(Change.record_id == row.record_id).order_by(col(Change.id)))
    asked = tx.session.exec(select(Review).where(Review.record_id == row.record_id).order_by(col(Review.id)))
    return Story(
        change=_change(row),
        actions=_actions(tx, change_id),
        link=None if link is None else _link(tx, link),
        client_link=None if link is None else _client_link(tx, link),
        questions=tuple(_question(tx, item) for item in asked),
        episodes=tuple(_change(episode) for episode in others),
    )


def change(tx: Transaction, change_id: int) -> ChangeReport | None:
    """One change; None where there is none of this number."""
    row = tx.session.get(Change, change_id)
    return None if row is None else _change(row)


def open_list(tx: Transaction, *, site: str | None = None, pairing: bool | None = None) -> tuple[OpenQuestion, ...]:
    """Every open question, the soonest visit first; those without a visit's time come after them, and at the very
    end those about which client somebody is, family by family. Nothing but a family's name is unsealed for it.

    A fuse's question stands where the soonest visit that it holds back would stand. ``site``: only that one's.
    ``pairing``: only those at the very end, or all but those.
    """
    fits = [col(Review.state) == "open"]
    if site is not None:
        fits.append(col(Review.site) == site)
    if pairing is not None:
        fits.append((col(Review.why) == PAIR_CLIENT) if pairing else (col(Review.why) != PAIR_CLIENT))
    rows = tx.session.execute(
        sa.select(
            *(col(each) for each in (Review.id, Review.record_id, Review.site, Review.why, Change.kind)),
            *(col(each) for each in (Review.visit_at, Review.opened_at, Review.snoozed_until)),
            *(col(each) for each in (Review.claimed_by, Review.claimed_until, Review.assigned_to)),
            sa.case((col(Review.why) == PAIR_CLIENT, col(Review.question_sealed))).label("sealed"),
        )
        .select_from(Review)
        .join(Change, col(Change.id) == col(Review.change_id))
        .where(*fits)
    ).all()
    placed = []
    for row in rows:
        last = row.why == PAIR_CLIENT
        of_site = row.record_id is None
        visit_at = row.visit_at
        if of_site and row.why == FUSE:
            visits = [each.visit_at for each in fuses.held(tx, row.site) if each.visit_at is not None]
            visit_at = min(visits, default=None)
        claimed = row.claimed_until is not None and row.claimed_until > tx.now
        off = row.snoozed_until is not None and row.snoozed_until > tx.now
        listed = OpenQuestion(
            id=row.id,
            site=row.site,
            why=row.why,
            kind="" if of_site else row.kind,
            visit_at=visit_at,
            opened_at=row.opened_at,
            snoozed_until=row.snoozed_until if off else None,
            claimed_by=row.claimed_by if claimed else "",
            claimed_until=row.claimed_until if claimed else None,
            assigned_to=row.assigned_to,
        )
        when = tx.now if last else visit_at or row.opened_at
        family = _family(tx, row.sealed) if last else ""
        placed.append(((last, visit_at is None, when, family, row.id), listed))
    return tuple(listed for _, listed in sorted(placed, key=lambda each: each[0]))


def open_questions(tx: Transaction) -> tuple[QuestionReport, ...]:
    """The same with all that they ask."""
    asked = (question(tx, each.id) for each in open_list(tx))
    return tuple(each for each in asked if each is not None)


def _family(tx: Transaction, sealed: bytes | None) -> str:
    client = None if sealed is None else rich(tx.sealer.open(sealed).get("booking"))
    if not isinstance(client, Client):
        return ""
    # A whole name may stand in one field; the family's is mostly its last word.
    return normalise.name(client.family_name) or normalise.name(client.full_name).rpartition(" ")[2]


def question(tx: Transaction, item_id: int) -> QuestionReport | None:
    """The question of this number, open or not; None where there is none."""
    row = reviews.item(tx, item_id)
    return None if row is None else _question(tx, row)


def list_links(
    tx: Transaction, *, site: str | None = None, kind: str | None = None, unlinked: bool = False, limit: int
) -> tuple[int, tuple[LinkReport, ...]]:
    """How many links that hold now fit, and the newest of them. ``unlinked``: only visits without their owner."""
    fits: list[sa.ColumnElement[bool]] = [col(Link.ended_at).is_(None)]
    if site is not None:
        fits.append(col(Link.site) == site)
    if kind is not None:
        fits.append(col(Link.kind) == kind)
    if unlinked:
        fits.append(col(Link.unlinked).is_(True))
    total = tx.session.exec(select(sa.func.count()).select_from(Link).where(*fits)).one()
    rows = tx.session.exec(select(Link).where(*fits).order_by(col(Link.id).desc()).limit(limit)).all()
    return total, tuple(_link(tx, row) for row in rows)


def links_of(tx: Transaction, remote_id: str) -> tuple[LinkReport, ...]:
    """Every link of a record that bears this id at either side, ended ones too, the newest first."""
    rows = tx.session.exec(
        select(Link)
        .where(sa.or_(col(Link.booking_id) == remote_id, col(Link.pims_id) == remote_id))
        .order_by(col(Link.id).desc())
    ).all()
    return tuple(_link(tx, row) for row in rows)


def link(tx: Transaction, link_id: int) -> LinkReport | None:
    """The link of this number, ended or not; None where there is none."""
    row = tx.session.get(Link, link_id)
    return None if row is None else _link(tx, row)


def link_of(tx: Transaction, account: str, kind: str, remote_id: str) -> LinkReport | None:
    """The link in which a record stands now at either side, the newest where there are several."""
    row = _link_row(tx, account, kind, remote_id)
    return None if row is None else _link(tx, row)


def begins(tx: Transaction, link_id: int) -> Instant | None:
    """When a linked visit begins in the PIMS, as both sides were settled; None where that is kept no more."""
    row = tx.session.get(Link, link_id)
    base = {} if row is None or row.pims_base_sealed is None else rich(tx.sealer.open(row.pims_base_sealed))
    start = base.get("start")
    return start if isinstance(start, Instant) else None


def stands_on(tx: Transaction, link_id: int) -> tuple[str | None, str | None]:
    """The client and the pet of the PIMS on whom a linked visit stood when both sides were settled."""
    row = tx.session.get_one(Link, link_id)
    base = {} if row.pims_base_sealed is None else rich(tx.sealer.open(row.pims_base_sealed))
    return base.get("client_id"), base.get("pet_id")


def files(tx: Transaction, record_ids: Collection[int]) -> dict[int, tuple[Attachment, str, str]]:
    """The files that these records are, with the names of the pet and of the client they stand on; empty where
    nobody knows them. A client of the booking side bears the name that its card had when it was last settled."""
    found = {}
    for number, file in subjects.contents(tx, record_ids).items():
        if isinstance(file, Attachment):
            found[number] = (file, *_bearing(tx, tx.session.get_one(Record, number).account, file))
    return found


def _bearing(tx: Transaction, account: str, file: Attachment) -> tuple[str, str]:
    """The names of the pet and of the client that a file stands on."""
    client_id = file.client_id or mirror.owner_of(tx, account, file.pet_id or "")
    if client_id is None:
        return "", ""
    client, pets = mirrored(tx, account, [client_id]).get(client_id, (None, ()))
    pet = next((pet.name for pet in pets if pet.id == file.pet_id), "")
    if client is not None:
        return pet, client.full_name
    link = _link_row(tx, account, Kind.CLIENT, client_id)
    if link is None or link.booking_account != account or link.booking_base_sealed is None:
        return pet, ""
    return pet, str(rich(tx.sealer.open(link.booking_base_sealed)).get("name") or "")


def mirrored(tx: Transaction, account: str, client_ids: Collection[str]) -> dict[str, tuple[Client, tuple[Pet, ...]]]:
    """Clients with all pets for which they may book, as the mirror has them, by id; those that it does not have are
    left out."""
    return {
        known.client_id: (known.client, (*known.pets, *mirror.pets_of_others(tx, account, known.client_id)))
        for known in mirror.clients(tx, account, client_ids)
    }


def _asking(tx: Transaction) -> Ask:
    """Asks in a transaction what ``vetbridge.ledger.glance`` writes as text."""

    def ask(sql: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        statement = sa.text(sql)
        given: dict[str, Any] = {**({"now": tx.now} if ":now" in sql else {}), **values}
        moments = [name for name, value in given.items() if isinstance(value, datetime)]
        statement = statement.bindparams(*(sa.bindparam(name, type_=Moment) for name in moments))
        return [tuple(row) for row in tx.session.execute(statement, given)]

    return ask


def fitting(tx: Transaction, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """A filter as conditions of a query over changes."""
    fits: list[sa.ColumnElement[bool]] = []
    if wanted.numbers is not None:
        fits.append(col(Change.id).in_(sorted(wanted.numbers)))
    if wanted.states:
        fits.append(col(Change.state).in_(sorted(wanted.states)))
    if wanted.codes:
        fits.append(col(Change.code).in_(sorted(wanted.codes)))
    for column, value in ((Change.site, wanted.site), (Change.account, wanted.account), (Change.kind, wanted.kind)):
        if value is not None:
            fits.append(col(column) == value)
    if wanted.remote_id is not None:
        fits.append(col(Change.record_id).in_(_records_of(tx, wanted.remote_id)))
    if wanted.since is not None:
        fits.append(col(Change.updated_at) >= wanted.since)
    if wanted.until is not None:
        fits.append(col(Change.updated_at) < wanted.until)
    if wanted.days is not None:
        fits.append(subjects.on_days(wanted.days, col(Change.visit_at), col(Change.site)))
    if wanted.parts is not None:
        fits.append(col(Change.record_id).in_(subjects.fitting(tx, wanted.parts, wanted.others)))
    seen_to = sa.exists().where(col(Acknowledgement.change_id) == col(Change.id))
    if wanted.unacknowledged:
        fits.append(~seen_to)
    if wanted.acknowledged:
        fits.append(seen_to)
    return fits


def _records_of(tx: Transaction, remote_id: str) -> tuple[int, ...]:
    """The records that bear an id at any side, and those that are linked with them."""
    accounts = tx.session.exec(select(Account.name)).all()
    # An index leads from account, kind and id to a record, and none from the id alone.
    pairs = {(account, remote_id) for account in accounts}
    for link in links_of(tx, remote_id):
        pairs |= {(link.booking_account, link.booking_id), (link.pims_account, link.pims_id)}
    found: list[int] = []
    for account, id_ in sorted(pairs):
        found += tx.session.scalars(
            sa.select(col(Record.id)).where(
                col(Record.account) == account,
                col(Record.kind).in_([kind.value for kind in Kind]),
                col(Record.remote_id) == id_,
            )
        )
    return tuple(found)


def _change(row: Change) -> ChangeReport:
    assert row.id is not None  # noqa: S101 - it came from the ledger
    return ChangeReport(
        id=row.id,
        record_id=row.record_id,
        site=row.site,
        account=row.account,
        kind=row.kind,
        remote_id=row.remote_id,
        state=row.state,
        code=row.code,
        message=row.message,
        source=row.source,
        tries=row.tries,
        received_at=row.received_at,
        updated_at=row.updated_at,
        next_at=row.next_at,
        settled_at=row.settled_at,
        visit_at=row.visit_at,
        replay_of=row.replay_of,
    )


def _actions(tx: Transaction, change_id: int) -> tuple[ActionReport, ...]:
    found = []
    for row in tx.session.exec(select(Action).where(Action.change_id == change_id).order_by(col(Action.id))):
        assert row.id is not None  # noqa: S101 - it came from the ledger
        tries = tx.session.exec(select(Attempt).where(Attempt.action_id == row.id).order_by(col(Attempt.number)))
        found.append(
            ActionReport(
                id=row.id,
                account=row.account,
                kind=row.kind,
                operation=row.operation,
                remote_id=row.remote_id,
                state=row.state,
                fields=tuple(row.fields.split()),
                stamp=row.stamp,
                created_at=row.created_at,
                answered_at=row.answered_at,
                attempts=tuple(
                    AttemptReport(
                        number=attempt.number,
                        state=attempt.state,
                        code=attempt.code,
                        message=attempt.message,
                        started_at=attempt.started_at,
                        ended_at=attempt.ended_at,
                    )
                    for attempt in tries
                ),
            )
        )
    return tuple(found)


def _link_row(tx: Transaction, account: str, kind: str, remote_id: str) -> Link | None:
    found = [
        tx.session.exec(
            select(Link)
            .where(Link.kind == kind, of == account, id_ == remote_id, col(Link.ended_at).is_(None))
            .order_by(col(Link.id).desc())
            .limit(1)
        ).first()
        # One look-up a side: an index serves each, and none serves both at once.
        for of, id_ in ((Link.booking_account, Link.booking_id), (Link.pims_account, Link.pims_id))
    ]
    return max((link for link in found if link is not None), key=lambda link: link.id or 0, default=None)


def _client_link(tx: Transaction, visit: Link) -> LinkReport | None:
    """The link of the client on whom a visit was written."""
    if visit.pims_base_sealed is None or visit.unlinked:
        return None
    client_id = rich(tx.sealer.open(visit.pims_base_sealed)).get("client_id")
    row = tx.session.exec(
        select(Link)
        .where(
            Link.kind == Kind.CLIENT,
            Link.booking_account == visit.booking_account,
            Link.pims_account == visit.pims_account,
            Link.pims_id == client_id,
            col(Link.ended_at).is_(None),
        )
        .order_by(col(Link.id).desc())
        .limit(1)
    ).first()
    return None if row is None else _link(tx, row)


def _link(tx: Transaction, row: Link) -> LinkReport:
    assert row.id is not None  # noqa: S101 - it came from the ledger
    return LinkReport(
        id=row.id,
        site=row.site,
        kind=row.kind,
        booking_account=row.booking_account,
        booking_id=row.booking_id,
        pims_account=row.pims_account,
        pims_id=row.pims_id,
        role=row.role,
        part=row.part,
        origin=row.origin,
        unlinked=row.unlinked,
        stamp=row.stamp,
        created_at=row.created_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
        evidence=None if row.evidence_sealed is None else rich(tx.sealer.open(row.evidence_sealed)),
        dropped=row.ended_at is not None and bool(row.booking_mapping) and row.booking_base_sealed is None,
        booking_mapping=row.booking_mapping,
        pims_mapping=row.pims_mapping,
        follows=row.follows,
    )


def _question(tx: Transaction, item: Review) -> QuestionReport:
    assert item.id is not None  # noqa: S101 - it came from the ledger
    # A question about a whole pair names the change at which it came up, and is not about that one's record.
    change = None if item.record_id is None else tx.session.get(Change, item.change_id)
    link = None if change is None else _link_row(tx, change.account, change.kind, change.remote_id)
    asked = reviews.question(tx, item)
    held = fuses.held(tx, item.site) if item.why == FUSE and item.record_id is None and item.state == "open" else ()
    return QuestionReport(
        id=item.id,
        change_id=item.change_id,
        record_id=item.record_id,
        site=item.site,
        account="" if change is None else change.account,
        kind="" if change is None else change.kind,
        remote_id="" if change is None else change.remote_id,
        state=item.state,
        why=item.why,
        visit_at=item.visit_at,
        opened_at=item.opened_at,
        closed_at=item.closed_at,
        closed_why=item.closed_why,
        snoozed_until=item.snoozed_until,
        answer=item.answer,
        answer_client_id=item.answer_client_id,
        answer_pet_id=item.answer_pet_id,
        answered_by=item.answered_by,
        answered_at=item.answered_at,
        applied_at=item.applied_at,
        question=asked if isinstance(asked, Mapping) else {},
        dropped=item.question_sealed is None and item.state != "open",
        link=None if link is None else _link(tx, link),
        held=tuple(_change(each) for each in held),
    )
