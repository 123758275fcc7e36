"""A clerk: works off VetBridge's work list in a practice, some time later, and not without typing mistakes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from vetbridge.connector.clock import Clock
from vetbridge.core.records import Kind
from vetbridge.testing.practice.practice import NoSuchRecord, Practice
from vetbridge.testing.practice.records import KeptClient, KeptPet, KeptVisit

Line = Mapping[str, Any]
"""A line as ``GET /worklist`` answers it."""

_SAME_DIGITS = 9
"""Two phones are one where so many of their last digits are."""
_SEXES: Mapping[str, str] = {"male, neutered": "male_neutered", "female, neutered": "female_neutered"}
"""The work list's words for what VetBridge calls otherwise."""

_TICKED_ALONE = frozenset({"opt_out", "opt_in"})
"""Of these a tick is all that VetBridge can know: nobody finds out who ticks one without doing it, or does not."""


class Slip(StrEnum):
    """What a clerk does wrong."""

    HOUR = "hour"
    """An hour early or late."""
    NEIGHBOUR = "neighbour"
    """In the column of the vet beside."""
    OTHER_PET = "other_pet"
    """On another pet of the same owner."""
    NAME = "name"
    """A new owner's name with two letters swapped."""
    TWICE = "twice"
    """Typed again, as nobody remembered."""
    NOT_TICKED = "not_ticked"
    """Done, and not ticked."""
    ONLY_TICKED = "only_ticked"
    """Ticked, and not done."""
    FORGOTTEN = "forgotten"
    """Passed over for a long time."""


class WorkList(Protocol):
    """VetBridge's work list as a clerk sees it."""

    def lines(self) -> Sequence[Line]:
        """All lines that stand, in plain data."""
        ...

    def tick(self, number: int) -> None:
        """Says that a line is done. One that stands no more is no error."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that a clerk did, for an audit."""

    at: datetime
    line: int
    task: str
    did: str
    """``registered``, ``booked``, ``changed``, ``cancelled`` a record; ``ticked``, ``left`` (not ticked), ``forgot``
    the line; ``missed`` the record that the line names. A line is left undone, too, that asks to cancel the last of
    two that were the same."""
    kind: Kind | None = None
    id: str = ""
    """Of the record in the practice."""
    slip: Slip | None = None
    """What went wrong with it."""


@dataclass(slots=True)
class _Seen:
    """A line as the clerk knows it."""

    says: str
    due: datetime
    visit: str = ""
    """The visit that was typed for it."""
    done: str = ""
    """What it said when it was carried out."""
    slipped: bool = False
    noticed_at: datetime | None = None
    """It was ticked without being done; somebody notices then."""


@dataclass(frozen=True, slots=True)
class _Double:
    noticed_at: datetime
    line: int
    first: str
    second: str


