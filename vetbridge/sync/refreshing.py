"""Keeps the mirror of clients and pets fresh: of the PIMS for matching, of the booking side for pairing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from vetbridge.connector.budgets import in_bulk, in_poll
from vetbridge.connector.interface import Page
from vetbridge.core.answers import MANY_ENDED
from vetbridge.core.errors import MappingError
from vetbridge.core.progress import reading
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger import accounts, changes, links, mirror, readings, suppression
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.readings import Walk
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync import contact_lines
from vetbridge.sync.due_reading import people_changed, pets_owners
from vetbridge.sync.ends import Ends
from vetbridge.sync.job import Ending
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.people import hint_if_linked
from vetbridge.sync.succession import note_moves
from vetbridge.sync.upgrades import ShapeWatch

log = structlog.get_logger("vetbridge.sync")

MIRRORED = (Kind.PET, Kind.CLIENT)
"""Pets go first: what a client is matched by is then made once, when the client comes."""

EVERY = timedelta(seconds=1)
"""So often is told how far a reading is, at the most."""

LONG = timedelta(minutes=1)
"""What changed while a first reading took longer than this is read before the mirror counts as fresh."""

Progress = Callable[[str], None]
"""Is told in words how far a long reading is."""


def quiet(_words: str) -> None:
    """Tells nobody."""


def read_cards(pair: Pair, ledger: Ledger, progress: Progress = quiet) -> int:
    """Reads the booking side's clients and pets into the mirror: what changed, the first time everything, counted.

    Returns how many records it read. Where fewer came than the side counts, ``mirror_complete_at`` of the account
    stays empty, and the next call reads them again.
    """
    return _Reader(pair.booking, ledger).pass_(progress).read


_TOO_MANY = Ending(
    state=ChangeState.SKIPPED,
    code=MANY_ENDED,
    message="too many records of this kind would end at once; none is believed to until a person has looked",
)


class Refresher:
    """Reads the PIMS side of one pair into the mirror."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair
        self._ledger = ledger
        self._reader = _Reader(pair.pims, ledger, pair)

    def pass_(self, progress: Progress = quiet) -> int:
        """Reads what changed since the last pass, the first time everything; returns how many records it read.

        The mirror counts as complete once as many different records of each kind were read as the side counts. A
        first reading that is cut off is taken up by the next pass.
        """
        done = self._reader.pass_(progress)
        if done.fresh:
            with self._ledger.write() as tx:
                changes.wake(tx, changes.MIRROR_REASONS)
        contact_lines.confirm(self._ledger, self._pair)
        return done.read

    def one(self, kind: Kind, remote_id: str, source: str) -> Ending:
        """Works on a hint about one PIMS client or pet. ``source``: of the hint at what it is linked with."""
        end = self._pair.pims
        native = end.connector.get(kind, remote_id)
        if native is None:
            with self._ledger.write() as tx:
                for link in links.all_of_pims(tx, end.account, kind, [remote_id]):
                    changes.receive_linked(tx, link, source, urgent=True)
            return Ending(state=ChangeState.SKIPPED, code="not-found", message="the PIMS does not show it")
        record = end.mapper.read(kind, native)
        assert isinstance(record, (Client, Pet))  # noqa: S101 - what the mapper makes of these kinds
        ends = Ends(end.account)
        with self._ledger.write() as tx:
            if not ends.sift(tx, [record], {}):
                if ends.let_through(tx, self._pair, kind) is None:
                    return _TOO_MANY
                ends.drop(tx, kind)
            owners = pets_owners(tx, end.account, [record])
            note_moves(tx, end.account, [record])
            mirror.put(tx, end.account, [record])
            hint_if_linked(tx, self._pair, record, source)
            people_changed(tx, end.account, [record], owners)
        return Ending(state=ChangeState.DONE, code="mirrored", message="kept for matching")


@dataclass(frozen=True, slots=True)
class _Done:
    """What one pass came to."""

    read: int
    fresh: bool
    """The mirror holds all that the side shows."""


