"""The ledger key at work: personal columns are sealed, and look-ups go through keyed hashes.

An unkeyed hash of a phone number can be reversed by trying all numbers; a keyed one cannot.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vetbridge.core.errors import LedgerError

SHORTEST_KEY = 32
"""Characters: a shorter ledger key is refused."""

_SHA256_BLOCK = 64
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def new_key() -> str:
    """A fresh ledger key, as text to be kept in a file or a secret store."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


class Sealer:
    """Seals and opens personal values with the ledger key, and makes keyed hashes for look-ups.

    The hashes' own key follows from the first ledger key and stays: a ledger that was given another key keeps it
    sealed (``hash_key``), for what was hashed cannot be hashed anew.
    """

    def __init__(self, key: str, *, hash_key: bytes | None = None) -> None:
        if len(key) < SHORTEST_KEY:
            raise LedgerError(
                f"the ledger key is shorter than {SHORTEST_KEY} characters; make one with "
                "`python -c 'import secrets; print(secrets.token_urlsafe(32))'`",
                code="ledger-key",
            )
        self._aead = AESGCM(_derive(key, b"vetbridge seal 1"))
        self._hash_key = _derive(key, b"vetbridge hash 1") if hash_key is None else hash_key
        # HMAC-SHA-256 that has taken in the key already: to copy its two halves costs half of starting anew.
        block = self._hash_key.ljust(_SHA256_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def __repr__(self) -> str:
        return "Sealer(...)"

    def seal(self, value: Any) -> bytes:
        """A JSON-like value, sealed."""
        nonce = os.urandom(12)
        plain = _JSON.encode(value).encode(errors="surrogatepass")
        return nonce + self._aead.encrypt(nonce, plain, None)

    def open(self, sealed: bytes) -> Any:
        """The value that was sealed. Raises ``LedgerError`` with another key or a damaged column."""
        try:
            return json.loads(self._aead.decrypt(sealed[:12], sealed[12:], None).decode(errors="surrogatepass"))
        except (InvalidTag, ValueError):
            raise LedgerError(
                "a sealed column does not open: the ledger key is not the one this ledger was made with",
                code="ledger-key",
            ) from None

    def heir(self, key: str) -> Sealer:
        """Seals with another ledger key, and hashes as this one does."""
        return Sealer(key, hash_key=self._hash_key)

    def sealed_hash_key(self) -> bytes:
        """The key of the hashes, sealed: for a ledger whose own key is no longer the one it follows from."""
        return self.seal(self._hash_key.hex())

    def with_hash_key(self, key: str, sealed: bytes) -> Sealer:
        """The same with the hash key that a ledger keeps. Raises ``LedgerError`` where it does not open."""
        return Sealer(key, hash_key=bytes.fromhex(self.open(sealed)))

    def hash(self, text: str) -> str:
        """A keyed hash of a look-up value, 32 hexadecimal characters."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode(errors="replace"))
        outer.update(inner.digest())
        return outer.hexdigest()[:32]


def _derive(key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(key.encode())
