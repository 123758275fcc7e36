"""``idexx_data_services``: visits, documents and the log as they are written, on the rehearsal over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.idexx_data_services import options as options_module
from connectors.idexx_data_services import plugin
from connectors.idexx_data_services.connector import Idexx
from connectors.idexx_data_services.options import IdexxOptions
from connectors.idexx_data_services.simulator import ODATA, Filter, IdexxSimulator, build
from tests.unit.connectors.rest_api import Asked, changed, serving
from vetbridge.connector.interface import Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import AuthFailed, BadAnswer, Refused, SlotTaken
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import Refusal
from vetbridge.testing.suite.files import Paper

SHIPPED: dict[str, Any] = yaml.safe_load(
    Path(options_module.__file__).with_name("rehearsal.yaml").read_text(encoding="utf-8")
)
VISIT = {
    "start": "2027-06-14 10:00:00",
    "duration": 900,
    "status": "Scheduled",
    "appointment_type": "Check-up",
    "resource": "Dr. Helen Marsh",
    "notes": "one",
}


@pytest.fixture
def site() -> Iterator[IdexxSimulator]:
    with build(clients=1, seed=7) as running:
        yield running


@contextmanager
def connected(
    site: IdexxSimulator,
    folder: Path,
    clock: FakeClock | None = None,
    *,
    profile: Mapping[str, Any] = SHIPPED,
    **more: Any,
) -> Iterator[Idexx]:
    path = folder / "names.yaml"
    path.write_text(yaml.safe_dump(dict(profile)), encoding="utf-8")
    secrets = {name: Secret.of(site.credentials[name]) for name in ("user", "password")}
    given = {"base_url": site.base_url, "odata_path": ODATA, "site_id": "SIM", "profile": path, **secrets, **more}
    environment = Environment(
        account="idexx-city",
        zone=site.zone,
        country="GB",
        clock=clock or FakeClock(datetime.now(UTC)),
        limit_scale=1e6,
    )
    connector = plugin.build(IdexxOptions.model_validate(given), environment)
    assert isinstance(connector, Idexx)
    yield connector
    connector.close()


def visit(
    site: IdexxSimulator, operation: Operation = Operation.CREATE, id_: str | None = None, **native: Any
) -> Write:
    """A write of a visit; a new one is of the first client's pet."""
    if operation is Operation.CREATE:
        pet = next(each for each in site.practice.pets() if not each.deceased)
        native = {**VISIT, "client_id": pet.client_id, "pet_id": pet.id, **native}
    return Write(operation=operation, kind=Kind.APPOINTMENT, id=id_, native=native, key="k")


@pytest.mark.parametrize("whole", [False, True])
def test_what_was_written_lately_counts_though_reads_do_not_show_it(
    whole: bool, site: IdexxSimulator, tmp_path: Path
) -> None:
    site.shown_after = 1800.0
    profile = changed(SHIPPED, writes__appointment__whole=whole)
    with connected(site, tmp_path, profile=profile, shown_within=1800) as connector:
        assert connector.get(Kind.CLIENT, "1001") is not None
        id_ = connector.apply(visit(site)).id
        assert connector.get(Kind.APPOINTMENT, id_) is None, "the copy that is read is older"
        connector.apply(visit(site, Operation.UPDATE, id_, notes="two"))
        connector.apply(visit(site, Operation.UPDATE, id_, start="2027-06-15 11:30:00"))
        kept = site.practice.visit(id_)
        assert (kept.notes, kept.start.isoformat(), kept.minutes) == ("two", "2027-06-15T11:30:00", 15)
        connector.apply(visit(site, Operation.CANCEL, id_, by="client", reason="better"))
        assert site.practice.visit(id_).deleted
        assert site.practice.visit(id_).notes == "two"
        site.clock.set(site.clock.now() + timedelta(seconds=1801))
        assert (connector.get(Kind.APPOINTMENT, id_) or {})["status"] == "deleted"


def test_after_that_time_only_what_reads_show_counts(site: IdexxSimulator, tmp_path: Path) -> None:
    clock = FakeClock(datetime.now(UTC))
    with connected(site, tmp_path, clock, shown_within=600) as connector:
        id_ = connector.apply(visit(site)).id
        site.practice.erase(Kind.APPOINTMENT, id_)
        clock.advance(601)
        with pytest.raises(Refused) as caught:
            connector.apply(visit(site, Operation.UPDATE, id_, notes="two"))
        assert caught.value.code == "not-found"
        assert site.practice.visits() == ()


