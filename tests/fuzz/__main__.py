"""`make fuzz`: every door, 10,000 inputs each, with a table of what came of them. `python -m tests.fuzz --help`"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.door import Fault, fuzz
from tests.fuzz.doors import DOORS


def main() -> int:
    """Fuzzes the doors that are named, or all; 1 where one has a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("doors", nargs="*", metavar="DOOR", help=", ".join(door.name for door in DOORS))
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", type=int, help="the number of one input, as a fault names it")
    given = parser.parse_args()
    unknown = set(given.doors) - {door.name for door in DOORS}
    if unknown:
        parser.error(f"no door is called {', '.join(sorted(unknown))}")
    faults = []
    print(f"{'door':<16}{'inputs':>8}{'refused':>9}{'taken':>8}{'slowest ms':>12}")
    for door in DOORS:
        if given.doors and door.name not in given.doors:
            continue
        with tempfile.TemporaryDirectory(prefix="vetbridge-fuzz-") as folder:
            try:
                tally = fuzz(door(Path(folder)), inputs=given.inputs, seed=given.seed, only=given.only)
            except Fault as fault:
                faults.append(fault)
                print(f"{door.name:<16}fault", flush=True)
                continue
        print(
            f"{tally.door:<16}{tally.inputs:>8}{tally.refused:>9}{tally.taken:>8}{tally.slowest:>12.0f}", flush=True
        )
    for fault in faults:
        print(f"\n{fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
