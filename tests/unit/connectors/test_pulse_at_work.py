"""Pulse, AVImark and Cornerstone as their rehearsals are reached: by each way, with its parts, as one account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import resources
from pathlib import Path

import pytest

from tests.unit.connectors.plain_houses import PIMS, house, started
from vetbridge.config.loader import Loaded
from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Way, WayPart, plugin, systems
from vetbridge.core.records import Appointment, Client, Kind, Pet, Record, Side
from vetbridge.daemon.assembly import build_mapper, connected
from vetbridge.testing.practice.simulator import PlainSimulator

NAMES = ("pulse", "avimark", "cornerstone")


def served(way: Way) -> tuple[Way | WayPart, ...]:
    return (way, *way.parts.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_way_names_options_that_its_connectors_have(name: str) -> None:
    system = systems()[name]
    assert system.ways
    assert system.ask_vendor
    for way in system.ways:
        for each in served(way):
            options = plugin(each.connector).options.model_fields
            assert {*each.sets, *each.asks} <= options.keys()
            if each.profile:
                assert (resources.files(system.package) / each.profile).is_file()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], PlainSimulator]]:
    made: list[PlainSimulator] = []

    def begin(name: str) -> PlainSimulator:
        made.append(started(name, tmp_path, clients=30))
        return made[-1]

    yield begin
    for simulator in made:
        simulator.stop()


def canonical(connector: Connector, config: Loaded, kind: Kind) -> dict[str, Record]:
    mapper = build_mapper(config, config.config.sites["city"], Side.PIMS)
    return {
        found.id: mapper.read(kind, found.native)
        for page in connector.changes(kind, None)
        for found in page.records
        if found.native is not None
    }


def test_pulse_shows_people_by_the_feed_and_the_diary_by_files_as_one_practice(
    start: Callable[[str], PlainSimulator], tmp_path: Path
) -> None:
    simulator = start("pulse")
    practice = simulator.practice
    tomorrow = practice.today().replace(hour=9, minute=0, second=0) + timedelta(days=1)
    practice.share("5001", "1005", 40)
    visits = [practice.book(pet_id=pet, start=tomorrow, minutes=20, resource="vet_3") for pet in ("5001", "5002")]
    called_off = practice.cancel(practice.book(pet_id="5003", start=tomorrow).id)
    practice.vaccinate(pet_id="5001", code="RABIES", description="Rabies vaccination")
    simulator.exporter.export()
    config = house(simulator, tmp_path, "pulse", "vetdata")
    with connected(config) as connectors:
        clinic = connectors[PIMS]
        clients = canonical(clinic, config, Kind.CLIENT)
        assert clients.keys() == {one.id for one in practice.clients()}
        assert all(isinstance(one, Client) for one in clients.values())
        pets = canonical(clinic, config, Kind.PET)
        assert {(one.id, one.client_id, one.species, one.sex) for one in practice.pets()} == {
            (id_, one.client_id, one.species, one.sex) for id_, one in pets.items() if isinstance(one, Pet)
        }
        shared = pets["5001"]
        assert isinstance(shared, Pet)
        assert shared.co_owner_ids == ("1005",)
        diary = canonical(clinic, config, Kind.APPOINTMENT)
        assert diary.keys() == {one.id for one in (*visits, called_off)}
        said = diary[visits[0].id]
        assert isinstance(said, Appointment)
        assert (said.client_id, said.pet_id, said.resource, said.duration) == ("1001", "5001", "vet_3", 1200)
        cancelled = diary[called_off.id]
        assert isinstance(cancelled, Appointment)
        assert cancelled.status == "cancelled"
        [given] = canonical(clinic, config, Kind.VACCINATION).values()
        assert str(getattr(given, "due_on", "")) == str(practice.today().date() + timedelta(days=365))
        report = clinic.check()
        assert report.ok, [line for line in report.lines if not line.ok]
        assert any("numbers of client" in line.name for line in report.lines)


@pytest.mark.parametrize(
    ("name", "way"),
    [("avimark", "vetdata"), ("avimark", "files"), ("cornerstone", "idexx_data_services"), ("cornerstone", "files")],
)
def test_every_rehearsed_way_reads_the_same_practice(
    start: Callable[[str], PlainSimulator], tmp_path: Path, name: str, way: str
) -> None:
    simulator = start(name)
    practice = simulator.practice
    tomorrow = practice.today().replace(hour=9, minute=0, second=0) + timedelta(days=1)
    visit = practice.book(pet_id="5001", start=tomorrow, minutes=20, resource="vet_3")
    practice.remind(pet_id="5001", code="RABIES", description="Rabies", due_on=tomorrow.date())
    simulator.exporter.export()
    config = house(simulator, tmp_path, name, way)
    with connected(config) as connectors:
        clinic = connectors[PIMS]
        assert canonical(clinic, config, Kind.CLIENT).keys() == {one.id for one in practice.clients()}
        assert canonical(clinic, config, Kind.PET).keys() == {one.id for one in practice.pets()}
        said = canonical(clinic, config, Kind.APPOINTMENT)[visit.id]
        assert isinstance(said, Appointment)
        assert (said.client_id, said.pet_id, said.resource) == ("1001", "5001", "vet_3")
        assert len(canonical(clinic, config, Kind.REMINDER)) == 1
        assert clinic.check().ok
