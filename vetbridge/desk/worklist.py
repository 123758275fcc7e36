"""The work list: what staff carry out by hand in a PIMS that does not take it from VetBridge. Personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from vetbridge.config.models import Config, Site
from vetbridge.core import normalise
from vetbridge.core.conditions import overdue_since
from vetbridge.core.opening import Opening
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.desk.by_hand import CLIENT, PET, VISIT, Owner, Patient, Reader, Step
from vetbridge.desk.language import moment, phrase
from vetbridge.desk.wording import field_words, value_words
from vetbridge.ledger import audit, changes, subjects, worklist
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Record, Worklist

SOURCE = "worklist"
"""Source of the hint that a person gives by saying that a line is done."""
OPEN, DONE, STRUCK = "open", "done", "struck"
"""States of a line that is shown."""
TYPED = frozenset({worklist.BOOK, worklist.CHANGE, worklist.CANCEL})
"""Tasks that are about a visit, field by field."""

_OF_WHOM = frozenset({worklist.CHANGE, worklist.CANCEL, worklist.RELINK})
"""Tasks of a visit that stands, whose steps do not say whose it is."""
_KINDS: Mapping[str, str] = MappingProxyType({Kind.CLIENT: "Client", Kind.PET: "Pet"})
_TASKS: Mapping[str, str] = MappingProxyType(
    {
        worklist.BOOK: "{record}: type it in",
        worklist.CHANGE: "{record}: change it",
        worklist.CANCEL: "{record}: cancel it",
        worklist.RELINK: "{record}: put it on its owner and pet",
        worklist.CONTACT: "{record}: take over the client's phone numbers and e-mail addresses",
        worklist.OPT_OUT: "{record}: note that the client wants no messages",
        worklist.OPT_IN: "{record}: note that the client wants messages again",
    }
)
"""What is to be done where there are no values to set, or they are kept no more."""
_TITLES: Mapping[str, str] = MappingProxyType(
    {
        worklist.BOOK: "Type this visit",
        worklist.CHANGE: "Change this visit",
        worklist.CANCEL: "Cancel this visit",
        worklist.RELINK: "Put this visit on its owner",
        worklist.CONTACT: "Change this client",
        worklist.OPT_OUT: "Note that this client wants no messages",
        worklist.OPT_IN: "Note that this client wants messages again",
    }
)
_BELIEVED = "somebody has said so, and the PIMS cannot be asked"
"""Why a line is closed that no read can confirm."""


class NoSuchLine(Exception):
    """There is no line of this number, or nobody has to do it any more. ``message`` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing to do by hand."""

    id: int
    record_id: int
    """Of the record whose work needs it, in the ledger."""
    site: str
    account: str
    kind: str
    remote_id: str
    """The record to change, by its id in the PIMS; empty for a visit that is to be typed."""
    task: str
    """``book``: type a visit; ``change``: give it other values; ``cancel``: cancel it; ``relink``: put it on its
    owner and pet; ``contact``: take over what a client's contact is now; ``opt_out``, ``opt_in``: note that the
    client wants no messages, or wants them again."""
    state: str
    """``open``; ``done``: somebody says so, and the next read has to confirm it, where it can; ``struck``: it is not
    to be done any more."""
    visit_at: datetime | None
    """When the visit is to begin, at the site's own time."""
    found_at: datetime | None
    """When it begins in the PIMS, for whoever looks for it there: another time where it is to be moved; None: it is
    not there, or about no visit."""
    title: str
    """What is to be done, in a few words."""
    record: str
    """What it is done to: ``Visit Tue 24 Nov 10:00 (appointment 4711)``; a visit that is to be moved as it stands."""
    about: str
    """Who booked the visit and for which pet, where what is to be typed does not say so."""
    steps: tuple[Step, ...]
    """Who is to be registered first, then the values in the order of the PIMS's screen."""
    client: Owner | None
    """Whose visit it is, where the line says so."""
    pet: Patient | None
    candidates: tuple[Owner, ...]
    """Owners of whom one is meant, where VetBridge is not certain."""
    words: str
    """All of it in one sentence."""
    overdue: bool
    """It has stood for ``watch.line_overdue``, or its visit begins within ``watch.nudge``; or it was ticked so long
    ago that a reading should have shown it."""
    opened_at: datetime
    changed_at: datetime | None
    """When it came to ask for something else, at the site's own time."""
    done_at: datetime | None
    """When somebody said so, at the site's own time."""
    done_by: str
    closed_at: datetime | None
    why: str
    """Why nobody has to do it any more."""


