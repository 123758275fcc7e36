"""What a connector keeps of a walk over a listing, as the text that ``Page.mark`` is."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError


class WalkMark(BaseModel):
    """Base of a connector's marks. Without any value a mark is that of the beginning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def text(self) -> str:
        """The mark as it is kept."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def of(cls, text: str | None) -> Self:
        """The mark that was kept; that of the beginning where there is none that can be read."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError:
            return cls()
