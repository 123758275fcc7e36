"""The visits of one client, received alone: for a first try on one client, and for support."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vetbridge.connector.interface import Native
from vetbridge.core.errors import MappingError
from vetbridge.core.normalise import shown
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts, changes, families
from vetbridge.ledger.database import Ledger
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.slots import WINDOW_KEYS, window

SOURCE = "sync --only"
"""Source of a change that was received for its client's sake."""

BEHIND = timedelta(days=1)
"""Visits that began earlier are left out where the side lists by time: nothing is written for them."""
AHEAD = timedelta(days=366)


class NobodyMeant(Exception):
    """No side has a client of this id, or several have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One client of one pair, by its ids at both sides."""

    pair: Pair
    booking_ids: frozenset[str]
    pims_ids: frozenset[str]
    words: str
    """Whom it is about, without a name."""


def family(ledger: Ledger, pairs: Sequence[Pair], client: str) -> tuple[Family, ...]:
    """Whom an id means, in each pair that knows it: a client of a booking side first, else one of a PIMS.

    ``ACCOUNT/ID`` names the account, too. Raises ``NobodyMeant`` with words for a person.
    """
    account, slash, id_ = client.partition("/")
    if not slash or account not in {end.account for pair in pairs for end in (pair.booking, pair.pims)}:
        account, id_ = "", client
    for booking in (True, False):
        ends = {end.account: end for pair in pairs for end in [pair.booking if booking else pair.pims]}
        found = [end for name, end in ends.items() if account in ("", name) and _has(end, id_)]
        if len(found) > 1:
            names = ", ".join(f"{end.account}/{id_}" for end in found)
            raise NobodyMeant(f"several accounts have a client {shown(id_)}; name one of {names}")
        if found:
            here = [pair for pair in pairs if found[0].account == (pair.booking if booking else pair.pims).account]
            return tuple(_family(ledger, pair, found[0].account, id_, booking=booking) for pair in here)
    raise NobodyMeant(f"{account} has no client {shown(id_)}" if account else f"no side has a client {shown(id_)}")


def receive(ledger: Ledger, one: Family, now: datetime) -> set[int]:
    """Receives every visit of a client as if something had changed; returns the records. No cursor moves.

    Counterparts that were linked since ``family`` looked belong to it, too. A PIMS visit that is linked is received
    as its booking, which is how linked visits are worked on.
    """
    booking, pims = one.pair.booking, one.pair.pims
    between = (booking.account, pims.account)
    with ledger.read() as tx:
        there = [families.pims_clients(tx, *between, id_) for id_ in one.booking_ids]
        here = [families.booking_clients(tx, *between, id_) for id_ in one.pims_ids]
    booking_ids, pims_ids = one.booking_ids.union(*here), one.pims_ids.union(*there)
    bookings = set(_listed(ledger, booking, booking_ids, now))
    visits = set(_listed(ledger, pims, pims_ids, now))
    with ledger.write() as tx:
        for end, ids, known in ((booking, booking_ids, bookings), (pims, pims_ids, visits)):
            for id_ in ids:
                known.update(families.visits(tx, end.account, id_))
        linked = {id_: families.booking_of(tx, booking.account, pims.account, id_) for id_ in visits}
        bookings |= {id_ for id_ in linked.values() if id_ is not None}
        wanted = [(booking.account, id_) for id_ in bookings]
        wanted += [(pims.account, id_) for id_, other in linked.items() if other is None]
        return {
            changes.receive(
                tx, site=one.pair.site, account=account, kind=Kind.APPOINTMENT, remote_id=id_, source=SOURCE
            ).record_id
            for account, id_ in sorted(wanted)
        }


def _has(end: End, id_: str) -> bool:
    able = end.connector.capabilities.of(Kind.CLIENT)
    return bool(id_) and able.read and end.connector.get(Kind.CLIENT, id_) is not None


def _family(ledger: Ledger, pair: Pair, account: str, id_: str, *, booking: bool) -> Family:
    with ledger.read() as tx:
        between = (pair.booking.account, pair.pims.account)
        if booking:
            pims_ids = families.pims_clients(tx, *between, id_)
            booking_ids = {id_}
        else:
            pims_ids = {id_}
            booking_ids = families.booking_clients(tx, *between, id_)
    return Family(
        pair=pair,
        booking_ids=frozenset(booking_ids),
        pims_ids=frozenset(pims_ids),
        words=f"client {shown(id_)} of {account}",
    )


def _listed(ledger: Ledger, end: End, clients: Collection[str], now: datetime) -> Iterator[str]:
    """Ids of the visits of some clients, as the side lists them: by client or by time where it can be searched so,
    else what changed since the last poll."""
    if not clients:
        return
    for native in _natives(ledger, end, clients, now):
        try:
            record = end.mapper.read(Kind.APPOINTMENT, native)
        except MappingError:
            continue  # whose it is cannot be read
        if record.id is not None and record.client_id in clients:
            yield record.id


def _natives(ledger: Ledger, end: End, clients: Collection[str], now: datetime) -> Iterator[Native]:
    keys = end.connector.capabilities.of(Kind.APPOINTMENT).search
    near = window(now - BEHIND, now + AHEAD)
    if "client_id" in keys:
        for id_ in sorted(clients):
            yield from end.connector.search(
                Kind.APPOINTMENT, {"client_id": id_, **(near if keys >= WINDOW_KEYS else {})}
            )
    elif keys >= WINDOW_KEYS:
        yield from end.connector.search(Kind.APPOINTMENT, near)
    else:
        with ledger.read() as tx:
            since = accounts.cursor(tx, end.account, Kind.APPOINTMENT)
        for page in end.connector.changes(Kind.APPOINTMENT, since):
            yield from (found.native for found in page.records if found.native is not None)
