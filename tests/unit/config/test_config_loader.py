"""The loader: defaults, file, environment; every problem in one go, with line, place and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from vetbridge.config.loader import Loaded, load
from vetbridge.config.problems import ConfigProblems
from vetbridge.config.secrets import Secret
from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Kind

SOUND = """\
version: 1
ledger: {key: {file: ledger.key}}
accounts:
  shop:
    connector: fake
    options:
      token: {env: TOKEN}
      location: "12"
  clinic:
    connector: fake
    poll: 30
    options: {token: {file: clinic.token}, location: "7"}
sites:
  city:
    name: City Vets
    zone: Europe/London
    country: GB
    booking:
      account: shop
      codes:
        species: {dog: ["1", "2"], cat: 3, otherwise: {read: other}}
    pims: {account: clinic, placeholder: {client: "900", pet: "901"}}
"""


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    colour: str = "red"


class FakeOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    token: Secret
    location: str
    page_size: int = Field(default=200, ge=1)
    kinds: tuple[str, ...] = ()
    inner: Inner = Inner()


def options(connector: str) -> type[BaseModel]:
    if connector != "fake":
        raise ConfigError(f"no connector is called {connector!r}; did you mean 'fake'?")
    return FakeOptions


def loaded(tmp_path: Path, text: str = SOUND, **env: str) -> Loaded:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, options=options, env=env)


def problems(tmp_path: Path, text: str, **env: str) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        loaded(tmp_path, text, **env)
    assert caught.value.exit_code == 3
    assert caught.value.message == "\n".join(str(problem) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def test_a_sound_config_loads_with_defaults_and_the_connectors_own_options(tmp_path: Path) -> None:
    config = loaded(tmp_path, TOKEN="t").config
    assert config.ledger.path == tmp_path / "vetbridge.db"
    assert config.door.port == 8710
    assert config.door.loopback
    assert config.timings.retry_longest == 600
    assert config.accounts["clinic"].poll == 30
    shop = config.accounts["shop"].options
    assert isinstance(shop, FakeOptions)
    assert shop.token.reveal() == "t"
    site = config.sites["city"]
    assert site.booking.codes["species"]["dog"] == ("1", "2")
    assert site.booking.codes["species"]["cat"] == "3"
    assert site.pims.placeholder is not None
    assert site.pims.placeholder.pet == "901"
    assert site.create.clients is True


def test_values_never_change(tmp_path: Path) -> None:
    config = loaded(tmp_path).config
    with pytest.raises(ValueError, match="frozen"):
        config.door.port = 1  # type: ignore[misc]


def test_relative_paths_start_at_the_configs_folder(tmp_path: Path) -> None:
    (tmp_path / "ledger.key").write_text("key\n", encoding="utf-8")
    config = loaded(tmp_path, SOUND.replace("{key:", "{path: data/x.db, key:")).config
    assert config.ledger.path == tmp_path / "data" / "x.db"
    assert config.ledger.key.reveal() == "key"


def test_every_problem_is_told_in_one_go_with_line_place_and_nearest_name(tmp_path: Path) -> None:
    text = """\
version: 2
ledger: {path: 5, key: hunter2}
dor: {port: 1}
daemon: {workers: "many"}
log:
accounts:
  shop:
    connector: fake
    optoins: {}
    options:
      token: hunter2
      location: 12
      page_siz: 5
      inner: {color: blue}
  clinic:
    connector: fak
    poll: 0
sites:
  City One:
    name: +44 20
    zone: europe/london
    country: UK
    booking: {account: shpo, codes: {species: {dog: 1.5, cat: {read: x}}}}
    pims: {account: clinic, placeholder: {client: 900}}
    create: {clients: "true"}
    owners: {appointment.strt: ask, pet.name: nobody}
