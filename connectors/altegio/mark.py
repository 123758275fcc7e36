"""Where a walk over a list can be taken up."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

_Count = Annotated[int, Field(ge=0, lt=10**9)]


class Mark(BaseModel):
    """A page of a walk, and what the walk knew before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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

    @property
    def text(self) -> str:
        """The mark as it is kept."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def of(cls, text: str | None) -> Mark:
        """The mark that was kept; that of the beginning where there is none that can be read."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError:
            return cls()
