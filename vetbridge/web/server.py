"""Serves an application in a thread of the daemon: the webhook door, the page."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Sequence
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from vetbridge.config.models import Tls
from vetbridge.core.errors import ConfigError
from vetbridge.web import limits
from vetbridge.web.limits import LARGEST_HEAD, Limits, Patient

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; 1.3 has none that are weak."""


class DoorServer:
    """uvicorn over one application, within the limits of ``vetbridge.web.limits``.

    Its access log is off: webhook secrets and names stand in addresses. ``part`` is the part of the config that says
    where it listens. ``trusted`` are the addresses of the proxy before it, which is believed from where a caller
    comes; nobody else is.

    Raises ``ConfigError`` where the address cannot be had, or the certificate cannot be used.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        part: str = "door",
        tls: Tls | None = None,
        trusted: Sequence[str] = (),
    ) -> None:
        settings = uvicorn.Config(
            Limits(app),
            http=Patient,
            ws="none",
            h11_max_incomplete_event_size=LARGEST_HEAD,
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            proxy_headers=bool(trusted),
            forwarded_allow_ips=list(trusted),
            timeout_graceful_shutdown=5,
            ssl_certfile=None if tls is None else tls.certificate,
            ssl_keyfile=None if tls is None else str(tls.key),
            ssl_ciphers=_CIPHERS,
        )
        if tls is not None:
            _must_fit(tls, part)
        self._socket = _bound(host, port, part)
        self.host = host
        self.port = int(self._socket.getsockname()[1])
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._run, name=part, daemon=True)

    def start(self) -> None:
        """Begins to answer, and returns once it does."""
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._thread.join(0.01)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        if self._server.config.is_ssl:
            # A connection counts from its handshake's end on; the library would wait a minute for that.
            loop = asyncio.get_running_loop()
            patient = partial(loop.create_server, ssl_handshake_timeout=limits.HEAD_SECONDS)
            setattr(loop, "create_server", patient)  # noqa: B010 - the server has no setting for it
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Answers what is under way, then ends."""
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


def _bound(host: str, port: int, part: str) -> socket.socket:
    """A listening socket."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"{part}: cannot listen at {host}:{port} ({error.strerror or error}); choose another {part}.port"
        ) from None


def _must_fit(tls: Tls, part: str) -> None:
    """Certificate and key can be read, and belong together: told at the start, not at the first call."""
    for name, path in (("certificate", tls.certificate), ("key", tls.key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{part}.tls.{name}: {path} cannot be read ({error.strerror})") from None
    try:
        # An empty password: else OpenSSL would ask for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key, password="")
    except ssl.SSLError as error:
        why = error.reason or "not in PEM form, or the key has a password"
        raise ConfigError(
            f"{part}.tls: certificate {tls.certificate} and key {tls.key} do not go together ({why}); both are PEM "
            "files, the key without a password"
        ) from None
