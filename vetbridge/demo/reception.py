"""What the receptionist does in a played morning: answers, pauses, mends and replays, with VetBridge's own commands.

``scenes`` says what a scene is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.platform import Platform
from vetbridge.demo.practice import Practice
from vetbridge.demo.scenes import BY, PATIENCE, Commands, House, Late, Scene, Scenes
from vetbridge.demo.stage import Stage, mend_config
from vetbridge.demo.story import Actor, Answer, Branch, Deed, Seen, Step

LONG_REST = 12.0
"""Seconds without anything under way, some polls long."""


class _Rest:
    """Tells when nothing has been under way for a while, so that nothing more is to be expected."""

    def __init__(self, house: House, clock: Clock) -> None:
        self._house = house
        self._clock = clock
        self._since: float | None = None

    def is_long(self) -> bool:
        """Whether VetBridge has run, and nothing has been open, at all looks for so long."""
        if not self._house.runs() or self._house.open():
            self._since = None
        elif self._since is None:
            self._since = self._clock.steady()
        return self._since is not None and self._clock.steady() - self._since > LONG_REST


@dataclass(slots=True)
class _Notes:
    """What was seen so far."""

    parked: dict[int, int] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    replayed: set[int] = field(default_factory=set)
    recognised: set[int] = field(default_factory=set)
    held: int = 0


class Reception(Scenes):
    """The receptionist of one branch's morning."""

    def __init__(
        self,
        branch: Branch,
        stage: Stage,
        platform: Platform,
        practice: Practice,
        commands: Commands,
        house: House,
        clock: Clock,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(commands, house, clock, patience)
        self._branch = branch
        self._morning = branch.morning
        self._stage = stage
        self._platform = platform
        self._practice = practice
        self._notes = _Notes()

    @property
    def seen(self) -> Seen:
        """What was seen so far."""
        notes = self._notes
        return Seen(
            parked=dict(notes.parked),
            asked=frozenset(notes.asked),
            replayed=frozenset(notes.replayed),
            recognised=frozenset(notes.recognised),
            held=notes.held,
        )

    # -- scenes

    def blocking(self) -> Scene[None]:
        """The desk blocks a vet's time in the calendar of the PIMS."""
        block = self._morning.block
        if block is not None:
            yield from self._done(lambda: self._practice.block(block), "the desk blocks a time")

    def answering(self) -> Scene[None]:
        """Answers some of the ambiguous bookings; then their owners and the desk change them."""
        answers = self._morning.answers
        yield from self._until(lambda: all(self._is_parked(each) for each in answers), "ambiguous visits are parked")
        items = yield from self._items(
            [each.booking for each in answers], "the ambiguous bookings are in review", offering="link"
        )
        answered = ("--by", BY, "--no-wait")
        if len(items) < len(answers):
            raise Late("VetBridge asks about every ambiguous booking")
        for each in answers:
            self._notes.parked[each.booking] = yield from self._until(
                partial(self._practice.parked, self._morning.booking(each.booking)), "a visit is on the placeholder"
            )
            item = str(items[each.booking]["id"])
            if each.owner is None:
                self._house.happens(f"the receptionist says that booking {each.booking} is by a new owner")
                yield from self._told("review", "new", item, *answered)
            else:
                self._house.happens(f"the receptionist says whose booking {each.booking} is")
                client = self._practice.contact(each.owner)
                pet = "booked"  # the one of that name, made as it is not there: the owner's others are dead
                yield from self._told("review", "link", item, "--client", client, "--pet", pet, *answered)
        for each in answers:
            yield from self._until(partial(self._is_linked, each), "an answered visit is on its owner")
            yield from self._act(each.then)

    def mending(self) -> Scene[None]:
        """Both sides change the same visits while VetBridge is paused; a code that was missing is added."""
        conflicts = self._morning.conflicts
        forgotten = {one.number for one in self._morning.without_code}
        yield from self._until(lambda: self._failed() >= forgotten, "bookings without a code have failed")
        for each in conflicts:
            booking = self._morning.booking(each.booking)
            yield from self._until(partial(self._practice.holds, booking), "the visits stand in the PIMS")
        absent = yield from self._absent(forgotten)
        changed = f"{len(conflicts)} visits" if len(conflicts) > 1 else "a visit"
        self._house.happens(f"VetBridge is paused; both sides change {changed} that both have")
        yield from self._told("pause", self._branch.site, "--by", BY)
        for conflict in conflicts:
            for step in conflict.steps:
                yield from self._act(step)
        if forgotten:
            self._house.happens("VetBridge is stopped, and the missing code is added to its config")
            yield from self._house.stop()
            mend_config(self._stage, self._branch)
            yield from self._house.start()
            self._house.happens("VetBridge runs again, and is resumed")
        else:
            self._house.happens("VetBridge is resumed")
        yield from self._told("resume", self._branch.site)
        if forgotten:
            yield from self._replay(absent)
        numbers = [each.booking for each in conflicts]
        items = yield from self._items(numbers, "VetBridge asks about the conflicts", offering="booking")
        for conflict in (each for each in conflicts if each.booking in items):
            self._house.happens(f"the receptionist says of booking {conflict.booking}: {conflict.right} is right")
            item = str(items[conflict.booking]["id"])
            yield from self._told("review", "answer", item, conflict.right.value, "--by", BY)
            self._notes.asked.add(conflict.booking)
        if len(items) < len(conflicts):
            raise Late("VetBridge asks about every conflict")

    def recognising(self) -> Scene[None]:
        """An owner books for a pet that died at another branch, once VetBridge knows that she is a client of both."""
        mourner = self._morning.mourner
        if mourner is None:
            return
        client = self._practice.contact(mourner.owner)
        yield from self._until(lambda: self._house.is_elsewhere(client), "VetBridge knows a client of two branches")
        self._house.happens(f"an owner books for a pet that died at another branch (booking {mourner.booking})")
        yield from self._act(Step(0.0, Deed.BOOK, mourner.booking, Actor.OWNER))
        items = yield from self._items(
            [mourner.booking], "the booking for a pet that died elsewhere is in review", offering="link"
        )
        for booking, item in items.items():
            if item["why"] == "pet-deceased" and any(title in item["words"] for title in self._house.others()):
                self._notes.recognised.add(booking)

    def purging(self) -> Scene[None]:
        """The desk cancels many visits at once; VetBridge holds back what is too much, until it is allowed."""
        purged = self._morning.purged
        slots = [visit.slot for visit in purged]
        self._house.happens(f"the desk cancels {len(purged)} visits at once")
        for visit in purged:
            yield from self._act(Step(0.0, Deed.CANCEL, 0, Actor.PRACTICE, visit=visit.number))
        yield from self._until(lambda: self._is_held(self._platform.standing(slots)), "the fuse blows")
        items = yield from self._list()
        blown = [item for item in items if item["why"] == "fuse-blown"]
        standing = self._platform.standing(slots)
        if len(blown) != 1 or not standing:
            raise Late("the fuse blows, with one question")
        self._notes.held = standing
        self._house.happens(f"the fuse holds {standing} cancellations back; the receptionist allows them")
        yield from self._told("review", "answer", str(blown[0]["id"]), "allow", "--by", BY)
        yield from self._until(lambda: not self._house.held(), "what the fuse held is let go")

    # -- parts of scenes

    def _is_parked(self, answer: Answer) -> bool:
        booking = self._morning.booking(answer.booking)
        return self._house.played(answer.booking) and self._practice.parked(booking) is not None

    def _failed(self) -> set[int]:
        return self._numbers(self._house.failed())

    def _is_linked(self, answer: Answer) -> bool:
        booking = self._morning.booking(answer.booking)
        return self._practice.holds(booking) and self._practice.parked(booking) is None

    def _is_held(self, standing: int) -> bool:
        """Nothing is under way any more but what the fuse holds, and that is all that stands at the platform still.

        It may hold more: the desk's last cancellation of a booking may have been noticed only now.
        """
        return 0 < standing <= self._house.held() == self._house.open()

    def _absent(self, numbers: Iterable[int]) -> Scene[set[int]]:
        """Those of the bookings that the PIMS does not hold."""
        absent: set[int] = set()
        for number in numbers:
            holds = partial(self._practice.holds, self._morning.booking(number))
            if not (yield from self._answered(holds)):
                absent.add(number)
        return absent

    def _replay(self, absent: Collection[int]) -> Scene[None]:
        """Looks first, then replays what failed for want of a code."""
        self._house.happens("the receptionist replays the bookings that failed")
        failed = ("--code", "mapping", "--site", self._branch.site)
        planned = yield from self._told("replay", *failed, "--plan", fine=(0, 4))
        if not self._replays(planned, "planned") >= set(absent):
            raise DemoFailed("`vetbridge replay --plan` does not name all bookings that failed")
        replayed = yield from self._told("replay", *failed, fine=(0, 4))
        self._notes.replayed |= self._replays(replayed, "replayed") & set(absent)

    def _numbers(self, records: Iterable[str]) -> set[int]:
        """The bookings with these record ids."""
        found = (self._platform.booking_of(record) for record in records)
        return {number for number in found if number is not None}

    def _replays(self, data: Mapping[str, Any], result: str) -> set[int]:
        """The bookings whose replay came to this."""
        account = self._branch.booking_account
        rows = (row for row in data["replays"] if row["result"] == result and row["account"] == account)
        return self._numbers(row["remote_id"] for row in rows)

    def _items(self, numbers: Iterable[int], what: str, *, offering: str) -> Scene[dict[int, Mapping[str, Any]]]:
        """The open questions about these bookings that offer this answer.

        One about each, or what there is once nothing is under way. A booking may be asked about for another reason
        before: whose it is.
        """
        wanted = set(numbers)
        rest = _Rest(self._house, self._clock)
        yield from self._until(lambda: wanted <= self._numbers(self._house.asked(offering)) or rest.is_long(), what)
        items = yield from self._list()
        fitting = (item for item in items if offering in item["choices"])
        found = {self._platform.booking_of(str(item["remote_id"])): item for item in fitting}
        return {number: item for number, item in found.items() if number in wanted}

    def _list(self) -> Scene[list[Mapping[str, Any]]]:
        data = yield from self._told("review", "list", "--site", self._branch.site)
        return list(data)

    def _act(self, step: Step) -> Scene[None]:
        """Plays a step, again and again while the other end is silent."""
        side = self._practice if step.by is Actor.PRACTICE else self._platform
        yield from self._done(lambda: side.play(step, self._morning), "the PIMS takes what the desk enters")
        self._house.acted(step)
