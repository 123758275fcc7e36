"""Thirty days at a clinic, with troubles: ``python -m tests.soak [--days 30] [--seed 8]``.

Prints what happens on standard error, and figures as JSON. Ends with 1 where anything was not as it should be.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import structlog

from tests.soak.month import Month


def main() -> int:
    """Plays them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=8)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"everything is in {folder}", file=sys.stderr)
    log = (folder / "soak.log").open("a", encoding="utf-8")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
    with ExitStack() as stack:
        month = Month(folder, stack, seed=given.seed, days=given.days)
        month.play(lambda words: print(words, file=sys.stderr, flush=True))
        report = month.report()
    print(json.dumps(report, indent=1))
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
