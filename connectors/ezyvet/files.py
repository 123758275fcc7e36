"""Attachments of an ezyVet site: what hangs on clients, pets and consults, and how files are added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connectors.ezyvet import wire
from connectors.ezyvet.consults import pets_of
from connectors.ezyvet.cursor import Cursor
from connectors.ezyvet.door import Door
from connectors.ezyvet.options import EzyVetOptions
from connectors.ezyvet.paths import DOWNLOAD_PATH, PATHS
from connectors.ezyvet.wire import Where
from vetbridge.connector.http import Answer
from vetbridge.connector.interface import Native, Write
from vetbridge.connector.plugin import Environment
from vetbridge.core.errors import BadAnswer, Refused

LOOK_BACK = 2 * 86400
"""Seconds for which a file without notes may be one whose notes ezyVet did not keep."""

_RECORD_TYPES = {"pet_id": "Animal", "client_id": "Contact"}
"""What a file hangs on, the nearest first, as ezyVet writes it."""


class Files:
    """The attachments of one site. Safe to be used by several threads."""

    def __init__(self, door: Door, options: EzyVetOptions, environment: Environment) -> None:
        self._door = door
        self._names = options.upload
        self._has_consults = "read-consult" in options.rights
        self._clock = environment.clock
        self._account = environment.account

    def natives(self, rows: list[Native], *, patience: float = 0.0, cursor: Cursor | None = None) -> Iterator[Native]:
        """The flat records of rows. What hangs on a consult is its pet's, or nobody's where consults are not read."""
        consults = map(wire.consult_of, rows) if self._has_consults else ()
        pets = pets_of(self._door, consults, patience=patience, cursor=cursor)
        return (wire.attachment(row, pets) for row in rows)

    def search(self, query: Mapping[str, str]) -> Iterator[Native]:
        """What hangs on a client or on a pet. Nothing hangs on both."""
        if len(query) > 1:
            return
        for name, id_ in query.items():
            if wire.record_id(id_) == id_:
                for native in self._hung(_RECORD_TYPES[name], id_):
                    self._readable(native)
                    yield native

    def look(self, write: Write) -> Iterator[Native]:
        """Attachments of the same client or pet that the upload may have made; inactive ones are left out.

        They bear the stamp in their notes, or have no notes, the written name, and were made in the last two days, as
        it is not known whether ezyVet keeps the notes of an upload. A write without a stamp is looked for by name.
        """
        record_type, id_ = self._target(write)
        now = int(self._clock.now().timestamp())
        for found in self._hung(record_type, id_):
            self._readable(found)
            if not found["active"]:
                continue
            is_named = found["name"] == self._name(write)
            made_at = wire.whole(found["made_at"])
            is_new = made_at is None or made_at > now - LOOK_BACK
            if not write.stamp or self._names.notes is None:
                is_it = is_named
            else:
                is_it = write.stamp in str(found["notes"]) or (not found["notes"] and is_named and is_new)
            if is_it:
                yield found

    def create(self, write: Write) -> Answer:
        """Uploads a file. The names of the parts are the options', as the sheet knows none."""
        record_type, id_ = self._target(write)
        if write.content is None:
            raise Refused(f"{self._account}: an attachment was to be written without its file", code="not-supported")
        names = self._names
        fields = {names.record_type: record_type, names.record_id: id_}
        for part, text in ((names.name, self._name(write)), (names.notes, str(write.native.get("notes") or ""))):
            if part is not None:
                fields[part] = text
        return self._door.upload(PATHS["attachment"], "attachment", fields, names.file, write.content)

    def is_it(self, write: Write, row: Native) -> bool:
        """Whether an answer's row hangs where the file was to hang, as far as it says."""
        wanted = dict(zip(("record_type", "record_id"), self._target(write), strict=True))
        return all(str(row[name]).casefold() == text.casefold() for name, text in wanted.items() if name in row)

    def content(self, id_: str) -> Iterator[bytes]:
        """See ``Connector.content``."""
        if wire.record_id(id_) != id_:
            raise Refused(f"{self._account}: an id of ezyVet's is a number", code="not-found")
        return self._door.file(f"{DOWNLOAD_PATH}/{id_}")

    def _hung(self, record_type: str, id_: str) -> Iterator[Native]:
        filters = {"record_type": Where.equals(record_type), "record_id": Where.equals(id_)}
        return self.natives(self._door.rows("attachment", filters))

    def _target(self, write: Write) -> tuple[str, str]:
        """The type and the id of what a file is to hang on."""
        for name, record_type in _RECORD_TYPES.items():
            id_ = wire.record_id(write.native.get(name))
            if id_ is not None:
                return record_type, id_
        raise Refused(f"{self._account}: an attachment hangs on a client or a pet", code="not-supported")

    def _name(self, write: Write) -> str:
        return str(write.native.get("name") or (write.content.name if write.content else ""))

    def _readable(self, native: Native) -> None:
        fields = wire.unreadable(native)
        if fields:
            raise BadAnswer(f"{self._account}: GET attachment: a row came without {', '.join(fields)}")
