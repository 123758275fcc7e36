"""The demo's folder: a config that VetBridge itself finds sound, and secrets that only their owner reads."""

from __future__ import annotations

import os
import stat
from datetime import date
from pathlib import Path

import pytest

from vetbridge.config.document import parse
from vetbridge.connector.configured import read_config
from vetbridge.demo.chain import plan_branches
from vetbridge.demo.script import plan_morning
from vetbridge.demo.stage import APP, ORGANISATION, Sides, Stage, config_text, mend_config, write_config
from vetbridge.demo.story import Branch
from vetbridge.testing.clinic import make_clinic

TODAY = date(2026, 3, 2)
MORNING = plan_morning(make_clinic(1, 2000), 1, 20, today=TODAY)
BRANCH = Branch(site="demo", title="Demo Vets", morning=MORNING)
BOOKING_ACCOUNT, PIMS_ACCOUNT, SITE = "altegio-demo", "ezyvet-demo", "demo"
CHAIN = plan_branches(3, seed=1, clients=2000, bookings=20, today=lambda _: TODAY)

ODD_UID = "12e45678"
"""As random hexadecimal digits come out now and then: YAML readers disagree whether it is a number."""
SECRETS = {"partner_token": "partner-s3cret", "user_token": "user-s3cret", "client_secret": "client-s3cret"}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def sides_of(branch: Branch, location: str = "101001") -> Sides:
    clinic = branch.morning.clinic
    booking = {
        "base_url": "http://127.0.0.1:1/api/v1",
        "marketplace_url": "http://127.0.0.1:1/marketplace",
        "credentials": {
            "location_id": location,
            "application_id": "4001",
            **{name: SECRETS[name] for name in ("partner_token", "user_token")},
        },
    }
    pims = {
        "base_url": "http://127.0.0.1:2",
        "credentials": {
            "partner_id": "p1",
            "client_id": "c1",
            "site_uid": ODD_UID,
            "client_secret": SECRETS["client_secret"],
        },
    }
    staff = {member.code: 500 + member.number for member in clinic.staff}
    services = {service.code: 700 + service.number for service in clinic.services}
    return Sides(branch, booking, pims, staff, services, {"soon": 91, "overdue": 92})


@pytest.fixture
def hooks(stage: Stage) -> str:
    return write_config(stage, [sides_of(BRANCH)]).hooks[SITE]


def test_the_config_is_sound(stage: Stage, hooks: str) -> None:
    loaded = read_config(stage.config)
    assert [str(problem) for problem in (*loaded.warnings, *loaded.check_secrets())] == []
    account = loaded.config.accounts[BOOKING_ACCOUNT]
    assert account.hook_secret is not None
    door = loaded.config.door
    assert hooks == f"http://{door.host}:{door.port}/hooks/{BOOKING_ACCOUNT}/{account.hook_secret.reveal()}"


def test_a_credential_that_looks_like_a_number_stays_what_it_is(stage: Stage, hooks: str) -> None:
    assert read_config(stage.config).config.accounts[PIMS_ACCOUNT].options.site_uid == ODD_UID
    mend_config(stage, BRANCH)
    assert read_config(stage.config).config.accounts[PIMS_ACCOUNT].options.site_uid == ODD_UID


@pytest.mark.parametrize(
    "text",
    [
        *(ODD_UID, "1_000", "0x1f", ".5", "12:30", "2026-03-02", "+44 20 7946 0000", "0044", "7", "1.5", "9" * 30),
        *(
            "",
            "~",
            "null",
            "true",
            "no",
            "On",
            "!tag",
            "*name",
            "&name",
            "# no comment",
            "a: b",
            "- a",
            " a ",
            "=",
            "<<",
        ),
        *('"', "'", "Zieliński", "two\nlines", "a word " * 40),
    ],
)
def test_any_text_in_a_config_is_read_as_it_was(text: str) -> None:
    shared = {"word": text}
    config = {"one": text, "list": [text, 7, 1.5, True, None], "inside": shared, "again": shared, text: {}}
    document = parse(config_text(config), "config.yaml")
    assert [str(problem) for problem in document.problems] == []
    assert document.data == config


