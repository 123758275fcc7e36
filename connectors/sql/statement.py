"""The SQL of a profile, looked at before any of it is sent: one statement, and one that only reads.

This keeps an honest mistake from being sent. What keeps a hostile statement from doing harm are the rights of the
login, the session that is set to read, and the transaction that is rolled back after every read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

LONGEST = 20_000
"""Characters of one statement."""
ROWS = "vetbridge_rows"
"""What the site's rows are called in statements around its own."""

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>[NnEe]?'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|\[[^\]]*\]|`[^`]*`)
    |(?P<word>[^\W\d][\w$#@]*|[@#][\w$#@]+)
    |(?P<number>\d[\w.]*)
    |(?P<parameter>:[A-Za-z_]\w*)
    |(?P<mark>\?)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_WRITES_WORDS = """
INSERT UPDATE DELETE MERGE INTO EXEC EXECUTE CALL DROP ALTER CREATE TRUNCATE GRANT REVOKE DENY SET BEGIN
COMMIT ROLLBACK SAVEPOINT DECLARE USE ATTACH DETACH PRAGMA VACUUM COPY LOCK LOAD UNLOAD OUTPUT INPUT DBCC
BACKUP RESTORE SHUTDOWN WAITFOR KILL GO RECONFIGURE BULK WRITETEXT UPDATETEXT OPENROWSET OPENQUERY
OPENDATASOURCE UPSERT TRIGGER HANDLER PREPARE DEALLOCATE LISTEN NOTIFY UNLISTEN CHECKPOINT REINDEX MESSAGE
RAISERROR PRINT RECEIVE UPDLOCK XLOCK TABLOCK TABLOCKX HOLDLOCK
"""
_WRITES = frozenset(_WRITES_WORDS.split())
"""Words that stand in no statement that only reads. A column that is called so is named with its table before it."""
_JOINED = frozenset({"UNION", "EXCEPT", "INTERSECT", "ALL", "DISTINCT"})
"""After which a statement may go on with another SELECT."""
_LAST = frozenset({"ORDER", "FOR", "OPTION", "LIMIT", "OFFSET", "FETCH"})
"""With which the end of a statement begins that cannot stand in another one on every engine."""
_RUNS = re.compile(r"(?:xp|sp)_", re.IGNORECASE)
_DOES_WORDS = """
NEXTVAL SETVAL SET_CONFIG PG_TERMINATE_BACKEND PG_CANCEL_BACKEND PG_RELOAD_CONF PG_SWITCH_WAL PG_NOTIFY
PG_ADVISORY_LOCK LO_CREATE LO_IMPORT LO_EXPORT LO_UNLINK LO_PUT LO_FROM_BYTEA DBLINK DBLINK_EXEC
QUERY_TO_XML LOAD_EXTENSION WRITEFILE READFILE PG_READ_FILE XP_CMDSHELL
"""
_DOES = frozenset(_DOES_WORDS.split())
"""Functions that do something while rows are read; whatever stands before them."""
_CALLS = frozenset({"EXEC", "EXECUTE", "CALL", "SELECT"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    depth: int
    after_dot: bool

    @property
    def upper(self) -> str:
        return self.text.upper() if self.kind == "word" and not self.after_dot else ""


def _tokens(text: str) -> list[_Token]:  # noqa: PLR0912 - one branch for each sign
    """The words and signs of a statement. Raises ``ValueError`` for what different engines read differently."""
    if len(text) > LONGEST:
        raise ValueError(f"the statement is longer than {LONGEST} characters")
    if _CONTROL.search(text):
        raise ValueError("the statement holds a control character; remove it")
    found: list[_Token] = []
    depth = 0
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup or "", match[0]
        if kind == "space":
            continue
        pair = text[match.start() : match.start() + 2]
        if kind == "sign":
            if pair in ("--", "/*", "*/"):
                raise ValueError("the statement holds a comment; put it outside, behind a # of the YAML")
            if word == ";":
                raise ValueError("a semicolon stands in the statement; write one statement, without it")
            if word in "'\"[`":
                raise ValueError(f"a quotation that begins with {word} has no end")
            if word in "\\$":
                raise ValueError(f"the sign {word} stands in the statement; only plain SQL is taken")
            depth += {"(": 1, ")": -1}.get(word, 0)
            if depth < 0:
                raise ValueError("a bracket is closed that was not opened")
        if kind == "text" and "\\" in word:
            raise ValueError("a backslash stands in a text; engines read that differently")
        after_dot = bool(found) and found[-1].text == "."
        found.append(_Token(kind, word, match.start(), depth, after_dot))
    if depth:
        raise ValueError("a bracket that was opened is not closed")
    if not found:
        raise ValueError("the statement is empty")
    return found


def _trimmed(text: str) -> str:
    """Without the semicolon that many put at the end."""
    return text.strip().removesuffix(";").rstrip()


def _require_reading(tokens: Sequence[_Token]) -> None:
    """Raises ``ValueError`` where a statement may do more than read."""
    if tokens[0].upper not in ("SELECT", "WITH"):
        raise ValueError("the statement must begin with SELECT or WITH; only statements that read are taken")
    for token in tokens:
        if token.upper in _WRITES or _RUNS.match(token.upper):
            raise ValueError(
                f"the word {token.upper} stands in the statement; only statements that read are taken (of a column "
                "that is called so, write its table and a dot before it)"
            )
        name = token.text.upper() if token.kind == "word" else ""
        if (name in _DOES and _follows(tokens, token, "(")) or (name == "VALUE" and _follows(tokens, token, "FOR")):
            raise ValueError(f"{name} does something each time it is read; only statements that read are taken")


def _heads(tokens: Sequence[_Token]) -> list[_Token]:
    """The SELECTs that stand in no brackets and begin a statement of their own, one after the other."""
    heads = []
    before: _Token | None = None
    for token in tokens:
        joined = before is not None and before.upper in _JOINED
        if token.upper == "SELECT" and token.depth == 0 and not joined:
            heads.append(token)
        before = token
    return heads


def checked_select(text: str) -> str:
    """A statement that reads rows. Raises ``ValueError`` that says what in it is not taken."""
    text = _trimmed(text)
    tokens = _tokens(text)
    _require_reading(tokens)
    if len(_heads(tokens)) != 1:
        raise ValueError("one SELECT was expected; several are joined with UNION ALL")
    for token in tokens:
        if token.depth == 0 and token.upper in _LAST:
            raise ValueError(
                f"the word {token.upper} stands outside of brackets: VetBridge puts its own statement around this "
                "one, and sorts and cuts there"
            )
        if token.upper == "FOR" and _follower(tokens, token) in ("SHARE", "NO", "KEY"):
            raise ValueError("FOR SHARE locks rows; leave it out")
        if token.kind == "parameter":
            raise ValueError(f"{token.text} has no value here; bounds are written as ?")
    return text


def _follower(tokens: Sequence[_Token], token: _Token) -> str:
    place = tokens.index(token) + 1
    return tokens[place].upper if place < len(tokens) else ""


def _follows(tokens: Sequence[_Token], token: _Token, text: str) -> bool:
    place = tokens.index(token) + 1
    if place >= len(tokens):
        return False
    said = tokens[place].text.upper()
    return said == text


def checked_template(text: str) -> str:
    """A statement that writes one row: one INSERT or one UPDATE. Raises ``ValueError``."""
    text = _trimmed(text)
    tokens = _tokens(text)
    if tokens[0].upper not in ("INSERT", "UPDATE"):
        raise ValueError("a template must begin with INSERT or UPDATE; nothing is ever deleted")
    allowed = frozenset({tokens[0].upper, "INTO", "SET"})
    for token in tokens[1:]:
        second = token.upper in ("INSERT", "UPDATE")
        if second or token.upper in _WRITES - allowed or _RUNS.match(token.upper):
            raise ValueError(f"the word {token.upper} stands in the template; one INSERT or one UPDATE is taken")
    if tokens[0].upper == "UPDATE" and not any(token.upper == "WHERE" and not token.depth for token in tokens):
        raise ValueError("an UPDATE without WHERE would change every row")
    _require_named(tokens)
    return text


def checked_procedure(text: str) -> str:
    """A call of one stored procedure. Raises ``ValueError``."""
    text = _trimmed(text)
    tokens = [token for token in _tokens(text) if token.text not in "{}"]
    if not tokens or tokens[0].upper not in _CALLS:
        raise ValueError("a call was expected: {call NAME(:start, :stamp)}, EXEC NAME :start, or SELECT NAME(:start)")
    for token in tokens[1:]:
        if token.upper in _WRITES or _RUNS.match(token.upper):
            raise ValueError(f"the word {token.upper} stands in the call; one procedure is called, no more")
    _require_named(tokens)
    return text


def checked_precheck(text: str) -> str:
    """A select with named parameters. Raises ``ValueError``."""
    text = _trimmed(text)
    tokens = _tokens(text)
    _require_reading(tokens)
    _require_named(tokens)
    return text


def _require_named(tokens: Sequence[_Token]) -> None:
    if any(token.kind == "mark" for token in tokens):
        raise ValueError("a ? stands in the statement; write what it means: :start, :end, :notes, :stamp")


Select = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(checked_select)]
Template = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Precheck = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(checked_precheck)]


def marks(text: str) -> int:
    """How many ``?`` a statement has."""
    return sum(token.kind == "mark" for token in _tokens(text))


def parameters(text: str) -> frozenset[str]:
    """The named parameters of a statement, without their colons."""
    return frozenset(token.text[1:] for token in _tokens(text) if token.kind == "parameter")


def bound(text: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """A statement with ``?`` for each named parameter, and the values in that order."""
    parts: list[str] = []
    given: list[Any] = []
    end = 0
    for token in _tokens(text):
        if token.kind == "parameter":
            parts += [text[end : token.start], "?"]
            given.append(values.get(token.text[1:]))
            end = token.start + len(token.text)
    return "".join([*parts, text[end:]]), given


def around(
    select: str,
    wanted: str = "*",
    *,
    where: str = "",
    order: str = "",
    most: int | None = None,
    says_top: bool = False,
) -> str:
    """A select of the rows of a site's select, which the words ``where`` and ``order`` call by ``ROWS``.

    In forms that every engine takes: a derived table, or for one that begins with WITH a further name there. Only the
    first ``most`` rows are said in two ways: with TOP where ``says_top``, else with LIMIT.
    """
    tail = f"{f' WHERE {where}' if where else ''}{f' ORDER BY {order}' if order else ''}"
    if most is not None and says_top:
        wanted = f"TOP {most:d} {wanted}"
    elif most is not None:
        tail += f" LIMIT {most:d}"
    tokens = _tokens(select)
    if tokens[0].upper != "WITH":
        return f"SELECT {wanted} FROM (\n{select}\n) {ROWS}{tail}"  # noqa: S608 - the site's own select
    head = _heads(tokens)[0].start
    return f"{select[:head].rstrip()},\n{ROWS} AS (\n{select[head:]}\n)\nSELECT {wanted} FROM {ROWS}{tail}"


def plain_name(name: str) -> bool:
    """Whether a column's name can stand in a statement as it is."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name) is not None