class Clerk:
    """Does what stands on the list, each line ``delay`` seconds after it was first seen so, half as long or longer.

    ``slips``: shares of the lines with which each goes wrong; no line twice, and a visit that was typed wrong is
    corrected well. ``notices_after``: seconds after which a forgotten line, one that was only ticked, or a visit that
    stands twice strikes somebody; None: never. ``choose``: the id of the client whom a visit is for where a line
    names several, None: nobody of them. Left alone, the one whose card has the booked phone, else the booked name.
    """

    def __init__(
        self,
        practice: Practice,
        worklist: WorkList,
        clock: Clock,
        *,
        seed: int = 1,
        delay: float = 60.0,
        slips: Mapping[Slip, float] | None = None,
        notices_after: float | None = 1800.0,
        choose: Callable[[Line], str | None] | None = None,
    ) -> None:
        self._practice = practice
        self._worklist = worklist
        self._clock = clock
        self._delay = delay
        self._slips = dict(slips or {})
        self._notices_after = notices_after
        self._choose = choose or self._alike
        self._dice = random.Random(f"{seed}:clerk")
        self._armed: list[Slip] = []
        self._seen: dict[int, _Seen] = {}
        self._registered: dict[str, str] = {}
        self._doubles: list[_Double] = []
        self._copies: dict[str, str] = {}
        """Of each visit that was typed twice, the other one."""
        self._wrong: set[str] = set()
        """Visits that were typed wrong once."""
        self.deeds: list[Deed] = []
        """All that was done, in that order."""

    def arm(self, slip: Slip) -> None:
        """Makes this go wrong with the next line with which it can."""
        self._armed.append(slip)

    def work(self) -> tuple[Deed, ...]:
        """Looks at the list once and does what is due; what was done."""
        before = len(self.deeds)
        for line in self._worklist.lines():
            seen = self._look(line)
            if seen.noticed_at is not None and seen.noticed_at <= self._clock.now():
                seen.noticed_at = None
                self._carry_out(line, seen)
            # A tick may have come when the line was about another visit already: who did that one sees it.
            elif (line["state"] == "open" or seen.done) and seen.due <= self._clock.now() and seen.done != seen.says:
                self._start(line, seen)
        self._notice_doubles()
        return tuple(self.deeds[before:])

    # -- one line

    def _look(self, line: Line) -> _Seen:
        """The line as it is known, and from now on as it is."""
        says = json.dumps([line[name] for name in ("task", "remote_id", "steps", "client", "pet")], sort_keys=True)
        seen = self._seen.get(line["id"])
        if seen is not None and seen.says == says:
            return seen
        due = self._clock.now() + timedelta(seconds=self._delay * (0.5 + self._dice.random()))
        if seen is None:
            self._seen[line["id"]] = seen = _Seen(says, due)
        else:
            seen.says, seen.due, seen.noticed_at = says, due, None
        return seen

    def _start(self, line: Line, seen: _Seen) -> None:
        if self._hits(Slip.FORGOTTEN, seen):
            seen.due = self._when_noticed()
            self._did(line, "forgot", slip=Slip.FORGOTTEN)
        elif line["task"] not in _TICKED_ALONE and self._hits(Slip.ONLY_TICKED, seen):
            seen.done, seen.noticed_at = seen.says, self._when_noticed()
            self._worklist.tick(line["id"])
            self._did(line, "ticked", slip=Slip.ONLY_TICKED)
        else:
            self._carry_out(line, seen)

    def _carry_out(self, line: Line, seen: _Seen) -> None:
        if self._is_last_of_two(line):
            seen.done = seen.says
            self._did(line, "left")
            return
        try:
            self._do(line, seen)
        except NoSuchRecord:
            seen.done = seen.says
            self._did(line, "missed")
            return
        seen.done = seen.says
        if line["task"] not in _TICKED_ALONE and self._hits(Slip.NOT_TICKED, seen):
            self._did(line, "left", slip=Slip.NOT_TICKED)
        else:
            self._worklist.tick(line["id"])
            self._did(line, "ticked")

    def _do(self, line: Line, seen: _Seen) -> None:
        match line["task"]:
            case "book":
                self._type(line, seen)
            case "cancel":
                self._cancel(line)
            case "relink" if line["pet"] and not line["pet"].get("id"):
                self._change(line, seen, line["remote_id"], {"pet_id": self._pet(line, seen).id})
            case "change" | "relink":
                self._change(line, seen, line["remote_id"], _steps(line))
            case "contact":
                client = self._practice.change_client(line["remote_id"], **_contact(_steps(line)))
                self._did(line, "changed", client)
            case "opt_out" | "opt_in" as wish:
                words = "no messages, please" if wish == "opt_out" else "messages are welcome"
                self._did(line, "changed", self._practice.change_client(line["remote_id"], comment=words))

    def _is_last_of_two(self, line: Line) -> bool:
        """Whether a line takes a visit away as one too many that stands alone by now. A line about an owner who does
        not come says why."""
        other = self._copies.get(line["remote_id"])
        is_too_many = line["task"] == "cancel" and "reason" not in _steps(line)
        return is_too_many and other is not None and not self._stands(other)

    def _stands(self, visit: str) -> bool:
        try:
            return not self._practice.visit(visit).deleted
        except NoSuchRecord:
            return False

    def _cancel(self, line: Line) -> None:
        visit = self._practice.cancel(line["remote_id"])
        # Who takes away one of two that are the same leaves the other alone.
        self._doubles = [double for double in self._doubles if visit.id not in (double.first, double.second)]
        self._did(line, "cancelled", visit)

    # -- a visit

    def _type(self, line: Line, seen: _Seen) -> None:
        """Types the visit, or puts right the one that was typed for what the line said before."""
        steps = _steps(line)
        pet = self._pet(line, seen)
        if seen.visit:
            self._change(line, seen, seen.visit, {**steps, "pet_id": pet.id, "client_id": self._client(line, seen)})
            return
        values = {**self._visit_values(steps), "pet_id": pet.id, "client_id": self._client(line, seen)}
        values, slip = self._slipped(values, seen)
        visit = self._practice.book(**values)
        seen.visit = visit.id
        if slip is not None:
            self._wrong.add(visit.id)
        self._did(line, "booked", visit, slip)
        if self._hits(Slip.TWICE, seen):
            double = self._practice.book(**values)
            self._doubles.append(_Double(self._when_noticed(), line["id"], visit.id, double.id))
            self._copies |= {visit.id: double.id, double.id: visit.id}
            self._did(line, "booked", double, Slip.TWICE)

    def _change(self, line: Line, seen: _Seen, visit: str, steps: Mapping[str, Any]) -> None:
        values = self._visit_values(steps)
        for name, kind in (("pet_id", Kind.PET), ("client_id", Kind.CLIENT)):
            if steps.get(name):
                values[name] = self._known(kind, str(steps[name]))
        slip = None
        if visit not in self._wrong:
            values, slip = self._slipped(values, seen)
        self._did(line, "changed", self._practice.change_visit(visit, **values), slip)
        if slip is not None:
            self._wrong.add(visit)

    def _known(self, kind: Kind, id_: str) -> str:
        return self._practice.pet(id_).id if kind is Kind.PET else self._practice.client(id_).id

    def _visit_values(self, steps: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if steps.get("start"):
            moment = datetime.fromisoformat(str(steps["start"])).astimezone(ZoneInfo(self._practice.zone))
            values["start"] = moment.replace(tzinfo=None)
        if steps.get("duration"):
            values["minutes"] = int(steps["duration"]) // 60
        for name in ("resource", "appointment_type", "status"):
            if steps.get(name):
                values[name] = self._practice.word(name, steps[name])
        for name in ("remark", "notes"):
            if steps.get(name):
                values["notes"] = str(steps[name])
        return values

    def _slipped(self, values: dict[str, Any], seen: _Seen) -> tuple[dict[str, Any], Slip | None]:
        """The values as they come to be typed."""
        if "start" in values and self._hits(Slip.HOUR, seen):
            hour = timedelta(hours=1 if self._dice.random() < 0.5 else -1)
            return {**values, "start": values["start"] + hour}, Slip.HOUR
        vets = list(self._practice.codes["resource"])
        if values.get("resource") in vets and len(vets) > 1 and self._hits(Slip.NEIGHBOUR, seen):
            place = vets.index(values["resource"])
            return {**values, "resource": vets[place - 1 if place else 1]}, Slip.NEIGHBOUR
        if values.get("pet_id"):
            pet = self._practice.pet(values["pet_id"])
            others = [one for one in self._practice.pets_of(pet.client_id) if one.id != pet.id and one.active]
            if others and self._hits(Slip.OTHER_PET, seen):
                return {**values, "pet_id": others[0].id}, Slip.OTHER_PET
        return values, None

    # -- whose it is

    def _client(self, line: Line, seen: _Seen) -> str:
        """The id of the owner: as the line says, chosen, found by name and phone, or registered now."""
        given = line["client"] or {}
        if given.get("id"):
            return self._practice.client(given["id"]).id
        if line["candidates"] and (chosen := self._choose(line)):
            return self._practice.client(chosen).id
        key = json.dumps([given.get("name"), given.get("phones")])
        if key not in self._registered:
            self._registered[key] = self._found(given) or self._register(line, seen, given)
        return self._registered[key]

    def _found(self, given: Mapping[str, Any]) -> str:
        """Who has the name and the phone already; empty where nobody has."""
        return next(
            (
                one.id
                for one in self._practice.clients()
                if one.active and _has_phone(one, given) and _is_called(one, given)
            ),
            "",
        )

    def _alike(self, line: Line) -> str | None:
        cards = [self._practice.client(one["id"]) for one in line["candidates"]]
        booked = line["client"] or {}
        agreeing = [card for card in cards if booked.get("phones") and _has_phone(card, booked)]
        agreeing += [card for card in cards if _is_called(card, booked)]
        return agreeing[0].id if agreeing else None

    def _register(self, line: Line, seen: _Seen, given: Mapping[str, Any]) -> str:
        first, last = _names(given)
        slip = None
        if len(last) > 2 and self._hits(Slip.NAME, seen):
            last, slip = _swapped(last), Slip.NAME
        emails = given.get("emails") or [""]
        client = self._practice.register_client(
            given_name=first, family_name=last, phones=tuple(given.get("phones") or ()), email=emails[0]
        )
        self._did(line, "registered", client, slip)
        return client.id

    def _pet(self, line: Line, seen: _Seen) -> KeptPet:
        given = line["pet"] or {}
        if given.get("id"):
            return self._practice.pet(given["id"])
        owner = self._client(line, seen)
        name = str(given.get("name") or "Unknown")
        theirs = self._practice.pets_of(owner)
        found = next((pet for pet in theirs if _folded(pet.name) == _folded(name)), None)
        if found is None:
            species = str(given.get("species") or "").lower()
            sex = str(given.get("sex") or "").lower()
            found = self._practice.register_pet(
                client_id=owner,
                name=name,
                species=species if species in self._practice.codes["species"] else "other",
                breed=str(given.get("breed") or ""),
                sex=_SEXES.get(sex, sex if sex in self._practice.codes["sex"] else "unknown"),
            )
            self._did(line, "registered", found)
        return found

    # -- mistakes

    def _hits(self, slip: Slip, seen: _Seen) -> bool:
        if slip in self._armed:
            self._armed.remove(slip)
        elif seen.slipped or self._dice.random() >= self._slips.get(slip, 0.0):
            return False
        seen.slipped = True
        return True

    def _when_noticed(self) -> datetime:
        if self._notices_after is None:
            return datetime.max.replace(tzinfo=self._clock.now().tzinfo)
        return self._clock.now() + timedelta(seconds=self._notices_after)

    def _notice_doubles(self) -> None:
        now = self._clock.now()
        due = [double for double in self._doubles if double.noticed_at <= now]
        self._doubles = [double for double in self._doubles if double.noticed_at > now]
        for double in due:
            if not (self._stands(double.first) and self._stands(double.second)):
                continue
            visit = self._practice.cancel(double.second)
            did = Deed(at=now, line=double.line, task="book", did="cancelled", **_of(visit), slip=Slip.TWICE)
            self.deeds.append(did)

    def _did(
        self,
        line: Line,
        did: str,
        record: KeptClient | KeptPet | KeptVisit | None = None,
        slip: Slip | None = None,
    ) -> None:
        self.deeds.append(
            Deed(at=self._clock.now(), line=line["id"], task=line["task"], did=did, **_of(record), slip=slip)
        )


def _steps(line: Line) -> dict[str, Any]:
    """What is to be typed into the visit, by canonical field."""
    return {step["field"]: step["value"] for step in line["steps"] if step["part"] == "visit"}


def _contact(steps: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a card that a line sets."""
    values: dict[str, Any] = {
        name: str(steps[name]) for name in ("given_name", "family_name") if steps.get(name) is not None
    }
    if steps.get("name"):
        first, _, last = str(steps["name"]).rpartition(" ")
        values |= {"given_name": first, "family_name": last}
    if steps.get("phone"):
        values["phones"] = (str(steps["phone"]),)
    if steps.get("email"):
        values["email"] = str(steps["email"])
    if steps.get("phones") is not None:
        values["phones"] = tuple(steps["phones"])
    if steps.get("emails"):
        values["email"] = steps["emails"][0]
    return values


def _of(record: KeptClient | KeptPet | KeptVisit | None) -> dict[str, Any]:
    if record is None:
        return {}
    kinds = {KeptClient: Kind.CLIENT, KeptPet: Kind.PET, KeptVisit: Kind.APPOINTMENT}
    return {"kind": kinds[type(record)], "id": record.id}


def _has_phone(client: KeptClient, booked: Mapping[str, Any]) -> bool:
    """Whether a card has one of the booked phones; without any, none can differ."""
    phones = {_tail(phone) for phone in booked.get("phones") or ()}
    return not phones or bool(phones & {_tail(phone) for phone in client.phones})


def _is_called(client: KeptClient, booked: Mapping[str, Any]) -> bool:
    return _folded(f"{client.given_name}{client.family_name}") == _folded(booked.get("name"))


def _tail(phone: str) -> str:
    return "".join(sign for sign in phone if sign.isdigit())[-_SAME_DIGITS:]


def _folded(name: object) -> str:
    return "".join(sign for sign in str(name or "").casefold() if sign.isalnum())


def _names(booked: Mapping[str, Any]) -> tuple[str, str]:
    """Given and family name as a line has them, or of the whole name."""
    if booked.get("family_name"):
        return str(booked.get("given_name") or ""), str(booked["family_name"])
    first, _, last = str(booked.get("name") or "Unknown").rpartition(" ")
    return first, last


def _swapped(name: str) -> str:
    """Two letters the other way round: the first two that differ, after the first."""
    for place in range(1, len(name) - 1):
        if name[place] != name[place + 1]:
            return f"{name[:place]}{name[place + 1]}{name[place]}{name[place + 2 :]}"
    return f"{name}{name[-1]}"