def test_the_site_s_rules_refuse(site: IdexxSimulator, tmp_path: Path) -> None:
    pet = site.practice.register_pet(client_id="1001", name="Rex", species="dog", active=False)
    site._blocks.append(("vet_1", datetime(2027, 6, 14, 9, 0), datetime(2027, 6, 14, 12, 0)))  # noqa: DTZ001
    with connected(site, tmp_path, shown_within=0) as connector:
        with pytest.raises(SlotTaken):
            connector.apply(visit(site))
        for native in ({"pet_id": None}, {"pet_id": pet.id, "start": "2027-06-15 10:00:00"}, {"pet_id": "nobody"}):
            with pytest.raises(Refused) as caught:
                connector.apply(visit(site, **native))
            assert not isinstance(caught.value, SlotTaken)
        assert site.practice.visits() == ()


def test_a_body_has_the_profile_s_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: IdexxSimulator
) -> None:
    profile = changed(
        SHIPPED,
        times__send="local",
        writes__appointment__fields={
            **{
                name: f"Visit/{name}"
                for name in ("id", "client_id", "pet_id", "start", "end", "notes", "status", "by")
            },
            "key": "Key",
        },
        writes__appointment__always={"Visit/Source": "web", "Version": 2},
        writes__appointment__words={"by": {"client": 1, "clinic": 2}},
        writes__appointment__item="Result",
    )
    row = {
        **dict.fromkeys(("SimClientId", "SimPatientId", "SimRoom", "SimReason", "SimNotes"), "5"),
        "SimAppointmentId": "9",
        "SimStart": "2027-06-14T09:00:00Z",
        "SimEnd": "2027-06-14T09:20:00Z",
        "SimStatus": "Scheduled",
        "SimCreatedAt": "2027-01-01T00:00:00Z",
        "SimChangedAt": None,
    }
    sent: list[Asked] = []

    def answer(asked: Asked) -> Any:
        if asked.url.endswith("token"):
            return {"access_token": "real" if "rt/token" in asked.url else "batch", "expires_in": 60}
        if asked.method == "GET":
            return {"value": [row]}
        sent.append(asked)
        return {"Result": {"SimAppointmentId": 9}}

    serving(monkeypatch, answer)
    with connected(
        site, tmp_path, profile=profile, writes_url="https://real.example", writes_token_path="/rt/token"
    ) as connector:
        connector.apply(visit(site, Operation.UPDATE, "9", start="2027-06-15 11:00:00"))
        connector.apply(visit(site, Operation.CANCEL, "9", by="client", reason="x"))
        assert connector.apply(visit(site, client_id="5", pet_id="5")).id == "9"
    moved, cancelled, made = (asked.body for asked in sent)
    assert {(asked.url, asked.headers["Authorization"]) for asked in sent} == {
        ("https://real.example/api/SIM/appointments", "Bearer real")
    }
    always = {"Version": 2, "Key": "k"}
    times = {"start": "2027-06-15T11:00:00", "end": "2027-06-15T11:20:00"}
    assert moved == {**always, "Visit": {"Source": "web", "id": "9", **times}}
    assert cancelled == {**always, "Visit": {"Source": "web", "id": "9", "status": "Cancelled", "by": 1}}
    assert "id" not in made["Visit"]
    assert made["Visit"]["end"] == "2027-06-14T10:15:00"


def test_a_status_that_means_cancelled_is_only_sent_by_a_cancel(site: IdexxSimulator, tmp_path: Path) -> None:
    profile = changed(SHIPPED, writes__appointment__whole=True)
    with connected(site, tmp_path, profile=profile, shown_within=0) as connector:
        id_ = connector.apply(visit(site)).id
        for status in ("Cancelled", "deleted"):
            with pytest.raises(Refused):
                connector.apply(visit(site, Operation.UPDATE, id_, status=status))
        connector.apply(visit(site, Operation.CANCEL, id_, by="clinic", reason="x"))
        connector.apply(visit(site, Operation.UPDATE, id_, notes="two"))
        assert (site.practice.visit(id_).notes, site.practice.visit(id_).deleted) == ("two", True)
    no_word = changed(SHIPPED, writes__appointment__cancelled=None)
    with connected(site, tmp_path, profile=no_word, shown_within=0) as connector:
        assert not connector.capabilities.of(Kind.APPOINTMENT).cancel
        id_ = connector.apply(visit(site)).id
        connector.apply(visit(site, Operation.UPDATE, id_, notes="two"))
        assert site.practice.visit(id_).notes == "two"


