"""Nothing personal leaves VetBridge: values planted at both sides are searched for wherever it speaks.

A pass over both sides, with failures, questions and hostile texts; then logs, what commands print, health, metrics,
events, webhooks, mails and every byte of the bundle for support are searched for them, and for every secret.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from tests.ledgers import rows
from tests.postbox import Postbox, postbox
from tests.system.town import LEDGER_KEY, Town, town
from vetbridge.cli.config import load_config
from vetbridge.cli.log import set_up
from vetbridge.cli.main import app
from vetbridge.connector.http import Caller
from vetbridge.daemon.assembly import assembled
from vetbridge.daemon.once import pass_over
from vetbridge.daemon.service import Service
from vetbridge.testing.clock import FakeClock
from vetbridge.web import door

PLANTED = {
    "family name": "Quixelwitz",
    "given name": "Zvonimira",
    "family name of a stranger": "Brandwyckx",
    "phone": "7912654321",
    "phone of a stranger": "7912654987",
    "shared phone": "7912777111",
    "mail": "quixel.z@posteo.example",
    "pet": "Wuffelino",
    "pet of a stranger": "Miezokatz",
    "note": "bissig-seit-ostern",
    "note of the desk": "zahlt-nie-puenktlich",
    "hostile": "Ownedxyz",
    "street": "Gaensemarktgasse",
    "species": "Drachenwelpe",
}
"""Texts that stand nowhere else. Phones without their country and trunk codes, however they are written."""
HOOK_CALL = "hook-secret-of-the-receiver-0123456789"
MAIL_LOGIN = "mail-secret-of-the-server-0123456789"
SPOKEN = ("status", "changes list", "links list", "alerts list", "quality list", "doctor", "worklist list --json")
"""Commands whose output may be pasted anywhere: ids and codes alone."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path, clients=20) as made:
        yield made
    structlog.reset_defaults()


def plant(place: Town) -> None:
    """Puts the values at both sides, in an owner who is known, one who is not, and two who share a phone."""
    owner = place.plain_owner()
    pims, desk = place.pims.store, place.desk
    contact = place.contact_id(owner)
    desk.edit("contact", contact, first_name=PLANTED["given name"], last_name=PLANTED["family name"])
    (animal, *_) = [row["id"] for row in pims.find("animal", contact_id=contact)]
    desk.edit("animal", animal, name=PLANTED["pet"])
    known = {
        "fullname": f"{PLANTED['given name']} {PLANTED['family name']}",
        "phone": owner.phones[0],
        "email": PLANTED["mail"],
        "pet": PLANTED["pet"],
    }
    place.book(**known, comment=f"{PLANTED['note']}, call 0{PLANTED['phone']}")
    # A stranger, whose species nobody knows, and one who takes the reader's terminal over.
    stranger = f"Tom {PLANTED['family name of a stranger']}"
    phone = f"+44{PLANTED['phone of a stranger']}"
    place.book(fullname=stranger, phone=phone, pet=PLANTED["pet of a stranger"], species=PLANTED["species"])
    hostile = f"\x1b]0;{PLANTED['hostile']}\x07 =cmd|'{PLANTED['hostile']}'!A1"
    place.book(fullname=hostile, phone="+447912000111", pet=PLANTED["pet of a stranger"], comment=hostile)
    # Of two who share a phone a person is asked.
    for number in (1, 2):
        other = place.contact_id(place.plain_owner(number))
        (detail, *_) = [row["id"] for row in pims.find("contactdetail", contact_id=other)]
        desk.edit("contactdetail", detail, value=f"0{PLANTED['shared phone']}")
    place.book(fullname="A Shared", phone=f"+44{PLANTED['shared phone']}", pet=PLANTED["pet"])
    desk.make(contact, animal, place.slot(), notes=f"{PLANTED['note of the desk']} {PLANTED['street']}")
    # A visit that no mapping knows: it fails, and the failure is told.
    place.booking.store.insert("service", {"title": "Something new", "seconds": 900}, id=799)
    record, _ = place.book(**known)
    row = place.booking.store.get("record", record)
    assert row is not None
    place.booking.store.put("record", record, {**row, "service_ids": [799]})


def configured(place: Town, box: Postbox) -> None:
    told = place.folder / "told"
    keep = f"import sys; open({str(told)!r}, 'ab').write(sys.stdin.buffer.read())"
    for name, text in (("hook-call", HOOK_CALL), ("mail-login", MAIL_LOGIN)):
        (place.folder / name).write_text(text)
        (place.folder / name).chmod(0o600)
    box.password = MAIL_LOGIN
    place.write_config(
        log={"level": "debug", "format": "json", "file": "vetbridge.log"},
        webhooks={"helpdesk": {"url": "http://127.0.0.1:9/", "secret": {"file": "hook-call"}}},
        alerts={
            "mail_server": {
                "host": "127.0.0.1",
                "port": box.port,
                "security": "none",
                "sender": "vetbridge@clinic.example",
                "user": "vetbridge",
                "password": {"file": "mail-login"},
            },
            "mails": {"it": {"to": ["it@clinic.example"]}},
            "commands": {"pager": {"command": [sys.executable, "-c", keep]}},
        },
    )


