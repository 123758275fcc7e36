"""`vetbridge mapping`: code lists of both sides, and what the mappings make of records."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, safe, say, talk
from vetbridge.cli.plan import unknown_site
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, told
from vetbridge.cli.sheets import files_told, require_writable, write_csv, write_whole
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped
from vetbridge.core.errors import Unavailable, VetBridgeError
from vetbridge.core.records import Kind, Side

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.config.models import Site
    from vetbridge.connector.interface import Connector, Native
    from vetbridge.core.upgrades import CodeLists
    from vetbridge.desk.mapping_config import Changed
    from vetbridge.desk.mapping_lists import SiteList
    from vetbridge.desk.mapping_reading import Compared, Tried
    from vetbridge.desk.mapping_table import DraftRow, Finished
    from vetbridge.ledger.quality import Unmapped
    from vetbridge.mapping import Mapper

LEFTOVERS = 4
"""Exit code where something waits, or is left for a person."""
LARGEST_RECORD = 1024 * 1024
"""Bytes of a file with one record."""
MOST_SHOWN = 40
"""Rows that are drawn; a file and --json have all."""

app = typer.Typer(
    name="mapping",
    help="Code lists of both sides: draft, finish and check them; try a mapping on records.",
    no_args_is_help=True,
)

SiteName = Annotated[str, typer.Argument(metavar="SITE", help="The site, by its name in the config.")]
_Problem = dict[str, str]


@app.command(epilog="Example: vetbridge mapping fill city --to codes.xlsx")
def fill(
    ctx: typer.Context,
    site: SiteName,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", dir_okay=False, help="Write the draft: .xlsx or .csv.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", dir_okay=False, help="Take the finished table back.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="With --from: show what would be written.")] = False,
    write: Annotated[bool, typer.Option("--write", help="With --from: write it into the config.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draft the code lists of a site as one table, or take the finished table back into the config.

    Asks both vendors for their lists and writes nothing there. Ends with 0; with 4 where rows of a table that came
    back are wrong (then nothing is written).
    """
    command = "mapping fill"
    if (to is not None and from_ is not None) or (from_ is None and (plan or write)) or (plan and write):
        text = "--to drafts a table; --from takes one back, with --plan or with --write"
        give_up(command, text, advice="", code="usage", as_json=as_json, exit_code=USAGE)
    with told(command, as_json=as_json), files_told(command, as_json=as_json):
        loaded = _loaded(ctx, command, site, as_json=as_json)
        _require_free(command, to, as_json=as_json)
        lists, problems = _site_lists(loaded, [site])
        if from_ is not None:
            _take_back(command, loaded, site, lists[site], from_, problems, write=write, as_json=as_json)
            return
        from vetbridge.desk.mapping_table import draft  # noqa: PLC0415 - keeps --help quick

        rows = draft(lists[site])
        written = [] if to is None else _write_draft(to, rows, lists[site])
    counts = _counts(rows)
    if as_json:
        data = {"site": site, "rows": [asdict(row) for row in rows], "counts": counts, "files": written}
        emit_json(command, data, problems)
        return
    _talk_of(problems)
    if to is None:
        _draw_rows([row for row in rows if row.sure != "set"])
    say(
        "; ".join(f"{name}: " + ", ".join(f"{n} {sure}" for sure, n in each.items()) for name, each in counts.items())
    )
    for path in written:
        talk(f"written: {path}")
    if written:
        talk(f"Finish the column Answer, then: vetbridge mapping fill {site} --from {to} --plan")


