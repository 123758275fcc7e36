"""Sites and accounts by the names that somebody gives."""

from __future__ import annotations

from vetbridge.config.models import Config
from vetbridge.core.normalise import shown
from vetbridge.ledger import reports
from vetbridge.ledger.database import Transaction
from vetbridge.web.api.shapes import Refused


def must_know(tx: Transaction, config: Config, *, site: str | None = None, account: str | None = None) -> None:
    """Raises ``Refused`` for a site or an account that neither the config nor the ledger has.

    Else a slip of the pen would read as "nobody has to look at anything".
    """
    for what, given, known in (
        ("site", site, {*config.sites, *reports.site_reports(tx)}),
        ("account", account, {*config.accounts, *reports.account_reports(tx)}),
    ):
        if given is not None and given not in known:
            raise Refused(404, f"unknown-{what}", f"no {what} is called {shown(given)}")
