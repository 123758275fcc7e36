"""From the desk's answer to the visit in the PIMS, through the engine, and what the desk says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from vetbridge.config.models import Config, Watch
from vetbridge.connector.interface import Relink
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.desk import answering, worklist
from vetbridge.desk.answering import BOOKED_PET, Outcome, Taken
from vetbridge.desk.review import ReviewItem, open_items


class Reception:
    """An ambiguous booking on the placeholder, and the desk over it."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.rig.refresher.pass_()
        self.sites = self.rig.sites()
        self.client = self.rig.owner("John", "Smith", "+447912000001", "Bella")
        self.rig.refresher.pass_()
        self.rig.book("Peter", "Jones", "+447912000001", "Rocky")
        self.rig.run()

    def items(self) -> tuple[ReviewItem, ...]:
        with self.rig.ledger.read() as tx:
            return open_items(tx, self.sites)

    def give(self, **answer: Any) -> Outcome:
        with self.rig.ledger.write() as tx:
            taken = answering.give(tx, self.sites, 1, Answer(**answer), by="ann")
        return self.after(taken)

    def undo(self) -> Outcome:
        with self.rig.ledger.write() as tx:
            taken = answering.undo(tx, self.sites, 1, by="ann")
        return self.after(taken)

    def after(self, taken: Taken) -> Outcome:
        self.rig.run()
        with self.rig.ledger.read() as tx:
            return answering.outcome(tx, self.sites, taken)

    def visit(self) -> dict[str, Any]:
        (visit,) = self.rig.visits()
        return visit

    def people(self) -> tuple[str, str]:
        """Owner's and pet's names on the visit in the PIMS."""
        visit = self.visit()
        owner, pet = self.rig.pims.row(Kind.CLIENT, visit["owner"]), self.rig.pims.row(Kind.PET, visit["pet"])
        assert owner is not None
        assert pet is not None
        return owner["name"]["family"], pet["name"]


@pytest.fixture
def reception(tmp_path: Path) -> Reception:
    made = Reception(tmp_path)
    assert [item.why for item in made.items()] == ["names-differ"]
    assert made.people() == ("Placeholder", "Placeholder")
    return made


def test_a_link_moves_the_visit_and_says_so(reception: Reception) -> None:
    visit = reception.visit()["id"]
    found = reception.give(choice=Choice.LINK, client_id=reception.client, pet_id=BOOKED_PET)
    assert found.state == "applied"
    assert found.message.endswith("now stands on John Smith, pet Rocky.")
    assert reception.people() == ("Smith", "Rocky")
    assert reception.visit()["id"] == visit
    assert reception.items() == ()


def test_a_new_client_is_made_and_said_so(reception: Reception) -> None:
    found = reception.give(choice=Choice.NEW)
    assert (found.state, reception.people()) == ("applied", ("Jones", "Rocky"))
    assert found.message.endswith("now stands on the new client Peter Jones, pet Rocky.")


def test_what_was_carried_out_is_taken_back_and_answered_anew(reception: Reception) -> None:
    reception.give(choice=Choice.LINK, client_id=reception.client)
    found = reception.undo()
    assert (found.state, reception.people()) == ("reopened", ("Placeholder", "Placeholder"))
    assert [item.id for item in reception.items()] == [1]
    assert reception.give(choice=Choice.NEW).state == "applied"
    assert reception.people() == ("Jones", "Rocky")


def test_an_answer_that_cannot_be_carried_out_is_asked_again(reception: Reception) -> None:
    found = reception.give(choice=Choice.LINK, client_id="nobody")
    assert found.state == "reopened"
    assert "the client is inactive" in found.message
    assert [item.choices for item in reception.items()] == [("link", "new")]


def test_what_the_pims_ignores_is_a_line_for_staff_until_a_read_shows_it(reception: Reception) -> None:
    rig = reception.rig
    kinds = rig.pims.capabilities.kinds
    unverified = replace(kinds[Kind.APPOINTMENT], relink=Relink.UNVERIFIED)
    rig.pims._capabilities = replace(rig.pims.capabilities, kinds={**kinds, Kind.APPOINTMENT: unverified})
    rig.pims.ignore_relink = True
    found = reception.give(choice=Choice.LINK, client_id=reception.client, pet_id=BOOKED_PET)
    assert (found.state, found.message) == (
        "applied",
        "VetBridge asks staff to change it by hand: work list line 1.",
    )
    config = Config.model_construct(sites=reception.sites, watch=Watch())
    with rig.ledger.read() as tx:
        (line,) = worklist.lines(tx, config)
    assert "set client to John Smith" in line.words
    assert "pet to Rocky" in line.words
    wanted = {step.field: step.value for step in line.steps}
    rig.pims.ignore_relink = False
    rig.pims.edit(Kind.APPOINTMENT, reception.visit()["id"], {"owner": wanted["client_id"], "pet": wanted["pet_id"]})
    with rig.ledger.write() as tx:
        worklist.done(tx, config, line.id, by="ann")
    rig.settle()
    with rig.ledger.read() as tx:
        assert worklist.lines(tx, config) == ()
    assert "VetBridge" not in reception.visit()["notes"]
