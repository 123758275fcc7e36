"""The words and checks of `vetbridge sync --approve`: a pair leaves the shadow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from vetbridge.cli.output import emit_json, say
from vetbridge.cli.reading import USAGE, give_up, ledger_beside, signed
from vetbridge.cli.tables import one_line, say_wrapped
from vetbridge.ledger import audit, going_live
from vetbridge.ledger.audit import Act

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.config.models import Config
    from vetbridge.ledger.database import Ledger
    from vetbridge.sync.pairing import Report


def must_fit(config: Config, *, approve: bool, more: bool, site: str | None, only: str | None, as_json: bool) -> None:
    """Ends the command where its options do not go together, or name a site that the config does not have."""
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick

    text = ""
    if (more or site is not None) and not approve:
        text = "--more and --site go with --approve"
    elif (more or site is not None) and only is not None:
        text = "--only names one client: --more and --site do not go with it"
    elif site is not None and site not in config.sites:
        text = f"no site is called {one_line(site)!r}{nearest(site, sorted(config.sites))}"
    if text:
        give_up("sync", text, advice="", code="usage", as_json=as_json, exit_code=USAGE)


def approve(ledger: Ledger, config: Config, *, site: str | None, more: bool, by: str | None) -> dict[str, int]:
    """Lets the sites write from now on; returns them, each with the number of changes that have waited for it."""
    who = signed(by)
    with ledger.write() as tx:
        # One that has ended begins anew by its name alone.
        sites = [site] if site is not None else sorted(config.sites.keys() - going_live.ended(tx))
        for name in sites:
            going_live.meet(tx, name, start_live=config.sites[name].start == "live")
        found = {name: going_live.approve(tx, name, who) for name in sites}
        for name in sites:
            if more:
                going_live.let_more_through(tx, name)
            says = "more" if more else ""
            audit.note(
                tx, Act.APPROVED, by=who, via=audit.COMMAND, site=name, subject="site", subject_id=name, says=says
            )
    return found


def beside_a_daemon(loaded: Loaded, *, site: str | None, more: bool, by: str | None, as_json: bool) -> None:
    """Where a VetBridge is at work, it does the rest: the approval is written down, and the command ends."""
    from vetbridge.daemon.lock import running  # noqa: PLC0415 - keeps --help quick
    from vetbridge.ledger.database import exists  # noqa: PLC0415

    place = loaded.config.ledger.place
    if not exists(place) or running(place) is None:
        return
    with ledger_beside(loaded) as ledger:
        found = approve(ledger, loaded.config, site=site, more=more, by=by)
    if as_json:
        emit_json("sync", {"approved": sorted(found), "waiting": found})
    else:
        for name, count in found.items():
            text = (
                f"Site {name} is approved; {count} changes have waited for it. The running VetBridge pairs both "
                "sides once more and then begins to write: `vetbridge status`."
            )
            say_wrapped(text)
    raise typer.Exit(0)


def draw_paired(paired: Mapping[str, Report]) -> None:
    """What pairing came to, for a person."""
    for site, report in paired.items():
        asked = report.clients_asked + report.visits_asked
        text = (
            f"Site {site}: clients: {report.clients_paired} paired, {report.clients_new} of the booking side are not "
            f"in the PIMS; pets: {report.pets_paired} paired; coming visits: {report.visits_paired} paired, "
            f"{report.only_at_booking} at the booking side alone, {report.only_in_pims} in the PIMS alone. "
            f"{_questions(asked)}"
        )
        say_wrapped(text)


def draw_shadow(shadow: Mapping[str, int], *, only: str | None) -> None:
    """That nothing was written, and what to do next."""
    for site, count in shadow.items():
        if only is not None:
            say(f"Site {site} is in the shadow: nothing was written. --approve tries it for this one client.")
            continue
        what = "1 new change waits" if count == 1 else f"{count} new changes wait"
        text = (
            f"Site {site} is in the shadow: nothing was written; {what}. `vetbridge plan` shows what would be "
            "written, `vetbridge reconcile` every difference, `vetbridge sync --approve` begins."
        )
        say_wrapped(text)


def _questions(count: int) -> str:
    if not count:
        return "Nobody has to be asked."
    return f"{count} questions wait: `vetbridge review`." if count > 1 else "One question waits: `vetbridge review`."
