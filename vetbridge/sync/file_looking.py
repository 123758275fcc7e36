"""Looks for new files at both sides of a pair.

A side that tells what changed is asked for that. One that does not is asked client by client: for those who have a
visit soon, or had one of late, a few at a time. What was there before VetBridge began to look is history.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from vetbridge.connector.budgets import in_bulk, in_poll
from vetbridge.connector.interface import Found, Native
from vetbridge.core.errors import BadAnswer, MappingError, Refused
from vetbridge.core.records import Attachment, Kind, Side
from vetbridge.ledger import accounts, attached, changes, going_live, links, mirror, readings, suppression
from vetbridge.ledger.content import plain
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.sealing import Sealer
from vetbridge.sync.pair import End, FilePolicy, Pair

log = structlog.get_logger("vetbridge.sync")

AT_ONCE = 20
"""Clients that are asked for their files in one pass, each by a call."""
REST = 5
"""A client is asked again after the time of so many passes, unless something was booked meanwhile."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class FileLooker:
    """Looks for the new files of one pair. ``every``: seconds between two passes."""

    def __init__(self, pair: Pair, ledger: Ledger, *, every: float = 60.0) -> None:
        self._pair = pair
        self._ledger = ledger
        self.again = timedelta(seconds=REST * every)
        """A client is asked again after that."""
        self._passes = 0
        self._unread: dict[str, int] = {}
        """Clients whose files could not be listed, each with the pass in which they were asked."""

    def pass_(self) -> int:
        """Asks for what is new, of a side that does not tell for the files of a few clients; returns how many changes
        it opened. In the shadow it only notes how far the sides are."""
        pair = self._pair
        if pair.files is None:
            return 0
        self._passes += 1
        with self._ledger.write() as tx:
            attached.begin(tx, pair.booking.account)
        opened = 0
        for side in Side:
            if not is_wanted(pair, side):
                continue
            end = pair.pims if side is Side.PIMS else pair.booking
            able = end.connector.capabilities.of(Kind.ATTACHMENT)
            if able.incremental:
                opened += self._poll(end)
            elif side is Side.BOOKING and "client_id" in able.search:
                opened += self._ask(end, pair.files)
        return opened

    # -- a side that tells what changed

    def _poll(self, end: End) -> int:
        with self._ledger.read() as tx:
            since = accounts.cursor(tx, end.account, Kind.ATTACHMENT)
        if since is None:
            self._walk_by(end)
            return 0
        opened = 0
        with in_poll():
            for page in end.connector.changes(Kind.ATTACHMENT, since):
                with self._ledger.write() as tx:
                    opened += sum(self._take(tx, end, found) for found in page.records)
                    accounts.move_cursor(tx, end.account, Kind.ATTACHMENT, page.cursor)
        return opened

    def _walk_by(self, end: End) -> None:
        """Takes nothing of what a side has had before, and its cursor. A walk that is cut off is taken up: what may
        have slipped past it then is history as well."""
        kind = Kind.ATTACHMENT
        with self._ledger.write() as tx:
            walk = readings.under_way(tx, end.account, kind) or readings.begin(tx, end.account, kind)
        cursor = None
        with in_bulk():
            for page in end.connector.changes(kind, None, mark=walk.mark):
                walk.came(page.mark, [found.id for found in page.records], [], page.total)
                cursor = page.cursor
                with self._ledger.write() as tx:
                    readings.keep(tx, end.account, kind, walk)
        if cursor is not None:
            with self._ledger.write() as tx:
                readings.move_cursor(tx, end.account, kind, cursor, total=walk.total)
                accounts.move_cursor(tx, end.account, kind, cursor)

    def _take(self, tx: Transaction, end: End, found: Found) -> bool:
        """Receives a file that a listing of changes shows; whether it opened a change. One that failed is tried
        again where it has changed."""
        if found.deleted:
            return False
        record = None if found.native is None else _read(end, found.native)
        if record is None:  # whoever works on it says why
            pair = self._pair
            is_old = new_since(tx, pair.site, pair.booking.account) is None
            known = attached.is_known(tx, end.account, found.id)
            return not is_old and not known and self._receive(tx, pair.site, end, found.id)
        if attached.is_settled(tx, end.account, found.id, digest(tx.sealer, record)):
            return False
        site, booking = self._place(tx, end, record)
        since = new_since(tx, site, booking)
        return self._is_new(tx, end, record, since) and self._receive(tx, site, end, found.id)

    def _place(self, tx: Transaction, end: End, record: Attachment) -> tuple[str, str]:
        """The site whose the file is, and its booking account. Of a PIMS that several sites share it is that of its
        owner, of an owner who is known at several of them the first that looks for files."""
        pair = self._pair
        owner = record.client_id or (record.pet_id and mirror.owner_of(tx, end.account, record.pet_id))
        if end.account != pair.pims.account or not owner:
            return pair.site, pair.booking.account
        of_owner = [
            link for link in links.all_of_pims(tx, end.account, Kind.CLIENT, [owner]) if link.role == "primary"
        ]
        places = [(link.site, link.booking_account) for link in of_owner]
        looking = [place for place in places if new_since(tx, *place) is not None]
        return next(iter([*looking, *places]), (pair.site, pair.booking.account))

    # -- a side that does not

    def _ask(self, end: End, policy: FilePolicy) -> int:
        """Asks the clients for their files whose turn it is: who was never asked or long ago, of those who come
        soonest first."""
        with self._ledger.read() as tx:
            since = new_since(tx, self._pair.site, end.account)
            if since is None:
                return 0
            visits = attached.visits(tx, self._pair.booking.account, *window(tx.now, policy))
            soonest = {each.card_id: each.at for each in reversed(visits)}
            asked = attached.looks(tx, end.account, soonest)
            due = [id_ for id_ in soonest if asked.get(id_, _NEVER) + self.again <= tx.now and not self._rests(id_)]
            due.sort(key=lambda id_: (asked.get(id_, _NEVER), soonest[id_]))
            linked = (id_ for id_ in due if links.of_booking(tx, end.account, Kind.CLIENT, id_) is not None)
            chosen = list(itertools.islice(linked, AT_ONCE))
        return sum(self._ask_one(end, id_, since, first=id_ not in asked) for id_ in chosen)

    def _rests(self, client_id: str) -> bool:
        """Whether the files of a client could not be listed a moment ago."""
        return self._passes - self._unread.get(client_id, -REST) < REST

    def _ask_one(self, end: End, client_id: str, since: datetime, *, first: bool) -> int:
        """``first``: of files whose age nobody tells, those that are there now are history."""
        records = []
        try:
            with in_poll():
                for native in end.connector.search(Kind.ATTACHMENT, {"client_id": client_id}):
                    record = _read(end, native)
                    if record is not None and record.id is not None and record.client_id in (None, client_id):
                        records.append(record)
        except (Refused, BadAnswer) as error:  # of one client: the others are asked nevertheless
            log.warning("files.refused", account=end.account, code=error.code)
            self._unread[client_id] = self._passes
            return 0
        self._unread.pop(client_id, None)
        opened = 0
        with self._ledger.write() as tx:
            for record in records:
                id_ = record.id or ""
                if attached.is_settled(tx, end.account, id_, digest(tx.sealer, record)):
                    continue
                if first and record.made_at is None:
                    changes.record_of(tx, end.account, Kind.ATTACHMENT, id_)
                elif self._is_new(tx, end, record, since):
                    opened += self._receive(tx, self._pair.site, end, id_)
            attached.looked(tx, end.account, client_id)
        return opened

    # -- both

    def _is_new(self, tx: Transaction, end: End, record: Attachment, since: datetime | None) -> bool:
        if not record.active or since is None or is_history(record, since):
            return False
        if attached.is_linked(tx, end.account, record.id or ""):
            return False  # VetBridge brought it there
        owners = ((Kind.CLIENT, record.client_id), (Kind.PET, record.pet_id))
        return not any(suppression.is_forgotten(tx, end.account, kind, id_) for kind, id_ in owners)

    def _receive(self, tx: Transaction, site: str, end: End, remote_id: str) -> bool:
        change = changes.receive(
            tx, site=site, account=end.account, kind=Kind.ATTACHMENT, remote_id=remote_id, source="poll"
        )
        return change.received_at == tx.now


