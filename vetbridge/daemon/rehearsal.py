"""A rehearsal: the work is done on a copy of the ledger, and no write is sent.

It runs beside a VetBridge that is at work. Reads are real, and cost what reads cost at the vendor.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from vetbridge.config.loader import Loaded
from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.connector.dry import DryRun
from vetbridge.connector.interface import Connector
from vetbridge.core.errors import LedgerError
from vetbridge.core.records import Side
from vetbridge.daemon.assembly import Program, Wrap, build_mapper, build_program, prepare
from vetbridge.daemon.once import drain
from vetbridge.daemon.rounds import Rounds
from vetbridge.ledger import going_live, pauses, rehearsals, replays
from vetbridge.ledger.copying import copy_ledger
from vetbridge.ledger.database import exists, open_ledger
from vetbridge.ledger.rehearsals import Mark, PlannedChange

_NEVER_BLOWS = 1_000_000_000
"""A fuse's limit that no rehearsal reaches."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One rehearsal: a program over the copy."""

    program: Program
    noted_mappings: Mapping[str, str]
    """The mappings, by site, of the VetBridge that was started last; see ``Program.mappings``."""
    _mark: Mark

    def planned(self) -> dict[int, PlannedChange]:
        """What became of the changes so far, by their numbers in the copy, the soonest visit first."""
        with self.program.ledger.read() as tx:
            return rehearsals.planned(tx, self._mark)

    def fused(self) -> dict[str, int]:
        """By site, how many of the writes so far its fuse counts."""
        with self.program.ledger.read() as tx:
            return rehearsals.fused(tx, self._mark)

    def keep_to(self, site: str) -> None:
        """Leaves every other site alone."""
        with self.program.ledger.write() as tx:
            for pair in self.program.pairs:
                if pair.site != site:
                    pauses.pause(tx, "site", pair.site, until=None, by="rehearsal")

    def replay(
        self,
        change_ids: Collection[int],
        *,
        side: Side | None = None,
        patience: float,
        progress: Callable[[str], None],
    ) -> dict[int, PlannedChange]:
        """What replays of some changes would come to, by the old changes' numbers; ``side``: for that one only."""
        with self.program.ledger.write() as tx:
            rows = {change_id: replays.add(tx, change_id, side=side) for change_id in change_ids}
            sites = {row.site for row in rows.values()}
        rounds = Rounds(self.program)
        for account in dict.fromkeys(pair.pims.account for pair in self.program.pairs if pair.site in sites):
            if not rounds.rests(account):
                progress(f"reading the clients and pets of {account}")
                rounds.mirror(account)
        self.program.engine.only = frozenset(row.record_id for row in rows.values())
        drain(self.program, patience, progress)
        found = self.planned()
        return {change_id: found[row.id or 0] for change_id, row in rows.items() if row.id in found}


@contextmanager
def rehearsed(loaded: Loaded, *, clock: Clock | None = None, unlimited: bool = False) -> Iterator[Rehearsal]:
    """A rehearsal on a copy of the config's ledger, which is gone afterwards; a first one where there is none yet.

    ``unlimited``: no fuse and no quota of the first days holds anything back, and what is gone is gone at once.

    Nothing is written to the ledger itself or to a vendor. Raises ``LedgerError`` where the ledger cannot be copied.
    """
    clock = clock or SystemClock()
    if unlimited:
        loaded = _unlimited(loaded)
    settings = loaded.config.ledger
    place = settings.place
    with tempfile.TemporaryDirectory(prefix="vetbridge-rehearsal-") as folder:
        path = Path(folder) / "ledger.db"
        if exists(place):
            copy_ledger(place, path)
        try:
            ledger = open_ledger(path, settings.key.reveal(), clock)
        except LedgerError as error:
            error.message = error.message.replace(str(path), str(place))
            raise
        with closing(ledger), closing(build_program(loaded, clock, ledger, wrap=_dry(loaded))) as program:
            with ledger.write() as tx:
                noted = replays.noted_mappings(tx)
                prepare(tx, program)
                for pair in program.pairs:
                    going_live.nothing_is_late(tx, pair.site)
                mark = rehearsals.mark(tx)
                if unlimited:
                    rehearsals.lift_fuses(tx)
            program.engine.unapproved = True
            yield Rehearsal(program, noted, mark)


def _unlimited(loaded: Loaded) -> Loaded:
    """The config without what keeps writes in earnest few or late."""
    sites = {
        name: site.model_copy(
            update={"fuse": _NEVER_BLOWS, "first_days": site.first_days.model_copy(update={"days": 0})}
        )
        for name, site in loaded.config.sites.items()
    }
    timings = loaded.config.timings.model_copy(update={"absence_confirm": 0.0})
    return replace(loaded, config=loaded.config.model_copy(update={"sites": sites, "timings": timings}))


def _dry(loaded: Loaded) -> Wrap:
    """Puts a dry run around each account's connector."""

    def wrap(account: str, connector: Connector) -> Connector:
        site, side = next(
            (site, side)
            for site in loaded.config.sites.values()
            for side, of in ((Side.BOOKING, site.booking.account), (Side.PIMS, site.pims.account))
            if of == account
        )
        return DryRun(connector, build_mapper(loaded, site, side))

    return wrap
