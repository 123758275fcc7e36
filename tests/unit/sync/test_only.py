"""The visits of one client alone: who is meant, what is received, and what is left for later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.rig import Rig
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts
from vetbridge.sync.only import SOURCE, NobodyMeant, family, receive
from vetbridge.testing.memory import redeclared

ANN = ("Ann", "Weiss", "+447700900123", "Bella")
BOB = ("Bob", "Stone", "+447700900456", "Rex")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    for given, name, phone, pet in (ANN, BOB):
        made.owner(given, name, phone, pet)
    made.refresher.pass_()
    return made


def card(rig: Rig, booking: str) -> str:
    row = rig.booking.row(Kind.APPOINTMENT, booking)
    assert row is not None
    return str(row["owner"])


def only(rig: Rig, client: str) -> None:
    records: set[int] = set()
    for one in family(rig.ledger, [rig.pair], client):
        records |= receive(rig.ledger, one, rig.clock.now())
    rig.engine.only = records
    rig.settle()
    rig.engine.only = None


def test_a_new_clients_bookings_come_over_and_nobody_elses(rig: Rig) -> None:
    mine = [rig.book(*ANN, hours=hours) for hours in (24, 48)]
    other = rig.book(*BOB)
    rig.hint(other)
    only(rig, card(rig, mine[0]))
    assert len(rig.visits()) == 2
    states = {change.remote_id: (change.state, change.source) for change in rig.changes()}
    assert states == {mine[0]: ("done", SOURCE), mine[1]: ("done", SOURCE), other: ("received", "webhook")}
    rig.run()
    assert len(rig.visits()) == 3


def test_no_cursor_moves(rig: Rig) -> None:
    rig.receiver.poll()
    with rig.ledger.read() as tx:
        before = accounts.cursor(tx, "booking", Kind.APPOINTMENT)
    mine, other = rig.book(*ANN), rig.book(*BOB)
    only(rig, card(rig, mine))
    with rig.ledger.read() as tx:
        assert accounts.cursor(tx, "booking", Kind.APPOINTMENT) == before
    rig.run()
    assert other in [change.remote_id for change in rig.changes()]


def test_a_linked_client_is_known_by_either_id_and_its_known_visits_are_looked_at(rig: Rig) -> None:
    mine = rig.book(*ANN)
    rig.book(*BOB)
    rig.run()
    (visit,) = [row for row in rig.visits() if row["ref"] and row["owner"] == rig.pims.rows(Kind.CLIENT)[1]["id"]]
    (one,) = family(rig.ledger, [rig.pair], f"pims/{visit['owner']}")
    assert (set(one.booking_ids), set(one.pims_ids)) == ({card(rig, mine)}, {visit["owner"]})
    (same,) = family(rig.ledger, [rig.pair], f"booking/{card(rig, mine)}")
    assert (same.booking_ids, same.pims_ids) == (one.booking_ids, one.pims_ids)
    later = (rig.clock.now() + timedelta(hours=72)).isoformat()
    rig.booking.edit(Kind.APPOINTMENT, mine, {"start": later})
    before = len(rig.changes())
    only(rig, f"pims/{visit['owner']}")
    assert rig.pims.row(Kind.APPOINTMENT, visit["id"])["start"] == later  # type: ignore[index]
    assert [change.remote_id for change in rig.changes()[before:]] == [mine], "a linked visit goes by its booking"


def test_a_side_that_lists_by_time_is_asked_by_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    window = frozenset({"start_from", "start_before"})
    asked: list[dict[str, str]] = []
    bookings = [rig.book(*ANN), rig.book(*BOB)]
    monkeypatch.setattr(
        rig.booking, "_capabilities", redeclared(rig.booking.capabilities, Kind.APPOINTMENT, search=window)
    )

    def search(kind: Kind, query: dict[str, str]) -> list[object]:
        asked.append(query)
        return list(rig.booking.rows(kind))

    monkeypatch.setattr(rig.booking, "search", search)
    listed = rig.booking.calls["changes"]
    only(rig, card(rig, bookings[0]))
    assert [set(query) for query in asked] == [window]
    assert rig.booking.calls["changes"] == listed
    assert len(rig.visits()) == 1


def test_a_visit_that_cannot_be_read_is_left_to_the_others(rig: Rig) -> None:
    mine = rig.book(*ANN)
    rig.booking.add(
        Kind.APPOINTMENT,
        {"owner": card(rig, mine), "start": rig.clock.now().isoformat(), "seconds": 900, "type": "99"},
    )
    only(rig, card(rig, mine))
    assert len(rig.visits()) == 1


@pytest.mark.parametrize("client", ["c999", "booking/c999", "pims/c999", "", "/", "pims/", "\x1b[31mAnn"])
def test_a_client_that_nobody_has(rig: Rig, client: str) -> None:
    with pytest.raises(NobodyMeant) as nobody:
        family(rig.ledger, [rig.pair], client)
    assert "\x1b" not in str(nobody.value)


def test_an_id_that_several_booking_sides_have_must_say_where(rig: Rig) -> None:
    id_ = card(rig, rig.book(*ANN))
    other = replace(rig.pair, site="village", booking=replace(rig.pair.booking, account="booking-2"))
    with pytest.raises(NobodyMeant, match=f"booking/{id_}, booking-2/{id_}"):
        family(rig.ledger, [rig.pair, other], id_)
    (one,) = family(rig.ledger, [rig.pair, other], f"booking-2/{id_}")
    assert one.pair.site == "village"
