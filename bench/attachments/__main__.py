"""What memory and time files cost on their way from one side to the other, through all of VetBridge.

The vendor is a process of its own, so that what is measured is VetBridge's alone. Memory is flat where it grows by
less than ``FLAT`` from the fiftieth file to the last. The speed is told as a ratio to copying the same files in the
same run by the standard library, which looks at nothing: seconds are another machine's, a ratio is not.

Run it with ``python -m bench.attachments --files 500 --megabytes 10``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import structlog

from bench.attachments.through import through
from bench.attachments.vendor import PIECE, vendor
from vetbridge.core.files import MEGABYTE

FLAT = 5.0
"""Megabytes."""
WARM = 50
"""Files after which memory should have its size."""
COPIED = 30
"""Files that are copied for comparison."""


def resident() -> float:
    """Megabytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / MEGABYTE


def carry(address: str, files: int) -> dict[str, float]:
    """Carries so many files, one after the other."""
    start, samples, carried = resident(), [], 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for carried in through(address, files, Path(folder)):  # noqa: B007 - the last one counts
            samples.append(resident())
    seconds = time.perf_counter() - began
    warm = samples[min(WARM, files) - 1]
    return {
        "files": files,
        "megabytes": carried / MEGABYTE,
        "resident_at_start_mb": start,
        "resident_at_warm_mb": warm,
        "resident_at_end_mb": samples[-1],
        "resident_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "growth_mb": samples[-1] - warm,
        "megabytes_a_second": carried / MEGABYTE / seconds,
    }


def copy(address: str, files: int) -> float:
    """Copies so many files by the standard library alone; megabytes a second."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    copied = 0
    began = time.perf_counter()
    for number in range(files):
        connection.request("GET", f"/{number}")
        with tempfile.TemporaryFile() as file:
            shutil.copyfileobj(connection.getresponse(), file, PIECE)
            copied += file.tell()
            _post(connection, file)
    return copied / MEGABYTE / (time.perf_counter() - began)


def _post(connection: http.client.HTTPConnection, file: IO[bytes]) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    size = file.tell()
    file.seek(0)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(len(head) + size + 9))
    connection.endheaders(head)
    while piece := file.read(PIECE):
        connection.send(piece)
    connection.send(b"\r\n--b--\r\n")
    connection.getresponse().read()


def main() -> None:
    """Carries the files, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with vendor(given.megabytes) as address:
        figures: dict[str, Any] = carry(address, given.files)
        figures["copying_megabytes_a_second"] = copy(address, min(COPIED, given.files))
    figures["speed_over_copying"] = figures["megabytes_a_second"] / figures["copying_megabytes_a_second"]
    figures["flat"] = figures["growth_mb"] < FLAT
    if given.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name}: {value:.2f}" if isinstance(value, float) else f"{name}: {value}")


if __name__ == "__main__":
    main()
