"""`doctor` on set-ups that are broken on purpose: it names each fault, where it is, and what to do next."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from connectors.altegio.simulator import SERVICE_FROM
from connectors.ezyvet.simulator import PLACEHOLDER_CONTACT
from tests.ledgers import rows
from tests.postbox import certificate, postbox
from tests.system.town import HOOK_SECRET, LEDGER_KEY, Town, town
from vetbridge.cli.main import app
from vetbridge.daemon.lock import single_instance
from vetbridge.demo.stage import config_text
from vetbridge.desk import surroundings
from vetbridge.ledger import codelists
from vetbridge.ledger.database import open_ledger
from vetbridge.testing.clock import FakeClock

MOST_LINES = 9
"""Lines of a terminal that one fault may take with its remedy."""


class Place(Town):
    """A town with a config that tests change, and things that live as long as a test."""

    patch: pytest.MonkeyPatch

    def configure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Changes what stands in the config's file."""
        config = yaml.safe_load(self.config_path.read_text())
        change(config)
        self.config_path.write_text(config_text(config))

    def ledger_there(self) -> None:
        """There is a ledger already."""
        open_ledger(self.ledger_place, LEDGER_KEY, FakeClock(datetime.now(UTC))).close()

    def doctor(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["--config", str(self.config_path), "doctor", *arguments])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("COLUMNS", "80")
    with town(tmp_path, clients=4) as made:
        here = Place(made.folder, made.booking, made.pims, made.clinic)
        here.patch = monkeypatch
        here.configure(lambda data: data.update(alerts={"commands": {"pager": {"command": ["page-me"]}}}))
        here.altegio(
            "POST",
            "/hooks_settings/{location}",
            {"urls": [f"https://hooks.example/hooks/altegio/{HOOK_SECRET}"], "active": 1, "record": 1},
        )
        yield here


@dataclass(frozen=True)
class Broken:
    """How a set-up is broken, and the line that is expected."""

    breaks: Callable[[Place], object]
    subject: str
    name: str
    says: str
    """In its text."""
    next: str
    """In its advice."""
    exit_code: int = 3
    mark: str = "WRONG"
    besides: frozenset[str] = frozenset()
    """Other subjects that cannot be well then."""


def secret(name: str, text: str) -> Callable[[Place], object]:
    return lambda place: (place.folder / f"{name}.secret").write_text(text)


def config(change: Callable[[dict[str, Any]], object]) -> Callable[[Place], object]:
    return lambda place: place.configure(lambda data: change(data) and None)


def option(account: str, **values: Any) -> Callable[[Place], object]:
    return config(lambda data: data["accounts"][account]["options"].update(values))


def unlink(name: str) -> Callable[[Place], object]:
    return lambda place: (place.folder / name).unlink()


def renewed(place: Place) -> None:
    """The token has ended: the vendor takes another one since today."""
    place.booking.credentials = {**place.booking.credentials, "user_token": "the-renewed-one"}


def untrusted(place: Place) -> Iterator[None]:
    with postbox(pem=certificate(place.folder / "own.pem"), implicit=True) as server:
        option("ezyvet", base_url=f"https://localhost:{server.port}")(place)
        yield


def another_key(place: Place) -> None:
    place.ledger_there()
    secret("ledger.key", "another key, which this ledger was not made with")(place)


def schema(number: str) -> Callable[[Place], object]:
    def breaks(place: Place) -> None:
        place.ledger_there()
        rows(place.ledger_place, "UPDATE alembic_version SET version_num = ?", number)

    return breaks


def not_writable(place: Place) -> None:
    place.patch.setattr("os.access", lambda path, _mode: Path(path) != place.folder)


def nearly_full(place: Place) -> None:
    place.configure(lambda data: data.update(watch={"disk_megabytes": 1_000_000}))


def two_hours_off(place: Place) -> None:
    for vendor in (place.booking, place.pims):
        vendor.clock.set(datetime.now(UTC) - timedelta(hours=2))


def merged(place: Place) -> None:
    place.desk.control(
        "/merge_contacts", {"from": PLACEHOLDER_CONTACT, "into": place.contact_id(place.plain_owner())}
    )


def retitled(place: Place) -> None:
    place.ledger_there()
    ledger = open_ledger(place.ledger_place, LEDGER_KEY, FakeClock(datetime.now(UTC)))
    with ledger.write() as tx:
        codelists.keep(tx, "altegio", "appointment_type", {str(SERVICE_FROM): "What it was called"})
    ledger.close()


def taken_port(place: Place) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        place.configure(lambda data: data.update(door={"port": port}))
        yield


def silent_mail(place: Place) -> None:
    mail = {"host": "127.0.0.1", "port": 9, "security": "none", "sender": "vet@clinic.example"}
    place.configure(lambda data: data["alerts"].update(mail_server=mail))