def lines(
    tx: Transaction, config: Config, *, site: str | None = None, state: str | None = None, struck: bool = False
) -> tuple[Line, ...]:
    """What is still to be done or confirmed: what is overdue first, then the soonest visit.

    ``state``: only lines in this one. ``struck``: also those that were struck today, by the site's clock; they come
    last.
    """
    view = _View(tx, config)
    rows = [row for row in worklist.lines(tx, site=site) if state in (None, row.state)]
    view.read_about(rows)
    found = [view.line(row) for row in rows]
    found.sort(key=lambda each: not each.overdue)
    if struck and state in (None, STRUCK):
        gone = [row for row in worklist.struck(tx, tx.now - timedelta(days=1), site=site) if view.is_of_today(row)]
        view.read_about(gone)
        found += map(view.line, gone)
    return tuple(found)


def line(tx: Transaction, config: Config, number: int) -> Line:
    """The line of this number. Raises ``NoSuchLine`` where there is none that stands."""
    return _View(tx, config).line(_standing(tx, number))


def done(tx: Transaction, config: Config, number: int, *, by: str, via: str = audit.COMMAND) -> Line:
    """Somebody says that a line is done: the record is read anew, and the line goes when it is so there. A line that
    no read can confirm goes at once. Of a line that somebody has ticked already nothing changes.

    Raises ``NoSuchLine`` where there is none that stands.
    """
    row = _standing(tx, number)
    if row.state == DONE:
        return _View(tx, config).line(row)
    worklist.done(tx, row, by)
    audit.note(tx, Act.LINE_DONE, by=by, via=via, site=row.site, subject="worklist", subject_id=number)
    said = _View(tx, config).line(row)
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


def undone(tx: Transaction, config: Config, number: int, *, by: str, via: str = audit.COMMAND) -> Line:
    """Somebody says that a line is not done after all: it is open again. Of an open line nothing changes.

    Raises ``NoSuchLine`` where there is none that stands.
    """
    row = _standing(tx, number)
    if row.state == DONE:
        worklist.undone(tx, row)
        audit.note(tx, Act.LINE_UNDONE, by=by, via=via, site=row.site, subject="worklist", subject_id=number)
    return _View(tx, config).line(row)


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


class _View:
    """What lines of the ledger look like at the desk now."""

    def __init__(self, tx: Transaction, config: Config) -> None:
        self._tx = tx
        self._sites = config.sites
        self._stands = timedelta(seconds=config.watch.line_overdue)
        self._nudge = timedelta(seconds=config.watch.nudge)
        self._reader = Reader(tx)
        self._opening: dict[str, Opening] = {}
        self._about: dict[int, str] = {}

    def read_about(self, rows: Sequence[Worklist]) -> None:
        """Reads whose visits these are about, all at once."""
        wanted = {row.record_id for row in rows if row.task in _OF_WHOM} - self._about.keys()
        if wanted:
            self._about |= dict.fromkeys(wanted, "")
            self._about |= {number: _whose(found) for number, found in subjects.contents(self._tx, wanted).items()}

    def line(self, row: Worklist) -> Line:
        """One line."""
        assert row.id is not None  # noqa: S101 - it came from the ledger
        site = self._sites.get(row.site)
        asked = self._reader.asked(
            site, row.account, worklist.detail(self._tx, row), worklist.labels(row), worklist.changed(row)
        )
        self.read_about([row])
        visit_at = self._at_site(row.visit_at, site)
        found_at = asked.stands_at or visit_at
        record = _record(row, self._reader.name(row.account, row.kind, row.remote_id), found_at)
        return Line(
            id=row.id,
            record_id=row.record_id,
            site=row.site,
            account=row.account,
            kind=row.kind,
            remote_id=row.remote_id,
            task=row.task,
            state=row.state,
            visit_at=visit_at,
            found_at=found_at if row.remote_id else None,
            title=phrase(_TITLES[row.task]),
            record=record,
            about=self._about.get(row.record_id, ""),
            steps=asked.steps,
            client=asked.client,
            pet=asked.pet,
            candidates=asked.candidates,
            words=_words(row.task, record, asked.steps),
            overdue=self._is_overdue(row, site),
            opened_at=self._at_site(row.opened_at, site) or row.opened_at,
            changed_at=self._at_site(row.changed_at, site),
            done_at=self._at_site(row.done_at, site),
            done_by=row.done_by,
            closed_at=self._at_site(row.closed_at, site),
            why=normalise.shown(phrase(row.closed_why), 200) if row.closed_why else "",
        )

    def is_of_today(self, row: Worklist) -> bool:
        """Whether a line was closed today, by its site's clock."""
        closed_at = self._at_site(row.closed_at, self._sites.get(row.site))
        return closed_at is not None and closed_at.date() == self._tx.now.astimezone(closed_at.tzinfo).date()

    def _is_overdue(self, row: Worklist, site: Site | None) -> bool:
        if site is None or row.closed_at is not None:
            return False
        if row.site not in self._opening:
            hours = {str(day): spans for day, spans in site.opening_hours.items()}
            self._opening[row.site] = Opening(hours, site.zone)
        since = overdue_since(
            row.opened_at,
            row.visit_at,
            self._tx.now,
            self._opening[row.site],
            stands=self._stands,
            nudge=self._nudge,
            ticked_at=row.done_at if row.state == DONE else None,
        )
        return since is not None

    def _at_site(self, at: datetime | None, site: Site | None) -> datetime | None:
        return at if at is None or site is None else at.astimezone(ZoneInfo(site.zone))


