"""The connector ``idexx_data_services`` under the conformance suite, over HTTP on its rehearsal: its writes by the
service, and handed to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.idexx_data_services import plugin
from connectors.idexx_data_services.simulator import CODE_LISTS, ODATA, IdexxSimulator
from vetbridge.connector.interface import Operation, Write
from vetbridge.connector.secret import Secret
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.testing.practice.plain import PlainPractice
from vetbridge.testing.suite import SimulatedSubject, Subject
from vetbridge.testing.suite.faults import Faults
from vetbridge.testing.suite.files import Files
from vetbridge.testing.suite.handed import Handed
from vetbridge.testing.suite.honesty import Honesty
from vetbridge.testing.suite.hygiene import Hygiene
from vetbridge.testing.suite.identity import Identity
from vetbridge.testing.suite.logs import Logs
from vetbridge.testing.suite.once import Changing, Creating
from vetbridge.testing.suite.reading import Cursors, Paging, Reading
from vetbridge.testing.suite.searching import Searching
from vetbridge.testing.suite.services import Services
from vetbridge.testing.suite.values import Texts, Times
from vetbridge.testing.suite.visits import Cancelling, Relinking
from vetbridge.testing.suite.writing import Versions, Writing

PEOPLE = frozenset({Kind.CLIENT, Kind.PET})
CODES: Mapping[str, Mapping[str, object]] = {
    **CODE_LISTS,
    "status": {word: code for word, code in CODE_LISTS["status"].items() if word != "cancelled"},
}


class Rehearsal(SimulatedSubject):
    """Pages are short, so that a small practice has several."""

    def __init__(self, *, writes: str = "api", shown_after: float = 0.0) -> None:
        def options(credentials: Mapping[str, str]) -> dict[str, Any]:
            return {
                "user": Secret.of(credentials["user"]),
                "password": Secret.of(credentials["password"]),
                "site_id": credentials["site_id"],
                "odata_path": ODATA,
                "profile": "rehearsal",
                "writes": writes,
                "shown_within": shown_after,
            }

        super().__init__(plugin, options=options, secrets=("user", "password"), codes=CODES, clients=11)
        self.site: IdexxSimulator = self._simulator
        self.site.page_cap = 6
        self.site.shown_after = shown_after
        self.practice: PlainPractice = self.site.practice
        self.enters = PEOPLE | ({Kind.APPOINTMENT} if writes == "handed" else set())
        nobody = self.practice.register_client(given_name="", family_name="Placeholder")
        pet = self.practice.register_pet(client_id=nobody.id, name="Placeholder", species="other")
        self.placeholder = (nobody.id, pet.id)

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        """The row is gone."""
        self.practice.erase(kind, id)
        return True

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        """Staff enter what no write makes."""
        known = dict(values)
        if kind is Kind.CLIENT:
            [known["email"]] = known.pop("emails")
            return self.practice.register_client(**known).id
        if kind is Kind.PET:
            return self.practice.register_pet(**known).id
        if kind is Kind.APPOINTMENT:
            return self.practice.book(**_visit(known)).id
        if kind is Kind.REMINDER:
            return self.practice.remind(**_service(known)).id
        if kind is Kind.VACCINATION:
            known.pop("due_on")
            return self.practice.vaccinate(**_service(known)).id
        return None

    def carry_out(self, write: Write) -> str | None:
        """Staff type what the work list says."""
        if write.operation is Operation.CANCEL:
            return self.practice.cancel(str(write.id)).id
        record = self.mapper.read(
            Kind.APPOINTMENT,
            {"id": "0", "start": "2027-06-14 10:00:00", "duration": 900, "status": "Scheduled", **write.native},
        )
        names = ("client_id", "pet_id", "start", "duration", "status", "appointment_type", "resource", "notes")
        values = _visit({name: getattr(record, name) for name in names if name in write.native})
        if write.operation is Operation.CREATE:
            return self.practice.book(**values).id
        return self.practice.change_visit(str(write.id), **values).id

    def messages(self) -> int:
        """No message goes to anybody; what stands in the log was told elsewhere."""
        return int(self.site.counts()["notices"])

    def logged(self) -> int:
        return len(self.practice.messages())


def _service(values: Mapping[str, Any]) -> dict[str, Any]:
    names = {"service": "code", "name": "description"}
    return {names.get(name, name): value for name, value in values.items()}


def _visit(values: Mapping[str, Any]) -> dict[str, Any]:
    """Canonical fields as the practice keeps them."""
    kept = {name: value or "" for name, value in values.items() if name not in {"start", "duration", "status"}}
    start, status = values.get("start"), values.get("status")
    if isinstance(start, Instant):
        kept["start"] = start.at_site().replace(tzinfo=None)
    if values.get("duration"):
        kept["minutes"] = values["duration"] // 60
    if isinstance(status, AppointmentStatus):
        kept["status"] = status.value
    return kept


class TestIdexx(
    Identity,
    Reading,
    Paging,
    Cursors,
    Searching,
    Writing,
    Versions,
    Cancelling,
    Relinking,
    Times,
    Texts,
    Creating,
    Changing,
    Files,
    Services,
    Logs,
    Faults,
    Honesty,
    Hygiene,
):
    """Webhooks and cards of clients there are none; how walks are taken up is the same as VetData's."""

    not_kept: ClassVar[Mapping[Kind, frozenset[str]]] = {Kind.APPOINTMENT: frozenset({"cancel_reason"})}

    def make(self) -> Subject:
        return Rehearsal()


class TestIdexxHanded(Handed, Honesty):
    """What differs where the service is only read."""

    not_kept = TestIdexx.not_kept

    def make(self) -> Subject:
        return Rehearsal(writes="handed")


class TestIdexxThatFollows(Services):
    """Reads come from a copy that is up to half an hour old."""

    def make(self) -> Subject:
        return Rehearsal(shown_after=1800.0)
