"""Files where sides, cards and clocks behave badly: never somebody else's, none lost, and no booking held up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from tests.file_rig import FileRig, content, pdf, sent
from vetbridge.connector.interface import Native, Page, Unlinked
from vetbridge.core.errors import BadAnswer, Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts, changes, clock_moves, links
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import OPEN_STATES, Change, FileLook, Link, Record
from vetbridge.sync import attachments
from vetbridge.sync.file_looking import REST
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities, redeclared

PHONE = "+441632960001"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[FileRig]:
    rig = FileRig(tmp_path)
    yield rig
    rig.ledger.close()


def receive(rig: FileRig) -> None:
    """Files are looked for, and not carried yet."""
    rig.clock.advance(rig.looker.again.total_seconds())
    rig.looker.pass_()


# -- whose it is


def test_a_card_that_bears_another_name_by_now_gets_nothing_though_its_phone_is_the_same(rig: FileRig) -> None:
    card = rig.known()
    rig.booking.edit(Kind.CLIENT, card, {"name": {"given": "Zoe", "family": "Quill"}})
    rig.bring(card, content=pdf("a"))
    rig.file(client_id=rig.client(), content=pdf("b"))

    rig.look()

    assert (sent(rig.pims), sent(rig.booking)) == (0, 0)
    assert rig.ends() == [("failed", "file-owner-unsure")] * 2


def test_a_file_waits_while_nobody_knows_yet_whose_a_booking_from_its_card_is(tmp_path: Path) -> None:
    clock = FakeClock()
    capabilities = redeclared(memory_capabilities(), Kind.APPOINTMENT, unlinked=Unlinked.NO)
    rig = FileRig(tmp_path, pims=MemorySide(capabilities, clock=clock), clock=clock)
    card = rig.known()
    booked = rig.book("Zoe", "Quill", PHONE, "Kit")
    rig.run()
    assert [row.state for row in rig.changes() if row.remote_id == booked] == ["review"]
    rig.bring(card)

    rig.look()

    assert sent(rig.pims) == 0
    assert rig.ends() == [("waiting", "booking-first")]
    rig.ledger.close()


def test_a_file_goes_soon_after_a_booking_of_its_owner_that_was_under_way(rig: FileRig) -> None:
    card = rig.known()
    rig.pims.lose_answers(done=True)
    rig.hint(rig.book("Ann", "Archer", "+441632960001", "Rex"))
    rig.work()
    assert [row.code for row in rig.changes() if row.state == "waiting"] == ["outcome-unknown"]
    rig.bring(card)
    rig.looker.pass_()
    rig.work()
    assert rig.ends() == [("waiting", "booking-first")]
    began = rig.clock.now()

    rig.settle()

    assert rig.ends() == [("done", "carried")]
    assert rig.clock.now() - began < timedelta(minutes=1)


# -- nothing else is held up


def test_bookings_of_an_owner_go_before_the_owners_files(rig: FileRig) -> None:
    card = rig.known()
    for number in range(3):
        rig.bring(card, content=pdf(str(number)))
    receive(rig)
    rig.work()  # they are in the lane of their owner now
    for number in range(3, 6):
        rig.bring(card, content=pdf(str(number)))
    receive(rig)
    booked = rig.book("Ann", "Archer", PHONE, "Rex")
    rig.receiver.poll()
    with rig.ledger.write() as tx:
        lane = changes.client_lane("booking", card)
        for row in tx.session.exec(select(Change).where(col(Change.state).in_(OPEN_STATES))):
            tx.session.get_one(Record, row.record_id).lane = lane
        first = changes.next_due(tx, lane)

    assert first is not None
    assert first.remote_id == booked


def test_a_file_that_cannot_be_fetched_holds_no_booking_up_and_is_given_up_after_a_day(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_side: MemorySide, _id: str) -> Iterator[bytes]:
        raise Unavailable("the host of the files does not answer")
        yield b""

    monkeypatch.setattr(MemorySide, "content", down)
    rig.bring(rig.known())
    receive(rig)
    rig.work()

    assert rig.ends() == [("waiting", "file-not-fetched")]
    with rig.ledger.read() as tx:
        assert accounts.not_answering(tx) == set()
    rig.clock.advance(timedelta(days=1).total_seconds())
    rig.work()
    assert rig.ends() == [("failed", "file-not-fetched")]


def test_a_file_that_waits_for_its_turn_asks_no_vendor(rig: FileRig) -> None:
    rig.bring(rig.known())
    receive(rig)
    calls = sum(rig.booking.calls.values()) + sum(rig.pims.calls.values())
    with attachments._TURNS, attachments._TURNS:
        rig.work()

    assert rig.ends() == [("waiting", "files-under-way")]
    assert sum(rig.booking.calls.values()) + sum(rig.pims.calls.values()) == calls


def test_no_transaction_is_open_while_a_vendor_is_asked_whose_a_file_is(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.known()
    rig.file(pet_id=rig.pet())
    receive(rig)
    got, read = rig.pims.get, rig.ledger.read
    open_now: list[bool] = []

    @contextmanager
    def watched() -> Iterator[Transaction]:
        with read() as tx:
            open_now.append(True)
            yield tx
            open_now.pop()

    def get(kind: Kind, id_: str) -> Native | None:
        assert not open_now
        return got(kind, id_)

    monkeypatch.setattr(rig.ledger, "read", watched)
    monkeypatch.setattr(rig.pims, "get", get)
    rig.work()

    assert rig.ends() == [("done", "carried")]


# -- none is lost, and none doubled


def test_after_the_clock_was_set_back_files_are_new_and_looked_for_as_before(rig: FileRig) -> None:
    year = timedelta(days=365)
    card = rig.known()
    rig.look()
    with rig.ledger.write() as tx:
        for row in tx.session.exec(select(FileLook)):
            row.looked_at += year
    with rig.ledger.write() as tx:
        clock_moves.moved(tx, -year)
    rig.clock.advance(1)
    rig.bring(card)

    rig.look()

    assert rig.ends() == [("done", "carried")]


@pytest.mark.parametrize("side", ["booking", "pims"])
def test_a_file_that_seemed_gone_and_is_shown_again_is_carried(rig: FileRig, side: str) -> None:
    card = rig.known()
    if side == "booking":
        id_, here = rig.bring(card), rig.booking
    else:
        id_, here = rig.file(pet_id=rig.pet()), rig.pims
    receive(rig)
    row = next(each for each in rig.files(here) if each["id"] == id_)
    here.hide([id_])
    rig.settle()
    assert rig.ends() == [("skipped", "gone")]

    here.hide(())
    here.edit(Kind.ATTACHMENT, id_, {"name": row["name"]})
    rig.look()

    assert rig.ends()[-1] == ("done", "carried")


def test_files_without_a_date_stay_history_where_the_first_look_at_a_card_failed(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = rig.known()
    rig.booking._clock = None  # it does not say when files were made
    rig.bring(card, content=pdf("old"))
    with monkeypatch.context() as patch:

        def broken(*_args: object) -> Iterator[Native]:
            raise BadAnswer("half a list")
            yield {}

        patch.setattr(rig.booking, "search", broken)
        rig.looker.pass_()
    for _ in range(REST):
        rig.looker.pass_()
    rig.settle()
    assert rig.ends() == []
    rig.bring(card, content=pdf("new"))
    rig.look()

    assert [content(rig.pims, row["id"]) for row in rig.files(rig.pims)] == [pdf("new")]


def test_an_upload_that_lands_after_it_was_sent_again_is_asked_about(rig: FileRig) -> None:
    card = rig.known()
    rig.pims.land_late(3600.0)
    rig.bring(card)
    rig.look()
    assert rig.ends()[0] == ("done", "carried")
    rig.clock.advance(3600)

    rig.look()

    assert len(rig.files(rig.pims)) == 2
    assert ("review", "found-twice") in rig.ends()


def test_what_a_listing_does_not_describe_is_history_too_while_the_pair_is_in_the_shadow(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = rig.pims.changes

    def bare(kind: Kind, since: str | None = None, *, mark: str | None = None) -> Iterator[Page]:
        for page in told(kind, since, mark=mark):
            yield replace(page, records=tuple(replace(found, native=None) for found in page.records))

    monkeypatch.setattr(rig.pims, "changes", bare)
    rig.meet()
    rig.known()
    rig.file(pet_id=rig.pet())

    rig.look()

    assert rig.ends() == []


def test_of_a_shared_pims_a_document_goes_to_the_first_site_of_its_owner_that_wants_files(rig: FileRig) -> None:
    card = rig.known()
    with rig.ledger.write() as tx:  # another site had the owner before, and looks for no files
        links.put(
            tx,
            site="hill",
            kind=Kind.CLIENT,
            booking_account="hill-booking",
            booking_id="7",
            pims_account="pims",
            pims_id=rig.client(),
            origin="desk",
        )
        row = links.of_booking(tx, "booking", Kind.CLIENT, card)
        assert row is not None
        tx.session.execute(sa.update(Link).where(col(Link.id) == row.id).values(id=1000))
    rig.file(pet_id=rig.pet())

    rig.look()

    assert [each["client_id"] for each in rig.files(rig.booking)] == [card]


def test_an_upload_that_is_never_kept_there_ends_at_last(rig: FileRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "GIVE_UP", timedelta(minutes=5))
    rig.bring(rig.known())
    rig.pims.lose_answers(done=False, times=100)
    receive(rig)

    rig.settle()

    assert rig.ends() == [("failed", "file-not-taken")]
    assert sent(rig.pims) == 0


def test_a_card_that_is_linked_anew_while_its_file_comes_is_read_again(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = rig.known()
    other = rig.owner("Cleo", "Cross", "+441632960003", "Kit")
    rig.bring(card)
    whole = MemorySide.content

    def relinked(side: MemorySide, id: str) -> Iterator[bytes]:  # noqa: A002 - the protocol's word
        yield from whole(side, id)
        with rig.ledger.write() as tx:
            row = links.of_booking(tx, "booking", Kind.CLIENT, card)
            assert row is not None
            links.point(tx, row, pims_id=other)

    monkeypatch.setattr(MemorySide, "content", relinked)
    rig.look()

    assert sent(rig.pims) == 0
    assert rig.ends() == [("failed", "file-owner-unsure")]


def test_an_upload_without_an_answer_is_found_under_whatever_name_its_side_gave_it(rig: FileRig) -> None:
    card = rig.known()
    rig.pims.lose_answers(done=True)
    rig.bring(card)
    receive(rig)
    rig.work()
    (there,) = rig.files(rig.pims)
    rig.pims.edit(Kind.ATTACHMENT, there["id"], {"name": "upload-1.pdf", "notes": ""})

    rig.settle()
    rig.look()

    assert len(rig.files(rig.pims)) == 1
    assert len(rig.files(rig.booking)) == 1


def test_the_same_content_on_two_cards_of_one_owner_goes_once_also_at_the_same_moment(rig: FileRig) -> None:
    cards = [rig.known(), rig.booking.add(Kind.CLIENT, {"name": {"given": "Ann", "family": "Archer"}, "phones": []})]
    with rig.ledger.write() as tx:
        links.put(
            tx,
            site="town",
            kind=Kind.CLIENT,
            booking_account="booking",
            booking_id=cards[1],
            pims_account="pims",
            pims_id=rig.client(),
            origin="desk",
        )
    rig.book("Ann", "Archer", PHONE, "Rex")
    for number, card in enumerate(cards):
        rig.hint_kind(Kind.ATTACHMENT, rig.bring(card, f"{number}.pdf"))

    def beside(point: str) -> None:
        if point == "intended" and not rig.files(rig.pims):
            rig.engine.work("another worker")

    rig.start(point=beside)
    rig.settle()

    assert sent(rig.pims) == 1
