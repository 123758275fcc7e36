"""`vetbridge privacy`: what an owner may ask for, and who has looked at whose data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.moments import moment
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, signed, told
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.desk.privacy import Forgotten, Planned
    from vetbridge.ledger.database import Ledger
    from vetbridge.ledger.holdings import Obstacles
    from vetbridge.ledger.suppression import Key

app = typer.Typer(
    name="privacy",
    help="What an owner may ask for, and who has looked at whose data.",
    no_args_is_help=True,
)

LEFTOVERS = 4
"""Exit code where something of an owner may be left."""
MOST_NAMED = 20
"""Visits that a refusal names."""

Owner = Annotated[
    list[str],
    typer.Argument(
        metavar="OWNER",
        help="A client as ACCOUNT/ID, or a phone, an e-mail address or names that just one owner fits.",
    ),
]
By = Annotated[str | None, typer.Option(help="Who does it; the login name unless given.")]
Plan = Annotated[bool, typer.Option("--plan", help="Say what it would come to, and do nothing.")]


@app.command(epilog="Example: vetbridge privacy export ezyvet-city/1002 --to owner.json")
def export(
    ctx: typer.Context,
    owner: Owner,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it to a file that only you may read.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Print all that VetBridge holds about one owner, as JSON: records, links, changes, writes, questions, looks.

    It is personal data: hand it to that owner alone. What VetBridge holds about others and names them is counted, not
    shown. Ends with 2 unless just one owner fits, with 6 where there is no ledger.
    """
    command = "privacy export"
    with _opened(ctx, command, as_json=as_json) as (ledger, loaded):
        from vetbridge.cli.sheets import write_whole  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk import privacy  # noqa: PLC0415

        key = _found(ledger, loaded, command, owner, as_json=as_json)
        data = privacy.export(ledger, key, by=signed(by))
        if to is not None:
            write_whole(to, (json.dumps(data, default=str, indent=2, ensure_ascii=False) + "\n").encode())
    if to is not None:
        talk(f"Written to {one_line(str(to), 200)}: personal data, for that owner alone.")
        if as_json:
            emit_json(command, {"file": str(to)})
    else:
        emit_json(command, as_data(data))


