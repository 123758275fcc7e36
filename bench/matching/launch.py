"""Runs a module and writes down what it took: ``python -m bench.matching.launch NOTE MODULE ARGUMENTS...``.

A process never counts less memory than the one that started it had then; this one imports next to nothing, and so
what it measures is the module's own.
"""

import json
import os
import subprocess
import sys
import time


def main(note: str, command: list[str]) -> int:
    """The module's exit code; ``note`` becomes a file of JSON: seconds, CPU seconds, and the memory peak in MiB."""
    start = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", *command])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    took = {
        "seconds": time.monotonic() - start,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss / 1024,
    }
    with open(note, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would be half of what is imported
        json.dump(took, file)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
