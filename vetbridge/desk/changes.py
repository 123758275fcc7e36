"""What happened: lists of changes, failures in groups, and the story of one change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from vetbridge.config.models import Site
from vetbridge.core import finding
from vetbridge.core.errors import MappingError
from vetbridge.core.normalise import shown
from vetbridge.core.records import Kind
from vetbridge.desk.advice import next_step
from vetbridge.desk.language import phrase, phrases
from vetbridge.desk.search import days, meant
from vetbridge.desk.wording import record_words, why, write_words
from vetbridge.ledger import audit, due, replays, reports
from vetbridge.ledger.changes import SUPERSEDED
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import (
    ActionReport,
    AttemptReport,
    ChangeReport,
    FailureGroup,
    Filter,
    LinkReport,
    QuestionReport,
    Story,
)
from vetbridge.ledger.tables import ActionState, Audit, ChangeState

RISING, STEADY, FALLING = "rising", "steady", "falling"

LONGEST_NAME = 60
"""Characters of a name that a sentence shows."""

_SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "poll": "a poll showed that it may have changed",
        "webhook": "a webhook said that it may have changed",
        "answer": "a person's answer is to be carried out",
        "replay": "a person asked for it to be looked at again",
        "replay/booking": "a person asked for it to be looked at again, for the booking side only",
        "replay/pims": "a person asked for it to be looked at again, for the PIMS only",
        "pims": "the record that it is linked with may have changed",
        due.SOURCE: "what is due for this owner may have changed, or a day has begun",
        due.ENDED: "somebody has died, left, or wants no messages: what is due is to go from the card",
    }
)
_REPLAYS: Mapping[str, str] = MappingProxyType(
    {
        "replay": "a person asked for change {number} to be decided upon again",
        "replay/booking": "a person asked for change {number} to be decided upon again, for the booking side only",
        "replay/pims": "a person asked for change {number} to be decided upon again, for the PIMS only",
    }
)
_ENDS: Mapping[str, str] = MappingProxyType(
    {
        ActionState.INTENDED: "no answer yet",
        ActionState.UNKNOWN: "the answer was lost; it is looked for before anything is sent again",
        ActionState.ANSWERED: "done",
        ActionState.NOT_DONE: "not done",
        ActionState.HANDED: "handed on; a reading has to show that it was carried out",
    }
)
_ENDED: Mapping[str, str] = MappingProxyType(
    {
        ChangeState.DONE: "done",
        ChangeState.SKIPPED: "skipped",
        ChangeState.REVIEW: "review",
        ChangeState.FAILED: "failed",
    }
)
_ORIGINS: Mapping[str, str] = MappingProxyType(
    {
        "matched": "an owner who was known",
        "created": "an owner who was new",
        "carer": "the owner; who cares for the pet has booked",
        "placeholder": "the placeholder, until a person says whose it is",
        "found": "what a write with a lost answer had made",
    }
)
_ACTS: Mapping[str, str] = MappingProxyType(
    {
        audit.Act.ANSWERED: "{by} answered question {item}: {says}",
        audit.Act.TAKEN_BACK: "{by} took the answer to question {item} back",
        audit.Act.PUT_OFF: "{by} put question {item} off",
        audit.Act.CLAIMED: "{by} opened question {item}",
        audit.Act.GIVEN_UP: "{by} left question {item} again",
        audit.Act.ASSIGNED: "{by} gave question {item} to somebody",
        audit.Act.NOTED: "{by} wrote a note on question {item}",
    }
)
_TRENDS: Mapping[str, str] = MappingProxyType(
    {
        RISING: "{now} in the last {span}, {before} in the {span} before: rising",
        STEADY: "{now} in the last {span}, {before} in the {span} before: steady",
        FALLING: "{now} in the last {span}, {before} in the {span} before: falling",
    }
)


class UnknownGroup(LookupError):
    """No group of failures is called so now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which changes a person means; what is None or empty narrows nothing."""

    numbers: tuple[int, ...] = ()
    group: str = ""
    """A group of failures nobody has acknowledged: its letter now, or ``CODE@ACCOUNT``, which stays its own."""
    states: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    account: str | None = None
    site: str | None = None
    kind: str | None = None
    phone: str | None = None
    """Of the owner, or its end; ``name``: words of the owner's name; ``pet``: of the pet's."""
    name: str | None = None
    pet: str | None = None
    day: date | None = None
    """On which the visit begins, at the site's own time."""
    since: datetime | None = None
    """Something happened to them since then; ``until``: and nothing from then on."""
    until: datetime | None = None
    remote_id: str | None = None
    """The record's id at either side."""
    unacknowledged: bool = False
    """Only such as nobody has acknowledged."""


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedChange:
    """One change, and what to do about it where it failed."""

    change: ChangeReport
    next_step: str
    """Empty unless the change failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedGroup:
    """Failed changes of one account and code."""

    letter: str
    """By which a person may name it as long as the ledger shows this picture: ``A``, ``B``. Empty where every one of
    them was acknowledged."""
    name: str
    """``CODE@ACCOUNT``, which stays."""
    group: FailureGroup
    next_step: str
    trend: str
    """``rising``, ``steady``, ``falling``: the last hour against the one before; where nothing failed in those, the
    last 24 hours against those before."""
    trend_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Changes, the newest first."""

    total: int
    """How many fit; ``changes`` may hold fewer."""
    changes: tuple[ListedChange, ...]
    groups: tuple[ListedGroup, ...]
    """All failed ones that fit, grouped; the most frequent first."""
    acknowledged: int = 0
    """So many failed ones are left out, as somebody has acknowledged them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a change's story."""

    at: datetime
    stage: str
    """``received``, ``read``, ``mapped``, ``matched``, ``planned``, ``sent``, ``answered``, ``linked``, ``asked``,
    ``decided`` (what a person did), ``closed``, ``replayed``, ``acknowledged``, ``ended``; or the state that it is in
    now."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStory:
    """The story of one change; without names, unless they were asked for."""

    change: ChangeReport
    next_step: str
    timeline: tuple[Event, ...]
    verdict: str
    """How its owner was found, in a word: ``matched``, ``created``, ``carer``, ``placeholder``, ``found``; empty if
    not yet."""
    file: str
    """Which file it was that failed, in words; empty unless names were asked for, and for all else."""
    evidence: tuple[Mapping[str, Any], ...]
    """What spoke for the client it was linked to, or for the first candidate of its question: by field, with the
    level of agreement and words. The values themselves, which are personal, only where they were asked for."""
    actions: tuple[ActionReport, ...]
    link: LinkReport | None
    """Without its evidence."""
    questions: tuple[int, ...]
    """Numbers of the review items about the same record."""
    episodes: tuple[int, ...]
    """Numbers of all changes of the same record, oldest first."""


def listing(tx: Transaction, sites: Mapping[str, Site], selection: Selection, *, limit: int) -> Listing:
    """The newest changes that fit. Raises ``UnknownGroup``."""
    wanted = narrowed(tx, sites, selection)
    total, found = reports.find_changes(tx, wanted, limit=limit)
    left_out = 0
    if wanted.unacknowledged:
        left_out = reports.count_changes(tx, replace(wanted, unacknowledged=False, acknowledged=True))
    failed = not wanted.states or ChangeState.FAILED in wanted.states
    return Listing(
        total=total,
        changes=tuple(ListedChange(change=change, next_step=_next_step(change)) for change in found),
        groups=groups(tx, wanted) if failed else (),
        acknowledged=left_out,
    )


def groups(tx: Transaction, wanted: Filter) -> tuple[ListedGroup, ...]:
    """Failed changes that fit, grouped, the most frequent first; each with the letter that it has among all."""
    letters = {(group.account, group.code): letter for letter, group in _lettered(tx)}
    found = []
    for group in reports.failure_groups(tx, wanted):
        trend, words = _trend(group)
        found.append(
            ListedGroup(
                letter=letters.get((group.account, group.code), ""),
                name=f"{group.code}@{group.account}",
                group=group,
                next_step=next_step(group.code),
                trend=trend,
                trend_words=words,
            )
        )
    return tuple(found)


def narrowed(tx: Transaction, sites: Mapping[str, Site], selection: Selection) -> Filter:
    """What a person means, as the ledger is asked for it. Raises ``UnknownGroup``."""
    codes, account = selection.codes, selection.account
    states, unacknowledged = selection.states, selection.unacknowledged
    group: Filter | None = None
    if selection.group:
        code, group_account = _group(tx, selection.group)
        if (codes and code not in codes) or account not in (None, group_account):
            group = Filter(numbers=())
        codes, account, states, unacknowledged = (code,), group_account, (ChangeState.FAILED.value,), True
    who = meant(tx, sites, phone=selection.phone or "", owner=selection.name or "", pet=selection.pet or "")
    parts: tuple[finding.Part, ...] | None = None if who is None else who.parts
    return Filter(
        numbers=group.numbers if group else (selection.numbers or None),
        states=states,
        codes=codes,
        account=account,
        site=selection.site,
        kind=selection.kind,
        remote_id=selection.remote_id,
        since=selection.since,
        until=selection.until,
        days=None if selection.day is None else days(sites, selection.day),
        parts=parts,
        others=() if who is None else who.others,
        unacknowledged=unacknowledged,
    )


def story(tx: Transaction, change_id: int, *, names: bool = False) -> ChangeStory | None:
    """The story of one change; None where there is none of this number. ``names``: with the values of evidence."""
    known = reports.story(tx, change_id)
    if known is None:
        return None
    acts = {item.id: _acts(tx, "review", item.id) for item in known.questions}
    events = [*_events(tx, known), *_people(known, acts, _acts(tx, "change", change_id))]
    return ChangeStory(
        change=known.change,
        next_step=_next_step(known.change),
        timeline=tuple(sorted(events, key=lambda event: event.at)),
        verdict=known.link.origin if known.link else "",
        file=failed_files(tx, [known.change]).get(change_id, "") if names else "",
        evidence=_evidence(known) if names else tuple(_redacted(each) for each in _evidence(known)),
        actions=known.actions,
        link=None if known.link is None else replace(known.link, evidence=None),
        questions=tuple(item.id for item in known.questions),
        episodes=tuple(episode.id for episode in known.episodes),
    )


def failed_files(tx: Transaction, found: Collection[ChangeReport]) -> dict[int, str]:
    """What the files are called that failed and on whose records they stand, in words, by the numbers of their
    changes. Personal data."""
    failed = [each for each in found if each.kind == Kind.ATTACHMENT and has_failed(each)]
    files = reports.files(tx, {each.record_id for each in failed})
    said = {}
    for change in failed:
        if change.record_id not in files:
            continue
        file, pet, client = files[change.record_id]
        on = record_words(Kind.PET, file.pet_id) if file.pet_id else record_words(Kind.CLIENT, file.client_id or "")
        who = ", ".join(filter(None, (shown(pet, LONGEST_NAME), shown(client, LONGEST_NAME))))
        words = {"name": shown(file.name, LONGEST_NAME), "record": on, "account": change.account}
        said[change.id] = (
            phrase("File {name} on {record} at {account}: {who}.", **words, who=who)
            if who
            else phrase("File {name} on {record} at {account}.", **words)
        )
    return said


def _lettered(tx: Transaction) -> Iterator[tuple[str, FailureGroup]]:
    """Every group of failures that nobody has acknowledged, with its letter."""
    for place, group in enumerate(reports.failure_groups(tx, Filter(unacknowledged=True))):
        yield _letter(place), group


def _letter(place: int) -> str:
    """``A`` to ``Z``, then ``AA``."""
    before, last = divmod(place, 26)
    return (_letter(before - 1) if before else "") + chr(ord("A") + last)


def _group(tx: Transaction, name: str) -> tuple[str, str]:
    """Code and account of a group, by its letter or by ``CODE@ACCOUNT``."""
    code, at, account = name.strip().partition("@")
    if at:
        return code, account
    for letter, group in _lettered(tx):
        if letter == code.upper():
            return group.code, group.account
    raise UnknownGroup(name)


def _trend(group: FailureGroup) -> tuple[str, str]:
    span, now, before = phrase("hour"), group.last_hour, group.hour_before
    if not now and not before:
        span, now, before = phrase("24 hours"), group.last_day, group.day_before
    trend = RISING if now > before else FALLING if now < before else STEADY
    return trend, phrase(_TRENDS[trend], now=now, before=before, span=span)


def has_failed(change: ChangeReport) -> bool:
    """Whether a change failed, also where a newer one has taken its place."""
    return change.state == ChangeState.FAILED or change.code == SUPERSEDED


def _next_step(change: ChangeReport) -> str:
    return next_step(change.code) if change.state == ChangeState.FAILED else ""


# -- the story -------------------------------------------------------------------------------------------------------


def _events(tx: Transaction, known: Story) -> Iterator[Event]:
    change = known.change
    yield Event(at=change.received_at, stage="received", words=_received(change))
    if change.tries:
        words = phrases("read once; the last read decides", "read {count} times; the last read decides", change.tries)
        yield Event(at=change.received_at, stage="read", words=words)
        yield Event(at=change.received_at, stage="mapped", words=_mapped(tx, known))
    client = known.client_link
    if client is not None and _belongs(client.created_at, change):
        yield Event(at=client.created_at, stage="matched", words=_matched(client))
    for action in known.actions:
        yield from _action_events(action)
    link = known.link
    made = link is not None and _belongs(link.created_at, change)
    idle = not known.actions and not made and change.state in (ChangeState.DONE, ChangeState.SKIPPED)
    if idle and change.settled_at is not None and change.code != SUPERSEDED:
        words = phrase("nothing was to be written: {message}", message=phrase(change.message))
        yield Event(at=change.settled_at, stage="planned", words=words)
    if link is not None and made:
        words = phrase(
            "linked to {record} at {account}, on {origin}",
            record=record_words(link.kind, link.pims_id),
            account=link.pims_account,
            origin=phrase(_ORIGINS[link.origin]) if link.origin in _ORIGINS else link.origin,
        )
        yield Event(at=link.created_at, stage="linked", words=words)
    for item in known.questions:
        yield from _question_events(item, change)
    if change.settled_at is not None:
        words = f"{phrase(_ENDED[change.state])} ({change.code}): {phrase(change.message)}"
        yield Event(at=change.settled_at, stage="ended", words=words)
    elif change.code:
        yield Event(at=change.updated_at, stage=change.state, words=f"{change.code}: {phrase(change.message)}")


def _received(change: ChangeReport) -> str:
    if change.replay_of is not None:
        return phrase(_REPLAYS.get(change.source, _REPLAYS["replay"]), number=change.replay_of)
    if change.source in _SOURCES:
        return phrase(_SOURCES[change.source])
    return phrase("{source} asked to look at it", source=change.source)


def _mapped(tx: Transaction, known: Story) -> str:
    """By which mapping it was read, and what that lacked."""
    change, link = known.change, known.link
    if change.code == MappingError.code:
        return phrase("the mapping lacks something: {message}", message=phrase(change.message))
    mapping = ""
    if link is not None:
        mapping = link.booking_mapping if change.account == link.booking_account else link.pims_mapping
    if mapping:
        return phrase("read with mapping {mapping}", mapping=mapping)
    noted = replays.noted_mappings(tx).get(change.site, "")
    if noted:
        return phrase("read with the mappings of the last start, {mapping}", mapping=noted)
    return phrase("read with the mapping of its time")


def _action_events(action: ActionReport) -> Iterator[Event]:
    before = None if action.operation == "create" else action.remote_id
    words = write_words(action.operation, action.kind, action.account, action.fields, before)
    yield Event(at=action.created_at, stage="planned", words=words)
    for attempt in action.attempts:
        yield Event(at=attempt.started_at, stage="sent", words=phrase("try {number}", number=attempt.number))
        yield Event(at=attempt.ended_at or attempt.started_at, stage="answered", words=_answered(action, attempt))


def _answered(action: ActionReport, attempt: AttemptReport) -> str:
    ended = phrase(_ENDS[attempt.state]) if attempt.state in _ENDS else attempt.state
    made = f", {record_words(action.kind, action.remote_id)}" if attempt.state == ActionState.ANSWERED else ""
    detail = ": ".join(part for part in (attempt.code, attempt.message) if part)
    return f"{ended}{made}" + (f" ({detail})" if detail else "")


def _question_events(item: QuestionReport, change: ChangeReport) -> Iterator[Event]:
    if item.change_id == change.id or _belongs(item.opened_at, change):
        words = phrase("question {item} for a person: {why}", item=item.id, why=why(item.why))
        yield Event(at=item.opened_at, stage="asked", words=words)
    if item.closed_at is not None and _belongs(item.closed_at, change):
        words = phrase("question {item} closed: {why}", item=item.id, why=phrase(item.closed_why))
        yield Event(at=item.closed_at, stage="closed", words=words)


def _people(known: Story, acts: Mapping[int, Collection[Audit]], on_change: Collection[Audit]) -> Iterator[Event]:
    """What people did about the change, and about the questions that came up with it."""
    asked = {item.id for item in known.questions if item.change_id == known.change.id}
    for item_id, entries in acts.items():
        for each in entries:
            if each.act in _ACTS and (item_id in asked or _belongs(each.at, known.change)):
                words = phrase(_ACTS[each.act], by=each.by, item=item_id, says=each.says)
                yield Event(at=each.at, stage="decided", words=words)
    for each in on_change:
        if each.act == audit.Act.REPLAYED:
            words = phrase("{by} asked for it to be decided upon again, {says}", by=each.by, says=each.says)
            yield Event(at=each.at, stage="replayed", words=words)
        elif each.act == audit.Act.ACKNOWLEDGED:
            yield Event(at=each.at, stage="acknowledged", words=phrase("{by} has seen to it", by=each.by))


def _acts(tx: Transaction, subject: str, number: int) -> tuple[Audit, ...]:
    return audit.entries(tx, subject=subject, subject_id=str(number))


def _matched(client: LinkReport) -> str:
    words = "; ".join(phrase(str(each.get("words", ""))) for each in client.evidence or ())
    said = {"client": client.pims_id, "account": client.pims_account}
    if client.origin != "matched":
        found = phrase("client {client} at {account} {origin}", **said, origin=client.origin)
    else:
        found = phrase("client {client} at {account} found", **said)
    return f"{found}: {words}" if words else found


def _evidence(known: Story) -> tuple[Mapping[str, Any], ...]:
    if known.client_link is not None and known.client_link.evidence:
        return tuple(known.client_link.evidence)
    for item in reversed(known.questions):
        candidates = item.question.get("candidates") or ()
        if candidates:
            return tuple(candidates[0].get("evidence") or ())
    return ()


def _redacted(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """A piece of evidence without the values: its words hold none (``core.matching``)."""
    return {name: value for name, value in evidence.items() if name not in ("here", "there")}


def _belongs(moment: datetime, change: ChangeReport) -> bool:
    """It happened while this change was open."""
    return change.received_at <= moment and (change.settled_at is None or moment <= change.settled_at)
