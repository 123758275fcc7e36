"""An app on Altegio's marketplace: what browsers and Altegio bring to its door, and how it stands at locations.

Facts are from the vendor sheet ``altegio.md``, section 6; docs/connectors/altegio.md says what they leave open. What
comes to the door names locations and proves little: Altegio's signature covers who clicked, and not the locations. So
whoever listens here asks ``state`` before anything is done.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from connectors.altegio import wire
from connectors.altegio.api import MOST_PAGES, Declined, Reply, authorisation, failed, http_client, reply_of
from connectors.altegio.options import APP_BUDGETS, AltegioApp
from vetbridge.connector.http import PATIENCE, HttpRefused
from vetbridge.connector.interface import Install, InstallNews, InstallState, Native
from vetbridge.connector.plugin import Environment
from vetbridge.core.errors import BadAnswer, BadHint, Refused

STATES: Final = {
    "pending": InstallState.PENDING,
    "active": InstallState.ACTIVE,
    "freezed": InstallState.FROZEN,
    "uninstalled": InstallState.UNINSTALLED,
}
"""States as the wire spells them."""

EVENTS: Final = {"uninstall": InstallState.UNINSTALLED, "freeze": InstallState.FROZEN}
"""Life-cycle events that change a state. ``payment`` may end a freeze, and does not say so."""

MOST_LOCATIONS: Final = 200
"""Locations that one redirect may name."""

PAGE_SIZE: Final = 200
"""Rows of a page of installs: how many a page may have is not in the sheet, and no list of Altegio's takes fewer."""

LONGEST_USER_DATA: Final = 16_384
"""Characters of ``user_data``: a few fields about one person."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""A time stamp outside of these is a mistake."""

