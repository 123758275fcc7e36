"""Files go over once and whole, to the right owner, or to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.file_rig import FileRig, content, pdf, sent
from vetbridge.core.errors import Unavailable
from vetbridge.core.files import FileRules
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts, attached
from vetbridge.ledger.tables import ChangeState
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities, redeclared


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[FileRig]:
    rig = FileRig(tmp_path)
    yield rig
    rig.ledger.close()


def test_a_letter_on_the_card_comes_to_the_pet_whose_visit_it_is(rig: FileRig) -> None:
    card = rig.known("Ann", "Archer", "+441632960001", "Rex", "Tom")
    rig.bring(card, "Über weisung.pdf", pdf("x-ray"), notes="from the old vet")

    rig.look()

    (there,) = rig.files(rig.pims)
    assert there["pet_id"] == rig.pet("Rex")
    assert content(rig.pims, there["id"]) == pdf("x-ray")
    assert "from the old vet" in there["notes"]
    assert rig.ends() == [("done", "carried")]


def test_a_document_of_the_pims_comes_to_the_owners_card_without_what_staff_noted_beside_it(rig: FileRig) -> None:
    card = rig.known()
    rig.file(pet_id=rig.pet(), content=pdf("take two a day"), notes="owner is difficult")

    rig.look()

    (there,) = rig.files(rig.booking)
    assert there["client_id"] == card
    assert content(rig.booking, there["id"]) == pdf("take two a day")
    assert there["notes"] == ""


def test_what_was_carried_is_known_at_both_sides_and_never_carried_back(rig: FileRig) -> None:
    card = rig.known()
    rig.bring(card, content=pdf("one"))
    rig.file(pet_id=rig.pet(), content=pdf("two"))

    for _ in range(4):
        rig.look()

    assert [len(rig.files(side)) for side in (rig.booking, rig.pims)] == [2, 2]
    assert rig.ends() == [("done", "carried")] * 2


def test_a_content_goes_once_however_often_it_is_filed_and_under_whatever_name(rig: FileRig) -> None:
    rig.known()
    rig.file("a.pdf", pet_id=rig.pet())
    rig.look()
    rig.file("b.pdf", client_id=rig.client())
    rig.look()
    rig.look()

    assert len(rig.files(rig.booking)) == 1
    assert rig.ends() == [("done", "carried"), ("skipped", "already-there")]


def test_what_people_have_filed_there_themselves_is_recognised_by_its_content(rig: FileRig) -> None:
    card = rig.known()
    rig.wants(to_booking=None)
    rig.file("letter.pdf", pet_id=rig.pet(), content=pdf("a"))
    rig.file("letter.pdf", pet_id=rig.pet(), content=pdf("b"))
    rig.bring(card, "letter.pdf", pdf("b"))
    rig.bring(card, "letter.pdf", pdf("c"))

    rig.look()

    assert sorted(content(rig.pims, row["id"]) for row in rig.files(rig.pims)) == [pdf("a"), pdf("b"), pdf("c")]
    assert sorted(rig.ends()) == [("done", "carried"), ("skipped", "already-there")]


def test_what_was_there_before_vetbridge_began_to_look_stays_where_it_is(tmp_path: Path) -> None:
    clock = FakeClock()
    pims = MemorySide(memory_capabilities(), clock=clock, page_size=2)
    owner = pims.add(Kind.CLIENT, {"name": {"given": "Old", "family": "Owner"}, "phones": ["+441632960009"]})
    old = [pims.add(Kind.ATTACHMENT, {"client_id": owner, "name": f"{n}.pdf"}, content=pdf()) for n in range(5)]
    clock.advance(60)
    rig = FileRig(tmp_path, pims=pims, clock=clock)
    rig.book("Old", "Owner", "+441632960009", "Rex")
    rig.run()
    pims.edit(Kind.ATTACHMENT, old[2], {"name": "another.pdf"})
    rig.bring(rig.booking.rows(Kind.CLIENT)[0]["id"], made_at=(rig.clock.now() - timedelta(days=1)).isoformat())

    rig.look()

    assert rig.ends() == []
    rig.ledger.close()


def test_files_without_a_date_are_history_where_a_card_is_looked_at_for_the_first_time(rig: FileRig) -> None:
    card = rig.known()
    rig.booking._clock = None  # it does not say when files were made
    rig.bring(card, content=pdf("old"))
    rig.look()
    rig.bring(card, content=pdf("new"))
    rig.look()

    assert [content(rig.pims, row["id"]) for row in rig.files(rig.pims)] == [pdf("new")]


def test_in_the_shadow_nothing_is_carried_nor_later_what_came_meanwhile(rig: FileRig) -> None:
    rig.meet()
    card = rig.known()
    rig.bring(card, content=pdf("a"))
    rig.file(pet_id=rig.pet(), content=pdf("b"))
    rig.look()
    assert rig.ends() == []

    rig.clock.advance(1)
    rig.approve()
    rig.settle()
    rig.bring(card, content=pdf("c"))
    rig.file(pet_id=rig.pet(), content=pdf("d"))
    rig.look()

    assert (sent(rig.pims), sent(rig.booking)) == (1, 1)


def test_what_came_while_the_config_wanted_no_files_is_history(rig: FileRig) -> None:
    card = rig.known()
    rig.bring(card, content=pdf("a"))
    rig.file(pet_id=rig.pet(), content=pdf("b"))
    with rig.ledger.write() as tx:  # as a start does then
        attached.end(tx, "booking")
        attached.end(tx, "pims")
    rig.clock.advance(1)
    rig.look()
    assert rig.ends() == []

    rig.bring(card, content=pdf("c"))
    rig.file(pet_id=rig.pet(), content=pdf("d"))
    rig.look()
    assert (sent(rig.pims), sent(rig.booking)) == (1, 1)


def test_a_file_that_the_site_does_not_want_is_not_even_fetched(rig: FileRig) -> None:
    rig.wants(to_pims=FileRules(types={"pdf": 1_000_000}, names=("*x-ray*",)))
    card = rig.known()
    rig.bring(card, "holiday.pdf")

    rig.look()

    assert rig.ends() == [("skipped", "file-not-wanted")]
    assert rig.booking.calls["content"] == 0


def test_a_side_whose_rules_are_not_given_is_not_asked_for_files(rig: FileRig) -> None:
    rig.wants(to_pims=None)
    card = rig.known()
    rig.bring(card)
    before = rig.booking.calls["search"]

    rig.look()

    assert rig.booking.calls["search"] == before
    assert rig.ends() == []


# -- whose it is


def shared(rig: FileRig) -> str:
    """A couple with two clients in the PIMS and one card."""
    card = rig.known("Ann", "Archer", "+441632960001", "Rex")
    partner = rig.owner("Ben", "Archer", "+441632960001", "Mia")
    rig.share(card, partner)
    rig.refresher.pass_()
    return card


def test_a_document_of_one_of_a_couple_is_not_shown_to_the_other(rig: FileRig) -> None:
    shared(rig)
    rig.file(client_id=rig.client())

    rig.look()

    assert rig.files(rig.booking) == []
    assert rig.ends() == [("failed", "file-owner-unsure")]


def test_of_a_couple_the_one_who_comes_gets_the_file_of_their_card(rig: FileRig) -> None:
    card = shared(rig)
    rig.bring(card)

    rig.look()

    (there,) = rig.files(rig.pims)
    assert there["pet_id"] == rig.pet("Rex")


def test_where_neither_of_a_couple_comes_nobody_guesses(rig: FileRig) -> None:
    card = shared(rig)
    rig.bring(card)
    rig.looker.again = timedelta(0)
    rig.looker.pass_()
    for booking in rig.booking.rows(Kind.APPOINTMENT):
        rig.booking.edit(Kind.APPOINTMENT, booking["id"], {"state": "cancelled"})
    rig.receiver.poll()
    rig.settle()

    assert rig.files(rig.pims) == []
    assert rig.ends() == [("failed", "file-owner-unsure")]


@pytest.mark.parametrize("side", ["booking", "pims"])
def test_a_card_or_a_client_who_is_somebody_else_by_now_gets_nothing(rig: FileRig, side: str) -> None:
    card = rig.known()
    rig.bring(card, content=pdf("a"))
    rig.file(client_id=rig.client(), content=pdf("b"))
    other = {"name": {"given": "Zoe", "family": "Quill"}, "phones": ["+441632960077"], "emails": ["zoe@example.org"]}
    if side == "booking":
        rig.booking.edit(Kind.CLIENT, card, other)
    else:
        rig.pims.edit(Kind.CLIENT, rig.client(), other)

    rig.look()

    assert (sent(rig.pims), sent(rig.booking)) == (0, 0)
    assert rig.ends() == [("failed", "file-owner-unsure")] * 2


def test_where_the_visits_of_a_card_are_somebody_elses_nobody_guesses(rig: FileRig) -> None:
    card = rig.known()
    other = rig.owner("Cleo", "Cross", "+441632960003", "Kit")
    (visit,) = [row for row in rig.visits() if row["owner"] == rig.client()]
    rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"owner": other, "pet": rig.pet("Kit")})
    rig.run()
    rig.bring(card)
    rig.file(client_id=rig.client(), content=pdf("b"))

    rig.look()

    assert (sent(rig.pims), sent(rig.booking)) == (0, 0)
    assert {code for _, code in rig.ends()} == {"file-owner-unsure"}


def test_a_file_of_an_owner_of_several_pets_of_whom_none_is_named_hangs_on_the_owner(rig: FileRig) -> None:
    rig.owner("Ann", "Archer", "+441632960001", "Rex", "Tom")
    rig.book("Ann", "Archer", "+441632960001", "Rex")
    rig.book("Ann", "Archer", "+441632960001", "Tom")
    rig.run()
    rig.bring(rig.booking.rows(Kind.CLIENT)[0]["id"])

    rig.look()

    (there,) = rig.files(rig.pims)
    assert (there["client_id"], there["pet_id"]) == (rig.client(), None)


@pytest.mark.parametrize("is_said", [True, False])
def test_a_letter_of_a_co_owner_comes_to_the_shared_pet_where_that_is_who_comes(
    rig: FileRig, *, is_said: bool
) -> None:
    rig.known()
    card = rig.known("Jane", "Stone", "+441632960004", "Max")
    rig.pims.edit(Kind.PET, rig.pet("Rex"), {"shared_by": [rig.client("Stone")]})
    visit = rig.visits()[-1]["id"]
    rig.pims.edit(Kind.APPOINTMENT, visit, {"pet": rig.pet("Rex") if is_said else None})
    rig.run()
    rig.bring(card)

    rig.look()

    hangs_on = [(row["pet_id"], row["client_id"]) for row in rig.files(rig.pims)]
    assert hangs_on == [(rig.pet("Rex"), None) if is_said else (None, rig.client("Stone"))]


def test_a_file_whose_pet_went_to_another_owner_goes_to_that_ones_card(rig: FileRig) -> None:
    rig.known()
    other = rig.known("Cleo", "Cross", "+441632960003", "Kit")
    rig.file(pet_id=rig.pet("Rex"))
    rig.pims.edit(Kind.PET, rig.pet("Rex"), {"owner": rig.client("Cross")})

    rig.look()

    assert [row["client_id"] for row in rig.files(rig.booking)] == [other]


def test_the_document_of_a_pet_that_died_still_goes_to_its_owner(rig: FileRig) -> None:
    card = rig.known()
    rig.pims.edit(Kind.PET, rig.pet(), {"dead": "1"})
    rig.file(pet_id=rig.pet())

    rig.look()

    assert [row["client_id"] for row in rig.files(rig.booking)] == [card]


def test_an_owner_who_has_no_card_is_skipped_and_so_is_nobodys_file(rig: FileRig) -> None:
    rig.file(client_id=rig.owner("No", "Card", "+441632960005"))
    rig.file(client_id=rig.placeholder.client_id, content=pdf("b"))

    rig.look()

    assert sorted(rig.ends()) == [("skipped", "file-of-nobody"), ("skipped", "not-at-booking-side")]


# -- lost answers, and files that are no good


@pytest.mark.parametrize("lands", [True, False])
def test_a_lost_answer_is_looked_for_by_the_content(rig: FileRig, lands: bool) -> None:
    card = rig.known()
    rig.wants(to_booking=None)
    rig.file("letter.pdf", pet_id=rig.pet(), content=pdf("another of that name"))
    rig.bring(card, "letter.pdf", pdf("mine"))
    rig.pims.lose_answers(done=lands)

    rig.look()

    here = [row for row in rig.files(rig.pims) if content(rig.pims, row["id"]) == pdf("mine")]
    assert len(here) == 1
    assert rig.ends()[-1][0] == ChangeState.DONE or rig.ends()[-1][1] == "settled"


def test_a_virus_scanner_that_is_silent_holds_the_file_back_and_no_account(rig: FileRig) -> None:
    answers: list[bool] = []

    def scan(_file: BinaryIO) -> None:
        if not answers:
            raise Unavailable("the virus scanner does not answer", code="scanner-silent")

    rig.wants(scan=scan)
    rig.bring(rig.known())
    rig.clock.advance(rig.looker.again.total_seconds())
    rig.looker.pass_()
    rig.work()
    assert rig.ends() == [("waiting", "scanner-silent")]
    with rig.ledger.read() as tx:
        assert accounts.not_answering(tx) == set()

    answers.append(True)
    rig.settle()
    assert rig.ends() == [("done", "carried")]


def test_a_side_that_takes_no_such_files_leaves_it_to_a_person(tmp_path: Path) -> None:
    capabilities = redeclared(memory_capabilities(), Kind.ATTACHMENT, file_types=frozenset({"png"}))
    clock = FakeClock()
    rig = FileRig(tmp_path, pims=MemorySide(capabilities, clock=clock), clock=clock)
    rig.bring(rig.known())

    rig.look()

    assert rig.ends() == [("failed", "not-supported")]
    rig.ledger.close()


def test_lanes_are_kept_while_a_file_takes_long_to_come(rig: FileRig, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = MemorySide.content

    def slow(side: MemorySide, id: str) -> Iterator[bytes]:  # noqa: A002 - the protocol's word
        for piece in whole(side, id):
            for place in range(0, len(piece), 64):
                rig.clock.advance(60)
                yield piece[place : place + 64]

    monkeypatch.setattr(MemorySide, "content", slow)
    rig.bring(rig.known())

    rig.look()

    assert rig.ends() == [("done", "carried")]
