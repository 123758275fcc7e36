"""Addresses as they come in: hosts, and paths of our own."""

from __future__ import annotations

from urllib.parse import urlsplit


def host_of(netloc: str) -> str:
    """The host of ``HOST``, ``HOST:PORT`` or ``[HOST]:PORT``, in lower case; empty where it cannot be one."""
    text = f"[{netloc}]" if netloc.count(":") > 1 and not netloc.startswith("[") else netloc
    try:
        parts = urlsplit(f"//{text}")
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    return "" if parts.path or parts.query or "@" in text else host.removesuffix(".")


def local(path: str) -> str:
    """The path, where it is one of ours; else ``/``. A form must not send anybody to another site."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isascii() and path.isprintable()
    return path if fine and "\\" not in path else "/"
