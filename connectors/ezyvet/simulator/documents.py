"""Attachments: upload, link and download (ezyvet.md, section 7).

The names of an upload's parts are not known: ``file`` is taken, beside ``record_type``, ``record_id``, ``notes`` and
``name``, as multipart; with ``file_id`` instead of a file, also as JSON or a form, the link to one that is there.
"""

from __future__ import annotations

import base64
from email.message import Message
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING, Any

from connectors.ezyvet.simulator.requests import form_body, invalid, json_body, media_type, whole
from connectors.ezyvet.simulator.resources import ATTACHMENT, FILE
from vetbridge.testing.simkit import Effect, Refusal, Request, Response

if TYPE_CHECKING:
    from connectors.ezyvet.simulator.server import EzyVetSimulator

RECORD_TYPES = {"Animal": "animal", "Contact": "contact", "Consult": "consult"}
"""What an attachment can hang on, as the vendor writes it, and the store's kind."""
MOST_PARTS = 20
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
        return Response(200, raw=base64.b64decode(file["_content"]), media_type="application/octet-stream")

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
        row = self._site.insert(
            ATTACHMENT,
            {
                "record_type": fields["record_type"],
                "record_id": whole(fields["record_id"]),
                "notes": words["notes"],
                "name": words["name"] or kept["name"],
                "mime_type": kept["mime_type"],
                "file_id": kept["id"],
            },
        )
        return self._site.answered(ATTACHMENT, "v1", [row])

    def _kept(self, fields: dict[str, Any], file: tuple[str, str, bytes] | None) -> dict[str, Any]:
        """The file's row: a new one, or the one that ``file_id`` names."""
        if file is not None:
            name, mime_type, content = file
            encoded = base64.b64encode(content).decode()
            return self._site.insert(FILE, {"name": name, "mime_type": mime_type, "_content": encoded})
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
            file = (head.get_filename() or "file", head.get_content_type(), content)
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
        parts.append((BytesHeaderParser().parsebytes(head.lstrip(b"\r\n") + b"\r\n\r\n"), content))
    return parts
