"""Several locations of one Altegio behind one address: one server, one pair of tokens, one set of limits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Self

from connectors.altegio.simulator.base import APART, LOCATION, MARKETPLACE
from connectors.altegio.simulator.marketplace import CALLBACK, SimulatedMarketplace
from connectors.altegio.simulator.records import FIRST_VISIT
from vetbridge.testing.simkit import STORE_FILE, Refusal, Request, Simulator, find_route


class SimulatedPlatform(SimulatedMarketplace):
    """The first location: it serves, and hands each request to the location that it is about."""

    def __init__(self, *, place: int = 0, locations: int = 1, **options: Any) -> None:
        """``locations``: how many there are. Each has a clinic of its own, made from ``seed`` plus its place; kept
        ones are served again, and further ones are added. Raises ``ValueError`` as the other parts do."""
        data: Path | None = options.get("data")
        if place == 0:
            locations = _with_kept(data, locations)
        if locations > 1 and options.get("twins") is not None:
            raise ValueError("a clinic that kept both sides by hand has one location")
        folder = data
        if data is not None and (place > 0 or locations > 1 or _kept(data)):
            folder = data / str(LOCATION + place)
        super().__init__(place=place, **{**options, "data": folder, "seed": options.get("seed", 1) + place})
        for other in range(1, locations):
            self._join(type(self)(place=other, **options))

    def _join(self, site: Self) -> None:
        """Another location of the same platform: what is the vendor's and not a location's is shared."""
        site.clock, site.faults, site.limits, site.outbox = self.clock, self.faults, self.limits, self.outbox
        site.renamed, site._handling = self.renamed, self._handling
        site.credentials = {**self.credentials, "location_id": str(site.location)}
        self._platform.append(site)
        site._platform = self._platform

    def end_token(self, request: Request) -> None:
        """There is one user, and so one token."""
        super().end_token(request)
        for site in self.sites:
            site.credentials = {**site.credentials, "user_token": self.credentials["user_token"]}
            site.store.set_meta("credentials", site.credentials)

    # -- which location answers

    def responsible(self, request: Request) -> Simulator:
        """By the number in the path, or of the record, visit or client there, or in an activation; else the first
        location, which knows of all."""
        if len(self.sites) == 1:
            return self
        number = self._asked_number(request)
        return next((site for site in self.sites if site.location == number), self)

    def _asked_number(self, request: Request) -> int:
        try:
            found = find_route(self._routes, request.method, request.path)
            if found is not None and found[0].template == MARKETPLACE + CALLBACK:
                told = str(request.document().get("salon_id"))
                return int(told[:18]) if told.isdecimal() else LOCATION
        except Refusal:
            return LOCATION
        params = found[1] if found is not None else {}
        for name, before in (("location", 0), ("record", 0), ("visit", FIRST_VISIT), ("client", 0)):
            if params.get(name, "").isdecimal():
                number = int(params[name][:18])
                return number if name == "location" else LOCATION + (number - before) // APART
        return LOCATION

    def named(self, request: Request) -> Simulator:
        """The location that a request of the control door names; else the first."""
        if request.method != "POST":
            return self
        told = request.document().get("location")
        if told is None:
            return self
        for site in self.sites:
            if str(site.location) == str(told):
                return site
        raise Refusal(404, f"there is no location {str(told)[:40]}")

    # -- what is about all of them

    def begin_outage(self, seconds: float) -> None:
        """The vendor's, so at every location."""
        for site in self.sites:
            super(SimulatedPlatform, site).begin_outage(seconds)

    def counts(self) -> dict[str, Any]:
        """Sums, and under ``locations`` those of each, by its number."""
        own = super().counts()
        if self is not self.sites[0] or len(self.sites) == 1:
            return own
        each = {str(site.location): super(SimulatedPlatform, site).counts() for site in self.sites}
        for counts in each.values():
            del counts["webhooks"]
        requests: Counter[str] = Counter()
        for counts in each.values():
            requests.update(counts["requests"])
        numbers = {
            name: sum(counts[name] for counts in each.values()) for name in own.keys() - {"requests", "webhooks"}
        }
        return {**own, **numbers, "requests": dict(requests), "locations": each}

    # -- serving

    @property
    def control_url(self) -> str:
        """One control door for all."""
        return super().control_url if self is self.sites[0] else self.sites[0].control_url

    def stop(self) -> None:
        """Ends serving, and closes every location's store."""
        super().stop()
        if self is self.sites[0]:
            for site in self.sites[1:]:
                site.stop()

    def ready(self) -> dict[str, Any]:
        """Names the locations, too."""
        return {**super().ready(), "locations": [str(site.location) for site in self.sites]}


def _kept(data: Path) -> int:
    """Locations of a chain that the folder holds."""
    kept = 0
    while (data / str(LOCATION + kept) / STORE_FILE).is_file():
        kept += 1
    return kept


def _with_kept(data: Path | None, wanted: int) -> int:
    """How many locations there are: those that are wanted, and at least those that the folder keeps."""
    if not 1 <= wanted <= 1000:
        raise ValueError(f"there are 1 to 1000 locations, not {wanted}")
    if data is None:
        return wanted
    kept = _kept(data)
    if wanted > 1 and not kept and (data / STORE_FILE).is_file():
        raise ValueError("the data folder holds the store of one location; several need another folder")
    return max(wanted, kept)
