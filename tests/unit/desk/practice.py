"""A clinic with a config and, where a test fills it, a ledger; and the real command line over both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.ledgers import ledger_part, ledger_place
from vetbridge.cli.config import load_config
from vetbridge.cli.main import app
from vetbridge.config.loader import Loaded
from vetbridge.core.answers import FUSE
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.demo.stage import config_text
from vetbridge.ledger import accounts, actions, changes, fuses, links, mirror, reviews
from vetbridge.ledger.database import Ledger, Place, Transaction, exists, open_ledger
from vetbridge.ledger.tables import ActionState, Change, ChangeState
from vetbridge.testing.clock import FakeClock

KEY = "a ledger key for tests, long enough to be taken"
NOBODY = "http://127.0.0.1:9"
"""An address at which nobody answers."""
ZONE = "Europe/London"

CODES: dict[str, dict[str, str]] = {
    "appointment_type": {"checkup": "701", "vaccination": "702"},
    "resource": {"vet_1": "501", "vet_2": "502"},
}
PIMS_CODES: dict[str, dict[str, str]] = {
    "appointment_type": {"checkup": "31", "vaccination": "32"},
    "resource": {"vet_1": "21", "vet_2": "22"},
    "species": {"dog": "1", "cat": "2", "rabbit": "3", "other": "4"},
    "sex": {"unknown": "5"},
    "status": {"booked": "1"},
}


@dataclass
class Desk:
    """One clinic's folder, and the moment in which its ledger is filled: ten minutes before the commands look."""

    folder: Path
    clock: FakeClock

    @property
    def config_path(self) -> Path:
        return self.folder / "clinic.yaml"

    @property
    def place(self) -> Place:
        return ledger_place(self.folder)

    @property
    def ledger_path(self) -> Path:
        """The file, for tests that are about it."""
        return self.folder / "vetbridge.db"

    def has_ledger(self) -> bool:
        return exists(self.place)

    def write_config(self, booking: dict[str, Any] | None = None, pims: dict[str, Any] | None = None) -> None:
        """Writes the config; the arguments are laid over the options of the two accounts."""
        for name, text in (("key", KEY), ("partner", "pt"), ("user", "ut"), ("client", "cs")):
            if not (self.folder / name).exists():
                (self.folder / name).write_text(text)
                (self.folder / name).chmod(0o600)
        altegio = {
            "base_url": NOBODY,
            "location_id": "101001",
            "partner_token": {"file": "partner"},
            "user_token": {"file": "user"},
        }
        ezyvet = {
            "base_url": NOBODY,
            "client_id": "id",
            "client_secret": {"file": "client"},
            "site_uid": "uid",
            "cancellation_reason": 1,
        }
        self.save(
            {
                "version": 1,
                "ledger": ledger_part(self.folder, key={"file": "key"}),
                "timings": {"request_timeout": 2.0},
                "accounts": {
                    "altegio-city": {
                        "connector": "altegio",
                        "limit_scale": 1000.0,
                        "options": {**altegio, **(booking or {})},
                    },
                    "ezyvet-city": {
                        "connector": "ezyvet",
                        "limit_scale": 1000.0,
                        "options": {**ezyvet, **(pims or {})},
                    },
                },
                "sites": {
                    "city": {
                        "name": "City Vets",
                        "zone": ZONE,
                        "country": "GB",
                        "start": "live",
                        "booking": {"account": "altegio-city", "codes": CODES},
                        "pims": {
                            "account": "ezyvet-city",
                            "codes": PIMS_CODES,
                            "placeholder": {"client": "900", "pet": "901"},
                        },
                    }
                },
            }
        )

    def config(self) -> dict[str, Any]:
        data: dict[str, Any] = yaml.safe_load(self.config_path.read_text())
        return data

    def save(self, config: dict[str, Any]) -> None:
        self.config_path.write_text(config_text(config))

    def loaded(self) -> Loaded:
        return load_config(self.config_path)

    def open(self) -> Ledger:
        return open_ledger(self.place, KEY, self.clock)

    def run(self, *arguments: str) -> Result:
        """One command, as a person types it."""
        return CliRunner().invoke(app, ["--config", str(self.config_path), *arguments])

    def data(self, *arguments: str) -> Any:
        """The data of one command with --json, which must end well."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        envelope = json.loads(result.stdout)
        assert envelope["schema"] == 1
        assert envelope["problems"] == []
        return envelope["data"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("COLUMNS", "80")
    made = Desk(tmp_path, FakeClock(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)))
    made.write_config()
    return made


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    opened = desk.open()
    with opened.write() as tx:
        accounts.enrol(tx, "altegio-city", "altegio", country="GB")
        accounts.enrol(tx, "ezyvet-city", "ezyvet", country="GB")
    yield opened
    opened.close()


Settled = Callable[..., int]


@pytest.fixture
def settled(ledger: Ledger) -> Settled:
    """Makes a change that ended, and returns its number."""

    def make(
        state: ChangeState,
        code: str = "matched",
        *,
        message: str = "in words",
        remote_id: str = "",
        site: str = "city",
    ) -> int:
        with ledger.write() as tx:
            change = receive(tx, remote_id or f"{code}-{state}", site=site)
            changes.begin(tx, change)
            changes.settle(tx, change, state, code, message)
            return change

    return make


def receive(tx: Transaction, remote_id: str, *, site: str = "city") -> int:
    change = changes.receive(
        tx, site=site, account="altegio-city", kind=Kind.APPOINTMENT, remote_id=remote_id, source="webhook"
    )
    assert change.id is not None
    return change.id


def hold(ledger: Ledger, held: Mapping[str, str], *, first_visit: datetime) -> None:
    """Changes that the fuse of the site holds back, by id with what is said of them, and its question."""
    with ledger.write() as tx:
        for number, (remote_id, words) in enumerate(held.items()):
            row = tx.session.get_one(Change, receive(tx, remote_id))
            row.visit_at = first_visit + timedelta(days=number)
            fuses.blow(tx, row, 2)
            changes.wait(tx, row.id or 0, tx.now + timedelta(days=1), FUSE, words)


@dataclass
class Parked:
    """A booking that waits in review, as the engine leaves it."""

    change: int
    start: Instant


@pytest.fixture
def parked(desk: Desk, ledger: Ledger) -> Parked:
    """James Harris booked for Monty; two clients share his phone, and one of them is no longer in the mirror."""
    return park(ledger, Instant(desk.clock.now() + timedelta(hours=1), ZONE))


def park(ledger: Ledger, start: Instant, *, remote_id: str = "30001", why: str = "contact-shared") -> Parked:
    booking = Appointment(
        id=remote_id,
        client_id="2001",
        booker=Client(
            id="2001", given_name="James", family_name="Harris", phones=("+447700900123",), emails=("j@example.org",)
        ),
        booked_pet=Pet(name="Monty", species="cat", breed="15"),
        start=start,
        duration=900,
        appointment_type="vaccination",
        resource="vet_2",
        notes="Please \x1b]0;owned\x07\x1b[31mbe quick\u202e",
    )
    candidates = [
        {
            "client_id": "1002",
            "pet_id": "5002",
            "score": 0.93,
            "vetoes": ["contact-shared"],
            "evidence": [
                {
                    "field": "phone",
                    "here": "+447700900123",
                    "there": "+447700900123",
                    "level": "equal",
                    "weight": 1.0,
                    "words": "same phone",
                },
                {
                    "field": "birth_date",
                    "here": "",
                    "there": "",
                    "level": "missing",
                    "weight": 0.0,
                    "words": "birth date missing",
                },
            ],
        },
        {"client_id": "1099", "pet_id": None, "score": 0.5, "vetoes": [], "evidence": []},
    ]
    with ledger.write() as tx:
        change = receive(tx, remote_id)
        mirror.put(
            tx,
            "ezyvet-city",
            [
                Client(id="1002", given_name="James", family_name="Harris", phones=("07700 900123",)),
                Pet(id="5002", client_id="1002", name="Monty", species="cat", breed="15"),
                Pet(id="5003", client_id="1002", name="Rex", species="dog", deceased=True),
            ],
        )
        row = changes.begin(tx, change)
        row.visit_at = start.utc
        action = actions.intend(
            tx,
            row,
            account="ezyvet-city",
            kind=Kind.APPOINTMENT,
            operation="create",
            remote_id=None,
            stamp="VB-0000000001",
            fields=["start", "notes"],
            payload={"native": {}},
        )
        actions.close(tx, action, ActionState.ANSWERED, remote_id="77")
        links.put(
            tx,
            site="city",
            kind=Kind.APPOINTMENT,
            booking_account="altegio-city",
            booking_id=remote_id,
            pims_account="ezyvet-city",
            pims_id="77",
            origin="placeholder",
            stamp="VB-0000000001",
            unlinked=True,
        )
        question = {"why": why, "words": "", "booking": booking, "candidates": candidates}
        reviews.ask(tx, row, why=why, visit_at=start.utc, question=question)
        changes.settle(tx, change, ChangeState.REVIEW, why, "a person has to say whose it is")
    return Parked(change, start)