"""
    found = problems(tmp_path, text)
    expected = [
        "config.yaml:1: version: this VetBridge reads version 1",
        "config.yaml:2: ledger.key: a secret never stands in the config itself",
        "config.yaml:2: ledger.path: must be a path in text",
        "config.yaml:3: dor: unknown key; did you mean 'door'?",
        "config.yaml:4: daemon.workers: must be a whole number; remove the quotes",
        "config.yaml:5: log: is empty; give it a value or remove the key",
        "config.yaml:9: accounts.shop.optoins: unknown key; did you mean 'options'?",
        "config.yaml:11: accounts.shop.options.token: a secret never stands in the config itself",
        "config.yaml:12: accounts.shop.options.location: must be text; put it in quotes",
        "config.yaml:13: accounts.shop.options.page_siz: unknown key; did you mean 'page_size'?",
        "config.yaml:14: accounts.shop.options.inner.color: unknown key; did you mean 'colour'?",
        "config.yaml:16: accounts.clinic.connector: no connector is called 'fak'; did you mean 'fake'?",
        "config.yaml:17: accounts.clinic.poll: must be at least 1",
        "config.yaml:19: sites.'City One': a name has lower-case letters, digits and hyphens only",
        "config.yaml:20: sites.'City One'.name: a phone number must stand in quotes",
        "config.yaml:21: sites.'City One'.zone: no IANA time zone is called 'europe/london'; did you mean",
        "config.yaml:22: sites.'City One'.country: no ISO 3166 country has the code 'UK'; the United Kingdom is GB",
        "config.yaml:23: sites.'City One'.booking.account: no account is called 'shpo'; did you mean 'shop'?",
        "config.yaml:23: sites.'City One'.booking.codes.species.dog: must be a code in quotes, or a list of codes",
        "config.yaml:24: sites.'City One'.pims.placeholder.pet: is missing",
        "config.yaml:25: sites.'City One'.create.clients: must be true or false; remove the quotes",
        "config.yaml:26: sites.'City One'.owners.appointment.strt: no field is called 'appointment.strt'",
        "config.yaml:26: sites.'City One'.owners.pet.name: must be one of 'booking', 'pims' or 'ask'",
    ]
    assert len(found) == len(expected), "\n".join(found)
    for one, start in zip(found, expected, strict=True):
        assert one.startswith(start)
    assert not any("hunter2" in one for one in found)


def test_missing_keys_are_named_at_the_group_that_misses_them(tmp_path: Path) -> None:
    found = problems(tmp_path, "version: 1\naccounts:\n  shop:\n    connector: fake\nsites: {}\n")
    assert found == [
        "config.yaml:1: ledger: is missing",
        "config.yaml:3: accounts.shop.options.location: is missing",
        "config.yaml:3: accounts.shop.options.token: is missing",
        "config.yaml:5: sites: must hold at least one entry",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "words\n"])
def test_a_file_without_keys_is_told_so(tmp_path: Path, text: str) -> None:
    [found] = problems(tmp_path, text)
    assert "is empty" in found or "is no group of keys" in found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("account: clinic,", "account: shop,", "pims.account: the account 'shop' is a booking account"),
        ("poll: 30", "poll: true", "accounts.clinic.poll: must be a number"),
        ("poll: 30", "limit_scale: 0", "accounts.clinic.limit_scale: must be more than 0"),
        ("cat: 3", "cat: '2'", "the code '2' stands for both 'dog' and 'cat'"),
        ("cat: 3", "cat: []", "species.cat: must hold at least one entry"),
        ("cat: 3", "cat: {read: x}", "'otherwise' takes read and write"),
        ("otherwise: {read: other}", "otherwise: other", "'otherwise' takes read and write"),
        ("ledger:", "timings: {retry_first: 900}\nledger:", "timings: retry_longest is shorter"),
        ("ledger:", "log: {level: loud}\nledger:", "log.level: must be one of 'debug', 'info', 'warning' or 'error'"),
        ("ledger:", "door: {port: 70000}\nledger:", "door.port: must be at most 65535"),
        ("ledger:", "door: {port: 1.5}\nledger:", "door.port: must be a whole number"),
        ("ledger:", "door: 5\nledger:", "door: must be a group of keys"),
        ("version: 1", "version: true", "version: must be a whole number"),
        ("name: City Vets", "name: 5", "sites.city.name: must be text; put it in quotes"),
        ("zone: Europe/London", "zone: ../../etc/passwd", "no IANA time zone"),
    ],
)
def test_one_mistake_gives_one_problem(tmp_path: Path, old: str, new: str, words: str) -> None:
    [found] = problems(tmp_path, SOUND.replace(old, new))
    assert words in found


def test_a_booking_account_belongs_to_one_site(tmp_path: Path) -> None:
    second = SOUND[SOUND.index("  city:") :].replace("  city:", "  hill:")
    [found] = problems(tmp_path, SOUND + second)
    assert found.endswith("sites.hill.booking.account: the account 'shop' already is the booking side of 'city'")


def test_an_account_that_no_site_uses_is_a_warning(tmp_path: Path) -> None:
    extra = "  spare: {connector: fake, options: {token: {env: T}, location: x}}\nsites:\n"
    [warning] = loaded(tmp_path, SOUND.replace("sites:\n", extra)).warnings
    assert warning.place == ("accounts", "spare")


def test_a_door_that_other_machines_reach_is_a_warning(tmp_path: Path) -> None:
    [warning] = loaded(tmp_path, SOUND.replace("ledger:", "door: {host: 0.0.0.0}\nledger:")).warnings
    assert "TLS proxy" in warning.text
    assert not loaded(tmp_path, SOUND.replace("ledger:", 'door: {host: "::1"}\nledger:')).warnings


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        VETBRIDGE_DAEMON__WORKERS="8",
        VETBRIDGE_LOG__FORMAT="json",
        VETBRIDGE_ACCOUNTS__SHOP__OPTIONS__PAGE_SIZE="50",
        VETBRIDGE_ACCOUNTS__SHOP__OPTIONS__LOCATION="0012",
        VETBRIDGE_ACCOUNTS__SHOP__OPTIONS__KINDS="[a, b]",
        VETBRIDGE_ACCOUNTS__CLINIC__OPTIONS__TOKEN="{env: VETBRIDGE_CLINIC_TOKEN}",
        VETBRIDGE_SITES__CITY__CREATE__PETS="false",
        VETBRIDGE_LEDGER__PATH="other.db",
        VETBRIDGE_CLINIC_TOKEN="from-env",
        VETBRIDGE_CONFIG="config.yaml",
    )
    config = found.config
    assert config.daemon.workers == 8
    assert config.log.format == "json"
    assert config.accounts["shop"].options.page_size == 50
    assert config.accounts["shop"].options.location == "0012"
    assert config.accounts["shop"].options.kinds == ("a", "b")
    assert config.accounts["clinic"].options.token.reveal() == "from-env"
    assert config.sites["city"].create.pets is False
    assert config.ledger.path == tmp_path / "other.db"
    assert [str(warning) for warning in found.warnings if "CLINIC_TOKEN" not in warning.source] == []


def test_origins_are_told_for_each_value(tmp_path: Path) -> None:
    found = loaded(tmp_path, VETBRIDGE_TIMINGS__SETTLE="3")
    origin = {place: str(found.origin(place)) for place, _ in found.values()}
    assert origin[("timings", "settle")] == "environment VETBRIDGE_TIMINGS__SETTLE"
    assert origin[("timings", "retry_first")] == "default"
    assert origin[("accounts", "clinic", "poll")] == "config.yaml:11"
    assert origin[("accounts", "shop", "options", "location")] == "config.yaml:8"
    assert origin[("accounts", "shop", "options", "inner", "colour")] == "default"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("VETBRIDGE_DEAMON__WORKERS", "8", "no key here is called 'deamon'; did you mean 'daemon'?"),
        ("VETBRIDGE_DAEMON__WORKER", "8", "daemon: no key here is called 'worker'; did you mean 'workers'?"),
        ("VETBRIDGE_ACCOUNTS__SHOP2__POLL", "8", "no key here is called 'shop2'; did you mean 'shop'?"),
        ("VETBRIDGE_DAEMON__WORKERS", "many", "daemon.workers: must be a whole number"),
        ("VETBRIDGE_DAEMON__WORKERS", "0", "daemon.workers: must be at least 1"),
        ("VETBRIDGE_DAEMON__WORKERS", "[", "daemon.workers: is no YAML"),
        ("VETBRIDGE_DAEMON__WORKERS", "1:30", "daemon.workers: a time must stand in quotes"),
        ("VETBRIDGE_LEDGER__KEY", "hunter2", "ledger.key: a secret never stands in the config itself"),
        ("VETBRIDGE_ACCOUNTS__SHOP__CONNECTOR", "fak", "accounts.shop.connector: no connector is called 'fak'"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str, words: str) -> None:
    [found] = problems(tmp_path, SOUND, **{name: value})
    assert found.startswith(f"{name}: ")
    assert words in found
    assert "hunter2" not in found


def test_a_variable_that_is_no_value_is_only_a_warning(tmp_path: Path) -> None:
    [warning] = loaded(tmp_path, VETBRIDGE_TOKEN="x").warnings
    assert warning.source == "VETBRIDGE_TOKEN"


def test_secrets_are_looked_for_without_being_needed_to_load(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert [str(problem).split(" ", 2)[1] for problem in found.check_secrets()] == [
        "ledger.key:",
        "accounts.shop.options.token:",
        "accounts.clinic.options.token:",
    ]
    (tmp_path / "ledger.key").write_text("k", encoding="utf-8")
    (tmp_path / "clinic.token").write_text("t", encoding="utf-8")
    for name in ("ledger.key", "clinic.token"):
        (tmp_path / name).chmod(0o600)
    assert loaded(tmp_path, TOKEN="t").check_secrets() == []


def test_the_line_of_a_missing_secret_is_told(tmp_path: Path) -> None:
    [problem] = [one for one in loaded(tmp_path, TOKEN="").check_secrets() if one.place[0] == "ledger"]
    assert problem.line == 2


@pytest.mark.parametrize(
    ("app", "says"),
    [
        ("[x]", "accounts.shop.app: must be text"),
        ("{a: b}", "accounts.shop.app: must be text"),
        ("fke", "accounts.shop.app: no app is called 'fke'; did you mean 'fake'?"),
    ],
)
def test_an_app_that_is_none_is_named(tmp_path: Path, app: str, says: str) -> None:
    apps = "apps:\n  fake: {connector: fake, address: https://bridge.example}\n"
    text = apps + SOUND.replace("  shop:\n", f"  shop:\n    app: {app}\n")
    assert any(problem.endswith(says) for problem in problems(tmp_path, text))


def test_what_is_wrong_with_the_entries_of_a_list_is_all_that_is_said_of_it(tmp_path: Path) -> None:
    text = SOUND.replace(
        "    name: City Vets\n", "    name: City Vets\n    attachments: {to_pims: {names: ['']}}\n", 1
    )
    assert [each.partition("sites.")[2] for each in problems(tmp_path, text)] == [
        "city.attachments.to_pims.names[0]: must not be empty"
    ]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("attachments: {}", "attachments: has neither to_pims nor to_booking, so no file is carried"),
        ("attachments:", "attachments: has neither to_pims nor to_booking, so no file is carried"),
        ("reminders:", "reminders: is empty, so nothing is done about due services"),
    ],
)
def test_a_part_that_does_nothing_is_named(tmp_path: Path, part: str, words: str) -> None:
    text = SOUND.replace("    name: City Vets\n", f"    name: City Vets\n    {part}\n", 1)
    assert any(words in str(each) for each in loaded(tmp_path, text).warnings)
    sound = text.replace(part, "attachments: {to_pims: {}}\n    reminders: {}", 1)
    assert not any("so no" in str(each) for each in loaded(tmp_path, sound).warnings)


PARTED = SOUND.replace(
    """    options: {token: {file: clinic.token}, location: "7"}
