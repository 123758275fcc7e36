"""The platform's marketplace as people use it: the chain's owner clicks Connect, and sees what is connected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vetbridge.demo.asking import ask
from vetbridge.demo.failure import DemoFailed

PATIENCE = 60.0
"""Seconds that VetBridge may take to answer the browser."""
_OK = 200


class Marketplace:
    """VetBridge's app on the simulated marketplace (altegio.md, section 6), and what the platform said when it was
    ready."""

    def __init__(self, ready: Mapping[str, Any]) -> None:
        credentials = ready["credentials"]
        self._door = ready["control_url"]
        self._installs = f"{ready['marketplace_url']}/application/{credentials['application_id']}/salons"
        self._headers = {"Authorization": f"Bearer {credentials['partner_token']}"}

    def connect(self, locations: Sequence[str], door: str) -> None:
        """The owner clicks Connect for all of these locations at once, and the browser comes to the app's door.

        Raises ``DemoFailed`` where that does not answer with a page.
        """
        ask("POST", f"{self._door}/app", {"callback_url": door})
        asked = {"locations": list(locations), "redirect": door, "user_data": True, "follow": True}
        status = ask("POST", f"{self._door}/connect", asked, patience=PATIENCE)["status"]
        if status != _OK:
            raise DemoFailed(f"VetBridge answered {status} to the browser that came from the marketplace")

    def connected(self) -> frozenset[str]:
        """The locations where the marketplace says that the app is active."""
        rows = ask("GET", f"{self._installs}?page=1&count=200", headers=self._headers)["data"]
        return frozenset(str(row["salon_id"]) for row in rows if row["connection_status"].get("status") == "active")
