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
    if site is not None and site not in config.sites and site not in reports.site_reports(tx):
        raise Refused(404, "unknown-site", f"no site is called {shown(site)}")
    if account is not None and account not in config.accounts and account not in reports.account_reports(tx):
        raise Refused(404, "unknown-account", f"no account is called {shown(account)}")