""",
    """    options: {token: {file: clinic.token}, location: "7"}
    parts:
      diary:
        connector: fake
        serves: [appointment, reminder]
        options: {token: {env: DIARY}, location: "8"}
""",
)


def parted(tmp_path: Path, text: str = PARTED, **env: str) -> Loaded:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    able = {Kind.APPOINTMENT, Kind.REMINDER}
    return load(path, options=options, kinds=lambda _: able, env=env)


def test_a_part_has_its_own_connectors_options_with_their_origins(tmp_path: Path) -> None:
    found = parted(tmp_path, DIARY="d", VETBRIDGE_ACCOUNTS__CLINIC__PARTS__DIARY__OPTIONS__PAGE_SIZE="50")
    part = found.config.accounts["clinic"].parts["diary"]
    assert part.serves == (Kind.APPOINTMENT, Kind.REMINDER)
    assert isinstance(part.options, FakeOptions)
    assert part.options.token.reveal() == "d"
    assert part.options.page_size == 50
    place = ("accounts", "clinic", "parts", "diary", "options")
    assert found.origin((*place, "page_size")).kind == "environment"
    assert str(found.origin((*place, "location"))) == "config.yaml:17"
    assert found.origin((*place, "kinds")).kind == "default"


def test_a_parts_secrets_are_looked_for(tmp_path: Path) -> None:
    places = [problem.place for problem in parted(tmp_path).check_secrets() if not problem.warning]
    assert ("accounts", "clinic", "parts", "diary", "options", "token") in places


def test_what_is_wrong_with_parts_is_named_with_its_line(tmp_path: Path) -> None:
    text = PARTED.replace(
        """        serves: [appointment, reminder]
        options: {token: {env: DIARY}, location: "8"}
