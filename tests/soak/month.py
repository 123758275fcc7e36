"""Days and days at a clinic, on a clock that nobody has to wait for.

VetBridge's real parts run in this process: its rounds are called as the daemon's clock would call them, its door
takes webhooks, its channels tell. The two simulators are processes of their own, so that this one's memory is
VetBridge's.
"""

from __future__ import annotations

import heapq
import math
import os
import sqlite3
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from tests.crash.audit import BOOKING, PIMS, Auditor, Question
from tests.crash.journal import Journal, Subject, Whose
from tests.crash.people import People
from tests.crash.stage import free_port, until
from tests.rig import Killed
from tests.soak.alerts import CLEARED, DIGEST, RAISED, SOON, Receivers, Told, complaints, times_raised, told_by_all
from tests.soak.played_clock import PlayedClock
from tests.soak.sides import ThinSide
from tests.system.town import Town, call
from vetbridge.cli.config import load_config
from vetbridge.connector.drift import Move
from vetbridge.core.answers import FUSE, Answer, Choice
from vetbridge.core.conditions import Code
from vetbridge.core.errors import LedgerError
from vetbridge.daemon.assembly import Program, assembled
from vetbridge.daemon.service import Job, Service
from vetbridge.demo.draws import Draws
from vetbridge.desk import answering
from vetbridge.desk.review import ReviewItem, open_items
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.simkit import Simulator
from vetbridge.web.door import build
from vetbridge.web.server import DoorServer

CLIENTS = 300
START = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
"""A Monday; the zone's clocks change in the night before the 28th day."""
DAY, HOUR = 86400.0, 3600.0
DEEDS_A_DAY = 40
WORKDAY = (2.0, 15.0)
"""Hours after ``START``'s time of day between which people do something."""
EVENING = 15.5
"""Hours after it at which reception answers what is open."""
CALM_HOURS = 2.0
"""At the end, in which nothing happens any more."""
POLL = 300
LIVELY, DULL, NIGHT = 120.0, 300.0, 900.0
"""Seconds after which a round is played again that comes oftener than that: when something has begun or ended, else,
and when nobody is there. All that the daemon does in a month would take hours."""
LIVELY_FOR = 1500.0
"""Seconds after a trouble's begin, and after its end, for which it is lively."""
FUSE_LIMIT = 12
FREE = 100 * 1024**3
BUSY_MILLISECONDS = 100
"""How long the ledger's own transactions wait for somebody who holds it; in earnest it is longer, and as futile."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_DOWN: Mapping[str, float] = {"5xx_before": 1.0}
_UP: Mapping[str, float] = {"5xx_before": 0.0}


class MonthPeople(People):
    """People who live by the played clock: who makes a visit makes it for the coming days."""

    def __init__(self, town: Town, journal: Journal, draws: Draws, clock: PlayedClock) -> None:
        super().__init__(town, journal, draws)
        self._clock = clock
        self._day_draws = draws
        self._taken: Counter[tuple[int, date]] = Counter()
        self.a_phone = self._away.pop().phones[0]
        """Of an owner whom the clinic knows, and who is never seen."""
        self.wanted: datetime | None = None
        """The slot that the next visit takes."""
        self.left: Subject | None = None
        """A visit that nobody moves or cancels, and whose question reception leaves open for now."""

    def slot(self, vet: int) -> datetime:
        """An hour of one vet in the next days that nobody ever had."""
        if self.wanted is not None:
            wanted, self.wanted = self.wanted, None
            return wanted
        day = self._clock.true_now().date() + timedelta(days=1 + int(self._day_draws.between(0, 5)))
        while self._taken[vet, day] >= 9:
            day += timedelta(days=1)
        self._taken[vet, day] += 1
        return datetime(day.year, day.month, day.day, 7 + self._taken[vet, day], tzinfo=UTC)

    def _one_that_stands(self) -> Subject | None:
        found = super()._one_that_stands()
        return None if found is self.left else found

    def _seen_by_desk(self, subject: Subject) -> int:
        side = cast(ThinSide, self._town.pims)
        rows = side.thin_store.with_words("appointment", subject.reference)
        return int(rows[0]["id"]) if rows else 0

    def standing(self, *, ahead: timedelta) -> list[Subject]:
        """Visits that are still so far ahead, and that their owners can cancel."""
        soon = self._clock.true_now() + ahead
        return [one for one in self._journal.subjects if not one.cancelled and not one.desk_edits and one.slot > soon]


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that goes wrong for a while."""

    name: str
    day: float
    hour: float
    """When it begins: days and hours after the start."""
    hours: float
    starts: Callable[[], None]
    ends: Callable[[], None]
    raises: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """What is told for it, and how often it may be."""
    entails: Sequence[Code] = ()
    """What may be told besides, as it follows from it: once of each kind of records."""
    slack: float = 1.0
    """Hours after its end in which the last of that is over."""
    back: float = 0.0
    """Hours by which the clock is set back meanwhile, by which alerts are dated."""

    @property
    def begins_at(self) -> float:
        """Seconds after the start."""
        return self.day * DAY + self.hour * HOUR

    @property
    def ends_at(self) -> float:
        """The same."""
        return self.begins_at + self.hours * HOUR

    def claims(self, told: Told) -> bool:
        """Whether it explains what was told."""
        at = (told.at - START).total_seconds()
        is_of_it = told.key in self.raises or told.code in self.entails
        return is_of_it and self.begins_at - self.back * HOUR <= at <= self.ends_at + self.slack * HOUR


