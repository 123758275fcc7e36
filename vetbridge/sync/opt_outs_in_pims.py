"""Whoever is opted out of messages at the booking side wants none from the PIMS either: written there, where it has a
field for it, and else on the work list.

What was carried stands in the booking side's base of the card's link. It is taken back when the card is opted in
again: where VetBridge itself wrote it, and by one more line where staff did. Whom the PIMS has opted out by itself is
left to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vetbridge.connector.interface import Operation
from vetbridge.core.records import Client, Kind, Record
from vetbridge.ledger import changes, links, mirror, worklist
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Change, ChangeState, Link
from vetbridge.sync.job import Ending, Job
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.opting_out import LISTED, OPTED_OUT, WRITTEN, is_out, out_for
from vetbridge.sync.pair import Pair
from vetbridge.sync.writing import Keep, Step, Writer

_CARD = "card"
"""Field of a payload: the card for which a client of the PIMS is opted out, or in again."""
_AGAIN = "the client wants messages again"

_WRITTEN = Ending(
    state=ChangeState.DONE, code="opted-out-in-pims", message="opted out of messages in the PIMS, as on the card"
)
_TAKEN_BACK = Ending(
    state=ChangeState.DONE, code="opted-in-in-pims", message="opted in again in the PIMS, as on the card"
)
_LISTED = Ending(
    state=ChangeState.DONE,
    code="opt-out-on-work-list",
    message="the work list asks staff to note in the PIMS whether the client wants messages",
)


class OptOutsInPims:
    """Carries the opt-outs of one pair's cards into the PIMS."""

    def __init__(self, pair: Pair, ledger: Ledger, writer: Writer, keeper: Keeper) -> None:
        self._pair = pair
        self._ledger = ledger
        self._writer = writer
        self._keeper = keeper

    def keepers(self, job: Job) -> dict[Kind, Keep]:
        """How each kind of record that the work on a card may write in the PIMS is kept."""
        return {**self._keeper.in_pims(job), Kind.CLIENT: self._keep}

    def work(self, job: Job, link: Link, card: Client) -> Ending | None:
        """Brings the PIMS clients of a card into line with it; None where nothing had to be done."""
        if self._pair.due is None:
            return None
        with self._ledger.read() as tx:
            row = tx.session.get_one(Link, link.id)
            base = links.bases(tx, row)[0] or {}
            sharing = links.of_client_members(tx, link.booking_account, link.booking_id)
        people = [one.pims_id for one in sharing if one.pims_account == self._pair.pims.account]
        wanted = out_for(base, self._pair.pims.account, people) if is_out(base, card) else set()
        written, listed = set(_ids(base, WRITTEN)), set(_ids(base, LISTED))
        ending = None
        for id_ in sorted(wanted - written - listed):
            ending = self._opt_out(job, link, id_) or ending
        for id_ in sorted(written - wanted):
            ending = self._opt_in(job, link, id_) or ending
        for id_ in sorted(listed - wanted):
            self._list(job, link, id_, worklist.OPT_IN)
            ending = _LISTED
        return ending

    def _opt_out(self, job: Job, link: Link, id_: str) -> Ending | None:
        client = self._read(id_)
        if client is None or client.opted_out:
            return None
        if self._can_write():
            self._write(job, link, client, out=True)
            return _WRITTEN
        self._list(job, link, id_, worklist.OPT_OUT)
        return _LISTED

    def _opt_in(self, job: Job, link: Link, id_: str) -> Ending | None:
        client = self._read(id_)
        if client is None or not client.opted_out or not self._can_write():
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                _note(tx, link, WRITTEN, id_, kept=False)
            return None
        self._write(job, link, client, out=False)
        return _TAKEN_BACK

    def _write(self, job: Job, link: Link, client: Client, *, out: bool) -> None:
        step = Step(
            kind=Kind.CLIENT,
            operation=Operation.UPDATE,
            fields={OPTED_OUT: out},
            remote_id=client.id,
            version=client.version,
            before=client,
            payload={_CARD: link.booking_id},
        )
        self._writer.write(job, step, self._keep)

    def _keep(self, tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
        """The ``Keep`` of a client of the PIMS: that VetBridge has opted it out is kept with its card."""
        self._keeper.client(tx, payload, record)
        if _CARD in payload:
            link = links.of_booking(tx, self._pair.booking.account, Kind.CLIENT, str(payload[_CARD]))
            if link is not None:
                _note(tx, link, WRITTEN, record.id or "", kept=bool(payload["fields"][OPTED_OUT]))

    def _list(self, job: Job, link: Link, id_: str, task: str) -> None:
        """Puts a line on the work list; one that asks for the contrary, and was not ticked off, is struck instead."""
        account = self._pair.pims.account
        out = task == worklist.OPT_OUT
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            record = changes.record_of(tx, account, Kind.CLIENT, id_)
            assert record.id is not None  # noqa: S101 - it is in the ledger
            other = worklist.OPT_IN if out else worklist.OPT_OUT
            undone = worklist.standing(tx, record.id, other) is not None
            worklist.close(tx, record.id, other, confirmed=False, why="" if out else _AGAIN)
            if not undone:
                worklist.put(
                    tx,
                    tx.session.get_one(Change, job.change_id),
                    account=account,
                    kind=Kind.CLIENT,
                    remote_id=id_,
                    task=task,
                    details={},
                    visit_at=None,
                    record_id=record.id,
                )
            _note(tx, link, LISTED, id_, kept=out)

    def _read(self, id_: str) -> Client | None:
        end = self._pair.pims
        client = end.read(Kind.CLIENT, id_)
        if not isinstance(client, Client):
            return None
        with self._ledger.write() as tx:
            mirror.put(tx, end.account, [client])
        return client

    def _can_write(self) -> bool:
        end = self._pair.pims
        return OPTED_OUT in end.connector.capabilities.of(Kind.CLIENT).update & end.mapper.writable(Kind.CLIENT)


def _ids(base: Mapping[str, object], name: str) -> Collection[str]:
    return base.get(name) or ()  # type: ignore[return-value]


def _note(tx: Transaction, link: Link, name: str, id_: str, *, kept: bool) -> None:
    row = tx.session.get_one(Link, link.id)
    ids = {*_ids(links.bases(tx, row)[0] or {}, name)} - {id_} | ({id_} if kept else set())
    links.note(tx, row, {name: tuple(sorted(ids)) or None})
