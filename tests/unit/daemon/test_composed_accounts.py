"""An account of the config with parts: built as one connector, mapped by one mapper."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
import typer

from vetbridge.cli.one_account import cannot, connector_of
from vetbridge.config.loader import Loaded
from vetbridge.connector.composed import Composed
from vetbridge.connector.configured import read_config
from vetbridge.connector.interface import Connector
from vetbridge.core.errors import ConfigError, Unavailable
from vetbridge.core.records import Kind, Side
from vetbridge.daemon.assembly import build_mapper, connected
from vetbridge.daemon.installing.plan import setup_of
from vetbridge.desk.doctor import Mark, Remembered, check_account, check_codes, read_lists
from vetbridge.mapping import Mapper, load_table

CONFIG = """\
version: 1
ledger: {{key: {{file: ledger.key}}}}
accounts:
  shop:
    connector: altegio
    options: {{location_id: "1", partner_token: {{env: P}}, user_token: {{env: U}}}}
  clinic:
    connector: files
    options: {{folder: feed, profile: neutral, settle: 0}}
    parts:
      diary:
        connector: files
        serves: [{serves}]
{mapping}        options: {{folder: diary, profile: neutral, settle: 0}}
sites:
  city:
    name: City Vets
    zone: Europe/London
    country: GB
    booking: {{account: shop, codes: {{species: {{}}, sex: {{}}, appointment_type: {{}}, resource: {{}}}}}}
    pims: {{account: clinic, codes: {{species: {{}}, sex: {{}}, appointment_type: {{}}, resource: {{}}}}}}
