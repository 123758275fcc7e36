"""The words of a mail: what one channel is to be told at once, in one text, in the language that is spoken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.core.conditions import Code, Condition, Scope, Severity
from vetbridge.desk import language
from vetbridge.desk.conditions import message, remedy
from vetbridge.desk.language import phrase, phrases
from vetbridge.ledger import events

TEST = "alert.test"
"""The type of what `vetbridge alerts test` sends."""
SHOWN = 100
"""So many conditions are written out in one part of a mail; the others are counted."""
PREFIX = "[VetBridge]"
_LIST = "vetbridge alerts list"


def written(contents: Sequence[str], zone: str) -> tuple[str, str]:
    """Subject and text of one mail. ``contents``: events as JSON; ``zone``: of the moments in it."""
    told: dict[str, list[Mapping[str, Any]]] = {}
    for content in contents:
        event = json.loads(content)
        data = event["data"]
        told.setdefault(event["type"], []).extend(data["open"] if event["type"] == events.ALERT_DIGEST else [data])
    return _subject(told), "\n".join(_body(told, ZoneInfo(zone))) + "\n"


def _subject(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    conditions = [each for some in told.values() for each in some]
    if TEST in told:
        return f"{PREFIX} {phrase('a test')}"
    if len(conditions) == 1:
        said = message(_condition(conditions[0]))
        return f"{PREFIX} {phrase('over: {what}', what=said) if events.ALERT_CLEARED in told else said}"
    counts = []
    if begun := len(told.get(events.ALERT_RAISED, ())):
        counts.append(phrases("{count} condition", "{count} conditions", begun))
    if soon := len(told.get(events.REVIEW_SOON, ())):
        counts.append(
            phrases("{count} question whose visit begins soon", "{count} questions whose visits begin soon", soon)
        )
    if over := len(told.get(events.ALERT_CLEARED, ())):
        counts.append(phrase("{count} over", count=over))
    if still := len(told.get(events.ALERT_DIGEST, ())):
        counts.append(phrase("{count} still open", count=still))
    sites = sorted({site for each in conditions for site in each["sites"]})
    what = ", ".join(counts)
    return f"{PREFIX} {phrase('{what} at {sites}', what=what, sites=', '.join(sites)) if sites else what}"


def _body(told: Mapping[str, Sequence[Mapping[str, Any]]], zone: ZoneInfo) -> Iterator[str]:
    if TEST in told:
        yield phrase("This is a test. Whoever reads this is told when VetBridge needs a person.")
        return
    begun = told.get(events.ALERT_RAISED, ())
    for severity, title in (
        (Severity.NOW, phrase("Needed now: bookings do not flow, or may be lost")),
        (Severity.TODAY, phrase("Needed today: it works, and will not for ever")),
    ):
        yield from _part(title, [each for each in begun if each["severity"] == severity], zone, advised=True)
    yield from _part(
        phrase("Visits that begin soon, and wait for an answer"), told.get(events.REVIEW_SOON, ()), zone, advised=True
    )
    yield from _part(phrase("Over"), told.get(events.ALERT_CLEARED, ()), zone, advised=False)
    yield from _part(phrase("Still open"), told.get(events.ALERT_DIGEST, ()), zone, advised=True)
    yield phrase("All that is open: {command}", command=_LIST)
    yield phrase("Times are those of {zone}.", zone=zone.key)


def _part(title: str, conditions: Sequence[Mapping[str, Any]], zone: ZoneInfo, *, advised: bool) -> Iterator[str]:
    if not conditions:
        return
    yield title
    yield ""
    for each in conditions[:SHOWN]:
        found = _condition(each)
        since = language.moment(found.since.astimezone(zone))
        yield f"* {message(found)}"
        if "cleared_at" in each:
            until = language.moment(datetime.fromisoformat(each["cleared_at"]).astimezone(zone))
            yield "  " + phrase("{code}, from {since} to {until}", code=found.code, since=since, until=until)
        else:
            yield "  " + phrase("{code}, since {since}", code=found.code, since=since)
        if advised:
            yield f"  {remedy(found)}"
        yield ""
    if len(conditions) > SHOWN:
        yield phrase("and {count} more", count=len(conditions) - SHOWN)
        yield ""


def _condition(told: Mapping[str, Any]) -> Condition:
    return Condition(
        code=Code(told["code"]),
        scope=Scope(told["scope"]),
        name=told["name"],
        kind=told["kind"],
        since=datetime.fromisoformat(told["since"]),
        details=told["details"],
    )
