"""Who is told: a webhook, a mail address and a command, each of which keeps what it was told."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.postbox import Postbox

RAISED, CLEARED, DIGEST, SOON = "alert.raised", "alert.cleared", "alert.digest", "review.soon"

_APPEND = "import sys; open(sys.argv[1], 'a').write(' '.join(sys.stdin.read().split()) + '\\n')"

_TITLES = {"Needed ": RAISED, "Visits that begin soon": SOON, "Over": CLEARED, "Still open": DIGEST}
"""What a part of a mail begins with."""
_CODE = re.compile(r"  ([a-z-]+), (?:since|from) ")


@dataclass(frozen=True)
class Told:
    """One message that arrived."""

    at: datetime
    type: str
    code: str
    scope: str
    name: str
    kind: str
    episode: int | None
    visit_at: str
    """Of a question that is soon due."""
    open: int
    """How many conditions a digest tells of."""
    message_id: str

    @property
    def key(self) -> str:
        """What it is about."""
        return ":".join((self.code, self.scope, self.name, self.kind))


class Receivers:
    """A webhook's receiver and a mail server on this machine, and a command that appends to a file.

    ``config`` names all three.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = folder / "told.jsonl"
        self._secret = folder / "told.secret"
        self._secret.write_text("a-secret-of-the-soak-with-enough-characters", encoding="utf-8")
        self._secret.chmod(0o600)
        self._bodies: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()
        self.postbox = Postbox()
        receivers = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with receivers._lock:
                    receivers._bodies.append((str(self.headers["webhook-id"]), body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """No log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def config(self) -> dict[str, Any]:
        """The parts of the config by which VetBridge tells them."""
        tells = [RAISED, CLEARED, DIGEST, SOON]
        url = f"http://127.0.0.1:{self._server.server_port}/"
        return {
            "webhooks": {"soak": {"url": url, "secret": {"file": str(self._secret)}, "events": tells}},
            "alerts": {
                "commands": {"soak": {"command": [sys.executable, "-c", _APPEND, str(self._lines)], "tells": tells}},
                "mail_server": {
                    "host": "127.0.0.1",
                    "port": self.postbox.port,
                    "security": "none",
                    "sender": "vetbridge@clinic.example",
                },
                "mails": {"soak": {"to": ["it@clinic.example"], "tells": tells}},
            },
        }

    def by_webhook(self) -> list[Told]:
        """What the webhook was told, in order; a message that came twice counts once."""
        with self._lock:
            return _told(self._bodies)

    def by_command(self) -> list[Told]:
        """The same of the command."""
        if not self._lines.exists():
            return []
        lines = [json.loads(line) for line in self._lines.read_text(encoding="utf-8").splitlines()]
        return _told([(json.dumps(line), line) for line in lines])

    def by_mail(self) -> Counter[tuple[str, str]]:
        """How often mails told of each type and code. A mail that came twice counts once."""
        mails = {taken.mail["Message-ID"]: taken.text for taken in self.postbox.taken}
        found: Counter[tuple[str, str]] = Counter()
        for text in mails.values():
            type_ = ""
            for line in text.splitlines():
                type_ = next((each for title, each in _TITLES.items() if line.startswith(title)), type_)
                if told := _CODE.match(line):
                    found[type_, told[1]] += 1
        return found

    def close(self) -> None:
        """Ends listening."""
        self.postbox.close()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _told(bodies: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Told]:
    found: dict[str, Told] = {}
    for id_, body in bodies:
        data = body["data"]
        told = Told(
            at=datetime.fromisoformat(body["timestamp"]),
            type=body["type"],
            code=str(data.get("code", "")),
            scope=str(data.get("scope", "")),
            name=str(data.get("name", "")),
            kind=str(data.get("kind", "")),
            episode=data.get("episode"),
            visit_at=str(data.get("details", {}).get("visit_at", "")),
            open=int(data.get("count", 0)),
            message_id=id_,
        )
        found.setdefault(id_, told)
    return list(found.values())


def complaints(told: Sequence[Told]) -> list[str]:
    """What is wrong with the order of what was told: each thing begins, and is over, by turns."""
    open_: dict[str, Told] = {}
    wrong = []
    for one in told:
        if one.type == RAISED:
            if one.key in open_:
                wrong.append(f"{one.key} was raised at {one.at}, and has been open since {open_[one.key].at}")
            open_[one.key] = one
        elif one.type == CLEARED and open_.pop(one.key, None) is None:
            wrong.append(f"{one.key} was cleared at {one.at}, and was not open")
    wrong += [f"{one.key} was raised at {one.at}, and is still open" for one in open_.values()]
    twice = Counter((one.key, one.visit_at) for one in told if one.type == SOON)
    return wrong + [f"{key} was told {count} times" for (key, _), count in twice.items() if count > 1]


def times_raised(told: Sequence[Told]) -> Counter[str]:
    """How often each thing was raised."""
    return Counter(one.key for one in told if one.type == RAISED)


def told_by_all(receivers: Receivers) -> list[str]:
    """What one of the three was told otherwise than the webhook."""
    by_webhook = Counter((one.type, one.key) for one in receivers.by_webhook())
    by_command = Counter((one.type, one.key) for one in receivers.by_command())
    wrong = [f"the command was told otherwise of {each}" for each in _differing(by_webhook, by_command)]
    codes = Counter((one.type, one.code) for one in receivers.by_webhook() if one.type != DIGEST)
    mailed = Counter({key: count for key, count in receivers.by_mail().items() if key[0] != DIGEST})
    return wrong + [f"the mails tell otherwise of {each}" for each in _differing(codes, mailed)]


def _differing(one: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> list[str]:
    return [f"{key}: {one[key]} and {other[key]}" for key in sorted(one | other) if one[key] != other[key]]
