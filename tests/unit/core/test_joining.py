"""Who is one person in two branches, and what one branch knows of a pet that counts in the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from tests.matching import clinic_of
from vetbridge.core import joining
from vetbridge.core.joining import Asked, Partner, partner
from vetbridge.core.matching import Forms, forms_of, keys
from vetbridge.core.records import Client, Pet

PHONE, OTHER_PHONE = "+447700900123", "+447700900456"
BORN = date(2016, 5, 1)
JOHN = Client(id="a1", given_name="John", family_name="Smith", phones=(PHONE,), emails=("john.smith@example.com",))
MARY = replace(JOHN, id="a2", given_name="Mary", emails=("mary@example.com",))
REX = Pet(id="p1", name="Rex", species="dog", breed="Border Collie", birth_date=BORN)
Record = tuple[Client, Sequence[Pet]]


def forms(*records: Record) -> list[Forms]:
    return [forms_of(client, list(pets), "GB") for client, pets in records]


def branch(*records: Record) -> joining.Ask:
    held = forms(*records)

    def ask(client: Forms) -> Asked:
        return Asked([one for one in held if keys(one) & keys(client)], clinic_of(client, held), frozenset())

    return ask


def joined(client: Record, here: Sequence[Record], there: Sequence[Record]) -> str | None:
    found = partner(forms(client)[0], branch(*here), branch(*there))
    back = None if found is None else found.client_id
    for other in there:
        theirs = partner(forms(other)[0], branch(*there), branch(*here))
        assert (other[0].id == back) == (theirs is not None and theirs.client_id == client[0].id), "symmetric"
    return back


def at_b(client: Client, **changed: object) -> Client:
    return replace(client, id=f"b{client.id}", **changed)  # type: ignore[arg-type]


def alone(one: Record, other: Record) -> str | None:
    return joined(one, [one], [other])


# -- joined ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        (at_b(JOHN), [REX]),
        (at_b(JOHN, emails=()), [REX]),
        (at_b(JOHN, emails=()), []),
        (at_b(JOHN, emails=()), [Pet(id="q", name="Luna", species="cat")]),
        (at_b(JOHN), [replace(REX, deceased=True)]),
        (at_b(JOHN, given_name="SMITH", family_name="John"), [REX]),
        (at_b(JOHN, given_name="", family_name="Smith, John"), [REX]),
        (at_b(JOHN, family_name="Smyth"), [REX]),
    ],
)
def test_the_same_names_and_a_contact_are_one_person(other: Record) -> None:
    assert alone((JOHN, [REX]), other) == "ba1"


def test_a_nickname_counts_that_stands_for_one_name() -> None:
    bill = replace(JOHN, given_name="Bill")
    assert alone((bill, [REX]), (at_b(bill, given_name="William"), [REX])) == "ba1"
    alex = replace(JOHN, given_name="Alex")
    assert alone((alex, [REX]), (at_b(alex, given_name="Alexandra"), [REX])) is None


def test_a_couple_on_both_records_is_joined() -> None:
    couple = replace(JOHN, given_name="John & Mary")
    assert alone((couple, [REX]), (at_b(couple, given_name="Mary and John"), [REX])) == "ba1"


def test_how_certain_it_is_comes_with_it() -> None:
    found = partner(forms((JOHN, [REX]))[0], branch((JOHN, [REX])), branch((at_b(JOHN), [REX])))
    assert isinstance(found, Partner)
    assert 0.99 <= found.probability <= 1


# -- not joined ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        (at_b(MARY, emails=()), [REX]),
        (at_b(JOHN, given_name="Mary"), [REX]),
        (at_b(JOHN, given_name=""), [REX]),
        (at_b(JOHN, given_name="J"), [REX]),
        (at_b(JOHN, given_name="John & Mary"), [REX]),
        (at_b(JOHN, family_name="Novak"), [REX]),
        (at_b(JOHN, family_name=""), [REX]),
        (at_b(JOHN, given_name="", family_name=""), []),
    ],
)
def test_a_contact_alone_joins_nobody_nor_do_partners(other: Record) -> None:
    assert alone((JOHN, [REX]), other) is None


@pytest.mark.parametrize(
    "other",
    [
        (at_b(JOHN, phones=(OTHER_PHONE,), emails=("j@example.com",)), [REX]),
        (at_b(JOHN, phones=(), emails=()), []),
        (at_b(JOHN), [replace(REX, species="cat")]),
        (at_b(JOHN), [replace(REX, birth_date=date(2022, 9, 9))]),
        (at_b(JOHN, active=False), [REX]),
        (at_b(JOHN, given_name="John (for his mother)"), [REX]),
    ],
)
def test_what_contradicts_or_does_not_suffice_joins_nobody(other: Record) -> None:
    assert alone((JOHN, [REX]), other) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"family_name": "Smith Sr."}, {"family_name": "Smith Jr."}),
        ({"given_name": "John Junior"}, {}),
        ({}, {"family_name": "Smith III"}),
        ({"family_name": "SMITH SEN"}, {"given_name": "John jun"}),
    ],
)
def test_senior_and_junior_are_two_though_they_share_the_phone_and_the_dog(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert alone((replace(JOHN, **one), [REX]), (at_b(JOHN, **other), [REX])) is None  # type: ignore[arg-type]


def test_a_junior_at_both_branches_is_one_however_it_is_written() -> None:
    junior = replace(JOHN, family_name="Smith Jr.")
    assert alone((junior, [REX]), (at_b(JOHN, given_name="John Junior"), [REX])) == "ba1"


def test_of_two_alike_nobody_is_joined() -> None:
    twice = [(at_b(JOHN), [REX]), (replace(at_b(JOHN), id="b9", emails=()), [REX])]
    assert joined((JOHN, [REX]), [(JOHN, [REX])], twice) is None
    assert joined((JOHN, [REX]), [(JOHN, [REX]), (replace(JOHN, id="a9"), [])], twice[:1]) is None


def test_one_who_was_merged_away_does_not_stand_in_the_way() -> None:
    merged = (replace(at_b(JOHN), id="b9", active=False), [REX])
    assert joined((JOHN, [REX]), [(JOHN, [REX])], [merged, (at_b(JOHN), [REX])]) == "ba1"


def test_a_crowded_contact_joins_nobody() -> None:
    held = forms((at_b(JOHN, emails=()), []))
    asked = Asked(held, clinic_of(forms((JOHN, []))[0], held), frozenset({PHONE}))
    assert joining.counterpart(forms((JOHN, []))[0], asked) is None
    assert joining.counterpart(forms((JOHN, []))[0], asked._replace(crowded=frozenset())) is not None


# -- what is known of a pet ------------------------------------------------------------------------------------------


def deceased(here: Sequence[Pet], there: Sequence[Pet]) -> dict[str, tuple[str, ...]]:
    return joining.deceased_at(forms((JOHN, here))[0], {"north": forms((at_b(JOHN), there))})


DEAD = replace(REX, id="q1", deceased=True)


@pytest.mark.parametrize(
    "there",
    [
        DEAD,
        replace(DEAD, name="REX"),
        replace(DEAD, name="Rexy"),
        replace(DEAD, species=None, birth_date=None, breed=""),
    ],
)
def test_a_pet_of_the_name_that_is_deceased_elsewhere(there: Pet) -> None:
    assert deceased([REX], [there]) == {"p1": ("north",)}


@pytest.mark.parametrize(
    "there",
    [
        [replace(DEAD, deceased=False)],
        [replace(DEAD, name="Luna")],
        [replace(DEAD, name="")],
        [replace(DEAD, species="cat")],
        [replace(DEAD, birth_date=date(2022, 9, 9))],
        [DEAD, replace(REX, id="q2", birth_date=None)],
        [],
    ],
)
def test_another_pet_or_a_living_one_says_nothing(there: Sequence[Pet]) -> None:
    assert deceased([REX], there) == {}


def test_a_puppy_with_the_name_of_the_dog_that_died_here_too_lives() -> None:
    old = Pet(id="p1", name="Rex", species="dog", deceased=True)
    puppy = Pet(id="p2", name="Rex", species="dog")
    assert deceased([old, puppy], [replace(old, id="q1")]) == {"p1": ("north",)}
    assert deceased([old, puppy], [replace(old, id="q1"), replace(puppy, id="q2")]) == {}
    assert deceased([replace(old, deceased=False), puppy], [replace(old, id="q1")]).keys() == {"p1", "p2"}, (
        "whichever"
    )


def test_each_of_two_pets_of_like_names_is_itself() -> None:
    maxi = Pet(id="p2", name="Maxi", species="dog")
    max_ = Pet(id="p1", name="Max", species="dog")
    assert deceased([max_, maxi], [replace(max_, id="q1", deceased=True)]) == {"p1": ("north",)}
    assert deceased([max_], [replace(max_, id="q1", deceased=True), replace(maxi, id="q2")]) == {"p1": ("north",)}


def test_a_pet_is_marked_and_others_stay() -> None:
    client = forms((JOHN, [REX, replace(REX, id="p2", name="Luna")]))[0]
    marked = joining.marked(client, {"p1": ("north",)})
    assert {each.id: each.deceased for each in marked.animals} == {"p1": True, "p2": False}
    assert joining.marked(client, {}) is client
