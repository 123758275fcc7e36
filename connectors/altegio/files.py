"""Files on clients' cards (altegio.md, 3.10): listed by client, fetched from where the list says, added by upload.

There is no list of what is new, and no call for one file. How a download is authorised, and the path of the upload,
are not known: both are options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import urljoin

from connectors.altegio import wire
from connectors.altegio.api import Api
from connectors.altegio.options import FILE_TYPES, LARGEST_FILE, AltegioOptions
from vetbridge.connector.http import Downloads, HttpRefused
from vetbridge.connector.interface import Native, Receipt, Write
from vetbridge.connector.plugin import Environment
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused

LOOKED_AT: Final = 512
"""Bytes at the beginning of a file in which a web page would show itself."""

SHORTEST: Final = 0.9
"""A file that is shorter than this part of what its row says was cut: the row's number is rounded, and nobody says
whether its kilobytes have 1000 or 1024 bytes."""

_PAGES: Final = (b"<!doctype html", b"<html")


class ClientFiles:
    """The files of one location's clients. Ids are ``CLIENT/FILE``."""

    def __init__(
        self, api: Api, options: AltegioOptions, environment: Environment, authorise: Callable[[], Mapping[str, str]]
    ) -> None:
        self._api = api
        self._account = environment.account
        self._zone = environment.zone
        self._path = options.file_upload.replace("{location}", options.location_id)
        self._address = options.file_download.address
        self._host = options.file_host
        self._downloads = Downloads(
            self._host,
            account=environment.account,
            clock=environment.clock,
            timeout=environment.timeout,
            ca=environment.ca,
            hosts=options.file_download.hosts,
            authorise=authorise if options.file_download.authorise else None,
        )

    def of(self, client_id: str) -> Iterator[Native]:
        """The files of a client; none where there is no such client, or it is hidden. Raises ``BadAnswer``: with code
        ``no-rights`` where the user may not see files, ``rows-missing`` where fewer come than are counted."""
        for row in self._api.files(client_id):
            yield self._native(row, client_id)

    def one(self, id_: str) -> Native | None:
        """A file's row, flat; None where there is none."""
        row = self._row(id_)
        return None if row is None else self._native(row, id_.partition("/")[0])

    def content(self, id_: str) -> Iterator[bytes]:
        """What is in a file, in pieces. Raises ``Refused`` with code ``not-found`` where there is none, ``BadAnswer``
        with code ``no-file`` where Altegio sends something else, such as a page to sign in at."""
        row = self._row(id_)
        if row is None:
            raise Refused(f"{self._account}: there is no such file", code="not-found")
        address = wire.as_text(row.get(self._address)).strip()
        if not address:
            raise BadAnswer(f"{self._account}: a file's row has no {self._address}", code="unreadable")
        came, begin, looked = 0, b"", False
        try:
            for piece in self._downloads.pieces(urljoin(f"{self._host}/", address)):
                came += len(piece)
                if looked:
                    yield piece
                    continue
                begin += piece
                if len(begin) >= LOOKED_AT:
                    looked = True
                    yield self._no_page(begin)
        except HttpRefused as refused:
            raise self._not_given(refused) from None
        if not looked:
            yield self._no_page(begin)
        if came < SHORTEST * (wire.file_size(row) or 0):
            raise BadAnswer(f"{self._account}: a file came shorter than Altegio says it is", code="no-file")

    def create(self, write: Write) -> Receipt:
        """Uploads a file. The answer is the client's complete list (section 3.10): what was not in it before is the
        new one of its size, and of several that of its name. Where that cannot be told it is ``OutcomeUnknown``."""
        client_id, content = wire.as_id(write.native.get("client_id")), write.content
        if client_id is None or content is None or content.size < 1:
            raise Refused(f"{self._account}: a file needs a client, and something in it", code="incomplete")
        if content.size >= LARGEST_FILE:
            raise Refused(f"{self._account}: Altegio takes files below {LARGEST_FILE} bytes", code="too-large")
        if content.name.rpartition(".")[2].casefold() not in FILE_TYPES:
            raise Refused(f"{self._account}: Altegio takes no files of this type", code="not-supported")
        before = {wire.as_id(row["id"]) for row in self._api.files(client_id)}
        reply = self._api.upload(self._path.replace("{client}", client_id), part="file", content=content)
        rows = [row for row in wire.as_rows(reply.data) if wire.as_id(row.get("id")) not in {None, *before}]
        rows = [row for row in rows if wire.fits(row, content.size)]
        if len(rows) > 1:
            rows = [row for row in rows if wire.same_file_name(row, content.name)]
        try:
            (native,) = (wire.file(row, client_id, self._zone) for row in rows)
        except ValueError:  # none, several, or one that cannot be read
            raise OutcomeUnknown(
                f"{self._account}: the file may have been added, but the answer does not show which"
            ) from None
        return Receipt(id=native["id"], native=native)

    def look(self, write: Write) -> Iterator[Native]:
        """The files of the client that have the name of the one that was uploaded; whether one of them is it, only
        its content tells. Whether Altegio keeps a name as it was sent is not documented."""
        name = wire.as_text(write.native.get("name")) if write.content is None else write.content.name
        client_id = wire.as_text(write.native.get("client_id"))
        return (self._native(row, client_id) for row in self._api.files(client_id) if wire.same_file_name(row, name))

    def _row(self, id_: str) -> Native | None:
        parts = wire.split_file_id(id_)
        if parts is None:
            return None
        return next((row for row in self._api.files(parts[0]) if wire.as_id(row["id"]) == parts[1]), None)

    def _native(self, row: Native, client_id: str) -> Native:
        try:
            return wire.file(row, client_id, self._zone)
        except wire.Unreadable as odd:
            raise BadAnswer(
                f"{self._account}: a file as Altegio lists it cannot be read: field {odd} is missing or another's",
                code="unreadable",
            ) from None

    def _no_page(self, begin: bytes) -> bytes:
        if begin.removeprefix(b"\xef\xbb\xbf").lstrip()[:20].lower().startswith(_PAGES):
            raise BadAnswer(
                f"{self._account}: a web page came in place of a file, most likely one to sign in at; see "
                "file_download in docs/connectors/altegio.md",
                code="no-file",
            )
        return begin

    def _not_given(self, refused: HttpRefused) -> Refused | BadAnswer:
        if refused.status in (404, 410):
            return Refused(f"{self._account}: a file is listed and not there any more", code="not-found")
        return BadAnswer(
            f"{self._account}: a file is not given out, its address answers {refused.status}; see file_download in "
            "docs/connectors/altegio.md",
            code="no-file",
        )
