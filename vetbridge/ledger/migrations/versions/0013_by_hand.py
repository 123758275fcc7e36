"""Visits that somebody types, moves or cancels by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column(
        "worklist", sa.Column("action_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
    )
    op.add_column("worklist", sa.Column("labels", sa.String(), nullable=True))
    op.add_column("worklist", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("worklist", sa.Column("changed", sa.String(), server_default="", nullable=False))
