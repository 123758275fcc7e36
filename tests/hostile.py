"""A town of people and two hostile sides: what people did there is known, whatever the ledger says.

Every visit has a duration of its own, to the second. Both sides show it and nobody edits it, so a visit is known
again at either side without asking VetBridge.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from tests.rig import Killed, Rig
from tests.stepping import Stepper, Worker
from vetbridge.connector.interface import Capabilities, ExactlyOnce, Operation, Receipt, Relink, Unlinked, Write
from vetbridge.core.answers import COPIED, REUSED, TWICE, Answer, Choice, choices
from vetbridge.core.errors import AuthFailed, RateLimited, Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, fuses, reviews, worklist
from vetbridge.ledger.tables import Record, Review
from vetbridge.sync.pair import Timings
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities, redeclared

ZONE = ZoneInfo("Europe/London")
LATE = 20.0
"""Seconds that both sides declare as late landing; no write lands later, and no list lags more."""
LEASE = 120.0
PATIENCE = 400.0
"""Seconds that a calm town waits at a time: longer than two misses are apart."""
FIRST_SECONDS = 901
STATES_OF_DESK = ("confirmed", "here", "done", "missed")
BEGUN = ("here", "done", "missed")
OFF = "cancelled"
UNKNOWN_CODE = "9"
"""A code of an appointment type that no mapping knows."""
POINTS = ("read", "intended", "sent", "answered", "looked", "before-settle", "settled")
WORKERS = ("w0", "w1", "w2")


@dataclass(frozen=True)
class Person:
    """Somebody who owns a pet. ``ambiguous``: nobody can tell from a booking who it is."""

    given: str
    family: str
    phone: str
    pet: str
    known: bool = True
    ambiguous: bool = False

    @property
    def name(self) -> str:
        """As names are compared: sides may re-case them."""
        return f"{self.given} {self.family}".casefold()


PEOPLE = (
    Person("John", "Smith", "+447912000001", "Bella"),
    Person("Mary", "Jones", "+447912000005", "Tom"),
    Person("Zoe", "Newcomer", "+447912000003", "Rex", known=False),
    Person("Max", "Stranger", "+447912000004", "Luna", known=False),
    Person("Ben", "Miller", "+447912000002", "Kit", ambiguous=True),  # his wife has the same phone and pet
    Person("Eva", "Novak", "+447912000001", "Ziggy", known=False, ambiguous=True),  # John's phone
    Person("Anna", "Miller", "+447912000002", "Kit", ambiguous=True),
)
COUPLE = (
    Person("Bob", "Berg", "+447912000006", "Odin"),
    Person("Ann", "Berg", "+447912000006", "Luna"),
)
SILENT = Person("Ida", "Silent", "none", "Mimi")


@dataclass(frozen=True)
class Setting:
    """How hostile the sides of a town are."""

    season: str = "spring"
    fuse: int = 100
    notes_limit: int | None = None
    recase: bool = False
    lag: float = 0.0
    exclusive: bool = False
    silent_deletions: bool = False
    relink: Relink = Relink.YES
    unlinked: Unlinked = Unlinked.PLACEHOLDER
    page_size: int = 50
    whole_seconds: bool = False
    slow_requests: bool = False
    """A worker may stand still while its request is under way, for longer than its lease."""
    prompt: bool = False
    """Every webhook comes, and at once: no list is needed to notice what people did."""
    create: ExactlyOnce | None = None
    changed: ExactlyOnce = ExactlyOnce.LOOK


@dataclass(frozen=True)
class Entry:
    """One write that took effect."""

    at: datetime
    write: Write
    id: str
    before: dict[str, Any]
    """The record as it stood; empty for a create."""

    @property
    def seconds(self) -> int | None:
        """The visit that it is about."""
        return self.before.get("seconds") or self.write.native.get("seconds")

    @property
    def moves(self) -> bool:
        """It cancels, moves or overwrites."""
        moved = {"start", "seconds", "type", "who"} & self.write.native.keys()
        return self.write.kind is Kind.APPOINTMENT and (
            self.write.operation is Operation.CANCEL or (self.write.operation is Operation.UPDATE and bool(moved))
        )


class HostileSide(MemorySide):
    """A memory side with a journal of what took effect and when, and with what each visit's record was tagged."""

    def __init__(self, clock: FakeClock, capabilities: Capabilities, **more: Any) -> None:
        super().__init__(capabilities, clock=clock, **more)
        self._now = clock.now
        self.journal: list[Entry] = []
        self.arriving: Callable[[], None] = lambda: None
        """Called when a write arrives, before it takes effect."""
        self.tags: dict[str, int] = {}
        """Duration of each visit that ever stood here, by id."""

    def add(self, kind: Kind, native: Mapping[str, Any], *, content: bytes = b"") -> str:
        """See ``MemorySide.add``."""
        id_ = super().add(kind, native, content=content)
        if kind is Kind.APPOINTMENT:
            self.tags[id_] = native["seconds"]
        return id_

    def apply(self, write: Write) -> Receipt:
        """See ``MemorySide.apply``. A worker may stand while its request is under way."""
        self.arriving()
        return super().apply(write)

    def visits(self, seconds: int, *, standing: bool = True) -> list[dict[str, Any]]:
        """The records of one visit; ``standing``: those that are not cancelled."""
        rows = [row for row in self.rows(Kind.APPOINTMENT) if row["seconds"] == seconds]
        return [row for row in rows if not standing or row["state"] != OFF]

    def _done(self, write: Write) -> str:
        before = dict(self._rows[write.kind].get(write.id or "") or {})
        id_ = super()._done(write)
        self.journal.append(Entry(self._now(), write, id_, before))
        return id_


