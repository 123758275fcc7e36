"""Draws one question for a person: why, what was booked, and everybody who may be meant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vetbridge.cli.tables import one_line, wrapped
from vetbridge.core.answers import Choice
from vetbridge.core.records import AppointmentStatus, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vetbridge.desk.review import Animal, Person, ReviewItem, ShownCandidate, Visit
    from vetbridge.ledger.reports import OpenQuestion

LONGEST_NOTE = 240
"""Characters of a booking's comment that the list shows."""

LONG_WAIT = timedelta(hours=24)
"""From when on a headline names what waits."""

MOST_PETS = 12
"""Pets of one client that a list names: a breeder or a shelter has hundreds."""

_MARGIN = " " * 7


def headline(items: Sequence[OpenQuestion], now: datetime) -> str:
    """How many wait, how soon, and how many for long; those that somebody put off are counted apart."""
    from vetbridge.desk.wording import ahead  # noqa: PLC0415 - keeps --help quick

    waiting = [item for item in items if item.snoozed_until is None]
    off = len(items) - len(waiting)
    old = sum(1 for item in waiting if now - item.opened_at > LONG_WAIT)
    aged = f"; {old} {'waits' if old == 1 else 'wait'} for more than a day" if old else ""
    later = f"{aged}; {off} put off until later" if off else aged
    if not waiting:
        return f"Nobody has to look at anything now{later}." if off else "Nobody has to look at anything."
    of_bookings = all(item.kind == Kind.APPOINTMENT for item in waiting)
    noun = "booking" if of_bookings else "question"
    need = f"1 {noun} needs you" if len(waiting) == 1 else f"{len(waiting)} {noun}s need you"
    visits = [item.visit_at for item in waiting if item.visit_at is not None]
    coming = [visit for visit in visits if visit > now]
    if coming:
        return f"{need}; the next one is {ahead(min(coming), now)}{later}"
    return f"{need}; their time has come{later}" if visits else f"{need}{later}"


def pairing_line(count: int) -> str:
    """How many clients wait to be told apart; empty where none does. Nobody has to see to them first."""
    who = "1 client of the booking side" if count == 1 else f"{count} clients of the booking side"
    return f"When there is time: {who} may stand in the PIMS already (review list --pairing)." if count else ""


def lines(item: ReviewItem, now: datetime, *, place: str = "", answers: bool = True, me: str = "") -> list[str]:
    """One question in full. ``place`` stands before it, as ``[1/3]``; ``answers`` names the commands to answer by;
    ``me`` is who reads it."""
    from vetbridge.desk.answering import registering  # noqa: PLC0415
    from vetbridge.desk.wording import ahead  # noqa: PLC0415

    drawn = wrapped("  ".join(part for part in (place, _title(item)) if part), margin=" " * 7)
    drawn += _wrapped(f"why: {one_line(item.words, LONGEST_NOTE)}")
    drawn += [line for text in _facts(item) for line in _wrapped(text)]
    if item.asks_whose:
        for number, candidate in enumerate(item.candidates, start=1):
            drawn += ["", *candidate_lines(candidate, number)]
    drawn.append("")
    if item.stands is not None and item.stands.placeholder:
        drawn += _wrapped(
            f"The visit stands on the placeholder in the PIMS (appointment {one_line(item.stands.id, 24)}, "
            f"{one_line(item.stands.stamp)}): the time is kept."
        )
    if item.snoozed_until is not None:
        drawn += _wrapped(f"Put off until {item.snoozed_until:%a %d %b %H:%M}.")
    drawn += [line for text in (registering(item), *_seen_to(item, now, me)) if text for line in _wrapped(text)]
    if answers:
        drawn += _wrapped(f"answer: vetbridge review {_answers(item)}")
    begins = "" if item.visit_at is None else f", visit {ahead(item.visit_at, now)}"
    waits = f", {item.waits}" if item.waits else ""
    return [*drawn, *_wrapped(f"item {item.id}, change {item.change_id}, site {item.site}{begins}{waits}")]


def _seen_to(item: ReviewItem, now: datetime, me: str) -> list[str]:
    """Who sees to it, and what was noted."""
    from vetbridge.desk.answering import claimed_by_another  # noqa: PLC0415 - keeps --help quick

    said = []
    if (claimed := claimed_by_another(item, me, now)) is not None:
        said.append(f"{claimed.message}.")
    if item.assigned_to:
        said.append(f"For {one_line(item.assigned_to)}.")
    said += [f"note by {one_line(note.by)}, {note.at:%a %d %b %H:%M}: {note.text}" for note in item.notes]
    return said


def _title(item: ReviewItem) -> str:
    if item.held is not None:
        return f"Site {item.site}: {item.held.count} changes are held back"
    if item.kind in (Kind.CLIENT, Kind.PET):
        return f"{item.kind.capitalize()} {one_line(item.remote_id, 24)} at {item.account}"
    when = "no time known" if item.visit_at is None else f"{item.visit_at:%a %d %b %H:%M}"
    visit = item.booking or item.pims
    what = [] if visit is None else [visit.appointment_type_title, visit.resource_title]
    return "  ".join(part for part in (when, ", ".join(one_line(part) for part in what if part)) if part)


