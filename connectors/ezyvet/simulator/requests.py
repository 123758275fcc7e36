"""What a request says: its token, its pages, its body, and the vendor's complaint about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connectors.ezyvet.simulator.resources import EMPTY, FieldType
from vetbridge.testing.simkit import Refusal, Request, Row

ANY_TOKEN = "any"  # noqa: S105 - a word for routes
"""Access of a route that needs a token, of whatever scope: which one it is, the sheet does not say."""
DEFAULT_PAGE = 10
"""Rows per page where none is asked for (ezyvet.md, section 4); with v4 the number is not known."""
MERGE_PATCH = "application/merge-patch+json"
"""Content type of a change to an appointment (ezyvet.md, section 7)."""


def complaint(text: str, fields: Iterable[str] = ()) -> dict[str, Any]:
    """The vendor's error envelope (ezyvet.md, section 9)."""
    message = {"level": "error", "type": "InvalidRequestException", "text": text, "fields": list(fields)}
    return {"messages": [message]}


def invalid(fields: list[str], text: str) -> Refusal:
    """422 for fields of a body."""
    return Refusal(422, body=complaint(f"{', '.join(fields)}: {text}.", fields))


def bearer(request: Request) -> str:
    """The access token that a request shows; empty where it shows none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def media_type(request: Request) -> str:
    """The content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def json_body(request: Request) -> dict[str, Any]:
    """The body of a write. Raises ``Refusal`` 415 for another content type, 400 for what is no JSON object."""
    if media_type(request) not in {"application/json", MERGE_PATCH}:
        raise Refusal(415, "Unsupported format: send application/json.")
    return request.document()


def form_body(request: Request) -> dict[str, Any]:
    """The fields of a form; of a repeated one the last. Raises ``Refusal`` 400 for far too many."""
    try:
        fields = parse_qs(request.body.decode("utf-8", errors="replace"), max_num_fields=100)
    except ValueError:
        raise Refusal(400, "The form cannot be read.") from None
    return {name: values[-1] for name, values in fields.items()}


def page_number(request: Request, name: str, default: int) -> int:
    """The last value counts: one known client sends ``page`` again and again (ezyvet.md, section 10)."""
    text = (request.query.get(name) or [str(default)])[-1]
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise Refusal(400, body=complaint(f"{name} must be a whole number from 1 on.", [name]))
    return int(text)


def is_url(url: Any) -> bool:
    """Whether a webhook can be sent there."""
    if not isinstance(url, str) or len(url) > 2000:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def typed(kind: FieldType, value: Any) -> Any:
    """A value of a body in the store's type; null and empty text are no value. Raises ``ValueError``."""
    if kind is FieldType.LIST:
        if not isinstance(value, list):
            raise ValueError("this is not a list")
        return value
    if value is None or value == "":
        return EMPTY[kind]
    if kind is FieldType.FLAG:
        return flag(value)
    if kind is FieldType.TEXT:
        if not isinstance(value, str):
            raise ValueError("this is not text")
        return value
    return whole(value)


def flag(value: Any) -> bool:
    """1, 0, true, false, as a number, a word or a boolean. Raises ``ValueError``."""
    word = str(value).lower() if isinstance(value, str | bool | int) else ""
    if word not in {"1", "0", "true", "false"}:
        raise ValueError("this is neither true nor false")
    return word in {"1", "true"}


def preferred(detail: Row) -> bool:
    """Whether a contact detail of a body is the preferred one. Raises ``Refusal`` 422."""
    try:
        return flag(detail.get("preferred", False))
    except ValueError:
        raise invalid(["contact_detail_list"], "preferred is neither true nor false") from None


def whole(value: Any) -> int:
    """A whole number, however it is written. Raises ``ValueError``."""
    number = number_of(value)
    if number != int(number):
        raise ValueError("this is not a whole number")
    return int(number)


def number_of(value: Any) -> float:
    """A number or a quoted one, small enough to be an epoch or an id."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("this is not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("this is not a number") from None
    if not abs(number) < 2**53:
        raise ValueError("this number is too large")
    return number
