"""Laws of recognising what was typed from the work list, on days with few times and names, where much coincides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vetbridge.core import by_hand
from vetbridge.core.by_hand import Recognised, Typed, Wanted, recognise
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Pet

ZONE = "Europe/Berlin"
MONDAY = datetime(2026, 12, 7, 8)  # noqa: DTZ001 - the practice's clock
GIVEN = ("Ann", "Bert", "Carla", "Dieter")
FAMILY = ("Hill", "Stone", "Winter")
PETS = ("Rex", "Bella", "Minka")


def at(wall: datetime) -> Instant:
    return Instant.from_local(wall, ZONE)


@dataclass(frozen=True)
class Person:
    """Somebody who books or telephones, known or new at the practice."""

    number: int
    is_known: bool

    def client(self, **more: Any) -> Client:
        given, family = GIVEN[self.number % 4], FAMILY[self.number % 3]
        return Client(given_name=given, family_name=family, phones=(f"030 {4411000 + self.number * 137}",), **more)

    @property
    def id(self) -> str:
        return f"c{self.number}"

    def card(self) -> Client:
        return self.client(id=self.id)

    def pet(self, place: int) -> Pet:
        return Pet(id=f"{self.id}p{place}", client_id=self.id, name=PETS[(self.number + place) % 3], species="dog")


def wanted(key: int, person: Person, pet: int, start: datetime, resource: str | None, *, ticked: bool) -> Wanted:
    booked = person.pet(pet)
    return Wanted(
        key=key,
        start=at(start),
        duration=900,
        resource=resource,
        appointment_type="checkup",
        client_id=person.id if person.is_known else None,
        pet_id=booked.id if person.is_known else None,
        booker=person.client(),
        booked_pet=replace(booked, id=None, client_id=None),
        stamp=f"VB-{key:010}",
        is_ticked=ticked,
    )


def typed(id_: str, person: Person | None, pet: int | None, start: datetime, resource: str | None = "vet_1") -> Typed:
    return Typed(
        id=id_,
        start=at(start),
        duration=900,
        resource=resource,
        appointment_type="checkup",
        client=person.card() if person else None,
        pet=person.pet(pet) if person is not None and pet is not None else None,
        stamp="",
    )


def right(id_: str, line: Wanted, person: Person, pet: int) -> Typed:
    """The line, typed without a mistake."""
    return replace(typed(id_, person, pet, MONDAY), start=line.start, resource=line.resource)


PEOPLE = [Person(number, number % 2 == 0) for number in range(12)]
STARTS = [MONDAY + timedelta(minutes=minutes) for minutes in (0, 10, 15, 60, 70, 75, 12 * 60)]
STARTS += [MONDAY + timedelta(days=days) for days in (7, 14)]


@st.composite
def days(draw: st.DrawFn) -> tuple[list[Wanted], list[Typed]]:
    """Lines and visits of a few people at few times: much is alike, much is missing, some bear a stamp."""
    who, when, vet = st.sampled_from(PEOPLE[:4]), st.sampled_from(STARTS), st.sampled_from(["vet_1", "vet_2", None])
    lines = [
        wanted(key, draw(who), draw(st.integers(0, 1)), draw(when), draw(vet), ticked=draw(st.booleans()))
        for key in range(draw(st.integers(0, 5)))
    ]
    stamps = st.sampled_from(["", "", "", *(line.stamp for line in lines)])
    visits = [
        replace(
            typed(f"v{n}", draw(st.none() | who), draw(st.none() | st.integers(0, 1)), draw(when), draw(vet)),
            stamp=draw(stamps),
            duration=draw(st.sampled_from([0, 900, 1800])),
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    return lines, visits


@given(days(), st.randoms(use_true_random=False))
def test_the_order_of_lines_and_visits_does_not_matter(day: tuple[list[Wanted], list[Typed]], dice: Any) -> None:
    lines, visits = day
    before = recognise(lines, visits, country="DE")
    mixed_lines, mixed_visits = dice.sample(lines, len(lines)), dice.sample(visits, len(visits))
    assert recognise(mixed_lines, mixed_visits, country="DE") == before


@given(days())
def test_a_visit_is_one_line_at_the_most_and_never_a_strangers(day: tuple[list[Wanted], list[Typed]]) -> None:
    lines, visits = day
    by_key, by_id = {one.key: one for one in lines}, {one.id: one for one in visits}
    found = recognise(lines, visits, country="DE")
    ids = [id_ for one in found.values() for id_ in (one.id, *one.again)]
    assert len(set(ids)) == len(ids)
    for key, one in found.items():
        booker, client = by_key[key].booker, by_id[one.id].client
        assert client is None or client.family_name == booker.family_name or client.phones == booker.phones


@given(days())
def test_all_that_is_not_named_as_a_mistake_agrees(day: tuple[list[Wanted], list[Typed]]) -> None:
    lines, visits = day
    by_key, by_id = {one.key: one for one in lines}, {one.id: one for one in visits}
    for key, one in recognise(lines, visits, country="DE").items():
        line, visit = by_key[key], by_id[one.id]
        assert (visit.start == line.start) is (by_hand.TIME not in one.mistakes)
        differs = None not in (visit.resource, line.resource) and visit.resource != line.resource
        assert differs is (by_hand.RESOURCE in one.mistakes)
        if visit.pet is not None and line.pet_id is not None and by_hand.CLIENT not in one.mistakes:
            assert (visit.pet.id != line.pet_id) is (by_hand.PET in one.mistakes)
        hard = {by_hand.TIME, by_hand.RESOURCE, by_hand.CLIENT, by_hand.PET} & one.mistakes.keys()
        assert len(hard) <= 1 or hard == {by_hand.CLIENT, by_hand.PET} or visit.stamp == line.stamp


Line = tuple[Wanted, Person, int]


@st.composite
def perfect_days(draw: st.DrawFn) -> tuple[list[Line], list[Typed]]:
    """Lines of different people, and visits of strangers by telephone, each in a place of its own in the diary."""
    places = [(start, vet) for start in STARTS[:7] for vet in ("vet_1", "vet_2")]
    taken = draw(st.permutations(places))[: draw(st.integers(2, 10))]
    people = draw(st.permutations(PEOPLE))
    lines = [
        (wanted(key, person, key % 2, start, vet, ticked=draw(st.booleans())), person, key % 2)
        for key, (person, (start, vet)) in enumerate(zip(people[:6], taken, strict=False))
    ]
    strangers = [
        typed(f"s{n}", person, n % 2, start, vet)
        for n, (person, (start, vet)) in enumerate(zip(people[6:], taken[6:], strict=False))
    ]
    return lines, strangers


def all_right(lines: list[Line]) -> list[Typed]:
    return [right(f"v{line.key}", line, person, pet) for line, person, pet in lines]


@given(perfect_days())
def test_a_day_without_mistakes_is_recognised_whole(day: tuple[list[Line], list[Typed]]) -> None:
    lines, strangers = day
    found = recognise([line for line, _, _ in lines], [*strangers, *all_right(lines)], country="DE")
    assert found == {line.key: Recognised(key=line.key, id=f"v{line.key}") for line, _, _ in lines}


def _shifted(**by: int) -> Callable[[Typed, Person], Typed]:
    return lambda one, _: replace(one, start=at(one.start.at_site().replace(tzinfo=None) + timedelta(**by)))


def _other_half(one: Typed, person: Person) -> Typed:
    return _shifted(hours=12 if one.start.at_site().hour < 12 else -12)(one, person)


def _slipped_phone(one: Typed, person: Person) -> Typed:
    phone = person.client().phones[0]
    last = "7" if phone[-1] != "7" else "3"
    return replace(one, client=replace(person.card(), phones=(phone[:-1] + last,)))


def _slipped_family(one: Typed, person: Person) -> Typed:
    family = person.client().family_name
    return replace(one, client=replace(person.card(), family_name=family[:2] + "x" + family[3:]))


def _slipped_pet(one: Typed, person: Person) -> Typed:
    assert one.pet is not None
    name = one.pet.name
    return replace(one, pet=replace(one.pet, name=name[0] + "y" + name[2:]))


def _namesake(one: Typed, person: Person) -> Typed:
    other = replace(person.card(), id="c99", given_name="Zora", phones=("0171 5550001",))
    return replace(one, client=other, pet=Pet(id="c99p0", client_id="c99", name="Wuschel"))


def _same_name(one: Typed, person: Person) -> Typed:
    return replace(_namesake(one, person), client=replace(person.card(), id="c99", phones=("0171 5550001",)))


def _other_pet(one: Typed, person: Person) -> Typed:
    place = next(place for place in (0, 1) if one.pet is not None and person.pet(place).id != one.pet.id)
    return replace(one, pet=person.pet(place))


ANYBODY: Mapping[str, tuple[Callable[[Typed, Person], Typed], set[str]]] = {
    "an hour early": (_shifted(hours=-1), {"start"}),
    "an hour late": (_shifted(hours=1), {"start"}),
    "ten minutes": (_shifted(minutes=10), {"start"}),
    "a quarter": (_shifted(minutes=-15), {"start"}),
    "morning for evening": (_other_half, {"start"}),
    "the other vet": (lambda one, _: replace(one, resource="vet_3"), {"resource"}),
    "the other pet": (_other_pet, {"pet_id"}),
    "too long": (lambda one, _: replace(one, duration=2700), {"duration"}),
    "another type": (lambda one, _: replace(one, appointment_type="surgery"), {"appointment_type"}),
}
TICKED: Mapping[str, tuple[Callable[[Typed, Person], Typed], set[str]]] = {
    "half an hour": (_shifted(minutes=30), {"start"}),
    "a week late": (_shifted(days=7), {"start"}),
    "last year": (lambda one, _: replace(one, start=at(MONDAY.replace(year=2025))), {"start"}),
    "day and month": (lambda one, _: replace(one, start=at(MONDAY.replace(month=7, day=12))), {"start"}),
    "a namesake": (_namesake, {"client_id", "pet_id"}),
    "one of the same name": (_same_name, {"client_id", "pet_id"}),
}
NEW: Mapping[str, tuple[Callable[[Typed, Person], Typed], set[str]]] = {
    "a digit": (_slipped_phone, {"phones"}),
    "a letter of the family name": (_slipped_family, {"family_name"}),
    "a letter of the pet's name": (_slipped_pet, {"pet_name"}),
}


@given(perfect_days(), st.sampled_from([*ANYBODY, *TICKED, *NEW]))
def test_one_mistake_on_a_day_is_found_and_named(day: tuple[list[Line], list[Typed]], name: str) -> None:
    lines, strangers = day
    first, person, pet = lines[0]
    if name in TICKED:
        first = replace(first, is_ticked=True)
    if name in ("last year", "day and month"):
        first = replace(first, start=at(MONDAY))
    if name in NEW:
        person = replace(person, is_known=False)
        first = replace(first, client_id=None, pet_id=None)
    lines[0] = (first, person, pet)
    mistake, fields = {**ANYBODY, **TICKED, **NEW}[name]
    visits = all_right(lines)
    visits[0] = mistake(visits[0], person)
    found = recognise([line for line, _, _ in lines], [*strangers, *visits], country="DE")
    assert {key: one.id for key, one in found.items()} == {line.key: f"v{line.key}" for line, _, _ in lines}
    assert set(found[first.key].mistakes) == fields
    assert not any(one.mistakes for key, one in found.items() if key != first.key)
