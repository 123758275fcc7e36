"""The service: episodes of what is wrong, silent webhooks, sealed audit, who looked, and who was forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number that the ledger gives."""
MOMENT = sa.DateTime(timezone=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, MOMENT, nullable=nullable)


def upgrade() -> None:
    op.add_column("account", sa.Column("failing_code", sa.String(), nullable=True))
    op.add_column("account", _moment("hooked_at", nullable=True))
    op.add_column("account", sa.Column("hook_misses", sa.Integer(), nullable=False, server_default="0"))
    # When each kind was last written is asked by every look at the ledger.
    op.drop_index("action_written", "action")
    op.create_index("action_written", "action", ["site", "kind", "answered_at"])
    op.create_table(
        "audit_seal",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("first_id", NUMBER, nullable=False),
        sa.Column("last_id", NUMBER, nullable=False),
        sa.Column("acts", sa.Integer(), nullable=False),
        *(_text(name) for name in ("previous_hash", "chain_hash")),
        _moment("made_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "access",
        sa.Column("id", NUMBER, nullable=False),
        _moment("at"),
        *(_text(name) for name in ("by", "via", "what", "subject", "subject_id")),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_access_at", "access", ["at"])
    op.create_table(
        "suppression",
        *(_text(name) for name in ("key_hash", "owner_hash")),
        _moment("made_at"),
        sa.PrimaryKeyConstraint("key_hash"),
    )
    op.create_table(
        "episode",
        sa.Column("id", NUMBER, nullable=False),
        *(_text(name) for name in ("key", "code", "scope", "name", "kind", "details")),
        _moment("since"),
        _moment("seen_at"),
        _moment("raised_at"),
        _moment("cleared_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_episode_cleared_at", "episode", ["cleared_at"])
    op.create_index(
        "episode_once",
        "episode",
        ["key"],
        unique=True,
        sqlite_where=sa.text("cleared_at IS NULL"),
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
