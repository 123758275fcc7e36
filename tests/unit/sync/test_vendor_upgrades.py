"""A vendor's upgrade between two memory sides: what is noticed, what is paused, and that nothing is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.rig import Rig
from vetbridge.connector.interface import Found, Page
from vetbridge.core.errors import AuthFailed, SchemaChanged, Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import codelists, pauses, shapes
from vetbridge.ledger.shapes import Known
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync.pair import Pair
from vetbridge.sync.upgrades import LEAST, WHOLE, ShapeWatch, Upgrades, examine, used_codes
from vetbridge.testing.memory import MemorySide, memory_capabilities

MAPPER = Mapper(load_table("memory"), zone="Europe/London", country="GB")
VISIT = {
    "id": "a1",
    "start": "2027-03-01T10:00:00+00:00",
    "seconds": 900,
    "state": "booked",
    "notes": "be quick",
    "booker": {"given": "Ann"},
}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("Ann", "Weiss", "+447700900123", "Bella")
    made.refresher.pass_()
    return made


def upgrades(rig: Rig, *pairs: Pair) -> Upgrades:
    return Upgrades(rig.ledger, pairs or (rig.pair,))


def paused(rig: Rig) -> dict[str, str]:
    with rig.ledger.read() as tx:
        return {row.name: row.why for row in pauses.standing(tx)}


def resume(rig: Rig, *, accept: str = "") -> None:
    with rig.ledger.write() as tx:
        if accept:
            codelists.forget(tx, accept)
        pauses.resume(tx, "site", "town")


# -- code lists


def test_the_first_look_keeps_and_the_next_one_finds_nothing_changed(rig: Rig) -> None:
    assert upgrades(rig).look("pims") == 0
    with rig.ledger.read() as tx:
        assert codelists.kept(tx, "pims")["resource"]["v1"] == "Dr Ash"
        assert codelists.kept(tx, "booking") == {}
    rig.pims.list_code("appointment_type", "9", "Laser")
    rig.pims.list_code("appointment_type", "2", "Vaccinations")
    assert upgrades(rig).look("pims") == 0
    assert paused(rig) == {}
    with rig.ledger.read() as tx:
        assert codelists.kept(tx, "pims")["appointment_type"]["9"] == "Laser"


def test_a_team_member_who_is_gone_pauses_the_site_and_nothing_is_written(rig: Rig) -> None:
    upgrades(rig).look("pims")
    rig.pims.unlist_code("resource", "v1")
    with capture_logs() as lines:
        assert upgrades(rig).look("pims") == 1
    (line,) = lines
    assert (line["event"], line["log_level"], line["codes"]) == ("site.paused", "error", ["resource v1"])
    assert "Ash" not in str(lines), "a team member is a person"
    assert paused(rig) == {"town": "code-list-changed"}
    rig.hint(rig.book("Ann", "Weiss", "+447700900123", "Bella"))
    rig.work()
    assert rig.visits() == []

    resume(rig)
    assert upgrades(rig).look("pims") == 1, "it is still so"
    assert paused(rig) == {"town": "code-list-changed"}
    resume(rig, accept="pims")
    assert upgrades(rig).look("pims") == 0
    assert upgrades(rig).look("pims") == 0
    assert paused(rig) == {}
    rig.settle()
    assert len(rig.visits()) == 1


def test_a_code_that_no_record_bears_any_more_is_not_gone(tmp_path: Path) -> None:
    learnt = replace(memory_capabilities(), learnt_lists=frozenset({"resource"}))
    rig = Rig(tmp_path, pims=MemorySide(learnt))
    upgrades(rig).look("pims")
    rig.pims.unlist_code("resource", "v1")
    assert upgrades(rig).look("pims") == 0
    assert paused(rig) == {}
    rig.pims.unlist_code("appointment_type", "2")
    assert upgrades(rig).look("pims") == 1, "the vendor's own list is complete"


def test_a_service_that_means_something_else_at_the_booking_side_pauses_the_site(rig: Rig) -> None:
    upgrades(rig).look("booking")
    rig.booking.list_code("appointment_type", "2", "Grooming")
    assert upgrades(rig).look("booking") == 1
    assert paused(rig) == {"town": "code-list-changed"}
    with rig.ledger.read() as tx:
        assert codelists.kept(tx, "booking")["appointment_type"]["2"] == "Vaccination", "until a person accepts it"
    rig.booking.list_code("appointment_type", "2", "Vaccination")
    resume(rig)
    assert upgrades(rig).look("booking") == 0, "the vendor has put it right"


def test_a_config_that_names_another_code_instead_goes_on(rig: Rig) -> None:
    upgrades(rig).look("pims")
    rig.pims.unlist_code("resource", "v1")
    rig.pims.list_code("resource", "v9", "Dr Ash")
    upgrades(rig).look("pims")
    resume(rig)
    corrected = Mapper(load_table("memory"), zone="Europe/London", country="GB", codes={"resource": {"vet_1": "v9"}})
    pair = replace(rig.pair, pims=replace(rig.pair.pims, mapper=corrected))
    assert upgrades(rig, pair).look("pims") == 0
    assert paused(rig) == {}


def test_a_pause_of_a_persons_does_not_end_vetbridges_own(rig: Rig) -> None:
    upgrades(rig).look("pims")
    rig.pims.unlist_code("resource", "v1")
    upgrades(rig).look("pims")
    with rig.ledger.write() as tx:
        row = pauses.pause(tx, "site", "town", until=tx.now, by="Ann")
        assert (row.until, row.by, row.why) == (None, "vetbridge", "code-list-changed")


def test_sites_that_share_an_account_are_paused_by_the_codes_they_use(rig: Rig) -> None:
    own = Mapper(
        load_table("memory"), zone="Europe/London", country="GB", codes={"resource": {"vet_1": "v9", "vet_5": "v1"}}
    )
    village = replace(rig.pair, site="village", pims=replace(rig.pair.pims, mapper=own))
    both = upgrades(rig, rig.pair, village)
    rig.pims.list_code("resource", "v9", "Dr Elm")
    both.look("pims")
    rig.pims.unlist_code("resource", "v9")
    assert both.look("pims") == 1
    assert paused(rig) == {"village": "code-list-changed"}
    both.schema_changed("pims")
    assert paused(rig) == {"town": "schema-changed", "village": "schema-changed"}


def test_a_side_that_does_not_answer_is_no_change(rig: Rig) -> None:
    upgrades(rig).look("pims")
    rig.pims.unlist_code("resource", "v1")
    rig.pims.fail(Unavailable("memory: away"), times=1)
    with pytest.raises(Unavailable):
        upgrades(rig).look("pims")
    rig.pims.fail(AuthFailed("memory: no right to read lists"), times=1)
    assert upgrades(rig).look("pims") == 0, "and no reason to block the account"
    assert paused(rig) == {}


def test_a_side_without_code_lists_is_not_asked(tmp_path: Path) -> None:
    side = MemorySide(replace(memory_capabilities(), code_lists=frozenset()))
    rig = Rig(tmp_path, pims=side)
    asked = side.calls.total()
    assert upgrades(rig).look("pims") == 0
    assert side.calls.total() == asked


def test_the_codes_that_are_written_and_those_that_are_only_read() -> None:
    used = used_codes(MAPPER, "species")
    assert (used.written, used.read) == ({"D", "C", "R", "O"}, {"X"})
    assert used_codes(MAPPER, "breed").written == frozenset()


# -- the shape of records


def visits(count: int = LEAST, *, without: str = "", **change: Any) -> list[dict[str, Any] | None]:
    row = {name: value for name, value in {**VISIT, **change}.items() if name != without}
    return [{**row, "id": f"a{number}"} for number in range(count)]


def seen(*batches: list[dict[str, Any] | None]) -> Known:
    known = Known()
    for batch in batches:
        known = examine(MAPPER, Kind.APPOINTMENT, batch, known)
    return known


def test_what_every_record_had_and_none_has_now_is_lost() -> None:
    known = seen(visits())
    assert {"start", "notes", "booker.given"} <= known.filled
    assert known.lost == frozenset()
    assert seen(visits(), visits(without="notes")).lost == {"notes"}
    assert seen(visits(), visits(without="booker")).lost == {"booker.given"}
    assert seen(visits(), visits(notes="")).lost == frozenset(), "empty is not missing"
    assert seen(visits(), visits(notes={"text": "be quick"})).lost == {"notes"}, "no text any more"
    assert seen(visits(), [*visits(without="notes"), *visits(1)]).lost == frozenset(), "one has it"
    assert seen(visits(), visits(without="notes"), visits()).lost == frozenset(), "it is back"


def test_what_some_records_never_had_is_not_missed() -> None:
    known = seen([*visits(), *visits(1, without="notes")], visits(), visits(without="notes"))
    assert "notes" in known.sparse
    assert known.lost == frozenset()


def test_what_a_record_needs_is_missed_from_the_first_listing_on() -> None:
    assert seen(visits(without="start")).lost == {"start"}
    assert seen(visits(start="soon")).lost == {"start"}
    assert seen(visits(type="no such code")).lost == frozenset(), "a code that nobody knows is a failed change"


def test_where_no_record_can_be_read_whatever_each_one_lacks() -> None:
    mixed = [*visits(10, without="start"), *visits(10, without="seconds")]
    assert seen(visits(), mixed).lost == {"start", "seconds"}
    assert seen([*mixed, *visits(1)]).lost == frozenset()


def test_records_that_the_connector_itself_cannot_read() -> None:
    assert seen([None] * LEAST).lost == frozenset(), "it may list ids alone"
    assert seen(visits(), [None] * LEAST).lost == {WHOLE}
    assert seen(visits(), [*visits(1), *[None] * LEAST]).lost == frozenset()


def page(rows: list[dict[str, Any] | None]) -> Page:
    records = tuple(Found(id=str((row or {}).get("id", number)), native=row) for number, row in enumerate(rows))
    return Page(records=records, cursor="", last=True)


def test_small_pages_are_gathered_and_a_record_that_comes_again_counts_once(rig: Rig) -> None:
    watch = ShapeWatch(rig.ledger)
    end = rig.pair.booking
    watch.saw(end, Kind.APPOINTMENT, page(visits()))
    rows = visits(LEAST, without="notes")
    for _ in range(3):
        watch.saw(end, Kind.APPOINTMENT, page(rows[: LEAST - 1]))
    with pytest.raises(SchemaChanged) as caught:
        watch.saw(end, Kind.APPOINTMENT, page(rows[LEAST - 1 :]))
    assert caught.value.account == "booking"
    assert "notes" in caught.value.message
    assert "quick" not in caught.value.message
    with rig.ledger.read() as tx:
        assert shapes.losses(tx, "booking") == {"appointment": {"notes"}}
    watch.saw(end, Kind.APPOINTMENT, page(visits()))
    with rig.ledger.read() as tx:
        assert shapes.losses(tx, "booking") == {}


def test_a_listing_after_the_upgrade_is_not_taken_into_the_mirror(rig: Rig) -> None:
    owners = [rig.owner(f"Ann {number}", "Weiss", f"+4477009{number:05d}", "Bella") for number in range(LEAST)]
    rig.refresher.pass_()
    rig.pims.renamed = {"phones": "telephones"}
    for owner in owners:
        rig.pims.edit(Kind.CLIENT, owner, {"active": True})
    with pytest.raises(SchemaChanged, match=r"client .*phones"):
        rig.refresher.pass_()
    with rig.ledger.write() as tx:
        shapes.forget(tx, "pims")
    rig.refresher.pass_()


def test_a_poll_after_the_upgrade_moves_no_cursor(rig: Rig) -> None:
    for _ in range(LEAST):
        rig.book("Ann", "Weiss", "+447700900123", "Bella")
    rig.receiver.poll()
    opened = len(rig.changes())
    rig.booking.renamed = {"start": "begins"}
    for row in rig.booking.rows(Kind.APPOINTMENT):
        rig.booking.edit(Kind.APPOINTMENT, row["id"], {"seconds": 1200})
    with pytest.raises(SchemaChanged, match="start"):
        rig.receiver.poll()
    assert len(rig.changes()) == opened
    rig.booking.renamed = {}
    assert rig.receiver.poll() == LEAST, "nothing was skipped"
