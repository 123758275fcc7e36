"""Whoever opts out at the booking side is opted out in the PIMS, by VetBridge or by staff; and the other way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import Killed
from tests.unit.sync.due_rig import NOTHING, Town
from vetbridge.config.models import Config, Watch
from vetbridge.core.records import Kind
from vetbridge.desk import worklist as desk
from vetbridge.ledger import worklist


def say(town: Town, card: str, silent: bool) -> None:
    """Somebody at reception opts a client out, or in, at the booking side."""
    town.booking.edit(Kind.CLIENT, card, {"silent": silent})
    town.receiver.poll()
    town.settle()


def is_silent(town: Town, client: str) -> bool | None:
    row = town.pims.row(Kind.CLIENT, client)
    assert row is not None
    return row["silent"]


def lines(town: Town) -> list[tuple[str, str]]:
    """What stands on the work list, by task and client."""
    with town.ledger.read() as tx:
        return [(row.task, row.remote_id) for row in worklist.lines(tx)]


def tick(town: Town) -> str:
    """Somebody says that the one line is done; its words."""
    with town.ledger.write() as tx:
        (row,) = worklist.lines(tx)
        config = Config.model_construct(sites=town.sites(), watch=Watch())
        return desk.done(tx, config, row.id or 0, by="ann").words


@pytest.fixture
def takes(tmp_path: Path) -> Town:
    """Its PIMS has a field for it."""
    return Town(tmp_path, pims_opt_outs=True)


@pytest.fixture
def lists(tmp_path: Path) -> Town:
    """Its PIMS has none."""
    return Town(tmp_path)


def test_an_opt_out_reaches_the_pims_and_is_taken_back_once(takes: Town) -> None:
    ann, _, card = takes.family("Ann", "Tom")
    say(takes, card, True)
    assert is_silent(takes, ann) is True
    assert takes.endings()[-1] == ("done", "opted-out-in-pims")
    written = len(takes.pims.written)
    takes.cycle()
    say(takes, card, True)
    assert len(takes.pims.written) == written
    say(takes, card, False)
    assert is_silent(takes, ann) is False
    say(takes, card, True)
    assert is_silent(takes, ann) is True
    assert len(takes.pims.written) == written + 2
    assert takes.questions() == ()


def test_what_the_pims_said_itself_stays_when_the_card_is_opted_in(takes: Town) -> None:
    ann, (tom,), card = takes.family("Ann", "Tom")
    takes.due(tom, 20)
    takes.cycle()
    takes.pims.edit(Kind.CLIENT, ann, {"silent": True})
    takes.refresher.pass_()
    takes.settle()
    row = takes.booking.row(Kind.CLIENT, card)
    assert row is not None
    assert row["silent"] is True
    assert takes.shown(card) == NOTHING
    assert takes.pims.written == []
    say(takes, card, False)
    takes.cycle()
    takes.settle()
    assert is_silent(takes, ann) is True
    assert takes.shown(card) == NOTHING
    row = takes.booking.row(Kind.CLIENT, card)
    assert row is not None
    assert row["silent"] is False


def test_a_client_who_was_opted_out_before_is_so_on_a_card_that_is_linked(takes: Town) -> None:
    owner = takes.owner("Ann", "Weiss", "+447912000001", "Tom", silent=True)
    takes.book("Ann", "Weiss", "+447912000001", "Tom")
    takes.run()
    assert [row["silent"] for row in takes.booking.rows(Kind.CLIENT)] == [True]
    assert is_silent(takes, owner) is True
    assert [write for write in takes.pims.written if "silent" in write.native] == []


def test_partners_on_one_card_are_both_opted_out(takes: Town) -> None:
    ann, _, card = takes.family("Ann", "Tom")
    bob = takes.owner("Bob", "Weiss", "+447912000001", "Rex")
    takes.share(card, bob)
    say(takes, card, True)
    assert (is_silent(takes, ann), is_silent(takes, bob)) == (True, True)


@pytest.mark.parametrize("point", ["intended", "sent", "answered"])
def test_killed_in_the_middle_it_is_still_known_as_ours(takes: Town, point: str) -> None:
    ann, _, card = takes.family("Ann", "Tom")

    def kill(name: str) -> None:
        if name == point:
            raise Killed

    takes.start(point=kill)
    with pytest.raises(Killed):
        say(takes, card, True)
    takes.start()
    takes.settle()
    assert is_silent(takes, ann) is True
    say(takes, card, False)
    assert is_silent(takes, ann) is False


def test_without_a_field_the_work_list_asks_staff_and_once_they_did_asks_the_contrary(lists: Town) -> None:
    ann, _, card = lists.family("Ann", "Tom")
    say(lists, card, True)
    assert lines(lists) == [("opt_out", ann)]
    say(lists, card, True)
    assert tick(lists) == f"Client Ann Weiss ({ann}): note that the client wants no messages"
    lists.settle()
    assert lines(lists) == []
    say(lists, card, True)
    assert lines(lists) == []
    say(lists, card, False)
    assert lines(lists) == [("opt_in", ann)]
    assert tick(lists) == f"Client Ann Weiss ({ann}): note that the client wants messages again"
    say(lists, card, True)
    assert lines(lists) == [("opt_out", ann)]


def test_a_line_that_nobody_carried_out_is_struck_by_an_opt_in(lists: Town) -> None:
    _, _, card = lists.family("Ann", "Tom")
    say(lists, card, True)
    say(lists, card, False)
    assert lines(lists) == []
    say(lists, card, True)
    assert [task for task, _ in lines(lists)] == ["opt_out"]


def test_a_site_that_does_nothing_about_due_services_is_left_alone(lists: Town) -> None:
    lists.policy = None
    lists.start()
    _, _, card = lists.family("Ann", "Tom")
    say(lists, card, True)
    assert lines(lists) == []
