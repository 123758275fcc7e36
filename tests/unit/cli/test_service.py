"""`vetbridge service`: what it shows, what it asks for, and that a plan changes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vetbridge.cli import service as command
from vetbridge.cli.main import app
from vetbridge.config.writing import config_text
from vetbridge.daemon.installing import plan as plans
from vetbridge.daemon.installing.plan import Done

PLATFORMS = ("systemd", "launchd", "windows")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config in a folder of its own, which needs one variable."""
    account = {"connector": "altegio", "options": {"location_id": "1", "partner_token": {"env": "VB_TOKEN"}}}
    account["options"]["user_token"] = {"file": "user.token"}  # type: ignore[index]
    options = {"client_id": "c", "client_secret": {"file": "pims.secret"}, "site_uid": "s"}
    data = {
        "version": 1,
        "ledger": {"path": "/srv/vet bridge/vetbridge.db", "key": {"file": "ledger.key"}},
        "log": {"file": "/var/log/vetbridge/v.log"},
        "backup": {"folder": "/mnt/backups/vetbridge"},
        "accounts": {"booking": account, "pims": {"connector": "ezyvet", "options": options}},
        "sites": {
            "city": {
                **{"name": "City", "zone": "Europe/London", "country": "GB"},
                **{"booking": {"account": "booking"}, "pims": {"account": "pims"}},
            }
        },
    }
    path = tmp_path / "etc" / "vetbridge.yaml"
    path.parent.mkdir()
    path.write_text(config_text(data))
    return path


@pytest.fixture(autouse=True)
def _nothing_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own folder stands in /tmp, and this Python perhaps below /root."""
    monkeypatch.setattr("vetbridge.daemon.installing.systemd.HIDDEN", ())


def run(config: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["--config", str(config), "service", *words])


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("what", ["install", "remove"])
def test_a_plan_shows_every_step_and_takes_none(
    config: Path, monkeypatch: pytest.MonkeyPatch, platform: str, what: str
) -> None:
    taken: list[object] = []
    monkeypatch.setattr(plans, "carry_out", lambda plan, run: taken.append(plan))
    done = run(config, what, "--plan", "--for", platform)
    assert done.exit_code == 0, done.output
    assert "Nothing was changed." in done.stderr
    assert taken == []
    as_json = json.loads(run(config, what, "--plan", "--for", platform, "--json").stdout)
    assert (as_json["command"], as_json["data"]["done"]) == (f"service {what}", False)
    assert {step["does"] for step in as_json["data"]["steps"]} & {"newfile", "gone"}


def test_the_service_gets_what_the_config_names(config: Path) -> None:
    done = run(config, "install", "--plan", "--for", "systemd")
    assert 'ReadWritePaths="/srv/vet bridge" /var/log/vetbridge /mnt/backups/vetbridge' in done.stdout
    assert f"EnvironmentFile=-{config.parent}/vetbridge.env" in done.stdout
    assert "VB_TOKEN" in done.stderr
    assert f"chgrp vetbridge {config} {config.parent}/ledger.key" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="another question on Windows")
def test_without_the_rights_it_says_what_to_type(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.os, "geteuid", lambda: 1000)
    done = run(config, "install")
    assert done.exit_code == 2
    assert f"sudo {Path(command.sys.argv[0]).name} --config {config} service install" in done.stderr


def test_steps_are_taken_and_a_failure_is_told(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[str] = []

    def system(words: Sequence[str]) -> Done:
        ran.append(" ".join(words))
        failed = words[:2] == ("systemctl", "restart")
        return Done(code=1, output="\x1b[31mJob failed") if failed else Done(code=0)

    monkeypatch.setattr(command.sys, "platform", "linux")
    monkeypatch.setattr(command, "_may", lambda: True)
    monkeypatch.setattr(plans, "run_here", system)
    monkeypatch.setattr("vetbridge.daemon.installing.systemd.UNIT", tmp_path / "unit")
    monkeypatch.setattr("vetbridge.daemon.installing.systemd.ACCOUNT_FILE", tmp_path / "account")
    monkeypatch.setattr(plans, "_make", lambda folder: None)
    done = run(config, "install")
    assert done.exit_code == 4
    assert "`systemctl restart vetbridge` ended with 1: Job failed" in done.stderr.replace("\n", " ")
    assert ran[0].startswith("systemd-sysusers")
    assert (tmp_path / "unit").read_text().startswith("# Made by")


def test_how_it_stands_is_told_and_ends_with_4_where_it_does_not_run(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.sys, "platform", "linux")
    answers = [
        "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled",
        "ActiveState=inactive",
    ]
    monkeypatch.setattr(plans, "run_here", lambda words: Done(code=0, output=answers[0]))
    done = run(config, "status", "--json")
    assert (done.exit_code, json.loads(done.stdout)["data"]["running"]) == (0, True)
    monkeypatch.setattr(plans, "run_here", lambda words: Done(code=0, output=answers[1]))
    stopped = run(config, "status")
    assert stopped.exit_code == 4
    assert "not installed" in stopped.stdout


def test_another_platform_is_for_looking_only(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.sys, "platform", "linux")
    assert run(config, "install", "--for", "windows").exit_code == 2
    monkeypatch.setattr(command.sys, "platform", "sunos5")
    assert "knows no services on sunos5" in run(config, "status").stderr
