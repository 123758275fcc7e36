"""What is due at an ezyVet site. It has no reminders (ezyvet.md, section 7): they are derived from what it has.

Vaccinations are a kind of their own. Reminders come from wellness plans and therapeutics, as far as the options say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connectors.ezyvet import wire
from connectors.ezyvet.consults import pets_of
from connectors.ezyvet.cursor import AHEAD, Cursor
from connectors.ezyvet.door import Door
from connectors.ezyvet.options import EzyVetOptions
from connectors.ezyvet.wire import TherapeuticFields, Where
from vetbridge.connector.http import PATIENCE
from vetbridge.connector.interface import Found, Native, Page
from vetbridge.connector.plugin import Environment
from vetbridge.core.errors import BadAnswer

_LONGEST_CURSOR = 1000
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A resource that reminders are derived from."""

    resource: str
    prefix: str
    """Of its reminders' ids."""
    natives: Callable[[list[Native], float, Cursor | None], Iterator[Native]]


class Derived:
    """The due services of one site. Safe to be used by several threads."""

    def __init__(self, door: Door, options: EzyVetOptions, environment: Environment) -> None:
        self._door = door
        self._overlap = options.overlap_seconds
        self._clock = environment.clock
        self._account = environment.account
        self._needed = dict(wire.NEEDED)
        self._sources: list[_Source] = []
        if options.due_services.wellness_plans:
            self._sources.append(_Source(resource="wellnessplanmembership", prefix=wire.PLAN, natives=_memberships))
        named = options.due_services.therapeutics
        if named is not None:
            fields = TherapeuticFields(**named.model_dump())
            self._needed["therapeutic"] = fields.needed

            def therapeutics(rows: list[Native], patience: float, cursor: Cursor | None) -> Iterator[Native]:
                consults = (wire.record_id(row.get(fields.consult)) for row in rows) if fields.consult else ()
                pets = pets_of(door, consults, patience=patience, cursor=cursor)
                return (wire.therapeutic(row, fields, pets) for row in rows)

            self._sources.append(_Source(resource="therapeutic", prefix=wire.THERAPEUTIC, natives=therapeutics))

    def vaccinations(
        self, rows: list[Native], *, patience: float = 0.0, cursor: Cursor | None = None
    ) -> Iterator[Native]:
        """The flat records of vaccinations, each with the pet of its consult."""
        pets = pets_of(self._door, map(wire.consult_of, rows), patience=patience, cursor=cursor)
        return (wire.vaccination(row, pets) for row in rows)

    def changes(self, since: str | None) -> Iterator[Page]:
        """Reminders that changed. The cursor is a JSON object with one for each resource: what is added to the
        options later is read from its beginning."""
        cursors = _cursors(since)
        known = {source.resource: cursors.get(source.resource, 0) for source in self._sources}
        counted = 0
        for source in self._sources:
            bound = known[source.resource]
            filters = {"modified_at": Where.above(bound - self._overlap)} if bound else {}
            cursor = Cursor(bound, latest=int(self._clock.now().timestamp()) + AHEAD, needed=self._needed)
            is_last_source = source is self._sources[-1]
            for page in self._door.walk(source.resource, filters, patience=PATIENCE):
                cursor.saw(page, source.resource)
                natives = source.natives(list(page.rows), PATIENCE, cursor)
                records = tuple(Found(id=native["id"], native=native) for native in natives)
                known[source.resource] = int(cursor.text(last=page.last))
                yield Page(
                    records=records,
                    cursor=json.dumps(known, sort_keys=True),
                    last=page.last and is_last_source,
                    total=counted + page.total if is_last_source else None,
                )
            counted += page.total

    def get(self, id_: str) -> Native | None:
        """One reminder, by the id of what it was derived from. Raises ``BadAnswer`` where a field is left out."""
        for source in self._sources:
            number = id_.removeprefix(source.prefix)
            if id_ != source.prefix + number or wire.record_id(number) != number:
                continue
            rows = self._door.rows(source.resource, {"id": Where.equals(number)})
            for native in source.natives(rows[:1], 0.0, None):
                fields = wire.unreadable(native)
                if fields:
                    raise BadAnswer(f"{self._account}: GET {source.resource}: a row came without {', '.join(fields)}")
                return native
        return None


def _memberships(rows: list[Native], patience: float, cursor: Cursor | None) -> Iterator[Native]:
    return map(wire.membership, rows)


def _cursors(text: str | None) -> dict[str, int]:
    """The cursors that were kept; none where they cannot be read."""
    try:
        kept = json.loads(text or "") if len(text or "") <= _LONGEST_CURSOR else None
    except (ValueError, RecursionError):
        return {}
    known = kept.items() if isinstance(kept, dict) else ()
    return {name: number for name, value in known if (number := wire.whole(value)) is not None}
