"""The mirror finds whom a booking may mean, and knows how common names are."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from vetbridge.core.matching import Forms, forms_of, home_keys, keys, terms
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger import accounts, mirror
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import MatchKey, MatchTerm

PHONE = "07700 900123"
JOHN = Client(id="c1", given_name="John", family_name="Smith", phones=(PHONE,), emails=("john@example.com",))
REX = Pet(id="p1", client_id="c1", name="Rex")


@pytest.fixture
def pims(ledger: Ledger) -> Ledger:
    with ledger.write() as tx:
        accounts.enrol(tx, "pims", "memory", country="GB")
        accounts.enrol(tx, "other", "memory", country="GB")
    return ledger


def booking(client: Client, pet: Pet | None = None) -> Forms:
    return forms_of(client, [] if pet is None else [pet], "GB")


def put(ledger: Ledger, *records: Client | Pet, account: str = "pims") -> mirror.Stored:
    with ledger.write() as tx:
        return mirror.put(tx, account, records)


def found(ledger: Ledger, of: Forms) -> mirror.Found:
    with ledger.read() as tx:
        return mirror.find(tx, "pims", of)


def ids(candidates: tuple[Forms, ...]) -> set[str]:
    return {one.client_id for one in candidates}


def test_a_booking_finds_by_contact_by_name_and_by_pet(pims: Ledger) -> None:
    put(pims, JOHN, REX, Client(id="c2", given_name="Eva", family_name="Novak"))
    put(pims, replace(JOHN, id="c9"), account="other")
    for of in (
        booking(Client(phones=("+44 7700 900123",))),
        booking(Client(given_name="Jon", family_name="Smyth")),
        booking(Client(family_name="Smith"), Pet(name="REX")),
    ):
        assert ids(found(pims, of).candidates) == {"c1"}
    assert found(pims, booking(Client(given_name="Zoe"))).candidates == ()
    assert found(pims, booking(Client())).candidates == ()


def test_what_is_found_is_what_was_stored(pims: Ledger) -> None:
    put(pims, JOHN, REX)
    (one,) = found(pims, booking(JOHN)).candidates
    assert one == forms_of(JOHN, [REX], "GB")


def test_a_client_is_found_by_a_co_owner(pims: Ledger) -> None:
    owned = replace(JOHN, co_owners=("Mary Jones",))
    put(pims, owned, REX)
    for of in (booking(Client(given_name="Mary", family_name="Jones")), booking(Client(family_name="Jones"), REX)):
        (one,) = found(pims, of).candidates
        assert one == forms_of(owned, [REX], "GB")


def test_who_has_no_co_owners_is_kept_as_before_there_were_any(pims: Ledger) -> None:
    held = plain(JOHN)["$client"]
    assert "co_owners" not in held
    assert rich({"$client": held}) == JOHN
    owned = replace(JOHN, co_owners=("Mary",))
    assert rich(plain(owned)) == owned
    assert put(pims, JOHN).changed == 1
    assert put(pims, owned).changed == 1, "a co-owner who came later is noticed"


def test_those_with_the_rarest_keys_come_first_and_not_too_many(pims: Ledger) -> None:
    namesakes = [Client(id=f"n{number}", given_name="John", family_name="Smith") for number in range(50)]
    neighbours = [Client(id=f"h{n}", family_name="Jones", street="1 High St", postcode="AB1") for n in range(55)]
    put(pims, *namesakes, *neighbours, JOHN)
    of = replace_home(JOHN)
    got = found(pims, booking(of)).candidates
    assert len(got) == mirror.MOST_CANDIDATES
    assert "c1" in ids(got)


def replace_home(client: Client) -> Client:
    return replace(client, street="1 High St", postcode="AB1")


def test_a_crowded_contact_is_told_and_finds_nobody(pims: Ledger) -> None:
    put(pims, *(Client(id=f"n{number}", phones=(PHONE,)) for number in range(mirror.CROWDED + 1)))
    got = found(pims, booking(JOHN))
    assert got.candidates == ()
    assert got.crowded == {"+447700900123"}


def test_the_clinic_is_counted(pims: Ledger) -> None:
    put(pims, JOHN, REX, replace(JOHN, id="c2", given_name="Mary"), Client(id="c3", family_name="Novak"))
    put(pims, *(Client(id=f"o{n}", family_name="Smith") for n in range(3)), account="other")
    clinic = found(pims, booking(JOHN, REX)).clinic
    assert (clinic.owners, clinic.counts) == (3, {"family:smith": 2, "given:john": 1, "pet:rex": 1})


def test_the_household_shares_a_contact_or_the_address(pims: Ledger) -> None:
    home = {"street": "12 Mill Road", "postcode": "AB1 2CD"}
    john = replace(JOHN, **home)  # type: ignore[arg-type]
    mary = Client(id="c2", given_name="Mary", family_name="Jones", **home)  # type: ignore[arg-type]
    put(pims, john, mary, Client(id="c3", phones=(PHONE,)), Client(id="c4", street="9 Mill Road", postcode="AB1 2CD"))
    with pims.read() as tx:
        (one,) = (each for each in mirror.comparable(tx, "pims", ["c1"]))
        assert ids(mirror.household(tx, "pims", one)) == {"c1", "c2", "c3"}


def test_a_record_with_very_many_contacts_is_still_found(pims: Ledger) -> None:
    """More keys than an SQLite statement takes terms."""
    many = replace(JOHN, phones=tuple(f"07700{number:06}" for number in range(100_200, 100_801)))
    put(pims, many)
    assert ids(found(pims, booking(many)).candidates) == {"c1"}
    with pims.read() as tx:
        (one,) = mirror.comparable(tx, "pims", ["c1"])
        assert len(home_keys(one)) > 500
        assert ids(mirror.household(tx, "pims", one)) == {"c1"}


# -- what the mirror counts, it counts once -------------------------------------------------------------------

RECORDS = st.builds(
    Client,
    id=st.sampled_from(["c1", "c2", "c3"]),
    given_name=st.sampled_from(["", "John", "Mary", "John & Mary"]),
    family_name=st.sampled_from(["Smith", "Novak"]),
    phones=st.sampled_from([(), (PHONE,), ("07700 900456", PHONE)]),
    active=st.booleans(),
    co_owners=st.sampled_from([(), (), ("Mary",), ("Mary Novak", "Eva")]),
) | st.builds(
    Pet,
    id=st.sampled_from(["p1", "p2", "p3"]),
    client_id=st.sampled_from([None, "c1", "c2", "c3", "gone"]),
    carer_id=st.sampled_from([None, None, "c1", "c2", "gone"]),
    co_owner_ids=st.sampled_from([(), (), ("c2",), ("c3", "c1"), ("gone", "c2", "c2")]),
    name=st.sampled_from(["Rex", "Luna", ""]),
    deceased=st.booleans(),
)
RUNS = count()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.lists(RECORDS, max_size=4), max_size=5))
def test_after_any_history_the_mirror_is_as_one_made_anew(ledger: Ledger, history: list[list[Client | Pet]]) -> None:
    run = next(RUNS)
    old, new = f"old{run}", f"new{run}"
    last: dict[tuple[type, str | None], Client | Pet] = {}
    for batch in history:
        with ledger.write() as tx:
            accounts.enrol(tx, old, "memory", country="GB")
            mirror.put(tx, old, batch)
        last.update({(type(one), one.id): one for one in batch})
    with ledger.write() as tx:
        accounts.enrol(tx, new, "memory", country="GB")
        mirror.put(tx, new, last.values())
    with ledger.read() as tx:
        assert key_rows(tx, old) == key_rows(tx, new)
        assert term_rows(tx, old) == term_rows(tx, new)
        clients = [id_ or "" for kind, id_ in last if kind is Client]
        assert set(mirror.comparable(tx, old, clients)) == set(mirror.comparable(tx, new, clients))
        made = {one.client_id: one for one in mirror.comparable(tx, old, clients)}
        assert key_rows(tx, old) == {(tx.sealer.hash(key), id_) for id_, one in made.items() for key in keys(one)}
        held = [one for one in last.values() if isinstance(one, Pet) and one.client_id in made]
        for one in mirror.with_pets_of_others(tx, old, list(made.values())):
            mine = [pet for pet in held if pet.may_be_booked_by(one.client_id)]
            assert sorted(animal.id for animal in one.animals) == sorted(pet.id or "" for pet in mine)
            of_others = {pet.id for pet in mirror.pets_of_others(tx, old, one.client_id)}
            assert of_others == {pet.id for pet in mine if pet.client_id != one.client_id}
        for one in made.values():
            clinic = mirror.clinic(tx, old, one)
            assert clinic.owners == len(made) == mirror.count(tx, old, Kind.CLIENT)
            assert clinic.counts == {t: sum(t in terms(other) for other in made.values()) for t in terms(one)}


def key_rows(tx: Transaction, account: str) -> set[tuple[str, str]]:
    rows = tx.session.exec(select(MatchKey).where(MatchKey.account == account)).all()
    return {(row.key_hash, row.client_id) for row in rows}


def term_rows(tx: Transaction, account: str) -> dict[str, int]:
    rows = tx.session.exec(select(MatchTerm).where(MatchTerm.account == account)).all()
    assert all(row.count >= 0 for row in rows)
    return {row.term_hash: row.count for row in rows if row.count}
