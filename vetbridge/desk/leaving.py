"""The end of a pair: what it comes to, and doing it. Links stay in the ledger, so that the pair may begin anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vetbridge.config.models import Config
from vetbridge.desk.installs import is_app
from vetbridge.ledger import audit, endings, going_live, reports
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.endings import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class PairEnd:
    """A pair that has ended, or would end."""

    site: str
    ended_at: datetime | None
    """None in a dry run of a pair that stands."""
    ended_by: str
    waiting: Waiting
    """What was closed, or would be closed, with it."""


def sites(tx: Transaction, config: Config) -> set[str]:
    """The sites whose pair may be ended: the config's, and those that the ledger still knows."""
    return {*config.sites, *going_live.met(tx), *reports.site_reports(tx)}


def planned(tx: Transaction, config: Config, site: str) -> PairEnd:
    """What the end of a pair would come to."""
    row = going_live.of(tx, site)
    return PairEnd(
        site=site,
        ended_at=row.ended_at if row is not None else None,
        ended_by=row.ended_by if row is not None else "",
        waiting=endings.waiting(tx, site, _shared(tx, config, site)),
    )


def end(tx: Transaction, config: Config, site: str, by: str, *, via: str = audit.COMMAND) -> PairEnd:
    """Ends a pair. A running VetBridge minds it within a second or two; writes that are under way finish."""
    row = going_live.meet(tx, site, start_live=False)
    closed = going_live.end(tx, site, by, shared=_shared(tx, config, site))
    if is_app(row.ended_by):
        row.ended_by = by  # a person has seen that the clinic took an app away
    audit.note(tx, Act.PAIR_ENDED, by=by, via=via, site=site, subject="site", subject_id=site)
    return PairEnd(site=site, ended_at=row.ended_at, ended_by=row.ended_by, waiting=closed)


def _shared(tx: Transaction, config: Config, site: str) -> dict[str, str]:
    """The accounts of a site that other pairs use, each with one of those that have not ended."""
    own = config.sites.get(site)
    if own is None:
        return {}
    mine = {own.booking.account, own.pims.account}
    ended = going_live.ended(tx)
    others = {name: each for name, each in config.sites.items() if name != site and name not in ended}
    return {
        account: name
        for name, each in reversed(others.items())
        for account in (each.booking.account, each.pims.account)
        if account in mine
    }
