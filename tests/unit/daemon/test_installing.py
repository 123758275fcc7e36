"""The service of each platform, as a plan: what is run and written, tested on any machine."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from vetbridge.connector.configured import read_config
from vetbridge.daemon.installing import launchd, systemd, windows
from vetbridge.daemon.installing.plan import (
    Command,
    Done,
    Folder,
    Gone,
    InstallFailed,
    NewFile,
    Plan,
    Setup,
    carry_out,
    setup_of,
)

HOME = Path("/etc/vetbridge")
DATA = Path("/var/lib/vetbridge")
SETUP = Setup(
    program=("/opt/vetbridge/bin/vetbridge",),
    config=HOME / "vetbridge.yaml",
    ledger=DATA / "vetbridge.db",
    secrets=(HOME / "secrets" / "ledger.key",),
    written=(DATA,),
)
ALL = (systemd, launchd, windows)


class System:
    """A machine that notes what is run, and answers as it was told."""

    def __init__(self, answers: dict[str, Done] | None = None) -> None:
        self.ran: list[tuple[str, ...]] = []
        self._answers = answers or {}

    def __call__(self, words: Sequence[str]) -> Done:
        self.ran.append(tuple(words))
        line = " ".join(words)
        return next((done for key, done in self._answers.items() if key in line), Done(code=0))


ABSENT = {"query VetBridge": Done(code=1060), "dscl . -read": Done(code=56)}
"""A machine that has neither the service nor its account."""


def commands(plan: Plan) -> list[str]:
    return [" ".join(step.words) for step in plan.steps if isinstance(step, Command)]


def written(plan: Plan, name: str) -> str:
    (content,) = (step.content for step in plan.steps if isinstance(step, NewFile) and step.path.name == name)
    return content


def settings(text: str) -> dict[str, list[str]]:
    """The settings of a unit; one may stand several times."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


# -- every platform


@pytest.mark.parametrize("keeper", ALL)
def test_a_service_that_could_change_its_own_config_is_refused(keeper: ModuleType) -> None:
    with pytest.raises(InstallFailed, match=r"where its config stands"):
        keeper.install(replace(SETUP, written=(HOME,)), System(ABSENT))


@pytest.mark.parametrize("keeper", ALL)
def test_a_folder_that_holds_things_of_others_does_not_become_the_services(
    keeper: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "HIDDEN", ())
    (tmp_path / "vetbridge.db").touch()
    setup = replace(SETUP, ledger=tmp_path / "vetbridge.db", written=(tmp_path,))
    assert keeper.install(setup, System(ABSENT)).steps
    (tmp_path / "accounts.xlsx").touch()
    with pytest.raises(InstallFailed, match=r"holds accounts\.xlsx beside"):
        keeper.install(setup, System(ABSENT))


@pytest.mark.parametrize("keeper", ALL)
def test_a_removal_takes_neither_ledger_nor_config_nor_secrets(keeper: ModuleType) -> None:
    plan = keeper.remove(SETUP, System())
    gone = {step.path for step in plan.steps if isinstance(step, Gone)}
    assert gone
    kept = {SETUP.config, *SETUP.secrets, *SETUP.written}
    assert kept <= set(plan.stays)
    assert not gone & kept
    assert not any(str(path) in line for line in commands(plan) for path in kept)


@pytest.mark.parametrize("keeper", ALL)
def test_variables_that_a_service_would_not_have_are_named(keeper: ModuleType) -> None:
    plan = keeper.install(replace(SETUP, variables=("ALTEGIO_USER_TOKEN",)), System(ABSENT))
    assert any("ALTEGIO_USER_TOKEN" in note for note in plan.notes)


@pytest.mark.parametrize("keeper", ALL)
def test_a_folder_in_which_others_work_keeps_its_rights_and_a_person_is_told(keeper: ModuleType) -> None:
    plan = keeper.install(replace(SETUP, exchanged=(Path("/srv/impromed"),)), System(ABSENT))
    assert not any("/srv/impromed" in line for line in commands(plan))
    assert any(note.startswith("/srv/impromed is not VetBridge's alone") for note in plan.notes)


