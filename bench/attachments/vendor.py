"""Two vendors in one: a process of its own that gives files, and takes them. It keeps nothing."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

PIECE = 256 * 1024
TYPES = ("jpeg", "pdf")


@contextmanager
def vendor(megabytes: int) -> Iterator[str]:
    """The address of one whose files have so many megabytes each."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(megabytes, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(megabytes: int, told: Connection) -> None:
    files = made(megabytes * 1024 * 1024)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = files[TYPES[int(self.path.rpartition("/")[2]) % len(TYPES)]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for at in range(0, len(content), PIECE):
                self.wfile.write(content[at : at + PIECE])

        def do_POST(self) -> None:
            answer = f'{{"digest": "{self._taken()}"}}'.encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _taken(self) -> str:
            """SHA-256 of the file in the form, which is its last part."""
            closing = len(self.headers.get_boundary("")) + 8
            left = int(self.headers["Content-Length"]) - closing
            digest, head = hashlib.sha256(), b""
            while b"\r\n\r\n" not in head:
                piece = self.rfile.read(min(PIECE, left))
                head += piece
                left -= len(piece)
            digest.update(head.partition(b"\r\n\r\n")[2])
            while left:
                piece = self.rfile.read(min(PIECE, left))
                digest.update(piece)
                left -= len(piece)
            self.rfile.read(closing)
            return digest.hexdigest()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.send(server.server_port)
        server.serve_forever()


def made(size: int) -> dict[str, bytes]:
    """A photo, and a PDF of scanned pages and text, of about so many bytes."""
    noise = random.Random(1).randbytes(size).replace(b"\xff", b"\xfe")
    return {"jpeg": _jpeg(noise), "pdf": _pdf(noise)}


def _jpeg(noise: bytes) -> bytes:
    size = b"\xff\xc0\x00\x0b" + struct.pack(">BHHB", 8, 3000, 4000, 1) + b"\x01\x11\0"
    return b"\xff\xd8" + size + b"\xff\xda\x00\x08\x01\x01\0\0\x3f\0" + noise + b"\xff\xd9"


def _pdf(noise: bytes) -> bytes:
    pages = b"".join(
        b"%d 0 obj\n<</Filter /FlateDecode>>\nstream\n" % number + packed + b"\nendstream\nendobj\n"
        for number, packed in enumerate(
            (zlib.compress(noise[at : at + 200_000] + b"words " * 30_000) for at in range(0, len(noise), 200_000)), 1
        )
    )
    return b"%PDF-1.7\n" + pages + b"trailer\n<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
