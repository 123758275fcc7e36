"""How much of what a ledger holds: counts and codes for support, no value of anybody."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from vetbridge.ledger.database import Transaction, revision
from vetbridge.ledger.tables import Action, Attempt


def tables(tx: Transaction) -> dict[str, int]:
    """How many rows each table has."""
    return {
        name: tx.session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for name, table in sorted(SQLModel.metadata.tables.items())
    }


def states(tx: Transaction) -> dict[str, dict[str, int]]:
    """By table that has states, how many rows are in each."""
    return {
        name: {
            str(state): count
            for state, count in tx.session.execute(
                sa.select(table.c.state, sa.func.count()).group_by(table.c.state).order_by(table.c.state)
            )
        }
        for name, table in sorted(SQLModel.metadata.tables.items())
        if "state" in table.c
    }


def attempts(tx: Transaction) -> list[dict[str, str | int]]:
    """Tries at writes, counted by account, kind, operation, and how they ended."""
    columns = (
        *(col(Action.account), col(Action.kind), col(Action.operation)),
        *(col(Attempt.state), col(Attempt.code)),
    )
    rows = tx.session.execute(
        sa.select(*columns, sa.func.count())
        .select_from(Attempt)
        .join(Action, col(Action.id) == col(Attempt.action_id))
        .group_by(*columns)
        .order_by(*columns)
    )
    names = ("account", "kind", "operation", "state", "code", "count")
    return [dict(zip(names, row, strict=True)) for row in rows]


def schema(tx: Transaction) -> dict[str, str | list[str] | None]:
    """The ledger's schema, and the steps that this VetBridge knows."""
    steps = Path(__file__).parent / "migrations" / "versions"
    return {
        "stands_at": revision(tx.session.connection()),
        "known": sorted(step.stem for step in steps.glob("[0-9]*_*.py")),
    }