def is_wanted(pair: Pair, side: Side) -> bool:
    """Whether files of a side are carried to the other one: the site wants it, and both sides can."""
    if pair.files is None or (pair.files.to_pims if side is Side.BOOKING else pair.files.to_booking) is None:
        return False
    source, target = (pair.booking, pair.pims) if side is Side.BOOKING else (pair.pims, pair.booking)
    return source.connector.capabilities.of(Kind.ATTACHMENT).read and bool(takes(target))


def takes(end: End) -> frozenset[Kind]:
    """What a new file can hang on at a side; nothing where it takes none."""
    able = end.connector.capabilities.of(Kind.ATTACHMENT)
    if able.create is None or Kind.ATTACHMENT not in end.mapper.table.kinds:
        return frozenset()
    writable = end.mapper.writable(Kind.ATTACHMENT)
    return frozenset(kind for kind in able.hangs_on if f"{kind}_id" in writable)


def window(now: datetime, policy: FilePolicy) -> tuple[datetime, datetime]:
    """From when until when visits say whose files are looked for."""
    return now - timedelta(days=policy.days_before), now + timedelta(days=policy.days_after)


def new_since(tx: Transaction, site: str, booking_account: str) -> datetime | None:
    """Files that are older than this are history at a site; None while all are."""
    since = attached.began(tx, booking_account)
    row = going_live.of(tx, site)
    if since is None or row is None:
        return since
    return None if row.approved_at is None else max(since, row.approved_at)


def digest(sealer: Sealer, record: Attachment) -> str:
    """A keyed hash of what a side says about a file; not of its content."""
    return sealer.hash(repr(plain(replace(record, version=None))))


def is_history(record: Attachment, since: datetime) -> bool:
    """Whether a file is known to be older than that; sides tell whole seconds."""
    return record.made_at is not None and record.made_at.utc < since.replace(microsecond=0)


def _read(end: End, native: Native) -> Attachment | None:
    try:
        return end.mapper.read(Kind.ATTACHMENT, native)
    except MappingError:
        return None