def test_documents_come_from_addresses_that_end(site: IdexxSimulator, tmp_path: Path) -> None:
    with connected(site, tmp_path, shown_within=0) as connector:
        native = {"client_id": "1001", "name": "x.pdf", "notes": ""}
        write = Write(operation=Operation.CREATE, kind=Kind.ATTACHMENT, id=None, native=native, key="k")
        id_ = connector.apply(replace(write, content=Paper())).id
        for _ in range(2):
            site.clock.set(site.clock.now() + timedelta(seconds=3000))
            assert b"".join(connector.content(id_)) == Paper().data, "each time at a new address"


@pytest.mark.parametrize(
    "address",
    ["https://elsewhere.example/x", "http://127.0.0.1:1/x", "file:///etc/passwd", "//elsewhere.example/x", ""],
)
def test_documents_at_other_places_are_not_fetched(
    address: str, site: IdexxSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = site.practice.attach(b"%PDF", client_id="1001", name="x.pdf").id
    monkeypatch.setattr(site, "_address", lambda document: address)
    with connected(site, tmp_path) as connector:
        with pytest.raises((Refused, BadAnswer)) as caught:
            list(connector.content(id_))
        assert caught.value.code in {"download-unsafe", "unreadable"}
        assert "elsewhere" not in str(caught.value)


def test_another_site_is_no_site_of_the_login(site: IdexxSimulator, tmp_path: Path) -> None:
    with connected(site, tmp_path, site_id="OTHER") as connector, pytest.raises(AuthFailed) as caught:
        connector.apply(visit(site))
    assert caught.value.code == "right-missing"


def test_a_line_of_the_log_stands_at_the_client(site: IdexxSimulator, tmp_path: Path) -> None:
    at = Instant(datetime(2027, 6, 1, 8, 0, tzinfo=UTC), site.zone)
    with connected(site, tmp_path) as connector:
        native = {"client_id": "1001", "pet_id": None, "text": "Bella is due.", "at": at}
        connector.apply(Write(operation=Operation.LOG, kind=Kind.REMINDER, id="1001", native=native, key="k"))
    [line] = site.practice.messages()
    assert (line.client_id, line.text, line.at) == ("1001", "Bella is due.", datetime(2027, 6, 1, 9, 0))  # noqa: DTZ001


def test_ids_that_change_merges_and_purges_leave_no_trace(site: IdexxSimulator, tmp_path: Path) -> None:
    practice = site.practice
    other = practice.register_client(given_name="Bo", family_name="Vane").id
    practice.renumber("1001", "A17")
    with connected(site, tmp_path) as connector:

        def shown(kind: Kind) -> dict[str, Any]:
            return {each.id: each.native for page in connector.changes(kind, None) for each in page.records}

        assert connector.get(Kind.CLIENT, "1001") is None
        assert {native["client_id"] for native in shown(Kind.PET).values()} == {"A17"}
        practice.merge("A17", other)
        assert set(shown(Kind.CLIENT)) == {other}
        assert {native["client_id"] for native in shown(Kind.PET).values()} == {other}
        practice.purge(datetime(2030, 1, 1).date())  # noqa: DTZ001
        assert shown(Kind.CLIENT) == shown(Kind.PET) == {}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("A eq 'O''Neill' and N ge 2", True),
        ("(A eq 'x') or (not (N lt 2))", True),
        ("contains(A,'Nei')", True),
        ("T lt 2027-06-14T10:00:00Z", True),
        ("T ge 2027-06-14T10:00:00+01:00", False),
        ("Z eq null and N ne 3", True),
    ],
)
def test_the_rehearsal_filters_as_odata_says(text: str, passes: bool) -> None:
    types = {"A": "Edm.String", "N": "Edm.Int32", "T": "Edm.DateTimeOffset", "Z": "Edm.String"}
    row = {"A": "O'Neill", "N": 2, "T": "2027-06-14T08:59:00Z", "Z": None}
    assert Filter(text, types).condition()(row) is passes


@pytest.mark.parametrize(
    "text", ["N add 1 eq 3", "N eq 1 add 2", "A", "A eq", "B eq 1", "(N eq 1", "N eq 1)", "'a", "; DROP"]
)
def test_the_rehearsal_takes_no_arithmetic_and_no_nonsense(text: str) -> None:
    with pytest.raises(Refusal):
        Filter(text, {"A": "Edm.String", "N": "Edm.Int32"}).condition()
