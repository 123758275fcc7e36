"""Builds the installer for Windows, on Windows or Linux, from parts that whoever runs it has fetched and checked.

    python packaging/windows/build.py --python python-3.12.8-embed-amd64.zip --host WinSW-x64.exe \
        --wheel dist/vetbridge-0.1.0-py3-none-any.whl --out VetBridge-0.1.0.exe

The parts: the embeddable package of Python 3.12 for 64-bit Windows (python.org), WinSW 2.12 for .NET 4.6.1 or 64-bit
(github.com/winsw/winsw), a wheel of VetBridge (`pip wheel . --no-deps`). Compare their checksums with the published
ones first. `pip` fetches the libraries, as wheels for Windows; `makensis` (NSIS 3) puts everything into one file.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
PYTHON = "3.12"
"""Of the embeddable package; the wheels are chosen for it."""


def lay_out(folder: Path, *, python: Path, host: Path) -> Path:
    """What stands in Program Files, all but the libraries; returns the folder for those."""
    with zipfile.ZipFile(python) as archive:
        archive.extractall(folder / "python")
    # An embeddable Python looks for libraries nowhere but where this file says.
    [paths] = (folder / "python").glob("python*._pth")
    paths.write_text(f"{paths.name.removesuffix('._pth')}.zip\n.\nLib\\site-packages\n", encoding="ascii")
    libraries = folder / "python" / "Lib" / "site-packages"
    libraries.mkdir(parents=True)
    (folder / "service").mkdir()
    shutil.copy(host, folder / "service" / "vetbridge-service.exe")
    for name in ("vetbridge.cmd", "prompt.cmd"):
        # Windows reads batch files by lines that end its way.
        lines = (HERE / name).read_text(encoding="ascii").splitlines()
        (folder / name).write_bytes("".join(f"{line}\r\n" for line in lines).encode("ascii"))
    return libraries


def fetch_libraries(wheel: Path, libraries: Path) -> None:
    """VetBridge and what it needs, as wheels for Windows: nothing is built."""
    chosen = ["--platform", "win_amd64", "--python-version", PYTHON, "--implementation", "cp", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "install", "--target", str(libraries), *chosen, str(wheel)]
    subprocess.run(command, check=True)  # noqa: S603 - our own words


def pack(folder: Path, *, version: str, out: Path) -> None:
    """One file that installs the folder."""
    defined = {"VERSION": version, "SOURCE": folder.absolute(), "OUT": out.absolute()}
    given = [f"-D{name}={value}" for name, value in defined.items()]
    # -WX: what NSIS only warns of is an error.
    command = [shutil.which("makensis") or "makensis", "-V2", "-WX", *given, str(HERE / "vetbridge.nsi")]
    subprocess.run(command, check=True)  # noqa: S603 - our own words


def main() -> None:
    """Builds the installer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("python", "host", "wheel", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        libraries = lay_out(Path(folder), python=given.python, host=given.host)
        fetch_libraries(given.wheel, libraries)
        pack(Path(folder), version=given.wheel.name.split("-")[1], out=given.out)


if __name__ == "__main__":
    main()
