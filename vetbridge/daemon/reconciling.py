"""Reconciling: everything that differs between the two sides is worked on in a rehearsal, and told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from vetbridge.config.loader import Loaded
from vetbridge.connector.budgets import in_bulk
from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Found, Native
from vetbridge.core.errors import MappingError, VetBridgeError
from vetbridge.core.records import Appointment, AppointmentStatus, Kind, Record
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.once import drain, read_sides
from vetbridge.daemon.rehearsal import Rehearsal, rehearsed
from vetbridge.daemon.rounds import Rounds
from vetbridge.desk.reconciling import Reconciliation, Shown, reconciled, together
from vetbridge.ledger import accounts, changes, links
from vetbridge.sync.comparing import CARRIED, base_in_terms, standing_fields
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.refreshing import read_cards
from vetbridge.sync.slots import WINDOW_KEYS, window

AHEAD = timedelta(days=366)
"""So far ahead visits are compared."""
SOURCE = "reconcile"


def reconcile(
    loaded: Loaded,
    *,
    site: str | None = None,
    every_client: bool = False,
    patience: float,
    progress: Callable[[str], None],
    clock: Clock | None = None,
) -> Reconciliation:
    """Compares both sides of every site, or of one; writes nothing to a vendor or to the ledger.

    Reads as bulk work does, and leaves the live bookings of a running VetBridge their share. Raises ``LedgerError``
    where the ledger cannot be copied.
    """
    with rehearsed(loaded, clock=clock, unlimited=True) as rehearsal:
        program = rehearsal.program
        if site is not None:
            rehearsal.keep_to(site)
        with in_bulk():
            problems = read_sides(program, progress)
            unreachable = bool(problems)
            shown: dict[str, tuple[Shown, Shown]] = {}
            for pair in (pair for pair in program.pairs if site in (None, pair.site)):
                try:
                    seen = _seen(program, pair, problems, progress)
                except VetBridgeError as error:
                    unreachable = True
                    problems.append(f"site {pair.site} is not compared: {error.message}")
                    continue
                if seen is not None:
                    shown[pair.site] = seen
            if shown:
                drain(program, patience, progress)
        planned = tuple(rehearsal.planned().values())
        found = []
        with program.ledger.read() as tx:
            for pair in program.pairs:
                if pair.site in shown:
                    progress(f"comparing the two sides of {pair.site}")
                    here, there = shown[pair.site]
                    one = reconciled(tx, loaded.config.sites, pair, here, there, planned, every_client=every_client)
                    found.append(one)
        return together(
            found, tuple(dict.fromkeys(problems)), unreachable=unreachable, notes=_notes(rehearsal, loaded)
        )


def _seen(
    program: Program, pair: Pair, problems: list[str], progress: Callable[[str], None]
) -> tuple[Shown, Shown] | None:
    """What both sides of a pair show, with a hint at everything about which they differ; None where it rests."""
    rounds = Rounds(program)
    if rounds.rests(pair.booking.account) or rounds.rests(pair.pims.account):
        problems.append(f"site {pair.site} is paused or has ended, and is not compared")
        return None
    with program.ledger.read() as tx:
        if accounts.not_answering(tx, [pair.booking.account, pair.pims.account]):
            problems.append(f"site {pair.site} is not compared: a side of it does not answer")
            return None
    if program.pairers[pair.site].report is None:  # else pairing has read them just now
        progress(f"reading the clients and pets of {pair.booking.account}")
        read_cards(pair, program.ledger, progress)
    progress(f"reading the coming visits of {pair.booking.account}")
    here = _listed(program, pair, pair.booking, problems)
    progress(f"reading the coming visits of {pair.pims.account}")
    there = _listed(program, pair, pair.pims, problems)
    _hint(program, pair, here, there)
    return here, there


def _listed(program: Program, pair: Pair, end: End, problems: list[str]) -> Shown:
    """The coming visits of one side. What stands there unlike it was settled is worked on."""
    if not end.connector.capabilities.of(Kind.APPOINTMENT).search >= WINDOW_KEYS:
        problems.append(f"{end.account} cannot list its visits by time: only what has changed there is compared")
        return Shown()
    records: dict[str, Appointment] = {}
    unreadable: dict[str, str] = {}
    receiver = program.receivers[end.account]
    now = program.clock.now()
    for native in end.connector.search(Kind.APPOINTMENT, window(now, now + AHEAD)):
        id_ = str(native["id"])
        receiver.listed(end, Found(id=id_, native=native), SOURCE)
        try:
            owner, record = _read(program, end, native)
        except MappingError as error:
            unreadable[id_] = error.message
            continue
        if owner in ("", pair.site) and isinstance(record, Appointment):
            records[id_] = record
    return Shown(records=records, unreadable=unreadable)


def _read(program: Program, end: End, native: Native) -> tuple[str, Record]:
    """A visit, and the site whose it is: of several that share a PIMS the first whose code lists know it."""
    sharing = [pair for pair in program.pairs if pair.pims.account == end.account]
    for last, pair in enumerate(sharing, 1 - len(sharing)):
        try:
            return pair.site, pair.pims.mapper.read(Kind.APPOINTMENT, native)
        except MappingError:
            if last == 0:
                raise
    return "", end.mapper.read(Kind.APPOINTMENT, native)


def _hint(program: Program, pair: Pair, here: Shown, there: Shown) -> None:
    """Wakes every linked visit that differs, or is shown by one side alone, unless both are just as they were settled
    and read."""
    now = program.clock.now()
    with program.ledger.write() as tx:
        for link in links.visits(tx, pair.site):
            booking, visit = here.records.get(link.booking_id), there.records.get(link.pims_id)
            if booking is None and visit is None:
                continue
            if link.booking_id in here.unreadable or link.pims_id in there.unreadable:
                continue  # its own change tells
            if booking is None or visit is None:
                seen = booking or visit
                if seen is None or seen.status is AppointmentStatus.CANCELLED or seen.start.utc <= now:
                    continue
            else:
                booking_base, pims_base = links.bases(tx, link)
                mine = base_in_terms(link, booking, visit, booking_base or {}) or {}
                theirs = standing_fields(visit)
                unlike = any(mine[name] != theirs[name] for name in CARRIED)
                moved = any(
                    mine[name] != (booking_base or {}).get(name) or theirs[name] != (pims_base or {}).get(name)
                    for name in CARRIED
                )
                if not (unlike and moved):
                    continue
            changes.receive_linked(tx, link, SOURCE)


def _notes(rehearsal: Rehearsal, loaded: Loaded) -> list[str]:
    """What would keep a pass in earnest from doing all of it at once."""
    return [
        f"The fuse of site {site} lets {loaded.config.sites[site].fuse} of these {count} cancellations, moves and "
        "changes through within an hour; then it asks."
        for site, count in rehearsal.fused().items()
        if site in loaded.config.sites and count > loaded.config.sites[site].fuse
    ]
