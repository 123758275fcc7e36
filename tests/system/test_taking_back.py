"""`sync --undo` and `pair end` as a person types them, over both simulators; nobody's owner hears of either."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from tests.system.town import HOOK_SECRET, Town, call, town
from vetbridge.cli.config import load_config
from vetbridge.cli.main import app
from vetbridge.core import notes
from vetbridge.daemon.assembly import assembled
from vetbridge.web.door import build
from vetbridge.web.server import DoorServer


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        made.write_config(sites={"town": {"start": "live", "name": "Town Vets"}}, log={"level": "error"})
        yield made
    structlog.reset_defaults()


def type_(place: Town, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(place.config_path), *arguments])


def data(place: Town, *arguments: str, code: int = 0) -> Any:
    result = type_(place, *arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout.splitlines()[-1])["data"]


def newest_run(place: Town) -> str:
    return str(data(place, "sync", "--undo", "list")["runs"][0]["id"])


def test_a_run_is_taken_back_and_nobody_is_told(place: Town) -> None:
    known, by_phone = place.plain_owner(), place.plain_owner(1)
    place.book_owner(known, remind=24)
    staffs = place.desk.make_for(by_phone, place.slot(), vet=2)
    data(place, "sync")
    assert len(place.visits(active=True)) == 2
    assert sum(seen.stands for seen in place.booked()) == 2
    run, notices = newest_run(place), place.notices()

    plan = data(place, "sync", "--undo", run, "--plan", code=4)
    assert [one["operation"] for one in plan["undone"]] == ["create", "create"]
    assert {one["code"] for one in plan["left"]} == {"stays"}
    assert len(place.visits(active=True)) == 2

    shown = type_(place, "sync", "--undo", run)
    assert shown.exit_code == 4
    assert "Site town is in the shadow again" in " ".join(shown.stdout.split())
    assert [visit["id"] for visit in place.visits(active=True)] == [staffs]
    assert sum(seen.stands for seen in place.booked()) == 1
    assert place.notices() == notices

    assert data(place, "sync")["shadow"] == {"town": 0}, "a config that starts live does not lead out of the shadow"
    data(place, "sync", "--approve")
    assert [visit["id"] for visit in place.visits(active=True)] == [staffs]
    assert "in the shadow" not in type_(place, "status").stdout


def test_a_pair_ends_is_cleaned_and_begins_anew(place: Town) -> None:
    owner = place.plain_owner()
    place.book_owner(owner, comment="limps a little")
    place.book(fullname="Eva Novakova", phone=place.plain_owner(3).phones[0], pet="Xerxes")
    by_phone = place.desk.make_for(place.plain_owner(1), place.slot(), vet=2, notes="by phone")
    data(place, "sync")
    mine, unsure = sorted(
        (visit for visit in place.visits() if visit["id"] != by_phone),
        key=lambda visit: visit["contact_id"] != place.contact_id(owner),
    )
    place.desk.note(mine["id"], "Fasting since 8")
    notices = place.notices()

    plan = data(place, "pair", "end", "town", "--clean", "--plan", code=4)
    assert plan["ended_at"] is None
    assert plan["waiting"]["questions"] == 1
    assert notes.find(place.visit(mine["id"])["description"]) is not None

    shown = type_(place, "pair", "end", "town", "--clean", "--by", "Ann")
    assert shown.exit_code == 4
    assert "the block says who" in " ".join(shown.stdout.split())
    assert place.visit(mine["id"])["description"] == "Comment: limps a little\nFasting since 8"
    assert place.visit(by_phone)["description"] == "by phone"
    assert notes.find(place.visit(unsure["id"])["description"]) is not None
    assert place.notices() == notices
    assert data(place, "review", "list") == []
    status = type_(place, "status").stdout
    assert "ended on" in status
    assert "by Ann" in status

    with assembled(load_config(place.config_path), command="run") as program:
        app_ = build(program, wake=lambda: None, health=lambda: {"status": "ok"})
        door = DoorServer(app_, "127.0.0.1", 0)
        door.start()
        assert call("POST", f"http://{door.host}:{door.port}/hooks/altegio/{HOOK_SECRET}", {}) == {"taken": 0}
        door.stop()

    before = len(place.visits()), len(place.booked())
    place.book_owner(place.plain_owner(2))
    assert data(place, "sync")["changes"] == {}
    data(place, "sync", "--approve")  # all that are in the shadow, and none that has ended
    assert len(place.visits()) == before[0]
    data(place, "sync", "--approve", "--site", "town")
    assert len(place.visits()) == before[0] + 1
    assert len(place.booked()) == before[1] + 1
    assert place.visit(mine["id"])["description"] == "Comment: limps a little\nFasting since 8"
    assert len(data(place, "review", "list")) >= 1
