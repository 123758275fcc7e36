"""Which file it was that failed, and on whose record it stands, so that people can attach it by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.file_rig import FileRig, pdf
from tests.unit.desk.practice import Desk
from vetbridge.core.records import Attachment, Client, Kind, Pet
from vetbridge.desk.changes import story
from vetbridge.desk.failures import failures
from vetbridge.ledger import changes, mirror, owners, reports, subjects
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.owners import Key
from vetbridge.ledger.tables import ChangeState


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[FileRig]:
    rig = FileRig(tmp_path)
    yield rig
    rig.ledger.close()


def said(rig: FileRig) -> list[str]:
    with rig.ledger.read() as tx:
        return sorted(each.file for each in failures(tx, {}).listed)


def test_a_refused_file_is_named_with_its_owner_and_side(rig: FileRig) -> None:
    card = rig.known()
    rig.bring(card, "x-ray \x1b[31m.pdf", pdf()[:-20])
    rig.file("bill.pdf", pet_id=rig.pet(), content=pdf()[:-20])

    rig.look()

    pet = rig.pet()
    assert said(rig) == [
        f"File bill.pdf on Pet {pet} at pims: Rex, Ann Archer.",
        f"File x-ray [31m.pdf on Client {card} at booking: Ann Archer.",
    ]


def test_a_file_of_which_nobody_knows_whose_it_is_is_named_by_what_it_stands_on(rig: FileRig) -> None:
    card = rig.known()
    rig.bring(card, "x-ray.pdf")
    rig.booking.edit(Kind.CLIENT, card, {"name": {"given": "Zoe", "family": "Quill"}, "phones": ["+441632960077"]})

    rig.look()

    assert rig.ends() == [("failed", "file-owner-unsure")]
    (words,) = said(rig)
    assert words.startswith(f"File x-ray.pdf on Client {card} at booking")
    with rig.ledger.read() as tx:
        assert any(
            key.kind == Kind.ATTACHMENT for key in owners.owner_of(tx, [Key("booking", Kind.CLIENT, card)]).files
        )


def test_the_story_of_a_change_names_the_file_where_names_are_asked_for(rig: FileRig) -> None:
    rig.bring(rig.known(), "x-ray.pdf", pdf()[:-20])
    rig.look()

    with rig.ledger.read() as tx:
        (failed,) = failures(tx, {}).listed
        with_names, without = (story(tx, failed.change.id, names=names) for names in (True, False))
    assert with_names is not None
    assert without is not None
    assert (with_names.file, without.file) == (failed.file, "")


def test_a_file_that_was_carried_is_not_named(rig: FileRig) -> None:
    rig.bring(rig.known(), "x-ray.pdf", pdf())
    rig.look()
    with rig.ledger.read() as tx:
        _, (done,) = reports.find_changes(tx, reports.Filter(kind=Kind.ATTACHMENT), limit=9)
        found = story(tx, done.id, names=True)
    assert found is not None
    assert (found.change.state, found.file) == ("done", "")


def test_the_terminal_names_it_on_request_and_it_is_forgotten_with_the_owner_of_its_pet(
    desk: Desk, ledger: Ledger
) -> None:
    with ledger.write() as tx:
        people = [Client(id="1002", given_name="Ann", family_name="Weiss"), Pet(id="7", client_id="1002", name="Rex")]
        mirror.put(tx, "ezyvet-city", people)
        change = changes.receive(
            tx, site="city", account="ezyvet-city", kind=Kind.ATTACHMENT, remote_id="88", source="poll"
        )
        file = Attachment(id="88", pet_id="7", name="bill.pdf")
        subjects.note(tx, change.record_id, file, country="DE", account="ezyvet-city")
        number = change.id or 0
        changes.begin(tx, number)
        changes.settle(tx, number, ChangeState.FAILED, "file-owner-unsure", "nobody can be sure")

    assert (
        "File bill.pdf on Pet 7 at ezyvet-city: Rex, Ann Weiss." in desk.run("changes", "show", "1", "--names").stdout
    )
    assert "bill.pdf" not in desk.run("changes", "show", "1").stdout
    with ledger.read() as tx:
        owner = owners.owner_of(tx, [Key("ezyvet-city", Kind.CLIENT, "1002")])
    assert owner.files == {Key("ezyvet-city", Kind.ATTACHMENT, "88")}
