"""What stands in a practice without an API is compared with the script as people type it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from connectors.animana.simulator import AnimanaPractice
from vetbridge.demo.by_hand.audit import PracticeAuditor
from vetbridge.demo.findings import Findings, Wrong
from vetbridge.demo.script import Plot, plan_morning
from vetbridge.demo.story import Booking
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.practice import DATABASE_FILE

TYPED = Plot(silent=False, forgetful=False, is_short=True, by_hand=True)
MORNING = plan_morning(make_clinic(2, 2000), 2, 20, today=date(2026, 3, 2), plot=TYPED)
NEWCOMER = next(one for one in MORNING.bookings if not one.part.owners and " " in one.part.family_name)
"""Priya de la Cruz: the booking side keeps a name as one text, and gives the last word as her family name."""


def complaints(folder: Path, given_name: str, family_name: str) -> list[str]:
    """What the audit finds where the newcomer was registered so."""
    part = NEWCOMER.part

    def is_hers(one: Booking) -> bool:
        return one.part.phone == part.phone

    with AnimanaPractice(folder / DATABASE_FILE, now=FakeClock().now) as practice:
        practice.fill(make_clinic(1, 12))
        client = practice.register_client(given_name=given_name, family_name=family_name, phones=(part.phone,))
        pet = practice.register_pet(client_id=client.id, name=part.pet_name, species="other")
        for one in filter(is_hers, MORNING.bookings):
            practice.book(pet_id=pet.id, start=one.final.start.replace(tzinfo=None), notes=one.reference)
        findings = Findings()
        references = {one.reference for one in MORNING.bookings}
        PracticeAuditor(
            MORNING, practice, lambda visit: visit.notes if visit.notes in references else "", findings, typed=True
        ).audit()
    hers = {one.number for one in MORNING.bookings if is_hers(one)}
    wrong = [one for one in findings.all if one.wrong is Wrong.OWNER and one.booking in hers]
    wrong += [one for one in findings.all if one.wrong is Wrong.DUPLICATED and not one.booking]
    return [str(one) for one in wrong]


@pytest.mark.parametrize("given_name", ["Priya", "Priya de la"])
def test_a_name_of_several_words_may_be_divided_anywhere(tmp_path: Path, given_name: str) -> None:
    _, _, family_name = f"{NEWCOMER.part.given_name} {NEWCOMER.part.family_name}".partition(f"{given_name} ")
    assert complaints(tmp_path, given_name, family_name) == []


def test_somebody_else_with_her_phone_is_not_she(tmp_path: Path) -> None:
    assert any("it is not on the new owner" in one for one in complaints(tmp_path, "Priya", "Moore"))
