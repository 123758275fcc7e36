"""`vetbridge quality`: what is amiss in clients, pets and coming visits: counted, listed, exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, config_path, give_up, ledger_beside, must_know, signed, told
from vetbridge.cli.sheets import files_told, require_writable, write_csv, write_workbook
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped
from vetbridge.core.records import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vetbridge.config.models import Config
    from vetbridge.desk.quality import AtAccount, Survey, Wanted
    from vetbridge.ledger.database import Transaction

app = typer.Typer(
    name="quality",
    help="What is amiss in clients, pets and coming visits: counted, listed, exported; never changed.",
    no_args_is_help=True,
)

TITLES = ("Account", "Code", "Kind", "Record", "Other record", "Name", "Value", "Says")
"""The columns of an export."""

OfSite = Annotated[str | None, typer.Option("--site", help="Only the two sides of this site.")]
OfAccount = Annotated[str | None, typer.Option("--account", help="Only this account.")]
OfCode = Annotated[
    list[str] | None,
    typer.Option("--code", help="Only this, as `phone-bad`; may be repeated. docs/quality.md has all."),
]
OfKind = Annotated[list[Kind] | None, typer.Option("--kind", help="Only records of this kind; may be repeated.")]


@app.command(name="list", epilog="Example: vetbridge quality list --site city --code client-twice")
def list_(
    ctx: typer.Context,
    site: OfSite = None,
    account: OfAccount = None,
    code: OfCode = None,
    kind: OfKind = None,
    limit: Annotated[
        int, typer.Option(min=0, max=100_000, help="Name at most so many records; with --code or --json.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """Count what is amiss, by what it is; with --code name the records, by their ids alone.

    Looks at VetBridge's copy of both sides and asks no vendor. Names, phones and addresses stand in `quality export`
    alone. Ends with 2 for a site, an account or a code that nobody knows, with 6 where there is no ledger.
    """
    with told("quality list", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.quality import survey  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            wanted = _wanted("quality list", tx, loaded.config, site, account, code, kind, as_json=as_json)
            found = survey(tx, loaded.config, wanted, limit=limit if code or as_json else 0)
    if as_json:
        data = {
            "total": sum(found.counts.values()),
            "counts": {flaw.value: count for flaw, count in found.counts.items()},
            "accounts": list(found.accounts),
            "findings": [
                {
                    "account": each.account,
                    "code": each.finding.flaw.value,
                    "kind": each.finding.kind.value,
                    "id": each.finding.id,
                    "other_id": each.finding.other,
                    "words": each.finding.why,
                    "records": each.records,
                }
                for each in found.first
            ],
        }
        emit_json("quality list", data)
    else:
        _draw(found, named=bool(code), limit=limit)


@app.command(epilog="Example: vetbridge quality export --code phone-bad --to phones.xlsx")
def export(
    ctx: typer.Context,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", dir_okay=False, help="Where to write: FILE.csv or FILE.xlsx.")
    ],
    site: OfSite = None,
    account: OfAccount = None,
    code: OfCode = None,
    kind: OfKind = None,
    by: Annotated[str | None, typer.Option("--by", help="Who takes it; the login name unless given.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say how many rows it would be, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write what is amiss into a file to work through, with the names and values that `quality list` leaves out.

    The file holds personal data: only its owner may read it, and who took it is noted. Every cell is text, nothing in
    it is carried out. Ends with 2 where the file cannot be written, or for what nobody knows.
    """
    command = "quality export"
    with told(command, as_json=as_json), files_told(command, as_json=as_json):
        write = {".csv": write_csv, ".xlsx": write_workbook}.get(to.suffix.lower())
        if write is None:
            give_up(
                command,
                f"{one_line(to.name)} ends neither with .csv nor with .xlsx",
                advice="Give the file one of these endings.",
                code="unknown-form",
                as_json=as_json,
                exit_code=USAGE,
            )
        if not plan:
            require_writable(to)
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.quality import findings  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import access, audit  # noqa: PLC0415

        counted = _Counted()
        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                wanted = _wanted(command, tx, loaded.config, site, account, code, kind, as_json=as_json)
                rows = counted.rows(findings(tx, loaded.config, wanted))
                if plan:
                    for _ in rows:
                        pass
                else:
                    write(to, TITLES, rows)
            if counted.accounts and not plan:
                access.note(
                    ledger,
                    access.Look.EXPORT,
                    by=signed(by),
                    via=audit.COMMAND,
                    subject="account",
                    ids=sorted(counted.accounts),
                )
    if as_json:
        emit_json(command, {"file": None if plan else str(to), "rows": counted.count, "planned": plan})
    elif plan:
        say(f"{counted.count} rows would be written to {to}. Nothing was done.")
    else:
        say(f"{counted.count} rows written to {to}. It holds personal data: delete it when you are done.")


