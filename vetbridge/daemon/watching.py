"""Looks whether anything is wrong, and lets it be told: once when it begins, and once when it is over."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog

from vetbridge.core.conditions import Code, Condition, Scope
from vetbridge.core.errors import LedgerError
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.channels import Channel, named
from vetbridge.desk import alerts
from vetbridge.desk.conditions import standing
from vetbridge.ledger import episodes, events, reports
from vetbridge.ledger.database import LEDGER_BUSY, Transaction
from vetbridge.ledger.events import ALERT_CLEARED, ALERT_DIGEST, ALERT_RAISED, REVIEW_SOON, Happening, Message
from vetbridge.ledger.tables import Episode

OVER_AFTER = 60.0
"""Seconds for which a condition is not found, at two looks at least, before it counts as over: what comes and goes is
one episode."""
EXACT = frozenset({Code.QUESTION_SOON})
"""What is over as soon as it is not found."""
BUSY_FOR = 25.0
"""Seconds for which the ledger takes no transaction before that is told: two looks, so that a passing lock is not."""
LATE = 300.0
"""Seconds since the last look that came to its end after which looking itself counts as stuck."""
MOST_IN_DIGEST = 500
"""So many conditions are written out in one digest; it counts all."""
STOPS_THE_BEAT = frozenset({Code.ROUNDS_STUCK, Code.LEDGER_BUSY, Code.DISK_FULL})
"""What VetBridge cannot work with: the heartbeat is withheld."""

log = structlog.get_logger("vetbridge.daemon")


class Sensing(Protocol):
    """What sees conditions that the ledger does not know of: ``vetbridge.daemon.machine.Machine``."""

    def conditions(self) -> tuple[Condition, ...]:
        """What is wrong now."""
        ...


class Senses:
    """Several as one; those that are None see nothing."""

    def __init__(self, *senses: Sensing | None) -> None:
        self._senses = [each for each in senses if each is not None]

    def conditions(self) -> tuple[Condition, ...]:
        """What any of them sees."""
        return tuple(found for each in self._senses for found in each.conditions())


class Watching:
    """The watch over one running program."""

    def __init__(self, program: Program, channels: Mapping[str, Channel], *, machine: Sensing) -> None:
        self._program = program
        self._config = program.loaded.config
        self._clock = program.clock
        self._machine = machine
        self._tells = {name: channel.tells for name, channel in channels.items()}
        self._types = frozenset[str]().union(*self._tells.values())
        self._missed: dict[str, tuple[int, float]] = {}
        """Open episodes whose condition was not found: at how many looks in a row, and from when on (steady)."""
        self._past_ledger = _PastLedger(program, channels)
        self._stops: frozenset[Code] = frozenset()
        self._looked_at = self._clock.steady()

    def look(self) -> None:
        """One look: episodes begin and end, and what is to be told is written down to be delivered.

        Where the ledger takes nothing, or looks fall over again and again, that itself is told, past the ledger.
        """
        try:
            sensed = self._machine.conditions()
            self._stops = STOPS_THE_BEAT & {each.code for each in sensed}
            self._note(sensed)
            self._looked_at = self._clock.steady()
        except LedgerError as error:
            if error.code != LEDGER_BUSY:
                raise
            self._program.ledger.probe()  # what could not be read has left no trace yet
        finally:
            self._past_ledger.look(self._looked_at)

    @property
    def is_well(self) -> bool:
        """VetBridge works: its rounds end, it looks after itself, and its ledger took transactions of late."""
        return (
            not self._stops and self._program.ledger.trouble is None and self._clock.steady() - self._looked_at < LATE
        )

    def _note(self, sensed: Iterable[Condition]) -> None:
        ledger = self._program.ledger
        with ledger.read() as tx:
            conditions = (*standing(reports.glance(tx), self._config), *sensed)
            # Of a ledger that takes nothing nothing can be noted in it.
            found = {each.key: each for each in conditions if each.code is not Code.LEDGER_BUSY}
            over = self._over(episodes.standing(tx), found)
            is_due = episodes.is_due(tx, found.values(), over) or self._digest(tx, found) is not None
        if not is_due:
            return
        with ledger.write() as tx:
            updated = episodes.update(tx, found.values(), over)
            happenings = [*self._begun(tx, updated.raised), *self._ended(tx, updated.cleared), *self._soon(tx, found)]
            digest = self._digest(tx, found)
            if digest is not None:
                happenings.append(digest)
            events.tell(tx, [each for each in happenings if each.type in self._types], self._tells)
        for row in updated.raised:
            log.warning(
                "condition.began", code=row.code, scope=row.scope, name=row.name, kind=row.kind, episode=row.id
            )
        for row in updated.cleared:
            log.info("condition.over", code=row.code, scope=row.scope, name=row.name, kind=row.kind, episode=row.id)

    def _over(self, rows: Iterable[Episode], found: Collection[str]) -> set[str]:
        """The keys of open episodes whose condition was not found for long enough."""
        now = self._clock.steady()
        missed = {row.key: self._missed.get(row.key, (0, now)) for row in rows if row.key not in found}
        self._missed = {key: (looks + 1, since) for key, (looks, since) in missed.items()}
        return {
            key
            for key, (looks, since) in self._missed.items()
            if key.partition(":")[0] in EXACT or (looks > 1 and now - since >= OVER_AFTER)
        }

    def _begun(self, tx: Transaction, rows: Iterable[Episode]) -> list[Happening]:
        return [
            Happening(ALERT_RAISED, _key(ALERT_RAISED, row), tx.now, self._told(row))
            for row in rows
            if row.code != Code.QUESTION_SOON
        ]

    def _ended(self, tx: Transaction, rows: Iterable[Episode]) -> list[Happening]:
        cleared_at = events.moment(tx.now)
        return [
            Happening(ALERT_CLEARED, _key(ALERT_CLEARED, row), tx.now, {**self._told(row), "cleared_at": cleared_at})
            for row in rows
            if row.code != Code.QUESTION_SOON
        ]

    def _soon(self, tx: Transaction, found: Mapping[str, Condition]) -> list[Happening]:
        """One for each question and time of its visit: who knows the key knows that it was told."""
        open_rows = {row.key: row for row in episodes.standing(tx)}
        return [
            Happening(
                REVIEW_SOON,
                f"{REVIEW_SOON}:{each.name}:{each.details.get('visit_at', '')}",
                tx.now,
                {"item": int(each.name), **self._told(open_rows[key])},
            )
            for key, each in found.items()
            if each.code is Code.QUESTION_SOON
        ]

    def _digest(self, tx: Transaction, found: Mapping[str, Condition]) -> Happening | None:
        """What is still open, once a day; None where that was told, or nothing was open at its time already."""
        time = self._config.alerts.digest
        if time is None or ALERT_DIGEST not in self._types:
            return None
        due = _last(time, tx.now, ZoneInfo(alerts.zone(self._config)))
        rows = [row for row in episodes.standing(tx) if row.key in found and row.code != Code.QUESTION_SOON]
        key = f"{ALERT_DIGEST}:{due:%Y-%m-%d}"
        if all(row.raised_at >= due for row in rows) or events.is_known(tx, key):
            return None
        told = [self._told(row) for row in rows[:MOST_IN_DIGEST]]
        return Happening(ALERT_DIGEST, key, tx.now, {"count": len(rows), "open": told})

    def _told(self, row: Episode) -> dict[str, object]:
        return alerts.told(episodes.condition(row), self._config, row.id)


class _PastLedger:
    """Tells, without the ledger, that it takes nothing, or that looks fall over: from memory, once, and once that it
    is over."""

    def __init__(self, program: Program, channels: Mapping[str, Channel]) -> None:
        self._program = program
        self._clock = program.clock
        self._channels = channels
        self._condition: Condition | None = None
        self._fine: tuple[int, float] | None = None
        """At how many looks in a row all was well again, and from when on (steady)."""
        self._message: Message | None = None
        """What is told now."""
        self._to_tell: set[str] = set()
        """Channels that have not taken it yet."""

    def look(self, looked_at: float) -> None:
        """One look; what a channel did not take is tried again at the next.

        ``looked_at``: when the last look at everything else came to its end (steady).
        """
        now, trouble = self._clock.steady(), self._program.ledger.trouble
        is_busy = (trouble is not None or self._condition is not None) and not self._program.ledger.probe()
        if is_busy or now - looked_at >= LATE:
            self._fine = None
            if self._condition is None and not is_busy:
                minutes = round((now - looked_at) / 60)
                self._begin(Code.ROUNDS_STUCK, self._clock.now(), rounds="watch:vetbridge", minutes=minutes)
            # The first look that meets it waits for the next one.
            elif self._condition is None and trouble is not None and now - trouble.steady >= BUSY_FOR:
                self._begin(Code.LEDGER_BUSY, trouble.at, why=trouble.message)
        elif self._condition is not None:
            looks, since = self._fine or (0, now)
            self._fine = (looks + 1, since)
            if looks and now - since >= OVER_AFTER:
                self._end(self._condition)
        self._tell()

    def _begin(self, code: Code, since: datetime, **details: str | int | float) -> None:
        self._condition = Condition(code=code, scope=Scope.VETBRIDGE, since=since, details=details)
        log.error("condition.began", code=code, scope=Scope.VETBRIDGE, **details)
        told = alerts.told(self._condition, self._program.loaded.config, None)
        self._say(ALERT_RAISED, told, self._channels)

    def _end(self, over: Condition) -> None:
        with self._program.ledger.write() as tx:
            row = episodes.note_past(tx, over)
            told = alerts.told(over, self._program.loaded.config, row.id)
        log.info("condition.over", code=over.code, scope=over.scope)
        self._condition = self._fine = None
        told["cleared_at"] = events.moment(self._clock.now())
        missed = self._to_tell  # what they never heard of need not be over
        self._say(ALERT_CLEARED, told, [name for name in self._channels if name not in missed])

    def _say(self, type_: str, told: Mapping[str, object], channels: Iterable[str]) -> None:
        happening = Happening(type_, "", self._clock.now(), told)
        self._message = Message(f"evt_{uuid4().hex}", type_, events.content(happening))
        self._to_tell = {name for name in channels if type_ in self._channels[name].tells}

    def _tell(self) -> None:
        for name in sorted(self._to_tell):
            assert self._message is not None  # noqa: S101 - what there is to tell
            try:
                self._channels[name].send([self._message])
            except Exception as error:
                why = named(error)
                log.warning("channel.failing", channel=name, code=why.code, message=why.message)
                continue
            self._to_tell.discard(name)


def _last(time: str, now: datetime, zone: ZoneInfo) -> datetime:
    """When a time of day was last at hand."""
    local = now.astimezone(zone)
    hours, minutes = (int(part) for part in time.split(":"))
    due = datetime(local.year, local.month, local.day, hours, minutes, tzinfo=zone)
    return due if due <= now else due - timedelta(days=1)  # the same time of the day before: by the wall's clock


def _key(type_: str, row: Episode) -> str:
    return f"{type_}:{row.id}:{events.moment(row.raised_at)}"
