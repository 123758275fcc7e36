"""The wheel holds all that VetBridge runs on, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("vetbridge", "connectors", "mappings")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as `pip` builds it, which fetches the build tool: without a network there is nothing to look at."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--quiet", "--wheel-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "hatchling" in done.stderr and "No matching distribution" in done.stderr:
        pytest.skip("the build tool hatchling cannot be fetched here, so no wheel can be built")
    assert done.returncode == 0, done.stderr[-4000:]
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_every_module_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    files = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert files == expected


@pytest.mark.parametrize(
    "name",
    [
        "vetbridge/py.typed",
        "vetbridge/ledger/migrations/env.py",
        "vetbridge/ledger/migrations/script.py.mako",
        "vetbridge/ledger/migrations/versions/0001_the_first_ledger.py",
        "mappings/altegio.yaml",
        "mappings/ezyvet.yaml",
        "connectors/altegio/simulator/__init__.py",
    ],
)
def test_it_holds_what_is_no_module_too(wheel: zipfile.ZipFile, name: str) -> None:
    assert name in wheel.namelist()


def test_it_names_the_command_the_connectors_and_the_licence(wheel: zipfile.ZipFile) -> None:
    (info,) = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    points = wheel.read(f"{info}/entry_points.txt").decode()
    assert "vetbridge = vetbridge.cli.main:main" in points
    for vendor in ("altegio", "ezyvet"):
        assert f"{vendor} = connectors.{vendor}:plugin" in points
    assert any(name.startswith(f"{info}/") and name.endswith("LICENSE") for name in wheel.namelist())
