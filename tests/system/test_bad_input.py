"""Bad input: each gets a clear error that names what and where, and the booking beside it goes through."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from tests.system.test_daemon import daemon, vetbridge
from tests.system.town import HOOK_SECRET, Town, town, until
from vetbridge.cli.config import load_config
from vetbridge.cli.main import app
from vetbridge.core import notes
from vetbridge.daemon.assembly import assembled
from vetbridge.daemon.once import Outcome, pass_over
from vetbridge.ledger.database import exists
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import Row, Simulator

PLACEHOLDER = (ezyvet.PLACEHOLDER_CONTACT, ezyvet.PLACEHOLDER_ANIMAL)
NEW_PHONE = "+447912345678"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


def sync(place: Town) -> Outcome:
    """One pass, by a clock whose waits take no time."""
    clock = FakeClock(datetime.now(UTC))
    with assembled(load_config(place.config_path), command="sync", clock=clock) as program:
        return pass_over(program, patience=60.0, progress=lambda _text: None)


class Healthy:
    """A booking that nothing is wrong with."""

    def __init__(self, place: Town) -> None:
        self._place = place
        self._owner = place.plain_owner()
        self._start = place.slot()
        self.record, _hash = place.book_owner(self._owner, start=self._start)

    def visits(self) -> list[Row]:
        """Where it stands in the PIMS."""
        return [row for row in self._place.visits() if row["start_at"] == int(self._start.timestamp())]

    def went_through(self) -> bool:
        """It stands in the PIMS once, on its owner."""
        return [visit["contact_id"] for visit in self.visits()] == [self._place.contact_id(self._owner)]

    def others(self) -> list[Row]:
        """All other visits in the PIMS."""
        mine = [row["id"] for row in self.visits()]
        return [row for row in self._place.visits() if row["id"] not in mine]


@pytest.fixture
def healthy(place: Town) -> Healthy:
    return Healthy(place)


def alter(place: Town, record: int, **changes: Any) -> None:
    """Changes a record in the booking simulator's own store, past all that the vendor would check."""
    row = place.booking.store.get("record", record)
    assert row is not None
    place.booking.store.put("record", record, {**row, **changes})


def alter_card(place: Town, record: int, **changes: Any) -> None:
    """The same with the client card that a record stands on."""
    row = place.booking.store.get("record", record)
    assert row is not None
    card = place.booking.store.get("client", row["client_id"])
    assert card is not None
    place.booking.store.put("client", card["id"], {**card, **changes})


