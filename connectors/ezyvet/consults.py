"""Whose an attachment or a vaccination is that names a consult and no animal (ezyvet.md, section 7)."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.ezyvet import wire
from connectors.ezyvet.cursor import Cursor
from connectors.ezyvet.door import Door


def pets_of(
    door: Door, consults: Iterable[str | None], *, patience: float = 0.0, cursor: Cursor | None = None
) -> dict[str, object]:
    """The animals of consults by the consults' ids, many at a call; a consult that is not there is left out.

    ``cursor`` takes note of consults that lack fields.
    """
    ids = list(dict.fromkeys(filter(None, consults)))
    rows = list(door.by_ids("consult", "id", ids, patience=patience))
    if cursor is not None:
        cursor.joined(rows, "consult")
    return {row["id"]: wire.animal_of(row) for row in rows}
