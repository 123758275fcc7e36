"""`vetbridge review`: the questions that wait for a person, and the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli import answering
from vetbridge.cli.answering import By, Item, NoWait, Plan, Take, Yes, refusing, who
from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.question import client_words, headline, lines, pairing_line
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, must_know, signed, told
from vetbridge.cli.tables import one_line, say_wrapped
from vetbridge.core.answers import PAIR_CLIENT, Answer, Choice

if TYPE_CHECKING:
    from vetbridge.config.models import Site
    from vetbridge.desk.answering import CannotAnswer, Outcome, Taken
    from vetbridge.desk.review import ReviewItem
    from vetbridge.desk.search import Hits
    from vetbridge.ledger.database import Transaction
    from vetbridge.ledger.reports import OpenQuestion

app = typer.Typer(
    name="review",
    help="Bookings whose owner is not certain, and other questions for a person.",
)

LONGEST_LATER = 24.0 * 90
"""Hours."""

Also = Annotated[
    bool, typer.Option("--also", help="Answer the other bookings of the same contact and name the same.")
]
OnlySite = Annotated[str | None, typer.Option("--site", help="Only questions of this site.")]


@app.callback(invoke_without_command=True, epilog="Example: vetbridge review")
def walk(ctx: typer.Context, site: OnlySite = None, by: By = None) -> None:
    """Answer questions: without a command one by one, the soonest visit first.

    Each answer says what it comes to before it is taken. Quit at any time: what was answered is kept, and nothing
    else is touched. Where there is no terminal to ask at, the questions are listed, and nothing is done.
    """
    if ctx.invoked_subcommand is not None:
        if site is not None or by is not None:
            raise typer.BadParameter("options of a command stand after it, as in `vetbridge review list --site SITE`")
        return
    with told("review", as_json=False):
        loaded = load_config(config_path(ctx))
        from vetbridge.cli.asking import Walk  # noqa: PLC0415 - keeps --help quick
        from vetbridge.connector.clock import SystemClock  # noqa: PLC0415

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                must_know("review", tx, loaded.config, site=site, as_json=False)
            if not answering.on_terminal():
                with ledger.read() as tx:
                    _draw_list(tx, loaded.config.sites, site=site, pairing=False)
                talk("There is no terminal to ask at. Answer with `vetbridge review link` and its neighbours.")
                return
            Walk(
                ledger,
                loaded.config.sites,
                site=site,
                by=who(by),
                read=answering.ask,
                say=say,
                runs=lambda: answering.runs(loaded),
                clock=SystemClock(),
            ).go()


@app.command(name="list", epilog="Example: vetbridge review list --json")
def list_(
    ctx: typer.Context,
    site: OnlySite = None,
    pairing: Annotated[
        bool, typer.Option("--pairing", help="List the questions of pairing, too: who a client is in the PIMS.")
    ] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only questions that are assigned to you.")] = False,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Only questions that are assigned to NAME.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List open questions, the soonest visit first, with everybody who may be meant, and who sees to them.

    Shows names, phones and pets, because a person needs them: mind who reads along. Which client of the PIMS a client
    of the booking side is can wait until it books: of those questions only the number is said, unless --pairing or
    --json asks for them. Ends with 2 for a site that nobody knows, with 6 where there is no ledger.
    """
    with told("review list", as_json=as_json):
        loaded = load_config(config_path(ctx))
        whose = who(by) if mine or by is not None else None
        from vetbridge.desk import review as desk  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import access, audit  # noqa: PLC0415

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                must_know("review list", tx, loaded.config, site=site, as_json=as_json)
                seen = [each.id for each in _listed(tx, site, whose) if as_json or pairing or each.why != PAIR_CLIENT]
                found = desk.items(tx, loaded.config.sites, seen) if as_json else ()
            access.note_questions(ledger, seen, by=signed(None), via=audit.COMMAND)
            if not as_json:
                with ledger.read() as tx:
                    _draw_list(tx, loaded.config.sites, site=site, whose=whose, pairing=pairing)
                return
    emit_json("review list", as_data(found))


