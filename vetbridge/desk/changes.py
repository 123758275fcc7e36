"""What happened: lists of changes, failures in groups, and the story of one change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vetbridge.desk.advice import next_step
from vetbridge.desk.wording import why
from vetbridge.ledger import reports
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import ActionReport, ChangeReport, FailureGroup, LinkReport, QuestionReport, Story
from vetbridge.ledger.tables import ActionState, ChangeState

_SOURCES = {
    "poll": "a poll showed that it may have changed",
    "webhook": "a webhook said that it may have changed",
}
_ENDS = {
    ActionState.INTENDED: "no answer yet",
    ActionState.UNKNOWN: "the answer was lost; it is looked for before anything is sent again",
    ActionState.ANSWERED: "done",
    ActionState.NOT_DONE: "not done",
}
_ORIGINS = {
    "matched": "an owner who was known",
    "created": "an owner who was new",
    "placeholder": "the placeholder, until a person says whose it is",
    "found": "what a write with a lost answer had made",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedChange:
    """One change, and what to do about it where it failed."""

    change: ChangeReport
    next_step: str
    """Empty unless the change failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedGroup:
    """Failed changes of one account and code."""

    group: FailureGroup
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Changes, the newest first."""

    total: int
    """How many fit; ``changes`` may hold fewer."""
    changes: tuple[ListedChange, ...]
    groups: tuple[ListedGroup, ...]
    """All failed ones that fit, grouped; the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a change's story."""

    at: datetime
    stage: str
    """``received``, ``read``, ``matched``, ``intended``, ``sent``, ``linked``, ``asked``, ``closed``, ``ended``."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStory:
    """The story of one change. Evidence holds personal values."""

    change: ChangeReport
    next_step: str
    timeline: tuple[Event, ...]
    verdict: str
    """How its owner was found, in a word: ``matched``, ``created``, ``placeholder``, ``found``; empty if not yet."""
    evidence: tuple[Mapping[str, Any], ...]
    """What spoke for the client it was linked to, or for the first candidate of its question."""
    actions: tuple[ActionReport, ...]
    link: LinkReport | None
    questions: tuple[int, ...]
    """Numbers of the review items about the same record."""
    episodes: tuple[int, ...]
    """Numbers of all changes of the same record, oldest first."""


def listing(
    tx: Transaction,
    *,
    state: str | None,
    site: str | None,
    account: str | None,
    kind: str | None,
    since: datetime | None,
    limit: int,
) -> Listing:
    """The newest changes that fit; ``since``: something happened to them since then."""
    total, found = reports.list_changes(
        tx, states=[state] if state else [], site=site, account=account, kind=kind, since=since, limit=limit
    )
    groups: tuple[FailureGroup, ...] = ()
    if state in (None, ChangeState.FAILED):
        groups = reports.failure_groups(tx, site=site, account=account, kind=kind, since=since)
    return Listing(
        total=total,
        changes=tuple(ListedChange(change=change, next_step=_next_step(change)) for change in found),
        groups=tuple(ListedGroup(group=group, next_step=next_step(group.code)) for group in groups),
    )


def story(tx: Transaction, change_id: int) -> ChangeStory | None:
    """The story of one change; None where there is none of this number."""
    known = reports.story(tx, change_id)
    if known is None:
        return None
    return ChangeStory(
        change=known.change,
        next_step=_next_step(known.change),
        timeline=tuple(sorted(_events(known), key=lambda event: event.at)),
        verdict=known.link.origin if known.link else "",
        evidence=_evidence(known),
        actions=known.actions,
        link=known.link,
        questions=tuple(item.id for item in known.questions),
        episodes=tuple(episode.id for episode in known.episodes),
    )


def _next_step(change: ChangeReport) -> str:
    return next_step(change.code) if change.state == ChangeState.FAILED else ""


def _events(known: Story) -> Iterator[Event]:
    change = known.change
    words = _SOURCES.get(change.source, f"{change.source} asked to look at it")
    yield Event(at=change.received_at, stage="received", words=words)
    if change.tries:
        times = "once" if change.tries == 1 else f"{change.tries} times"
        yield Event(at=change.received_at, stage="read", words=f"read {times}; the last read decides")
    client = known.client_link
    if client is not None and _belongs(client.created_at, change):
        yield Event(at=client.created_at, stage="matched", words=_matched(client))
    for action in known.actions:
        yield from _action_events(action)
    link = known.link
    if link is not None and _belongs(link.created_at, change):
        where = f"{link.kind} {link.pims_id} at {link.pims_account}"
        words = f"linked to {where}, on {_ORIGINS.get(link.origin, link.origin)}"
        yield Event(at=link.created_at, stage="linked", words=words)
    for item in known.questions:
        yield from _question_events(item, change)
    if change.settled_at is not None:
        yield Event(at=change.settled_at, stage="ended", words=f"{change.state} ({change.code}): {change.message}")
    elif change.code:
        yield Event(at=change.updated_at, stage=change.state, words=f"{change.code}: {change.message}")


def _action_events(action: ActionReport) -> Iterator[Event]:
    target = f"{action.kind} {action.remote_id}" if action.operation != "create" and action.remote_id else action.kind
    fields = f" ({', '.join(action.fields)})" if action.fields and action.operation != "cancel" else ""
    yield Event(
        at=action.created_at,
        stage="intended",
        words=f"{action.operation} {target} at {action.account}{fields}",
    )
    for attempt in action.attempts:
        made = f", {action.kind} {action.remote_id}" if attempt.state == ActionState.ANSWERED else ""
        detail = ": ".join(part for part in (attempt.code, attempt.message) if part)
        ended = _ENDS.get(ActionState(attempt.state), attempt.state)
        yield Event(
            at=attempt.ended_at or attempt.started_at,
            stage="sent",
            words=f"try {attempt.number} of {action.operation} {action.kind}: {ended}{made}"
            + (f" ({detail})" if detail else ""),
        )


def _question_events(item: QuestionReport, change: ChangeReport) -> Iterator[Event]:
    if item.change_id == change.id or _belongs(item.opened_at, change):
        yield Event(at=item.opened_at, stage="asked", words=f"question {item.id} for a person: {why(item.why)}")
    if item.closed_at is not None and _belongs(item.closed_at, change):
        yield Event(at=item.closed_at, stage="closed", words=f"question {item.id} closed: {item.closed_why}")


def _matched(client: LinkReport) -> str:
    words = "; ".join(str(each.get("words", "")) for each in client.evidence or ())
    how = "found" if client.origin == "matched" else client.origin
    return f"client {client.pims_id} at {client.pims_account} {how}" + (f": {words}" if words else "")


def _evidence(known: Story) -> tuple[Mapping[str, Any], ...]:
    if known.client_link is not None and known.client_link.evidence:
        return tuple(known.client_link.evidence)
    for item in reversed(known.questions):
        candidates = item.question.get("candidates") or ()
        if candidates:
            return tuple(candidates[0].get("evidence") or ())
    return ()


def _belongs(moment: datetime, change: ChangeReport) -> bool:
    """It happened while this change was open."""
    return change.received_at <= moment and (change.settled_at is None or moment <= change.settled_at)
