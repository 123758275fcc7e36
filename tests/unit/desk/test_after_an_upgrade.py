"""A vendor's upgrade against both simulators: the site pauses itself, `doctor` says why, `resume` ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.request import Request, urlopen

import pytest
import structlog

from tests.unit.desk.practice import Desk
from tests.unit.desk.test_doctor import booking, checks, pims, town
from vetbridge.sync.upgrades import LEAST
from vetbridge.testing.simkit import Simulator

__all__ = ["booking", "checks", "pims", "town"]


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """`sync` sends the log to its standard error, which is gone when the command has ended."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def live(town: Desk, pims: Simulator) -> Desk:
    """The site writes, and has looked at both sides once."""
    config = town.config()
    config["sites"]["city"]["start"] = "live"
    town.save(config)
    result = town.run("sync")
    assert result.exit_code == 0, result.stderr
    return town


def book(simulator: Simulator) -> None:
    """Somebody books online."""
    start = (simulator.clock.now() + timedelta(days=3)).replace(hour=10, minute=0, second=0, microsecond=0)
    body = {
        "phone": "+447700900345",
        "fullname": "Ann Weiss",
        "email": "ann@example.org",
        "appointments": [
            {
                "id": 1,
                "services": [702],
                "staff_id": 502,
                "datetime": start.isoformat(),
                "custom_fields": {"pet_name": "Bella", "pet_species": "dog"},
            }
        ],
    }
    headers = {
        "Authorization": f"Bearer {simulator.credentials['partner_token']}",
        "Content-Type": "application/json",
    }
    address = f"{simulator.base_url}/book_record/{simulator.credentials['location_id']}"
    with urlopen(Request(address, json.dumps(body).encode(), headers), timeout=30) as answer:
        assert json.load(answer)["success"]


def stopped(desk: Desk) -> str:
    """A pass that ends with the site paused; returns what it told."""
    result = desk.run("sync", "--json")
    assert result.exit_code == 4, result.output
    (problem,) = json.loads(result.stdout)["problems"]
    return str(problem)


def pause_of(desk: Desk) -> dict[str, Any] | None:
    (site,) = desk.data("status")["sites"]
    found: dict[str, Any] | None = site["pause"]
    return found


def test_a_team_member_who_is_deleted_stops_the_site_until_a_person_accepts_it(
    live: Desk, booking: Simulator, pims: Simulator
) -> None:
    booking.store.delete("staff", 501)
    book(booking)
    assert "site city is paused" in stopped(live)
    assert pims.counts()["writes"] == 0
    held = pause_of(live)
    assert held is not None
    assert (held["by"], held["why"], held["until"]) == ("vetbridge", "code-list-changed", None)
    shown = " ".join(live.run("status").stdout.split())
    assert "a code that the config names is gone at the vendor" in shown
    assert "`vetbridge doctor` says what to do" in shown

    found = checks(live, 3)
    line = found["city", "resource of altegio-city"]
    assert line["mark"] == "WRONG"
    assert "the config says 501 for vet_1" in line["text"]
    assert "Dr. Helen Marsh" in line["text"], "by whom it was held"
    assert "vetbridge resume city --accept" in found["city", "pause"]["advice"]

    told = " ".join(live.run("resume", "city").stdout.split())
    assert "When it still finds it so, it pauses it again" in told
    assert "vetbridge resume city --accept" in told
    assert "site city is paused" in stopped(live), "it is still so"
    assert pims.counts()["writes"] == 0

    assert live.data("resume", "city", "--accept", "--plan")["accepted"] is False
    assert pause_of(live) is not None
    assert live.data("resume", "city", "--accept")["accepted"] is True
    result = live.run("sync")
    assert result.exit_code == 0, result.stderr
    assert pims.counts()["writes"] > 0
    assert pause_of(live) is None


def test_a_service_that_became_another_one_is_told_with_both_titles_and_a_new_one_is_a_hint(
    live: Desk, booking: Simulator
) -> None:
    row = booking.store.get("service", 702)
    assert row is not None
    with booking.store.transaction():
        booking.store.put("service", 702, {**row, "title": "Grooming \x1b[31mdeluxe"})
        booking.store.insert("service", {"title": "Laser", "seconds": 600}, id=790)
    stopped(live)
    result = live.run("doctor")
    assert result.exit_code == 3
    shown = " ".join(result.stdout.split())
    assert "702, in the config vaccination, was called 'Vaccination' and is called 'Grooming" in shown
    assert (
        "OK city appointment_type of altegio-city: no word in the config stands for 1 of the vendor's codes" in shown
    )
    assert "790 (Laser)" in shown
    assert "\x1b" not in result.stdout


def test_a_field_that_all_records_bear_under_another_name_stops_the_site(live: Desk, pims: Simulator) -> None:
    pims.renamed = {"first_name": "given_name"}
    now = int(pims.clock.now().timestamp())
    blank = pims.store.get("contact", 1001)
    assert blank is not None
    with pims.store.transaction():
        for number in range(LEAST):
            pims.store.insert(
                "contact", {**blank, "first_name": f"Ann {number}", "modified_at": now}, id=7000 + number
            )
    stopped(live)
    line = checks(live, 3)["city", "pause"]
    assert "ezyvet-city: client (first_name)" in line["text"]
    assert "newer VetBridge" in line["advice"]
    pims.renamed = {}
    live.run("resume", "city", "--accept")
    result = live.run("sync")
    assert result.exit_code == 0, result.stderr
    assert pause_of(live) is None


def test_doctor_names_codes_that_the_vendor_never_had_and_a_persons_pause(town: Desk) -> None:
    config = town.config()
    config["sites"]["city"]["pims"]["codes"]["resource"]["vet_1"] = ["99", "98"]
    town.save(config)
    town.open().close()
    town.run("pause", "city", "--by", "Ann")
    result = town.run("doctor")
    assert result.exit_code == 3
    shown = " ".join(result.stdout.split())
    assert (
        "WRONG city resource of ezyvet-city: the config says 99 for vet_1, and ezyvet-city has no such code" in shown
    )
    assert "WARN city resource of ezyvet-city: the config says 98 for vet_1" in shown
    assert "WARN city pause: paused by Ann just now `vetbridge resume city` ends it." in shown
    assert max(map(len, result.stdout.splitlines())) <= 80
