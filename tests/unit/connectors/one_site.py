"""The config of one practice, for commands that look at its account ``pims``, and how they are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner, Result

from vetbridge.cli.main import app

_KEY = {"env": "TRY_KEY"}


def config(connector: str, *, dog: str, booked: str) -> dict[str, Any]:
    """The config, but for the options of ``pims``; ``dog`` and ``booked`` are the practice's words."""
    codes = {
        "appointment_type": {"checkup": "Check-up"},
        "resource": {"vet_1": "Dr. Helen Marsh"},
        "species": {"dog": dog},
        "sex": {"male": "Male"},
        "status": {"booked": booked},
    }
    online = {"appointment_type": {"checkup": "1"}, "resource": {"vet_1": "1"}}
    return {
        "version": 1,
        "ledger": {"path": "l.db", "key": _KEY},
        "accounts": {
            "booking": {
                "connector": "altegio",
                "options": {"location_id": "1", "partner_token": _KEY, "user_token": _KEY},
            },
            "pims": {"connector": connector, "limit_scale": 100.0},
        },
        "sites": {
            "city": {
                "name": "City",
                "zone": "Europe/London",
                "country": "GB",
                "booking": {"account": "booking", "codes": online},
                "pims": {"account": "pims", "codes": codes},
            }
        },
    }


def run(
    folder: Path, said: Mapping[str, Any], options: Mapping[str, Any], secrets: Mapping[str, str], *words: str
) -> Result:
    """A command with a config to which ``pims`` has ``options``. ``secrets`` stand in TRY_NAME."""
    pims = {**said["accounts"]["pims"], "options": dict(options)}
    whole = {**said, "accounts": {**said["accounts"], "pims": pims}}
    plain = yaml.dump(whole, Dumper=_Plain)
    (folder / "v.yaml").write_text(plain, encoding="utf-8")
    env = {f"TRY_{name.upper()}": text for name, text in secrets.items()}
    return CliRunner().invoke(
        app,
        ["--config", str(folder / "v.yaml"), *words],
        env={"COLUMNS": "140", "TRY_KEY": "k" * 40, **env},
        catch_exceptions=False,
    )


class _Plain(yaml.SafeDumper):
    """Without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
