"""A whole small town for system tests: both simulators on real sockets, and a config that points at them."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from tests.ledgers import ledger_part, ledger_place, rows
from vetbridge.demo.stage import config_text
from vetbridge.ledger.database import Place
from vetbridge.testing.clinic import SERVICES, STAFF, Clinic, Owner, make_clinic
from vetbridge.testing.simkit import Row, Simulator

HOOK_SECRET = "a-hook-secret-of-the-tests"
LEDGER_KEY = "a-ledger-key-of-the-tests-0123456789"
WAIT_LIMIT = 60.0
BY_CLIENT, BY_CLINIC = 2, 3
"""The PIMS's numbers of who cancelled."""

WEBHOOKS_ONLY: dict[str, Any] = {
    "accounts": {
        "altegio": {"poll": 3600},
        "ezyvet": {"hook_secret": {"file": "hook.secret.secret"}},
    },
    "timings": {"pims_refresh": 3600},
}
"""Changes of the config with which hints come by webhook; polls run at the start, and then hardly ever."""
POLLS_ONLY: dict[str, Any] = {"accounts": {"altegio": {"poll": 1}}, "timings": {"pims_refresh": 1}}
"""Changes of the config with which hints come by polls; no webhook address is set at any vendor."""


class Seen(NamedTuple):
    """A visit as one side's store holds it, in words that both sides share."""

    start: int
    """Unix seconds."""
    vet: int
    service: int
    stands: bool
    """Neither cancelled nor deleted."""


