"""Links: which record here is which record there. Ids, no names; only what a match was decided by is personal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vetbridge.core import normalise
from vetbridge.ledger import reports
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import LinkReport

LONGEST_ID = 200
"""Characters of an id that is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLink:
    """One link. Holds no personal values."""

    id: int
    site: str
    kind: str
    booking_account: str
    booking_id: str
    pims_account: str
    pims_id: str
    role: str
    """``primary`` carries field updates, ``member`` serves resolving only."""
    part: int
    origin: str
    """How it came to be: ``matched``, ``created``, ``placeholder``, ``found``, ``desk``, and others."""
    unlinked: bool
    """The visit stands without its owner, or on the placeholder."""
    stamp: str
    since: datetime
    updated_at: datetime
    ended_at: datetime | None
    dropped: bool
    """It has ended, and what it was decided by is no longer kept (``ledger.keep_bodies_days``)."""
    follows: int | None
    """The link of the visit that its owner missed, and after which this one was booked."""
    evidence_count: int
    """How many fields spoke for or against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Links that hold now, the newest first."""

    total: int
    """How many fit; ``links`` may hold fewer."""
    links: tuple[ListedLink, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLink:
    """One link, and what a match was decided by. Evidence holds personal values."""

    link: ListedLink
    evidence: tuple[Mapping[str, Any], ...]


def listing(tx: Transaction, *, site: str | None, kind: str | None, unlinked: bool, limit: int) -> Listing:
    """The newest links that hold now and fit; ``unlinked``: only visits that stand without their owner."""
    total, found = reports.list_links(tx, site=site, kind=kind, unlinked=unlinked, limit=limit)
    return Listing(total=total, links=tuple(_listed(link) for link in found))


def links_of(tx: Transaction, remote_id: str) -> tuple[ShownLink, ...]:
    """Every link of a record that bears this id at either side, ended ones too, the newest first."""
    return tuple(
        ShownLink(link=_listed(link), evidence=_evidence(link))
        for link in reports.links_of(tx, normalise.shown(remote_id, LONGEST_ID))
    )


def _listed(link: LinkReport) -> ListedLink:
    return ListedLink(
        id=link.id,
        site=link.site,
        kind=link.kind,
        booking_account=link.booking_account,
        booking_id=link.booking_id,
        pims_account=link.pims_account,
        pims_id=link.pims_id,
        role=link.role,
        part=link.part,
        origin=link.origin,
        unlinked=link.unlinked,
        stamp=link.stamp,
        since=link.created_at,
        updated_at=link.updated_at,
        ended_at=link.ended_at,
        dropped=link.dropped,
        follows=link.follows,
        evidence_count=len(_evidence(link)),
    )


def _evidence(link: LinkReport) -> tuple[Mapping[str, Any], ...]:
    found = link.evidence if isinstance(link.evidence, (tuple, list)) else ()
    return tuple(each for each in found if isinstance(each, Mapping))