def test_the_folder_of_an_account_of_files_is_one_in_which_others_work(tmp_path: Path) -> None:
    (tmp_path / "vetbridge.yaml").write_text(
        """
version: 1
ledger: {key: {env: KEY}}
accounts:
  b: {connector: altegio, options: {location_id: "1", partner_token: {env: A}, user_token: {env: B}}}
  p: {connector: files, options: {folder: exchange, profile: impromed}}
sites:
  city:
    {name: City, zone: Europe/London, country: GB, booking: {account: b}, pims: {account: p}}
""",
        encoding="utf-8",
    )
    assert setup_of(read_config(tmp_path / "vetbridge.yaml")).exchanged == (tmp_path / "exchange",)


def test_steps_are_done_in_order_and_the_first_failure_ends_them(tmp_path: Path) -> None:
    unit = tmp_path / "deep" / "unit"
    old = tmp_path / "old"
    old.write_text("old")
    steps = (
        NewFile(path=unit, content="new\n", mode=0o640),
        Folder(path=tmp_path / "data"),
        Gone(path=old),
        Command(words=("stop", "it"), why="", may_fail=True),
        Command(words=("enable", "it"), why=""),
        Command(words=("start", "it"), why=""),
    )
    system = System({"stop": Done(code=5), "enable": Done(code=1, output="no such unit")})
    with pytest.raises(InstallFailed, match=r"`enable it` ended with 1: no such unit"):
        carry_out(Plan(steps=steps), system)
    assert unit.read_text() == "new\n"
    assert (tmp_path / "data").is_dir()
    assert not old.exists()
    assert system.ran == [("stop", "it"), ("enable", "it")]
    assert sorted(path.name for path in unit.parent.iterdir()) == ["unit"], "nothing half-written stays"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InstallFailed, match=r"cannot be written"):
        carry_out(Plan(steps=(NewFile(path=tmp_path / "file" / "unit", content=""),)), System())


# -- systemd


def test_the_unit_runs_as_its_own_account_and_writes_to_its_folders_alone() -> None:
    text = systemd.unit(SETUP)
    found = settings(text)
    assert found["User"] == ["vetbridge"]
    assert found["ExecStart"] == ["/opt/vetbridge/bin/vetbridge --config /etc/vetbridge/vetbridge.yaml run"]
    assert found["ReadWritePaths"] == ["/var/lib/vetbridge"]
    assert found["Type"] == ["notify"]
    assert found["CapabilityBoundingSet"] == [""]


def test_the_unit_lets_it_write_where_others_work_too_and_starts_when_that_is_away() -> None:
    found = settings(systemd.unit(replace(SETUP, exchanged=(Path("/srv/vet files"),))))
    assert found["ReadWritePaths"] == ['/var/lib/vetbridge "-/srv/vet files"']


def test_words_of_a_path_are_no_words_of_the_unit() -> None:
    odd = replace(SETUP, config=Path('/etc/vet $HOME %h "x"/v.yaml'), written=(Path("/srv/vet bridge"),))
    found = settings(systemd.unit(odd))
    assert found["ExecStart"][0].endswith(r'--config "/etc/vet $$HOME %%h \"x\"/v.yaml" run')
    assert found["ReadWritePaths"] == ['"/srv/vet bridge"']


def test_a_low_port_takes_one_right_and_no_other() -> None:
    found = settings(systemd.unit(replace(SETUP, low_ports=True)))
    assert found["CapabilityBoundingSet"] == found["AmbientCapabilities"] == ["CAP_NET_BIND_SERVICE"]
    assert "PrivateUsers" not in found


