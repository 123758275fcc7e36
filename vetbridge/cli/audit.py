"""`vetbridge audit`: what people have done, by page, API and commands, and the proof that it stands as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.moments import moment
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, told
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from vetbridge.ledger.tables import Audit

app = typer.Typer(name="audit", help="What people have done, and when.", no_args_is_help=True)

COMMAND = "audit list"

LEDGER = 6
"""Exit code of a ledger that somebody has changed."""

_FAULTS = {
    "changed": "one of them was changed",
    "missing": "one of them is gone",
    "added": "there is one too many",
    "unchained": "the batch before them is gone",
}


@app.command(name="list", epilog="Example: vetbridge audit list --since 7d --by Ann")
def list_(
    ctx: typer.Context,
    since: Annotated[str | None, typer.Option(help="Only since then: 2h, 7d, 2026-11-21.")] = None,
    by: Annotated[str | None, typer.Option(help="Only what this person has done.")] = None,
    act: Annotated[str | None, typer.Option(help="Only acts of this kind: answered, signed-in, replayed ...")] = None,
    site: Annotated[str | None, typer.Option(help="Only what was done to this site.")] = None,
    limit: Annotated[int, typer.Option(help="So many at most.", min=1, max=100_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List what people have done, the newest first: who, by which door, and to what. Times are UTC.

    Shows names of staff, and ids; nothing of an owner. Ends with 2 for an act that there is not, with 6 where there
    is no ledger.
    """
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
    from vetbridge.ledger import audit  # noqa: PLC0415

    with told(COMMAND, as_json=as_json):
        if act is not None and act not in tuple(audit.Act):
            text = f"no act is called {one_line(act)!r}{nearest(act, list(audit.Act))}"
            advice = f"There are: {', '.join(audit.Act)}."
            give_up(COMMAND, text, advice=advice, code="unknown-act", as_json=as_json, exit_code=USAGE)
        loaded = load_config(config_path(ctx))
        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            start = None if since is None else moment(since, tx.now, "--since")
            found = audit.entries(tx, by=by, act=act, site=site, since=start, limit=limit)
            rows = [_data(row) for row in found]
    if as_json:
        emit_json(COMMAND, rows)
        return
    for row in rows:
        about = f" {row['subject']} {one_line(row['subject_id'], 60)}".rstrip() if row["subject"] else ""
        at_site = f" (site {one_line(row['site'], 40)})" if row["site"] and row["subject"] != "site" else ""
        says = f": {one_line(row['says'], 200)}" if row["says"] else ""
        by_whom = one_line(row["by"], 60) or "somebody"
        say_wrapped(
            f"{row['at']:%Y-%m-%d %H:%M:%S}  {by_whom} {row['act']}{about}{at_site}{says}, by {row['via']}",
            margin="  ",
        )
    if not rows:
        say("Nobody has done anything that fits.")
    elif len(rows) == limit:
        talk(f"These are the newest {limit}; --limit shows more.")


@app.command(epilog="Example: vetbridge audit verify --json")
def verify(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Prove that nobody has changed, removed or added an act since it was sealed; then seal what is new.

    A running VetBridge seals every hour. Ends with 0, with 6 where an act does not fit its seal, and where there is
    no ledger.
    """
    command = "audit verify"
    from vetbridge.ledger import audit_seals  # noqa: PLC0415 - keeps --help quick

    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                found = audit_seals.verify(tx)
            if found.broken is None and found.unsealed:
                with ledger.write() as tx:
                    audit_seals.seal(tx)
                with ledger.read() as tx:
                    found = audit_seals.verify(tx)
    if found.broken is not None:
        broken = found.broken
        text = (
            f"acts {broken.first_id} to {broken.last_id}, sealed {broken.made_at:%Y-%m-%d %H:%M:%S} UTC, do not fit "
            f"their seal: {_FAULTS[broken.fault]}"
        )
        advice = "Somebody has written to the ledger past VetBridge. Compare with a backup from before that moment."
        give_up(command, text, advice=advice, code=f"audit-{broken.fault}", as_json=as_json, exit_code=LEDGER)
    if as_json:
        emit_json(command, as_data(found))
        return
    if not found.seals:
        say("Nobody has done anything yet: there is nothing to verify.")
        return
    batches = "1 batch" if found.seals == 1 else f"{found.seals} batches"
    say_wrapped(f"{found.acts} acts in {batches} stand as they were sealed.")
    say_wrapped(f"The newest seal: {found.newest_hash}. Noted elsewhere, it tells later whether any was cut off.")


def _data(row: Audit) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "by": row.by,
        "via": row.via,
        "act": row.act,
        "site": row.site,
        "subject": row.subject,
        "subject_id": row.subject_id,
        "says": row.says,
    }
