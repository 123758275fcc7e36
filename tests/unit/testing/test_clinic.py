"""The clinic generator: the same clinic from the same seed, with the shares it promises."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter

import phonenumbers
import pytest

from vetbridge.testing.clinic import REFERENCE_DAY, Clinic, Owner, PetSeed, email_for, make_clinic, phone_for


@pytest.fixture(scope="module")
def clinic() -> Clinic:
    return make_clinic(7, 4000)


def share(owners: tuple[Owner, ...], chosen: int) -> float:
    return chosen / len(owners)


def pets(clinic: Clinic) -> list[PetSeed]:
    return [pet for owner in clinic.owners for pet in owner.pets]


def test_a_seed_means_the_same_clinic_in_another_process() -> None:
    here = hashlib.sha256(repr(make_clinic(3, 400)).encode()).hexdigest()
    program = (
        "import hashlib; from vetbridge.testing.clinic import make_clinic;"
        "print(hashlib.sha256(repr(make_clinic(3, 400)).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    there = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert there.stdout.strip() == here


def test_another_seed_is_another_clinic() -> None:
    assert make_clinic(1, 50).owners != make_clinic(2, 50).owners


@pytest.mark.parametrize("clients", [0, 1, 2, 3, 17])
def test_the_clinic_has_as_many_owners_as_asked_for(clients: int) -> None:
    owners = make_clinic(5, clients).owners
    assert [owner.number for owner in owners] == list(range(1, clients + 1))


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 0"):
        make_clinic(1, -1)


def test_an_owner_is_found_by_number(clinic: Clinic) -> None:
    assert clinic.owner(12).number == 12
    for unknown in (0, 4001):
        with pytest.raises(KeyError):
            clinic.owner(unknown)


def test_the_shares_are_as_promised(clinic: Clinic) -> None:
    owners = clinic.owners
    assert 0.09 < share(owners, sum(o.household is not None for o in owners)) < 0.15
    assert 0.03 < share(owners, sum(o.duplicate_of is not None for o in owners)) < 0.05
    assert 0.03 < share(owners, sum(not o.active for o in owners)) < 0.07
    assert 0.08 < share(owners, sum(o.email is None for o in owners)) < 0.13
    assert 0.02 < share(owners, sum(not o.phones for o in owners)) < 0.04
    assert 0.30 < share(owners, sum(o.online for o in owners)) < 0.37
    everyone = pets(clinic)
    assert 0.03 < sum(pet.deceased for pet in everyone) / len(everyone) < 0.055


def test_owners_with_a_phone_of_their_own_are_most(clinic: Clinic) -> None:
    held = Counter(phone for owner in clinic.owners for phone in owner.phones)
    own = [o for o in clinic.owners if o.phones and all(held[phone] == 1 for phone in o.phones)]
    assert share(clinic.owners, len(own)) > 0.7


def test_every_phone_is_a_valid_british_mobile_in_e164(clinic: Clinic) -> None:
    for phone in {phone for owner in clinic.owners for phone in owner.phones}:
        number = phonenumbers.parse(phone)
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == phone


def test_phones_are_shared_only_in_households_and_by_duplicates(clinic: Clinic) -> None:
    holders: dict[str, list[Owner]] = {}
    for owner in clinic.owners:
        for phone in owner.phones:
            holders.setdefault(phone, []).append(owner)
    for sharing in (owners for owners in holders.values() if len(owners) > 1):
        first, second = sharing
        assert second.duplicate_of == first.number or (second.household == first.household is not None)


def test_a_household_is_two_people_with_one_phone_and_different_pets(clinic: Clinic) -> None:
    households: dict[int, list[Owner]] = {}
    for owner in clinic.owners:
        if owner.household is not None:
            households.setdefault(owner.household, []).append(owner)
    assert households
    for first, second in households.values():
        assert first.phones == second.phones != ()
        assert first.given_name != second.given_name
        assert not {p.name for p in first.pets} & {p.name for p in second.pets}


def test_a_duplicate_shares_the_phone_and_sometimes_the_animal(clinic: Clinic) -> None:
    duplicates = [owner for owner in clinic.owners if owner.duplicate_of is not None]
    again = 0
    for owner in duplicates:
        first = clinic.owner(owner.duplicate_of or 0)
        assert first.number < owner.number
        assert owner.phones == first.phones[:1]
        assert owner.given_name[0] == first.given_name[0]
        assert not owner.online
        known = {pet.number: pet for pet in first.pets}
        for pet in owner.pets:
            if pet.duplicate_of is not None:
                assert known[pet.duplicate_of].name == pet.name
                again += 1
    assert 0 < again < len(duplicates)


def test_no_two_online_owners_share_a_phone(clinic: Clinic) -> None:
    online = [owner for owner in clinic.owners if owner.online]
    assert all(owner.phones and owner.active for owner in online)
    phones = [phone for owner in online for phone in owner.phones]
    assert len(phones) == len(set(phones))


def test_emails_are_unique_but_for_duplicate_registrations(clinic: Clinic) -> None:
    addresses = [o.email for o in clinic.owners if o.email and o.duplicate_of is None]
    assert len(addresses) == len(set(addresses))
    assert all(address.isascii() and address.endswith(("@example.org", "@example.com")) for address in addresses)


def test_pets_have_numbers_of_their_own_and_a_past(clinic: Clinic) -> None:
    everyone = pets(clinic)
    assert [pet.number for pet in everyone] == list(range(1, len(everyone) + 1))
    assert all(1 <= len(owner.pets) <= 3 for owner in clinic.owners)
    assert all(pet.birth_date < REFERENCE_DAY for pet in everyone)
    assert {pet.species for pet in everyone} == {"dog", "cat", "rabbit", "other"}
    assert {pet.sex for pet in everyone} == {"male", "female", "male_neutered", "female_neutered", "unknown"}


def test_names_repeat_as_in_a_real_card_index(clinic: Clinic) -> None:
    full = Counter((o.given_name, o.family_name) for o in clinic.owners if o.duplicate_of is None)
    assert full.most_common(1)[0][1] > 1
    families = {o.family_name for o in clinic.owners}
    assert {"O'Brien", "de la Cruz", "Müller", "Smith-Jones"} <= families


def test_staff_and_services_carry_the_agreed_codes(clinic: Clinic) -> None:
    assert [member.code for member in clinic.staff] == ["vet_1", "vet_2", "vet_3", "vet_4"]
    minutes = {service.code: service.minutes for service in clinic.services}
    assert minutes == {"checkup": 20, "vaccination": 15, "dental": 45, "surgery": 60, "nail_clip": 10}


def test_a_phone_above_the_clinic_is_new(clinic: Clinic) -> None:
    held = {phone for owner in clinic.owners for phone in owner.phones}
    fresh = [phone_for(number) for number in range(4001, 4501)]
    assert len(set(fresh)) == 500
    assert not held & set(fresh)
    for outside in (-1, 35_000_000):
        with pytest.raises(ValueError, match="34,999,999"):
            phone_for(outside)


def test_an_email_is_plain_ascii_whatever_the_name() -> None:
    assert email_for("Łucja", "Weiß-Øster", 4) == "lucja.weissoster4@example.org"
    assert email_for("雪", "", 3) == "owner3@example.com"