class _Reader:
    """Reads the clients and pets of one account into the mirror. ``pair``: of a PIMS, whose news after the first
    reading concern what they are linked with, and the cards that show what is due for them."""

    def __init__(self, end: End, ledger: Ledger, pair: Pair | None = None) -> None:
        self._end = end
        self._pair = pair
        self._ledger = ledger
        self._shapes = ShapeWatch(ledger)
        self._unreadable = 0
        self._told_at: datetime | None = None

    def pass_(self, progress: Progress) -> _Done:
        """Reads every kind: what changed, or all of it where that was not read yet."""
        account = self._end.account
        self._unreadable = 0
        self._told_at = None
        read, whole = 0, True
        with self._ledger.read() as tx:
            first = accounts.get(tx, account).mirror_complete_at is None
        able = self._end.connector.capabilities
        for kind in MIRRORED:
            if able.of(kind).listed_with in MIRRORED:
                continue  # one walk reads both
            with self._ledger.read() as tx:
                ended = readings.ended(tx, account, kind)
            if ended:
                read += self._changed(kind)
            else:
                walk = self._everything(kind, progress)
                read, whole = read + walk.seen, whole and walk.whole
                if walk.whole and able.of(kind).incremental and walk.took > LONG:
                    read += self._changed(kind)
        if whole:
            with self._ledger.write() as tx:
                mirror.completed(tx, account, first=first)
        else:
            log.warning("mirror.incomplete", account=account, read=read)
        if self._unreadable:
            # They are never candidates.
            log.warning("mirror.unreadable", account=account, records=self._unreadable)
        return _Done(read, whole)

    def _changed(self, kind: Kind) -> int:
        """Reads what changed since the last pass; returns how many records.

        Those that end are kept until all were read: where too many would at once, none does, and the next pass reads
        from the same place again.
        """
        end = self._end
        with self._ledger.read() as tx:
            since = readings.cursor(tx, end.account, kind)
        read, cursor, ends = 0, None, Ends(end.account)
        with in_poll() if end.connector.capabilities.of(kind).incremental else in_bulk():
            for page in end.connector.changes(kind, since):
                records, beside, _ = self._read(kind, page)
                records += beside
                with self._ledger.write() as tx:
                    if self._pair is not None:
                        records = ends.sift(tx, records, {kind: page.records, **page.beside})
                    self._store(tx, records)
                read += len(page.records)
                cursor = page.cursor if page.last else cursor
        told = [of for of in MIRRORED if kind in (of, end.connector.capabilities.of(of).listed_with)]
        with self._ledger.write() as tx:
            through = [self._end_those(tx, of, ends) for of in told]
            if cursor is not None and all(through):
                readings.move_cursor(tx, end.account, kind, cursor)
        return read

    def _store(self, tx: Transaction, records: Sequence[Client | Pet]) -> None:
        account = self._end.account
        if self._pair is None:
            mirror.put(tx, account, records)
            return
        owners = pets_owners(tx, account, records)
        note_moves(tx, account, records)
        mirror.put(tx, account, records)
        for record in records:
            hint_if_linked(tx, self._pair, record)
        people_changed(tx, account, records, owners)

    def _end_those(self, tx: Transaction, kind: Kind, ends: Ends) -> bool:
        """Lets those of a kind end that were told to; whether it did."""
        if self._pair is None:
            return True
        ended = ends.let_through(tx, self._pair, kind)
        if ended is None:
            log.error("mirror.too-many-end", account=self._end.account, kind=kind.value)
            return False
        self._store(tx, ended)
        ends.drop(tx, kind)
        return True

    def _everything(self, kind: Kind, progress: Progress) -> Walk:
        """The first reading of a kind, taken up where it was cut off; a walk that was taken up and is not whole is
        followed by one from end to end."""
        account = self._end.account
        with self._ledger.write() as tx:
            cut_off = readings.under_way(tx, account, kind)
            walk = cut_off or readings.begin(tx, account, kind)
        with in_bulk():
            self._walk(kind, walk, progress)
            if cut_off is not None and not walk.whole:
                log.info("mirror.read-again", account=account, kind=kind.value)
                with self._ledger.write() as tx:
                    walk = readings.begin(tx, account, kind)
                self._walk(kind, walk, progress)
        return walk

    def _walk(self, kind: Kind, walk: Walk, progress: Progress) -> None:
        """Walks on to the end, page by page, and says whether as many different records came as the side counts."""
        account = self._end.account
        known, cursor = walk.page, ""
        for page in self._end.connector.changes(kind, None, mark=walk.mark):
            ids = [found.id for found in page.records]
            if known and readings.digest(ids) != known:
                return  # records have moved since it was cut off: any may have slipped past
            known, cursor = "", page.cursor
            records, beside, aside = self._read(kind, page)
            walk.came(page.mark, ids, aside, page.total)
            with self._ledger.write() as tx:
                mirror.put(tx, account, [*records, *beside])
                kept = suppression.but_forgotten(tx, account, records)
                walk.aside.update({one.id or "" for one in records} - {one.id or "" for one in kept})
                readings.touch(tx, account, kind, [record.id or "" for record in records], walk)
                readings.keep(tx, account, kind, walk)
                accounts.answered(tx, account)
                now = tx.now
            if page.last or self._told_at is None or now - self._told_at >= EVERY:
                self._told_at = now
                progress(reading(kind, account, walk.seen, walk.total))
        with self._ledger.write() as tx:
            walk.took = tx.now - walk.begun_at
            # A side that does not count is taken at its word.
            walk.whole = walk.total is None or readings.counted(tx, account, kind, walk) >= walk.total
            if walk.whole:
                readings.move_cursor(tx, account, kind, cursor, total=walk.total)
            else:
                readings.begin(tx, account, kind)

    def _read(self, kind: Kind, page: Page) -> tuple[list[Client | Pet], list[Client | Pet], list[str]]:
        """The records of a page, those beside them, and the ids of those that cannot be read or are gone."""
        records, aside = self._readable(kind, page)
        beside: list[Client | Pet] = []
        for other, found in page.beside.items():
            if other in MIRRORED:
                beside += self._readable(other, replace(page, records=found))[0]
        return records, beside, aside

    def _readable(self, kind: Kind, page: Page) -> tuple[list[Client | Pet], list[str]]:
        self._shapes.saw(self._end, kind, page)
        records: list[Client | Pet] = []
        aside: list[str] = []
        for found in page.records:
            record = None
            if found.native is not None:
                try:
                    record = self._end.mapper.read(kind, found.native)
                except MappingError:
                    self._unreadable += 1
            if isinstance(record, (Client, Pet)):
                records.append(record)
            else:
                aside.append(found.id)
        return records, aside
