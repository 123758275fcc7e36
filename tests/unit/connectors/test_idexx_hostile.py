"""Whatever the data services answer is a result or a named error that names nobody: never a crash or a hang."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.idexx_data_services.connector import Idexx
from connectors.idexx_data_services.options import IdexxOptions
from connectors.idexx_data_services.simulator import CODE_LISTS
from tests.unit.connectors.odd_answers import PERSON, Liar, changes, junk, told, walk
from vetbridge.connector.http import Answer
from vetbridge.connector.interface import Native, Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

STAMPS = {"SimCreatedAt": "2026-11-22T00:00:00Z", "SimChangedAt": None}
ROWS: Mapping[str, Native] = {
    "SimClients": {
        **dict.fromkeys(("SimFirstName", "SimLastName", "SimPhone1", "SimPhone2", "SimPhone3", "SimEmail"), PERSON),
        **{"SimMembers": [], "SimNoReminders": False, "SimIsActive": True, **STAMPS},
    },
    "SimPatients": {
        **dict.fromkeys(("SimName", "SimSpecies", "SimBreed", "SimSex"), PERSON),
        **{"SimClientId": "1", "SimBirthDate": None, "SimDeathDate": None, "SimIsActive": True, **STAMPS},
        "SimOwners": [{"SimClientId": "1", "SimPercent": 60, "SimIsPrimary": True}],
    },
    "SimAppointments": {
        **dict.fromkeys(("SimClientId", "SimPatientId", "SimRoom", "SimReason", "SimStatus"), "1"),
        **{"SimStart": "2027-06-14T09:00:00Z", "SimEnd": "2027-06-14T09:15:00Z", "SimNotes": PERSON, **STAMPS},
    },
    "SimDocuments": {
        **dict.fromkeys(("SimClientId", "SimPatientId", "SimFileName", "SimNotes"), PERSON),
        **{"SimContentUrl": "https://elsewhere.example/x", **STAMPS},
    },
}
KEYS = {"SimClients": "SimClientId", "SimPatients": "SimPatientId", "SimAppointments": "SimAppointmentId"}
JUNK = junk("SimClientId", "SimPercent")
NAMES = sorted({name for row in ROWS.values() for name in row} | set(KEYS.values()))
EXAMPLE = st.fixed_dictionaries(
    {
        "rows": changes(NAMES, JUNK),
        "more": st.dictionaries(st.sampled_from(["value", "@odata.count", "@odata.nextLink"]), JUNK, max_size=1),
        "whole": st.just(...) | JUNK,
        "written": JUNK,
    }
)
MAPPER = Mapper(load_table("neutral"), zone="Europe/London", country="GB", codes=CODE_LISTS)
VISIT = {"start": "2027-06-14 10:00:00", "duration": 900, "client_id": "1", "pet_id": "1", "notes": PERSON}


def row(name: str, number: int) -> Native:
    return {**ROWS.get(name, {"SimCode": "1"}), KEYS.get(name, "SimDocumentId"): str(number)}


def account(example: Mapping[str, Any]) -> Idexx:
    def send(path: str, body: Any, **more: Any) -> Answer:
        return Answer(200, {}, example["written"])

    options = IdexxOptions(
        base_url="https://service.example",
        user=Secret.of("u"),
        password=Secret.of("p"),
        site_id="1",
        profile="rehearsal",
    )
    made = Idexx(options, Environment(account="service", zone="Europe/London", clock=FakeClock()))
    made._door.lists._read = Liar(example, row).read
    made._door.send = send  # type: ignore[method-assign]
    return made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(example=EXAMPLE, since=st.sampled_from([None, "", "2026-11-01T00:00:00+00:00"]))
def test_whatever_the_services_answer_is_a_result_or_a_named_error(
    example: Mapping[str, Any], since: str | None
) -> None:
    def write(operation: Operation, id_: str | None, native: Native) -> Callable[[Idexx], object]:
        sent = Write(operation=operation, kind=Kind.APPOINTMENT, id=id_, native=native, stamp="VB-1", key="k")
        return lambda made: made.apply(sent)

    kinds = (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT, Kind.ATTACHMENT)
    does: list[Callable[[Idexx], object]] = [
        *(partial(walk, kind, since, MAPPER) for kind in kinds),
        lambda made: [made.get(kind, "1") for kind in kinds],
        lambda made: list(made.search(Kind.PET, {"client_id": "1"})),
        lambda made: list(made.search(Kind.APPOINTMENT, {"start_from": "2027-06-14T00:00:00+00:00"})),
        lambda made: made.code_lists(),
        lambda made: list(made.content("1")),
        write(Operation.CREATE, None, VISIT),
        write(Operation.UPDATE, "1", {"start": VISIT["start"]}),
        write(Operation.CANCEL, "1", {"by": "client", "reason": PERSON}),
    ]
    assert not told(does, lambda: account(example))
