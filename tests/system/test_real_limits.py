"""A morning at the vendors' real limits: VetBridge paces itself, and all comes out right."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.test_daemon import daemon, vetbridge
from tests.system.town import HOOK_SECRET, Town, town, until
from vetbridge.testing.clinic import Owner
from vetbridge.testing.simkit import Limit, Request, Response, Simulator
from vetbridge.testing.simkit.limits import Limits

LONGEST = 180.0
"""Seconds in which all must have come out right."""

MOST_REFUSALS = 3
"""429s that may happen: the vendor's window and ours do not begin at the same moment."""

KNOWN, NEW = 6, 5


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path, clients=100, limits="real") as made:
        _count_people_apart(made.booking)
        yield made


@pytest.fixture
def refusals(place: Town, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each simulator answered 429."""
    counts: Counter[str] = Counter()

    def counted(simulator: Simulator) -> Callable[[float, Limit | None], Response]:
        refuse = simulator.too_many

        def too_many(wait: float, limit: Limit | None) -> Response:
            counts[f"{simulator.vendor} {limit.name if limit else ''}"] += 1
            return refuse(wait, limit)

        return too_many

    for simulator in (place.booking, place.pims):
        monkeypatch.setattr(simulator, "too_many", counted(simulator))
    return counts


@pytest.mark.slow
def test_a_morning_at_real_limits(place: Town, refusals: Counter[str]) -> None:
    place.write_config(
        timings={"request_timeout": 10, "pims_refresh": 60},
        accounts={"altegio": {"poll": 5, "limit_scale": 1.0}, "ezyvet": {"limit_scale": 1.0}},
    )
    owners: dict[int, Owner] = {}
    new: dict[int, str] = {}
    with daemon(place) as running:
        door = running.ready()
        place.altegio(
            "POST",
            "/hooks_settings/{location}",
            {"urls": [f"{door}/hooks/altegio/{HOOK_SECRET}"], "active": 1, "record": 1, "client": 1},
        )
        for number in range(KNOWN):
            owner = place.plain_owner(number)
            start = place.slot()
            place.book_owner(owner, start=start)
            owners[int(start.timestamp())] = owner
        for number in range(NEW):
            start = place.slot()
            place.book(fullname=NAMES[number], phone=_phone(number), pet=PETS[number], species="cat", start=start)
            new[int(start.timestamp())] = _phone(number)
        # One new owner books twice, one owner moves, another cancels.
        start = place.slot()
        place.book(fullname=NAMES[0], phone=_phone(0), pet=PETS[0], species="cat", start=start)
        new[int(start.timestamp())] = _phone(0)
        moved, _hash = place.book_owner(place.plain_owner(KNOWN))
        moved_to = place.slot()
        place.move(moved, moved_to)
        owners[int(moved_to.timestamp())] = place.plain_owner(KNOWN)
        cancelled, its_hash = place.book_owner(place.plain_owner(KNOWN + 1))
        place.cancel(cancelled, its_hash)

        def right() -> bool:
            standing = {visit["start_at"]: visit for visit in place.visits(active=True)}
            return set(standing) == {*owners, *new}

        until(right, "every booking to stand in the PIMS at its time", LONGEST)
        until(lambda: _quiet(place), "VetBridge to be quiet", LONGEST)
        assert running.stop() == 0

    standing = {visit["start_at"]: visit for visit in place.visits(active=True)}
    assert len(place.visits(active=True)) == len(standing)
    assert {start: standing[start]["contact_id"] for start in owners} == {
        start: place.contact_id(owner) for start, owner in owners.items()
    }
    made = {start: standing[start]["contact_id"] for start in new}
    assert len(set(made.values())) == NEW
    assert all(_phone_of(place, made[start]) == phone for start, phone in new.items())
    assert sum(refusals.values()) <= MOST_REFUSALS, refusals


NAMES = ("Zdenka Brandnova", "Quentin Oxley", "Ursula Fjord", "Ivo Whitcombe", "Xenia Mbeki")
PETS = ("Quirin", "Zorro", "Vesper", "Yoyo", "Ukulele")


def _phone(number: int) -> str:
    return f"+44791234567{number}"


def _phone_of(place: Town, contact: int) -> str:
    details = place.pims.store.find("contactdetail", contact_id=contact)
    return next(str(row["value"]) for row in details if "@" not in row["value"])


def _quiet(place: Town) -> bool:
    code, said, _talk = vetbridge(place, "status", "--json")
    assert code == 0
    (site,) = said["data"]["sites"]
    counts = {state: each["count"] for state, each in site["changes"].items()}
    assert counts["failed"] == 0
    return bool(counts["received"] == counts["waiting"] == 0)


def _count_people_apart(booking: Simulator) -> None:
    """The vendor counts by address, and each person who books or sets up webhooks has another one than VetBridge."""
    people = itertools.count(1)

    def address(request: Request) -> str:
        own = any(path in request.path for path in ("/book_record/", "/user/records/", "/hooks_settings/"))
        return f"person {next(people)}" if own else "VetBridge"

    limits = [Limit(limit.name, limit.calls, limit.seconds, per=address) for limit in booking.limits_real]
    booking.limits = Limits(limits, "real", booking.clock)
