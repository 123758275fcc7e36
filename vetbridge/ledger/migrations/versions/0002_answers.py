"""Answers to questions, the work list, pauses and fuses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number that the ledger gives."""


def upgrade() -> None:
    with op.batch_alter_table("review", schema=None) as batch_op:
        batch_op.alter_column("record_id", existing_type=NUMBER, nullable=True)
        batch_op.add_column(sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("answer", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("answer_client_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("answer_pet_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("answered_by", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True))
    # Not in a batch: that makes the table anew, which the attempts that point to it forbid.
    op.add_column("action", sa.Column("fused", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "worklist",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("record_id", NUMBER, nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("details_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("visit_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.String(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_why", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("worklist", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_worklist_record_id"), ["record_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_worklist_state"), ["state"], unique=False)
    op.create_table(
        "pause",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "name"),
    )
    op.create_table(
        "fuse",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("blown_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counted_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("allowance", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site"),
    )
