"""The audit of going live notices every fault that is planted, and nothing else; so does it after a day of people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.altegio import pets_field
from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from tests.ledgers import ledger_place
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts, links
from vetbridge.ledger.database import open_ledger
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import Simulator
from vetbridge.testing.twins import TwinSides, make_twins
from vetbridge.testing.twins.audit import (
    NOBODY,
    Audit,
    PairedIds,
    PeopleDid,
    Snapshot,
    Touched,
    Wrong,
    audit,
    pairs_in,
    snapshot,
)
from vetbridge.testing.twins.day import Played, play_day
from vetbridge.testing.twins.truth import Truth, booking_id, card_id, truth_of, visit_id

TWINS = make_twins(6, today=date(2026, 3, 4), clients=140, visits=40)


@dataclass
class World:
    """Both sides, and what they were."""

    twins: TwinSides
    booking: Simulator
    pims: Simulator
    truth: Truth
    before: Snapshot

    def audit(self, *pairs: PairedIds, truth: Truth | None = None, people: PeopleDid = NOBODY) -> Audit:
        return audit(self.before, snapshot(self.booking, self.pims), pairs, truth or self.truth, people)

    def put(self, side: Simulator, kind: str, id_: str | int, **values: Any) -> None:
        side.store.put(kind, int(id_), {**(side.store.get(kind, int(id_)) or {}), **values})

    def copy(self, side: Simulator, kind: str, id_: str | int, **values: Any) -> str:
        return str(side.store.insert(kind, {**(side.store.get(kind, int(id_)) or {}), **values}))


@pytest.fixture
def world() -> Iterator[World]:
    booking, pims = altegio.build(twins=TWINS, seed=6), ezyvet.build(twins=TWINS, seed=6)
    yield World(TWINS, booking, pims, truth_of(TWINS), snapshot(booking, pims))
    booking.stop()
    pims.stop()


@pytest.fixture
def played(world: World) -> Played:
    world.booking.start()
    world.pims.start()
    return play_day(world.twins, world.truth, world.booking, world.pims)


def findings(found: Audit) -> list[tuple[Wrong, str, str, str]]:
    return [(one.wrong, one.side, one.kind, one.id) for one in found.findings]


def right_pairs(truth: Truth) -> list[PairedIds]:
    clients = [PairedIds("client", card, min(contacts)) for card, contacts in truth.clients.items() if contacts]
    members = [
        PairedIds("client", card, contact, primary=False)
        for card, contacts in truth.clients.items()
        for contact in {*contacts, *truth.sharers.get(card, ())} - {min(contacts, default="")}
    ]
    visits = [PairedIds("appointment", one, visit) for one, visits in truth.visits.items() for visit in visits]
    return [*clients, *members, *visits]


def simple(world: World) -> tuple[str, str]:
    """A booking to come, and the one visit that it is."""
    left_out = world.truth.past | world.truth.drifted
    every = list(world.truth.visits.values())
    return next(
        (booking, min(visits))
        for booking, visits in world.truth.visits.items()
        if len(visits) == 1 and every.count(visits) == 1 and booking not in left_out
    )


def known_card(world: World) -> str:
    """A card of somebody who is registered, with pets on it, and nobody else on it."""
    return next(
        card_id(card.number)
        for card in world.twins.cards
        if card.owners and not card.partners and any(pet.pets for pet in card.listed)
    )


def listed_pet(world: World, card: str) -> tuple[str, frozenset[str]]:
    """Id and animals of a pet that stands on a card."""
    text = (world.booking.store.get("client", int(card)) or {})["custom_fields"][altegio.PETS_FIELD]
    for pet in pets_field.decode(text):
        animals = world.truth.pets[card, pet.name.casefold()]
        if animals:
            return f"{card}/{pet.key}", animals
    raise AssertionError("the card has no pet of the PIMS")


# -- nothing wrong


def test_sides_that_nobody_touched_are_clean(world: World) -> None:
    found = world.audit()
    assert found.silent
    assert found.as_data()["created"] == found.as_data()["changed"] == {}
    assert found.paired["client"][0] == 0 < found.paired["client"][1]


def test_the_right_pairs_are_clean_and_counted(world: World) -> None:
    found = world.audit(*right_pairs(world.truth))
    assert found.silent
    assert all(done == of > 0 for done, of in found.paired.values())


def test_a_right_pet_is_clean(world: World) -> None:
    pet, animals = listed_pet(world, known_card(world))
    assert all(world.audit(PairedIds("pet", pet, animal)).clean for animal in animals)


def test_a_visit_that_only_one_side_had_may_be_made_once(world: World) -> None:
    booking = next(each for each in world.twins.bookings if not world.twins.same[each.number])
    vet = {"id": ezyvet.CODE_LISTS["resource"][f"vet_{booking.vet}"]}
    when = {"start_at": int(booking.start.timestamp()), "resources": [vet]}
    made = [world.copy(world.pims, "appointment", visit_id(1), active=True, **when)]
    pair = PairedIds("appointment", booking_id(booking.number), made[0])
    assert world.audit(pair).clean
    assert world.audit(pair).created == {"pims appointment": (made[0],)}
    again = world.copy(world.pims, "appointment", visit_id(1), active=True, **when)
    assert findings(world.audit(pair)) == [(Wrong.TWICE, "pims", "appointment", again)]


# -- planted faults


def test_a_second_client_in_the_pims_is_found_by_its_link_and_by_its_phone(world: World) -> None:
    card = known_card(world)
    made = world.copy(world.pims, "contact", min(world.truth.clients[card]))
    wrong = (Wrong.TWICE, "pims", "client", made)
    assert findings(world.audit(PairedIds("client", card, made))) == [wrong]
    assert world.audit().clean
    phone = (world.booking.store.get("client", int(card)) or {})["phone"]
    world.pims.store.insert("contactdetail", {"contact_id": int(made), "contact_detail_type_id": 3, "value": phone})
    assert findings(world.audit()) == [wrong]


def test_a_second_card_is_found(world: World) -> None:
    card = known_card(world)
    made = world.copy(world.booking, "client", card, phone="+447999000001")
    pair = PairedIds("client", made, min(world.truth.clients[card]))
    assert findings(world.audit(pair)) == [(Wrong.TWICE, "booking", "client", made)]


def test_a_second_animal_is_found(world: World) -> None:
    pet, animals = listed_pet(world, known_card(world))
    made = world.copy(world.pims, "animal", min(animals), name="Typed otherwise")
    pair = PairedIds("pet", pet, made)
    assert findings(world.audit(pair)) == [(Wrong.TWICE, "pims", "pet", made)]
    world.put(world.pims, "animal", made, name=(world.pims.store.get("animal", int(min(animals))) or {})["name"])
    assert findings(world.audit()) == [(Wrong.TWICE, "pims", "pet", made)]


def test_an_animal_that_a_card_lists_twice_is_found(world: World) -> None:
    card = known_card(world)
    text = (world.booking.store.get("client", int(card)) or {})["custom_fields"][altegio.PETS_FIELD]
    name = text.split("(")[0].split(";")[0].split(",")[0].strip()
    world.put(world.booking, "client", card, custom_fields={altegio.PETS_FIELD: f"{text}; {name} (dog) #zzz9"})
    assert findings(world.audit()) == [(Wrong.TWICE, "booking", "pet", card)]


def test_a_second_visit_is_found_at_either_side_with_and_without_a_link(world: World) -> None:
    booking, visit = simple(world)
    made = world.copy(world.pims, "appointment", visit)
    copied = world.copy(world.booking, "record", booking)
    wrong = [(Wrong.TWICE, "pims", "appointment", made), (Wrong.TWICE, "booking", "appointment", copied)]
    assert findings(world.audit()) == wrong
    pairs = (PairedIds("appointment", booking, made), PairedIds("appointment", copied, visit))
    assert findings(world.audit(*pairs)) == wrong


def test_a_copy_of_a_visit_whose_counterpart_drifted_is_found(world: World) -> None:
    booking = min(world.truth.drifted)
    made = world.copy(world.pims, "appointment", min(world.truth.visits[booking]))
    copied = world.copy(world.booking, "record", booking)
    assert findings(world.audit()) == [
        (Wrong.TWICE, "pims", "appointment", made),
        (Wrong.TWICE, "booking", "appointment", copied),
    ]


def test_wrong_pairs_are_found_of_every_kind(world: World) -> None:
    (one, contacts), (other, _) = [(c, ids) for c, ids in world.truth.clients.items() if ids][:2]
    stranger = next(card for card, ids in world.truth.clients.items() if not ids)
    pet, animals = listed_pet(world, known_card(world))
    foreign = next(str(row["id"]) for row in world.pims.store.all("animal") if str(row["id"]) not in animals)
    _, visit = simple(world)
    elsewhere = next(b for b, ids in world.truth.visits.items() if visit not in ids)
    pairs = [
        PairedIds("client", other, min(contacts)),
        PairedIds("client", stranger, min(contacts)),
        PairedIds("client", one, str(ezyvet.PLACEHOLDER_CONTACT)),
        PairedIds("pet", pet, foreign),
        PairedIds("appointment", elsewhere, visit),
    ]
    for pair in pairs:
        found = world.audit(pair)
        assert findings(found) == [(Wrong.PAIR, "", pair.kind, f"{pair.booking_id} = {pair.pims_id}")]
        assert found.count(Wrong.PAIR) == 1
    assert world.audit(*pairs).count(Wrong.PAIR) == len(pairs)


def test_a_partner_is_a_member_of_the_card_and_its_owner_only_where_it_names_both(world: World) -> None:
    shared = [card for card in world.twins.cards if card.partners]
    assert {card.both for card in shared} == {True, False}
    for card in shared:
        partner = min(world.truth.sharers[card_id(card.number)])
        pair = PairedIds("client", card_id(card.number), partner)
        assert world.audit(pair._replace(primary=False)).clean
        assert world.audit(pair).clean is card.both


def test_what_was_cancelled_taken_away_or_changed_is_found(world: World) -> None:
    booking, visit = simple(world)
    world.put(world.booking, "record", booking, deleted=True)
    world.put(world.pims, "appointment", visit, active=False)
    card = known_card(world)
    world.booking.store.delete("client", int(card))
    world.put(world.pims, "contact", "1001", first_name="Another")
    world.put(world.pims, "contact", "1002", modified_at=1)
    found = world.audit()
    assert sorted(findings(found)) == sorted(
        [
            (Wrong.CANCELLED, "booking", "appointment", booking),
            (Wrong.CANCELLED, "pims", "appointment", visit),
            (Wrong.CANCELLED, "booking", "client", card),
        ]
    )
    assert found.changed == {"pims contact": ("1001",)}
    touched = frozenset(
        {
            Touched("booking", "appointment", booking),
            Touched("pims", "appointment", visit),
            Touched("booking", "client", card),
            Touched("pims", "client", "1001"),
        }
    )
    assert world.audit(people=PeopleDid(touched)).as_data() == world.audit(people=PeopleDid(touched)).as_data()
    assert world.audit(people=PeopleDid(touched)).clean
    assert world.audit(people=PeopleDid(touched)).changed == {}


def test_a_write_that_is_refused_is_a_write_request(world: World, played: Played) -> None:
    given = world.booking.credentials
    headers = {"Authorization": f"Bearer {given['partner_token']}, User {given['user_token']}"}
    answer = httpx.delete(f"{world.booking.base_url}/record/{given['location_id']}/1", headers=headers)
    assert answer.status_code == 404
    found = world.audit(truth=played.truth, people=played.people)
    assert found.clean
    assert not found.silent
    assert found.write_requests == {"booking": 1, "pims": 0}


def test_a_message_to_an_owner_is_counted(world: World) -> None:
    world.booking.notice("own", message="booked")
    assert world.audit().clean
    world.booking.notice("write", message="send_sms")
    found = world.audit()
    assert found.notices == {"booking": 1, "pims": 0}
    assert not found.clean


def test_the_report_is_plain_data_without_names(world: World) -> None:
    card = known_card(world)
    made = world.copy(world.pims, "contact", min(world.truth.clients[card]))
    data = json.loads(json.dumps(world.audit(PairedIds("client", card, made)).as_data()))
    assert data["created_twice"] == 1
    assert data["findings"][0]["id"] == made
    name = (world.pims.store.get("contact", int(made)) or {})["last_name"]
    assert name not in json.dumps(data)


def test_the_links_of_a_ledger_are_read(tmp_path: Path) -> None:
    ledger = open_ledger(
        ledger_place(tmp_path, migrated=True), "a ledger key of the tests that is long enough", FakeClock()
    )
    with ledger.write() as tx:
        for account in ("altegio", "ezyvet"):
            accounts.enrol(tx, account, account, country="GB")
        at = {"site": "town", "booking_account": "altegio", "pims_account": "ezyvet", "origin": "pairing"}
        links.put(tx, kind=Kind.CLIENT, booking_id="10001", pims_id="1001", **at)
        links.put_member(tx, booking_id="10001", pims_id="1002", **at)
        ended = links.put(tx, kind=Kind.PET, booking_id="10001/k7q2", pims_id="5001", **at)
        links.end(tx, ended)
    with ledger.read() as tx:
        assert set(pairs_in(tx, "town")) == {
            PairedIds("client", "10001", "1001"),
            PairedIds("client", "10001", "1002", primary=False),
        }
        assert pairs_in(tx, "elsewhere") == ()
    ledger.close()


# -- a day of people


def test_a_day_of_people_is_nobodys_fault(world: World, played: Played) -> None:
    found = world.audit(*right_pairs(played.truth), truth=played.truth, people=played.people)
    assert found.silent
    assert found.created == found.changed == {}
    assert not world.audit(truth=played.truth).silent


def test_the_day_goes_as_planned(world: World, played: Played) -> None:
    new = {one: ids for one, ids in played.truth.visits.items() if one not in world.truth.visits}
    assert len(new) == 15 + 5
    assert 6 <= sum(not ids for ids in new.values()) <= 9
    moved = [int(one.id) for one in played.people.touched if one.kind == "appointment" and one.side == "booking"]
    assert len(moved) == 20 + 5 + 3
    rows = [world.booking.store.get("record", number) or {} for number in moved]
    assert sum(row["deleted"] for row in rows) == 3
    for booking, visits in played.truth.visits.items():
        record = world.booking.store.get("record", int(booking)) or {}
        for visit in visits:
            row = world.pims.store.get("appointment", int(visit)) or {}
            assert row["active"] is not record["deleted"]
            assert (row["start_at"] == record["_start"]) or booking in played.truth.drifted
    strangers = {card for card, ids in played.truth.clients.items() if card not in world.truth.clients and not ids}
    assert strangers


def test_what_vetbridge_makes_of_a_stranger_who_was_registered_by_hand_is_found(world: World, played: Played) -> None:
    card, contacts = next(
        (card, ids)
        for card, ids in played.truth.clients.items()
        if card not in world.truth.clients and ids and not ids & world.truth.people.keys()
    )
    made = world.copy(world.pims, "contact", min(contacts))
    found = world.audit(PairedIds("client", card, made), truth=played.truth, people=played.people)
    assert findings(found) == [(Wrong.TWICE, "pims", "client", made)]


def test_a_day_that_is_too_long_for_the_sides_is_refused(world: World) -> None:
    sides = replace(world.twins, same={number: frozenset() for number in world.twins.same})
    with pytest.raises(ValueError, match="too few visits"):
        play_day(sides, world.truth, world.booking.start(), world.pims.start())
