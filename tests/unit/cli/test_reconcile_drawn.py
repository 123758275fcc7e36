"""What `vetbridge reconcile` draws for a person: counts first, then each difference, and nothing that steers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vetbridge.cli.reconcile import _data, _draw, _rows, _sections
from vetbridge.desk.reconciling import Group, Line, Reconciliation
from vetbridge.desk.review import Difference

WHEN = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
MOVED = Line(
    group=Group.TO_PIMS,
    site="city",
    kind="appointment",
    visit_at=WHEN,
    who="Zoe \x1b[31mYoung\u202e, Kit",
    booking_id="30001",
    pims_id="77",
    side="pims",
    operation="move",
    fields=(Difference(field="resource", booking="vet_1", pims="vet_2"),),
    why="updated",
    words="changed at the booking side",
)
MADE = Line(
    group=Group.TO_BOOKING,
    site="city",
    kind="client",
    booking_id=None,
    pims_id="1002",
    side="booking",
    operation="create",
    fields=(
        Difference(field="family_name", booking=None, pims="Young"),
        Difference(field="emails", booking=None, pims=()),
    ),
    why="carried",
    words="it stands in the PIMS alone",
)
TWICE = Line(
    group=Group.REGISTERED_TWICE,
    site="city",
    kind="client",
    who="=Ann",
    pims_id="1",
    others=("2", "3"),
    why="registered-twice",
    words="seems to be one person with 2 and 3",
)
FUSE = Line(group=Group.QUESTION, site="city", kind="", why="fuse-blown", words="so many changes")
FOUND = Reconciliation(
    lines=(MOVED, MADE, FUSE, TWICE), notes=("A note.",), problems=("A problem.",), clients_only_in_pims=4
)


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def test_the_counts_come_first_then_each_difference(capsys: pytest.CaptureFixture[str]) -> None:
    _draw(FOUND)
    seen = capsys.readouterr()
    lines = seen.out.splitlines()
    assert lines[:6] == [
        "Would be written to the PIMS: 1 visit moved",
        "Would be written to the booking side: 1 client made",
        "A person is asked: 1 site",
        "Seems to be registered twice in the PIMS (nobody but staff merges records): 1 client",
        "Clients on one side alone (they are carried over with a visit): 0 at the booking side, 4 in the PIMS",
        "A note.",
    ]
    assert lines[7:12] == [
        "Would be written to the PIMS:",
        "  Tue 24 Nov 10:00  Zoe Young, Kit  visit moved in the PIMS",
        "      vet or room: vet_1 (booking side), vet_2 (PIMS)",
        "      why: changed at the booking side (updated)",
        "      id 30001 at the booking side; 77 in the PIMS",
    ]
    assert "      family name Young" in lines, "of a record that would be made what it would be"
    assert "      id 1 in the PIMS; also 2, 3" in lines
    assert "  site city" in lines
    assert lines[-1] == "Nothing was written."
    assert "\x1b" not in seen.out
    assert seen.err == "A problem.\n"


def test_sides_that_agree_are_said_to(capsys: pytest.CaptureFixture[str]) -> None:
    _draw(Reconciliation(lines=(), clients_only_at_booking=2))
    assert capsys.readouterr().out.splitlines()[-1] == "Both sides agree. Nothing was written."


def test_the_data_has_both_values_of_each_field() -> None:
    data = _data(FOUND)
    assert data["agrees"] is False
    assert data["counts"]["question"] == {"site": 1}
    moved = data["differences"][0]
    assert moved["fields"] == {"resource": {"booking": "vet_1", "pims": "vet_2"}}
    assert (moved["group"], moved["operation"], moved["visit_at"]) == ("to-pims", "move", WHEN)


def test_a_table_has_a_row_for_each_field_and_one_where_there_is_none() -> None:
    rows = list(_rows(FOUND))
    assert [row[0] for row in rows] == ["to-pims", "to-booking", "to-booking", "question", "registered-twice"]
    assert rows[0][3:] == (
        "2026-11-24 10:00",
        MOVED.who,
        "30001",
        "77",
        "",
        "pims",
        "move",
        "vet or room",
        "vet_1",
        "vet_2",
        "updated",
        "changed at the booking side",
    )
    assert rows[2][10:13] == ("e-mail address", "", "")
    assert rows[4][7] == "2 3"


def test_a_page_has_a_section_for_each_group() -> None:
    sections = list(_sections(FOUND))
    assert [(section.heading, len(section.rows)) for section in sections] == [
        ("Would be written to the PIMS: 1", 1),
        ("Would be written to the booking side: 1", 1),
        ("A person is asked: 1", 1),
        ("Seems to be registered twice in the PIMS (nobody but staff merges records): 1", 1),
    ]
    assert all(len(row) == len(section.titles) for section in sections for row in section.rows)
