"""Clients whose name, phone or e-mail address the work list asks to set: asked for, and confirmed by the mirror."""

from __future__ import annotations

from collections.abc import Collection

from vetbridge.core.by_hand import EMAILS, FAMILY, GIVEN, PHONES
from vetbridge.core.records import Client, Kind
from vetbridge.ledger import changes, mirror, worklist
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Change
from vetbridge.sync.comparing import client_fields
from vetbridge.sync.pair import Pair
from vetbridge.sync.writing import READ_BACK

_OF = {GIVEN: "name", FAMILY: "name", PHONES: "phone", EMAILS: "email"}
"""Which comparable field of a client a typing mistake is in."""


def ask(
    tx: Transaction, pair: Pair, change: Change, client_id: str, booker: Client, mistakes: Collection[str]
) -> None:
    """A client was registered by hand with a slip: the work list says what was booked."""
    booked = client_fields(booker, pair.country)
    details = {_OF[name]: booked[_OF[name]] for name in mistakes if name in _OF and booked[_OF[name]]}
    if details:
        worklist.put(
            tx,
            change,
            account=pair.pims.account,
            kind=Kind.CLIENT,
            remote_id=client_id,
            task=worklist.CONTACT,
            details=details,
            visit_at=None,
            record_id=changes.record_of(tx, pair.pims.account, Kind.CLIENT, client_id).id,
        )


def confirm(ledger: Ledger, pair: Pair) -> None:
    """Closes the lines about clients who are by now in the mirror as they were asked for."""
    account = pair.pims.account
    with ledger.read() as tx:
        done = [
            row.record_id
            for row in worklist.of_task(tx, account, worklist.CONTACT)
            if (known := mirror.client(tx, account, row.remote_id)) is not None
            and worklist.detail(tx, row).items() <= client_fields(known.client, pair.country).items()
        ]
    if done:
        with ledger.write() as tx:
            for record_id in done:
                worklist.close(tx, record_id, worklist.CONTACT, confirmed=True, why=READ_BACK)
