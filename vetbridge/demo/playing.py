"""One branch's morning while it is played: its steps, each at its time, beside its receptionist's scenes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from vetbridge.connector.clock import Clock
from vetbridge.demo.asking import NoAnswer, ask
from vetbridge.demo.bridge import Books, Bridge, waiting
from vetbridge.demo.by_hand.desk import PaperDesk, Typing
from vetbridge.demo.by_hand.records import RecordsDesk
from vetbridge.demo.by_hand.registering import Registering
from vetbridge.demo.errands import Errands, Records
from vetbridge.demo.live import Picture, View
from vetbridge.demo.platform import Platform
from vetbridge.demo.practice import NotThere, Practice
from vetbridge.demo.reception import Reception
from vetbridge.demo.scenes import Commands, Late, Scene
from vetbridge.demo.stage import Stage
from vetbridge.demo.story import Actor, Branch, Deed, Seen, Step
from vetbridge.desk.status import SiteStatus
from vetbridge.ledger.tables import ChangeState
from vetbridge.testing.practice.clerk import Slip


class Day:
    """The time of the morning, and who looks on.

    ``patience``: seconds that anything may take that has to happen, such as the PIMS taking what the desk enters.
    """

    def __init__(self, view: View, clock: Clock, seconds: float, patience: float) -> None:
        self.view = view
        self.clock = clock
        self.patience = patience
        self.seconds = seconds
        """How long the morning is played."""
        self._began = 0.0

    def begin(self) -> None:
        """It begins now."""
        self._began = self.clock.steady()

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self.clock.steady() - self._began

    @property
    def time(self) -> str:
        """The time in the played clinic."""
        return Picture(elapsed=self.elapsed, seconds=self.seconds).clock


@dataclass(frozen=True, slots=True)
class Ends:
    """Both ends of a branch: its people's hands there, and the simulated PIMS's control door."""

    platform: Platform
    practice: Practice | PaperDesk
    pims_door: str
    location: str
    """The platform's number of the branch."""
    today: date
    """Where the branch is."""
    entered: frozenset[int] = frozenset()
    """Contacts of the PIMS that the desk has entered before the morning."""
    slips: Collection[Slip] = ()
    """What the clerk does wrong once each, where people type."""


