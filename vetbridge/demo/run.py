"""Plays the morning: real processes, real HTTP, then the audit."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.demo import stage as staging
from vetbridge.demo.asking import ask
from vetbridge.demo.audit import Audit, audit
from vetbridge.demo.bridge import Books, Bridge, opened, waiting
from vetbridge.demo.chain import plan_branches
from vetbridge.demo.chain_audit import Chain, Whole
from vetbridge.demo.children import Child, Children
from vetbridge.demo.elsewhere import MORE_SECONDS, Elsewhere
from vetbridge.demo.errands_audit import Side
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.live import Picture, View, together
from vetbridge.demo.marketplace import Marketplace
from vetbridge.demo.platform import Platform
from vetbridge.demo.playing import Day, Ends, Playing
from vetbridge.demo.practice import Practice
from vetbridge.demo.scenes import PATIENCE, Commands, Scene
from vetbridge.demo.stage import ByHand, Doors, Sides, Stage, write_config
from vetbridge.demo.story import Branch, DueCase
from vetbridge.desk.status import Status
from vetbridge.testing.clinic import Clinic
from vetbridge.testing.simkit import Files, open_store
from vetbridge.testing.simkit.simulator import FILES

BOOKING_FAULTS = {"webhook_duplicate": 0.2, "webhook_reorder": 0.2}
PIMS_FAULTS = {"5xx_before": 0.02, "5xx_after": 0.02, "drop_after_commit": 0.02}

START_PATIENCE = 60.0
"""Seconds that a simulator may take until it serves."""
CONNECT_PATIENCE = 90.0
"""Seconds that VetBridge may take to say yes to every branch after the owner's click."""
DRAIN_PATIENCE = 180.0
"""Seconds after the last action until everything must be settled, for each branch."""
POLLS_AFTER = 3
"""Polls that must have begun after the very last action: the first one may have begun before it."""
TICK = 0.05
"""Seconds between two steps of the clockwork."""
_LOOK_EVERY = 0.4


@dataclass(frozen=True, slots=True)
class Played:
    """A morning that was played to its end."""

    audit: Whole
    seconds: float
    settled: bool
    """Everything was settled in time; else the audit shows what is missing."""
    config: Path


def play(
    folder: Path, *, branches: int = 1, bookings: int, seed: int, clients: int, view: View, clock: Clock | None = None
) -> Played:
    """Plays a morning in an empty folder and audits it. Raises ``DemoFailed`` where that cannot be done.

    ``bookings`` and ``clients`` are those of each branch. Raises ``ValueError`` where the clinic is too small, or the
    morning too short, before anything is started.
    """
    clock = clock or SystemClock()
    began = clock.steady()

    stage = Stage(folder)
    cast = plan_branches(
        branches, seed=seed, clients=clients, bookings=bookings, today=lambda clinic: _today(clinic, clock)
    )
    with Children() as children, view:
        return performed(Show(stage, cast, view, clock, children), stage, view, clock, began)


def performed(show: Show, stage: Stage, view: View, clock: Clock, began: float) -> Played:
    """Plays a show to its end, and audits it. ``began``: when all of it began, by the steady clock."""
    settled = show.run()
    view.say("The audit compares both systems with the script.")
    result = show.audited()
    seconds = clock.steady() - began
    _keep(stage, result, seconds)
    return Played(result, seconds, settled, stage.config)


