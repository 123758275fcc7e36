"""Staff: who may use the page and the API, and how they prove who they are.

Passwords are kept as Argon2id, sessions and tokens as keyed hashes: whoever reads the ledger can sign in by none of
them. A change of somebody's role or password, and their removal, end their sessions at once.
"""

from __future__ import annotations

import secrets
import threading
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from vetbridge.core import normalise
from vetbridge.core.roles import Role, may
from vetbridge.desk.language import LANGUAGES, phrase
from vetbridge.ledger import audit, reviews, staff
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Staff

SHORTEST_PASSWORD = 10
"""Characters."""
LONGEST_PASSWORD = 1000
LONGEST_NAME = 60
IDLE = 0.5
"""The part of a session's time after which it ends if nobody uses it."""
SEEN_EVERY = timedelta(minutes=5)
"""So often it is noted that a session is in use: a look at a page costs no write."""

HASHER = PasswordHasher()
"""Argon2id as RFC 9106 recommends it where memory is short: 64 MiB, three passes."""

_AT_ONCE = threading.Semaphore(2)
"""Passwords that are checked at a time: each takes 64 MiB."""

_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
"""Characters that nobody mistakes for another one."""


class CannotChangeStaff(Exception):
    """What was asked cannot be. ``message`` says why, ``code`` by which kind of reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NoToken(Exception):
    """A request to the API bears no token, or none that anybody has."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who stands before the page, or speaks to the API."""

    name: str
    role: Role
    language: str
    """Of the page; empty: as the config says."""

    def may(self, needed: Role) -> bool:
        """Whether this visitor may do what takes a role."""
        return may(self.role, needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One of the staff, as a list shows it."""

    name: str
    role: Role
    language: str
    password: bool
    """Whether one is set."""
    token: bool
    """Whether there is one for the API."""
    added_at: datetime
    added_by: str


def members(tx: Transaction) -> tuple[Member, ...]:
    """Everybody, by name."""
    return tuple(_member(row) for row in staff.members(tx))


def member(tx: Transaction, name: str) -> Member:
    """Whoever has this name, in any spelling of case. Raises ``CannotChangeStaff`` where nobody has."""
    return _member(_row(tx, name))


def new_password() -> str:
    """A password that nobody guesses and that can be read out: about 79 bits."""
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(4))


def fit_name(name: str) -> str:
    """The name as it is kept. Raises ``CannotChangeStaff`` where it is none."""
    fit = " ".join(unicodedata.normalize("NFC", normalise.shown(name, LONGEST_NAME + 1)).split())
    if not fit or len(fit) > LONGEST_NAME:
        raise CannotChangeStaff("name", phrase("A name has 1 to {most} characters.", most=LONGEST_NAME))
    return fit


def must_be_fit(name: str, password: str) -> None:
    """Raises ``CannotChangeStaff`` where a password is too easily guessed."""
    text = unicodedata.normalize("NFC", password)
    if not SHORTEST_PASSWORD <= len(text) <= LONGEST_PASSWORD:
        raise CannotChangeStaff(
            "password",
            phrase(
                "A password has {least} characters at least, and {most} at most.",
                least=SHORTEST_PASSWORD,
                most=LONGEST_PASSWORD,
            ),
        )
    folded = text.casefold()
    if len(set(folded)) < 4 or not folded.replace(name.casefold(), ""):
        raise CannotChangeStaff("password", phrase("This password is too easily guessed: choose another one."))


def hashed(password: str) -> str:
    """A password as it is kept. Takes its time: not inside a transaction."""
    with _AT_ONCE:
        return HASHER.hash(_as_bytes(password))


def add(
    tx: Transaction,
    name: str,
    role: Role,
    *,
    password_hash: str | None,
    by: str,
    language: str = "",
    via: str = audit.COMMAND,
) -> Member:
    """Adds somebody. Raises ``CannotChangeStaff`` where the name is none, or taken.

    Whoever was removed can be added again: as new, with neither password nor token of before.
    """
    name = fit_name(name)
    must_be_spoken(language)
    must_be_free(tx, name)
    row = staff.once_member(tx, name)
    if row is None:
        row = Staff(name=name, role=role, added_at=tx.now)
        tx.session.add(row)
    row.role = role
    row.password_hash = password_hash
    row.token_hash = None
    row.language = language
    row.added_at = tx.now
    row.added_by = by
    row.removed_at = None
    _note(tx, Act.STAFF_ADDED, row, by=by, via=via, says=role)
    return _member(row)


def must_be_free(tx: Transaction, name: str) -> None:
    """Raises ``CannotChangeStaff`` where somebody has this name already."""
    row = staff.member(tx, name)
    if row is not None:
        raise CannotChangeStaff("taken", phrase("{name} is there already.", name=row.name))


def must_be_spoken(language: str) -> None:
    """Raises ``CannotChangeStaff`` for a language that VetBridge does not speak; empty is none in particular."""
    if language and language not in LANGUAGES:
        raise CannotChangeStaff(
            "language", phrase("VetBridge speaks these languages: {languages}.", languages=", ".join(LANGUAGES))
        )


def is_last_admin(tx: Transaction, name: str) -> bool:
    """Whether nobody but this one is an admin."""
    admins = [row for row in staff.members(tx) if row.role == Role.ADMIN]
    return len(admins) == 1 and staff.folded(admins[0].name) == staff.folded(name)


def remove(tx: Transaction, name: str, *, by: str, via: str = audit.COMMAND) -> Member:
    """Removes somebody: they are signed out at once, and what they were to answer is left to anybody.

    Raises ``CannotChangeStaff`` where nobody has this name.
    """
    row = _row(tx, name)
    was = _member(row)
    row.removed_at = tx.now
    row.password_hash = row.token_hash = None
    staff.end_sessions(tx, row.name)
    for item in reviews.unassign(tx, row.name):
        audit.note(
            tx, Act.ASSIGNED, by=by, via=via, subject="review", subject_id=item.id, site=item.site, says="anybody"
        )
    _note(tx, Act.STAFF_REMOVED, row, by=by, via=via)
    return was


def change(
    tx: Transaction, name: str, *, role: Role | None, language: str | None, by: str, via: str = audit.COMMAND
) -> Member:
    """Changes what somebody may, which signs them out, or the language of their page. Raises as ``remove`` does."""
    row = _row(tx, name)
    if language is not None:
        must_be_spoken(language)
        row.language = language
        _note(tx, Act.STAFF_CHANGED, row, by=by, via=via, says=f"language {language or '-'}")
    if role is not None and role != row.role:
        row.role = role
        staff.end_sessions(tx, row.name)
        _note(tx, Act.STAFF_CHANGED, row, by=by, via=via, says=f"role {role}")
    return _member(row)


def choose_language(tx: Transaction, name: str, language: str) -> None:
    """Whoever is signed in wants the page in another language; one that VetBridge does not speak changes nothing."""
    row = _row(tx, name)
    if language in LANGUAGES and language != row.language:
        row.language = language
        _note(tx, Act.STAFF_CHANGED, row, by=row.name, via=audit.PAGE, says=f"language {language}")


def set_password(tx: Transaction, name: str, password_hash: str, *, by: str, via: str = audit.COMMAND) -> Member:
    """Sets a password, and signs out whoever is signed in by the old one. Raises as ``remove`` does."""
    row = _row(tx, name)
    row.password_hash = password_hash
    staff.end_sessions(tx, row.name)
    _note(tx, Act.STAFF_CHANGED, row, by=by, via=via, says="password")
    return _member(row)


def new_token(tx: Transaction, name: str, *, by: str, via: str = audit.COMMAND) -> str:
    """A token for the API in place of the one there was; it is shown this once. Raises as ``remove`` does."""
    row = _row(tx, name)
    token = f"vb_{secrets.token_urlsafe(32)}"
    row.token_hash = _token_hash(tx, token)
    _note(tx, Act.STAFF_CHANGED, row, by=by, via=via, says="token")
    return token


def revoke_token(tx: Transaction, name: str, *, by: str, via: str = audit.COMMAND) -> bool:
    """Takes the token for the API away; False where there was none. Raises as ``remove`` does."""
    row = _row(tx, name)
    if row.token_hash is None:
        return False
    row.token_hash = None
    _note(tx, Act.STAFF_CHANGED, row, by=by, via=via, says="token revoked")
    return True


def sign_in(ledger: Ledger, name: str, password: str, *, hours: float) -> str | None:
    """Begins a session, and returns what proves it; None where name and password do not go together.

    It takes as long for a name that nobody has. Either way it is written down; a name that nobody has is not.
    """
    with ledger.read() as tx:
        row = staff.member(tx, name[: LONGEST_NAME + 1])
    known = None if row is None else row.password_hash
    right = _verified(known or _nobody(), password) and known is not None
    # Newer parameters than those the password was kept by.
    newer = hashed(password) if right and known is not None and HASHER.check_needs_rehash(known) else None
    with ledger.write() as tx:
        staff.prune_sessions(tx)
        now = None if row is None else staff.member(tx, row.name)
        if now is None or not right or now.password_hash != known:
            by = "" if now is None else now.name
            audit.note(tx, Act.SIGN_IN_REFUSED, by=by, via=audit.PAGE, subject="staff", subject_id=by)
            return None
        if newer is not None:
            now.password_hash = newer
        _note(tx, Act.SIGNED_IN, now, by=now.name, via=audit.PAGE)
        return begin_session(tx, now.name, hours=hours)


def begin_session(tx: Transaction, name: str, *, hours: float) -> str:
    """Signs somebody in who has proven who they are; returns what proves it from now on."""
    token = secrets.token_urlsafe(32)
    staff.begin_session(tx, name, session_hash(tx, token), ends_at=tx.now + timedelta(hours=hours))
    return token


def sign_out(tx: Transaction, token: str) -> None:
    """Ends a session."""
    found = staff.session(tx, session_hash(tx, token))
    if found is not None:
        _note(tx, Act.SIGNED_OUT, found[1], by=found[1].name, via=audit.PAGE)
    staff.end_session(tx, session_hash(tx, token))


def by_session(ledger: Ledger, token: str) -> Visitor | None:
    """Who is signed in by a session; None where it has ended."""
    with ledger.read() as tx:
        key = session_hash(tx, token)
        found = staff.session(tx, key)
        if found is None:
            return None
        session, row = found
        idle = (session.ends_at - session.made_at) * IDLE
        if tx.now >= session.ends_at or tx.now >= session.seen_at + idle:
            return None
        stale = tx.now >= session.seen_at + SEEN_EVERY
    if stale:
        with ledger.write() as tx:
            staff.seen(tx, key)
    return _visitor(row)


def by_token(ledger: Ledger, token: str) -> Visitor | None:
    """Whose token for the API it is; None: nobody's."""
    with ledger.read() as tx:
        row = staff.by_token(tx, _token_hash(tx, token))
    return None if row is None else _visitor(row)


def session_hash(tx: Transaction, token: str) -> str:
    """What stands for a session in the ledger."""
    return tx.sealer.hash(f"session {token}")


def _token_hash(tx: Transaction, token: str) -> str:
    return tx.sealer.hash(f"api token {token}")


def _verified(known: str, password: str) -> bool:
    with _AT_ONCE:
        try:
            return HASHER.verify(known, _as_bytes(password[:LONGEST_PASSWORD]))
        except (Argon2Error, InvalidHashError):
            return False


def _as_bytes(password: str) -> bytes:
    """However a keyboard composes its letters."""
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")


@cache
def _nobody() -> str:
    """The hash of a password that nobody has: to check against takes as long as against a real one."""
    return hashed(secrets.token_urlsafe(32))


def _row(tx: Transaction, name: str) -> Staff:
    row = staff.member(tx, name)
    if row is None:
        raise CannotChangeStaff("unknown-staff", phrase("Nobody of the staff is called {name}.", name=_shown(name)))
    return row


def _shown(name: str) -> str:
    return normalise.shown(name, LONGEST_NAME) or "-"


def _visitor(row: Staff) -> Visitor:
    return Visitor(row.name, Role(row.role), row.language)


def _member(row: Staff) -> Member:
    return Member(
        name=row.name,
        role=Role(row.role),
        language=row.language,
        password=row.password_hash is not None,
        token=row.token_hash is not None,
        added_at=row.added_at,
        added_by=row.added_by,
    )


def _note(tx: Transaction, act: Act, row: Staff, *, by: str, via: str, says: str = "") -> None:
    audit.note(tx, act, by=by, via=via, subject="staff", subject_id=row.name, says=says)