def test_secrets_are_read_by_the_service_and_by_nobody_else() -> None:
    lines = commands(systemd.install(SETUP, System()))
    assert "chgrp vetbridge /etc/vetbridge/vetbridge.yaml /etc/vetbridge/secrets/ledger.key" in lines
    assert "chmod 0640 /etc/vetbridge/vetbridge.yaml /etc/vetbridge/secrets/ledger.key" in lines
    assert "chmod 0750 /etc/vetbridge /etc/vetbridge/secrets" in lines
    assert lines.index("systemctl daemon-reload") < lines.index("systemctl restart vetbridge")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"program": ("/root/venv/bin/vetbridge",)}, "sees nothing of /root; install it in"),
        ({"interpreter": Path("/root/.pyenv/bin/python3.11")}, "with the system's python3"),
        ({"config": Path("/home/ann/vetbridge.yaml")}, "sees nothing of /home"),
        ({"secrets": (Path("/run/user/0/key"),)}, "sees nothing of /run/user"),
        ({"written": (DATA, Path("/var/lib"))}, "/var/lib is not VetBridge's alone"),
        ({"config": Path("/etc/vetbridge.yaml")}, "/etc is not VetBridge's alone"),
    ],
)
def test_folders_that_cannot_work_or_are_everybodys_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(InstallFailed, match=says):
        systemd.install(replace(SETUP, **changes), System())  # type: ignore[arg-type]


def test_how_the_service_stands_is_read_from_systemd() -> None:
    output = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=7\nNRestarts=2\n"
    found = systemd.standing(SETUP, System({"show": Done(code=0, output=output)}))
    assert (found.installed, found.enabled, found.running, found.says) == (True, True, True, "active running")
    assert found.facts == {"MainPID": "7", "NRestarts": "2"}
    silent = System({"show": Done(code=1, output="System has not been booted with systemd as init system")})
    with pytest.raises(InstallFailed, match="not been booted"):
        systemd.standing(SETUP, silent)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
