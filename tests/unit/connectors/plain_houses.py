"""Practices that a feed or reports show, as the shipped ways reach their rehearsals."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import yaml

from vetbridge.config.loader import Loaded
from vetbridge.connector.configured import read_config
from vetbridge.connector.plugin import systems
from vetbridge.connector.rows.reading import DELETED
from vetbridge.demo.by_hand.accounts import account_of
from vetbridge.demo.stage import Secrets
from vetbridge.testing.practice.simulator import PlainSimulator

ZONE = "Europe/London"
EXCHANGE = "exchange"
"""The folder in which reports are put, below the config's."""
PIMS = "pims"
"""The account of the practice."""
_BOOKING = {"location_id": "1", "partner_token": {"env": "P"}, "user_token": {"env": "U"}}


def started(name: str, folder: Path, **options: Any) -> PlainSimulator:
    """The rehearsal of a system, serving."""
    build = importlib.import_module(systems()[name].simulator or "").build
    inbox = str(folder / EXCHANGE / "in")
    made: PlainSimulator = build(seed=1, zone=ZONE, data=folder / "data", exports=inbox, dated=True, **options)
    return made.start()


def house(simulator: PlainSimulator, folder: Path, name: str, way: str) -> Loaded:
    """A config whose practice is the rehearsal, by a way."""
    system = systems()[name]
    taken = system.way(way)
    assert taken is not None
    account = account_of(system, taken, simulator.ready(), Secrets(folder))
    for each in (account, *account.get("parts", {}).values()):
        each["limit_scale"] = 1000
        if each["connector"] == "files":
            each["options"] |= {"folder": EXCHANGE, "settle": 0}
    codes = {each: {word: [str(code)] for word, code in of.items()} for each, of in simulator.practice.codes.items()}
    codes["status"]["cancelled"].append(DELETED)
    config = {
        "version": 1,
        "ledger": {"key": {"file": "ledger.key"}},
        "accounts": {"shop": {"connector": "altegio", "options": _BOOKING}, PIMS: account},
        "sites": {
            "city": {
                "name": "City Vets",
                "zone": ZONE,
                "country": "GB",
                "booking": {"account": "shop"},
                "pims": {"account": PIMS, "codes": codes},
            }
        },
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return read_config(path)
