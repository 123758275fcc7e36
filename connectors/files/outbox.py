"""Writes that are handed on: one file for each, dropped once, and taken back as long as it lies there."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connectors.files.inbox import OUT, STATE, WORK, defused
from connectors.files.shelf import private, sync_folder
from vetbridge.connector.interface import Native, Operation, Write

TITLES = ("key", "action", "id", "start", "end", "minutes", "appointment_type", "resource", "client_id", "pet_id",
          "notes")  # fmt: skip
"""The columns of a file, in VetBridge's words; the profile's ``screen`` names them as the practice system does."""
ACTIONS: Mapping[Operation, str] = {
    Operation.CREATE: "book",
    Operation.UPDATE: "change",
    Operation.CANCEL: "cancel",
    Operation.RECALL: "recalled",
}

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_UNTYPED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONGEST_CELL = 32_000


class Outbox:
    """The files that were dropped, and which of them was taken back. Not for several threads at once.

    What was dropped is remembered by its key before it appears: whoever takes a file away must not get it again.
    """

    def __init__(self, folder: Path, form: str, titles: Mapping[str, str], zone: str) -> None:
        self._out = folder / OUT
        self._work = folder / WORK
        self._known = folder / STATE / "handed"
        self._form = form
        self._titles = [titles.get(each, each) for each in TITLES]
        self._zone = zone

    def put(self, write: Write, record: Native) -> None:
        """Drops the file of a write; once for each key, and never after it was taken back. ``record`` is the visit as
        it will be."""
        if not self._is_known(_name(write.key, back=True)):
            self._drop(_name(write.key), write, record)

    def recall(self, write: Write, record: Native) -> None:
        """Takes back what was dropped under this key; where somebody has it already, another file says so."""
        back, name = _name(write.key, back=True), _name(write.key)
        if self._is_known(name) and not self._is_known(back) and not self._claimed(f"{name}.{self._form}"):
            self._drop(back, write, record)
            return
        if not self._is_known(back):
            self._remember(back)
        self._show(back)
        (self._work / f"back-{name}.{self._form}").unlink(missing_ok=True)

    def _claimed(self, file: str) -> bool:
        """Takes a file away before anybody else does; false where somebody was first."""
        mine = self._work / f"back-{file}"
        for place in (self._work / f"out-{file}", self._out / file):
            with suppress(FileNotFoundError):
                place.replace(mine)
        return mine.exists()

    def _is_known(self, name: str) -> bool:
        return (self._known / name).exists()

    def _drop(self, name: str, write: Write, record: Native) -> None:
        """Drops one file, whatever of it was done before a crash.

        Prepared, remembered, shown, in this order. What is remembered and no longer prepared was shown.
        """
        if not self._is_known(name):
            with private(self._work / f"out-{name}.{self._form}", "wb") as ready:
                ready.write(_content(self._form, self._titles, write, record, self._zone))
                ready.flush()
                os.fsync(ready.fileno())
            self._remember(name)
        self._show(name)

    def _show(self, name: str) -> None:
        """Puts what is prepared where others see it."""
        file = f"{name}.{self._form}"
        with suppress(FileNotFoundError):
            (self._work / f"out-{file}").replace(self._out / file)
            sync_folder(self._out)

    def _remember(self, name: str) -> None:
        self._known.mkdir(mode=0o700, exist_ok=True)
        (self._known / name).touch(mode=0o600)
        sync_folder(self._known)


def _name(key: str, *, back: bool = False) -> str:
    """The name of a write's file, without its ending: the same for every try at it."""
    plain = key if _PLAIN.fullmatch(key) else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"visit-{plain}{'.recalled' if back else ''}"


def _content(form: str, titles: list[str], write: Write, record: Native, zone: str) -> bytes:
    cells = _cells(write, record)
    if form == "ics":
        return _calendar(write, record, zone)
    if form == "xlsx":
        return _workbook(titles, cells)
    return _text(titles, cells)


def _cells(write: Write, record: Native) -> list[str]:
    start, seconds = str(record.get("start") or ""), record.get("duration")
    end = ""
    if start and isinstance(seconds, int):
        end = f"{datetime.fromisoformat(start) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"
    told: dict[str, Any] = {
        **record,
        "key": write.key,
        "action": ACTIONS[write.operation],
        "id": write.id or "",
        "end": end,
        "minutes": seconds // 60 if isinstance(seconds, int) else "",
    }
    return [_UNTYPED.sub("", str(told.get(name) or ""))[:_LONGEST_CELL] for name in TITLES]


def _text(titles: list[str], cells: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([titles, [defused(cell) for cell in cells]])
    return text.getvalue().encode("utf-8-sig", "replace")


def _workbook(titles: list[str], cells: list[str]) -> bytes:
    import openpyxl  # noqa: PLC0415 - slow to import, and few sites write workbooks

    book = openpyxl.Workbook()
    for row, texts in enumerate((titles, cells), 1):
        for column, text in enumerate(texts, 1):
            cell = book.active.cell(row, column)
            cell.value = text
            cell.data_type = "s"  # Never a formula.
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def _calendar(write: Write, record: Native, zone: str) -> bytes:
    import icalendar  # noqa: PLC0415 - as above

    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//VetBridge//visits//EN")
    calendar.add("version", "2.0")
    is_off = write.operation in (Operation.CANCEL, Operation.RECALL)
    calendar.add("method", "CANCEL" if is_off else "REQUEST")
    event = icalendar.Event()
    event.add("uid", write.id or f"{_name(write.key)}@vetbridge")
    if record.get("start"):
        start = datetime.fromisoformat(str(record["start"])).replace(tzinfo=ZoneInfo(zone))
        event.add("dtstart", start)
        event.add("dtstamp", start)
        if isinstance(record.get("duration"), int):
            event.add("dtend", start + timedelta(seconds=record["duration"]))
    event.add("status", "CANCELLED" if is_off else "CONFIRMED")
    event.add("summary", f"{ACTIONS[write.operation]} {record.get('appointment_type') or 'visit'}")
    for name, field in (("location", "resource"), ("description", "notes")):
        if record.get(field):
            event.add(name, _UNTYPED.sub("", str(record[field])))
    calendar.add_component(event)
    return bytes(calendar.to_ical())