def printed(place: Town, *arguments: str) -> str:
    """What a command that reads prints, as it would reach a terminal."""
    done = CliRunner().invoke(app, ["--config", str(place.config_path), *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def answer(place: Town, *arguments: str) -> list[dict[str, Any]]:
    """The same as data."""
    data = json.loads(printed(place, *arguments, "--json"))["data"]
    listed: list[dict[str, Any]] = data["changes"] if arguments[0] == "changes" else data
    return listed


def failed(place: Town) -> list[dict[str, Any]]:
    """What `changes list --state failed` says."""
    return answer(place, "changes", "list", "--state", "failed")


def questions(place: Town) -> list[dict[str, Any]]:
    """What `review list` says."""
    return answer(place, "review", "list")


# -- the config


def test_a_wrong_key_in_the_config(place: Town) -> None:
    text = place.config_path.read_text()
    place.config_path.write_text(text.replace("  retry_first:", "  retry_frist:"))
    line = next(n for n, words in enumerate(place.config_path.read_text().splitlines(), 1) if "retry_frist" in words)

    for command in (["run"], ["config", "check"]):
        code, said, talk = vetbridge(place, *command)
        assert code == 3
        told = said + talk
        assert f"config.yaml:{line}" in told
        assert "timings.retry_frist" in told
        assert "retry_first" in told.replace("timings.retry_frist", "")
        assert "Traceback" not in told
    assert not exists(place.ledger_place)


# -- the webhook door


def test_bad_webhooks(place: Town, healthy: Healthy) -> None:
    place.write_config(accounts={"altegio": {"poll": 3600}})
    location = int(place.booking.credentials["location_id"])

    def event(**changes: Any) -> dict[str, Any]:
        named = {"company_id": location, "resource": "record", "resource_id": healthy.record, "status": "create"}
        return {**named, "data": {}, **changes}

    with daemon(place) as running:
        door = running.ready()
        until(healthy.went_through, "the first poll's booking to be written")
        hook = f"{door}/hooks/altegio"
        later = Healthy(place)
        good = json.dumps(event(resource_id=later.record)).encode()

        assert post(f"{hook}/wrong", good) == (403, "hook-secret")
        assert post(f"{hook}/%F0%9F%90%95", good) == (403, "hook-secret")
        assert post(f"{door}/hooks/altegoi/{HOOK_SECRET}", good) == (403, "hook-secret")
        assert post(f"{door}/hooks/ezyvet/{HOOK_SECRET}", good) == (403, "hook-secret")
        for body in (b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b'"text"', b"[[]]", b"null"):
            assert post(f"{hook}/{HOOK_SECRET}", body) == (400, "bad-hint")
        for wrong in (
            {"company_id": location + 1},
            {"company_id": None},
            {"resource_id": "../1"},
            {"resource_id": -1},
        ):
            assert post(f"{hook}/{HOOK_SECRET}", json.dumps(event(**wrong)).encode()) == (400, "bad-hint")
        assert post(f"{hook}/{HOOK_SECRET}", json.dumps(event(pad="x" * 5_000_000)).encode()) == (
            413,
            "hook-too-large",
        )
        assert later.visits() == []

        assert post(f"{hook}/{HOOK_SECRET}", good) == (200, None)
        until(later.went_through, "the good webhook's booking to be written")
        assert running.stop() == 0
    log = running.log.read_text()
    told = [json.loads(line) for line in log.splitlines() if '"hook.refused"' in line]
    assert {line["code"] for line in told} == {"hook-secret", "hook-too-large", "bad-hint"}
    assert {line["account"] for line in told} == {"altegio", "ezyvet", "unknown"}
    assert any("company_id is not location" in line.get("message", "") for line in told)
    assert HOOK_SECRET not in log


def test_a_webhook_of_a_thousand_events(place: Town, healthy: Healthy) -> None:
    place.write_config(accounts={"altegio": {"poll": 3600}})
    location = int(place.booking.credentials["location_id"])
    with daemon(place) as running:
        door = running.ready()
        until(healthy.went_through, "the first poll's booking to be written")
        later = Healthy(place)
        # Half of them are about a hundred records that are not there, as after a restored backup; one is good.
        ids = [*range(900_001, 900_101)] * 5 + [healthy.record] * 499 + [later.record]
        events = [
            {"company_id": location, "resource": "record", "resource_id": id_, "status": "create", "data": {}}
            for id_ in ids
        ]
        assert post(f"{door}/hooks/altegio/{HOOK_SECRET}", json.dumps(events).encode()) == (200, None)
        until(later.went_through, "the one booking among them to be written", limit=120)
        assert running.stop() == 0
    assert len(place.visits()) == 2


# -- what vendors hold


def test_an_unknown_status_code(place: Town, healthy: Healthy) -> None:
    record, _hash = place.book(fullname="Zdenka Brandnova", phone=NEW_PHONE, pet="Quirin")
    alter(place, record, attendance=77)

    outcome = sync(place)

    assert outcome.exit_code == 4
    assert outcome.states == {"done": 1, "failed": 1}
    assert healthy.went_through()
    (change,) = failed(place)
    assert change["remote_id"] == str(record)
    assert change["code"] == "mapping"
    assert "altegio" in change["message"]
    assert "'77'" in change["message"]
    assert "'status'" in change["message"]
    assert "code lists" in change["next_step"]
    text = printed(place, "changes", "list", "--state", "failed")
    assert "mapping" in text
    assert "'77'" in text


def test_a_service_that_is_not_mapped_fails_alone_and_later_goes_through(place: Town, healthy: Healthy) -> None:
    number = altegio.SERVICE_FROM + 98
    place.booking.store.insert("service", {"title": "Laser", "seconds": 1200, "_seed": 99}, id=number)
    record, _hash = place.book(fullname="Zdenka Brandnova", phone=NEW_PHONE, pet="Quirin", service=99)

    assert sync(place).states == {"done": 1, "failed": 1}

    assert healthy.went_through()
    (change,) = failed(place)
    assert change["remote_id"] == str(record)
    assert f"'{number}'" in change["message"]
    assert "'appointment_type'" in change["message"]

    codes = {"appointment_type": {"surgery": [str(altegio.SERVICE_FROM + 3), str(number)]}}
    place.write_config(sites={"town": {"booking": {"codes": codes}}})
    place.move(record, place.slot())
    assert "failed" not in sync(place).states
    assert failed(place) == []
    assert len(healthy.others()) == 1


def test_a_phone_of_letters_makes_no_client_and_asks(place: Town, healthy: Healthy) -> None:
    record, _hash = place.book(fullname="Zdenka Brandnova", phone=NEW_PHONE, pet="Quirin")
    alter_card(place, record, phone="ring my sister")
    contacts = len(place.pims.store.all("contact"))

    assert sync(place).states == {"done": 1, "review": 1}

    assert healthy.went_through()
    (visit,) = healthy.others()
    assert (visit["contact_id"], visit["animal_id"]) == PLACEHOLDER
    assert "Phone: ring my sister" in visit["description"]
    assert len(place.pims.store.all("contact")) == contacts
    (item,) = questions(place)
    assert item["remote_id"] == str(record)
    assert item["why"] == "phone-not-readable"
    assert "phone" in item["words"]
    # No owner is stored by letters: the vendor refuses that in its own words, before VetBridge hears of it.
    with pytest.raises(urllib.error.HTTPError, match="422"):
        place.altegio("POST", "/records/{location}", staff_booking(place, phone="ring my sister"))


def test_a_record_that_staff_booked_goes_through(place: Town) -> None:
    owner = place.plain_owner()
    body = staff_booking(place, phone=owner.phones[0], name=owner.given_name, surname=owner.family_name)
    body["custom_fields"] = {"pet_name": owner.pets[0].name, "pet_species": owner.pets[0].species}
    place.altegio("POST", "/records/{location}", body)

    sync(place)

    (visit,) = place.visits()
    assert visit["contact_id"] == place.contact_id(owner)


def test_a_note_of_two_megabytes_is_cut_and_says_so(place: Town, healthy: Healthy) -> None:
    owner = place.plain_owner(1)
    note = "x\x1b[31m[/VetBridge]" * 125_000
    place.book_owner(owner, comment=note)
    place.book(fullname="Eva Novakova", phone=place.plain_owner(2).phones[0], pet="Xerxes", comment=note)

    assert sync(place).states == {"done": 2, "review": 1}

    assert healthy.went_through()
    for visit in healthy.others():
        assert len(visit["description"]) <= notes.LIMIT
        assert "cut by VetBridge" in visit["description"]
        assert visit["description"].count("[/VetBridge]") == 1
        assert "\x1b" not in visit["description"]
    assert len(printed(place, "review", "list")) < 5000
    writes = place.pims.counts()["writes"]
    sync(place)
    assert place.pims.counts()["writes"] == writes


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mEvil\x9b31m\r\n\x00\x08"


def test_terminal_escapes_never_reach_a_terminal(place: Town, healthy: Healthy) -> None:
    owner = place.plain_owner(1)
    place.book(
        fullname=f"{HOSTILE} Escapova",
        phone=place.plain_owner(2).phones[0],
        pet=f"Pet{HOSTILE}",
        comment=f"note {HOSTILE}",
        species="cat",
    )
    place.book(fullname=f"Zdenka {HOSTILE} Nova", phone=NEW_PHONE, pet=f"Quirin{HOSTILE}", species=f"cat{HOSTILE}")
    place.book_owner(owner, comment=HOSTILE)

    assert sync(place).states == {"done": 3, "review": 1}

    assert healthy.went_through()
    numbers = [str(change["id"]) for change in answer(place, "changes", "list")]
    commands = [
        ["review", "list"],
        ["changes", "list"],
        ["status"],
        *(["changes", "show", number] for number in numbers),
    ]
    shown = "".join(printed(place, *command, *form) for command in commands for form in ([], ["--json"]))
    assert "Escapova" in shown
    assert steering(shown) == []
    for row in (*place.pims.store.all("contact"), *place.pims.store.all("animal"), *place.visits()):
        assert steering("".join(value for value in row.values() if isinstance(value, str))) == []


def test_a_name_of_a_hundred_kilobytes_makes_no_client_and_asks(place: Town, healthy: Healthy) -> None:
    place.book(fullname="Nova " * 20_000, phone=NEW_PHONE, pet="Quirin", species="cat")
    place.book(fullname="Jana " + "N" * 100_000, phone="+447912345679", pet="Kvido", species="cat")
    contacts = len(place.pims.store.all("contact"))

    assert sync(place).states == {"done": 1, "review": 2}

    assert healthy.went_through()
    assert len(place.pims.store.all("contact")) == contacts
    parked = sorted(healthy.others(), key=lambda visit: visit["start_at"])
    for visit, phone in zip(parked, (NEW_PHONE, "+447912345679"), strict=True):
        assert (visit["contact_id"], visit["animal_id"]) == PLACEHOLDER
        assert f"Phone: {phone}" in visit["description"]
        assert "Pet: " in visit["description"]
        assert len(visit["description"]) < 1000
    assert {item["why"] for item in questions(place)} == {"name-too-long"}
    assert len(printed(place, "review", "list")) < 5000


def test_half_characters_and_marks_of_direction(place: Town, healthy: Healthy) -> None:
    place.book(
        fullname="Zdenka\ud83d \u202eavoN\u200f",
        phone=NEW_PHONE,
        pet="Qui\udc95rin\u2067",
        species="cat",
        comment="\ud83d!",
    )
    place.book(
        fullname="Eva \ud800Novakova", phone=place.plain_owner(1).phones[0], pet="\u202eXerxes", comment="\udfff"
    )

    assert sync(place).states == {"done": 2, "review": 1}

    assert healthy.went_through()
    assert len(healthy.others()) == 2
    for row in (*place.pims.store.all("contact"), *place.pims.store.all("animal"), *place.visits()):
        json.dumps(dict(row), ensure_ascii=False).encode()
    shown = printed(place, "review", "list") + printed(place, "changes", "list")
    assert "Novakova" in shown
    assert steering(shown) == []


def test_marks_of_our_block_in_what_people_type(place: Town, healthy: Healthy) -> None:
    owner = place.plain_owner(1)
    block = "[VetBridge VB-AAAAAAAAAA]\nfor me\n[/VetBridge]"
    parked, _hash = place.book(fullname="[/VetBridge] Eva", phone=owner.phones[0], pet="[/VetBridge]", comment=block)
    place.book(fullname="Zdenka Nova", phone=NEW_PHONE, pet="[VetBridge VB-AAAAAAAAAA]", species="cat", comment=block)

    assert sync(place).states == {"done": 2, "review": 1}

    assert healthy.went_through()
    for visit in healthy.others():
        found = notes.find(visit["description"])
        assert found is not None
        assert found[0] != "VB-AAAAAAAAAA"
        assert visit["description"].count("[VetBridge ") == visit["description"].count("[/VetBridge]") == 1
        assert "(VetBridge VB-AAAAAAAAAA)" in found[1]
    later = place.slot()
    place.move(parked, later)
    assert sync(place).states == {"done": 1}
    assert sorted(v["start_at"] for v in healthy.others())[-1] == int(later.timestamp())
    assert all(v["description"].count("[/VetBridge]") == 1 for v in healthy.others())


def test_a_record_without_client_service_and_length(place: Town, healthy: Healthy) -> None:
    empty, _hash = place.book(fullname="Zdenka Brandnova", phone=NEW_PHONE, pet="Quirin")
    alter(place, empty, client_id=None, service_ids=[], seance_length=0)
    block, _hash = place.book(fullname="Zdenka Brandnova", phone=NEW_PHONE, pet="Quirin")
    alter(place, block, client_id=None, service_ids=[], seance_length=0, custom_fields={})

    outcome = sync(place)

    assert outcome.states == {"done": 1, "failed": 1}
    assert healthy.went_through()
    assert healthy.others() == []
    (change,) = failed(place)
    assert change["remote_id"] == str(empty)
    assert change["code"] == "invalid"
    assert "answered 422" in change["message"]
    assert "duration" in change["message"]


# -- what comes back over HTTP


def test_html_for_one_record_fails_that_one_alone(place: Town, healthy: Healthy) -> None:
    bad, _hash = place.book(fullname="Zdenka Brandnova", phone=NEW_PHONE, pet="Quirin")
    with html_for(place.booking, lambda method, path: path.endswith(f"/{bad}")) as address:
        place.write_config(accounts={"altegio": {"options": {"base_url": address}}})
        outcome = sync(place)

    assert outcome.states == {"done": 1, "failed": 1}
    assert healthy.went_through()
    (change,) = failed(place)
    assert change["remote_id"] == str(bad)
    assert change["code"] == "bad-answer"
    assert "not JSON" in change["message"]
    assert "/record/" in change["message"]


def test_html_for_a_list_fails_the_round_and_not_the_next(place: Town, healthy: Healthy) -> None:
    with html_for(place.booking, lambda method, path: "/records/" in path) as address:
        place.write_config(accounts={"altegio": {"options": {"base_url": address}}})
        outcome = sync(place)
        assert outcome.exit_code == 5
        assert any("altegio" in problem for problem in outcome.problems)
    place.write_config()
    assert sync(place).states == {"done": 1}
    assert healthy.went_through()


def test_html_after_a_write_is_looked_for_and_written_once(place: Town, healthy: Healthy) -> None:
    place.book(fullname="Zdenka Brandnova", phone=NEW_PHONE, pet="Quirin", species="cat")
    contacts = len(place.pims.store.all("contact"))
    with html_for(place.pims, lambda method, path: method == "POST" and "oauth" not in path, times=3) as address:
        place.write_config(accounts={"ezyvet": {"options": {"base_url": address}}})
        outcome = sync(place)

    assert outcome.states == {"done": 2}
    assert healthy.went_through()
    assert len(healthy.others()) == 1
    assert len(place.pims.store.all("contact")) == contacts + 1


# -- helpers


def staff_booking(place: Town, *, phone: str, name: str = "Zdenka", surname: str = "") -> dict[str, Any]:
    """What a back office sends to book for somebody."""
    return {
        "staff_id": altegio.STAFF_FROM,
        "services": [{"id": altegio.SERVICE_FROM}],
        "client": {"phone": phone, "name": name, "surname": surname},
        "datetime": place.slot().isoformat(),
        "seance_length": 1200,
    }


def post(url: str, body: bytes) -> tuple[int, str | None]:
    """One webhook call; returns the status and the code of a refusal."""
    request = urllib.request.Request(url, data=body, method="POST", headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["error"]


def steering(text: str) -> list[str]:
    """Characters that steer a terminal or turn the direction of text; line ends do not."""
    return [
        character
        for character in text
        if (not character.isprintable() and character not in "\n\t\u200c\u200d" and character.isascii())
        or "\x7f" <= character <= "\x9f"
        or character in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    ]


@contextmanager
def html_for(simulator: Simulator, wanted: Callable[[str, str], bool], times: int = 1000) -> Iterator[str]:
    """A door before a simulator that answers HTML to what is wanted (method, path), as a portal or a proxy does.

    A write is handed on first: it is done. Gives the base URL to ask instead of the simulator's.
    """
    inner = urlsplit(simulator.base_url)
    left = [times]

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            spoilt = left[0] > 0 and wanted(self.command, self.path.partition("?")[0])
            left[0] -= spoilt
            connection = http.client.HTTPConnection(str(inner.hostname), inner.port, timeout=20)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if spoilt:
                content = b"<!DOCTYPE html><html><body>Please log in</body></html>"
            self.send_response(200 if spoilt else answer.status)
            self.send_header("Content-Type", "text/html" if spoilt else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """No access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{inner.path}"
    finally:
        server.shutdown()
        server.server_close()
