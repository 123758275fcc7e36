"""What `vetdata` makes of the feed's rows: flags, days that are none, owners by share, vaccinations by code."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from connectors.vetdata import wire
from vetbridge.connector.interface import Native

BY = wire.keys("pms", numeric=False)
TODAY = date(2026, 11, 23)
CLIENT: Native = {
    "Id": 7,
    "PmsId": "1007",
    "FirstName": "Ana",
    "LastName": "Kos",
    "Phones": [{"Number": "1", "IsPrimary": False}, {"Number": "2", "IsPrimary": True}, {"PhoneNumber": "3"}],
    "Emails": [{"Address": "ana@example.org"}],
    "Deleted": False,
    "Inactive": None,
    "SuspendReminders": True,
    "EnteredDate": "2020-05-17T00:00:00",
    "SignificantOther": "Bo",
}
PET: Native = {"PmsId": "5", "Name": "Rex", "Species": "CANINE", "Gender": "N", "DateOfBirth": "2020-05-17T00:00:00"}
SHOT: Native = {
    "Id": 3,
    "PatientPmsId": "5",
    "Code": "RAB",
    "TransactionDate": "2026-05-02T00:00:00",
    "Quantity": 1.0,
}


def test_a_client_has_its_primary_phone_first() -> None:
    told = wire.client(CLIENT, BY, expanded=True)
    assert (told["id"], told["phones"], told["emails"]) == ("1007", ["2", "1", "3"], ["ana@example.org"])
    assert (told["active"], told["suspend_reminders"], told["significant_other"]) == (True, True, ["Bo"])
    assert told["entered_on"] == "2020-05-17"


def test_a_phone_that_was_removed_is_none() -> None:
    removed = {"Number": "2", "APIRemovedDate": "2026-01-01T00:00:00"}
    assert wire.client({**CLIENT, "Phones": [removed]}, BY, expanded=True)["phones"] == []


@pytest.mark.parametrize("field", ["Deleted", "Inactive", "APIRemovedDate"])
def test_who_is_gone_is_inactive(field: str) -> None:
    gone = {**CLIENT, field: "2026-01-01T00:00:00" if field == "APIRemovedDate" else True}
    assert wire.client(gone, BY, expanded=True)["active"] is False
    assert wire.patient({**PET, field: gone[field]}, (), BY)["active"] is False


def test_a_client_of_whom_nothing_is_said_about_reminders_did_not_opt_out() -> None:
    unsaid = {name: value for name, value in CLIENT.items() if name != "SuspendReminders"}
    assert wire.client(unsaid, BY, expanded=True)["suspend_reminders"] is None


def test_what_was_not_shown_does_not_pass_for_empty() -> None:
    for missing in ("FirstName", "Phones"):
        with pytest.raises(wire.Cut, match=missing):
            wire.client({name: value for name, value in CLIENT.items() if name != missing}, BY, expanded=True)
    alone = {name: value for name, value in CLIENT.items() if name not in ("Phones", "Emails")}
    assert wire.client(alone, BY, expanded=False)["phones"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("LastName", ["x"]), ("Deleted", "perhaps"), ("EnteredDate", "soon"), ("Inactive", 2), ("FirstName", True)],
)
def test_a_value_of_another_form_makes_no_record_and_is_not_repeated(field: str, value: Any) -> None:
    with pytest.raises(wire.Unreadable) as told:
        wire.client({**CLIENT, field: value}, BY, expanded=True)
    assert field in str(told.value)
    assert str(value) not in str(told.value)


@pytest.mark.parametrize("day", ["0001-01-01T00:00:00", "9999-12-31T00:00:00", None, ""])
def test_a_day_that_stands_for_none_is_none(day: str | None) -> None:
    assert wire.patient({**PET, "DateOfBirth": day, "DateOfDeath": day}, (), BY) == wire.patient(
        {**PET, "DateOfBirth": None}, (), BY
    )


def test_a_pet_is_dead_by_its_flag_or_its_day() -> None:
    for died in ({"IsDeceased": True}, {"DateOfDeath": "2026-01-01T00:00:00"}):
        assert wire.patient({**PET, **died}, (), BY)["deceased"] is True


def own(client: str, **more: Any) -> Native:
    return {"PatientPmsId": "5", "ClientPmsId": client, "IsPrimary": False, "Percentage": 50.0, **more}


@pytest.mark.parametrize(
    ("rows", "owners"),
    [
        ([own("1"), own("2", IsPrimary=True, Percentage=10)], ["2", "1"]),
        ([own("1", Percentage=30), own("2", Percentage="70")], ["2", "1"]),
        ([own("10"), own("9"), own("11", Percentage=None)], ["9", "10", "11"]),
        ([own("1", IsPrimary=True), own("2", IsPrimary=True, Percentage=60)], ["2", "1"]),
        ([own("1", EndDate="2026-11-22T00:00:00"), own("2")], ["2"]),
        ([own("1", EndDate="2026-11-23T00:00:00"), own("2")], ["2"]),
        ([own("1", EndDate="2026-11-24T00:00:00"), own("2", Percentage=10)], ["1", "2"]),
        ([own("1", EndDate="0001-01-01T00:00:00")], ["1"]),
        ([own("1", StartDate="2027-01-01T00:00:00"), own("2")], ["2"]),
        ([own("1", APIRemovedDate="2026-01-01T00:00:00"), own("2")], ["2"]),
        ([own("1"), own("1", Percentage=70, IsPrimary=True)], ["1"]),
    ],
)
def test_owners_stand_by_who_is_primary_then_by_share(rows: list[Native], owners: list[str]) -> None:
    assert list(wire.owners(rows, BY, TODAY)) == owners


def test_types_that_are_no_owners_are_left_out() -> None:
    rows = [own("1", Type="Breeder", Percentage=90), own("2", Type="Owner")]
    assert list(wire.owners(rows, BY, TODAY, ("Owner",))) == ["2"]
    assert list(wire.owners(rows, BY, TODAY)) == ["1", "2"]


@pytest.mark.parametrize("share", ["half", -1, 10**9, [50], True])
def test_a_share_that_is_none_is_not_guessed(share: Any) -> None:
    with pytest.raises(wire.Unreadable):
        wire.owners([own("1", Percentage=share)], BY, TODAY)


def test_a_vaccination_is_due_by_its_code() -> None:
    told = wire.vaccination(SHOT, BY, {"RAB": 365})
    assert (told["id"], told["pet_id"], told["code"]) == ("3", "5", "RAB")
    assert (told["given_on"], told["due_on"], told["active"]) == ("2026-05-02", "2027-05-02", True)
    assert wire.vaccination(SHOT, BY, {})["due_on"] is None


@pytest.mark.parametrize("change", [{"IsVoided": True}, {"Quantity": -1}, {"APIRemovedDate": "2026-06-01T00:00:00"}])
def test_what_was_voided_or_given_back_is_no_vaccination(change: Native) -> None:
    assert wire.vaccination({**SHOT, **change}, BY, {})["active"] is False


def test_keys_are_compared_in_their_own_form() -> None:
    assert wire.keys("pms", numeric=False).literal("17") == "17"
    numeric = wire.keys("pms", numeric=True)
    assert [numeric.literal(each) for each in ("17", "017", "x", "")] == [17, None, None, None]
    guid = "12345678-90ab-cdef-1234-567890abcdef"
    feed = wire.keys("feed", numeric=False)
    assert [feed.literal(each) for each in ("17", guid, "x" * 36, "no-such")] == [17, UUID(guid), None, None]
    assert [BY.literal(each) for each in ("1\x00", "", "x" * 300, " 1")] == [None] * 4


def test_the_newest_of_a_row_s_dates_is_its_own() -> None:
    row = {
        "APICreateDate": "2026-01-01T00:00:00",
        "APILastChangeDate": None,
        "APIRemovedDate": "2026-03-01T00:00:00Z",
    }
    assert wire.stamp(row) == datetime(2026, 3, 1)  # noqa: DTZ001 - the feed's moments have no offset
    assert wire.stamp({}) is None
