"""Where a vendor may send VetBridge: whether an address that came in an answer is fetched, and from which machine.

A vendor's answer may name any address, also one inside the clinic, or of this machine. What is fetched is public, or
at the very place where the account's credentials go anyway.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

PORT = 443
"""The only port at which something is fetched."""
LONGEST = 8192
"""Characters of an address."""
MOST_ADDRESSES = 3
"""Machines of one host that are tried: each that does not answer takes its time."""

_PLAIN = re.compile(r"[!-\[\]-~]+")
"""What an address is made of: no space, no control character, no backslash, and a host in ASCII."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""Every IPv6 address that leads out; those that hold an IPv4 address in another form lie outside, but for two."""

Resolve = Callable[[str], Sequence[str]]
"""The IP addresses of a host. Raises ``OSError`` where it has none."""


class Unreachable(Exception):
    """An address that is not fetched; says why, and not which: it may hold a secret."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be fetched."""

    url: str
    host: str
    addresses: tuple[str, ...] = ()
    """The machines that were looked at, one of which is asked; empty: the account's own, as the config names it."""

    @property
    def own(self) -> bool:
        """It is the place where the account's credentials go anyway."""
        return not self.addresses


def target(url: str, *, own: str, hosts: Collection[str] = (), resolve: Resolve | None = None) -> Target:
    """Looks at an address that somebody else has named. Raises ``Unreachable``.

    ``own`` is the account's base address. ``hosts``, where some are named, are all others from which a connector
    takes files; ``*.example.com`` is every host below that one. Without them any public host will do.
    """
    parts = _parts(url)
    host = (parts.hostname or "").rstrip(".")
    if _origin(parts) == _origin(_parts(own)):
        return Target(url, host)
    if parts.scheme != "https":
        raise Unreachable("it does not begin with https://")
    if parts.port not in (None, PORT):
        raise Unreachable(f"it names another port than {PORT}")
    if hosts and not any(_is_one_of(host, each) for each in hosts):
        raise Unreachable("its host is none from which this vendor's files come")
    try:
        addresses = tuple((resolve or resolved)(host))
    except (OSError, UnicodeError):
        raise Unreachable("its host has no address") from None
    if not addresses or not all(map(is_public, addresses)):
        raise Unreachable("its host is not on the public Internet")
    return Target(url, host, addresses[:MOST_ADDRESSES])


def resolved(host: str) -> Sequence[str]:
    """The addresses of a host, by the system's resolver, the best first."""
    found = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet, in no disguise."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and (found not in _UNICAST or found.sixtofour or found.teredo):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


def _parts(url: str) -> SplitResult:
    if len(url) > LONGEST or not _PLAIN.fullmatch(url):
        raise Unreachable("it holds characters that no address has, or too many")
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        raise Unreachable("it cannot be read") from None
    if "@" in parts.netloc:
        raise Unreachable("it holds a name or a password")
    if not parts.hostname or "%" in parts.netloc:
        raise Unreachable("it names no host")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or usual


def _is_one_of(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
