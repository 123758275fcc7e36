"""Word documents and Excel workbooks of before 2007: compound files, as published in [MS-CFB]."""

from __future__ import annotations

import struct
from array import array

from vetbridge.core.errors import FileRefused
from vetbridge.core.files.known import bomb, broken, encrypted
from vetbridge.core.files.reading import Source

_SIZES = {9: 512, 12: 4096}
_NO_SECTOR = 0xFFFFFFFA
_ENTRY = 128
_MOST_ENTRIES = 20_000
_MACROS = frozenset({"macros", "_vba_project_cur", "vba", "_vba_project"})
_MESSAGE = "__properties_version1.0"


def compound_type(source: Source) -> str:
    """``doc``, ``xls``, ``locked`` for an Office document of today with a password; "" for what is none of them.

    Raises ``FileRefused``.
    """
    return _Compound(source).type()


class _Compound:
    def __init__(self, source: Source) -> None:
        head = source.at(0, 512)
        size = _SIZES.get(*struct.unpack_from("<H", head, 30)) if len(head) == 512 else None
        if size is None:
            raise broken("is cut off: what describes it is missing")
        self._source = source
        self._size: int = size
        self._table = self._read_table(head)
        entries = self._entries(struct.unpack_from("<I", head, 48)[0])
        self._streams = {name: at for name, at in entries.items() if name}

    def type(self) -> str:
        names = {name.lower() for name in self._streams}
        if "encryptedpackage" in names:
            return "locked"
        if _MESSAGE in names:
            return ""
        found = [(name, word) for name, word in (("worddocument", "doc"), ("workbook", "xls"), ("book", "xls"))]
        word = next((word for name, word in found if name in names), "")
        if word and names & _MACROS:
            raise FileRefused("the file is a document with macros; ask for one without", code="file-type")
        if word:
            self._refuse_content(word)
        return word

    def _refuse_content(self, word: str) -> None:
        """Raises ``FileRefused`` where the document itself is cut off or encrypted."""
        wanted = ("worddocument",) if word == "doc" else ("workbook", "book")
        start, length = next(at for name, at in self._streams.items() if name.lower() in wanted)
        if length < 4096:
            # So short a document stands among the small streams, which are not followed.
            return
        sectors = self._chain(start, -(-length // self._size))
        if (max(sectors) + 1) * self._size >= self._source.size:
            raise broken("is cut off: a part of it is missing")
        begins = self._sector(sectors[0])
        if word == "doc" and struct.unpack_from("<H", begins, 10)[0] & 0x0100:
            raise encrypted("a document")
        if word == "xls" and _has_password(begins):
            raise encrypted("a workbook")

    def _read_table(self, head: bytes) -> array[int]:
        """Which sector follows on which."""
        at = struct.unpack_from("<I", head, 68)[0]
        sectors = [each for each in struct.unpack_from("<109I", head, 76) if each < _NO_SECTOR]
        # Twice as many as it needs: some programs make room before they write.
        most = 2 * (self._source.size // self._size // (self._size // 4)) + 109
        met: set[int] = set()
        while at < _NO_SECTOR:
            if at in met:
                raise bomb("leads in a circle")
            met.add(at)
            *more, at = struct.unpack(f"<{self._size // 4}I", self._sector(at))
            sectors += [each for each in more if each < _NO_SECTOR]
            if len(sectors) > most or len(met) > most:
                raise broken("does not tell rightly where its parts are")
        if len(set(sectors)) < len(sectors):
            raise broken("does not tell rightly where its parts are")
        table = array("I")
        for sector in sectors:
            table.extend(struct.unpack(f"<{self._size // 4}I", self._sector(sector)))
        return table

    def _entries(self, start: int) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        most = _MOST_ENTRIES * _ENTRY // self._size
        for sector in self._chain(start, None, most):
            listing = self._sector(sector)
            for at in range(0, self._size, _ENTRY):
                entry = listing[at : at + _ENTRY]
                if entry[66] not in (1, 2, 5):
                    continue
                name = entry[:64].decode("utf-16-le", errors="replace").partition("\0")[0]
                found.setdefault(name, struct.unpack_from("<II", entry, 116))
        return found

    def _chain(self, at: int, most: int | None, bound: int | None = None) -> list[int]:
        found: list[int] = []
        met: set[int] = set()
        while at < _NO_SECTOR and (most is None or len(found) < most):
            if at in met or (bound is not None and len(found) > bound):
                raise bomb("leads in a circle")
            if at >= len(self._table):
                raise broken("is cut off: a part of it is missing")
            met.add(at)
            found.append(at)
            at = self._table[at]
        if not found or (most is not None and len(found) < most):
            raise broken("is cut off: a part of it is missing")
        return found

    def _sector(self, number: int) -> bytes:
        found = self._source.at((number + 1) * self._size, self._size)
        if len(found) < self._size:
            raise broken("is cut off: a part of it is missing")
        return found


def _has_password(begins: bytes) -> bool:
    """Whether a workbook's records begin with the one that tells of a password."""
    at = 0
    while at + 4 <= len(begins):
        record, length = struct.unpack_from("<HH", begins, at)
        if record == 0x2F:
            return True
        at += 4 + length
    return False
