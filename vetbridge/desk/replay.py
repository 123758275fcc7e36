"""Replay: changes are read and decided upon again with today's mapping, after a look at what would come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from vetbridge.ledger import replays
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.endings import PAIR_ENDED
from vetbridge.ledger.rehearsals import PlannedChange
from vetbridge.ledger.tables import Change, ChangeState

FAILS_AGAIN = "fails-again"
"""Code of a replay that is refused because it would come to the same."""

_WORDS: Mapping[str, str] = {
    replays.UNKNOWN: "there is no change of this number",
    PAIR_ENDED: "the pair of its site has ended: nothing is read or written for it any more",
    replays.STILL_OPEN: "a change of this record is open already; it is worked on by itself",
    replays.NEWER: "a newer change of this record has ended since: change {newest}",
    replays.NOT_FAILED: "it has not failed any more",
    replays.HAS_BEGUN: "the visit has begun, or is over: nothing is written for it any more",
    FAILS_AGAIN: "it would fail again ({code}): {message}",
}
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


def choose(tx: Transaction, numbers: Sequence[int]) -> Chosen:
    """The changes of these numbers, however they ended; what cannot be replayed is refused with its reason."""
    found = tuple(
        _look(tx, number, replays.change(tx, number), only_failed=False) for number in dict.fromkeys(numbers)
    )
    return Chosen(len(found), found)


def choose_failed(
    tx: Transaction, *, code: str | None, account: str | None, site: str | None, since: datetime | None, limit: int
) -> Chosen:
    """The oldest failed changes that fit; ``since``: something happened to them since then."""
    total, rows = replays.failed(tx, code=code, account=account, site=site, since=since, limit=limit)
    return Chosen(total, tuple(_look(tx, row.id or 0, row, only_failed=True) for row in rows))


def judge(chosen: Iterable[Replay], planned: Mapping[int, PlannedChange]) -> tuple[Replay, ...]:
    """The same replays after a rehearsal: those that come too late or would fail again are refused, too."""
    return tuple(_judged(each, planned.get(each.change)) for each in chosen)


def carry_out(
    tx: Transaction, chosen: Iterable[Replay], *, only_failed: bool, old_mapping: Callable[[str], bool]
) -> tuple[Replay, ...]:
    """Asks for every change that is not refused to be worked on again, unless something is against it by now.

    ``old_mapping`` tells of a site whether the VetBridge that runs has another mapping than today's.
    """
    return tuple(_carried_out(tx, each, only_failed=only_failed, old_mapping=old_mapping) for each in chosen)


def _look(tx: Transaction, number: int, row: Change | None, *, only_failed: bool) -> Replay:
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
    reason = replays.refusal(tx, number, only_failed=only_failed)
    return _refused(found, reason, newest=replays.newest(tx, row.record_id)) if reason else found


def _judged(each: Replay, planned: PlannedChange | None) -> Replay:
    if each.result is Result.REFUSED or planned is None:
        return each
    seen = replace(each, planned=planned, visit_at=planned.visit_at or each.visit_at)
    if planned.code in _TOO_LATE:
        return _refused(seen, replays.HAS_BEGUN)
    if planned.state == ChangeState.FAILED:
        return _refused(seen, FAILS_AGAIN, code=planned.code, message=planned.message)
    return seen


def _carried_out(tx: Transaction, each: Replay, *, only_failed: bool, old_mapping: Callable[[str], bool]) -> Replay:
    if each.result is Result.REFUSED:
        return each
    now = _look(tx, each.change, replays.change(tx, each.change), only_failed=only_failed)
    if now.result is Result.REFUSED:
        return replace(now, planned=each.planned)
    waits = old_mapping(each.site)
    row = replays.add(tx, each.change, after_start=waits)
    return replace(each, result=Result.REPLAYED, new_change=row.id, waits_for_restart=waits)


def _refused(each: Replay, reason: str, **parts: object) -> Replay:
    return replace(each, result=Result.REFUSED, reason=reason, words=_WORDS[reason].format(**parts))