@dataclass
class Disk:
    """What is free on every disk."""

    free: int = FREE


class Player:
    """Calls the rounds of a service as its clock would. ``stretch``: the least seconds between two of one."""

    def __init__(self, clock: PlayedClock, program: Program, service: Service, stretch: Callable[[], float]) -> None:
        self._clock = clock
        self._program = program
        self._stretch = stretch
        self._queue = [(clock.steady() + job.begin, number, job) for number, job in enumerate(service.jobs())]
        heapq.heapify(self._queue)
        program.engine.on_clock_move = self._begin_anew

    def until(self, steady: float) -> None:
        """Plays all that is due until a moment of the steady clock."""
        self.work()
        while self._queue and self._queue[0][0] <= steady:
            at, number, job = heapq.heappop(self._queue)
            self._to(at)
            job.work()
            heapq.heappush(self._queue, (self._next(job), number, job))
            if self._queue[0][0] > self._clock.steady():  # the others of this moment come first
                self.work()
        self._to(steady)
        self.work()

    def work(self) -> None:
        """Works on all that is due, as far as the ledger takes it."""
        try:
            while self._program.engine.idle_for() <= 0 and self._program.engine.work("soak"):
                pass
        except LedgerError:
            return

    def _next(self, job: Job) -> float:
        """When a round comes next: together with others, so that time moves in few steps."""
        stretch = self._stretch()
        return math.ceil((self._clock.steady() + max(job.every, stretch)) / stretch) * stretch

    def _to(self, steady: float) -> None:
        if steady > self._clock.steady():
            self._clock.advance(steady - self._clock.steady())

    def _begin_anew(self, _move: Move) -> None:
        """As the daemon's clock does, when the machine's was set."""
        now = self._clock.steady()
        self._queue = [(min(at, now), number, job) for at, number, job in self._queue]
        heapq.heapify(self._queue)


def each(*deeds: Callable[[], None]) -> Callable[[], None]:
    """Several deeds as one."""

    def all_of_them() -> None:
        for deed in deeds:
            deed()

    return all_of_them


