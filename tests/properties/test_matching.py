"""What holds for the matcher whatever the records are."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import replace
from datetime import date
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from tests.matching import clinic_of, decided
from vetbridge.core.matching import REASONS, VETOES, Verdict, forms_of, home_keys, keys, shipped, weighing
from vetbridge.core.matching.comparing import COMMON, LEVELS, MISSING, Compared
from vetbridge.core.matching.observing import observe
from vetbridge.core.records import Client, Pet

Record = tuple[Client, tuple[Pet, ...]]
UNCALIBRATED = replace(shipped(), calibration=())
BY_PERSON = {"contacts-contradict"}
"""The one veto that a person's word, or a link, overrules."""

GIVEN_NAMES = st.sampled_from(["", "John", "Jon", "J", "Mary", "Zoë", "Eva (für Mary)", "Mary & John Smith"])
FAMILY_NAMES = st.sampled_from(["", "Smith", "Smyth", "Novák", "O'Brien", "Müller"])
PET_NAMES = st.sampled_from(
    ["", "Rex", "Rexy", "Bella", "Bela", "Molly", "Polly", "Luna", "Bella Novák", "Rex the dog"]
)
PHONES = st.lists(st.sampled_from(["+447700900123", "+447700900456", "+447700900789"]), max_size=2).map(tuple)
EMAILS = st.lists(st.sampled_from(["rita.b@example.com", "c.d@example.com"]), max_size=1).map(tuple)
HOSTILE = st.text(alphabet=st.characters(), max_size=30)

BOOKERS = st.builds(
    Client,
    given_name=GIVEN_NAMES,
    family_name=FAMILY_NAMES,
    phones=PHONES,
    emails=EMAILS,
    street=st.sampled_from(["", "1 Årud Road", "7 Mill Lane"]),
    postcode=st.sampled_from(["", "AB1 2CD"]),
)
BOOKED = st.none() | st.builds(
    Pet,
    name=PET_NAMES,
    species=st.sampled_from([None, "dog", "Kater"]),
    breed=st.sampled_from(["", "Bernhardiner", "Mischling"]),
    sex=st.sampled_from([None, "Hündin", "male"]),
    birth_date=st.sampled_from([None, date(2020, 1, 1), date(2020, 1, 2), date(2023, 7, 1)]),
)


@st.composite
def records(draw: st.DrawFn, at_least: int = 0) -> list[Record]:
    found = []
    for number in range(draw(st.integers(at_least, 4))):
        client = replace(
            draw(BOOKERS),
            id=f"c{number}",
            active=draw(st.sampled_from([True, True, True, False])),
            co_owners=draw(st.sampled_from([(), (), ("Mary",), ("Eva Novák", "Zoë Smith")])),
        )
        pets = tuple(
            replace(
                draw(BOOKED) or Pet(),
                id=f"p{number}{index}",
                deceased=draw(st.sampled_from([False, False, True])),
            )
            for index in range(draw(st.integers(0, 3)))
        )
        found.append((client, pets))
    return found


# -- more agreement -------------------------------------------------------------------------------------------

FREQUENCIES = st.floats(1e-6, 0.2)
"""How often a name is met: the commonest family name of a country may be that of every fifth."""


@given(
    levels=st.tuples(*(st.sampled_from([*levels, MISSING]) for levels in LEVELS.values())),
    field=st.sampled_from(list(LEVELS)),
    names=st.tuples(FREQUENCIES, FREQUENCIES, FREQUENCIES),
    owners=st.sampled_from([1, 200, 10_000, 1_000_000]),
    pets=st.integers(0, 60),
)
@example(levels=(MISSING,) * 10, field="family_name", names=(0.1, 0.01, 0.01), owners=10_000, pets=1)
@example(levels=(MISSING,) * 10, field="given_name", names=(0.001, 0.1, 0.01), owners=10_000, pets=1)
@example(levels=(MISSING,) * 10, field="pet_name", names=(0.001, 0.01, 0.02), owners=10_000, pets=10)
def test_more_agreement_never_weighs_less(
    levels: tuple[str, ...], field: str, names: tuple[float, float, float], owners: int, pets: int
) -> None:
    clinic = weighing.Clinic(owners, {})
    shares = shipped().shares
    contacts = (shares[name] / max(owners, 50) for name in ("recycled_phone", "recycled_email", "same_address"))
    by_chance = weighing.Chances(*contacts, *names)
    place = list(LEVELS).index(field)
    linking = []
    for level in LEVELS[field]:
        compared = Compared(*levels[:place], level, *levels[place + 1 :], None, several=False)
        linking.append(weighing.odds(compared, by_chance, pets, 0.001, clinic, shipped()).linking)
    for more, less in pairwise(linking):
        assert more >= less * (1 - 1e-9), dict(zip(LEVELS[field], linking, strict=True))