@app.command(epilog="Example: vetbridge mapping check city")
def check(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Argument(metavar="[SITE]", help="This site alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Hold every code list of the config against both sides: what is gone, new, on one side alone, or waits.

    Writes nothing. Ends with 0, or with 4 where something waits or would as soon as it comes.
    """
    command = "mapping check"
    with told(command, as_json=as_json):
        loaded = _loaded(ctx, command, site, as_json=as_json)
        from vetbridge.desk.mapping_lists import findings  # noqa: PLC0415 - keeps --help quick

        names = [site] if site is not None else list(loaded.config.sites)
        lists, problems = _site_lists(loaded, names)
        found = [each for name in names for each in findings(name, lists[name])]
    waits = any(each.waits for each in found)
    if as_json:
        counts = {
            name: {each.name: [len(side.codes.entries) for side in each.sides] for each in lists[name]}
            for name in names
        }
        emit_json(command, {"ok": not waits, "words": counts, "findings": as_data(found)}, problems)
    else:
        _talk_of(problems)
        for each in found:
            where = f" at {each.account}" if each.account else ""
            mark = "WAITS" if each.waits else "note"
            say_wrapped(
                one_line(f"{each.site}: {each.list}{where}: {each.text}", 600), first=f"{mark:<5}  ", margin=" " * 7
            )
            say_wrapped(one_line(each.advice, 300), first=" " * 7, margin=" " * 7)
        looked = sum(len(each) for each in lists.values())
        talk(f"{looked} lists looked at, {sum(each.waits for each in found)} things wait or would")
    if waits:
        raise typer.Exit(LEFTOVERS)


@app.command(name="try", epilog="Example: vetbridge mapping try city pet 4711 --side pims")
def try_(
    ctx: typer.Context,
    site: SiteName,
    kind: Annotated[Kind, typer.Argument(help="What the record is.")],
    id_: Annotated[str | None, typer.Argument(metavar="[ID]", help="The record's id at that side.")] = None,
    side: Annotated[Side, typer.Option("--side", help="The side it stands at.")] = Side.PIMS,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", dir_okay=False, help="A native record as JSON, in place of an id."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the mapping makes of one record, and what it would write of that; writes nothing.

    It shows personal data, to whoever asks, and keeps none of it.
    """
    command = "mapping try"
    if (id_ is None) == (file is None):
        text = "name the record by its id, or give one by --file"
        give_up(command, text, advice="", code="usage", as_json=as_json, exit_code=USAGE)
    with told(command, as_json=as_json):
        loaded = _loaded(ctx, command, site, as_json=as_json)
        from vetbridge.desk.mapping_reading import tried  # noqa: PLC0415 - keeps --help quick

        mapper = _mapper(loaded, loaded.config.sites[site], side)
        if file is not None:
            native = _native_of(command, file, as_json=as_json)
        else:
            native = _native_at(command, loaded, site, side, kind, id_ or "", as_json=as_json)
        came = tried(mapper, kind, native)
    if as_json:
        data = {"site": site, "side": side.value, "kind": kind.value, "mapping": mapper.table.name, **asdict(came)}
        emit_json(command, data)
        return
    _draw_tried(came, mapper)


@app.command(epilog="Example: vetbridge mapping diff city --before clinic.yaml.bak")
def diff(
    ctx: typer.Context,
    site: SiteName,
    before: Annotated[
        Path | None,
        typer.Option(
            "--before", metavar="FILE", dir_okay=False, help="The config of before; CONFIG.bak, if not given."
        ),
    ] = None,
    records: Annotated[
        int, typer.Option("--records", min=1, max=10_000, help="So many records of each kind and side are read.")
    ] = 200,
    as_json: AsJson = False,
) -> None:
    """Show what a changed config or mapping reads otherwise in the records that both sides list: counts and ids.

    Reads records anew with the old config's mapping and with today's; writes nothing. Ends with 0, or with 4 where
    records that could be read before cannot be read now.
    """
    command = "mapping diff"
    with told(command, as_json=as_json):
        loaded = _loaded(ctx, command, site, as_json=as_json)
        path = before or loaded.path.with_name(f"{loaded.path.name}.bak")
        old = load_config(path)
        if site not in old.config.sites:
            unknown_site(command, old.config, site, as_json=as_json)
        found = _compared(loaded, old, site, records)
    fails = any(each.what == "fails now" for side in found for each in side.differences)
    if as_json:
        emit_json(command, {"site": site, "before": str(path), "sides": as_data(found)})
    else:
        _draw_compared(found)
    if fails:
        raise typer.Exit(LEFTOVERS)


# -- what it works on


def _loaded(ctx: typer.Context, command: str, site: str | None, *, as_json: bool) -> Loaded:
    loaded = load_config(config_path(ctx))
    if site is not None and site not in loaded.config.sites:
        unknown_site(command, loaded.config, site, as_json=as_json)
    return loaded


def _connectors(loaded: Loaded) -> AbstractContextManager[Mapping[str, Connector]]:
    from vetbridge.daemon.assembly import connected  # noqa: PLC0415 - keeps --help quick

    return connected(loaded)


def _mapper(loaded: Loaded, site: Site, side: Side) -> Mapper:
    from vetbridge.daemon.assembly import build_mapper  # noqa: PLC0415 - keeps --help quick

    return build_mapper(loaded, site, side)


def _site_lists(loaded: Loaded, names: Sequence[str]) -> tuple[dict[str, tuple[SiteList, ...]], list[_Problem]]:
    """The code lists of sites, as the vendors tell them now; what one does not tell, as it was read last."""
    from vetbridge.daemon.assembly import build_mapper  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk.mapping_lists import site_lists  # noqa: PLC0415

    sites = {name: loaded.config.sites[name] for name in names}
    mappers = {
        name: {side: build_mapper(loaded, site, side, unfinished=True) for side in Side}
        for name, site in sites.items()
    }
    unmapped, kept = _remembered(loaded)
    accounts = {end.account for site in sites.values() for end in (site.booking, site.pims)}
    titles, problems = _titles(loaded, accounts, kept)
    found = {name: site_lists(name, site, mappers[name], titles, unmapped) for name, site in sites.items()}
    return found, problems


def _titles(
    loaded: Loaded, accounts: set[str], kept: dict[str, CodeLists]
) -> tuple[dict[str, CodeLists], list[_Problem]]:
    from vetbridge.desk.doctor import read_lists  # noqa: PLC0415 - keeps --help quick

    titles: dict[str, CodeLists] = {}
    problems: list[_Problem] = []
    with _connectors(loaded) as connectors:
        for account in sorted(accounts):
            before = kept.get(account, {})
            try:
                told = read_lists(connectors[account])
            except VetBridgeError as error:
                titles[account] = before
                problems.append(_unread(account, before, error.message, error))
                continue
            # A part of the account may not have answered.
            lacking = sorted(connectors[account].capabilities.code_lists - told.keys())
            if lacking:
                problems.append(_unread(account, before, f"{', '.join(lacking)} did not come", Unavailable("")))
            titles[account] = {**{name: before[name] for name in lacking if name in before}, **told}
    return titles, problems


def _unread(account: str, instead: CodeLists, why: str, error: VetBridgeError) -> _Problem:
    shown = "what was read last is shown" if instead else "none is known"
    text = f"code lists of {account} cannot be read, {shown}: {why}"
    return {"code": error.code, "text": text, "advice": error.advice()}


def _remembered(loaded: Loaded) -> tuple[tuple[Unmapped, ...], dict[str, CodeLists]]:
    """What waits for a word, and the code lists that were read last; nothing before there is a ledger."""
    from vetbridge.ledger import codelists, quality  # noqa: PLC0415 - keeps --help quick
    from vetbridge.ledger.database import exists  # noqa: PLC0415

    if not exists(loaded.config.ledger.place):
        return (), {}
    with ledger_beside(loaded) as ledger, ledger.read() as tx:
        return quality.unmapped(tx), {name: codelists.kept(tx, name) for name in loaded.config.accounts}


# -- fill


def _require_free(command: str, to: Path | None, *, as_json: bool) -> None:
    """A table that somebody may have half finished is never overwritten."""
    if to is None:
        return
    if to.suffix.casefold() not in (".csv", ".xlsx"):
        text = f"{to} is neither .xlsx nor .csv"
        give_up(command, text, advice="Name a .xlsx or .csv file.", code="usage", as_json=as_json, exit_code=USAGE)
    for path in (to, _beside(to)):
        if path.exists():
            text = f"{path} is there already, and somebody may have worked on it"
            give_up(command, text, advice="Name another file.", code="file-exists", as_json=as_json, exit_code=USAGE)
    require_writable(to)


def _beside(to: Path) -> Path:
    """Where the allowed answers stand beside a CSV file, which has no second sheet."""
    return to.with_name(f"{to.stem}-allowed.csv") if to.suffix.casefold() == ".csv" else to


def _write_draft(to: Path, rows: Sequence[DraftRow], lists: Sequence[SiteList]) -> list[str]:
    from vetbridge.desk.mapping_table import (  # noqa: PLC0415 - keeps --help quick
        ALLOWED_COLUMNS,
        COLUMNS,
        allowed,
        write_workbook,
    )

    if to.suffix.casefold() == ".csv":
        write_csv(to, COLUMNS, [row.cells for row in rows])
        write_csv(_beside(to), ALLOWED_COLUMNS, list(allowed(lists)))
        return [str(to), str(_beside(to))]
    with tempfile.TemporaryDirectory(prefix="vetbridge-") as folder:
        made = Path(folder) / "table.xlsx"
        write_workbook(made, rows, lists)
        write_whole(to, made.read_bytes())
    return [str(to)]


def _counts(rows: Sequence[DraftRow]) -> dict[str, dict[str, int]]:
    """Rows by list, and there by how sure they are."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        each = counts.setdefault(row.list, {})
        each[row.sure] = each.get(row.sure, 0) + 1
    return counts


def _draw_rows(rows: Sequence[DraftRow]) -> None:
    names = dict.fromkeys(row.list for row in rows[:MOST_SHOWN])
    for name in names:
        table = plain_table("Booking side", "PIMS", "Word", "How sure")
        for row in rows[:MOST_SHOWN]:
            if row.list != name:
                continue
            codes = [
                " ".join(filter(None, [code, title if title != code else ""]))
                for code, title in ((row.booking_code, row.booking_name), (row.pims_code, row.pims_name))
            ]
            waits = f"; {row.waiting} waiting" if row.waiting else ""
            add(table, *codes, row.word, f"{row.sure}: {row.why}{waits}")
        say(f"{name}:")
        say(drawn(table, indent=2))
    if len(rows) > MOST_SHOWN:
        say(f"and {len(rows) - MOST_SHOWN} more; --to FILE writes all")


def _take_back(
    command: str,
    loaded: Loaded,
    site: str,
    lists: Sequence[SiteList],
    path: Path,
    problems: list[_Problem],
    *,
    write: bool,
    as_json: bool,
) -> None:
    from vetbridge.desk.mapping_config import codes_text, with_codes  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk.mapping_table import finished  # noqa: PLC0415

    came = finished(path, lists)
    problems = problems + [
        {"code": each.code, "text": f"row {each.row}: {each.text}", "advice": each.advice} for each in came.problems
    ]
    yaml, done, paste = "", False, False
    if not came.problems and came.changed:
        _must_map(loaded, site, came.changed)
        yaml = codes_text(came.changed)
        if write:
            text = loaded.path.read_bytes().decode("utf-8-sig")
            changed = with_codes(text, site, came.changed)
            done, paste = changed is not None, changed is None
            if changed is not None:
                _place(loaded, changed)
    if as_json:
        counts = {"answered": came.answered, "left_out": came.left_out, "open": came.open}
        emit_json(command, {"site": site, **counts, "yaml": yaml, "written": done}, problems)
    else:
        _tell_taken_back(came, problems, yaml, loaded, done=done, paste=paste)
    if came.problems or paste:
        raise typer.Exit(LEFTOVERS)


def _tell_taken_back(
    came: Finished, problems: list[_Problem], yaml: str, loaded: Loaded, *, done: bool, paste: bool
) -> None:
    _talk_of(problems)
    if yaml:
        say(yaml.rstrip("\n"))
    talk(f"{came.answered} rows answered, {came.left_out} left out, {came.open} open: what those are about waits")
    if came.problems:
        talk("Nothing was written. Mend these rows and run this again.")
    elif done:
        talk(f"Written into {loaded.path}; as it was before: {loaded.path.name}.bak. Then: vetbridge config check")
    elif paste:
        talk(
            f"{loaded.path} is laid out in a way that cannot be changed line by line; paste the lines above into it."
        )
    elif not came.changed:
        talk("The config says all of it already.")


def _must_map(loaded: Loaded, site: str, changed: Changed) -> None:
    """Raises ``ConfigError`` where the mappings would not take the new lists."""
    from vetbridge.config.models import Otherwise  # noqa: PLC0415 - keeps --help quick

    before = loaded.config.sites[site]
    ends = {}
    for side, end in ((Side.BOOKING, before.booking), (Side.PIMS, before.pims)):
        codes: dict[str, Any] = dict(end.codes)
        for (at, name), entries in changed.items():
            if at is side:
                kept = {word: each for word, each in end.codes.get(name, {}).items() if isinstance(each, Otherwise)}
                codes[name] = {**entries, **kept}
        ends[side.value] = end.model_copy(update={"codes": codes})
    after = before.model_copy(update=ends)
    for side in Side:
        _mapper(loaded, after, side)


def _place(loaded: Loaded, text: str) -> None:
    from vetbridge.config.placing import Placed, place_all  # noqa: PLC0415 - keeps --help quick

    private = loaded.path.stat().st_mode & 0o077 == 0
    place_all([Placed(path=loaded.path, content=text, private=private)])


# -- try and diff


def _native_of(command: str, file: Path, *, as_json: bool) -> Native:
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST_RECORD + 1)
        native = json.loads(raw) if len(raw) <= LARGEST_RECORD else None
    except (OSError, ValueError, RecursionError):
        native = None
    if not isinstance(native, dict):
        text = f"{file} holds no record that can be read: one JSON object of up to {LARGEST_RECORD // 1024} KiB"
        give_up(command, text, advice="", code="file-unreadable", as_json=as_json, exit_code=USAGE)
    return native


def _native_at(command: str, loaded: Loaded, site: str, side: Side, kind: Kind, id_: str, *, as_json: bool) -> Native:
    ends = loaded.config.sites[site]
    account = (ends.booking if side is Side.BOOKING else ends.pims).account
    with _connectors(loaded) as connectors:
        native = connectors[account].get(kind, id_)
    if native is None:
        text = f"{account} has no {kind} {one_line(id_, 40)}"
        give_up(
            command,
            text,
            advice="Look at --side, and at the id.",
            code="unknown-record",
            as_json=as_json,
            exit_code=USAGE,
        )
    return native


def _draw_tried(came: Tried, mapper: Mapper) -> None:
    say(f"read by the mapping {one_line(mapper.table.name)}:")
    table = plain_table("", "")
    for name, value in came.fields.items():
        add(table, name, safe(", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    say(drawn(table, indent=2))
    say("and written back:")
    say(json.dumps(came.written, indent=2, ensure_ascii=False))
    for name, why in came.unwritten.items():
        say_wrapped(f"{name}: {one_line(why, 300)}", first="  cannot be written: ", margin="    ")


def _compared(loaded: Loaded, old: Loaded, site: str, records: int) -> list[Compared]:
    from vetbridge.desk.mapping_reading import compare  # noqa: PLC0415 - keeps --help quick

    now, was = loaded.config.sites[site], old.config.sites[site]
    with _connectors(loaded) as connectors:
        return [
            compare(connectors[account], account, _mapper(old, was, side), _mapper(loaded, now, side), most=records)
            for side, account in ((Side.BOOKING, now.booking.account), (Side.PIMS, now.pims.account))
        ]


def _draw_compared(found: Sequence[Compared]) -> None:
    for side in found:
        looked = ", ".join(f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in side.looked_at.items())
        say(f"{side.account}: {looked + ' read' if looked else 'the mapping is the same as before'}")
        for each in side.differences:
            what = f"{each.field} {each.what}" if each.field else each.what
            more = f" and {each.count - len(each.ids)} more" if each.count > len(each.ids) else ""
            ids = ", ".join(one_line(id_, 40) for id_ in each.ids)
            say_wrapped(f"{each.kind} {what} in {each.count}: {ids}{more}", first="  ", margin="    ")
        if looked and not side.differences:
            say("  all of them read as before")


def _talk_of(problems: Sequence[_Problem]) -> None:
    for each in problems:
        talk(f"vetbridge: {each['text']}")
        if each["advice"]:
            talk(f"  {each['advice']}")