_BUDGET_NAMES: Final = tuple(budget.name for budget in APP_BUDGETS)
_SEVERAL = re.compile(r"salon_ids(\[[0-9]{0,9}\])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_HEX_DIGEST = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_EPOCH = re.compile(r"[0-9]{1,18}([.][0-9]{1,9})?", re.ASCII)


def build(options: AltegioApp, environment: Environment) -> AltegioMarketplace:
    """The marketplace of one app."""
    return AltegioMarketplace(options, environment)


class AltegioMarketplace:
    """One app. Keeps no state between calls but its connections; may be shared by threads. See ``Marketplace``."""

    def __init__(self, options: AltegioApp, environment: Environment) -> None:
        self._options = options
        self._account = environment.account
        self._application = str(int(options.application_id))
        self.activate_within = options.activate_within_hours * 3600.0
        self._http = http_client(options.marketplace_url, environment, APP_BUDGETS, self._authorise)

    def close(self) -> None:
        """Gives back connections."""
        self._http.close()

    # -- what comes to the door

    def asked(self, query: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        """The locations of a redirect: ``salon_id``, or ``salon_ids[]`` where several were chosen.

        ``user_data`` is looked at for its signature alone, and not even parsed. Raises ``BadHint``.
        """
        self._check_signature(query)
        locations: dict[str, None] = {}
        for name, value in query:
            if name != "salon_id" and not _SEVERAL.fullmatch(name):
                continue
            location = wire.as_id(value) if _NUMBER.fullmatch(value) else None
            if location is None:
                raise self._bad("the redirect names a location whose number is none")
            locations[location] = None
            if len(locations) > MOST_LOCATIONS:
                raise self._bad(f"the redirect names more than {MOST_LOCATIONS} locations")
        if not locations:
            raise self._bad("the redirect names no location")
        return tuple(locations)

    def _check_signature(self, query: Sequence[tuple[str, str]]) -> None:
        """Raises ``BadHint`` where ``user_data`` is not signed with the partner token, or is missing and demanded."""
        given = {name: [value for each, value in query if each == name] for name in ("user_data", "user_data_sign")}
        if any(len(values) > 1 for values in given.values()):
            raise self._bad("the redirect has user_data or user_data_sign more than once")
        data, sign = ("".join(values) for values in given.values())
        if not data and not sign:
            if self._options.signed == "required":
                raise self._bad(
                    "the redirect is not signed; switch on that user data are transmitted in the app's settings at "
                    "Altegio, or set the option signed to accepted"
                )
            return
        told = _decoded(data)
        if told is None or not _HEX_DIGEST.fullmatch(sign):
            raise self._bad("the redirect's user_data or its signature has a form that cannot be read")
        true = hmac.digest(self._options.partner_token.reveal().encode(), told, "sha256")
        if not hmac.compare_digest(true, bytes.fromhex(sign)):
            raise self._bad("the signature of the redirect's user_data is wrong; look at the app's partner token")

    def told(self, body: bytes) -> InstallNews:
        """What a life-cycle call says, where its ``partner_token`` is the app's. Raises ``BadHint``."""
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            raise self._bad("the life-cycle call's body is not JSON") from None
        if not isinstance(told, dict):
            raise self._bad("the life-cycle call's body is JSON, but no object")
        token = told.get("partner_token")
        given = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else b""
        if not hmac.compare_digest(given, self._options.partner_token.reveal().encode()):
            raise self._bad("the life-cycle call's partner_token is missing, or not the app's")
        if wire.as_id(told.get("application_id")) != self._application:
            raise self._bad("the life-cycle call is for another application")
        location = wire.as_id(told.get("salon_id"))
        event = told.get("event")
        if location is None or not isinstance(event, str):
            raise self._bad("the life-cycle call's salon_id or event is missing, or cannot be read")
        return InstallNews(location=location, state=EVENTS.get(event))

    def _bad(self, why: str) -> BadHint:
        return BadHint(f"{self._account}: {why}")

    # -- asking

    def state(self, location: str) -> Install | None:
        """How the app stands at a location; None where Altegio knows of no install there.

        Altegio's documents name no word for "uninstalled" in ``connection_status``: where that is empty, the newest
        line of ``logs`` tells whether it is. Raises ``BadAnswer`` for a state that nobody knows.
        """
        return self._asked_for(location)

    def _asked_for(self, location: str, *, patience: float = 0.0) -> Install | None:
        number = wire.as_id(location)
        if number is None:
            return None
        path = f"/salon/{number}/application/{self._application}"
        reply = self._read(path, patience=patience)
        if reply is None or reply.data in (None, [], {}):
            return None
        if not isinstance(reply.data, dict) or "connection_status" not in reply.data:
            raise BadAnswer(f"{self._account}: GET {path}: answered something without connection_status")
        return self._install(number, reply.data)

    def installs(self) -> Iterator[Install]:
        """Every install that Altegio lists. A row that does not say how the app stands is asked for by itself.

        Which states are listed is not documented, so what is not listed may be installed all the same: ask ``state``.
        So a row that cannot be read is left out, and keeps no other back; ``state`` says what is wrong with it.
        Raises ``BadAnswer`` where rows came of which none names a location.
        """
        path = f"/application/{self._application}/salons"
        named = nameless = 0
        for row in self._rows(path):
            number = _location_of(row)
            if number is None:
                nameless += 1
                continue
            named += 1
            known = not wire.is_empty(row.get("connection_status"))
            try:
                install = self._install(number, row) if known else self._asked_for(number, patience=PATIENCE)
            except BadAnswer:
                continue
            if install is not None:
                yield install
        if nameless and not named:
            raise BadAnswer(f"{self._account}: GET {path}: no row names a location", code="unreadable")

    def _rows(self, path: str) -> Iterator[Native]:
        """The rows of a list, each location once, until a page brings none that is new: no total is documented."""
        seen: set[str | None] = set()
        for page in range(1, MOST_PAGES + 1):
            asked = {"page": str(page), "count": str(PAGE_SIZE)}
            reply = self._read(path, asked, patience=PATIENCE)
            if reply is None or not isinstance(reply.data, list):
                raise BadAnswer(
                    f"{self._account}: GET {path}: answered something that is no list; check application_id"
                )
            new = False
            for each in reply.data:
                row = wire.as_mapping(each)
                number = _location_of(row)
                if number not in seen:
                    seen.add(number)
                    new = True
                    yield row
            if not new:
                return
        raise BadAnswer(f"{self._account}: GET {path}: the list has no end")

    def _install(self, location: str, told: Mapping[str, Any]) -> Install | None:
        """An install, from its ``connection_status`` and the ``logs`` beside it."""
        status = told["connection_status"]
        word, stamp = _newest(told.get("logs")) or ("", None)
        if wire.is_empty(status):
            if STATES.get(word) is not InstallState.UNINSTALLED:
                return None
            return Install(location=location, state=InstallState.UNINSTALLED, since=_moment(stamp))
        now = wire.as_text(wire.as_mapping(status).get("status"))
        state = STATES.get(now)
        if state is None:
            raise BadAnswer(
                f"{self._account}: location {location} has the app in a state that VetBridge does not know",
                code="unreadable",
            )
        if word != now:
            # ``created_at`` is when the link was made, by Connect: other states began later.
            created = wire.as_mapping(status).get("created_at")
            stamp = _stamp(created) if state is InstallState.PENDING else None
        return Install(location=location, state=state, since=_moment(stamp))

    # -- saying yes and no

    def activate(self, location: str, hook_url: str | None) -> None:
        """Says yes to a pending install (``POST /partner/callback``). Altegio demands it within ``activate_within``,
        and refuses a second yes. Raises ``Refused``, ``OutcomeUnknown``."""
        body: Native = {"salon_id": self._number(location), "application_id": int(self._application)}
        if hook_url is not None:
            body["webhook_urls"] = [hook_url]
        self._write("/partner/callback", body)

    def uninstall(self, location: str) -> None:
        """Takes the app away from a location. Raises ``Refused``, ``OutcomeUnknown``."""
        self._write(f"/salon/{self._number(location)}/application/{self._application}/uninstall", None)

    def _number(self, location: str) -> int:
        number = wire.as_id(location)
        if number is None:
            raise Refused(f"{self._account}: this is no number of a location; nothing was sent")
        return int(number)

    # -- calls

    def _read(self, path: str, params: Mapping[str, str] | None = None, *, patience: float = 0.0) -> Reply | None:
        """One answer; None for 404. Raises ``BadAnswer`` for any other refusal: one location's may be its own."""
        what = f"{self._account}: GET {path}"
        try:
            answer = self._http.read(path, budgets=_BUDGET_NAMES, params=params, patience=patience)
        except HttpRefused as error:
            if error.status == 404:
                return None
            if error.status == 403:
                raise BadAnswer(
                    f"{what}: answered 403, the application may not be this partner's; check application_id and "
                    "partner_token",
                    code="no-rights",
                ) from None
            raise BadAnswer(f"{what}: answered {error.status}, which is not expected here") from None
        if failed(answer.body):
            raise BadAnswer(f"{what}: answered {answer.status} with an error inside")
        return reply_of(answer)

    def _write(self, path: str, body: Native | None) -> None:
        try:
            answer = self._http.write("POST", path, budgets=_BUDGET_NAMES, body=body)
        except HttpRefused as error:
            self._refused(path, error.status, error.body)
        if failed(answer.body):
            self._refused(path, answer.status, answer.body)

    def _refused(self, path: str, status: int, body: object) -> NoReturn:
        fields = wire.refused_fields(body)
        named = f" for {', '.join(fields)}" if fields else ""
        raise Declined(
            f"{self._account}: POST {path}: answered {status}{named}; the install may stand otherwise by now, or the "
            "time for it may be over, or the application is not this partner's",
            status=status,
        ) from None

    def _authorise(self) -> Mapping[str, str]:
        return authorisation(self._account, self._options.partner_token)


def _location_of(row: Mapping[str, Any]) -> str | None:
    """The location of a listed row: an install names it, a location is it."""
    return wire.as_id(row.get("salon_id", row.get("id")))


def _decoded(text: str) -> bytes | None:
    """The bytes of a base64 text of either alphabet, with padding or without; None where it is none.

    A ``+`` that nobody escaped came through the browser as a blank.
    """
    standard = text.translate({ord("-"): "+", ord("_"): "/", ord(" "): "+"})
    if len(text) > LONGEST_USER_DATA or not _BASE64.fullmatch(standard):
        return None
    bare = standard.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4)) if len(bare) % 4 != 1 else None


