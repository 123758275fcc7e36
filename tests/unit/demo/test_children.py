"""Child processes: what they say when they are ready, what is told when they die, and that none is left behind."""

from __future__ import annotations

import time
import urllib.error
from pathlib import Path

import pytest

from vetbridge import __version__
from vetbridge.demo.asking import NoAnswer, ask
from vetbridge.demo.children import Child, Children
from vetbridge.demo.failure import DemoFailed

PATIENCE = 30.0
SIMULATE = ["simulate", "ezyvet", "--clients", "3", "--port", "0"]


def test_a_child_serves_until_it_is_stopped(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start("the simulator", SIMULATE, tmp_path / "child.log")
        door = child.ready(PATIENCE)["control_url"]
        assert ask("GET", f"{door}/ping") == {"vendor": "ezyvet"}
        child.check()
        assert children.stop(child, PATIENCE)
        with pytest.raises(DemoFailed, match="ended by itself"):
            child.check()


def test_no_child_outlives_its_block(tmp_path: Path) -> None:
    def begin() -> tuple[Child, str]:
        with Children() as children:
            child = children.start("the simulator", SIMULATE, tmp_path / "child.log")
            begun.append((child, child.ready(PATIENCE)["control_url"]))
            raise KeyboardInterrupt

    begun: list[tuple[Child, str]] = []
    with pytest.raises(KeyboardInterrupt):
        begin()
    child, door = begun[0]
    with pytest.raises(DemoFailed, match="ended by itself"):
        child.check()
    with pytest.raises(DemoFailed, match="got no answer"):
        ask("GET", f"{door}/ping")


def test_a_child_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start("the simulator", ["simulate", "nobody"], tmp_path / "child.log")
        with pytest.raises(DemoFailed, match=r"(?s)the simulator did not start.*nobody"):
            child.ready(PATIENCE)


def test_a_command_is_done_with_its_code_and_all_that_it_said(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start("a command", ["--version"], tmp_path / "child.log")
        ends = time.monotonic() + PATIENCE
        while child.done() is None:
            assert time.monotonic() < ends
        assert child.done() == (0, f"vetbridge {__version__}\n")


def test_whoever_is_in_trouble_is_told_from_whoever_refuses(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start("the simulator", SIMULATE, tmp_path / "child.log")
        ready = child.ready(PATIENCE)
        ask("POST", f"{ready['control_url']}/outage", {"seconds": 60})
        with pytest.raises(NoAnswer, match="was answered 503"):
            ask("GET", f"{ready['base_url']}/v1/contact")


def test_a_refusal_names_the_address_and_no_body(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start("the simulator", SIMULATE, tmp_path / "child.log")
        base = child.ready(PATIENCE)["base_url"]
        with pytest.raises(DemoFailed, match=r"GET /v1/contact was answered 401") as told:
            ask("GET", f"{base}/v1/contact")
    assert not isinstance(told.value.__cause__, urllib.error.HTTPError)
