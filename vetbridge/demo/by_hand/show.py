"""Plays a morning at a practice whose system has no API: VetBridge reads its files, or its database, and a clerk
works off the work list."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.connector.plugin import System, Way, systems
from vetbridge.connector.rows.reading import DELETED
from vetbridge.core.records import Kind
from vetbridge.demo.audit import Audit, Typed
from vetbridge.demo.by_hand.accounts import DUE, FOLDER, account_of, carries, is_typed, uses_files
from vetbridge.demo.by_hand.audit import PracticeAuditor
from vetbridge.demo.by_hand.desk import FOUND, SLIPS, PaperDesk
from vetbridge.demo.by_hand.records import RecordsDesk, kept_files
from vetbridge.demo.children import Child, Children
from vetbridge.demo.errands_audit import DueAuditor, FileAuditor, Side, check_notices
from vetbridge.demo.findings import Findings
from vetbridge.demo.live import View
from vetbridge.demo.platform import Platform
from vetbridge.demo.platform_audit import PlatformAuditor
from vetbridge.demo.playing import Ends, Playing
from vetbridge.demo.run import Played, Show, performed, stored
from vetbridge.demo.script import Plot, plan_morning
from vetbridge.demo.stage import ByHand, Secrets, Stage
from vetbridge.demo.story import Branch
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.practice import Practice
from vetbridge.testing.practice.plain import PlainPractice

EXPORT_EVERY = 3.0
"""Seconds between two exports; a clinic's are hours apart, or a night."""
CYCLE = 4.0
"""Seconds in which a reading has seen whatever was typed before it."""


def play_by_hand(
    folder: Path,
    *,
    pims: str,
    way: str | None,
    bookings: int,
    seed: int,
    clients: int,
    view: View,
    clock: Clock | None = None,
) -> Played:
    """Plays a morning with a practice system without an API, by one of its ways. Raises ``DemoFailed``, and
    ``ValueError`` where there is no such system or way, or the morning would be too short."""
    clock = clock or SystemClock()
    began = clock.steady()
    system = systems().get(pims)
    if system is None:
        raise ValueError(f"no practice system is called {pims}; known are ezyvet, {', '.join(systems())}")
    taken = _way(system, way)
    clinic = make_clinic(seed, clients)
    carried = carries(taken)
    plot = Plot(
        silent=False,
        forgetful=False,
        is_short=True,
        by_hand=True,
        files=Kind.ATTACHMENT in carried,
        due=not carried.isdisjoint(DUE),
    )
    today = clock.now().astimezone(ZoneInfo(clinic.zone)).date()
    morning = plan_morning(clinic, seed, bookings, today=today, plot=plot)
    branch = Branch(site="demo", title="Demo Vets", morning=morning, pims=pims)
    stage = Stage(folder)
    with Children() as children, view:
        show = ByHandShow(system, taken, stage, branch, view, clock, children)
        return performed(show, stage, view, clock, began)


def _way(system: System, name: str | None) -> Way:
    """The way of this name; unless one is named, the best that is no rehearsal of an API that nobody knows."""
    known = {way.connector: way for way in system.ways if way.rehearsed}
    if name is None:
        return next(way for way in known.values() if way.connector != "rest")
    if name not in known:
        raise ValueError(f"{system.title} cannot be played by {name}, but by {', '.join(known)}")
    return known[name]


