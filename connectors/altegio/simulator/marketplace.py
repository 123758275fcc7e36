"""The marketplace of the Altegio simulator: an app's life at a location (altegio.md, section 6).

It stands on another host at Altegio, and here on the same server, under ``/marketplace``. There is one app, with the
one partner token; the user token is its system user's. What a person at the clinic or at Altegio does comes by the
control door: Connect, freeze, unfreeze, uninstall.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from connectors.altegio.simulator.base import HOOK_FLAGS, MARKETPLACE, STAFF_USER, invalid, success, text, whole
from connectors.altegio.simulator.settings import SimulatedSettings
from vetbridge.testing.simkit import CONTROL, Effect, Refusal, Request, Response, Route, browse

CALLBACK = "/partner/callback"
APPLICATION = 4001
"""Number of the app."""
_CHANNELS = ("sms", "whatsapp")
_TEXTS = ("api_key", "chat_url", "tips_url", "login", "secret_key")
_MOST_URLS = 10


class SimulatedMarketplace(SimulatedSettings):
    """One app at the location. Its install is kept as ``install``: ``status`` as on the wire, ``asked`` (when Connect
    was clicked last), ``created`` and ``logs``; null where nobody ever clicked Connect."""

    def _marketplace_routes(self) -> None:
        one = "/salon/{location}/application/{application}"
        for method, path, handler, effect in (
            ("POST", CALLBACK, self._activate, Effect.WRITE),
            ("GET", one, self._install_status, Effect.READ),
            ("GET", "/application/{application}/salons", self._install_list, Effect.READ),
            ("POST", f"{one}/uninstall", self._partner_uninstalls, Effect.WRITE),
        ):
            self._routes.append(Route(method, MARKETPLACE + path, handler, effect, "P"))
        self.control("POST", "/app", self._set_app)
        self.control("POST", "/freeze", self._freeze)
        self.control("POST", "/unfreeze", self._unfreeze)
        self.control("POST", "/uninstall", self._person_uninstalls)
        # Not by ``control``: who is sent to the app's door asks for the install's state while they wait there.
        self._control_routes.append(Route("POST", f"{CONTROL}/connect", self._connect))

    @property
    def marketplace_url(self) -> str:
        """Where the marketplace stands. Raises ``RuntimeError`` before ``start``."""
        return f"{self.control_url.removesuffix(CONTROL)}{MARKETPLACE}"

    def ready(self) -> dict[str, Any]:
        """Names the marketplace and the app, too."""
        told = super().ready()
        credentials = {**told["credentials"], "application_id": str(APPLICATION)}
        return {**told, "credentials": credentials, "marketplace_url": self.marketplace_url}

    # -- what an install opens

    def _start_install(self) -> None:
        """Of a new store."""
        if self.installed:
            self._kept_install({"logs": []}, "pending", "user", asked=self._second())
            self._kept_install(self._install() or {}, "active", "partner")
        else:
            self.store.set_meta("install", None)

    def _install(self) -> dict[str, Any] | None:
        # A store that was kept before there was a marketplace here has no word of it.
        found: dict[str, Any] | None = self.store.get_meta("install", {"status": "active", "logs": [], "created": 0})
        return found

    def _kept_install(self, install: Mapping[str, Any], status: str, source: str, **more: Any) -> None:
        now = self._second()
        line = {"changed_at": now, "status_from": install.get("status"), "status_to": status, "source": source}
        kept = {"created": now, **install, **more, "status": status, "logs": [*install["logs"], line]}
        self.store.set_meta("install", kept)

    @property
    def reachable(self) -> bool:
        """Whether the app's system user may do anything here."""
        return self._closed_with() is None

    def _closed_with(self) -> int | None:
        """The status that the system user is answered; None where it is let in."""
        install = self._install()
        status = "uninstalled" if install is None else install["status"]
        if status == "active":
            return None
        return self.frozen_status if status == "freezed" else self.uninstalled_status

    def admit(self, request: Request, route: Route) -> None:
        """An app that is not active here has no user here. What shows no user token is none of the app's doing."""
        if request.template.startswith(MARKETPLACE):
            if not self._is_partner(request):
                raise Refusal(401, "Authentication needed.")
            return
        super().admit(request, route)
        about_here = request.params.keys() & {"location", "visit"}
        closed = self._closed_with() if about_here and self._shows_user(request) else None
        if closed is not None:
            raise Refusal(closed, "Authentication needed." if closed == 401 else "Access denied.")

    def _announce(self, resource: str, status: str, number: int, data: Any, *, own: bool) -> None:
        """The app hears of nothing where it may not ask."""
        if self.reachable:
            super()._announce(resource, status, number, data, own=own)

    # -- the partner's calls

    def _of_app(self, request: Request) -> dict[str, Any]:
        """The install that an address names. Raises a 404 where there is none."""
        install = self._install()
        if request.number("application") != APPLICATION or request.number("location") != self.location:
            raise Refusal(404, "Not found")
        if install is None:
            raise Refusal(404, "Not found")
        return install

    def _activate(self, request: Request) -> Response:
        """201; 422 for fields that are no such, 403 for everything that stands against it."""
        given = request.document()
        missing = [name for name in ("salon_id", "application_id") if given.get(name) is None]
        if missing:
            raise invalid(**dict.fromkeys(missing, "The field is required"))
        location, application = (whole(given[name], name) for name in ("salon_id", "application_id"))
        urls = _urls(given.get("webhook_urls"))
        channels = given.get("channels") or []
        if not isinstance(channels, list) or not all(one in _CHANNELS for one in channels):
            raise invalid(channels="The channel is unknown")
        for name in _TEXTS:
            text(given.get(name), name)
        install = self._install()
        if application != APPLICATION or location != self.location or install is None:
            raise Refusal(403, "Access denied.")
        if install["status"] != "pending":
            raise Refusal(403, "The application is not waiting for its activation")
        if self._second() - install["asked"] > self.activate_within:
            raise Refusal(403, "The time for the activation is over")
        self._kept_install(install, "active", "partner")
        if urls:
            self._hook_up(urls)
        return success(None, status=201)

    def _hook_up(self, urls: list[str]) -> None:
        """The addresses join those that are set, and hear of clients and records."""
        hooks = self.store.get_meta("hooks")
        joined = list(dict.fromkeys([*hooks["urls"], *urls]))
        if len(joined) > _MOST_URLS:
            raise invalid(webhook_urls=f"A location has at most {_MOST_URLS} addresses")
        self.store.set_meta("hooks", {**hooks, "urls": joined, "active": 1, "client": 1, "record": 1})

    def _install_status(self, request: Request) -> Response:
        return success(self._install_view(self._of_app(request)))

    def _install_view(self, install: Mapping[str, Any]) -> dict[str, Any]:
        hidden = install["status"] == "uninstalled" and self.uninstalled_shown == "logs"
        status = {"status": install["status"], "created_at": self._compact(install["created"])}
        logs = [{**line, "changed_at": self._compact(line["changed_at"])} for line in install["logs"]]
        return {"connection_status": [] if hidden else status, "logs": logs, "payments": []}

    def _install_list(self, request: Request) -> Response:
        """Every location that has the app, or is asked for it."""
        if request.number("application") != APPLICATION:
            raise Refusal(404, "Not found")
        installs = [(site, site._install()) for site in self.sites]
        rows = [
            {"salon_id": site.location, **site._install_view(install)}
            for site, install in installs
            if install is not None and install["status"] != "uninstalled"
        ]
        page = max(1, whole(request.first("page") or 1, "page"))
        count = min(200, max(1, whole(request.first("count") or 25, "count")))
        return success(rows[(page - 1) * count : page * count], meta={"page": page, "total_count": len(rows)})

    def _partner_uninstalls(self, request: Request) -> Response:
        install = self._of_app(request)
        if install["status"] == "uninstalled":
            raise Refusal(422, "The application is uninstalled")
        self._leave(install, "partner")
        return success(None)

    # -- what people do at the clinic and at the vendor

    def _connect(self, request: Request) -> Response:
        """Connect is clicked for some locations; the browser is sent to the app."""
        given = request.document()
        told, address = given.get("locations", [site.location for site in self.sites]), given.get("redirect")
        if not isinstance(told, list) or not told:
            raise Refusal(400, "locations is a list of numbers")
        known = {str(site.location): site for site in self.sites}
        strange = [str(one)[:40] for one in told if str(one) not in known]
        if strange:
            raise Refusal(404, f"there is no location {strange[0]}")
        if not isinstance(address, str) or not address.startswith(("http://", "https://")):
            raise Refusal(400, "redirect is the http address that the browser is sent to")
        sites = [known[one] for one in dict.fromkeys(map(str, told))]
        for site in sites:
            site._alone(site._ask_for, request)
        url = f"{address}{'&' if '?' in address else '?'}{self._redirect_query(sites, given)}"
        answer: dict[str, Any] = {"locations": [str(site.location) for site in sites], "redirect": url}
        return Response(200, {**answer, "status": browse(url)} if given.get("follow") is True else answer)

    def _ask_for(self, request: Request) -> Response:
        """An app that is there already, active or frozen, stays as it is."""
        install = self._install() or {"logs": []}
        if install.get("status") not in ("active", "freezed"):
            self._kept_install(install, "pending", "user", asked=self._second())
        return Response(200)

    def _redirect_query(self, sites: list[Any], given: Mapping[str, Any]) -> str:
        if len(sites) == 1:
            pairs = [("salon_id", str(sites[0].location))]
        else:
            pairs = [("salon_ids[]", str(site.location)) for site in sites]
        if given.get("user_data", True):
            user = {"user_id": STAFF_USER, "name": "Ann Owner", "email": "owner@example.org", "phone": "447700900100"}
            words = json.dumps(user).encode()
            sign = hmac.new(self.credentials["partner_token"].encode(), words, "sha256").hexdigest()
            pairs += [("user_data", base64.b64encode(words).decode()), ("user_data_sign", sign)]
        return urlencode(pairs, safe="[]")

    def _set_app(self, request: Request) -> Response:
        """Sets the address that life-cycle calls go to; "" for none."""
        url = request.document().get("callback_url")
        if not isinstance(url, str):
            raise Refusal(400, "callback_url is a text")
        for site in self.sites:
            site.store.set_meta("callback_url", url)
        return Response(200, {"application_id": str(APPLICATION), "callback_url": url})

    def _standing(self, *allowed: str) -> dict[str, Any]:
        """The install, where it stands so. Raises a 409."""
        install = self._install()
        if install is None or install["status"] not in allowed:
            stands = "not there" if install is None else install["status"]
            raise Refusal(409, f"the app at {self.location} is {stands}, not {' or '.join(allowed)}")
        return install

    def _freeze(self, request: Request) -> Response:
        self._kept_install(self._standing("active"), "freezed", "system")
        self._tell("freeze")
        return self._stands()

    def _unfreeze(self, request: Request) -> Response:
        """No event is documented for it, and none is sent."""
        self._kept_install(self._standing("freezed"), "active", "system")
        return self._stands()

    def _person_uninstalls(self, request: Request) -> Response:
        self._leave(self._standing("pending", "active", "freezed"), "user")
        return self._stands()

    def _stands(self) -> Response:
        return Response(200, {"location": str(self.location), "status": (self._install() or {})["status"]})

    def _leave(self, install: Mapping[str, Any], source: str) -> None:
        """The location's webhooks end with the app: here they were all its own."""
        self._kept_install(install, "uninstalled", source)
        self.store.set_meta("hooks", {"urls": [], **dict.fromkeys(HOOK_FLAGS, 0)})
        self._tell("uninstall")

    def _tell(self, event: str) -> None:
        url = self.store.get_meta("callback_url", "")
        if url:
            told = {"salon_id": self.location, "application_id": APPLICATION, "event": event}
            self.send(url, {**told, "partner_token": self.credentials["partner_token"]})


def _urls(given: Any) -> list[str]:
    """The field ``webhook_urls``. Raises a 422."""
    urls = given or []
    if not isinstance(urls, list) or not all(isinstance(url, str) and url.startswith("http") for url in urls):
        raise invalid(webhook_urls="The addresses must be a list of texts")
    if len(urls) > _MOST_URLS or len(set(urls)) < len(urls):
        raise invalid(webhook_urls=f"There may be {_MOST_URLS} addresses, each once")
    return urls
