"""Where a body is no longer kept, the pages say so, and show all the rest."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import select

from tests.unit.desk.practice import Desk, Parked
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import links, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.retention import drop_bodies
from vetbridge.ledger.tables import Review


def test_a_question_that_is_no_longer_kept(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    with ledger.write() as tx:
        row = tx.session.exec(select(Review)).one()
        reviews.answer(tx, row, Answer(choice=Choice.LINK, client_id="1002"), "ann")
        reviews.applied(tx, row)
    assert "is dropped" not in desk.run("review", "show", "1").stdout
    desk.clock.advance(timedelta(days=91).total_seconds())
    assert drop_bodies(ledger, 90).questions == 1
    shown = desk.run("review", "show", "1")
    assert shown.exit_code == 0, shown.output
    assert "ann answered 'link'" in shown.stdout
    assert "What was asked is dropped after 90 days" in shown.stdout
    assert desk.data("review", "show", "1")["dropped"] is True
    story = desk.run("changes", "show", str(parked.change))
    assert story.exit_code == 0, story.output
    assert "question 1 for a person" in story.stdout


def test_a_link_that_has_ended(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        link = links.put(
            tx,
            site="city",
            kind=Kind.CLIENT,
            booking_account="altegio-city",
            booking_id="2001",
            pims_account="ezyvet-city",
            pims_id="1002",
            origin="matched",
            evidence=[{"field": "phone", "here": "1", "there": "1", "words": "same phone"}],
        )
        links.set_bases(tx, link, booking={}, pims={}, booking_mapping="a", pims_mapping="b", pims_version=None)
        links.end(tx, link)
    assert "same phone" in desk.run("links", "show", "2001").stdout
    desk.clock.advance(timedelta(days=91).total_seconds())
    assert drop_bodies(ledger, 90).links == 1
    text = desk.run("links", "show", "2001").stdout
    assert "same phone" not in text
    assert "is dropped after the days" in text