class ByHandShow(Show):
    """One morning of one practice that has no API."""

    def __init__(
        self, system: System, way: Way, stage: Stage, branch: Branch, view: View, clock: Clock, children: Children
    ) -> None:
        super().__init__(stage, [branch], view, clock, children)
        self._system = system
        self._way = way

    def _opening(self) -> str:
        return f"{self._system.title}, by {self._way.title}. Its simulator and Altegio's start"

    def _practices(self) -> list[Child]:
        more = []
        if uses_files(self._way):
            inbox = self._stage.data(FOLDER) / "in"
            inbox.mkdir(parents=True)
            more = ["--switch", f"exports={inbox}", "--switch", f"export_every={EXPORT_EVERY}"]
            more += ["--switch", "dated=true"]
        name = self._system.name
        return [self._simulator(name, name, self._branches[0].morning.clinic, {}, *more)]

    def _ends(
        self, branch: Branch, hands: Platform, pims: Mapping[str, Any], location: str
    ) -> tuple[Ends, ByHand | None]:
        module = importlib.import_module(self._system.simulator or "")
        self._practice: Practice = module.PRACTICE(Path(pims["database"]), now=self._clock.now)
        self._desk = self._desk_at(self._practice)
        today = self._clock.now().astimezone(ZoneInfo(branch.morning.clinic.zone)).date()
        lists = self._practice.codes.items()
        codes = {name: {word: [str(code)] for word, code in codes.items()} for name, codes in lists}
        if "cancelled" in codes["status"]:
            codes["status"]["cancelled"].append(DELETED)  # what connectors of rows say of a visit that is gone
        account = account_of(self._system, self._way, pims, Secrets(self._stage.folder))
        if isinstance(self._desk, RecordsDesk):
            for due in branch.morning.due:
                self._desk.vaccinate(due.pet, today + timedelta(days=due.in_days))
        held = self._desk.placeholder
        placeholder = None if held is None else dict(zip(("client", "pet"), held, strict=True))
        slips = SLIPS if is_typed(self._way) else ()
        ends = Ends(hands, self._desk, pims["control_url"], location, today, slips=slips)
        return ends, ByHand(account, codes, placeholder)

    def _desk_at(self, practice: Practice) -> PaperDesk:
        """The desk; before the morning it has made the placeholder, where VetBridge writes visits by itself."""
        if not isinstance(practice, PlainPractice):
            return PaperDesk(practice)
        if is_typed(self._way):
            return RecordsDesk(practice)
        client = practice.register_client(given_name="Online", family_name="Booking")
        pet = practice.register_pet(client_id=client.id, name="Online booking", species="other")
        return RecordsDesk(practice, placeholder=(client.id, pet.id))

    def _counted(self, playing: Playing) -> int:
        """Nobody counts who reads a folder or a database: so often a reading has seen all there was."""
        return int(self._day.elapsed / CYCLE)

    def _quiet(self, before: Any, polls: int) -> bool:
        """Nobody has anything left to do, either."""
        left = sum(playing.left for playing in self._playing)
        return left == 0 and super()._quiet(before, polls)

    def _audited(self, branch: Branch, playing: Playing, foreign: Collection[str]) -> Audit:
        findings = Findings(foreign=foreign)
        booking = stored(self._stage.location(playing.ends.location, of_chain=False))
        try:
            PlatformAuditor(branch.morning, booking.store, findings).audit()
            carried, shown = self._errands_audited(branch, playing, booking, findings)
        finally:
            booking.store.close()
        typed_by_hand = is_typed(self._way)
        auditor = PracticeAuditor(
            branch.morning,
            self._practice,
            self._desk.reference,
            findings,
            typed=typed_by_hand,
            placeholder=self._desk.placeholder or ("", ""),
        )
        places = auditor.audit()
        self._practice.close()
        deeds = playing.typing.clerk.deeds if playing.typing is not None else []
        typed = sum(deed.did in ("booked", "changed", "cancelled") for deed in deeds)
        made = sum(deed.slip in FOUND for deed in deeds)
        return Audit(
            branch.morning,
            places,
            frozenset(auditor.unseen),
            tuple(findings.all),
            playing.seen,
            carried=frozenset(carried),
            typed=Typed(typed, 0 if findings.all else made, expected=typed_by_hand),
            shown=frozenset(shown),
        )

    def _errands_audited(
        self, branch: Branch, playing: Playing, booking: Side, findings: Findings
    ) -> tuple[set[int], set[int]]:
        """Audits files, cards and messages; the files that stand on both sides, and the pets that cards speak of."""
        morning, seen = branch.morning, playing.seen
        files = None
        if isinstance(self._practice, PlainPractice):
            kept = kept_files(self._practice, self._desk.reference)
            files = FileAuditor(morning, booking, kept, findings, seen)
            files.audit()
        due = DueAuditor(morning, booking.store, findings, seen, playing.ends.today)
        due.audit()
        check_notices(booking.store, findings)
        return (set() if files is None else files.carried), due.shown
