"""Statements that are run as they are written: on either database, with any number of values."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from vetbridge.ledger import accounts, statements
from vetbridge.ledger.database import Ledger


@pytest.mark.parametrize("number", [0, 1, 8, 9, statements.BATCH + 1])
def test_all_values_are_asked_for_and_nothing_else(ledger: Ledger, number: int) -> None:
    names = [f"account{each}" for each in range(number)]
    with ledger.write() as tx:
        for each in [*names[:20], "another"]:
            accounts.enrol(tx, each, "memory", country="GB")
    with ledger.read() as tx:
        found = statements.rows_of(tx, "SELECT name FROM account WHERE country = ? AND name IN", ("GB",), names)
        assert sorted(name for (name,) in found) == sorted(names[:20])


def test_what_goes_wrong_has_the_name_that_the_ledger_knows(ledger: Ledger) -> None:
    with ledger.read() as tx, pytest.raises(sa.exc.DBAPIError):
        statements.rows(tx, "SELECT nothing FROM nowhere WHERE it = ?", ("is",))


def test_a_statement_sees_what_its_transaction_has_written(ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.enrol(tx, "clinic", "memory", country="GB")
        tx.session.flush()
        statements.run(tx, "UPDATE account SET country = ? WHERE name = ?", [("DE", "clinic")])
        ((country,),) = statements.rows(tx, "SELECT country FROM account WHERE name = ?", ("clinic",))
        assert country == "DE"
