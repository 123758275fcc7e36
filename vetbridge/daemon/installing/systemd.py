"""VetBridge as a systemd service (Linux): an account of its own, and as few rights as it can work with.

Each setting's meaning: systemd.exec(5), systemd.service(5), systemd-analyze(1). Written for systemd 247 and later.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vetbridge.daemon.installing.plan import (
    DESCRIPTION,
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

UNIT = Path("/etc/systemd/system") / f"{NAME}.service"
ACCOUNT_FILE = Path("/etc/sysusers.d") / f"{NAME}.conf"
WATCHDOG = 300
"""Seconds after which systemd restarts a VetBridge none of whose rounds has ended."""
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - named, not used
"""Folders that the service cannot see."""
SHARED = frozenset(
    map(Path, ("/", "/etc", "/var", "/var/lib", "/var/log", "/var/backups", "/srv", "/opt", "/usr", "/mnt", "/media"))
)
"""Folders that are everybody's: the service must not own one."""


def unit(setup: Setup) -> str:
    """The text of the unit."""
    environment = [f"EnvironmentFile=-{_whole(environment_file(setup))}"] if setup.variables else []
    # Nothing but the right to listen there is kept, and a user namespace would take that away too.
    rights = (
        ["CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "AmbientCapabilities=CAP_NET_BIND_SERVICE"]
        if setup.low_ports
        else ["CapabilityBoundingSet=", "PrivateUsers=yes"]
    )
    # A share may be away when the service starts.
    paths = [*map(_path, setup.written), *(_path(path, "-") for path in setup.exchanged)]
    written = [f"ReadWritePaths={' '.join(paths)}"] if paths else []
    program = " ".join(map(_argument, (*setup.program, "--config", str(setup.config), "run")))
    lines = [
        "# Made by `vetbridge service install`; `systemctl edit vetbridge` adds to it and is kept.",
        "[Unit]",
        f"Description={DESCRIPTION}",
        "Wants=network-online.target",
        "After=network-online.target time-sync.target",
        "",
        "[Service]",
        "# Ready once its listeners answer; a big ledger may have to be brought up to date before.",
        "Type=notify",
        "NotifyAccess=main",
        "TimeoutStartSec=15min",
        f"WatchdogSec={WATCHDOG}",
        f"User={NAME}",
        f"Group={NAME}",
        f"WorkingDirectory={_whole(setup.config.parent)}",
        *environment,
        f"ExecStart={program}",
        "# Writes that are under way finish first; VetBridge gives them a minute.",
        "TimeoutStopSec=90",
        "Restart=on-failure",
        "RestartSec=15",
        "# 2 usage: a person must mend that. 3 config may pass: an address that is not there yet after a power cut.",
        "RestartPreventExitStatus=2",
        f"StateDirectory={NAME}",
        "StateDirectoryMode=0700",
        "UMask=0077",
        *written,
        "",
        "# It reads its config and secrets, writes to the folders above, and speaks to the network: nothing else.",
        *rights,
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "DevicePolicy=closed",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelLogs=yes",
        "ProtectControlGroups=yes",
        "ProtectProc=invisible",
        "ProcSubset=pid",
        "PrivateIPC=yes",
        "RemoveIPC=yes",
        "KeyringMode=private",
        "LockPersonality=yes",
        "MemoryDenyWriteExecute=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallErrorNumber=EPERM",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def environment_file(setup: Setup) -> Path:
    """Where the variables of the service stand; systemd reads it as root."""
    return setup.config.with_name(f"{NAME}.env")


def install(setup: Setup, _run: Run) -> Plan:
    """What an installation does. Raises ``InstallFailed`` for a folder that it could not see, or must not own."""
    _must_fit(setup)
    account = f'#Type Name ID GECOS Home\nu {NAME} - "VetBridge" /var/lib/{NAME}\n'
    steps: list[Step] = [
        NewFile(path=ACCOUNT_FILE, content=account),
        Command(words=("systemd-sysusers", str(ACCOUNT_FILE)), why="makes the account that the service runs as"),
    ]
    for folder in setup.written:
        steps += [
            Folder(path=folder),
            Command(words=("chown", "-R", f"{NAME}:{NAME}", str(folder)), why="the service writes here"),
            Command(words=("chmod", "0700", str(folder)), why="and nobody else looks"),
        ]
    for paths, mode in ((setup.own_folders(), "0750"), (setup.own_files(), "0640")):
        words = tuple(map(str, paths))
        steps += [
            Command(words=("chgrp", NAME, *words), why="the service reads these"),
            Command(words=("chmod", mode, *words), why="and changes none of them"),
        ]
    steps += [
        NewFile(path=UNIT, content=unit(setup)),
        Command(words=("systemctl", "daemon-reload"), why="systemd reads the unit"),
        Command(words=("systemctl", "enable", NAME), why="starts with the machine"),
        Command(words=("systemctl", "restart", NAME), why="starts now"),
    ]
    return Plan(steps=tuple(steps), notes=tuple(_notes(setup)))


def remove(setup: Setup, _run: Run) -> Plan:
    """What a removal does: ledger, config, secrets and the account that they belong to stay."""
    return Plan(
        steps=(
            Command(words=("systemctl", "disable", "--now", NAME), why="ends in good order", may_fail=True),
            Gone(path=UNIT),
            Gone(path=ACCOUNT_FILE),
            Command(words=("systemctl", "daemon-reload"), why="systemd forgets the unit"),
            Command(words=("systemctl", "reset-failed", NAME), why="and how it stood", may_fail=True),
        ),
        notes=(f"The account {NAME} stays, for the files are its own; `userdel {NAME}` removes it.",),
        stays=(setup.config, *setup.secrets, *setup.written),
    )


def standing(setup: Setup, run: Run) -> Standing:
    """How the service stands. Raises ``InstallFailed`` where systemd cannot be asked."""
    names = "LoadState,ActiveState,SubState,UnitFileState,FragmentPath,MainPID,NRestarts,Result,ActiveEnterTimestamp"
    done = run(("systemctl", "show", f"{NAME}.service", f"--property={names}"))
    facts = dict(line.split("=", 1) for line in done.output.splitlines() if "=" in line)
    if done.code or "ActiveState" not in facts:
        raise InstallFailed(f"systemd cannot be asked: {done.output or f'systemctl ended with {done.code}'}")
    return Standing(
        platform="systemd",
        installed=facts.get("LoadState") == "loaded",
        enabled=facts.get("UnitFileState") == "enabled",
        running=facts["ActiveState"] == "active",
        says=" ".join(facts[name] for name in ("ActiveState", "SubState") if facts.get(name)),
        definition=Path(facts.get("FragmentPath") or UNIT),
        facts={
            name: facts[name] for name in ("MainPID", "NRestarts", "Result", "ActiveEnterTimestamp") if name in facts
        },
    )


def _must_fit(setup: Setup) -> None:
    seen = [("the program", Path(setup.program[0])), ("the config", setup.config)]
    seen += [] if setup.interpreter is None else [("its Python", setup.interpreter)]
    seen += [("a secret", path) for path in setup.secrets]
    seen += [("a certificate", path) for path in setup.public]
    seen += [("a folder that VetBridge writes to", path) for path in (*setup.written, *setup.exchanged)]
    for what, path in seen:
        if not str(path).isprintable():
            raise InstallFailed(f"{what} stands at {str(path)!r}, which no unit can hold; give it a plain name")
        hidden = next((folder for folder in HIDDEN if path.is_relative_to(folder)), None)
        if hidden is not None:
            mend = {
                "the program": "install it in a virtual environment in /opt/vetbridge",
                "its Python": "make its virtual environment with the system's python3",
            }.get(what, f"move it to /etc/{NAME} or /var/lib/{NAME}")
            raise InstallFailed(f"{what} stands at {path}, and a service sees nothing of {hidden}; {mend}")
    for path in (setup.config.parent, *setup.written):
        if path in SHARED:
            raise InstallFailed(
                f"{path} is not VetBridge's alone; give it a folder of its own, such as {path / NAME}"
            )
    must_own_its_folders(setup)


def _notes(setup: Setup) -> Iterator[str]:
    if setup.variables:
        names = ", ".join(setup.variables)
        file = environment_file(setup)
        yield f"A service does not have your environment: write NAME=VALUE for {names} into {file}, readable by root."
    for path in setup.secrets:
        if not path.is_relative_to(setup.config.parent):
            yield f"Let the account {NAME} pass the folders above {path}."
    yield from exchange_notes(setup, f"the account {NAME}")


def _whole(path: Path) -> str:
    """A path that is all of a setting: quotes would belong to it."""
    return str(path).replace("%", "%%")


def _path(path: Path, sign: str = "") -> str:
    """A path among others in a unit: % stands for a specifier there, and a space ends it unless in quotes."""
    text = sign + str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if set(text) & set(" '\"\t;") else text


def _argument(word: str) -> str:
    """A word of a command line, where $ stands for a variable too."""
    return _path(Path(word)).replace("$", "$$")