@given(
    levels=st.tuples(*(st.sampled_from([*levels, MISSING]) for levels in LEVELS.values())),
    field=st.sampled_from(list(LEVELS)),
)
def test_what_is_missing_or_common_weighs_nothing(levels: tuple[str, ...], field: str) -> None:
    by_chance = weighing.Chances(1e-5, 1e-6, 1e-5, 0.001, 0.01, 0.01)
    place = list(LEVELS).index(field)
    found = set()
    for level in (MISSING, COMMON):
        compared = Compared(*levels[:place], level, *levels[place + 1 :], None, several=False)
        steps = dict(weighing.steps(compared, by_chance, 1, 0.001, weighing.Clinic(2_000, {}), shipped()))
        found.add(steps[field])
    assert found == {0.0}


# -- what does not matter -------------------------------------------------------------------------------------


@given(booker=BOOKERS, pet=BOOKED, known=records(), data=st.data())
def test_the_order_of_records_does_not_matter(
    booker: Client, pet: Pet | None, known: list[Record], data: st.DataObject
) -> None:
    shuffled = [(client, tuple(data.draw(st.permutations(pets)))) for client, pets in known]
    assert decided(booker, pet, known) == decided(booker, pet, data.draw(st.permutations(shuffled)))


@given(booker=BOOKERS, pet=BOOKED, known=records())
def test_a_co_owner_who_is_like_nobody_changes_nothing(booker: Client, pet: Pet | None, known: list[Record]) -> None:
    alone = [(replace(client, co_owners=()), pets) for client, pets in known]
    owned = [(replace(client, co_owners=("Xerxes Quagga",)), pets) for client, pets in known]
    assert decided(booker, pet, owned) == decided(booker, pet, alone)


@given(booker=BOOKERS, pet=BOOKED, known=records())
def test_nobody_is_linked_by_a_co_owners_name_alone(booker: Client, pet: Pet | None, known: list[Record]) -> None:
    found = decided(booker, pet, known)
    if found.verdict is Verdict.LINKED and any(one.field == "co_owner" for one in found.evidence):
        assert any(one.field in ("phone", "email") and one.level == "exact" for one in found.evidence)


