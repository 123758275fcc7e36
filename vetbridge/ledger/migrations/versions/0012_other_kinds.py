"""The other kinds: attachments, due services and notices, and visits that follow a missed one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

MOMENT = sa.DateTime(timezone=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, MOMENT, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "attached",
        *(_text(name) for name in ("account", "client_id", "content_hash", "remote_id")),
        _moment("seen_at"),
        sa.PrimaryKeyConstraint("account", "client_id", "content_hash"),
    )
    op.create_table(
        "file_look",
        *(_text(name) for name in ("account", "client_id")),
        _moment("looked_at"),
        sa.PrimaryKeyConstraint("account", "client_id"),
    )
    op.create_table(
        "due",
        *(_text(name) for name in ("account", "client_id", "site")),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=True),
        _text("looked_on"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("account", "client_id"),
    )
    op.create_table(
        "notice",
        *(_text(name) for name in ("account", "client_id", "key_hash", "state", "stamp")),
        _moment("made_at"),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("account", "client_id", "key_hash"),
    )
    op.create_index("notice_made", "notice", ["account", "made_at"])
    op.add_column("link", sa.Column("follows", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
