"""`vetbridge find`: is it in? A visit by a phone, an owner, a pet or a day, and how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.changes import day_of
from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import AsJson, as_data, config_path, ledger_beside, must_know, signed, told
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from datetime import datetime

    from vetbridge.desk.find import Found, FoundVisit


def find(
    ctx: typer.Context,
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT...",
            help="A phone or its end, an e-mail address, or words of the owner's and the pet's name.",
        ),
    ] = None,
    phone: Annotated[str | None, typer.Option(help="The owner's phone, or its end.")] = None,
    owner: Annotated[str | None, typer.Option(help="The owner's name, or how it begins.")] = None,
    pet: Annotated[str | None, typer.Option(help="The pet's name, or how it begins.")] = None,
    day: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day of the visit: 2026-11-24, today, tomorrow.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Only visits of this site.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Show at most so many.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Say whether a booking is in, and how it stands: the soonest visit first, then those that are over.

    All that is given has to fit. Shows names and phones. Ends with 2 where nothing is given or nobody knows the site,
    with 6 where there is no ledger.
    """
    words = " ".join(text or ())
    if not (words.strip() or phone or owner or pet or day):
        raise typer.BadParameter("give a phone, a name, or --day", param_hint="TEXT")
    on = None if day is None else day_of(day)
    with told("find", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import find as desk  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import access, audit  # noqa: PLC0415

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                now = tx.now
                must_know("find", tx, loaded.config, site=site, as_json=as_json)
                found = desk.find(
                    tx, loaded.config.sites, words, phone=phone, owner=owner, pet=pet, day=on, site=site, limit=limit
                )
            records = [each.record_id for each in found.visits]
            access.note_found(ledger, records, by=signed(None), via=audit.COMMAND)
    if as_json:
        emit_json("find", as_data(found))
    else:
        _draw(found, now)


def _draw(found: Found, now: datetime) -> None:
    if not found.visits:
        say("No visit fits.")
    for place, visit in enumerate(found.visits):
        if place:
            say("")
        _draw_visit(visit, now)
    if found.more:
        talk("There are more: say more of the name, or give --limit.")


def _draw_visit(visit: FoundVisit, now: datetime) -> None:
    from vetbridge.desk.language import moment  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk.wording import ago  # noqa: PLC0415

    when = "time not known" if visit.start is None else moment(visit.start)
    who = [visit.who or "nobody named", *visit.phones[:2], *(f"pet: {pet}" for pet in visit.pets)]
    say_wrapped("  ".join([when, *(one_line(each) for each in who)]), margin="    ")
    say_wrapped(one_line(visit.words, 500), first="    ", margin="    ")
    for each in visit.elsewhere:
        say_wrapped(one_line(each, 200), first="    ", margin="    ")
    what = [visit.appointment_type_title, visit.resource_title, visit.site_name]
    ids = [f"{visit.account} {visit.remote_id}"]
    if visit.link is not None:
        ids = [f"booking {visit.link.booking_id}", f"PIMS {visit.link.pims_id}"]
    said = [*(one_line(each) for each in what if each), *(one_line(each, 40) for each in ids)]
    said.append(
        ago(visit.changed_at, now)
        if visit.change_id is None
        else f"change {visit.change_id}, {ago(visit.changed_at, now)}"
    )
    say_wrapped("; ".join(said), first="    ", margin="    ")