def without_accents(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def rewritten(client: Client) -> Client:
    return replace(
        client,
        given_name=f"  {without_accents(client.given_name).upper()} ",
        family_name=without_accents(client.family_name).replace("'", "’").upper(),
        phones=tuple(f"0{number[3:7]} {number[7:]}" for number in client.phones),
        emails=tuple(address.upper() for address in client.emails),
        street=without_accents(client.street).upper(),
        postcode=client.postcode.lower(),
    )


def rewritten_pet(pet: Pet) -> Pet:
    return replace(
        pet,
        name=pet.name and f"{without_accents(pet.name).upper()} (bites)",
        species=pet.species and pet.species.upper(),
        breed=pet.breed.upper(),
        sex=pet.sex and without_accents(pet.sex).upper(),
    )


@given(booker=BOOKERS, pet=BOOKED, known=records())
@example(
    booker=Client(given_name="Eva (für Mary)", family_name="Smith", phones=("+447700900123",)),
    pet=None,
    known=[(Client(id="c0", given_name="Eva", family_name="Smith", phones=("+447700900123",)), ())],
)
@example(
    booker=Client(given_name="Eva", family_name="Smith", phones=("+447700900123",)),
    pet=Pet(name="Bella", sex="Hündin"),
    known=[
        (
            Client(id="c0", given_name="Eva", family_name="Smith", phones=("+447700900123",)),
            (Pet(id="p0", name="Bella", sex="female"),),
        )
    ],
)
@example(
    booker=Client(given_name="Eva", family_name="Smith", phones=("+447700900123",)),
    pet=Pet(name="Rex the dog"),
    known=[
        (
            Client(id="c0", given_name="Eva", family_name="Smith", phones=("+447700900123",)),
            (Pet(id="p0", name="Rex"),),
        )
    ],
)
def test_case_accents_and_the_format_of_a_phone_do_not_matter(
    booker: Client, pet: Pet | None, known: list[Record]
) -> None:
    plain = decided(booker, pet, known)
    other = decided(rewritten(booker), pet and rewritten_pet(pet), known)
    assert (plain.verdict, plain.reason, plain.client_id, plain.pet_id) == (
        other.verdict,
        other.reason,
        other.client_id,
        other.pet_id,
    )
    assert [(one.client_id, one.score, one.bits) for one in plain.candidates] == [
        (one.client_id, one.score, one.bits) for one in other.candidates
    ]
    their = decided(booker, pet, [(rewritten(client), tuple(map(rewritten_pet, pets))) for client, pets in known])
    assert (plain.verdict, plain.client_id, plain.probability) == (their.verdict, their.client_id, their.probability)


# -- who is never linked --------------------------------------------------------------------------------------


@given(booker=BOOKERS, pet=BOOKED, known=records(at_least=1))
def test_of_two_with_equal_evidence_neither_is_linked(booker: Client, pet: Pet | None, known: list[Record]) -> None:
    client, pets = known[0]
    again = (replace(client, id="twin"), tuple(replace(one, id=f"twin-{one.id}") for one in pets))
    assert decided(booker, pet, [*known, again], blocked=False).client_id not in (client.id, "twin")


SURE = st.fixed_dictionaries(
    {}, optional={"linked_to": st.sampled_from(["c0", "c1"]), "taught": st.sampled_from(["c0", "c1"])}
)


@given(booker=BOOKERS, pet=BOOKED, known=records(), sure=SURE)
def test_the_answer_keeps_its_promises(
    booker: Client, pet: Pet | None, known: list[Record], sure: dict[str, str]
) -> None:
    found = decided(booker, pet, known, **sure)
    by_id = {client.id: (client, pets) for client, pets in known}
    assert found.reason in REASONS
    assert 0 <= found.probability <= 1
    assert all(0 <= one.score <= 1 and set(one.vetoes) <= set(VETOES) for one in found.candidates)
    assert (found.client_id is not None) == (found.verdict is Verdict.LINKED)
    assert found.verdict is Verdict.LINKED or (found.pet_id is None and found.pet_doubt == "")
    if found.client_id is not None:
        first = found.candidates[0]
        assert (first.client_id, first.pet_id) == (found.client_id, found.pet_id)
        assert set(first.vetoes) <= (BY_PERSON if found.client_id in sure.values() else set())
        client, pets = by_id[found.client_id]
        assert client.active
        if found.pet_id is not None:
            assert found.pet_doubt == ""
            linked = next(one for one in pets if one.id == found.pet_id)
            assert not linked.deceased
            assert linked.active
    if found.verdict is Verdict.NEW:
        assert booker.given_name or booker.family_name


VETOED = st.sampled_from(["inactive", "deceased", "pet inactive", "species", "birth date", "for another"])


@given(booker=BOOKERS, pet=BOOKED, known=records(at_least=1), sure=SURE, veto=VETOED)
def test_a_veto_caps_whatever_else_agrees(
    booker: Client, pet: Pet | None, known: list[Record], sure: dict[str, str], veto: str
) -> None:
    """The first record has all that the booking says, word for word, and one thing against it."""
    named = replace(pet or Pet(), name=(pet and pet.name) or "Rex")
    booked = replace(named, species="dog", birth_date=date(2020, 1, 1))
    theirs = replace(
        booked,
        id="p0",
        deceased=veto == "deceased",
        active=veto != "pet inactive",
        species="cat" if veto == "species" else "dog",
        birth_date=date(2016, 5, 7) if veto == "birth date" else booked.birth_date,
    )
    if veto == "for another":
        booker = replace(booker, given_name="Dogsitter")
    same = (replace(booker, id="c0", active=veto != "inactive"), (theirs,))
    found = decided(booker, booked, [same, *known[1:]], **sure)
    assert found.client_id != "c0"
    assert found.pet_id != "p0"


# -- what is shown --------------------------------------------------------------------------------------------


@given(
    booker=BOOKERS,
    pet=BOOKED,
    known=records(at_least=1),
    owners=st.sampled_from([4, 2_000, 100_000]),
    says=st.sampled_from([None, True, False]),
)
@example(
    booker=Client(given_name="Eva", family_name="Smith", phones=("+447700900123",)),
    pet=None,
    known=[(Client(id="c0", given_name="Eva", family_name="Smith", active=False, phones=("+447700900123",)), ())],
    owners=2_000,
    says=None,
)
@example(
    booker=Client(given_name="Eva Smith", phones=("+447700900123",)),
    pet=None,
    known=[(Client(id="c0", given_name="Eva Smith", phones=("+447700900123",)), ())],
    owners=2_000,
    says=None,
)
def test_the_evidence_adds_up_to_the_odds(
    booker: Client, pet: Pet | None, known: list[Record], owners: int, says: bool | None
) -> None:
    found = decided(booker, pet, known, owners=owners, blocked=False, claims_existing=says, weights=UNCALIBRATED)
    booking = forms_of(booker, [pet] if pet else [], "GB")
    of = {client.id or "": forms_of(client, pets, "GB") for client, pets in known}
    clinic = clinic_of(booking, of.values(), owners)
    seen = observe(found, booking, of, clinic, UNCALIBRATED, claims_existing=says)
    for candidate, odds, one in zip(found.candidates, seen.odds(UNCALIBRATED), seen.seen, strict=True):
        rounding = 0.005 * (len(candidate.evidence) + 1)
        assert abs(sum(each.weight for each in candidate.evidence) - candidate.bits) <= 0.0051
        assert abs(math.log2(odds.linking + one.partner) - candidate.bits) <= rounding, candidate.evidence
    mass = 1 + sum(2**one.bits for one in found.candidates)
    for candidate in found.candidates[1:]:
        assert abs(2**candidate.bits / mass - candidate.score) <= 0.02


@given(
    names=st.tuples(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    contacts=st.tuples(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    known=records(),
    country=st.sampled_from(["GB", "", "zz"]),
)
def test_hostile_text_never_crashes(
    names: tuple[str, ...], contacts: tuple[str, ...], known: list[Record], country: str
) -> None:
    given_name, family_name, name, species, breed, sex = names
    phone, email, street, postcode = contacts
    client = Client(
        given_name=given_name,
        family_name=family_name,
        phones=(phone,),
        emails=(email,),
        street=street,
        postcode=postcode,
        city=street,
    )
    pet = Pet(name=name, species=species, breed=breed, sex=sex)
    own = (replace(client, id="own"), (replace(pet, id="own"),))
    found = decided(client, pet, [*known, own], country=country, blocked=False)
    assert found == decided(client, pet, [own, *known], country=country, blocked=False)
    for candidate in found.candidates:
        for item in candidate.evidence:
            shown = item.here + item.there
            assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cs", "Co", "Zl", "Zp"}
    assert keys(forms_of(client, [pet], country)) == keys(forms_of(*own, country))


@given(booker=BOOKERS, pet=BOOKED, known=records(at_least=1))
def test_who_may_be_linked_shares_a_key(booker: Client, pet: Pet | None, known: list[Record]) -> None:
    """With the booking, or as one of the household of somebody who does."""
    found = decided(booker, pet, known, blocked=False)
    if found.client_id is None:
        return
    booking = forms_of(booker, [pet] if pet else [], "GB")
    of = {client.id: forms_of(client, pets, "GB") for client, pets in known}
    sharing = [one for one in of.values() if keys(one) & keys(booking)]
    linked = of[found.client_id]
    assert linked in sharing or any(home_keys(linked) & home_keys(one) for one in sharing)
