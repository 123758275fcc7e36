"""Fault switches: what goes wrong, and how often."""

from __future__ import annotations

import difflib
import random
import threading
from collections.abc import Mapping

FAULTS: Mapping[str, str] = {
    "429": "the request is refused as one too many; nothing is done",
    "5xx_before": "answered 500; nothing is done",
    "5xx_after": "a write is done, then answered 500",
    "drop_after_commit": "a write is done, then the connection is closed without an answer",
    "webhook_duplicate": "a webhook is posted twice",
    "webhook_reorder": "a webhook is held back, so that later ones overtake it",
    "relink_ignored": "a change of a visit's client or pet is taken and not kept, and the answer shows so (ezyvet)",
    "relink_forgotten": "the same, but the answer shows the new client and pet; later reads show the old (ezyvet)",
    "outage": "at this rate per request an outage begins: for a while every request is answered 503",
}
"""Every fault with its meaning, and the one vendor it is known to, if it is not all. Rates run from 0 (never) to 1
(always)."""


class Faults:
    """Rates per fault. The same seed makes the same decisions in the same order."""

    def __init__(self, rates: Mapping[str, float] | None = None, *, seed: int = 1) -> None:
        self._lock = threading.Lock()
        self._rates: dict[str, float] = {}
        self._armed: dict[str, int] = {}
        self._random = {name: random.Random(f"{seed}:{name}") for name in FAULTS}
        self.set(rates or {})

    @property
    def rates(self) -> dict[str, float]:
        """The rates in force."""
        return dict(self._rates)

    def set(self, rates: Mapping[str, float]) -> None:
        """Merges rates over those in force. Raises ``ValueError`` for an unknown name or a rate outside 0 to 1."""
        checked = {_known(name): _rate(name, rate) for name, rate in rates.items()}
        with self._lock:
            self._rates.update(checked)

    def arm(self, name: str, times: int = 1) -> None:
        """Makes the fault happen at its next ``times`` occasions, whatever its rate."""
        with self._lock:
            self._armed[_known(name)] = times

    def hits(self, name: str) -> bool:
        """Whether the fault happens now."""
        with self._lock:
            if self._armed.get(name, 0) > 0:
                self._armed[name] -= 1
                return True
            rate = self._rates.get(name, 0.0)
            return rate > 0 and self._random[name].random() < rate


def parse_fault(text: str) -> tuple[str, float]:
    """``NAME=RATE`` as the command line takes it. Raises ``ValueError`` that says what is wrong."""
    name, equals, rate = text.partition("=")
    if not equals:
        raise ValueError(f"a fault is written NAME=RATE, as 429=0.05, not {text!r}")
    try:
        number = float(rate)
    except ValueError:
        raise ValueError(f"the rate of fault {name!r} must be a number from 0 to 1, not {rate!r}") from None
    return _known(name.strip()), _rate(name, number)


def _known(name: str) -> str:
    if name in FAULTS:
        return name
    near = difflib.get_close_matches(name, FAULTS, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(FAULTS)}"
    raise ValueError(f"no fault is called {name!r}{hint}")


def _rate(name: str, rate: object) -> float:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise ValueError(f"the rate of fault {name!r} must be a number from 0 to 1, not {rate!r}")
    return float(rate)
