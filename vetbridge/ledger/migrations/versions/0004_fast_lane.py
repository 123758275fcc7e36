"""What is urgent goes first; links know when their visit is, so that a visit is found by its time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("change", sa.Column("urgent", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("link", sa.Column("visit_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("link_visit", "link", ["pims_account", "visit_at"])
    # is a visit that was just written, or that bears a stamp, linked already?
    op.create_index("link_stamp", "link", ["stamp"])
