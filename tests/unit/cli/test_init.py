"""`vetbridge init`: answers by options, asked of both sides, written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from vetbridge.cli import init as command
from vetbridge.cli.init import Given, Person, country_of
from vetbridge.cli.main import app
from vetbridge.connector.configured import read_config
from vetbridge.core.records import Kind
from vetbridge.testing.simkit import Simulator


class Sides:
    """Both simulators, and the options that point at them."""

    def __init__(self, booking: Simulator, pims: Simulator) -> None:
        self.booking = booking
        self.pims = pims
        self.environment = {
            "VB_PARTNER": booking.credentials["partner_token"],
            "VB_USER": booking.credentials["user_token"],
            "VB_CLIENT": pims.credentials["client_secret"],
        }

    @property
    def options(self) -> list[str]:
        known = self.pims.credentials
        values = {
            "booking.base_url": self.booking.base_url,
            "booking.location_id": self.booking.credentials["location_id"],
            "pims.base_url": self.pims.base_url,
            "pims.partner_id": known["partner_id"],
            "pims.client_id": known["client_id"],
            "pims.site_uid": known["site_uid"],
            "pims.cancellation_reason": "1",
        }
        places = {
            "booking.partner_token": "env:VB_PARTNER",
            "booking.user_token": "env:VB_USER",
            "pims.client_secret": "env:VB_CLIENT",
        }
        return [
            *(word for name, value in values.items() for word in ("--set", f"{name}={value}")),
            *(word for name, place in places.items() for word in ("--secret", f"{name}={place}")),
        ]


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with (
        altegio.build(clients=5, seed=3, limits="off") as booking,
        ezyvet.build(clients=5, seed=3, limits="off") as pims,
    ):
        yield Sides(booking, pims)


WHERE = ["--pims", "ezyvet", "--site", "city", "--name", "City Vets", "--zone", "Europe/London", "--country", "GB"]
PLAIN = [
    *("--set", "booking.location_id=0123", "--set", "pims.client_id=12e45678", "--set", "pims.site_uid=SITE"),
    *("--secret", "booking.partner_token=env:A", "--secret", "booking.user_token=env:B"),
    *("--secret", "pims.client_secret=file:secrets/c"),
]
"""Everything that is needed where nobody is asked."""


def run(folder: Path, *words: str, env: dict[str, str] | None = None) -> Any:
    path = folder / "vetbridge.yaml"
    return CliRunner().invoke(app, ["--config", str(path), "init", *words], env={"COLUMNS": "200", **(env or {})})


def test_it_asks_both_sides_and_drafts_what_has_the_same_title(tmp_path: Path, sides: Sides) -> None:
    done = run(tmp_path, "--yes", *WHERE, *sides.options, env=sides.environment)
    assert done.exit_code == 0, done.output
    site = read_config(tmp_path / "vetbridge.yaml").config.sites["city"]
    services = site.booking.codes["appointment_type"]
    assert services.keys() == site.pims.codes["appointment_type"].keys()
    assert len(services) > 3
    assert site.pims.codes["status"]["no_show"] == "5"
    text = (tmp_path / "vetbridge.yaml").read_text()
    assert "# WORD:" in text, "what has no counterpart waits for a person"
    for secret in sides.environment.values():
        assert secret not in text
        assert secret not in done.output
    assert [line.split()[3] for line in done.stdout.splitlines()[-3:]] == ["doctor", "sync", "service"]


def test_a_side_that_refuses_is_named_and_the_files_are_there(tmp_path: Path, sides: Sides) -> None:
    done = run(tmp_path, "--yes", *WHERE, *sides.options, env={**sides.environment, "VB_USER": "wrong"})
    assert done.exit_code == 5, "as `doctor` ends"
    assert "WRONG  altegio-city" in done.stderr
    booking = read_config(tmp_path / "vetbridge.yaml").config.sites["city"].booking
    assert booking.codes == {"appointment_type": {}, "resource": {}}


def test_without_a_terminal_it_names_what_is_missing_and_writes_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "--site", "city")
    assert done.exit_code == 2
    for option in ("--pims", "--zone", "--country", "--set booking.location_id=..."):
        assert option in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_plan_shows_the_config_and_no_secret_and_writes_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "--yes", "--offline", "--plan", *WHERE, *PLAIN)
    assert done.exit_code == 0
    assert '      location_id: "0123"' in done.stdout
    assert f"write {tmp_path / 'secrets' / 'ledger.key'} (its owner alone reads it)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_ids_stay_as_they_were_typed_and_names_cannot_write_config(tmp_path: Path) -> None:
    hostile = 'Vets"\nsites: {evil: 1} # \u202e'
    words = [*WHERE, "--name", hostile, *PLAIN, "--set", 'pims.site_uid=x"\n  evil: "yes']
    assert run(tmp_path, "--yes", "--offline", *words).exit_code == 0
    config = read_config(tmp_path / "vetbridge.yaml").config
    assert config.sites["city"].name == hostile
    assert list(config.sites) == ["city"]
    assert config.accounts["ezyvet-city"].options.client_id == "12e45678"
    assert config.accounts["ezyvet-city"].options.site_uid == 'x"\n  evil: "yes'
    assert config.accounts["altegio-city"].options.location_id == "0123"


def test_a_config_is_replaced_only_when_told_so_and_is_kept(tmp_path: Path) -> None:
    assert run(tmp_path, "--yes", "--offline", *WHERE, *PLAIN).exit_code == 0
    key = (tmp_path / "secrets" / "ledger.key").read_bytes()
    hook = (tmp_path / "secrets" / "altegio-city.hook").read_bytes()
    before = (tmp_path / "vetbridge.yaml").read_bytes()
    refused = run(tmp_path, "--yes", "--offline", *WHERE, *PLAIN)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    changed = run(tmp_path, "--yes", "--offline", "--force", *WHERE, "--name", "Other", *PLAIN)
    assert changed.exit_code == 0
    assert (tmp_path / "vetbridge.yaml.bak").read_bytes() == before
    assert (tmp_path / "secrets" / "ledger.key").read_bytes() == key, "what encrypts a ledger is never replaced"
    assert (tmp_path / "secrets" / "altegio-city.hook").read_bytes() == hook, "the vendor knows it already"


@pytest.mark.skipif(os.name != "posix", reason="rights are a mode only there")
def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    assert run(tmp_path, "--yes", "--offline", *WHERE, *PLAIN).exit_code == 0
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()}
    assert modes == {0o600}


def test_a_ledger_without_its_key_is_not_given_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "vetbridge.db").write_bytes(b"a ledger")
    done = run(tmp_path, "--yes", "--offline", *WHERE, *PLAIN)
    assert done.exit_code == 2
    assert "its key" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--zone", "europe/london"], "did you mean 'Europe/London'"),
        (["--country", "UK"], "the United Kingdom is GB"),
        (["--site", "City Vets"], "is no name of a site"),
        (["--booking", "altegoi"], "did you mean 'altegio'"),
        (["--pims", "impromd"], "did you mean 'impromed'"),
        (["--pims-way", "files"], "--pims-way goes with animana, avimark"),
        (["--pims", "impromed", "--pims-way", "rest"], "known are files, sql"),
        (["--set", "booking.location_id=12x"], "booking.location_id"),
        (["--set", "booking.locatoin=12"], "no option is called booking.locatoin"),
        (["--set", "pims.client_secret=planted"], "does not belong on a command line"),
        (["--secret", "pims.client_secret=planted"], "is no place of a secret"),
        (["--secret", "planted"], "write it as booking.OPTION"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(tmp_path: Path, words: list[str], says: str) -> None:
    done = run(tmp_path, "--yes", "--offline", *WHERE, *PLAIN, *words)
    assert done.exit_code in (2, 3)
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_in_the_middle_of_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if Path(target).suffix == ".yaml":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    assert run(tmp_path, "--yes", "--offline", *WHERE, *PLAIN).exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_person_is_asked_again_and_a_typed_secret_goes_into_a_file(tmp_path: Path) -> None:
    typed = {
        "booking platform": ["altegio"],
        "practice system": ["ezyvet"],
        "short name": ["City", "city"],
        "people call it": [""],
        "time zone": ["europe/berlin", "Europe/Berlin"],
        "country": [""],  # Enter takes that of the zone
        "Altegio: location_id": ["12x", "123"],
        "partner_token of": ["", "nonsense", ""],
        "user_token of": ["env:B"],
        "ezyVet": ["", "CLIENT", "SITE", ""],
        "client_secret of": ["file:/run/secrets/c"],
    }
    hidden = iter(["", "planted-token"])
    shown: list[str] = []

    def read(question: str) -> str:
        shown.append(question)
        (answers,) = (answers for key, answers in typed.items() if key in question)
        return answers.pop(0)

    given = Given(person=Person(read, lambda _question: next(hidden)), values={}, places={}, missing=[])
    chosen = {"booking": command._connector(given, "booking", None), "pims": command._served(given, None, None)}
    found = command._answers(
        given, tmp_path / "vetbridge.yaml", chosen, site=None, name=None, zone=None, country=None
    )
    assert not any(typed.values()), "every answer was asked for"
    assert (found.first.key, found.first.zone, found.first.country) == ("city", "Europe/Berlin", "DE")
    assert found.first.booking.options["location_id"] == "123"
    assert found.first.booking.options["user_token"] == {"env": "B"}
    assert found.first.pims.options["client_secret"] == {"file": "/run/secrets/c"}
    assert found.typed == {"secrets/altegio-city.partner_token": "planted-token"}
    assert found.first.booking.options["partner_token"] == {"file": "secrets/altegio-city.partner_token"}
    assert "planted" not in "".join(shown)


NOWHERE = "http://127.0.0.1:9"
HERE = [
    *("--set", f"booking.base_url={NOWHERE}", *PLAIN[:2]),
    *("--site", "city", "--zone", "Europe/London", "--country", "GB"),
]
TOKENS = ["--secret", "booking.partner_token=env:A", "--secret", "booking.user_token=env:B"]
CLIENTS = "CLIENT_GUID,FIRST_NAME,LAST_NAME,HOME_PHONE,WORK_PHONE,EMAIL_ADDRESS,DELETED\nC1,Ada,Hopper,,,,0\n"
PATIENTS = "PATIENT_GUID,CLIENT_GUID,PATIENT_NAME,SPECIES_GUID,SEX,DELETED\nP1,C1,Bella,Canine,Male,0\n"
VISITS = (
    "APPT_GUID,PATIENT_GUID,START_TIME,END_TIME,STATUS_GUID,RESOURCE_GUID,DELETED\n"
    "A1,P1,2030-03-04 10:00,2030-03-04 10:20,Booked,R7,0\n"
)


def practice(folder: Path, *words: str) -> Any:
    return run(folder, "--yes", *HERE, *TOKENS, *words)


def exports(folder: Path) -> None:
    (folder / "in").mkdir(parents=True)
    for name, text in (("clients.csv", CLIENTS), ("patients.csv", PATIENTS), ("appointments.csv", VISITS)):
        (folder / "in" / name).write_text(text, encoding="utf-8")


def test_a_practice_system_is_known_by_its_name_and_served_by_its_best_way(tmp_path: Path) -> None:
    done = practice(tmp_path, "--offline", "--pims", "ImproMed", "--set", "pims.folder=exchange")
    assert done.exit_code == 0, done.output
    account = read_config(tmp_path / "vetbridge.yaml").config.accounts["impromed-city"]
    assert (account.connector, account.options.profile) == ("files", "impromed")
    assert account.options.folder == tmp_path / "exchange"
    assert account.options.folder.is_dir()
    text = (tmp_path / "vetbridge.yaml").read_text()
    assert "# Covetrus ImproMed, by exported files and the work list: docs/connectors/impromed.md" in text
    assert "ezyVet" not in text
    for comes_next in ("mapping fill city", "worklist list"):
        assert f"vetbridge.yaml {comes_next}" in done.stdout


def test_code_lists_are_drafted_from_the_files_that_lie_there(tmp_path: Path) -> None:
    exports(tmp_path / "exchange")
    words = ["--pims", "impromed", "--set", "pims.folder=exchange", "--set", "pims.settle=0"]
    planned = practice(tmp_path, "--plan", *words)
    assert "Nothing was written." in planned.stderr
    assert not (tmp_path / "exchange" / "state").exists(), "a plan takes no file in"
    done = practice(tmp_path, *words)
    assert "files of clients: the last one is clients.csv" in done.stderr
    text = (tmp_path / "vetbridge.yaml").read_text()
    assert read_config(tmp_path / "vetbridge.yaml").config.sites["city"].pims.codes["sex"] == {"male": "Male"}
    for open_code in ("Canine", "R7"):
        assert f'# WORD: "{open_code}"' in text
    assert '"deleted"' not in text, "the mapping knows that one"


def test_a_folder_that_cannot_be_made_is_told_and_left_to_a_person(tmp_path: Path) -> None:
    done = practice(tmp_path, "--offline", "--pims", "animana", "--pims-way", "files", "--set", "pims.folder=away/x")
    assert done.exit_code == 0
    assert f"the folder {tmp_path / 'away' / 'x'} cannot be made" in done.stderr
    assert not (tmp_path / "away").exists(), "a share may be away"


def test_what_a_way_needs_is_named_and_its_secrets_may_stand_in_a_group(tmp_path: Path) -> None:
    sql = ["--offline", "--pims", "impromed", "--pims-way", "sql"]
    lacking = practice(tmp_path, *sql)
    assert lacking.exit_code == 2
    assert "--secret pims.connection=..." in lacking.stderr
    assert practice(tmp_path, *sql, "--set", "pims.dsn=ImproMed").exit_code == 0, "a data source stands in its place"
    config = tmp_path / "vetbridge.yaml"
    assert read_config(config).config.accounts["impromed-city"].options.dialect == "tsql"
    rest = ["--offline", "--force", "--pims", "animana", "--set", "pims.base_url=https://api.example"]
    lacking = practice(tmp_path, *rest)
    assert "--secret pims.secrets.client_secret=..." in lacking.stderr
    secrets = [word for name in ("id", "secret") for word in ("--secret", f"pims.secrets.client_{name}=env:C")]
    assert practice(tmp_path, *rest, *secrets).exit_code == 0
    options = read_config(config).config.accounts["animana-city"].options
    assert set(options.secrets) == {"client_id", "client_secret"}
    wrong = practice(tmp_path, *rest, *secrets, "--secret", "pims.secrets.token=env:C")
    assert "secrets has token" in wrong.stderr
    lacking = practice(
        tmp_path,
        *sql[:1],
        "--force",
        "--pims",
        "sql",
        *(word for option in ("profile=impromed", "dialect=tsql") for word in ("--set", f"pims.{option}")),
    )
    assert "pims: one of connection and dsn was expected" in lacking.stderr
    assert "--secret pims.OPTION=PLACE" in lacking.stderr


FEED = ["--set", "pims.username=clinic", "--set", "pims.client_id=c", "--secret", "pims.password=env:V"]
GUID = "12345678-90ab-cdef-1234-567890abcdef"
INSTALLED = ["--set", f"pims.installation={GUID}"]


def test_a_way_of_several_connectors_makes_one_account_with_parts(tmp_path: Path) -> None:
    words = ["--offline", "--pims", "pulse", *FEED, *INSTALLED]
    lacking = practice(tmp_path, *words)
    assert lacking.exit_code == 2
    assert "--set pims.diary.folder=..." in lacking.stderr
    done = practice(tmp_path, *words, "--set", "pims.diary.folder=diary", "--set", "pims.diary.settle=0")
    assert done.exit_code == 0, done.output
    account = read_config(tmp_path / "vetbridge.yaml").config.accounts["pulse-city"]
    assert (account.connector, account.options.username) == ("vetdata", "clinic")
    diary = account.parts["diary"]
    assert (diary.connector, diary.serves, diary.options.profile) == ("files", (Kind.APPOINTMENT,), "pulse")
    assert diary.options.folder == tmp_path / "diary"
    assert diary.options.folder.is_dir()
    assert "vetbridge.yaml worklist list" in done.stdout, "the diary is written by hand"
    known = ["--force", *words, "--set", "pims.diary.folder=diary"]
    wrong = practice(tmp_path, *known, "--set", "pims.diary.fold=x")
    assert "no option is called pims.diary.fold" in wrong.stderr


def test_a_person_is_asked_for_what_each_part_needs(tmp_path: Path) -> None:
    hidden = iter(["planted-password"])
    typed = {
        "Covetrus Pulse: the installation": ["no guid"],
        "VetData by Covetrus: installation": [GUID],
        "Covetrus Pulse: the partner's user": ["clinic"],
        "Covetrus Pulse: the client ID": ["c"],
        "password of": [""],
        "the report of appointments": [""],
    }

    def read(question: str) -> str:
        (answers,) = (answers for key, answers in typed.items() if key in question)
        return answers.pop(0)

    given = Given(person=Person(read, lambda _question: next(hidden)), values={}, places={}, missing=[])
    served = command._served(given, "pulse", "vetdata")
    assert served is not None
    secrets: dict[str, str] = {}
    target = tmp_path / "vetbridge.yaml"
    plain, _ = command._options(given, "pims", "pulse-city", served, secrets, target)
    part, _ = command._options(given, "pims.diary", "pulse-city.diary", served.parts["diary"], secrets, target)
    assert not any(typed.values()), "every answer was asked for"
    assert plain["installation"] == GUID
    assert secrets == {"secrets/pulse-city.password": "planted-password"}
    assert part == {"profile": "pulse", "folder": "pulse"}


def test_every_part_is_asked_and_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "diary" / "in").mkdir(parents=True)
    (tmp_path / "diary" / "in" / "appointments.csv").write_text(VISITS, encoding="utf-8")
    done = practice(tmp_path, "--pims", "pulse", *FEED, *INSTALLED, "--set", "pims.diary.folder=diary")
    assert done.exit_code == 3, "the feed's password is not there"
    assert "WRONG  pulse-city vetdata: " in done.stderr
    assert "WARN   pulse-city diary: files of appointments: " in done.stderr
    assert list((tmp_path / "diary" / "in").iterdir()), "it has not stood still yet"


def test_a_way_without_a_shipped_profile_asks_for_the_sites_own(tmp_path: Path) -> None:
    words = ["--offline", "--pims", "cornerstone", "--pims-way", "sql", "--secret", "pims.connection=env:C"]
    lacking = practice(tmp_path, *words)
    assert (lacking.exit_code, "--set pims.profile=..." in lacking.stderr) == (2, True)
    missing = practice(tmp_path, *words, "--set", "pims.profile=own.yaml")
    assert "there is no such file" in missing.stderr


def test_a_person_is_shown_the_systems_by_title_and_the_ways_with_their_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["otherstone", "impromed", ""])
    given = Given(person=Person(lambda _: next(answers), lambda _: ""), values={}, places={}, missing=[])
    served = command._served(given, None, None)
    assert served is not None
    assert (served.name, served.plugin.name) == ("impromed", "files")
    shown = " ".join(capsys.readouterr().err.split())
    assert "impromed Covetrus ImproMed" in shown
    assert "there is no 'otherstone'; did you mean 'cornerstone'?" in shown
    assert "files exported files and the work list take it today" in shown


def test_the_country_is_that_of_the_zone() -> None:
    assert [country_of(zone) for zone in ("Europe/Berlin", "America/Chicago", "UTC", "nonsense")] == [
        *("DE", "US", "", "")
    ]
