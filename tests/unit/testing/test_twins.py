"""Twin sides: full as a clinic's two systems are after years of typing, with the truth about every record."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.altegio import pets_field
from connectors.altegio import plugin as altegio_plugin
from connectors.altegio import simulator as altegio
from connectors.ezyvet import plugin as ezyvet_plugin
from connectors.ezyvet import simulator as ezyvet
from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.simkit import Simulator
from vetbridge.testing.twins import Booking, Card, TwinSides, Visit, make_twins
from vetbridge.testing.twins.truth import booking_id, card_id, contact_id, truth_of

TODAY = date(2026, 3, 4)
"""A Wednesday."""


@pytest.fixture(scope="module")
def full() -> TwinSides:
    return make_twins(1, today=TODAY)


def made(seed: int, visits: int) -> TwinSides:
    return make_twins(seed, today=TODAY, clients=140, visits=visits)


any_twins = st.builds(made, st.integers(0, 10_000), st.integers(10, 60))
laws = settings(max_examples=8, deadline=None)


def e164(phone: str) -> str:
    given = f"+{phone}" if phone.startswith("44") else phone
    number = phonenumbers.parse(given, "GB")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def ahead(twins: TwinSides) -> list[Booking]:
    return [booking for booking in twins.bookings if booking.start.date() > twins.today]


# -- how much of everything there is


def test_the_clinics_that_others_know_are_as_they_were() -> None:
    clinic = hashlib.sha256(repr(make_clinic(3, 400)).encode()).hexdigest()
    assert clinic == "c9abdd5fafe2e25f45a72b0860ca079cf4571e11b2a78edec711621646498b5a"


def test_the_pims_side_is_full(full: TwinSides) -> None:
    owners = full.clinic.owners
    assert len(owners) == 2000
    assert 4800 < sum(len(owner.pets) for owner in owners) < 5300
    assert 0.075 < sum(owner.duplicate_of is not None for owner in owners) / len(owners) < 0.09
    assert sum(owner.household is not None for owner in owners) > 150
    assert not any(owner.online for owner in owners)


def test_most_active_persons_have_a_card_and_some_cards_nobody_knows(full: TwinSides) -> None:
    known = {number for card in full.cards for number in (*card.owners, *card.partners)}
    first = [owner for owner in full.clinic.owners if owner.active and owner.phones and owner.duplicate_of is None]
    assert 0.80 < sum(owner.number in known for owner in first) / len(first) < 0.90
    assert 0.03 < sum(not card.owners for card in full.cards) / len(full.cards) < 0.05
    assert any(len(card.owners) > 1 for card in full.cards)
    assert any(card.both for card in full.cards)
    assert 0.42 < sum(bool(card.pets_text) for card in full.cards) / len(full.cards) < 0.55


def test_cards_have_drifted_and_most_can_still_be_recognised(full: TwinSides) -> None:
    owners = {owner.number: owner for owner in full.clinic.owners}
    drifts: Counter[str] = Counter()
    known = [card for card in full.cards if card.owners and not card.both]
    for card in known:
        owner = owners[min(card.owners)]
        drifts["name in one field"] += not card.family_name
        drifts["changed over"] += (card.given_name, card.family_name) == (owner.family_name, owner.given_name)
        drifts["other family name"] += bool(card.family_name) and card.family_name != owner.family_name
        drifts["no e-mail"] += not card.email
        drifts["old e-mail"] += bool(card.email) and card.email != owner.email
        drifts["second phone"] += e164(card.phone) in owner.phones[1:]
        drifts["unknown phone"] += e164(card.phone) not in owner.phones
        drifts["phone in another form"] += card.phone != e164(card.phone)
        drifts["as the PIMS has it"] += (card.given_name, card.family_name, card.email) == (
            owner.given_name,
            owner.family_name,
            owner.email,
        )
    assert min(drifts.values()) > 10
    assert drifts["unknown phone"] < 0.03 * len(known)
    assert drifts["as the PIMS has it"] > 0.35 * len(known)


def test_the_calendars_hold_every_kind_of_visit(full: TwinSides) -> None:
    shared = [booking for booking in ahead(full) if full.same[booking.number]]
    visits = [visit for visit in full.visits if visit.start.date() > TODAY]
    told = {visit for same in full.same.values() for visit in same}
    assert len({frozenset(full.same[booking.number]) for booking in shared}) == pytest.approx(300, abs=5)
    assert len(full.drifted) == 9
    assert sum(not full.same[booking.number] for booking in ahead(full)) == 20
    assert sum(visit.number not in told for visit in visits) == 20
    assert {len(same) for same in full.same.values()} == {0, 1, 2}
    assert max(Counter(visit for same in full.same.values() for visit in same).values()) == 2
    assert sum(booking.start.date() < TODAY for booking in full.bookings) == 100
    assert 0.1 < sum(not booking.pet_name for booking in shared) / len(shared) < 0.25
    assert min(map(len, (full.booking_blocks, full.pims_blocks))) > 10
    assert full.booking_blocks != full.pims_blocks
    cards = {card.number: card for card in full.cards}
    at: dict[object, set[str]] = defaultdict(set)
    families: dict[object, list[str]] = defaultdict(list)
    for booking in shared:
        at[booking.start].add(str(booking.vet))
        families[booking.start].append(cards[booking.card].family_name)
    assert sum(len(vets) > 1 for vets in at.values()) > 50
    assert sum(len(set(names)) < len(names) for names in families.values()) > 10


def test_some_visits_stand_on_another_registration_or_on_the_partner(full: TwinSides) -> None:
    cards = {card.number: card for card in full.cards}
    visits = {visit.number: visit for visit in full.visits}
    places: Counter[str] = Counter()
    for number, same in full.same.items():
        card = cards[full.bookings[number - 1].card]
        for visit in same:
            owner = visits[visit].owner
            places["partner"] += owner in card.partners
            places["again"] += owner in card.owners and owner != min(card.owners)
    assert places["partner"] > 3
    assert places["again"] > 3


def test_a_clinic_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        make_twins(1, today=TODAY, clients=3, visits=40)


# -- laws of any twin sides


@laws
@given(st.integers(0, 10_000))
def test_a_seed_means_the_same_sides(seed: int) -> None:
    assert made(seed, 20) == made(seed, 20)


@laws
@given(any_twins)
def test_no_two_cards_have_one_phone_nor_one_person(twins: TwinSides) -> None:
    phones = [e164(card.phone) for card in twins.cards]
    assert len(phones) == len(set(phones))
    people = [number for card in twins.cards for number in (*card.owners, *card.partners)]
    assert len(people) == len(set(people))


@laws
@given(any_twins)
def test_everything_is_numbered_from_one_on(twins: TwinSides) -> None:
    for numbered in (twins.cards, twins.bookings, twins.visits):
        rows: tuple[Card, ...] | tuple[Booking, ...] | tuple[Visit, ...] = numbered
        assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert twins.same.keys() == {booking.number for booking in twins.bookings}
    assert {visit for same in twins.same.values() for visit in same} <= {visit.number for visit in twins.visits}


@laws
@given(any_twins)
def test_a_visit_belongs_to_who_is_on_the_card_and_to_a_living_pet_of_that_record(twins: TwinSides) -> None:
    cards = {card.number: card for card in twins.cards}
    for booking in twins.bookings:
        visits = [twins.visits[number - 1] for number in twins.same[booking.number]]
        card = cards[booking.card]
        assert all(visit.owner in card.owners | card.partners for visit in visits)
        alone = list(twins.same.values()).count(twins.same[booking.number]) == 1
        assert len(visits) != 1 or not alone or visits[0].pet in booking.pets
    for visit in twins.visits:
        owner = twins.clinic.owner(visit.owner)
        assert owner.active
        assert visit.pet in {pet.number for pet in owner.pets if not pet.deceased}


@laws
@given(any_twins)
def test_a_shared_visit_has_one_time_and_vet_unless_it_drifted(twins: TwinSides) -> None:
    for booking in twins.bookings:
        for visit in (twins.visits[number - 1] for number in twins.same[booking.number]):
            apart = abs(visit.start - booking.start)
            if booking.number not in twins.drifted:
                assert (apart, visit.vet) == (timedelta(0), booking.vet)
            elif visit.vet == booking.vet:
                assert timedelta(minutes=10) <= apart <= timedelta(minutes=30)
            else:
                assert apart == timedelta(0)


@laws
@given(any_twins)
def test_no_vet_has_two_clients_at_one_time(twins: TwinSides) -> None:
    sides = (
        [(each, f"card {each.card}") for each in twins.bookings] + [(block, "") for block in twins.booking_blocks],
        [(each, f"owner {each.owner}") for each in twins.visits] + [(block, "") for block in twins.pims_blocks],
    )
    for rows in sides:
        side = sorted((each.vet, each.start, each.minutes, who) for each, who in rows)
        for (vet, start, minutes, who), (other, after, _, whose) in itertools.pairwise(side):
            if vet == other and who != whose:
                assert start + timedelta(minutes=minutes) <= after


@laws
@given(any_twins)
def test_a_pets_field_reads_as_what_reception_meant(twins: TwinSides) -> None:
    for card in twins.cards:
        assert len(card.pets_text) <= pets_field.LIMIT
        read = [(pet.name, pet.species) for pet in pets_field.decode(card.pets_text)]
        assert read == [(pet.name, pet.species) for pet in card.listed]


@laws
@given(any_twins)
def test_the_truth_speaks_of_every_card_and_booking(twins: TwinSides) -> None:
    truth = truth_of(twins)
    assert truth.clients.keys() == {card_id(card.number) for card in twins.cards}
    assert truth.visits.keys() == {booking_id(booking.number) for booking in twins.bookings}
    assert truth.people.keys() == {contact_id(owner.number) for owner in twins.clinic.owners}
    for contacts in truth.clients.values():
        assert all(truth.people[contact] == contacts for contact in contacts)
    for contact, partners in truth.households.items():
        assert all(contact in truth.households[partner] for partner in partners)


# -- what the simulators make of them


def connected(plugin: Plugin, simulator: Simulator, *secrets: str, **options: Any) -> Connector:
    given = {name: Secret.of(value) if name in secrets else value for name, value in simulator.credentials.items()}
    environment = Environment(account="twins", zone=simulator.zone, country="GB", limit_scale=1000.0)
    return plugin.build(plugin.options(base_url=simulator.base_url, **given, **options), environment)


def ids(connector: Connector, kind: Kind) -> list[str]:
    return [record.id for page in connector.changes(kind, None) for record in page.records]


def test_the_simulators_serve_them_through_the_connectors() -> None:
    twins = make_twins(5, today=TODAY, clients=140, visits=30)
    with altegio.build(twins=twins, seed=5) as booking, ezyvet.build(twins=twins, seed=5) as pims:
        platform = connected(altegio_plugin, booking, "partner_token", "user_token")
        practice = connected(
            ezyvet_plugin, pims, "client_secret", cancellation_reason=1, block_types=[str(ezyvet.BLOCK_TYPE)]
        )
        assert set(ids(platform, Kind.CLIENT)) == {card_id(card.number) for card in twins.cards}
        assert len(ids(platform, Kind.PET)) == sum(len(card.listed) for card in twins.cards)
        assert set(ids(platform, Kind.APPOINTMENT)) == {booking_id(each.number) for each in twins.bookings}
        placeholder = 1
        assert len(ids(practice, Kind.CLIENT)) == len(twins.clinic.owners) + placeholder
        assert len(ids(practice, Kind.PET)) == sum(len(owner.pets) for owner in twins.clinic.owners) + placeholder
        assert len(ids(practice, Kind.APPOINTMENT)) == len(twins.visits)
        row = platform.get(Kind.APPOINTMENT, booking_id(1))
        assert row is not None
        assert row["client_id"] == card_id(twins.bookings[0].card)
        assert (booking.counts()["write_requests"], pims.counts()["write_requests"]) == (0, 0)
        platform.close()
        practice.close()


def test_a_kept_store_of_twins_is_served_again_as_it_is(tmp_path: Any) -> None:
    twins = make_twins(5, today=TODAY, clients=140, visits=10)
    with altegio.build(twins=twins, data=tmp_path):
        pass
    with altegio.build(data=tmp_path) as again:
        assert len(again.store.all("client")) == len(twins.cards)


def test_a_simulator_that_knows_no_twins_says_so() -> None:
    class Bare(Simulator):
        vendor = "bare"

    with pytest.raises(ValueError, match="bare takes no twins"):
        Bare(twins=make_twins(5, today=TODAY, clients=140, visits=10))
