"""`vetbridge demo`: what goes to which stream, and how it ends."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from vetbridge.cli.demo import demo
from vetbridge.demo import run
from vetbridge.demo.audit import Audit
from vetbridge.demo.chain_audit import Chain, Whole
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.findings import Finding, Place, Wrong
from vetbridge.demo.live import LiveView, Picture, PlainView, together
from vetbridge.demo.run import Played
from vetbridge.demo.script import plan_morning
from vetbridge.demo.story import Actor, Branch, Deed, DueCase, Seen, Status, Step
from vetbridge.testing.clinic import make_clinic

app = typer.Typer()
app.command()(demo)

MORNING = plan_morning(make_clinic(2, 2000), 2, 20, today=date(2026, 3, 2))
OPTED_OUT = next(each.number for each in MORNING.due if each.case is DueCase.OPTS_OUT)
SEEN = Seen(parked={1: 41}, asked=frozenset({2}), replayed=frozenset({3, 4}), held=5, noted=frozenset({OPTED_OUT}))
CLEAN = Audit(
    MORNING,
    (Place.LINKED,) * 20,
    frozenset(),
    (),
    SEEN,
    in_place=frozenset({1}),
    carried=frozenset({1, 2}),
    shown=frozenset({1, 4, 5}),
)
WRONG = replace(
    CLEAN,
    findings=(
        Finding(Wrong.OWNER, 3, "appointment 9: it is another owner's"),
        Finding(Wrong.LOST, 0, "the booking platform does not hold it", visit=7),
    ),
)


def _whole(end: Audit | Whole) -> Whole:
    """The audit of one clinic alone, or what is a whole already."""
    return end if isinstance(end, Whole) else Whole(((Branch(site="demo", title="Demo Vets", morning=MORNING), end),))


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the next play ends with: an audit, or an exception."""
    ends: list[Any] = []

    def play(folder: Path, **_: object) -> Played:
        end = ends.pop()
        if isinstance(end, Exception):
            raise end
        return Played(_whole(end), 12.34, True, folder / "config.yaml")

    monkeypatch.setattr(run, "play", play)
    return ends


def test_json_is_one_line_and_nothing_else(ends: list[Any]) -> None:
    ends.append(CLEAN)
    result = CliRunner().invoke(app, ["--json", "--bookings", "20"])
    assert result.exit_code == 0
    numbers = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert (numbers["bookings"], numbers["linked"], numbers["seconds"]) == (20, 20, 12.3)
    seen = [numbers[name] for name in ("conflicts", "resolved_in_place", "replayed", "fuse_held")]
    assert seen == [1, 1, 2, 5]
    assert [numbers[name] for name in ("attachments", "reminders", "opt_outs")] == [2, 3, 1]


def test_a_clean_audit_is_told_in_words(ends: list[Any]) -> None:
    ends.append(CLEAN)
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0
    assert "The audit found nothing wrong:" in result.stdout
    assert "limits off" in result.stdout
    assert "Conflicts answered, and both sides agree: 1." in result.stdout
    assert "the very same visit linked: 1." in result.stdout
    assert "Failures replayed, each over once: 2." in result.stdout
    assert "held back until they were allowed: 5." in result.stdout
    assert "Files carried to the other side, once and whole: 2." in result.stdout
    assert "Services due that stand on the owner's card: 3." in result.stdout
    assert "Owners who want no messages, which the desk was told: 1." in result.stdout
    assert "couple, one card" in result.stdout
    assert "NOT ALL HAPPENED" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_finding_ends_with_4_and_is_named(ends: list[Any]) -> None:
    ends.append(WRONG)
    result = CliRunner().invoke(app, ["--json"])
    assert result.exit_code == 4
    assert json.loads(result.stdout)["wrong_owner"] == 1
    assert "wrong_owner: booking 3: appointment 9: it is another owner's" in result.stderr
    assert "lost: desk visit 7: the booking platform does not hold it" in result.stderr


@pytest.mark.parametrize(
    "missing", [{"asked": frozenset()}, {"replayed": frozenset()}, {"held": 0}, {"noted": frozenset()}]
)
def test_a_clean_morning_in_which_not_all_happened_ends_with_4(ends: list[Any], missing: dict[str, Any]) -> None:
    ends.append(replace(CLEAN, seen=replace(SEEN, **missing)))
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 4
    assert "The audit found nothing wrong:" in result.stdout
    assert "NOT ALL HAPPENED THAT THE MORNING IS TO SHOW" in result.stdout


def _chain(*, connected: int = 2) -> Whole:
    branches = tuple(
        (Branch(site=site, title=f"Demo Vets {site.capitalize()}", morning=MORNING, of_chain=True), CLEAN)
        for site in ("north", "south")
    )
    return Whole(branches, Chain(connected=connected, went_on=4))


def test_a_chain_is_told_as_a_whole_and_by_branch(ends: list[Any]) -> None:
    ends.append(_chain())
    result = CliRunner().invoke(app, ["--branches", "2"])
    assert result.exit_code == 0
    assert "Branches connected at the end: 2 of 2." in result.stdout
    assert "while one branch's PIMS was silent: 4." in result.stdout
    assert "wrong branch 0" in result.stdout
    assert "Conflicts answered, and both sides agree: 2." in result.stdout
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("Demo Vets")]
    assert [row[2:5] for row in rows] == [["North", "20", "20"], ["South", "20", "20"]]
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_chain_of_which_a_branch_is_not_connected_ends_with_4(ends: list[Any]) -> None:
    ends.append(_chain(connected=1))
    result = CliRunner().invoke(app, ["--branches", "2", "--json"])
    assert result.exit_code == 4
    numbers = json.loads(result.stdout)
    assert (numbers["branches"], numbers["connected"], len(numbers["per_branch"])) == (2, 1, 2)


