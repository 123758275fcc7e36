"""A cursor and the changes that it stands for are one thing: a crash between them would lose the changes for good."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import select

from tests.rig import Killed, Rig
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts
from vetbridge.ledger.tables import Record
from vetbridge.sync.receiving import Receiver


def test_a_cursor_moves_with_its_changes_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path)
    rig.owner("Jane", "Doe", "+447700900123", "Rex")
    for _ in range(2):
        rig.book("Jane", "Doe", "+447700900123", "Rex")
    rig.refresher.pass_()
    real = Receiver.receive
    taken = []

    def killed_at_the_second(self: Receiver, *given: object, **named: object) -> None:
        taken.append(given)
        if len(taken) == 2:
            raise Killed
        real(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Receiver, "receive", killed_at_the_second)
    with pytest.raises(Killed):
        rig.receiver.poll()
    with rig.ledger.read() as tx:
        assert accounts.cursor(tx, "booking", Kind.APPOINTMENT) is None
    assert rig.changes() == []
    monkeypatch.setattr(Receiver, "receive", real)
    rig.start()
    rig.run()
    assert len(rig.visits()) == 2


def test_a_listing_with_the_settled_content_still_counts_for_a_record_that_is_worked_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.owner("Jane", "Doe", "+447700900123", "Rex")
    id_ = rig.book("Jane", "Doe", "+447700900123", "Rex")
    rig.run()

    def hints() -> int:
        with rig.ledger.read() as tx:
            kind = Record.kind == Kind.APPOINTMENT
            return tx.session.exec(select(Record.hints).where(Record.remote_id == id_, kind)).one()

    rig.hint(id_)
    before = hints()
    # It went to another state and back while it waited: what the worker has read may be the state between.
    rig.booking.edit(Kind.APPOINTMENT, id_, {})
    assert rig.receiver.poll() == 1
    assert hints() == before + 1
