"""The log: to standard error or into a file of its own, and never in the way of what it tells of."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from vetbridge.cli.log import set_up
from vetbridge.core.errors import ConfigError


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    config = structlog.get_config()
    yield
    structlog.configure(**config)


def logs_to(**settings: Any) -> None:
    """Sets the log up as in a process of its own: here pytest has put handlers in place."""
    logging.getLogger().handlers.clear()
    set_up(**settings)


def test_lines_go_into_the_file_as_they_were_drawn(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "vetbridge.log"
    logs_to(level="info", form="json", file=path)
    log = structlog.get_logger("vetbridge.test")
    log.info("change.done", change=7, text="100 %s %d ü")
    log.debug("unseen")
    logging.getLogger("library").warning("slow: %s", "x")
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first) | {"timestamp": ""} == {
        **{"event": "change.done", "change": 7, "text": "100 %s %d ü", "level": "info", "timestamp": ""}
    }
    assert second == "WARNING library: slow: x"


@pytest.mark.skipif(os.name != "posix", reason="rights are a mode only there")
def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    logs_to(level="info", form="text", file=tmp_path / "v.log")
    structlog.get_logger().info("x")
    assert stat.S_IMODE((tmp_path / "v.log").stat().st_mode) == 0o600


def test_a_file_that_has_grown_is_put_aside_and_so_many_are_kept(tmp_path: Path) -> None:
    logs_to(level="info", form="text", file=tmp_path / "v.log", file_megabytes=1, files=2)
    log = structlog.get_logger()
    for number in range(45):
        log.info("x" * 100_000, number=number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.log", "v.log.1", "v.log.2"]
    assert all(path.stat().st_size <= 1024 * 1024 for path in tmp_path.iterdir())
    assert "number=44" in (tmp_path / "v.log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk to offer")
def test_a_full_disk_loses_lines_and_ends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    logs_to(level="info", form="text", file=Path("/dev/full"))
    log = structlog.get_logger()
    for _ in range(300):
        log.info("x" * 100)
    assert capfd.readouterr() == ("", "")


def test_a_standard_error_that_has_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    logs_to(level="info", form="text")
    structlog.get_logger().error("x")
    logging.getLogger("library").error("y")


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_text_steers_a_terminal_or_begins_a_line(tmp_path: Path, form: str) -> None:
    logs_to(level="info", form=form, file=tmp_path / "v.log")
    evil = "a\x1b[2Jb\n2026-01-01 [info] forged\x9b31m\u202e\u2028c\rd\ud800"
    structlog.get_logger().info("x", text=evil, many=[evil])
    logging.getLogger("library").warning("slow\x1b[31m %s", "\x07")
    raw = (tmp_path / "v.log").read_text("utf-8")
    assert len(raw.splitlines()) == 2
    assert "forged" in raw, "what can be read is still there"
    assert raw.replace("\n", "").isprintable()


def test_a_file_that_cannot_be_written_is_a_fault_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"log\.file: .* cannot be written"):
        logs_to(level="info", form="text", file=tmp_path / "file" / "v.log")
