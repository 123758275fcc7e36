"""What the API says where something cannot be: RFC 9457, ``application/problem+json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from vetbridge.core.errors import LedgerError, VetBridgeError
from vetbridge.core.normalise import shown
from vetbridge.desk.answering import CannotAnswer
from vetbridge.desk.changes import UnknownGroup
from vetbridge.desk.worklist import NoSuchLine
from vetbridge.ledger.database import LEDGER_BUSY
from vetbridge.web import shield
from vetbridge.web.api.shapes import Data, Refused, Shown
from vetbridge.web.frame import Refusal

log = structlog.get_logger("vetbridge.web")

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 20
"""Faults of one request that are told."""

_TITLES: Mapping[int, str] = {
    400: "This cannot be read",
    401: "No token, or one that nobody has",
    403: "This takes another role",
    404: "There is no such thing",
    405: "This cannot be done here",
    409: "It is not as you think any more",
    413: "This is too much",
    415: "This is no JSON",
    422: "This is not what is asked for",
    429: "Too many wrong tokens",
    500: "Something went wrong",
    503: "VetBridge is busy",
}
_UNKNOWN = frozenset({"unknown-item", "unknown-line"})
_MISTAKES = frozenset({"note-empty", "note-too-long"})
"""Codes of what was wrong from the beginning; all else is against it as things stand now."""

_HINTS: Mapping[str, str] = {
    "unknown-item": "GET /review shows the open ones.",
    "unknown-line": "GET /worklist shows the lines that stand.",
    "unknown-group": "GET /changes?state=failed shows the groups.",
    "changed-meanwhile": "GET it once more, show it to whoever answers, and send its new `seen`.",
    "choice-not-offered": "`choices` of the item says what it offers.",
    "unknown-candidate": "GET /clients?q= finds clients; give one as `client_id`.",
    "unknown-client": "GET /clients?q= finds clients; give one as `client_id`.",
    "pet-not-asked": "Leave `pet_id` out.",
    "fields-not-named": '`fields` of the item says which: {"start": "booking", ...}.',
}
"""What to do next, where the desk's own advice speaks of commands."""


class Fault(Shown):
    """One thing that is wrong with a request."""

    where: str
    """Such as ``body.choice``."""
    words: str


class Problem(Shown):
    """Why something cannot be. `code` is stable, `detail` and `advice` are for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    advice: str
    faults: list[Fault]


def problem(
    status: int,
    code: str,
    detail: str,
    advice: str = "",
    *,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Data:
    """The answer that says what is wrong."""
    said = _said(status, code, detail, advice, faults)
    return Data(said.model_dump(), status, headers, media_type=MEDIA_TYPE)


def of_answer(refusal: CannotAnswer) -> Problem:
    """Why an answer is not taken: who has the question, or answered it, or what it does not offer."""
    return _said(_status(refusal.code), refusal.code, refusal.message, _HINTS.get(refusal.code, refusal.advice), ())


def told(request: Request, error: Exception) -> Data:
    """The answer for whatever an endpoint has raised."""
    match error:
        case Refused():
            return problem(error.status, error.code, error.words, error.advice)
        case CannotAnswer():
            said = of_answer(error)
            return Data(said.model_dump(), said.status, media_type=MEDIA_TYPE)
        case NoSuchLine():
            return problem(_status(error.code), error.code, error.message, _HINTS.get(error.code, ""))
        case Refusal():
            return problem(error.status, "refused", f"{error.heading}. {error.words}")
        case UnknownGroup():
            return problem(404, "unknown-group", "no group of failures is called so now", _HINTS["unknown-group"])
        case RequestValidationError():
            return problem(422, "not-understood", "the request is not as described", faults=_faults(error))
        case HTTPException():
            return problem(error.status_code, *_of_http(error.status_code), headers=error.headers)
        case LedgerError() if error.code == LEDGER_BUSY:
            return problem(503, error.code, "the ledger is busy: nothing was done", "Wait a moment, and try again.")
    reference = shield.reference(request.scope)
    if isinstance(error, VetBridgeError):
        log.error("page.failed", code=error.code, reference=reference)
    return problem(
        500,
        "broken",
        f"tell support this number: {reference}",
        "It is not certain whether it was carried out: look before you try again.",
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an operation may answer instead, for its description."""
    about = {"$ref": "#/components/schemas/Problem"}
    found: dict[int | str, dict[str, Any]] = {
        status: {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": about}}}
        for status in sorted({*statuses, 400, 401, 403, 422, 429, 500, 503})
    }
    found[401]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    found[429]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
    # What stands before the API answers so, as for the pages.
    for status in (400, 403):
        found[status]["content"]["text/plain"] = {"schema": {"type": "string"}}
    return found


def _said(status: int, code: str, detail: str, advice: str, faults: Sequence[Fault]) -> Problem:
    return Problem(
        type=f"urn:vetbridge:problem:{code}",
        title=_TITLES.get(status, _TITLES[500]),
        status=status,
        code=code,
        detail=detail,
        advice=advice,
        faults=list(faults),
    )


def _status(code: str) -> int:
    return 404 if code in _UNKNOWN else 422 if code in _MISTAKES else 409


def _of_http(status: int) -> tuple[str, str]:
    match status:
        case 400:
            return "unreadable", "the body cannot be read as JSON"
        case 404:
            return "unknown-address", "there is nothing at this address"
        case 405:
            return "method", "this address does not take that method"
        case 413:
            return "too-large", f"a body has at most {shield.LARGEST} bytes"
    return "refused", "this is not taken"


def _faults(error: RequestValidationError) -> list[Fault]:
    """What is wrong, without the values: they may be somebody's name."""
    return [
        Fault(where=shown(".".join(str(part) for part in each["loc"]), 100), words=shown(each["msg"], 300))
        for each in error.errors()[:MOST_FAULTS]
    ]
