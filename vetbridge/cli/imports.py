"""`vetbridge import`: files for Altegio from the practice's clients, and clients for the practice from files."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, told
from vetbridge.cli.sheets import files_told
from vetbridge.cli.tables import add, drawn, one_line, plain_table, wrapped

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.config.models import Config, Site
    from vetbridge.core.records import Client
    from vetbridge.desk.altegio_files import FiledOwners, Made, MirroredOwners, Order
    from vetbridge.desk.clinic_files import Problem
    from vetbridge.desk.sheets import EveryRefusal, Refusal
    from vetbridge.sync.importing import Outcome

app = typer.Typer(
    name="import",
    help="Files that an admin uploads before go-live, and clients from files.",
    no_args_is_help=True,
)

LEFTOVERS = 4
"""Exit code where something is left for a person."""
MOST_EXAMPLES = 10
"""Places in the files that are named, at most."""


UNREACHABLE = 5
"""Exit code where a side does not answer."""
PATIENCE = 60.0
"""Seconds that what must be tried again is waited for, after progress."""
PLAN_PATIENCE = 5.0
READ_AGAIN = 600.0
"""Seconds after which a long import reads the practice system again: nobody counts as new by an old reading."""
_WORDS = {
    "created": "made",
    "linked": "there already",
    "review": "for a person to say who is meant",
    "failed": "refused by the practice system",
    "waiting": "not written yet",
    "unusable": "that cannot be used",
}
_WOULD = {**_WORDS, "created": "would be made", "failed": "would be refused"}


class Format(StrEnum):
    """Formats of a list."""

    XLSX = "xlsx"
    CSV = "csv"


def _file(words: str) -> Any:
    return typer.Option(metavar="FILE", help=words)


@app.command(
    name="altegio-files",
    epilog="Example: vetbridge --config clinic.yaml import altegio-files --out altegio-upload --site city",
)
def altegio_files(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go; it must be new or empty.")],
    site: Annotated[str | None, typer.Option(help="The site; needed where the config has several.")] = None,
    owners: Annotated[Path | None, _file("In place of config and ledger: CSV file of the clinic's owners.")] = None,
    pets: Annotated[Path | None, _file("CSV file of their pets.")] = None,
    country: Annotated[
        str, typer.Option(metavar="CODE", help="With --owners: country of phones without a country code.")
    ] = "GB",
    format_: Annotated[Format, typer.Option("--format", help="Format of the lists.")] = Format.XLSX,
    columns: Annotated[Path | None, _file("YAML file with the titles of the columns.")] = None,
    paste: Annotated[bool, typer.Option("--paste", help="Also batches of 500 rows to copy and paste.")] = False,
    with_inactive: Annotated[bool, typer.Option("--with-inactive", help="Inactive clients, too.")] = False,
    memberships: Annotated[Path | None, _file("CSV or Excel file whose membership numbers are checked.")] = None,
    visits: Annotated[Path | None, _file("CSV or Excel file of past visits.")] = None,
    months: Annotated[
        int,
        typer.Option(min=12, max=24, help="Visits of so many months go into the list, older ones into an archive."),
    ] = 24,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what an earlier run has made.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be made.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the client lists that Altegio's upload takes, and a report of what is not in them.

    The clients are those of the practice system as `vetbridge sync` has read them, or with --owners those of a file
    in the format of `match eval`. Every phone stands once, in international format. All files are made or none.
    Ends with 0 when the lists can be uploaded, with 4 where membership numbers are wrong.
    """
    command = "import altegio-files"
    with files_told(command, as_json=as_json), told(command, as_json=as_json):
        from vetbridge.desk.altegio_files import TITLES, FiledOwners, Order, make, read_titles  # noqa: PLC0415

        if owners is None and pets is not None:
            raise typer.BadParameter("--pets goes with --owners")

        def order(zone: str | None) -> Order:
            return Order(
                out=out,
                format=format_.value,
                titles=dict(TITLES) if columns is None else read_titles(columns),
                paste=paste,
                with_inactive=with_inactive,
                memberships=memberships,
                visits=visits,
                months=months,
                today=_today(zone),
                replace=replace,
                plan=plan,
            )

        if owners is not None:
            filed = FiledOwners(owners, pets, country=_known_country(country))
            made = make(order(None), filed, talk)
            notes = _notes(filed)
        else:
            loaded = load_config(config_path(ctx))
            name, found = _site(command, loaded.config, site, as_json=as_json)
            with ledger_beside(loaded) as ledger:
                mirrored = _mirrored(command, ledger, name, found, as_json=as_json)
                made = make(order(found.zone), mirrored, talk)
            notes = []
    _show_made(command, made, out, notes, plan=plan, as_json=as_json)
    if made.memberships_wrong:
        raise typer.Exit(LEFTOVERS)


