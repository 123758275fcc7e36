"""Fault switches: what goes wrong, and how often."""

from __future__ import annotations

import difflib
import random
import threading
from collections import Counter
from collections.abc import Mapping

FAULTS: Mapping[str, str] = {
    "429": "the request is refused as one too many, in the vendor's way; nothing is done",
    "429_retry_after": "the same, with the header Retry-After",
    "429_bare": "the same, and nothing says how long to wait",
    "5xx_before": "answered 500; nothing is done",
    "5xx_after": "a write is done, then answered 500",
    "drop_after_commit": "a write is done, then the connection is closed without an answer",
    "late_landing": "a write is not answered, and takes effect some seconds later",
    "cut_json": "an answer ends in the middle of its JSON; a write is done",
    "cut_upload": "the connection ends while a file is on its way to the vendor; nothing is done",
    "cut_download": "the connection ends in the middle of a file that is fetched",
    "html_for_json": "a web page comes with status 200 instead of the JSON; a write is done",
    "page_shift": "a later page of a list begins one row too early or too late, as if rows came or went meanwhile",
    "lagging_search": "what was made in the last seconds is not in lists yet",
    "cut_fields": "a long text that is written is kept only in part",
    "missing_fields": "rows are answered without some of their fields",
    "token_expiry": "an access token ends before its time",
    "clock_ahead": "the vendor's clock, and what it stamps, is ahead",
    "clock_behind": "the vendor's clock, and what it stamps, is behind",
    "webhook_duplicate": "a webhook is posted twice",
    "webhook_reorder": "a webhook is held back, so that later ones overtake it",
    "webhook_silence": "a webhook is never posted",
    "relink_ignored": "a change of a visit's client or pet is taken and not kept, and the answer shows so (ezyvet)",
    "relink_forgotten": "the same, but the answer shows the new client and pet; later reads show the old (ezyvet)",
    "outage": "at this rate per request an outage begins: for a while every request is answered 503",
}
"""Every fault with its meaning, and the one vendor it is known to, if it is not all. Rates run from 0 (never) to 1
(always)."""

VENDOR_MADE = frozenset(
    {
        "page_shift",
        "lagging_search",
        "cut_fields",
        "missing_fields",
        "token_expiry",
        "relink_ignored",
        "relink_forgotten",
    }
)
"""Faults that need a vendor's module: a simulator has those that its class names in ``makes``."""


class Faults:
    """Rates per fault. The same seed makes the same decisions in the same order."""

    def __init__(self, rates: Mapping[str, float] | None = None, *, seed: int = 1) -> None:
        self._lock = threading.Lock()
        self._rates: dict[str, float] = {}
        self._armed: dict[str, int] = {}
        self._happened: Counter[str] = Counter()
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
                self._happened[name] += 1
                return True
            rate = self._rates.get(name, 0.0)
            happens = rate > 0 and self._random[name].random() < rate
            self._happened[name] += happens
            return happens

    @property
    def happened(self) -> dict[str, int]:
        """How often each fault happened."""
        with self._lock:
            return dict(self._happened)

    def either(self, name: str) -> bool:
        """One of two ways in which a fault may go, drawn from its own seed."""
        with self._lock:
            return self._random[name].random() < 0.5


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
