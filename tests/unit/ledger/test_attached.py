"""What the ledger knows of files: which content stands where, whom it asked, and how far back files are history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import select

from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Attachment, Kind
from vetbridge.ledger import accounts, attached, changes, holdings, links, owners, subjects, suppression
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.forgetting import forget
from vetbridge.ledger.suppression import Key
from vetbridge.ledger.tables import Attached, ChangeState, FileLook
from vetbridge.testing.clock import FakeClock

ONE, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def pair(ledger: Ledger) -> Ledger:
    with ledger.write() as tx:
        for name in ("pims", "booking"):
            accounts.enrol(tx, name, "memory", country="GB")
    return ledger


def link(tx: Transaction, kind: Kind, booking_id: str, pims_id: str) -> None:
    links.put(
        tx,
        site="town",
        kind=kind,
        booking_account="booking",
        booking_id=booking_id,
        pims_account="pims",
        pims_id=pims_id,
        origin="desk",
    )


def test_a_content_stands_with_one_client_of_one_account_and_shows_no_digest(ledger: Ledger) -> None:
    with ledger.write() as tx:
        attached.put(tx, "pims", "c1", ONE, "f1")
        attached.put(tx, "pims", "c1", ONE, "f2")
    with ledger.read() as tx:
        assert attached.standing(tx, "pims", "c1", ONE) == "f1"
        assert attached.standing(tx, "pims", "c1", OTHER) is None
        assert attached.standing(tx, "pims", "c2", ONE) is None
        assert attached.standing(tx, "booking", "c1", ONE) is None
        (row,) = tx.session.exec(select(Attached)).all()
        assert ONE not in row.content_hash


def test_it_began_to_look_once(ledger: Ledger, clock: FakeClock) -> None:
    with ledger.write() as tx:
        assert attached.began(tx, "booking") is None
        first = attached.begin(tx, "booking")
    clock.advance(60)
    with ledger.write() as tx:
        assert attached.begin(tx, "booking") == attached.began(tx, "booking") == first


def test_whom_it_asked_and_whom_it_asks_soon(ledger: Ledger, clock: FakeClock) -> None:
    with ledger.write() as tx:
        attached.begin(tx, "booking")
        attached.looked(tx, "booking", "c1")
        attached.look_soon(tx, "booking", "c2")
        attached.look_soon(tx, "booking", "")
        now = tx.now
    clock.advance(60)
    with ledger.write() as tx:
        assert attached.looks(tx, "booking", ["c1", "c2", ""]) == {"c1": now}
        attached.look_soon(tx, "booking", "c1")
        assert attached.looks(tx, "booking", ["c1"])["c1"] < now - timedelta(days=365)
        assert attached.began(tx, "booking") == now


def test_one_that_failed_is_settled_until_it_is_another(pair: Ledger) -> None:
    with pair.write() as tx:
        assert not attached.is_settled(tx, "pims", "f1", "now")
        change = changes.receive(tx, site="town", account="pims", kind=Kind.ATTACHMENT, remote_id="f1", source="poll")
        changes.begin(tx, change.id or 0)
        assert attached.is_known(tx, "pims", "f1")
        assert attached.is_settled(tx, "pims", "f1", "now")
        changes.settle(tx, change.id or 0, ChangeState.FAILED, "file-type", "", digest="then")
        assert attached.is_settled(tx, "pims", "f1", "then")
        assert not attached.is_settled(tx, "pims", "f1", "now")


def test_a_visit_tells_whose_the_card_is_unless_it_is_cancelled_or_nobody_is_sure(
    pair: Ledger, clock: FakeClock
) -> None:
    start = Instant(clock.now() + timedelta(days=2), "Europe/London")
    with pair.write() as tx:
        for number, (status, unlinked) in enumerate(
            [
                (AppointmentStatus.BOOKED, False),
                (AppointmentStatus.CANCELLED, False),
                (AppointmentStatus.BOOKED, True),
            ]
        ):
            link(tx, Kind.APPOINTMENT, f"b{number}", f"v{number}")
            row = links.of_booking(tx, "booking", Kind.APPOINTMENT, f"b{number}")
            assert row is not None
            row.unlinked = unlinked
            links.set_bases(
                tx,
                row,
                booking={"booked_by": f"card{number}", "status": status},
                pims={"start": start, "client_id": "c1", "pet_id": "p1"},
                booking_mapping="",
                pims_mapping="",
                pims_version=None,
            )
        near = attached.visits(tx, "booking", clock.now(), clock.now() + timedelta(days=3))
        assert [(each.card_id, each.client_id, each.pet_id) for each in near] == [
            ("card0", "c1", "p1"),
            ("card2", None, None),
        ]
        assert attached.visits(tx, "booking", clock.now(), clock.now() + timedelta(days=1)) == ()


def test_of_an_owner_who_is_forgotten_no_file_is_known_any_more(pair: Ledger) -> None:
    with pair.write() as tx:
        link(tx, Kind.CLIENT, "card", "c1")
        link(tx, Kind.ATTACHMENT, "card/1", "f1")
        attached.put(tx, "pims", "c1", ONE, "f1")
        attached.put(tx, "booking", "card", ONE, "card/1")
        attached.put(tx, "pims", "c2", ONE, "f2")
        attached.looked(tx, "booking", "card")
        attached.begin(tx, "booking")
        record = changes.record_of(tx, "pims", Kind.ATTACHMENT, "f3")  # one that failed: nothing says its content
        letter = Attachment(id="f3", client_id="c1", pet_id="p1", name="Letter about Rex.pdf")
        subjects.note(tx, record.id or 0, letter, country="GB", account="pims")
    with pair.write() as tx:
        found = holdings.held(tx, owners.owner_of(tx, [Key("pims", Kind.CLIENT, "c1")]))
        forget(tx, found)
    with pair.read() as tx:
        assert [row.client_id for row in tx.session.exec(select(Attached)).all()] == ["c2"]
        assert [row.client_id for row in tx.session.exec(select(FileLook)).all()] == [""]
        assert subjects.contents(tx, [record.id or 0]) == {}
        for account, id_ in (("pims", "f1"), ("pims", "f3"), ("booking", "card/1")):
            assert suppression.is_forgotten(tx, account, Kind.ATTACHMENT, id_)
        assert not attached.is_linked(tx, "pims", "f1")