@pytest.mark.parametrize("count", ["0", "6"])
def test_a_chain_has_one_to_five_branches(count: str) -> None:
    result = CliRunner().invoke(app, ["--branches", count])
    assert result.exit_code == 2
    assert "or equal to" in result.stderr


def test_a_kept_chain_names_every_simulator(ends: list[Any], tmp_path: Path) -> None:
    ends.append(_chain())
    folder = tmp_path / "kept"
    result = CliRunner().invoke(app, ["--branches", "2", "--keep", str(folder)])
    for name in ("altegio", "ezyvet-north", "ezyvet-south"):
        assert f"--data {folder / name}\n" in result.stdout


def test_a_demo_that_cannot_be_played_ends_with_1(ends: list[Any]) -> None:
    ends.append(DemoFailed("vetbridge run ended by itself (exit code 6)."))
    result = CliRunner().invoke(app, ["--json"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "ended by itself" in result.stderr


def test_a_clinic_that_is_too_small_is_wrong_use(ends: list[Any]) -> None:
    ends.append(ValueError("a clinic of 500 clients is too small"))
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "too small" in result.stderr


def test_a_kept_demo_says_what_to_try(ends: list[Any], tmp_path: Path) -> None:
    ends.append(CLEAN)
    folder = tmp_path / "a b"
    result = CliRunner().invoke(app, ["--keep", str(folder)])
    assert f"vetbridge --config '{folder / 'config.yaml'}' review list" in result.stdout
    assert f"vetbridge simulate altegio --data '{folder / 'altegio'}'" in result.stdout


def test_a_folder_that_holds_something_is_not_used(ends: list[Any], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(app, ["--keep", str(tmp_path)])
    assert result.exit_code == 2
    assert "not empty" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_plain_lines_tell_the_numbers_and_the_outage() -> None:
    stream = io.StringIO()
    with PlainView(stream) as view:
        view.show(Picture(elapsed=20, seconds=40, made=7, total=20, desk=3, in_pims=5, waiting=2, in_review=1))
        view.happens("10:01", "the receptionist says whose booking 4 is")
        view.show(Picture(elapsed=21, seconds=40, made=8, total=20, outage=19.0))
        view.show(Picture(elapsed=39, seconds=40, made=20, total=20))
    assert stream.getvalue().splitlines() == [
        "10:00  7 of 20 bookings made, 3 by telephone, 5 in the PIMS, 1 for a person, 2 waiting",
        "10:01  the receptionist says whose booking 4 is",
        "10:06  the PIMS does not answer any more",
        "11:54  the PIMS answers again",
    ]


CHAIN = together(
    {
        "north": Picture(elapsed=21, seconds=40, made=8, total=20, desk=2, in_pims=7, waiting=1, in_review=2),
        "centre": Picture(elapsed=21, seconds=40, made=9, total=20, desk=3, in_pims=5, waiting=4, outage=19.0),
    }
)


def test_the_numbers_of_a_chain_are_sums_and_the_outage_names_the_branch() -> None:
    stream = io.StringIO()
    with PlainView(stream) as view:
        view.show(CHAIN)
        view.event("10:06", Step(1.0, Deed.MOVE, 17, Actor.DESK), "north")
        view.show(replace(CHAIN, outage=0.0))
    assert stream.getvalue().splitlines() == [
        "10:06  the PIMS of centre does not answer any more",
        "10:06  17 of 40 bookings made, 5 by telephone, 12 in the PIMS, 2 for a person, 5 waiting",
        "10:06  the PIMS of centre answers again",
    ]


def test_the_live_picture_of_a_chain_has_a_line_for_each_branch() -> None:
    stream = io.StringIO()
    view = LiveView(Console(file=stream, width=80, force_terminal=True, no_color=True))
    view.event("09:30", Step(1.0, Deed.MOVE, 17, Actor.DESK), "north")
    accounts = {"altegio-north": "answers", "ezyvet-centre": "failing"}
    with view:
        view.show(replace(CHAIN, accounts=accounts))
    drawn = stream.getvalue()
    assert "altegio-north" not in drawn
    assert "ezyvet-centre  failing" in drawn
    for words in (
        "at the chain",
        "8 of 20 made",
        "9 of 20 made",
        "silent",
        "The PIMS of centre does not answer",
        "17 of 40",
    ):
        assert words in drawn
    assert "north: the front desk moves (booking 17)" in drawn


def test_the_live_picture_shows_what_happens() -> None:
    stream = io.StringIO()
    view = LiveView(Console(file=stream, width=80, force_terminal=True))
    view.event("09:30", Step(1.0, Deed.MOVE, 17, Actor.DESK))
    view.event("09:31", Step(1.0, Deed.BOOK, 0, Actor.PRACTICE, visit=4))
    view.event("09:32", Step(1.0, Deed.STATUS, 0, Actor.PRACTICE, visit=4, status=Status.NO_SHOW))
    view.happens("09:33", "the fuse holds 5 cancellations back")
    with view:
        view.show(Picture(elapsed=15, seconds=40, made=9, total=20, failed=2, outage=11.0, accounts={"a": "paused"}))
    drawn = stream.getvalue()
    for words in (
        "9 of 20",
        "failed",
        "does not answer (back in 11 s)",
        "paused",
        "the front desk moves (booking 17)",
        "the front desk makes a visit in the PIMS (desk visit 4)",
        "the front desk, in the PIMS, marks as no show (desk visit 4)",
        "the fuse holds 5 cancellations back",
    ):
        assert words in drawn
