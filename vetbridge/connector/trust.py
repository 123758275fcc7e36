"""Whom VetBridge believes to be who they say: the certificates that every connection outwards is checked by.

There is no way to leave the check out.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

from vetbridge.core.errors import ConfigError

UNTRUSTED = "certificate-untrusted"
"""The code of an ``Unavailable`` whose cause is the certificate."""


def why_untrusted(error: BaseException) -> str:
    """In words, why a certificate was not trusted, where that is behind an error; else "". Names no host."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return ""
    # Of another host: that is named behind the comma.
    why = cause.verify_message.partition(", ")[0]
    return f"its certificate is not trusted: {why}; one of your own authority goes into network.ca"


def context(ca: Path | None = None) -> ssl.SSLContext:
    """A context for clients: TLS 1.2 or newer, the certificate checked, and that it is the host's own.

    Trusted are the public certificates, those of the system, and those in ``ca`` (the config's ``network.ca``).
    Raises ``ConfigError`` where that file cannot be read, or holds no certificate in PEM form.
    """
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(certifi.where())
    if ca is None:
        return made
    try:
        if ca.exists() and not ca.is_file():
            # From a pipe it would be read for ever.
            raise ConfigError(f"network.ca: {ca} cannot be read (it is no file)")
        made.load_verify_locations(ca)
    except ssl.SSLError:
        raise ConfigError(f"network.ca: {ca} holds no certificate in PEM form, or one that is damaged") from None
    except OSError as error:
        raise ConfigError(f"network.ca: {ca} cannot be read ({error.strerror})") from None
    return made