@app.command(
    epilog="Example: vetbridge --config clinic.yaml import clients old-list.xlsx --site city --rejects rejects.csv",
)
def clients(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The list: CSV, xls or xlsx.")],
    site: Annotated[str | None, typer.Option(help="The site; needed where the config has several.")] = None,
    rejects: Annotated[Path | None, _file("CSV file for the rows that were not taken, each with its reason.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would happen; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the clients of a list in the practice system: those whom it does not have yet, each once.

    A client whom it has is left alone, and where somebody may be meant nobody is made: the row goes to the rejects
    with the ids of those who may be. The same list again makes nobody twice, also after a crash. Pets, comments and
    opt-outs of the list are not written. Ends with 0 when every row is a client there, with 4 where rows are left,
    with 5 when the practice system does not answer.
    """
    command = "import clients"
    from vetbridge.cli.log import set_up  # noqa: PLC0415 - keeps --help quick

    with files_told(command, as_json=as_json), told(command, as_json=as_json):
        from vetbridge.desk import client_lists  # noqa: PLC0415
        from vetbridge.desk import rejects as rejected  # noqa: PLC0415
        from vetbridge.desk.sheets import EveryRefusal  # noqa: PLC0415

        loaded = load_config(config_path(ctx))
        name, found = _site(command, loaded.config, site, as_json=as_json)
        set_up("warning", loaded.config.log.format)
        if not found.create.clients:
            give_up(
                command,
                f"site {name} makes no clients: `create.clients` is false in the config",
                advice="",
                code="creating-clients-is-off",
                as_json=as_json,
                exit_code=USAGE,
            )
        if rejects is not None and not plan:
            rejected.require_writable(rejects, file)
        report = EveryRefusal(file)
        listed = list(client_lists.clients(report, found.country))
        talk(f"{len(listed)} clients in the list, {len(report.rows)} rows that cannot be used")
        outcomes = _brought(command, loaded, name, [each.client for each in listed], plan=plan, as_json=as_json)
        refused = rejected.of(report, zip(listed, outcomes, strict=True))
        if rejects is not None and not plan:
            rejected.write(rejects, refused)
    _show_brought(command, report, refused, outcomes, rejects=rejects, plan=plan, as_json=as_json)
    if refused:
        raise typer.Exit(LEFTOVERS)


def _brought(
    command: str, loaded: Loaded, site: str, rows: list[Client], *, plan: bool, as_json: bool
) -> list[Outcome]:
    """What became of each row, or would; ends the command where nothing can be read or written."""
    from vetbridge.daemon.assembly import assembled  # noqa: PLC0415 - keeps --help quick
    from vetbridge.daemon.once import drain  # noqa: PLC0415
    from vetbridge.daemon.rehearsal import rehearsed  # noqa: PLC0415
    from vetbridge.daemon.rounds import Rounds  # noqa: PLC0415
    from vetbridge.desk.evaluation import counted  # noqa: PLC0415
    from vetbridge.ledger import going_live  # noqa: PLC0415
    from vetbridge.sync.importing import import_clients  # noqa: PLC0415

    account = loaded.config.sites[site].pims.account

    def stop(text: str, advice: str, code: str, exit_code: int) -> NoReturn:
        give_up(command, text, advice=advice, code=code, as_json=as_json, exit_code=exit_code)

    with ExitStack() as stack:
        if plan:
            program = stack.enter_context(rehearsed(loaded)).program
        else:
            program = stack.enter_context(assembled(loaded, command=command))
        with program.ledger.read() as tx:
            in_shadow = site in (going_live.ended(tx) if plan else going_live.held_back(tx))
        if in_shadow:
            advice = "`vetbridge sync --approve` lets it write; --plan shows what this import would do."
            text = f"nothing is written for site {site} yet: it is in the shadow, was not paired yet, or has ended"
            stop(text, advice, "in-shadow", LEFTOVERS)
        rounds = Rounds(program)
        if rounds.rests(account):
            stop(f"{account} is paused", "`vetbridge status` says since when, and what ends it.", "paused", LEFTOVERS)
        talk(f"reading the clients and pets of {account}")
        if not rounds.mirror(account):
            stop(f"{account} could not be read; see the log", "Nothing was written.", "unavailable", UNREACHABLE)
        patience = PLAN_PATIENCE if plan else PATIENCE
        read_at = program.clock.steady()

        def work() -> None:
            nonlocal read_at
            if program.clock.steady() - read_at > READ_AGAIN:
                rounds.mirror(account)
                read_at = program.clock.steady()
            drain(program, patience, lambda _: None)

        found = import_clients(program.engine, program.engine.importer(site), program.ledger, rows, work)
        return list(counted(found, "rows decided", talk))


def _show_brought(
    command: str,
    report: EveryRefusal,
    refused: list[Refusal],
    outcomes: list[Outcome],
    *,
    rejects: Path | None,
    plan: bool,
    as_json: bool,
) -> None:
    from vetbridge.connector.dry import PLANNED  # noqa: PLC0415 - keeps --help quick

    counts = Counter(outcome.result.value for outcome in outcomes)
    counts["unusable"] = len(report.rows)
    notes = [*report.notes, *(each for each in report.examples if each.code in report.ignored)]
    problems = [{"code": each.code, "text": str(each), "advice": ""} for each in notes]
    rows = [
        {"sheet": each.sheet, "row": each.row, "code": each.code, "words": each.words, "may_be": each.more.split()}
        for each in refused
    ]
    if as_json:
        emit_json(command, {"plan": plan, "results": dict(counts), "rejects": rows}, problems)
        return
    for problem in problems:
        talk(problem["text"])
    words = _WOULD if plan else _WORDS
    for result, text in words.items():
        if counts[result]:
            say(f"{counts[result]:>6} {text}")
    for each in refused[:MOST_EXAMPLES]:
        place = f"{each.sheet} row {each.row}" if each.sheet else f"row {each.row}"
        named = ", ".join("one of an earlier row" if id_.startswith(PLANNED) else id_ for id_ in each.more.split())
        more = f" (may be client {one_line(named, 200)})" if each.more else ""
        for line in wrapped(f"{one_line(place, 60)}: {one_line(each.words, 300)}{more}", margin="  "):
            talk(line)
    if len(refused) > MOST_EXAMPLES:
        talk(f"and {len(refused) - MOST_EXAMPLES} more rows")
    if plan:
        say("Nothing was written.")
    elif rejects is not None:
        say(f"{len(refused)} rows that were not taken: {rejects}")
    elif refused:
        talk("With --rejects FILE these rows are written to a file.")


def _today(zone: str | None) -> date:
    """Today at a site; where none is known, on this machine."""
    return datetime.now(UTC).astimezone(ZoneInfo(zone) if zone else None).date()


def _mirrored(command: str, ledger: Any, name: str, site: Site, *, as_json: bool) -> MirroredOwners:
    """The clients of a site's practice system; ends the command where they have not all been read yet."""
    from vetbridge.desk.altegio_files import MirroredOwners  # noqa: PLC0415
    from vetbridge.ledger import accounts, reports  # noqa: PLC0415

    account = site.pims.account
    with ledger.read() as tx:
        known = account in reports.account_reports(tx)
        row = accounts.get(tx, account) if known else None
    if row is None or row.mirror_complete_at is None:
        give_up(
            command,
            f"the clients of {account} have not all been read yet",
            advice=f"`vetbridge sync` reads them; then make the files of site {name}.",
            code="mirror-incomplete",
            as_json=as_json,
            exit_code=LEFTOVERS,
        )
    talk(f"clients of {account} as read at {row.mirror_read_at or row.mirror_complete_at:%Y-%m-%d %H:%M} UTC")
    placeholder = site.pims.placeholder.client if site.pims.placeholder else None
    return MirroredOwners(ledger, account, country=site.country, placeholder=placeholder)


def _site(command: str, config: Config, name: str | None, *, as_json: bool) -> tuple[str, Site]:
    """The site that is meant; ends the command where none is."""
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick

    known = sorted(config.sites)
    if name is None and len(known) == 1:
        name = known[0]
    if name is None or name not in config.sites:
        text = (
            f"the config has several sites: {', '.join(known)}; name one with --site"
            if name is None
            else f"no site is called {one_line(name)!r}{nearest(name, known)}"
        )
        give_up(command, text, advice="", code="unknown-site", as_json=as_json, exit_code=USAGE)
    return name, config.sites[name]


def _known_country(country: str) -> str:
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415 - keeps --help quick

    if country.upper() not in SUPPORTED_REGIONS:
        raise typer.BadParameter(f"{one_line(country)!r} is no country code of two letters", param_hint="--country")
    return country.upper()


def _notes(filed: FiledOwners) -> list[Problem]:
    reports = [each for each in (filed.owners_report, filed.pets_report) if each is not None]
    return [note for report in reports for note in (*report.notes, *report.examples[:MOST_EXAMPLES])]


def _show_made(command: str, made: Made, out: Path, notes: list[Problem], *, plan: bool, as_json: bool) -> None:
    from vetbridge.desk.altegio_files import OPT_OUT_UNKNOWN  # noqa: PLC0415
    from vetbridge.desk.go_live_report import REASONS  # noqa: PLC0415

    problems = [{"code": each.code, "text": str(each), "advice": ""} for each in notes]
    if made.opt_outs is None:
        problems.append({"code": "opt-outs-unknown", "text": OPT_OUT_UNKNOWN, "advice": ""})
    if as_json:
        emit_json(command, {"out": out, "plan": plan, **as_data(made)}, problems)
        return
    for problem in problems:
        for line in wrapped(problem["text"], margin="  "):
            talk(line)
    said = "Nothing was written; it would be" if plan else f"{out}:"
    say(f"{said} {made.written} of {made.read} clients")
    table = plain_table("File", "Rows", "Bytes")
    for part in made.files:
        add(table, part.name, str(part.rows), f"{part.bytes:,}")
    say(drawn(table, indent=2))
    if made.opt_outs is not None:
        say(f"{made.opt_outs} of them want no messages")
    if made.visits is not None:
        counts = (made.visits.recent, made.visits.archived, made.visits.left_out)
        say("visits: {} recent, {} in the archive, {} left out".format(*counts))
    if made.notes:
        table = plain_table("In the report", "Rows", "")
        for code, number in made.notes.items():
            add(table, code, str(number), REASONS[code].words if code in REASONS else "a row that cannot be read")
        say(drawn(table))
    if made.memberships_wrong:
        say(f"membership numbers: {made.memberships_wrong} are wrong; Altegio's import fails on a single error")
