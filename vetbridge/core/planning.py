"""What to do about one record that stands on two sides: a pure three-way comparison with two bases.

*Here* is the side that changed, *there* the side that may be written. Each side's *base* is the record as that side
last returned it when both were settled. Here is compared with its own base and there with its own, never crosswise: a
value that one side cuts or re-cases would otherwise be sent for ever.

All four are mappings of canonical field to value. References (client, pet) must be given as ids *there* in ``here``
and ``base_here``. A field that a side does not speak is left out of its mappings: one that here does not speak is
left alone, one that there does not tell is written when it changed here. None, an empty text and an empty list are
the same.

After a plan is carried out, the caller stores new bases with ``settle``. It keeps the old base of the fields that are
not settled (``Plan.held``), so that the other direction, a later pass or a person's answer still sees the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from vetbridge.core.records import AppointmentStatus

Fields = Mapping[str, object]
"""Canonical field to value."""

STATUS = "status"
MOVES = frozenset({"start", "duration", "resource"})
"""The fields that a move changes: the slot."""
_BEGUN = frozenset({AppointmentStatus.ARRIVED, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW})
_NOTHING: Fields = MappingProxyType({})
_ABSENT = object()


class Outcome(StrEnum):
    """What a plan asks for."""

    NOTHING = "nothing"
    BASES = "bases"
    """Nothing to write; both sides already mean the same, only the bases are old."""
    CREATE = "create"
    UPDATE = "update"
    CANCEL = "cancel"
    QUESTION = "question"


class FieldOwner(StrEnum):
    """Whose value wins where both sides changed a field differently."""

    HERE = "here"
    THERE = "there"
    ASK = "ask"


REASONS: Mapping[str, str] = MappingProxyType(
    {
        "new-here": "the record is new and has no counterpart",
        "create-not-allowed": "the record is new, and this flow may not create",
        "cancelled-before-written": "cancelled or gone before it was written",
        "counterpart-cancelled": "the counterpart that was found is cancelled or gone",
        "settled": "nothing changed",
        "same-meaning": "both sides mean the same",
        "changed-here": "changed here, same there",
        "changed-there": "changed there only",
        "owned-there": "changed on both sides; the other side's value wins",
        "not-writable": "changed here, and the other side's field cannot be written",
        "conflict": "changed on both sides, and nobody's value wins by itself",
        "cancelled-here": "cancelled here, same there",
        "gone-here": "gone here, same there",
        "cancelled-here-moved-there": "cancelled here, but moved there",
        "cancelled-here-changed-there": "cancelled or gone here, but changed there",
        "cancelled-here-begun-there": "cancelled or gone here, but the visit has begun or is over there",
        "cancel-not-allowed": "cancelled or gone here, and this flow may not cancel",
        "cancelled-there": "cancelled or gone there",
        "moved-here-cancelled-there": "moved here, but cancelled or gone there",
        "changed-here-cancelled-there": "changed here, but cancelled or gone there",
        "reopened-here": "it was cancelled on both sides and stands again here",
        "reopened-there": "it was cancelled on both sides and stands again there",
        "both-cancelled": "cancelled or gone on both sides",
        "decided": "a person has decided",
    }
)
"""Every reason of a plan, by its stable code, with the words a person reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One record on both sides.

    ``here`` and ``there`` are None where the record is gone or was never there; the bases are None where the record
    is not linked. A cancelled record has ``status`` cancelled; a gone one counts as cancelled; nothing is deleted.
    """

    base_here: Fields | None = None
    here: Fields | None
    base_there: Fields | None = None
    there: Fields | None
    owners: Mapping[str, FieldOwner] = field(default_factory=dict)
    """Who wins a conflict, per field; ``ASK`` where the field is not named."""
    writable: frozenset[str]
    """Fields that an update from here may write there. A create sends all of ``here``."""
    create_allowed: bool = True
    cancel_allowed: bool = True
    limits: Mapping[str, int] = field(default_factory=dict)
    """Longest text, in characters, that there keeps, per field; longer text is sent cut."""
    decided: FieldOwner | None = None
    """Whose values a person has said are right, wherever the two sides differ by now; None where nobody was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do there: one action, nothing, or a question."""

    outcome: Outcome
    reason: str
    """A code of ``REASONS``."""
    fields: Fields = field(default_factory=lambda: _NOTHING)
    """What to write there, in one action."""
    back: frozenset[str] = frozenset()
    """Fields whose value there flows back to here; the work of the plan in the other direction."""
    conflicts: Mapping[str, tuple[object, object]] = field(default_factory=lambda: MappingProxyType({}))
    """Fields for a person to decide, with the values here and there."""
    unwritable: frozenset[str] = frozenset()
    """Fields that changed here and cannot be written there."""

    @property
    def held(self) -> frozenset[str]:
        """Fields whose bases must stay as they are, because the two sides are not settled on them."""
        return self.back | self.unwritable | frozenset(self.conflicts)


def plan(s: Situation) -> Plan:
    """What to do about a record that may have changed (architecture, section 7)."""
    if _off(s.here):
        return _plan_off_here(s)
    if s.there is None and s.base_there is None:
        if not s.create_allowed:
            return Plan(outcome=Outcome.NOTHING, reason="create-not-allowed")
        fields = {name: _cut(s, name, value) for name, value in (s.here or {}).items()}
        return Plan(outcome=Outcome.CREATE, reason="new-here", fields=fields)
    if _off(s.there):
        return _plan_off_there(s)
    if _was_off(s.base_here) and _was_off(s.base_there):
        # Both stand again: what each side holds is compared as if it were met for the first time.
        return _plan_fields(s, None, None)
    return _plan_fields(s, s.base_here, s.base_there)


def settle(base: Fields | None, now: Fields | None, held: frozenset[str]) -> Fields:
    """The new base of one side after a plan was carried out.

    ``now`` is the record as that side returned it last (None: gone, kept as its old base, marked cancelled); ``held``
    is the plan's.
    """
    old = base or {}
    if now is None:
        return dict(old) if STATUS in held else {**old, STATUS: AppointmentStatus.CANCELLED}
    kept = {name: value for name, value in now.items() if name not in held}
    return kept | {name: value for name, value in old.items() if name in held}


def _plan_off_here(s: Situation) -> Plan:
    if s.base_here is None and s.base_there is None:
        return Plan(outcome=Outcome.NOTHING, reason="cancelled-before-written")
    if _off(s.there):
        settled = _was_off(s.base_here) and (_was_off(s.base_there) or s.base_there is None)
        return Plan(outcome=Outcome.NOTHING if settled else Outcome.BASES, reason="both-cancelled")
    there = s.there or {}
    if _was_off(s.base_here) and s.decided is not FieldOwner.HERE:
        # The cancellation itself is settled or was decided upon; only there can have changed since.
        changed = _changed_fields(s.base_there, there)
        reopened = STATUS in changed and _was_off(s.base_there)
        reason = "reopened-there" if reopened else "changed-there" if changed else "settled"
        return Plan(outcome=Outcome.NOTHING, reason=reason, back=changed)
    return _plan_cancel(s, there)


def _plan_cancel(s: Situation, there: Fields) -> Plan:
    question = {STATUS: (AppointmentStatus.CANCELLED, there.get(STATUS))}
    if s.decided is FieldOwner.THERE:
        return Plan(outcome=Outcome.NOTHING, reason="decided", back=frozenset({STATUS}))
    if s.decided is None:
        if there.get(STATUS) in _BEGUN:
            return Plan(outcome=Outcome.QUESTION, reason="cancelled-here-begun-there", conflicts=question)
        changed = _changed_fields(s.base_there, there)
        if changed:
            moved = s.here is not None and changed <= MOVES
            reason = "cancelled-here-moved-there" if moved else "cancelled-here-changed-there"
            return Plan(outcome=Outcome.QUESTION, reason=reason, conflicts=question)
    if not s.cancel_allowed:
        # A visit that still stands there concerns people; other kinds are never deleted, so nothing is asked.
        outcome = Outcome.QUESTION if STATUS in there else Outcome.NOTHING
        return Plan(outcome=outcome, reason="cancel-not-allowed", conflicts=question if STATUS in there else {})
    here = s.here or {}
    fields: dict[str, object] = {STATUS: AppointmentStatus.CANCELLED}
    fields.update({name: here[name] for name in ("cancelled_by", "cancel_reason") if here.get(name)})
    reason = "decided" if s.decided else "gone-here" if s.here is None else "cancelled-here"
    return Plan(outcome=Outcome.CANCEL, reason=reason, fields=fields)


def _plan_off_there(s: Situation) -> Plan:
    """Here stands, there is cancelled or gone."""
    here = s.here or {}
    question = {STATUS: (here.get(STATUS), AppointmentStatus.CANCELLED)}
    if s.decided is FieldOwner.THERE:
        return Plan(outcome=Outcome.NOTHING, reason="decided", back=frozenset({STATUS}))
    if s.decided is FieldOwner.HERE:
        # What is cancelled there stays so: the record stands there anew.
        return Plan(outcome=Outcome.CREATE, reason="decided", fields=dict(here))
    if s.base_here is None or s.base_there is None:
        return Plan(outcome=Outcome.QUESTION, reason="counterpart-cancelled", conflicts=question)
    if _was_off(s.base_here):
        return Plan(outcome=Outcome.QUESTION, reason="reopened-here", conflicts=question)
    changed = _changed_fields(s.base_here, here)
    if not changed:
        return Plan(outcome=Outcome.NOTHING, reason="cancelled-there", back=frozenset({STATUS}))
    moved = changed <= MOVES and s.there is not None
    reason = "moved-here-cancelled-there" if moved else "changed-here-cancelled-there"
    return Plan(outcome=Outcome.QUESTION, reason=reason, conflicts=question)


def _plan_fields(s: Situation, base_here: Fields | None, base_there: Fields | None) -> Plan:
    """Field by field, where the record stands on both sides."""
    here, there = s.here or {}, s.there or {}
    here_changed = _changed_fields(base_here, here)
    there_changed = _changed_fields(base_there, there) & here.keys()
    open_fields = {name for name in here_changed | there_changed if not _same_meaning(s, name)}
    won = {
        name: s.decided or s.owners.get(name, FieldOwner.ASK)
        for name in open_fields
        if s.decided or name in here_changed & there_changed or _begun(s, name)
    }
    to_there = {name for name, owner in won.items() if owner is FieldOwner.HERE}
    back = (open_fields - here_changed - to_there) | {
        name for name, owner in won.items() if owner is FieldOwner.THERE
    }
    unwritable = open_fields - back - s.writable
    asked = {name for name, owner in won.items() if owner is FieldOwner.ASK} - unwritable
    conflicts = {name: (here[name], there[name]) for name in sorted(asked)}
    writes = open_fields - back - unwritable - conflicts.keys()
    outcome, reason = Outcome.NOTHING, "settled"
    if conflicts:
        outcome, reason = Outcome.QUESTION, "conflict"
    elif writes:
        outcome, reason = Outcome.UPDATE, "changed-here"
    elif here_changed | there_changed != open_fields and _bases_move(s, frozenset(back | unwritable)):
        outcome, reason = Outcome.BASES, "same-meaning"
    elif unwritable:
        reason = "not-writable"
    elif back:
        reason = "owned-there" if back & won.keys() else "changed-there"
    return Plan(
        outcome=outcome,
        reason=reason,
        # A question holds the whole record: half a change is a record that nobody wanted.
        fields={} if conflicts else {name: _cut(s, name, value) for name, value in here.items() if name in writes},
        back=frozenset(back),
        conflicts=conflicts,
        unwritable=frozenset(unwritable),
    )


def _begun(s: Situation, name: str) -> bool:
    """The status of a visit that has begun at the side that owns it: no other side takes that back."""
    owner = s.owners.get(STATUS)
    side = s.here if owner is FieldOwner.HERE else s.there if owner is FieldOwner.THERE else None
    return name == STATUS and side is not None and side.get(STATUS) in _BEGUN


def _bases_move(s: Situation, held: frozenset[str]) -> bool:
    """Whether keeping the bases would change anything: not where all that differs is held."""
    return settle(s.base_here, s.here, held) != s.base_here or settle(s.base_there, s.there, held) != s.base_there


def _off(record: Fields | None) -> bool:
    return record is None or record.get(STATUS) == AppointmentStatus.CANCELLED


def _was_off(base: Fields | None) -> bool:
    return base is not None and _off(base)


def _changed_fields(base: Fields | None, now: Fields) -> frozenset[str]:
    return frozenset(name for name in now if _differs(base, now, name))


def _differs(base: Fields | None, now: Fields, name: str) -> bool:
    """Whether a side changed a field. Without a base nobody can say that it did not."""
    if name not in now:
        return False
    return base is None or name not in base or _plain(base[name]) != _plain(now[name])


def _same_meaning(s: Situation, name: str) -> bool:
    here = _plain((s.here or {}).get(name, _ABSENT))
    there = _plain((s.there or {}).get(name, _ABSENT))
    if name in s.limits and isinstance(here, str) and isinstance(there, str):
        return here[: s.limits[name]].rstrip() == there.rstrip()
    return here == there


def _cut(s: Situation, name: str, value: object) -> object:
    return value[: s.limits[name]] if name in s.limits and isinstance(value, str) else value


def _plain(value: object) -> object:
    return None if value in ("", ()) or value == [] else value
