"""What is done about a lost answer at each level of writing exactly once (architecture, section 8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import Rig
from tests.unit.sync.test_both_ways import answer
from vetbridge.connector.interface import ExactlyOnce, Unlinked
from vetbridge.core.answers import Choice
from vetbridge.core.records import Kind
from vetbridge.testing.memory import MemorySide, memory_capabilities

FOUND_OUT = [ExactlyOnce.IDEMPOTENCY_KEY, ExactlyOnce.CONDITIONAL, ExactlyOnce.REFERENCE, ExactlyOnce.LOOK]


def rig_at(folder: Path, create: ExactlyOnce | None = None, changed: ExactlyOnce = ExactlyOnce.LOOK) -> Rig:
    able = memory_capabilities(unlinked=Unlinked.PLACEHOLDER, create=create, changed=changed)
    rig = Rig(folder, pims=MemorySide(able))
    rig.owner("John", "Smith", "+447912000001", "Bella")
    return rig


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("level", FOUND_OUT)
def test_a_lost_answer_ends_in_one_visit(tmp_path: Path, level: ExactlyOnce, done: bool) -> None:
    rig = rig_at(tmp_path, create=level)
    rig.pims.lose_answers(done=done, times=1)
    rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    assert len(rig.visits()) == 1
    assert rig.endings() == [("done", "matched")]
    assert (rig.pims.calls["look"] == 0) is (level is ExactlyOnce.IDEMPOTENCY_KEY)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("level", FOUND_OUT)
def test_a_new_owner_and_her_pet_are_made_once(tmp_path: Path, level: ExactlyOnce, done: bool) -> None:
    rig = rig_at(tmp_path, create=level)
    rig.pims.lose_answers(done=done, times=3)
    rig.book("Zoe", "Newcomer", "+447912000003", "Rex")
    rig.run()
    assert [row["name"]["given"] for row in rig.pims.rows(Kind.CLIENT)].count("Zoe") == 1
    assert [row["name"] for row in rig.pims.rows(Kind.PET)].count("Rex") == 1
    assert len(rig.visits()) == 1


@pytest.mark.parametrize("done", [True, False])
def test_where_nobody_can_look_a_person_is_asked_and_nothing_is_sent_again(tmp_path: Path, done: bool) -> None:
    rig = rig_at(tmp_path, create=ExactlyOnce.NONE)
    rig.pims.lose_answers(done=done)
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    (item,) = rig.questions()
    assert item.why == "outcome-unknown"
    rig.hint(id_)
    rig.run()
    assert len(rig.pims.written) == int(done)
    assert len(rig.questions()) == int(not done), "a listing shows what was done"


def test_what_a_person_does_not_find_there_is_written_again_once(tmp_path: Path) -> None:
    rig = rig_at(tmp_path, create=ExactlyOnce.NONE)
    rig.pims.lose_answers(done=False)
    rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    answer(rig, rig.questions()[0].id, Choice.AGAIN)
    rig.pims.lose_answers(done=True)
    rig.settle()
    assert len(rig.pims.written) == 1
    assert [one.why for one in rig.questions()] == ["outcome-unknown"], "the answer was about the first one"


def test_what_a_person_finds_there_is_not_written_again(tmp_path: Path) -> None:
    rig = rig_at(tmp_path, create=ExactlyOnce.NONE)
    rig.pims.lose_answers(done=True)
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    answer(rig, rig.questions()[0].id, Choice.KEEP)
    rig.settle()
    assert rig.endings()[-1] == ("done", "kept")
    assert rig.questions() == ()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"notes": "scratches"})
    rig.run()
    (visit,) = rig.visits()
    assert "scratches" in visit["notes"], "the listing has shown where it is, and it is followed"
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert rig.questions() == ()


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("level", list(ExactlyOnce))
@pytest.mark.parametrize("edit", [{"start": "2026-06-01T10:00:00+01:00"}, {"state": "cancelled"}])
def test_a_lost_answer_to_a_change_ends_as_wanted_or_in_a_question(
    tmp_path: Path, level: ExactlyOnce, done: bool, edit: dict[str, str]
) -> None:
    rig = rig_at(tmp_path, changed=level)
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.pims.lose_answers(done=done)
    rig.booking.edit(Kind.APPOINTMENT, id_, edit)
    rig.run()
    if level is ExactlyOnce.NONE:
        assert [one.why for one in rig.questions()] == ["outcome-unknown"]
        answer(rig, rig.questions()[0].id, Choice.AGAIN)
        rig.settle()
    (visit,) = rig.visits()
    (name, value) = next(iter(edit.items()))
    assert visit[name][:13] == value[:13]
    assert rig.questions() == ()


def test_a_conditional_write_never_overwrites_what_the_desk_did_in_between(tmp_path: Path) -> None:
    rig = rig_at(tmp_path, changed=ExactlyOnce.CONDITIONAL)
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    interfered: list[str] = []

    def desk_is_quicker(point: str) -> None:
        if point == "intended" and not interfered:
            interfered.append(point)
            rig.pims.edit(Kind.APPOINTMENT, rig.visits()[0]["id"], {"start": "2026-06-02T10:00:00+01:00"})

    rig.ledger.close()
    rig.start(point=desk_is_quicker)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": "2026-06-01T10:00:00+01:00"})
    rig.run()
    assert rig.visits()[0]["start"][:10] == "2026-06-02"
    assert [one.why for one in rig.questions()] == ["conflict"]