class Month:
    """The played days. ``hurry``: by this factor rounds are played more rarely."""

    def __init__(
        self, folder: Path, stack: ExitStack, *, seed: int, days: float, clients: int = CLIENTS, hurry: float = 1.0
    ) -> None:
        self.days = days
        self._hurry = hurry
        self.journal = Journal()
        self.sides = {
            vendor: ThinSide(vendor, folder, clients=clients, seed=seed, late_seconds=0.5)
            for vendor in (BOOKING, PIMS)
        }
        for side in self.sides.values():
            stack.callback(side.close)
            side.ready()
        self.clock = PlayedClock(START, self._tell_time)
        self._tell_time(START)
        sides = cast(Simulator, self.sides[BOOKING]), cast(Simulator, self.sides[PIMS])
        self.town = Town(folder, *sides, make_clinic(seed, clients))
        self.receivers = stack.enter_context(Receivers(folder))
        self.disk = Disk()
        self.port = free_port()
        self._draws = Draws(f"{seed}:month")
        self.people = MonthPeople(self.town, self.journal, Draws(f"{seed}:people"), self.clock)
        self.rss: list[int] = []
        self.ledger_kb: list[int] = []
        self.starts: list[float] = []
        """Seconds after the beginning."""
        self.deeds = 0
        self.answers = 0
        self._holder: sqlite3.Connection | None = None
        self._dying = False
        self._played = [one for one in self._troubles() if one.ends_at + one.slack * HOUR <= self._quiet_at]
        self._running = ExitStack()
        stack.callback(self._stop)
        self._write_config()
        self.program: Program
        self.player: Player
        self._start()
        self.town.send_webhooks_to(f"http://127.0.0.1:{self.port}")

    def _write_config(self) -> None:
        told = self.receivers.config
        poll = POLL * self._hurry
        self.town.write_config(
            door={"port": self.port},
            webhooks=told["webhooks"],
            alerts={**told["alerts"], "digest": "07:00"},
            timings={"absence_confirm": 300, "retry_first": 5, "retry_longest": 600, "pims_refresh": poll},
            accounts={"altegio": {"poll": poll}, "ezyvet": {"hook_secret": {"file": "hook.secret.secret"}}},
            sites={"town": {"fuse": FUSE_LIMIT}},
        )

    # -- VetBridge

    def _start(self) -> None:
        self.starts.append(self.clock.steady())
        loaded = load_config(self.town.config_path)
        self._running = ExitStack()
        self.program = self._running.enter_context(
            assembled(loaded, command="run", clock=self.clock, point=self._point)
        )
        self._limit_waiting(self.program)
        service = Service(self.program)
        service._machine._usage = lambda _folder: self.disk
        service._telling.begin()
        self._running.callback(service._telling.close)
        door = DoorServer(
            build(self.program, wake=lambda: None, health=service.health, look=service.look), "127.0.0.1", self.port
        )
        door.start()
        self._running.callback(door.stop)
        self.player = Player(self.clock, self.program, service, self._stretch)

    def _limit_waiting(self, program: Program) -> None:
        with program.ledger._writer.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")

    def _stop(self) -> None:
        self._running.close()

    def _restart(self) -> None:
        """It ends in good order and starts again."""
        self._stop()
        self._start()

    def _kill(self) -> None:
        """It dies in the middle of a write, and is started again."""
        self._dying = True
        try:
            while self._dying:
                self._deed()
                self.player.until(self.clock.steady() + POLL)
        except Killed:
            self._restart()

    def _point(self, name: str) -> None:
        """Where VetBridge's engine comes by."""
        if self._dying and name == "before-settle":
            self._dying = False
            raise Killed

    # -- the days

    def play(self, say: Callable[[str], None]) -> None:
        """All of them."""
        for at, name, deed in sorted(self._happenings(), key=lambda each: each[0]):
            self.player.until(at)
            if name:
                say(f"day {at / DAY:6.2f}  {name}")
            deed()
            if deed == self._measure:
                say(f"day {at / DAY:6.2f}  memory {self.rss[-1]} MB, ledger {self.ledger_kb[-1]} kB")
        self.player.until(self.days * DAY)

    @property
    def _quiet_at(self) -> float:
        return self.days * DAY - CALM_HOURS * HOUR

    def _happenings(self) -> Iterator[tuple[float, str, Callable[[], None]]]:
        for trouble in self._played:
            yield trouble.begins_at, trouble.name, trouble.starts
            yield trouble.ends_at, f"over: {trouble.name}", trouble.ends
        for day in range(math.ceil(self.days)):
            for _ in range(DEEDS_A_DAY):
                at = day * DAY + self._draws.between(*WORKDAY) * HOUR
                if at < self._quiet_at:
                    yield at, "", self._deed
            if day * DAY + EVENING * HOUR < self.days * DAY:
                yield day * DAY + EVENING * HOUR, "", self._answer
            if day + 1 <= self.days:
                yield (day + 1) * DAY - 1, "", self._measure
        for days, name, deed in self._ends_and_starts():
            if days * DAY < self._quiet_at:
                yield days * DAY, name, deed

    def _ends_and_starts(self) -> Iterator[tuple[float, str, Callable[[], None]]]:
        for days in (2.8, 10.5, 17.5, 26.99, 27.1):
            yield days, "restarted", self._restart
        for days in (3.5, 6.4, 21.3):
            yield days, "killed, started again", self._kill

    def _stretch(self) -> float:
        now = self.clock.steady()
        turns = [at for one in self._played for at in (one.begins_at, one.ends_at)]
        if any(at - DULL <= now <= at + LIVELY_FOR for at in turns):
            return LIVELY * self._hurry
        return self._hurry * (DULL if now % DAY < (WORKDAY[1] + 1) * HOUR else NIGHT)

    def _troubles(self) -> list[Trouble]:
        """What goes wrong; no two at one time, but where that is meant."""
        booking, pims = self.sides[BOOKING], self.sides[PIMS]

        def on(side: ThinSide, faults: Mapping[str, float]) -> Callable[[], None]:
            return lambda: side.faults(**faults)

        def both(faults: Mapping[str, float]) -> Callable[[], None]:
            return each(on(booking, faults), on(pims, faults))

        pims_away = {"account-unreachable:account:ezyvet:": (1,)}
        booking_away = {"account-unreachable:account:altegio:": (1,)}
        refused = {"account-blocked:account:altegio:": (1,)}
        # A ledger that cannot grow may take what fits into the pages that it has: then the disk is what is told of,
        # and what does not fit is late; else the ledger, past which no disk can be noted.
        disk = {"disk-full:vetbridge:ledger:": (0, 1), "ledger-busy:vetbridge::": (0, 1)}
        late = (Code.READ_STALE, Code.WRITE_STALE, Code.ROUNDS_STUCK)
        away = "the PIMS is down"
        return [
            Trouble(name=away, day=0, hour=3, hours=1, starts=on(pims, _DOWN), ends=on(pims, _UP), raises=pims_away),
            Trouble(
                name="the disk is full",
                day=0,
                hour=6,
                hours=1,
                starts=self._fill,
                ends=self._make_room,
                raises=disk,
                entails=late,
            ),
            Trouble(
                name="the booking side's token has ended",
                day=1,
                hour=4,
                hours=3,
                starts=self._end_token,
                ends=self._new_token,
                raises=refused,
            ),
            Trouble(
                name="the booking side is down",
                day=2,
                hour=4,
                hours=1,
                starts=on(booking, _DOWN),
                ends=on(booking, _UP),
                raises=booking_away,
            ),
            Trouble(
                name="somebody sets the clock three hours ahead",
                day=3,
                hour=5,
                hours=2,
                starts=lambda: self.clock.set_wrong(3 * HOUR),
                ends=lambda: self.clock.set_wrong(0),
                # By more than an hour: nothing is decided meanwhile, so writes wait.
                raises={"clock-moved:vetbridge::": (1, 2), "clock-wrong:vetbridge::": (1,)},
                entails=(Code.WRITE_STALE,),
                slack=5,
            ),
            Trouble(
                name="somebody holds the ledger",
                day=4,
                hour=5,
                hours=0.1,
                starts=self._hold,
                ends=self._let_go,
                raises={"ledger-busy:vetbridge::": (1,)},
            ),
            Trouble(
                name="webhooks of the booking side are silent",
                day=5,
                hour=3,
                hours=48,
                starts=on(booking, {"webhook_silence": 1.0}),
                ends=on(booking, {"webhook_silence": 0.0}),
                raises={"hook-silent:account:altegio:": (1,)},
                slack=3,
            ),
            Trouble(
                name="somebody sets the clock an hour back",
                day=8,
                hour=5,
                hours=2,
                starts=lambda: self.clock.set_wrong(-HOUR),
                ends=lambda: self.clock.set_wrong(0),
                raises={"clock-moved:vetbridge::": (1, 2), "clock-wrong:vetbridge::": (1,)},
                slack=3,
                back=1,
            ),
            Trouble(
                name="many visits are cancelled at once",
                day=9,
                hour=8,
                hours=18,
                starts=self._cancel_many,
                ends=self._allow,
                raises={"fuse-blown:site:town:": (1,)},
            ),
            Trouble(
                name="a question waits until an hour before its visit",
                day=11,
                hour=3,
                hours=30.5,
                starts=self._leave_one,
                ends=self._answer_late,
            ),
            Trouble(
                name="the PIMS is down, and the mail server, too",
                day=13,
                hour=4,
                hours=2,
                starts=each(on(pims, _DOWN), lambda: self._mail(silent=True)),
                ends=each(on(pims, _UP), lambda: self._mail(silent=False)),
                raises=pims_away | {"delivery-failed:channel:mail/soak:": (1,)},
            ),
            Trouble(
                name="the PIMS is down over night",
                day=14,
                hour=16,
                hours=6,
                starts=on(pims, _DOWN),
                ends=on(pims, _UP),
                raises=pims_away,
            ),
            Trouble(
                name="nobody is reached",
                day=16,
                hour=4,
                hours=1,
                starts=both(_DOWN),
                ends=both(_UP),
                raises=pims_away | booking_away,
            ),
            Trouble(
                name="the booking side's token has ended, and VetBridge is restarted",
                day=18,
                hour=4,
                hours=4,
                starts=each(self._end_token, self._restart),
                ends=self._new_token,
                raises=refused,
            ),
            Trouble(
                name="the PIMS is down, and VetBridge is restarted",
                day=20,
                hour=4,
                hours=2,
                starts=each(on(pims, _DOWN), lambda: self.player.until(self.clock.steady() + HOUR), self._restart),
                ends=on(pims, _UP),
                raises=pims_away,
            ),
            Trouble(
                name="the disk is full again",
                day=22,
                hour=3,
                hours=3,
                starts=self._fill,
                ends=self._make_room,
                raises=disk,
                entails=late,
            ),
            Trouble(
                name="every tenth answer of both sides is an error",
                day=25,
                hour=3,
                hours=8,
                starts=both({"5xx_before": 0.1}),
                ends=both(_UP),
            ),
            Trouble(name=away, day=28, hour=4, hours=1, starts=on(pims, _DOWN), ends=on(pims, _UP), raises=pims_away),
        ]

    def _end_token(self) -> None:
        self.sides[BOOKING].faults(token_expiry=1.0)
        self.player.until(self.clock.steady() + 2 * POLL)
        self.sides[BOOKING].faults(token_expiry=0.0)

    def _new_token(self) -> None:
        token = self.town.booking.store.get_meta("credentials")["user_token"]
        self.sides[BOOKING].credentials["user_token"] = token
        (self.town.folder / "altegio.user_token.secret").write_text(token)

    def _fill(self) -> None:
        self.disk.free = 0
        self._limit_pages(full=True)

    def _make_room(self) -> None:
        self.disk.free = FREE
        self._limit_pages(full=False)

    def _limit_pages(self, *, full: bool) -> None:
        """The file may grow no more, by SQLite's own limit; what it has room for still goes in."""
        with self.program.ledger._writer.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages if full else 1_000_000_000}")

    def _hold(self) -> None:
        self._holder = sqlite3.connect(cast(Path, self.town.ledger_place), isolation_level=None, timeout=30)
        self._holder.execute("BEGIN IMMEDIATE")

    def _let_go(self) -> None:
        assert self._holder is not None
        self._holder.execute("ROLLBACK")
        self._holder.close()

    def _mail(self, *, silent: bool) -> None:
        self.receivers.postbox.silent = silent

    def _cancel_many(self) -> None:
        for subject in self.people.standing(ahead=timedelta(hours=36))[: 2 * FUSE_LIMIT]:
            self.people.cancel(subject)
        self._wait_for_webhooks()

    def _leave_one(self) -> None:
        """A visit at half past, when no other one is."""
        tomorrow = self.clock.true_now().replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.people.wanted = tomorrow.replace(hour=15, minute=30)
        self.people.left = self.people.book(
            replace(self.people.newcomer(), whose=Whose.STRANGER, phone=self.people.a_phone)
        )
        self._wait_for_webhooks()

    # -- people

    def _deed(self) -> None:
        try:
            self.people.do_something()
        except urllib.error.URLError:
            return  # a side that is down takes no booking either
        self.deeds += 1
        self._wait_for_webhooks()

    def _wait_for_webhooks(self) -> None:
        """They take real time, in which the played clock stands."""
        until(lambda: not any(side.counts()["webhooks"]["waiting"] for side in self.sides.values()), 20)

    def _answer_late(self) -> None:
        self.people.left = None
        self._answer()

    def _answer(self) -> None:
        """Reception answers whose visits are that nobody could tell: their owners are new, or were a while ago."""
        sites = self.program.loaded.config.sites
        with self.program.ledger.read() as tx:
            items = [item for item in open_items(tx, sites) if item.asks_whose]
        for item in items:
            subject = self._subject(item)
            if subject is None or subject is self.people.left:
                continue
            contact = self._contact(subject)
            answer = Answer(choice=Choice.NEW) if contact is None else Answer(choice=Choice.LINK, client_id=contact)
            with self.program.ledger.write() as tx:
                answering.give(tx, sites, item.id, answer, by="reception")
            subject.person = replace(subject.person, whose=Whose.NEW)
            self.answers += 1

    def _subject(self, item: ReviewItem) -> Subject | None:
        """The visit that a question is about, where somebody booked it whom the clinic did not know at first."""
        return next(
            (
                one
                for one in self.journal.subjects
                if str(one.record) == item.remote_id and one.person.whose is not Whose.KNOWN
            ),
            None,
        )

    def _contact(self, subject: Subject) -> str | None:
        """The id of somebody in the PIMS who was new there since it began."""
        store = self.sides[PIMS].thin_store
        phone = subject.person.phone.lstrip("+")
        ids = {row["contact_id"] for row in store.with_words("contactdetail", phone)}
        made = [number for number in sorted(ids) if "_seed" not in (store.get("contact", number) or {"_seed": 0})]
        return str(made[0]) if made else None

    def _allow(self) -> None:
        """A person lets through what the fuse holds back."""
        sites = self.program.loaded.config.sites
        with self.program.ledger.write() as tx:
            asked = [one.id for one in open_items(tx, sites) if one.why == FUSE]
            for item in asked:
                answering.give(tx, sites, item, Answer(choice=Choice.ALLOW), by="reception")

    def _measure(self) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.rss.append(pages * _PAGE // 1024**2)
        self.ledger_kb.append(cast(Path, self.town.ledger_place).stat().st_size // 1024)

    def _tell_time(self, now: datetime) -> None:
        for side in self.sides.values():
            call("POST", f"{side.control_url}/clock", {"now": now.isoformat()})

    # -- the end

    def report(self) -> dict[str, Any]:
        """Figures, and what was wrong."""
        questions = [
            Question(*row)
            for row in self.town.ledger(
                "SELECT record.account, record.remote_id, review.why FROM review "
                "JOIN record ON record.id = review.record_id WHERE review.state = 'open'"
            )
        ]
        audit = Auditor(self.journal, self.town.booking.store, self.town.pims.store, questions).audit()
        told = self.receivers.by_webhook()
        wrong = [*self._alerts_complaints(told), *told_by_all(self.receivers), *self._memory_complaints()]
        wrong += [str(found) for found in audit.findings if not found.asked]
        if self.town.notices():
            wrong.append(f"{self.town.notices()} messages to owners")
        left = self.town.ledger(
            "SELECT state, code, count(*) FROM change "
            "WHERE settled_at IS NULL OR state = 'failed' GROUP BY state, code"
        )
        wrong += [f"{count} changes are {state} ({code})" for state, code, count in left]
        return {
            "days": self.days,
            "deeds": self.deeds,
            "answers": self.answers,
            "visits": len(self.journal.subjects),
            "changes": self._count("change"),
            "writes": self._count("action WHERE state = 'answered'"),
            "questions": len(questions),
            "lost": audit.lost,
            "duplicated": audit.duplicated,
            "troubles": len(self._played),
            "alerts": dict(times_raised(told)),
            "told": dict(Counter(one.type for one in told)),
            "mails": len(self.receivers.postbox.taken),
            "rows": {table: self._count(table) for table in ("episode", "event", "delivery")},
            "started_on_days": [round(at / DAY, 2) for at in self.starts],
            "rss_mb": self.rss,
            "ledger_kb": self.ledger_kb,
            "cpu_seconds": round(time.process_time(), 1),
            "wrong": wrong,
        }

    def _count(self, what: str) -> int:
        return int(self.town.ledger(f"SELECT count(*) FROM {what}")[0][0])  # noqa: S608 - names of its own

    def _alerts_complaints(self, told: Sequence[Told]) -> Iterator[str]:
        """Once when it begins and once when it is over, for each trouble; nothing else."""
        yield from complaints(told)
        for trouble in self._played:
            also = {one.key: (0, 1) for one in told if one.code in trouble.entails}
            for key, times in {**also, **trouble.raises}.items():
                mine = [one for one in told if one.key == key and trouble.claims(one)]
                counts = Counter(one.type for one in mine)
                if counts[RAISED] not in times or counts[CLEARED] != counts[RAISED]:
                    yield f"{trouble.name}: {key} was raised {counts[RAISED]} times, cleared {counts[CLEARED]} times"
            if trouble.raises and not any(one.type == RAISED and trouble.claims(one) for one in told):
                yield f"{trouble.name}: nobody was told"
        for one in told:
            if one.type in (RAISED, CLEARED) and not any(trouble.claims(one) for trouble in self._played):
                yield f"{one.key} was told ({one.type}) at {one.at} for no reason"
        soon = [one for one in told if one.type == SOON]
        if len(soon) != any(trouble.starts == self._leave_one for trouble in self._played):
            yield f"{len(soon)} questions were told of as soon due: {[one.name for one in soon]}"
        digests = Counter((one.at + timedelta(hours=1)).date() for one in told if one.type == DIGEST)
        yield from (f"{count} digests on {day}" for day, count in digests.items() if count > 1)
        for one in told:
            if one.type == DIGEST and not one.open:
                yield f"the digest of {one.at} tells of nothing"

    def _memory_complaints(self) -> Iterator[str]:
        """Of each run of VetBridge from its second measure on.

        What one that has ended leaves behind is not counted: in earnest its process is gone.
        """
        for begin, end in zip(self.starts, [*self.starts[1:], math.inf], strict=True):
            warm = [rss for day, rss in enumerate(self.rss, 1) if begin < day * DAY - 1 < end][1:]
            if warm and (max(warm) - warm[0] > 10 or max(warm) > 1.05 * warm[0]):
                yield f"memory has grown from {warm[0]} to {max(warm)} MB since day {begin / DAY:.1f}"
