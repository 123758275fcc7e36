"""What is looked at before VetBridge is let loose on a database: driver, login, selects, rows, code lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from connectors.sql.options import Dialect, SqlOptions
from connectors.sql.profile import Mode, SqlProfile
from vetbridge.connector.interface import Check, CheckReport
from vetbridge.core import normalise
from vetbridge.core.errors import VetBridgeError
from vetbridge.core.records import Kind

if TYPE_CHECKING:
    from connectors.sql.connector import Sql

ASSERTED = (Dialect.SQLITE, Dialect.POSTGRESQL)
"""Engines whose sessions can be asked whether they only read."""


def check(sql: Sql, profile: SqlProfile, options: SqlOptions) -> CheckReport:
    """Reads a few rows of each kind and writes nothing. In quiet hours nothing is asked."""
    left = sql.quiet_for()
    if left > 0:
        text = f"quiet hours: the database is left alone for another {left / 60:.0f} min"
        line = Check(name="database", ok=False, warning=True, text=text, advice="run it again after them")
        return CheckReport(lines=(line,))
    try:
        told = normalise.shown(sql.database.information(), 60)
    except VetBridgeError as error:
        return CheckReport(lines=(_wrong("database", error),))
    lines = [Check(name="database", ok=True, text=f"{told} answers"), _reading(options)]
    for kind in profile.kinds:
        lines += _kind(sql, profile, kind)
    lines += _codes(sql, profile)
    lines += _writes(profile)
    return CheckReport(lines=tuple(lines))


def _wrong(name: str, error: VetBridgeError, *, warning: bool = False) -> Check:
    return Check(name=name, ok=False, warning=warning, text=error.message, advice=error.advice())


def _reading(options: SqlOptions) -> Check:
    name = "read only"
    if options.dialect in ASSERTED:
        return Check(name=name, ok=True, text="the session says that it only reads")
    text = (
        "this engine's sessions cannot be asked; every read is rolled back, and the login's rights must do the rest"
    )
    advice = "use a login that has SELECT on the site's own views and nothing else"
    return Check(name=name, ok=False, warning=True, text=text, advice=advice)


def _kind(sql: Sql, profile: SqlProfile, kind: Kind) -> Iterator[Check]:
    name = f"select of {kind}"
    try:
        columns, _ = sql.describe(kind)
        rows = sql.count(kind)
        looked, bad = sql.sample(kind)
    except VetBridgeError as error:
        yield _wrong(name, error)
        return
    least = profile.least(kind)
    if rows < least:
        text = f"{rows} rows, and guards.least demands {least}: nothing is read"
        advice = "look whether the select and its window are right, and the login may see the rows; else lower least"
        yield Check(name=name, ok=False, text=text, advice=advice)
        return
    text = f"{rows} rows of {len(columns.columns)} columns"
    if not bad:
        yield Check(name=name, ok=True, text=text)
        return
    reason, _ = max(bad.items(), key=lambda each: each[1])
    text += f"; of the first {looked}, {sum(bad.values())} make no record, most of them for {reason}"
    advice = "mend the rule of that column in the profile, or the record"
    yield Check(name=name, ok=False, warning=sum(bad.values()) < looked, text=text, advice=advice)


def _codes(sql: Sql, profile: SqlProfile) -> Iterator[Check]:
    for name in sorted(profile.codes):
        try:
            codes = sql.code_list(name)
        except VetBridgeError as error:
            yield _wrong(f"codes {name}", error, warning=True)
            continue
        yield Check(name=f"codes {name}", ok=True, text=f"{len(codes)} codes")


def _writes(profile: SqlProfile) -> Iterator[Check]:
    if Kind.APPOINTMENT not in profile.kinds:
        return
    words = {
        Mode.OFF: "not done",
        Mode.WORKLIST: "typed by a person",
        Mode.PROCEDURE: "by the site's procedure; not tried, as that would write",
        Mode.TEMPLATE: "by the site's statement; not tried, as that would write",
    }
    writes = profile.writes.appointment
    parts = [f"{name} {words[getattr(writes, name).mode]}" for name in ("create", "update", "cancel")]
    yield Check(name="writes", ok=True, text="; ".join(parts))
