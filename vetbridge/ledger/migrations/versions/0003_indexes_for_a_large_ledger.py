"""Indexes for what is asked all day of a ledger that holds years; each names the question it serves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_STANDS = "digest_hash IS NOT NULL AND missed_at IS NULL AND gone_at IS NULL"


def upgrade() -> None:
    # status: how many changes of each site are in which state
    op.create_index("change_counted", "change", ["site", "state"])
    # changes list --since, doctor: the latest moment
    op.create_index("change_updated", "change", ["updated_at"])
    # is a record gone, or its side blind?
    op.create_index(
        "record_witness",
        "record",
        ["account", "kind", "id"],
        sqlite_where=sa.text(_STANDS),
        postgresql_where=sa.text(_STANDS),
    )
    # a record's links at either side, members and ended ones too; links show, where an id alone is known
    op.create_index("link_booking", "link", ["booking_id", "booking_account", "kind"])
    op.drop_index("link_pims", table_name="link")
    op.create_index("link_pims", "link", ["pims_id", "pims_account", "kind"])
    # status: the last write of each site
    op.create_index("action_written", "action", ["site", "answered_at"])
    # the fuse: what was let through within the hour
    op.create_index(
        "action_fused",
        "action",
        ["site", "created_at"],
        sqlite_where=sa.text("fused = 1"),
        postgresql_where=sa.text("fused"),
    )
