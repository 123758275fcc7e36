"""The page over the clinic of ``tests.unit.desk.practice``, and browsers before it."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx
from fastapi.testclient import TestClient
from starlette.types import ASGIApp

from tests.unit.desk.practice import Desk
from vetbridge.config.models import Pages
from vetbridge.core.roles import Role
from vetbridge.desk import staff
from vetbridge.ledger.database import Ledger
from vetbridge.testing.clock import FakeClock
from vetbridge.web.frame import Frame
from vetbridge.web.pages import application

HOURS = 12.0
TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


class Browser:
    """One browser. It follows no redirect by itself."""

    def __init__(self, raw: TestClient) -> None:
        self.raw = raw

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.raw.get(path, headers=headers)

    def post(self, path: str, page: str = "", data: Mapping[str, Any] | None = None, **fields: Any) -> httpx.Response:
        """Sends a form with a fresh token from ``page``; without one from ``path`` itself, where that is a page."""
        token = self.token(page) if page else self.token(path) or self.token("/")
        return self.send(path, {"form_token": token, **(data or {}), **fields})

    def send(self, path: str, fields: Mapping[str, Any], **headers: str) -> httpx.Response:
        """Sends a form as it is."""
        return self.raw.post(path, data=dict(fields), headers=headers)

    def token(self, page: str) -> str:
        """A token of a form on a page; empty where the page has none."""
        found = TOKEN.search(self.raw.get(page).text)
        return html.unescape(found[1]) if found else ""


@dataclass
class Served:
    """A page that is served, with its ledger and its clock."""

    desk: Desk
    ledger: Ledger
    frame: Frame
    woken: list[str] = field(default_factory=list)

    @cached_property
    def app(self) -> ASGIApp:
        """Made when the first browser comes."""
        return application(self.frame)

    @property
    def clock(self) -> FakeClock:
        return self.desk.clock

    def add(self, name: str, role: Role, *, language: str = "", password: str = "") -> None:
        """One more of the staff. Without a password nobody signs in by it: ``browser`` needs none."""
        hashed = staff.hashed(password) if password else None
        with self.ledger.write() as tx:
            staff.add(tx, name, role, password_hash=hashed, by="tests", language=language)

    def anonymous(self, *, base_url: str = "http://localhost:8711") -> Browser:
        """A browser by which nobody is signed in."""
        return Browser(TestClient(self.app, base_url=base_url, follow_redirects=False))

    def browser(self, name: str, role: Role = Role.RECEPTION, *, language: str = "") -> Browser:
        """A browser by which somebody is signed in; they are added where they are not there yet."""
        with self.ledger.read() as tx:
            there = {member.name for member in staff.members(tx)}
        if name not in there:
            self.add(name, role, language=language)
        with self.ledger.write() as tx:
            token = staff.begin_session(tx, name, hours=self.frame.pages.session_hours)
        browser = self.anonymous()
        browser.raw.cookies.set("vetbridge-session", token, domain="localhost.local")
        return browser


def pages(**given: Any) -> Pages:
    return Pages(**{"session_hours": HOURS, **given})
