"""An office at a practice: the town with its two systems, VetBridge as a service, and staff who may open pages."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.system.test_daemon import COMMAND, Daemon
from tests.system.town import LEDGER_KEY, Town, town, until
from vetbridge.connector.clock import SystemClock
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.demo.stage import config_text
from vetbridge.ledger import changes, worklist
from vetbridge.ledger.database import open_ledger
from vetbridge.testing.clinic import SERVICES, Owner

PASSWORD = "quiet-otter-77-lamp"
STRANGER = "Eva Novakova"
HOSTILE = '<script>alert(1)</script> "Eva" & <b>Co</b>'
"""A name as somebody may type it into a booking form."""
UNMAPPED = SERVICES[2]
"""A service that one of the sides does not know at first."""


class Office:
    """One practice at work. Whoever signs in has ``PASSWORD``."""

    def __init__(self, place: Town) -> None:
        self.place = place
        self._daemon: Daemon | None = None

    # -- VetBridge ------------------------------------------------------------------------------------------------

    def start(self, **changes: Any) -> None:
        """Starts VetBridge with a config of its own; its ledger is the same each time."""
        self.place.write_config(pages={"port": 0}, **changes)
        self._start()

    def start_without(self, service: str) -> None:
        """The same, with a service that the PIMS's code list lacks."""
        self.place.write_config(pages={"port": 0})
        config = yaml.safe_load(self.place.config_path.read_text())
        del config["sites"]["town"]["pims"]["codes"]["appointment_type"][service]
        self.place.config_path.write_text(config_text(config))
        self._start()

    def _start(self) -> None:
        self.stop()
        (self.place.folder / "daemon.log").unlink(missing_ok=True)  # it says where the pages are this time
        self._daemon = Daemon(self.place)
        self._daemon.ready()
        until(lambda: self.place.ledger("SELECT 1 FROM account WHERE mirror_complete_at IS NOT NULL"), "the mirror")

    def stop(self) -> None:
        """Stops VetBridge, where it runs."""
        if self._daemon is not None and self._daemon.process.poll() is None:
            assert self._daemon.stop() == 0
        self._daemon = None

    @property
    def url(self) -> str:
        """Where the pages are."""
        assert self._daemon is not None
        return re.findall(r"page for reception and support: (https?://[^\s/]+)", self._daemon.log.read_text())[-1]

    def command(self, *words: object) -> Any:
        """The data of a command that must succeed."""
        line = [*COMMAND, "--config", str(self.place.config_path), *map(str, words), "--json"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["data"]

    def add_staff(self, name: str, role: str, language: str = "en") -> None:
        """Somebody who may sign in."""
        file = self.place.folder / "password.secret"
        file.write_text(PASSWORD)
        file.chmod(0o600)
        self.command("staff", "add", name, "--role", role, "--language", language, "--password-file", file)

    # -- what happens at the practice -----------------------------------------------------------------------------

    def ambiguous(self, owner: Owner, *, fullname: str = STRANGER, pet: str = "Xerxes") -> tuple[int, str]:
        """A booking by somebody else with an owner's phone: VetBridge has to ask. Returns its id and its hash.

        The owner is known and the pet is not.
        """
        before = len(self.questions())
        record, record_hash = self.place.book(fullname=fullname, phone=owner.phones[0], pet=pet)
        until(lambda: len(self.questions()) > before, "the question")
        return record, record_hash

    def failing(self, owner: Owner) -> int:
        """A booking of the service that the PIMS's list lacks: it fails. Returns its id."""
        record, _hash = self.place.book_owner(owner, service=UNMAPPED.number)
        failed = "SELECT 1 FROM change WHERE state = 'failed' AND remote_id = ?"
        until(lambda: self.place.ledger(failed, str(record)), "the failure")
        return record

    def to_type(self, number: int, *, ahead: timedelta, **asked: Any) -> int:
        """A visit that is to be typed, as a PIMS asks for it that takes no writes. Returns its line."""
        start = Instant(datetime.now(UTC).replace(second=0, microsecond=0) + ahead, self.place.clinic.zone)
        visit = {"start": start, "duration": 900, "resource": None, "remark": f"VB-{number:010} {HOSTILE}", **asked}
        with closing(open_ledger(self.place.ledger_place, LEDGER_KEY, SystemClock())) as ledger, ledger.write() as tx:
            change = changes.receive(
                tx, site="town", account="altegio", kind=Kind.APPOINTMENT, remote_id=f"typed-{number}", source="poll"
            )
            line = worklist.put(
                tx,
                change,
                account="ezyvet",
                kind=Kind.APPOINTMENT,
                remote_id="",
                task=worklist.BOOK,
                details=visit,
                visit_at=start.utc,
                labels={"client_id": "Client", "pet_id": "Patient", "start": "Date & Time", "resource": "Doctor"},
            )
            return int(line.id or 0)

    def questions(self) -> list[int]:
        """Numbers of the open questions."""
        return [number for (number,) in self.place.ledger("SELECT id FROM review WHERE state = 'open' ORDER BY id")]

    def visit(self) -> dict[str, Any]:
        """The one visit that the PIMS has."""
        (visit,) = self.place.visits()
        return dict(visit)


@contextmanager
def office(folder: Path) -> Iterator[Office]:
    """A town with VetBridge stopped; it is stopped again at the end."""
    with town(folder) as place:
        made = Office(place)
        try:
            yield made
        finally:
            made.stop()
