"""The mirror keeps the comparable forms of its clients, and how common their names are.

What the mirror held is keyed in the old way: it is read anew, and until then nobody counts as new.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("mirror", sa.Column("forms_sealed", sa.LargeBinary(), nullable=True))
    op.create_table(
        "match_term",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("term_hash", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("account", "term_hash"),
    )
    # the pets and the keys of clients: within an account, or all of it would be read
    op.drop_index("ix_mirror_parent_id", table_name="mirror")
    op.create_index("mirror_pet", "mirror", ["account", "parent_id"])
    op.execute("DELETE FROM match_key")
    op.drop_index("ix_match_key_client_id", table_name="match_key")
    op.create_index("match_key_client", "match_key", ["account", "client_id"])
    # is a visit of the booking side gone, or the side blind?
    op.create_index("link_booked_visit", "link", ["booking_account", "visit_at"])
    op.execute("UPDATE mirror SET digest_hash = ''")
    op.execute("UPDATE account SET mirror_complete_at = NULL")
