"""Whatever a feed answers, `vetdata` gives a result or a named error that names nobody: never a crash or a hang."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.vetdata.connector import VetData
from connectors.vetdata.options import VetDataOptions
from tests.unit.connectors.test_vetdata_wire import CLIENT, PET, SHOT
from vetbridge.connector.http import Answer
from vetbridge.connector.interface import Native
from vetbridge.connector.odata import Dialect, Lists
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import MappingError, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

PERSON = "Zebedee Quux"
MOST_REQUESTS = 60
DATES = {"APICreateDate": "2026-11-22T00:00:00", "APILastChangeDate": None, "APIRemovedDate": None}
OWNER = {"ClientPmsId": "1007", "PatientPmsId": "5", "IsPrimary": True, "Percentage": 50.0, "EndDate": None}
ROWS: Mapping[str, Native] = {
    "Clients": {**CLIENT, **DATES},
    "Patients": {"Id": 1, **PET, **DATES},
    "ClientPatientRelationships": {"Id": 2, **OWNER, **DATES},
    "Transactions": {**SHOT, **DATES},
}
DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]
ODD = [
    None, True, "", " ", 0, "1007", 12.5, -1, 1e300, 10**400, [], [12], {}, {"Id": 12}, "\ud800", "\x1b[2J\x00",
    "x" * 5000, "2026-02-30", PERSON, "2026-06-15T09:00:00+01:00", "0001-01-01T00:00:00+14:00", DEEP,
]  # fmt: skip
JUNK = st.sampled_from(ODD) | st.dictionaries(
    st.sampled_from(["Number", "Address", "IsPrimary"]), st.sampled_from(ODD)
)
CHANGE = st.dictionaries(st.sampled_from([*CLIENT, *PET, *OWNER, *SHOT, *DATES]), JUNK | st.lists(JUNK), max_size=3)
EXAMPLE = st.fixed_dictionaries(
    {
        "rows": st.lists(CHANGE, max_size=3),
        "more": st.dictionaries(st.sampled_from(["value", "odata.count", "odata.nextLink"]), JUNK, max_size=1),
        "whole": st.just(...) | JUNK,
    }
)
CODES = {"species": {"dog": "CANINE"}, "sex": {"male_neutered": "N"}}
MAPPER = Mapper(load_table("vetdata"), zone="Europe/London", country="GB", codes=CODES)


class Liar:
    """Answers with what one example makes of a good answer, and forgets what it was asked for."""

    def __init__(self, example: Mapping[str, Any]) -> None:
        self.example = example
        self.asked = 0

    def __call__(self, path: str, query: Mapping[str, str], *, patience: float = 0.0) -> Answer:
        self.asked += 1
        if self.asked > MOST_REQUESTS:
            raise AssertionError("it asks on and on")
        row = ROWS.get(path.rpartition("/")[2], {})
        rows = [{**row, "Id": number, **change} for number, change in enumerate(self.example["rows"], 1)]
        body = {"odata.count": len(rows), "value": rows, **self.example["more"]}
        return Answer(200, {}, body if self.example["whole"] is ... else self.example["whole"])


def account(read: Liar) -> VetData:
    options = VetDataOptions(
        installation="12345678-90ab-cdef-1234-567890abcdef",
        username="u",
        password=Secret.of("p"),
        client_id="c",
        vaccines={"codes": ["RAB"]},
    )
    made = VetData(options, Environment(account="feed", zone="Europe/London", clock=FakeClock()))
    made._lists = Lists(read, dialect=Dialect.V3, base_url=options.base_url, account="feed")
    return made


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(example=EXAMPLE, since=st.sampled_from([None, "", "{}"]))
def test_whatever_a_feed_answers_is_a_result_or_a_named_error(example: Mapping[str, Any], since: str | None) -> None:
    def walk(kind: Kind, feed: VetData) -> None:
        cursor = since
        for _ in range(2):
            for page in feed.changes(kind, cursor):
                cursor = page.cursor
                for found in page.records:
                    with suppress(MappingError):
                        MAPPER.read(kind, found.native or {})

    kinds = (Kind.CLIENT, Kind.PET, Kind.VACCINATION)
    does: list[Callable[[VetData], object]] = [
        *(partial(walk, kind) for kind in kinds),
        lambda feed: [feed.get(kind, "1007") for kind in kinds[:2]],
        lambda feed: feed.get(Kind.VACCINATION, "1"),
        lambda feed: list(feed.search(Kind.PET, {"client_id": "1007"})),
        lambda feed: feed.code_lists(),
    ]
    told: list[str] = []
    for do in does:
        feed = account(Liar(example))
        try:
            do(feed)
        except VetBridgeError as error:
            told.append(f"{error} {error!r}")
        finally:
            feed.close()
    assert not [each for each in told if PERSON in each]