@dataclass
class Visit:
    """What people did about one visit."""

    seconds: int
    born: str
    """``booking`` or ``pims``."""
    person: Person | None
    claims: set[str | None]
    """Clients of the PIMS on whom somebody has said that it is, beside whom the booking itself names."""
    bookers: set[Person] = field(default_factory=set)
    starts: list[str] = field(default_factory=list)
    last: dict[str, dict[str, str]] = field(default_factory=lambda: {"booking": {}, "pims": {}})
    """The newest start and state that people gave it, by side."""
    touched: int = 0
    """How often people did something about it."""
    answers: int = 0
    kept: bool = False
    """A person said that both sides stay as they are."""
    poisoned: bool = False
    reopened: bool = False
    """People brought it back, or said that it is two: it may stand twice by their doing."""
    regiven: set[str] = field(default_factory=set)
    """Sides at which people gave it to somebody else."""
    purged: set[str] = field(default_factory=set)
    said_new: int = 0


@dataclass
class Said:
    """A person's answer, and what was known of its visit then."""

    item: int
    why: str
    choice: Choice
    record: int
    seconds: int | None
    touched: int
    merges: int
    client: str | None


class Town:
    """People, two hostile sides, and VetBridge between them. A move takes one number, which picks what it needs."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.folder = Path(tempfile.mkdtemp(prefix="town"))
        year = {"spring": datetime(2026, 3, 20, 9, tzinfo=UTC), "autumn": datetime(2026, 10, 16, 9, tzinfo=UTC)}
        self.clock = FakeClock(year[setting.season])
        # Slots go through the night in which the clocks change, and over midnight.
        self._next_slot = self.clock.now() + timedelta(days=8, hours=3, minutes=5)
        self.rig = Rig(
            self.folder,
            clock=self.clock,
            booking=self._side("booking"),
            pims=self._side("pims"),
            timings=Timings(
                absence_confirm=300.0, retry_first=5.0, retry_longest=60.0, lease=LEASE, settle=1.0, busy=20.0
            ),
            fuse=setting.fuse,
        )
        self.stepper = Stepper()
        self.visits: dict[int, Visit] = {}
        self.merged: dict[str, str] = {}
        """Clients of the PIMS that were merged away, and into whom."""
        self.said: list[Said] = []
        self.hints: list[tuple[str, Kind, str]] = []
        """What webhooks may tell: as often as they like, in any order, or never."""
        self.allowed_at: list[datetime] = []
        self.revoked = False
        self.history: list[tuple[str, int]] = []
        self.clients: dict[Person, str] = {}
        self._people()
        self._anchor()
        self._morning()
        if setting.slow_requests:
            for side in (self.booking, self.pims):
                side.arriving = lambda: self.stepper.point("arriving")
        self._restart()

    def _side(self, name: str) -> HostileSide:
        s = self.setting
        capabilities = memory_capabilities(
            name,
            unlinked=s.unlinked if name == "pims" else Unlinked.YES,
            relink=s.relink if name == "pims" else Relink.YES,
            notes_limit=s.notes_limit if name == "pims" else None,
            create=s.create,
            changed=s.changed,
            late_landing=LATE,
        )
        if s.silent_deletions and not s.prompt:
            capabilities = redeclared(capabilities, Kind.APPOINTMENT, deletions_visible=False)
        side = HostileSide(
            self.clock,
            capabilities,
            page_size=s.page_size,
            exclusive=s.exclusive,
            whole_seconds=s.whole_seconds,
        )
        side.recase = s.recase
        side.lag(s.lag)
        side.ignore_relink = s.relink is Relink.UNVERIFIED and name == "pims"
        return side

    def _people(self) -> None:
        for person in (*PEOPLE, *COUPLE, SILENT):
            if person.known:
                self.clients[person] = self.rig.owner(person.given, person.family, person.phone, person.pet)
        # Another card of John's, into which the desk may merge the one that he books by.
        self.twin = self.rig.owner("John", "Smith", "+447912000011")

    def _anchor(self) -> None:
        """A visit that nobody touches: by it a gone one is told from a blind side."""
        self.clock.advance(60)
        self._book(PEOPLE[1])
        self._quiet()

    def _morning(self) -> None:
        """What has come in since, and nobody has worked on yet."""
        for person in (PEOPLE[0], PEOPLE[2]):
            self._book(person)
        self.desk_books(0)

    def _restart(self) -> None:
        self.rig.ledger.close()
        self.rig.start(point=self.stepper.point)

    def close(self) -> None:
        """Gives back the ledger's file."""
        self.stepper.kill()
        self.rig.ledger.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- the sides

    @property
    def booking(self) -> HostileSide:
        """The booking side."""
        assert isinstance(self.rig.booking, HostileSide)
        return self.rig.booking

    @property
    def pims(self) -> HostileSide:
        """The practice's own system."""
        assert isinstance(self.rig.pims, HostileSide)
        return self.rig.pims

    def side(self, name: str) -> HostileSide:
        """One of the two."""
        return self.booking if name == "booking" else self.pims

    def stands_in(self, owner: str | None) -> bool:
        """Whether a visit on this client has no owner."""
        return self.rig.pair.stands_in(owner)

    def do(self, move: str, n: int = 0) -> None:
        """One move of this history, by name."""
        self.history.append((move, n))
        getattr(self, move)(n)

    # -- what people do --------------------------------------------------------------------------------------------

    def _slot(self) -> str:
        start = self._next_slot
        self._next_slot += timedelta(minutes=115)
        return (start if start.minute % 2 else start.astimezone(ZONE)).isoformat()

    def _book(self, person: Person, **more: Any) -> int:
        seconds = FIRST_SECONDS + len(self.visits)
        start = more.pop("start", None) or self._slot()
        id_ = self.rig.book(
            person.given, person.family, person.phone, person.pet, start=start, seconds=seconds,
            who=f"v{1 + seconds % 4}", notes=f"word {seconds}", **more,
        )  # fmt: skip
        visit = Visit(seconds, "booking", person, set(), {person}, [start])
        visit.last["booking"] = {"start": start, "state": "booked"}
        self.visits[seconds] = visit
        self._tell("booking", Kind.APPOINTMENT, id_)
        return seconds

    def _desk(self, owner: str | None, pet: str | None, person: Person | None, **more: Any) -> int:
        seconds = FIRST_SECONDS + len(self.visits)
        start = more.pop("start", None) or self._slot()
        native = {"owner": owner, "pet": pet, "start": start, "seconds": seconds, "type": "1"}
        id_ = self.pims.add(Kind.APPOINTMENT, {**native, "who": f"v{1 + seconds % 4}", **more})
        visit = Visit(seconds, "pims", person, {owner}, {person} if person else set(), [start])
        visit.last["pims"] = {"start": start, "state": "booked"}
        self.visits[seconds] = visit
        self._tell("pims", Kind.APPOINTMENT, id_)
        return seconds

    def _tell(self, account: str, kind: Kind, id_: str) -> None:
        """A webhook is sent: two of three come at once, the others late, often, or never."""
        self.hints.append((account, kind, id_))
        if self.setting.prompt or len(self.hints) % 3:
            self.rig.hint_kind(kind, id_, account)

    def _pet_of(self, client: str) -> str | None:
        pets = [row for row in self.pims.rows(Kind.PET) if row["owner"] == client]
        return pets[0]["id"] if pets else None

    def _pick(self, name: str, n: int, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """One of a side's visits that fit; never the anchor."""
        rows = [
            row for row in self.side(name).rows(Kind.APPOINTMENT) if row["seconds"] != FIRST_SECONDS and fits(row)
        ]
        return rows[n % len(rows)] if rows else None

    def _edit(self, name: str, row: dict[str, Any] | None, change: dict[str, Any]) -> Visit | None:
        if row is None:
            return None
        visit = self.visits[row["seconds"]]
        self.side(name).edit(Kind.APPOINTMENT, row["id"], change)
        visit.touched += 1
        visit.last[name].update({key: value for key, value in change.items() if key in ("start", "state")})
        if "start" in change:
            visit.starts.append(change["start"])
        self._tell(name, Kind.APPOINTMENT, row["id"])
        return visit

    def book(self, n: int) -> None:
        """Somebody books online."""
        self._book(PEOPLE[n % len(PEOPLE)])

    def book_badly(self, n: int) -> None:
        """A booking with a code that the mapping does not know."""
        self.visits[self._book(PEOPLE[n % len(PEOPLE)], type=UNKNOWN_CODE)].poisoned = True

    def book_soon(self, n: int) -> None:
        """A visit in a few minutes."""
        start = (self.clock.now() + timedelta(minutes=10 + n % 50)).isoformat()
        self._book(PEOPLE[n % len(PEOPLE)], start=start)

    def desk_books(self, n: int) -> None:
        """The desk makes a visit for an owner it knows."""
        people = [*COUPLE, SILENT, PEOPLE[0], PEOPLE[1], PEOPLE[4]]
        person = people[n % len(people)]
        client = self._alive(self.clients[person])
        self._desk(client, self._pet_of(client), person)

    def _alive(self, client: str) -> str:
        while client in self.merged:
            client = self.merged[client]
        return client

    def left_without_owner(self, n: int) -> None:
        """Another booking system leaves a visit on the placeholder, or without an owner."""
        person = PEOPLE[n % len(PEOPLE)]
        owner, pet = self.rig.pair.stand_in if self.setting.unlinked is Unlinked.PLACEHOLDER else (None, None)
        text = f"Name: {person.given} {person.family}\nPhone: {person.phone}\nPet: {person.pet} (dog)"
        visit = self.visits[self._desk(owner, pet, None, notes=text)]
        visit.bookers = {person}

    def collide(self, n: int) -> None:
        """The desk gives somebody the very time that was booked online, or the other way round."""
        name = "booking" if n % 2 else "pims"
        row = self._pick(name, n // 2, self._ahead)
        if row is None:
            return
        taken = {"start": row["start"], "type": "1"}
        if name == "booking":
            client = self.clients[COUPLE[0]]
            seconds = self._desk(client, self._pet_of(client), COUPLE[0], **taken)
        else:
            seconds = self._book(PEOPLE[n % len(PEOPLE)], **taken)
        made = self.side("pims" if name == "booking" else "booking").visits(seconds)[0]
        self.side("pims" if name == "booking" else "booking").edit(Kind.APPOINTMENT, made["id"], {"who": row["who"]})

    def _ahead(self, row: dict[str, Any]) -> bool:
        return row["state"] in ("booked", "confirmed") and moment(row["start"]) > self.clock.now()

    def move(self, n: int) -> None:
        """The owner or the desk moves a visit."""
        name = "booking" if n % 2 else "pims"
        self._edit(name, self._pick(name, n // 2, self._ahead), {"start": self._slot()})

    def move_both(self, n: int) -> None:
        """Owner and desk move the same visit at once."""
        row = self._pick("booking", n, self._ahead)
        if row is None:
            return
        there = [one for one in self.pims.visits(row["seconds"]) if self._ahead(one)]
        self._edit("booking", row, {"start": self._slot()})
        if there:
            self._edit("pims", there[0], {"start": self._slot()})

    def there_and_back(self, n: int) -> None:
        """A visit is moved and moved back within one second."""
        name = "booking" if n % 2 else "pims"
        row = self._pick(name, n // 2, self._ahead)
        if row is not None:
            self._edit(name, row, {"start": self._slot()})
            self._edit(name, row, {"start": row["start"]})

    def cancel(self, n: int) -> None:
        """The owner or the desk cancels a visit."""
        name = "booking" if n % 2 else "pims"
        self._edit(name, self._pick(name, n // 2, self._ahead), {"state": OFF})

    def ill(self, n: int) -> None:
        """A vet falls ill: all that stands at one side is cancelled, or moved."""
        name = "booking" if n % 2 else "pims"
        for row in self.side(name).rows(Kind.APPOINTMENT):
            if row["seconds"] != FIRST_SECONDS and self._ahead(row):
                self._edit(name, row, {"state": OFF} if n // 2 % 2 else {"start": self._slot()})

    def reopen(self, n: int) -> None:
        """The owner or the desk takes a cancellation back, where the visit does not stand anew already."""
        name = "booking" if n % 2 else "pims"
        side = self.side(name)
        row = self._pick(name, n // 2, lambda row: row["state"] == OFF and not side.visits(row["seconds"]))
        visit = self._edit(name, row, {"state": "booked"})
        if visit is not None:
            visit.reopened = True

    def status(self, n: int) -> None:
        """The desk says where a visit stands; the owner can confirm."""
        if n % 3:
            self._edit("pims", self._pick("pims", n // 3, self._ahead), {"state": STATES_OF_DESK[n % 4]})
        else:
            row = self._pick("booking", n // 3, lambda row: row["state"] == "booked")
            self._edit("booking", row, {"state": "confirmed"})

    def comment(self, n: int) -> None:
        """The owner writes a comment, at times an endless one; the desk writes into the notes."""
        if n % 2:
            row = self._pick("booking", n // 2, self._ahead)
            if row is not None:
                text = f"word {row['seconds']} " + "please mind the dog " * (40 if n % 5 == 0 else 1)
                self._edit("booking", row, {"notes": text + str(n)})
        else:
            row = self._pick("pims", n // 2, self._ahead)
            if row is not None:
                self._edit("pims", row, {"notes": row["notes"] + " fasted"})

    def purge(self, n: int) -> None:
        """A visit's record is deleted at one side."""
        name = "booking" if n % 2 else "pims"
        row = self._pick(name, n // 2, lambda row: True)
        if row is None:
            return
        self.side(name).remove(Kind.APPOINTMENT, row["id"])
        visit = self.visits[row["seconds"]]
        visit.purged.add(name)
        visit.touched += 1
        if self.setting.prompt or not self.setting.silent_deletions:
            self._tell(name, Kind.APPOINTMENT, row["id"])

    def merge(self, n: int) -> None:
        """The desk merges John's two cards: the one he books by goes, its pets and visits move."""
        source = self._alive(self.clients[PEOPLE[0]])
        if source == self.twin:
            return
        row = self.pims.row(Kind.CLIENT, source)
        into = self.pims.row(Kind.CLIENT, self.twin)
        assert row is not None
        assert into is not None
        self.pims.edit(Kind.CLIENT, self.twin, {"phones": [*row["phones"], *into["phones"]]})
        for visit in self.pims.rows(Kind.APPOINTMENT):
            if visit["owner"] == source:
                self.visits[visit["seconds"]].touched += 1
                self._tell("pims", Kind.APPOINTMENT, visit["id"])
        self.pims.merge(Kind.CLIENT, source, self.twin, gone=n % 4 == 0)
        self.merged[source] = self.twin
        self._tell("pims", Kind.CLIENT, source)
        self._tell("pims", Kind.CLIENT, self.twin)

    def desk_gives(self, n: int) -> None:
        """The desk gives a visit to another owner."""
        owners = [*COUPLE, PEOPLE[0], PEOPLE[1]]
        client = self._alive(self.clients[owners[n % len(owners)]])
        row = self._pick("pims", n // 4, self._ahead)
        visit = self._edit("pims", row, {"owner": client, "pet": self._pet_of(client)})
        if visit is not None:
            visit.claims.add(client)
            visit.regiven.add("pims")

    def desk_takes_off(self, n: int) -> None:
        """The desk puts a visit on the placeholder."""
        owner, pet = self.rig.pair.stand_in if self.setting.unlinked is Unlinked.PLACEHOLDER else (None, None)
        visit = self._edit("pims", self._pick("pims", n, self._ahead), {"owner": owner, "pet": pet})
        if visit is not None:
            visit.regiven.add("pims")

    def owner_gives(self, n: int) -> None:
        """At the booking side a visit is given to another client, who books in their own name."""
        people = [person for person in PEOPLE if not person.ambiguous]
        person = people[n % len(people)]
        row = self._pick("booking", n // 4, self._ahead)
        if row is None:
            return
        card = self.rig._card(person.given, person.family, person.phone)
        change = {
            "owner": card,
            "pet": None,
            "booker": {"given": person.given, "family": person.family, "phones": [person.phone]},
            "animal": {"name": person.pet, "species": "D"},
        }
        visit = self._edit("booking", row, change)
        if visit is not None:
            visit.bookers.add(person)
            visit.regiven.add("booking")

    def contact(self, n: int) -> None:
        """Somebody's e-mail address changes, at either side."""
        name = "booking" if n % 2 else "pims"
        rows = [row for row in self.side(name).rows(Kind.CLIENT) if row["id"] != self.rig.placeholder.client_id]
        if rows:
            row = rows[n // 2 % len(rows)]
            self.side(name).edit(Kind.CLIENT, row["id"], {"emails": [f"{row['id']}x{n}@example.org"]})
            self._tell(name, Kind.CLIENT, row["id"])

    # -- what reception answers ------------------------------------------------------------------------------------

    def answer(self, n: int) -> None:
        """Somebody answers an open question."""
        with self.rig.ledger.write() as tx:
            items = reviews.open_items(tx)
            if not items:
                return
            item = items[n % len(items)]
            offered = choices(item.why)
            choice = offered[n // 7 % len(offered)]
            if item.record_id is None:
                self._answer_fuse(tx, item, choice)
                return
            visit = self.visit_of(tx, item.record_id)
            if item.why == TWICE:
                self._remove_one_too_many(reviews.question(tx, item), n)
            client, pet = self._whom(visit, n) if choice is Choice.LINK else (None, None)
            reviews.answer(tx, item, Answer(choice=choice, client_id=client, pet_id=pet), "Kim")
            self._note_answer(item, choice, visit, client)

    def _remove_one_too_many(self, asked: Mapping[str, Any], n: int) -> None:
        """Staff remove what stands twice, as the question asks them to; which one of the two, they choose."""
        for side in (self.booking, self.pims):
            ids = [id_ for id_ in asked.get("ids", ()) if side.row(Kind(asked["kind"]), id_) is not None]
            if len(ids) > 1:
                side.remove(Kind(asked["kind"]), ids[n % len(ids)])

    def _answer_fuse(self, tx: Any, item: Review, choice: Choice) -> None:
        if choice is Choice.ALLOW:
            self.allowed_at.append(self.clock.now())
        else:
            for change in fuses.held(tx, item.site):
                visit = self.visit_of(tx, change.record_id)
                if visit is not None:
                    visit.kept = True
        fuses.answer(tx, item, choice, "Kim")

    def _note_answer(self, item: Review, choice: Choice, visit: Visit | None, client: str | None) -> None:
        if visit is not None:
            visit.answers += 1
            two = item.why in (REUSED, COPIED)  # a person may say so, and be wrong
            visit.kept |= choice is Choice.KEEP or two
            visit.reopened |= two
            visit.said_new += choice is Choice.NEW
            if client is not None:
                visit.claims.add(client)
        assert item.id is not None
        assert item.record_id is not None
        self.said.append(
            Said(item.id, item.why, choice, item.record_id, visit and visit.seconds, visit.touched if visit else 0,
                 len(self.merged), client)
        )  # fmt: skip

    def _whom(self, visit: Visit | None, n: int) -> tuple[str, str | None]:
        """Mostly the right one, at times another; with the pet, or without."""
        person = next(iter(sorted(visit.bookers, key=lambda one: one.name)), None) if visit else None
        client = self.clients.get(person) if person is not None and n % 3 else None
        client = self._alive(client or self.clients[(*COUPLE, PEOPLE[1])[n % 3]])
        return client, self._pet_of(client) if n % 2 else None

    def undo(self, n: int) -> None:
        """Somebody takes an answer back, as the desk offers it."""
        with self.rig.ledger.write() as tx:
            rows = tx.session.exec(
                select(Review)
                .where(Review.state == "answered", col(Review.answer).in_(["link", "new"]))
                .order_by(col(Review.id))
            ).all()
            rows = [row for row in rows if row.record_id is not None]
            if not rows:
                return
            row = rows[n % len(rows)]
            visit = self.visit_of(tx, row.record_id or 0)
            if row.applied_at is None:
                reviews.reopen(tx, row)
            elif row.visit_at is None or row.visit_at > tx.now:
                reviews.answer(tx, row, Answer(choice=Choice.UNDO), "Kim")
            else:
                return
            if visit is not None:
                visit.touched += 1
                visit.answers += 1

    def work_list(self, n: int) -> None:
        """Staff do what a line of the work list asks for, or only say so."""
        with self.rig.ledger.write() as tx:
            lines = worklist.lines(tx)
            if not lines:
                return
            line = lines[n % len(lines)]
            wanted = worklist.detail(tx, line)
            worklist.done(tx, line, "Kim")
        row = self.pims.row(Kind.APPOINTMENT, line.remote_id) if line.task == worklist.RELINK else None
        if n % 3 and row is not None:
            self._edit("pims", row, {"owner": wanted["client_id"], "pet": wanted["pet_id"]})

    def visit_of(self, tx: Any, record_id: int) -> Visit | None:
        """The visit that a record is about; None for a client or a pet."""
        record = tx.session.get_one(Record, record_id)
        seconds = self.side(record.account).tags.get(record.remote_id)
        return None if seconds is None else self.visits[seconds]

    # -- what VetBridge does, and what befalls it ------------------------------------------------------------------

    def hint(self, n: int) -> None:
        """A webhook comes: the newest, an old one, one for the second time."""
        if self.hints:
            account, kind, id_ = self.hints[-1 - n % len(self.hints)]
            self.rig.hint_kind(kind, id_, account)

    def poll(self, n: int) -> None:
        """One of the lists is read."""
        self._round((self.rig.receiver.poll, self.rig.receiver.poll_desk, self.rig.refresher.pass_)[n % 3])

    def sweep(self, _n: int) -> None:
        """Both sides are listed whole."""
        self._round(self.rig.sweeper.sweep)

    def _round(self, read: Callable[[], int]) -> None:
        try:
            read()
        except (Unavailable, RateLimited, AuthFailed) as error:
            self.rig.engine.account_failed(error)

    def work(self, _n: int) -> None:
        """All that is due is worked on, beside the workers that stand."""
        self.rig.work()

    def step(self, n: int) -> None:
        """A worker starts, or goes on to its next point, or to the one after it, ..."""
        name = WORKERS[n % len(WORKERS)]
        worker = self.stepper.workers.get(name)
        if worker is None or worker.over:
            worker = self.stepper.start(name, lambda: self.rig.engine.work(name))
        else:
            worker.go_on()
        for _ in range(n // len(WORKERS) % 4):
            worker.go_on()

    def finish(self, n: int) -> None:
        """One worker that stands goes on to its end."""
        standing = self.stepper.standing()
        if standing:
            worker = standing[n % len(standing)]
            while not worker.over:
                worker.go_on()

    def kill(self, _n: int) -> None:
        """The process is killed where its workers stand, and starts again."""

        def dead() -> contextlib.AbstractContextManager[Any]:
            raise Killed

        # What a dying worker would still write is written by nobody.
        self.rig.ledger.write = dead  # type: ignore[method-assign,assignment]
        self.stepper.kill()
        self._restart()

    def kill_at(self, n: int) -> None:
        """A worker is killed when it reaches a certain point, maybe not the first time."""
        point, times = POINTS[n % len(POINTS)], 1 + n // len(POINTS) % 3
        self.hint(n)
        worker = self._free_worker()
        while not worker.over:
            times -= worker.at == point
            if times == 0:
                break
            worker.go_on()
        self.kill(0)

    def _free_worker(self) -> Worker:
        name = next((one for one in WORKERS if one not in {each.name for each in self.stepper.standing()}), "w9")
        if name == "w9":
            self.stepper.finish()
        return self.stepper.start(name, self.rig.work)

    def lease_ends(self, n: int) -> None:
        """The leases of the workers that stand run out; others may take over, and the late ones go on."""
        self.clock.advance(LEASE + 1 + n)

    def lose(self, n: int) -> None:
        """Answers to writes are lost: done, not done, or done later."""
        side = self.side("pims" if n % 2 else "booking")
        # A list that lags shows a late write later than both sides declare: one of the two at a time.
        if n // 2 % 3 == 2 and not self.setting.lag:
            side.land_late(1 + n % (LATE - 1), times=1 + n % 2)
        else:
            side.lose_answers(done=n // 2 % 3 != 1, times=1 + n % 3)
        self.hint(n)
        self.work(n)

    def refuse(self, n: int) -> None:
        """A side does not answer, wants a pause, or refuses the credentials."""
        side = self.side("pims" if n % 2 else "booking")
        errors = (
            Unavailable("no connection"),
            RateLimited("slow down", wait=7, budget="all"),
            Unavailable("no connection"),
        )
        side.fail(errors[n % 3], times=1 + n % 4)

    def revoke(self, n: int) -> None:
        """The credentials are refused once, which blocks the account until a restart."""
        self.side("pims" if n % 2 else "booking").fail(AuthFailed("no"), times=1)
        self.hint(n)
        self.work(n)
        self.revoked = True
        if n % 4:
            self._renew()

    def _renew(self) -> None:
        """The credentials are mended, and VetBridge is started again."""
        for side in (self.booking, self.pims):
            side.mend()
        self.kill(0)
        self.revoked = False

    def wait(self, n: int) -> None:
        """Time passes: seconds, minutes, at times days."""
        days = n % 20 == 19
        self.clock.advance(2 * 86400 + n if days else 1 + n * n % 500)
        if days:
            self._expire()

    def _expire(self) -> None:
        with self.rig.ledger.write() as tx:
            changes.expire(tx)

    # -- calm ------------------------------------------------------------------------------------------------------

    def still(self) -> None:
        """Faults end, and what is known to be due is worked on; of the lists only that of the clients is read."""
        self._mend()
        for _ in range(2):
            self.rig.refresher.pass_()
            self.rig.settle(limit=PATIENCE)

    def calm(self, _n: int = 0) -> None:
        """Faults end, all hints come, polls and sweeps run, until nothing is left to be done."""
        self._mend()
        for account, kind, id_ in dict.fromkeys(self.hints):
            self.rig.hint_kind(kind, id_, account)
        self._quiet()

    def _mend(self) -> None:
        self.stepper.finish()
        for side in (self.booking, self.pims):
            side.mend()
        if self.revoked:
            self._restart()  # what blocked an account is mended, and VetBridge was started again
            self.revoked = False
        self.clock.advance(2 * LATE + 15)

    def _quiet(self, rounds: int = 8) -> None:
        """Until two rounds of polls and sweeps in a row bring no more."""
        still = 0
        for _ in range(rounds):
            before = (len(self.booking.journal), len(self.pims.journal), self._settled())
            self.rig.refresher.pass_()
            self.rig.receiver.poll_desk()
            self.rig.receiver.poll()
            self.rig.settle(limit=PATIENCE)
            self.clock.advance(self.setting.lag + 1)
            self.rig.sweeper.sweep()
            self._expire()
            self.rig.settle(limit=PATIENCE)
            still = still + 1 if before == (len(self.booking.journal), len(self.pims.journal), self._settled()) else 0
            if still:
                return

    def _settled(self) -> int:
        return sum(1 for change in self.rig.changes() if change.settled_at is not None)


def moment(text: str) -> datetime:
    """A moment to the second, whatever its offset."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
