"""`vetbridge config check` and `show`, as a person and a program read them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from vetbridge.cli import config as command
from vetbridge.cli.output import emit_json, safe, talk
from vetbridge.config.secrets import Secret
from vetbridge.connector import configured
from vetbridge.connector.plugin import Options
from vetbridge.core.instants import Instant

SOUND = """\
version: 1
ledger: {key: {env: LEDGER_KEY}}
accounts:
  shop: {connector: fake, options: {token: {env: TOKEN}}}
  clinic: {connector: fake, options: {token: {env: TOKEN}, base_url: "https://user:hunter2@clinic.example/"}}
sites:
  city:
    name: "City \\e[31mVets"
    zone: Europe/London
    country: GB
    booking: {account: shop}
    pims: {account: clinic}
"""


@dataclass
class State:
    config_path: Path


class FakeOptions(Options):
    token: Secret
    base_url: str = "https://shop.example/"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(configured, "plugin", lambda name: SimpleNamespace(options=FakeOptions))
    monkeypatch.setattr("vetbridge.daemon.assembly.build_mapper", lambda *_: None)  # the fake has no mapping
    monkeypatch.setenv("LEDGER_KEY", "k3y-value")
    monkeypatch.setenv("TOKEN", "t0ken-value")

    def invoke(text: str, *arguments: str) -> Result:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return CliRunner().invoke(command.app, list(arguments), obj=State(path))

    return invoke


def test_a_sound_config_is_fine(run) -> None:  # type: ignore[no-untyped-def]
    result = run(SOUND, "check")
    assert (result.exit_code, result.stdout) == (0, "fine: 2 accounts, 1 site\n")


def test_problems_are_data_and_end_with_three(run) -> None:  # type: ignore[no-untyped-def]
    result = run(SOUND.replace("zone: Europe/London", "zone: Mars").replace("country", "contry"), "check")
    assert result.exit_code == 3
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == [
        "config.yaml:7",
        "config.yaml:9",
        "config.yaml:10",
    ]
    assert "3 problems" in result.stderr


def test_problems_as_json(run) -> None:  # type: ignore[no-untyped-def]
    result = run(SOUND.replace("version", "verson"), "check", "--json")
    assert result.exit_code == 3
    envelope = json.loads(result.stdout)
    assert (envelope["schema"], envelope["command"], envelope["data"]) == (1, "config check", {"ok": False})
    assert {"source": "config.yaml", "line": 1, "path": "verson", "warning": False} | {
        "text": "unknown key; did you mean 'version'?"
    } in envelope["problems"]


def test_a_missing_secret_is_a_problem(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv("LEDGER_KEY")
    result = run(SOUND, "check")
    assert result.exit_code == 3
    assert "config.yaml:2: ledger.key: the environment variable LEDGER_KEY is not set" in result.stdout


def test_a_warning_does_not_spoil_it(run) -> None:  # type: ignore[no-untyped-def]
    result = run(SOUND.replace("sites:", "door: {host: 0.0.0.0}\nsites:"), "check")
    assert result.exit_code == 0
    assert result.stdout.startswith("warning: config.yaml:6: door.host")


def test_show_names_values_and_origins_and_hides_secrets(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("VETBRIDGE_DAEMON__WORKERS", "8")
    result = run(SOUND, "show")
    assert result.exit_code == 0
    lines = {line.split(" = ")[0].strip(): line.split(" = ")[1] for line in result.stdout.splitlines()}
    assert lines["daemon.workers"] == "8  (environment VETBRIDGE_DAEMON__WORKERS)"
    assert lines["door.port"] == "8710  (default)"
    assert lines["ledger.key"] == "Secret(env LEDGER_KEY)  (file config.yaml:2)"
    assert lines["sites.city.name"].startswith("City Vets")
    for secret in ("k3y-value", "t0ken-value", "hunter2", "\x1b"):
        assert secret not in result.stdout


def test_show_as_json(run) -> None:  # type: ignore[no-untyped-def]
    result = run(SOUND, "show", "--json")
    envelope = json.loads(result.stdout)
    rows = {row["path"]: row for row in envelope["data"]}
    assert rows["sites.city.country"] == {
        "path": "sites.city.country",
        "value": "GB",
        "origin": "file",
        "where": "config.yaml:10",
    }
    assert rows["timings.settle"]["origin"] == "default"
    assert "hunter2" not in result.stdout


def test_show_of_a_broken_config_ends_with_three(run) -> None:  # type: ignore[no-untyped-def]
    result = run("version: 1\n", "show")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "ledger: is missing" in result.stderr
    assert json.loads(run("version: 1\n", "show", "--json").stdout)["problems"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07name", "name"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x9b31mred", "red"),
        ("a\x08b\x7fc\rd", "abcd"),
        ("left\u202eright", "leftright"),
        ("lone\ud800", "lone"),
        ("two\nlines\tand ü 犬", "two\nlines\tand ü 犬"),
    ],
)
def test_nothing_steers_the_terminal(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_reader_that_has_gone_is_no_error() -> None:
    ask = "from vetbridge.cli.output import emit_json, say\nfor _ in range(3): say('x' * 100_000)\nemit_json('x', {})"
    with subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(1)
        child.stdout.close()
        assert (child.wait(60), child.stderr.read()) == (0, b"")


def test_json_holds_moments_and_refuses_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json("test", {"start": Instant.parse("2026-03-01T09:00:00+00:00", "Europe/London"), "name": "Zoë\x1b"})
    line = capsys.readouterr().out
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line)["data"] == {"start": "2026-03-01T09:00:00+00:00", "name": "Zoë\x1b"}
    with pytest.raises(TypeError):
        emit_json("test", Secret.of("x"))


def test_talk_that_nobody_can_hear_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    talk("x")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    talk("x")
