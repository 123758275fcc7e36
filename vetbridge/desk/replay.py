"""Replay: changes are read and decided upon again with today's mapping, after a look at what would come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from vetbridge.config.models import Site
from vetbridge.core.answers import SLOT_TAKEN
from vetbridge.core.records import Side
from vetbridge.desk.changes import Selection, narrowed
from vetbridge.desk.language import phrase
from vetbridge.ledger import audit, replays
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.endings import PAIR_ENDED
from vetbridge.ledger.rehearsals import PlannedChange
from vetbridge.ledger.tables import Change, ChangeState

FAILS_AGAIN = "fails-again"
"""Code of a replay that is refused because it would come to the same."""

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        replays.UNKNOWN: "there is no change of this number",
        PAIR_ENDED: "the pair of its site has ended: nothing is read or written for it any more",
        replays.STILL_OPEN: "a change of this record is open already; it is worked on by itself",
        replays.NEWER: "a newer change of this record has ended since: change {newest}",
        replays.NOT_FAILED: "it has not failed any more",
        replays.HAS_BEGUN: "the visit has begun, or is over: nothing is written for it any more",
        SLOT_TAKEN: "the time is taken at the other side by now",
        replays.ONE_SIDE_ONLY: "all that is to be done is at the other side, which it is to leave alone",
        FAILS_AGAIN: "it would fail again ({code}): {message}",
    }
)
_TOO_LATE = frozenset({"visit-has-begun", "expired"})
"""Codes with which the engine ends what comes too late."""


class Result(StrEnum):
    """What became of one replay."""

    REPLAYED = "replayed"
    PLANNED = "planned"
    """It could be replayed; nothing was done."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One change that is to be worked on again. Ids, times and codes alone."""

    change: int
    result: Result
    reason: str = ""
    """Why it is refused, as a code, and in words."""
    words: str = ""
    new_change: int | None = None
    waits_for_restart: bool = False
    """The VetBridge that runs has another mapping: it is worked on after a restart."""
    begins_at: datetime | None = None
    """When its turn comes; None where it waits for a restart, and where it was not replayed."""
    site: str = ""
    account: str = ""
    kind: str = ""
    remote_id: str = ""
    visit_at: datetime | None = None
    state: str = ""
    """How the change ended before, with its code."""
    code: str = ""
    planned: PlannedChange | None = None
    """What would come of it; None where that was not looked at."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Changes to be replayed."""

    total: int
    """How many fit; ``replays`` may hold fewer."""
    replays: tuple[Replay, ...]


def choose(
    tx: Transaction, sites: Mapping[str, Site], selection: Selection, *, limit: int = 100, anyway: bool = False
) -> Chosen:
    """The changes that a person means; what cannot be replayed is refused with its reason.

    By their numbers alone, all of those, however they ended. Else the oldest that fit, failed ones unless the
    selection names states; only such as are the newest of their record. ``anyway``: also what is past. Raises
    ``UnknownGroup``.
    """
    if selection == Selection(numbers=selection.numbers):
        found = tuple(
            _look(tx, number, replays.change(tx, number), only_failed=False, anyway=anyway)
            for number in dict.fromkeys(selection.numbers[:limit])
        )
        return Chosen(len(dict.fromkeys(selection.numbers)), found)
    wanted = narrowed(tx, sites, selection)
    if not wanted.states:
        wanted = replace(wanted, states=[ChangeState.FAILED])
    total, rows = replays.fitting(tx, wanted, limit=limit)
    failed = only_failed(selection)
    found = tuple(_look(tx, row.id or 0, row, only_failed=failed, anyway=anyway) for row in rows)
    return Chosen(total, found)


def only_failed(selection: Selection) -> bool:
    """Whether only failed changes are meant: not where they are named by their numbers or states."""
    return not selection.numbers and set(selection.states) <= {ChangeState.FAILED}