class Show:
    """One morning on one stage: all branches side by side, each with Altegio and ezyVet.

    With another practice system ``_opening``, ``_practices``, ``_ends``, ``_counted`` and ``_audited`` are its own.
    """

    def __init__(
        self, stage: Stage, branches: Sequence[Branch], view: View, clock: Clock, children: Children
    ) -> None:
        self._stage = stage
        self._branches = branches
        self._view = view
        self._clock = clock
        self._children = children
        seconds = max(branch.morning.seconds for branch in branches)
        # One machine plays them all.
        self._day = Day(view, clock, seconds, PATIENCE * len(branches))
        self._playing: list[Playing] = []
        self._looked = 0.0
        self._elsewhere = Elsewhere()
        self._marketplace: Marketplace | None = None
        """None where there is no chain to connect."""
        self._connected = 0

    def run(self) -> bool:
        """From the start of the simulators to the stop of the daemon; whether everything was settled in time."""
        owners = len(self._branches[0].morning.clinic.owners)
        self._view.say(f"{self._opening()} with {owners} clients; rate limits are off here.")
        platform, practices = self._simulators()
        self._platform_door = platform["control_url"]
        sides: list[Sides] = []
        ends: list[Ends] = []
        for branch, booking, pims in zip(self._branches, self._locations(platform), practices, strict=True):
            hands = Platform(booking["base_url"], booking["credentials"], branch.morning.clinic)
            if not branch.of_chain:  # a chain has its fields alone: before it is connected nobody may add labels
                hands.add_due_fields()
                hands.add_due_labels()
            location = booking["credentials"]["location_id"]
            end, by_hand = self._ends(branch, hands, pims, location)
            ends.append(end)
            sides.append(Sides(branch, booking, pims, hands.staff, hands.services, hands.labels, by_hand))
        doors = write_config(self._stage, sides)
        self._view.say(
            "VetBridge starts, with shorter waits than in a clinic: " + ", ".join(_shortened(len(self._branches)))
        )
        self._bridge = Bridge(self._stage, self._children, self._clock)
        self._bridge.launch()
        if len(ends) > 1:
            self._marketplace = Marketplace(platform)
            self._connect(self._marketplace, doors, [each.location for each in ends])
            for each in ends:
                each.platform.add_due_fields()
        self._wait_for(self._bridge.ready())
        if len(ends) == 1:
            ends[0].platform.post_webhooks_to(doors.hooks[self._branches[0].site])
        with opened(self._bridge.config, self._clock) as books:
            self._books = books
            self._playing = [
                self._play_at(branch, each, books) for branch, each in zip(self._branches, ends, strict=True)
            ]
            self._announce()
            self._day.begin()
            self._play()
            settled = self._drain(polls=1) and self._purge() and self._drain(polls=POLLS_AFTER)
            self._connected = len(self._marketplace.connected()) if self._marketplace is not None else 0
            for playing in self._playing:
                self._wait_for(playing.people_end())
        self._bridge.end()
        return settled and all(playing.in_time for playing in self._playing)

    def audited(self) -> Whole:
        """Compares every branch's both systems with its script."""
        references = {branch.site: branch.morning.references for branch in self._branches}
        found = []
        for playing in self._playing:
            branch = playing.branch
            foreign = frozenset().union(*(those for site, those in references.items() if site != branch.site))
            found.append((branch, self._audited(branch, playing, foreign)))
        if len(found) == 1:
            return Whole(tuple(found))
        return Whole(tuple(found), Chain(connected=self._connected, went_on=self._elsewhere.went_on))

    # -- processes

    def _simulators(self) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        """All at once; each fills its store from the same clinic."""
        count = len(self._branches)
        # Of a location that belongs to no chain nobody may define fields by the API (altegio.md, section 3.9).
        several = (
            ("--locations", str(count), "--switch", "installed=false") if count > 1 else ("--switch", "chain=true")
        )
        booking = self._simulator("altegio", "altegio", self._branches[0].morning.clinic, BOOKING_FAULTS, *several)
        practices = self._practices()
        return booking.ready(START_PATIENCE), [child.ready(START_PATIENCE) for child in practices]

    def _opening(self) -> str:
        """Which simulators start."""
        return _simulators(len(self._branches))

    def _practices(self) -> list[Child]:
        """The simulators of the practice systems, started."""
        return [
            self._simulator(branch.pims, branch.named(branch.pims), branch.morning.clinic, PIMS_FAULTS)
            for branch in self._branches
        ]

    def _ends(
        self, branch: Branch, hands: Platform, pims: Mapping[str, Any], location: str
    ) -> tuple[Ends, ByHand | None]:
        """A branch's people at both ends, and how VetBridge reaches its practice where that has no API."""
        practice = Practice(pims["base_url"], pims["credentials"], pims["control_url"])
        today = _today(branch.morning.clinic, self._clock)
        entered = self._entered(branch, practice, pims)
        return Ends(hands, practice, pims["control_url"], location, today, entered), None

    def _simulator(self, vendor: str, name: str, clinic: Clinic, faults: Mapping[str, float], *more: str) -> Child:
        arguments = ["simulate", vendor, "--port", "0", "--limits", "off"]
        arguments += ["--clients", str(len(clinic.owners)), "--seed", str(clinic.seed)]
        arguments += ["--data", str(self._stage.data(name)), *more]
        for fault, rate in faults.items():
            arguments += ["--fault", f"{fault}={rate}"]
        return self._children.start(f"the simulator of {name}", arguments, self._stage.log(name))

    def _wait_for(self, scene: Scene[None]) -> None:
        for _ in scene:
            self._clock.wait(0.2)

    def _connect(self, marketplace: Marketplace, doors: Doors, locations: Sequence[str]) -> None:
        """The chain's owner connects all branches at once; VetBridge says yes, and sets its webhooks by itself."""
        self._wait_for(self._bridge.answers("VetBridge did not open its door in time"))
        self._view.say(f"The owner of the chain clicks Connect for {len(locations)} branches on the marketplace.")
        marketplace.connect(locations, doors.app)
        ends = self._clock.steady() + CONNECT_PATIENCE
        while not marketplace.connected() >= set(locations):
            if self._clock.steady() > ends:
                raise DemoFailed(f"VetBridge did not connect all branches in time.\n{self._bridge.last_words()}")
            self._clock.wait(0.2)
        self._view.say(f"{len(locations)} of {len(locations)} branches are connected.")

    # -- the branches

    def _locations(self, platform: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """What the platform said when it was ready, once for each branch, with that branch's location."""
        given = platform["credentials"]
        numbers = platform["locations"] if len(self._branches) > 1 else [given["location_id"]]
        return [{**platform, "credentials": {**given, "location_id": number}} for number in numbers]

    def _entered(self, branch: Branch, practice: Practice, pims: Mapping[str, Any]) -> frozenset[int]:
        """What the practice has written down before the morning, while nothing went wrong yet; returns whom the desk
        has entered."""
        owner = branch.morning.registered
        today = _today(branch.morning.clinic, self._clock)
        faults = f"{pims['control_url']}/faults"
        ask("POST", faults, dict.fromkeys(PIMS_FAULTS, 0.0))
        for due in branch.morning.due:
            if due.case is not DueCase.TOLD:
                practice.vaccinate(due.pet, today + timedelta(days=due.in_days))
        contacts = frozenset({practice.enter(owner)}) if owner is not None else frozenset[int]()
        ask("POST", faults, PIMS_FAULTS)
        return contacts

    def _play_at(self, branch: Branch, ends: Ends, books: Books) -> Playing:
        commands = Commands(self._children, self._stage, branch.named("commands"), self._bridge.used)
        return Playing(branch, ends, self._stage, self._bridge, books, self._day, commands)

    # -- the morning

    def _announce(self) -> None:
        mornings = [branch.morning for branch in self._branches]
        silent = next((branch for branch in self._branches if branch.morning.outage_seconds), None)
        pims = "the PIMS" if silent is None or not silent.of_chain else f"the PIMS of {silent.site}"
        seconds = 0.0 if silent is None else silent.morning.outage_seconds
        self._view.say(
            f"The morning begins: {sum(len(one.bookings) for one in mornings)} bookings and "
            f"{sum(len(one.visits) for one in mornings)} visits by telephone in {self._day.seconds:.0f} seconds, "
            f"with {seconds:.0f} seconds in which {pims} does not answer."
        )

    def _play(self) -> None:
        """All branches, until every step is played and every scene is over."""
        left = list(self._playing)
        while left:
            left = [playing for playing in left if playing.goes_on()]
            self._look()
            self._clock.wait(TICK)

    def _purge(self) -> bool:
        """The last scenes, when everything else is over; whether they went as they should."""
        for playing in self._playing:
            playing.purge()
        self._play()
        return all(playing.in_time for playing in self._playing)

    # -- the end

    def _drain(self, *, polls: int) -> bool:
        """Waits until nothing is on its way any more: no webhook, no open change, and polls that found nothing."""
        before = self._traffic()
        ends = self._clock.steady() + DRAIN_PATIENCE * len(self._branches)
        while self._clock.steady() < ends:
            for playing in self._playing:
                playing.people_go_on()
            seen = self._look()
            if seen is not None and not _waiting(seen) and self._quiet(before, polls):
                # A hint may have come between the two looks.
                again = self._look(now=True)
                if again is not None and not _waiting(again):
                    return True
            self._clock.wait(TICK)
        return False

    def _quiet(self, before: _Traffic, polls: int) -> bool:
        now = self._traffic()
        polled = all(count >= then + polls for then, count in zip(before.polls, now.polls, strict=True))
        return polled and now.webhooks == 0

    def _traffic(self) -> _Traffic:
        booking = ask("GET", f"{self._platform_door}/counts")
        lists = [of.get("GET /records/{location}", 0) for of in _requests(booking)]
        lists += [self._counted(playing) for playing in self._playing]
        return _Traffic(polls=tuple(map(int, lists)), webhooks=int(booking["webhooks"]["waiting"]))

    def _counted(self, playing: Playing) -> int:
        """How often a branch's practice system was asked for changed visits."""
        (requests,) = _requests(ask("GET", f"{playing.ends.pims_door}/counts"))
        return int(requests.get("GET /v2/appointment", 0))

    def _audited(self, branch: Branch, playing: Playing, foreign: Collection[str]) -> Audit:
        """Compares a branch's both systems with its script."""
        ends = playing.ends
        folders = [
            self._stage.data(branch.named(branch.pims)),
            self._stage.location(ends.location, of_chain=branch.of_chain),
        ]
        pims, booking = sides = [stored(folder) for folder in folders]
        try:
            site = branch.site if branch.of_chain else ""
            return audit(branch.morning, booking, pims, playing.seen, today=ends.today, site=site, foreign=foreign)
        finally:
            for side in sides:
                side.store.close()

    # -- looking

    def _look(self, *, now: bool = False) -> Status | None:
        """Looks at the daemon and the ledger and shows it, not too often. Raises ``DemoFailed`` for a dead daemon."""
        if not now and self._clock.steady() < self._looked + _LOOK_EVERY:
            return None
        self._bridge.check()
        self._looked = self._clock.steady()
        seen = self._books.status()
        sites = {site.name: site for site in seen.sites}
        pictures = {each.branch.site: each.picture(sites[each.branch.site]) for each in self._playing}
        shown = together(pictures) if len(pictures) > 1 else next(iter(pictures.values()))
        self._count_elsewhere(shown)
        self._view.show(replace(shown, accounts={account.name: account.state for account in seen.accounts}))
        return seen

    def _count_elsewhere(self, shown: Picture) -> None:
        """How many bookings of the other branches come through while one branch's PIMS is silent."""
        silent = next((playing for playing in self._playing if playing.fell_silent), None)
        if silent is None or not shown.branches:
            return
        through = sum(one.in_pims for name, one in shown.branches.items() if name != silent.branch.site)
        goes_on = self._elsewhere.look(through, silent.silence)
        if goes_on and self._day.elapsed < self._day.patience:
            silent.fall_silent(MORE_SECONDS)


@dataclass(frozen=True, slots=True)
class _Traffic:
    """How often bookings and visits were listed, of each account, and how many webhooks are still on their way."""

    polls: tuple[int, ...]
    webhooks: int


def _requests(counts: Mapping[str, Any]) -> list[Mapping[str, int]]:
    """How often each address was asked: of each location, where there are several, else of the one."""
    locations = counts.get("locations")
    return [each["requests"] for each in (locations.values() if locations else [counts])]


def _today(clinic: Clinic, clock: Clock) -> date:
    return clock.now().astimezone(ZoneInfo(clinic.zone)).date()


def _waiting(report: Status) -> int:
    """Changes that are open."""
    return sum(map(waiting, report.sites))


def _simulators(branches: int) -> str:
    if branches == 1:
        return "Two simulators start: Altegio, and ezyVet"
    return f"The simulators start: Altegio with {branches} locations, and {branches} sites of ezyVet, each"


def _shortened(branches: int) -> list[str]:
    shorter = {"poll": staging.polls_every(branches), **staging.timings(branches)}
    return [f"{name} {value:g} s" for name, value in shorter.items()]


def stored(folder: Path) -> Side:
    """What a simulator has kept in its folder."""
    return Side(open_store(folder), Files(folder / FILES))


def _keep(stage: Stage, result: Whole, seconds: float) -> None:
    """What the audit found stands beside what it looked at."""
    kept = {
        **result.numbers(seconds),
        "linked_of_linkable": sum(audit.linked_of_linkable for audit in result.audits),
        "findings": [
            {
                "wrong": one.wrong.value,
                "booking": one.booking,
                "visit": one.visit,
                "words": one.words,
                **({"branch": one.site} if one.site else {}),
            }
            for one in result.findings
        ],
    }
    (stage.folder / "audit.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
