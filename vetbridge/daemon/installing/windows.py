"""VetBridge as a Windows service: WinSW hosts it, under the service's own virtual account.

WinSW's XML: docs/xml-config-file.md of github.com/winsw/winsw. sc.exe: create, config, failure, sidtype. Why WinSW:
docs/decisions/0017. XML is written here and never read, so none can harm.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # nosec B405

from vetbridge.daemon.installing.plan import (
    DESCRIPTION,
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

SERVICE = "VetBridge"
ACCOUNT = rf"NT SERVICE\{SERVICE}"
"""A virtual account: Windows makes it with the service, and it has no password."""
ADMINISTRATORS, SYSTEM = "*S-1-5-32-544", "*S-1-5-18"
"""By number: their names differ from language to language."""
HOST = "vetbridge-service.exe"
"""WinSW under the name by which it looks for vetbridge-service.xml."""
ABSENT = 1060
"""sc.exe's answer for a service that does not exist."""
AGAIN = ("restart", 5_000, "restart", 15_000, "restart", 60_000)
"""What Windows does after the first, second and every further failure; milliseconds."""
AGAIN_RESET = 86_400
"""Seconds without a failure after which Windows counts anew."""


def host_of(program: tuple[str, ...]) -> Path:
    """Where WinSW stands in what the installer has laid out: beside the folder of the interpreter."""
    return Path(program[0]).parent.parent / "service" / HOST


def definition(setup: Setup, log: Path) -> str:
    """The XML that WinSW reads: what to run, and how to end it. All else is the service manager's."""
    service = Element("service")
    words = [*setup.program[1:], "--config", str(setup.config), "run"]
    for name, text in {
        "id": SERVICE,
        "name": SERVICE,
        "description": DESCRIPTION,
        "executable": setup.program[0],
        "arguments": subprocess.list2cmdline(words),
        "workingdirectory": str(setup.config.parent),
        # It is sent Ctrl-C, and writes that are under way finish first; VetBridge gives them a minute.
        "stoptimeout": "90 sec",
        "autoRefresh": "false",
        "logpath": str(log),
    }.items():
        # WinSW puts variables of the environment between two of these signs.
        if "%" in text:
            raise InstallFailed(f"{name}: {text} holds %, which WinSW takes for a variable; choose another folder")
        SubElement(service, name).text = text
    rolled = SubElement(service, "log", mode="roll-by-size")
    SubElement(rolled, "sizeThreshold").text = "10240"
    SubElement(rolled, "keepFiles").text = "5"
    indent(service)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(service, encoding="unicode")}\n'


def install(setup: Setup, run: Run, *, host: Path | None = None) -> Plan:
    """What an installation does; ``run`` is asked whether the service exists. Raises ``InstallFailed``."""
    host = host or host_of(setup.program)
    must_own_its_folders(setup)
    log = setup.config.parent / "service-log"
    there = run(("sc.exe", "query", SERVICE)).code == 0
    settings = ("binPath=", f'"{host}"', "start=", "delayed-auto", "obj=", ACCOUNT, "DisplayName=", SERVICE)
    steps: list[Step] = [
        NewFile(path=host.with_suffix(".xml"), content=definition(setup, log)),
        *([Command(words=("net.exe", "stop", SERVICE), why="ends one that runs", may_fail=True)] if there else []),
        Command(
            words=("sc.exe", "config" if there else "create", SERVICE, *settings),
            why="starts with the machine, whoever is signed in",
        ),
        Command(words=("sc.exe", "description", SERVICE, DESCRIPTION), why="says what it is"),
        Command(words=("sc.exe", "sidtype", SERVICE, "unrestricted"), why="gives it a name that rights can be given"),
        Command(
            words=("sc.exe", "failure", SERVICE, "reset=", str(AGAIN_RESET), "actions=", "/".join(map(str, AGAIN))),
            why="starts it again after a failure",
        ),
        Command(words=("sc.exe", "failureflag", SERVICE, "1"), why="also after one that it told of"),
    ]
    home = setup.config.parent
    # The config's folder first: what it lets pass down must not reach the folders inside that are written to.
    steps.append(_rights(home, "(OI)(CI)RX", "the service reads its config and secrets, and changes none"))
    for folder in dict.fromkeys((*setup.written, log)):
        steps += [Folder(path=folder), _rights(folder, "(OI)(CI)M", "the service writes here, nobody else looks")]
    for path in setup.secrets:
        if not path.is_relative_to(home):
            steps.append(_rights(path, "R", "the service reads this secret, and does not change it"))
    steps.append(Command(words=("net.exe", "start", SERVICE), why="starts now"))
    return Plan(steps=tuple(steps), notes=tuple(_notes(setup, host)))


def remove(setup: Setup, run: Run, *, host: Path | None = None) -> Plan:
    """What a removal does: ledger, config and secrets stay."""
    host = host or host_of(setup.program)
    there = run(("sc.exe", "query", SERVICE)).code == 0
    gone: list[Step] = [
        Command(words=("net.exe", "stop", SERVICE), why="ends in good order", may_fail=True),
        Command(words=("sc.exe", "delete", SERVICE), why="Windows forgets the service and its account"),
    ]
    return Plan(
        steps=(*(gone if there else []), Gone(path=host.with_suffix(".xml"))),
        stays=(setup.config, *setup.secrets, *setup.written),
    )


def standing(setup: Setup, run: Run) -> Standing:
    """How the service stands. Raises ``InstallFailed`` where the service manager cannot be asked."""
    query, config = run(("sc.exe", "queryex", SERVICE)), run(("sc.exe", "qc", SERVICE))
    if query.code not in (0, ABSENT):
        raise InstallFailed(f"the service manager cannot be asked: {query.output}")
    # The words before the colon are in the language of this Windows, these after it are not.
    state = re.search(r":\s*\d\s+(RUNNING|STOPPED|START_PENDING|STOP_PENDING|PAUSED)", query.output)
    process = re.search(r"PID\s*:\s*([1-9]\d*)", query.output)
    return Standing(
        platform="windows",
        installed=query.code == 0,
        enabled="AUTO_START" in config.output,
        running=state is not None and state[1] == "RUNNING",
        says=state[1].lower().replace("_", " ") if state else "not installed",
        definition=host_of(setup.program).with_suffix(".xml"),
        facts={"PID": process[1]} if process else {},
    )


def _rights(path: Path, right: str, why: str) -> Command:
    """Rights of a file or a folder: administrators, the system and the service, and nobody who had some before."""
    whole = "(OI)(CI)F" if right.startswith("(") else "F"
    grants = (f"{SYSTEM}:{whole}", f"{ADMINISTRATORS}:{whole}", f"{ACCOUNT}:{right}")
    return Command(words=("icacls.exe", str(path), "/inheritance:r", "/grant:r", *grants), why=why)


def _notes(setup: Setup, host: Path) -> Iterator[str]:
    if not host.exists():
        yield f"{host} is missing: put WinSW there under this name, or name it with --host."
    if setup.variables:
        names = ", ".join(setup.variables)
        yield f"A service does not have your environment: make {names} variables of the system."
    if setup.log is None:
        yield "Set log.file in the config: then its lines and their age are VetBridge's own to keep."
    yield from exchange_notes(setup, f"the account {ACCOUNT}")
