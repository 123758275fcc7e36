"""Attachments: upload, link and download (ezyvet.md, section 7).

The names of an upload's parts are not known: ``file`` is taken, beside ``record_type``, ``record_id``, ``notes`` and
``name``, as multipart; with ``file_id`` instead of a file, also as JSON or a form, the link to one that is there.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from email.message import Message
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Any

from connectors.ezyvet.simulator.requests import form_body, invalid, json_body, media_type, whole
from connectors.ezyvet.simulator.resources import ATTACHMENT, FILE
from vetbridge.testing.simkit import Effect, Refusal, Request, Response, Row

if TYPE_CHECKING:
    from connectors.ezyvet.simulator.server import EzyVetSimulator

RECORD_TYPES = {"Animal": "animal", "Contact": "contact", "Consult": "consult"}
"""What an attachment can hang on, as the vendor writes it, and the store's kind."""
MOST_PARTS = 20
_RANGE = re.compile(r"bytes=([0-9]{1,12})-", re.ASCII)
FIELDS = frozenset({"record_type", "record_id", "notes", "name", "file_id"})


class Documents:
    """The attachment routes of one simulator that are no plain reads."""

    def __init__(self, site: EzyVetSimulator) -> None:
        self._site = site

    def routes(self) -> None:
        """Registers them."""
        self._site.route("GET", "/v1/attachment/download/{id}", self._download, access="read-attachment")
        self._site.route("POST", "/v1/attachment", self._upload, effect=Effect.WRITE, access="write-attachment")

    def _download(self, request: Request) -> Response:
        """The content, by the attachment's id and not the file's."""
        attachment = self._site.existing(ATTACHMENT, request)
        file = self._site.store.get(FILE.name, attachment["file_id"] or 0)
        if file is None:
            raise Refusal(404, "There is no such file.")
        content = self._site.files.read(file["_content"])
        media_type = "application/octet-stream"
        if self._site.switches.file_ranges == "refuse":
            return Response(200, raw=content, media_type=media_type)
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"Accept-Ranges": "bytes", "ETag": tag}
        asked = _RANGE.fullmatch(request.headers.get("range", ""))
        if asked is None or request.headers.get("if-range", tag) != tag or int(asked[1]) >= len(content):
            return Response(200, headers=headers, raw=content, media_type=media_type)
        start = int(asked[1])
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return Response(206, headers=headers, raw=content[start:], media_type=media_type)

    def _upload(self, request: Request) -> Response:
        fields, file = _upload_body(request)
        unknown = sorted(set(fields) - FIELDS)
        if unknown and self._site.switches.unknown_field == "error":
            raise invalid([name[:80] for name in unknown[:20]], "these fields cannot be written")
        kind = RECORD_TYPES.get(fields["record_type"]) if isinstance(fields.get("record_type"), str) else None
        if kind is None:
            raise invalid(["record_type"], f"this is none of {', '.join(RECORD_TYPES)}")
        if not self._site.is_there(kind, fields.get("record_id")):
            raise invalid(["record_id"], f"there is no such {kind}")
        words = {name: fields.get(name, "") for name in ("name", "notes")}
        for name, text in words.items():
            if not isinstance(text, str):
                raise invalid([name], "this is not text")
        kept = self._kept(fields, file)
        row = self._attached(fields["record_type"], whole(fields["record_id"]), kept, **words)
        return self._site.answered(ATTACHMENT, "v1", [row])

    def attach(self, record_type: str, record_id: int, name: str, content: bytes, notes: str = "") -> int:
        """Hangs a file on a record, as staff do; returns the attachment's id. Raises ``ValueError``."""
        kind = RECORD_TYPES.get(record_type)
        if kind is None or not self._site.is_there(kind, record_id):
            raise ValueError(f"there is no {record_type[:20]} {record_id}")
        mime_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        file = self._file(name, mime_type, content)
        return int(self._attached(record_type, record_id, file, name=name, notes=notes)["id"])

    def _attached(self, record_type: str, record_id: int, file: Row, *, name: str, notes: str) -> dict[str, Any]:
        row = {
            "record_type": record_type,
            "record_id": record_id,
            "notes": notes,
            "name": name or file["name"],
            "mime_type": file["mime_type"],
            "file_id": file["id"],
        }
        return self._site.insert(ATTACHMENT, row)

    def _file(self, name: str, mime_type: str, content: bytes) -> dict[str, Any]:
        kept = self._site.files.keep(content)
        return self._site.insert(FILE, {"name": name, "mime_type": mime_type, "_content": kept})

    def _kept(self, fields: dict[str, Any], file: tuple[str, str, bytes] | None) -> dict[str, Any]:
        """The file's row: a new one, or the one that ``file_id`` names."""
        if file is not None:
            return self._file(*file)
        if not self._site.is_there(FILE.name, fields.get("file_id")):
            raise invalid(["file"], "a part named file is needed, or the file_id of one that is there")
        return self._site.store.get(FILE.name, whole(fields["file_id"])) or {}


def _upload_body(request: Request) -> tuple[dict[str, Any], tuple[str, str, bytes] | None]:
    """The fields of an upload; name, type and content of its file."""
    kind = media_type(request)
    if kind == "application/x-www-form-urlencoded":
        return form_body(request), None
    if kind != "multipart/form-data":
        return json_body(request), None
    fields: dict[str, Any] = {}
    file = None
    for head, content in _parts(request):
        name = str(head.get_param("name", "", header="content-disposition"))
        if name == "file":
            file = (_unquoted(head.get_filename() or "file"), head.get_content_type(), content)
        else:
            fields[name] = content.decode("utf-8", errors="replace")
    return fields, file


def _parts(request: Request) -> list[tuple[Message, bytes]]:
    """Head and content of each part. Raises ``Refusal`` 400 where the body is not what it says."""
    said = Message()
    said["content-type"] = request.headers.get("content-type", "")
    boundary = said.get_param("boundary")
    pieces = (b"\r\n" + request.body).split(f"\r\n--{boundary}".encode()) if isinstance(boundary, str) else []
    if not 3 <= len(pieces) <= MOST_PARTS + 2 or not pieces[-1].startswith(b"--"):
        raise Refusal(400, "The multipart body cannot be read.")
    parts = []
    for piece in pieces[1:-1]:
        head, blank_line, content = piece.partition(b"\r\n\r\n")
        if not blank_line:
            raise Refusal(400, "The multipart body cannot be read.")
        words = head.lstrip(b"\r\n").decode("utf-8", errors="replace")
        parts.append((HeaderParser().parsestr(f"{words}\r\n\r\n"), content))
    return parts


def _unquoted(name: str) -> str:
    """A file's name as browsers send it, who write a quotation mark and the ends of lines so."""
    for sent, meant in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        name = name.replace(sent, meant)
    return name
