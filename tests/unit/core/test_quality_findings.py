"""Data quality: what is amiss with a client, a pet, a visit or two records, and by what it is known."""

from __future__ import annotations

from datetime import datetime
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest

from vetbridge.core.matching import Forms, forms_of
from vetbridge.core.quality import (
    MEANING,
    Finding,
    Flaw,
    Shift,
    email_flaw,
    in_two_branches,
    of_client,
    of_visit,
    phone_flaw,
    twins,
)
from vetbridge.core.records import Client, Pet

REX = Pet(id="p1", client_id="c1", name="Rex", species="dog")
WELL = Client(id="c1", given_name="Ann", family_name="Lee", phones=("07700 900123",), emails=("ann@lee.co.uk",))


@pytest.mark.parametrize(
    ("text", "flaw", "words"),
    [
        ("07912 345678", None, ""),
        ("+49 30 901820", None, ""),
        ("07912 345678 (Tom, after 6)", None, ""),
        ("ask the daughter", Flaw.PHONE_BAD, "no digit"),
        ("345678", Flaw.PHONE_BAD, "too short: 6"),
        ("0000000000", Flaw.PHONE_BAD, "stands in for none"),
        ("0123456789", Flaw.PHONE_BAD, "stands in for none"),
        ("٠٠٠٠٠٠٠٠٠٠", Flaw.PHONE_BAD, "stands in for none"),
        ("0044 1234 5678 9012 3456 78", Flaw.PHONE_BAD, "too long"),
        ("+999 123 45678", Flaw.PHONE_BAD, "no number"),
        ("01999 123456", Flaw.PHONE_DOUBTFUL, "gives out no such"),
        ("\x1b[31m\ud800", Flaw.PHONE_BAD, "too short"),
    ],
)
def test_a_phone_is_judged_by_its_country(text: str, flaw: Flaw | None, words: str) -> None:
    found = phone_flaw(text, "GB")
    assert (found and found[0]) == flaw
    assert words in (found[1] if found else "")


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("ann@lee.co.uk", None),
        ("ann@lee.co.uk; tom@example.com", None),
        ("ann at lee.co.uk", Flaw.EMAIL_BAD),
        ("ann@lee", Flaw.EMAIL_BAD),
        ("none@none.com", Flaw.EMAIL_BAD),
        ("ann@example.com", Flaw.EMAIL_PLACEHOLDER),
        ("ann@clinic.invalid", Flaw.EMAIL_PLACEHOLDER),
        ("@" * 10_000, Flaw.EMAIL_BAD),
    ],
)
def test_an_address_is_one_or_is_not(text: str, flaw: Flaw | None) -> None:
    found = email_flaw(text)
    assert (found and found[0]) == flaw


def flaws(client: Client, *pets: Pet) -> list[Flaw]:
    return [each.flaw for each in of_client(client, pets, "GB")]


def test_a_client_in_good_order_and_one_that_is_not() -> None:
    good = Client(id="1", given_name="Ann", phones=("07912 345678",), emails=("ann@lee.co.uk",))
    assert flaws(good, REX) == []
    assert flaws(good) == [Flaw.CLIENT_WITHOUT_PETS]
    assert flaws(Client(id="1", phones=(" ",)), REX) == [Flaw.PHONE_MISSING, Flaw.EMAIL_MISSING]
    assert flaws(Client(id="1", active=False)) == [], "nobody mends who has left"


def test_what_is_found_does_not_depend_on_the_order_of_phones() -> None:
    phones = ("123", "none", "07912 345678", "0000000000")
    seen = {tuple(of_client(Client(id="1", phones=each), (REX,), "GB")) for each in permutations(phones)}
    assert len(seen) == 1


def test_words_hold_no_value() -> None:
    client = Client(id="1", given_name="Zoltan", phones=("987",), emails=("zoltan@",))
    for each in of_client(client, (), "GB"):
        assert "Zoltan" not in each.why
        assert "987" not in each.why
        assert each.name == "Zoltan"