@app.command(epilog="Example: vetbridge review show 12")
def show(ctx: typer.Context, item: Item, as_json: AsJson = False) -> None:
    """Show one question in full, with what each answer would come to. Shows names, phones and pets.

    Ends with 2 where there is no such item.
    """
    with told("review show", as_json=as_json), refusing("review show", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.answering import show as desk_show  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import access, audit  # noqa: PLC0415

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                now = tx.now
                found = desk_show(tx, loaded.config.sites, item)
            access.note_questions(ledger, [item], by=signed(None), via=audit.COMMAND)
    if as_json:
        data = as_data(found.item)
        for candidate, words in zip(data["candidates"], found.candidate_consequences, strict=False):
            candidate["consequence"] = words
        emit_json("review show", {**data, "consequences": dict(found.consequences), "became": found.became})
        return
    for line in lines(found.item, now, answers=False):
        say(line)
    say("")
    if found.became:
        say_wrapped(f"Not open any more: {found.became}.", margin="    ")
    if found.item.dropped:
        say(
            f"What was asked is dropped after {loaded.config.ledger.keep_bodies_days} days (ledger.keep_bodies_days)."
        )
    for number, words in enumerate(found.candidate_consequences, start=1):
        _draw_consequence(f"review link {item} {number}", words)
    for choice, words in found.consequences.items():
        commands = {Choice.NEW: f"new {item}", Choice.FIELDS: f"fields {item} FIELD=SIDE..."}
        _draw_consequence(f"review {commands.get(Choice(choice), f'answer {item} {choice}')}", words)


@app.command(epilog="Example: vetbridge review link 12 1")
def link(
    ctx: typer.Context,
    item: Item,
    candidate: Annotated[
        int | None,
        typer.Argument(metavar="CANDIDATE", min=1, help="The candidate's number, as `review list` shows it."),
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="ID", help="Instead of a candidate: the client's id in the PIMS.")
    ] = None,
    pet: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="The pet's id in the PIMS; 'booked' for the one of the booked name, made if need be."
        ),
    ] = None,
    also: Also = False,
    by: By = None,
    take: Take = False,
    plan: Plan = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Say whose a booking is. The very appointment that stands in the PIMS is put on that client and pet.

    Unless --pet says otherwise, the pet is the candidate's; else the one of the booked name, made where the client
    has none. Where pairing asks who a client of the booking side is, no pet is said. Ends with 2 for an item that is
    not open, or a client or pet that cannot be meant.
    """
    command = "review link"
    if (candidate is None) == (client is None):
        raise typer.BadParameter("give a candidate's number, or --client ID")

    def answer(shown: ReviewItem) -> Answer:
        from vetbridge.desk.answering import candidate as candidate_of  # noqa: PLC0415

        return Answer(
            choice=Choice.LINK,
            client_id=client if candidate is None else candidate_of(shown, candidate),
            pet_id=pet,
        )

    _answer(ctx, command, item, answer, by=by, also=also, take=take, plan=plan, no_wait=no_wait, as_json=as_json)


@app.command(epilog="Example: vetbridge review new 12 --by ann")
def new(
    ctx: typer.Context,
    item: Item,
    also: Also = False,
    by: By = None,
    take: Take = False,
    plan: Plan = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Say that a booking's owner is new: client and pet are made in the PIMS, and the appointment is put on them.

    Ends with 2 for an item that is not open, or does not ask for an owner.
    """
    _answer(
        ctx,
        "review new",
        item,
        lambda _: Answer(choice=Choice.NEW),
        by=by,
        also=also,
        take=take,
        plan=plan,
        no_wait=no_wait,
        as_json=as_json,
    )