def _facts(item: ReviewItem) -> list[str]:
    """What both sides say, line by line."""
    from vetbridge.desk.wording import field_words, span  # noqa: PLC0415 - keeps --help quick

    facts = [*_at_booking(item), *_in_pims(item)]
    for each in item.differences:
        booking, pims = item.values(each)
        facts.append(f"differs: {field_words(each.field)}: {booking} online, {pims} in the PIMS")
    if item.other is not None:
        facts.append(f"the time is taken by: {_slot(item.other)}, {span(item.other.duration)} long")
    if item.found:
        facts.append(f"stands there as: {', '.join(one_line(each, 24) for each in item.found)}")
    if item.held is not None:
        facts += [f"{count}x {one_line(words, LONGEST_NOTE)}" for words, count in item.held.by_words.items()]
        if item.held.soonest_visit is not None:
            facts.append(f"the first of these visits: {item.held.soonest_visit:%a %d %b %H:%M}")
    return facts


def _at_booking(item: ReviewItem) -> list[str]:
    facts = []
    visit = item.booking
    if visit is not None:
        if visit.booker is not None or visit.pet is not None or item.pims is None:
            facts.append(_booked(visit))
        if visit.notes.strip():
            facts.append(f"says: {one_line(visit.notes, LONGEST_NOTE)}")
        if item.pims is not None:
            facts.append(f"at the booking side: {_slot(visit)}, {_status(visit)}")
    if item.booking_client is not None:
        client = item.booking_client
        who = client_words(client, item.booking_pets) if item.asks_whose else _person(client)
        facts.append(f"at the booking side: {who}")
    if item.booking_pet is not None:
        facts.append(f"at the booking side: {pet_words(item.booking_pet)}")
    return facts


def _status(visit: Visit) -> str:
    from vetbridge.desk.wording import value_words  # noqa: PLC0415 - keeps --help quick

    return value_words(AppointmentStatus(visit.status))


def _in_pims(item: ReviewItem) -> list[str]:
    said = [
        None if item.pims is None else f"{_slot(item.pims)}, {_status(item.pims)}",
        None if item.pims_client is None else _person(item.pims_client),
        None if item.pims_pet is None else pet_words(item.pims_pet),
    ]
    return [f"in the PIMS: {words}" for words in said if words is not None]


def _answers(item: ReviewItem) -> str:
    """The commands that answer it, after ``vetbridge review``."""
    given = {
        Choice.LINK: f"link {item.id} {_whom(item)}",
        Choice.NEW: f"new {item.id}",
    }
    commands = [given[choice] for choice in (Choice.LINK, Choice.NEW) if choice in item.choices]
    others = [choice for choice in item.choices if choice not in (*given, Choice.FIELDS)]
    if others:
        commands.append(f"answer {item.id} {'/'.join(others)}")
    if Choice.FIELDS in item.choices:
        commands.append(f"fields {item.id}")
    return " | ".join([*commands, f"later {item.id}"])


def _whom(item: ReviewItem) -> str:
    if not item.candidates:
        return "--client ID"
    return "NUMBER or --client ID" if item.unmade else "NUMBER"


def _slot(visit: Visit) -> str:
    parts = [f"{visit.start.at_site():%a %d %b %H:%M}", visit.appointment_type_title, visit.resource_title]
    return ", ".join(one_line(part) for part in parts if part)


def _person(person: Person) -> str:
    return "  ".join([name(person), *_contacts(person)])


def _booked(booking: Visit) -> str:
    who = [] if booking.booker is None else [_person(booking.booker)]
    pet = (
        f"pet: {pet_words(booking.pet)}" if booking.pet is not None and booking.pet.name.strip() else "pet: not named"
    )
    return f"Booked as: {'  '.join([*who, pet])}"


def candidate_lines(candidate: ShownCandidate, number: int) -> list[str]:
    """Somebody who may be meant, with what speaks for and against."""
    score = f"{100 * candidate.score:.0f} %" if candidate.score >= 0.01 else "under 1 %"
    if candidate.client is None:
        who = f"client {one_line(candidate.client_id, 24)} (no longer known)"
    else:
        who = client_words(candidate.client, candidate.pets)
    said = [each for each in candidate.evidence if each.get("level") != "missing" and each.get("field") != "prior"]
    says = "; ".join(one_line(str(each.get("words", ""))) for each in said)
    drawn = _wrapped(f"{who}  {score}", first=f"   {number}   ")
    if says:
        drawn += _wrapped(says, deeper=2)
    if candidate.veto_words:
        drawn += _wrapped(f"but: {'; '.join(candidate.veto_words)}", deeper=2)
    return drawn


def client_words(client: Person, pets: Sequence[Animal]) -> str:
    """A client of the PIMS with its pets."""
    gone = [] if client.active else ["(inactive)"]
    has = ", ".join(pet_words(pet) for pet in pets[:MOST_PETS]) or "none"
    more = f" and {len(pets) - MOST_PETS} more" if len(pets) > MOST_PETS else ""
    return "  ".join([name(client), *gone, *_contacts(client), f"pets: {has}{more}"])


def name(person: Person) -> str:
    """A person's whole name."""
    return one_line(f"{person.given_name} {person.family_name}") or "(no name)"


def _contacts(person: Person) -> list[str]:
    return [one_line(contact, 60) for contact in (*person.phones[:3], *person.emails[:2])]


def pet_words(pet: Animal) -> str:
    """A pet's name with what tells it from others."""
    # A breed without a letter is the vendor's number for it: nobody knows it by that.
    breed = pet.breed if any(letter.isalpha() for letter in pet.breed) else ""
    details = [one_line(part, 40) for part in (pet.species, breed) if part]
    if pet.deceased:
        details.append("deceased")
    elif not pet.active:
        details.append("inactive")
    called = one_line(pet.name, 40) or "(no name)"
    return f"{called} ({', '.join(details)})" if details else called


def _wrapped(text: str, *, deeper: int = 0, first: str | None = None) -> list[str]:
    margin = _MARGIN + " " * deeper
    return wrapped(text, first=margin if first is None else first, margin=margin)
