"""What stands before every route of the page: by which name it is asked, how long a request is, strict headers.

Nothing here knows a page. It holds for the pages, the JSON API, errors and files alike.
"""

from __future__ import annotations

import ipaddress
import secrets
import traceback
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from cryptography import x509
from fastapi import HTTPException
from fastapi.responses import PlainTextResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vetbridge.config.models import LOOPBACK_NAMES, Pages
from vetbridge.core.errors import ConfigError
from vetbridge.desk.language import phrase, speaking
from vetbridge.web.address import host_of

log = structlog.get_logger("vetbridge.web")

LARGEST = 64 * 1024
"""Bytes of a request's body."""

_ALWAYS = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    # Not no-referrer: with it browsers send the origin of our own forms as null.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("cache-control", "no-store"),
)
_HSTS = ("strict-transport-security", "max-age=2592000")
"""For 30 days this host is asked by https:// alone."""


class Shield:
    """Stands around the application. Every answer gets the strict headers, also an error's."""

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app = app
        self._pages = pages
        self._hosts = hosts(pages)
        self._secure = is_secure(pages)
        self._headers = (*_ALWAYS, _HSTS) if self._secure else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        reference(scope)
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers:
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refused(scope)
        if refused is not None:
            await refused(scope, receive, sent)
            return
        try:
            await self._app(scope, _bounded(receive), sent)
        except Exception as error:
            # Its text may hold what somebody typed: where it happened is enough to find it.
            log.error("page.broken", kind=type(error).__name__, where=_where(error), reference=reference(scope))
            if not begun:
                await self._broken(scope)(scope, receive, sent)

    def _refused(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that does not come by the page's own address."""
        given = Headers(scope=scope).getlist("host")
        with speaking(self._pages.language):
            if len(given) != 1 or not self._is_ours(host_of(given[0])):
                return PlainTextResponse(phrase("VetBridge is not reached by this name."), status_code=400)
            if self._pages.proxy is not None and scope["scheme"] != "https":
                words = phrase("Open this page at {address}.", address=self._pages.proxy.address)
                return PlainTextResponse(words, status_code=403)
            query = scope["query_string"]
            if b"%00" in query or not query.isascii() or "\0" in scope["path"]:
                return PlainTextResponse(phrase("This address cannot be read."), status_code=400)
        return None

    def _broken(self, scope: Scope) -> PlainTextResponse:
        """The last word, where not even a page can be drawn."""
        with speaking(self._pages.language):
            words = phrase("Something went wrong. Tell support this number: {reference}.", reference=reference(scope))
        return PlainTextResponse(words, status_code=500)

    def _is_ours(self, host: str) -> bool:
        return host in self._hosts or f"*.{host.partition('.')[2]}" in self._hosts


def is_secure(pages: Pages) -> bool:
    """Whether browsers reach the page by https."""
    return pages.tls is not None or pages.proxy is not None


def hosts(pages: Pages) -> frozenset[str]:
    """Every name by which the page may be asked for.

    Another name means that a foreign site has been pointed at this machine, to read the page in somebody's browser.
    """
    names = {*LOOPBACK_NAMES, "127.0.0.1", "::1"}
    if not _is_unspecified(pages.host):
        names.add(host_of(pages.host))
    if pages.proxy is not None:
        names.add(urlsplit(pages.proxy.address).hostname or "")
    if pages.tls is not None:
        names |= set(_certified(pages.tls.certificate))
    return frozenset(names - {""})


def reference(scope: Scope) -> str:
    """What ties an answer to its line in the log."""
    state = scope.setdefault("state", {})
    known: str = state.setdefault("reference", secrets.token_hex(4))
    return known


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _certified(path: Path) -> Iterable[str]:
    """The names that a certificate is for."""
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    except (OSError, ValueError) as error:
        raise ConfigError(f"pages.tls.certificate: {path} cannot be read as a PEM certificate ({error})") from None
    yield from (name.lower() for name in names.get_values_for_type(x509.DNSName))
    yield from (str(address) for address in names.get_values_for_type(x509.IPAddress))


def _bounded(receive: Receive) -> Receive:
    """The same, up to ``LARGEST``."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > LARGEST:
                raise HTTPException(413)
        return message

    return bounded


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
