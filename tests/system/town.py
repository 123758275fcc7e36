"""A whole small town for system tests: both simulators on real sockets, and a config that points at them."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from vetbridge.testing.clinic import SERVICES, STAFF, Clinic, Owner, make_clinic
from vetbridge.testing.simkit import Row, Simulator

HOOK_SECRET = "a-hook-secret-of-the-tests"
LEDGER_KEY = "a-ledger-key-of-the-tests-0123456789"
WAIT_LIMIT = 60.0


class Town:
    """Two simulators, one clinic, one config."""

    def __init__(self, folder: Path, booking: Simulator, pims: Simulator, clinic: Clinic) -> None:
        self.folder = folder
        self.booking = booking
        self.pims = pims
        self.clinic = clinic
        self.config_path = folder / "config.yaml"
        self.ledger_path = folder / "vetbridge.db"
        self._slots = 0

    def write_config(self, **changes: Any) -> Path:
        """Writes the config; ``changes`` replace top-level keys, dictionaries are merged."""
        secrets = {
            **{f"altegio.{k}": v for k, v in self.booking.credentials.items()},
            **{f"ezyvet.{k}": v for k, v in self.pims.credentials.items()},
            "ledger.key": LEDGER_KEY,
            "hook.secret": HOOK_SECRET,
        }
        for name, value in secrets.items():
            path = self.folder / f"{name}.secret"
            path.write_text(value)
            path.chmod(0o600)
        config: dict[str, Any] = {
            "version": 1,
            "ledger": {"path": "vetbridge.db", "key": {"file": "ledger.key.secret"}},
            "door": {"port": 0},
            "timings": {
                "absence_confirm": 0,
                "retry_first": 1,
                "retry_longest": 2,
                "request_timeout": 1,
                "pims_refresh": 2,
            },
            "log": {"format": "json"},
            "accounts": {
                "altegio": {
                    "connector": "altegio",
                    "poll": 1,
                    "limit_scale": 1000.0,
                    "hook_secret": {"file": "hook.secret.secret"},
                    "options": {
                        "base_url": self.booking.base_url,
                        "location_id": self.booking.credentials["location_id"],
                        "partner_token": {"file": "altegio.partner_token.secret"},
                        "user_token": {"file": "altegio.user_token.secret"},
                    },
                },
                "ezyvet": {
                    "connector": "ezyvet",
                    "limit_scale": 1000.0,
                    "options": {
                        "base_url": self.pims.base_url,
                        "partner_id": self.pims.credentials["partner_id"],
                        "client_id": self.pims.credentials["client_id"],
                        "client_secret": {"file": "ezyvet.client_secret.secret"},
                        "site_uid": self.pims.credentials["site_uid"],
                        "cancellation_reason": 1,
                        "new_pet": {"sex_id": "5"},
                    },
                },
            },
            "sites": {
                "town": {
                    "name": "Town Vets",
                    "zone": self.clinic.zone,
                    "country": self.clinic.country,
                    "booking": {
                        "account": "altegio",
                        "codes": {
                            "appointment_type": {s.code: str(altegio.SERVICE_FROM - 1 + s.number) for s in SERVICES},
                            "resource": {m.code: str(altegio.STAFF_FROM - 1 + m.number) for m in STAFF},
                        },
                    },
                    "pims": {
                        "account": "ezyvet",
                        "codes": {
                            name: {word: str(code) for word, code in codes.items()}
                            for name, codes in ezyvet.CODE_LISTS.items()
                        },
                        "placeholder": {
                            "client": str(ezyvet.PLACEHOLDER_CONTACT),
                            "pet": str(ezyvet.PLACEHOLDER_ANIMAL),
                        },
                    },
                }
            },
        }
        for name, value in changes.items():
            config[name] = _merged(config.get(name), value)
        self.config_path.write_text(yaml.safe_dump(config, sort_keys=False))
        return self.config_path

    # -- what people do -------------------------------------------------------------------------------------------

    def slot(self) -> datetime:
        """A start that no other booking of this town has, in the coming days."""
        self._slots += 1
        day, hour = divmod(self._slots, 8)
        start = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=2 + day)
        return start + timedelta(hours=hour)

    def book(
        self,
        *,
        fullname: str,
        phone: str,
        pet: str,
        email: str = "",
        species: str = "dog",
        comment: str = "",
        start: datetime | None = None,
        service: int = 1,
        vet: int = 1,
    ) -> tuple[int, str]:
        """Books through the widget; returns the record's id and its hash."""
        moment = start or self.slot()
        answer = self.altegio(
            "POST",
            "/book_record/{location}",
            {
                "phone": phone,
                "fullname": fullname,
                "email": email,
                "comment": comment,
                "appointments": [
                    {
                        "id": 1,
                        "services": [altegio.SERVICE_FROM - 1 + service],
                        "staff_id": altegio.STAFF_FROM - 1 + vet,
                        "datetime": moment.isoformat(),
                        "custom_fields": {"pet_name": pet, "pet_species": species},
                    }
                ],
            },
            user=False,
        )
        return answer["data"][0]["record_id"], answer["data"][0]["record_hash"]

    def book_owner(self, owner: Owner, **changes: Any) -> tuple[int, str]:
        """Books for a known owner and its first living pet."""
        pet = next(pet for pet in owner.pets if not pet.deceased)
        given = {
            "fullname": f"{owner.given_name} {owner.family_name}",
            "phone": owner.phones[0],
            "pet": pet.name,
            "email": owner.email or "",
            "species": pet.species,
        }
        return self.book(**{**given, **changes})

    def move(self, record: int, start: datetime) -> None:
        """The owner moves the booking."""
        row = self.booking.store.get("record", record)
        assert row is not None
        self.altegio("PUT", f"/book_record/{{location}}/{record}", {"datetime": start.isoformat()})

    def cancel(self, record: int, record_hash: str) -> None:
        """The owner cancels the booking."""
        self.altegio("DELETE", f"/user/records/{record}/{record_hash}", None)

    def altegio(self, method: str, path: str, body: Any, *, user: bool = True) -> Any:
        """One call at the booking simulator; ``{location}`` in the path is filled in."""
        credentials = self.booking.credentials
        token = f"Bearer {credentials['partner_token']}" + (f", User {credentials['user_token']}" if user else "")
        return call(
            method,
            self.booking.base_url + path.format(location=credentials["location_id"]),
            body,
            {"Authorization": token, "Accept": "application/vnd.api.v2+json"},
        )

    # -- what stands where ----------------------------------------------------------------------------------------

    def visits(self, *, active: bool | None = None) -> list[Row]:
        """The visits in the PIMS."""
        rows = [dict(row) for row in self.pims.store.all("appointment")]
        return [row for row in rows if active is None or row["active"] is active]

    def contact_id(self, owner: Owner) -> int:
        """The id of an owner's contact in the PIMS."""
        return ezyvet.FIRST_CONTACT + owner.number

    def plain_owner(self, number: int = 0) -> Owner:
        """An owner with a phone of her own and a living pet, who has no card at the booking side: the n-th such."""
        shared = [phone for owner in self.clinic.owners for phone in owner.phones]
        fitting = [
            owner
            for owner in self.clinic.owners
            if owner.active
            and not owner.online
            and owner.phones
            and owner.household is None
            and owner.duplicate_of is None
            and all(shared.count(phone) == 1 for phone in owner.phones)
            and any(not pet.deceased for pet in owner.pets)
        ]
        return fitting[number]


def call(method: str, url: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    """One JSON request; raises on anything but 2xx."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        text = response.read()
    return json.loads(text) if text.strip() else None


def until(condition: Callable[[], Any], what: str, limit: float = WAIT_LIMIT) -> Any:
    """Waits for a condition; fails with ``what`` when it does not come."""
    pause = threading.Event()
    deadline = datetime.now(UTC) + timedelta(seconds=limit)
    while datetime.now(UTC) < deadline:
        found = condition()
        if found:
            return found
        pause.wait(0.05)
    raise AssertionError(f"waited {limit:.0f} s in vain: {what}")


@contextmanager
def town(folder: Path, *, clients: int = 60, seed: int = 3, limits: str = "off", **options: Any) -> Iterator[Town]:
    """A town that lives as long as the test."""
    clinic = make_clinic(seed, clients)
    with (
        altegio.build(clients=clients, seed=seed, limits=limits, **options) as booking,
        ezyvet.build(clients=clients, seed=seed, limits=limits, **options) as pims,
    ):
        made = Town(folder, booking, pims, clinic)
        made.write_config()
        yield made


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    return new
