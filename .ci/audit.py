"""Looks for known holes in the libraries that are installed; fails where there is one.

One library is asked about first: where the index has no such data, as a mirror may not, that is said, and CI goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

TIMEOUT = 300


def main() -> int:
    """0 where nothing is known, or nothing could be asked."""
    with TemporaryDirectory() as folder:
        one = Path(folder) / "one.txt"
        one.write_text(f"cryptography=={version('cryptography')}\n")
        asked = audited("--no-deps", "--disable-pip", "--requirement", str(one))
    if not any("vulns" in each for each in asked):
        print("pip-audit: left out, the package index has no data about known holes")
        return 0
    found = audited("--skip-editable")
    for each in found:
        for hole in each.get("vulns", ()):
            print(f"pip-audit: {each['name']} {each['version']}: {hole['id']}, mended in {hole['fix_versions']}")
    looked_at = sum("vulns" in each for each in found)
    print(f"pip-audit: {looked_at} libraries looked at, {len(found) - looked_at} not known to the index")
    return int(any(each.get("vulns") for each in found))


def audited(*arguments: str) -> list[dict[str, Any]]:
    """What pip-audit says of each library; nothing where it cannot ask."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "pypi", "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603 - the words are this script's own
            [*command, "--progress-spinner", "off", "--timeout", "10", *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return list(json.loads(done.stdout)["dependencies"])
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return []


if __name__ == "__main__":
    sys.exit(main())
