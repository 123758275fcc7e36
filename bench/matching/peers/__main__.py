"""Runs one peer over one clinic in a process of its own, so that its memory can be measured.

``python -m bench.matching.peers NAME --world DIR --country GB --out decisions.jsonl [--cutoffs LINK,MARGIN,CREATE]``
``python -m bench.matching.peers splink --world DIR --country GB --alone 20``: the time of bookings that come alone
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from bench.matching.peers import Peer
from bench.matching.peers.clinic import Booking, Clinic, read_bookings, read_clinic
from bench.matching.peers.contact import Contact
from bench.matching.peers.cutoffs import Cutoffs
from bench.matching.peers.decisions import write
from bench.matching.peers.exact import Exact
from bench.matching.peers.strict import Strict
from bench.matching.peers.weighted import UNTUNED as WEIGHTED_UNTUNED
from bench.matching.peers.weighted import Weighted


def _splink(cutoffs: Cutoffs | None) -> Peer:
    # Imported where it is used: it takes seconds and a hundred megabytes that would count as every peer's.
    from bench.matching.peers.splink import UNTUNED, Splink  # noqa: PLC0415

    return Splink(cutoffs or UNTUNED)


def _alone(clinic: Clinic, bookings: list[Booking], sample: int) -> Iterator[float]:
    from bench.matching.peers.splink import Splink  # noqa: PLC0415

    return Splink().decide_alone(clinic, bookings, sample)


PEERS: Mapping[str, Callable[[Cutoffs | None], Peer]] = MappingProxyType(
    {
        "exact": lambda _: Exact(),
        "contact": lambda _: Contact(),
        "weighted": lambda cutoffs: Weighted(cutoffs or WEIGHTED_UNTUNED),
        "splink": _splink,
        "strict": lambda _: Strict(),
    }
)
"""Every peer by its short name, made with cut-offs where it has such."""


def main() -> None:
    """Reads the clinic, decides every booking, writes the decisions."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching.peers", description=__doc__)
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--country", required=True)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--out", type=Path, help="write the decisions here")
    wanted.add_argument("--alone", type=int, metavar="N", help="time N bookings with a new Splink linker each")
    parser.add_argument("--cutoffs", type=_cutoffs, help="link, margin and create, separated by commas")
    given = parser.parse_args()
    clinic = read_clinic(given.world, given.country)
    bookings = list(read_bookings(given.world, given.country))
    if given.alone:
        sys.stdout.writelines(f"{ms:.1f}\n" for ms in _alone(clinic, bookings, given.alone))
        return
    count = write(given.out, PEERS[given.peer](given.cutoffs).decide(clinic, bookings))
    sys.stderr.write(f"{given.peer}: {count} bookings\n")


def _cutoffs(text: str) -> Cutoffs:
    link, margin, create = map(float, text.split(","))
    return Cutoffs(link, margin, create)


if __name__ == "__main__":
    main()
