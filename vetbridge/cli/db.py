"""`vetbridge db`: upkeep of the ledger: backups, upgrades, what is kept no longer, and its key."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, signed, told
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.config.secrets import Secret
    from vetbridge.ledger.backup import Backup
    from vetbridge.ledger.restoring import Restored

app = typer.Typer(name="db", help="Upkeep of the ledger: backups, upgrades, old rows, its key.", no_args_is_help=True)

By = Annotated[str | None, typer.Option(help="Who does it; the login name unless given.")]
Plan = Annotated[bool, typer.Option("--plan", help="Say what it would come to, and do nothing.")]
To = Annotated[
    Path | None,
    typer.Option("--to", metavar="PATH", help="A file that is not there yet, or a folder; else `backup.folder`."),
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A backup that `vetbridge db backup` has made.")]
NewKey = Annotated[
    str,
    typer.Option(
        "--new-key", metavar="PLACE", help="Where the new key stands: file:PATH, env:NAME or keyring:SERVICE/USER."
    ),
]

TELL_EVERY = 2.0
"""Seconds between two words about how far it is."""


@app.command(epilog="Example: vetbridge db backup --to /mnt/backup/")
def backup(ctx: typer.Context, to: To = None, by: By = None, as_json: AsJson = False) -> None:
    """Back the ledger up into one file, while VetBridge works, and verify it.

    The ledger key is not in the backup, and nobody can read the backup without it: keep the key apart from it, and
    not on this machine alone. Of the backups in `backup.folder` the newest are kept (`backup.keep`). A PostgreSQL
    ledger is backed up into the same kind of file. Ends with 6 where no sound backup could be made.
    """
    command = "db backup"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.connector.clock import SystemClock  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import backup as backups  # noqa: PLC0415

        _must_exist(loaded)
        settings, own = loaded.config.ledger, loaded.config.backup
        key, now = settings.key.reveal(), SystemClock().now()
        if to is not None:
            made = backups.make(settings.place, key, to, now, progress=_percent("copied"))
        elif own is not None:
            made = backups.make_in(own.folder, settings.place, key, now, own.keep, progress=_percent("copied"))
        else:
            _usage(command, "say where to: --to PATH, or a folder in the config's `backup`", as_json=as_json)
        _note_backup(loaded, made, by)
    if as_json:
        emit_json(command, _data(made))
        return
    say_wrapped(f"{made.path} holds the ledger and is sound: {_size(made.bytes)}, {sum(made.rows.values())} rows.")
    say_wrapped("The ledger key is not in it: without the key nobody can use it, and you cannot either.")
    say(f"Restore it with: vetbridge db restore {made.path}")


@app.command(epilog="Example: vetbridge db restore vetbridge-20260301T020000Z-0009.db --plan")
def restore(ctx: typer.Context, file: File, by: By = None, plan: Plan = False, as_json: AsJson = False) -> None:
    """Put a backup in the place of the ledger. VetBridge must be stopped; the ledger that is there is kept beside it.

    A backup is older than the world: nothing is written on its word. Every site goes back to the shadow and is read
    and paired anew: look at `vetbridge reconcile`, then let them write with `vetbridge sync --approve`. Questions
    that were answered since the backup are asked again, and people sign in anew.

    Ends with 6 where it cannot be done; then the ledger is as it was.
    """
    command = "db restore"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.connector.clock import SystemClock  # noqa: PLC0415 - keeps --help quick
        from vetbridge.daemon.lock import single_instance  # noqa: PLC0415
        from vetbridge.daemon.upgrading import copies_folder  # noqa: PLC0415
        from vetbridge.ledger import restoring  # noqa: PLC0415

        settings = loaded.config.ledger
        place, key = settings.place, settings.key.reveal()
        with nullcontext() if plan else single_instance(place):
            found = restoring.check(file, key)
            done = None
            if not plan:
                done = restoring.restore(
                    place,
                    file,
                    key,
                    SystemClock().now(),
                    by=signed(by),
                    aside=copies_folder(loaded),
                    progress=_percent("copied"),
                )
    if as_json:
        emit_json(command, {**_data(found), "planned": plan, "restored": None if done is None else _came(done)})
        return
    if done is None:
        say_wrapped(
            f"{one_line(str(file), 200)} is sound: schema {found.schema}, {sum(found.rows.values())} rows. It would "
            f"take the place of the ledger {place}, which would be kept. Nothing was done."
        )
        return
    say_wrapped(f"The ledger {place} is now what {one_line(str(file), 200)} holds.")
    if done.aside is not None:
        say_wrapped(f"The one before it is kept as {done.aside}.")
    if done.sites:
        say_wrapped(f"In the shadow, nothing is written for: {', '.join(done.sites)}.")
    if done.forgotten:
        say_wrapped(f"Owners who were forgotten since, and are so in it, too: {done.forgotten}.")
    if done.unsettled:
        say_wrapped(f"Writes that were under way, and are looked for: {done.unsettled}.")
    say_wrapped(
        "Next: start VetBridge, look at `vetbridge reconcile` and `vetbridge staff list`, and let the sites write "
        "with `vetbridge sync --approve`."
    )


@app.command(epilog="Example: vetbridge db prune --plan")
def prune(ctx: typer.Context, by: By = None, plan: Plan = False, as_json: AsJson = False) -> None:
    """Delete rows that are older than the config's `retention` keeps them. VetBridge does so each day by itself.

    Links, questions that people answered, and whatever is open or about a visit that is still to come stay, whatever
    their age. Of the audit whole sealed batches go, so that `vetbridge audit verify` still proves the rest.
    """
    command = "db prune"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.ledger import audit, pruning, sqlite  # noqa: PLC0415 - keeps --help quick

        retention, place = loaded.config.retention, loaded.config.ledger.place
        with ledger_beside(loaded) as ledger:
            if plan:
                with ledger.read() as tx:
                    found = pruning.due(tx, retention)
            else:
                found = pruning.prune_rows(ledger, retention)
                with ledger.write() as tx:
                    audit.note(
                        tx,
                        audit.Act.PRUNED,
                        by=signed(by),
                        via=audit.COMMAND,
                        subject="ledger",
                        subject_id="",
                        says=f"{found.total} rows",
                    )
        free = sqlite.free_bytes(place) if isinstance(place, Path) else None
    if as_json:
        emit_json(command, {"rows": as_data(found), "planned": plan, "free_bytes": free})
        return
    names = {
        "changes": "change",
        "writes": "write",
        "questions": "question",
        "lines": "work-list line",
        "runs": "run",
    }
    names |= {"episodes": "past condition", "acts": "line of the audit", "accesses": "line of the access log"}
    for field, name in names.items():
        count = getattr(found, field)
        if count:
            plural = name.replace("line of", "lines of") if " of " in name else f"{name}s"
            say(f"{count:>8}  {name if count == 1 else plural}")
    if plan:
        say_wrapped("Nothing was done." if found.total else "Nothing is older than it is kept. Nothing was done.")
    else:
        say_wrapped("These are deleted." if found.total else "Nothing is older than it is kept.")
    if free is not None:
        say_wrapped(f"Free in the ledger's file, and used again before it grows: {_size(free)}.")


@app.command(epilog="Example: vetbridge db upgrade --plan")
def upgrade(ctx: typer.Context, by: By = None, plan: Plan = False, as_json: AsJson = False) -> None:
    """Bring the ledger to this version's schema; a verified copy of it is made first. VetBridge must be stopped.

    `vetbridge run` does the same at its start. The way back: `vetbridge db restore` of that copy, then start the
    version before.
    """
    command = "db upgrade"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.connector.clock import SystemClock  # noqa: PLC0415 - keeps --help quick
        from vetbridge.daemon.lock import single_instance  # noqa: PLC0415
        from vetbridge.daemon.upgrading import copy_of  # noqa: PLC0415
        from vetbridge.ledger import audit  # noqa: PLC0415
        from vetbridge.ledger.database import must_be_known, newest_schema, open_ledger, schema_of  # noqa: PLC0415

        _must_exist(loaded)
        settings, clock = loaded.config.ledger, SystemClock()
        place = settings.place
        with nullcontext() if plan else single_instance(place):
            have, newest = schema_of(place) or "", newest_schema()
            if have:
                must_be_known(have, f"the ledger {place}")
            copy = None
            if have != newest and not plan:
                copy = copy_of(loaded, clock, _percent("copied"))
                ledger = open_ledger(place, settings.key.reveal(), clock)
                try:
                    with ledger.write() as tx:
                        audit.note(
                            tx,
                            audit.Act.UPGRADED,
                            by=signed(by),
                            via=audit.COMMAND,
                            subject="ledger",
                            subject_id=newest,
                            says=f"from {have}",
                        )
                finally:
                    ledger.close()
    path = None if copy is None else copy.path
    if as_json:
        emit_json(command, {"schema": have, "newest": newest, "planned": plan, "copy": path})
    elif have == newest:
        say_wrapped(f"The ledger {place} has this version's schema {newest} already.")
    elif plan:
        say_wrapped(
            f"The ledger {place} would be copied, and brought from schema {have} to {newest}. Nothing was done."
        )
    else:
        say_wrapped(f"The ledger {place} is brought from schema {have} to {newest}.")
        if path is not None:
            say_wrapped(f"As it was before, it stands in {path}: the way back is `vetbridge db restore` of that.")


@app.command(epilog="Example: vetbridge db rekey --new-key file:/etc/vetbridge/ledger.key.new")
def rekey(ctx: typer.Context, new_key: NewKey, by: By = None, plan: Plan = False, as_json: AsJson = False) -> None:
    """Give the ledger another key: all that is sealed is sealed anew. VetBridge must be stopped.

    It is done as a whole or not at all. Afterwards put the new key into the config's `ledger.key`. Backups that were
    made before open with the old key alone: keep it as long as you keep them.

    Hashes, by which records are found, cannot be made anew: whoever had the old key together with the ledger can
    still tell whether a certain phone number is in it. Ends with 6 where it cannot be done; then the old key holds.
    """
    command = "db rekey"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.connector.clock import SystemClock  # noqa: PLC0415 - keeps --help quick
        from vetbridge.daemon.lock import single_instance  # noqa: PLC0415
        from vetbridge.ledger import rekeying  # noqa: PLC0415
        from vetbridge.ledger.sealing import Sealer  # noqa: PLC0415

        _must_exist(loaded)
        secret = _secret(command, new_key, as_json=as_json)
        new = secret.reveal()
        Sealer(new)  # refuses one that is too short
        settings, clock = loaded.config.ledger, SystemClock()
        place, old = settings.place, settings.key.reveal()
        if new == old:
            _usage(command, "the new key is the one that the ledger has", as_json=as_json)
        with nullcontext() if plan else single_instance(place):
            counts = rekeying.sealed_values(place, old, clock)
            if not plan:
                rekeying.rekey(place, old, new, clock, by=signed(by), progress=_percent("sealed anew"))
    count = sum(counts.values())
    if as_json:
        emit_json(command, {"values": counts, "planned": plan})
    elif plan:
        say_wrapped(f"{count} sealed values would be sealed with the new key. Nothing was done.")
    else:
        say_wrapped(f"The ledger has its new key; {count} values were sealed anew.")
        say_wrapped(f"Now let the config's ledger.key say where it stands ({secret.where}), before VetBridge starts.")
        say_wrapped("Backups made before open with the old key alone: keep it as long as you keep them.")


def _must_exist(loaded: Loaded) -> None:
    from vetbridge.core.errors import LedgerError  # noqa: PLC0415 - keeps --help quick
    from vetbridge.ledger.database import exists  # noqa: PLC0415

    place = loaded.config.ledger.place
    if not exists(place):
        raise LedgerError(f"there is no ledger at {place} yet; `vetbridge run` or `vetbridge sync` makes it")


def _note_backup(loaded: Loaded, made: Backup, by: str | None) -> None:
    """Writes down that a backup was made; not in an older ledger, which a backup does not upgrade."""
    from vetbridge.core.errors import LedgerError  # noqa: PLC0415 - keeps --help quick
    from vetbridge.ledger import audit  # noqa: PLC0415
    from vetbridge.ledger import backup as backups  # noqa: PLC0415
    from vetbridge.ledger.database import newest_schema  # noqa: PLC0415

    if made.schema != newest_schema():
        return
    try:
        with ledger_beside(loaded) as ledger, ledger.write() as tx:
            backups.note(tx, tx.now)
            name = made.path.name
            audit.note(tx, audit.Act.BACKED_UP, by=signed(by), via=audit.COMMAND, subject="ledger", subject_id=name)
    except LedgerError as error:
        talk(f"the backup is sound, but it could not be noted in the ledger: {error.message}")


def _secret(command: str, place: str, *, as_json: bool) -> Secret:
    """The secret that ``KIND:PLACE`` names; a path starts at the present folder."""
    from vetbridge.config.secrets import Secret  # noqa: PLC0415 - keeps --help quick

    kind, _, where = place.partition(":")
    service, _, user = where.partition("/")
    try:
        return Secret.refer({kind: {"service": service, "user": user} if kind == "keyring" else where})
    except ValueError:
        # What was typed is not repeated: it may be the key itself.
        form = "file:PATH, env:NAME or keyring:SERVICE/USER"
        _usage(command, f"--new-key says where the key stands: {form}", as_json=as_json)


def _usage(command: str, text: str, *, as_json: bool) -> NoReturn:
    give_up(command, text, advice="", code="usage", as_json=as_json, exit_code=USAGE)


def _percent(what: str) -> Callable[[int], None]:
    """Tells now and then how much is done, where it takes long."""
    last = time.monotonic()

    def tell(percent: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_EVERY:
            last = time.monotonic()
            talk(f"{percent}% {what}")

    return tell


def _data(made: Backup) -> dict[str, object]:
    return {"path": made.path, "schema": made.schema, "bytes": made.bytes, "rows": dict(made.rows)}


def _came(done: Restored) -> dict[str, object]:
    return {
        "kept": done.aside,
        "shadow": done.sites,
        "looked_for": done.unsettled,
        "forgotten": done.forgotten,
    }


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 100_000 else f"{count / 1_000:.1f} kB"
