"""What holds for joining clients of two branches, whatever the records are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from tests.matching import clinic_of
from vetbridge.core import joining
from vetbridge.core.joining import Ask, Asked, Partner, partner
from vetbridge.core.matching import Forms, forms_of, keys
from vetbridge.core.matching.comparing import given_level
from vetbridge.core.records import Client, Pet

Record = tuple[Client, tuple[Pet, ...]]
Chain = tuple[list[Forms], list[Forms]]

GIVEN_NAMES = ["", "John", "Jon", "J", "Mary", "Marie", "Alex", "Alexandra", "John & Mary", "Eva (for Mary)"]
FAMILY_NAMES = ["", "Smith", "Smyth", "Novák", "O'Brien"]
PHONES = st.lists(st.sampled_from(["+447700900123", "+447700900456"]), max_size=2, unique=True).map(tuple)
EMAILS = st.lists(st.sampled_from(["rita.b@example.com", "c.d@example.com"]), max_size=1).map(tuple)
CLIENTS = st.builds(
    Client,
    given_name=st.sampled_from(GIVEN_NAMES) | st.text(max_size=20),
    family_name=st.sampled_from(FAMILY_NAMES) | st.text(max_size=20),
    phones=PHONES,
    emails=EMAILS,
    street=st.sampled_from(["", "1 Mill Road"]),
    postcode=st.sampled_from(["", "AB1 2CD"]),
    active=st.sampled_from([True, True, True, False]),
)
PETS = st.builds(
    Pet,
    name=st.sampled_from(["", "Rex", "Rexy", "Bella", "Max", "Maxi"]),
    species=st.sampled_from([None, "dog", "cat"]),
    breed=st.sampled_from(["", "Pug"]),
    birth_date=st.sampled_from([None, date(2020, 1, 1), date(2023, 7, 1)]),
    deceased=st.booleans(),
)


RECORDS = st.tuples(CLIENTS, st.lists(PETS, max_size=2).map(tuple))


@st.composite
def chains(draw: st.DrawFn, most: int = 3) -> tuple[list[Forms], list[Forms]]:
    """The clients of two branches; some of the second are those of the first, as they are or a little changed."""
    here = draw(st.lists(RECORDS, min_size=1, max_size=most))
    known = st.sampled_from(here)
    changed = st.builds(
        lambda one, other, fields: (replace(one[0], **{each: getattr(other[0], each) for each in fields}), one[1]),
        known,
        RECORDS,
        st.sets(st.sampled_from(["given_name", "family_name", "phones", "emails", "street"]), max_size=2),
    )
    there = draw(st.lists(st.one_of(known, known, changed, RECORDS), min_size=1, max_size=most))
    return forms(here, "a"), forms(there, "b")


def forms(records: Sequence[Record], branch: str) -> list[Forms]:
    return [
        forms_of(
            replace(client, id=f"{branch}{number}"),
            [replace(pet, id=f"{branch}{number}p{place}") for place, pet in enumerate(pets)],
            "GB",
        )
        for number, (client, pets) in enumerate(records)
    ]


def asking(held: Sequence[Forms]) -> Ask:
    def ask(client: Forms) -> Asked:
        return Asked([one for one in held if keys(one) & keys(client)], clinic_of(client, held), frozenset())

    return ask


def joins(here: Sequence[Forms], there: Sequence[Forms]) -> dict[str, Partner]:
    found = {one.client_id: partner(one, asking(here), asking(there)) for one in here}
    return {id_: other for id_, other in found.items() if other is not None}


@given(chain=chains())
def test_joining_is_symmetric_and_of_one_to_one(chain: Chain) -> None:
    here, there = chain
    one, other = joins(here, there), joins(there, here)
    assert {id_: each.client_id for id_, each in one.items()} == {each.client_id: id_ for id_, each in other.items()}
    assert {(id_, each.probability) for id_, each in one.items()} == {
        (each.client_id, each.probability) for each in other.values()
    }
    assert len({each.client_id for each in one.values()}) == len(one)


@given(chain=chains(), data=st.data())
def test_the_order_of_records_does_not_matter(chain: Chain, data: st.DataObject) -> None:
    here, there = chain
    assert joins(data.draw(st.permutations(here)), data.draw(st.permutations(there))) == joins(here, there)


@given(chain=chains())
def test_those_who_are_joined_bear_the_same_names_and_more(chain: Chain) -> None:
    here, there = chain
    known = {one.client_id: one for one in (*here, *there)}
    for id_, found in joins(here, there).items():
        mine, theirs = known[id_], known[found.client_id]
        assert joining.fits(mine, theirs, frozenset())
        assert mine.active
        assert theirs.active
        assert any(
            given_level(one.given, other.given) in ("exact", "short")
            or given_level(one.given, other.family) in ("exact", "short")
            for one in mine.people
            for other in theirs.people
        )


@given(
    names=st.lists(st.sampled_from(["John", "Mary", "Alex", "Pat", "Zoë"]), min_size=2, max_size=2, unique=True),
    pets=st.lists(PETS, max_size=2),
    contacts=st.tuples(PHONES, EMAILS),
    family=st.sampled_from(FAMILY_NAMES[1:]),
)
def test_partners_are_never_joined_whatever_else_they_share(
    names: list[str], pets: list[Pet], contacts: tuple[tuple[str, ...], tuple[str, ...]], family: str
) -> None:
    phones, emails = contacts
    one, other = (
        forms_of(
            Client(id=branch, given_name=given, family_name=family, phones=phones, emails=emails),
            [replace(pet, id=f"{branch}{place}") for place, pet in enumerate(pets)],
            "GB",
        )
        for branch, given in zip("ab", names, strict=True)
    )
    assert joins([one], [other]) == {}


@given(
    phones=PHONES,
    emails=EMAILS,
    families=st.lists(st.sampled_from(["Smith", "Novák", "Brown", ""]), min_size=2, max_size=2, unique=True),
    given_name=st.sampled_from(["", "John"]),
)
def test_a_contact_alone_never_joins(
    phones: tuple[str, ...], emails: tuple[str, ...], families: list[str], given_name: str
) -> None:
    one, other = (
        forms_of(Client(id=id_, given_name=given_name, family_name=family, phones=phones, emails=emails), [], "GB")
        for id_, family in zip("ab", families, strict=True)
    )
    assert joins([one], [other]) == {}


@given(chain=chains(most=1))
def test_of_two_alike_nobody_is_joined(chain: Chain) -> None:
    here, there = chain
    twice = [there[0], there[0]._replace(client_id="b9")]
    assert joins(here, twice) == joins(twice, here) == {}


@given(chain=chains())
def test_whether_a_pet_lives_does_not_matter(chain: Chain) -> None:
    here, there = chain

    def buried(held: list[Forms]) -> list[Forms]:
        return [
            one._replace(animals=tuple(each._replace(deceased=True, active=False) for each in one.animals))
            for one in held
        ]

    assert joins(buried(here), there) == joins(here, buried(there)) == joins(here, there)


@given(chain=chains())
def test_only_what_another_branch_has_deceased_is_deceased_there(chain: Chain) -> None:
    here, there = chain
    found = joining.deceased_at(here[0], {"north": there, "south": []})
    dead = [each.name for one in there for each in one.animals if each.deceased]
    assert set(found.values()) <= {("north",)}
    assert not found or dead
    for id_ in found:
        (animal,) = (each for each in here[0].animals if each.id == id_)
        assert any(animal.name.startswith(name[:3]) for name in dead)
    marked = joining.marked(here[0], found)
    assert {each.id for each in marked.animals if each.deceased} == {
        each.id for each in here[0].animals if each.deceased or each.id in found
    }
