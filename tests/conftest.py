"""`pytest --ledger postgresql` runs every test with its ledgers on a PostgreSQL server of the run's own."""

from __future__ import annotations

import gc
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
import typer.testing

from tests import databases, ledgers

# The commands are put together once: else each call of one in a test would do it anew, which takes longer than most.
typer.testing._get_command = cache(typer.main.get_command)

WITHOUT_LEDGER = (
    *(
        f"tests/unit/{name}/"
        for name in ("bench", "cli", "core", "mapping", "config", "connector", "connectors", "simkit", "testing")
    ),
    "tests/unit/demo/",
    "tests/browser/",  # the pages ask for the same, whatever holds it
    "tests/conformance/",
    "tests/guards/",
    "tests/system/test_demo.py",  # the demo has a ledger of its own, a file on either
    *(f"tests/properties/test_{name}.py" for name in ("matching", "normalise", "notes", "planning")),
)
"""Tests that do the same whatever ``--ledger`` says."""

LONG = (
    "tests/system/",
    "tests/soak/",
    "tests/unit/web/",
    "tests/unit/daemon/",
    "tests/fuzz/",
    "tests/unit/sync/",
    *(f"tests/unit/ledger/test_{name}" for name in ("backup", "hard_", "pruning", "rekeying", "upgrades")),
    *("tests/properties/", "tests/crash/", "tests/unit/desk/"),
)
"""Long tests; ``make test-postgresql`` and ``make torture`` have them on PostgreSQL as well."""
KEPT = (
    *(f"tests/unit/desk/test_{name}.py" for name in ("claims", "failures", "find", "hard_desk")),
    *(f"tests/unit/daemon/test_{name}.py" for name in ("prune", "telling")),
    *(f"tests/unit/sync/test_{name}.py" for name in ("engine", "by_hand", "pairing", "due_services", "attachments")),
    *(f"tests/unit/sync/test_{name}.py" for name in ("identity", "pauses", "importing", "clock_moves")),
    "tests/system/test_forget_bytes.py",
)
"""Of these the tests that stand for how the desk, the daemon and the engine ask a ledger, and for what is erased in
one."""

TRIED_AGAIN = ("tests/system/", "tests/browser/")
"""Tests with real processes, terminals and browsers, which a busy machine may let down. One that fails is tried once
more, and named at the end: a test that is named often has a fault. Laws and kills are never tried again."""

SERVER = pytest.StashKey[ledgers.Server]()
LEFT_OUT = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--ledger", choices=("sqlite", "postgresql"), default="sqlite", help="where the tests' ledgers are"
    )
    parser.addoption(
        "--with-ledger",
        action="store_true",
        help="for a second run, on the other ledger: leaves out what opens none, and what is long",
    )
    parser.addoption(
        "--with-browser", action="store_true", help="fails where there is no browser; else its tests are left out"
    )
    parser.addoption(
        "--every-demo",
        action="store_true",
        help="plays every practice system by every way that its simulator can; else three stand for them",
    )
    parser.addoption(
        "--with-odbc",
        action="store_true",
        help="fails where ODBC or its drivers for SQLite and PostgreSQL are missing; else their tests are left out",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite_file(why): is about the SQLite file; left out on PostgreSQL")
    config.addinivalue_line("markers", "every_demo: one of the demos that others stand for")
    config.addinivalue_line("markers", "odbc: needs ODBC and its drivers for SQLite and PostgreSQL")
    config.stash[LEFT_OUT] = {}
    ledgers.quicken()
    # Workers inherit the environment of the process that has the server.
    if config.getoption("--ledger") == "postgresql" and not hasattr(config, "workerinput"):
        server = config.stash[SERVER] = ledgers.Server()
        ledgers.use(server)


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(SERVER, None)
    if server is not None:
        server.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(TRIED_AGAIN):
            item.add_marker(pytest.mark.flaky(reruns=1))
    if not config.getoption("--every-demo"):
        skipped = pytest.mark.skip(reason="another demo stands for it: make demos")
        for item in items:
            if item.get_closest_marker("every_demo") is not None:
                item.add_marker(skipped)
    without_odbc = databases.missing()
    if without_odbc and config.getoption("--with-odbc"):
        raise pytest.UsageError(without_odbc)
    for item in items if without_odbc else ():
        if item.get_closest_marker("odbc") is not None:
            item.add_marker(pytest.mark.skip(reason=without_odbc))
    if not ledgers.on_postgresql():
        return
    marked = {item: item.get_closest_marker("sqlite_file") for item in items}
    config.stash[LEFT_OUT] = {item.nodeid: str(mark.args[0]) for item, mark in marked.items() if mark is not None}
    config.hook.pytest_deselected(items=[item for item in items if marked[item] is not None])
    items[:] = [item for item in items if marked[item] is None]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What a second run leaves out is not even read."""
    if not config.getoption("--with-ledger") or not collection_path.is_relative_to(config.rootpath):
        return None
    name = collection_path.relative_to(config.rootpath).as_posix() + ("/" if collection_path.is_dir() else "")
    kept = name.startswith(KEPT) or any(one.startswith(name) for one in KEPT)
    return True if name.startswith(WITHOUT_LEDGER + LONG) and not kept else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Any:
    """Nothing that is found goes again: Python need not look for garbage in it, now and while the tests run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Any:
    try:
        return (yield)
    finally:
        ledgers.drop()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[LEFT_OUT].update(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("--with-ledger"):
        terminalreporter.section("left out: what opens no ledger, and long tests")
        for name in WITHOUT_LEDGER + LONG:
            terminalreporter.line(name)
    left_out = config.stash[LEFT_OUT]
    if left_out:
        terminalreporter.section(f"left out on PostgreSQL: {len(left_out)}, for they are about the SQLite file")
        for name, why in sorted(left_out.items()):
            terminalreporter.line(f"{name}: {why}")
