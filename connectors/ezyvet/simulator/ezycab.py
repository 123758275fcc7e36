"""ezyCAB: availability, booking, and the appointments it shows (ezyvet.md, section 7).

It speaks minutes, uids and times in ISO 8601. The vendor serves it from an origin of its own, ``apiv2``; here both
are one. Availability answers under its later path ``/v4/calendar/availability`` too, and the appointments under
``/v2.1/calendar/appointments``: a client built on the vendor's reference of September 2026 asks there. The opening
hours are the simulator's own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from connectors.ezyvet.simulator.filters import bracketed
from connectors.ezyvet.simulator.json_api import Field, filtered, page_of
from connectors.ezyvet.simulator.requests import ANY_TOKEN, complaint, invalid, json_body, whole
from connectors.ezyvet.simulator.resources import APPOINTMENT, CONSULT, FieldType, uid_of
from connectors.ezyvet.simulator.seed import BLOCK_TYPE, CODE_LISTS
from vetbridge.testing.simkit import Effect, Refusal, Request, Response, Row

if TYPE_CHECKING:
    from connectors.ezyvet.simulator.server import EzyVetSimulator

OPENS, CLOSES = time(8), time(18)
"""Monday to Saturday, local time."""
GRID = timedelta(minutes=10)
"""From one slot's start to the next one's."""
MOST_DATES = 7
LONGEST = 360
"""Minutes that can be booked; durations are multiples of five (ezyvet.md, section 7)."""
STATUSES = {"unconfirmed": "booked", "confirmed": "confirmed", "cancelled": "booked"}
"""A booking's words for its status."""
NEEDED = ("startTime", "type", "durationMinutes", "animal", "contact", "provider")
OPTIONAL = ("appointmentStatus", "description", "additionalResources")


