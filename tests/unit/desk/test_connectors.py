"""`vetbridge connectors list`: needs no config, tells what is declared, and outlives a connector that is broken."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import vetbridge.connector.plugin as finding
from vetbridge.cli.main import app
from vetbridge.config.models import Config
from vetbridge.connector.interface import ExactlyOnce, Unlinked
from vetbridge.connector.plugin import GROUP, SYSTEMS, Options, Plugin, plugin, plugins, systems
from vetbridge.core.records import Kind
from vetbridge.desk import connectors
from vetbridge.desk.connectors import listing, routes
from vetbridge.testing.memory import MemorySide, memory_capabilities, redeclared

SILENT = Plugin(
    name="silent", title="S\x1b[2Jilent", options=Options, build=lambda *_: MemorySide(), mapping="memory"
)
KEYED = Plugin(
    name="keyed",
    title="Keyed",
    options=Options,
    build=lambda *_: MemorySide(),
    mapping="memory",
    declares=lambda: redeclared(
        memory_capabilities(
            create=ExactlyOnce.IDEMPOTENCY_KEY, changed=ExactlyOnce.CONDITIONAL, unlinked=Unlinked.PLACEHOLDER
        ),
        Kind.CLIENT,
        create=None,
        update=frozenset(),
    ),
)
BROKEN = 1
"""What an entry point may name by mistake."""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VETBRIDGE_CONFIG", raising=False)
    return tmp_path


def installed(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    points = EntryPoints([EntryPoint(name=name, value=value, group=GROUP) for name, value in values.items()])
    for module in (finding, connectors):
        monkeypatch.setattr(module, "entry_points", lambda group: points.select(group=group))


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "80"}, catch_exceptions=False)


def answer(*words: str) -> dict[str, Any]:
    done = run(*words, "--json")
    assert done.exit_code == 0
    envelope: dict[str, Any] = json.loads(done.stdout)
    assert envelope["schema"] == 1
    assert envelope["command"] == "connectors list"
    return envelope


@pytest.mark.usefixtures("elsewhere")
def test_all_that_is_installed_is_told_without_a_config() -> None:
    envelope = answer("connectors", "list")
    assert envelope["problems"] == []
    assert [each["name"] for each in envelope["data"]] == sorted(plugins())
    for each in envelope["data"]:
        shipped = plugin(each["name"])
        assert shipped.declares is not None
        can = shipped.declares()
        assert (each["side"], each["proven"], each["accounts"]) == (can.side, can.proven, [])
        assert each["needs_vendor"] == list(can.needs_vendor)
        assert [kind["kind"] for kind in each["kinds"]] == [kind for kind in Kind if kind in can.kinds]
        assert [budget["name"] for budget in each["budgets"]] == [budget.name for budget in can.budgets]
        for kind in each["kinds"]:
            of = can.of(Kind(kind["kind"]))
            assert kind["create_once"] == of.create
            assert kind["update"] == sorted(of.update)
            assert kind["handed"] == sorted(of.handed)
            assert kind["loss"] == dict(of.loss)
            assert (kind["unlinked"] is None) == (kind["kind"] != "appointment")


@pytest.mark.parametrize("name", sorted(plugins()))
def test_the_shipped_connectors_declare_what_they_can_do(name: str) -> None:
    declares = plugin(name).declares
    assert declares is not None
    can = declares()
    assert can.proven
    assert can.needs_vendor or can.proven.startswith("verified")
    assert can.kinds
    assert can.of(Kind.APPOINTMENT).cancel or Kind.APPOINTMENT not in can.kinds, "a feed may show no diary"


def test_levels_abilities_and_losses(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, keyed=f"{__name__}:KEYED")
    (each,) = answer("connectors", "list")["data"]
    client, pet, visit, *_ = each["kinds"]
    assert (client["create"], client["create_once"], client["changed_once"]) == (False, None, None)
    assert (pet["create_once"], pet["changed_once"]) == ("idempotency-key", "conditional")
    assert (visit["unlinked"], visit["relink"]) == ("placeholder", "yes")
    text = run("connectors", "list").stdout
    assert "create: idempotency-key" in text
    assert "site's placeholder" in text
    assert not list(elsewhere.iterdir())


@pytest.mark.usefixtures("elsewhere")
def test_files_and_messages_are_told() -> None:
    kinds = {kind["kind"]: kind for kind in answer("connectors", "list")["data"][0]["kinds"]}
    assert (kinds["attachment"]["hangs_on"], kinds["attachment"]["largest"]) == (["client"], 12 * 2**20)
    assert "pdf" in kinds["attachment"]["file_types"]
    assert kinds["reminder"]["notify"]
    text = " ".join(run("connectors", "list").stdout.split())
    assert "below 12 MiB" in text
    assert "message to the owner" in text


@pytest.mark.usefixtures("elsewhere")
def test_text_fits_eighty_columns_and_steers_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run("connectors", "list").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    installed(monkeypatch, silent=f"{__name__}:SILENT", keyed=f"{__name__}:KEYED")
    done = run("connectors", "list")
    assert "\x1b" not in done.stdout
    assert "declares nothing before an account is set up" in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.usefixtures("elsewhere")
def test_a_connector_that_cannot_be_loaded_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(
        monkeypatch,
        gone="no_such_module_anywhere:plugin",
        broken=f"{__name__}:BROKEN",
        silent=f"{__name__}:SILENT",
    )
    envelope = answer("connectors", "list")
    assert [each["name"] for each in envelope["data"]] == ["silent"]
    assert [problem["code"] for problem in envelope["problems"]] == ["connector", "connector"]
    assert "'broken'" in envelope["problems"][0]["text"]
    assert "ModuleNotFoundError" in envelope["problems"][1]["text"]
    done = run("connectors", "list")
    assert done.exit_code == 0
    assert "'gone' cannot be loaded" in done.stderr


def test_a_config_adds_accounts_and_a_bad_one_is_said(elsewhere: Path) -> None:
    path = elsewhere / "clinic.yaml"
    path.write_text("accounts: 3\n", encoding="utf-8")
    for words in (["--config", str(path)], ["--config", "missing.yaml"]):
        envelope = answer(*words, "connectors", "list")
        assert [problem["code"] for problem in envelope["problems"]] == ["config"]
        assert envelope["data"]
    example = Path(__file__).parents[3] / "config.example.yaml"
    envelope = answer("--config", str(example), "connectors", "list")
    assert envelope["problems"] == []
    assert all(each["accounts"] for each in envelope["data"] if each["name"] in {"altegio", "ezyvet"})


def account(connector: str, profile: str = "", **parts: str) -> Any:
    """An account, and its parts with their connectors; ``profile`` is that of all of them."""
    options = SimpleNamespace(profile=profile)
    others = {name: SimpleNamespace(connector=of, options=options) for name, of in parts.items()}
    return SimpleNamespace(connector=connector, options=options, parts=others)


def of(**accounts: Any) -> Config:
    return Config.model_construct(accounts=accounts)  # type: ignore[call-arg]


def test_accounts_stand_with_their_connector() -> None:
    found, unusable = listing(of(b=account("altegio"), a=account("altegio"), c=account("vetdata", diary="files")))
    assert unusable == ()
    accounts = {each.name: each.accounts for each in found}
    assert (accounts["altegio"], accounts["ezyvet"]) == (("a", "b"), ())
    assert (accounts["vetdata"], accounts["files"]) == (("c",), ("c.diary",))


@pytest.mark.usefixtures("elsewhere")
def test_practice_systems_stand_with_the_connectors_that_serve_them_the_best_way_first() -> None:
    by_connector = {each["name"]: each["systems"] for each in answer("connectors", "list")["data"]}
    ranks = {(way["name"], way["rank"]): name for name, served in by_connector.items() for way in served}
    shipped = {(name, rank): way.connector for name, one in systems().items() for rank, way in enumerate(one.ways, 1)}
    assert ranks == shipped
    text = " ".join(run("connectors", "list").stdout.split())
    assert "impromed: Covetrus ImproMed (a PIMS without a connector of its own)" in text
    assert text.index("1. rest: Animana's API") < text.index("2. files: exported files")
    for asked in systems()["animana"].ask_vendor:
        assert f"- {asked}" in text


def test_the_account_of_a_practice_system_is_named_with_its_way() -> None:
    found, _ = listing(
        of(
            a=account("files", "impromed"),
            b=account("vetdata", "pulse", diary="files"),
            c=account("vetdata", "pulse"),
            d=account("idexx_data_services", "cornerstone"),
        )
    )
    accounts = {(each.name, way.name): way.accounts for each in found for way in each.systems if way.accounts}
    assert accounts == {("files", "impromed"): ("a",), ("vetdata", "pulse"): ("b",)}


@pytest.mark.usefixtures("elsewhere")
def test_a_way_of_several_connectors_says_which_of_them_serves_what() -> None:
    by_connector = {each["name"]: each["systems"] for each in answer("connectors", "list")["data"]}
    [pulse] = [way for way in by_connector["vetdata"] if way["name"] == "pulse"]
    assert pulse["parts"] == [{"name": "diary", "connector": "files", "serves": ["appointment"]}]
    assert "pulse" not in [way["name"] for way in by_connector["files"]], "it is no way of its own"
    text = " ".join(run("connectors", "list").stdout.split())
    assert "1. vetdata + files: VetData, Covetrus' feed" in text
    assert "diary by files: appointment" in text


@pytest.mark.usefixtures("elsewhere")
def test_a_practice_system_that_cannot_be_loaded_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="broken", value=f"{__name__}:BROKEN", group=SYSTEMS)
    monkeypatch.setattr(connectors, "entry_points", lambda group: EntryPoints([point]).select(group=group))
    envelope = answer("connectors", "list")
    assert [problem["text"].split(" cannot")[0] for problem in envelope["problems"]] == [
        "the practice system 'broken'"
    ]


def test_routes_tell_how_far_each_kind_goes_by_each_way() -> None:
    known = {(route.name, route.connectors): route for route in routes()}
    assert next(iter(known)) == ("altegio", ("altegio",)), "the booking side comes first"
    assert {name for name, _ in known} == {"altegio", "ezyvet", *systems()}
    pulse = known["pulse", ("vetdata", "files")].kinds
    assert pulse[Kind.APPOINTMENT].by_people
    assert not pulse[Kind.APPOINTMENT].written
    assert pulse[Kind.CLIENT].by_people, "the line of a visit says who is to be registered"
    assert Kind.REMINDER not in pulse, "its diary's files serve visits alone"
    ours = known["cornerstone", ("idexx_data_services",)]
    assert ours.own_profile
    assert (ours.kinds[Kind.APPOINTMENT].written, ours.kinds[Kind.APPOINTMENT].by_people) == (True, False)
    assert ours.kinds[Kind.REMINDER].logs
    read_only = known["avimark", ("idexx_data_services",)]
    assert (read_only.kinds[Kind.APPOINTMENT].written, read_only.kinds[Kind.APPOINTMENT].by_people) == (False, True)
    assert not known["impromed", ("files",)].own_profile
    assert known["animana", ("rest",)].own_profile, "the shipped one is a rehearsal's"
    assert known["ezyvet", ("ezyvet",)].kinds[Kind.ATTACHMENT].written
