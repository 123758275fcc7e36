"""Plays a morning at a practice whose system has no API: VetBridge reads its files, or its database, and a clerk
works off the work list."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.connector.plugin import System, systems
from vetbridge.demo.audit import Audit, Typed
from vetbridge.demo.by_hand.audit import PracticeAuditor
from vetbridge.demo.by_hand.desk import FOUND, PaperDesk
from vetbridge.demo.children import Child, Children
from vetbridge.demo.findings import Findings, Wrong
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

EXPORT_EVERY = 3.0
"""Seconds between two exports; a clinic's are hours apart, or a night."""
CYCLE = 4.0
"""Seconds in which a reading has seen whatever was typed before it."""
SETTLE = 1.0
"""Seconds for which an exported file must stand still; a clinic's default is 10."""


def play_by_hand(
    folder: Path,
    *,
    pims: str,
    way: str,
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
    if system.way(way) is None:
        raise ValueError(
            f"{system.title} has no way {way}; it has {', '.join(each.connector for each in system.ways)}"
        )
    clinic = make_clinic(seed, clients)
    plot = Plot(silent=False, forgetful=False, is_short=True, by_hand=True)
    today = clock.now().astimezone(ZoneInfo(clinic.zone)).date()
    morning = plan_morning(clinic, seed, bookings, today=today, plot=plot)
    branch = Branch(site="demo", title="Demo Vets", morning=morning, pims=pims)
    stage = Stage(folder)
    with Children() as children, view:
        show = ByHandShow(system, way, stage, branch, view, clock, children)
        return performed(show, stage, view, clock, began)


class ByHandShow(Show):
    """One morning of one practice that has no API."""

    def __init__(
        self, system: System, way: str, stage: Stage, branch: Branch, view: View, clock: Clock, children: Children
    ) -> None:
        super().__init__(stage, [branch], view, clock, children)
        self._system = system
        self._way = way
        self._exchange = stage.data("exchange")

    def _opening(self) -> str:
        found = self._system.way(self._way)
        assert found is not None  # noqa: S101 - play_by_hand has looked
        return f"{self._system.title}, by {found.title}. Its simulator and Altegio's start"

    def _practices(self) -> list[Child]:
        more = []
        if self._way == "files":
            inbox = self._exchange / "in"
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
        self._desk = PaperDesk(self._practice)
        today = self._clock.now().astimezone(ZoneInfo(branch.morning.clinic.zone)).date()
        lists = self._practice.codes.items()
        codes = {name: {word: str(code) for word, code in codes.items()} for name, codes in lists}
        account = {"connector": self._way, "options": self._options(pims)}
        return Ends(hands, self._desk, pims["control_url"], location, today), ByHand(account, codes)

    def _options(self, pims: Mapping[str, Any]) -> dict[str, Any]:
        profile = {"profile": self._system.name}
        keep = Secrets(self._stage.folder)
        if self._way == "files":
            return {**profile, "folder": "exchange", "settle": SETTLE}
        if self._way == "sql":
            connection = keep("pims.connection", f"Driver=SQLite3;Database={pims['database']}")
            return {**profile, "dialect": "sqlite", "connection": connection}
        secrets = {name: keep(f"pims.{name}", secret) for name, secret in pims["credentials"].items()}
        return {**profile, "base_url": pims["base_url"], "secrets": secrets}

    def _counted(self, playing: Playing) -> int:
        """Nobody counts who reads a folder or a database: so often a reading has seen all there was."""
        return int(self._day.elapsed / CYCLE)

    def _quiet(self, before: Any, polls: int) -> bool:
        """The clerk has nothing left to do, either."""
        left = sum(playing.typing.standing for playing in self._playing if playing.typing is not None)
        return left == 0 and super()._quiet(before, polls)

    def _audited(self, branch: Branch, playing: Playing, foreign: Collection[str]) -> Audit:
        findings = Findings(foreign=foreign)
        booking = stored(self._stage.location(playing.ends.location, of_chain=False))
        try:
            PlatformAuditor(branch.morning, booking.store, findings).audit()
            for row in booking.store.find("notice", cause="write"):
                findings.found(Wrong.NOTICE, None, f"a message to an owner that a write caused ({row['id']})")
        finally:
            booking.store.close()
        is_typed = self._way != "rest"
        reference = self._desk.reference
        auditor = PracticeAuditor(branch.morning, self._practice, reference, findings, typed=is_typed)
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
            typed=Typed(typed, 0 if findings.all else made, expected=is_typed),
        )
