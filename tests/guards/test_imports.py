"""The house stands as the architecture draws it: the import contracts hold, and they cover every folder."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def test_the_contracts_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LINT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"{len(CONTRACTS)} kept, 0 broken" in done.stdout


def test_every_folder_has_its_place_in_the_house() -> None:
    layers = next(contract["layers"] for contract in CONTRACTS if contract["type"] == "layers")
    folders = {f"vetbridge.{path.parent.name}" for path in (ROOT / "vetbridge").glob("*/__init__.py")}
    assert set(layers) == folders


def test_every_vendor_is_kept_apart() -> None:
    apart = next(contract["modules"] for contract in CONTRACTS if contract["type"] == "independence")
    vendors = {f"connectors.{path.parent.name}" for path in (ROOT / "connectors").glob("*/__init__.py")}
    assert set(apart) == vendors
    simulators = next(
        contract["source_modules"] for contract in CONTRACTS if contract["name"].startswith("A simulator")
    )
    found = {path.relative_to(ROOT).with_suffix("") for path in (ROOT / "connectors").glob("*/simulator*")}
    assert set(simulators) == {".".join(path.parts) for path in found}


@pytest.mark.parametrize("folder", ["tests", "bench"])
def test_tests_wait_on_conditions_and_never_sleep(folder: str) -> None:
    assert list(_sleeps(ROOT / folder)) == []


def _sleeps(folder: Path) -> Iterator[str]:
    """Every place that names ``time.sleep``, however it is imported."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Attribute) and node.attr == "sleep" and isinstance(node.value, ast.Name)
            imported = isinstance(node, ast.ImportFrom) and any(name.name == "sleep" for name in node.names)
            if called or imported:
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', '?')}"
