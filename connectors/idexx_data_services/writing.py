"""What is sent, by the profile's names, and what was written lately, which reads may not show yet."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.idexx_data_services.profile import FileWrites, LogWrites, Sent, Times, VisitWrites
from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Native, Write
from vetbridge.connector.rows.searching import at_site
from vetbridge.core.instants import Instant


def visit(native: Native, write: Write, sent: VisitWrites, times: Times, zone: str) -> dict[str, Any]:
    """The body of a visit that is inserted or updated."""
    values = {**native, **_marks(write)}
    seconds = native.get("duration")
    if "duration" in native:
        values["minutes"] = None if seconds is None else seconds // 60
    if native.get("start"):
        start = at_site(native["start"], zone)
        values["start"] = written(start, times, zone)
        if seconds is not None:
            values["end"] = written(start.astimezone(UTC) + timedelta(seconds=seconds), times, zone)
    return _body(values, sent)


def beside(changed: Collection[str], sent: VisitWrites) -> frozenset[str]:
    """The fields that have to be known so that a change of these ones can be said."""
    moves = {"start", "duration"} & set(changed)
    return frozenset({"start", "duration"} if moves and "end" in sent.fields else ())


def form(write: Write, sent: FileWrites) -> dict[str, str]:
    """The short fields of a form that brings a document."""
    values = {**write.native, **_marks(write)}
    if write.content is not None:
        values |= {"media_type": write.content.media_type, "name": write.native.get("name") or write.content.name}
    return {name: str(value) for name, value in _body(values, sent).items() if value is not None}


def log(write: Write, sent: LogWrites, times: Times, zone: str) -> dict[str, Any]:
    """The body of a line of the communication log."""
    at = write.native.get("at")
    moment = at.utc if isinstance(at, Instant) else at
    if isinstance(moment, str):
        moment = Instant.parse(moment, zone).utc
    said = {**write.native, **({"at": written(moment, times, zone)} if isinstance(moment, datetime) else {})}
    return _body({**said, **_marks(write)}, sent)


def written(moment: datetime, times: Times, zone: str) -> str:
    """A moment as the profile sends it."""
    local = moment.replace(microsecond=0).astimezone(ZoneInfo(zone))
    if times.send == "utc":
        return f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
    return f"{local:%Y-%m-%dT%H:%M:%S}" if times.send == "local" else local.isoformat()


def _marks(write: Write) -> dict[str, str]:
    known = (("id", write.id), ("key", write.key), ("stamp", write.stamp))
    return {name: value for name, value in known if value}


def _body(values: Mapping[str, Any], sent: Sent) -> dict[str, Any]:
    """What is told, under the names of the profile; what is not told is left out."""
    body: dict[str, Any] = {}
    for path, value in sent.always.items():
        _put(body, path, value)
    for name, path in sent.fields.items():
        if name in values:
            words = sent.words.get(name, {})
            _put(body, path, words.get(str(values[name]), values[name]))
    return body


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split("/")
    for name in way:
        body = body.setdefault(name, {})
    body[last] = value


class Lately:
    """What was written in the last ``seconds``, by id: reads come from a copy that follows, and may not show it yet.

    It is not kept over a restart. Safe to be used by several threads.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._written: dict[str, tuple[float, Native]] = {}
        self._lock = threading.Lock()

    def keep(self, id_: str, native: Native) -> None:
        """Notes what was written."""
        now = self._clock.steady()
        with self._lock:
            self._written = {each: told for each, told in self._written.items() if told[0] > now}
            if self._seconds > 0:
                _, before = self._written.get(id_, (0.0, {}))
                self._written[id_] = (now + self._seconds, {**before, **native})

    def over(self, id_: str, shown: Native | None) -> Native | None:
        """A record as reads show it, with what was written lately; None where neither knows of it."""
        with self._lock:
            until, native = self._written.get(id_, (0.0, {}))
        if until <= self._clock.steady():
            return shown
        return {**(shown or {"id": id_}), **native}
