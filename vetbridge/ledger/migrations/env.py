"""Runs the steps on the connection that ``vetbridge.ledger.database`` hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from vetbridge.ledger import tables

assert tables  # noqa: S101 - imported so that its tables are known

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
