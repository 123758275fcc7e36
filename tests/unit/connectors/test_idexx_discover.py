"""`vetbridge odata discover`: what the service says of itself, and the profile that is drafted from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import Result

from connectors.idexx_data_services import drafting, simulator
from connectors.idexx_data_services.profile import IdexxProfile
from tests.unit.connectors import one_site
from vetbridge.connector import csdl
from vetbridge.connector.csdl import EntitySet, Property
from vetbridge.connector.profiles import load_profile
from vetbridge.core.errors import BadAnswer
from vetbridge.core.records import Kind

OWN = "their-names.yaml"
CONFIG = one_site.config("idexx_data_services", dog="Canine", booked="Scheduled")


@pytest.fixture(scope="module")
def site() -> Iterator[simulator.IdexxSimulator]:
    with simulator.build(clients=12, seed=7) as running:
        yield running


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def run(folder: Path, site: simulator.IdexxSimulator, *words: str, **options: Any) -> Result:
    own = {
        "base_url": site.base_url,
        "odata_path": simulator.ODATA,
        "site_id": "SIM",
        "user": {"env": "TRY_USER"},
        "password": {"env": "TRY_PASSWORD"},
        **options,
    }
    secrets = {name: site.credentials[name] for name in ("user", "password")}
    return one_site.run(folder, CONFIG, own, secrets, *words)


def test_an_account_without_a_profile_is_described(tmp_path: Path, site: simulator.IdexxSimulator) -> None:
    done = run(tmp_path, site, "odata", "discover", "pims")
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert ["SimClients", "SimClientId", "15"] in lines
    told = run(tmp_path, site, "odata", "discover", "pims", "--json", "--set", "*client*")
    [clients] = json.loads(told.output)["data"]["sets"]
    assert {"path": "SimClientId", "type": "Edm.String", "is_key": True, "several": False} in clients["properties"]
    assert "SimMembers/SimFirstName" in [each["path"] for each in clients["properties"]]
    counts = site.counts()["requests"]
    assert not [name for name in counts if "{set}" in name], "rows were read"


def test_a_drafted_profile_reads_the_service(tmp_path: Path, site: simulator.IdexxSimulator) -> None:
    path = tmp_path / OWN
    done = run(tmp_path, site, "odata", "discover", "pims", "--draft", str(path))
    assert done.exit_code == 0, done.output
    again = run(tmp_path, site, "odata", "discover", "pims", "--draft", str(path))
    assert again.exit_code == 2
    assert "is there already" in again.output
    drafted = load_profile(IdexxProfile, path, "idexx_data_services")
    shipped = load_profile(IdexxProfile, "rehearsal", "idexx_data_services")
    for kind, rules in shipped.kinds.items():
        guessed = drafted.kinds[kind]
        assert guessed.entity == rules.entity
        named = {name: rule.column or rule.all for name, rule in guessed.fields.items()}
        wanted = {name: rule.column or rule.all for name, rule in rules.fields.items() if name != "co_owners"}
        assert named == wanted
    assert drafted.kinds[Kind.PET].owners == shipped.kinds[Kind.PET].owners
    assert drafted.codes == shipped.codes
    checked = run(tmp_path, site, "doctor", profile=OWN, writes="handed").output
    assert "11 entity sets" in checked
    path.write_text(path.read_text(encoding="utf-8").replace("SimLastName", "SimSurname"), encoding="utf-8")
    told = " ".join(run(tmp_path, site, "doctor", profile=OWN, writes="handed").output.split())
    assert "SimClients has no SimSurname" in told


def test_what_is_not_sure_is_left_to_a_person() -> None:
    both = [
        EntitySet(
            name="Clients",
            type="X.Client",
            properties=(
                Property(path="Id", type="Edm.Int32", is_key=True),
                Property(path="Surname", type="Edm.String"),
                Property(path="FamilyName", type="Edm.String"),
                Property(path="Shoe", type="Edm.String"),
                Property(path="Inactive", type="Edm.Boolean"),
            ),
        ),
        EntitySet(name="Snacks", type="X.Snack", properties=()),
    ]
    lines = [line.strip() for line in drafting.draft(both).splitlines()]
    assert "# family_name: FamilyName  # one of FamilyName (Edm.String), Surname (Edm.String)" in lines
    assert "active: {column: Inactive, negate: true}  # guess" in lines
    assert "plain: [id]  # keys that are numbers or GUIDs" in lines
    assert "# given_name: ?  # no property looks like it" in lines
    assert "# pet: no entity set looks like it" in lines
    assert not [line for line in lines if "Shoe" in line or "Snack" in line]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Sign in</body></html>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><Edmx>&b;</Edmx>',
        b"<a" * 1000,
        "<Edmx/>".encode("utf-16"),
        b"[]",
    ],
    ids=["nothing", "page", "entities", "cut", "wide", "json"],
)
def test_what_is_no_description_is_refused(content: bytes) -> None:
    with pytest.raises(BadAnswer) as caught:
        csdl.read(content, "here")
    assert caught.value.code == "no-metadata"


def test_hostile_names_are_left_out() -> None:
    content = (
        b'<Edmx><Schema Namespace="X"><EntityType Name="T" BaseType="X.T"><Property Name="Good" Type="X.T"/>'
        b'<Property Name="a&#10;b" Type="Edm.String"/></EntityType><EntityContainer Name="C">'
        b'<EntitySet Name="Fine" EntityType="X.T"/><EntitySet Name="../x" EntityType="X.T"/></EntityContainer>'
        b"</Schema></Edmx>"
    )
    [found] = csdl.read(content, "here")
    assert found.name == "Fine"
    assert all(set(each.path) <= set("Good/") for each in found.properties)


def test_accounts_without_a_description_are_named(tmp_path: Path, site: simulator.IdexxSimulator) -> None:
    assert run(tmp_path, site, "odata", "discover", "booking").exit_code == 2
    assert run(tmp_path, site, "odata", "discover", "pimz").exit_code == 2
    elsewhere = run(tmp_path, site, "odata", "discover", "pims", odata_path="/elsewhere")
    assert elsewhere.exit_code == 5
    assert "does not describe itself" in " ".join(elsewhere.output.split())
