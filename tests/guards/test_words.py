"""One word per thing (architecture, section 2): in states, in tables, in what commands print as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import ModuleType

import pytest
from sqlmodel import SQLModel

from vetbridge.core.errors import VetBridgeError
from vetbridge.core.matching import Verdict
from vetbridge.core.records import AppointmentStatus, Kind, Side
from vetbridge.desk import changes, doctor, pausing, replay, review, status
from vetbridge.ledger import rehearsals, reports
from vetbridge.ledger.tables import OPEN_STATES, ChangeState

OTHER_WORDS = frozenset(
    {"animal", "booking_id_ext", "customer", "location", "patient", "practice", "recall", "salon", "tenant", "ticket"}
)
"""What vendors and other programs say for client, pet, site, account and review item."""

CONFIG_NAMES = {(table, "name") for table in ("account", "budget", "pause", "code_list", "staff", "episode")}
"""Names that are the config's or of staff, not of people whom VetBridge is told about."""
TABLES = frozenset(
    {
        *("account", "budget", "cursor", "record", "change", "link", "mirror", "match_key", "action", "attempt"),
        *(
            "lane",
            "reservation",
            "review",
            "alias",
            "run",
            "audit",
            "staff",
            "meta",
            "worklist",
            "pause",
            "fuse",
            "mass_end",
        ),
        *("match_term", "match_weights", "observation", "going_live", "reading", "code_list", "shape"),
        *("review_note", "subject", "subject_key", "acknowledgement", "staff_session", "used_form"),
        *("event", "delivery", "episode", "audit_seal", "access", "suppression"),
        *("install", "joining", "joined"),
        *("attached", "file_look", "due", "notice"),
    }
)
"""Section 13. ``match_key`` holds the mirror's matching keys and ``match_term`` how common its names are,
``observation`` what a decision was made by, and ``match_weights`` the weights that a site has trained by that.
``going_live`` is how far a pair has come, ``reading`` a first reading under way, ``code_list`` and ``shape`` what an
upgrade of a vendor is noticed by. ``subject`` is who a record is about, and ``subject_key`` what it is found by;
``acknowledgement`` says that a person has seen to a failure; ``staff_session`` and ``used_form`` are the page's;
``event`` is what webhooks are told, and ``delivery`` one on its way. ``episode`` is a condition from its beginning to
its end, ``audit_seal`` a batch of the audit that was sealed, ``access`` who looked at an owner's data, and
``suppression`` a record of an owner who was forgotten. ``install`` is a marketplace app at one of the vendor's
locations, ``joining`` a client who was compared with those of a chain's other branches, and ``joined`` two of them
who are one person. ``attached`` is a file that stands at a side, ``file_look`` a client whose files were listed,
``due`` what stands on a client's card about due services, and ``notice`` a message to an owner about them."""
VENDORS_WORDS = {("install", "location"), ("InstallStatus", "location")}
"""A location of the vendor's may be no site of ours: the clinic connects it before anybody has configured it."""


def test_the_states_of_a_change() -> None:
    assert [state.value for state in ChangeState] == ["received", "waiting", "review", "done", "skipped", "failed"]
    assert set(OPEN_STATES) == {ChangeState.RECEIVED, ChangeState.WAITING}


def test_the_statuses_of_an_appointment() -> None:
    expected = ["held", "booked", "confirmed", "arrived", "completed", "no_show", "cancelled"]
    assert [status.value for status in AppointmentStatus] == expected


def test_kinds_sides_and_verdicts() -> None:
    assert {kind.value for kind in Kind} == {
        "client",
        "pet",
        "appointment",
        "attachment",
        "reminder",
        "vaccination",
    }
    assert {side.value for side in Side} == {"booking", "pims"}
    assert {verdict.value for verdict in Verdict} == {"linked", "new", "review"}


def test_the_tables_bear_the_architectures_names() -> None:
    tables = {name for name in SQLModel.metadata.tables if name != "alembic_version"}
    assert tables <= TABLES
    assert {"account", "record", "change", "link", "mirror", "action", "attempt", "lane", "review"} <= tables


def test_columns_say_what_they_keep_of_people() -> None:
    """Personal values stand in sealed columns, look-up values in hashed ones, and nowhere else."""
    for name, table in SQLModel.metadata.tables.items():
        for column in table.columns:
            words = set(column.name.split("_"))
            assert words & OTHER_WORDS == set() or (name, column.name) in VENDORS_WORDS, f"{name}.{column.name}"
            personal = words & {"name", "phone", "phones", "email", "emails", "notes", "given", "family", "address"}
            assert not personal or (name, column.name) in CONFIG_NAMES
            blob = column.type.__class__.__name__ == "LargeBinary"
            assert blob == column.name.endswith("_sealed"), f"{name}.{column.name}"


@pytest.mark.parametrize(
    "module",
    [changes, doctor, pausing, rehearsals, replay, reports, review, status],
    ids=lambda module: module.__name__,
)
def test_json_says_our_words(module: ModuleType) -> None:
    keys = set(_keys(module))
    assert keys
    assert {key for key in keys if set(key.split("_")) & OTHER_WORDS} == set()


def test_codes_are_words_with_hyphens() -> None:
    heap = [VetBridgeError]
    while heap:
        error = heap.pop()
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)
        heap.extend(error.__subclasses__())


def _keys(module: ModuleType) -> Iterator[str]:
    """The field names of a module's own dataclasses, which become JSON keys."""
    for value in vars(module).values():
        if isinstance(value, type) and is_dataclass(value) and value.__module__ == module.__name__:
            names = (field.name for field in fields(value))
            yield from (name for name in names if (value.__name__, name) not in VENDORS_WORDS)
