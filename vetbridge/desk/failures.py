"""Failures that nobody has acknowledged yet, with what became of each since; and their acknowledgement."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vetbridge.config.models import Site
from vetbridge.desk.advice import next_step
from vetbridge.desk.changes import EVERYTHING, ListedGroup, Selection, failed_files, groups, has_failed, narrowed
from vetbridge.desk.language import phrase
from vetbridge.ledger import acknowledgements, audit, reports
from vetbridge.ledger.changes import SUPERSEDED
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import ChangeReport
from vetbridge.ledger.tables import OPEN_STATES, ChangeState

REMEMBERED = timedelta(days=14)
"""So long a failure that has come right by itself stays in the list, unless a person acknowledges it before."""

MOST = 10_000
"""Failures that are acknowledged at once."""

STILL, AGAIN, CARRIED, ASKED, NOTHING = "still-failed", "tried-again", "carried-over", "asked", "nothing-to-do"
"""What became of a failure (``ListedFailure.outcome``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFailure:
    """One change that failed."""

    change: ChangeReport
    next_step: str
    """What to do; empty where it has come right since."""
    outcome: str
    """``still-failed``, ``tried-again`` (a newer change of its record is open), ``carried-over``, ``asked`` (a person
    is asked now), ``nothing-to-do``."""
    since: str
    """The same in words, with the newer change's number."""
    newest: int
    """The newest change of its record: itself where there is none."""
    file: str
    """Which file it is and on whose record it stands, in words; empty where it is none. Personal data."""
    acknowledged_by: str
    acknowledged_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What failed and waits for somebody to see to it."""

    groups: tuple[ListedGroup, ...]
    """All that still are failed, by account and code; the most frequent first."""
    total: int
    """How many that are; ``listed`` may hold fewer."""
    listed: tuple[ListedFailure, ...]
    """The newest first."""
    come_right: tuple[ListedFailure, ...]
    """Failures whose record has had a newer change that ended well, within ``REMEMBERED``."""


def failures(
    tx: Transaction,
    sites: Mapping[str, Site],
    selection: Selection = EVERYTHING,
    *,
    acknowledged: bool = False,
    limit: int = 100,
) -> Failures:
    """The failures that fit. ``acknowledged``: also those that somebody has seen to. Raises ``UnknownGroup``."""
    asked = narrowed(tx, sites, selection)
    wanted = replace(asked, states=[ChangeState.FAILED], unacknowledged=not acknowledged)
    total, found = reports.find_changes(tx, wanted, limit=limit)
    recent = tx.now - REMEMBERED
    right = replace(
        wanted,
        states=[ChangeState.SKIPPED],
        codes=[SUPERSEDED],
        since=max(asked.since or recent, recent),
    )
    come_right = () if asked.codes else reports.find_changes(tx, right, limit=limit)[1]
    return Failures(
        groups=groups(tx, wanted),
        total=total,
        listed=_listed(tx, found),
        come_right=tuple(each for each in _listed(tx, come_right) if each.outcome != STILL),
    )


def fitting(tx: Transaction, sites: Mapping[str, Site], selection: Selection) -> tuple[ChangeReport, ...]:
    """The changes that a person means who acknowledges failures: those that nobody has seen to, the newest first.

    Named by their numbers, also those that have come right since. Raises ``UnknownGroup``.
    """
    wanted = replace(narrowed(tx, sites, selection), unacknowledged=True)
    if not selection.numbers:
        wanted = replace(wanted, states=[ChangeState.FAILED])
    _, found = reports.find_changes(tx, wanted, limit=MOST)
    return tuple(each for each in found if has_failed(each))


def not_failed(tx: Transaction, numbers: Collection[int]) -> tuple[int, ...]:
    """Those of some changes that have not failed: there is nothing to acknowledge about them."""
    _, found = reports.find_changes(tx, reports.Filter(numbers=numbers), limit=MOST)
    return tuple(sorted(each.id for each in found if not has_failed(each)))


def acknowledge(tx: Transaction, change_ids: Collection[int], *, by: str, via: str = audit.COMMAND) -> int:
    """Somebody has seen to these failures: they need nobody any more. Returns how many that were not so before.

    Those that have not failed, and those that somebody has seen to, are left as they are.
    """
    noted = acknowledgements.put(tx, change_ids, by=by)
    for row in noted:
        audit.note(
            tx,
            audit.Act.ACKNOWLEDGED,
            by=by,
            via=via,
            subject="change",
            subject_id=row.id,
            site=row.site,
            says=f"{row.code}@{row.account}",
        )
    return len(noted)


def _listed(tx: Transaction, found: Collection[ChangeReport]) -> tuple[ListedFailure, ...]:
    newest = reports.episodes(tx, {each.record_id for each in found})
    seen_to = acknowledgements.of(tx, [each.id for each in found])
    files = failed_files(tx, found)
    listed = []
    for each in found:
        outcome, words = _since(each, newest.get(each.record_id, each))
        by = seen_to.get(each.id)
        listed.append(
            ListedFailure(
                change=each,
                next_step=next_step(each.code) if outcome == STILL else "",
                outcome=outcome,
                since=words,
                newest=newest.get(each.record_id, each).id,
                file=files.get(each.id, ""),
                acknowledged_by="" if by is None else by.by,
                acknowledged_at=None if by is None else by.at,
            )
        )
    return tuple(listed)


def _since(failed: ChangeReport, newest: ChangeReport) -> tuple[str, str]:
    """What became of a failure, as a code and in words."""
    if newest.id == failed.id or newest.state == ChangeState.FAILED:
        if newest.id == failed.id:
            return STILL, phrase("still failed")
        return STILL, phrase("failed again since, by change {number}", number=newest.id)
    if newest.state in OPEN_STATES:
        return AGAIN, phrase("being tried again, by change {number}", number=newest.id)
    if newest.state == ChangeState.REVIEW:
        return ASKED, phrase("carried on since by change {number}: a person is asked", number=newest.id)
    if newest.state == ChangeState.DONE:
        return CARRIED, phrase("carried over since by change {number}", number=newest.id)
    return NOTHING, phrase(
        "change {number} found nothing more to do: {message}", number=newest.id, message=phrase(newest.message)
    )