def judge(
    chosen: Iterable[Replay], planned: Mapping[int, PlannedChange], *, anyway: bool = False
) -> tuple[Replay, ...]:
    """The same replays after a rehearsal: those that come too late, whose time is taken by now, or that would fail
    again are refused, too.

    ``anyway``: only those that would fail again.
    """
    return tuple(_judged(each, planned.get(each.change), anyway=anyway) for each in chosen)


def carry_out(
    tx: Transaction,
    chosen: Iterable[Replay],
    *,
    by: str,
    via: str = audit.COMMAND,
    only_failed: bool = False,
    anyway: bool = False,
    side: Side | None = None,
    rate: int | None = None,
    old_mapping: Callable[[str], bool] = lambda _site: False,
) -> tuple[Replay, ...]:
    """Asks for every change that is not refused to be worked on again, unless something is against it by now.

    ``side``: only that one is written to; None: both. ``rate``: so many a minute are begun, the first at once; a
    restart keeps to that, and those that wait for one are spread from then on. ``old_mapping`` tells of a site
    whether the VetBridge that runs has another mapping than today's.
    """
    found: list[Replay] = []
    taken = 0
    for each in chosen:
        wait = timedelta() if rate is None else timedelta(minutes=taken / rate)
        done = _carried_out(
            tx,
            each,
            by=by,
            via=via,
            only_failed=only_failed,
            anyway=anyway,
            side=side,
            wait=wait,
            old_mapping=old_mapping,
        )
        taken += done.new_change is not None
        found.append(done)
    return tuple(found)


def _look(tx: Transaction, number: int, row: Change | None, *, only_failed: bool, anyway: bool) -> Replay:
    if row is None:
        return _refused(Replay(change=number, result=Result.REFUSED), replays.UNKNOWN)
    found = Replay(
        change=number,
        result=Result.PLANNED,
        site=row.site,
        account=row.account,
        kind=row.kind,
        remote_id=row.remote_id,
        visit_at=row.visit_at,
        state=row.state,
        code=row.code,
    )
    reason = replays.refusal(tx, number, only_failed=only_failed, anyway=anyway)
    return _refused(found, reason, newest=replays.newest(tx, row.record_id)) if reason else found


def _judged(each: Replay, planned: PlannedChange | None, *, anyway: bool) -> Replay:
    if each.result is Result.REFUSED or planned is None:
        return each
    seen = replace(each, planned=planned, visit_at=planned.visit_at or each.visit_at)
    if planned.code in _TOO_LATE and not anyway:
        return _refused(seen, replays.HAS_BEGUN)
    if planned.state == ChangeState.FAILED and planned.code == replays.ONE_SIDE_ONLY:
        return _refused(seen, replays.ONE_SIDE_ONLY)
    if planned.state == ChangeState.FAILED:
        return _refused(seen, FAILS_AGAIN, code=planned.code, message=phrase(planned.message))
    if SLOT_TAKEN in (planned.code, planned.asks) and not anyway:
        return _refused(seen, SLOT_TAKEN)
    return seen


def _carried_out(
    tx: Transaction,
    each: Replay,
    *,
    by: str,
    via: str,
    only_failed: bool,
    anyway: bool,
    side: Side | None,
    wait: timedelta,
    old_mapping: Callable[[str], bool],
) -> Replay:
    if each.result is Result.REFUSED:
        return each
    now = _look(tx, each.change, replays.change(tx, each.change), only_failed=only_failed, anyway=anyway)
    if now.result is Result.REFUSED:
        return replace(now, planned=each.planned)
    waits = old_mapping(each.site)
    row = replays.add(tx, each.change, side=side, after_start=waits, wait=wait)
    audit.note(
        tx,
        audit.Act.REPLAYED,
        by=by,
        via=via,
        subject="change",
        subject_id=each.change,
        site=each.site,
        says=f"as change {row.id}" if side is None else f"as change {row.id}, {side} only",
    )
    return replace(each, result=Result.REPLAYED, new_change=row.id, waits_for_restart=waits, begins_at=row.next_at)


def _refused(each: Replay, reason: str, **parts: object) -> Replay:
    return replace(each, result=Result.REFUSED, reason=reason, words=phrase(_WORDS[reason], **parts))
