"""Serves the door in a thread of the daemon."""

from __future__ import annotations

import socket
import threading

import uvicorn
from fastapi import FastAPI

from vetbridge.core.errors import ConfigError


class DoorServer:
    """uvicorn over one application. Its access log is off: webhook secrets stand in addresses."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._socket = _bound(host, port)
        self.host = host
        self.port = int(self._socket.getsockname()[1])
        settings = uvicorn.Config(app, access_log=False, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="door", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answers what is under way, then ends."""
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``ConfigError`` where the address cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"door: cannot listen at {host}:{port} ({error.strerror or error}); choose another door.port"
        ) from None
