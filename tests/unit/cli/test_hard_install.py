"""Installing on machines as they are: paths with spaces, certificates of the whole machine, power cuts."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from tests.unit.daemon.test_installing import ABSENT, ALL, DATA, HOME, SETUP, System, commands
from vetbridge.cli import status
from vetbridge.cli.main import app
from vetbridge.config.models import Tls
from vetbridge.daemon.installing import systemd
from vetbridge.daemon.installing.plan import InstallFailed, setup_of

RUN = CliRunner()
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_a_unit_whose_paths_have_spaces(tmp_path: Path) -> None:
    home = tmp_path / "Vet Bridge 100%"
    home.mkdir()
    setup = replace(
        SETUP,
        program=("/bin/true",),
        config=home / "v.yaml",
        variables=("TOKEN",),
        written=(Path("/srv/vet bridge"),),
    )
    file = tmp_path / "vetbridge.service"
    file.write_text(systemd.unit(setup))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True, check=False, timeout=30
    )
    said = done.stdout + done.stderr
    assert "not absolute" not in said
    assert "fatal" not in said


def test_a_unit_begins_no_line_of_its_own_by_a_paths_name() -> None:
    with pytest.raises(InstallFailed, match="no unit can hold"):
        systemd.install(replace(SETUP, config=Path("/srv/a\nExecStartPre=/bin/false/v.yaml")), System(ABSENT))


@pytest.mark.parametrize("keeper", ALL)
def test_the_rights_of_the_machines_own_certificates_stay(keeper: ModuleType) -> None:
    own = HOME / "tls" / "desk.pem"
    lines = commands(keeper.install(replace(SETUP, public=(BUNDLE, own)), System(ABSENT)))
    assert not [line for line in lines if str(BUNDLE) in line]
    if keeper.__name__.endswith(("systemd", "launchd")):
        assert [line for line in lines if str(own) in line], "one beside the config is VetBridge's"


@pytest.mark.parametrize("keeper", ALL)
def test_a_folder_that_others_use_is_not_closed_to_them_because_the_config_stands_there(
    keeper: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as /etc, or somebody's desktop."""
    monkeypatch.setattr(systemd, "HIDDEN", ())
    key = tmp_path / "secrets" / "ledger.key"
    for path in (tmp_path / "v.yaml", tmp_path / "v.yaml.bak", key):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    setup = replace(SETUP, config=tmp_path / "v.yaml", secrets=(key,))
    assert keeper.install(setup, System(ABSENT)).steps
    (tmp_path / "hosts").touch()
    with pytest.raises(InstallFailed, match="holds hosts beside"):
        keeper.install(setup, System(ABSENT))


def test_a_certificate_is_public_and_its_key_is_not(tmp_path: Path) -> None:
    tls = Tls.model_construct(certificate=BUNDLE, key=tmp_path / "key.pem")
    door = SimpleNamespace(port=8710)
    config = SimpleNamespace(
        pages=SimpleNamespace(tls=tls, port=8711),
        door=door,
        network=SimpleNamespace(ca=BUNDLE),
        ledger=SimpleNamespace(database=None, path=DATA / "vetbridge.db"),
        log=SimpleNamespace(file=None),
        backup=None,
        accounts={},
    )
    found = setup_of(SimpleNamespace(config=config, values=lambda: [], path=HOME / "v.yaml"))  # type: ignore[arg-type]
    assert (found.public, found.secrets) == ((BUNDLE,), (tmp_path / "key.pem",))


def test_a_config_that_cannot_be_used_yet_does_not_end_the_service_for_ever() -> None:
    """After a power cut an address of the machine, or a folder of another one, may come late."""
    settings = dict(line.partition("=")[::2] for line in systemd.unit(SETUP).splitlines() if "=" in line)
    assert settings["Restart"] == "on-failure"
    assert "3" not in settings.get("RestartPreventExitStatus", "").split()


# -- what monitoring programs hear


def test_whatever_happens_monitoring_hears_one_line_and_critical(monkeypatch: pytest.MonkeyPatch) -> None:
    def fall_over(_: typer.Context) -> None:
        raise RuntimeError("Jane Doe\n+447700900123")

    monkeypatch.setattr(status, "_look", fall_over)
    done = RUN.invoke(app, ["status", "--check"])
    assert done.exit_code == 2
    assert done.stdout.splitlines() == ["VETBRIDGE CRITICAL - bug: VetBridge itself failed (RuntimeError)"]


@pytest.mark.parametrize("name", ["no", "on", "null", "123", "1e5", "2026-01-01", "0x1"])
def test_a_site_may_be_called_what_yaml_takes_for_something_else(tmp_path: Path, name: str) -> None:
    given = ["--booking", "altegio", "--pims", "ezyvet", "--zone", "Europe/Oslo", "--country", "NO", "--site", name]
    values = ["booking.location_id=1", "pims.client_id=a", "pims.site_uid=b"]
    places = ["booking.user_token", "booking.partner_token", "pims.client_secret"]
    more = [word for each in values for word in ("--set", each)]
    more += [word for each in places for word in ("--secret", f"{each}=env:TOKEN")]
    config = tmp_path / "vetbridge.yaml"
    done = RUN.invoke(app, ["--config", str(config), "init", "--yes", "--offline", *given, *more])
    assert done.exit_code == 0, done.output
    assert config.exists()
