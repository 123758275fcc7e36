"""Events that channels are told, and their deliveries: ids and codes alone, no personal value.

A channel is a webhook of the config, a mail (``mail/NAME``) or a command (``command/NAME``). A question that was
opened and a change that failed are an event each, once. An account is told of when it has not answered for a while or
refuses the credentials, and again when it answers; between the two nothing more is told. What alerts tell is made
elsewhere, and written down by ``tell``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.errors import Unavailable
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Account, Change, ChangeState, Delivery, Event, Meta, Review

REVIEW_OPENED = "review.opened"
CHANGE_FAILED = "change.failed"
ACCOUNT_STALE = "account.stale"
ACCOUNT_RECOVERED = "account.recovered"
REVIEW_SOON = "review.soon"
ALERT_RAISED = "alert.raised"
ALERT_CLEARED = "alert.cleared"
ALERT_DIGEST = "alert.digest"
_OF_ACCOUNTS = frozenset({ACCOUNT_STALE, ACCOUNT_RECOVERED})
FOUND = frozenset({REVIEW_OPENED, CHANGE_FAILED}) | _OF_ACCOUNTS
"""What ``look`` finds; all else is told by ``tell``."""

Channels = Mapping[str, Collection[str]]
"""By name, the types of events that a channel is told."""
NO_SUCH_CHANNEL = "no-such-channel"
"""Why a delivery was given up whose channel the config no longer has."""

STALE_AFTER = timedelta(minutes=5)
"""An account that has not answered for so long is told of."""
OVERLAP = timedelta(minutes=2)
"""A look goes back so far behind the one before it: what a slow transaction committed late is seen all the same."""
MARK_EVERY = timedelta(minutes=10)
"""Where nothing happens, how far was looked is written down so often."""
MOST_AT_ONCE = 500
"""Events that one transaction writes down: the one writer is never held for long."""

_LOOKED = "webhooks_looked"
_STALE = "webhooks_stale:"


class DeliveryState(StrEnum):
    """Where one delivery stands."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that is not written down as an event yet. ``key`` is the same whenever it is seen again."""

    type: str
    key: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found. ``first``: nobody has looked before, and what happened until now is not told."""

    happenings: tuple[Happening, ...]
    first: bool
    complete: bool
    """Nothing was left for the next look."""
    mark_is_due: bool


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel is handed."""

    id: str
    """The same at every try, and another one in every other ledger: whoever takes it knows a repetition by it."""
    type: str
    content: str
    """JSON, as it is sent."""


@dataclass(frozen=True, slots=True)
class Due:
    """One delivery that is to be tried now."""

    event_id: int
    message: Message
    tries: int
    is_early: bool
    """Its time has not come; it goes with others whose time has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of the last delivery to one channel."""

    type: str
    state: DeliveryState
    """Of the last one that ended; ``waiting`` where none has."""
    code: str
    """Why it was not taken at its last try; empty where it was taken."""
    at: datetime | None
    """When it ended; None: it has not."""
    waiting: int
    """So many wait for their next try."""


def look(tx: Transaction, accounts: Collection[str]) -> Seen:
    """What has happened since the last look. ``accounts``: those that are to answer, none that rests."""
    mark = tx.session.get(Meta, _LOOKED)
    looked = None if mark is None else datetime.fromisoformat(mark.value)
    # A clock that was set back must not hide what happens until it is there again.
    since = (tx.now if looked is None else min(looked, tx.now)) - OVERLAP
    found = [*_opened(tx, since), *_failed(tx, since)]
    known = _known(tx, [happening.key for happening in found])
    new = [happening for happening in found if happening.key not in known]
    return Seen(
        happenings=(*_of_accounts(tx, accounts), *new[:MOST_AT_ONCE]),
        first=looked is None,
        complete=len(new) <= MOST_AT_ONCE,
        mark_is_due=looked is None or abs(tx.now - looked) >= MARK_EVERY,
    )


def write_down(tx: Transaction, seen: Seen, channels: Channels) -> int:
    """Makes what was seen events, with a delivery to each channel that is told such; returns how many deliveries."""
    known = _known(tx, [happening.key for happening in seen.happenings])
    new = [happening for happening in seen.happenings if happening.key not in known]
    of_accounts = [happening for happening in new if happening.type in _OF_ACCOUNTS]
    others = [happening for happening in new if happening.type not in _OF_ACCOUNTS]
    for happening in of_accounts:
        _note_account(tx, happening)
    deliveries = tell(tx, of_accounts, channels) + tell(tx, others, {} if seen.first else channels)
    if seen.complete:
        _set(tx, _LOOKED, tx.now.isoformat())
    return deliveries


