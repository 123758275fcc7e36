"""``vetbridge simulate``: one JSON line, served until it is told to stop, and the same store again afterwards."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from connectors.altegio.simulator import AltegioSimulator
from connectors.ezyvet.simulator import EzyVetSimulator
from vetbridge.cli.simulate import _made, _switches, simulate
from vetbridge.testing.simkit import FAULTS

PROGRAM = "import typer; from vetbridge.cli.simulate import simulate; typer.run(simulate)"

app = typer.Typer()
app.command()(simulate)


@contextmanager
def _running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def _status(ready: dict[str, Any]) -> int:
    credentials = ready["credentials"]
    request = urllib.request.Request(
        f"{ready['base_url']}/company/{credentials['location_id']}",
        headers={"Authorization": f"Bearer {credentials['partner_token']}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_line_serves_and_ends_well(number: signal.Signals) -> None:
    with _running("altegio", "--clients", "20", "--limits", "x10") as (process, ready):
        assert (ready["ready"], ready["vendor"], ready["limits"]) == (True, "altegio", "x10")
        assert ready["base_url"].startswith("http://127.0.0.1:")
        assert _status(ready) == 200
        process.send_signal(number)
        rest, talk = process.communicate(timeout=20)
        assert (process.returncode, rest, talk) == (0, "", "")


def test_a_killed_simulator_serves_its_store_again(tmp_path: Path) -> None:
    with _running("altegio", "--clients", "20", "--data", str(tmp_path)) as (process, ready):
        process.kill()
        process.wait(20)
    with _running("altegio", "--data", str(tmp_path), "--fault", "5xx_before=1") as (_, again):
        assert (again["base_url"], again["credentials"]) == (ready["base_url"], ready["credentials"])
        assert _status(again) == 500


def test_help_names_every_fault_and_an_example() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}).output
    assert all(name in shown for name in FAULTS)
    assert "vetbridge simulate altegio" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["altegoi"], "did you mean 'altegio'"),
        (["impromde"], "did you mean 'impromed'"),
        (["files"], "files has no simulator"),
        (["impromed", "--switch", "delimiter=;;"], "delimiter must be one character"),
        (["animana", "--switch", "fast=true"], "takes no option fast"),
        (["altegio", "--fault", "outtage=1"], "did you mean 'outage'"),
        (["altegio", "--fault", "outage"], "NAME=RATE"),
        (["altegio", "--limits", "fast"], "real, off, or xN"),
        (["altegio", "--port", "70000"], "not a port"),
    ],
)
def test_what_cannot_be_used_is_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert result.exit_code == 2
    assert message in result.output


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["altegio", "--clients", "0", "--port", port], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "give another port" in result.output


def test_a_folder_with_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite3").write_bytes(b"not a database" * 100)
    result = CliRunner().invoke(app, ["altegio", "--data", str(tmp_path)], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "cannot be used as a simulator's store" in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("given", "expected"), [("empty_fields=object", "object"), ('empty_fields="object"', "object")]
)
def test_a_switch_is_json_or_a_text(given: str, expected: str) -> None:
    made = _made("altegio", 0, 1, 7, "off", [], _switches([given, "require_accept=true"]), None)
    assert isinstance(made, AltegioSimulator)
    assert (made.empty_fields, made.require_accept) == (expected, True)


def test_each_simulator_has_switches_of_its_own() -> None:
    made = _made("ezyvet", 0, 1, 7, "off", [], _switches(["partner_id=optional"]), None)
    assert isinstance(made, EzyVetSimulator)
    assert made.switches.partner_id == "optional"


@pytest.mark.parametrize(
    "given", ["no_such=1", "empty_fields=nonsense", "port=1", "data=x", "empty_fields", "=1", "a b=1"]
)
def test_what_is_no_switch_is_refused(given: str) -> None:
    with pytest.raises(typer.BadParameter):
        _made("altegio", 0, 1, 7, "off", [], _switches([given]), None)


def test_a_chain_of_locations_is_served_where_the_vendor_has_them() -> None:
    with _running("altegio", "--clients", "3", "--locations", "2") as (_, ready):
        assert ready["locations"] == ["101001", "101002"]
        credentials = {**ready["credentials"], "location_id": "101002"}
        assert _status({**ready, "credentials": credentials}) == 200
    result = CliRunner().invoke(app, ["ezyvet", "--locations", "2"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert (result.exit_code, "--locations" in result.output) == (2, True)
