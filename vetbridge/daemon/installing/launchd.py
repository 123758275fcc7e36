"""VetBridge as a launchd daemon (macOS): launchd.plist(5), launchctl(1), dscl(1)."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator
from pathlib import Path

from vetbridge.daemon.installing.plan import (
    NAME,
    Command,
    Folder,
    Gone,
    InstallFailed,
    NewFile,
    Plan,
    Run,
    Setup,
    Standing,
    Step,
    exchange_notes,
    must_own_its_folders,
)

DEFINITION = Path("/Library/LaunchDaemons") / f"{NAME}.plist"
LOG = Path("/Library/Logs/VetBridge")
ACCOUNT = f"_{NAME}"
"""Accounts of services begin with an underscore there."""
IDS = range(300, 400)
"""Of accounts of services that are not the system's own."""
TARGET = f"system/{NAME}"


def definition(setup: Setup) -> str:
    """The text of the property list."""
    content = {
        "Label": NAME,
        "ProgramArguments": [*setup.program, "--config", str(setup.config), "run"],
        "UserName": ACCOUNT,
        "GroupName": ACCOUNT,
        "WorkingDirectory": str(setup.config.parent),
        "RunAtLoad": True,
        # Again after every end but one that was asked for; launchd waits so many seconds in between.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 15,
        # Writes that are under way finish first; VetBridge gives them a minute.
        "ExitTimeOut": 90,
        "ProcessType": "Background",
        "Umask": 0o077,
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": str(LOG / f"{NAME}.log"),
    }
    return plistlib.dumps(content, sort_keys=False).decode()


def install(setup: Setup, run: Run) -> Plan:
    """What an installation does; ``run`` is asked which accounts there are. Raises ``InstallFailed``."""
    must_own_its_folders(setup)
    steps: list[Step] = [*_account(run)]
    for folder in dict.fromkeys((LOG, *setup.written)):
        steps += [
            Folder(path=folder),
            Command(words=("chown", "-R", f"{ACCOUNT}:{ACCOUNT}", str(folder)), why="the service writes here"),
            Command(words=("chmod", "0700", str(folder)), why="and nobody else looks"),
        ]
    for paths, mode in ((setup.own_folders(), "0750"), (setup.own_files(), "0640")):
        words = tuple(map(str, paths))
        steps += [
            Command(words=("chgrp", ACCOUNT, *words), why="the service reads these"),
            Command(words=("chmod", mode, *words), why="and changes none of them"),
        ]
    steps += [
        NewFile(path=DEFINITION, content=definition(setup)),
        Command(words=("launchctl", "bootout", TARGET), why="ends one that runs", may_fail=True),
        Command(words=("launchctl", "enable", TARGET), why="starts with the machine"),
        Command(words=("launchctl", "bootstrap", "system", str(DEFINITION)), why="starts now"),
    ]
    return Plan(steps=tuple(steps), notes=tuple(_notes(setup)))


def remove(setup: Setup, _run: Run) -> Plan:
    """What a removal does: ledger, config, secrets and the account that they belong to stay."""
    return Plan(
        steps=(
            Command(words=("launchctl", "bootout", TARGET), why="ends in good order", may_fail=True),
            Gone(path=DEFINITION),
        ),
        notes=(f"The account {ACCOUNT} stays, for the files are its own.",),
        stays=(setup.config, *setup.secrets, *setup.written, LOG),
    )


def standing(_setup: Setup, run: Run) -> Standing:
    """How the service stands. Raises ``InstallFailed`` where launchd cannot be asked."""
    done = run(("launchctl", "print", TARGET))
    if done.code in (126, 127):
        raise InstallFailed(f"launchd cannot be asked: {done.output}")
    facts = dict(re.findall(r"^\t(state|pid|runs|last exit code) = (.+)$", done.output, re.MULTILINE))
    disabled = run(("launchctl", "print-disabled", "system")).output
    switched_off = re.search(rf'"{NAME}" => (disabled|true)', disabled) is not None
    loaded = done.code == 0
    return Standing(
        platform="launchd",
        installed=loaded or DEFINITION.exists(),
        enabled=(loaded or DEFINITION.exists()) and not switched_off,
        running=facts.get("state") == "running",
        says=facts.get("state", "not loaded"),
        definition=DEFINITION,
        facts={name: value for name, value in facts.items() if name != "state"},
    )


def _account(run: Run) -> Iterator[Command]:
    if run(("dscl", ".", "-read", f"/Users/{ACCOUNT}", "UniqueID")).code == 0:
        return
    listed = "\n".join(run(("dscl", ".", "-list", place, key)).output for place, key in _LISTS)
    taken = {int(number) for number in re.findall(r"\s(\d+)\s*$", listed, re.MULTILINE)}
    free = next((str(number) for number in reversed(IDS) if number not in taken), None)
    if free is None:
        raise InstallFailed(f"no number from {IDS.start} to {IDS.stop - 1} is free for the account {ACCOUNT}")
    group, user = f"/Groups/{ACCOUNT}", f"/Users/{ACCOUNT}"
    for place, values in (
        (group, {"PrimaryGroupID": free, "RealName": "VetBridge"}),
        (
            user,
            {
                "UniqueID": free,
                "PrimaryGroupID": free,
                "RealName": "VetBridge",
                "NFSHomeDirectory": "/var/empty",
                "UserShell": "/usr/bin/false",
                "IsHidden": "1",
            },
        ),
    ):
        for key, value in values.items():
            yield Command(words=("dscl", ".", "-create", place, key, value), why="makes the service's account")


_LISTS = (("/Users", "UniqueID"), ("/Groups", "PrimaryGroupID"))


def _notes(setup: Setup) -> Iterator[str]:
    if setup.variables:
        names = ", ".join(setup.variables)
        yield f"A service does not have your environment: keep {names} in files, {{file: PATH}} in the config."
    if setup.log is None:
        yield f"Set log.file in the config: the file {LOG / f'{NAME}.log'} that launchd writes grows for ever."
    yield from exchange_notes(setup, f"the account {ACCOUNT}")
