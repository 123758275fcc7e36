"""The work list: what staff carry out by hand in a PIMS that does not take it from VetBridge. Personal data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.config.models import Site
from vetbridge.core import normalise
from vetbridge.core.records import Kind
from vetbridge.desk.language import moment, phrase
from vetbridge.desk.wording import field_words, value_words
from vetbridge.ledger import audit, changes, mirror, worklist
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Record, Worklist

SOURCE = "worklist"
"""Source of the hint that a person gives by saying that a line is done."""

_KINDS: Mapping[str, str] = MappingProxyType({Kind.CLIENT: "Client", Kind.PET: "Pet"})
_TASKS: Mapping[str, str] = MappingProxyType(
    {
        worklist.RELINK: "{record}: put it on its owner and pet",
        worklist.CONTACT: "{record}: take over the client's phone numbers and e-mail addresses",
        worklist.OPT_OUT: "{record}: note that the client wants no messages",
        worklist.OPT_IN: "{record}: note that the client wants messages again",
    }
)
"""What is to be done where there are no values to set, or they are kept no more."""
_BELIEVED = "somebody has said so, and the PIMS cannot be asked"
"""Why a line is closed that no read can confirm."""


class NoSuchLine(Exception):
    """There is no line of this number, or nobody has to do it any more. ``message`` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One value to set. ``name`` is the client's or the pet's, where the value is an id that the mirror knows."""

    field: str
    value: Any
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing to do by hand."""

    id: int
    site: str
    account: str
    kind: str
    remote_id: str
    """The record to change, by its id in the PIMS."""
    task: str
    """``relink``: put the visit on its owner and pet; ``contact``: take over what a client's contact is now;
    ``opt_out``, ``opt_in``: note that the client wants no messages, or wants them again."""
    state: str
    """``open``; ``done``: somebody says so, and the next read has to confirm it, where it can."""
    visit_at: datetime | None
    """At the site's own time."""
    steps: tuple[Step, ...]
    words: str
    """All of it in one sentence."""
    opened_at: datetime
    done_at: datetime | None
    done_by: str


def lines(tx: Transaction, sites: Mapping[str, Site], *, site: str | None = None) -> tuple[Line, ...]:
    """What is still to be done or confirmed, the soonest visit first."""
    return tuple(_line(tx, row, sites.get(row.site)) for row in worklist.lines(tx, site=site))


def line(tx: Transaction, sites: Mapping[str, Site], number: int) -> Line:
    """The line of this number. Raises ``NoSuchLine`` where there is none that stands."""
    row = _standing(tx, number)
    return _line(tx, row, sites.get(row.site))


def done(tx: Transaction, sites: Mapping[str, Site], number: int, *, by: str, via: str = audit.COMMAND) -> Line:
    """Somebody says that a line is done: the record is read anew, and the line goes when it is so there. A line that
    no read can confirm goes at once.

    Raises ``NoSuchLine`` where there is none that stands.
    """
    row = _standing(tx, number)
    worklist.done(tx, row, by)
    audit.note(tx, Act.LINE_DONE, by=by, via=via, site=row.site, subject="worklist", subject_id=number)
    said = _line(tx, row, sites.get(row.site))
    if row.task in worklist.BELIEVED:
        worklist.close(tx, row.record_id, row.task, confirmed=True, why=_BELIEVED)
        return said
    record = tx.session.get_one(Record, row.record_id)
    changes.receive(
        tx,
        site=row.site,
        account=record.account,
        kind=Kind(record.kind),
        remote_id=record.remote_id,
        source=SOURCE,
    )
    return said


def is_believed(line: Line) -> bool:
    """Whether a line is done when somebody says so: no read can confirm it."""
    return line.task in worklist.BELIEVED


def _standing(tx: Transaction, number: int) -> Worklist:
    row = worklist.line(tx, number)
    if row is None:
        raise NoSuchLine("unknown-line", phrase("there is no line {number}", number=number))
    if row.closed_at is not None:
        why = phrase(row.closed_why) if row.closed_why else row.state
        raise NoSuchLine(
            "not-open",
            phrase("line {number} needs nobody any more: {why}", number=number, why=normalise.shown(why, 200)),
        )
    return row


def _line(tx: Transaction, row: Worklist, site: Site | None) -> Line:
    assert row.id is not None  # noqa: S101 - it came from the ledger
    steps = tuple(
        Step(field=field, value=value, name=_name(tx, row.account, field, value))
        for field, value in worklist.detail(tx, row).items()
    )
    visit_at = row.visit_at
    if visit_at is not None and site is not None:
        visit_at = visit_at.astimezone(ZoneInfo(site.zone))
    return Line(
        id=row.id,
        site=row.site,
        account=row.account,
        kind=row.kind,
        remote_id=row.remote_id,
        task=row.task,
        state=row.state,
        visit_at=visit_at,
        steps=steps,
        words=_words(row, _name(tx, row.account, f"{row.kind}_id", row.remote_id), visit_at, steps),
        opened_at=row.opened_at,
        done_at=row.done_at,
        done_by=row.done_by,
    )


def _name(tx: Transaction, account: str, field: str, value: object) -> str:
    """The name behind an id, as the mirror has it; empty where there is none."""
    if not isinstance(value, str):
        return ""
    if field == "client_id":
        known = mirror.client(tx, account, value)
        return "" if known is None else known.client.full_name
    if field == "pet_id":
        owner = mirror.owner_of(tx, account, value)
        known = None if owner is None else mirror.client(tx, account, owner)
        return next((pet.name for pet in known.pets if pet.id == value), "") if known is not None else ""
    return ""


def _words(row: Worklist, name: str, visit_at: datetime | None, steps: tuple[Step, ...]) -> str:
    """``Visit Tue 24 Nov 10:00 (appointment 4711): set client to Ann Weiss (1023), pet to Bella (88)``."""
    number = normalise.shown(row.remote_id, 24)
    if row.kind != Kind.APPOINTMENT and name:
        kind = phrase(_KINDS.get(row.kind, "Record"))
        record = phrase("{kind} {name} ({number})", kind=kind, name=normalise.shown(name, 60), number=number)
    elif row.kind != Kind.APPOINTMENT:
        record = phrase("{kind} {number}", kind=phrase(_KINDS.get(row.kind, "Record")), number=number)
    elif visit_at is None:
        record = phrase("Visit (appointment {number})", number=number)
    else:
        record = phrase("Visit {moment} (appointment {number})", moment=moment(visit_at), number=number)
    steps_said = ", ".join(
        phrase("{field} to {value}", field=field_words(step.field), value=_value(step)) for step in steps
    )
    if not steps_said:
        return phrase(_TASKS[row.task], record=record)
    return phrase("{record}: set {steps}", record=record, steps=steps_said)


def _value(step: Step) -> str:
    return f"{normalise.shown(step.name, 60)} ({value_words(step.value)})" if step.name else value_words(step.value)