def test_a_visit_of_a_pet_that_died_and_of_an_owner_who_left() -> None:
    gone, dead = Client(id="c1", active=False), Pet(id="p1", deceased=True)
    assert [each.flaw for each in of_visit("9", gone, dead)] == [Flaw.CLIENT_INACTIVE_VISIT, Flaw.PET_DECEASED_VISIT]
    assert list(of_visit("9", WELL, REX)) == []
    assert list(of_visit("9", None, None)) == []


def forms(id_: str, given: str, family: str, phone: str = "", *, pet: str = "", active: bool = True) -> Forms:
    client = Client(id=id_, given_name=given, family_name=family, phones=(phone,), active=active)
    return forms_of(client, [Pet(name=pet, species="dog")] if pet else [], "GB")


PHONE = "07912 345678"


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (
            forms("1", "Ann", "Lee", PHONE),
            forms("2", "ANN", "Lée", "+44 7912 345678"),
            "the same name, and one phone",
        ),
        (forms("1", "Catherine", "Miller", PHONE), forms("2", "Katherine", "Miler", PHONE), "nearly the same name"),
        (forms("1", "Ann", "Lee", pet="Rex"), forms("2", "Ann", "Lee", pet="rex"), "the same name, and one pet"),
        (forms("1", "Ann", "Lee", PHONE), forms("2", "Tom", "Lee", PHONE), None),
        (forms("1", "Ann", "Lee"), forms("2", "Ann", "Lee"), None),
        (forms("1", "Ann", "Lee", PHONE), forms("2", "Ann", "Lee", PHONE, active=False), None),
        (forms("1", "Ann", "Lee", PHONE), forms("1", "Ann", "Lee", PHONE), None),
    ],
)
def test_two_records_of_one_client(one: Forms, other: Forms, why: str | None) -> None:
    found = twins(one, other, frozenset())
    assert found == twins(other, one, frozenset())
    if why is None:
        assert found is None
    else:
        assert isinstance(found, Finding)
        assert why in found.why
        assert (found.id, found.other) == ("1", "2")


def test_a_phone_of_the_whole_village_makes_nobody_one() -> None:
    one, other = forms("1", "Ann", "Lee", PHONE), forms("2", "Ann", "Lee", PHONE)
    assert twins(one, other, frozenset({"+447912345678"})) is None


def test_every_flaw_is_explained() -> None:
    assert set(MEANING) == set(Flaw)


# -- one vet, two branches -------------------------------------------------------------------------------------------


def shift(branch: str, id_: str, start: str, end: str, *, resource: str = "vet-anna", account: str = "") -> Shift:
    day = datetime(2026, 11, 24, tzinfo=ZoneInfo("Europe/London"))
    times = [day.replace(hour=int(each[:2]), minute=int(each[3:])) for each in (start, end)]
    return Shift(
        account=account or branch.lower(), id=id_, branch=branch, resource=resource, start=times[0], end=times[1]
    )


def test_one_vet_in_two_branches_at_the_same_time() -> None:
    shifts = [shift("North", "1", "10:00", "10:30"), shift("City", "1", "10:15", "10:45")]
    for order in permutations(shifts):
        ((both, found),) = in_two_branches(order)
        assert (both, found.id, found.other, found.value) == (("north", "city"), "1", "1", "vet-anna")
        assert found.why == "2026-11-24 10:00 to 10:30 at North, and 2026-11-24 10:15 to 10:45 at City (city)"


@pytest.mark.parametrize(
    "other",
    [
        shift("City", "2", "10:30", "11:00"),
        shift("City", "2", "09:00", "10:00"),
        shift("City", "2", "10:00", "10:30", resource="vet-ben"),
        shift("North", "2", "10:00", "10:30"),
        shift("City", "1", "10:00", "10:30", account="north"),
    ],
)
def test_one_after_the_other_or_another_vet_or_the_same_visit_is_none(other: Shift) -> None:
    assert list(in_two_branches([shift("North", "1", "10:00", "10:30"), other])) == []


def test_of_three_at_once_every_pair_is_found() -> None:
    shifts = [shift(branch, "1", "10:00", "12:00") for branch in ("City", "North", "West")]
    assert len(list(in_two_branches(shifts))) == 3
