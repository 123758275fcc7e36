"""Files whose way was cut short: killed, without an answer, refused, or asked about."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import select

from tests.file_rig import ANYTHING, FileRig, content, pdf, sent
from tests.rig import Killed
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.files import FileRules
from vetbridge.core.records import Kind
from vetbridge.desk import changes as desk_changes
from vetbridge.desk import review
from vetbridge.ledger import actions, holdings, owners, reviews, subjects
from vetbridge.ledger.forgetting import forget
from vetbridge.ledger.suppression import Key
from vetbridge.ledger.tables import Action
from vetbridge.sync import attachments
from vetbridge.sync.engine import Engine
from vetbridge.sync.file_looking import FileLooker
from vetbridge.testing.memory import MemorySide


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[FileRig]:
    rig = FileRig(tmp_path)
    yield rig
    rig.ledger.close()


@pytest.mark.parametrize(
    ("side", "point"),
    [
        ("booking", "intended"),
        ("booking", "sent"),
        ("booking", "before-settle"),
        ("pims", "sending"),
        ("pims", "sent"),
        ("pims", "answered"),
    ],
)
def test_killed_at_any_point_the_file_stands_there_once_and_whole(rig: FileRig, side: str, point: str) -> None:
    card = rig.known()
    if side == "booking":
        rig.bring(card)
    else:
        rig.file(pet_id=rig.pet())
    rig.clock.advance(rig.looker.again.total_seconds())
    rig.looker.pass_()

    def kill(at: str) -> None:
        if at == point:
            raise Killed

    rig.start(point=kill)
    with pytest.raises(Killed):
        rig.work()
    rig.ledger.close()
    rig.start()
    rig.looker.pass_()
    rig.settle()
    rig.look()

    for each in (rig.booking, rig.pims):
        (there,) = rig.files(each)
        assert content(each, there["id"]) == pdf()
    assert {state for state, _ in rig.ends()} <= {"done", "skipped"}


def in_doubt(rig: FileRig) -> str:
    """A file whose upload was done and not answered, and that nobody can fetch; its id there."""
    card = rig.known()
    rig.wants(to_booking=None)
    rig.pims.lose_answers(done=True)
    rig.bring(card, "letter.pdf")
    rig.clock.advance(rig.looker.again.total_seconds())
    rig.looker.pass_()
    rig.work()
    (there,) = rig.files(rig.pims)
    rig.pims._files.pop(there["id"])
    rig.settle()
    return str(there["id"])


def test_what_has_its_name_and_cannot_be_fetched_is_looked_into_by_a_person(rig: FileRig) -> None:
    in_doubt(rig)

    assert rig.ends() == [("review", "outcome-unknown")]
    with rig.ledger.read() as tx:
        (item,) = review.open_items(tx, rig.sites())
        assert item.kind == Kind.ATTACHMENT
        story = desk_changes.story(tx, rig.changes()[-1].id or 0)
        assert story is not None
        assert all(event.words for event in story.timeline)


@pytest.mark.parametrize("choice", [Choice.AGAIN, Choice.KEEP])
def test_what_the_person_says_is_done(rig: FileRig, choice: Choice) -> None:
    there = in_doubt(rig)
    if choice is Choice.AGAIN:
        rig.pims.remove(Kind.ATTACHMENT, there)
    with rig.ledger.write() as tx:
        (item,) = reviews.open_items(tx)
        reviews.answer(tx, item, Answer(choice=choice), "Kim")
    rig.settle()
    rig.look()

    assert sent(rig.pims) == (2 if choice is Choice.AGAIN else 1)
    assert rig.questions() == ()


def test_two_that_stand_there_are_a_question(rig: FileRig) -> None:
    card = rig.known()
    rig.wants(to_booking=None)
    rig.pims.lose_answers(done=True)
    rig.bring(card, "letter.pdf")
    rig.clock.advance(rig.looker.again.total_seconds())
    rig.looker.pass_()
    rig.work()
    (there,) = rig.files(rig.pims)
    rig.pims.add(Kind.ATTACHMENT, {**there, "id": None}, content=pdf())

    rig.settle()

    assert rig.ends() == [("review", "found-twice")]


def test_a_file_that_failed_is_tried_again_where_it_has_changed_and_not_before(rig: FileRig) -> None:
    rig.known()
    rig.wants(to_booking=FileRules(types={"pdf": 100}))
    id_ = rig.file(pet_id=rig.pet())
    rig.look()
    rig.pims.edit(Kind.ATTACHMENT, id_, {"active": True})  # told anew, and nothing about it is new
    rig.look()
    assert rig.ends() == [("failed", "file-too-large")]

    rig.wants(to_booking=ANYTHING)
    rig.pims.edit(Kind.ATTACHMENT, id_, {"name": "shorter.pdf"})
    rig.look()

    assert rig.ends() == [("skipped", "superseded"), ("done", "carried")]


def test_a_card_is_asked_for_files_at_once_after_a_booking_and_else_in_its_turn(rig: FileRig) -> None:
    card = rig.known()
    rig.clock.advance(rig.looker.again.total_seconds())
    rig.looker.pass_()
    rig.clock.advance(10)
    rig.bring(card)
    assert rig.looker.pass_() == 0

    rig.book("Ann", "Archer", "+441632960001", "Rex")
    rig.run()
    assert rig.looker.pass_() == 1


def test_a_file_that_is_gone_before_it_was_carried_is_not_carried(rig: FileRig) -> None:
    card = rig.known()
    id_ = rig.bring(card)
    rig.clock.advance(rig.looker.again.total_seconds())
    rig.looker.pass_()
    rig.booking.remove(Kind.ATTACHMENT, id_)
    rig.work()
    assert rig.ends() == [("waiting", "file-not-shown")]

    rig.settle()

    assert rig.ends() == [("skipped", "gone")]


def test_what_became_of_an_upload_is_found_out_also_where_the_file_is_gone_meanwhile(rig: FileRig) -> None:
    card = rig.known()
    rig.pims.lose_answers(done=True)
    id_ = rig.bring(card)
    rig.clock.advance(rig.looker.again.total_seconds())
    rig.looker.pass_()
    rig.work()
    rig.booking.remove(Kind.ATTACHMENT, id_)

    rig.settle()

    assert rig.ends() == [("skipped", "gone")]
    with rig.ledger.read() as tx:
        assert actions.unsettled(tx, rig.changes()[-1].record_id) == ()


def test_where_a_pet_goes_to_somebody_else_while_its_file_is_fetched_it_is_read_again(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.known()
    other = rig.known("Cleo", "Cross", "+441632960003", "Kit")
    rig.file(pet_id=rig.pet("Rex"))
    whole = MemorySide.content

    def slow(side: MemorySide, id: str) -> Iterator[bytes]:  # noqa: A002 - the protocol's word
        yield from whole(side, id)
        rig.clock.advance(60)
        rig.pims.edit(Kind.PET, rig.pet("Rex"), {"owner": rig.client("Cross")})

    monkeypatch.setattr(MemorySide, "content", slow)
    rig.look()

    assert [row["client_id"] for row in rig.files(rig.booking)] == [other]


def test_a_file_waits_while_as_many_as_may_be_are_on_their_way(rig: FileRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "_TURNS", threading.BoundedSemaphore(1))
    rig.bring(rig.known())
    rig.clock.advance(rig.looker.again.total_seconds())
    rig.looker.pass_()
    with attachments._TURNS:
        rig.work()
        assert rig.ends() == [("waiting", "files-under-way")]

    rig.settle()

    assert rig.ends() == [("done", "carried")]


def test_of_a_pims_that_several_sites_share_a_file_is_the_one_of_its_owners_site(rig: FileRig) -> None:
    card = rig.known()
    other = replace(rig.pair, site="hill", booking=replace(rig.pair.booking, account="hill-booking"))
    looker = FileLooker(other, rig.ledger)
    rig.engine = Engine([rig.pair, other], rig.ledger, rig.clock, rig.timings)
    rig.file(pet_id=rig.pet())

    assert looker.pass_() == 1  # whoever polls the PIMS first
    rig.settle()

    assert [row["client_id"] for row in rig.files(rig.booking)] == [card]
    assert [row.site for row in rig.changes() if row.kind == Kind.ATTACHMENT] == ["town"]


def test_of_an_owner_who_is_forgotten_nothing_of_their_files_is_kept_and_no_more_come(rig: FileRig) -> None:
    card = rig.known()
    rig.bring(card, "Letter about Ann.pdf")
    rig.file(pet_id=rig.pet(), content=pdf("b"))
    rig.look()
    with rig.ledger.write() as tx:
        forget(tx, holdings.held(tx, owners.owner_of(tx, [Key("booking", Kind.CLIENT, card)])))
    with rig.ledger.read() as tx:
        written = tx.session.exec(select(Action).where(Action.kind == Kind.ATTACHMENT)).all()
        assert [each.payload_sealed for each in written] == [None, None]
        assert subjects.contents(tx, [row.record_id for row in rig.changes()]) == {}
    before = len(rig.changes())
    rig.bring(card, content=pdf("c"))
    rig.file(pet_id=rig.pet(), content=pdf("d"))

    rig.look()

    assert len(rig.changes()) == before
