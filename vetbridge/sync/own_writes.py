"""What VetBridge itself has written and a side does not show yet, because its reads come from a copy that follows.

Within ``Capabilities.shown_within`` a field that shows what stood before an own write is no news: what was written
holds. A field that shows neither is what people have made of it since, and counts at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from vetbridge.connector.interface import Operation
from vetbridge.core.planning import STATUS
from vetbridge.core.records import Appointment, AppointmentStatus, Attachment, Client, Kind, Pet, Record
from vetbridge.ledger import actions
from vetbridge.ledger.actions import Done
from vetbridge.ledger.database import Ledger
from vetbridge.sync.pair import Pair

_RECORDS: Mapping[Kind, Callable[..., Record]] = {
    Kind.CLIENT: Client,
    Kind.PET: Pet,
    Kind.APPOINTMENT: Appointment,
    Kind.ATTACHMENT: Attachment,
}
BEFORE = "before"
"""Key of a payload of an update: the fields that it writes, as they were read."""


def as_written(kind: Kind, id_: str, shown: Record | None, writes: Sequence[Done]) -> Record | None:
    """A record as it stands by these writes, the oldest first, where a read shows ``shown``."""
    record = shown
    for place, write in enumerate(writes):
        wrote = _fields(kind, write)
        if write.operation == Operation.CREATE:
            record = record or _made(kind, id_, wrote)
        elif record is not None:
            former = [write.payload.get(BEFORE) or {}, *(_fields(kind, one) for one in writes[:place])]
            off = write.operation == Operation.CANCEL
            late = {
                name: value
                for name, value in wrote.items()
                if off or any(name in one and getattr(record, name) == one[name] for one in former)
            }
            record = replace(record, **late)
    return record


def _fields(kind: Kind, write: Done) -> Mapping[str, Any]:
    """The canonical fields of a record that a write has set."""
    if write.operation == Operation.CANCEL:
        wrote = write.payload.get("fields") or {}
        return {
            STATUS: AppointmentStatus.CANCELLED,
            "cancelled_by": wrote.get("by", ""),
            "cancel_reason": wrote.get("reason", ""),
        }
    known = {one.name for one in fields(_RECORDS[kind])}  # type: ignore[arg-type]
    return {name: value for name, value in (write.payload.get("fields") or {}).items() if name in known}


def _made(kind: Kind, id_: str, wrote: Mapping[str, Any]) -> Record:
    return _RECORDS[kind](id=id_, **wrote)


@dataclass(frozen=True, slots=True)
class OwnWrites:
    """The writes to one account that its reads may not show yet."""

    account: str
    ledger: Ledger
    within: timedelta

    def over(self, kind: Kind, id_: str, shown: Record | None) -> Record | None:
        """A record as it stands, where a read shows ``shown``."""
        if kind not in _RECORDS:
            return shown
        with self.ledger.read() as tx:
            writes = actions.done_since(tx, self.account, kind, id_, tx.now - self.within)
        return as_written(kind, id_, shown, writes)

    def shown_at(self, kind: Kind, id_: str) -> datetime | None:
        """When reads show the last write of a record at the latest; None where there is none that they may lack."""
        with self.ledger.read() as tx:
            writes = actions.done_since(tx, self.account, kind, id_, tx.now - self.within)
        return writes[-1].answered_at + self.within if writes else None


def followed(pair: Pair, ledger: Ledger) -> Pair:
    """The pair, whose PIMS side shows its own writes at once, whatever its reads show."""
    within = pair.pims.connector.capabilities.shown_within
    if not within:
        return pair
    end = pair.pims
    own = OwnWrites(end.account, ledger, timedelta(seconds=within))
    return replace(pair, pims=replace(end, own=own))
