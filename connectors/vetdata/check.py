"""What is looked at before VetBridge is let loose on a feed: who asks, which practice it shows, what rows hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from connectors.vetdata import wire
from connectors.vetdata.door import DATA, Door
from connectors.vetdata.options import VetDataOptions
from connectors.vetdata.wire import CLIENTS, PATIENTS, RELATIONSHIPS, TRANSACTIONS, V3, Keys
from vetbridge.connector.interface import Check, CheckReport, Native
from vetbridge.connector.odata import Opened, Query
from vetbridge.core import normalise
from vetbridge.core.errors import AuthFailed, Refused, VetBridgeError

LOOKED_AT = 20
"""Rows of a list that are looked at."""
SHOWN = 5
"""More installations are counted only."""


def check(door: Door, options: VetDataOptions, by: Keys, codes: Callable[[], frozenset[str]]) -> CheckReport:
    """Credentials, installation, and each entity that VetBridge reads. Wrong credentials end it."""
    lines: list[Check] = []
    looks: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("installation", partial(_installation, door, options)),
        (f"read {CLIENTS}", partial(_clients, door, options, by)),
        (f"read {PATIENTS}", partial(_patients, door, by)),
        (f"read {RELATIONSHIPS}", partial(_relationships, door, by)),
    ]
    if options.has_vaccines:
        looks.append(("vaccines", partial(_vaccines, door, by, codes)))
    for name, look in looks:
        try:
            lines += look()
        except AuthFailed as error:
            lines.append(_wrong(name, error))
            break
        except VetBridgeError as error:
            lines.append(_wrong(name, error))
    return CheckReport(lines=tuple(lines))


def _wrong(name: str, error: VetBridgeError) -> Check:
    return Check(name=name, ok=False, text=error.message, advice=error.advice())


def _installation(door: Door, options: VetDataOptions) -> Iterator[Check]:
    listed = [each for each in door.installations() if isinstance(each, dict)]
    mine = [each for each in listed if str(each.get("InstallationId")).lower() == options.installation]
    if mine:
        named = ", ".join(filter(None, (_shown(mine[0], name) for name in ("PMS", "PracticeName"))))
        yield Check(name="installation", ok=True, text=named or "the account shows it")
        return
    others = [f"{_shown(each, 'InstallationId')} ({_shown(each, 'PMS')})" for each in listed[:SHOWN]]
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    yield Check(
        name="installation",
        ok=False,
        text=f"the account does not show it; it shows {', '.join(others) or 'none'}{more}",
        advice="correct the option installation, or ask Covetrus to let the account see this practice",
    )


def _shown(row: Native, name: str) -> str:
    told = row.get(name)
    return normalise.shown(told, 60) if isinstance(told, str) else ""


def _first(door: Door, entity: str, where: str = "", expand: tuple[str, ...] = ()) -> Opened:
    return door.lists.page(Query(path=f"{DATA}/{entity}", where=where, order="Id", expand=expand, top=LOOKED_AT))


def _clients(door: Door, options: VetDataOptions, by: Keys) -> Iterator[Check]:
    name = f"read {CLIENTS}"
    expand = ("Phones", "Emails") if options.expand else ()
    try:
        page = _first(door, CLIENTS, expand=expand)
    except Refused:
        if not expand:
            raise
        _first(door, CLIENTS)
        yield Check(
            name=name,
            ok=False,
            text="the feed refuses to show phones and mail addresses with their clients",
            advice="ask Covetrus why; with expand: false owners are known by their names alone",
        )
        return
    yield from _keyed(name, page, by, (by.own,))
    yield from _read(name, page, lambda row: wire.client(row, by, expanded=options.expand))
    if not options.expand:
        text = "no phones and no mail addresses are read: owners are matched by their names alone"
        yield Check(name="contacts", ok=False, warning=True, text=text, advice="set expand: true and look again")


def _patients(door: Door, by: Keys) -> Iterator[Check]:
    name = f"read {PATIENTS}"
    page = _first(door, PATIENTS)
    yield from _keyed(name, page, by, (by.own,))
    yield from _read(name, page, lambda row: wire.patient(row, (), by))


def _relationships(door: Door, by: Keys) -> Iterator[Check]:
    name = f"read {RELATIONSHIPS}"
    page = _first(door, RELATIONSHIPS)
    yield from _keyed(name, page, by, (by.client, by.patient))
    types = sorted({_shown(row, "Type") for row in page.rows} - {""})
    if types:
        yield Check(name="owner types", ok=True, text=f"relationships are of type {', '.join(types)}")


def _vaccines(door: Door, by: Keys, codes: Callable[[], frozenset[str]]) -> Iterator[Check]:
    known = sorted(codes())
    page = _first(door, TRANSACTIONS, V3.one_of("Code", known))
    text = f"{len(known)} codes, {_count(page)}"
    if page.rows:
        yield from _keyed("vaccines", page, by, ("Id", by.patient))
        yield Check(name="vaccines", ok=True, text=text)
        return
    advice = "compare the option vaccines with the codes that the practice bills vaccines by"
    yield Check(name="vaccines", ok=False, warning=True, text=text, advice=advice)


def _keyed(name: str, page: Opened, by: Keys, fields: tuple[str, ...]) -> Iterator[Check]:
    """Whether rows bear the numbers by which they are known, in the form in which filters have them."""
    for field in fields:
        told = [row.get(field) for row in page.rows]
        lacking = len([row for row in page.rows if wire.key(row, field) is None])
        if lacking:
            yield Check(
                name=name,
                ok=False,
                warning=lacking < len(told),
                text=f"{lacking} of {len(told)} rows have no {field}, and are left out",
                advice="where the practice system has no numbers of its own in the feed, set keys: feed",
            )
        odd = len([each for row in page.rows if (each := wire.key(row, field)) and wire.literal(each) is None])
        if odd and (by.is_number is None or field == "Id"):
            text = f"{odd} of {len(told)} rows have a {field} that is neither a number nor a GUID"
            advice = "set keys: pms, and tell VetBridge's makers what form it has"
            yield Check(name=name, ok=False, text=text, advice=advice)
        if by.is_number is not None and field != "Id" and any(map(partial(_is_otherwise, by.is_number), told)):
            wanted = "false" if by.is_number else "true"
            text = f"{field} is {'text' if by.is_number else 'a number'} in the feed's answers"
            yield Check(name=name, ok=False, text=text, advice=f"set numeric_keys: {wanted}")


def _is_otherwise(is_number: bool, told: Any) -> bool:
    return isinstance(told, str if is_number else int) and not isinstance(told, bool)


def _read(name: str, page: Opened, made: Callable[[Native], Native]) -> Iterator[Check]:
    wrong: dict[str, int] = {}
    for row in page.rows:
        try:
            made(row)
        except wire.Unreadable as error:
            wrong[str(error)] = wrong.get(str(error), 0) + 1
    if wrong:
        told = "; ".join(f"{words} ({times} of {len(page.rows)})" for words, times in sorted(wrong.items())[:SHOWN])
        advice = "send this line to VetBridge's makers: the feed shows another form than its clients knew"
        is_some = sum(wrong.values()) < len(page.rows)
        yield Check(name=name, ok=False, warning=is_some, text=f"{_count(page)}; {told}", advice=advice)
        return
    if not page.rows:
        text = "no row came, so their form is not proven"
        yield Check(
            name=name, ok=False, warning=True, text=text, advice="look again once the feed shows the practice"
        )
        return
    yield Check(name=name, ok=True, text=_count(page))


def _count(page: Opened) -> str:
    return f"{page.total} in the feed" if page.total is not None else f"{len(page.rows)} on the first page"
