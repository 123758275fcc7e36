"""Whatever a feed answers, `vetdata` gives a result or a named error that names nobody: never a crash or a hang."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.vetdata.connector import VetData
from connectors.vetdata.options import VetDataOptions
from tests.unit.connectors.odd_answers import Liar, changes, junk, told, walk
from tests.unit.connectors.test_vetdata_wire import CLIENT, PET, SHOT
from vetbridge.connector.interface import Native
from vetbridge.connector.odata import Dialect, Lists
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

DATES = {"APICreateDate": "2026-11-22T00:00:00", "APILastChangeDate": None, "APIRemovedDate": None}
OWNER = {"ClientPmsId": "1007", "PatientPmsId": "5", "IsPrimary": True, "Percentage": 50.0, "EndDate": None}
ROWS: Mapping[str, Native] = {
    "Clients": {**CLIENT, **DATES},
    "Patients": {"Id": 1, **PET, **DATES},
    "ClientPatientRelationships": {"Id": 2, **OWNER, **DATES},
    "Transactions": {**SHOT, **DATES},
}
JUNK = junk("Number", "Address", "IsPrimary")
EXAMPLE = st.fixed_dictionaries(
    {
        "rows": changes([*CLIENT, *PET, *OWNER, *SHOT, *DATES], JUNK),
        "more": st.dictionaries(st.sampled_from(["value", "odata.count", "odata.nextLink"]), JUNK, max_size=1),
        "whole": st.just(...) | JUNK,
    }
)
CODES = {"species": {"dog": "CANINE"}, "sex": {"male_neutered": "N"}}
MAPPER = Mapper(load_table("vetdata"), zone="Europe/London", country="GB", codes=CODES)


def liar(example: Mapping[str, Any]) -> Liar:
    return Liar(
        example,
        lambda name, number: {**ROWS.get(name, {}), "Id": number},
        lambda rows: {"odata.count": len(rows), "value": rows},
    )


def account(liar: Liar) -> VetData:
    options = VetDataOptions(
        installation="12345678-90ab-cdef-1234-567890abcdef",
        username="u",
        password=Secret.of("p"),
        client_id="c",
        vaccines={"codes": ["RAB"]},
    )
    made = VetData(options, Environment(account="feed", zone="Europe/London", clock=FakeClock()))
    made._lists = Lists(liar.read, dialect=Dialect.V3, base_url=options.base_url, account="feed")
    return made


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(example=EXAMPLE, since=st.sampled_from([None, "", "{}"]))
def test_whatever_a_feed_answers_is_a_result_or_a_named_error(example: Mapping[str, Any], since: str | None) -> None:
    kinds = (Kind.CLIENT, Kind.PET, Kind.VACCINATION)
    does: list[Callable[[VetData], object]] = [
        *(partial(walk, kind, since, MAPPER) for kind in kinds),
        lambda feed: [feed.get(kind, "1007") for kind in kinds[:2]],
        lambda feed: feed.get(Kind.VACCINATION, "1"),
        lambda feed: list(feed.search(Kind.PET, {"client_id": "1007"})),
        lambda feed: feed.code_lists(),
    ]
    assert not told(does, lambda: account(liar(example)))