def refusing_mail(place: Place) -> Iterator[None]:
    with postbox() as box:
        box.answer = lambda command: "535 no" if command.startswith("AUTH") else None
        mail = {"host": "127.0.0.1", "port": box.port, "security": "none", "sender": "vet@clinic.example"}
        login = {"user": "vet", "password": {"file": "ezyvet.client_secret.secret"}}
        place.configure(lambda data: data["alerts"].update(mail_server={**mail, **login}))
        yield


def at_work(place: Place) -> Iterator[None]:
    with single_instance(place.ledger_place):
        yield


def ended_certificate(place: Place) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name, day = x509.Name([]), datetime(2025, 3, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, day - timedelta(days=90), day).sign(key, SHA256())
    (place.folder / "desk.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (place.folder / "desk.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    tls = {"certificate": "desk.pem", "key": "desk.key"}
    place.configure(lambda data: data.update(pages={"port": 0, "tls": tls}))


def network_share(place: Place) -> None:
    place.patch.setattr(surroundings, "file_system_of", lambda _path: "nfs4")


LEDGER_FILE = pytest.mark.sqlite_file("a file stands in a folder of a disk")

SET_UPS: dict[str, Broken] = {
    "booking side: wrong token": Broken(
        secret("altegio.user_token", "mistyped"), "altegio", "user token", "answered 401", "credentials", 5
    ),
    "booking side: token has ended": Broken(renewed, "altegio", "user token", "answered 401", "credentials", 5),
    "booking side: wrong partner token": Broken(
        secret("altegio.partner_token", "mistyped"), "altegio", "location", "answered 401", "credentials", 5
    ),
    "PIMS: wrong secret": Broken(
        secret("ezyvet.client_secret", "mistyped"), "ezyvet", "credentials", "not taken", "credentials", 5
    ),
    "PIMS: nobody there": Broken(
        option("ezyvet", base_url="http://127.0.0.1:9"), "ezyvet", "credentials", "no connection", "base_url", 5
    ),
    "PIMS: certificate of an own CA": Broken(
        untrusted, "ezyvet", "certificate", "cannot be trusted: self-signed", "network.ca"
    ),
    "own CA's file is missing": Broken(
        config(lambda data: data.update(network={"ca": "company.pem"})),
        "config",
        "accounts",
        "company.pem cannot be read",
        "config check",
    ),
    "secret's file is missing": Broken(
        unlink("altegio.user_token.secret"),
        "config",
        "accounts.altegio.options.user_token",
        "does not exist; create it",
        "config.yaml:",
        besides=frozenset({"altegio"}),
    ),
    "secret's file is for everybody": Broken(
        lambda place: (place.folder / "altegio.user_token.secret").chmod(0o644),
        "config",
        "accounts.altegio.options.user_token",
        "run: chmod o-rwx",
        "",
        0,
        "WARN",
    ),
    "ledger key is lost": Broken(
        unlink("ledger.key.secret"), "ledger", "key", "does not exist", "config check", besides=frozenset({"config"})
    ),
    "ledger key is another": Broken(another_key, "ledger", "key", "not the one this ledger was made with", "key", 6),
    "ledger is of a newer version": Broken(
        schema("9999"), "ledger", "file", "has schema 9999, which this version does not know", "newer VetBridge", 6
    ),
    "ledger is of an older version": Broken(
        schema("0008"), "ledger", "file", "has schema 0008", "vetbridge db upgrade", 0, "WARN"
    ),
    "ledger's folder cannot be written to": Broken(
        not_writable, "ledger", "folder", "cannot be written to by this user", "VetBridge's user", 6
    ),
    "ledger is on a network share": Broken(network_share, "ledger", "file system", "network share (nfs4)", "Postgre"),
    "disk is nearly full": Broken(nearly_full, "ledger", "disk", "MB are free", "Make room on that disk", 0, "WARN"),
    "clock is two hours off": Broken(
        two_hours_off, "clock", "vendors", "is 2 hours ahead of the vendors' clocks", "Set the clock right"
    ),
    "placeholder is gone": Broken(
        config(lambda data: data["sites"]["town"]["pims"]["placeholder"].update(client="4711")),
        "town",
        "placeholder",
        "has no client 4711",
        "correct placeholder in the config",
    ),
    "placeholder was merged away": Broken(
        merged, "town", "placeholder", f"client {PLACEHOLDER_CONTACT} is inactive", "correct placeholder"
    ),
    "code is gone at the vendor": Broken(
        lambda place: place.booking.store.delete("service", SERVICE_FROM),
        "town",
        "appointment_type of altegio",
        f"the config says {SERVICE_FROM}",
        "correct codes.appointment_type",
    ),
    "code means something else now": Broken(
        retitled, "town", "appointment_type of altegio", "was called 'What it was called'", "resume town --accept"
    ),
    "zone is not the vendor's": Broken(
        config(lambda data: data["sites"]["town"].update(zone="Asia/Tokyo")),
        "altegio",
        "time zone",
        "the config's site in Asia/Tokyo",
        "Correct the one that is wrong",
        besides=frozenset({"ezyvet"}),
    ),
    "phones are hidden": Broken(
        lambda place: setattr(place.booking, "denied_rights", frozenset({"clients_phones_email_access"})),
        "altegio",
        "rights",
        "clients_phones_email_access is not given",
        "Give this right",
    ),
    "clients cannot be listed": Broken(
        lambda place: setattr(place.booking, "denied_rights", frozenset({"clients_access"})),
        "altegio",
        "clients",
        "answered 403",
        "rights to the client base",
    ),
    "webhooks go elsewhere": Broken(
        lambda place: place.booking.store.set_meta("hooks", {"urls": ["https://other.example/x"], "active": 1}),
        "altegio",
        "webhooks",
        "none of the 1 addresses",
        "Enter the door's address",
        0,
        "WARN",
    ),
    "webhooks are switched off": Broken(
        lambda place: place.booking.store.set_meta("hooks", {**place.booking.store.get_meta("hooks"), "active": 0}),
        "altegio",
        "webhooks",
        "switched off",
        "switch on records",
        0,
        "WARN",
    ),
    "port is in use": Broken(taken_port, "door", "port", "in use", "choose another door.port"),
    "page's certificate has ended": Broken(
        ended_certificate, "pages", "certificate", "ended on 2025-03-01", "renewed certificate"
    ),
    "mail server does not answer": Broken(
        silent_mail, "alerts", "mail server", "does not answer", "alerts.mail_server"
    ),
    "mail server takes no password": Broken(
        refusing_mail, "alerts", "mail server", "does not take user and password", "alerts.mail_server"
    ),
    "backup's folder is missing": Broken(
        config(lambda data: data.update(backup={"folder": "nowhere"})),
        "backup",
        "folder",
        "nowhere does not exist",
        "Make it, or correct backup.folder",
    ),
    "log's folder is missing": Broken(
        config(lambda data: data.update(log={"file": "nowhere/vetbridge.log"})),
        "log",
        "folder",
        "nowhere does not exist",
        "Make it, or correct log.file",
    ),
    "another VetBridge is at work": Broken(
        at_work, "vetbridge", "process", "a second one is refused", "stop that one first", 0, "OK"
    ),
}
ON_FILES = ("ledger is on a network share", "ledger's folder cannot be written to", "disk is nearly full")


@pytest.mark.parametrize(
    "broken",
    [pytest.param(each, id=name, marks=[LEDGER_FILE] if name in ON_FILES else []) for name, each in SET_UPS.items()],
)
def test_the_fault_is_named_with_what_to_do(place: Place, broken: Broken) -> None:
    holding = broken.breaks(place)
    if isinstance(holding, Iterator):
        next(holding)
    result = place.doctor("--json")
    assert result.exit_code == broken.exit_code, result.output
    checks = json.loads(result.stdout)["data"]["checks"]
    found = [each for each in checks if (each["subject"], each["name"]) == (broken.subject, broken.name)]
    line = next((each for each in found if broken.says in each["text"]), None)
    assert line is not None, found or checks
    assert line["mark"] == broken.mark
    assert broken.next in line["advice"]
    unwell = {each["subject"] for each in checks if each["mark"] != "OK"}
    assert unwell <= {broken.subject, *broken.besides}, "the others are well, and said to be"
    for hidden in (HOOK_SECRET, LEDGER_KEY, "mistyped", *place.booking.credentials.values()):
        assert hidden == place.booking.credentials["location_id"] or hidden not in result.stdout
    if isinstance(holding, Iterator):
        next(holding, None)


def test_a_set_up_in_good_order_has_nothing_to_say(place: Place) -> None:
    result = place.doctor("--json")
    assert result.exit_code == 0, result.output
    marks = {each["mark"] for each in json.loads(result.stdout)["data"]["checks"]}
    assert marks == {"OK"}


def test_a_fault_takes_few_lines_of_a_terminal(place: Place) -> None:
    SET_UPS["backup's folder is missing"].breaks(place)
    text = place.doctor().stdout
    block = text[text.index("WRONG") :].split("\nOK", 1)[0]
    assert "backup.folder" in block
    assert len(block.splitlines()) <= MOST_LINES
    assert max(map(len, text.splitlines())) <= 80


def test_an_older_ledger_is_left_as_it_is(place: Place) -> None:
    schema("0008")(place)
    place.doctor()
    assert rows(place.ledger_place, "SELECT version_num FROM alembic_version") == [("0008",)]
