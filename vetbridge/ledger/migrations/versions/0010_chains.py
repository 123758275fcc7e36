"""Chains: marketplace installs, and clients that several branches have."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

MOMENT = sa.DateTime(timezone=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, MOMENT, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "install",
        *(_text(name) for name in ("app", "location", "state")),
        *(_moment(name, nullable=True) for name in ("asked_at", "until_at", "active_at")),
        _moment("changed_at"),
        _moment("seen_at", nullable=True),
        _text("code"),
        sa.PrimaryKeyConstraint("app", "location"),
    )
    op.create_table(
        "joining",
        *(_text(name) for name in ("account", "client_id", "digest_hash")),
        _moment("looked_at"),
        sa.PrimaryKeyConstraint("account", "client_id"),
    )
    op.create_table(
        "joined",
        *(_text(name) for name in ("account", "client_id", "other_account", "other_id")),
        sa.Column("probability", sa.Float(), nullable=False),
        _moment("joined_at"),
        sa.PrimaryKeyConstraint("account", "client_id", "other_account", "other_id"),
    )
    op.create_index("joined_back", "joined", ["other_account", "other_id"])
