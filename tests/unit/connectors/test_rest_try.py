"""`vetbridge rest try`: on the rehearsal's API, over HTTP, by reads alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from typer.testing import Result

from connectors.animana import simulator
from tests.unit.connectors import one_site
from vetbridge.connector.trying import masked

SHIPPED = Path(simulator.__file__).with_name("rest.yaml")
CONFIG = one_site.config("rest", dog="Dog", booked="Planned")


@pytest.fixture
def site() -> Iterator[simulator.AnimanaSimulator]:
    with simulator.build(clients=12, seed=7) as running:
        yield running


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def run(
    folder: Path,
    site: simulator.AnimanaSimulator,
    *words: str,
    profile: dict[str, Any] | None = None,
    secret: str = "",
) -> Result:
    options: dict[str, Any] = {
        "base_url": site.base_url,
        "profile": "animana",
        "secrets": {name: {"env": f"TRY_{name.upper()}"} for name in site.credentials},
    }
    if profile is not None:
        options["profile"] = "own.yaml"
        (folder / "own.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    secrets = {name: secret or text for name, text in site.credentials.items()}
    return one_site.run(folder, CONFIG, options, secrets, "rest", "try", *words)


def test_it_shows_the_form_of_what_came_and_no_person(tmp_path: Path, site: simulator.AnimanaSimulator) -> None:
    done = run(tmp_path, site, "pims")
    assert done.exit_code == 0
    client = site.practice.clients()[0]
    assert not {client.family_name, client.phones[0], client.email} & set(done.output.split())
    assert masked(client.phones[0]) in done.output
    assert "12 records of 12" in done.output
    assert "the filter filters" in done.output
    assert "telephones[].kind" in done.output.partition("Not in the profile:")[2]
    assert not any(text in done.output for text in site.credentials.values())
    assert client.family_name in run(tmp_path, site, "pims", "client", "--values").output


def test_it_only_reads(tmp_path: Path, site: simulator.AnimanaSimulator) -> None:
    run(tmp_path, site, "pims", "--json")
    counts = site.counts()
    assert (counts["writes"], counts["write_requests"]) == (0, 0)
    assert {name.partition(" ")[0] for name in counts["requests"]} == {"GET", "POST"}
    assert [name for name in counts["requests"] if name.startswith("POST")] == ["POST /token"]


def test_a_profile_that_does_not_fit_is_shown_where(tmp_path: Path, site: simulator.AnimanaSimulator) -> None:
    profile = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    profile["kinds"]["client"]["list"]["items"] = "clients"
    profile["kinds"]["pet"]["fields"]["birth_date"] = "birthday"
    profile["kinds"]["pet"]["fields"]["deceased"] = "gender"
    profile["kinds"]["appointment"]["get"] = {"path": "/visits/{id}", "item": "data"}
    site.practice.book(start=site.practice.today(), client_id="1001")
    done = run(tmp_path, site, "pims", "--json", profile=profile)
    assert done.exit_code == 4
    client, pet, visit = json.loads(done.output)["data"]["kinds"]
    assert "there is no list at clients" in client["steps"][0]["text"]
    assert "data[].name.first" in [each["path"] for each in client["unnamed"]]
    fields = {each["name"]: each for each in pet["fields"]}
    assert fields["birth_date"]["lacking"] == pet["records"]
    assert "born" in [each["path"] for each in pet["unnamed"]]
    assert [step["ok"] for step in visit["steps"]] == [True, False, True]


def test_wrong_credentials_and_accounts_are_named(tmp_path: Path, site: simulator.AnimanaSimulator) -> None:
    told = run(tmp_path, site, "pims", "client", secret="wrong")
    assert told.exit_code == 4
    assert "the credentials are not taken" in " ".join(told.output.split())
    assert run(tmp_path, site, "pimz").exit_code == 2
    assert run(tmp_path, site, "booking").exit_code == 2
    assert run(tmp_path, site, "pims", "reminder").exit_code == 4


def test_a_form_says_nothing_of_the_value() -> None:
    assert masked("Zoë O'Neill +44 7911") == "Aaa A'Aaaaa +99 9999"
    assert masked("x" * 400) == f"{'a' * 60}... (400 characters)"
    assert masked("\x1b[2J") == "?[9A"