""",
        """        serves: [appointment, visits, pet]
        polll: 5
        options: {token: {env: DIARY}, locaton: "8"}
      Desk:
        connector: fak
        serves: []
        options: {}
      notes:
        connector: fake
        serves: [appointment]
""",
    )
    with pytest.raises(ConfigProblems) as caught:
        parted(tmp_path, text)
    found = "\n".join(map(str, caught.value.problems))
    for line in (
        "config.yaml:16: accounts.clinic.parts.diary.serves[1]: must be one of 'client', 'pet', 'appointment'",
        "config.yaml:16: accounts.clinic.parts.diary.serves[2]: the connector fake has no pet; it has appointment, ",
        "config.yaml:17: accounts.clinic.parts.diary.polll: unknown key",
        "config.yaml:18: accounts.clinic.parts.diary.options.locaton: unknown key; did you mean 'location'?",
        "accounts.clinic.parts.diary.options.location: is missing",
        "config.yaml:19: accounts.clinic.parts.Desk: a name has lower-case letters, digits and hyphens only",
        "config.yaml:20: accounts.clinic.parts.Desk.connector: no connector is called 'fak'; did you mean 'fake'?",
        "config.yaml:21: accounts.clinic.parts.Desk.serves: must hold at least one entry",
        "config.yaml:25: accounts.clinic.parts.notes.serves[0]: the part 'diary' serves appointment already; ",
        "accounts.clinic.parts.notes.options.token: is missing",
    ):
        assert line in found, found


def test_the_booking_side_has_no_parts(tmp_path: Path) -> None:
    text = PARTED.replace("      account: shop", "      account: clinic", 1)
    with pytest.raises(ConfigProblems, match="the account 'clinic' has parts, which only a practice's account has"):
        parted(tmp_path, text, DIARY="d")