class _Counted:
    """Findings as rows of a file, counted as they go by."""

    def __init__(self) -> None:
        self.count = 0
        self.accounts: set[str] = set()

    def rows(self, found: Iterator[AtAccount]) -> Iterator[tuple[str, ...]]:
        for each in found:
            self.count += 1
            self.accounts.add(each.account)
            one = each.finding
            says = _says(each)
            yield each.account, one.flaw.value, one.kind.value, one.id, one.other, one.name, one.value, says


def _says(each: AtAccount) -> str:
    from vetbridge.core.quality import MEANING  # noqa: PLC0415 - keeps --help quick

    waiting = f" ({each.records} records)" if each.records > 1 else ""
    return ": ".join(part for part in (MEANING[each.finding.flaw], each.finding.why) if part) + waiting


def _wanted(
    command: str,
    tx: Transaction,
    config: Config,
    site: str | None,
    account: str | None,
    code: list[str] | None,
    kind: list[Kind] | None,
    *,
    as_json: bool,
) -> Wanted:
    """What the options say. Ends the command where they name what nobody knows."""
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
    from vetbridge.core.quality import Flaw  # noqa: PLC0415
    from vetbridge.desk.quality import Wanted, of_site  # noqa: PLC0415

    must_know(command, tx, config, site=site, account=account, as_json=as_json)
    known = [flaw.value for flaw in Flaw]
    for each in code or ():
        if each not in known:
            give_up(
                command,
                f"nothing that is looked for is called {one_line(each)!r}{nearest(each, known)}",
                advice=f"It is one of {', '.join(known)}.",
                code="unknown-code",
                as_json=as_json,
                exit_code=USAGE,
            )
    accounts = set(of_site(config, site)) if site in config.sites and site is not None else set()
    if account is not None:
        accounts = {account} if not accounts or account in accounts else {""}
    return Wanted(
        accounts=frozenset(accounts), flaws=frozenset(Flaw(each) for each in code or ()), kinds=frozenset(kind or ())
    )


def _draw(found: Survey, *, named: bool, limit: int) -> None:
    from vetbridge.core.quality import MEANING  # noqa: PLC0415 - keeps --help quick

    if not found.accounts:
        talk("VetBridge has no copy of either side yet; `vetbridge run` or `vetbridge sync` reads it")
    total = sum(found.counts.values())
    say("Nothing is amiss." if not total else f"{total} things are amiss.")
    if total:
        say("")
        table = plain_table("Count", "Code", "What it is")
        for flaw, count in sorted(found.counts.items(), key=lambda each: (-each[1], each[0])):
            if count:
                add(table, str(count), flaw.value, MEANING[flaw])
        say(drawn(table))
    if named and found.first:
        say("")
        table = plain_table("Account", "Code", "Record", "")
        for each in found.first:
            one = each.finding
            record = f"{one.kind} {one_line(one.id, 40)}".strip() + (
                f"\nand {one_line(one.other, 40)}" if one.other else ""
            )
            waiting = f"{each.records} records wait: " if each.records > 1 else ""
            add(table, each.account, one.flaw.value, record, waiting + one_line(one.why, 200))
        say(drawn(table))
        if total > len(found.first):
            talk(f"{len(found.first)} of {total} shown; give --limit to see more")
    elif total:
        say("")
        say_wrapped(
            "Which records: vetbridge quality list --code CODE. With names: vetbridge quality export --to FILE.xlsx"
        )