@app.command(epilog="Example: vetbridge privacy forget ezyvet-city/1002 --plan")
def forget(
    ctx: typer.Context,
    owner: Owner,
    plan: Plan = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where visits are still to come: VetBridge lets go of them.")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Forget one owner: their data goes, from the ledger, its file and its backups, and is not read in again.

    At both sides nothing is changed: have the owner deleted there as well. Ids stay with the history. A new booking
    of theirs ends as failed, with the code forgotten-client, and waits for a person. It works beside a running
    VetBridge, and may be run again.

    Ends with 0, with 2 where something stands against it or not just one owner fits, with 4 where something of it is
    left, such as a backup that does not open, with 6 where there is no ledger.
    """
    command = "privacy forget"
    with _opened(ctx, command, as_json=as_json) as (ledger, loaded):
        from vetbridge.connector.clock import SystemClock  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk import privacy  # noqa: PLC0415

        key = _found(ledger, loaded, command, owner, as_json=as_json)
        if plan:
            with ledger.read() as tx:
                planned = privacy.planned(tx, key)
            if as_json:
                emit_json(command, {**as_data(planned), "planned": True})
            else:
                _draw_plan(planned, anyway=anyway)
            return
        talk("looking through all that is kept; a large ledger takes a minute")
        try:
            done = privacy.forget(
                ledger, loaded.config, SystemClock(), key, by=signed(by), anyway=anyway, folder=loaded.folder
            )
        except privacy.NotNow as refusal:
            _refuse(command, refusal.obstacles, as_json=as_json)
    if as_json:
        emit_json(command, {**as_data(done), "planned": False})
    else:
        _draw_forgotten(done)
    raise typer.Exit(0 if done.is_whole else LEFTOVERS)


@app.command(epilog="Example: vetbridge privacy readmit ezyvet-city/1002")
def readmit(ctx: typer.Context, owner: Owner, plan: Plan = False, by: By = None, as_json: AsJson = False) -> None:
    """Let an owner in again who was forgotten and has come back: from now on their records are read again.

    What was erased stays erased. All clients are read, and the sites paired, once more; until that is through nothing
    is written for them, so that no visit is made twice. Bookings that ended with the code forgotten-client are taken
    up by `vetbridge replay --code forgotten-client`. Ends with 2 for somebody who was not forgotten.
    """
    command = "privacy readmit"
    with _opened(ctx, command, as_json=as_json) as (ledger, loaded):
        from vetbridge.desk import privacy  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import suppression  # noqa: PLC0415

        key = _found(ledger, loaded, command, owner, as_json=as_json)
        with ledger.read() as tx:
            known = suppression.owner_hash_of(tx, key)
            count = 0 if known is None else len(suppression.of_owner(tx, known))
        if not count:
            _give_up(command, "nobody has forgotten this owner", "", code="not-forgotten", as_json=as_json)
        if not plan:
            with ledger.write() as tx:
                privacy.readmit(tx, key, by=signed(by))
    if as_json:
        emit_json(command, {"owner": key.named, "records": count, "planned": plan})
    elif plan:
        say_wrapped(f"{count} records of {one_line(key.named)} would be read again. Nothing was done.")
    else:
        say_wrapped(f"{count} records of {one_line(key.named)} are read again from now on.")


@app.command(epilog="Example: vetbridge privacy accesses --since 7d --by Ann")
def accesses(
    ctx: typer.Context,
    since: Annotated[str | None, typer.Option(help="Only since then: 2h, 7d, 2026-11-21.")] = None,
    by: Annotated[str | None, typer.Option(help="Only what this person has looked at.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Only looks at this: review, change, record or client, also review/12.")
    ] = None,
    limit: Annotated[int, typer.Option(help="So many at most.", min=1, max=100_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List who has looked at owners' data, the newest first: by page, API and commands. Times are UTC.

    Shows names of staff, and ids; nothing of an owner. Who looks at the same within ten minutes is listed once.
    """
    command = "privacy accesses"
    with _opened(ctx, command, as_json=as_json) as (ledger, _loaded):
        from vetbridge.ledger import access  # noqa: PLC0415 - keeps --help quick

        what, _, id_ = (subject or "").partition("/")
        with ledger.read() as tx:
            start = None if since is None else moment(since, tx.now, "--since")
            found = access.entries(tx, by=by, subject=what or None, subject_id=id_ or None, since=start, limit=limit)
            rows: list[dict[str, Any]] = [row.model_dump() for row in found]
    if as_json:
        emit_json(command, rows)
        return
    for row in rows:
        whom = one_line(row["by"], 60) or "somebody"
        what = f"{row['what']} {row['subject']} {one_line(row['subject_id'], 80)}"
        say_wrapped(f"{row['at']:%Y-%m-%d %H:%M:%S}  {whom} {what}, by {row['via']}", margin="  ")
    if not rows:
        say("Nobody has looked at anything that fits.")
    elif len(rows) == limit:
        talk(f"These are the newest {limit}; --limit shows more.")


@contextmanager
def _opened(ctx: typer.Context, command: str, *, as_json: bool) -> Iterator[tuple[Ledger, Loaded]]:
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        with ledger_beside(loaded) as ledger:
            yield ledger, loaded


def _give_up(command: str, text: str, advice: str, *, code: str, as_json: bool) -> None:
    give_up(command, text, advice=advice, code=code, as_json=as_json, exit_code=USAGE)


def _found(ledger: Ledger, loaded: Loaded, command: str, owner: list[str], *, as_json: bool) -> Key:
    """The one owner who is meant; else it says who may be, by ids, and ends the command."""
    from vetbridge.desk import privacy  # noqa: PLC0415 - keeps --help quick

    try:
        with ledger.read() as tx:
            return privacy.find(tx, loaded.config, " ".join(owner))
    except privacy.NotOne as refusal:
        named = ", ".join(one_line(each, 80) for each in refusal.candidates)
        more = ", and more" if refusal.more else ""
        several = f"several owners fit: {named}{more}"
        give_up(
            command,
            several if named else "no owner fits",
            advice="Give one of them as ACCOUNT/ID." if named else "`vetbridge find` and both sides show the ids.",
            code="not-one-owner",
            as_json=as_json,
            exit_code=USAGE,
        )
    except privacy.StandsIn:
        text = "that is a site's placeholder, which stands in for owners and is none"
        give_up(command, text, advice="", code="placeholder", as_json=as_json, exit_code=USAGE)


def _refuse(command: str, obstacles: Obstacles, *, as_json: bool) -> None:
    said, advice = [], []
    if obstacles.visits:
        shown = [f"{key} on {at:%Y-%m-%d %H:%M} UTC" for key, at in obstacles.visits[:MOST_NAMED]]
        said.append(f"visits are still to come ({', '.join(one_line(each, 120) for each in shown)})")
        advice.append("Cancel them at either side, or let go of them with --anyway: they stay at both sides.")
    if obstacles.writes:
        said.append(f"writes are not settled (change {', '.join(map(str, obstacles.writes[:MOST_NAMED]))})")
        advice.append("Let VetBridge settle them: `vetbridge changes show NUMBER` says how they stand.")
    if obstacles.answers:
        said.append(f"answers are not carried out (item {', '.join(map(str, obstacles.answers[:MOST_NAMED]))})")
        advice.append("Wait until they are, or take them back: `vetbridge review undo NUMBER`.")
    text = f"the owner cannot be forgotten now: {'; '.join(said)}"
    _give_up(command, text, " ".join(advice), code="not-now", as_json=as_json)


def _draw_plan(planned: Planned, *, anyway: bool) -> None:
    for words, keys in (("client", planned.clients), ("pet", planned.pets), ("visit", planned.visits)):
        many = f"{len(keys)} {words}{'' if len(keys) == 1 else 's'}"
        say_wrapped(f"{many}: {', '.join(one_line(key, 80) for key in keys)}" if keys else many, margin="  ")
    rows = ", ".join(f"{name} {count}" for name, count in planned.rows.items())
    say_wrapped(f"rows that hold something: {rows or 'none'}", margin="  ")
    _draw_sharing(planned)
    stands = planned.obstacles
    if stands.visits:
        done = "VetBridge would let go of them" if anyway else "without --anyway it is refused"
        count = len(stands.visits)
        say_wrapped(f"{count} of the visits {'is' if count == 1 else 'are'} still to come: {done}.")
    if stands.writes or stands.answers:
        say_wrapped("Writes or answers are under way: it would be refused until they are settled.")
    say("Nothing was done.")


def _draw_sharing(planned: Planned) -> None:
    if planned.sharing:
        named = ", ".join(one_line(key, 80) for key in planned.sharing)
        say_wrapped(
            f"Shares a client of the booking side with {named}: they stay, but what is booked by that client waits "
            "for a person from then on.",
            margin="  ",
        )
    if planned.alike:
        named = ", ".join(one_line(key, 80) for key in planned.alike)
        say_wrapped(
            f"Has the same phone or e-mail address, or is joined from another branch, and stays: {named}. Where that "
            "is the same person once more, forget it, too.",
            margin="  ",
        )


def _draw_forgotten(done: Forgotten) -> None:
    count = sum(done.forgotten.rows.values())
    say_wrapped(f"Forgotten: {', '.join(one_line(each, 80) for each in done.forgotten.clients) or 'the visit'}.")
    say_wrapped(f"{count} rows were erased; nothing of these records is read in again.")
    _draw_sharing(done.forgotten)
    erased = sum(each.erased for each in done.backups)
    if done.backups:
        say_wrapped(f"{erased} of {len(done.backups)} backups are erased as well.")
    for each in done.backups:
        if not each.erased:
            say_wrapped(
                f"Not in {one_line(str(each.path), 200)}: {one_line(each.why, 200)}. Delete it, or forget the owner "
                "again after it was restored.",
                margin="  ",
            )
    if done.left:
        say_wrapped(f"{done.left} rows still hold something: run the command again.")
    if not done.scrubbed:
        say_wrapped(
            "Others held the ledger open all the time, so its file may still hold what was erased, encrypted: run "
            "the command again."
        )
    say_wrapped("Both sides still have the owner: have them deleted there, too.")
