"""The doors that people and their programs use: the page's forms and addresses, and the JSON API."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from tests.fuzz.asked import Asked, Asker, escaped, odd_headers, odd_text, pieces
from tests.fuzz.door import Door
from tests.fuzz.mutation import PLANTED, altered, as_json, spoiled
from tests.unit.desk.practice import Desk, park
from tests.unit.web.test_api import ROUTES as OPERATIONS
from tests.unit.web.test_pages_guarded import ROUTES
from vetbridge.config.models import Pages
from vetbridge.core.instants import Instant
from vetbridge.core.roles import Role
from vetbridge.daemon.assembly import build_program
from vetbridge.desk import staff
from vetbridge.ledger import accounts
from vetbridge.testing.clock import FakeClock
from vetbridge.web import forms, frame, rehearsing, shield
from vetbridge.web.frame import Frame
from vetbridge.web.pages import application

ITEMS = 6
NUMBERS = (*map(str, range(1, ITEMS + 2)), "0", "-1", "99", str(2**63), str(2**64), "1e3", "x", "%00", "%0a", "..%2f")
FIELDS: dict[str, tuple[str, ...]] = {
    "choice": ("link", "new", "pair", "booking", "pims", "go-on"),
    "client_id": ("1002", "1099", "2001"),
    "pet_id": ("5002", "5003"),
    "group": ("mapping@altegio-city", "none@none"),
    "change": ("1", "2"),
    "number": ("1", "2"),
    "text": ("rings back",),
    "to": ("Ann",),
    "seen": ("1", "a1b2"),
    "next": ("/review", "//evil.example", "https://evil.example"),
    "name": ("Ann",),
    "password": ("guessed",),
    "language": ("de", "en"),
    "q": ("harris",),
    "search": ("harris",),
    "site": ("city",),
    "when": ("1h",),
}
MARKUP = b"<script>alert(1)"
"""Of ``TEXTS``; in no answer it stands as it is."""


class _Served(Door):
    """A page with questions, and somebody who may do all."""

    planted = (PLANTED,)

    def open(self) -> None:
        """The clinic, its page, its staff."""
        desk = Desk(self.folder, FakeClock())
        desk.write_config()
        self.ledger = self.set_up.enter_context(closing(desk.open()))
        with self.ledger.write() as tx:
            accounts.enrol(tx, "altegio-city", "altegio", country="GB")
            accounts.enrol(tx, "ezyvet-city", "ezyvet", country="GB")
            staff.add(tx, "Ann", Role.ADMIN, password_hash=None, by="tests")
            self.session = staff.begin_session(tx, "Ann", hours=12.0)
            self.token = staff.new_token(tx, "Ann", by="tests")
        for number in range(ITEMS):
            start = Instant(desk.clock.now() + timedelta(hours=2 + number), "Europe/London")
            park(self.ledger, start, remote_id=f"3000{number}", why="conflict" if number == 2 else "contact-shared")
        # A rehearsal of a replay takes seconds, and has tests of its own; so has what throttles wrong tokens.
        nothing = patch.object(rehearsing, "rehearse", lambda _frame, chosen, **_how: (chosen.replays, set()))
        self.set_up.enter_context(nothing)
        self.set_up.enter_context(patch.object(frame, "TOKENS_A_CALLER", 10**9))
        program = self.set_up.enter_context(closing(build_program(desk.loaded(), desk.clock, self.ledger)))
        self.frame = Frame(
            program, pages=Pages(session_hours=12.0), wake=lambda: None, health=lambda: {"status": "ok"}
        )
        self.asker = self.set_up.enter_context(closing(Asker(application(self.frame))))

    def hand_in(self, given: Asked) -> tuple[bool, str]:
        """Asks. No answer is a server's fault, holds markup that came in, or sets what came in as a header."""
        answer = self.asker.ask(given)
        assert 200 <= answer.status < 500, answer.status
        long = given.method not in ("GET", "HEAD") and sum(map(len, given.body)) > shield.LARGEST
        assert not long or answer.status >= 400, "all of a long body was read"
        assert MARKUP not in answer.body or b"json" in dict(answer.headers)[b"content-type"]
        assert (b"set-cookie", b"a=b") not in answer.headers
        assert not any(b"evil.example" in value for name, value in answer.headers if name == b"location")
        # What a page shows, whoever is signed in has typed; what is logged is judged.
        return answer.status < 400, ""

    def address(self, rng: Random, path: str) -> bytes:
        """The address of a route, about some record."""
        path = path.replace("{number}", rng.choice(NUMBERS))
        if rng.random() < 0.03:
            path += rng.choice(("/", "//", "/..", "%00", ";x", "/%ff"))
        return path.encode()

    def query(self, rng: Random) -> bytes:
        """Some query, in most cases none."""
        if rng.random() < 0.6:
            return b""
        names = rng.sample([*FIELDS, "page", "after", "limit", "state", "code", "x" * 50], 2)
        if rng.random() < 0.1:
            return altered(rng, b"q=harris&site=city")
        return b"&".join(escaped(name) + b"=" + escaped(odd_text(rng)) for name in names)