class EzyCab:
    """The ezyCAB routes of one simulator."""

    AVAILABILITY: ClassVar = ("/ezycab/availability", "/v4/calendar/availability")
    APPOINTMENTS: ClassVar = ("/ezycab/v2.1/appointments", "/v2.1/calendar/appointments")

    def __init__(self, site: EzyVetSimulator) -> None:
        self._site = site

    def routes(self) -> None:
        """Registers them."""
        for path in self.AVAILABILITY:
            self._site.route("GET", path, self._availability, access=ANY_TOKEN)
        for path in self.APPOINTMENTS:
            self._site.route("GET", path, self._appointments, access="read-appointment")
        self._site.route("POST", "/ezycab/booking", self._book, effect=Effect.WRITE, access="create-booking")

    # -- availability

    def _availability(self, request: Request) -> Response:
        resources = [self._named("resource", "resources[]", uid) for uid in _each(request, "resources[]")]
        dates = [_date(text) for text in _each(request, "dates[]")]
        if not resources or not dates or len(dates) > MOST_DATES:
            text = f"resources[] and one to {MOST_DATES} dates[] are needed."
            raise Refusal(400, body=complaint(text, ["resources[]" if not resources else "dates[]"]))
        length = timedelta(minutes=_minutes("duration", request.first("duration")))
        available, types = self._slot_filters(request)
        data = []
        for resource in resources:
            busy = self._busy(resource["id"])
            for day in dates:
                slots = self._slots(day, length, busy, types)
                data.append(self._day(resource, day, [s for s in slots if available in (None, s["available"])]))
        return Response(200, {"data": data, "meta": {"nextToken": None}})

    def _slot_filters(self, request: Request) -> tuple[bool | None, list[Row]]:
        """Whether slots shall be free, and the types they are offered for."""
        available: bool | None = None
        types = [row for row in self._site.store.all("appointmenttype") if row["active"] and row["id"] != BLOCK_TYPE]
        for name, operator_name, operand in bracketed(request.query):
            if (name, operator_name) == ("slots.available", "eq") and operand in {"true", "false", "1", "0"}:
                available = operand in {"true", "1"}
            elif name == "slots.appointmentType.id" and operator_name in {"eq", "in"}:
                types = [row for row in types if row["uid"] in (operand if operator_name == "in" else [operand])]
            elif self._site.switches.unknown_filter == "error":
                raise Refusal(400, body=complaint("A filter cannot be used.", [name]))
        return available, types

    def _slots(
        self, day: date, length: timedelta, busy: list[tuple[int, int]], types: list[Row]
    ) -> list[dict[str, Any]]:
        if day.isoweekday() == 7:
            return []
        zone = ZoneInfo(self._site.zone)
        # In UTC, where a step is as long as it says on the days when the clocks change.
        start, end = (datetime.combine(day, edge, zone).astimezone(UTC) for edge in (OPENS, CLOSES))
        now = self._site.clock.now()
        slots = []
        while start + length <= end:
            begins, ends = int(start.timestamp()), int((start + length).timestamp())
            free = start > now and not any(begins < other_end and other < ends for other, other_end in busy)
            slots.append(
                {
                    "start": start.astimezone(zone).isoformat(timespec="milliseconds"),
                    "duration": int(length.total_seconds()) // 60,
                    "available": free,
                    "relationships": {
                        "appointmentType": {"data": [{"id": row["uid"], "type": "appointmentType"} for row in types]}
                    },
                }
            )
            start += GRID
        return slots

    def _day(self, resource: Row, day: date, slots: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "type": "availability",
            "id": f"{resource['uid']}_{day}",
            "attributes": {"date": day.isoformat(), "timezone": self._site.zone, "slots": slots},
            "relationships": {
                "site": {"id": self._site.credentials["site_uid"], "type": "site"},
                "resource": {"id": resource["uid"], "type": "resource"},
            },
        }

    def _busy(self, resource: int) -> list[tuple[int, int]]:
        """Begin and end of all that stands on a resource, blocks too, in unix seconds."""
        return [
            (row["start_at"], row["start_at"] + row["duration"])
            for row in self._site.store.all(APPOINTMENT.name)
            if row["active"] and resource in _resources(row)
        ]

    # -- booking

    def _book(self, request: Request) -> Response:
        body = json_body(request)
        unknown = sorted(set(body) - {*NEEDED, *OPTIONAL})
        if unknown and self._site.switches.unknown_field == "error":
            raise invalid([name[:80] for name in unknown[:20]], "these fields cannot be written")
        missing = [name for name in NEEDED if body.get(name) in (None, "")]
        if missing:
            raise invalid(missing, "these fields are required")
        status, description = body.get("appointmentStatus", "unconfirmed"), body.get("description", "")
        if not isinstance(status, str) or status not in STATUSES:
            raise invalid(["appointmentStatus"], f"this is none of {', '.join(STATUSES)}")
        if not isinstance(description, str):
            raise invalid(["description"], "this is not text")
        others = body.get("additionalResources", [])
        if not isinstance(others, list):
            raise invalid(["additionalResources"], "this is not a list")
        start, minutes = (
            _instant("startTime", body["startTime"]),
            _minutes("durationMinutes", body["durationMinutes"]),
        )
        provider = self._named("resource", "provider", body["provider"])["id"]
        further = [self._named("resource", "additionalResources", uid)["id"] for uid in others]
        resources = list(dict.fromkeys([provider, *further]))
        visit = {
            "start_at": start,
            "duration": minutes * 60,
            "type_id": self._named("appointmenttype", "type", body["type"])["id"],
            "status_id": CODE_LISTS["status"][STATUSES[status]],
            "description": self._site.kept(description[: self._site.switches.description_limit]),
            "animal_id": self._named("animal", "animal", body["animal"])["id"],
            "contact_id": self._named("contact", "contact", body["contact"])["id"],
            "sales_resource": provider,
            "resources": [{"id": number} for number in resources],
            "active": status != "cancelled",
        }
        if self._site.switches.double_booking == "refuse" and any(
            start < end and begin < start + minutes * 60 for number in resources for begin, end in self._busy(number)
        ):
            raise invalid(["startTime"], "this time is taken")
        # Unlike a plain appointment, a booking opens its consult.
        consult = self._site.insert(
            CONSULT, {"date": start, "animal_id": visit["animal_id"], "description": visit["description"]}
        )
        row = self._site.insert(APPOINTMENT, {**visit, "consult_id": consult["id"]})
        self._site.announce(APPOINTMENT, "created", row)
        told = {"id": uid_of("bookingRequest", row["id"]), "appointment": row["uid"]}
        return Response(self._site.switches.booking_status, told)

    def _named(self, kind: str, name: str, uid: Any) -> Row:
        """The row with this uid; ezyCAB takes no other ids. Raises ``Refusal`` 422."""
        found = self._site.store.find(kind, uid=uid) if isinstance(uid, str) else []
        if not found:
            raise invalid([name], f"there is no {kind} with this uid")
        return found[0]

    # -- appointments

    def _appointments(self, request: Request) -> Response:
        rows = filtered(
            self._site, self._site.store.all(APPOINTMENT.name), _APPOINTMENT, _in_seconds(request), plain=False
        )
        page, token = page_of(self._site, APPOINTMENT.name, rows, request)
        data = [self._site.thinned(self._appointment(row)) for row in page]
        return Response(200, {"data": data, "meta": {"nextToken": token}})

    def _appointment(self, row: Row) -> dict[str, Any]:
        resources = [self._site.store.get("resource", number) for number in _resources(row)]
        plain = {name: value(row) for name, (_, value) in _APPOINTMENT.items() if "." not in name}
        shown = [{name: each[name] for name in ("uid", "name", "type")} for each in resources if each is not None]
        return {**plain, "resources": shown}