@app.command(name="answer", epilog="Example: vetbridge review answer 12 pims")
def answer_(
    ctx: typer.Context,
    item: Item,
    choice: Annotated[Choice, typer.Argument(help="booking, pims, keep, again or allow: what `review list` offers.")],
    by: By = None,
    take: Take = False,
    plan: Plan = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Answer a question that does not ask for an owner: which side is right, or whether to go on.

    `booking`: the booking side is right; `pims`: the PIMS is right; `keep`: leave both as they are; `again`: try it
    again; `allow`: let through what the fuse holds back. Of a booking and a visit that may be one: `pims` and
    `booking`: one visit, at the PIMS's or the booking's time; `again`: two visits. Ends with 2 for a choice that the
    item does not offer.
    """
    elsewhere = {Choice.LINK: "link", Choice.NEW: "new", Choice.FIELDS: "fields", Choice.UNDO: "undo"}
    if choice in elsewhere:
        give_up(
            "review answer",
            f"'{choice}' is given by a command of its own",
            advice=f"See `vetbridge review {elsewhere[choice]} --help`.",
            code="choice-not-offered",
            as_json=as_json,
            exit_code=USAGE,
        )
    answer = Answer(choice=choice)
    _answer(
        ctx, "review answer", item, lambda _: answer, by=by, take=take, plan=plan, no_wait=no_wait, as_json=as_json
    )


@app.command(epilog="Example: vetbridge review fields 12 start=booking resource=pims")
def fields(
    ctx: typer.Context,
    item: Item,
    right: Annotated[
        list[str],
        typer.Argument(metavar="FIELD=SIDE...", help="For each field that differs the side that is right."),
    ],
    by: By = None,
    take: Take = False,
    plan: Plan = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Say field by field which side is right, where both changed a visit: `booking` or `pims`.

    `review list --json` names the fields. Every field that differs is to be said. Ends with 2 where one is missing,
    or where the item does not offer it.
    """
    command = "review fields"
    said = dict(each.strip().partition("=")[::2] for each in right)
    if len(said) != len(right):
        raise typer.BadParameter("say each field once")
    answer = Answer(choice=Choice.FIELDS, fields=said)
    _answer(ctx, command, item, lambda _: answer, by=by, take=take, plan=plan, no_wait=no_wait, as_json=as_json)


@app.command(epilog="Example: vetbridge review later 12 --hours 2")
def later(
    ctx: typer.Context,
    item: Item,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.05,
            max=LONGEST_LATER,
            help="Hours until it comes back. Unless given 4, or half of the time until the visit where that is less.",
        ),
    ] = None,
    by: By = None,
    take: Take = False,
    plan: Plan = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a question off: the guided walk leaves it out until then. Nothing else changes.

    Ends with 2 for an item that is not open.
    """
    command = "review later"
    with told(command, as_json=as_json), refusing(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.answering import answerable, later_words, postpone, return_at  # noqa: PLC0415

        sites = loaded.config.sites
        with ledger_beside(loaded) as ledger:
            if plan:
                with ledger.read() as tx:
                    shown = answerable(tx, sites, item)
                    words = later_words(shown, sites, return_at(shown, tx.now, hours))
            else:
                with ledger.write() as tx:
                    shown = answerable(tx, sites, item)
                    words = later_words(shown, sites, postpone(tx, sites, item, hours, by=who(by), take=take))
    if plan:
        answering.tell_plan(command, item, "later", words, as_json=as_json)
    elif as_json:
        emit_json(command, answering.answer_data(item, "later", "applied", words))
    else:
        say_wrapped(words)


@app.command(epilog="Example: vetbridge review undo 12")
def undo(
    ctx: typer.Context,
    item: Item,
    by: By = None,
    plan: Plan = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Take an answer back: one that is not carried out yet, or a link or a new client whose visit is still ahead.

    The appointment goes back to where it stood, and the question is open again. Asks first on a terminal. Ends with 2
    where there is nothing that can be taken back.
    """
    command = "review undo"
    with told(command, as_json=as_json), refusing(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.connector.clock import SystemClock  # noqa: PLC0415
        from vetbridge.desk.answering import undo as desk_undo  # noqa: PLC0415
        from vetbridge.desk.answering import undo_consequence  # noqa: PLC0415

        sites = loaded.config.sites
        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                consequence = undo_consequence(tx, sites, item)
            if plan:
                answering.tell_plan(command, item, Choice.UNDO.value, consequence, as_json=as_json)
                return
            if answering.on_terminal() and not yes and not as_json:
                if not answering.confirmed(consequence):
                    say("Nothing has been changed.")
                    return
            elif not as_json:
                say_wrapped(consequence)
            with ledger.write() as tx:
                taken = desk_undo(tx, sites, item, by=who(by))
            found = answering.carried_out(
                ledger,
                sites,
                taken,
                runs=answering.runs(loaded),
                clock=SystemClock(),
                patience=0.0 if no_wait else answering.PATIENCE,
            )
    answering.tell(command, found, as_json=as_json)


@app.command(epilog="Example: vetbridge review claim 12 --by ann")
def claim(
    ctx: typer.Context, item: Item, by: By = None, take: Take = False, plan: Plan = False, as_json: AsJson = False
) -> None:
    """Take a question up for ten minutes: meanwhile nobody else answers it unasked.

    The guided walk does so by itself. Ends with 2 for an item that is not open, and where somebody else has it,
    unless --take takes it over.
    """

    def words(found: ReviewItem) -> str:
        return f"Item {item} is yours until {found.claimed_until:%H:%M}." if found.claimed_until else ""

    def act(tx: Transaction, sites: Mapping[str, Site]) -> ReviewItem:
        from vetbridge.desk import claims  # noqa: PLC0415 - keeps --help quick

        return claims.claim(tx, sites, item, by=who(by), take=take)

    _see_to(ctx, "claim", act, words, plan=plan, as_json=as_json)


@app.command(epilog="Example: vetbridge review release 12")
def release(ctx: typer.Context, item: Item, by: By = None, plan: Plan = False, as_json: AsJson = False) -> None:
    """Give a question up that you have claimed. Ends with 2 where there is no such item."""

    def words(found: ReviewItem) -> str:
        if found.claimed_by:
            return f"{one_line(found.claimed_by)} has claimed item {item}: it stays so."
        return f"Nobody is at item {item} now."

    def act(tx: Transaction, sites: Mapping[str, Site]) -> ReviewItem:
        from vetbridge.desk import claims  # noqa: PLC0415 - keeps --help quick

        return claims.release(tx, sites, item, by=who(by))

    _see_to(ctx, "release", act, words, plan=plan, as_json=as_json)


@app.command(epilog="Example: vetbridge review assign 12 ann")
def assign(
    ctx: typer.Context,
    item: Item,
    to: Annotated[str, typer.Argument(metavar="NAME", help="Who is to answer it; '' for anybody.")],
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Say who is to answer a question: `review list --mine` lists one's own. Others may still answer it.

    Ends with 2 for an item that is not open.
    """

    def words(found: ReviewItem) -> str:
        whom = f"for {one_line(found.assigned_to)}" if found.assigned_to else "for anybody"
        return f"Item {item} is {whom} now."

    def act(tx: Transaction, sites: Mapping[str, Site]) -> ReviewItem:
        from vetbridge.desk import claims  # noqa: PLC0415 - keeps --help quick

        return claims.assign(tx, sites, item, to, by=who(by))

    _see_to(ctx, "assign", act, words, plan=plan, as_json=as_json)


@app.command(epilog="Example: vetbridge review note 12 'She calls back at ten'")
def note(
    ctx: typer.Context,
    item: Item,
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="What is to be known, up to 1,000 characters.")],
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Note something about a question, for whoever answers it. It is kept sealed, and goes to neither side.

    Ends with 2 for an item that is not open, and for a text that is empty or too long.
    """

    def act(tx: Transaction, sites: Mapping[str, Site]) -> ReviewItem:
        from vetbridge.desk import claims  # noqa: PLC0415 - keeps --help quick

        return claims.add_note(tx, sites, item, " ".join(text), by=who(by))

    _see_to(ctx, "note", act, lambda _: f"Noted with item {item}.", plan=plan, as_json=as_json)


@app.command(epilog="Example: vetbridge review search harris monty")
def search(
    ctx: typer.Context,
    text: Annotated[
        list[str], typer.Argument(metavar="TEXT", help="A phone or its last digits, an e-mail address, names, an id.")
    ],
    site: Annotated[str | None, typer.Option(help="Only clients of this site's PIMS.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find clients by phone, e-mail address, name, pet or id, with the ids that `review link` takes.

    Looks at VetBridge's own copy of the PIMS's clients. Shows names, phones and pets.
    """
    command = "review search"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.search import search as desk_search  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import access, audit  # noqa: PLC0415

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                must_know(command, tx, loaded.config, site=site, as_json=as_json)
                sites = {name: each for name, each in loaded.config.sites.items() if site in (None, name)}
                found = desk_search(tx, sites, " ".join(text))
            clients = [(each.account, each.client_id) for each in found.found]
            access.note_clients(ledger, clients, by=signed(None), via=audit.COMMAND)
    if as_json:
        emit_json(command, as_data(found.found))
    else:
        _draw_hits(found, several=len({each.pims.account for each in sites.values()}) > 1)


class _OnlyPlanned(Exception):
    """Takes back what was tried."""


def _see_to(
    ctx: typer.Context,
    name: str,
    act: Callable[[Transaction, Mapping[str, Site]], ReviewItem],
    words: Callable[[ReviewItem], str],
    *,
    plan: bool,
    as_json: bool,
) -> None:
    """Does something about a question that is no answer, and says so; with ``plan`` it is tried and taken back."""
    command = f"review {name}"
    with told(command, as_json=as_json), refusing(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        with ledger_beside(loaded) as ledger:
            try:
                with ledger.write() as tx:
                    found = act(tx, loaded.config.sites)
                    if plan:
                        raise _OnlyPlanned
            except _OnlyPlanned:
                pass
    if plan:
        answering.tell_plan(command, found.id, name, words(found), as_json=as_json)
    elif as_json:
        emit_json(command, answering.answer_data(found.id, name, "applied", words(found)))
    else:
        say_wrapped(words(found))


def _answer(
    ctx: typer.Context,
    command: str,
    item: int,
    answer: Callable[[ReviewItem], Answer],
    *,
    by: str | None,
    take: bool,
    plan: bool,
    no_wait: bool,
    as_json: bool,
    also: bool = False,
) -> None:
    """Says what an answer comes to, takes it down, and says what came of it."""
    with told(command, as_json=as_json), refusing(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.connector.clock import SystemClock  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk.answering import CannotAnswer, answerable, give, give_all, propose, seen  # noqa: PLC0415
        from vetbridge.desk.review import siblings  # noqa: PLC0415

        sites = loaded.config.sites
        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                shown = answerable(tx, sites, item)
                given = answer(shown)
                consequence = propose(tx, sites, item, given).consequence
                others = siblings(tx, sites, shown) if also else ()
                told_of = {each.id: _foretold(tx, sites, shown, each, given) for each in others}
            if plan:
                answering.tell_plan(
                    command,
                    item,
                    given.choice.value,
                    consequence,
                    also=list(told_of.items()) if also else None,
                    as_json=as_json,
                )
                return
            if not as_json:
                for words in (consequence, *told_of.values()):
                    say_wrapped(words)
            with ledger.write() as tx:
                taken = give(tx, sites, item, given, by=who(by), shown=shown, take=take)
                saw = {each.id: seen(each) for each in others}
                more = give_all(tx, sites, list(saw), given, by=who(by), like=item, seen=saw, take=take)
            patience = 0.0 if no_wait else answering.PATIENCE

            def outcome(each: Taken) -> Outcome:
                running = answering.runs(loaded)
                return answering.carried_out(
                    ledger, sites, each, runs=running, clock=SystemClock(), patience=patience
                )

            found = outcome(taken)
            rest = [(number, each if isinstance(each, CannotAnswer) else outcome(each)) for number, each in more]
    if not also:
        answering.tell(command, found, as_json=as_json)
    elif as_json:
        data = answering.answer_data(found.item, found.choice, found.state, found.message)
        emit_json(command, {**data, "also": [_also_data(number, given.choice, each) for number, each in rest]})
    else:
        say_wrapped(found.message)
        for number, each in rest:
            say_wrapped(f"Item {number}: {each.message}")


def _foretold(
    tx: Transaction, sites: Mapping[str, Site], first: ReviewItem, other: ReviewItem, answer: Answer
) -> str:
    """What an answer comes to for another booking of the same people."""
    from vetbridge.desk.answering import CannotAnswer, alike, propose  # noqa: PLC0415 - keeps --help quick

    try:
        return f"Item {other.id}: {propose(tx, sites, other.id, alike(first, other, answer)).consequence}"
    except CannotAnswer as refusal:
        return f"Item {other.id} stays open: {refusal.message}."


def _also_data(number: int, choice: Choice, each: Outcome | CannotAnswer) -> dict[str, Any]:
    state = getattr(each, "state", "refused")
    return answering.answer_data(number, choice.value, state, each.message)


def _listed(tx: Transaction, site: str | None, whose: str | None) -> list[OpenQuestion]:
    """The open questions of a site, and for somebody, where that is asked for."""
    from vetbridge.ledger import reports  # noqa: PLC0415 - keeps --help quick

    return [each for each in reports.open_list(tx, site=site) if whose is None or each.assigned_to == whose]


def _draw_list(
    tx: Transaction, sites: Mapping[str, Site], *, site: str | None, whose: str | None = None, pairing: bool
) -> None:
    from vetbridge.desk import review as desk  # noqa: PLC0415 - keeps --help quick

    listed = _listed(tx, site, whose)
    shown = listed if pairing else [each for each in listed if each.why != PAIR_CLIENT]
    say(headline(shown, tx.now))
    for number, each in enumerate(shown, start=1):
        say("")
        for item in desk.items(tx, sites, [each.id]):
            for line in lines(item, tx.now, place=f"[{number}/{len(shown)}]"):
                say(line)
    if left := pairing_line(len(listed) - len(shown)):
        say("")
        say_wrapped(left)


def _draw_consequence(command: str, words: str) -> None:
    say(f"  vetbridge {command}")
    say_wrapped(words, first="      ", margin="      ")


def _draw_hits(found: Hits, *, several: bool) -> None:
    for hit in found.found:
        at = f" at {hit.account}" if several else ""
        say_wrapped(client_words(hit.client, hit.pets), margin="    ")
        ids = ", ".join(f"{one_line(pet.name, 40) or '(no name)'} {one_line(pet.id or '', 24)}" for pet in hit.pets)
        pets = f"; pets: {ids}" if ids else ""
        say_wrapped(f"--client {one_line(hit.client_id, 24)}{at}{pets}", first="    ", margin="    ")
    if not found.found:
        say("Nobody fits.")
    if found.more:
        talk("There are more; say more of the name.")