@pytest.mark.parametrize("low_ports", [False, True])
def test_systemd_finds_the_unit_sound_and_its_exposure_low(tmp_path: Path, low_ports: bool) -> None:
    unit = tmp_path / "vetbridge.service"
    program = shutil.which("true") or "/bin/true"
    unit.write_text(systemd.unit(replace(SETUP, program=(program,), variables=("X",), low_ports=low_ports)))
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    threshold = "--threshold=20"  # tenths: above 2.0 it ends with 1
    scored = ["systemd-analyze", "security", "--offline=true", threshold, "--no-pager", str(unit)]
    done = subprocess.run(scored, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


# -- launchd


def test_the_property_list_says_what_launchd_needs() -> None:
    plan = launchd.install(SETUP, System(ABSENT))
    found = plistlib.loads(written(plan, "vetbridge.plist").encode())
    assert found["ProgramArguments"] == [*SETUP.program, "--config", str(SETUP.config), "run"]
    assert (found["UserName"], found["RunAtLoad"]) == ("_vetbridge", True)
    assert found["KeepAlive"] == {"SuccessfulExit": False}
    assert found["ExitTimeOut"] >= 60
    assert found["Umask"] == 0o077


def test_the_account_is_made_once_under_a_number_that_is_free() -> None:
    taken = {"-list /Users": Done(code=0, output="_a  399\n_b 398"), "-list /Groups": Done(code=0, output="g 397")}
    lines = commands(launchd.install(SETUP, System({**ABSENT, **taken})))
    assert "dscl . -create /Users/_vetbridge UniqueID 396" in lines
    there = commands(launchd.install(SETUP, System()))
    assert not any("dscl" in line for line in there)
    full = Done(code=0, output="\n".join(f"u{number} {number}" for number in launchd.IDS))
    with pytest.raises(InstallFailed, match="is free"):
        launchd.install(SETUP, System({**ABSENT, "-list /Users": full}))


def test_how_the_service_stands_is_read_from_launchd() -> None:
    output = "system/vetbridge = {\n\tstate = running\n\tpid = 77\n\truns = 1\n\tjetsam = {\n\t\tstate = x\n\t}\n}"
    found = launchd.standing(SETUP, System({"launchctl print system": Done(code=0, output=output)}))
    assert (found.running, found.enabled, found.facts) == (True, True, {"pid": "77", "runs": "1"})
    switched = System(
        {"print system": Done(code=113), "print-disabled": Done(code=0, output='"vetbridge" => disabled')}
    )
    off = launchd.standing(SETUP, switched)
    assert (off.running, off.enabled, off.says) == (False, False, "not loaded")


# -- Windows


WINDOWS = replace(SETUP, program=("C:\\Program Files\\VetBridge\\python\\python.exe", "-m", "vetbridge.cli.main"))


def test_the_xml_says_what_to_run_and_how_long_it_may_take_to_end(tmp_path: Path) -> None:
    host = tmp_path / "vetbridge-service.exe"
    host.touch()
    plan = windows.install(replace(WINDOWS, config=HOME / "a & b <c>.yaml"), System(ABSENT), host=host)
    root = ElementTree.fromstring(written(plan, "vetbridge-service.xml"))  # noqa: S314 - our own
    assert root.findtext("executable") == WINDOWS.program[0]
    assert root.findtext("arguments") == '-m vetbridge.cli.main --config "/etc/vetbridge/a & b <c>.yaml" run'
    assert root.findtext("stoptimeout") == "90 sec"
    assert root.find("serviceaccount") is None, "the service manager is told, and a virtual account has no password"
    assert not any("is missing" in note for note in plan.notes)


def test_a_sign_that_the_host_would_replace_is_refused() -> None:
    with pytest.raises(InstallFailed, match="holds %"):
        windows.install(replace(WINDOWS, config=Path("/data/%TEMP%/v.yaml")), System(ABSENT))


def test_a_new_service_is_made_and_one_that_is_there_is_changed() -> None:
    new, again = commands(windows.install(WINDOWS, System(ABSENT))), commands(windows.install(WINDOWS, System()))
    assert any(line.startswith("sc.exe create VetBridge binPath= ") and "NT SERVICE" in line for line in new)
    assert not any("stop" in line for line in new)
    assert again[0] == "net.exe stop VetBridge"
    assert any(line.startswith("sc.exe config VetBridge ") for line in again)
    for lines in (new, again):
        assert any("start= delayed-auto" in line for line in lines)
        assert any("sc.exe failure VetBridge reset= 86400 actions= restart/5000/" in line for line in lines)
        assert lines[-1] == "net.exe start VetBridge"


def test_rights_are_given_by_number_from_the_outer_folder_to_the_inner() -> None:
    inner = replace(WINDOWS, written=(HOME / "data",), secrets=(Path("/elsewhere/key"),))
    lines = [line for line in commands(windows.install(inner, System(ABSENT))) if "icacls" in line]
    assert all("*S-1-5-32-544" in line and "/inheritance:r" in line for line in lines)
    assert [line.rsplit(":", 1)[1] for line in lines] == ["(OI)(CI)RX", "(OI)(CI)M", "(OI)(CI)M", "R"]


def test_how_the_service_stands_is_read_in_any_language() -> None:
    query = "SERVICE_NAME: VetBridge\n  TYP  : 10  WIN32_OWN_PROCESS\n  STATUS : 4  RUNNING\n  PID : 4711\n"
    config = "  STARTTYP  : 2   AUTO_START  (DELAYED)\n"
    system = System({"queryex": Done(code=0, output=query), "qc": Done(code=0, output=config)})
    found = windows.standing(WINDOWS, system)
    assert (found.installed, found.enabled, found.running, found.says) == (True, True, True, "running")
    assert found.facts == {"PID": "4711"}
    none = windows.standing(WINDOWS, System({"VetBridge": Done(code=1060, output="FEHLER 1060")}))
    assert (none.installed, none.enabled, none.running) == (False, False, False)