def _whose(found: object) -> str:
    """Who booked a visit, and for which pet."""
    if not isinstance(found, Appointment):
        return ""
    owner, pet = found.booker or Client(), found.booked_pet or Pet()
    return ", ".join(normalise.shown(name, 60) for name in (owner.full_name, pet.name) if name)


def _record(row: Worklist, name: str, visit_at: datetime | None) -> str:
    """What a line is about: ``Visit Tue 24 Nov 10:00 (appointment 4711)``."""
    number = normalise.shown(row.remote_id, 24)
    if row.kind != Kind.APPOINTMENT and name:
        kind = phrase(_KINDS.get(row.kind, "Record"))
        return phrase("{kind} {name} ({number})", kind=kind, name=normalise.shown(name, 60), number=number)
    if row.kind != Kind.APPOINTMENT:
        return phrase("{kind} {number}", kind=phrase(_KINDS.get(row.kind, "Record")), number=number)
    if visit_at is None:
        return phrase("Visit (appointment {number})", number=number) if number else phrase("Visit")
    if not number:
        return phrase("Visit {moment}", moment=moment(visit_at))
    return phrase("Visit {moment} (appointment {number})", moment=moment(visit_at), number=number)


def _words(task: str, record: str, steps: Sequence[Step]) -> str:
    """``Visit Tue 24 Nov 10:00 (appointment 4711): set client to Ann Weiss (1023), pet to Bella (88)``."""
    if not steps:
        return phrase(_TASKS[task], record=record)
    if task in TYPED:
        said = "; ".join(in_words(steps))
        return phrase("{task} ({steps})", task=phrase(_TASKS[task], record=record), steps=said)
    steps_said = ", ".join(
        phrase("{field} to {value}", field=field_words(step.field), value=_value(step)) for step in steps
    )
    return phrase("{record}: set {steps}", record=record, steps=steps_said)


def in_words(steps: Sequence[Step]) -> tuple[str, ...]:
    """What is to be typed: who is to be registered first, then the visit, ``Time: Tue 24 Nov 10:00``."""
    parts = {part: ", ".join(_step(step) for step in steps if step.part == part) for part in (CLIENT, PET)}
    said = []
    if parts[CLIENT]:
        said.append(phrase("first register the owner, {fields}", fields=parts[CLIENT]))
    if parts[PET]:
        said.append(phrase("first register the pet, {fields}", fields=parts[PET]))
    return (*said, *(_step(step) for step in steps if step.part == VISIT))


def _step(step: Step) -> str:
    if not step.found:
        return f"{step.label}: {step.words}"
    return phrase(
        "{label}: stands at {found}, should be {value}", label=step.label, found=step.found, value=step.words
    )


def _value(step: Step) -> str:
    return f"{normalise.shown(step.name, 60)} ({value_words(step.value)})" if step.name else value_words(step.value)
