"""Which changes somebody means: by their numbers, or by what narrows them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from vetbridge.core.records import Kind
from vetbridge.desk.changes import Selection
from vetbridge.ledger.tables import ChangeState
from vetbridge.web.api.shapes import Body, Day, Moment, Numbered, Text

MOST_NUMBERS = 1000


def _absent() -> Any:
    """A field that is not given; none of them may be null."""
    return Field(default_factory=lambda: None)


class ByNumbers(Body):
    """Changes by their numbers."""

    numbers: list[Numbered] = Field(min_length=1, max_length=MOST_NUMBERS, examples=[[8841, 8842]])

    def meant(self) -> Selection:
        """As the desk takes it."""
        return Selection(numbers=tuple(dict.fromkeys(self.numbers)))


class ByFilter(Body):
    """Changes that fit all that is given: one thing at least. Failed ones, unless `states` says otherwise."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})

    group: Text = _absent()
    states: list[ChangeState] = Field(default=[], min_length=1, max_length=6)
    codes: list[Text] = Field(default=[], min_length=1, max_length=20)
    account: Text = _absent()
    site: Text = _absent()
    kind: Kind = _absent()
    phone: Text = _absent()
    name: Text = _absent()
    pet: Text = _absent()
    day: Day = _absent()
    since: Moment = _absent()
    until: Moment = _absent()
    remote_id: Text = _absent()

    @model_validator(mode="after")
    def _narrows(self) -> ByFilter:
        if not self.model_fields_set:
            raise ValueError("say which: numbers, a group, codes or something else that narrows")
        return self

    def meant(self) -> Selection:
        """As the desk takes it."""
        day: date | None = self.day
        since: datetime | None = self.since
        return Selection(
            group=self.group or "",
            states=tuple(state.value for state in self.states),
            codes=tuple(self.codes),
            account=self.account,
            site=self.site,
            kind=self.kind,
            phone=self.phone,
            name=self.name,
            pet=self.pet,
            day=day,
            since=since,
            until=self.until,
            remote_id=self.remote_id,
        )


Chosen = ByNumbers | ByFilter
