"""`pytest --ledger postgresql` runs every test with its ledgers on a PostgreSQL server of the run's own."""

from __future__ import annotations

from typing import Any

import pytest

from tests import ledgers

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
    *(f"tests/system/test_{name}" for name in ("faults_", "bad_input", "real_limits", "quiet", "front_desk")),
    *("tests/system/test_three_processes", "tests/system/test_replay", "tests/system/test_walk"),
    *(f"tests/system/test_{name}" for name in ("going_live", "reconcile", "taking_back", "daemon", "schemathesis")),
    "tests/system/test_review_terminal.py",
    "tests/unit/web/",
    *(f"tests/unit/sync/test_{name}" for name in ("review_", "mutants_", "guards", "hard_look", "late_writes")),
    *(f"tests/unit/sync/test_{name}" for name in ("levels", "readings_over_http", "vendor_", "undoing", "leaving")),
    *("tests/properties/", "tests/crash/", "tests/unit/desk/"),
)
KEPT = tuple(f"tests/unit/desk/test_{name}.py" for name in ("claims", "failures", "find", "hard_desk"))
"""Of these the tests that stand for how the desk asks a ledger."""
"""Long tests; ``make test-postgresql`` and ``make torture`` have them on PostgreSQL as well."""

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


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite_file(why): is about the SQLite file; left out on PostgreSQL")
    config.stash[LEFT_OUT] = {}
    # Workers inherit the environment of the process that has the server.
    if config.getoption("--ledger") == "postgresql" and not hasattr(config, "workerinput"):
        server = config.stash[SERVER] = ledgers.Server()
        ledgers.use(server)


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(SERVER, None)
    if server is not None:
        server.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--with-ledger"):
        again = [item for item in items if _is_for_both(item.nodeid)]
        config.hook.pytest_deselected(items=[item for item in items if not _is_for_both(item.nodeid)])
        items[:] = again
    if not ledgers.on_postgresql():
        return
    marked = {item: item.get_closest_marker("sqlite_file") for item in items}
    config.stash[LEFT_OUT] = {item.nodeid: str(mark.args[0]) for item, mark in marked.items() if mark is not None}
    config.hook.pytest_deselected(items=[item for item in items if marked[item] is not None])
    items[:] = [item for item in items if marked[item] is None]


def _is_for_both(test: str) -> bool:
    """Whether a test is run on either ledger."""
    return test.startswith(KEPT) or not test.startswith(WITHOUT_LEDGER + LONG)


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
