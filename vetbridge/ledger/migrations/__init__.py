"""Numbered steps of the ledger's schema, run by alembic."""