class Page(_Served):
    """The page: every route, mostly with a form that is ours."""

    name = "page"

    def make(self, rng: Random) -> Any:
        """A request, made when it is handed in: its form bears a token of that moment."""
        method, path = rng.choice([*ROUTES, ("POST", "/sign-in"), ("GET", "/sign-in"), ("POST", "/language")])
        if rng.random() < 0.03:
            method = rng.choice(("HEAD", "PUT", "TRACE", "OPTIONS", "DELETE"))
        names = rng.sample(list(FIELDS), rng.randint(0, 6))
        fields = [(each, rng.choice(FIELDS[each]) if rng.random() < 0.5 else odd_text(rng)) for each in names]
        headers = [
            (b"host", b"localhost"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"cookie", f"vetbridge-session={self.session}".encode()),
        ]
        spoil = rng.random() < 0.15
        raw = urlencode(fields, errors="replace").encode()
        body = altered(rng, raw) if spoil else raw
        form = partial(self._token, rng.random() < 0.95)
        asked = Asked(method, self.address(rng, path), self.query(rng), odd_headers(rng, headers), pieces(rng, body))
        return asked, form

    def hand_in(self, given: Any) -> tuple[bool, str]:
        """Sends it with a token that is fresh."""
        asked, form = given
        if asked.method == "POST":
            asked.body = [*asked.body, b"&" + form()]
        return super().hand_in(asked)

    def _token(self, good: bool) -> bytes:
        made = forms.token(self.ledger.sealer, f"session {self.session}", self.frame.clock.now())
        return f"{forms.FIELD}={made if good else made[1:]}".encode()


class Api(_Served):
    """The JSON API, raw: what its description would never make."""

    name = "api"

    def make(self, rng: Random) -> Asked:
        """A request, mostly with a token that is good."""
        (method, path), (_role, sample) = rng.choice(list(OPERATIONS.items()))
        if rng.random() < 0.03:
            method = rng.choice(("HEAD", "PUT", "TRACE", "OPTIONS", "DELETE"))
        token = self.token if rng.random() < 0.97 else odd_text(rng)
        body = b"" if sample is None else as_json(rng, spoiled(rng, sample))
        if sample is not None and rng.random() < 0.02:
            # Sound, and longer than what is read.
            body = json.dumps(sample).encode().rjust(shield.LARGEST + 1)
        headers = [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"authorization", b"Bearer " + token.encode("latin-1", "replace").translate(None, b"\r\n\0")),
            (b"content-length", str(len(body)).encode()),
        ]
        address = b"/api/v1" + self.address(rng, path)
        return Asked(method, address, self.query(rng), odd_headers(rng, headers), pieces(rng, body))
