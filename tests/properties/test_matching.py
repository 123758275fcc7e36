"""What holds for the matcher whatever the records are."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from vetbridge.core.matching import Known, Verdict, blocking_keys, match
from vetbridge.core.records import Client, Pet

GIVEN_NAMES = st.sampled_from(["", "John", "Jon", "J", "Mary", "Zoë"])
FAMILY_NAMES = st.sampled_from(["", "Smith", "Smyth", "Novák", "O'Brien", "Müller"])
PET_NAMES = st.sampled_from(["", "Rex", "Rexy", "Bella", "Bela", "Molly", "Polly", "Luna", "Lena"])
PHONES = st.lists(st.sampled_from(["+447700900123", "+447700900456", "+447700900789"]), max_size=2).map(tuple)
EMAILS = st.lists(st.sampled_from(["a.b@example.com", "c.d@example.com"]), max_size=1).map(tuple)
HOSTILE = st.text(alphabet=st.characters(), max_size=30)

BOOKERS = st.builds(Client, given_name=GIVEN_NAMES, family_name=FAMILY_NAMES, phones=PHONES, emails=EMAILS)
BOOKED = st.none() | st.builds(
    Pet,
    name=PET_NAMES,
    species=st.sampled_from([None, "dog", "cat"]),
    birth_date=st.sampled_from([None, date(2020, 1, 1), date(2021, 1, 1)]),
)


@st.composite
def known(draw: st.DrawFn, at_least: int = 0) -> list[Known]:
    count = draw(st.integers(at_least, 4))
    result = []
    for number in range(count):
        client = replace(draw(BOOKERS), id=f"c{number}", active=draw(st.sampled_from([True, True, True, False])))
        pets = tuple(
            replace(
                draw(BOOKED) or Pet(),
                id=f"p{number}{index}",
                deceased=draw(st.sampled_from([False, False, True])),
            )
            for index in range(draw(st.integers(0, 3)))
        )
        result.append(Known(client, pets))
    return result


@given(booker=BOOKERS, pet=BOOKED, records=known(), data=st.data())
def test_the_order_of_records_does_not_matter(
    booker: Client, pet: Pet | None, records: list[Known], data: st.DataObject
) -> None:
    shuffled = [replace(one, pets=tuple(data.draw(st.permutations(one.pets)))) for one in records]
    shuffled = data.draw(st.permutations(shuffled))
    assert match(booker, pet, records, country="GB") == match(booker, pet, shuffled, country="GB")


def rewritten(client: Client) -> Client:
    return replace(
        client,
        given_name=f"  {client.given_name.upper()} ",
        family_name=client.family_name.replace("á", "a").replace("ü", "u").replace("'", "’").upper(),
        phones=tuple(f"0{number[3:7]} {number[7:]}" for number in client.phones),
        emails=tuple(address.upper() for address in client.emails),
    )


@given(booker=BOOKERS, pet=BOOKED, records=known())
def test_writing_does_not_matter(booker: Client, pet: Pet | None, records: list[Known]) -> None:
    plain = match(booker, pet, records, country="GB")
    other = match(rewritten(booker), pet and replace(pet, name=f"{pet.name.upper()} (bites)"), records, country="GB")
    assert (plain.verdict, plain.reason) == (other.verdict, other.reason)
    assert (plain.client_id, plain.pet_id) == (other.client_id, other.pet_id)
    assert [(one.client_id, one.score) for one in plain.candidates] == [
        (one.client_id, one.score) for one in other.candidates
    ]


@given(booker=BOOKERS, pet=BOOKED, records=known(at_least=1))
def test_equal_evidence_on_two_candidates_never_links(booker: Client, pet: Pet | None, records: list[Known]) -> None:
    twin = records[0]
    again = Known(replace(twin.client, id="twin"), tuple(replace(one, id=f"twin-{one.id}") for one in twin.pets))
    found = match(booker, pet, [*records, again], country="GB")
    assert found.client_id not in (twin.client_id, "twin")


@given(booker=BOOKERS, pet=BOOKED, records=known())
def test_the_answer_keeps_its_promises(booker: Client, pet: Pet | None, records: list[Known]) -> None:
    found = match(booker, pet, records, country="GB")
    clients = {one.client_id: one for one in records}
    assert (found.client_id is not None) == (found.verdict is Verdict.LINKED)
    if found.verdict is Verdict.NEW:
        assert found.candidates == ()
        shared = {key for key in blocking_keys(booker, [], "GB") if not key.startswith("name:")}
        assert not any(shared & blocking_keys(one.client, [], "GB") for one in records)
    if found.verdict is Verdict.LINKED:
        assert found.client_id is not None
        chosen = clients[found.client_id]
        assert found.candidates[0].client_id == found.client_id
        assert found.candidates[0].vetoes == ()
        assert chosen.client.active
        assert set(booker.phones) & set(chosen.client.phones) or set(booker.emails) & set(chosen.client.emails)
        if found.pet_id is not None:
            linked = next(one for one in chosen.pets if one.id == found.pet_id)
            assert not linked.deceased
            assert None in (pet and pet.species, linked.species) or (pet and pet.species == linked.species)


@given(booker=BOOKERS, pet=BOOKED, records=known())
def test_an_inactive_client_is_never_linked(booker: Client, pet: Pet | None, records: list[Known]) -> None:
    found = match(booker, pet, records, country="GB")
    if found.client_id is None:
        return
    capped = [
        replace(one, client=replace(one.client, active=False)) if one.client_id == found.client_id else one
        for one in records
    ]
    assert match(booker, pet, capped, country="GB").client_id != found.client_id


@given(booker=BOOKERS, pet=BOOKED, records=known())
def test_a_dead_pet_is_never_linked(booker: Client, pet: Pet | None, records: list[Known]) -> None:
    found = match(booker, pet, records, country="GB")
    if found.pet_id is None:
        return
    capped = [
        replace(one, pets=tuple(replace(pet, deceased=pet.deceased or pet.id == found.pet_id) for pet in one.pets))
        for one in records
    ]
    assert match(booker, pet, capped, country="GB").pet_id != found.pet_id


@given(
    names=st.tuples(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    contacts=st.tuples(HOSTILE, HOSTILE),
    records=known(),
    country=st.sampled_from(["GB", "", "zz"]),
)
def test_hostile_text_never_crashes(
    names: tuple[str, str, str, str], contacts: tuple[str, str], records: list[Known], country: str
) -> None:
    client = Client(given_name=names[0], family_name=names[1], phones=(contacts[0],), emails=(contacts[1],))
    pet = Pet(name=names[2], species=names[3])
    own = Known(replace(client, id="own"), (replace(pet, id="own"),))
    found = match(client, pet, [*records, own], country=country)
    assert found.candidates == match(client, pet, [*records, own], country=country).candidates
    for item in found.evidence:
        assert not {unicodedata.category(character) for character in item.here} & {"Cc", "Cs", "Co", "Zl", "Zp"}
    assert blocking_keys(client, [pet], country) == blocking_keys(own.client, own.pets, country)


@given(booker=BOOKERS, pet=BOOKED, records=known(at_least=1))
def test_who_may_be_linked_shares_a_blocking_key(booker: Client, pet: Pet | None, records: list[Known]) -> None:
    found = match(booker, pet, records, country="GB")
    keys = blocking_keys(booker, [pet] if pet else [], "GB")
    for one in records:
        if one.client_id == found.client_id:
            assert keys & blocking_keys(one.client, one.pets, "GB")
