"""The demo's own plain HTTP, as a person at the platform or a monitor beside the daemon would use it."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from vetbridge.demo.failure import DemoFailed

TIMEOUT = 10.0
"""Seconds for one request to this machine."""
_IN_TROUBLE = 500
"""From this status on an answer says nothing about what was done."""

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Never through a proxy: everything that is asked stands on this machine."""


class NoAnswer(DemoFailed):
    """Nothing came back, or only that the server is in trouble: whoever asked tries again later."""


def ask(
    method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None, patience: float = TIMEOUT
) -> Any:
    """The answer's JSON, None where it is empty. Raises ``DemoFailed`` for a refusal, else ``NoAnswer``.

    A ``body`` of bytes goes as it is.
    """
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - an address of this machine, made by the demo itself
        url, data=sent, method=method, headers={"Content-Type": "application/json", **(headers or {})}
    )
    try:
        with _OPENER.open(request, timeout=patience) as answer:
            content = answer.read()
        return json.loads(content) if content.strip() else None
    except urllib.error.HTTPError as error:
        failure = NoAnswer if error.code >= _IN_TROUBLE else DemoFailed
        raise failure(f"{method} {_path(url)} was answered {error.code}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoAnswer(f"{method} {_path(url)} got no answer ({type(error).__name__})") from None


def form(name: str, content: bytes, **fields: str) -> tuple[bytes, str]:
    """A form with a PDF in its part ``file``: the body, and its media type."""
    mark = hashlib.sha256(content).hexdigest()[:32]
    parts = [f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}'.encode() for key, value in fields.items()]
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: application/pdf\r\n\r\n'
    parts.append(head.encode() + content)
    body = b"".join(b"--%s\r\n%s\r\n" % (mark.encode(), part) for part in parts) + b"--%s--\r\n" % mark.encode()
    return body, f"multipart/form-data; boundary={mark}"


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[-1]
