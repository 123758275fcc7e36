"""`vetbridge replay`: lets failed changes be read and decided upon again, with today's mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.changes import (
    HIGHEST,
    LEFTOVERS,
    OfAccount,
    OfCode,
    OfDay,
    OfGroup,
    OfKind,
    OfName,
    OfPet,
    OfPhone,
    OfRecord,
    OfSite,
    OfState,
    Since,
    Until,
    known_group,
    selected,
)
from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.plan import PATIENCE, change_lines
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, ledger_beside, must_know, signed, told
from vetbridge.cli.tables import say_wrapped
from vetbridge.core.records import Side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vetbridge.config.loader import Loaded
    from vetbridge.config.models import Config
    from vetbridge.desk.replay import Chosen, Replay


def replay(
    ctx: typer.Context,
    numbers: Annotated[
        list[int] | None,
        typer.Argument(metavar="ID...", help="Numbers of changes, however they ended.", min=1, max=HIGHEST),
    ] = None,
    group: OfGroup = None,
    state: OfState = None,
    code: OfCode = None,
    account: OfAccount = None,
    site: OfSite = None,
    kind: OfKind = None,
    phone: OfPhone = None,
    name: OfName = None,
    pet: OfPet = None,
    day: OfDay = None,
    since: Since = None,
    until: Until = None,
    remote_id: OfRecord = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Without numbers: at most so many, the oldest first.")
    ] = 100,
    rate: Annotated[
        int | None, typer.Option(min=1, max=6000, help="Begin at most so many a minute; a restart keeps to it.")
    ] = None,
    side: Annotated[
        Side | None,
        typer.Option("--side", help="Write to this side only; the other one is left to the record's next change."),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also what is past, and what finds its time taken at the other side.")
    ] = False,
    by: Annotated[str | None, typer.Option("--by", help="Who asks for it; the login name unless given.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would come of each, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let changes that failed be read and decided upon again, once their cause is mended.

    Give numbers, or what narrows `changes list`: failed changes then, unless --state says otherwise. Each is
    rehearsed first. It is refused, with its reason, where its visit has begun, where its time is taken by now, where
    it would fail again, and where a newer change of the same record is there; with --side, where all that is to be
    done is at the other side. The running VetBridge works on the others, else the next `vetbridge sync`. Ends with 0
    when all were replayed, 4 when some were refused, 2 for a number that nothing has.
    """
    from vetbridge.desk.changes import EVERYTHING  # noqa: PLC0415 - keeps --help quick

    narrowing = selected(
        group=group,
        states=state,
        codes=code,
        account=account,
        site=site,
        kind=kind,
        phone=phone,
        name=name,
        pet=pet,
        day=day,
        since=since,
        until=until,
        remote_id=remote_id,
    )
    if bool(numbers) == (narrowing != EVERYTHING):
        raise typer.BadParameter(
            "give the numbers of changes, or --group, --code or another option that narrows", param_hint="ID"
        )
    selection = selected(numbers=numbers) if numbers else narrowing
    with told("replay", as_json=as_json), known_group("replay", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.cli.log import set_up  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk import replay as desk  # noqa: PLC0415

        # Endings of a rehearsal would read as if they had happened.
        set_up("warning", loaded.config.log.format)
        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                must_know("replay", tx, loaded.config, site=site, account=account, as_json=as_json)
                chosen = desk.choose(tx, loaded.config.sites, selection, limit=limit, anyway=anyway)
            found, restart = _rehearsed(loaded, chosen, side=side, anyway=anyway)
            if not plan:
                with ledger.write() as tx:
                    found = desk.carry_out(
                        tx,
                        found,
                        by=signed(by),
                        only_failed=desk.only_failed(selection),
                        anyway=anyway,
                        side=side,
                        rate=rate,
                        old_mapping=lambda site: site in restart,
                    )
    pid = _running(loaded)
    if as_json:
        data = {
            "total": chosen.total,
            **{str(result): sum(each.result == result for each in found) for result in desk.Result},
            "replays": as_data(found),
            "side": side,
            "running": pid is not None,
            "old_mapping": sorted(restart),
        }
        emit_json("replay", data, [_restart_words(site, pid) for site in sorted(restart)])
    else:
        _draw(found, chosen, loaded.config)
        for text in _after(found, pid, restart, rate):
            say_wrapped(text)
    raise typer.Exit(_exit_code(found))


def _rehearsed(
    loaded: Loaded, chosen: Chosen, *, side: Side | None, anyway: bool
) -> tuple[tuple[Replay, ...], set[str]]:
    """What would come of each, and the sites of which the VetBridge that runs has another mapping."""
    from vetbridge.daemon.rehearsal import rehearsed  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk import replay as desk  # noqa: PLC0415

    wanted = [each.change for each in chosen.replays if each.result is not desk.Result.REFUSED]
    if not wanted:
        return chosen.replays, set()
    with rehearsed(loaded) as rehearsal:
        planned = rehearsal.replay(wanted, side=side, patience=PATIENCE, progress=talk)
        noted = rehearsal.noted_mappings
        differ = {site for site, mapping in rehearsal.program.mappings.items() if noted.get(site, mapping) != mapping}
    found = desk.judge(chosen.replays, planned, anyway=anyway)
    concerned = {each.site for each in found if each.result is not desk.Result.REFUSED}
    return found, differ & concerned if _running(loaded) is not None else set()


def _running(loaded: Loaded) -> int | None:
    from vetbridge.daemon.lock import running  # noqa: PLC0415 - keeps --help quick

    return running(loaded.config.ledger.place)


def _draw(found: Sequence[Replay], chosen: Chosen, config: Config) -> None:
    if not found:
        say("No change fits that could be replayed.")
        return
    for each in found:
        say(f"Change {each.change}: {_result(each)}")
        if each.planned is not None and not each.reason:
            for line in change_lines(each.planned, config):
                say(f"    {line}")
        elif each.words:
            say_wrapped(each.words, first="    ", margin="    ")
    say("")
    if len(found) < chosen.total:
        talk(f"{len(found)} of {chosen.total} looked at; give --limit to take more")


def _result(each: Replay) -> str:
    if each.new_change is not None:
        return f"replayed as change {each.new_change}"
    return "refused" if each.reason else "would be replayed"


def _after(found: Sequence[Replay], pid: int | None, restart: set[str], rate: int | None) -> list[str]:
    from vetbridge.desk.wording import span  # noqa: PLC0415

    refused = sum(bool(each.reason) for each in found)
    replayed = sum(each.new_change is not None for each in found)
    if not replayed:
        could = len(found) - refused
        words = [f"{could} would be replayed, {refused} refused. Nothing was done."] if found else []
    else:
        works = "`vetbridge sync` works on them, or `vetbridge run`."
        if pid is not None:
            works = f"The running VetBridge (process {pid}) works on them now."
        if rate is not None and replayed > 1:
            works += f" {rate} a minute are begun: the last in {span((replayed - 1) / rate * 60)}."
        words = [f"{replayed} replayed, {refused} refused." + ("" if restart else f" {works}")]
    return words + [_restart_words(site, pid) for site in sorted(restart)]


def _restart_words(site: str, pid: int | None) -> str:
    return (
        f"The running VetBridge (process {pid}) still has the old mapping of site {site}: restart it, "
        "and it works on them then."
    )


def _exit_code(found: Sequence[Replay]) -> int:
    if any(each.reason == "unknown-change" for each in found):
        return USAGE
    return LEFTOVERS if any(each.reason for each in found) else 0