def test_a_chain_has_a_site_and_two_accounts_for_each_branch(stage: Stage) -> None:
    sides = [sides_of(branch, str(101001 + place)) for place, branch in enumerate(CHAIN)]
    doors = write_config(stage, sides)
    loaded = read_config(stage.config)
    assert [str(problem) for problem in (*loaded.warnings, *loaded.check_secrets())] == []
    config = loaded.config
    assert list(config.sites) == list(doors.hooks) == [branch.site for branch in CHAIN]
    assert {site.organisation for site in config.sites.values()} == {ORGANISATION}
    locations = [config.accounts[site.booking.account].options.location_id for site in config.sites.values()]
    assert locations == ["101001", "101002", "101003"]
    assert len({site.pims.account for site in config.sites.values()} & config.accounts.keys()) == 3
    assert {config.accounts[site.booking.account].app for site in config.sites.values()} == {APP}
    assert doors.app == f"{config.apps[APP].address}/apps/{APP}"
    assert config.accounts["altegio-east"].options.user_token.reveal() == SECRETS["user_token"]
    secrets = [config.accounts[site.booking.account].hook_secret for site in config.sites.values()]
    assert len({secret.reveal() for secret in secrets if secret is not None}) == 3
    for branch in CHAIN:
        without = {branch.morning.unmapped.code} if branch.morning.unmapped else set()
        types = config.sites[branch.site].pims.codes["appointment_type"]
        assert types.keys() == {service.code for service in branch.morning.clinic.services} - without


def test_one_service_has_no_code_until_the_config_is_mended(stage: Stage, hooks: str) -> None:
    assert MORNING.unmapped is not None
    before = read_config(stage.config).config
    types = before.sites[SITE].pims.codes["appointment_type"]
    assert types.keys() == {service.code for service in MORNING.clinic.services} - {MORNING.unmapped.code}
    assert before.sites[SITE].booking.codes["appointment_type"].keys() > types.keys()
    mend_config(stage, BRANCH)
    loaded = read_config(stage.config)
    assert [str(problem) for problem in (*loaded.warnings, *loaded.check_secrets())] == []
    after = loaded.config.sites[SITE].pims.codes["appointment_type"]
    assert after.keys() == {service.code for service in MORNING.clinic.services}
    assert {word: after[word] for word in types} == dict(types)
    assert loaded.config.accounts == before.accounts


def test_the_fuse_fits_the_morning_and_blocks_are_named(stage: Stage, hooks: str) -> None:
    config = read_config(stage.config).config
    assert config.sites[SITE].fuse == MORNING.fuse
    assert config.accounts[PIMS_ACCOUNT].options.block_types == ("39",)


def test_no_secret_stands_in_the_config(stage: Stage, hooks: str) -> None:
    text = stage.config.read_text(encoding="utf-8")
    files = {path.name: path.read_text(encoding="utf-8") for path in (stage.folder / "secrets").iterdir()}
    assert set(SECRETS.values()) <= set(files.values())
    assert not [name for name, secret in files.items() if secret in text]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps rights in access lists")
def test_secrets_are_their_owners_alone(stage: Stage, hooks: str) -> None:
    folder = stage.folder / "secrets"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_two_demos_have_keys_of_their_own(tmp_path: Path) -> None:
    keys = set()
    for name in ("one", "other"):
        stage = Stage(tmp_path / name)
        stage.folder.mkdir()
        given = {
            "base_url": "http://127.0.0.1:1",
            "credentials": {
                **SECRETS,
                **dict.fromkeys(("location_id", "partner_id", "client_id", "site_uid"), "1"),
            },
        }
        write_config(stage, [Sides(BRANCH, given, given, {"vet_1": 1}, {"checkup": 1}, {})])
        keys.add((stage.folder / "secrets" / "ledger.key").read_text(encoding="utf-8"))
    assert len(keys) == 2