def _uid(kind: str, number: int | None) -> str | None:
    return None if number is None else uid_of(kind, number)


_APPOINTMENT: dict[str, Field] = {
    "id": (FieldType.WHOLE, lambda row: row["id"]),
    "uid": (FieldType.TEXT, lambda row: row["uid"]),
    "active": (FieldType.FLAG, lambda row: row["active"]),
    "start_at": (FieldType.WHOLE, lambda row: row["start_at"]),
    "type_uid": (FieldType.TEXT, lambda row: _uid("appointmenttype", row["type_id"])),
    "animal_uid": (FieldType.TEXT, lambda row: _uid("animal", row["animal_id"])),
    "contact_uid": (FieldType.TEXT, lambda row: _uid("contact", row["contact_id"])),
    "resources.uid": (FieldType.TEXT, lambda row: [uid_of("resource", number) for number in _resources(row)]),
}
"""What ezyCAB shows of an appointment, and what it can be asked for."""


def _resources(row: Row) -> list[int]:
    return [element["id"] for element in row["resources"]]


def _in_seconds(request: Request) -> Request:
    """The request with the ISO times of its ranges as unix seconds."""
    query = {
        name: [str(_instant("start_at", values[-1]))] if name.startswith("filter[start_at]") else values
        for name, values in request.query.items()
    }
    return Request(
        request.method, request.path, query, request.headers, request.body, request.template, request.params
    )


def _each(request: Request, name: str) -> list[str]:
    return list(dict.fromkeys(request.query.get(name, [])))


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid(["dates[]"], "a date is written YYYY-MM-DD") from None


def _minutes(name: str, value: Any) -> int:
    try:
        minutes = whole(value)
    except ValueError as error:
        raise invalid([name], str(error)) from None
    if not 0 < minutes <= LONGEST or minutes % 5:
        raise invalid([name], f"minutes are a multiple of five, {LONGEST} at most")
    return minutes


def _instant(name: str, value: Any) -> int:
    """An ISO time with an offset, in unix seconds. Raises ``Refusal`` 422."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise invalid([name], "a time is written in ISO 8601 with an offset")
    return int(moment.timestamp())
