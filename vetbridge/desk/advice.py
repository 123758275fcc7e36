"""What a person should do about a code: the advice of its error, or this desk's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from vetbridge.core import errors
from vetbridge.desk.language import phrase

_OWN: Mapping[str, str] = MappingProxyType(
    {
        "forgotten-client": "The owner was forgotten and has booked again. Enter the visit by hand, or let the owner "
        "in again (`vetbridge privacy readmit OWNER`) and replay it.",
        "expired": "The visit began before it could be written. Tell the front desk, and enter it by hand.",
        "bug": "VetBridge itself failed. Send the change's number to support; nothing was lost.",
        "ledger-key": "Put back the ledger key that this ledger was made with; without it the ledger stays closed.",
        "certificate-untrusted": "Run `vetbridge doctor`. The certificate has ended, or is of an authority of your "
        "own that belongs into network.ca; else somebody listens in: do not go on.",
        "licence-expired": "Renew the licence at the vendor, then run `vetbridge resume ACCOUNT`.",
        "no-rights": "Give VetBridge's user the right that is named, then run `vetbridge resume ACCOUNT`.",
        "right-missing": "Ask the vendor to grant the scope that is named, then run `vetbridge resume ACCOUNT`.",
        "filter-ignored": "The vendor ignored a filter. VetBridge took nothing from the answer; tell support.",
        "one-side-only": "What is to be done is at the side that was to be left alone. Replay it for both sides.",
        "gone": "The record is gone at the side that should take the write. Look there, and enter it by hand.",
        "not-supported": "This side cannot do that by itself. Do it by hand there.",
        "no-room": "The text is longer than the field there takes. Shorten it, or enter it by hand.",
        "field-not-kept": "The side took the write and dropped a field. Look at VetBridge's rights and fields there.",
        "file-owner-unsure": "VetBridge never guesses whose a file is. Attach it by hand at the other side, where it "
        "belongs to somebody there.",
        **dict.fromkeys(
            ("file-not-fetched", "file-not-taken"),
            "VetBridge has tried for a day. Attach the file by hand, or replay the change once the side is in order.",
        ),
        **dict.fromkeys(
            (
                "file-empty",
                "file-too-large",
                "file-type",
                "file-encrypted",
                "file-broken",
                "file-polyglot",
                "file-bomb",
                "file-infected",
                "file-not-scanned",
            ),
            errors.FileRefused.advice(),
        ),
    }
)
"""Codes that no error class bears by itself, and that ask for something else than their class does."""


def _classes(base: type[errors.VetBridgeError]) -> Iterator[type[errors.VetBridgeError]]:
    yield base
    for derived in base.__subclasses__():
        yield from _classes(derived)


def error_classes() -> dict[str, type[errors.VetBridgeError]]:
    """Every error of ``vetbridge.core.errors`` by its code; classes derived elsewhere share their base's code."""
    return {found.code: found for found in _classes(errors.VetBridgeError) if found.__module__ == errors.__name__}


def next_step(code: str) -> str:
    """What to do about a failure; for a vendor's finer code the advice of a refusal, which is what it then is."""
    if code in _OWN:
        return phrase(_OWN[code])
    return phrase(error_classes().get(code, errors.Refused).advice())
