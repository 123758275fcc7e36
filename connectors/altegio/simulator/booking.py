"""The widget and the calendar of the Altegio simulator: what is free, and what a person books, moves and cancels
(altegio.md, sections 3.11 and 3.12)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from connectors.altegio.simulator.base import (
    SMS_CODE,
    booking_refusal,
    day_of,
    days_between,
    flag,
    ids_of,
    invalid,
    new_card,
    phone_fits,
    phone_of,
    success,
    text,
    whole,
)
from connectors.altegio.simulator.records import FIRST_VISIT, SimulatedRecords
from vetbridge.testing.simkit import Effect, Refusal, Request, Response, Row

_STEP = 15 * 60
"""Seconds between two times that are offered (section 3.11, seances)."""
_DAYS_OFFERED = 30
_TIME = "%H:%M"


class SimulatedBooking(SimulatedRecords):
    """What needs no user token, and the schedule that it rests on."""

    def _booking_routes(self) -> None:
        write = Effect.WRITE
        self.route("GET", "/book_services/{location}", self._offered_services, access="P")
        self.route("GET", "/book_staff/{location}", self._offered_staff, access="P")
        self.route("GET", "/book_dates/{location}", self._offered_dates, access="P")
        self.route("GET", "/book_times/{location}/{staff}/{date}", self._offered_times, access="P")
        self.route("GET", "/book_staff_seances/{location}/{staff}", self._next_seances, access="P")
        self.route("POST", "/book_code/{location}", self._book_code, access="P")
        self.route("POST", "/book_check/{location}", self._book_check, access="P")
        self.route("POST", "/book_record/{location}", self._book, effect=write, access="P")
        self.route("PUT", "/book_record/{location}/{record}", self._rebook, effect=write, access="PU")
        self.route("GET", "/user/records/{record}/{hash}", self._own_record, access="P")
        self.route("DELETE", "/user/records/{record}/{hash}", self._own_cancel, effect=write, access="P")

        edit = "PU schedule_edit_access"
        one = "/schedule/{location}/{staff}/{start}/{end}"
        self.route("GET", one, self._schedule_get, access="PU")
        self.route("PUT", one, self._schedule_put, effect=write, access=edit)
        self.route("GET", "/company/{location}/staff/schedule", self._schedules_get, access="PU")
        self.route("PUT", "/company/{location}/staff/schedule", self._schedules_put, effect=write, access=edit)
        self.route("GET", "/timetable/dates/{location}/{date}", self._timetable_dates, access="PU")
        self.route("GET", "/timetable/seances/{location}/{staff}/{date}", self._timetable_seances, access="PU")

    # -- what is offered

    def _bookable(self, staff_id: int = 0) -> list[Row]:
        """The team that the widget shows: one of it, or for 0 all."""
        rows = [
            row
            for row in self.store.all("staff")
            if not (row.get("hidden") or row.get("fired") or row.get("status")) and staff_id in (0, row["id"])
        ]
        if staff_id and not rows:
            raise Refusal(404, "Not found")
        return rows

    def _services_offered(self) -> list[Row]:
        return [row for row in self.store.all("service") if row.get("active", 1) and not row.get("deleted")]

    def _wanted_length(self, request: Request) -> int:
        """Seconds of the asked services; of the shortest one where none is asked."""
        rows = self._services_offered()
        asked = ids_of(request, "service_ids")
        lengths = [row["seconds"] for row in rows if not asked or str(row["id"]) in asked]
        return (sum(lengths) if asked else min(lengths, default=0)) or _STEP

    def _openings(self, staff_id: int, day: date, length: int) -> list[int]:
        """The free times of a day, as seconds since 1970; none that has begun."""
        shifts, now = self._shifts(staff_id, day), self._second()
        if not shifts or shifts[-1][1] <= now:
            return []
        taken = self._taken(staff_id, shifts)
        return [
            start
            for begin, end in shifts
            for start in range(begin, end - length + 1, _STEP)
            if start >= now and not any(first < start + length and start < last for first, last in taken)
        ]

    def _taken(self, staff_id: int, shifts: list[tuple[int, int]]) -> list[tuple[int, int]]:
        spans = (
            (row["_start"], row["_start"] + row["seance_length"])
            for row in self.store.find("record", staff_id=staff_id, deleted=False)
        )
        return [span for span in spans if span[0] < shifts[-1][1] and shifts[0][0] < span[1]]

    def _open_times(self, staff: Iterable[Row], day: date, length: int) -> list[int]:
        return sorted({start for row in staff for start in self._openings(row["id"], day, length)})

    def _seance(self, start: int, length: int) -> dict[str, Any]:
        time = self._local(start).strftime(_TIME).removeprefix("0")
        return {"time": time, "seance_length": length, "datetime": self._iso(start)}

    def _offered_services(self, request: Request) -> Response:
        services = [
            {
                "id": row["id"],
                "title": row["title"],
                "category_id": row.get("category_id", 1 + self.apart),
                "price_min": row.get("price_min", 0),
                "price_max": row.get("price_max", 0),
                "discount": 0,
                "comment": "",
                "weight": 0,
                "active": 1,
                "sex": 0,
                "image": "",
                "prepaid": "forbidden",
                "seance_length": row["seconds"],
            }
            for row in self._services_offered()
        ]
        categories = [
            {"id": row["id"], "title": row["title"], "weight": 0, "api_id": ""} for row in self.store.all("category")
        ]
        return success({"events": [], "services": services, "category": categories, "categories": categories})

    def _offered_staff(self, request: Request) -> Response:
        length, shown = self._wanted_length(request), []
        for row in self._bookable():
            day, times = self._next_openings([row], length)
            shown.append(
                {
                    **self._staff_view(row),
                    "bookable": bool(times),
                    "seance_date": day.isoformat() if times else None,
                    "seances": [self._seance(start, length) for start in times],
                }
            )
        return success(shown)

    def _next_openings(self, staff: list[Row], length: int) -> tuple[date, list[int]]:
        today = self._local(self._second()).date()
        for day in days_between(today, today + timedelta(days=_DAYS_OFFERED)):
            times = self._open_times(staff, day, length)
            if times:
                return day, times
        return today, []

    def _offered_dates(self, request: Request) -> Response:
        """The next days, or from ``date_from`` to ``date_to``; or the one month of ``date``."""
        staff = self._bookable(whole(request.first("staff_id", "0") or 0, "staff_id"))
        today = self._local(self._second()).date()
        first, last = day_of(request.first("date_from")) or today, day_of(request.first("date_to"))
        month = day_of(request.first("date"))
        if month is not None:
            first, last = month.replace(day=1), (month.replace(day=28) + timedelta(days=4)).replace(day=1)
            last -= timedelta(days=1)
        length = self._wanted_length(request)
        days = days_between(first, last or first + timedelta(days=_DAYS_OFFERED), 62)
        working = [day for day in days if any(self._slots(row["id"], day) for row in staff)]
        free = [day for day in working if any(self._openings(row["id"], day, length) for row in staff)]
        return success(
            {
                "booking_days": _by_month(free),
                "working_days": _by_month(working),
                "booking_dates": [day.isoformat() for day in free],
                "working_dates": [day.isoformat() for day in working],
            }
        )

    def _offered_times(self, request: Request) -> Response:
        staff = self._bookable(request.number("staff"))
        length = self._wanted_length(request)
        times = self._open_times(staff, _path_day(request, "date"), length)
        return success([self._seance(start, length) for start in times])

    def _next_seances(self, request: Request) -> Response:
        staff = self._bookable(request.number("staff"))
        length, day = self._wanted_length(request), day_of(request.first("date"))
        times = self._open_times(staff, day, length) if day else []
        if not day:
            day, times = self._next_openings(staff, length)
        return success({"seance_date": day.isoformat(), "seances": [self._seance(start, length) for start in times]})

    # -- what is booked

    def _book_code(self, request: Request) -> Response:
        """Sends the code that ``book_record`` wants where the location confirms phones."""
        if not phone_fits(phone_of(request.document().get("phone"))):
            raise booking_refusal(431)
        self.notice("own", message="code")
        return success(None, status=201)

    def _book_check(self, request: Request) -> Response:
        """201 and an empty body when the appointments are possible."""
        self._appointments(request.document())
        return Response(201)

    def _book(self, request: Request) -> Response:
        """Section 3.12. Several appointments of one request are one visit."""
        given = request.document()
        phone = phone_of(given.get("phone"))
        if not phone_fits(phone):
            raise booking_refusal(431)
        if phone in {phone_of(each) for each in self.blocked_phones}:
            raise booking_refusal(434)
        if self.phone_confirmation and str(given.get("code")) != SMS_CODE:
            raise booking_refusal(432)
        fullname = text(given.get("fullname"), "fullname").strip()
        if not fullname:
            raise booking_refusal(435)
        email, comment, api_id = (text(given.get(name), name) for name in ("email", "comment", "api_id"))
        reminders = {
            "sms_remain_hours": whole(given.get("notify_by_sms") or 0, "notify_by_sms"),
            "email_remain_hours": whole(given.get("notify_by_email") or 0, "notify_by_email"),
        }
        wanted = self._appointments(given)
        known = self.store.find("client", phone=phone)
        client_id = known[0]["id"] if known else self._add_card(self._typed_card(fullname, phone, email), own=False)
        made: list[dict[str, Any]] = []
        for echo, visit in wanted:
            row = {**self._new_record(online=True), **reminders, **visit}
            row.update(client_id=client_id, comment=self.kept(comment), api_id=self._kept_api_id(api_id))
            if made:
                row["visit_id"] = FIRST_VISIT + made[0]["record_id"]
            record = self.store.insert("record", row)
            self._announce_change("record", "create", self._hook_record(self._row("record", record)), None, own=False)
            self.notice("own", message="booked", record_id=record)
            made.append({"id": echo, "record_id": record, "record_hash": self._hash(record)})
        return success(made, status=201)

    def _typed_card(self, fullname: str, phone: str, email: str) -> dict[str, Any]:
        if self.fullname == "split" and " " in fullname:
            given, _, family = fullname.rpartition(" ")
            return new_card(given, family, phone, email, 0)
        return new_card(fullname, "", phone, email, 0)

    def _appointments(self, given: Mapping[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
        """The wanted visits as (echoed id, fields of the record), checked against the diary and each other."""
        entries = given.get("appointments")
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            raise invalid(appointments="At least one appointment is needed")
        wanted: list[tuple[Any, dict[str, Any]]] = []
        for entry in entries:
            echo = entry.get("id", 0)
            if not isinstance(echo, str):
                echo = whole(echo, "appointments")
            visit = self._appointment(entry, echo)
            end = visit["_start"] + visit["seance_length"]
            for _, other in wanted:
                if other["_start"] < end and visit["_start"] < other["_start"] + other["seance_length"]:
                    raise booking_refusal(437, echo)
            wanted.append((echo, visit))
        return wanted

    def _appointment(self, entry: Mapping[str, Any], echo: int | str) -> dict[str, Any]:
        services = entry.get("services")
        if not isinstance(services, list) or not services:
            raise invalid(appointments="At least one service is needed")
        service_ids = [whole(number, "services") for number in services]
        offered = {row["id"]: row["seconds"] for row in self._services_offered()}
        length = sum(offered.get(number, 0) for number in service_ids)
        if not length or not offered.keys() >= set(service_ids):
            raise booking_refusal(438, echo)
        start = self._moment(entry.get("datetime"))
        staff_id = whole(entry.get("staff_id") or 0, "staff_id")
        staff = self._bookable(staff_id)
        free = [row["id"] for row in staff if not self._busy(row["id"], start, length)]
        if not free:
            raise booking_refusal(433 if staff_id else 436, echo)
        return {
            "staff_id": free[0],
            "service_ids": service_ids,
            "datetime": self._iso(start),
            "seance_length": length,
            "custom_fields": self._field_values("record", entry.get("custom_fields"), {}),
            "_start": start,
        }

    def _rebook(self, request: Request) -> Response:
        """The owner moves the visit (or changes its comment)."""
        row = self._editable(request.number("record"))
        before = self._hook_record(row)
        given = request.document()
        start = self._moment(given.get("datetime"))
        if self._busy(row["staff_id"], start, row["seance_length"], besides=row["id"]):
            raise booking_refusal(433, row["id"])
        if "comment" in given:
            row["comment"] = text(given["comment"], "comment")
        row.update(datetime=self._iso(start), _start=start, _changed=self._second())
        self.store.put("record", row["id"], row)
        self._announce_change("record", "update", self._hook_record(row), before, own=False)
        self.notice("own", message="moved", record_id=row["id"])
        return success(self._own_view(row))

    def _own_record(self, request: Request) -> Response:
        """A list, though it is of one."""
        return success([self._own_view(self._by_hash(request))])

    def _own_cancel(self, request: Request) -> Response:
        row = self._by_hash(request)
        if row["deleted"]:
            raise Refusal(404, "Not found")
        self._mark_deleted(row, own=False)
        self.notice("own", message="cancelled", record_id=row["id"])
        return self._deleted()

    def _by_hash(self, request: Request) -> dict[str, Any]:
        row = self._row("record", request.number("record"))
        if request.params["hash"] != self._hash(row["id"]):
            raise Refusal(404, "Not found")
        return row

    def _own_view(self, row: Row) -> dict[str, Any]:
        names = ("id", "services", "staff", "date", "datetime", "create_date", "comment", "deleted", "length")
        record = self._record(row)
        return {"company": {"id": self.location, "title": self.title}, **{name: record[name] for name in names}}

    def _hash(self, record: int) -> str:
        return f"{(record * 2654435761 + self.store.get_meta('seed')) % 2**64:016x}"

    # -- the schedule

    def _schedule_get(self, request: Request) -> Response:
        staff_id = self._row("staff", request.number("staff"))["id"]
        first, last = _path_day(request, "start"), _path_day(request, "end")
        return success([self._scheduled(staff_id, day) for day in days_between(first, last)])

    def _scheduled(self, staff_id: int, day: date) -> dict[str, Any]:
        slots = self._slots(staff_id, day)
        return {"date": day.isoformat(), "is_working": int(bool(slots)), "slots": slots}

    def _schedule_put(self, request: Request) -> Response:
        """Takes what the GET answers; 201."""
        staff_id = self._row("staff", request.number("staff"))["id"]
        given = request.json()
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            raise invalid(schedule="The days must be a list of objects")
        for each in given:
            slots = _slots(each.get("slots")) if flag(each.get("is_working", 1)) else []
            self._set_slots(staff_id, day_of(text(each.get("date"), "date")), slots)
        self._announce("schedule", "update", staff_id, [], own=True)
        return self._created(self._schedule_get(request))

    @staticmethod
    def _created(answer: Response) -> Response:
        return Response(201, answer.body)

    def _set_slots(self, staff_id: int, day: date | None, slots: list[dict[str, str]]) -> None:
        if day is None:
            raise invalid(date="The date is missing")
        kept = self.store.find("schedule", staff_id=staff_id, date=day.isoformat())
        row = {"staff_id": staff_id, "date": day.isoformat(), "slots": slots}
        if kept:
            self.store.put("schedule", kept[0]["id"], row)
        else:
            self.store.insert("schedule", row)

    def _schedules_get(self, request: Request) -> Response:
        first, last = day_of(request.first("start_date")), day_of(request.first("end_date"))
        if first is None or last is None:
            raise invalid(start_date="Both dates are needed")
        return success(self._all_schedules(first, last, ids_of(request, "staff_ids"), ids_of(request, "include")))

    def _all_schedules(self, first: date, last: date, wanted: list[str], include: list[str]) -> list[dict[str, Any]]:
        shown = []
        for row in self.store.all("staff"):
            for day in days_between(first, last) if not wanted or str(row["id"]) in wanted else []:
                each = {"staff_id": row["id"], **self._scheduled(row["id"], day)}
                if "busy_intervals" in include:
                    each["busy_intervals"] = self._busy_intervals(row["id"], day)
                if "off_day_type" in include:
                    each["off_day_type"] = None
                shown.append(each)
        return shown

    def _busy_intervals(self, staff_id: int, day: date) -> list[dict[str, str]]:
        midnight = self._moment(f"{day} 00:00")
        return [
            {"from": self._local(first).strftime(_TIME), "to": self._local(last).strftime(_TIME)}
            for first, last in sorted(self._taken(staff_id, [(midnight, midnight + 24 * 3600)]))
        ]

    def _schedules_put(self, request: Request) -> Response:
        """The documents say ``team_member_id``, the server reads ``staff_id`` (the sheet's introduction)."""
        given, days = request.document(), []
        for name in ("schedules_to_set", "schedules_to_delete"):
            for each in given.get(name) or []:
                if not isinstance(each, dict) or not isinstance(each.get("dates"), list):
                    raise invalid(**{name: "Each entry needs staff_id and dates"})
                staff_id = self._row("staff", whole(each.get("staff_id"), "staff_id"))["id"]
                slots = _slots(each.get("slots")) if name == "schedules_to_set" else []
                for told in each["dates"]:
                    day = day_of(text(told, "dates"))
                    self._set_slots(staff_id, day, slots)
                    days.append(day)
                self._announce("schedule", "update", staff_id, [], own=True)
        changed = sorted(day for day in days if day is not None)
        return success(self._all_schedules(changed[0], changed[-1], [], []) if changed else [])

    def _timetable_dates(self, request: Request) -> Response:
        """The working days of the month that follows a date."""
        first = _path_day(request, "date")
        days = days_between(first, first + timedelta(days=_DAYS_OFFERED))
        staff = self._bookable()
        return success([day.isoformat() for day in days if any(self._slots(row["id"], day) for row in staff)])

    def _timetable_seances(self, request: Request) -> Response:
        staff_id = self._row("staff", request.number("staff"))["id"]
        shifts = self._shifts(staff_id, _path_day(request, "date"))
        taken = self._taken(staff_id, shifts) if shifts else []
        return success(
            [
                {
                    "time": self._local(start).strftime(_TIME),
                    "is_free": not any(first < start + _STEP and start < last for first, last in taken),
                }
                for begin, end in shifts
                for start in range(begin, end, _STEP)
            ]
        )


def _path_day(request: Request, name: str) -> date:
    day = day_of(request.params[name])
    if day is None:
        raise Refusal(404, "Not found")
    return day


def _by_month(days: list[date]) -> dict[str, list[str]]:
    months: dict[str, list[str]] = {}
    for day in days:
        months.setdefault(str(day.month), []).append(str(day.day))
    return months


def _slots(given: Any) -> list[dict[str, str]]:
    """Working times of a day, in order. Raises a 422."""
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise invalid(slots="The times must be a list of objects")
    slots = [{"from": _clock(one.get("from")), "to": _clock(one.get("to"))} for one in given]
    if any(one["from"] >= one["to"] for one in slots):
        raise invalid(slots="A time must begin before it ends")
    return sorted(slots, key=lambda one: one["from"])


def _clock(given: Any) -> str:
    time = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(:00)?", text(given, "slots"))
    if time is None:
        raise invalid(slots="Times are written as 10:00")
    return f"{int(time[1]):02}:{time[2]}"
