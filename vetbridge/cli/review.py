"""`vetbridge review`: the questions that wait for a person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say
from vetbridge.cli.reading import AsJson, as_data, config_path, ledger_beside, must_know, told
from vetbridge.cli.tables import one_line, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vetbridge.desk.review import Animal, Person, ReviewItem, ShownCandidate, Visit

app = typer.Typer(
    name="review",
    help="Bookings whose owner is not certain, and other questions for a person.",
    no_args_is_help=True,
)

LONGEST_NOTE = 240
"""Characters of a booking's comment that the list shows."""

_MARGIN = " " * 7


@app.command(name="list", epilog="Example: vetbridge review list --json")
def list_(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only questions of this site.")] = None,
    as_json: AsJson = False,
) -> None:
    """List open questions, the soonest visit first, with everybody who may be meant.

    Shows names, phones and pets, because a person needs them: mind who reads along. Ends with 2 for a site that
    nobody knows, with 6 where there is no ledger.
    """
    with told("review list", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.review import open_items  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            now = tx.now
            must_know("review list", tx, loaded.config, site=site, as_json=as_json)
            items = open_items(tx, loaded.config.sites, site=site)
    if as_json:
        emit_json("review list", as_data(items))
        return
    say(_headline(items, now))
    for number, item in enumerate(items, start=1):
        say("")
        for line in _lines(item, number, len(items), now):
            say(line)


def _headline(items: Sequence[ReviewItem], now: datetime) -> str:
    from vetbridge.desk.wording import ahead  # noqa: PLC0415

    if not items:
        return "Nobody has to look at anything."
    need = "1 booking needs you" if len(items) == 1 else f"{len(items)} bookings need you"
    coming = [item.visit_at for item in items if item.visit_at is not None and item.visit_at > now]
    return f"{need}; the next one is {ahead(min(coming), now)}" if coming else f"{need}; their time has come"


def _lines(item: ReviewItem, number: int, of: int, now: datetime) -> list[str]:
    from vetbridge.desk.wording import ahead  # noqa: PLC0415

    when = "no time known" if item.visit_at is None else f"{item.visit_at:%a %d %b %H:%M}"
    what = [] if item.booking is None else [item.booking.appointment_type, item.booking.resource]
    head = [f"[{number}/{of}]  {when}", ", ".join(one_line(part) for part in what if part)]
    lines = ["  ".join(part for part in head if part)]
    lines += _wrapped(f"why: {one_line(item.words)}")
    if item.booking is not None:
        lines += _wrapped(_booked(item.booking))
        if item.booking.notes.strip():
            lines += _wrapped(f"says: {one_line(item.booking.notes, LONGEST_NOTE)}")
    if item.pims is not None:
        lines += _wrapped(f"in the PIMS: {item.pims.start.at_site():%a %d %b %H:%M}, {item.pims.status}")
    if item.fields:
        lines += _wrapped(f"differs: {', '.join(item.fields)}")
    if item.found:
        lines += _wrapped(f"stands there as: {', '.join(item.found)}")
    for place, candidate in enumerate(item.candidates, start=1):
        lines += ["", *_candidate(candidate, place)]
    lines.append("")
    if item.stands is not None and item.stands.placeholder:
        lines += _wrapped(
            f"The visit stands on the placeholder in the PIMS (appointment {one_line(item.stands.id, 24)}, "
            f"{item.stands.stamp}): the time is kept."
        )
    begins = "" if item.visit_at is None else f", visit {ahead(item.visit_at, now)}"
    return [*lines, *_wrapped(f"item {item.id}, change {item.change_id}, site {item.site}{begins}")]


def _booked(booking: Visit) -> str:
    who = [] if booking.booker is None else [_name(booking.booker), *_contacts(booking.booker)]
    pet = f"pet: {_animal(booking.pet)}" if booking.pet is not None and booking.pet.name.strip() else "pet: not named"
    return f"Booked as: {'  '.join([*who, pet])}"


def _candidate(candidate: ShownCandidate, place: int) -> list[str]:
    score = f"{100 * candidate.score:.0f} %"
    client = candidate.client
    if client is None:
        who = f"client {one_line(candidate.client_id, 24)} (no longer known)"
    else:
        pets = ", ".join(_animal(pet) for pet in candidate.pets) or "none"
        gone = [] if client.active else ["(inactive)"]
        who = "  ".join([_name(client), *gone, *_contacts(client), f"pets: {pets}"])
    said = [each for each in candidate.evidence if each.get("level") != "missing"]
    says = "; ".join(one_line(str(each.get("words", ""))) for each in said)
    lines = _wrapped(f"{who}  {score}", first=f"   {place}   ")
    if says:
        lines += _wrapped(says, deeper=2)
    if candidate.veto_words:
        lines += _wrapped(f"but: {'; '.join(candidate.veto_words)}", deeper=2)
    return lines


def _name(person: Person) -> str:
    return one_line(f"{person.given_name} {person.family_name}") or "(no name)"


def _contacts(person: Person) -> list[str]:
    return [one_line(contact, 60) for contact in (*person.phones[:3], *person.emails[:2])]


def _animal(pet: Animal) -> str:
    # A breed without a letter is the vendor's number for it: nobody knows it by that.
    breed = pet.breed if any(letter.isalpha() for letter in pet.breed) else ""
    details = [one_line(part, 40) for part in (pet.species, breed) if part]
    if pet.deceased:
        details.append("deceased")
    elif not pet.active:
        details.append("inactive")
    name = one_line(pet.name, 40) or "(no name)"
    return f"{name} ({', '.join(details)})" if details else name


def _wrapped(text: str, *, deeper: int = 0, first: str | None = None) -> list[str]:
    margin = _MARGIN + " " * deeper
    return wrapped(text, first=margin if first is None else first, margin=margin)