def tell(tx: Transaction, happenings: Sequence[Happening], channels: Channels) -> int:
    """Makes events of what has happened, with a delivery to each channel that is told such.

    What is an event already is left out. Returns how many deliveries that were.
    """
    known = _known(tx, [happening.key for happening in happenings])
    deliveries = 0
    for happening in happenings:
        if happening.key in known:
            continue
        event = Event(type=happening.type, key=happening.key, content=content(happening), made_at=tx.now)
        tx.session.add(event)
        told = [name for name, types in channels.items() if happening.type in types]
        if told:
            tx.session.flush()
        for name in told:
            tx.session.add(
                Delivery(event_id=event.id or 0, webhook=name, state=DeliveryState.WAITING, next_at=tx.now)
            )
        deliveries += len(told)
    return deliveries


def content(happening: Happening) -> str:
    """What has happened, as it is sent."""
    body = {"type": happening.type, "timestamp": moment(happening.at), "data": happening.data}
    return json.dumps(body, separators=(",", ":"))


def is_known(tx: Transaction, key: str) -> bool:
    """Whether there is an event with this key."""
    return bool(_known(tx, [key]))


def begin(tx: Transaction, channels: Channels) -> int:
    """What a start does: deliveries to channels that the config no longer has are given up; returns how many.

    Where no channel is told what ``look`` finds, nobody looks from now on, and whoever is added later is told nothing
    of the time between.
    """
    if not is_looked_for(channels):
        tx.session.exec(sa.delete(Meta).where(col(Meta.key) == _LOOKED))
        tx.session.exec(sa.delete(Meta).where(col(Meta.key).startswith(_STALE, autoescape=True)))
    done = tx.session.execute(
        sa.update(Delivery)
        .where(col(Delivery.state) == DeliveryState.WAITING, col(Delivery.webhook).not_in(list(channels)))
        .values(state=DeliveryState.FAILED, code=NO_SUCH_CHANNEL, next_at=None, ended_at=tx.now)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def is_looked_for(channels: Channels) -> bool:
    """Whether any channel is told what ``look`` finds."""
    return any(FOUND & set(types) for types in channels.values())


def due(tx: Transaction, webhook: str, *, limit: int, early: bool = False) -> tuple[Due, ...]:
    """The deliveries to a channel that are to be tried now, those first that have waited longest.

    ``early``: where one is due, all that wait, in the order of what happened.
    """
    waits = (Delivery.webhook == webhook, Delivery.state == DeliveryState.WAITING)
    by_time = (col(Delivery.next_at), col(Delivery.event_id))
    rows = tx.session.exec(
        select(Delivery, Event)
        .join(Event, col(Event.id) == Delivery.event_id)
        .where(*waits, *(() if early else (col(Delivery.next_at) <= tx.now,)))
        .order_by(*(by_time[1:] if early else by_time))
        .limit(limit)
    ).all()
    if all(_is_early(delivery, tx.now) for delivery, _ in rows):
        return ()
    return tuple(
        Due(
            event_id=delivery.event_id,
            message=Message(f"evt_{tx.sealer.hash(f'event {event.key}')}", event.type, event.content),
            tries=delivery.tries,
            is_early=_is_early(delivery, tx.now),
        )
        for delivery, event in rows
    )


def _is_early(row: Delivery, now: datetime) -> bool:
    return row.next_at is not None and row.next_at > now


def sent(tx: Transaction, event_id: int, webhook: str) -> None:
    """A delivery was taken."""
    row = tx.session.get_one(Delivery, (event_id, webhook))
    row.tries += 1
    row.code = ""
    _end(tx, row, DeliveryState.SENT)


def missed(tx: Transaction, event_id: int, webhook: str, code: str, *, wait: float | None) -> None:
    """A delivery was not taken: it is tried again after ``wait`` seconds; with None it is given up."""
    row = tx.session.get_one(Delivery, (event_id, webhook))
    row.tries += 1
    row.code = code
    if wait is None:
        _end(tx, row, DeliveryState.FAILED)
    else:
        row.next_at = tx.now + timedelta(seconds=wait)


def told(tx: Transaction) -> dict[str, Told]:
    """By channel, what became of the last delivery to each; those that the config no longer has, too."""
    waiting = dict(
        tx.session.exec(
            select(Delivery.webhook, sa.func.count())
            .where(Delivery.state == DeliveryState.WAITING)
            .group_by(Delivery.webhook)
        ).all()
    )
    found = {}
    for (name,) in tx.session.execute(sa.select(Delivery.webhook).distinct()):  # type: ignore[call-overload]
        delivery, event = tx.session.exec(
            select(Delivery, Event)
            .join(Event, col(Event.id) == Delivery.event_id)
            .where(Delivery.webhook == name)
            .order_by(col(Delivery.ended_at).desc().nulls_last(), col(Delivery.event_id).desc())
            .limit(1)
        ).one()
        found[name] = Told(
            type=event.type,
            state=DeliveryState(delivery.state),
            code=delivery.code,
            at=delivery.ended_at,
            waiting=waiting.get(name, 0),
        )
    return found


def prune(ledger: Ledger, days: int, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Removes events of more than ``days`` days ago with their deliveries, but for what still waits; 0 keeps all.

    Returns how many events that were. Each batch is a transaction of its own.
    """
    removed = 0
    waits = sa.exists().where(col(Delivery.event_id) == Event.id, col(Delivery.state) == DeliveryState.WAITING)
    while days and not stopping():
        with ledger.write() as tx:
            before = tx.now - timedelta(days=days)
            ids = tx.session.exec(
                select(Event.id)
                .where(col(Event.made_at) < before, ~waits)
                .order_by(col(Event.id))
                .limit(MOST_AT_ONCE)
            ).all()
            if not ids:
                break
            tx.session.exec(sa.delete(Delivery).where(col(Delivery.event_id).in_(ids)))
            tx.session.exec(sa.delete(Event).where(col(Event.id).in_(ids)))
        removed += len(ids)
    return removed


def _opened(tx: Transaction, since: datetime) -> list[Happening]:
    rows = tx.session.exec(
        select(Review).where(Review.state == "open", col(Review.opened_at) >= since).order_by(col(Review.id))
    )
    return [
        Happening(
            REVIEW_OPENED,
            f"{REVIEW_OPENED}:{row.id}:{moment(row.opened_at)}",
            row.opened_at,
            {
                "item": row.id,
                "change": row.change_id or None,
                "site": row.site,
                "why": row.why,
                "visit_at": row.visit_at and moment(row.visit_at),
            },
        )
        for row in rows
    ]


def _failed(tx: Transaction, since: datetime) -> list[Happening]:
    # A change is indexed by when it was last touched; what touches it after its end makes no new failure of it.
    rows = tx.session.exec(
        select(Change)
        .where(
            Change.state == ChangeState.FAILED,
            col(Change.updated_at) >= since,
            col(Change.settled_at) >= since,
        )
        .order_by(col(Change.id))
    )
    return [
        Happening(
            CHANGE_FAILED,
            f"{CHANGE_FAILED}:{row.id}:{moment(row.settled_at)}",
            row.settled_at,
            {
                "change": row.id,
                "site": row.site,
                "account": row.account,
                "kind": row.kind,
                "why": row.code,
                "visit_at": row.visit_at and moment(row.visit_at),
            },
        )
        for row in rows
        if row.settled_at is not None
    ]


def _of_accounts(tx: Transaction, names: Collection[str]) -> list[Happening]:
    found = []
    for name in sorted(names):
        row = tx.session.get(Account, name)
        if row is None:
            continue
        told = tx.session.get(Meta, f"{_STALE}{name}")
        code, since = _trouble(row, tx.now)
        if told is None and code:
            key = f"{ACCOUNT_STALE}:{name}:{moment(since)}"
            data = {"account": name, "why": code, "since": moment(since)}
            found.append(Happening(ACCOUNT_STALE, key, tx.now, data))
        elif told is not None and _answers(row, since=datetime.fromisoformat(told.value)):
            key = f"{ACCOUNT_RECOVERED}:{name}:{moment(tx.now)}"
            found.append(Happening(ACCOUNT_RECOVERED, key, tx.now, {"account": name, "since": told.value}))
    return found


def _trouble(row: Account, now: datetime) -> tuple[str, datetime]:
    """Why an account counts as stale, and since when; "" where it does not.

    One that failed before VetBridge was started, and was not asked since, does not: nobody knows yet.
    """
    if row.blocked_code is not None:
        return row.blocked_code, row.failing_since or now
    asked = row.paused_until is not None  # a start ends the pause
    if asked and row.failing_since is not None and now - row.failing_since >= STALE_AFTER:
        return row.failing_code or Unavailable.code, row.failing_since
    return "", now


def _answers(row: Account, *, since: datetime) -> bool:
    """Whether an account has answered after a moment. A start ends a block, but nobody has asked the vendor then."""
    fine = row.blocked_code is None and row.failing_since is None
    return fine and row.answered_at is not None and row.answered_at > since


def _note_account(tx: Transaction, happening: Happening) -> None:
    """Which accounts are told to be stale outlives their events: those are pruned."""
    key = f"{_STALE}{happening.data['account']}"
    if happening.type == ACCOUNT_STALE:
        _set(tx, key, happening.data["since"])
    else:
        tx.session.exec(sa.delete(Meta).where(col(Meta.key) == key))


def _set(tx: Transaction, key: str, value: str) -> None:
    row = tx.session.get(Meta, key)
    if row is None:
        tx.session.add(Meta(key=key, value=value))
    else:
        row.value = value


def _known(tx: Transaction, keys: Collection[str]) -> set[str]:
    """Those of the keys that are events already; asked in slices, as databases limit the values of a statement."""
    wanted, known = list(keys), set[str]()
    for start in range(0, len(wanted), MOST_AT_ONCE):
        some = wanted[start : start + MOST_AT_ONCE]
        known.update(tx.session.exec(select(Event.key).where(col(Event.key).in_(some))))
    return known


def _end(tx: Transaction, row: Delivery, state: DeliveryState) -> None:
    row.state = state
    row.next_at = None
    row.ended_at = tx.now


def moment(at: datetime) -> str:
    """A moment as events tell it: in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
