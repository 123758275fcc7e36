"""The life of a marketplace app at the branches of a chain, over the simulated marketplace and through the door."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from typer.testing import CliRunner

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from tests.system.town import HOOK_SECRET, Town, call, until
from vetbridge.cli.config import load_config
from vetbridge.cli.main import app
from vetbridge.config.writing import config_text
from vetbridge.daemon.assembly import Program, assembled
from vetbridge.daemon.once import Outcome, pass_over
from vetbridge.testing.clinic import make_clinic
from vetbridge.web.door import build
from vetbridge.web.server import DoorServer

APP = "altegio-app"
ONE, TWO, THREE = (str(altegio.LOCATION + place) for place in range(3))
CLIENTS, SEED = 12, 3


@dataclass
class Chain:
    """Three branches on one simulated platform; two of them are in the config, and share a PIMS."""

    town: Town
    door: str
    """Where the door is reached."""

    @property
    def home(self) -> str:
        """Where browsers come back to, and life-cycle calls go."""
        return f"{self.door}/apps/{APP}"

    def control(self, path: str, **body: Any) -> Any:
        """What people do at the clinic and at the vendor."""
        return call("POST", f"{self.town.booking.control_url}{path}", body)

    def connects(self, *locations: str) -> str:
        """The owner clicks Connect and chooses locations; the page that the browser comes to."""
        address = self.control("/connect", locations=list(locations), redirect=self.home)["redirect"]
        with urllib.request.urlopen(address, timeout=20) as answer:
            return str(answer.read().decode())

    def command(self, *arguments: str) -> Any:
        answer = CliRunner().invoke(app, ["--config", str(self.town.config_path), *arguments, "--json"])
        assert answer.exit_code in (0, 4), answer.output
        return json.loads(answer.stdout.splitlines()[-1])["data"]

    @property
    def stands(self) -> dict[str, str]:
        return {each["location"]: each["state"] for each in self.command("installs", "list")}

    @contextmanager
    def running(self) -> Iterator[Program]:
        """VetBridge with its door; rounds are called by the test."""
        with assembled(load_config(self.town.config_path), command="run") as program:
            made = build(program, wake=lambda: None, health=lambda: {"status": "ok"})
            port = int(self.door.rpartition(":")[2])
            server = DoorServer(made, "127.0.0.1", port)
            server.start()
            try:
                yield program
            finally:
                server.stop()


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        door = f"http://127.0.0.1:{free.getsockname()[1]}"
    with ExitStack() as stack:
        booking = stack.enter_context(
            altegio.build(clients=CLIENTS, seed=SEED, limits="off", locations=3, installed=False)
        )
        pims = stack.enter_context(ezyvet.build(clients=CLIENTS, seed=SEED, limits="off"))
        town = Town(tmp_path, booking, pims, make_clinic(SEED, CLIENTS))
        town.write_config(log={"level": "error"})
        config = yaml.safe_load(town.config_path.read_text())
        account = config["accounts"]["altegio"]
        options = account.pop("options")
        config["apps"] = {
            APP: {
                "connector": "altegio",
                "address": door,
                "options": {
                    "application_id": booking.ready()["credentials"]["application_id"],
                    "base_url": options["base_url"],
                    "marketplace_url": booking.marketplace_url,
                    "partner_token": options["partner_token"],
                    "user_token": options["user_token"],
                },
            }
        }
        account["app"] = APP
        config["accounts"]["altegio"] = {**account, "options": {"location_id": ONE}}
        config["accounts"]["north"] = {**account, "options": {"location_id": TWO}}
        site = config["sites"]["town"]
        codes = {
            name: {word: str(int(code) + altegio.APART) for word, code in each.items()}
            for name, each in site["booking"]["codes"].items()
        }
        config["sites"]["north"] = {
            **site,
            "name": "North Vets",
            "booking": {"account": "north", "codes": codes},
        }
        town.config_path.write_text(config_text(config))
        made = Chain(town, door)
        made.control("/app", callback_url=made.home)
        yield made
    structlog.reset_defaults()


def passes(program: Program) -> Outcome:
    return pass_over(program, patience=5, progress=lambda _: None)


def test_from_connect_to_freeze_uninstall_and_back(chain: Chain) -> None:
    town = chain.town
    with chain.running() as program:
        passes(program)
        assert chain.stands == {ONE: "unknown", TWO: "unknown"}
        requests = town.booking.counts()["requests"]
        assert {path for path in requests if "/marketplace" not in path} == set(), "no account was asked in vain"

        page = chain.connects(ONE)
        assert "Town Vets" in page
        assert "Connected." in page
        hooks = town.altegio("GET", "/hooks_settings/{location}", None)["data"]
        assert hooks["urls"] == [f"{chain.door}/hooks/altegio/{HOOK_SECRET}"]
        page = chain.connects(TWO, THREE)
        assert page.index("North Vets") < page.index(f"Branch {THREE}") < page.index("does not know this branch")
        assert chain.stands == {ONE: "active", TWO: "active", THREE: "pending"}

        town.book_owner(town.plain_owner())
        passes(program)
        assert len(town.visits(active=True)) == 1

        chain.control("/freeze", location=ONE)
        until(lambda: chain.stands[ONE] == "frozen", "the vendor's call has frozen it")
        town.book_owner(town.plain_owner(1))
        assert passes(program).problems == ()
        assert len(town.visits(active=True)) == 1

        chain.control("/unfreeze", location=ONE)
    with chain.running() as program:  # at the start, and every ten minutes, all installs are looked at
        passes(program)
        assert chain.stands[ONE] == "active"
        assert len(town.visits(active=True)) == 2

        stood = [dict(visit) for visit in town.visits()]
        chain.control("/uninstall", location=ONE)
        until(lambda: chain.stands[ONE] == "uninstalled", "the vendor's call has ended it")
        passes(program)
        assert town.visits() == stood, "nothing is cancelled, moved or cleaned up"
        sites = {site["name"]: site for site in chain.command("status")["sites"]}
        assert (sites["town"]["ended_by"], sites["north"]["ended_at"]) == (f"the app {APP}", None)
        assert call("POST", f"{chain.door}/hooks/altegio/{HOOK_SECRET}", {}) == {"taken": 0}
        codes = {each["code"] for each in chain.command("status")["conditions"]}
        assert {"install-gone", "install-waits"} <= codes

        assert "Connected, and nothing is carried over yet" in chain.connects(ONE)
        town.book_owner(town.plain_owner(2))
        passes(program)
        assert len(town.visits(active=True)) == 2, "the pair stays ended until somebody approves it"
        assert "install-missing" in {each["code"] for each in chain.command("status")["conditions"]}
    chain.command("sync", "--approve", "--site", "town")
    assert len(town.visits(active=True)) == 3
    assert "install-missing" not in {each["code"] for each in chain.command("status")["conditions"]}


def test_a_branch_that_is_added_while_it_waits_is_connected_at_the_next_start(chain: Chain) -> None:
    with chain.running():
        assert "does not know this branch" in chain.connects(THREE)
    drafted = yaml.safe_load(chain.command("installs", "draft", APP, THREE, "--like", "town")["yaml"])
    config = yaml.safe_load(chain.town.config_path.read_text())
    (account,) = drafted["accounts"]
    (chain.town.folder / f"{account}-hook.secret").write_text("another-hook-secret-of-the-tests")
    (chain.town.folder / f"{account}-hook.secret").chmod(0o600)
    for group in ("accounts", "sites"):
        config[group] |= drafted[group]
    config["accounts"][account]["limit_scale"] = 1000.0
    chain.town.config_path.write_text(config_text(config))
    with chain.running() as program:
        program.connecting[APP].look()
    assert chain.stands[THREE] == "active"
    rows = chain.command("mapping", "fill", f"branch-{THREE}")["rows"]
    staff = [each for each in rows if each["list"] == "resource" and each["booking_code"]]
    assert staff, "the vendor tells its lists now"
    assert {each["answer"] for each in staff} == {"yes"}


def test_a_late_activation_is_refused_said_and_tried_again(chain: Chain) -> None:
    with chain.running() as program:
        chain.control("/switches", activate_within=-1)
        assert "the marketplace refused it" in chain.connects(ONE)
        (waits,) = (each for each in chain.command("status")["conditions"] if each["code"] == "install-waits")
        assert "the vendor does not take it" in waits["message"]
        chain.control("/switches", activate_within=3600)
        program.connecting[APP].look()
        assert chain.stands[ONE] == "active"


@pytest.mark.parametrize("shown", ["status", "logs"])
def test_a_call_that_was_lost_is_found_at_the_next_start(chain: Chain, shown: str) -> None:
    with chain.running() as program:
        program.connecting[APP].look()
        chain.connects(ONE, TWO)
        chain.control("/app", callback_url="")
        chain.control("/switches", uninstalled_shown=shown)
        chain.control("/uninstall", location=TWO)
        program.connecting[APP].look()
        assert chain.stands == {ONE: "active", TWO: "active"}
    with chain.running() as program:
        program.connecting[APP].look()
    assert chain.stands == {ONE: "active", TWO: "uninstalled"}
    ended = {site["name"]: site["ended_by"] for site in chain.command("status")["sites"]}
    assert ended == {"town": "", "north": f"the app {APP}"}


def test_a_persons_commands_do_the_same(chain: Chain) -> None:
    chain.command("sync")
    chain.control("/connect", locations=[ONE], redirect=chain.home)  # and the browser was closed
    assert chain.command("installs", "activate", APP, ONE)["how"] == "connected"
    assert chain.command("installs", "disconnect", APP, ONE)["ended"] == ["town"]
    assert chain.stands == {ONE: "uninstalled", TWO: "unknown"}
