"""Whether what a side does not show is gone: two misses a set time apart, while another record still reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from vetbridge.connector.clock import Clock
from vetbridge.core.answers import MANY_ENDED, NOT_SHOWN
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, mass_ends, mirror, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Record
from vetbridge.ledger.witnesses import WITNESSES
from vetbridge.sync.job import Ask, PutOff
from vetbridge.sync.pair import End, Timings

UNSURE = timedelta(hours=1)
"""So long a visit is not shown before a person is asked whether it is gone, where nobody else can tell."""
FEW = 5
"""So many such questions stand at once: a side that shows nothing at all is one trouble, not a thousand questions."""
SOON = timedelta(days=1)
"""Of a visit that begins within this time it is asked in any case."""


def confirm(
    end: End,
    record: Record,
    witnesses: Sequence[str] | None,
    *,
    ledger: Ledger,
    clock: Clock,
    timings: Timings,
    code: str,
    unsure: str,
    visit_at: datetime | None,
) -> None:
    """Returns once a visit of ``end`` that was just not found counts as gone; raises ``PutOff`` until then.

    ``witnesses``: other visits of the same account, one of which must still read (none at all: nobody can tell); None
    where nothing hangs on it. ``code`` and ``unsure``: why it waits after one miss, and where no witness reads.
    ``visit_at``: when it begins, where a person is to be asked (``Ask``) if nobody else can tell.
    """
    assert record.id is not None  # noqa: S101 - flushed
    # A side whose lists lag may not show yet what was just written there.
    apart = timedelta(seconds=max(timings.absence_confirm, end.connector.capabilities.late_landing))
    with ledger.write() as tx:
        since = changes.missed(tx, record.id)
    now = clock.now()
    if now < since + apart:
        raise PutOff(
            since + apart, code, f"{end.account} does not show it; it is asked once more before it counts as gone"
        )
    _require_believed(end, ledger, clock, timings)
    if witnesses is not None and all(end.connector.get(Kind.APPOINTMENT, one) is None for one in witnesses):
        with ledger.read() as tx:
            few = reviews.count_open(tx, NOT_SHOWN) < FEW
        soon = visit_at is not None and now < visit_at <= now + SOON
        if soon or (visit_at is not None and few and now >= since + UNSURE):
            raise Ask(
                NOT_SHOWN,
                f"{end.account} shows neither the visit nor others near it: was it removed, or are rights missing?",
                {"ids": [record.remote_id]},
            )
        raise PutOff(
            now + timedelta(seconds=timings.retry_longest),
            unsure,
            f"{end.account} shows no other known visit either; that may be missing rights",
        )
    with ledger.write() as tx:
        changes.gone(tx, record.id)


def confirm_person(end: End, kind: Kind, id_: str, *, ledger: Ledger, clock: Clock, timings: Timings) -> None:
    """Returns once a client or a pet of ``end`` that was just not found counts as gone; raises ``PutOff`` until then.

    Of others that the mirror has one must still read, where there are any.
    """
    with ledger.write() as tx:
        record = changes.record_of(tx, end.account, kind, id_)
        since = changes.missed(tx, record.id or 0)
        witnesses = mirror.some(tx, end.account, kind, but=id_, most=WITNESSES)
    apart = timedelta(seconds=max(timings.absence_confirm, end.connector.capabilities.late_landing))
    if clock.now() < since + apart:
        raise PutOff(
            since + apart,
            changes.NOT_FOUND_IN_PIMS,
            f"{end.account} does not show the {kind}; it is asked once more before it counts as gone",
        )
    _require_believed(end, ledger, clock, timings)
    if witnesses and all(end.connector.get(kind, one) is None for one in witnesses):
        raise PutOff(
            clock.now() + timedelta(seconds=timings.retry_longest),
            changes.NOT_FOUND_IN_PIMS,
            f"{end.account} shows no other known {kind} either; that may be missing rights",
        )
    with ledger.write() as tx:
        changes.gone(tx, record.id or 0)


def _require_believed(end: End, ledger: Ledger, clock: Clock, timings: Timings) -> None:
    """Raises ``PutOff`` while it is not believed what this account tells to have ended."""
    with ledger.read() as tx:
        held = mass_ends.is_held(tx, end.account)
    if held:
        raise PutOff(
            clock.now() + timedelta(seconds=timings.retry_longest),
            MANY_ENDED,
            f"{end.account} tells so many clients or pets to have ended that nothing counts as gone until a person "
            "has looked",
        )


def found(end: End, remote_id: str, ledger: Ledger, kind: Kind = Kind.APPOINTMENT) -> None:
    """A record reads: a miss before this one does not count."""
    with ledger.read() as tx:
        missed = changes.is_missed(tx, end.account, kind, remote_id)
    if missed:
        with ledger.write() as tx:
            changes.found(tx, end.account, kind, remote_id)
