"""Which part of an account does not answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("account", sa.Column("failing_part", sa.String(), nullable=False, server_default=""))
