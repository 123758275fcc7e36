"""One vendor's simulator as a process: ``python -m tests.crash.simulator VENDOR DATA CLIENTS SEED LATE_SECONDS``.

The command `vetbridge simulate` does not set how late a write lands; this does, and starts quicker. It prints one
line of JSON when it serves, and ends with its standard input.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
from pathlib import Path

from vetbridge.testing.simkit import Simulator


def end_with_parent(simulator: Simulator) -> None:
    """Ends serving when whoever started this process has ended."""
    while sys.stdin.readline():
        pass
    simulator.request_stop()


def main(vendor: str, data: str, clients: str, seed: str, late_seconds: str) -> None:
    """Serves."""
    module = importlib.import_module(f"connectors.{vendor}.simulator")
    simulator: Simulator = module.build(
        data=Path(data), clients=int(clients), seed=int(seed), late_seconds=float(late_seconds)
    )
    simulator.start()
    told = {
        "base_url": simulator.base_url,
        "control_url": simulator.control_url,
        "credentials": simulator.credentials,
    }
    print(json.dumps(told), flush=True)
    threading.Thread(target=end_with_parent, args=(simulator,), daemon=True).start()
    simulator.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
