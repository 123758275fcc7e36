"""`changes trace`: the whole way of one booking, whatever it is asked for by, and the same of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.unit.desk.practice import Desk, Parked
from tests.unit.sync.due_rig import NOTICES, Town
from vetbridge.core.records import Kind
from vetbridge.desk.tracing import NothingTraced, TracedRecord, trace
from vetbridge.ledger import due
from vetbridge.ledger.database import Ledger


def test_every_reference_leads_to_the_same_way(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    found = desk.data("changes", "trace", str(parked.change))
    (link,) = found["links"]
    (question,) = found["questions"]
    for reference in (
        f"change/{parked.change}",
        f"question/{question}",
        f"link/{link['id']}",
        "altegio-city/appointment/30001",
        "ezyvet-city/appointment/77",
    ):
        assert desk.data("changes", "trace", reference) == found
    assert [(each["account"], each["remote_id"]) for each in found["records"]] == [
        ("altegio-city", "30001"),
        ("ezyvet-city", "77"),
    ]
    stages = [each["stage"] for each in found["events"]]
    assert {"received", "planned", "linked", "asked", "ended"} <= set(stages)
    assert [each["at"] for each in found["events"]] == sorted(each["at"] for each in found["events"])
    assert "Harris" not in json.dumps(found)


def test_the_text_shows_ids_alone_and_fits(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    result = desk.run("changes", "trace", str(parked.change))
    assert result.exit_code == 0
    assert "appointment 77 at ezyvet-city" in result.stdout
    assert "vetbridge review show" in result.stdout
    assert "Harris" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "reference",
    ["4711", "question/9", "link/9", "9" * 21, "", "/", "altegio-city/visit/1", "x/appointment/1", "²"],
)
def test_what_nobody_knows_is_a_usage_error(desk: Desk, ledger: Ledger, parked: Parked, reference: str) -> None:
    result = desk.run("changes", "trace", reference)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "nothing is known by" in result.stderr


def test_from_the_booking_over_its_owner_to_the_other_side_and_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    client = rig.owner("Ann", "Lee", "07912 345678", "Rex")
    booking = rig.book("Ann", "Lee", "07912 345678", "Rex")
    rig.run()
    (visit,) = rig.visits()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.hint(booking)
    rig.settle()
    with rig.ledger.read() as tx:
        found = trace(tx, f"pims/appointment/{visit['id']}")
        assert trace(tx, f"booking/appointment/{booking}") == found
        with pytest.raises(NothingTraced):
            trace(tx, "booking/appointment/none")
    assert found.records[:2] == (
        TracedRecord("booking", "appointment", booking),
        TracedRecord("pims", "appointment", str(visit["id"])),
    )
    assert TracedRecord("pims", "client", client) in found.records
    assert {link.booking.kind for link in found.links} >= {"appointment", "client"}
    writes = [event.words for event in found.events if event.stage == "planned"]
    assert len(writes) == 2, "made once, cancelled once"
    assert [event.change for event in found.events if event.stage == "received"] == sorted(found.changes)
    assert len({(event.at, event.stage, event.words, event.change) for event in found.events}) == len(found.events)
    rig.ledger.close()


def test_the_way_of_a_card_tells_its_notices_and_never_their_text(tmp_path: Path) -> None:
    town = Town(tmp_path, notices=NOTICES)
    _, (tom, rex), card = town.family("Ann", "Tom", "Rex")
    town.due(tom, 15)
    town.due(rex, 20, "Dental")
    town.cycle()
    sent_at = town.clock.now()
    for stamp, state in (("a", due.NOT_DONE), ("b", due.UNKNOWN), ("c", due.INTENDED)):
        town.clock.advance(60)
        with town.ledger.write() as tx:
            due.intend(tx, "booking", card, [f"one {stamp}", f"two {stamp}"], stamp)
            if state != due.INTENDED:
                due.ended(tx, "booking", card, stamp, state)
    with town.ledger.read() as tx:
        for kind in ("reminder", "client"):
            found = [event for event in trace(tx, f"booking/{kind}/{card}").events if event.stage == "notice"]
            assert [event.words for event in found] == [
                "a notice was sent to the owner",
                "the booking side refused a notice to the owner",
                "a notice to the owner is in doubt: nobody knows whether it got there",
                "a notice to the owner is in doubt: nobody knows whether it got there",
            ]
            assert found[0].at <= sent_at < found[1].at
            assert {event.record for event in found} == {TracedRecord("booking", kind, card)}
    town.ledger.close()
