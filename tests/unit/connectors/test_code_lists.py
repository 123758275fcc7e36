"""The vendors' own lists, as the connectors read them from the simulators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from connectors.altegio import plugin as altegio
from connectors.altegio import simulator as altegio_simulator
from connectors.altegio.simulator import AltegioSimulator
from connectors.ezyvet import plugin as ezyvet
from connectors.ezyvet import simulator as ezyvet_simulator
from connectors.ezyvet.options import SCOPES
from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import BadAnswer, Refused
from vetbridge.testing.simkit import Request, Simulator

Connect = Callable[..., tuple[Connector, Simulator]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Starts a vendor's simulator and connects to it."""
    with ExitStack() as stack:

        def start(plugin: Plugin, module: Any, secrets: tuple[str, ...], **more: Any) -> tuple[Connector, Simulator]:
            simulator = stack.enter_context(module.build(clients=1, seed=7))
            known = {
                name: Secret.of(text) if name in secrets else text for name, text in simulator.credentials.items()
            }
            environment = Environment(account="a", zone=simulator.zone, country="GB", timeout=5.0, limit_scale=1000.0)
            options = plugin.options.model_validate({"base_url": simulator.base_url, **known, **more})
            connector: Connector = plugin.build(options, environment)
            stack.callback(connector.close)
            return connector, simulator

        yield start


@pytest.fixture
def salon(connect: Connect) -> tuple[Connector, Simulator]:
    return connect(altegio, altegio_simulator, ("partner_token", "user_token"))


def team_is_shown(monkeypatch: pytest.MonkeyPatch, otherwise: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Altegio shows its team otherwise, in these fields."""
    listed = AltegioSimulator._listed

    def spoilt(simulator: AltegioSimulator, request: Request, row: dict[str, Any]) -> dict[str, Any]:
        return {**listed(simulator, request, row), **otherwise(row)}

    monkeypatch.setattr(AltegioSimulator, "_listed", spoilt)


def test_altegios_services_and_team_without_whom_it_has_dismissed(
    salon: tuple[Connector, Simulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    connector, simulator = salon
    lists = connector.code_lists()
    assert lists["appointment_type"]["702"] == "Vaccination"
    assert lists["resource"]["501"] == "Dr. Helen Marsh"
    before = simulator.counts()["requests"]
    team_is_shown(monkeypatch, lambda row: {"fired": int(row["id"] == 501), "status": "1" if row["id"] == 502 else 0})
    assert set(connector.code_lists()["resource"]) == {"503", "504"}
    after = simulator.counts()["requests"]
    assert sum(after.values()) - sum(before.values()) == 2, "one call a list"


@pytest.mark.parametrize("spoilt", [{"id": None}, {"id": "x"}, {"id": []}])
def test_a_list_of_altegios_that_cannot_be_read_whole_is_none(
    salon: tuple[Connector, Simulator], monkeypatch: pytest.MonkeyPatch, spoilt: dict[str, Any]
) -> None:
    team_is_shown(monkeypatch, lambda _row: spoilt)
    with pytest.raises(BadAnswer, match="id"):
        salon[0].code_lists()


def test_ezyvets_lists_are_those_whose_scope_is_asked_for(connect: Connect) -> None:
    connector, simulator = connect(ezyvet, ezyvet_simulator, ("client_secret",), scope=(*SCOPES, "read-species"))
    with simulator.store.transaction():
        old = simulator.store.get("appointmenttype", 35)
        assert old is not None
        simulator.store.put("appointmenttype", 35, {**old, "active": False})
    lists = connector.code_lists()
    assert lists["species"] == {"1": "Canine", "2": "Feline", "3": "Rabbit", "4": "Other"}
    assert lists["status"] == {
        "1": "Unconfirmed",
        "2": "Confirmed",
        "3": "Arrived",
        "4": "Completed",
        "5": "No show",
        "inactive": "inactive",
    }
    assert {"34", "35"} & lists["appointment_type"].keys() == {"34"}, "one of them is archived"
    assert {"appointment_type", "resource", "breed", "sex"} < lists.keys()

    connector, simulator = connect(ezyvet, ezyvet_simulator, ("client_secret",), scope=("read-contact",))
    assert connector.capabilities.code_lists == frozenset()
    with pytest.raises(Refused):
        connector.code_lists()
    assert simulator.counts()["requests"] == {}
