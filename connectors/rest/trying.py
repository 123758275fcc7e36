"""What an API answers to a profile: for ``vetbridge rest try``, which reads and is given nothing that writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from connectors.rest import template
from connectors.rest.door import Door
from connectors.rest.profile import Changed, RestKind, Times
from connectors.rest.records import ABSENT, Records, at, paths
from connectors.rest.times import moment, written
from vetbridge.connector.http import Answer
from vetbridge.connector.interface import Native
from vetbridge.connector.rows import BadRow, FieldRule
from vetbridge.connector.trying import Step, Trial, TriedField, Unnamed
from vetbridge.core.errors import BadAnswer, VetBridgeError
from vetbridge.core.records import Kind

MOST_PATHS = 200
"""Paths of answers that are told; more are left out."""


@dataclass(frozen=True, slots=True)
class Trier:
    """Tries one account. ``values`` are those of its options."""

    door: Door
    base_url: str
    values: Mapping[str, str]
    times: Times
    zone: str

    def tried(self, kind: Kind, rest: RestKind, records: Records) -> Trial:
        """One page of the list, its first record by its id, and what changed since the newest of them."""
        asked, answer, trouble = self._ask(lambda: self.door.first(rest.list))
        if answer is None:
            return Trial(kind=kind, steps=(trouble,), records=0, total=None)
        try:
            items, total, _ = self.door.opened(rest.list, answer)
        except BadAnswer as error:
            told = tuple(Unnamed(path=path, came=_said(at(answer.body, path))) for path in _paths([answer.body]))
            step = Step(asked=asked, status=answer.status, text=error.message, ok=False)
            return Trial(kind=kind, steps=(step,), records=0, total=None, unnamed=told)
        count = f"{len(items)} records" + ("" if total is None else f" of {total}")
        steps = [Step(asked=asked, status=answer.status, text=count)]
        if items:
            steps.append(self._one(rest, records, items[0]))
        if rest.changed is not None:
            steps += self._filtered(rest, rest.changed, items)
        natives = [_native(records, item) for item in items]
        return Trial(
            kind=kind,
            steps=tuple(steps),
            records=len(items),
            total=total,
            fields=tuple(_field(name, rule, items, natives, records) for name, rule in rest.fields.items()),
            unnamed=_unnamed(rest, records, items),
        )

    def _one(self, rest: RestKind, records: Records, item: Any) -> Step:
        id_ = records.id(item)
        values = {**self.values, "id": id_}
        path = template.path(rest.get.path, values) if id_ is not None else None
        if path is None:
            return Step(asked="GET by its id", status=None, text="the first record has no id for a path", ok=False)
        query = template.query(rest.get.query, values)
        asked = self._address(path, query)
        try:
            answer = self.door.read(path, query)
        except VetBridgeError as error:
            return Step(asked=asked, status=None, text=error.message, ok=False)
        found = answer.body if rest.get.item is None else at(answer.body, rest.get.item)
        several = found if isinstance(found, list) else [found]
        if any(records.id(each) == id_ for each in several):
            return Step(asked=asked, status=answer.status, text="the same record")
        text = f"no record with that id at {rest.get.item or 'the top of the answer'}"
        return Step(asked=asked, status=answer.status, text=text, ok=False)

    def _filtered(self, rest: RestKind, changed: Changed, items: Sequence[Any]) -> list[Step]:
        """Whether the filter by change filters: nothing older than the newest record may come."""
        stamps = [each for item in items if (each := moment(at(item, changed.at), self.times, self.zone))]
        if not stamps:
            return []
        since = max(stamps) + timedelta(seconds=1)
        query = {changed.parameter: str(written(since, changed.format or self.times.send, self.times, self.zone))}
        asked, answer, trouble = self._ask(lambda: self.door.first(rest.list, query))
        if answer is None:
            return [trouble]
        try:
            came, _, _ = self.door.opened(rest.list, answer)
        except BadAnswer as error:
            return [Step(asked=asked, status=answer.status, text=error.message, ok=False)]
        told = [moment(at(item, changed.at), self.times, self.zone) for item in came]
        older = sum(each is None or each < since for each in told)
        if older:
            text = f"the filter did not filter: {older} of {len(came)} records are older; see changed.ignored"
            return [Step(asked=asked, status=answer.status, text=text, ok=False)]
        return [Step(asked=asked, status=answer.status, text=f"the filter filters: {len(came)} records")]

    def _ask(self, ask: Callable[[], tuple[str, Mapping[str, Any], Answer]]) -> tuple[str, Answer | None, Step]:
        """What was asked, and its answer or what went wrong."""
        try:
            path, query, answer = ask()
        except VetBridgeError as error:
            return "", None, Step(asked=error.message.partition(": ")[2], status=None, text=error.message, ok=False)
        asked = self._address(path, query)
        return asked, answer, Step(asked=asked, status=answer.status, text="")

    def _address(self, path: str, query: Mapping[str, Any]) -> str:
        return f"GET {self.base_url}{path}{f'?{urlencode(query)}' if query else ''}"


def _native(records: Records, item: Any) -> Native | str:
    """The record, or why it cannot be read."""
    try:
        return records.native(item)
    except (BadRow, ValueError) as error:
        return str(error)


def _field(
    name: str, rule: FieldRule, items: Sequence[Any], natives: Sequence[Native | str], records: Records
) -> TriedField:
    named = (*rule.column, *rule.all)
    filled = lacking = 0
    came = reads = wrong = ""
    for item, native in zip(items, natives, strict=True):
        told = [each for each in (at(item, path) for path in named) if each is not ABSENT]
        lacking += not told and not rule.optional and bool(named)
        holds = [each for each in told if each not in (None, "", [])]
        filled += bool(holds) or rule.value is not None
        if holds and not came:
            came = ", ".join(map(_said, holds))
            reads = _said(native.get(name)) if isinstance(native, dict) else ""
        if isinstance(native, str) and any(native.startswith(f"{path}: ") for path in named):
            wrong = native
    return TriedField(name=name, paths=named, filled=filled, lacking=lacking, came=came, reads=reads, wrong=wrong)


def _unnamed(rest: RestKind, records: Records, items: Sequence[Any]) -> tuple[Unnamed, ...]:
    named = {
        *records.paths,
        *([rest.version.path] if rest.version else []),
        *([rest.changed.at] if rest.changed else []),
    }
    found: dict[str, str] = {}
    every = _paths(items)
    for path in every:
        # A group that is null in some record stands there as its parts, too.
        if path not in named and not any(other.startswith((f"{path}.", f"{path}[]")) for other in (*every, *named)):
            found[path] = next(
                (_said(each) for item in items if (each := at(item, path)) not in (ABSENT, None, "")), ""
            )
    return tuple(Unnamed(path=path, came=came) for path, came in found.items())


def _paths(items: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(path for item in items for path in paths(item) if path))[:MOST_PATHS]


def _said(value: Any) -> str:
    """A value as text, without more of it than is looked at."""
    if value is None or value is ABSENT:
        return ""
    if isinstance(value, list):
        return ", ".join(_said(each) for each in value[:5])
    if isinstance(value, Mapping):
        return f"a record of {len(value)} fields"
    return str(value)[:400] if not isinstance(value, bool) else str(value).lower()
