"""How far long work is, in words."""

from __future__ import annotations

from vetbridge.core.records import Kind


def reading(kind: Kind, account: str, seen: int, total: int | None) -> str:
    """How far the first reading of one kind is: "reading clients of city: 41,200 of 100,000"."""
    of = "" if total is None else f" of {max(seen, total):,}"
    return f"reading {kind}s of {account}: {seen:,}{of}"
