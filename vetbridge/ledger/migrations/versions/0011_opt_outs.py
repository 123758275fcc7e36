"""Opt-outs: the clients of booking sides are listed once more, since who wants no messages was not read before."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("DELETE FROM cursor WHERE kind = 'client' AND account IN (SELECT booking_account FROM link)")
