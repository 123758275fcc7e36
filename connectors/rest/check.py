"""What is looked at before VetBridge is let loose on an API: one page of each list, and what its records hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.rest.door import Door
from connectors.rest.profile import Codes, Listing, RestProfile
from connectors.rest.records import Records, at, word
from vetbridge.connector.interface import Check, CheckReport
from vetbridge.connector.rows import BadRow
from vetbridge.core.errors import AuthFailed, VetBridgeError
from vetbridge.core.records import Kind

LOOKED_AT = 20
"""Records of a list that are looked at."""


def check(door: Door, profile: RestProfile, records: Mapping[Kind, Records]) -> CheckReport:
    """Credentials, lists and records. The first list that the credentials do not open ends it."""
    lines: list[Check] = [_proven(profile)]
    looks: list[tuple[str, Iterator[Check]]] = [
        *((f"list {kind}", _listed(door, kind, profile.kinds[kind].list, records[kind])) for kind in profile.kinds),
        *((f"codes {name}", _codes(door, name, codes)) for name, codes in profile.codes.items()),
    ]
    for name, look in looks:
        try:
            lines += look
        except AuthFailed as error:
            lines.append(_wrong(name, error))
            break
        except VetBridgeError as error:
            lines.append(_wrong(name, error))
    return CheckReport(lines=tuple(lines))


def _wrong(name: str, error: VetBridgeError) -> Check:
    return Check(name=name, ok=False, text=error.message, advice=error.advice())


def _proven(profile: RestProfile) -> Check:
    return Check(name="profile", ok=True, text=f"{profile.title}: {profile.proven}")


def first_page(door: Door, listing: Listing, records: Records) -> tuple[list[Any], int | None]:
    """The records of a list's first page, and how many it counts."""
    walk = door.walk(listing, {}, records.id)
    page = next(walk)
    return list(page.items), page.total


def _listed(door: Door, kind: Kind, listing: Listing, records: Records) -> Iterator[Check]:
    items, total = first_page(door, listing, records)
    name = f"list {kind}"
    looked = items[:LOOKED_AT]
    lacking = sorted({path for item in looked for path in records.missing(item)})
    if lacking:
        advice = "mend these paths in the profile, or mark the fields optional; vetbridge rest try shows what came"
        yield Check(name=name, ok=False, text=f"records have no {', '.join(lacking)}", advice=advice)
        return
    wrong: dict[str, int] = {}
    for item in looked:
        try:
            records.native(item)
        except (BadRow, ValueError) as error:
            wrong[str(error)] = wrong.get(str(error), 0) + 1
    count = f"{total} at the practice" if total is not None else f"{len(items)} on the first page"
    if wrong:
        words = "; ".join(f"{words} ({times} of {len(looked)})" for words, times in sorted(wrong.items())[:5])
        advice = "mend these fields in the profile; vetbridge rest try shows what came"
        yield Check(
            name=name, ok=False, warning=sum(wrong.values()) < len(looked), text=f"{count}; {words}", advice=advice
        )
        return
    if not items:
        text = "no record came, so the fields of the profile are not proven"
        yield Check(name=name, ok=False, warning=True, text=text, advice="look again once the practice has one")
        return
    yield Check(name=name, ok=True, text=count)


def _codes(door: Door, name: str, codes: Codes) -> Iterator[Check]:
    items = door.rows(codes, {}, lambda item: word(at(item, codes.code)))
    advice = "" if items else "enter the codes in the config by hand"
    yield Check(name=f"codes {name}", ok=bool(items), warning=not items, text=f"{len(items)} codes", advice=advice)
