"""Notices what a vendor's upgrade has changed, and pauses the sites that it concerns.

Code lists are read every few hours and compared with what was read last. The shape of records is watched where they
are listed anyway. Nothing is deleted or cancelled because of either: a person looks, mends the config, and resumes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import structlog

from vetbridge.connector.interface import Native, Page
from vetbridge.core.errors import AuthFailed, Refused, SchemaChanged
from vetbridge.core.records import Kind
from vetbridge.core.upgrades import CODES_CHANGED, SCHEMA_CHANGED, Codes, changed, tidy, to_keep
from vetbridge.ledger import codelists, pauses, shapes
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.mapping import Held, Mapper
from vetbridge.sync.pair import End, Pair

log = structlog.get_logger("vetbridge.sync")

VETBRIDGE: Final = "vetbridge"
"""Who pauses a site where no person does."""

LEAST: Final = 20
"""So many different records must lack a path before it counts as taken away: one that is damaged, or made in another
way, is a change that fails and no upgrade. A clinic changes so many records in some hours, and a first reading or a
restored listing shows them at once."""

LEARNT_FROM: Final = 50
"""From so many of the records it is learnt which paths they have and fill: a first reading has pages enough."""

WHOLE: Final = "the whole record"
"""Stands for a path where the connector itself cannot read a record."""


class Upgrades:
    """Looks at the code lists of the accounts of some pairs."""

    def __init__(self, ledger: Ledger, pairs: Sequence[Pair]) -> None:
        self._ledger = ledger
        self._pairs = pairs

    def look(self, account: str) -> int:
        """Compares the code lists of one account with what was kept of them; returns how many codes stop sites.

        The first look only keeps them. Of a list that is learnt from records no code goes. A list that the
        credentials may not read is no change, and no reason to block the account.
        """
        ends = {pair.site: end for pair in self._pairs for end in (pair.booking, pair.pims) if end.account == account}
        connector = next(iter(ends.values())).connector
        if not connector.capabilities.code_lists:
            return 0
        try:
            lists = tidy(connector.code_lists())
        except (AuthFailed, Refused) as error:
            log.warning("upgrades.not-read", account=account, code=error.code, message=error.message)
            return 0
        stopped: dict[str, set[str]] = {}
        with self._ledger.write() as tx:
            kept = codelists.kept(tx, account)
            for name, titles in lists.items():
                before = kept.get(name, titles)
                if name in connector.capabilities.learnt_lists:
                    titles = {**before, **titles}  # noqa: PLW2901 - what no record bears any more is not gone
                used = {site: used_codes(end.mapper, name) for site, end in ends.items()}
                found = {site: changed(name, before, titles, codes) for site, codes in used.items()}
                for site, changes in found.items():
                    stopped.setdefault(site, set()).update(f"{name} {each.code}" for each in changes if each.stops)
                every = [each for changes in found.values() for each in changes]
                codelists.keep(tx, account, name, to_keep(before, titles, every, _together(used.values())))
            for site, codes in stopped.items():
                if codes:
                    _pause(tx, site, account, CODES_CHANGED, codes=sorted(codes))
        return sum(map(len, stopped.values()))

    def schema_changed(self, account: str) -> None:
        """Pauses every site that uses an account whose records can no longer be read as they were."""
        with self._ledger.write() as tx:
            for pair in self._pairs:
                if account in (pair.booking.account, pair.pims.account):
                    _pause(tx, pair.site, account, SCHEMA_CHANGED)


class ShapeWatch:
    """Watches the records that one reader of listings sees, for paths that an upgrade has taken away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen: dict[tuple[str, Kind], dict[str, Native | None]] = {}

    def saw(self, end: End, kind: Kind, page: Page) -> None:
        """Takes one page of a listing, before anything is made of it.

        Records of small pages are gathered until there are enough of them. Raises ``SchemaChanged`` where every one
        lacks what such records had.
        """
        seen = self._seen.setdefault((end.account, kind), {})
        seen.update({found.id: found.native for found in page.records if not found.deleted or found.native})
        if len(seen) < LEAST:
            return
        records = list(seen.values())
        seen.clear()
        with self._ledger.read() as tx:
            known = shapes.known(tx, end.account, kind)
        told = examine(end.mapper, kind, records, known)
        if told != known:
            with self._ledger.write() as tx:
                shapes.keep(tx, end.account, kind, told)
        if told.lost:
            error = SchemaChanged(
                f"{end.account}: all {len(records)} records of kind {kind} that came last lack, or show in a form "
                f"that cannot be read: {', '.join(sorted(told.lost))}"
            )
            error.account = end.account
            raise error


def examine(mapper: Mapper, kind: Kind, records: Sequence[Native | None], known: shapes.Known) -> shapes.Known:
    """What is known of a kind once these records were seen, and which paths are lost in all of them.

    Lost is a path that every record had, and that is absent or odd in each of these; and one without which no record
    can be read. A record that is None is one that the connector cannot read; one that never lists records tells
    nothing.
    """
    natives = [native for native in records if native is not None]
    if not natives:
        return replace(known, lost=frozenset({WHOLE}) if known.filled else frozenset())
    paths = mapper.paths(kind)
    suspects = {path for path, needed in paths.items() if needed or path in known.filled}
    for native in natives:
        suspects = {path for path in suspects if _is_lost(mapper.held(kind, native, path), needed=paths[path])}
        if not suspects:
            break
    sample = natives[:LEARNT_FROM]
    filled, sparse = set(known.filled), set(known.sparse)
    for path in paths.keys() - known.sparse - suspects:
        held = {mapper.held(kind, native, path) for native in sample}
        if Held.ABSENT in held:
            filled.discard(path)
            sparse.add(path)
        elif Held.FILLED in held:
            filled.add(path)
    lost = suspects or _unreadable(mapper, kind, natives)
    return shapes.Known(filled=frozenset(filled), sparse=frozenset(sparse), lost=frozenset(lost))


def used_codes(mapper: Mapper, name: str) -> Codes:
    """The codes of one list that a mapping uses; none of a list that it does not have."""
    codes = mapper.codes.get(name)
    if codes is None:
        return Codes(written=frozenset(), read=frozenset())
    written = {several[0] for several in codes.entries.values()} | set(filter(None, [codes.otherwise_write]))
    every = {code for several in codes.entries.values() for code in several}
    return Codes(written=frozenset(written), read=frozenset(every - written))


def _is_lost(held: Held, *, needed: bool) -> bool:
    return held is not Held.FILLED if needed else held in (Held.ABSENT, Held.ODD)


def _unreadable(mapper: Mapper, kind: Kind, natives: Sequence[Native]) -> set[str]:
    """Where not one record can be read, whatever each one lacks: the paths by which they cannot be; else none."""
    paths = mapper.paths(kind)
    found: set[str] = set()
    for native in natives:
        held = {path: mapper.held(kind, native, path) for path in paths}
        bad = {path for path, is_ in held.items() if is_ is Held.ODD or (paths[path] and is_ is not Held.FILLED)}
        if not bad:
            return set()
        found |= bad
    return found


def _together(used: Collection[Codes]) -> Codes:
    return Codes(
        written=frozenset().union(*(each.written for each in used)),
        read=frozenset().union(*(each.read for each in used)),
    )


def _pause(tx: Transaction, site: str, account: str, why: str, **more: object) -> None:
    pauses.pause(tx, "site", site, until=None, by=VETBRIDGE, why=why)
    log.error("site.paused", site=site, account=account, why=why, **more)
