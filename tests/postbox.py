"""A mail server of the tests' own: takes mails, or does what it is told instead."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass
class Taken:
    """One mail that was taken."""

    sender: str
    to: list[str]
    raw: bytes
    encrypted: bool
    user: str

    @property
    def mail(self) -> EmailMessage:
        """The mail, as its reader's program understands it."""
        read = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(read, EmailMessage)
        return read

    @property
    def text(self) -> str:
        """What stands in it."""
        return str(self.mail.get_content()).replace("\r\n", "\n")


class Postbox:
    """Listens on this machine. ``answer`` gives another answer than the usual one to a command; None: the usual."""

    def __init__(self, *, pem: Path | None = None, implicit: bool = False) -> None:
        self.taken: list[Taken] = []
        self.password = "a password that shows nowhere"
        self.answer: Callable[[str], str | None] = lambda _: None
        self.silent = False
        """Hangs up before it says anything."""
        box = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 10

            def handle(self) -> None:
                if not box.silent:
                    _Dialogue(box, self, pem, encrypted=implicit).run()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that hangs up, or refuses the certificate, is no trouble of the test's."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if implicit and pem is not None:
            self._server.socket = _context(pem).wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Takes no more."""
        self._server.shutdown()
        self._server.server_close()


class _Dialogue:
    def __init__(
        self, box: Postbox, handler: socketserver.StreamRequestHandler, pem: Path | None, *, encrypted: bool
    ) -> None:
        self._box, self._handler, self._pem, self._encrypted = box, handler, pem, encrypted
        self._user = self._sender = ""
        self._to: list[str] = []

    def run(self) -> None:
        self._say("220 postbox")
        while line := self._handler.rfile.readline(10_000).decode().rstrip("\r\n"):
            word = line.split()[0].upper()
            said = self._box.answer(line)
            if said is not None:
                self._say(said)
            elif word == "EHLO":
                self._say("\r\n".join(["250-postbox", "250-STARTTLS" if self._pem else "250-HELP", "250 AUTH PLAIN"]))
            elif word == "STARTTLS" and self._pem is not None:
                self._say("220 go ahead")
                self._encrypt(self._pem)
            elif word == "AUTH":
                _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                self._user = user if password == self._box.password else ""
                self._say("235 welcome" if self._user else "535 wrong")
            elif word == "MAIL":
                self._sender = line.partition("<")[2].partition(">")[0]
                self._say("250 fine")
            elif word == "RCPT":
                self._to.append(line.partition("<")[2].partition(">")[0])
                self._say("250 fine")
            elif word == "DATA":
                self._say("354 go on")
                self._take()
            else:
                self._say("221 bye" if word == "QUIT" else "250 fine")
                if word == "QUIT":
                    return

    def _take(self) -> None:
        lines = []
        while (line := self._handler.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self._box.taken.append(Taken(self._sender, self._to, b"".join(lines), self._encrypted, self._user))
        self._say("250 taken")

    def _encrypt(self, pem: Path) -> None:
        handler = self._handler
        handler.connection = _context(pem).wrap_socket(handler.connection, server_side=True)
        handler.rfile, handler.wfile = handler.connection.makefile("rb"), handler.connection.makefile("wb", 0)
        self._encrypted = True

    def _say(self, text: str) -> None:
        self._handler.wfile.write(f"{text}\r\n".encode())


@contextmanager
def postbox(*, pem: Path | None = None, implicit: bool = False) -> Iterator[Postbox]:
    """One that is closed at the end. ``pem``: its certificate and key; ``implicit``: it speaks TLS at once."""
    box = Postbox(pem=pem, implicit=implicit)
    try:
        yield box
    finally:
        box.close()


def certificate(path: Path, host: str = "localhost") -> Path:
    """A certificate for a host, with its key, that nobody vouches for but itself; a file that can be trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return path


def _context(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
