"""The desk: claims, notes and answers field by field, what a record is found by, staff, what people did, and what
webhooks are told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number that the ledger gives."""
MOMENT = sa.DateTime(timezone=True)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, MOMENT, nullable=nullable)


def upgrade() -> None:
    for name in ("answer_fields", "claimed_by", "assigned_to"):
        op.add_column("review", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.add_column("review", _moment("claimed_until", nullable=True))
    op.add_column("change", sa.Column("spread", sa.Float(), nullable=False, server_default="0"))
    op.create_table(
        "review_note",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("review_id", NUMBER, nullable=False),
        _text("by"),
        _moment("at"),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["review_id"], ["review.id"]),
    )
    op.create_index("ix_review_note_review_id", "review_note", ["review_id"])
    op.create_table(
        "subject",
        sa.Column("record_id", NUMBER, nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=True),
        _moment("read_at"),
        sa.PrimaryKeyConstraint("record_id"),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"]),
    )
    op.create_table(
        "subject_key",
        _text("key_hash"),
        sa.Column("record_id", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", "record_id"),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"]),
    )
    op.create_index("ix_subject_key_record_id", "subject_key", ["record_id"])
    op.create_table(
        "acknowledgement",
        sa.Column("change_id", NUMBER, nullable=False),
        _text("by"),
        _moment("at"),
        sa.PrimaryKeyConstraint("change_id"),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"]),
    )
    op.create_table(
        "staff",
        _text("name"),
        _text("role"),
        _text("password_hash", nullable=True),
        _text("token_hash", nullable=True),
        _text("language"),
        _moment("added_at"),
        _text("added_by"),
        _moment("removed_at", nullable=True),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "staff_session",
        _text("token_hash"),
        _text("staff"),
        _moment("made_at"),
        _moment("seen_at"),
        _moment("ends_at"),
        sa.PrimaryKeyConstraint("token_hash"),
        sa.ForeignKeyConstraint(["staff"], ["staff.name"]),
    )
    op.create_index("ix_staff_session_staff", "staff_session", ["staff"])
    op.create_table("used_form", _text("form_hash"), _moment("used_at"), sa.PrimaryKeyConstraint("form_hash"))
    op.create_index("ix_used_form_used_at", "used_form", ["used_at"])
    op.create_table(
        "audit",
        sa.Column("id", NUMBER, nullable=False),
        _moment("at"),
        *(_text(name) for name in ("by", "via", "act", "site", "subject", "subject_id", "says")),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "event",
        sa.Column("id", NUMBER, nullable=False),
        _text("type"),
        _text("key"),
        _text("content"),
        _moment("made_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_event_made_at", "event", ["made_at"])
    op.create_table(
        "delivery",
        sa.Column("event_id", NUMBER, nullable=False),
        _text("webhook"),
        _text("state"),
        sa.Column("tries", sa.Integer(), nullable=False),
        _moment("next_at", nullable=True),
        _text("code"),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("event_id", "webhook"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"]),
    )
    op.create_index("delivery_due", "delivery", ["state", "next_at"])
