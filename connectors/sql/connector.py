"""The connector ``sql``: the records of a practice system's database, read by a site's own selects.

Nothing here knows a vendor: a profile says which select gives which kind. Every reading is a few short statements,
each in a transaction that is rolled back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from connectors.sql import statement
from connectors.sql.check import check
from connectors.sql.listing import listed_tables
from connectors.sql.odbc import UNFIT, Column, Database, Rows, library
from connectors.sql.options import Dialect, SqlOptions, capabilities
from connectors.sql.profile import KindProfile, SqlProfile
from connectors.sql.searching import EARLIEST, LATEST, Wanted
from connectors.sql.snapshot import Mark, Snapshot, Walk
from connectors.sql.writing import Writer
from vetbridge.connector.catalogue import ListedTable
from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    Found,
    Hint,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Write,
)
from vetbridge.connector.plugin import Environment
from vetbridge.connector.profiles import load_profile
from vetbridge.connector.rows import BadRow, RowReader
from vetbridge.core.errors import BadAnswer, RateLimited, Refused, SchemaChanged, Unavailable
from vetbridge.core.records import Kind

KEYS_AT_ONCE = 50
"""Keys that one statement looks up."""
TRUSTED_FOR = 60.0
"""Seconds for which a count of rows is believed."""
QUIET = "quiet-hours"
"""The budget that quiet hours pause."""
OVERLAP = timedelta(minutes=5)
"""How far before the newest change a reading by cursor begins: transactions end later than they say."""
MASS_CHANGE = "guard-mass-change"

_GUID = re.compile(r"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?")
_LONGEST_ID = 255


def build(options: SqlOptions, environment: Environment) -> Sql:
    """The connector of one account. Raises ``ConfigError`` for a profile that cannot be used, and without pyodbc."""
    library()
    return Sql(load_profile(SqlProfile, options.profile, "sql"), options, environment)


@dataclass(frozen=True, slots=True)
class _SeenRow:
    """A row as it was read last: one that is the same to the letter need not be read again to know that."""

    raw: bytes
    id: str
    digest: str


class Sql:
    """One login at one database. Safe to be used by several threads."""

    def __init__(self, profile: SqlProfile, options: SqlOptions, environment: Environment) -> None:
        self._profile = profile
        self._options = options
        self._account = environment.account
        self._zone = environment.zone
        self._country = environment.country
        self._clock = environment.clock
        self._capabilities = capabilities(profile)
        self._database = Database(environment.account, options)
        self._snapshots = {kind: Snapshot() for kind in profile.kinds}
        self._seen: dict[Kind, dict[Any, _SeenRow]] = {kind: {} for kind in profile.kinds}
        self._trusted: dict[Kind, float] = {}
        self._swept: dict[Kind, float] = {}
        self._keys: dict[Kind, set[str]] = {}
        """What the last sweep found: of a kind with a cursor most rows are never listed."""
        self._columns: dict[Kind, tuple[Column, ...]] = {}
        self._writer = Writer(environment.account, profile, self._database, self._selected, record)

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._capabilities

    @property
    def requests(self) -> int:
        """Statements that were sent to the database."""
        return self._database.requests

    def close(self) -> None:
        """Gives back the connection."""
        self._database.close()

    def check(self) -> CheckReport:
        """Looks at driver, login, the columns of every select, how many rows there are, and code lists."""
        return check(self, self._profile, self._options)

    def tables(self, pattern: str = "*") -> Iterator[ListedTable]:
        """See ``Catalogue``."""
        self._require_awake()
        return listed_tables(self._database, self._options.dialect, pattern)

    # -- reading

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed since a cursor, in pages by key.

        A cursor names this process: one of another, and none, tell everything. Rows are compared with what they were
        when they were last read; of a kind with a column of changes only those that are newer are asked for. What is
        missing in the window is looked up by key before it counts as gone.

        Raises ``Unavailable`` with code ``guard-mass-change`` where less is left, or more has changed, than the
        profile's guards believe.
        """
        self._known(kind)
        self._require_awake()
        return self._walked(kind, since, Mark.of(mark))

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """The record now, or None. None only while the table holds as many rows as the profile's guards demand.

        Raises ``BadAnswer`` for a row that makes no record.
        """
        self._known(kind)
        if not id.strip() or len(id) > _LONGEST_ID or not id.isprintable():
            return None
        self._require_awake()
        try:
            rows, reader = self._by_keys(kind, [id])
        except BadAnswer as error:
            if error.code != UNFIT:
                raise
            rows, reader = self.describe(kind)  # no key has this form, as a number has not that of a GUID
        for row in rows.rows:
            found, native = self._read(kind, reader, rows, row)
            if isinstance(native, BadRow):
                raise BadAnswer(f"{self._account}: a row of {kind} cannot be read: {native}", code="bad-row")
            if found == id:
                return native
        self._require_rows(kind)
        return None

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Records by the declared keys, several ANDed.

        Clients: ``phone`` (any form), ``email``; for these every row is read, as no database compares phones. Pets:
        ``client_id``. Appointments: ``client_id``, ``pet_id``, ``start_from`` and ``start_before``, both ISO 8601
        with an offset. Rows that make no record are left out.
        """
        self._known(kind)
        unknown = sorted(set(query) - self._capabilities.of(kind).search)
        if unknown or not query:
            raise self._unsupported(f"a search for {kind} by {', '.join(unknown) or 'nothing'}")
        wanted = Wanted(self._account, query, zone=self._zone, country=self._country)
        self._require_awake()
        return self._found(kind, query, wanted)

    def look(self, write: Write) -> Iterator[Native]:
        """Visits that bear the stamp of a create in their notes."""
        self._declared(write.kind, Operation.CREATE)
        self._require_awake()
        return self._writer.look(write)

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """No files are read."""
        raise self._unsupported("the content of a file")

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """The lists that the profile reads."""
        if not self._profile.codes:
            raise self._unsupported("the reading of a code list")
        self._require_awake()
        return {name: self.code_list(name) for name in sorted(self._profile.codes)}

    def code_list(self, name: str) -> Mapping[str, str]:
        """Titles by code, of one list. Raises ``BadAnswer`` where its select has less than two columns."""
        rows = self._database.read(f"codes.{name}", self._profile.codes[name].select)
        if len(rows.columns) < 2:
            raise BadAnswer(f"{self._account}: codes.{name}: a code and a title were expected", code="sql-select")
        codes = {text(row[0]): text(row[1]) for row in rows.rows if text(row[0])}
        visits = self._profile.kinds.get(Kind.APPOINTMENT)
        if name == "status" and visits is not None and visits.deleted_when is not None:
            codes["deleted"] = "deleted"
        return codes

    # -- writing

    def apply(self, write: Write) -> Receipt:
        """The one write door. What the profile leaves to people is handed to them: nothing is sent."""
        self._declared(write.kind, write.operation)
        handed = self._capabilities.of(write.kind).handed
        if write.operation is Operation.RECALL or write.operation in handed:
            return Receipt(id="")
        self._require_awake()
        return self._writer.apply(write)

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """A database calls nobody."""
        raise self._unsupported("a webhook")

    # -- what the check asks

    def describe(self, kind: Kind) -> tuple[Rows, RowReader]:
        """The columns of a kind's select, without a row. Raises ``SchemaChanged`` where one that is named is not
        there."""
        select = self._profile.kinds[kind].select
        rows = self._select(kind, statement.around(select, where="1 = 0"), self._bounds(kind))
        return rows, self._reader(kind, rows)

    def count(self, kind: Kind) -> int:
        """Rows of a kind, in its window. Raises ``BadAnswer`` where its key is none."""
        each = self._profile.kinds[kind]
        key = f"{statement.ROWS}.{each.key}"
        asked = statement.around(each.select, f"COUNT(*), COUNT({key}), COUNT(DISTINCT {key})")
        [(rows, keys, different)] = self._select(kind, asked, self._bounds(kind)).rows
        if not rows == keys == different:
            what = "is empty in some rows" if rows != keys else "is the same in several rows"
            raise BadAnswer(f"{self._account}: the key {each.key} of {kind} {what}", code="sql-key")
        return int(rows)

    def sample(self, kind: Kind) -> tuple[int, Mapping[str, int]]:
        """How many rows of the first page were looked at, and how many of them make no record, by the reason."""
        rows, reader = self._page(kind, None, self._bounds(kind))
        bad: dict[str, int] = {}
        for row in rows.rows:
            _, native = self._read(kind, reader, rows, row)
            if isinstance(native, BadRow):
                bad[str(native)] = bad.get(str(native), 0) + 1
        return len(rows.rows), bad

    @property
    def database(self) -> Database:
        """The login."""
        return self._database

    def quiet_for(self) -> float:
        """Seconds until the quiet hours that are now are over; 0 where there are none."""
        now = self._clock.now().astimezone(ZoneInfo(self._zone))
        minute = now.hour * 60 + now.minute
        for span in self._options.quiet_hours:
            begin, end = (int(each[:2]) * 60 + int(each[3:]) for each in span.split("-"))
            if begin <= minute < end or (begin > end and (minute >= begin or minute < end)):
                return float(((end - minute) % 1440) * 60 - now.second)
        return 0.0

    # -- one walk

    def _walked(self, kind: Kind, since: str | None, mark: Mark) -> Iterator[Page]:
        each, snapshot = self._profile.kinds[kind], self._snapshots[kind]
        cursor, _, newest = (since or "").partition("@")
        known = snapshot.known
        total = self._counted(kind, known)
        walk = snapshot.begin(cursor or None, mark)
        bounds = self._bounds(kind)
        later = _time(newest) if each.cursor and mark.after is None else None
        top = later
        after: Any = mark.after
        at_mark = mark.text if mark.after is not None else snapshot.mark(walk, None)
        while True:
            rows, reader = self._page(kind, after, bounds, later)
            last = len(rows.rows) < self._options.page_size
            told = self._told(kind, walk, reader, rows, known)
            if rows.rows:
                after = rows.rows[-1][_place(rows, each.key)]
                top = self._newest(rows, each, top)
            if last:
                if len(self._seen[kind]) > 2 * total + self._options.page_size:
                    self._seen[kind].clear()
                told += self._gone(kind, walk, known, bounds, only_newer=later is not None)
            behind = snapshot.cursor(walk) + (f"@{top.isoformat()}" if top else "")
            yield Page(
                records=tuple(told),
                cursor=behind if last else since or "",
                last=last,
                total=total if walk.since is None and later is None else None,
                mark=at_mark,
            )
            if last:
                return
            at_mark = snapshot.mark(walk, str(after))

    def _told(self, kind: Kind, walk: Walk, reader: RowReader, rows: Rows, known: int) -> list[Found]:
        """The rows of a page that the walk is to tell. Raises ``Unavailable`` where too many are others."""
        seen = self._seen[kind]
        fresh: dict[str, Native | None] = {}
        digests: dict[str, str] = {}
        places: dict[str, Sequence[Any]] = {}
        key = _place(rows, self._profile.kinds[kind].key)
        for row in rows.rows:
            raw = hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=12).digest()
            known_row = seen.get(row[key])
            if known_row is None or known_row.raw != raw:
                id_, native = self._read(kind, reader, rows, row)
                digest = str(native) if isinstance(native, BadRow) else str(native["version"])
                known_row = seen[row[key]] = _SeenRow(raw, id_, digest)
                fresh[id_] = None if isinstance(native, BadRow) else native
            if known_row.id:
                digests[known_row.id] = known_row.digest
                places[known_row.id] = row
        if digests and walk.seen >= digests.keys():
            raise BadAnswer(
                f"{self._account}: the key {self._profile.kinds[kind].key} of {kind} does not sort: the same rows "
                "came again",
                code="sql-key",
            )
        told = self._snapshots[kind].saw(walk, digests)
        guards = self._profile.kinds[kind].guards
        if walk.changed > max(guards.few, guards.most_changed * known):
            raise self._guarded(kind, f"more than {guards.most_changed:.0%} of {known} rows are others than before")
        for id_ in told - fresh.keys():
            _, native = self._read(kind, reader, rows, places[id_])
            fresh[id_] = None if isinstance(native, BadRow) else native
        return [Found(id=id_, native=fresh[id_]) for id_ in digests if id_ in told]

    def _gone(
        self, kind: Kind, walk: Walk, known: int, bounds: Sequence[datetime], *, only_newer: bool
    ) -> list[Found]:
        """What went since the walk's cursor, and rows that are no longer listed and still there, where they are
        others now."""
        snapshot = self._snapshots[kind]
        missing = self._swept_away(kind, walk, bounds) if only_newer else snapshot.missing(walk)
        before = snapshot.told_gone(walk)
        still: dict[str, Found] = {}
        for found in self._looked_up(kind, sorted(missing)):
            still[found.id] = found
        gone = missing - still.keys()
        self._require_few_gone(kind, len(gone), max(known, len(self._keys.get(kind, ()))))
        self._keys.get(kind, set()).difference_update(gone)
        changed: list[Found] = []
        if still:
            digests = {id_: found.native["version"] if found.native else "" for id_, found in still.items()}
            told = snapshot.saw(walk, digests)
            changed = [still[id_] for id_ in sorted(told)]
            snapshot.drop(walk, still, gone=False)
        snapshot.drop(walk, gone, gone=True)
        return [*changed, *(Found(id=id_, deleted=True) for id_ in sorted({*before, *gone}))]

    def _swept_away(self, kind: Kind, walk: Walk, bounds: Sequence[datetime]) -> set[str]:
        """Keys that a sweep does not find, where one is due."""
        sweep = self._profile.kinds[kind].sweep
        if sweep is None:
            return set()
        now = self._clock.steady()
        if now < self._swept.get(kind, float("-inf")) + sweep.hours * 3600:
            return set()
        rows = self._select(kind, sweep.select, bounds[: statement.marks(sweep.select)], what=f"the sweep of {kind}")
        self._swept[kind] = now
        there = {text(row[0]) for row in rows.rows}
        walk.seen |= there
        missing = self._snapshots[kind].missing(walk) | (self._keys.get(kind, set()) - there)
        self._keys[kind] = there | missing
        return missing

    def _newest(self, rows: Rows, each: KindProfile, top: datetime | None) -> datetime | None:
        if each.cursor is None:
            return None
        place = _place(rows, each.cursor)
        times = [row[place] for row in rows.rows if isinstance(row[place], datetime)]
        return max([*times, *([top] if top else [])], default=None)

    # -- guards

    def _counted(self, kind: Kind, known: int) -> int:
        """Rows of a kind. Raises ``Unavailable`` where there are fewer than are believed."""
        guards = self._profile.kinds[kind].guards
        rows = self.count(kind)
        least = self._profile.least(kind)
        if rows < least:
            raise self._guarded(kind, f"{rows} rows, and at least {least} are to be there")
        if known - rows > max(guards.few, guards.most_gone * known):
            raise self._guarded(kind, f"{rows} rows, and there were {known}")
        if rows:
            self._trusted[kind] = self._clock.steady()
        elif known and guards.least is None and not self._holds_any(kind):
            raise self._guarded(kind, "no row at all, and some are known")
        return rows

    def _holds_any(self, kind: Kind) -> bool:
        """Whether the table has a row, also outside of the window: a quiet month empties that one, and no table."""
        each = self._profile.kinds[kind]
        asked = statement.around(each.select, "COUNT(*)")
        [(rows,)] = self._select(kind, asked, self._repeated(each, (EARLIEST, LATEST))).rows
        return bool(rows)

    def _require_rows(self, kind: Kind) -> None:
        """Raises ``Unavailable`` where a record may not be found since its table was emptied."""
        if self._clock.steady() - self._trusted.get(kind, float("-inf")) >= TRUSTED_FOR:
            self._counted(kind, max(self._snapshots[kind].known, 1))

    def _require_few_gone(self, kind: Kind, gone: int, known: int) -> None:
        guards = self._profile.kinds[kind].guards
        if gone > max(guards.few, guards.most_gone * known):
            raise self._guarded(kind, f"{gone} of {known} rows are gone at once")

    def _guarded(self, kind: Kind, what: str) -> Unavailable:
        self._trusted.pop(kind, None)
        self._swept.pop(kind, None)
        return Unavailable(
            f"{self._account}: {kind}: {what}; nothing of it is believed. If it is right, change the guards of that "
            "kind in the profile",
            code=MASS_CHANGE,
        )

    # -- statements

    def _page(
        self, kind: Kind, after: Any, bounds: Sequence[Any], later: datetime | None = None
    ) -> tuple[Rows, RowReader]:
        """The next rows by key."""
        each = self._profile.kinds[kind]
        key = f"{statement.ROWS}.{each.key}"
        where, values = [], list(bounds)
        if later is not None:
            where.append(f"{statement.ROWS}.{each.cursor} >= ?")
            values.append(later - OVERLAP)
        if after is not None:
            where.append(f"{key} > ?")
            values.append(self._typed(kind, after))
        asked = statement.around(
            each.select,
            where=" AND ".join(where),
            order=key,
            most=self._options.page_size,
            says_top=self._options.dialect in (Dialect.TSQL, Dialect.SQLANYWHERE),
        )
        rows = self._select(kind, asked, values)
        return rows, self._reader(kind, rows)

    def _by_keys(self, kind: Kind, ids: Sequence[str]) -> tuple[Rows, RowReader]:
        """The rows of some keys, wherever they are."""
        each = self._profile.kinds[kind]
        values = [typed for id_ in ids for typed in self._spellings(kind, id_)]
        if not values:
            return self.describe(kind)
        where = f"{statement.ROWS}.{each.key} IN ({', '.join('?' * len(values))})"
        return self._selected(kind, where, values)

    def _selected(
        self, kind: Kind, where: str, values: Sequence[Any], bounds: tuple[datetime, datetime] | None = None
    ) -> tuple[Rows, RowReader]:
        each = self._profile.kinds[kind]
        window = self._repeated(each, bounds or (EARLIEST, LATEST))
        rows = self._select(kind, statement.around(each.select, where=where), [*window, *values])
        return rows, self._reader(kind, rows)

    def _looked_up(self, kind: Kind, ids: Sequence[str]) -> Iterator[Found]:
        for start in range(0, len(ids), KEYS_AT_ONCE):
            rows, reader = self._by_keys(kind, ids[start : start + KEYS_AT_ONCE])
            for row in rows.rows:
                id_, native = self._read(kind, reader, rows, row)
                yield Found(id=id_, native=None if isinstance(native, BadRow) else native)

    def _found(self, kind: Kind, query: Mapping[str, str], wanted: Wanted) -> Iterator[Native]:
        where, values = [], []
        for name in ("client_id", "pet_id"):
            column = self._column(kind, name) if name in query else None
            if column is not None:
                spelled = self._spelled(column, query[name])
                if not spelled:
                    return
                where.append(f"{statement.ROWS}.{column.name} IN ({', '.join('?' * len(spelled))})")
                values += spelled
        if where or self._profile.kinds[kind].window is not None:
            pages = iter([self._selected(kind, " AND ".join(where), values, wanted.bounds)])
        else:
            pages = self._everything(kind)
        for rows, reader in pages:
            for row in filter(wanted.may_fit, rows.rows):
                _, native = self._read(kind, reader, rows, row)
                if not isinstance(native, BadRow) and wanted.fits(native):
                    yield native

    def _everything(self, kind: Kind) -> Iterator[tuple[Rows, RowReader]]:
        """All rows of a kind, a page at a time."""
        key = self._profile.kinds[kind].key
        after: Any = None
        while True:
            rows, reader = self._page(kind, after, self._bounds(kind))
            yield rows, reader
            if len(rows.rows) < self._options.page_size:
                return
            after = rows.rows[-1][_place(rows, key)]

    def _select(self, kind: Kind, asked: str, values: Sequence[Any], *, what: str = "") -> Rows:
        return self._database.read(what or f"the select of {kind}", asked, values)

    def _reader(self, kind: Kind, rows: Rows) -> RowReader:
        try:
            reader = RowReader(kind, self._profile.kinds[kind], rows.names, zone=self._zone)
            for name in filter(None, (self._profile.kinds[kind].key, self._profile.kinds[kind].cursor)):
                _place(rows, name)
        except ValueError as missing:
            raise SchemaChanged(
                f"{self._account}: the select of {kind} has not the columns that the profile names: {missing}"
            ) from None
        self._columns[kind] = rows.columns
        return reader

    def _known_columns(self, kind: Kind) -> tuple[Column, ...]:
        if kind not in self._columns:
            self.describe(kind)
        return self._columns[kind]

    def _read(self, kind: Kind, reader: RowReader, rows: Rows, row: Sequence[Any]) -> tuple[str, Native | BadRow]:
        """The id and the record of a row, or why it makes none."""
        native = record(reader, row)
        if isinstance(native, BadRow):
            return text(row[_place(rows, self._profile.kinds[kind].key)])[:_LONGEST_ID], native
        return native["id"], native

    def _bounds(self, kind: Kind) -> tuple[datetime, ...]:
        """Values of the ``?`` of a select: the window's begin and end, by the site's clock."""
        each = self._profile.kinds[kind]
        if each.window is None:
            return ()
        today = self._clock.now().astimezone(ZoneInfo(self._zone)).replace(tzinfo=None)
        midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
        begin = midnight - timedelta(days=each.window.back_days, seconds=1)
        return self._repeated(each, (begin, midnight + timedelta(days=each.window.ahead_days + 1)))

    @staticmethod
    def _repeated(each: KindProfile, bounds: tuple[datetime, datetime]) -> tuple[datetime, ...]:
        return bounds * (statement.marks(each.select) // 2)

    def _column(self, kind: Kind, name: str) -> Column | None:
        """The column by which records of a field can be asked for; None where only a comparison here can tell."""
        rule = self._profile.rule(kind, name)
        if rule is None or not rule.column:
            return None
        wanted = {each.casefold() for each in rule.column}
        found = next((each for each in self._known_columns(kind) if each.name.casefold() in wanted), None)
        return found if found is not None and statement.plain_name(found.name) else None

    def _spellings(self, kind: Kind, id_: str) -> list[Any]:
        return self._spelled(self._key_column(kind), id_)

    def _typed(self, kind: Kind, key: Any) -> Any:
        """A key as the database compares it: a mark keeps it as text."""
        if not isinstance(key, str):
            return key
        return next(iter(self._spelled(self._key_column(kind), key, both=False)), key)

    def _key_column(self, kind: Kind) -> Column:
        key = self._profile.kinds[kind].key.casefold()
        return next(each for each in self._known_columns(kind) if each.name.casefold() == key)

    @staticmethod
    def _spelled(column: Column, id_: str, *, both: bool = True) -> list[Any]:
        """The values that an id may be in a column; none where it can be in no row."""
        if column.type is int or column.type is Decimal or column.type is float:
            try:
                number = Decimal(id_)
            except InvalidOperation:
                return []
            whole = number.is_finite() and abs(number) < 10**18 and number == number.to_integral_value()
            return [int(number)] if whole else []
        if both and _GUID.fullmatch(id_):
            return [id_.upper(), id_.lower()]
        return [id_]

    # -- what is not done

    def _known(self, kind: Kind) -> None:
        if kind not in self._profile.kinds:
            raise self._unsupported(f"reading {kind}")

    def _declared(self, kind: Kind, operation: Operation) -> None:
        can = self._capabilities.of(kind)
        allowed = {
            Operation.CREATE: can.create is not None,
            Operation.UPDATE: bool(can.update),
            Operation.CANCEL: can.cancel,
            Operation.RECALL: bool(can.handed),
        }
        if not allowed.get(operation, False):
            raise self._unsupported(f"{operation} of {kind}")

    def _unsupported(self, what: str) -> Refused:
        return Refused(f"{self._account}: {what} is not supported", code="not-supported")

    def _require_awake(self) -> None:
        left = self.quiet_for()
        if left > 0:
            raise RateLimited(
                f"{self._account}: quiet hours: the database is left alone for {left / 60:.0f} min",
                wait=left,
                budget=QUIET,
            )


def text(value: Any) -> str:
    """A cell of an id or a code as text, as rows are read."""
    value = _cell(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float | Decimal) and value == value and value == int(value):  # noqa: PLR0124 - no number
        return str(int(value))
    return str(value).strip()


def record(reader: RowReader, row: Sequence[Any]) -> Native | BadRow:
    """The record of a row, or why it makes none."""
    try:
        return reader.native([_cell(value) for value in row])
    except BadRow as bad:
        return bad


def _cell(value: Any) -> Any:
    """A value as rows are read: GUIDs in capitals, as engines differ in how they show them."""
    if isinstance(value, str) and len(value) in (36, 38) and (found := _GUID.fullmatch(value)):
        return found[1].upper()
    if type(value).__name__ == "UUID":
        return str(value).upper()
    return value


def _place(rows: Rows, name: str) -> int:
    """Where a column stands, whatever its case. Raises ``ValueError``."""
    for place, column in enumerate(rows.columns):
        if column.name.casefold() == name.casefold():
            return place
    raise ValueError(f"no column is called {name}")


def _time(newest: str) -> datetime | None:
    try:
        return datetime.fromisoformat(newest).replace(tzinfo=None) if newest else None
    except ValueError:
        return None
