"""The bundle for support: how VetBridge is set up and how it does, by ids, codes and numbers alone.

What goes in is chosen, not what stays out: a text is kept only where it is known to be a word of VetBridge's own, a
name that the config gives to an account or a site, an id or a moment. Whatever is left is searched for mail
addresses and for the config's own secrets before it is packed, and the log for phones, too.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import phonenumbers

from vetbridge import __version__
from vetbridge.config.loader import Loaded
from vetbridge.config.models import Config
from vetbridge.config.problems import ConfigProblems, Place, dotted
from vetbridge.config.secrets import Secret
from vetbridge.core.errors import VetBridgeError
from vetbridge.core.instants import Instant
from vetbridge.core.normalise import clean
from vetbridge.desk import changes, connectors
from vetbridge.desk.doctor import Line
from vetbridge.desk.status import status
from vetbridge.ledger import reports, tallies
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.reports import ChangeReport

NEWEST_CHANGES = 200
LOG_LINES = 2000
LOG_BYTES = 4 * 1024 * 1024
"""Of the end of the log, at the most."""
TAKEN_OUT = "<taken out>"

CONTENT: Mapping[str, str] = {
    "versions.json": "VetBridge, Python, the system and the libraries, by version",
    "config.json": "the config's keys, where each comes from, numbers and switches; no text of yours, no secret",
    "doctor.json": "what `vetbridge doctor` looked at, and the mark of each; not what it says",
    "connectors.json": "the installed connectors and what each can do",
    "status.json": "what `vetbridge status --json` says, conditions too, without names of people and places",
    "tables.json": "how many rows each table of the ledger has, by state; the ledger's schema",
    "changes.json": f"the newest {NEWEST_CHANGES} changes, by ids and codes",
    "failures.json": "failed changes, counted by account and code",
    "attempts.json": "tries at writes, counted by account, kind and code",
    "log.txt": "the last lines of log.file, where there is one; what looks like a phone or an address is taken out",
}
"""The files of a bundle, and what each says."""
LEFT_OUT = (
    "names, phones, mail addresses, notes and pets of owners",
    "names of staff, and who of them did what",
    "secrets, and where they stand",
    "addresses of webhooks, mails, vendors and proxies, paths, and titles of services and of team members",
    "messages of changes, questions, answers, the mirror, and every sealed or hashed value of the ledger",
)

_CODE = re.compile(r"[a-z0-9]+(?:[._:/+-]+[a-z0-9]+)*", re.ASCII)
"""Words of VetBridge's own, names of accounts and sites, codes."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?")
_NUMBER = re.compile(r"\d{1,20}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST_CODE = 80
_PERSONAL_KEYS = frozenset(
    {
        *("by", "ended_by", "claimed_by", "assigned_to", "answered_by", "done_by", "title", "ledger", "message"),
        *("text", "words", "advice", "remedy", "reason", "command", "path", "place", "url", "address"),
    }
)
"""Keys under which people, places and sentences stand in what a desk tells."""
_SAFE_KEYS = frozenset(
    {"zone", "country", "connector", "start", "level", "format", "language", "security", "account"}
)
"""Keys of the config whose text is one of a few that VetBridge itself knows, or a name of the config's."""
_SAFE_LISTS = frozenset({"events", "tells", "mon", "tue", "wed", "thu", "fri", "sat", "sun"})
_NAMED_PARTS = (("webhooks",), ("alerts", "mails"), ("alerts", "commands"))
"""Parts of the config whose keys are names that somebody has made up."""

_MAIL = re.compile(r"(?<![^\s@\"'<>(),;:=])[^\s@\"'<>(),;:=]+@[^\s@\"'<>(),;=]+")
_BEGINS = r"(?<![\w.-])(?<!\d:)"
"""Before a phone; what follows these is part of a moment, a version or an id."""
_PHONES = (
    re.compile(r"\+\d[\d ().-]{5,}\d"),
    re.compile(_BEGINS + r"0\d(?:[ ()/.-]{0,2}\d){7,14}(?!\d)"),
    re.compile(_BEGINS + r"\d{2,5}(?:[ ()/-]{1,2}\d{2,5}){2,5}(?![\d:])"),
)
_DIGITS = re.compile(_BEGINS + r"\d{9,15}(?![\w-])(?![.:]\d)")
_FEWEST_DIGITS = 9
_SHORTEST_SECRET = 4
"""Characters: a shorter one would be found everywhere."""

Parts = Mapping[str, Callable[[], Any]]
"""By a file's name, what makes its content; text stays text, all else becomes JSON."""


def bundle(
    loaded: Loaded | None,
    problem: VetBridgeError | None,
    *,
    ledger: Ledger | None,
    ledger_problem: VetBridgeError | None,
    pid: int | None,
    lines: Iterable[Line],
    now: datetime,
) -> dict[str, bytes]:
    """The files of a bundle, by name, with README.txt and manifest.json. Each part that fails says by which code.

    ``loaded`` is None where the config cannot be used, which ``problem`` says; ``ledger`` is None where there is none
    or it cannot be opened, which ``ledger_problem`` says.
    """
    config = None if loaded is None else loaded.config
    parts: dict[str, Callable[[], Any]] = {
        "versions.json": versions,
        "config.json": lambda: _problems(problem) if loaded is None else redacted(loaded),
        "doctor.json": lambda: [_line(line) for line in lines],
        "connectors.json": lambda: _plain(connectors.listing(config)[0]),
    }
    if ledger is not None and config is not None:
        parts |= _of_ledger(ledger, config, pid)
    if config is not None and config.log.file is not None:
        log, countries = config.log.file, {site.country for site in config.sites.values()}
        parts["log.txt"] = lambda: _log(log, countries)
    secrets = [] if loaded is None else _known_secrets(loaded)
    files = {name: _safe(_made(make), secrets) for name, make in parts.items()}
    return files | _manifest(files, now, ledger_problem)


def packed(files: Mapping[str, bytes]) -> bytes:
    """The files as one ZIP archive; the same files make the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return content.getvalue()


def versions() -> dict[str, Any]:
    """What this VetBridge is made of and stands on. Not the machine's name."""
    libraries = {}
    for requirement in requires("vetbridge") or ():
        name = re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
        with suppress(PackageNotFoundError):
            libraries[name] = version(name)
    return {
        "vetbridge": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "sqlite": sqlite3.sqlite_version,
        "encoding": sys.getfilesystemencoding(),
        "processors": os.cpu_count(),
        "libraries": dict(sorted(libraries.items())),
    }


def redacted(loaded: Loaded) -> list[dict[str, Any]]:
    """The config, key by key: where each comes from, and its value where that is none of a text of somebody's."""
    found: list[dict[str, Any]] = []
    codes: dict[str, int] = {}
    numbers: dict[Place, dict[str, int]] = {}
    for place, value in loaded.values():
        if "codes" in place[:4] and place[0] == "sites":
            # Which words a clinic has for its vets is its own business; how many tells what support needs.
            key = dotted(place[:5])
            codes[key] = codes.get(key, 0) + 1
            continue
        shown = _anonymous(place, numbers)
        found.append({"key": shown, "origin": loaded.origin(place).kind, "value": _setting(place, value)})
    return [*found, *({"key": key, "words": count} for key, count in sorted(codes.items()))]


def without_contacts(text: str, countries: Collection[str] = ()) -> str:
    """Text in which whatever looks like a mail address or a phone is taken out, also bare digits that are a phone
    in one of the countries."""
    text = _MAIL.sub(TAKEN_OUT, text)
    for phone in _PHONES:
        text = phone.sub(_unless_short, text)
    return _DIGITS.sub(lambda found: TAKEN_OUT if _is_phone(found[0], countries) else found[0], text)


def _of_ledger(ledger: Ledger, config: Config, pid: int | None) -> dict[str, Callable[[], Any]]:
    def reading(ask: Callable[[Transaction], Any]) -> Callable[[], Any]:
        def made() -> Any:
            with ledger.read() as tx:
                return ask(tx)

        return made

    def newest(tx: Transaction) -> Any:
        _, found = reports.find_changes(tx, reports.ALL, limit=NEWEST_CHANGES)
        return [_change(tx, each) for each in found]

    def failed(tx: Transaction) -> Any:
        names = ("account", "code", "count", "since", "last", "newest", "last_hour", "hour_before")
        return [
            {name: getattr(each.group, name) for name in names} | {"trend": each.trend}
            for each in changes.groups(tx, reports.ALL)
        ]

    def counted(tx: Transaction) -> Any:
        return {"rows": tallies.tables(tx), "states": tallies.states(tx), "schema": tallies.schema(tx)}

    return {
        "status.json": reading(lambda tx: _told(_plain(status(tx, config, pid)))),
        "tables.json": reading(counted),
        "changes.json": reading(newest),
        "failures.json": reading(failed),
        "attempts.json": reading(tallies.attempts),
    }


def _change(tx: Transaction, change: ChangeReport) -> dict[str, Any]:
    names = ("id", "record_id", "site", "account", "kind", "state", "code", "source", "tries", "replay_of")
    moments = ("received_at", "updated_at", "next_at", "settled_at")
    return {
        **{name: getattr(change, name) for name in (*names, *moments)},
        "remote_id": _id(tx, change.remote_id),
    }


def _id(tx: Transaction, remote_id: str) -> str:
    """A vendor's id where it is a number; else a keyed hash, the same for the same id: some hold names."""
    if _NUMBER.fullmatch(remote_id) or _UUID.fullmatch(remote_id):
        return remote_id
    return f"hash:{tx.sealer.hash(remote_id)[:12]}"


def _line(line: Line) -> dict[str, Any]:
    return {"subject": line.subject, "name": _text(line.name), "mark": line.mark.value, "exit_code": line.exit_code}


def _text(name: str) -> str:
    """What a line of the doctor is about: words of VetBridge's own and the config's keys."""
    return name if all(_CODE.fullmatch(word) for word in name.split(" ")) else TAKEN_OUT


def _problems(problem: VetBridgeError | None) -> dict[str, Any]:
    """Where a config is wrong; what is said of it may repeat a value."""
    found = problem.problems if isinstance(problem, ConfigProblems) else ()
    return {
        "code": "" if problem is None else problem.code,
        "lines": [each.line for each in found],
        "keys": [str(each.place[0]) for each in found if each.place and str(each.place[0]) in Config.model_fields],
    }


def _anonymous(place: Place, numbers: dict[Place, dict[str, int]]) -> str:
    """A key of the config, names that somebody has made up as numbers."""
    for part in _NAMED_PARTS:
        if place[: len(part)] == part and len(place) > len(part):
            known = numbers.setdefault(part, {})
            number = known.setdefault(str(place[len(part)]), len(known) + 1)
            return dotted((*part, str(number), *place[len(part) + 1 :]))
    return dotted(place)


def _setting(place: Place, value: Any) -> Any:
    if isinstance(value, Secret):
        return f"<secret: {value.kind}>"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    last = str(place[-1])
    if isinstance(value, str) and (last in _SAFE_KEYS or place[:2] == ("alerts", "digest") or "owners" in place):
        return value
    if isinstance(value, (tuple, list)):
        return list(value) if last in _SAFE_LISTS else f"<taken out: {len(value)} entries>"
    if isinstance(value, Mapping) and not value:
        return {}
    return TAKEN_OUT


def _plain(value: Any) -> Any:
    """What a desk tells as plain data."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, set, frozenset)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, (Instant, Path)) else value


def _told(value: Any, key: str = "") -> Any:
    """The same without people, places and sentences."""
    if isinstance(value, dict):
        return {name: _told(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_told(item, key) for item in value]
    if not isinstance(value, str) or value == "":
        return value
    plain = len(value) <= _LONGEST_CODE and (_CODE.fullmatch(value) or _MOMENT.fullmatch(value))
    return value if plain and key not in _PERSONAL_KEYS else TAKEN_OUT


def _log(path: Path, countries: Collection[str]) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, io.SEEK_END)
            file.seek(max(0, file.tell() - LOG_BYTES))
            lines = file.read(LOG_BYTES).decode("utf-8", "replace").splitlines()[-LOG_LINES:]
    except OSError as error:
        return f"the log cannot be read: {error.strerror}\n"
    return "".join(f"{without_contacts(clean(line), countries)}\n" for line in lines)


def _unless_short(found: re.Match[str]) -> str:
    digits = sum(sign.isdigit() for sign in found[0])
    return TAKEN_OUT if digits >= _FEWEST_DIGITS or found[0].startswith("+") else found[0]


def _is_phone(digits: str, countries: Collection[str]) -> bool:
    for text, country in [(f"+{digits}", None), *((digits, each) for each in countries)]:
        with suppress(phonenumbers.NumberParseException):
            if phonenumbers.is_valid_number(phonenumbers.parse(text, country)):
                return True
    return False


def _known_secrets(loaded: Loaded) -> list[str]:
    """The secrets that can be had without running a command or asking anybody."""
    found = []
    for _, value in loaded.values():
        if isinstance(value, Secret) and value.kind in ("env", "file"):
            with suppress(VetBridgeError):
                found.append(value.reveal())
    return [secret for secret in found if len(secret) >= _SHORTEST_SECRET]


def _made(make: Callable[[], Any]) -> str:
    """A part as text. One that fails says by what: the bundle is for when something is wrong."""
    try:
        made = make()
    except VetBridgeError as error:
        made = {"failed": error.code}
    except Exception as error:  # its text may hold personal values
        made = {"failed": type(error).__name__}
    return made if isinstance(made, str) else json.dumps(made, indent=1, default=_moment) + "\n"


def _moment(value: object) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no plain data")


def _safe(text: str, secrets: Iterable[str]) -> bytes:
    """The last sieve, before a part is packed."""
    for secret in secrets:
        text = text.replace(secret, TAKEN_OUT)
    return _MAIL.sub(TAKEN_OUT, text).encode("utf-8", "replace")


def _manifest(files: Mapping[str, bytes], now: datetime, ledger_problem: VetBridgeError | None) -> dict[str, bytes]:
    listed = [
        {
            "name": name,
            "holds": CONTENT[name],
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, content in sorted(files.items())
    ]
    missing = sorted(set(CONTENT) - set(files))
    data = {
        "made_at": now.isoformat(),
        "files": listed,
        "missing": missing,
        "ledger_problem": "" if ledger_problem is None else ledger_problem.code,
        "left_out": LEFT_OUT,
    }
    text = [
        f"A report for the support of VetBridge {__version__}, made {now:%Y-%m-%d %H:%M} UTC.",
        "It is plain text: read it before you send it.",
        "",
        "It holds",
        *(f"  {each['name']}: {each['holds']}" for each in listed),
        *([f"  missing: {', '.join(missing)}"] if missing else []),
        "",
        "It does not hold",
        *(f"  {each}" for each in LEFT_OUT),
        "",
    ]
    return {
        "manifest.json": (json.dumps(data, indent=1) + "\n").encode("utf-8"),
        "README.txt": "\n".join(text).encode("utf-8"),
    }
