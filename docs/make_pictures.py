"""Draws docs/demo-live.svg and docs/demo.svg from a real terminal: a demo in tmux, captured twice.

python docs/make_pictures.py        # needs tmux; takes about a minute
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
SESSION = "vetbridge-pictures"
COLUMNS, LINES = 92, 40
LONGEST = 180.0


def _tmux(*arguments: str) -> str:
    return subprocess.run(["tmux", *arguments], check=True, capture_output=True, text=True).stdout  # noqa: S603, S607


def _captured() -> str:
    return _tmux("capture-pane", "-p", "-e", "-t", SESSION).rstrip()


def _draw(pane: str, title: str, path: Path) -> None:
    console = Console(record=True, width=COLUMNS, file=Path("/dev/null").open("w"), force_terminal=True)  # noqa: SIM115
    console.print(Text.from_ansi(pane))
    drawn = console.export_svg(title=title)
    # The reader's own monospaced font: a picture in a manual must not fetch anything.
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")


def main() -> None:
    """Plays a demo and draws both pictures."""
    command = f"{Path(sys.executable).parent / 'vetbridge'} demo; sleep 600"
    _tmux("new-session", "-d", "-s", SESSION, "-x", str(COLUMNS), "-y", str(LINES), command)
    try:
        deadline = time.monotonic() + LONGEST
        live = ""
        while "The audit found" not in (pane := _captured()):
            if time.monotonic() > deadline:
                raise SystemExit("the demo did not end in time")
            if "does not answer" in pane and "still waiting" in pane:
                live = pane
            time.sleep(0.5)
        time.sleep(1)
        _draw(live, "vetbridge demo: while the PIMS does not answer", HERE / "demo-live.svg")
        _draw(_captured(), "vetbridge demo", HERE / "demo.svg")
    finally:
        _tmux("kill-session", "-t", SESSION)


if __name__ == "__main__":
    main()
