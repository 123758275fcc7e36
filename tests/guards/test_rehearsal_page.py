"""The rehearsal page does what it says: its config, its secrets and its booking, against both simulators."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import structlog
from typer.testing import CliRunner, Result

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from vetbridge.cli.main import app
from vetbridge.testing.simkit import Simulator

PAGE = (Path(__file__).parents[2] / "docs" / "rehearsal.md").read_text(encoding="utf-8")


@pytest.fixture
def booking() -> Iterator[Simulator]:
    with altegio.build(clients=5, seed=7) as simulator:
        yield simulator


@pytest.fixture
def pims() -> Iterator[Simulator]:
    with ezyvet.build(clients=5, seed=7) as simulator:
        yield simulator


@pytest.fixture
def log() -> Iterator[None]:
    """`sync` sends the log to its standard error, which is gone when the command has ended."""
    yield
    structlog.reset_defaults()


def found(pattern: str) -> str:
    match = re.search(pattern, PAGE, re.DOTALL | re.MULTILINE)
    assert match, pattern
    return match[1]


@pytest.mark.usefixtures("log")
def test_the_page_works_as_it_stands(tmp_path: Path, booking: Simulator, pims: Simulator) -> None:
    config = found(r"^```yaml\n(.*?)^```")
    for address, simulator in (("http://127.0.0.1:8101/api/v1", booking), ("http://127.0.0.1:8102", pims)):
        assert config.count(f'"{address}"') == 1
        config = config.replace(f'"{address}"', f'"{simulator.base_url}"')
    config += "door: {port: 0}\n"  # at the usual one another program of this machine may listen
    (tmp_path / "vetbridge.yaml").write_text(config, encoding="utf-8")
    secrets = dict(re.findall(r"^echo (\w+) > (\S+)$", PAGE, re.MULTILINE))
    files = {name: text for text, name in secrets.items()} | {"ledger.key": "k" * 43, "hook.secret": "h" * 43}
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
        (tmp_path / name).chmod(0o600)

    def vetbridge(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--config", str(tmp_path / "vetbridge.yaml"), *arguments])

    def book(**changes: Any) -> None:
        body = {**json.loads(found(r"--data '(\{\"phone\".*?)'$")), **changes}
        token = found(r'"Authorization: Bearer (\w+)"')
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        location = found(r"book_record/(\d+)")
        request = Request(f"{booking.base_url}/book_record/{location}", json.dumps(body).encode(), headers)
        with urlopen(request, timeout=30) as answer:
            assert json.load(answer)["success"]

    checked = vetbridge("config", "check")
    assert checked.stdout == "fine: 2 accounts, 1 site\n"
    doctor = vetbridge("doctor")
    assert doctor.exit_code == 0, doctor.stdout
    assert "0 wrong, 2 to think about" in doctor.stderr
    assert "WARN   altegio-city webhooks: no address is in the settings" in doctor.stdout, (
        "they come later on the page"
    )
    assert vetbridge("sync").stdout.endswith("\nNothing has changed.\n")

    book()
    synced = vetbridge("sync")
    assert synced.exit_code == 0, synced.stderr
    assert synced.stdout.split() == ["done", "1"]
    assert "on an owner who was new" in " ".join(vetbridge("changes", "show", "1").stdout.split())

    visit = json.loads(found(r"--data '(\{\"phone\".*?)'$"))["appointments"][0]
    other = {**visit, "datetime": visit["datetime"].replace("T10", "T11"), "custom_fields": {"pet_name": "Luna"}}
    book(appointments=[other])
    synced = vetbridge("sync")
    assert re.search(r"^review +1 +vetbridge review list$", synced.stdout, re.MULTILINE)
    assert "does not say its species" in vetbridge("review", "list").stdout


def test_the_chain_of_the_page_is_a_config_that_can_be_used(tmp_path: Path) -> None:
    first, second = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    above, accounts = first.split("  altegio-city:\n")
    _, below = accounts.split("  ezyvet-city:\n")
    config = above.removesuffix("accounts:\n") + second + "  ezyvet-city:\n" + below
    config = config.replace("    name: City Vets\n", "    name: City Vets\n    organisation: chain\n")
    (tmp_path / "vetbridge.yaml").write_text(config, encoding="utf-8")
    for name in set(re.findall(r"{file: (\S+)}", config)):
        (tmp_path / name).write_text("k" * 43, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    arguments = ["--config", str(tmp_path / "vetbridge.yaml")]
    assert CliRunner().invoke(app, [*arguments, "config", "check"]).stdout == "fine: 2 accounts, 1 site\n"
    (number,) = set(re.findall(r"installs draft altegio-app (\d+) --like city", PAGE))
    drafted = CliRunner().invoke(app, [*arguments, "installs", "draft", "altegio-app", number, "--like", "city"])
    assert f"> altegio-branch-{number}-hook.secret)" in drafted.stdout
    assert f"openssl rand -hex 20 > altegio-branch-{number}-hook.secret" in PAGE, "as the draft says"
