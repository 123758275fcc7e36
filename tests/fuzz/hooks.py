"""The webhook door: what somebody who knows the address, or guesses at it, may post."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from random import Random
from typing import Any

from tests.fuzz.asked import Asked, Asker, escaped, odd_headers, odd_text, pieces
from tests.fuzz.door import Door
from tests.fuzz.mutation import PLANTED, PLANTED_PHONE, as_json, packed, spoiled
from tests.unit.desk.practice import Desk
from vetbridge.daemon.assembly import build_program
from vetbridge.ledger import accounts
from vetbridge.testing.clock import FakeClock
from vetbridge.web.door import build

SECRET = "a-hook-secret-that-stands-in-the-address"
CLIENT = {"id": 7, "name": PLANTED, "phone": PLANTED_PHONE, "email": "q@example.org"}
BODIES: dict[str, tuple[Any, ...]] = {
    "altegio-city": (
        {
            "company_id": 101001,
            "resource": "record",
            "resource_id": 81001,
            "status": "create",
            "data": {"id": 81001, "date": "2026-11-22 09:00:00", "client": CLIENT, "services": [{"id": 701}]},
        },
        [
            {"company_id": 101001, "resource": "client", "resource_id": 7, "status": "update", "data": CLIENT},
            {"company_id": 101001, "resource": "goods_operation", "resource_id": 3, "status": "delete"},
        ],
    ),
    "ezyvet-city": (
        {"items": [{"appointment": {"id": 77, "active": 1}}, {"contact": CLIENT}, {"animal": {"id": "5"}}]},
        {"items": [{"contactdetail": {"id": 9, "contact_id": 7, "value": PLANTED_PHONE}}], "meta": {"event": "x"}},
    ),
}


class Hooks(Door):
    """`POST /hooks/ACCOUNT/SECRET`: only ids are taken, all or none of a call."""

    name = "webhooks"
    planted = (PLANTED, PLANTED_PHONE, SECRET)

    def open(self) -> None:
        """A clinic whose both accounts take webhooks."""
        desk = Desk(self.folder, FakeClock())
        desk.write_config()
        config = desk.config()
        (self.folder / "hook").write_text(SECRET)
        (self.folder / "hook").chmod(0o600)
        for account in config["accounts"].values():
            account["hook_secret"] = {"file": "hook"}
        desk.save(config)
        ledger = self.set_up.enter_context(closing(desk.open()))
        with ledger.write() as tx:
            accounts.enrol(tx, "altegio-city", "altegio", country="GB")
            accounts.enrol(tx, "ezyvet-city", "ezyvet", country="GB")
        program = self.set_up.enter_context(closing(build_program(desk.loaded(), desk.clock, ledger)))
        app = build(program, wake=lambda: None, health=lambda: {"status": "ok"})
        self.asker = self.set_up.enter_context(closing(Asker(app)))
        self.file = self.set_up.enter_context(closing(sqlite3.connect(desk.ledger_path)))

    def make(self, rng: Random) -> Asked:
        """A call, mostly to the right address."""
        account = rng.choice(list(BODIES))
        secret, path = SECRET, b"/hooks/" + account.encode() + b"/"
        if rng.random() < 0.1:
            secret = rng.choice(("", SECRET[:-1], SECRET + "x", SECRET.upper(), odd_text(rng)))
        if rng.random() < 0.05:
            path = b"/hooks/" + escaped(odd_text(rng)) + b"/"
        if rng.random() < 0.03:
            path = rng.choice((b"/hooks/", b"//hooks/", b"/health/", b"/hooks/a/b/", b"/%2e%2e/", b"/"))
        sample = rng.choice(BODIES[account])
        body = as_json(rng, spoiled(rng, sample) if rng.random() < 0.9 else sample)
        if rng.random() < 0.02:
            body = packed(body)
        method = "POST" if rng.random() < 0.95 else rng.choice(("GET", "PUT", "TRACE", "OPTIONS", "POST\x00", "x"))
        query = b"" if rng.random() < 0.8 else escaped(odd_text(rng)) + b"=" + escaped(odd_text(rng)) + b"&&=;%"
        headers = odd_headers(rng, [(b"host", b"hooks.example"), (b"content-type", b"application/json")])
        return Asked(method, path + escaped(secret), query, headers, pieces(rng, body))

    def hand_in(self, given: Asked) -> tuple[bool, str]:
        """Posts it; what is refused leaves no trace."""
        before = self._changes()
        answer = self.asker.ask(given)
        taken = answer.status == 200
        assert taken or 400 <= answer.status < 500, answer
        assert taken or self._changes() == before, "refused, and written"
        return taken, answer.body.decode()

    def _changes(self) -> Any:
        return self.file.execute("select count(*), sum(hints) from record").fetchone()
