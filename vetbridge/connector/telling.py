"""Signed calls to webhooks, by the Standard Webhooks specification 1.0.0 (standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

from vetbridge.connector.http import Caller
from vetbridge.core.errors import ConfigError, VetBridgeError

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret in the specification's own form begins with


class NotTaken(VetBridgeError):
    """Whoever is to be told did not take it. VetBridge tries again; `vetbridge alerts test` does so now."""

    code = "not-taken"


def signing_key(secret: str) -> bytes:
    """The bytes that sign: base64 after ``whsec_`` (section "Signature scheme"), else the text itself in UTF-8.

    Raises ``ConfigError`` where what follows ``whsec_`` is no base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigError(f"the secret begins with {SECRET_PREFIX} and goes on with what is no base64; copy it again")
    return key


def signed(key: bytes, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of one call. ``at`` is the moment of this try: whoever takes it refuses what is too old."""
    stamp = str(int(at.timestamp()))
    signature = hmac.new(key, b".".join((message_id.encode(), stamp.encode(), body)), hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def tell(caller: Caller, url: str, secret: str, *, message_id: str, at: datetime, body: bytes) -> int:
    """Makes one signed call; returns the status that was answered.

    Raises ``ConfigError`` where the secret cannot sign, ``Unavailable`` where nobody answered. Neither names the
    address or the secret.
    """
    return caller.post(url, body, signed(signing_key(secret), message_id, at, body))
