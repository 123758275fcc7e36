"""Where a walk over a list can be taken up."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from vetbridge.connector.mark import WalkMark

_Count = Annotated[int, Field(ge=0, lt=10**9)]


class Mark(WalkMark):
    """A page of a walk, and what the walk knew before it."""

    page: Annotated[int, Field(ge=1, lt=10**6)] = 1
    came: _Count = 0
    """Rows."""
    different: _Count = 0
    nameless: _Count = 0
    most: _Count | None = None
    """The greatest total that the list counted."""
    complete: bool = True
    """No row left the list so far."""
    began: AwareDatetime | None = None
    greatest: AwareDatetime | None = None
    """The greatest ``last_change_date`` that was seen."""
