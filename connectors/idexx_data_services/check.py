"""What is looked at before VetBridge is let loose on a service: the metadata, and one page of each entity set."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from connectors.idexx_data_services.door import Door
from connectors.idexx_data_services.options import IdexxOptions
from connectors.idexx_data_services.profile import IdexxProfile, SetKind
from connectors.idexx_data_services.records import Records
from vetbridge.connector import csdl
from vetbridge.connector.csdl import EntitySet
from vetbridge.connector.interface import Check, CheckReport
from vetbridge.connector.odata import Query
from vetbridge.connector.rows import BadRow
from vetbridge.core.errors import AuthFailed, VetBridgeError
from vetbridge.core.records import Kind

LOOKED_AT = 20
"""Rows of a set that are looked at."""


def check(
    door: Door, options: IdexxOptions, sets: Mapping[Kind, SetKind], records: Mapping[Kind, Records]
) -> CheckReport:
    """Credentials, metadata and rows. What the credentials do not open ends it."""
    site = options.site
    lines: list[Check] = []
    try:
        lines += _described(door, site)
    except AuthFailed as error:
        return CheckReport(lines=(_wrong("credentials", error),))
    except VetBridgeError as error:
        advice = "nothing is wrong if IDEXX shows none; else name its place in the option odata_path"
        lines.append(Check(name="metadata", ok=False, warning=True, text=error.message, advice=advice))
    if site is None:
        advice = "vetbridge odata discover drafts one; name it in the option profile"
        lines.append(Check(name="profile", ok=False, text="the account has no profile yet", advice=advice))
        return CheckReport(lines=tuple(lines))
    lines.insert(0, Check(name="profile", ok=True, text=f"{site.title}: {site.proven}"))
    for kind, rules in sets.items():
        try:
            lines += _rows(door, kind, rules, records[kind])
        except VetBridgeError as error:
            lines.append(_wrong(f"set {rules.entity}", error))
            if isinstance(error, AuthFailed):
                break
    lines.append(_writes(options, site))
    return CheckReport(lines=tuple(lines))


def _wrong(name: str, error: VetBridgeError) -> Check:
    return Check(name=name, ok=False, text=error.message, advice=error.advice())


def _described(door: Door, site: IdexxProfile | None) -> Iterator[Check]:
    """What the service says of itself, beside what the profile names."""
    found = {each.name: each for each in csdl.read(door.metadata(), "$metadata")}
    count = f"{len(found)} entity sets"
    missing = [] if site is None else [words for rules in site.sets.values() for words in _lacks(found, rules)]
    if site is not None:
        missing += [f"no set {codes.entity}" for codes in site.codes.values() if codes.entity not in found]
    if missing:
        advice = "mend these names in the profile; vetbridge odata discover lists what there is"
        text = f"{count}; the profile names what is not there: {'; '.join(missing[:8])}"
        yield Check(name="metadata", ok=False, text=text, advice=advice)
        return
    yield Check(name="metadata", ok=True, text=count)


def _lacks(found: Mapping[str, EntitySet], rules: SetKind) -> Iterator[str]:
    if rules.entity not in found:
        yield f"no set {rules.entity}{_nearest(rules.entity, found)}"
        return
    known = {each.path for each in found[rules.entity].properties}
    # What is expanded belongs to other sets.
    expanded = tuple(f"{each}/" for each in rules.expand)
    for path in dict.fromkeys(rules.named):
        if path not in known and not path.startswith(expanded):
            yield f"{rules.entity} has no {path}{_nearest(path, known)}"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _rows(door: Door, kind: Kind, rules: SetKind, records: Records) -> Iterator[Check]:
    name = f"set {rules.entity}"
    query = Query(path=f"{door.service}/{rules.entity}", expand=rules.expand, top=rules.page, counts=False)
    rows = door.lists.page(query).rows
    looked = rows[:LOOKED_AT]
    lacking = sorted({path for row in looked for path in records.missing(row)})
    if lacking:
        advice = "mend these properties in the profile, or mark the fields optional"
        yield Check(name=name, ok=False, text=f"rows of {kind} have no {', '.join(lacking)}", advice=advice)
        return
    wrong: dict[str, int] = {}
    for row in looked:
        try:
            records.native(row)
        except (BadRow, ValueError) as error:
            wrong[str(error)] = wrong.get(str(error), 0) + 1
    if wrong:
        words = "; ".join(f"{words} ({times} of {len(looked)})" for words, times in sorted(wrong.items())[:5])
        is_some = sum(wrong.values()) < len(looked)
        advice = "mend these fields in the profile, or the records"
        yield Check(name=name, ok=False, warning=is_some, text=f"{kind}: {words}", advice=advice)
        return
    if not rows and kind in (Kind.CLIENT, Kind.PET):
        text = f"no {kind} came, so the properties of the profile are not proven"
        yield Check(name=name, ok=False, warning=True, text=text, advice="look whether the site is connected")
        return
    yield Check(name=name, ok=True, text=f"{kind}: {len(rows)} on the first page")


def _writes(options: IdexxOptions, site: IdexxProfile) -> Check:
    if not options.by_api:
        return Check(name="writes", ok=True, text="people type them, by the work list")
    known = {"visits": site.writes.appointment, "documents": site.writes.attachment, "log": site.writes.log}
    named = [name for name, sent in known.items() if sent is not None]
    return Check(name="writes", ok=True, text=f"{', '.join(named) or 'none'}; not tried, as that would write")
