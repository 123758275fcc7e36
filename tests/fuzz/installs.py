"""The door for a marketplace: what a browser, the vendor, or a stranger may bring there."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from contextlib import closing
from random import Random
from types import SimpleNamespace
from typing import cast

from fastapi import FastAPI

from connectors.altegio.marketplace import AltegioMarketplace, build
from connectors.altegio.options import AltegioApp
from tests.fuzz.asked import Asked, Asker, escaped, odd_headers, odd_text, pieces
from tests.fuzz.door import Door
from tests.fuzz.mutation import PLANTED, PLANTED_PHONE, altered, as_json, spoiled
from tests.unit.daemon.marketplaces import APP, CITY, NOBODY, NORTH, Connected, FakeMarketplace
from vetbridge.connector.interface import InstallNews
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.daemon.assembly import Program
from vetbridge.testing.clock import FakeClock
from vetbridge.web.installs import routes
from vetbridge.web.throttle import SPAN, Throttle

APPLICATION, TOKEN = "4711", "a-partner-token-that-signs"
PATH = f"/apps/{APP}".encode()
WHO = {"user_id": 7, "name": PLANTED, "email": "q@example.org", "phone": PLANTED_PHONE}
CALL = {"salon_id": int(CITY), "application_id": int(APPLICATION), "event": "uninstall", "partner_token": TOKEN}


class _Marketplace(FakeMarketplace):
    """Reads as Altegio's does, and asks nobody."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        options = AltegioApp(
            application_id=APPLICATION,
            partner_token=Secret.of(TOKEN),
            user_token=Secret.of("a-user-token"),
            marketplace_url="http://127.0.0.1:1",
        )
        self.altegio: AltegioMarketplace = build(options, Environment(account=APP, zone="UTC", clock=clock))

    def asked(self, query: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        return self.altegio.asked(query)

    def told(self, body: bytes) -> InstallNews:
        return self.altegio.told(body)

    def close(self) -> None:
        self.altegio.close()


class Installs(Door):
    """`GET` and `POST /apps/APP`: what is not signed changes nothing, and nobody's data are kept."""

    name = "installs"
    planted = (PLANTED, PLANTED_PHONE, TOKEN)

    def open(self) -> None:
        """Two branches that wait to be connected."""
        self.connected = Connected(self.folder)
        self.set_up.enter_context(closing(self.connected.ledger))
        self.connected.marketplace = self.set_up.enter_context(closing(_Marketplace(self.connected.clock)))
        self.connected.start()
        self.connected.marketplace.clicks(CITY, NOBODY)
        program = cast(Program, SimpleNamespace(connecting={APP: self.connected.app}))
        app = FastAPI(redirect_slashes=False)
        app.include_router(routes(program, Throttle(self.connected.clock), largest=4096))
        self.asker = self.set_up.enter_context(closing(Asker(app)))

    def make(self, rng: Random) -> Asked:
        """A redirect or a call, mostly at the right address and signed."""
        path = PATH if rng.random() < 0.95 else rng.choice((b"/apps/", b"/apps/x", PATH + b"/", PATH + b"%00", b"//"))
        headers = odd_headers(rng, [(b"host", b"bridge.example"), (b"accept-language", b"de, en")])
        if rng.random() < 0.6:
            return Asked("GET", path, _redirect(rng), headers)
        body = as_json(rng, spoiled(rng, CALL) if rng.random() < 0.8 else CALL)
        method = "POST" if rng.random() < 0.95 else rng.choice(("PUT", "DELETE", "TRACE", "x"))
        return Asked(method, path, b"", headers, pieces(rng, body))

    def hand_in(self, given: Asked) -> tuple[bool, str]:
        """Brings it; what is refused leaves no trace, and only what the vendor knows leaves one."""
        self.connected.clock.advance(SPAN)
        before = self.connected.states
        answer = self.asker.ask(given)
        taken = answer.status == 200
        assert taken or 400 <= answer.status < 500, answer
        assert taken or self.connected.states == before, "refused, and written"
        assert set(self.connected.states) <= {CITY, NORTH, NOBODY}
        assert b"<script" not in answer.body
        return taken, answer.body.decode()


def _redirect(rng: Random) -> bytes:
    """The query of a redirect: locations, who clicked, and the signature over that."""
    who = json.dumps(WHO).encode()
    data = base64.b64encode(who if rng.random() < 0.9 else altered(rng, who))
    sign = hmac.digest(TOKEN.encode(), who, "sha256").hex()
    fields = [(rng.choice(("salon_id", "salon_ids[]", "salon_ids[0]")), rng.choice((CITY, NORTH, NOBODY, "5")))]
    fields += [("user_data", data.decode()), ("user_data_sign", sign)]
    if rng.random() < 0.3:
        fields.append((rng.choice(("salon_ids[]", "salon_id", "user_data", odd_text(rng))), odd_text(rng)))
    if rng.random() < 0.2:
        fields.pop(rng.randrange(len(fields)))
    rng.shuffle(fields)
    query = b"&".join(escaped(name) + b"=" + escaped(value) for name, value in fields)
    return query if rng.random() < 0.9 else altered(rng, query).translate(None, b"\r\n\0 ")