class Playing:
    """One branch's morning; the house of its receptionist."""

    def __init__(
        self, branch: Branch, ends: Ends, stage: Stage, bridge: Bridge, books: Books, day: Day, commands: Commands
    ) -> None:
        self.branch = branch
        self._morning = branch.morning
        self._platform = ends.platform
        self._practice = ends.practice
        self.ends = ends
        self._entered = ends.entered
        self._bridge = bridge
        self._books = books
        self._day = day
        self.typing: Typing | None = None
        """The clerk's work, where people type."""
        self._registering: Registering | None = None
        self._reception: Reception | None = None
        self._errands: Errands | None = None
        self._steps = list(self._morning.steps)
        self._done: set[Step] = set()
        self._scenes: list[Scene[None]] = []
        self._workers: list[Scene[None]] = []
        """What people do as long as the morning and what it leaves behind take."""
        if isinstance(ends.practice, PaperDesk):
            self.typing = Typing(
                ends.practice, self._morning, commands, self, day.clock, day.patience, slips=ends.slips
            )
            self._workers.append(self.typing.working())
            if isinstance(ends.practice, RecordsDesk):
                self._run_errands(ends.practice, commands, self.typing.is_noted)
                if ends.practice.placeholder is not None:
                    hands = (ends.practice, ends.platform)
                    self._registering = Registering(*hands, self._morning, commands, self, day.clock, day.patience)
                    self._workers.append(self._registering.working())
        else:
            self._reception = Reception(
                branch, stage, ends.platform, ends.practice, commands, self, day.clock, day.patience
            )
            self._scenes = [
                self._reception.blocking(),
                self._reception.answering(),
                self._reception.mending(),
                self._reception.recognising(),
            ]
            self._run_errands(ends.practice, commands)
        self._late: list[str] = []
        self._outage_ends: float | None = None

    def _run_errands(
        self, practice: Records, commands: Commands, is_noted: Callable[[str], bool] | None = None
    ) -> None:
        """Beside all else there are the files and the services that are due."""
        day, morning = self._day, self._morning
        self._errands = Errands(
            morning, self._platform, practice, commands, self, day.clock, day.patience, self.ends.today, is_noted
        )
        self._scenes += map(self._errands.carrying, morning.papers)
        self._scenes += map(self._errands.reminding, morning.due)

    @property
    def seen(self) -> Seen:
        """What the receptionist and the desk saw."""
        errands = self._errands
        if errands is None:
            return Seen()
        return replace(
            Seen() if self._reception is None else self._reception.seen,
            entered=self._entered,
            put=frozenset(errands.put),
            refused=frozenset(errands.refused),
            marked=frozenset(errands.marked),
            noted=frozenset(errands.noted),
        )

    @property
    def in_time(self) -> bool:
        """Whether nothing had to be given up."""
        return not self._late

    @property
    def fell_silent(self) -> bool:
        """Whether the PIMS has stopped answering, now or before."""
        return self._outage_ends is not None

    @property
    def silence(self) -> float:
        """Seconds that the PIMS will still be silent."""
        return max(0.0, (self._outage_ends or 0.0) - self._day.clock.steady())

    def goes_on(self) -> bool:
        """Plays what is due; False once all is played and the scenes are over."""
        self._begin_outage_in_time()
        self._steps = self._play_due(self._steps)
        self._scenes = [scene for scene in self._scenes if self._resumed(scene)]
        self.people_go_on()
        return bool(self._steps or self._scenes)

    def purge(self) -> None:
        """Begins the last scene, for when everything else is over."""
        if self._morning.purged and self._reception is not None:
            self._scenes = [self._reception.purging()]

    @property
    def left(self) -> int:
        """What people still have to do: lines of the work list, visits that stand twice, owners to be registered."""
        typing = 0 if self.typing is None else self.typing.standing
        return typing + (0 if self._registering is None else self._registering.waiting)

    def people_end(self) -> Scene[None]:
        """People finish what is under way, and look no more."""
        for each in (self.typing, self._registering):
            if each is not None:
                each.is_over = True
        while self._workers:
            self.people_go_on()
            yield

    def people_go_on(self) -> None:
        """Clerk and receptionist work on, where there are any."""
        self._workers = [scene for scene in self._workers if self._resumed(scene)]

    def picture(self, site: SiteStatus) -> Picture:
        """The branch at this moment."""
        through = {self._platform.booking_of(record) for record in self._books.through(self.branch)} - {None}
        made = [step for step in self._done if step.deed is Deed.BOOK]
        return Picture(
            elapsed=self._day.elapsed,
            seconds=self._day.seconds,
            made=sum(step.visit == 0 for step in made),
            total=len(self._morning.bookings),
            desk=sum(step.visit > 0 for step in made),
            in_pims=len(through),
            waiting=waiting(site),
            in_review=site.review.count,
            failed=site.changes[ChangeState.FAILED].count,
            outage=self.silence,
        )

    # -- the morning

    def _play_due(self, steps: Sequence[Step]) -> list[Step]:
        """Plays what is due; returns what is still to be played, also because the PIMS was silent."""
        left: list[Step] = []
        held: set[tuple[int, int]] = set()
        for place, step in enumerate(steps):
            if step.at > self._day.elapsed:
                return [*left, *steps[place:]]
            subject = (step.booking, step.visit)
            if subject in held or not self._played(step):
                # What comes later for the same visit waits for it.
                held.add(subject)
                left.append(step)
        return left

    def _played(self, step: Step) -> bool:
        """Plays a step; False where it has to be tried again."""
        side = self._practice if step.by is Actor.PRACTICE else self._platform
        try:
            side.play(step, self._morning)
        except (NoAnswer, NotThere) as error:
            if self._day.elapsed > self._morning.seconds + self._day.patience:
                self._give_up(str(error))
                return True
            return False
        self._done.add(step)
        self._day.view.event(self._day.time, step, self._place)
        return True

    def _resumed(self, scene: Scene[None]) -> bool:
        """Resumes a scene; False once it is over."""
        try:
            next(scene)
        except StopIteration:
            return False
        except Late as late:
            self._give_up(str(late))
            return False
        return True

    def _give_up(self, what: str) -> None:
        """Goes on without something; the audit shows what is missing for it."""
        self._day.view.say(f"This did not happen in time{self._at}: {what}.")
        self._late.append(what)

    def _begin_outage_in_time(self) -> None:
        seconds = self._morning.outage_seconds
        if seconds and not self.fell_silent and self._day.elapsed >= self._morning.outage_at:
            self.fall_silent(seconds)

    def fall_silent(self, seconds: float) -> None:
        """From now on the PIMS does not answer for so long."""
        ask("POST", f"{self.ends.pims_door}/outage", {"seconds": seconds})
        self._outage_ends = self._day.clock.steady() + seconds

    @property
    def _place(self) -> str:
        return self.branch.site if self.branch.of_chain else ""

    @property
    def _at(self) -> str:
        return f" at {self._place}" if self._place else ""

    # -- what a scene may ask

    def played(self, number: int) -> bool:
        """Whether all that the script has for a booking was done."""
        return all(step in self._done for step in self._morning.steps if step.booking == number)

    def failed(self) -> set[str]:
        """Record ids of the bookings that failed because a code is missing."""
        return self._books.failed(self.branch)

    def refused_files(self) -> set[str]:
        """Ids of the files that VetBridge will not carry."""
        return self._books.refused_files(self.branch)

    def asked(self, offering: str) -> set[str]:
        """Record ids of the bookings about which there is an open question that offers this answer."""
        return self._books.asked(self.branch, offering)

    def listed(self) -> Hashable:
        """What tells the work list from what it was."""
        return self._books.listed(self.branch)

    def acted(self, step: Step) -> None:
        """Somebody has done this in a scene."""
        self._done.add(step)

    def is_elsewhere(self, client: str) -> bool:
        """Whether VetBridge knows that a client of this branch's PIMS is one of another branch's, too."""
        return self._books.is_elsewhere(self.branch, client)

    def others(self) -> Collection[str]:
        """What people call the other branches."""
        return self._books.others(self.branch)

    def held(self) -> int:
        """How many changes the fuse holds back."""
        return self._books.held(self.branch)

    def open(self) -> int:
        """How many changes are open."""
        return waiting(self._books.site(self.branch))

    def runs(self) -> bool:
        """Whether VetBridge runs, and nobody is about to stop it."""
        return self._bridge.runs()

    def stop(self) -> Scene[None]:
        """Stops VetBridge."""
        yield from self._bridge.stop()

    def start(self) -> Scene[None]:
        """Starts VetBridge again."""
        yield from self._bridge.start()

    def happens(self, words: str) -> None:
        """Tells who looks on."""
        self._day.view.happens(self._day.time, f"{self._place}: {words}" if self._place else words)