class Town:
    """Two simulators, one clinic, one config."""

    def __init__(self, folder: Path, booking: Simulator, pims: Simulator, clinic: Clinic) -> None:
        self.folder = folder
        self.booking = booking
        self.pims = pims
        self.clinic = clinic
        self.config_path = folder / "config.yaml"
        self._slots = 0

    @property
    def ledger_place(self) -> Place:
        """Where its ledger is."""
        return ledger_place(self.folder)

    @property
    def desk(self) -> Desk:
        """Staff of the practice."""
        return Desk(self)

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
            "ledger": ledger_part(self.folder, key={"file": "ledger.key.secret"}),
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
                        "cancellation_reasons": {"client": BY_CLIENT, "clinic": BY_CLINIC},
                        "block_types": [str(ezyvet.BLOCK_TYPE)],
                        "new_pet": {"sex_id": "5"},
                    },
                },
            },
            "sites": {
                "town": {
                    "name": "Town Vets",
                    "zone": self.clinic.zone,
                    "country": self.clinic.country,
                    "start": "live",
                    "first_days": {"days": 0},
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
        self.config_path.write_text(config_text(config))
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
        remind: int = 0,
    ) -> tuple[int, str]:
        """Books through the widget; returns the record's id and its hash. ``remind``: hours before, by SMS."""
        moment = start or self.slot()
        answer = self.altegio(
            "POST",
            "/book_record/{location}",
            {
                "phone": phone,
                "fullname": fullname,
                "email": email,
                "comment": comment,
                "notify_by_sms": remind,
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

    def set_attendance(self, record: int, attendance: int) -> None:
        """Staff of the booking side set how a visit stands: 2 confirmed, 1 came, 0 waiting, -1 did not come."""
        row = self.altegio("GET", f"/record/{{location}}/{record}", None)["data"]
        names = ("staff_id", "client", "datetime", "seance_length", "comment", "custom_fields", "api_id")
        body = {name: row[name] for name in names} | {"services": [{"id": each["id"]} for each in row["services"]]}
        self.altegio(
            "PUT", f"/record/{{location}}/{record}", {**body, "attendance": attendance, "save_if_busy": True}
        )

    def send_webhooks_to(self, door: str) -> None:
        """Sets where both vendors post their webhooks."""
        self.altegio(
            "POST",
            "/hooks_settings/{location}",
            {"urls": [f"{door}/hooks/altegio/{HOOK_SECRET}"], "active": 1, "record": 1, "client": 1},
        )
        self.desk.control("/webhooks", {"urls": [f"{door}/hooks/ezyvet/{HOOK_SECRET}"]})

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

    def visit(self, number: int) -> Row:
        """One visit in the PIMS."""
        return self.pims.store.get("appointment", number) or {}

    def record(self, number: int) -> Row:
        """One record at the booking side."""
        return self.booking.store.get("record", number) or {}

    def booked(self) -> list[Seen]:
        """Everything in the booking side's diary, in order."""
        return sorted(
            Seen(
                start=row["_start"],
                vet=row["staff_id"] - altegio.STAFF_FROM + 1,
                service=row["service_ids"][0] - altegio.SERVICE_FROM + 1,
                stands=not row["deleted"],
            )
            for row in self.booking.store.all("record")
        )

    def standing(self) -> list[Seen]:
        """Everything in the PIMS's diary but calendar blocks, in order."""
        vets = {number: member.number for member in STAFF for number in [ezyvet.CODE_LISTS["resource"][member.code]]}
        services = {ezyvet.CODE_LISTS["appointment_type"][each.code]: each.number for each in SERVICES}
        return sorted(
            Seen(
                start=row["start_at"],
                vet=vets[row["resources"][0]["id"]],
                service=services[row["type_id"]],
                stands=row["active"],
            )
            for row in self.visits()
            if row["type_id"] != ezyvet.BLOCK_TYPE
        )

    def notices(self) -> int:
        """Messages to owners that writes of staff and of VetBridge would have caused."""
        return int(self.booking.counts()["notices"]) + int(self.pims.counts()["notices"])

    def quiet(self) -> bool:
        """No webhook is under way, and VetBridge has nothing left to work on."""
        waiting = [side.counts()["webhooks"]["waiting"] for side in (self.booking, self.pims)]
        return not any(waiting) and self.ledger("SELECT count(*) FROM change WHERE settled_at IS NULL") == [(0,)]

    def ledger(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query of the ledger finds; nothing where there is no ledger yet."""
        return rows(self.ledger_place, query, *values)

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


class Desk:
    """The front desk: staff who work in the PIMS over the vendor's API, and its control door for what that lacks."""

    def __init__(self, place: Town) -> None:
        self._place = place

    def make(
        self,
        contact: int,
        animal: int,
        start: datetime,
        *,
        service: int = 1,
        vet: int = 1,
        notes: str = "",
        **fields: Any,
    ) -> int:
        """Makes a visit; returns its id."""
        body = {
            "start_at": int(start.timestamp()),
            "duration": SERVICES[service - 1].minutes * 60,
            "type_id": ezyvet.CODE_LISTS["appointment_type"][SERVICES[service - 1].code],
            "status_id": ezyvet.CODE_LISTS["status"]["booked"],
            "contact_id": contact,
            "animal_id": animal,
            "description": notes,
            "resources": [{"id": ezyvet.CODE_LISTS["resource"][STAFF[vet - 1].code]}],
            **fields,
        }
        return int(self._api("POST", "/v2/appointment", body)["items"][0]["appointment"]["id"])

    def make_for(self, owner: Owner, start: datetime, **changes: Any) -> int:
        """Makes a visit for an owner and its first living pet."""
        pet = next(pet for pet in owner.pets if not pet.deceased)
        return self.make(ezyvet.FIRST_CONTACT + owner.number, ezyvet.FIRST_ANIMAL + pet.number, start, **changes)

    def move(self, visit: int, start: datetime) -> None:
        """Moves a visit."""
        self._change(visit, start_at=int(start.timestamp()))

    def set_status(self, visit: int, word: str) -> None:
        """Sets a visit's status, by VetBridge's word for it."""
        self._change(visit, status_id=ezyvet.CODE_LISTS["status"][word])

    def note(self, visit: int, line: str) -> None:
        """Writes a line below a visit's notes."""
        self._change(visit, description=f"{self._place.visit(visit)['description']}\n{line}")

    def cancel(self, visit: int, words: str = "the vet is ill") -> None:
        """Cancels a visit on the clinic's part."""
        self._change(visit, cancel=True, cancellation_reason=BY_CLINIC, cancellation_reason_text=words)

    def put_on(self, visit: int, contact: int, animal: int) -> None:
        """Gives a visit to a client and pet by hand, which no fault of the API hinders."""
        self.edit("appointment", visit, contact_id=contact, animal_id=animal)

    def register(self, contact: int, name: str) -> int:
        """A new animal of a contact; returns its id."""
        sex = ezyvet.CODE_LISTS["sex"]["unknown"]
        body = {"contact_id": contact, "name": name, "species_id": ezyvet.CODE_LISTS["species"]["dog"], "sex_id": sex}
        return int(self._api("POST", "/v1/animal", body)["items"][0]["animal"]["id"])

    def edit(self, kind: str, number: int, **values: Any) -> None:
        """Sets fields of a contact, an animal or a visit as they are given."""
        self.control("/edit", {"kind": kind, "id": number, "set": values})

    def purge(self, visit: int) -> None:
        """A visit is gone without a trace."""
        self.control("/purge", {"kind": "appointment", "id": visit})

    def control(self, path: str, body: Any) -> Any:
        """One call at the PIMS simulator's control door."""
        return call("POST", f"{self._place.pims.control_url}{path}", body)

    def _change(self, visit: int, **values: Any) -> None:
        self._api("PATCH", f"/v2/appointment/{visit}", values, {"Content-Type": ezyvet.MERGE_PATCH})

    def _api(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        pims = self._place.pims
        asked = {"grant_type": "client_credentials", "scope": "write-appointment,write-animal"}
        token = call("POST", f"{pims.base_url}/v1/oauth/access_token", {**pims.credentials, **asked})["access_token"]
        return call(method, f"{pims.base_url}{path}", body, {"Authorization": f"Bearer {token}", **(headers or {})})


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


def soon(shown: Callable[[], Any], wanted: Any, limit: float = WAIT_LIMIT) -> None:
    """Waits until what is shown is what is wanted; fails with both when it does not come."""
    pause = threading.Event()
    deadline = datetime.now(UTC) + timedelta(seconds=limit)
    while shown() != wanted and datetime.now(UTC) < deadline:
        pause.wait(0.05)
    last = shown()
    assert last == wanted, f"still {last} instead of {wanted} after {limit:g} s"


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