def _newest(told: object) -> tuple[str, datetime] | None:
    """Where the newest line of ``logs`` leads to, and when; None where their times do not tell which that is.

    Lines of one second stand as the vendor's reference has them, the oldest first.
    """
    lines = wire.as_rows(told)
    stamps = [stamp for line in lines if (stamp := _stamp(line.get("changed_at"))) is not None]
    if not lines or len(stamps) < len(lines) or len({stamp.tzinfo is None for stamp in stamps}) > 1:
        return None
    if stamps == sorted(stamps):
        newest = -1
    elif stamps == sorted(stamps, reverse=True):
        newest = 0
    else:
        return None
    return wire.as_text(lines[newest].get("status_to")), stamps[newest]


def _stamp(value: object) -> datetime | None:
    """A time stamp: seconds since 1970, as a number or as text, or ISO 8601, with or without an offset."""
    text = wire.as_text(value).strip()
    try:
        return datetime.fromtimestamp(float(text), UTC) if _EPOCH.fullmatch(text) else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None


def _moment(stamp: datetime | None) -> datetime | None:
    """A time stamp in UTC; None for one without an offset, as nobody says whose wall time it is."""
    if stamp is None or stamp.tzinfo is None or not EARLIEST <= stamp <= LATEST:
        return None
    return stamp.astimezone(UTC)
