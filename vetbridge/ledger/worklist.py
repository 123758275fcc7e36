"""The work list: writes that a person carries out in the PIMS, confirmed by read-back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Change, Worklist

BOOK = "book"
"""Task: type a visit."""
CHANGE = "change"
"""Task: give a visit other values."""
CANCEL = "cancel"
"""Task: cancel a visit."""
RELINK = "relink"
"""Task: put a visit on its owner and pet."""
CONTACT = "contact"
"""Task: take over what a client's name, phone or e-mail address is now."""
OPT_OUT = "opt_out"
"""Task: note that a client wants no messages. Nobody can read that back."""
OPT_IN = "opt_in"
"""Task: note that a client wants messages again. The same."""
BELIEVED = frozenset({OPT_OUT, OPT_IN})
"""Tasks that are done when somebody says so."""

_STANDING = ("open", "done")


def put(
    tx: Transaction,
    change: Change,
    *,
    account: str,
    kind: Kind,
    remote_id: str,
    task: str,
    details: Mapping[str, Any],
    visit_at: datetime | None,
    record_id: int | None = None,
    action_id: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> Worklist:
    """Writes a line, or brings the one that stands for the same record and task up to date.

    ``record_id``: of the record that it is about; None: the change's own. ``action_id``: of the write that is handed
    on with it. ``labels``: what the PIMS's screen calls the fields, in its order.
    """
    record_id = change.record_id if record_id is None else record_id
    row = standing(tx, record_id, task)
    if row is None:
        row = Worklist(
            record_id=record_id,
            site=change.site,
            account=account,
            kind=kind,
            remote_id=remote_id,
            task=task,
            state="open",
            opened_at=tx.now,
        )
        tx.session.add(row)
    elif row.remote_id not in ("", remote_id) or plain(dict(details)) != plain(detail(tx, row)):
        row.state = "open"  # what was ticked off was something else, or was done at another record
        row.changed_at = tx.now
        row.changed = ",".join(sorted({*changed(row), *_differing(details, detail(tx, row))}))
    row.details_sealed = tx.sealer.seal(plain(dict(details)))
    row.visit_at = visit_at
    row.remote_id = remote_id
    row.action_id = action_id
    row.labels = json.dumps(labels, ensure_ascii=False) if labels else None
    tx.session.flush()
    return row


def standing(tx: Transaction, record_id: int, task: str) -> Worklist | None:
    """The line of a record that nothing has confirmed yet."""
    return tx.session.exec(
        select(Worklist).where(
            Worklist.record_id == record_id, Worklist.task == task, col(Worklist.state).in_(_STANDING)
        )
    ).first()


def lines(tx: Transaction, *, site: str | None = None) -> tuple[Worklist, ...]:
    """All lines that nothing has confirmed yet, the soonest visit first."""
    statement = select(Worklist).where(col(Worklist.state).in_(_STANDING))
    if site is not None:
        statement = statement.where(Worklist.site == site)
    rows = tx.session.exec(statement).all()
    return tuple(sorted(rows, key=lambda row: (row.visit_at is None, row.visit_at or row.opened_at, row.id or 0)))


def of_task(tx: Transaction, account: str, task: str) -> tuple[Worklist, ...]:
    """The lines of one task at an account that nothing has confirmed yet."""
    rows = select(Worklist).where(
        Worklist.account == account, Worklist.task == task, col(Worklist.state).in_(_STANDING)
    )
    return tuple(tx.session.exec(rows))


def changes_since(tx: Transaction, account: str, since: datetime) -> tuple[Worklist, ...]:
    """The lines that asked to change a visit at an account and were written since, whatever became of them."""
    rows = select(Worklist).where(
        Worklist.account == account, Worklist.task == CHANGE, col(Worklist.opened_at) >= since
    )
    return tuple(tx.session.exec(rows))


def asked_away(tx: Transaction, account: str, since: datetime) -> tuple[Worklist, ...]:
    """The lines that ask to cancel a visit at an account as one too many: those that stand or were closed since."""
    rows = select(Worklist).where(
        Worklist.account == account,
        Worklist.task == CANCEL,
        col(Worklist.action_id).is_(None),  # no booking has asked for it
        col(Worklist.state).in_(_STANDING) | (col(Worklist.closed_at) >= since),
    )
    return tuple(tx.session.exec(rows))


def line(tx: Transaction, line_id: int) -> Worklist | None:
    """The line of this number."""
    return tx.session.get(Worklist, line_id)


def detail(tx: Transaction, row: Worklist) -> dict[str, Any]:
    """What is to be set, by canonical field."""
    return {} if row.details_sealed is None else dict(rich(tx.sealer.open(row.details_sealed)))


def labels(row: Worklist) -> dict[str, str]:
    """What the PIMS's screen calls the fields, in its order."""
    return dict(json.loads(row.labels)) if row.labels else {}


def changed(row: Worklist) -> tuple[str, ...]:
    """The fields that ask for something else than the line did at first."""
    return tuple(filter(None, row.changed.split(",")))


def struck(tx: Transaction, since: datetime, *, site: str | None = None) -> tuple[Worklist, ...]:
    """Lines that came to be no longer wanted since a moment, the last one first."""
    statement = select(Worklist).where(Worklist.state == "struck", col(Worklist.closed_at) >= since)
    if site is not None:
        statement = statement.where(Worklist.site == site)
    return tuple(tx.session.exec(statement.order_by(col(Worklist.closed_at).desc(), col(Worklist.id).desc())))


def of_action(tx: Transaction, action_id: int) -> Worklist | None:
    """The line that a write was handed on with, as long as it stands."""
    return tx.session.exec(
        select(Worklist).where(Worklist.action_id == action_id, col(Worklist.state).in_(_STANDING))
    ).first()


def done(tx: Transaction, row: Worklist, by: str) -> None:
    """A person says that it is done; the next read confirms it, or opens the line again."""
    row.state = "done"
    row.done_at = tx.now
    row.done_by = by


def undone(tx: Transaction, row: Worklist) -> None:
    """A person takes back that it is done: the line is open, as if nobody had said so."""
    row.state = "open"
    row.done_at = None
    row.done_by = ""
    tx.session.flush()


def not_done(tx: Transaction, record_id: int, task: str) -> None:
    """A read does not show what a person said is done: the line is open again."""
    row = standing(tx, record_id, task)
    if row is not None:
        row.state = "open"


def close(tx: Transaction, record_id: int, task: str, *, confirmed: bool, why: str) -> None:
    """Ends the line of a record: a read has confirmed it, or it is no longer wanted."""
    row = standing(tx, record_id, task)
    if row is not None:
        row.state = "confirmed" if confirmed else "struck"
        row.closed_at = tx.now
        row.closed_why = why


def _differing(wanted: Mapping[str, Any], before: Mapping[str, Any]) -> set[str]:
    """Fields that two details do not have alike."""
    return {field for field in {*wanted, *before} if plain(wanted.get(field)) != plain(before.get(field))}