"""


def practice(folder: Path, *, serves: str = "appointment", mapping: str = "") -> Loaded:
    for name, file, text in (
        ("feed", "clients.csv", "client_id,last_name,phone\n17,Hall,07700 900123\n"),
        ("feed", "patients.csv", "patient_id,client_id,name\n4,17,Rex\n"),
        (
            "diary",
            "appointments.csv",
            "appointment_id,client_id,patient_id,start,minutes\n9,17,4,2026-03-02 10:00,15\n",
        ),
    ):
        (folder / name / "in").mkdir(parents=True, exist_ok=True)
        (folder / name / "in" / file).write_text(text, encoding="utf-8")
    line = f"        mapping: {mapping}\n" if mapping else ""
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(serves=serves, mapping=line), encoding="utf-8")
    return read_config(path)


def test_an_account_with_parts_is_one_connector_that_reads_each_kind_at_its_place(tmp_path: Path) -> None:
    bare: dict[str, Connector] = {}

    def keep(name: str, connector: Connector) -> Connector:
        bare[name] = connector
        return connector

    with connected(practice(tmp_path), wrap=keep) as connectors:
        clinic = connectors["clinic"]
        ids = {
            kind: [each.id for page in clinic.changes(kind, None) for each in page.records]
            for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
        }
        assert ids == {Kind.CLIENT: ["17"], Kind.PET: ["4"], Kind.APPOINTMENT: ["9"]}
        found = bare["clinic"]
        assert isinstance(found, Composed)
        assert found.parts["diary"].capabilities.kinds.keys() == {Kind.APPOINTMENT}, "it waits for no clients' files"
        assert Kind.APPOINTMENT not in found.own.capabilities.kinds


def test_an_error_of_a_part_is_its_accounts_and_names_the_part(tmp_path: Path) -> None:
    loaded = practice(tmp_path)
    (tmp_path / "diary" / "in" / "appointments.csv").unlink()
    with connected(loaded) as connectors:
        with pytest.raises(Unavailable) as caught:
            list(connectors["clinic"].changes(Kind.APPOINTMENT, None))
        assert [page.last for page in connectors["clinic"].changes(Kind.CLIENT, None)] == [True]
    assert caught.value.account == "clinic"
    assert caught.value.message.startswith("clinic.diary: ")


def test_a_diary_whose_folder_is_away_says_so_in_every_call(tmp_path: Path) -> None:
    with connected(practice(tmp_path)) as connectors:
        (tmp_path / "diary").rename(tmp_path / "away")
        for ask in (
            lambda: connectors["clinic"].get(Kind.APPOINTMENT, "9"),
            lambda: list(connectors["clinic"].search(Kind.APPOINTMENT, {"client_id": "17"})),
        ):
            with pytest.raises(Unavailable, match=r"clinic\.diary: there is no folder .*diary; mount the share"):
                ask()


def test_a_command_about_one_connector_takes_a_part_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = practice(tmp_path)
    with connector_of("rest try", loaded, "clinic.diary", as_json=False) as found:
        assert found.capabilities.kinds.keys() == {Kind.APPOINTMENT}
    with connector_of("rest try", loaded, "clinic", as_json=False) as found:
        assert Kind.CLIENT in found.capabilities.kinds
    for name, words in (("clinic.dairy", "did you mean 'clinic.diary'?"), ("shop.diary", "no account is called")):
        with pytest.raises(typer.Exit), connector_of("rest try", loaded, name, as_json=False):
            pass
        assert words in capsys.readouterr().err
    with pytest.raises(typer.Exit):
        cannot("rest try", loaded, "clinic", "reads by no profile of an API", as_json=False)
    assert "clinic.diary" in capsys.readouterr().err


def test_doctor_asks_every_part_and_compares_their_numbers(tmp_path: Path) -> None:
    with connected(practice(tmp_path)) as connectors:
        for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT):
            list(connectors["clinic"].changes(kind, None))
        names = [line.name for line in check_account("clinic", connectors["clinic"])]
    assert any(name.startswith("files: ") for name in names)
    assert any(name.startswith("diary: ") for name in names)
    assert "diary: numbers" in names, "no visit is ahead"


def test_doctor_takes_a_code_that_no_record_has_borne_yet_for_no_mistake(tmp_path: Path) -> None:
    loaded = practice(tmp_path)
    site = loaded.config.sites["city"]
    with connected(loaded) as connectors:
        lists = {"clinic": {**read_lists(connectors["clinic"]), "resource": {}, "status": {}}}
        learnt = connectors["clinic"].capabilities.learnt_lists
    codes = {**site.pims.codes, "resource": {"vet_1": "Dr Ash"}}
    mapper = Mapper(load_table("neutral"), zone="Europe/London", country="GB", codes=codes)

    def lines(learnt: Collection[str]) -> list[tuple[Mark, str]]:
        known = Remembered(lists={}, losses={}, pauses=())
        found = check_codes("city", site, lists, lambda *_: mapper, known, learnt={"clinic": learnt})
        return [(line.mark, line.text) for line in found if "resource" in line.name]

    assert lines(learnt) == [(Mark.OK, "no record has borne these codes of the config yet: Dr Ash")]
    assert [mark for mark, _ in lines(())] == [Mark.WRONG]


def test_folders_of_parts_are_known_to_the_service(tmp_path: Path) -> None:
    assert setup_of(practice(tmp_path)).exchanged == (tmp_path / "diary", tmp_path / "feed")


def test_a_part_that_cannot_serve_its_kinds_is_a_mistake_of_the_config(tmp_path: Path) -> None:
    loaded = practice(tmp_path, serves="appointment, vaccination")
    with pytest.raises(ConfigError, match="the part diary is to serve vaccination"), connected(loaded):
        pass


def test_rules_of_each_kind_come_from_the_table_of_who_serves_it(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "mapping: own\nextends: neutral\nkinds:\n  appointment:\n    notes: {path: remarks, codec: text}\n"
        "  pet:\n    name: {path: petname, codec: text}\n",
        encoding="utf-8",
    )
    plain = practice(tmp_path)
    loaded = practice(tmp_path, mapping="own.yaml")
    site = loaded.config.sites["city"]
    mapper = build_mapper(loaded, site, Side.PIMS)
    assert mapper.table.name == "neutral+own"
    assert "remarks" in mapper.paths(Kind.APPOINTMENT)
    assert "petname" not in mapper.paths(Kind.PET)
    assert mapper.digest != build_mapper(plain, site, Side.PIMS).digest
