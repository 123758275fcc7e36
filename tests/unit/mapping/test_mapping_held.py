"""What a native record holds at the paths that a table reads."""

from __future__ import annotations

from typing import Any

import pytest

from vetbridge.core.records import Kind
from vetbridge.mapping import Held, Mapper, load_table

VISIT: dict[str, Any] = {
    "id": "a1",
    "start": "2027-03-01T10:00:00+00:00",
    "seconds": 900,
    "state": "booked",
    "type": "no such code",
    "booker": {"given": "Ann"},
    "cancelled": None,
    "notes": "",
    "who": " ",
}


@pytest.fixture
def mapper() -> Mapper:
    return Mapper(load_table("memory"), zone="Europe/London", country="GB")


def test_the_paths_that_are_read_and_which_a_record_needs(mapper: Mapper) -> None:
    paths = mapper.paths(Kind.APPOINTMENT)
    assert {path for path, needed in paths.items() if needed} == {"start", "seconds", "state"}
    assert {"booker.given", "cancelled.by", "ref"} <= paths.keys()


@pytest.mark.parametrize(
    ("path", "change", "held"),
    [
        ("start", {}, Held.FILLED),
        ("type", {}, Held.FILLED),
        ("booker.given", {}, Held.FILLED),
        ("notes", {}, Held.EMPTY),
        ("booker.phones", {"booker": {"phones": []}}, Held.EMPTY),
        ("who", {}, Held.EMPTY),
        ("cancelled.by", {}, Held.EMPTY),
        ("booker.phones", {}, Held.ABSENT),
        ("ref", {}, Held.ABSENT),
        ("start", {"start": "soon"}, Held.ODD),
        ("seconds", {"seconds": {"value": 900}}, Held.ODD),
        ("type", {"type": ["1"]}, Held.ODD),
        ("booker.given", {"booker": "Ann"}, Held.ODD),
    ],
)
def test_what_a_path_holds(mapper: Mapper, path: str, change: dict[str, Any], held: Held) -> None:
    assert mapper.held(Kind.APPOINTMENT, {**VISIT, **change}, path) is held
