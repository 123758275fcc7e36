"""Seals over what people have done: whoever changes, removes or adds an act past VetBridge is found out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from tests.ledgers import ledger_place
from vetbridge.ledger import audit, audit_seals
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.tables import Audit, AuditSeal
from vetbridge.testing.clock import FakeClock


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(ledger_place(tmp_path, migrated=True), "k" * 32, FakeClock())
    yield opened
    opened.close()


def act(ledger: Ledger, count: int = 3) -> None:
    with ledger.write() as tx:
        for number in range(count):
            audit.note(tx, Act.NOTED, by="ann", via=audit.PAGE, subject="review", subject_id=number)


def seal(ledger: Ledger) -> int:
    with ledger.write() as tx:
        return audit_seals.seal(tx)


def fault(ledger: Ledger) -> str:
    with ledger.read() as tx:
        broken = audit_seals.verify(tx).broken
    return "" if broken is None else f"{broken.fault} {broken.first_id}-{broken.last_id}"


@pytest.fixture
def sealed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Two rounds of sealing, three batches: of acts 1 to 4, 5 to 6, and 7 to 9; and one that is not sealed yet."""
    monkeypatch.setattr(audit_seals, "BATCH", 4)
    act(ledger, 6)
    assert seal(ledger) == 6
    act(ledger, 3)
    assert seal(ledger) == 3
    act(ledger, 1)
    return ledger


def test_what_stands_as_it_was_sealed_is_whole(sealed: Ledger) -> None:
    with sealed.read() as tx:
        found = audit_seals.verify(tx)
        newest = tx.session.exec(select(AuditSeal).order_by(col(AuditSeal.id).desc())).first()
    assert (found.seals, found.acts, found.unsealed, found.first_id, found.broken) == (3, 9, 1, 1, None)
    assert newest is not None
    assert found.newest_hash == newest.chain_hash
    assert seal(sealed) == 1
    assert seal(sealed) == 0
    assert fault(sealed) == ""


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (sa.update(Audit).where(col(Audit.id) == 5).values(by="eve"), "changed 5-6"),
        (sa.update(Audit).where(col(Audit.id) == 9).values(at=FakeClock().now() + timedelta(days=1)), "changed 7-9"),
        (sa.update(Audit).where(col(Audit.id) == 2).values(says="nothing"), "changed 1-4"),
        (sa.delete(Audit).where(col(Audit.id) == 6), "missing 5-6"),
        (sa.delete(Audit).where(col(Audit.id) == 1), "missing 1-4"),
        (sa.delete(Audit).where(col(Audit.id).in_([5, 6])), "missing 5-6"),
        (sa.delete(AuditSeal).where(col(AuditSeal.first_id) == 5), "unchained 7-9"),
        (sa.update(AuditSeal).where(col(AuditSeal.id) == 2).values(chain_hash="0" * 32), "changed 5-6"),
    ],
)
def test_who_writes_past_vetbridge_is_found_out(sealed: Ledger, statement: sa.Update | sa.Delete, says: str) -> None:
    with sealed.write() as tx:
        tx.session.execute(statement)
    assert fault(sealed) == says


def test_an_act_that_is_put_between_sealed_ones_is_found_out(ledger: Ledger) -> None:
    act(ledger, 1)
    with ledger.write() as tx:
        late = tx.session.get_one(Audit, 1).model_dump() | {"id": 3}
        tx.session.add(Audit(**late))
    seal(ledger)
    assert fault(ledger) == ""
    with ledger.write() as tx:
        tx.session.add(Audit(**late | {"id": 2}))
    assert fault(ledger) == "added 1-3"


def test_what_was_pruned_is_passed_over_and_the_rest_is_proven_from_there(sealed: Ledger) -> None:
    with sealed.write() as tx:  # as `db prune` leaves it
        tx.session.execute(sa.delete(Audit).where(col(Audit.id) <= 6))
        tx.session.execute(sa.delete(AuditSeal).where(col(AuditSeal.last_id) < 6))
    with sealed.read() as tx:
        found = audit_seals.verify(tx)
    assert (found.acts, found.first_id, found.broken) == (3, 7, None)
    with sealed.write() as tx:
        tx.session.execute(sa.update(Audit).where(col(Audit.id) == 8).values(by="eve"))
    assert fault(sealed) == "changed 7-9"
