"""Going live: how far each pair is, counted first readings, runs that can be undone, and what a vendor's upgrade
changes. Pairs that are at work already were approved by whoever started them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number that the ledger gives."""
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "going_live",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("paired_at", MOMENT, nullable=True),
        sa.Column("approved_at", MOMENT, nullable=True),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("quota_from", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("ended_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("site"),
    )
    op.execute(
        "INSERT INTO going_live (site, since, paired_at, approved_at, approved_by, ended_by) "
        "SELECT site, MIN(created_at), MAX(updated_at), MAX(updated_at), 'before version 0007', '' "
        "FROM link GROUP BY site"
    )
    op.create_table(
        "reading",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mark", sa.String(), nullable=True),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("account", "kind"),
    )
    op.create_table(
        "code_list",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("read_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "name"),
    )
    op.create_table(
        "shape",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("paths", sa.String(), nullable=False),
        sa.Column("read_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "kind"),
    )
    op.add_column("action", sa.Column("run_id", NUMBER, nullable=True))
    op.add_column("action", sa.Column("undone_at", MOMENT, nullable=True))
    op.create_index("action_run", "action", ["run_id"])
    op.add_column("pause", sa.Column("why", sa.String(), nullable=False, server_default=""))
