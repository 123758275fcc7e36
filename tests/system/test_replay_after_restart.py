"""Bookings that a missing code has failed are replayed by a daemon that is restarted, and killed at work."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from typer.testing import CliRunner

from tests.system.test_daemon import daemon
from tests.system.town import POLLS_ONLY, Seen, Town, soon, town, until
from vetbridge.cli.main import app
from vetbridge.demo.stage import config_text
from vetbridge.testing.clinic import SERVICES

DENTAL = SERVICES[2]
SOON = timedelta(seconds=8)
"""Enough for a booking to come in and fail."""


def replay(place: Town, *options: str) -> Any:
    """The data of `replay --code mapping`, whose exit code says whether any was refused."""
    arguments = ["--config", str(place.config_path), "replay", "--code", "mapping", *options, "--json"]
    result = CliRunner().invoke(app, arguments)
    data = json.loads(result.stdout)["data"]
    assert result.exit_code == (4 if data["refused"] else 0), result.output
    return data


def failed(place: Town) -> int:
    return len(place.ledger("SELECT 1 FROM change WHERE state = 'failed' AND code = 'mapping'"))


@pytest.fixture(autouse=True)
def plain_log() -> Any:
    yield
    structlog.reset_defaults()


def test_five_come_over_once_each_and_one_whose_visit_has_passed_is_refused(tmp_path: Path) -> None:
    with town(tmp_path) as place:
        place.write_config(**POLLS_ONLY)
        config = yaml.safe_load(place.config_path.read_text())
        del config["sites"]["town"]["pims"]["codes"]["appointment_type"][DENTAL.code]
        place.config_path.write_text(config_text(config))
        with daemon(place) as old:
            old.ready()
            until(lambda: place.ledger("SELECT 1 FROM account WHERE mirror_complete_at IS NOT NULL"), "the mirror")
            wanted = []
            for number in range(5):
                start = place.slot()
                place.book_owner(place.plain_owner(number), service=DENTAL.number, start=start)
                wanted.append((Seen(int(start.timestamp()), 1, DENTAL.number, True), place.plain_owner(number)))
            begins = datetime.now(UTC).replace(microsecond=0) + SOON
            late, _ = place.book_owner(place.plain_owner(5), service=DENTAL.number, vet=2, start=begins)
            until(lambda: failed(place) == 6, "six bookings to fail")
            other = place.plain_owner(6)
            place.book_owner(other, vet=3)
            until(lambda: len(place.visits()) == 1, "another service, which is not held up")
            assert place.visits()[0]["contact_id"] == place.contact_id(other)

            place.write_config(**POLLS_ONLY)
            until(lambda: datetime.now(UTC) > begins, "the visit to begin")
            until(place.quiet, "the daemon to be quiet")
            before = place.ledger("SELECT id, state, code, tries, replay_of FROM change ORDER BY id")
            sent = place.pims.counts()["writes"], place.booking.counts()["writes"]

            planned = replay(place, "--plan")

            assert (planned["total"], planned["planned"], planned["refused"]) == (6, 5, 1)
            (refused,) = [each for each in planned["replays"] if each["result"] == "refused"]
            assert (refused["remote_id"], refused["reason"]) == (str(late), "visit-has-begun")
            assert "visit" in refused["words"]
            assert place.ledger("SELECT id, state, code, tries, replay_of FROM change ORDER BY id") == before
            assert (place.pims.counts()["writes"], place.booking.counts()["writes"]) == sent

            done = replay(place)

            assert (done["replayed"], done["refused"]) == (5, 1)
            assert replay(place)["replayed"] == 0
            assert old.stop() == 0

        with daemon(place) as killed:
            until(lambda: len(place.visits()) >= 3, "some of them to come over")
            killed.kill()
        with daemon(place) as new:
            new.ready()
            soon(
                lambda: sorted((seen.start, seen.service) for seen in place.standing() if seen.service == 3),
                sorted((seen.start, 3) for seen, _ in wanted),
            )
            until(place.quiet, "the daemon to be quiet")
            again = replay(place)
            assert (again["total"], again["replayed"], again["refused"]) == (1, 0, 1)
            assert new.stop() == 0

        owner_at = {visit["start_at"]: visit["contact_id"] for visit in place.visits()}
        assert len(place.visits()) == 6
        assert {seen.start: place.contact_id(owner) for seen, owner in wanted}.items() <= owner_at.items()
        assert failed(place) == 1, "what could not be written stays in sight"
        assert place.notices() == 0
