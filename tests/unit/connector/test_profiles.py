"""Profiles of the generic connectors are found by name or by path, and read as strictly as the config."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from vetbridge.connector import profiles
from vetbridge.connector.plugin import GROUP, Options, System, Way, WayPart
from vetbridge.connector.profiles import ProfileRef, load_profile, shipped_profiles
from vetbridge.connector.rows import KindRules, check_kinds
from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Kind

PET = "kinds:\n  pet:\n    fields: {id: Id, client_id: Owner, name: Name}\n"
ACME = System(
    name="acme",
    title="Acme Vet",
    package="acme_profiles",
    ways=(
        Way(
            connector="feed",
            title="a feed",
            advice="",
            proven="fictional",
            parts={"desk": WayPart(connector="rest", serves=(Kind.APPOINTMENT,), profile="desk.yaml")},
        ),
        Way(connector="files", profile="by-files.yaml", title="files", advice="", proven="fictional"),
    ),
    ask_vendor=(),
)  # fmt: skip


class Account(Options):
    profile: ProfileRef


class Profile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kinds: Annotated[Mapping[Kind, KindRules], AfterValidator(check_kinds)]
    hours: int = 24


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A practice system called acme, and a connector of the name files, in the folder of a package."""
    package = tmp_path / "acme_profiles"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_profiles", raising=False)
    monkeypatch.setattr(profiles, "systems", lambda: {"acme": ACME})
    points = EntryPoints([EntryPoint(name="files", value="acme_profiles:plugin", group=GROUP)])
    monkeypatch.setattr(profiles, "entry_points", lambda group: points)
    return package


def account(profile: object, folder: Path = Path("/clinic")) -> str | Path:
    return Account.model_validate({"profile": profile}, context={"folder": folder}).profile


def test_a_name_is_a_name_and_an_ending_makes_a_path() -> None:
    assert account("impromed") == "impromed"
    assert account("site.yaml") == Path("/clinic/site.yaml")
    assert account("/etc/SITE.YML") == Path("/etc/SITE.YML")


@pytest.mark.parametrize("profile", ["", "../impromed", "Impro Med", "site.json", 7, None, "x" * 41, "a\0.yaml"])
def test_anything_else_is_refused(profile: object) -> None:
    with pytest.raises(ValidationError):
        account(profile)


def test_a_practice_systems_profile_is_found_by_its_name(shipped: Path) -> None:
    (shipped / "by-files.yaml").write_text(PET)
    assert set(load_profile(Profile, "acme", "files").kinds) == {Kind.PET}


def test_a_profile_of_a_part_is_found_by_its_connector(shipped: Path) -> None:
    (shipped / "desk.yaml").write_text(PET)
    assert set(load_profile(Profile, "acme", "rest").kinds) == {Kind.PET}
    assert shipped_profiles("rest") == {"acme": "Acme Vet"}
    assert shipped_profiles("feed") == {}, "it needs none"


def test_a_connectors_own_profiles_stand_beside_those_of_systems(shipped: Path) -> None:
    (shipped / "plain.yaml").write_text(PET + "hours: 12\n")
    assert load_profile(Profile, "plain", "files").hours == 12
    assert shipped_profiles("files") == {"plain": "plain", "acme": "Acme Vet"}
    assert shipped_profiles("sql") == {}


def test_an_unknown_name_says_what_is_known(shipped: Path) -> None:
    with pytest.raises(ConfigError, match=r"no profile called 'acne' .* files; did you mean 'acme'\?"):
        load_profile(Profile, "acne", "files")
    with pytest.raises(ConfigError, match=r"no profile called 'acme' is shipped for the connector sql; a site's own"):
        load_profile(Profile, "acme", "sql")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kinds:\n  pet: {fields: {id: Id}}\nhours: x\n", r"site.yaml:3: hours: must be a whole number"),
        ("kinds: {}\nhuors: 2\n", r"site.yaml:2: huors: unknown key"),
        ("kinds:\n  pet: {fields: {id: Id}}\n", r"site.yaml:1: kinds: pet: needs client_id, name"),
        ("kinds: {}\nkinds: {}\n", r"site.yaml:2: kinds: stands here a second time"),
        ("kinds:\n  pet:\n    fields: {id: {colum: x}}\n", r"site.yaml:3: kinds.pet.fields.id.colum: unknown key"),
        ("kinds:\n  pet:\n    fields: {id: &a x, name: *a}\n", r"site.yaml:3: .*anchors"),
        ("hours: 0x10\nkinds: {}\n", r"site.yaml:1: hours: a number that"),
        ("", r"site.yaml: is empty; see docs/profiles.md"),
        ("- a\n", r"site.yaml: is no group of keys"),
        ("kinds: {\n", r"site.yaml:\d: is no YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_profile(Profile, file, "files")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"site.yaml: there is no such file in .*; the account's option profile names it"
    ):
        load_profile(Profile, tmp_path / "site.yaml", "files")
