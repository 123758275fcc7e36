"""The work list as a table: for a spreadsheet, and to print. Personal data."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from vetbridge.desk.by_hand import Owner, Patient, field_title
from vetbridge.desk.language import moment, phrase
from vetbridge.desk.sheet_parts import cell, harmless
from vetbridge.desk.worklist import DONE, STRUCK, TYPED, Line, in_words

_OF_VISIT = ("start", "duration", "resource", "appointment_type")


def titles() -> tuple[str, ...]:
    """The columns of ``rows``."""
    return (
        phrase("Line"),
        phrase("Site"),
        phrase("State"),
        phrase("What is to be done"),
        phrase("Visit"),
        *map(field_title, _OF_VISIT),
        phrase("Owner"),
        phrase("Owner's number"),
        *map(field_title, ("phones", "emails")),
        phrase("Pet"),
        phrase("Pet's number"),
        *map(field_title, ("species", "breed", "sex", "birth_date", "remark")),
        phrase("In one sentence"),
    )


def rows(lines: Sequence[Line]) -> tuple[tuple[str, ...], ...]:
    """A row for each line: what is asked for by field, then all of it in one sentence."""
    return tuple(_row(line) for line in lines)


def as_csv(lines: Sequence[Line]) -> bytes:
    """The table as a file for a spreadsheet: nothing in it is carried out.

    UTF-8 with a byte order mark, or Excel takes it for its own code page.
    """
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(titles())
    table.writerows([harmless(cell(value)) for value in row] for row in rows(lines))
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "replace")


def state_words(line: Line) -> str:
    """How a line stands."""
    if line.state == STRUCK:
        return phrase("not to be done any more")
    if line.state == DONE:
        return phrase("ticked, no reading shows it") if line.overdue else phrase("ticked, waits for the next reading")
    return phrase("overdue") if line.overdue else phrase("open")


def print_titles() -> tuple[str, ...]:
    """The columns of ``print_rows``."""
    return (phrase("Done"), phrase("Line"), phrase("Visit"), phrase("What is to be done"), phrase("What to type"))


def print_rows(lines: Sequence[Line]) -> tuple[tuple[str, ...], ...]:
    """A row for each line that is open, with a box to tick; on paper nothing else can be done."""
    return tuple(
        (
            "\N{BALLOT BOX}",
            str(line.id),
            _when(line),
            _marked(line),
            details(line),
        )
        for line in lines
    )


def details(line: Line) -> str:
    """What is to be typed, a line for each field of the visit; of what is not typed the whole sentence."""
    steps = [line.about, *in_words(line.steps), *map(candidate_words, line.candidates)]
    return "\n".join(filter(None, steps)) if line.task in TYPED and line.steps else line.words


def candidate_words(owner: Owner) -> str:
    """``Ann Weiss (1023), +4930123456, Hauptstr. 1, 10115 Berlin; pets: Bella, Rex``."""
    named = f"{owner.name} ({owner.id})" if owner.name and owner.id else owner.name or owner.id
    said = ", ".join(filter(None, (named, *owner.phones, *owner.emails, owner.address)))
    return phrase("{owner}; pets: {pets}", owner=said, pets=", ".join(owner.pets)) if owner.pets else said


def _when(line: Line) -> str:
    """When the visit is, for whoever looks for it in the PIMS."""
    at = line.found_at or line.visit_at
    return "" if at is None else moment(at)


def _marked(line: Line) -> str:
    return f"{line.title} ({phrase('overdue')})" if line.overdue else line.title


def _row(line: Line) -> tuple[str, ...]:
    said = {step.field: step.words for step in line.steps}
    return (
        str(line.id),
        line.site,
        state_words(line),
        line.title,
        _when(line),
        *(said.get(field, "") for field in _OF_VISIT),
        *_owner_cells(line.client),
        *_pet_cells(line.pet),
        said.get("remark", said.get("notes", "")),
        line.words,
    )


def _owner_cells(owner: Owner | None) -> tuple[str, ...]:
    if owner is None:
        return ("",) * 4
    number = phrase("new") if owner.is_new else owner.id or phrase("not certain")
    return (owner.name, number, ", ".join(owner.phones), ", ".join(owner.emails))


def _pet_cells(pet: Patient | None) -> tuple[str, ...]:
    if pet is None:
        return ("",) * 6
    number = phrase("new") if pet.is_new else pet.id
    return (pet.name, number, pet.species, pet.breed, pet.sex, pet.birth_date)