def run(place: Town) -> dict[str, str]:
    """What a daemon does in some hours, with faults in between; returns what its door answers."""
    loaded = load_config(place.config_path)
    log = loaded.config.log
    set_up(log.level, log.format, file=log.file)
    clock = FakeClock(datetime.now(UTC))
    with assembled(loaded, command="run", clock=clock) as program:
        service = Service(program)
        for rates in ({"cut_json": 0.3, "5xx_after": 0.5, "missing_fields": 0.2}, {}):
            for side in (place.booking, place.pims):
                side.faults.set(dict.fromkeys(side.faults.rates, 0.0) | rates)
            pass_over(program, patience=30.0, progress=lambda _words: None)
            for _ in range(2):
                clock.advance(timedelta(minutes=5).total_seconds())
                for job in service.jobs():
                    job.work()
        web = TestClient(door.build(program, wake=lambda: None, health=service.health, look=service.look))
        said = {path: web.get(path).text for path in ("/health", "/health/live", "/health/ready", "/metrics")}
        for body in (b"{", json.dumps({"resource": PLANTED["hostile"], "data": PLANTED["phone"]}).encode()):
            said[f"hook {len(body)}"] = web.post(f"/hooks/altegio/{PLANTED['note']}", content=body).text
    return said


def spoken(place: Town) -> dict[str, str]:
    """What commands print, on standard output where that holds ids alone, and on standard error in any case."""
    found = {}
    for words in (*SPOKEN, "review list", f"find 0{PLANTED['phone']}", f"changes show {PLANTED['pet']}"):
        result = CliRunner().invoke(app, ["--config", str(place.config_path), *words.split(" ")])
        found[words] = result.stderr + (result.stdout if words in SPOKEN else "")
    number = rows(place.ledger_place, "SELECT min(id) FROM change")[0][0]
    for words in (f"changes show {number}", f"changes trace {number} --json"):
        found[words] = CliRunner().invoke(app, ["--config", str(place.config_path), *words.split(" ")]).output
    return found


def bundle(place: Town) -> dict[str, str]:
    target = place.folder / "report.zip"
    result = CliRunner().invoke(app, ["--config", str(place.config_path), "report", "--to", str(target)])
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(target) as archive:
        files = {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}
    assert "log.txt" in files
    assert json.loads(files["failures.json"])
    return files


def test_no_planted_value_and_no_secret_is_told(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bytes] = []

    def post(_self: Caller, url: str, content: bytes, headers: Any) -> int:
        called.append(url.encode() + b" " + content + repr(dict(headers)).encode())
        return 200

    monkeypatch.setattr(Caller, "post", post)
    with postbox() as box:
        configured(place, box)
        plant(place)
        said = run(place)
        said |= spoken(place)
        said |= {f"bundle {name}": text for name, text in bundle(place).items()}
        said["mails"] = "\n".join(
            f"{taken.raw.decode()}\n{taken.mail['subject']}\n{taken.text}" for taken in box.taken
        )
    said["log"] = (place.folder / "vetbridge.log").read_text(encoding="utf-8", errors="replace")
    said["commands"] = (place.folder / "told").read_text()
    said["webhooks"] = b"\n".join(called).decode("utf-8", "replace")
    ids_alone = "SELECT * FROM {}"
    for table in ("event", "delivery", "audit", "access", "episode", "change", "attempt"):
        said[f"table {table}"] = repr(rows(place.ledger_place, ids_alone.format(table)))

    # What is searched is there at all: a run in which nothing happened would prove nothing.
    states = dict(rows(place.ledger_place, "SELECT state, count(*) FROM change GROUP BY state"))
    assert {"done", "failed", "review"} <= set(states)
    assert said["mails"].strip()
    assert said["commands"].strip()
    assert said["webhooks"].strip()
    assert "vetbridge_" in said["/metrics"]
    assert len(said["log"].splitlines()) > 20

    secrets = {"ledger key": LEDGER_KEY, "hook call": HOOK_CALL, "mail login": MAIL_LOGIN}
    for side in (place.booking, place.pims):
        secrets |= {name: text for name, text in side.credentials.items() if name != "location_id"}
    leaked = [f"{what} in {where}" for where, text in said.items() for what in found({**PLANTED, **secrets}, text)]
    assert leaked == []


def found(values: dict[str, str], text: str) -> list[str]:
    """Which of the values stand in a text; phones however they are written."""
    plain = text.casefold()
    squeezed = re.sub(r"[\s()./-]", "", plain)
    return [what for what, value in values.items() if value.casefold() in (squeezed if value.isdigit() else plain)]


def test_the_search_finds_what_is_there() -> None:
    assert found({"phone": "7912654321", "name": "Quix", "mail": "a@b.example"}, "QUIX +44 (7912) 654-321") == [
        "phone",
        "name",
    ]
