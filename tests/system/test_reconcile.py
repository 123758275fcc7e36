"""`vetbridge reconcile` and `plan` over two full sides: everything that differs is told, and nothing is changed."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from tests.system.town import Town
from tests.unit.cli.test_sheets import Seen
from vetbridge.cli.main import app
from vetbridge.daemon import rehearsal
from vetbridge.ledger.database import exists
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import Simulator
from vetbridge.testing.twins import make_twins
from vetbridge.testing.twins.truth import contact_id, truth_of

TODAY = datetime.now(UTC).date()
EVIL = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command sets the log up for its process; here the next test has its own."""
    yield
    structlog.reset_defaults()


def run(town: Town, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(town.config_path), *arguments])


def stores(*sides: Simulator) -> list[list[object]]:
    return [[side.store.all(kind) for kind in ("client", "appointment", "record", "contact")] for side in sides]


def test_both_sides_are_compared_and_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    twins = make_twins(3, today=TODAY, clients=25, visits=8)
    with altegio.build(twins=twins, seed=3) as booking, ezyvet.build(twins=twins, seed=3) as pims:
        town = Town(tmp_path, booking, pims, twins.clinic)
        town.write_config(sites={"town": {"start": "shadow"}})
        card = next(card for card in twins.cards if card.owners and not card.partners)
        town.desk.edit("contact", int(contact_id(min(card.owners))), last_name=f"={EVIL}")
        before = stores(booking, pims)
        table, paper = tmp_path / "differences.csv", tmp_path / "differences.html"

        result = run(town, "reconcile", "--all", "--csv", str(table), "--html", str(paper), "--json")

        assert result.exit_code == 4, result.output
        data = json.loads(result.stdout)["data"]
        truth = truth_of(twins)
        told = {line["booking_id"] for line in data["differences"] if line["kind"] == "appointment"}
        alone = {one for one, visits in truth.visits.items() if not visits and one not in truth.past}
        assert alone <= told
        assert "\n" not in result.stdout.rstrip("\n"), "one line of JSON"
        rows = list(csv.reader(table.read_text(encoding="utf-8-sig").splitlines()))
        assert len(rows) > len(data["differences"])
        assert any(EVIL in cell for row in rows for cell in row), "hostile text stands there as text"
        assert not any(cell.startswith(("=", "@")) for row in rows for cell in row)
        seen = Seen(paper.read_text(encoding="utf-8"))
        assert any(EVIL in cell for cell in seen.cells)
        assert "script" not in seen.tags
        assert len(seen.cells) == 6 * len(data["differences"])
        assert [stat.S_IMODE(path.stat().st_mode) for path in (table, paper)] == [0o600, 0o600]

        planned = tmp_path / "plan.csv"
        result = run(town, "plan", "--csv", str(planned), "--html", str(paper))
        assert result.exit_code == 0, result.output
        assert "Nothing was written." in result.stdout
        written = planned.read_text(encoding="utf-8-sig")
        assert written.startswith("Site,Kind,Id")
        assert not any(card.family_name and card.family_name in written for card in twins.cards), (
            "no values in a plan"
        )
        assert "What would be written and asked" in paper.read_text(encoding="utf-8")

        assert stores(booking, pims) == before
        assert (booking.counts()["write_requests"], pims.counts()["write_requests"]) == (0, 0)
        assert not exists(town.ledger_place), "there was no ledger, and there is none now"


def test_what_cannot_be_asked_for_ends_with_2(tmp_path: Path) -> None:
    twins = make_twins(3, today=TODAY, clients=20, visits=4)
    with altegio.build(twins=twins) as booking, ezyvet.build(twins=twins) as pims:
        town = Town(tmp_path, booking, pims, twins.clinic)
        town.write_config()
        unknown = run(town, "reconcile", "--site", "twon")
        assert (unknown.exit_code, "did you mean 'town'" in unknown.stderr) == (2, True)
        nowhere = run(town, "reconcile", "--csv", str(tmp_path / "missing" / "file.csv"), "--json")
        assert nowhere.exit_code == 2
        assert json.loads(nowhere.stdout)["problems"][0]["code"] == "file-not-writable"


def test_a_side_that_does_not_answer_ends_with_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "SystemClock", lambda: FakeClock(datetime.now(UTC)))  # tries again without a wait
    twins = make_twins(3, today=TODAY, clients=20, visits=4)
    with altegio.build(twins=twins) as booking, ezyvet.build(twins=twins) as pims:
        town = Town(tmp_path, booking, pims, twins.clinic)
        town.write_config()
        pims.stop()
        result = run(town, "reconcile", "--json")
    assert result.exit_code == 5, result.output
    told = json.loads(result.stdout)
    assert "site town is not compared: a side of it does not answer" in told["problems"]
    assert told["data"]["agrees"] is False
