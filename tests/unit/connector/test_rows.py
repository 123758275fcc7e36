# ruff: noqa: DTZ001 - cells of databases and spreadsheets know no zone
"""Rows become flat records by a profile's rules, or are refused with the column and the reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from vetbridge.connector.interface import Native
from vetbridge.connector.rows import BadRow, KindRules, RowReader, check_kinds
from vetbridge.connector.rows.profile import CONVERTERS
from vetbridge.core.records import Kind
from vetbridge.mapping.table import load_table

SECRET = "Zielińska"
VISIT = {"id": "Id", "start": "Start"}


def rules(fields: Mapping[str, Any], **more: Any) -> KindRules:
    return KindRules.model_validate({"fields": fields, **more})


def read(kind: Kind, fields: Mapping[str, Any], row: Mapping[str, Any], *, zone: str = "", **more: Any) -> Native:
    native = RowReader(kind, rules(fields, **more), list(row), zone=zone).native(list(row.values()))
    assert native.pop("version")
    return native


def test_a_row_is_a_record() -> None:
    fields = {
        "id": {"column": "CLIENT_GUID"},
        "given_name": ["FIRST_NAME", "First name"],
        "family_name": "LAST_NAME",
        "phones": {"all": ["HOME_PHONE", "WORK_PHONE"]},
        "emails": {"column": "Email", "split": ";"},
        "active": {"column": "INACTIVE", "negate": True},
        "registered_on": {"column": "Since", "formats": ["%d/%m/%Y"]},
    }
    row = {
        "client guid": 7.0,
        "first_name": " Zoë ",
        "LastName": "O'Connor",
        "HOME_PHONE": "01 2345",
        "WORK_PHONE": None,
        "EMAIL": "a@example.org; b@example.org;",
        "inactive": "N",
        "since": "05/11/2019",
    }
    assert read(Kind.CLIENT, fields, row) == {
        "id": "7",
        "given_name": "Zoë",
        "family_name": "O'Connor",
        "phones": ["01 2345"],
        "emails": ["a@example.org", "b@example.org"],
        "active": True,
        "registered_on": "2019-11-05",
    }


def test_the_version_follows_what_the_record_says_and_nothing_else() -> None:
    def version(**row: Any) -> str:
        native = RowReader(Kind.PET, rules({"id": "id", "name": "name"}), list(row)).native(list(row.values()))
        return str(native["version"])

    assert version(id="1", name="Bella", weight=3) == version(weight=4, name=" Bella", id=1.0)
    assert version(id="1", name="Bella") != version(id="1", name="Bello")


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        ({"Start": "2026-06-14 09:00", "End": "2026-06-14T09:20:00"}, 1200),
        ({"Start": datetime(2026, 6, 14, 9, 0, 0, 3333), "End": datetime(2026, 6, 14, 9, 15)}, 900),
        ({"Start": "2026-06-14 09:00", "Minutes": "30"}, 1800),
        ({"Start": "2026-06-14 09:00", "Minutes": "1:10"}, 4200),
        ({"Start": "2026-06-14 09:00", "Minutes": timedelta(minutes=45)}, 2700),
        ({"Start": "2026-06-14 09:00", "Minutes": time(0, 20)}, 1200),
    ],
)
def test_a_visit_lasts_its_minutes_or_until_its_end(cells: Mapping[str, Any], seconds: int) -> None:
    optional = {
        "end": {"column": "End", "optional": True},
        "duration": {"column": "Minutes", "optional": True},
    }
    found = read(Kind.APPOINTMENT, {**VISIT, **optional}, {"Id": "1", **cells})
    assert found == {"id": "1", "start": "2026-06-14 09:00:00", "duration": seconds}


@pytest.mark.parametrize(
    ("day", "hour"),
    [
        ("14.06.2026", "09:30"),
        (datetime(2026, 6, 14), time(9, 30)),
        (date(2026, 6, 14), datetime(1899, 12, 31, 9, 30)),
    ],
)
def test_day_and_hour_may_stand_in_two_columns(day: Any, hour: Any) -> None:
    start = {"all": ["Day", "Hour"], "formats": ["%d.%m.%Y %H:%M"]}
    row = {"Id": "1", "Day": day, "Hour": hour}
    assert read(Kind.APPOINTMENT, {"id": "Id", "start": start}, row)["start"] == "2026-06-14 09:30:00"


@pytest.mark.parametrize("start", ["2026-06-14T07:00:00Z", datetime(2026, 6, 14, 7, tzinfo=UTC)])
def test_a_moment_with_an_offset_is_told_by_the_sites_clock(start: Any) -> None:
    row = {"Id": "1", "Start": start}
    assert read(Kind.APPOINTMENT, VISIT, row, zone="Europe/Berlin")["start"] == "2026-06-14 09:00:00"
    with pytest.raises(BadRow, match=r"Start: .* has an offset"):
        read(Kind.APPOINTMENT, VISIT, row)


@pytest.mark.parametrize(
    ("value", "id_"),
    [
        ("007", "007"),
        (12.0, "12"),
        (Decimal("12.00"), "12"),
        ("12,0", "12"),
        (2**63 - 1, str(2**63 - 1)),
        ("A-1 ", "A-1"),
    ],
)
def test_ids_are_text_as_the_side_means_it(value: Any, id_: str) -> None:
    assert read(Kind.PET, {"id": "Id"}, {"Id": value}) == {"id": id_}


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        1e300,
        float(2**60),
        10**5000,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1E+999999"),
        b"\x00\x01",
        bytearray(b"1"),
        "x" * 1_000_000,
        "x" * 256,
        "1\x1b[2J",
        "1.23457E+11",
        "1.000",
        "12,000",
        "",
        None,
        "\x00",
    ],
    ids=type,
)
def test_what_is_no_id_is_refused(value: Any) -> None:
    with pytest.raises(BadRow, match=r"^Id: "):
        read(Kind.PET, {"id": "Id"}, {"Id": value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start", SECRET),
        ("start", f"{SECRET}" * 100),
        ("start", "2026-13-40 09:00"),
        ("start", "9999-12-31 23:59"),
        ("start", "1900-01-01 09:00"),
        ("start", float("nan")),
        ("duration", SECRET),
        ("duration", -5),
        ("duration", 10**30),
        ("duration", float("inf")),
        ("notes", b"\xff"),
        ("notes", "x" * 100_001),
    ],
)
def test_a_refused_row_is_told_without_its_values(field: str, value: Any) -> None:
    fields = {"id": "Id", field: "Cell"}
    with pytest.raises(BadRow) as refused:
        read(Kind.APPOINTMENT, fields, {"Id": "1", "Cell": value})
    assert refused.value.column == "Cell"
    assert SECRET not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_an_empty_cell_may_mean_something() -> None:
    fields = {
        **VISIT,
        "duration": {"column": "Minutes", "otherwise": 15},
        "status": {"column": "Status", "otherwise": "booked", "empty": ["-"]},
        "resource": {"value": 3},
    }
    row = {"Id": "1", "Start": "2026-06-14 09:00", "Minutes": None, "Status": "-"}
    found = read(Kind.APPOINTMENT, fields, row)
    assert (found["duration"], found["status"], found["resource"]) == (900, "booked", "3")


def test_a_visit_without_a_length_is_refused() -> None:
    with pytest.raises(BadRow, match="neither a length nor an end"):
        read(Kind.APPOINTMENT, {**VISIT, "end": "End"}, {"Id": "1", "Start": "2026-06-14 09:00", "End": ""})


def test_the_columns_that_are_used_and_the_fields_without_any_are_known() -> None:
    fields = {
        "id": ["Id", "No"],
        "phones": {"all": ["P1", "P2"], "optional": True},
        "emails": {"all": ["M1", "M2"], "optional": True},
        "city": {"column": "City", "optional": True},
        "active": {"value": True},
    }
    reader = RowReader(
        Kind.CLIENT, rules(fields, deleted_when={"column": "Gone"}), ["No", "Weight", "P2", "gone", "Note"]
    )
    assert reader.used == {0, 2, 3}
    assert reader.absent == ("emails", "city")


def test_a_visit_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(BadRow, match="ends before it begins"):
        read(
            Kind.APPOINTMENT,
            {**VISIT, "end": "End"},
            {"Id": "1", "Start": "2026-06-14 09:00", "End": "2026-06-14 08:00"},
        )


@pytest.mark.parametrize("value", ["1753-01-01", "0001-01-01", date(9999, 12, 31), "", None, "n/a"])
def test_a_date_that_stands_for_none_is_none(value: Any) -> None:
    fields = {"id": "Id", "birth_date": {"column": "Born", "empty": ["N/A"]}}
    assert read(Kind.PET, fields, {"Id": "1", "Born": value}) == {"id": "1"}


@pytest.mark.parametrize(
    ("rule", "value", "flag"),
    [
        ({}, "Y", True),
        ({}, 0, False),
        ({}, True, True),
        ({}, "", None),
        ({"true": ["deceased"]}, "Deceased", True),
        ({"true": ["deceased"]}, "", False),
        ({"true": ["alive"], "negate": True}, "gone", True),
    ],
)
def test_flags(rule: Mapping[str, Any], value: Any, flag: bool | None) -> None:
    found = read(Kind.PET, {"id": "Id", "deceased": {"column": "Dead", **rule}}, {"Id": "1", "Dead": value})
    assert found.get("deceased") is flag


def test_a_flag_in_words_that_nobody_told_of_is_refused() -> None:
    with pytest.raises(BadRow, match="say in the profile which words mean yes"):
        read(Kind.PET, {"id": "Id", "deceased": "Dead"}, {"Id": "1", "Dead": "perhaps"})


@pytest.mark.parametrize(("kind", "said"), [(Kind.APPOINTMENT, {"status": "deleted"}), (Kind.PET, {"active": False})])
def test_a_deleted_row_is_a_cancelled_visit_or_an_inactive_record(kind: Kind, said: Mapping[str, Any]) -> None:
    gone = {"deleted_when": {"column": "DELETED"}}
    assert read(kind, {"id": "Id"}, {"Id": "1", "deleted": True}, **gone) == {"id": "1", **said}
    assert read(kind, {"id": "Id"}, {"Id": "1", "deleted": 0}, **gone) == {"id": "1"}
    with pytest.raises(BadRow, match=r"^DELETED: it holds bytes"):
        read(kind, {"id": "Id"}, {"Id": "1", "deleted": b"1"}, **gone)


def test_every_column_that_is_not_there_is_named() -> None:
    fields = {"id": "Id", "name": ["Name", "Pet name"], "breed": {"column": "Breed", "optional": True}}
    with pytest.raises(ValueError, match=r"id: no column is called Id; name: no column is called Name or Pet name$"):
        RowReader(Kind.PET, rules(fields), ["Nothing"])


def test_half_a_row_says_less() -> None:
    reader = RowReader(Kind.PET, rules({"id": "Id", "name": {"column": "Name", "required": True}}), ["Id", "Name"])
    with pytest.raises(BadRow, match=r"^Name: it is empty"):
        reader.native(["1"])


def test_columns_that_are_joined_are_one_of_a_list() -> None:
    fields = {"id": "Id", "family_name": "N", "co_owners": {"all": ["First", "Last"], "join": " "}}

    def co_owners(first: str, last: str) -> object:
        return read(Kind.CLIENT, fields, {"Id": "1", "N": "Hill", "First": first, "Last": last})["co_owners"]

    assert co_owners("Bob", "Stone") == ["Bob Stone"]
    assert co_owners("Bob", "") == ["Bob"]
    assert co_owners("", " ") == []


def test_a_list_of_ids_is_read_as_ids_are() -> None:
    fields = {"id": "Id", "co_owner_ids": {"all": ["Second", "Third"]}}
    assert read(Kind.PET, fields, {"Id": 1, "Second": 12.0, "Third": " "})["co_owner_ids"] == ["12"]
    fields = {"id": "Id", "co_owner_ids": {"column": "Others", "split": ";"}}
    assert read(Kind.PET, fields, {"Id": 1, "Others": "7; C-8;"})["co_owner_ids"] == ["7", "C-8"]
    with pytest.raises(BadRow, match="a spreadsheet has rounded it"):
        read(Kind.PET, fields, {"Id": 1, "Others": "7;1.23E+11"})


def test_more_values_than_anybody_has_are_refused() -> None:
    with pytest.raises(BadRow, match="more than 50 values"):
        read(Kind.CLIENT, {"id": "Id", "phones": {"column": "P", "split": ","}}, {"Id": "1", "P": "1," * 60})


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({"client": {"fields": {"id": "Id"}}}, "client: needs family_name"),
        ({"appointment": {"fields": {"id": "Id", "start": "At"}}}, "appointment: needs duration or end"),
        ({"pet": {"fields": {"id": "I", "client_id": "C", "name": "N", "speceis": "S"}}}, "did you mean 'species'"),
        ({"attachment": {"fields": {}}}, "attachment: is not read from rows"),
        ({"pet": {"fields": {"id": {"column": "I", "value": "1"}}}}, "one of column, all and value"),
        ({"pet": {"fields": {"id": {"column": "I", "formats": ["%Q!"]}}}}, "no format of a date"),
        ({"pet": {"fields": {"id": {"column": "I", "formats": ["%d.%m. %H:%M"]}}}}, "no day with month and year"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(kinds: Mapping[str, Any], words: str) -> None:
    class Profile(BaseModel):
        kinds: Mapping[Kind, KindRules]

    with pytest.raises(ValueError, match=words):
        check_kinds(Profile.model_validate({"kinds": kinds}).kinds)


@pytest.mark.parametrize("rule", [{"colum": "x"}, {"column": ""}, {"column": "x", "as": "float"}, 7, {}])
def test_rules_of_another_form_are_refused(rule: Any) -> None:
    with pytest.raises(ValidationError):
        rules({"id": rule})


@pytest.mark.parametrize("kind", CONVERTERS)
def test_the_shipped_table_reads_every_field_and_no_other(kind: Kind) -> None:
    table = {".".join(rule.path) for rule in load_table("neutral").kinds[kind].values()}
    assert table - {"version"} == CONVERTERS[kind].keys() - {"end"}
